/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COPIER_WORK_H
#define COPIER_WORK_H

/*
 * The inside of a copier. copier_jobs.c cuts jobs into parts. A part is in a
 * device (copier_lanes.c) or waits for the core (copier_core.c).
 *
 *   free ─> job ──────── being handed out ──> all handed out ─> done ─> free
 *            │ waits in a list ^    │               ^ last part
 *            └─────────────────┘    v               │
 *   free ─────────────────> part: in a device ──────┤ (fails)
 *                             └────> for the core ──┘
 *
 * A job that waits is in exactly one list. A job that does not wait and has no
 * parts is done.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>

#include "ferry_copier.h"
#include "ferry_route.h"

/* Index of the calling core among the lanes. */
#define CORE FERRY_SCHED_CORE
/* The most parts in all lanes together, the core included. */
#define NB_PARTS 256
#define NB_JOBS FERRY_COPIER_MAX_JOBS
/* Stands in place of a job's or a part's index: there is none. */
#define NONE UINT16_MAX

/* A list of jobs or parts in the order in which they came. Their field next
 * links them. */
struct fifo {
	uint16_t head;
	uint16_t tail;
};

struct job {
	/* The rest: the bytes that no lane has got yet. */
	uint8_t *dst;
	const uint8_t *src;
	uint64_t left;
	/* Bytes of the whole job. */
	uint64_t len;
	uint64_t cookie;
	enum ferry_placement place;
	enum ferry_mode mode;
	/* If this is not OK, no more of the job is handed out or copied. */
	enum ferry_copy_status status;
	/* One bit per lane. never: lanes that cannot do the job. given: lanes
	 * that got some of it. */
	uint32_t never, given;
	/* How often busy lanes have refused a part since a lane took one. */
	uint16_t refused;
	uint16_t parts;
	uint16_t next;
	enum ferry_heat heat;
	/* The job is in one of the lists quick, small and bulk. */
	bool waits;
	/* The job was given to ferry_copier_copy(). */
	bool sync;
};

struct part {
	/* In a device: what the device was given. In the core's queue: what the
	 * core has not copied yet. */
	struct ferry_copy_job job;
	/* Predictions. ns: time for its bytes. ahead_ns: time of the parts that
	 * were in the lane before it. t0_ns: fixed cost. */
	double ns, ahead_ns, t0_ns;
	/* When the lane was given the part, in ticks. */
	uint64_t since;
	uint32_t batch;
	uint16_t owner;
	uint16_t next;
	uint8_t lane;
	bool used, bulk, redo, probe;
};

struct ferry_copier_work {
	/* How many jobs ferry_copier_submit() took that are not polled yet. */
	uint32_t inflight;
	/* How many jobs the running ferry_copier_copy() has left, and what it
	 * will return. */
	uint32_t sync_left;
	int sync_ret;
	uint32_t nb_free_jobs, nb_free_parts;
	/* How many parts are in devices. */
	uint32_t flying;
	/* Jobs that wait: those of latency mode (quick), small ones, bulk.
	 * done: jobs whose completion is not polled yet. */
	struct fifo quick, small, bulk, done;
	/* Parts that wait for the core. */
	struct fifo core;
	/* No waiting job can go on before a device completes a part. */
	bool stuck;
	/* Bytes of other jobs that were handed out while bulk waited. */
	uint64_t passed;
	/* The time stamp counter when it was last read. Using this value is
	 * cheap; it is late by at most one call. */
	uint64_t now;
	/* The thread did not look for completions for a while, although it only
	 * waited for them. So its process was stopped or other threads had the
	 * CPU. What it measures is then not used for learning. */
	bool away;
	/* When a small job last came. */
	uint64_t small_seen;
	/* Nanoseconds that may be lost by giving parts to stale lanes. */
	double probe_ns;
	uint32_t copies;
	struct ferry_route route;
	uint16_t free_jobs[NB_JOBS];
	uint16_t free_parts[NB_PARTS];
	struct job jobs[NB_JOBS];
	struct part parts[NB_PARTS];
};

static inline double
ticks_ns(const struct ferry_copier *c, uint64_t ticks)
{
	return (double)ticks * 1e9 / (double)c->tsc_hz;
}

static inline bool
fifo_empty(const struct fifo *f)
{
	return f->head == NONE;
}

/* copier_work.c */

struct ferry_copier_work *work_alloc(void);

void jobs_push(struct ferry_copier_work *w, struct fifo *f, uint16_t j);
uint16_t jobs_pop(struct ferry_copier_work *w, struct fifo *f);
void parts_push(struct ferry_copier_work *w, struct fifo *f, uint16_t k);
uint16_t parts_pop(struct ferry_copier_work *w, struct fifo *f);

/* Make a part of the front of a job. The part is in no lane yet. The caller has
 * checked that nb_free_parts is not 0. */
uint16_t part_take(struct ferry_copier_work *w, uint16_t j, uint64_t len);
/* Undo part_take(). */
void part_untake(struct ferry_copier_work *w, uint16_t k);
/* Free a part that is copied, or that never will be. */
void part_end(struct ferry_copier *c, uint16_t k);
/* End the job if it has no rest and no parts, and does not wait. */
void job_check(struct ferry_copier *c, uint16_t j);
/* Record that the job failed: no more of it is to be copied. */
void job_spoil(struct ferry_copier *c, uint16_t j,
		enum ferry_copy_status status);

/* copier_core.c */

/* How long the core takes for len bytes of a job, in nanoseconds. */
double core_ns(const struct ferry_copier *c, const struct job *job,
		uint64_t len);
/* Put a part into the core's queue. redo: a device has failed to copy it. */
void core_queue(struct ferry_copier *c, uint16_t k, bool redo);
/* Copy the front of a job at once, with the core. */
void core_now(struct ferry_copier *c, uint16_t j, uint64_t len);
/* Copy parts of the core's queue, at most budget bytes. Returns how much of the
 * budget is left. */
uint64_t core_run(struct ferry_copier *c, uint64_t budget);

/* copier_lanes.c */

/* Describe all lanes to the scheduler, for one job. */
void lanes_view(struct ferry_copier *c, const struct job *job,
		struct ferry_sched_lane *views);
/* Whether a device may get a job now. Ends its quarantine if that is over. */
bool lane_ready(struct ferry_copier *c, unsigned int i);
/* Give the front of a job to a device. False if the device refuses. */
bool lane_give(struct ferry_copier *c, unsigned int i, uint16_t j,
		uint64_t len, bool probe);
/* Start the parts that devices were given: see ferry_sched_flush(). */
void lanes_flush(struct ferry_copier *c, bool polled, enum ferry_mode mode);
/* Take completions from the devices. Returns how many. */
unsigned int lanes_poll(struct ferry_copier *c);
/* When the next completion is due, in nanoseconds. */
uint64_t lanes_next_ns(const struct ferry_copier *c);

/* copier_jobs.c */

/* Take a job into the table of jobs. NONE if the table is full. */
uint16_t job_take(struct ferry_copier *c, const struct ferry_copy_job *job,
		bool sync);
/* Hand out a new job, or let it wait. *budget: how many bytes the core may
 * copy. */
void job_begin(struct ferry_copier *c, uint16_t j, uint64_t *budget);
/* Poll the devices, hand out jobs that wait, and copy with the core. Returns 0
 * if none of this got any job on. */
unsigned int jobs_step(struct ferry_copier *c, uint64_t budget);

#endif /* COPIER_WORK_H */
