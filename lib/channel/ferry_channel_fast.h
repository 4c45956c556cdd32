/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CHANNEL_FAST_H
#define FERRY_CHANNEL_FAST_H

/**
 * @file
 * The fast path of a channel: loan, commit, send, recv, release. Included by
 * ferry_channel.h.
 *
 * Cache lines that move between the two cores, in the steady state:
 *
 *  - a lone message of up to 48 bytes: 1 (the cell); up to 112 bytes: 2,
 *    fetched at the same time; a longer one: the cell and the payload's lines.
 *    The credit line moves once in FERRY_N_CELLS.
 *  - a burst of b > FERRY_CELL_BURST messages: the payloads' lines, the ring's
 *    tail (1), b/4 lines of descriptors; back: the tail (1) and b/16 lines of
 *    slot numbers. The held tables never move: each has one writer, no reader.
 *
 * Synchronisation edges (release at the left pairs with acquire at the right):
 *
 *    C1 tx: cell->stamp = its number     rx: load cell->stamp in rx_take_cell
 *    C2 rx: cells_freed = n              tx: load cells_freed in tx_has_cells
 *    R1 tx: fwd.prod.tail                rx: ferry_ring_count() of fwd
 *    R2 rx: back.prod.tail               tx: ferry_ring_count() of back
 *    R3 server: out.prod.tail            rx: ferry_ring_count() of out
 *    E1 one end: state = CLOSED          other end: ferry_end_result()
 *    F  server: service.failed           either end: ferry_channel_failed()
 *
 * An end reads once what another process writes, checks it, and then uses the
 * value that it checked: indices of rings and cells, slot numbers, lengths,
 * states. What does not change while a handle lives stands in the handle, in
 * private memory: where the parts are, sizes, numbers of slots, bells and
 * boards. An end that finds a value which no honest peer writes returns
 * FERRY_E_CORRUPT. It never reads or writes outside the channel.
 */

#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "ferry_bulk_layout.h"
#include "ferry_channel_handle.h"
#include "ferry_inline.h"
#include "ferry_tiny.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Longest burst that travels in cells. A lone message waits for the line
 * transfers of a ring, and a cell saves them. A longer burst shares the ring's
 * transfers among its messages. It is cheaper in slots and ring, because
 * descriptors lie closer together than cells.
 */
#define FERRY_CELL_BURST 4

/** @cond internal */
/**
 * What a call returns that got no slot, cell or post: 0, or FERRY_E_CORRUPT.
 */
static inline int
ferry_tx_none(const struct ferry_tx *tx)
{
	return unlikely(tx->broken) ? FERRY_E_CORRUPT : 0;
}

/** Take released slots out of the back ring into the handle's queue. */
static inline void
ferry_tx_refill(struct ferry_tx *tx)
{
	const uint32_t room = tx->free_mask + 1 -
		(tx->free_tail - tx->free_head);
	uint32_t n, i;

	/* R2 */
	n = ferry_ring_count(&tx->end.back);
	if (n == 0)
		return;
	if (ferry_ring_lies(&tx->end.back, n)) {
		tx->broken = true;
		return;
	}
	n = RTE_MIN(n, room);
	for (i = 0; i < n; i++) {
		/* Read once, so that the value checked is the value used. */
		const uint32_t *place = (const uint32_t *)
			ferry_ring_place(&tx->end.back, i, sizeof(*place));
		const uint32_t slot = __atomic_load_n(place, __ATOMIC_RELAXED);

		if (unlikely(slot >= tx->end.n_slots ||
				tx->end.held[slot] != 0)) {
			/* The slot whose number should stand there is lost. */
			tx->broken = true;
			continue;
		}
		/* Marked as held before it leaves the ring: see
		 * ferry_channel_layout.h. */
		__atomic_store_n(&tx->end.held[slot], FERRY_HELD_SPARE,
				__ATOMIC_RELAXED);
		tx->in_hand++;
		tx->free[tx->free_tail++ & tx->free_mask] = slot;
	}
	ferry_ring_done(&tx->end.back, n);
}

/** Slots that can be loaned now, at most n. */
static inline uint32_t
ferry_tx_has(struct ferry_tx *tx, uint32_t n)
{
	uint32_t have = tx->free_tail - tx->free_head;

	if (have < n) {
		ferry_tx_refill(tx);
		have = tx->free_tail - tx->free_head;
	}
	return have < n ? have : n;
}

static inline void *
ferry_tx_slot(const struct ferry_tx *tx, uint32_t slot)
{
	return tx->end.slots + slot * tx->end.stride;
}

/** @endcond */

/**
 * Borrow slots to build messages in.
 *
 * @param tx
 *   The producer's end.
 * @param[out] msgs
 *   Room for n; data and len (the slot's size) are set.
 * @param n
 *   The most to loan.
 * @return
 *   How many were loaned; 0 if none is free now;
 *   FERRY_E_CLOSED, FERRY_E_PEER_GONE or FERRY_E_HUB_GONE if the consumer
 *   has ended; FERRY_E_CORRUPT if none is free and the consumer gave back what
 *   is no slot.
 */
FERRY_INLINE int
ferry_tx_loan(struct ferry_tx *tx, struct ferry_msg *msgs, uint16_t n)
{
	int ret = ferry_end_result(tx->end.other);
	uint32_t have, i;

	if (unlikely(ret != 0))
		return ret;
	have = ferry_tx_has(tx, n);
	tx->cell_will_do = false;
	if (unlikely(have == 0 && n > 0)) {
		tx->end.stats.empty++;
		return ferry_tx_none(tx);
	}
	for (i = 0; i < have; i++) {
		uint32_t slot = tx->free[tx->free_head++ & tx->free_mask];

		__atomic_store_n(&tx->end.held[slot], tx->end.epoch,
				__ATOMIC_RELAXED);
		msgs[i].data = ferry_tx_slot(tx, slot);
		msgs[i].len = tx->end.slot_size;
		msgs[i].tag = 0;
		msgs[i].id = slot;
	}
	return (int)have;
}

/** @cond internal */

/** The i-th of the next descriptors of a ring. */
static inline struct ferry_desc *
ferry_desc_at(const struct ferry_ring *ring, uint32_t i)
{
	return (struct ferry_desc *)ferry_ring_place(ring, i,
			sizeof(struct ferry_desc));
}

/**
 * Publish the next n descriptors. The caller then lets go of their slots. It
 * takes the slot numbers from a list of its own, because the consumer may
 * overwrite the descriptors from now on.
 */
static inline void
ferry_tx_publish(struct ferry_tx *tx, uint32_t n)
{
	/* R1 */
	ferry_ring_publish(&tx->end.fwd, n);
	tx->end.stats.msgs += n;
}

/**
 * Let go of a slot that the ring or a cell has. The release keeps that order.
 */
static inline void
ferry_tx_let_go(struct ferry_tx *tx, uint32_t slot)
{
	__atomic_store_n(&tx->end.held[slot], 0, __ATOMIC_RELEASE);
	tx->in_hand--;
}

/** Whether a message is in the application's hands. */
static inline bool
ferry_tx_on_loan(const struct ferry_tx *tx, const struct ferry_msg *msg)
{
	return likely(msg->id < tx->end.n_slots &&
			tx->end.held[msg->id] == tx->end.epoch);
}

/** Whether n cells are free. Reads the consumer's line only if it must. */
static inline bool
ferry_tx_has_cells(struct ferry_tx *tx, uint32_t n)
{
	uint64_t freed;

	if (likely(tx->cell_head + n <= tx->cell_limit))
		return true;
	/* C2 */
	freed = __atomic_load_n(&tx->end.shared->cells_freed, __ATOMIC_ACQUIRE);
	/* The consumer cannot have freed more than were filled, nor fewer than
	 * before. */
	if (unlikely(tx->cell_head - freed > FERRY_N_CELLS)) {
		tx->broken = true;
		return false;
	}
	tx->cell_limit = FERRY_N_CELLS + freed;
	return tx->cell_head + n <= tx->cell_limit;
}

/** Publish the cell being filled. */
static inline void
ferry_tx_stamp(struct ferry_tx *tx, struct ferry_cell *cell, uint32_t len)
{
	/* C1 */
	__atomic_store_n(&cell->stamp, ferry_cell_stamp(tx->cell_head++,
			tx->end.seq++), __ATOMIC_RELEASE);
	tx->end.stats.msgs++;
	tx->end.stats.bytes += len;
}

/**
 * Publish a slot through a cell, and let go of the slot. A cell must be free.
 */
static inline void
ferry_tx_announce(struct ferry_tx *tx, uint32_t slot, uint32_t len,
		uint32_t tag)
{
	struct ferry_cell *cell = &tx->end.cells[tx->cell_head % FERRY_N_CELLS];

	/* The census may be looking at the cell's last message. */
	__atomic_store_n(&cell->len, len | FERRY_CELL_SLOT, __ATOMIC_RELAXED);
	cell->tag = tag;
	memcpy(cell->data, &slot, sizeof(slot));
	ferry_tx_stamp(tx, cell, len);
	ferry_tx_let_go(tx, slot);
}

/** @endcond */

/**
 * Pass loaned messages on to the consumer, in this order.
 *
 * @param tx
 *   The producer's end.
 * @param msgs
 *   From ferry_tx_loan(), with len set. They belong to the consumer from the
 *   moment of the call.
 * @param n
 *   Number of messages.
 * @return
 *   n; or, if nothing was sent: FERRY_E_TOO_LONG if a len exceeds the slot,
 *   -EINVAL if a message is not on loan, FERRY_E_CORRUPT if the consumer wrote
 *   nonsense. All messages are then on loan as before. A consumer that has
 *   ended is not an error here: the slots never come back.
 */
FERRY_INLINE int
ferry_tx_commit(struct ferry_tx *tx, const struct ferry_msg *msgs, uint16_t n)
{
	int ret = 0;
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (unlikely(!ferry_tx_on_loan(tx, &msgs[i])))
			ret = -EINVAL;
		else if (unlikely(msgs[i].len > tx->end.slot_size))
			ret = FERRY_E_TOO_LONG;
		if (unlikely(ret != 0))
			break;
		/* This also catches a message that the call names twice. */
		__atomic_store_n(&tx->end.held[msgs[i].id], FERRY_HELD_SPARE,
				__ATOMIC_RELAXED);
	}
	if (likely(ret == 0) && n <= FERRY_CELL_BURST &&
			ferry_tx_has_cells(tx, n)) {
		for (i = 0; i < n; i++)
			ferry_tx_announce(tx, msgs[i].id, msgs[i].len,
					msgs[i].tag);
		ferry_end_ring(&tx->end);
		return n;
	}
	/* The ring has room for all slots of the channel. It is short of room
	 * only if the consumer has written a false index. */
	if (likely(ret == 0) && unlikely(!ferry_ring_room(&tx->end.fwd, n)))
		ret = FERRY_E_CORRUPT;
	if (unlikely(ret != 0)) {
		while (i-- > 0)
			__atomic_store_n(&tx->end.held[msgs[i].id],
					tx->end.epoch, __ATOMIC_RELAXED);
		return ret;
	}
	for (i = 0; i < n; i++) {
		/* By position, because C++17 has no designated initializers. */
		const struct ferry_desc desc = { msgs[i].id, msgs[i].len,
			msgs[i].tag, (uint32_t)tx->end.seq++ };

		ferry_desc_put(ferry_desc_at(&tx->end.fwd, i), desc);
		tx->end.stats.bytes += msgs[i].len;
	}
	ferry_tx_publish(tx, n);
	for (i = 0; i < n; i++)
		ferry_tx_let_go(tx, msgs[i].id);
	ferry_end_ring(&tx->end);
	return n;
}

/**
 * Give loaned messages back unsent.
 *
 * @param tx
 *   The producer's end.
 * @param msgs
 *   From ferry_tx_loan(). Not to be touched any more.
 * @param n
 *   Number of messages.
 * @return
 *   0; -EINVAL if a message is not on loan: the messages before it have been
 *   given back, that message and those after it have not.
 */
FERRY_INLINE int
ferry_tx_cancel(struct ferry_tx *tx, const struct ferry_msg *msgs, uint16_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (unlikely(!ferry_tx_on_loan(tx, &msgs[i])))
			return -EINVAL;
		__atomic_store_n(&tx->end.held[msgs[i].id], FERRY_HELD_SPARE,
				__ATOMIC_RELAXED);
		tx->free[tx->free_tail++ & tx->free_mask] = msgs[i].id;
	}
	return 0;
}

/** @cond internal */
/** Send the payloads that fit cells, from the first. Returns how many. */
static inline uint32_t
ferry_tx_send_cells(struct ferry_tx *tx, const struct ferry_buf *bufs,
		uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		const struct ferry_buf *buf = &bufs[i];
		struct ferry_cell *cell;

		if (buf->len > FERRY_CELL_DATA ||
				buf->len > tx->end.slot_size ||
				!ferry_tx_has_cells(tx, 1))
			break;
		cell = &tx->end.cells[tx->cell_head % FERRY_N_CELLS];
		__atomic_store_n(&cell->len, buf->len, __ATOMIC_RELAXED);
		cell->tag = buf->tag;
		ferry_tiny_copy(cell->data, buf->data, buf->len);
		ferry_tx_stamp(tx, cell, buf->len);
	}
	if (i > 0)
		ferry_end_ring(&tx->end);
	return i;
}

/** The part of ferry_tx_send() that copies payloads into slots. */
int ferry_tx_send_slots(struct ferry_tx *tx, const struct ferry_buf *bufs,
		uint16_t n);

/** @endcond */

/**
 * Copy payloads into shared memory and pass them on, in this order.
 *
 * @param tx
 *   The producer's end.
 * @param bufs
 *   Payloads anywhere in memory; the caller's again when the call returns.
 * @param n
 *   Number of payloads.
 * @return
 *   How many, from the first, were sent; 0 if the channel is full now. If none
 *   was sent and none can be: FERRY_E_TOO_LONG (the first payload),
 *   FERRY_E_CLOSED, FERRY_E_PEER_GONE, FERRY_E_HUB_GONE; FERRY_E_CORRUPT if the
 *   consumer wrote nonsense; -EIO if the payload could not be copied.
 */
FERRY_INLINE int
ferry_tx_send(struct ferry_tx *tx, const struct ferry_buf *bufs, uint16_t n)
{
	int ret = ferry_end_result(tx->end.other);
	uint32_t i = 0;

	if (unlikely(ret != 0))
		return ret;
	if (n <= FERRY_CELL_BURST)
		i = ferry_tx_send_cells(tx, bufs, n);
	if (i < n) {
		ret = ferry_tx_send_slots(tx, bufs + i, (uint16_t)(n - i));
		if (ret > 0)
			i += (uint32_t)ret;
		else if (ret == 0 && n > FERRY_CELL_BURST)
			/* No slot is free, but tiny payloads need none. */
			i = ferry_tx_send_cells(tx, bufs, n);
		if (ret < 0 && i == 0)
			return ret;
		if (i < n)
			tx->cell_will_do = bufs[i].len <= FERRY_CELL_DATA;
	}
	return (int)i;
}

/** @cond internal */
/**
 * Make a message of a descriptor. The caller has read the values once, so that
 * the values checked are the values used. Returns 0 or FERRY_E_CORRUPT.
 */
static inline int
ferry_rx_accept(struct ferry_rx *rx, struct ferry_msg *msg, uint32_t slot,
		uint32_t len, uint32_t tag)
{
	if (unlikely(slot >= rx->end.n_slots || len > rx->end.slot_size ||
			rx->end.held[slot] != 0))
		return FERRY_E_CORRUPT;
	msg->data = rx->end.slots + slot * rx->end.stride;
	msg->len = len;
	msg->tag = tag;
	msg->id = slot;
	rte_prefetch0(msg->data);
	/* Marked as held before it leaves ring or cell: see
	 * ferry_channel_layout.h. */
	__atomic_store_n(&rx->end.held[slot], rx->end.epoch, __ATOMIC_RELAXED);
	rx->end.seq++;
	return 0;
}

/**
 * Whether a stamp can stand in the cell of the next message. Only two stamps
 * can: that message's, or the one that the lap before left there.
 */
static inline bool
ferry_rx_stamp_sane(const struct ferry_rx *rx, uint64_t stamp)
{
	const uint32_t cell = (uint32_t)(stamp >> 32);
	const uint32_t next = (uint32_t)(rx->cell_tail + 1);

	if (unlikely(rx->cell_tail < FERRY_N_CELLS))
		return cell == next || stamp == 0;
	return cell == next || cell == next - FERRY_N_CELLS;
}

/** Take the next message if it is in a cell: 1, 0, or FERRY_E_CORRUPT. */
static inline int
ferry_rx_take_cell(struct ferry_rx *rx, struct ferry_msg *msg)
{
	const uint32_t at = rx->cell_tail % FERRY_N_CELLS;
	struct ferry_cell *cell = &rx->end.cells[at];
	uint32_t len, slot;

	/* Fetch the second line while the consumer waits for the first. */
	rte_prefetch0(&cell->data[RTE_CACHE_LINE_SIZE -
			offsetof(struct ferry_cell, data)]);
	/* C1. The stamp is kept in the handle, because the producer is about to
	 * write the line: a second load would take the line from the
	 * producer. */
	rx->stamp = __atomic_load_n(&cell->stamp, __ATOMIC_ACQUIRE);
	if (rx->stamp != ferry_cell_stamp(rx->cell_tail, rx->end.seq))
		return 0;
	len = __atomic_load_n(&cell->len, __ATOMIC_RELAXED);
	if (len & FERRY_CELL_SLOT) {
		slot = __atomic_load_n((uint32_t *)(void *)cell->data,
				__ATOMIC_RELAXED);
		if (unlikely(ferry_rx_accept(rx, msg, slot,
				len & ~FERRY_CELL_SLOT, cell->tag) != 0))
			return FERRY_E_CORRUPT;
	} else {
		msg->data = cell->data;
		msg->len = RTE_MIN(len, rx->cell_max); /* peer may be corrupt */
		msg->tag = cell->tag;
		msg->id = FERRY_MSG_CELL | at;
		if (unlikely(len & FERRY_CELL_BULK)) {
			msg->len = sizeof(struct ferry_bulk_note);
			msg->id |= FERRY_MSG_BULK;
			/* ferry_rx_take() counts the other msg->len bytes. */
			rx->end.stats.bytes += ((const struct ferry_bulk_note *)
				(const void *)cell->data)->len - msg->len;
		}
		rx->cells_held |= UINT64_C(1) << at;
		rx->end.seq++;
	}
	/* Counted as taken only after the slot is marked as held. */
	__atomic_store_n(&rx->end.shared->cells_taken, ++rx->cell_tail,
			__ATOMIC_RELEASE);
	return 1;
}

/**
 * Take the messages that are next in a ring, the forward or the out ring, at
 * most n. Returns a count, 0, or FERRY_E_CORRUPT. Sets *later if the ring's
 * first message is not the next one.
 */
static inline int
ferry_rx_take_ring(struct ferry_rx *rx, struct ferry_ring *ring,
		struct ferry_msg *msgs, uint32_t n, bool *later)
{
	uint32_t have, i;
	int ret = 0;

	/* R1, R3 */
	have = ferry_ring_count(ring);
	if (have == 0)
		return 0;
	if (ferry_ring_lies(ring, have))
		return FERRY_E_CORRUPT;
	have = RTE_MIN(n, have);
	for (i = 0; i < have; i++) {
		const struct ferry_desc *at = ferry_desc_at(ring, i);

		if (at->seq != (uint32_t)rx->end.seq) {
			*later |= i == 0;
			break;
		}
		ret = ferry_rx_accept(rx, &msgs[i],
				__atomic_load_n(&at->slot, __ATOMIC_RELAXED),
				__atomic_load_n(&at->len, __ATOMIC_RELAXED),
				at->tag);
		if (unlikely(ret != 0))
			break;
	}
	if (likely(i > 0))
		ferry_ring_done(ring, i);
	return i > 0 ? (int)i : ret;
}

/** Wake a producer that may sleep, if it got back what it waits for. */
void ferry_rx_wake_producer(struct ferry_rx *rx);

/**
 * A ring holds a later message than the next one. The next one is in a cell, in
 * the other ring or with the server. If it is in none of these, the producer
 * wrote nonsense. Returns a count, 0, or FERRY_E_CORRUPT.
 */
int ferry_rx_take_gap(struct ferry_rx *rx, struct ferry_msg *msgs, uint32_t n);

/** Take the next messages from cells and rings: a count, or FERRY_E_CORRUPT. */
static inline int
ferry_rx_take(struct ferry_rx *rx, struct ferry_msg *msgs, uint32_t n)
{
	uint32_t i = 0;
	int ret = 0;

	while (i < n) {
		bool later = false;

		ret = ferry_rx_take_cell(rx, &msgs[i]);
		if (ret == 0)
			ret = ferry_rx_take_ring(rx, &rx->end.fwd, &msgs[i],
					n - i, &later);
		if (ret == 0)
			ret = ferry_rx_take_ring(rx, &rx->out, &msgs[i], n - i,
					&later);
		if (unlikely(later) && ret == 0)
			ret = ferry_rx_take_gap(rx, &msgs[i], n - i);
		if (ret <= 0)
			break;
		rx->gaps = 0;
		for (; ret > 0; ret--)
			rx->end.stats.bytes += msgs[i++].len;
	}
	rx->end.stats.msgs += i;
	return i > 0 ? (int)i : ret;
}

/** Pass n slots back to the producer, and let go of them. */
static inline void
ferry_rx_give_back(struct ferry_rx *rx, const uint32_t *slots, uint32_t n)
{
	uint32_t i;

	/* No check for room, because the ring has room for all slots. A
	 * producer that has written a false index harms only itself. */
	for (i = 0; i < n; i++)
		__atomic_store_n((uint32_t *)ferry_ring_place(&rx->end.back, i,
				sizeof(slots[0])), slots[i], __ATOMIC_RELAXED);
	/* R2 */
	ferry_ring_publish(&rx->end.back, n);
	/* Let go of the slots only when the ring has them. */
	for (i = 0; i < n; i++)
		__atomic_store_n(&rx->end.held[slots[i]], 0, __ATOMIC_RELEASE);
}

/** @endcond */

/**
 * Take messages, in the order sent.
 *
 * @param rx
 *   The consumer's end.
 * @param[out] msgs
 *   Room for n. The payloads are the caller's to read and write until
 *   ferry_rx_release().
 * @param n
 *   The most to take.
 * @return
 *   How many were taken; 0 if there is none now. If none will come any more:
 *   FERRY_E_CLOSED, FERRY_E_PEER_GONE, FERRY_E_HUB_GONE; FERRY_E_CORRUPT if the
 *   producer wrote nonsense; -EIO if a post could not be copied.
 */
FERRY_INLINE int
ferry_rx_recv(struct ferry_rx *rx, struct ferry_msg *msgs, uint16_t n)
{
	int got = ferry_rx_take(rx, msgs, n);
	int ended;

	if (unlikely(got == 0 && n > 0)) {
		if (unlikely(!ferry_rx_stamp_sane(rx, rx->stamp)))
			return FERRY_E_CORRUPT;
		rx->end.stats.empty++;
		if (unlikely(rx->owed))
			ferry_rx_wake_producer(rx);
		ended = ferry_channel_failed(rx->end.shared);
		if (likely(ended == 0))
			ended = ferry_end_result(rx->end.other);
		if (unlikely(ended != 0)) {
			/*
			 * The producer or the server may have published a
			 * message between the first ferry_rx_take() and the end
			 * (E1, F).
			 */
			got = ferry_rx_take(rx, msgs, n);
			if (got == 0)
				return ended;
		}
	}
	return got;
}

/**
 * Give messages back, in any order, from any number of ferry_rx_recv() calls.
 *
 * @param rx
 *   The consumer's end.
 * @param msgs
 *   From ferry_rx_recv(). Not to be touched any more.
 * @param n
 *   Number of messages.
 * @return
 *   0; or -EINVAL if a message is not held, for example because it was given
 *   back twice: that message is left alone, the others are given back.
 */
FERRY_INLINE int
ferry_rx_release(struct ferry_rx *rx, const struct ferry_msg *msgs, uint16_t n)
{
	uint32_t slots[64], i, k = 0;
	int ret = 0;

	for (i = 0; i < n; i++) {
		const uint32_t id = msgs[i].id;

		if (id & FERRY_MSG_CELL) {
			const uint64_t bit = UINT64_C(1) << id % FERRY_N_CELLS;

			if (unlikely((id & ~FERRY_MSG_BULK) >=
					(FERRY_MSG_CELL | FERRY_N_CELLS) ||
					!(rx->cells_held & bit))) {
				ret = -EINVAL;
				continue;
			}
			if (unlikely(id & FERRY_MSG_BULK))
				ferry_end_refuse(rx, &msgs[i]);
			rx->cells_held &= ~bit;
		} else if (likely(id < rx->end.n_slots &&
				rx->end.held[id] == rx->end.epoch)) {
			/* This also catches a message that the call names
			 * twice. */
			__atomic_store_n(&rx->end.held[id], FERRY_HELD_GIVEN,
					__ATOMIC_RELAXED);
			slots[k++] = id;
			if (unlikely(k == RTE_DIM(slots))) {
				ferry_rx_give_back(rx, slots, k);
				k = 0;
			}
		} else {
			ret = -EINVAL;
		}
	}
	if (k > 0)
		ferry_rx_give_back(rx, slots, k);
	if (rx->cell_freed != rx->cell_tail) {
		/* Cells go back in their own order, up to the first held. */
		while (rx->cell_freed < rx->cell_tail && !(rx->cells_held >>
				(rx->cell_freed % FERRY_N_CELLS) & 1))
			rx->cell_freed++;
		/* C2 */
		__atomic_store_n(&rx->end.shared->cells_freed, rx->cell_freed,
				__ATOMIC_RELEASE);
	}
	/* As in ferry_bell_ring_if(): the stores above stay before the flag. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&rx->end.shared->tx.may_sleep,
			__ATOMIC_RELAXED) != 0)
		ferry_rx_wake_producer(rx);
	return ret;
}

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CHANNEL_FAST_H */
