/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STEP_H
#define STEP_H

/**
 * @file
 * The processor steps through a call, instruction by instruction, up to one of
 * them. There the thread sleeps, or its process is killed. A timer would seldom
 * strike between two stores; this strikes there as often as anywhere else.
 *
 * Not around calls that block all signals: the kernel ends a process whose trap
 * is blocked.
 */

#include <pthread.h>
#include <stdint.h>

/** Once in a process, before the others. */
void step_init(void);

/** The calling thread sleeps for ns after so many instructions, from 1 up. */
void step_sleep(uint32_t instructions, uint32_t ns);

/** The process is killed after so many instructions. */
void step_kill(uint32_t instructions);

/** The call is over: what has not happened by now does not. */
void step_end(void);

/** Another thread of the process sleeps for ns, wherever it is. */
void step_sleep_thread(pthread_t thread, uint32_t ns);

#endif /* STEP_H */
