/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPE_RECV_H
#define PIPE_RECV_H

/* What receiving in slots and in blocks have in common. */

#include "ferry_bulk.h"
#include "pipe.h"

/* A message that waits for its turn. */
struct waiting {
	struct ferry_msg msg;
	/* A block that was accepted: it is being copied; msg is void. */
	struct ferry_bulk_in *in;
};

/* A power of two, and no fewer than there are blocks. */
#define WAITING_MAX 8

struct receiver {
	struct ferry_rx *rx;
	struct progress progress;
	bool begun;
	/* END has come and agrees with what was written. */
	bool complete;
	/* A ring: messages that were received, and those that are done with. */
	struct waiting waiting[WAITING_MAX];
	unsigned int received;
	unsigned int done;
	/* Blocks among them that were accepted. */
	unsigned int accepted;
};

/* Say why receiving ended: the result that was given. */
int recv_explain(const struct receiver *r, int ret);

/* Receive what is there as far as there is room for it to wait, and let the
 * blocks among it be copied. Negative if there will be no more. */
int recv_look(struct receiver *r);

/* Write all of it: 0, or negative after a message. */
int recv_write(const struct receiver *r, const uint8_t *data, size_t len);

/* recv_bulk.c: let the blocks that wait be copied, as many as there is memory
 * for. */
void recv_blocks_accept(struct receiver *r);
/* A block whose turn it is: write it out, and give it back. 0, or negative
 * after a message. */
int recv_block(struct receiver *r, struct waiting *w);

#endif /* PIPE_RECV_H */
