/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "ferry_bell.h"
#include "ferry_test.h"
#include "wait_peer.h"

#define MS UINT64_C(1000000)

/* An owner's thread that sleeps on a bell, as another thread sees it. */
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
	s->ret = ferry_bell_sleep(&s->bell, wait_never, NULL, s->max_ns);
	return NULL;
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
				wait_is_blocked(tid))
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
	assert_int_equal(ferry_bell_sleep(NULL, wait_never, NULL, 1), -EINVAL);
	assert_int_equal(ferry_bell_sleep(&bell, NULL, NULL, 1), -EINVAL);
	assert_int_equal(ferry_bell_watch(NULL, wait_never, NULL, 1), -EINVAL);
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
	assert_int_equal(ferry_bell_sleep(&bell, wait_never, NULL, 0),
		-ETIMEDOUT);
	assert_int_equal(ferry_bell_sleep(&bell, wait_never, NULL, 30 * MS),
		-ETIMEDOUT);
	took = ferry_test_now_ns() - start;
	assert_in_range(took, 30 * MS, 20000 * MS);
	assert_int_equal(bell.state, FERRY_BELL_AWAKE);
}

static void
work_found_after_arming_prevents_the_sleep(void **state)
{
	struct ferry_bell bell = { .state = FERRY_BELL_AWAKE };
	long blocked = wait_times_blocked();

	RTE_SET_USED(state);
	assert_int_equal(ferry_bell_sleep(&bell, wait_always, NULL, LOST_NS),
		-EAGAIN);
	assert_int_equal(wait_times_blocked(), blocked);
	assert_int_equal(bell.state, FERRY_BELL_AWAKE);
}

static void
a_ring_between_recheck_and_sleep_prevents_the_sleep(void **state)
{
	struct ferry_bell bell = { .state = FERRY_BELL_AWAKE };

	RTE_SET_USED(state);
	assert_int_equal(ferry_bell_sleep(&bell, wait_ring_in_between, &bell,
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
	assert_true(wait_is_blocked(s.tid));
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

static void
no_wakeup_between_threads_is_lost(void **state)
{
	struct wait_ringer ringer = { .peer = wait_peer_map(), .n = 200000 };
	struct wait_peer *peer = ringer.peer;
	pthread_t thread;
	uint64_t lost;

	RTE_SET_USED(state);
	assert_int_equal(pthread_create(&thread, NULL, wait_ringer_main,
		&ringer), 0);
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
	struct wait_peer *peer = wait_peer_map();
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
	struct flagged f = { .peer = wait_peer_map(), .round = 40 };
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
	};

	return cmocka_run_group_tests_name("bell", tests, NULL, NULL);
}
