/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_service.h>
#include <rte_service_component.h>

#include "ferry_wait.h"
#include "hub_engine.h"

/* Predicted waits from here on are slept through: what a sleep costs. */
#define NAP_MIN_NS 30000
/*
 * How long an engine that shares its CPU spins for the next job: a few times
 * what being woken costs.
 */
#define LINGER_NS 100000
/* How late a running engine's sleeps may end. */
#define SLACK_NS 1000
/*
 * With so many jobs in flight the devices are busy for a while: then completions
 * are left to gather for as long as two wake-ups cost.
 */
#define GATHER_JOBS 8
#define GATHER_NS 50000
/* So much of a predicted wait is left for the prediction to be wrong by. */
#define NAP_PART 0.75

/* How often, and how far apart, a producer is asked for its channel: 100 ms. */
#define GIVE_TRIES 1000
#define GIVE_NAP_US 100

/* The hub itself as a channel's server: no board has this number. */
#define SERVER_HUB (FERRY_SERVER_ENGINE + FERRY_ENGINES_MAX)

/* Who runs an engine. */
enum runner {
	/* The application, or nobody. */
	RUNNER_NONE,
	RUNNER_LCORE,
	RUNNER_SERVICE,
};

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

static void
engine_lock(struct ferry_engine *e)
{
	__atomic_fetch_add(&e->wanted, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&e->lock);
	__atomic_fetch_sub(&e->wanted, 1, __ATOMIC_RELAXED);
}

static void
engine_unlock(struct ferry_engine *e)
{
	pthread_mutex_unlock(&e->lock);
}

static uint32_t *
server_word(struct hub_channel *c)
{
	return &c->shared->service.server;
}

/* The engine with the fewest channels, but not this one; or NULL. */
static struct ferry_engine *
engine_best(struct ferry_hub *hub, const struct ferry_engine *not_this)
{
	struct ferry_engine *best = NULL;
	uint32_t i;

	for (i = 0; i < FERRY_ENGINES_MAX; i++) {
		struct ferry_engine *e = hub->engines[i];

		if (e != NULL && e != not_this && (best == NULL ||
				e->server.n_channels < best->server.n_channels))
			best = e;
	}
	return best;
}

/* Begin to serve a channel; the word says already that this engine does. */
static int
serve_begin(struct ferry_engine *e, struct hub_channel *c)
{
	const struct ferry_serve serve = {
		.shared = c->shared,
		.config = c->config,
		.number = (uint32_t)(c - e->hub->channels),
		.local = c->tx_local,
		.bells = e->hub->registry->bells,
		.n_bells = e->hub->max_endpoints,
	};
	int ret;

	engine_lock(e);
	ret = ferry_server_add(&e->server, &serve);
	engine_unlock(e);
	if (ret != 0)
		return ret;
	c->engine = e;
	/* Its thread may be asleep, or have seen no channel so far. */
	ferry_board_post(e->board, serve.number);
	return 0;
}

/* Take a channel away from the engine it has. */
static void
serve_end(struct hub_channel *c, bool all)
{
	struct ferry_engine *e = c->engine;
	const uint32_t number = (uint32_t)(c - e->hub->channels);

	engine_lock(e);
	if (!all)
		ferry_server_hold(&e->server, number);
	while (ferry_server_pending(&e->server, number, all))
		if (ferry_server_poll(&e->server) == 0)
			sched_yield();
	if (ferry_server_remove(&e->server, number) == -EFAULT)
		c->unsafe = true;
	engine_unlock(e);
	c->engine = NULL;
	/* The turns made here may have taken other channels' bits, and given
	 * jobs to the copier, while the engine goes to sleep. A bit stays where
	 * it looks last. */
	ferry_board_post(e->board, number);
}

void
engine_finish(struct hub_channel *c)
{
	struct ferry_engine *e = c->engine;
	const uint32_t number = e == NULL ? 0 :
		(uint32_t)(c - e->hub->channels);

	if (e == NULL)
		return;
	engine_lock(e);
	while (ferry_server_pending(&e->server, number, true))
		if (ferry_server_poll(&e->server) == 0)
			sched_yield();
	engine_unlock(e);
	/* As in serve_end(). */
	ferry_board_post(e->board, number);
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
	struct ferry_engine *e = engine_best(hub, NULL);

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
	const struct ferry_serve serve = {
		.shared = c->shared,
		.config = c->config,
		.local = c->tx_local,
		.bells = hub->registry->bells,
		.n_bells = hub->max_endpoints,
	};
	struct ferry_server server;
	struct ferry_copier copier;

	if (ferry_copier_init(&copier, SOCKET_ID_ANY) != 0)
		return;
	if (ferry_server_init(&server, &copier, NULL, 1) == 0) {
		if (ferry_server_add(&server, &serve) == 0) {
			while (ferry_server_pending(&server, 0, true) &&
					server.stats.msgs < c->config.n_slots)
				ferry_server_poll(&server);
			ferry_server_hold(&server, 0);
			while (ferry_server_pending(&server, 0, false))
				ferry_server_poll(&server);
			ferry_server_remove(&server, 0);
		}
		ferry_server_fini(&server);
	}
	ferry_copier_fini(&copier);
}

static bool
jobs_any(const struct hub_channel *c)
{
	const struct rte_ring *jobs = ferry_channel_jobs(c->shared);

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

uint32_t
engine_close_wait_ms(const struct ferry_engine *e)
{
	return e->close_wait_ms;
}

void
engines_each(struct ferry_hub *hub, const char *name,
		void (*fn)(struct ferry_engine *e, void *arg), void *arg)
{
	uint32_t i;

	pthread_mutex_lock(&hub->lock);
	for (i = 0; i < FERRY_ENGINES_MAX; i++) {
		struct ferry_engine *e = hub->engines[i];

		if (e != NULL && (name == NULL || strcmp(e->name, name) == 0))
			fn(e, arg);
	}
	pthread_mutex_unlock(&hub->lock);
}

void
engines_shout(struct ferry_hub *hub)
{
	uint32_t i;

	for (i = 0; i < FERRY_ENGINES_MAX; i++)
		if (hub->engines[i] != NULL)
			ferry_bell_shout(&hub->engines[i]->board->bell);
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
	int ret = -ENOENT;
	uint32_t i;

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

/* All channels that have no engine, or this one, to the best other one. */
static void
engines_share(struct ferry_hub *hub, struct ferry_engine *from,
		struct ferry_engine *not_to)
{
	uint32_t i;

	for (i = 0; i < hub->max_channels; i++) {
		struct hub_channel *c = &hub->channels[i];

		if (c->used && c->engine == from &&
				c->ends[HUB_TX].state == FERRY_END_OPEN) {
			struct ferry_engine *to = engine_best(hub, not_to);

			if (from != NULL || to != NULL)
				engine_move(hub, c, to);
		} else if (c->used && from != NULL && c->engine == from) {
			engine_leave(hub, c, false);
		}
	}
}

static void
engine_free(struct ferry_engine *e)
{
	ferry_server_fini(&e->server);
	ferry_copier_fini(&e->copier);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

int
ferry_engine_create(struct ferry_engine **out, struct ferry_hub *hub,
		const struct ferry_engine_config *config)
{
	static const struct ferry_engine_config defaults = { .socket = -1 };
	struct ferry_engine *e;
	uint32_t i;
	int ret;

	if (config == NULL)
		config = &defaults;
	if (out == NULL || hub == NULL || (config->name != NULL &&
			ferry_name_check(config->name) != 0))
		return -EINVAL;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	e->hub = hub;
	e->close_wait_ms = config->close_wait_ms;
	pthread_mutex_init(&e->lock, NULL);
	ferry_wait_init(&e->wait, FERRY_WAIT_SLEEP);
	ret = ferry_copier_init(&e->copier, config->socket);
	if (ret != 0) {
		engine_free(e);
		return ret;
	}
	pthread_mutex_lock(&hub->lock);
	for (i = 0; i < FERRY_ENGINES_MAX && hub->engines[i] != NULL; i++)
		;
	if (i == FERRY_ENGINES_MAX || hub->closing) {
		ret = hub->closing ? -ESHUTDOWN : -ENOSPC;
	} else {
		e->index = i;
		e->board = hub_board(hub, i);
		ret = ferry_server_init(&e->server, &e->copier, e->board,
				hub->max_channels);
	}
	if (ret == 0) {
		if (config->name != NULL)
			strcpy(e->name, config->name);
		else
			snprintf(e->name, sizeof(e->name), "engine%u", i);
		hub->engines[i] = e;
		engines_share(hub, NULL, NULL);
	}
	pthread_mutex_unlock(&hub->lock);
	if (ret != 0)
		engine_free(e);
	else
		*out = e;
	return ret;
}

static void
runner_end(struct ferry_engine *e)
{
	ferry_engine_stop(e);
	if (e->runner == RUNNER_LCORE) {
		rte_eal_wait_lcore(e->lcore);
	} else if (e->runner == RUNNER_SERVICE) {
		rte_service_component_runstate_set(e->service, 0);
		rte_service_runstate_set(e->service, 0);
		while (rte_service_may_be_active(e->service) == 1)
			sched_yield();
		rte_service_component_unregister(e->service);
	}
	e->runner = RUNNER_NONE;
}

void
ferry_engine_destroy(struct ferry_engine *e)
{
	struct ferry_hub *hub;

	if (e == NULL)
		return;
	hub = e->hub;
	runner_end(e);
	pthread_mutex_lock(&hub->lock);
	hub->engines[e->index] = NULL;
	engines_share(hub, e, e);
	pthread_mutex_unlock(&hub->lock);
	engine_free(e);
}

int
ferry_engine_add_lane(struct ferry_engine *e, struct ferry_lane *lane)
{
	int ret;

	engine_lock(e);
	ret = ferry_copier_add(&e->copier, lane);
	engine_unlock(e);
	return ret;
}

/* What was found, as numbers of the scheduler. */
static void
calib_use(struct ferry_copier *copier, const struct ferry_calib *calib)
{
	struct ferry_sched_policy *policy = &copier->tune.policy;
	double cheapest = 0;
	unsigned int i;

	for (i = 0; i < calib->nb_lanes; i++) {
		const struct ferry_calib_lane *lane = &calib->lanes[i];
		const struct ferry_calib_even *even =
			&lane->even[FERRY_HEAT_COLD];

		if (lane->batch_ns > 0 && lane->state == FERRY_CALIB_OK &&
				(cheapest == 0 || lane->batch_ns < cheapest))
			cheapest = lane->batch_ns;
		/* What is computed, the scheduler computes itself, from models
		 * that it keeps current. */
		if (lane->even_source[FERRY_HEAT_COLD] < FERRY_CALIB_LOADED)
			continue;
		policy->offload_min[FERRY_MODE_LATENCY] = even->sync;
		policy->offload_min[FERRY_MODE_THROUGHPUT] = even->batch;
		policy->offload_min[FERRY_MODE_EFFICIENCY] = even->batch;
	}
	if (cheapest > 0)
		policy->submit_ns = cheapest;
}

/*
 * Memory to measure with: of the hub, since EAL's heap would have to grow, for
 * which every secondary is asked, also one that is about to attach.
 */
static void *
calib_memory(struct ferry_hub *hub, size_t *len)
{
	void *mem = NULL;

	pthread_mutex_lock(&hub->lock);
	for (*len = FERRY_CALIB_MEM; *len >= FERRY_CALIB_MEM_MIN &&
			mem == NULL; *len /= 2)
		mem = hub_arena_alloc(&hub->arena, *len);
	*len *= 2;
	pthread_mutex_unlock(&hub->lock);
	return mem;
}

static int
calibrate(struct ferry_engine *e, const struct ferry_calib_options *options,
		struct ferry_calib *calib, void **mem)
{
	struct ferry_lane *lanes[FERRY_COPIER_MAX_LANES];
	unsigned int numbers[FERRY_COPIER_MAX_LANES];
	unsigned int i, n = 0;
	int ret;

	if (ferry_copier_inflight(&e->copier) > 0)
		return -EBUSY;
	for (i = 0; i < e->copier.nb_lanes; i++) {
		if (e->copier.lanes[i].lane == NULL)
			continue;
		numbers[n] = i;
		lanes[n++] = e->copier.lanes[i].lane;
	}
	ret = ferry_calibrate(lanes, n, options, calib);
	/* Also if it could not load or save: what it lists, it measured. */
	for (i = 0; i < RTE_MIN(n, calib->nb_lanes); i++) {
		if (calib->lanes[i].state != FERRY_CALIB_HUNG)
			continue;
		/* Memory that the device may write for ever is not freed. */
		if (ferry_copier_drop(&e->copier, numbers[i]) == 0)
			rte_free(calib->lanes[i].held);
		else
			*mem = NULL;
		calib->lanes[i].held = NULL;
	}
	calib_use(&e->copier, calib);
	return ret;
}

int
ferry_engine_calibrate(struct ferry_engine *e,
		const struct ferry_calib_options *options,
		struct ferry_calib *calib)
{
	struct ferry_calib *found = calloc(1, sizeof(*found));
	struct ferry_calib_options all = { .socket = SOCKET_ID_ANY };
	void *mem = NULL;
	size_t len = 0;
	int ret;

	if (found == NULL)
		return -ENOMEM;
	if (options != NULL)
		all = *options;
	if (all.mem == NULL) {
		mem = calib_memory(e->hub, &len);
		all.mem = mem;
		all.mem_len = len;
	}
	engine_lock(e);
	ret = calibrate(e, &all, found, &mem);
	engine_unlock(e);
	pthread_mutex_lock(&e->hub->lock);
	if (mem != NULL)
		hub_arena_free(&e->hub->arena, mem, len);
	pthread_mutex_unlock(&e->hub->lock);
	if (calib != NULL)
		*calib = *found;
	free(found);
	return ret;
}

int
ferry_engine_tune(struct ferry_engine *e, const struct ferry_copier_tune *tune)
{
	/* Also false for what is not a number. */
	if (e == NULL || tune == NULL || !(tune->hang_factor >= 0) ||
			!(tune->hang_grace_ns >= 0))
		return -EINVAL;
	engine_lock(e);
	e->copier.tune = *tune;
	engine_unlock(e);
	return 0;
}

static enum ferry_wait_policy
engine_policy(const struct ferry_engine *e)
{
	if (e->server.used[FERRY_MODE_LATENCY] > 0)
		return FERRY_WAIT_SPIN;
	if (e->server.used[FERRY_MODE_THROUGHPUT] > 0)
		return FERRY_WAIT_YIELD;
	return FERRY_WAIT_SLEEP;
}

unsigned int
ferry_engine_poll(struct ferry_engine *e)
{
	unsigned int work;

	while (unlikely(__atomic_load_n(&e->wanted, __ATOMIC_RELAXED) != 0))
		sched_yield();
	pthread_mutex_lock(&e->lock);
	work = ferry_server_poll(&e->server);
	if (work == 0) {
		e->policy = engine_policy(e);
		e->busy = ferry_server_busy(&e->server);
		e->next_ns = ferry_copier_next_ns(&e->copier);
		e->inflight = ferry_copier_inflight(&e->copier);
	}
	pthread_mutex_unlock(&e->lock);
	return work;
}

static bool
engine_wake(void *arg)
{
	const struct ferry_engine *e = arg;

	return ferry_board_any(e->board) ||
		__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE) != 0;
}

/*
 * As the modes ask for; but to spin for long on a CPU that others want, such as
 * the very receiver, would make everything slower.
 */
static enum ferry_wait_policy
idle_policy(const struct ferry_engine *e)
{
	const uint64_t linger = rte_get_tsc_hz() / (NS_PER_S / LINGER_NS);

	if (!e->exclusive && rte_rdtsc() - e->worked > linger)
		return FERRY_WAIT_SLEEP;
	return e->policy;
}

void
ferry_engine_idle(struct ferry_engine *e)
{
	const enum ferry_wait_policy policy = idle_policy(e);

	if (policy != e->wait.policy)
		ferry_wait_set_policy(&e->wait, policy);
	if (policy != FERRY_WAIT_SLEEP) {
		ferry_wait_idle(&e->wait, NULL, NULL, NULL, FERRY_WAIT_FOREVER);
		return;
	}
	if (e->next_ns == UINT64_MAX && !e->busy) {
		if (e->wait.round >= e->wait.spin)
			__atomic_store_n(&e->sleeps, e->sleeps + 1,
					__ATOMIC_RELAXED);
		ferry_wait_idle(&e->wait, &e->board->bell, engine_wake, e,
				FERRY_WAIT_FOREVER);
		return;
	}
	/* Channels about to come to rest, or copies about to end: look again
	 * soon, but let others have the CPU. A long wait is slept through. */
	if (e->next_ns == UINT64_MAX || e->next_ns == 0)
		rte_pause();
	else if (e->inflight >= GATHER_JOBS)
		ferry_bell_sleep(&e->board->bell, engine_wake, e,
				RTE_MAX(e->next_ns, (uint64_t)GATHER_NS));
	else if (e->next_ns < NAP_MIN_NS)
		sched_yield();
	else
		ferry_bell_sleep(&e->board->bell, engine_wake, e,
				(uint64_t)((double)e->next_ns * NAP_PART));
}

/* Whether the calling thread is an lcore with a CPU that no other lcore has. */
static bool
is_exclusive(void)
{
	const unsigned int self = rte_lcore_id();
	rte_cpuset_t mine, other;
	unsigned int lcore;

	if (self == LCORE_ID_ANY)
		return false;
	mine = rte_lcore_cpuset(self);
	if (CPU_COUNT(&mine) != 1)
		return false;
	RTE_LCORE_FOREACH(lcore) {
		rte_cpuset_t both;

		other = rte_lcore_cpuset(lcore);
		CPU_AND(&both, &mine, &other);
		if (lcore != self && CPU_COUNT(&both) > 0)
			return false;
	}
	return true;
}

int
ferry_engine_run(void *engine)
{
	struct ferry_engine *e = engine;
	const int slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);

	/* Naps end in time: the kernel may else be late by 50 us. */
	prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0);
	e->exclusive = is_exclusive();
	while (__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE) == 0) {
		if (ferry_engine_poll(e) != 0) {
			ferry_wait_reset(&e->wait);
			e->worked = rte_rdtsc();
		} else {
			ferry_engine_idle(e);
		}
	}
	__atomic_store_n(&e->stop, 0, __ATOMIC_RELAXED);
	if (slack > 0)
		prctl(PR_SET_TIMERSLACK, slack, 0, 0, 0);
	return 0;
}

void
ferry_engine_stop(struct ferry_engine *e)
{
	__atomic_store_n(&e->stop, 1, __ATOMIC_RELEASE);
	ferry_bell_shout(&e->board->bell);
}

int
ferry_engine_launch(struct ferry_engine *e, unsigned int lcore)
{
	int ret;

	if (e->runner != RUNNER_NONE)
		return -EBUSY;
	if (!rte_lcore_is_enabled(lcore) || lcore == rte_get_main_lcore())
		return -EINVAL;
	__atomic_store_n(&e->stop, 0, __ATOMIC_RELAXED);
	ret = rte_eal_remote_launch(ferry_engine_run, e, lcore);
	if (ret == 0) {
		e->runner = RUNNER_LCORE;
		e->lcore = lcore;
	}
	return ret;
}

static int32_t
service_turn(void *arg)
{
	/* What -EAGAIN tells a service core: it had nothing to do. */
	return ferry_engine_poll(arg) != 0 ? 0 : -EAGAIN;
}

int
ferry_engine_service(struct ferry_engine *e, uint32_t *id)
{
	struct rte_service_spec spec = {
		.callback = service_turn,
		.callback_userdata = e,
		.socket_id = SOCKET_ID_ANY,
	};
	int ret;

	if (e->runner != RUNNER_NONE)
		return -EBUSY;
	/* EAL's names are shorter than ferry's. */
	snprintf(spec.name, sizeof(spec.name), "ferry-%.*s",
		(int)sizeof(spec.name) - 7, e->name);
	ret = rte_service_component_register(&spec, &e->service);
	if (ret != 0)
		return ret;
	rte_service_component_runstate_set(e->service, 1);
	rte_service_runstate_set(e->service, 1);
	e->runner = RUNNER_SERVICE;
	if (id != NULL)
		*id = e->service;
	return 0;
}

void
ferry_engine_info(struct ferry_engine *e, struct ferry_engine_info *info)
{
	memset(info, 0, sizeof(*info));
	strcpy(info->name, e->name);
	engine_lock(e);
	info->channels = e->server.n_channels;
	info->active = e->server.n_active;
	info->lanes = e->copier.nb_lanes;
	info->msgs = e->server.stats.msgs;
	info->bytes = e->server.stats.bytes;
	info->turns = e->server.stats.turns;
	info->busy = e->server.stats.busy;
	info->sleeps = __atomic_load_n(&e->sleeps, __ATOMIC_RELAXED);
	info->bad = e->server.stats.bad;
	info->unsafe = e->server.stats.unsafe;
	engine_unlock(e);
}

int
ferry_engine_lane(struct ferry_engine *e, unsigned int i,
		struct ferry_lane_info *info, struct ferry_lane_stats *stats)
{
	const struct ferry_lane *lane;

	engine_lock(e);
	lane = ferry_copier_lane(&e->copier, i);
	if (lane != NULL && info != NULL)
		*info = *ferry_lane_info(lane);
	if (lane != NULL && stats != NULL)
		ferry_lane_stats(lane, stats);
	engine_unlock(e);
	return lane != NULL ? 0 : -ENOENT;
}

const struct ferry_copier *
ferry_engine_copier(const struct ferry_engine *e)
{
	return &e->copier;
}
