/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "copier_work.h"

/* Shorter copies are not measured, because reading the clock takes as long. */
#define MEASURE_MIN 4096

static struct ferry_lane_model *
core_model(const struct ferry_copier *c, const struct job *job)
{
	return &c->lanes[CORE].lane->cost[job->place][job->heat];
}

double
core_ns(const struct ferry_copier *c, const struct job *job, uint64_t len)
{
	return (double)len / core_model(c, job)->bytes_per_ns;
}

static void
core_left(struct ferry_copier *c, const struct part *part, uint64_t len)
{
	struct ferry_copier_lane *core = &c->lanes[CORE];

	core->queue_ns -= core_ns(c, &c->work->jobs[part->owner], len);
	if (part->bulk)
		core->bulk -= len;
	/* Start from 0 again, so that rounding errors and changes of the model
	 * do not add up. */
	if (core->parts == 0 || core->queue_ns < 0)
		core->queue_ns = 0;
}

void
core_queue(struct ferry_copier *c, uint16_t k, bool redo)
{
	struct ferry_copier_lane *core = &c->lanes[CORE];
	struct ferry_copier_work *w = c->work;
	struct part *part = &w->parts[k];

	part->lane = CORE;
	part->redo = redo;
	part->bulk = ferry_sched_is_bulk(&c->tune.policy,
		w->jobs[part->owner].len);
	core->queue_ns += core_ns(c, &w->jobs[part->owner], part->job.len);
	if (part->bulk)
		core->bulk += part->job.len;
	core->parts++;
	parts_push(w, &w->core, k);
}

/* Copy with the core. If the core refuses, the job fails, because there is no
 * other lane left to try; returns false. */
static bool
core_copy(struct ferry_copier *c, uint16_t j, const struct ferry_copy_job *copy)
{
	struct ferry_lane *cpu = c->lanes[CORE].lane;
	struct job *job = &c->work->jobs[j];
	struct ferry_learn_sample sample = { .len = copy->len };
	bool measure = c->tune.learn && copy->len >= MEASURE_MIN;
	uint64_t t0 = measure ? rte_rdtsc() : 0;

	if (unlikely(cpu->drv->copy(cpu, copy, 1) != 1)) {
		job_spoil(c, j, FERRY_COPY_E_DEVICE);
		return false;
	}
	if (measure) {
		sample.ns = ticks_ns(c, rte_rdtsc() - t0);
		ferry_learn(&c->lanes[CORE].learn[job->place][job->heat],
			core_model(c, job), &sample);
	}
	return true;
}

void
core_now(struct ferry_copier *c, uint16_t j, uint64_t len)
{
	struct job *job = &c->work->jobs[j];
	struct ferry_copy_job copy = {
		.dst = job->dst, .src = job->src, .len = len,
		.place = job->place, .mode = job->mode,
	};

	core_copy(c, j, &copy);
}

uint64_t
core_run(struct ferry_copier *c, uint64_t budget)
{
	struct ferry_copier_work *w = c->work;

	while (budget > 0 && !fifo_empty(&w->core)) {
		struct part *part = &w->parts[w->core.head];
		struct ferry_copy_job copy = part->job;
		uint16_t j = part->owner;
		bool good = w->jobs[j].status == FERRY_COPY_OK;

		copy.len = RTE_MIN(copy.len, budget);
		if (good)
			good = core_copy(c, j, &copy);
		if (good) {
			budget -= copy.len;
			if (part->redo)
				c->stats.redone_bytes += copy.len;
		} else {
			/* The job has failed: end the whole part. */
			copy.len = part->job.len;
		}
		part->job.dst = RTE_PTR_ADD(part->job.dst, copy.len);
		part->job.src = (const uint8_t *)part->job.src + copy.len;
		part->job.len -= copy.len;
		if (part->job.len == 0)
			c->lanes[CORE].parts--;
		core_left(c, part, copy.len);
		if (part->job.len == 0)
			part_end(c, parts_pop(w, &w->core));
	}
	return budget;
}
