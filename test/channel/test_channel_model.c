/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A channel against a model of it, with random calls; and against a peer that
 * writes garbage. The seed is printed; FERRY_TEST_SEED repeats a run.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ferry_test.h"
#include "chan_rig.h"
#include "chance.h"

#define HELD_MAX 128
#define BURST_MAX 40

/* What is known of a channel without looking into it. */
struct model {
	struct rig rig;
	uint32_t slot_size;
	uint32_t n_slots;
	uint64_t sent, received;
	/* Messages in slots: sent, received and released. */
	uint64_t slots_sent, slots_received;
	struct ferry_msg loans[HELD_MAX];
	uint32_t n_loans;
	/* In the consumer's hands, and which numbers they are. */
	struct ferry_msg held[HELD_MAX];
	uint64_t number[HELD_MAX];
	uint32_t n_held, slots_held;
};

/* The length of message i: often tiny, sometimes as long as can be. */
static uint32_t
len_of(const struct model *m, uint64_t i)
{
	uint64_t state = i;
	const uint64_t r = ferry_test_random(&state);
	const uint32_t cell = RTE_MIN(m->slot_size, (uint32_t)FERRY_CELL_DATA);

	switch (r % 16) {
	case 0:
		return m->slot_size;
	case 1:
	case 2:
	case 3:
		return (uint32_t)((r >> 8) % (m->slot_size + 1));
	case 4:
		return 0;
	default:
		return (uint32_t)((r >> 8) % (cell + 1));
	}
}

static void
model_send(struct model *m)
{
	static uint8_t data[BURST_MAX][4096];
	/* Slots are taken from the queue of free ones, by sends as by loans. */
	const uint32_t slots = m->rig.tx->free_head;
	const uint32_t n = 1 + (chance(4) ? chance(4) : chance(BURST_MAX));
	struct ferry_buf bufs[BURST_MAX];
	uint32_t k;
	int ret;

	for (k = 0; k < n; k++) {
		const uint64_t i = m->sent + k;

		bufs[k] = (struct ferry_buf) {
			data[k], len_of(m, i), rig_tag(i), 0,
		};
		rig_fill(data[k], bufs[k].len, i);
	}
	ret = chance(4) ? ferry_tx_send(m->rig.tx, bufs, (uint16_t)n) :
		ferry_tx_send_slots(m->rig.tx, bufs, (uint16_t)n);
	assert_in_range(ret, 0, n);
	m->sent += (uint64_t)ret;
	m->slots_sent += m->rig.tx->free_head - slots;
}

static void
model_loan(struct model *m)
{
	const uint32_t n = RTE_MIN(1 + chance(BURST_MAX),
			HELD_MAX - m->n_loans);
	const int ret = ferry_tx_loan(m->rig.tx, m->loans + m->n_loans,
			(uint16_t)n);

	assert_in_range(ret, 0, n);
	m->n_loans += (uint32_t)ret;
}

/* Move some of what is loaned, chosen by chance, to the end. */
static uint32_t
shuffle_loans(struct model *m)
{
	const uint32_t n = m->n_loans > 0 ? 1 + chance(m->n_loans) : 0;
	uint32_t k;

	for (k = 0; k < n; k++) {
		const uint32_t last = m->n_loans - 1 - k;
		const uint32_t other = chance(last + 1);
		const struct ferry_msg msg = m->loans[other];

		m->loans[other] = m->loans[last];
		m->loans[last] = msg;
	}
	m->n_loans -= n;
	return n;
}

static void
model_commit(struct model *m)
{
	const uint32_t n = shuffle_loans(m);
	uint32_t k;

	for (k = 0; k < n; k++) {
		struct ferry_msg *msg = &m->loans[m->n_loans + k];

		msg->len = len_of(m, m->sent);
		msg->tag = rig_tag(m->sent);
		rig_fill(msg->data, msg->len, m->sent++);
	}
	assert_int_equal(ferry_tx_commit(m->rig.tx, m->loans + m->n_loans,
			(uint16_t)n), n);
	m->slots_sent += n;
}

static void
model_cancel(struct model *m)
{
	const uint32_t n = shuffle_loans(m);

	assert_int_equal(ferry_tx_cancel(m->rig.tx, m->loans + m->n_loans,
			(uint16_t)n), 0);
}

static void
model_recv(struct model *m)
{
	const uint32_t n = RTE_MIN(1 + chance(BURST_MAX), HELD_MAX - m->n_held);
	const uint64_t left = m->sent - m->received;
	struct ferry_msg *msgs = m->held + m->n_held;
	const int ret = ferry_rx_recv(m->rig.rx, msgs, (uint16_t)n);
	int k;

	/* All that was sent is there. */
	assert_int_equal(ret, RTE_MIN(left, (uint64_t)n));
	for (k = 0; k < ret; k++) {
		rig_assert_msg(&msgs[k], len_of(m, m->received), m->received);
		m->number[m->n_held++] = m->received++;
		if (!(msgs[k].id & FERRY_MSG_CELL)) {
			m->slots_received++;
			m->slots_held++;
		}
	}
}

static void
model_release(struct model *m)
{
	const uint32_t n = m->n_held > 0 ? 1 + chance(m->n_held) : 0;
	uint32_t k;

	for (k = 0; k < n; k++) {
		const uint32_t last = m->n_held - 1 - k;
		const uint32_t other = chance(last + 1);
		const struct ferry_msg msg = m->held[other];
		const uint64_t number = m->number[other];

		/* No end has written to it since it was received. */
		rig_assert_msg(&msg, len_of(m, number), number);
		m->held[other] = m->held[last];
		m->number[other] = m->number[last];
		m->held[last] = msg;
		m->slots_held -= !(msg.id & FERRY_MSG_CELL);
	}
	m->n_held -= n;
	assert_int_equal(ferry_rx_release(m->rig.rx, m->held + m->n_held,
			(uint16_t)n), 0);
}

static void
model_check(struct model *m)
{
	const struct ferry_channel_census c = rig_census(m->rig.ch);

	assert_int_equal(c.in_flight, m->slots_sent - m->slots_received);
	assert_int_equal(c.rx_held, m->slots_held);
	assert_true(c.tx_held >= m->n_loans);
}

static void
model_run(uint32_t slot_size, uint32_t n_slots, uint64_t messages)
{
	struct model m = { .slot_size = slot_size, .n_slots = n_slots };
	struct ferry_end_stats tx, rx;
	uint64_t step;

	print_message("seed %llu\n", (unsigned long long)chance_state());
	rig_start(&m.rig, slot_size, n_slots);
	rig_age(&m.rig);
	for (step = 0; m.received < messages; step++) {
		switch (chance(8)) {
		case 0:
		case 1:
			model_send(&m);
			break;
		case 2:
			model_loan(&m);
			break;
		case 3:
			model_commit(&m);
			break;
		case 4:
			if (chance(4) == 0)
				model_cancel(&m);
			break;
		case 5:
		case 6:
			model_recv(&m);
			break;
		default:
			model_release(&m);
		}
		if (step % 64 == 0)
			model_check(&m);
	}
	/* All of it comes home. */
	while (m.received < m.sent || m.n_held > 0) {
		model_recv(&m);
		model_release(&m);
	}
	assert_int_equal(ferry_rx_recv(m.rig.rx, m.held, 1), 0);
	assert_int_equal(ferry_tx_drain(m.rig.tx, 0), 0);
	ferry_tx_stats(m.rig.tx, &tx);
	ferry_rx_stats(m.rig.rx, &rx);
	assert_int_equal(tx.msgs, m.sent);
	assert_int_equal(rx.msgs, m.sent);
	assert_int_equal(tx.bytes, rx.bytes);
	model_check(&m);
	rig_stop(&m.rig);
}

static void
a_million_messages_are_as_the_model_says(void **state)
{
	(void)state;
	model_run(200, 64, 1000000);
}

static void
one_slot_is_enough(void **state)
{
	(void)state;
	model_run(200, 1, 100000);
}

static void
tiny_slots_behave_like_large_ones(void **state)
{
	(void)state;
	model_run(7, 3, 100000);
	model_run(1, 100, 100000);
}

static void
long_messages_go_through_the_copier(void **state)
{
	(void)state;
	model_run(4096, 20, 100000);
}

/* One write by a producer gone mad, into what a producer may write to. */
static void
producer_lies(struct rig *rig)
{
	struct rte_ring *fwd = rig->rx->end.fwd.ring;
	struct ferry_desc *descs = (struct ferry_desc *)&fwd[1];
	struct ferry_cell *cell =
		&rig->rx->end.cells[rig->rx->cell_tail % FERRY_N_CELLS];
	uint32_t k;

	switch (chance(6)) {
	case 0:
		chance_scribble(&descs[chance(fwd->size)], sizeof(*descs));
		break;
	case 1:
		chance_scribble(&rig->rx->end.cells[chance(FERRY_N_CELLS)],
			sizeof(*cell));
		break;
	case 2:
		/* In a cell, and next in order. */
		cell->len = chance_lie(FERRY_CELL_DATA + 1, 4);
		if (chance(2)) {
			/* A slot's descriptor. */
			cell->len = chance_lie(rig->ch->slot_size + 1, 4) |
				FERRY_CELL_SLOT;
			k = chance_lie(rig->ch->n_slots, 4);
			memcpy(cell->data, &k, sizeof(k));
		}
		cell->stamp = ferry_cell_stamp(rig->rx->cell_tail,
				rig->rx->end.seq);
		break;
	case 3:
		/* In the ring, and next in order. */
		for (k = chance(8); k < 8; k++) {
			descs[(fwd->cons.tail + k) & fwd->mask] =
				(struct ferry_desc) {
				.slot = chance_lie(rig->ch->n_slots, 4),
				.len = chance_lie(rig->ch->slot_size + 1, 4),
				.seq = (uint32_t)rig->rx->end.seq + k,
			};
		}
		fwd->prod.tail = fwd->cons.tail + k;
		break;
	case 4:
		fwd->prod.tail = chance_lie(fwd->size, 4) + fwd->cons.tail;
		fwd->prod.head = chance_lie(fwd->size, 4);
		break;
	default:
		rig->rx->end.back.ring->cons.tail =
			chance_lie(rig->rx->end.back.ring->size, 4);
		rig->ch->tx.may_sleep = chance_lie(2, 4);
		rig->ch->tx.endpoint = chance_lie(RIG_BELLS, 4);
	}
}

static void
a_producer_gone_mad_does_no_harm_to_its_consumer(void **state)
{
	static const uint32_t sizes[][2] = {
		{ 48, 1 }, { 100, 8 }, { 300, 60 }
	};
	unsigned int i, round;
	int n, k;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)chance_state());
	for (i = 0; i < RTE_DIM(sizes); i++) {
		struct ferry_channel_shared *ch;
		struct ferry_msg msgs[100];
		bool out[64] = { false };
		struct rig rig;
		uint64_t got = 0;

		rig_start(&rig, sizes[i][0], sizes[i][1]);
		ch = rig.ch;
		for (round = 0; round < 100000; round++) {
			producer_lies(&rig);
			n = ferry_rx_recv(rig.rx, msgs,
					(uint16_t)(1 + chance(100)));
			assert_true(n >= 0 || n == FERRY_E_CORRUPT);
			for (k = 0; k < n; k++) {
				uint64_t at = (uint64_t)((uint8_t *)
						msgs[k].data - (uint8_t *)ch);

				assert_true(msgs[k].len <= ch->slot_size);
				if (msgs[k].id & FERRY_MSG_CELL) {
					at -= ch->off_cells + offsetof(
						struct ferry_cell, data);
					assert_int_equal(at % 128, 0);
					assert_true(at / 128 < FERRY_N_CELLS);
					assert_true(msgs[k].len <=
							FERRY_CELL_DATA);
				} else {
					at -= ch->off_slots;
					assert_int_equal(at % ch->stride, 0);
					at /= ch->stride;
					assert_true(at < ch->n_slots);
					/* Nor one that is out already. */
					assert_false(out[at]);
					out[at] = true;
				}
				/* The application may write, too. */
				memset(msgs[k].data, 0x5a, msgs[k].len);
				got++;
			}
			if (n > 0 && chance(4) > 0) {
				ferry_rx_release(rig.rx, msgs, (uint16_t)n);
				for (k = 0; k < n; k++)
					if (!(msgs[k].id & FERRY_MSG_CELL))
						out[msgs[k].id] = false;
			}
			ferry_rx_wait(rig.rx, 0);
		}
		assert_true(got > 1000);
		/* The identity is as it was: it is not on any line written. */
		assert_int_equal(ferry_channel_valid(ch, ch->size), 0);
		rig_stop(&rig);
	}
}

/* One write by a consumer gone mad, into what a consumer may write to. */
static void
consumer_lies(struct rig *rig)
{
	struct rte_ring *back = rig->tx->end.back.ring;
	uint32_t *slots = (uint32_t *)&back[1];
	uint32_t k;

	switch (chance(6)) {
	case 0:
		chance_scribble(&slots[chance(back->size)], sizeof(*slots));
		break;
	case 1:
		for (k = 0; k < back->size; k++)
			slots[k] = chance_lie(rig->ch->n_slots, 4);
		back->prod.tail = back->cons.tail + chance_lie(back->size, 4);
		break;
	case 2:
		back->prod.tail = chance_lie(back->size, 4);
		back->prod.head = chance_lie(back->size, 4);
		break;
	case 3:
		rig->ch->cells_freed = rig->tx->cell_head - chance_lie(100, 4);
		break;
	case 4:
		rig->tx->end.fwd.ring->cons.tail =
			rig->tx->end.fwd.ring->prod.tail -
			chance_lie(rig->tx->end.fwd.ring->size, 4);
		break;
	default:
		rig->ch->rx.may_sleep = chance_lie(2, 4);
		rig->ch->rx.endpoint = chance_lie(RIG_BELLS, 4);
	}
}

static void
a_consumer_gone_mad_does_no_harm_to_its_producer(void **state)
{
	static const uint32_t sizes[][2] = {
		{ 48, 1 }, { 100, 8 }, { 300, 60 }
	};
	static const uint8_t data[300];
	unsigned int i, round;
	int n, k;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)chance_state());
	for (i = 0; i < RTE_DIM(sizes); i++) {
		struct ferry_channel_shared *ch;
		struct ferry_msg msgs[100];
		struct ferry_buf bufs[40];
		bool told = false;
		uint64_t got = 0;
		struct rig rig;

		rig_start(&rig, sizes[i][0], sizes[i][1]);
		ch = rig.ch;
		for (round = 0; round < 100000; round++) {
			consumer_lies(&rig);
			n = ferry_tx_loan(rig.tx, msgs,
					(uint16_t)(1 + chance(100)));
			assert_true(n == FERRY_E_CORRUPT ||
					(n >= 0 && n <= (int)ch->n_slots));
			told |= n == FERRY_E_CORRUPT;
			n = RTE_MAX(n, 0);
			for (k = 0; k < n; k++) {
				const uint64_t at = (uint64_t)((uint8_t *)
					msgs[k].data - (uint8_t *)ch) -
					ch->off_slots;

				assert_int_equal(at % ch->stride, 0);
				assert_true(at / ch->stride < ch->n_slots);
				memset(msgs[k].data, 0x5a, msgs[k].len);
				got++;
			}
			/* Loans are one's own: no slot is among them twice. */
			if (chance(2) || ferry_tx_commit(rig.tx, msgs,
					(uint16_t)n) != n)
				assert_int_equal(ferry_tx_cancel(rig.tx, msgs,
						(uint16_t)n), 0);
			consumer_lies(&rig);
			for (k = 0; k < 40; k++)
				bufs[k] = (struct ferry_buf) {
					data, chance(ch->slot_size + 1), 0, 0,
				};
			n = ferry_tx_send(rig.tx, bufs,
					(uint16_t)(1 + chance(40)));
			assert_true(n == FERRY_E_CORRUPT ||
					(n >= 0 && n <= 40));
			ferry_tx_wait(rig.tx, 0);
			ferry_tx_drain(rig.tx, 0);
		}
		assert_true(got > 0);
		assert_true(told);
		assert_int_equal(ferry_channel_valid(ch, ch->size), 0);
		rig_stop(&rig);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_million_messages_are_as_the_model_says),
		cmocka_unit_test(one_slot_is_enough),
		cmocka_unit_test(tiny_slots_behave_like_large_ones),
		cmocka_unit_test(long_messages_go_through_the_copier),
		cmocka_unit_test(
			a_producer_gone_mad_does_no_harm_to_its_consumer),
		cmocka_unit_test(
			a_consumer_gone_mad_does_no_harm_to_its_producer),
	};

	chance_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
