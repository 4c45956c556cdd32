/* SPDX-License-Identifier: BSD-3-Clause */

/* Posts whose device fails, and peers that write garbage. */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_malloc.h>

#include "chan_parts.h"
#include "ferry_post.h"
#include "ferry_test.h"
#include "chance.h"
#include "post_bench.h"

/* All calls of either end tell that a job cannot be carried out. */
static void
assert_failed(struct bench *b, int why)
{
	struct ferry_msg msg;

	assert_int_equal(ferry_channel_failed(b->rig.ch), why);
	assert_int_equal(bench_post(b, LONG), why);
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
	assert_int_equal(bench_post(b, LONG), 1);
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
	assert_int_equal(bench_post(&b, LONG), 1);
	assert_int_equal(bench_post(&b, LONG), 1);
	while (ferry_tx_pending(b.rig.tx) > 0)
		ferry_server_poll(&b.engine.server);
	b.late.close_result = -EBUSY;
	hang(&b);
	while (ferry_channel_failed(b.rig.ch) == 0)
		ferry_server_poll(&b.engine.server);
	/* What was complete before is received. */
	assert_int_equal(bench_receive(&b), -EIO);
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
	assert_int_equal(bench_post(&b, LONG), 1);
	/* Behind it, in cells: they wait for ever. */
	for (i = 0; i < 2; i++)
		assert_int_equal(bench_send(&b, 1000), 1);
	hang(&b);
	while (ferry_channel_failed(b.rig.ch) == 0)
		ferry_server_poll(&b.engine.server);
	for (i = 0; i < 3000; i++)
		assert_int_equal(ferry_rx_recv(b.rig.rx, &msg, 1), -EIO);
	assert_failed(&b, -EIO);
	bench_stop(&b);
}

static void
a_device_that_can_be_stopped_costs_no_message(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	assert_int_equal(bench_post(&b, LONG), 1);
	hang(&b);
	assert_int_equal(bench_post(&b, LONG), 1);
	while (ferry_tx_pending(b.rig.tx) > 0)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(bench_receive(&b), 0);
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
		assert_int_equal(bench_post(&b, LONG), 1);
		assert_int_equal(bench_post(&b, LONG), 1);
		assert_int_equal(bench_post(&b, LONG), 1);
		jobs = (struct ferry_job *)&chan_jobs(b.rig.ch)[1];
		jobs[1].slot = nonsense[i].slot;
		jobs[1].len = nonsense[i].len;
		jobs[1].place = nonsense[i].place;
		bench_serve_all(&b);
		ferry_server_poll(&b.engine.server);
		assert_int_equal(bench_receive(&b), FERRY_E_CORRUPT);
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
		assert_int_equal(bench_post(&b, LONG), 1);
		chan_jobs(b.rig.ch)->prod.tail = tails[i];
		ferry_server_poll(&b.engine.server);
		assert_int_equal(b.late.nb, 0);
		assert_int_equal(b.engine.server.stats.bad, 1);
		assert_false(ferry_server_pending(&b.engine.server, 0, true));
		assert_failed(&b, FERRY_E_CORRUPT);
		bench_stop(&b);
	}
}

static void
nothing_in_a_board_leads_out_of_it(void **state)
{
	struct ferry_board *board;
	struct bench b;
	uint8_t *behind;
	unsigned int i;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	board = b.rig.boards.base;
	behind = (uint8_t *)board + ferry_board_size(1);
	memset(behind, 0xff, 256);
	/* To an engine, whose board says that all channels have something. */
	memset(board, 0xff, ferry_board_size(1));
	ferry_server_poll(&b.engine.server);
	for (i = 0; i < 256; i++)
		assert_int_equal(behind[i], 0xff);
	assert_false(ferry_board_any(board, 1));
	/* To a producer, with a number that the board has no bit for. */
	memset(board, 0xff, ferry_board_size(1));
	memset(behind, 0, 256);
	for (i = 0; i < 4096; i++)
		ferry_board_post(board, 1, 1 + i);
	for (i = 0; i < 256; i++)
		assert_int_equal(behind[i], 0);
	bench_stop(&b);
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
	assert_int_equal(bench_post(&b, LONG), 1);
	jobs = (struct ferry_job *)&chan_jobs(b.rig.ch)[1];
	jobs[0].len = UINT32_MAX;
	rig_leave(&b.rig, &b.engine);
	/* Its own turn now. */
	assert_int_equal(ferry_tx_pending(b.rig.tx), 1);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, UINT64_MAX),
		FERRY_E_CORRUPT);
	assert_int_equal(bench_post(&b, LONG), FERRY_E_CORRUPT);
	bench_stop(&b);
}

/* One write by a process gone mad, into what it may write to. */
static void
somebody_lies(struct rig *rig, uint8_t *payloads)
{
	struct rte_ring *jobs = chan_jobs(rig->ch);
	struct rte_ring *out = chan_out(rig->ch);
	struct ferry_job *job = (struct ferry_job *)&jobs[1];
	struct ferry_desc *desc = (struct ferry_desc *)&out[1];
	uint32_t k, n;

	switch (chance(8)) {
	case 0:
		chance_scribble(&job[chance(jobs->size)], sizeof(*job));
		break;
	case 1:
		chance_scribble(&desc[chance(out->size)], sizeof(*desc));
		break;
	case 2:
		out->prod.head = chance_lie(out->size, 6) + out->prod.tail;
		out->cons.tail = out->prod.tail - chance_lie(out->size, 6);
		break;
	case 3:
		jobs->cons.head = chance_lie(jobs->size, 6);
		rig->ch->tx.may_sleep = chance_lie(2, 6);
		rig->ch->tx.endpoint = chance_lie(RIG_BELLS, 6);
		rig->ch->service.watch = chance_lie(2, 6);
		rig->ch->wish.jobs = chance_lie(100, 6);
		rig->ch->service.mode = chance_lie(FERRY_MODES, 6);
		break;
	case 4:
		jobs->prod.tail = chance_lie(jobs->size, 6) + jobs->cons.tail;
		break;
	default:
		/* Jobs that can just be believed. */
		n = 1 + chance(4);
		for (k = 0; k < n; k++)
			job[(jobs->prod.tail + k) & jobs->mask] =
				(struct ferry_job) {
				.slot = chance(rig->ch->n_slots),
				.len = chance(rig->ch->slot_size + 1),
				.src = (uintptr_t)payloads + chance(SLOT),
				.seq = (uint32_t)rig->rx->end.seq + k,
				.place = chance(FERRY_PLACES),
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
	print_message("seed %llu\n", (unsigned long long)chance_state());
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
	uint8_t *memory, *page, *registered;
	unsigned int i;
	struct bench b;

	(void)state;
	ferry_test_need_eal();
	memory = rte_zmalloc(NULL, 2 * SLOT, 0);
	assert_non_null(memory);
	page = malloc(SLOT);
	/* The producer's process may have something else there. */
	registered = aligned_alloc(SLOT, SLOT);
	assert_int_equal(rte_extmem_register(registered, SLOT, NULL, 0, SLOT),
		0);
	for (i = 0; i < 6; i++) {
		const uint64_t addresses[] = {
			0, (uintptr_t)page, UINT64_MAX - 100,
			(uintptr_t)rte_malloc_virt2iova,
			(uintptr_t)registered, (uintptr_t)memory,
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
		assert_int_equal(bench_post(&b, LONG), 1);
		job = (struct ferry_job *)&chan_jobs(b.rig.ch)[1];
		job->src = addresses[i];
		ferry_server_poll(&b.engine.server);
		ferry_server_poll(&b.engine.server);
		assert_int_equal(b.engine.server.stats.bad, i < 5);
		assert_int_equal(b.late.ended, i == 5);
		bench_stop(&b);
	}
	assert_int_equal(rte_extmem_unregister(registered, SLOT), 0);
	free(registered);
	free(page);
	rte_free(memory);
}

/* As if another process wrote over what the producer of a ring has told. */
static void
untell(struct rte_ring *ring)
{
	ring->prod.head = ring->cons.tail;
	__atomic_store_n(&ring->prod.tail, ring->cons.tail, __ATOMIC_RELEASE);
}

struct turns {
	struct bench *b;
	bool stop;
};

/* Somebody runs the engine. */
static void *
turns_make(void *arg)
{
	struct turns *t = arg;

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE))
		if (ferry_server_poll(&t->b->engine.server) == 0)
			sched_yield();
	return NULL;
}

/* The jobs are hidden from the engine. The producer announces them again, and
 * waits for them as long as they take, but not for ever. */
static void
jobs_that_were_hidden_are_told_of_again(void **state)
{
	struct turns t = { 0 };
	pthread_t engine;
	struct bench b;
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		bench_start(&b, 8);
		bench_serve(&b);
		assert_int_equal(bench_post(&b, LONG), 1);
		assert_int_equal(bench_post(&b, LONG), 1);
		untell(chan_jobs(b.rig.ch));
		bench_serve_all(&b);
		assert_int_equal(bench_receive(&b), 0);
		assert_int_equal(b.received, 0);
		if (i == 0) {
			/* An engine's, which the producer waits for. */
			t = (struct turns) { .b = &b };
			assert_int_equal(pthread_create(&engine, NULL,
				turns_make, &t), 0);
			assert_int_equal(ferry_tx_finish(b.rig.tx, 0,
				UINT64_MAX), 0);
			__atomic_store_n(&t.stop, true, __ATOMIC_RELEASE);
			pthread_join(engine, NULL);
		} else if (i == 1) {
			/* Or waits for all that is on its way. */
			assert_int_equal(ferry_tx_drain(b.rig.tx, 0),
				-ETIMEDOUT);
			bench_serve_all(&b);
			assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
		} else {
			/* Its own, once the engine is gone. */
			rig_leave(&b.rig, &b.engine);
			assert_int_equal(ferry_tx_finish(b.rig.tx, 0,
				UINT64_MAX), 0);
		}
		assert_int_equal(bench_receive(&b), 0);
		assert_int_equal(b.received, 2);
		bench_stop(&b);
	}
}

/* The hub of a producer whose engine keeps still. */
static struct {
	struct bench *b;
	unsigned int n;
} asked;

static void
ask_hub(void *owner)
{
	assert_ptr_equal(owner, &asked.b->rig);
	if (++asked.n == 3)
		bench_serve_all(asked.b);
}

/* Every tenth of a second: the hub may be asked by all producers. */
static void
the_hub_is_asked_now_and_then_about_an_engine_that_keeps_still(void **state)
{
	uint64_t began, took;
	struct bench b;

	(void)state;
	/* It is the TSC that tells how long it was. */
	ferry_test_need_eal();
	bench_start(&b, 8);
	bench_serve(&b);
	asked.b = &b;
	asked.n = 0;
	b.rig.tx->post->stalled = ask_hub;
	assert_int_equal(bench_post(&b, LONG), 1);
	began = ferry_test_now_ns();
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, UINT64_MAX), 0);
	took = ferry_test_now_ns() - began;
	assert_true(took > UINT64_C(250000000));
	assert_int_equal(asked.n, 3);
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, 1);
	bench_stop(&b);
}

/* Both ends may be asleep. */
static void
who_gives_a_channel_up_wakes_both_ends(void **state)
{
	uint32_t *tx, *rx;
	struct ferry_job *job;
	struct bench b;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	assert_int_equal(bench_post(&b, LONG), 1);
	job = (struct ferry_job *)&chan_jobs(b.rig.ch)[1];
	job->len = UINT32_MAX;
	b.rig.ch->tx.may_sleep = 1;
	b.rig.ch->rx.may_sleep = 1;
	tx = &b.rig.bells[RIG_TX].state;
	rx = &b.rig.bells[RIG_RX].state;
	*tx = FERRY_BELL_ASLEEP;
	*rx = FERRY_BELL_ASLEEP;
	ferry_server_poll(&b.engine.server);
	assert_int_equal(ferry_channel_failed(b.rig.ch), FERRY_E_CORRUPT);
	assert_int_equal(*tx, FERRY_BELL_AWAKE);
	assert_int_equal(*rx, FERRY_BELL_AWAKE);
	assert_failed(&b, FERRY_E_CORRUPT);
	bench_stop(&b);
}

static void
messages_that_were_hidden_are_told_of_again(void **state)
{
	struct ferry_buf bufs[2 * FERRY_CELL_BURST];
	struct bench b;
	unsigned int i;

	(void)state;
	bench_start(&b, 16);
	for (i = 0; i < RTE_DIM(bufs); i++, b.sent++)
		bufs[i] = bench_buf(&b, 500);
	assert_int_equal(ferry_tx_send_here(b.rig.tx, bufs, RTE_DIM(bufs)),
		RTE_DIM(bufs));
	untell(chan_fwd(b.rig.ch));
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, 0);
	assert_int_equal(ferry_tx_drain(b.rig.tx, 0), -ETIMEDOUT);
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, RTE_DIM(bufs));
	assert_int_equal(ferry_tx_drain(b.rig.tx, 0), 0);
	bench_stop(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
	a_device_that_cannot_be_stopped_ends_the_channel_at_that_message),
		cmocka_unit_test(a_device_that_can_be_stopped_costs_no_message),
		cmocka_unit_test(
			what_follows_a_lost_message_is_not_taken_for_nonsense),
		cmocka_unit_test(an_impossible_job_ends_its_channel_only),
		cmocka_unit_test(an_impossible_number_of_jobs_is_not_believed),
		cmocka_unit_test(
			nothing_in_a_board_leads_out_of_it),
		cmocka_unit_test(
			a_producer_does_not_turn_for_ever_over_garbage),
		cmocka_unit_test(addresses_out_of_reach_are_not_followed),
		cmocka_unit_test(jobs_that_were_hidden_are_told_of_again),
		cmocka_unit_test(messages_that_were_hidden_are_told_of_again),
		cmocka_unit_test(
		the_hub_is_asked_now_and_then_about_an_engine_that_keeps_still),
		cmocka_unit_test(who_gives_a_channel_up_wakes_both_ends),
		cmocka_unit_test(a_peer_gone_mad_does_no_harm_to_a_server),
	};

	chance_begin();
	return cmocka_run_group_tests(tests, ferry_test_eal_setup, NULL);
}
