/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STEP_CHILD_H
#define STEP_CHILD_H

/**
 * @file
 * Runs an operation in a child process, one machine instruction at a time.
 * There is one such child at a time, because its phase and its report are in
 * one piece of memory that both processes share.
 */

#include <stdint.h>
#include <sys/types.h>

enum step_phase {
	STEP_NOT_YET,
	STEP_AT_WORK,
	STEP_DONE,
};

/**
 * Start a child that stops before op(arg), and exits after it.
 *
 * @return
 *   The child's pid, or a negative errno: -EPERM if ptrace is not allowed.
 */
pid_t step_start(void (*op)(void *arg), void *arg);

/**
 * Let the child execute one instruction.
 *
 * @param[out] status
 *   What waitpid() wrote.
 * @return
 *   1: it has stopped again; 0: it has exited; -1: it crashed.
 */
int step_one(pid_t child, int *status);

/** Let the child go on at full speed until its end. Returns as step_one(). */
int step_rest(pid_t child, int *status);

void step_kill(pid_t child);

/** Whether the child is before op(), in it, or behind it. */
enum step_phase step_phase(void);

/** The operation calls this, in the child, when its last instruction of
 * interest is done. */
void step_done(void);

/** The operation calls this, in the child, to set what step_reported() returns
 * in the parent. If it does not, step_reported() returns 0. */
void step_report(int64_t result);
int64_t step_reported(void);

#endif /* STEP_CHILD_H */
