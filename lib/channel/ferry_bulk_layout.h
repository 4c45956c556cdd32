/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_BULK_LAYOUT_H
#define FERRY_BULK_LAYOUT_H

/**
 * @file
 * What a bulk message looks like in shared memory: a block of its channel.
 *
 * A bulk message is copied once, from where its producer has it to where its
 * consumer wants it. The producer, the consumer and the server share the
 * copying: each copies when it has time. Only the message's block lies in the
 * channel. A cell announces the message, at its place in the order.
 *
 *     producer                     consumer
 *     fill in block b
 *     cell {b, gen, len} ────C1──> ferry_bulk_accept(): choose a destination
 *     copy <─────────────D──────── dst_gen = gen
 *
 * The message is a row of units. Each unit has a byte that says which party
 * owns it. The parties share the work by these bytes alone, and so the death of
 * a party harms no other party:
 *
 *              claim (compare-and-exchange)    done (compare-and-exchange)
 *       FREE ──────────────────────────> party ─────────────────────> DONE
 *         ^                                │
 *         ├─── gives it back; or is dead ──┤
 *         │                                │ it is not waited for
 *         └──────── done, or dead ─────── VOID
 *
 * A block's life. gen numbers the messages that used it; "over" ends one early:
 *
 *      tx: gen + 1        rx: dst_gen = gen       all units DONE
 *     ───────────> OFFERED ───────────> COPYING ───────────────> COMPLETE
 *                     │ over = {gen, why}  │ over = {gen, why}      │
 *                     └────────────────────┴──────> OVER            │
 *                                                    │   rx: released = gen
 *                                                    └──────────────┴──> free
 *
 * over and the claims are ordered as two flags are. A party that claims does
 * its compare-and-exchange first. Then it looks at over, and whether the
 * consumer's end has left or died. An end that sets one of these looks at the
 * units afterwards. So from then on, once no unit is in a living party's hands,
 * no party reads the source or writes the destination any more. Whether the
 * message is complete is then the same for both ends: if and only if all units
 * are DONE.
 *
 * A party may be stopped, or it may not be known whether it lives. An end that
 * does not wait for the claims of such a party sets over, and then makes the
 * claims VOID. These units never become DONE. Therefore the message is complete
 * for neither end. A unit that is VOID tells that its party may still read the
 * source and write the destination.
 *
 * Synchronisation edges (release at the left, acquire at the right). A claimer
 * is a party that claims units:
 *
 *    C1 tx: cell's stamp                 rx: the block's source and shape
 *    D  rx: dst_gen = gen                claimer: ferry_bulk_started()
 *    U  claimer: unit = DONE             either end: ferry_claim_front()
 *    G  rx: released = gen               tx: the block may be used again
 *    L  rx: grant OFFERED                tx: the destination of a message
 *    A  tx, rx: service.bulk |= bit      server: the block is looked at
 *    Q  one end: left = 1                other end, claimer: bulk_has_left()
 *
 * What a message costs beside its copy, in cache lines that move: the cell; 1
 * for each 4 segments of source and of destination; dst_gen; and for each claim
 * the line of next, the lines of the claim's units, and one of these lines
 * back. With claims of 256 KiB, which take 10 to 20 us to copy, about 0.3 us.
 */

#include <errno.h>
#include <stdint.h>

#include <rte_common.h>

#include "ferry_bulk_by.h"
#include "ferry_channel_layout.h"
#include "ferry_errno.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Most units of a message. */
#define FERRY_BULK_UNITS 2048
/** Most segments of a source, and of a destination. */
#define FERRY_BULK_SEGS 32
/** Smallest unit in bytes. */
#define FERRY_BULK_UNIT_MIN (UINT64_C(16) << 10)
/**
 * Largest unit, unless the message would need more than FERRY_BULK_UNITS of it.
 */
#define FERRY_BULK_UNIT_MAX (UINT64_C(256) << 10)
/**
 * Units that a message of middle length is divided into. A party is then late
 * by no more than one part of 64.
 */
#define FERRY_BULK_SHARE 64
/** Longest message: 16 TiB. */
#define FERRY_BULK_MAX (UINT64_C(1) << 44)

/** @name Bytes of units
 * @{
 */
/** No party has claimed the unit yet. */
#define FERRY_UNIT_FREE 0
/** The producer has claimed the unit. */
#define FERRY_UNIT_TX 1
/** The consumer has claimed the unit. */
#define FERRY_UNIT_RX 2
/** The server has claimed the unit. */
#define FERRY_UNIT_SERVER 3
/**
 * Set beside a party: its claim does not count any more, although the party may
 * still be at work. Only in a message that is over.
 */
#define FERRY_UNIT_VOID 0x40
/** The unit is copied. */
#define FERRY_UNIT_DONE 0xff
/** @} */

/** @name ferry_bulk_side.flags
 * @{
 */
/** Every process of the hub has this memory at this address. */
#define FERRY_BULK_SHARED (UINT32_C(1) << 0)
/**
 * The destination is a window of shared memory. The producer alone copies to
 * it: unit i to place i % window, once ferry_bulk_block.taken > i - window.
 */
#define FERRY_BULK_WINDOW (UINT32_C(1) << 1)
/** @} */

/** A piece of a source or destination. */
struct ferry_bulk_seg {
	/** Its start, as an address in its owner's process. */
	uint64_t addr;
	/** Bytes. */
	uint64_t len;
};

/** A source or a destination. Written by its owner. */
struct ferry_bulk_side {
	/** Segments used. */
	uint32_t n_segs;
	/** FERRY_BULK_SHARED, FERRY_BULK_WINDOW. */
	uint32_t flags;
	/** With FERRY_BULK_WINDOW: units in the window. */
	uint32_t window;
	/**
	 * A seal on all that is used here and the message's gen, by the token
	 * of the process that wrote it: see ferry_process_seal(). A party of
	 * that same process follows the addresses only if the seal is right.
	 */
	uint32_t seal;
	/** The bytes, in this order. */
	struct ferry_bulk_seg segs[FERRY_BULK_SEGS];
};

/** A bulk message. */
struct ferry_bulk_block {
	/** Bytes of payload. tx writes this field and all up to src. */
	uint64_t len __rte_aligned(FERRY_APART);
	/** How many messages have used this block, from 1 up. */
	uint32_t gen;
	/** Which parties should copy: FERRY_BULK_TX and so on. A hint. */
	uint32_t by;
	/** enum ferry_placement. */
	uint32_t place;
	/** Where the payload is. */
	struct ferry_bulk_side src;

	/** D: dst belongs to this message. Written by rx. */
	uint32_t dst_gen __rte_aligned(FERRY_APART);
	/** Where the payload goes. Written by rx before dst_gen. */
	struct ferry_bulk_side dst;

	/** G: gen of the last message that rx has let go of. Written by rx. */
	uint32_t released __rte_aligned(FERRY_APART);
	/**
	 * How many units, from the first on, the consumer waits for. A hint;
	 * written by rx.
	 */
	uint32_t wish;
	/** Units that rx has taken out of the window. Written by rx. */
	uint64_t taken;

	/**
	 * Why a message ended early: its gen in the upper half, the result in
	 * the lower one. Set once for each gen, by a compare-and-exchange from
	 * the value of another gen. ferry_bulk_why() reads the result.
	 */
	uint64_t over __rte_aligned(FERRY_APART);
	/**
	 * All units below this one have been claimed at least once. A hint: the
	 * bytes of the units decide. It lies beside units and over, because a
	 * claim looks at all three.
	 */
	uint32_t next;
	/** FERRY_UNIT_*. */
	uint8_t units[FERRY_BULK_UNITS];
} __rte_aligned(FERRY_APART);

/** @name ferry_bulk_grant.state
 * @{
 */
/** Not in use: rx may offer it. */
#define FERRY_GRANT_NONE 0
/** The buffer is offered: tx may take it, rx may take it back. */
#define FERRY_GRANT_OFFERED 1
/** The buffer is the destination of a message, until rx has received it. */
#define FERRY_GRANT_TAKEN 2
/** @} */

/** A buffer that the consumer lends to messages to come; in shared memory. */
struct ferry_bulk_grant {
	/** Its start. Written by rx before the grant is OFFERED. */
	uint64_t addr;
	/** Bytes. */
	uint64_t len;
	/** FERRY_GRANT_*. It leaves OFFERED by a compare-and-exchange. */
	uint32_t state;
	/**
	 * As ferry_bulk_side.seal, on addr and len. Written together with them.
	 */
	uint32_t seal;
};

/** What a cell with FERRY_CELL_BULK holds. */
struct ferry_bulk_note {
	/** The block. */
	uint32_t block;
	/** gen of the message. */
	uint32_t gen;
	/** Bytes of payload. */
	uint64_t len;
	/** The application's number. */
	uint32_t tag;
	/** 1 + the grant that is its destination; 0: none. */
	uint32_t grant;
};

/** @cond internal */
/**
 * Length of the units that a message is divided into.
 *
 * @param len
 *   Bytes of the message, 1 to FERRY_BULK_MAX.
 * @return
 *   A power of two.
 */
static inline uint64_t
ferry_bulk_unit(uint64_t len)
{
	uint64_t unit = rte_align64pow2((len + FERRY_BULK_SHARE - 1) /
			FERRY_BULK_SHARE);

	unit = RTE_MAX(RTE_MIN(unit, FERRY_BULK_UNIT_MAX),
			FERRY_BULK_UNIT_MIN);
	while ((len + unit - 1) / unit > FERRY_BULK_UNITS)
		unit *= 2;
	return unit;
}

/**
 * How many units a message is divided into. The last one may be shorter.
 *
 * @param len
 *   Bytes of the message, 1 to FERRY_BULK_MAX.
 * @return
 *   1 to FERRY_BULK_UNITS.
 */
static inline uint32_t
ferry_bulk_n_units(uint64_t len)
{
	const uint64_t unit = ferry_bulk_unit(len);

	return (uint32_t)((len + unit - 1) / unit);
}

/**
 * The blocks of bulk messages, for an end. The function does not read the
 * channel's head, because another process may have written there since. The
 * grants lie behind the blocks.
 * @param cells
 *   The channel's cells, as its end has found them at its start.
 * @return
 *   FERRY_BULK_BLOCKS blocks; as many grants follow.
 */
static inline struct ferry_bulk_block *
ferry_cells_bulk(struct ferry_cell *cells)
{
	return (struct ferry_bulk_block *)(void *)&cells[FERRY_N_CELLS];
}

/** Bytes of blocks and grants. */
#define FERRY_BULK_BYTES \
	(FERRY_BULK_BLOCKS * sizeof(struct ferry_bulk_block) + \
	 RTE_ALIGN_CEIL(FERRY_BULK_BLOCKS * sizeof(struct ferry_bulk_grant), \
		FERRY_APART))

/**
 * The result that a block's "over" holds. The application gets this result. So
 * it has to be one that an end, the engine or the hub writes.
 * @param over
 *   "over" of the message's gen, read once.
 * @return
 *   Negative; FERRY_E_CORRUPT in place of what no party of the channel writes.
 */
static inline int
ferry_bulk_why(uint64_t over)
{
	const int why = (int)(int32_t)over;

	switch (why) {
	case FERRY_E_CANCELLED:
	case FERRY_E_REFUSED:
	case FERRY_E_CLOSED:
	case FERRY_E_PEER_GONE:
	case FERRY_E_HUB_GONE:
	case FERRY_E_CORRUPT:
	case -EIO:
		return why;
	default:
		/* Also for 0, because 0 means that the message is not over. */
		return FERRY_E_CORRUPT;
	}
}

/**
 * Why a message is over.
 *
 * @param b
 *   Its block.
 * @param gen
 *   Its number.
 * @return
 *   What ferry_bulk_end() was given, as ferry_bulk_why() says; 0: it is not
 *   over.
 */
static inline int
ferry_bulk_over(const struct ferry_bulk_block *b, uint32_t gen)
{
	/* seq_cst: ordered after a claim's compare-and-exchange, see the
	 * head. */
	const uint64_t over = __atomic_load_n(&b->over, __ATOMIC_SEQ_CST);

	return (uint32_t)(over >> 32) == gen ? ferry_bulk_why(over) : 0;
}

/**
 * End a message early.
 *
 * @param b
 *   Its block.
 * @param gen
 *   Its number.
 * @param why
 *   What both ends are to return: one of those that ferry_bulk_why() knows.
 * @return
 *   Why it is over: what was said first.
 */
static inline int
ferry_bulk_end(struct ferry_bulk_block *b, uint32_t gen, int why)
{
	uint64_t was = __atomic_load_n(&b->over, __ATOMIC_RELAXED);
	uint32_t tries = 0;

	/* At most three parties set over at the same time, so the loop ends
	 * soon. */
	while ((uint32_t)(was >> 32) != gen && tries++ < FERRY_BULK_UNITS)
		if (__atomic_compare_exchange_n(&b->over, &was,
				(uint64_t)gen << 32 | (uint32_t)why, false,
				__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return why;
	return (uint32_t)(was >> 32) == gen ? ferry_bulk_why(was) : why;
}

/**
 * Whether a message has its destination.
 *
 * @param b
 *   Its block.
 * @param gen
 *   Its number.
 * @return
 *   Whether it has.
 */
static inline bool
ferry_bulk_started(const struct ferry_bulk_block *b, uint32_t gen)
{
	/* D */
	return __atomic_load_n(&b->dst_gen, __ATOMIC_ACQUIRE) == gen;
}

/** @endcond */

#ifdef __cplusplus
}
#endif

#endif /* FERRY_BULK_LAYOUT_H */
