/* SPDX-License-Identifier: BSD-3-Clause */

/* Which engine serves which channel: see hub_engine.h. */

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "ferry_channel.h"
#include "ferry_errno.h"
#include "ferry_process.h"
#include "ferry_reach.h"
#include "hub_engine.h"

/* How often, and how far apart, a producer is asked for its channel: 100 ms. */
#define GIVE_TRIES 1000
#define GIVE_NAP_US 100

/* The hub itself as a channel's server: no board has this number. */
#define SERVER_HUB (FERRY_SERVER_ENGINE + FERRY_ENGINES_MAX)

static uint32_t *
server_word(struct hub_channel *c)
{
	return &c->shared->service.server;
}

/* The engine with the fewest channels; or NULL. */
static struct ferry_engine *
engine_best(struct ferry_hub *hub)
{
	struct ferry_engine *best = NULL;
	uint32_t i;

	for (i = 0; i < FERRY_ENGINES_MAX; i++) {
		struct ferry_engine *e = hub->engines[i];

		if (e != NULL && (best == NULL ||
				e->server.n_channels < best->server.n_channels))
			best = e;
	}
	return best;
}

/* What engines reach of what the ends say that all processes have. */
static bool
is_reached(void *arg, const void *mem, uint64_t len)
{
	const struct ferry_hub *hub = arg;
	struct ferry_reach_cache cache = {
		.known_from = (uintptr_t)hub->memory,
		.known_to = (uintptr_t)hub->memory + hub->arena.size,
	};

	return ferry_reach_dpdk((uintptr_t)mem, len, &cache) ||
		ferry_reach_external((uintptr_t)mem, len);
}

void
engines_begin(struct ferry_hub *hub)
{
	hub->reached.is_shared = is_reached;
	hub->reached.arg = hub;
}

/* What a server is to know of a channel whose producer's end is open. */
static struct ferry_serve
serve_of(struct ferry_hub *hub, struct hub_channel *c)
{
	return (struct ferry_serve) {
		.shared = c->shared,
		.config = c->config,
		.number = channel_number(hub, c),
		.local = hub->endpoints[c->ends[HUB_TX].endpoint].local,
		.memory = &hub->reached,
		.bells = hub->registry->bells,
		.n_bells = hub->max_endpoints,
	};
}

/* Have the engine look at a channel. */
static void
engine_look(struct ferry_engine *e, uint32_t number)
{
	ferry_board_post(e->board, e->server.room, number);
}

/* Begin to serve a channel; the word says already that this engine does. */
static int
serve_begin(struct ferry_engine *e, struct hub_channel *c)
{
	const struct ferry_serve serve = serve_of(e->hub, c);
	int ret;

	engine_lock(e);
	ret = ferry_server_add(&e->server, &serve);
	engine_unlock(e);
	if (ret != 0)
		return ret;
	c->engine = e;
	/* Its thread may be asleep, or have seen no channel so far. */
	engine_look(e, serve.number);
	return 0;
}

/* Take a channel away from the engine it has. */
static void
serve_end(struct hub_channel *c, bool all)
{
	struct ferry_engine *e = c->engine;
	const uint32_t number = channel_number(e->hub, c);

	engine_lock(e);
	if (all)
		ferry_server_finish(&e->server, number);
	if (ferry_server_remove(&e->server, number) == -EFAULT)
		c->unsafe = true;
	engine_unlock(e);
	c->engine = NULL;
	/* The turns made here may have taken other channels' bits, and given
	 * jobs to the copier, while the engine goes to sleep. A bit stays where
	 * it looks last. */
	engine_look(e, number);
}

void
engine_none(struct hub_channel *c)
{
	uint32_t was = __atomic_load_n(server_word(c), __ATOMIC_RELAXED);

	/* Then another process has written that there is an engine. From now on
	 * the producer carries out its jobs itself. */
	if (was >= FERRY_SERVER_ENGINE)
		__atomic_compare_exchange_n(server_word(c), &was,
				FERRY_SERVER_NONE, false, __ATOMIC_RELEASE,
				__ATOMIC_RELAXED);
}

void
engine_retell(struct hub_channel *c)
{
	struct ferry_engine *e = c->engine;

	engine_lock(e);
	ferry_server_retell(&e->server, channel_number(e->hub, c));
	engine_unlock(e);
	engine_look(e, channel_number(e->hub, c));
}

void
engine_finish(struct hub_channel *c)
{
	struct ferry_engine *e = c->engine;

	engine_lock(e);
	ferry_server_finish(&e->server, channel_number(e->hub, c));
	engine_unlock(e);
	/* As in serve_end(). */
	engine_look(e, channel_number(e->hub, c));
}

void
engine_quiesce(struct hub_channel *c)
{
	struct ferry_engine *e = c->engine;

	if (e == NULL)
		return;
	engine_lock(e);
	ferry_server_quiet(&e->server, channel_number(e->hub, c));
	engine_unlock(e);
	/* As in serve_end(); and a consumer that died between P4 and P5 has
	 * hidden what its producer had to do. */
	engine_look(e, channel_number(e->hub, c));
}

/* Give a channel to an engine: 0 or negative. */
static int
engine_give(struct ferry_engine *e, struct hub_channel *c)
{
	uint32_t none = FERRY_SERVER_NONE;
	unsigned int tries = 0;
	int ret;

	/* O: pairs with the release of a producer that served itself; without
	 * lanes of its own it does so for the length of one call. */
	while (!__atomic_compare_exchange_n(server_word(c), &none,
			FERRY_SERVER_ENGINE + e->index, false,
			__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		if (c->alone || ++tries == GIVE_TRIES)
			return -EBUSY;
		none = FERRY_SERVER_NONE;
		usleep(GIVE_NAP_US);
	}
	ret = serve_begin(e, c);
	if (ret != 0)
		__atomic_store_n(server_word(c), FERRY_SERVER_NONE,
				__ATOMIC_RELEASE);
	return ret;
}

void
engine_take(struct ferry_hub *hub, struct hub_channel *c)
{
	struct ferry_engine *e = engine_best(hub);

	/* If it fails, the producer copies for itself. */
	if (e != NULL)
		engine_give(e, c);
}

/*
 * Carry out the jobs in a channel's ring, as the server the hub says it is. Not
 * more than there can be, if the producer goes on posting.
 */
static void
jobs_finish(struct ferry_hub *hub, struct hub_channel *c)
{
	struct ferry_serve serve = serve_of(hub, c);
	struct ferry_server server;
	struct ferry_copier copier;

	/* The only channel of a server for this alone. */
	serve.number = 0;

	if (ferry_copier_init(&copier, SOCKET_ID_ANY) != 0)
		return;
	if (ferry_server_init(&server, &copier, NULL, 1) == 0) {
		if (ferry_server_add(&server, &serve) == 0) {
			ferry_server_finish(&server, 0);
			ferry_server_remove(&server, 0);
		}
		ferry_server_fini(&server);
	}
	ferry_copier_fini(&copier);
}

static bool
jobs_any(const struct hub_channel *c)
{
	const struct rte_ring *jobs = c->jobs;

	return __atomic_load_n(&jobs->prod.tail, __ATOMIC_ACQUIRE) !=
		__atomic_load_n(&jobs->cons.tail, __ATOMIC_RELAXED);
}

/* L2 to L4 of the model: nobody serves the channel from here on. */
static void
server_none(struct ferry_hub *hub, struct hub_channel *c)
{
	uint32_t none = FERRY_SERVER_NONE;

	/* O */
	__atomic_store_n(server_word(c), FERRY_SERVER_NONE, __ATOMIC_RELEASE);
	/* A producer that posted before it could see that has no reason to
	 * look again. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!jobs_any(c) || !__atomic_compare_exchange_n(server_word(c), &none,
			SERVER_HUB, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	jobs_finish(hub, c);
	__atomic_store_n(server_word(c), FERRY_SERVER_NONE, __ATOMIC_RELEASE);
}

void
engine_leave(struct ferry_hub *hub, struct hub_channel *c, bool all)
{
	if (c->engine != NULL)
		serve_end(c, all);
	else if (!all)
		return;
	if (all && jobs_any(c)) {
		/* Whatever the dead left there: it is the hub's now. */
		__atomic_store_n(server_word(c), SERVER_HUB, __ATOMIC_RELAXED);
		jobs_finish(hub, c);
	}
	/* O */
	__atomic_store_n(server_word(c), FERRY_SERVER_NONE, __ATOMIC_RELEASE);
}

/* From the engine it has to another one, without a gap; or to none. */
static int
engine_move(struct ferry_hub *hub, struct hub_channel *c,
		struct ferry_engine *to)
{
	int ret = 0;

	if (c->engine == to)
		return 0;
	if (c->engine == NULL)
		return engine_give(to, c);
	serve_end(c, false);
	if (to != NULL) {
		__atomic_store_n(server_word(c), FERRY_SERVER_ENGINE +
				to->index, __ATOMIC_RELEASE);
		ret = serve_begin(to, c);
	}
	if (to == NULL || ret != 0) {
		server_none(hub, c);
		/* One that waits has to go on by itself. */
		if (c->ends[HUB_TX].state == FERRY_END_OPEN)
			ferry_bell_shout(&hub->registry->bells[
					c->ends[HUB_TX].endpoint]);
	}
	return ret;
}

int
ferry_hub_move(struct ferry_hub *hub, uint64_t id, struct ferry_engine *engine)
{
	uint32_t i;
	int ret;

	ret = ferry_process_check(hub->process);
	if (ret != 0)
		return ret;
	ret = -ENOENT;
	pthread_mutex_lock(&hub->lock);
	for (i = 0; i < hub->max_channels; i++) {
		struct hub_channel *c = &hub->channels[i];

		if (c->used && c->id == id &&
				c->ends[HUB_TX].state == FERRY_END_OPEN) {
			ret = engine_move(hub, c, engine);
			break;
		}
	}
	pthread_mutex_unlock(&hub->lock);
	return ret;
}

void
engines_share(struct ferry_hub *hub, struct ferry_engine *from)
{
	uint32_t i;

	for (i = 0; i < hub->max_channels; i++) {
		struct hub_channel *c = &hub->channels[i];

		/* Those with lanes of their own get none unasked. */
		if (c->used && c->engine == from && !(from == NULL && c->alone) &&
				c->ends[HUB_TX].state == FERRY_END_OPEN)
			engine_move(hub, c, engine_best(hub));
	}
}
