/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EAL_RIG_H
#define EAL_RIG_H

/* Tries to start EAL. Each try runs in a process of its own, because EAL can be
 * started only once in a process. Include after cmocka.h. */

#include "ferry_eal.h"
#include "ferry_procs.h"

/* What the process of a try reports. */
struct eal_outcome {
	int result;
	char words[sizeof(((struct ferry_eal_args *)0)->error)];
	int value;
};

/*
 * Run fn in a process of its own, which ends when fn returns. Returns what fn
 * wrote to out. fn must return within a minute.
 */
struct eal_outcome eal_try(void (*fn)(struct eal_outcome *out, void *arg),
		void *arg);

/* To be called by fn: start EAL with the test's file prefix and up to two more
 * options (NULL: none). */
void eal_rig_start(struct eal_outcome *out, struct ferry_eal_args *args,
		enum ferry_eal_role role, const char *option,
		const char *another);

/* Check that the start was refused with this result, and that its message is
 * one line that has these words. */
void eal_expect(struct eal_outcome out, int result, const char *words);

#endif /* EAL_RIG_H */
