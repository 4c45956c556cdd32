/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COPIER_INFO_H
#define FERRY_COPIER_INFO_H

/**
 * @file
 * What an application may read of, and adjust in, the copier of an engine or an
 * endpoint. A copier is the lanes that one thread copies with, and the
 * scheduler that chooses among them. ferry_engine.h and ferry_endpoint.h
 * include this file.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_copy.h"
#include "ferry_sched_policy.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_copier;

/** What may be adjusted in a copier, while no job is in it. */
struct ferry_copier_tune {
	/** The scheduler's numbers. */
	struct ferry_sched_policy policy;
	/**
	 * A lane counts as hung if it completes nothing for so many times the
	 * predicted time of all parts in it, plus hang_grace_ns. Only time in
	 * which the copier's thread watches the lane counts.
	 */
	double hang_factor;
	/** In nanoseconds; see hang_factor. */
	double hang_grace_ns;
	/** The source of a job up to so many bytes is assumed to be in the
	 * cache. */
	uint64_t hot_max;
	/** Keep the lanes' models current. */
	bool learn;
	/**
	 * True: ferry_copier_copy() copies jobs of latency mode with the core,
	 * unless that was measured to be slower than the lanes. False: the
	 * predictions of the models decide.
	 */
	bool route;
};

/** What a copier has done, beside its lanes' own ferry_lane_stats(). */
struct ferry_copier_stats {
	/** Bytes that the core copied because a device had failed to. */
	uint64_t redone_bytes;
	/** Jobs that had to wait for a lane. */
	uint64_t queued;
	/** Jobs that went to more than one lane, not counting ragged ends. */
	uint64_t splits;
	/** Parts that a lane got to learn whether it is still slow. */
	uint64_t probes;
	/** How often a lane was quarantined. */
	uint64_t quarantines;
	/** How often a quarantined lane was tried again. */
	uint64_t probations;
	/** How often a lane that was tried again worked. */
	uint64_t returns;
	/** Lanes that were dropped. */
	uint64_t drops;
	/** Jobs that ended with #FERRY_COPY_E_UNSAFE. */
	uint64_t unsafe;
};

/**
 * What the copier has done so far.
 *
 * @param copier
 *   A copier.
 * @param[out] stats
 *   Its numbers.
 */
void ferry_copier_stats(const struct ferry_copier *copier,
		struct ferry_copier_stats *stats);

/**
 * The adjustable numbers of a copier, as they are now.
 *
 * @param copier
 *   A copier.
 * @param[out] tune
 *   The numbers. The caller may change them and pass them to
 *   ferry_engine_tune().
 */
void ferry_copier_tune(const struct ferry_copier *copier,
		struct ferry_copier_tune *tune);

/**
 * One lane of a copier, whose info and stats may be read.
 *
 * @param copier
 *   A copier, or NULL.
 * @param i
 *   Number of the lane, from 0 up. Lane 0 is the core's own.
 * @return
 *   The lane. If lane i was dropped: a record for ferry_lane_info() and
 *   ferry_lane_stats() only. NULL if there is no lane i. Valid until the next
 *   call that changes the copier.
 */
const struct ferry_lane *ferry_copier_lane(const struct ferry_copier *copier,
		unsigned int i);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_COPIER_INFO_H */
