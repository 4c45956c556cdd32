/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_REACH_H
#define FERRY_REACH_H

/**
 * @file
 * Internal: memory that all processes of a hub have at the same addresses.
 */

#include <stdbool.h>
#include <stdint.h>

/** The last stretch found; zeros at first. One thread's. */
struct ferry_reach_cache {
	uint64_t from;
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
