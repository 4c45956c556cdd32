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

/** What an end was given by the hub. */
struct ferry_channel_attach {
	/** The channel. */
	struct ferry_channel_shared *shared;
	/** Bytes from there on that are known to belong to it. */
	uint64_t size;
	/** Bells of all endpoints, one of which is this one's. */
	struct ferry_bell *bells;
	/** How many bells there are. */
	uint32_t n_bells;
	/** Number of the endpoint, and of its bell. */
	uint32_t endpoint;
	/** Epoch of the endpoint: marks what it holds; not 0 or UINT32_MAX. */
	uint32_t epoch;
	/** What copies for this endpoint; it outlives the handle. */
	struct ferry_copier *copier;
	/**
	 * What serves the endpoint's channels where no engine does, with the
	 * same copier; outlives the handle. NULL: nothing.
	 */
	struct ferry_server *server;
	/** Boards of the hub's engines; zeros: it has none. */
	struct ferry_boards boards;
	/** The endpoint's memory; NULL: no bulk messages. It outlives the
	 * handle. */
	const struct ferry_channel_memory *memory;
	/** What the endpoint's channels can carry beside slots and cells: a
	 * list that ends with NULL and outlives the handle; NULL: nothing. */
	const struct ferry_end_kind *const *kinds;
	/** The endpoint is in the hub's process. */
	bool local;
	/** The maker's own pointer, kept in the handle. */
	void *owner;
	/**
	 * A producer has waited for its engine for long: have the hub see to it
	 * that there is one, or that the channel says that there is none.
	 * Called with owner by the producer's thread. NULL: the producer goes
	 * on waiting.
	 */
	void (*stalled)(void *owner);
};

/** @name Handles
 * Made and unmade by lib/hub; applications use ferry_tx_open() and so on.
 * The end goes to OPEN in start, to CLOSED in stop.
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
