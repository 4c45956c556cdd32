/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_TEST_H
#define FERRY_TEST_H

/**
 * @file
 * Functions that several tests need: an EAL, a clock, and patterns that show
 * which byte of a buffer is wrong. Include after the headers that cmocka.h asks
 * for.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * Start the EAL for a test of one process: memory of its own (--in-memory),
 * no PCI devices, no telemetry, warnings only. Once per process.
 *
 * @param lcores
 *   Argument of --lcores, such as "0" or "0@0,1@1"; NULL: lcore 0, not pinned
 *   to one CPU.
 * @param ...
 *   More EAL arguments (const char *), such as "--vdev=dma_skeleton", ended by
 *   NULL. They come last and so win over those above.
 * @return
 *   0 or negative errno.
 */
int ferry_test_eal_start(const char *lcores, ...) __attribute__((sentinel));

/**
 * Why ferry_test_eal_start() cannot work on this machine, such as
 * "no free 2 MiB hugepages"; NULL if it can. Constant text.
 */
const char *ferry_test_eal_skip_reason(void);

/**
 * Set-up of a cmocka group in which some tests need an EAL, if only for the
 * TSC's frequency. Starts EAL if that can work on this machine.
 */
int ferry_test_eal_setup(void **state);

/** Skip the cmocka test that calls this if there cannot be an EAL. */
#define ferry_test_need_eal() do { \
	const char *reason_ = ferry_test_eal_skip_reason(); \
	if (reason_ != NULL) { \
		print_message("skipped: %s\n", reason_); \
		skip(); \
	} \
} while (0)

/** CLOCK_MONOTONIC in nanoseconds. */
uint64_t ferry_test_now_ns(void);

/**
 * How long a test waits, in nanoseconds, for an event that must happen, before
 * it calls the wait a hang. On an idle machine the event takes a thousandth of
 * that or less.
 */
#define FERRY_TEST_HANG_NS UINT64_C(300000000000)

/**
 * CPU time that all other threads of the process use while the calling thread
 * spins. A thread that does not sleep uses about as much as the caller does,
 * unless it yields, whatever else runs on the machine.
 *
 * @param spin_ns
 *   CPU time of the calling thread, in nanoseconds.
 * @return
 *   CPU time of the others, in nanoseconds.
 */
uint64_t ferry_test_others_cpu_ns(uint64_t spin_ns);

/**
 * Wait until all other threads of the process sleep. They count as asleep when
 * they use less than a twentieth of the CPU time for which the calling thread
 * spins. They may sleep in naps of 100 ms.
 *
 * @return
 *   The share that they use in the end; 1 or more if they do not fall asleep.
 */
double ferry_test_await_sleep(void);

/**
 * Wait until the thread in which a process's hub watches its clients sleeps for
 * a second without waking up once.
 *
 * @return
 *   Whether it does so before the test's time limit.
 */
bool ferry_test_await_rest(pid_t pid);

/**
 * Count the entries, with "." and "..", of a process's directory in /proc: what
 * is "fd" or "task". Ends the test if the directory cannot be read.
 */
unsigned int ferry_test_entries(pid_t pid, const char *what);

/** CPUs this process may run on. */
unsigned int ferry_test_cpus(void);

/** Next value of a small random generator; *state may start at anything. */
uint64_t ferry_test_random(uint64_t *state);

/** Fill a buffer with the pattern of a seed. */
void ferry_test_fill(void *buf, size_t len, uint64_t seed);

/**
 * Compare a buffer with the pattern of a seed.
 *
 * @return
 *   Offset of the first byte that differs, or -1 if none does.
 */
int64_t ferry_test_check(const void *buf, size_t len, uint64_t seed);

#endif /* FERRY_TEST_H */
