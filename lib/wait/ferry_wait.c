/* SPDX-License-Identifier: BSD-3-Clause */

#include <sched.h>
#include <string.h>

#include <rte_cpuflags.h>
#include <rte_power_intrinsics.h>

#include "ferry_wait.h"

/* See the table in ferry_wait.h. */
#define POWER_NAPS UINT32_C(16)
#define SLEEP_YIELDS UINT32_C(32)
/* Linux ends one umwait or tpause after so many cycles, by default. */
#define UMWAIT_CYCLES 100000
/* Length of a tpause. It is short, because no ring ends a tpause: twice the
 * time that a tpause takes to wake, 1 us at 2 GHz. */
#define TPAUSE_CYCLES 2000
/* A yield that takes so long has let another thread run. This is about the
 * time of one futex wake-up. */
#define LONG_YIELD_CYCLES 100000
/* The longest sleep before a deadline while the TSC's frequency is unknown. */
#define BLIND_NAP_NS UINT64_C(1000000)

/* struct ferry_wait.cpu */
#define CPU_MONITOR (1 << 0)
#define CPU_PAUSE (1 << 1)

static const struct {
	const char *name;
	uint16_t spin;
} policies[] = {
	[FERRY_WAIT_SPIN] = { "spin", 8192 },
	[FERRY_WAIT_POWER] = { "power", 64 },
	[FERRY_WAIT_YIELD] = { "yield", 64 },
	[FERRY_WAIT_SLEEP] = { "sleep", 256 },
	[FERRY_WAIT_NAP] = { "nap", 16 },
};

static uint8_t
cpu_abilities(void)
{
	struct rte_cpu_intrinsics cpu;
	uint8_t abilities = 0;

	rte_cpu_get_intrinsics_support(&cpu);
	if (cpu.power_monitor)
		abilities |= CPU_MONITOR;
	if (cpu.power_pause)
		abilities |= CPU_PAUSE;
	return abilities;
}

int
ferry_wait_init(struct ferry_wait *w, enum ferry_wait_policy policy)
{
	if (w == NULL || (unsigned int)policy >= RTE_DIM(policies))
		return -EINVAL;
	w->round = 0;
	w->spin = policies[policy].spin;
	w->policy = (uint8_t)policy;
	w->cpu = policy == FERRY_WAIT_POWER ? cpu_abilities() : 0;
	return 0;
}

int
ferry_wait_set_policy(struct ferry_wait *w, enum ferry_wait_policy policy)
{
	return ferry_wait_init(w, policy);
}

bool
ferry_wait_may_sleep(enum ferry_wait_policy policy)
{
	switch (policy) {
	case FERRY_WAIT_SLEEP:
	case FERRY_WAIT_NAP:
		return true;
	case FERRY_WAIT_POWER:
		return (cpu_abilities() & CPU_MONITOR) != 0;
	case FERRY_WAIT_SPIN:
	case FERRY_WAIT_YIELD:
		break;
	}
	return false;
}

const char *
ferry_wait_policy_name(enum ferry_wait_policy policy)
{
	if ((unsigned int)policy >= RTE_DIM(policies))
		return "unknown";
	return policies[policy].name;
}

int
ferry_wait_policy_parse(const char *name, enum ferry_wait_policy *policy)
{
	unsigned int i;

	if (name == NULL || policy == NULL)
		return -EINVAL;
	for (i = 0; i < RTE_DIM(policies); i++) {
		if (strcmp(name, policies[i].name) == 0) {
			*policy = (enum ferry_wait_policy)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void
power_nap(struct ferry_wait *w, struct ferry_bell *bell,
		ferry_bell_ready_t ready, void *arg, uint64_t deadline_tsc)
{
	uint64_t now = rte_get_tsc_cycles();

	if (w->round == w->spin + POWER_NAPS) {
		w->round = w->spin;
		sched_yield();
		return;
	}
	w->round++;
	if (bell != NULL && ready != NULL && (w->cpu & CPU_MONITOR)) {
		if (ferry_bell_watch(bell, ready, arg,
				RTE_MIN(now + UMWAIT_CYCLES,
					deadline_tsc)) == 0)
			return;
		/* The calling thread is no lcore and cannot monitor. Do not
		 * try again. */
		w->cpu &= ~CPU_MONITOR;
	}
	if (!(w->cpu & CPU_PAUSE) || rte_power_pause(
			RTE_MIN(now + TPAUSE_CYCLES, deadline_tsc)) != 0)
		sched_yield();
}

/*
 * One yield of SLEEP. While other threads want the CPU, each yield may take a
 * time slice. A thread that sleeps is scheduled soon after its wake-up. So
 * after a long yield, skip the rest of the yields.
 */
static void
sleep_yield(struct ferry_wait *w)
{
	uint64_t start = rte_get_tsc_cycles();

	sched_yield();
	w->round++;
	if (rte_get_tsc_cycles() - start > LONG_YIELD_CYCLES)
		w->round = w->spin + SLEEP_YIELDS;
}

/* How long to sleep: at most FERRY_BELL_NAP_NS, not beyond the deadline. */
static uint64_t
nap_ns(uint64_t deadline_tsc)
{
	uint64_t now, hz, left;

	if (deadline_tsc == FERRY_WAIT_FOREVER)
		return FERRY_BELL_NAP_NS;
	hz = rte_get_tsc_hz();
	if (hz == 0)
		return BLIND_NAP_NS;
	now = rte_get_tsc_cycles();
	left = deadline_tsc > now ? deadline_tsc - now : 0;
	/* In double, because the product of integers could overflow. */
	return (uint64_t)RTE_MIN((double)left * NS_PER_S / (double)hz,
			(double)FERRY_BELL_NAP_NS);
}

int
ferry_wait_idle_deep(struct ferry_wait *w, struct ferry_bell *bell,
		ferry_bell_ready_t ready, void *arg, uint64_t deadline_tsc)
{
	switch ((enum ferry_wait_policy)w->policy) {
	case FERRY_WAIT_SPIN:
		w->round = 0;
		break;
	case FERRY_WAIT_POWER:
		power_nap(w, bell, ready, arg, deadline_tsc);
		return 0;
	case FERRY_WAIT_YIELD:
		break;
	case FERRY_WAIT_SLEEP:
		if (bell == NULL || ready == NULL)
			break;
		if (w->round < w->spin + SLEEP_YIELDS) {
			sleep_yield(w);
			return 0;
		}
		/*
		 * If ready() is true but the caller still finds nothing, the
		 * thread must not spin here for ever. So it yields before it
		 * tries to sleep again.
		 */
		if (ferry_bell_sleep(bell, ready, arg,
				nap_ns(deadline_tsc)) == -EAGAIN)
			w->round = w->spin;
		return 0;
	case FERRY_WAIT_NAP:
		/* If the thread did not sleep, it yields, as above. */
		if (bell != NULL && ready != NULL && ferry_bell_sleep(bell,
				ready, arg, nap_ns(deadline_tsc)) != -EAGAIN)
			return 0;
		break;
	}
	sched_yield();
	return 0;
}

uint64_t
ferry_wait_deadline(uint64_t timeout_ns)
{
	/* A century or more counts as for ever. A shorter time does not
	 * overflow below. */
	if (timeout_ns >= UINT64_C(100) * 365 * 86400 * 1000000000)
		return FERRY_WAIT_FOREVER;
	return rte_get_tsc_cycles() + (uint64_t)((double)timeout_ns *
			(double)rte_get_tsc_hz() / 1e9);
}
