/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_pause.h>

#include "copier_work.h"
#include "ferry_cache.h"
#include "ferry_lane.h"

/* Defaults of ferry_copier_tune: see hang_factor there. */
#define HANG_GRACE_NS 1e9
#define HANG_FACTOR 100
/* An upper bound of the frequency of time stamp counters. */
#define TSC_HZ_MAX UINT64_C(10000000000)
/* One in so many inline copies is measured. A power of two. */
#define MEASURE_EVERY 8

int
ferry_copier_init(struct ferry_copier *copier,
		const struct ferry_copy_driver *core, int socket)
{
	int ret;

	if (copier == NULL || core == NULL)
		return -EINVAL;
	memset(copier, 0, sizeof(*copier));
	copier->work = work_alloc();
	if (copier->work == NULL)
		return -ENOMEM;
	ret = ferry_lane_open(&copier->lanes[CORE].lane, core, NULL, socket);
	if (ret < 0) {
		free(copier->work);
		copier->work = NULL;
		return ret;
	}
	copier->nb_lanes = 1;
	copier->nb_open = 1;
	copier->tune.policy = ferry_sched_policy_default();
	copier->tune.hang_factor = HANG_FACTOR;
	copier->tune.hang_grace_ns = HANG_GRACE_NS;
	copier->tune.hot_max = ferry_cache_budget();
	copier->tsc_hz = rte_get_tsc_hz();
	copier->tune.learn = copier->tune.route = copier->tsc_hz != 0;
	/*
	 * The frequency is unknown before EAL runs. Then assume the highest, so
	 * that time limits end late and never early. The copier does not learn,
	 * because its times are wrong.
	 */
	if (copier->tsc_hz == 0)
		copier->tsc_hz = TSC_HZ_MAX;
	return 0;
}

/* A place for a lane: a new one if there is one, otherwise the place of a lane
 * that was dropped; or NULL. New places are used first, so that the statistics
 * of a dropped lane can be read as long as possible. */
static struct ferry_copier_lane *
place_take(struct ferry_copier *c)
{
	unsigned int i;

	if (c->nb_lanes < FERRY_COPIER_MAX_LANES)
		return &c->lanes[c->nb_lanes++];
	for (i = CORE + 1; i < c->nb_lanes; i++)
		if (c->lanes[i].lane == NULL) {
			memset(&c->lanes[i], 0, sizeof(c->lanes[i]));
			return &c->lanes[i];
		}
	return NULL;
}

int
ferry_copier_add(struct ferry_copier *copier, struct ferry_lane *lane)
{
	struct ferry_copier_lane *place;
	unsigned int i;

	if (copier == NULL || lane == NULL || copier->nb_lanes == 0 ||
			lane->inflight != 0 || lane->info.depth == 0 ||
			lane->info.max_job < FERRY_SCHED_ALIGN)
		return -EINVAL;
	for (i = 0; i < copier->nb_lanes; i++)
		if (copier->lanes[i].lane == lane)
			return -EINVAL;
	place = place_take(copier);
	if (place == NULL)
		return -ENOSPC;
	place->lane = lane;
	copier->work->now = rte_rdtsc();
	place->sampled = copier->work->now;
	copier->nb_open++;
	copier->work->stuck = false;
	return 0;
}

int
ferry_copier_fini(struct ferry_copier *copier)
{
	int ret = 0;
	unsigned int i;

	if (copier == NULL)
		return 0;
	for (i = 0; i < copier->nb_lanes; i++) {
		if (ferry_lane_close(copier->lanes[i].lane) != 0 &&
				copier->lanes[i].parts > 0)
			ret = -EBUSY;
	}
	free(copier->work);
	memset(copier, 0, sizeof(*copier));
	return ret;
}

const struct ferry_lane *
ferry_copier_lane(const struct ferry_copier *copier, unsigned int i)
{
	if (copier == NULL || i >= copier->nb_lanes)
		return NULL;
	if (copier->lanes[i].lane == NULL)
		return &copier->lanes[i].last;
	return copier->lanes[i].lane;
}

void
ferry_copier_stats(const struct ferry_copier *copier,
		struct ferry_copier_stats *stats)
{
	*stats = copier->stats;
}

void
ferry_copier_tune(const struct ferry_copier *copier,
		struct ferry_copier_tune *tune)
{
	*tune = copier->tune;
}

/* Copy with the core at once, without a queue and completions. */
static int
cpu_copy(struct ferry_lane *cpu, const struct ferry_copy_job *jobs, uint16_t n)
{
	return likely(cpu->drv->copy(cpu, jobs, n) == n) ? 0 : -EIO;
}

static int
lanes_copy(struct ferry_copier *c, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	struct ferry_copier_work *w = c->work;
	uint16_t i;

	w->sync_ret = 0;
	w->now = rte_rdtsc();
	for (i = 0; i < n && w->sync_ret == 0; i++) {
		uint64_t budget = FERRY_COPIER_CHUNK;
		uint16_t j;

		/* If the table of jobs is full, wait for jobs of this call. If
		 * it is full of submitted jobs only, copy with the core. */
		if (w->nb_free_jobs == 0)
			w->now = rte_rdtsc();
		while (w->nb_free_jobs == 0 && w->sync_left > 0)
			if (jobs_step(c, FERRY_COPIER_CHUNK) == 0)
				rte_pause();
		j = job_take(c, &jobs[i], true);
		if (j == NONE) {
			w->sync_ret = cpu_copy(c->lanes[CORE].lane, &jobs[i],
				1);
			continue;
		}
		job_begin(c, j, &budget);
		lanes_flush(c, false, jobs[i].mode);
	}
	w->now = rte_rdtsc();
	/* Wait also after an error, because no lane may write a destination
	 * after the return. */
	while (w->sync_left > 0) {
		/* If no part is in a device and no job is submitted, the core
		 * may copy everything in one step. */
		bool alone = w->flying == 0 && w->inflight == 0;

		if (jobs_step(c, alone ? UINT64_MAX : FERRY_COPIER_CHUNK) == 0)
			rte_pause();
		/* The core has copied for long. Read the clock, so that
		 * jobs_step() does not count this time as away. */
		if (alone)
			w->now = rte_rdtsc();
	}
	return w->sync_ret;
}

/*
 * From how many bytes on a copy of latency mode may be better with a device: a
 * shorter copy is done by the core before any device would begin.
 */
static double
think_min(struct ferry_copier *c, enum ferry_placement place, uint64_t len)
{
	enum ferry_heat heat = len <= c->tune.hot_max ? FERRY_HEAT_HOT :
		FERRY_HEAT_COLD;
	const struct ferry_lane_model *core;
	double first_ns = -1;
	unsigned int i;

	if ((unsigned int)place >= FERRY_PLACES)
		place = FERRY_PLACE_AUTO;
	core = &c->lanes[CORE].lane->cost[place][heat];
	for (i = CORE + 1; i < c->nb_lanes; i++) {
		const struct ferry_lane *lane = c->lanes[i].lane;
		double t0_ns;

		if (lane == NULL || !lane_ready(c, i))
			continue;
		t0_ns = lane->cost[place][heat].t0_ns;
		if (first_ns < 0 || t0_ns < first_ns)
			first_ns = t0_ns;
	}
	if (first_ns < 0)
		return 1e18;
	return (first_ns - core->t0_ns) * core->bytes_per_ns;
}

/* Copy a burst of latency mode, len bytes in all: with the core or with the
 * lanes, whichever is better. */
static int
quick_copy(struct ferry_copier *c, const struct ferry_copy_job *jobs,
		uint16_t n, uint64_t len)
{
	struct ferry_copier_work *w = c->work;
	bool offload, measure;
	uint64_t t0 = 0;
	int ret;

	if (n == 0 || (double)len < think_min(c, jobs[0].place, len))
		return cpu_copy(c->lanes[CORE].lane, jobs, n);
	if (!c->tune.route)
		return lanes_copy(c, jobs, n);
	offload = ferry_route_offload(&w->route, len);
	measure = offload || w->copies++ % MEASURE_EVERY == 0;
	w->away = false;
	if (measure)
		t0 = rte_rdtsc();
	ret = offload ? lanes_copy(c, jobs, n) :
		cpu_copy(c->lanes[CORE].lane, jobs, n);
	/* If this thread was away, the time says nothing about the lanes: do
	 * not learn from it. */
	if (measure && !w->away)
		ferry_route_learn(&w->route, len, offload,
			(uint64_t)ticks_ns(c, rte_rdtsc() - t0));
	return ret;
}

static __rte_noinline int
devices_copy(struct ferry_copier *c, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	bool quick = true;
	uint64_t len = 0;
	uint16_t i;

	if (c->nb_open == 0)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		quick = quick && jobs[i].mode != FERRY_MODE_THROUGHPUT &&
			jobs[i].mode != FERRY_MODE_EFFICIENCY;
		len += jobs[i].len;
	}
	return quick ? quick_copy(c, jobs, n, len) : lanes_copy(c, jobs, n);
}

int
ferry_copier_copy(struct ferry_copier *c, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	if (likely(c->nb_open == 1))
		return cpu_copy(c->lanes[CORE].lane, jobs, n);
	return devices_copy(c, jobs, n);
}
