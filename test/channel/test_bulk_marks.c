/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Units of bulk messages that bear the mark of a participant which has not
 * claimed them, because another process wrote the mark, or a server came late.
 * Each wait for such a unit ends.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "chan_parts.h"
#include "chan_rig.h"
#include "ferry_bulk.h"
#include "ferry_claim.h"
#include "ferry_post.h"
#include "ferry_test.h"

#define KIB UINT64_C(1024)
#define LEN (300 * KIB + 5)
#define UNITS 19
/* A wait that takes longer does not end: all that wait here do so for 5 s. */
#define SECONDS 600

struct bench {
	struct rig rig;
	struct ferry_bulk_block *block;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
};

static uint8_t data[LEN];
static uint8_t lent[LEN];

/* Both ends are in this process, or each in one of its own. */
static void
bench_make(struct bench *b, bool local, bool in_hub)
{
	memset(b, 0, sizeof(*b));
	alarm(SECONDS);
	ferry_test_fill(data, LEN, 9);
	rig_start_post(&b->rig, 256, 4, 1);
	b->block = &chan_bulk(b->rig.ch)[0];
	b->rig.tx->end.local = in_hub;
	if (local)
		return;
	rig_be_strangers(&b->rig);
}

static void
bench_end(struct bench *b)
{
	rig_stop(&b->rig);
	assert_int_equal(b->rig.n_holds, 0);
	alarm(0);
}

static void
bench_send(struct bench *b, uint32_t by, uint8_t *to)
{
	const struct ferry_bulk_options options = { .by = by };
	const struct iovec from = { data, LEN }, where = { to, LEN };

	assert_int_equal(ferry_bulk_send(b->rig.tx, &from, 1, &options,
		&b->out), 1);
	assert_int_equal(ferry_rx_recv(b->rig.rx, &b->msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(b->rig.rx, &b->msg, to != NULL ?
		&where : NULL, to != NULL, &b->in), 0);
	assert_int_equal(ferry_bulk_n_units(LEN), UNITS);
}

static void
bench_arrived(struct bench *b)
{
	assert_int_equal(ferry_bulk_await(b->in, LEN, UINT64_MAX), 0);
	assert_int_equal(ferry_test_check(ferry_bulk_data(b->in), LEN, 9), -1);
	assert_int_equal(ferry_bulk_wait(b->out, UINT64_MAX), 0);
	ferry_bulk_close(b->out);
	assert_int_equal(ferry_bulk_release(b->in, 0), 0);
}

/* Whether the mark may still be a thread's: a claim that was made is waited
 * for. */
static void
waits(struct bench *b)
{
	assert_int_equal(ferry_bulk_cancel(b->out, UINT64_C(1000000)),
		-ETIMEDOUT);
}

/* A producer closes its handle, though a unit bears the mark of a party in its
 * process. */
static void
mark_holds_up_no_producer(struct bench *b, uint8_t mark)
{
	bench_send(b, FERRY_BULK_ENGINE, NULL);
	b->block->units[3] = mark;
	assert_int_equal(ferry_bulk_poll(b->out), 0);
	waits(b);
	ferry_bulk_close(b->out);
	/* Even if a thread had that mark, and finished its copy now, the
	 * message would be whole for neither end. */
	ferry_claim_done(b->block, mark, 3, 1);
	assert_int_equal(b->block->units[3], FERRY_UNIT_FREE);
	assert_int_equal(ferry_bulk_await(b->in, LEN, UINT64_MAX),
		FERRY_E_CANCELLED);
	assert_int_equal(ferry_bulk_release(b->in, 0), 0);
	bench_end(b);
}

static void
a_consumers_mark_does_not_hold_up_its_own_process(void **state)
{
	struct bench b;

	(void)state;
	bench_make(&b, true, false);
	mark_holds_up_no_producer(&b, FERRY_UNIT_RX);
}

/* In the hub's process, whose engine stands still. */
static void
a_servers_mark_does_not_hold_up_the_hub(void **state)
{
	struct bench b;

	(void)state;
	bench_make(&b, false, true);
	mark_holds_up_no_producer(&b, FERRY_UNIT_SERVER);
}

/* A consumer whose producer is in its process gets its memory back. */
static void
a_producers_mark_does_not_hold_up_its_own_process(void **state)
{
	struct bench b;

	(void)state;
	bench_make(&b, true, false);
	bench_send(&b, FERRY_BULK_ENGINE, lent);
	b.block->units[3] = FERRY_UNIT_TX;
	assert_int_equal(ferry_bulk_release(b.in, 1000000), -ETIMEDOUT);
	assert_int_equal(ferry_bulk_release(b.in, UINT64_MAX), 0);
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), FERRY_E_REFUSED);
	ferry_bulk_close(b.out);
	bench_end(&b);
}

/*
 * A server that was asleep since an earlier message claims a unit of one that
 * is not for it, and does not get to see that: it is stopped. The ends, which
 * look at the units meanwhile, take it back.
 */
static void
a_late_servers_claim_is_taken_back(void **state)
{
	struct bench b;
	unsigned int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		bench_make(&b, i < 2, false);
		bench_send(&b, i % 2 == 0 ? FERRY_BULK_TX : FERRY_BULK_RX,
			NULL);
		b.block->units[3] = FERRY_UNIT_SERVER;
		if (i % 2 == 0) {
			assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), 0);
			assert_int_equal(b.block->units[3], FERRY_UNIT_DONE);
		}
		bench_arrived(&b);
		/* What it does when it goes on changes nothing. */
		b.block->units[4] = FERRY_UNIT_RX;
		ferry_claim_drop(b.block, FERRY_UNIT_SERVER, 3, 2);
		assert_int_equal(b.block->units[3], FERRY_UNIT_DONE);
		assert_int_equal(b.block->units[4], FERRY_UNIT_RX);
		b.block->units[4] = FERRY_UNIT_DONE;
		bench_end(&b);
	}
}

/* An engine's turn, if it is not at rest. */
static void
engine_turn(struct rig_engine *engine)
{
	if (engine->server.n_active > 0 ||
			ferry_board_any(engine->server.board, 1))
		ferry_server_poll(&engine->server);
}

/* An engine that has come to rest is told of units that bear its name, and
 * takes back what it has not claimed. */
static void
an_engine_takes_back_what_it_has_not_claimed(void **state)
{
	struct rig_engine engine;
	struct bench b;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		bench_make(&b, false, false);
		rig_engine_make(&b.rig, &engine, 0);
		assert_int_equal(rig_serve(&b.rig, &engine), 0);
		bench_send(&b, FERRY_BULK_ENGINE, NULL);
		memset(b.block->units, FERRY_UNIT_SERVER, UNITS);
		/* Of one that is over, it copies no more. */
		if (i == 1)
			assert_int_equal(ferry_bulk_cancel(b.out, 0),
				-ETIMEDOUT);
		while (engine.server.n_active > 0)
			ferry_server_poll(&engine.server);
		memset(b.block->units, FERRY_UNIT_SERVER, UNITS);
		if (i == 0) {
			while (ferry_bulk_poll(b.out) == 0)
				engine_turn(&engine);
			bench_arrived(&b);
		} else {
			while (ferry_bulk_cancel(b.out, 0) == -ETIMEDOUT)
				engine_turn(&engine);
			assert_int_equal(ferry_bulk_poll(b.out),
				FERRY_E_CANCELLED);
			ferry_bulk_close(b.out);
			assert_int_equal(ferry_bulk_release(b.in, 0), 0);
		}
		rig_leave(&b.rig, &engine);
		rig_engine_free(&engine);
		bench_end(&b);
	}
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_consumers_mark_does_not_hold_up_its_own_process),
		cmocka_unit_test(a_servers_mark_does_not_hold_up_the_hub),
		cmocka_unit_test(
			a_producers_mark_does_not_hold_up_its_own_process),
		cmocka_unit_test(a_late_servers_claim_is_taken_back),
		cmocka_unit_test(an_engine_takes_back_what_it_has_not_claimed),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
