/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPE_RECV_H
#define PIPE_RECV_H

/* What receiving in slots (recv.c) and in blocks (recv_bulk.c) share. */

#include "ferry_bulk.h"
#include "pipe.h"

/* A message that was received and waits to be written out. */
struct waiting {
	struct ferry_msg msg;
	/* The block, if it was accepted and is being copied; msg is then void.
	 * NULL: no block, or not accepted yet. */
	struct ferry_bulk_in *in;
};

/* A power of two, and at least PIPE_BLOCKS. */
#define WAITING_MAX 8

struct receiver {
	struct ferry_rx *rx;
	struct progress progress;
	bool begun;
	/* END has come, and its number of bytes is what was written. */
	bool complete;
	/* A ring of messages; how many were received, and how many of these
	 * were written out and given back. */
	struct waiting waiting[WAITING_MAX];
	unsigned int received;
	unsigned int done;
	/* Blocks of the ring that were accepted. */
	unsigned int accepted;
};

/* Print why receiving ended with the result ret. Returns ret, or
 * FERRY_E_HUB_GONE if the hub has gone. */
int recv_explain(const struct receiver *r, int ret);

/*
 * Receive the messages that have come, as far as the ring has room, and accept
 * the blocks among them, so that they are copied. Negative if no more messages
 * will come.
 */
int recv_look(struct receiver *r);

/* Write all len bytes to stdout. Returns 0, or negative after a message. */
int recv_write(const struct receiver *r, const uint8_t *data, size_t len);

/* Accept waiting blocks, at most PIPE_BLOCKS at a time. Is in recv_bulk.c. */
void recv_blocks_accept(struct receiver *r);
/* Write out the block that is first in the ring, and give it back. Returns 0,
 * or negative after a message. */
int recv_block(struct receiver *r, struct waiting *w);

#endif /* PIPE_RECV_H */
