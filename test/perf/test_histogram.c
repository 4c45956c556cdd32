/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ferry_test.h"
#include "histogram.h"

static struct histogram hist;

static int
reset(void **state)
{
	(void)state;
	histogram_reset(&hist);
	return 0;
}

/* The value that the histogram gives back for one that was recorded once,
 * beside a larger one. */
static uint64_t
read_back(uint64_t value)
{
	histogram_reset(&hist);
	histogram_record(&hist, value);
	histogram_record(&hist, UINT64_MAX);
	return histogram_quantile(&hist, 0.5);
}

static void
assert_close(uint64_t value, uint64_t back)
{
	uint64_t off = back > value ? back - value : value - back;

	/* off / value <= 1/64 */
	if (off * 64 > value)
		fail_msg("%lu came back as %lu", (unsigned long)value,
			(unsigned long)back);
}

static void
test_empty(void **state)
{
	(void)state;
	assert_int_equal(histogram_quantile(&hist, 0), 0);
	assert_int_equal(histogram_quantile(&hist, 0.5), 0);
	assert_int_equal(histogram_quantile(&hist, 1), 0);
	assert_int_equal(hist.count, 0);
	assert_int_equal(hist.max, 0);
}

static void
test_small_values_are_exact(void **state)
{
	uint64_t v;

	(void)state;
	for (v = 0; v < 2 * HISTOGRAM_SUB; v++)
		assert_int_equal(read_back(v), v);
}

static void
test_error_is_below_a_64th(void **state)
{
	uint64_t random = 1, v;
	unsigned int bits, i;

	(void)state;
	for (bits = 1; bits < 48; bits++) {
		/* Around each power of two, and anywhere between. */
		for (v = (UINT64_C(1) << bits) - 1;
				v <= (UINT64_C(1) << bits) + 1; v++)
			assert_close(v, read_back(v));
		for (i = 0; i < 100; i++) {
			v = ferry_test_random(&random) &
				((UINT64_C(1) << bits) - 1);
			assert_close(v, read_back(v));
		}
	}
}

static void
test_buckets_are_in_order(void **state)
{
	uint32_t last = 0, bucket;
	uint64_t v;

	(void)state;
	for (v = 0; v < 100000; v++) {
		bucket = histogram_bucket(v);
		assert_true(bucket == last || bucket == last + 1);
		last = bucket;
	}
	assert_int_equal(histogram_bucket(HISTOGRAM_TOP),
			HISTOGRAM_BUCKETS - 1);
}

static void
test_huge_values(void **state)
{
	(void)state;
	histogram_record(&hist, HISTOGRAM_TOP + 1);
	histogram_record(&hist, UINT64_MAX);
	assert_int_equal(hist.count, 2);
	assert_int_equal(hist.buckets[HISTOGRAM_BUCKETS - 1], 2);
	assert_true(hist.max == UINT64_MAX);
	assert_true(histogram_quantile(&hist, 1) == UINT64_MAX);
	assert_close(HISTOGRAM_TOP, histogram_quantile(&hist, 0.5));
}

static void
test_quantiles_are_those_of_the_sorted_values(void **state)
{
	static const double shares[] = { 0, 0.01, 0.5, 0.9, 0.99, 0.999, 1 };
	static const uint64_t ranks[] = { 1, 100, 5000, 9000, 9900, 9990,
		10000 };
	uint64_t v;
	unsigned int i;

	(void)state;
	/* 1000 .. 10999, backwards. */
	for (v = 10000; v > 0; v--)
		histogram_record(&hist, 999 + v);
	for (i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		assert_close(999 + ranks[i],
			histogram_quantile(&hist, shares[i]));
	assert_int_equal(histogram_quantile(&hist, 1), 10999);
}

static void
test_rare_values_show_only_where_they_should(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 999; i++)
		histogram_record(&hist, 100);
	histogram_record(&hist, 1000000);
	assert_int_equal(histogram_quantile(&hist, 0.99), 100);
	assert_int_equal(histogram_quantile(&hist, 0.999), 100);
	assert_int_equal(histogram_quantile(&hist, 0.9991), 1000000);
}

static void
test_merge(void **state)
{
	static struct histogram other;
	uint64_t v;

	(void)state;
	histogram_reset(&other);
	for (v = 0; v < 100; v++)
		histogram_record(v < 50 ? &hist : &other, v);
	histogram_merge(&hist, &other);
	assert_int_equal(hist.count, 100);
	assert_int_equal(hist.max, 99);
	assert_int_equal(histogram_quantile(&hist, 0.5), 49);
	assert_int_equal(histogram_quantile(&hist, 0.51), 50);
	/* The other way round: the maximum stays. */
	histogram_reset(&other);
	histogram_merge(&hist, &other);
	assert_int_equal(hist.count, 100);
	assert_int_equal(hist.max, 99);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, reset),
		cmocka_unit_test_setup(test_small_values_are_exact, reset),
		cmocka_unit_test_setup(test_error_is_below_a_64th, reset),
		cmocka_unit_test_setup(test_buckets_are_in_order, reset),
		cmocka_unit_test_setup(test_huge_values, reset),
		cmocka_unit_test_setup(
			test_quantiles_are_those_of_the_sorted_values, reset),
		cmocka_unit_test_setup(
			test_rare_values_show_only_where_they_should, reset),
		cmocka_unit_test_setup(test_merge, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
