/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_bitops.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "copier_work.h"

/* PROBE_SHARE: the part of the copying time that may be lost by giving parts to
 * stale lanes. PROBE_MAX_NS: the most time that may be saved up for that. */
#define PROBE_SHARE 0.01
#define PROBE_MAX_NS 1e8
/*
 * If a thread that only looks for completions does not look for more ticks than
 * this, a millisecond or two, its process was stopped or other threads had the
 * CPU.
 */
#define GAP_TICKS (UINT64_C(1) << 22)
/* The scheduler expects more small jobs if one came so recently. */
#define SMALL_NS 100e3

uint16_t
job_take(struct ferry_copier *c, const struct ferry_copy_job *copy, bool sync)
{
	struct ferry_copier_work *w = c->work;
	struct job *job;
	uint16_t j;

	if (w->nb_free_jobs == 0)
		return NONE;
	j = w->free_jobs[--w->nb_free_jobs];
	job = &w->jobs[j];
	job->dst = copy->dst;
	job->src = copy->src;
	job->left = job->len = copy->len;
	job->cookie = copy->cookie;
	job->place = copy->place;
	job->mode = copy->mode;
	job->status = FERRY_COPY_OK;
	job->never = job->given = 0;
	job->refused = 0;
	job->parts = 0;
	job->waits = false;
	job->sync = sync;
	job->heat = copy->len <= c->tune.hot_max ? FERRY_HEAT_HOT :
		FERRY_HEAT_COLD;
	if (sync)
		w->sync_left++;
	else
		w->inflight++;
	/* The core would refuse an unknown placement, so fail the job now. */
	if ((unsigned int)job->place >= FERRY_PLACES) {
		job->place = FERRY_PLACE_AUTO;
		job_spoil(c, j, FERRY_COPY_E_DEVICE);
	}
	return j;
}

/* Give the front of a job to the core. False: the core cannot take it now. */
static bool
give_core(struct ferry_copier *c, uint16_t j,
		const struct ferry_sched_part *part, uint64_t *budget)
{
	struct ferry_copier_work *w = c->work;
	bool small = part->why == FERRY_SCHED_TINY ||
		part->why == FERRY_SCHED_RAGGED;

	if (!small)
		w->jobs[j].given |= RTE_BIT32(CORE);
	/* Tiny parts are copied at once. Other parts wait in the core's queue
	 * until the devices have their parts, unless no part is free. */
	if (part->len <= *budget && (small || w->nb_free_parts == 0)) {
		core_now(c, j, part->len);
		*budget -= part->len;
		return true;
	}
	if (w->nb_free_parts == 0)
		return false;
	core_queue(c, part_take(w, j, part->len), false);
	return true;
}

static bool
small_about(const struct ferry_copier *c)
{
	const struct ferry_copier_work *w = c->work;

	return !fifo_empty(&w->small) || (w->small_seen != 0 &&
		ticks_ns(c, w->now - w->small_seen) < SMALL_NS);
}

/* Account for a part: a part of its time goes into probe_ns, and the predicted
 * loss of a probe is taken from probe_ns. */
static void
account(struct ferry_copier *c, const struct ferry_sched_part *part,
		const struct ferry_sched_lane *lane)
{
	struct ferry_copier_work *w = c->work;

	if (part->why == FERRY_SCHED_PROBE) {
		w->probe_ns -= part->loss_ns;
		c->stats.probes++;
		return;
	}
	w->probe_ns += PROBE_SHARE * (double)part->len /
		lane->model.bytes_per_ns;
	w->probe_ns = RTE_MIN(w->probe_ns, PROBE_MAX_NS);
}

/* The list in which a job waits. */
static struct fifo *
line_of(struct ferry_copier *c, const struct job *job)
{
	struct ferry_copier_work *w = c->work;

	if (job->mode != FERRY_MODE_THROUGHPUT &&
			job->mode != FERRY_MODE_EFFICIENCY)
		return &w->quick;
	return ferry_sched_is_bulk(&c->tune.policy, job->len) ?
		&w->bulk : &w->small;
}

/* Hand out the rest of a job. False if some of it must wait. */
static bool
hand_out(struct ferry_copier *c, uint16_t j, uint64_t *budget)
{
	struct ferry_sched_lane views[FERRY_COPIER_MAX_LANES];
	struct ferry_copier_work *w = c->work;
	struct job *job = &w->jobs[j];
	bool bulk = ferry_sched_is_bulk(&c->tune.policy, job->len);
	struct ferry_sched_wait wait = {
		.small = bulk && small_about(c),
		.probe_ns = c->tune.learn ? w->probe_ns : 0,
	};

	while (job->left > 0) {
		const struct ferry_sched_job rest = {
			.dst = (uintptr_t)job->dst, .len = job->left,
			.whole = job->len, .mode = job->mode,
		};
		struct ferry_sched_part part;

		lanes_view(c, job, views);
		part = ferry_sched_next(&c->tune.policy, &rest, views,
			c->nb_lanes, &wait);
		if (part.lane < 0)
			return false;
		if (part.lane != CORE) {
			if (!lane_give(c, (unsigned int)part.lane, j, part.len,
					part.why == FERRY_SCHED_PROBE))
				continue;
		} else if (!give_core(c, j, &part, budget)) {
			return false;
		}
		/* The core may have refused the part: then the job has
		 * failed. */
		if (job->status != FERRY_COPY_OK)
			break;
		if (c->tune.learn) {
			account(c, &part, &views[part.lane]);
			wait.probe_ns = w->probe_ns;
		}
		job->dst += part.len;
		job->src += part.len;
		job->left -= part.len;
		/* passed only counts bytes that devices get, because the lists
		 * take turns at the devices. */
		if (part.lane == CORE || fifo_empty(&w->bulk))
			continue;
		if (line_of(c, job) == &w->bulk)
			w->passed = 0;
		else
			w->passed += part.len;
	}
	return true;
}

/* Whether a job that has just come must wait in its list. */
static bool
must_wait(struct ferry_copier *c, const struct job *job,
		const struct fifo *line)
{
	struct ferry_copier_work *w = c->work;

	if (!fifo_empty(line))
		return true;
	/* A small job waits, too, if it is the turn of bulk. */
	return line == &w->small && ferry_sched_turn(&c->tune.policy,
		job->left > 0, !fifo_empty(&w->bulk), w->passed) ==
		FERRY_SCHED_TURN_BULK;
}

void
job_begin(struct ferry_copier *c, uint16_t j, uint64_t *budget)
{
	struct ferry_copier_work *w = c->work;
	struct job *job = &w->jobs[j];
	struct fifo *line = line_of(c, job);

	if (line == &w->small)
		w->small_seen = w->now;
	if (!must_wait(c, job, line)) {
		if (hand_out(c, j, budget)) {
			job_check(c, j);
			return;
		}
		w->stuck = true;
	}
	c->stats.queued++;
	job->waits = true;
	if (line == &w->bulk && fifo_empty(line))
		w->passed = 0;
	jobs_push(w, line, j);
}

/* Hand out the first job of a list. Returns 1; or 0 with *blocked set if some
 * of the job must wait. */
static unsigned int
serve_one(struct ferry_copier *c, struct fifo *line, uint64_t *budget,
		bool *blocked)
{
	struct ferry_copier_work *w = c->work;
	uint16_t j = line->head;

	if (!hand_out(c, j, budget)) {
		*blocked = true;
		return 0;
	}
	jobs_pop(w, line);
	w->jobs[j].waits = false;
	job_check(c, j);
	return 1;
}

static bool
waits(const struct fifo *line, bool blocked)
{
	return !blocked && !fifo_empty(line);
}

static unsigned int
serve(struct ferry_copier *c, uint64_t *budget)
{
	bool quick_blocked = false, small_blocked = false, bulk_blocked = false;
	struct ferry_copier_work *w = c->work;
	unsigned int served = 0;

	for (;;) {
		bool quick = waits(&w->quick, quick_blocked);

		switch (ferry_sched_turn(&c->tune.policy,
				quick || waits(&w->small, small_blocked),
				waits(&w->bulk, bulk_blocked), w->passed)) {
		case FERRY_SCHED_TURN_BULK:
			served += serve_one(c, &w->bulk, budget, &bulk_blocked);
			break;
		case FERRY_SCHED_TURN_SMALL:
			if (quick)
				served += serve_one(c, &w->quick, budget,
					&quick_blocked);
			else
				served += serve_one(c, &w->small, budget,
					&small_blocked);
			break;
		default:
			w->stuck = quick_blocked || small_blocked ||
				bulk_blocked;
			return served;
		}
	}
}

unsigned int
jobs_step(struct ferry_copier *c, uint64_t budget)
{
	struct ferry_copier_work *w = c->work;
	uint64_t left = budget, now = rte_rdtsc();
	unsigned int did;

	if (unlikely(now - w->now > GAP_TICKS))
		w->away = true;
	w->now = now;
	lanes_flush(c, true, FERRY_MODE_LATENCY);
	did = lanes_poll(c);
	if (!fifo_empty(&w->quick) || !fifo_empty(&w->small) ||
			!fifo_empty(&w->bulk))
		did += serve(c, &left);
	lanes_flush(c, true, FERRY_MODE_LATENCY);
	left = core_run(c, left);
	return did + (left < budget);
}

uint16_t
ferry_copier_submit(struct ferry_copier *c, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	struct ferry_copier_work *w = c->work;
	uint64_t budget = FERRY_COPIER_CHUNK;
	uint16_t i;

	if (w == NULL)
		return 0;
	w->now = rte_rdtsc();
	for (i = 0; i < n; i++) {
		uint16_t j = job_take(c, &jobs[i], false);

		if (j == NONE)
			break;
		job_begin(c, j, &budget);
		if (w->flying > 0)
			lanes_flush(c, false, jobs[i].mode);
	}
	/* Start the devices before the core copies, so that they work at the
	 * same time. */
	if (w->flying > 0 && !fifo_empty(&w->core))
		lanes_flush(c, true, FERRY_MODE_LATENCY);
	core_run(c, budget);
	return i;
}

uint16_t
ferry_copier_poll(struct ferry_copier *c, struct ferry_copy_done *done,
		uint16_t n)
{
	struct ferry_copier_work *w = c->work;
	uint16_t i;

	if (w == NULL)
		return 0;
	/* Skip the step if no part is in a lane and no job waits: then all jobs
	 * in flight are done. */
	if (w->nb_free_parts < NB_PARTS || !fifo_empty(&w->quick) ||
			!fifo_empty(&w->small) || !fifo_empty(&w->bulk))
		jobs_step(c, FERRY_COPIER_CHUNK);
	for (i = 0; i < n && !fifo_empty(&w->done); i++) {
		uint16_t j = jobs_pop(w, &w->done);
		const struct job *job = &w->jobs[j];

		done[i].cookie = job->cookie;
		done[i].status = job->status;
		done[i].bytes = job->status == FERRY_COPY_OK ? job->len : 0;
		w->free_jobs[w->nb_free_jobs++] = j;
	}
	w->inflight -= i;
	return i;
}

uint32_t
ferry_copier_inflight(const struct ferry_copier *c)
{
	return c->work == NULL ? 0 : c->work->inflight;
}

uint64_t
ferry_copier_next_ns(const struct ferry_copier *c)
{
	const struct ferry_copier_work *w = c->work;
	unsigned int i;

	if (w == NULL || w->inflight == 0)
		return UINT64_MAX;
	if (!fifo_empty(&w->done) || !fifo_empty(&w->core))
		return 0;
	for (i = CORE + 1; i < c->nb_lanes; i++)
		if (c->lanes[i].unflushed > 0)
			return 0;
	if (w->flying == 0 || (!w->stuck && (!fifo_empty(&w->quick) ||
			!fifo_empty(&w->small) || !fifo_empty(&w->bulk))))
		return 0;
	return lanes_next_ns(c);
}
