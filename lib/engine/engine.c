/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ferry_errno.h"
#include "ferry_process.h"
#include "engine_private.h"

void
engines_each(struct ferry_hub *hub, const char *name,
		void (*fn)(struct ferry_engine *e, void *arg), void *arg)
{
	uint32_t i;

	pthread_mutex_lock(&hub->lock);
	for (i = 0; i < FERRY_ENGINES_MAX && hub->engines != NULL; i++) {
		struct ferry_engine *e = hub->engines->engine[i];

		if (e != NULL && (name == NULL || strcmp(e->name, name) == 0))
			fn(e, arg);
	}
	pthread_mutex_unlock(&hub->lock);
}

void
engines_shout(struct hub_listener *l)
{
	const struct hub_engines *all = engines_of(l);
	uint32_t i;

	for (i = 0; i < FERRY_ENGINES_MAX; i++)
		if (all->engine[i] != NULL)
			ferry_bell_shout(&all->engine[i]->board->bell);
}

/* Enter an engine into the hub's list, and share the channels. The hub's lock
 * is held. */
static int
engine_enter(struct ferry_engine *e, const struct ferry_engine_config *config)
{
	struct ferry_hub *hub = e->hub;
	struct hub_engines *all = hub->engines;
	uint32_t i = 0;
	int ret;

	if (hub->closing)
		return -ESHUTDOWN;
	while (all != NULL && i < FERRY_ENGINES_MAX && all->engine[i] != NULL)
		i++;
	if (i == FERRY_ENGINES_MAX)
		return -ENOSPC;
	e->index = i;
	e->board = hub_board(hub, i);
	engine_tell_devices(e);
	__atomic_store_n(&e->board->worker, config->worker, __ATOMIC_RELAXED);
	ret = ferry_server_init(&e->server, &e->copier, e->board,
			hub->max_channels);
	if (ret != 0)
		return ret;
	if (all == NULL) {
		all = calloc(1, sizeof(*all));
		if (all == NULL)
			return -ENOMEM;
		all->hub = hub;
		hub->engines = all;
		engines_listen(all);
	}
	if (config->name != NULL)
		strcpy(e->name, config->name);
	else
		snprintf(e->name, sizeof(e->name), "engine%u", i);
	all->engine[i] = e;
	all->n++;
	engines_share(all, NULL);
	return 0;
}

/* Remove an engine from the list, and give its channels to others. The hub's
 * lock is held. */
static void
engine_part(struct ferry_engine *e)
{
	struct hub_engines *all = e->hub->engines;

	all->engine[e->index] = NULL;
	engines_share(all, e);
	if (--all->n > 0)
		return;
	SLIST_REMOVE(&e->hub->listeners, &all->listener, hub_listener, next);
	e->hub->engines = NULL;
	free(all);
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
	int ret;

	if (config == NULL)
		config = &defaults;
	if (out == NULL || hub == NULL || (config->name != NULL &&
			ferry_name_check(config->name) != 0))
		return -EINVAL;
	ret = ferry_process_check(hub->process);
	if (ret != 0)
		return ret;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	e->hub = hub;
	e->close_wait_ms = config->close_wait_ms;
	pthread_mutex_init(&e->lock, NULL);
	ferry_wait_init(&e->wait, FERRY_WAIT_SLEEP);
	ret = ferry_copier_init(&e->copier, ferry_copy_cpu(), config->socket);
	if (ret != 0) {
		engine_free(e);
		return ret;
	}
	pthread_mutex_lock(&hub->lock);
	ret = engine_enter(e, config);
	pthread_mutex_unlock(&hub->lock);
	if (ret != 0)
		engine_free(e);
	else
		*out = e;
	return ret;
}

void
ferry_engine_destroy(struct ferry_engine *e)
{
	struct ferry_hub *hub;

	if (e == NULL)
		return;
	hub = e->hub;
	engine_runner_end(e);
	pthread_mutex_lock(&hub->lock);
	engine_part(e);
	pthread_mutex_unlock(&hub->lock);
	engine_free(e);
}

int
ferry_engine_add_lane(struct ferry_engine *e, struct ferry_lane *lane)
{
	int ret;

	engine_lock(e);
	ret = ferry_copier_add(&e->copier, lane);
	engine_tell_devices(e);
	engine_unlock(e);
	return ret;
}

/* Make a lane of a device that has no user. */
static int
device_add(struct ferry_engine *e, const struct ferry_copy_driver *driver,
		int device)
{
	struct ferry_lane *lane;
	int ret = ferry_device_open(&lane, driver, device, e->close_wait_ms);

	if (ret != 0)
		return ret;
	ret = ferry_engine_add_lane(e, lane);
	if (ret != 0)
		ferry_lane_close(lane);
	return ret;
}

int
ferry_engine_add_devices(struct ferry_engine *e,
		const struct ferry_copy_driver *driver, const char *names)
{
	int device = -1, ret, last = -ENODEV, added = 0;
	char name[64];

	while ((device = ferry_device_next(driver, device, names, name,
			sizeof(name))) >= 0) {
		ret = device_add(e, driver, device);
		if (ret == 0) {
			added++;
			continue;
		}
		last = ret;
		if (ret != -EBUSY)
			HUB_LOG(ERR, "device %s cannot be used: %s", name,
				strerror(-ret));
	}
	return added > 0 ? added : last;
}

int
ferry_engine_tune(struct ferry_engine *e, const struct ferry_copier_tune *tune)
{
	/* The comparisons are also false for a value that is not a number. */
	if (e == NULL || tune == NULL || !(tune->hang_factor >= 0) ||
			!(tune->hang_grace_ns >= 0))
		return -EINVAL;
	engine_lock(e);
	e->copier.tune = *tune;
	engine_unlock(e);
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
	info->bulk_bytes = e->server.stats.bulk_bytes;
	info->turns = e->server.stats.turns;
	info->busy = e->server.stats.busy;
	info->sleeps = __atomic_load_n(&e->sleeps, __ATOMIC_RELAXED);
	info->bad = e->server.stats.bad;
	info->unsafe = e->server.stats.unsafe;
	engine_unlock(e);
}

int
ferry_engine_lane(struct ferry_engine *e, unsigned int i,
		struct ferry_engine_lane *out)
{
	const struct ferry_lane *lane;

	engine_lock(e);
	lane = ferry_copier_lane(&e->copier, i);
	if (lane != NULL) {
		out->info = *ferry_lane_info(lane);
		ferry_lane_stats(lane, &out->stats);
		out->model = ferry_lane_cost(lane, FERRY_PLACE_AUTO,
			FERRY_HEAT_COLD);
		out->health = e->copier.lanes[i].health.state;
	}
	engine_unlock(e);
	return lane != NULL ? 0 : -ENOENT;
}

const struct ferry_copier *
ferry_engine_copier(const struct ferry_engine *e)
{
	return &e->copier;
}
