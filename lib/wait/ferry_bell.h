/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_BELL_H
#define FERRY_BELL_H

/**
 * @file
 * A bell: one cache line of shared memory on which one thread, the owner,
 * sleeps, and which any thread of any process may ring.
 *
 *                      owner: arm                owner: arm
 *          WATCHED <------------------ AWAKE ------------------> ASLEEP
 *             |                         ^ ^                        |
 *             |   ringer: exchange      | |   ringer: exchange,    |
 *             |   (the store wakes)     | |   then FUTEX_WAKE      |
 *             +-------------------------+ +------------------------+
 *                 or owner: woke up, or had nothing to sleep for
 *
 * Only the owner changes the state from AWAKE to another one. The owner and all
 * ringers may change it back to AWAKE.
 *
 *     owner                               ringer
 *     So  store state, relaxed            W   store the work, release (caller)
 *     Fo  fence, seq_cst                  Fr  fence, seq_cst
 *     Ro  ready(): load the work,         Lr  load state, relaxed
 *         acquire (caller)                X   if not AWAKE: exchange AWAKE,
 *     Z   sleep while state is So's           relaxed
 *     Sa  store AWAKE, relaxed            K   if X found ASLEEP: FUTEX_WAKE
 *
 * One of Fo and Fr comes before the other. A wake-up depends on these two edges
 * only:
 *  - Fr before Fo: Ro sees W, and the owner does not sleep.
 *  - Fo before Fr: Lr sees So or a later store to state:
 *     - Lr sees So: the ringer's X changes the state. Either Z does not start,
 *       because the kernel or the monitor compares the state once more; or Z
 *       has started, and K or the monitor ends it.
 *     - Lr sees the X of another ringer: that ringer wakes the owner.
 *     - Lr sees the owner's Sa: the owner looks again by itself, and Fr is
 *       before the owner's next Fo.
 * All accesses to state are relaxed, because the state carries no data: W and
 * the owner's acquire load of the work hand the work over.
 * test/models/bell.pml proves this, with the same letters.
 * test/models/bell_if.pml proves what depends on the flag of
 * ferry_bell_ring_if() and on ferry_bell_settle().
 *
 * X may end a later sleep than the one that Lr saw. K may end a later sleep
 * than the one that X ended. In both cases the owner wakes for nothing and
 * looks. Every sleep may end without a ring (by a signal, for example), so
 * owners look again and sleep again.
 *
 * A ringer that dies between X and K has set the state to AWAKE, so that later
 * ringers do not ring; but it has not woken the owner. Therefore no sleep
 * should be unbounded (FERRY_BELL_NAP_NS). Therefore, too, the process that
 * learns of a death, such as the hub, calls ferry_bell_shout() on every bell
 * that the dead process could ring.
 *
 * Fr drains the ringer's store buffer. This takes 2 ns if the buffer is empty,
 * and longer if the store of the work missed the cache. As long as the owner
 * only polls, ringers avoid Fr: they look at a flag of the owner that seldom
 * changes. See ferry_bell_ring_if().
 *
 * Thread-safety: only the owner calls ferry_bell_sleep() and
 * ferry_bell_watch(). Any thread may call ring, shout and settle. The owner may
 * change while no thread sleeps on the bell.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_atomic.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "ferry_inline.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The owner is not asleep: a ringer need not wake it. */
#define FERRY_BELL_AWAKE 0
/** The owner monitors this cache line: a store wakes it. */
#define FERRY_BELL_WATCHED 1
/** The owner is, or is about to be, in a futex wait: FUTEX_WAKE wakes it. */
#define FERRY_BELL_ASLEEP 2

/**
 * The longest sleep on a bell, in nanoseconds: 100 ms. Code that has no other
 * wake-up should not sleep longer, because a ringer that dies may lose a
 * wake-up. Such a loss then delays the owner by at most 100 ms. Ten looks a
 * second cost an idle owner less than 0.1 % of a core.
 */
#define FERRY_BELL_NAP_NS UINT64_C(100000000)

/** A bell. It holds no address, so each process may map it anywhere. */
struct ferry_bell {
	/** FERRY_BELL_*. Any other value counts as WATCHED. */
	uint32_t state;
} __rte_cache_aligned;

/**
 * Whether the owner has work and must not sleep. The owner calls this function
 * between arming the bell and sleeping. The function must look, with acquire
 * loads, at everything that a ringer may publish before it rings or shouts. The
 * function must not block.
 */
typedef bool (*ferry_bell_ready_t)(void *arg);

/**
 * Make a bell, before any other thread knows of it.
 *
 * @param bell
 *   Memory for it.
 * @return
 *   0; -EINVAL if bell is NULL or not on a cache line of its own.
 */
int ferry_bell_init(struct ferry_bell *bell);

/**
 * The slow part of ferry_bell_ring(): X and K above. Applications call
 * ferry_bell_ring() instead.
 *
 * @param bell
 *   The bell.
 */
void ferry_bell_wake(struct ferry_bell *bell);

/**
 * Wake the owner if it sleeps. Before this call, the caller publishes the work
 * that the owner is to find, with a release store.
 *
 * @param bell
 *   The owner's bell.
 */
FERRY_INLINE void
ferry_bell_ring(struct ferry_bell *bell)
{
	/* Fr: pairs with Fo, the fence of the owner that arms the bell. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (unlikely(__atomic_load_n(&bell->state, __ATOMIC_RELAXED) !=
			FERRY_BELL_AWAKE))
		ferry_bell_wake(bell);
}

/**
 * Wake the owner if its flag says that it may sleep, and if it does sleep.
 *
 * There is no Fr before the load of the flag, so the load may overtake the
 * store of the work. The owner makes up for that: it calls ferry_bell_settle()
 * between setting the flag and its first sleep. The ringer only has to keep the
 * compiler from changing the order.
 *
 * @param may_sleep
 *   Flag of the owner, in shared memory. It should not lie on a cache line that
 *   is written often. Not 0: the owner may sleep.
 * @param bell
 *   The owner's bell.
 */
FERRY_INLINE void
ferry_bell_ring_if(const uint32_t *may_sleep, struct ferry_bell *bell)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(may_sleep, __ATOMIC_RELAXED) != 0)
		ferry_bell_ring(bell);
}

/**
 * Wake the owner if it sleeps, whatever the bell's state says. For closing and
 * for deaths. Always makes a system call. Does no harm if the owner is awake.
 * Before this call, the caller publishes what the owner is to find, with a
 * release store.
 *
 * @param bell
 *   The owner's bell.
 */
void ferry_bell_shout(struct ferry_bell *bell);

/**
 * Wait until every thread on this machine has passed a full memory barrier:
 * membarrier(MEMBARRIER_CMD_GLOBAL), 8 ms on the reference machine. Afterwards,
 * one of two things holds for each ringer: the ringer's work is visible to the
 * caller, or the ringer will see the flag that the caller set before this call
 * (see ferry_bell_ring_if()).
 *
 * @return
 *   0; -ENOTSUP if the kernel has no such barrier (it has none with nohz_full
 *   CPUs); or another negative errno. After an error, the owner may find the
 *   one message that a ringer is publishing at this moment only when its sleep
 *   ends. This is a reason why sleeps are bounded.
 */
int ferry_bell_settle(void);

/**
 * Arm the bell and sleep in the kernel until it rings.
 *
 * @param bell
 *   The calling thread's bell.
 * @param ready
 *   Looks for work between arming and sleeping.
 * @param arg
 *   Argument of ready.
 * @param max_ns
 *   The longest sleep, in nanoseconds; see FERRY_BELL_NAP_NS. The kernel may
 *   add its timer slack of 50 us.
 * @return
 *   0: woken by a ring, a shout or a signal, or without any reason;
 *   -EAGAIN: did not sleep, because ready() was true or a ring came first;
 *   -ETIMEDOUT: slept max_ns;
 *   -EINVAL: a NULL argument (arg may be NULL).
 */
int ferry_bell_sleep(struct ferry_bell *bell, ferry_bell_ready_t ready,
		void *arg, uint64_t max_ns);

/**
 * Arm the bell and wait in the light sleep of umonitor/umwait until a thread
 * writes the bell's cache line. The CPU also ends such a wait for reasons of
 * its own. On Linux it does so after 100,000 TSC cycles, unless configured
 * otherwise.
 *
 * @param bell
 *   The calling thread's bell.
 * @param ready
 *   Looks for work between arming and sleeping.
 * @param arg
 *   Argument of ready.
 * @param until_tsc
 *   Time stamp at which to give up.
 * @return
 *   0: look again;
 *   -ENOTSUP: the CPU cannot monitor (rte_cpu_get_intrinsics_support());
 *   -EINVAL: a NULL argument, or the calling thread is no EAL lcore. DPDK
 *   22.11 monitors on lcores only.
 */
int ferry_bell_watch(struct ferry_bell *bell, ferry_bell_ready_t ready,
		void *arg, uint64_t until_tsc);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_BELL_H */
