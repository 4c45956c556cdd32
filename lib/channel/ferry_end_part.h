/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_END_PART_H
#define FERRY_END_PART_H

/**
 * @file
 * The parts that hang on a channel's end, how an end waits, and how it is
 * opened and closed. Not installed.
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
 * Thread-safety: an end belongs to the thread of its endpoint.
 */

#include <sys/queue.h>

#include "ferry_channel_attach.h"
#include "ferry_channel_parts.h"
#include "ferry_end.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What the calling thread did for a part. */
enum ferry_end_step {
	/** Nothing: there is no work, or other threads do it. */
	FERRY_STEP_NONE = 0,
	/**
	 * The calling thread looked after work that no other thread does. It
	 * must not sleep.
	 */
	FERRY_STEP_TENDED,
	/**
	 * The calling thread copied something. It looks again before it waits.
	 */
	FERRY_STEP_WORKED,
};

/** What an end calls of a part. Each but stopped may be NULL. */
struct ferry_end_ops {
	/** The end waits: advance the work that is under way. */
	enum ferry_end_step (*step)(struct ferry_end_part *part);
	/**
	 * The bell is armed: return whether step would find work. Changes
	 * nothing.
	 */
	bool (*wake)(const struct ferry_end_part *part);
	/**
	 * The end is about to sleep: say what to wake it for. each true: for
	 * each piece of work that others finish. each false: for none of it.
	 */
	void (*wish)(struct ferry_end_part *part, bool each);
	/**
	 * Whether the other end has let go of all messages that the part sent.
	 */
	bool (*drained)(const struct ferry_end_part *part);
	/** The end is about to close: bring the work under way to an end. */
	void (*stop)(struct ferry_end_part *part);
	/** The end has closed, and the other end was told: free the part. */
	void (*stopped)(struct ferry_end_part *part);
};

/** The head of a part that hangs on an end. */
struct ferry_end_part {
	/** The functions of the part that the end calls. */
	const struct ferry_end_ops *ops;
	/** The part that was hung on before this one. */
	SLIST_ENTRY(ferry_end_part) next;
};

/** A kind of message; each function may be NULL. */
struct ferry_end_kind {
	/**
	 * A producer's end is being made, and the kind may hang a part on it.
	 * Returns 0; if negative, the end is not made.
	 */
	int (*tx_start)(struct ferry_tx *tx,
			const struct ferry_channel_attach *attach,
			const struct ferry_channel_parts *parts);
	/**
	 * The consumer gives an announcement back and has not taken the
	 * message.
	 */
	void (*refuse)(struct ferry_rx *rx, const struct ferry_msg *msg);
};

/**
 * The channel's mode. Other processes write the mode, therefore it is checked.
 *
 * @param ch
 *   The channel's head.
 * @return
 *   The mode; latency if the number is no mode.
 */
static inline enum ferry_mode
ferry_channel_mode(const struct ferry_channel_shared *ch)
{
	const uint32_t mode = __atomic_load_n(&ch->service.mode,
			__ATOMIC_RELAXED);

	return mode < FERRY_MODES ? (enum ferry_mode)mode : FERRY_MODE_LATENCY;
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
	 * once more when the bell is armed, therefore it must not copy
	 * payloads.
	 */
	int (*look)(void *arg);
	/**
	 * Called before the bell is armed: say what to wake the end for. May be
	 * NULL.
	 */
	void (*wish)(void *arg);
	/** Passed to both functions. */
	void *arg;
};

/**
 * Wait for something, and let the parts advance their work meanwhile.
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
 * Wait until no thread copies. These threads ring no bell when they stop.
 *
 * @param is_quiet
 *   Returns whether no thread copies any more.
 * @param arg
 *   For is_quiet.
 * @param timeout_ns
 *   Nanoseconds; 0 only looks, UINT64_MAX waits for ever.
 * @return
 *   Whether no thread copies any more.
 */
bool ferry_end_quiet(bool (*is_quiet)(void *arg), void *arg,
		uint64_t timeout_ns);

/**
 * Let the parts say what to wake the end for: see ferry_end_ops.
 *
 * @param end
 *   The end.
 * @param each
 *   true: for each piece of work that others finish; false: for none of it.
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
 *   0, or -EINVAL if there is no such mode.
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
 * Make an end of what the hub gave, except its rings. This does not change the
 * channel: ferry_end_open() does.
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
 * Open an end. The other end sees it from now on.
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
 * ferry_tx_send_slots() by the endpoint's own copier, even if an engine could
 * copy.
 */
int ferry_tx_send_here(struct ferry_tx *tx, const struct ferry_buf *bufs,
		uint16_t n);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_END_PART_H */
