/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "ferry_test.h"
#include "late_lane.h"

static int
late_open(struct ferry_lane *lane, const void *config, int socket)
{
	RTE_SET_USED(socket);
	/* The test's own struct, not const at all. */
	lane->priv = (void *)(uintptr_t)config;
	/* The copier prefers it to anything else. */
	lane->model.bytes_per_ns = 1000;
	lane->info.max_job = UINT64_MAX;
	lane->info.depth = LATE_JOBS;
	strcpy(lane->info.name, "late");
	return 0;
}

static int
late_close(struct ferry_lane *lane)
{
	return ((const struct late *)lane->priv)->close_result;
}

static uint16_t
late_copy(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n; i++)
		memcpy(jobs[i].dst, jobs[i].src, jobs[i].len);
	lane->stats.jobs += n;
	return n;
}

static uint16_t
late_submit(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	struct late *late = lane->priv;
	uint16_t i;

	for (i = 0; i < n && late->nb < LATE_JOBS; i++) {
		late->jobs[late->nb++] = jobs[i];
		/* So that a message published too early shows. */
		memset(jobs[i].dst, 0xdd, jobs[i].len);
		ferry_lane_account_in(lane);
	}
	return i;
}

static void
late_flush(struct ferry_lane *lane)
{
	RTE_SET_USED(lane);
}

static uint16_t
late_poll(struct ferry_lane *lane, struct ferry_copy_done *done, uint16_t n)
{
	struct late *late = lane->priv;
	uint16_t got = 0;

	while (got < n && late->nb > 0 && !late->hold) {
		const uint32_t r = (uint32_t)ferry_test_random(&late->seed);
		const uint32_t k = late->backwards ? late->nb - 1 :
			(r >> 2) % late->nb;
		const struct ferry_copy_job job = late->jobs[k];

		if (!late->backwards && r % 4 == 0)
			break;
		late->jobs[k] = late->jobs[--late->nb];
		done[got] = (struct ferry_copy_done) {
			.cookie = job.cookie,
			.bytes = job.len,
			.status = late->next_status,
		};
		if (late->next_status == FERRY_COPY_OK && job.len > 0)
			memcpy(job.dst, job.src, job.len);
		else
			done[got].bytes = 0;
		ferry_lane_account_out(lane, job.len, late->next_status);
		late->next_status = FERRY_COPY_OK;
		late->ended++;
		got++;
	}
	return got;
}

static const struct ferry_copy_driver late_driver = {
	.name = "late",
	.open = late_open,
	.close = late_close,
	.copy = late_copy,
	.submit = late_submit,
	.flush = late_flush,
	.poll = late_poll,
};

void
late_add(struct ferry_copier *copier, struct late *late)
{
	struct ferry_lane *lane = NULL;

	assert_int_equal(ferry_lane_open(&lane, &late_driver, late,
		SOCKET_ID_ANY), 0);
	assert_int_equal(copier->nb_lanes, 1);
	assert_int_equal(ferry_copier_add(copier, lane), 0);
}
