/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A channel between two threads. To be run in a build for ThreadSanitizer,
 * too: -Db_sanitize=thread -Dc11_mem_model=true.
 */

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

#include <rte_pause.h>

#include "ferry_test.h"
#include "chan_rig.h"

#define FOREVER UINT64_MAX
#define BURST_MAX 48

/* How often slower it is with each access checked. */
#if defined(__SANITIZE_THREAD__)
#define SLOW 8
#elif defined(__SANITIZE_ADDRESS__)
#define SLOW 10
#else
#define SLOW 1
#endif

/* What a run is to be like. */
struct run {
	struct rig rig;
	uint64_t messages;
	uint32_t slot_size;
	/* Longest burst, and longest message. */
	uint16_t burst;
	uint32_t longest;
	/* Loans among the sends, in 16; 16: nothing but loans. */
	unsigned int loans;
	/* Polls without ferry_rx_wait() and ferry_tx_wait(). */
	bool poll;
	enum ferry_wait_policy policy;
	/* Change the policy while messages flow. */
	bool change;
	/* Both threads on one CPU. */
	bool one_cpu;
	/* The consumer's verdict: cmocka's asserts are not for threads. */
	const char *wrong;
	uint64_t received;
};

static uint32_t
len_of(const struct run *run, uint64_t i)
{
	uint64_t state = i;
	const uint64_t r = ferry_test_random(&state);

	/* Half of them tiny, so that cells and slots alternate. */
	if (r % 2)
		return (uint32_t)((r >> 8) % RTE_MIN(run->longest + 1, 64u));
	return (uint32_t)((r >> 8) % (run->longest + 1));
}

/* Fast enough not to be what is measured: number, and a byte all over. */
static void
fill(void *data, uint32_t len, uint64_t i)
{
	memset(data, (int)(i * 31 & 0xff), len);
	memcpy(data, &i, RTE_MIN(len, (uint32_t)sizeof(i)));
}

static bool
filled(const void *data, uint32_t len, uint64_t i)
{
	const uint8_t *p = data;
	const uint8_t byte = (uint8_t)(i * 31);
	uint32_t k = sizeof(i);

	if (memcmp(p, &i, RTE_MIN(len, (uint32_t)sizeof(i))) != 0)
		return false;
	if (len <= k)
		return true;
	return p[k] == byte && memcmp(p + k, p + k + 1, len - k - 1) == 0;
}

/* The first CPU of all, if this run wants both threads there. */
static void
run_on(const struct run *run)
{
	cpu_set_t all, set;
	unsigned int cpu;

	if (!run->one_cpu || sched_getaffinity(0, sizeof(all), &all) != 0)
		return;
	CPU_ZERO(&set);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_SET(cpu, &set);
		pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
		return;
	}
}

static enum ferry_wait_policy
policy_at(const struct run *run, uint64_t count)
{
	return run->change ? (enum ferry_wait_policy)(count % 4) : run->policy;
}

static int
produce_some(struct run *run, uint64_t sent, uint16_t n)
{
	static uint8_t data[BURST_MAX][8192];
	struct ferry_buf bufs[BURST_MAX];
	struct ferry_msg msgs[BURST_MAX];
	uint64_t state = sent;
	uint16_t k;
	int ret;

	if (ferry_test_random(&state) % 16 < run->loans) {
		ret = ferry_tx_loan(run->rig.tx, msgs, n);
		for (k = 0; (int)k < ret; k++) {
			msgs[k].len = len_of(run, sent + k);
			msgs[k].tag = rig_tag(sent + k);
			fill(msgs[k].data, msgs[k].len, sent + k);
		}
		return ret > 0 ? ferry_tx_commit(run->rig.tx, msgs,
				(uint16_t)ret) : ret;
	}
	for (k = 0; k < n; k++) {
		bufs[k] = (struct ferry_buf) {
			data[k], len_of(run, sent + k), rig_tag(sent + k), 0,
		};
		fill(data[k], bufs[k].len, sent + k);
	}
	return ferry_tx_send(run->rig.tx, bufs, n);
}

static void *
producer(void *arg)
{
	struct run *run = arg;
	struct ferry_tx *tx = run->rig.tx;
	uint64_t sent = 0, state = 1, changes = 0;
	int ret;

	run_on(run);
	ferry_tx_set_wait(tx, run->policy);
	while (sent < run->messages) {
		const uint64_t r = ferry_test_random(&state);
		uint16_t n = (uint16_t)(1 + (r & 1 ? r >> 8 : 0) % run->burst);

		n = (uint16_t)RTE_MIN((uint64_t)n, run->messages - sent);
		ret = produce_some(run, sent, n);
		if (ret < 0)
			return (void *)"the producer was refused";
		sent += (uint64_t)ret;
		if (run->change && sent / (run->messages / 40) > changes)
			ferry_tx_set_wait(tx, policy_at(run, changes++));
		if (ret > 0)
			continue;
		if (run->poll)
			rte_pause();
		else if (ferry_tx_wait(tx, FOREVER) != 0)
			return (void *)"the producer's wait failed";
	}
	if (ferry_tx_drain(tx, FOREVER) != 0)
		return (void *)"the channel was not drained";
	ferry_tx_stop(tx);
	run->rig.tx = NULL;
	return NULL;
}

static void *
consumer(void *arg)
{
	struct run *run = arg;
	struct ferry_rx *rx = run->rig.rx;
	/* Some are held for a while and released out of order. */
	struct ferry_msg msgs[2 * BURST_MAX], held[8];
	uint64_t state = 2, changes = 0;
	uint16_t n_held = 0;
	int ret, k;

	run_on(run);
	ferry_rx_set_wait(rx, run->policy);
	for (;;) {
		const uint64_t r = ferry_test_random(&state);
		const uint16_t n = (uint16_t)(1 + (r & 3 ? r >> 8 : 0) %
				(2 * run->burst));

		ret = ferry_rx_recv(rx, msgs, n);
		if (ret == FERRY_E_CLOSED)
			return NULL;
		if (ret < 0)
			return (void *)"the consumer was refused";
		if (ret == 0) {
			/* Who waits for the last one keeps nothing. */
			ferry_rx_release(rx, held, n_held);
			n_held = 0;
			if (run->poll) {
				rte_pause();
				continue;
			}
			ret = ferry_rx_wait(rx, FOREVER);
			if (ret != 0 && ret != FERRY_E_CLOSED)
				return (void *)"the consumer's wait failed";
			continue;
		}
		for (k = 0; k < ret; k++) {
			const uint64_t i = run->received++;

			if (msgs[k].len != len_of(run, i))
				return (void *)"a length is wrong";
			if (msgs[k].tag != rig_tag(i))
				return (void *)"a tag is wrong";
			if (!filled(msgs[k].data, msgs[k].len, i))
				return (void *)"a payload is wrong";
		}
		if (run->change && run->received / (run->messages / 40) >
				changes)
			ferry_rx_set_wait(rx, policy_at(run, 3 * changes++));
		if (n_held == RTE_DIM(held)) {
			if (ferry_rx_release(rx, held, n_held) != 0)
				return (void *)"a release was refused";
			n_held = 0;
		}
		if (r & 16)
			held[n_held++] = msgs[--ret];
		if (ferry_rx_release(rx, msgs, (uint16_t)ret) != 0)
			return (void *)"a release was refused";
	}
}

/* Each message once, whole and in order; then the end. */
static void
run_all(struct run *run, uint32_t n_slots)
{
	const uint64_t start = ferry_test_now_ns();
	void *tx_wrong, *rx_wrong;
	pthread_t tx, rx;

	run->messages /= SLOW;
	rig_start(&run->rig, run->slot_size, n_slots);
	assert_int_equal(pthread_create(&rx, NULL, consumer, run), 0);
	assert_int_equal(pthread_create(&tx, NULL, producer, run), 0);
	pthread_join(rx, &rx_wrong);
	if (rx_wrong != NULL) {
		/* The producer may wait for ever: end it. */
		ferry_rx_stop(run->rig.rx);
		run->rig.rx = NULL;
	}
	pthread_join(tx, &tx_wrong);
	if (rx_wrong != NULL || tx_wrong != NULL)
		fail_msg("%s%s after %llu messages",
				rx_wrong ? (const char *)rx_wrong : "",
				tx_wrong ? (const char *)tx_wrong : "",
				(unsigned long long)run->received);
	assert_int_equal(run->received, run->messages);
	assert_int_equal(rig_census(run->rig.ch).in_flight, 0);
	print_message("%llu messages, %.2f M/s\n",
			(unsigned long long)run->messages,
			(double)run->messages * 1e3 /
			(double)(ferry_test_now_ns() - start));
	rig_stop(&run->rig);
}

static void
tiny_copies_cross_in_cells(void **state)
{
	struct run run = {
		.messages = 1000000, .slot_size = 112, .longest = 112,
		.burst = 4, .poll = true,
	};

	(void)state;
	run_all(&run, 64);
}

static void
bursts_of_copies_cross_in_slots(void **state)
{
	struct run run = {
		.messages = 2000000, .slot_size = 300, .longest = 300,
		.burst = 40, .poll = true,
	};

	(void)state;
	run_all(&run, 256);
}

static void
loans_cross(void **state)
{
	struct run run = {
		.messages = 1000000, .slot_size = 500, .longest = 500,
		.burst = 32, .loans = 16, .poll = true,
	};

	(void)state;
	run_all(&run, 100);
}

static void
everything_crosses_with_few_slots(void **state)
{
	struct run run = {
		.messages = 300000, .slot_size = 300, .longest = 300,
		.burst = 6, .loans = 5,
	};

	(void)state;
	run_all(&run, 16);
}

/* The consumer holds up to 8; one slot has to do for all the rest. */
static void
everything_crosses_with_nine_slots(void **state)
{
	struct run run = {
		.messages = 100000, .slot_size = 200, .longest = 200,
		.burst = 3, .loans = 8,
	};

	(void)state;
	run_all(&run, 9);
}

static void
long_copies_cross_through_the_copier(void **state)
{
	struct run run = {
		.messages = 100000, .slot_size = 8192, .longest = 8192,
		.burst = 16, .loans = 2,
	};

	(void)state;
	run_all(&run, 32);
}

static void
every_policy_finds_every_message(void **state)
{
	enum ferry_wait_policy policy;

	(void)state;
	for (policy = FERRY_WAIT_SPIN; policy <= FERRY_WAIT_NAP; policy++) {
		struct run run = {
			.messages = 200000, .slot_size = 300, .longest = 300,
			.burst = 8, .loans = 4, .policy = policy,
		};

		print_message("%s: ", ferry_wait_policy_name(policy));
		run_all(&run, 32);
	}
}

static void
a_policy_may_change_while_messages_flow(void **state)
{
	struct run run = {
		.messages = 400000, .slot_size = 300, .longest = 300,
		.burst = 8, .loans = 4, .change = true,
	};

	(void)state;
	run_all(&run, 32);
}

static void
two_threads_may_share_one_cpu(void **state)
{
	enum ferry_wait_policy policy;

	(void)state;
	for (policy = FERRY_WAIT_SPIN; policy <= FERRY_WAIT_NAP; policy++) {
		struct run run = {
			.messages = 20000, .slot_size = 300, .longest = 300,
			.burst = 8, .loans = 4, .policy = policy,
			.one_cpu = true,
		};

		print_message("%s: ", ferry_wait_policy_name(policy));
		run_all(&run, 32);
	}
}

/* One message there and one back, each waited for: no wake-up is lost. */
struct pair {
	struct rig there, back;
	uint64_t rounds;
};

static void *
echo(void *arg)
{
	struct pair *pair = arg;
	struct ferry_msg msg;
	int ret;

	for (;;) {
		ret = ferry_rx_recv(pair->there.rx, &msg, 1);
		if (ret == 1) {
			ferry_tx_send(pair->back.tx, &(struct ferry_buf) {
					msg.data, msg.len, msg.tag, 0 }, 1);
			ferry_rx_release(pair->there.rx, &msg, 1);
			continue;
		}
		if (ret < 0)
			return NULL;
		ferry_rx_wait(pair->there.rx, FOREVER);
	}
}

static void
no_wake_up_is_lost_in_ping_pong(void **state)
{
	enum ferry_wait_policy policy;

	(void)state;
	for (policy = FERRY_WAIT_YIELD; policy <= FERRY_WAIT_NAP; policy++) {
		struct pair pair = { .rounds = 20000 / SLOW };
		uint64_t i, worst = 0;
		pthread_t thread;

		rig_start(&pair.there, 200, 2);
		rig_start(&pair.back, 200, 2);
		ferry_rx_set_wait(pair.there.rx, policy);
		ferry_rx_set_wait(pair.back.rx, policy);
		assert_int_equal(pthread_create(&thread, NULL, echo, &pair), 0);
		for (i = 0; i < pair.rounds; i++) {
			const uint32_t len = (i & 1) ? 20 : 190;
			const uint64_t start = ferry_test_now_ns();
			uint8_t data[200];
			struct ferry_buf buf = { data, len, rig_tag(i), 0 };
			struct ferry_msg msg;

			fill(data, len, i);
			assert_int_equal(ferry_tx_send(pair.there.tx, &buf, 1),
					1);
			while (ferry_rx_recv(pair.back.rx, &msg, 1) == 0)
				assert_int_equal(ferry_rx_wait(pair.back.rx,
						FOREVER), 0);
			assert_int_equal(msg.len, len);
			assert_int_equal(msg.tag, rig_tag(i));
			assert_true(filled(msg.data, len, i));
			ferry_rx_release(pair.back.rx, &msg, 1);
			worst = RTE_MAX(worst, ferry_test_now_ns() - start);
		}
		ferry_tx_stop(pair.there.tx);
		pair.there.tx = NULL;
		pthread_join(thread, NULL);
		print_message("%s: slowest round %llu us\n",
				ferry_wait_policy_name(policy),
				(unsigned long long)(worst / 1000));
		rig_stop(&pair.there);
		rig_stop(&pair.back);
	}
}

/* Ends open, look at each other and close at the same time. */
static void *
come_and_go(void *arg)
{
	struct rig *rig = arg;
	struct ferry_channel_attach attach = rig_attach(rig, RIG_RX);
	struct ferry_channel_census c;
	struct ferry_msg msg;

	ferry_rx_start(&rig->rx, &attach);
	ferry_rx_set_wait(rig->rx, FERRY_WAIT_YIELD);
	if (ferry_rx_recv(rig->rx, &msg, 1) == 1)
		ferry_rx_release(rig->rx, &msg, 1);
	ferry_channel_census(rig->ch, NULL, false, &c);
	ferry_rx_stop(rig->rx);
	rig->rx = NULL;
	return NULL;
}

static void
ends_come_and_go_while_the_other_works(void **state)
{
	const int rounds = 1000 / SLOW;
	int i, k;

	(void)state;
	for (i = 0; i < rounds; i++) {
		struct ferry_channel_attach attach;
		pthread_t thread;
		struct rig rig;

		rig_make(&rig, 200, 4);
		attach = rig_attach(&rig, RIG_TX);
		assert_int_equal(pthread_create(&thread, NULL, come_and_go,
				&rig), 0);
		assert_int_equal(ferry_tx_start(&rig.tx, &attach), 0);
		for (k = 0; k < 20; k++) {
			if (ferry_tx_send(rig.tx, &(struct ferry_buf) {
					"x", 1, 0, 0 }, 1) < 0)
				break;
		}
		ferry_tx_peer(rig.tx);
		ferry_tx_stop(rig.tx);
		rig.tx = NULL;
		pthread_join(thread, NULL);
		rig_stop(&rig);
	}
}

/* The hub lists a channel that both ends are busy with. */
struct listing {
	struct rig rig;
	uint64_t n, whole;
	uint32_t stop;
};

static void *
list(void *arg)
{
	struct listing *l = arg;
	const struct ferry_channel_config config = { 200, 8 };
	struct ferry_channel_census c;

	while (__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE) == 0) {
		const int ret = ferry_channel_census(l->rig.ch, &config, true,
				&c);

		l->n++;
		/* A snapshot need not add up, but it says so. */
		if (ret == 0 && c.free + c.tx_held + c.in_flight + c.jobs +
				c.rx_held + c.lost == config.n_slots)
			l->whole++;
		else if (ret != FERRY_E_CORRUPT)
			l->whole = UINT64_MAX / 2;
		sched_yield();
	}
	return NULL;
}

static void *
swallow(void *arg)
{
	struct listing *l = arg;
	struct ferry_msg msgs[8];
	int n;

	for (;;) {
		n = ferry_rx_recv(l->rig.rx, msgs, 8);
		if (n > 0)
			ferry_rx_release(l->rig.rx, msgs, (uint16_t)n);
		else if (n < 0)
			return NULL;
		else
			sched_yield();
	}
}

static void
a_busy_channel_can_be_listed(void **state)
{
	struct listing l = { 0 };
	pthread_t lister, receiver;
	struct ferry_buf bufs[8];
	uint64_t sent = 0, rounds = 0;
	uint8_t data[200] = { 0 };
	unsigned int i;
	int n;

	(void)state;
	rig_start(&l.rig, 200, 8);
	assert_int_equal(pthread_create(&receiver, NULL, swallow, &l), 0);
	assert_int_equal(pthread_create(&lister, NULL, list, &l), 0);
	while (sent < 20000 / SLOW) {
		/* Cells, slots announced by cells, and bursts. */
		for (i = 0; i < 8; i++)
			bufs[i] = (struct ferry_buf) { data,
				rounds % 3 == 0 ? 20 : 200, 0, 0 };
		n = ferry_tx_send(l.rig.tx, bufs, rounds++ % 2 == 0 ? 8 : 2);
		assert_true(n >= 0);
		sent += (uint64_t)n;
		if (n == 0)
			sched_yield();
	}
	__atomic_store_n(&l.stop, 1, __ATOMIC_RELEASE);
	pthread_join(lister, NULL);
	ferry_tx_stop(l.rig.tx);
	l.rig.tx = NULL;
	pthread_join(receiver, NULL);
	print_message("%llu looks, %llu added up\n", (unsigned long long)l.n,
			(unsigned long long)l.whole);
	assert_true(l.whole > 0 && l.whole <= l.n);
	rig_stop(&l.rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tiny_copies_cross_in_cells),
		cmocka_unit_test(bursts_of_copies_cross_in_slots),
		cmocka_unit_test(loans_cross),
		cmocka_unit_test(everything_crosses_with_few_slots),
		cmocka_unit_test(everything_crosses_with_nine_slots),
		cmocka_unit_test(long_copies_cross_through_the_copier),
		cmocka_unit_test(every_policy_finds_every_message),
		cmocka_unit_test(a_policy_may_change_while_messages_flow),
		cmocka_unit_test(two_threads_may_share_one_cpu),
		cmocka_unit_test(no_wake_up_is_lost_in_ping_pong),
		cmocka_unit_test(ends_come_and_go_while_the_other_works),
		cmocka_unit_test(a_busy_channel_can_be_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
