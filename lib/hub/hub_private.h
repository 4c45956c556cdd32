/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_PRIVATE_H
#define FERRY_HUB_PRIVATE_H

/*
 * The hub from inside.
 *
 *     endpoint.c ──request──> hub_ctl.c ──> hub_table.c ──> hub_arena.c
 *                                             ^     │
 *                  hub_monitor.c ──a death────┘     └────> hub_serve.c ──> hub_engine.c
 *
 * What the hub decides by (who is attached, who has which end, which memory is
 * whose) lies in its private memory. Shared memory tells the endpoints; the
 * hub never believes what it reads there.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_log.h>

#include "ferry_bell.h"
#include "ferry_board.h"
#include "ferry_engine.h"
#include "ferry_hub.h"
#include "hub_arena.h"

extern int ferry_hub_logtype;
#define HUB_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_ ## level, ferry_hub_logtype, \
		"ferry: " fmt "\n", ## __VA_ARGS__)

#define FERRY_REGISTRY_MAGIC UINT64_C(0x0042554859525246) /* "FRRYHUB" */

/* What endpoints share beside channels: written by the hub before anyone
 * attaches, except the bells. */
struct ferry_registry {
	/* FERRY_REGISTRY_MAGIC, stored last. */
	uint64_t magic;
	/* As of channels: one number says whether both sides fit. */
	uint32_t version;
	uint32_t layout;
	uint32_t n_bells;
	/* Boards of engines: FERRY_ENGINES_MAX of them, board_size apart. */
	uint32_t n_boards;
	uint64_t board_size;
	uint64_t boards;
	struct ferry_bell bells[];
};

enum hub_role { HUB_TX, HUB_RX };

/* An endpoint, as the hub knows it. */
struct hub_endpoint {
	bool used;
	/* A thread of the hub's process: no pidfd. */
	bool local;
	uint32_t epoch;
	int32_t pid;
	int pidfd;
	char name[FERRY_NAME_MAX];
};

/* ABSENT, OPEN, or CLOSED for all ways of having ended. */
struct hub_end {
	enum ferry_end_state state;
	uint32_t endpoint;
};

/* A channel, as the hub knows it. */
struct hub_channel {
	bool used;
	uint64_t id;
	uint64_t size;
	struct ferry_channel_shared *shared;
	struct ferry_channel_config config;
	char name[FERRY_NAME_MAX];
	struct hub_end ends[2];
	/* It has lanes of its own, and serves itself. */
	bool alone;
	/* Who carries out the producer's jobs; NULL: itself. */
	struct ferry_engine *engine;
	/* A device that cannot be stopped may write there for ever. */
	bool unsafe;
};

struct ferry_hub {
	TAILQ_ENTRY(ferry_hub) next;
	char name[FERRY_NAME_MAX];
	/* Guards all below. */
	pthread_mutex_t lock;
	/* Being destroyed: nothing new. */
	bool closing;
	void *memory;
	/* A device that cannot be stopped may write there for ever. */
	bool unsafe;
	struct hub_arena arena;
	struct ferry_registry *registry;
	/* FERRY_ENGINES_MAX places, by the number of their boards. */
	struct ferry_engine **engines;
	void *boards;
	struct hub_endpoint *endpoints;
	uint32_t max_endpoints;
	struct hub_channel *channels;
	uint32_t max_channels;
	/* Random: tells this hub from an earlier one of the same name. */
	uint64_t incarnation;
	uint32_t last_epoch;
	uint64_t last_id;
	uint64_t deaths;
	/* hub_monitor.c */
	int epoll;
	int stop;
	pthread_t monitor;
};

/* What boards and engines know a channel by. */
static inline uint32_t
channel_number(const struct ferry_hub *hub, const struct hub_channel *c)
{
	return (uint32_t)(c - hub->channels);
}

/* hub_table.c: the hub's state and its changes. hub->lock is taken inside. */

/* pidfd -1: a thread of this process. Takes over pidfd if it returns 0. */
int hub_attach(struct ferry_hub *hub, const char *name, int32_t pid, int pidfd,
		uint32_t *endpoint, uint32_t *epoch);
int hub_detach(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch);
/* An endpoint's process died. Idempotent. */
void hub_reap(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch);
/* alone: a producer that needs no engine. number: the channel's, on boards. */
int hub_open(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		enum hub_role role, const char *name,
		const struct ferry_channel_config *config, bool alone,
		struct ferry_channel_shared **shared, uint64_t *size,
		uint64_t *id, uint32_t *number);
/* to: CLOSED, or ABSENT if the end was not started, which leaves no trace. */
int hub_close(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		enum hub_role role, uint64_t id, enum ferry_end_state to);
/* Carry out the jobs of a producer, whoever runs the engine, or nobody. */
int hub_finish(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t id);
/* The first channel with an id above `after`: 0 or -ENOENT. total: of all. */
int hub_list(struct ferry_hub *hub, uint64_t after,
		struct ferry_hub_channel *entry, uint32_t *total);
/* Refuse what is new, end all channels. Idempotent. */
void hub_shut(struct ferry_hub *hub);
/* Endpoints attached. */
uint32_t hub_population(struct ferry_hub *hub);

/* The board with a number. */
struct ferry_board *hub_board(struct ferry_hub *hub, uint32_t index);

/* hub_monitor.c: a thread that waits for deaths. */
int hub_monitor_start(struct ferry_hub *hub);
void hub_monitor_stop(struct ferry_hub *hub);
int hub_monitor_watch(struct ferry_hub *hub, int pidfd, uint32_t endpoint,
		uint32_t epoch);
void hub_monitor_forget(struct ferry_hub *hub, int pidfd);

#endif /* FERRY_HUB_PRIVATE_H */
