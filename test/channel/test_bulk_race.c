/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Races about the memory of bulk messages. One participant runs in a process of
 * its own, one machine instruction at a time, and stops at a step near a change
 * that it makes to the channel. The other participant acts, then the first one
 * goes on. Memory that a call gave back to its caller must not change any more.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "chan_parts.h"
#include "chan_rig.h"
#include "chan_step.h"
#include "step_child.h"
#include "ferry_bulk.h"
#include "ferry_claim.h"
#include "ferry_test.h"

/* Two units, the second one short. */
#define LEN (FERRY_BULK_UNIT_MIN + 1000)
#define SHORT 4096
/* Steps before a change that are tried, and behind it. */
#define BEFORE (STEP_EVERY == 1 ? 24 : 6)
#define BEHIND 3
/* Steps between those that are tried where nothing changes, and how many are:
 * to look at all units of all blocks takes very many steps. */
#define ELSEWHERE (401 * STEP_EVERY)
#define ELSEWHERE_MOST 25
#define TARGETS 2000
/* A race that takes longer hangs. */
#define SECONDS 600

/* In shared memory. */
#define PART (UINT64_C(64) << 10)
static struct {
	uint8_t source[PART];
	uint8_t second[PART];
	uint8_t own[PART];
	uint8_t other[PART];
	uint8_t pieces[4][PART];
} *area;

static struct rig rig;
static struct rig_engine engine;
static uint32_t n_allocs;
static struct ferry_bulk_out *out;
static struct ferry_bulk_in *in;
static struct ferry_msg msg;
/* What the other party's call said. */
static int said;
static bool given_back;

struct race {
	const char *name;
	bool served;
	/* Each step is tried: the party only reads. */
	bool each;
	void (*prepare)(void);
	/* Of the party that is stepped. */
	void (*op)(void);
	/* While it stands. */
	void (*act)(void);
	/* When it is done. */
	void (*check)(void);
};

static int
area_alloc(void *arg, uint64_t size, void **mem)
{
	(void)arg;
	assert_true(size <= PART);
	rig.n_pieces++;
	*mem = area->pieces[n_allocs++ % RTE_DIM(area->pieces)];
	return 0;
}

static void
area_free(void *arg, void *mem)
{
	(void)arg;
	(void)mem;
	rig.n_pieces--;
}

static bool
is_all(const uint8_t *at, uint8_t byte, uint64_t len)
{
	return at[0] == byte && memcmp(at, at + 1, len - 1) == 0;
}

static int
send_from(uint8_t *data, uint32_t by)
{
	/* Around the cache: rep movsb is an instruction for each byte here. */
	const struct ferry_bulk_options options = {
		.by = by, .place = FERRY_PLACE_MEMORY,
	};
	const struct iovec iov = { data, LEN };

	return ferry_bulk_send(rig.tx, &iov, 1, &options, &out);
}

static void
accept_to(uint8_t *to)
{
	const struct iovec iov = { to, LEN };

	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, to != NULL ? &iov :
		NULL, 1, &in), 0);
}

/* One message passes: what is done once is done before the steps. */
static void
warm_up(bool served)
{
	assert_int_equal(send_from(area->source, served ? FERRY_BULK_ENGINE :
		0), 1);
	accept_to(area->own);
	while (ferry_bulk_await(in, LEN, 0) == -ETIMEDOUT && served)
		ferry_server_poll(&engine.server);
	assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
	assert_int_equal(ferry_bulk_await(in, LEN, UINT64_MAX), 0);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	out = NULL;
	in = NULL;
}

static void
race_begin(const struct race *r)
{
	alarm(SECONDS);
	rig_start_post(&rig, 256, 4, 1);
	rig.memory.alloc = area_alloc;
	rig.memory.free = area_free;
	if (r->served) {
		rig_engine_make(&rig, &engine, 0);
		assert_int_equal(rig_serve(&rig, &engine), 0);
	}
	ferry_test_fill(area->source, LEN, 4);
	ferry_test_fill(area->second, LEN, 5);
	warm_up(r->served);
	memset(area->own, 0, PART);
	memset(area->other, 0, PART);
	said = 0;
	given_back = false;
	n_allocs = 0;
	r->prepare();
}

/* The stepped party is gone, with its handles. */
static void
race_end(const struct race *r)
{
	rig_set_state(&rig.ch->tx, FERRY_END_GONE);
	rig_set_state(&rig.ch->rx, FERRY_END_GONE);
	ferry_bulk_close(out);
	if (in != NULL)
		assert_int_equal(ferry_bulk_release(in, UINT64_MAX), 0);
	out = NULL;
	in = NULL;
	if (r->served) {
		rig_leave(&rig, &engine);
		rig_engine_free(&engine);
	}
	rig_stop(&rig);
	alarm(0);
}

static void
op_run(void *arg)
{
	const struct race *r = arg;

	r->op();
}

static pid_t
child_start(const struct race *r)
{
	const pid_t pid = step_start(op_run, (void *)(uintptr_t)r);

	assert_true(pid > 0);
	return pid;
}

/* One step: false once it has ended. */
static bool
child_step(const struct race *r, pid_t pid)
{
	int status, ret = step_one(pid, &status);

	if (ret < 0)
		fail_msg("%s: ended by %#x", r->name, status);
	return ret == 1;
}

/* Steps to be tried: how many. */
static unsigned int
targets_find(const struct race *r, uint32_t *targets)
{
	const size_t size = rig.ch->size;
	uint8_t *before = malloc(size);
	uint32_t steps = 0, next = 1, to, idle = 0;
	unsigned int n = 0;
	pid_t pid;

	memcpy(before, rig.ch, size);
	pid = child_start(r);
	while (child_step(r, pid)) {
		if (step_phase() != STEP_AT_WORK)
			continue;
		steps++;
		if (r->each) {
			to = steps;
		} else if (memcmp(before, rig.ch, size) != 0) {
			memcpy(before, rig.ch, size);
			if (steps > BEFORE)
				next = RTE_MAX(next, steps - BEFORE);
			to = steps + BEHIND;
			idle = 0;
		} else if (steps >= next + ELSEWHERE &&
				idle++ < ELSEWHERE_MOST) {
			next = steps;
			to = steps;
		} else {
			continue;
		}
		for (; next <= to && n < TARGETS; next++)
			targets[n++] = next;
	}
	free(before);
	return n;
}

static void
run(const struct race *r)
{
	uint32_t *targets = calloc(TARGETS, sizeof(*targets));
	unsigned int i, n;
	int status;

	race_begin(r);
	n = targets_find(r, targets);
	race_end(r);
	assert_in_range(n, 10, TARGETS - 1);
	for (i = 0; i < n; i++) {
		uint32_t steps = 0;
		pid_t pid;

		race_begin(r);
		pid = child_start(r);
		while (steps < targets[i] && child_step(r, pid))
			steps += step_phase() == STEP_AT_WORK;
		if (steps < targets[i]) {
			race_end(r);
			break;
		}
		r->act();
		if (step_rest(pid, &status) != 0)
			fail_msg("%s: step %u: ended by %#x", r->name,
				targets[i], status);
		r->check();
		race_end(r);
	}
	print_message("%s: %u of %u steps\n", r->name, i, targets[n - 1]);
	free(targets);
	/* Where the two runs differ, it is at the end. */
	assert_true(i > n / 2);
}

/* Where cmocka's line is not enough. */
#define check_that(what) do { \
	if (!(what)) \
		fail_msg("%s; said %d, reported %d", #what, said, \
			(int)step_reported()); \
} while (0)

/* A buffer is taken back, and a shorter one lent, while a message is sent. */
static void
lend_prepare(void)
{
	assert_int_equal(ferry_bulk_lend(rig.rx, area->own, LEN), 0);
}

static void
lend_op(void)
{
	int i, ret = 0;

	if (send_from(area->source, FERRY_BULK_TX) != 1)
		return;
	for (i = 0; i < 4 && ret == 0; i++)
		ret = ferry_bulk_poll(out);
	step_report(ret);
}

static void
lend_act(void)
{
	struct iovec bufs[FERRY_BULK_BLOCKS];

	given_back = ferry_bulk_unlend(rig.rx, bufs) == 1;
	if (!given_back)
		return;
	assert_ptr_equal(bufs[0].iov_base, area->own);
	memset(area->own, 0x77, PART);
	assert_int_equal(ferry_bulk_lend(rig.rx, area->other, SHORT), 0);
}

static void
lend_check(void)
{
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, NULL, 0, &in), 0);
	assert_int_equal(ferry_bulk_await(in, LEN, UINT64_MAX), 0);
	assert_int_equal(ferry_test_check(ferry_bulk_data(in), LEN, 4), -1);
	assert_true(is_all(area->other, 0, PART));
	if (given_back)
		check_that(is_all(area->own, 0x77, PART));
}

static void
poll_op(void)
{
	int ret;

	while ((ret = ferry_bulk_poll(out)) == 0)
		;
	step_report(ret);
}

/* The consumer gives its own memory back while the producer copies to it. */
static void
release_prepare(void)
{
	assert_int_equal(send_from(area->source, FERRY_BULK_TX), 1);
	accept_to(area->own);
}

static void
release_act(void)
{
	int ended;

	ferry_bulk_ready(in, &ended);
	said = ferry_bulk_release(in, 0);
	if (said != 0) {
		assert_int_equal(said, -ETIMEDOUT);
		assert_int_equal(ended, 0);
		return;
	}
	in = NULL;
	given_back = true;
	/* What was whole is so for both. */
	said = ended;
	memset(area->own, 0x77, PART);
}

static void
release_check(void)
{
	if (given_back) {
		check_that(is_all(area->own, 0x77, PART));
		if (said == 1)
			check_that(step_reported() == 1);
	} else {
		assert_int_equal(ferry_bulk_release(in, 0), 0);
		in = NULL;
	}
	check_that(step_reported() == 1 || step_reported() == FERRY_E_REFUSED);
}

/* The producer takes its payload back while the consumer copies it. */
static void
cancel_prepare(void)
{
	assert_int_equal(send_from(area->source, FERRY_BULK_RX), 1);
	accept_to(area->own);
}

static void
cancel_op(void)
{
	const int ret = ferry_bulk_await(in, LEN, UINT64_MAX);

	step_report(ret == 0 ? 1 : ret);
}

static void
cancel_act(void)
{
	said = ferry_bulk_cancel(out, 0);
	if (said == -ETIMEDOUT)
		return;
	given_back = true;
	memset(area->source, 0xee, PART);
}

static void
cancel_check(void)
{
	if (!given_back) {
		said = ferry_bulk_cancel(out, 0);
		check_that(said != -ETIMEDOUT);
	}
	if (step_reported() == 1) {
		check_that(said == -EALREADY && ferry_bulk_poll(out) == 1);
		assert_int_equal(ferry_test_check(area->own, LEN, 4), -1);
	} else {
		check_that(said == 0 && step_reported() == FERRY_E_CANCELLED &&
			ferry_bulk_poll(out) == FERRY_E_CANCELLED);
	}
}

/* A server stands still while its message ends and its block is used again. */
static void
late_prepare(void)
{
	assert_int_equal(send_from(area->source, FERRY_BULK_ENGINE), 1);
	accept_to(area->own);
}

static void
late_op(void)
{
	int i;

	for (i = 0; i < 4; i++)
		ferry_server_poll(&engine.server);
}

static void
late_act(void)
{
	int i;

	said = ferry_bulk_cancel(out, 0);
	if (said == -ETIMEDOUT)
		return;
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	ferry_bulk_close(out);
	in = NULL;
	given_back = true;
	memset(area->own, 0x77, PART);
	memset(area->source, 0xee, PART);
	assert_int_equal(send_from(area->second, FERRY_BULK_TX), 1);
	assert_int_equal(chan_bulk(rig.ch)->gen, 3);
	accept_to(area->other);
	/* All but what the server has claimed of this one. */
	for (i = 0; i < 4; i++)
		ferry_bulk_poll(out);
}

static void
late_check(void)
{
	if (!given_back) {
		said = ferry_bulk_cancel(out, 0);
		check_that(said == 0 || said == -EALREADY);
		return;
	}
	assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
	assert_int_equal(ferry_bulk_await(in, LEN, UINT64_MAX), 0);
	assert_int_equal(ferry_test_check(area->other, LEN, 5), -1);
	check_that(is_all(area->own, 0x77, PART));
}

/* A consumer closes while messages come for a buffer that it has lent. */
static void
close_prepare(void)
{
	assert_int_equal(ferry_bulk_lend(rig.rx, area->own, LEN), 0);
}

static void
close_prepare_sent(void)
{
	close_prepare();
	assert_int_equal(send_from(area->source, FERRY_BULK_TX), 1);
}

static void
close_prepare_orphans(void)
{
	close_prepare_sent();
	rig_set_state(&rig.ch->rx, FERRY_END_HUB_GONE);
	rig_set_state(&rig.ch->tx, FERRY_END_HUB_GONE);
}

static void
close_op(void)
{
	ferry_rx_stop(rig.rx);
	/* Many steps. */
	step_done();
	memset(area->own, 0x77, PART);
}

static void
close_act(void)
{
	if (out == NULL && send_from(area->source, FERRY_BULK_TX) != 1)
		return;
	/* Half of it now. */
	ferry_bulk_poll(out);
}

static void
close_check(void)
{
	if (out != NULL) {
		said = ferry_bulk_wait(out, UINT64_MAX);
		check_that(said == 0 || said == FERRY_E_CLOSED ||
			said == FERRY_E_REFUSED);
		ferry_bulk_close(out);
		out = NULL;
	}
	check_that(is_all(area->own, 0x77, PART));
}

/* The same, but the producer stands: it may have looked before the end
 * closed. */
static void
leave_act(void)
{
	/* Closing waits while it has claims. */
	given_back = !ferry_claim_any(&chan_bulk(rig.ch)[0],
		FERRY_BULK_UNITS, FERRY_UNIT_TX);
	if (!given_back)
		return;
	said = ferry_test_check(area->own, LEN, 4) == -1;
	ferry_rx_stop(rig.rx);
	rig.rx = NULL;
	memset(area->own, 0x77, PART);
}

static void
leave_check(void)
{
	if (given_back) {
		check_that(is_all(area->own, 0x77, PART));
		check_that(step_reported() == (said ? 1 : FERRY_E_CLOSED));
	} else {
		check_that(step_reported() == 1);
	}
}

/* A server copies the last of a message that its producer has cancelled, while
 * the consumer looks how it stands: it is whole for both, or for neither. */
static void
agree_prepare(void)
{
	uint32_t first = 0;

	assert_int_equal(send_from(area->source, FERRY_BULK_ENGINE), 1);
	accept_to(area->own);
	assert_int_equal(ferry_claim_take(&chan_bulk(rig.ch)[0], 2,
		FERRY_UNIT_SERVER, 2, 2, 0, &first), 2);
	assert_int_equal(ferry_bulk_cancel(out, 0), -ETIMEDOUT);
}

static void
agree_op(void)
{
	int ended;

	ferry_bulk_ready(in, &ended);
	step_report(ended);
}

static void
agree_act(void)
{
	ferry_claim_done(&chan_bulk(rig.ch)[0], FERRY_UNIT_SERVER, 0, 2);
}

static void
agree_check(void)
{
	said = ferry_bulk_poll(out);
	check_that(said == 1);
	check_that(step_reported() == 1 || step_reported() == 0);
}

/* An engine falls asleep while a message is announced, and is told of it all
 * the same: none but it copies. */
static void
engine_rests(void)
{
	int i;

	/* What it is told, it finds in its first turn. */
	ferry_server_poll(&engine.server);
	for (i = 0; i < 1000 && engine.server.n_active > 0; i++)
		ferry_server_poll(&engine.server);
	assert_int_equal(engine.server.n_active, 0);
}

static void
told_prepare_accept(void)
{
	assert_int_equal(send_from(area->source, FERRY_BULK_ENGINE), 1);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	engine_rests();
}

static void
told_accept_op(void)
{
	const struct iovec iov = { area->own, LEN };

	if (ferry_bulk_accept(rig.rx, &msg, &iov, 1, &in) == 0)
		step_report(1);
}

static void
told_prepare_send(void)
{
	assert_int_equal(ferry_bulk_lend(rig.rx, area->own, LEN), 0);
	engine_rests();
}

static void
told_send_op(void)
{
	if (send_from(area->source, FERRY_BULK_ENGINE) == 1)
		step_report(1);
}

static void
told_check(void)
{
	engine_rests();
	check_that(step_reported() == 1);
	check_that(ferry_claim_front(&chan_bulk(rig.ch)[0], 2, 0) == 2);
	assert_int_equal(ferry_test_check(area->own, LEN, 4), -1);
}

static const struct race races[] = {
	{ "a_lent_buffer_may_be_changed_for_a_shorter_one", false, false,
		lend_prepare, lend_op, lend_act, lend_check },
	{ "released_memory_is_not_written_by_a_producer", false, false,
		release_prepare, poll_op, release_act, release_check },
	{ "a_cancelled_payload_is_not_read_by_a_consumer", false, false,
		cancel_prepare, cancel_op, cancel_act, cancel_check },
	{ "a_late_server_harms_no_other_message", true, false,
		late_prepare, late_op, late_act, late_check },
	{ "lent_memory_is_not_written_once_its_end_is_closed", false, false,
		close_prepare, close_op, close_act, close_check },
	{ "nor_if_the_message_was_sent_before", false, false,
		close_prepare_sent, close_op, close_act, close_check },
	{ "nor_if_the_hub_is_gone", false, false,
		close_prepare_orphans, close_op, close_act, close_check },
	{ "nor_by_a_producer_that_looked_before", false, false,
		close_prepare_sent, poll_op, leave_act, leave_check },
	{ "nor_by_one_without_a_hub", false, false,
		close_prepare_orphans, poll_op, leave_act, leave_check },
	{ "an_engine_is_told_of_a_message_that_is_accepted", true, false,
		told_prepare_accept, told_accept_op, engine_rests, told_check },
	{ "an_engine_is_told_of_a_message_to_a_lent_buffer", true, false,
		told_prepare_send, told_send_op, engine_rests, told_check },
	{ "a_consumer_and_its_producer_agree_whether_it_is_whole", false, true,
		agree_prepare, agree_op, agree_act, agree_check },
};

static void
a_race(void **state)
{
	stage_need_ptrace();
	run(*state);
}

static int
area_map(void **state)
{
	(void)state;
	area = mmap(NULL, sizeof(*area), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return area != MAP_FAILED ? 0 : -1;
}

int
main(int argc, char *argv[])
{
	struct CMUnitTest tests[RTE_DIM(races)] = { { 0 } };
	unsigned int i;

	for (i = 0; i < RTE_DIM(races); i++) {
		tests[i].name = races[i].name;
		tests[i].test_func = a_race;
		tests[i].initial_state = (void *)(uintptr_t)&races[i];
	}
	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	stage_one_cpu();
	return cmocka_run_group_tests(tests, area_map, NULL);
}
