/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STEP_CHILD_H
#define STEP_CHILD_H

/**
 * @file
 * An operation in a child process, one machine instruction at a time. One such
 * child at once: where it is and what it reports is in memory of both.
 */

#include <stdint.h>
#include <sys/types.h>

enum step_phase {
	STEP_NOT_YET,
	STEP_AT_WORK,
	STEP_DONE,
};

/**
 * Start a child that stands before op(arg), and exits behind it.
 *
 * @return
 *   Its process; a negative errno: -EPERM if ptrace is not allowed.
 */
pid_t step_start(void (*op)(void *arg), void *arg);

/**
 * Let it take a step.
 *
 * @param[out] status
 *   As of waitpid().
 * @return
 *   1: it stands again; 0: it has exited; -1: it crashed.
 */
int step_one(pid_t child, int *status);

/** Let it go on at full speed until its end; returns as step_one(). */
int step_rest(pid_t child, int *status);

void step_kill(pid_t child);

/** Where the child is, in op() or before it or behind. */
enum step_phase step_phase(void);

/** For the operation, in the child: what follows is of no interest. */
void step_done(void);

/** For the operation, in the child: what step_reported() is to be, 0 if not. */
void step_report(int64_t result);
int64_t step_reported(void);

#endif /* STEP_CHILD_H */
