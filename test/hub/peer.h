/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PEER_H
#define PEER_H

/*
 * Hubs and secondaries that do what the test tells them, one order at a time.
 * Include after cmocka.h.
 */

#include "ferry_eal.h"
#include "ferry_endpoint.h"
#include "ferry_hub.h"
#include "ferry_procs.h"
#include "ferry_test.h"

#define HUB "hub"
#define MIB (UINT64_C(1) << 20)
#define SECONDS(n) ((n) * UINT64_C(1000000000))
/* How long the test waits for a peer's report before it takes it for a hang. */
#define REPORT_MS 600000
/* A step that takes milliseconds on an idle machine takes less than this on any
 * machine. It is less than the 3 s after which an unanswered request ends. */
#define PEER_SOON_NS (SECONDS(5) / 2)

enum peer_op {
	/* Orders of a hub. */
	PEER_CREATE,
	PEER_DESTROY,
	PEER_INFO,
	/* Copy by a DMA device. Starts the device, too. */
	PEER_DMA_COPY,
	PEER_DMA_STOP,
	/* Orders of a secondary. */
	PEER_ATTACH,
	PEER_DETACH,
	PEER_OPEN_TX,
	PEER_OPEN_RX,
	PEER_CLOSE,
	PEER_SEND,
	PEER_RECV,
	PEER_WAIT_RX,
	/* Call peer_order.custom. */
	PEER_CUSTOM,
	/* rte_eal_cleanup() and exit. */
	PEER_EXIT,
};

struct peer;

struct peer_order {
	enum peer_op op;
	/* ATTACH: the hub; OPEN: the channel. */
	char name[FERRY_NAME_MAX + 8];
	struct ferry_channel_config config;
	enum ferry_wait_policy wait;
	/* SEND: number of messages, how many at most in a call, and the length
	 * of the longest. */
	uint64_t n;
	uint32_t burst;
	uint32_t longest;
	uint64_t seed;
	/* SEND, RECV, WAIT_RX: give up with -ETIMEDOUT. */
	uint64_t timeout_ns;
	/* CUSTOM: a function of the test. It runs in the peer's process. */
	int (*custom)(struct peer *peer);
};

struct peer_report {
	int result;
	/* How many messages were sent or received. */
	uint64_t count;
	/* When the result was known, and how long the order took. */
	uint64_t at_ns;
	uint64_t took_ns;
	/* Results of INFO. */
	struct ferry_hub_info info;
	uint32_t n_channels;
	struct ferry_hub_channel channels[2];
};

/* Counters of a process that the test can read at any time. */
struct peer_progress {
	uint64_t sent;
	uint64_t received;
	uint64_t wrong;
};

/* A process. Its pointers are valid only in that process. */
struct peer {
	struct ferry_proc proc;
	struct peer_progress *progress;
	struct ferry_hub *hub;
	struct ferry_endpoint *ep;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	enum ferry_eal_role role;
	/* One more EAL argument, or NULL. */
	const char *eal;
};

/* Start a process. Returns what the start of its EAL returned. */
int peer_try_start(struct peer *peer, enum ferry_eal_role role,
		const char *eal);
/* The same, but fails the test if EAL does not start. */
void peer_start(struct peer *peer, enum ferry_eal_role role, const char *eal);
/* Start a process with a hub of so many bytes of memory. */
void peer_start_hub(struct peer *peer, uint64_t memory);
/* Start a secondary, and attach it to the hub. */
void peer_start_endpoint(struct peer *peer);
/* Give an order; the report comes later. */
void peer_order(struct peer *peer, const struct peer_order *order);
/* Wait for the report. */
struct peer_report peer_report(struct peer *peer);
/* Give an order and wait for the report. */
struct peer_report peer_do(struct peer *peer, const struct peer_order *order);
int peer_simple(struct peer *peer, enum peer_op op);
int peer_open(struct peer *peer, enum peer_op op, const char *name,
		const struct ferry_channel_config *config);
/* Let the process exit. Fails the test if its exit code is not 0. */
void peer_exit(struct peer *peer);
/* Let the hub exit in good order. Fails the test if files or memory of the test
 * are left. */
void peer_exit_hub(struct peer *peer);
/* Check that the hub has so many endpoints, no channels, and all its memory
 * free. */
void peer_check_hub(struct peer *hub, uint32_t endpoints);

#endif /* PEER_H */
