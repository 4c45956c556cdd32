/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_ARENA_H
#define FERRY_ARENA_H

/*
 * An arena hands out pieces of memory. The hub uses one for its memory; each
 * endpoint uses one for the memory that the hub has given to it.
 *
 * ferry does not use rte_malloc for this, for two reasons. The free lists of
 * rte_malloc lie in the shared memory, under a lock that a killed process may
 * hold for ever. And growing or shrinking its heap needs an answer from every
 * secondary, even from a stopped one. The list of free pieces of an arena is
 * private to the arena's owner.
 */

#include <stdint.h>

/* The start and the size of each piece are multiples of this. */
#define FERRY_ARENA_GRAIN 4096
/* The size of a hugepage. A piece of this size or more should start on a
 * hugepage: see ferry_arena_alloc_long(). */
#define FERRY_ARENA_LONG (UINT64_C(2) << 20)

/* A free piece. */
struct ferry_extent {
	uint64_t at;
	uint64_t size;
};

struct ferry_arena {
	uint8_t *base;
	uint64_t size;
	/* Free pieces, sorted by address. No two of them are adjacent. */
	struct ferry_extent *free;
	uint32_t n_free;
	uint32_t room;
	/* How many pieces are given out. */
	uint32_t n_given;
};

/* base must be aligned to FERRY_ARENA_GRAIN; size is rounded down to it. */
int ferry_arena_init(struct ferry_arena *a, void *base, uint64_t size);
void ferry_arena_fini(struct ferry_arena *a);

/* Take the first free piece that is large enough. NULL if there is none, or if
 * there is no memory for the list of free pieces. */
void *ferry_arena_alloc(struct ferry_arena *a, uint64_t size);

/* As ferry_arena_alloc(), but at an address that is a multiple of align. align
 * is a power of two, at least FERRY_ARENA_GRAIN. */
void *ferry_arena_alloc_at(struct ferry_arena *a, uint64_t size,
		uint64_t align);

/* As ferry_arena_alloc(), but a piece of FERRY_ARENA_LONG bytes or more starts
 * on a hugepage if such a piece is free. */
void *ferry_arena_alloc_long(struct ferry_arena *a, uint64_t size);

/* Give a piece back. size: as it was given to ferry_arena_alloc(). */
void ferry_arena_free(struct ferry_arena *a, void *piece, uint64_t size);

/* Free bytes in all, and in the largest piece. */
void ferry_arena_space(const struct ferry_arena *a, uint64_t *total,
		uint64_t *largest);

#endif /* FERRY_ARENA_H */
