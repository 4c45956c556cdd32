/* SPDX-License-Identifier: BSD-3-Clause */

/* The dmadev driver short of room, and among addresses. */

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
#include <rte_memory.h>

#include "faulty_lane.h"
#include "ferry_test.h"

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
	/* Only the first: under this fake is a skeleton, which caches. */
	assert_int_equal(stats.misplaced, 1);
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

/* A ring that holds more than the lane was told of. */
static void
test_larger_ring(void **state)
{
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	fake.size = 1000;
	for (i = 0; i < JOBS; i++)
		assert_int_equal(submit(i, LEN), 1);
	assert_int_equal(fake.made, DEPTH);
	for (i = 0; i < JOBS; i++)
		take_ok(i, LEN, 3);
}

/* The ring seems full, so that its length cannot be found: the lane assumes the
 * longest one that the device can have. */
static void
test_unknown_depth(void **state)
{
	(void)state;
	ferry_test_need_eal();
	ferry_lane_close(lane);
	lane = NULL;
	fake.size = 0;
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_dmadev(),
		&(struct ferry_copy_dmadev_config) { .dev_id = DEV },
		SOCKET_ID_ANY), 0);
	assert_int_equal(ferry_lane_info(lane)->depth, 8192);
	ferry_lane_close(lane);
	lane = NULL;
	/* The device does not say its longest ring either: the lane assumes the
	 * shortest ring there can be. */
	fake_dma_max_desc(0);
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_dmadev(),
		&(struct ferry_copy_dmadev_config) { .dev_id = DEV },
		SOCKET_ID_ANY), 0);
	fake_dma_max_desc(-1);
	assert_int_equal(ferry_lane_info(lane)->depth, 2);
	fake.size = 64;
	assert_int_equal(submit(0, LEN), 1);
	take_ok(0, LEN, 2 * OPS);
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
	struct ferry_copy_done done;

	(void)state;
	ferry_test_need_eal();
	fake.size = 3;
	fake.pace = 0;
	fake.lie_capacity = 100;
	assert_int_equal(submit(0, LEN), 1);
	assert_int_equal(fake.made, 3);
	assert_int_equal(fake.tries, 4);
	/* From now on it says none: then it gets none. */
	fake.lie_capacity = 0;
	assert_int_equal(ferry_lane_poll(lane, &done, 1), 0);
	assert_int_equal(fake.tries, 4);
	fake.lie_capacity = 100;
	fake.pace = UINT16_MAX;
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
	for (i = 0; i < 8; i++) {
		assert_int_equal(submit(i, LEN), 1);
		/* It can only make room if it knows of all it has. */
		if (fake.made < (i + 1) * OPS)
			assert_int_equal(fake.rung, fake.made);
	}
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
	const struct rte_memseg_list *msl;
	struct ferry_lane_stats stats;
	struct ferry_copy_done done;

	(void)state;
	ferry_test_need_eal();
	ext_open();
	/* The lane itself lies in DPDK's memory. */
	msl = rte_mem_virt2memseg_list(lane->priv);
	assert_non_null(msl);
	job.src = src;
	job.dst = ext;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 0);
	job.src = ext;
	job.dst = dst;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 0);
	/* Known at its beginning only. */
	job.dst = ext + EXT_PAGES * EXT_PAGE - 99;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 0);
	/* Reserved for DPDK's pages, but without one yet. */
	job.dst = (uint8_t *)msl->base_va + msl->len - 100;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 0);
	ferry_lane_stats(lane, &stats);
	assert_int_equal(stats.refused, 4);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_doorbells),
		TEST(test_failing_doorbell),
		TEST(test_cache_hint),
		TEST(test_capacity_one),
		TEST(test_larger_ring),
		TEST(test_unknown_depth),
		TEST(test_small_batches),
		TEST(test_lying_capacity),
		TEST(test_nospc_in_mid_job),
		TEST(test_nospc_for_ever),
		TEST(test_device_addresses),
		TEST(test_unknown_memory),
	};

	return faulty_lane_run("dmadev_room", tests);
}
