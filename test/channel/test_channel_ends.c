/* SPDX-License-Identifier: BSD-3-Clause */

/* How ends start, end, wait and tell each other. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ferry_test.h"
#include "chan_rig.h"

#define MS UINT64_C(1000000)
#define FOREVER UINT64_MAX

static const struct {
	enum ferry_end_state state;
	int result;
} endings[] = {
	{ FERRY_END_CLOSED, FERRY_E_CLOSED },
	{ FERRY_END_GONE, FERRY_E_PEER_GONE },
	{ FERRY_END_HUB_GONE, FERRY_E_HUB_GONE },
};

/* Messages of a cell and of a slot each. */
static void
send_two(struct rig *rig, uint64_t i)
{
	uint8_t data[200];
	struct ferry_buf buf = { data, 20, rig_tag(i), 0 };

	rig_fill(data, 20, i);
	assert_int_equal(ferry_tx_send(rig->tx, &buf, 1), 1);
	rig_fill(data, 200, i + 1);
	buf = (struct ferry_buf) { data, 200, rig_tag(i + 1), 0 };
	assert_int_equal(ferry_tx_send(rig->tx, &buf, 1), 1);
}

static void
a_start_refuses_bad_arguments(void **state)
{
	struct ferry_channel_attach good, bad;
	struct ferry_tx *tx = NULL;
	struct ferry_rx *rx = NULL;
	struct rig rig;
	int i;

	(void)state;
	rig_make(&rig, 64, 4);
	good = rig_attach(&rig, 1);
	assert_int_equal(ferry_tx_start(NULL, &good), -EINVAL);
	assert_int_equal(ferry_rx_start(NULL, &good), -EINVAL);
	assert_int_equal(ferry_tx_start(&tx, NULL), -EINVAL);
	assert_int_equal(ferry_rx_start(&rx, NULL), -EINVAL);
	for (i = 0; i < 6; i++) {
		bad = good;
		switch (i) {
		case 0:
			bad.shared = NULL;
			break;
		case 1:
			bad.bells = NULL;
			break;
		case 2:
			bad.endpoint = RIG_BELLS;
			break;
		case 3:
			bad.endpoint = UINT32_MAX;
			break;
		case 4:
			bad.epoch = 0;
			break;
		default:
			bad.epoch = UINT32_MAX;
		}
		assert_int_equal(ferry_tx_start(&tx, &bad), -EINVAL);
		assert_int_equal(ferry_rx_start(&rx, &bad), -EINVAL);
	}
	assert_null(tx);
	assert_null(rx);
	assert_int_equal(rig.ch->tx.state, FERRY_END_ABSENT);
	assert_int_equal(rig.ch->rx.state, FERRY_END_ABSENT);
	rig_stop(&rig);
}

static void
an_end_is_open_while_its_handle_lives(void **state)
{
	struct ferry_channel_attach attach;
	struct rig rig;

	(void)state;
	rig_make(&rig, 64, 4);
	attach = rig_attach(&rig, RIG_TX);
	assert_int_equal(ferry_tx_start(&rig.tx, &attach), 0);
	assert_int_equal(rig.ch->tx.state, FERRY_END_OPEN);
	assert_int_equal(rig.ch->tx.endpoint, RIG_TX);
	assert_int_equal(rig.ch->tx.epoch, RIG_EPOCH + RIG_TX);
	assert_int_equal(ferry_tx_peer(rig.tx), FERRY_END_ABSENT);
	assert_ptr_equal(ferry_tx_channel(rig.tx), rig.ch);
	attach = rig_attach(&rig, RIG_RX);
	assert_int_equal(ferry_rx_start(&rig.rx, &attach), 0);
	assert_int_equal(ferry_tx_peer(rig.tx), FERRY_END_OPEN);
	assert_int_equal(ferry_rx_peer(rig.rx), FERRY_END_OPEN);
	assert_ptr_equal(ferry_rx_channel(rig.rx), rig.ch);
	ferry_tx_stop(rig.tx);
	rig.tx = NULL;
	assert_int_equal(ferry_rx_peer(rig.rx), FERRY_END_CLOSED);
	/* What has ended is not opened again. */
	attach = rig_attach(&rig, RIG_TX);
	assert_int_equal(ferry_tx_start(&rig.tx, &attach), FERRY_E_HUB_GONE);
	assert_null(rig.tx);
	ferry_tx_stop(NULL);
	ferry_rx_stop(NULL);
	rig_stop(&rig);
}

static void
what_the_hub_wrote_stays_when_the_end_is_closed(void **state)
{
	struct rig rig;

	(void)state;
	rig_start(&rig, 64, 4);
	rig_set_state(&rig.ch->tx, FERRY_END_HUB_GONE);
	rig_set_state(&rig.ch->rx, FERRY_END_GONE);
	ferry_tx_stop(rig.tx);
	ferry_rx_stop(rig.rx);
	rig.tx = NULL;
	rig.rx = NULL;
	assert_int_equal(rig.ch->tx.state, FERRY_END_HUB_GONE);
	assert_int_equal(rig.ch->rx.state, FERRY_END_GONE);
	rig_stop(&rig);
}

static void
messages_wait_for_a_consumer_that_is_not_there_yet(void **state)
{
	struct ferry_channel_attach attach;
	struct ferry_msg msgs[4];
	struct rig rig;
	int k;

	(void)state;
	rig_make(&rig, 200, 4);
	attach = rig_attach(&rig, RIG_TX);
	assert_int_equal(ferry_tx_start(&rig.tx, &attach), 0);
	send_two(&rig, 0);
	send_two(&rig, 2);
	/* Even when their producer has left in the meantime. */
	ferry_tx_stop(rig.tx);
	rig.tx = NULL;
	attach = rig_attach(&rig, RIG_RX);
	assert_int_equal(ferry_rx_start(&rig.rx, &attach), 0);
	assert_int_equal(ferry_rx_recv(rig.rx, msgs, 4), 4);
	for (k = 0; k < 4; k++)
		rig_assert_msg(&msgs[k], k % 2 ? 200 : 20, k);
	assert_int_equal(ferry_rx_recv(rig.rx, msgs, 4), FERRY_E_CLOSED);
	rig_stop(&rig);
}

static void
all_that_was_published_arrives_before_the_end_does(void **state)
{
	struct ferry_msg msgs[4];
	unsigned int i, k;

	(void)state;
	for (i = 0; i < RTE_DIM(endings); i++) {
		struct rig rig;

		rig_start(&rig, 200, 4);
		send_two(&rig, 0);
		send_two(&rig, 2);
		/* Loaned and not committed: lost with its producer. */
		assert_int_equal(ferry_tx_loan(rig.tx, msgs, 1), 1);
		if (endings[i].state == FERRY_END_CLOSED) {
			ferry_tx_stop(rig.tx);
			rig.tx = NULL;
		} else {
			rig_set_state(&rig.ch->tx, endings[i].state);
		}
		for (k = 0; k < 4; k++) {
			assert_int_equal(ferry_rx_wait(rig.rx, FOREVER), 0);
			assert_int_equal(ferry_rx_recv(rig.rx, msgs, 1), 1);
			rig_assert_msg(msgs, k % 2 ? 200 : 20, k);
			if (k != 1)
				assert_int_equal(ferry_rx_release(rig.rx, msgs,
						1), 0);
		}
		assert_int_equal(ferry_rx_wait(rig.rx, FOREVER),
				endings[i].result);
		assert_int_equal(ferry_rx_wait(rig.rx, 0), endings[i].result);
		assert_int_equal(ferry_rx_recv(rig.rx, msgs, 4),
				endings[i].result);
		assert_int_equal(ferry_rx_recv(rig.rx, msgs, 4),
				endings[i].result);
		assert_int_equal(rig_census(rig.ch).in_flight, 0);
		assert_int_equal(rig_census(rig.ch).rx_held, 1);
		rig_stop(&rig);
	}
}

static void
a_producer_learns_at_once_that_its_consumer_ended(void **state)
{
	struct ferry_buf small = { "x", 1, 0, 0 };
	struct ferry_msg msgs[4];
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(endings); i++) {
		const int result = endings[i].result;
		struct rig rig;

		rig_start(&rig, 200, 4);
		send_two(&rig, 0);
		assert_int_equal(ferry_tx_loan(rig.tx, msgs, 2), 2);
		if (endings[i].state == FERRY_END_CLOSED) {
			ferry_rx_stop(rig.rx);
			rig.rx = NULL;
		} else {
			rig_set_state(&rig.ch->rx, endings[i].state);
		}
		assert_int_equal(ferry_tx_loan(rig.tx, msgs + 2, 1), result);
		assert_int_equal(ferry_tx_send(rig.tx, &small, 1), result);
		assert_int_equal(ferry_tx_wait(rig.tx, FOREVER), result);
		assert_int_equal(ferry_tx_wait(rig.tx, 0), result);
		assert_int_equal(ferry_tx_drain(rig.tx, FOREVER), result);
		/* Not an error: the slots just never come back. */
		msgs[0].len = 9;
		assert_int_equal(ferry_tx_commit(rig.tx, msgs, 1), 1);
		assert_int_equal(ferry_tx_cancel(rig.tx, &msgs[1], 1), 0);
		assert_int_equal(rig_census(rig.ch).in_flight, 2);
		rig_stop(&rig);
	}
}

static void
a_channel_is_drained_when_all_is_released(void **state)
{
	struct ferry_msg msgs[5], loan = { 0 };
	struct rig rig;

	(void)state;
	rig_start(&rig, 200, 4);
	assert_int_equal(ferry_tx_drain(rig.tx, 0), 0);
	/* Loans not committed do not count. */
	assert_int_equal(ferry_tx_loan(rig.tx, &loan, 1), 1);
	assert_int_equal(ferry_tx_drain(rig.tx, 0), 0);
	send_two(&rig, 0);
	assert_int_equal(ferry_tx_drain(rig.tx, 0), -ETIMEDOUT);
	assert_int_equal(ferry_rx_recv(rig.rx, msgs, 5), 2);
	assert_int_equal(ferry_tx_drain(rig.tx, 0), -ETIMEDOUT);
	/* The one in the cell, then the one in the slot; and reversed. */
	assert_int_equal(ferry_rx_release(rig.rx, &msgs[0], 1), 0);
	assert_int_equal(ferry_tx_drain(rig.tx, 0), -ETIMEDOUT);
	assert_int_equal(ferry_rx_release(rig.rx, &msgs[1], 1), 0);
	assert_int_equal(ferry_tx_drain(rig.tx, 0), 0);
	send_two(&rig, 2);
	assert_int_equal(ferry_rx_recv(rig.rx, msgs, 5), 2);
	assert_int_equal(ferry_rx_release(rig.rx, &msgs[1], 1), 0);
	assert_int_equal(ferry_tx_drain(rig.tx, 0), -ETIMEDOUT);
	assert_int_equal(ferry_rx_release(rig.rx, &msgs[0], 1), 0);
	assert_int_equal(ferry_tx_drain(rig.tx, 0), 0);
	assert_int_equal(ferry_tx_cancel(rig.tx, &loan, 1), 0);
	assert_int_equal(ferry_tx_drain(rig.tx, 0), 0);
	/* Nor does it matter that the consumer has ended since. */
	ferry_rx_stop(rig.rx);
	rig.rx = NULL;
	assert_int_equal(ferry_tx_drain(rig.tx, FOREVER), 0);
	rig_stop(&rig);
}

/*
 * A release may keep slots back while more messages wait; but not while each
 * end waits for the other.
 */
static void
what_is_released_is_a_credit_at_once(void **state)
{
	struct ferry_msg msgs[32], loan;
	struct rig rig;
	uint32_t i;

	(void)state;
	rig_start(&rig, 200, 32);
	assert_int_equal(ferry_tx_loan(rig.tx, msgs, 32), 32);
	assert_int_equal(ferry_tx_commit(rig.tx, msgs, 32), 32);
	rig.ch->tx.may_sleep = 1;
	/* However many messages still wait for the consumer. */
	for (i = 0; i < 32; i++) {
		assert_int_equal(ferry_tx_loan(rig.tx, &loan, 1), 0);
		assert_int_equal(ferry_rx_recv(rig.rx, msgs, 1), 1);
		rig.bells[RIG_TX].state = FERRY_BELL_WATCHED;
		assert_int_equal(ferry_rx_release(rig.rx, msgs, 1), 0);
		assert_int_equal(rig.bells[RIG_TX].state, FERRY_BELL_AWAKE);
		assert_int_equal(ferry_tx_loan(rig.tx, &loan, 1), 1);
	}
	rig_stop(&rig);
}

static void
a_wait_is_for_what_the_last_call_lacked(void **state)
{
	const struct ferry_buf tiny = { "tiny", 4, 7, 0 };
	const struct ferry_buf burst[8] = { tiny, tiny, tiny, tiny, tiny };
	struct ferry_msg slot, cells[FERRY_N_CELLS], loan;
	struct rig rig;
	int n;

	(void)state;
	rig_start(&rig, 300, 1);
	/* The consumer keeps the only slot, and all cells. */
	assert_int_equal(ferry_tx_loan(rig.tx, &loan, 1), 1);
	assert_int_equal(ferry_tx_commit(rig.tx, &loan, 1), 1);
	assert_int_equal(ferry_rx_recv(rig.rx, &slot, 1), 1);
	assert_int_equal(ferry_rx_release(rig.rx, &slot, 0), 0);
	for (n = 0; ferry_tx_send(rig.tx, &tiny, 1) == 1; n++)
		assert_int_equal(ferry_rx_recv(rig.rx, &cells[n], 1), 1);
	assert_true(n >= FERRY_N_CELLS - 1);
	assert_int_equal(ferry_tx_wait(rig.tx, 0), -ETIMEDOUT);
	/* Cells come back: enough for what is tiny, in any burst. */
	assert_int_equal(ferry_rx_release(rig.rx, cells, (uint16_t)n), 0);
	assert_int_equal(ferry_tx_wait(rig.tx, 0), 0);
	assert_int_equal(ferry_tx_send(rig.tx, &tiny, 1), 1);
	assert_int_equal(ferry_tx_send(rig.tx, burst, 8), 8);
	/* Not for a loan. */
	assert_int_equal(ferry_tx_loan(rig.tx, &loan, 1), 0);
	assert_int_equal(ferry_tx_wait(rig.tx, 0), -ETIMEDOUT);
	assert_int_equal(ferry_rx_release(rig.rx, &slot, 1), 0);
	assert_int_equal(ferry_tx_wait(rig.tx, 0), 0);
	rig_stop(&rig);
}

static void
nothing_asked_for_is_nothing_received(void **state)
{
	const struct ferry_buf tiny = { "tiny", 4, 7, 0 };
	struct ferry_msg msg;
	struct rig rig;

	(void)state;
	rig_start(&rig, 300, 1);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 0), 0);
	assert_int_equal(ferry_tx_send(rig.tx, &tiny, 1), 1);
	rig_set_state(&rig.ch->tx, FERRY_END_CLOSED);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 0), 0);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), FERRY_E_CLOSED);
	rig_stop(&rig);
}

static void
a_number_that_nobody_expects_is_corrupt(void **state)
{
	struct ferry_msg loans[8], msg;
	struct rig rig;

	(void)state;
	rig_start(&rig, 300, 8);
	assert_int_equal(ferry_tx_loan(rig.tx, loans, 8), 8);
	rig.tx->end.seq += 3;
	assert_int_equal(ferry_tx_commit(rig.tx, loans, 8), 8);
	assert_int_equal(ferry_rx_wait(rig.rx, 0), 0);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), FERRY_E_CORRUPT);
	rig_stop(&rig);
}

static void
a_wait_ends_when_its_time_is_over(void **state)
{
	enum ferry_wait_policy policy;
	struct ferry_msg loan = { 0 };
	uint64_t start, took;
	struct rig rig;

	(void)state;
	ferry_test_need_eal();
	rig_start(&rig, 200, 1);
	for (policy = FERRY_WAIT_SPIN; policy <= FERRY_WAIT_NAP; policy++) {
		ferry_tx_set_wait(rig.tx, policy);
		ferry_rx_set_wait(rig.rx, policy);
		assert_int_equal(ferry_tx_wait(rig.tx, 0), 0);
		assert_int_equal(ferry_tx_loan(rig.tx, &loan, 1), 1);
		assert_int_equal(ferry_tx_wait(rig.tx, 0), -ETIMEDOUT);
		assert_int_equal(ferry_rx_wait(rig.rx, 0), -ETIMEDOUT);
		start = ferry_test_now_ns();
		assert_int_equal(ferry_tx_wait(rig.tx, 5 * MS), -ETIMEDOUT);
		took = ferry_test_now_ns() - start;
		/* Two clocks: a per mille is the TSC's calibration. */
		assert_true(took >= 49 * MS / 10);
		start = ferry_test_now_ns();
		assert_int_equal(ferry_rx_wait(rig.rx, 130 * MS), -ETIMEDOUT);
		took = ferry_test_now_ns() - start;
		assert_in_range(took, 129 * MS, 20000 * MS);
		assert_int_equal(ferry_tx_cancel(rig.tx, &loan, 1), 0);
		/* What is there already is found without looking at a clock. */
		assert_int_equal(ferry_tx_wait(rig.tx, 1), 0);
		rig_pass(&rig, 200, policy);
		assert_int_equal(ferry_tx_drain(rig.tx, 1), 0);
	}
	rig_stop(&rig);
}

/* An end that sleeps is to go by the new mode now, not when its nap ends. */
static void
a_change_of_mode_rings_the_other_end(void **state)
{
	struct rig rig;

	(void)state;
	rig_start(&rig, 200, 4);
	rig.bells[RIG_RX].state = FERRY_BELL_ASLEEP;
	assert_int_equal(ferry_tx_set_mode(rig.tx, FERRY_MODE_LATENCY), 0);
	assert_int_equal(rig.bells[RIG_RX].state, FERRY_BELL_AWAKE);
	rig.bells[RIG_TX].state = FERRY_BELL_ASLEEP;
	assert_int_equal(ferry_rx_set_mode(rig.rx, FERRY_MODE_EFFICIENCY), 0);
	assert_int_equal(rig.bells[RIG_TX].state, FERRY_BELL_AWAKE);
	rig_stop(&rig);
}

/* What the other thread does after a while. */
struct later {
	struct rig *rig;
	int what;
};

static void *
later_run(void *arg)
{
	const struct later *later = arg;
	struct rig *rig = later->rig;

	/* Long enough for the sleeper to be asleep. */
	usleep(3000);
	switch (later->what) {
	case 0:
		ferry_tx_send(rig->tx, &(struct ferry_buf) { "x", 1, 0, 0 }, 1);
		break;
	case 1:
		ferry_tx_send_slots(rig->tx,
				&(struct ferry_buf) { "x", 1, 0, 0 }, 1);
		break;
	case 2:
		ferry_tx_stop(rig->tx);
		rig->tx = NULL;
		break;
	default:
		/* The hub does both. */
		rig_set_state(&rig->ch->tx, FERRY_END_GONE);
		ferry_bell_shout(&rig->bells[RIG_RX]);
	}
	return NULL;
}

static void
a_consumer_that_waits_for_ever_wakes_for_everything(void **state)
{
	static const int results[] = {
		0, 0, FERRY_E_CLOSED, FERRY_E_PEER_GONE,
	};
	enum ferry_wait_policy policy;
	struct later later;
	pthread_t thread;
	struct rig rig;

	(void)state;
	for (policy = FERRY_WAIT_SPIN; policy <= FERRY_WAIT_NAP; policy++) {
		for (later.what = 0; later.what < 4; later.what++) {
			rig_start(&rig, 200, 4);
			later.rig = &rig;
			ferry_rx_set_wait(rig.rx, policy);
			assert_int_equal(pthread_create(&thread, NULL,
					later_run, &later), 0);
			assert_int_equal(ferry_rx_wait(rig.rx, FOREVER),
					results[later.what]);
			pthread_join(thread, NULL);
			rig_stop(&rig);
		}
	}
}

static void *
later_release(void *arg)
{
	const struct later *later = arg;
	struct rig *rig = later->rig;
	struct ferry_msg msgs[2];
	int n = ferry_rx_recv(rig->rx, msgs, 2);

	usleep(3000);
	switch (later->what) {
	case 0:
		ferry_rx_release(rig->rx, msgs, (uint16_t)n);
		break;
	case 1:
		ferry_rx_stop(rig->rx);
		rig->rx = NULL;
		break;
	default:
		rig_set_state(&rig->ch->rx, FERRY_END_HUB_GONE);
		ferry_bell_shout(&rig->bells[RIG_TX]);
	}
	return NULL;
}

static void
a_producer_that_waits_for_ever_wakes_for_everything(void **state)
{
	static const int results[] = {
		0, FERRY_E_CLOSED, FERRY_E_HUB_GONE,
	};
	enum ferry_wait_policy policy;
	struct later later;
	pthread_t thread;
	struct rig rig;
	int drain;

	(void)state;
	for (policy = FERRY_WAIT_SPIN; policy <= FERRY_WAIT_NAP; policy++) {
		for (drain = 0; drain < 2; drain++) {
			for (later.what = 0; later.what < 3; later.what++) {
				rig_start(&rig, 200, 1);
				later.rig = &rig;
				send_two(&rig, 0);
				ferry_tx_set_wait(rig.tx, policy);
				assert_int_equal(pthread_create(&thread, NULL,
						later_release, &later), 0);
				assert_int_equal(drain ?
					ferry_tx_drain(rig.tx, FOREVER) :
					ferry_tx_wait(rig.tx, FOREVER),
					results[later.what]);
				pthread_join(thread, NULL);
				rig_stop(&rig);
			}
		}
	}
}

static void
an_end_says_when_it_may_sleep(void **state)
{
	struct ferry_msg msg = { 0 };
	struct rig rig;

	(void)state;
	rig_start(&rig, 200, 1);
	assert_int_equal(rig.ch->rx.may_sleep, 0);
	ferry_rx_set_wait(rig.rx, FERRY_WAIT_SLEEP);
	assert_int_equal(rig.ch->rx.may_sleep, 1);
	ferry_rx_set_wait(rig.rx, (enum ferry_wait_policy)77);
	assert_int_equal(rig.ch->rx.may_sleep, 1);
	assert_int_equal(rig.rx->end.wait.policy, FERRY_WAIT_SLEEP);
	/* Rung for a message of either kind, and not when awake. */
	rig.bells[RIG_RX].state = FERRY_BELL_WATCHED;
	rig_pass(&rig, 10, 0);
	assert_int_equal(rig.bells[RIG_RX].state, FERRY_BELL_AWAKE);
	rig.bells[RIG_RX].state = FERRY_BELL_WATCHED;
	rig_pass(&rig, 200, 1);
	assert_int_equal(rig.bells[RIG_RX].state, FERRY_BELL_AWAKE);
	assert_int_equal(ferry_tx_loan(rig.tx, &msg, 1), 1);
	rig.bells[RIG_RX].state = FERRY_BELL_WATCHED;
	assert_int_equal(ferry_tx_commit(rig.tx, &msg, 1), 1);
	assert_int_equal(rig.bells[RIG_RX].state, FERRY_BELL_AWAKE);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_rx_release(rig.rx, &msg, 1), 0);
	ferry_rx_set_wait(rig.rx, FERRY_WAIT_YIELD);
	assert_int_equal(rig.ch->rx.may_sleep, 0);
	rig.bells[RIG_RX].state = FERRY_BELL_WATCHED;
	rig_pass(&rig, 10, 2);
	assert_int_equal(rig.bells[RIG_RX].state, FERRY_BELL_WATCHED);

	/* The producer, for what is released. */
	ferry_tx_set_wait(rig.tx, FERRY_WAIT_SLEEP);
	assert_int_equal(rig.ch->tx.may_sleep, 1);
	rig.bells[RIG_TX].state = FERRY_BELL_WATCHED;
	rig_pass(&rig, 200, 3);
	assert_int_equal(rig.bells[RIG_TX].state, FERRY_BELL_AWAKE);
	ferry_tx_set_wait(rig.tx, FERRY_WAIT_SPIN);
	assert_int_equal(rig.ch->tx.may_sleep, 0);
	/* An endpoint out of range rings no bell. */
	rig.ch->rx.endpoint = UINT32_MAX;
	rig.ch->rx.may_sleep = 1;
	rig_pass(&rig, 10, 4);
	rig_stop(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_refuses_bad_arguments),
		cmocka_unit_test(an_end_is_open_while_its_handle_lives),
		cmocka_unit_test(
			what_the_hub_wrote_stays_when_the_end_is_closed),
		cmocka_unit_test(
			messages_wait_for_a_consumer_that_is_not_there_yet),
		cmocka_unit_test(
			all_that_was_published_arrives_before_the_end_does),
		cmocka_unit_test(
			a_producer_learns_at_once_that_its_consumer_ended),
		cmocka_unit_test(a_channel_is_drained_when_all_is_released),
		cmocka_unit_test(what_is_released_is_a_credit_at_once),
		cmocka_unit_test(a_wait_is_for_what_the_last_call_lacked),
		cmocka_unit_test(nothing_asked_for_is_nothing_received),
		cmocka_unit_test(a_number_that_nobody_expects_is_corrupt),
		cmocka_unit_test(a_change_of_mode_rings_the_other_end),
		cmocka_unit_test(a_wait_ends_when_its_time_is_over),
		cmocka_unit_test(
			a_consumer_that_waits_for_ever_wakes_for_everything),
		cmocka_unit_test(
			a_producer_that_waits_for_ever_wakes_for_everything),
		cmocka_unit_test(an_end_says_when_it_may_sleep),
	};

	return cmocka_run_group_tests(tests, ferry_test_eal_setup, NULL);
}
