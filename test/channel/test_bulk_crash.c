/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Every instruction of a producer, a consumer and a server of a bulk message as
 * a crash point. The victim runs in a process of its own, one instruction at a
 * time. After each change that the victim makes to the channel, the test acts
 * as if it had died there: it tells a second process, the survivor, which goes
 * on with what is in shared memory. That memory is put back afterwards. The
 * survivor gets the whole message or a clean end, and never hangs.
 */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "chan_parts.h"
#include "chan_rig.h"
#include "chan_step.h"
#include "step_child.h"
#include "ferry_bulk.h"
#include "ferry_claim.h"
#include "ferry_errno.h"
#include "ferry_test.h"

/* Three units, the last one short. */
#define LEN (2 * FERRY_BULK_UNIT_MIN + 4100)
#define UNITS 3
#define AREA (UINT64_C(256) << 10)
/* A survivor that takes longer hangs. */
#define SECONDS 600

static struct rig rig;
static struct rig_engine engine;
/* Source and destinations, in shared memory. */
static uint8_t *source, *area;
static uint64_t area_used;
static struct ferry_bulk_out *out;
static struct ferry_bulk_in *in;
static struct ferry_msg msg;

static int
area_alloc(void *arg, uint64_t size, void **mem)
{
	(void)arg;
	*mem = area + area_used;
	area_used += RTE_ALIGN_CEIL(size, UINT64_C(4096));
	rig.n_pieces++;
	return area_used <= AREA ? 0 : FERRY_E_NO_ROOM;
}

static void
area_free(void *arg, void *mem)
{
	(void)arg;
	(void)mem;
	rig.n_pieces--;
}

static void *
shared_map(uint64_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(mem != MAP_FAILED);
	return mem;
}

static void
prepare(bool served)
{
	if (source == NULL) {
		source = shared_map(AREA);
		area = shared_map(AREA);
	}
	rig_start_post(&rig, 256, 4, 1);
	if (served) {
		rig_engine_make(&rig, &engine, 0);
		assert_int_equal(rig_serve(&rig, &engine), 0);
	}
	rig.memory.alloc = area_alloc;
	rig.memory.free = area_free;
	area_used = 0;
	memset(area, 0, AREA);
	ferry_test_fill(source, LEN, 4);
}

static int
begin(uint32_t by)
{
	/* Around the cache: rep movsb is an instruction for each byte here. */
	const struct ferry_bulk_options options = {
		.by = by, .place = FERRY_PLACE_MEMORY,
	};
	const struct iovec iov = { source, LEN };

	return ferry_bulk_send(rig.tx, &iov, 1, &options, &out);
}

static int
accept_it(void)
{
	if (ferry_rx_recv(rig.rx, &msg, 1) != 1 || !ferry_msg_is_bulk(&msg))
		return -ENOMSG;
	return ferry_bulk_accept(rig.rx, &msg, NULL, 0, &in);
}

static bool
is_whole(void)
{
	return ferry_test_check(ferry_bulk_data(in), LEN, 4) == -1;
}

static bool
all_done(void)
{
	const struct ferry_bulk_block *b = chan_bulk(rig.ch);

	return b->gen != 0 && ferry_claim_front(b, UNITS, 0) == UNITS;
}

/* What a survivor finds wrong: the line, by its exit code. */
#define want(what) do { \
	if (!(what)) \
		_exit(__LINE__ % 200 + 1); \
} while (0)

/* The consumer of a dead producer, which has accepted the message or not. */
static void
survive_as_consumer(void)
{
	const bool whole = all_done();
	int ret;

	rig_set_state(&rig.ch->tx, FERRY_END_GONE);
	if (in == NULL) {
		ret = accept_it();
		if (ret == -ENOMSG) {
			want(ferry_rx_recv(rig.rx, &msg, 1) ==
				FERRY_E_PEER_GONE);
			return;
		}
		want(ret == 0);
	}
	ret = ferry_bulk_await(in, LEN, UINT64_MAX);
	if (ret == 0)
		want(is_whole());
	else
		want(ret == FERRY_E_PEER_GONE || ret == FERRY_E_CANCELLED);
	want(!whole || ret == 0);
	want(ferry_bulk_release(in, 0) == 0);
	want(rig.n_pieces == 0);
}

/* The producer of a dead consumer. */
static void
survive_as_producer(void)
{
	const bool whole = all_done();
	int ret;

	rig_set_state(&rig.ch->rx, FERRY_END_GONE);
	if (out == NULL) {
		want(begin(0) == FERRY_E_PEER_GONE);
		return;
	}
	ret = ferry_bulk_wait(out, UINT64_MAX);
	want(ret == 0 || ret == FERRY_E_PEER_GONE || ret == FERRY_E_REFUSED);
	want(!whole || ret == 0);
	ferry_bulk_close(out);
	want(rig.n_holds <= 1);
}

/* Both ends of a dead hub: what its engine had claimed is copied by them. */
static void
survive_as_both(void)
{
	rig_set_state(&rig.ch->rx, FERRY_END_HUB_GONE);
	rig_set_state(&rig.ch->tx, FERRY_END_HUB_GONE);
	want(ferry_bulk_await(in, LEN, UINT64_MAX) == 0);
	want(is_whole());
	want(ferry_bulk_wait(out, UINT64_MAX) == 0);
	ferry_bulk_close(out);
	want(ferry_bulk_release(in, 0) == 0);
	want(rig.n_pieces == 0 && rig.n_holds == 0);
}

/* Run a survivor on what is in memory now: 0, or where it was surprised. */
static int
bury(void (*survive)(void))
{
	const pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(SECONDS);
		survive();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
op_run(void *arg)
{
	void (**op)(void) = arg;

	(*op)();
}

/*
 * Run op in a child, instruction by instruction, and bury it wherever it has
 * changed the channel: so many times.
 */
static unsigned int
step(const char *name, void (*op)(void), void (*survive)(void))
{
	uint8_t *before = malloc(rig.map_size), *data = malloc(AREA);
	unsigned int changes = 0, steps = 0;
	int status, ret;
	pid_t pid;

	memcpy(before, rig.map, rig.ch->size);
	pid = step_start(op_run, &op);
	assert_true(pid > 0);
	while ((ret = step_one(pid, &status)) == 1) {
		steps++;
		if (memcmp(before, rig.ch, rig.ch->size) == 0)
			continue;
		memcpy(before, rig.ch, rig.ch->size);
		memcpy(data, area, AREA);
		ret = bury(survive);
		if (ret != 0) {
			step_kill(pid);
			fail_msg("%s: died at step %u, change %u: line or "
				"signal %d", name, steps, changes, ret);
		}
		memcpy(rig.ch, before, rig.ch->size);
		memcpy(area, data, AREA);
		changes++;
	}
	if (ret != 0)
		fail_msg("%s: the victim ended by %#x", name, status);
	print_message("%s: %u steps, %u crash points\n", name, steps, changes);
	free(before);
	free(data);
	return changes;
}

static void
finish(bool served)
{
	/* The victim's doings are not in this process's handles: as after the
	 * death of each. */
	rig_set_state(&rig.ch->tx, FERRY_END_GONE);
	rig_set_state(&rig.ch->rx, FERRY_END_GONE);
	if (out != NULL)
		ferry_bulk_close(out);
	if (in != NULL)
		ferry_bulk_release(in, UINT64_MAX);
	out = NULL;
	in = NULL;
	if (served) {
		rig_leave(&rig, &engine);
		rig_engine_free(&engine);
	}
	rig_stop(&rig);
}

static void
op_send(void)
{
	begin(FERRY_BULK_TX);
}

static void
op_poll(void)
{
	while (ferry_bulk_poll(out) == 0)
		;
	ferry_bulk_close(out);
}

static void
op_cancel(void)
{
	ferry_bulk_poll(out);
	ferry_bulk_cancel(out, 0);
	ferry_bulk_close(out);
}

static void
op_send_and_poll(void)
{
	begin(FERRY_BULK_TX);
	op_poll();
}

static void
op_receive(void)
{
	if (accept_it() == 0) {
		ferry_bulk_await(in, LEN, UINT64_MAX);
		ferry_bulk_release(in, 0);
	}
}

static void
op_refuse(void)
{
	ferry_rx_recv(rig.rx, &msg, 1);
	ferry_rx_release(rig.rx, &msg, 1);
}

static void
op_give_up(void)
{
	ferry_bulk_ready(in, NULL);
	ferry_bulk_release(in, 0);
}

static void
op_serve(void)
{
	unsigned int i;

	for (i = 0; i < 6; i++)
		ferry_server_poll(&engine.server);
}

static void
a_producer_dies_sending(void **state)
{
	(void)state;
	stage_need_ptrace();
	prepare(false);
	assert_true(step("send", op_send, survive_as_consumer) > 10);
	finish(false);
}

static void
a_producer_dies_copying(void **state)
{
	(void)state;
	stage_need_ptrace();
	prepare(false);
	assert_int_equal(begin(FERRY_BULK_TX), 1);
	assert_int_equal(accept_it(), 0);
	assert_true(step("poll", op_poll, survive_as_consumer) >= 2 * UNITS);
	finish(false);
}

static void
a_producer_dies_cancelling(void **state)
{
	(void)state;
	stage_need_ptrace();
	prepare(false);
	assert_int_equal(begin(FERRY_BULK_TX | FERRY_BULK_RX), 1);
	assert_int_equal(accept_it(), 0);
	assert_true(step("cancel", op_cancel, survive_as_consumer) > 3);
	finish(false);
}

static void
a_producer_dies_with_a_lent_buffer(void **state)
{
	(void)state;
	stage_need_ptrace();
	prepare(false);
	/* The victim is another process: it has seals of its own. */
	rig_be_stranger(&rig.ch->tx);
	assert_int_equal(ferry_bulk_lend(rig.rx, area + AREA / 2, LEN), 0);
	assert_true(step("send to a lent buffer", op_send_and_poll,
		survive_as_consumer) > 10 + 2 * UNITS);
	finish(false);
}

static void
a_consumer_dies_receiving(void **state)
{
	(void)state;
	stage_need_ptrace();
	prepare(false);
	rig_be_stranger(&rig.ch->rx);
	assert_int_equal(begin(FERRY_BULK_RX), 1);
	assert_true(step("receive", op_receive, survive_as_producer) >=
		2 * UNITS);
	finish(false);
}

static void
a_consumer_dies_refusing(void **state)
{
	(void)state;
	stage_need_ptrace();
	prepare(false);
	assert_int_equal(begin(0), 1);
	assert_true(step("refuse", op_refuse, survive_as_producer) > 2);
	finish(false);
}

static void
a_consumer_dies_giving_up(void **state)
{
	(void)state;
	stage_need_ptrace();
	prepare(false);
	assert_int_equal(begin(FERRY_BULK_TX | FERRY_BULK_RX), 1);
	assert_int_equal(accept_it(), 0);
	assert_true(step("give up", op_give_up, survive_as_producer) > 2);
	finish(false);
}

static void
a_hub_dies_copying(void **state)
{
	(void)state;
	stage_need_ptrace();
	prepare(true);
	assert_int_equal(begin(FERRY_BULK_ENGINE), 1);
	assert_int_equal(accept_it(), 0);
	assert_true(step("serve", op_serve, survive_as_both) >= 2 * UNITS);
	finish(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_producer_dies_sending),
		cmocka_unit_test(a_producer_dies_copying),
		cmocka_unit_test(a_producer_dies_cancelling),
		cmocka_unit_test(a_producer_dies_with_a_lent_buffer),
		cmocka_unit_test(a_consumer_dies_receiving),
		cmocka_unit_test(a_consumer_dies_refusing),
		cmocka_unit_test(a_consumer_dies_giving_up),
		cmocka_unit_test(a_hub_dies_copying),
	};

	stage_one_cpu();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
