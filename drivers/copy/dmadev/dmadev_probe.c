/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_eal.h>

#include "dmadev_log.h"
#include "dmadev_probe.h"
#include "dmadev_wq.h"
#include "ferry_watch.h"

/* Bounds of the length of the lane's rings. */
#define DEPTH_MIN UINT32_C(2)
#define DEPTH_MAX UINT32_C(32768)
#define IDLE_NAP_US 20

/*
 * Check that a device is started and that it reports completions. dmadev tells
 * both only in its dump. If the dump says nothing about it, the device passes.
 */
static int
state_check(int16_t dev_id)
{
	char *text = NULL;
	size_t size = 0;
	int ret = 0;
	FILE *f;

	f = open_memstream(&text, &size);
	if (f == NULL)
		return -ENOMEM;
	/* Ignore an error: the driver's part of the dump may fail, but the part
	 * that is needed here comes before it. */
	rte_dma_dump(dev_id, f);
	if (fclose(f) != 0) {
		free(text);
		return -ENOMEM;
	}
	if (strstr(text, "[stopped]") != NULL) {
		DMADEV_LOG(ERR, "device %d is not started", dev_id);
		ret = -EBADFD;
	} else if (strstr(text, "silent_mode: on") != NULL) {
		DMADEV_LOG(ERR, "device %d is in silent mode", dev_id);
		ret = -ENOTSUP;
	}
	free(text);
	return ret;
}

int
dmadev_probe(const struct ferry_copy_dmadev_config *config,
		struct rte_dma_info *info)
{
	const uint64_t needed = RTE_DMA_CAPA_MEM_TO_MEM |
		RTE_DMA_CAPA_OPS_COPY;
	int ret;

	if (config == NULL)
		return -EINVAL;
	if (rte_eal_process_type() == RTE_PROC_SECONDARY) {
		/* In a secondary, drivers of DPDK 22.11 re-initialise hardware
		 * that the primary uses. */
		DMADEV_LOG(ERR, "only a primary process may drive devices");
		return -EPERM;
	}
	if (!rte_dma_is_valid(config->dev_id)) {
		DMADEV_LOG(ERR, "no DMA device %d", config->dev_id);
		return -ENODEV;
	}
	ret = rte_dma_info_get(config->dev_id, info);
	if (ret != 0)
		return ret < 0 ? ret : -EIO;
	if ((info->dev_capa & needed) != needed) {
		DMADEV_LOG(ERR, "device %s cannot copy memory",
			info->dev_name);
		return -ENOTSUP;
	}
	ret = state_check(config->dev_id);
	if (ret < 0)
		return ret;
	if (config->vchan >= info->nb_vchans) {
		DMADEV_LOG(ERR, "device %s has no virtual channel %u",
			info->dev_name, config->vchan);
		return -EINVAL;
	}
	if (info->max_desc != 0 && config->nb_desc > info->max_desc) {
		DMADEV_LOG(ERR, "device %s has at most %u descriptors",
			info->dev_name, info->max_desc);
		return -EINVAL;
	}
	return 0;
}

uint32_t
dmadev_probe_depth(const struct ferry_copy_dmadev_config *config,
		const struct rte_dma_info *info)
{
	uint32_t depth = config->nb_desc;

	/* The ring is idle, so its free room is all that it can hold. */
	if (depth == 0)
		depth = rte_dma_burst_capacity(config->dev_id, config->vchan);
	if (depth == 0)
		depth = info->max_desc;
	depth = RTE_MIN(depth, DEPTH_MAX);
	depth = RTE_MAX(depth, DEPTH_MIN);
	return rte_align32pow2(depth);
}

static void
take_left(int16_t dev_id, uint16_t vchan, enum rte_dma_status_code *codes,
		uint32_t n)
{
	uint16_t last_idx, i;

	/* Bounded, because a faulty device might report for ever. */
	for (i = 0; i < UINT16_MAX; i++)
		if (rte_dma_completed_status(dev_id, vchan,
				(uint16_t)RTE_MIN(n, (uint32_t)UINT16_MAX),
				&last_idx, codes) == 0)
			return;
}

int
dmadev_probe_idle(int16_t dev_id, uint16_t vchan,
		enum rte_dma_status_code *codes, uint32_t n, uint32_t wait_ms)
{
	struct rte_dma_stats stats;
	struct ferry_watch watch;

	ferry_watch_begin(&watch, rte_get_timer_cycles(),
		rte_get_timer_hz() / 1000 * wait_ms);
	for (;;) {
		uint64_t now = rte_get_timer_cycles();
		/*
		 * The channel's status is not used, because idxd reports that a
		 * queue that was never used is active. If the driver has no
		 * statistics, assume that the channel is empty.
		 */
		bool empty = rte_dma_stats_get(dev_id, vchan, &stats) != 0 ||
			stats.completed >= stats.submitted;

		/* Take completions even if the channel seems empty: some
		 * drivers count operations when they end, others when they are
		 * reported. */
		take_left(dev_id, vchan, codes, n);
		if (empty)
			return 0;
		if (ferry_watch_over(&watch, now))
			break;
		rte_delay_us_sleep(IDLE_NAP_US);
	}
	DMADEV_LOG(ERR, "device %d: %" PRIu64 " operations of an earlier user",
		dev_id, stats.submitted - stats.completed);
	return -EBUSY;
}

uint32_t
dmadev_probe_max_transfer(const struct ferry_copy_dmadev_config *config,
		const struct rte_dma_info *info)
{
	uint32_t bytes = config->max_transfer;

	if (bytes == 0 && dmadev_wq_is(info->dev_name))
		bytes = dmadev_wq_max_transfer(info->dev_name);
	return bytes != 0 ? bytes : FERRY_DMADEV_MAX_TRANSFER;
}

/* A queue of idxd on a PCI device is named address-qN, as "0000:6a:01.0-q0". */
static bool
is_idxd_pci(const char *name)
{
	unsigned int domain, bus, dev, function, queue;
	char again[64];

	if (sscanf(name, "%x:%x:%x.%x-q%u", &domain, &bus, &dev, &function,
			&queue) != 5)
		return false;
	snprintf(again, sizeof(again), "%04x:%02x:%02x.%x-q%u", domain, bus,
		dev, function, queue);
	return strcmp(name, again) == 0;
}

/*
 * These facts are from the sources of DPDK 22.11. idxd sets the cache control
 * bit of the descriptor in every copy, so the device writes the destination to
 * the cache. skeleton copies with rte_memcpy(), which uses ordinary stores.
 * With ioat the platform decides. For the other drivers it is not known.
 */
bool
dmadev_probe_caches(const struct rte_dma_info *info)
{
	return dmadev_wq_is(info->dev_name) || is_idxd_pci(info->dev_name) ||
		strncmp(info->dev_name, "dma_skeleton",
			strlen("dma_skeleton")) == 0;
}
