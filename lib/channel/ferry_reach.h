/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_REACH_H
#define FERRY_REACH_H

/**
 * @file
 * Internal: memory that all processes of a hub have at the same addresses.
 */

#include <stdbool.h>
#include <stdint.h>

/** What is known already; zeros at first. One thread's. */
struct ferry_reach_cache {
	/** A stretch that DPDK has and will have: the hub's memory. */
	uint64_t known_from;
	/** Its end. */
	uint64_t known_to;
	/** The last stretch found. */
	uint64_t from;
	/** Its end. */
	uint64_t to;
};

/** Whether DPDK has all of the len bytes at addr, in pages that are in use. */
bool ferry_reach_dpdk(uint64_t addr, uint64_t len,
		struct ferry_reach_cache *cache);

/**
 * Whether somebody registered all of the len bytes at addr with EAL, as one
 * piece. In the hub's process: whether an engine may copy there although it is
 * not of DPDK; ferry_register() sees to it for endpoints of that process.
 */
bool ferry_reach_external(uint64_t addr, uint64_t len);

#endif /* FERRY_REACH_H */
