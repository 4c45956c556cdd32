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

/* Argument of monitor_abort(): how to look for work once more. */
struct recheck {
	ferry_bell_ready_t ready;
	void *arg;
};

/* futex_wait() and futex_wake() do not use FUTEX_PRIVATE_FLAG, because the
 * ringer may be in another process than the owner. */
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
	 * FUTEX_WAKE fails only for a bad address. The address is good, because
	 * the caller has accessed the word before.
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
	/* Sa: relaxed, because it orders nothing. A ringer that does not see
	 * this store only rings in vain. */
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
	 * X: relaxed, because the fence before it (Fr) does the ordering. It is
	 * an exchange and not a store for two reasons. Of several ringers only
	 * one makes the system call. And a ringer that overwrites ASLEEP, which
	 * the owner may have set after the ringer saw WATCHED, learns of it and
	 * makes the system call.
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
	/* Also if the state was AWAKE: a ringer may have died before its K. */
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
	/* A relative time. FUTEX_WAIT measures it with CLOCK_MONOTONIC. */
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

/* rte_power_monitor() calls this between umonitor and umwait. -1: do not
 * wait. */
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
