/* SPDX-License-Identifier: BSD-3-Clause */

/* The end of a hub, killed or destroyed, and its secondaries; devices of the
 * hub. */

#include <errno.h>
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

#include <rte_bus.h>
#include <rte_common.h>
#include <rte_dmadev.h>

#include "peer.h"

#define CHANNEL "bytes.0"

static const struct ferry_channel_config small = { 256, 64 };

/* Two secondaries: one sleeps until a message comes, which does not come. The
 * other one sleeps until a slot is free in a channel that no consumer
 * empties. */
static void
start_waiting(struct peer *rx, struct peer *tx)
{
	struct peer_order wait = {
		.op = PEER_WAIT_RX, .wait = FERRY_WAIT_SLEEP,
		.timeout_ns = UINT64_MAX,
	};
	struct peer_order send = {
		.op = PEER_SEND, .wait = FERRY_WAIT_SLEEP, .n = 1000,
		.burst = 4, .longest = 256, .timeout_ns = FERRY_TEST_HANG_NS,
	};

	peer_start_endpoint(rx);
	peer_start_endpoint(tx);
	assert_int_equal(peer_open(rx, PEER_OPEN_RX, "idle", &small), 0);
	assert_int_equal(peer_open(tx, PEER_OPEN_TX, "full", &small), 0);
	peer_order(rx, &wait);
	peer_order(tx, &send);
	usleep(300000); /* both are asleep by now */
}

/* Both were told, and soon. */
static void
check_told(struct peer *rx, struct peer *tx, uint64_t since)
{
	struct peer_report rep[2] = { peer_report(rx), peer_report(tx) };
	int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(rep[i].result, FERRY_E_HUB_GONE);
		print_message("told after %.2f ms\n",
			(double)(rep[i].at_ns - since) / 1e6);
		assert_true(rep[i].at_ns - since < PEER_SOON_NS);
	}
}

static void
a_killed_hub_is_known_to_sleepers_at_once_and_can_be_started_again(void **state)
{
	const struct peer_order detach = { .op = PEER_DETACH };
	struct peer hub = { 0 }, rx = { 0 }, tx = { 0 }, late = { 0 };
	struct peer_order attach = { .op = PEER_ATTACH, .name = HUB };
	struct peer_report rep;
	uint64_t since;
	int round;

	(void)state;
	ferry_procs_need();
	for (round = 0; round < 3; round++) {
		peer_start_hub(&hub, 32 * MIB);
		start_waiting(&rx, &tx);
		peer_start(&late, FERRY_EAL_SECONDARY, NULL);
		since = ferry_test_now_ns();
		ferry_proc_kill(&hub.proc);
		check_told(&rx, &tx, since);

		/* Nothing more can be had from it, which shows quickly. */
		assert_int_equal(peer_open(&rx, PEER_OPEN_TX, "new", &small),
			FERRY_E_HUB_GONE);
		rep = peer_do(&late, &attach);
		assert_int_equal(rep.result, FERRY_E_HUB_GONE);
		assert_true(rep.took_ns < PEER_SOON_NS);
		rep = peer_do(&tx, &detach);
		assert_int_equal(rep.result, 0);
		assert_true(rep.took_ns < PEER_SOON_NS);
		/*
		 * DPDK cannot start a primary while secondaries of the
		 * last one are there. They are not harmed by the try.
		 */
		if (round == 1) {
			assert_int_equal(peer_try_start(&hub, FERRY_EAL_HUB,
				NULL), -EBUSY);
			assert_int_equal(ferry_proc_wait(&hub.proc, REPORT_MS),
				1);
		}
		peer_exit(&late);
		peer_exit(&tx);
		peer_exit(&rx);
		peer_start_hub(&hub, 32 * MIB);
		peer_start_endpoint(&rx);
		assert_int_equal(peer_open(&rx, PEER_OPEN_TX, CHANNEL, NULL),
			0);
		peer_exit(&rx);
		peer_exit_hub(&hub);
	}
}

static void
streams_end_when_the_hub_is_killed(void **state)
{
	struct peer_order order = {
		.op = PEER_SEND, .wait = FERRY_WAIT_YIELD, .n = UINT64_MAX,
		.burst = 8, .longest = 256, .timeout_ns = FERRY_TEST_HANG_NS,
	};
	struct peer hub = { 0 }, rx = { 0 }, tx = { 0 };
	struct peer_report sent, got;
	uint64_t since;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 32 * MIB);
	peer_start_endpoint(&rx);
	peer_start_endpoint(&tx);
	assert_int_equal(peer_open(&rx, PEER_OPEN_RX, CHANNEL, &small), 0);
	assert_int_equal(peer_open(&tx, PEER_OPEN_TX, CHANNEL, &small), 0);
	peer_order(&tx, &order);
	order.op = PEER_RECV;
	peer_order(&rx, &order);
	usleep(100000);
	since = ferry_test_now_ns();
	ferry_proc_kill(&hub.proc);
	sent = peer_report(&tx);
	got = peer_report(&rx);
	assert_int_equal(sent.result, FERRY_E_HUB_GONE);
	assert_int_equal(got.result, FERRY_E_HUB_GONE);
	assert_true(sent.at_ns - since < PEER_SOON_NS);
	assert_true(got.at_ns - since < PEER_SOON_NS);
	assert_true(sent.count > 0);
	peer_exit(&tx);
	peer_exit(&rx);
}

static void
a_destroyed_hub_wakes_sleepers_and_waits_for_them_to_leave(void **state)
{
	const struct peer_order destroy = { .op = PEER_DESTROY };
	struct peer hub = { 0 }, rx = { 0 }, tx = { 0 };
	struct peer_report rep;
	uint64_t since;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 32 * MIB);
	start_waiting(&rx, &tx);
	since = ferry_test_now_ns();
	peer_order(&hub, &destroy);
	check_told(&rx, &tx, since);
	assert_int_equal(peer_simple(&rx, PEER_DETACH), 0);
	assert_int_equal(peer_simple(&tx, PEER_DETACH), 0);
	rep = peer_report(&hub);
	assert_int_equal(rep.result, 0);
	peer_exit(&rx);
	peer_exit(&tx);
	peer_exit(&hub);
	assert_int_equal(ferry_test_leftovers(), 0);
}

static void
a_hub_with_a_secondary_that_stays_is_busy_until_it_dies(void **state)
{
	const struct peer_order destroy = { .op = PEER_DESTROY };
	struct peer hub = { 0 }, stays = { 0 };
	struct peer_report rep;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 32 * MIB);
	peer_start_endpoint(&stays);
	assert_int_equal(peer_open(&stays, PEER_OPEN_TX, "c", &small), 0);
	rep = peer_do(&hub, &destroy);
	assert_int_equal(rep.result, -EBUSY);
	assert_in_range(rep.took_ns, SECONDS(1), FERRY_TEST_HANG_NS);
	peer_order(&hub, &destroy);
	ferry_proc_kill(&stays.proc);
	rep = peer_report(&hub);
	assert_int_equal(rep.result, 0);
	assert_true(rep.took_ns < PEER_SOON_NS);
	peer_exit(&hub);
	assert_int_equal(ferry_test_leftovers(), 0);
}

static void
a_hub_that_is_not_there_is_an_error(void **state)
{
	struct peer_order attach = { .op = PEER_ATTACH, .name = "other" };
	struct peer hub = { 0 }, a = { 0 };
	struct peer_report rep;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start(&a, FERRY_EAL_SECONDARY, NULL);
	rep = peer_do(&a, &attach);
	assert_int_equal(rep.result, -ENOENT);
	/* It was the name. */
	strcpy(attach.name, HUB);
	assert_int_equal(peer_do(&a, &attach).result, 0);
	peer_check_hub(&hub, 1);
	/* A secondary makes no hub. */
	assert_int_equal(peer_open(&a, PEER_CREATE, "mine", NULL), -EPERM);
	peer_exit(&a);
	peer_exit_hub(&hub);
}

/* Runs in a secondary. */
static int
look_for_devices(struct peer *peer)
{
	const char *path = getenv("DSA_DEV_PATH");
	int i;

	(void)peer;
	if (path == NULL || path[0] != '\0')
		return -EBADF;
	for (i = 0; i < 64; i++)
		if (rte_dma_is_valid((int16_t)i) &&
				rte_dma_count_avail() == 0)
			return -EFAULT;
	return 0;
}

static void
secondaries_come_and_go_and_the_hubs_device_works_on(void **state)
{
	const struct peer_order look = {
		.op = PEER_CUSTOM, .custom = look_for_devices,
	};
	const struct peer_order create = {
		.op = PEER_CREATE, .name = HUB, .n = 8 * MIB,
	};
	struct peer hub = { 0 }, a = { 0 };
	int i;

	(void)state;
	ferry_procs_need();
	setenv("DSA_DEV_PATH", "/dev/dsa", 1);
	peer_start(&hub, FERRY_EAL_HUB, "--vdev=dma_skeleton");
	assert_int_equal(peer_do(&hub, &create).result, 0);
	assert_int_equal(peer_simple(&hub, PEER_DMA_COPY), 0);
	for (i = 0; i < 5; i++) {
		peer_start_endpoint(&a);
		assert_int_equal(peer_do(&a, &look).result, 0);
		assert_int_equal(peer_open(&a, PEER_OPEN_TX, "c", &small), 0);
		assert_int_equal(peer_simple(&hub, PEER_DMA_COPY), 0);
		if (i == 3)
			ferry_proc_kill(&a.proc);
		else
			peer_exit(&a); /* with its EAL's cleanup */
		assert_int_equal(peer_simple(&hub, PEER_DMA_COPY), 0);
	}
	unsetenv("DSA_DEV_PATH");
	/* DPDK's cleanup crashes on a running dma_skeleton. */
	assert_int_equal(peer_simple(&hub, PEER_DMA_STOP), 0);
	peer_exit_hub(&hub);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
	a_killed_hub_is_known_to_sleepers_at_once_and_can_be_started_again,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			streams_end_when_the_hub_is_killed, ferry_procs_end),
		cmocka_unit_test_teardown(
		a_destroyed_hub_wakes_sleepers_and_waits_for_them_to_leave,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_hub_with_a_secondary_that_stays_is_busy_until_it_dies,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_hub_that_is_not_there_is_an_error, ferry_procs_end),
		cmocka_unit_test_teardown(
			secondaries_come_and_go_and_the_hubs_device_works_on,
			ferry_procs_end),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
