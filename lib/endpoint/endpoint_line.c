/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>

#include "ferry_clock.h"
#include "ferry_errno.h"
#include "ferry_process.h"
#include "ferry_shortage.h"
#include "endpoint_line.h"
#include "hub_packet.h"

/* A wait consists of such slices, so that the endpoint notices that this
 * process did not run: 100 ms. */
#define SLICE_NS UINT64_C(100000000)
/* Wait between tries if the hub could not take a connection: 5 ms. */
#define NAP_NS UINT64_C(5000000)

/* Not a result: try again with another connection. */
#define AGAIN 1

/*
 * Wait for one of two descriptors (-1: none) to become readable, and subtract
 * the time from *left. If the wait took longer than asked for, this process was
 * stopped or had no CPU, and perhaps the hub, too. That time does not count.
 */
static void
line_wait(struct pollfd fds[2], uint64_t most, uint64_t *left)
{
	const uint64_t slice = RTE_MIN(RTE_MIN(most, *left), SLICE_NS);
	const struct timespec ts = { .tv_nsec = (long)slice };
	const uint64_t start = ferry_clock_ns();

	fds[0].revents = fds[1].revents = 0;
	ppoll(fds, 2, &ts, NULL);
	*left -= RTE_MIN(ferry_clock_ns() - start, slice);
}

/* Get a socket, the spare one if need be: 0 or more, or -errno. */
static int
socket_get(struct hub_line *line)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);

	if (fd >= 0 || line->spare < 0)
		return fd >= 0 ? fd : -errno;
	fd = line->spare;
	line->spare = -1;
	return fd;
}

static void
spare_make(struct hub_line *line)
{
	if (line->spare < 0)
		line->spare = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
				SOCK_NONBLOCK, 0);
}

static int
line_connect(const struct hub_line *line, int conn)
{
	struct sockaddr_un sa;

	hub_sockaddr(&sa, line->dir, HUB_SOCKET_NAME, line->hub);
	if (connect(conn, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return 0;
	switch (errno) {
	case EAGAIN:	/* as many wait as can: the hub is stopped or busy */
	case EINTR:
		return AGAIN;
	case ECONNREFUSED:
		return FERRY_E_HUB_GONE;
	default:
		return -errno;
	}
}

static int
request_send(int conn, const struct hub_request *req, int fd)
{
	if (hub_packet_send(conn, req, sizeof(*req), fd) >= 0)
		return 0;
	switch (errno) {
	case EPIPE:	/* the hub has dropped the connection, or died */
	case ECONNRESET:
	case EAGAIN:
	case EINTR:
		return AGAIN;
	case ETOOMANYREFS:
		return -EMFILE;
	default:
		return -errno;
	}
}

/* Whether a reply's result is 0, a negative errno, or one of ferry's
 * results. */
static bool
result_ok(int32_t result)
{
	return (result <= 0 && result >= -4095) ||
		(result <= FERRY_E_CLOSED && result >= FERRY_E_LAST);
}

/* Whether a reply can be a hub's. The readers of its addresses check what is
 * there. */
static bool
reply_ok(const struct hub_reply *rep)
{
	return result_ok(rep->result) && rep->total <= FERRY_HUB_CHANNELS_MAX &&
		memchr(rep->entry.name, 0, sizeof(rep->entry.name)) != NULL;
}

/*
 * Take the reply, without waiting. Returns 0; AGAIN if the connection ended
 * without one; -EAGAIN if there is none yet; or a negative result. *fd_in is
 * the fd that came with the reply, or -1. If fd_in is NULL, the fd is closed.
 */
static int
reply_take(int conn, struct hub_reply *rep, int *fd_in)
{
	struct hub_packet p;
	int ret = hub_packet_take(conn, rep, sizeof(*rep), &p);

	/* A reply that cannot be taken for lack of memory is still there.
	 * Another request would have the hub do the work twice. */
	if (ret != 0)
		return ret == -ECONNRESET ? AGAIN : -EAGAIN;
	if (p.len == 0)
		ret = AGAIN;
	else if (p.len != (ssize_t)sizeof(*rep))
		ret = FERRY_E_VERSION;
	else if (!reply_ok(rep))
		ret = FERRY_E_CORRUPT;
	else if (p.cut)
		ret = -EMFILE;
	if (p.fd >= 0 && (ret != 0 || fd_in == NULL))
		close(p.fd);
	else if (fd_in != NULL)
		*fd_in = p.fd;
	return ret;
}

/* Wait for the reply. */
static int
reply_wait(struct hub_line *line, int conn, struct hub_reply *rep, int *fd_in,
		uint64_t *left)
{
	struct pollfd fds[2] = {
		{ .fd = conn, .events = POLLIN },
		{ .fd = line->pidfd, .events = POLLIN },
	};
	int ret;

	while (*left > 0) {
		line_wait(fds, *left, left);
		ret = fds[0].revents != 0 || fds[1].revents != 0 ?
			reply_take(conn, rep, fd_in) : -EAGAIN;
		if (ret != -EAGAIN)
			return ret;
		if (fds[1].revents != 0)
			return FERRY_E_HUB_GONE;
	}
	/* From here on the hub cannot send the reply. Unless the reply is here
	 * already, the hub learns that the endpoint has not got it. */
	shutdown(conn, SHUT_RD);
	ret = reply_take(conn, rep, fd_in);
	return ret == -EAGAIN || ret == AGAIN ? -ETIMEDOUT : ret;
}

/* Try once to ask the hub. */
static int
ask_once(struct hub_line *line, const struct hub_request *req, int fd_out,
		struct hub_reply *rep, int *fd_in, uint64_t *left)
{
	int conn = socket_get(line), ret;

	if (conn < 0)
		return conn;
	ret = line_connect(line, conn);
	if (ret == 0)
		ret = request_send(conn, req, fd_out);
	if (ret == 0)
		ret = reply_wait(line, conn, rep, fd_in, left);
	close(conn);
	spare_make(line);
	return ret;
}

/*
 * Ask the hub, and try again if need be. The hub ends a connection without a
 * reply only before it has taken the request, or when the hub itself ends. So
 * another try does nothing twice.
 */
static int
ask_remote(struct hub_line *line, const struct hub_request *req, int fd_out,
		struct hub_reply *rep, int *fd_in, uint64_t *left)
{
	struct pollfd fds[2] = {
		{ .fd = -1 },
		{ .fd = line->pidfd, .events = POLLIN },
	};
	int ret;

	for (;;) {
		ret = ask_once(line, req, fd_out, rep, fd_in, left);
		/* Try again after a shortage on either side, because what is
		 * not given back is lost. */
		if (hub_op_gives(req->op) && ferry_is_shortage(ret != 0 ? ret :
				rep->result))
			ret = AGAIN;
		if (ret != AGAIN)
			return ret;
		if (*left == 0)
			return -ETIMEDOUT;
		line_wait(fds, NAP_NS, left);
		if (fds[1].revents != 0)
			return FERRY_E_HUB_GONE;
	}
}

static int
hello(struct hub_line *line, uint64_t *left)
{
	const struct hub_request req = {
		.op = HUB_OP_HELLO,
		.version = FERRY_CHANNEL_VERSION,
		.layout = ferry_channel_layout_hash(),
	};
	struct hub_reply rep;
	int ret;

	ret = ask_remote(line, &req, -1, &rep, &line->pidfd, left);
	if (ret == 0)
		ret = rep.result;
	if (ret == 0 && line->pidfd < 0)
		ret = -EMFILE; /* the hub's death would go unnoticed */
	if (ret == 0)
		line->incarnation = rep.incarnation;
	return ret;
}

int
hub_line_open(struct hub_line *line, const char *hub, uint64_t *left)
{
	int ret;

	memset(line, 0, sizeof(*line));
	snprintf(line->hub, sizeof(line->hub), "%s", hub);
	line->process = ferry_process_token();
	line->dir = line->spare = line->pidfd = -1;
	line->local = rte_eal_process_type() == RTE_PROC_PRIMARY;
	if (line->process == 0)
		return -ENOMEM;
	if (line->local)
		return 0;
	line->dir = open(rte_eal_get_runtime_dir(), O_PATH | O_DIRECTORY |
			O_CLOEXEC);
	if (line->dir < 0)
		return errno == ENOENT ? FERRY_E_HUB_GONE : -errno;
	spare_make(line);
	ret = line->spare < 0 ? -errno : hello(line, left);
	if (ret != 0)
		hub_line_close(line);
	return ret;
}

void
hub_line_close(struct hub_line *line)
{
	int * const fds[] = { &line->dir, &line->spare, &line->pidfd };
	unsigned int i;

	for (i = 0; i < RTE_DIM(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

int
hub_line_check(const struct hub_line *line)
{
	return ferry_process_check(line->process);
}

int
hub_line_ask(struct hub_line *line, const struct hub_request *req, int pidfd,
		struct hub_reply *rep, uint64_t *left)
{
	int ret = hub_line_check(line);

	if (ret != 0)
		return ret;
	if (line->local)
		return hub_ask_here(line->hub, req, rep);
	ret = ask_remote(line, req, pidfd, rep, NULL, left);
	/* There was a hub of that name. */
	return ret == -ENOENT ? FERRY_E_HUB_GONE : ret;
}
