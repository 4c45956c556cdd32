/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The copier with lanes that work, each in its own way: which lane gets which
 * job, in which pieces, and what happens when lanes take few jobs or refuse
 * them. Every test checks the copied bytes.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "fake_lane.h"
#include "ferry_copier.h"
#include "ferry_lane.h"

static void
test_setup(void **state)
{
	const struct ferry_copy_job job = { 0 };
	struct ferry_copy_done done;
	struct ferry_lane *lane, *more[FERRY_COPIER_MAX_LANES];
	struct fake fakes[FERRY_COPIER_MAX_LANES];
	struct fake fake = fake_good(), bad, unused;
	struct ferry_copier c;
	unsigned int i;

	RTE_SET_USED(state);
	assert_int_equal(ferry_copier_init(NULL, ferry_copy_cpu(), 0), -EINVAL);
	assert_int_equal(ferry_copier_init(&c, ferry_copy_cpu(), SOCKET_ID_ANY),
			0);
	assert_int_equal(c.nb_lanes, 1);
	/* There is no EAL here: a deadline may then only be late. */
	assert_true(c.tsc_hz >= UINT64_C(10000000000));
	assert_string_equal(ferry_lane_info(ferry_copier_lane(&c, 0))->name,
		"cpu");
	assert_null(ferry_copier_lane(&c, 1));
	assert_null(ferry_copier_lane(NULL, 0));

	lane = fake_lane(&fake);
	assert_int_equal(ferry_copier_add(NULL, lane), -EINVAL);
	assert_int_equal(ferry_copier_add(&c, NULL), -EINVAL);
	lane->inflight = 1;
	assert_int_equal(ferry_copier_add(&c, lane), -EINVAL);
	lane->inflight = 0;
	assert_int_equal(ferry_copier_add(&c, lane), 0);
	assert_ptr_equal(ferry_copier_lane(&c, 1), lane);
	assert_int_equal(ferry_copier_add(&c, lane), -EINVAL);
	assert_int_equal(ferry_copier_add(&c, c.lanes[0].lane), -EINVAL);

	for (i = 0; i < 64; i += 63) {
		bad = fake_good();
		bad.max_job = i;
		lane = fake_lane(&bad);
		assert_int_equal(ferry_copier_add(&c, lane), -EINVAL);
		ferry_lane_close(lane);
	}
	bad = fake_good();
	bad.depth = 0;
	lane = fake_lane(&bad);
	assert_int_equal(ferry_copier_add(&c, lane), -EINVAL);
	ferry_lane_close(lane);

	for (i = 2; i < FERRY_COPIER_MAX_LANES; i++) {
		fakes[i] = fake_good();
		more[i] = fake_lane(&fakes[i]);
		assert_int_equal(ferry_copier_add(&c, more[i]), 0);
	}
	bad = fake_good();
	lane = fake_lane(&bad);
	assert_int_equal(ferry_copier_add(&c, lane), -ENOSPC);
	assert_int_equal(bad.closes, 0);
	/* One that is dropped leaves its place, and nothing else. */
	c.lanes[3].sampled = c.lanes[3].polled = 1;
	assert_int_equal(ferry_copier_drop(&c, 3), 0);
	assert_int_equal(fakes[3].closes, 1);
	assert_int_equal(ferry_copier_add(&c, lane), 0);
	assert_int_equal(c.nb_lanes, FERRY_COPIER_MAX_LANES);
	assert_int_equal(c.nb_open, FERRY_COPIER_MAX_LANES);
	assert_ptr_equal(ferry_copier_lane(&c, 3), lane);
	assert_int_equal(c.lanes[3].health.state, FERRY_HEALTH_USED);
	assert_int_equal(c.lanes[3].polled, 0);
	assert_true(c.lanes[3].sampled > 1);
	unused = fake_good();
	lane = fake_lane(&unused);
	assert_int_equal(ferry_copier_add(&c, lane), -ENOSPC);
	ferry_lane_close(lane);

	ferry_copier_fini(&c);
	assert_int_equal(bad.closes, 1);
	assert_int_equal(fake.closes, 1);
	for (i = 2; i < FERRY_COPIER_MAX_LANES; i++)
		assert_int_equal(fakes[i].closes, 1);
	/* Once more, and on nothing. */
	ferry_copier_fini(&c);
	ferry_copier_fini(NULL);
	assert_int_equal(fake.closes, 1);
	lane = fake_lane(&fake);
	assert_int_equal(ferry_copier_add(&c, lane), -EINVAL);
	ferry_lane_close(lane);
	assert_int_equal(ferry_copier_copy(&c, NULL, 0), -EINVAL);
	assert_int_equal(ferry_copier_submit(&c, &job, 1), 0);
	assert_int_equal(ferry_copier_poll(&c, &done, 1), 0);
	assert_int_equal(ferry_copier_inflight(&c), 0);
	assert_true(ferry_copier_next_ns(&c) == UINT64_MAX);
}

/* Only the core: any burst, and no thinking. */
static void
test_cpu_only(void **state)
{
	static const uint64_t lens[] = { 0, 1, 63, 64, 4097, 0, 300000, 5 };
	struct fake cpu = fake_good();
	struct ferry_lane_stats stats;
	struct ferry_copier c;
	struct burst b;

	RTE_SET_USED(state);
	start(&c);
	assert_int_equal(ferry_copier_copy(&c, NULL, 0), 0);
	b = burst_make(lens, RTE_DIM(lens));
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	assert_int_equal(lane_bytes(&c, 0), b.total);
	burst_free(&b);
	/* More than any lane's depth. */
	copy_same(&c, 17, 5000);
	ferry_lane_stats(ferry_copier_lane(&c, 0), &stats);
	assert_int_equal(stats.refused, 0);

	/* No queue is gone through, nothing flushed or polled. */
	replace_cpu(&c, &cpu);
	b = burst_make(lens, RTE_DIM(lens));
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	burst_free(&b);
	assert_int_equal(cpu.accepted, RTE_DIM(lens));
	assert_int_equal(cpu.longest_job, 300000);
	assert_int_equal(cpu.longest_queue, RTE_DIM(lens));
	assert_int_equal(cpu.flushes + cpu.polls, 0);
	ferry_copier_fini(&c);
}

/* Lanes are chosen by the smallest predicted time, per job. */
static void
test_choice(void **state)
{
	static const uint64_t lens[] = { 100, 51200, 0, 100, 51200 };
	struct ferry_lane_model model = { .t0_ns = 10, .bytes_per_ns = 1 };
	struct fake dev = fake_good();
	struct ferry_copier c;
	struct burst b;

	RTE_SET_USED(state);
	start(&c);
	assert_int_equal(ferry_lane_set_model(c.lanes[0].lane, &model), 0);
	dev.t0_ns = 1000;
	dev.bytes_per_ns = 100;
	add_fake(&c, &dev);
	b = burst_make(lens, RTE_DIM(lens));
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	burst_free(&b);
	assert_int_equal(lane_bytes(&c, 0), 200);
	assert_int_equal(lane_bytes(&c, 1), 102400);
	assert_int_equal(dev.accepted, 2);
	assert_int_equal(dev.poll_max, 128);
	ferry_copier_fini(&c);
}

/* Equal devices share, because what waits in a lane counts. */
static void
test_sharing(void **state)
{
	struct fake a = fake_good(), b = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	a.lazy_polls = b.lazy_polls = 5;
	add_fake(&c, &a);
	add_fake(&c, &b);
	copy_same(&c, 4096, 32);
	assert_int_equal(a.accepted, 16);
	assert_int_equal(b.accepted, 16);
	ferry_copier_fini(&c);
}

/* The core takes its share when the queue is longer than its own time. */
static void
test_cpu_helps(void **state)
{
	struct ferry_lane_model model = { .t0_ns = 0, .bytes_per_ns = 1 };
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	assert_int_equal(ferry_lane_set_model(c.lanes[0].lane, &model), 0);
	dev.bytes_per_ns = 4.4;
	add_fake(&c, &dev);
	copy_same(&c, 1024, 10);
	/* Four queue up, the core takes one, twice. */
	assert_int_equal(dev.accepted, 8);
	assert_int_equal(lane_bytes(&c, 0), 2048);
	assert_int_equal(lane_bytes(&c, 1), 8192);
	ferry_copier_fini(&c);
}

/* Long jobs in pieces of the lane's longest, completed in any order. */
static void
test_split_reorder(void **state)
{
	static const uint64_t lens[] = { 12288, 1, 1024, 1000, 1088, 7744 };
	struct fake dev = fake_good();
	struct ferry_copier c;
	struct burst b;

	RTE_SET_USED(state);
	start(&c);
	dev.max_job = 1030;
	dev.reverse = true;
	dev.lazy_polls = 3;
	add_fake(&c, &dev);
	b = burst_make(lens, RTE_DIM(lens));
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	/* What is no multiple of 64 ends with the core. */
	assert_int_equal(lane_bytes(&c, 0), 1 + 40);
	assert_int_equal(lane_bytes(&c, 1), b.total - 41);
	assert_int_equal(dev.accepted, 12 + 0 + 1 + 1 + 2 + 8);
	assert_int_equal(dev.longest_job, 1024);
	assert_true(dev.out_of_order > 0);
	burst_free(&b);
	ferry_copier_fini(&c);
}

/* More pieces than the copier keeps track of: the core helps out. */
static void
test_many_pieces(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;
	unsigned int i;

	RTE_SET_USED(state);
	start(&c);
	dev.max_job = 64;
	add_fake(&c, &dev);
	copy_same(&c, 64 * 1000 + 1, 3);
	assert_int_equal(dev.longest_queue, 256);
	assert_true(lane_bytes(&c, 0) > 0);
	/* Every place in the table was given back. */
	for (i = 0; i < 3; i++)
		copy_same(&c, 100, 1000);
	assert_int_equal(dev.longest_queue, 256);
	ferry_copier_fini(&c);
}

/* A batch is started when it is full, or there is nothing more to add. */
static void
test_flush(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	c.tune.policy.flush_ns = UINT64_MAX;
	add_fake(&c, &dev);
	copy_mode(&c, 128, 31, FERRY_MODE_THROUGHPUT);
	assert_int_equal(dev.flushes, 1);
	copy_mode(&c, 128, 64, FERRY_MODE_THROUGHPUT);
	assert_int_equal(dev.flushes, 3);
	copy_mode(&c, 128, 65, FERRY_MODE_EFFICIENCY);
	assert_int_equal(dev.flushes, 6);
	/* Where time counts, each job is started. */
	copy_mode(&c, 128, 5, FERRY_MODE_LATENCY);
	assert_int_equal(dev.flushes, 11);
	/* Nor does the first job of a batch wait for long. */
	c.tune.policy.flush_ns = 0;
	copy_mode(&c, 128, 5, FERRY_MODE_THROUGHPUT);
	assert_int_equal(dev.flushes, 16);
	ferry_copier_fini(&c);
}

/* Devices get to work before the core does. */
static void
test_flush_before_cpu(void **state)
{
	static const uint64_t lens[] = { 102400, 640 };
	struct ferry_lane_model model = { .t0_ns = 10, .bytes_per_ns = 1 };
	struct fake cpu = fake_good(), dev = fake_good();
	struct ferry_copier c;
	struct burst b;

	RTE_SET_USED(state);
	start(&c);
	cpu.t0_ns = model.t0_ns;
	cpu.bytes_per_ns = model.bytes_per_ns;
	cpu.watched = &dev;
	replace_cpu(&c, &cpu);
	dev.t0_ns = 1000;
	add_fake(&c, &dev);
	b = burst_make(lens, RTE_DIM(lens));
	/* One poll is enough for all. */
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	burst_free(&b);
	assert_int_equal(cpu.accepted, 1);
	assert_int_equal(cpu.watched_flushes, 1);
	assert_int_equal(dev.flushes, 1);
	assert_int_equal(dev.polls, 1);
	ferry_copier_fini(&c);
}

/* A lane at its depth is not asked; the core goes on, a chunk at a time. */
static void
test_full(void **state)
{
	struct fake dev = fake_good(), cpu = fake_good();
	struct ferry_lane_stats stats;
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	/* As good, but for the device's queue. */
	cpu.bytes_per_ns = 10;
	replace_cpu(&c, &cpu);
	dev.bytes_per_ns = 40;
	dev.t0_ns = 1000;
	dev.depth = 4;
	dev.max_job = 65536;
	dev.lazy_polls = 2;
	add_fake(&c, &dev);
	copy_same(&c, 4000000, 1);
	ferry_lane_stats(ferry_copier_lane(&c, 1), &stats);
	assert_int_equal(stats.refused, 0);
	assert_int_equal(dev.longest_queue, 4);
	assert_int_equal(cpu.longest_job, 65536);
	/* Once it works, it gets its four for every one of the core's. */
	assert_true(lane_bytes(&c, 0) > 0);
	assert_true(stats.bytes > 2 * lane_bytes(&c, 0));
	ferry_copier_fini(&c);
}

/* Full without a warning: another lane, then it waits, then that lane again. */
static void
test_refuse_full(void **state)
{
	struct fake a = fake_good(), b = fake_good();
	struct ferry_lane_stats stats;
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	a.room = 2;
	b.room = 3;
	b.bytes_per_ns = FAST / 100;
	a.max_job = b.max_job = 128;
	add_fake(&c, &a);
	add_fake(&c, &b);
	copy_same(&c, 128, 12);
	/* 2 to a, 3 to b, wait; twice; 2 to a. */
	assert_int_equal(a.accepted, 6);
	assert_int_equal(b.accepted, 6);
	assert_int_equal(lane_bytes(&c, 0), 0);
	/* Each was asked once when full, by the job that then waited. */
	ferry_lane_stats(ferry_copier_lane(&c, 2), &stats);
	assert_int_equal(stats.refused, 2);

	/* Also within one job: 5 pieces, 8 times, and one. */
	c.lanes[1].lane->info.max_job = a.max_job = 10000;
	c.lanes[2].lane->info.max_job = b.max_job = 10000;
	copy_same(&c, 400000, 1);
	assert_int_equal(a.accepted, 6 + 8 * 2 + 1);
	assert_int_equal(b.accepted, 6 + 8 * 3);
	assert_int_equal(lane_bytes(&c, 0), 0);
	ferry_copier_fini(&c);
}

/* Full: who would wait longer than the core takes does not wait. */
static void
test_full_core(void **state)
{
	struct ferry_lane_model model = { .t0_ns = 0, .bytes_per_ns = 10 };
	struct ferry_copier_stats stats;
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	assert_int_equal(ferry_lane_set_model(c.lanes[0].lane, &model), 0);
	/* Each job whole. */
	c.tune.policy.share_min = UINT64_MAX;
	dev.room = 2;
	dev.t0_ns = 1000;
	dev.bytes_per_ns = 30;
	add_fake(&c, &dev);
	copy_same(&c, 30720, 3);
	/* 2024 against 3072 ns, 3048 against 3072, 4072 against 3072. */
	assert_int_equal(dev.accepted, 2);
	assert_int_equal(lane_bytes(&c, 0), 30720);
	ferry_copier_stats(&c, &stats);
	assert_int_equal(stats.queued, 0);
	/* 4072 against 6144: that one waits for the device. */
	copy_same(&c, 30720, 4);
	assert_int_equal(dev.accepted, 5);
	assert_int_equal(lane_bytes(&c, 0), 2 * 30720);
	ferry_copier_stats(&c, &stats);
	assert_int_equal(stats.queued, 1);
	ferry_copier_fini(&c);
}

/* A job outside a lane's reach goes to the next best lane, whole. */
static void
test_refuse_reach(void **state)
{
	struct fake a = fake_good(), b = fake_good();
	struct burst burst = burst_same(200000, 3);
	struct ferry_lane_stats stats;
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	a.no_reach = burst.jobs[0].src;
	a.no_reach_len = burst.jobs[0].len;
	b.bytes_per_ns = FAST / 100;
	add_fake(&c, &a);
	add_fake(&c, &b);
	assert_int_equal(ferry_copier_copy(&c, burst.jobs, burst.n), 0);
	burst_check(&burst);
	assert_int_equal(lane_bytes(&c, 0), 0);
	assert_int_equal(lane_bytes(&c, 1), 400000);
	assert_int_equal(lane_bytes(&c, 2), 200000);

	/* No lane reaches it: the core does it all, asking once. */
	b.no_reach = a.no_reach;
	b.no_reach_len = a.no_reach_len;
	memset(burst.dst, 0x55, burst.size);
	assert_int_equal(ferry_copier_copy(&c, burst.jobs, burst.n), 0);
	burst_check(&burst);
	assert_int_equal(lane_bytes(&c, 0), 200000);
	ferry_lane_stats(ferry_copier_lane(&c, 1), &stats);
	assert_int_equal(stats.refused, 2);
	burst_free(&burst);
	ferry_copier_fini(&c);
}

/* Nor is it asked again for each chunk when the core takes turns. */
static void
test_refuse_reach_busy(void **state)
{
	struct fake a = fake_good(), b = fake_good();
	struct ferry_lane_model model = { .t0_ns = 0, .bytes_per_ns = 10 };
	struct burst burst = burst_same(400000, 2);
	struct ferry_lane_stats stats;
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	a.no_reach = burst.src;
	a.no_reach_len = burst.size;
	assert_int_equal(ferry_lane_set_model(c.lanes[0].lane, &model), 0);
	b.bytes_per_ns = 10;
	b.depth = 1;
	b.lazy_polls = 20;
	add_fake(&c, &a);
	add_fake(&c, &b);
	assert_int_equal(ferry_copier_copy(&c, burst.jobs, burst.n), 0);
	burst_check(&burst);
	assert_true(lane_bytes(&c, 0) > 0);
	assert_true(lane_bytes(&c, 2) > 0);
	assert_int_equal(lane_bytes(&c, 0) + lane_bytes(&c, 2), 800000);
	ferry_lane_stats(ferry_copier_lane(&c, 1), &stats);
	assert_int_equal(stats.refused, 2);
	burst_free(&burst);
	ferry_copier_fini(&c);
}

/* The placement asked for reaches the lane, also in pieces and by redo. */
static void
test_placement(void **state)
{
	struct fake cpu = fake_good(), dev = fake_good();
	struct burst b = burst_same(128, 1);
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	/* Keeps its jobs, to be looked at. */
	cpu.t0_ns = 1e9;
	replace_cpu(&c, &cpu);
	dev.max_job = 64;
	dev.fail_from = 1;
	dev.fail_to = 2;
	dev.fail_bytes = 10;
	add_fake(&c, &dev);
	b.jobs[0].place = FERRY_PLACE_MEMORY;
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	assert_int_equal(dev.accepted, 2);
	/* Left in the queues' unused places. */
	assert_int_equal(dev.q[0].job.place, FERRY_PLACE_MEMORY);
	assert_int_equal(dev.q[1].job.place, FERRY_PLACE_MEMORY);
	assert_int_equal(cpu.q[0].job.place, FERRY_PLACE_MEMORY);
	assert_int_equal(cpu.q[0].job.len, 54);
	burst_free(&b);
	ferry_copier_fini(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setup),
		cmocka_unit_test(test_cpu_only),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_cpu_helps),
		cmocka_unit_test(test_split_reorder),
		cmocka_unit_test(test_many_pieces),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_flush_before_cpu),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_refuse_full),
		cmocka_unit_test(test_full_core),
		cmocka_unit_test(test_refuse_reach),
		cmocka_unit_test(test_refuse_reach_busy),
		cmocka_unit_test(test_placement),
	};

	return cmocka_run_group_tests_name("copier", tests, NULL, NULL);
}
