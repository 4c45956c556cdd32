/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EAL_RIG_H
#define EAL_RIG_H

/* EAL can be started once in a process: each try gets one of its own. Include
 * after cmocka.h. */

#include "ferry_eal.h"
#include "ferry_procs.h"

/* What a process has found out. */
struct eal_outcome {
	int result;
	char words[sizeof(((struct ferry_eal_args *)0)->error)];
	int value;
};

/*
 * Run fn in a process of its own, which ends with it: what it has found out. It
 * must return within a minute.
 */
struct eal_outcome eal_try(void (*fn)(struct eal_outcome *out, void *arg),
		void *arg);

/* For such a process: start EAL with the test's file prefix and up to two more
 * options (NULL: none). */
void eal_rig_start(struct eal_outcome *out, struct ferry_eal_args *args,
		enum ferry_eal_role role, const char *option,
		const char *another);

/* The start was refused with that result, in one line that has these words. */
void eal_expect(struct eal_outcome out, int result, const char *words);

#endif /* EAL_RIG_H */
