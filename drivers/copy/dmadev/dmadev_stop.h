/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_DMADEV_STOP_H
#define FERRY_DMADEV_STOP_H

/**
 * @file
 * Internal: stop a device so that it writes no memory any more.
 *
 * rte_dma_stop() is not enough. Where a driver has no way of stopping, it marks
 * the device stopped and returns 0. In DPDK 22.11 that is idxd on queues that
 * the kernel owns (and dpaa, which no x86 machine has). These queues are
 * disabled through the kernel, and only the kernel's word counts.
 */

#include <stdint.h>

/**
 * Stop a device, whatever is in it.
 *
 * A device that could not be stopped stays "started" for dmadev, which then
 * refuses to set it up anew or to close it: the rings of its driver, which it
 * may still write, stay allocated.
 *
 * @param dev_id
 *   The device.
 * @param name
 *   Its name, of rte_dma_info.
 * @param wait_ms
 *   How long to wait for the kernel, in milliseconds.
 * @return
 *   0: nothing that was in it is carried out from now on. -EBUSY: it might be.
 */
int dmadev_stop(int16_t dev_id, const char *name, uint32_t wait_ms);

#endif /* FERRY_DMADEV_STOP_H */
