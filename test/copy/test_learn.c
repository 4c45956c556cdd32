/* SPDX-License-Identifier: BSD-3-Clause */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ferry_learn.h"
#include "ferry_test.h"

static const struct ferry_lane_model seed = { 1000, 30 };

static struct ferry_learn_sample
sample(const struct ferry_lane_model *truth, uint64_t len, uint64_t ahead)
{
	struct ferry_learn_sample s = {
		.len = len,
		.ahead_ns = (double)ahead / truth->bytes_per_ns,
		.ns = truth->t0_ns + (double)(ahead + len) /
			truth->bytes_per_ns,
	};

	return s;
}

static int
near(double a, double b, double by)
{
	return a > b * (1 - by) && a < b * (1 + by);
}

static void
test_what_is_right_stays(void **state)
{
	struct ferry_lane_model model = seed;
	struct ferry_learn learn = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		struct ferry_learn_sample s = sample(&seed, 64 << i % 16,
			i % 3 * 10000);

		ferry_learn(&learn, &model, &s);
	}
	assert_true(near(model.t0_ns, 1000, 0.001));
	assert_true(near(model.bytes_per_ns, 30, 0.001));
}

/* Samples in a row weigh more; one that is as predicted ends the row. */
static void
test_a_row_ends_where_one_is_as_predicted(void **state)
{
	const struct ferry_lane_model slow = { 1000, 3 };
	struct ferry_lane_model model = { 1000, 30 };
	struct ferry_learn learn = { 0 };
	double before;
	unsigned int i;

	(void)state;
	for (i = 0; i < 8; i++) {
		struct ferry_learn_sample s = sample(i == 3 ? &model : &slow,
			1 << 26, 0);

		before = model.bytes_per_ns;
		ferry_learn(&learn, &model, &s);
		/* The last one is the fourth in its row. */
		assert_true(near(before / model.bytes_per_ns, i == 3 ? 1 :
			i < 7 ? 1 + 1.0 / 16 : 1 + 1.0 / 4, 0.001));
	}
}

/* Small jobs teach the fixed cost, large ones the bandwidth. */
static void
test_a_changed_lane_is_known_after_a_while(void **state)
{
	static const struct ferry_lane_model truths[] = {
		{ 1000, 7 }, { 1000, 120 }, { 4000, 30 }, { 250, 30 },
		{ 5000, 8 }, { 300, 90 },
	};
	unsigned int i, k;

	(void)state;
	for (k = 0; k < sizeof(truths) / sizeof(truths[0]); k++) {
		struct ferry_lane_model model = seed;
		struct ferry_learn learn = { 0 };

		for (i = 0; i < 400; i++) {
			struct ferry_learn_sample s = sample(&truths[k],
				i % 2 ? 64 : 1 << 20, 0);

			ferry_learn(&learn, &model, &s);
		}
		assert_true(near(model.t0_ns, truths[k].t0_ns, 0.05));
		assert_true(near(model.bytes_per_ns, truths[k].bytes_per_ns,
			0.05));
	}
}

static void
test_quick_to_see_a_lane_four_times_as_slow(void **state)
{
	const struct ferry_lane_model slow = { 1000, 7.5 };
	struct ferry_lane_model model = seed;
	struct ferry_learn learn = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 16; i++) {
		struct ferry_learn_sample s = sample(&slow, 1 << 20, 0);

		ferry_learn(&learn, &model, &s);
	}
	assert_true(model.bytes_per_ns < 11);
}

/* A thread that did not run for a while. */
static void
test_one_bad_sample_does_little(void **state)
{
	static const uint64_t lens[] = { 64, 1 << 20 };
	unsigned int k, i;

	(void)state;
	for (k = 0; k < 2; k++) {
		struct ferry_lane_model model = seed;
		struct ferry_learn learn = { 0 };

		for (i = 0; i < 500; i++) {
			struct ferry_learn_sample s = sample(&seed, lens[k], 0);

			if (i % 50 == 7)
				s.ns *= 1000;
			ferry_learn(&learn, &model, &s);
			assert_true(near(model.t0_ns, 1000, 0.07));
			assert_true(near(model.bytes_per_ns, 30, 0.07));
		}
	}
}

/* 35952 ns are predicted; it was seen to be done between two looks. */
static void
test_what_was_seen_late_may_teach_nothing(void **state)
{
	struct ferry_learn_sample s = { .len = 1 << 20 };
	struct ferry_lane_model model = seed;
	struct ferry_learn learn = { 0 };

	(void)state;
	s.ns = 1e6;
	s.slack_ns = 970000;
	ferry_learn(&learn, &model, &s);
	s.ns = 36000;
	s.slack_ns = 36000;
	ferry_learn(&learn, &model, &s);
	assert_memory_equal(&model, &seed, sizeof(model));
	/* Slower in any case, ... */
	s.ns = 1e6;
	s.slack_ns = 900000;
	ferry_learn(&learn, &model, &s);
	assert_true(model.bytes_per_ns < 29);
	/* ... quicker in any case, ... */
	model = seed;
	s.ns = 20000;
	s.slack_ns = 20000;
	ferry_learn(&learn, &model, &s);
	assert_true(model.bytes_per_ns > 30);
	/* ... known well enough. */
	model = seed;
	s.ns = 40000;
	s.slack_ns = 10000;
	ferry_learn(&learn, &model, &s);
	assert_true(model.bytes_per_ns < 30);
}

static void
test_no_sample_makes_a_model_no_lane_can_have(void **state)
{
	static const double odd[] = {
		0, -1, 1, 1e-300, 1e300, NAN, INFINITY, -INFINITY, 1e6,
	};
	static const uint64_t lens[] = { 0, 1, 4096, UINT64_MAX };
	const unsigned int n = sizeof(odd) / sizeof(odd[0]);
	static const struct ferry_lane_model from[] = {
		{ 0, 1000 }, { 1000, 30 }, { 1e9, 0.001 }, { 1e300, 1e-300 },
		{ 0, 1e300 },
	};
	unsigned int a, b, c, k, m, i;

	(void)state;
	for (m = 0; m < 5; m++)
	for (a = 0; a < n; a++)
	for (b = 0; b < n; b++)
	for (c = 0; c < n; c++)
	for (k = 0; k < 4; k++) {
		const struct ferry_learn_sample s = {
			lens[k], odd[a], odd[b], odd[c],
		};
		struct ferry_lane_model model = from[m];
		struct ferry_learn learn = { 0 };

		for (i = 0; i < 20; i++)
			ferry_learn(&learn, &model, &s);
		assert_true(isfinite(model.t0_ns) && model.t0_ns >= 0);
		assert_true(isfinite(model.bytes_per_ns) &&
			model.bytes_per_ns > 0);
		/* What somebody set beyond reason stays as set. */
		if (m >= 3)
			assert_memory_equal(&model, &from[m], sizeof(model));
	}
}

static void
test_a_fixed_cost_can_grow_from_nothing(void **state)
{
	struct ferry_lane_model model = { 0, 30 };
	const struct ferry_lane_model truth = { 500, 30 };
	struct ferry_learn learn = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 400; i++) {
		struct ferry_learn_sample s = sample(&truth, 0, 0);

		ferry_learn(&learn, &model, &s);
	}
	assert_true(near(model.t0_ns, 500, 0.05));
}

/* A sixteenth of what a sample says; from the fourth in a row on a quarter. */
static void
test_a_row_of_samples_weighs_more(void **state)
{
	struct ferry_learn_sample s = { .len = 1 << 20, .ns = 1e12 };
	struct ferry_lane_model model = { 0, 30 };
	struct ferry_learn learn = { 0 };
	double per_byte = 1.0 / 30;
	unsigned int i;

	(void)state;
	for (i = 1; i <= 6; i++) {
		ferry_learn(&learn, &model, &s);
		/* It says twice the time at most. */
		per_byte *= i > 3 ? 1 + 1.0 / 4 : 1 + 1.0 / 16;
		assert_true(near(model.bytes_per_ns, 1 / per_byte, 1e-9));
	}
	/* The other way: a row of its own. */
	s.ns = 1;
	for (i = 1; i <= 6; i++) {
		ferry_learn(&learn, &model, &s);
		per_byte *= i > 3 ? 1 - 1.0 / 8 : 1 - 1.0 / 32;
		assert_true(near(model.bytes_per_ns, 1 / per_byte, 1e-9));
	}
}

/* What samples have driven to a bound, other samples bring back. */
static void
test_a_bound_is_no_trap(void **state)
{
	struct ferry_lane_model model = { 0.99e9, 30 };
	struct ferry_learn_sample s = { .len = 0, .ns = 3e9 };
	struct ferry_learn learn = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++)
		ferry_learn(&learn, &model, &s);
	assert_true(model.t0_ns == 1e9);
	s.ns = 1000;
	for (i = 0; i < 1000; i++)
		ferry_learn(&learn, &model, &s);
	assert_true(near(model.t0_ns, 1000, 0.05));
	/* The same of the bandwidth, at both ends. */
	model = (struct ferry_lane_model) { 0, 1.001e-3 };
	s = (struct ferry_learn_sample) { .len = 1000, .ns = 1e9 };
	for (i = 0; i < 100; i++)
		ferry_learn(&learn, &model, &s);
	assert_true(near(model.bytes_per_ns, 1e-3, 1e-9));
	s.ns = 0.05;
	for (i = 0; i < 1000; i++)
		ferry_learn(&learn, &model, &s);
	assert_true(near(model.bytes_per_ns, 1e4, 1e-9));
	s.ns = 100;
	for (i = 0; i < 1000; i++)
		ferry_learn(&learn, &model, &s);
	assert_true(near(model.bytes_per_ns, 10, 0.05));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_right_stays),
		cmocka_unit_test(test_a_row_ends_where_one_is_as_predicted),
		cmocka_unit_test(test_a_changed_lane_is_known_after_a_while),
		cmocka_unit_test(test_quick_to_see_a_lane_four_times_as_slow),
		cmocka_unit_test(test_one_bad_sample_does_little),
		cmocka_unit_test(test_what_was_seen_late_may_teach_nothing),
		cmocka_unit_test(test_no_sample_makes_a_model_no_lane_can_have),
		cmocka_unit_test(test_a_fixed_cost_can_grow_from_nothing),
		cmocka_unit_test(test_a_row_of_samples_weighs_more),
		cmocka_unit_test(test_a_bound_is_no_trap),
	};

	return cmocka_run_group_tests_name("learn", tests, NULL, NULL);
}
