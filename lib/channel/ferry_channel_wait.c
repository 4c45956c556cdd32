/* SPDX-License-Identifier: BSD-3-Clause */

/* What the ends of a channel wait for, and what wakes them: see
 * ferry_end_part.h. */

#include "ferry_channel.h"
#include "ferry_end_part.h"

/* A consumer that waits past a gap asks once in so many looks whether the
 * server has the missing message. */
#define GAP_LOOKS 1024
/* In efficiency mode a producer without slots is woken when the consumer has
 * given back n_slots / WAKE_PART of them. */
#define WAKE_PART 4

/* Whether the server has messages that are not published. */
static bool
rx_served(const struct ferry_rx *rx)
{
	const struct rte_ring *jobs = rx->jobs;

	/* The server has given up: it never publishes the messages it still
	 * has. */
	if (ferry_channel_failed(rx->end.shared) != 0)
		return false;
	/* J2: if no job is left, what the server published is visible from here
	 * on. */
	return __atomic_load_n(&jobs->cons.tail, __ATOMIC_ACQUIRE) !=
		__atomic_load_n(&jobs->prod.tail, __ATOMIC_ACQUIRE);
}

/*
 * Whether a ring gives the waiting consumer something to do. Either its first
 * message is the next one, or the next one will not come before it: then the
 * producer wrote nonsense, and the consumer is to find that out.
 */
static bool
rx_is_next(const struct ferry_rx *rx, const struct ferry_ring *ring)
{
	/* R1, R3 */
	const uint32_t n = ferry_ring_count(ring);

	if (n == 0)
		return false;
	return ferry_ring_lies(ring, n) ||
		ferry_desc_at(ring, 0)->seq == (uint32_t)rx->end.seq ||
		!rx_served(rx);
}

static bool
rx_ready(const struct ferry_rx *rx)
{
	const struct ferry_cell *cell =
		&rx->end.cells[rx->cell_tail % FERRY_N_CELLS];
	uint64_t stamp;

	rte_prefetch0(&cell->data[RTE_CACHE_LINE_SIZE -
			offsetof(struct ferry_cell, data)]);
	stamp = __atomic_load_n(&cell->stamp, __ATOMIC_ACQUIRE);
	return stamp == ferry_cell_stamp(rx->cell_tail, rx->end.seq) ||
		rx_is_next(rx, &rx->end.fwd) || rx_is_next(rx, &rx->out) ||
		!ferry_rx_stamp_sane(rx, stamp);
}

void
ferry_rx_wake_producer(struct ferry_rx *rx)
{
	/* Fr: the slots given back come before the load of the producer's
	 * wish. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* While more messages are about to be received and given back, the
	 * consumer still owes the wake-up: a wake-up costs more than a slot. */
	rx->owed = (int32_t)(rx->end.back.at - __atomic_load_n(
			&rx->end.shared->wish.slots, __ATOMIC_RELAXED)) < 0 &&
			(rx_ready(rx) || rx_served(rx));
	/* The consumer wakes the producer later, at the latest when it finds no
	 * more messages. */
	if (rx->owed)
		return;
	ferry_end_ring(&rx->end);
}

int
ferry_rx_take_gap(struct ferry_rx *rx, struct ferry_msg *msgs, uint32_t n)
{
	bool later = false, with_server;
	int ret;

	/*
	 * Either the next message has moved since the consumer looked for it,
	 * or the server is copying it. The consumer asks the job ring only once
	 * in GAP_LOOKS calls, because the server and the producer are using its
	 * lines.
	 */
	with_server = rx->gaps++ % GAP_LOOKS != 0 || rx_served(rx);
	ret = ferry_rx_take_cell(rx, msgs);
	if (ret == 0)
		ret = ferry_rx_take_ring(rx, &rx->end.fwd, msgs, n, &later);
	if (ret == 0)
		ret = ferry_rx_take_ring(rx, &rx->out, msgs, n, &later);
	if (ret != 0 || with_server)
		return ret;
	ret = ferry_channel_failed(rx->end.shared);
	return ret != 0 ? ret : FERRY_E_CORRUPT;
}

static int
rx_look(void *handle)
{
	const struct ferry_rx *rx = handle;
	int ret;

	if (rx_ready(rx))
		return 1;
	ret = ferry_end_over(&rx->end);
	/* The message may have been published between the two looks (E1, F). */
	return ret != 0 && rx_ready(rx) ? 1 : ret;
}

/* Wake the producer now, if it was not woken because more messages were
 * expected: none has come. */
static void
rx_wish(void *handle)
{
	struct ferry_rx *rx = handle;

	if (rx->owed)
		ferry_rx_wake_producer(rx);
}

static bool
tx_ready(const struct ferry_tx *tx)
{
	/* ferry_tx_loan() and so on are to return FERRY_E_CORRUPT. */
	if (unlikely(tx->broken))
		return true;
	/* Cells count only if the producer lacks a cell: a loan cannot use one,
	 * and the producer would spin. */
	if (tx->cell_will_do && tx->cell_head < FERRY_N_CELLS +
			__atomic_load_n(&tx->end.shared->cells_freed,
				__ATOMIC_ACQUIRE))
		return true;
	return tx->free_head != tx->free_tail ||
		ferry_ring_count(&tx->end.back) != 0;
}

static int
tx_look(void *handle)
{
	const struct ferry_tx *tx = handle;

	return tx_ready(tx) ? 1 : ferry_end_over(&tx->end);
}

/* Look for indices that cannot be true, because the producer would wait for
 * them in vain. Publish this end's own index again if it was overwritten. */
static void
tx_check(struct ferry_tx *tx)
{
	const uint64_t freed = __atomic_load_n(&tx->end.shared->cells_freed,
			__ATOMIC_RELAXED);

	if (ferry_ring_lies(&tx->end.fwd, ferry_ring_left(&tx->end.fwd)) ||
			ferry_ring_lies(&tx->end.back,
				ferry_ring_count(&tx->end.back)) ||
			tx->cell_head - freed > FERRY_N_CELLS)
		tx->broken = true;
	ferry_ring_retell(&tx->end.fwd);
}

/*
 * No message is in flight or in the consumer's hands: all cells are freed, and
 * every slot is either in the back ring or in this end's own hands.
 */
static bool
tx_is_drained(const struct ferry_tx *tx)
{
	return __atomic_load_n(&tx->end.shared->cells_freed,
			__ATOMIC_ACQUIRE) == tx->cell_head &&
		ferry_ring_left(&tx->end.fwd) == 0 &&
		ferry_end_drained(&tx->end) &&
		ferry_ring_count(&tx->end.back) + tx->in_hand ==
			tx->end.n_slots;
}

static int
tx_drain_look(void *handle)
{
	const struct ferry_tx *tx = handle;

	if (tx->broken)
		return FERRY_E_CORRUPT;
	return tx_is_drained(tx) ? 1 : ferry_end_over(&tx->end);
}

/* For a producer that waits for slots. */
static void
tx_slots_wish(void *handle)
{
	struct ferry_tx *tx = handle;
	uint32_t some = 1;

	tx_check(tx);
	/* A freed cell is no slot, so a producer that may use a cell asks for
	 * everything that is given back. Any slot suffices, except in
	 * efficiency mode, in which a wake-up's core time counts: there the
	 * producer asks for several. */
	if (tx->cell_will_do)
		some = 0;
	else if (tx->end.mode == FERRY_MODE_EFFICIENCY)
		some = RTE_MAX(tx->end.n_slots / WAKE_PART, 1u);
	ferry_tx_wish(tx, some);
	ferry_end_wish(&tx->end, false);
}

/* For a producer that waits until all is consumed: every step may be the
 * last. */
static void
tx_drain_wish(void *handle)
{
	struct ferry_tx *tx = handle;

	tx_check(tx);
	ferry_tx_wish(tx, 0);
	ferry_end_wish(&tx->end, true);
}

int
ferry_tx_wait(struct ferry_tx *tx, uint64_t timeout_ns)
{
	const struct ferry_end_want slots = {
		tx_look, tx_slots_wish, tx
	};
	int ret = ferry_end_result(tx->end.other);

	/* Free slots are of no use once the consumer has ended. */
	return ret != 0 ? ret : ferry_end_wait(&tx->end, &slots, timeout_ns);
}

int
ferry_tx_drain(struct ferry_tx *tx, uint64_t timeout_ns)
{
	const struct ferry_end_want all = {
		tx_drain_look, tx_drain_wish, tx
	};

	/* Here too, for a producer that calls with a timeout of 0 again and
	 * again. */
	tx_drain_wish(tx);
	return ferry_end_wait(&tx->end, &all, timeout_ns);
}

int
ferry_rx_wait(struct ferry_rx *rx, uint64_t timeout_ns)
{
	const struct ferry_end_want message = {
		rx_look, rx_wish, rx
	};

	return ferry_end_wait(&rx->end, &message, timeout_ns);
}

void
ferry_tx_set_wait(struct ferry_tx *tx, enum ferry_wait_policy policy)
{
	ferry_end_set_wait(&tx->end, policy);
}

void
ferry_rx_set_wait(struct ferry_rx *rx, enum ferry_wait_policy policy)
{
	ferry_end_set_wait(&rx->end, policy);
}

int
ferry_tx_set_mode(struct ferry_tx *tx, enum ferry_mode mode)
{
	return ferry_end_set_mode(&tx->end, mode);
}

int
ferry_rx_set_mode(struct ferry_rx *rx, enum ferry_mode mode)
{
	return ferry_end_set_mode(&rx->end, mode);
}

enum ferry_mode
ferry_tx_mode(const struct ferry_tx *tx)
{
	return ferry_channel_mode(tx->end.shared);
}

enum ferry_mode
ferry_rx_mode(const struct ferry_rx *rx)
{
	return ferry_channel_mode(rx->end.shared);
}
