/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include <rte_lcore.h>

#include "ferry_test.h"
#include "ferry_wait.h"
#include "wait_peer.h"

#define MS UINT64_C(1000000)

static const enum ferry_wait_policy all_policies[] = {
	FERRY_WAIT_SPIN, FERRY_WAIT_POWER, FERRY_WAIT_YIELD, FERRY_WAIT_SLEEP,
};

static const enum ferry_wait_policy bad_policies[] = {
	(enum ferry_wait_policy)4, (enum ferry_wait_policy)-1,
};

/* --- helpers --- */

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

static uint64_t
cpu_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static long
times_blocked(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
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

/* An owner thread asleep on a bell, seen from outside. */
struct sleeper {
	struct ferry_bell bell;
	pthread_t thread;
	pid_t tid;
	uint32_t state;
	int ret;
	uint64_t max_ns;
};

static void *
sleeper_main(void *arg)
{
	struct sleeper *s = arg;

	__atomic_store_n(&s->tid, gettid(), __ATOMIC_RELEASE);
	s->ret = ferry_bell_sleep(&s->bell, never, NULL, s->max_ns);
	return NULL;
}

/* Blocked in the kernel, as /proc tells, and not just about to be. */
static bool
is_blocked(pid_t tid)
{
	char path[64], text[256], *end;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	end = strrchr(text, ')');
	return end != NULL && end[1] == ' ' && end[2] == 'S';
}

/* Start an owner and wait until it is asleep. */
static void
sleeper_start(struct sleeper *s, uint64_t max_ns)
{
	struct timespec nap = { .tv_nsec = (long)MS };
	uint64_t end = ferry_test_now_ns() + LOST_NS;
	pid_t tid;

	memset(s, 0, sizeof(*s));
	s->max_ns = max_ns;
	assert_int_equal(ferry_bell_init(&s->bell), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, sleeper_main, s), 0);
	for (;;) {
		tid = __atomic_load_n(&s->tid, __ATOMIC_ACQUIRE);
		if (tid != 0 && __atomic_load_n(&s->bell.state,
				__ATOMIC_RELAXED) == FERRY_BELL_ASLEEP &&
				is_blocked(tid))
			return;
		assert_true(ferry_test_now_ns() < end);
		nanosleep(&nap, NULL);
	}
}

/* What ferry_bell_sleep() returned in the end. */
static int
sleeper_join(struct sleeper *s)
{
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	assert_int_equal(s->bell.state, FERRY_BELL_AWAKE);
	return s->ret;
}

static struct wait_peer *
peer_map(void)
{
	struct wait_peer *peer = mmap(NULL, sizeof(*peer),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(peer, MAP_FAILED);
	assert_int_equal(ferry_bell_init(&peer->bell), 0);
	return peer;
}

/* --- the bell --- */

static void
bell_init_refuses_what_is_no_cache_line(void **state)
{
	struct ferry_bell bells[2];

	RTE_SET_USED(state);
	assert_int_equal(sizeof(bells[0]), RTE_CACHE_LINE_SIZE);
	memset(bells, 0xff, sizeof(bells));
	assert_int_equal(ferry_bell_init(NULL), -EINVAL);
	assert_int_equal(ferry_bell_init(RTE_PTR_ADD(bells, 4)), -EINVAL);
	assert_int_equal(ferry_bell_init(&bells[0]), 0);
	assert_int_equal(bells[0].state, FERRY_BELL_AWAKE);
}

static void
a_ring_returns_every_state_to_awake(void **state)
{
	static const uint32_t states[] = {
		FERRY_BELL_AWAKE, FERRY_BELL_WATCHED, FERRY_BELL_ASLEEP,
		12345, /* a peer's garbage */
	};
	struct ferry_bell bell;
	unsigned int i;

	RTE_SET_USED(state);
	for (i = 0; i < RTE_DIM(states); i++) {
		bell.state = states[i];
		ferry_bell_ring(&bell);
		assert_int_equal(bell.state, FERRY_BELL_AWAKE);
		bell.state = states[i];
		ferry_bell_shout(&bell);
		assert_int_equal(bell.state, FERRY_BELL_AWAKE);
	}
}

static void
a_ringer_asks_the_owners_flag_first(void **state)
{
	struct ferry_bell bell = { .state = FERRY_BELL_WATCHED };
	uint32_t may_sleep = 0;

	RTE_SET_USED(state);
	ferry_bell_ring_if(&may_sleep, &bell);
	assert_int_equal(bell.state, FERRY_BELL_WATCHED);
	may_sleep = 1;
	ferry_bell_ring_if(&may_sleep, &bell);
	assert_int_equal(bell.state, FERRY_BELL_AWAKE);
}

static void
sleep_and_watch_refuse_null(void **state)
{
	struct ferry_bell bell = { .state = FERRY_BELL_AWAKE };

	RTE_SET_USED(state);
	assert_int_equal(ferry_bell_sleep(NULL, never, NULL, 1), -EINVAL);
	assert_int_equal(ferry_bell_sleep(&bell, NULL, NULL, 1), -EINVAL);
	assert_int_equal(ferry_bell_watch(NULL, never, NULL, 1), -EINVAL);
	assert_int_equal(ferry_bell_watch(&bell, NULL, NULL, 1), -EINVAL);
	assert_int_equal(bell.state, FERRY_BELL_AWAKE);
}

static void
a_sleep_ends_when_its_time_is_over(void **state)
{
	struct ferry_bell bell = { .state = FERRY_BELL_AWAKE };
	uint64_t start = ferry_test_now_ns();
	uint64_t took;

	RTE_SET_USED(state);
	assert_int_equal(ferry_bell_sleep(&bell, never, NULL, 0), -ETIMEDOUT);
	assert_int_equal(ferry_bell_sleep(&bell, never, NULL, 30 * MS),
		-ETIMEDOUT);
	took = ferry_test_now_ns() - start;
	assert_in_range(took, 30 * MS, 1000 * MS);
	assert_int_equal(bell.state, FERRY_BELL_AWAKE);
}

static void
work_found_after_arming_prevents_the_sleep(void **state)
{
	struct ferry_bell bell = { .state = FERRY_BELL_AWAKE };
	long blocked = times_blocked();

	RTE_SET_USED(state);
	assert_int_equal(ferry_bell_sleep(&bell, always, NULL, LOST_NS),
		-EAGAIN);
	assert_int_equal(times_blocked(), blocked);
	assert_int_equal(bell.state, FERRY_BELL_AWAKE);
}

static bool
ring_in_between(void *arg)
{
	struct ferry_bell *bell = arg;

	assert_int_equal(bell->state, FERRY_BELL_ASLEEP);
	ferry_bell_ring(bell);
	return false;
}

static void
a_ring_between_recheck_and_sleep_prevents_the_sleep(void **state)
{
	struct ferry_bell bell = { .state = FERRY_BELL_AWAKE };

	RTE_SET_USED(state);
	assert_int_equal(ferry_bell_sleep(&bell, ring_in_between, &bell,
		LOST_NS), -EAGAIN);
}

static void
a_ring_wakes_a_sleeping_thread(void **state)
{
	struct sleeper s;

	RTE_SET_USED(state);
	sleeper_start(&s, LOST_NS);
	ferry_bell_ring(&s.bell);
	assert_int_equal(sleeper_join(&s), 0);
}

static void
a_shout_wakes_whom_a_dead_ringer_left_asleep(void **state)
{
	struct timespec nap = { .tv_nsec = 30 * MS };
	struct sleeper s;

	RTE_SET_USED(state);
	sleeper_start(&s, LOST_NS);
	/* The exchange was done, the FUTEX_WAKE was not. */
	__atomic_store_n(&s.bell.state, FERRY_BELL_AWAKE, __ATOMIC_RELAXED);
	ferry_bell_ring(&s.bell);
	nanosleep(&nap, NULL);
	assert_true(is_blocked(s.tid));
	ferry_bell_shout(&s.bell);
	assert_int_equal(sleeper_join(&s), 0);
}

static void
on_signal(int number)
{
	RTE_SET_USED(number);
}

static void
a_signal_ends_a_sleep_without_harm(void **state)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sigaction before;
	struct sleeper s;

	RTE_SET_USED(state);
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	sleeper_start(&s, LOST_NS);
	assert_int_equal(pthread_kill(s.thread, SIGUSR1), 0);
	assert_int_equal(sleeper_join(&s), 0);
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

static int
kernel_sleep(struct ferry_bell *bell, ferry_bell_ready_t ready, void *arg)
{
	return ferry_bell_sleep(bell, ready, arg, LOST_NS);
}

struct ringer {
	struct wait_peer *peer;
	uint64_t n;
};

static void *
ringer_main(void *arg)
{
	struct ringer *ringer = arg;

	wait_peer_ring(ringer->peer, ringer->n);
	return NULL;
}

static void
no_wakeup_between_threads_is_lost(void **state)
{
	struct ringer ringer = { .peer = peer_map(), .n = 200000 };
	struct wait_peer *peer = ringer.peer;
	pthread_t thread;
	uint64_t lost;

	RTE_SET_USED(state);
	assert_int_equal(pthread_create(&thread, NULL, ringer_main, &ringer),
		0);
	lost = wait_peer_own(peer, ringer.n, kernel_sleep);
	assert_int_equal(pthread_join(thread, NULL), 0);
	if (lost != 0)
		fail_msg("the wake-up of handover %ju was lost",
			(uintmax_t)lost);
	print_message("%ju sleeps\n", (uintmax_t)peer->slept);
	assert_true(peer->slept > 0);
	munmap(peer, sizeof(*peer));
}

static void
no_wakeup_between_processes_is_lost(void **state)
{
	struct wait_peer *peer = peer_map();
	const uint64_t n = 20000;
	uint64_t lost;
	int status;
	pid_t pid;

	RTE_SET_USED(state);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(wait_peer_ring(peer, n) != 0);
	lost = wait_peer_own(peer, n, kernel_sleep);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (lost != 0)
		fail_msg("the wake-up of handover %ju was lost",
			(uintmax_t)lost);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(peer->slept > 0);
	munmap(peer, sizeof(*peer));
}

static void
settle_works_where_the_kernel_offers_it(void **state)
{
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	RTE_SET_USED(state);
	if (commands >= 0 && (commands & MEMBARRIER_CMD_GLOBAL))
		assert_int_equal(ferry_bell_settle(), 0);
	else
		assert_int_equal(ferry_bell_settle(), -ENOTSUP);
}

/* A ringer that has only the owner's flag to go by. */
struct flagged {
	struct wait_peer *peer;
	uint32_t may_sleep;
	uint64_t round;
};

static void *
flagged_ringer_main(void *arg)
{
	struct flagged *f = arg;
	uint64_t n = __atomic_load_n(&f->round, __ATOMIC_RELAXED);
	uint64_t item, round, seed = 3;

	for (item = 1; item <= n; item++) {
		/* Items lie thick around the owner's change of mind. */
		round = __atomic_load_n(&f->peer->taken, __ATOMIC_ACQUIRE);
		while (round + 1 < item) {
			sched_yield();
			round = __atomic_load_n(&f->peer->taken,
				__ATOMIC_ACQUIRE);
		}
		wait_peer_delay(&seed, 400);
		__atomic_store_n(&f->peer->work, item, __ATOMIC_RELEASE);
		ferry_bell_ring_if(&f->may_sleep, &f->peer->bell);
	}
	return NULL;
}

static void
after_settling_every_ringer_sees_that_the_owner_may_sleep(void **state)
{
	struct flagged f = { .peer = peer_map(), .round = 40 };
	struct wait_owner owner = { .peer = f.peer };
	uint64_t seed = 4;
	pthread_t thread;

	RTE_SET_USED(state);
	if (ferry_bell_settle() != 0) {
		print_message("skipped: no membarrier(GLOBAL)\n");
		skip();
	}
	assert_int_equal(pthread_create(&thread, NULL, flagged_ringer_main,
		&f), 0);
	for (owner.next = 1; owner.next <= f.round; owner.next++) {
		wait_peer_delay(&seed, 400);
		__atomic_store_n(&f.may_sleep, 1, __ATOMIC_RELAXED);
		assert_int_equal(ferry_bell_settle(), 0);
		while (!wait_owner_ready(&owner))
			assert_int_not_equal(ferry_bell_sleep(&f.peer->bell,
				wait_owner_ready, &owner, LOST_NS),
				-ETIMEDOUT);
		__atomic_store_n(&f.may_sleep, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&f.peer->taken, owner.next,
			__ATOMIC_RELEASE);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	munmap(f.peer, sizeof(*f.peer));
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
		for (j = 1; j <= 64; j++) {
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
					with_bell ? &bell : NULL, never, NULL,
					deadline);
			} while (ret == 0);
			took = ferry_test_now_ns() - start;
			assert_int_equal(ret, -ETIMEDOUT);
			assert_in_range(took, 29 * MS, 1000 * MS);
			/* It stays past. */
			assert_int_equal(ferry_wait_idle(&w, &bell, never,
				NULL, deadline), -ETIMEDOUT);
			assert_int_equal(ferry_wait_idle(&w, &bell, never,
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
	blocked = times_blocked();
	while (times_blocked() == blocked)
		ferry_wait_idle(&w, &bell, never, NULL, FERRY_WAIT_FOREVER);
	blocked = times_blocked();
	cpu = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	start = ferry_test_now_ns();
	do {
		ferry_wait_idle(&w, &bell, never, NULL, FERRY_WAIT_FOREVER);
		took = ferry_test_now_ns() - start;
	} while (took < 300 * MS);
	cpu = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	print_message("%.2f %% of a core\n",
		100.0 * (double)cpu / (double)took);
	assert_true(cpu < took / 20);
	/* In naps of 100 ms. */
	assert_in_range(times_blocked() - blocked, 1, 20);
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
		blocked = times_blocked();
		for (j = 0; j < 5000; j++) {
			ferry_wait_idle(&w, NULL, never, NULL,
				FERRY_WAIT_FOREVER);
			ferry_wait_idle(&w, &bell, NULL, NULL,
				FERRY_WAIT_FOREVER);
		}
		assert_int_equal(times_blocked(), blocked);
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
		ferry_wait_idle(&w, &bell, always, NULL, FERRY_WAIT_FOREVER);
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
	unsigned int slow = 0;
	uint64_t start, took;
	pthread_t thread;
	unsigned int i, tries;

	RTE_SET_USED(state);
	ferry_bell_init(&s.bell);
	assert_int_equal(pthread_create(&thread, NULL, switched_main, &s), 0);
	for (i = 1; i <= 24; i++) {
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
		/* Late by a nap: not by the shout. */
		slow += took > FERRY_BELL_NAP_NS / 2;
		if (policy != FERRY_WAIT_SLEEP)
			continue;
		for (tries = 0; !is_blocked(s.tid); tries++) {
			assert_true(tries < 1000);
			nanosleep(&nap, NULL);
		}
	}
	assert_true(slow < 3);
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
	assert_int_equal(ferry_bell_watch(&bell, never, NULL, UINT64_MAX),
		-ENOTSUP);
	assert_int_equal(bell.state, FERRY_BELL_AWAKE);
	/* An armed bell would have been rung, as ready() shows. */
	ferry_wait_init(&w, FERRY_WAIT_POWER);
	for (i = 0; i < 1000; i++)
		ferry_wait_idle(&w, &bell, ring_in_between, &bell,
			FERRY_WAIT_FOREVER);
}

static void
power_with_waitpkg_watches_the_bell(void **state)
{
	struct wait_owner owner;
	struct ringer ringer = { .n = 1000 };
	struct ferry_wait w;
	pthread_t thread;

	RTE_SET_USED(state);
	if (!ferry_wait_may_sleep(FERRY_WAIT_POWER)) {
		print_message("skipped: CPU has no WAITPKG\n");
		skip();
	}
	ferry_test_need_eal();
	ringer.peer = peer_map();
	/* DPDK lets only lcores monitor. */
	assert_int_equal(ferry_bell_watch(&ringer.peer->bell, never, NULL,
		UINT64_MAX), -EINVAL);
	assert_int_equal(ferry_test_eal_start(NULL, NULL), 0);
	assert_int_equal(ferry_bell_watch(&ringer.peer->bell, always, NULL,
		UINT64_MAX), 0);
	owner.peer = ringer.peer;
	assert_int_equal(pthread_create(&thread, NULL, ringer_main, &ringer),
		0);
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
		cmocka_unit_test(bell_init_refuses_what_is_no_cache_line),
		cmocka_unit_test(a_ring_returns_every_state_to_awake),
		cmocka_unit_test(a_ringer_asks_the_owners_flag_first),
		cmocka_unit_test(sleep_and_watch_refuse_null),
		cmocka_unit_test(a_sleep_ends_when_its_time_is_over),
		cmocka_unit_test(work_found_after_arming_prevents_the_sleep),
		cmocka_unit_test(
			a_ring_between_recheck_and_sleep_prevents_the_sleep),
		cmocka_unit_test(a_ring_wakes_a_sleeping_thread),
		cmocka_unit_test(a_shout_wakes_whom_a_dead_ringer_left_asleep),
		cmocka_unit_test(a_signal_ends_a_sleep_without_harm),
		cmocka_unit_test(no_wakeup_between_threads_is_lost),
		cmocka_unit_test(no_wakeup_between_processes_is_lost),
		cmocka_unit_test(settle_works_where_the_kernel_offers_it),
		cmocka_unit_test(
			after_settling_every_ringer_sees_that_the_owner_may_sleep),
		cmocka_unit_test(init_and_set_policy_refuse_what_is_none),
		cmocka_unit_test(every_policy_has_a_name_that_finds_it),
		cmocka_unit_test(a_name_of_no_policy_changes_nothing),
		cmocka_unit_test(only_policies_that_sleep_ask_to_be_rung),
		cmocka_unit_test(
			the_first_rounds_only_pause_and_reset_returns_to_them),
		cmocka_unit_test(every_policy_keeps_its_deadline),
		cmocka_unit_test(a_thread_waiting_with_sleep_costs_no_core),
		cmocka_unit_test(without_bell_or_recheck_no_policy_sleeps),
		cmocka_unit_test(
			a_recheck_that_cries_wolf_does_not_keep_the_core),
		cmocka_unit_test(under_every_policy_two_threads_can_share_a_cpu),
		cmocka_unit_test(a_policy_can_be_changed_while_waiting),
		cmocka_unit_test(power_without_waitpkg_never_watches),
		cmocka_unit_test(power_with_waitpkg_watches_the_bell),
	};

	return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
