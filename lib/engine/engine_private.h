/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_ENGINE_H
#define FERRY_HUB_ENGINE_H

/*
 * Engines from inside: who serves which channel.
 *
 *     service.server of a channel (ferry_channel_layout.h)
 *
 *            hub: engine_opened()          hub: engine_move()
 *     NONE ---------------------> ENGINE k ------------------> ENGINE m
 *      ^ |                            |
 *      | | producer                   | hub: engine_ended()
 *      | v                            v
 *     SELF                           NONE
 *
 * Proved by test/models/server.pml; changes of engine by engine_move.pml.
 *
 * The hub's lock is held in all these calls. It guards the books (which engine
 * a channel has); the engine's own lock, taken after it, guards the server. A
 * control thread that wants an engine's jobs ended does the engine's turns
 * itself, so it does not matter whether anybody runs the engine.
 */

#include "ferry_copier.h"
#include "ferry_engine.h"
#include "ferry_server.h"
#include "ferry_wait.h"
#include "hub_private.h"

/* Who runs an engine. */
enum runner {
	/* The application, or nobody. */
	RUNNER_NONE,
	RUNNER_LCORE,
	RUNNER_SERVICE,
};

/* The engines of a hub: made with the first, gone with the last of them. */
struct hub_engines {
	struct hub_listener listener;
	struct ferry_hub *hub;
	/* By the number of their boards. */
	struct ferry_engine *engine[FERRY_ENGINES_MAX];
	uint32_t n;
};

static inline struct hub_engines *
engines_of(struct hub_listener *l)
{
	return container_of(l, struct hub_engines, listener);
}

struct ferry_engine {
	struct ferry_hub *hub;
	/* Its place among the hub's engines and boards. */
	uint32_t index;
	uint32_t close_wait_ms;
	char name[FERRY_NAME_MAX];
	/*
	 * Guards copier and server. The runner takes it for each turn, which
	 * costs it two uncontended atomics on its own cache line; control calls
	 * say in wanted that they want it, since a mutex is not fair.
	 */
	pthread_mutex_t lock;
	uint32_t wanted;
	struct ferry_copier copier;
	struct ferry_server server;
	struct ferry_board *board;
	/* How to wait: found out in a turn that had nothing to do. */
	enum ferry_wait_policy policy;
	bool busy;
	uint64_t next_ns;
	uint32_t inflight;
	/* The runner's own. No other lcore has its CPU; when it last found
	 * something to do. */
	bool exclusive;
	uint64_t worked;
	struct ferry_wait wait;
	uint64_t sleeps;
	/* Not 0: run() is to return. */
	uint32_t stop;
	enum runner runner;
	unsigned int lcore;
	uint32_t service;
};

static inline void
engine_lock(struct ferry_engine *e)
{
	__atomic_fetch_add(&e->wanted, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&e->lock);
	__atomic_fetch_sub(&e->wanted, 1, __ATOMIC_RELAXED);
}

static inline void
engine_unlock(struct ferry_engine *e)
{
	pthread_mutex_unlock(&e->lock);
}

/* Producers want to know whether the engine has anything but its core. */
static inline void
engine_tell_devices(struct ferry_engine *e)
{
	const uint32_t n = e->copier.nb_open - 1;

	if (e->board->devices != n)
		__atomic_store_n(&e->board->devices, n, __ATOMIC_RELAXED);
}

/* engine_serve.c: who serves which channel. */

/* Hear of the hub's channels. */
void engines_listen(struct hub_engines *all);

/* All channels that have no engine, or this one, go to the best there is. It
 * stands no more among them. */
void engines_share(struct hub_engines *all, struct ferry_engine *from);

/* engine_runner.c: end the lcore or service that runs an engine for the hub. */
void engine_runner_end(struct ferry_engine *e);

/* engine.c */

/* Call fn for every engine, or for the one of that name. */
void engines_each(struct ferry_hub *hub, const char *name,
		void (*fn)(struct ferry_engine *e, void *arg), void *arg);

/* A producer died: wake the engines whose bells it may have silenced. */
void engines_shout(struct hub_listener *l);

#endif /* FERRY_HUB_ENGINE_H */
