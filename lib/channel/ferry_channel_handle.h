/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CHANNEL_HANDLE_H
#define FERRY_CHANNEL_HANDLE_H

/**
 * @file
 * The handles of a channel's two ends, and what both ends ask of the other one.
 * Included by ferry_channel_fast.h, whose letters the edges have.
 *
 * Thread-safety: a handle belongs to the thread of its endpoint.
 */

#include <errno.h>

#include <rte_branch_prediction.h>

#include "ferry_bell.h"
#include "ferry_board.h"
#include "ferry_channel.h"
#include "ferry_ring.h"

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
	struct ferry_channel_shared *shared;
	struct ferry_ring fwd;
	struct ferry_ring back;
	/** Slots in this end's hands: the epoch on loan, else SPARE; or 0. */
	uint32_t *held;
	struct ferry_cell *cells;
	uint8_t *slots;
	uint64_t stride;
	uint32_t slot_size;
	uint32_t n_slots;
	uint32_t epoch;
	uint32_t n_bells;
	struct ferry_bell *bells;

	/** Sequence number of the next message. */
	uint64_t seq;
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
	/** The mode that this end has taken over; see ferry_tx_mode(). */
	uint8_t mode;
	enum ferry_placement place;
	/** Messages that the server is to copy. */
	struct ferry_post *post;
	/** Bulk messages; NULL: there were none. */
	struct bulk_tx *bulk;
	/** Where the server publishes: to see that all is consumed. */
	struct rte_ring *out;
	const struct ferry_channel_memory *memory;
	struct ferry_copier *copier;
	struct ferry_boards boards;
	struct ferry_end_stats stats;
	uint32_t endpoint;
	struct ferry_wait wait;
	void *owner;
	/** @endcond */
};

/** A consumer's handle. The fields are not for the application. */
struct ferry_rx {
	/** @cond internal */
	struct ferry_channel_shared *shared;
	struct ferry_ring fwd;
	struct ferry_ring back;
	struct ferry_ring out;
	/** Slots in this end's hands: the epoch, once released GIVEN; or 0. */
	uint32_t *held;
	struct ferry_cell *cells;
	uint8_t *slots;
	uint64_t stride;
	uint32_t slot_size;
	uint32_t n_slots;
	uint32_t epoch;
	uint32_t n_bells;
	struct ferry_bell *bells;

	/** Sequence number of the next message. */
	uint64_t seq;
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
	/** The mode that this end has taken over; see ferry_rx_mode(). */
	uint8_t mode;
	/** The producer was not woken, since more was to be given back. */
	bool owed;
	/** Bulk messages; NULL: there were none. */
	struct bulk_rx *bulk;
	/** What the server still has to copy. */
	const struct rte_ring *jobs;
	const struct ferry_channel_memory *memory;
	struct ferry_copier *copier;
	struct ferry_boards boards;

	struct ferry_end_stats stats;
	uint32_t endpoint;
	struct ferry_wait wait;
	void *owner;
	/** @endcond */
};

/** @cond internal */
/** What the other end's state means to this end: 0 or FERRY_E_*. */
static inline int
ferry_end_result(const struct ferry_channel_end *end)
{
	/* E1: what the end published before it ended is visible after this. */
	uint32_t state = __atomic_load_n(&end->state, __ATOMIC_ACQUIRE);

	if (likely(state <= FERRY_END_OPEN))
		return 0;
	if (state == FERRY_END_CLOSED)
		return FERRY_E_CLOSED;
	return state == FERRY_END_GONE ? FERRY_E_PEER_GONE : FERRY_E_HUB_GONE;
}

/** The channel's mode; what others write is not to be believed. */
static inline enum ferry_mode
ferry_channel_mode(const struct ferry_channel_shared *ch)
{
	const uint32_t mode = __atomic_load_n(&ch->service.mode,
			__ATOMIC_RELAXED);

	return mode < FERRY_MODES ? (enum ferry_mode)mode : FERRY_MODE_LATENCY;
}

/** Whether the channel's jobs have been given up: 0, FERRY_E_CORRUPT or -EIO. */
static inline int
ferry_channel_failed(const struct ferry_channel_shared *ch)
{
	/* F: nothing reads the jobs' payloads after this. */
	const int32_t why = __atomic_load_n(&ch->service.failed,
			__ATOMIC_ACQUIRE);

	if (likely(why == 0))
		return 0;
	return why == -EIO ? -EIO : FERRY_E_CORRUPT;
}

/** Wake the other end's endpoint if it may be asleep. */
static inline void
ferry_end_notify(const struct ferry_channel_end *end, struct ferry_bell *bells,
		uint32_t n_bells)
{
	uint32_t bell;

	/* The work stays before the look at whose end it is for: another
	 * endpoint may be about to take that over. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	bell = __atomic_load_n(&end->endpoint, __ATOMIC_RELAXED);
	if (likely(bell < n_bells))
		ferry_bell_ring_if(&end->may_sleep, &bells[bell]);
}
/** @endcond */

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CHANNEL_HANDLE_H */
