/* SPDX-License-Identifier: BSD-3-Clause */

/* Which threads may run an engine, with which lanes, and what an idle engine
 * costs. */

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_service.h>

#include "ferry_engine.h"
#include "hub_fixture.h"

#define SLOT 65536
#define SLOTS 16
#define ANY_TIME FERRY_TEST_HANG_NS
#define SECOND UINT64_C(1000000000)

static uint8_t payload[SLOT];

struct stage {
	struct ferry_hub *hub;
	struct ferry_engine *engine;
	struct ferry_endpoint *a;
	struct ferry_endpoint *b;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	uint64_t n;
};

static void
stage_start(struct stage *s)
{
	const struct ferry_channel_config config = {
		.slot_size = SLOT, .n_slots = SLOTS,
	};

	memset(s, 0, sizeof(*s));
	s->hub = hub_make(HUB, 16 * MIB, 0, 0);
	assert_int_equal(ferry_engine_create(&s->engine, s->hub, NULL), 0);
	s->a = hub_join(HUB, "a");
	s->b = hub_join(HUB, "b");
	assert_int_equal(ferry_tx_open(&s->tx, s->a, "ch", &config), 0);
	assert_int_equal(ferry_rx_open(&s->rx, s->b, "ch", &config), 0);
}

static void
stage_stop(struct stage *s)
{
	ferry_detach(s->a);
	ferry_detach(s->b);
	ferry_engine_destroy(s->engine);
	hub_check_empty(s->hub);
	assert_int_equal(ferry_hub_destroy(s->hub), 0);
}

/* Post one message, wait until it is done, and receive it. */
static void
pass(struct stage *s, uint32_t len)
{
	struct ferry_buf buf = { .data = payload, .len = len };
	struct ferry_msg msg;

	ferry_test_fill(payload, len, s->n);
	buf.tag = (uint32_t)s->n;
	assert_int_equal(ferry_tx_post(s->tx, &buf, 1), 1);
	assert_int_equal(ferry_tx_finish(s->tx, 0, ANY_TIME), 0);
	assert_int_equal(ferry_rx_wait(s->rx, ANY_TIME), 0);
	assert_int_equal(ferry_rx_recv(s->rx, &msg, 1), 1);
	assert_int_equal(msg.tag, (uint32_t)s->n);
	assert_int_equal(msg.len, len);
	assert_int_equal(ferry_test_check(msg.data, len, s->n), -1);
	assert_int_equal(ferry_rx_release(s->rx, &msg, 1), 0);
	s->n++;
}

static void
pass_some(struct stage *s, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		pass(s, 8193 + i * 977 % (SLOT - 8192));
}

static struct ferry_engine_info
info_of(struct ferry_engine *e)
{
	struct ferry_engine_info info;

	ferry_engine_info(e, &info);
	return info;
}

static void
an_lcore_runs_an_engine_until_it_is_destroyed(void **state)
{
	struct stage s;
	int i;

	(void)state;
	ferry_test_need_eal();
	for (i = 0; i < 3; i++) {
		stage_start(&s);
		assert_int_equal(ferry_engine_launch(s.engine, 0), -EINVAL);
		assert_int_equal(ferry_engine_launch(s.engine,
			RTE_MAX_LCORE), -EINVAL);
		assert_int_equal(ferry_engine_launch(s.engine, 1), 0);
		assert_int_equal(ferry_engine_launch(s.engine, 1), -EBUSY);
		assert_int_equal(ferry_engine_service(s.engine, NULL), -EBUSY);
		assert_int_equal(ferry_tx_set_mode(s.tx,
			FERRY_MODE_EFFICIENCY), 0);
		pass_some(&s, 50);
		assert_int_equal(info_of(s.engine).msgs, 50);
		stage_stop(&s);
		assert_int_equal(rte_eal_get_lcore_state(1), WAIT);
	}
}

/* Where an lcore's thread is that a signal keeps. */
enum { NOT_YET, KEPT, GOES_ON };
static uint32_t kept;

static void
keep(int signal)
{
	const struct timespec time = { 0, SECOND / 2 };

	(void)signal;
	__atomic_store_n(&kept, KEPT, __ATOMIC_RELEASE);
	nanosleep(&time, NULL);
	__atomic_store_n(&kept, GOES_ON, __ATOMIC_RELEASE);
}

static int
tell_thread(void *arg)
{
	*(pthread_t *)arg = pthread_self();
	return 0;
}

/* However long its last turn takes: the engine is freed then. */
static void
an_engine_that_is_destroyed_has_left_its_lcore(void **state)
{
	struct sigaction action = { .sa_handler = keep }, before;
	const uint64_t limit = ferry_test_now_ns() + ANY_TIME;
	pthread_t thread;
	struct stage s;

	(void)state;
	ferry_test_need_eal();
	assert_int_equal(rte_eal_remote_launch(tell_thread, &thread, 1), 0);
	assert_int_equal(rte_eal_wait_lcore(1), 0);
	stage_start(&s);
	assert_int_equal(ferry_engine_launch(s.engine, 1), 0);
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
	while (__atomic_load_n(&kept, __ATOMIC_ACQUIRE) == NOT_YET)
		assert_true(ferry_test_now_ns() < limit);
	stage_stop(&s);
	assert_int_equal(__atomic_load_n(&kept, __ATOMIC_ACQUIRE), GOES_ON);
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

static uint64_t
attr_of(uint32_t service, uint32_t attr)
{
	uint64_t value;

	assert_int_equal(rte_service_attr_get(service, attr, &value), 0);
	return value;
}

/* Cycles that a service core spends on so many turns, at least. */
static uint64_t
cycles_of_turns(uint32_t service, uint64_t turns)
{
	const uint64_t limit = ferry_test_now_ns() + ANY_TIME;
	uint64_t calls, cycles;

	cycles = attr_of(service, RTE_SERVICE_ATTR_CYCLES);
	calls = attr_of(service, RTE_SERVICE_ATTR_CALL_COUNT);
	while (attr_of(service, RTE_SERVICE_ATTR_CALL_COUNT) - calls < turns)
		assert_true(ferry_test_now_ns() < limit);
	return attr_of(service, RTE_SERVICE_ATTR_CYCLES) - cycles;
}

/* By what DPDK's statistics say that a service core is busy with. */
static void
idle_turns_count_as_idle_at_a_service_core(void **state)
{
	struct stage s;
	uint64_t cycles;
	uint32_t id;
	int i;

	(void)state;
	ferry_test_need_eal();
	assert_int_equal(rte_service_lcore_add(2), 0);
	assert_int_equal(rte_service_lcore_start(2), 0);
	stage_start(&s);
	assert_int_equal(ferry_tx_set_mode(s.tx, FERRY_MODE_EFFICIENCY), 0);
	assert_int_equal(ferry_engine_service(s.engine, &id), 0);
	assert_int_equal(rte_service_set_stats_enable(id, 1), 0);
	assert_int_equal(rte_service_map_lcore_set(id, 2, 1), 0);
	for (i = 0; i < 3; i++) {
		cycles = attr_of(id, RTE_SERVICE_ATTR_CYCLES);
		pass_some(&s, 50);
		cycles_of_turns(id, 2);
		assert_true(attr_of(id, RTE_SERVICE_ATTR_CYCLES) > cycles);
		assert_int_equal(cycles_of_turns(id, 1000), 0);
	}
	stage_stop(&s);
	assert_int_equal(rte_service_lcore_stop(2), 0);
	assert_int_equal(rte_service_lcore_del(2), 0);
}

static void
a_service_core_runs_an_engine(void **state)
{
	struct stage s;
	uint32_t id;
	int i;

	(void)state;
	ferry_test_need_eal();
	assert_int_equal(rte_service_lcore_add(2), 0);
	assert_int_equal(rte_service_lcore_start(2), 0);
	for (i = 0; i < 3; i++) {
		stage_start(&s);
		assert_int_equal(ferry_engine_service(s.engine, &id), 0);
		assert_int_equal(ferry_engine_service(s.engine, &id), -EBUSY);
		assert_string_equal(rte_service_get_name(id),
			"ferry-engine0");
		assert_int_equal(rte_service_map_lcore_set(id, 2, 1), 0);
		assert_int_equal(ferry_tx_set_mode(s.tx,
			FERRY_MODE_EFFICIENCY), 0);
		pass_some(&s, 50);
		assert_int_equal(info_of(s.engine).msgs, 50);
		stage_stop(&s);
	}
	assert_int_equal(rte_service_lcore_stop(2), 0);
	assert_int_equal(rte_service_lcore_del(2), 0);
}

static void
dma_devices_copy_for_an_engine(void **state)
{
	struct ferry_lane_stats stats = { 0 };
	struct stage s;
	int round;

	(void)state;
	ferry_test_need_eal();
	/* A device that an engine gave back can be had again. */
	for (round = 0; round < 2; round++) {
		stage_start(&s);
		assert_int_equal(ferry_engine_add_devices(s.engine,
		ferry_copy_dmadev(), "nothing*"),
			-ENODEV);
		assert_int_equal(ferry_engine_add_devices(s.engine,
		ferry_copy_dmadev(), "nothing,dma_skel*"), 1);
		/* It is in use. */
		assert_true(ferry_engine_add_devices(s.engine,
		ferry_copy_dmadev(), NULL) < 0);
		assert_int_equal(info_of(s.engine).lanes, 2);
		assert_int_equal(ferry_engine_launch(s.engine, 1), 0);
		assert_int_equal(ferry_tx_set_mode(s.tx,
			FERRY_MODE_EFFICIENCY), 0);
		pass_some(&s, 200);
		assert_int_equal(info_of(s.engine).msgs, 200);
		ferry_lane_stats(ferry_copier_lane(ferry_engine_copier(
			s.engine), 1), &stats);
		print_message("%llu bytes of %llu by the device\n",
			(unsigned long long)stats.bytes,
			(unsigned long long)info_of(s.engine).bytes);
		assert_int_equal(stats.errors, 0);
		stage_stop(&s);
	}
}

/* A consumer that sleeps until a message comes, and notes when it came. */
struct sleeper {
	struct stage *s;
	pthread_t thread;
	uint64_t got;
	uint64_t at;
	int result;
};

static void *
sleep_main(void *arg)
{
	struct sleeper *z = arg;
	struct ferry_msg msg;
	int ret;

	for (;;) {
		ret = ferry_rx_wait(z->s->rx, UINT64_MAX);
		if (ret == 0)
			ret = ferry_rx_recv(z->s->rx, &msg, 1);
		if (ret == 1) {
			z->at = ferry_test_now_ns();
			ferry_rx_release(z->s->rx, &msg, 1);
			__atomic_fetch_add(&z->got, 1, __ATOMIC_RELEASE);
		} else if (ret < 0) {
			z->result = ret;
			return NULL;
		}
	}
}

static void
await(const uint64_t *counter, uint64_t value)
{
	const uint64_t end = ferry_test_now_ns() + ANY_TIME;

	while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) < value) {
		assert_true(ferry_test_now_ns() < end);
		usleep(20);
	}
}

static int
by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

#define WAKES 31
#define TRIES 40

/* Whether all other threads of the process sleep, and are not only kept off the
 * CPU by others. */
static bool
others_are_blocked(void)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *e;
	bool blocked = true;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		char path[300], state = 'S';
		FILE *f;

		if (e->d_name[0] == '.' || atoi(e->d_name) == gettid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/stat",
			e->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		/* The name in brackets has none itself. */
		if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = 'R';
		fclose(f);
		blocked = blocked && state == 'S';
	}
	closedir(dir);
	return blocked;
}

/* Let idle engine and consumer be woken some times: the median latency. */
static uint64_t
median_wake(struct stage *s, struct sleeper *z)
{
	struct ferry_buf buf = { .data = payload, .len = 9000 };
	uint64_t took[WAKES], start, got;
	unsigned int i;

	for (i = 0; i < WAKES; i++) {
		const uint64_t end = ferry_test_now_ns() + ANY_TIME;

		while (!others_are_blocked()) {
			assert_true(ferry_test_now_ns() < end);
			usleep(1000);
		}
		got = __atomic_load_n(&z->got, __ATOMIC_ACQUIRE);
		start = ferry_test_now_ns();
		assert_int_equal(ferry_tx_post(s->tx, &buf, 1), 1);
		await(&z->got, got + 1);
		took[i] = z->at - start;
	}
	qsort(took, WAKES, sizeof(took[0]), by_value);
	return took[WAKES / 2];
}

static void
an_idle_engine_and_its_ends_cost_nothing_and_wake_at_once(void **state)
{
	struct ferry_buf buf = { .data = payload, .len = 9000 };
	struct sleeper z = { .s = NULL };
	uint64_t took = UINT64_MAX;
	struct stage s;
	unsigned int i;
	double share;

	(void)state;
	ferry_test_need_eal();
	stage_start(&s);
	z.s = &s;
	assert_int_equal(ferry_tx_set_mode(s.tx, FERRY_MODE_EFFICIENCY), 0);
	assert_int_equal(ferry_engine_launch(s.engine, 1), 0);
	assert_int_equal(pthread_create(&z.thread, NULL, sleep_main, &z), 0);
	/* Used once, then idle. */
	assert_int_equal(ferry_tx_post(s.tx, &buf, 1), 1);
	await(&z.got, 1);
	assert_int_equal(ferry_tx_finish(s.tx, 0, ANY_TIME), 0);
	share = ferry_test_await_sleep();
	print_message("%.3f %% of a fair share of a core\n", share * 100);
	assert_true(share < 1);
	assert_true(info_of(s.engine).sleeps > 0);
	/*
	 * A lost wake-up would show as the 100 ms of a nap, half of them in the
	 * median. On a busy machine it may take as long, but not each time.
	 */
	for (i = 0; i < TRIES && took >= SECOND / 100; i++)
		took = median_wake(&s, &z);
	print_message("a post of 9000 bytes wakes engine and consumer in %.1f "
		"us (median)\n", (double)took / 1e3);
	assert_true(took < SECOND / 100);
	ferry_tx_close(s.tx);
	pthread_join(z.thread, NULL);
	assert_int_equal(z.result, FERRY_E_CLOSED);
	stage_stop(&s);
}

static uint64_t
cpu_of(const struct rusage *r)
{
	return (uint64_t)(r->ru_utime.tv_sec + r->ru_stime.tv_sec) * SECOND +
		(uint64_t)(r->ru_utime.tv_usec + r->ru_stime.tv_usec) * 1000;
}

static void
a_producer_that_finishes_sleeps_meanwhile(void **state)
{
	struct ferry_buf buf = { .data = payload, .len = SLOT };
	struct rusage before, after;
	struct stage s;

	(void)state;
	ferry_test_need_eal();
	stage_start(&s);
	assert_int_equal(ferry_tx_set_mode(s.tx, FERRY_MODE_EFFICIENCY), 0);
	assert_int_equal(ferry_tx_post(s.tx, &buf, 1), 1);
	getrusage(RUSAGE_THREAD, &before);
	/* No thread runs the engine. */
	assert_int_equal(ferry_tx_finish(s.tx, 0, 3 * SECOND), -ETIMEDOUT);
	getrusage(RUSAGE_THREAD, &after);
	/* It slept, a nap at a time: more often than it was put off the CPU. */
	assert_true(cpu_of(&after) - cpu_of(&before) < SECOND / 20);
	assert_in_range(after.ru_nvcsw - before.ru_nvcsw, 1, 300);
	assert_int_equal(ferry_engine_launch(s.engine, 1), 0);
	assert_int_equal(ferry_tx_finish(s.tx, 0, ANY_TIME), 0);
	stage_stop(&s);
}

/* Whether other threads use so much CPU time before this one has used a lot. */
static bool
others_use(uint64_t ns)
{
	uint64_t used = 0;
	unsigned int i;

	for (i = 0; i < 100 && used < ns; i++)
		used += ferry_test_others_cpu_ns(SECOND / 50);
	return used >= ns;
}

/* The other end is asleep when the mode changes; it is not afterwards. */
static void
a_change_of_mode_wakes_who_sleeps(void **state)
{
	struct sleeper z = { .s = NULL };
	struct stage s;
	int i;

	(void)state;
	ferry_test_need_eal();
	stage_start(&s);
	z.s = &s;
	assert_int_equal(ferry_tx_set_mode(s.tx, FERRY_MODE_EFFICIENCY), 0);
	assert_int_equal(pthread_create(&z.thread, NULL, sleep_main, &z), 0);
	for (i = 0; i < 3; i++) {
		assert_true(ferry_test_await_sleep() < 1);
		assert_int_equal(ferry_tx_set_mode(s.tx,
			FERRY_MODE_LATENCY), 0);
		/* It spins, as far as others let it. */
		assert_true(others_use(SECOND / 25));
		assert_int_equal(ferry_tx_set_mode(s.tx,
			FERRY_MODE_EFFICIENCY), 0);
	}
	ferry_tx_close(s.tx);
	pthread_join(z.thread, NULL);
	stage_stop(&s);
}

#define MANY 1000

static void
a_thousand_quiet_channels_are_not_looked_at(void **state)
{
	static const struct ferry_channel_config small = { 10000, 1 };
	static struct ferry_tx *txs[MANY];
	struct ferry_buf buf = { .data = payload, .len = 9000 };
	struct ferry_engine_info info;
	struct ferry_endpoint *ep;
	struct ferry_engine *e;
	struct ferry_hub *hub;
	struct ferry_msg msg;
	struct ferry_rx *rx;
	uint64_t turns;
	char name[32];
	int i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 60 * MIB, 0, 2 * MANY);
	ep = hub_join(HUB, "many");
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "ch%d", i);
		assert_int_equal(ferry_tx_open(&txs[i], ep, name, &small), 0);
	}
	/* The first engine gets them all. */
	assert_int_equal(ferry_engine_create(&e, hub, NULL), 0);
	assert_int_equal(ferry_rx_open(&rx, ep, "ch500", NULL), 0);
	info = info_of(e);
	assert_int_equal(info.channels, MANY);
	for (i = 0; info_of(e).active > 0; i++) {
		assert_true(i < 64 * MANY);
		ferry_engine_poll(e);
	}
	for (i = 0; i < 5; i++) {
		assert_int_equal(ferry_tx_set_mode(txs[500],
			FERRY_MODE_EFFICIENCY), 0);
		assert_int_equal(ferry_tx_post(txs[500], &buf, 1), 1);
		turns = info_of(e).turns;
		while (ferry_tx_pending(txs[500]) > 0)
			ferry_engine_poll(e);
		info = info_of(e);
		assert_int_equal(info.active, 1);
		assert_true(info.turns - turns < 10);
		assert_int_equal(ferry_rx_recv(rx, &msg, 1), 1);
		assert_int_equal(ferry_rx_release(rx, &msg, 1), 0);
		/* Quiet again after a while. */
		while (info_of(e).active > 0)
			ferry_engine_poll(e);
		assert_true(info_of(e).turns - turns < 200);
	}
	ferry_detach(ep);
	ferry_engine_destroy(e);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static int
eal_start(void **state)
{
	char lcores[64];
	int cpus = (int)ferry_test_cpus();

	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	snprintf(lcores, sizeof(lcores), "(0-2)@(0-%d)", RTE_MAX(cpus - 1, 0));
	return ferry_test_eal_start(lcores, "--socket-limit=128",
		"--vdev=dma_skeleton", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_lcore_runs_an_engine_until_it_is_destroyed),
		cmocka_unit_test(
			an_engine_that_is_destroyed_has_left_its_lcore),
		cmocka_unit_test(a_service_core_runs_an_engine),
		cmocka_unit_test(idle_turns_count_as_idle_at_a_service_core),
		cmocka_unit_test(dma_devices_copy_for_an_engine),
		cmocka_unit_test(
		an_idle_engine_and_its_ends_cost_nothing_and_wake_at_once),
		cmocka_unit_test(a_producer_that_finishes_sleeps_meanwhile),
		cmocka_unit_test(a_change_of_mode_wakes_who_sleeps),
		cmocka_unit_test(a_thousand_quiet_channels_are_not_looked_at),
	};

	return cmocka_run_group_tests(tests, eal_start, NULL);
}
