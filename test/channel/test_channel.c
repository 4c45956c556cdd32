/* SPDX-License-Identifier: BSD-3-Clause */

/* Each call of the fast path, both ends in one thread. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ferry_cache.h"
#include "chan_parts.h"
#include "ferry_test.h"
#include "chan_rig.h"

#define BURST_MAX 100

/* Build and commit n loaned messages, numbered from i. */
static void
send_loaned(struct rig *rig, uint16_t n, uint32_t len, uint64_t i)
{
	struct ferry_msg msgs[BURST_MAX];
	uint16_t k;

	assert_int_equal(ferry_tx_loan(rig->tx, msgs, n), n);
	for (k = 0; k < n; k++) {
		msgs[k].len = len;
		msgs[k].tag = rig_tag(i + k);
		rig_fill(msgs[k].data, len, i + k);
	}
	assert_int_equal(ferry_tx_commit(rig->tx, msgs, n), n);
}

/* Send copies of n messages of one length, numbered from i. */
static int
send_copied(struct rig *rig, uint16_t n, uint32_t len, uint64_t i)
{
	static uint8_t data[BURST_MAX][4096];
	struct ferry_buf bufs[BURST_MAX];
	uint16_t k;
	int ret;

	for (k = 0; k < n; k++) {
		rig_fill(data[k], len, i + k);
		bufs[k] = (struct ferry_buf) {
			data[k], len, rig_tag(i + k), 0
		};
	}
	ret = ferry_tx_send(rig->tx, bufs, n);
	/* The payloads are the sender's again. */
	memset(data, 0xee, n * sizeof(data[0]));
	return ret;
}

static void
recv_checked(struct rig *rig, struct ferry_msg *msgs, uint16_t n, uint32_t len,
		uint64_t i)
{
	uint16_t k;

	assert_int_equal(ferry_rx_recv(rig->rx, msgs, n), n);
	for (k = 0; k < n; k++)
		rig_assert_msg(&msgs[k], len, i + k);
}

static void
loaned_bursts_of_any_size_pass_around_the_ring(void **state)
{
	struct ferry_msg msgs[BURST_MAX];
	uint64_t i = 0;
	struct rig rig;
	uint16_t n;
	int round;

	(void)state;
	rig_start(&rig, 200, BURST_MAX);
	rig_age(&rig);
	for (round = 0; round < 10; round++) {
		for (n = 1; n <= BURST_MAX; n++) {
			send_loaned(&rig, n, i % 201, i);
			recv_checked(&rig, msgs, n, i % 201, i);
			assert_int_equal(ferry_rx_release(rig.rx, msgs, n), 0);
			i += n;
		}
	}
	assert_int_equal(ferry_rx_recv(rig.rx, msgs, 1), 0);
	rig_stop(&rig);
}

static void
copied_bursts_of_any_size_pass_around_the_ring(void **state)
{
	static const uint32_t lens[] = {
		0, 1, 47, 48, 49, 111, 112, 113, 1024, 1025, 3000, 4096,
	};
	struct ferry_msg msgs[BURST_MAX];
	uint64_t i = 0;
	struct rig rig;
	unsigned int l;
	uint16_t n;

	(void)state;
	rig_start(&rig, 4096, BURST_MAX);
	rig_age(&rig);
	for (l = 0; l < RTE_DIM(lens); l++) {
		for (n = 1; n <= BURST_MAX; n++) {
			assert_int_equal(send_copied(&rig, n, lens[l], i), n);
			recv_checked(&rig, msgs, n, lens[l], i);
			assert_int_equal(ferry_rx_release(rig.rx, msgs, n), 0);
			i += n;
		}
	}
	assert_int_equal(rig.tx->cell_head > FERRY_N_CELLS, 1);
	rig_stop(&rig);
}

static void
cells_and_slots_keep_one_order(void **state)
{
	static const uint32_t lens[] = { 8, 113, 0, 200, 112, 114, 1, 300 };
	struct ferry_msg msgs[16];
	uint8_t data[300];
	struct rig rig;
	uint64_t i = 0;
	int round, k;

	(void)state;
	rig_start(&rig, 300, 32);
	rig_age(&rig);
	for (round = 0; round < 200; round++) {
		for (k = 0; k < 16; k++) {
			const uint32_t len = lens[k % 8];
			struct ferry_buf buf = { data, len, rig_tag(i + k), 0 };

			/* Loaned ones in between, too. */
			if (k % 5 == 4) {
				send_loaned(&rig, 1, len, i + k);
				continue;
			}
			rig_fill(data, len, i + k);
			assert_int_equal(ferry_tx_send(rig.tx, &buf, 1), 1);
		}
		assert_int_equal(ferry_rx_recv(rig.rx, msgs, 16), 16);
		for (k = 0; k < 16; k++)
			rig_assert_msg(&msgs[k], lens[k % 8], i + k);
		assert_int_equal(ferry_rx_release(rig.rx, msgs, 16), 0);
		i += 16;
	}
	rig_stop(&rig);
}

static void
one_burst_is_split_between_the_last_cells_and_slots(void **state)
{
	struct ferry_msg msgs[FERRY_N_CELLS + 2];
	struct rig rig;
	int i;

	(void)state;
	rig_start(&rig, 200, 8);
	for (i = 0; i < FERRY_N_CELLS - 1; i++)
		assert_int_equal(send_copied(&rig, 1, 30, i), 1);
	assert_int_equal(rig_census(rig.ch).in_flight, 0);
	assert_int_equal(send_copied(&rig, 3, 30, i), 3);
	assert_int_equal(rig_census(rig.ch).in_flight, 2);
	recv_checked(&rig, msgs, FERRY_N_CELLS + 2, 30, 0);
	/* Cells are free again when their consumer says so. */
	assert_int_equal(send_copied(&rig, 1, 30, 0), 1);
	assert_int_equal(rig_census(rig.ch).in_flight, 1);
	assert_int_equal(ferry_rx_release(rig.rx, msgs, FERRY_N_CELLS + 2), 0);
	assert_int_equal(send_copied(&rig, 1, 30, 1), 1);
	assert_int_equal(rig_census(rig.ch).in_flight, 1);
	recv_checked(&rig, msgs, 2, 30, 0);
	rig_stop(&rig);
}

static void
a_slot_may_be_smaller_than_a_cell(void **state)
{
	struct ferry_msg msg;
	struct rig rig;
	uint64_t i;

	(void)state;
	rig_start(&rig, 5, 1);
	for (i = 0; i < 1000; i++)
		rig_pass(&rig, i % 6, i);
	/* What fits a cell and no slot is too long all the same. */
	assert_int_equal(send_copied(&rig, 1, 6, 0), FERRY_E_TOO_LONG);
	send_loaned(&rig, 1, 5, 7);
	assert_int_equal(ferry_tx_loan(rig.tx, &msg, 1), 0);
	assert_int_equal(send_copied(&rig, 1, 6, 0), FERRY_E_TOO_LONG);
	recv_checked(&rig, &msg, 1, 5, 7);
	assert_int_equal(ferry_rx_release(rig.rx, &msg, 1), 0);
	rig_stop(&rig);
}

static void
too_long_is_told_apart_from_full(void **state)
{
	struct ferry_buf bufs[3] = { { "x", 1, 0, 0 }, { "", 65, 0, 0 } };
	struct ferry_msg msgs[4];
	struct rig rig;

	(void)state;
	rig_start(&rig, 64, 4);
	assert_int_equal(ferry_tx_send(rig.tx, &bufs[1], 1), FERRY_E_TOO_LONG);
	bufs[1].len = UINT32_MAX;
	assert_int_equal(ferry_tx_send(rig.tx, &bufs[1], 1), FERRY_E_TOO_LONG);
	/* Those before it are sent. */
	assert_int_equal(ferry_tx_send(rig.tx, bufs, 3), 1);
	assert_int_equal(ferry_tx_send_slots(rig.tx, bufs, 3), 1);

	assert_int_equal(ferry_tx_loan(rig.tx, msgs, 4), 3);
	msgs[0].len = 64;
	msgs[1].len = 65;
	assert_int_equal(ferry_tx_commit(rig.tx, msgs, 2), FERRY_E_TOO_LONG);
	/* Nothing of it was sent, all of it is still on loan. */
	msgs[1].len = 64;
	assert_int_equal(ferry_tx_commit(rig.tx, msgs, 2), 2);
	/* Too long stays too long in a full channel: waiting is of no use. */
	assert_int_equal(ferry_tx_send(rig.tx, &bufs[1], 1), FERRY_E_TOO_LONG);
	rig_stop(&rig);
}

static void
a_full_channel_sends_nothing_and_gets_its_credits_back(void **state)
{
	struct ferry_msg msgs[8], more[8];
	struct rig rig;
	int round;

	(void)state;
	rig_start(&rig, 200, 8);
	for (round = 0; round < 20; round++) {
		assert_int_equal(ferry_tx_loan(rig.tx, msgs, 8), 8);
		assert_int_equal(ferry_tx_loan(rig.tx, more, 8), 0);
		assert_int_equal(ferry_tx_cancel(rig.tx, msgs, 8), 0);
		send_loaned(&rig, 5, 200, 0);
		assert_int_equal(send_copied(&rig, 8, 150, 0), 3);
		assert_int_equal(send_copied(&rig, 1, 150, 0), 0);
		assert_int_equal(ferry_tx_loan(rig.tx, more, 1), 0);
		assert_int_equal(ferry_rx_recv(rig.rx, msgs, 8), 8);
		/* Received is not yet released. */
		assert_int_equal(ferry_tx_loan(rig.tx, more, 1), 0);
		assert_int_equal(ferry_rx_release(rig.rx, &msgs[6], 1), 0);
		assert_int_equal(ferry_tx_loan(rig.tx, more, 8), 1);
		assert_ptr_equal(more[0].data, msgs[6].data);
		assert_int_equal(ferry_tx_cancel(rig.tx, more, 1), 0);
		assert_int_equal(ferry_rx_release(rig.rx, msgs, 6), 0);
		assert_int_equal(ferry_rx_release(rig.rx, &msgs[7], 1), 0);
	}
	rig_stop(&rig);
}

static void
only_what_is_on_loan_can_be_committed(void **state)
{
	struct ferry_msg msgs[4] = { 0 }, twice[2], other;
	struct ferry_channel_census c;
	struct rig rig;

	(void)state;
	rig_start(&rig, 64, 4);
	memset(&other, 0, sizeof(other));
	/* Never loaned: not yet this end's, then its but not the caller's. */
	assert_int_equal(ferry_tx_commit(rig.tx, &other, 1), -EINVAL);
	assert_int_equal(ferry_tx_loan(rig.tx, msgs, 1), 1);
	other.id = msgs[0].id + 1;
	assert_int_equal(ferry_tx_commit(rig.tx, &other, 1), -EINVAL);
	assert_int_equal(ferry_tx_cancel(rig.tx, &other, 1), -EINVAL);
	for (other.id = 4; other.id != 0; other.id <<= 1) {
		assert_int_equal(ferry_tx_commit(rig.tx, &other, 1), -EINVAL);
		assert_int_equal(ferry_tx_cancel(rig.tx, &other, 1), -EINVAL);
	}
	other.id = UINT32_MAX;
	assert_int_equal(ferry_tx_commit(rig.tx, &other, 1), -EINVAL);

	/* Twice in one call: none of it is sent, it is still on loan. */
	twice[0] = twice[1] = msgs[0];
	assert_int_equal(ferry_tx_commit(rig.tx, twice, 2), -EINVAL);
	c = rig_census(rig.ch);
	assert_int_equal(c.in_flight, 0);
	assert_int_equal(ferry_tx_commit(rig.tx, msgs, 1), 1);
	/* Twice in a row. */
	assert_int_equal(ferry_tx_commit(rig.tx, msgs, 1), -EINVAL);
	assert_int_equal(ferry_tx_cancel(rig.tx, msgs, 1), -EINVAL);

	/* Cancelled, then committed, then cancelled again. */
	assert_int_equal(ferry_tx_loan(rig.tx, msgs, 3), 3);
	assert_int_equal(ferry_tx_cancel(rig.tx, msgs, 3), 0);
	assert_int_equal(ferry_tx_commit(rig.tx, msgs, 1), -EINVAL);
	assert_int_equal(ferry_tx_cancel(rig.tx, msgs, 1), -EINVAL);
	assert_int_equal(ferry_tx_loan(rig.tx, msgs, 4), 3);
	assert_int_not_equal(msgs[0].id, msgs[1].id);
	assert_int_not_equal(msgs[0].id, msgs[2].id);
	assert_int_not_equal(msgs[1].id, msgs[2].id);
	assert_int_equal(ferry_tx_commit(rig.tx, msgs, 3), 3);
	c = rig_census(rig.ch);
	assert_int_equal(c.in_flight, 4);
	rig_stop(&rig);
}

static void
a_slot_back_from_the_consumer_is_not_on_loan(void **state)
{
	struct ferry_msg old = { 0 }, msg;
	struct rig rig;

	(void)state;
	rig_start(&rig, 64, 1);
	assert_int_equal(ferry_tx_loan(rig.tx, &old, 1), 1);
	old.len = 0;
	assert_int_equal(ferry_tx_commit(rig.tx, &old, 1), 1);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_rx_release(rig.rx, &msg, 1), 0);
	assert_int_equal(ferry_tx_wait(rig.tx, 0), 0);
	assert_int_equal(ferry_tx_commit(rig.tx, &old, 1), -EINVAL);
	/* Send a copy, which takes the slot into the handle and passes it
	 * on. */
	assert_int_equal(send_copied(&rig, 5, 10, 3), 1);
	assert_int_equal(ferry_tx_commit(rig.tx, &old, 1), -EINVAL);
	recv_checked(&rig, &msg, 1, 10, 3);
	rig_stop(&rig);
}

static void
what_is_given_back_twice_is_refused_once(void **state)
{
	struct ferry_msg msgs[6], bad;
	struct rig rig;

	(void)state;
	rig_start(&rig, 200, 4);
	memset(&bad, 0, sizeof(bad));
	/* Never received. */
	assert_int_equal(ferry_rx_release(rig.rx, &bad, 1), -EINVAL);
	bad.id = FERRY_MSG_CELL;
	assert_int_equal(ferry_rx_release(rig.rx, &bad, 1), -EINVAL);

	send_loaned(&rig, 3, 200, 0);
	assert_int_equal(send_copied(&rig, 2, 9, 3), 2);
	assert_int_equal(ferry_rx_recv(rig.rx, msgs, 6), 5);
	assert_true(msgs[3].id & FERRY_MSG_CELL);
	/* Foreign ids do no harm to what is held. */
	for (bad.id = 4; bad.id != 0; bad.id <<= 1)
		if (bad.id != FERRY_MSG_CELL)
			assert_int_equal(ferry_rx_release(rig.rx, &bad, 1),
					-EINVAL);
	bad.id = FERRY_MSG_CELL | FERRY_N_CELLS;
	assert_int_equal(ferry_rx_release(rig.rx, &bad, 1), -EINVAL);
	assert_int_equal(rig_census(rig.ch).rx_held, 3);
	assert_int_equal(rig.ch->cells_freed + 2, rig.tx->cell_head);

	/* Twice in one call, twice in a row; the others go back. */
	msgs[5] = msgs[1];
	assert_int_equal(ferry_rx_release(rig.rx, &msgs[1], 5), -EINVAL);
	assert_int_equal(rig_census(rig.ch).free +
			rig_census(rig.ch).tx_held, 3);
	assert_int_equal(rig.ch->cells_freed, rig.tx->cell_head);
	assert_int_equal(ferry_rx_release(rig.rx, msgs, 1), 0);
	assert_int_equal(ferry_rx_release(rig.rx, msgs, 1), -EINVAL);
	assert_int_equal(ferry_rx_release(rig.rx, &msgs[3], 1), -EINVAL);
	assert_int_equal(ferry_tx_loan(rig.tx, msgs, 6), 4);
	rig_stop(&rig);
}

static void
cells_held_out_of_order_go_back_in_order(void **state)
{
	struct ferry_msg msgs[FERRY_N_CELLS], msg;
	struct rig rig;
	int i;

	(void)state;
	rig_start(&rig, 64, 1);
	for (i = 0; i < FERRY_N_CELLS; i++)
		assert_int_equal(send_copied(&rig, 1, 60, i), 1);
	recv_checked(&rig, msgs, FERRY_N_CELLS, 60, 0);
	/* From the last to the second: none is free, the first is held. */
	for (i = FERRY_N_CELLS - 1; i > 0; i--) {
		assert_int_equal(ferry_rx_release(rig.rx, &msgs[i], 1), 0);
		assert_int_equal(rig.ch->cells_freed, 0);
	}
	/* Not a cell but the one slot. */
	assert_int_equal(send_copied(&rig, 2, 60, 64), 1);
	recv_checked(&rig, &msg, 1, 60, 64);
	assert_false(msg.id & FERRY_MSG_CELL);
	rig_assert_msg(&msgs[0], 60, 0);
	assert_int_equal(ferry_rx_release(rig.rx, &msgs[0], 1), 0);
	assert_int_equal(rig.ch->cells_freed, FERRY_N_CELLS);
	for (i = 0; i < FERRY_N_CELLS; i++)
		assert_int_equal(send_copied(&rig, 1, 60, i), 1);
	assert_int_equal(send_copied(&rig, 1, 60, i), 0);
	rig_stop(&rig);
}

static void
a_cancelled_loan_is_loaned_again(void **state)
{
	struct ferry_msg msgs[5], again[5];
	struct rig rig;
	int i;

	(void)state;
	rig_start(&rig, 64, 5);
	for (i = 0; i < 100; i++) {
		assert_int_equal(ferry_tx_loan(rig.tx, msgs, 5), 5);
		assert_int_equal(ferry_tx_cancel(rig.tx, &msgs[3], 2), 0);
		assert_int_equal(ferry_tx_loan(rig.tx, again, 5), 2);
		assert_int_equal(ferry_tx_cancel(rig.tx, again, 2), 0);
		assert_int_equal(ferry_tx_cancel(rig.tx, msgs, 3), 0);
		assert_int_equal(rig_census(rig.ch).tx_held, 5);
		rig_pass(&rig, 64, i);
	}
	rig_stop(&rig);
}

static void
bursts_of_none_change_nothing(void **state)
{
	struct ferry_msg msg = { 0 };
	struct rig rig;

	(void)state;
	rig_start(&rig, 64, 2);
	assert_int_equal(ferry_tx_loan(rig.tx, &msg, 0), 0);
	assert_int_equal(ferry_tx_commit(rig.tx, &msg, 0), 0);
	assert_int_equal(ferry_tx_cancel(rig.tx, &msg, 0), 0);
	assert_int_equal(ferry_tx_send(rig.tx, NULL, 0), 0);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 0), 0);
	assert_int_equal(ferry_rx_release(rig.rx, &msg, 0), 0);
	send_loaned(&rig, 1, 8, 1);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 0), 0);
	recv_checked(&rig, &msg, 1, 8, 1);
	rig_stop(&rig);
}

static void
the_statistics_count_messages_bytes_and_misses(void **state)
{
	struct ferry_end_stats tx, rx;
	struct ferry_msg msgs[8];
	struct rig rig;

	(void)state;
	rig_start(&rig, 200, 4);
	send_loaned(&rig, 2, 200, 0);
	assert_int_equal(send_copied(&rig, 2, 100, 0), 2);
	assert_int_equal(send_copied(&rig, 3, 150, 0), 2);
	ferry_tx_stats(rig.tx, &tx);
	assert_int_equal(tx.msgs, 6);
	assert_int_equal(tx.bytes, 900);
	assert_int_equal(tx.empty, 0);
	assert_int_equal(send_copied(&rig, 1, 150, 0), 0);
	assert_int_equal(ferry_tx_loan(rig.tx, msgs, 1), 0);
	ferry_tx_stats(rig.tx, &tx);
	assert_int_equal(tx.msgs, 6);
	assert_int_equal(tx.empty, 2);

	ferry_rx_stats(rig.rx, &rx);
	assert_int_equal(rx.msgs + rx.bytes + rx.empty, 0);
	assert_int_equal(ferry_rx_recv(rig.rx, msgs, 8), 6);
	assert_int_equal(ferry_rx_recv(rig.rx, msgs, 8), 0);
	assert_int_equal(ferry_rx_recv(rig.rx, msgs, 8), 0);
	ferry_rx_stats(rig.rx, &rx);
	assert_int_equal(rx.msgs, 6);
	assert_int_equal(rx.bytes, 900);
	assert_int_equal(rx.empty, 2);
	rig_stop(&rig);
}

static void
auto_placement_asks_whether_the_slots_fit_the_cache(void **state)
{
	struct rig rig;
	int place;

	(void)state;
	rig_start(&rig, 4096, 2);
	assert_true(ferry_cache_budget() > 10000);
	assert_int_equal(rig.tx->place, FERRY_PLACE_CACHE);
	for (place = FERRY_PLACE_CACHE; place <= FERRY_PLACE_MEMORY; place++) {
		ferry_tx_set_placement(rig.tx, (enum ferry_placement)place);
		assert_int_equal(rig.tx->place, place);
		rig_pass(&rig, 4096, place);
	}
	ferry_tx_set_placement(rig.tx, FERRY_PLACE_AUTO);
	assert_int_equal(rig.tx->place, FERRY_PLACE_CACHE);
	rig_stop(&rig);

	/* Too many for any cache: address space only, no memory. */
	if (ferry_cache_budget() > (UINT64_C(1) << 32))
		return;
	rig_start(&rig, 1 << 26, 64);
	assert_int_equal(rig.tx->place, FERRY_PLACE_MEMORY);
	rig_pass(&rig, 4096, 5);
	rig_stop(&rig);
}

static void
a_copy_that_cannot_be_made_is_not_sent(void **state)
{
	struct ferry_copier none = { 0 };
	struct ferry_msg msg;
	struct rig rig;

	(void)state;
	rig_start(&rig, 4096, 2);
	rig.tx->end.copier = &none;
	assert_true(send_copied(&rig, 1, 4096, 0) < 0);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 0);
	assert_int_equal(rig_census(rig.ch).in_flight, 0);
	rig.tx->end.copier = &rig.copier;
	rig_pass(&rig, 4096, 0);
	rig_stop(&rig);
}

static void
more_than_a_ring_holds_is_corrupt(void **state)
{
	struct ferry_msg msg;
	struct rig rig;
	int which;

	(void)state;
	for (which = 0; which < 2; which++) {
		struct rte_ring *ring;

		rig_start(&rig, 64, 4);
		ring = which == 0 ? rig.tx->end.fwd.ring : chan_out(rig.ch);
		ring->prod.tail += ring->size;
		assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1),
			FERRY_E_CORRUPT);
		rig_stop(&rig);
	}
}

static void
a_cell_that_names_no_slot_is_corrupt(void **state)
{
	struct ferry_msg msg;
	struct rig rig;
	uint32_t slot = 4;

	(void)state;
	rig_start(&rig, 64, 4);
	send_loaned(&rig, 1, 64, 0);
	memcpy(rig.tx->end.cells[0].data, &slot, sizeof(slot));
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), FERRY_E_CORRUPT);
	rig_stop(&rig);
}

/* Indices pass 2^31 and 2^32, and so does their sum. */
static void
a_full_ring_has_no_room_wherever_its_indices_stand(void **state)
{
	static const uint32_t ends[] = { 0, 100, UINT32_C(1) << 31 };
	const uint32_t mask = 7;
	struct rte_ring ring;
	unsigned int e;
	uint32_t tail;

	(void)state;
	memset(&ring, 0, sizeof(ring));
	for (e = 0; e < RTE_DIM(ends); e++) {
		for (tail = ends[e] - 20; tail != ends[e] + 20; tail++) {
			struct ferry_ring r = {
				.ring = &ring, .mask = mask,
				.at = tail + mask, .other = tail,
			};

			ring.cons.tail = tail;
			assert_false(ferry_ring_room(&r, 1));
			r.at--;
			assert_true(ferry_ring_room(&r, 1));
			assert_false(ferry_ring_room(&r, 2));
			r.at = tail;
			assert_true(ferry_ring_room(&r, mask));
			assert_false(ferry_ring_room(&r, mask + 1));
			/* Room that was not seen yet. */
			r.at = tail + mask;
			ring.cons.tail = tail + 2;
			assert_true(ferry_ring_room(&r, 2));
			assert_int_equal(r.other, tail + 2);
			/* An index that cannot be. */
			ring.cons.tail = r.at + 1;
			assert_false(ferry_ring_room(&r, 3));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			loaned_bursts_of_any_size_pass_around_the_ring),
		cmocka_unit_test(
			copied_bursts_of_any_size_pass_around_the_ring),
		cmocka_unit_test(cells_and_slots_keep_one_order),
		cmocka_unit_test(
			one_burst_is_split_between_the_last_cells_and_slots),
		cmocka_unit_test(a_slot_may_be_smaller_than_a_cell),
		cmocka_unit_test(too_long_is_told_apart_from_full),
		cmocka_unit_test(
			a_full_channel_sends_nothing_and_gets_its_credits_back),
		cmocka_unit_test(only_what_is_on_loan_can_be_committed),
		cmocka_unit_test(a_slot_back_from_the_consumer_is_not_on_loan),
		cmocka_unit_test(what_is_given_back_twice_is_refused_once),
		cmocka_unit_test(cells_held_out_of_order_go_back_in_order),
		cmocka_unit_test(a_cancelled_loan_is_loaned_again),
		cmocka_unit_test(bursts_of_none_change_nothing),
		cmocka_unit_test(
			the_statistics_count_messages_bytes_and_misses),
		cmocka_unit_test(
			auto_placement_asks_whether_the_slots_fit_the_cache),
		cmocka_unit_test(a_copy_that_cannot_be_made_is_not_sent),
		cmocka_unit_test(more_than_a_ring_holds_is_corrupt),
		cmocka_unit_test(a_cell_that_names_no_slot_is_corrupt),
		cmocka_unit_test(
			a_full_ring_has_no_room_wherever_its_indices_stand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
