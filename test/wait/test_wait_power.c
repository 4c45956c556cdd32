/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include <rte_cpuflags.h>
#include <rte_power_intrinsics.h>

#include "ferry_test.h"
#include "ferry_wait.h"
#include "wait_peer.h"

/*
 * Tests the waits of a CPU with WAITPKG on any CPU. The linker prefers the
 * functions below to those of DPDK that ferry calls. The monitor here is
 * stricter than the real one: it wakes only for a changed value, and never for
 * reasons of its own.
 */

static struct {
	/* Written between the runs of other threads only. */
	bool monitor, pause, lcore;
	uint64_t tsc_hz;
	/* Calls, and the last time stamps. */
	unsigned int monitors, pauses, asked;
	uint64_t until;
	/* Others run meanwhile. */
	bool slow_yield;
} sim;

int
sched_yield(void)
{
	uint64_t end = rte_get_tsc_cycles() + 200000;

	while (sim.slow_yield && rte_get_tsc_cycles() < end)
		rte_pause();
	return (int)syscall(SYS_sched_yield);
}

void
rte_cpu_get_intrinsics_support(struct rte_cpu_intrinsics *intrinsics)
{
	sim.asked++;
	memset(intrinsics, 0, sizeof(*intrinsics));
	intrinsics->power_monitor = sim.monitor;
	intrinsics->power_pause = sim.pause;
}

int
rte_power_monitor(const struct rte_power_monitor_cond *pmc,
		const uint64_t tsc_timestamp)
{
	const uint32_t *word = (const uint32_t *)(uintptr_t)pmc->addr;
	unsigned int n = 0;
	uint32_t armed;

	if (!sim.monitor)
		return -ENOTSUP;
	if (!sim.lcore)
		return -EINVAL;
	assert_int_equal(pmc->size, sizeof(*word));
	sim.monitors++;
	sim.until = tsc_timestamp;
	armed = __atomic_load_n(word, __ATOMIC_ACQUIRE);
	if (pmc->fn(armed, pmc->opaque) != 0)
		return 0;
	while (__atomic_load_n(word, __ATOMIC_RELAXED) == armed &&
			rte_get_tsc_cycles() < tsc_timestamp) {
		rte_pause();
		if (++n % 256 == 0)
			sched_yield();
	}
	return 0;
}

int
rte_power_pause(const uint64_t tsc_timestamp)
{
	if (!sim.pause)
		return -ENOTSUP;
	sim.pauses++;
	sim.until = tsc_timestamp;
	while (rte_get_tsc_cycles() < tsc_timestamp)
		rte_pause();
	return 0;
}

uint64_t
rte_get_tsc_hz(void)
{
	return sim.tsc_hz;
}

static int
sim_reset(void **state)
{
	RTE_SET_USED(state);
	memset(&sim, 0, sizeof(sim));
	sim.monitor = true;
	sim.pause = true;
	sim.lcore = true;
	sim.tsc_hz = 2000000000;
	return 0;
}

static bool
never(void *arg)
{
	RTE_SET_USED(arg);
	return false;
}

static bool
always(void *arg)
{
	RTE_SET_USED(arg);
	return true;
}

/* Enough rounds to be past the first rung of POWER and SLEEP. */
static void
pass_first_rung(struct ferry_wait *w)
{
	while (w->round < w->spin)
		assert_int_equal(ferry_wait_idle(w, NULL, NULL, NULL,
			FERRY_WAIT_FOREVER), 0);
}

static void
power_asks_for_rings_only_if_the_cpu_can_monitor(void **state)
{
	RTE_SET_USED(state);
	assert_true(ferry_wait_may_sleep(FERRY_WAIT_POWER));
	sim.monitor = false;
	assert_false(ferry_wait_may_sleep(FERRY_WAIT_POWER));
}

static void
the_cpu_is_asked_once_and_only_for_power(void **state)
{
	struct ferry_wait w;
	unsigned int i;

	RTE_SET_USED(state);
	ferry_wait_init(&w, FERRY_WAIT_SPIN);
	ferry_wait_init(&w, FERRY_WAIT_YIELD);
	ferry_wait_init(&w, FERRY_WAIT_SLEEP);
	assert_int_equal(sim.asked, 0);
	ferry_wait_init(&w, FERRY_WAIT_POWER);
	for (i = 0; i < 200; i++)
		ferry_wait_idle(&w, NULL, NULL, NULL, FERRY_WAIT_FOREVER);
	assert_int_equal(sim.asked, 1);
}

static bool
see_watched(void *arg)
{
	struct ferry_bell *bell = arg;

	assert_int_equal(bell->state, FERRY_BELL_WATCHED);
	return false;
}

static void
power_arms_the_bell_then_checks_again_then_waits(void **state)
{
	struct ferry_bell bell;
	uint64_t before, after;
	struct ferry_wait w;

	RTE_SET_USED(state);
	ferry_bell_init(&bell);
	ferry_wait_init(&w, FERRY_WAIT_POWER);
	pass_first_rung(&w);
	assert_int_equal(sim.monitors, 0);
	before = rte_get_tsc_cycles();
	assert_int_equal(ferry_wait_idle(&w, &bell, see_watched, &bell,
		FERRY_WAIT_FOREVER), 0);
	after = rte_get_tsc_cycles();
	assert_int_equal(sim.monitors, 1);
	assert_int_equal(sim.pauses, 0);
	/* Until the limit that Linux sets anyway. */
	assert_in_range(sim.until, before + 100000, after + 100000);
	assert_true(after >= sim.until);
	assert_int_equal(bell.state, FERRY_BELL_AWAKE);
}

static void
work_found_after_arming_prevents_the_light_sleep(void **state)
{
	struct ferry_bell bell;
	uint64_t start = ferry_test_now_ns();

	RTE_SET_USED(state);
	ferry_bell_init(&bell);
	assert_int_equal(ferry_bell_watch(&bell, always, NULL,
		rte_get_tsc_cycles() + 2 * LOST_NS), 0);
	assert_true(ferry_test_now_ns() - start < LOST_NS / 2);
	assert_int_equal(bell.state, FERRY_BELL_AWAKE);
}

static bool
ring_in_between(void *arg)
{
	struct ferry_bell *bell = arg;

	ferry_bell_ring(bell);
	return false;
}

static void
a_ring_after_the_recheck_prevents_the_light_sleep(void **state)
{
	struct ferry_bell bell;
	uint64_t start = ferry_test_now_ns();

	RTE_SET_USED(state);
	ferry_bell_init(&bell);
	assert_int_equal(ferry_bell_watch(&bell, ring_in_between, &bell,
		rte_get_tsc_cycles() + 2 * LOST_NS), 0);
	assert_true(ferry_test_now_ns() - start < LOST_NS / 2);
}

static void
power_pauses_where_it_has_no_bell(void **state)
{
	struct ferry_bell bell;
	struct ferry_wait w;

	RTE_SET_USED(state);
	ferry_bell_init(&bell);
	ferry_wait_init(&w, FERRY_WAIT_POWER);
	pass_first_rung(&w);
	ferry_wait_idle(&w, NULL, never, NULL, FERRY_WAIT_FOREVER);
	ferry_wait_idle(&w, &bell, NULL, NULL, FERRY_WAIT_FOREVER);
	assert_int_equal(sim.monitors, 0);
	assert_int_equal(sim.pauses, 2);
}

static void
power_pauses_on_a_thread_that_is_no_lcore(void **state)
{
	struct ferry_bell bell;
	struct ferry_wait w;
	unsigned int i;

	RTE_SET_USED(state);
	sim.lcore = false;
	ferry_bell_init(&bell);
	assert_int_equal(ferry_bell_watch(&bell, never, NULL, UINT64_MAX),
		-EINVAL);
	ferry_wait_init(&w, FERRY_WAIT_POWER);
	pass_first_rung(&w);
	for (i = 0; i < 16; i++)
		ferry_wait_idle(&w, &bell, never, NULL, FERRY_WAIT_FOREVER);
	assert_int_equal(sim.monitors, 0);
	assert_int_equal(sim.pauses, 16);
	assert_int_equal(bell.state, FERRY_BELL_AWAKE);
	/* A new policy, perhaps for a new thread, tries again. */
	sim.lcore = true;
	ferry_wait_set_policy(&w, FERRY_WAIT_POWER);
	pass_first_rung(&w);
	ferry_wait_idle(&w, &bell, never, NULL, FERRY_WAIT_FOREVER);
	assert_int_equal(sim.monitors, 1);
}

static void
power_yields_after_sixteen_naps(void **state)
{
	struct ferry_bell bell;
	struct ferry_wait w;
	unsigned int i;

	RTE_SET_USED(state);
	ferry_bell_init(&bell);
	ferry_wait_init(&w, FERRY_WAIT_POWER);
	pass_first_rung(&w);
	for (i = 0; i < 3 * 17; i++)
		ferry_wait_idle(&w, &bell, always, NULL, FERRY_WAIT_FOREVER);
	assert_int_equal(sim.monitors, 3 * 16);
}

static void
power_naps_end_at_the_deadline(void **state)
{
	struct ferry_bell bell;
	struct ferry_wait w;
	uint64_t deadline;

	RTE_SET_USED(state);
	ferry_bell_init(&bell);
	ferry_wait_init(&w, FERRY_WAIT_POWER);
	pass_first_rung(&w);
	deadline = rte_get_tsc_cycles() + 50000;
	if (ferry_wait_idle(&w, &bell, never, NULL, deadline) == 0)
		assert_true(sim.until <= deadline);
	assert_int_equal(ferry_wait_idle(&w, &bell, never, NULL, deadline),
		-ETIMEDOUT);
}

/*
 * Time of one nap of SLEEP with a deadline so many cycles away: the shortest of
 * some, and of many if all took longer than most_ns, as others may run instead.
 */
static uint64_t
nap_of(uint64_t cycles, uint64_t most_ns)
{
	struct ferry_bell bell;
	struct ferry_wait w;
	uint64_t start, best = UINT64_MAX;
	unsigned int i;

	ferry_bell_init(&bell);
	for (i = 0; i < 3 || (best > most_ns && i < 200); i++) {
		ferry_wait_init(&w, FERRY_WAIT_SLEEP);
		pass_first_rung(&w);
		while (w.round < w.spin + 32u)
			ferry_wait_idle(&w, &bell, never, NULL,
				FERRY_WAIT_FOREVER);
		start = ferry_test_now_ns();
		ferry_wait_idle(&w, &bell, never, NULL,
			rte_get_tsc_cycles() + cycles);
		best = RTE_MIN(best, ferry_test_now_ns() - start);
	}
	return best;
}

static void
sleep_converts_the_deadline_and_bounds_the_nap(void **state)
{
	RTE_SET_USED(state);
	/* By a clock that claims 1 GHz, a cycle is a nanosecond. */
	sim.tsc_hz = 1000000000;
	assert_in_range(nap_of(20000000, 40000000), 19000000, 40000000);
	/* Farther than the bound, and so far that a product would overflow. */
	assert_in_range(nap_of(UINT64_C(300000000), 150000000), 99000000,
		150000000);
	assert_in_range(nap_of(UINT64_MAX / 2, 150000000), 99000000, 150000000);
	/* Unknown frequency: short naps. */
	sim.tsc_hz = 0;
	assert_in_range(nap_of(UINT64_MAX / 2, 20000000), 900000, 20000000);
}

static bool
count_rechecks(void *arg)
{
	++*(unsigned int *)arg;
	return false;
}

static void
sleep_does_not_go_on_yielding_to_others(void **state)
{
	struct ferry_bell bell;
	unsigned int naps = 0;
	struct ferry_wait w;

	RTE_SET_USED(state);
	sim.slow_yield = true;
	ferry_bell_init(&bell);
	ferry_wait_init(&w, FERRY_WAIT_SLEEP);
	pass_first_rung(&w);
	ferry_wait_idle(&w, &bell, count_rechecks, &naps, FERRY_WAIT_FOREVER);
	assert_int_equal(naps, 0);
	ferry_wait_idle(&w, &bell, count_rechecks, &naps, FERRY_WAIT_FOREVER);
	assert_int_equal(naps, 1);
}

static void *
ringer_main(void *arg)
{
	wait_peer_ring(arg, 200000);
	return NULL;
}

/* About LOST_NS, at any TSC above 1 GHz at least a second. */
static int
light_sleep(struct ferry_bell *bell, ferry_bell_ready_t ready, void *arg)
{
	uint64_t until = rte_get_tsc_cycles() + LOST_NS;
	int ret = ferry_bell_watch(bell, ready, arg, until);

	if (ret != 0)
		return ret;
	return rte_get_tsc_cycles() >= until ? -ETIMEDOUT : 0;
}

static void
no_wakeup_from_the_light_sleep_is_lost(void **state)
{
	struct wait_peer *peer = mmap(NULL, sizeof(*peer),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;
	uint64_t lost;

	RTE_SET_USED(state);
	assert_ptr_not_equal(peer, MAP_FAILED);
	ferry_bell_init(&peer->bell);
	assert_int_equal(pthread_create(&thread, NULL, ringer_main, peer), 0);
	lost = wait_peer_own(peer, 200000, light_sleep);
	assert_int_equal(pthread_join(thread, NULL), 0);
	if (lost != 0)
		fail_msg("the wake-up of handover %ju was lost",
			(uintmax_t)lost);
	munmap(peer, sizeof(*peer));
}

#define sim_test(f) cmocka_unit_test_setup(f, sim_reset)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		sim_test(power_asks_for_rings_only_if_the_cpu_can_monitor),
		sim_test(the_cpu_is_asked_once_and_only_for_power),
		sim_test(power_arms_the_bell_then_checks_again_then_waits),
		sim_test(work_found_after_arming_prevents_the_light_sleep),
		sim_test(a_ring_after_the_recheck_prevents_the_light_sleep),
		sim_test(power_pauses_where_it_has_no_bell),
		sim_test(power_pauses_on_a_thread_that_is_no_lcore),
		sim_test(power_yields_after_sixteen_naps),
		sim_test(power_naps_end_at_the_deadline),
		sim_test(sleep_converts_the_deadline_and_bounds_the_nap),
		sim_test(sleep_does_not_go_on_yielding_to_others),
		sim_test(no_wakeup_from_the_light_sleep_is_lost),
	};

	return cmocka_run_group_tests_name("wait_power", tests, NULL, NULL);
}
