/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_DMADEV_PROBE_H
#define FERRY_DMADEV_PROBE_H

/**
 * @file
 * Internal: finds out whether a lane can drive a DMA device, and how.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_dmadev.h>

#include "ferry_copy.h"

/**
 * Check a device and its virtual channel.
 *
 * @param config
 *   Names the device.
 * @param[out] info
 *   The device's rte_dma_info.
 * @return
 *   0; -EINVAL; -EPERM in a secondary process; -ENODEV if there is no such
 *   device; -ENOTSUP if the device cannot copy memory or never reports
 *   completions; -EBADFD if it has not been started.
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
 * Take the completions that an earlier user has left in a channel. Without
 * this, a new lane would take them for its own.
 *
 * @param codes
 *   Room for n statuses.
 * @param wait_ms
 *   How long to wait for operations that are still under way, in milliseconds.
 * @return
 *   0: the channel is empty; -EBUSY: it holds operations that do not end, for
 *   example of a lane that could not stop the device.
 */
int dmadev_probe_idle(int16_t dev_id, uint16_t vchan,
		enum rte_dma_status_code *codes, uint32_t n, uint32_t wait_ms);

/**
 * Longest transfer to give to the device, in bytes: as configured; otherwise
 * the kernel's limit for a DSA work queue; otherwise FERRY_DMADEV_MAX_TRANSFER.
 */
uint32_t
dmadev_probe_max_transfer(const struct ferry_copy_dmadev_config *config,
		const struct rte_dma_info *info);

/**
 * Whether a device of this name is known to write all copies to the cache,
 * whatever placement the job asks for.
 */
bool dmadev_probe_caches(const struct rte_dma_info *info);

#endif /* FERRY_DMADEV_PROBE_H */
