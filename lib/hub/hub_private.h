/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_PRIVATE_H
#define FERRY_HUB_PRIVATE_H

/*
 * The hub from inside.
 *
 *     endpoint.c ─> endpoint_line.c ─request─> hub_ctl.c ─> hub_table.c
 *                       :                  ^       ^  │ │ │
 *                       : another process  │       │  │ │ └> ferry_arena.c
 *                       └ ─ ─ ─ ─ ─> hub_socket.c  │  │ │      ^
 *                                          ^       │  │ └─> hub_memory.c
 *                                  hub_monitor.c ──┘  ├> hub_jobs.c
 *                                            a death  └> hub_listener:
 *                                                        engine_serve.c
 *
 * The hub decides by its private memory: which endpoints are attached, which
 * endpoint has which end, which memory belongs to which endpoint. Shared memory
 * tells the endpoints. The hub never relies on what it reads there.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <rte_log.h>

#include "ferry_arena.h"
#include "ferry_bell.h"
#include "ferry_board.h"
#include "ferry_bulk_layout.h"
#include "ferry_channel_attach.h"
#include "ferry_channel_memory.h"
#include "ferry_channel_parts.h"
#include "ferry_hub.h"
#include "hub_registry.h"
#include "hub_socket.h"

extern int ferry_hub_logtype;
/* Log a line, unless that would block, because the hub has to go on if its log
 * is not read. */
void ferry_hub_log(uint32_t level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define HUB_LOG(level, fmt, ...) \
	ferry_hub_log(RTE_LOG_ ## level, "ferry: " fmt "\n", ## __VA_ARGS__)

enum hub_role { HUB_TX, HUB_RX };

/* A piece of the arena that belongs to an endpoint, or did. */
struct hub_piece {
	SLIST_ENTRY(hub_piece) next;
	void *mem;
	uint64_t size;
	/* The endpoint's epoch. No other endpoint ever has it. */
	uint32_t epoch;
	/* In limbo for ever: a device may write there. */
	bool lost;
};
SLIST_HEAD(hub_pieces, hub_piece);

/* Memory that a process registered with EAL through ferry. */
struct hub_range {
	SLIST_ENTRY(hub_range) next;
	uint64_t addr;
	uint64_t size;
	/* How many endpoints have registered a part of it. */
	uint32_t users;
	/* EAL knew the memory before, so ferry must not unregister it. */
	bool known;
};
SLIST_HEAD(hub_ranges, hub_range);

/* An endpoint, as the hub knows it. */
struct hub_endpoint {
	bool used;
	/* A thread of the hub's process: no pidfd. */
	bool local;
	uint32_t epoch;
	int32_t pid;
	int pidfd;
	char name[FERRY_NAME_MAX];
	struct hub_pieces pieces;
	/* A device that cannot be stopped may write into its pieces. */
	bool unsafe;
};

/* One end, as the hub knows it. state is ABSENT, OPEN, or CLOSED for all ways
 * of having ended. */
struct hub_end {
	enum ferry_end_state state;
	uint32_t endpoint;
	/* The endpoint's epoch, also after the endpoint's end. */
	uint32_t epoch;
	/* This end has ended, and the other end may still copy into or out of
	 * memory of this end's endpoint. */
	bool owed;
};

/* A channel, as the hub knows it. */
struct hub_channel {
	bool used;
	uint64_t id;
	uint64_t size;
	struct ferry_channel_shared *shared;
	/* Where the parts are in it, kept here because an endpoint may write
	 * into the channel's head. */
	struct ferry_bulk_block *blocks;
	struct ferry_bulk_grant *grants;
	const struct rte_ring *jobs;
	struct ferry_channel_config config;
	char name[FERRY_NAME_MAX];
	struct hub_end ends[2];
	/* The producer has lanes of its own, and serves itself. */
	bool alone;
	/* The engine that carries out the producer's jobs; NULL: the producer
	 * does. */
	struct ferry_engine *engine;
	/* A device that cannot be stopped may write there for ever. */
	bool unsafe;
};

/*
 * An object that is told what becomes of a hub's channels: the hub's engines.
 * hub->lock is held in all calls.
 */
struct hub_listener {
	SLIST_ENTRY(hub_listener) next;
	/* A producer's end is open. */
	void (*opened)(struct hub_listener *l, struct hub_channel *c);
	/*
	 * An end has ended, and its bulk messages are over. No copy for the end
	 * shall begin from here on. died: except for the jobs in its ring, if
	 * it is a producer.
	 */
	void (*ended)(struct hub_listener *l, struct hub_channel *c,
			enum hub_role role, bool died);
	/* A producer waits for its jobs, which c->engine has. all: see
	 * hub_finish(). */
	void (*asked)(struct hub_listener *l, struct hub_channel *c, bool all);
	/* A process died. It may have silenced bells. */
	void (*died)(struct hub_listener *l);
};

struct hub_engines;

struct ferry_hub {
	/* For hub_ctl.c. users: calls of this process that use the hub now.
	 * leaving: the hub is about to go, and no further call may use it. */
	TAILQ_ENTRY(ferry_hub) next;
	uint32_t users;
	bool leaving;
	char name[FERRY_NAME_MAX];
	/* Guards all members below. */
	pthread_mutex_t lock;
	/* The hub is being destroyed: refuse new endpoints and channels. */
	bool closing;
	void *memory;
	/* A device that cannot be stopped may write there for ever. */
	bool unsafe;
	struct ferry_arena arena;
	/* Pieces that endpoints gave back or left, and that another party may
	 * still copy into or out of. */
	struct hub_pieces limbo;
	struct hub_ranges ranges;
	struct ferry_registry *registry;
	SLIST_HEAD(, hub_listener) listeners;
	/* See engine_private.h; NULL: the hub has no engines. */
	struct hub_engines *engines;
	void *boards;
	/* Which processes reach memory, from the view of the hub's process. */
	struct ferry_channel_memory reached;
	struct hub_endpoint *endpoints;
	uint32_t max_endpoints;
	struct hub_channel *channels;
	uint32_t max_channels;
	/* The token of the process that made the hub: see
	 * ferry_process_check(). */
	uint64_t process;
	/* Random: tells this hub from an earlier one of the same name. */
	uint64_t incarnation;
	uint32_t last_epoch;
	uint64_t last_id;
	uint64_t deaths;
	struct hub_socket socket;
	/* hub_monitor.c */
	int epoll;
	int stop;
	int timer;
	pthread_t monitor;
};

/* The endpoint, if it still has that epoch; or NULL. */
static inline struct hub_endpoint *
endpoint_find(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch)
{
	struct hub_endpoint *ep;

	if (endpoint >= hub->max_endpoints)
		return NULL;
	ep = &hub->endpoints[endpoint];
	return ep->used && ep->epoch == epoch ? ep : NULL;
}

/* The number of a channel, which boards and engines use. */
static inline uint32_t
channel_number(const struct ferry_hub *hub, const struct hub_channel *c)
{
	return (uint32_t)(c - hub->channels);
}

/* hub_table.c: the hub's state and its changes. hub->lock is taken inside. */

/* Whether a process may ask in the name of an endpoint: 0 or -EPERM. 0 also if
 * there is no such endpoint, because the request itself finds that out. */
int hub_allow(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		bool remote, int32_t pid);
/* pidfd -1: the endpoint is a thread of this process. The hub takes over pidfd
 * if the call returns 0. */
int hub_attach(struct ferry_hub *hub, const char *name, int32_t pid, int pidfd,
		uint32_t *endpoint, uint32_t *epoch);
int hub_detach(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch);
/* An endpoint's process died. Idempotent. */
void hub_reap(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch);
/* alone: a producer that needs no engine. number: the channel's number on
 * boards. */
int hub_open(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		enum hub_role role, const char *name,
		const struct ferry_channel_config *config, bool alone,
		struct ferry_channel_shared **shared, uint64_t *size,
		uint64_t *id, uint32_t *number);
/* to: CLOSED; or ABSENT if the end was not started, and then no trace is
 * left. */
int hub_close(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		enum hub_role role, uint64_t id, enum ferry_end_state to);
/* A producer waits for its jobs. If the channel has no engine, say so in the
 * channel. If it has one, all says what to do: true carries the jobs out in
 * this call, even if another thread runs the engine; false has the engine say
 * again how far the jobs are done. */
int hub_finish(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t id, bool all);
/* The first channel with an id above `after`: 0 or -ENOENT. total: number of
 * all channels. */
int hub_list(struct ferry_hub *hub, uint64_t after,
		struct ferry_hub_channel *entry, uint32_t *total);
/* Refuse new endpoints and channels, end all channels. Idempotent. */
void hub_shut(struct ferry_hub *hub);
/* Number of endpoints attached. */
uint32_t hub_population(struct ferry_hub *hub);

/* hub_jobs.c: jobs that no engine has. hub->lock is held. */

/* The word in the channel's head that says which server has the jobs. */
static inline uint32_t *
server_word(struct hub_channel *c)
{
	return &c->shared->service.server;
}

/* Prepare what the hub gives to servers. Called before there is one. */
void jobs_begin(struct ferry_hub *hub);
/* The description of a channel for a server. The producer's end is open. */
struct ferry_serve jobs_of(struct ferry_hub *hub, struct hub_channel *c);
/* L2 to L4 of test/models/server.pml: the channel has no engine from here on.
 * The hub carries out what the producer posted before it could see that. */
void jobs_left(struct ferry_hub *hub, struct hub_channel *c);
/* A producer died, and no engine has its channel: the hub carries out its
 * posts. */
void jobs_orphaned(struct ferry_hub *hub, struct hub_channel *c);
/* A channel has no engine. Change its server word if the word names one. */
void jobs_unserved(struct hub_channel *c);

/* hub_memory.c: pieces of the arena that belong to endpoints. */

/* Give an endpoint a piece: 0 or negative. */
int hub_alloc(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t size, uint64_t *addr);
/* Take a piece back: at once, or when no party copies there any more. */
int hub_free_piece(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t addr);
/* Take back the pieces in limbo to which no party copies any more. */
void hub_sweep(struct ferry_hub *hub);

/* hub->lock is held in all calls below that are of hub_memory.c. */

/* An end has ended, and with it its bulk messages: no party begins to copy a
 * unit of them any more. */
void memory_bulk_end(struct hub_channel *c, enum hub_role role, int why);
/* The same, and the engine copies none of them any more. Find out whether the
 * other end still copies. */
void memory_owe(struct ferry_hub *hub, struct hub_channel *c,
		enum hub_role role);
/* A device may write for ever to destinations of a channel's ends. */
void memory_unsafe(struct ferry_hub *hub, struct hub_channel *c);
/* Take back all pieces of an endpoint. */
void memory_endpoint_ended(struct ferry_hub *hub, struct hub_endpoint *ep);
/* Take back pieces in limbo. Called after each change of ends. */
void memory_sweep(struct ferry_hub *hub);
/* Bytes that endpoints have, and bytes in limbo. */
void memory_count(struct ferry_hub *hub, uint64_t *held, uint64_t *limbo);
/* The hub ends, and no endpoint is attached: forget the pieces. */
void memory_forget(struct ferry_hub *hub);

/* hub_extmem.c: memory of this process that DPDK did not allocate. */

/* Make memory known to EAL and to DMA devices: 0 or negative. */
int hub_register(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t addr, uint64_t size);
/* Undo one hub_register() of the same memory. */
int hub_unregister(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t addr, uint64_t size);

/* The board with a number. */
struct ferry_board *hub_board(struct ferry_hub *hub, uint32_t index);

/*
 * hub_monitor.c: a thread that waits for deaths, for requests, and for limbo to
 * empty.
 */

/* What the monitor is woken for, beside deaths. */
enum hub_event {
	HUB_EVENT_STOP,
	HUB_EVENT_SWEEP,
	HUB_EVENT_LISTENER,
	/* This number plus the number of the connection. */
	HUB_EVENT_CONN,
};

/* Open what the monitor waits with, to which others add. Then start its
 * thread. */
int hub_monitor_open(struct ferry_hub *hub);
int hub_monitor_start(struct ferry_hub *hub);
void hub_monitor_stop(struct ferry_hub *hub);
void hub_monitor_close(struct ferry_hub *hub);
int hub_monitor_watch(struct ferry_hub *hub, int pidfd, uint32_t endpoint,
		uint32_t epoch);
void hub_monitor_forget(struct ferry_hub *hub, int pidfd);
/* Whether the monitor calls hub_sweep() from time to time. */
void hub_monitor_sweeps(struct ferry_hub *hub, bool on);
/* Wake the monitor when something can be read from fd: 0 or negative. fd stays
 * open as long as the monitor watches it. */
int hub_monitor_add(struct ferry_hub *hub, int fd, uint32_t event);
/* on false: do not watch a fd for a while; on true: watch it again. */
void hub_monitor_set(struct ferry_hub *hub, int fd, uint32_t event, bool on);

#endif /* FERRY_HUB_PRIVATE_H */
