/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_WAIT_H
#define FERRY_WAIT_H

/**
 * @file
 * The wait ladder: what a polling thread does each time it has found nothing.
 *
 *     rung                    SPIN      POWER     YIELD     SLEEP     NAP
 *     look, rounds            8192      -         -         -         -
 *     pause, rounds           -         64        64        256       16
 *     sched_yield             1, again  -         always    32        -
 *     umwait or tpause        -         16, yield -         -         -
 *     futex on the bell       -         -         -         always    always
 *
 * Every policy gives up the CPU in the end, because there may be more lcores
 * than CPUs: SPIN yields once per 8192 rounds, and POWER after every 16 naps.
 * (A yield lets threads of the same or a higher priority run, and no others.)
 *
 * SPIN does not pause, for two reasons. On Intel since Skylake, one pause takes
 * as long as the event that the thread waits for. And some hypervisors look for
 * threads that pause again and again. In such a virtual machine, a thread that
 * had paused was found to copy at half speed for the next 100 us (Sapphire
 * Rapids in KVM: 88 against 44 us for 480 KiB, in one of three waits of
 * 200 us).
 *
 * SLEEP skips the rest of its yields after a yield that took 100,000 TSC
 * cycles. Such a yield shows that other threads want the CPU. A thread that is
 * woken from sleep then gets the CPU sooner than a thread that yields.
 *
 * Where the numbers come from, on the reference machine (EPYC 7003 in KVM): a
 * pause takes 28 ns (140 cycles, about 50 ns, on Intel since Skylake); rdtsc
 * takes 12 ns; a sched_yield takes 0.75 us if no other thread can run; a
 * wake-up through the futex takes 35 us. The thread stays on each rung for
 * about as long as the next rung costs. So a wrong guess costs at most twice as
 * much. 64 pauses are 1.8 us, as two yields; 256 pauses and 32 yields are
 * 31 us, about one futex wake-up. SPIN looks about every 10 ns, so that its
 * yields take 0.7 % of its time.
 *
 * A ladder belongs to one thread. It is a plain value that need not be freed.
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
	/**
	 * Look again at once: the shortest latency, but the thread takes a
	 * whole core. "spin"
	 */
	FERRY_WAIT_SPIN = 0,
	/**
	 * The CPU's own light sleep, umwait on the bell. It takes 0.5 us to
	 * wake and no system call, but the thread keeps the core. Without a
	 * bell, or if the thread is no lcore, the thread uses tpause for 1 us
	 * at a time, which no ring can end. If the CPU has neither instruction,
	 * this policy works as YIELD. "power"
	 */
	FERRY_WAIT_POWER,
	/** sched_yield(): use a core only while no other thread wants it.
	 * "yield" */
	FERRY_WAIT_YIELD,
	/**
	 * Sleep in the kernel until the bell rings: an idle thread costs no
	 * core. Without a bell, this policy works as YIELD. "sleep"
	 */
	FERRY_WAIT_SLEEP,
	/**
	 * As SLEEP, but the thread sleeps almost at once. A sleep costs the
	 * core about 5 us; the spinning before a sleep of SLEEP costs 31 us.
	 * For a thread that may be woken late and is to spend little of the
	 * core's time. "nap"
	 */
	FERRY_WAIT_NAP,
};

/** A deadline that never comes. */
#define FERRY_WAIT_FOREVER UINT64_MAX

/** A ladder. ferry_wait_init() sets it up. The user only reads its fields. */
struct ferry_wait {
	/** How often the thread has found nothing since the last reset. */
	uint32_t round;
	/** Rounds of the first rung. The policy sets it. */
	uint16_t spin;
	/** enum ferry_wait_policy. */
	uint8_t policy;
	/** Which instructions the CPU has. ferry_wait_init() asks the CPU only
	 * once, because that takes microseconds. */
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
 * Change the policy and start at the first rung. Only the waiting thread itself
 * may call this function. Another thread that wants to change the policy stores
 * its wish where the waiting thread and the ready() of the waiting thread look
 * for it, and then calls ferry_bell_shout().
 *
 * A thread that changes to a policy that sleeps must first tell the ringers;
 * see ferry_wait_may_sleep() and ferry_bell_settle().
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
 * Whether ringers must ring the bell of a thread that waits with this policy.
 * True for SLEEP and NAP, and for POWER if the CPU can monitor. Do not call it
 * on the fast path, because it may ask the CPU, which takes microseconds in a
 * virtual machine.
 *
 * @param policy
 *   A policy.
 * @return
 *   True if ringers must look at the bell; false for an unknown policy.
 */
bool ferry_wait_may_sleep(enum ferry_wait_policy policy);

/**
 * The deadline of a timeout that begins now.
 *
 * @param timeout_ns
 *   The timeout in nanoseconds; a century or more means for ever.
 * @return
 *   A deadline for ferry_wait_idle(), or FERRY_WAIT_FOREVER.
 */
uint64_t ferry_wait_deadline(uint64_t timeout_ns);

/**
 * Name of a policy, as quoted in enum ferry_wait_policy.
 *
 * @param policy
 *   A policy.
 * @return
 *   Constant text; "unknown" for a value that is no policy.
 */
const char *ferry_wait_policy_name(enum ferry_wait_policy policy);

/**
 * Find a policy by its name.
 *
 * @param name
 *   Its name, as quoted in enum ferry_wait_policy.
 * @param[out] policy
 *   The policy.
 * @return
 *   0, or -EINVAL for NULL or an unknown name. In case of an error *policy is
 *   not changed.
 */
int ferry_wait_policy_parse(const char *name, enum ferry_wait_policy *policy);

/**
 * The rungs below the first. Applications call ferry_wait_idle() instead.
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
 * Say that the thread has found something: the next wait starts at the first
 * rung.
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
 * Say that the thread has found nothing, and wait a little, longer each time.
 *
 * @param w
 *   The calling thread's ladder.
 * @param bell
 *   The calling thread's bell; NULL: neither umwait nor sleep.
 * @param ready
 *   Looks for work between arming the bell and sleeping. Returns true if the
 *   caller would find something. NULL: neither umwait nor sleep.
 * @param arg
 *   Argument of ready.
 * @param deadline_tsc
 *   TSC at which to give up; or FERRY_WAIT_FOREVER, which saves reading the
 *   TSC. Sleeps end at the deadline, too. The kernel may be late by its timer
 *   slack; a yield may be late by the time slices of other threads. SLEEP
 *   converts the deadline with rte_get_tsc_hz(), which is known only after
 *   rte_eal_init(). Before that, SLEEP sleeps at most 1 ms at a time.
 * @return
 *   0: look again;
 *   -ETIMEDOUT: the deadline had passed before this call, so that the caller
 *   has looked once more since the last wait.
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
