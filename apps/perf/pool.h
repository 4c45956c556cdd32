/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_POOL_H
#define PERF_POOL_H

/*
 * The private buffers that a sender sends from. It uses them in turn.
 *
 * Hot: the pool has at most POOL_HOT bytes, and the sender rewrites a buffer
 * right before it sends it. Cold: the pool is as large as can be (1 GiB), and
 * the sender rewrites a buffer half a pool before it sends it, so that the
 * buffer has left the cache by then.
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
	/* A buffer is rewritten so many messages before it is sent. */
	uint64_t ahead;
};

/*
 * Set up buffers of len bytes (a power of two), with `bytes` bytes in all. Maps
 * memory only if there is not enough yet. Writes the messages from 0 on into
 * the buffers. Returns 0 or -ENOMEM.
 */
int pool_set(struct pool *pool, size_t bytes, size_t len, bool cold);

void pool_free(struct pool *pool);

/* The buffer that message seq is sent from. */
static inline void *
pool_buf(const struct pool *pool, uint64_t seq)
{
	return pool->mem + (seq & pool->mask) * pool->len;
}

/* Rewrite the buffer that is due before message seq is sent. */
static inline void
pool_rewrite(const struct pool *pool, uint64_t seq)
{
	content_write(pool_buf(pool, seq + pool->ahead), pool->len,
			seq + pool->ahead);
}

#endif /* PERF_POOL_H */
