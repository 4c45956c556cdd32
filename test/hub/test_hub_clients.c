/* SPDX-License-Identifier: BSD-3-Clause */

/* A hub's connections to its clients: late ones, ones that are open when the
 * hub ends, and none at all; and a client of a program that is no hub. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "control.h"
#include "ferry_errno.h"

#define NOBODY "nobody"

static const struct hub_request hello = {
	.op = HUB_OP_HELLO,
	.version = FERRY_CHANNEL_VERSION,
};

static const struct peer_order create = {
	.op = PEER_CREATE, .name = HUB, .n = 8 * MIB,
};

/* Say hello on a connection; what the hub answers. */
static int
greet(int conn)
{
	struct pollfd p = { .fd = conn, .events = POLLIN };
	struct hub_request req = hello;
	struct hub_reply rep;

	req.layout = ferry_channel_layout_hash();
	if (control_say(conn, &req, sizeof(req), NULL, 0) != sizeof(req) ||
			poll(&p, 1, (int)(HANGS / 1000000)) != 1 ||
			recv(conn, &rep, sizeof(rep), 0) != sizeof(rep))
		return -EPROTO;
	assert_true(rep.result != 0 || rep.incarnation != 0);
	return rep.result;
}

/* Connect, and wait until the hub has taken it. */
static int
dial_and_wait(const struct peer *hub)
{
	const unsigned int before = hub_fds(hub);
	int conn = control_dial();

	await_fds(hub->proc.pid, before + 1);
	return conn;
}

static void
who_speaks_late_is_answered(void **state)
{
	struct pollfd p = { .events = POLLIN };
	struct peer hub = { 0 };
	int i;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	for (i = 0; i < 3; i++) {
		p.fd = control_dial();
		/* The hub looks every 100 ms who was silent for 10 s. */
		assert_int_equal(poll(&p, 1, 400), 0);
		assert_int_equal(greet(p.fd), 0);
		close(p.fd);
	}
	peer_exit_hub(&hub);
}

/* Runs in the hub, as in a daemon: its next client has descriptor 0. */
static int
free_descriptor_0(struct peer *peer)
{
	(void)peer;
	return close(STDIN_FILENO);
}

static void
who_says_nothing_is_left_in_the_end(void **state)
{
	const struct peer_order order = {
		.op = PEER_CUSTOM, .custom = free_descriptor_0,
	};
	struct pollfd p = { .events = POLLIN };
	struct peer hub = { 0 };
	char c;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	assert_int_equal(peer_do(&hub, &order).result, 0);
	p.fd = control_dial();
	assert_int_equal(poll(&p, 1, (int)(HANGS / 1000000)), 1);
	assert_int_equal(recv(p.fd, &c, 1, 0), 0);
	close(p.fd);
	/* It was the only one. */
	assert_true(ferry_test_await_rest(hub.proc.pid));
	peer_exit_hub(&hub);
}

static void
a_hub_that_ends_leaves_nothing_open(void **state)
{
	struct peer hub = { 0 };
	struct pollfd p = { .events = POLLIN };
	unsigned int before = 0;
	char c;
	int i;

	(void)state;
	ferry_procs_need();
	peer_start(&hub, FERRY_EAL_HUB, NULL);
	for (i = 0; i < 3; i++) {
		assert_int_equal(peer_do(&hub, &create).result, 0);
		p.fd = dial_and_wait(&hub);
		assert_int_equal(peer_simple(&hub, PEER_DESTROY), 0);
		/* Its process lives. */
		assert_int_equal(poll(&p, 1, 0), 1);
		assert_int_equal(recv(p.fd, &c, 1, 0), 0);
		close(p.fd);
		/* The first one may have left EAL with more pages. */
		if (i == 0)
			before = fds_of(hub.proc.pid);
		assert_int_equal(fds_of(hub.proc.pid), before);
	}
	assert_int_equal(peer_do(&hub, &create).result, 0);
	peer_exit_hub(&hub);
}

static unsigned int
threads_of(pid_t pid)
{
	return ferry_test_entries(pid, "task");
}

static void
an_endpoint_that_ends_leaves_nothing_behind(void **state)
{
	const struct peer_order attach = { .op = PEER_ATTACH, .name = HUB };
	unsigned int fds = 0, threads = 0;
	struct peer hub = { 0 }, a = { 0 };
	int i;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start(&a, FERRY_EAL_SECONDARY, NULL);
	for (i = 0; i < 3; i++) {
		assert_int_equal(peer_do(&a, &attach).result, 0);
		assert_int_equal(peer_simple(&a, PEER_DETACH), 0);
		/* What comes with the first one stays. */
		if (i == 0) {
			fds = fds_of(a.proc.pid);
			threads = threads_of(a.proc.pid);
		}
		assert_int_equal(fds_of(a.proc.pid), fds);
		assert_int_equal(threads_of(a.proc.pid), threads);
	}
	peer_exit(&a);
	peer_exit_hub(&hub);
}

/* What ferry_tx_open() would not ask for. */
static void
a_bad_name_makes_no_channel_whoever_asks(void **state)
{
	static const char *const names[] = { "", "/", "a/b", "a b", "a\n" };
	const struct peer_order info = { .op = PEER_INFO };
	struct peer hub = { 0 };
	struct hub_request req;
	struct hub_reply rep;
	unsigned int i;
	int self;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	assert_true(self >= 0);
	req = control_attach();
	assert_int_equal(control_ask(&req, sizeof(req), &self, 1, &rep), 0);
	close(self);
	req.op = HUB_OP_OPEN;
	req.endpoint = rep.endpoint;
	req.epoch = rep.epoch;
	req.config = (struct ferry_channel_config) { 256, 64 };
	for (i = 0; i < RTE_DIM(names); i++) {
		snprintf(req.name, sizeof(req.name), "%s", names[i]);
		assert_int_equal(control_ask(&req, sizeof(req), NULL, 0, &rep),
			-EINVAL);
	}
	assert_int_equal(peer_do(&hub, &info).n_channels, 0);
	req.op = HUB_OP_DETACH;
	assert_int_equal(control_ask(&req, sizeof(req), NULL, 0, &rep), 0);
	peer_exit_hub(&hub);
}

static struct {
	pid_t pid;
} child;

/* Runs in the hub: a child has all that it has. */
static int
have_child(struct peer *peer)
{
	(void)peer;
	child.pid = fork();
	if (child.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return child.pid > 0 ? 0 : -errno;
}

static int
end_child(struct peer *peer)
{
	(void)peer;
	return kill(child.pid, SIGKILL) == 0 &&
		waitpid(child.pid, NULL, 0) == child.pid ? 0 : -errno;
}

static void
an_idle_hub_sleeps(void **state)
{
	const struct peer_order have = {
		.op = PEER_CUSTOM, .custom = have_child,
	};
	const struct peer_order end = {
		.op = PEER_CUSTOM, .custom = end_child,
	};
	struct peer hub = { 0 }, a = { 0 };
	int conn[2];

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	assert_true(ferry_test_await_rest(hub.proc.pid));
	peer_start_endpoint(&a);
	assert_true(ferry_test_await_rest(hub.proc.pid));
	/* Also if a child has connections open that the hub is done with: one
	 * that was answered, and one that never said anything. */
	conn[0] = dial_and_wait(&hub);
	conn[1] = dial_and_wait(&hub);
	assert_int_equal(peer_do(&hub, &have).result, 0);
	assert_int_equal(greet(conn[0]), 0);
	close(conn[0]);
	close(conn[1]);
	assert_true(ferry_test_await_rest(hub.proc.pid));
	assert_int_equal(peer_do(&hub, &end).result, 0);
	peer_exit(&a);
	peer_exit_hub(&hub);
}

/* Something that listens where a hub would, and what it says. */
struct impostor {
	int listener;
	const void *says;
	size_t len;
	unsigned int asked;
};

static void *
pretend(void *arg)
{
	struct impostor *i = arg;
	struct hub_request req;
	int conn;

	while ((conn = accept(i->listener, NULL, NULL)) >= 0) {
		i->asked++;
		if (recv(conn, &req, sizeof(req), 0) == sizeof(req) &&
				i->len > 0)
			send(conn, i->says, i->len, MSG_NOSIGNAL);
		close(conn);
	}
	return NULL;
}

/* What attaching to it returns. */
static int
try_impostor(struct peer *client, struct impostor *i)
{
	const struct peer_order attach = {
		.op = PEER_ATTACH, .name = NOBODY,
	};
	struct sockaddr_un sa;
	pthread_t thread;
	int ret;

	i->listener = control_socket(HUB_SOCKET_NAME NOBODY, &sa);
	assert_int_equal(bind(i->listener, (struct sockaddr *)&sa, sizeof(sa)),
		0);
	assert_int_equal(listen(i->listener, 8), 0);
	assert_int_equal(pthread_create(&thread, NULL, pretend, i), 0);
	ret = peer_do(client, &attach).result;
	shutdown(i->listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(i->listener);
	assert_int_equal(unlink(sa.sun_path), 0);
	return ret;
}

static void
what_is_no_hub_is_told(void **state)
{
	static const size_t lens[] = {
		1, 4, sizeof(struct hub_reply) - 1,
		sizeof(struct hub_reply) + 1,
	};
	static char nonsense[sizeof(struct hub_reply) + 1];
	struct impostor impostor = { .says = nonsense };
	struct peer hub = { 0 }, a = { 0 };
	unsigned int i;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start(&a, FERRY_EAL_SECONDARY, NULL);
	for (i = 0; i < RTE_DIM(lens); i++) {
		impostor.len = lens[i];
		impostor.asked = 0;
		assert_int_equal(try_impostor(&a, &impostor), FERRY_E_VERSION);
		/* Once is enough. */
		assert_int_equal(impostor.asked, 1);
	}
	/* One that says nothing is asked as long as a hub has time. */
	impostor.len = 0;
	impostor.asked = 0;
	assert_int_equal(try_impostor(&a, &impostor), -ETIMEDOUT);
	assert_true(impostor.asked > 1);
	/* A reply without the hub's pidfd. */
	impostor.len = sizeof(struct hub_reply);
	assert_int_equal(try_impostor(&a, &impostor), -EMFILE);
	peer_exit(&a);
	peer_exit_hub(&hub);
}

static int
limit_fds(rlim_t n)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return -errno;
	rl.rlim_cur = n;
	return setrlimit(RLIMIT_NOFILE, &rl) == 0 ? 0 : -errno;
}

/* Runs in a secondary: its socket for hard times becomes descriptor 0. Returns
 * 0, or the line that went wrong. */
static int
ask_through_descriptor_0(struct peer *peer)
{
	struct ferry_hub_channel list[1];
	struct rlimit was;
	int line = 0;

	if (getrlimit(RLIMIT_NOFILE, &was) != 0)
		return __LINE__;
	/* No other descriptor is to be had: the one for this is used up. */
	if (limit_fds(0) != 0 || ferry_endpoint_channels(peer->ep, list, 1) < 0)
		return __LINE__;
	/* The only one is 0. */
	close(STDIN_FILENO);
	if (limit_fds(1) != 0 || ferry_endpoint_channels(peer->ep, list, 1) < 0)
		line = __LINE__;
	/* And it was put by. */
	else if (fcntl(STDIN_FILENO, F_GETFD) < 0 ||
			ferry_endpoint_channels(peer->ep, list, 1) < 0)
		line = __LINE__;
	return setrlimit(RLIMIT_NOFILE, &was) == 0 ? line : __LINE__;
}

static void
a_daemon_without_descriptors_can_ask(void **state)
{
	const struct peer_order order = {
		.op = PEER_CUSTOM, .custom = ask_through_descriptor_0,
	};
	struct peer hub = { 0 }, a = { 0 };

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start_endpoint(&a);
	assert_int_equal(peer_do(&a, &order).result, 0);
	peer_exit(&a);
	peer_exit_hub(&hub);
}

/* As where the reader of its log is stopped. */
static int
fill_stderr(struct peer *peer)
{
	static const char zeros[4096];
	int ends[2];

	(void)peer;
	if (pipe(ends) != 0 || fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0)
		return -errno;
	while (write(ends[1], zeros, sizeof(zeros)) > 0)
		;
	while (write(ends[1], zeros, 1) > 0)
		;
	/* Who writes now waits. */
	if (fcntl(ends[1], F_SETFL, 0) != 0 ||
			dup2(ends[1], STDERR_FILENO) != STDERR_FILENO)
		return -errno;
	return 0;
}

static void
a_hub_whose_log_is_not_read_goes_on(void **state)
{
	const struct peer_order fill = {
		.op = PEER_CUSTOM, .custom = fill_stderr,
	};
	struct peer hub = { 0 }, a = { 0 }, b = { 0 };

	(void)state;
	ferry_procs_need();
	/* So that it tells of deaths. */
	peer_start(&hub, FERRY_EAL_HUB, "--log-level=notice");
	assert_int_equal(peer_do(&hub, &create).result, 0);
	assert_int_equal(peer_do(&hub, &fill).result, 0);
	peer_start_endpoint(&a);
	ferry_proc_kill(&a.proc);
	peer_start_endpoint(&b);
	peer_check_hub(&hub, 1);
	peer_exit(&b);
	peer_exit_hub(&hub);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			who_speaks_late_is_answered, ferry_procs_end),
		cmocka_unit_test_teardown(
			who_says_nothing_is_left_in_the_end, ferry_procs_end),
		cmocka_unit_test_teardown(
			a_hub_that_ends_leaves_nothing_open, ferry_procs_end),
		cmocka_unit_test_teardown(
			an_endpoint_that_ends_leaves_nothing_behind,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_bad_name_makes_no_channel_whoever_asks,
			ferry_procs_end),
		cmocka_unit_test_teardown(an_idle_hub_sleeps, ferry_procs_end),
		cmocka_unit_test_teardown(
			what_is_no_hub_is_told, ferry_procs_end),
		cmocka_unit_test_teardown(
			a_daemon_without_descriptors_can_ask, ferry_procs_end),
		cmocka_unit_test_teardown(
			a_hub_whose_log_is_not_read_goes_on, ferry_procs_end),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
