/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BULK_COPY_H
#define BULK_COPY_H

/*
 * What all parties of a bulk message have in common: a private view of it, and
 * how to copy units. Protocol and states: ferry_bulk_layout.h.
 *
 * A party reads a view from the block once and checks it. From then on a
 * corrupt peer can spoil the payload, but cannot make a party read or write
 * elsewhere. A party looks shared memory up before it uses it. An address of
 * private memory cannot be looked up. Only the process that owns it follows
 * such an address, and only with the seal that this process has put beside it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_bulk.h"
#include "ferry_channel_memory.h"
#include "ferry_claim.h"
#include "ferry_copier.h"
#include "ferry_process.h"

/* Longest claim: what a party copies before it looks for other work. */
#define BULK_CLAIM (UINT64_C(512) << 10)

/* A source or destination, as a party has read it. */
struct bulk_side {
	uint32_t n;
	uint32_t flags;
	uint64_t window;
	/* The side carries this process's seal, so that this process may follow
	 * a private address in it. */
	bool sealed;
	struct ferry_bulk_seg segs[FERRY_BULK_SEGS];
};

/* A message, as a party has read it. */
struct bulk_view {
	struct ferry_bulk_block *block;
	uint64_t len;
	uint64_t unit;
	uint32_t n_units;
	uint32_t gen;
	enum ferry_placement place;
	/* All units below this one are DONE. */
	uint32_t front;
	/* The message has its destination. */
	bool started;
	struct bulk_side src;
	/* Valid once the message is started. */
	struct bulk_side dst;
};

/* A place in a side. It only moves forward. */
struct bulk_cursor {
	const struct bulk_side *side;
	uint32_t seg;
	uint64_t off;
};

/* Read a side. Returns false if it cannot be one of len bytes or, for a
 * destination, more. key: the token of this process, which wrote the side for
 * message gen; then false also if the side is not as it was written. key 0:
 * another process may have written the side. */
bool bulk_side_read(struct bulk_side *side, const struct ferry_bulk_side *from,
		uint64_t len, bool exact, uint32_t gen, uint64_t key);

/* Write a side. key: this process's token. */
void bulk_side_write(struct ferry_bulk_side *to, const struct bulk_side *side,
		uint32_t gen, uint64_t key);

/* Whether at least the processes given by who reach all of a side. memory: the
 * memory of the asking thread's endpoint; NULL: there is none, and nothing is
 * reached. */
bool bulk_side_reaches(const struct bulk_side *side,
		const struct ferry_channel_memory *memory,
		enum ferry_reach who);

/*
 * Whether the asking party may follow the addresses of a side that was read. A
 * private address is valid in its owner's process alone; the seal tells that
 * this is that process. Other memory is looked up, because its owner may be
 * mistaken or corrupt.
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

/* Make a side of an iov: 0, or -EINVAL. Sets *len to its bytes. */
int bulk_side_make(struct bulk_side *side, const struct iovec *iov,
		unsigned int n, uint64_t *len);

/* Begin a view: set everything except shape and source. */
void bulk_view_init(struct bulk_view *v, struct ferry_bulk_block *block,
		uint32_t gen);

/* Work the units out of the message's length. */
static inline void
bulk_view_shape(struct bulk_view *v)
{
	v->unit = ferry_bulk_unit(v->len);
	v->n_units = ferry_bulk_n_units(v->len);
}

/* Read shape and source of a message that is announced. Returns false if they
 * are impossible. key: as for bulk_side_read(). */
bool bulk_view_read(struct bulk_view *v, struct ferry_bulk_block *block,
		uint32_t gen, uint64_t key);

/* Read the destination of a message that has begun; false if impossible. */
bool bulk_view_dst(struct bulk_view *v, uint64_t key);

/* The place in a side that is off bytes from its start. */
struct bulk_cursor bulk_cursor_at(const struct bulk_side *side, uint64_t off);

/* How many bytes lie in one piece from the cursor on, no more than most. */
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

/* The next piece of a copy of len bytes. Fills in its job, except cookie and
 * mode, and returns its bytes. Both cursors move on. */
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

/* Claim units, no more than a fair part for each party in by (FERRY_BULK_TX and
 * so on). Returns how many. */
uint32_t bulk_claim(struct bulk_view *v, uint8_t party, uint32_t by,
		uint32_t limit, uint32_t *first);

/* Whether an end's endpoint closed the end, even if the hub had gone before. */
static inline bool
bulk_has_left(const struct ferry_channel_end *end)
{
	/* Q; seq_cst: ordered after a claim, as the load of over is. */
	return __atomic_load_n(&end->left, __ATOMIC_SEQ_CST) != 0;
}

/*
 * Whether the units may be copied. A party asks after each claim. The consumer
 * may have closed its end, or died, before it saw the message: a buffer that it
 * lent then belongs to the consumer again although neither end has ended the
 * message yet.
 */
static inline bool
bulk_may_copy(const struct ferry_channel_shared *ch, const struct bulk_view *v)
{
	/* Ordered after the claim, as the load of over is. */
	const uint32_t rx = __atomic_load_n(&ch->rx.state, __ATOMIC_SEQ_CST);

	return ferry_bulk_over(v->block, v->gen) == 0 &&
		rx != FERRY_END_GONE && !bulk_has_left(&ch->rx);
}

/* Copy n units with a copier: 0 or -EIO. */
int bulk_copy_units(const struct bulk_view *v, struct ferry_copier *copier,
		enum ferry_mode mode, uint32_t first, uint32_t n);

/* Copy n units by process_vm_readv(). Returns what ferry_process_read()
 * does. */
int bulk_copy_vm(const struct bulk_view *v, const struct ferry_process *from,
		uint32_t first, uint32_t n);

#endif /* BULK_COPY_H */
