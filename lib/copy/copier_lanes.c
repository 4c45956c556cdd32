/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include <rte_bitops.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_log.h>

#include "copier_work.h"
#include "ferry_lane.h"

/* The most completions taken from a lane in one poll. The number is bounded, so
 * that a lane with many completions does not keep other work waiting. It is not
 * smaller, because a bound of 32 costs throughput. */
#define BITE 128
/* Upper bound of a time limit, so that it is finite whatever the model says:
 * 1000 s. */
#define TIME_MAX_NS 1e12
/* If nothing was learned of a lane for so long, the lane may have changed. */
#define STALE_NS 100e6
/* A busy lane may refuse a job because it has no room or because it cannot do
 * the job. After so many refusals, the copier assumes that it cannot. */
#define REFUSALS 8

RTE_LOG_REGISTER(ferry_copy_logtype, ferry.copy, NOTICE);

#define LOG(c, i, fmt, ...) \
	rte_log(RTE_LOG_NOTICE, ferry_copy_logtype, "FERRY: lane %u (%s) " fmt \
		"\n", i, ferry_copier_lane(c, i)->info.name, ##__VA_ARGS__)

static uint64_t
now_ns(const struct ferry_copier *c)
{
	return (uint64_t)ticks_ns(c, rte_rdtsc());
}

bool
lane_ready(struct ferry_copier *c, unsigned int i)
{
	struct ferry_health *h = &c->lanes[i].health;

	if (h->state == FERRY_HEALTH_QUARANTINED &&
			ferry_health_tick(h, now_ns(c)))
		c->stats.probations++;
	/* On probation, a lane that has its one job is not usable: no job waits
	 * for it. */
	return c->lanes[i].parts < ferry_health_allows(h);
}

void
lanes_view(struct ferry_copier *c, const struct job *job,
		struct ferry_sched_lane *views)
{
	unsigned int i;

	for (i = 0; i < c->nb_lanes; i++) {
		struct ferry_copier_lane *l = &c->lanes[i];
		struct ferry_sched_lane *view = &views[i];
		const struct ferry_lane *lane = l->lane;

		view->usable = lane != NULL && !(job->never & RTE_BIT32(i)) &&
			lane_ready(c, i);
		if (!view->usable)
			continue;
		view->model = lane->cost[job->place][job->heat];
		view->queue_ns = l->queue_ns;
		view->bulk = l->bulk;
		view->max_job = lane->info.max_job;
		view->room = l->full || lane->inflight >= lane->info.depth ? 0 :
			RTE_MIN(lane->info.depth - lane->inflight,
				c->work->nb_free_parts);
		view->stale = l->parts == 0 && c->tune.learn &&
			ticks_ns(c, c->work->now - l->sampled) > STALE_NS;
	}
}

/* How long a lane may complete nothing, in ticks. predicted_ns: time predicted
 * for the parts in it. */
static uint64_t
patience(const struct ferry_copier *c, double predicted_ns, double grace_ns)
{
	double ns = grace_ns + c->tune.hang_factor * predicted_ns;

	if (!(ns < TIME_MAX_NS))
		ns = TIME_MAX_NS;
	return (uint64_t)(ns * 1e-9 * (double)c->tsc_hz);
}

bool
lane_give(struct ferry_copier *c, unsigned int i, uint16_t j, uint64_t len,
		bool probe)
{
	struct ferry_copier_lane *l = &c->lanes[i];
	struct ferry_copier_work *w = c->work;
	struct job *job = &w->jobs[j];
	uint16_t k = part_take(w, j, len);
	struct part *part = &w->parts[k];
	const struct ferry_lane_model *model =
		&l->lane->cost[job->place][job->heat];

	if (ferry_lane_submit(l->lane, &part->job, 1) != 1) {
		part_untake(w, k);
		/* A lane without parts has room. So if it refuses, it cannot do
		 * the job. After REFUSALS refusals, a busy lane counts as
		 * unable, too. */
		if (l->parts == 0 || ++job->refused >= REFUSALS)
			job->never |= RTE_BIT32(i);
		else
			l->full = true;
		return false;
	}
	part->lane = i;
	part->probe = probe;
	part->t0_ns = model->t0_ns;
	part->ns = (double)len / model->bytes_per_ns;
	part->ahead_ns = l->queue_ns;
	part->since = w->now = rte_rdtsc();
	part->batch = l->batch;
	part->bulk = ferry_sched_is_bulk(&c->tune.policy, job->len);
	if (part->bulk)
		l->bulk += len;
	l->queue_ns += part->ns;
	l->t0_ns = RTE_MAX(l->t0_ns, part->t0_ns);
	l->parts++;
	job->refused = 0;
	w->flying++;
	/* If the lane's time limit runs, extend it by the time for this
	 * part. */
	if (l->silent.limit != 0)
		l->silent.limit += patience(c, part->t0_ns + part->ns, 0);
	if (l->unflushed++ == 0)
		l->unflushed_since = part->since;
	job->given |= RTE_BIT32(i);
	if (l->unflushed >= c->tune.policy.batch) {
		ferry_lane_flush(l->lane);
		l->unflushed = 0;
		l->batch++;
	}
	return true;
}

void
lanes_flush(struct ferry_copier *c, bool polled, enum ferry_mode mode)
{
	unsigned int i;

	for (i = CORE + 1; i < c->nb_lanes; i++) {
		struct ferry_copier_lane *l = &c->lanes[i];
		uint64_t age_ns = 0;

		if (l->unflushed == 0)
			continue;
		if (!polled)
			age_ns = (uint64_t)ticks_ns(c,
				c->work->now - l->unflushed_since);
		if (!ferry_sched_flush(&c->tune.policy, l->unflushed, age_ns,
				mode, polled))
			continue;
		ferry_lane_flush(l->lane);
		l->unflushed = 0;
		l->batch++;
	}
}

/* Record that a part is no longer in its device. */
static void
part_leaves(struct ferry_copier *c, uint16_t k)
{
	struct part *part = &c->work->parts[k];
	struct ferry_copier_lane *l = &c->lanes[part->lane];

	l->parts--;
	c->work->flying--;
	l->queue_ns -= part->ns;
	if (part->bulk)
		l->bulk -= part->job.len;
	/* Set the sums to 0, because sums of fractions need not return to
	 * exactly 0. */
	if (l->parts == 0)
		l->t0_ns = 0;
	if (l->parts == 0 || l->queue_ns < 0)
		l->queue_ns = 0;
	l->full = false;
}

/* A device has left a part unfinished, after "good" bytes. The core copies the
 * rest, unless the job has failed: then no lane may copy more of it. */
static void
redo(struct ferry_copier *c, uint16_t k, uint64_t good)
{
	struct part *part = &c->work->parts[k];

	if (good >= part->job.len ||
			c->work->jobs[part->owner].status != FERRY_COPY_OK) {
		part_end(c, k);
		return;
	}
	part->job.dst = RTE_PTR_ADD(part->job.dst, good);
	part->job.src = (const uint8_t *)part->job.src + good;
	part->job.len -= good;
	core_queue(c, k, true);
}

static void
learn(struct ferry_copier *c, const struct part *part, uint64_t now,
		uint64_t before)
{
	struct ferry_copier_lane *l = &c->lanes[part->lane];
	const struct job *job = &c->work->jobs[part->owner];
	struct ferry_learn_sample sample = {
		.len = part->job.len,
		.ahead_ns = part->ahead_ns,
		.ns = ticks_ns(c, now - part->since),
		/* The part was not done when the lane was polled before. */
		.slack_ns = ticks_ns(c, now - RTE_MAX(before, part->since)),
	};

	/*
	 * A probe may take even longer than predicted. The excess was lost,
	 * too, but not the time since this thread last polled the lane.
	 * ahead_ns is left out, because a probe goes only to a lane without
	 * parts.
	 */
	if (part->probe)
		c->work->probe_ns -= RTE_MAX(0.0, sample.ns - sample.slack_ns -
			part->t0_ns - part->ns);
	ferry_learn(&l->learn[job->place][job->heat],
		&l->lane->cost[job->place][job->heat], &sample);
	/* streak < 0: the lane is faster than predicted. Then leave it stale,
	 * so that it is probed again soon. */
	if (l->learn[job->place][job->heat].streak >= 0)
		l->sampled = now;
}

static void
part_failed(struct ferry_copier *c, uint16_t k,
		const struct ferry_copy_done *done)
{
	const struct part *part = &c->work->parts[k];
	unsigned int i = part->lane;
	struct ferry_health *h = &c->lanes[i].health;

	if (ferry_health_error(h, now_ns(c), done->status ==
			FERRY_COPY_E_ABORTED, part->batch)) {
		c->stats.quarantines++;
		LOG(c, i, "fails: quarantined for %u ms",
			(unsigned int)(h->quarantine_ns / 1000000));
	}
}

static void
part_good(struct ferry_copier *c, unsigned int i)
{
	struct ferry_health *h = &c->lanes[i].health;

	if (likely(h->state == FERRY_HEALTH_USED)) {
		ferry_health_good(h, 0);
	} else if (ferry_health_good(h, now_ns(c))) {
		c->stats.returns++;
		LOG(c, i, "works again");
	}
}

/* Close a lane that does not answer, and redo its parts. */
static int
drop(struct ferry_copier *c, unsigned int i)
{
	struct ferry_copier_lane *l = &c->lanes[i];
	struct ferry_copier_work *w = c->work;
	int ret;
	uint16_t k;

	l->last.info = l->lane->info;
	l->last.stats = l->lane->stats;
	l->last.stats.errors += l->parts;
	/* Closing the lane stops the device. Until then, the device may still
	 * write destinations. */
	ret = ferry_lane_close(l->lane);
	l->lane = NULL;
	l->unflushed = 0;
	ferry_health_hung(&l->health);
	c->nb_open--;
	c->stats.drops++;
	LOG(c, i, "does not answer: %s", ret == 0 ? "closed" :
		"closed, but cannot be stopped");
	for (k = 0; k < NB_PARTS; k++) {
		if (!w->parts[k].used || w->parts[k].lane != i)
			continue;
		part_leaves(c, k);
		if (ret != 0)
			job_spoil(c, w->parts[k].owner, FERRY_COPY_E_UNSAFE);
		redo(c, k, 0);
	}
	return ret;
}

int
ferry_copier_drop(struct ferry_copier *copier, unsigned int i)
{
	if (copier == NULL || i == CORE || i >= copier->nb_lanes ||
			copier->lanes[i].lane == NULL)
		return -EINVAL;
	return drop(copier, i);
}

/* Whether a lane has completed nothing for too long. now: when it was polled,
 * in vain. */
static bool
is_hung(const struct ferry_copier *c, struct ferry_copier_lane *l, uint64_t now)
{
	if (l->silent.limit != 0)
		return ferry_watch_over(&l->silent, now);
	ferry_watch_begin(&l->silent, now, patience(c, l->t0_ns + l->queue_ns,
		c->tune.hang_grace_ns));
	return false;
}

static bool
is_part_of(const struct ferry_copier *c, uint64_t k, unsigned int i)
{
	return k < NB_PARTS && c->work->parts[k].used &&
		c->work->parts[k].lane == i;
}

static unsigned int
lane_poll(struct ferry_copier *c, unsigned int i)
{
	struct ferry_copier_lane *l = &c->lanes[i];
	struct ferry_copy_done done[BITE];
	/* Read the clock before the poll, because this thread may be stopped
	 * between the two. */
	uint64_t now = rte_rdtsc();
	unsigned int mine = 0;
	uint16_t got, n;

	got = ferry_lane_poll(l->lane, done, BITE);
	for (n = 0; n < got; n++) {
		uint64_t k = done[n].cookie;

		/* A faulty driver must not complete the part of another
		 * lane. */
		if (!is_part_of(c, k, i))
			continue;
		mine++;
		part_leaves(c, k);
		if (likely(done[n].status == FERRY_COPY_OK)) {
			part_good(c, i);
			/* Learn only from the first completion, because the
			 * other parts may have ended earlier than now. */
			if (c->tune.learn && (mine == 1 ||
					c->work->parts[k].probe))
				learn(c, &c->work->parts[k], now, l->polled);
			part_end(c, k);
		} else {
			part_failed(c, k, &done[n]);
			redo(c, k, done[n].bytes);
		}
	}
	l->polled = now;
	if (mine > 0)
		l->silent.limit = 0;
	else if (is_hung(c, l, now))
		drop(c, i);
	return mine;
}

unsigned int
lanes_poll(struct ferry_copier *c)
{
	unsigned int i, mine = 0;

	for (i = CORE + 1; i < c->nb_lanes; i++)
		if (c->lanes[i].parts > 0)
			mine += lane_poll(c, i);
	return mine;
}

uint64_t
lanes_next_ns(const struct ferry_copier *c)
{
	uint64_t now = rte_rdtsc(), next = UINT64_MAX, k;

	for (k = 0; k < NB_PARTS; k++) {
		const struct part *part = &c->work->parts[k];

		if (!part->used || part->lane == CORE)
			continue;
		next = RTE_MIN(next, ferry_sched_look(&c->tune.policy,
			part->t0_ns + part->ahead_ns + part->ns,
			(uint64_t)ticks_ns(c, now - part->since)));
	}
	return next;
}
