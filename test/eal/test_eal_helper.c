/* SPDX-License-Identifier: BSD-3-Clause */

/* The helper for EAL calls that may never return, tested without EAL: it gives
 * its memory back. */

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_pause.h>

#include "eal_private.h"
#include "ferry_test.h"

#define MIB (UINT64_C(1) << 20)

/* EAL's heap: what it says of each block, how long it takes to clear one, and
 * whether it waits for a lock. */
static size_t block_size;
static unsigned int clear_us;
static uint32_t locked;
static uint32_t n_freed;

/* In place of EAL's. */
int
rte_malloc_validate(const void *mem, size_t *size)
{
	*size = block_size;
	return mem != NULL ? 0 : -1;
}

void
rte_free(void *mem)
{
	if (mem == NULL)
		return;
	usleep(clear_us);
	while (__atomic_load_n(&locked, __ATOMIC_ACQUIRE) != 0)
		usleep(1000);
	__atomic_add_fetch(&n_freed, 1, __ATOMIC_RELEASE);
}

/* What the kernel says of each thread: that it was ready to run and got no CPU,
 * all the time. */
static bool starved;

FILE *fopen64(const char *path, const char *mode);
FILE *
fopen64(const char *path, const char *mode)
{
	static char text[] = "1 999999999999 1\n";
	FILE *(*next)(const char *path, const char *mode);

	if (starved && strstr(path, "/schedstat") != NULL)
		return fmemopen(text, strlen(text), "r");
	*(void **)&next = dlsym(RTLD_NEXT, "fopen64");
	assert_non_null(next);
	return next(path, mode);
}

static uint32_t
freed(void)
{
	return __atomic_load_n(&n_freed, __ATOMIC_ACQUIRE);
}

static void
await_end(void)
{
	const uint64_t end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;

	while (eal_helper_busy()) {
		assert_true(ferry_test_now_ns() < end);
		usleep(1000);
	}
}

static void
much_memory_has_the_time_that_clearing_it_takes(void **state)
{
	int block;
	void *const mem[] = { &block, NULL };

	(void)state;
	/* It takes longer than a call has that gives nothing back, and far less
	 * than 60 GiB have. */
	n_freed = 0;
	block_size = 60 * 1024 * MIB;
	clear_us = 1000 * EAL_PATIENCE_MAX_MS * 3 / 2;
	assert_int_equal(ferry_eal_free(mem, RTE_DIM(mem)), 0);
	assert_int_equal(freed(), 1);
	assert_false(eal_helper_busy());
	clear_us = 0;
}

static void
what_a_lock_keeps_is_given_back_later(void **state)
{
	int block[3];
	void *const first[] = { &block[0], &block[1] };
	void *const second[] = { &block[2] };

	(void)state;
	n_freed = 0;
	block_size = 1;
	__atomic_store_n(&locked, 1, __ATOMIC_RELEASE);
	assert_int_equal(ferry_eal_free(first, RTE_DIM(first)), -ETIMEDOUT);
	assert_true(eal_helper_busy());
	/* Does not wait behind it. */
	assert_int_equal(ferry_eal_free(second, RTE_DIM(second)), -ETIMEDOUT);
	assert_int_equal(freed(), 0);
	__atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
	await_end();
	assert_int_equal(freed(), 2);
	assert_int_equal(ferry_eal_free(NULL, 0), 0);
	assert_int_equal(freed(), 3);
	assert_int_equal(ferry_eal_free(NULL, 0), 0);
	assert_int_equal(freed(), 3);
}

/* Left behind, it would hold EAL's lock when the process ends. */
static void
a_call_that_gets_no_cpu_is_waited_for(void **state)
{
	int block;
	void *const mem[] = { &block };

	(void)state;
	n_freed = 0;
	block_size = 1;
	clear_us = 1000 * EAL_PATIENCE_MAX_MS * 3 / 2;
	starved = true;
	assert_int_equal(ferry_eal_free(mem, RTE_DIM(mem)), 0);
	assert_int_equal(freed(), 1);
	assert_false(eal_helper_busy());
	/* One that waits though it would get one is not. */
	starved = false;
	clear_us = 0;
	__atomic_store_n(&locked, 1, __ATOMIC_RELEASE);
	assert_int_equal(ferry_eal_free(mem, RTE_DIM(mem)), -ETIMEDOUT);
	__atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
	await_end();
	assert_int_equal(freed(), 2);
}

/* EAL's code is this test's. */
enum rte_proc_type_t
rte_eal_process_type(void)
{
	return RTE_PROC_PRIMARY;
}

static uint32_t got_it;

/* As EAL waits for a lock, and then has it. */
static void
poll_lock(void *arg)
{
	(void)arg;
	while (__atomic_load_n(&locked, __ATOMIC_ACQUIRE) != 0)
		rte_pause();
	__atomic_store_n(&got_it, 1, __ATOMIC_RELEASE);
}

/* Not in a loop of this program's code. */
static void
work_long(void *arg)
{
	const uint64_t end = ferry_test_now_ns() +
		EAL_PATIENCE_MAX_MS * UINT64_C(2000000);
	static char bytes[65536];

	while (ferry_test_now_ns() < end)
		assert_true(getrandom(bytes, sizeof(bytes), 0) > 0);
	poll_lock(arg);
}

/* Else it could get the lock when the process ends, and take it along. */
static void
the_last_call_does_not_get_a_lock_that_was_given_up(void **state)
{
	(void)state;
	got_it = 0;
	__atomic_store_n(&locked, 1, __ATOMIC_RELEASE);
	assert_int_equal(eal_helper_call("the end", poll_lock, NULL, 0, true),
		-ETIMEDOUT);
	/* No thread of it is left. */
	assert_false(eal_helper_busy());
	__atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
	usleep(200000);
	assert_int_equal(got_it, 0);
}

static void
a_last_call_that_works_is_waited_for(void **state)
{
	(void)state;
	got_it = 0;
	__atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
	assert_int_equal(eal_helper_call("the end", work_long, NULL, 0, true),
		0);
	assert_int_equal(got_it, 1);
	assert_false(eal_helper_busy());
}

static void
mask_get(void *arg)
{
	pthread_sigmask(SIG_SETMASK, NULL, arg);
}

static void
signals_are_for_the_applications_threads(void **state)
{
	sigset_t before, after, mask;
	int signal;

	(void)state;
	mask_get(&before);
	assert_int_equal(eal_helper_call("a look", mask_get, &mask, 0, false),
		0);
	for (signal = 1; signal < SIGRTMAX; signal++)
		/* Nothing can block these; glibc keeps two for itself. */
		if (signal != SIGKILL && signal != SIGSTOP &&
				(signal < 32 || signal >= SIGRTMIN))
			assert_true(sigismember(&mask, signal));
	mask_get(&after);
	for (signal = 1; signal < SIGRTMAX; signal++)
		assert_int_equal(sigismember(&after, signal),
			sigismember(&before, signal));
}

static void
without_eal_no_memory_is_no_fault_of_descriptors(void **state)
{
	(void)state;
	assert_int_equal(ferry_eal_memory_error(MIB), -ENOMEM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			much_memory_has_the_time_that_clearing_it_takes),
		cmocka_unit_test(what_a_lock_keeps_is_given_back_later),
		cmocka_unit_test(a_call_that_gets_no_cpu_is_waited_for),
		cmocka_unit_test(
			the_last_call_does_not_get_a_lock_that_was_given_up),
		cmocka_unit_test(a_last_call_that_works_is_waited_for),
		cmocka_unit_test(signals_are_for_the_applications_threads),
		cmocka_unit_test(
			without_eal_no_memory_is_no_fault_of_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
