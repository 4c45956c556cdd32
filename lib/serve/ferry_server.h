/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_SERVER_H
#define FERRY_SERVER_H

/**
 * @file
 * A server carries out the jobs of any number of channels with the lanes of one
 * copier, and publishes their messages. Internal to ferry: a hub's engine has
 * one, and an endpoint has one for the channels that no engine serves.
 *
 * A job on its way:
 *
 *     job ring ──take──> copier ──lanes──> done ──publish──> out ring
 *        ^                                              │
 *        └── stays here until it is published ──────────┘ then cons.tail moves
 *
 * A server publishes a channel's messages in the order of their jobs, even if
 * the copier ends the copies in another order. It publishes a message only when
 * every byte is there.
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
 * of job to the server, and the message's share of jobs.prod.tail and
 * jobs.cons.tail; a quarter of a line of descriptor to the consumer, and the
 * message's share of out.prod.tail. The messages of a burst share these
 * indices.
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
	/** The channel; its service.server names the caller. */
	struct ferry_channel_shared *shared;
	/**
	 * What the channel was made with. The server does not read it from the
	 * channel, because other processes may have written there since. No
	 * zeros.
	 */
	struct ferry_channel_config config;
	/** The channel's number, on the board if there is one. */
	uint32_t number;
	/** The producer is in this process: its payloads may be anywhere. */
	bool local;
	/**
	 * What its jobs are sealed with if it is local; 0: this process's
	 * token.
	 */
	uint64_t key;
	/**
	 * Its reach() says which processes reach the memory of bulk messages.
	 * It outlives the service. NULL: all processes reach DPDK's memory, and
	 * no other.
	 */
	const struct ferry_channel_memory *memory;
	/** Bells of all endpoints. */
	struct ferry_bell *bells;
	/** Number of bells. */
	uint32_t n_bells;
};

/** What a server did for all its channels. */
struct ferry_server_stats {
	/** Messages published. */
	uint64_t msgs;
	/** Bytes of payload in them. */
	uint64_t bytes;
	/** Bytes of bulk messages that the server copied. */
	uint64_t bulk_bytes;
	/**
	 * Jobs that could not be carried out, because they were impossible or
	 * their payloads were out of reach.
	 */
	uint64_t bad;
	/** Channels given up, because a device may still write into them. */
	uint64_t unsafe;
	/** Turns, and those in which the server found something to do. */
	uint64_t turns;
	/** See turns. */
	uint64_t busy;
};

struct ferry_served;

/** A server. Visible so that another structure can contain it. */
struct ferry_server {
	/** @cond internal */
	struct ferry_copier *copier;
	/* NULL: the server polls all channels. */
	struct ferry_board *board;
	/* The channels, by number. */
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
 *   Memory for the server, to be given to ferry_server_fini().
 * @param copier
 *   The copier that the server uses; outlives the server.
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
 * Unmake a server that serves no channels. A zeroed server that was never made
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
 *   0; -EINVAL for an impossible channel or number; -EEXIST; -ENOMEM;
 *   FERRY_E_CORRUPT; or why a server has given the channel's jobs up.
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
 *   Count jobs that the server has not yet taken, too.
 * @return
 *   Whether it has; false for a channel that the server does not serve.
 */
bool ferry_server_pending(const struct ferry_server *server, uint32_t number,
		bool all);

/**
 * Carry out the jobs that are in a channel's ring now. The server makes as many
 * turns as this takes. It does not wait for jobs that are added meanwhile.
 *
 * @param server
 *   The server.
 * @param number
 *   The channel's number; one that is not served is accepted.
 */
void ferry_server_finish(struct ferry_server *server, uint32_t number);

/**
 * Publish again how far a channel's jobs are done, and, if the channel is
 * stuck, that it is. Look at the channel in the next turns. Another process may
 * have written over each of these.
 *
 * @param server
 *   The server.
 * @param number
 *   The channel's number; one that is not served is accepted.
 */
void ferry_server_retell(struct ferry_server *server, uint32_t number);

/**
 * Wait until a server is not at work on any bulk message of a channel. The
 * server makes as many turns as this takes. The caller has ended these
 * messages, so that the server begins no new work on them. The call does not
 * wait for a device that cannot be stopped and may still write.
 *
 * @param server
 *   The server.
 * @param number
 *   The channel's number; one that is not served is accepted.
 */
void ferry_server_quiet(struct ferry_server *server, uint32_t number);

/**
 * Stop serving a channel. Jobs that the server has not taken stay in the job
 * ring. It publishes all jobs that it has taken, and makes as many turns as
 * this takes.
 *
 * @param server
 *   The server.
 * @param number
 *   The channel's number.
 * @return
 *   0; -EFAULT: the channel is removed, but a device may write into its slots
 *   for ever; -ENOENT.
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
 * Whether a turn now would find something to do, or a later turn may find
 * something without a producer posting.
 *
 * @param server
 *   The server.
 * @return
 *   Whether the server polls any channel. It polls all channels that have jobs
 *   in the copier.
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
