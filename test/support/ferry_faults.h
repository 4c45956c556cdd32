/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_FAULTS_H
#define FERRY_FAULTS_H

/**
 * @file
 * Allocations and system calls of libferry that fail when a test wants it. Only
 * libferry's own calls do: the test replaces the addresses in libferry's
 * linkage table, so that EAL, the C library and the test itself are spared.
 * The library must be a shared one.
 *
 * One fault at a time in a process, whichever thread makes the call. Not
 * thread-safe itself.
 */

#include <stdint.h>

/** What a sweep's fault was. */
struct ferry_fault {
	/** The function that failed; NULL: fewer calls than that were made. */
	const char *name;
	/** Its error, a positive errno. */
	int error;
	/** Calls of functions that could fail. */
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

/** Take libferry's linkage table over: 0, or -ENOENT if there is none. */
int ferry_faults_open(void);

/**
 * From now on count the calls, and let the k-th fail, from 1; 0: only count.
 */
void ferry_faults_arm(uint32_t k, enum ferry_fault_kind kind);

/**
 * From the next ferry_faults_arm() on, only the first so many calls of each
 * function count and can fail; 0: all. For loops over many things that are
 * alike.
 */
void ferry_faults_each(uint32_t most);

/** Let no more fail, and tell what did. */
struct ferry_fault ferry_faults_disarm(void);

/**
 * Blocks that libferry has allocated (heap, EAL's heap, mappings) and not freed
 * since ferry_faults_open().
 */
int64_t ferry_faults_blocks(void);

/** Descriptors of this process. */
unsigned int ferry_faults_fds(void);

#endif /* FERRY_FAULTS_H */
