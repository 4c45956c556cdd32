/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_REACH_H
#define FERRY_REACH_H

/**
 * @file
 * Internal: which processes and devices reach a range of memory. Only this
 * module answers that question. It answers from the view of one asker: an
 * endpoint or a server.
 *
 * An answer holds for the calling process, because the address is looked up in
 * it. Whether the asker may follow an address also depends on who wrote the
 * address:
 *
 *     written by                     followed if the answer is at least
 *     -----------------------------  ----------------------------------
 *     this process, under its seal   FERRY_REACH_PRIVATE
 *     a thread of this process, that
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

/** Who reaches a range of memory. Each value includes the values before it. */
enum ferry_reach {
	/** No process: the range goes beyond the last address. */
	FERRY_REACH_NONE = 0,
	/**
	 * The cores of the process that owns the memory. Other processes reach
	 * it by process_vm_readv() only. Only the owner knows whether there is
	 * memory at this address. In another process, other memory may lie at
	 * the same address.
	 */
	FERRY_REACH_PRIVATE,
	/**
	 * All threads and DMA devices of this process: the whole range is
	 * registered with EAL, as one piece.
	 */
	FERRY_REACH_HERE,
	/** Also the other ends of the asker's channels: see
	 * ferry_register(). */
	FERRY_REACH_ENDS,
	/** All processes of the hub: DPDK's memory, in pages that are in
	 * use. */
	FERRY_REACH_ALL,
};

/** A range that the asker has declared: see ferry_register(). */
struct ferry_reach_range {
	/** The next range. */
	SLIST_ENTRY(ferry_reach_range) next;
	/** Address of its first byte. */
	uint64_t addr;
	/** Its length in bytes. */
	uint64_t size;
};

/** What an asker knows already. All zero: nothing. */
struct ferry_reach_view {
	/** Start of a range that stays DPDK's memory: the hub's memory. */
	uint64_t known_from;
	/** End of that range. */
	uint64_t known_to;
	/** Start of the range of DPDK's memory that was found last. */
	uint64_t from;
	/** End of that range. */
	uint64_t to;
	/** Ranges that the asker has declared. */
	SLIST_HEAD(ferry_reach_ranges, ferry_reach_range) ranges;
};

/**
 * Find out who reaches a range of memory.
 *
 * @param view
 *   What the asker knows. The call remembers there what it finds.
 * @param addr
 *   Address of the first byte.
 * @param len
 *   Length in bytes. 0: ask about the address itself, which may be the end of
 *   a range.
 * @return
 *   Who reaches all bytes of the range.
 */
enum ferry_reach ferry_reach(struct ferry_reach_view *view, uint64_t addr,
		uint64_t len);

#endif /* FERRY_REACH_H */
