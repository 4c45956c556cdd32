/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A producer, a consumer and an engine, each in a thread of its own. Messages
 * of all sizes arrive in order. Either end ends some of them early, at random.
 * Producer and consumer always agree on which messages arrived, and these have
 * the right bytes.
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

#include "chan_rig.h"
#include "ferry_bulk.h"
#include "ferry_test.h"

#define MESSAGES 600
#define LONGEST (UINT64_C(1200) << 10)
#define SHORT 200
/* Without an EAL there is no clock: all waits are for ever, and meson ends
 * them. */
/* Bulk messages that the producer has under way. */
#define DEPTH 4
/* One in so many is ended early by each end, in each way. */
#define ODD 12

/* What an end found. */
enum {
	/* Nothing: it ended the message itself, or did not wait for it. */
	LEFT = 2,
	ARRIVED = 1,
};

struct party {
	struct rig *rig;
	uint64_t seed;
	bool early;
	/* By message: ARRIVED, LEFT, or why it ended. */
	int result[MESSAGES];
	/* Not 0: the line of what went wrong. cmocka knows one thread only. */
	int wrong;
};

struct engine {
	struct rig_engine e;
	bool stop;
};

#define expect(p, what) do { \
	if (!(what) && (p)->wrong == 0) \
		(p)->wrong = __LINE__; \
} while (0)

/* The length of a message: half of them are bulk messages. */
static uint64_t
length_of(uint32_t i)
{
	uint64_t seed = i * 77 + 5;
	uint64_t r = ferry_test_random(&seed);

	return r % 2 != 0 ? 8 + r / 2 % SHORT : 1 + r / 2 % LONGEST;
}

static bool
is_bulk(uint32_t i)
{
	uint64_t seed = i * 77 + 5;

	return ferry_test_random(&seed) % 2 == 0;
}

static bool
chance(struct party *p)
{
	return p->early && ferry_test_random(&p->seed) % ODD == 0;
}

/* A message that is under way, and its payload. */
struct sent {
	struct ferry_bulk_out *out;
	uint8_t *data;
	uint32_t i;
};

static void
finish(struct party *p, struct sent *s)
{
	int ret;

	if (s->out == NULL)
		return;
	if (chance(p)) {
		ret = ferry_bulk_cancel(s->out, UINT64_MAX);
		expect(p, ret == 0 || ret == -EALREADY);
	} else {
		ret = ferry_bulk_wait(s->out, UINT64_MAX);
		expect(p, ret == 0 || ret == FERRY_E_REFUSED);
	}
	p->result[s->i] = ferry_bulk_poll(s->out);
	expect(p, p->result[s->i] != 0);
	ferry_bulk_close(s->out);
	/* The source is the producer's again: no participant may read it. */
	memset(s->data, 0xee, length_of(s->i));
	free(s->data);
	s->out = NULL;
}

static void
send_bulk(struct party *p, struct sent *s, uint32_t i)
{
	/* None of the three participants, and each combination of them. */
	const struct ferry_bulk_options options = {
		.tag = i,
		.by = (uint32_t)(ferry_test_random(&p->seed) % 8) << 1,
	};
	const uint64_t len = length_of(i);
	struct iovec iov[2];
	int ret;

	s->i = i;
	s->data = malloc(len);
	ferry_test_fill(s->data, len, i);
	iov[0].iov_base = s->data;
	iov[0].iov_len = len / 3;
	iov[1].iov_base = s->data + len / 3;
	iov[1].iov_len = len - len / 3;
	while ((ret = ferry_bulk_send(p->rig->tx, iov, 2, &options,
			&s->out)) == 0)
		expect(p, ferry_bulk_tx_wait(p->rig->tx, UINT64_MAX) == 0);
	expect(p, ret == 1);
}

static void
send_short(struct party *p, uint32_t i)
{
	uint8_t data[8 + SHORT];
	const struct ferry_buf buf = { .data = data, .tag = i,
		.len = (uint32_t)length_of(i) };
	int ret;

	ferry_test_fill(data, buf.len, i);
	while ((ret = ferry_tx_send(p->rig->tx, &buf, 1)) == 0)
		expect(p, ferry_tx_wait(p->rig->tx, UINT64_MAX) == 0);
	expect(p, ret == 1);
	p->result[i] = ARRIVED;
}

static void *
producer(void *arg)
{
	struct party *p = arg;
	struct sent sent[DEPTH] = { 0 };
	uint32_t i, n = 0;

	for (i = 0; i < MESSAGES && p->wrong == 0; i++) {
		if (!is_bulk(i)) {
			send_short(p, i);
			continue;
		}
		finish(p, &sent[n % DEPTH]);
		send_bulk(p, &sent[n++ % DEPTH], i);
	}
	for (i = 0; i < DEPTH; i++)
		finish(p, &sent[n++ % DEPTH]);
	return NULL;
}

/* Take a bulk message in one of several ways: what became of it. */
static int
take(struct party *p, const struct ferry_msg *msg, uint32_t i)
{
	const uint64_t len = length_of(i);
	uint8_t *own = NULL;
	struct ferry_bulk_in *in;
	struct iovec iov;
	uint64_t at;
	int ret = 0;

	expect(p, ferry_bulk_msg_len(msg) == len);
	if (chance(p)) {
		expect(p, ferry_rx_release(p->rig->rx, msg, 1) == 0);
		return LEFT;
	}
	if (ferry_test_random(&p->seed) % 2 == 0) {
		own = malloc(len);
		iov.iov_base = own;
		iov.iov_len = len;
	}
	ret = ferry_bulk_accept(p->rig->rx, msg, own != NULL ? &iov : NULL, 1,
			&in);
	expect(p, ret == 0);
	if (ret != 0)
		return ret;
	if (chance(p)) {
		expect(p, ferry_bulk_release(in, UINT64_MAX) == 0);
		free(own);
		return LEFT;
	}
	for (at = 0; at < len && ret == 0; at += len / 4 + 1)
		ret = ferry_bulk_await(in, at + len / 4 + 1, UINT64_MAX);
	expect(p, ret == 0 || ret == FERRY_E_CANCELLED);
	if (ret == 0)
		expect(p, ferry_test_check(ferry_bulk_data(in), len, i) == -1);
	expect(p, ferry_bulk_release(in, UINT64_MAX) == 0);
	free(own);
	return ret == 0 ? ARRIVED : ret;
}

static void *
consumer(void *arg)
{
	struct party *p = arg;
	struct ferry_msg msg;
	uint32_t i;
	int ret;

	for (i = 0; i < MESSAGES && p->wrong == 0; i++) {
		while ((ret = ferry_rx_recv(p->rig->rx, &msg, 1)) == 0)
			expect(p, ferry_rx_wait(p->rig->rx, UINT64_MAX) == 0);
		expect(p, ret == 1 && msg.tag == i &&
			ferry_msg_is_bulk(&msg) == is_bulk(i));
		if (p->wrong != 0)
			break;
		if (ferry_msg_is_bulk(&msg)) {
			p->result[i] = take(p, &msg, i);
			continue;
		}
		expect(p, msg.len == length_of(i) &&
			ferry_test_check(msg.data, msg.len, i) == -1);
		expect(p, ferry_rx_release(p->rig->rx, &msg, 1) == 0);
		p->result[i] = ARRIVED;
	}
	return NULL;
}

static void *
engine(void *arg)
{
	struct engine *e = arg;

	while (!__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE))
		if (ferry_server_poll(&e->e.server) == 0)
			sched_yield();
	return NULL;
}

/* Whether what the two ends found can be of the same message. */
static bool
agree(int sent, int received)
{
	if (received == ARRIVED)
		return sent == ARRIVED;
	if (received == LEFT)
		return sent == ARRIVED || sent == FERRY_E_REFUSED ||
			sent == FERRY_E_CANCELLED;
	return sent == received;
}

static void
run(enum ferry_mode mode, bool early)
{
	struct party tx = { .seed = 1, .early = early };
	struct party rx = { .seed = 2, .early = early };
	struct engine e = { .stop = false };
	struct ferry_copier copier;
	pthread_t threads[3];
	uint32_t i, arrived = 0;
	struct rig rig;

	rig_start_post(&rig, 256, 8, 1);
	rig_engine_make(&rig, &e.e, 0);
	assert_int_equal(rig_serve(&rig, &e.e), 0);
	/* Each thread has its own. */
	assert_int_equal(ferry_copier_init(&copier, ferry_copy_cpu(),
		SOCKET_ID_ANY), 0);
	rig.rx->end.copier = &copier;
	assert_int_equal(ferry_tx_set_mode(rig.tx, mode), 0);
	tx.rig = &rig;
	rx.rig = &rig;
	assert_int_equal(pthread_create(&threads[0], NULL, producer, &tx), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, consumer, &rx), 0);
	assert_int_equal(pthread_create(&threads[2], NULL, engine, &e), 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	__atomic_store_n(&e.stop, true, __ATOMIC_RELEASE);
	pthread_join(threads[2], NULL);
	assert_int_equal(tx.wrong, 0);
	assert_int_equal(rx.wrong, 0);
	for (i = 0; i < MESSAGES; i++) {
		if (!agree(tx.result[i], rx.result[i]))
			fail_msg("message %u: sent %d, received %d", i,
				tx.result[i], rx.result[i]);
		arrived += rx.result[i] == ARRIVED;
	}
	if (early)
		assert_in_range(arrived, MESSAGES / 2, MESSAGES - 1);
	else
		assert_int_equal(arrived, MESSAGES);
	rig_leave(&rig, &e.e);
	rig_engine_free(&e.e);
	rig_stop(&rig);
	assert_int_equal(rig.n_pieces, 0);
	assert_int_equal(rig.n_holds, 0);
	ferry_copier_fini(&copier);
}

static void
all_arrive_in_order(void **state)
{
	(void)state;
	run(FERRY_MODE_LATENCY, false);
}

static void
all_arrive_in_order_in_throughput_mode(void **state)
{
	(void)state;
	run(FERRY_MODE_THROUGHPUT, false);
}

static void
all_arrive_while_both_ends_sleep(void **state)
{
	(void)state;
	run(FERRY_MODE_EFFICIENCY, false);
}

static void
both_ends_agree_on_what_ended_early(void **state)
{
	(void)state;
	run(FERRY_MODE_LATENCY, true);
}

static void
both_ends_agree_when_they_sleep(void **state)
{
	(void)state;
	run(FERRY_MODE_EFFICIENCY, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_arrive_in_order),
		cmocka_unit_test(all_arrive_in_order_in_throughput_mode),
		cmocka_unit_test(all_arrive_while_both_ends_sleep),
		cmocka_unit_test(both_ends_agree_on_what_ended_early),
		cmocka_unit_test(both_ends_agree_when_they_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
