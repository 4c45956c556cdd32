/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Processes of the hub's own user. They attach, die and leave their descriptors
 * with other processes, or flood the hub's socket. The hub forgets them, and
 * serves the other processes.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "control.h"

#define CLIENTS 20
#define ROUNDS 20
/* As many descriptors as a packet takes. */
#define MOST_FDS 253
/* Connections that a flood keeps. */
#define FLOOD 150

/* What a process waits for by epoll. */
static unsigned int
watches_of(pid_t pid)
{
	char path[64], line[128];
	unsigned int n = 0;
	struct dirent *e;
	FILE *info;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.16s", (int)pid,
			e->d_name);
		info = fopen(path, "r");
		while (info != NULL && fgets(line, sizeof(line), info) != NULL)
			n += strncmp(line, "tfd:", 4) == 0;
		if (info != NULL)
			fclose(info);
	}
	closedir(dir);
	return n;
}

static void
await_watches(pid_t pid, unsigned int n)
{
	const uint64_t end = ferry_test_now_ns() + HANGS;

	while (watches_of(pid) != n) {
		if (ferry_test_now_ns() > end)
			fail_msg("%u watched, not %u", watches_of(pid), n);
		usleep(1000);
	}
}

/* A process to be killed, and its pidfd. */
static pid_t
victim_start(int *pidfd)
{
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(*pidfd >= 0);
	return pid;
}

static void
victim_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static struct hub_reply
attach(int pidfd)
{
	const struct hub_request req = control_attach();
	struct hub_reply rep;

	assert_int_equal(control_ask(&req, sizeof(req), &pidfd, 1, &rep), 0);
	return rep;
}

static void
detach(const struct hub_reply *rep)
{
	const struct hub_request req = {
		.op = HUB_OP_DETACH, .incarnation = rep->incarnation,
		.endpoint = rep->endpoint, .epoch = rep->epoch,
	};
	struct hub_reply got;

	assert_int_equal(control_ask(&req, sizeof(req), NULL, 0, &got), 0);
}

static struct ferry_hub_info
info_of(struct peer *hub)
{
	const struct peer_order order = { .op = PEER_INFO };

	return peer_do(hub, &order).info;
}

/* The client keeps its pidfd open: what waits for it at the hub does not go
 * away by a close(). */
static void
the_pidfd_of_who_left_is_forgotten(void **state)
{
	unsigned int fds, watches, i;
	struct hub_reply rep[CLIENTS], last;
	struct peer hub = { 0 };
	int pidfd[CLIENTS], self;
	pid_t pid[CLIENTS];

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	fds = hub_fds(&hub);
	watches = watches_of(hub.proc.pid);
	for (i = 0; i < CLIENTS; i++) {
		pid[i] = victim_start(&pidfd[i]);
		rep[i] = attach(pidfd[i]);
	}
	await_watches(hub.proc.pid, watches + CLIENTS);
	for (i = 0; i < CLIENTS; i++)
		detach(&rep[i]);
	await_fds(hub.proc.pid, fds);
	await_watches(hub.proc.pid, watches);
	/* Another one in the first one's place lives on when that one dies. */
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	assert_true(self >= 0);
	last = attach(self);
	assert_int_equal(last.endpoint, rep[0].endpoint);
	assert_true(last.epoch != rep[0].epoch);
	for (i = 0; i < CLIENTS; i++) {
		victim_kill(pid[i]);
		close(pidfd[i]);
	}
	control_incarnation();
	assert_int_equal(info_of(&hub).endpoints, 1);
	assert_int_equal(info_of(&hub).deaths, 0);
	detach(&last);
	close(self);
	peer_check_hub(&hub, 0);
	await_fds(hub.proc.pid, fds);
	peer_exit_hub(&hub);
}

static void
the_pidfd_of_who_died_is_forgotten(void **state)
{
	unsigned int fds, watches, i;
	struct peer hub = { 0 };
	int pidfd[CLIENTS];
	pid_t pid;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	fds = hub_fds(&hub);
	watches = watches_of(hub.proc.pid);
	for (i = 0; i < CLIENTS; i++) {
		pid = victim_start(&pidfd[i]);
		attach(pidfd[i]);
		victim_kill(pid);
	}
	peer_check_hub(&hub, 0);
	assert_int_equal(info_of(&hub).deaths, CLIENTS);
	await_fds(hub.proc.pid, fds);
	await_watches(hub.proc.pid, watches);
	for (i = 0; i < CLIENTS; i++)
		close(pidfd[i]);
	peer_exit_hub(&hub);
}

/* One more connection, with something or nothing on it. */
static int
flood_dial(uint64_t random)
{
	static int fds[MOST_FDS];
	struct hub_request req = {
		.op = (uint32_t)(random >> 8) % (HUB_OP_LAST + 2),
		.version = FERRY_CHANNEL_VERSION,
		.layout = ferry_channel_layout_hash(),
		.name = "flood",
	};
	char control[CMSG_SPACE(sizeof(fds))] = { 0 };
	struct iovec iov = { .iov_base = &req };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c = (struct cmsghdr *)(void *)control;
	struct sockaddr_un sa;
	int conn = control_socket(HUB_SOCKET_NAME HUB, &sa);

	if (conn < 0 || fcntl(conn, F_SETFL, O_NONBLOCK) != 0 || connect(conn,
			(struct sockaddr *)&sa, sizeof(sa)) != 0) {
		close(conn);
		return -1;
	}
	/* Nothing, nothing but descriptors, a part of a request, or all. */
	iov.iov_len = random % 4 == 1 ? 0 : random % 4 == 2 ?
		sizeof(req) / 2 : sizeof(req);
	if (random % 4 == 0)
		return conn;
	if (random % 3 != 0) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fds));
		memcpy(CMSG_DATA(c), fds, sizeof(fds));
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
	}
	sendmsg(conn, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	return conn;
}

/* A process that does so until it is killed. */
static pid_t
flood_start(void)
{
	const pid_t pid = fork();
	int conns[FLOOD];
	uint64_t random = 3;
	unsigned int i;

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	memset(conns, 0xff, sizeof(conns));
	for (i = 0;; i = (i + 1) % FLOOD) {
		if (conns[i] >= 0)
			close(conns[i]);
		conns[i] = flood_dial(ferry_test_random(&random));
		if (conns[i] < 0)
			usleep(1000);
	}
}

static void
a_flood_shuts_nobody_out(void **state)
{
	const struct ferry_channel_config small = { 256, 8 };
	const struct peer_order attach_order = {
		.op = PEER_ATTACH, .name = HUB,
	};
	struct peer hub = { 0 }, b = { 0 };
	unsigned int fds, most = 0, i;
	pid_t flood;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start(&b, FERRY_EAL_SECONDARY, NULL);
	fds = hub_fds(&hub);
	flood = flood_start();
	for (i = 0; i < ROUNDS; i++) {
		assert_int_equal(peer_do(&b, &attach_order).result, 0);
		assert_int_equal(peer_open(&b, PEER_OPEN_TX, "ch", &small), 0);
		most = RTE_MAX(most, fds_of(hub.proc.pid));
		assert_int_equal(peer_simple(&b, PEER_CLOSE), 0);
		assert_int_equal(peer_simple(&b, PEER_DETACH), 0);
	}
	kill(flood, SIGKILL);
	assert_int_equal(waitpid(flood, NULL, 0), flood);
	/* What waits, what is being served, and what came with it. */
	print_message("at most %u descriptors more\n", most - fds);
	assert_true(most <= fds + HUB_CONNS + 4);
	await_fds(hub.proc.pid, fds);
	peer_check_hub(&hub, 0);
	peer_exit(&b);
	peer_exit_hub(&hub);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_pidfd_of_who_left_is_forgotten,
			ferry_procs_end),
		cmocka_unit_test_teardown(the_pidfd_of_who_died_is_forgotten,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_flood_shuts_nobody_out, ferry_procs_end),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
