/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_POST_H
#define FERRY_POST_H

/**
 * @file
 * Internal: the producer's side of messages that a server copies. The public
 * calls are in ferry_channel.h; the server's side is ferry_server.h.
 *
 * Which way a message takes that is posted or sent by copy:
 *
 *     mode        copied by the calling thread       by the server
 *     latency     the rest                           sizes that it is proven to
 *                                                    copy faster: ferry_route.h
 *     throughput  up to FERRY_POST_SHORT; all if     the rest
 *                 the server has no device; a
 *                 message that would wait there
 *                 for longer than its own copy
 *                 takes; messages that the caller
 *                 waits for one by one, as in
 *                 latency mode
 *     efficiency  up to FERRY_POST_TINY; a message   the rest
 *                 that is not worth waking the
 *                 engine for
 *
 * In every mode the calling thread copies the payloads of a channel without a
 * server, and each payload that the hub's process cannot read.
 */

#include "ferry_channel.h"
#include "ferry_end_part.h"
#include "ferry_reach.h"
#include "ferry_route.h"
#include "ferry_server.h"

/**
 * Longest message that the calling thread copies in every mode: a job costs the
 * producer about 100 ns and two transfers of a cache line, and copying 2 KiB
 * takes as long.
 */
#define FERRY_POST_TINY 2048

/**
 * Longest message that the calling thread copies in throughput mode, in which
 * the engine's cost for a job counts, too: 200 ns, in which 8 KiB are copied,
 * hot.
 */
#define FERRY_POST_SHORT 8192

/**
 * Longest message that the calling thread copies in efficiency mode if the
 * server has no job of the channel now and the channel's engine has come to
 * rest. To wake the engine costs the producer 3 us, the engine more, and the
 * message 35 us; 8 KiB are copied in 1 us, cold.
 */
#define FERRY_POST_LONE 8192

/**
 * Shortest message that may go to the server in latency mode. A DSA breaks even
 * at 16 KiB if the caller waits for it, and the way to an engine and back costs
 * 0.5 us.
 */
#define FERRY_POST_ROUTE 32768

/** The part that hangs on a producer's end for posts. */
struct ferry_post {
	struct ferry_end_part part;
	struct ferry_tx *tx;
	/** The job ring; its index is that of the next job. */
	struct ferry_ring jobs;
	/** The token that jobs are sealed with. */
	uint64_t key;
	/** service.server says SELF: the producer serves its own channel. */
	bool self;
	/** No server can serve the channel any more. */
	bool lost;
	/** The out ring, to see that the consumer has taken all messages. */
	const struct rte_ring *out;
	/** The endpoint's own server; NULL: it has none. */
	struct ferry_server *server;
	/** See ferry_channel_attach.stalled. */
	void (*stalled)(void *owner);
	struct ferry_reach_view view;

	/** Messages taken by ferry_tx_post() so far. */
	uint64_t posted;
	/** Jobs known to be done: an index of the ring. */
	uint32_t done;
	uint32_t mask;
	/** Bytes of the jobs that are not known to be done. */
	uint64_t bytes;
	/**
	 * For each place of the ring: the number of the post, and its length.
	 */
	uint64_t *numbers;
	uint32_t *lens;

	/** How fast the server is, in bytes per TSC tick; 0: unknown yet. */
	double rate;
	/** Since when the rate has been measured, and the bytes done since. */
	uint64_t since;
	uint64_t since_bytes;
	/** The rate of the calling thread's own copies. */
	double own_rate;
	/** Length of a TSC tick in nanoseconds. */
	double ns_per_tick;
	/**
	 * How many times in a row the caller waited for the only job there was.
	 */
	uint32_t waited;
	/** The caller has posted and has not waited for that post. */
	bool loose;
	/** When the oldest burst of jobs in the ring was posted. */
	uint64_t begun;
	/**
	 * Used in latency mode, and for messages that the caller waits for one
	 * by one.
	 */
	struct ferry_route route;
};

/** For ferry_channel_attach.kinds. */
extern const struct ferry_end_kind ferry_post_kind;

/**
 * Jobs not known to be done. Looks at what the server did, and carries out the
 * jobs itself if no engine does.
 */
uint32_t ferry_post_progress(struct ferry_tx *tx);

/**
 * A copying send of the payloads that did not go into cells, in a mode that may
 * use the server. Arguments and result as for ferry_tx_send_slots().
 */
int ferry_post_send(struct ferry_tx *tx, const struct ferry_buf *bufs,
		uint16_t n);

/**
 * Why no server carries out or reads jobs any more: 0, FERRY_E_CORRUPT or -EIO.
 */
static inline int
ferry_post_over(const struct ferry_tx *tx)
{
	const int ret = ferry_channel_failed(tx->end.shared);

	return likely(ret == 0) && unlikely(tx->post->lost) ? FERRY_E_CORRUPT :
		ret;
}

/**
 * Why the producer cannot post: the same, or FERRY_E_CORRUPT because the
 * consumer is corrupt.
 */
static inline int
ferry_post_failed(const struct ferry_tx *tx)
{
	const int ret = ferry_post_over(tx);

	return likely(ret == 0) ? ferry_tx_none(tx) : ret;
}

/** Which server the channel has: FERRY_SERVER_*. */
static inline uint32_t
ferry_post_server(const struct ferry_tx *tx)
{
	/* O: pairs with the release of the server that served before. */
	return __atomic_load_n(&tx->end.shared->service.server,
			__ATOMIC_ACQUIRE);
}

#endif /* FERRY_POST_H */
