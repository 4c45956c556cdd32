/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_END_H
#define FERRY_END_H

/**
 * @file
 * What the two ends of a channel have in common: the head of both handles.
 * Included by ferry_channel_handle.h. Not for the application. ferry_end_part.h
 * has the parts of an end and how it waits.
 *
 * Edges have the letters of ferry_channel_fast.h.
 *
 * Thread-safety: an end belongs to the thread of its endpoint.
 */

#include <errno.h>
#include <sys/queue.h>

#include <rte_branch_prediction.h>

#include "ferry_bell.h"
#include "ferry_channel_layout.h"
#include "ferry_channel_types.h"
#include "ferry_errno.h"
#include "ferry_ring.h"
#include "ferry_wait.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_channel_memory;
struct ferry_copier;
struct ferry_end_kind;
struct ferry_end_part;
struct ferry_rx;

/** Where a channel's ends find the boards of all engines. */
struct ferry_boards {
	/** The first board; NULL if there are none. */
	void *base;
	/** Bytes from one board to the next. */
	uint64_t size;
	/** Number of boards. */
	uint32_t n;
	/** Number of channels that each board has a bit for. */
	uint32_t n_channels;
	/** This channel's number on all boards. */
	uint32_t number;
};

/** What the handles of both ends have in common, at their head. */
struct ferry_end {
	/** The channel's head. */
	struct ferry_channel_shared *shared;
	/** This end's state in the channel's head. */
	struct ferry_channel_end *own;
	/** The other end's state in the channel's head. */
	const struct ferry_channel_end *other;
	/** Messages from producer to consumer. */
	struct ferry_ring fwd;
	/** Released slots, from consumer to producer. */
	struct ferry_ring back;
	/**
	 * For each slot this end's mark, or 0 if the end does not have the
	 * slot. A producer marks a loaned slot with its epoch, any other with
	 * SPARE. A consumer marks a slot with its epoch, and with GIVEN while
	 * it releases the slot.
	 */
	uint32_t *held;
	/** The cells. */
	struct ferry_cell *cells;
	/** The first slot. */
	uint8_t *slots;
	/** Bytes from one slot to the next. */
	uint64_t stride;
	/** Payload bytes of a slot. */
	uint32_t slot_size;
	/** Number of slots. */
	uint32_t n_slots;
	/** Epoch of this end's endpoint; marks what the end holds. */
	uint32_t epoch;
	/** Number of bells. */
	uint32_t n_bells;
	/** The bells of all endpoints. */
	struct ferry_bell *bells;
	/** Sequence number of the next message. */
	uint64_t seq;
	/** The mode that this end has taken over; see ferry_tx_mode(). */
	uint8_t mode;
	/** The endpoint is in the hub's process. */
	bool local;
	/** Number of the endpoint, and of its bell. */
	uint32_t endpoint;
	/** What this end counted. */
	struct ferry_end_stats stats;
	/** How this end waits. */
	struct ferry_wait wait;
	/** Which memory others reach, and from where the end gets more. */
	const struct ferry_channel_memory *memory;
	/** The copier of this endpoint. */
	struct ferry_copier *copier;
	/** The engines' boards. */
	struct ferry_boards boards;
	/**
	 * The pointer of the caller that made the handle
	 * (ferry_channel_attach).
	 */
	void *owner;
	/** The kinds of messages that the channel can carry; ends with NULL. */
	const struct ferry_end_kind *const *kinds;
	/**
	 * The parts that hang on this end, the newest first (ferry_end_part).
	 */
	SLIST_HEAD(ferry_end_parts, ferry_end_part) parts;
};

/** @cond internal */
/**
 * What the other end's state means to this end.
 *
 * @param end
 *   The other end in the channel's head.
 * @return
 *   0 while the other end is open or not yet opened; FERRY_E_CLOSED,
 *   FERRY_E_PEER_GONE or FERRY_E_HUB_GONE.
 */
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

/**
 * Whether the channel's jobs have been given up.
 *
 * @param ch
 *   The channel's head.
 * @return
 *   0 if not; FERRY_E_CORRUPT: a job was not what a producer writes; -EIO: no
 *   lane could copy one.
 */
static inline int
ferry_channel_failed(const struct ferry_channel_shared *ch)
{
	/* F: no thread or device reads the jobs' payloads after this. */
	const int32_t why = __atomic_load_n(&ch->service.failed,
			__ATOMIC_ACQUIRE);

	if (likely(why == 0))
		return 0;
	return why == -EIO ? -EIO : FERRY_E_CORRUPT;
}

/**
 * Wake an end's endpoint if it may be asleep.
 *
 * @param end
 *   The end to wake, in the channel's head.
 * @param bells
 *   The bells of all endpoints.
 * @param n_bells
 *   Number of bells. The end's own bell number is checked against it.
 */
static inline void
ferry_end_notify(const struct ferry_channel_end *end, struct ferry_bell *bells,
		uint32_t n_bells)
{
	uint32_t bell;

	/* The compiler must not move the work behind the load of the bell
	 * number: another endpoint may be about to take over the end. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	bell = __atomic_load_n(&end->endpoint, __ATOMIC_RELAXED);
	if (likely(bell < n_bells))
		ferry_bell_ring_if(&end->may_sleep, &bells[bell]);
}

/**
 * Wake the other end's endpoint if it may be asleep.
 *
 * @param end
 *   This end.
 */
static inline void
ferry_end_ring(const struct ferry_end *end)
{
	ferry_end_notify(end->other, end->bells, end->n_bells);
}

/**
 * Give an announcement back untaken: each kind of message checks whether the
 * announcement is its own.
 *
 * @param rx
 *   The consumer.
 * @param msg
 *   The announcement.
 */
void ferry_end_refuse(struct ferry_rx *rx, const struct ferry_msg *msg);

/** @endcond */

#ifdef __cplusplus
}
#endif

#endif /* FERRY_END_H */
