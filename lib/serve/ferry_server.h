/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_SERVER_H
#define FERRY_SERVER_H

/**
 * @file
 * A server: carries out the jobs of any number of channels with the lanes of
 * one copier, and publishes their messages. Internal to ferry: a hub's engine
 * has one, and an endpoint has one for the channels that nobody else serves.
 *
 * A job on its way:
 *
 *     job ring ──take──> copier ──lanes──> done ──publish──> out ring
 *        ^                                              │
 *        └── stays here until it is published ──────────┘ then cons.tail moves
 *
 * A channel's messages are published in the order of their jobs, whatever order
 * the copier ends them in, and only when every byte is there.
 *
 * Synchronisation edges (release at the left, acquire at the right):
 *
 *    J1 tx: jobs.prod.tail (rte_ring)    server: take()
 *    R3 server: out.prod.tail (rte_ring) rx: out dequeue start
 *    J2 server: jobs.cons.tail           tx: ferry_tx_pending(): the source is
 *                                        not read any more
 *    O  server: service.server = NONE    next server: compare-and-exchange
 *    F  server: service.failed           either end: ferry_channel_failed()
 *
 * What a message costs beside its copy, in cache lines that move: half a line
 * of job there, its share of jobs.prod.tail and jobs.cons.tail; a quarter of a
 * line of descriptor to the consumer, and its share of out.prod.tail. The
 * shares are those of a burst.
 *
 * Thread-safety: a server and all its calls belong to one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ferry_board.h"
#include "ferry_channel_parts.h"
#include "ferry_copier.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_channel_memory;

/** A channel to be served. */
struct ferry_serve {
	/** The channel; the caller stands in its service.server. */
	struct ferry_channel_shared *shared;
	/**
	 * What it was made with: what others may have written there since is
	 * not believed. No zeros.
	 */
	struct ferry_channel_config config;
	/** The channel's number, on the board if there is one. */
	uint32_t number;
	/** The producer is in this process: its payloads may be anywhere. */
	bool local;
	/** What its jobs are sealed with then; 0: this process's token. */
	uint64_t key;
	/**
	 * Says by reach() who reaches the memory of bulk messages; outlives the
	 * service. NULL: all processes reach DPDK's memory, and no other.
	 */
	const struct ferry_channel_memory *memory;
	/** Bells of all endpoints. */
	struct ferry_bell *bells;
	/** How many. */
	uint32_t n_bells;
};

/** What a server did for all its channels. */
struct ferry_server_stats {
	/** Messages published. */
	uint64_t msgs;
	/** Bytes of payload in them. */
	uint64_t bytes;
	/** Bytes of bulk messages that it copied. */
	uint64_t bulk_bytes;
	/** Jobs that could not be carried out: impossible, or out of reach. */
	uint64_t bad;
	/** Channels given up since a device may still write into them. */
	uint64_t unsafe;
	/** Turns, and those that found something to do. */
	uint64_t turns;
	/** See turns. */
	uint64_t busy;
};

struct ferry_served;

/** A server. Visible so that it can be embedded. */
struct ferry_server {
	/** @cond internal */
	struct ferry_copier *copier;
	/* NULL: all channels are polled. */
	struct ferry_board *board;
	/* By number. */
	struct ferry_served **table;
	uint32_t room;
	uint32_t n_channels;
	TAILQ_HEAD(ferry_served_list, ferry_served) active;
	uint32_t n_active;
	/* Channels that have had jobs, by mode. */
	uint32_t used[FERRY_MODES];
	struct ferry_server_stats stats;
	/** @endcond */
};

/**
 * Make a server.
 *
 * @param[out] server
 *   Memory for it, to be given to ferry_server_fini().
 * @param copier
 *   What it copies with; outlives it.
 * @param board
 *   NULL: channels are polled as long as they are served.
 * @param room
 *   Channels are numbered from 0 to room - 1.
 * @return
 *   0 or -ENOMEM.
 */
int ferry_server_init(struct ferry_server *server, struct ferry_copier *copier,
		struct ferry_board *board, uint32_t room);

/**
 * Unmake a server that serves no channels. One that was never made, but zeroed,
 * is accepted.
 *
 * @param server
 *   The server.
 */
void ferry_server_fini(struct ferry_server *server);

/**
 * Begin to serve a channel.
 *
 * @param server
 *   The server.
 * @param serve
 *   The channel; not referred to after the call.
 * @return
 *   0; -EINVAL for an impossible channel or number; -EEXIST; -ENOMEM; or why a
 *   server has given its jobs up.
 */
int ferry_server_add(struct ferry_server *server,
		const struct ferry_serve *serve);

/**
 * Whether a channel has jobs that are not published.
 *
 * @param server
 *   The server.
 * @param number
 *   The channel's number.
 * @param all
 *   Also those that are not yet taken.
 * @return
 *   Whether it has; false for a channel that is not served.
 */
bool ferry_server_pending(const struct ferry_server *server, uint32_t number,
		bool all);

/**
 * Carry out the jobs that are in a channel's ring, for which the server makes
 * as many turns as it takes. Jobs that are added meanwhile are not waited for.
 *
 * @param server
 *   The server.
 * @param number
 *   The channel's number; one that is not served is accepted.
 */
void ferry_server_finish(struct ferry_server *server, uint32_t number);

/**
 * Say again how far a channel's jobs are done, and that it is stuck if it is,
 * and look at the channel in the next turns: another process may have written
 * over each of these.
 *
 * @param server
 *   The server.
 * @param number
 *   The channel's number; one that is not served is accepted.
 */
void ferry_server_retell(struct ferry_server *server, uint32_t number);

/**
 * Wait until a server is not at work on any bulk message of a channel, for
 * which it makes as many turns as it takes. The caller has ended these
 * messages, so that it begins with none anew. What a device that cannot be
 * stopped may still write is not waited for.
 *
 * @param server
 *   The server.
 * @param number
 *   The channel's number; one that is not served is accepted.
 */
void ferry_server_quiet(struct ferry_server *server, uint32_t number);

/**
 * Cease to serve a channel. Jobs not taken stay in the job ring; of those that
 * are, all get published, for which the server makes as many turns as it takes.
 *
 * @param server
 *   The server.
 * @param number
 *   The channel's number.
 * @return
 *   0; -EFAULT: it is removed, but a device may write into its slots for ever;
 *   -ENOENT.
 */
int ferry_server_remove(struct ferry_server *server, uint32_t number);

/**
 * One turn: bounded work.
 *
 * @param server
 *   The server.
 * @return
 *   Jobs taken and messages published; 0 if there was nothing to do.
 */
unsigned int ferry_server_poll(struct ferry_server *server);

/**
 * Whether a turn now would find something, or may sooner or later without
 * somebody posting.
 *
 * @param server
 *   The server.
 * @return
 *   Whether channels are polled; those with jobs in the copier are.
 */
static inline bool
ferry_server_busy(const struct ferry_server *server)
{
	return server->n_active > 0;
}

#ifdef __cplusplus
}
#endif

#endif /* FERRY_SERVER_H */
