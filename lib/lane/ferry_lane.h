/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_LANE_H
#define FERRY_LANE_H

/**
 * @file
 * The fast path of copying: submit, flush, poll. See ferry_copy.h for the
 * rules of ownership.
 */

#include "ferry_inline.h"
#include "ferry_lane_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Hand a burst of jobs to a lane.
 *
 * Lanes may hold jobs back until ferry_lane_flush() or until a batch is full.
 *
 * @param lane
 *   An open lane.
 * @param jobs
 *   The jobs. The lane does not use this array after the call.
 * @param n
 *   Number of jobs.
 * @return
 *   How many jobs, from the first, the lane took. Fewer than n: the lane is
 *   full (poll it), or the lane cannot do the next job, because the job is
 *   longer than max_job or outside the memory that the lane reaches.
 */
FERRY_INLINE uint16_t
ferry_lane_submit(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	uint16_t taken = lane->drv->submit(lane, jobs, n);

	lane->stats.refused += n - taken;
	return taken;
}

/**
 * Start all jobs submitted so far. Cheap if there are none.
 *
 * @param lane
 *   An open lane.
 */
FERRY_INLINE void
ferry_lane_flush(struct ferry_lane *lane)
{
	lane->drv->flush(lane);
}

/**
 * Take completions from a lane.
 *
 * A completion orders memory: the bytes that the job wrote are visible to the
 * calling thread, and to every thread that then acquires what the calling
 * thread releases.
 *
 * @param lane
 *   An open lane.
 * @param[out] done
 *   Room for n completions.
 * @param n
 *   The most to take.
 * @return
 *   How many were written to done.
 */
FERRY_INLINE uint16_t
ferry_lane_poll(struct ferry_lane *lane, struct ferry_copy_done *done,
		uint16_t n)
{
	return lane->drv->poll(lane, done, n);
}

/**
 * How many jobs are in a lane.
 *
 * @param lane
 *   An open lane.
 * @return
 *   Jobs submitted whose completion has not been polled.
 */
FERRY_INLINE uint32_t
ferry_lane_inflight(const struct ferry_lane *lane)
{
	return lane->inflight;
}

#ifdef __cplusplus
}
#endif

#endif /* FERRY_LANE_H */
