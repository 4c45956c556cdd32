/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_GUARD_H
#define SOFTDSA_GUARD_H

/*
 * Touching memory that may not be there, as a device does: a fault becomes a
 * result. The handlers of SIGSEGV and SIGBUS (softdsa_portal.c) ask here first.
 */

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/* What a faulting access was. */
struct softdsa_access {
	uint64_t addr;
	/* False: the processor did not say (an address that cannot exist). */
	bool known;
	bool write;
};

/*
 * Run touch(arg). Only one level, and touch must not hold anything that it
 * would have to give back.
 *
 * Return true if it returned; false if it faulted, and then *fault tells where.
 */
bool softdsa_try(void (*touch)(void *arg), void *arg,
		struct softdsa_access *fault);

/* For a signal handler: whether a fault was in touch(). It is dealt with. */
bool softdsa_guard_caught(ucontext_t *uc);

#endif /* SOFTDSA_GUARD_H */
