/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_DMADEV_PROBE_H
#define FERRY_DMADEV_PROBE_H

/**
 * @file
 * Internal: whether a DMA device is one that a lane can drive.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_dmadev.h>

#include "ferry_copy.h"

/**
 * Check a device and its virtual channel.
 *
 * @param config
 *   Which device.
 * @param[out] info
 *   What dmadev says of it.
 * @return
 *   0, -EINVAL, -EPERM in a secondary process, -ENODEV without such a device,
 *   -ENOTSUP if the device cannot copy memory or never reports completions,
 *   -EBADFD if it has not been started.
 */
int dmadev_probe(const struct ferry_copy_dmadev_config *config,
		struct rte_dma_info *info);

/**
 * How many operations to keep in flight on a channel.
 *
 * @return
 *   A power of two.
 */
uint32_t dmadev_probe_depth(const struct ferry_copy_dmadev_config *config,
		const struct rte_dma_info *info);

/**
 * Take from a channel what an earlier user left in it: it would be taken for
 * completions of ours.
 *
 * @param codes
 *   Room for n.
 * @param wait_ms
 *   How long to wait for what is still under way, in milliseconds.
 * @return
 *   0: the channel is empty; -EBUSY: operations are in it that do not end, of a
 *   lane that could not stop the device for example.
 */
int dmadev_probe_idle(int16_t dev_id, uint16_t vchan,
		enum rte_dma_status_code *codes, uint32_t n, uint32_t wait_ms);

/**
 * Longest transfer to ask of the device, in bytes: as configured, else what the
 * kernel says of a DSA work queue, else FERRY_DMADEV_MAX_TRANSFER.
 */
uint32_t
dmadev_probe_max_transfer(const struct ferry_copy_dmadev_config *config,
		const struct rte_dma_info *info);

/**
 * The device is known, by its name, to leave what it copies in the cache,
 * whatever it is asked.
 */
bool dmadev_probe_caches(const struct rte_dma_info *info);

#endif /* FERRY_DMADEV_PROBE_H */
