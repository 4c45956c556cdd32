/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_ROUTE_H
#define FERRY_ROUTE_H

/**
 * @file
 * Latency mode has two ways to copy. Inline: the calling core copies at once.
 * Offload: the caller hands the copy to a device or a server and waits for it.
 * This module chooses the way for each size, from the time that both ways took
 * before.
 *
 * A copy is inline, unless offload was measured to be better by a tenth. To
 * measure offload, it must be tried. A purse pays for the time that such a try
 * loses compared with an inline copy. A hundredth of the time spent on copies
 * goes into the purse. So copies are never slower than inline copies by more
 * than a hundredth.
 *
 * While offload is in use, the purse pays for offloads that are slower than an
 * inline copy. When the purse is empty, copies are inline again. A hundredth of
 * the time spent also pays for inline copies, because the inline copy may have
 * become the better way.
 *
 * Pure arithmetic: the caller measures. Thread-safety: one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Number of size classes. The class of a size is the number of its highest
 * bit. */
#define FERRY_ROUTE_CLASSES 64

/** What is known of the jobs of one size class. */
struct ferry_route_class {
	/** Average nanoseconds per byte of inline copies; 0: unknown. */
	double inline_ns;
	/** Average nanoseconds per byte of offloads; 0: unknown. */
	double offload_ns;
	/** Nanoseconds that tries of offload may lose. Below 0: tries have lost
	 * more than they may. */
	double purse_ns;
	/** Nanoseconds that an inline copy may lose while offload is in use. */
	double look_ns;
	/** Samples of offloads, counted up to the number that is needed. */
	uint32_t offloads;
	/** Offload is proven to be better, and in use. */
	bool proven;
};

/** What is known of all sizes. */
struct ferry_route {
	/** The answer of ferry_route_offload(), by size class. */
	bool next[FERRY_ROUTE_CLASSES];
	/** What the answers are computed from. */
	struct ferry_route_class classes[FERRY_ROUTE_CLASSES];
};

/**
 * Start with no knowledge: all copies are inline.
 *
 * @param route
 *   What is to be initialized.
 */
void ferry_route_init(struct ferry_route *route);

/**
 * The class of a size.
 *
 * @param len
 *   The size in bytes.
 * @return
 *   The class, below #FERRY_ROUTE_CLASSES.
 */
static inline unsigned int
ferry_route_class(uint64_t len)
{
	return 63 - (unsigned int)__builtin_clzll(len | 1);
}

/**
 * The way for the next job of a size.
 *
 * @param route
 *   What is known.
 * @param len
 *   Bytes of the job.
 * @return
 *   True: offload the copy. False: copy inline.
 */
static inline bool
ferry_route_offload(const struct ferry_route *route, uint64_t len)
{
	return route->next[ferry_route_class(len)];
}

/**
 * Learn the time that a job took. The caller need not measure every job. The
 * purse gets a part of the measured time only, so offload is tried the more
 * rarely the fewer jobs are measured.
 *
 * @param route
 *   What is known.
 * @param len
 *   Bytes of the job.
 * @param offloaded
 *   Whether the copy was offloaded.
 * @param ns
 *   Time until all bytes were at the destination, in nanoseconds.
 */
void ferry_route_learn(struct ferry_route *route, uint64_t len, bool offloaded,
		uint64_t ns);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_ROUTE_H */
