/* SPDX-License-Identifier: BSD-3-Clause */

/* Channels of a hub in one process: listing, survivors, damage, data. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "ferry_channel_parts.h"
#include "ferry_copy.h"
#include "ferry_lane.h"
#include "hub_fixture.h"

static const struct ferry_channel_config sized = { 4096, 8 };

/* Where the slots are, by the hub's listing of its channel number i. */
static struct ferry_channel_census
census(struct ferry_hub *hub, uint32_t i)
{
	struct ferry_hub_channel list[8];

	assert_in_range(ferry_hub_channels(hub, list, 8), i + 1, 8);
	assert_int_equal(list[i].slots.lost, 0);
	assert_int_equal(list[i].slots.free + list[i].slots.tx_held +
		list[i].slots.in_flight + list[i].slots.rx_held,
		list[i].config.n_slots);
	return list[i].slots;
}

static void
channels_are_listed_in_the_order_of_their_making(void **state)
{
	struct ferry_hub_channel list[4], same[4];
	struct ferry_endpoint *a, *b;
	struct ferry_tx *tx[3];
	struct ferry_hub *hub;
	struct ferry_rx *rx;
	uint64_t last = 0;
	uint32_t i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 16 * MIB, 0, 0);
	a = hub_join(HUB, "a");
	b = hub_join(HUB, "b");
	assert_int_equal(ferry_tx_open(&tx[0], a, "z", NULL), 0);
	assert_int_equal(ferry_tx_open(&tx[1], a, "gone", &sized), 0);
	assert_int_equal(ferry_tx_open(&tx[2], a, "a", &sized), 0);
	ferry_tx_close(tx[1]); /* its place is taken again, not its order */
	assert_int_equal(ferry_rx_open(&rx, b, "m", &sized), 0);
	assert_int_equal(ferry_rx_open(&rx, b, "a", NULL), 0);

	memset(list, 0xff, sizeof(list));
	assert_int_equal(ferry_hub_channels(hub, list, 4), 3);
	assert_string_equal(list[0].name, "z");
	assert_string_equal(list[1].name, "a");
	assert_string_equal(list[2].name, "m");
	for (i = 0; i < 3; i++) {
		assert_true(list[i].id > last);
		last = list[i].id;
		assert_true(list[i].memory >=
			ferry_channel_memory(&list[i].config));
		census(hub, i);
	}
	assert_int_equal(list[0].config.slot_size, FERRY_SLOT_SIZE_DEFAULT);
	assert_int_equal(list[0].config.n_slots, FERRY_N_SLOTS_DEFAULT);
	assert_int_equal(list[1].config.slot_size, sized.slot_size);
	assert_int_equal(list[1].config.n_slots, sized.n_slots);
	assert_int_equal(list[0].tx.state, FERRY_END_OPEN);
	assert_int_equal(list[0].tx.pid, getpid());
	assert_int_equal(list[0].rx.state, FERRY_END_ABSENT);
	assert_int_equal(list[0].rx.pid, 0);
	assert_int_equal(list[1].rx.state, FERRY_END_OPEN);
	assert_int_equal(list[2].tx.state, FERRY_END_ABSENT);
	assert_int_equal(list[2].rx.pid, getpid());

	/* Endpoints see the same, and short lists are told how long. */
	memset(same, 0xff, sizeof(same));
	assert_int_equal(ferry_endpoint_channels(b, same, 4), 3);
	for (i = 0; i < 3; i++)
		assert_memory_equal(&same[i], &list[i], sizeof(list[i]));
	memset(same, 0xff, sizeof(same));
	for (i = 0; i < 3; i++) {
		assert_int_equal(ferry_hub_channels(hub, same, i), 3);
		assert_int_equal(ferry_endpoint_channels(a, same, i), 3);
		assert_int_equal((uint8_t)same[i].name[0], 0xff);
	}
	ferry_tx_close(tx[2]);
	assert_int_equal(ferry_hub_channels(hub, list, 4), 3);
	assert_int_equal(list[1].tx.state, FERRY_END_CLOSED);
	assert_int_equal(list[1].tx.pid, 0);
	ferry_detach(a);
	ferry_detach(b);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
a_survivor_keeps_its_messages_beside_a_new_channel_of_the_name(void **state)
{
	struct ferry_endpoint *a, *b;
	struct ferry_tx *tx, *tx2;
	struct ferry_rx *rx, *rx2;
	struct ferry_msg old[8], msg;
	uint8_t payload[4096];
	struct ferry_hub *hub;
	struct ferry_buf buf = { payload, sizeof(payload), 0, 0 };
	uint32_t i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	a = hub_join(HUB, "a");
	b = hub_join(HUB, "b");
	assert_int_equal(ferry_tx_open(&tx, a, "c", &sized), 0);
	assert_int_equal(ferry_rx_open(&rx, b, "c", NULL), 0);
	for (i = 0; i < 5; i++) {
		ferry_test_fill(payload, sizeof(payload), i);
		buf.tag = i;
		assert_int_equal(ferry_tx_send(tx, &buf, 1), 1);
	}
	assert_int_equal(ferry_rx_recv(rx, old, 3), 3);
	assert_int_equal(census(hub, 0).rx_held, 3);
	assert_int_equal(census(hub, 0).in_flight, 2);
	ferry_tx_close(tx);

	/* A new pair of the same name, which does not disturb the old end. */
	assert_int_equal(ferry_tx_open(&tx2, a, "c", NULL), 0);
	assert_int_equal(ferry_rx_open(&rx2, a, "c", NULL), 0);
	assert_int_equal(ferry_hub_channels(hub, NULL, 0), 2);
	assert_int_equal(ferry_tx_channel(tx2)->slot_size,
		FERRY_SLOT_SIZE_DEFAULT); /* new in every respect */
	memset(payload, 0xee, sizeof(payload));
	for (i = 0; i < FERRY_N_SLOTS_DEFAULT; i++)
		assert_int_equal(ferry_tx_send(tx2, &buf, 1), 1);
	assert_int_equal(ferry_tx_send(tx2, &buf, 1), 0);

	for (i = 0; i < 3; i++)
		assert_int_equal(ferry_test_check(old[i].data, old[i].len, i),
			-1);
	for (; i < 5; i++) {
		assert_int_equal(ferry_rx_recv(rx, &msg, 1), 1);
		assert_int_equal(msg.tag, i);
		assert_int_equal(ferry_test_check(msg.data, msg.len, i), -1);
		assert_int_equal(ferry_rx_release(rx, &msg, 1), 0);
	}
	assert_int_equal(ferry_rx_recv(rx, &msg, 1), FERRY_E_CLOSED);
	assert_int_equal(ferry_rx_release(rx, old, 3), 0);
	/* The rest is in the hands of the producer that left. */
	assert_int_equal(census(hub, 0).rx_held, 0);
	assert_int_equal(census(hub, 0).in_flight, 0);
	ferry_rx_close(rx);
	assert_int_equal(ferry_hub_channels(hub, NULL, 0), 1);
	for (i = 0; i < FERRY_N_SLOTS_DEFAULT; i++) {
		assert_int_equal(ferry_rx_recv(rx2, &msg, 1), 1);
		assert_int_equal(((uint8_t *)msg.data)[4095], 0xee);
	}
	ferry_detach(a);
	ferry_detach(b);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
detaching_closes_all_channels_for_the_other_side(void **state)
{
	struct ferry_endpoint *a, *b;
	struct ferry_tx *tx[10];
	struct ferry_rx *rx[10];
	struct ferry_msg msg;
	struct ferry_hub *hub;
	struct ferry_buf buf = { "x", 1, 7, 0 };
	char name[8];
	int i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	a = hub_join(HUB, "a");
	b = hub_join(HUB, "b");
	for (i = 0; i < 10; i++) {
		/* Either way round. */
		snprintf(name, sizeof(name), "c%d", i);
		assert_int_equal(ferry_tx_open(&tx[i], i % 2 ? a : b, name,
			&sized), 0);
		assert_int_equal(ferry_rx_open(&rx[i], i % 2 ? b : a, name,
			&sized), 0);
		assert_int_equal(ferry_tx_send(tx[i], &buf, 1), 1);
	}
	ferry_detach(a);
	assert_int_equal(ferry_hub_channels(hub, NULL, 0), 10);
	for (i = 0; i < 10; i++) {
		if (i % 2 == 0) {
			assert_int_equal(ferry_tx_send(tx[i], &buf, 1),
				FERRY_E_CLOSED);
			continue;
		}
		assert_int_equal(ferry_rx_recv(rx[i], &msg, 1), 1);
		assert_int_equal(msg.tag, 7);
		assert_int_equal(ferry_rx_recv(rx[i], &msg, 1),
			FERRY_E_CLOSED);
	}
	ferry_detach(b);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

/* Damage a channel in one place, see what opening says, and mend it. */
static void
open_damaged(struct ferry_hub *hub, struct ferry_endpoint *b,
		struct ferry_tx *tx, void *where, size_t len, int want)
{
	struct ferry_hub_info before, after;
	struct ferry_hub_channel list[2];
	struct ferry_rx *rx = NULL;
	uint8_t saved[8];
	size_t i;

	memcpy(saved, where, len);
	for (i = 0; i < len; i++)
		((uint8_t *)where)[i] ^= 0x5a;
	ferry_hub_info(hub, &before);
	assert_int_equal(ferry_rx_open(&rx, b, "c", NULL), want);
	assert_null(rx);
	/* The listing survives it, too. */
	assert_int_equal(ferry_hub_channels(hub, list, 2), 1);
	ferry_hub_info(hub, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	memcpy(where, saved, len);

	/* No trace: the producer waits on, and the end can be had. */
	assert_int_equal(ferry_tx_peer(tx), FERRY_END_ABSENT);
	assert_int_equal(ferry_tx_wait(tx, 0), 0);
	assert_int_equal(ferry_hub_channels(hub, list, 2), 1);
	assert_int_equal(list[0].rx.state, FERRY_END_ABSENT);
}

static void
a_damaged_or_foreign_channel_is_refused_and_nothing_else_changes(void **state)
{
	struct ferry_channel_shared *ch;
	struct ferry_endpoint *a, *b;
	struct ferry_hub *hub;
	struct ferry_tx *tx;
	struct ferry_rx *rx;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	a = hub_join(HUB, "a");
	b = hub_join(HUB, "b");
	assert_int_equal(ferry_tx_open(&tx, a, "c", &sized), 0);
	ch = (struct ferry_channel_shared *)(uintptr_t)ferry_tx_channel(tx);
	open_damaged(hub, b, tx, &ch->version, 4, FERRY_E_VERSION);
	open_damaged(hub, b, tx, &ch->layout, 4, FERRY_E_VERSION);
	open_damaged(hub, b, tx, &ch->magic, 8, FERRY_E_CORRUPT);
	open_damaged(hub, b, tx, &ch->size, 8, FERRY_E_CORRUPT);
	open_damaged(hub, b, tx, &ch->slot_size, 4, FERRY_E_CORRUPT);
	open_damaged(hub, b, tx, &ch->n_slots, 4, FERRY_E_CORRUPT);
	open_damaged(hub, b, tx, &ch->off_fwd, 8, FERRY_E_CORRUPT);
	open_damaged(hub, b, tx, &ch->off_slots, 8, FERRY_E_CORRUPT);
	assert_int_equal(ferry_rx_open(&rx, b, "c", NULL), 0);
	assert_int_equal(ferry_tx_peer(tx), FERRY_END_OPEN);
	ferry_detach(b);
	ferry_detach(a);
	hub_check_empty(hub);

	/* Opened by the damaged side first: the whole channel goes. */
	a = hub_join(HUB, "a");
	assert_int_equal(ferry_tx_open(&tx, a, "c", &sized), 0);
	ch = (struct ferry_channel_shared *)(uintptr_t)ferry_tx_channel(tx);
	ch->version++;
	ferry_tx_close(tx);
	assert_int_equal(ferry_hub_channels(hub, NULL, 0), 0);
	assert_int_equal(ferry_tx_open(&tx, a, "c", &sized), 0);
	ferry_detach(a);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
a_stray_pointer_to_a_channel_that_is_gone_finds_none(void **state)
{
	struct ferry_channel_shared *ch;
	struct ferry_endpoint *a;
	struct ferry_hub *hub;
	struct ferry_tx *tx;
	uint64_t size;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	a = hub_join(HUB, "a");
	assert_int_equal(ferry_tx_open(&tx, a, "c", &sized), 0);
	ch = (struct ferry_channel_shared *)(uintptr_t)ferry_tx_channel(tx);
	size = ch->size;
	assert_int_equal(ferry_channel_valid(ch, size), 0);
	ferry_tx_close(tx);
	assert_int_equal(ferry_hub_channels(hub, NULL, 0), 0);
	/* The memory is the hub's still, and was not used again. */
	assert_int_equal(ferry_channel_valid(ch, size), FERRY_E_CORRUPT);
	ferry_detach(a);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

/* A sender in a thread of its own. Threads report, main asserts. */
struct sender {
	enum ferry_wait_policy wait;
	uint64_t n;
	int failed_at;
	int result;
};

#define DATA_CONFIG { 2048, 16 }

static uint32_t
length_of(uint64_t i)
{
	/* Cells, slots, empty ones. */
	return (uint32_t)(i * 7919 % 2049) >> (i % 5 * 3);
}

static void *
sender_thread(void *arg)
{
	const struct ferry_channel_config config = DATA_CONFIG;
	struct sender *s = arg;
	struct ferry_endpoint *ep;
	struct ferry_tx *tx;
	uint8_t payload[2048];
	struct ferry_msg msg;
	struct ferry_buf buf = { .data = payload };
	uint64_t i;
	int n;

	s->failed_at = __LINE__;
	s->result = ferry_attach(&ep, HUB, "sender");
	if (s->result != 0)
		return NULL;
	s->failed_at = __LINE__;
	s->result = ferry_tx_open(&tx, ep, "data", &config);
	if (s->result != 0)
		return NULL;
	ferry_tx_set_wait(tx, s->wait);
	for (i = 0; i < s->n;) {
		s->failed_at = __LINE__;
		if (i % 3 == 0) {
			n = ferry_tx_loan(tx, &msg, 1);
			if (n == 1) {
				msg.len = length_of(i);
				msg.tag = (uint32_t)i;
				ferry_test_fill(msg.data, msg.len, i);
				n = ferry_tx_commit(tx, &msg, 1);
			}
		} else {
			buf.len = length_of(i);
			buf.tag = (uint32_t)i;
			ferry_test_fill(payload, buf.len, i);
			n = ferry_tx_send(tx, &buf, 1);
		}
		if (n == 0)
			n = ferry_tx_wait(tx, FERRY_TEST_HANG_NS);
		else
			i++;
		s->result = n;
		if (n < 0)
			return NULL;
	}
	s->failed_at = __LINE__;
	s->result = ferry_tx_drain(tx, FERRY_TEST_HANG_NS);
	ferry_detach(ep);
	return NULL;
}

static void
receive(struct ferry_rx *rx, uint64_t n)
{
	struct ferry_msg msgs[8];
	uint64_t i = 0;
	int got, k;

	for (;;) {
		got = ferry_rx_recv(rx, msgs, 8);
		if (got == 0) {
			got = ferry_rx_wait(rx, FERRY_TEST_HANG_NS);
			assert_true(got == 0 || got == FERRY_E_CLOSED);
			continue;
		}
		if (got < 0)
			break;
		for (k = 0; k < got; k++, i++) {
			assert_int_equal(msgs[k].tag, (uint32_t)i);
			assert_int_equal(msgs[k].len, length_of(i));
			assert_int_equal(ferry_test_check(msgs[k].data,
				msgs[k].len, i), -1);
		}
		assert_int_equal(ferry_rx_release(rx, msgs, (uint16_t)got), 0);
	}
	assert_int_equal(got, FERRY_E_CLOSED);
	assert_int_equal(i, n);
}

static void
data_flows_between_endpoints_of_two_threads(void **state)
{
	static const enum ferry_wait_policy policies[] = {
		FERRY_WAIT_YIELD, FERRY_WAIT_SLEEP, FERRY_WAIT_SPIN,
	};
	const struct ferry_channel_config config = DATA_CONFIG;
	struct ferry_hub *hub;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	for (i = 0; i < RTE_DIM(policies); i++) {
		struct sender s = { .wait = policies[i], .n = 50000 };
		struct ferry_endpoint *ep;
		struct ferry_rx *rx;
		pthread_t thread;

		if (policies[i] == FERRY_WAIT_SPIN && ferry_test_cpus() < 2)
			continue;
		ep = hub_join(HUB, "receiver");
		assert_int_equal(pthread_create(&thread, NULL, sender_thread,
			&s), 0);
		assert_int_equal(ferry_rx_open(&rx, ep, "data", &config), 0);
		ferry_rx_set_wait(rx, policies[i]);
		receive(rx, s.n);
		pthread_join(thread, NULL);
		if (s.result < 0)
			fail_msg("sender: line %d: %s", s.failed_at,
				ferry_strerror(s.result));
		ferry_detach(ep);
		hub_check_empty(hub);
	}
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

/* Opens and closes at random, in the hope of meeting others. */
struct churn {
	unsigned int number;
	int failed_at;
	uint64_t opened;
};

static void *
churn_thread(void *arg)
{
	struct churn *c = arg;
	struct ferry_tx *tx[3] = { NULL };
	struct ferry_rx *rx[3] = { NULL };
	uint64_t random = c->number;
	struct ferry_endpoint *ep = NULL;
	struct ferry_hub_channel list[8];
	char name[8];
	int i, ret;

	for (i = 0; i < 3000; i++) {
		const uint64_t r = ferry_test_random(&random);
		const unsigned int k = r % 3;

		if (ep == NULL && ferry_attach(&ep, HUB, "churn") != 0) {
			c->failed_at = __LINE__;
			return NULL;
		}
		snprintf(name, sizeof(name), "c%u", k);
		ret = 0;
		switch (r >> 8 & 7) {
		case 0: case 1: case 2:
			if (tx[k] == NULL) {
				ret = ferry_tx_open(&tx[k], ep, name, &sized);
				c->opened += ret == 0;
			} else {
				ferry_tx_close(tx[k]);
				tx[k] = NULL;
			}
			break;
		case 3: case 4: case 5:
			if (rx[k] == NULL) {
				ret = ferry_rx_open(&rx[k], ep, name, &sized);
				c->opened += ret == 0;
			} else {
				ferry_rx_close(rx[k]);
				rx[k] = NULL;
			}
			break;
		case 6:
			if (ferry_endpoint_channels(ep, list, 8) < 0)
				c->failed_at = __LINE__;
			break;
		default:
			if ((r >> 16) % 8 != 0)
				break;
			ferry_detach(ep);
			ep = NULL;
			memset(tx, 0, sizeof(tx));
			memset(rx, 0, sizeof(rx));
		}
		if (ret != 0 && ret != -EEXIST)
			c->failed_at = __LINE__;
	}
	ferry_detach(ep);
	return NULL;
}

static void
threads_that_open_and_close_at_random_leave_nothing(void **state)
{
	struct churn churn[4] = { 0 };
	pthread_t thread[4];
	struct ferry_hub *hub;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	for (i = 0; i < 4; i++) {
		churn[i].number = i;
		assert_int_equal(pthread_create(&thread[i], NULL, churn_thread,
			&churn[i]), 0);
	}
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < 4; i++) {
		assert_int_equal(churn[i].failed_at, 0);
		assert_true(churn[i].opened > 100);
	}
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

/* What an endpoint's own lane copies: the payloads that it sends. */
static void
an_endpoint_copies_with_the_lanes_it_was_given(void **state)
{
	const struct ferry_channel_config wide = { MIB, 2 };
	struct ferry_lane_stats stats;
	struct ferry_endpoint *a, *b;
	struct ferry_buf buf = { .len = MIB };
	struct ferry_lane *lane;
	struct ferry_hub *hub;
	struct ferry_msg msg;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	void *data;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 16 * MIB, 0, 0);
	a = hub_join(HUB, "a");
	b = hub_join(HUB, "b");
	assert_non_null(ferry_endpoint_lane(a, 0));
	assert_null(ferry_endpoint_lane(a, 1));
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_cpu(), NULL,
		SOCKET_ID_ANY), 0);
	assert_int_equal(ferry_endpoint_add_lane(a, lane), 0);
	assert_int_equal(ferry_endpoint_add_lane(a, lane), -EINVAL);
	assert_ptr_equal(ferry_endpoint_lane(a, 1), lane);
	assert_null(ferry_endpoint_lane(b, 1));

	assert_int_equal(ferry_tx_open(&tx, a, "lanes", &wide), 0);
	assert_int_equal(ferry_rx_open(&rx, b, "lanes", &wide), 0);
	/* Nothing but the lane copies as much in this mode. */
	assert_int_equal(ferry_tx_set_mode(tx, FERRY_MODE_EFFICIENCY), 0);
	assert_int_equal(ferry_rx_recv(rx, &msg, 1), 0);
	assert_int_equal(ferry_rx_mode(rx), FERRY_MODE_EFFICIENCY);
	data = malloc(MIB);
	assert_non_null(data);
	ferry_test_fill(data, MIB, 5);
	buf.data = data;
	assert_int_equal(ferry_tx_send(tx, &buf, 1), 1);
	assert_int_equal(ferry_rx_recv(rx, &msg, 1), 1);
	assert_int_equal(msg.len, MIB);
	assert_int_equal(ferry_test_check(msg.data, MIB, 5), -1);
	ferry_rx_release(rx, &msg, 1);
	ferry_lane_stats(ferry_endpoint_lane(a, 1), &stats);
	assert_int_equal(stats.bytes, MIB);
	free(data);
	/* The lane is the endpoint's, and ends with it. */
	ferry_detach(a);
	ferry_detach(b);
	hub_check_empty(hub);
	ferry_hub_destroy(hub);
}

/* Either end sets the mode, and both tell it. */
static void
both_ends_tell_the_mode(void **state)
{
	struct ferry_endpoint *a, *b;
	struct ferry_hub *hub;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	unsigned int mode;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	a = hub_join(HUB, "a");
	b = hub_join(HUB, "b");
	assert_int_equal(ferry_tx_open(&tx, a, "modes", &sized), 0);
	assert_int_equal(ferry_rx_open(&rx, b, "modes", &sized), 0);
	assert_int_equal(ferry_rx_mode(rx), FERRY_MODE_LATENCY);
	for (mode = 0; mode < FERRY_MODES; mode++) {
		assert_int_equal(ferry_rx_set_mode(rx, (enum ferry_mode)mode),
			0);
		assert_int_equal(ferry_rx_mode(rx), mode);
		assert_int_equal(ferry_tx_mode(tx), mode);
	}
	assert_int_equal(ferry_tx_set_mode(tx, FERRY_MODE_THROUGHPUT), 0);
	assert_int_equal(ferry_rx_mode(rx), FERRY_MODE_THROUGHPUT);
	assert_int_equal(ferry_rx_set_mode(rx, FERRY_MODES), -EINVAL);
	assert_int_equal(ferry_rx_mode(rx), FERRY_MODE_THROUGHPUT);
	ferry_detach(a);
	ferry_detach(b);
	ferry_hub_destroy(hub);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			channels_are_listed_in_the_order_of_their_making),
		cmocka_unit_test(
		a_survivor_keeps_its_messages_beside_a_new_channel_of_the_name),
		cmocka_unit_test(
			detaching_closes_all_channels_for_the_other_side),
		cmocka_unit_test(
	a_damaged_or_foreign_channel_is_refused_and_nothing_else_changes),
		cmocka_unit_test(
			a_stray_pointer_to_a_channel_that_is_gone_finds_none),
		cmocka_unit_test(data_flows_between_endpoints_of_two_threads),
		cmocka_unit_test(
			threads_that_open_and_close_at_random_leave_nothing),
		cmocka_unit_test(
			an_endpoint_copies_with_the_lanes_it_was_given),
		cmocka_unit_test(both_ends_tell_the_mode),
	};

	return cmocka_run_group_tests(tests, hub_eal_start, NULL);
}
