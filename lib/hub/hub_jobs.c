/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Jobs that no engine has: if a producer has died, the hub carries out what the
 * producer posted.
 */

#include "ferry_server.h"
#include "hub_private.h"

/* The server word that names the hub itself: no board has this number. */
#define SERVER_HUB (FERRY_SERVER_ENGINE + FERRY_ENGINES_MAX)

/* Looks memory up anew in each call, because each engine has its own thread and
 * a view belongs to one thread. */
static enum ferry_reach
hub_reach(void *arg, const void *mem, uint64_t len)
{
	const struct ferry_hub *hub = arg;
	struct ferry_reach_view view = {
		.known_from = (uintptr_t)hub->memory,
		.known_to = (uintptr_t)hub->memory + hub->arena.size,
	};

	return ferry_reach(&view, (uintptr_t)mem, len);
}

void
jobs_begin(struct ferry_hub *hub)
{
	hub->reached.reach = hub_reach;
	hub->reached.arg = hub;
}

struct ferry_serve
jobs_of(struct ferry_hub *hub, struct hub_channel *c)
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

/*
 * Carry out the jobs in a channel's ring. The server word names the hub. If the
 * producer goes on posting, stop after as many jobs as there were.
 */
static void
jobs_finish(struct ferry_hub *hub, struct hub_channel *c)
{
	struct ferry_serve serve = jobs_of(hub, c);
	struct ferry_server server;
	struct ferry_copier copier;

	/* The server below has this channel alone. */
	serve.number = 0;

	if (ferry_copier_init(&copier, ferry_copy_cpu(), SOCKET_ID_ANY) != 0)
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

/* Carry out the jobs in the ring. The server word names the hub until then. */
static void
jobs_serve(struct ferry_hub *hub, struct hub_channel *c)
{
	jobs_finish(hub, c);
	/* O */
	__atomic_store_n(server_word(c), FERRY_SERVER_NONE, __ATOMIC_RELEASE);
}

void
jobs_left(struct ferry_hub *hub, struct hub_channel *c)
{
	uint32_t none = FERRY_SERVER_NONE;

	/* O */
	__atomic_store_n(server_word(c), FERRY_SERVER_NONE, __ATOMIC_RELEASE);
	/* A producer that posted before it could see that does not look
	 * again. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (jobs_any(c) && __atomic_compare_exchange_n(server_word(c), &none,
			SERVER_HUB, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		jobs_serve(hub, c);
}

void
jobs_orphaned(struct ferry_hub *hub, struct hub_channel *c)
{
	/* The dead producer may have left any value there: the hub sets the
	 * word. */
	__atomic_store_n(server_word(c), jobs_any(c) ? SERVER_HUB :
			FERRY_SERVER_NONE, __ATOMIC_RELAXED);
	if (jobs_any(c))
		jobs_serve(hub, c);
}

void
jobs_unserved(struct hub_channel *c)
{
	uint32_t was = __atomic_load_n(server_word(c), __ATOMIC_RELAXED);

	/* There is no engine, so another process has written that there is one.
	 * From now on the producer carries out its jobs itself. */
	if (was >= FERRY_SERVER_ENGINE)
		__atomic_compare_exchange_n(server_word(c), &was,
				FERRY_SERVER_NONE, false, __ATOMIC_RELEASE,
				__ATOMIC_RELAXED);
}
