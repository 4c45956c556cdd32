/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_ENGINE_H
#define FERRY_HUB_ENGINE_H

/*
 * Engines, internal: which server serves which channel.
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
 * The hub's lock is held in all these calls. It guards the books, which say
 * which engine a channel has. The engine's own lock is taken after it and
 * guards the server. A control thread that wants an engine's jobs ended does
 * the engine's turns itself. So it does not matter whether a thread runs the
 * engine.
 */

#include "ferry_copier.h"
#include "ferry_engine.h"
#include "ferry_server.h"
#include "ferry_wait.h"
#include "hub_private.h"

/* The thread that runs an engine. */
enum runner {
	/* The application runs it, or no thread does. */
	RUNNER_NONE,
	RUNNER_LCORE,
	RUNNER_SERVICE,
};

/* The engines of a hub. Made with the first engine, freed with the last one. */
struct hub_engines {
	struct hub_listener listener;
	struct ferry_hub *hub;
	/* Indexed by the number of their boards. */
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
	 * Guards copier and server. The runner takes the lock for each turn,
	 * which costs it two uncontended atomics on its own cache line. Control
	 * calls count themselves in wanted while they wait for the lock,
	 * because a mutex is not fair.
	 */
	pthread_mutex_t lock;
	uint32_t wanted;
	struct ferry_copier copier;
	struct ferry_server server;
	struct ferry_board *board;
	/* How to wait: set in a turn that had nothing to do. */
	enum ferry_wait_policy policy;
	bool busy;
	uint64_t next_ns;
	uint32_t inflight;
	/* Only the runner uses these. exclusive: no other lcore has its CPU.
	 * worked: when the runner last found something to do. */
	bool exclusive;
	uint64_t worked;
	struct ferry_wait wait;
	uint64_t sleeps;
	/* Not 0: ferry_engine_run() is to return. */
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

/* Tell producers how many lanes the engine has beside its core. */
static inline void
engine_tell_devices(struct ferry_engine *e)
{
	const uint32_t n = e->copier.nb_open - 1;

	if (e->board->devices != n)
		__atomic_store_n(&e->board->devices, n, __ATOMIC_RELAXED);
}

/* engine_serve.c: which engine serves which channel. */

/* Have the engines be told of the hub's channels. */
void engines_listen(struct hub_engines *all);

/* Give all channels of engine `from`, or those without an engine if from is
 * NULL, to the best engines. `from` is no longer in the list. */
void engines_share(struct hub_engines *all, struct ferry_engine *from);

/* engine_runner.c: end the lcore or service that runs an engine. */
void engine_runner_end(struct ferry_engine *e);

/* engine.c */

/* Call fn for every engine, or for the engine of that name. */
void engines_each(struct ferry_hub *hub, const char *name,
		void (*fn)(struct ferry_engine *e, void *arg), void *arg);

/* A producer died: wake the engines whose bells it may have silenced. */
void engines_shout(struct hub_listener *l);

#endif /* FERRY_HUB_ENGINE_H */
