/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CACHE_H
#define FERRY_CACHE_H

/**
 * @file
 * How much of the cache the messages under way may take.
 *
 * A copy into the cache pays only if the consumer reads the bytes at once and
 * they are still there then. Messages that together need more than this budget
 * push each other out of the cache.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * How many bytes of messages may lie in the cache at once. More bytes would
 * cost more time than the cache saves. The budget is the size of the calling
 * core's level 2 cache, plus its share of the level 3 cache, but at most four
 * times the level 2. The bound is necessary because the level 3 that a virtual
 * machine reports may be shared with other machines (480 MB were seen beside 2
 * CPUs).
 *
 * @return
 *   Bytes; 1 MiB if the system does not report its caches. Thread-safe.
 */
uint64_t ferry_cache_budget(void);

/** ferry_cache_budget() for given cache sizes in bytes. A size of 0 means that
 * the cache is unknown or missing. */
uint64_t ferry_cache_budget_of(uint64_t l2, uint64_t l3_share);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CACHE_H */
