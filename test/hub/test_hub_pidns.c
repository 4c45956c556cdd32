/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Processes in pid namespaces of their own, as in containers: the main process
 * of each is number 1. Bulk messages from private memory, which lies at the
 * same addresses in all of them, arrive as they were sent.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "ferry_bulk.h"
#include "ferry_engine.h"
#include "ferry_errno.h"
#include "peer.h"

#define CHANNEL "pidns"
#define PIECE (4 * MIB)
#define MESSAGES 3

static const struct ferry_channel_config small = { 256, 64 };

/* Each process's own, at one address. */
static uint8_t *const each = (uint8_t *)(uintptr_t)UINT64_C(0x180000000000);
/* How the next ones are received. */
static struct {
	bool private;
} *how;

/* From here on processes that are started have a pid namespace of their own:
 * the way back, or -1 if the kernel does not allow it. */
static int
namespace_enter(void)
{
	int back = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

	if (back >= 0 && unshare(CLONE_NEWPID) != 0) {
		print_message("skipped: no pid namespace: %s\n",
			strerror(errno));
		close(back);
		return -1;
	}
	return back;
}

static void
namespace_leave(int back)
{
	assert_int_equal(setns(back, CLONE_NEWPID), 0);
	close(back);
}

#define namespace_need() do { \
	int back_ = namespace_enter(); \
	if (back_ < 0) \
		skip(); \
	namespace_leave(back_); \
} while (0)

static int
is_number_one(struct peer *peer)
{
	(void)peer;
	return getpid() == 1 ? 0 : -EPROTO;
}

static int
do_custom(struct peer *peer, int (*custom)(struct peer *peer))
{
	const struct peer_order order = { .op = PEER_CUSTOM, .custom = custom };

	return peer_do(peer, &order).result;
}

static void
start_alone(struct peer *peer, bool hub)
{
	const int back = namespace_enter();

	assert_true(back >= 0);
	if (hub)
		peer_start_hub(peer, 64 * MIB);
	else
		peer_start_endpoint(peer);
	namespace_leave(back);
	assert_int_equal(do_custom(peer, is_number_one), 0);
}

static int
each_map(uint64_t seed)
{
	static bool mapped;

	if (!mapped && mmap(each, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != each)
		return -errno;
	mapped = true;
	ferry_test_fill(each, PIECE, seed);
	return 0;
}

static int
send_each(struct peer *peer)
{
	const struct iovec iov = { each, PIECE };
	struct ferry_bulk_out *out;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < MESSAGES && ret == 0; i++) {
		const struct ferry_bulk_options options = {
			.by = i == 1 ? FERRY_BULK_ENGINE : 0,
		};

		ret = each_map(100 + i);
		if (ret == 0)
			ret = ferry_bulk_send(peer->tx, &iov, 1, &options,
				&out);
		if (ret != 1)
			return ret < 0 ? ret : -EAGAIN;
		ret = ferry_bulk_wait(out, SECONDS(40));
		ferry_bulk_close(out);
	}
	return ret;
}

/* One message, with the engine's turns if it is this process's. */
static int
recv_next(struct ferry_rx *rx, struct ferry_engine *engine, uint64_t seed)
{
	const uint64_t end = ferry_test_now_ns() + SECONDS(40);
	const struct iovec iov = { each, PIECE };
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	int ret, ended;

	while ((ret = ferry_rx_recv(rx, &msg, 1)) == 0)
		if (ferry_test_now_ns() > end)
			return -ETIMEDOUT;
	if (ret != 1 || !ferry_msg_is_bulk(&msg))
		return -EPROTO;
	ret = ferry_bulk_accept(rx, &msg, how->private ? &iov : NULL,
			how->private, &in);
	if (ret != 0)
		return ret;
	do {
		if (engine != NULL)
			ferry_engine_poll(engine);
		ferry_bulk_ready(in, &ended);
		if (ferry_test_now_ns() > end)
			ended = -ETIMEDOUT;
	} while (ended == 0);
	if (ended == 1 && ferry_test_check(ferry_bulk_data(in), PIECE, seed) !=
			-1)
		ended = -EILSEQ;
	ferry_bulk_release(in, SECONDS(1));
	return ended == 1 ? 0 : ended;
}

static int
recv_all(struct ferry_rx *rx, struct ferry_engine *engine)
{
	unsigned int i;
	int ret = each_map(7);

	for (i = 0; i < MESSAGES && ret == 0; i++)
		ret = recv_next(rx, engine, 100 + i);
	return ret;
}

static int
recv_here(struct peer *peer)
{
	return recv_all(peer->rx, NULL);
}

/* In the hub's process: a thread of its own is the consumer, beside an
 * engine. */
static int
recv_in_hub(struct peer *peer)
{
	struct ferry_engine *engine = NULL;
	struct ferry_endpoint *ep;
	struct ferry_rx *rx;
	int ret = ferry_attach(&ep, HUB, "local");

	if (ret != 0)
		return ret;
	ret = ferry_engine_create(&engine, peer->hub, NULL);
	if (ret == 0)
		ret = ferry_rx_open(&rx, ep, CHANNEL, &small);
	if (ret == 0)
		ret = recv_all(rx, engine);
	ferry_engine_destroy(engine);
	ferry_detach(ep);
	return ret;
}

static void
pass(struct peer *rx, struct peer *tx, int (*recv)(struct peer *peer))
{
	const struct peer_order order = {
		.op = PEER_CUSTOM, .custom = send_each,
	};
	const struct peer_order recv_order = {
		.op = PEER_CUSTOM, .custom = recv,
	};

	peer_order(rx, &recv_order);
	peer_order(tx, &order);
	assert_int_equal(peer_report(rx).result, 0);
	assert_int_equal(peer_report(tx).result, 0);
}

static void
two_processes_of_the_same_number_exchange_messages(void **state)
{
	struct peer hub = { 0 }, rx = { 0 }, tx = { 0 };
	int private;

	(void)state;
	ferry_procs_need();
	namespace_need();
	how = ferry_test_shared(sizeof(*how));
	peer_start_hub(&hub, 64 * MIB);
	start_alone(&rx, false);
	start_alone(&tx, false);
	assert_int_equal(peer_open(&rx, PEER_OPEN_RX, CHANNEL, &small), 0);
	assert_int_equal(peer_open(&tx, PEER_OPEN_TX, CHANNEL, &small), 0);
	for (private = 0; private < 2; private++) {
		how->private = private;
		pass(&rx, &tx, recv_here);
	}
	assert_int_equal(peer_simple(&rx, PEER_DETACH), 0);
	assert_int_equal(peer_simple(&tx, PEER_DETACH), 0);
	peer_check_hub(&hub, 0);
	peer_exit(&rx);
	peer_exit(&tx);
	peer_exit_hub(&hub);
}

static void
a_hub_of_the_same_number_takes_nothing_for_its_own(void **state)
{
	struct peer hub = { 0 }, tx = { 0 };
	int private;

	(void)state;
	ferry_procs_need();
	namespace_need();
	how = ferry_test_shared(sizeof(*how));
	start_alone(&hub, true);
	start_alone(&tx, false);
	for (private = 0; private < 2; private++) {
		how->private = private;
		assert_int_equal(peer_open(&tx, PEER_OPEN_TX, CHANNEL, &small),
			0);
		pass(&hub, &tx, recv_in_hub);
		assert_int_equal(peer_simple(&tx, PEER_CLOSE), 0);
	}
	assert_int_equal(peer_simple(&tx, PEER_DETACH), 0);
	peer_check_hub(&hub, 0);
	peer_exit(&tx);
	peer_exit_hub(&hub);
}

/* The number that its peer has is its own here: without a hub that would live
 * for ever. */
static void
without_a_hub_nobody_waits_for_a_namesake(void **state)
{
	const struct peer_order order = {
		.op = PEER_CUSTOM, .custom = send_each,
	};
	struct peer hub = { 0 }, rx = { 0 }, tx = { 0 };

	(void)state;
	ferry_procs_need();
	namespace_need();
	how = ferry_test_shared(sizeof(*how));
	peer_start_hub(&hub, 64 * MIB);
	start_alone(&rx, false);
	start_alone(&tx, false);
	assert_int_equal(peer_open(&rx, PEER_OPEN_RX, CHANNEL, &small), 0);
	assert_int_equal(peer_open(&tx, PEER_OPEN_TX, CHANNEL, &small), 0);
	peer_order(&tx, &order);
	ferry_proc_kill(&hub.proc);
	assert_int_equal(peer_report(&tx).result, FERRY_E_HUB_GONE);
	ferry_proc_kill(&tx.proc);
	ferry_proc_kill(&rx.proc);
}

/* What a fork of a hub may not do, if its number is the hub's: 0, or the
 * line. */
static int
act_as_namesake(struct peer *peer)
{
	struct ferry_endpoint *ep;
	struct ferry_engine *engine;

	if (getpid() != 1)
		return __LINE__;
	if (ferry_attach(&ep, HUB, "child") != FERRY_E_FORKED)
		return __LINE__;
	if (ferry_engine_create(&engine, peer->hub, NULL) != FERRY_E_FORKED ||
			ferry_hub_move(peer->hub, 1, NULL) != FERRY_E_FORKED)
		return __LINE__;
	if (ferry_hub_destroy(peer->hub) != FERRY_E_FORKED)
		return __LINE__;
	return 0;
}

/* In a child of the hub, which is number 1: a namespace whose first process is
 * number 1, too. */
static int
make_namesake(struct peer *peer)
{
	int status, line;
	pid_t pid;

	if (unshare(CLONE_NEWPID) != 0)
		return __LINE__;
	pid = fork();
	if (pid == 0) {
		alarm(60);
		line = act_as_namesake(peer);
		if (line != 0)
			fprintf(stderr, "line %d\n", line);
		_exit(line != 0);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : __LINE__;
}

static int
fork_namesake(struct peer *peer)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(make_namesake(peer) != 0);
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -EPROTO;
}

static void
a_fork_of_the_same_number_is_told(void **state)
{
	struct peer hub = { 0 }, ep = { 0 };

	(void)state;
	ferry_procs_need();
	namespace_need();
	start_alone(&hub, true);
	assert_int_equal(do_custom(&hub, fork_namesake), 0);
	/* The hub goes on. */
	peer_start_endpoint(&ep);
	peer_check_hub(&hub, 1);
	peer_exit(&ep);
	peer_exit_hub(&hub);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			two_processes_of_the_same_number_exchange_messages,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_hub_of_the_same_number_takes_nothing_for_its_own,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			without_a_hub_nobody_waits_for_a_namesake,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_fork_of_the_same_number_is_told, ferry_procs_end),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
