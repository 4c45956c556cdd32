/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_BULK_LAYOUT_H
#define FERRY_BULK_LAYOUT_H

/**
 * @file
 * What a bulk message looks like in shared memory: a block of its channel.
 *
 * A bulk message is copied once, from where its producer has it to where its
 * consumer wants it, by everybody who has time. Only its block lies in the
 * channel; a cell announces it, at its place in the order.
 *
 *     producer                     consumer
 *     fill in block b
 *     cell {b, gen, len} ────C1──> ferry_bulk_accept(): choose a destination
 *     copy <─────────────D──────── dst_gen = gen
 *
 * The message is a row of units. Each has a byte that says whose it is; by it
 * alone parties share the work, and a party's death harms nobody:
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
 * over and claims are ordered as two flags are: who claims looks at over, and
 * at whether the consumer's end has left or died, after its
 * compare-and-exchange; who sets one of these looks at the units afterwards. So
 * from then on, once no unit is in a living party's hands, nothing is read from
 * the source or written to the destination any more. Whether the message is
 * complete is then the same for both ends: if and only if all units are DONE.
 *
 * An end that does not wait for another party's claims, because that party is
 * stopped or it is not known whether it lives, makes them VOID after it has set
 * over. Then these units never become DONE, so that the message is not complete
 * for anybody; but a unit that is VOID tells that its party may still read the
 * source and write the destination.
 *
 * Synchronisation edges (release at the left, acquire at the right):
 *
 *    C1 tx: cell's stamp                 rx: the block's source and shape
 *    D  rx: dst_gen = gen                who claims: ferry_bulk_started()
 *    U  who copied: unit = DONE          either end: ferry_claim_front()
 *    G  rx: released = gen               tx: the block may be used again
 *    L  rx: grant OFFERED                tx: the destination of a message
 *    A  tx, rx: service.bulk |= bit      server: the block is looked at
 *    Q  one end: left = 1                other end, who claims: bulk_has_left()
 *
 * What a message costs beside its copy, in cache lines that move: the cell; 1
 * for each 4 segments of source and of destination; dst_gen; and for each claim
 * the line of next, the lines of its units, and one of these back. With claims
 * of 256 KiB, which take 10 to 20 us to copy, about 0.3 us.
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
/** Largest unit of a message that has not got too many of them. */
#define FERRY_BULK_UNIT_MAX (UINT64_C(256) << 10)
/** Units that a message of middle length is divided into: no party is late by
 * more than a part of 64 then. */
#define FERRY_BULK_SHARE 64
/** Longest message: 16 TiB. */
#define FERRY_BULK_MAX (UINT64_C(1) << 44)

/** @name Bytes of units
 * @{
 */
/** Nobody's yet. */
#define FERRY_UNIT_FREE 0
/** The producer's. */
#define FERRY_UNIT_TX 1
/** The consumer's. */
#define FERRY_UNIT_RX 2
/** The server's. */
#define FERRY_UNIT_SERVER 3
/**
 * Set beside a party: its claim does not count any more, although it may still
 * be at work. Once its message is over.
 */
#define FERRY_UNIT_VOID 0x40
/** Copied. */
#define FERRY_UNIT_DONE 0xff
/** @} */

/** @name ferry_bulk_side.flags
 * @{
 */
/** Every process of the hub has this memory at this address. */
#define FERRY_BULK_SHARED (UINT32_C(1) << 0)
/**
 * Of a destination: a window of shared memory. Unit i is copied to place
 * i % window by the producer alone once ferry_bulk_block.taken > i - window.
 */
#define FERRY_BULK_WINDOW (UINT32_C(1) << 1)
/** @} */

/** A piece of a source or destination. */
struct ferry_bulk_seg {
	/** Where, as an address in its owner's process. */
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
	/** Of a destination with FERRY_BULK_WINDOW: units in it. */
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
	/** Bytes of payload. Written by tx, as all up to src. */
	uint64_t len __rte_aligned(FERRY_APART);
	/** How many messages have used this block, from 1 up. */
	uint32_t gen;
	/** Who should copy: FERRY_BULK_TX and so on. A hint. */
	uint32_t by;
	/** enum ferry_placement. */
	uint32_t place;
	/** Where the payload is. */
	struct ferry_bulk_side src;

	/** D: dst belongs to this message. Written by rx. */
	uint32_t dst_gen __rte_aligned(FERRY_APART);
	/** Where the payload goes. Written by rx before dst_gen. */
	struct ferry_bulk_side dst;

	/** G: the last message that rx has let go of. Written by rx. */
	uint32_t released __rte_aligned(FERRY_APART);
	/** What the consumer waits for: its first so many units. Hint; by
	 * rx. */
	uint32_t wish;
	/** Of a window: units that rx has taken out. Written by rx. */
	uint64_t taken;

	/**
	 * Why a message ended early: its gen in the upper half, the result in
	 * the lower one. By compare-and-exchange from another gen's: once. What
	 * stands there is read by ferry_bulk_why().
	 */
	uint64_t over __rte_aligned(FERRY_APART);
	/**
	 * Units below have been claimed once. A hint: the units tell. Beside
	 * them and over, since a claim looks at all three.
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
/** To be had: tx may take it, rx may take it back. */
#define FERRY_GRANT_OFFERED 1
/** The destination of a message, until rx has that. */
#define FERRY_GRANT_TAKEN 2
/** @} */

/** A buffer that the consumer lends to messages to come; in shared memory. */
struct ferry_bulk_grant {
	/** Where. Written by rx before it is OFFERED. */
	uint64_t addr;
	/** Bytes. */
	uint64_t len;
	/** FERRY_GRANT_*; from OFFERED by compare-and-exchange. */
	uint32_t state;
	/** As ferry_bulk_side.seal, on addr and len. Written with them. */
	uint32_t seal;
};

/** What a cell with FERRY_CELL_BULK holds. */
struct ferry_bulk_note {
	/** The block. */
	uint32_t block;
	/** Its gen. */
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
 * The blocks of bulk messages, for an end. It does not look at the channel's
 * head again, because others may have written there. The grants lie behind
 * them.
 *
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
 * The result that a block's "over" holds. Applications are given it, so that
 * it has to be one of those that an end, the engine or the hub writes.
 *
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
		/* Also 0: no party could say any more that it is over. */
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
	/* Ordered after a claim's compare-and-exchange: see above. */
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

	/* Three parties can be in each other's way, and not for long. */
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
