/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_SCHED_H
#define FERRY_SCHED_H

/**
 * @file
 * The scheduler: which lane gets a copy.
 *
 * Pure policy. It sees lanes as numbers and touches neither memory nor devices,
 * so every branch can be tested with plain values.
 */

#include "ferry_copy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What the scheduler knows of a lane at the moment of choice. */
struct ferry_sched_lane {
	/** How long it takes. */
	struct ferry_lane_model model;
	/** Bytes waiting in the lane. */
	uint64_t backlog;
	/** The lane can do this job at all: reach, room, not broken. */
	bool usable;
};

/**
 * Predict how long a job takes that is queued now.
 *
 * @param lane
 *   A lane.
 * @param len
 *   Bytes of the job.
 * @return
 *   Nanoseconds until it is done.
 */
static inline double
ferry_sched_predict(const struct ferry_sched_lane *lane, uint64_t len)
{
	return lane->model.t0_ns +
		(double)(lane->backlog + len) / lane->model.bytes_per_ns;
}

/**
 * Choose the lane with the smallest predicted time; on a tie the first.
 *
 * @param lanes
 *   The lanes to choose from.
 * @param n
 *   How many there are.
 * @param len
 *   Bytes of the job.
 * @return
 *   Index of the lane, or -1 if none is usable.
 */
int ferry_sched_pick(const struct ferry_sched_lane *lanes, unsigned int n,
		uint64_t len);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_SCHED_H */
