/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A process writes garbage anywhere into a channel while both ends and an
 * engine work. Each of these goes on, reports the error, and comes to an end. A
 * page without access follows the channel, so that an access behind the channel
 * is noticed.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ferry_bulk_layout.h"
#include "ferry_post.h"
#include "ferry_test.h"
#include "chan_parts.h"
#include "chance.h"
#include "post_bench.h"

#define N_SLOTS 8
#define ROUNDS 40
#define STEPS 60
/* Thousand times what the whole program takes. */
#define HANGS_S 600

/* Where garbage goes: from one part of the channel to another one. */
struct region {
	const char *name;
	uint64_t from;
	uint64_t to;
};

#define N_REGIONS 9
/* Its number among them. */
#define JOB_RING 4

static void
regions_of(const struct ferry_channel_shared *ch, struct region *r)
{
	const struct region all[N_REGIONS] = {
		{ "head", offsetof(struct ferry_channel_shared, version),
			offsetof(struct ferry_channel_shared, tx) },
		{ "ends", offsetof(struct ferry_channel_shared, tx),
			sizeof(*ch) },
		{ "forward ring", ch->off_fwd, ch->off_back },
		{ "back ring", ch->off_back, ch->off_jobs },
		{ "job ring", ch->off_jobs, ch->off_out },
		{ "out ring", ch->off_out, ch->off_tx_held },
		{ "held tables", ch->off_tx_held, ch->off_cells },
		{ "cells", ch->off_cells, ch->off_bulk },
		{ "all", 0, ch->off_bulk },
	};

	memcpy(r, all, sizeof(all));
}

/* What a call of either end may say of a broken channel. */
static bool
is_known(int ret)
{
	return ret >= 0 || ret == FERRY_E_CORRUPT || ret == FERRY_E_CLOSED ||
		ret == FERRY_E_PEER_GONE || ret == FERRY_E_HUB_GONE ||
		ret == -EINVAL || ret == -EIO || ret == -ETIMEDOUT;
}

static int
tx_act(struct bench *b, uint32_t what)
{
	struct ferry_tx *tx = b->rig.tx;
	struct ferry_buf buf = bench_buf(b, chance(3) == 0 ?
			chance(FERRY_CELL_DATA) : chance(SLOT));
	struct ferry_buf burst[FERRY_CELL_BURST + 2];
	struct ferry_msg msgs[3];
	unsigned int i;
	int n;

	switch (what) {
	case 0:
		return ferry_tx_send(tx, &buf, 1);
	case 1:
		for (i = 0; i < RTE_DIM(burst); i++)
			burst[i] = buf;
		return ferry_tx_send(tx, burst, RTE_DIM(burst));
	case 2:
		n = ferry_tx_loan(tx, msgs, 3);
		if (n <= 0)
			return n;
		for (i = 0; i < (unsigned int)n; i++)
			memset(msgs[i].data, 0x5a, msgs[i].len);
		return chance(2) ? ferry_tx_commit(tx, msgs, (uint16_t)n) :
			ferry_tx_cancel(tx, msgs, (uint16_t)n);
	case 3:
		return ferry_tx_post(tx, &buf, 1);
	case 4:
		ferry_tx_pending(tx);
		return ferry_tx_finish(tx, 0, 0);
	case 5:
		return ferry_tx_wait(tx, 0);
	case 6:
		return ferry_tx_drain(tx, 0);
	default:
		/* Not efficiency: its sleepers' barrier takes long. */
		return ferry_tx_set_mode(tx, chance(2));
	}
}

static int
rx_act(struct bench *b)
{
	struct ferry_rx *rx = b->rig.rx;
	struct ferry_msg msgs[5];
	int n, ret;

	switch (chance(4)) {
	case 0:
		return ferry_rx_wait(rx, 0);
	case 1:
		return ferry_rx_set_mode(rx, chance(2));
	default:
		n = ferry_rx_recv(rx, msgs, 5);
		if (n <= 0)
			return n;
		for (ret = 0; ret < n; ret++) {
			assert_true(msgs[ret].len <= SLOT);
			memset(msgs[ret].data, 0xa5, msgs[ret].len);
		}
		return ferry_rx_release(rx, msgs, (uint16_t)n);
	}
}

/* The engine's turns, until the test has enough. */
static uint32_t enough;

static void *
engine_turns(void *arg)
{
	struct bench *b = arg;

	while (__atomic_load_n(&enough, __ATOMIC_ACQUIRE) == 0)
		if (ferry_server_poll(&b->engine.server) == 0)
			sched_yield();
	return NULL;
}

/* What the hub does if a producer waits in vain: its books say who serves, and
 * not the channel. */
static bool served;

static void
hub_says(void *owner)
{
	struct rig *rig = owner;

	if (!served)
		__atomic_store_n(&rig->ch->service.server, FERRY_SERVER_NONE,
				__ATOMIC_RELEASE);
}

/* One channel: garbage and work in turn. Whether an end has said so. */
static bool
round_one(unsigned int region)
{
	struct region regions[N_REGIONS];
	struct ferry_channel_census census;
	bool told = false;
	pthread_t engine;
	struct bench b;
	unsigned int i;
	int ret;

	bench_start(&b, N_SLOTS);
	b.rig.tx->post->stalled = hub_says;
	regions_of(b.rig.ch, regions);
	served = chance(4) > 0;
	if (served)
		bench_serve(&b);
	enough = 0;
	assert_int_equal(pthread_create(&engine, NULL, engine_turns, &b), 0);
	for (i = 0; i < STEPS; i++) {
		const struct region *r = &regions[region];
		const uint64_t room = r->to - r->from;
		const uint32_t n = 1 + chance(chance(2) ? 8 : 64);

		if (i > 4)
			chance_scribble((uint8_t *)b.rig.ch + r->from +
				chance((uint32_t)(room - RTE_MIN(n, room) +
					1)), RTE_MIN(n, room));
		ret = tx_act(&b, chance(8));
		if (!is_known(ret))
			fail_msg("the producer says %d", ret);
		told |= ret == FERRY_E_CORRUPT;
		ret = rx_act(&b);
		if (!is_known(ret))
			fail_msg("the consumer says %d", ret);
		told |= ret == FERRY_E_CORRUPT;
		/* The hub, which lists the channel. */
		ferry_channel_census(b.rig.ch, &(struct ferry_channel_config) {
				SLOT, N_SLOTS }, true, &census);
	}
	__atomic_store_n(&enough, 1, __ATOMIC_RELEASE);
	pthread_join(engine, NULL);
	served = false;
	ferry_server_remove(&b.engine.server, 0);
	b.rig.ch->service.server = FERRY_SERVER_NONE;
	bench_stop(&b);
	return told;
}

static void
garbage_anywhere_kills_nobody_and_is_told(void **state)
{
	struct region regions[N_REGIONS];
	unsigned int region, round, told;
	struct bench b;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)chance_state());
	alarm(HANGS_S);
	bench_start(&b, N_SLOTS);
	regions_of(b.rig.ch, regions);
	bench_stop(&b);
	for (region = 0; region < N_REGIONS; region++) {
		told = 0;
		for (round = 0; round < ROUNDS; round++)
			told += round_one(region);
		print_message("%s: told in %u of %u channels\n",
			regions[region].name, told, ROUNDS);
		/* What is in the head was read at the start: it changes
		 * nothing. Elsewhere garbage is found; but jobs that the engine
		 * took at once are not read again. */
		if (region > 1 && region != JOB_RING)
			assert_true(told > 0);
		if (region == 0)
			assert_int_equal(told, 0);
	}
	alarm(0);
}

/* What a channel's head says later moves no end to other memory. */
static void
the_head_is_read_once(void **state)
{
	struct ferry_channel_shared *ch;
	struct rig rig;
	uint64_t i;

	(void)state;
	rig_start(&rig, 256, 4);
	ch = rig.ch;
	chance_scribble((uint8_t *)ch + offsetof(struct ferry_channel_shared,
			size), offsetof(struct ferry_channel_shared, name) -
			offsetof(struct ferry_channel_shared, size));
	for (i = 0; i < 100; i++)
		rig_pass(&rig, (uint32_t)(1 + i * 37 % 256), i);
	assert_int_equal(ferry_tx_drain(rig.tx, 0), 0);
	rig_stop(&rig);
}

/* A ring's own idea of its size is not asked for. */
static void
a_rings_size_is_read_once(void **state)
{
	struct rte_ring *rings[4];
	unsigned int i, k;
	struct rig rig;

	(void)state;
	for (k = 0; k < 4; k++) {
		rig_start(&rig, 256, 4);
		rings[0] = chan_fwd(rig.ch);
		rings[1] = chan_back(rig.ch);
		rings[2] = chan_jobs(rig.ch);
		rings[3] = chan_out(rig.ch);
		rings[k]->size = UINT32_MAX;
		rings[k]->mask = UINT32_MAX;
		rings[k]->capacity = UINT32_MAX;
		rings[k]->prod.head = 0x12345678;
		rings[k]->cons.head = 0x87654321;
		for (i = 0; i < 100; i++)
			rig_pass(&rig, 200, i);
		assert_int_equal(ferry_tx_drain(rig.tx, 0), 0);
		rig_stop(&rig);
	}
}

/* What no consumer gives back is told, and not waited for. */
static void
a_producer_does_not_wait_for_what_cannot_come(void **state)
{
	static const uint8_t data[200];
	const struct ferry_buf buf = { data, sizeof(data), 0, 0 };
	unsigned int i;
	struct rig rig;

	(void)state;
	for (i = 0; i < 3; i++) {
		rig_start(&rig, 256, 4);
		while (ferry_tx_send(rig.tx, &buf, 1) == 1)
			;
		if (i == 0)
			/* More than there are places. */
			chan_back(rig.ch)->prod.tail += 1000;
		else if (i == 1) {
			/* A slot that does not exist. */
			((uint32_t *)&chan_back(rig.ch)[1])[
				chan_back(rig.ch)->prod.tail & 7] = 4;
			chan_back(rig.ch)->prod.tail++;
		} else {
			/* One that the producer has. */
			rig.ch->cells_freed = 1000;
			rig.tx->cell_limit = 0;
		}
		if (i < 2)
			assert_int_equal(ferry_tx_send(rig.tx, &buf, 1),
				FERRY_E_CORRUPT);
		assert_int_equal(ferry_tx_drain(rig.tx, UINT64_MAX),
			FERRY_E_CORRUPT);
		rig_stop(&rig);
	}
}

/* A cell that no producer can have left is told, and not waited for. */
static void
a_consumer_does_not_wait_for_a_spoilt_cell(void **state)
{
	struct ferry_msg msg;
	unsigned int lap;
	struct rig rig;
	uint64_t i;

	(void)state;
	for (lap = 0; lap < 2; lap++) {
		rig_start(&rig, 256, 4);
		for (i = 0; i < lap * FERRY_N_CELLS + 3; i++)
			rig_pass(&rig, 10, i);
		assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 0);
		rig.rx->end.cells[3].stamp = ferry_cell_stamp(7 +
				lap * FERRY_N_CELLS, rig.rx->end.seq);
		assert_int_equal(ferry_rx_wait(rig.rx, UINT64_MAX), 0);
		assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1),
			FERRY_E_CORRUPT);
		rig_stop(&rig);
	}
}

/* A job ring whose consumer claims what cannot be gives no payload back, and
 * the server says again what is true. */
static void
a_servers_index_is_checked(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	assert_int_equal(bench_post(&b, LONG), 1);
	chan_jobs(b.rig.ch)->cons.tail += 7;
	assert_int_equal(ferry_tx_pending(b.rig.tx), 1);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, 1000), -ETIMEDOUT);
	bench_serve_all(&b);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, 0), 0);
	/* When there is nothing more to do, too: the hub has it said again. */
	assert_int_equal(bench_post(&b, LONG), 1);
	bench_serve_all(&b);
	chan_jobs(b.rig.ch)->cons.tail--;
	assert_int_equal(ferry_tx_pending(b.rig.tx), 1);
	ferry_server_retell(&b.engine.server, 0);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	bench_stop(&b);
}

/* A producer that erases the server's word of a stuck channel does not wait for
 * ever, because the hub has the server write the word again. */
static void
a_stuck_channel_is_told_again(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	assert_int_equal(bench_post(&b, LONG), 1);
	((struct ferry_job *)&chan_jobs(b.rig.ch)[1])[0].slot = 8;
	bench_serve_all(&b);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, 0), FERRY_E_CORRUPT);
	b.rig.ch->service.failed = 0;
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, 1000), -ETIMEDOUT);
	ferry_server_retell(&b.engine.server, 0);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, 0), FERRY_E_CORRUPT);
	bench_stop(&b);
}

/* The consumer's nonsense does not end a wait for payloads that are read. */
static void
payloads_are_waited_for_whatever_the_consumer_wrote(void **state)
{
	struct ferry_buf buf = { .data = "x", .len = 1 };
	struct bench b;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	assert_int_equal(bench_post(&b, LONG), 1);
	chan_back(b.rig.ch)->prod.tail += 1000;
	while (ferry_tx_send(b.rig.tx, &buf, 1) == 1)
		;
	b.rig.tx->free_head = b.rig.tx->free_tail;
	assert_int_equal(ferry_tx_loan(b.rig.tx, &(struct ferry_msg) { 0 }, 1),
		FERRY_E_CORRUPT);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, 1000), -ETIMEDOUT);
	bench_serve_all(&b);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, 0), 0);
	assert_int_equal(bench_post(&b, LONG), FERRY_E_CORRUPT);
	bench_stop(&b);
}

/* A producer that died before it told the engine of its job: the hub has it
 * carried out all the same, though the engine has left off looking. */
static void
a_job_that_nobody_told_of_is_carried_out(void **state)
{
	struct bench b;
	unsigned int i;

	(void)state;
	alarm(HANGS_S);
	bench_start(&b, 8);
	bench_serve(&b);
	for (i = 0; i < 1000 && b.engine.server.n_active > 0; i++)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(b.engine.server.n_active, 0);
	/* The announcement is what is missing. */
	b.rig.ch->service.watch = 0;
	assert_int_equal(bench_post(&b, LONG), 1);
	assert_int_equal(ferry_server_poll(&b.engine.server), 0);
	ferry_server_finish(&b.engine.server, 0);
	assert_int_equal(b.engine.server.stats.msgs, 1);
	bench_stop(&b);
	alarm(0);
}

/* A producer's own process follows no address that another one wrote. */
static void
an_address_without_its_seal_is_not_followed(void **state)
{
	struct ferry_job *job;
	unsigned int i;
	struct bench b;

	(void)state;
	for (i = 0; i < 5; i++) {
		bench_start(&b, 8);
		bench_serve(&b);
		assert_int_equal(bench_post(&b, LONG), 1);
		job = (struct ferry_job *)&chan_jobs(b.rig.ch)[1];
		switch (i) {
		case 0: job->src += 64; break;
		case 1: job->len--; break;
		case 2: job->slot ^= 1; break;
		case 3: job->seq++; break;
		default: break;
		}
		bench_serve_all(&b);
		assert_int_equal(b.engine.server.stats.bad, i < 4);
		assert_int_equal(b.engine.server.stats.msgs, i == 4);
		assert_int_equal(ferry_tx_finish(b.rig.tx, 0, UINT64_MAX),
			i < 4 ? FERRY_E_CORRUPT : 0);
		bench_stop(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(garbage_anywhere_kills_nobody_and_is_told),
		cmocka_unit_test(the_head_is_read_once),
		cmocka_unit_test(a_rings_size_is_read_once),
		cmocka_unit_test(a_producer_does_not_wait_for_what_cannot_come),
		cmocka_unit_test(a_consumer_does_not_wait_for_a_spoilt_cell),
		cmocka_unit_test(a_servers_index_is_checked),
		cmocka_unit_test(a_stuck_channel_is_told_again),
		cmocka_unit_test(
			payloads_are_waited_for_whatever_the_consumer_wrote),
		cmocka_unit_test(a_job_that_nobody_told_of_is_carried_out),
		cmocka_unit_test(an_address_without_its_seal_is_not_followed),
	};

	chance_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
