/* SPDX-License-Identifier: BSD-3-Clause */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ferry_cache.h"
#include "ferry_sched.h"

static void
test_prediction(void **state)
{
	const struct ferry_sched_lane lane = {
		.model = { 500, 4 }, .queue_ns = 250, .usable = true,
	};

	(void)state;
	assert_true(ferry_sched_predict(&lane, 0) == 750);
	assert_true(ferry_sched_predict(&lane, 3000) == 1500);
}

static void
test_break_even_of_each_mode(void **state)
{
	const struct ferry_lane_model core = { 20, 10 }, device = { 1000, 30 };
	const struct ferry_lane_model slow = { 1000, 10 }, odd = { 0, 5 };
	const struct ferry_lane_model better = { 20, 10 }, never = { 1e30, 11 };
	struct ferry_sched_policy p = ferry_sched_policy_default();
	unsigned int mode;

	(void)state;
	/* 980 ns at 1/10 - 1/30 per byte. */
	assert_in_range(ferry_sched_break_even(&p, &core, &device,
		FERRY_MODE_LATENCY), 14700, 14701);
	assert_int_equal(ferry_sched_break_even(&p, &core, &slow,
		FERRY_MODE_LATENCY), UINT64_MAX);
	assert_int_equal(ferry_sched_break_even(&p, &core, &odd,
		FERRY_MODE_LATENCY), UINT64_MAX);
	assert_int_equal(ferry_sched_break_even(&p, &core, &better,
		FERRY_MODE_LATENCY), 64);
	assert_int_equal(ferry_sched_break_even(&p, &device, &core,
		FERRY_MODE_LATENCY), UINT64_MAX);
	/* Sooner or later, but no size is that long. */
	assert_int_equal(ferry_sched_break_even(&p, &core, &never,
		FERRY_MODE_LATENCY), UINT64_MAX);
	/* 80 ns of copying, whatever the device; a slow core at any size. */
	for (mode = FERRY_MODE_THROUGHPUT; mode < FERRY_MODES; mode++) {
		assert_in_range(ferry_sched_break_even(&p, &core, &slow, mode),
			800, 801);
		assert_int_equal(ferry_sched_break_even(&p, &device, &core,
			mode), 64);
	}
	assert_in_range(ferry_sched_break_even(&p, &core, &device, 77), 14700,
		14701);
	for (mode = 0; mode < FERRY_MODES; mode++) {
		p.offload_min[mode] = 5000 + mode;
		assert_int_equal(ferry_sched_break_even(&p, &core, &slow,
			mode), 5000 + mode);
		p.offload_min[mode] = 1;
		assert_int_equal(ferry_sched_break_even(&p, &core, &slow,
			mode), 64);
	}
}

static void
test_small_jobs_first_but_not_for_ever(void **state)
{
	const struct ferry_sched_policy p = ferry_sched_policy_default();

	(void)state;
	assert_int_equal(ferry_sched_turn(&p, false, false, UINT64_MAX),
		FERRY_SCHED_TURN_NONE);
	assert_int_equal(ferry_sched_turn(&p, true, false, UINT64_MAX),
		FERRY_SCHED_TURN_SMALL);
	assert_int_equal(ferry_sched_turn(&p, false, true, 0),
		FERRY_SCHED_TURN_BULK);
	assert_int_equal(ferry_sched_turn(&p, true, true, p.small_share - 1),
		FERRY_SCHED_TURN_SMALL);
	assert_int_equal(ferry_sched_turn(&p, true, true, p.small_share),
		FERRY_SCHED_TURN_BULK);
}

static void
test_when_to_start_a_device(void **state)
{
	const struct ferry_sched_policy p = ferry_sched_policy_default();
	const enum ferry_mode calm = FERRY_MODE_THROUGHPUT;

	(void)state;
	assert_false(ferry_sched_flush(&p, 0, UINT64_MAX, FERRY_MODE_LATENCY,
		true));
	assert_false(ferry_sched_flush(&p, 31, p.flush_ns - 1, calm, false));
	assert_true(ferry_sched_flush(&p, 32, 0, calm, false));
	assert_true(ferry_sched_flush(&p, 1, p.flush_ns, calm, false));
	assert_true(ferry_sched_flush(&p, 1, 0, calm, true));
	assert_true(ferry_sched_flush(&p, 1, 0, FERRY_MODE_LATENCY, false));
	assert_false(ferry_sched_flush(&p, 1, 0, FERRY_MODE_EFFICIENCY,
		false));
	assert_true(ferry_sched_flush(&p, 1, 0, (enum ferry_mode)77, false));
}

static void
test_when_to_look(void **state)
{
	const struct ferry_sched_policy p = ferry_sched_policy_default();

	(void)state;
	assert_int_equal(ferry_sched_look(&p, 30000, 10000), 20000);
	/* Not at once again, and not too late whatever is predicted. */
	assert_int_equal(ferry_sched_look(&p, 10500, 10000), 1000);
	assert_int_equal(ferry_sched_look(&p, 1e12, 0), 1000000);
	assert_int_equal(ferry_sched_look(&p, INFINITY, 0), 1000000);
	assert_int_equal(ferry_sched_look(&p, NAN, 0), 1000);
	/* It is late: the later, the less often. */
	assert_int_equal(ferry_sched_look(&p, 10000, 10000), 1250);
	assert_int_equal(ferry_sched_look(&p, 10000, 80000), 10000);
	assert_int_equal(ferry_sched_look(&p, 10000, 1000000000), 1000000);
}

static void
test_cache_budget(void **state)
{
	const uint64_t k = 1024, m = k * k;

	(void)state;
	/* Level 2 and the share of level 3, */
	assert_int_equal(ferry_cache_budget_of(512 * k, m), 512 * k + m);
	/* which is not believed beyond four times level 2. */
	assert_int_equal(ferry_cache_budget_of(512 * k, 240 * m),
			512 * k + 2 * m);
	assert_int_equal(ferry_cache_budget_of(512 * k, 0), 512 * k);
	assert_int_equal(ferry_cache_budget_of(0, 512 * k), 512 * k);
	assert_int_equal(ferry_cache_budget_of(0, 240 * m), m);
	assert_int_equal(ferry_cache_budget_of(0, 0), m);
	assert_true(ferry_cache_budget() > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_break_even_of_each_mode),
		cmocka_unit_test(test_small_jobs_first_but_not_for_ever),
		cmocka_unit_test(test_when_to_start_a_device),
		cmocka_unit_test(test_when_to_look),
		cmocka_unit_test(test_cache_budget),
		cmocka_unit_test(test_prediction),
	};

	return cmocka_run_group_tests_name("sched", tests, NULL, NULL);
}
