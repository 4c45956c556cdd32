/* SPDX-License-Identifier: BSD-3-Clause */

/* Which server carries posts out: how a producer chooses, boards, and what
 * servers do for their channels. */

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

#include <rte_cycles.h>

#include "chan_parts.h"
#include "ferry_post.h"
#include "ferry_test.h"
#include "post_bench.h"

/* Throughput: a device is worth its while for what is not short; another core
 * never is. */
static void
a_post_goes_to_a_device_if_it_is_not_short(void **state)
{
	static const struct {
		uint32_t devices;
		uint32_t len;
		bool offloaded;
	} cases[] = {
		{ 0, FERRY_POST_SHORT, false },
		{ 0, FERRY_POST_SHORT + 1, false },
		{ 1, FERRY_POST_SHORT, false },
		{ 1, FERRY_POST_SHORT + 1, true },
	};
	uint8_t *data = calloc(1, FERRY_POST_SHORT + 1);
	struct rig_engine e;
	struct rig rig;
	unsigned int i;

	(void)state;
	rig_start_post(&rig, FERRY_POST_SHORT + 1, 4, 1);
	rig_engine_make(&rig, &e, 0);
	assert_int_equal(rig_serve(&rig, &e), 0);
	rig.ch->service.mode = FERRY_MODE_THROUGHPUT;
	rig.tx->end.mode = FERRY_MODE_THROUGHPUT;
	for (i = 0; i < RTE_DIM(cases); i++) {
		struct ferry_buf buf = { data, cases[i].len, 0, 0 };

		((struct ferry_board *)rig.boards.base)->devices =
			cases[i].devices;
		assert_int_equal(ferry_tx_post(rig.tx, &buf, 1), 1);
		assert_int_equal(ferry_tx_pending(rig.tx),
			cases[i].offloaded);
	}
	while (ferry_tx_pending(rig.tx) > 0)
		ferry_server_poll(&e.server);
	rig_leave(&rig, &e);
	rig_engine_free(&e);
	rig_stop(&rig);
	free(data);
}

/* Jobs that are each waited for alone are told from those that are not. */
static void
a_producer_knows_whether_it_waits_for_each_job(void **state)
{
	struct ferry_post *p;
	struct bench b;
	uint32_t i;

	(void)state;
	bench_start(&b, 16);
	bench_serve(&b);
	p = b.rig.tx->post;
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, 0), 0);
	assert_int_equal(p->waited, 0);
	for (i = 1; i <= 3; i++) {
		assert_int_equal(bench_post(&b, LONG), 1);
		bench_serve_all(&b);
		assert_int_equal(ferry_tx_finish(b.rig.tx, 0, UINT64_MAX), 0);
		assert_int_equal(p->waited, i);
	}
	assert_int_equal(bench_post(&b, LONG), 1);
	assert_int_equal(bench_post(&b, LONG), 1);
	bench_serve_all(&b);
	assert_int_equal(ferry_tx_finish(b.rig.tx, 0, UINT64_MAX), 0);
	assert_int_equal(p->waited, 0);
	assert_int_equal(bench_receive(&b), 0);
	bench_stop(&b);
}

static void
a_producer_knows_how_fast_it_copies_itself(void **state)
{
	uint8_t *data = calloc(1, FERRY_POST_ROUTE);
	const struct ferry_buf buf = { data, FERRY_POST_ROUTE, 0, 0 };
	struct ferry_msg msg;
	uint64_t began;
	struct rig rig;
	int i;

	(void)state;
	rig_start_post(&rig, FERRY_POST_ROUTE, 4, 1);
	began = rte_rdtsc();
	for (i = 0; i < 40; i++) {
		assert_int_equal(ferry_tx_post(rig.tx, &buf, 1), 1);
		assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
		assert_int_equal(ferry_rx_release(rig.rx, &msg, 1), 0);
	}
	/* Bytes for each tick of the clock. */
	assert_true(rig.tx->post->own_rate >= FERRY_POST_ROUTE /
		(double)(rte_rdtsc() - began));
	assert_true(rig.tx->post->own_rate < FERRY_POST_ROUTE);
	rig_stop(&rig);
	free(data);
}

struct turns {
	struct rig_engine *engine;
	bool stop;
};

static void *
turns_make(void *arg)
{
	struct turns *t = arg;

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE))
		if (ferry_server_poll(&t->engine->server) == 0)
			sched_yield();
	return NULL;
}

/* Latency: as soon as an engine was found to be quicker. */
static void
a_long_send_goes_to_the_engine_if_that_is_quicker(void **state)
{
	uint8_t *data = calloc(1, FERRY_POST_ROUTE);
	struct ferry_buf buf = { data, FERRY_POST_ROUTE, 0, 0 };
	struct ferry_route *route;
	struct rig_engine e;
	struct turns turns = { .engine = &e };
	pthread_t thread;
	struct rig rig;
	int i;

	(void)state;
	rig_start_post(&rig, FERRY_POST_ROUTE, 8, 1);
	rig_engine_make(&rig, &e, 0);
	assert_int_equal(rig_serve(&rig, &e), 0);
	route = &rig.tx->post->route;
	for (i = 0; i < 1000 && !ferry_route_offload(route, buf.len); i++)
		ferry_route_learn(route, buf.len, false, 1000000000);
	for (i = 0; i < 100; i++)
		ferry_route_learn(route, buf.len, true, 1);
	assert_true(ferry_route_offload(route, buf.len));
	assert_int_equal(pthread_create(&thread, NULL, turns_make, &turns), 0);
	assert_int_equal(ferry_tx_send(rig.tx, &buf, 1), 1);
	/* Each one of a burst, too. */
	assert_int_equal(ferry_tx_send(rig.tx,
		(struct ferry_buf[]) { buf, buf }, 2), 2);
	/* Not what is shorter. */
	buf.len--;
	assert_int_equal(ferry_tx_send(rig.tx, &buf, 1), 1);
	buf.len++;
	/* As many of a burst as there are slots. */
	for (i = 0; i < 3; i++)
		assert_int_equal(ferry_tx_send(rig.tx, &buf, 1), 1);
	assert_int_equal(ferry_tx_send(rig.tx,
		(struct ferry_buf[]) { buf, buf }, 2), 1);
	assert_int_equal(ferry_tx_send(rig.tx, &buf, 1), 0);
	__atomic_store_n(&turns.stop, true, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(e.server.stats.msgs, 7);
	rig_leave(&rig, &e);
	rig_engine_free(&e);
	rig_stop(&rig);
	free(data);
}

static void
what_is_told_again_is_told_as_it_is(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	ferry_server_retell(&b.engine.server, 0);
	assert_int_equal(bench_post(&b, LONG), 1);
	ferry_server_retell(&b.engine.server, 0);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 1);
	bench_serve_all(&b);
	ferry_server_retell(&b.engine.server, 0);
	assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, 1);
	bench_stop(&b);
}

/* And what comes before it is received. */
static void
a_job_that_cannot_be_ends_the_channel(void **state)
{
	struct ferry_job *jobs;
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	assert_int_equal(bench_post(&b, LONG), 1);
	assert_int_equal(bench_post(&b, LONG), 1);
	jobs = (struct ferry_job *)&chan_jobs(b.rig.ch)[1];
	jobs[1].seal++;
	for (i = 0; i < 5; i++)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(ferry_channel_failed(b.rig.ch), FERRY_E_CORRUPT);
	assert_int_equal(b.engine.server.stats.bad, 1);
	assert_int_equal(bench_receive(&b), FERRY_E_CORRUPT);
	assert_int_equal(b.received, 1);
	bench_stop(&b);
}

/* Sealed as its producer does it: a seal says who wrote it, not that it is
 * right. */
static void
an_impossible_job_is_not_carried_out(void **state)
{
	struct ferry_process self;
	struct ferry_job *job;
	unsigned int i;
	struct bench b;

	(void)state;
	ferry_process_self(&self);
	for (i = 0; i < 4; i++) {
		bench_start(&b, 8);
		bench_serve(&b);
		assert_int_equal(bench_post(&b, LONG), 1);
		job = (struct ferry_job *)&chan_jobs(b.rig.ch)[1];
		if (i == 1)
			job->slot = 8;
		else if (i == 2)
			job->len = SLOT + 1;
		else if (i == 3)
			job->place = FERRY_PLACES;
		job->seal = ferry_job_seal(self.token, job);
		b.late.hold = true;
		ferry_server_poll(&b.engine.server);
		assert_int_equal(b.late.nb, i == 0);
		assert_int_equal(ferry_channel_failed(b.rig.ch),
			i == 0 ? 0 : FERRY_E_CORRUPT);
		bench_stop(&b);
	}
}

/* Once for each channel, however many jobs its device had. */
static void
a_device_that_cannot_be_stopped_is_counted(void **state)
{
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 8);
	b.late.hold = true;
	b.late.close_result = -EBUSY;
	b.engine.copier.tsc_hz = UINT64_C(1000000000);
	b.engine.copier.tune.hang_factor = 0;
	b.engine.copier.tune.hang_grace_ns = 1e6;
	bench_serve(&b);
	for (i = 0; i < 3; i++)
		assert_int_equal(bench_post(&b, LONG), 1);
	while (ferry_channel_failed(b.rig.ch) == 0)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(ferry_channel_failed(b.rig.ch), -EIO);
	assert_int_equal(b.engine.server.stats.unsafe, 1);
	assert_int_equal(bench_receive(&b), -EIO);
	assert_int_equal(b.received, 0);
	bench_stop(&b);
}

/* Between engines, as often as it takes. */
static void
a_producer_fills_each_gap_between_engines(void **state)
{
	struct bench b;
	int round, i;

	(void)state;
	bench_start(&b, 8);
	for (round = 1; round <= 3; round++) {
		bench_serve(&b);
		for (i = 0; i < 3; i++)
			assert_int_equal(bench_post(&b, LONG), 1);
		rig_leave(&b.rig, &b.engine);
		assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
		assert_int_equal(b.rig.own.n_channels, 0);
		assert_int_equal(bench_receive(&b), 0);
		assert_int_equal(b.received, 3 * round);
	}
	bench_stop(&b);
}

/* No job is written over those that wait. */
static void
an_index_that_cannot_be_is_no_room_for_jobs(void **state)
{
	struct rte_ring *jobs;
	struct bench b;
	uint32_t tail;
	int i, ret = 1;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	jobs = chan_jobs(b.rig.ch);
	for (i = 0; i < 100 && ret == 1; i++) {
		tail = jobs->cons.tail;
		jobs->cons.tail = tail + 1000;
		ret = bench_post(&b, LONG);
		jobs->cons.tail = tail;
		if (ret != 1)
			break;
		bench_serve_all(&b);
		assert_int_equal(ferry_tx_pending(b.rig.tx), 0);
		assert_int_equal(bench_receive(&b), 0);
	}
	assert_true(i > 0);
	assert_int_equal(ret, FERRY_E_CORRUPT);
	assert_int_equal(jobs->prod.tail, jobs->cons.tail);
	bench_stop(&b);
}

/* What ferry_board_take() found, by number. */
static uint32_t taken[5000];

static void
take_one(void *arg, uint32_t number)
{
	assert_ptr_equal(arg, taken);
	assert_true(number < RTE_DIM(taken));
	taken[number]++;
}

static void
a_board_tells_of_each_number_posted_once(void **state)
{
	/* At both ends of words of bits, and of words of the summary. */
	static const uint32_t numbers[] = { 0, 1, 62, 63, 64, 65, 127, 128,
		191, 192, 4031, 4032, 4095, 4096, 4097, 4998, 4999 };
	const uint32_t n = RTE_DIM(taken);
	const uint64_t size = ferry_board_size(n);
	struct ferry_board *board = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	uint32_t i, k, sum;

	(void)state;
	assert_non_null(board);
	memset(board, 0, size);
	ferry_board_init(board);
	/* Each alone, then all together. */
	for (i = 0; i <= RTE_DIM(numbers); i++) {
		memset(taken, 0, sizeof(taken));
		for (k = 0; k < RTE_DIM(numbers); k++)
			if (k == i || i == RTE_DIM(numbers))
				ferry_board_post(board, n, numbers[k]);
		assert_true(ferry_board_any(board, n));
		ferry_board_take(board, n, take_one, taken);
		assert_false(ferry_board_any(board, n));
		for (k = 0, sum = 0; k < RTE_DIM(numbers); k++) {
			assert_int_equal(taken[numbers[k]],
				k == i || i == RTE_DIM(numbers));
			sum += taken[numbers[k]];
		}
		for (k = 0; k < n; k++)
			sum -= taken[k];
		assert_int_equal(sum, 0);
		ferry_board_take(board, n, take_one, taken);
		assert_true(i == RTE_DIM(numbers) || taken[numbers[i]] == 1);
	}
	/* What is out of range is ignored. */
	ferry_board_post(board, n, n);
	ferry_board_post(board, n, UINT32_MAX);
	assert_false(ferry_board_any(board, n));
	free(board);
}

static void
a_server_knows_nothing_of_other_channels(void **state)
{
	static const uint32_t numbers[] = { 0, 1, UINT32_MAX };
	struct ferry_server *server;
	unsigned int i;
	struct bench b;

	(void)state;
	bench_start(&b, 8);
	server = &b.engine.server;
	for (i = 0; i < RTE_DIM(numbers); i++) {
		assert_false(ferry_server_pending(server, numbers[i], false));
		assert_false(ferry_server_pending(server, numbers[i], true));
		ferry_server_finish(server, numbers[i]);
		ferry_server_retell(server, numbers[i]);
		ferry_server_quiet(server, numbers[i]);
		assert_int_equal(ferry_server_remove(server, numbers[i]),
			-ENOENT);
	}
	bench_stop(&b);
}

static void
a_server_counts_its_turns(void **state)
{
	const struct ferry_server_stats *stats;
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 8);
	stats = &b.engine.server.stats;
	bench_serve(&b);
	for (i = 0; i < 3; i++)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(stats->turns, 3);
	assert_int_equal(stats->busy, 0);
	assert_int_equal(bench_post(&b, LONG), 1);
	ferry_server_poll(&b.engine.server);
	assert_int_equal(stats->turns, 4);
	assert_int_equal(stats->busy, 1);
	bench_serve_all(&b);
	assert_int_equal(stats->msgs, 1);
	assert_int_equal(stats->bytes, LONG);
	assert_int_equal(bench_receive(&b), 0);
	bench_stop(&b);
}

/* The engine stays awake however many turns the device takes, because no thread
 * wakes the engine when the device is done. */
static void
an_engine_stays_awake_for_what_its_device_copies(void **state)
{
	struct bench b;
	int i;

	(void)state;
	bench_start(&b, 8);
	bench_serve(&b);
	assert_int_equal(bench_post(&b, LONG), 1);
	b.late.hold = true;
	for (i = 0; i < 300; i++)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(b.late.nb, 1);
	assert_int_equal(b.engine.server.n_active, 1);
	b.late.hold = false;
	for (i = 0; i < 3; i++)
		ferry_server_poll(&b.engine.server);
	assert_int_equal(bench_receive(&b), 0);
	assert_int_equal(b.received, 1);
	bench_stop(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_post_goes_to_a_device_if_it_is_not_short),
		cmocka_unit_test(
			a_producer_knows_whether_it_waits_for_each_job),
		cmocka_unit_test(a_producer_knows_how_fast_it_copies_itself),
		cmocka_unit_test(
			a_long_send_goes_to_the_engine_if_that_is_quicker),
		cmocka_unit_test(what_is_told_again_is_told_as_it_is),
		cmocka_unit_test(a_job_that_cannot_be_ends_the_channel),
		cmocka_unit_test(an_impossible_job_is_not_carried_out),
		cmocka_unit_test(a_device_that_cannot_be_stopped_is_counted),
		cmocka_unit_test(a_producer_fills_each_gap_between_engines),
		cmocka_unit_test(an_index_that_cannot_be_is_no_room_for_jobs),
		cmocka_unit_test(a_board_tells_of_each_number_posted_once),
		cmocka_unit_test(a_server_knows_nothing_of_other_channels),
		cmocka_unit_test(a_server_counts_its_turns),
		cmocka_unit_test(
			an_engine_stays_awake_for_what_its_device_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
