/* SPDX-License-Identifier: BSD-3-Clause */

/* Which process a handle belongs to. test_bulk_peers tests what the memory of
 * other processes says of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/seccomp.h>

#include "ferry_errno.h"
#include "ferry_process.h"

/* What keeps the token is not the child's, nor that of a child's child. */
static void
a_forked_child_knows_what_is_not_its_own(void **state)
{
	const uint64_t mine = ferry_process_token();
	uint64_t childs;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(ferry_process_check(mine), 0);
	assert_int_equal(ferry_process_check(0), FERRY_E_FORKED);
	pid = fork();
	if (pid == 0) {
		childs = ferry_process_token();
		if (ferry_process_check(mine) != FERRY_E_FORKED ||
				ferry_process_check(childs) != 0)
			_exit(1);
		pid = fork();
		if (pid == 0)
			_exit(ferry_process_check(mine) != FERRY_E_FORKED ||
				ferry_process_check(childs) != FERRY_E_FORKED);
		_exit(waitpid(pid, &status, 0) != pid || status != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(ferry_process_check(mine), 0);
}

/* It stands before each control call, and in the soft DSA's signal handler. */
static void
to_look_makes_no_system_call(void **state)
{
	uint64_t mine;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		mine = ferry_process_token();
		/* From here on only read(), write() and exit() do not kill. */
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
			_exit(2);
		syscall(SYS_exit, ferry_process_check(mine) != 0 ||
			ferry_process_check(mine + 1) != FERRY_E_FORKED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forked_child_knows_what_is_not_its_own),
		cmocka_unit_test(to_look_makes_no_system_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
