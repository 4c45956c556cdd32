/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Posts, sends and commits of one channel against a model of it, with random
 * calls. Two engines and the producer itself take turns to serve the channel.
 * Their lanes end their copies late and in any order. The seed is printed;
 * FERRY_TEST_SEED repeats a run.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ferry_post.h"
#include "ferry_test.h"
#include "chan_rig.h"
#include "chance.h"
#include "late_lane.h"

#define POSTS_MAX 256
#define HELD_MAX 128
#define BURST_MAX 8
#define LONGEST 40000

struct model {
	struct rig rig;
	struct rig_engine engines[2];
	struct late late[2];
	struct late own;
	/* The engine that serves the channel; NULL: the producer serves it, or
	 * no server does. */
	struct rig_engine *engine;
	uint64_t sent, received;
	/* Payloads of posts, by their number; which message each is. */
	uint8_t *payloads[POSTS_MAX];
	uint64_t message[POSTS_MAX];
	uint64_t posted, done;
	struct ferry_msg loans[HELD_MAX];
	uint32_t n_loans;
	struct ferry_msg held[HELD_MAX];
	uint32_t n_held;
	/* How often what was done: all of it must have happened. */
	uint64_t by_server, moves, selves, waits, modes;
};

static uint32_t
len_of(const struct model *m, uint64_t i)
{
	uint64_t state = i;
	const uint64_t r = ferry_test_random(&state);
	const uint32_t most = m->rig.ch->slot_size;

	switch (r % 8) {
	case 0:
		return most;
	case 1:
	case 2:
	case 3:
		return (uint32_t)((r >> 8) % (most + 1));
	case 4:
		return (uint32_t)((r >> 8) % (RTE_MIN(most,
				FERRY_POST_TINY + 100u) + 1));
	default:
		return (uint32_t)((r >> 8) % (RTE_MIN(most, 130u) + 1));
	}
}

/* What pending() says is the caller's again must not be looked at any more. */
static void
take_back(struct model *m)
{
	const uint32_t pending = ferry_tx_pending(m->rig.tx);

	assert_true(pending <= m->posted - m->done);
	for (; m->done < m->posted - pending; m->done++) {
		const uint32_t k = m->done % POSTS_MAX;

		memset(m->payloads[k], 0xee, len_of(m, m->message[k]));
	}
}

static void
model_post(struct model *m)
{
	const uint32_t room = (uint32_t)(POSTS_MAX - (m->posted - m->done));
	const uint32_t n = RTE_MIN(1 + chance(BURST_MAX), room);
	struct ferry_buf bufs[BURST_MAX];
	uint32_t k;
	int ret;

	for (k = 0; k < n; k++) {
		const uint64_t i = m->sent + k;
		const uint32_t at = (m->posted + k) % POSTS_MAX;

		bufs[k] = (struct ferry_buf) {
			m->payloads[at], len_of(m, i), rig_tag(i),
			(enum ferry_placement)chance(FERRY_PLACES),
		};
		rig_fill(m->payloads[at], bufs[k].len, i);
		m->message[at] = i;
	}
	ret = ferry_tx_post(m->rig.tx, bufs, (uint16_t)n);
	assert_in_range(ret, 0, n);
	m->sent += (uint64_t)ret;
	m->posted += (uint64_t)ret;
}

/* Whether a send would wait for an engine, which this thread is. */
static bool
send_waits(const struct model *m, uint32_t len)
{
	return m->engine != NULL && len > FERRY_POST_TINY &&
		(ferry_tx_mode(m->rig.tx) != FERRY_MODE_LATENCY ||
		 len >= 32768);
}

static void
model_send(struct model *m)
{
	static uint8_t data[LONGEST];
	struct ferry_buf buf = {
		data, len_of(m, m->sent), rig_tag(m->sent), 0,
	};
	int ret;

	if (send_waits(m, buf.len))
		return;
	rig_fill(data, buf.len, m->sent);
	ret = ferry_tx_send(m->rig.tx, &buf, 1);
	assert_in_range(ret, 0, 1);
	memset(data, 0xee, buf.len);
	m->sent += (uint64_t)ret;
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

static void
model_commit(struct model *m)
{
	const uint32_t n = m->n_loans > 0 ? 1 + chance(m->n_loans) : 0;
	uint32_t k;

	m->n_loans -= n;
	for (k = 0; k < n; k++) {
		struct ferry_msg *msg = &m->loans[m->n_loans + k];

		msg->len = len_of(m, m->sent);
		msg->tag = rig_tag(m->sent);
		rig_fill(msg->data, msg->len, m->sent++);
	}
	assert_int_equal(ferry_tx_commit(m->rig.tx, m->loans + m->n_loans,
			(uint16_t)n), n);
}

static void
model_cancel(struct model *m)
{
	const uint32_t n = m->n_loans > 0 ? 1 + chance(m->n_loans) : 0;

	m->n_loans -= n;
	assert_int_equal(ferry_tx_cancel(m->rig.tx, m->loans + m->n_loans,
			(uint16_t)n), 0);
}

static void
model_recv(struct model *m)
{
	const uint32_t n = RTE_MIN(1 + chance(BURST_MAX), HELD_MAX - m->n_held);
	struct ferry_msg *msgs = m->held + m->n_held;
	const int ret = ferry_rx_recv(m->rig.rx, msgs, (uint16_t)n);
	int k;

	assert_in_range(ret, 0, RTE_MIN(m->sent - m->received, (uint64_t)n));
	for (k = 0; k < ret; k++, m->received++)
		rig_assert_msg(&msgs[k], len_of(m, m->received), m->received);
	m->n_held += (uint32_t)ret;
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

		m->held[other] = m->held[last];
		m->held[last] = msg;
	}
	m->n_held -= n;
	assert_int_equal(ferry_rx_release(m->rig.rx, m->held + m->n_held,
			(uint16_t)n), 0);
}

/* Another engine, or none; unless the producer has its own jobs under way. */
static void
model_move(struct model *m)
{
	struct rig_engine *to = chance(3) ? &m->engines[chance(2)] : NULL;

	if (m->engine != NULL)
		rig_leave(&m->rig, m->engine);
	m->engine = NULL;
	if (m->rig.ch->service.server != FERRY_SERVER_NONE) {
		m->selves++;
		return;
	}
	if (to != NULL && rig_serve(&m->rig, to) == 0)
		m->engine = to;
	m->moves++;
}

/*
 * Without lanes of its own the producer fills gaps between engines only, and
 * lets go of the channel in the end.
 */
static void
lanes_come_and_go(struct model *m)
{
	m->rig.copier.nb_open = 1 + chance(2);
}

static void
model_mode(struct model *m)
{
	static const enum ferry_mode modes[] = {
		FERRY_MODE_EFFICIENCY, FERRY_MODE_EFFICIENCY,
		FERRY_MODE_THROUGHPUT, FERRY_MODE_LATENCY,
	};
	const enum ferry_mode mode = modes[chance(RTE_DIM(modes))];

	/* To begin to sleep takes tens of milliseconds, on either side. */
	if (chance(32) > 0)
		return;
	m->modes++;
	if (chance(2))
		assert_int_equal(ferry_tx_set_mode(m->rig.tx, mode), 0);
	else
		assert_int_equal(ferry_rx_set_mode(m->rig.rx, mode), 0);
	/* That the server were proven faster takes long to learn. */
	m->rig.tx->post->route.next[15] = chance(2);
}

static void
poll_engine(struct model *m)
{
	const uint32_t k = chance(2);

	m->late[k].backwards = chance(2);
	ferry_server_poll(&m->engines[k].server);
}

static void
model_wait(struct model *m)
{
	const uint32_t most = chance(4);
	int ret = ferry_tx_finish(m->rig.tx, most, 0);

	assert_true(ret == 0 || ret == -ETIMEDOUT);
	/* A producer that serves itself gets on in each call. */
	if (ret == 0)
		assert_true(ferry_tx_pending(m->rig.tx) <= most);
	else if (m->engine != NULL)
		assert_true(ferry_tx_pending(m->rig.tx) > most);
	ret = ferry_tx_drain(m->rig.tx, 0);
	assert_true(ret == 0 || ret == -ETIMEDOUT);
	assert_int_equal(ret == 0, m->received == m->sent && m->n_held == 0);
	ret = ferry_rx_wait(m->rig.rx, 0);
	if (ret == 0)
		m->waits++;
	else
		assert_int_equal(ret, -ETIMEDOUT);
}

static void
model_check(struct model *m)
{
	const struct ferry_channel_census c = rig_census(m->rig.ch);

	assert_true(c.jobs <= m->posted - m->done);
	assert_true(c.rx_held <= m->n_held);
	assert_true(c.tx_held >= m->n_loans);
}

static void
step(struct model *m)
{
	switch (chance(16)) {
	case 0:
	case 1:
	case 2:
	case 3:
		model_post(m);
		break;
	case 4:
		model_send(m);
		break;
	case 5:
		model_loan(m);
		break;
	case 6:
		if (chance(3))
			model_commit(m);
		else
			model_cancel(m);
		break;
	case 7:
	case 8:
		model_recv(m);
		break;
	case 9:
		model_release(m);
		break;
	case 10:
	case 11:
	case 12:
		poll_engine(m);
		break;
	case 13:
		take_back(m);
		break;
	case 14:
		model_wait(m);
		break;
	default:
		switch (chance(8)) {
		case 0:
			model_mode(m);
			break;
		case 1:
		case 2:
			model_move(m);
			break;
		case 3:
			lanes_come_and_go(m);
			break;
		default:
			break;
		}
	}
}

/* All of it comes home. */
static void
finish(struct model *m)
{
	struct ferry_end_stats tx, rx;

	assert_int_equal(ferry_tx_cancel(m->rig.tx, m->loans,
		(uint16_t)m->n_loans), 0);
	m->n_loans = 0;
	while (m->received < m->sent || m->n_held > 0) {
		poll_engine(m);
		take_back(m);
		model_recv(m);
		model_release(m);
	}
	while (m->done < m->posted) {
		poll_engine(m);
		take_back(m);
	}
	assert_int_equal(ferry_rx_recv(m->rig.rx, m->held, 1), 0);
	assert_int_equal(ferry_tx_finish(m->rig.tx, 0, 0), 0);
	assert_int_equal(ferry_tx_drain(m->rig.tx, 0), 0);
	assert_int_equal(rig_census(m->rig.ch).jobs, 0);
	ferry_tx_stats(m->rig.tx, &tx);
	ferry_rx_stats(m->rig.rx, &rx);
	assert_int_equal(tx.msgs, m->sent);
	assert_int_equal(rx.msgs, m->sent);
	assert_int_equal(tx.bytes, rx.bytes);
}

/*
 * All of it must have happened, but how soon is a matter of chance, and of the
 * time that copies take: the producer decides by that.
 */
static bool
saw_all(struct model *m, uint64_t messages)
{
	m->by_server = m->late[0].ended + m->late[1].ended;
	return m->by_server > messages / 50 && m->own.ended > 0 &&
		m->moves > messages / 1000 && m->selves > 0 && m->waits > 0;
}

static void
model_run(uint32_t slot_size, uint32_t n_slots, uint64_t messages)
{
	const bool all = slot_size > FERRY_POST_TINY;
	struct model *m = calloc(1, sizeof(*m));
	unsigned int k;

	assert_non_null(m);
	print_message("%u slots of %u bytes, seed %llu\n", n_slots, slot_size,
		(unsigned long long)chance_state());
	rig_start_post(&m->rig, slot_size, n_slots, 2);
	rig_age(&m->rig);
	for (k = 0; k < 2; k++) {
		m->late[k].seed = chance_state() + k;
		rig_engine_make(&m->rig, &m->engines[k], k);
		late_add(&m->engines[k].copier, &m->late[k]);
	}
	m->own.seed = chance_state();
	late_add(&m->rig.copier, &m->own);
	for (k = 0; k < POSTS_MAX; k++) {
		m->payloads[k] = malloc(slot_size);
		assert_non_null(m->payloads[k]);
	}
	assert_int_equal(ferry_tx_set_mode(m->rig.tx, FERRY_MODE_EFFICIENCY),
		0);
	while (m->received < messages || (all && !saw_all(m, messages) &&
			m->received < 5 * messages)) {
		step(m);
		model_check(m);
	}
	finish(m);
	print_message("%llu messages, %llu by engines, %llu by the producer's "
		"lane, %llu moves\n", (unsigned long long)m->sent,
		(unsigned long long)m->by_server,
		(unsigned long long)m->own.ended,
		(unsigned long long)m->moves);
	if (all)
		assert_true(saw_all(m, messages));
	if (m->engine != NULL)
		rig_leave(&m->rig, m->engine);
	rig_stop(&m->rig);
	for (k = 0; k < 2; k++) {
		assert_int_equal(m->engines[k].server.n_channels, 0);
		rig_engine_free(&m->engines[k]);
	}
	for (k = 0; k < POSTS_MAX; k++)
		free(m->payloads[k]);
	free(m);
}

static void
a_hundred_thousand_mixed_messages_are_as_the_model_says(void **state)
{
	(void)state;
	model_run(4096, 16, 100000);
	model_run(6000, 40, 50000);
}

static void
one_slot_is_enough_for_posts(void **state)
{
	(void)state;
	model_run(4096, 1, 20000);
}

static void
rings_without_a_place_to_spare_are_enough(void **state)
{
	(void)state;
	model_run(4096, 3, 20000);
	model_run(4096, 63, 50000);
}

static void
long_messages_change_ways_without_changing_places(void **state)
{
	(void)state;
	model_run(LONGEST, 7, 20000);
}

static void
nothing_tiny_is_left_to_a_server(void **state)
{
	(void)state;
	model_run(200, 16, 20000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		a_hundred_thousand_mixed_messages_are_as_the_model_says),
		cmocka_unit_test(one_slot_is_enough_for_posts),
		cmocka_unit_test(rings_without_a_place_to_spare_are_enough),
		cmocka_unit_test(
			long_messages_change_ways_without_changing_places),
		cmocka_unit_test(nothing_tiny_is_left_to_a_server),
	};

	chance_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
