/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Each fault of the soft DSA while messages flow through an engine. All
 * messages arrive, and the counters show the fault.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "ferry_test.h"
#include "fleet.h"

/* Long enough for a device that has only been delayed. */
#define PATIENT 20000
/* Short enough for a test, long enough for a busy machine. */
#define HASTY 100

/* One channel that offloads all it can, one of all modes; two queues. */
static const struct fleet_config two_channels = {
	.channels = 2,
	.engines = 1,
	.dma = { "wq*" },
	.mode = { FERRY_MODE_EFFICIENCY, FLEET_MODE_ALL },
	.patience_ms = PATIENT,
};

static void
start(struct fleet *f, double patience_ms)
{
	struct fleet_config config = two_channels;

	config.patience_ms = patience_ms;
	fleet_start(f, &config);
	fleet_until(f, fleet_lane(f, 0, "wq0.0").jobs > 0);
	fleet_until(f, fleet_lane(f, 0, "wq0.1").jobs > 0);
}

static uint64_t
both(uint64_t a, uint64_t b)
{
	return a + b;
}

#define grown(name) both(rig_grown(0, name), rig_grown(1, name))

static void
without_faults_no_counter_of_faults_moves(void **state)
{
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, PATIENT);
	assert_true(fleet_flow(&f, 100));
	assert_int_equal(fleet_lane(&f, 0, "wq").errors, 0);
	assert_int_equal(fleet_copier(&f, 0).redone_bytes, 0);
	assert_int_equal(fleet_copier(&f, 0).quarantines, 0);
	assert_int_equal(fleet_copier(&f, 0).drops, 0);
	assert_int_equal(grown(failed), 0);
	assert_int_equal(grown(faults), 0);
	assert_int_equal(grown(dropped), 0);
	fleet_stop(&f);
}

static void
a_failure_of_any_status_is_redone_by_the_core(void **state)
{
	/* Page faults, batch, operation, flags, size, inside, unknown ones. */
	static const unsigned int statuses[] = { 0x02, 0x03, 0x04, 0x05, 0x06,
		0x10, 0x11, 0x13, 0x1a, 0x7f, 0x83, 0xff };
	static struct fleet f;
	unsigned int i;

	(void)state;
	rig_begin();
	start(&f, PATIENT);
	for (i = 0; i < RTE_DIM(statuses); i++) {
		uint64_t errors = fleet_lane(&f, 0, "wq").errors;
		uint64_t redone = fleet_copier(&f, 0).redone_bytes;
		uint64_t failed = grown(failed);

		fleet_set("fail=3+:%u", statuses[i]);
		fleet_until(&f, fleet_lane(&f, 0, "wq").errors > errors);
		fleet_until(&f, fleet_copier(&f, 0).redone_bytes > redone);
		fleet_until(&f, grown(failed) > failed);
		assert_true(fleet_flow(&f, 10));
	}
	fleet_set("faults=off");
	assert_int_equal(fleet_copier(&f, 0).drops, 0);
	assert_true(grown(faults) >= RTE_DIM(statuses));
	fleet_stop(&f);
}

static void
a_page_fault_in_the_middle_is_gone_on_from(void **state)
{
	static const char *const faults[] = { "fault=2+", "fault=3+:0",
		"fault=2+:1000", "fault=5+:4096", "fault=1+:1" };
	static struct fleet f;
	unsigned int i;

	(void)state;
	rig_begin();
	start(&f, PATIENT);
	for (i = 0; i < RTE_DIM(faults); i++) {
		uint64_t errors = fleet_lane(&f, 0, "wq").errors;
		uint64_t redone = fleet_copier(&f, 0).redone_bytes;

		fleet_set("faults=off,%s", faults[i]);
		fleet_until(&f, fleet_lane(&f, 0, "wq").errors > errors);
		fleet_until(&f, fleet_copier(&f, 0).redone_bytes > redone);
		assert_true(fleet_flow(&f, 10));
	}
	assert_true(grown(faults) > 0);
	assert_true(grown(failed) > 0);
	assert_int_equal(fleet_copier(&f, 0).drops, 0);
	fleet_stop(&f);
}

static void
a_lane_that_fails_for_a_while_comes_back(void **state)
{
	struct ferry_copier_stats stats;
	uint64_t jobs;
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, PATIENT);
	fleet_set("wq=0,fail=1+");
	fleet_until(&f, fleet_copier(&f, 0).quarantines > 0);
	/* Tried again, and found to be no better. */
	fleet_until(&f, fleet_copier(&f, 0).quarantines > 2);
	stats = fleet_copier(&f, 0);
	assert_true(stats.probations > 0);
	assert_int_equal(stats.returns, 0);
	fleet_set("faults=off");
	fleet_until(&f, fleet_copier(&f, 0).returns > 0);
	jobs = fleet_lane(&f, 0, "wq0.0").jobs;
	fleet_until(&f, fleet_lane(&f, 0, "wq0.0").jobs > jobs + 10);
	assert_int_equal(fleet_open(&f, 0), 3);
	/* The other one was none the worse for it. */
	assert_int_equal(fleet_lane(&f, 0, "wq0.1").errors, 0);
	fleet_stop(&f);
}

static void
a_lane_that_hangs_is_stopped_and_its_bytes_are_redone(void **state)
{
	uint64_t jobs;
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, HASTY);
	fleet_set("wq=0,hang=1");
	fleet_until(&f, fleet_copier(&f, 0).drops == 1);
	assert_true(fleet_copier(&f, 0).redone_bytes > 0 ||
		fleet_flow(&f, 10));
	assert_true(fleet_copier(&f, 0).redone_bytes > 0);
	assert_int_equal(fleet_copier(&f, 0).unsafe, 0);
	assert_true(fleet_lane(&f, 0, "wq0.0").errors > 0);
	assert_int_equal(fleet_open(&f, 0), 2);
	/* The kernel's side of it. */
	assert_string_equal(rig_attribute(0, "state"), "disabled");
	assert_int_equal(rig_grown(0, faults), 1);
	assert_true(rig_grown(0, aborted) > 0);
	/* The other queue goes on. */
	jobs = fleet_lane(&f, 0, "wq0.1").jobs;
	fleet_until(&f, fleet_lane(&f, 0, "wq0.1").jobs > jobs + 10);
	assert_string_equal(rig_attribute(1, "state"), "enabled");
	assert_int_equal(fleet_copier(&f, 0).drops, 1);
	fleet_stop(&f);
}

static void
when_all_lanes_hang_the_core_does_it_all(void **state)
{
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, HASTY);
	fleet_set("hang=1");
	fleet_until(&f, fleet_copier(&f, 0).drops == 2);
	assert_int_equal(fleet_open(&f, 0), 1);
	assert_true(fleet_flow(&f, 50));
	assert_string_equal(rig_attribute(0, "state"), "disabled");
	assert_string_equal(rig_attribute(1, "state"), "disabled");
	assert_int_equal(grown(faults), 2);
	fleet_stop(&f);
}

static void
a_device_that_stands_still_for_a_while_is_waited_for(void **state)
{
	uint64_t jobs;
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, PATIENT);
	fleet_set("hang=3:150");
	fleet_until(&f, grown(faults) == 2);
	jobs = fleet_lane(&f, 0, "wq").jobs;
	fleet_until(&f, fleet_lane(&f, 0, "wq").jobs > jobs + 50);
	assert_int_equal(fleet_copier(&f, 0).drops, 0);
	assert_int_equal(fleet_lane(&f, 0, "wq").errors, 0);
	assert_int_equal(fleet_copier(&f, 0).redone_bytes, 0);
	assert_int_equal(grown(aborted), 0);
	fleet_stop(&f);
}

/* Then the device need not be stopped. */
static void
a_lane_that_wakes_up_while_it_is_closed_harms_nobody(void **state)
{
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, HASTY);
	/* A closing lane gives its device a second. */
	fleet_set("wq=0,hang=1:500");
	fleet_until(&f, fleet_copier(&f, 0).drops == 1);
	assert_true(fleet_flow(&f, 50));
	assert_string_equal(rig_attribute(0, "state"), "enabled");
	assert_int_equal(fleet_copier(&f, 0).unsafe, 0);
	fleet_stop(&f);
}

static void
copies_in_another_order_are_no_fault(void **state)
{
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, PATIENT);
	fleet_set("reorder=8");
	fleet_until(&f, grown(faults) > 20);
	assert_true(fleet_flow(&f, 100));
	assert_int_equal(fleet_lane(&f, 0, "wq").errors, 0);
	assert_int_equal(fleet_copier(&f, 0).redone_bytes, 0);
	assert_int_equal(fleet_copier(&f, 0).drops, 0);
	fleet_stop(&f);
}

/* idxd does not learn that a queue was full: what it lost never ends. */
static void
what_a_full_queue_loses_is_redone(void **state)
{
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, HASTY);
	/* One standing still, so that others come in behind it. */
	fleet_set("wq=0,full=1,hang=1:20");
	fleet_until(&f, rig_grown(0, dropped) > 0);
	fleet_until(&f, fleet_copier(&f, 0).drops == 1);
	assert_true(fleet_flow(&f, 50));
	assert_true(fleet_copier(&f, 0).redone_bytes > 0);
	assert_true(fleet_lane(&f, 0, "wq0.0").errors > 0);
	assert_int_equal(fleet_copier(&f, 0).unsafe, 0);
	assert_string_equal(rig_attribute(0, "state"), "disabled");
	fleet_stop(&f);
}

static void
a_queue_that_was_unbound_by_others_is_given_up(void **state)
{
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, HASTY);
	rig_bind(0, false);
	fleet_until(&f, fleet_copier(&f, 0).drops == 1);
	assert_true(fleet_flow(&f, 50));
	assert_true(rig_grown(0, aborted) + rig_grown(0, dropped) > 0);
	assert_true(fleet_lane(&f, 0, "wq0.0").errors > 0);
	assert_true(fleet_copier(&f, 0).redone_bytes > 0);
	assert_int_equal(fleet_copier(&f, 0).unsafe, 0);
	fleet_stop(&f);
}

/* What came before is lost, what came after is not: out of step for good. */
static void
a_queue_that_was_unbound_and_bound_again_is_given_up(void **state)
{
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, HASTY);
	fleet_set("wq=0,hang=1");
	while (rig_grown(0, faults) == 0)
		usleep(100);
	rig_bind(0, false);
	assert_true(rig_grown(0, aborted) > 0);
	rig_bind(0, true);
	fleet_until(&f, fleet_copier(&f, 0).drops == 1);
	assert_true(fleet_flow(&f, 50));
	assert_true(fleet_copier(&f, 0).redone_bytes > 0);
	assert_int_equal(fleet_copier(&f, 0).unsafe, 0);
	assert_string_equal(rig_attribute(0, "state"), "disabled");
	fleet_stop(&f);
}

static void
a_dropped_device_can_be_added_again(void **state)
{
	unsigned int round;
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, HASTY);
	for (round = 1; round < 4; round++) {
		uint64_t jobs, errors;

		fleet_set("wq=0,hang=1");
		fleet_until(&f, fleet_copier(&f, 0).drops == round);
		rig_bind(0, true);
		/*
		 * The engine tries it first, and then its first batch goes
		 * wrong: idxd has to know where that begins.
		 */
		fleet_set("faults=off,wq=0,fail=2");
		/* Before: there is traffic. */
		jobs = fleet_lane(&f, 0, "wq0.0").jobs;
		errors = fleet_lane(&f, 0, "wq0.0").errors;
		assert_int_equal(ferry_engine_add_devices(f.engines[0],
		ferry_copy_dmadev(), "wq0.0"),
			1);
		fleet_until(&f, fleet_lane(&f, 0, "wq0.0").errors > errors);
		fleet_until(&f, fleet_lane(&f, 0, "wq0.0").jobs > jobs + 20);
		assert_int_equal(fleet_open(&f, 0), 3);
	}
	fleet_stop(&f);
}

/* As of one that has gone, or whose device only woke up when it was closed. */
static void
a_device_outlives_its_lane(void **state)
{
	static struct fleet f;
	unsigned int round;

	(void)state;
	rig_begin();
	start(&f, HASTY);
	fleet_set("wq=0,hang=1:500");
	fleet_until(&f, fleet_copier(&f, 0).drops == 1);
	assert_string_equal(rig_attribute(0, "state"), "enabled");
	assert_int_equal(ferry_engine_add_devices(f.engines[0],
		ferry_copy_dmadev(), "wq0.0"), 1);
	assert_true(fleet_flow(&f, 10));
	for (round = 0; round < 3; round++) {
		fleet_engine_stop(&f, 0);
		assert_true(fleet_flow(&f, 10));
		fleet_engine_start(&f, 0);
		fleet_until(&f, fleet_lane(&f, 0, "wq0.0").jobs > 0);
		fleet_until(&f, fleet_lane(&f, 0, "wq0.1").jobs > 0);
	}
	fleet_stop(&f);
}

/* That these tests can fail. */
static void
a_wrong_byte_of_the_device_is_noticed(void **state)
{
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, PATIENT);
	fleet_set("wq=1,corrupt=1");
	fleet_until(&f, __atomic_load_n(&f.channels[0].found.damaged,
		__ATOMIC_RELAXED) + __atomic_load_n(
		&f.channels[1].found.damaged, __ATOMIC_RELAXED) > 0);
	assert_true(fleet_flow(&f, 20));
	fleet_end(&f);
	/* One message, in its place. */
	assert_int_equal(f.channels[0].found.damaged +
		f.channels[1].found.damaged, 1);
	assert_int_equal(f.channels[0].found.misordered, 0);
	assert_int_equal(f.channels[1].found.misordered, 0);
	assert_int_equal(f.channels[0].found.received, f.channels[0].sent);
	assert_int_equal(f.channels[1].found.received, f.channels[1].sent);
	assert_int_equal(rig_grown(1, faults), 1);
	assert_int_equal(rig_grown(1, failed), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, \
	fleet_setup, fleet_teardown)
	const struct CMUnitTest tests[] = {
		TEST(without_faults_no_counter_of_faults_moves),
		TEST(a_failure_of_any_status_is_redone_by_the_core),
		TEST(a_page_fault_in_the_middle_is_gone_on_from),
		TEST(a_lane_that_fails_for_a_while_comes_back),
		TEST(a_lane_that_hangs_is_stopped_and_its_bytes_are_redone),
		TEST(when_all_lanes_hang_the_core_does_it_all),
		TEST(a_device_that_stands_still_for_a_while_is_waited_for),
		TEST(a_lane_that_wakes_up_while_it_is_closed_harms_nobody),
		TEST(copies_in_another_order_are_no_fault),
		TEST(what_a_full_queue_loses_is_redone),
		TEST(a_queue_that_was_unbound_by_others_is_given_up),
		TEST(a_queue_that_was_unbound_and_bound_again_is_given_up),
		TEST(a_dropped_device_can_be_added_again),
		TEST(a_device_outlives_its_lane),
		TEST(a_wrong_byte_of_the_device_is_noticed),
	};

	return cmocka_run_group_tests_name("engine_faults", tests,
		fleet_group_setup, NULL);
}
