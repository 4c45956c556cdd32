/* SPDX-License-Identifier: BSD-3-Clause */

/* The dmadev driver on a device that fails, hangs and reports wrong numbers. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_dmadev.h>
#include <rte_memory.h>

#include "faulty_lane.h"
#include "ferry_test.h"

/* What the verdicts and refusals below go by. */
static uint64_t bad_from, bad_to;
static enum rte_dma_status_code bad_code;
static uint64_t rng;

static enum rte_dma_status_code
verdict_range(uint64_t n)
{
	return n >= bad_from && n <= bad_to ? bad_code :
		RTE_DMA_STATUS_SUCCESSFUL;
}

static void
fail_ops(uint64_t from, uint64_t to, enum rte_dma_status_code code)
{
	bad_from = from;
	bad_to = to;
	bad_code = code;
	fake.verdict = verdict_range;
}

/* A job is not reported before the last of its operations has ended. */
static void
test_not_one_early(void **state)
{
	struct ferry_copy_done done;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	fake.pace = 1;
	assert_int_equal(submit(0, LEN), 1);
	assert_int_equal(submit(1, 10), 1);
	ferry_lane_flush(lane);
	assert_int_equal(fake.rung, OPS + 1);
	for (i = 1; i < OPS; i++) {
		assert_int_equal(ferry_lane_poll(lane, &done, 1), 0);
		assert_int_equal(fake.ran, i);
	}
	take_ok(0, LEN, 0);
	assert_int_equal(fake.ran, OPS);
	assert_copied(1, 0);
	take_ok(1, 10, 0);
	assert_int_equal(fake.longest, MAX_TRANSFER);
}

/* One operation of the middle one of three jobs fails. */
static void
one_failure(uint64_t which, uint16_t pace)
{
	struct ferry_copy_done done;
	struct ferry_lane_stats stats;

	fail_ops(OPS + which, OPS + which, RTE_DMA_STATUS_BUS_WRITE_ERROR);
	fake.pace = pace;
	assert_int_equal(submit(0, LEN), 1);
	assert_int_equal(submit(1, LEN), 1);
	assert_int_equal(submit(2, LEN), 1);
	take_ok(0, LEN, 2 * OPS);
	done = take(2 * OPS);
	assert_int_equal(done.cookie, 1);
	assert_int_equal(done.status, FERRY_COPY_E_DEVICE);
	assert_int_equal(done.bytes, which * MAX_TRANSFER);
	/* Nothing of it is in the device any more. */
	assert_true(fake.told >= 2 * OPS);
	assert_memory_equal(dst + LEN, src + LEN, done.bytes);
	take_ok(2, LEN, 2 * OPS);
	ferry_lane_stats(lane, &stats);
	assert_int_equal(stats.jobs, 2);
	assert_int_equal(stats.errors, 1);
	assert_int_equal(stats.bytes, 2 * LEN);
}

static void
test_first_op_fails(void **state)
{
	(void)state;
	ferry_test_need_eal();
	one_failure(0, 1);
}

static void
test_middle_op_fails(void **state)
{
	(void)state;
	ferry_test_need_eal();
	one_failure(OPS / 2, 3);
}

static void
test_last_op_fails(void **state)
{
	(void)state;
	ferry_test_need_eal();
	one_failure(OPS - 1, UINT16_MAX);
}

/* After its first failure a job makes no more operations. */
static void
test_failure_stops_cutting(void **state)
{
	struct ferry_copy_done done;

	(void)state;
	ferry_test_need_eal();
	fake.size = 2;
	fail_ops(3, 3, RTE_DMA_STATUS_PAGE_FAULT);
	assert_int_equal(submit(0, LEN), 1);
	assert_int_equal(submit(1, LEN), 1);
	done = take(2 * OPS);
	assert_int_equal(done.cookie, 0);
	assert_int_equal(done.status, FERRY_COPY_E_ADDRESS);
	assert_int_equal(done.bytes, 3 * MAX_TRANSFER);
	assert_copied(0, 3 * MAX_TRANSFER);
	take_ok(1, LEN, 2 * OPS);
	assert_int_equal(fake.made, 4 + OPS);
}

static void
test_status_codes(void **state)
{
	static const struct {
		enum rte_dma_status_code code;
		enum ferry_copy_status status;
	} map[] = {
		{ RTE_DMA_STATUS_USER_ABORT, FERRY_COPY_E_ABORTED },
		{ RTE_DMA_STATUS_NOT_ATTEMPTED, FERRY_COPY_E_ABORTED },
		{ RTE_DMA_STATUS_INVALID_SRC_ADDR, FERRY_COPY_E_ADDRESS },
		{ RTE_DMA_STATUS_INVALID_DST_ADDR, FERRY_COPY_E_ADDRESS },
		{ RTE_DMA_STATUS_INVALID_ADDR, FERRY_COPY_E_ADDRESS },
		{ RTE_DMA_STATUS_PAGE_FAULT, FERRY_COPY_E_ADDRESS },
		{ RTE_DMA_STATUS_INVALID_LENGTH, FERRY_COPY_E_DEVICE },
		{ RTE_DMA_STATUS_INVALID_OPCODE, FERRY_COPY_E_DEVICE },
		{ RTE_DMA_STATUS_BUS_READ_ERROR, FERRY_COPY_E_DEVICE },
		{ RTE_DMA_STATUS_BUS_WRITE_ERROR, FERRY_COPY_E_DEVICE },
		{ RTE_DMA_STATUS_DESCRIPTOR_READ_ERROR, FERRY_COPY_E_DEVICE },
		{ RTE_DMA_STATUS_DEV_LINK_ERROR, FERRY_COPY_E_DEVICE },
		{ RTE_DMA_STATUS_ERROR_UNKNOWN, FERRY_COPY_E_DEVICE },
		{ 9999, FERRY_COPY_E_DEVICE },
	};
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	for (i = 0; i < RTE_DIM(map); i++) {
		struct ferry_copy_done done;

		fail_ops(fake.made, fake.made, map[i].code);
		assert_int_equal(submit(0, 1), 1);
		done = take(2);
		assert_int_equal(done.status, map[i].status);
		assert_int_equal(done.bytes, 0);
	}
}

static enum rte_dma_status_code
verdict_mixed(uint64_t n)
{
	static const enum rte_dma_status_code codes[OPS] = {
		RTE_DMA_STATUS_SUCCESSFUL, RTE_DMA_STATUS_NOT_ATTEMPTED,
		RTE_DMA_STATUS_SUCCESSFUL, RTE_DMA_STATUS_PAGE_FAULT,
		RTE_DMA_STATUS_BUS_READ_ERROR, RTE_DMA_STATUS_SUCCESSFUL,
		RTE_DMA_STATUS_NOT_ATTEMPTED,
	};

	return codes[n % OPS];
}

/* Bytes end at the first failure; the status is the first that is a cause. */
static void
test_mixed_failures(void **state)
{
	struct ferry_copy_done done;

	(void)state;
	ferry_test_need_eal();
	fake.verdict = verdict_mixed;
	assert_int_equal(submit(0, LEN), 1);
	assert_int_equal(submit(1, MAX_TRANSFER), 1);
	done = take(3);
	assert_int_equal(done.status, FERRY_COPY_E_ADDRESS);
	assert_int_equal(done.bytes, MAX_TRANSFER);
	take_ok(1, MAX_TRANSFER, 1);
}

static int
refuse_fifth(uint64_t n)
{
	return n == 5 ? -EINVAL : 0;
}

/* The making of an operation fails: the job ends when the others have. */
static void
test_copy_call_fails(void **state)
{
	struct ferry_copy_done done;

	(void)state;
	ferry_test_need_eal();
	fake.refuse = refuse_fifth;
	fake.pace = 1;
	assert_int_equal(submit(0, LEN), 1);
	assert_int_equal(submit(1, LEN), 1);
	done = take(2 * OPS);
	assert_int_equal(done.cookie, 0);
	assert_int_equal(done.status, FERRY_COPY_E_DEVICE);
	assert_int_equal(done.bytes, 5 * MAX_TRANSFER);
	assert_int_equal(fake.told, 5);
	assert_copied(0, 5 * MAX_TRANSFER);
	take_ok(1, LEN, 2 * OPS);
}

static void
test_hang(void **state)
{
	struct ferry_copy_done done;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	fake.pace = 4;
	assert_int_equal(submit(0, LEN), 1);
	ferry_lane_flush(lane);
	assert_int_equal(ferry_lane_poll(lane, &done, 1), 0);
	fake.hang = true;
	for (i = 0; i < 100; i++)
		assert_int_equal(ferry_lane_poll(lane, &done, 1), 0);
	assert_int_equal(ferry_lane_inflight(lane), 1);
	assert_true(close_stops());
}

/* Closing carries on with jobs that the device had no room for. */
static void
test_close_no_room(void **state)
{
	(void)state;
	ferry_test_need_eal();
	fake.pace = 1;
	fake.size = 1;
	assert_int_equal(submit(0, LEN), 1);
	assert_int_equal(submit(1, LEN), 1);
	assert_false(close_stops());
	assert_copied(0, LEN);
	assert_copied(1, LEN);
}

/* Slower than the patience of close, altogether, but not hanging. */
static void
test_close_very_slow(void **state)
{
	(void)state;
	ferry_test_need_eal();
	fake.pace = 1;
	fake.nap_ns = 150000000;
	assert_int_equal(submit(0, LEN), 1);
	assert_false(close_stops());
	assert_copied(0, LEN);
}

/* The thread that closes is stopped again and again: the device is not. */
static void
test_close_paused(void **state)
{
	const struct ferry_copy_dmadev_config hasty = {
		.dev_id = DEV, .max_transfer = MAX_TRANSFER, .nb_desc = DEPTH,
		.close_wait_ms = 10,
	};

	(void)state;
	ferry_test_need_eal();
	ferry_lane_close(lane);
	lane = NULL;
	/* Opening waits in the same way for what an earlier user left. */
	fake.rung = fake.made = 1;
	fake.ring[0].len = 0;
	fake.pause_us = 20000;
	fake.pauses = 12;
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_dmadev(), &hasty,
		SOCKET_ID_ANY), 0);
	assert_int_equal(fake.told, 1);
	assert_int_equal(submit(0, LEN), 1);
	fake.pauses = 12;
	assert_false(close_stops());
	assert_copied(0, LEN);
}

static void
test_too_many_completions(void **state)
{
	struct ferry_copy_done done;

	(void)state;
	ferry_test_need_eal();
	assert_int_equal(submit(0, LEN), 1);
	ferry_lane_flush(lane);
	fake.hang = true;
	fake.lie_completed = OPS + 1;
	assert_int_equal(ferry_lane_poll(lane, &done, 1), 0);
	assert_int_equal(submit(1, LEN), 0);
	ferry_lane_flush(lane);
	assert_int_equal(ferry_lane_poll(lane, &done, 1), 0);
	assert_int_equal(fake.tries, OPS);
	assert_true(close_stops());
}

static enum rte_dma_status_code
verdict_random(uint64_t n)
{
	(void)n;
	return ferry_test_random(&rng) % 40 == 0 ?
		(enum rte_dma_status_code)(1 + ferry_test_random(&rng) % 10) :
		RTE_DMA_STATUS_SUCCESSFUL;
}

static int
refuse_random(uint64_t n)
{
	uint64_t dice = ferry_test_random(&rng) % 200;

	(void)n;
	return dice < 30 ? -ENOSPC : dice == 50 ? -EINVAL : 0;
}

/* Everything at once, for long enough to wrap the 16-bit index of dmadev. */
static void
test_soak(void **state)
{
	enum { TOTAL = 30000 };
	struct ferry_copy_done done[JOBS];
	uint64_t submitted = 0, completed = 0, failed = 0, polls = 0;
	size_t len[JOBS];
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	rng = 1;
	fake.verdict = verdict_random;
	fake.refuse = refuse_random;
	while (completed < TOTAL) {
		uint16_t n;

		fake.pace = ferry_test_random(&rng) % 30;
		fake.size = RTE_MAX(ferry_test_random(&rng) % 20,
			fake.made - fake.told);
		fake.max_batch = ferry_test_random(&rng) % 3 == 0 ?
			RTE_MAX(7u, fake.made - fake.rung) : 0;
		while (submitted < TOTAL && submitted - completed < JOBS) {
			i = submitted % JOBS;
			len[i] = ferry_test_random(&rng) % (LEN + 1);
			memset(dst + i * LEN, 0xee, LEN);
			assert_int_equal(submit(i, len[i]), 1);
			submitted++;
		}
		n = ferry_lane_poll(lane, done, JOBS);
		for (i = 0; i < n; i++) {
			unsigned int at = completed++ % JOBS;

			/* This driver keeps the order. */
			assert_int_equal(done[i].cookie, at);
			assert_true(done[i].bytes <= len[at]);
			assert_true((done[i].status == FERRY_COPY_OK) ==
				(done[i].bytes == len[at]));
			assert_memory_equal(dst + at * LEN, src + at * LEN,
				done[i].bytes);
			if (done[i].status != FERRY_COPY_OK)
				failed++;
		}
		assert_true(polls++ < 100 * TOTAL);
	}
	assert_true(fake.made > 2 * UINT16_MAX);
	assert_in_range(failed, TOTAL / 20, TOTAL / 2);
	assert_int_equal(lane->stats.errors, failed);
	assert_int_equal(lane->stats.jobs, TOTAL - failed);
	assert_int_equal(lane->inflight, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_not_one_early),
		TEST(test_first_op_fails),
		TEST(test_middle_op_fails),
		TEST(test_last_op_fails),
		TEST(test_failure_stops_cutting),
		TEST(test_status_codes),
		TEST(test_mixed_failures),
		TEST(test_copy_call_fails),
		TEST(test_hang),
		TEST(test_close_no_room),
		TEST(test_close_very_slow),
		TEST(test_close_paused),
		TEST(test_too_many_completions),
		TEST(test_soak),
	};

	return faulty_lane_run("dmadev_faults", tests);
}
