/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Memory that endpoints in the hub's process registered and that DPDK did not
 * allocate. EAL and the devices know each stretch once, even if several
 * endpoints register it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_dmadev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "ferry_reach.h"
#include "hub_private.h"

/* The page size that EAL is told, whatever the memory's own pages are. */
#define PAGE UINT64_C(4096)

/* Buses whose devices may need a mapping. Devices of other buses take the
 * process's addresses. */
static const char *const buses[] = { "bus=pci", "bus=vdev" };

/* Whether the process has DMA channels of a device. Their names begin with the
 * device's. */
static bool
device_copies(const struct rte_device *dev)
{
	const char *name = rte_dev_name(dev);
	struct rte_dma_info info;
	int16_t id;

	RTE_DMA_FOREACH_DEV(id)
		if (rte_dma_info_get(id, &info) == 0 &&
				strncmp(info.dev_name, name, strlen(name)) == 0)
			return true;
	return false;
}

static int
device_map(struct rte_device *dev, void *mem, uint64_t size, bool map)
{
	/* A device uses the process's addresses. */
	const uint64_t iova = (uintptr_t)mem;
	int ret = map ? rte_dev_dma_map(dev, mem, iova, size) :
		rte_dev_dma_unmap(dev, mem, iova, size);

	/* ENOTSUP: the device needs no mapping. */
	return ret == 0 || rte_errno == ENOTSUP ? 0 : -rte_errno;
}

/* Map or unmap memory for the DMA devices: 0, or the last error there was. */
static int
devices_map(void *mem, uint64_t size, bool map)
{
	struct rte_dev_iterator it;
	struct rte_device *dev;
	int ret = 0, result = 0;
	uint32_t i;

	/* Without an IOMMU there is nothing to map. Devices that need physical
	 * addresses look each page up. */
	if (rte_eal_iova_mode() != RTE_IOVA_VA || rte_dma_count_avail() == 0)
		return 0;
	for (i = 0; i < RTE_DIM(buses); i++) {
		RTE_DEV_FOREACH(dev, buses[i], &it) {
			if (device_copies(dev))
				ret = device_map(dev, mem, size, map);
			if (ret != 0)
				result = ret;
		}
	}
	return result;
}

/* 1 if EAL knows some of a range. For rte_memseg_list_walk_thread_unsafe(). */
static int
is_known(const struct rte_memseg_list *msl, void *arg)
{
	const struct hub_range *r = arg;
	const uint64_t base = (uintptr_t)msl->base_va;

	return base < r->addr + r->size && r->addr < base + msl->len;
}

/* Make a range known to EAL and to devices: 0 or negative. */
static int
range_make(struct hub_range *r)
{
	void *mem = (void *)(uintptr_t)r->addr;
	struct ferry_reach_view view = { 0 };
	int ret;

	/* Memory that the application registered with EAL is the application's
	 * to map. */
	r->known = ferry_reach(&view, r->addr, r->size) == FERRY_REACH_HERE;
	if (r->known)
		return 0;
	/* EAL itself would not notice that the range overlaps another. */
	if (rte_memseg_list_walk_thread_unsafe(is_known, r) != 0)
		return -EEXIST;
	if (rte_extmem_register(mem, r->size, NULL, 0, PAGE) != 0)
		return -rte_errno;
	ret = devices_map(mem, r->size, true);
	if (ret != 0) {
		devices_map(mem, r->size, false);
		rte_extmem_unregister(mem, r->size);
	}
	return ret;
}

static void
range_undo(const struct hub_range *r)
{
	void *mem = (void *)(uintptr_t)r->addr;

	if (r->known)
		return;
	devices_map(mem, r->size, false);
	rte_extmem_unregister(mem, r->size);
}

/* The range that contains all of a stretch; or NULL. */
static struct hub_range *
range_find(struct ferry_hub *hub, uint64_t addr, uint64_t size)
{
	struct hub_range *r;

	SLIST_FOREACH(r, &hub->ranges, next)
		if (addr >= r->addr && addr + size <= r->addr + r->size)
			return r;
	return NULL;
}

static bool
asker_is_local(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch)
{
	const struct hub_endpoint *ep = endpoint_find(hub, endpoint, epoch);

	return ep != NULL && ep->local;
}

static int
range_add(struct ferry_hub *hub, uint64_t addr, uint64_t size)
{
	struct hub_range *r = range_find(hub, addr, size);
	int ret;

	if (r != NULL) {
		r->users++;
		return 0;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->addr = addr;
	r->size = size;
	r->users = 1;
	ret = range_make(r);
	if (ret != 0) {
		free(r);
		return ret;
	}
	SLIST_INSERT_HEAD(&hub->ranges, r, next);
	return 0;
}

int
hub_register(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t addr, uint64_t size)
{
	int ret = -EINVAL;

	pthread_mutex_lock(&hub->lock);
	if (!asker_is_local(hub, endpoint, epoch))
		ret = -EPERM;
	else if (size != 0 && addr % PAGE == 0 && size % PAGE == 0 &&
			addr + size > addr)
		ret = range_add(hub, addr, size);
	pthread_mutex_unlock(&hub->lock);
	return ret;
}

int
hub_unregister(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t addr, uint64_t size)
{
	struct hub_range *r = NULL;

	pthread_mutex_lock(&hub->lock);
	if (asker_is_local(hub, endpoint, epoch))
		r = range_find(hub, addr, size);
	if (r != NULL && --r->users == 0) {
		SLIST_REMOVE(&hub->ranges, r, hub_range, next);
		range_undo(r);
		free(r);
	}
	pthread_mutex_unlock(&hub->lock);
	return r != NULL ? 0 : -ENOENT;
}
