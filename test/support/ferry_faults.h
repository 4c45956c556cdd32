/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_FAULTS_H
#define FERRY_FAULTS_H

/**
 * @file
 * Makes allocations and system calls of libferry fail. The test replaces the
 * addresses in libferry's linkage table. Therefore only libferry's own calls
 * fail, not those of EAL, the C library or the test, and the library must be a
 * shared one.
 *
 * There is one fault at a time in a process. It hits the thread that makes the
 * call. These functions are not thread-safe.
 */

#include <stdint.h>

/** The fault that happened. */
struct ferry_fault {
	/** The function that failed; NULL: none, because there were fewer calls
	 * than k. */
	const char *name;
	/** The error that it failed with, a positive errno. */
	int error;
	/** How many calls of functions that can fail were made. */
	uint32_t calls;
};

/** Which error a function fails with. */
enum ferry_fault_kind {
	/** For lack of memory, of descriptors or of a right. */
	FERRY_FAULT_LACK,
	/** A signal interrupts it (EINTR), if it can. */
	FERRY_FAULT_SIGNAL,
	FERRY_FAULT_KINDS,
};

/** Replace the addresses in libferry's linkage table. Returns 0, or -ENOENT if
 * there is no such table. */
int ferry_faults_open(void);

/**
 * From now on count the calls, and let the k-th (from 1) fail; 0: only count.
 */
void ferry_faults_arm(uint32_t k, enum ferry_fault_kind kind);

/**
 * From the next ferry_faults_arm() on, only the first `most` calls of each
 * function count and can fail; 0: all calls. For loops that make the same call
 * many times.
 */
void ferry_faults_each(uint32_t most);

/** Let no more calls fail. Returns the fault that happened. */
struct ferry_fault ferry_faults_disarm(void);

/**
 * Blocks that libferry has allocated (heap, EAL's heap, mappings) and not freed
 * since ferry_faults_open().
 */
int64_t ferry_faults_blocks(void);

/** How many descriptors this process has open. */
unsigned int ferry_faults_fds(void);

#endif /* FERRY_FAULTS_H */
