/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_SCHED_POLICY_H
#define FERRY_SCHED_POLICY_H

/**
 * @file
 * The numbers by which the scheduler decides (ferry_sched.h). Included by
 * ferry_copier_info.h.
 */

#include <stdint.h>

#include "ferry_copy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The numbers of the policy. */
struct ferry_sched_policy {
	/** From how many bytes a job is bulk. */
	uint64_t bulk_min;
	/** So much bulk waits in a device: this long, ... */
	double bulk_ns;
	/**
	 * ... or so many bytes: whichever is less if small jobs are about or
	 * the job is to be quick, whichever is more otherwise.
	 */
	uint64_t bulk_bytes;
	/** Shortest bite of bulk. */
	uint64_t bite_min;
	/** The core copies so much of a job and is then asked again. */
	uint64_t core_chunk;
	/** Shortest share of a job that is divided. */
	uint64_t share_min;
	/** How much better dividing must be than the best lane alone: 0.1. */
	double gain;
	/** What a job given to a device costs the core, in nanoseconds. */
	double submit_ns;
	/**
	 * Shorter jobs are left to the core, by mode. 0: computed, see
	 * ferry_sched_break_even(); in latency mode by prediction per job.
	 */
	uint64_t offload_min[FERRY_MODES];
	/** Bytes of small jobs for which waiting bulk lets them go first. */
	uint64_t small_share;
	/** A device is started at the latest when it has so many jobs more. */
	uint32_t batch;
	/** ... or when the first of them is so old. */
	uint64_t flush_ns;
	/** No two looks for completions are closer than this, ... */
	uint64_t look_min_ns;
	/** ... or farther apart than this. */
	uint64_t look_max_ns;
};

#ifdef __cplusplus
}
#endif

#endif /* FERRY_SCHED_POLICY_H */
