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
 *     latency     what is not proven faster there    what is: ferry_route.h
 *     throughput  up to FERRY_POST_SHORT; if it      the rest
 *                 has no device; what would wait
 *                 there for longer
 *                 than its own copy takes; what is
 *                 waited for one by one, as latency
 *     efficiency  up to FERRY_POST_TINY; what the    the rest
 *                 engine need not be woken for
 *
 * A channel without a server, and a payload that the hub's process cannot read,
 * is copied by the calling thread in every mode.
 */

#include "ferry_channel.h"
#include "ferry_end_part.h"
#include "ferry_reach.h"
#include "ferry_route.h"
#include "ferry_server.h"

/**
 * Longest message that is copied on the spot in every mode: a job costs the
 * producer about 100 ns and two transfers of a cache line, and copying 2 KiB
 * takes as long.
 */
#define FERRY_POST_TINY 2048

/**
 * The same in throughput mode, where what the job costs the engine counts, too:
 * 200 ns, in which 8 KiB are copied, hot.
 */
#define FERRY_POST_SHORT 8192

/**
 * The same if nobody is copying for the channel now and its engine has come to
 * rest: to wake that costs the producer 3 us, the engine more, and the message
 * 35 us; 8 KiB are copied in 1 us, cold.
 */
#define FERRY_POST_LONE 8192

/** Shortest message that in latency mode may be handed over: a DSA that is
 * waited for breaks even at 16 KiB, and the way to an engine and back costs 0.5
 * us. */
#define FERRY_POST_ROUTE 32768

/** What hangs on a producer's end for this. */
struct ferry_post {
	struct ferry_end_part part;
	struct ferry_tx *tx;
	/** Its index is that of the next job. */
	struct ferry_ring jobs;
	/** What jobs are sealed with. */
	uint64_t key;
	/** This end stands in service.server. */
	bool self;
	/** No server takes the channel. */
	bool lost;
	/** Where the server publishes: to see that all is consumed. */
	const struct rte_ring *out;
	/** The endpoint's own server; NULL: it has none. */
	struct ferry_server *server;
	/** See ferry_channel_attach. */
	void (*stalled)(void *owner);
	struct ferry_reach_view view;

	/** Messages taken by ferry_tx_post() so far. */
	uint64_t posted;
	/** Jobs known to be done: an index of the ring. */
	uint32_t done;
	uint32_t mask;
	/** Bytes of the jobs between the two. */
	uint64_t bytes;
	/** For each place of the ring: which post it was, and its length. */
	uint64_t *numbers;
	uint32_t *lens;

	/** How fast the server is, in bytes per TSC tick; 0: unknown yet. */
	double rate;
	/** Since when it has been measured, and what was done since. */
	uint64_t since;
	uint64_t since_bytes;
	/** The same of the calling thread's own copies. */
	double own_rate;
	/** Length of a TSC tick in nanoseconds. */
	double ns_per_tick;
	/** Times in a row that it was waited for the only job there was. */
	uint32_t waited;
	/** A post has not been waited for. */
	bool loose;
	/** When the first job was posted of those in the ring. */
	uint64_t begun;
	/** For latency mode, and messages that are waited for one by one. */
	struct ferry_route route;
};

/** For ferry_channel_attach.kinds. */
extern const struct ferry_end_kind ferry_post_kind;

/**
 * Jobs not known to be done. Looks at what the server did, and does what nobody
 * else does.
 */
uint32_t ferry_post_progress(struct ferry_tx *tx);

/**
 * A copying send of what did not go into cells, in a mode that may use the
 * server: as ferry_tx_send_slots().
 */
int ferry_post_send(struct ferry_tx *tx, const struct ferry_buf *bufs,
		uint16_t n);

/** Why no job is carried out nor read any more: 0, FERRY_E_CORRUPT or -EIO. */
static inline int
ferry_post_over(const struct ferry_tx *tx)
{
	const int ret = ferry_channel_failed(tx->end.shared);

	return likely(ret == 0) && unlikely(tx->post->lost) ? FERRY_E_CORRUPT :
		ret;
}

/** Why nothing can be posted: the same, or that the consumer is corrupt. */
static inline int
ferry_post_failed(const struct ferry_tx *tx)
{
	const int ret = ferry_post_over(tx);

	return likely(ret == 0) ? ferry_tx_none(tx) : ret;
}

/** Who serves the channel: FERRY_SERVER_*. */
static inline uint32_t
ferry_post_server(const struct ferry_tx *tx)
{
	/* O: pairs with the release of whoever served before. */
	return __atomic_load_n(&tx->end.shared->service.server,
			__ATOMIC_ACQUIRE);
}

#endif /* FERRY_POST_H */
