/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_DMADEV_DEVICE_H
#define FERRY_DMADEV_DEVICE_H

/**
 * @file
 * Internal: finds and starts DMA devices that have no user yet.
 */

#include <stddef.h>
#include <stdint.h>

#include "ferry_copy.h"

/** See ferry_device_next(). */
int dmadev_device_next(int after, const char *names, char *name, size_t size);

/** See ferry_device_open(). */
int dmadev_device_open(struct ferry_lane **lane, int device,
		uint32_t close_wait_ms);

#endif /* FERRY_DMADEV_DEVICE_H */
