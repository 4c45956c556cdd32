/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_DMADEV_STOP_H
#define FERRY_DMADEV_STOP_H

/**
 * @file
 * Internal: stops a device so that it does not write memory any more.
 *
 * rte_dma_stop() is not enough. If a driver cannot stop its device,
 * rte_dma_stop() marks the device as stopped and returns 0. In DPDK 22.11 this
 * holds for idxd on queues that the kernel owns (and for dpaa, which no x86
 * machine has). The kernel disables these queues on request. Only the state
 * that the kernel reports counts.
 */

#include <stdint.h>

/**
 * Stop a device, even if jobs are in it.
 *
 * A device that could not be stopped stays "started" for dmadev. So dmadev
 * refuses to set it up anew or to close it. The rings of its driver stay
 * allocated; this is necessary because the device may still write to them.
 *
 * @param dev_id
 *   The device.
 * @param name
 *   Its name, from rte_dma_info.
 * @param wait_ms
 *   How long to wait for the kernel, in milliseconds.
 * @return
 *   0: the device carries out no job from now on. -EBUSY: it may still carry
 *   out jobs.
 */
int dmadev_stop(int16_t dev_id, const char *name, uint32_t wait_ms);

#endif /* FERRY_DMADEV_STOP_H */
