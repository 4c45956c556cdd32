/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_POOL_H
#define PERF_POOL_H

/*
 * The private buffers a sender sends from, used in turn.
 *
 * Hot: at most POOL_HOT bytes in all, and a buffer is rewritten right before
 * it is sent. Cold: as large as can be (1 GiB), and a buffer is rewritten half
 * a pool before it is sent, so that it has left the cache by then.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "content.h"

#define POOL_HOT (UINT64_C(256) << 10)

struct pool {
	uint8_t *mem;
	/* Bytes mapped, and what kind of pages they are in. */
	size_t mapped;
	const char *pages;
	/* A buffer's length and the number of buffers less one: 2^n - 1. */
	size_t len;
	uint64_t mask;
	/* How many messages before its sending a buffer is rewritten. */
	uint64_t ahead;
};

/*
 * Set up buffers of len bytes (a power of two), bytes in all. Memory is mapped
 * only if there is not enough yet. Messages 0 and up are written into them.
 * 0 or -ENOMEM.
 */
int pool_set(struct pool *pool, size_t bytes, size_t len, bool cold);

void pool_free(struct pool *pool);

/* Where message seq is sent from. */
static inline void *
pool_buf(const struct pool *pool, uint64_t seq)
{
	return pool->mem + (seq & pool->mask) * pool->len;
}

/* The rewriting due before message seq is sent. */
static inline void
pool_rewrite(const struct pool *pool, uint64_t seq)
{
	content_write(pool_buf(pool, seq + pool->ahead), pool->len,
			seq + pool->ahead);
}

#endif /* PERF_POOL_H */
