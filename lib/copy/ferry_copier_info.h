/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COPIER_INFO_H
#define FERRY_COPIER_INFO_H

/**
 * @file
 * What may be read of, and adjusted in, the copier of an engine or an endpoint:
 * that is the lanes one thread copies with, and what chooses among them.
 * Included by ferry_engine.h and ferry_endpoint.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_copy.h"
#include "ferry_sched_policy.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_copier;

/** What is adjustable. To be changed between jobs only. */
struct ferry_copier_tune {
	/** The scheduler's numbers. */
	struct ferry_sched_policy policy;
	/**
	 * A lane hangs if nothing completes while it is watched
	 * for this many times what all in it was predicted to take ...
	 */
	double hang_factor;
	/** ... and so many nanoseconds. */
	double hang_grace_ns;
	/** Jobs up to so many bytes are expected to have a hot source. */
	uint64_t hot_max;
	/** Keep the lanes' models current. */
	bool learn;
	/**
	 * In ferry_copier_copy(), jobs of latency mode are copied inline unless
	 * that was measured to be slower. Otherwise predictions decide.
	 */
	bool route;
};

/** What a copier did, beyond its lanes' own ferry_lane_stats(). */
struct ferry_copier_stats {
	/** Bytes the core copied because a device had failed to. */
	uint64_t redone_bytes;
	/** Jobs that had to wait for room in a lane. */
	uint64_t queued;
	/** Jobs that went to more than one lane, ragged ends not counted. */
	uint64_t splits;
	/** Parts given to a lane to learn whether it is still slow. */
	uint64_t probes;
	/** Times a lane was quarantined. */
	uint64_t quarantines;
	/** Times one was tried again. */
	uint64_t probations;
	/** Times that went well. */
	uint64_t returns;
	/** Lanes given up. */
	uint64_t drops;
	/** Jobs that ended with #FERRY_COPY_E_UNSAFE. */
	uint64_t unsafe;
};

/**
 * What the copier did.
 *
 * @param copier
 *   A copier.
 * @param[out] stats
 *   Its numbers.
 */
void ferry_copier_stats(const struct ferry_copier *copier,
		struct ferry_copier_stats *stats);

/**
 * What is adjustable in a copier, as it is now.
 *
 * @param copier
 *   A copier.
 * @param[out] tune
 *   Its numbers: to be changed and given to ferry_engine_tune().
 */
void ferry_copier_tune(const struct ferry_copier *copier,
		struct ferry_copier_tune *tune);

/**
 * One of the lanes, to read its info and stats (jobs and bytes by lane).
 *
 * @param copier
 *   A copier, or NULL.
 * @param i
 *   Which one, from 0 up; 0 is the core's own.
 * @return
 *   The lane; of a dropped lane, a record that answers ferry_lane_info() and
 *   ferry_lane_stats(); NULL if there is no lane i. Valid until the next call
 *   that changes the copier.
 */
const struct ferry_lane *ferry_copier_lane(const struct ferry_copier *copier,
		unsigned int i);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_COPIER_INFO_H */
