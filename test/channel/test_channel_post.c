/* SPDX-License-Identifier: BSD-3-Clause */

/* Posts and servers, one thing at a time; and peers that write garbage. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_malloc.h>

#include "ferry_post.h"
#include "ferry_test.h"
#include "chan_rig.h"
#include "late_lane.h"

#define SLOT 4096
#define LONG 3000
#define PAYLOADS 128

/* A channel, an engine that is polled by the test, and its lane. */
struct bench {
	struct rig rig;
	struct rig_engine engine;
	struct late late;
	uint8_t (*payloads)[SLOT];
	uint64_t sent, received;
	/* Length of each message. */
	uint32_t len[PAYLOADS];
};

static uint64_t seed;

static uint32_t
pick(uint32_t n)
{
	return (uint32_t)(ferry_test_random(&seed) % n);
}

static void
bench_start(struct bench *b, uint32_t n_slots)
{
	memset(b, 0, sizeof(*b));
	b->payloads = calloc(PAYLOADS, SLOT);
	assert_non_null(b->payloads);
	rig_start_post(&b->rig, SLOT, n_slots, 1);
	rig_engine_make(&b->rig, &b->engine, 0);
	b->late.backwards = true;
	late_add(&b->engine.copier, &b->late);
	/* As ferry_tx_set_mode(), without the sleepers' barrier. */
	b->rig.ch->service.mode = FERRY_MODE_EFFICIENCY;
	b->rig.tx->mode = FERRY_MODE_EFFICIENCY;
	b->rig.rx->mode = FERRY_MODE_EFFICIENCY;
}

static void
bench_serve(struct bench *b)
{
	assert_int_equal(rig_serve(&b->rig, &b->engine), 0);
}

static void
bench_stop(struct bench *b)
{
	b->late.hold = false;
	if (b->rig.ch->service.server >= FERRY_SERVER_ENGINE)
		rig_leave(&b->rig, &b->engine);
	rig_stop(&b->rig);
	rig_engine_free(&b->engine);
	free(b->payloads);
}

static struct ferry_buf
next_buf(struct bench *b, uint32_t len)
{
	uint8_t *data = b->payloads[b->sent % PAYLOADS];

	b->len[b->sent % PAYLOADS] = len;
	rig_fill(data, len, b->sent);
	return (struct ferry_buf) { data, len, rig_tag(b->sent), 0 };
}

static int
post(struct bench *b, uint32_t len)
{
	const struct ferry_buf buf = next_buf(b, len);
	const int ret = ferry_tx_post(b->rig.tx, &buf, 1);

	b->sent += ret == 1;
	return ret;
}

static int
send_one(struct bench *b, uint32_t len)
{
	const struct ferry_buf buf = next_buf(b, len);
	const int ret = ferry_tx_send(b->rig.tx, &buf, 1);

	b->sent += ret == 1;
	return ret;
}

/* Receive, check and release all there is: the last call's result. */
static int
receive(struct bench *b)
{
	struct ferry_msg msg;
	int ret;

	while ((ret = ferry_rx_recv(b->rig.rx, &msg, 1)) == 1) {
		rig_assert_msg(&msg, b->len[b->received % PAYLOADS],
			b->received);
		b->received++;
		assert_int_equal(ferry_rx_release(b->rig.rx, &msg, 1), 0);
	}
	return ret;
}

static void
serve_all(struct bench *b)
{
	while (ferry_server_pending(&b->engine.server, 0, true))
		ferry_server_poll(&b->engine.server);
}

static void
pending_counts_what_stands_behind_a_job(void **state)
{
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 16);
	bench_serve(&b);
	/* Copied at once, with nothing before them. */
	assert_int_equal(post(&b, 10), 1);
	assert_int_equal(post(&b, 2048), 1);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	/* A job, and two behind it that have been copied. */
	assert_int_equal(post(&b, LONG), 1);
	assert_int_equal(post(&b, 10), 1);
	assert_int_equal(post(&b, 500), 1);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 3);
	assert_int_equal(post(&b, LONG), 1);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 4);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 4, 0), 0);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 3, 0), -ETIMEDOUT);
	/* The first two are visible, the third is not. */
	assert_int_equal(receive(&b), 0);
	assert_int_equal(b.received, 2);
	for (i = 0; i < 3; i++)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	assert_int_equal(receive(&b), 0);
	assert_int_equal(b.received, b.sent);
	bench_stop(&b);
}

static void
a_message_waits_for_the_copy_before_it(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 16);
	bench_serve(&b);
	assert_int_equal(post(&b, LONG), 1);
	assert_int_equal(post(&b, LONG), 1);
	/* One in a cell, one in the forward ring. */
	assert_int_equal(send_one(&b, 20), 1);
	assert_int_equal(send_one(&b, 1000), 1);
	b.late.hold = true;
	ferry_server_poll(&b.engine.server);
	ferry_server_poll(&b.engine.server);
	assert_int_equal(b.late.nb, 2);
	assert_int_equal(receive(&b), 0);
	assert_int_equal(ferry_rx_wait(b.rig.rx, 0), -ETIMEDOUT);
	assert_int_equal(b.received, 0);
	assert_int_equal(rig_census(b.rig.ch).jobs, 2);
	b.late.hold = false;
	serve_all(&b);
	assert_int_equal(ferry_rx_wait(b.rig.rx, 0), 0);
	assert_int_equal(receive(&b), 0);
	assert_int_equal(b.received, 4);
	bench_stop(&b);
}

static void
a_short_send_does_not_wait_for_posts_before_it(void **state)
{
	struct bench b;
	unsigned int m;

	(void)state;
	for (m = FERRY_MODE_THROUGHPUT; m <= FERRY_MODE_EFFICIENCY; m++) {
		bench_start(&b, 16);
		bench_serve(&b);
		assert_int_equal(post(&b, LONG), 1);
		b.rig.ch->service.mode = m;
		b.rig.tx->mode = (uint8_t)m;
		/* Nobody runs the engine: it would wait for ever. */
		assert_int_equal(send_one(&b, 500), 1);
		assert_int_equal(send_one(&b, 20), 1);
		/* Nor are they posts. */
		assert_int_equal(ferry_tx_pending(b.rig.tx), 1);
		serve_all(&b);
		assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
		assert_int_equal(receive(&b), 0);
		assert_int_equal(b.received, 3);
		bench_stop(&b);
	}
}

static void
posts_end_where_slots_end(void **state)
{
	struct ferry_buf bufs[6];
	struct ferry_msg msgs[64];
	struct bench b;
	int i, n;

	(void)state;
	bench_start(&b, 4);
	bench_serve(&b);
	for (i = 0; i < 6; i++, b.sent++)
		bufs[i] = next_buf(&b, LONG);
	b.sent = 4;
	assert_int_equal(ferry_tx_post(b.rig.tx, bufs, 6), 4);
	assert_int_equal(post(&b, LONG), 0);
	assert_int_equal(ferry_tx_wait(b.rig.tx, 0), -ETIMEDOUT);
	serve_all(&b);
	/* Copied, but not released. */
	assert_int_equal(post(&b, LONG), 0);
	n = ferry_rx_recv(b.rig.rx, msgs, 64);
	assert_int_equal(n, 4);
	/* What is tiny needs no slot, until there is no cell. */
	for (i = 0; i < FERRY_N_CELLS; i++)
		assert_int_equal(post(&b, 8), 1);
	assert_int_equal(post(&b, 8), 0);
	assert_int_equal(ferry_tx_wait(b.rig.tx, 0), -ETIMEDOUT);
	b.received = 4;
	assert_int_equal(receive(&b), 0);
	/* The cells are back, the slots are not. */
	assert_int_equal(ferry_tx_wait(b.rig.tx, 0), 0);
	assert_int_equal(post(&b, 8), 1);
	assert_int_equal(ferry_rx_release(b.rig.rx, msgs, 4), 0);
	assert_int_equal(post(&b, SLOT + 1), FERRY_E_TOO_LONG);
	assert_int_equal(post(&b, LONG), 1);
	bench_stop(&b);
}

static void
jobs_wait_for_an_engine_however_old_its_last_message_is(void **state)
{
	static const uint64_t ages[] = { 1, INT32_MAX, UINT64_C(1) << 31,
		(UINT64_C(1) << 31) + 5, UINT32_MAX - 3 };
	unsigned int i;
	struct bench b;

	(void)state;
	for (i = 0; i < RTE_DIM(ages); i++) {
		bench_start(&b, 8);
		bench_serve(&b);
		assert_int_equal(post(&b, LONG), 1);
		serve_all(&b);
		assert_int_equal(receive(&b), 0);
		/* So many more went another way. */
		b.rig.tx->seq += ages[i];
		b.rig.rx->seq += ages[i];
		assert_int_equal(post(&b, LONG), 1);
		assert_int_equal(post(&b, LONG), 1);
		rig_leave(&b.rig, &b.engine);
		bench_serve(&b);
		serve_all(&b);
		assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
		assert_int_equal(receive(&b), 0);
		assert_int_equal(b.received, 3);
		bench_stop(&b);
	}
}

/* A server that died when it had published, and not yet let go. */
static void
what_is_published_is_not_published_again(void **state)
{
	unsigned int i, n;
	struct bench b;

	(void)state;
	for (i = 0; i < 40; i++) {
		struct rte_ring *jobs;
		uint32_t tail;

		bench_start(&b, 8);
		/* The indices pass 2^32 on the way. */
		rig_age(&b.rig);
		bench_serve(&b);
		for (n = 0; n < i; n++) {
			assert_int_equal(post(&b, LONG), 1);
			serve_all(&b);
			assert_int_equal(receive(&b), 0);
		}
		jobs = ferry_channel_jobs(b.rig.ch);
		tail = jobs->cons.tail;
		for (n = 0; n < 1 + i % 8; n++)
			assert_int_equal(post(&b, LONG), 1);
		serve_all(&b);
		ferry_server_remove(&b.engine.server, 0);
		jobs->cons.tail = tail;
		jobs->cons.head = tail + i % 3;
		ferry_channel_out(b.rig.ch)->prod.head += i % 2;
		b.rig.ch->service.server = FERRY_SERVER_NONE;
		/* Behind what is published, there may be more. */
		if (i % 8 < 7)
			assert_int_equal(post(&b, 2049), 1);
		assert_int_equal(rig_census(b.rig.ch).lost, 0);
		bench_serve(&b);
		serve_all(&b);
		assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
		assert_int_equal(receive(&b), 0);
		assert_int_equal(b.received, b.sent);
		assert_int_equal(rig_census(b.rig.ch).jobs, 0);
		bench_stop(&b);
	}
}

static void
a_producer_goes_on_where_its_engine_left(void **state)
{
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	for (i = 0; i < 4; i++)
		assert_int_equal(post(&b, LONG), 1);
	b.late.hold = true;
	ferry_server_poll(&b.engine.server);
	assert_int_equal(b.late.nb, 4);
	assert_int_equal(post(&b, LONG), 1);
	b.late.hold = false;
	/* What the copier has it ends, what it has not it leaves. */
	rig_leave(&b.rig, &b.engine);
	assert_int_equal(b.late.ended, 4);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	assert_int_equal(b.rig.ch->service.server, FERRY_SERVER_NONE);
	assert_int_equal(receive(&b), 0);
	assert_int_equal(b.received, 5);
	bench_stop(&b);
}

static void
a_stopped_producer_has_ended_its_jobs(void **state)
{
	struct late own = { .seed = 3 };
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 8);
	late_add(&b.rig.copier, &own);
	for (i = 0; i < 6; i++)
		assert_int_equal(post(&b, i % 2 ? 30 : LONG), 1);
	assert_int_equal(b.rig.ch->service.server, FERRY_SERVER_SELF);
	ferry_tx_stop(b.rig.tx);
	b.rig.tx = NULL;
	assert_int_equal(own.nb, 0);
	assert_int_equal(own.ended, 3);
	assert_int_equal(b.rig.ch->service.server, FERRY_SERVER_NONE);
	assert_int_equal(receive(&b), FERRY_E_CLOSED);
	assert_int_equal(b.received, 6);
	bench_stop(&b);
}

static void
jobs_are_done_even_if_nobody_receives_them(void **state)
{
	static const enum ferry_end_state states[] = {
		FERRY_END_CLOSED, FERRY_END_GONE, FERRY_END_HUB_GONE,
	};
	static const int results[] = {
		FERRY_E_CLOSED, FERRY_E_PEER_GONE, FERRY_E_HUB_GONE,
	};
	unsigned int i;
	struct bench b;

	(void)state;
	for (i = 0; i < RTE_DIM(states); i++) {
		bench_start(&b, 8);
		bench_serve(&b);
		assert_int_equal(post(&b, LONG), 1);
		assert_int_equal(post(&b, LONG), 1);
		rig_set_state(&b.rig.ch->rx, states[i]);
		assert_int_equal(post(&b, LONG), results[i]);
		assert_int_equal(ferry_tx_pending(b.rig.tx), 2);
		assert_int_equal(ferry_tx_wait(b.rig.tx, UINT64_MAX),
			results[i]);
		serve_all(&b);
		assert_int_equal(ferry_tx_finish(b.rig.tx, 0, UINT64_MAX), 0);
		assert_int_equal(ferry_tx_drain(b.rig.tx, UINT64_MAX),
			results[i]);
		bench_stop(&b);
	}
}

static void
a_quiet_channel_costs_its_engine_nothing_until_a_post(void **state)
{
	const struct ferry_board *board;
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 8);
	board = b.rig.boards.base;
	bench_serve(&b);
	for (i = 0; i < 100 && b.engine.server.n_active > 0; i++)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(b.engine.server.n_active, 0);
	assert_false(ferry_board_any(board));
	/* What the engine is not for does not wake it. */
	assert_int_equal(post(&b, 100), 1);
	assert_int_equal(send_one(&b, 10), 1);
	assert_false(ferry_board_any(board));
	/* Nor, in efficiency mode, what is sooner copied than it is woken. */
	assert_int_equal(post(&b, LONG), 1);
	assert_false(ferry_board_any(board));
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	/* Nor, in throughput mode, what is short, nor anything without a device. */
	b.rig.tx->mode = b.rig.ch->service.mode = FERRY_MODE_THROUGHPUT;
	assert_int_equal(post(&b, LONG), 1);
	assert_false(ferry_board_any(board));
	b.rig.tx->mode = b.rig.ch->service.mode = FERRY_MODE_EFFICIENCY;
	/* A job while the engine looks tells it nothing, one after does. */
	b.rig.ch->service.watch = 0;
	assert_int_equal(post(&b, LONG), 1);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 1);
	assert_false(ferry_board_any(board));
	b.rig.ch->service.watch = 1;
	assert_int_equal(post(&b, LONG), 1);
	assert_true(ferry_board_any(board));
	assert_int_equal(post(&b, LONG), 1);
	ferry_server_poll(&b.engine.server);
	assert_false(ferry_board_any(board));
	assert_int_equal(b.engine.server.n_active, 1);
	serve_all(&b);
	assert_int_equal(receive(&b), 0);
	assert_int_equal(b.received, b.sent);
	bench_stop(&b);
}

/* All calls of either end tell that a job cannot be carried out. */
static void
assert_failed(struct bench *b, int why)
{
	struct ferry_msg msg;

	assert_int_equal(ferry_channel_failed(b->rig.ch), why);
	assert_int_equal(post(b, LONG), why);
	assert_int_equal(ferry_tx_finish(b->rig.tx, 0, UINT64_MAX), why);
	assert_int_equal(ferry_tx_drain(b->rig.tx, UINT64_MAX), why);
	assert_int_equal(ferry_rx_wait(b->rig.rx, UINT64_MAX), why);
	/* The engine has nothing to do for it any more. */
	while (b->engine.server.n_active > 0)
		ferry_server_poll(&b->engine.server);
	/* Nor will another one. */
	ferry_server_remove(&b->engine.server, 0);
	b->rig.ch->service.server = FERRY_SERVER_NONE;
	assert_int_equal(rig_serve(&b->rig, &b->engine), why);
	/* Nothing hangs. */
	ferry_tx_pending(b->rig.tx);
	ferry_tx_stop(b->rig.tx);
	b->rig.tx = NULL;
	assert_int_equal(ferry_rx_recv(b->rig.rx, &msg, 1), why);
}

/* A device that keeps silent, soon to be given up, with a job in it. */
static void
hang(struct bench *b)
{
	b->engine.copier.tsc_hz = UINT64_C(1000000000);
	b->engine.copier.tune.hang_factor = 0;
	b->engine.copier.tune.hang_grace_ns = 1e6;
	b->late.hold = true;
	assert_int_equal(post(b, LONG), 1);
	ferry_server_poll(&b->engine.server);
	assert_true(b->late.nb > 0);
	while (b->engine.copier.stats.drops == 0)
		ferry_server_poll(&b->engine.server);
}

static void
a_device_that_cannot_be_stopped_ends_the_channel_at_that_message(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	assert_int_equal(post(&b, LONG), 1);
	assert_int_equal(post(&b, LONG), 1);
	while (ferry_tx_pending(b.rig.tx) > 0)
		ferry_server_poll(&b.engine.server);
	b.late.close_result = -EBUSY;
	hang(&b);
	while (ferry_channel_failed(b.rig.ch) == 0)
		ferry_server_poll(&b.engine.server);
	/* What was complete before is received. */
	assert_int_equal(receive(&b), -EIO);
	assert_int_equal(b.received, 2);
	assert_int_equal(b.engine.server.stats.unsafe, 1);
	assert_failed(&b, -EIO);
	bench_stop(&b);
}

static void
what_follows_a_lost_message_is_not_taken_for_nonsense(void **state)
{
	struct ferry_msg msg;
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	b.late.close_result = -EBUSY;
	b.late.hold = true;
	assert_int_equal(post(&b, LONG), 1);
	/* Behind it, in cells: they wait for ever. */
	for (i = 0; i < 2; i++)
		assert_int_equal(send_one(&b, 1000), 1);
	hang(&b);
	while (ferry_channel_failed(b.rig.ch) == 0)
		ferry_server_poll(&b.engine.server);
	for (i = 0; i < 3000; i++)
		assert_int_equal(ferry_rx_recv(b.rig.rx, &msg, 1), -EIO);
	assert_failed(&b, -EIO);
	bench_stop(&b);
}

static void
a_producer_says_what_it_sleeps_for(void **state)
{
	const struct ferry_channel_wish *wish;
	struct bench b;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	wish = &b.rig.ch->wish;
	assert_int_equal(post(&b, LONG), 1);
	assert_int_equal(post(&b, LONG), 1);
	/* For one job of two, and no slot. */
	assert_int_equal(ferry_tx_finish(b.rig.tx, 1, 1000), -ETIMEDOUT);
	assert_int_equal(wish->jobs, b.rig.tx->post->done + 1);
	assert_true(wish->slots - b.rig.tx->back->cons.tail > 1000);
	/* For the last job, and for whatever is given back. */
	assert_int_equal(ferry_tx_drain(b.rig.tx, 1000), -ETIMEDOUT);
	assert_int_equal(wish->jobs, b.rig.tx->post->head);
	assert_int_equal(wish->slots, b.rig.tx->back->cons.tail);
	/* For some slots, and no job. */
	while (post(&b, LONG) == 1)
		;
	assert_int_equal(ferry_tx_wait(b.rig.tx, 1000), -ETIMEDOUT);
	assert_int_equal(wish->slots, b.rig.tx->back->cons.tail + 2);
	assert_true(wish->jobs - b.rig.tx->post->head > 1000);
	/* The consumer keeps quiet while more is to come, and not after. */
	serve_all(&b);
	assert_int_equal(receive(&b), 0);
	assert_false(b.rig.rx->owed);
	bench_stop(&b);
}

static void
a_device_that_can_be_stopped_costs_no_message(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	assert_int_equal(post(&b, LONG), 1);
	hang(&b);
	assert_int_equal(post(&b, LONG), 1);
	while (ferry_tx_pending(b.rig.tx) > 0)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(receive(&b), 0);
	assert_int_equal(b.received, b.sent);
	assert_int_equal(b.engine.server.stats.unsafe, 0);
	assert_true(b.engine.copier.stats.redone_bytes >= LONG);
	b.late.nb = 0;
	bench_stop(&b);
}

/* What a producer gone mad may write over its second job, of three. */
static const struct {
	const char *name;
	uint32_t slot, len, place;
} nonsense[] = {
	{ "no slot", 8, LONG, 0 },
	{ "no slot by far", UINT32_MAX, LONG, 0 },
	{ "longer than a slot", 0, SLOT + 1, 0 },
	{ "much longer", 0, UINT32_MAX, 0 },
	{ "no placement", 0, LONG, FERRY_PLACES },
	{ "no placement by far", 0, LONG, UINT32_MAX },
};

static void
an_impossible_job_ends_its_channel_only(void **state)
{
	unsigned int i;
	struct bench b;

	(void)state;
	for (i = 0; i < RTE_DIM(nonsense); i++) {
		struct ferry_job *jobs;

		bench_start(&b, 8);
		bench_serve(&b);
		assert_int_equal(post(&b, LONG), 1);
		assert_int_equal(post(&b, LONG), 1);
		assert_int_equal(post(&b, LONG), 1);
		jobs = (struct ferry_job *)&ferry_channel_jobs(b.rig.ch)[1];
		jobs[1].slot = nonsense[i].slot;
		jobs[1].len = nonsense[i].len;
		jobs[1].place = nonsense[i].place;
		while (ferry_server_pending(&b.engine.server, 0, true))
			ferry_server_poll(&b.engine.server);
		ferry_server_poll(&b.engine.server);
		assert_int_equal(receive(&b), FERRY_E_CORRUPT);
		assert_int_equal(b.received, 1);
		assert_int_equal(b.engine.server.stats.bad, 1);
		assert_int_equal(b.late.ended, 1);
		assert_failed(&b, FERRY_E_CORRUPT);
		bench_stop(&b);
	}
}

static void
an_impossible_number_of_jobs_is_not_believed(void **state)
{
	static const uint32_t tails[] = { 9, 15, 16, 1000, 1U << 31,
		UINT32_MAX };
	unsigned int i;
	struct bench b;

	(void)state;
	for (i = 0; i < RTE_DIM(tails); i++) {
		bench_start(&b, 8);
		bench_serve(&b);
		assert_int_equal(post(&b, LONG), 1);
		ferry_channel_jobs(b.rig.ch)->prod.tail = tails[i];
		ferry_server_poll(&b.engine.server);
		assert_int_equal(b.late.nb, 0);
		assert_int_equal(b.engine.server.stats.bad, 1);
		assert_false(ferry_server_pending(&b.engine.server, 0, true));
		assert_failed(&b, FERRY_E_CORRUPT);
		bench_stop(&b);
	}
}

/* A producer that serves itself, in a channel that somebody scribbled over. */
static void
a_producer_does_not_turn_for_ever_over_garbage(void **state)
{
	struct ferry_job *jobs;
	struct bench b;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	assert_int_equal(post(&b, LONG), 1);
	jobs = (struct ferry_job *)&ferry_channel_jobs(b.rig.ch)[1];
	jobs[0].len = UINT32_MAX;
	rig_leave(&b.rig, &b.engine);
	/* Its own turn now. */
	assert_int_equal(ferry_tx_pending(b.rig.tx), 1);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, UINT64_MAX),
		FERRY_E_CORRUPT);
	assert_int_equal(post(&b, LONG), FERRY_E_CORRUPT);
	bench_stop(&b);
}

static void
scribble(void *at, size_t n)
{
	uint8_t *p = at;

	while (n-- > 0)
		*p++ = (uint8_t)ferry_test_random(&seed);
}

static uint32_t
lie(uint32_t n)
{
	switch (pick(6)) {
	case 0:
		return (uint32_t)ferry_test_random(&seed);
	case 1:
		return n;
	default:
		return pick(n);
	}
}

/* One write by a process gone mad, into what it may write to. */
static void
somebody_lies(struct rig *rig, uint8_t *payloads)
{
	struct rte_ring *jobs = ferry_channel_jobs(rig->ch);
	struct rte_ring *out = ferry_channel_out(rig->ch);
	struct ferry_job *job = (struct ferry_job *)&jobs[1];
	struct ferry_desc *desc = (struct ferry_desc *)&out[1];
	uint32_t k, n;

	switch (pick(8)) {
	case 0:
		scribble(&job[pick(jobs->size)], sizeof(*job));
		break;
	case 1:
		scribble(&desc[pick(out->size)], sizeof(*desc));
		break;
	case 2:
		out->prod.head = lie(out->size) + out->prod.tail;
		out->cons.tail = out->prod.tail - lie(out->size);
		break;
	case 3:
		jobs->cons.head = lie(jobs->size);
		rig->ch->tx.may_sleep = lie(2);
		rig->ch->tx.endpoint = lie(RIG_BELLS);
		rig->ch->service.watch = lie(2);
		rig->ch->wish.jobs = lie(100);
		rig->ch->service.mode = lie(FERRY_MODES);
		break;
	case 4:
		jobs->prod.tail = lie(jobs->size) + jobs->cons.tail;
		break;
	default:
		/* Jobs that can just be believed. */
		n = 1 + pick(4);
		for (k = 0; k < n; k++)
			job[(jobs->prod.tail + k) & jobs->mask] =
				(struct ferry_job) {
				.slot = pick(rig->ch->n_slots),
				.len = pick(rig->ch->slot_size + 1),
				.src = (uintptr_t)payloads + pick(SLOT),
				.seq = (uint32_t)rig->rx->seq + k,
				.place = pick(FERRY_PLACES),
			};
		jobs->prod.tail += n;
	}
}

static void
a_peer_gone_mad_does_no_harm_to_a_server(void **state)
{
	unsigned int round;
	uint64_t served = 0;
	uint8_t *payloads;
	struct bench b;
	int k, n;

	(void)state;
	ferry_test_need_eal();
	payloads = rte_zmalloc(NULL, 2 * SLOT, 0);
	assert_non_null(payloads);
	print_message("seed %llu\n", (unsigned long long)seed);
	for (round = 0; round < 3000; round++) {
		const struct ferry_serve serve = {
			.config = { SLOT, 1 + round % 20 },
			.bells = NULL,
		};
		struct ferry_serve s = serve;
		struct ferry_msg msgs[32];

		bench_start(&b, 1 + round % 20);
		b.late.backwards = round % 2;
		s.shared = b.rig.ch;
		s.bells = b.rig.bells;
		s.n_bells = RIG_BELLS;
		/* A process that is not trusted to have right addresses. */
		s.local = false;
		assert_int_equal(ferry_server_add(&b.engine.server, &s), 0);
		for (k = 0; k < 40; k++) {
			somebody_lies(&b.rig, payloads);
			ferry_server_poll(&b.engine.server);
			n = ferry_rx_recv(b.rig.rx, msgs, 32);
			assert_true(n >= 0 || n == FERRY_E_CORRUPT);
			if (n > 0)
				ferry_rx_release(b.rig.rx, msgs, (uint16_t)n);
			ferry_rx_wait(b.rig.rx, 0);
		}
		served += b.engine.server.stats.msgs;
		assert_true(ferry_server_remove(&b.engine.server, 0) == 0);
		assert_int_equal(b.engine.server.n_active, 0);
		assert_int_equal(b.late.nb, 0);
		/* The identity is as it was: it is not on any line written. */
		assert_int_equal(ferry_channel_valid(b.rig.ch, b.rig.ch->size),
			0);
		bench_stop(&b);
	}
	assert_true(served > 1000);
	rte_free(payloads);
}

static void
addresses_out_of_reach_are_not_followed(void **state)
{
	uint8_t *memory, *page;
	unsigned int i;
	struct bench b;

	(void)state;
	ferry_test_need_eal();
	memory = rte_zmalloc(NULL, 2 * SLOT, 0);
	assert_non_null(memory);
	page = malloc(SLOT);
	for (i = 0; i < 5; i++) {
		const uint64_t addresses[] = {
			0, (uintptr_t)page, UINT64_MAX - 100,
			(uintptr_t)rte_malloc_virt2iova, (uintptr_t)memory,
		};
		struct ferry_serve s = { 0 };
		struct ferry_job *job;

		bench_start(&b, 8);
		s.shared = b.rig.ch;
		s.config.slot_size = SLOT;
		s.config.n_slots = 8;
		s.bells = b.rig.bells;
		s.n_bells = RIG_BELLS;
		b.rig.ch->service.server = FERRY_SERVER_ENGINE;
		assert_int_equal(ferry_server_add(&b.engine.server, &s), 0);
		assert_int_equal(post(&b, LONG), 1);
		job = (struct ferry_job *)&ferry_channel_jobs(b.rig.ch)[1];
		job->src = addresses[i];
		ferry_server_poll(&b.engine.server);
		ferry_server_poll(&b.engine.server);
		assert_int_equal(b.engine.server.stats.bad, i < 4);
		assert_int_equal(b.late.ended, i == 4);
		bench_stop(&b);
	}
	free(page);
	rte_free(memory);
}

static int
eal_start(void **state)
{
	const char *text = getenv("FERRY_TEST_SEED");

	(void)state;
	seed = text != NULL ? strtoull(text, NULL, 0) : ferry_test_now_ns();
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	return ferry_test_eal_start(NULL, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pending_counts_what_stands_behind_a_job),
		cmocka_unit_test(a_message_waits_for_the_copy_before_it),
		cmocka_unit_test(a_short_send_does_not_wait_for_posts_before_it),
		cmocka_unit_test(posts_end_where_slots_end),
		cmocka_unit_test(
		jobs_wait_for_an_engine_however_old_its_last_message_is),
		cmocka_unit_test(what_is_published_is_not_published_again),
		cmocka_unit_test(a_producer_goes_on_where_its_engine_left),
		cmocka_unit_test(a_stopped_producer_has_ended_its_jobs),
		cmocka_unit_test(jobs_are_done_even_if_nobody_receives_them),
		cmocka_unit_test(
			a_quiet_channel_costs_its_engine_nothing_until_a_post),
		cmocka_unit_test(a_device_that_cannot_be_stopped_ends_the_channel_at_that_message),
		cmocka_unit_test(a_device_that_can_be_stopped_costs_no_message),
		cmocka_unit_test(what_follows_a_lost_message_is_not_taken_for_nonsense),
		cmocka_unit_test(a_producer_says_what_it_sleeps_for),
		cmocka_unit_test(an_impossible_job_ends_its_channel_only),
		cmocka_unit_test(an_impossible_number_of_jobs_is_not_believed),
		cmocka_unit_test(
			a_producer_does_not_turn_for_ever_over_garbage),
		cmocka_unit_test(addresses_out_of_reach_are_not_followed),
		cmocka_unit_test(a_peer_gone_mad_does_no_harm_to_a_server),
	};

	return cmocka_run_group_tests(tests, eal_start, NULL);
}
