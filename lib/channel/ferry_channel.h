/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CHANNEL_H
#define FERRY_CHANNEL_H

/**
 * @file
 * Channels: one producer (struct ferry_tx), one consumer (struct ferry_rx).
 *
 * Handles come from ferry_tx_open() and ferry_rx_open() in ferry_endpoint.h.
 * Messages arrive once, whole and in the order sent. There are three ways to
 * send:
 *
 *  - loan: ferry_tx_loan() gives slots of shared memory, the payload is built
 *    there, ferry_tx_commit() passes them on. Nothing is copied; the cost does
 *    not depend on the length.
 *  - copy: ferry_tx_send() copies each payload once, into memory that the
 *    consumer then owns. The payload may be reused when the call returns.
 *  - post: ferry_tx_post() does the same without waiting for the copy. The
 *    payload may be reused when ferry_tx_pending() or ferry_tx_finish() says
 *    so.
 *
 * The consumer reads messages in place and gives them back with
 * ferry_rx_release(), in any order. Slots not given back are credits the
 * producer lacks: that is the back-pressure, and it shows as 0 from
 * ferry_tx_loan(), ferry_tx_send() and ferry_tx_post().
 *
 * An end's life (only the hub writes GONE and HUB_GONE):
 *
 *     ABSENT ──open──> OPEN ──close──> CLOSED
 *                        ├──process dies──> GONE
 *                        └──hub ends──> HUB_GONE
 *
 * A producer may send before its consumer exists; the messages wait in the
 * slots. When the producer has ended, the consumer still receives all that was
 * published and then FERRY_E_CLOSED or FERRY_E_PEER_GONE. When the consumer
 * has ended, the producer gets that result at once. A channel lives as long as
 * one of its ends is open; to go on after the other end has ended, close and
 * open again. ferry_tx_drain() tells when everything sent has been consumed.
 *
 * Thread-safety: a handle belongs to the thread of its endpoint.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_channel_layout.h"
#include "ferry_channel_types.h"
#include "ferry_copy.h"
#include "ferry_errno.h"
#include "ferry_wait.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_tx;
struct ferry_rx;

/** @name Posting
 * Sends that return before the payload is copied. An engine of the hub or a
 * lane of the endpoint copies the payload, in the order and at the price that
 * the channel's mode asks for. If there is neither, or the payload is short,
 * the calling thread copies it at once. Posts, sends and commits of one end may
 * be mixed: the consumer gets all of them in the order of the calls.
 * @{
 */
/**
 * Pass payloads on, to be copied by the engine, lane or core that copies best.
 *
 * A producer in a secondary process has to have its payloads in memory that the
 * hub sees, DPDK's hugepages. The calling thread copies all other payloads.
 *
 * @param tx
 *   The producer's end.
 * @param bufs
 *   Payloads. They must stay as they are until ferry_tx_pending() says that
 *   they are not needed any more. The array itself is the caller's at once.
 * @param n
 *   Number of payloads.
 * @return
 *   How many, from the first, were taken; 0 or negative as for ferry_tx_send(),
 *   also if an earlier post failed as in ferry_tx_finish().
 */
int ferry_tx_post(struct ferry_tx *tx, const struct ferry_buf *bufs,
		uint16_t n);

/**
 * The number of posts that are not done. Posts are done in order: with 2
 * pending, the payloads of all posts but the last two are the caller's again,
 * and their messages are on their way.
 *
 * If no engine serves the channel, call this now and then, because the
 * endpoint's own lanes advance only during calls of its handles.
 *
 * @param tx
 *   The producer's end.
 * @return
 *   The number, from 0 up.
 */
uint32_t ferry_tx_pending(struct ferry_tx *tx);

/**
 * Wait until at most a given number of posts are pending.
 *
 * @param tx
 *   The producer's end.
 * @param most
 *   0: until all are done.
 * @param timeout_ns
 *   As for ferry_tx_wait().
 * @return
 *   0, or -ETIMEDOUT. If the hub dies, the calling thread copies what is left.
 *   -EIO if a post could not be copied, FERRY_E_CORRUPT if another process
 *   wrote nonsense: neither that post nor any after it is sent, but the
 *   payloads are the caller's again.
 */
int ferry_tx_finish(struct ferry_tx *tx, uint32_t most, uint64_t timeout_ns);
/** @} */

/**
 * Wait until the slot or cell is free that the last ferry_tx_loan(),
 * ferry_tx_send() or ferry_tx_post() lacked.
 *
 * @param tx
 *   The producer's end.
 * @param timeout_ns
 *   Longest wait in nanoseconds; 0 only looks, UINT64_MAX waits for ever.
 * @return
 *   0, -ETIMEDOUT, or why no slot will ever be free again: FERRY_E_CLOSED,
 *   FERRY_E_PEER_GONE, FERRY_E_HUB_GONE; -EIO if a post could not be copied,
 *   FERRY_E_CORRUPT if another process wrote nonsense.
 */
int ferry_tx_wait(struct ferry_tx *tx, uint64_t timeout_ns);

/**
 * Wait until the consumer has released every message sent. Loans not committed
 * do not count.
 *
 * @param tx
 *   The producer's end.
 * @param timeout_ns
 *   As for ferry_tx_wait().
 * @return
 *   0, -ETIMEDOUT; or, if the consumer cannot release all of them any more, as
 *   for ferry_tx_wait().
 */
int ferry_tx_drain(struct ferry_tx *tx, uint64_t timeout_ns);

/**
 * Wait until ferry_rx_recv() has a message.
 *
 * @param rx
 *   The consumer's end.
 * @param timeout_ns
 *   Longest wait in nanoseconds; 0 only looks, UINT64_MAX waits for ever.
 * @return
 *   0, -ETIMEDOUT, or why none will come: FERRY_E_CLOSED, FERRY_E_PEER_GONE,
 *   FERRY_E_HUB_GONE; -EIO if a post could not be copied, FERRY_E_CORRUPT if
 *   another process wrote nonsense.
 */
int ferry_rx_wait(struct ferry_rx *rx, uint64_t timeout_ns);

/** @name What a channel is to be good at
 *
 *     mode        who copies what is posted            how both ends wait
 *     latency     the server, where it is proven to    FERRY_WAIT_SPIN
 *                 be faster; otherwise the calling
 *                 thread
 *     throughput  the server's devices; the calling    FERRY_WAIT_YIELD
 *                 thread, when the devices have more
 *                 to do or there are none
 *     efficiency  the server, except tiny messages     FERRY_WAIT_NAP
 *
 * The mode is the channel's. Either end may change it at any time; the other
 * end and the engine take it over before they wait next. New channels are in
 * latency mode. A change to a mode that sleeps costs ferry_bell_settle() once.
 * @{
 */
/**
 * Change the channel's mode.
 *
 * @param tx
 *   The producer's end.
 * @param mode
 *   The mode.
 * @return
 *   0; -EINVAL for an unknown mode.
 */
int ferry_tx_set_mode(struct ferry_tx *tx, enum ferry_mode mode);

/**
 * Change the channel's mode.
 *
 * @param rx
 *   The consumer's end.
 * @param mode
 *   The mode.
 * @return
 *   0; -EINVAL for an unknown mode.
 */
int ferry_rx_set_mode(struct ferry_rx *rx, enum ferry_mode mode);

/**
 * The channel's mode.
 *
 * @param tx
 *   The producer's end.
 * @return
 *   The mode now.
 */
enum ferry_mode ferry_tx_mode(const struct ferry_tx *tx);

/**
 * The channel's mode.
 *
 * @param rx
 *   The consumer's end.
 * @return
 *   The mode now.
 */
enum ferry_mode ferry_rx_mode(const struct ferry_rx *rx);
/** @} */

/** @name How an end waits
 * How the calls above wait. The end's own thread may change it at any time; the
 * next change of mode replaces it. The default is FERRY_WAIT_SPIN.
 * @{
 */
/**
 * Choose how the producer's end waits for slots.
 *
 * @param tx
 *   The producer's end.
 * @param policy
 *   How to wait; an unknown one changes nothing.
 */
void ferry_tx_set_wait(struct ferry_tx *tx, enum ferry_wait_policy policy);

/**
 * Choose how the consumer's end waits for messages.
 *
 * @param rx
 *   The consumer's end.
 * @param policy
 *   How to wait; an unknown one changes nothing.
 */
void ferry_rx_set_wait(struct ferry_rx *rx, enum ferry_wait_policy policy);
/** @} */

/**
 * Where ferry_tx_send() and ferry_tx_post() should leave the bytes. The default
 * is FERRY_PLACE_AUTO: the cache if all slots of the channel fit into it,
 * otherwise memory.
 *
 * @param tx
 *   The producer's end.
 * @param place
 *   A wish: lanes that cannot honour it count what they misplaced.
 */
void ferry_tx_set_placement(struct ferry_tx *tx, enum ferry_placement place);

/**
 * State of the consumer's end, as its producer sees it.
 *
 * @param tx
 *   The producer's end.
 * @return
 *   The state at this moment. What the other end did before it reached
 *   that state is visible to the caller.
 */
enum ferry_end_state ferry_tx_peer(const struct ferry_tx *tx);

/**
 * State of the producer's end, as its consumer sees it.
 *
 * @param rx
 *   The consumer's end.
 * @return
 *   As for ferry_tx_peer().
 */
enum ferry_end_state ferry_rx_peer(const struct ferry_rx *rx);

/**
 * The channel that the handle is an end of.
 *
 * @param tx
 *   The producer's end.
 * @return
 *   The channel's head, for its slot_size, n_slots and name; valid until the
 *   handle is closed.
 */
const struct ferry_channel_shared *ferry_tx_channel(const struct ferry_tx *tx);

/**
 * The channel that the handle is an end of.
 *
 * @param rx
 *   The consumer's end.
 * @return
 *   As for ferry_tx_channel().
 */
const struct ferry_channel_shared *ferry_rx_channel(const struct ferry_rx *rx);

/**
 * What went through the handle.
 *
 * @param tx
 *   The producer's end.
 * @param[out] stats
 *   Its numbers.
 */
void ferry_tx_stats(const struct ferry_tx *tx, struct ferry_end_stats *stats);

/**
 * What went through the handle.
 *
 * @param rx
 *   The consumer's end.
 * @param[out] stats
 *   Its numbers.
 */
void ferry_rx_stats(const struct ferry_rx *rx, struct ferry_end_stats *stats);

#ifdef __cplusplus
}
#endif

#include "ferry_channel_fast.h"

#endif /* FERRY_CHANNEL_H */
