/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "step.h"

/* The flag that makes the processor trap after each instruction. */
#define TRAP_FLAG 0x100
/* Sent to a thread that is to sleep. */
#define SLEEP_SIGNAL (SIGRTMIN + 3)

/* Of the calling thread. left 0: it does not step. */
static __thread struct {
	uint32_t left;
	uint32_t ns;
	bool kills;
} step;

static void
on_step(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	const struct timespec pause = { 0, step.ns };
	const int before = errno;

	(void)signal;
	(void)info;
	if (step.left > 1) {
		step.left--;
		return;
	}
	uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	if (step.left == 0)
		return;
	step.left = 0;
	if (step.kills)
		raise(SIGKILL);
	nanosleep(&pause, NULL);
	errno = before;
}

/* For how long the threads sleep that are told to. */
static uint32_t thread_ns;

static void
on_sleep(int signal)
{
	const struct timespec pause = {
		0, __atomic_load_n(&thread_ns, __ATOMIC_RELAXED),
	};
	const int before = errno;

	(void)signal;
	nanosleep(&pause, NULL);
	errno = before;
}

void
step_init(void)
{
	struct sigaction action = {
		.sa_sigaction = on_step, .sa_flags = SA_SIGINFO,
	};
	struct sigaction sleeps = {
		.sa_handler = on_sleep, .sa_flags = SA_RESTART,
	};

	sigemptyset(&action.sa_mask);
	sigaction(SIGTRAP, &action, NULL);
	sigemptyset(&sleeps.sa_mask);
	sigaction(SLEEP_SIGNAL, &sleeps, NULL);
}

static void
begin(uint32_t instructions)
{
	step.left = instructions;
	/* Below the red zone, in which the compiler may keep something. */
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
			"pushfq\n\t"
			"orq %0, (%%rsp)\n\t"
			"popfq\n\t"
			"lea 128(%%rsp), %%rsp" : : "i"(TRAP_FLAG) :
			"memory", "cc");
}

void
step_sleep(uint32_t instructions, uint32_t ns)
{
	step.ns = ns;
	step.kills = false;
	begin(instructions);
}

void
step_kill(uint32_t instructions)
{
	step.kills = true;
	begin(instructions);
}

void
step_end(void)
{
	/* The next trap, if there is one, sees this. */
	step.left = 0;
}

void
step_sleep_thread(pthread_t thread, uint32_t ns)
{
	__atomic_store_n(&thread_ns, ns, __ATOMIC_RELAXED);
	pthread_kill(thread, SLEEP_SIGNAL);
}
