/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BULK_RECV_H
#define BULK_RECV_H

/*
 * Bulk messages at their consumer, from inside: bulk_recv.c takes them,
 * bulk_dst.c finds the memory that they go to.
 */

#include "bulk_end.h"

struct ferry_bulk_in {
	TAILQ_ENTRY(ferry_bulk_in) next;
	struct ferry_rx *rx;
	uint32_t tag;
	/* Memory of the endpoint: the destination, or the window; or NULL. */
	void *own;
	/* Units taken out of v.dst, if that is a window; then the
	 * destination. */
	uint64_t taken;
	struct bulk_side final;
	/* The destination is the caller's. */
	bool lent;
	/* 1 + the grant whose buffer is to be lent again; 0: none. */
	uint32_t again;
	bool noted;
	struct bulk_msg m;
};

struct bulk_rx {
	struct ferry_end_part part;
	struct ferry_rx *rx;
	/* The one that is waited for gets on first; or NULL. */
	struct ferry_bulk_in *first;
	struct bulk_end end;
	TAILQ_HEAD(bulk_ins, ferry_bulk_in) ins;
	/* Given back, but another party may still write them. */
	struct bulk_ins zombies;
	/* Handles for the next ones. */
	struct bulk_ins spare;
	/* What was lent, by its place among the grants. */
	struct iovec lent[FERRY_BULK_BLOCKS];
};

/* Hang bulk messages on an end, with the first of them: 0 or negative. */
int bulk_rx_begin(struct ferry_rx *rx);
/* Free the memory of messages that were given back, and are not written now. */
void bulk_rx_bury(struct bulk_rx *b);

/* Find a destination for a message: 0 or negative. */
int bulk_dst_find(struct bulk_rx *b, struct ferry_bulk_in *in,
		const struct iovec *iov, unsigned int n_iov);

/* The buffer of a grant is a message's. */
void bulk_lent_to(const struct bulk_rx *b, struct ferry_bulk_in *in,
		uint32_t i);
/* The same, and it will be the caller's. */
void bulk_lent_use(struct bulk_rx *b, struct ferry_bulk_in *in, uint32_t i);
/* It is lent again. */
void bulk_lent_again(const struct bulk_rx *b, uint32_t i);
/* Whether another party copies to a lent buffer whose message was not taken. */
bool bulk_lent_busy(struct bulk_rx *b);

#endif /* BULK_RECV_H */
