/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_eal.h>

#include "dmadev_log.h"
#include "dmadev_probe.h"

/* The lane's queues are indexed by masks of these bounds. */
#define DEPTH_MIN UINT32_C(2)
#define DEPTH_MAX UINT32_C(32768)

/*
 * dmadev tells whether a device is started, and whether it reports completions
 * at all, only in its dump. A text that says neither is taken for a yes.
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
	/* A driver's own part may fail; the common part comes first. */
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
		/* DPDK 22.11 re-initialises live hardware there. */
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

	/* What an idle ring has room for is all it can hold. */
	if (depth == 0)
		depth = rte_dma_burst_capacity(config->dev_id, config->vchan);
	if (depth == 0)
		depth = info->max_desc;
	depth = RTE_MIN(depth, DEPTH_MAX);
	depth = RTE_MAX(depth, DEPTH_MIN);
	return rte_align32pow2(depth);
}
