/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_malloc.h>

#include "ferry_eal.h"
#include "ferry_errno.h"
#include "ferry_process.h"
#include "hub_ctl.h"

#define MEMORY_GRAIN (UINT64_C(2) << 20)
/* Longest wait for other processes to detach, in milliseconds. */
#define LEAVE_STEPS 2000

static struct ferry_registry *
registry_make(uint32_t n_bells, int socket)
{
	struct ferry_registry *r;
	uint32_t i;

	r = rte_zmalloc_socket("ferry_registry", sizeof(*r) +
			n_bells * sizeof(r->bells[0]), RTE_CACHE_LINE_SIZE,
			socket);
	if (r == NULL)
		return NULL;
	r->version = FERRY_CHANNEL_VERSION;
	r->layout = ferry_channel_layout_hash();
	r->n_bells = n_bells;
	for (i = 0; i < n_bells; i++)
		ferry_bell_init(&r->bells[i]);
	r->magic = FERRY_REGISTRY_MAGIC;
	return r;
}

/* Boards for FERRY_ENGINES_MAX engines, because a board costs nothing until it
 * is used. */
static void *
boards_make(struct ferry_registry *r, uint32_t max_channels, int socket)
{
	uint8_t *boards;
	uint32_t i;

	r->n_boards = FERRY_ENGINES_MAX;
	r->n_channels = max_channels;
	r->board_size = ferry_board_size(max_channels);
	boards = rte_zmalloc_socket("ferry_boards", r->n_boards *
			r->board_size, RTE_CACHE_LINE_SIZE, socket);
	for (i = 0; i < r->n_boards && boards != NULL; i++)
		ferry_board_init((struct ferry_board *)(boards +
				i * r->board_size));
	r->boards = (uintptr_t)boards;
	return boards;
}

struct ferry_board *
hub_board(struct ferry_hub *hub, uint32_t index)
{
	return RTE_PTR_ADD(hub->boards, index *
			ferry_board_size(hub->max_channels));
}

static void
hub_free(struct ferry_hub *hub)
{
	/* A device may still write there, so the memory must get no other
	 * user. */
	void *const shared[] = {
		hub->unsafe ? NULL : hub->memory, hub->boards, hub->registry,
	};

	memory_forget(hub);
	ferry_arena_fini(&hub->arena);
	/* Memory that cannot be freed because of a lock is lost until the
	 * process ends. */
	ferry_eal_free(shared, RTE_DIM(shared));
	free(hub->endpoints);
	free(hub->channels);
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

/* Get a hub's memory, as its config says: 0 or negative. */
static int
hub_provide(struct ferry_hub *hub, uint64_t memory, int socket)
{
	uint32_t i;
	int ret;

	memory = RTE_ALIGN_CEIL(memory, MEMORY_GRAIN);
	hub->endpoints = calloc(hub->max_endpoints, sizeof(*hub->endpoints));
	hub->channels = calloc(hub->max_channels, sizeof(*hub->channels));
	if (hub->endpoints == NULL || hub->channels == NULL)
		return -ENOMEM;
	for (i = 0; i < hub->max_endpoints; i++)
		hub->endpoints[i].pidfd = -1;
	hub->registry = registry_make(hub->max_endpoints, socket);
	if (hub->registry != NULL)
		hub->boards = boards_make(hub->registry, hub->max_channels,
				socket);
	/*
	 * The memory is taken once, before an endpoint attaches. After that
	 * EAL's heap does not change. A change would need an answer from every
	 * secondary.
	 */
	hub->memory = rte_malloc_socket("ferry_memory", memory,
			FERRY_ARENA_GRAIN, socket);
	if (hub->registry == NULL || hub->boards == NULL ||
			hub->memory == NULL) {
		ret = ferry_eal_memory_error(memory);
		HUB_LOG(ERR, "%s: EAL cannot provide %" PRIu64 " MiB: %s, or "
			"ask for less hub memory", hub->name, memory >> 20,
			ret == -EMFILE ? "raise the limit of open files" :
			"reserve more hugepages, check size= of their mount, "
			"start it with a larger -m");
		return ret;
	}
	jobs_begin(hub);
	hub->registry->memory = (uintptr_t)hub->memory;
	hub->registry->memory_size = memory;
	return ferry_arena_init(&hub->arena, hub->memory, memory);
}

/* Let endpoints find the hub, and start to watch them. */
static int
hub_begin(struct ferry_hub *hub)
{
	int ret = hub_monitor_open(hub);

	if (ret != 0)
		return ret;
	ret = hub_publish(hub);
	if (ret == 0) {
		ret = hub_monitor_start(hub);
		if (ret == 0)
			return 0;
		hub_unpublish(hub);
		hub_socket_close(hub);
	}
	hub_monitor_close(hub);
	return ret;
}

int
ferry_hub_create(struct ferry_hub **out, const struct ferry_hub_config *config)
{
	static const struct ferry_hub_config defaults = { .socket = -1 };
	struct ferry_hub *hub;
	const char *name;
	int ret;

	if (config == NULL)
		config = &defaults;
	name = config->name != NULL ? config->name : FERRY_HUB_NAME;
	ret = ferry_name_check(name);
	if (ret != 0 || out == NULL)
		return ret != 0 ? ret : -EINVAL;
	/* The kernel would grant tables of such sizes, and they would fill all
	 * memory. */
	if (config->memory > INT64_MAX ||
			config->max_endpoints > FERRY_HUB_ENDPOINTS_MAX ||
			config->max_channels > FERRY_HUB_CHANNELS_MAX)
		return -EINVAL;
	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return -EPERM;
	ret = ferry_eal_adopt(NULL, 0);
	if (ret != 0)
		return ret;
	hub = calloc(1, sizeof(*hub));
	if (hub == NULL)
		return -ENOMEM;
	pthread_mutex_init(&hub->lock, NULL);
	hub_socket_init(&hub->socket);
	hub->process = ferry_process_token();
	strcpy(hub->name, name);
	if (hub->process == 0) {
		hub_free(hub);
		return -ENOMEM;
	}
	if (getrandom(&hub->incarnation, sizeof(hub->incarnation), 0) < 0) {
		ret = -errno;
		hub_free(hub);
		return ret;
	}
	hub->max_endpoints = config->max_endpoints != 0 ?
		config->max_endpoints : FERRY_HUB_ENDPOINTS;
	hub->max_channels = config->max_channels != 0 ?
		config->max_channels : FERRY_HUB_CHANNELS;
	ret = hub_provide(hub, config->memory != 0 ? config->memory :
			FERRY_HUB_MEMORY, config->socket);
	if (ret != 0) {
		hub_free(hub);
		return ret;
	}
	ret = hub_begin(hub);
	if (ret != 0) {
		hub_free(hub);
		return ret;
	}
	*out = hub;
	return 0;
}

int
ferry_hub_destroy(struct ferry_hub *hub)
{
	int i, ret;

	if (hub == NULL)
		return 0;
	ret = ferry_process_check(hub->process);
	if (ret != 0)
		return ret;
	if (!SLIST_EMPTY(&hub->listeners))
		return -EBUSY;
	hub_shut(hub);
	for (i = 0; i < LEAVE_STEPS && hub_population(hub) > 0; i++)
		usleep(1000);
	if (hub_population(hub) > 0)
		return -EBUSY;
	hub_unpublish(hub);
	hub_monitor_stop(hub);
	hub_socket_close(hub);
	hub_monitor_close(hub);
	hub_free(hub);
	return 0;
}

const char *
ferry_hub_name(const struct ferry_hub *hub)
{
	return hub->name;
}
