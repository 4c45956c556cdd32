/* SPDX-License-Identifier: BSD-3-Clause */

#include <stddef.h>

#include "softdsa_guard.h"

#define TRAP_PAGE_FAULT 14
#define ERR_WRITE 2
/* What a function may use below its stack pointer, and some more. */
#define STACK_SKIP 256

struct guard {
	jmp_buf env;
	struct softdsa_access fault;
	/* Read by a handler of the same thread only. */
	bool armed;
};

/* Handlers must not make the linker allocate thread-local storage. */
static __thread struct guard guard __attribute__((tls_model("initial-exec")));

/* Runs instead of what faulted, after its handler has returned. */
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
	/* A jump from in here would leave signals blocked. As after a call. */
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
	/* Only the order seen by this thread's handlers matters. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	touch(arg);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&guard.armed, false, __ATOMIC_RELAXED);
	return true;
}
