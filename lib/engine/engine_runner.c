/* SPDX-License-Identifier: BSD-3-Clause */

/* Turns of an engine, its waits between them, and the threads that make
 * them. */

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_service.h>
#include <rte_service_component.h>

#include "engine_private.h"

/* An engine sleeps through predicted waits of at least this: what a sleep
 * costs. */
#define NAP_MIN_NS 30000
/*
 * How long an engine that shares its CPU spins for the next job: a few times
 * what a wake-up costs.
 */
#define LINGER_NS 100000
/* How late a running engine's sleeps may end. */
#define SLACK_NS 1000
/*
 * With so many jobs in flight the devices are busy for a while. The engine then
 * lets completions gather for as long as two wake-ups cost.
 */
#define GATHER_JOBS 8
#define GATHER_NS 50000
/* The engine sleeps for this part of a predicted wait, because the prediction
 * may be wrong. */
#define NAP_PART 0.75

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

	/* A control call makes the engine's turns now, or wants to measure. */
	if (unlikely(__atomic_load_n(&e->wanted, __ATOMIC_RELAXED) != 0 ||
			pthread_mutex_trylock(&e->lock) != 0))
		return 0;
	work = ferry_server_poll(&e->server);
	engine_tell_devices(e);
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

	return ferry_board_any(e->board, e->server.room) ||
		__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE) != 0;
}

/*
 * Wait as the channels' modes ask for. But to spin for long on a CPU that other
 * threads need, such as the receiver itself, would make everything slower.
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
	/* Some channels are about to come to rest, or some copies about to end.
	 * Look again soon, but let other threads have the CPU. Sleep through a
	 * long wait. */
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

	/* Have naps end in time: with the default slack the kernel may be late
	 * by 50 us. */
	prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0);
	e->exclusive = is_exclusive();
	while (__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE) == 0) {
		if (ferry_engine_poll(e) != 0) {
			ferry_wait_reset(&e->wait);
			e->worked = rte_rdtsc();
		} else if (__atomic_load_n(&e->wanted, __ATOMIC_RELAXED) != 0) {
			/* Wait until the thread that wants the engine is done
			 * with it. */
			sched_yield();
			pthread_mutex_lock(&e->lock);
			pthread_mutex_unlock(&e->lock);
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
	/* -EAGAIN tells a service core that the engine had nothing to do. */
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
engine_runner_end(struct ferry_engine *e)
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
