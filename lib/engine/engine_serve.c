/* SPDX-License-Identifier: BSD-3-Clause */

/* Which engine serves which channel: see engine_private.h. */

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <rte_memory.h>

#include "ferry_channel.h"
#include "ferry_errno.h"
#include "ferry_process.h"
#include "engine_private.h"

/* How often, and how far apart, the hub tries to get a producer's channel: 100
 * ms in all. */
#define GIVE_TRIES 1000
#define GIVE_NAP_US 100

/* NUMA node of the engine's thread; SOCKET_ID_ANY: unknown. */
static int
engine_node(const struct ferry_engine *e)
{
	if (e->runner == RUNNER_LCORE)
		return (int)rte_lcore_to_socket_id(e->lcore);
	return e->copier.lanes[0].lane->socket;
}

/* What one more channel costs an engine. Another node's memory has about half
 * of the bandwidth, so a channel there counts twice. */
static uint64_t
engine_load(const struct ferry_engine *e, int memory_node)
{
	const int node = engine_node(e);
	const bool is_far = node >= 0 && memory_node >= 0 &&
		node != memory_node;

	return ((uint64_t)e->server.n_channels + 1) << is_far;
}

/* The engine with the least load, of several the first; or NULL. */
static struct ferry_engine *
engine_best(const struct hub_engines *all)
{
	const struct rte_memseg *page = rte_mem_virt2memseg(all->hub->memory,
			NULL);
	const int memory_node = page != NULL ? page->socket_id : SOCKET_ID_ANY;
	struct ferry_engine *best = NULL;
	uint64_t least = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < FERRY_ENGINES_MAX; i++) {
		struct ferry_engine *e = all->engine[i];
		const uint64_t load = e != NULL ? engine_load(e, memory_node) :
			UINT64_MAX;

		if (load < least) {
			best = e;
			least = load;
		}
	}
	return best;
}

/* Have the engine look at a channel. */
static void
engine_look(struct ferry_engine *e, uint32_t number)
{
	ferry_board_post(e->board, e->server.room, number);
}

/* Begin to serve a channel. The server word already names this engine. */
static int
serve_begin(struct ferry_engine *e, struct hub_channel *c)
{
	const struct ferry_serve serve = jobs_of(e->hub, c);
	int ret;

	engine_lock(e);
	ret = ferry_server_add(&e->server, &serve);
	engine_unlock(e);
	if (ret != 0)
		return ret;
	c->engine = e;
	/* The engine's thread may be asleep, or may have seen no channel so
	 * far. */
	engine_look(e, serve.number);
	return 0;
}

/* Take a channel away from its engine. all: first carry out its jobs. */
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
	 * jobs to the copier, while the engine goes to sleep. The bit posted
	 * here makes the engine look once more. */
	engine_look(e, number);
}

/* A producer waits for its jobs. all true: carry out the jobs in the ring,
 * because the producer posts none meanwhile. all false: say again how far the
 * jobs are done. */
static void
engine_asked(struct hub_listener *l, struct hub_channel *c, bool all)
{
	struct ferry_engine *e = c->engine;
	const uint32_t number = channel_number(e->hub, c);

	RTE_SET_USED(l);
	engine_lock(e);
	if (all)
		ferry_server_finish(&e->server, number);
	else
		ferry_server_retell(&e->server, number);
	engine_unlock(e);
	/* For the reason given in serve_end(). */
	engine_look(e, number);
}

/* Have the engine finish with a channel's bulk messages, which are over. After
 * that it no longer reads or writes the memory of the channel's ends. Only a
 * device that cannot be stopped may still do so. */
static void
engine_quiesce(struct hub_channel *c)
{
	struct ferry_engine *e = c->engine;

	engine_lock(e);
	ferry_server_quiet(&e->server, channel_number(e->hub, c));
	engine_unlock(e);
	/* For the reason given in serve_end(). Besides, a consumer that died
	 * between P4 and P5 has hidden the work that it had announced. */
	engine_look(e, channel_number(e->hub, c));
}

/* Give a channel to an engine: 0 or negative. */
static int
engine_give(struct ferry_engine *e, struct hub_channel *c)
{
	uint32_t none = FERRY_SERVER_NONE;
	unsigned int tries = 0;
	int ret;

	/* O: pairs with the release of a producer that served itself. A
	 * producer without lanes of its own serves only during one call. */
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

/* A producer's end is open: give its channel to an engine. */
static void
engine_opened(struct hub_listener *l, struct hub_channel *c)
{
	struct ferry_engine *e = engine_best(engines_of(l));

	/* If this fails, the producer copies for itself. */
	if (e != NULL && !c->alone)
		engine_give(e, c);
}

/* An end has ended. died: carry out what the dead producer posted, because the
 * posts were accepted. */
static void
engine_ended(struct hub_listener *l, struct hub_channel *c, enum hub_role role,
		bool died)
{
	RTE_SET_USED(l);
	if (c->engine == NULL)
		return;
	if (role == HUB_RX) {
		engine_quiesce(c);
		return;
	}
	serve_end(c, died);
	/* O */
	__atomic_store_n(server_word(c), FERRY_SERVER_NONE, __ATOMIC_RELEASE);
}

/* Move a channel from its engine to another one, without a gap; or to none. */
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
		jobs_left(hub, c);
		/* Wake a waiting producer, because it has to copy for itself
		 * now. */
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
engines_share(struct hub_engines *all, struct ferry_engine *from)
{
	struct ferry_hub *hub = all->hub;
	uint32_t i;

	for (i = 0; i < hub->max_channels; i++) {
		struct hub_channel *c = &hub->channels[i];

		/* Channels whose producers have lanes of their own get an
		 * engine only if ferry_hub_move() gives them one. */
		if (c->used && c->engine == from &&
				!(from == NULL && c->alone) &&
				c->ends[HUB_TX].state == FERRY_END_OPEN)
			engine_move(hub, c, engine_best(all));
	}
}

void
engines_listen(struct hub_engines *all)
{
	all->listener = (struct hub_listener) {
		.opened = engine_opened,
		.ended = engine_ended,
		.asked = engine_asked,
		.died = engines_shout,
	};
	SLIST_INSERT_HEAD(&all->hub->listeners, &all->listener, next);
}
