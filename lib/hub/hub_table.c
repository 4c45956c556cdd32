/* SPDX-License-Identifier: BSD-3-Clause */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "ferry_errno.h"
#include "hub_private.h"

int
ferry_name_check(const char *name)
{
	size_t i;

	if (name == NULL || name[0] == '\0')
		return -EINVAL;
	for (i = 0; name[i] != '\0'; i++) {
		if (i == FERRY_NAME_MAX - 1)
			return -ENAMETOOLONG;
		if (!isalnum((unsigned char)name[i]) &&
				strchr("._:-", name[i]) == NULL)
			return -EINVAL;
	}
	return 0;
}

static struct ferry_channel_end *
shared_end(struct hub_channel *c, enum hub_role role)
{
	return role == HUB_TX ? &c->shared->tx : &c->shared->rx;
}

/* Wake the endpoint that has the end, if there is one. The hub's private memory
 * says which. */
static void
end_shout(struct ferry_hub *hub, const struct hub_end *end)
{
	if (end->state == FERRY_END_OPEN)
		ferry_bell_shout(&hub->registry->bells[end->endpoint]);
}

static void
channel_drop(struct ferry_hub *hub, struct hub_channel *c)
{
	/* No end has the channel any more. A stray pointer shall find no
	 * channel. */
	__atomic_store_n(&c->shared->magic, 0, __ATOMIC_RELAXED);
	if (c->unsafe) {
		memory_unsafe(hub, c);
		HUB_LOG(ERR, "%s: %" PRIu64 " KiB of channel %s are never used "
			"again: a DMA device that cannot be stopped may write "
			"there", hub->name, c->size >> 10, c->name);
	} else {
		ferry_arena_free(&hub->arena, c->shared, c->size);
	}
	memset(c, 0, sizeof(*c));
}

/*
 * An end has ended, or is to be ABSENT again. The channel lives as long as the
 * other end is open.
 */
static void
end_ended(struct ferry_hub *hub, struct hub_channel *c, enum hub_role role,
		enum ferry_end_state to)
{
	c->ends[role].state = to;
	if (to == FERRY_END_ABSENT)
		c->ends[role].epoch = 0;
	if (c->ends[!role].state != FERRY_END_OPEN)
		channel_drop(hub, c);
}

/*
 * Set the state of an end, for the other end to see, unless the end has set it
 * itself. Pairs with the acquire in ferry_end_result().
 */
static void
end_say(struct hub_channel *c, enum hub_role role, enum ferry_end_state state)
{
	uint32_t *word = &shared_end(c, role)->state;
	uint32_t was = __atomic_load_n(word, __ATOMIC_RELAXED);

	while (was <= FERRY_END_OPEN && !__atomic_compare_exchange_n(word, &was,
			state, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static void
tell_ended(struct ferry_hub *hub, struct hub_channel *c, enum hub_role role,
		bool died)
{
	struct hub_listener *l;

	SLIST_FOREACH(l, &hub->listeners, next)
		l->ended(l, c, role, died);
}

/*
 * Have neither the hub nor an engine copy for an end any more. died: first
 * carry out what the dead producer posted, because the posts were accepted.
 */
static void
end_quit(struct ferry_hub *hub, struct hub_channel *c, enum hub_role role,
		bool died)
{
	memory_bulk_end(c, role, died ? FERRY_E_PEER_GONE : FERRY_E_CLOSED);
	tell_ended(hub, c, role, died);
	if (role == HUB_TX && died)
		jobs_orphaned(hub, c);
	memory_owe(hub, c, role);
}

/*
 * Give up an endpoint and what it has. died: the endpoint did not close its
 * ends, so the hub tells the endpoints at the other ends.
 */
static void
endpoint_remove(struct ferry_hub *hub, uint32_t endpoint, bool died)
{
	struct hub_endpoint *ep = &hub->endpoints[endpoint];
	uint32_t i;
	int role;

	for (i = 0; i < hub->max_channels; i++) {
		struct hub_channel *c = &hub->channels[i];

		for (role = HUB_TX; role <= HUB_RX && c->used; role++) {
			if (c->ends[role].state != FERRY_END_OPEN ||
					c->ends[role].endpoint != endpoint)
				continue;
			end_quit(hub, c, role, died);
			end_say(c, role, died ? FERRY_END_GONE :
				FERRY_END_CLOSED);
			end_shout(hub, &c->ends[!role]);
			end_ended(hub, c, role, FERRY_END_CLOSED);
		}
	}
	memory_endpoint_ended(hub, ep);
	memory_sweep(hub);
	if (ep->pidfd >= 0) {
		hub_monitor_forget(hub, ep->pidfd);
		close(ep->pidfd);
	}
	memset(ep, 0, sizeof(*ep));
	ep->pidfd = -1;
}

int
hub_allow(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		bool remote, int32_t pid)
{
	const struct hub_endpoint *ep;
	bool allowed = true;

	pthread_mutex_lock(&hub->lock);
	ep = endpoint_find(hub, endpoint, epoch);
	if (ep != NULL)
		allowed = ep->local != remote && ep->pid == pid;
	pthread_mutex_unlock(&hub->lock);
	return allowed ? 0 : -EPERM;
}

int
hub_attach(struct ferry_hub *hub, const char *name, int32_t pid, int pidfd,
		uint32_t *endpoint, uint32_t *epoch)
{
	struct hub_endpoint *ep = NULL;
	uint32_t i;
	int ret = ferry_name_check(name);

	if (ret != 0)
		return ret;
	pthread_mutex_lock(&hub->lock);
	for (i = 0; i < hub->max_endpoints && ep == NULL; i++)
		if (!hub->endpoints[i].used)
			ep = &hub->endpoints[i];
	if (hub->closing) {
		ret = FERRY_E_HUB_GONE;
	} else if (ep == NULL) {
		ret = -EUSERS;
	} else {
		*endpoint = (uint32_t)(ep - hub->endpoints);
		/* Never 0 nor UINT32_MAX, because the held tables use these
		 * values. */
		*epoch = hub->last_epoch =
			hub->last_epoch % (UINT32_MAX - 1) + 1;
		if (pidfd >= 0)
			ret = hub_monitor_watch(hub, pidfd, *endpoint, *epoch);
	}
	if (ret == 0) {
		ep->used = true;
		ep->local = pidfd < 0;
		ep->pid = pid;
		ep->pidfd = pidfd;
		ep->epoch = *epoch;
		strcpy(ep->name, name);
		/* The bell's last owner may have died while it used the
		 * bell. */
		ferry_bell_init(&hub->registry->bells[*endpoint]);
		HUB_LOG(DEBUG, "%s: %s (pid %d) attached", hub->name, name,
			pid);
	}
	pthread_mutex_unlock(&hub->lock);
	return ret;
}

int
hub_detach(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch)
{
	struct hub_endpoint *ep;

	pthread_mutex_lock(&hub->lock);
	ep = endpoint_find(hub, endpoint, epoch);
	if (ep != NULL) {
		HUB_LOG(DEBUG, "%s: %s (pid %d) detached", hub->name, ep->name,
			ep->pid);
		endpoint_remove(hub, endpoint, false);
	}
	pthread_mutex_unlock(&hub->lock);
	return ep != NULL ? 0 : -ENOENT;
}

void
hub_reap(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch)
{
	struct hub_listener *l;
	struct hub_endpoint *ep;

	pthread_mutex_lock(&hub->lock);
	ep = endpoint_find(hub, endpoint, epoch);
	if (ep != NULL) {
		HUB_LOG(NOTICE, "%s: %s (pid %d) died; its channels end",
			hub->name, ep->name, ep->pid);
		hub->deaths++;
		endpoint_remove(hub, endpoint, true);
		SLIST_FOREACH(l, &hub->listeners, next)
			l->died(l);
	}
	pthread_mutex_unlock(&hub->lock);
}

/*
 * The channel that an endpoint may join: it has that name, and its other end is
 * open or not yet opened. If the other end has ended, the channel is only being
 * emptied.
 */
static struct hub_channel *
channel_find(struct ferry_hub *hub, const char *name, enum hub_role role)
{
	uint32_t i;

	for (i = 0; i < hub->max_channels; i++) {
		struct hub_channel *c = &hub->channels[i];

		if (c->used && c->ends[!role].state != FERRY_END_CLOSED &&
				c->ends[role].state != FERRY_END_CLOSED &&
				strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

static int
channel_make(struct ferry_hub *hub, const char *name,
		const struct ferry_channel_config *config,
		struct hub_channel **out)
{
	uint64_t size = ferry_channel_memory(config), total, largest;
	struct hub_channel *c = NULL;
	struct ferry_channel_parts parts;
	uint32_t i;
	void *mem;
	int ret;

	if (size == 0)
		return -EINVAL;
	/* Rounded up as the arena does, so that listed and free memory add
	 * up. */
	size = RTE_ALIGN_CEIL(size, (uint64_t)FERRY_ARENA_GRAIN);
	for (i = 0; i < hub->max_channels && c == NULL; i++)
		if (!hub->channels[i].used)
			c = &hub->channels[i];
	if (c == NULL)
		return -ENFILE;
	mem = ferry_arena_alloc(&hub->arena, size);
	if (mem == NULL) {
		ferry_arena_space(&hub->arena, &total, &largest);
		HUB_LOG(ERR, "%s: channel %s needs %" PRIu64 " KiB in one piece"
			", the hub has %" PRIu64 " KiB (largest piece %" PRIu64
			"): give it more memory", hub->name, name, size >> 10,
			total >> 10, largest >> 10);
		return FERRY_E_NO_ROOM;
	}
	ret = ferry_channel_format(mem, config, name, ++hub->last_id);
	if (ret == 0)
		ret = ferry_channel_find(&parts, mem, size, NULL);
	if (ret != 0) {
		ferry_arena_free(&hub->arena, mem, size);
		return ret;
	}
	c->used = true;
	c->id = hub->last_id;
	c->size = size;
	c->shared = mem;
	c->blocks = parts.blocks;
	c->grants = parts.grants;
	c->jobs = parts.jobs;
	c->config.slot_size = parts.slot_size;
	c->config.n_slots = parts.n_slots;
	strcpy(c->name, name);
	*out = c;
	return 0;
}

int
hub_open(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		enum hub_role role, const char *name,
		const struct ferry_channel_config *config, bool alone,
		struct ferry_channel_shared **shared, uint64_t *size,
		uint64_t *id, uint32_t *number)
{
	struct hub_listener *l;
	struct hub_channel *c;
	int ret = ferry_name_check(name);

	if (ret != 0)
		return ret;
	pthread_mutex_lock(&hub->lock);
	c = channel_find(hub, name, role);
	if (hub->closing || endpoint_find(hub, endpoint, epoch) == NULL)
		ret = FERRY_E_HUB_GONE;
	else if (c == NULL)
		ret = channel_make(hub, name, config, &c);
	else if (c->ends[role].state == FERRY_END_OPEN)
		ret = -EEXIST;
	else if ((config->slot_size != 0 &&
			config->slot_size != c->config.slot_size) ||
			(config->n_slots != 0 &&
			config->n_slots != c->config.n_slots))
		ret = -EMSGSIZE;
	if (ret == 0) {
		c->ends[role].state = FERRY_END_OPEN;
		c->ends[role].endpoint = endpoint;
		c->ends[role].epoch = epoch;
		*shared = c->shared;
		*size = c->size;
		*id = c->id;
		*number = channel_number(hub, c);
		if (role == HUB_TX) {
			c->alone = alone;
			SLIST_FOREACH(l, &hub->listeners, next)
				l->opened(l, c);
		}
	}
	pthread_mutex_unlock(&hub->lock);
	return ret;
}

/* The channel of that id with an open end of an endpoint; or NULL. */
static struct hub_channel *
end_find(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		enum hub_role role, uint64_t id)
{
	uint32_t i;

	if (endpoint_find(hub, endpoint, epoch) == NULL)
		return NULL;
	for (i = 0; i < hub->max_channels; i++) {
		struct hub_channel *c = &hub->channels[i];

		if (c->used && c->id == id &&
				c->ends[role].state == FERRY_END_OPEN &&
				c->ends[role].endpoint == endpoint)
			return c;
	}
	return NULL;
}

int
hub_close(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		enum hub_role role, uint64_t id, enum ferry_end_state to)
{
	struct hub_channel *c;

	pthread_mutex_lock(&hub->lock);
	c = end_find(hub, endpoint, epoch, role, id);
	if (c != NULL) {
		if (to != FERRY_END_ABSENT)
			end_quit(hub, c, role, false);
		else if (role == HUB_TX)
			tell_ended(hub, c, role, false);
		end_ended(hub, c, role, to);
		memory_sweep(hub);
	}
	pthread_mutex_unlock(&hub->lock);
	return c != NULL ? 0 : -ENOENT;
}

int
hub_finish(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t id, bool all)
{
	struct hub_listener *l;
	struct hub_channel *c;

	pthread_mutex_lock(&hub->lock);
	c = end_find(hub, endpoint, epoch, HUB_TX, id);
	if (c != NULL && c->engine == NULL)
		jobs_unserved(c);
	else if (c != NULL)
		SLIST_FOREACH(l, &hub->listeners, next)
			l->asked(l, c, all);
	pthread_mutex_unlock(&hub->lock);
	return c != NULL ? 0 : -ENOENT;
}

static void
list_end(struct ferry_hub *hub, struct hub_channel *c, enum hub_role role,
		struct ferry_hub_end *out)
{
	const struct hub_end *end = &c->ends[role];

	out->state = end->state;
	out->pid = 0;
	if (end->state == FERRY_END_OPEN)
		out->pid = hub->endpoints[end->endpoint].pid;
	else if (end->state == FERRY_END_CLOSED)
		out->state = (enum ferry_end_state)__atomic_load_n(
				&shared_end(c, role)->state, __ATOMIC_ACQUIRE);
}

int
hub_list(struct ferry_hub *hub, uint64_t after,
		struct ferry_hub_channel *entry, uint32_t *total)
{
	struct hub_channel *c, *best = NULL;
	uint32_t i;

	*total = 0;
	pthread_mutex_lock(&hub->lock);
	for (i = 0; i < hub->max_channels; i++) {
		c = &hub->channels[i];
		*total += c->used;
		if (c->used && c->id > after &&
				(best == NULL || c->id < best->id))
			best = c;
	}
	if (best != NULL) {
		memset(entry, 0, sizeof(*entry));
		strcpy(entry->name, best->name);
		entry->id = best->id;
		entry->memory = best->size;
		entry->config = best->config;
		list_end(hub, best, HUB_TX, &entry->tx);
		list_end(hub, best, HUB_RX, &entry->rx);
		/* A snapshot of a busy channel may not add up: then report
		 * zeros. */
		if (ferry_channel_census(best->shared, &best->config,
				best->ends[HUB_TX].state == FERRY_END_OPEN,
				&entry->slots) != 0)
			memset(&entry->slots, 0, sizeof(entry->slots));
	}
	pthread_mutex_unlock(&hub->lock);
	return best != NULL ? 0 : -ENOENT;
}

void
hub_shut(struct ferry_hub *hub)
{
	uint32_t i;
	int role;

	pthread_mutex_lock(&hub->lock);
	hub->closing = true;
	for (i = 0; i < hub->max_channels; i++) {
		struct hub_channel *c = &hub->channels[i];

		if (!c->used)
			continue;
		for (role = HUB_TX; role <= HUB_RX; role++)
			end_say(c, role, FERRY_END_HUB_GONE);
		end_shout(hub, &c->ends[HUB_TX]);
		end_shout(hub, &c->ends[HUB_RX]);
	}
	pthread_mutex_unlock(&hub->lock);
}

uint32_t
hub_population(struct ferry_hub *hub)
{
	uint32_t i, n = 0;

	pthread_mutex_lock(&hub->lock);
	for (i = 0; i < hub->max_endpoints; i++)
		n += hub->endpoints[i].used;
	pthread_mutex_unlock(&hub->lock);
	return n;
}

void
ferry_hub_info(struct ferry_hub *hub, struct ferry_hub_info *info)
{
	uint32_t i;

	memset(info, 0, sizeof(*info));
	info->endpoints = hub_population(hub);
	pthread_mutex_lock(&hub->lock);
	info->memory = hub->arena.size;
	ferry_arena_space(&hub->arena, &info->memory_free,
			&info->memory_largest);
	memory_count(hub, &info->memory_endpoints, &info->memory_limbo);
	for (i = 0; i < hub->max_channels; i++)
		info->channels += hub->channels[i].used;
	info->deaths = hub->deaths;
	pthread_mutex_unlock(&hub->lock);
}

uint32_t
ferry_hub_channels(struct ferry_hub *hub, struct ferry_hub_channel *list,
		uint32_t n)
{
	struct ferry_hub_channel entry;
	uint32_t total = 0, i = 0;
	uint64_t after = 0;

	while (hub_list(hub, after, &entry, &total) == 0 && i < n) {
		list[i++] = entry;
		after = entry.id;
	}
	return total;
}
