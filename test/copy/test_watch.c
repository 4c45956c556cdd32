/* SPDX-License-Identifier: BSD-3-Clause */

/* When the time limit of a watch is over, by a clock that the test sets. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ferry_watch.h"

/* Looks until the wait is over, the clock going on by step with each. */
static unsigned int
looks(uint64_t limit, uint64_t step)
{
	uint64_t now = UINT64_C(1) << 40;
	struct ferry_watch watch;
	unsigned int n = 1;

	ferry_watch_begin(&watch, now, limit);
	while (!ferry_watch_over(&watch, now += step))
		assert_true(n++ < 1000000);
	return n;
}

/* A caller that looks often waits for as long as the limit says. */
static void
test_often(void **state)
{
	(void)state;
	assert_int_equal(looks(1000, 1), 1001);
	assert_int_equal(looks(100000, 10), 10001);
	assert_int_equal(looks(1, 1), 2);
	assert_int_equal(looks(0, 1), 2);
}

/* A caller that looks seldom, or was stopped, looks sixteen times. */
static void
test_seldom(void **state)
{
	(void)state;
	assert_int_equal(looks(1000, 1000), FERRY_WATCH_LOOKS);
	assert_int_equal(looks(1000, 63), FERRY_WATCH_LOOKS);
	assert_int_equal(looks(UINT64_C(1) << 32, UINT64_C(1) << 60),
		FERRY_WATCH_LOOKS);
	assert_int_equal(looks(16, 1), 17);
}

/* A stop in between costs a sixteenth. */
static void
test_stopped_once(void **state)
{
	struct ferry_watch watch;
	uint64_t now = 5;
	unsigned int i;

	(void)state;
	ferry_watch_begin(&watch, now, 16000);
	for (i = 0; i < 8000; i++)
		assert_false(ferry_watch_over(&watch, ++now));
	now += UINT64_C(1) << 62;
	assert_false(ferry_watch_over(&watch, now));
	for (i = 0; i < 6999; i++)
		assert_false(ferry_watch_over(&watch, ++now));
	assert_true(ferry_watch_over(&watch, ++now));
}

/* A limit that grows meanwhile counts; so does a new beginning. */
static void
test_more_time(void **state)
{
	struct ferry_watch watch;
	unsigned int i;

	(void)state;
	ferry_watch_begin(&watch, 0, 100);
	for (i = 1; i <= 100; i++)
		assert_false(ferry_watch_over(&watch, i));
	watch.limit += 50;
	for (; i <= 150; i++)
		assert_false(ferry_watch_over(&watch, i));
	assert_true(ferry_watch_over(&watch, i));
	ferry_watch_begin(&watch, i, 100);
	assert_false(ferry_watch_over(&watch, i + 1));
}

/* The clocks of two cores may differ by a little. */
static void
test_clock_back(void **state)
{
	struct ferry_watch watch;

	(void)state;
	ferry_watch_begin(&watch, 1000, 160);
	assert_false(ferry_watch_over(&watch, 999));
	assert_int_equal(watch.waited, 11);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_often),
		cmocka_unit_test(test_seldom),
		cmocka_unit_test(test_stopped_once),
		cmocka_unit_test(test_more_time),
		cmocka_unit_test(test_clock_back),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
