/* SPDX-License-Identifier: BSD-3-Clause */

/* The cpu copy driver through the lane's interface. EAL is not running. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_cpuflags.h>
#include <rte_vect.h>

#include "ferry_copy_kernel.h"
#include "ferry_lane.h"

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* What a destination holds before a copy. */
#define UNTOUCHED 0xa5

static void
scramble(uint8_t *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + i / 251);
}

static int
open_lane(void **state)
{
	struct ferry_lane *lane;

	if (ferry_lane_open(&lane, ferry_copy_cpu(), NULL, -1) != 0)
		return -1;
	*state = lane;
	return 0;
}

static int
close_lane(void **state)
{
	ferry_lane_close(*state);
	return 0;
}

static void
test_lane_info(void **state)
{
	struct ferry_lane *lane = *state;
	const struct ferry_lane_info *info = ferry_lane_info(lane);
	struct ferry_lane_model model = ferry_lane_model(lane);

	assert_string_equal(info->name, "cpu");
	assert_true(info->max_job > 4 * GIB);
	assert_true(info->depth > 0);
	assert_int_equal(info->flags, FERRY_LANE_PLACES | FERRY_LANE_SYNC);
	/* The seed is one that ferry_lane_set_model() would take. */
	assert_int_equal(ferry_lane_set_model(lane, &model), 0);
}

static void
test_lane_order(void **state)
{
	struct ferry_lane *lane = *state;
	struct ferry_copy_job jobs[5];
	struct ferry_copy_done done[8];
	struct ferry_lane_stats stats;
	static uint8_t src[5][100], dst[5][100];
	unsigned int i;

	scramble(src[0], sizeof(src));
	memset(dst, UNTOUCHED, sizeof(dst));
	assert_int_equal(ferry_lane_poll(lane, done, 8), 0);
	assert_int_equal(ferry_lane_submit(lane, jobs, 0), 0);
	for (i = 0; i < 5; i++)
		jobs[i] = (struct ferry_copy_job) {
			.dst = dst[i],
			.src = src[i],
			.len = i * 25,
			.cookie = UINT64_MAX - i,
		};
	assert_int_equal(ferry_lane_submit(lane, jobs, 5), 5);
	/* Synchronous: the bytes are there before flush and poll. */
	for (i = 0; i < 5; i++) {
		assert_memory_equal(dst[i], src[i], i * 25);
		assert_true(i == 4 || dst[i][i * 25] == UNTOUCHED);
	}
	assert_int_equal(ferry_lane_inflight(lane), 5);
	ferry_lane_flush(lane);

	/* In bites, in order; length 0 completes like any other. */
	assert_int_equal(ferry_lane_poll(lane, done, 0), 0);
	assert_int_equal(ferry_lane_poll(lane, done, 2), 2);
	assert_int_equal(ferry_lane_inflight(lane), 3);
	assert_int_equal(ferry_lane_poll(lane, done + 2, 6), 3);
	for (i = 0; i < 5; i++) {
		assert_true(done[i].cookie == UINT64_MAX - i);
		assert_int_equal(done[i].bytes, i * 25);
		assert_int_equal(done[i].status, FERRY_COPY_OK);
	}
	assert_int_equal(ferry_lane_poll(lane, done, 8), 0);
	assert_int_equal(ferry_lane_inflight(lane), 0);
	ferry_lane_stats(lane, &stats);
	assert_int_equal(stats.jobs, 5);
	assert_int_equal(stats.bytes, 250);
	assert_int_equal(stats.errors, 0);
	assert_int_equal(stats.refused, 0);
	assert_int_equal(stats.misplaced, 0);
}

/* Full, emptied, filled again across the end of the FIFO, closed full. */
static void
test_lane_full(void **state)
{
	struct ferry_lane *lane = *state;
	uint32_t depth = ferry_lane_info(lane)->depth, i;
	struct ferry_copy_job *jobs = calloc(depth + 7, sizeof(*jobs));
	struct ferry_copy_done *done = calloc(depth, sizeof(*done));
	uint8_t src = 7, *dst = calloc(depth + 7, 1);
	struct ferry_lane_stats stats;

	assert_true(jobs != NULL && done != NULL && dst != NULL);
	for (i = 0; i < depth + 7; i++)
		jobs[i] = (struct ferry_copy_job) {
			.dst = &dst[i], .src = &src, .len = 1, .cookie = i,
		};
	assert_int_equal(ferry_lane_submit(lane, jobs, depth + 7), depth);
	assert_int_equal(dst[depth - 1], 7);
	assert_int_equal(dst[depth], 0);
	assert_int_equal(ferry_lane_submit(lane, jobs + depth, 7), 0);
	ferry_lane_stats(lane, &stats);
	assert_int_equal(stats.refused, 14);

	assert_int_equal(ferry_lane_poll(lane, done, 5), 5);
	assert_int_equal(ferry_lane_submit(lane, jobs + depth, 7), 5);
	assert_int_equal(dst[depth + 4], 7);
	assert_int_equal(dst[depth + 5], 0);
	assert_int_equal(ferry_lane_inflight(lane), depth);
	assert_int_equal(ferry_lane_poll(lane, done, depth), depth);
	for (i = 0; i < depth; i++)
		assert_int_equal(done[i].cookie, i + 5);

	assert_int_equal(ferry_lane_submit(lane, jobs, depth), depth);
	free(jobs);
	free(done);
	free(dst);
}

/* Kernels that only count, to see which one a job is given to. */
static unsigned int temporal_calls, nontemporal_calls;

static void
count_temporal(void *dst, const void *src, size_t len)
{
	(void)dst;
	(void)src;
	(void)len;
	temporal_calls++;
}

static void
count_nontemporal(void *dst, const void *src, size_t len)
{
	(void)dst;
	(void)src;
	(void)len;
	nontemporal_calls++;
}

static void
test_lane_placement(void **state)
{
	static const struct ferry_copy_kernel temporal = {
		.name = "count", .copy = count_temporal,
	};
	static const struct ferry_copy_kernel nontemporal = {
		.name = "count-nt", .copy = count_nontemporal,
		.nontemporal = true,
	};
	const struct ferry_copy_cpu_config config = {
		.temporal = &temporal, .nontemporal = &nontemporal,
	};
	const size_t auto_min = ferry_copy_kernel_auto_min_here();
	const size_t nt_min = FERRY_COPY_KERNEL_NT_MIN;
	const struct {
		enum ferry_placement place;
		uint64_t len;
		bool nontemporal;
	} cases[] = {
		{ FERRY_PLACE_AUTO, 0, false },
		{ FERRY_PLACE_AUTO, auto_min - 1, false },
		{ FERRY_PLACE_AUTO, auto_min, true },
		{ FERRY_PLACE_AUTO, 8 * GIB, true },
		{ FERRY_PLACE_CACHE, 64, false },
		{ FERRY_PLACE_CACHE, 8 * GIB, false },
		{ FERRY_PLACE_MEMORY, 64, false },
		{ FERRY_PLACE_MEMORY, nt_min - 1, false },
		{ FERRY_PLACE_MEMORY, nt_min, true },
	};
	struct ferry_copy_done done;
	struct ferry_lane *lane;
	struct ferry_copy_job job = { .cookie = 1 };
	size_t i;

	(void)state;
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_cpu(), &config, -1),
		0);
	for (i = 0; i < RTE_DIM(cases); i++) {
		temporal_calls = nontemporal_calls = 0;
		job.place = cases[i].place;
		job.len = cases[i].len;
		assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
		assert_int_equal(temporal_calls, !cases[i].nontemporal);
		assert_int_equal(nontemporal_calls, cases[i].nontemporal);
		assert_int_equal(ferry_lane_poll(lane, &done, 1), 1);
		assert_true(done.bytes == cases[i].len);
	}
	/* The lane refuses a placement that is not in the enum. It does not use
	 * the value as an index. */
	job.place = (enum ferry_placement)77;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 0);
	assert_int_equal(ferry_lane_inflight(lane), 0);
	ferry_lane_close(lane);
}

/* Real kernels through a lane, at every placement. */
static void
test_lane_copies(void **state)
{
	static const size_t lens[] = { 1, 64, 4095, 4096, 70001, 3 * MIB + 5 };
	struct ferry_lane *lane = *state;
	uint8_t *src = malloc(4 * MIB), *dst = malloc(4 * MIB);
	enum ferry_placement place;
	struct ferry_copy_done done;
	size_t i;

	assert_true(src != NULL && dst != NULL);
	scramble(src, 4 * MIB);
	for (place = FERRY_PLACE_AUTO; place <= FERRY_PLACE_MEMORY; place++) {
		for (i = 0; i < RTE_DIM(lens); i++) {
			const struct ferry_copy_job job = {
				.dst = dst + 3, .src = src + 1,
				.len = lens[i], .cookie = i, .place = place,
			};

			memset(dst, UNTOUCHED, 4 * MIB);
			assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
			assert_int_equal(ferry_lane_poll(lane, &done, 1), 1);
			assert_memory_equal(dst + 3, src + 1, lens[i]);
			assert_int_equal(dst[2], UNTOUCHED);
			assert_int_equal(dst[3 + lens[i]], UNTOUCHED);
		}
	}
	free(src);
	free(dst);
}

/* Runs first, while no test has set a limit and EAL has not started. */
static void
test_lane_default_limit(void **state)
{
	(void)state;
	assert_int_equal(rte_vect_get_max_simd_bitwidth(), 0);
	/* What EAL is going to allow, where the CPU has it. */
	assert_int_equal(ferry_copy_kernel_best(false)->bits,
		rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0 ?
		RTE_VECT_DEFAULT_SIMD_BITWIDTH : RTE_VECT_SIMD_128);
}

/* A lane takes no kernel above the limit, and copies with those below. */
static void
test_lane_simd_limit(void **state)
{
	struct ferry_copy_cpu_config config = {
		.temporal = ferry_copy_kernel_get(FERRY_COPY_KERNEL_AVX2),
	};
	struct ferry_lane *lane = NULL;

	assert_int_equal(rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_128), 0);
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_cpu(), &config, -1),
		-ENOTSUP);
	config.temporal = NULL;
	config.nontemporal = ferry_copy_kernel_get(FERRY_COPY_KERNEL_AVX2_NT);
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_cpu(), &config, -1),
		-ENOTSUP);
	assert_null(lane);
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_cpu(), NULL, -1), 0);
	*state = lane;
	test_lane_copies(state);
	ferry_lane_close(lane);
	assert_int_equal(rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_512), 0);
}

/*
 * Demoting changes no byte, of the destination or around it. Where the CPU has
 * no CLDEMOTE the instruction runs, too, and says nothing.
 */
static void
test_demoting_leaves_bytes_alone(void **state)
{
	static const size_t lens[] = { 0, 1, 63, 64, 1023, 1024, 1025, 70001 };
	static const size_t at[] = { 0, 1, 63 };
	static uint8_t src[70128], dst[70128], want[70128];
	struct ferry_lane *lane = *state;
	unsigned int i, j;
	int ret;

	scramble(src, sizeof(src));
	ret = ferry_lane_set_demote(lane, true);
	assert_true(ret == 0 || ret == -ENOTSUP);
	for (i = 0; i < RTE_DIM(lens) * RTE_DIM(at); i++) {
		size_t len = lens[i % RTE_DIM(lens)];
		size_t off = at[i / RTE_DIM(lens)];
		struct ferry_copy_job job = {
			.src = src, .dst = dst + off, .len = len,
			.place = FERRY_PLACE_CACHE,
		};

		for (j = 0; j < sizeof(dst); j++)
			dst[j] = want[j] = UNTOUCHED;
		memcpy(want + off, src, len);
		assert_int_equal(lane->drv->copy(lane, &job, 1), 1);
		assert_memory_equal(dst, want, sizeof(dst));
	}
	assert_int_equal(ferry_lane_set_demote(lane, false), 0);
}

static void
test_only_cpu_lanes_have_kernels(void **state)
{
	static const struct ferry_copy_driver driver = { .name = "other" };
	struct ferry_lane other = { .drv = &driver };
	struct ferry_lane *lane = *state;
	char text[64], little[4];

	assert_true(ferry_lane_describe(lane, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, ferry_copy_kernel_best(false)->name));
	assert_non_null(strstr(text, ferry_copy_kernel_bulk()->name));
	assert_non_null(strstr(text, ferry_copy_kernel_best(true)->name));
	assert_int_equal(ferry_lane_describe(lane, little, sizeof(little)),
		strlen(text));
	assert_int_equal(strlen(little), 3);
	assert_int_equal(ferry_lane_describe(&other, text, sizeof(text)),
		-EINVAL);
	assert_int_equal(ferry_lane_set_demote(&other, true), -EINVAL);
	assert_int_equal(ferry_lane_set_demote(NULL, true), -EINVAL);
}

#define LANE_TEST(f) cmocka_unit_test_setup_teardown(f, open_lane, close_lane)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lane_default_limit),
		LANE_TEST(test_lane_info),
		LANE_TEST(test_lane_order),
		LANE_TEST(test_lane_full),
		LANE_TEST(test_lane_placement),
		LANE_TEST(test_lane_copies),
		LANE_TEST(test_demoting_leaves_bytes_alone),
		LANE_TEST(test_only_cpu_lanes_have_kernels),
		cmocka_unit_test(test_lane_simd_limit),
	};

	return cmocka_run_group_tests_name("cpu lane", tests, NULL, NULL) != 0;
}
