/* SPDX-License-Identifier: BSD-3-Clause */

/* Requests to a hub that is stopped, or is killed meanwhile, and what is left
 * of requests that the endpoint gave up. The wall clock jumps all the time. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "ferry_errno.h"
#include "ferry_memory.h"
#include "control.h"

#define CHANNEL "bytes.0"

static const struct ferry_channel_config small = { 256, 64 };

/* For all of this program's processes: each look at the wall clock finds it an
 * hour earlier or later. */
int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	static unsigned int looks;
	int ret = (int)syscall(SYS_clock_gettime, clock, ts);

	if (clock == CLOCK_REALTIME)
		ts->tv_sec += __atomic_add_fetch(&looks, 1, __ATOMIC_RELAXED) %
			2 ? 3600 : -3600;
	return ret;
}

static void
what_a_stopped_hub_could_not_answer_in_time_was_never_asked(void **state)
{
	struct peer_order open = {
		.op = PEER_OPEN_TX, .name = "late", .config = small,
	};
	struct peer hub = { 0 }, a = { 0 };
	struct peer_report rep;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start_endpoint(&a);
	ferry_proc_signal(&hub.proc, SIGSTOP);
	usleep(100000); /* all its threads */
	rep = peer_do(&a, &open);
	assert_int_equal(rep.result, -ETIMEDOUT);
	/* It goes on while the next request waits, and finds both. */
	strcpy(open.name, "next");
	peer_order(&a, &open);
	usleep(200000);
	ferry_proc_signal(&hub.proc, SIGCONT);
	assert_int_equal(peer_report(&a).result, 0);
	/* Its own end, not the late one's; and that can be had. */
	open.op = PEER_OPEN_RX;
	assert_int_equal(peer_do(&a, &open).result, 0);
	assert_int_equal(peer_simple(&a, PEER_CLOSE), 0);
	peer_check_hub(&hub, 1);
	assert_int_equal(peer_open(&a, PEER_OPEN_TX, "late", NULL), 0);
	peer_exit(&a);
	peer_exit_hub(&hub);
}

/* Send a request and give up while the hub is stopped, but do not go away. */
static int
give_up(const struct hub_request *req, const int *fds, unsigned int n)
{
	int conn = control_dial();

	assert_int_equal(control_say(conn, req, sizeof(*req), fds, n),
		sizeof(*req));
	assert_int_equal(shutdown(conn, SHUT_RD), 0);
	return conn;
}

static void
what_a_hub_cannot_tell_it_undoes(void **state)
{
	const struct peer_order info = { .op = PEER_INFO };
	struct peer hub = { 0 };
	struct hub_request req, made;
	struct peer_report rep;
	struct hub_reply reply;
	int self, conns[4], i;
	unsigned int before;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	req = control_attach();
	assert_int_equal(control_ask(&req, sizeof(req), &self, 1, &reply), 0);
	made = req;
	made.endpoint = reply.endpoint;
	made.epoch = reply.epoch;
	made.op = HUB_OP_OPEN;
	made.config = small;
	strcpy(made.name, "made");
	assert_int_equal(control_ask(&made, sizeof(made), NULL, 0, &reply), 0);
	before = hub_fds(&hub);
	ferry_proc_signal(&hub.proc, SIGSTOP);
	usleep(100000); /* all its threads */
	conns[0] = give_up(&req, &self, 1);
	/* A channel of its own, the other end of one that is there, memory. */
	made.role = HUB_RX;
	conns[1] = give_up(&made, NULL, 0);
	strcpy(made.name, "new");
	conns[2] = give_up(&made, NULL, 0);
	made.op = HUB_OP_ALLOC;
	made.size = MIB;
	conns[3] = give_up(&made, NULL, 0);
	ferry_proc_signal(&hub.proc, SIGCONT);
	/* It answers behind those. */
	made.op = HUB_OP_LIST;
	made.id = 0;
	assert_int_equal(control_ask(&made, sizeof(made), NULL, 0, &reply), 0);
	assert_int_equal(reply.total, 1);
	rep = peer_do(&hub, &info);
	assert_int_equal(rep.info.endpoints, 1);
	assert_int_equal(rep.info.memory_endpoints, 0);
	assert_int_equal(rep.n_channels, 1);
	assert_string_equal(rep.channels[0].name, "made");
	assert_int_equal(rep.channels[0].rx.state, FERRY_END_ABSENT);
	await_fds(hub.proc.pid, before);
	for (i = 0; i < 4; i++)
		close(conns[i]);
	made.op = HUB_OP_DETACH;
	assert_int_equal(control_ask(&made, sizeof(made), NULL, 0, &reply), 0);
	peer_check_hub(&hub, 0);
	close(self);
	peer_exit_hub(&hub);
}

#define ATTACHERS 40

static struct attacher {
	pthread_t thread;
	int result;
	uint64_t took_ns;
} attachers[ATTACHERS];

static void *
attach_once(void *arg)
{
	struct attacher *a = arg;
	const uint64_t start = ferry_test_now_ns();
	struct ferry_endpoint *ep;

	a->result = ferry_attach(&ep, HUB, "attacher");
	a->took_ns = ferry_test_now_ns() - start;
	if (a->result == 0)
		ferry_detach(ep);
	return NULL;
}

/* Runs in a secondary, while the hub is stopped. */
static int
attach_many(struct peer *peer)
{
	unsigned int i;

	(void)peer;
	for (i = 0; i < ATTACHERS; i++)
		if (pthread_create(&attachers[i].thread, NULL, attach_once,
				&attachers[i]) != 0)
			return -EAGAIN;
	for (i = 0; i < ATTACHERS; i++)
		pthread_join(attachers[i].thread, NULL);
	for (i = 0; i < ATTACHERS; i++) {
		if (attachers[i].result != -ETIMEDOUT)
			return attachers[i].result < 0 ? attachers[i].result :
				-EPROTO;
		/* 3 s each, not one after the other, which would be 120. */
		if (attachers[i].took_ns < SECONDS(2) ||
				attachers[i].took_ns > SECONDS(30))
			return -ETIME;
	}
	return 0;
}

static void
attaches_that_a_stopped_hub_did_not_answer_leave_nothing(void **state)
{
	const struct peer_order many = {
		.op = PEER_CUSTOM, .custom = attach_many,
	};
	const struct peer_order attach = { .op = PEER_ATTACH, .name = HUB };
	struct peer hub = { 0 }, a = { 0 };
	unsigned int hub_before, fds;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start(&a, FERRY_EAL_SECONDARY, NULL);
	hub_before = hub_fds(&hub);
	fds = fds_of(a.proc.pid);
	ferry_proc_signal(&hub.proc, SIGSTOP);
	usleep(100000); /* all its threads */
	assert_int_equal(peer_do(&a, &many).result, 0);
	assert_int_equal(fds_of(a.proc.pid), fds);
	ferry_proc_signal(&hub.proc, SIGCONT);
	/* It answers behind those 40. */
	assert_int_equal(peer_do(&a, &attach).result, 0);
	peer_check_hub(&hub, 1);
	assert_int_equal(peer_simple(&a, PEER_DETACH), 0);
	peer_check_hub(&hub, 0);
	await_fds(hub.proc.pid, hub_before);
	assert_int_equal(fds_of(a.proc.pid), fds);
	peer_exit(&a);
	peer_exit_hub(&hub);
}

/* Runs in a secondary, while the hub is stopped: ask for more than is kept. */
static int
alloc_in_vain(struct peer *peer)
{
	if (ferry_alloc(peer->ep, 3 * MIB) != NULL)
		return -EEXIST;
	/* It may have the memory: it does not say. */
	return rte_errno == ETIMEDOUT ? 0 : -rte_errno;
}

static void
a_stopped_hub_takes_back_later_what_was_given_back(void **state)
{
	const struct peer_order alloc = {
		.op = PEER_CUSTOM, .custom = alloc_in_vain,
	};
	const struct peer_order detach = { .op = PEER_DETACH };
	struct peer hub = { 0 }, a = { 0 }, b = { 0 };
	struct peer_report rep;
	char name[16];
	int i;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 16 * MIB);
	peer_start_endpoint(&a);
	peer_start_endpoint(&b);
	assert_int_equal(peer_open(&a, PEER_OPEN_TX, "closed", &small), 0);
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "left.%d", i);
		assert_int_equal(peer_open(&b, PEER_OPEN_TX, name, &small), 0);
	}
	ferry_proc_signal(&hub.proc, SIGSTOP);
	usleep(100000); /* all its threads */
	assert_int_equal(peer_do(&a, &alloc).result, 0);
	assert_int_equal(peer_simple(&a, PEER_CLOSE), 0);
	/* Eleven requests: waited for once, or twice. */
	rep = peer_do(&b, &detach);
	assert_true(rep.took_ns < SECONDS(20));
	ferry_proc_signal(&hub.proc, SIGCONT);
	assert_int_equal(peer_open(&a, PEER_OPEN_RX, "closed", &small), 0);
	assert_int_equal(peer_simple(&a, PEER_CLOSE), 0);
	peer_check_hub(&hub, 1);
	peer_exit(&a);
	peer_exit(&b);
	peer_exit_hub(&hub);
}

static void
a_hub_that_is_killed_during_a_request_is_missed_at_once(void **state)
{
	const struct peer_order attach = { .op = PEER_ATTACH, .name = HUB };
	struct peer_order open = {
		.op = PEER_OPEN_TX, .name = CHANNEL, .config = small,
	};
	struct peer hub = { 0 }, a = { 0 }, b = { 0 };
	struct peer_report rep;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start_endpoint(&a);
	peer_start(&b, FERRY_EAL_SECONDARY, NULL);
	ferry_proc_signal(&hub.proc, SIGSTOP);
	usleep(100000); /* all its threads */
	peer_order(&a, &open);
	peer_order(&b, &attach);
	usleep(500000); /* both wait */
	ferry_proc_kill(&hub.proc);
	rep = peer_report(&a);
	assert_int_equal(rep.result, FERRY_E_HUB_GONE);
	assert_true(rep.took_ns < SECONDS(2));
	rep = peer_report(&b);
	assert_int_equal(rep.result, FERRY_E_HUB_GONE);
	assert_true(rep.took_ns < SECONDS(2));
	peer_exit(&a);
	peer_exit(&b);
}

static void
time_in_which_nobody_ran_is_nobodys_fault(void **state)
{
	struct peer_order open = {
		.op = PEER_OPEN_TX, .name = CHANNEL, .config = small,
	};
	struct peer hub = { 0 }, a = { 0 };

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start_endpoint(&a);
	ferry_proc_signal(&hub.proc, SIGSTOP);
	usleep(100000); /* all its threads */
	peer_order(&a, &open);
	usleep(300000); /* it waits */
	/* As if a container with both of them were frozen. */
	ferry_proc_signal(&a.proc, SIGSTOP);
	usleep(4000000);
	ferry_proc_signal(&a.proc, SIGCONT);
	usleep(300000); /* it sees what time it is */
	ferry_proc_signal(&hub.proc, SIGCONT);
	assert_int_equal(peer_report(&a).result, 0);
	peer_exit(&a);
	peer_exit_hub(&hub);
}

/* A hub and both ends of a channel. */
static void
start_pair(struct peer *hub, struct peer *rx, struct peer *tx)
{
	peer_start_hub(hub, 8 * MIB);
	peer_start_endpoint(rx);
	peer_start_endpoint(tx);
	assert_int_equal(peer_open(rx, PEER_OPEN_RX, CHANNEL, &small), 0);
	assert_int_equal(peer_open(tx, PEER_OPEN_TX, CHANNEL, &small), 0);
}

static void
messages_flow_beside_a_stopped_hub(void **state)
{
	struct peer_order order = {
		.op = PEER_SEND, .n = 100000, .burst = 8, .longest = 256,
		.wait = FERRY_WAIT_SLEEP, .timeout_ns = FERRY_TEST_HANG_NS,
	};
	struct peer hub = { 0 }, rx = { 0 }, tx = { 0 };
	struct peer_report rep;

	(void)state;
	ferry_procs_need();
	start_pair(&hub, &rx, &tx);
	ferry_proc_signal(&hub.proc, SIGSTOP);
	usleep(100000); /* all its threads */
	peer_order(&tx, &order);
	order.op = PEER_RECV;
	peer_order(&rx, &order);
	rep = peer_report(&tx);
	assert_int_equal(rep.result, 0);
	assert_int_equal(rep.count, order.n);
	/* Its end is told by the producer itself. */
	assert_int_equal(peer_simple(&tx, PEER_CLOSE), 0);
	rep = peer_report(&rx);
	assert_int_equal(rep.result, FERRY_E_CLOSED);
	assert_int_equal(rep.count, order.n);
	ferry_proc_signal(&hub.proc, SIGCONT);
	assert_int_equal(peer_simple(&rx, PEER_CLOSE), 0);
	peer_check_hub(&hub, 2);
	peer_exit(&rx);
	peer_exit(&tx);
	peer_exit_hub(&hub);
}

static void
a_death_beside_a_stopped_hub_is_told_when_it_goes_on(void **state)
{
	const struct peer_order wait = {
		.op = PEER_WAIT_RX, .wait = FERRY_WAIT_SLEEP,
		.timeout_ns = UINT64_MAX,
	};
	struct peer hub = { 0 }, rx = { 0 }, tx = { 0 };
	struct peer_report rep;
	uint64_t since;

	(void)state;
	ferry_procs_need();
	start_pair(&hub, &rx, &tx);
	ferry_proc_signal(&hub.proc, SIGSTOP);
	usleep(100000); /* all its threads */
	peer_order(&rx, &wait);
	ferry_proc_kill(&tx.proc);
	assert_int_equal(ferry_proc_read(rx.proc.fd, &rep, sizeof(rep), 500),
		-ETIMEDOUT);
	since = ferry_test_now_ns();
	ferry_proc_signal(&hub.proc, SIGCONT);
	rep = peer_report(&rx);
	assert_int_equal(rep.result, FERRY_E_PEER_GONE);
	assert_true(rep.at_ns - since < PEER_SOON_NS);
	assert_int_equal(peer_simple(&rx, PEER_CLOSE), 0);
	peer_check_hub(&hub, 1);
	peer_exit(&rx);
	peer_exit_hub(&hub);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
		what_a_stopped_hub_could_not_answer_in_time_was_never_asked,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			what_a_hub_cannot_tell_it_undoes, ferry_procs_end),
		cmocka_unit_test_teardown(
		attaches_that_a_stopped_hub_did_not_answer_leave_nothing,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_stopped_hub_takes_back_later_what_was_given_back,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_hub_that_is_killed_during_a_request_is_missed_at_once,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			time_in_which_nobody_ran_is_nobodys_fault,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			messages_flow_beside_a_stopped_hub, ferry_procs_end),
		cmocka_unit_test_teardown(
			a_death_beside_a_stopped_hub_is_told_when_it_goes_on,
			ferry_procs_end),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
