/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COPIER_H
#define FERRY_COPIER_H

/**
 * @file
 * A copier: the lanes one thread may copy with, and the scheduler, as one
 * handle.
 *
 * Lane 0 is always the calling core. The others are devices, each of which may
 * refuse, fail or hang; whatever happens to them, a job completes with every
 * byte where it belongs:
 *
 *  - a job a lane refuses goes to the next best lane, at last to the core;
 *  - a job that fails is finished by the core, from the bytes known done;
 *  - a lane that fails again and again is left alone for a while, and then
 *    tried with one job at a time: see ferry_health.h;
 *  - a lane that stops answering is closed, which stops its device; only then
 *    does the core redo what was in it. If the device cannot be stopped, its
 *    jobs end with #FERRY_COPY_E_UNSAFE, and nobody touches their destinations.
 *
 * Jobs are copied while one waits (ferry_copier_copy()), or behind one's back:
 *
 *     submit ──> job ──> parts in lanes ──poll──> completion
 *                 └─────> part for the core ──poll──┘
 *
 * Then nothing happens but in ferry_copier_submit() and ferry_copier_poll(),
 * neither of which copies more than #FERRY_COPIER_CHUNK bytes with the core, or
 * waits for anything. Both ways may be mixed.
 *
 * Thread-safety: a copier and its lanes belong to one thread at a time.
 * Counters may be read from any thread; then values may be stale.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_copier_info.h"
#include "ferry_copy_driver.h"
#include "ferry_health.h"
#include "ferry_learn.h"
#include "ferry_sched.h"
#include "ferry_watch.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Most lanes of a copier, the core's own included. */
#define FERRY_COPIER_MAX_LANES FERRY_SCHED_MAX_LANES
/** Most jobs in a copier that ferry_copier_submit() took. */
#define FERRY_COPIER_MAX_JOBS 256
/** The core copies so many bytes before it looks after the devices again. */
#define FERRY_COPIER_CHUNK UINT64_C(65536)

struct ferry_copier_work;

/** One lane of a copier. */
struct ferry_copier_lane {
	/** The open lane; NULL once dropped. */
	struct ferry_lane *lane;
	/** Whether it gets jobs. */
	struct ferry_health health;
	/** Parts in it. */
	uint32_t parts;
	/** Parts of these it was not told to start. */
	uint32_t unflushed;
	/** Times it was told. */
	uint32_t batch;
	/** It refused a part, and nothing has completed since. */
	bool full;
	/** Bytes of bulk jobs in it. */
	uint64_t bulk;
	/** Predicted time for the bytes in it, in nanoseconds. */
	double queue_ns;
	/** Largest fixed cost of a part in it, in nanoseconds. */
	double t0_ns;
	/** When the first of the unflushed was given, in ticks. */
	uint64_t unflushed_since;
	/** How long it was silent, and may be, in ticks. */
	struct ferry_watch silent;
	/** When it was last polled. */
	uint64_t polled;
	/** When a part last completed and was not far better than predicted. */
	uint64_t sampled;
	/** Memory of the averages of lane->cost. */
	struct ferry_learn learn[FERRY_PLACES][FERRY_HEATS];
	/** What a dropped lane was and did: its info and stats. */
	struct ferry_lane last;
};

/**
 * A copier. Visible so that it can be embedded; to be changed by the functions
 * below only, except for tune. It holds no pointers to itself and may be moved.
 */
struct ferry_copier {
	/** Lanes present, dropped ones included. */
	unsigned int nb_lanes;
	/** Lanes not dropped; 0: not set up. */
	unsigned int nb_open;
	/** Ticks of the time stamp counter in a second. */
	uint64_t tsc_hz;
	/** Jobs, parts, and what waits. Owned. */
	struct ferry_copier_work *work;
	/** What is adjustable. */
	struct ferry_copier_tune tune;
	/** See ferry_copier_stats(). */
	struct ferry_copier_stats stats;
	/** The lanes; the first is the core's own. */
	struct ferry_copier_lane lanes[FERRY_COPIER_MAX_LANES];
};

/**
 * Set up a copier with the calling core as its only lane.
 *
 * @param[out] copier
 *   Memory for the copier, to be given to ferry_copier_fini().
 * @param core
 *   What copies with the calling core: ferry_copy_cpu().
 * @param socket
 *   NUMA node for the lane's own memory, or SOCKET_ID_ANY.
 * @return
 *   0, -EINVAL, -ENOMEM, or the error of opening the lane.
 */
int ferry_copier_init(struct ferry_copier *copier,
		const struct ferry_copy_driver *core, int socket);

/**
 * Add a lane. The copier takes ownership if the call succeeds, and closes the
 * lane in ferry_copier_fini() or when the lane hangs. Where all places are
 * taken, the lane gets that of one that was dropped.
 *
 * @param copier
 *   A copier.
 * @param lane
 *   An open lane without jobs.
 * @return
 *   0; -ENOSPC if FERRY_COPIER_MAX_LANES lanes are open; -EINVAL for
 *   NULL, a lane the copier has already, a lane with jobs in it, or one that
 *   can take no job at all or none of #FERRY_SCHED_ALIGN bytes.
 */
int ferry_copier_add(struct ferry_copier *copier, struct ferry_lane *lane);

/**
 * Give up a lane: close it, and copy with the core what was in it, as if it had
 * been silent for too long.
 *
 * @param copier
 *   A copier.
 * @param i
 *   Which one, from 1 up.
 * @return
 *   0; -EINVAL if there is no such lane; -EBUSY if its device could not be
 *   stopped and may still write what it was given: see ferry_lane_close().
 */
int ferry_copier_drop(struct ferry_copier *copier, unsigned int i);

/**
 * Close all lanes. Jobs in flight are lost: nothing writes their destinations
 * after the return, unless it says otherwise.
 *
 * @param copier
 *   A copier; NULL and one already given up are accepted.
 * @return
 *   0; -EBUSY if a device could not be stopped that may still write the
 *   destination of a job: see ferry_lane_close().
 */
int ferry_copier_fini(struct ferry_copier *copier);

/**
 * Copy a burst, and return when all of it is at its destinations.
 *
 * The jobs may be of any length and go to different lanes, in pieces, in any
 * order: no destination of the burst may overlap another or a source, nor those
 * of jobs submitted. The call does not allocate. With a lane that hangs it
 * takes as long as that lane is given: 100 times the time predicted, and a
 * second.
 *
 * Jobs submitted before get on meanwhile; their completions are kept for
 * ferry_copier_poll().
 *
 * @param copier
 *   A copier.
 * @param jobs
 *   The jobs. Cookies are ignored.
 * @param n
 *   Number of jobs.
 * @return
 *   0; -EINVAL for a copier not set up; -EIO if the core's own lane refused a
 *   job (of a placement unknown to it) or failed, which no known one does, or
 *   if a device hangs and cannot be stopped. Some bytes are then not copied.
 *   In the last case (ferry_copier_stats.unsafe has grown) the device may
 *   write the burst's destinations at any time, and nobody may use them any
 *   more; in the others nothing writes any of them after the return.
 */
int ferry_copier_copy(struct ferry_copier *copier,
		const struct ferry_copy_job *jobs, uint16_t n);

/**
 * Take jobs, to be copied behind the caller's back. Never waits.
 *
 * What the core is to copy is copied at once as far as #FERRY_COPIER_CHUNK
 * bytes a call allow. For the jobs' memory see ferry_copy.h.
 *
 * @param copier
 *   A copier.
 * @param jobs
 *   The jobs; not referred to after the call.
 * @param n
 *   Number of jobs.
 * @return
 *   How many jobs, from the first, were taken. Fewer than n: it holds
 *   #FERRY_COPIER_MAX_JOBS jobs, poll it.
 */
uint16_t ferry_copier_submit(struct ferry_copier *copier,
		const struct ferry_copy_job *jobs, uint16_t n);

/**
 * Let jobs get on, and take completions. Never waits; does a bounded amount of
 * work however much there is to do.
 *
 * A completion orders: what the job wrote, with whichever lanes, is visible to
 * the calling thread, and to whomever it then releases to.
 *
 * @param copier
 *   A copier.
 * @param[out] done
 *   Room for n completions, each with its job's cookie, in any order. Status is
 *   #FERRY_COPY_OK but for: #FERRY_COPY_E_DEVICE, the core's own lane refused
 *   the job; #FERRY_COPY_E_UNSAFE, see there. bytes is then 0.
 * @param n
 *   The most to take; the rest is kept. 0 is all right.
 * @return
 *   How many were written to done.
 */
uint16_t ferry_copier_poll(struct ferry_copier *copier,
		struct ferry_copy_done *done, uint16_t n);

/**
 * How many jobs are in a copier.
 *
 * @param copier
 *   A copier.
 * @return
 *   Jobs submitted whose completion has not been polled.
 */
uint32_t ferry_copier_inflight(const struct ferry_copier *copier);

/**
 * How long ferry_copier_poll() will probably have nothing to do. For a caller
 * that sleeps.
 *
 * @param copier
 *   A copier.
 * @return
 *   0: there is work now. UINT64_MAX: no job is in flight. Otherwise predicted
 *   nanoseconds until the next completion, 1 ms at most: it may be wrong.
 */
uint64_t ferry_copier_next_ns(const struct ferry_copier *copier);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_COPIER_H */
