/* SPDX-License-Identifier: BSD-3-Clause */

/* Waits of ends with bulk messages: an end that waits looks again and again,
 * and sleeps while other participants copy. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "chan_rig.h"
#include "ferry_bulk.h"
#include "ferry_test.h"

/* A loop that takes longer does not end. */
#define SECONDS 60

static uint8_t data[5000];

/* A consumer may have something better to do than to copy. */
static void
a_wait_of_no_time_only_looks(void **state)
{
	struct ferry_bulk_stats stats;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct rig rig;

	(void)state;
	rig_start(&rig, 256, 4);
	out = rig_bulk_send(&rig, data, 5000, FERRY_BULK_RX);
	in = rig_bulk_accept(&rig);
	assert_int_equal(ferry_bulk_await(in, 5000, 0), -ETIMEDOUT);
	ferry_bulk_rx_stats(rig.rx, &stats);
	assert_int_equal(stats.copied, 0);
	assert_int_equal(ferry_bulk_await(in, 5000, UINT64_MAX), 0);
	ferry_bulk_rx_stats(rig.rx, &stats);
	assert_int_equal(stats.copied, 5000);
	assert_int_equal(ferry_bulk_wait(out, 0), 0);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	rig_stop(&rig);
}

/* Whatever the last wait came to. */
static void
each_wait_begins_with_pauses(void **state)
{
	struct ferry_bulk_out *out;
	struct rig rig;

	(void)state;
	rig_start(&rig, 256, 4);
	out = rig_bulk_send(&rig, data, 5000, FERRY_BULK_RX);
	rig.tx->end.wait.round = 10000;
	assert_int_equal(ferry_bulk_wait(out, 1), -ETIMEDOUT);
	assert_in_range(rig.tx->end.wait.round, 0, 16);
	ferry_bulk_close(out);
	rig_stop(&rig);
}

/* A thread that waits for ever. */
struct waiting {
	struct rig rig;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	void (*wait)(struct waiting *w);
	int result;
	uint32_t tid;
	pthread_t thread;
};

static void *
waiting_run(void *arg)
{
	struct waiting *w = arg;

	__atomic_store_n(&w->tid, (uint32_t)gettid(), __ATOMIC_RELAXED);
	w->wait(w);
	return NULL;
}

/* Whether a thread sleeps in the kernel. */
static bool
is_asleep(uint32_t tid)
{
	char path[64], line[512] = "";
	const char *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%u/stat", tid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = 0;
	fclose(f);
	end = strrchr(line, ')');
	return end != NULL && strncmp(end, ") S", 3) == 0;
}

/* Begin to wait, which has to come to a sleep. */
static void
waiting_sleeps(struct waiting *w, void (*wait)(struct waiting *w))
{
	uint32_t tid;

	alarm(SECONDS);
	w->wait = wait;
	w->tid = 0;
	assert_int_equal(pthread_create(&w->thread, NULL, waiting_run, w), 0);
	do {
		usleep(1000);
		tid = __atomic_load_n(&w->tid, __ATOMIC_RELAXED);
	} while (tid == 0 || !is_asleep(tid));
}

static void
waiting_ends(struct waiting *w, int result)
{
	assert_int_equal(pthread_join(w->thread, NULL), 0);
	assert_int_equal(w->result, result);
	alarm(0);
}

static void
waiting_make(struct waiting *w)
{
	memset(w, 0, sizeof(*w));
	rig_start(&w->rig, 256, 4);
	rig_be_apart(&w->rig);
	assert_int_equal(ferry_tx_set_mode(w->rig.tx, FERRY_MODE_EFFICIENCY),
		0);
	assert_int_equal(ferry_rx_set_mode(w->rig.rx, FERRY_MODE_EFFICIENCY),
		0);
}

static void
wait_out(struct waiting *w)
{
	w->result = ferry_bulk_wait(w->out, UINT64_MAX);
}

static void
wait_in(struct waiting *w)
{
	w->result = ferry_bulk_await(w->in, UINT64_MAX, UINT64_MAX);
}

static void
wait_room(struct waiting *w)
{
	w->result = ferry_bulk_tx_wait(w->rig.tx, UINT64_MAX);
}

static void
wait_slot(struct waiting *w)
{
	w->result = ferry_tx_wait(w->rig.tx, UINT64_MAX);
}

static void
wait_msg(struct waiting *w)
{
	w->result = ferry_rx_wait(w->rig.rx, UINT64_MAX);
}

static void
a_producer_sleeps_until_its_message_is_taken(void **state)
{
	struct waiting w;
	struct ferry_msg msg;

	(void)state;
	waiting_make(&w);
	w.out = rig_bulk_send(&w.rig, data, 5000, FERRY_BULK_ENGINE);
	waiting_sleeps(&w, wait_out);
	assert_int_equal(ferry_rx_recv(w.rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_rx_release(w.rig.rx, &msg, 1), 0);
	waiting_ends(&w, FERRY_E_REFUSED);
	ferry_bulk_close(w.out);
	rig_stop(&w.rig);
}

static void
a_producer_sleeps_while_others_copy(void **state)
{
	struct waiting w;

	(void)state;
	waiting_make(&w);
	w.out = rig_bulk_send(&w.rig, data, 5000, FERRY_BULK_ENGINE);
	w.in = rig_bulk_accept(&w.rig);
	waiting_sleeps(&w, wait_out);
	assert_int_equal(ferry_bulk_release(w.in, 0), 0);
	waiting_ends(&w, FERRY_E_REFUSED);
	ferry_bulk_close(w.out);
	rig_stop(&w.rig);
}

static void
a_consumer_sleeps_while_others_copy(void **state)
{
	struct waiting w;

	(void)state;
	waiting_make(&w);
	w.out = rig_bulk_send(&w.rig, data, 5000, FERRY_BULK_ENGINE);
	w.in = rig_bulk_accept(&w.rig);
	waiting_sleeps(&w, wait_in);
	assert_int_equal(ferry_bulk_cancel(w.out, 0), 0);
	waiting_ends(&w, FERRY_E_CANCELLED);
	ferry_bulk_close(w.out);
	assert_int_equal(ferry_bulk_release(w.in, 0), 0);
	rig_stop(&w.rig);
}

static void
a_producer_sleeps_until_there_is_room(void **state)
{
	struct ferry_bulk_out *out[FERRY_BULK_BLOCKS];
	struct ferry_msg msg;
	struct waiting w;
	unsigned int i;

	(void)state;
	waiting_make(&w);
	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		out[i] = rig_bulk_send(&w.rig, data, 5000, FERRY_BULK_ENGINE);
	ferry_bulk_close(out[0]);
	waiting_sleeps(&w, wait_room);
	assert_int_equal(ferry_rx_recv(w.rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_rx_release(w.rig.rx, &msg, 1), 0);
	waiting_ends(&w, 0);
	for (i = 1; i < FERRY_BULK_BLOCKS; i++)
		ferry_bulk_close(out[i]);
	rig_stop(&w.rig);
}

/* Ends that wait for something else, with a bulk message beside it or none. */
static void
ends_sleep_beside_a_message_that_others_copy(void **state)
{
	struct ferry_msg loan[4] = { 0 }, msgs[4];
	struct waiting w;
	int bulk;

	(void)state;
	for (bulk = 0; bulk < 2; bulk++) {
		waiting_make(&w);
		if (bulk) {
			w.out = rig_bulk_send(&w.rig, data, 5000,
				FERRY_BULK_ENGINE);
			w.in = rig_bulk_accept(&w.rig);
		}
		waiting_sleeps(&w, wait_msg);
		assert_int_equal(ferry_tx_loan(w.rig.tx, loan, 4), 4);
		assert_int_equal(ferry_tx_commit(w.rig.tx, loan, 4), 4);
		waiting_ends(&w, 0);
		assert_int_equal(ferry_tx_loan(w.rig.tx, loan, 1), 0);
		waiting_sleeps(&w, wait_slot);
		assert_int_equal(ferry_rx_recv(w.rig.rx, msgs, 4), 4);
		assert_int_equal(ferry_rx_release(w.rig.rx, msgs, 4), 0);
		waiting_ends(&w, 0);
		ferry_bulk_close(w.out);
		assert_int_equal(ferry_bulk_release(w.in, 0), 0);
		rig_stop(&w.rig);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_of_no_time_only_looks),
		cmocka_unit_test(each_wait_begins_with_pauses),
		cmocka_unit_test(a_producer_sleeps_until_its_message_is_taken),
		cmocka_unit_test(a_producer_sleeps_while_others_copy),
		cmocka_unit_test(a_consumer_sleeps_while_others_copy),
		cmocka_unit_test(a_producer_sleeps_until_there_is_room),
		cmocka_unit_test(ends_sleep_beside_a_message_that_others_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
