/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_WATCH_H
#define FERRY_WATCH_H

/**
 * @file
 * How long something was watched without getting on.
 *
 * A time limit for a device says how long it may be silent. But the thread that
 * watches the device may not run itself: its process is stopped, or others have
 * its CPU. What passes meanwhile tells nothing of the device, which may have
 * answered, or may not have run either, being software. So the time between two
 * looks counts only up to a sixteenth of the limit: however long the thread is
 * away, the limit takes sixteen looks at least.
 *
 * Times are of any clock that only goes forward, in any unit.
 *
 * Thread-safety: one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Looks at least, all in vain, before a limit is over. */
#define FERRY_WATCH_LOOKS 16

/** A wait. All zero: nothing is waited for. */
struct ferry_watch {
	/** How long the wait may be; 0: nothing is waited for. */
	uint64_t limit;
	/** How long it was, as far as that counts. */
	uint64_t waited;
	/** When was last looked. */
	uint64_t looked;
};

/**
 * Begin to wait.
 *
 * @param watch
 *   The wait.
 * @param now
 *   The time.
 * @param limit
 *   How long; 0 counts as 1.
 */
static inline void
ferry_watch_begin(struct ferry_watch *watch, uint64_t now, uint64_t limit)
{
	watch->limit = limit != 0 ? limit : 1;
	watch->waited = 0;
	watch->looked = now;
}

/**
 * Say that a look was in vain.
 *
 * @param watch
 *   A wait that has begun.
 * @param now
 *   The time, read before the look: this thread may be stopped between the two.
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
