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
/* What takes milliseconds on an idle machine takes less than this on any. It is
 * less than the 3 s of a request that is not answered. */
#define PEER_SOON_NS (SECONDS(5) / 2)

enum peer_op {
	/* A hub's. */
	PEER_CREATE,
	PEER_DESTROY,
	PEER_INFO,
	/* Also starts the device. */
	PEER_DMA_COPY,
	PEER_DMA_STOP,
	/* A secondary's. */
	PEER_ATTACH,
	PEER_DETACH,
	PEER_OPEN_TX,
	PEER_OPEN_RX,
	PEER_CLOSE,
	PEER_SEND,
	PEER_RECV,
	PEER_WAIT_RX,
	/* Its own main. */
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
	/* SEND: messages, and how many at most in a call; longest. */
	uint64_t n;
	uint32_t burst;
	uint32_t longest;
	uint64_t seed;
	/* SEND, RECV, WAIT_RX: give up with -ETIMEDOUT. */
	uint64_t timeout_ns;
	/* CUSTOM: runs in the process, which was forked with this test. */
	int (*custom)(struct peer *peer);
};

struct peer_report {
	int result;
	/* Messages. */
	uint64_t count;
	/* When the result was known, and how long the order took. */
	uint64_t at_ns;
	uint64_t took_ns;
	/* INFO. */
	struct ferry_hub_info info;
	uint32_t n_channels;
	struct ferry_hub_channel channels[2];
};

/* What the test sees of a process at any time. */
struct peer_progress {
	uint64_t sent;
	uint64_t received;
	uint64_t wrong;
};

/* A process. The pointers are valid in the process only. */
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

/* Start a process: what its EAL's start has returned. */
int peer_try_start(struct peer *peer, enum ferry_eal_role role,
		const char *eal);
/* The same, to fail the test if EAL does not start. */
void peer_start(struct peer *peer, enum ferry_eal_role role, const char *eal);
/* A hub process with a hub of that much memory. */
void peer_start_hub(struct peer *peer, uint64_t memory);
/* A secondary that is attached. */
void peer_start_endpoint(struct peer *peer);
/* Give an order; the report comes later. */
void peer_order(struct peer *peer, const struct peer_order *order);
/* Wait for the report. */
struct peer_report peer_report(struct peer *peer);
/* Both. */
struct peer_report peer_do(struct peer *peer, const struct peer_order *order);
int peer_simple(struct peer *peer, enum peer_op op);
int peer_open(struct peer *peer, enum peer_op op, const char *name,
		const struct ferry_channel_config *config);
/* Let it exit; expects code 0. */
void peer_exit(struct peer *peer);
/* The hub exits in good order, and nothing of the test is left anywhere. */
void peer_exit_hub(struct peer *peer);
/* The hub has so many endpoints, no channels, and all its memory. */
void peer_check_hub(struct peer *hub, uint32_t endpoints);

#endif /* PEER_H */
