/* SPDX-License-Identifier: BSD-3-Clause */

/* The arithmetic of calibration: fits, medians, break-evens. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_common.h>

#include "calib_fit.h"
#include "ferry_calib.h"
#include "ferry_test.h"

static void
assert_near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		fail_msg("%g is not %g +- %g", got, want, tolerance);
}

static void
test_points_on_a_line_give_the_line(void **state)
{
	static const double sizes[] = { 256, 8192, 65536, 1048576 };
	static const struct ferry_lane_model models[] = {
		{ 0, 1 }, { 20, 10 }, { 1700, 31 }, { 1e6, 0.5 }, { 3, 50 },
	};
	unsigned int i, j;

	(void)state;
	for (i = 0; i < RTE_DIM(models); i++) {
		struct calib_point points[RTE_DIM(sizes)];
		struct ferry_lane_model got;

		for (j = 0; j < RTE_DIM(sizes); j++) {
			points[j].bytes = sizes[j];
			points[j].ns = models[i].t0_ns +
				sizes[j] / models[i].bytes_per_ns;
		}
		got = calib_fit(points, RTE_DIM(sizes));
		assert_near(got.t0_ns, models[i].t0_ns,
			0.001 * models[i].t0_ns + 0.01);
		assert_near(got.bytes_per_ns, models[i].bytes_per_ns,
			0.001 * models[i].bytes_per_ns);
	}
}

/* One part in ten of noise moves the result by about as much, not more. */
static void
test_noise_does_not_get_louder(void **state)
{
	const struct calib_point points[] = {
		{ 256, 1.1 * (1000 + 256 / 10.0) },
		{ 65536, 0.9 * (1000 + 65536 / 10.0) },
		{ 1048576, 1.1 * (1000 + 1048576 / 10.0) },
	};
	struct ferry_lane_model got = calib_fit(points, RTE_DIM(points));

	(void)state;
	assert_near(got.t0_ns, 1000, 200);
	assert_near(got.bytes_per_ns, 10, 2);
}

static void
test_impossible_points_give_possible_models(void **state)
{
	static const struct calib_point points[][3] = {
		/* Longer is faster; negative t0; all the same; no time. */
		{ { 256, 900 }, { 8192, 800 }, { 65536, 700 } },
		{ { 256, 1 }, { 8192, 900 }, { 65536, 9000 } },
		{ { 4096, 500 }, { 4096, 510 }, { 4096, 490 } },
		{ { 256, 0 }, { 8192, 0 }, { 65536, 0 } },
		{ { 0, 0 }, { 0, 0 }, { 0, 0 } },
		{ { 256, -5 }, { 8192, NAN }, { 65536, INFINITY } },
		{ { 256, 1e300 }, { 8192, 1e300 }, { 65536, 1e300 } },
	};
	struct ferry_lane_model got;
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(points); i++) {
		got = calib_fit(points[i], 3);
		assert_true(calib_model_ok(&got));
	}
	got = calib_fit(points[0], 0);
	assert_true(calib_model_ok(&got));
	/* The first: as fast as the longest was. */
	got = calib_fit(points[0], 3);
	assert_near(got.bytes_per_ns, 65536 / 700.0, 1);
	/* The second: what its line through the origin says. */
	got = calib_fit(points[1], 3);
	assert_int_equal(got.t0_ns, 0);
}

static void
test_any_points_give_possible_models(void **state)
{
	uint64_t rng = 3;
	unsigned int i, j;

	(void)state;
	for (i = 0; i < 20000; i++) {
		struct calib_point points[3];
		struct ferry_lane_model got;

		for (j = 0; j < 3; j++) {
			points[j].bytes = (double)(ferry_test_random(&rng) >>
				ferry_test_random(&rng) % 64);
			points[j].ns = (double)(ferry_test_random(&rng) >>
				ferry_test_random(&rng) % 64);
		}
		got = calib_fit(points, 3);
		assert_true(calib_model_ok(&got));
	}
}

static void
test_what_a_model_may_hold(void **state)
{
	static const struct ferry_lane_model bad[] = {
		{ -1, 1 }, { NAN, 1 }, { INFINITY, 1 }, { 1, 0 }, { 1, -1 },
		{ 1, NAN }, { 1, INFINITY }, { 1e13, 1 }, { 1, 1e-7 },
	};
	const struct ferry_lane_model good = { 0, 1 };
	unsigned int i;

	(void)state;
	assert_true(calib_model_ok(&good));
	for (i = 0; i < RTE_DIM(bad); i++)
		assert_false(calib_model_ok(&bad[i]));
}

static void
test_median_ignores_outliers(void **state)
{
	double odd[] = { 5, 1e9, 4, 6, 0 };
	double even[] = { 8, 2, 1e9, 4 };

	(void)state;
	assert_near(calib_median(odd, 5), 5, 0);
	assert_near(calib_median(even, 4), 6, 0);
	assert_near(calib_median(odd, 1), 0, 0);
}

static void
test_hidden_bandwidth_is_borrowed(void **state)
{
	const struct ferry_lane_model cold = { .t0_ns = 0, .bytes_per_ns = 16 };
	struct ferry_lane_model hot = { .t0_ns = 80000, .bytes_per_ns = 0.8 };

	(void)state;
	/* 64 KiB take 4096 ns, of 80000. */
	calib_borrow(&hot, &cold, 65536);
	assert_near(hot.bytes_per_ns, 16, 0);
	assert_near(hot.t0_ns, 80000, 0);
	/* Of 2000 they can be seen. */
	hot.t0_ns = 2000;
	hot.bytes_per_ns = 40;
	calib_borrow(&hot, &cold, 65536);
	assert_near(hot.bytes_per_ns, 40, 0);
}

static struct ferry_calib_even
even(double t0, double bw, double job_ns, double batch_ns)
{
	/* The core: 10 GB/s, as in the design. */
	const struct ferry_lane_model cpu = { .t0_ns = 20, .bytes_per_ns = 10 };
	const struct ferry_lane_model lane = {
		.t0_ns = t0, .bytes_per_ns = bw,
	};
	struct ferry_calib_even e;

	ferry_calib_even(&cpu, &lane, job_ns, batch_ns, &e);
	return e;
}

/* The fit finds the break-evens that are published for DSA: about 16 KiB when
 * each copy is waited for, about 2 KiB when copies are asynchronous, and 256 to
 * 512 bytes in batches of 32. */
static void
test_break_evens_of_a_dsa(void **state)
{
	struct ferry_calib_even e = even(1100, 31, 220, 60);

	(void)state;
	assert_in_range(e.sync, 15000, 17000);
	assert_int_equal(e.async, 2000);
	assert_int_equal(e.batch, 400);
}

static void
test_break_evens_at_the_edges(void **state)
{
	(void)state;
	/* Slower in everything; slower, but with less to begin. */
	assert_int_equal(even(100, 5, 100, 50).sync, FERRY_CALIB_NEVER);
	assert_int_equal(even(1, 5, 100, 50).sync, FERRY_CALIB_NEVER);
	/* As fast, and later or not; better in everything. */
	assert_int_equal(even(21, 10, 100, 50).sync, FERRY_CALIB_NEVER);
	assert_int_equal(even(20, 10, 100, 50).sync, 0);
	assert_int_equal(even(5, 30, 100, 50).sync, 0);
	/* A job costs less than nothing copied; or more than any copy. */
	assert_int_equal(even(1, 1, 20, 1).async, 0);
	assert_int_equal(even(1, 1, 20, 1).batch, 0);
	assert_int_equal(even(1, 1, 1e20, 21).async, FERRY_CALIB_NEVER);
	assert_int_equal(even(1, 1, 1e20, 21).batch, 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_points_on_a_line_give_the_line),
		cmocka_unit_test(test_noise_does_not_get_louder),
		cmocka_unit_test(test_impossible_points_give_possible_models),
		cmocka_unit_test(test_any_points_give_possible_models),
		cmocka_unit_test(test_what_a_model_may_hold),
		cmocka_unit_test(test_median_ignores_outliers),
		cmocka_unit_test(test_hidden_bandwidth_is_borrowed),
		cmocka_unit_test(test_break_evens_of_a_dsa),
		cmocka_unit_test(test_break_evens_at_the_edges),
	};

	return cmocka_run_group_tests_name("calib_fit", tests, NULL, NULL);
}
