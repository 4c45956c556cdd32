/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Bulk messages with a peer that is not what it seems: another process that has
 * the peer's pid now, a process of which nothing is known, a device that cannot
 * be stopped, and bytes that no participant has written.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "chan_parts.h"
#include "chan_rig.h"
#include "ferry_bulk.h"
#include "ferry_claim.h"
#include "ferry_errno.h"
#include "ferry_post.h"
#include "ferry_test.h"
#include "late_lane.h"

#define KIB UINT64_C(1024)
#define LEN (300 * KIB + 5)
#define UNITS 19
/* A loop that takes longer does not end. */
#define SECONDS 60

/* What all processes of a test see. */
static struct {
	struct ferry_process self;
} *shared;

static uint8_t *data;

/* A process that stands still, with a copy of this one's memory in which data
 * has other bytes. It has a token, or none. */
static struct ferry_process
stranger_start(uint8_t byte, bool known)
{
	int status;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		memset(data, byte, LEN);
		if (known)
			ferry_process_self(&shared->self);
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	shared->self.pid = pid;
	return shared->self;
}

static void
stranger_end(const struct ferry_process *p)
{
	int status;

	kill(p->pid, SIGKILL);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
}

static void
a_forked_child_is_another_process(void **state)
{
	struct ferry_process self, again, child;

	(void)state;
	ferry_process_self(&self);
	ferry_process_self(&again);
	assert_true(self.token != 0);
	assert_int_equal(self.pid, getpid());
	assert_int_equal(self.token, again.token);
	assert_int_equal(self.token_at, again.token_at);
	assert_true(ferry_process_same(&self, &again));
	child = stranger_start(1, true);
	assert_true(child.token != 0);
	assert_true(child.token != self.token);
	assert_false(ferry_process_same(&self, &child));
	stranger_end(&child);
	/* An unknown process is the same as no process, not even as itself. */
	self.token = 0;
	assert_false(ferry_process_same(&self, &self));
}

static void
memory_is_read_with_the_token_only(void **state)
{
	struct ferry_process a, b, wrong;
	uint8_t *to = malloc(LEN);
	int fd;

	(void)state;
	a = stranger_start(0xaa, true);
	b = stranger_start(0xbb, true);
	assert_int_equal(ferry_process_read(&a, to, (uintptr_t)data, LEN), 0);
	assert_true(to[0] == 0xaa && memcmp(to, to + 1, LEN - 1) == 0);
	assert_int_equal(ferry_process_read(&a, NULL, 0, 0), 0);
	fd = ferry_process_open(&a);
	assert_true(fd >= 0);
	assert_false(ferry_process_ended(fd));
	/* The number of the other one. */
	wrong = a;
	wrong.pid = b.pid;
	assert_int_equal(ferry_process_read(&wrong, to, (uintptr_t)data, LEN),
		-ESTALE);
	assert_int_equal(ferry_process_open(&wrong), -ESTALE);
	/* A place at which there is nothing. */
	wrong = a;
	wrong.token_at = 8;
	assert_int_equal(ferry_process_read(&wrong, to, (uintptr_t)data, LEN),
		-ESTALE);
	wrong = a;
	wrong.token = 0;
	assert_int_equal(ferry_process_read(&wrong, to, (uintptr_t)data, LEN),
		-ESTALE);
	assert_int_equal(ferry_process_open(&wrong), -ESTALE);
	/* The right one has no such bytes. */
	assert_int_equal(ferry_process_read(&a, to, 8, 1), -EFAULT);
	stranger_end(&a);
	stranger_end(&b);
	assert_true(ferry_process_ended(fd));
	close(fd);
	assert_int_equal(ferry_process_read(&a, to, (uintptr_t)data, LEN),
		-ESRCH);
	assert_true(ferry_process_open(&a) < 0);
	free(to);
}

/* A message, as far as a test brings it. */
struct bench {
	struct rig rig;
	struct ferry_bulk_block *block;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	uint8_t *to;
};

/* Private memory: what is sent, and where it goes to. */
static struct bench *now;
static bool all_private;

static enum ferry_reach
reach_but_payload(void *arg, const void *mem, uint64_t len)
{
	(void)arg;
	(void)len;
	return !all_private && (uintptr_t)mem - (uintptr_t)data >= LEN &&
		(uintptr_t)mem - (uintptr_t)now->to >= LEN ?
		FERRY_REACH_ALL : FERRY_REACH_PRIVATE;
}

static void
bench_send(struct bench *b, uint32_t by)
{
	const struct ferry_bulk_options options = { .by = by };
	const struct iovec iov = { data, LEN };

	assert_int_equal(ferry_bulk_send(b->rig.tx, &iov, 1, &options,
		&b->out), 1);
	assert_int_equal(ferry_rx_recv(b->rig.rx, &b->msg, 1), 1);
}

static void
bench_make(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	alarm(SECONDS);
	rig_start_post(&b->rig, 256, 4, 1);
	b->rig.memory.reach = reach_but_payload;
	b->block = &chan_bulk(b->rig.ch)[0];
	b->to = malloc(LEN);
	memset(b->to, 0, LEN);
	now = b;
	all_private = false;
	ferry_test_fill(data, LEN, 9);
	rig_be_strangers(&b->rig);
	/* The producer is not in the hub's process either. */
	b->rig.tx->end.local = false;
}

static void
bench_end(struct bench *b)
{
	rig_stop(&b->rig);
	assert_int_equal(b->rig.n_holds, 0);
	free(b->to);
	alarm(0);
}

static void
bench_accept(struct bench *b, bool own)
{
	const struct iovec iov = { b->to, LEN };

	assert_int_equal(ferry_bulk_accept(b->rig.rx, &b->msg, own ? &iov :
		NULL, own, &b->in), 0);
}

static void
bench_arrives(struct bench *b)
{
	while (ferry_bulk_poll(b->out) == 0)
		ferry_bulk_ready(b->in, NULL);
	assert_int_equal(ferry_bulk_await(b->in, LEN, UINT64_MAX), 0);
	assert_int_equal(ferry_test_check(ferry_bulk_data(b->in), LEN, 9), -1);
	assert_int_equal(ferry_bulk_wait(b->out, 0), 0);
	ferry_bulk_close(b->out);
	assert_int_equal(ferry_bulk_release(b->in, 0), 0);
}

/* As if another process had the producer's number: its bytes are not taken for
 * the producer's, neither for private memory nor for the hub's. */
static void
a_namesake_is_not_read(void **state)
{
	struct ferry_process tx, said, namesake;
	struct ferry_bulk_stats stats;
	unsigned int i;
	struct bench b;

	(void)state;
	for (i = 0; i < 4; i++) {
		bench_make(&b);
		tx = stranger_start(0xaa, true);
		/* With a token of its own, or with none at that place. */
		namesake = stranger_start(0xbb, i < 2);
		said = tx;
		said.pid = namesake.pid;
		rig_set_process(&b.rig.ch->tx, &said);
		bench_send(&b, FERRY_BULK_RX);
		bench_accept(&b, i % 2 == 0);
		bench_arrives(&b);
		ferry_bulk_rx_stats(b.rig.rx, &stats);
		assert_int_equal(stats.msgs, 1);
		assert_int_equal(stats.vm_bytes, 0);
		assert_int_equal(stats.window_bytes, i % 2 == 0 ? LEN : 0);
		stranger_end(&tx);
		stranger_end(&namesake);
		bench_end(&b);
	}
}

/* The producer's end names another process later. The consumer does not read
 * the name again. */
static void
an_end_is_one_process_for_ever(void **state)
{
	struct ferry_process right, wrong;
	struct ferry_bulk_stats stats;
	struct bench b;

	(void)state;
	bench_make(&b);
	right = stranger_start(0xaa, true);
	wrong = stranger_start(0xbb, true);
	rig_set_process(&b.rig.ch->tx, &right);
	bench_send(&b, FERRY_BULK_RX);
	bench_accept(&b, true);
	assert_true(ferry_bulk_ready(b.in, NULL) < LEN);
	rig_set_process(&b.rig.ch->tx, &wrong);
	assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX), 0);
	assert_true(b.to[0] == 0xaa && memcmp(b.to, b.to + 1, LEN - 1) == 0);
	ferry_bulk_rx_stats(b.rig.rx, &stats);
	assert_int_equal(stats.vm_bytes, LEN);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	stranger_end(&right);
	stranger_end(&wrong);
	bench_end(&b);
}

/* A consumer that cannot read gives its claim back, and tells the producer,
 * which may be asleep since there was nothing left to do. */
static void
who_cannot_copy_wakes_who_can(void **state)
{
	struct bench b;
	uint32_t *bell;

	(void)state;
	bench_make(&b);
	bench_send(&b, FERRY_BULK_RX);
	bench_accept(&b, false);
	b.rig.ch->tx.may_sleep = 1;
	bell = &b.rig.bells[RIG_TX].state;
	*bell = FERRY_BELL_ASLEEP;
	assert_int_equal(ferry_bulk_ready(b.in, NULL), 0);
	assert_int_equal(*bell, FERRY_BELL_AWAKE);
	bench_arrives(&b);
	bench_end(&b);
}

/* Who ends a message early tells the other end at once, which may be asleep. */
static void
who_ends_a_message_wakes_the_other_end(void **state)
{
	const struct iovec to = { malloc(LEN), LEN };
	struct bench b;
	uint32_t *bell;
	int why;

	(void)state;
	/* The producer, because of a destination that cannot be. */
	bench_make(&b);
	bench_send(&b, FERRY_BULK_RX);
	bench_accept(&b, false);
	b.block->dst.n_segs = 0;
	bell = rig_sleep(&b.rig, &b.rig.ch->rx, RIG_RX);
	assert_int_equal(ferry_bulk_poll(b.out), FERRY_E_CORRUPT);
	assert_int_equal(*bell, FERRY_BELL_AWAKE);
	ferry_bulk_ready(b.in, &why);
	assert_int_equal(why, FERRY_E_CORRUPT);
	bench_end(&b);
	/* The consumer, whose memory the producer still writes. */
	bench_make(&b);
	bench_send(&b, FERRY_BULK_TX);
	assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, &to, 1, &b.in), 0);
	b.block->units[0] = FERRY_UNIT_TX;
	bell = rig_sleep(&b.rig, &b.rig.ch->tx, RIG_TX);
	assert_int_equal(ferry_bulk_release(b.in, 0), -ETIMEDOUT);
	assert_int_equal(*bell, FERRY_BELL_AWAKE);
	b.block->units[0] = FERRY_UNIT_FREE;
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), FERRY_E_REFUSED);
	bench_end(&b);
	free(to.iov_base);
}

/* Who copies the last unit wakes the end that sleeps until then; and an engine
 * is told of nothing that it is not to copy. */
static void
who_copies_the_last_unit_wakes_who_waits(void **state)
{
	struct bench b;
	uint32_t *bell;

	(void)state;
	bench_make(&b);
	bench_send(&b, FERRY_BULK_TX);
	bench_accept(&b, false);
	assert_int_equal(b.rig.ch->service.bulk, 0);
	b.block->wish = UNITS;
	bell = rig_sleep(&b.rig, &b.rig.ch->rx, RIG_RX);
	while (ferry_bulk_poll(b.out) == 0)
		;
	assert_int_equal(*bell, FERRY_BELL_AWAKE);
	bench_arrives(&b);
	bench_end(&b);
}

static void
be_orphans(struct bench *b)
{
	rig_set_state(&b->rig.ch->rx, FERRY_END_HUB_GONE);
	rig_set_state(&b->rig.ch->tx, FERRY_END_HUB_GONE);
}

/* Without a hub nothing is known of a process that does not show its token. It
 * is not waited for, and not taken for dead. */
static void
an_unknown_consumer_is_not_waited_for(void **state)
{
	struct ferry_process namesake;
	uint32_t first = 0;
	struct bench b;

	(void)state;
	bench_make(&b);
	/* It lives, whatever it is. */
	namesake = stranger_start(1, false);
	b.rig.ch->rx.pid = namesake.pid;
	all_private = true;
	bench_send(&b, FERRY_BULK_ENGINE);
	bench_accept(&b, false);
	assert_int_equal(ferry_claim_take(b.block, UNITS, FERRY_UNIT_RX, 3,
		UNITS, 0, &first), 3);
	assert_int_equal(ferry_bulk_poll(b.out), 0);
	be_orphans(&b);
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), FERRY_E_HUB_GONE);
	/* It ends its copy, which does not make the message whole. */
	ferry_claim_done(b.block, FERRY_UNIT_RX, first, 3);
	assert_int_equal(ferry_claim_front(b.block, UNITS, 0), 0);
	assert_false(ferry_claim_any(b.block, UNITS, FERRY_UNIT_RX));
	assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX),
		FERRY_E_HUB_GONE);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	stranger_end(&namesake);
	bench_end(&b);
}

static void
memory_is_not_given_back_while_an_unknown_producer_may_write_it(void **state)
{
	static uint8_t lent[LEN];
	const struct iovec iov = { lent, LEN };
	uint32_t first = 0;
	unsigned int i;
	struct bench b;

	(void)state;
	for (i = 0; i < 2; i++) {
		bench_make(&b);
		bench_send(&b, FERRY_BULK_ENGINE);
		assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, &iov, 1,
			&b.in), 0);
		assert_int_equal(ferry_claim_take(b.block, UNITS,
			FERRY_UNIT_TX, 3, UNITS, 0, &first), 3);
		be_orphans(&b);
		assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX),
			FERRY_E_HUB_GONE);
		assert_int_equal(ferry_bulk_release(b.in, 0), -ETIMEDOUT);
		assert_int_equal(ferry_bulk_release(b.in, 1000), -ETIMEDOUT);
		/* Its last copy, or it says that it has left. */
		if (i == 0)
			ferry_claim_done(b.block, FERRY_UNIT_TX, first, 3);
		else
			__atomic_store_n(&b.rig.ch->tx.left, 1,
				__ATOMIC_RELEASE);
		assert_int_equal(ferry_bulk_release(b.in, 0), 0);
		assert_int_equal(ferry_bulk_poll(b.out), FERRY_E_HUB_GONE);
		ferry_bulk_close(b.out);
		bench_end(&b);
	}
}

/* With its token it is known: to live, and to have died. What tells so may be
 * descriptor 0, because a daemon has closed its input. */
static void
a_known_peer_is_waited_for_until_it_dies(void **state)
{
	const int input = fcntl(STDIN_FILENO, F_DUPFD, 3);
	struct ferry_process rx;
	uint32_t first = 0;
	struct bench b;

	(void)state;
	bench_make(&b);
	rx = stranger_start(1, true);
	rig_set_process(&b.rig.ch->rx, &rx);
	close(STDIN_FILENO);
	all_private = true;
	bench_send(&b, FERRY_BULK_ENGINE);
	bench_accept(&b, false);
	assert_int_equal(ferry_claim_take(b.block, UNITS, FERRY_UNIT_RX, 3,
		UNITS, 0, &first), 3);
	assert_int_equal(ferry_bulk_poll(b.out), 0);
	be_orphans(&b);
	assert_int_equal(ferry_bulk_poll(b.out), 0);
	assert_int_equal(ferry_bulk_wait(b.out, 0), -ETIMEDOUT);
	stranger_end(&rx);
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), FERRY_E_HUB_GONE);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
	if (input >= 0) {
		dup2(input, STDIN_FILENO);
		close(input);
	}
}

/* What is said first holds, whatever happens until the message is quiet. */
static void
who_ended_a_message_first_is_told(void **state)
{
	uint32_t first = 0;
	struct bench b;

	(void)state;
	bench_make(&b);
	bench_send(&b, FERRY_BULK_ENGINE);
	all_private = true;
	bench_accept(&b, false);
	assert_int_equal(ferry_claim_take(b.block, UNITS, FERRY_UNIT_SERVER, 1,
		UNITS, 0, &first), 1);
	assert_int_equal(ferry_bulk_cancel(b.out, 0), -ETIMEDOUT);
	rig_set_state(&b.rig.ch->rx, FERRY_END_GONE);
	assert_int_equal(ferry_bulk_poll(b.out), 0);
	/* The hub says so of what it finds under way, too. */
	assert_int_equal(ferry_bulk_end(b.block, b.block->gen,
		FERRY_E_PEER_GONE), FERRY_E_CANCELLED);
	ferry_claim_drop(b.block, FERRY_UNIT_SERVER, first, 1);
	assert_int_equal(ferry_bulk_poll(b.out), FERRY_E_CANCELLED);
	assert_int_equal(ferry_bulk_await(b.in, LEN, 0), FERRY_E_CANCELLED);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

/* The device of an engine hangs, and cannot be stopped: both ends are told, but
 * what it may still write is not used again. */
static void
a_device_that_cannot_be_stopped_ends_its_messages(void **state)
{
	static uint8_t lent[LEN];
	const struct iovec iov = { lent, LEN };
	struct late late = { .hold = true, .close_result = -EBUSY };
	struct rig_engine engine;
	struct ferry_bulk_out *out;
	struct bench b;

	(void)state;
	bench_make(&b);
	rig_engine_make(&b.rig, &engine, 0);
	late_add(&engine.copier, &late);
	engine.copier.tune.hang_grace_ns = 1e6;
	assert_int_equal(rig_serve(&b.rig, &engine), 0);
	bench_send(&b, FERRY_BULK_ENGINE);
	assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, &iov, 1, &b.in),
		0);
	while (late.nb == 0)
		ferry_server_poll(&engine.server);
	while (engine.server.stats.unsafe == 0)
		ferry_server_poll(&engine.server);
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), -EIO);
	assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX), -EIO);
	assert_int_equal(ferry_bulk_release(b.in, 0), -ETIMEDOUT);
	assert_true(ferry_claim_any(b.block, UNITS, FERRY_UNIT_SERVER));
	ferry_bulk_close(b.out);
	/* Nor is its block, even if the consumer lets go of it. */
	b.block->released = b.block->gen;
	out = b.out;
	b.out = NULL;
	assert_int_equal(ferry_bulk_send(b.rig.tx, &iov, 1, NULL, &out), 1);
	assert_int_equal(b.block->gen, 1);
	ferry_bulk_close(out);
	rig_leave(&b.rig, &engine);
	rig_engine_free(&engine);
	ferry_rx_stop(b.rig.rx);
	b.rig.rx = NULL;
	/* Its memory is not to be taken from under the device. */
	assert_int_equal(b.rig.n_holds, 1);
	b.rig.n_holds = 0;
	bench_end(&b);
}

/* Units look claimed by a participant that lives. The producer closes its
 * handle all the same, and the message is whole for neither end. */
static void
closing_a_message_does_not_wait_for_ever(void **state)
{
	static const uint8_t marks[] = { FERRY_UNIT_RX, FERRY_UNIT_SERVER };
	struct ferry_bulk_out *next;
	const struct iovec iov = { data, LEN };
	unsigned int i;
	struct bench b;

	(void)state;
	for (i = 0; i < RTE_DIM(marks); i++) {
		bench_make(&b);
		all_private = true;
		bench_send(&b, FERRY_BULK_ENGINE);
		bench_accept(&b, false);
		memset(b.block->units, marks[i], UNITS);
		ferry_bulk_close(b.out);
		ferry_claim_done(b.block, marks[i], 0, UNITS - 1);
		assert_int_equal(ferry_claim_front(b.block, UNITS, 0), 0);
		/* One is still at work: its units stay as they are. */
		b.block->released = b.block->gen;
		assert_int_equal(ferry_bulk_send(b.rig.tx, &iov, 1, NULL,
			&next), 1);
		assert_int_equal(b.block->gen, 1);
		ferry_bulk_close(next);
		ferry_claim_done(b.block, marks[i], UNITS - 1, 1);
		assert_int_equal(ferry_bulk_send(b.rig.tx, &iov, 1, NULL,
			&next), 1);
		assert_int_equal(b.block->gen, 2);
		ferry_bulk_close(next);
		assert_int_equal(ferry_bulk_release(b.in, 0), 0);
		bench_end(&b);
	}
}

/* Marks of units that no participant can have written: both ends get an error,
 * and do not wait. */
static void
units_that_no_party_has_written_end_a_message(void **state)
{
	static const struct {
		uint8_t unit;
		bool tx;
		uint32_t by;
	} cases[] = {
		{ FERRY_UNIT_TX, true, 0 },
		{ FERRY_UNIT_RX, false, 0 },
		{ 0x77, true, FERRY_BULK_ENGINE },
		{ 0x77, false, FERRY_BULK_ENGINE },
		{ FERRY_UNIT_RX | FERRY_UNIT_VOID, true, 0 },
	};
	unsigned int i;
	struct bench b;

	(void)state;
	for (i = 0; i < RTE_DIM(cases); i++) {
		bench_make(&b);
		all_private = true;
		bench_send(&b, cases[i].by | FERRY_BULK_TX);
		bench_accept(&b, false);
		b.block->units[3] = cases[i].unit;
		assert_int_equal(cases[i].tx ?
			ferry_bulk_wait(b.out, UINT64_MAX) :
			ferry_bulk_await(b.in, LEN, UINT64_MAX),
			FERRY_E_CORRUPT);
		assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX),
			FERRY_E_CORRUPT);
		assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX),
			FERRY_E_CORRUPT);
		ferry_bulk_close(b.out);
		assert_int_equal(ferry_bulk_release(b.in, 0), 0);
		/* The destination is kept as long as the mark stands. */
		b.block->units[3] = FERRY_UNIT_FREE;
		bench_end(&b);
	}
}

/* All units are DONE, but the block says that they are another message's. */
static void
another_messages_units_are_not_taken_for_this_ones(void **state)
{
	struct bench b;

	(void)state;
	bench_make(&b);
	all_private = true;
	bench_send(&b, FERRY_BULK_ENGINE);
	bench_accept(&b, false);
	b.block->gen++;
	memset(b.block->units, FERRY_UNIT_DONE, UNITS);
	assert_int_equal(ferry_bulk_await(b.in, LEN, 0), FERRY_E_CORRUPT);
	assert_int_equal(ferry_bulk_poll(b.out), FERRY_E_CORRUPT);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

static void
addresses_that_wrap_are_refused(void **state)
{
	const struct iovec wraps = { (void *)(UINTPTR_MAX - 4095), 4097 };
	const struct iovec ends = { (void *)(UINTPTR_MAX - 4095), 4096 };
	const struct iovec two[] = { { data, LEN }, wraps };
	struct ferry_bulk_out *out;
	struct bench b;

	(void)state;
	bench_make(&b);
	assert_int_equal(ferry_bulk_send(b.rig.tx, &wraps, 1, NULL, &out),
		-EINVAL);
	assert_int_equal(ferry_bulk_send(b.rig.tx, &ends, 1, NULL, &out),
		-EINVAL);
	assert_int_equal(ferry_bulk_send(b.rig.tx, two, 2, NULL, &out),
		-EINVAL);
	bench_send(&b, 0);
	assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, &wraps, 1, &b.in),
		-EINVAL);
	/* In the block: another source, as long as it was. */
	b.block->src.segs[0].addr = UINT64_MAX - LEN + 2;
	assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, NULL, 0, &b.in),
		FERRY_E_CORRUPT);
	b.block->src.segs[0].addr = UINT64_MAX - LEN + 1;
	assert_int_equal(ferry_bulk_accept(b.rig.rx, &b.msg, NULL, 0, &b.in),
		FERRY_E_CORRUPT);
	b.block->src.segs[0].addr = (uintptr_t)data;
	bench_accept(&b, false);
	/* Another destination, before the producer has seen it. */
	b.block->dst.segs[0].addr = UINT64_MAX - 4;
	assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), FERRY_E_CORRUPT);
	assert_int_equal(ferry_bulk_await(b.in, LEN, UINT64_MAX),
		FERRY_E_CORRUPT);
	ferry_bulk_close(b.out);
	assert_int_equal(ferry_bulk_release(b.in, 0), 0);
	bench_end(&b);
}

/* A message that is longer than what is lent goes elsewhere. */
static void
a_lent_buffer_that_is_too_short_is_left(void **state)
{
	static uint8_t lent[LEN];
	struct iovec back[FERRY_BULK_BLOCKS];
	struct ferry_bulk_grant *g;
	unsigned int i;
	struct bench b;

	(void)state;
	for (i = 0; i < 2; i++) {
		bench_make(&b);
		g = chan_grants(b.rig.ch);
		assert_int_equal(ferry_bulk_lend(b.rig.rx, lent, LEN - 1 + i),
			0);
		bench_send(&b, FERRY_BULK_TX);
		assert_int_equal(g->state, i == 0 ? FERRY_GRANT_OFFERED :
			FERRY_GRANT_TAKEN);
		assert_int_equal(((const struct ferry_bulk_note *)
			b.msg.data)->grant, i);
		bench_accept(&b, false);
		assert_int_equal(ferry_bulk_data(b.in) == lent, i);
		bench_arrives(&b);
		assert_int_equal(ferry_bulk_unlend(b.rig.rx, back), 1 - i);
		bench_end(&b);
	}
}

/* While a server reads a message, which asks its memory: the ends make it
 * whole, and send the next one in the same block. */
static struct {
	struct bench *b;
	bool armed;
} meanwhile;

static enum ferry_reach
reach_late(void *arg, const void *mem, uint64_t len)
{
	struct bench *b = meanwhile.b;

	(void)arg;
	(void)mem;
	(void)len;
	if (!meanwhile.armed)
		return FERRY_REACH_ALL;
	meanwhile.armed = false;
	bench_arrives(b);
	memset(b->to, 0, LEN);
	bench_send(b, FERRY_BULK_ENGINE);
	assert_int_equal(b->block->gen, 2);
	all_private = true;
	bench_accept(b, false);
	all_private = false;
	return FERRY_REACH_ALL;
}

static void
a_stale_server_looks_at_the_generation(void **state)
{
	const struct ferry_channel_memory late = {
		.reach = reach_late,
	};
	struct rig_engine engine;
	struct ferry_serve serve;
	struct bench b;

	(void)state;
	bench_make(&b);
	rig_engine_make(&b.rig, &engine, 0);
	serve = (struct ferry_serve) {
		.shared = b.rig.ch,
		.config = { b.rig.ch->slot_size, b.rig.ch->n_slots },
		.memory = &late,
		.bells = b.rig.bells,
		.n_bells = RIG_BELLS,
	};
	b.rig.ch->service.server = engine.word;
	assert_int_equal(ferry_server_add(&engine.server, &serve), 0);
	meanwhile.b = &b;
	meanwhile.armed = true;
	b.rig.memory.reach = reach_late;
	meanwhile.armed = false;
	bench_send(&b, FERRY_BULK_ENGINE | FERRY_BULK_TX);
	bench_accept(&b, false);
	b.rig.memory.reach = reach_but_payload;
	meanwhile.armed = true;
	ferry_server_poll(&engine.server);
	assert_false(meanwhile.armed);
	/* It has done nothing to the second message by what it read of the
	 * first one. */
	assert_int_equal(ferry_claim_front(b.block, UNITS, 0), 0);
	assert_false(ferry_claim_any(b.block, UNITS, FERRY_UNIT_SERVER));
	bench_arrives(&b);
	rig_leave(&b.rig, &engine);
	rig_engine_free(&engine);
	bench_end(&b);
}

static int
set_up(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	data = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return shared != MAP_FAILED && data != MAP_FAILED ? 0 : -1;
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forked_child_is_another_process),
		cmocka_unit_test(memory_is_read_with_the_token_only),
		cmocka_unit_test(a_namesake_is_not_read),
		cmocka_unit_test(an_end_is_one_process_for_ever),
		cmocka_unit_test(who_cannot_copy_wakes_who_can),
		cmocka_unit_test(who_ends_a_message_wakes_the_other_end),
		cmocka_unit_test(who_copies_the_last_unit_wakes_who_waits),
		cmocka_unit_test(an_unknown_consumer_is_not_waited_for),
		cmocka_unit_test(
	memory_is_not_given_back_while_an_unknown_producer_may_write_it),
		cmocka_unit_test(a_known_peer_is_waited_for_until_it_dies),
		cmocka_unit_test(who_ended_a_message_first_is_told),
		cmocka_unit_test(
			a_device_that_cannot_be_stopped_ends_its_messages),
		cmocka_unit_test(closing_a_message_does_not_wait_for_ever),
		cmocka_unit_test(units_that_no_party_has_written_end_a_message),
		cmocka_unit_test(
			another_messages_units_are_not_taken_for_this_ones),
		cmocka_unit_test(addresses_that_wrap_are_refused),
		cmocka_unit_test(a_lent_buffer_that_is_too_short_is_left),
		cmocka_unit_test(a_stale_server_looks_at_the_generation),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
