/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COPIER_WORK_H
#define COPIER_WORK_H

/*
 * The inside of a copier. Jobs are cut into parts (copier_jobs.c); a part is in
 * a device (copier_lanes.c) or waits for the core (copier_core.c).
 *
 *   free ─> job ──────── being handed out ──> all handed out ─> done ─> free
 *            │ waits in a list ^    │               ^ last part
 *            └─────────────────┘    v               │
 *   free ─────────────────> part: in a device ──────┤ (fails)
 *                             └────> for the core ──┘
 *
 * A job that waits is in exactly one list; one that is not waiting and has no
 * parts is done.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>

#include "ferry_copier.h"
#include "ferry_route.h"

/* Lane 0, the calling core. */
#define CORE FERRY_SCHED_CORE
/* Parts in all lanes together, the core included. */
#define NB_PARTS 256
#define NB_JOBS FERRY_COPIER_MAX_JOBS
/* No job, no part. */
#define NONE UINT16_MAX

/* Jobs or parts in the order they came, linked by their next. */
struct fifo {
	uint16_t head;
	uint16_t tail;
};

struct job {
	/* What is not handed out yet. */
	uint8_t *dst;
	const uint8_t *src;
	uint64_t left;
	/* What there was. */
	uint64_t len;
	uint64_t cookie;
	enum ferry_placement place;
	enum ferry_mode mode;
	/* Anything but OK: no more of it is handed out or copied. */
	enum ferry_copy_status status;
	/* Lanes that cannot do it, and those that got some of it. */
	uint32_t never, given;
	/* Refusals by busy lanes since one took some of it. */
	uint16_t refused;
	uint16_t parts;
	uint16_t next;
	enum ferry_heat heat;
	bool waits;
	/* Of ferry_copier_copy(). */
	bool sync;
};

struct part {
	/* What the lane was given; for the core, what is left. */
	struct ferry_copy_job job;
	/* What it takes once begun, and what was before it, as predicted. */
	double ns, ahead_ns, t0_ns;
	/* When it was given, in ticks. */
	uint64_t since;
	uint32_t batch;
	uint16_t owner;
	uint16_t next;
	uint8_t lane;
	bool used, bulk, redo, probe;
};

struct ferry_copier_work {
	/* Jobs not yet polled of ferry_copier_submit(). */
	uint32_t inflight;
	/* Jobs of the ferry_copier_copy() under way, and its result. */
	uint32_t sync_left;
	int sync_ret;
	uint32_t nb_free_jobs, nb_free_parts;
	/* Parts in devices. */
	uint32_t flying;
	/* Jobs of latency mode, small ones, bulk; each waits. Done ones. */
	struct fifo quick, small, bulk, done;
	/* Parts for the core. */
	struct fifo core;
	/* Whatever waits, waits for a completion. */
	bool stuck;
	/* Bytes of others handed out while bulk waited. */
	uint64_t passed;
	/* The clock when it was last read: cheap, late by a call at most. */
	uint64_t now;
	/* The thread did not look for a while, though it had nothing else to
	 * do: what it measured meanwhile is not to be learned from. */
	bool away;
	/* When a small job last came. */
	uint64_t small_seen;
	/* What asking slow lanes may cost. */
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

/* A part of a job's front, not yet anywhere; there must be a free one. */
uint16_t part_take(struct ferry_copier_work *w, uint16_t j, uint64_t len);
/* Undo that. */
void part_untake(struct ferry_copier_work *w, uint16_t k);
/* The part is copied, or never will be. */
void part_end(struct ferry_copier *c, uint16_t k);
/* End the job if nothing of it is left. */
void job_check(struct ferry_copier *c, uint16_t j);
/* Nothing more of it is to be copied. */
void job_spoil(struct ferry_copier *c, uint16_t j,
		enum ferry_copy_status status);

/* copier_core.c */

/* What the core takes for so many bytes of a job. */
double core_ns(const struct ferry_copier *c, const struct job *job,
		uint64_t len);
/* Put a part in the core's queue. */
void core_queue(struct ferry_copier *c, uint16_t k, bool redo);
/* Copy the front of a job here and now. */
void core_now(struct ferry_copier *c, uint16_t j, uint64_t len);
/* Work off the core's queue, up to so many bytes; what remains of these. */
uint64_t core_run(struct ferry_copier *c, uint64_t budget);

/* copier_lanes.c */

/* What the scheduler is to know of all lanes for a job. */
void lanes_view(struct ferry_copier *c, const struct job *job,
		struct ferry_sched_lane *views);
/* Whether a device may get jobs; one whose quarantine is over may. */
bool lane_ready(struct ferry_copier *c, unsigned int i);
/* Give the front of a job to a device. False if that refuses. */
bool lane_give(struct ferry_copier *c, unsigned int i, uint16_t j,
		uint64_t len, bool probe);
/* Start what devices were given, all of it or as the policy says. */
void lanes_flush(struct ferry_copier *c, bool polled, enum ferry_mode mode);
/* Take completions: how many. */
unsigned int lanes_poll(struct ferry_copier *c);
/* When the next completion is due, in nanoseconds. */
uint64_t lanes_next_ns(const struct ferry_copier *c);

/* copier_jobs.c */

/* Take a job in; NONE if there is no room. Then begin with it. */
uint16_t job_take(struct ferry_copier *c, const struct ferry_copy_job *job,
		bool sync);
void job_begin(struct ferry_copier *c, uint16_t j, uint64_t *budget);
/* Let everything get on. Returns completions and handed out parts. */
unsigned int jobs_step(struct ferry_copier *c, uint64_t budget);

#endif /* COPIER_WORK_H */
