/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ferry_health.h"

#define MS UINT64_C(1000000)

/* Report eight errors. The last one puts the lane into quarantine. */
static void
spoil(struct ferry_health *h, uint64_t now)
{
	unsigned int i;

	for (i = 1; i < FERRY_HEALTH_MAX_ERRORS; i++)
		assert_false(ferry_health_error(h, now, false, i));
	assert_int_equal(ferry_health_allows(h), UINT32_MAX);
	assert_true(ferry_health_error(h, now, false, i));
	assert_int_equal(h->state, FERRY_HEALTH_QUARANTINED);
	assert_int_equal(ferry_health_allows(h), 0);
}

static void
test_a_good_job_makes_up_for_errors(void **state)
{
	struct ferry_health h = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		if (i % FERRY_HEALTH_MAX_ERRORS == 7)
			assert_false(ferry_health_good(&h, i));
		else
			assert_false(ferry_health_error(&h, i, false, i));
	}
	assert_int_equal(h.state, FERRY_HEALTH_USED);
	assert_int_equal(h.errors, 4);
}

static void
test_an_aborted_batch_is_one_error(void **state)
{
	struct ferry_health h = { 0 };
	unsigned int batch, i;

	(void)state;
	/* Also if what came first was the cause of the others. */
	ferry_health_error(&h, 0, false, 1);
	for (i = 0; i < 32; i++)
		assert_false(ferry_health_error(&h, 0, true, 1));
	assert_int_equal(h.errors, 1);
	/* Two causes in one batch are two. */
	ferry_health_error(&h, 0, false, 1);
	assert_int_equal(h.errors, 2);
	for (batch = 2; batch < 8; batch++)
		for (i = 0; i < 32; i++)
			ferry_health_error(&h, 0, true, batch);
	assert_int_equal(h.errors, 8);
	assert_int_equal(h.state, FERRY_HEALTH_QUARANTINED);
	/* A good one in between: it was not the whole batch. */
	h = (struct ferry_health) { 0 };
	ferry_health_error(&h, 0, true, 5);
	ferry_health_good(&h, 0);
	ferry_health_error(&h, 0, true, 5);
	assert_int_equal(h.errors, 1);
}

static void
test_quarantine_ends_in_probation(void **state)
{
	struct ferry_health h = { 0 };

	(void)state;
	assert_false(ferry_health_tick(&h, 1));
	spoil(&h, 50 * MS);
	assert_false(ferry_health_tick(&h, 150 * MS - 1));
	/* What was in it by then says nothing. */
	assert_false(ferry_health_good(&h, 60 * MS));
	assert_false(ferry_health_error(&h, 60 * MS, false, 9));
	assert_int_equal(h.state, FERRY_HEALTH_QUARANTINED);
	assert_true(ferry_health_tick(&h, 150 * MS));
	assert_int_equal(h.state, FERRY_HEALTH_PROBATION);
	assert_int_equal(ferry_health_allows(&h), 1);
	assert_false(ferry_health_tick(&h, 151 * MS));
	assert_true(ferry_health_good(&h, 152 * MS));
	assert_int_equal(h.state, FERRY_HEALTH_USED);
	assert_int_equal(h.errors, 0);
	assert_int_equal(ferry_health_allows(&h), UINT32_MAX);
}

static void
test_time_doubles_up_to_ten_seconds(void **state)
{
	static const uint64_t ms[] = {
		200, 400, 800, 1600, 3200, 6400, 10000, 10000,
	};
	struct ferry_health h = { 0 };
	uint64_t now = 0;
	unsigned int i;

	(void)state;
	spoil(&h, now);
	now += 100 * MS;
	for (i = 0; i < sizeof(ms) / sizeof(ms[0]); i++) {
		assert_true(ferry_health_tick(&h, now));
		/* Its one job: an abort of it is an error as well. */
		assert_true(ferry_health_error(&h, now, i & 1, i));
		assert_int_equal(h.state, FERRY_HEALTH_QUARANTINED);
		assert_false(ferry_health_tick(&h, now + ms[i] * MS - 1));
		now += ms[i] * MS;
	}
}

static void
test_one_that_fails_again_soon_waits_longer(void **state)
{
	struct ferry_health h = { 0 };

	(void)state;
	spoil(&h, 0);
	assert_true(ferry_health_tick(&h, 100 * MS));
	assert_true(ferry_health_good(&h, 100 * MS));
	spoil(&h, 199 * MS);
	assert_int_equal(h.quarantine_ns, 200 * MS);
	assert_true(ferry_health_tick(&h, 399 * MS));
	assert_true(ferry_health_good(&h, 400 * MS));
	/* It lasted: all is forgotten. */
	spoil(&h, 600 * MS);
	assert_int_equal(h.quarantine_ns, 100 * MS);
}

static void
test_dropped_is_for_good(void **state)
{
	struct ferry_health h = { 0 };
	unsigned int from;

	(void)state;
	for (from = FERRY_HEALTH_USED; from < FERRY_HEALTH_DROPPED; from++) {
		h = (struct ferry_health) { .state = from };
		assert_true(ferry_health_hung(&h));
		assert_false(ferry_health_hung(&h));
		assert_false(ferry_health_tick(&h, UINT64_MAX));
		assert_false(ferry_health_good(&h, 1));
		assert_false(ferry_health_error(&h, 1, false, 1));
		assert_int_equal(h.state, FERRY_HEALTH_DROPPED);
		assert_int_equal(ferry_health_allows(&h), 0);
	}
}

static void
test_each_state_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(ferry_health_name(FERRY_HEALTH_USED), "used");
	assert_string_equal(ferry_health_name(FERRY_HEALTH_QUARANTINED),
		"quarantined");
	assert_string_equal(ferry_health_name(FERRY_HEALTH_PROBATION),
		"probation");
	assert_string_equal(ferry_health_name(FERRY_HEALTH_DROPPED),
		"dropped");
	assert_string_equal(ferry_health_name(99), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_job_makes_up_for_errors),
		cmocka_unit_test(test_an_aborted_batch_is_one_error),
		cmocka_unit_test(test_quarantine_ends_in_probation),
		cmocka_unit_test(test_time_doubles_up_to_ten_seconds),
		cmocka_unit_test(test_one_that_fails_again_soon_waits_longer),
		cmocka_unit_test(test_dropped_is_for_good),
		cmocka_unit_test(test_each_state_has_a_name),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
