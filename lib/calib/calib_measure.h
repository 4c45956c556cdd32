/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CALIB_MEASURE_H
#define FERRY_CALIB_MEASURE_H

/**
 * @file
 * Internal: measure one lane.
 */

#include "ferry_calib.h"

/** What is measured with. */
struct calib_rig {
	/** FERRY_CALIB_MEM_MIN or more, aligned to lines. */
	char *mem;
	size_t len;
	/** The next copy uses memory from here. */
	size_t at[FERRY_HEATS];
	/** Using all of the memory in turn leaves none of it in the cache. */
	bool evicts;
	/** See ferry_calib_options. Not NULL. */
	uint64_t (*clock)(void *arg);
	void *clock_arg;
	/** What reading the clock takes, in ns. */
	double clock_ns;
	/** A job came back FERRY_COPY_E_UNSAFE. */
	bool unsafe;
	/** The CPU has clflushopt. */
	bool flushopt;
	/** Nothing is begun after this, */
	uint64_t last_start;
	/** and nothing waited for after this, */
	uint64_t deadline;
	/** unless it was not watched for so long. */
	uint64_t patience;
};

/** Now, in ns. */
static inline uint64_t
calib_now(const struct calib_rig *rig)
{
	return rig->clock(rig->clock_arg);
}

/** Write all the memory once, and find out about clock and caches. */
void calib_rig_warm(struct calib_rig *rig);

/**
 * Measure what is not known of a lane, until the deadline.
 *
 * @param rig
 *   What with. If the result is FERRY_CALIB_HUNG, the lane may write to its
 *   memory from now on.
 * @param lane
 *   The lane. Without jobs afterwards unless it hung.
 * @param[in,out] known
 *   Values with their sources; those still seeds are replaced.
 * @return
 *   What became of the lane.
 */
enum ferry_calib_state calib_measure(struct calib_rig *rig,
		struct ferry_lane *lane, struct ferry_calib_lane *known);

/** Take what a lane still returns. True if it touches memory no more. */
bool calib_drained(struct calib_rig *rig, struct ferry_lane *lane);

#endif /* FERRY_CALIB_MEASURE_H */
