/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COPIER_H
#define FERRY_COPIER_H

/**
 * @file
 * A copier is one handle for all lanes that a thread may copy with, and for the
 * scheduler.
 *
 * Lane 0 is always the calling core. The other lanes are devices. A device may
 * refuse, fail or hang. The job completes nevertheless, with every byte at its
 * destination:
 *
 *  - if a lane refuses a job, the job goes to the next best lane, at last to
 *    the core;
 *  - if a job fails, the core copies the bytes that are not known to be done;
 *  - if a lane fails again and again, it gets no jobs for a while, and then one
 *    job at a time: see ferry_health.h;
 *  - if a lane does not answer, the copier closes it, which stops its device.
 *    Only then does the core copy what was in the lane. If the device cannot be
 *    stopped, its jobs end with #FERRY_COPY_E_UNSAFE, and no thread may touch
 *    their destinations.
 *
 * The caller waits for the jobs in ferry_copier_copy(), or submits jobs and
 * polls for their completions:
 *
 *     submit ──> job ──> parts in lanes ──poll──> completion
 *                 └─────> part for the core ──poll──┘
 *
 * Submitted jobs get on only in calls of the copier. ferry_copier_submit() and
 * ferry_copier_poll() each copy at most #FERRY_COPIER_CHUNK bytes with the
 * core, and do not wait. Both ways may be mixed.
 *
 * Thread-safety: a copier and its lanes belong to one thread at a time. Any
 * thread may read the counters; the values may then be stale.
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

/** The most lanes of a copier, the core's own lane included. */
#define FERRY_COPIER_MAX_LANES FERRY_SCHED_MAX_LANES
/** The most jobs that can be in a copier at once. */
#define FERRY_COPIER_MAX_JOBS 256
/** The core copies at most so many bytes before it polls the devices again. */
#define FERRY_COPIER_CHUNK UINT64_C(65536)

struct ferry_copier_work;

/** One lane of a copier. */
struct ferry_copier_lane {
	/** The open lane; NULL if the lane was dropped. */
	struct ferry_lane *lane;
	/** Whether the lane gets jobs. */
	struct ferry_health health;
	/** How many parts are in the lane. */
	uint32_t parts;
	/** How many of these parts the lane was not told to start. */
	uint32_t unflushed;
	/** How often the lane was told to start its parts. */
	uint32_t batch;
	/** The lane has refused a part, and has completed none since. */
	bool full;
	/** Bytes of bulk jobs in the lane. */
	uint64_t bulk;
	/** Predicted time for the bytes in the lane, in nanoseconds. */
	double queue_ns;
	/** Largest fixed cost of a part in the lane, in nanoseconds. */
	double t0_ns;
	/** When the lane got the first of the unflushed parts, in ticks. */
	uint64_t unflushed_since;
	/** How long the lane has completed nothing, and its limit, in ticks. */
	struct ferry_watch silent;
	/** When the lane was last polled, in ticks. */
	uint64_t polled;
	/** When the cost model was last learned from a part that was not far
	 * better than predicted, in ticks. */
	uint64_t sampled;
	/** State of the averages of lane->cost. */
	struct ferry_learn learn[FERRY_PLACES][FERRY_HEATS];
	/** Info and stats of a lane that was dropped. */
	struct ferry_lane last;
};

/**
 * A copier. The struct is visible so that other structs can embed it. Only the
 * functions below change it; only tune may be changed directly. It holds no
 * pointers to itself and may be moved.
 */
struct ferry_copier {
	/** Number of lanes, dropped ones included. */
	unsigned int nb_lanes;
	/** Number of open lanes; 0: the copier is not set up. */
	unsigned int nb_open;
	/** Ticks of the time stamp counter in a second. */
	uint64_t tsc_hz;
	/** Jobs, parts and lists of waiting jobs. The copier owns it. */
	struct ferry_copier_work *work;
	/** What may be adjusted. */
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
 *   Memory for the copier. ferry_copier_fini() ends its use.
 * @param core
 *   The driver that copies with the calling core: ferry_copy_cpu().
 * @param socket
 *   NUMA node for the lane's own memory, or SOCKET_ID_ANY.
 * @return
 *   0, -EINVAL, -ENOMEM, or the error of opening the lane.
 */
int ferry_copier_init(struct ferry_copier *copier,
		const struct ferry_copy_driver *core, int socket);

/**
 * Add a lane. If the call succeeds, the copier owns the lane, and closes it in
 * ferry_copier_fini() or when it hangs. If all places are taken, the lane gets
 * the place of a lane that was dropped.
 *
 * @param copier
 *   A copier.
 * @param lane
 *   An open lane without jobs.
 * @return
 *   0; -ENOSPC if FERRY_COPIER_MAX_LANES lanes are open; -EINVAL for NULL, for
 *   a lane that the copier has already, for a lane with jobs in it, and for a
 *   lane that cannot take a job of #FERRY_SCHED_ALIGN bytes.
 */
int ferry_copier_add(struct ferry_copier *copier, struct ferry_lane *lane);

/**
 * Drop a lane: close it, and copy with the core what was in it. The copier does
 * the same to a lane that does not answer.
 *
 * @param copier
 *   A copier.
 * @param i
 *   Number of the lane, from 1 up.
 * @return
 *   0; -EINVAL if there is no such lane; -EBUSY if its device could not be
 *   stopped and may still write what it was given: see ferry_lane_close().
 */
int ferry_copier_drop(struct ferry_copier *copier, unsigned int i);

/**
 * Close all lanes. Jobs in flight are lost. No device writes their destinations
 * after the return, unless the call returns -EBUSY.
 *
 * @param copier
 *   A copier. NULL is accepted, and so is a copier that has been closed before.
 * @return
 *   0; -EBUSY if a device could not be stopped that may still write the
 *   destination of a job: see ferry_lane_close().
 */
int ferry_copier_fini(struct ferry_copier *copier);

/**
 * Copy a burst, and return when all of it is at its destinations.
 *
 * The jobs may have any length. The copier may cut them into pieces, which go
 * to different lanes in any order. So no destination of the burst may overlap
 * another destination or a source, of the burst or of submitted jobs. The call
 * does not allocate memory. If a lane hangs, the call takes as long as the lane
 * may be silent: 100 times the predicted time, plus a second.
 *
 * Jobs that were submitted before get on during the call. The copier keeps
 * their completions for ferry_copier_poll().
 *
 * @param copier
 *   A copier.
 * @param jobs
 *   The jobs. Cookies are ignored.
 * @param n
 *   Number of jobs.
 * @return
 *   0; -EINVAL for a copier that is not set up; -EIO if the core's own lane
 *   refused a job because its placement is unknown, or if a device hangs and
 *   cannot be stopped. Some bytes are then not copied. In the last case
 *   (ferry_copier_stats.unsafe has grown) the device may write the burst's
 *   destinations at any time, and no thread may use them any more. In the other
 *   case no device writes them after the return.
 */
int ferry_copier_copy(struct ferry_copier *copier,
		const struct ferry_copy_job *jobs, uint16_t n);

/**
 * Take jobs and begin to copy them. Never waits.
 *
 * If the core is to copy some of a job, it copies at most #FERRY_COPIER_CHUNK
 * bytes in this call. For the use of the jobs' memory see ferry_copy.h.
 *
 * @param copier
 *   A copier.
 * @param jobs
 *   The jobs. The copier does not use this array after the call.
 * @param n
 *   Number of jobs.
 * @return
 *   How many jobs, from the first, the copier took. Fewer than n: it holds
 *   #FERRY_COPIER_MAX_JOBS jobs; poll it.
 */
uint16_t ferry_copier_submit(struct ferry_copier *copier,
		const struct ferry_copy_job *jobs, uint16_t n);

/**
 * Let jobs get on, and take completions. Never waits. The work of one call is
 * bounded, however many jobs there are.
 *
 * A completion orders memory: the bytes that the job wrote, with any lane, are
 * visible to the calling thread, and to every thread that then acquires what
 * the calling thread releases.
 *
 * @param copier
 *   A copier.
 * @param[out] done
 *   Room for n completions, each with its job's cookie, in any order. Status is
 *   #FERRY_COPY_OK, with two exceptions: #FERRY_COPY_E_DEVICE if the core's own
 *   lane refused the job; #FERRY_COPY_E_UNSAFE, described there. In both cases
 *   bytes is 0.
 * @param n
 *   The most completions to take; the copier keeps the others. May be 0.
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
 * How long ferry_copier_poll() will probably have nothing to do. A caller may
 * sleep so long.
 *
 * @param copier
 *   A copier.
 * @return
 *   0: there is work now. UINT64_MAX: no job is in flight. Otherwise the
 *   predicted nanoseconds until the next completion, 1 ms at most. The
 *   prediction may be wrong.
 */
uint64_t ferry_copier_next_ns(const struct ferry_copier *copier);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_COPIER_H */
