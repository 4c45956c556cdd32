/* SPDX-License-Identifier: BSD-3-Clause */

/* Bulk messages that one of the participants ends early, at each stage: the
 * results that producer and consumer get. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_malloc.h>

#include "chan_parts.h"
#include "chan_rig.h"
#include "ferry_bulk.h"
#include "ferry_claim.h"
#include "ferry_test.h"

#define KIB UINT64_C(1024)
#define LEN (300 * KIB + 5)
#define UNITS 19

/* A message, as far as a test brings it. */
struct bench {
	struct rig rig;
	uint8_t *data;
	struct ferry_bulk_out *out;
	struct ferry_msg msg;
	struct ferry_bulk_in *in;
	struct ferry_bulk_block *block;
};

/* From here on ends that have not found each other yet are in one process, and
 * all memory is everybody's. */
static void
be_one(struct bench *b)
{
	struct ferry_process self;

	ferry_process_self(&self);
	rig_set_process(&b->rig.ch->tx, &self);
	rig_set_process(&b->rig.ch->rx, &self);
	b->rig.memory.reach = rig_reach_all;
}

static void
be_orphans(struct bench *b)
{
	rig_set_state(&b->rig.ch->rx, FERRY_END_HUB_GONE);
	rig_set_state(&b->rig.ch->tx, FERRY_END_HUB_GONE);
}

static void
bench_send(struct bench *b)
{
	/* Only an engine may copy, and none runs here: tests claim by hand. */
	const struct ferry_bulk_options options = { .by = FERRY_BULK_ENGINE };
	struct iovec iov;

	memset(b, 0, sizeof(*b));
	rig_start(&b->rig, 256, 4);
	rig_be_apart(&b->rig);
	b->data = malloc(LEN);
	ferry_test_fill(b->data, LEN, 9);
	iov.iov_base = b->data;
	iov.iov_len = LEN;
	assert_int_equal(ferry_bulk_send(b->rig.tx, &iov, 1, &options,
		&b->out), 1);
	b->block = &chan_bulk(b->rig.ch)[0];
	assert_int_equal(ferry_bulk_n_units(LEN), UNITS);
	assert_int_equal(ferry_rx_recv(b->rig.rx, &b->msg, 1), 1);
}

static void
bench_accept(struct bench *b)
{
	bench_send(b);
	assert_int_equal(ferry_bulk_accept(b->rig.rx, &b->msg, NULL, 0,
		&b->in), 0);
}

/* Copy n units as another party would, from the first one that is free. */
static void
copy_by(struct bench *b, uint8_t party, uint32_t n)
{
	uint32_t first = 0;

	while (n > 0) {
		uint32_t got = ferry_claim_take(b->block, UNITS, party, n,
				UNITS, 0, &first);
		uint64_t from = first * ferry_bulk_unit(LEN);

		assert_true(got > 0);
		memcpy((uint8_t *)ferry_bulk_data(b->in) + from, b->data + from,
			RTE_MIN(LEN - from, got * ferry_bulk_unit(LEN)));
		ferry_claim_done(b->block, party, first, got);
		n -= got;
	}
}

static void
bench_end(struct bench *b)
{
	rig_stop(&b->rig);
	assert_int_equal(b->rig.n_pieces, 0);
	assert_int_equal(b->rig.n_holds, 0);
	free(b->data);
}

/* The accepted message is copied to its end, and both ends know. */
static void
bench_arrives(struct bench *b)
{
	assert_int_equal(ferry_bulk_await(b->in, LEN, UINT64_MAX), 0);
	assert_int_equal(ferry_test_check(ferry_bulk_data(b->in), LEN, 9), -1);
	assert_int_equal(ferry_bulk_poll(b->out), 1);
	assert_int_equal(ferry_bulk_wait(b->out, UINT64_MAX), 0);
	ferry_bulk_close(b->out);
	assert_int_equal(ferry_bulk_release(b->in, 0), 0);
}

/* The channel is as new: another message goes through. */
static void
another_arrives(struct bench *b)
{
	const struct iovec iov = { b->data, LEN };
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;

	be_one(b);
	assert_int_equal(ferry_bulk_send(b->rig.tx, &iov, 1, NULL, &out), 1);
	assert_int_equal(ferry_rx_recv(b->rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(b->rig.rx, &msg, NULL, 0, &in), 0);
	assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
	assert_int_equal(ferry_bulk_await(in, LEN, 0), 0);
	assert_int_equal(ferry_test_check(ferry_bulk_data(in), LEN, 9), -1);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
}

static enum ferry_reach
eal_reach(void *arg, const void *mem, uint64_t len)
{
	struct ferry_reach_view view = { 0 };

	(void)arg;
	return ferry_reach(&view, (uintptr_t)mem, len);
}

/* The second piece of a destination: private; of DPDK; registered with EAL; and
 * the same while the consumer is in another process. */
enum second { UNKNOWN, DPDK, REGISTERED, ABROAD };

/* The consumer calls both pieces everybody's. If the producer does not find
 * that it has the second one, too, it leaves the copy to the consumer. */
static void
every_piece_has_to_be_known_to_who_copies(void **state)
{
	const struct ferry_bulk_options options = { .by = FERRY_BULK_TX };
	struct ferry_channel_attach attach;
	struct ferry_channel_memory others;
	const size_t room = RTE_ALIGN_CEIL(LEN, 4096);
	uint8_t *known, *unknown = aligned_alloc(4096, room);
	struct ferry_bulk_stats stats;
	struct iovec src, dst[2];
	unsigned int i;
	struct bench b;

	(void)state;
	ferry_test_need_eal();
	known = rte_zmalloc(NULL, LEN, 0);
	assert_non_null(known);
	b.data = malloc(LEN);
	ferry_test_fill(b.data, LEN, 9);
	src = (struct iovec) { b.data, LEN };
	for (i = UNKNOWN; i <= ABROAD; i++) {
		if (i == REGISTERED)
			assert_int_equal(rte_extmem_register(unknown, room,
				NULL, 0, 4096), 0);
		rig_make(&b.rig, 256, 4);
		attach = rig_attach(&b.rig, RIG_TX);
		assert_int_equal(ferry_tx_start(&b.rig.tx, &attach), 0);
		others = b.rig.memory;
		b.rig.memory.reach = eal_reach;
		attach = rig_attach(&b.rig, RIG_RX);
		attach.memory = &others;
		assert_int_equal(ferry_rx_start(&b.rig.rx, &attach), 0);
		if (i == ABROAD)
			rig_be_stranger(&b.rig.ch->rx);
		dst[0] = (struct iovec) { known, 100000 };
		dst[1] = (struct iovec) { i == DPDK ? known + 100000 : unknown,
			LEN - 100000 };
		assert_int_equal(ferry_bulk_send(b.rig.tx, &src, 1, &options,
			&b.out), 1);
		assert_int_equal(ferry_rx_recv(b.rig.rx, &b.msg, 1), 1);
		assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, dst, 2,
			&b.in), 0);
		ferry_bulk_poll(b.out);
		ferry_bulk_tx_stats(b.rig.tx, &stats);
		assert_int_equal(stats.claims > 0, i == DPDK ||
			i == REGISTERED);
		/* Who should copy does not come. */
		assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX), 0);
		assert_int_equal(ferry_test_check(known, 100000, 9), -1);
		assert_memory_equal(dst[1].iov_base, b.data + 100000,
			LEN - 100000);
		assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), 0);
		ferry_bulk_close(b.out);
		assert_int_equal(ferry_bulk_release(b.in, 0), 0);
		rig_stop(&b.rig);
	}
	assert_int_equal(rte_extmem_unregister(unknown, room), 0);
	free(b.data);
	free(unknown);
	rte_free(known);
}

static void
cancelled_before_it_is_accepted(void **state)
{
	struct bench b;

	(void)state;
	bench_send(&b);
	assert_int_equal(ferry_bulk_cancel(b.out, 0), 0);
	assert_int_equal(b.rig.n_holds, 0);
	assert_int_equal(ferry_bulk_poll(b.out), FERRY_E_CANCELLED);
	ferry_bulk_close(b.out);
	/* The consumer learns it when it wants the message. */
	assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, NULL, 0, &b.in),
		0);
	assert_int_equal(ferry_bulk_await(b.in, 1, UINT64_MAX),
		FERRY_E_CANCELLED);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	another_arrives(&b);
	bench_end(&b);
}

static void
cancelled_half_way(void **state)
{
	struct bench b;
	int ended;

	(void)state;
	bench_accept(&b);
	copy_by(&b, FERRY_UNIT_SERVER, 7);
	assert_int_equal(ferry_bulk_ready(b.in, &ended), 7 * 16 * KIB);
	assert_int_equal(ended, 0);
	assert_int_equal(ferry_bulk_cancel(b.out, 0), 0);
	assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX),
		FERRY_E_CANCELLED);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	another_arrives(&b);
	bench_end(&b);
}

static void
cancelled_while_another_party_copies(void **state)
{
	static const uint8_t parties[] = { FERRY_UNIT_RX, FERRY_UNIT_SERVER };
	uint32_t first = 0, n;
	struct bench b;
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(parties); i++) {
		bench_accept(&b);
		n = ferry_claim_take(b.block, UNITS, parties[i], 3, UNITS, 0,
				&first);
		assert_int_equal(n, 3);
		/* It reads the payload, so that is not the caller's. */
		assert_int_equal(ferry_bulk_cancel(b.out, 0), -ETIMEDOUT);
		assert_int_equal(ferry_bulk_cancel(b.out, 1000000), -ETIMEDOUT);
		assert_int_equal(b.rig.n_holds, 2);
		ferry_claim_done(b.block, parties[i], first, n);
		assert_int_equal(ferry_bulk_cancel(b.out, 0), 0);
		assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX),
			FERRY_E_CANCELLED);
		ferry_bulk_close(b.out);
		assert_int_equal(ferry_bulk_release(b.in, 0), 0);
		another_arrives(&b);
		bench_end(&b);
	}
}

static void
cancelled_too_late(void **state)
{
	struct bench b;

	(void)state;
	bench_accept(&b);
	copy_by(&b, FERRY_UNIT_SERVER, UNITS);
	assert_int_equal(ferry_bulk_cancel(b.out, 0), -EALREADY);
	assert_int_equal(ferry_bulk_poll(b.out), 1);
	assert_int_equal(ferry_bulk_await(b.in, LEN, 0), 0);
	assert_int_equal(ferry_test_check(ferry_bulk_data(b.in), LEN, 9), -1);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

/* Over is said while the last units are copied: both get the whole message. */
static void
cancelled_while_the_last_units_are_copied(void **state)
{
	uint32_t first = 0, n;
	struct bench b;

	(void)state;
	bench_accept(&b);
	copy_by(&b, FERRY_UNIT_SERVER, UNITS - 2);
	n = ferry_claim_take(b.block, UNITS, FERRY_UNIT_SERVER, 2, UNITS, 0,
			&first);
	assert_int_equal(n, 2);
	assert_int_equal(ferry_bulk_cancel(b.out, 0), -ETIMEDOUT);
	memcpy((uint8_t *)ferry_bulk_data(b.in) + first * 16 * KIB,
		b.data + first * 16 * KIB, LEN - first * 16 * KIB);
	ferry_claim_done(b.block, FERRY_UNIT_SERVER, first, n);
	assert_int_equal(ferry_bulk_cancel(b.out, 0), -EALREADY);
	assert_int_equal(ferry_bulk_poll(b.out), 1);
	assert_int_equal(ferry_bulk_await(b.in, LEN, 0), 0);
	assert_int_equal(ferry_test_check(ferry_bulk_data(b.in), LEN, 9), -1);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

static void
refused_unseen(void **state)
{
	struct bench b;

	(void)state;
	bench_send(&b);
	assert_int_equal(ferry_rx_release(b.rig.rx, &b.msg, 1), 0);
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), FERRY_E_REFUSED);
	assert_int_equal(ferry_bulk_cancel(b.out, 0), -EALREADY);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, NULL, 0, &b.in),
		-EINVAL);
	another_arrives(&b);
	bench_end(&b);
}

/* A lent buffer of a refused message is free to be lent again, but only after
 * the producer has stopped writing to it. */
static void
refused_while_the_producer_writes(void **state)
{
	static uint8_t lent[LEN];
	struct iovec back[FERRY_BULK_BLOCKS];
	const struct iovec iov = { lent, LEN };
	uint32_t first = 0, i;
	struct ferry_bulk_out *out;
	struct ferry_msg msg;
	struct bench b;

	(void)state;
	bench_send(&b);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_rx_release(b.rig.rx, &b.msg, 1), 0);
	be_one(&b);
	assert_int_equal(ferry_bulk_lend(b.rig.rx, lent, LEN), 0);
	/* More often than there are blocks. */
	for (i = 0; i < 2 * FERRY_BULK_BLOCKS; i++) {
		assert_int_equal(ferry_bulk_send(b.rig.tx, &iov, 1, NULL, &out),
			1);
		assert_int_equal(ferry_claim_take(b.block, UNITS, FERRY_UNIT_TX,
			4, UNITS, 0, &first), 4);
		assert_int_equal(ferry_rx_recv(b.rig.rx, &msg, 1), 1);
		assert_int_equal(ferry_rx_release(b.rig.rx, &msg, 1), 0);
		assert_int_equal(ferry_bulk_unlend(b.rig.rx, back), 0);
		ferry_claim_drop(b.block, FERRY_UNIT_TX, first, 4);
		assert_int_equal(ferry_bulk_poll(out), FERRY_E_REFUSED);
		ferry_bulk_close(out);
		assert_int_equal(ferry_bulk_unlend(b.rig.rx, back), 1);
		assert_int_equal(ferry_bulk_lend(b.rig.rx, back[0].iov_base,
			back[0].iov_len), 0);
		assert_int_equal(ferry_bulk_tx_wait(b.rig.tx, 0), 0);
	}
	assert_int_equal(ferry_bulk_unlend(b.rig.rx, back), 1);
	assert_ptr_equal(back[0].iov_base, lent);
	assert_int_equal(back[0].iov_len, LEN);
	bench_end(&b);
}

static void
released_half_way_while_the_producer_writes(void **state)
{
	uint32_t first = 0, n;
	struct bench b;

	(void)state;
	bench_accept(&b);
	n = ferry_claim_take(b.block, UNITS, FERRY_UNIT_TX, 4, UNITS, 0,
			&first);
	assert_int_equal(n, 4);
	/* Memory of the endpoint: it need not be waited for, but is kept. */
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	assert_int_equal(b.rig.n_pieces, 1);
	ferry_claim_drop(b.block, FERRY_UNIT_TX, first, n);
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), FERRY_E_REFUSED);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_rx_wait(b.rig.rx, 0), -ETIMEDOUT);
	another_arrives(&b);
	assert_int_equal(b.rig.n_pieces, 0);
	bench_end(&b);
}

static void
own_memory_is_released_only_when_nobody_writes_it(void **state)
{
	uint8_t *to = malloc(LEN);
	const struct iovec iov = { to, LEN };
	uint32_t first = 0, n;
	struct bench b;

	(void)state;
	bench_send(&b);
	be_one(&b);
	assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, &iov, 1, &b.in),
		0);
	n = ferry_claim_take(b.block, UNITS, FERRY_UNIT_SERVER, 4, UNITS, 0,
			&first);
	assert_int_equal(n, 4);
	assert_int_equal(ferry_bulk_release(b.in, 0), -ETIMEDOUT);
	assert_int_equal(ferry_bulk_release(b.in, 1000000), -ETIMEDOUT);
	ferry_claim_done(b.block, FERRY_UNIT_SERVER, first, n);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	assert_int_equal(ferry_bulk_poll(b.out), FERRY_E_REFUSED);
	ferry_bulk_close(b.out);
	bench_end(&b);
	free(to);
}

static void
the_endpoints_memory_is_freed_while_its_end_waits(void **state)
{
	uint32_t first = 0, n;
	struct bench b;

	(void)state;
	bench_accept(&b);
	n = ferry_claim_take(b.block, UNITS, FERRY_UNIT_SERVER, 4, UNITS, 0,
			&first);
	assert_int_equal(n, 4);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	assert_int_equal(ferry_rx_wait(b.rig.rx, 1000), -ETIMEDOUT);
	assert_int_equal(b.rig.n_pieces, 1);
	ferry_claim_done(b.block, FERRY_UNIT_SERVER, first, n);
	assert_int_equal(ferry_rx_wait(b.rig.rx, 1000), -ETIMEDOUT);
	assert_int_equal(b.rig.n_pieces, 0);
	assert_int_equal(ferry_bulk_poll(b.out), FERRY_E_REFUSED);
	ferry_bulk_close(b.out);
	bench_end(&b);
}

static void
the_consumer_ends(void **state)
{
	static const struct {
		enum ferry_end_state state;
		int result;
	} ends[] = {
		{ FERRY_END_CLOSED, FERRY_E_CLOSED },
		{ FERRY_END_GONE, FERRY_E_PEER_GONE },
	};
	uint32_t first = 0;
	struct bench b;
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(ends); i++) {
		/* With claims of its own, which end with it. */
		bench_accept(&b);
		ferry_claim_take(b.block, UNITS, FERRY_UNIT_RX, 2, UNITS, 0,
				&first);
		rig_set_state(&b.rig.ch->rx, ends[i].state);
		assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX),
			ends[i].result);
		ferry_bulk_close(b.out);
		assert_int_equal(b.rig.n_holds, 1);
		ferry_claim_drop(b.block, FERRY_UNIT_RX, first, 2);
		bench_end(&b);
	}
}

static void
the_producer_dies(void **state)
{
	struct bench b;
	uint32_t first = 0;

	(void)state;
	bench_accept(&b);
	copy_by(&b, FERRY_UNIT_TX, 5);
	ferry_claim_take(b.block, UNITS, FERRY_UNIT_TX, 2, UNITS, 0, &first);
	rig_set_state(&b.rig.ch->tx, FERRY_END_GONE);
	assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX),
		FERRY_E_PEER_GONE);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	assert_int_equal(b.rig.n_pieces, 0);
	ferry_claim_drop(b.block, FERRY_UNIT_TX, first, 2);
	bench_end(&b);
}

static void
the_producer_dies_after_the_last_unit(void **state)
{
	struct bench b;

	(void)state;
	bench_accept(&b);
	copy_by(&b, FERRY_UNIT_TX, UNITS);
	rig_set_state(&b.rig.ch->tx, FERRY_END_GONE);
	assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX), 0);
	assert_int_equal(ferry_test_check(ferry_bulk_data(b.in), LEN, 9), -1);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

/* Both ends live, here in one process, and share what its engine had
 * claimed. */
static void
the_hub_dies_and_its_claims_are_copied_by_others(void **state)
{
	struct bench b;
	uint32_t first = 0;

	(void)state;
	bench_send(&b);
	be_one(&b);
	assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, NULL, 0, &b.in),
		0);
	copy_by(&b, FERRY_UNIT_SERVER, 3);
	assert_int_equal(ferry_claim_take(b.block, UNITS, FERRY_UNIT_SERVER, 5,
		UNITS, 0, &first), 5);
	be_orphans(&b);
	bench_arrives(&b);
	bench_end(&b);
}

static void
the_hub_dies_before_the_message_begins(void **state)
{
	struct bench b;

	(void)state;
	bench_send(&b);
	be_one(&b);
	be_orphans(&b);
	assert_int_equal(ferry_bulk_poll(b.out), 0);
	assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, NULL, 0, &b.in),
		0);
	bench_arrives(&b);
	bench_end(&b);
}

static void
either_end_closes_without_a_hub(void **state)
{
	struct bench b;

	(void)state;
	/* A message that was seen, but not taken. */
	bench_send(&b);
	be_one(&b);
	be_orphans(&b);
	assert_int_equal(ferry_bulk_poll(b.out), 0);
	ferry_rx_stop(b.rig.rx);
	b.rig.rx = NULL;
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), FERRY_E_CLOSED);
	ferry_bulk_close(b.out);
	bench_end(&b);

	bench_send(&b);
	be_one(&b);
	be_orphans(&b);
	ferry_tx_stop(b.rig.tx);
	b.rig.tx = NULL;
	assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, NULL, 0, &b.in),
		0);
	assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX),
		FERRY_E_CANCELLED);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

struct writer {
	struct ferry_bulk_block *block;
	bool has_ended;
};

/* Has units of the producer's when it starts. */
static void *
writer_run(void *arg)
{
	struct writer *w = arg;

	usleep(30000);
	__atomic_store_n(&w->has_ended, true, __ATOMIC_RELAXED);
	ferry_claim_drop(w->block, FERRY_UNIT_TX, 0, 4);
	return NULL;
}

static void
closing_waits_for_who_writes_a_lent_buffer(void **state)
{
	static uint8_t lent[LEN];
	const struct iovec iov = { lent, LEN };
	int with_hub;

	(void)state;
	/* Its time-out needs the TSC's frequency. */
	ferry_test_need_eal();
	for (with_hub = 1; with_hub >= 0; with_hub--) {
		struct ferry_bulk_out *out;
		struct writer writer = { 0 };
		uint32_t first = 0;
		pthread_t thread;
		struct bench b;

		bench_send(&b);
		ferry_bulk_close(b.out);
		assert_int_equal(ferry_rx_release(b.rig.rx, &b.msg, 1), 0);
		be_one(&b);
		assert_int_equal(ferry_bulk_lend(b.rig.rx, lent, LEN), 0);
		assert_int_equal(ferry_bulk_send(b.rig.tx, &iov, 1, NULL, &out),
			1);
		writer.block = b.block;
		assert_int_equal(ferry_claim_take(b.block, UNITS,
			FERRY_UNIT_TX, 4, UNITS, 0, &first), 4);
		assert_int_equal(first, 0);
		if (!with_hub)
			be_orphans(&b);
		assert_int_equal(pthread_create(&thread, NULL, writer_run,
			&writer), 0);
		ferry_rx_stop(b.rig.rx);
		b.rig.rx = NULL;
		assert_true(__atomic_load_n(&writer.has_ended,
			__ATOMIC_RELAXED));
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(ferry_bulk_poll(out), FERRY_E_CLOSED);
		ferry_bulk_close(out);
		bench_end(&b);
	}
}

static void
closing_waits_for_who_writes_an_accepted_message(void **state)
{
	static uint8_t own[LEN];
	const struct iovec iov = { own, LEN };
	struct writer writer = { 0 };
	uint32_t first = 0;
	pthread_t thread;
	struct bench b;

	(void)state;
	/* Its time-out needs the TSC's frequency. */
	ferry_test_need_eal();
	bench_send(&b);
	be_one(&b);
	assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, &iov, 1, &b.in),
		0);
	writer.block = b.block;
	assert_int_equal(ferry_claim_take(b.block, UNITS, FERRY_UNIT_TX, 4,
		UNITS, 0, &first), 4);
	assert_int_equal(first, 0);
	assert_int_equal(pthread_create(&thread, NULL, writer_run, &writer),
		0);
	ferry_rx_stop(b.rig.rx);
	b.rig.rx = NULL;
	assert_true(__atomic_load_n(&writer.has_ended, __ATOMIC_RELAXED));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), FERRY_E_REFUSED);
	ferry_bulk_close(b.out);
	bench_end(&b);
}

/* What another call finds out first is still the caller's cancelling. */
static void
cancelled_says_so_each_time(void **state)
{
	uint32_t first = 0;
	struct bench b;

	(void)state;
	bench_accept(&b);
	assert_int_equal(ferry_claim_take(b.block, UNITS, FERRY_UNIT_SERVER, 1,
		UNITS, 0, &first), 1);
	assert_int_equal(ferry_bulk_cancel(b.out, 0), -ETIMEDOUT);
	ferry_claim_drop(b.block, FERRY_UNIT_SERVER, first, 1);
	assert_int_equal(ferry_bulk_poll(b.out), FERRY_E_CANCELLED);
	assert_int_equal(ferry_bulk_cancel(b.out, 0), 0);
	assert_int_equal(ferry_bulk_cancel(b.out, 0), 0);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

static void
what_ended_early_is_counted_at_both_ends(void **state)
{
	struct ferry_bulk_stats tx, rx;
	struct ferry_end_stats sent, received;
	struct bench b;

	(void)state;
	bench_send(&b);
	assert_int_equal(ferry_rx_release(b.rig.rx, &b.msg, 1), 0);
	assert_int_equal(ferry_bulk_poll(b.out), FERRY_E_REFUSED);
	ferry_bulk_close(b.out);
	another_arrives(&b);
	ferry_bulk_tx_stats(b.rig.tx, &tx);
	ferry_bulk_rx_stats(b.rig.rx, &rx);
	assert_int_equal(tx.msgs, 1);
	assert_int_equal(rx.msgs, 1);
	assert_int_equal(tx.bytes, LEN);
	assert_int_equal(rx.bytes, LEN);
	assert_int_equal(tx.aborted, 1);
	assert_int_equal(rx.aborted, 1);
	assert_int_equal(tx.copied + rx.copied, LEN);
	/* They are messages like all others. */
	ferry_tx_stats(b.rig.tx, &sent);
	ferry_rx_stats(b.rig.rx, &received);
	assert_int_equal(sent.msgs, 2);
	assert_int_equal(received.msgs, 2);
	assert_int_equal(sent.bytes, 2 * LEN);
	assert_int_equal(received.bytes, 2 * LEN);
	bench_end(&b);
}

static void
closing_ends_what_is_under_way(void **state)
{
	struct bench b;

	(void)state;
	bench_accept(&b);
	ferry_tx_stop(b.rig.tx);
	b.rig.tx = NULL;
	assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX),
		FERRY_E_CANCELLED);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);

	bench_accept(&b);
	ferry_rx_stop(b.rig.rx);
	b.rig.rx = NULL;
	assert_int_equal(b.rig.n_pieces, 0);
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), FERRY_E_REFUSED);
	ferry_bulk_close(b.out);
	bench_end(&b);
}

static void
the_front_is_there_before_the_rest(void **state)
{
	struct bench b;
	uint32_t first = 0;
	int ended;

	(void)state;
	bench_accept(&b);
	assert_int_equal(ferry_bulk_await(b.in, 1, 0), -ETIMEDOUT);
	copy_by(&b, FERRY_UNIT_SERVER, 2);
	/* A gap, and what is behind it. */
	assert_int_equal(ferry_claim_take(b.block, UNITS, FERRY_UNIT_TX, 1,
		UNITS, 0, &first), 1);
	copy_by(&b, FERRY_UNIT_SERVER, 4);
	assert_int_equal(ferry_bulk_ready(b.in, &ended), 32 * KIB);
	assert_int_equal(ended, 0);
	assert_int_equal(ferry_bulk_await(b.in, 32 * KIB, 0), 0);
	assert_int_equal(ferry_bulk_await(b.in, 32 * KIB + 1, 0), -ETIMEDOUT);
	assert_memory_equal(ferry_bulk_data(b.in), b.data, 32 * KIB);
	memcpy((uint8_t *)ferry_bulk_data(b.in) + 32 * KIB, b.data + 32 * KIB,
		16 * KIB);
	ferry_claim_done(b.block, FERRY_UNIT_TX, first, 1);
	assert_int_equal(ferry_bulk_ready(b.in, NULL), 7 * 16 * KIB);
	copy_by(&b, FERRY_UNIT_SERVER, UNITS - 7);
	assert_int_equal(ferry_bulk_ready(b.in, &ended), LEN);
	assert_int_equal(ended, 1);
	assert_int_equal(ferry_test_check(ferry_bulk_data(b.in), LEN, 9), -1);
	assert_int_equal(ferry_bulk_poll(b.out), 1);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_piece_has_to_be_known_to_who_copies),
		cmocka_unit_test(cancelled_before_it_is_accepted),
		cmocka_unit_test(cancelled_half_way),
		cmocka_unit_test(cancelled_while_another_party_copies),
		cmocka_unit_test(cancelled_too_late),
		cmocka_unit_test(cancelled_while_the_last_units_are_copied),
		cmocka_unit_test(refused_unseen),
		cmocka_unit_test(refused_while_the_producer_writes),
		cmocka_unit_test(released_half_way_while_the_producer_writes),
		cmocka_unit_test(
			own_memory_is_released_only_when_nobody_writes_it),
		cmocka_unit_test(
			the_endpoints_memory_is_freed_while_its_end_waits),
		cmocka_unit_test(the_consumer_ends),
		cmocka_unit_test(the_producer_dies),
		cmocka_unit_test(the_producer_dies_after_the_last_unit),
		cmocka_unit_test(
			the_hub_dies_and_its_claims_are_copied_by_others),
		cmocka_unit_test(the_hub_dies_before_the_message_begins),
		cmocka_unit_test(either_end_closes_without_a_hub),
		cmocka_unit_test(closing_waits_for_who_writes_a_lent_buffer),
		cmocka_unit_test(
			closing_waits_for_who_writes_an_accepted_message),
		cmocka_unit_test(cancelled_says_so_each_time),
		cmocka_unit_test(what_ended_early_is_counted_at_both_ends),
		cmocka_unit_test(closing_ends_what_is_under_way),
		cmocka_unit_test(the_front_is_there_before_the_rest),
	};

	return cmocka_run_group_tests(tests, ferry_test_eal_setup, NULL);
}
