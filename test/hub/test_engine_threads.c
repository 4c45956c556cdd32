/* SPDX-License-Identifier: BSD-3-Clause */

/* Many channels and engines at once, while engines come and go. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "ferry_engine.h"
#include "ferry_post.h"
#include "hub_fixture.h"

#define CHANNELS 4
#define ENGINES 3
#define SLOT 49152
#define SLOTS 16
#define MESSAGES 20000
#define PAYLOADS 64
#define EVENTS 30

/* A channel, with a thread for each end. */
struct pair {
	struct ferry_hub *hub;
	char name[16];
	uint32_t number;
	pthread_t producer;
	pthread_t consumer;
	/* What is wrong, if anything: cmocka's asserts are for one thread. */
	const char *tx_wrong;
	const char *rx_wrong;
	uint64_t sent;
	uint64_t received;
	uint64_t offloaded;
	/* Posts that are an engine's, if there is one. */
	uint64_t for_engine;
};

struct runner {
	struct ferry_engine *engine;
	pthread_t thread;
};

static const struct ferry_channel_config config = {
	.slot_size = SLOT, .n_slots = SLOTS,
};
static unsigned int producing;
/* What the test wants to do meanwhile has been done. */
static bool enough;

static uint32_t
len_of(const struct pair *p, uint64_t i)
{
	uint64_t x = p->number * 1000003 + i;

	x = ferry_test_random(&x);
	return (uint32_t)(x >> 8) % (x % 4 == 0 ? SLOT + 1 : x % 4 == 1 ?
		6000 : 120);
}

static const char *
produce(struct pair *p, struct ferry_tx *tx, uint8_t *payloads)
{
	enum ferry_mode mode = FERRY_MODE_EFFICIENCY;
	uint64_t rng = p->number, posted = 0;

	/* Else few of so few messages are posted. */
	ferry_tx_set_mode(tx, mode);
	while (p->sent < MESSAGES || !__atomic_load_n(&enough,
			__ATOMIC_RELAXED)) {
		uint8_t *data = payloads + posted % PAYLOADS * SLOT;
		struct ferry_buf buf = {
			.data = data,
			.len = len_of(p, p->sent),
			.tag = (uint32_t)p->sent,
		};
		bool post = ferry_test_random(&rng) % 4 > 0;
		int ret;

		/* Its payload has to be free. */
		ret = ferry_tx_finish(tx, PAYLOADS - 1, UINT64_MAX);
		if (ret != 0)
			return "finish fails";
		ferry_test_fill(data, buf.len, p->number * 1000003 + p->sent);
		ret = post ? ferry_tx_post(tx, &buf, 1) :
			ferry_tx_send(tx, &buf, 1);
		if (ret < 0)
			return "a send fails";
		if (ret == 1) {
			p->sent++;
			posted += post;
			p->offloaded += ferry_tx_pending(tx) > 0;
			p->for_engine += post && buf.len > FERRY_POST_LONE &&
				mode == FERRY_MODE_EFFICIENCY;
		} else if (ferry_tx_wait(tx, FERRY_TEST_HANG_NS) != 0) {
			return "no slot comes back";
		}
		if (ferry_test_random(&rng) % 200 == 0) {
			mode = (enum ferry_mode)(ferry_test_random(&rng) %
				FERRY_MODES);
			ferry_tx_set_mode(tx, mode);
		}
	}
	if (p->number % 2 == 0 && ferry_tx_finish(tx, 0, UINT64_MAX) != 0)
		return "the last finish fails";
	return NULL;
}

static void *
produce_main(void *arg)
{
	struct pair *p = arg;
	uint8_t *payloads = malloc((size_t)PAYLOADS * SLOT);
	struct ferry_endpoint *ep;
	struct ferry_tx *tx;

	p->tx_wrong = "cannot open";
	if (payloads != NULL && ferry_attach(&ep, HUB, p->name) == 0) {
		if (ferry_tx_open(&tx, ep, p->name, &config) == 0)
			p->tx_wrong = produce(p, tx, payloads);
		/* Closes what is open, with jobs pending. */
		ferry_detach(ep);
	}
	free(payloads);
	__atomic_fetch_sub(&producing, 1, __ATOMIC_RELEASE);
	return NULL;
}

static const char *
consume(struct pair *p, struct ferry_rx *rx)
{
	struct ferry_msg msgs[8];
	int ret, k;

	for (;;) {
		ret = ferry_rx_recv(rx, msgs, RTE_DIM(msgs));
		if (ret == FERRY_E_CLOSED)
			return NULL;
		if (ret < 0)
			return "recv fails";
		for (k = 0; k < ret; k++, p->received++)
			if (msgs[k].tag != (uint32_t)p->received ||
					msgs[k].len != len_of(p, p->received) ||
					ferry_test_check(msgs[k].data,
						msgs[k].len, p->number * 1000003
						+ p->received) != -1)
				return "a wrong message";
		if (ferry_rx_release(rx, msgs, (uint16_t)ret) != 0)
			return "release fails";
		if (ret == 0 && ferry_rx_wait(rx, FERRY_TEST_HANG_NS) ==
				-ETIMEDOUT)
			return "no message comes";
	}
}

static void *
consume_main(void *arg)
{
	struct pair *p = arg;
	struct ferry_endpoint *ep;
	struct ferry_rx *rx;

	p->rx_wrong = "cannot open";
	if (ferry_attach(&ep, HUB, p->name) == 0) {
		if (ferry_rx_open(&rx, ep, p->name, &config) == 0)
			p->rx_wrong = consume(p, rx);
		ferry_detach(ep);
	}
	return NULL;
}

static void *
run_engine(void *e)
{
	ferry_engine_run(e);
	return NULL;
}

static void
runner_start(struct runner *r, struct ferry_hub *hub)
{
	assert_int_equal(ferry_engine_create(&r->engine, hub, NULL), 0);
	assert_int_equal(pthread_create(&r->thread, NULL, run_engine,
		r->engine), 0);
}

static void
runner_end(struct runner *r)
{
	if (r->engine == NULL)
		return;
	ferry_engine_stop(r->engine);
	pthread_join(r->thread, NULL);
	ferry_engine_destroy(r->engine);
	r->engine = NULL;
}

static void
move_one(struct ferry_hub *hub, struct ferry_engine *to, uint64_t *rng)
{
	/* Not from a list: that is a snapshot, which races by intention. A
	 * hub counts its channels from 1. */
	const uint64_t id = 1 + ferry_test_random(rng) % CHANNELS;
	int ret = ferry_hub_move(hub, id, to);

	/* It may have closed, or be looking after itself at the moment. */
	assert_true(ret == 0 || ret == -ENOENT || ret == -EBUSY);
}

static void
traffic(struct ferry_hub *hub, struct pair *pairs)
{
	unsigned int i;

	__atomic_store_n(&producing, CHANNELS, __ATOMIC_RELEASE);
	for (i = 0; i < CHANNELS; i++) {
		struct pair *p = &pairs[i];

		memset(p, 0, sizeof(*p));
		p->hub = hub;
		p->number = i + 1;
		snprintf(p->name, sizeof(p->name), "ch%u", i);
		assert_int_equal(pthread_create(&p->consumer, NULL,
			consume_main, p), 0);
		assert_int_equal(pthread_create(&p->producer, NULL,
			produce_main, p), 0);
	}
}

static uint64_t
traffic_end(struct pair *pairs)
{
	uint64_t offloaded = 0;
	unsigned int i;

	for (i = 0; i < CHANNELS; i++) {
		struct pair *p = &pairs[i];

		pthread_join(p->producer, NULL);
		pthread_join(p->consumer, NULL);
		if (p->tx_wrong != NULL || p->rx_wrong != NULL)
			fail_msg("%s: producer: %s after %llu, consumer: %s "
				"after %llu", p->name, p->tx_wrong != NULL ?
				p->tx_wrong : "well",
				(unsigned long long)p->sent,
				p->rx_wrong != NULL ? p->rx_wrong : "well",
				(unsigned long long)p->received);
		assert_int_equal(p->received, p->sent);
		offloaded += p->offloaded;
	}
	return offloaded;
}

static void
engines_come_and_go_under_traffic(void **state)
{
	struct ferry_hub *hub;
	struct runner runners[ENGINES] = { { NULL, 0 } };
	struct pair pairs[CHANNELS];
	uint64_t rng = 11, events = 0;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 16 * MIB, 0, 0);
	runner_start(&runners[0], hub);
	enough = false;
	traffic(hub, pairs);
	while (__atomic_load_n(&producing, __ATOMIC_ACQUIRE) > 0) {
		struct runner *r = &runners[ferry_test_random(&rng) % ENGINES];

		switch (ferry_test_random(&rng) % 4) {
		case 0:
			if (r->engine == NULL)
				runner_start(r, hub);
			else
				runner_end(r);
			break;
		case 1:
			move_one(hub, NULL, &rng);
			break;
		default:
			/* To none if the engine is not there. */
			move_one(hub, r->engine, &rng);
		}
		if (++events == EVENTS)
			__atomic_store_n(&enough, true, __ATOMIC_RELAXED);
		usleep(2000);
	}
	print_message("%llu events, %llu calls found posts pending\n",
		(unsigned long long)events,
		(unsigned long long)traffic_end(pairs));
	assert_true(events >= EVENTS);
	for (i = 0; i < ENGINES; i++)
		runner_end(&runners[i]);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
an_engine_is_shared_by_all_channels(void **state)
{
	struct ferry_engine_info info;
	struct runner r = { NULL, 0 };
	struct pair pairs[CHANNELS];
	uint64_t for_engine = 0;
	struct ferry_hub *hub;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 16 * MIB, 0, 0);
	runner_start(&r, hub);
	enough = true;
	traffic(hub, pairs);
	assert_true(traffic_end(pairs) > 0);
	ferry_engine_info(r.engine, &info);
	for (i = 0; i < CHANNELS; i++)
		for_engine += pairs[i].for_engine;
	print_message("%llu messages of %u by the engine, %llu for sure, %llu "
		"sleeps\n", (unsigned long long)info.msgs, CHANNELS * MESSAGES,
		(unsigned long long)for_engine,
		(unsigned long long)info.sleeps);
	/* What is pending at the end may have become the producer's. */
	assert_true(info.msgs + CHANNELS * SLOTS >= for_engine);
	assert_true(for_engine > CHANNELS * MESSAGES / 50);
	assert_int_equal(info.channels, 0);
	assert_int_equal(info.bad, 0);
	assert_int_equal(info.unsafe, 0);
	runner_end(&r);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_engine_is_shared_by_all_channels),
		cmocka_unit_test(engines_come_and_go_under_traffic),
	};

	return cmocka_run_group_tests(tests, hub_eal_start, NULL);
}
