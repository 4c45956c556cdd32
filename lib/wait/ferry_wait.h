/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_WAIT_H
#define FERRY_WAIT_H

/**
 * @file
 * The wait ladder: what a polling thread does each time it found nothing.
 *
 *     rung                    SPIN      POWER     YIELD     SLEEP     NAP
 *     look, rounds            8192      -         -         -         -
 *     pause, rounds           -         64        64        256       16
 *     sched_yield             1, again  -         always    32        -
 *     umwait or tpause        -         16, yield -         -         -
 *     futex on the bell       -         -         -         always    always
 *
 * Every policy gives up the CPU in the end, as there may be more lcores than
 * CPUs: SPIN yields once per 8192 rounds and POWER after every 16 naps. (A
 * yield serves threads of the same or a higher priority, no others.)
 *
 * SPIN does not pause. On Intel since Skylake a pause takes as long as what is
 * waited for; and in a virtual machine whose hypervisor looks out for threads
 * that pause again and again, such a thread was found to copy at half speed for
 * the next 100 us (Sapphire Rapids in KVM: 88 against 44 us for 480 KiB, in one
 * of three waits of 200 us).
 *
 * SLEEP skips the rest of its yields once one took 100,000 TSC cycles: others
 * want the CPU, and a thread woken from sleep gets it sooner than one that
 * yields.
 *
 * Where the numbers come from, on the reference machine (EPYC 7003 in KVM): a
 * pause takes 28 ns (and 140 cycles, about 50 ns, on Intel since Skylake),
 * rdtsc 12 ns, a sched_yield with nothing else to run 0.75 us, a wake-up
 * through the futex 35 us. Each rung is climbed for about as long as the next
 * one costs, which at worst doubles the price of guessing wrong: 64 pauses are
 * 1.8 us, two yields; 256 pauses and 32 yields are 31 us, one futex wake-up;
 * SPIN looks about every 10 ns, so that its yields take 0.7 % of its time.
 *
 * A ladder belongs to one thread. It is a plain value: nothing to free.
 *
 *     struct ferry_wait wait;
 *
 *     ferry_wait_init(&wait, FERRY_WAIT_SLEEP);
 *     while ((n = look(...)) == 0)
 *             if (ferry_wait_idle(&wait, bell, ready, arg, deadline) != 0)
 *                     return -ETIMEDOUT;
 *     ferry_wait_reset(&wait);
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "ferry_bell.h"
#include "ferry_inline.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The deepest rung of a ladder. */
enum ferry_wait_policy {
	/** Look again at once: the shortest latency, a whole core. "spin" */
	FERRY_WAIT_SPIN = 0,
	/**
	 * The CPU's own light sleep, umwait on the bell: 0.5 us to wake, no
	 * system call, but the core stays taken. Where umwait cannot be had
	 * (no bell, thread not an lcore), tpause, which no ring can end, 1 us
	 * at a time; where the CPU has neither, as YIELD. "power"
	 */
	FERRY_WAIT_POWER,
	/** sched_yield(): a core only if nobody else wants it. "yield" */
	FERRY_WAIT_YIELD,
	/**
	 * Sleep in the kernel until the bell rings: an idle thread costs no
	 * core. Without a bell, as YIELD. "sleep"
	 */
	FERRY_WAIT_SLEEP,
	/**
	 * The same almost at once: a sleep costs the core some 5 us, spinning
	 * before it 31. For who would rather be woken late than spend the
	 * core's time. "nap"
	 */
	FERRY_WAIT_NAP,
};

/** Deadline that never comes. */
#define FERRY_WAIT_FOREVER UINT64_MAX

/** A ladder. Set up by ferry_wait_init(), then read-only for its user. */
struct ferry_wait {
	/** Times nothing was found since the last reset. */
	uint32_t round;
	/** Rounds of the first rung, from the policy. */
	uint16_t spin;
	/** enum ferry_wait_policy. */
	uint8_t policy;
	/** What the CPU has, found once: asking again takes microseconds. */
	uint8_t cpu;
};

/**
 * Set up a ladder.
 *
 * @param[out] w
 *   The ladder.
 * @param policy
 *   Its deepest rung.
 * @return
 *   0, or -EINVAL for NULL or an unknown policy.
 */
int ferry_wait_init(struct ferry_wait *w, enum ferry_wait_policy policy);

/**
 * Change the policy and start at the first rung. For the waiting thread
 * itself: somebody else leaves the wish where that thread looks for it (its
 * ready() included), and calls ferry_bell_shout().
 *
 * A thread that starts to sleep in this way must first tell the ringers; see
 * ferry_wait_may_sleep() and ferry_bell_settle().
 *
 * @param w
 *   The calling thread's ladder.
 * @param policy
 *   Its deepest rung from now on.
 * @return
 *   0, or -EINVAL for NULL or an unknown policy, which changes nothing.
 */
int ferry_wait_set_policy(struct ferry_wait *w, enum ferry_wait_policy policy);

/**
 * Does a thread that waits with this policy need its bell rung? True for SLEEP
 * and NAP, and for POWER if the CPU can monitor. Not for the fast path: it may
 * ask the CPU, which takes microseconds in a virtual machine.
 *
 * @param policy
 *   A policy.
 * @return
 *   Whether ringers have to look at the bell; false for an unknown policy.
 */
bool ferry_wait_may_sleep(enum ferry_wait_policy policy);

/**
 * When a timeout that begins now ends.
 *
 * @param timeout_ns
 *   Nanoseconds; a century or more is for ever.
 * @return
 *   A deadline for ferry_wait_idle(), or FERRY_WAIT_FOREVER.
 */
uint64_t ferry_wait_deadline(uint64_t timeout_ns);

/**
 * Name of a policy, as above.
 *
 * @param policy
 *   A policy.
 * @return
 *   Constant text; "unknown" for what is none.
 */
const char *ferry_wait_policy_name(enum ferry_wait_policy policy);

/**
 * Find a policy by its name.
 *
 * @param name
 *   Its name, as above.
 * @param[out] policy
 *   The policy.
 * @return
 *   0, or -EINVAL for NULL or an unknown name, which leaves *policy alone.
 */
int ferry_wait_policy_parse(const char *name, enum ferry_wait_policy *policy);

/**
 * The rungs below the first. Not to be called alone: see ferry_wait_idle().
 *
 * @param w
 *   As for ferry_wait_idle().
 * @param bell
 *   As for ferry_wait_idle().
 * @param ready
 *   As for ferry_wait_idle().
 * @param arg
 *   As for ferry_wait_idle().
 * @param deadline_tsc
 *   As for ferry_wait_idle().
 * @return
 *   As for ferry_wait_idle().
 */
int ferry_wait_idle_deep(struct ferry_wait *w, struct ferry_bell *bell,
		ferry_bell_ready_t ready, void *arg, uint64_t deadline_tsc);

/**
 * Something was found: start at the first rung next time.
 *
 * @param w
 *   The calling thread's ladder.
 */
FERRY_INLINE void
ferry_wait_reset(struct ferry_wait *w)
{
	w->round = 0;
}

/**
 * Nothing was found: wait a little, longer each time.
 *
 * @param w
 *   The calling thread's ladder.
 * @param bell
 *   The calling thread's bell; NULL: never umwait nor sleep.
 * @param ready
 *   The re-check between arming the bell and sleeping: true if the caller
 *   would find something. NULL: never umwait nor sleep.
 * @param arg
 *   For ready.
 * @param deadline_tsc
 *   TSC at which to give up, or FERRY_WAIT_FOREVER, which saves reading the
 *   TSC. Sleeps end there, too; the kernel may be late by its timer slack, and
 *   a yield by the time slices of others. SLEEP converts with rte_get_tsc_hz(),
 *   thus needs an initialised EAL to be exact: without, it naps at most 1 ms
 *   at a time.
 * @return
 *   0: look again;
 *   -ETIMEDOUT: the deadline had passed when this was called, so that the
 *   caller has looked once more since the last wait.
 */
FERRY_INLINE int
ferry_wait_idle(struct ferry_wait *w, struct ferry_bell *bell,
		ferry_bell_ready_t ready, void *arg, uint64_t deadline_tsc)
{
	if (deadline_tsc != FERRY_WAIT_FOREVER &&
			rte_get_tsc_cycles() >= deadline_tsc)
		return -ETIMEDOUT;
	if (unlikely(w->round >= w->spin))
		return ferry_wait_idle_deep(w, bell, ready, arg, deadline_tsc);
	w->round++;
	if (w->policy != FERRY_WAIT_SPIN)
		rte_pause();
	return 0;
}

#ifdef __cplusplus
}
#endif

#endif /* FERRY_WAIT_H */
