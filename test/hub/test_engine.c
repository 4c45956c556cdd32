/* SPDX-License-Identifier: BSD-3-Clause */

/* Engines in the hub's process: which engine or producer copies, when, and in
 * which order. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <rte_memory.h>

#include "ferry_copier.h"
#include "ferry_copy_driver.h"
#include "ferry_engine.h"
#include "ferry_memory.h"
#include "hub_fixture.h"

#define SLOT 65536
#define SLOTS 16
#define ANY_TIME FERRY_TEST_HANG_NS

/* A channel with both ends in this thread, and engines beside it. */
struct stage {
	struct ferry_hub *hub;
	struct ferry_endpoint *a;
	struct ferry_endpoint *b;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	uint8_t *payloads[2 * SLOTS];
	uint64_t sent;
	uint64_t received;
};

static uint32_t
len_of(uint64_t i)
{
	static const uint32_t lens[] = { 65536, 17, 4096, 64, 40000, 1, 9000 };

	return lens[i % RTE_DIM(lens)];
}

static void
stage_start(struct stage *s)
{
	const struct ferry_channel_config config = {
		.slot_size = SLOT, .n_slots = SLOTS,
	};
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->hub = hub_make(HUB, 8 * MIB, 0, 0);
	s->a = hub_join(HUB, "a");
	s->b = hub_join(HUB, "b");
	assert_int_equal(ferry_tx_open(&s->tx, s->a, "ch", &config), 0);
	assert_int_equal(ferry_rx_open(&s->rx, s->b, "ch", &config), 0);
	for (i = 0; i < RTE_DIM(s->payloads); i++) {
		s->payloads[i] = malloc(SLOT);
		assert_non_null(s->payloads[i]);
	}
}

static void
stage_stop(struct stage *s)
{
	unsigned int i;

	ferry_detach(s->a);
	ferry_detach(s->b);
	hub_check_empty(s->hub);
	assert_int_equal(ferry_hub_destroy(s->hub), 0);
	for (i = 0; i < RTE_DIM(s->payloads); i++)
		free(s->payloads[i]);
}

static struct ferry_engine *
engine_make(struct stage *s)
{
	struct ferry_engine *e = NULL;

	assert_int_equal(ferry_engine_create(&e, s->hub, NULL), 0);
	return e;
}

/* The next message, in its own buffer. */
static struct ferry_buf
next_buf(struct stage *s)
{
	uint8_t *data = s->payloads[s->sent % RTE_DIM(s->payloads)];
	struct ferry_buf buf = {
		.data = data,
		.len = len_of(s->sent),
		.tag = (uint32_t)s->sent,
	};

	ferry_test_fill(data, buf.len, s->sent);
	return buf;
}

/* Post the next message if there is room: whether there was. */
static bool
post_one(struct stage *s)
{
	const struct ferry_buf buf = next_buf(s);
	int ret = ferry_tx_post(s->tx, &buf, 1);

	assert_true(ret == 0 || ret == 1);
	s->sent += (uint64_t)ret;
	return ret == 1;
}

static bool
send_one(struct stage *s)
{
	const struct ferry_buf buf = next_buf(s);
	int ret = ferry_tx_send(s->tx, &buf, 1);

	assert_true(ret == 0 || ret == 1);
	s->sent += (uint64_t)ret;
	return ret == 1;
}

/* Receive all that is there; it must be what is next. */
static unsigned int
receive(struct stage *s)
{
	struct ferry_msg msg;
	unsigned int n = 0;
	int ret;

	while ((ret = ferry_rx_recv(s->rx, &msg, 1)) == 1) {
		assert_int_equal(msg.tag, (uint32_t)s->received);
		assert_int_equal(msg.len, len_of(s->received));
		assert_int_equal(ferry_test_check(msg.data, msg.len,
			s->received), -1);
		assert_int_equal(ferry_rx_release(s->rx, &msg, 1), 0);
		s->received++;
		n++;
	}
	assert_int_equal(ret, 0);
	return n;
}

static uint64_t
engine_msgs(struct ferry_engine *e)
{
	struct ferry_engine_info info;

	ferry_engine_info(e, &info);
	return info.msgs;
}

static uint64_t
channel_id(struct stage *s)
{
	struct ferry_hub_channel entry;

	assert_int_equal(ferry_hub_channels(s->hub, &entry, 1), 1);
	return entry.id;
}

static void
posts_wait_for_the_engine(void **state)
{
	struct ferry_engine *e;
	struct stage s;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	stage_start(&s);
	e = engine_make(&s);
	assert_int_equal(ferry_tx_set_mode(s.tx, FERRY_MODE_EFFICIENCY), 0);
	for (i = 0; i < 4; i++)
		assert_true(post_one(&s));
	/* The first is the engine's; what comes after it has to wait. */
	assert_int_equal(receive(&s), 0);
	assert_int_equal(ferry_tx_pending(s.tx), 4);
	assert_int_equal(ferry_tx_finish(s.tx, 0, 0), -ETIMEDOUT);
	while (ferry_tx_pending(s.tx) > 0)
		ferry_engine_poll(e);
	assert_int_equal(ferry_tx_finish(s.tx, 0, 0), 0);
	assert_int_equal(receive(&s), 4);
	/* 17 and 64 bytes are not worth a job. */
	assert_int_equal(engine_msgs(e), 2);
	assert_int_equal(ferry_tx_drain(s.tx, 0), 0);
	ferry_engine_destroy(e);
	stage_stop(&s);
}

static void
an_engine_counts_what_it_does(void **state)
{
	struct ferry_engine_info info;
	struct ferry_engine *e;
	struct stage s;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	stage_start(&s);
	e = engine_make(&s);
	ferry_engine_info(e, &info);
	assert_string_equal(info.name, "engine0");
	assert_int_equal(info.channels, 1);
	assert_int_equal(info.lanes, 1);
	assert_int_equal(info.turns, 0);
	assert_int_equal(info.busy, 0);
	assert_int_equal(ferry_tx_set_mode(s.tx, FERRY_MODE_EFFICIENCY), 0);
	for (i = 0; i < 4; i++)
		assert_true(post_one(&s));
	while (ferry_tx_pending(s.tx) > 0)
		ferry_engine_poll(e);
	ferry_engine_info(e, &info);
	/* 17 and 64 bytes are not worth a job. */
	assert_int_equal(info.msgs, 2);
	assert_int_equal(info.bytes, len_of(0) + len_of(2));
	assert_int_equal(info.bulk_bytes, 0);
	assert_int_equal(info.active, 1);
	assert_in_range(info.busy, 1, info.turns);
	assert_int_equal(info.bad, 0);
	assert_int_equal(info.unsafe, 0);
	assert_int_equal(receive(&s), 4);
	ferry_engine_destroy(e);
	stage_stop(&s);
}

static void
without_an_engine_a_post_is_a_send(void **state)
{
	struct stage s;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	stage_start(&s);
	for (i = 0; i < FERRY_MODES; i++) {
		assert_int_equal(ferry_tx_set_mode(s.tx, (enum ferry_mode)i),
			0);
		assert_true(post_one(&s));
		assert_int_equal(ferry_tx_pending(s.tx), 0);
		assert_int_equal(receive(&s), 1);
	}
	assert_int_equal(ferry_tx_set_mode(s.tx, (enum ferry_mode)i), -EINVAL);
	assert_int_equal(ferry_rx_set_mode(s.rx, (enum ferry_mode)i), -EINVAL);
	stage_stop(&s);
}

static void
jobs_of_an_engine_that_goes_are_done_first(void **state)
{
	struct ferry_engine *e;
	struct stage s;

	(void)state;
	ferry_test_need_eal();
	stage_start(&s);
	e = engine_make(&s);
	assert_int_equal(ferry_tx_set_mode(s.tx, FERRY_MODE_EFFICIENCY), 0);
	while (post_one(&s))
		ferry_engine_poll(e);
	ferry_engine_destroy(e);
	/* What it had not begun, the producer does when it looks. */
	assert_int_equal(ferry_tx_finish(s.tx, 0, ANY_TIME), 0);
	receive(&s);
	assert_int_equal(s.received, s.sent);
	/* And it serves itself from then on. */
	assert_true(post_one(&s));
	assert_int_equal(ferry_tx_pending(s.tx), 0);
	assert_int_equal(receive(&s), 1);
	stage_stop(&s);
}

static void
an_end_closes_though_nobody_runs_its_engine(void **state)
{
	struct ferry_engine *e;
	struct stage s;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	stage_start(&s);
	e = engine_make(&s);
	assert_int_equal(ferry_tx_set_mode(s.tx, FERRY_MODE_EFFICIENCY), 0);
	for (i = 0; i < 8; i++)
		assert_true(post_one(&s));
	assert_true(ferry_tx_pending(s.tx) > 0);
	ferry_tx_close(s.tx);
	/* What was posted is there, and then the end of it. */
	assert_int_equal(ferry_rx_wait(s.rx, 0), 0);
	while (s.received < s.sent) {
		struct ferry_msg msg;

		assert_int_equal(ferry_rx_recv(s.rx, &msg, 1), 1);
		assert_int_equal(msg.tag, (uint32_t)s.received);
		assert_int_equal(ferry_test_check(msg.data, msg.len,
			s.received), -1);
		assert_int_equal(ferry_rx_release(s.rx, &msg, 1), 0);
		s.received++;
	}
	assert_int_equal(ferry_rx_wait(s.rx, 0), FERRY_E_CLOSED);
	ferry_engine_destroy(e);
	stage_stop(&s);
}

static void
an_engine_measures_its_lanes_in_the_hubs_memory(void **state)
{
	const struct ferry_calib_options options = {
		.socket = -1, .budget_ns = 2000000000,
	};
	static struct ferry_calib calib;
	struct ferry_hub_info info;
	struct ferry_engine *e;
	struct stage s;
	uint64_t left;

	(void)state;
	ferry_test_need_eal();
	stage_start(&s);
	e = engine_make(&s);
	ferry_hub_info(s.hub, &info);
	left = info.memory_free;
	assert_int_equal(ferry_engine_calibrate(e, &options, &calib), 0);
	assert_int_equal(calib.nb_lanes, 1);
	assert_string_equal(calib.lanes[0].name, "cpu");
	assert_int_equal(calib.lanes[0].state, FERRY_CALIB_OK);
	ferry_hub_info(s.hub, &info);
	assert_int_equal(info.memory_free, left);
	/* Not while it is in the middle of something. */
	assert_int_equal(ferry_tx_set_mode(s.tx, FERRY_MODE_EFFICIENCY), 0);
	assert_true(post_one(&s));
	ferry_engine_poll(e);
	assert_int_equal(ferry_engine_calibrate(e, &options, NULL),
		ferry_tx_pending(s.tx) > 0 ? -EBUSY : 0);
	while (ferry_tx_pending(s.tx) > 0)
		ferry_engine_poll(e);
	receive(&s);
	assert_int_equal(s.received, s.sent);
	ferry_engine_destroy(e);
	stage_stop(&s);
}

static void
moving_between_engines_keeps_order(void **state)
{
	struct ferry_engine *e[2];
	uint64_t rng = 5, id;
	struct stage s;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	stage_start(&s);
	e[0] = engine_make(&s);
	e[1] = engine_make(&s);
	id = channel_id(&s);
	for (i = 0; i < 5000; i++) {
		switch (ferry_test_random(&rng) % 8) {
		case 0:
			assert_int_equal(ferry_hub_move(s.hub, id,
				e[ferry_test_random(&rng) % 2]), 0);
			break;
		case 1:
			assert_int_equal(ferry_hub_move(s.hub, id, NULL), 0);
			break;
		case 2:
			assert_int_equal(ferry_tx_set_mode(s.tx,
				ferry_test_random(&rng) % 2 == 0 ?
				FERRY_MODE_THROUGHPUT :
				FERRY_MODE_LATENCY), 0);
			break;
		case 3:
			receive(&s);
			break;
		case 4:
		case 5:
			ferry_engine_poll(e[ferry_test_random(&rng) % 2]);
			break;
		case 6:
			post_one(&s);
			/* fallthrough */
		default:
			post_one(&s);
		}
	}
	assert_int_equal(ferry_hub_move(s.hub, id, e[0]), 0);
	while (ferry_tx_pending(s.tx) > 0)
		ferry_engine_poll(e[0]);
	receive(&s);
	assert_int_equal(s.received, s.sent);
	assert_true(s.sent > 1000);
	ferry_engine_destroy(e[0]);
	ferry_engine_destroy(e[1]);
	stage_stop(&s);
}

/* What bounds a turn: CHANNELS, BURST and BITE of ferry_server.c. */
#define TURN_CHANNELS 32
#define TURN_BURST 32
#define TURN_BITE 128
#define CROWD 64

/* Many channels, and one engine that this thread runs by turns. */
struct crowd {
	struct ferry_hub *hub;
	struct ferry_endpoint *ep;
	struct ferry_engine *engine;
	unsigned int n;
	uint32_t len;
	struct ferry_tx *tx[CROWD];
	struct ferry_rx *rx[CROWD];
	uint64_t sent[CROWD];
	uint64_t received[CROWD];
};

static uint8_t crowd_payloads[CROWD][SLOT];

static void
crowd_start(struct crowd *c, unsigned int n, uint32_t slots, uint32_t len)
{
	const struct ferry_channel_config config = {
		.slot_size = len, .n_slots = slots,
	};
	char name[32];
	unsigned int i;

	memset(c, 0, sizeof(*c));
	c->n = n;
	c->len = len;
	c->hub = hub_make(HUB, 32 * MIB, 0, CROWD);
	c->ep = hub_join(HUB, "crowd");
	assert_int_equal(ferry_engine_create(&c->engine, c->hub, NULL), 0);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "ch%u", i);
		assert_int_equal(ferry_tx_open(&c->tx[i], c->ep, name,
			&config), 0);
		assert_int_equal(ferry_rx_open(&c->rx[i], c->ep, name, NULL),
			0);
		assert_int_equal(ferry_tx_set_mode(c->tx[i],
			FERRY_MODE_EFFICIENCY), 0);
		ferry_test_fill(crowd_payloads[i], len, i);
	}
}

static void
crowd_stop(struct crowd *c)
{
	ferry_detach(c->ep);
	ferry_engine_destroy(c->engine);
	hub_check_empty(c->hub);
	assert_int_equal(ferry_hub_destroy(c->hub), 0);
}

/* Post on a channel until it has no slot: how many. */
static unsigned int
crowd_post(struct crowd *c, unsigned int i)
{
	struct ferry_buf buf = { .data = crowd_payloads[i], .len = c->len };
	unsigned int n;
	int ret;

	for (n = 0; ; n++) {
		buf.tag = (uint32_t)c->sent[i];
		ret = ferry_tx_post(c->tx[i], &buf, 1);
		if (ret != 1)
			break;
		c->sent[i]++;
	}
	assert_int_equal(ret, 0);
	return n;
}

/* Receive all that a channel has: how many. */
static unsigned int
crowd_receive(struct crowd *c, unsigned int i)
{
	struct ferry_msg msg;
	unsigned int n;
	int ret;

	for (n = 0; (ret = ferry_rx_recv(c->rx[i], &msg, 1)) == 1; n++) {
		assert_int_equal(msg.tag, (uint32_t)c->received[i]);
		assert_int_equal(msg.len, c->len);
		assert_int_equal(ferry_test_check(msg.data, msg.len, i), -1);
		assert_int_equal(ferry_rx_release(c->rx[i], &msg, 1), 0);
		c->received[i]++;
	}
	assert_int_equal(ret, 0);
	return n;
}

static uint64_t
core_bytes(struct ferry_engine *e)
{
	struct ferry_engine_lane lane;

	assert_int_equal(ferry_engine_lane(e, 0, &lane), 0);
	return lane.stats.bytes;
}

/* Everything is posted, so that only its bounds end a turn. */
static void
turns_until_idle(struct crowd *c, uint64_t posted)
{
	uint64_t bytes, done = 0, turns = 0;
	unsigned int i, n, served, work;

	while (done < posted) {
		bytes = core_bytes(c->engine);
		work = ferry_engine_poll(c->engine);
		turns++;
		/* Each channel is handed to the core once, and reaped once. */
		assert_true(core_bytes(c->engine) - bytes <=
			(TURN_CHANNELS + 1) * FERRY_COPIER_CHUNK);
		assert_true(work <= 2 * TURN_CHANNELS * TURN_BURST);
		for (i = 0, served = 0; i < c->n; i++) {
			n = crowd_receive(c, i);
			assert_true(n <= TURN_BURST);
			served += n > 0;
			done += n;
		}
		assert_true(served <= TURN_CHANNELS);
		/* Of the lot that earlier turns took, one bite a turn. */
		assert_true(done <= turns * TURN_BITE);
		assert_true(turns <= 16 * posted);
	}
	assert_int_equal(engine_msgs(c->engine), posted);
}

static void
one_turn_does_a_bounded_part(void **state)
{
	/* Of many channels, of many messages, and of many bytes. */
	static const struct { unsigned int n; uint32_t slots, len; } kinds[] = {
		{ CROWD, 2, SLOT }, { 8, 64, 3000 }, { CROWD, 4, 4096 },
	};
	static struct crowd c;
	unsigned int i, k;

	(void)state;
	ferry_test_need_eal();
	for (k = 0; k < RTE_DIM(kinds); k++) {
		uint64_t posted = 0;

		crowd_start(&c, kinds[k].n, kinds[k].slots, kinds[k].len);
		for (i = 0; i < c.n; i++)
			posted += crowd_post(&c, i);
		assert_int_equal(posted, kinds[k].n * kinds[k].slots);
		turns_until_idle(&c, posted);
		crowd_stop(&c);
	}
}

static void *
run_engine(void *e)
{
	ferry_engine_run(e);
	return NULL;
}

static void
sends_wait_for_a_running_engine(void **state)
{
	struct ferry_engine *e;
	pthread_t thread;
	struct stage s;
	unsigned int i, m;

	(void)state;
	ferry_test_need_eal();
	stage_start(&s);
	e = engine_make(&s);
	assert_int_equal(pthread_create(&thread, NULL, run_engine, e), 0);
	for (i = 0; i < 600; i++) {
		m = i / 100 % FERRY_MODES;
		if (i % 100 == 0)
			assert_int_equal(ferry_tx_set_mode(s.tx,
				(enum ferry_mode)m), 0);
		while (!send_one(&s))
			receive(&s);
		/* The payload is ours again. */
		assert_int_equal(ferry_tx_pending(s.tx), 0);
		memset(s.payloads[(s.sent - 1) % RTE_DIM(s.payloads)], 0xee,
			SLOT);
		if (i % 3 == 0)
			receive(&s);
	}
	receive(&s);
	assert_int_equal(s.received, s.sent);
	assert_true(engine_msgs(e) > 0);
	ferry_engine_stop(e);
	pthread_join(thread, NULL);
	ferry_engine_destroy(e);
	stage_stop(&s);
}

#define ENGINES 3

/* Channels that each engine has. */
static void
engines_check(struct ferry_engine *const *e, uint32_t a, uint32_t b, uint32_t c)
{
	const uint32_t want[ENGINES] = { a, b, c };
	struct ferry_engine_info info;
	unsigned int i;

	for (i = 0; i < ENGINES; i++) {
		ferry_engine_info(e[i], &info);
		assert_int_equal(info.channels, want[i]);
	}
}

static void
a_new_channel_gets_the_engine_with_the_fewest(void **state)
{
	const struct ferry_channel_config config = {
		.slot_size = 64, .n_slots = 4,
	};
	struct ferry_engine *e[ENGINES] = { NULL };
	struct ferry_hub_channel list[8];
	struct ferry_tx *tx[8] = { NULL };
	struct ferry_endpoint *ep;
	struct ferry_hub *hub;
	unsigned int i;
	char name[8];

	(void)state;
	hub = hub_make(HUB, 4 * MIB, 0, 0);
	ep = hub_join(HUB, "a");
	for (i = 0; i < ENGINES; i++)
		assert_int_equal(ferry_engine_create(&e[i], hub, NULL), 0);
	for (i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "ch%u", i);
		assert_int_equal(ferry_tx_open(&tx[i], ep, name, &config), 0);
	}
	engines_check(e, 2, 2, 2);
	/* All to the last one: the first of those that have none is next. */
	assert_int_equal(ferry_hub_channels(hub, list, 8), 6);
	for (i = 0; i < 6; i++)
		assert_int_equal(ferry_hub_move(hub, list[i].id, e[2]), 0);
	engines_check(e, 0, 0, 6);
	assert_int_equal(ferry_tx_open(&tx[6], ep, "ch6", &config), 0);
	engines_check(e, 1, 0, 6);
	assert_int_equal(ferry_tx_open(&tx[7], ep, "ch7", &config), 0);
	engines_check(e, 1, 1, 6);
	/* An engine that goes leaves each other one as many. */
	ferry_engine_destroy(e[2]);
	e[2] = e[1];
	engines_check(e, 4, 4, 4);
	ferry_detach(ep);
	hub_check_empty(hub);
	ferry_engine_destroy(e[0]);
	ferry_engine_destroy(e[1]);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
an_engine_on_another_node_gets_half_as_many(void **state)
{
	const struct ferry_channel_config config = {
		.slot_size = 64, .n_slots = 4,
	};
	struct ferry_engine_config where = { .socket = SOCKET_ID_ANY };
	struct ferry_engine *e[ENGINES] = { NULL };
	const struct rte_memseg *page;
	struct ferry_endpoint *ep;
	struct ferry_tx *tx[10];
	struct ferry_hub *hub;
	unsigned int i;
	char name[8];
	void *mem;

	(void)state;
	hub = hub_make(HUB, 4 * MIB, 0, 0);
	ep = hub_join(HUB, "a");
	mem = ferry_alloc(ep, 64);
	assert_non_null(mem);
	page = rte_mem_virt2memseg(mem, NULL);
	assert_non_null(page);
	assert_int_equal(ferry_engine_create(&e[0], hub, &where), 0);
	where.socket = page->socket_id;
	assert_int_equal(ferry_engine_create(&e[1], hub, &where), 0);
	where.socket = page->socket_id + 1;
	assert_int_equal(ferry_engine_create(&e[2], hub, &where), 0);
	for (i = 0; i < RTE_DIM(tx); i++) {
		snprintf(name, sizeof(name), "ch%u", i);
		assert_int_equal(ferry_tx_open(&tx[i], ep, name, &config), 0);
	}
	engines_check(e, 4, 4, 2);
	ferry_free(ep, mem);
	ferry_detach(ep);
	for (i = 0; i < ENGINES; i++)
		ferry_engine_destroy(e[i]);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(posts_wait_for_the_engine),
		cmocka_unit_test(an_engine_counts_what_it_does),
		cmocka_unit_test(without_an_engine_a_post_is_a_send),
		cmocka_unit_test(jobs_of_an_engine_that_goes_are_done_first),
		cmocka_unit_test(an_end_closes_though_nobody_runs_its_engine),
		cmocka_unit_test(
			an_engine_measures_its_lanes_in_the_hubs_memory),
		cmocka_unit_test(moving_between_engines_keeps_order),
		cmocka_unit_test(one_turn_does_a_bounded_part),
		cmocka_unit_test(sends_wait_for_a_running_engine),
		cmocka_unit_test(a_new_channel_gets_the_engine_with_the_fewest),
		cmocka_unit_test(an_engine_on_another_node_gets_half_as_many),
	};

	return cmocka_run_group_tests(tests, hub_eal_start, NULL);
}
