/* SPDX-License-Identifier: BSD-3-Clause */

/* The dmadev driver on dma_skeleton, a device that works. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_dmadev.h>
#include <rte_eal.h>
#include <rte_malloc.h>

#include "fake_dma.h"
#include "ferry_compat.h"
#include "ferry_lane.h"
#include "ferry_test.h"

#define DEV 0
/* Left unconfigured. */
#define DEV_IDLE 1
#define GUARD 64
#define WAIT_NS FERRY_TEST_HANG_NS

static struct ferry_lane *
lane_open(uint16_t nb_desc, uint32_t max_transfer)
{
	const struct ferry_copy_dmadev_config config = {
		.dev_id = DEV, .max_transfer = max_transfer,
		.nb_desc = nb_desc,
	};
	struct ferry_lane *lane;

	fake_dma_skeleton_start(DEV, nb_desc);
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_dmadev(), &config,
		SOCKET_ID_ANY), 0);
	return lane;
}

static void
poll_one(struct ferry_lane *lane, struct ferry_copy_done *done)
{
	uint64_t start = ferry_test_now_ns();

	while (ferry_lane_poll(lane, done, 1) == 0)
		assert_true(ferry_test_now_ns() - start < WAIT_NS);
}

static void *
buffer(size_t len, uint64_t seed)
{
	uint8_t *buf = rte_malloc(NULL, len, 64);

	assert_non_null(buf);
	ferry_test_fill(buf, len, seed);
	return buf;
}

static void
test_bad_config(void **state)
{
	const struct ferry_copy_driver *drv = ferry_copy_dmadev();
	struct ferry_copy_dmadev_config config = { .dev_id = DEV };
	struct ferry_lane *lane = NULL;
	struct rte_dma_conf silent = { .nb_vchans = 1 };

	(void)state;
	ferry_test_need_eal();
	ferry_dma_conf_silent(&silent);
	fake_dma_skeleton_start(DEV, 64);
	assert_int_equal(ferry_lane_open(&lane, drv, NULL, 0), -EINVAL);
	config.dev_id = -1;
	assert_int_equal(ferry_lane_open(&lane, drv, &config, 0), -ENODEV);
	config.dev_id = 63;
	assert_int_equal(ferry_lane_open(&lane, drv, &config, 0), -ENODEV);
	config.dev_id = INT16_MAX;
	assert_int_equal(ferry_lane_open(&lane, drv, &config, 0), -ENODEV);
	config.dev_id = DEV_IDLE;
	assert_int_equal(ferry_lane_open(&lane, drv, &config, 0), -EBADFD);
	config.dev_id = DEV;
	config.vchan = 1;
	assert_int_equal(ferry_lane_open(&lane, drv, &config, 0), -EINVAL);
	config.vchan = 0;
	config.nb_desc = 8193;
	assert_int_equal(ferry_lane_open(&lane, drv, &config, 0), -EINVAL);
	/* The most that the device says it has. */
	config.nb_desc = 8192;
	assert_int_equal(ferry_lane_open(&lane, drv, &config, 0), 0);
	assert_int_equal(ferry_lane_close(lane), 0);
	lane = NULL;
	config.nb_desc = 64;

	fake_dma_secondary(true);
	assert_int_equal(ferry_lane_open(&lane, drv, &config, 0), -EPERM);
	fake_dma_secondary(false);
	fake_dma_capa(0, RTE_DMA_CAPA_OPS_COPY);
	assert_int_equal(ferry_lane_open(&lane, drv, &config, 0), -ENOTSUP);
	fake_dma_capa(0, RTE_DMA_CAPA_MEM_TO_MEM);
	assert_int_equal(ferry_lane_open(&lane, drv, &config, 0), -ENOTSUP);
	fake_dma_capa(RTE_DMA_CAPA_SILENT, 0);
	assert_int_equal(rte_dma_stop(DEV), 0);
	assert_int_equal(ferry_lane_open(&lane, drv, &config, 0), -EBADFD);
	assert_int_equal(rte_dma_configure(DEV, &silent), 0);
	assert_int_equal(rte_dma_start(DEV), 0);
	assert_int_equal(ferry_lane_open(&lane, drv, &config, 0), -ENOTSUP);
	fake_dma_capa(0, 0);
	assert_null(lane);
}

static void
test_info(void **state)
{
	const struct ferry_copy_dmadev_config config = { .dev_id = DEV };
	const struct ferry_lane_info *info;
	static uint8_t private[2];
	const struct ferry_copy_job job = {
		.dst = &private[0], .src = &private[1], .len = 1,
	};
	struct ferry_copy_done done;
	struct ferry_lane *lane;

	(void)state;
	ferry_test_need_eal();
	lane = lane_open(256, 0);
	info = ferry_lane_info(lane);
	assert_string_equal(info->name, "dmadev:dma_skeleton0/0");
	assert_int_equal(info->depth, 256);
	assert_true(info->max_job >= UINT64_C(1) << 32);
	assert_int_equal(info->flags, FERRY_LANE_CACHES);
	/* It reaches all memory of the process. */
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
	ferry_lane_flush(lane);
	poll_one(lane, &done);
	assert_int_equal(done.status, FERRY_COPY_OK);
	assert_true(ferry_lane_model(lane).bytes_per_ns > 0);
	ferry_lane_close(lane);

	/* The same found out by asking; and a closed lane's device lives on. */
	fake_dma_capa(RTE_DMA_CAPA_HANDLES_ERRORS, RTE_DMA_CAPA_SVA);
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_dmadev(), &config,
		SOCKET_ID_ANY), 0);
	fake_dma_capa(0, 0);
	info = ferry_lane_info(lane);
	assert_int_equal(info->depth, 256);
	assert_int_equal(info->flags, FERRY_LANE_CACHES);
	/* Without SVA a device reaches only memory that DPDK knows. */
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 0);
	ferry_lane_close(lane);
}

/* Keep a lane full of jobs of random sizes; every byte around them is
 * checked. */
static void
random_jobs(uint16_t nb_desc, uint32_t max_transfer, uint32_t longest,
		unsigned int total)
{
	enum { SLOTS = 48 };
	const uint64_t stride = longest + 2 * GUARD;
	struct ferry_lane *lane = lane_open(nb_desc, max_transfer);
	uint8_t *src = buffer(SLOTS * stride, 1);
	uint8_t *dst = buffer(SLOTS * stride, 2);
	struct ferry_copy_job jobs[SLOTS];
	struct ferry_copy_done done[SLOTS];
	unsigned int submitted = 0, completed = 0, i;
	struct ferry_lane_stats stats;
	uint64_t seed = max_transfer, bytes = 0;
	uint64_t start = ferry_test_now_ns();
	bool busy[SLOTS] = { false };

	while (completed < total) {
		uint16_t n;

		for (i = 0; i < SLOTS && submitted < total; i++) {
			struct ferry_copy_job *job = &jobs[i];
			uint64_t at = i * stride;

			if (busy[i])
				continue;
			ferry_test_fill(src + at, stride, submitted);
			ferry_test_fill(dst + at, stride, ~(uint64_t)i);
			*job = (struct ferry_copy_job) {
				.src = src + at,
				.dst = dst + at + GUARD,
				.len = ferry_test_random(&seed) %
					(longest + 1),
				.cookie = (uint64_t)submitted << 32 | i,
			};
			if (ferry_lane_submit(lane, job, 1) == 0)
				break;
			busy[i] = true;
			submitted++;
			bytes += job->len;
		}
		if (ferry_test_random(&seed) % 2 == 0)
			ferry_lane_flush(lane);
		n = ferry_lane_poll(lane, done,
			1 + ferry_test_random(&seed) % SLOTS);
		for (i = 0; i < n; i++) {
			unsigned int slot = (uint32_t)done[i].cookie;
			uint8_t *to = dst + slot * stride;
			struct ferry_copy_job *job;
			uint8_t guard[GUARD];

			assert_in_range(slot, 0, SLOTS - 1);
			job = &jobs[slot];
			assert_true(busy[slot]);
			assert_int_equal(done[i].cookie, job->cookie);
			assert_int_equal(done[i].status, FERRY_COPY_OK);
			assert_int_equal(done[i].bytes, job->len);
			assert_int_equal(ferry_test_check(to + GUARD, job->len,
				job->cookie >> 32), -1);
			ferry_test_fill(guard, GUARD, ~(uint64_t)slot);
			assert_memory_equal(to, guard, GUARD);
			/* The rest of the slot has its old pattern still. */
			ferry_test_fill(src + slot * stride, stride,
				~(uint64_t)slot);
			assert_memory_equal(to + GUARD + job->len,
				src + slot * stride + GUARD + job->len,
				longest - job->len + GUARD);
			busy[slot] = false;
			completed++;
		}
		assert_true(ferry_test_now_ns() - start < 6 * WAIT_NS);
	}
	assert_int_equal(ferry_lane_inflight(lane), 0);
	assert_int_equal(ferry_lane_poll(lane, done, SLOTS), 0);
	ferry_lane_stats(lane, &stats);
	assert_int_equal(stats.jobs, total);
	assert_int_equal(stats.bytes, bytes);
	assert_int_equal(stats.errors, 0);
	assert_int_equal(stats.misplaced, 0);
	ferry_lane_close(lane);
	rte_free(src);
	rte_free(dst);
}

static void
test_random_jobs(void **state)
{
	(void)state;
	ferry_test_need_eal();
	random_jobs(64, 0, 3000, 3000);
	random_jobs(32, 100, 3000, 1000);
	random_jobs(1024, 101, 20000, 500);
	random_jobs(32, 1, 70, 500);
	random_jobs(64, 4096, 200000, 300);
}

/* Many times what the ring holds, and more than 2^16 operations. */
static void
test_huge_job(void **state)
{
	const size_t len = 7000001;
	struct ferry_copy_done done = { 0 };
	struct ferry_copy_job job = { .len = len, .cookie = 42 };
	struct ferry_lane *lane;
	uint8_t *src, *dst;

	(void)state;
	ferry_test_need_eal();
	lane = lane_open(32, 100);
	src = buffer(len, 5);
	dst = buffer(len + GUARD, 6);
	job.src = src;
	job.dst = dst;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
	assert_int_equal(ferry_lane_inflight(lane), 1);
	poll_one(lane, &done);
	assert_int_equal(done.cookie, 42);
	assert_int_equal(done.bytes, len);
	assert_int_equal(done.status, FERRY_COPY_OK);
	assert_int_equal(ferry_test_check(dst, len, 5), -1);
	ferry_test_fill(src, len, 6);
	ferry_lane_close(lane);
	rte_free(src);
	rte_free(dst);
}

static void
test_full(void **state)
{
	enum { DEPTH = 32 };
	struct ferry_copy_job jobs[2 * DEPTH];
	struct ferry_copy_done done[2 * DEPTH];
	bool seen[2 * DEPTH] = { false };
	struct ferry_lane_stats stats;
	struct ferry_lane *lane;
	unsigned int i, got = 0;
	uint8_t *src, *dst;

	(void)state;
	ferry_test_need_eal();
	lane = lane_open(DEPTH, 0);
	src = buffer(2 * DEPTH * 64, 1);
	dst = buffer(2 * DEPTH * 64, 2);
	for (i = 0; i < 2 * DEPTH; i++) {
		jobs[i] = (struct ferry_copy_job) {
			.src = src + 64 * i,
			.dst = dst + 64 * i,
			.len = 64,
			.cookie = i,
			.place = i % 4 == 0 ? FERRY_PLACE_MEMORY :
				i % 4 == 1 ? FERRY_PLACE_CACHE :
				FERRY_PLACE_AUTO,
		};
	}
	assert_int_equal(ferry_lane_submit(lane, jobs, 2 * DEPTH), DEPTH);
	/* Full until polled, even when the device is through. */
	ferry_lane_flush(lane);
	assert_int_equal(ferry_lane_submit(lane, jobs + DEPTH, 1), 0);
	ferry_lane_stats(lane, &stats);
	assert_int_equal(stats.refused, DEPTH + 1);
	poll_one(lane, done);
	seen[done[0].cookie] = true;
	assert_int_equal(ferry_lane_submit(lane, jobs + DEPTH, DEPTH), 1);
	for (got = 1; got < DEPTH + 1; got++) {
		poll_one(lane, done);
		assert_in_range(done[0].cookie, 0, DEPTH);
		assert_false(seen[done[0].cookie]);
		seen[done[0].cookie] = true;
	}
	assert_int_equal(ferry_lane_poll(lane, done, 1), 0);
	assert_int_equal(ferry_test_check(dst, (DEPTH + 1) * 64, 1), -1);
	assert_int_not_equal(ferry_test_check(dst + (DEPTH + 1) * 64, 64, 1),
		-1);
	ferry_lane_stats(lane, &stats);
	assert_int_equal(stats.jobs, DEPTH + 1);
	assert_int_equal(stats.bytes, (DEPTH + 1) * 64);
	/* Those that wished for memory: skeleton copies into the cache. */
	assert_int_equal(stats.misplaced, DEPTH / 4 + 1);
	ferry_lane_close(lane);
	rte_free(src);
	rte_free(dst);
}

/* Jobs of no bytes need neither memory nor device nor flush. */
static void
test_no_bytes(void **state)
{
	const struct ferry_copy_job jobs[3] = {
		{ .cookie = 1 }, { .cookie = 2 }, { .cookie = 3 },
	};
	struct ferry_copy_done done[4];
	struct rte_dma_stats stats;
	struct ferry_lane *lane;

	(void)state;
	ferry_test_need_eal();
	lane = lane_open(32, 0);
	assert_int_equal(ferry_lane_poll(lane, done, 4), 0);
	ferry_lane_flush(lane);
	assert_int_equal(ferry_lane_submit(lane, jobs, 3), 3);
	assert_int_equal(ferry_lane_inflight(lane), 3);
	assert_int_equal(ferry_lane_poll(lane, done, 0), 0);
	assert_int_equal(ferry_lane_poll(lane, done, 1), 1);
	assert_int_equal(ferry_lane_poll(lane, done + 1, 3), 2);
	assert_int_equal(done[0].cookie, 1);
	assert_int_equal(done[2].cookie, 3);
	assert_int_equal(done[2].bytes, 0);
	assert_int_equal(done[2].status, FERRY_COPY_OK);
	assert_int_equal(rte_dma_stats_get(DEV, 0, &stats), 0);
	assert_int_equal(stats.submitted, 0);
	ferry_lane_close(lane);
}

static void
test_impossible_job(void **state)
{
	struct ferry_copy_job jobs[2];
	struct ferry_copy_done done;
	struct ferry_lane_stats stats;
	struct ferry_lane *lane;
	uint8_t *mem;

	(void)state;
	ferry_test_need_eal();
	lane = lane_open(32, 0);
	mem = buffer(200, 1);
	jobs[0] = (struct ferry_copy_job) {
		.src = mem, .dst = mem + 100, .len = 100, .cookie = 1,
	};
	jobs[1] = jobs[0];
	jobs[1].len = ferry_lane_info(lane)->max_job + 1;
	assert_int_equal(ferry_lane_submit(lane, jobs, 2), 1);
	poll_one(lane, &done);
	assert_int_equal(done.cookie, 1);
	jobs[1] = jobs[0];
	jobs[1].src = (const void *)(UINTPTR_MAX - 50);
	assert_int_equal(ferry_lane_submit(lane, jobs + 1, 1), 0);
	jobs[1] = jobs[0];
	jobs[1].dst = (void *)(UINTPTR_MAX - 50);
	assert_int_equal(ferry_lane_submit(lane, jobs + 1, 1), 0);
	ferry_lane_stats(lane, &stats);
	assert_int_equal(stats.refused, 3);
	assert_int_equal(ferry_lane_inflight(lane), 0);
	ferry_lane_close(lane);
	rte_free(mem);
}

/* Closing a lane waits until its copies are made, though no caller takes their
 * completions. */
static void
test_close_waits(void **state)
{
	enum { JOBS = 8 };
	const size_t len = 2 << 20;
	struct ferry_copy_job job = { .len = len };
	struct ferry_copy_done done;
	struct ferry_lane *lane;
	uint8_t *src, *dst;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	lane = lane_open(32, 65536);
	src = buffer(len, 7);
	dst = buffer(JOBS * len, 8);
	for (i = 0; i < JOBS; i++) {
		job.src = src;
		job.dst = dst + i * len;
		assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
	}
	ferry_lane_close(lane);
	for (i = 0; i < JOBS; i++)
		assert_int_equal(ferry_test_check(dst + i * len, len, 7), -1);

	/* Nothing of it is left for the next lane, whose job is another. */
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_dmadev(),
		&(struct ferry_copy_dmadev_config) { .dev_id = DEV },
		SOCKET_ID_ANY), 0);
	assert_int_equal(ferry_lane_poll(lane, &done, 1), 0);
	ferry_lane_close(lane);
	rte_free(src);
	rte_free(dst);
}

/* Completions an earlier user left in the device are not taken for jobs. */
static void
test_leftovers(void **state)
{
	const struct ferry_copy_dmadev_config config = { .dev_id = DEV };
	uint64_t *mem, start = ferry_test_now_ns();
	enum rte_dma_vchan_status status = RTE_DMA_VCHAN_ACTIVE;
	struct ferry_copy_job job = { .len = 8, .cookie = 9 };
	struct ferry_copy_done done;
	struct ferry_lane *lane;

	(void)state;
	ferry_test_need_eal();
	fake_dma_skeleton_start(DEV, 32);
	mem = buffer(64, 1);
	assert_int_equal(rte_dma_copy(DEV, 0, (uintptr_t)&mem[0],
		(uintptr_t)&mem[1], 8, RTE_DMA_OP_FLAG_SUBMIT), 0);
	while (status != RTE_DMA_VCHAN_IDLE) {
		assert_int_equal(rte_dma_vchan_status(DEV, 0, &status), 0);
		assert_true(ferry_test_now_ns() - start < WAIT_NS);
	}
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_dmadev(), &config,
		SOCKET_ID_ANY), 0);
	job.src = &mem[0];
	job.dst = &mem[2];
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
	poll_one(lane, &done);
	assert_int_equal(done.cookie, 9);
	assert_int_equal(mem[2], mem[0]);
	ferry_lane_close(lane);
	rte_free(mem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_config),
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_random_jobs),
		cmocka_unit_test(test_huge_job),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_no_bytes),
		cmocka_unit_test(test_impossible_job),
		cmocka_unit_test(test_close_waits),
		cmocka_unit_test(test_leftovers),
	};
	int failed;

	if (ferry_test_eal_skip_reason() == NULL &&
			ferry_test_eal_start(NULL, "--vdev=dma_skeleton0",
				"--vdev=dma_skeleton1", "--log-level=critical",
				NULL) != 0)
		return 1;
	failed = cmocka_run_group_tests_name("copy_dmadev", tests, NULL, NULL);
	rte_eal_cleanup();
	return failed;
}
