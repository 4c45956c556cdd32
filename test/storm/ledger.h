/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LEDGER_H
#define LEDGER_H

/**
 * @file
 * The ledger: for each channel (two ends and an id), what its producer promised
 * and what its consumer received. A producer writes a send down before the call
 * begins and after it has returned. So the entries of a dead producer give the
 * least and the greatest number of messages that may have arrived.
 */

#include <stdint.h>

/** Channels that one hub may make. */
#define LEDGER_PAGES 65536
/** Bulk messages of a channel that may be under way, at least. */
#define LEDGER_BULK 32

/** How a bulk message ended for its producer and for its consumer. The low byte
 * of ledger_page.bulk. */
enum ledger_bulk {
	/** The producer was told that the message had arrived; or that it was
	 * cancelled or refused. */
	LEDGER_TX_ARRIVED = 1,
	LEDGER_TX_ENDED = 2,
	/** The consumer was told that the message is whole; or that it is
	 * not. */
	LEDGER_RX_WHOLE = 4,
	LEDGER_RX_ENDED = 8,
};

/** A channel. */
struct ledger_page {
	/** The channel's id; 0: no channel has this page yet. */
	uint64_t id;
	/** The producer writes this. Messages below it may have been sent. */
	uint64_t begun;
	/** The producer writes this. Messages below it have been sent: the call
	 * has returned. */
	uint64_t promised;
	/** The consumer writes this. Messages below it were received. */
	uint64_t received;
	/** Both write these: the message's number << 8 | enum ledger_bulk. */
	uint64_t bulk[LEDGER_BULK];
};

struct ledger {
	struct ledger_page pages[LEDGER_PAGES];
};

/** The page of a channel. NULL: the ledger is full. */
struct ledger_page *ledger_page(struct ledger *ledger, uint64_t id);

/** For the producer: before a call, and when more is promised. */
void ledger_begin(struct ledger_page *page, uint64_t below);
void ledger_promise(struct ledger_page *page, uint64_t below);
/** For the consumer, when it has received messages. */
void ledger_receive(struct ledger_page *page, uint64_t below);

/**
 * Write down how the n-th bulk message of a channel ended.
 *
 * @return
 *   What both ends have written down of it by now.
 */
uint32_t ledger_bulk_ended(struct ledger_page *page, uint64_t n,
		enum ledger_bulk how);

#endif /* LEDGER_H */
