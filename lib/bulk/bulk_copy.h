/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BULK_COPY_H
#define BULK_COPY_H

/*
 * What all parties of a bulk message have in common: a private view of it, and
 * how to copy units. Protocol and states: ferry_bulk_layout.h.
 *
 * A view is read from the block once and checked; from then on a corrupt peer
 * can spoil the payload, but not make anybody read or write elsewhere. Memory
 * that is everybody's is looked up before it is used. An address of private
 * memory cannot be looked up: it is followed by its own process only, and there
 * only with the seal that this process has put beside it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_bulk.h"
#include "ferry_channel_memory.h"
#include "ferry_claim.h"
#include "ferry_copier.h"
#include "ferry_process.h"

/* Longest claim: what a party copies between two looks at anything else. */
#define BULK_CLAIM (UINT64_C(512) << 10)

/* A source or destination, as a party has read it. */
struct bulk_side {
	uint32_t n;
	uint32_t flags;
	uint64_t window;
	/* It was read, and this process had written it: what is private there
	 * may be followed. */
	bool sealed;
	struct ferry_bulk_seg segs[FERRY_BULK_SEGS];
};

/* A message. */
struct bulk_view {
	struct ferry_bulk_block *block;
	uint64_t len;
	uint64_t unit;
	uint32_t n_units;
	uint32_t gen;
	enum ferry_placement place;
	/* All units below are DONE. */
	uint32_t front;
	/* It has its destination. */
	bool started;
	struct bulk_side src;
	/* Valid once started. */
	struct bulk_side dst;
};

/* A place in a side: goes forward only. */
struct bulk_cursor {
	const struct bulk_side *side;
	uint32_t seg;
	uint64_t off;
};

/* Read a side; false if it cannot be one of len bytes or, for a destination,
 * more. key: the token of this process, which wrote it for message gen: false
 * if it is not as it was written. 0: another process may have written it. */
bool bulk_side_read(struct bulk_side *side, const struct ferry_bulk_side *from,
		uint64_t len, bool exact, uint32_t gen, uint64_t key);

/* Write one; key: this process's token. */
void bulk_side_write(struct ferry_bulk_side *to, const struct bulk_side *side,
		uint32_t gen, uint64_t key);

/* Whether at least those who are given reach all of a side. memory: the
 * asker's; NULL: it has none, and nothing is reached. */
bool bulk_side_reaches(const struct bulk_side *side,
		const struct ferry_channel_memory *memory,
		enum ferry_reach who);

/*
 * Whether the asker may follow the addresses of a side that was read. Private
 * memory is where its owner says, in the same process alone: the seal tells.
 * Other memory is looked up, because its owner may be mistaken or corrupt.
 */
static inline bool
bulk_side_follow(const struct bulk_side *side,
		const struct ferry_channel_memory *memory,
		enum ferry_reach who)
{
	if ((side->flags & FERRY_BULK_SHARED) == 0)
		return side->sealed;
	return bulk_side_reaches(side, memory, who);
}

/* The seal of a grant. */
static inline uint32_t
bulk_grant_seal(const struct ferry_bulk_grant *at, uint64_t addr, uint64_t len,
		uint64_t key)
{
	return ferry_process_seal(key ^ (uintptr_t)at, addr, len);
}

/* Make one of an iov: 0, or -EINVAL. *len: its bytes. */
int bulk_side_make(struct bulk_side *side, const struct iovec *iov,
		unsigned int n, uint64_t *len);

/* Begin a view: all but shape and source. */
void bulk_view_init(struct bulk_view *v, struct ferry_bulk_block *block,
		uint32_t gen);

/* Work the units out of its length. */
static inline void
bulk_view_shape(struct bulk_view *v)
{
	v->unit = ferry_bulk_unit(v->len);
	v->n_units = ferry_bulk_n_units(v->len);
}

/* Read shape and source of a message that is announced; false if they are
 * impossible. key: as for bulk_side_read(). */
bool bulk_view_read(struct bulk_view *v, struct ferry_bulk_block *block,
		uint32_t gen, uint64_t key);

/* Read the destination of one that has begun; false if it is impossible. */
bool bulk_view_dst(struct bulk_view *v, uint64_t key);

/* The place in a side that is so far from its start. */
struct bulk_cursor bulk_cursor_at(const struct bulk_side *side, uint64_t off);

/* Where a cursor is, and how many bytes are there in one piece, at most
 * most. */
static inline uint64_t
bulk_cursor_piece(const struct bulk_cursor *c, uint64_t most)
{
	return RTE_MIN(most, c->side->segs[c->seg].len - c->off);
}

static inline uint64_t
bulk_cursor_addr(const struct bulk_cursor *c)
{
	return c->side->segs[c->seg].addr + c->off;
}

void bulk_cursor_move(struct bulk_cursor *c, uint64_t by);

/* The next piece of a copy of len bytes: its job, but for cookie and mode; its
 * bytes. Both cursors move on. */
uint64_t bulk_piece(struct bulk_cursor *dst, struct bulk_cursor *src,
		uint64_t len, enum ferry_placement place,
		struct ferry_copy_job *job);

/* Where units of a view start in its destination. */
struct bulk_cursor bulk_dst_at(const struct bulk_view *v, uint32_t first);

/* Bytes of n units from the first one on. */
static inline uint64_t
bulk_bytes(const struct bulk_view *v, uint32_t first, uint32_t n)
{
	const uint64_t from = first * v->unit;

	return RTE_MIN(v->len - from, n * v->unit);
}

/* Claim units, no more than a fair part among those who copy (FERRY_BULK_TX and
 * so on): how many. */
uint32_t bulk_claim(struct bulk_view *v, uint8_t party, uint32_t by,
		uint32_t limit, uint32_t *first);

/* Whether an end was closed by its endpoint, whatever became of the hub. */
static inline bool
bulk_has_left(const struct ferry_channel_end *end)
{
	/* Q; seq_cst: ordered after a claim, as over is. */
	return __atomic_load_n(&end->left, __ATOMIC_SEQ_CST) != 0;
}

/*
 * To be asked after each claim: whether the units may be copied. The consumer
 * may have closed, or died, before its message was seen: a lent buffer is then
 * its again although nobody has ended the message yet.
 */
static inline bool
bulk_may_copy(const struct ferry_channel_shared *ch, const struct bulk_view *v)
{
	/* Ordered after the claim, as over is. */
	const uint32_t rx = __atomic_load_n(&ch->rx.state, __ATOMIC_SEQ_CST);

	return ferry_bulk_over(v->block, v->gen) == 0 &&
		rx != FERRY_END_GONE && !bulk_has_left(&ch->rx);
}

/* Copy n units with a copier: 0 or -EIO. */
int bulk_copy_units(const struct bulk_view *v, struct ferry_copier *copier,
		enum ferry_mode mode, uint32_t first, uint32_t n);

/* The same by process_vm_readv() from a process: as ferry_process_read(). */
int bulk_copy_vm(const struct bulk_view *v, const struct ferry_process *from,
		uint32_t first, uint32_t n);

#endif /* BULK_COPY_H */
