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

/** In the consumer's held table: the consumer is giving the slot back. */
#define FERRY_HELD_GIVEN UINT32_MAX
/** In the producer's held table: the producer has the slot, but not on loan. */
#define FERRY_HELD_SPARE UINT32_MAX

/** Set in ferry_msg.id when the message is in a cell. */
#define FERRY_MSG_CELL (UINT32_C(1) << 31)
/**
 * Set beside FERRY_MSG_CELL if the cell announces a bulk message: ferry_bulk.h.
 */
#define FERRY_MSG_BULK (UINT32_C(1) << 30)

/** A producer's handle. The fields are not for the application. */
struct ferry_tx {
	/** @cond internal */
	struct ferry_end end;

	/**
	 * Cells filled so far, and the number up to which the producer may
	 * fill.
	 */
	uint64_t cell_head;
	uint64_t cell_limit;
	/** Slots held and not loaned: a queue of free_mask + 1 places. */
	uint32_t *free;
	uint32_t free_mask;
	uint32_t free_head;
	uint32_t free_tail;
	/** Slots that the producer has, loaned or not: those marked in held. */
	uint32_t in_hand;
	/** The consumer, or the server, wrote a value that cannot be true. */
	bool broken;

	/** The last call lacked a slot; if true, a cell would do as well. */
	bool cell_will_do;
	enum ferry_placement place;
	/** Posts; the server copies their payloads. */
	struct ferry_post *post;
	/** Bulk messages; NULL until the first. */
	struct bulk_tx *bulk;
	/** @endcond */
};

/** A consumer's handle. The fields are not for the application. */
struct ferry_rx {
	/** @cond internal */
	struct ferry_end end;
	/** The out ring: messages that the server copied. */
	struct ferry_ring out;

	/** Cells received so far, and how many of them are given back. */
	uint64_t cell_tail;
	uint64_t cell_freed;
	/** The next cell's stamp, as the consumer last read it. */
	uint64_t stamp;
	/** Cells in the application's hands, one bit each. */
	uint64_t cells_held;
	/** Longest message in a cell; the channel's, if that is shorter. */
	uint32_t cell_max;
	/**
	 * How many times in a row a later message was there and the next one
	 * was not.
	 */
	uint32_t gaps;
	/**
	 * The consumer has not woken the producer, because more was to be given
	 * back.
	 */
	bool owed;
	/** Bulk messages; NULL until the first. */
	struct bulk_rx *bulk;
	/** The job ring: what the server still has to copy. */
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
 * Say for how many slots a waiting producer is to be woken; 0: for each slot or
 * cell that is given back. Called before the bell is armed.
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
