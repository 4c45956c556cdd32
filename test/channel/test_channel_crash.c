/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Every instruction of every operation as a crash point: see chan_step.h.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ferry_test.h"
#include "chan_rig.h"
#include "chan_step.h"

#define SLOT_SIZE 2048
#define N_SLOTS 8
/*
 * Messages before the operation: such that bursts of 1 and 3 begin, end and
 * wrap at the end of either ring (of 16 places), and such that the producer
 * has all, one, two and no slots in hand.
 */
static const unsigned int rounds_before[] = { 0, 6, 7, 8, 13, 14, 15, 16 };

static struct stage stage;
static uint64_t total_steps, total_stops, total_kills;

static void
op_loan(struct stage *s)
{
	ferry_tx_loan(s->rig.tx, s->msgs, s->n);
}

static void
op_commit(struct stage *s)
{
	ferry_tx_commit(s->rig.tx, s->msgs, s->n);
}

static void
op_cancel(struct stage *s)
{
	ferry_tx_cancel(s->rig.tx, s->msgs, s->n);
}

static void
op_build(struct stage *s)
{
	const uint64_t i = s->rig.tx->end.seq;
	const int n = ferry_tx_loan(s->rig.tx, s->msgs, s->n);
	int k;

	for (k = 0; k < n; k++) {
		s->msgs[k].len = stage_len(s, i + (uint64_t)k);
		s->msgs[k].tag = rig_tag(i + (uint64_t)k);
		rig_fill(s->msgs[k].data, s->msgs[k].len, i + (uint64_t)k);
	}
	ferry_tx_commit(s->rig.tx, s->msgs, (uint16_t)n);
}

static void
op_send(struct stage *s)
{
	ferry_tx_send(s->rig.tx, s->bufs, s->n);
}

static void
op_send_slots(struct stage *s)
{
	ferry_tx_send_slots(s->rig.tx, s->bufs, s->n);
}

static void
op_recv(struct stage *s)
{
	ferry_rx_recv(s->rig.rx, s->msgs, s->n);
}

static void
op_release(struct stage *s)
{
	ferry_rx_release(s->rig.rx, s->msgs, s->n);
}

static void
op_recv_release(struct stage *s)
{
	const int n = ferry_rx_recv(s->rig.rx, s->msgs, s->n);

	ferry_rx_release(s->rig.rx, s->msgs, (uint16_t)n);
}

/* Operations of a producer. */
static const struct tx_case {
	const char *name;
	void (*op)(struct stage *stage);
	/* Loaned and built before. */
	bool loaned;
	bool sends;
	uint16_t n;
	uint32_t len[3];
} tx_cases[] = {
	{ "loan 1", op_loan, false, false, 1, { 0 } },
	{ "loan 3", op_loan, false, false, 3, { 0 } },
	{ "loan all", op_loan, false, false, N_SLOTS, { 0 } },
	{ "cancel 1", op_cancel, true, false, 1, { 0 } },
	{ "cancel 3", op_cancel, true, false, 3, { 0 } },
	{ "commit 1", op_commit, true, true, 1, { 100 } },
	{ "commit 3", op_commit, true, true, 3, { 100, 0, 300 } },
	{ "commit 6", op_commit, true, true, 6, { 100, 0, 300 } },
	{ "build 1", op_build, false, true, 1, { 200 } },
	{ "build 3", op_build, false, true, 3, { 60, 9, 100 } },
	{ "send a cell", op_send, false, true, 1, { 40 } },
	{ "send a long cell", op_send, false, true, 1, { 112 } },
	{ "send an empty cell", op_send, false, true, 1, { 0 } },
	{ "send 3 cells", op_send, false, true, 3, { 1, 111, 48 } },
	{ "send a slot", op_send, false, true, 1, { 300 } },
	{ "send a copier's slot", op_send, false, true, 1, { 1100 } },
	{ "send 3 slots", op_send, false, true, 3, { 300, 1100, 5 } },
	{ "send cell, cell, slot", op_send, false, true, 3, { 8, 9, 300 } },
	{ "send cell, slot, slot", op_send, false, true, 3, { 8, 130, 9 } },
	{ "send 5 tiny", op_send, false, true, 5, { 8, 48, 112 } },
	{ "send 6 slots", op_send, false, true, 6, { 300, 1100, 5 } },
	{ "send 3 tiny in slots", op_send_slots, false, true, 3,
		{ 8, 48, 112 } },
};

/* A producer's stage after rounds messages; ready to run. */
static void
tx_prepare(const struct tx_case *c, unsigned int rounds, bool asleep)
{
	uint64_t first;
	unsigned int k;

	stage_start(&stage, true, SLOT_SIZE, N_SLOTS, rounds);
	/* On their way already: one of each kind. */
	if (c->n < N_SLOTS && rounds % 2) {
		stage_send(&stage, 300);
		stage_send(&stage, 30);
	}
	if (asleep) {
		stage.rig.ch->rx.may_sleep = 1;
		stage.rig.bells[RIG_RX].state = FERRY_BELL_ASLEEP;
	}
	first = stage.rig.tx->end.seq;
	stage.op = c->op;
	stage.n = c->n;
	if (c->loaned)
		assert_int_equal(ferry_tx_loan(stage.rig.tx, stage.msgs, c->n),
				c->n);
	for (k = 0; k < c->n; k++) {
		const uint64_t i = first + k;
		const uint32_t len = c->len[k % 3];

		stage.bufs[k] = stage_buf(&stage, k, i, len);
		if (!c->loaned)
			continue;
		rig_fill(stage.msgs[k].data, len, i);
		stage.msgs[k].len = len;
		stage.msgs[k].tag = rig_tag(i);
	}
}

/* Operations of a consumer. */
static const struct rx_case {
	const char *name;
	void (*op)(struct stage *stage);
	uint16_t n;
	/* In the ring: sent as one burst, too long for cells. */
	bool ring;
	/* What is on its way: lengths, ended by END. */
	uint32_t len[8];
	/* Which of them are received before, in the order to be released. */
	char release[8];
} rx_cases[] = {
#define END UINT32_MAX
	{ "recv nothing", op_recv, 3, false, { END }, "" },
	{ "recv a slot", op_recv, 1, false, { 300, END }, "" },
	{ "recv 1 slot of 3", op_recv, 1, false, { 300, 0, 400, END }, "" },
	{ "recv 3 slots", op_recv, 3, false, { 300, 200, 400, END }, "" },
	{ "recv a cell", op_recv, 1, false, { 40, END }, "" },
	{ "recv 3 cells", op_recv, 3, false, { 40, 112, 0, END }, "" },
	{ "recv both kinds", op_recv, 16, false,
		{ 300, 5, 6, 200, 201, 7, END }, "" },
	{ "recv 6 of the ring", op_recv, 6, true,
		{ 300, 5, 6, 200, 201, 7, END }, "" },
	{ "recv 4 of the ring's 6", op_recv, 4, true,
		{ 300, 5, 6, 200, 201, 7, END }, "" },
	{ "release 4 of the ring's 6", op_release, 4, true,
		{ 300, 5, 200, 6, 201, 7, END }, "ebac" },
	{ "release a slot", op_release, 1, false, { 300, END }, "a" },
	{ "release 3 slots", op_release, 3, false, { 300, 200, 400, END },
		"bca" },
	{ "release a cell", op_release, 1, false, { 30, END }, "a" },
	{ "release cells backwards", op_release, 3, false, { 30, 0, 112, END },
		"cba" },
	{ "release a cell after one that is held", op_release, 1, false,
		{ 30, 31, 32, END }, "b" },
	{ "release both kinds, hold both", op_release, 4, false,
		{ 300, 5, 200, 6, 201, 7, END }, "ebac" },
	{ "release twice", op_release, 4, false, { 300, 5, END }, "abab" },
	{ "recv and release", op_recv_release, 4, false,
		{ 300, 5, 200, 6, END }, "" },
};

static void
rx_prepare(const struct rx_case *c, unsigned int rounds, bool asleep)
{
	struct ferry_buf bufs[8];
	struct ferry_msg got[8];
	unsigned int sent = 0, k, j;
	uint64_t first;

	stage_start(&stage, false, SLOT_SIZE, N_SLOTS, rounds);
	if (asleep) {
		stage.rig.ch->tx.may_sleep = 1;
		stage.rig.bells[RIG_TX].state = FERRY_BELL_ASLEEP;
	}
	first = stage.rig.tx->end.seq;
	for (; c->len[sent] != END; sent++) {
		if (!c->ring)
			stage_send(&stage, c->len[sent]);
		bufs[sent] = stage_buf(&stage, sent, first + sent,
				c->len[sent]);
	}
	if (c->ring)
		assert_int_equal(ferry_tx_send(stage.rig.tx, bufs,
				(uint16_t)sent), sent);
	stage.op = c->op;
	stage.n = c->n;
	stage.releases = c->op != op_recv;
	if (c->release[0] == 0) {
		if (c->op == op_recv)
			stage_keep_pending(&stage);
		return;
	}
	assert_int_equal(ferry_rx_recv(stage.rig.rx, got, 8), sent);
	for (j = 0; c->release[j] != 0; j++)
		stage.msgs[j] = got[c->release[j] - 'a'];
	assert_int_equal(j, c->n);
	for (k = 0; k < sent; k++) {
		if (strchr(c->release, 'a' + (int)k) != NULL)
			continue;
		stage.kept[stage.n_kept].data = got[k].data;
		stage.kept[stage.n_kept++].number = first + k;
	}
	/* On its way in the meantime. */
	stage_send(&stage, 50);
	stage_send(&stage, 150);
}

static void
assert_right(const char *name, unsigned int rounds)
{
	total_steps += stage.steps;
	total_stops += stage.changes;
	if (stage.wrong != NULL)
		fail_msg("%s, %u rounds, step %llu: %s", name, rounds,
				(unsigned long long)stage.wrong_at,
				stage.wrong);
}

static void
no_step_of_a_producer_loses_a_slot_or_shows_half_a_message(void **state)
{
	unsigned int rounds, i, r;

	(void)state;
	stage_need_ptrace();
	total_steps = total_stops = 0;
	for (i = 0; i < RTE_DIM(tx_cases); i++) {
		const struct tx_case *c = &tx_cases[i];

		for (r = 0; r < RTE_DIM(rounds_before); r += STEP_EVERY) {
			uint64_t all;

			rounds = rounds_before[r];
			tx_prepare(c, rounds, rounds % 3 == 2);
			all = stage.rig.tx->end.seq + (c->sends ? c->n : 0);
			assert_int_equal(stage_run(&stage, UINT64_MAX), 0);
			assert_right(c->name, rounds);
			/* It did what it was to do. */
			assert_int_equal(stage.visible, all);
			stage_stop(&stage);
		}
	}
	print_message("%llu steps, %llu of them changed the memory\n",
			(unsigned long long)total_steps,
			(unsigned long long)total_stops);
	assert_true(total_steps > 10000);
}

static void
no_step_of_a_consumer_loses_a_slot_or_what_it_holds(void **state)
{
	unsigned int rounds, i, r;

	(void)state;
	stage_need_ptrace();
	total_steps = total_stops = 0;
	for (i = 0; i < RTE_DIM(rx_cases); i++) {
		for (r = 0; r < RTE_DIM(rounds_before); r += STEP_EVERY) {
			rounds = rounds_before[r];
			rx_prepare(&rx_cases[i], rounds, rounds % 3 == 2);
			assert_int_equal(stage_run(&stage, UINT64_MAX), 0);
			assert_right(rx_cases[i].name, rounds);
			stage_stop(&stage);
		}
	}
	print_message("%llu steps, %llu of them changed the memory\n",
			(unsigned long long)total_steps,
			(unsigned long long)total_stops);
	assert_true(total_steps > 10000);
}

/*
 * Kill after step after step, until the operation ends before. The first ones
 * all, then ever fewer: the tests above have seen what each leaves behind.
 */
static void
kill_everywhere(bool tx, unsigned int i, unsigned int rounds)
{
	const char *name = tx ? tx_cases[i].name : rx_cases[i].name;
	const char *wrong;
	uint64_t step;
	int ret = 1;

	for (step = 1; ret == 1; step += STEP_EVERY + step / 6) {
		if (tx)
			tx_prepare(&tx_cases[i], rounds, false);
		else
			rx_prepare(&rx_cases[i], rounds, false);
		ret = stage_run(&stage, step);
		assert_in_range(ret, 0, 1);
		assert_right(name, rounds);
		stage.visible = 0;
		wrong = stage_bury(&stage);
		if (wrong != NULL)
			fail_msg("%s, killed after step %llu: %s", name,
					(unsigned long long)step, wrong);
		total_kills += ret == 1;
		stage_stop(&stage);
	}
}

static void
the_survivor_of_a_kill_at_any_step_loses_nothing(void **state)
{
	unsigned int i;

	(void)state;
	stage_need_ptrace();
	/* In the middle of the ring's end. */
	for (i = 0; i < RTE_DIM(tx_cases); i++)
		kill_everywhere(true, i, 14);
	for (i = 0; i < RTE_DIM(rx_cases); i++)
		kill_everywhere(false, i, 14);
	print_message("%llu kills\n", (unsigned long long)total_kills);
	assert_true(total_kills > 300 / STEP_EVERY);
}

/*
 * Operations that do the right things in a wrong order. Between two of them
 * stands a release store or a function call, so that the compiler keeps it.
 */
static void
wrong_let_go_before_publish(struct stage *s)
{
	struct ferry_tx *tx = s->rig.tx;
	struct ferry_desc desc = {
		s->msgs[0].id, s->msgs[0].len, s->msgs[0].tag,
		(uint32_t)tx->end.seq++,
	};

	__atomic_store_n(&tx->end.held[desc.slot], 0, __ATOMIC_RELEASE);
	rte_ring_sp_enqueue_elem(tx->end.fwd.ring, &desc, sizeof(desc));
}

static void
wrong_publish_before_payload(struct stage *s)
{
	struct ferry_tx *tx = s->rig.tx;
	void *data = s->msgs[0].data;

	memset(data, 0, s->msgs[0].len);
	ferry_tx_commit(tx, s->msgs, 1);
	memcpy(data, s->bufs[0].data, s->bufs[0].len);
}

static void
wrong_stamp_before_payload(struct stage *s)
{
	struct ferry_tx *tx = s->rig.tx;
	struct ferry_cell *cell = &tx->end.cells[tx->cell_head % FERRY_N_CELLS];

	cell->len = s->bufs[0].len;
	cell->tag = s->bufs[0].tag;
	__atomic_store_n(&cell->stamp, ferry_cell_stamp(tx->cell_head++,
			tx->end.seq++), __ATOMIC_RELEASE);
	memcpy(cell->data, s->bufs[0].data, s->bufs[0].len);
}

static void
wrong_refill_before_held(struct stage *s)
{
	struct ferry_tx *tx = s->rig.tx;
	uint32_t slot = 0;

	rte_ring_sc_dequeue_elem(tx->end.back.ring, &slot, sizeof(slot));
	__atomic_store_n(&tx->end.held[slot], tx->end.epoch, __ATOMIC_RELEASE);
}

static void
wrong_recv_before_held(struct stage *s)
{
	struct ferry_rx *rx = s->rig.rx;
	struct ferry_desc desc = { 0 };

	rte_ring_sc_dequeue_elem(rx->end.fwd.ring, &desc, sizeof(desc));
	__atomic_store_n(&rx->end.held[desc.slot], rx->end.epoch,
		__ATOMIC_RELEASE);
}

static void
wrong_take_slot_cell_before_held(struct stage *s)
{
	struct ferry_rx *rx = s->rig.rx;
	uint32_t slot;

	memcpy(&slot, rx->end.cells[rx->cell_tail % FERRY_N_CELLS].data,
			sizeof(slot));
	__atomic_store_n(&s->rig.ch->cells_taken, ++rx->cell_tail,
			__ATOMIC_RELEASE);
	__atomic_store_n(&rx->end.held[slot], rx->end.epoch, __ATOMIC_RELEASE);
}

static void
wrong_let_go_before_announce(struct stage *s)
{
	struct ferry_tx *tx = s->rig.tx;

	__atomic_store_n(&tx->end.held[s->msgs[0].id], 0, __ATOMIC_RELEASE);
	ferry_tx_announce(tx, s->msgs[0].id, s->msgs[0].len, s->msgs[0].tag);
}

static void
wrong_let_go_before_give(struct stage *s)
{
	struct ferry_rx *rx = s->rig.rx;
	uint32_t slot = s->msgs[0].id;

	__atomic_store_n(&rx->end.held[slot], 0, __ATOMIC_RELEASE);
	rte_ring_sp_enqueue_elem(rx->end.back.ring, &slot, sizeof(slot));
}

static void
wrong_cell_freed_behind_one_held(struct stage *s)
{
	/* The second is given back, the first goes with it. */
	__atomic_store_n(&s->rig.ch->cells_freed, s->rig.rx->cell_tail,
			__ATOMIC_RELEASE);
}

static void
wrong_release_twice(struct stage *s)
{
	struct ferry_rx *rx = s->rig.rx;
	uint32_t slot = s->msgs[0].id;

	rte_ring_sp_enqueue_elem(rx->end.back.ring, &slot, sizeof(slot));
	rte_ring_sp_enqueue_elem(rx->end.back.ring, &slot, sizeof(slot));
	__atomic_store_n(&rx->end.held[slot], 0, __ATOMIC_RELEASE);
}

static void
wrong_give_what_is_held(struct stage *s)
{
	struct ferry_rx *rx = s->rig.rx;
	uint32_t slot = 0;

	ferry_rx_recv(rx, s->msgs, 1);
	slot = s->msgs[0].id;
	rte_ring_sp_enqueue_elem(rx->end.back.ring, &slot, sizeof(slot));
}

static const struct {
	void (*op)(struct stage *stage);
	/* Of the operation it is a variant of. */
	const char *like;
	const char *wrong;
} wrong_orders[] = {
	{ wrong_let_go_before_publish, "commit 1", "a slot is lost" },
	{ wrong_publish_before_payload, "commit 1",
		"a slot is published before it is complete" },
	{ wrong_stamp_before_payload, "send a cell",
		"a cell is published before it is complete" },
	{ wrong_refill_before_held, "loan 1", "a slot is lost" },
	{ wrong_let_go_before_announce, "commit 1", "a slot is lost" },
	{ wrong_recv_before_held, "recv 6 of the ring", "a slot is lost" },
	{ wrong_take_slot_cell_before_held, "recv a slot", "a slot is lost" },
	{ wrong_let_go_before_give, "release a slot", "a slot is lost" },
	{ wrong_cell_freed_behind_one_held,
		"release a cell after one that is held",
		"a message was overwritten while it was held" },
	{ wrong_release_twice, "release a slot",
		"a slot is in two rings or in none that exists" },
	{ wrong_give_what_is_held, "recv a slot",
		"what was taken is given back at once" },
};

static void
the_stepper_catches_a_wrong_order(void **state)
{
	unsigned int w, i;

	(void)state;
	stage_need_ptrace();
	for (w = 0; w < RTE_DIM(wrong_orders); w++) {
		for (i = 0; i < RTE_DIM(tx_cases); i++)
			if (!strcmp(tx_cases[i].name, wrong_orders[w].like))
				tx_prepare(&tx_cases[i], 0, false);
		for (i = 0; i < RTE_DIM(rx_cases); i++)
			if (!strcmp(rx_cases[i].name, wrong_orders[w].like))
				rx_prepare(&rx_cases[i], 0, false);
		stage.op = wrong_orders[w].op;
		assert_int_equal(stage_run(&stage, UINT64_MAX), 0);
		if (stage.wrong == NULL)
			fail_msg("variant %u of %s passes", w,
					wrong_orders[w].like);
		assert_string_equal(stage.wrong, wrong_orders[w].wrong);
		stage_stop(&stage);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		no_step_of_a_producer_loses_a_slot_or_shows_half_a_message),
		cmocka_unit_test(
			no_step_of_a_consumer_loses_a_slot_or_what_it_holds),
		cmocka_unit_test(
			the_survivor_of_a_kill_at_any_step_loses_nothing),
		cmocka_unit_test(the_stepper_catches_a_wrong_order),
	};

	stage_one_cpu();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
