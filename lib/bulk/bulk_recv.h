/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BULK_RECV_H
#define BULK_RECV_H

/*
 * Bulk messages at their consumer, internal: bulk_recv.c receives them,
 * bulk_dst.c finds the memory that they go to.
 */

#include "bulk_end.h"

struct ferry_bulk_in {
	TAILQ_ENTRY(ferry_bulk_in) next;
	struct ferry_rx *rx;
	uint32_t tag;
	/* Memory of the endpoint: the destination, or the window; NULL:
	 * none. */
	void *own;
	/* If v.dst is a window: the units taken out of it, and the
	 * destination. */
	uint64_t taken;
	struct bulk_side final;
	/* The destination is the caller's memory. */
	bool lent;
	/* 1 + the grant whose buffer is to be lent again; 0: no buffer. */
	uint32_t again;
	bool noted;
	struct bulk_msg m;
};

struct bulk_rx {
	struct ferry_end_part part;
	struct ferry_rx *rx;
	/* The message that a call waits for, which advances first; or NULL. */
	struct ferry_bulk_in *first;
	struct bulk_end end;
	TAILQ_HEAD(bulk_ins, ferry_bulk_in) ins;
	/* Messages given back, whose memory another party may still write. */
	struct bulk_ins zombies;
	/* Handles for the next messages. */
	struct bulk_ins spare;
	/* The buffers lent, each at the index of its grant. */
	struct iovec lent[FERRY_BULK_BLOCKS];
};

/* Hang bulk messages on an end, with its first one: 0 or negative. */
int bulk_rx_begin(struct ferry_rx *rx);
/* Free the memory of messages that were given back and that no party writes. */
void bulk_rx_bury(struct bulk_rx *b);

/* Find a destination for a message: 0 or negative. */
int bulk_dst_find(struct bulk_rx *b, struct ferry_bulk_in *in,
		const struct iovec *iov, unsigned int n_iov);

/* Make the buffer of a grant a message's destination. */
void bulk_lent_to(const struct bulk_rx *b, struct ferry_bulk_in *in,
		uint32_t i);
/* The same, and the buffer becomes the caller's with the message. */
void bulk_lent_use(struct bulk_rx *b, struct ferry_bulk_in *in, uint32_t i);
/* Lend the buffer of a grant again. */
void bulk_lent_again(const struct bulk_rx *b, uint32_t i);
/* Whether another party copies to a lent buffer whose message was not taken. */
bool bulk_lent_busy(struct bulk_rx *b);

#endif /* BULK_RECV_H */
