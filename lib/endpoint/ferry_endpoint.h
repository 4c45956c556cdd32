/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_ENDPOINT_H
#define FERRY_ENDPOINT_H

/**
 * @file
 * Endpoints: the threads that send and receive.
 *
 * One endpoint is one thread, in the hub's process or in a DPDK secondary. The
 * calls are the same in both. An endpoint attaches to a hub by name and opens
 * ends of channels by name. The endpoint that opens an end first makes the
 * channel, the endpoint of the other end joins it. Either end may be first.
 *
 * Thread-safety: an endpoint and its handles belong to one thread. Different
 * endpoints are independent. A thread that ends detaches first, or gives the
 * endpoint to another thread, because otherwise its channels stay open until
 * the process ends. Ferry logs a warning when a thread ends with endpoints
 * attached.
 *
 * fork(), daemon(): an endpoint stays with the process that attached it. In a
 * child, control calls return FERRY_E_FORKED, closing and detaching only give
 * back what is the child's own, and sending and receiving are not allowed.
 * Become a daemon before EAL starts.
 */

#include <stdint.h>

#include "ferry_channel.h"
#include "ferry_copier_info.h"
#include "ferry_hub.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_endpoint;

/**
 * Attach the calling thread to a hub.
 *
 * @param[out] ep
 *   The endpoint, to be given to ferry_detach().
 * @param hub
 *   The hub's name; NULL for FERRY_HUB_NAME.
 * @param name
 *   A name by which people know the endpoint. Several endpoints may have the
 *   same.
 * @return
 *   0; -EINVAL or -ENAMETOOLONG for a bad name; -ENOENT if the primary has no
 *   hub of that name; FERRY_E_HUB_GONE if the hub has died or is ending;
 *   -ETIMEDOUT if the hub does not answer within 3 s; FERRY_E_VERSION if the
 *   hub is of another build; -EUSERS if the hub has max_endpoints already;
 *   -EMFILE if this process or the hub's has no file descriptor left; -EACCES
 *   if the hub is another user's, and this process is not root's;
 *   FERRY_E_NO_PIDFD if pidfd_open() is refused to this process or the hub's;
 *   FERRY_E_FORKED if this process was forked from the hub's; -ENOMEM. After an
 *   error nothing is left in the hub.
 */
int ferry_attach(struct ferry_endpoint **ep, const char *hub,
		const char *name);

/**
 * Close the endpoint's channels and detach. NULL is accepted. The call never
 * fails for the caller: if the hub is gone, there is no hub to tell. If the hub
 * does not answer, the call waits for it once, 3 s. The hub carries the
 * requests out when it goes on.
 *
 * @param ep
 *   The endpoint. The handles of its ends are void, too.
 */
void ferry_detach(struct ferry_endpoint *ep);

/**
 * Let the endpoint's copying sends use one more lane, such as a dmadev one. The
 * endpoint takes ownership.
 *
 * @param ep
 *   The endpoint.
 * @param lane
 *   An open lane without jobs.
 * @return
 *   As ferry_copier_add().
 */
int ferry_endpoint_add_lane(struct ferry_endpoint *ep, struct ferry_lane *lane);

/**
 * A lane that copies for the endpoint, to read its statistics.
 *
 * @param ep
 *   The endpoint.
 * @param i
 *   Which lane: 0 is the core, the added lanes follow.
 * @return
 *   The lane, valid until ferry_detach(); NULL if there are not so many.
 */
const struct ferry_lane *
ferry_endpoint_lane(const struct ferry_endpoint *ep, unsigned int i);

/**
 * Open the producer's end of a channel.
 *
 * @param[out] tx
 *   The end, to be given to ferry_tx_close().
 * @param ep
 *   The endpoint that the end is to belong to.
 * @param name
 *   The channel; see ferry_hub_config.name for what it may look like.
 * @param config
 *   NULL or zeros: the values that the channel has, or the defaults.
 * @return
 *   0; -EINVAL or -ENAMETOOLONG for a bad name; -EINVAL for a config out of
 *   range; -EMSGSIZE if the channel exists with another config; -EEXIST if an
 *   endpoint has that end already; -ENFILE if the hub has max_channels;
 *   FERRY_E_NO_ROOM if the hub lacks ferry_channel_memory(config) bytes;
 *   FERRY_E_VERSION; FERRY_E_HUB_GONE; -ETIMEDOUT; -EMFILE if this process has
 *   no file descriptor left; FERRY_E_FORKED; -ENOMEM. After an error the hub
 *   has no end and no channel of this call.
 */
int ferry_tx_open(struct ferry_tx **tx, struct ferry_endpoint *ep,
		const char *name, const struct ferry_channel_config *config);

/**
 * Open the consumer's end of a channel.
 *
 * @param[out] rx
 *   The end, to be given to ferry_rx_close().
 * @param ep
 *   The endpoint that the end is to belong to.
 * @param name
 *   The channel.
 * @param config
 *   As for ferry_tx_open().
 * @return
 *   As for ferry_tx_open().
 */
int ferry_rx_open(struct ferry_rx **rx, struct ferry_endpoint *ep,
		const char *name, const struct ferry_channel_config *config);

/**
 * Close the producer's end. The consumer can still receive what was sent; loans
 * are void.
 *
 * @param tx
 *   The end; NULL is accepted.
 */
void ferry_tx_close(struct ferry_tx *tx);

/**
 * Close the consumer's end. Messages not released are void.
 *
 * @param rx
 *   The end; NULL is accepted.
 */
void ferry_rx_close(struct ferry_rx *rx);

/**
 * List the hub's channels, as ferry_hub_channels() does.
 *
 * @param ep
 *   An endpoint of the hub.
 * @param[out] list
 *   Room for n.
 * @param n
 *   The most to list.
 * @return
 *   How many channels there are, which may be more than n; or negative as for
 *   ferry_attach().
 */
int ferry_endpoint_channels(struct ferry_endpoint *ep,
		struct ferry_hub_channel *list, uint32_t n);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_ENDPOINT_H */
