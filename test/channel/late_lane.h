/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LATE_LANE_H
#define LATE_LANE_H

/**
 * @file
 * For tests of servers: a lane that copies a job only when it ends it, and ends
 * jobs late and in any order, as the test says. Include after cmocka.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_copier.h"
#include "ferry_lane.h"

#define LATE_JOBS 256

/** What the lane shall do, and what is in it. */
struct late {
	/** Ends nothing while set. */
	bool hold;
	/** Ends the newest first, all at once; else some, by chance. */
	bool backwards;
	/** What closing says: not 0, it cannot be stopped. */
	int close_result;
	/** The next job to end ends with this status. */
	enum ferry_copy_status next_status;
	/** Of chance. */
	uint64_t seed;

	uint32_t nb;
	uint64_t ended;
	struct ferry_copy_job jobs[LATE_JOBS];
};

/**
 * Let a copier that has its core only copy with such a lane.
 */
void late_add(struct ferry_copier *copier, struct late *late);

#endif /* LATE_LANE_H */
