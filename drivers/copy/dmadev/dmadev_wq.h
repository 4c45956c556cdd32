/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_DMADEV_WQ_H
#define FERRY_DMADEV_WQ_H

/**
 * @file
 * Internal: reads from sysfs what the kernel says about a DSA work queue that
 * the kernel owns.
 *
 * Such a queue is a device of DPDK's idxd driver and has the same name as in
 * sysfs. Its folder is where the idxd driver looks for it: below the path in
 * the environment variable DSA_SYSFS_PATH, or below /sys/bus/dsa/devices. A
 * driver may read the environment, although ferry's libraries may not, because
 * only the environment says where the queues of a plugin are.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What is known of a queue's state. */
enum dmadev_wq_state {
	/** The state is not known. The queue counts as enabled. */
	DMADEV_WQ_UNKNOWN = 0,
	/** The device carries out the jobs in the queue. */
	DMADEV_WQ_ENABLED,
	/** The device does not carry out the jobs in the queue. */
	DMADEV_WQ_DISABLED,
};

/** Whether a name is that of a work queue that the kernel owns: exactly
 * wqX.Y. */
bool dmadev_wq_is(const char *name);

/** Longest transfer of a queue in bytes; 0 if the kernel does not say it. */
uint32_t dmadev_wq_max_transfer(const char *name);

/** The state that a queue has now. */
enum dmadev_wq_state dmadev_wq_state(const char *name);

/**
 * Path, below the queues' folder, of a file that disables a queue whose name is
 * written to it.
 *
 * @param which
 *   0: the file of kernels since 5.15; 1: the file of older kernels.
 * @return
 *   Length as snprintf() returns it; 0 for another value of which.
 */
size_t dmadev_wq_unbind_path(unsigned int which, char *path, size_t size);

#endif /* FERRY_DMADEV_WQ_H */
