/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_SCHED_POLICY_H
#define FERRY_SCHED_POLICY_H

/**
 * @file
 * The numbers by which the scheduler (ferry_sched.h) decides.
 * ferry_copier_info.h includes this file.
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
	/** Limit of the bulk that waits in a device: as many bytes as it copies
	 * in so many nanoseconds, ... */
	double bulk_ns;
	/**
	 * ... or so many bytes. In latency mode, or if small jobs wait or come
	 * now and then, the smaller of the two limits holds; otherwise the
	 * larger one.
	 */
	uint64_t bulk_bytes;
	/** Shortest bite of bulk, in bytes. */
	uint64_t bite_min;
	/** The core copies at most so many bytes of a job; then the scheduler
	 * decides on the rest. */
	uint64_t core_chunk;
	/** When several lanes share a job: shortest share of a device, in
	 * bytes. */
	uint64_t share_min;
	/** Several lanes share a job only if that takes less time than the best
	 * lane alone, by this part. 0.1: a tenth. */
	double gain;
	/** Time that the core needs to give a job to a device, in
	 * nanoseconds. */
	double submit_ns;
	/**
	 * The core copies shorter jobs than this, by mode. 0: the limit is
	 * computed, see ferry_sched_break_even(); in latency mode the
	 * prediction for each job decides.
	 */
	uint64_t offload_min[FERRY_MODES];
	/** While bulk waits, so many bytes of small jobs go first. */
	uint64_t small_share;
	/** A device is started at the latest when it has got so many jobs
	 * since it was last started, ... */
	uint32_t batch;
	/** ... or when the first of these jobs is so old. */
	uint64_t flush_ns;
	/** The shortest time between two looks for completions. */
	uint64_t look_min_ns;
	/** The longest time between two looks for completions. */
	uint64_t look_max_ns;
};

#ifdef __cplusplus
}
#endif

#endif /* FERRY_SCHED_POLICY_H */
