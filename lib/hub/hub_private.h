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
 * What the hub decides by (who is attached, who has which end, which memory is
 * whose) lies in its private memory. Shared memory tells the endpoints; the
 * hub never believes what it reads there.
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
/* Log a line, unless that would block: a hub whose log is not read goes on. */
void ferry_hub_log(uint32_t level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define HUB_LOG(level, fmt, ...) \
	ferry_hub_log(RTE_LOG_ ## level, "ferry: " fmt "\n", ## __VA_ARGS__)

enum hub_role { HUB_TX, HUB_RX };

/* A piece of the arena that is an endpoint's, or was. */
struct hub_piece {
	SLIST_ENTRY(hub_piece) next;
	void *mem;
	uint64_t size;
	/* Of the endpoint: no other one ever has it. */
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
	/* How many endpoints have registered some of it. */
	uint32_t users;
	/* EAL knew it before: it is not ferry's to take back. */
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

/* ABSENT, OPEN, or CLOSED for all ways of having ended. */
struct hub_end {
	enum ferry_end_state state;
	uint32_t endpoint;
	/* That of the endpoint, also after its end. */
	uint32_t epoch;
	/* It has ended, and the other one may still copy into or out of memory
	 * of its endpoint. */
	bool owed;
};

/* A channel, as the hub knows it. */
struct hub_channel {
	bool used;
	uint64_t id;
	uint64_t size;
	struct ferry_channel_shared *shared;
	/* Where they are in it: what it says itself is not believed. */
	struct ferry_bulk_block *blocks;
	struct ferry_bulk_grant *grants;
	const struct rte_ring *jobs;
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

/*
 * What wants to know what becomes of a hub's channels: its engines. All are
 * called with hub->lock held.
 */
struct hub_listener {
	SLIST_ENTRY(hub_listener) next;
	/* A producer's end is open. */
	void (*opened)(struct hub_listener *l, struct hub_channel *c);
	/*
	 * An end has ended, and its bulk messages are over: nothing is to be
	 * copied for it from here on. died: but for the jobs in its ring.
	 */
	void (*ended)(struct hub_listener *l, struct hub_channel *c,
			enum hub_role role, bool died);
	/* A producer waits for its jobs, which c->engine has: see
	 * hub_finish(). */
	void (*asked)(struct hub_listener *l, struct hub_channel *c, bool all);
	/* A process died, which may have silenced bells. */
	void (*died)(struct hub_listener *l);
};

struct hub_engines;

struct ferry_hub {
	/* hub_ctl.c: calls of this process that use the hub; it is about to go,
	 * and there are no more of them. */
	TAILQ_ENTRY(ferry_hub) next;
	uint32_t users;
	bool leaving;
	char name[FERRY_NAME_MAX];
	/* Guards all below. */
	pthread_mutex_t lock;
	/* Being destroyed: nothing new. */
	bool closing;
	void *memory;
	/* A device that cannot be stopped may write there for ever. */
	bool unsafe;
	struct ferry_arena arena;
	/* Pieces that endpoints gave back or left, and that somebody may still
	 * copy into or out of. */
	struct hub_pieces limbo;
	struct hub_ranges ranges;
	struct ferry_registry *registry;
	SLIST_HEAD(, hub_listener) listeners;
	/* engine_private.h; NULL: it has none. */
	struct hub_engines *engines;
	void *boards;
	/* Who reaches memory, from the view of the hub's process. */
	struct ferry_channel_memory reached;
	struct hub_endpoint *endpoints;
	uint32_t max_endpoints;
	struct hub_channel *channels;
	uint32_t max_channels;
	/* That it was made in, by its token: see ferry_process_check(). */
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

/* The endpoint, if it is still the one of that epoch; or NULL. */
static inline struct hub_endpoint *
endpoint_find(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch)
{
	struct hub_endpoint *ep;

	if (endpoint >= hub->max_endpoints)
		return NULL;
	ep = &hub->endpoints[endpoint];
	return ep->used && ep->epoch == epoch ? ep : NULL;
}

/* What boards and engines know a channel by. */
static inline uint32_t
channel_number(const struct ferry_hub *hub, const struct hub_channel *c)
{
	return (uint32_t)(c - hub->channels);
}

/* hub_table.c: the hub's state and its changes. hub->lock is taken inside. */

/* Whether a process may ask in the name of an endpoint: 0 or -EPERM. What is
 * not an endpoint is left to the request to find. */
int hub_allow(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		bool remote, int32_t pid);
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
/* A producer waits for its jobs. If the channel has no engine, say so in it. If
 * it has one: all: carry the jobs out, whoever runs the engine; else have the
 * engine say again how far they are done. */
int hub_finish(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t id, bool all);
/* The first channel with an id above `after`: 0 or -ENOENT. total: of all. */
int hub_list(struct ferry_hub *hub, uint64_t after,
		struct ferry_hub_channel *entry, uint32_t *total);
/* Refuse what is new, end all channels. Idempotent. */
void hub_shut(struct ferry_hub *hub);
/* Endpoints attached. */
uint32_t hub_population(struct ferry_hub *hub);

/* hub_jobs.c: jobs that no engine has. hub->lock is held. */

/* Who serves a channel's jobs, in the channel's head. */
static inline uint32_t *
server_word(struct hub_channel *c)
{
	return &c->shared->service.server;
}

/* What the hub has for those that serve, before there are any. */
void jobs_begin(struct ferry_hub *hub);
/* What a server is to know of a channel whose producer's end is open. */
struct ferry_serve jobs_of(struct ferry_hub *hub, struct hub_channel *c);
/* L2 to L4 of test/models/server.pml: the channel has no engine from here on,
 * and what its producer posted before it could see that is carried out. */
void jobs_left(struct ferry_hub *hub, struct hub_channel *c);
/* A producer died, and no engine has its channel: carry out what it posted. */
void jobs_orphaned(struct ferry_hub *hub, struct hub_channel *c);
/* A channel has no engine: it does not say either that it has one. */
void jobs_unserved(struct hub_channel *c);

/* hub_memory.c: pieces of the arena that are endpoints'. */

/* Give an endpoint a piece: 0 or negative. */
int hub_alloc(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t size, uint64_t *addr);
/* Take one back, at once or when nobody copies there any more. */
int hub_free_piece(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t addr);
/* Take back what can be of the pieces in limbo. */
void hub_sweep(struct ferry_hub *hub);

/* The rest of it is called with hub->lock held. */

/* An end has ended: so have its bulk messages, of which nobody begins to copy
 * a unit any more. */
void memory_bulk_end(struct hub_channel *c, enum hub_role role, int why);
/* ... and the engine copies none of them any more: find out whether the other
 * end does. */
void memory_owe(struct ferry_hub *hub, struct hub_channel *c,
		enum hub_role role);
/* A device may write for ever to where a channel's ends wanted it to. */
void memory_unsafe(struct ferry_hub *hub, struct hub_channel *c);
/* Take back all that an endpoint has. */
void memory_endpoint_ended(struct ferry_hub *hub, struct hub_endpoint *ep);
/* After each change of ends. */
void memory_sweep(struct ferry_hub *hub);
/* Bytes that endpoints have, and that are in limbo. */
void memory_count(struct ferry_hub *hub, uint64_t *held, uint64_t *limbo);
/* The hub ends, and nobody is attached: forget the pieces. */
void memory_forget(struct ferry_hub *hub);

/* hub_extmem.c: memory of this process that is not of DPDK. */

/* Make it known to EAL and to DMA devices: 0 or negative. */
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

/* What it is woken for, beside deaths. */
enum hub_event {
	HUB_EVENT_STOP,
	HUB_EVENT_SWEEP,
	HUB_EVENT_LISTENER,
	/* And the number of the connection. */
	HUB_EVENT_CONN,
};

/* What it waits with, for others to add to; and its thread, when they have. */
int hub_monitor_open(struct ferry_hub *hub);
int hub_monitor_start(struct ferry_hub *hub);
void hub_monitor_stop(struct ferry_hub *hub);
void hub_monitor_close(struct ferry_hub *hub);
int hub_monitor_watch(struct ferry_hub *hub, int pidfd, uint32_t endpoint,
		uint32_t epoch);
void hub_monitor_forget(struct ferry_hub *hub, int pidfd);
/* Whether hub_sweep() is to be called from time to time. */
void hub_monitor_sweeps(struct ferry_hub *hub, bool on);
/* Wake it when something can be read from fd, which is open as long as it is
 * wanted: 0 or negative. */
int hub_monitor_add(struct ferry_hub *hub, int fd, uint32_t event);
/* Leave a fd alone for a while, or not. */
void hub_monitor_set(struct ferry_hub *hub, int fd, uint32_t event, bool on);

#endif /* FERRY_HUB_PRIVATE_H */
