/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Every instruction of a producer that posts, of one that serves itself, of a
 * server and of their consumer as a crash point: see chan_step.h. Another
 * server then carries out the posted jobs, as a hub's engine does for a dead
 * process. The consumer receives each posted message once, whole and in order.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ferry_post.h"
#include "ferry_procs.h"
#include "ferry_test.h"
#include "chan_rig.h"
#include "chan_step.h"

#define SLOT_SIZE 4096
#define N_SLOTS 8
/* Served messages before: bursts begin, end and wrap at the rings' ends. */
static const unsigned int rounds_before[] = { 0, 14, 31 };

static struct stage stage;
static struct rig_engine engine;
static uint64_t total_steps, total_kills;

static void
op_post(struct stage *s)
{
	ferry_tx_post(s->rig.tx, s->bufs, s->n);
}

static void
op_post_and_finish(struct stage *s)
{
	ferry_tx_post(s->rig.tx, s->bufs, s->n);
	while (ferry_tx_pending(s->rig.tx) > 0)
		;
}

static void
op_serve(struct stage *s)
{
	int i;

	(void)s;
	for (i = 0; i < 2; i++)
		ferry_server_poll(&engine.server);
}

static void
op_recv_release(struct stage *s)
{
	const int n = ferry_rx_recv(s->rig.rx, s->msgs, s->n);

	ferry_rx_release(s->rig.rx, s->msgs, (uint16_t)n);
}

static void
op_recv(struct stage *s)
{
	ferry_rx_recv(s->rig.rx, s->msgs, s->n);
}

/* Lengths of what is posted; above 2048 they are for the server. */
static const struct post_case {
	const char *name;
	uint16_t n;
	uint32_t len[6];
} cases[] = {
	{ "one job", 1, { 3000 } },
	{ "three jobs", 3, { 2100, 4096, 2049 } },
	{ "a job, then a cell", 2, { 2100, 40 } },
	{ "a cell, then a job", 2, { 40, 2100 } },
	{ "a job between slots", 3, { 300, 2100, 301 } },
	{ "all kinds", 6, { 2100, 2101, 40, 300, 2102, 41 } },
};

/* As ferry_tx_set_mode(), but without the barrier that a sleeper needs. */
static void
thrifty(void)
{
	stage.rig.ch->service.mode = FERRY_MODE_EFFICIENCY;
	stage.rig.tx->end.mode = FERRY_MODE_EFFICIENCY;
	stage.rig.rx->end.mode = FERRY_MODE_EFFICIENCY;
}

static void
fill(const struct post_case *c)
{
	const uint64_t first = stage.rig.tx->end.seq;
	unsigned int k;

	stage.n = c->n;
	for (k = 0; k < c->n; k++)
		stage.bufs[k] = stage_buf(&stage, k, first + k, c->len[k]);
}

/* Receive and release all there is. */
static unsigned int
receive(void)
{
	struct ferry_msg msg;
	unsigned int n = 0;

	while (ferry_rx_recv(stage.rig.rx, &msg, 1) == 1) {
		assert_int_equal(ferry_rx_release(stage.rig.rx, &msg, 1), 0);
		n++;
	}
	return n;
}

/* A stage on which so many messages went by an engine, which serves. */
static void
prepare(bool victim_tx, unsigned int rounds)
{
	const struct post_case warm = { NULL, 1, { 2050 } };

	stage_start(&stage, victim_tx, SLOT_SIZE, N_SLOTS, 0);
	rig_engine_make(&stage.rig, &engine, 0);
	assert_int_equal(rig_serve(&stage.rig, &engine), 0);
	thrifty();
	while (rounds-- > 0) {
		fill(&warm);
		assert_int_equal(ferry_tx_post(stage.rig.tx, stage.bufs, 1), 1);
		while (ferry_tx_pending(stage.rig.tx) > 0)
			ferry_server_poll(&engine.server);
		assert_int_equal(receive(), 1);
	}
}

static void
unprepare(void)
{
	rig_set_state(&stage.rig.ch->tx, FERRY_END_GONE);
	/* Nothing here is to wait for the dead. */
	stage.rig.ch->service.failed = -EIO;
	stage.rig.tx->post->self = false;
	ferry_server_remove(&engine.server, 0);
	rig_engine_free(&engine);
	stage_stop(&stage);
}

static void
assert_right(const char *name, unsigned int rounds)
{
	total_steps += stage.steps;
	if (stage.wrong != NULL)
		fail_msg("%s, %u rounds, step %llu: %s", name, rounds,
				(unsigned long long)stage.wrong_at,
				stage.wrong);
}

static void
a_post_that_ends_anywhere_was_made_or_not(void **state)
{
	unsigned int i, r;

	(void)state;
	stage_need_ptrace();
	total_steps = 0;
	for (i = 0; i < RTE_DIM(cases); i++) {
		for (r = 0; r < RTE_DIM(rounds_before); r += STEP_EVERY) {
			uint64_t all;

			prepare(true, rounds_before[r]);
			fill(&cases[i]);
			all = stage.rig.tx->end.seq + stage.n;
			stage.op = op_post;
			/* Half of them wake an engine that looks away. */
			stage.rig.ch->service.watch = r % 2;
			assert_int_equal(stage_run(&stage, UINT64_MAX), 0);
			assert_right(cases[i].name, rounds_before[r]);
			assert_int_equal(stage.visible, all);
			unprepare();
		}
	}
	print_message("%llu steps\n", (unsigned long long)total_steps);
	assert_true(total_steps > 5000 / STEP_EVERY);
}

/* No engine; the producer has lanes of its own. */
static void
make_alone(void)
{
	rig_leave(&stage.rig, &engine);
	stage.rig.copier.nb_open = 2;
}

static void
a_producer_that_serves_itself_may_die_at_any_step(void **state)
{
	unsigned int i, r;

	(void)state;
	stage_need_ptrace();
	total_steps = 0;
	for (i = 0; i < RTE_DIM(cases); i++) {
		for (r = 0; r < RTE_DIM(rounds_before); r += STEP_EVERY) {
			uint64_t all;

			prepare(true, rounds_before[r]);
			make_alone();
			fill(&cases[i]);
			all = stage.rig.tx->end.seq + stage.n;
			stage.op = op_post_and_finish;
			assert_int_equal(stage_run(&stage, UINT64_MAX), 0);
			assert_right(cases[i].name, rounds_before[r]);
			assert_int_equal(stage.visible, all);
			unprepare();
		}
	}
	print_message("%llu steps\n", (unsigned long long)total_steps);
	assert_true(total_steps > 10000 / STEP_EVERY);
}

static void
a_server_may_die_at_any_step(void **state)
{
	unsigned int i, r;

	(void)state;
	stage_need_ptrace();
	total_steps = 0;
	for (i = 0; i < RTE_DIM(cases); i++) {
		for (r = 0; r < RTE_DIM(rounds_before); r += STEP_EVERY) {
			uint64_t all;

			prepare(true, rounds_before[r]);
			fill(&cases[i]);
			assert_int_equal(ferry_tx_post(stage.rig.tx,
				stage.bufs, stage.n), stage.n);
			all = stage.rig.tx->end.seq;
			stage.op = op_serve;
			assert_int_equal(stage_run(&stage, UINT64_MAX), 0);
			assert_right(cases[i].name, rounds_before[r]);
			assert_int_equal(stage.visible, all);
			unprepare();
		}
	}
	print_message("%llu steps\n", (unsigned long long)total_steps);
	assert_true(total_steps > 5000 / STEP_EVERY);
}

static void
a_consumer_of_the_out_ring_may_die_at_any_step(void **state)
{
	unsigned int i, r;
	int release;

	(void)state;
	stage_need_ptrace();
	total_steps = 0;
	for (i = 0; i < RTE_DIM(cases); i++) {
		for (r = 0; r < RTE_DIM(rounds_before); r += STEP_EVERY) {
			for (release = 0; release < 2; release++) {
				prepare(false, rounds_before[r]);
				fill(&cases[i]);
				assert_int_equal(ferry_tx_post(stage.rig.tx,
					stage.bufs, stage.n), stage.n);
				while (ferry_tx_pending(stage.rig.tx) > 0)
					ferry_server_poll(&engine.server);
				stage.op = release ? op_recv_release : op_recv;
				stage.releases = release;
				if (!release)
					stage_keep_pending(&stage);
				/* What is sent to test the survivor takes the
				 * producer's own way. */
				rig_leave(&stage.rig, &engine);
				assert_int_equal(stage_run(&stage, UINT64_MAX),
					0);
				assert_right(cases[i].name, rounds_before[r]);
				unprepare();
			}
		}
	}
	print_message("%llu steps\n", (unsigned long long)total_steps);
	assert_true(total_steps > 5000 / STEP_EVERY);
}

/* Kill after step after step, the first all, then ever fewer. */
static void
kill_everywhere(const struct post_case *c, bool alone)
{
	const char *wrong;
	uint64_t step;
	int ret = 1;

	for (step = 1; ret == 1; step += STEP_EVERY + step / 6) {
		prepare(true, 14);
		if (alone)
			make_alone();
		fill(c);
		stage.op = alone ? op_post_and_finish : op_post;
		ret = stage_run(&stage, step);
		assert_in_range(ret, 0, 1);
		assert_right(c->name, 14);
		stage.visible = 0;
		wrong = stage_bury(&stage);
		if (wrong != NULL)
			fail_msg("%s, killed after step %llu: %s", c->name,
					(unsigned long long)step, wrong);
		total_kills += ret == 1;
		unprepare();
	}
}

static void
what_a_killed_producer_posted_is_received_once(void **state)
{
	unsigned int i;

	(void)state;
	stage_need_ptrace();
	total_kills = 0;
	for (i = 0; i < RTE_DIM(cases); i++) {
		kill_everywhere(&cases[i], false);
		kill_everywhere(&cases[i], true);
	}
	print_message("%llu kills\n", (unsigned long long)total_kills);
	assert_true(total_kills > 100 / STEP_EVERY);
}

/*
 * At many steps of a server, the consumer takes and releases all it can get,
 * and the producer posts until it has no slot: what is published and what is
 * let go of are two steps.
 */
static uint32_t accepted;
/* The server's process was forked before these are filled. */
static uint8_t (*payloads)[SLOT_SIZE];

static void
act_refill(struct stage *s)
{
	struct ferry_buf buf;

	receive();
	for (;;) {
		int ret;

		buf = stage_buf(s, 1, s->rig.tx->end.seq, 2060);
		buf.data = memcpy(payloads[accepted % STEP_MSGS], buf.data,
			buf.len);
		ret = ferry_tx_post(s->rig.tx, &buf, 1);
		if (ret == 0)
			break;
		if (ret < 0) {
			s->wrong = "a post fails while a server publishes";
			break;
		}
		accepted++;
	}
}

static void
slots_come_back_before_their_jobs_are_let_go(void **state)
{
	static const uint32_t slots[] = { 1, 3, 7 };
	const struct post_case one = { NULL, 1, { 2050 } };
	unsigned int i;
	const char *wrong;
	uint64_t step, total = 0;
	int ret;

	(void)state;
	stage_need_ptrace();
	payloads = ferry_test_shared(STEP_MSGS * sizeof(payloads[0]));
	assert_non_null(payloads);
	for (i = 0; i < RTE_DIM(slots); i++) {
		ret = 1;
		/* The two are some tens of instructions apart. */
		for (step = 1; ret == 1; step += 24) {
			uint64_t sent;

			stage_start(&stage, true, SLOT_SIZE, slots[i], 0);
			rig_engine_make(&stage.rig, &engine, 0);
			assert_int_equal(rig_serve(&stage.rig, &engine), 0);
			thrifty();
			accepted = 0;
			fill(&one);
			assert_int_equal(ferry_tx_post(stage.rig.tx,
				stage.bufs, 1), 1);
			stage.op = op_serve;
			ret = stage_interleave(&stage, step, act_refill);
			assert_in_range(ret, 0, 1);
			assert_right("refill", (unsigned int)step);
			/* The engine died; another one goes on. */
			sent = stage.rig.tx->end.seq;
			stage.visible = 0;
			wrong = stage_bury(&stage);
			if (wrong != NULL)
				fail_msg("%u slots, step %llu: %s", slots[i],
					(unsigned long long)step, wrong);
			assert_int_equal(stage.visible, sent);
			total += accepted;
			unprepare();
		}
	}
	print_message("%llu posts in between\n", (unsigned long long)total);
	assert_true(total > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_post_that_ends_anywhere_was_made_or_not),
		cmocka_unit_test(
			a_producer_that_serves_itself_may_die_at_any_step),
		cmocka_unit_test(a_server_may_die_at_any_step),
		cmocka_unit_test(
			a_consumer_of_the_out_ring_may_die_at_any_step),
		cmocka_unit_test(
			what_a_killed_producer_posted_is_received_once),
		cmocka_unit_test(slots_come_back_before_their_jobs_are_let_go),
	};

	stage_one_cpu();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
