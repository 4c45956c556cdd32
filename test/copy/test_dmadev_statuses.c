/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The dmadev driver, alone and under a copier, on devices whose drivers get
 * their statuses wrong: ioat of DPDK 22.11 as it is, and one that loses
 * completions. A copy that did not take place is never reported as done.
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

#include "faulty_lane.h"
#include "ferry_copier.h"
#include "ferry_test.h"

/* Of jobs of one operation. */
#define SHORT ((size_t)MAX_TRANSFER)
#define POLLS 1000

/* Bit n: operation n from here on fails. */
static uint64_t bad, bad_base;
static uint64_t rng;

static enum rte_dma_status_code
verdict_bits(uint64_t n)
{
	n -= bad_base;
	return n < 64 && (bad >> n & 1) != 0 ? RTE_DMA_STATUS_INVALID_SRC_ADDR :
		RTE_DMA_STATUS_SUCCESSFUL;
}

static enum rte_dma_status_code
verdict_random(uint64_t n)
{
	RTE_SET_USED(n);
	return ferry_test_random(&rng) % 40 == 0 ? RTE_DMA_STATUS_PAGE_FAULT :
		RTE_DMA_STATUS_SUCCESSFUL;
}

static void
ioat(uint64_t which)
{
	fake.ioat = true;
	bad = which;
	bad_base = fake.made;
	fake.verdict = verdict_bits;
}

static void
submit_short(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		assert_int_equal(submit(i, SHORT), 1);
	ferry_lane_flush(lane);
}

/* Jobs that failed did so without a byte; the others are copied. */
static void
check_short(unsigned int n, uint64_t which)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct ferry_copy_done done = take(POLLS);
		bool failed = (which >> i & 1) != 0;

		assert_int_equal(done.cookie, i);
		assert_int_equal(done.status, failed ? FERRY_COPY_E_ADDRESS :
			FERRY_COPY_OK);
		assert_int_equal(done.bytes, failed ? 0 : SHORT);
		assert_copied(i, done.bytes);
	}
	assert_int_equal(ferry_lane_inflight(lane), 0);
}

/* All sets of failures among 8 copies, all speeds of the device. */
static void
test_ioat_failures(void **state)
{
	unsigned int which, pace;

	RTE_SET_USED(state);
	ferry_test_need_eal();
	for (which = 0; which < 256; which++) {
		for (pace = 1; pace <= JOBS; pace += 1 + pace / 2) {
			ferry_test_fill(dst, sizeof(dst), 2);
			ioat(which);
			fake.pace = (uint16_t)pace;
			submit_short(JOBS);
			check_short(JOBS, which);
		}
	}
}

/* Failures inside of jobs of many operations: bytes end at the first. */
static void
test_ioat_long(void **state)
{
	struct ferry_copy_done done;

	RTE_SET_USED(state);
	ferry_test_need_eal();
	ioat(UINT64_C(1) << 3 | UINT64_C(1) << 7 | UINT64_C(1) << (2 * OPS));
	assert_int_equal(submit(0, LEN), 1);
	assert_int_equal(submit(1, LEN), 1);
	assert_int_equal(submit(2, LEN), 1);
	done = take(POLLS);
	assert_int_equal(done.cookie, 0);
	assert_int_equal(done.status, FERRY_COPY_E_ADDRESS);
	assert_int_equal(done.bytes, 3 * MAX_TRANSFER);
	take_ok(1, LEN, POLLS);
	done = take(POLLS);
	assert_int_equal(done.cookie, 2);
	assert_int_equal(done.bytes, 0);
}

/* Nothing more is reported, and closing stops the device. */
static void
assert_given_up(void)
{
	struct ferry_copy_done done;
	uint64_t tries;
	unsigned int i;

	for (i = 0; i < POLLS; i++)
		assert_int_equal(ferry_lane_poll(lane, &done, 1), 0);
	tries = fake.tries;
	assert_int_equal(submit(0, SHORT), 0);
	ferry_lane_flush(lane);
	assert_int_equal(fake.tries, tries);
	assert_true(close_stops());
}

/* The driver took what it did not report: two good ones and a failed one. */
static void
test_ioat_unrecoverable(void **state)
{
	RTE_SET_USED(state);
	ferry_test_need_eal();
	ioat(UINT64_C(1) << 2);
	fake.unrecoverable = true;
	submit_short(JOBS);
	assert_given_up();
}

static void
test_lost(void **state)
{
	unsigned int lose, at;

	RTE_SET_USED(state);
	ferry_test_need_eal();
	for (lose = 1; lose <= 3; lose++) {
		for (at = 0; at + lose < JOBS; at++) {
			unsigned int i;

			faulty_lane_teardown(NULL);
			assert_int_equal(faulty_lane_setup(NULL), 0);
			fake.pace = 1;
			submit_short(JOBS);
			for (i = 0; i < at; i++)
				take_ok(i, SHORT, POLLS);
			fake.lose = lose;
			assert_given_up();
		}
	}
}

/* The last one is lost: there is none after it by which to tell. */
static void
test_lost_last(void **state)
{
	struct ferry_copy_done done;
	unsigned int i;

	RTE_SET_USED(state);
	ferry_test_need_eal();
	fake.lose = 1;
	assert_int_equal(submit(0, SHORT), 1);
	for (i = 0; i < POLLS; i++)
		assert_int_equal(ferry_lane_poll(lane, &done, 1), 0);
	assert_int_equal(ferry_lane_inflight(lane), 1);
	assert_int_equal(submit(1, SHORT), 1);
	assert_given_up();
}

/* One more is said to be done than the device has come to. */
static void
test_one_too_early(void **state)
{
	RTE_SET_USED(state);
	ferry_test_need_eal();
	fake.pace = 1;
	submit_short(3);
	fake.lie_completed = 1;
	assert_given_up();
}

static void
copier_start(struct ferry_copier *c)
{
	const struct ferry_lane_model fast = { 1, 1000 }, slow = { 1e6, 0.001 };

	assert_int_equal(ferry_copier_init(c, ferry_copy_cpu(), SOCKET_ID_ANY),
			0);
	/* Who copies is no question of time here. */
	c->tune.learn = c->tune.route = false;
	c->tune.hang_grace_ns = 50e6;
	assert_int_equal(ferry_lane_set_model(c->lanes[0].lane, &slow), 0);
	assert_int_equal(ferry_lane_set_model(lane, &fast), 0);
	assert_int_equal(ferry_copier_add(c, lane), 0);
	lane = NULL;
}

/* So many jobs through the copier: each is done once, and done. */
static void
copier_run(struct ferry_copier *c, unsigned int total)
{
	unsigned int begun = 0, ended = 0, i;
	struct ferry_copy_done done[JOBS];
	bool busy[JOBS] = { false };
	uint16_t n;

	while (ended < total) {
		fake.pace = ferry_test_random(&rng) % 4;
		for (i = 0; i < JOBS && begun < total; i++) {
			const struct ferry_copy_job job = {
				.src = src + i * LEN, .dst = dst + i * LEN,
				.len = LEN, .cookie = i,
				.mode = FERRY_MODE_THROUGHPUT,
			};

			if (busy[i])
				continue;
			src[i * LEN + begun % LEN] ^= 0x55;
			assert_int_equal(ferry_copier_submit(c, &job, 1), 1);
			busy[i] = true;
			begun++;
		}
		n = ferry_copier_poll(c, done, JOBS);
		for (i = 0; i < n; i++) {
			uint64_t k = done[i].cookie;

			assert_true(busy[k]);
			busy[k] = false;
			assert_int_equal(done[i].status, FERRY_COPY_OK);
			assert_int_equal(done[i].bytes, LEN);
			assert_memory_equal(dst + k * LEN, src + k * LEN, LEN);
			ended++;
		}
	}
	assert_int_equal(ferry_copier_inflight(c), 0);
}

/* Under a copier: what failed is copied again by the core. */
static void
test_copier_ioat(void **state)
{
	struct ferry_copier_stats stats;
	struct ferry_copier c;

	RTE_SET_USED(state);
	ferry_test_need_eal();
	rng = 5;
	copier_start(&c);
	fake.ioat = true;
	fake.verdict = verdict_random;
	copier_run(&c, 3000);
	ferry_copier_stats(&c, &stats);
	assert_true(stats.redone_bytes > 0);
	assert_int_equal(stats.drops, 0);
	assert_true(fake.ran > 3000);
	ferry_copier_fini(&c);
}

/* Once it cannot be restarted, the lane is dropped, and the core does it. */
static void
test_copier_unrecoverable(void **state)
{
	struct ferry_copier c;

	RTE_SET_USED(state);
	ferry_test_need_eal();
	rng = 6;
	copier_start(&c);
	ioat(UINT64_C(1) << 25);
	fake.unrecoverable = true;
	copier_run(&c, 100);
	assert_int_equal(c.stats.drops, 1);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_DROPPED);
	ferry_copier_fini(&c);
}

static void
test_copier_lost(void **state)
{
	struct ferry_copier c;
	unsigned int lose;

	RTE_SET_USED(state);
	ferry_test_need_eal();
	for (lose = 1; lose <= 3; lose++) {
		faulty_lane_teardown(NULL);
		assert_int_equal(faulty_lane_setup(NULL), 0);
		rng = 6 + lose;
		copier_start(&c);
		copier_run(&c, 50);
		fake.lose = lose;
		copier_run(&c, 50);
		assert_int_equal(c.stats.drops, 1);
		ferry_copier_fini(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ioat_failures),
		TEST(test_ioat_long),
		TEST(test_ioat_unrecoverable),
		TEST(test_lost),
		TEST(test_lost_last),
		TEST(test_one_too_early),
		TEST(test_copier_ioat),
		TEST(test_copier_unrecoverable),
		TEST(test_copier_lost),
	};

	return faulty_lane_run("dmadev_statuses", tests);
}
