/* SPDX-License-Identifier: BSD-3-Clause */

/* The dmadev driver on a device that fails, hangs, lies and runs full. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_dmadev.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "fake_dma.h"
#include "ferry_lane.h"
#include "ferry_test.h"

#define DEV 0
#define DEPTH 64
#define LEN 1000
#define MAX_TRANSFER 100
/* So many operations make a job of LEN. */
#define OPS (LEN / MAX_TRANSFER)
#define CLOSE_NS UINT64_C(3000000000)

static const struct ferry_copy_dmadev_config config = {
	.dev_id = DEV, .max_transfer = MAX_TRANSFER, .nb_desc = DEPTH,
};

/* Fresh for every test. */
static struct fake_dma fake;
static struct ferry_lane *lane;
static uint8_t src[8 * LEN], dst[8 * LEN];

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

static int
setup(void **state)
{
	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	fake_dma_skeleton_start(DEV, DEPTH);
	fake_dma_install(&fake, DEV);
	lane = NULL;
	rng = 1;
	ferry_test_fill(src, sizeof(src), 1);
	ferry_test_fill(dst, sizeof(dst), 2);
	return ferry_lane_open(&lane, ferry_copy_dmadev(), &config,
		SOCKET_ID_ANY);
}

static int
teardown(void **state)
{
	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	ferry_lane_close(lane);
	fake_dma_remove(&fake);
	return 0;
}

static uint16_t
submit(unsigned int i, size_t len)
{
	const struct ferry_copy_job job = {
		.src = src + i * LEN,
		.dst = dst + i * LEN,
		.len = len,
		.cookie = i,
	};

	return ferry_lane_submit(lane, &job, 1);
}

/* Poll until a completion comes; so many polls at most. */
static struct ferry_copy_done
take(unsigned int polls)
{
	struct ferry_copy_done done = { 0 };

	while (ferry_lane_poll(lane, &done, 1) == 0)
		assert_int_not_equal(polls--, 0);
	return done;
}

/* Job i was copied up to len, and the destination not touched from there on. */
static void
assert_copied(unsigned int i, size_t len)
{
	uint8_t was[sizeof(dst)];

	ferry_test_fill(was, sizeof(was), 2);
	assert_memory_equal(dst + i * LEN, src + i * LEN, len);
	assert_memory_equal(dst + i * LEN + len, was + i * LEN + len,
		LEN - len);
}

static void
take_ok(unsigned int i, size_t len, unsigned int polls)
{
	struct ferry_copy_done done = take(polls);

	assert_int_equal(done.cookie, i);
	assert_int_equal(done.bytes, len);
	assert_int_equal(done.status, FERRY_COPY_OK);
	assert_copied(i, len);
}

/* Close the lane, within bounds; was the device stopped for it? */
static bool
close_stops(void)
{
	uint64_t start = ferry_test_now_ns();
	bool stopped;

	ferry_lane_close(lane);
	assert_true(ferry_test_now_ns() - start < CLOSE_NS);
	lane = NULL;
	fake.hang = false;
	fake.lie_completed = 0;
	stopped = ferry_lane_open(&lane, ferry_copy_dmadev(), &config,
		SOCKET_ID_ANY) == -EBADFD;
	assert_true(stopped == (lane == NULL));
	return stopped;
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

static void
test_doorbells(void **state)
{
	struct ferry_copy_done done;

	(void)state;
	ferry_test_need_eal();
	/* Held back until flush. */
	assert_int_equal(submit(0, LEN), 1);
	assert_int_equal(fake.made, OPS);
	assert_int_equal(fake.doorbells, 0);
	ferry_lane_flush(lane);
	assert_int_equal(fake.doorbells, 1);
	ferry_lane_flush(lane);
	assert_int_equal(fake.doorbells, 1);
	take_ok(0, LEN, 0);
	/* Or until poll. */
	assert_int_equal(submit(1, LEN), 1);
	assert_int_equal(fake.doorbells, 1);
	assert_int_equal(ferry_lane_poll(lane, &done, 1), 0);
	assert_int_equal(fake.doorbells, 2);
	take_ok(1, LEN, 0);
	/* Or until there are 32. */
	assert_int_equal(submit(2, 3 * LEN + 101), 1);
	assert_int_equal(fake.made, 2 * OPS + 32);
	assert_int_equal(fake.doorbells, 3);
	assert_int_equal(fake.rung, fake.made);
}

static void
test_failing_doorbell(void **state)
{
	(void)state;
	ferry_test_need_eal();
	fake.bad_doorbells = 3;
	assert_int_equal(submit(0, LEN), 1);
	ferry_lane_flush(lane);
	assert_int_equal(fake.rung, 0);
	take_ok(0, LEN, 3);
	assert_int_equal(fake.doorbells, 1);
}

static void
test_cache_hint(void **state)
{
	struct ferry_copy_job job = {
		.src = src, .dst = dst, .len = 1, .place = FERRY_PLACE_MEMORY,
	};
	struct ferry_lane_stats stats;

	(void)state;
	ferry_test_need_eal();
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
	assert_int_equal(fake.flags & RTE_DMA_OP_FLAG_LLC, 0);
	job.place = FERRY_PLACE_CACHE;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
	assert_int_not_equal(fake.flags & RTE_DMA_OP_FLAG_LLC, 0);
	ferry_lane_stats(lane, &stats);
	assert_int_equal(stats.misplaced, 2);
}

static void
test_capacity_one(void **state)
{
	(void)state;
	ferry_test_need_eal();
	fake.size = 1;
	assert_int_equal(submit(0, LEN), 1);
	assert_int_equal(submit(1, LEN), 1);
	assert_int_equal(fake.made, 1);
	take_ok(0, LEN, 3 * OPS);
	take_ok(1, LEN, 3 * OPS);
}

/* No capacity until the batch begun is closed with a doorbell. */
static void
test_small_batches(void **state)
{
	(void)state;
	ferry_test_need_eal();
	fake.max_batch = 4;
	assert_int_equal(submit(0, LEN), 1);
	assert_int_equal(fake.made, OPS);
	assert_int_equal(fake.doorbells, (OPS - 1) / 4);
	take_ok(0, LEN, 2);
}

/* Says there is room, and then has none. */
static void
test_lying_capacity(void **state)
{
	(void)state;
	ferry_test_need_eal();
	fake.size = 3;
	fake.lie_capacity = 100;
	assert_int_equal(submit(0, LEN), 1);
	assert_int_equal(fake.made, 3);
	assert_int_equal(fake.tries, 4);
	take_ok(0, LEN, OPS);
}

static int
refuse_some(uint64_t n)
{
	return n % 3 == 1 || n % 5 == 2 ? -ENOSPC : 0;
}

static void
test_nospc_in_mid_job(void **state)
{
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	fake.refuse = refuse_some;
	for (i = 0; i < 8; i++)
		assert_int_equal(submit(i, LEN), 1);
	for (i = 0; i < 8; i++)
		take_ok(i, LEN, 10 * OPS);
	assert_int_equal(fake.made, 8 * OPS);
}

static int
refuse_all(uint64_t n)
{
	(void)n;
	return -ENOSPC;
}

/* A device that takes nothing has nothing to be stopped for. */
static void
test_nospc_for_ever(void **state)
{
	(void)state;
	ferry_test_need_eal();
	fake.refuse = refuse_all;
	assert_int_equal(submit(0, LEN), 1);
	ferry_lane_flush(lane);
	assert_false(close_stops());
	assert_copied(0, 0);
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
	assert_int_equal(lane->backlog, 0);
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

/* A device slower than the patience of close, but not hanging. */
static void
test_close_slow(void **state)
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

/* Anonymous memory as four pages in the order 2, 0, 1, 3 for the device. */
#define EXT_PAGES 4
#define EXT_PAGE 4096
#define EXT_IOVA UINT64_C(0xabc000000)
static const uint64_t ext_order[EXT_PAGES] = { 2, 0, 1, 3 };
static uint8_t *ext;

static void *
ext_where(rte_iova_t iova)
{
	uint64_t at = iova - EXT_IOVA;
	unsigned int i;

	for (i = 0; i < EXT_PAGES; i++) {
		if (ext_order[i] == at / EXT_PAGE)
			return ext + i * EXT_PAGE + at % EXT_PAGE;
	}
	fail_msg("the device was given address %#lx", (unsigned long)iova);
	return NULL;
}

static void
ext_open(void)
{
	rte_iova_t iovas[EXT_PAGES];
	unsigned int i;

	ext = mmap(NULL, EXT_PAGES * EXT_PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(ext, MAP_FAILED);
	for (i = 0; i < EXT_PAGES; i++)
		iovas[i] = EXT_IOVA + ext_order[i] * EXT_PAGE;
	assert_int_equal(rte_extmem_register(ext, EXT_PAGES * EXT_PAGE, iovas,
		EXT_PAGES, EXT_PAGE), 0);
	ferry_lane_close(lane);
	lane = NULL;
	fake_dma_capa(0, RTE_DMA_CAPA_SVA);
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_dmadev(),
		&(struct ferry_copy_dmadev_config) {
			.dev_id = DEV, .nb_desc = DEPTH,
		}, SOCKET_ID_ANY), 0);
	fake_dma_capa(0, 0);
	fake.where = ext_where;
}

/* Device addresses differ from the process's: cut where they break. */
static void
test_device_addresses(void **state)
{
	struct ferry_copy_job job = { .len = 2 * EXT_PAGE - 10 };

	(void)state;
	ferry_test_need_eal();
	ext_open();
	assert_int_equal(ferry_lane_info(lane)->reach, FERRY_REACH_DPDK);
	ferry_test_fill(ext, EXT_PAGES * EXT_PAGE, 3);
	/*
	 * From pages 0 and 1, which are apart, to 2 and 3, which are apart,
	 * off by 5 bytes: three operations.
	 */
	job.src = ext + 5;
	job.dst = ext + 2 * EXT_PAGE;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
	assert_int_equal(fake.made, 3);
	assert_int_equal(take(2).status, FERRY_COPY_OK);
	assert_memory_equal(job.dst, job.src, job.len);
	/* Pages 1 and 2 are neighbours: no break within them. */
	job.src = ext + EXT_PAGE + 1000;
	job.dst = ext + 3 * EXT_PAGE;
	job.len = EXT_PAGE;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
	assert_int_equal(fake.made, 4);
	assert_int_equal(fake.longest, EXT_PAGE);
	assert_int_equal(take(2).status, FERRY_COPY_OK);
	assert_memory_equal(job.dst, job.src, job.len);
	assert_int_equal(rte_extmem_unregister(ext, EXT_PAGES * EXT_PAGE), 0);
	munmap(ext, EXT_PAGES * EXT_PAGE);
}

static void
test_unknown_memory(void **state)
{
	struct ferry_copy_job job = { .len = 100 };
	struct ferry_lane_stats stats;
	struct ferry_copy_done done;

	(void)state;
	ferry_test_need_eal();
	ext_open();
	job.src = src;
	job.dst = ext;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 0);
	job.src = ext;
	job.dst = dst;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 0);
	/* Known at its beginning only. */
	job.dst = ext + EXT_PAGES * EXT_PAGE - 99;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 0);
	ferry_lane_stats(lane, &stats);
	assert_int_equal(stats.refused, 3);
	assert_int_equal(fake.tries, 0);
	/* No bytes, no addresses. */
	job.len = 0;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
	assert_int_equal(take(0).status, FERRY_COPY_OK);

	/* Known at submit, forgotten before the device had room. */
	fake.lie_capacity = 1;
	fake.size = 0;
	job.dst = ext + 1000;
	job.len = 100;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
	assert_int_equal(rte_extmem_unregister(ext, EXT_PAGES * EXT_PAGE), 0);
	fake.size = DEPTH;
	fake.lie_capacity = 0;
	done = take(2);
	/* The first had been looked up already. */
	assert_int_equal(done.status, FERRY_COPY_OK);
	done = take(2);
	assert_int_equal(done.status, FERRY_COPY_E_ADDRESS);
	assert_int_equal(done.bytes, 0);
	munmap(ext, EXT_PAGES * EXT_PAGE);
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
	enum { JOBS = 30000, SLOTS = 8 };
	struct ferry_copy_done done[SLOTS];
	uint64_t submitted = 0, completed = 0, failed = 0, polls = 0;
	size_t len[SLOTS];
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	fake.verdict = verdict_random;
	fake.refuse = refuse_random;
	while (completed < JOBS) {
		uint16_t n;

		fake.pace = ferry_test_random(&rng) % 30;
		fake.size = RTE_MAX(ferry_test_random(&rng) % 20,
			fake.made - fake.told);
		fake.max_batch = ferry_test_random(&rng) % 3 == 0 ?
			RTE_MAX(7u, fake.made - fake.rung) : 0;
		while (submitted < JOBS && submitted - completed < SLOTS) {
			i = submitted % SLOTS;
			len[i] = ferry_test_random(&rng) % (LEN + 1);
			memset(dst + i * LEN, 0xee, LEN);
			assert_int_equal(submit(i, len[i]), 1);
			submitted++;
		}
		n = ferry_lane_poll(lane, done, SLOTS);
		for (i = 0; i < n; i++) {
			unsigned int at = completed++ % SLOTS;

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
		assert_true(polls++ < 100 * JOBS);
	}
	assert_true(fake.made > 2 * UINT16_MAX);
	assert_in_range(failed, JOBS / 20, JOBS / 2);
	assert_int_equal(lane->stats.errors, failed);
	assert_int_equal(lane->stats.jobs, JOBS - failed);
	assert_int_equal(lane->backlog, 0);
	assert_int_equal(lane->inflight, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_not_one_early),
		TEST(test_doorbells),
		TEST(test_failing_doorbell),
		TEST(test_cache_hint),
		TEST(test_capacity_one),
		TEST(test_small_batches),
		TEST(test_lying_capacity),
		TEST(test_nospc_in_mid_job),
		TEST(test_nospc_for_ever),
		TEST(test_first_op_fails),
		TEST(test_middle_op_fails),
		TEST(test_last_op_fails),
		TEST(test_failure_stops_cutting),
		TEST(test_status_codes),
		TEST(test_mixed_failures),
		TEST(test_copy_call_fails),
		TEST(test_hang),
		TEST(test_close_slow),
		TEST(test_too_many_completions),
		TEST(test_device_addresses),
		TEST(test_unknown_memory),
		TEST(test_soak),
	};
	int failed;

	if (ferry_test_eal_skip_reason() == NULL &&
			ferry_test_eal_start(NULL, "--vdev=dma_skeleton0",
				"--log-level=emergency", NULL) != 0)
		return 1;
	failed = cmocka_run_group_tests_name("dmadev_faults", tests, NULL,
		NULL);
	rte_eal_cleanup();
	return failed;
}
