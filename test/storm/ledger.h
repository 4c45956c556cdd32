/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LEDGER_H
#define LEDGER_H

/**
 * @file
 * The ledger: for each pairing of two ends (a channel with an id), what its
 * producer promised and what its consumer received. Each writes down a send
 * before it begins and after it has returned, so that the last words of the
 * dead bound what may have arrived from both sides.
 */

#include <stdint.h>

/** Channels that one hub may make. */
#define LEDGER_PAGES 65536
/** Bulk messages of a channel that may be under way, at least. */
#define LEDGER_BULK 32

/** How a bulk message ended, for whom; in the low byte of ledger_page.bulk. */
enum ledger_bulk {
	/** Its producer was told that it had arrived, that it was cancelled or
	 * refused. */
	LEDGER_TX_ARRIVED = 1,
	LEDGER_TX_ENDED = 2,
	/** Its consumer was told that it is whole, or not. */
	LEDGER_RX_WHOLE = 4,
	LEDGER_RX_ENDED = 8,
};

/** A channel. */
struct ledger_page {
	/** Its id; 0: nobody's yet. */
	uint64_t id;
	/** The producer's. Messages below this number may have been sent. */
	uint64_t begun;
	/** Below this one they have been: the call has returned. */
	uint64_t promised;
	/** The consumer's. Messages below this number were received. */
	uint64_t received;
	/** Both: number of the message << 8 and enum ledger_bulk. */
	uint64_t bulk[LEDGER_BULK];
};

struct ledger {
	struct ledger_page pages[LEDGER_PAGES];
};

/** The page of a channel. NULL: the ledger is full. */
struct ledger_page *ledger_page(struct ledger *ledger, uint64_t id);

/** The producer's: before a call, and when more is promised. */
void ledger_begin(struct ledger_page *page, uint64_t below);
void ledger_promise(struct ledger_page *page, uint64_t below);
/** The consumer's. */
void ledger_receive(struct ledger_page *page, uint64_t below);

/**
 * How the n-th bulk message of a channel ended.
 *
 * @return
 *   What both ends know of it now.
 */
uint32_t ledger_bulk_ended(struct ledger_page *page, uint64_t n,
		enum ledger_bulk how);

#endif /* LEDGER_H */
