/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_END_H
#define FERRY_END_H

/**
 * @file
 * Internal: what the two ends of a channel have alike: the head of both
 * handles, what an end asks of the other one, how it waits, and what hangs on
 * it.
 *
 * A kind of message that needs more than slots and cells (posts, bulk messages)
 * is a part that hangs on the end. The end calls its parts when it waits and
 * when it stops; it never calls them on the path of a message. One loop drives
 * all waits of an end:
 *
 *     look, until it is there or never will be:
 *         take over the channel's mode
 *         let each part get on with what is under way
 *         if none did: say what to be woken for, and go down the wait ladder
 *
 * Included by ferry_channel.h, through ferry_channel_handle.h; to be had by
 * including that. Edges have the letters of ferry_channel_fast.h.
 *
 * Thread-safety: an end belongs to the thread of its endpoint.
 */

#include <errno.h>
#include <sys/queue.h>

#include <rte_branch_prediction.h>

#include "ferry_bell.h"
#include "ferry_board.h"
#include "ferry_channel.h"
#include "ferry_ring.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_channel_parts;
struct ferry_end_part;

/** What the calling thread did for a part. */
enum ferry_end_step {
	/** Nothing: there is nothing to do, or others do it. */
	FERRY_STEP_NONE = 0,
	/** It looked after work that no other thread does: it must not
	 * sleep. */
	FERRY_STEP_TENDED,
	/** It copied something: it looks again before it waits. */
	FERRY_STEP_WORKED,
};

/** What an end calls of a part. Each but stopped may be NULL. */
struct ferry_end_ops {
	/** The end waits: get on with what is under way. */
	enum ferry_end_step (*step)(struct ferry_end_part *part);
	/**
	 * The bell is armed: whether step would find something to do. Changes
	 * nothing.
	 */
	bool (*wake)(const struct ferry_end_part *part);
	/**
	 * The end is about to sleep: say what it is to be woken for. each: for
	 * each piece of work that others finish, else for none of it.
	 */
	void (*wish)(struct ferry_end_part *part, bool each);
	/** Whether the other end has let go of all that was sent. */
	bool (*drained)(const struct ferry_end_part *part);
	/** The end is about to close: bring to an end what is under way. */
	void (*stop)(struct ferry_end_part *part);
	/** The end has closed, and the other one was told: free the part. */
	void (*stopped)(struct ferry_end_part *part);
};

/** The head of what hangs on an end. */
struct ferry_end_part {
	/** What the end calls of it. */
	const struct ferry_end_ops *ops;
	/** The part that was hung on before it. */
	SLIST_ENTRY(ferry_end_part) next;
};

/** A kind of message; each may be NULL. */
struct ferry_end_kind {
	/**
	 * A producer's end is being made and may hang a part on it: 0, or
	 * negative, and then the end is not made.
	 */
	int (*tx_start)(struct ferry_tx *tx,
			const struct ferry_channel_attach *attach,
			const struct ferry_channel_parts *parts);
	/** The consumer gives an announcement back without having taken it. */
	void (*refuse)(struct ferry_rx *rx, const struct ferry_msg *msg);
};

/** What the handles of both ends have alike, at their head. */
struct ferry_end {
	/** The channel's head. */
	struct ferry_channel_shared *shared;
	/** This end in it. */
	struct ferry_channel_end *own;
	/** The other end in it. */
	const struct ferry_channel_end *other;
	/** Messages from producer to consumer. */
	struct ferry_ring fwd;
	/** Released slots, from consumer to producer. */
	struct ferry_ring back;
	/**
	 * Slots in this end's hands, else 0. Producer: the epoch on loan, else
	 * SPARE. Consumer: the epoch, once released GIVEN.
	 */
	uint32_t *held;
	/** One for each slot: what its message is. */
	struct ferry_cell *cells;
	/** The first slot. */
	uint8_t *slots;
	/** Bytes from one slot to the next. */
	uint64_t stride;
	/** Payload bytes of a slot. */
	uint32_t slot_size;
	/** Number of slots. */
	uint32_t n_slots;
	/** Epoch of its endpoint; marks what it holds. */
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
	/** What it counted. */
	struct ferry_end_stats stats;
	/** How it waits. */
	struct ferry_wait wait;
	/** Which memory others reach, and where more comes from. */
	const struct ferry_channel_memory *memory;
	/** What copies for this endpoint. */
	struct ferry_copier *copier;
	/** The engines' boards. */
	struct ferry_boards boards;
	/** The endpoint. */
	void *owner;
	/** What the endpoint's channels can carry; ends with NULL. */
	const struct ferry_end_kind *const *kinds;
	/** What hangs on this end, the newest first (ferry_end_part). */
	SLIST_HEAD(ferry_end_parts, ferry_end_part) parts;
};

/**
 * What the other end's state means to this end.
 *
 * @param end
 *   The other end in the channel's head.
 * @return
 *   0 while it is open or not yet opened; FERRY_E_CLOSED, FERRY_E_PEER_GONE or
 *   FERRY_E_HUB_GONE.
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
 * The channel's mode. Other processes write it, so that it is checked.
 *
 * @param ch
 *   The channel's head.
 * @return
 *   The mode; latency for a number that is none.
 */
static inline enum ferry_mode
ferry_channel_mode(const struct ferry_channel_shared *ch)
{
	const uint32_t mode = __atomic_load_n(&ch->service.mode,
			__ATOMIC_RELAXED);

	return mode < FERRY_MODES ? (enum ferry_mode)mode : FERRY_MODE_LATENCY;
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
	/* F: nothing reads the jobs' payloads after this. */
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
 *   Number of bells: the end names its own, and is not to be believed.
 */
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
 * Hang a part on an end. The part is the caller's until then, and is freed by
 * its own stopped().
 *
 * @param end
 *   The end.
 * @param part
 *   The part.
 * @param ops
 *   What the end calls of it.
 */
static inline void
ferry_end_hang(struct ferry_end *end, struct ferry_end_part *part,
		const struct ferry_end_ops *ops)
{
	part->ops = ops;
	SLIST_INSERT_HEAD(&end->parts, part, next);
}

/** What an end waits for. */
struct ferry_end_want {
	/**
	 * 1: it is there; 0: not yet; negative: why it never will be. Called
	 * once more when the bell is armed, so that it must not copy payloads.
	 */
	int (*look)(void *arg);
	/** Before the bell is armed: say what to be woken for. May be NULL. */
	void (*wish)(void *arg);
	/** For both. */
	void *arg;
};

/**
 * Wait for something, and let the parts get on meanwhile.
 *
 * @param end
 *   The end.
 * @param want
 *   What to wait for.
 * @param timeout_ns
 *   Nanoseconds; 0 only looks, UINT64_MAX waits for ever.
 * @return
 *   0, -ETIMEDOUT, or what look() returned.
 */
int ferry_end_wait(struct ferry_end *end, const struct ferry_end_want *want,
		uint64_t timeout_ns);

/**
 * Wait for threads that copy now, and ring no bell when they give up.
 *
 * @param is_quiet
 *   Whether none does any more.
 * @param arg
 *   For is_quiet.
 * @param timeout_ns
 *   Nanoseconds; 0 only looks, UINT64_MAX waits for ever.
 * @return
 *   Whether none does.
 */
bool ferry_end_quiet(bool (*is_quiet)(void *arg), void *arg,
		uint64_t timeout_ns);

/**
 * Let the parts say what the end is to be woken for: see ferry_end_ops.
 *
 * @param end
 *   The end.
 * @param each
 *   For each piece of work that others finish; else for none of it.
 */
void ferry_end_wish(struct ferry_end *end, bool each);

/**
 * Whether the other end has let go of all that the parts sent.
 *
 * @param end
 *   The end.
 * @return
 *   Whether it has.
 */
bool ferry_end_drained(const struct ferry_end *end);

/**
 * Why an end waits in vain.
 *
 * @param end
 *   The end.
 * @return
 *   0 if it does not; else what ferry_channel_failed() says, or
 *   ferry_end_result() of the other end.
 */
static inline int
ferry_end_over(const struct ferry_end *end)
{
	const int ret = ferry_channel_failed(end->shared);

	return likely(ret == 0) ? ferry_end_result(end->other) : ret;
}

/**
 * Take over the channel's mode if either end has changed it.
 *
 * @param end
 *   The end.
 */
void ferry_end_take_mode(struct ferry_end *end);

/**
 * Change the channel's mode.
 *
 * @param end
 *   The end.
 * @param mode
 *   The mode.
 * @return
 *   0, or -EINVAL for a mode that there is not.
 */
int ferry_end_set_mode(struct ferry_end *end, enum ferry_mode mode);

/**
 * Choose how the end waits.
 *
 * @param end
 *   The end.
 * @param policy
 *   The policy; an unknown one changes nothing.
 */
void ferry_end_set_wait(struct ferry_end *end, enum ferry_wait_policy policy);

/**
 * Make an end of what the hub gave: all but its rings. The channel is not
 * changed: ferry_end_open().
 *
 * @param end
 *   The end, all zeros.
 * @param attach
 *   What the hub gave.
 * @param[out] parts
 *   The channel's parts.
 * @param producer
 *   Which end it is.
 * @return
 *   0, -EINVAL, FERRY_E_VERSION or FERRY_E_CORRUPT.
 */
int ferry_end_init(struct ferry_end *end,
		const struct ferry_channel_attach *attach,
		struct ferry_channel_parts *parts, bool producer);

/**
 * Open an end: the other one sees it from now on.
 *
 * @param end
 *   The end, made by ferry_end_init().
 * @param attach
 *   What the hub gave.
 * @return
 *   0, or FERRY_E_HUB_GONE if the channel was ended meanwhile.
 */
int ferry_end_open(struct ferry_end *end,
		const struct ferry_channel_attach *attach);

/**
 * Close an end that was opened, and free its parts.
 *
 * @param end
 *   The end.
 */
void ferry_end_close(struct ferry_end *end);

/**
 * Free the parts of an end that is not open.
 *
 * @param end
 *   The end.
 */
void ferry_end_fini(struct ferry_end *end);

/**
 * Give an announcement back untaken: each kind of message looks whether it is
 * one of its own.
 *
 * @param rx
 *   The consumer.
 * @param msg
 *   The announcement.
 */
void ferry_end_refuse(struct ferry_rx *rx, const struct ferry_msg *msg);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_END_H */
