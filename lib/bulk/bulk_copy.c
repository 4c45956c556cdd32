/* SPDX-License-Identifier: BSD-3-Clause */

#include <assert.h>
#include <errno.h>

#include "bulk_copy.h"

static_assert(FERRY_BULK_TX == 1u << FERRY_UNIT_TX &&
	FERRY_BULK_RX == 1u << FERRY_UNIT_RX &&
	FERRY_BULK_ENGINE == 1u << FERRY_UNIT_SERVER,
	"who may claim is a set of those whose claims units bear");

/* Jobs given to a copier at a time. */
#define JOBS 32
/*
 * To begin a copy costs as much as to copy 4 to 8 KiB. Therefore the first
 * claim of a party is most of its fair part of a message that is not long. In a
 * long message each claim is smaller the less of the message is left, because
 * then no party waits long for a slow one.
 */
#define FIRST_PART(n, parties) ((n) * 15 / (16 * (parties)))
#define NEXT_PART(left, parties) ((left) / (2 * (parties)))

/* The place of a side in the block goes into its seal. The seal therefore tells
 * a message's source from its destination, and from the sides of other
 * blocks. */
static uint32_t
side_seal(const struct bulk_side *side, const struct ferry_bulk_side *at,
		uint32_t gen, uint64_t key)
{
	uint32_t i, seal = ferry_process_seal(key ^ (uintptr_t)at,
			(uint64_t)gen << 32 | (uint32_t)side->window,
			(uint64_t)side->n << 32 | side->flags);

	for (i = 0; i < side->n; i++)
		seal = ferry_process_seal(key ^ (uint64_t)seal << 32,
				side->segs[i].addr, side->segs[i].len);
	return seal;
}

bool
bulk_side_read(struct bulk_side *side, const struct ferry_bulk_side *from,
		uint64_t len, bool exact, uint32_t gen, uint64_t key)
{
	const uint32_t seal = __atomic_load_n(&from->seal, __ATOMIC_RELAXED);
	uint64_t sum = 0;
	uint32_t i;

	side->n = __atomic_load_n(&from->n_segs, __ATOMIC_RELAXED);
	side->flags = __atomic_load_n(&from->flags, __ATOMIC_RELAXED);
	side->window = __atomic_load_n(&from->window, __ATOMIC_RELAXED);
	if (side->n == 0 || side->n > FERRY_BULK_SEGS)
		return false;
	for (i = 0; i < side->n; i++) {
		struct ferry_bulk_seg *seg = &side->segs[i];

		/* Read once, so that the values checked are the values used. */
		seg->addr = __atomic_load_n(&from->segs[i].addr,
				__ATOMIC_RELAXED);
		seg->len = __atomic_load_n(&from->segs[i].len,
				__ATOMIC_RELAXED);
		if (seg->len == 0 || seg->addr + seg->len < seg->addr ||
				seg->len > FERRY_BULK_MAX)
			return false;
		sum += seg->len;
	}
	if (key != 0 && unlikely(seal != side_seal(side, from, gen, key)))
		return false;
	side->sealed = key != 0;
	return exact ? sum == len : sum >= len;
}

void
bulk_side_write(struct ferry_bulk_side *to, const struct bulk_side *side,
		uint32_t gen, uint64_t key)
{
	uint32_t i;

	/* Atomic stores, because a server that comes late may be reading the
	 * side. */
	__atomic_store_n(&to->n_segs, side->n, __ATOMIC_RELAXED);
	__atomic_store_n(&to->flags, side->flags, __ATOMIC_RELAXED);
	__atomic_store_n(&to->window, (uint32_t)side->window, __ATOMIC_RELAXED);
	__atomic_store_n(&to->seal, side_seal(side, to, gen, key),
			__ATOMIC_RELAXED);
	for (i = 0; i < side->n; i++) {
		__atomic_store_n(&to->segs[i].addr, side->segs[i].addr,
				__ATOMIC_RELAXED);
		__atomic_store_n(&to->segs[i].len, side->segs[i].len,
				__ATOMIC_RELAXED);
	}
}

bool
bulk_side_reaches(const struct bulk_side *side,
		const struct ferry_channel_memory *memory, enum ferry_reach who)
{
	uint32_t i;

	for (i = 0; i < side->n; i++)
		if (memory == NULL || memory->reach(memory->arg,
				(const void *)(uintptr_t)side->segs[i].addr,
				side->segs[i].len) < who)
			return false;
	return true;
}

int
bulk_side_make(struct bulk_side *side, const struct iovec *iov, unsigned int n,
		uint64_t *len)
{
	unsigned int i;

	side->n = 0;
	side->flags = 0;
	side->window = 0;
	*len = 0;
	if (iov == NULL)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		const uint64_t addr = (uintptr_t)iov[i].iov_base;
		const uint64_t bytes = iov[i].iov_len;

		if (bytes == 0)
			continue;
		if (addr == 0 || addr + bytes < addr ||
				bytes > FERRY_BULK_MAX - *len ||
				side->n == FERRY_BULK_SEGS)
			return -EINVAL;
		side->segs[side->n++] = (struct ferry_bulk_seg) { addr, bytes };
		*len += bytes;
	}
	return side->n > 0 ? 0 : -EINVAL;
}

void
bulk_view_init(struct bulk_view *v, struct ferry_bulk_block *block,
		uint32_t gen)
{
	v->block = block;
	v->gen = gen;
	v->front = 0;
	v->started = false;
}

bool
bulk_view_read(struct bulk_view *v, struct ferry_bulk_block *block,
		uint32_t gen, uint64_t key)
{
	bulk_view_init(v, block, gen);
	v->len = __atomic_load_n(&block->len, __ATOMIC_RELAXED);
	if (v->len == 0 || v->len > FERRY_BULK_MAX)
		return false;
	/* Worked out from len, not read from the block. */
	bulk_view_shape(v);
	v->place = (enum ferry_placement)__atomic_load_n(&block->place,
			__ATOMIC_RELAXED);
	return (unsigned int)v->place < FERRY_PLACES &&
		bulk_side_read(&v->src, &block->src, v->len, true, gen, key);
}

bool
bulk_view_dst(struct bulk_view *v, uint64_t key)
{
	const struct ferry_bulk_side *from = &v->block->dst;
	const uint32_t window = __atomic_load_n(&from->window,
			__ATOMIC_RELAXED);

	if ((__atomic_load_n(&from->flags, __ATOMIC_RELAXED) &
			FERRY_BULK_WINDOW) == 0)
		return bulk_side_read(&v->dst, from, v->len, false, v->gen,
				key) &&
			(v->dst.flags & FERRY_BULK_WINDOW) == 0;
	return window > 0 && window <= v->n_units &&
		bulk_side_read(&v->dst, from, window * v->unit, false, v->gen,
				key) &&
		(v->dst.flags & FERRY_BULK_WINDOW) != 0 &&
		v->dst.window == window;
}

struct bulk_cursor
bulk_cursor_at(const struct bulk_side *side, uint64_t off)
{
	struct bulk_cursor c = { .side = side };

	bulk_cursor_move(&c, off);
	return c;
}

void
bulk_cursor_move(struct bulk_cursor *c, uint64_t by)
{
	c->off += by;
	/* The place behind the last byte belongs to the last segment. */
	while (c->seg + 1 < c->side->n &&
			c->off >= c->side->segs[c->seg].len)
		c->off -= c->side->segs[c->seg++].len;
}

uint64_t
bulk_piece(struct bulk_cursor *dst, struct bulk_cursor *src, uint64_t len,
		enum ferry_placement place, struct ferry_copy_job *job)
{
	const uint64_t n = bulk_cursor_piece(dst, bulk_cursor_piece(src, len));

	job->dst = (void *)(uintptr_t)bulk_cursor_addr(dst);
	job->src = (const void *)(uintptr_t)bulk_cursor_addr(src);
	job->len = n;
	job->cookie = 0;
	job->place = place;
	bulk_cursor_move(dst, n);
	bulk_cursor_move(src, n);
	return n;
}

struct bulk_cursor
bulk_dst_at(const struct bulk_view *v, uint32_t first)
{
	const uint64_t i = (v->dst.flags & FERRY_BULK_WINDOW) != 0 ?
		first % v->dst.window : first;

	return bulk_cursor_at(&v->dst, i * v->unit);
}

uint32_t
bulk_claim(struct bulk_view *v, uint8_t party, uint32_t by, uint32_t limit,
		uint32_t *first)
{
	const uint32_t next = __atomic_load_n(&v->block->next,
			__ATOMIC_RELAXED);
	const uint32_t most = RTE_MAX((uint32_t)(BULK_CLAIM / v->unit), 1u);
	const uint32_t n = (uint32_t)__builtin_popcount(by | 1u << party);
	const uint32_t part = FIRST_PART(v->n_units, n);
	uint32_t want = 1;

	if (next < part * n && part <= most)
		want = part;
	else if (next < v->n_units)
		want = NEXT_PART(v->n_units - next, n);
	/* In a window the units of a claim need not be next to each other. */
	if ((v->dst.flags & FERRY_BULK_WINDOW) != 0)
		want = 1;
	return ferry_claim_take(v->block, v->n_units, party,
			RTE_MAX(RTE_MIN(want, most), 1u), limit, v->front,
			first);
}

int
bulk_copy_units(const struct bulk_view *v, struct ferry_copier *copier,
		enum ferry_mode mode, uint32_t first, uint32_t n)
{
	struct bulk_cursor src = bulk_cursor_at(&v->src, first * v->unit);
	struct bulk_cursor dst = bulk_dst_at(v, first);
	uint64_t left = bulk_bytes(v, first, n);
	struct ferry_copy_job jobs[JOBS];
	uint16_t k;

	while (left > 0) {
		for (k = 0; k < JOBS && left > 0; k++) {
			left -= bulk_piece(&dst, &src, left, v->place,
					&jobs[k]);
			jobs[k].mode = mode;
		}
		if (ferry_copier_copy(copier, jobs, k) != 0)
			return -EIO;
	}
	return 0;
}

int
bulk_copy_vm(const struct bulk_view *v, const struct ferry_process *from,
		uint32_t first, uint32_t n)
{
	struct bulk_cursor src = bulk_cursor_at(&v->src, first * v->unit);
	struct bulk_cursor dst = bulk_dst_at(v, first);
	uint64_t left = bulk_bytes(v, first, n);
	struct ferry_copy_job job;
	int ret;

	while (left > 0) {
		left -= bulk_piece(&dst, &src, left, v->place, &job);
		ret = ferry_process_read(from, job.dst, (uintptr_t)job.src,
				job.len);
		if (ret != 0)
			return ret;
	}
	return 0;
}
