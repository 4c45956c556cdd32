/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_SOFTDSA_H
#define FERRY_SOFTDSA_H

/**
 * @file
 * Control of the soft DSA from within the program that it serves.
 *
 * libferry_softdsa.so is an EAL plugin. With EAL's option -d, it gives a DPDK
 * primary process DSA work queues that DPDK's own idxd driver uses. A program
 * that only copies does not need this header. The header is for tests and tools
 * that make the device fail, and that count what it did. They find the
 * functions with dlsym(), or link with the library. In both cases the library
 * makes the device at the same time: in a primary, at EAL's scan for devices,
 * once.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a work queue has done since it was made. */
struct ferry_softdsa_stats {
	/** Descriptors that were stored to its portal and accepted. A batch
	 * counts as one. */
	uint64_t submitted;
	/** Batches that have ended. */
	uint64_t batches;
	/** Descriptors that were executed, single ones and those of batches. */
	uint64_t descriptors;
	/** Bytes moved or filled. */
	uint64_t bytes;
	/** Descriptors that ended with another status than success. */
	uint64_t failed;
	/** Faults made on purpose. */
	uint64_t faults;
	/** Descriptors that were stored to its portal but lost, because the
	 * queue was full or disabled. */
	uint64_t dropped;
	/** Descriptors that were thrown away when the queue was disabled. A
	 * batch counts as one. */
	uint64_t aborted;
	/** Failures for which there was no completion record to write to. */
	uint64_t unreported;
};

/**
 * Change how the device behaves. Safe in any thread.
 *
 * @param text
 *   "key=value,key=value", as in the environment variable FERRY_SOFTDSA, but
 *   only keys that need no new device: faults and timing. A fault that is set
 *   again begins to count descriptors from 1. A fault that is not named stays.
 * @return
 *   0; -EINVAL if a key or value is not known: the call has logged a line and
 *   changed nothing; -ENODEV if there is no device.
 */
int ferry_softdsa_set(const char *text);

/**
 * Read the counters of a work queue. Safe in any thread. Each counter is exact,
 * but the counters are not all read at the same moment.
 *
 * @param wq
 *   Number of the work queue, from 0.
 * @param[out] stats
 *   The counters.
 * @return
 *   0; -ENODEV if there is no device, or no such work queue.
 */
int ferry_softdsa_stats(unsigned int wq, struct ferry_softdsa_stats *stats);

/**
 * The directory that holds the device's files.
 *
 * @return
 *   Its path, valid until the process ends; NULL if there is no device.
 */
const char *ferry_softdsa_root(void);

/**
 * Install the device's handlers of SIGILL, SIGBUS and SIGSEGV again. They then
 * run before the handlers that the program has installed since, and pass
 * signals that are not the device's on to those. A program must make this call
 * if it installs such handlers after rte_eal_init() and its handlers do not
 * pass on signals that they do not know. It makes the call before the next
 * submission. Not safe while another thread installs handlers.
 *
 * @return
 *   0; -ENODEV if there is no device; or a negative errno.
 */
int ferry_softdsa_take_signals(void);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_SOFTDSA_H */
