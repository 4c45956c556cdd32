/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CLOCK_H
#define FERRY_CLOCK_H

/*
 * The clock of all time limits. Internal: not installed.
 */

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC in nanoseconds. A user who sets the system time does not
 * change this clock. It also advances while the calling process is stopped:
 * see ferry_watch.h. */
static inline uint64_t
ferry_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

#endif /* FERRY_CLOCK_H */
