/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "ferry_arena.h"

int
ferry_arena_init(struct ferry_arena *a, void *base, uint64_t size)
{
	a->base = base;
	a->size = RTE_ALIGN_FLOOR(size, (uint64_t)FERRY_ARENA_GRAIN);
	a->room = 16;
	a->n_given = 0;
	a->free = calloc(a->room, sizeof(*a->free));
	if (a->free == NULL)
		return -ENOMEM;
	a->free[0].at = 0;
	a->free[0].size = a->size;
	a->n_free = a->size > 0;
	return 0;
}

void
ferry_arena_fini(struct ferry_arena *a)
{
	free(a->free);
	a->free = NULL;
	a->n_free = 0;
}

static void
extent_remove(struct ferry_arena *a, uint32_t i)
{
	a->n_free--;
	memmove(&a->free[i], &a->free[i + 1],
		(a->n_free - i) * sizeof(a->free[0]));
}

static void
extent_insert(struct ferry_arena *a, uint32_t i, uint64_t at, uint64_t size)
{
	memmove(&a->free[i + 1], &a->free[i],
		(a->n_free - i) * sizeof(a->free[0]));
	a->free[i].at = at;
	a->free[i].size = size;
	a->n_free++;
}

/* Take size bytes out of free piece i, beginning skip bytes after its start. */
static void *
extent_cut(struct ferry_arena *a, uint32_t i, uint64_t skip, uint64_t size)
{
	const uint64_t at = a->free[i].at + skip;
	const uint64_t rest = a->free[i].size - skip - size;

	if (skip > 0) {
		a->free[i].size = skip;
		if (rest > 0)
			extent_insert(a, i + 1, at + size, rest);
	} else if (rest > 0) {
		a->free[i].at = at + size;
		a->free[i].size = rest;
	} else {
		extent_remove(a, i);
	}
	a->n_given++;
	return a->base + at;
}

void *
ferry_arena_alloc_at(struct ferry_arena *a, uint64_t size, uint64_t align)
{
	struct ferry_extent *grown;
	uintptr_t first;
	uint64_t skip;
	uint32_t i;

	if (size == 0 || size > a->size)
		return NULL;
	/* Grow the list now, so that ferry_arena_free() never has to: each
	 * piece given out may split one free piece into two. */
	if (a->n_given + 2 > a->room) {
		grown = realloc(a->free, 2 * a->room * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		a->free = grown;
		a->room *= 2;
	}
	size = RTE_ALIGN_CEIL(size, (uint64_t)FERRY_ARENA_GRAIN);
	for (i = 0; i < a->n_free; i++) {
		first = (uintptr_t)a->base + a->free[i].at;
		skip = RTE_ALIGN_CEIL(first, (uintptr_t)align) - first;
		if (a->free[i].size >= size && a->free[i].size - size >= skip)
			return extent_cut(a, i, skip, size);
	}
	return NULL;
}

void *
ferry_arena_alloc(struct ferry_arena *a, uint64_t size)
{
	return ferry_arena_alloc_at(a, size, FERRY_ARENA_GRAIN);
}

void *
ferry_arena_alloc_long(struct ferry_arena *a, uint64_t size)
{
	void *piece = NULL;

	if (size >= FERRY_ARENA_LONG)
		piece = ferry_arena_alloc_at(a, size, FERRY_ARENA_LONG);
	return piece != NULL ? piece : ferry_arena_alloc(a, size);
}

void
ferry_arena_free(struct ferry_arena *a, void *piece, uint64_t size)
{
	uint64_t at = (uint8_t *)piece - a->base;
	bool before, after;
	uint32_t i = 0;

	size = RTE_ALIGN_CEIL(size, (uint64_t)FERRY_ARENA_GRAIN);
	a->n_given--;
	while (i < a->n_free && a->free[i].at < at)
		i++;
	before = i > 0 && a->free[i - 1].at + a->free[i - 1].size == at;
	after = i < a->n_free && at + size == a->free[i].at;

	if (before && after) {
		a->free[i - 1].size += size + a->free[i].size;
		extent_remove(a, i);
	} else if (before) {
		a->free[i - 1].size += size;
	} else if (after) {
		a->free[i].at = at;
		a->free[i].size += size;
	} else {
		extent_insert(a, i, at, size);
	}
}

void
ferry_arena_space(const struct ferry_arena *a, uint64_t *total,
		uint64_t *largest)
{
	uint32_t i;

	*total = 0;
	*largest = 0;
	for (i = 0; i < a->n_free; i++) {
		*total += a->free[i].size;
		*largest = RTE_MAX(*largest, a->free[i].size);
	}
}
