/* SPDX-License-Identifier: BSD-3-Clause */

/* An application that has started EAL by itself. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_malloc.h>

#include "eal_rig.h"
#include "ferry_errno.h"

#define MIB ((size_t)1 << 20)

/* How many files of EAL a program that this process starts would have. */
static int
inherited(void)
{
	DIR *dir = opendir("/proc/self/fd");
	char name[64], path[256];
	struct dirent *e;
	int n = 0, fd;
	ssize_t len;

	while ((e = readdir(dir)) != NULL) {
		fd = atoi(e->d_name);
		if (!isdigit((unsigned char)e->d_name[0]) ||
				(fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0)
			continue;
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		len = readlink(name, path, sizeof(path) - 1);
		path[len > 0 ? len : 0] = '\0';
		n += strstr(path, ferry_test_prefix()) != NULL;
	}
	closedir(dir);
	return n;
}

static int
start(void)
{
	static char text[][32] = {
		"eal", "--no-pci", "--no-telemetry", "--log-level=critical",
		"--lcores=0@(0-1)",
	};
	char prefix[96], *argv[RTE_DIM(text) + 2];
	int argc;

	for (argc = 0; argc < (int)RTE_DIM(text); argc++)
		argv[argc] = text[argc];
	snprintf(prefix, sizeof(prefix), "--file-prefix=%s",
		ferry_test_prefix());
	argv[argc++] = prefix;
	argv[argc] = NULL;
	return rte_eal_init(argc, argv) < 0 ? __LINE__ : 0;
}

static void
start_and_adopt(struct eal_outcome *out, void *arg)
{
	(void)arg;
	out->result = start();
	/* Some of its pages are EAL's own, more come with the heap. */
	if (out->result == 0 && rte_malloc(NULL, 4 * MIB, 0) == NULL)
		out->result = __LINE__;
	if (out->result != 0)
		return;
	/* EAL leaves them open, or this test shows nothing. */
	if (inherited() == 0)
		out->result = __LINE__;
	/* As a daemon; what is opened for a moment is descriptor 0. */
	close(STDIN_FILENO);
	if (ferry_eal_adopt(out->words, sizeof(out->words)) != 0)
		out->result = __LINE__;
	if (fcntl(STDIN_FILENO, F_GETFD) >= 0)
		out->result = __LINE__;
	out->value = inherited();
	rte_eal_cleanup();
}

/* As daemon() does, after EAL's start and before any call of ferry. */
static void
start_and_fork(struct eal_outcome *out, void *arg)
{
	int status = -1;
	pid_t pid;

	(void)arg;
	out->result = start();
	if (out->result != 0)
		return;
	pid = fork();
	if (pid == 0)
		_exit(ferry_eal_adopt(NULL, 0) == FERRY_E_FORKED ? 0 : 1);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		out->result = __LINE__;
	/* In its own process EAL works. */
	if (ferry_eal_adopt(out->words, sizeof(out->words)) != 0)
		out->result = __LINE__;
	rte_eal_cleanup();
}

static void
its_files_are_not_inherited_by_programs_that_it_starts(void **state)
{
	struct eal_outcome out;

	(void)state;
	ferry_procs_need();
	out = eal_try(start_and_adopt, NULL);
	ferry_test_clean();
	eal_expect(out, 0, "");
	assert_int_equal(out.value, 0);
}

static void
it_cannot_be_used_in_a_fork(void **state)
{
	struct eal_outcome out;

	(void)state;
	ferry_procs_need();
	out = eal_try(start_and_fork, NULL);
	ferry_test_clean();
	eal_expect(out, 0, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			its_files_are_not_inherited_by_programs_that_it_starts),
		cmocka_unit_test(it_cannot_be_used_in_a_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
