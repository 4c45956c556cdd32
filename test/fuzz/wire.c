/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire.h"

/* Descriptors that are none of the kernel's: the hub's own, the connection, and
 * what comes with packets. */
#define CONN (WIRE_SELF + 1)
#define FIRST (WIRE_SELF + 2)
#define MOST 64
#define QUESTIONS 16

/* The packet on its way, and what shall become of its answer. */
static struct {
	const struct hub_request *req;
	struct hub_reply *rep;
	ssize_t len;
	uint32_t n_fds;
	struct ucred who;
	bool cut, pidfd, gone, fails, answered;
} wire;

/* A bit is set: it is open. */
static uint64_t fds;
static bool conn_open;

static struct {
	const char *cmd;
	telemetry_cb fn;
} questions[QUESTIONS];
static uint32_t n_questions;

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t
__wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct cmsghdr *c = msg->msg_control;
	const size_t room = msg->msg_iov[0].iov_len;
	uint32_t n, i;
	int came;

	fuzz_check(fd == CONN && conn_open);
	fuzz_check(flags & MSG_DONTWAIT && flags & MSG_CMSG_CLOEXEC);
	if (wire.len < 0) {
		errno = (int)-wire.len;
		return -1;
	}
	memcpy(msg->msg_iov[0].iov_base, wire.req,
		RTE_MIN(RTE_MIN(room, (size_t)wire.len), sizeof(*wire.req)));
	msg->msg_flags = ((size_t)wire.len > room ? MSG_TRUNC : 0) |
		(wire.cut ? MSG_CTRUNC : 0);
	/* As many as the kernel hands over: fewer if there is less room. */
	n = wire.n_fds;
	while (n > 0 && CMSG_SPACE(n * sizeof(int)) > msg->msg_controllen) {
		n--;
		msg->msg_flags |= MSG_CTRUNC;
	}
	msg->msg_controllen = n > 0 ? CMSG_SPACE(n * sizeof(int)) : 0;
	if (n > 0) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
	}
	for (i = 0; i < n; i++) {
		came = __builtin_ctzll(~fds);
		fds |= UINT64_C(1) << came;
		came += FIRST;
		memcpy(CMSG_DATA(c) + i * sizeof(came), &came, sizeof(came));
	}
	return wire.len;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t
__wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	fuzz_check(fd == CONN && conn_open && !wire.answered);
	fuzz_check(flags & MSG_DONTWAIT && flags & MSG_NOSIGNAL);
	fuzz_check(msg->msg_iov[0].iov_len == sizeof(*wire.rep));
	memcpy(wire.rep, msg->msg_iov[0].iov_base, sizeof(*wire.rep));
	if (wire.fails) {
		errno = EPIPE;
		return -1;
	}
	wire.answered = true;
	return sizeof(*wire.rep);
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int
__wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	fuzz_check(fd == CONN && level == SOL_SOCKET && name == SO_PEERCRED &&
		*len == sizeof(wire.who));
	memcpy(value, &wire.who, sizeof(wire.who));
	return 0;
}

int __real_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);
int
__wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	return n == 1 && p->fd == CONN ? wire.gone : __real_poll(p, n, ms);
}

int __real_close(int fd);
int __wrap_close(int fd);
int
__wrap_close(int fd)
{
	uint64_t bit;

	if (fd < WIRE_SELF)
		return __real_close(fd);
	if (fd == CONN) {
		fuzz_check(conn_open);
		conn_open = false;
		return 0;
	}
	fuzz_check(fd >= FIRST && fd < FIRST + MOST);
	bit = UINT64_C(1) << (fd - FIRST);
	fuzz_check(fds & bit);
	fds &= ~bit;
	return 0;
}

int __real_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
int
__wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	return fd >= WIRE_SELF ? 0 : __real_epoll_ctl(epfd, op, fd, ev);
}

/* What the kernel says of a pidfd of a process that is no child, or of another
 * descriptor. */
int __wrap_waitid(idtype_t type, id_t fd, siginfo_t *info, int options);
int
__wrap_waitid(idtype_t type, id_t fd, siginfo_t *info, int options)
{
	(void)info;
	fuzz_check(type == P_PIDFD && fd >= FIRST && fd < FIRST + MOST);
	fuzz_check(options & WNOHANG && options & WNOWAIT);
	errno = wire.pidfd ? ECHILD : EBADF;
	return -1;
}

int __wrap_rte_telemetry_register_cmd(const char *cmd, telemetry_cb fn,
		const char *help);
int
__wrap_rte_telemetry_register_cmd(const char *cmd, telemetry_cb fn,
		const char *help)
{
	(void)help;
	fuzz_check(n_questions < QUESTIONS);
	questions[n_questions].cmd = cmd;
	questions[n_questions++].fn = fn;
	return 0;
}

bool
wire_packet(struct ferry_hub *hub, const struct hub_request *req,
		struct fuzz_in *in, struct hub_reply *rep)
{
	static const ssize_t lens[] = { 0, 1, -EAGAIN, -ECONNRESET, -ENOMEM,
		sizeof(*req) - 1, sizeof(*req) + 1, 1 << 20 };
	const uint8_t how = fuzz_u8(in), what = fuzz_u8(in);

	wire.req = req;
	wire.rep = rep;
	wire.len = what < 240 ? (ssize_t)sizeof(*req) :
		lens[what % RTE_DIM(lens)];
	/* ATTACH brings one. */
	wire.n_fds = (req->op == HUB_OP_ATTACH) ^ (how % 16 == 0 ?
			1 + what % 4 : 0);
	wire.cut = how % 32 == 1;
	wire.pidfd = how % 32 != 2;
	wire.gone = how % 32 == 3;
	wire.fails = how % 16 == 4;
	wire.who = (struct ucred) {
		.pid = 70 + what % 2,
		.uid = how % 32 == 5 ? 60000 : geteuid(),
	};
	wire.answered = false;
	conn_open = true;
	hub->socket.conns[0].fd = CONN;
	hub_socket_ready(hub, 0);
	hub->socket.sweep = false;
	/* It has been seen to, or is waited for. */
	fuzz_check(conn_open == (wire.len == -EAGAIN));
	fuzz_check((hub->socket.conns[0].fd == CONN) == conn_open);
	hub->socket.conns[0].fd = -1;
	return wire.answered;
}

uint32_t
wire_open(void)
{
	return (uint32_t)__builtin_popcountll(fds);
}

void
wire_ask(uint32_t which, const char *params, struct rte_tel_data *d)
{
	int ret;

	fuzz_check(n_questions > 0);
	which %= n_questions;
	ret = questions[which].fn(questions[which].cmd, params, d);
	fuzz_check(ret == 0 || ret == -EINVAL || ret == -ENOENT);
}
