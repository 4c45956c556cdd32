/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>

#include <rte_common.h>

#include "copier_work.h"

static const struct fifo empty = { NONE, NONE };

struct ferry_copier_work *
work_alloc(void)
{
	struct ferry_copier_work *w = calloc(1, sizeof(*w));
	uint16_t i;

	if (w == NULL)
		return NULL;
	w->quick = w->small = w->bulk = w->done = w->core = empty;
	/* Low indices are taken first, because the structs of low indices share
	 * pages and cache lines. */
	for (i = 0; i < NB_JOBS; i++)
		w->free_jobs[i] = NB_JOBS - 1 - i;
	for (i = 0; i < NB_PARTS; i++)
		w->free_parts[i] = NB_PARTS - 1 - i;
	w->nb_free_jobs = NB_JOBS;
	w->nb_free_parts = NB_PARTS;
	ferry_route_init(&w->route);
	return w;
}

void
jobs_push(struct ferry_copier_work *w, struct fifo *f, uint16_t j)
{
	w->jobs[j].next = NONE;
	if (fifo_empty(f))
		f->head = j;
	else
		w->jobs[f->tail].next = j;
	f->tail = j;
}

uint16_t
jobs_pop(struct ferry_copier_work *w, struct fifo *f)
{
	uint16_t j = f->head;

	f->head = w->jobs[j].next;
	return j;
}

void
parts_push(struct ferry_copier_work *w, struct fifo *f, uint16_t k)
{
	w->parts[k].next = NONE;
	if (fifo_empty(f))
		f->head = k;
	else
		w->parts[f->tail].next = k;
	f->tail = k;
}

uint16_t
parts_pop(struct ferry_copier_work *w, struct fifo *f)
{
	uint16_t k = f->head;

	f->head = w->parts[k].next;
	return k;
}

uint16_t
part_take(struct ferry_copier_work *w, uint16_t j, uint64_t len)
{
	uint16_t k = w->free_parts[--w->nb_free_parts];
	struct job *job = &w->jobs[j];
	struct part *part = &w->parts[k];

	part->job.dst = job->dst;
	part->job.src = job->src;
	part->job.len = len;
	part->job.cookie = k;
	part->job.place = job->place;
	part->job.mode = job->mode;
	part->owner = j;
	part->used = true;
	part->redo = false;
	job->parts++;
	return k;
}

void
part_untake(struct ferry_copier_work *w, uint16_t k)
{
	w->parts[k].used = false;
	w->jobs[w->parts[k].owner].parts--;
	w->free_parts[w->nb_free_parts++] = k;
}

void
part_end(struct ferry_copier *c, uint16_t k)
{
	uint16_t j = c->work->parts[k].owner;

	part_untake(c->work, k);
	job_check(c, j);
}

static void
job_free(struct ferry_copier_work *w, uint16_t j)
{
	w->free_jobs[w->nb_free_jobs++] = j;
}

void
job_check(struct ferry_copier *c, uint16_t j)
{
	struct ferry_copier_work *w = c->work;
	struct job *job = &w->jobs[j];

	if (job->left > 0 || job->parts > 0 || job->waits)
		return;
	if ((job->given & (job->given - 1)) != 0)
		c->stats.splits++;
	if (job->status == FERRY_COPY_E_UNSAFE)
		c->stats.unsafe++;
	if (job->sync) {
		w->sync_left--;
		job->sync = false;
		job_free(w, j);
	} else {
		jobs_push(w, &w->done, j);
	}
}

void
job_spoil(struct ferry_copier *c, uint16_t j, enum ferry_copy_status status)
{
	struct ferry_copier_work *w = c->work;
	uint16_t i;

	w->jobs[j].left = 0;
	if (w->jobs[j].status != FERRY_COPY_E_UNSAFE)
		w->jobs[j].status = status;
	if (!w->jobs[j].sync)
		return;
	/* One job of the ferry_copier_copy() has failed, so the whole call
	 * fails: abort its other jobs. */
	w->sync_ret = -EIO;
	for (i = 0; i < NB_JOBS; i++) {
		struct job *job = &w->jobs[i];

		if (!job->sync || job->status != FERRY_COPY_OK)
			continue;
		job->left = 0;
		job->status = FERRY_COPY_E_ABORTED;
		job_check(c, i);
	}
}
