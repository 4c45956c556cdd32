/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "fake_clock.h"
#include "fake_lane.h"
#include "ferry_test.h"

uint64_t fake_now_ns = 1;

uint64_t
fake_tsc(void)
{
	return fake_now_ns += FAKE_LOOK_NS;
}

static bool
in_range(uint32_t x, uint32_t from, uint32_t to)
{
	return x >= from && x < to;
}

static int
fake_open(struct ferry_lane *lane, const void *config, int socket)
{
	/* The test's own struct, not const at all. */
	struct fake *fake = (struct fake *)(uintptr_t)config;

	RTE_SET_USED(socket);
	lane->priv = fake;
	lane->model.t0_ns = fake->t0_ns;
	lane->model.bytes_per_ns = fake->bytes_per_ns;
	lane->info.max_job = fake->max_job;
	lane->info.depth = fake->depth;
	lane->info.flags = fake->flags;
	strcpy(lane->info.name, "fake");
	return 0;
}

static int
fake_close(struct ferry_lane *lane)
{
	struct fake *fake = lane->priv;
	uint32_t i;

	fake->closes++;
	if (fake->unstoppable)
		return -EBUSY;
	/* A device may write until it is stopped. It overwrites what another
	 * lane has copied to the same destination before. */
	for (i = 0; i < fake->nb; i++)
		memset(fake->q[i].job.dst, 0xee, fake->q[i].job.len);
	fake->nb = 0;
	return 0;
}

static uint16_t
fake_submit(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	struct fake *fake = lane->priv;
	uint16_t i;

	for (i = 0; i < n; i++) {
		const char *src = jobs[i].src, *wall = fake->no_reach;

		if (fake->deaf || fake->nb == FAKE_JOBS ||
				fake->nb == fake->depth ||
				(fake->room != 0 && fake->nb >= fake->room) ||
				jobs[i].len > fake->max_job ||
				(wall != NULL && src >= wall &&
				 src < wall + fake->no_reach_len))
			break;
		fake->q[fake->nb].job = jobs[i];
		fake->q[fake->nb].number = fake->accepted++;
		fake->q[fake->nb].started = false;
		fake->nb++;
		if (fake->watched != NULL)
			fake->watched_flushes = fake->watched->flushes;
		fake->taken_at = fake_now_ns;
		fake->longest_job = RTE_MAX(fake->longest_job, jobs[i].len);
		fake->longest_queue = RTE_MAX(fake->longest_queue, fake->nb);
		ferry_lane_account_in(lane);
	}
	return i;
}

/* As lane 0. */
static uint16_t
fake_copy(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	struct fake *fake = lane->priv;
	uint16_t i;

	fake->longest_queue = RTE_MAX(fake->longest_queue, (uint32_t)n);
	fake_now_ns += fake->lazy_ns;
	for (i = 0; i < n && !fake->deaf; i++) {
		/* Not queued; kept to be looked at. */
		fake->q[0].job = jobs[i];
		fake->accepted++;
		fake->longest_job = RTE_MAX(fake->longest_job, jobs[i].len);
		if (fake->watched != NULL)
			fake->watched_flushes = fake->watched->flushes;
		memcpy(jobs[i].dst, jobs[i].src, fake->broken ?
			jobs[i].len / 2 : jobs[i].len);
		if (fake->broken)
			break;
		fake_now_ns += (uint64_t)(fake->byte_ns * (double)jobs[i].len);
		lane->stats.jobs++;
		lane->stats.bytes += jobs[i].len;
	}
	return i;
}

static void
fake_flush(struct ferry_lane *lane)
{
	struct fake *fake = lane->priv;
	uint32_t i;

	fake->flushes++;
	for (i = 0; i < fake->nb; i++)
		fake->q[i].started = true;
}

/* Next job of the queue that completes, or -1. */
static int
fake_next(const struct fake *fake)
{
	uint32_t i;

	for (i = 0; i < fake->nb; i++) {
		uint32_t k = fake->reverse ? fake->nb - 1 - i : i;

		if ((fake->q[k].started || (fake->flags & FERRY_LANE_SYNC)) &&
				!in_range(fake->q[k].number, fake->hang_from,
					fake->hang_to))
			return (int)k;
	}
	return -1;
}

static uint16_t
fake_poll(struct ferry_lane *lane, struct ferry_copy_done *done, uint16_t n)
{
	struct fake *fake = lane->priv;
	uint16_t got = 0;
	int k;

	fake->polls++;
	if (in_range(fake->polls, fake->pause_from, fake->pause_to))
		fake_now_ns += fake->pause_ns;
	fake->poll_max = RTE_MAX(fake->poll_max, (uint64_t)n);
	if (fake->polls <= fake->lazy_polls ||
			fake_now_ns < fake->taken_at + fake->lazy_ns) {
		fake_now_ns += FAKE_POLL_NS;
		return 0;
	}
	while (got + 1 < n && !(fake->one_by_one && got == 1) &&
			(k = fake_next(fake)) >= 0) {
		struct ferry_copy_job job = fake->q[k].job;
		uint64_t good;
		bool fail = in_range(fake->q[k].number, fake->fail_from,
			fake->fail_to);

		if (fake->fail_odd && fake->q[k].number % 2 == 0)
			fail = false;
		good = fail ? fake->fail_bytes : job.len;
		memcpy(job.dst, job.src, RTE_MIN(good, job.len));
		if (good < job.len)
			memset(RTE_PTR_ADD(job.dst, good), 0xdd,
				job.len - good);
		done[got].cookie = job.cookie;
		done[got].bytes = good;
		done[got].status = fail ? fake->fail_status : FERRY_COPY_OK;
		ferry_lane_account_out(lane, job.len, done[got].status);
		if (job.cookie < fake->last_cookie)
			fake->out_of_order++;
		fake->last_cookie = job.cookie;
		got++;
		fake->nb--;
		if (fake->one_by_one)
			fake->taken_at = fake_now_ns;
		memmove(&fake->q[k], &fake->q[k + 1],
			(fake->nb - (uint32_t)k) * sizeof(fake->q[0]));
	}
	if (fake->lies && got > 0) {
		done[got].cookie = fake->lie;
		done[got].bytes = 0;
		done[got].status = FERRY_COPY_OK;
		got++;
	}
	if (got == 0)
		fake_now_ns += FAKE_POLL_NS;
	return got;
}

const struct ferry_copy_driver fake_driver = {
	.name = "fake",
	.open = fake_open,
	.close = fake_close,
	.copy = fake_copy,
	.submit = fake_submit,
	.flush = fake_flush,
	.poll = fake_poll,
};

struct fake
fake_good(void)
{
	struct fake fake;

	memset(&fake, 0, sizeof(fake));
	fake.depth = FAKE_JOBS;
	fake.max_job = UINT64_MAX;
	fake.bytes_per_ns = FAST;
	fake.fail_status = FERRY_COPY_E_DEVICE;
	return fake;
}

struct ferry_lane *
fake_lane(struct fake *fake)
{
	struct ferry_lane *lane = NULL;

	assert_int_equal(ferry_lane_open(&lane, &fake_driver, fake,
		SOCKET_ID_ANY), 0);
	return lane;
}

void
add_fake(struct ferry_copier *c, struct fake *fake)
{
	assert_int_equal(ferry_copier_add(c, fake_lane(fake)), 0);
}

void
start(struct ferry_copier *c)
{
	static const struct ferry_lane_model slow = {
		.t0_ns = 1e9, .bytes_per_ns = SLOW,
	};

	assert_int_equal(ferry_copier_init(c, ferry_copy_cpu(), SOCKET_ID_ANY),
			0);
	assert_int_equal(ferry_lane_set_model(c->lanes[0].lane, &slow), 0);
	c->tsc_hz = FAKE_HZ;
}

void
replace_cpu(struct ferry_copier *c, struct fake *fake)
{
	ferry_lane_close(c->lanes[0].lane);
	fake->flags |= FERRY_LANE_SYNC;
	c->lanes[0].lane = fake_lane(fake);
}

uint64_t
lane_bytes(const struct ferry_copier *c, unsigned int i)
{
	struct ferry_lane_stats stats;

	ferry_lane_stats(ferry_copier_lane(c, i), &stats);
	return stats.bytes;
}

uint64_t
lane_errors(const struct ferry_copier *c, unsigned int i)
{
	struct ferry_lane_stats stats;

	ferry_lane_stats(ferry_copier_lane(c, i), &stats);
	return stats.errors;
}

#define GAP 64

struct burst
burst_make(const uint64_t *lens, uint16_t n)
{
	struct burst b = { .n = n };
	size_t at = GAP;
	uint16_t i;

	for (i = 0; i < n; i++) {
		b.total += lens[i];
		b.size += RTE_ALIGN_CEIL(lens[i], GAP) + 2 * GAP;
	}
	b.size += GAP;
	b.src = aligned_alloc(GAP, b.size);
	b.dst = aligned_alloc(GAP, b.size);
	b.jobs = calloc(RTE_MAX(n, 1), sizeof(*b.jobs));
	assert_non_null(b.src);
	assert_non_null(b.dst);
	assert_non_null(b.jobs);
	ferry_test_fill(b.src, b.size, 7);
	memset(b.dst, 0x55, b.size);
	for (i = 0; i < n; i++) {
		b.jobs[i].src = b.src + at;
		b.jobs[i].dst = b.dst + at;
		b.jobs[i].len = lens[i];
		/* Not to be relied on. */
		b.jobs[i].cookie = UINT64_MAX - i % 3;
		at += RTE_ALIGN_CEIL(lens[i], GAP) + 2 * GAP;
	}
	return b;
}

struct burst
burst_ragged(const uint64_t *lens, uint16_t n, uint64_t *seed)
{
	struct burst b = burst_make(lens, n);
	uint16_t i;

	for (i = 0; i < n; i++) {
		uint64_t at = ferry_test_random(seed) % GAP;

		b.jobs[i].dst = RTE_PTR_ADD(b.jobs[i].dst, at);
		at = ferry_test_random(seed) % GAP;
		b.jobs[i].src = (const uint8_t *)b.jobs[i].src + at;
	}
	return b;
}

struct burst
burst_same(uint64_t len, uint16_t n)
{
	uint64_t *lens = calloc(n, sizeof(*lens));
	struct burst b;
	uint16_t i;

	assert_non_null(lens);
	for (i = 0; i < n; i++)
		lens[i] = len;
	b = burst_make(lens, n);
	free(lens);
	return b;
}

static void
check_gap(const uint8_t *p)
{
	unsigned int i;

	for (i = 0; i < GAP; i++)
		assert_int_equal(p[i], 0x55);
}

void
burst_check(const struct burst *b)
{
	uint16_t i;

	check_gap(b->dst);
	for (i = 0; i < b->n; i++) {
		const uint8_t *dst = b->jobs[i].dst;

		assert_memory_equal(dst, b->jobs[i].src, b->jobs[i].len);
		check_gap(dst + b->jobs[i].len);
	}
}

void
burst_free(struct burst *b)
{
	free(b->src);
	free(b->dst);
	free(b->jobs);
}

void
copy_mode(struct ferry_copier *c, uint64_t len, uint16_t n,
		enum ferry_mode mode)
{
	struct burst b = burst_same(len, n);
	uint16_t i;

	for (i = 0; i < n; i++)
		b.jobs[i].mode = mode;
	assert_int_equal(ferry_copier_copy(c, b.jobs, b.n), 0);
	burst_check(&b);
	burst_free(&b);
}

void
copy_same(struct ferry_copier *c, uint64_t len, uint16_t n)
{
	copy_mode(c, len, n, FERRY_MODE_LATENCY);
}
