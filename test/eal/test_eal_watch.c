/* SPDX-License-Identifier: BSD-3-Clause */

/* The time limit of EAL's start, with calls that would wait for ever. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal_memconfig.h>

#include "eal_private.h"
#include "eal_rig.h"
#include "ferry_test.h"

#define LIMIT_MS 300

/* Names of files are longer than a path can be. */
static bool no_names;

/* In place of the C library's. */
ssize_t
readlink(const char *path, char *buf, size_t len)
{
	if (!no_names)
		return syscall(SYS_readlink, path, buf, len);
	errno = ENAMETOOLONG;
	return -1;
}

static int
returns(void *arg)
{
	return *(int *)arg;
}

/* Longer than the limit, but never in one wait. */
static int
takes_its_time(void *arg)
{
	int i;

	for (i = 0; i < 2 * LIMIT_MS; i++)
		usleep(1000 + (unsigned int)i);
	return *(int *)arg;
}

#define PAGE (UINT64_C(2) << 20)
#define PAGES 20

static uint64_t
ms(void)
{
	return ferry_test_now_ns() / 1000000;
}

/* Longer than the limit, without a wait: each page takes a part of it, as where
 * the kernel clears many. */
static int
takes_pages(void *arg)
{
	uint64_t end;
	uint8_t *mem;
	int i;

	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	for (i = 0; i < PAGES; i++) {
		mem[i * PAGE] = 1;
		for (end = ms() + 4 * *(uint32_t *)arg / PAGES; ms() < end;)
			;
	}
	return 0;
}

static int
waits_for_a_lock(void *arg)
{
	return flock(*(int *)arg, LOCK_EX) == 0 ? 0 : -errno;
}

/* As EAL's sendmsg() and its loop. */
static int
waits_again_when_interrupted(void *arg)
{
	char byte;

	while (read(*(int *)arg, &byte, 1) < 0 && errno == EINTR)
		;
	return 0;
}

/* The first lock is its own. */
static int
polls_a_lock_in_memory(void *arg)
{
	(void)arg;
	rte_mcfg_mem_write_lock();
	rte_mcfg_mem_write_lock();
	return 0;
}

struct what {
	int (*fn)(void *arg);
	void *arg;
	uint32_t limit_ms;
};

static void
watch(struct eal_outcome *out, void *arg)
{
	const unsigned int fds = ferry_test_entries(getpid(), "fd");
	struct sigaction before, after;
	struct what *what = arg;

	sigaction(SIGURG, NULL, &before);
	out->result = eal_watch(what->fn, what->arg, what->limit_ms, out->words,
		sizeof(out->words));
	sigaction(SIGURG, NULL, &after);
	out->value = before.sa_handler == after.sa_handler &&
		ferry_test_entries(getpid(), "fd") == fds;
}

static struct eal_outcome
watched(int (*fn)(void *arg), void *arg)
{
	struct what what = { fn, arg, LIMIT_MS };
	struct eal_outcome out = eal_try(watch, &what);

	/* The signal is the application's again, and no descriptor is left. */
	assert_true(out.value);
	return out;
}

static void
what_gets_on_is_left_alone(void **state)
{
	int value = 17;

	(void)state;
	eal_expect(watched(returns, &value), 17, "");
	value = -EBUSY;
	eal_expect(watched(takes_its_time, &value), -EBUSY, "");
}

static void
memory_that_comes_is_progress(void **state)
{
	/* Far more than a page's part of it, also on a loaded machine. */
	uint32_t limit_ms = 2000;
	struct what what = { takes_pages, &limit_ms, limit_ms };

	(void)state;
	ferry_procs_need();
	eal_expect(eal_try(watch, &what), 0, "");
}

static void
a_lock_of_another_process_is_told_with_its_name(void **state)
{
	char path[] = "/tmp/ferry-watch-XXXXXX", who[64];
	int held = mkstemp(path), other = open(path, O_RDWR);
	struct eal_outcome out, nameless;

	(void)state;
	assert_true(held >= 0 && other >= 0);
	assert_int_equal(flock(held, LOCK_EX), 0);
	out = watched(waits_for_a_lock, &other);
	no_names = true;
	nameless = watched(waits_for_a_lock, &other);
	no_names = false;
	unlink(path);
	close(held);
	close(other);
	eal_expect(out, -ETIMEDOUT, path);
	snprintf(who, sizeof(who), "process %d (", (int)getpid());
	eal_expect(out, -ETIMEDOUT, who);
	/* Also if the file's own name cannot be told. */
	eal_expect(nameless, -ETIMEDOUT, "the lock of a file, which process");
	eal_expect(nameless, -ETIMEDOUT, who);
}

static void
a_system_call_that_is_made_again_ends(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	eal_expect(watched(waits_again_when_interrupted, &fds[0]), -ETIMEDOUT,
		"for an answer of the hub");
	close(fds[0]);
	close(fds[1]);
}

static void
a_lock_in_memory_that_nobody_gives_up_ends(void **state)
{
	(void)state;
	eal_expect(watched(polls_a_lock_in_memory, NULL), -ETIMEDOUT,
		"start the hub again");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_gets_on_is_left_alone),
		cmocka_unit_test(memory_that_comes_is_progress),
		cmocka_unit_test(
			a_lock_of_another_process_is_told_with_its_name),
		cmocka_unit_test(a_system_call_that_is_made_again_ends),
		cmocka_unit_test(a_lock_in_memory_that_nobody_gives_up_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
