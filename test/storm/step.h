/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STEP_H
#define STEP_H

/**
 * @file
 * Makes the processor step through a call, instruction by instruction, up to a
 * chosen one. There the thread sleeps, or its process is killed. A timer would
 * seldom strike between two stores. This strikes there as often as anywhere
 * else.
 *
 * Must not be used around calls that block all signals, because the kernel ends
 * a process whose trap is blocked.
 */

#include <pthread.h>
#include <stdint.h>

/** To be called once in a process, before the other functions. */
void step_init(void);

/** Let the calling thread sleep for ns after so many instructions (from 1). */
void step_sleep(uint32_t instructions, uint32_t ns);

/** Let the process be killed after so many instructions. */
void step_kill(uint32_t instructions);

/** The call is over: cancel a sleep or kill that has not happened by now. */
void step_end(void);

/** Let another thread of the process sleep for ns, wherever it is. */
void step_sleep_thread(pthread_t thread, uint32_t ns);

#endif /* STEP_H */
