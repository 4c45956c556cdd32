/* SPDX-License-Identifier: BSD-3-Clause */

/* Finds DMA devices without a user, and opens a lane on one. */

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_dmadev.h>
#include <rte_malloc.h>

#include "dmadev_device.h"
#include "ferry_watch.h"

/* Descriptors of a virtual channel: two of the largest batches of a DSA. */
#define DESCRIPTORS 2048
/* TRY_MS: how long a device may take for its first copy. TRIES: how often this
 * copy is tried. */
#define TRY_MS 200
#define TRY_NAP_US 20
#define TRIES 3
#define LINE RTE_CACHE_LINE_SIZE

static bool
is_wanted(const struct rte_dma_info *info, const char *names)
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

/* The device address of p. */
static rte_iova_t
device_address(const struct rte_dma_info *info, const void *p)
{
	return info->dev_capa & RTE_DMA_CAPA_SVA ? (uintptr_t)p :
		rte_malloc_virt2iova(p);
}

/*
 * Copy a line with a device that was just set up. Returns 0; -EIO if the copy
 * fails; -ETIMEDOUT.
 *
 * This also works around a fault of idxd in DPDK 22.11. When idxd is set up
 * again, it still remembers where the first batch began the last time. Then it
 * reports failures of the first batch as copies that were done.
 */
static int
device_try(int16_t dev, const struct rte_dma_info *info)
{
	enum rte_dma_status_code status = RTE_DMA_STATUS_SUCCESSFUL;
	uint8_t *lines = rte_zmalloc("ferry_dma", 2 * LINE, LINE);
	struct ferry_watch watch;
	uint16_t last;
	uint64_t now;
	int ret;

	if (lines == NULL)
		return -ENOMEM;
	memset(lines, 0xa5, LINE);
	ret = rte_dma_copy(dev, 0, device_address(info, lines),
			device_address(info, lines + LINE), LINE,
			RTE_DMA_OP_FLAG_SUBMIT);
	if (ret < 0) {
		rte_free(lines);
		return ret;
	}
	ferry_watch_begin(&watch, rte_get_timer_cycles(),
		rte_get_timer_hz() / 1000 * TRY_MS);
	/* Take completions with rte_dma_completed_status(), as a lane does. See
	 * ferry_dmadev.c for the reason. */
	for (;;) {
		now = rte_get_timer_cycles();
		if (rte_dma_completed_status(dev, 0, 1, &last, &status) != 0)
			break;
		/* lines is not freed, because the device may still write
		 * there. */
		if (ferry_watch_over(&watch, now))
			return -ETIMEDOUT;
		rte_delay_us_sleep(TRY_NAP_US);
	}
	/* Compare the bytes, too, because the status may be wrong. */
	ret = status != RTE_DMA_STATUS_SUCCESSFUL ||
		memcmp(lines, lines + LINE, LINE) != 0 ? -EIO : 0;
	rte_free(lines);
	return ret;
}

/* Start a device with one virtual channel. Returns 0 or a negative errno. */
static int
device_start(int16_t dev, const struct rte_dma_info *info, uint16_t *nb_desc)
{
	struct rte_dma_conf conf = { .nb_vchans = 1 };
	struct rte_dma_vchan_conf vchan = {
		.direction = RTE_DMA_DIR_MEM_TO_MEM,
	};
	unsigned int i;
	int ret;

	*nb_desc = RTE_MAX(info->min_desc,
			RTE_MIN(info->max_desc, (uint16_t)DESCRIPTORS));
	vchan.nb_desc = *nb_desc;
	/* -EBUSY: the application has started the device, so it has a user. */
	ret = rte_dma_configure(dev, &conf);
	if (ret != 0)
		return ret;
	for (i = 0; i < TRIES; i++) {
		ret = rte_dma_vchan_setup(dev, 0, &vchan);
		if (ret == 0)
			ret = rte_dma_start(dev);
		if (ret != 0)
			return ret;
		/* A lane checks with these counters whether the device is idle.
		 * Jobs that were lost in the device before are not in it any
		 * more, so start the counters from 0. */
		rte_dma_stats_reset(dev, 0);
		ret = device_try(dev, info);
		if (ret == 0)
			return 0;
		rte_dma_stop(dev);
		if (ret != -EIO)
			break;
	}
	return ret;
}

int
dmadev_device_next(int after, const char *names, char *name, size_t size)
{
	struct rte_dma_info info;
	int16_t dev;

	if (after >= INT16_MAX)
		return -ENODEV;
	for (dev = rte_dma_next_dev((int16_t)(after + 1)); dev >= 0;
			dev = rte_dma_next_dev(dev + 1)) {
		if (rte_dma_info_get(dev, &info) != 0 ||
				!is_wanted(&info, names))
			continue;
		if (name != NULL)
			snprintf(name, size, "%s", info.dev_name);
		return dev;
	}
	return -ENODEV;
}

int
dmadev_device_open(struct ferry_lane **lane, int device,
		uint32_t close_wait_ms)
{
	struct ferry_copy_dmadev_config config = {
		.dev_id = (int16_t)device,
		.close_wait_ms = close_wait_ms,
		.stop = true,
	};
	struct rte_dma_info info;
	int ret = rte_dma_info_get(config.dev_id, &info);

	if (ret == 0)
		ret = device_start(config.dev_id, &info, &config.nb_desc);
	if (ret != 0)
		return ret;
	ret = ferry_lane_open(lane, ferry_copy_dmadev(), &config,
			info.numa_node);
	if (ret != 0)
		rte_dma_stop(config.dev_id);
	return ret;
}
