/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "step_child.h"

static struct {
	uint32_t phase;
	int64_t report;
} *ours;

/* Shared by parent and child. Relaxed accesses are enough, because the two
 * never run at the same time. */
static void
phase_set(enum step_phase phase)
{
	__atomic_store_n(&ours->phase, phase, __ATOMIC_RELAXED);
}

enum step_phase
step_phase(void)
{
	return __atomic_load_n(&ours->phase, __ATOMIC_RELAXED);
}

void
step_done(void)
{
	phase_set(STEP_DONE);
}

void
step_report(int64_t result)
{
	__atomic_store_n(&ours->report, result, __ATOMIC_RELAXED);
}

int64_t
step_reported(void)
{
	return __atomic_load_n(&ours->report, __ATOMIC_RELAXED);
}

static void
child_run(void (*op)(void *arg), void *arg)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(1);
	raise(SIGSTOP);
	phase_set(STEP_AT_WORK);
	op(arg);
	step_done();
	_exit(0);
}

pid_t
step_start(void (*op)(void *arg), void *arg)
{
	int status;
	pid_t child;

	if (ours == NULL) {
		void *mem = mmap(NULL, sizeof(*ours), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (mem == MAP_FAILED)
			return -errno;
		ours = mem;
	}
	phase_set(STEP_NOT_YET);
	step_report(0);
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0)
		child_run(op, arg);
	if (waitpid(child, &status, 0) != child)
		return -errno;
	return WIFSTOPPED(status) ? child : -EPERM;
}

/* What has become of the child that was let go on. */
static int
child_wait(pid_t child, int *status)
{
	*status = 0;
	if (waitpid(child, status, 0) != child)
		return -1;
	if (WIFEXITED(*status))
		return 0;
	return WIFSTOPPED(*status) && WSTOPSIG(*status) == SIGTRAP ? 1 : -1;
}

int
step_one(pid_t child, int *status)
{
	if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) != 0)
		return -1;
	return child_wait(child, status);
}

int
step_rest(pid_t child, int *status)
{
	ptrace(PTRACE_DETACH, child, NULL, NULL);
	return child_wait(child, status);
}

void
step_kill(pid_t child)
{
	int status;

	kill(child, SIGKILL);
	while (waitpid(child, &status, 0) == child && !WIFEXITED(status) &&
			!WIFSIGNALED(status))
		;
}
