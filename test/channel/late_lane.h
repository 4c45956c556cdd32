/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LATE_LANE_H
#define LATE_LANE_H

/**
 * @file
 * For tests of servers: a lane that ends jobs late and in any order, as the
 * test says. It copies a job only when it ends the job. Include after cmocka.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_copier.h"
#include "ferry_lane.h"

#define LATE_JOBS 256

/** How the lane behaves, and the jobs that it has. */
struct late {
	/** The lane ends no jobs while this is set. */
	bool hold;
	/** A poll ends all jobs, the newest first. If not set, it ends random
	 * ones. */
	bool backwards;
	/** What closing the lane returns. Not 0: it cannot be stopped. */
	int close_result;
	/** The status of the next job that ends. */
	enum ferry_copy_status next_status;
	/** State of the random numbers. */
	uint64_t seed;

	uint32_t nb;
	uint64_t ended;
	struct ferry_copy_job jobs[LATE_JOBS];
};

/**
 * Add such a lane to a copier that has no lane but its core's.
 */
void late_add(struct ferry_copier *copier, struct late *late);

#endif /* LATE_LANE_H */
