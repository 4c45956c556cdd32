/* SPDX-License-Identifier: BSD-3-Clause */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control.h"

unsigned int
fds_of(pid_t pid)
{
	return ferry_test_entries(pid, "fd");
}

void
await_fds(pid_t pid, unsigned int n)
{
	const uint64_t end = ferry_test_now_ns() + HANGS;

	while (fds_of(pid) != n) {
		if (ferry_test_now_ns() > end)
			fail_msg("%u descriptors, not %u", fds_of(pid), n);
		usleep(1000);
	}
}

const char *
control_dir(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "/var/run/dpdk/%s", ferry_test_prefix());
	return path;
}

int
control_socket(const char *name, struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	assert_true(snprintf(sa->sun_path, sizeof(sa->sun_path), "%s/%s",
		control_dir(), name) < (int)sizeof(sa->sun_path));
	return fd;
}

int
control_dial(void)
{
	struct sockaddr_un sa;
	int fd = control_socket(HUB_SOCKET_NAME HUB, &sa);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

ssize_t
control_say(int conn, const void *data, size_t len, const int *fds,
		unsigned int n)
{
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)data,
		.iov_len = len,
	};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n > 0) {
		memset(&control, 0, sizeof(control));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, n * sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	return sendmsg(conn, &msg, MSG_NOSIGNAL);
}

/* Receive the reply; what comes with it is closed. */
static void
hear(int conn, struct hub_reply *rep)
{
	struct pollfd p = { .fd = conn, .events = POLLIN };
	char c;

	assert_int_equal(poll(&p, 1, (int)(HANGS / 1000000)), 1);
	assert_int_equal(recv(conn, rep, sizeof(*rep), 0), sizeof(*rep));
	/* The hub closes it, too. */
	assert_int_equal(poll(&p, 1, (int)(HANGS / 1000000)), 1);
	assert_int_equal(recv(conn, &c, 1, 0), 0);
}

int
control_ask(const void *data, size_t len, const int *fds, unsigned int n,
		struct hub_reply *rep)
{
	int conn = control_dial();

	assert_int_equal(control_say(conn, data, len, fds, n), len);
	hear(conn, rep);
	close(conn);
	return rep->result;
}

uint64_t
control_incarnation(void)
{
	const struct hub_request hello = {
		.op = HUB_OP_HELLO,
		.version = FERRY_CHANNEL_VERSION,
		.layout = ferry_channel_layout_hash(),
	};
	struct hub_reply rep;

	assert_int_equal(control_ask(&hello, sizeof(hello), NULL, 0, &rep), 0);
	assert_true(rep.incarnation != 0);
	return rep.incarnation;
}

unsigned int
hub_fds(const struct peer *hub)
{
	control_incarnation();
	control_incarnation();
	return fds_of(hub->proc.pid);
}

struct hub_request
control_attach(void)
{
	return (struct hub_request) {
		.op = HUB_OP_ATTACH,
		.version = FERRY_CHANNEL_VERSION,
		.layout = ferry_channel_layout_hash(),
		.incarnation = control_incarnation(),
		.name = "raw",
	};
}
