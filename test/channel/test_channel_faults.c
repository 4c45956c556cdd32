/* SPDX-License-Identifier: BSD-3-Clause */

/* Allocations that fail: the call returns an error, and leaves no memory
 * behind. Also which system calls an end makes. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chan_parts.h"
#include "chan_rig.h"
#include "ferry_bulk.h"
#include "ferry_claim.h"
#include "ferry_faults.h"
#include "ferry_test.h"

static uint8_t data[5000];

/* For what is swept, which ends what it has begun. */
struct sweep {
	struct rig rig;
};

/* Let each allocation of a call fail in turn, until none is left to fail. */
static void
sweep(int (*call)(struct sweep *s))
{
	struct ferry_fault fault;
	struct sweep s;
	int64_t before;
	uint32_t k;
	int ret;

	/* What is asked of the system once is kept. */
	rig_make(&s.rig, 256, 4);
	assert_int_equal(call(&s), 0);
	rig_stop(&s.rig);
	for (k = 1; ; k++) {
		rig_make(&s.rig, 256, 4);
		before = ferry_faults_blocks();
		ferry_faults_arm(k, FERRY_FAULT_LACK);
		ret = call(&s);
		fault = ferry_faults_disarm();
		/* What asks the system does without an answer. */
		assert_int_equal(ret, fault.name != NULL &&
			strcmp(fault.name, "calloc") == 0 ? -ENOMEM : 0);
		assert_int_equal(ferry_faults_blocks(), before);
		rig_stop(&s.rig);
		if (fault.name == NULL)
			break;
	}
	assert_true(k > 1);
}

static int
call_tx_start(struct sweep *s)
{
	const struct ferry_channel_attach attach = rig_attach(&s->rig, RIG_TX);
	struct ferry_tx *tx = NULL;
	int ret = ferry_tx_start(&tx, &attach);

	if (ret != 0)
		assert_int_equal(s->rig.ch->tx.state, FERRY_END_ABSENT);
	ferry_tx_stop(tx);
	return ret;
}

static int
call_rx_start(struct sweep *s)
{
	const struct ferry_channel_attach attach = rig_attach(&s->rig, RIG_RX);
	struct ferry_rx *rx = NULL;
	int ret = ferry_rx_start(&rx, &attach);

	if (ret != 0)
		assert_int_equal(s->rig.ch->rx.state, FERRY_END_ABSENT);
	ferry_rx_stop(rx);
	return ret;
}

static int
call_census(struct sweep *s)
{
	struct ferry_channel_census census;

	return ferry_channel_census(s->rig.ch, NULL, false, &census);
}

static int
call_serve(struct sweep *s)
{
	const struct ferry_serve serve = {
		.shared = s->rig.ch,
		.config = { s->rig.ch->slot_size, s->rig.ch->n_slots },
		.local = true,
		.bells = s->rig.bells,
		.n_bells = RIG_BELLS,
	};
	struct ferry_server server;
	int ret = ferry_server_init(&server, &s->rig.copier, NULL, 1);

	if (ret != 0)
		return ret;
	ret = ferry_server_add(&server, &serve);
	assert_int_equal(ferry_server_remove(&server, 0),
		ret == 0 ? 0 : -ENOENT);
	ferry_server_fini(&server);
	return ret;
}

/* A message that is sent, taken, and copied. */
static int
bulk(struct ferry_tx *tx, struct ferry_rx *rx)
{
	const struct iovec iov = { data, sizeof(data) };
	struct ferry_bulk_out *out = NULL;
	struct ferry_bulk_in *in = NULL;
	struct ferry_msg msg;
	int ret = ferry_bulk_send(tx, &iov, 1, NULL, &out);

	if (ret != 1)
		return ret;
	assert_int_equal(ferry_rx_recv(rx, &msg, 1), 1);
	ret = ferry_bulk_accept(rx, &msg, NULL, 0, &in);
	if (ret == 0) {
		assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
		assert_int_equal(ferry_bulk_await(in, sizeof(data), 0), 0);
	} else {
		/* It is not lost: it may be refused, or accepted later. */
		assert_int_equal(ferry_rx_release(rx, &msg, 1), 0);
		assert_int_equal(ferry_bulk_wait(out, UINT64_MAX),
			FERRY_E_REFUSED);
	}
	ferry_bulk_close(out);
	ferry_bulk_release(in, 0);
	return ret;
}

static int
call_bulk(struct sweep *s)
{
	struct ferry_channel_attach attach = rig_attach(&s->rig, RIG_TX);
	struct ferry_tx *tx = NULL;
	struct ferry_rx *rx = NULL;
	int ret = ferry_tx_start(&tx, &attach);

	if (ret == 0) {
		attach = rig_attach(&s->rig, RIG_RX);
		ret = ferry_rx_start(&rx, &attach);
	}
	if (ret == 0)
		ret = bulk(tx, rx);
	ferry_tx_stop(tx);
	ferry_rx_stop(rx);
	return ret;
}

static void
a_producers_end_starts_or_leaves_nothing(void **state)
{
	(void)state;
	sweep(call_tx_start);
}

static void
a_consumers_end_starts_or_leaves_nothing(void **state)
{
	(void)state;
	sweep(call_rx_start);
}

static void
a_census_says_that_it_cannot_be_taken(void **state)
{
	(void)state;
	sweep(call_census);
}

static void
a_server_that_is_unmade_leaves_nothing(void **state)
{
	(void)state;
	sweep(call_serve);
}

static void
a_bulk_message_goes_through_or_leaves_nothing(void **state)
{
	(void)state;
	sweep(call_bulk);
}

/* What it lacks to help with a bulk message it asks for again at its next
 * turn. */
static void
a_server_that_helped_with_a_bulk_message_leaves_nothing(void **state)
{
	const struct ferry_bulk_options options = { .by = FERRY_BULK_ENGINE };
	const struct iovec iov = { data, sizeof(data) };
	struct ferry_bulk_block *block;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct rig_engine engine;
	struct ferry_msg msg;
	struct rig rig;
	int64_t before;
	uint32_t k, i;

	(void)state;
	for (k = 0; k < 2; k++) {
		rig_start_post(&rig, 256, 4, 1);
		rig_engine_make(&rig, &engine, 0);
		assert_int_equal(ferry_bulk_send(rig.tx, &iov, 1, &options,
			&out), 1);
		assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
		assert_int_equal(ferry_bulk_accept(rig.rx, &msg, NULL, 0, &in),
			0);
		block = &chan_bulk(rig.ch)[0];
		before = ferry_faults_blocks();
		assert_int_equal(rig_serve(&rig, &engine), 0);
		ferry_faults_arm(k, FERRY_FAULT_LACK);
		ferry_server_poll(&engine.server);
		assert_int_equal(ferry_faults_disarm().name != NULL, k == 1);
		for (i = 0; i < 10; i++)
			ferry_server_poll(&engine.server);
		assert_int_equal(ferry_claim_front(block, 1, 0), 1);
		rig_leave(&rig, &engine);
		assert_int_equal(ferry_faults_blocks(), before);
		assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
		ferry_bulk_close(out);
		assert_int_equal(ferry_bulk_release(in, 0), 0);
		rig_engine_free(&engine);
		rig_stop(&rig);
	}
}

/* An end that begins to sleep has all CPUs settle before its first sleep; if
 * they cannot, it sleeps all the same, for a time that is bounded. */
static void
an_end_settles_before_it_sleeps(void **state)
{
	struct ferry_fault fault;
	struct rig rig;
	uint32_t k;

	(void)state;
	for (k = 0; k < 3; k++) {
		rig_start(&rig, 256, 4);
		ferry_faults_arm(k, FERRY_FAULT_LACK);
		ferry_rx_set_wait(rig.rx, FERRY_WAIT_SLEEP);
		fault = ferry_faults_disarm();
		assert_true(fault.calls > 0);
		assert_int_equal(rig.ch->rx.may_sleep, 1);
		assert_int_equal(rig.rx->end.wait.policy, FERRY_WAIT_SLEEP);
		ferry_faults_arm(0, FERRY_FAULT_LACK);
		ferry_rx_set_wait(rig.rx, FERRY_WAIT_NAP);
		assert_int_equal(ferry_faults_disarm().calls, 0);
		ferry_faults_arm(0, FERRY_FAULT_LACK);
		ferry_rx_set_wait(rig.rx, FERRY_WAIT_YIELD);
		assert_int_equal(ferry_faults_disarm().calls, 0);
		rig_stop(&rig);
	}
}

static int
set_up(void **state)
{
	(void)state;
	return ferry_faults_open();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_producers_end_starts_or_leaves_nothing),
		cmocka_unit_test(a_consumers_end_starts_or_leaves_nothing),
		cmocka_unit_test(a_census_says_that_it_cannot_be_taken),
		cmocka_unit_test(a_server_that_is_unmade_leaves_nothing),
		cmocka_unit_test(a_bulk_message_goes_through_or_leaves_nothing),
		cmocka_unit_test(
		a_server_that_helped_with_a_bulk_message_leaves_nothing),
		cmocka_unit_test(an_end_settles_before_it_sleeps),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
