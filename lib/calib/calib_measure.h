/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CALIB_MEASURE_H
#define FERRY_CALIB_MEASURE_H

/**
 * @file
 * Internal: measure one lane.
 */

#include "ferry_calib.h"

/** Memory, clock and time limits of a measurement. */
struct calib_rig {
	/** Memory to copy in: FERRY_CALIB_MEM_MIN bytes or more, aligned to
	 * cache lines. */
	char *mem;
	size_t len;
	/** Offset at which the next copy begins. */
	size_t at[FERRY_HEATS];
	/** The memory is so large that using all of it in turn leaves none of
	 * it in the cache. */
	bool evicts;
	/** See ferry_calib_options. Not NULL. */
	uint64_t (*clock)(void *arg);
	void *clock_arg;
	/** Time that it takes to read the clock, in nanoseconds. */
	double clock_ns;
	/** A job came back FERRY_COPY_E_UNSAFE. */
	bool unsafe;
	/** The CPU has clflushopt. */
	bool flushopt;
	/** No measurement begins after this time. */
	uint64_t last_start;
	/** No job is waited for after this time, ... */
	uint64_t deadline;
	/** ... unless the thread has watched it for less time than this. */
	uint64_t patience;
};

/** The time now, in nanoseconds. */
static inline uint64_t
calib_now(const struct calib_rig *rig)
{
	return rig->clock(rig->clock_arg);
}

/** Write all of the rig's memory once, and set clock_ns, evicts and
 * flushopt. */
void calib_rig_warm(struct calib_rig *rig);

/**
 * Measure the values of a lane that are not known, until the deadline.
 *
 * @param rig
 *   The rig. If the result is FERRY_CALIB_HUNG, the lane may write to the rig's
 *   memory from now on.
 * @param lane
 *   The lane. It has no jobs afterwards, unless it hangs.
 * @param[in,out] known
 *   Values with their sources. Values that are seeds are replaced.
 * @return
 *   The result for the lane.
 */
enum ferry_calib_state calib_measure(struct calib_rig *rig,
		struct ferry_lane *lane, struct ferry_calib_lane *known);

/** Take the completions that a lane still returns. True if the lane no longer
 * touches memory. */
bool calib_drained(struct calib_rig *rig, struct ferry_lane *lane);

#endif /* FERRY_CALIB_MEASURE_H */
