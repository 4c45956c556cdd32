/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HEALTH_H
#define FERRY_HEALTH_H

/**
 * @file
 * A state machine that decides how many jobs a lane may have at a time.
 *
 *              8 errors in a row
 *     USED ───────────────────────> QUARANTINED <──────────┐
 *      ^                                 │                 │ error:
 *      │                                 │ 100 ms,         │ twice the time,
 *      │                                 │ doubling        │ 10 s at most
 *      │            success              v                 │
 *      └──────────────────────────── PROBATION ────────────┘
 *                                 (one job at a time)
 *
 *     any state ── does not answer ──> DROPPED, for good
 *
 * A lane that comes back from quarantine may fail again. If it fails before it
 * was used for as long as its last quarantine, the next quarantine is twice as
 * long. If it fails later, the next quarantine is 100 ms again.
 *
 * Thread-safety: one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_copy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Errors in a row after which a lane is quarantined. */
#define FERRY_HEALTH_MAX_ERRORS 8
/** The first quarantine, in nanoseconds. */
#define FERRY_HEALTH_FIRST_NS UINT64_C(100000000)
/** The longest quarantine, in nanoseconds. */
#define FERRY_HEALTH_LAST_NS UINT64_C(10000000000)

/** The health of one lane. All zero to begin with. */
struct ferry_health {
	/** The state. */
	enum ferry_health_state state;
	/** Errors since the last good job. */
	uint32_t errors;
	/** The batch of the last error; see ferry_health_error(). */
	uint32_t batch;
	/** Length of the last quarantine; 0: there was none. */
	uint64_t quarantine_ns;
	/** Of a quarantined lane: end of the quarantine. Of a used lane: time
	 * at which it came back from quarantine. */
	uint64_t since_ns;
};

/**
 * Record a job that was done.
 *
 * @param h
 *   The lane's health.
 * @param now_ns
 *   The time, from any clock that only goes forward.
 * @return
 *   True if the state has changed: the lane is used again.
 */
bool ferry_health_good(struct ferry_health *h, uint64_t now_ns);

/**
 * Record a job that failed.
 *
 * @param h
 *   The lane's health.
 * @param now_ns
 *   The time.
 * @param aborted
 *   True if the job was not carried out, probably because another job failed.
 * @param batch
 *   A number that is the same for all jobs that were started together. One bad
 *   job may abort all jobs of its batch; that counts as one error.
 * @return
 *   True if the state has changed: the lane is quarantined.
 */
bool ferry_health_error(struct ferry_health *h, uint64_t now_ns, bool aborted,
		uint32_t batch);

/**
 * Record that the lane does not answer: it is dropped.
 *
 * @param h
 *   The lane's health.
 * @return
 *   True if the state has changed: the lane had not been dropped before.
 */
bool ferry_health_hung(struct ferry_health *h);

/**
 * End the quarantine if its time is over.
 *
 * @param h
 *   The lane's health.
 * @param now_ns
 *   The time.
 * @return
 *   True if the state has changed: the lane is on probation.
 */
bool ferry_health_tick(struct ferry_health *h, uint64_t now_ns);

/**
 * How many jobs a lane may have at a time.
 *
 * @param h
 *   The lane's health.
 * @return
 *   The largest number of jobs.
 */
static inline uint32_t
ferry_health_allows(const struct ferry_health *h)
{
	switch (h->state) {
	case FERRY_HEALTH_USED:
		return UINT32_MAX;
	case FERRY_HEALTH_PROBATION:
		return 1;
	default:
		return 0;
	}
}

#ifdef __cplusplus
}
#endif

#endif /* FERRY_HEALTH_H */
