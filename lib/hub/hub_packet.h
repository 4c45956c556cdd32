/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_PACKET_H
#define FERRY_HUB_PACKET_H

/*
 * One packet of a control connection: a request or a reply, and a descriptor
 * that may go with it. These functions do not wait.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What a packet brought. */
struct hub_packet {
	/* Bytes of the packet, which may be more than there was room for; 0 if
	 * the other side has closed the connection, or sent an empty packet. */
	ssize_t len;
	/* The first descriptor that came with the packet, for the caller to
	 * close; or -1. hub_packet_take() has closed the others. */
	int fd;
	/* How many descriptors came. */
	unsigned int n_fds;
	/* There were more descriptors, which the kernel could not hand over. */
	bool cut;
};

/* Send a packet, and a descriptor with it unless fd is negative. Returns what
 * sendmsg() does. */
ssize_t hub_packet_send(int conn, const void *data, size_t len, int fd);

/* Take a packet: 0, or a negative errno if there is none; -EAGAIN: none has
 * come yet. */
int hub_packet_take(int conn, void *data, size_t size, struct hub_packet *p);

#endif /* FERRY_HUB_PACKET_H */
