/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "ferry_test.h"
#include "ferry_wait.h"
#include "wait_peer.h"

#define MS UINT64_C(1000000)

static const enum ferry_wait_policy all_policies[] = {
	FERRY_WAIT_SPIN, FERRY_WAIT_POWER, FERRY_WAIT_YIELD, FERRY_WAIT_SLEEP,
	FERRY_WAIT_NAP,
};

static const enum ferry_wait_policy bad_policies[] = {
	(enum ferry_wait_policy)5, (enum ferry_wait_policy)-1,
};

static uint64_t
cpu_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The EAL does not run here, so measure. */
static uint64_t
tsc_after_ms(unsigned int ms)
{
	static uint64_t per_ms;
	struct timespec nap = { .tv_nsec = 20 * MS };
	uint64_t tsc, ns;

	if (per_ms == 0) {
		ns = ferry_test_now_ns();
		tsc = rte_get_tsc_cycles();
		nanosleep(&nap, NULL);
		per_ms = (rte_get_tsc_cycles() - tsc) * MS /
			(ferry_test_now_ns() - ns);
	}
	return rte_get_tsc_cycles() + ms * per_ms;
}

/* --- the ladder --- */

static void
init_and_set_policy_refuse_what_is_none(void **state)
{
	struct ferry_wait w;
	struct ferry_wait copy;
	unsigned int i;

	RTE_SET_USED(state);
	assert_int_equal(ferry_wait_init(NULL, FERRY_WAIT_SPIN), -EINVAL);
	assert_int_equal(ferry_wait_set_policy(NULL, FERRY_WAIT_SPIN), -EINVAL);
	assert_int_equal(ferry_wait_init(&w, FERRY_WAIT_YIELD), 0);
	ferry_wait_idle(&w, NULL, NULL, NULL, FERRY_WAIT_FOREVER);
	copy = w;
	for (i = 0; i < RTE_DIM(bad_policies); i++) {
		assert_int_equal(ferry_wait_init(&w, bad_policies[i]),
			-EINVAL);
		assert_int_equal(ferry_wait_set_policy(&w, bad_policies[i]),
			-EINVAL);
		assert_memory_equal(&w, &copy, sizeof(w));
	}
}

static void
every_policy_has_a_name_that_finds_it(void **state)
{
	enum ferry_wait_policy found;
	unsigned int i;

	RTE_SET_USED(state);
	for (i = 0; i < RTE_DIM(all_policies); i++) {
		found = all_policies[(i + 1) % RTE_DIM(all_policies)];
		assert_int_equal(ferry_wait_policy_parse(
			ferry_wait_policy_name(all_policies[i]), &found), 0);
		assert_int_equal(found, all_policies[i]);
	}
	for (i = 0; i < RTE_DIM(bad_policies); i++)
		assert_string_equal(ferry_wait_policy_name(bad_policies[i]),
			"unknown");
}

static void
a_name_of_no_policy_changes_nothing(void **state)
{
	static const char *const bad[] = {
		NULL, "", "unknown", "Spin", "spin ", "sp", "sleepy",
	};
	enum ferry_wait_policy policy = FERRY_WAIT_POWER;
	unsigned int i;

	RTE_SET_USED(state);
	for (i = 0; i < RTE_DIM(bad); i++) {
		assert_int_equal(ferry_wait_policy_parse(bad[i], &policy),
			-EINVAL);
		assert_int_equal(policy, FERRY_WAIT_POWER);
	}
	assert_int_equal(ferry_wait_policy_parse("spin", NULL), -EINVAL);
}

static void
only_policies_that_sleep_ask_to_be_rung(void **state)
{
	RTE_SET_USED(state);
	assert_false(ferry_wait_may_sleep(FERRY_WAIT_SPIN));
	assert_false(ferry_wait_may_sleep(FERRY_WAIT_YIELD));
	assert_true(ferry_wait_may_sleep(FERRY_WAIT_SLEEP));
	assert_true(ferry_wait_may_sleep(FERRY_WAIT_NAP));
	assert_false(ferry_wait_may_sleep(bad_policies[0]));
}

static void
the_first_rounds_only_pause_and_reset_returns_to_them(void **state)
{
	struct ferry_wait w;
	unsigned int i, j;

	RTE_SET_USED(state);
	for (i = 0; i < RTE_DIM(all_policies); i++) {
		assert_int_equal(ferry_wait_init(&w, all_policies[i]), 0);
		/* NAP has the shortest first rung, of 16. */
		for (j = 1; j <= (all_policies[i] == FERRY_WAIT_NAP ? 16 : 64);
				j++) {
			assert_int_equal(ferry_wait_idle(&w, NULL, NULL, NULL,
				FERRY_WAIT_FOREVER), 0);
			assert_int_equal(w.round, j);
		}
		ferry_wait_reset(&w);
		assert_int_equal(w.round, 0);
		for (j = 0; j < 10; j++)
			ferry_wait_idle(&w, NULL, NULL, NULL,
				FERRY_WAIT_FOREVER);
		assert_int_equal(ferry_wait_set_policy(&w, all_policies[i]),
			0);
		assert_int_equal(w.round, 0);
	}
}

static void
every_policy_keeps_its_deadline(void **state)
{
	struct ferry_bell bell;
	struct ferry_wait w;
	uint64_t start, took, deadline;
	unsigned int i;
	int with_bell, ret;

	RTE_SET_USED(state);
	ferry_bell_init(&bell);
	for (i = 0; i < RTE_DIM(all_policies); i++) {
		for (with_bell = 0; with_bell < 2; with_bell++) {
			ferry_wait_init(&w, all_policies[i]);
			start = ferry_test_now_ns();
			deadline = tsc_after_ms(30);
			do {
				ret = ferry_wait_idle(&w,
					with_bell ? &bell : NULL, wait_never,
					NULL, deadline);
			} while (ret == 0);
			took = ferry_test_now_ns() - start;
			assert_int_equal(ret, -ETIMEDOUT);
			assert_in_range(took, 29 * MS, 20000 * MS);
			/* It stays past. */
			assert_int_equal(ferry_wait_idle(&w, &bell, wait_never,
				NULL, deadline), -ETIMEDOUT);
			assert_int_equal(ferry_wait_idle(&w, &bell, wait_never,
				NULL, 0), -ETIMEDOUT);
		}
	}
}

static void
a_thread_waiting_with_sleep_costs_no_core(void **state)
{
	struct ferry_bell bell;
	struct ferry_wait w;
	uint64_t start, cpu, took;
	long blocked;

	RTE_SET_USED(state);
	ferry_bell_init(&bell);
	ferry_wait_init(&w, FERRY_WAIT_SLEEP);
	/* Past the yields, which may take time slices. */
	blocked = wait_times_blocked();
	while (wait_times_blocked() == blocked)
		ferry_wait_idle(&w, &bell, wait_never, NULL,
			FERRY_WAIT_FOREVER);
	blocked = wait_times_blocked();
	cpu = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	start = ferry_test_now_ns();
	do {
		ferry_wait_idle(&w, &bell, wait_never, NULL,
			FERRY_WAIT_FOREVER);
		took = ferry_test_now_ns() - start;
	} while (took < 300 * MS);
	cpu = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	print_message("%.2f %% of a core\n",
		100.0 * (double)cpu / (double)took);
	assert_true(cpu < took / 20);
	/* In naps of 100 ms. */
	assert_in_range(wait_times_blocked() - blocked, 1, 20);
}

static void
a_nap_begins_after_a_few_pauses(void **state)
{
	struct ferry_bell bell;
	struct ferry_wait w;
	unsigned int i;
	long blocked;

	RTE_SET_USED(state);
	ferry_bell_init(&bell);
	ferry_wait_init(&w, FERRY_WAIT_NAP);
	for (i = 0; i < 16; i++)
		ferry_wait_idle(&w, &bell, wait_never, NULL,
			FERRY_WAIT_FOREVER);
	blocked = wait_times_blocked();
	ferry_wait_idle(&w, &bell, wait_never, NULL, FERRY_WAIT_FOREVER);
	assert_int_equal(wait_times_blocked(), blocked + 1);
	/* Found nothing: asleep again at once; found something: pauses. */
	ferry_wait_idle(&w, &bell, wait_never, NULL, FERRY_WAIT_FOREVER);
	assert_int_equal(wait_times_blocked(), blocked + 2);
	ferry_wait_reset(&w);
	ferry_wait_idle(&w, &bell, wait_never, NULL, FERRY_WAIT_FOREVER);
	assert_int_equal(wait_times_blocked(), blocked + 2);
}

static void
without_bell_or_recheck_no_policy_sleeps(void **state)
{
	struct ferry_bell bell;
	struct ferry_wait w;
	unsigned int i, j;
	long blocked;

	RTE_SET_USED(state);
	ferry_bell_init(&bell);
	for (i = 0; i < RTE_DIM(all_policies); i++) {
		ferry_wait_init(&w, all_policies[i]);
		blocked = wait_times_blocked();
		for (j = 0; j < 5000; j++) {
			ferry_wait_idle(&w, NULL, wait_never, NULL,
				FERRY_WAIT_FOREVER);
			ferry_wait_idle(&w, &bell, NULL, NULL,
				FERRY_WAIT_FOREVER);
		}
		assert_int_equal(wait_times_blocked(), blocked);
		assert_int_equal(bell.state, FERRY_BELL_AWAKE);
	}
}

static void
a_recheck_that_cries_wolf_does_not_keep_the_core(void **state)
{
	struct ferry_bell bell;
	struct ferry_wait w;
	unsigned int i, back = 0;
	uint32_t last = 0;

	RTE_SET_USED(state);
	ferry_bell_init(&bell);
	ferry_wait_init(&w, FERRY_WAIT_SLEEP);
	for (i = 0; i < 2000; i++) {
		ferry_wait_idle(&w, &bell, wait_always, NULL,
			FERRY_WAIT_FOREVER);
		back += w.round < last;
		last = w.round;
	}
	/*
	 * Back to the yields after each attempt: (2000 - 256) / 33, more often
	 * where yields take long.
	 */
	assert_in_range(back, 50, 900);
}

/* Two threads on one CPU hand a turn to and fro. */
struct turns {
	uint32_t turn;
	uint32_t n;
	enum ferry_wait_policy policy;
};

static void
take_turns(struct turns *t, uint32_t mine)
{
	struct ferry_wait w;
	uint32_t i;

	ferry_wait_init(&w, t->policy);
	for (i = mine; i < t->n; i += 2) {
		while (__atomic_load_n(&t->turn, __ATOMIC_ACQUIRE) != i)
			ferry_wait_idle(&w, NULL, NULL, NULL,
				FERRY_WAIT_FOREVER);
		ferry_wait_reset(&w);
		__atomic_store_n(&t->turn, i + 1, __ATOMIC_RELEASE);
	}
}

static void *
turns_main(void *arg)
{
	take_turns(arg, 1);
	return NULL;
}

static void
under_every_policy_two_threads_can_share_a_cpu(void **state)
{
	cpu_set_t before, one;
	pthread_t thread;
	unsigned int i;
	int cpu = 0;

	RTE_SET_USED(state);
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	for (i = 0; i < RTE_DIM(all_policies); i++) {
		struct turns t = { .n = 400, .policy = all_policies[i] };
		uint64_t used = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);

		assert_int_equal(pthread_create(&thread, NULL, turns_main, &t),
			0);
		take_turns(&t, 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		used = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - used;
		print_message("%s: %ju us per turn\n",
			ferry_wait_policy_name(all_policies[i]),
			(uintmax_t)used / 1000 / t.n);
		/* Without yields each turn takes a time slice, 2-4 ms. */
		assert_true(used / t.n < MS);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* A waiter whose policy is changed by someone else. */
struct switched {
	struct ferry_bell bell;
	/* enum ferry_wait_policy. */
	uint32_t wish;
	uint32_t now;
	uint32_t stop;
	pid_t tid;
};

static bool
switched_ready(void *arg)
{
	struct switched *s = arg;

	return __atomic_load_n(&s->stop, __ATOMIC_ACQUIRE) ||
		__atomic_load_n(&s->wish, __ATOMIC_ACQUIRE) != s->now;
}

static void *
switched_main(void *arg)
{
	struct switched *s = arg;
	struct ferry_wait w;
	uint32_t wish;

	ferry_wait_init(&w, FERRY_WAIT_SPIN);
	__atomic_store_n(&s->tid, gettid(), __ATOMIC_RELEASE);
	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		wish = __atomic_load_n(&s->wish, __ATOMIC_ACQUIRE);
		if (wish != s->now) {
			ferry_wait_set_policy(&w, (enum ferry_wait_policy)wish);
			__atomic_store_n(&s->now, wish, __ATOMIC_RELEASE);
		}
		ferry_wait_idle(&w, &s->bell, switched_ready, s,
			FERRY_WAIT_FOREVER);
	}
	return NULL;
}

static void
a_policy_can_be_changed_while_waiting(void **state)
{
	static struct switched s;
	struct timespec nap = { .tv_nsec = (long)MS };
	uint64_t start, took, since;
	pthread_t thread;
	unsigned int i, quick = 0;
	bool asleep = false;

	RTE_SET_USED(state);
	ferry_bell_init(&s.bell);
	assert_int_equal(pthread_create(&thread, NULL, switched_main, &s), 0);
	/*
	 * The shout ends a sleep: without it the sleeper would be late by
	 * almost the nap of 100 ms each time, as it has only begun. It may be
	 * late by that on a busy machine, but not each time.
	 */
	for (i = 1; i <= 24 || (quick < 4 && i <= 500); i++) {
		enum ferry_wait_policy policy =
			all_policies[i % RTE_DIM(all_policies)];

		start = ferry_test_now_ns();
		__atomic_store_n(&s.wish, policy, __ATOMIC_RELEASE);
		ferry_bell_shout(&s.bell);
		do {
			sched_yield();
			took = ferry_test_now_ns() - start;
			assert_true(took < LOST_NS);
		} while (__atomic_load_n(&s.now, __ATOMIC_ACQUIRE) != policy);
		quick += asleep && took < FERRY_BELL_NAP_NS / 2;
		asleep = policy == FERRY_WAIT_SLEEP;
		since = ferry_test_now_ns();
		while (asleep && !wait_is_blocked(s.tid)) {
			assert_true(ferry_test_now_ns() - since <
				FERRY_TEST_HANG_NS);
			nanosleep(&nap, NULL);
		}
	}
	assert_true(quick >= 4);
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELEASE);
	ferry_bell_shout(&s.bell);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* --- POWER on this CPU --- */

static void
power_without_waitpkg_never_watches(void **state)
{
	struct ferry_bell bell;
	struct ferry_wait w;
	unsigned int i;

	RTE_SET_USED(state);
	if (ferry_wait_may_sleep(FERRY_WAIT_POWER)) {
		print_message("skipped: CPU has WAITPKG\n");
		skip();
	}
	ferry_bell_init(&bell);
	assert_int_equal(ferry_bell_watch(&bell, wait_never, NULL, UINT64_MAX),
		-ENOTSUP);
	assert_int_equal(bell.state, FERRY_BELL_AWAKE);
	/* An armed bell would have been rung, as ready() shows. */
	ferry_wait_init(&w, FERRY_WAIT_POWER);
	for (i = 0; i < 1000; i++)
		ferry_wait_idle(&w, &bell, wait_ring_in_between, &bell,
			FERRY_WAIT_FOREVER);
}

static void
power_with_waitpkg_watches_the_bell(void **state)
{
	struct wait_owner owner;
	struct wait_ringer ringer = { .n = 1000 };
	struct ferry_wait w;
	pthread_t thread;

	RTE_SET_USED(state);
	if (!ferry_wait_may_sleep(FERRY_WAIT_POWER)) {
		print_message("skipped: CPU has no WAITPKG\n");
		skip();
	}
	ferry_test_need_eal();
	ringer.peer = wait_peer_map();
	/* DPDK lets only lcores monitor. */
	assert_int_equal(ferry_bell_watch(&ringer.peer->bell, wait_never, NULL,
		UINT64_MAX), -EINVAL);
	assert_int_equal(ferry_test_eal_start(NULL, NULL), 0);
	assert_int_equal(ferry_bell_watch(&ringer.peer->bell, wait_always, NULL,
		UINT64_MAX), 0);
	owner.peer = ringer.peer;
	assert_int_equal(pthread_create(&thread, NULL, wait_ringer_main,
		&ringer), 0);
	ferry_wait_init(&w, FERRY_WAIT_POWER);
	for (owner.next = 1; owner.next <= ringer.n; owner.next++) {
		while (!wait_owner_ready(&owner))
			assert_int_equal(ferry_wait_idle(&w,
				&ringer.peer->bell, wait_owner_ready, &owner,
				FERRY_WAIT_FOREVER), 0);
		__atomic_store_n(&ringer.peer->taken, owner.next,
			__ATOMIC_RELEASE);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	munmap(ringer.peer, sizeof(*ringer.peer));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_and_set_policy_refuse_what_is_none),
		cmocka_unit_test(every_policy_has_a_name_that_finds_it),
		cmocka_unit_test(a_name_of_no_policy_changes_nothing),
		cmocka_unit_test(only_policies_that_sleep_ask_to_be_rung),
		cmocka_unit_test(
			the_first_rounds_only_pause_and_reset_returns_to_them),
		cmocka_unit_test(every_policy_keeps_its_deadline),
		cmocka_unit_test(a_thread_waiting_with_sleep_costs_no_core),
		cmocka_unit_test(a_nap_begins_after_a_few_pauses),
		cmocka_unit_test(without_bell_or_recheck_no_policy_sleeps),
		cmocka_unit_test(
			a_recheck_that_cries_wolf_does_not_keep_the_core),
		cmocka_unit_test(
			under_every_policy_two_threads_can_share_a_cpu),
		cmocka_unit_test(a_policy_can_be_changed_while_waiting),
		cmocka_unit_test(power_without_waitpkg_never_watches),
		cmocka_unit_test(power_with_waitpkg_watches_the_bell),
	};

	return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
