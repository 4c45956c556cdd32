/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_DMADEV_PROBE_H
#define FERRY_DMADEV_PROBE_H

/**
 * @file
 * Internal: whether a DMA device is one that a lane can drive.
 */

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

#endif /* FERRY_DMADEV_PROBE_H */
