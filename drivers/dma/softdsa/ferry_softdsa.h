/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_SOFTDSA_H
#define FERRY_SOFTDSA_H

/**
 * @file
 * The soft DSA, from within the program that it serves.
 *
 * libferry_softdsa.so is an EAL plugin: with -d it gives a DPDK primary process
 * DSA work queues that DPDK's own idxd driver uses. A program that only copies
 * needs nothing of this header. It is for tests and tools that make the device
 * fail, and count what it did; they find the functions with dlsym(), or link
 * with the library, which changes nothing about when it does something: in a
 * primary, at EAL's scan for devices, once.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a work queue has done since it was made. */
struct ferry_softdsa_stats {
	/** Descriptors stored to its portal and accepted; a batch is one. */
	uint64_t submitted;
	/** Batches ended. */
	uint64_t batches;
	/** Descriptors executed, single ones and those of batches. */
	uint64_t descriptors;
	/** Bytes moved or filled. */
	uint64_t bytes;
	/** Descriptors that ended with another status than success. */
	uint64_t failed;
	/** Faults made on purpose. */
	uint64_t faults;
	/** Stored to its portal, but lost: it was full or disabled. */
	uint64_t dropped;
	/** Thrown away when it was disabled; a batch is one. */
	uint64_t aborted;
	/** Failures for which there was no completion record to write to. */
	uint64_t unreported;
};

/**
 * Change how the device behaves. Safe in any thread.
 *
 * @param text
 *   "key=value,key=value", as in the environment variable FERRY_SOFTDSA, but
 *   only those keys that need no new device: faults and timing. A fault that
 *   is said again counts its descriptors anew, one that is not stays.
 * @return
 *   0; -EINVAL if a key or value is not known, after a line to the log, and
 *   then nothing has changed; -ENODEV if there is no device.
 */
int ferry_softdsa_set(const char *text);

/**
 * Read the counters of a work queue. Safe in any thread. Each counter is exact;
 * together they are of about the same moment.
 *
 * @param wq
 *   Its number, from 0.
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
 *   Its path, valid as long as the process; NULL if there is no device.
 */
const char *ferry_softdsa_root(void);

/**
 * Put the device's handlers of SIGILL, SIGBUS and SIGSEGV in front of those
 * that the program has installed since; what is not the device's is passed on
 * to them. To be called before the next submission, by a program that installs
 * such handlers after rte_eal_init() and does not pass on what it does not
 * know. Not safe while another thread installs handlers.
 *
 * @return
 *   0; -ENODEV if there is no device; or a negative errno.
 */
int ferry_softdsa_take_signals(void);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_SOFTDSA_H */
