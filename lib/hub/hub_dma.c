/* SPDX-License-Identifier: BSD-3-Clause */

/* DMA devices as an engine's lanes. */

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "ferry_compat.h"
#include "ferry_engine.h"
#include "hub_private.h"

/* Descriptors of a virtual channel: two of the largest batches of a DSA. */
#define DESCRIPTORS 2048

bool
ferry_dma_is_wanted(const struct rte_dma_info *info, const char *names)
{
	char glob[64];
	size_t len;

	if (!(info->dev_capa & RTE_DMA_CAPA_MEM_TO_MEM) ||
			!(info->dev_capa & RTE_DMA_CAPA_OPS_COPY))
		return false;
	if (names == NULL)
		return true;
	for (; names != NULL; names = names[len] == ',' ? names + len + 1 :
			NULL) {
		len = strcspn(names, ",");
		if (len >= sizeof(glob))
			continue;
		memcpy(glob, names, len);
		glob[len] = '\0';
		if (fnmatch(glob, info->dev_name, 0) == 0)
			return true;
	}
	return false;
}

/* Start a device with one virtual channel: 0 or negative. */
static int
device_start(int16_t dev, const struct rte_dma_info *info, uint16_t *nb_desc)
{
	struct rte_dma_conf conf = { .nb_vchans = 1 };
	struct rte_dma_vchan_conf vchan = {
		.direction = RTE_DMA_DIR_MEM_TO_MEM,
	};
	int ret;

	*nb_desc = RTE_MAX(info->min_desc,
			RTE_MIN(info->max_desc, (uint16_t)DESCRIPTORS));
	vchan.nb_desc = *nb_desc;
	/* -EBUSY if somebody has started it: then it is theirs. */
	ret = rte_dma_configure(dev, &conf);
	if (ret == 0)
		ret = rte_dma_vchan_setup(dev, 0, &vchan);
	if (ret == 0)
		ret = rte_dma_start(dev);
	return ret;
}

static int
device_add(struct ferry_engine *engine, int16_t dev,
		const struct rte_dma_info *info)
{
	struct ferry_copy_dmadev_config config = { .dev_id = dev };
	struct ferry_lane *lane;
	int ret;

	ret = device_start(dev, info, &config.nb_desc);
	if (ret != 0)
		return ret;
	ret = ferry_lane_open(&lane, ferry_copy_dmadev(), &config,
			info->numa_node);
	if (ret != 0) {
		rte_dma_stop(dev);
		return ret;
	}
	ret = ferry_engine_add_lane(engine, lane);
	if (ret != 0)
		ferry_lane_close(lane);
	return ret;
}

int
ferry_engine_add_dma(struct ferry_engine *engine, const char *names)
{
	int ret, last = -ENODEV, added = 0;
	struct rte_dma_info info;
	int16_t dev;

	RTE_DMA_FOREACH_DEV(dev) {
		if (rte_dma_info_get(dev, &info) != 0 ||
				!ferry_dma_is_wanted(&info, names))
			continue;
		ret = device_add(engine, dev, &info);
		if (ret == 0) {
			added++;
			continue;
		}
		last = ret;
		if (ret != -EBUSY)
			HUB_LOG(ERR, "DMA device %s cannot be used: %s",
				info.dev_name, strerror(-ret));
	}
	return added > 0 ? added : last;
}
