/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_DMADEV_WQ_H
#define FERRY_DMADEV_WQ_H

/**
 * @file
 * Internal: what the kernel tells of a DSA work queue that it owns.
 *
 * Such a queue is a device of DPDK's idxd driver, named as in sysfs. The folder
 * that describes it is looked for where that driver looks: under the
 * environment variable DSA_SYSFS_PATH, or /sys/bus/dsa/devices. A driver may
 * read the environment (it is the one thing that says where this machine's
 * queues are, real or made by a plugin), a library may not.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What is known of a queue's state. */
enum dmadev_wq_state {
	/** There is no telling: it must be taken for enabled. */
	DMADEV_WQ_UNKNOWN = 0,
	/** The device carries out what is in it. */
	DMADEV_WQ_ENABLED,
	/** It does not. */
	DMADEV_WQ_DISABLED,
};

/** The name is one of a kernel-owned work queue: wqX.Y, nothing else. */
bool dmadev_wq_is(const char *name);

/** Longest transfer of a queue in bytes; 0 if nothing says. */
uint32_t dmadev_wq_max_transfer(const char *name);

/** A queue's state, now. */
enum dmadev_wq_state dmadev_wq_state(const char *name);

/**
 * Path, below the queues' folder, of a file that takes the name of a queue to
 * be disabled.
 *
 * @param which
 *   0: of kernels since 5.15, 1: of older ones.
 * @return
 *   Length as snprintf() has it; 0 for another which.
 */
size_t dmadev_wq_unbind_path(unsigned int which, char *path, size_t size);

#endif /* FERRY_DMADEV_WQ_H */
