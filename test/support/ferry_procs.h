/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_PROCS_H
#define FERRY_PROCS_H

/**
 * @file
 * Tests of several processes. The test's own process starts no EAL. It forks
 * the hub and its secondaries, talks to them over a socket, kills them, and
 * looks at what they leave behind. Processes that are left when the test ends,
 * however it ends, are killed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Forked processes alive at once. */
#define FERRY_PROCS_MAX 16

/** A process of the test. */
struct ferry_proc {
	pid_t pid;
	/** A socket for packets between the test and this process. */
	int fd;
};

/** A process's main function. fd: a socket for packets to and from the test. */
typedef int (*ferry_proc_main_t)(int fd, void *arg);

/**
 * Fork a process that runs main and exits with its result.
 *
 * @return
 *   0 or negative errno.
 */
int ferry_proc_start(struct ferry_proc *proc, ferry_proc_main_t main,
		void *arg);

/** Send a packet, from either side: 0 or negative errno. */
int ferry_proc_write(int fd, const void *packet, size_t len);

/**
 * Receive a packet of that length, at either side.
 *
 * @return
 *   0; -ETIMEDOUT; -EPIPE if the other side is gone; -EPROTO for another
 *   length.
 */
int ferry_proc_read(int fd, void *packet, size_t len, uint32_t timeout_ms);

/** Send a signal to the process, which must not have been waited for. */
void ferry_proc_signal(const struct ferry_proc *proc, int signal);

/**
 * Wait for the process to end.
 *
 * @return
 *   Its exit code, or 128 plus the signal that ended it, or -ETIMEDOUT.
 */
int ferry_proc_wait(struct ferry_proc *proc, uint32_t timeout_ms);

/** Send SIGKILL and wait. Does nothing if the process was waited for before. */
void ferry_proc_kill(struct ferry_proc *proc);

/** Kill all processes that have not been waited for. */
void ferry_procs_kill(void);

/** The EAL file prefix of this test. It is the same in the processes that the
 * test forks. */
const char *ferry_test_prefix(void);

/**
 * Count what processes of the prefix have left in hugetlbfs and in the
 * directory for run-time files; print the names.
 */
unsigned int ferry_test_leftovers(void);

/** Remove what processes of the prefix have left. */
void ferry_test_clean(void);

/** The teardown of such a test: kill its processes and remove what they
 * left. */
int ferry_procs_end(void **state);

/** Memory that the forked processes share with the test, zeroed. */
void *ferry_test_shared(size_t size);

/** Why a test of several processes cannot work on this machine; NULL if it
 * can. */
const char *ferry_procs_skip_reason(void);

/** Skip the cmocka test that calls this if it cannot work on this machine. */
#define ferry_procs_need() do { \
	const char *reason_ = ferry_procs_skip_reason(); \
	if (reason_ != NULL) { \
		print_message("skipped: %s\n", reason_); \
		skip(); \
	} \
} while (0)

#endif /* FERRY_PROCS_H */
