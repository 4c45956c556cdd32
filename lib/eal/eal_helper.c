/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * EAL's locks lie in memory that all processes share. One that a process held
 * when it was killed is held for ever, and who wants it polls for ever. So
 * calls that may want one are made by a thread that can be left behind.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_malloc.h>

#include "eal_private.h"

/* How many calls have not ended: EAL is one per process, and so are these. */
static unsigned int busy;

struct call {
	void (*fn)(void *arg);
	void *arg;
};

static void *
helper(void *arg)
{
	struct call *call = arg;

	call->fn(call->arg);
	free(call);
	/* A: after the call, whose memory may then go. */
	__atomic_sub_fetch(&busy, 1, __ATOMIC_RELEASE);
	return NULL;
}

bool
eal_helper_busy(void)
{
	/* Pairs with A. */
	return __atomic_load_n(&busy, __ATOMIC_ACQUIRE) != 0;
}

static int
start(pthread_t *thread, struct call *call)
{
	sigset_t all, old;
	int ret;

	/* Signals are for the application's threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	__atomic_add_fetch(&busy, 1, __ATOMIC_RELAXED);
	ret = pthread_create(thread, NULL, helper, call);
	if (ret != 0)
		__atomic_sub_fetch(&busy, 1, __ATOMIC_RELAXED);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

int
eal_helper_call(const char *what, void (*fn)(void *arg), void *arg)
{
	const struct sched_param none = { 0 };
	struct call *call = malloc(sizeof(*call));
	struct timespec end;
	pthread_t thread;

	if (call == NULL)
		return -EAGAIN;
	call->fn = fn;
	call->arg = arg;
	if (start(&thread, call) != 0) {
		free(call);
		EAL_LOG(ERR, "%s is left out: there is no thread to be had",
			what);
		return -EAGAIN;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += EAL_PATIENCE_MS % 1000 * 1000000L;
	end.tv_sec += EAL_PATIENCE_MS / 1000 + end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &end) == 0)
		return 0;
	/* It polls if it waits for a lock: only when a CPU has nothing else. */
	pthread_setschedparam(thread, SCHED_IDLE, &none);
	pthread_detach(thread);
	EAL_LOG(ERR, "%s did not end within %d ms: a process that was killed may "
		"hold EAL's lock. If this comes again, end all processes of the "
		"file prefix and start the hub again", what, EAL_PATIENCE_MS);
	return -ETIMEDOUT;
}

#define FREE_MAX 4

static void
free_all(void *arg)
{
	void **pointers = arg;
	int i;

	for (i = 0; i < FREE_MAX; i++)
		rte_free(pointers[i]);
	free(pointers);
}

int
ferry_eal_free(void *const pointers[], uint32_t n)
{
	void **copy;
	int ret;

	if (n > FREE_MAX)
		return -EINVAL;
	/* It would wait behind the one before. */
	if (eal_helper_busy())
		return -ETIMEDOUT;
	copy = calloc(FREE_MAX, sizeof(*copy));
	if (copy == NULL)
		return -EAGAIN;
	memcpy(copy, pointers, n * sizeof(*copy));
	ret = eal_helper_call("giving memory back to EAL", free_all, copy);
	if (ret == -EAGAIN)
		free(copy);
	return ret;
}
