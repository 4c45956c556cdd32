/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_WATCH_H
#define FERRY_WATCH_H

/**
 * @file
 * A time limit for a thread that watches a device which makes no progress.
 *
 * The limit says how long the device may be silent. But the watching thread may
 * not run all that time, because its process is stopped or because other
 * threads have its CPU. Time in which the watching thread does not run tells
 * nothing about the device: the device may have answered; or, if it is
 * software, it may not have run either. So the time between two looks counts
 * only up to a sixteenth of the limit. However long the watching thread is
 * away, it looks at least sixteen times before the limit is over.
 *
 * Times may come from any clock that only goes forward, in any unit.
 *
 * Thread-safety: one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A limit is over only after at least this many looks in vain. */
#define FERRY_WATCH_LOOKS 16

/** A wait. All zero: the thread waits for nothing. */
struct ferry_watch {
	/** How long the wait may take; 0: the thread waits for nothing. */
	uint64_t limit;
	/** How much of the time since its begin counts. */
	uint64_t waited;
	/** Time of the last look. */
	uint64_t looked;
};

/**
 * Begin a wait.
 *
 * @param watch
 *   The wait.
 * @param now
 *   The time.
 * @param limit
 *   How long the wait may take; 0 counts as 1.
 */
static inline void
ferry_watch_begin(struct ferry_watch *watch, uint64_t now, uint64_t limit)
{
	watch->limit = limit != 0 ? limit : 1;
	watch->waited = 0;
	watch->looked = now;
}

/**
 * Record a look in vain.
 *
 * @param watch
 *   A wait that has begun.
 * @param now
 *   The time, which the caller has read before the look, because the kernel may
 *   stop the calling thread between the two.
 * @return
 *   True if the wait is over.
 */
static inline bool
ferry_watch_over(struct ferry_watch *watch, uint64_t now)
{
	const uint64_t most = watch->limit / FERRY_WATCH_LOOKS + 1;
	const uint64_t since = now - watch->looked;

	watch->waited += since < most ? since : most;
	watch->looked = now;
	return watch->waited > watch->limit;
}

#ifdef __cplusplus
}
#endif

#endif /* FERRY_WATCH_H */
