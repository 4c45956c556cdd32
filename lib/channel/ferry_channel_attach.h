/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CHANNEL_ATTACH_H
#define FERRY_CHANNEL_ATTACH_H

/**
 * @file
 * How lib/hub makes and unmakes the handles of a channel's ends. Not installed:
 * applications call ferry_tx_open() and so on.
 *
 * Thread-safety: as of ferry_channel.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_board.h"
#include "ferry_channel.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_channel_memory;
struct ferry_copier;
struct ferry_end_kind;
struct ferry_server;

/** What the hub gave an end. */
struct ferry_channel_attach {
	/** The channel. */
	struct ferry_channel_shared *shared;
	/** Bytes from there on that are known to belong to the channel. */
	uint64_t size;
	/** Bells of all endpoints, one of which is this one's. */
	struct ferry_bell *bells;
	/** How many bells there are. */
	uint32_t n_bells;
	/** Number of the endpoint, and of its bell. */
	uint32_t endpoint;
	/**
	 * Epoch of the endpoint: marks what the end holds; not 0 or UINT32_MAX.
	 */
	uint32_t epoch;
	/** The copier of this endpoint; it outlives the handle. */
	struct ferry_copier *copier;
	/**
	 * The server of the endpoint's channels that no engine serves. It uses
	 * the same copier and outlives the handle. NULL: there is none.
	 */
	struct ferry_server *server;
	/** Boards of the hub's engines; zeros: the hub has no engine. */
	struct ferry_boards boards;
	/** The endpoint's memory; NULL: no bulk messages. It outlives the
	 * handle. */
	const struct ferry_channel_memory *memory;
	/** What the endpoint's channels can carry beside slots and cells: a
	 * list that ends with NULL and outlives the handle; NULL: nothing. */
	const struct ferry_end_kind *const *kinds;
	/** The endpoint is in the hub's process. */
	bool local;
	/**
	 * The pointer of the caller that makes the handle; kept in the handle.
	 */
	void *owner;
	/**
	 * A producer has waited for its engine for long. Have the hub make sure
	 * that the channel has a working engine, or write into the channel that
	 * it has none. The producer's thread calls this with owner. NULL: the
	 * producer goes on waiting.
	 */
	void (*stalled)(void *owner);
};

/** @name Handles
 * Made and unmade by lib/hub; applications use ferry_tx_open() and so on.
 * The start functions set the end to OPEN, the stop functions to CLOSED.
 * @{
 */
/**
 * Make a producer's handle.
 *
 * @param[out] tx
 *   The handle, to be given to ferry_tx_stop().
 * @param attach
 *   What the hub gave; not referred to after the call.
 * @return
 *   0, -EINVAL, -ENOMEM, FERRY_E_VERSION, FERRY_E_CORRUPT, or
 *   FERRY_E_HUB_GONE if the channel was ended in the meantime.
 */
int ferry_tx_start(struct ferry_tx **tx,
		const struct ferry_channel_attach *attach);

/**
 * Unmake a producer's handle.
 *
 * @param tx
 *   The handle; NULL is accepted.
 */
void ferry_tx_stop(struct ferry_tx *tx);

/**
 * Make a consumer's handle.
 *
 * @param[out] rx
 *   The handle, to be given to ferry_rx_stop().
 * @param attach
 *   What the hub gave; not referred to after the call.
 * @return
 *   As for ferry_tx_start().
 */
int ferry_rx_start(struct ferry_rx **rx,
		const struct ferry_channel_attach *attach);

/**
 * Unmake a consumer's handle.
 *
 * @param rx
 *   The handle; NULL is accepted.
 */
void ferry_rx_stop(struct ferry_rx *rx);
/** @} */

/** Bulk messages, for ferry_channel_attach.kinds. */
extern const struct ferry_end_kind ferry_bulk_kind;

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CHANNEL_ATTACH_H */
