/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Bulk messages of one channel against a model of it, with random calls of both
 * ends and of two engines that take turns. The engines' lanes end their copies
 * late and in any order. The test overwrites memory that a call gives back to
 * its caller, or watches that it does not change. The seed is printed;
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

#include "ferry_bulk.h"
#include "ferry_test.h"
#include "chan_rig.h"
#include "chance.h"
#include "late_lane.h"

#define MESSAGES 8000
#define LONGEST (UINT64_C(150) << 10)
#define TINY 100
/* Released memory that is watched for a while. */
#define GRAVES 16
#define GUARD 64

/* What became of a message at an end. */
enum { UNDER_WAY = 0, ARRIVED = 1, GIVEN_UP = 2 };

struct sent {
	struct ferry_bulk_out *out;
	uint8_t *data;
	uint32_t i;
	bool cancelled;
};

struct taken {
	struct ferry_bulk_in *in;
	/* The consumer's own memory, with a guard behind it; or NULL. */
	uint8_t *own;
	uint64_t room;
	uint64_t seen;
	uint32_t i;
};

struct grave {
	uint8_t *mem;
	uint64_t len;
};

struct model {
	struct rig rig;
	struct rig_engine engines[2];
	struct late late[2];
	struct rig_engine *engine;
	uint32_t sent, received;
	bool bulk[MESSAGES];
	int tx[MESSAGES];
	int rx[MESSAGES];
	struct sent outs[FERRY_BULK_BLOCKS];
	struct taken ins[FERRY_BULK_BLOCKS];
	/* Received, but neither taken nor refused. */
	struct ferry_msg held[FERRY_BULK_BLOCKS];
	uint32_t held_i[FERRY_BULK_BLOCKS];
	uint32_t n_held;
	/* Buffers that are lent. */
	struct iovec lent[FERRY_BULK_BLOCKS];
	struct grave graves[GRAVES];
	uint32_t n_graves;
	/* How often what happened: all of it must. */
	uint64_t whole, cancels, refusals, busy, lents, full, by_engines;
};

static uint64_t
len_of(uint32_t i)
{
	uint64_t state = i + 3;
	const uint64_t r = ferry_test_random(&state);

	return 1 + (r >> 8) % (r % 3 == 0 ? LONGEST : r % 3 == 1 ? 40000 : 900);
}

/* Fill and keep mem, which no participant may write any more. A later call
 * checks that mem has not changed. */
static void
bury(struct model *m, uint8_t *mem, uint64_t len)
{
	struct grave *g = &m->graves[m->n_graves++ % GRAVES];
	uint64_t k;

	for (k = 0; k < g->len; k++)
		assert_int_equal(g->mem[k], 0x77);
	free(g->mem);
	memset(mem, 0x77, len);
	g->mem = mem;
	g->len = len;
}

static uint8_t *
guarded(uint64_t len)
{
	uint8_t *mem = malloc(len + GUARD);

	assert_non_null(mem);
	memset(mem, 0x55, len + GUARD);
	return mem;
}

static void
guard_check(const uint8_t *mem, uint64_t len)
{
	unsigned int k;

	for (k = 0; k < GUARD; k++)
		assert_int_equal(mem[len + k], 0x55);
}

/* Cut memory into a few pieces. */
static unsigned int
pieces(struct iovec *iov, uint8_t *mem, uint64_t len)
{
	unsigned int n = 0;
	uint64_t part;

	while (len > 0) {
		part = n == 4 ? len : chance((uint32_t)len + 1);
		iov[n++] = (struct iovec) { mem, part };
		mem += part;
		len -= part;
	}
	return n;
}

static void
model_send(struct model *m)
{
	const uint64_t len = len_of(m->sent);
	const struct ferry_bulk_options options = {
		.tag = rig_tag(m->sent), .by = chance(8) << 1,
		.place = (enum ferry_placement)chance(FERRY_PLACES),
	};
	struct sent *s = &m->outs[chance(FERRY_BULK_BLOCKS)];
	struct iovec iov[5];
	unsigned int n;
	int ret;

	if (s->out != NULL)
		return;
	s->data = malloc(len);
	ferry_test_fill(s->data, len, m->sent);
	n = pieces(iov, s->data, len);
	ret = ferry_bulk_send(m->rig.tx, iov, n, &options, &s->out);
	assert_in_range(ret, 0, 1);
	if (ret == 0) {
		assert_int_equal(ferry_bulk_tx_wait(m->rig.tx, 0), -ETIMEDOUT);
		free(s->data);
		s->out = NULL;
		m->full++;
		return;
	}
	s->i = m->sent;
	s->cancelled = false;
	m->bulk[m->sent++] = true;
}

static void
model_send_tiny(struct model *m)
{
	uint8_t data[TINY];
	const struct ferry_buf buf = {
		data, 1 + m->sent % TINY, rig_tag(m->sent), 0,
	};
	int ret;

	rig_fill(data, buf.len, m->sent);
	ret = ferry_tx_send(m->rig.tx, &buf, 1);
	assert_in_range(ret, 0, 1);
	m->sent += (uint32_t)ret;
}

/* The producer looks at a message: cancels it, waits for it, gives it up. */
static void
model_out(struct model *m)
{
	struct sent *s = &m->outs[chance(FERRY_BULK_BLOCKS)];
	int ret, ended;

	if (s->out == NULL)
		return;
	if (chance(30) == 0) {
		ret = ferry_bulk_cancel(s->out, 0);
		assert_true(ret == 0 || ret == -EALREADY || ret == -ETIMEDOUT);
		s->cancelled = true;
		m->cancels += ret == 0;
		m->busy += ret == -ETIMEDOUT;
	}
	ended = chance(2) ? ferry_bulk_poll(s->out) :
		ferry_bulk_wait(s->out, 0);
	if (ended == -ETIMEDOUT)
		return;
	ended = ferry_bulk_poll(s->out);
	if (ended == 0)
		return;
	assert_true(ended == ARRIVED || ended == FERRY_E_REFUSED ||
		(ended == FERRY_E_CANCELLED && s->cancelled));
	m->tx[s->i] = ended;
	/* The source is the producer's again: no participant may read it. */
	memset(s->data, 0xee, len_of(s->i));
	free(s->data);
	ferry_bulk_close(s->out);
	s->out = NULL;
}

static void
model_recv(struct model *m)
{
	struct ferry_msg msg;
	int ret;

	if (m->n_held == FERRY_BULK_BLOCKS)
		return;
	ret = ferry_rx_recv(m->rig.rx, &msg, 1);
	assert_in_range(ret, 0, 1);
	assert_int_equal(ret, m->received < m->sent);
	if (ret == 0)
		return;
	assert_int_equal(msg.tag, rig_tag(m->received));
	assert_int_equal(ferry_msg_is_bulk(&msg), m->bulk[m->received]);
	if (ferry_msg_is_bulk(&msg)) {
		assert_int_equal(ferry_bulk_msg_len(&msg),
			len_of(m->received));
		m->held[m->n_held] = msg;
		m->held_i[m->n_held++] = m->received++;
		return;
	}
	rig_assert_msg(&msg, 1 + m->received % TINY, m->received);
	assert_int_equal(ferry_rx_release(m->rig.rx, &msg, 1), 0);
	m->received++;
}

/* The buffer of a message was lent, and so is this end's memory. */
static void
find_lent(struct model *m, struct taken *t)
{
	unsigned int k;

	for (k = 0; k < FERRY_BULK_BLOCKS; k++)
		if (m->lent[k].iov_base != NULL && m->lent[k].iov_base ==
				ferry_bulk_data(t->in)) {
			t->own = m->lent[k].iov_base;
			t->room = m->lent[k].iov_len;
			m->lent[k].iov_base = NULL;
			m->lents++;
		}
}

static void
model_take(struct model *m)
{
	struct taken *t = &m->ins[chance(FERRY_BULK_BLOCKS)];
	struct iovec iov[5];
	uint64_t len;
	uint32_t k;
	int ret;

	if (m->n_held == 0)
		return;
	k = chance(m->n_held);
	if (chance(8) == 0) {
		assert_int_equal(ferry_rx_release(m->rig.rx, &m->held[k], 1),
			0);
		m->rx[m->held_i[k]] = GIVEN_UP;
		m->refusals++;
	} else if (t->in != NULL) {
		return;
	} else {
		len = len_of(m->held_i[k]);
		t->own = NULL;
		t->seen = 0;
		t->i = m->held_i[k];
		if (chance(2)) {
			t->own = guarded(len);
			t->room = len;
			ret = ferry_bulk_accept(m->rig.rx, &m->held[k], iov,
				pieces(iov, t->own, len), &t->in);
			if (ret == -EBUSY) {
				free(t->own);
				t->own = NULL;
			} else {
				assert_int_equal(ret, 0);
			}
		}
		if (t->own == NULL) {
			assert_int_equal(ferry_bulk_accept(m->rig.rx,
				&m->held[k], NULL, 0, &t->in), 0);
			find_lent(m, t);
		}
		assert_int_equal(ferry_bulk_tag(t->in), rig_tag(t->i));
		assert_int_equal(ferry_bulk_len(t->in), len);
	}
	m->held[k] = m->held[--m->n_held];
	m->held_i[k] = m->held_i[m->n_held];
}

/* The consumer looks at a message, and gives it back at some time. */
static void
model_in(struct model *m)
{
	struct taken *t = &m->ins[chance(FERRY_BULK_BLOCKS)];
	const uint64_t len = len_of(t->i);
	const uint8_t *data;
	uint8_t *right;
	uint64_t ready;
	int ended;

	if (t->in == NULL)
		return;
	ready = ferry_bulk_ready(t->in, &ended);
	assert_in_range(ready, t->seen, len);
	assert_true(ended == 1 ? ready == len : ready < len);
	assert_true(ended == 0 || ended == 1 || ended == FERRY_E_CANCELLED ||
		ended == FERRY_E_REFUSED);
	if (ended >= 0) {
		assert_int_equal(ferry_bulk_await(t->in, ready, 0), 0);
		t->seen = ready;
	}
	data = t->own != NULL ? t->own : ferry_bulk_data(t->in);
	if (ended == 1) {
		assert_int_equal(ferry_test_check(data, len, t->i), -1);
	} else if (ended == 0 && ready > 0 && chance(4) == 0) {
		right = malloc(len);
		ferry_test_fill(right, len, t->i);
		assert_memory_equal(data, right, ready);
		free(right);
	}
	if (ended == 0 && chance(30) > 0)
		return;
	if (ferry_bulk_release(t->in, 0) != 0) {
		m->busy++;
		assert_non_null(t->own);
		m->rx[t->i] = GIVEN_UP;
		return;
	}
	if (m->rx[t->i] == UNDER_WAY)
		m->rx[t->i] = ended == 0 ? GIVEN_UP : ended;
	m->whole += ended == 1;
	t->in = NULL;
	if (t->own == NULL)
		return;
	guard_check(t->own, t->room);
	bury(m, t->own, t->room);
}

static void
model_lend(struct model *m)
{
	struct iovec bufs[FERRY_BULK_BLOCKS];
	const uint64_t len = 1 + chance((uint32_t)LONGEST);
	unsigned int i, k, n;

	if (chance(4) > 0) {
		for (k = 0; k < FERRY_BULK_BLOCKS &&
				m->lent[k].iov_base != NULL; k++)
			;
		if (k == FERRY_BULK_BLOCKS)
			return;
		m->lent[k] = (struct iovec) { guarded(len), len };
		assert_int_equal(ferry_bulk_lend(m->rig.rx, m->lent[k].iov_base,
			len), 0);
		return;
	}
	n = ferry_bulk_unlend(m->rig.rx, bufs);
	for (i = 0; i < n; i++) {
		for (k = 0; m->lent[k].iov_base != bufs[i].iov_base; k++)
			assert_true(k + 1 < FERRY_BULK_BLOCKS);
		assert_int_equal(m->lent[k].iov_len, bufs[i].iov_len);
		m->lent[k].iov_base = NULL;
		guard_check(bufs[i].iov_base, bufs[i].iov_len);
		bury(m, bufs[i].iov_base, bufs[i].iov_len);
	}
}

static void
poll_engine(struct model *m)
{
	const uint32_t k = chance(2);

	m->late[k].backwards = chance(2);
	m->late[k].hold = chance(3) > 0;
	ferry_server_poll(&m->engines[k].server);
}

/* The engine serves no more, for which its lane has to end what it has. */
static void
leave(struct model *m)
{
	m->late[0].hold = false;
	m->late[1].hold = false;
	if (m->engine != NULL)
		rig_leave(&m->rig, m->engine);
}

static void
model_move(struct model *m)
{
	if (chance(20) > 0)
		return;
	leave(m);
	m->engine = chance(4) ? &m->engines[chance(2)] : NULL;
	if (m->engine != NULL)
		assert_int_equal(rig_serve(&m->rig, m->engine), 0);
}

static void
step(struct model *m)
{
	switch (chance(15)) {
	case 0:
	case 1:
		if (m->sent < MESSAGES)
			model_send(m);
		break;
	case 2:
		if (m->sent < MESSAGES && chance(4) == 0)
			model_send_tiny(m);
		break;
	case 3:
	case 4:
		model_out(m);
		break;
	case 5:
		model_recv(m);
		break;
	case 6:
		model_take(m);
		break;
	case 7:
	case 8:
		model_in(m);
		break;
	case 9:
		model_lend(m);
		break;
	case 10:
		model_move(m);
		break;
	default:
		poll_engine(m);
		break;
	}
}

static bool
is_idle(const struct model *m)
{
	unsigned int k;

	for (k = 0; k < FERRY_BULK_BLOCKS; k++)
		if (m->outs[k].out != NULL || m->ins[k].in != NULL)
			return false;
	return m->sent == MESSAGES && m->received == MESSAGES &&
		m->n_held == 0;
}

/* Whether what the two ends found can be of the same message. */
static bool
agree(int sent, int received)
{
	if (received == GIVEN_UP)
		return sent == ARRIVED || sent == FERRY_E_REFUSED ||
			sent == FERRY_E_CANCELLED;
	return sent == received;
}

static void
check_books(struct model *m)
{
	struct ferry_bulk_stats tx, rx;
	struct ferry_end_stats sent, received;
	uint64_t arrived = 0, bulk = 0, bytes = 0;
	uint32_t i;

	for (i = 0; i < MESSAGES; i++) {
		if (!m->bulk[i])
			continue;
		if (!agree(m->tx[i], m->rx[i]))
			fail_msg("message %u: sent %d, received %d", i,
				m->tx[i], m->rx[i]);
		bulk++;
		arrived += m->tx[i] == ARRIVED;
		bytes += m->tx[i] == ARRIVED ? len_of(i) : 0;
	}
	ferry_bulk_tx_stats(m->rig.tx, &tx);
	ferry_bulk_rx_stats(m->rig.rx, &rx);
	assert_int_equal(tx.msgs, arrived);
	assert_int_equal(tx.bytes, bytes);
	assert_int_equal(tx.aborted, bulk - arrived);
	assert_int_equal(rx.msgs + rx.aborted, bulk);
	assert_true(rx.msgs <= tx.msgs);
	ferry_tx_stats(m->rig.tx, &sent);
	ferry_rx_stats(m->rig.rx, &received);
	assert_int_equal(sent.msgs, MESSAGES);
	assert_int_equal(received.msgs, MESSAGES);
	assert_int_equal(sent.bytes, received.bytes);
	m->by_engines = m->engines[0].server.stats.bulk_bytes +
		m->engines[1].server.stats.bulk_bytes;
	assert_true(tx.copied + rx.copied + m->by_engines >= bytes);
}

static void
model_start(struct model *m, bool strangers)
{
	unsigned int k;

	rig_start_post(&m->rig, 256, 8, 2);
	for (k = 0; k < 2; k++) {
		m->late[k].seed = chance_state() + k;
		rig_engine_make(&m->rig, &m->engines[k], k);
		late_add(&m->engines[k].copier, &m->late[k]);
	}
	if (strangers) {
		rig_be_strangers(&m->rig);
	}
}

static void
model_stop(struct model *m)
{
	unsigned int k;

	leave(m);
	rig_stop(&m->rig);
	assert_int_equal(m->rig.n_pieces, 0);
	assert_int_equal(m->rig.n_holds, 0);
	for (k = 0; k < 2; k++)
		rig_engine_free(&m->engines[k]);
	for (k = 0; k < FERRY_BULK_BLOCKS; k++)
		free(m->lent[k].iov_base);
	for (k = 0; k < GRAVES; k++)
		free(m->graves[k].mem);
}

static void
model_run(bool strangers)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	print_message("seed %llu\n", (unsigned long long)chance_state());
	model_start(m, strangers);
	while (!is_idle(m))
		step(m);
	assert_int_equal(ferry_tx_drain(m->rig.tx, 0), 0);
	check_books(m);
	print_message("%llu whole, %llu cancelled, %llu refused, %llu lent, "
		"%llu busy, %llu full, %llu KiB by engines\n",
		(unsigned long long)m->whole, (unsigned long long)m->cancels,
		(unsigned long long)m->refusals, (unsigned long long)m->lents,
		(unsigned long long)m->busy, (unsigned long long)m->full,
		(unsigned long long)m->by_engines >> 10);
	assert_true(m->whole > MESSAGES / 10);
	assert_true(m->cancels > 0 && m->refusals > 0 && m->lents > 0);
	assert_true(m->busy > 0 && m->full > 0 && m->by_engines > 0);
	model_stop(m);
	free(m);
}

static void
mixed_messages_are_as_the_model_says(void **state)
{
	(void)state;
	model_run(false);
}

static void
so_they_are_between_strangers(void **state)
{
	(void)state;
	model_run(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mixed_messages_are_as_the_model_says),
		cmocka_unit_test(so_they_are_between_strangers),
	};

	chance_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
