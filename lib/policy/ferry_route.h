/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_ROUTE_H
#define FERRY_ROUTE_H

/**
 * @file
 * Latency mode's question: copy here and now, or hand the copy to something
 * else and wait for it? Answered from what both took before, for each size.
 *
 * Here and now, unless the other way was measured to be better by a tenth. To
 * measure it, it must be tried; and what trying costs, compared with a copy
 * here and now, is paid from a purse into which goes a hundredth of the time
 * spent: copies that somebody waits for are so never slower than inline ones by
 * more than that. While the other way is in use the purse pays for its getting
 * worse, and when it is empty, copies are inline again; a hundredth of the time
 * spent also goes into looks at the inline copy, which may have become better.
 *
 * Pure arithmetic: the caller measures. Thread-safety: one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Sizes are distinguished by their highest bit. */
#define FERRY_ROUTE_CLASSES 64

/** What is known of the jobs of one size class. */
struct ferry_route_class {
	/** Average nanoseconds per byte, here; 0: unknown. */
	double inline_ns;
	/** The same of the other way. */
	double offload_ns;
	/** Nanoseconds that may be lost by trying; below 0: were. */
	double purse_ns;
	/** Nanoseconds that a look at the inline copy may lose. */
	double look_ns;
	/** Samples of the other way, as far as they matter. */
	uint32_t offloads;
	/** The other way is proven better. */
	bool proven;
};

/** All that is known. */
struct ferry_route {
	/** What ferry_route_offload() answers. */
	bool next[FERRY_ROUTE_CLASSES];
	/** Why. */
	struct ferry_route_class classes[FERRY_ROUTE_CLASSES];
};

/**
 * Start with knowing nothing: all inline.
 *
 * @param route
 *   To be initialized.
 */
void ferry_route_init(struct ferry_route *route);

/**
 * Class of a size.
 *
 * @param len
 *   Bytes.
 * @return
 *   Its class, below #FERRY_ROUTE_CLASSES.
 */
static inline unsigned int
ferry_route_class(uint64_t len)
{
	return 63 - (unsigned int)__builtin_clzll(len | 1);
}

/**
 * Where to copy the next job of a size.
 *
 * @param route
 *   What is known.
 * @param len
 *   Bytes of the job.
 * @return
 *   True: hand it over. False: copy it here and now.
 */
static inline bool
ferry_route_offload(const struct ferry_route *route, uint64_t len)
{
	return route->next[ferry_route_class(len)];
}

/**
 * Learn what a job took. Not every job need be measured: each counts as much as
 * it took, and tries come the more rarely the less is told.
 *
 * @param route
 *   What is known.
 * @param len
 *   Bytes of the job.
 * @param offloaded
 *   Whether it was handed over.
 * @param ns
 *   Until all bytes were there, in nanoseconds.
 */
void ferry_route_learn(struct ferry_route *route, uint64_t len, bool offloaded,
		uint64_t ns);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_ROUTE_H */
