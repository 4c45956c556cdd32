/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_REACH_H
#define FERRY_REACH_H

/**
 * @file
 * Internal: who reaches memory. This is the one place that answers it, for a
 * range of addresses and from the view of one asker.
 *
 * An answer is about this process, in which the address is looked up. Who may
 * follow an address that another process wrote also depends on who wrote it:
 *
 *     written by                     followed if the answer is at least
 *     -----------------------------  ----------------------------------
 *     this process, under its seal   FERRY_REACH_PRIVATE
 *     a thread of this process, who
 *     says that all reach it         FERRY_REACH_HERE
 *     another process; the asker is
 *     - a server of the hub          FERRY_REACH_HERE
 *     - an endpoint, for bulk        FERRY_REACH_ENDS
 *     - a server, for posts          FERRY_REACH_ALL
 *
 * Thread-safety: a view belongs to one thread.
 */

#include <stdint.h>
#include <sys/queue.h>

/** Who reaches memory: each of these includes those before it. */
enum ferry_reach {
	/** No process: the range goes beyond the last address. */
	FERRY_REACH_NONE = 0,
	/**
	 * The cores of the process that owns it, others by process_vm_readv()
	 * alone. Only its owner knows whether there is memory at all, and at
	 * the same address here there may be something else.
	 */
	FERRY_REACH_PRIVATE,
	/**
	 * All threads and DMA devices of this process: all of it is registered
	 * with EAL, as one piece.
	 */
	FERRY_REACH_HERE,
	/** Also the ends that the asker talks to: see ferry_register(). */
	FERRY_REACH_ENDS,
	/** All processes of the hub: DPDK's memory, in pages in use. */
	FERRY_REACH_ALL,
};

/** A range that the asker has declared: see ferry_register(). */
struct ferry_reach_range {
	/** The next one. */
	SLIST_ENTRY(ferry_reach_range) next;
	/** Its first byte. */
	uint64_t addr;
	/** Its bytes. */
	uint64_t size;
};

/** What an asker knows already; zeros: nothing. */
struct ferry_reach_view {
	/** A stretch that DPDK has and will have: the hub's memory. */
	uint64_t known_from;
	/** Its end. */
	uint64_t known_to;
	/** The last stretch of DPDK's memory that was found. */
	uint64_t from;
	/** Its end. */
	uint64_t to;
	/** What the asker has declared. */
	SLIST_HEAD(ferry_reach_ranges, ferry_reach_range) ranges;
};

/**
 * Who reaches memory.
 *
 * @param view
 *   What the asker knows. What is found is remembered there.
 * @param addr
 *   The first byte.
 * @param len
 *   Bytes. 0 asks about the place itself, which may be the end of a stretch.
 * @return
 *   Who reaches all of them.
 */
enum ferry_reach ferry_reach(struct ferry_reach_view *view, uint64_t addr,
		uint64_t len);

#endif /* FERRY_REACH_H */
