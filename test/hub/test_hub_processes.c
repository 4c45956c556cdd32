/* SPDX-License-Identifier: BSD-3-Clause */

/* A hub and two secondaries: data, deaths of either side, stopped processes. */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "peer.h"

#define CHANNEL "bytes.0"
#define KILLS 100

static const struct ferry_channel_config small = { 256, 256 };
static const struct ferry_channel_config large = { 65536, 16 };

static void
data_flows_whole_and_in_order_whoever_opens_first(void **state)
{
	struct peer_order send = {
		.op = PEER_SEND, .timeout_ns = FERRY_TEST_HANG_NS,
	};
	struct peer_order recv = {
		.op = PEER_RECV, .timeout_ns = FERRY_TEST_HANG_NS,
	};
	struct peer hub = { 0 }, a = { 0 }, b = { 0 };
	struct peer_report rep;
	int round;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 32 * MIB);
	peer_start_endpoint(&a);
	peer_start_endpoint(&b);
	for (round = 0; round < 4; round++) {
		const bool big = round & 2;

		send.seed = recv.seed = (uint64_t)round + 1;
		send.n = big ? 20000 : 2000000;
		send.longest = recv.longest = big ? large.slot_size :
			small.slot_size;
		/* 4 and less travel in cells. */
		send.burst = round & 1 ? 4 : 32;
		/* Two that spin need two CPUs, which tests cannot rely on. */
		send.wait = recv.wait = round & 1 ? FERRY_WAIT_SLEEP :
			FERRY_WAIT_YIELD;
		if (round & 1) {
			assert_int_equal(peer_open(&a, PEER_OPEN_TX, CHANNEL,
				big ? &large : &small), 0);
			assert_int_equal(peer_open(&b, PEER_OPEN_RX, CHANNEL,
				NULL), 0);
		} else {
			assert_int_equal(peer_open(&b, PEER_OPEN_RX, CHANNEL,
				big ? &large : &small), 0);
			assert_int_equal(peer_open(&a, PEER_OPEN_TX, CHANNEL,
				NULL), 0);
		}
		peer_order(&b, &recv);
		peer_order(&a, &send);
		rep = peer_report(&a);
		assert_int_equal(rep.result, 0);
		assert_int_equal(rep.count, send.n);
		assert_int_equal(peer_simple(&a, PEER_CLOSE), 0);
		rep = peer_report(&b);
		assert_int_equal(rep.result, FERRY_E_CLOSED);
		assert_int_equal(rep.count, send.n);
		assert_int_equal(peer_simple(&b, PEER_CLOSE), 0);
		peer_check_hub(&hub, 2);
		print_message("%u messages up to %u bytes: %.2f s\n",
			(unsigned int)send.n, send.longest,
			(double)rep.took_ns / 1e9);
	}
	peer_exit(&b);
	assert_int_equal(peer_simple(&a, PEER_DETACH), 0);
	peer_check_hub(&hub, 0);
	peer_exit(&a);
	peer_exit_hub(&hub);
}

/* Wait until a counter of another process is above a value. */
static void
await_above(const uint64_t *counter, uint64_t value)
{
	const uint64_t end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;

	while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) <= value) {
		assert_true(ferry_test_now_ns() < end);
		usleep(100);
	}
}

/* Every slot is somewhere, by the hub's list, while the survivor stands
 * still. */
static void
check_census(struct peer *hub, uint32_t survivors)
{
	const struct peer_order order = { .op = PEER_INFO };
	struct peer_report rep = peer_do(hub, &order);
	const struct ferry_channel_census *slots = &rep.channels[0].slots;

	assert_int_equal(rep.n_channels, 1);
	assert_int_equal(rep.info.endpoints, survivors);
	assert_int_equal(slots->lost, 0);
	assert_int_equal(slots->free + slots->tx_held + slots->in_flight +
		slots->rx_held, rep.channels[0].config.n_slots);
}

/* A secondary streams with the survivor and is killed. */
static void
kill_one(struct peer *hub, struct peer *survivor, struct peer *victim,
		uint64_t round, uint64_t *random, uint64_t *longest)
{
	const bool sends = round % 2;
	const struct ferry_channel_config *config =
		round / 2 % 2 ? &large : &small;
	struct peer_order order = {
		.op = sends ? PEER_SEND : PEER_RECV,
		.n = UINT64_MAX,
		.seed = round,
		.burst = round / 4 % 2 ? 32 : 4,
		.longest = config->slot_size,
		.wait = round / 8 % 2 ? FERRY_WAIT_YIELD : FERRY_WAIT_SLEEP,
		.timeout_ns = FERRY_TEST_HANG_NS,
	};
	struct peer_report rep;
	uint64_t killed_at, sent;

	memset(survivor->progress, 0, sizeof(*survivor->progress));
	assert_int_equal(peer_open(victim, sends ? PEER_OPEN_TX : PEER_OPEN_RX,
		CHANNEL, config), 0);
	assert_int_equal(peer_open(survivor, sends ? PEER_OPEN_RX :
		PEER_OPEN_TX, CHANNEL, NULL), 0);
	peer_order(victim, &order);
	order.op = sends ? PEER_RECV : PEER_SEND;
	peer_order(survivor, &order);
	await_above(sends ? &survivor->progress->received :
		&victim->progress->received, 0);
	usleep((useconds_t)(ferry_test_random(random) % 20000));
	killed_at = ferry_test_now_ns();
	ferry_proc_kill(&victim->proc);

	rep = peer_report(survivor);
	assert_int_equal(rep.result, FERRY_E_PEER_GONE);
	assert_int_equal(victim->progress->wrong, 0);
	*longest = RTE_MAX(*longest, rep.at_ns - killed_at);
	if (sends) {
		/* All it was told were sent, and at most a burst more. */
		sent = victim->progress->sent;
		assert_in_range(rep.count, sent, sent + order.burst);
	} else {
		assert_true(victim->progress->received <= rep.count);
	}
	check_census(hub, 1);
	assert_int_equal(peer_simple(survivor, PEER_CLOSE), 0);
	peer_check_hub(hub, 1);
}

static void
a_hundred_killed_secondaries_lose_nothing_and_cost_nothing(void **state)
{
	const struct peer_order info = { .op = PEER_INFO };
	struct peer hub = { 0 }, survivor = { 0 }, victim = { 0 };
	uint64_t random = (uint64_t)getpid(), longest = 0, round;
	const uint64_t start = ferry_test_now_ns();

	(void)state;
	ferry_procs_need();
	print_message("seed %d\n", (int)getpid());
	peer_start_hub(&hub, 32 * MIB);
	peer_start_endpoint(&survivor);
	for (round = 0; round < KILLS; round++) {
		peer_start_endpoint(&victim);
		kill_one(&hub, &survivor, &victim, round, &random, &longest);
		assert_int_equal(peer_do(&hub, &info).info.deaths, round + 1);
		if (round % 10 == 9)
			print_message("%u kills, %.1f s, noticed after at most "
				"%.1f ms\n", (unsigned int)round + 1,
				(double)(ferry_test_now_ns() - start) / 1e9,
				(double)longest / 1e6);
	}
	assert_true(longest < PEER_SOON_NS);
	peer_exit(&survivor);
	peer_exit_hub(&hub);
}

static void
a_stopped_process_is_not_dead(void **state)
{
	struct peer_order send = {
		.op = PEER_SEND, .n = 300000, .burst = 8, .longest = 256,
		.wait = FERRY_WAIT_SLEEP, .timeout_ns = FERRY_TEST_HANG_NS,
	};
	struct peer_order recv = send;
	struct peer hub = { 0 }, a = { 0 }, b = { 0 };
	const struct peer_order info = { .op = PEER_INFO };
	struct peer_report rep;
	int round;

	(void)state;
	ferry_procs_need();
	recv.op = PEER_RECV;
	peer_start_hub(&hub, 32 * MIB);
	peer_start_endpoint(&a);
	peer_start_endpoint(&b);
	for (round = 0; round < 2; round++) {
		struct peer *stopped = round == 0 ? &a : &b;
		struct peer *other = round == 0 ? &b : &a;
		uint64_t before;

		memset(b.progress, 0, sizeof(*b.progress));
		assert_int_equal(peer_open(&a, PEER_OPEN_TX, CHANNEL, &small),
			0);
		assert_int_equal(peer_open(&b, PEER_OPEN_RX, CHANNEL, &small),
			0);
		peer_order(&b, &recv);
		peer_order(&a, &send);
		await_above(&b.progress->received, 1000);
		ferry_proc_signal(&stopped->proc, SIGSTOP);
		usleep(200000);
		before = b.progress->received;
		/* No report: the other one goes on waiting. */
		assert_int_equal(ferry_proc_read(other->proc.fd, &rep,
			sizeof(rep), 2000), -ETIMEDOUT);
		assert_int_equal(b.progress->received, before);
		assert_true(before < send.n);
		rep = peer_do(&hub, &info);
		assert_int_equal(rep.info.deaths, 0);
		assert_int_equal(rep.info.endpoints, 2);
		assert_int_equal(rep.channels[0].tx.state, FERRY_END_OPEN);
		assert_int_equal(rep.channels[0].rx.state, FERRY_END_OPEN);
		ferry_proc_signal(&stopped->proc, SIGCONT);
		rep = peer_report(&a);
		assert_int_equal(rep.result, 0);
		assert_int_equal(peer_simple(&a, PEER_CLOSE), 0);
		rep = peer_report(&b);
		assert_int_equal(rep.result, FERRY_E_CLOSED);
		assert_int_equal(rep.count, send.n);
		assert_int_equal(peer_simple(&b, PEER_CLOSE), 0);
		peer_check_hub(&hub, 2);
	}
	peer_exit(&a);
	peer_exit(&b);
	peer_exit_hub(&hub);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			data_flows_whole_and_in_order_whoever_opens_first,
			ferry_procs_end),
		cmocka_unit_test_teardown(
		a_hundred_killed_secondaries_lose_nothing_and_cost_nothing,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_stopped_process_is_not_dead, ferry_procs_end),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
