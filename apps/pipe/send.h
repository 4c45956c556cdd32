/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPE_SEND_H
#define PIPE_SEND_H

/* What the two ways to send, in slots and in blocks, have in common. */

#include <sys/types.h>

#include "pipe.h"

struct sender {
	const struct pipe_options *o;
	struct ferry_endpoint *ep;
	struct ferry_tx *tx;
	struct progress progress;
};

/* Say why sending ended: the result that was given. */
int send_explain(const struct sender *s, int ret);

/* Wait, by ferry_tx_wait() or another of its kind, for what a send lacked: 0,
 * or negative if there will be none. */
int send_wait(struct sender *s, int (*wait)(struct ferry_tx *tx, uint64_t ns));

/* Send what fits into a slot: 0 or negative. */
int send_copied(struct sender *s, const void *data, uint32_t len,
		uint32_t tag);

/*
 * Read input, whenever it comes: 0 at its end, negative after a message. An
 * input that keeps quiet must not hide that nobody is left to send to.
 */
ssize_t send_read(struct sender *s, void *buf, size_t len);

/* send_bulk.c: all of the input in blocks: 0, or negative after a message. */
int send_blocks(struct sender *s);

#endif /* PIPE_SEND_H */
