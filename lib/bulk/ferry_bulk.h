/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_BULK_H
#define FERRY_BULK_H

/**
 * @file
 * Bulk messages: from a few hundred kilobytes up to terabytes, copied once, by
 * the producer, the consumer and the hub's engine together.
 *
 * Bulk messages travel on the channels of ferry_channel.h, in one order with
 * all other messages of the channel. The producer lends the payload where it
 * is. The consumer says where the payload is to go. Then the waiting producer,
 * the waiting consumer and the hub's engine share the copying, piece by piece.
 *
 *     producer                              consumer
 *     ferry_bulk_send(tx, &iov, 1, NULL,    ferry_rx_recv(rx, &msg, 1)
 *             &out)                         ferry_msg_is_bulk(&msg)
 *     ...                                   ferry_bulk_accept(rx, &msg, NULL,
 *     ferry_bulk_wait(out, UINT64_MAX)              0, &in)
 *     ferry_bulk_close(out)                 ferry_bulk_await(in, in_len, ...)
 *                                           ... read ferry_bulk_data(in) ...
 *                                           ferry_bulk_release(in, ...)
 *
 * The consumer may read the front of a message while the rest is on its way:
 * ferry_bulk_ready(), ferry_bulk_await(). An end that has nothing else to do
 * should wait in ferry_bulk_wait() or ferry_bulk_await(), because it helps
 * copying there. Without an engine nothing is copied outside of these two
 * calls, ferry_bulk_poll() and ferry_bulk_ready().
 *
 * Memory. Source and destination may be scattered and anywhere. All three copy
 * what the other end and the hub can reach: memory of ferry_alloc(), any other
 * hugepage memory of DPDK, and memory that both ends have registered
 * (ferry_memory.h). If the source is in private memory, its producer alone
 * copies it, still once; the consumer copies, too, if the kernel lets it
 * (process_vm_readv()). If both source and destination are private, the
 * consumer alone copies. If the kernel does not let it, the payload goes
 * through a window of the consumer's shared memory. ferry_bulk_stats tells what
 * happened.
 *
 * Either end may end a message early, and each end may die. The other end is
 * told, and no end takes a part of a message for the whole. If the hub dies,
 * the two ends go on without it; ferry_tx_peer() and ferry_rx_peer() tell. To
 * close an end ends its messages. The close waits for them up to two seconds,
 * and their handles are void. Memory is the caller's again only when no party
 * reads or writes it any more. The calls below wait for that.
 *
 * Thread-safety: as of channels; handles belong to the thread of their
 * endpoint.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ferry_bulk_layout.h"
#include "ferry_channel.h"
#include "ferry_inline.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A bulk message at its producer. */
struct ferry_bulk_out;
/** A bulk message at its consumer. */
struct ferry_bulk_in;

/** How a bulk message is sent. Zeros are the defaults. */
struct ferry_bulk_options {
	/** A number that travels with the message, for the application. */
	uint32_t tag;
	/**
	 * Where the copy shall end up; AUTO: in memory if the message is long.
	 */
	enum ferry_placement place;
	/**
	 * Which parties should copy: FERRY_BULK_TX and so on, combined. 0: the
	 * parties that were found to be best for such messages of this channel.
	 * Other parties help if these do not copy.
	 */
	uint32_t by;
};

/** What one end did with bulk messages. */
struct ferry_bulk_stats {
	/** Messages that arrived whole, and their bytes. */
	uint64_t msgs;
	/** See msgs. */
	uint64_t bytes;
	/** Messages that ended early. */
	uint64_t aborted;
	/**
	 * Bytes that this end copied itself, and the number of claims for them.
	 */
	uint64_t copied;
	/** See copied. */
	uint64_t claims;
	/** Messages from private memory, and their bytes. */
	uint64_t private_msgs;
	/** See private_msgs. */
	uint64_t private_bytes;
	/** Bytes of these that were copied twice, through a window. */
	uint64_t window_bytes;
	/** Bytes of these that the consumer read with process_vm_readv(). */
	uint64_t vm_bytes;
};

/** @name The producer's side
 * @{
 */
/**
 * Begin to send a bulk message.
 *
 * @param tx
 *   The producer's end.
 * @param iov
 *   The payload's pieces, in their order; empty ones are all right. The pieces
 *   must stay as they are until the message has ended; the array itself is the
 *   caller's at once.
 * @param n_iov
 *   Number of pieces, at most FERRY_BULK_SEGS.
 * @param options
 *   NULL: all defaults.
 * @param[out] out
 *   The message, to be given to ferry_bulk_close().
 * @return
 *   1; 0 if there is no room now (see ferry_bulk_tx_wait()): FERRY_BULK_BLOCKS
 *   bulk messages have not been closed here, or not been released at the other
 *   end, or the channel has no free cell; -EINVAL for an empty message, a
 *   message above FERRY_BULK_MAX, or an impossible iov; -ENOMEM;
 *   FERRY_E_CLOSED, FERRY_E_PEER_GONE or FERRY_E_HUB_GONE if the consumer has
 *   ended.
 */
int ferry_bulk_send(struct ferry_tx *tx, const struct iovec *iov,
		unsigned int n_iov, const struct ferry_bulk_options *options,
		struct ferry_bulk_out **out);

/**
 * Advance a message, and see how far it is. Copies one piece of up to 512 KiB
 * if the calling thread should copy.
 *
 * @param out
 *   The message.
 * @return
 *   1: the message has arrived, the payload is the caller's again; 0: it is
 *   under way; negative: it has ended early, the payload is the caller's again:
 *   FERRY_E_CANCELLED, FERRY_E_REFUSED, FERRY_E_CLOSED, FERRY_E_PEER_GONE,
 *   FERRY_E_HUB_GONE (also if the hub has gone, and it is not known whether the
 *   consumer lives), FERRY_E_CORRUPT, -EIO.
 */
int ferry_bulk_poll(struct ferry_bulk_out *out);

/**
 * Wait until a message has ended, and help copying it.
 *
 * @param out
 *   The message.
 * @param timeout_ns
 *   Longest wait in nanoseconds; UINT64_MAX waits for ever.
 * @return
 *   0: the message has arrived; -ETIMEDOUT; or as ferry_bulk_poll().
 */
int ferry_bulk_wait(struct ferry_bulk_out *out, uint64_t timeout_ns);

/**
 * End a message early.
 *
 * @param out
 *   The message. Whatever this call returns, the consumer gets all of the
 *   message or FERRY_E_CANCELLED.
 * @param timeout_ns
 *   How long to wait for the parties that are copying a piece of the message
 *   now.
 * @return
 *   0: the message is cancelled, the payload is the caller's again; -EALREADY:
 *   the message had arrived, or had ended otherwise, see ferry_bulk_poll();
 *   -ETIMEDOUT: a party still reads the payload; call again.
 */
int ferry_bulk_cancel(struct ferry_bulk_out *out, uint64_t timeout_ns);

/**
 * Give up the handle of a message. A message that has not ended is cancelled,
 * and the call waits until no party copies it: for two seconds if the consumer
 * or the hub is stopped. What a stopped party reads of the payload afterwards
 * is lost, and no end takes the message for whole. A thread of this process is
 * waited for longer: for five seconds, and ten more for each GB of the message.
 * Claims that stand there afterwards are another process's garbage.
 *
 * @param out
 *   The message; NULL is accepted.
 */
void ferry_bulk_close(struct ferry_bulk_out *out);

/**
 * Wait until ferry_bulk_send() may find room. Helps copying.
 *
 * @param tx
 *   The producer's end.
 * @param timeout_ns
 *   As for ferry_tx_wait().
 * @return
 *   As ferry_tx_wait().
 */
int ferry_bulk_tx_wait(struct ferry_tx *tx, uint64_t timeout_ns);

/**
 * What went through the producer's end. Any thread; values may be stale.
 *
 * @param tx
 *   The producer's end.
 * @param[out] stats
 *   Its numbers.
 */
void ferry_bulk_tx_stats(const struct ferry_tx *tx,
		struct ferry_bulk_stats *stats);
/** @} */

/** @name The consumer's side
 * @{
 */
/**
 * Whether a message of ferry_rx_recv() announces a bulk message. The caller
 * gives such an announcement to ferry_bulk_accept(), or to ferry_rx_release(),
 * which refuses the bulk message. The announcement's payload is a struct
 * ferry_bulk_note.
 *
 * @param msg
 *   From ferry_rx_recv().
 * @return
 *   Whether it announces one.
 */
FERRY_INLINE bool
ferry_msg_is_bulk(const struct ferry_msg *msg)
{
	return (msg->id & (FERRY_MSG_CELL | FERRY_MSG_BULK)) ==
		(FERRY_MSG_CELL | FERRY_MSG_BULK);
}

/**
 * Length of an announced message.
 *
 * @param msg
 *   From ferry_rx_recv(), with ferry_msg_is_bulk().
 * @return
 *   Bytes.
 */
FERRY_INLINE uint64_t
ferry_bulk_msg_len(const struct ferry_msg *msg)
{
	return ((const struct ferry_bulk_note *)msg->data)->len;
}

/**
 * Take an announced message: the copy begins. Waits for nothing but the hub,
 * and for the hub only if the endpoint needs more of its memory.
 *
 * @param rx
 *   The consumer's end.
 * @param msg
 *   From ferry_rx_recv(), with ferry_msg_is_bulk(). Void after success.
 * @param iov
 *   Where to copy; NULL: to a buffer that was lent by ferry_bulk_lend(),
 *   otherwise to memory of the endpoint, as ferry_alloc() gives it. The caller
 *   must not touch the pieces until the message has ended, except the bytes
 *   that are ready; the array itself is the caller's at once.
 * @param n_iov
 *   Number of pieces, at most FERRY_BULK_SEGS. The pieces together must be at
 *   least as long as the message.
 * @param[out] in
 *   The message, to be given to ferry_bulk_release().
 * @return
 *   0; -EMSGSIZE if iov is too short; -EBUSY if iov is not NULL, but the
 *   message is on its way to a lent buffer already; if the endpoint has no
 *   memory for the message, what ferry_alloc() returns (FERRY_E_NO_ROOM,
 *   FERRY_E_HUB_GONE, -ETIMEDOUT and others): the announcement is as before;
 *   -EINVAL; -ENOMEM; FERRY_E_CORRUPT.
 */
int ferry_bulk_accept(struct ferry_rx *rx, const struct ferry_msg *msg,
		const struct iovec *iov, unsigned int n_iov,
		struct ferry_bulk_in **in);

/**
 * Lend a buffer for a bulk message to come. The next message that fits into the
 * buffer goes there, unless ferry_bulk_accept() is given another place. The
 * copy may begin before the consumer has seen the announcement.
 *
 * @param rx
 *   The consumer's end.
 * @param buf
 *   The buffer. It is given back as ferry_bulk_data() of a message, by
 *   ferry_bulk_unlend(), or by ferry_rx_close().
 * @param len
 *   Its bytes.
 * @return
 *   0; -ENOBUFS if FERRY_BULK_BLOCKS buffers are lent; -EINVAL.
 */
int ferry_bulk_lend(struct ferry_rx *rx, void *buf, uint64_t len);

/**
 * Take back the buffers that are lent and not in use.
 *
 * @param rx
 *   The consumer's end.
 * @param[out] bufs
 *   Room for FERRY_BULK_BLOCKS buffers.
 * @return
 *   How many.
 */
unsigned int ferry_bulk_unlend(struct ferry_rx *rx, struct iovec *bufs);

/**
 * Bytes of a message.
 *
 * @param in
 *   The message.
 * @return
 *   Its length.
 */
uint64_t ferry_bulk_len(const struct ferry_bulk_in *in);

/**
 * The number that came with a message.
 *
 * @param in
 *   The message.
 * @return
 *   Its ferry_bulk_options.tag.
 */
uint32_t ferry_bulk_tag(const struct ferry_bulk_in *in);

/**
 * Where a message is, if it is in one piece.
 *
 * @param in
 *   The message.
 * @return
 *   Its first byte; NULL if it goes to several pieces. The caller may read and
 *   write the bytes that are ready, until ferry_bulk_release().
 */
void *ferry_bulk_data(const struct ferry_bulk_in *in);

/**
 * Advance a message, and see how much of it has arrived. Copies one piece of up
 * to 512 KiB if the calling thread should copy.
 *
 * @param in
 *   The message.
 * @param[out] ended
 *   1: the whole message is there; 0: it is under way; negative: it has ended
 *   early, as for ferry_bulk_poll(). May be NULL.
 * @return
 *   Bytes from the start that are there. This is the message's length only if
 *   the message is whole. The bytes of a message that ended early are not to be
 *   used.
 */
uint64_t ferry_bulk_ready(struct ferry_bulk_in *in, int *ended);

/**
 * Wait until so many bytes of a message are there, and help copying it.
 *
 * @param in
 *   The message.
 * @param bytes
 *   How many bytes; more than the message's length means the whole message.
 * @param timeout_ns
 *   As for ferry_rx_wait().
 * @return
 *   0; -ETIMEDOUT; or why the message ended early, as for ferry_bulk_poll().
 */
int ferry_bulk_await(struct ferry_bulk_in *in, uint64_t bytes,
		uint64_t timeout_ns);

/**
 * Give a message back, and end it if it is under way. The endpoint's memory
 * that the message lies in is freed when no party writes it any more.
 *
 * @param in
 *   The message; NULL is accepted.
 * @param timeout_ns
 *   How long to wait for the parties that copy to the consumer's own memory
 *   now.
 * @return
 *   0: the message is void, and so is what ferry_bulk_data() gave, unless that
 *   is the caller's memory; -ETIMEDOUT: a party still writes to the caller's
 *   memory, or may do so for all that is known; call again.
 */
int ferry_bulk_release(struct ferry_bulk_in *in, uint64_t timeout_ns);

/**
 * What went through the consumer's end. Any thread; values may be stale.
 *
 * @param rx
 *   The consumer's end.
 * @param[out] stats
 *   Its numbers.
 */
void ferry_bulk_rx_stats(const struct ferry_rx *rx,
		struct ferry_bulk_stats *stats);
/** @} */

#ifdef __cplusplus
}
#endif

#endif /* FERRY_BULK_H */
