/* SPDX-License-Identifier: BSD-3-Clause */

/* Posts of secondaries, and processes that die or stop while posts are
 * pending. */

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
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_malloc.h>

#include "ferry_engine.h"
#include "peer.h"

#define CHANNEL "posts"
#define SLOT 32768
#define PAYLOADS 32
#define KILLS 30
#define HUB_KILLS 8
#define FOR_EVER UINT64_MAX

static const struct ferry_channel_config config = { SLOT, 16 };

/* What the processes share beside their progress. */
static struct plan {
	/* The producer's. */
	uint64_t seed;
	uint64_t n;
	enum ferry_mode mode;
	bool private;
	/* Another process writes that there is an engine, once there is no hub
	 * any more. */
	bool garbage;
	/* Where its posts were when it had ended, and how it ended. */
	uint32_t finished;
	int32_t finish;
	/* The hub's. */
	uint64_t msgs;
	uint64_t bad;
	/* The consumer holds on to the end until then. */
	uint32_t go_on;
} *plan;

static uint32_t
len_of(uint64_t i)
{
	uint64_t x = plan->seed + i;

	x = ferry_test_random(&x);
	return (uint32_t)(x >> 8) % (x % 4 == 0 ? 100 : SLOT + 1);
}

/* In the hub's process. */
static struct ferry_engine *engine;
static pthread_t engine_thread;

static void *
run_engine(void *e)
{
	ferry_engine_run(e);
	return NULL;
}

static int
engine_start(struct peer *peer)
{
	int ret = ferry_engine_create(&engine, peer->hub, NULL);

	return ret != 0 ? ret : -pthread_create(&engine_thread, NULL,
			run_engine, engine);
}

static int
engine_numbers(struct peer *peer)
{
	struct ferry_engine_info info;

	(void)peer;
	ferry_engine_info(engine, &info);
	plan->msgs = info.msgs;
	plan->bad = info.bad;
	return 0;
}

/* Stop the thread that runs the engine. The engine keeps its channels. */
static int
engine_halt(struct peer *peer)
{
	(void)peer;
	ferry_engine_stop(engine);
	return -pthread_join(engine_thread, NULL);
}

static int
engine_go_on(struct peer *peer)
{
	(void)peer;
	return -pthread_create(&engine_thread, NULL, run_engine, engine);
}

static int
engine_end(struct peer *peer)
{
	int ret = engine_halt(peer);

	ferry_engine_destroy(engine);
	return ret;
}

/* In a producer's process, when the hub has died and that was noticed. */
static void
engine_invent(struct peer *peer)
{
	uint32_t *server = &peer->tx->end.shared->service.server;

	while (__atomic_load_n(server, __ATOMIC_ACQUIRE) !=
			FERRY_SERVER_NONE)
		usleep(100);
	__atomic_store_n(server, FERRY_SERVER_ENGINE + 1, __ATOMIC_RELEASE);
}

/* In a producer's process: post until all is posted or the consumer has
 * gone. */
static int
do_post(struct peer *peer)
{
	uint8_t *payloads = plan->private ? malloc(PAYLOADS * SLOT) :
		rte_malloc(NULL, PAYLOADS * SLOT, 0);
	uint64_t i = 0;
	int ret;

	if (payloads == NULL)
		return -ENOMEM;
	ret = ferry_tx_set_mode(peer->tx, plan->mode);
	while (ret == 0 && i < plan->n) {
		uint8_t *data = payloads + i % PAYLOADS * SLOT;
		const struct ferry_buf buf = {
			.data = data, .len = len_of(i), .tag = (uint32_t)i,
		};

		ret = ferry_tx_finish(peer->tx, PAYLOADS - 1, FOR_EVER);
		if (ret != 0)
			break;
		ferry_test_fill(data, buf.len, plan->seed + i);
		ret = ferry_tx_post(peer->tx, &buf, 1);
		if (ret == 0) {
			ret = ferry_tx_wait(peer->tx, FERRY_TEST_HANG_NS);
		} else if (ret == 1) {
			i++;
			__atomic_store_n(&peer->progress->sent, i,
				__ATOMIC_RELEASE);
			ret = 0;
		}
	}
	if (plan->garbage)
		engine_invent(peer);
	plan->finish = ferry_tx_finish(peer->tx, 0, plan->garbage ? FOR_EVER :
			FERRY_TEST_HANG_NS);
	__atomic_store_n(&plan->finished, 1, __ATOMIC_RELEASE);
	if (plan->private)
		free(payloads);
	else
		rte_free(payloads);
	return ret;
}

static int
take_all(struct peer *peer)
{
	struct ferry_msg msg;
	uint64_t i = peer->progress->received;
	int ret;

	while ((ret = ferry_rx_recv(peer->rx, &msg, 1)) == 1) {
		if (msg.tag != (uint32_t)i || msg.len != len_of(i) ||
				ferry_test_check(msg.data, msg.len,
					plan->seed + i) != -1) {
			peer->progress->wrong++;
			return -EILSEQ;
		}
		__atomic_store_n(&peer->progress->received, ++i,
			__ATOMIC_RELEASE);
		if (ferry_rx_release(peer->rx, &msg, 1) != 0)
			return -EPROTO;
	}
	return ret;
}

/* In a consumer's process: receive until the end, and what comes after. */
static int
do_take(struct peer *peer)
{
	int ret;

	while ((ret = take_all(peer)) == 0) {
		ret = ferry_rx_wait(peer->rx, FERRY_TEST_HANG_NS);
		if (ret == -ETIMEDOUT)
			return ret;
	}
	if (ret != FERRY_E_HUB_GONE)
		return ret;
	/* The producer, if it lives, still does what the hub had not done. */
	while (__atomic_load_n(&plan->go_on, __ATOMIC_ACQUIRE) == 0)
		usleep(100);
	return take_all(peer);
}

static void
custom(struct peer *peer, int (*fn)(struct peer *peer))
{
	const struct peer_order order = { .op = PEER_CUSTOM, .custom = fn };

	peer_order(peer, &order);
}

static int
custom_do(struct peer *peer, int (*fn)(struct peer *peer))
{
	custom(peer, fn);
	return peer_report(peer).result;
}

static void
await_above(const uint64_t *counter, uint64_t value)
{
	const uint64_t end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;

	while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) <= value) {
		assert_true(ferry_test_now_ns() < end);
		usleep(50);
	}
}

static int
setup(void **state)
{
	(void)state;
	plan = ferry_test_shared(sizeof(*plan));
	return plan == NULL;
}

static void
plan_make(uint64_t seed, uint64_t n, enum ferry_mode mode)
{
	memset(plan, 0, sizeof(*plan));
	plan->seed = seed * 1000000;
	plan->n = n;
	plan->mode = mode;
	plan->finish = 1;
}

static void
open_both(struct peer *producer, struct peer *consumer)
{
	memset(producer->progress, 0, sizeof(*producer->progress));
	memset(consumer->progress, 0, sizeof(*consumer->progress));
	assert_int_equal(peer_open(producer, PEER_OPEN_TX, CHANNEL, &config),
		0);
	assert_int_equal(peer_open(consumer, PEER_OPEN_RX, CHANNEL, NULL), 0);
}

static void
close_both(struct peer *producer, struct peer *consumer)
{
	assert_int_equal(peer_simple(producer, PEER_CLOSE), 0);
	assert_int_equal(peer_report(consumer).result, FERRY_E_CLOSED);
	assert_int_equal(peer_simple(consumer, PEER_CLOSE), 0);
}

static void
a_secondary_posts_from_hugepages_and_copies_other_memory_itself(void **state)
{
	struct peer hub = { 0 }, a = { 0 }, b = { 0 };
	uint64_t before;
	int round;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 32 * MIB);
	assert_int_equal(custom_do(&hub, engine_start), 0);
	peer_start_endpoint(&a);
	peer_start_endpoint(&b);
	for (round = 0; round < 6; round++) {
		plan_make((uint64_t)round + 1, 3000,
			(enum ferry_mode)(round % FERRY_MODES));
		plan->private = round >= 3;
		assert_int_equal(custom_do(&hub, engine_numbers), 0);
		before = plan->msgs;
		open_both(&a, &b);
		custom(&b, do_take);
		assert_int_equal(custom_do(&a, do_post), 0);
		assert_int_equal(plan->finish, 0);
		close_both(&a, &b);
		assert_int_equal(b.progress->received, 3000);
		assert_int_equal(custom_do(&hub, engine_numbers), 0);
		assert_int_equal(plan->bad, 0);
		if (plan->private)
			assert_int_equal(plan->msgs, before);
		else if (plan->mode == FERRY_MODE_EFFICIENCY)
			assert_true(plan->msgs > before + 1500);
		peer_check_hub(&hub, 2);
	}
	peer_exit(&a);
	peer_exit(&b);
	assert_int_equal(custom_do(&hub, engine_end), 0);
	peer_exit_hub(&hub);
}

static void
what_a_killed_producer_posted_is_received(void **state)
{
	const struct peer_order info = { .op = PEER_INFO };
	struct peer hub = { 0 }, victim = { 0 }, b = { 0 };
	uint64_t random = (uint64_t)getpid(), sent, behind = 0, round;

	(void)state;
	ferry_procs_need();
	print_message("seed %d\n", (int)getpid());
	peer_start_hub(&hub, 32 * MIB);
	assert_int_equal(custom_do(&hub, engine_start), 0);
	peer_start_endpoint(&b);
	for (round = 0; round < KILLS; round++) {
		peer_start_endpoint(&victim);
		plan_make(round + 1, FOR_EVER, round % 3 == 0 ?
			FERRY_MODE_THROUGHPUT : FERRY_MODE_EFFICIENCY);
		open_both(&victim, &b);
		custom(&b, do_take);
		custom(&victim, do_post);
		await_above(&b.progress->received, 0);
		usleep((useconds_t)(ferry_test_random(&random) % 10000));
		if (round % 4 == 1) {
			/* All jobs that fit are pending. */
			assert_int_equal(custom_do(&hub, engine_halt), 0);
			usleep(20000);
		} else if (round % 4 == 2) {
			/* Who receives is not there at the moment. */
			ferry_proc_signal(&b.proc, SIGSTOP);
			usleep(20000);
		}
		sent = __atomic_load_n(&b.progress->received,
			__ATOMIC_ACQUIRE);
		ferry_proc_kill(&victim.proc);
		behind += victim.progress->sent - sent;
		if (round % 4 == 2)
			ferry_proc_signal(&b.proc, SIGCONT);
		assert_int_equal(peer_report(&b).result, FERRY_E_PEER_GONE);
		sent = victim.progress->sent;
		/* It may have died between the post and the note of it. */
		assert_in_range(b.progress->received, sent, sent + 1);
		if (round % 4 == 1)
			assert_int_equal(custom_do(&hub, engine_go_on), 0);
		assert_int_equal(peer_simple(&b, PEER_CLOSE), 0);
		peer_check_hub(&hub, 1);
		assert_int_equal(peer_do(&hub, &info).info.deaths, round + 1);
	}
	print_message("%d kills, %llu messages were on their way\n", KILLS,
		(unsigned long long)behind);
	assert_int_equal(custom_do(&hub, engine_numbers), 0);
	assert_int_equal(plan->bad, 0);
	peer_exit(&b);
	assert_int_equal(custom_do(&hub, engine_end), 0);
	peer_exit_hub(&hub);
}

/* The engine has left, and the producer, which fills the gap, dies. */
static void
what_a_killed_producer_posted_is_received_without_an_engine(void **state)
{
	struct peer hub = { 0 }, victim = { 0 }, b = { 0 };
	uint64_t sent;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 32 * MIB);
	peer_start_endpoint(&b);
	peer_start_endpoint(&victim);
	assert_int_equal(custom_do(&hub, engine_start), 0);
	plan_make(5, FOR_EVER, FERRY_MODE_EFFICIENCY);
	open_both(&victim, &b);
	custom(&b, do_take);
	custom(&victim, do_post);
	await_above(&b.progress->received, 100);
	assert_int_equal(custom_do(&hub, engine_halt), 0);
	usleep(20000);
	/* The producer is stopped before the engine gives its jobs up, and is
	 * killed before it can find them without a server. */
	ferry_proc_signal(&victim.proc, SIGSTOP);
	assert_int_equal(custom_do(&hub, engine_go_on), 0);
	assert_int_equal(custom_do(&hub, engine_end), 0);
	ferry_proc_kill(&victim.proc);
	assert_int_equal(peer_report(&b).result, FERRY_E_PEER_GONE);
	sent = victim.progress->sent;
	assert_in_range(b.progress->received, sent, sent + 1);
	assert_int_equal(peer_simple(&b, PEER_CLOSE), 0);
	peer_check_hub(&hub, 1);
	peer_exit(&b);
	peer_exit_hub(&hub);
}

static void
a_producer_survives_killed_consumers(void **state)
{
	struct peer hub = { 0 }, a = { 0 }, victim = { 0 };
	uint64_t random = (uint64_t)getpid(), round;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 32 * MIB);
	assert_int_equal(custom_do(&hub, engine_start), 0);
	peer_start_endpoint(&a);
	for (round = 0; round < KILLS / 2; round++) {
		peer_start_endpoint(&victim);
		plan_make(round + 1, FOR_EVER, FERRY_MODE_EFFICIENCY);
		open_both(&a, &victim);
		custom(&victim, do_take);
		custom(&a, do_post);
		await_above(&victim.progress->received, 0);
		usleep((useconds_t)(ferry_test_random(&random) % 10000));
		ferry_proc_kill(&victim.proc);
		assert_int_equal(peer_report(&a).result, FERRY_E_PEER_GONE);
		assert_int_equal(plan->finish, 0);
		assert_int_equal(victim.progress->wrong, 0);
		assert_int_equal(peer_simple(&a, PEER_CLOSE), 0);
		peer_check_hub(&hub, 1);
	}
	assert_int_equal(custom_do(&hub, engine_numbers), 0);
	assert_int_equal(plan->bad, 0);
	peer_exit(&a);
	assert_int_equal(custom_do(&hub, engine_end), 0);
	peer_exit_hub(&hub);
}

static void
a_producer_does_what_a_killed_hub_has_not_done(void **state)
{
	uint64_t random = (uint64_t)getpid(), left = 0, round;

	(void)state;
	ferry_procs_need();
	print_message("seed %d\n", (int)getpid());
	for (round = 0; round < HUB_KILLS; round++) {
		struct peer hub = { 0 }, a = { 0 }, b = { 0 };
		uint64_t before;

		peer_start_hub(&hub, 32 * MIB);
		peer_start_endpoint(&a);
		peer_start_endpoint(&b);
		assert_int_equal(custom_do(&hub, engine_start), 0);
		plan_make(round + 1, FOR_EVER, FERRY_MODE_EFFICIENCY);
		open_both(&a, &b);
		custom(&b, do_take);
		custom(&a, do_post);
		await_above(&b.progress->received, 10);
		usleep((useconds_t)(ferry_test_random(&random) % 10000));
		plan->garbage = round % 4 == 3;
		if (round % 2) {
			/* Jobs are pending for sure. */
			assert_int_equal(custom_do(&hub, engine_halt), 0);
			usleep(10000);
		}
		before = __atomic_load_n(&b.progress->received,
			__ATOMIC_ACQUIRE);
		left += a.progress->sent - before;
		ferry_proc_kill(&hub.proc);
		assert_int_equal(peer_report(&a).result, FERRY_E_HUB_GONE);
		assert_int_equal(plan->finished, 1);
		assert_int_equal(plan->finish, 0);
		__atomic_store_n(&plan->go_on, 1, __ATOMIC_RELEASE);
		assert_int_equal(peer_report(&b).result, FERRY_E_HUB_GONE);
		assert_int_equal(b.progress->received, a.progress->sent);
		assert_int_equal(peer_simple(&a, PEER_CLOSE), 0);
		assert_int_equal(peer_simple(&b, PEER_CLOSE), 0);
		peer_exit(&a);
		peer_exit(&b);
		ferry_test_clean();
	}
	print_message("%d hubs killed, %llu messages were on their way\n",
		HUB_KILLS, (unsigned long long)left);
	assert_true(left > 0);
}

static void
posts_of_a_stopped_producer_arrive(void **state)
{
	const struct peer_order info = { .op = PEER_INFO };
	struct peer hub = { 0 }, a = { 0 }, b = { 0 };
	struct peer_report rep;
	uint64_t sent, end;
	int round;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 32 * MIB);
	assert_int_equal(custom_do(&hub, engine_start), 0);
	peer_start_endpoint(&a);
	peer_start_endpoint(&b);
	for (round = 0; round < 4; round++) {
		plan_make((uint64_t)round + 1, 40000, FERRY_MODE_EFFICIENCY);
		open_both(&a, &b);
		custom(&b, do_take);
		custom(&a, do_post);
		await_above(&b.progress->received, 100);
		if (round % 2) {
			/* Who receives is stopped: all others go on. */
			ferry_proc_signal(&b.proc, SIGSTOP);
			/* Slots given back just before may be found only when
			 * the producer's nap of 100 ms ends. */
			usleep(200000);
			sent = a.progress->sent;
			usleep(50000);
			assert_int_equal(a.progress->sent, sent);
			ferry_proc_signal(&b.proc, SIGCONT);
		} else {
			ferry_proc_signal(&a.proc, SIGSTOP);
			usleep(1000);
			sent = a.progress->sent;
			end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;
			while (__atomic_load_n(&b.progress->received,
					__ATOMIC_ACQUIRE) < sent) {
				assert_true(ferry_test_now_ns() < end);
				usleep(1000);
			}
			ferry_proc_signal(&a.proc, SIGCONT);
		}
		rep = peer_report(&a);
		assert_int_equal(rep.result, 0);
		assert_int_equal(plan->finish, 0);
		close_both(&a, &b);
		assert_int_equal(b.progress->received, 40000);
		assert_int_equal(peer_do(&hub, &info).info.deaths, 0);
		peer_check_hub(&hub, 2);
	}
	peer_exit(&a);
	peer_exit(&b);
	assert_int_equal(custom_do(&hub, engine_end), 0);
	peer_exit_hub(&hub);
}

static void
posts_wait_for_a_stopped_hub(void **state)
{
	const struct peer_order info = { .op = PEER_INFO };
	struct peer hub = { 0 }, a = { 0 }, b = { 0 };

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 32 * MIB);
	assert_int_equal(custom_do(&hub, engine_start), 0);
	peer_start_endpoint(&a);
	peer_start_endpoint(&b);
	plan_make(9, 40000, FERRY_MODE_EFFICIENCY);
	open_both(&a, &b);
	custom(&b, do_take);
	custom(&a, do_post);
	await_above(&b.progress->received, 100);
	ferry_proc_signal(&hub.proc, SIGSTOP);
	usleep(300000);
	/* The ends wait for the copies, and for nothing else. */
	assert_true(b.progress->received < plan->n);
	ferry_proc_signal(&hub.proc, SIGCONT);
	assert_int_equal(peer_report(&a).result, 0);
	assert_int_equal(plan->finish, 0);
	close_both(&a, &b);
	assert_int_equal(b.progress->received, plan->n);
	assert_int_equal(peer_do(&hub, &info).info.deaths, 0);
	peer_check_hub(&hub, 2);
	peer_exit(&a);
	peer_exit(&b);
	assert_int_equal(custom_do(&hub, engine_end), 0);
	peer_exit_hub(&hub);
}

static void
what_neither_hub_nor_producer_has_done_is_lost_and_told(void **state)
{
	struct peer hub = { 0 }, victim = { 0 }, b = { 0 };
	uint64_t before;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 32 * MIB);
	peer_start_endpoint(&b);
	peer_start_endpoint(&victim);
	assert_int_equal(custom_do(&hub, engine_start), 0);
	plan_make(7, FOR_EVER, FERRY_MODE_EFFICIENCY);
	open_both(&victim, &b);
	custom(&b, do_take);
	custom(&victim, do_post);
	await_above(&b.progress->received, 100);
	assert_int_equal(custom_do(&hub, engine_halt), 0);
	usleep(20000);
	before = __atomic_load_n(&b.progress->received, __ATOMIC_ACQUIRE);
	/* It does not learn of the producer's death. */
	ferry_proc_signal(&hub.proc, SIGSTOP);
	ferry_proc_kill(&victim.proc);
	ferry_proc_kill(&hub.proc);
	__atomic_store_n(&plan->go_on, 1, __ATOMIC_RELEASE);
	/* What it receives is right, and then it is told. */
	assert_int_equal(peer_report(&b).result, FERRY_E_HUB_GONE);
	assert_int_equal(b.progress->wrong, 0);
	assert_in_range(b.progress->received, before,
		victim.progress->sent + 1);
	assert_int_equal(peer_simple(&b, PEER_CLOSE), 0);
	peer_exit(&b);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
		a_secondary_posts_from_hugepages_and_copies_other_memory_itself,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			what_a_killed_producer_posted_is_received,
			ferry_procs_end),
		cmocka_unit_test_teardown(
		what_a_killed_producer_posted_is_received_without_an_engine,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_producer_survives_killed_consumers, ferry_procs_end),
		cmocka_unit_test_teardown(
			a_producer_does_what_a_killed_hub_has_not_done,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			posts_of_a_stopped_producer_arrive, ferry_procs_end),
		cmocka_unit_test_teardown(
			posts_wait_for_a_stopped_hub, ferry_procs_end),
		cmocka_unit_test_teardown(
			what_neither_hub_nor_producer_has_done_is_lost_and_told,
			ferry_procs_end),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, NULL);
}
