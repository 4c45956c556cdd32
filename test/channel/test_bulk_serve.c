/* SPDX-License-Identifier: BSD-3-Clause */

/* An engine's part in bulk messages: when it helps, and when it rests. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_malloc.h>
#include <rte_memory.h>

#include "chan_parts.h"
#include "chan_rig.h"
#include "ferry_bulk.h"
#include "ferry_claim.h"
#include "ferry_post.h"
#include "ferry_test.h"
#include "late_lane.h"

#define KIB UINT64_C(1024)
/* A loop that takes longer does not end. */
#define SECONDS 60
/* Turns of an engine after which it is done with what it can do. */
#define TURNS 10000

static uint8_t data[400 * KIB];

/* A channel that an engine serves with a device. */
struct bench {
	struct rig rig;
	struct rig_engine engine;
	struct late late;
	struct ferry_bulk_block *block;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
};

static void
bench_make(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	alarm(SECONDS);
	rig_start_post(&b->rig, 256, 4, 1);
	rig_engine_make(&b->rig, &b->engine, 0);
	late_add(&b->engine.copier, &b->late);
	b->late.hold = true;
	assert_int_equal(rig_serve(&b->rig, &b->engine), 0);
	b->block = &chan_bulk(b->rig.ch)[0];
}

static void
bench_end(struct bench *b)
{
	rig_leave(&b->rig, &b->engine);
	rig_engine_free(&b->engine);
	rig_stop(&b->rig);
	assert_int_equal(b->rig.n_holds, 0);
	alarm(0);
}

/* A message that only the engine copies. */
static void
bench_send(struct bench *b, const struct iovec *iov, unsigned int n)
{
	const struct ferry_bulk_options options = { .by = FERRY_BULK_ENGINE };
	struct ferry_msg msg;

	assert_int_equal(ferry_bulk_send(b->rig.tx, iov, n, &options, &b->out),
		1);
	assert_int_equal(ferry_rx_recv(b->rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(b->rig.rx, &msg, NULL, 0, &b->in),
		0);
	assert_int_equal(b->rig.ch->service.bulk, 1);
}

static void
bench_send_one(struct bench *b, uint64_t len)
{
	const struct iovec iov = { data, len };

	bench_send(b, &iov, 1);
}

/* Channels that the engine has something to do for, of any mode. */
static uint32_t
used(const struct bench *b)
{
	uint32_t mode, n = 0;

	for (mode = 0; mode < FERRY_MODES; mode++)
		n += b->engine.server.used[mode];
	return n;
}

/* The engine's turns, until it has nothing to do for the channel. */
static bool
engine_rests(struct bench *b)
{
	int i;

	for (i = 0; i < 200 && b->engine.server.n_active > 0; i++)
		ferry_server_poll(&b->engine.server);
	return b->engine.server.n_active == 0;
}

/* Memory that it does not reach. The channel's mode does not keep it awake. */
static void
an_engine_rests_while_it_cannot_help(void **state)
{
	struct bench b;

	(void)state;
	bench_make(&b);
	rig_be_apart(&b.rig);
	b.rig.tx->end.local = false;
	bench_send_one(&b, sizeof(data));
	b.block->src.flags = FERRY_BULK_SHARED;
	assert_true(engine_rests(&b));
	assert_int_equal(used(&b), 0);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

/* It is over, which its producer has not noticed yet. */
static void
an_engine_rests_once_a_message_is_over(void **state)
{
	struct bench b;

	(void)state;
	bench_make(&b);
	bench_send_one(&b, sizeof(data));
	/* It has begun, so that it knows the message. */
	ferry_server_poll(&b.engine.server);
	assert_true(b.late.nb > 0);
	ferry_bulk_end(b.block, 1, FERRY_E_REFUSED);
	assert_false(engine_rests(&b));
	b.late.hold = false;
	assert_true(engine_rests(&b));
	assert_int_equal(b.rig.ch->service.bulk, 1);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

/* Its mode says how the engine waits from then on. */
static void
a_channel_counts_once_its_engine_helps(void **state)
{
	struct bench b;

	(void)state;
	bench_make(&b);
	ferry_server_poll(&b.engine.server);
	assert_int_equal(used(&b), 0);
	bench_send_one(&b, sizeof(data));
	ferry_server_poll(&b.engine.server);
	assert_true(b.late.nb > 0);
	assert_int_equal(used(&b), 1);
	assert_int_equal(b.engine.server.used[FERRY_MODE_LATENCY], 1);
	b.late.hold = false;
	assert_true(engine_rests(&b));
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), 0);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
	assert_int_equal(used(&b), 0);
}

/* The copier is full when all but a byte is in it. */
static void
what_a_copier_has_no_room_for_is_handed_over_later(void **state)
{
	static uint8_t other[3000];
	/* Of no channel that is served. */
	const struct ferry_copy_job job = {
		.dst = other, .src = data, .len = sizeof(other),
		.cookie = UINT64_C(9) << 32, .mode = FERRY_MODE_EFFICIENCY,
	};
	const struct iovec iov[] = { { data, 5000 }, { data + 5000, 1 } };
	unsigned int i;
	struct bench b;

	(void)state;
	bench_make(&b);
	ferry_test_fill(data, 5001, 7);
	for (i = 0; i < FERRY_COPIER_MAX_JOBS - 1; i++)
		assert_int_equal(ferry_copier_submit(&b.engine.copier, &job,
			1), 1);
	bench_send(&b, iov, RTE_DIM(iov));
	ferry_server_poll(&b.engine.server);
	assert_int_equal(b.late.nb, FERRY_COPIER_MAX_JOBS);
	b.late.hold = false;
	for (i = 0; i < TURNS && ferry_claim_front(b.block, 1, 0) == 0; i++)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(ferry_claim_front(b.block, 1, 0), 1);
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), 0);
	assert_int_equal(ferry_bulk_await(b.in, 5001, 0), 0);
	assert_int_equal(ferry_test_check(ferry_bulk_data(b.in), 5001, 7), -1);
	assert_int_equal(b.engine.server.stats.bulk_bytes, 5001);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

/* However slow it is: the core has other channels to look after. */
static void
the_device_of_an_engine_copies_and_not_its_core(void **state)
{
	struct bench b;
	unsigned int i;

	(void)state;
	bench_make(&b);
	b.engine.copier.lanes[1].lane->model.bytes_per_ns = 0.01;
	b.late.hold = false;
	ferry_test_fill(data, sizeof(data), 8);
	bench_send_one(&b, sizeof(data));
	for (i = 0; i < TURNS && b.engine.server.stats.bulk_bytes <
			sizeof(data); i++)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(b.engine.server.stats.bulk_bytes, sizeof(data));
	assert_int_equal(b.engine.copier.lanes[0].lane->stats.bytes, 0);
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), 0);
	assert_int_equal(ferry_test_check(ferry_bulk_data(b.in), sizeof(data),
		8), -1);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

/* The device of an engine hangs, and cannot be stopped. */
static void
who_ends_a_message_for_a_device_wakes_both_ends(void **state)
{
	uint32_t *tx_bell, *rx_bell;
	struct bench b;

	(void)state;
	bench_make(&b);
	b.late.close_result = -EBUSY;
	b.engine.copier.tune.hang_grace_ns = 1e6;
	bench_send_one(&b, 10000);
	tx_bell = rig_sleep(&b.rig, &b.rig.ch->tx, RIG_TX);
	rx_bell = rig_sleep(&b.rig, &b.rig.ch->rx, RIG_RX);
	ferry_server_poll(&b.engine.server);
	assert_int_equal(b.late.nb, 1);
	assert_int_equal(*tx_bell, FERRY_BELL_ASLEEP);
	assert_int_equal(*rx_bell, FERRY_BELL_ASLEEP);
	while (b.engine.server.stats.unsafe == 0)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(b.engine.server.stats.unsafe, 1);
	assert_int_equal(*tx_bell, FERRY_BELL_AWAKE);
	assert_int_equal(*rx_bell, FERRY_BELL_AWAKE);
	assert_int_equal(ferry_bulk_poll(b.out), -EIO);
	/* Nothing of it counts as copied. */
	assert_int_equal(b.engine.server.stats.bulk_bytes, 0);
	ferry_bulk_close(b.out);
	/* Not the lane's any more, which is gone. */
	b.block->units[0] = FERRY_UNIT_FREE;
	bench_end(&b);
}

static enum ferry_reach
eal_reach(void *arg, const void *mem, uint64_t len)
{
	struct ferry_reach_view view = { 0 };

	(void)arg;
	return ferry_reach(&view, (uintptr_t)mem, len);
}

/* Both ends call the memory everybody's. The engine looks it up: what EAL alone
 * knows it believes only where the hub says who reaches memory. */
static void
an_engine_copies_where_it_reaches(void **state)
{
	enum { PRIVATE, REGISTERED, DPDK, KINDS };
	const struct ferry_bulk_options options = { .by = FERRY_BULK_ENGINE };
	const struct ferry_channel_memory told = { .reach = eal_reach };
	const size_t half = sizeof(data), len = 2 * half;
	uint8_t *mem[KINDS];
	unsigned int i, k;
	struct bench b;

	(void)state;
	ferry_test_need_eal();
	mem[PRIVATE] = malloc(len);
	mem[REGISTERED] = aligned_alloc(4096, len);
	assert_int_equal(rte_extmem_register(mem[REGISTERED], len, NULL, 0,
		4096), 0);
	mem[DPDK] = rte_malloc(NULL, len, 4096);
	for (i = 0; i < 2 * KINDS; i++) {
		struct ferry_serve serve = { 0 };
		const struct iovec from = { mem[i % KINDS], half };
		const struct iovec to = { mem[i % KINDS] + half, half };
		struct ferry_msg msg;

		bench_make(&b);
		b.late.hold = false;
		rig_leave(&b.rig, &b.engine);
		serve.shared = b.rig.ch;
		serve.config.slot_size = b.rig.ch->slot_size;
		serve.config.n_slots = b.rig.ch->n_slots;
		serve.memory = i < KINDS ? NULL : &told;
		serve.bells = b.rig.bells;
		serve.n_bells = RIG_BELLS;
		b.rig.ch->service.server = b.engine.word;
		assert_int_equal(ferry_server_add(&b.engine.server, &serve), 0);
		ferry_test_fill(mem[i % KINDS], half, i);
		memset(mem[i % KINDS] + half, 0, half);
		assert_int_equal(ferry_bulk_send(b.rig.tx, &from, 1, &options,
			&b.out), 1);
		assert_int_equal(ferry_rx_recv(b.rig.rx, &msg, 1), 1);
		assert_int_equal(ferry_bulk_accept(b.rig.rx, &msg, &to, 1,
			&b.in), 0);
		assert_true(engine_rests(&b));
		if (i % KINDS == DPDK || i == KINDS + REGISTERED) {
			assert_int_equal(ferry_test_check(to.iov_base, half,
				i), -1);
			assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), 0);
		} else {
			for (k = 0; k < FERRY_BULK_UNITS; k++)
				assert_int_equal(b.block->units[k],
					FERRY_UNIT_FREE);
		}
		ferry_bulk_close(b.out);
		assert_int_equal(ferry_bulk_release(b.in, 0), 0);
		bench_end(&b);
	}
	assert_int_equal(rte_extmem_unregister(mem[REGISTERED], len), 0);
	rte_free(mem[DPDK]);
	free(mem[REGISTERED]);
	free(mem[PRIVATE]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_engine_rests_while_it_cannot_help),
		cmocka_unit_test(an_engine_copies_where_it_reaches),
		cmocka_unit_test(an_engine_rests_once_a_message_is_over),
		cmocka_unit_test(a_channel_counts_once_its_engine_helps),
		cmocka_unit_test(
			what_a_copier_has_no_room_for_is_handed_over_later),
		cmocka_unit_test(
			the_device_of_an_engine_copies_and_not_its_core),
		cmocka_unit_test(
			who_ends_a_message_for_a_device_wakes_both_ends),
	};

	return cmocka_run_group_tests(tests, ferry_test_eal_setup, NULL);
}
