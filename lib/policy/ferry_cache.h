/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CACHE_H
#define FERRY_CACHE_H

/**
 * @file
 * How much of the cache messages under way may take (design decision 10).
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Bytes that may be in flight in the cache at once before their being there
 * costs more than it brings: the calling core's level 2 and as much of its
 * share of the level 3, but no more than four times the level 2. The bound is
 * there because a virtual machine is shown a level 3 that it shares with
 * others (480 MB were seen beside 2 CPUs).
 *
 * @return
 *   Bytes; 1 MiB where the system tells nothing of its caches. Thread-safe.
 */
uint64_t ferry_cache_budget(void);

/** ferry_cache_budget() for given sizes; 0 for an unknown or missing cache. */
uint64_t ferry_cache_budget_of(uint64_t l2, uint64_t l3_share);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CACHE_H */
