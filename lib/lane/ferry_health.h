/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HEALTH_H
#define FERRY_HEALTH_H

/**
 * @file
 * Whether a lane is trusted with jobs: a state machine, and nothing else.
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
 * A lane back from quarantine that fails again before it was used for as long
 * as it was quarantined also gets twice the time; one that lasts longer starts
 * again with 100 ms.
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
/** The longest. */
#define FERRY_HEALTH_LAST_NS UINT64_C(10000000000)

/** The health of one lane. All zero to begin with. */
struct ferry_health {
	/** What it may do. */
	enum ferry_health_state state;
	/** Errors since the last good job. */
	uint32_t errors;
	/** The batch of the last error; see ferry_health_error(). */
	uint32_t batch;
	/** Length of the last quarantine; 0: there was none. */
	uint64_t quarantine_ns;
	/** End of the quarantine; of a used lane, when it came back. */
	uint64_t since_ns;
};

/**
 * A job was done.
 *
 * @param h
 *   The lane's health.
 * @param now_ns
 *   The time, of any clock that only goes forward.
 * @return
 *   The state changed: the lane is back.
 */
bool ferry_health_good(struct ferry_health *h, uint64_t now_ns);

/**
 * A job failed.
 *
 * @param h
 *   The lane's health.
 * @param now_ns
 *   The time.
 * @param aborted
 *   The job was not carried out, probably because another one failed.
 * @param batch
 *   A number that jobs have in common which were started together: one bad job
 *   may abort all of these, and that is one error.
 * @return
 *   The state changed: the lane is quarantined.
 */
bool ferry_health_error(struct ferry_health *h, uint64_t now_ns, bool aborted,
		uint32_t batch);

/**
 * The lane does not answer.
 *
 * @param h
 *   The lane's health.
 * @return
 *   The state changed: it had not been dropped before.
 */
bool ferry_health_hung(struct ferry_health *h);

/**
 * Let time pass.
 *
 * @param h
 *   The lane's health.
 * @param now_ns
 *   The time.
 * @return
 *   The state changed: the lane is on probation.
 */
bool ferry_health_tick(struct ferry_health *h, uint64_t now_ns);

/**
 * How many jobs a lane may have.
 *
 * @param h
 *   The lane's health.
 * @return
 *   The most at a time.
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
