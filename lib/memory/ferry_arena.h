/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_ARENA_H
#define FERRY_ARENA_H

/*
 * Hands out pieces of the hub's memory; endpoints hand out parts of theirs with
 * it, too.
 *
 * Not rte_malloc: its free lists lie in the shared memory, under a lock that a
 * killed process may hold, and growing or shrinking its heap needs an answer
 * from every secondary, a stopped one included. The books of this arena are
 * private to their owner.
 */

#include <stdint.h>

/* Pieces start on and are multiples of this. */
#define FERRY_ARENA_GRAIN 4096
/* A hugepage: what is as long as this had better start on one. */
#define FERRY_ARENA_LONG (UINT64_C(2) << 20)

/* A free piece. */
struct ferry_extent {
	uint64_t at;
	uint64_t size;
};

struct ferry_arena {
	uint8_t *base;
	uint64_t size;
	/* Free pieces, by address, never adjacent. */
	struct ferry_extent *free;
	uint32_t n_free;
	uint32_t room;
	/* Pieces given out. */
	uint32_t n_given;
};

/* base must be aligned to FERRY_ARENA_GRAIN; size is rounded down to it. */
int ferry_arena_init(struct ferry_arena *a, void *base, uint64_t size);
void ferry_arena_fini(struct ferry_arena *a);

/* First fit. NULL if there is no such piece (or no memory for the books). */
void *ferry_arena_alloc(struct ferry_arena *a, uint64_t size);

/* The same, at an address that is a multiple of align: a power of two from
 * FERRY_ARENA_GRAIN up. */
void *ferry_arena_alloc_at(struct ferry_arena *a, uint64_t size,
		uint64_t align);

/* The same; what is long starts on a hugepage if there is such a piece. */
void *ferry_arena_alloc_long(struct ferry_arena *a, uint64_t size);

/* size as given to ferry_arena_alloc(). */
void ferry_arena_free(struct ferry_arena *a, void *piece, uint64_t size);

/* Free bytes in all, and in the largest piece. */
void ferry_arena_space(const struct ferry_arena *a, uint64_t *total,
		uint64_t *largest);

#endif /* FERRY_ARENA_H */
