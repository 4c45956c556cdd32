/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hub_packet.h"

ssize_t
hub_packet_send(int conn, const void *data, size_t len, int fd)
{
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)data,
		.iov_len = len,
	};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	return sendmsg(conn, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Keep the first descriptor that came, and close the others. */
static void
fds_take(struct msghdr *msg, struct hub_packet *p)
{
	struct cmsghdr *c;
	unsigned int i, n;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(fd));
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (p->n_fds++ == 0)
				p->fd = fd;
			else
				close(fd);
		}
	}
}

int
hub_packet_take(int conn, void *data, size_t size, struct hub_packet *p)
{
	/* Room for two descriptors, to see whether more than one came. */
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	bool reset = false;

	memset(p, 0, sizeof(*p));
	p->fd = -1;
	for (;;) {
		p->len = recvmsg(conn, &msg, MSG_DONTWAIT | MSG_TRUNC |
				MSG_CMSG_CLOEXEC);
		if (p->len >= 0)
			break;
		/* The kernel reports a reset once, before the packets that
		 * came. */
		if (errno == ECONNRESET && !reset)
			reset = true;
		else if (errno != EINTR)
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	}
	p->cut = (msg.msg_flags & MSG_CTRUNC) != 0;
	fds_take(&msg, p);
	return 0;
}
