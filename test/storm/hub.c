/* SPDX-License-Identifier: BSD-3-Clause */

/* The hub of a storm: two engines, each with a work queue of a soft DSA, and a
 * worker of its own in a thread. */

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_dmadev.h>
#include <rte_log.h>

#include "ferry_copier.h"
#include "ferry_errno.h"
#include "ferry_test.h"
#include "hub_orders.h"
#include "soft_rig.h"
#include "step.h"
#include "storm.h"
#include "storm_eal.h"

/* How often one of the engines sleeps, and for how long at most. */
#define ENGINE_SLEEP_EVERY_MS 4
#define ENGINE_SLEEP_NS UINT32_C(1000000)

/* Queue i is engine i's. */
static const char *const devices[HUB_ENGINES] = { "wq0.0", "wq0.1" };

static struct ferry_hub *hub;
static pthread_t local;
static bool local_runs;
static struct ferry_engine *engines[HUB_ENGINES];
static pthread_t runners[HUB_ENGINES];
static uint32_t asked_to_end;

static void
on_end(int signal)
{
	(void)signal;
	__atomic_store_n(&asked_to_end, 1, __ATOMIC_RELAXED);
}

static void *
engine_main(void *engine)
{
	ferry_engine_run(engine);
	return NULL;
}

static int
engine_start(unsigned int i)
{
	const struct ferry_engine_config config = {
		.socket = -1, .close_wait_ms = 200,
	};
	struct ferry_copier_tune tune;
	struct ferry_engine *e;
	int ret;

	ret = ferry_engine_create(&e, hub, &config);
	if (ret != 0)
		return ret;
	ret = ferry_engine_add_devices(e,
		ferry_copy_dmadev(), devices[i]);
	if (ret < 0)
		fprintf(stderr, "storm: no lane for engine %u: %s\n", i,
			ferry_strerror(ret));
	ferry_copier_tune(ferry_engine_copier(e), &tune);
	tune.hang_factor = 10;
	tune.hang_grace_ns = 20e6;
	ret = ferry_engine_tune(e, &tune);
	if (ret == 0)
		ret = -pthread_create(&runners[i], NULL, engine_main, e);
	if (ret == 0)
		engines[i] = e;
	else
		ferry_engine_destroy(e);
	return ret;
}

static void
engine_stop(unsigned int i)
{
	if (engines[i] == NULL)
		return;
	ferry_engine_stop(engines[i]);
	pthread_join(runners[i], NULL);
	ferry_engine_destroy(engines[i]);
	engines[i] = NULL;
}

static int
engine_rebuild(unsigned int i)
{
	engine_stop(i);
	rig_set(i == 0 ? "wq=0,faults=off" : "wq=1,faults=off");
	rig_bind(i, false);
	rig_bind(i, true);
	storm_count(STORM_N_REBUILDS, 1);
	return engine_start(i);
}

/* Give an engine the device that it lost; it cannot have many lanes. */
static int
engine_repair(unsigned int i)
{
	if (engines[i] == NULL)
		return engine_start(i);
	if (ferry_engine_copier(engines[i])->nb_open > 1)
		return 0;
	if (ferry_engine_copier(engines[i])->nb_lanes >= FERRY_COPIER_MAX_LANES)
		return engine_rebuild(i);
	rig_set(i == 0 ? "wq=0,faults=off" : "wq=1,faults=off");
	rig_bind(i, true);
	/* One of the queues' threads may be busy with another one's. */
	if (ferry_engine_add_devices(engines[i],
		ferry_copy_dmadev(), devices[i]) == 1)
		storm_count(STORM_N_REPAIRS, 1);
	return 0;
}

static uint32_t
fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint32_t n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		closedir(dir);
	return n;
}

static void
look_at_engines(struct hub_told *told)
{
	struct ferry_engine_info info;
	struct ferry_engine_lane lane;
	unsigned int i, k;

	for (i = 0; i < HUB_ENGINES; i++) {
		const struct ferry_softdsa_stats soft = rig_stats_now(i);

		told->device_faults += soft.faults;
		told->device_bytes += soft.bytes;
		if (engines[i] == NULL)
			continue;
		ferry_engine_info(engines[i], &info);
		told->unsafe += info.unsafe;
		told->bad += info.bad;
		told->engine_msgs += info.msgs;
		told->engine_bulk_bytes += info.bulk_bytes;
		for (k = 1; ferry_engine_lane(engines[i], k, &lane) == 0; k++)
			told->device_errors += lane.stats.errors;
	}
}

static int
move(const struct hub_order *o)
{
	struct ferry_hub_channel list[HUB_CHANNELS];
	uint32_t i, n = ferry_hub_channels(hub, list, RTE_DIM(list));
	char name[8];
	int ret = -ENOENT;

	snprintf(name, sizeof(name), "r%u", o->which);
	/* The last one of that name: others are dying. */
	for (i = RTE_MIN(n, (uint32_t)RTE_DIM(list)); i-- > 0;) {
		if (strcmp(list[i].name, name) != 0)
			continue;
		ret = ferry_hub_move(hub, list[i].id, o->to < HUB_ENGINES ?
			engines[o->to] : NULL);
		break;
	}
	/* It may have ended by now. */
	storm_count(STORM_N_MOVES, ret == 0);
	return ret == -ENOENT ? 0 : ret;
}

static void
local_end(void)
{
	if (!local_runs)
		return;
	__atomic_store_n(&storm->workers[STORM_LOCAL].end, 1, __ATOMIC_RELEASE);
	pthread_join(local, NULL);
	local_runs = false;
}

static void
obey(const struct hub_order *o, struct hub_told *told)
{
	memset(told, 0, sizeof(*told));
	switch (o->op) {
	case HUB_ALONE:
		local_end();
		if (storm_spoils(STORM_SPOIL_LEAK))
			told->result = dup(0) < 0 ? -errno : 0;
		/* fall through */
	case HUB_LOOK:
		ferry_hub_info(hub, &told->info);
		told->n_channels = ferry_hub_channels(hub, told->channels,
			HUB_CHANNELS);
		told->fds = fds();
		look_at_engines(told);
		break;
	case HUB_FAULT:
		told->result = rig_set(o->text);
		storm_count(STORM_N_FAULTS, 1);
		break;
	case HUB_UNBIND:
		rig_bind(o->which, false);
		break;
	case HUB_REPAIR:
		told->result = engine_repair(o->which);
		break;
	case HUB_REBUILD:
		told->result = engine_rebuild(o->which);
		break;
	case HUB_MOVE:
		told->result = move(o);
		break;
	}
}

static int
hub_open(struct ferry_eal_args *args)
{
	const struct ferry_hub_config config = {
		.name = STORM_HUB, .memory = STORM_HUB_MEMORY, .socket = -1,
	};
	struct rig_plugin plugin;
	unsigned int i;
	int ret;

	rig_environment();
	rig_plugin_place(&plugin);
	ret = storm_eal_start(args, FERRY_EAL_HUB, plugin.path);
	if (ret != 0)
		return ret;
	rig_plugin_open(&plugin);
	/* It warns of a device that is stopped twice. */
	rte_log_set_level_pattern("lib.dmadev", RTE_LOG_CRIT);
	ret = ferry_hub_create(&hub, &config);
	for (i = 0; i < HUB_ENGINES && ret == 0; i++)
		ret = engine_start(i);
	return ret;
}

static void *
local_main(void *arg)
{
	storm_is(STORM_LOCAL, *(uint64_t *)arg);
	storm_work(STORM_LOCAL, *(uint64_t *)arg);
	return NULL;
}

/* An engine sleeps for a moment, wherever it is. */
static void
engine_sleep(uint64_t draw)
{
	const unsigned int i = draw % HUB_ENGINES;

	if (engines[i] != NULL)
		step_sleep_thread(runners[i], (uint32_t)(draw >> 32) %
			ENGINE_SLEEP_NS);
}

/* Orders, until the conductor is gone or has had enough. */
static void
serve(int fd, uint64_t rng)
{
	struct hub_order order;
	struct hub_told told;
	int ret;

	while (__atomic_load_n(&asked_to_end, __ATOMIC_RELAXED) == 0) {
		ret = ferry_proc_read(fd, &order, sizeof(order),
			ENGINE_SLEEP_EVERY_MS);
		if (ret == -EPIPE)
			break;
		if (ret != 0) {
			engine_sleep(ferry_test_random(&rng));
			continue;
		}
		obey(&order, &told);
		ferry_proc_write(fd, &told, sizeof(told));
	}
}

int
storm_hub_main(int fd, void *arg)
{
	static struct ferry_eal_args args;
	uint64_t seed = *(uint64_t *)arg;
	struct hub_told told = { 0 };
	unsigned int i;

	/* Ctrl-C is for the conductor. */
	setpgid(0, 0);
	storm_on_end(on_end);
	step_init();
	told.result = hub_open(&args);
	told.fds = fds();
	if (told.result == 0) {
		ferry_hub_info(hub, &told.info);
		told.result = -pthread_create(&local, NULL, local_main, &seed);
		local_runs = told.result == 0;
	}
	ferry_proc_write(fd, &told, sizeof(told));
	if (told.result != 0)
		return 1;
	serve(fd, seed);
	local_end();
	rig_set("faults=off");
	for (i = 0; i < HUB_ENGINES; i++)
		engine_stop(i);
	if (ferry_hub_destroy(hub) != 0)
		storm_complain(STORM_LEAKED, "endpoints are attached still");
	ferry_eal_cleanup(&args, FERRY_EAL_HUB);
	return 0;
}
