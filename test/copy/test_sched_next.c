/* SPDX-License-Identifier: BSD-3-Clause */

/* Which lane gets the front of a job: every branch, with plain numbers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>

#include "ferry_sched.h"
#include "ferry_test.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define LATENCY FERRY_MODE_LATENCY
#define THROUGHPUT FERRY_MODE_THROUGHPUT
#define EFFICIENCY FERRY_MODE_EFFICIENCY

static struct ferry_sched_policy policy;
static struct ferry_sched_wait others;
/* A core of 10 GB/s, devices of 30 that take a microsecond to begin. */
static struct ferry_sched_lane lanes[12];
static unsigned int n;

static void
setup(unsigned int devices)
{
	unsigned int i;

	policy = ferry_sched_policy_default();
	memset(&others, 0, sizeof(others));
	for (i = 0; i < RTE_DIM(lanes); i++)
		lanes[i] = (struct ferry_sched_lane) {
			.model = { 1000, 30 }, .max_job = UINT64_MAX,
			.room = 100, .usable = true,
		};
	lanes[0].model = (struct ferry_lane_model) { 20, 10 };
	lanes[0].room = 0;
	n = 1 + devices;
}

static struct ferry_sched_part
ask_at(uint64_t dst, uint64_t len, uint64_t whole, enum ferry_mode mode)
{
	const struct ferry_sched_job job = {
		.dst = dst, .len = len, .whole = whole, .mode = mode,
	};

	return ferry_sched_next(&policy, &job, lanes, n, &others);
}

static struct ferry_sched_part
ask(uint64_t len, enum ferry_mode mode)
{
	return ask_at(0, len, len, mode);
}

#define check(part_, lane_, why_, len_) do { \
	struct ferry_sched_part p_ = (part_); \
	assert_int_equal(p_.lane, lane_); \
	assert_int_equal(p_.why, why_); \
	if (p_.lane >= 0) \
		assert_int_equal(p_.len, len_); \
} while (0)

static void
test_tiny_jobs_stay_with_the_core(void **state)
{
	unsigned int mode;

	(void)state;
	setup(1);
	lanes[1].model = (struct ferry_lane_model) { 0, 1e6 };
	for (mode = 0; mode < FERRY_MODES; mode++) {
		check(ask(0, mode), 0, FERRY_SCHED_TINY, 0);
		check(ask(63, mode), 0, FERRY_SCHED_TINY, 63);
	}
	check(ask(64, LATENCY), 1, FERRY_SCHED_BEST, 64);
	/* What it costs the core to ask: 100 ns, less 20, at 10 GB/s. */
	for (mode = THROUGHPUT; mode < FERRY_MODES; mode++) {
		check(ask(800, mode), 0, FERRY_SCHED_TINY, 800);
		check(ask(832, mode), 1, FERRY_SCHED_BEST, 832);
	}
	/* Unless somebody knows better, for each mode. */
	for (mode = 0; mode < FERRY_MODES; mode++) {
		policy.offload_min[mode] = 10000 + mode;
		check(ask(9999 + mode, mode), 0, FERRY_SCHED_TINY,
			9999 + mode);
		check(ask(10240, mode), 1, FERRY_SCHED_BEST, 10240);
	}
	policy.offload_min[EFFICIENCY] = 1;
	check(ask(63, EFFICIENCY), 0, FERRY_SCHED_TINY, 63);
	check(ask(64, EFFICIENCY), 1, FERRY_SCHED_BEST, 64);
}

static void
test_no_device_at_all(void **state)
{
	unsigned int mode;

	(void)state;
	for (mode = 0; mode < FERRY_MODES; mode++) {
		setup(0);
		check(ask(9 * MIB + 1, mode), 0, FERRY_SCHED_ALONE,
			9 * MIB + 1);
		setup(2);
		lanes[1].usable = false;
		lanes[2].max_job = 63;
		check(ask(9 * MIB, mode), 0, FERRY_SCHED_ALONE, 9 * MIB);
	}
}

static void
test_ragged_ends_go_to_the_core(void **state)
{
	(void)state;
	setup(1);
	check(ask_at(0x1001, 100000, 100000, EFFICIENCY), 0,
		FERRY_SCHED_RAGGED, 63);
	check(ask_at(0x103f, 100000, 100000, EFFICIENCY), 0,
		FERRY_SCHED_RAGGED, 1);
	check(ask_at(0x1040, 100037, 100037, EFFICIENCY), 1,
		FERRY_SCHED_BEST, 99968 + 64);
	check(ask_at(0x1040 + 100032, 5, 100037, EFFICIENCY), 0,
		FERRY_SCHED_TINY, 5);
	/* Also where the device takes odd lengths. */
	lanes[1].max_job = 1000;
	check(ask(100000, EFFICIENCY), 1, FERRY_SCHED_BEST, 960);
}

static void
test_latency_takes_what_finishes_first(void **state)
{
	(void)state;
	setup(1);
	/* No dividing. */
	policy.share_min = UINT64_MAX;
	/* 980 ns, at 1/10 - 1/30 per byte: they meet at 14700. */
	check(ask(14656, LATENCY), 0, FERRY_SCHED_BEST, 14656);
	check(ask(14720, LATENCY), 1, FERRY_SCHED_BEST, 14720);
	/* A queue counts. */
	lanes[1].queue_ns = 100;
	check(ask(14720, LATENCY), 0, FERRY_SCHED_BEST, 14720);
	lanes[0].queue_ns = 101;
	check(ask(14720, LATENCY), 1, FERRY_SCHED_BEST, 14720);
	/* The core on a tie. */
	lanes[1] = lanes[0];
	lanes[1].room = 1;
	lanes[1].max_job = UINT64_MAX;
	check(ask(14720, LATENCY), 0, FERRY_SCHED_BEST, 14720);
	/* The best of several devices. */
	setup(3);
	policy.share_min = UINT64_MAX;
	lanes[1].queue_ns = lanes[3].queue_ns = 5;
	check(ask(64000, LATENCY), 2, FERRY_SCHED_BEST, 64000);
	/* An unknown mode is this one. */
	lanes[2].room = 0;
	check(ask(64000, (enum ferry_mode)9), 1, FERRY_SCHED_BEST, 64000);
}

static void
test_latency_divides_where_it_pays(void **state)
{
	struct ferry_sched_part part;

	(void)state;
	setup(1);
	/* (100000 + 200 + 30000) / 40 ns, against 4333: 25 % better. */
	part = ask(100000, LATENCY);
	check(part, 1, FERRY_SCHED_SPLIT, part.len);
	assert_int_equal(part.len, RTE_ALIGN_FLOOR(
		(uint64_t)((130200 / 40. - 1000) * 30), 64));
	/* A tenth at least: 4333 ns against 0.9 times that. */
	policy.gain = 0.24;
	check(ask(100000, LATENCY), 1, FERRY_SCHED_SPLIT, part.len);
	policy.gain = 0.26;
	check(ask(100000, LATENCY), 1, FERRY_SCHED_BEST, 99968);
	/* No small shares: the device's would be 67650. */
	policy.gain = 0.1;
	policy.share_min = 67600;
	check(ask(100000, LATENCY), 1, FERRY_SCHED_SPLIT, part.len);
	policy.share_min = 67700;
	check(ask(100000, LATENCY), 1, FERRY_SCHED_BEST, 99968);
	/* Nor of a slow device that could begin at once. */
	policy.share_min = 4096;
	n = 3;
	lanes[2].model = (struct ferry_lane_model) { 0, 1 };
	check(ask(100000, LATENCY), 1, FERRY_SCHED_SPLIT, part.len);
	n = 2;
	/* The rest is the core's once the device has its share. */
	setup(1);
	lanes[1].queue_ns = (double)part.len / 30;
	check(ask_at(0, 100000 - part.len, 100000, LATENCY), 0,
		FERRY_SCHED_BEST, 100000 - part.len);
}

static void
test_latency_divides_among_devices(void **state)
{
	struct ferry_sched_part part;

	(void)state;
	setup(3);
	/* The core is out of it, and the second device busy. */
	lanes[0].queue_ns = 1e9;
	lanes[2].queue_ns = 1e6;
	lanes[3].model.bytes_per_ns = 20;
	/* (102400 + 30000 + 20000) / 50 = 3048 ns. */
	part = ask(102400, LATENCY);
	check(part, 1, FERRY_SCHED_SPLIT, 61440);
	lanes[1].queue_ns += 61440 / 30.;
	check(ask_at(61440, 102400 - 61440, 102400, LATENCY), 3,
		FERRY_SCHED_BEST, 40960);
}

static void
test_latency_does_not_wait_for_the_busy(void **state)
{
	(void)state;
	setup(1);
	lanes[1].room = 0;
	/* It would be done later than the core. */
	lanes[1].queue_ns = 5500;
	check(ask(64 * KIB, LATENCY), 0, FERRY_SCHED_BEST, 64 * KIB);
	/* Even so it would be done before. */
	lanes[1].queue_ns = 1000;
	check(ask(64 * KIB, LATENCY), FERRY_SCHED_QUEUE, FERRY_SCHED_FULL, 0);
	/* Of bulk, a chunk counts: the core does not stand by. */
	lanes[1].queue_ns = 8000;
	check(ask(8 * MIB, LATENCY), 0, FERRY_SCHED_BEST, 64 * KIB);
	check(ask_at(100, 8 * MIB, 8 * MIB, LATENCY), 0, FERRY_SCHED_BEST,
		64 * KIB - 100 % 64);
	/* One chunk at a time. */
	lanes[0].bulk = 64 * KIB;
	check(ask(8 * MIB, LATENCY), FERRY_SCHED_QUEUE, FERRY_SCHED_FULL, 0);
	/* Small jobs are not held up by that. */
	check(ask(64 * KIB, LATENCY), 0, FERRY_SCHED_BEST, 64 * KIB);
}

/*
 * Two devices would each get less than is worth it, but either gets more if the
 * other is left out: that is the one that begins last.
 */
static void
test_who_begins_last_is_left_out_first(void **state)
{
	const struct ferry_lane_model late = { 1000, 30 }, early = { 833, 10 };

	(void)state;
	setup(2);
	/* 4000 and 3000 bytes; without the late one 5000. */
	lanes[1].model = late;
	lanes[2].model = early;
	check(ask(18130, LATENCY), 2, FERRY_SCHED_SPLIT, 4992);
	lanes[1].model = early;
	lanes[2].model = late;
	check(ask(18130, LATENCY), 1, FERRY_SCHED_SPLIT, 4992);
}

static void
test_throughput_prefers_devices(void **state)
{
	(void)state;
	setup(2);
	lanes[1].queue_ns = 1;
	/* Although the core would be quicker. */
	check(ask(4 * KIB, THROUGHPUT), 2, FERRY_SCHED_BEST, 4 * KIB);
	/* It helps when their queue is longer than its own time: 430 ns. */
	lanes[1].queue_ns = lanes[2].queue_ns = 429;
	check(ask(4 * KIB, THROUGHPUT), 1, FERRY_SCHED_BEST, 4 * KIB);
	lanes[1].queue_ns = 450;
	lanes[2].queue_ns = 440;
	check(ask(4 * KIB, THROUGHPUT), 0, FERRY_SCHED_HELP, 4 * KIB);
	lanes[0].queue_ns = 100;
	check(ask(4 * KIB, THROUGHPUT), 2, FERRY_SCHED_BEST, 4 * KIB);
}

static void
test_throughput_queues_where_devices_are_full(void **state)
{
	(void)state;
	setup(3);
	lanes[1].room = lanes[2].room = lanes[3].room = 0;
	lanes[1].queue_ns = 9000;
	lanes[2].queue_ns = 300;
	lanes[3].queue_ns = 500;
	check(ask(4 * KIB, THROUGHPUT), FERRY_SCHED_QUEUE, FERRY_SCHED_FULL, 0);
	/* The shortest queue counts. */
	lanes[2].queue_ns = 600;
	check(ask(4 * KIB, THROUGHPUT), 0, FERRY_SCHED_HELP, 4 * KIB);
	/* One that cannot do the job at all does not. */
	lanes[3].queue_ns = 100;
	lanes[3].usable = false;
	check(ask(4 * KIB, THROUGHPUT), 0, FERRY_SCHED_HELP, 4 * KIB);
	/* Bulk: a chunk, unless the core has one. */
	lanes[1].queue_ns = lanes[2].queue_ns = 1e6;
	check(ask(MIB, THROUGHPUT), 0, FERRY_SCHED_HELP, 64 * KIB);
	lanes[0].bulk = 1;
	check(ask(MIB, THROUGHPUT), FERRY_SCHED_QUEUE, FERRY_SCHED_FULL, 0);
}

static void
test_efficiency_leaves_the_core_alone(void **state)
{
	(void)state;
	setup(2);
	/* However slow and busy they are. */
	lanes[1].model = (struct ferry_lane_model) { 1e6, 0.1 };
	lanes[1].queue_ns = 1e9;
	lanes[2] = lanes[1];
	lanes[2].queue_ns = 2e9;
	check(ask(4 * KIB, EFFICIENCY), 1, FERRY_SCHED_BEST, 4 * KIB);
	lanes[1].room = 0;
	check(ask(4 * KIB, EFFICIENCY), 2, FERRY_SCHED_BEST, 4 * KIB);
	lanes[2].room = 0;
	check(ask(4 * KIB, EFFICIENCY), FERRY_SCHED_QUEUE, FERRY_SCHED_FULL, 0);
}

static void
test_bulk_is_handed_out_in_bites(void **state)
{
	(void)state;
	setup(1);
	/* Not yet bulk. */
	check(ask(128 * KIB - 64, EFFICIENCY), 1, FERRY_SCHED_BEST,
		128 * KIB - 64);
	/* A quarter of 50 us' worth, ... */
	check(ask(4 * MIB, EFFICIENCY), 1, FERRY_SCHED_BEST,
		RTE_ALIGN_FLOOR(UINT64_C(375000), 64));
	/* ... of 256 KiB if small jobs are about or time counts, ... */
	others.small = true;
	check(ask(4 * MIB, EFFICIENCY), 1, FERRY_SCHED_BEST, 64 * KIB);
	others.small = false;
	policy.share_min = UINT64_MAX;
	check(ask(4 * MIB, LATENCY), 1, FERRY_SCHED_BEST, 64 * KIB);
	/* ... of less if the device is slow, but not of next to nothing. */
	lanes[1].model.bytes_per_ns = 4;
	others.small = true;
	check(ask(4 * MIB, EFFICIENCY), 1, FERRY_SCHED_BEST,
		RTE_ALIGN_FLOOR(UINT64_C(50000), 64));
	others.small = false;
	check(ask(4 * MIB, EFFICIENCY), 1, FERRY_SCHED_BEST, 64 * KIB);
	others.small = true;
	lanes[1].model.bytes_per_ns = 0.5;
	check(ask(4 * MIB, EFFICIENCY), 1, FERRY_SCHED_BEST, 16 * KIB);
	/* The device's longest goes before, and no crumb is left. */
	lanes[1].max_job = 10000;
	check(ask(4 * MIB, EFFICIENCY), 1, FERRY_SCHED_BEST, 9984);
	lanes[1].max_job = UINT64_MAX;
	check(ask_at(0, 16 * KIB + 768, MIB, EFFICIENCY), 1,
		FERRY_SCHED_BEST, 16 * KIB + 768);
	check(ask_at(0, 16 * KIB + 896, MIB, EFFICIENCY), 1,
		FERRY_SCHED_BEST, 16 * KIB);
}

static void
test_bulk_does_not_fill_a_device(void **state)
{
	(void)state;
	setup(1);
	others.small = true;
	lanes[1].bulk = 192 * KIB;
	check(ask(4 * MIB, EFFICIENCY), 1, FERRY_SCHED_BEST, 64 * KIB);
	lanes[1].bulk++;
	check(ask(4 * MIB, EFFICIENCY), FERRY_SCHED_QUEUE, FERRY_SCHED_FULL, 0);
	/* Small jobs always go; and bulk, if there are none of them. */
	check(ask(64 * KIB, EFFICIENCY), 1, FERRY_SCHED_BEST, 64 * KIB);
	others.small = false;
	check(ask(4 * MIB, EFFICIENCY), 1, FERRY_SCHED_BEST,
		RTE_ALIGN_FLOOR(UINT64_C(375000), 64));
}

static void
test_a_device_is_kept_for_small_jobs(void **state)
{
	(void)state;
	setup(2);
	others.small = true;
	lanes[1].queue_ns = 100;
	check(ask(4 * MIB, EFFICIENCY), 1, FERRY_SCHED_BEST, 64 * KIB);
	check(ask(8 * KIB, EFFICIENCY), 2, FERRY_SCHED_BEST, 8 * KIB);
	lanes[1].bulk = MIB;
	check(ask(4 * MIB, EFFICIENCY), FERRY_SCHED_QUEUE, FERRY_SCHED_FULL, 0);
	/* Not if there is only one, ... */
	lanes[1].usable = false;
	check(ask(4 * MIB, EFFICIENCY), 2, FERRY_SCHED_BEST, 64 * KIB);
	/* ... or if there are no small copies to keep it for. */
	lanes[1].usable = true;
	others.small = false;
	lanes[1].bulk = 100 * MIB;
	check(ask(4 * MIB, EFFICIENCY), 2, FERRY_SCHED_BEST,
		RTE_ALIGN_FLOOR(UINT64_C(375000), 64));
}

static void
test_slow_lanes_are_asked_again_within_bounds(void **state)
{
	struct ferry_sched_part part;

	(void)state;
	setup(2);
	policy.share_min = UINT64_MAX;
	/* 15384 ns, where the other one takes 3133. */
	lanes[2].model.bytes_per_ns = 64000 / 14384.;
	lanes[2].stale = true;
	check(ask(64000, LATENCY), 1, FERRY_SCHED_BEST, 64000);
	others.probe_ns = 12200;
	check(ask(64000, LATENCY), 1, FERRY_SCHED_BEST, 64000);
	others.probe_ns = 12300;
	part = ask(64000, LATENCY);
	check(part, 2, FERRY_SCHED_PROBE, 64000);
	assert_true(part.loss_ns > 12200 && part.loss_ns < 12300);
	/* In any mode, */
	check(ask(64000, EFFICIENCY), 2, FERRY_SCHED_PROBE, 64000);
	/* also in place of the core; */
	lanes[1].room = 0;
	lanes[1].queue_ns = 1e9;
	check(ask(32000, THROUGHPUT), 2, FERRY_SCHED_BEST, 32000);
	check(ask(32000, LATENCY), 2, FERRY_SCHED_PROBE, 32000);
	/* but not a fresh one, nor one that is full, */
	lanes[2].stale = false;
	check(ask(32000, LATENCY), 0, FERRY_SCHED_BEST, 32000);
	lanes[2].stale = true;
	lanes[2].room = 0;
	check(ask(32000, LATENCY), 0, FERRY_SCHED_BEST, 32000);
	/* nor with what is not aligned, */
	lanes[2].room = 1;
	check(ask_at(8, 32000, 32000, LATENCY), 0, FERRY_SCHED_BEST, 32000);
	/* and nothing is lost if it looks better anyway. */
	setup(2);
	lanes[1].stale = lanes[2].stale = true;
	others.probe_ns = 1;
	part = ask(64000, EFFICIENCY);
	check(part, 2, FERRY_SCHED_PROBE, 64000);
	assert_true(part.loss_ns == 0);
}

static void
test_lanes_beyond_the_last_are_not_used(void **state)
{
	unsigned int i;

	(void)state;
	setup(11);
	for (i = 1; i < FERRY_SCHED_MAX_LANES; i++)
		lanes[i].usable = false;
	check(ask(64 * KIB, EFFICIENCY), 0, FERRY_SCHED_ALONE, 64 * KIB);
}

/* A job's decisions in a row, as a copier makes them that is told of no
 * completion meanwhile: how many parts. The last one may be what has to
 * wait. */
static unsigned int
plan(const struct ferry_sched_job *job, struct ferry_sched_part *parts,
		unsigned int max)
{
	struct ferry_sched_lane then[RTE_DIM(lanes)];
	struct ferry_sched_wait left = others;
	struct ferry_sched_job rest = *job;
	unsigned int i;

	memcpy(then, lanes, sizeof(then));
	for (i = 0; i < max && rest.len > 0; i++) {
		struct ferry_sched_lane *lane;

		parts[i] = ferry_sched_next(&policy, &rest, then, n, &left);
		if (parts[i].lane < 0) {
			parts[i].len = rest.len;
			return i + 1;
		}
		lane = &then[parts[i].lane];
		lane->queue_ns += (double)parts[i].len /
			lane->model.bytes_per_ns;
		if (ferry_sched_is_bulk(&policy, rest.whole))
			lane->bulk += parts[i].len;
		if (parts[i].lane > 0)
			lane->room--;
		if (parts[i].why == FERRY_SCHED_PROBE) {
			left.probe_ns -= parts[i].loss_ns;
			lane->stale = false;
		}
		rest.dst += parts[i].len;
		rest.len -= parts[i].len;
	}
	return i;
}

/* What a plan gives to a device counts when it goes on. */
static void
test_a_plan_fills_a_device_with_bulk_to_its_limit(void **state)
{
	const struct ferry_sched_job job = {
		.len = 8 * MIB, .whole = 8 * MIB, .mode = EFFICIENCY,
	};
	/* 50 us at 30 GB/s. */
	const uint64_t limit = 1500000;
	struct ferry_sched_part parts[32];
	unsigned int got, i;
	uint64_t sum = 0;

	(void)state;
	setup(1);
	got = plan(&job, parts, RTE_DIM(parts));
	assert_in_range(got, 4, RTE_DIM(parts) - 1);
	for (i = 0; i < got - 1; i++) {
		assert_int_equal(parts[i].lane, 1);
		sum += parts[i].len;
	}
	check(parts[i], FERRY_SCHED_QUEUE, FERRY_SCHED_FULL, 0);
	assert_int_equal(parts[i].len, 8 * MIB - sum);
	assert_in_range(sum, limit - parts[0].len + 1, limit);
}

static void
test_a_plan_is_the_decisions_in_a_row(void **state)
{
	const struct ferry_sched_job job = {
		.dst = 0x1010, .len = 100000, .whole = 100000, .mode = LATENCY,
	};
	struct ferry_sched_part parts[8];

	(void)state;
	setup(1);
	assert_int_equal(plan(&job, parts, RTE_DIM(parts)), 3);
	check(parts[0], 0, FERRY_SCHED_RAGGED, 48);
	check(parts[1], 1, FERRY_SCHED_SPLIT, parts[1].len);
	check(parts[2], 0, FERRY_SCHED_BEST, 100000 - 48 - parts[1].len);
	/* Together: within a hundredth. */
	assert_true((1000 + (double)parts[1].len / 30) /
		(20 + (double)parts[2].len / 10) > 0.99);
	assert_true((1000 + (double)parts[1].len / 30) /
		(20 + (double)parts[2].len / 10) < 1.01);
	assert_int_equal(plan(&job, parts, 1), 1);
	assert_int_equal(plan(&job, parts, 0), 0);
}

/* Whatever the numbers: in order, complete, aligned, within what lanes can. */
static void
test_any_plan_keeps_the_rules(void **state)
{
	uint64_t seed = 5, waited = 0, divided = 0, probed = 0;
	unsigned int round;

	(void)state;
	for (round = 0; round < 30000; round++) {
		struct ferry_sched_part parts[200];
		struct ferry_sched_job job;
		uint64_t at, sum = 0, used[12] = { 0 };
		unsigned int i, got, count[12] = { 0 };

		setup((unsigned int)(ferry_test_random(&seed) % 8));
		for (i = 0; i < n; i++) {
			lanes[i].model.t0_ns = (double)(
				ferry_test_random(&seed) % 5000);
			lanes[i].model.bytes_per_ns = 0.01 + (double)(
				ferry_test_random(&seed) % 500) / 10;
			lanes[i].queue_ns = (double)(
				ferry_test_random(&seed) % 100000);
			lanes[i].bulk = ferry_test_random(&seed) % 600000;
			lanes[i].max_job = ferry_test_random(&seed) % 2 ?
				ferry_test_random(&seed) % 100000 : UINT64_MAX;
			lanes[i].room = (uint32_t)(
				ferry_test_random(&seed) % 5);
			lanes[i].usable = ferry_test_random(&seed) % 4;
			lanes[i].stale = ferry_test_random(&seed) % 2;
		}
		others.small = ferry_test_random(&seed) % 2;
		others.probe_ns = (double)(ferry_test_random(&seed) % 9000);
		job.dst = ferry_test_random(&seed);
		job.len = ferry_test_random(&seed) %
			(ferry_test_random(&seed) % 2 ? 3000 : 2000000);
		job.whole = job.len;
		job.mode = (enum ferry_mode)(ferry_test_random(&seed) % 3);
		got = plan(&job, parts, RTE_DIM(parts));
		assert_true(got > 0 || job.len == 0);
		at = job.dst;
		for (i = 0; i < got; i++) {
			int lane = parts[i].lane;

			assert_true(parts[i].len > 0);
			sum += parts[i].len;
			if (lane < 0) {
				assert_int_equal(i, got - 1);
				assert_int_equal(sum, job.len);
				waited++;
				break;
			}
			assert_in_range(lane, 0, n - 1);
			if (lane > 0) {
				assert_true(lanes[lane].usable);
				assert_int_equal(at % 64, 0);
				assert_int_equal(parts[i].len % 64, 0);
				assert_true(parts[i].len <=
					lanes[lane].max_job);
				assert_true(++count[lane] <= lanes[lane].room);
			}
			used[lane] += parts[i].len;
			divided += parts[i].why == FERRY_SCHED_SPLIT;
			probed += parts[i].why == FERRY_SCHED_PROBE;
			at += parts[i].len;
		}
		assert_true(sum == job.len || got == RTE_DIM(parts));
		/* The core has a chunk of bulk at a time, if it may choose. */
		if (job.len >= policy.bulk_min && used[0] > 2 * 65536)
			for (i = 1; i < n; i++)
				assert_true(!lanes[i].usable ||
					lanes[i].max_job < 64);
	}
	/* All of it was seen. */
	assert_true(waited > 1000 && divided > 1000 && probed > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tiny_jobs_stay_with_the_core),
		cmocka_unit_test(test_no_device_at_all),
		cmocka_unit_test(test_ragged_ends_go_to_the_core),
		cmocka_unit_test(test_latency_takes_what_finishes_first),
		cmocka_unit_test(test_latency_divides_where_it_pays),
		cmocka_unit_test(test_latency_divides_among_devices),
		cmocka_unit_test(test_latency_does_not_wait_for_the_busy),
		cmocka_unit_test(test_who_begins_last_is_left_out_first),
		cmocka_unit_test(test_throughput_prefers_devices),
		cmocka_unit_test(test_throughput_queues_where_devices_are_full),
		cmocka_unit_test(test_efficiency_leaves_the_core_alone),
		cmocka_unit_test(test_bulk_is_handed_out_in_bites),
		cmocka_unit_test(test_bulk_does_not_fill_a_device),
		cmocka_unit_test(test_a_device_is_kept_for_small_jobs),
		cmocka_unit_test(test_slow_lanes_are_asked_again_within_bounds),
		cmocka_unit_test(test_lanes_beyond_the_last_are_not_used),
		cmocka_unit_test(test_a_plan_is_the_decisions_in_a_row),
		cmocka_unit_test(
			test_a_plan_fills_a_device_with_bulk_to_its_limit),
		cmocka_unit_test(test_any_plan_keeps_the_rules),
	};

	return cmocka_run_group_tests_name("sched_next", tests, NULL, NULL);
}
