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
 * Only the owner leaves AWAKE; everybody may return to it.
 *
 *     owner                               ringer
 *     So  store state, relaxed            W   store the work, release (caller)
 *     Fo  fence, seq_cst                  Fr  fence, seq_cst
 *     Ro  ready(): load the work,         Lr  load state, relaxed
 *         acquire (caller)                X   if not AWAKE: exchange AWAKE,
 *     Z   sleep while state is So's           relaxed
 *     Sa  store AWAKE, relaxed            K   if X found ASLEEP: FUTEX_WAKE
 *
 * Fo and Fr are ordered one way or the other; these are the only two edges
 * that a wake-up hangs on:
 *  - Fr before Fo: Ro sees W, the owner does not sleep.
 *  - Fo before Fr: Lr sees So or something later. So: X changes the state,
 *    which either stops Z from starting (the kernel, or the monitor, compares
 *    the state once more) or is followed by K, or by the monitor, that ends
 *    it. Another ringer's X: that one wakes. The owner's Sa: the owner looks
 *    again by itself, and Fr is before its next Fo.
 * The state carries no data, hence relaxed: the work is handed over by W and
 * the owner's own acquire load of it.
 * Proved by test/models/bell.pml, in these letters; what hangs on the flag and
 * on ferry_bell_settle() below by test/models/bell_if.pml.
 *
 * X may strike a later sleep than the one Lr saw, and K one that X did not
 * end: the owner then wakes for nothing and looks. Every sleep may end for no
 * reason (signals, too), so owners look again and sleep again.
 *
 * A ringer that dies between X and K has silenced the bell and woken nobody.
 * Therefore no sleep should be unbounded (FERRY_BELL_NAP_NS), and whoever
 * learns of a death, such as the hub, calls ferry_bell_shout() on every bell
 * the dead could ring.
 *
 * Fr costs a drain of the store buffer: 2 ns if it is empty, more if the work
 * missed the cache. Ringers avoid it while the owner only polls by a flag of
 * the owner's that seldom changes: see ferry_bell_ring_if().
 *
 * Thread-safety: ferry_bell_sleep() and ferry_bell_watch() belong to the
 * owner; ring, shout and settle may be called by anyone. The owner may change
 * while nobody sleeps.
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

/** The owner is not asleep: ringing is needless. */
#define FERRY_BELL_AWAKE 0
/** The owner monitors this cache line: a store wakes it. */
#define FERRY_BELL_WATCHED 1
/** The owner is, or is about to be, in a futex wait: FUTEX_WAKE wakes it. */
#define FERRY_BELL_ASLEEP 2

/**
 * The longest nap in nanoseconds that code without a wake-up of its own should
 * take: 100 ms. A wake-up lost to a dead ringer costs at most this; ten looks
 * a second cost an idle owner less than 0.1 % of a core.
 */
#define FERRY_BELL_NAP_NS UINT64_C(100000000)

/** A bell. Position-independent: it may be mapped anywhere. */
struct ferry_bell {
	/** FERRY_BELL_*. Anything else counts as WATCHED. */
	uint32_t state;
} __rte_cache_aligned;

/**
 * Is there something to wake up for? Called by the owner between arming the
 * bell and sleeping. It must look with acquire loads at all that a ringer may
 * publish before it rings or shouts, and must not block.
 */
typedef bool (*ferry_bell_ready_t)(void *arg);

/**
 * Make a bell, before anyone else knows of it.
 *
 * @param bell
 *   Memory for it.
 * @return
 *   0; -EINVAL if bell is NULL or not on a cache line of its own.
 */
int ferry_bell_init(struct ferry_bell *bell);

/**
 * The slow part of ferry_bell_ring(): X and K above. Not to be called alone.
 *
 * @param bell
 *   The bell.
 */
void ferry_bell_wake(struct ferry_bell *bell);

/**
 * Wake the owner if it sleeps. To be called after the work it is to find has
 * been published with a release store.
 *
 * @param bell
 *   The owner's bell.
 */
FERRY_INLINE void
ferry_bell_ring(struct ferry_bell *bell)
{
	/* Fr: pairs with Fo, the fence of whoever arms the bell. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (unlikely(__atomic_load_n(&bell->state, __ATOMIC_RELAXED) !=
			FERRY_BELL_AWAKE))
		ferry_bell_wake(bell);
}

/**
 * Wake the owner if it says that it may sleep, and if it does.
 *
 * Without Fr, the load of the flag may overtake the store of the work. That is
 * made good by the owner, who calls ferry_bell_settle() between setting the
 * flag and its first sleep; this side only has to keep the compiler from
 * changing the order.
 *
 * @param may_sleep
 *   Flag of the owner, in shared memory, not on a line that is written often.
 *   Not 0: the owner may sleep.
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
 * Wake whoever may sleep on the bell, whatever its state says. For closing
 * and for deaths; always a system call. Harmless where nobody sleeps. What the
 * owner is to find has to be published before, with a release store.
 *
 * @param bell
 *   The owner's bell.
 */
void ferry_bell_shout(struct ferry_bell *bell);

/**
 * Wait until every thread on this machine has passed a full memory barrier:
 * membarrier(MEMBARRIER_CMD_GLOBAL), 8 ms on the reference machine. Afterwards,
 * for each ringer, one of two holds: its work is visible to the caller, or it
 * will see the flag that the caller set before (see ferry_bell_ring_if()).
 *
 * @return
 *   0, -ENOTSUP where the kernel has no such barrier (it has none with
 *   nohz_full CPUs), or another negative errno. Then the one message that a
 *   ringer is publishing at this moment may be found only when a nap ends,
 *   which is why naps are bounded.
 */
int ferry_bell_settle(void);

/**
 * Arm the bell and sleep in the kernel until it rings.
 *
 * @param bell
 *   The calling thread's bell.
 * @param ready
 *   The re-check between arming and sleeping.
 * @param arg
 *   For ready.
 * @param max_ns
 *   The longest sleep, in nanoseconds; see FERRY_BELL_NAP_NS. The kernel may
 *   add its timer slack of 50 us.
 * @return
 *   0: woken, by a ring, a shout, a signal or nothing at all;
 *   -EAGAIN: did not sleep, as ready() was true or a ring came first;
 *   -ETIMEDOUT: slept max_ns;
 *   -EINVAL: a NULL argument (arg may be NULL).
 */
int ferry_bell_sleep(struct ferry_bell *bell, ferry_bell_ready_t ready,
		void *arg, uint64_t max_ns);

/**
 * Arm the bell and wait in the light sleep of umonitor/umwait until its cache
 * line is written. The CPU ends such a wait for reasons of its own, too, on
 * Linux after 100,000 TSC cycles unless configured otherwise.
 *
 * @param bell
 *   The calling thread's bell.
 * @param ready
 *   The re-check between arming and sleeping.
 * @param arg
 *   For ready.
 * @param until_tsc
 *   Time stamp at which to give up.
 * @return
 *   0: look again;
 *   -ENOTSUP: the CPU cannot monitor (rte_cpu_get_intrinsics_support());
 *   -EINVAL: a NULL argument, or the calling thread is no EAL lcore, which
 *   DPDK 22.11 asks for.
 */
int ferry_bell_watch(struct ferry_bell *bell, ferry_bell_ready_t ready,
		void *arg, uint64_t until_tsc);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_BELL_H */
