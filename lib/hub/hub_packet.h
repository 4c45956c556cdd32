/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_PACKET_H
#define FERRY_HUB_PACKET_H

/*
 * One packet of a control connection: a request or a reply, and a descriptor
 * that may go with it. Neither side waits here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* How a packet came. */
struct hub_packet {
	/* Bytes: more than there was room for if it was longer; 0 if the other
	 * side has closed the connection, or sent none. */
	ssize_t len;
	/* The first descriptor that came with it, for the caller to close;
	 * or -1. Others are closed already. */
	int fd;
	/* How many came. */
	unsigned int n_fds;
	/* There were more, which the kernel could not hand over. */
	bool cut;
};

/* Send a packet, and a descriptor with it unless that is negative: as
 * sendmsg(). */
ssize_t hub_packet_send(int conn, const void *data, size_t len, int fd);

/* Take a packet: 0, or a negative errno if there is none; -EAGAIN: none yet. */
int hub_packet_take(int conn, void *data, size_t size, struct hub_packet *p);

#endif /* FERRY_HUB_PACKET_H */
