/* SPDX-License-Identifier: BSD-3-Clause */

/* Engines and bulk messages: which engines help to copy, and that other jobs do
 * not wait behind bulk messages. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ferry_bulk.h"
#include "ferry_engine.h"
#include "ferry_memory.h"
#include "hub_fixture.h"

#define HUGE_LEN (12 * MIB)
#define SLOT 65536

/* Two channels with all ends in this thread, and an engine that it turns. */
struct stage {
	struct ferry_hub *hub;
	struct ferry_engine *engine;
	struct ferry_endpoint *ep;
	struct ferry_tx *tx[2];
	struct ferry_rx *rx[2];
	uint8_t *data;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
};

static void
stage_start(struct stage *s, bool worker)
{
	const struct ferry_engine_config config = {
		.socket = -1, .worker = worker,
	};
	const struct ferry_channel_config ch = {
		.slot_size = SLOT, .n_slots = 4,
	};
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->hub = hub_make(HUB, 40 * MIB, 0, 0);
	assert_int_equal(ferry_engine_create(&s->engine, s->hub, &config), 0);
	s->ep = hub_join(HUB, "all");
	for (i = 0; i < 2; i++) {
		assert_int_equal(ferry_tx_open(&s->tx[i], s->ep,
			i == 0 ? "a" : "b", &ch), 0);
		assert_int_equal(ferry_rx_open(&s->rx[i], s->ep,
			i == 0 ? "a" : "b", &ch), 0);
	}
	s->data = ferry_alloc(s->ep, HUGE_LEN);
	assert_non_null(s->data);
	ferry_test_fill(s->data, HUGE_LEN, 3);
}

static void
stage_stop(struct stage *s)
{
	ferry_detach(s->ep);
	ferry_engine_destroy(s->engine);
	hub_check_empty(s->hub);
	assert_int_equal(ferry_hub_destroy(s->hub), 0);
}

static void
begin(struct stage *s, uint64_t len, uint32_t by)
{
	const struct ferry_bulk_options options = { .by = by };
	const struct iovec iov = { s->data, len };
	struct ferry_msg msg;

	assert_int_equal(ferry_bulk_send(s->tx[0], &iov, 1, &options, &s->out),
		1);
	assert_int_equal(ferry_rx_recv(s->rx[0], &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(s->rx[0], &msg, NULL, 0, &s->in),
		0);
}

static void
end(struct stage *s, uint64_t len)
{
	assert_int_equal(ferry_test_check(ferry_bulk_data(s->in), len, 3), -1);
	assert_int_equal(ferry_bulk_wait(s->out, 0), 0);
	ferry_bulk_close(s->out);
	assert_int_equal(ferry_bulk_release(s->in, 0), 0);
}

/* A post on another channel is published between the pieces of a huge
 * message. */
static void
a_huge_message_does_not_stop_other_channels(void **state)
{
	struct ferry_buf buf = { .len = SLOT, .tag = 5 };
	struct ferry_msg msg;
	struct stage s;
	unsigned int turns = 0;

	(void)state;
	ferry_test_need_eal();
	stage_start(&s, false);
	assert_int_equal(ferry_tx_set_mode(s.tx[1], FERRY_MODE_EFFICIENCY), 0);
	begin(&s, HUGE_LEN, FERRY_BULK_ENGINE);
	/* Well under way. */
	while (ferry_bulk_await(s.in, MIB, 0) != 0)
		ferry_engine_poll(s.engine);
	buf.data = s.data;
	assert_int_equal(ferry_tx_post(s.tx[1], &buf, 1), 1);
	while (ferry_rx_recv(s.rx[1], &msg, 1) == 0) {
		ferry_engine_poll(s.engine);
		turns++;
	}
	assert_int_equal(msg.len, SLOT);
	assert_in_range(turns, 1, 32);
	assert_int_equal(ferry_rx_release(s.rx[1], &msg, 1), 0);
	/* The other one has not even half arrived. */
	assert_int_equal(ferry_bulk_await(s.in, HUGE_LEN / 2, 0), -ETIMEDOUT);
	while (ferry_bulk_await(s.in, HUGE_LEN, 0) != 0)
		ferry_engine_poll(s.engine);
	end(&s, HUGE_LEN);
	stage_stop(&s);
}

/* Send messages whose options do not name who copies, while the ends only look
 * and the engine is polled. Returns the bytes that the engine copied. */
static uint64_t
helped(bool worker)
{
	struct ferry_engine_info info;
	struct stage s;
	unsigned int i;

	stage_start(&s, worker);
	for (i = 0; i < 40; i++) {
		begin(&s, MIB, 0);
		ferry_engine_poll(s.engine);
		while (ferry_bulk_await(s.in, MIB, 0) != 0) {
			ferry_engine_poll(s.engine);
			ferry_bulk_poll(s.out);
			ferry_bulk_ready(s.in, NULL);
		}
		end(&s, MIB);
	}
	ferry_engine_info(s.engine, &info);
	stage_stop(&s);
	return info.bulk_bytes;
}

static void
a_worker_helps_unasked_other_cores_do_not(void **state)
{
	(void)state;
	ferry_test_need_eal();
	assert_true(helped(true) > 0);
	assert_int_equal(helped(false), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_huge_message_does_not_stop_other_channels),
		cmocka_unit_test(a_worker_helps_unasked_other_cores_do_not),
	};

	return cmocka_run_group_tests(tests, hub_eal_start, NULL);
}
