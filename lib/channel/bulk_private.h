/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BULK_PRIVATE_H
#define BULK_PRIVATE_H

/*
 * What the rest of the channel knows of bulk messages: bulk_send.c, bulk_recv.c.
 */

#include "ferry_bulk.h"

/* End those under way, as far as can be without waiting for a stopped peer. */
void bulk_tx_stop(struct ferry_tx *tx);
void bulk_rx_stop(struct ferry_rx *rx);
/* The same once the end is closed: nobody begins to copy any more. */
void bulk_rx_stopped(struct ferry_rx *rx);

bool bulk_tx_work(struct ferry_tx *tx);
bool bulk_rx_work(struct ferry_rx *rx);

/* Let those under way get on: whether the calling thread has copied something.
 * For an end that waits for something else. */
static inline bool
bulk_tx_step(struct ferry_tx *tx)
{
	return tx->bulk != NULL && bulk_tx_work(tx);
}

static inline bool
bulk_rx_step(struct ferry_rx *rx)
{
	return rx->bulk != NULL && bulk_rx_work(rx);
}

/* Whether the consumer has let go of all that were sent. */
bool bulk_tx_drained(const struct ferry_tx *tx);

#endif /* BULK_PRIVATE_H */
