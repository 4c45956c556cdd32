/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A consumer is stopped between any two of its instructions while the producer
 * sends. What the consumer has read by then must not hide the messages that
 * come meanwhile. See chan_step.h.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "chan_parts.h"
#include "ferry_board.h"
#include "ferry_test.h"
#include "chan_rig.h"
#include "chan_step.h"
#include "step_child.h"

/* Long enough to tell a wake-up from none. */
#define NAP_NS UINT64_C(1000000000)

/* Of the steps into a sleep, hundreds for each of the acts. */
#define SLEEP_EVERY (3 * STEP_EVERY)

static struct stage stage;
static uint64_t acted_at;

static void
act_send_cell(struct stage *s)
{
	stage_send(s, 20);
	acted_at = ferry_test_now_ns();
}

static void
act_send_slot(struct stage *s)
{
	stage_send(s, 200);
	acted_at = ferry_test_now_ns();
}

static void
act_send_ring(struct stage *s)
{
	struct ferry_buf bufs[6];
	unsigned int k;

	for (k = 0; k < 6; k++)
		bufs[k] = stage_buf(s, k, s->rig.tx->end.seq + k, 200);
	assert_int_equal(ferry_tx_send(s->rig.tx, bufs, 6), 6);
	acted_at = ferry_test_now_ns();
}

static void
act_close(struct stage *s)
{
	ferry_tx_stop(s->rig.tx);
	s->rig.tx = NULL;
	acted_at = ferry_test_now_ns();
}

static void
act_send_cell_and_close(struct stage *s)
{
	act_send_cell(s);
	act_close(s);
}

static void
act_send_slot_and_close(struct stage *s)
{
	act_send_slot(s);
	act_close(s);
}

static void
act_send_ring_and_close(struct stage *s)
{
	act_send_ring(s);
	act_close(s);
}

static void
op_recv(struct stage *s)
{
	step_report(ferry_rx_recv(s->rig.rx, s->msgs, s->n));
}

static void
the_last_message_is_seen_before_the_end_whenever_they_come(void **state)
{
	void (*const acts[])(struct stage *stage) = {
		act_send_cell_and_close, act_send_slot_and_close,
		act_send_ring_and_close,
	};
	uint64_t steps, seen[2] = { 0, 0 };
	unsigned int i;
	int ret;

	(void)state;
	stage_need_ptrace();
	for (i = 0; i < RTE_DIM(acts); i++) {
		for (steps = 1, ret = 1; ret == 1; steps += STEP_EVERY) {
			stage_start(&stage, false, 300, 8, 3);
			stage.op = op_recv;
			stage.n = 3;
			ret = stage_interleave(&stage, steps, acts[i]);
			assert_null(stage.wrong);
			if (ret == 1 && stage.result < 0)
				fail_msg("step %llu: %s before the message",
					(unsigned long long)steps,
					ferry_strerror((int)stage.result));
			if (ret == 1)
				seen[stage.result > 0]++;
			stage_stop(&stage);
		}
	}
	print_message("seen %llu times, not yet %llu times\n",
			(unsigned long long)seen[1],
			(unsigned long long)seen[0]);
	assert_true(seen[1] > 10 / STEP_EVERY);
}

/* More than is asked for, and behind it one that a server has copied. */
static void
act_send_ring_and_serve(struct stage *s)
{
	struct rte_ring *ring = chan_out(s->rig.ch);
	struct ferry_ring out;

	act_send_ring(s);
	assert_true(ferry_ring_produce(&out, ring, ring->size));
	ferry_desc_put(ferry_desc_at(&out, 0), (struct ferry_desc) {
		.seq = (uint32_t)s->rig.tx->end.seq,
	});
	ferry_ring_publish(&out, 1);
}

static void
no_more_is_received_than_was_asked_for(void **state)
{
	uint64_t steps;
	int ret;

	(void)state;
	stage_need_ptrace();
	for (steps = 1, ret = 1; ret == 1; steps += STEP_EVERY) {
		stage_start(&stage, false, 300, 8, 3);
		stage_send(&stage, 20);
		stage.op = op_recv;
		stage.n = 3;
		ret = stage_interleave(&stage, steps, act_send_ring_and_serve);
		assert_null(stage.wrong);
		if (ret == 1)
			assert_in_range(stage.result, 1, 3);
		stage_stop(&stage);
	}
	assert_true(steps > 20);
}

/* As ferry_rx_wait() asks between arming and sleeping. */
static bool
something_there(void *arg)
{
	return ferry_rx_wait(arg, 0) != -ETIMEDOUT;
}

/* The last rung of ferry_rx_wait(); the others take thousands of steps. */
static void
op_sleep(struct stage *s)
{
	int ret = ferry_bell_sleep(&s->rig.bells[RIG_RX], something_there,
			s->rig.rx, NAP_NS);

	if (ret != -ETIMEDOUT)
		ret = something_there(s->rig.rx) ? 0 : -ENOMSG;
	step_report(ret);
}

static void
no_message_misses_a_consumer_that_falls_asleep(void **state)
{
	void (*const acts[])(struct stage *stage) = {
		act_send_cell, act_send_slot, act_send_ring, act_close,
	};
	uint64_t steps, start, runs = 0;
	unsigned int i;
	int ret = 1;

	(void)state;
	stage_need_ptrace();
	for (i = 0; i < RTE_DIM(acts); i++) {
		for (steps = 1; ; steps += SLEEP_EVERY) {
			stage_start(&stage, false, 300, 8, 3);
			ferry_rx_set_wait(stage.rig.rx, FERRY_WAIT_SLEEP);
			stage.op = op_sleep;
			start = ferry_test_now_ns();
			ret = stage_interleave(&stage, steps, acts[i]);
			assert_null(stage.wrong);
			stage_stop(&stage);
			/* The next step was the sleep, all of it. */
			if (ret == 0 || acted_at - start >= NAP_NS)
				break;
			assert_int_equal(ret, 1);
			if (stage.result != 0)
				fail_msg("act %u at step %llu: %s", i,
					(unsigned long long)steps,
					ferry_strerror((int)stage.result));
			runs++;
		}
	}
	print_message("%llu runs\n", (unsigned long long)runs);
	assert_true(runs > 20 / STEP_EVERY);
}

/* The same for the producer, who waits for a slot. */
static bool
room_there(void *arg)
{
	return ferry_tx_wait(arg, 0) != -ETIMEDOUT;
}

static void
op_tx_sleep(struct stage *s)
{
	int ret = ferry_bell_sleep(&s->rig.bells[RIG_TX], room_there,
			s->rig.tx, NAP_NS);

	if (ret != -ETIMEDOUT)
		ret = room_there(s->rig.tx) ? 0 : -ENOMSG;
	step_report(ret);
}

static void
act_release(struct stage *s)
{
	assert_int_equal(ferry_rx_release(s->rig.rx, s->msgs, 1), 0);
	acted_at = ferry_test_now_ns();
}

static void
act_close_rx(struct stage *s)
{
	ferry_rx_stop(s->rig.rx);
	s->rig.rx = NULL;
	acted_at = ferry_test_now_ns();
}

static void
no_credit_misses_a_producer_that_falls_asleep(void **state)
{
	void (*const acts[])(struct stage *stage) = {
		act_release, act_close_rx,
	};
	uint64_t steps, start, runs = 0;
	unsigned int i;
	int ret = 1;

	(void)state;
	stage_need_ptrace();
	for (i = 0; i < RTE_DIM(acts); i++) {
		for (steps = 1; ; steps += SLEEP_EVERY) {
			stage_start(&stage, true, 300, 1, 0);
			ferry_tx_set_wait(stage.rig.tx, FERRY_WAIT_SLEEP);
			stage_send(&stage, 200);
			assert_int_equal(ferry_rx_recv(stage.rig.rx,
					stage.msgs, 1), 1);
			stage.op = op_tx_sleep;
			start = ferry_test_now_ns();
			ret = stage_interleave(&stage, steps, acts[i]);
			assert_null(stage.wrong);
			stage_stop(&stage);
			if (ret == 0 || acted_at - start >= NAP_NS)
				break;
			assert_int_equal(ret, 1);
			if (stage.result != 0)
				fail_msg("act %u at step %llu: %s", i,
					(unsigned long long)steps,
					ferry_strerror((int)stage.result));
			runs++;
		}
	}
	print_message("%llu runs\n", (unsigned long long)runs);
	assert_true(runs > 20 / STEP_EVERY);
}

/* In memory of both processes. */
static struct ferry_board *board;
static uint32_t posts_taken;

#define BOARD_ROOM 200
#define BOARD_NUMBER 130

static void
op_post(void *arg)
{
	ferry_board_post(arg, BOARD_ROOM, BOARD_NUMBER);
	step_done();
}

static void
take_post(void *arg, uint32_t number)
{
	(void)arg;
	assert_int_equal(number, BOARD_NUMBER);
	posts_taken++;
}

/* The engine looks after every instruction of who posts, and once at the
 * end. */
static void
no_post_misses_an_engine_that_looks(void **state)
{
	uint32_t looks = 0;
	int status, ret;
	pid_t child;

	(void)state;
	stage_need_ptrace();
	board = mmap(NULL, ferry_board_size(BOARD_ROOM), PROT_READ |
			PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(board != MAP_FAILED);
	ferry_board_init(board);
	posts_taken = 0;
	child = step_start(op_post, board);
	assert_true(child > 0);
	while ((ret = step_one(child, &status)) == 1 &&
			step_phase() != STEP_DONE) {
		if (step_phase() == STEP_NOT_YET)
			continue;
		ferry_board_take(board, BOARD_ROOM, take_post, NULL);
		looks++;
	}
	if (ret == 1)
		ret = step_rest(child, &status);
	assert_int_equal(ret, 0);
	assert_true(looks > 2);
	ferry_board_take(board, BOARD_ROOM, take_post, NULL);
	assert_int_equal(posts_taken, 1);
	assert_false(ferry_board_any(board, BOARD_ROOM));
	munmap(board, ferry_board_size(BOARD_ROOM));
}

/* So that the dynamic linker's steps are not among those counted. */
static int
setup(void **state)
{
	(void)state;
	stage_start(&stage, false, 300, 8, 3);
	ferry_bell_sleep(&stage.rig.bells[RIG_RX], something_there,
			stage.rig.rx, 1);
	room_there(stage.rig.tx);
	stage_stop(&stage);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		the_last_message_is_seen_before_the_end_whenever_they_come),
		cmocka_unit_test(no_more_is_received_than_was_asked_for),
		cmocka_unit_test(
			no_message_misses_a_consumer_that_falls_asleep),
		cmocka_unit_test(
			no_credit_misses_a_producer_that_falls_asleep),
		cmocka_unit_test(no_post_misses_an_engine_that_looks),
	};

	stage_one_cpu();
	return cmocka_run_group_tests(tests, setup, NULL);
}
