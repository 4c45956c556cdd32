/* SPDX-License-Identifier: BSD-3-Clause */

/* Posts and servers, one thing at a time. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "chan_parts.h"
#include "ferry_post.h"
#include "ferry_test.h"
#include "post_bench.h"

static void
pending_counts_what_stands_behind_a_job(void **state)
{
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 16);
	bench_serve(&b);
	/* Copied at once, with nothing before them. */
	assert_int_equal(bench_post(&b, 10), 1);
	assert_int_equal(bench_post(&b, 2048), 1);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	/* A job, and two behind it that have been copied. */
	assert_int_equal(bench_post(&b, LONG), 1);
	assert_int_equal(bench_post(&b, 10), 1);
	assert_int_equal(bench_post(&b, 500), 1);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 3);
	assert_int_equal(bench_post(&b, LONG), 1);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 4);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 4, 0), 0);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 3, 0), -ETIMEDOUT);
	/* The first two are visible, the third is not. */
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, 2);
	for (i = 0; i < 3; i++)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, b.sent);
	bench_stop(&b);
}

/* In a process of its own, a producer leaves to the engine only what all
 * processes reach. Posts do not look at what is declared for bulk messages. */
static void
what_an_engine_does_not_reach_its_producer_copies(void **state)
{
	enum { PRIVATE, REGISTERED, DPDK, KINDS };
	uint8_t *mem[KINDS];
	unsigned int i, local;
	struct bench b;

	(void)state;
	ferry_test_need_eal();
	mem[PRIVATE] = malloc(SLOT);
	mem[REGISTERED] = aligned_alloc(SLOT, SLOT);
	assert_int_equal(rte_extmem_register(mem[REGISTERED], SLOT, NULL, 0,
		SLOT), 0);
	mem[DPDK] = rte_malloc(NULL, SLOT, 0);
	for (i = 0; i < KINDS; i++) {
		for (local = 0; local < 2; local++) {
			const struct ferry_buf buf = { mem[i], LONG, 0, 0 };

			bench_start(&b, 4);
			bench_serve(&b);
			b.rig.tx->end.local = local;
			assert_int_equal(ferry_tx_post(b.rig.tx, &buf, 1), 1);
			assert_int_equal(ferry_tx_pending(b.rig.tx),
				local || i == DPDK);
			bench_stop(&b);
		}
	}
	assert_int_equal(rte_extmem_unregister(mem[REGISTERED], SLOT), 0);
	rte_free(mem[DPDK]);
	free(mem[REGISTERED]);
	free(mem[PRIVATE]);
}

/* All slots are used twice before the producer looks what is done. */
static void
a_producer_keeps_count_of_the_bytes_of_its_jobs(void **state)
{
	enum { SLOTS = 95 };
	static struct ferry_buf bufs[SLOTS];
	uint32_t i, round, half;
	struct bench b;

	(void)state;
	for (half = 0; half < 2; half++) {
		bench_start(&b, SLOTS);
		if (half)
			rig_age_half(&b.rig);
		bench_serve(&b);
		for (round = 0; round < 6; round++) {
			for (i = 0; i < SLOTS; i++, b.sent++)
				bufs[i] = bench_buf(&b, LONG + round);
			assert_int_equal(ferry_tx_post(b.rig.tx, bufs, SLOTS),
				SLOTS);
			bench_serve_all(&b);
			assert_int_equal(bench_receive(&b), 0);
		}
		assert_int_equal(b.received, b.sent);
		assert_int_equal(b.rig.tx->post->bytes,
			(uint64_t)SLOTS * (LONG + round - 1));
		assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
		assert_int_equal(b.rig.tx->post->bytes, 0);
		bench_stop(&b);
	}
}

static void
a_message_waits_for_the_copy_before_it(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 16);
	bench_serve(&b);
	assert_int_equal(bench_post(&b, LONG), 1);
	assert_int_equal(bench_post(&b, LONG), 1);
	/* One in a cell, one in the forward ring. */
	assert_int_equal(bench_send(&b, 20), 1);
	assert_int_equal(bench_send(&b, 1000), 1);
	b.late.hold = true;
	ferry_server_poll(&b.engine.server);
	ferry_server_poll(&b.engine.server);
	assert_int_equal(b.late.nb, 2);
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(ferry_rx_wait(b.rig.rx, 0), -ETIMEDOUT);
	assert_int_equal(b.received, 0);
	assert_int_equal(rig_census(b.rig.ch).jobs, 2);
	b.late.hold = false;
	bench_serve_all(&b);
	assert_int_equal(ferry_rx_wait(b.rig.rx, 0), 0);
	assert_int_equal(bench_receive(&b), 0);
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
		assert_int_equal(bench_post(&b, LONG), 1);
		b.rig.ch->service.mode = m;
		b.rig.tx->end.mode = (uint8_t)m;
		/* A send that waited for the engine would never return, because
		 * no thread runs the engine. */
		assert_int_equal(bench_send(&b, 500), 1);
		assert_int_equal(bench_send(&b, 20), 1);
		/* Nor are they posts. */
		assert_int_equal(ferry_tx_pending(b.rig.tx), 1);
		bench_serve_all(&b);
		assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
		assert_int_equal(bench_receive(&b), 0);
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
		bufs[i] = bench_buf(&b, LONG);
	b.sent = 4;
	assert_int_equal(ferry_tx_post(b.rig.tx, bufs, 6), 4);
	assert_int_equal(bench_post(&b, LONG), 0);
	assert_int_equal(ferry_tx_wait(b.rig.tx, 0), -ETIMEDOUT);
	bench_serve_all(&b);
	/* Copied, but not released. */
	assert_int_equal(bench_post(&b, LONG), 0);
	n = ferry_rx_recv(b.rig.rx, msgs, 64);
	assert_int_equal(n, 4);
	/* What is tiny needs no slot, until there is no cell. */
	for (i = 0; i < FERRY_N_CELLS; i++)
		assert_int_equal(bench_post(&b, 8), 1);
	assert_int_equal(bench_post(&b, 8), 0);
	assert_int_equal(ferry_tx_wait(b.rig.tx, 0), -ETIMEDOUT);
	b.received = 4;
	assert_int_equal(bench_receive(&b), 0);
	/* The cells are back, the slots are not. */
	assert_int_equal(ferry_tx_wait(b.rig.tx, 0), 0);
	assert_int_equal(bench_post(&b, 8), 1);
	assert_int_equal(ferry_rx_release(b.rig.rx, msgs, 4), 0);
	assert_int_equal(bench_post(&b, SLOT + 1), FERRY_E_TOO_LONG);
	assert_int_equal(bench_post(&b, LONG), 1);
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
		assert_int_equal(bench_post(&b, LONG), 1);
		bench_serve_all(&b);
		assert_int_equal(bench_receive(&b), 0);
		/* So many more went another way. */
		b.rig.tx->end.seq += ages[i];
		b.rig.rx->end.seq += ages[i];
		assert_int_equal(bench_post(&b, LONG), 1);
		assert_int_equal(bench_post(&b, LONG), 1);
		rig_leave(&b.rig, &b.engine);
		bench_serve(&b);
		bench_serve_all(&b);
		assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
		assert_int_equal(bench_receive(&b), 0);
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
			assert_int_equal(bench_post(&b, LONG), 1);
			bench_serve_all(&b);
			assert_int_equal(bench_receive(&b), 0);
		}
		jobs = chan_jobs(b.rig.ch);
		tail = jobs->cons.tail;
		for (n = 0; n < 1 + i % 8; n++)
			assert_int_equal(bench_post(&b, LONG), 1);
		bench_serve_all(&b);
		ferry_server_remove(&b.engine.server, 0);
		jobs->cons.tail = tail;
		jobs->cons.head = tail + i % 3;
		chan_out(b.rig.ch)->prod.head += i % 2;
		b.rig.ch->service.server = FERRY_SERVER_NONE;
		/* Behind what is published, there may be more. */
		if (i % 8 < 7)
			assert_int_equal(bench_post(&b, 2049), 1);
		assert_int_equal(rig_census(b.rig.ch).lost, 0);
		bench_serve(&b);
		bench_serve_all(&b);
		assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
		assert_int_equal(bench_receive(&b), 0);
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
		assert_int_equal(bench_post(&b, LONG), 1);
	b.late.hold = true;
	ferry_server_poll(&b.engine.server);
	assert_int_equal(b.late.nb, 4);
	assert_int_equal(bench_post(&b, LONG), 1);
	b.late.hold = false;
	/* What the copier has it ends, what it has not it leaves. */
	rig_leave(&b.rig, &b.engine);
	assert_int_equal(b.late.ended, 4);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	assert_int_equal(b.rig.ch->service.server, FERRY_SERVER_NONE);
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, 5);
	bench_stop(&b);
}

/* As an endpoint does it for its producers when it sees that its hub has
 * died. */
static void
hub_dies(struct bench *b)
{
	ferry_server_remove(&b->engine.server, 0);
	b->rig.ch->service.server = FERRY_SERVER_NONE;
	rig_set_state(&b->rig.ch->rx, FERRY_END_HUB_GONE);
}

static void
what_a_dead_hub_has_left_its_producer_carries_out(void **state)
{
	struct late own = { .seed = 5 };
	struct ferry_server *own_server;
	const uint32_t *server;
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 8);
	own_server = b.rig.tx->post->server;
	server = &b.rig.ch->service.server;
	bench_serve(&b);
	for (i = 0; i < 5; i++)
		assert_int_equal(bench_post(&b, LONG), 1);
	/* Not while somebody else may be at it. */
	assert_int_equal(ferry_tx_pending(b.rig.tx), 5);
	assert_true(*server >= FERRY_SERVER_ENGINE);
	hub_dies(&b);
	/* Nor without a server, nor if the channel is broken. */
	b.rig.tx->post->server = NULL;
	assert_int_equal(ferry_tx_pending(b.rig.tx), 5);
	b.rig.tx->post->server = own_server;
	b.rig.ch->service.failed = FERRY_E_CORRUPT;
	assert_int_equal(ferry_tx_pending(b.rig.tx), 5);
	b.rig.ch->service.failed = 0;
	assert_int_equal(*server, FERRY_SERVER_NONE);
	/* Without lanes of its own, all at once; then it lets go. */
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, UINT64_MAX), 0);
	assert_int_equal(*server, FERRY_SERVER_NONE);
	assert_false(b.rig.tx->post->self);
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, 5);
	bench_stop(&b);

	/* With a lane, it stays the server for as long as that takes. */
	bench_start(&b, 8);
	late_add(&b.rig.copier, &own);
	bench_serve(&b);
	for (i = 0; i < 3; i++)
		assert_int_equal(bench_post(&b, LONG), 1);
	own.hold = true;
	hub_dies(&b);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 3);
	assert_int_equal(*server, FERRY_SERVER_SELF);
	assert_true(b.rig.tx->post->self);
	own.hold = false;
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, UINT64_MAX), 0);
	assert_int_equal(own.ended, 3);
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, 3);
	bench_stop(&b);
}

/* Only the producer may write that it serves itself. */
static void
a_claim_that_another_process_wrote_is_none(void **state)
{
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	for (i = 0; i < 3; i++)
		assert_int_equal(bench_post(&b, LONG), 1);
	rig_leave(&b.rig, &b.engine);
	b.rig.ch->service.server = FERRY_SERVER_SELF;
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	assert_int_equal(b.rig.ch->service.server, FERRY_SERVER_NONE);
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, 3);
	bench_stop(&b);
}

/* Who claims a channel and then cannot serve it gives the claim back. */
static void
what_a_producer_cannot_serve_it_leaves_to_an_engine(void **state)
{
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	for (i = 0; i < 3; i++)
		assert_int_equal(bench_post(&b, LONG), 1);
	rig_leave(&b.rig, &b.engine);
	/* A number for which its own server has no place. */
	b.rig.tx->end.boards.number = b.rig.own.room;
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, UINT64_MAX),
		FERRY_E_CORRUPT);
	assert_false(b.rig.tx->post->self);
	assert_int_equal(b.rig.ch->service.server, FERRY_SERVER_NONE);
	b.rig.tx->end.boards.number = 0;
	/* What it had posted is promised. */
	bench_serve(&b);
	bench_serve_all(&b);
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, 3);
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
		assert_int_equal(bench_post(&b, i % 2 ? 30 : LONG), 1);
	assert_int_equal(b.rig.ch->service.server, FERRY_SERVER_SELF);
	ferry_tx_stop(b.rig.tx);
	b.rig.tx = NULL;
	assert_int_equal(own.nb, 0);
	assert_int_equal(own.ended, 3);
	assert_int_equal(b.rig.ch->service.server, FERRY_SERVER_NONE);
	assert_int_equal(bench_receive(&b), FERRY_E_CLOSED);
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
		assert_int_equal(bench_post(&b, LONG), 1);
		assert_int_equal(bench_post(&b, LONG), 1);
		rig_set_state(&b.rig.ch->rx, states[i]);
		assert_int_equal(bench_post(&b, LONG), results[i]);
		assert_int_equal(ferry_tx_pending(b.rig.tx), 2);
		assert_int_equal(ferry_tx_wait(b.rig.tx, UINT64_MAX),
			results[i]);
		bench_serve_all(&b);
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
	assert_false(ferry_board_any(board, 1));
	/* What the engine is not for does not wake it. */
	assert_int_equal(bench_post(&b, 100), 1);
	assert_int_equal(bench_send(&b, 10), 1);
	assert_false(ferry_board_any(board, 1));
	/* Nor, in efficiency mode, what is sooner copied than it is woken. */
	assert_int_equal(bench_post(&b, LONG), 1);
	assert_false(ferry_board_any(board, 1));
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	/* Nor, in throughput mode, what is short, nor anything without a
	 * device. */
	b.rig.tx->end.mode = b.rig.ch->service.mode = FERRY_MODE_THROUGHPUT;
	assert_int_equal(bench_post(&b, LONG), 1);
	assert_false(ferry_board_any(board, 1));
	b.rig.tx->end.mode = b.rig.ch->service.mode = FERRY_MODE_EFFICIENCY;
	/* A job while the engine looks tells it nothing, one after does. */
	b.rig.ch->service.watch = 0;
	assert_int_equal(bench_post(&b, LONG), 1);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 1);
	assert_false(ferry_board_any(board, 1));
	b.rig.ch->service.watch = 1;
	assert_int_equal(bench_post(&b, LONG), 1);
	assert_true(ferry_board_any(board, 1));
	assert_int_equal(bench_post(&b, LONG), 1);
	ferry_server_poll(&b.engine.server);
	assert_false(ferry_board_any(board, 1));
	assert_int_equal(b.engine.server.n_active, 1);
	bench_serve_all(&b);
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, b.sent);
	bench_stop(&b);
}

/* The engine polls the channel until it has nothing to do for it. */
static void
let_be_quiet(struct bench *b)
{
	int i;

	for (i = 0; i < 100 && (b->engine.server.n_active > 0 || i == 0); i++)
		ferry_server_poll(&b->engine.server);
	assert_int_equal(b->engine.server.n_active, 0);
	assert_false(ferry_board_any(b->rig.boards.base, 1));
}

static void
a_quiet_channel_tells_its_engine_of_a_change_of_mode(void **state)
{
	const struct ferry_board *board;
	struct bench b;

	(void)state;
	bench_start(&b, 8);
	board = b.rig.boards.base;
	/* Without an engine there is none to tell. */
	assert_int_equal(ferry_tx_set_mode(b.rig.tx, FERRY_MODE_LATENCY), 0);
	assert_false(ferry_board_any(board, 1));
	bench_serve(&b);
	let_be_quiet(&b);
	assert_int_equal(ferry_tx_set_mode(b.rig.tx, FERRY_MODE_THROUGHPUT), 0);
	assert_true(ferry_board_any(board, 1));
	let_be_quiet(&b);
	assert_int_equal(ferry_rx_set_mode(b.rig.rx, FERRY_MODE_EFFICIENCY), 0);
	assert_true(ferry_board_any(board, 1));
	let_be_quiet(&b);
	/* Not of one that was refused. */
	assert_int_equal(ferry_rx_set_mode(b.rig.rx, FERRY_MODES), -EINVAL);
	assert_int_equal(ferry_tx_set_mode(b.rig.tx, FERRY_MODES), -EINVAL);
	assert_false(ferry_board_any(board, 1));
	bench_stop(&b);
}

static void
a_producer_knows_how_fast_its_server_was(void **state)
{
	const uint32_t n = 100;
	struct ferry_post *p;
	uint64_t before;
	struct bench b;
	uint32_t i;

	(void)state;
	bench_start(&b, 128);
	bench_serve(&b);
	p = b.rig.tx->post;
	before = rte_rdtsc();
	for (i = 0; i < n; i++)
		assert_int_equal(bench_post(&b, LONG), 1);
	assert_int_equal(p->bytes, n * LONG);
	assert_true(p->rate == 0);
	bench_serve_all(&b);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	/* At least as fast as all of this was. */
	assert_true(p->rate >= (double)(n * LONG) /
		(double)(rte_rdtsc() - before + 1));
	assert_int_equal(p->bytes, 0);
	assert_int_equal(p->since_bytes, 0);
	assert_in_range(p->since, before, rte_rdtsc());
	assert_int_equal(bench_receive(&b), 0);
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
	assert_int_equal(bench_post(&b, LONG), 1);
	assert_int_equal(bench_post(&b, LONG), 1);
	/* For one job of two, and no slot. */
	assert_int_equal(ferry_tx_finish(b.rig.tx, 1, 1000), -ETIMEDOUT);
	assert_int_equal(wish->jobs, b.rig.tx->post->done + 1);
	assert_true(wish->slots - b.rig.tx->end.back.at > 1000);
	/* For the last job, and for whatever is given back. */
	assert_int_equal(ferry_tx_drain(b.rig.tx, 1000), -ETIMEDOUT);
	assert_int_equal(wish->jobs, b.rig.tx->post->jobs.at);
	assert_int_equal(wish->slots, b.rig.tx->end.back.at);
	/* For some slots, and no job. */
	while (bench_post(&b, LONG) == 1)
		;
	assert_int_equal(ferry_tx_wait(b.rig.tx, 1000), -ETIMEDOUT);
	assert_int_equal(wish->slots, b.rig.tx->end.back.at + 2);
	assert_true(wish->jobs - b.rig.tx->post->jobs.at > 1000);
	/* The consumer keeps quiet while more is to come, and not after. */
	bench_serve_all(&b);
	assert_int_equal(bench_receive(&b), 0);
	assert_false(b.rig.rx->owed);
	bench_stop(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pending_counts_what_stands_behind_a_job),
		cmocka_unit_test(
			what_an_engine_does_not_reach_its_producer_copies),
		cmocka_unit_test(
			a_producer_keeps_count_of_the_bytes_of_its_jobs),
		cmocka_unit_test(a_message_waits_for_the_copy_before_it),
		cmocka_unit_test(
			a_short_send_does_not_wait_for_posts_before_it),
		cmocka_unit_test(posts_end_where_slots_end),
		cmocka_unit_test(
		jobs_wait_for_an_engine_however_old_its_last_message_is),
		cmocka_unit_test(what_is_published_is_not_published_again),
		cmocka_unit_test(a_producer_goes_on_where_its_engine_left),
		cmocka_unit_test(
			what_a_dead_hub_has_left_its_producer_carries_out),
		cmocka_unit_test(a_claim_that_another_process_wrote_is_none),
		cmocka_unit_test(
			what_a_producer_cannot_serve_it_leaves_to_an_engine),
		cmocka_unit_test(a_stopped_producer_has_ended_its_jobs),
		cmocka_unit_test(jobs_are_done_even_if_nobody_receives_them),
		cmocka_unit_test(
			a_quiet_channel_costs_its_engine_nothing_until_a_post),
		cmocka_unit_test(
			a_quiet_channel_tells_its_engine_of_a_change_of_mode),
		cmocka_unit_test(a_producer_knows_how_fast_its_server_was),
		cmocka_unit_test(a_producer_says_what_it_sleeps_for),
	};

	return cmocka_run_group_tests(tests, ferry_test_eal_setup, NULL);
}
