/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CHANNEL_HANDLE_H
#define FERRY_CHANNEL_HANDLE_H

/**
 * @file
 * The handles of a channel's two ends. Included by ferry_channel_fast.h.
 *
 * Thread-safety: a handle belongs to the thread of its endpoint.
 */

#include "ferry_end.h"

#ifdef __cplusplus
extern "C" {
#endif

/** In the consumer's held table: being given back. */
#define FERRY_HELD_GIVEN UINT32_MAX
/** In the producer's held table: in its hands, but not on loan. */
#define FERRY_HELD_SPARE UINT32_MAX

/** Set in ferry_msg.id when the message is in a cell. */
#define FERRY_MSG_CELL (UINT32_C(1) << 31)
/** Set beside it when the cell announces a bulk message: ferry_bulk.h. */
#define FERRY_MSG_BULK (UINT32_C(1) << 30)

/** A producer's handle. The fields are not for the application. */
struct ferry_tx {
	/** @cond internal */
	struct ferry_end end;

	/** Cells filled so far, and how many may be. */
	uint64_t cell_head;
	uint64_t cell_limit;
	/** Slots held but not loaned: a queue of free_mask + 1 places. */
	uint32_t *free;
	uint32_t free_mask;
	uint32_t free_head;
	uint32_t free_tail;
	/** Slots in this end's hands, loaned or not: those marked in held. */
	uint32_t in_hand;
	/** The consumer, or the server, wrote what cannot be true. */
	bool broken;

	/** What the last call lacked: a slot, or if true a cell or a slot. */
	bool cell_will_do;
	enum ferry_placement place;
	/** Messages that the server is to copy. */
	struct ferry_post *post;
	/** Bulk messages; NULL: there were none. */
	struct bulk_tx *bulk;
	/** @endcond */
};

/** A consumer's handle. The fields are not for the application. */
struct ferry_rx {
	/** @cond internal */
	struct ferry_end end;
	/** Messages that the server copied. */
	struct ferry_ring out;

	/** Cells received so far, and how many of them are given back. */
	uint64_t cell_tail;
	uint64_t cell_freed;
	/** What the next cell's stamp was when it was last looked at. */
	uint64_t stamp;
	/** Cells in the application's hands, one bit each. */
	uint64_t cells_held;
	/** Longest message in a cell: that of the channel, if it is shorter. */
	uint32_t cell_max;
	/** Times in a row that a later message was there, but not the next. */
	uint32_t gaps;
	/** The producer was not woken, since more was to be given back. */
	bool owed;
	/** Bulk messages; NULL: there were none. */
	struct bulk_rx *bulk;
	/** What the server still has to copy. */
	const struct rte_ring *jobs;
	/** @endcond */
};

/** @cond internal */
/** Where the copy of a payload shall end up. */
static inline enum ferry_placement
ferry_tx_place(const struct ferry_tx *tx, const struct ferry_buf *buf)
{
	return buf->place != FERRY_PLACE_AUTO ? buf->place : tx->place;
}

/**
 * Say for how many slots a waiting producer is to be woken, before its bell is
 * armed; 0: for all that is given back.
 */
static inline void
ferry_tx_wish(struct ferry_tx *tx, uint32_t slots)
{
	__atomic_store_n(&tx->end.shared->wish.slots, tx->end.back.at + slots,
			__ATOMIC_RELAXED);
}
/** @endcond */

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CHANNEL_HANDLE_H */
