/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_GUARD_H
#define SOFTDSA_GUARD_H

/*
 * Touches memory that may not exist, as a device does. A fault becomes a
 * result. The handlers of SIGSEGV and SIGBUS (softdsa_portal.c) first ask
 * softdsa_guard_caught().
 */

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/* An access that faulted. */
struct softdsa_access {
	uint64_t addr;
	/* False: the processor did not report the address, because such an
	 * address cannot exist. */
	bool known;
	bool write;
};

/*
 * Call touch(arg). touch must not call softdsa_try(), and must not hold a lock
 * or another resource, because a fault ends it at once.
 *
 * Returns true if touch returned; false if it faulted, with the access in
 * *fault.
 */
bool softdsa_try(void (*touch)(void *arg), void *arg,
		struct softdsa_access *fault);

/* For a signal handler: whether the fault was in touch(). If so, the handler
 * need do no more than return. */
bool softdsa_guard_caught(ucontext_t *uc);

#endif /* SOFTDSA_GUARD_H */
