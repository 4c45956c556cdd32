/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include <rte_cycles.h>
#include <rte_power_intrinsics.h>

#include "ferry_bell.h"

/* What the monitor's callback needs for the re-check. */
struct recheck {
	ferry_bell_ready_t ready;
	void *arg;
};

/* Neither call uses FUTEX_PRIVATE_FLAG: the ringer may be another process. */
static int
futex_wait(uint32_t *word, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, FUTEX_WAIT, value, timeout, NULL, 0) ==
		0 ? 0 : -errno;
}

static void
futex_wake(uint32_t *word)
{
	/*
	 * Its only failures are bad addresses, which the caller's access to
	 * the word has ruled out.
	 */
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void
arm(struct ferry_bell *bell, uint32_t state)
{
	/* So, Fo: Fo pairs with Fr in ferry_bell_ring() and _shout(). */
	__atomic_store_n(&bell->state, state, __ATOMIC_RELAXED);
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void
disarm(struct ferry_bell *bell)
{
	/* Sa: orders nothing; a ringer that misses it only rings in vain. */
	__atomic_store_n(&bell->state, FERRY_BELL_AWAKE, __ATOMIC_RELAXED);
}

int
ferry_bell_init(struct ferry_bell *bell)
{
	if (bell == NULL || (uintptr_t)bell % RTE_CACHE_LINE_SIZE != 0)
		return -EINVAL;
	disarm(bell);
	return 0;
}

void
ferry_bell_wake(struct ferry_bell *bell)
{
	/*
	 * X: relaxed, the fence before it (Fr) does the ordering. An exchange
	 * and not a store: of several ringers one goes to the kernel, and none
	 * silences a later sleep of the other kind without waking it.
	 */
	if (__atomic_exchange_n(&bell->state, FERRY_BELL_AWAKE,
			__ATOMIC_RELAXED) == FERRY_BELL_ASLEEP)
		futex_wake(&bell->state);
}

void
ferry_bell_shout(struct ferry_bell *bell)
{
	/* Fr: pairs with Fo in arm(), as in ferry_bell_ring(). */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	disarm(bell);
	/* Even if it was AWAKE: a ringer may have died before its K. */
	futex_wake(&bell->state);
}

int
ferry_bell_settle(void)
{
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	if (commands < 0 || (commands & MEMBARRIER_CMD_GLOBAL) == 0)
		return -ENOTSUP;
	return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0 ?
		0 : -errno;
}

int
ferry_bell_sleep(struct ferry_bell *bell, ferry_bell_ready_t ready, void *arg,
		uint64_t max_ns)
{
	/* Relative, which FUTEX_WAIT measures with CLOCK_MONOTONIC. */
	struct timespec timeout = {
		.tv_sec = (time_t)(max_ns / NS_PER_S),
		.tv_nsec = (long)(max_ns % NS_PER_S),
	};
	int ret;

	if (bell == NULL || ready == NULL)
		return -EINVAL;
	arm(bell, FERRY_BELL_ASLEEP);
	if (ready(arg))
		ret = -EAGAIN;
	else
		ret = futex_wait(&bell->state, FERRY_BELL_ASLEEP, &timeout);
	disarm(bell);
	switch (ret) {
	case 0:
	case -EINTR:
		return 0;
	case -ETIMEDOUT:
		return -ETIMEDOUT;
	default:
		return -EAGAIN;
	}
}

/* Runs between umonitor and umwait. */
static int
monitor_abort(const uint64_t state,
		const uint64_t opaque[RTE_POWER_MONITOR_OPAQUE_SZ])
{
	const struct recheck *check =
		(const struct recheck *)(uintptr_t)opaque[0];

	return state != FERRY_BELL_WATCHED || check->ready(check->arg) ? -1 : 0;
}

int
ferry_bell_watch(struct ferry_bell *bell, ferry_bell_ready_t ready, void *arg,
		uint64_t until_tsc)
{
	struct recheck check = { .ready = ready, .arg = arg };
	struct rte_power_monitor_cond cond = {
		.fn = monitor_abort,
		.opaque = { (uintptr_t)&check },
	};
	int ret;

	if (bell == NULL || ready == NULL)
		return -EINVAL;
	cond.addr = &bell->state;
	cond.size = sizeof(bell->state);
	arm(bell, FERRY_BELL_WATCHED);
	ret = rte_power_monitor(&cond, until_tsc);
	disarm(bell);
	return ret;
}
