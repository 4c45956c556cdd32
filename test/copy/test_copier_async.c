/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Asynchronous copies: submit and poll, and which jobs wait for what. Every
 * test checks the copied bytes.
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
#include "ferry_test.h"

#define MIB (UINT64_C(1) << 20)

static const struct ferry_lane_model core_model = {
	.t0_ns = 20, .bytes_per_ns = 10,
};

static void
start_real(struct ferry_copier *c)
{
	start(c);
	assert_int_equal(ferry_lane_set_model(c->lanes[0].lane, &core_model),
		0);
}

static void
set_mode(struct burst *b, enum ferry_mode mode)
{
	uint16_t i;

	for (i = 0; i < b->n; i++) {
		b->jobs[i].mode = mode;
		b->jobs[i].cookie = i;
	}
}

/* Poll until all jobs of a burst are done, each once and good. */
static void
finish(struct ferry_copier *c, const struct burst *b)
{
	struct ferry_copy_done done[7];
	bool seen[1000] = { false };
	uint32_t left = ferry_copier_inflight(c), polls = 0;

	assert_in_range(b->n, 0, RTE_DIM(seen));
	while (left > 0) {
		uint16_t i, got = ferry_copier_poll(c, done, RTE_DIM(done));

		assert_in_range(got, 0, RTE_DIM(done));
		for (i = 0; i < got; i++) {
			assert_in_range(done[i].cookie, 0, b->n - 1);
			assert_false(seen[done[i].cookie]);
			seen[done[i].cookie] = true;
			assert_int_equal(done[i].status, FERRY_COPY_OK);
			assert_int_equal(done[i].bytes,
				b->jobs[done[i].cookie].len);
		}
		left -= got;
		assert_int_equal(ferry_copier_inflight(c), left);
		assert_in_range(polls++, 0, 1000000);
	}
	assert_int_equal(ferry_copier_poll(c, done, RTE_DIM(done)), 0);
	assert_int_equal(ferry_copier_next_ns(c), UINT64_MAX);
	burst_check(b);
}

static void
test_core_alone_copies_a_chunk_per_call(void **state)
{
	struct burst b = burst_same(200000, 2);
	struct ferry_copy_done done[4];
	struct ferry_copier c;
	unsigned int i;

	RTE_SET_USED(state);
	start_real(&c);
	set_mode(&b, FERRY_MODE_THROUGHPUT);
	assert_int_equal(ferry_copier_next_ns(&c), UINT64_MAX);
	assert_int_equal(ferry_copier_submit(&c, b.jobs, 2), 2);
	assert_int_equal(lane_bytes(&c, 0), 65536);
	for (i = 2; i <= 3; i++) {
		assert_int_equal(ferry_copier_next_ns(&c), 0);
		assert_int_equal(ferry_copier_poll(&c, done, 4), 0);
		assert_int_equal(lane_bytes(&c, 0), i * 65536);
	}
	assert_int_equal(ferry_copier_poll(&c, done, 0), 0);
	/* The first job is done, but its completion was not taken. */
	assert_int_equal(ferry_copier_inflight(&c), 2);
	assert_int_equal(ferry_copier_next_ns(&c), 0);
	assert_int_equal(lane_bytes(&c, 0), 4 * 65536);
	finish(&c, &b);
	burst_free(&b);
	ferry_copier_fini(&c);
}

static void
test_tiny_jobs_are_done_at_once(void **state)
{
	struct burst b = burst_same(100, 300);
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start_real(&c);
	add_fake(&c, &dev);
	set_mode(&b, FERRY_MODE_EFFICIENCY);
	/* As many as the table holds. */
	assert_int_equal(ferry_copier_submit(&c, b.jobs, 300), 256);
	assert_int_equal(lane_bytes(&c, 0), 25600);
	assert_int_equal(ferry_copier_submit(&c, &b.jobs[256], 1), 0);
	b.n = 256;
	finish(&c, &b);
	assert_int_equal(dev.accepted, 0);
	burst_free(&b);
	ferry_copier_fini(&c);
}

/* Lanes full: wait, and do not look before something can have changed. */
static void
test_efficiency_waits_for_a_device(void **state)
{
	struct burst b = burst_same(32768, 9);
	struct ferry_copier_stats stats;
	struct fake dev = fake_good();
	struct ferry_copy_done done;
	struct ferry_copier c;

	RTE_SET_USED(state);
	start_real(&c);
	dev.depth = 2;
	dev.bytes_per_ns = 0.1;
	dev.lazy_polls = 3;
	add_fake(&c, &dev);
	set_mode(&b, FERRY_MODE_EFFICIENCY);
	assert_int_equal(ferry_copier_submit(&c, b.jobs, 9), 9);
	ferry_copier_stats(&c, &stats);
	assert_int_equal(stats.queued, 7);
	/* It was not told to begin. */
	assert_int_equal(ferry_copier_next_ns(&c), 0);
	assert_int_equal(ferry_copier_poll(&c, &done, 1), 0);
	assert_int_equal(dev.flushes, 1);
	/* 0.33 ms predicted: sleep for what is left of that ... */
	assert_in_range(ferry_copier_next_ns(&c), 325000, 327680);
	fake_now_ns += 200000;
	assert_in_range(ferry_copier_next_ns(&c), 125000, 127680);
	finish(&c, &b);
	assert_int_equal(dev.accepted, 9);
	assert_int_equal(dev.longest_queue, 2);
	assert_int_equal(lane_bytes(&c, 0), 0);
	burst_free(&b);
	ferry_copier_fini(&c);
}

/* The same queue in throughput mode: the core helps. */
static void
test_throughput_lets_the_core_help(void **state)
{
	struct burst b = burst_same(32768, 9);
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start_real(&c);
	dev.depth = 2;
	dev.bytes_per_ns = 9;
	add_fake(&c, &dev);
	set_mode(&b, FERRY_MODE_THROUGHPUT);
	assert_int_equal(ferry_copier_submit(&c, b.jobs, 9), 9);
	finish(&c, &b);
	assert_true(lane_bytes(&c, 0) > 0);
	assert_true(lane_bytes(&c, 1) > lane_bytes(&c, 0));
	burst_free(&b);
	ferry_copier_fini(&c);
}

static void
test_small_ones_do_not_queue_behind_bulk(void **state)
{
	struct burst b = burst_same(16 * MIB, 1), s = burst_same(8192, 20);
	struct fake dev = fake_good();
	struct ferry_copy_done done[20];
	struct ferry_copier c;
	uint16_t i, got;

	RTE_SET_USED(state);
	start_real(&c);
	dev.bytes_per_ns = 5;
	add_fake(&c, &dev);
	set_mode(&b, FERRY_MODE_EFFICIENCY);
	set_mode(&s, FERRY_MODE_EFFICIENCY);
	b.jobs[0].cookie = 99;
	assert_int_equal(ferry_copier_submit(&c, b.jobs, 1), 1);
	/* 50 us of it, or so many bytes. */
	assert_int_equal(c.lanes[1].bulk, 4 * 65536);
	assert_int_equal(ferry_copier_submit(&c, s.jobs, 20), 20);
	got = ferry_copier_poll(&c, done, 20);
	assert_int_equal(got, 20);
	for (i = 0; i < got; i++)
		assert_int_equal(done[i].cookie, i);
	burst_check(&s);
	while (ferry_copier_poll(&c, done, 20) == 0)
		assert_in_range(c.lanes[1].bulk, 1, 4 * 65536);
	assert_int_equal(done[0].cookie, 99);
	burst_check(&b);
	assert_int_equal(lane_bytes(&c, 0), 0);
	burst_free(&b);
	burst_free(&s);
	ferry_copier_fini(&c);
}

/* Small jobs without end, through one device that takes one at a time. */
static void
test_bulk_has_its_turn(void **state)
{
	struct burst b = burst_same(MIB, 1), s = burst_same(8192, 100);
	struct fake dev = fake_good();
	struct ferry_copy_done done[8];
	unsigned int smalls = 0;
	struct ferry_copier c;
	bool bulk_done = false;
	uint16_t in;

	RTE_SET_USED(state);
	start_real(&c);
	dev.depth = 1;
	add_fake(&c, &dev);
	set_mode(&b, FERRY_MODE_EFFICIENCY);
	set_mode(&s, FERRY_MODE_EFFICIENCY);
	b.jobs[0].cookie = 1000;
	in = ferry_copier_submit(&c, s.jobs, 100);
	assert_int_equal(in, 100);
	assert_int_equal(ferry_copier_submit(&c, b.jobs, 1), 1);
	while (!bulk_done) {
		uint16_t i, got = ferry_copier_poll(&c, done, 8);

		for (i = 0; i < got; i++) {
			if (done[i].cookie == 1000) {
				bulk_done = true;
				continue;
			}
			smalls++;
			assert_int_equal(ferry_copier_submit(&c,
				&s.jobs[done[i].cookie], 1), 1);
		}
		/* 16 bites, with 256 KiB of the others before each. */
		assert_in_range(smalls, 0, 17 * 32);
	}
	assert_true(smalls > 8 * 32);
	burst_check(&b);
	while (ferry_copier_inflight(&c) > 0)
		ferry_copier_poll(&c, done, 8);
	burst_check(&s);
	burst_free(&b);
	burst_free(&s);
	ferry_copier_fini(&c);
}

/* Who waits is not overtaken by who comes. */
static void
test_who_waits_comes_first(void **state)
{
	struct burst b = burst_same(8192, 40);
	struct fake dev = fake_good();
	struct ferry_copy_done done[8];
	struct ferry_copier c;
	uint16_t in = 10, out = 0;

	RTE_SET_USED(state);
	start_real(&c);
	dev.depth = 3;
	add_fake(&c, &dev);
	set_mode(&b, FERRY_MODE_EFFICIENCY);
	assert_int_equal(ferry_copier_submit(&c, b.jobs, in), in);
	while (out < b.n) {
		uint16_t i, got = ferry_copier_poll(&c, done, 8);

		for (i = 0; i < got; i++)
			assert_int_equal(done[i].cookie, out + i);
		out += got;
		/* Places that are free before anybody was told. */
		if (in == 12)
			c.lanes[1].lane->info.depth = dev.depth = 6;
		if (in < b.n)
			in += ferry_copier_submit(&c, &b.jobs[in],
				RTE_MIN(2, b.n - in));
	}
	burst_check(&b);
	burst_free(&b);
	ferry_copier_fini(&c);
}

/* Devices get to work before the core does. */
static void
test_devices_start_before_the_core(void **state)
{
	static const uint64_t lens[] = { 8192, 8192, 200000 };
	struct burst b = burst_make(lens, RTE_DIM(lens));
	struct fake dev = fake_good(), cpu = fake_good();
	struct ferry_copier_stats stats;
	struct ferry_copy_done done;
	struct ferry_copier c;

	RTE_SET_USED(state);
	start_real(&c);
	c.tune.policy.flush_ns = UINT64_MAX;
	cpu.watched = &dev;
	replace_cpu(&c, &cpu);
	assert_int_equal(ferry_lane_set_model(c.lanes[0].lane, &core_model),
		0);
	dev.depth = 1;
	dev.no_reach = b.jobs[2].src;
	dev.no_reach_len = 1;
	add_fake(&c, &dev);
	set_mode(&b, FERRY_MODE_EFFICIENCY);
	assert_int_equal(ferry_copier_submit(&c, &b.jobs[2], 1), 1);
	assert_int_equal(cpu.accepted, 1);
	assert_int_equal(ferry_copier_submit(&c, &b.jobs[0], 2), 2);
	/* The first was started, then a chunk copied. */
	assert_int_equal(cpu.accepted, 2);
	assert_int_equal(cpu.watched_flushes, 1);
	/* The second, and another chunk. */
	assert_int_equal(ferry_copier_poll(&c, &done, 1), 1);
	assert_int_equal(cpu.accepted, 3);
	assert_int_equal(cpu.watched_flushes, 2);
	while (ferry_copier_inflight(&c) > 0)
		ferry_copier_poll(&c, &done, 1);
	burst_check(&b);
	/* Nothing was done twice. */
	ferry_copier_stats(&c, &stats);
	assert_int_equal(stats.redone_bytes, 0);
	burst_free(&b);
	ferry_copier_fini(&c);
}

/* A copy one waits for, while others are under way. */
static void
test_copy_in_between(void **state)
{
	struct burst b = burst_same(70000, 200);
	struct fake dev = fake_good();
	struct ferry_copier c;
	unsigned int mode;

	RTE_SET_USED(state);
	start_real(&c);
	dev.depth = 8;
	dev.lazy_polls = 2;
	add_fake(&c, &dev);
	set_mode(&b, FERRY_MODE_EFFICIENCY);
	assert_int_equal(ferry_copier_submit(&c, b.jobs, b.n), b.n);
	for (mode = 0; mode < FERRY_MODES; mode++)
		copy_mode(&c, 50000, 100, mode);
	assert_int_equal(ferry_copier_inflight(&c), b.n);
	finish(&c, &b);
	burst_free(&b);

	/* Also when its table is full of jobs whose completions the caller does
	 * not take. */
	b = burst_same(64, 256);
	set_mode(&b, FERRY_MODE_LATENCY);
	assert_int_equal(ferry_copier_submit(&c, b.jobs, b.n), b.n);
	copy_mode(&c, 100000, 5, FERRY_MODE_THROUGHPUT);
	finish(&c, &b);
	burst_free(&b);
	ferry_copier_fini(&c);
}

/* Each copy of a burst waits for a place and gets to the device, though others
 * leave only one. */
static void
test_copies_wait_for_the_last_place(void **state)
{
	struct burst b = burst_same(64, FERRY_COPIER_MAX_JOBS - 1);
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start_real(&c);
	dev.lazy_polls = 2;
	dev.no_reach = b.src;
	dev.no_reach_len = b.size;
	add_fake(&c, &dev);
	set_mode(&b, FERRY_MODE_LATENCY);
	/* Done by the core, and not taken. */
	assert_int_equal(ferry_copier_submit(&c, b.jobs, b.n), b.n);
	assert_int_equal(dev.accepted, 0);
	copy_mode(&c, 100000, 3, FERRY_MODE_EFFICIENCY);
	assert_int_equal(dev.accepted, 3);
	finish(&c, &b);
	burst_free(&b);
	ferry_copier_fini(&c);
}

static void
test_unknown_placement_is_refused(void **state)
{
	struct burst b = burst_same(100000, 2);
	struct fake dev = fake_good();
	struct ferry_copy_done done[2];
	struct ferry_copier c;
	unsigned int devices;

	RTE_SET_USED(state);
	for (devices = 0; devices < 2; devices++) {
		start_real(&c);
		if (devices)
			add_fake(&c, &dev);
		set_mode(&b, FERRY_MODE_THROUGHPUT);
		b.jobs[0].place = (enum ferry_placement)77;
		assert_int_equal(ferry_copier_copy(&c, b.jobs, 2), -EIO);
		assert_int_equal(ferry_copier_submit(&c, b.jobs, 1), 1);
		assert_int_equal(ferry_copier_poll(&c, done, 2), 1);
		assert_int_equal(done[0].cookie, 0);
		assert_int_equal(done[0].status, FERRY_COPY_E_DEVICE);
		assert_int_equal(done[0].bytes, 0);
		ferry_copier_fini(&c);
	}
	burst_free(&b);
}

/* An unknown mode is the one that waits for nothing. */
static void
test_unknown_mode_is_latency(void **state)
{
	struct burst b = burst_same(50000, 3);
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start_real(&c);
	add_fake(&c, &dev);
	set_mode(&b, (enum ferry_mode)77);
	assert_int_equal(ferry_copier_submit(&c, b.jobs, 3), 3);
	assert_int_equal(dev.flushes, 3);
	finish(&c, &b);
	burst_free(&b);
	ferry_copier_fini(&c);
}

static void
test_nothing_without_setup(void **state)
{
	struct ferry_copier none = { 0 };
	struct ferry_copy_job job = { 0 };
	struct ferry_copy_done done;

	RTE_SET_USED(state);
	assert_int_equal(ferry_copier_submit(&none, &job, 1), 0);
	assert_int_equal(ferry_copier_poll(&none, &done, 1), 0);
	assert_int_equal(ferry_copier_inflight(&none), 0);
	assert_int_equal(ferry_copier_next_ns(&none), UINT64_MAX);
	assert_int_equal(ferry_copier_copy(&none, &job, 1), -EINVAL);
	assert_int_equal(ferry_copier_fini(&none), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_core_alone_copies_a_chunk_per_call),
		cmocka_unit_test(test_tiny_jobs_are_done_at_once),
		cmocka_unit_test(test_efficiency_waits_for_a_device),
		cmocka_unit_test(test_throughput_lets_the_core_help),
		cmocka_unit_test(test_small_ones_do_not_queue_behind_bulk),
		cmocka_unit_test(test_bulk_has_its_turn),
		cmocka_unit_test(test_who_waits_comes_first),
		cmocka_unit_test(test_devices_start_before_the_core),
		cmocka_unit_test(test_copy_in_between),
		cmocka_unit_test(test_copies_wait_for_the_last_place),
		cmocka_unit_test(test_unknown_placement_is_refused),
		cmocka_unit_test(test_unknown_mode_is_latency),
		cmocka_unit_test(test_nothing_without_setup),
	};

	return cmocka_run_group_tests_name("copier_async", tests, NULL, NULL);
}
