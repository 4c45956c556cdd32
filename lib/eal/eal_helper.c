/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * EAL's locks lie in memory that all processes share. If a process is killed
 * while it holds such a lock, the lock stays held for ever. A thread that wants
 * the lock then polls for ever. So a helper thread makes the calls that may
 * want such a lock. The caller can leave that thread behind.
 *
 * The lock may also be held by a process that lives: when many processes end at
 * the same time, each waits for the others. If a helper thread was left behind
 * in EAL's end, it could get the lock just when its own process ends. Then the
 * lock would stay held for ever. So a helper thread in EAL's end is stopped
 * instead, but only while it polls.
 *
 * Edges:
 *
 *    H1 thread: busy (release)           eal_helper_busy(): the call is over
 *    H2 both: over (acq_rel)             the other one: who frees the call
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "eal_private.h"

/* A helper thread that has used a CPU for so long is assumed to poll. */
#define EAL_POLLED_MS 100

/* How many calls have not ended. It is a global variable, because a process has
 * only one EAL. */
static unsigned int busy;

struct call {
	void (*fn)(void *arg);
	void *arg;
	/* The process calls no function of EAL after this call. */
	bool last;
	/* on_signal() has stopped the call. */
	bool stopped;
	/* Thread id of the helper thread; 0: it does not run yet. */
	int tid;
	/* 1: the caller or the helper thread no longer uses this struct. The
	 * second of the two frees it. */
	uint32_t over;
};

/* The kernel ignores this signal in a process that has no handler for it. */
#define SIGNAL SIGURG
/* The helper thread polls if LOOP_SEEN looks in a row find its program counter
 * within LOOP_BYTES bytes of EAL's code. */
#define LOOP_BYTES 128
#define LOOP_SEEN 4

/* State of the helper thread that makes the last call. It is a global variable,
 * because a signal handler gets no argument. A process has one last call. */
static struct {
	int tid;
	struct eal_code code;
	uintptr_t at;
	unsigned int seen;
	sigjmp_buf out;
} end;

static void
on_signal(int signal, siginfo_t *info, void *context)
{
	const uintptr_t at = eal_code_counter(context);

	(void)signal;
	(void)info;
	if (gettid() != __atomic_load_n(&end.tid, __ATOMIC_RELAXED))
		return;
	if (at < end.code.first || at >= end.code.last ||
			at - end.at + LOOP_BYTES > 2 * LOOP_BYTES)
		end.seen = 0;
	end.at = at;
	/* A thread that polls for the lock does not hold it. So it may be
	 * stopped. */
	if (++end.seen >= LOOP_SEEN && at >= end.code.first &&
			at < end.code.last)
		siglongjmp(end.out, 1);
}

/* Make the last call. on_signal() may jump out of it. EAL is then left in the
 * state in which it was. */
static void
call_last(struct call *call)
{
	struct sigaction action = { .sa_sigaction = on_signal }, before;
	sigset_t mask;

	action.sa_flags = SA_SIGINFO | SA_RESTART;
	sigemptyset(&action.sa_mask);
	sigemptyset(&mask);
	sigaddset(&mask, SIGNAL);
	eal_code_find(&end.code);
	end.at = end.seen = 0;
	sigaction(SIGNAL, &action, &before);
	if (sigsetjmp(end.out, 1) == 0) {
		/* From here on on_signal() may stop this thread. */
		__atomic_store_n(&end.tid, gettid(), __ATOMIC_RELAXED);
		pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
		call->fn(call->arg);
		pthread_sigmask(SIG_BLOCK, &mask, NULL);
	} else {
		call->stopped = true;
	}
	__atomic_store_n(&end.tid, 0, __ATOMIC_RELAXED);
	sigaction(SIGNAL, &before, NULL);
}

static void *
helper(void *arg)
{
	struct call *call = arg;

	__atomic_store_n(&call->tid, gettid(), __ATOMIC_RELAXED);
	if (call->last)
		call_last(call);
	else
		call->fn(call->arg);
	/* H1: after the call. The memory that the call used may be freed when
	 * eal_helper_busy() has seen this. */
	__atomic_sub_fetch(&busy, 1, __ATOMIC_RELEASE);
	/* H2: pairs with H2 in join(). */
	if (__atomic_exchange_n(&call->over, 1, __ATOMIC_ACQ_REL) != 0)
		free(call);
	return NULL;
}

bool
eal_helper_busy(void)
{
	/* H1 */
	return __atomic_load_n(&busy, __ATOMIC_ACQUIRE) != 0;
}

static int
start(pthread_t *thread, struct call *call)
{
	sigset_t all, old;
	int ret;

	/* Block all signals in the helper thread: the application's threads
	 * handle them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	__atomic_add_fetch(&busy, 1, __ATOMIC_RELAXED);
	ret = pthread_create(thread, NULL, helper, call);
	if (ret != 0)
		__atomic_sub_fetch(&busy, 1, __ATOMIC_RELAXED);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

/* How many milliseconds a thread has used a CPU. */
static long
used_ms(pthread_t thread)
{
	struct timespec ts;
	clockid_t clock;

	if (pthread_getcpuclockid(thread, &clock) != 0 ||
			clock_gettime(clock, &ts) != 0)
		return EAL_POLLED_MS;
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* For how many of the "waited" milliseconds the helper thread was ready to run
 * and got no CPU. All of them if it has not run yet. */
static uint64_t
starved_ms(const struct call *call, uint64_t waited)
{
	const int tid = __atomic_load_n(&call->tid, __ATOMIC_RELAXED);
	char path[64];
	uint64_t ns;
	FILE *f;
	int n;

	if (tid == 0)
		return waited;
	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", tid);
	f = fopen(path, "re");
	/* A kernel without schedstat: assume that the thread got a CPU. */
	if (f == NULL)
		return 0;
	n = fscanf(f, "%*u %" SCNu64, &ns);
	fclose(f);
	return n == 1 ? RTE_MIN(ns / 1000000, waited) : 0;
}

/*
 * Whether the caller should stop waiting for the helper thread. A thread that
 * polls waits for a lock. A thread that does not poll may hold a lock. If it
 * was left behind and the process ended, the lock would stay held for ever. So
 * time in which the thread got no CPU does not count, up to a limit. In the
 * last call, time in which the thread used a CPU does not count, either.
 */
static bool
is_enough(pthread_t thread, const struct call *call, uint64_t waited,
		uint64_t work_ms)
{
	uint64_t busy_ms;

	if (waited >= EAL_PATIENCE_MS + work_ms &&
			used_ms(thread) >= (long)(EAL_POLLED_MS + work_ms)) {
		if (!call->last)
			return true;
		syscall(SYS_tgkill, getpid(), call->tid, SIGNAL);
	}
	if (waited < EAL_PATIENCE_MAX_MS + work_ms)
		return false;
	busy_ms = starved_ms(call, waited);
	if (call->last)
		busy_ms += (uint64_t)used_ms(thread);
	return waited >= EAL_STARVED_MAX_MS + work_ms ||
		waited >= EAL_PATIENCE_MAX_MS + work_ms + busy_ms;
}

/* Wait for the helper thread. Returns whether it has ended. *stopped: it ended
 * because on_signal() stopped its call. */
static bool
join(pthread_t thread, struct call *call, long work_ms, bool *stopped)
{
	const struct timespec nap = { .tv_nsec = 1000000 };
	struct timespec now;
	uint64_t begun, waited = 0;

	clock_gettime(CLOCK_MONOTONIC, &now);
	begun = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	/* H2 */
	while (__atomic_load_n(&call->over, __ATOMIC_ACQUIRE) == 0) {
		if (is_enough(thread, call, waited, (uint64_t)work_ms))
			break;
		nanosleep(&nap, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		waited = (uint64_t)now.tv_sec * 1000 +
			(uint64_t)now.tv_nsec / 1000000 - begun;
	}
	/* H2: if the thread has not ended yet, the thread frees the call. */
	if (__atomic_exchange_n(&call->over, 1, __ATOMIC_ACQ_REL) == 0)
		return false;
	pthread_join(thread, NULL);
	*stopped = call->stopped;
	free(call);
	return true;
}

int
eal_helper_call(const char *what, void (*fn)(void *arg), void *arg,
		long work_ms, bool last)
{
	const struct sched_param none = { 0 };
	struct call *call = calloc(1, sizeof(*call));
	bool stopped = false, ended;
	pthread_t thread;

	if (call == NULL)
		return -EAGAIN;
	call->fn = fn;
	call->arg = arg;
	call->last = last;
	if (start(&thread, call) != 0) {
		free(call);
		EAL_LOG(ERR, "%s is left out: there is no thread to be had",
			what);
		return -EAGAIN;
	}
	ended = join(thread, call, work_ms, &stopped);
	if (ended && !stopped)
		return 0;
	if (!ended) {
		/* The thread may poll for a lock for ever. So let it run only
		 * when a CPU has nothing else to do. Not in the last call,
		 * because there the thread may hold a lock. */
		if (!last)
			pthread_setschedparam(thread, SCHED_IDLE, &none);
		pthread_detach(thread);
	}
	EAL_LOG(ERR, "%s did not end in time: another process holds EAL's "
		"lock, because it ends at the same time or was killed while it "
		"had it. If this comes again, end all processes of the file "
		"prefix and start the hub again", what);
	return -ETIMEDOUT;
}

#define FREE_MAX 4
/* At most so many pointers are kept for a later call of ferry_eal_free(). */
#define LEFT_MAX 64

struct batch {
	uint32_t n;
	void *mem[LEFT_MAX];
};

/* Pointers that could not be given back, because there was no thread or no
 * memory for the call, or because the call before has not ended. The next call
 * gives them back, too. */
static struct batch left;
static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;

static void
left_add(void *const pointers[], uint32_t n)
{
	uint32_t i;

	pthread_mutex_lock(&left_lock);
	for (i = 0; i < n; i++) {
		if (pointers[i] == NULL)
			continue;
		if (left.n < LEFT_MAX)
			left.mem[left.n++] = pointers[i];
		else
			EAL_LOG(ERR, "EAL does not get %p back until the "
				"process ends: too much waits for that",
				pointers[i]);
	}
	pthread_mutex_unlock(&left_lock);
}

static void
free_all(void *arg)
{
	struct batch *batch = arg;
	uint32_t i;

	for (i = 0; i < batch->n; i++)
		rte_free(batch->mem[i]);
	free(batch);
}

/* EAL clears memory that it gets back. So many milliseconds are allowed for a
 * MiB. A core needs a tenth of a millisecond; under ThreadSanitizer it needs
 * many. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MIB_MS 100
#endif
#endif
#ifndef MIB_MS
#define MIB_MS 1
#endif

/* How many milliseconds EAL may take to clear the memory of a batch. */
static long
work_of(const struct batch *batch)
{
	size_t bytes, sum = 0;
	uint32_t i;

	for (i = 0; i < batch->n; i++)
		if (rte_malloc_validate(batch->mem[i], &bytes) == 0)
			sum += bytes;
	return (long)(sum >> 20) * MIB_MS;
}

int
ferry_eal_free(void *const pointers[], uint32_t n)
{
	struct batch *batch;
	int ret;

	if (n > FREE_MAX)
		return -EINVAL;
	left_add(pointers, n);
	/* A call before has not ended. A new call would wait for the same
	 * lock. */
	if (eal_helper_busy())
		return -ETIMEDOUT;
	batch = malloc(sizeof(*batch));
	if (batch == NULL)
		return -EAGAIN;
	pthread_mutex_lock(&left_lock);
	*batch = left;
	left.n = 0;
	pthread_mutex_unlock(&left_lock);
	ret = eal_helper_call("giving memory back to EAL", free_all, batch,
			work_of(batch), false);
	if (ret == -EAGAIN) {
		left_add(batch->mem, batch->n);
		free(batch);
	}
	return ret;
}
