/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPE_SEND_H
#define PIPE_SEND_H

/* What sending in slots (send.c) and in blocks (send_bulk.c) share. */

#include <sys/types.h>

#include "pipe.h"

struct sender {
	const struct pipe_options *o;
	struct ferry_endpoint *ep;
	struct ferry_tx *tx;
	struct progress progress;
};

/* Print why sending ended with the result ret. Returns ret, or
 * FERRY_E_HUB_GONE if the hub has gone. */
int send_explain(const struct sender *s, int ret);

/*
 * Call wait, which is ferry_tx_wait() or a function like it, until there is
 * what a send lacked. Returns 0, or negative if there will be none.
 */
int send_wait(struct sender *s, int (*wait)(struct ferry_tx *tx, uint64_t ns));

/* Send a message that fits into a slot. Returns 0 or negative. */
int send_copied(struct sender *s, const void *data, uint32_t len,
		uint32_t tag);

/*
 * Wait for input and read it. Returns the bytes read, 0 at the input's end, or
 * negative after a message. The wait also ends when the receiver has gone,
 * because input may never come.
 */
ssize_t send_read(struct sender *s, void *buf, size_t len);

/*
 * Send all of the input in blocks. Returns 0, or negative after a message. Is
 * in send_bulk.c.
 */
int send_blocks(struct sender *s);

#endif /* PIPE_SEND_H */
