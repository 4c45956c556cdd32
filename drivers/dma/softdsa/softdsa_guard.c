/* SPDX-License-Identifier: BSD-3-Clause */

#include <stddef.h>

#include "softdsa_guard.h"

#define TRAP_PAGE_FAULT 14
#define ERR_WRITE 2
/* A function may use some bytes below its stack pointer. This is more than
 * that. */
#define STACK_SKIP 256

struct guard {
	jmp_buf env;
	struct softdsa_access fault;
	/* Only a signal handler in the same thread reads it. */
	bool armed;
};

/* With this model, an access from a signal handler does not make the dynamic
 * linker allocate thread-local storage. */
static __thread struct guard guard __attribute__((tls_model("initial-exec")));

/* The thread continues here, in place of the access that faulted, after the
 * signal handler has returned. */
static void __attribute__((noreturn))
landing(void)
{
	longjmp(guard.env, 1);
}

bool
softdsa_guard_caught(ucontext_t *uc)
{
	greg_t *regs = uc->uc_mcontext.gregs;

	if (!__atomic_load_n(&guard.armed, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&guard.armed, false, __ATOMIC_RELAXED);
	guard.fault = (struct softdsa_access) {
		.addr = (uint64_t)regs[REG_CR2],
		.known = regs[REG_TRAPNO] == TRAP_PAGE_FAULT,
		.write = regs[REG_ERR] & ERR_WRITE,
	};
	/* Do not jump from the handler, because that would leave signals
	 * blocked. Instead, return to landing(), with the stack pointer as
	 * after a call. */
	regs[REG_RSP] = ((regs[REG_RSP] - STACK_SKIP) & ~(greg_t)15) - 8;
	regs[REG_RIP] = (greg_t)(uintptr_t)landing;
	return true;
}

bool
softdsa_try(void (*touch)(void *arg), void *arg, struct softdsa_access *fault)
{
	if (_setjmp(guard.env) != 0) {
		*fault = guard.fault;
		return false;
	}
	__atomic_store_n(&guard.armed, true, __ATOMIC_RELAXED);
	/* A signal fence is enough, because only the order that this thread's
	 * signal handlers see matters. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	touch(arg);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&guard.armed, false, __ATOMIC_RELAXED);
	return true;
}
