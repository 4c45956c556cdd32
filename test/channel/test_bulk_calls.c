/* SPDX-License-Identifier: BSD-3-Clause */

/* What single calls of bulk messages do. The messages are short, so that the
 * tests are quick. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "chan_parts.h"
#include "chan_rig.h"
#include "ferry_bulk.h"
#include "ferry_errno.h"
#include "ferry_lane.h"
#include "ferry_test.h"

#define KIB UINT64_C(1024)
/* A loop that takes longer does not end. */
#define SECONDS 60

static uint8_t data[400 * KIB], to[400 * KIB];

/* Payloads are private, the endpoint's memory is not. */
static enum ferry_reach
reach_but_payload(void *arg, const void *mem, uint64_t len)
{
	(void)arg;
	(void)len;
	return (uintptr_t)mem - (uintptr_t)data >= sizeof(data) &&
		(uintptr_t)mem - (uintptr_t)to >= sizeof(to) ?
		FERRY_REACH_ALL : FERRY_REACH_PRIVATE;
}

static void
an_end_without_bulk_messages_has_counted_none(void **state)
{
	static const struct ferry_bulk_stats none;
	struct ferry_bulk_stats stats;
	struct rig rig;

	(void)state;
	rig_start(&rig, 256, 4);
	memset(&stats, 0x5a, sizeof(stats));
	ferry_bulk_tx_stats(rig.tx, &stats);
	assert_memory_equal(&stats, &none, sizeof(none));
	memset(&stats, 0x5a, sizeof(stats));
	ferry_bulk_rx_stats(rig.rx, &stats);
	assert_memory_equal(&stats, &none, sizeof(none));
	rig_stop(&rig);
}

static void
pieces_end_up_in_other_pieces(void **state)
{
	const struct iovec src[] = {
		{ data, 1 }, { NULL, 0 }, { data + 1, 70000 },
		{ data + 70001, sizeof(data) - 70001 },
	};
	const struct iovec dst[] = {
		{ to, 40001 }, { to + 40001, 3 },
		{ to + 40004, sizeof(to) - 40004 },
	};
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	struct rig rig;

	(void)state;
	alarm(SECONDS);
	rig_start(&rig, 256, 4);
	ferry_test_fill(data, sizeof(data), 3);
	memset(to, 0, sizeof(to));
	assert_int_equal(ferry_bulk_send(rig.tx, src, RTE_DIM(src), NULL,
		&out), 1);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, dst, RTE_DIM(dst),
		&in), 0);
	assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
	assert_int_equal(ferry_bulk_await(in, sizeof(to), 0), 0);
	assert_int_equal(ferry_test_check(to, sizeof(to), 3), -1);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	rig_stop(&rig);
	alarm(0);
}

/* Through a window, into pieces of which the first is shorter than a unit. */
static void
a_window_is_emptied_into_pieces(void **state)
{
	const struct iovec dst[] = {
		{ to, 100 }, { to + 100, sizeof(to) - 100 },
	};
	struct ferry_bulk_stats stats;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	struct rig rig;

	(void)state;
	alarm(SECONDS);
	rig_start(&rig, 256, 4);
	rig_be_apart(&rig);
	rig.memory.reach = reach_but_payload;
	ferry_test_fill(data, sizeof(data), 4);
	memset(to, 0, sizeof(to));
	out = rig_bulk_send(&rig, data, sizeof(data), FERRY_BULK_TX);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, dst, RTE_DIM(dst),
		&in), 0);
	while (ferry_bulk_poll(out) == 0)
		ferry_bulk_ready(in, NULL);
	assert_int_equal(ferry_bulk_await(in, sizeof(to), UINT64_MAX), 0);
	assert_int_equal(ferry_bulk_poll(out), 1);
	assert_int_equal(ferry_test_check(to, sizeof(to), 4), -1);
	ferry_bulk_rx_stats(rig.rx, &stats);
	assert_int_equal(stats.window_bytes, sizeof(to));
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	rig_stop(&rig);
	alarm(0);
}

/* The consumer knows as soon as it looks, not only when it gives the message
 * back. */
static void
a_window_whose_message_ended_early_is_done_with(void **state)
{
	const struct iovec dst = { to, sizeof(to) };
	struct ferry_bulk_stats stats;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	struct rig rig;
	int ended;

	(void)state;
	rig_start(&rig, 256, 4);
	rig_be_apart(&rig);
	rig.memory.reach = reach_but_payload;
	out = rig_bulk_send(&rig, data, sizeof(data), FERRY_BULK_TX);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, &dst, 1, &in), 0);
	assert_int_equal(ferry_bulk_cancel(out, 0), 0);
	assert_int_equal(rig.n_holds, 1);
	ferry_bulk_ready(in, &ended);
	assert_int_equal(ended, FERRY_E_CANCELLED);
	ferry_bulk_rx_stats(rig.rx, &stats);
	assert_int_equal(stats.aborted, 1);
	assert_int_equal(rig.n_holds, 0);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	ferry_bulk_rx_stats(rig.rx, &stats);
	assert_int_equal(stats.aborted, 1);
	rig_stop(&rig);
}

/* A consumer writes nonsense: its producer does not copy, and both are told. */
static void
a_window_that_cannot_be_ends_its_message(void **state)
{
	struct ferry_bulk_block *block;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct rig rig;
	unsigned int i;
	int ended;

	(void)state;
	for (i = 0; i < 2; i++) {
		rig_start(&rig, 256, 4);
		rig_be_strangers(&rig);
		out = rig_bulk_send(&rig, data, sizeof(data), FERRY_BULK_TX);
		in = rig_bulk_accept(&rig);
		block = &chan_bulk(rig.ch)[0];
		block->dst.flags |= FERRY_BULK_WINDOW;
		/* Places: none, or more than there are units. */
		block->dst.window = i == 0 ? 0 :
			ferry_bulk_n_units(sizeof(data)) + 1;
		assert_int_equal(ferry_bulk_poll(out), FERRY_E_CORRUPT);
		ferry_bulk_ready(in, &ended);
		assert_int_equal(ended, FERRY_E_CORRUPT);
		ferry_bulk_close(out);
		assert_int_equal(ferry_bulk_release(in, 0), 0);
		rig_stop(&rig);
	}
}

static int
has_no_answer(void *arg, uint64_t size, void **mem)
{
	(void)arg;
	(void)size;
	(void)mem;
	return -ETIMEDOUT;
}

/* For the message itself, and for a window. */
static void
who_gets_no_memory_is_told_why(void **state)
{
	const struct iovec iov = { to, sizeof(to) };
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	struct rig rig;

	(void)state;
	rig_start(&rig, 256, 4);
	rig_be_apart(&rig);
	rig.memory.alloc = has_no_answer;
	out = rig_bulk_send(&rig, data, 1000, 0);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, NULL, 0, &in),
		-ETIMEDOUT);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, &iov, 1, &in),
		-ETIMEDOUT);
	assert_int_equal(ferry_rx_release(rig.rx, &msg, 1), 0);
	assert_int_equal(ferry_bulk_wait(out, SECONDS * UINT64_C(1000000000)),
		FERRY_E_REFUSED);
	ferry_bulk_close(out);
	rig_stop(&rig);
}

static void
a_message_wakes_its_consumer(void **state)
{
	struct ferry_bulk_out *out;
	struct rig rig;
	uint32_t *bell;

	(void)state;
	rig_start(&rig, 256, 4);
	bell = rig_sleep(&rig, &rig.ch->rx, RIG_RX);
	out = rig_bulk_send(&rig, data, 5000, 0);
	assert_int_equal(*bell, FERRY_BELL_AWAKE);
	ferry_bulk_close(out);
	rig_stop(&rig);
}

/* Who copies wakes a consumer for what it waits for, and for no less. */
static void
a_consumer_is_woken_for_what_it_waits_for(void **state)
{
	struct ferry_bulk_block *block;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct rig rig;
	uint32_t *bell;

	(void)state;
	rig_start(&rig, 256, 4);
	ferry_test_fill(data, sizeof(data), 6);
	out = rig_bulk_send(&rig, data, sizeof(data), FERRY_BULK_TX);
	in = rig_bulk_accept(&rig);
	block = &chan_bulk(rig.ch)[0];
	assert_int_equal(ferry_bulk_n_units(sizeof(data)), 25);
	/* The producer claims 23 of them at first. */
	bell = rig_sleep(&rig, &rig.ch->rx, RIG_RX);
	block->wish = 24;
	ferry_bulk_poll(out);
	assert_int_equal(ferry_bulk_ready(in, NULL), 23 * 16 * KIB);
	assert_int_equal(*bell, FERRY_BELL_ASLEEP);
	ferry_bulk_poll(out);
	assert_int_equal(ferry_bulk_ready(in, NULL), 24 * 16 * KIB);
	assert_int_equal(*bell, FERRY_BELL_AWAKE);
	assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	rig_stop(&rig);
}

/* What a lane was asked to do. */
static struct ferry_copy_job seen;

static uint16_t
seeing_copy(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	uint16_t i;

	(void)lane;
	for (i = 0; i < n; i++)
		memcpy(jobs[i].dst, jobs[i].src, jobs[i].len);
	if (n > 0)
		seen = jobs[n - 1];
	return n;
}

/* Each participant puts the bytes it copies where the producer said. */
static void
the_producer_says_where_the_bytes_are_put(void **state)
{
	static const uint32_t parties[] = { FERRY_BULK_TX, FERRY_BULK_RX };
	struct ferry_bulk_options options = { 0 };
	const struct iovec iov = { data, 5000 };
	struct ferry_copy_driver driver;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct rig rig;
	unsigned int i;
	int place;

	(void)state;
	rig_start(&rig, 256, 4);
	driver = *rig.copier.lanes[0].lane->drv;
	driver.copy = seeing_copy;
	rig.copier.lanes[0].lane->drv = &driver;
	for (i = 0; i < RTE_DIM(parties); i++) {
		options.by = parties[i];
		for (place = FERRY_PLACE_CACHE; place <= FERRY_PLACE_MEMORY;
				place++) {
			options.place = (enum ferry_placement)place;
			memset(&seen, 0, sizeof(seen));
			assert_int_equal(ferry_bulk_send(rig.tx, &iov, 1,
				&options, &out), 1);
			in = rig_bulk_accept(&rig);
			if (parties[i] == FERRY_BULK_TX)
				ferry_bulk_poll(out);
			else
				ferry_bulk_ready(in, NULL);
			assert_true(seen.len > 0);
			assert_int_equal(seen.place, place);
			assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
			ferry_bulk_close(out);
			assert_int_equal(ferry_bulk_release(in, 0), 0);
		}
	}
	rig_stop(&rig);
}

static uint16_t
failing_copy(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	return jobs[0].src == data ? 0 : seeing_copy(lane, jobs, n);
}

/* Not even for one call. */
static void
a_copy_that_fails_does_not_hold_up_the_next_message(void **state)
{
	const struct ferry_bulk_options options = { .by = FERRY_BULK_TX };
	const struct iovec iov[] = { { data, 5000 }, { data + 5000, 5000 } };
	struct ferry_copy_driver driver;
	struct ferry_bulk_out *out[2];
	struct ferry_bulk_stats stats;
	struct ferry_bulk_in *in[2];
	struct rig rig;
	int i;

	(void)state;
	rig_start(&rig, 256, 4);
	driver = *rig.copier.lanes[0].lane->drv;
	driver.copy = failing_copy;
	rig.copier.lanes[0].lane->drv = &driver;
	for (i = 0; i < 2; i++) {
		assert_int_equal(ferry_bulk_send(rig.tx, &iov[i], 1, &options,
			&out[i]), 1);
		in[i] = rig_bulk_accept(&rig);
	}
	ferry_bulk_poll(out[0]);
	ferry_bulk_tx_stats(rig.tx, &stats);
	assert_int_equal(stats.copied, 5000);
	assert_int_equal(ferry_bulk_poll(out[0]), -EIO);
	assert_int_equal(ferry_bulk_poll(out[1]), 1);
	for (i = 0; i < 2; i++) {
		ferry_bulk_close(out[i]);
		assert_int_equal(ferry_bulk_release(in[i], 0), 0);
	}
	rig_stop(&rig);
}

static uint16_t
failing_out_copy(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	return (uintptr_t)jobs[0].dst - (uintptr_t)to < sizeof(to) ? 0 :
		seeing_copy(lane, jobs, n);
}

/* Even if all of it has come that far: its producer knows it as whole then. */
static void
a_window_that_cannot_be_emptied_ends_its_message(void **state)
{
	const struct iovec dst = { to, sizeof(to) };
	struct ferry_copy_driver driver;
	struct ferry_bulk_stats stats;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	struct rig rig;
	int whole;

	(void)state;
	for (whole = 0; whole < 2; whole++) {
		alarm(SECONDS);
		rig_start(&rig, 256, 4);
		rig_be_apart(&rig);
		rig.memory.reach = reach_but_payload;
		driver = *rig.copier.lanes[0].lane->drv;
		driver.copy = failing_out_copy;
		rig.copier.lanes[0].lane->drv = &driver;
		out = rig_bulk_send(&rig, data, sizeof(data), FERRY_BULK_TX);
		assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
		assert_int_equal(ferry_bulk_accept(rig.rx, &msg, &dst, 1,
			&in), 0);
		if (whole)
			assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
		else
			ferry_bulk_poll(out);
		assert_int_equal(ferry_bulk_await(in, sizeof(to), UINT64_MAX),
			-EIO);
		assert_int_equal(ferry_bulk_poll(out), whole ? 1 : -EIO);
		ferry_bulk_rx_stats(rig.rx, &stats);
		assert_int_equal(stats.msgs, 0);
		ferry_bulk_close(out);
		assert_int_equal(ferry_bulk_release(in, 0), 0);
		ferry_bulk_rx_stats(rig.rx, &stats);
		assert_int_equal(stats.aborted, 1);
		assert_int_equal(rig.n_holds, 0);
		assert_int_equal(rig.n_pieces, 0);
		rig_stop(&rig);
		alarm(0);
	}
}

/* No party is late by more than a part of 64. */
static void
a_message_of_middle_length_has_64_units(void **state)
{
	uint64_t unit;

	(void)state;
	for (unit = 16 * KIB; unit <= 256 * KIB; unit *= 2) {
		assert_int_equal(ferry_bulk_unit(64 * unit), unit);
		assert_int_equal(ferry_bulk_unit(64 * unit - 1), unit);
		assert_int_equal(ferry_bulk_unit(64 * unit + 1),
			RTE_MIN(2 * unit, 256 * KIB));
	}
	assert_int_equal(ferry_bulk_unit(1), 16 * KIB);
	assert_int_equal(ferry_bulk_unit(2048 * 256 * KIB), 256 * KIB);
	assert_int_equal(ferry_bulk_unit(2048 * 256 * KIB + 1), 512 * KIB);
}

/* To begin a copy costs more than to copy a unit. */
static void
who_copies_alone_claims_many_units_at_once(void **state)
{
	const struct ferry_bulk_options options = { .by = FERRY_BULK_TX };
	/* Short: nearly all at once. Longer: ever smaller parts of the rest. */
	const struct iovec iov[] = {
		{ data, 400 * KIB }, { data, 400 * KIB }, { data, 224 * KIB },
	};
	static const uint32_t units[] = { 25, 50, 64 };
	struct ferry_bulk_stats stats;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct rig rig;
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(units); i++) {
		rig_start(&rig, 256, 4);
		assert_int_equal(ferry_bulk_send(rig.tx, iov, i + 1, &options,
			&out), 1);
		in = rig_bulk_accept(&rig);
		assert_int_equal(ferry_bulk_n_units(ferry_bulk_len(in)),
			units[i]);
		assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
		ferry_bulk_tx_stats(rig.tx, &stats);
		assert_int_equal(stats.copied, ferry_bulk_len(in));
		assert_in_range(stats.claims, 1, 10);
		ferry_bulk_close(out);
		assert_int_equal(ferry_bulk_release(in, 0), 0);
		rig_stop(&rig);
	}
}

static void
no_more_is_lent_than_there_are_places(void **state)
{
	struct iovec back[FERRY_BULK_BLOCKS];
	struct rig rig;
	unsigned int i;

	(void)state;
	rig_start(&rig, 256, 4);
	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		assert_int_equal(ferry_bulk_lend(rig.rx, to + 64 * i, 64), 0);
	assert_int_equal(ferry_bulk_lend(rig.rx, to + 64 * i, 64), -ENOBUFS);
	assert_int_equal(ferry_bulk_unlend(rig.rx, back), FERRY_BULK_BLOCKS);
	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		assert_ptr_equal(back[i].iov_base, to + 64 * i);
	rig_stop(&rig);
}

/* Who still has a handle is told of its message, whatever was sent since. */
static void
a_block_is_used_again_when_both_ends_are_done_with_it(void **state)
{
	struct ferry_bulk_out *out, *next;
	struct ferry_bulk_in *in;
	struct rig rig;

	(void)state;
	rig_start(&rig, 256, 4);
	out = rig_bulk_send(&rig, data, 5000, FERRY_BULK_RX);
	in = rig_bulk_accept(&rig);
	assert_int_equal(ferry_bulk_await(in, UINT64_MAX, UINT64_MAX), 0);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	next = rig_bulk_send(&rig, data, 5000, FERRY_BULK_RX);
	assert_int_equal(ferry_bulk_poll(out), 1);
	in = rig_bulk_accept(&rig);
	assert_int_equal(ferry_bulk_await(in, UINT64_MAX, UINT64_MAX), 0);
	assert_int_equal(ferry_bulk_poll(out), 1);
	assert_int_equal(ferry_bulk_wait(next, UINT64_MAX), 0);
	ferry_bulk_close(out);
	ferry_bulk_close(next);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	rig_stop(&rig);
}

/* A message that a test brings to its end: by whom the producer let it be
 * copied. With both ends it takes long. */
static uint32_t
pass_one(struct rig *rig)
{
	struct ferry_bulk_out *out = rig_bulk_send(rig, data, 5000, 0);
	struct ferry_bulk_in *in = rig_bulk_accept(rig);
	uint32_t i, by = 0;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		if (chan_bulk(rig->ch)[i].released !=
				chan_bulk(rig->ch)[i].gen)
			by = chan_bulk(rig->ch)[i].by;
	if (by == (FERRY_BULK_TX | FERRY_BULK_RX))
		usleep(30000);
	while (ferry_bulk_poll(out) == 0)
		ferry_bulk_ready(in, NULL);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	return by;
}

static void
a_producer_learns_who_copies_a_lone_message_best(void **state)
{
	const uint32_t both = FERRY_BULK_TX | FERRY_BULK_RX;
	struct ferry_bulk_out *out[2];
	uint32_t by = both, slow = 0;
	struct rig rig;
	int i;

	(void)state;
	rig_start(&rig, 256, 4);
	for (i = 0; i < 20 && by == both; i++)
		by = pass_one(&rig);
	assert_true(by != both);
	/* Beside another one is another matter, of which nothing is known. */
	out[0] = rig_bulk_send(&rig, data, 5000, 0);
	out[1] = rig_bulk_send(&rig, data, 5000, 0);
	assert_true(chan_bulk(rig.ch)[0].by != both);
	assert_int_equal(chan_bulk(rig.ch)[1].by, both);
	for (i = 0; i < 2; i++) {
		struct ferry_bulk_in *in = rig_bulk_accept(&rig);

		while (ferry_bulk_poll(out[i]) == 0)
			ferry_bulk_ready(in, NULL);
		assert_int_equal(ferry_bulk_release(in, 0), 0);
	}
	for (i = 0; i < 2; i++)
		ferry_bulk_close(out[i]);
	/* What took long is hardly tried again. */
	for (i = 0; i < 40; i++)
		slow += pass_one(&rig) == both;
	assert_in_range(slow, 0, 10);
	rig_stop(&rig);
}

/* Each end watches the process of the other one as soon as a message begins. A
 * daemon has closed its input, so that the first descriptor is 0. */
static void
ends_that_are_stopped_leave_no_file_open(void **state)
{
	const int input = fcntl(STDIN_FILENO, F_DUPFD, 3);
	struct ferry_process *other = mmap(NULL, sizeof(*other), PROT_READ |
			PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t before;
	struct ferry_bulk_out *out;
	struct rig rig;
	int status;
	pid_t pid;

	(void)state;
	assert_true(other != MAP_FAILED);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ferry_process_self(other);
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	close(STDIN_FILENO);
	before = ferry_test_entries(getpid(), "fd");
	rig_start(&rig, 256, 4);
	rig_be_apart(&rig);
	rig_set_process(&rig.ch->tx, other);
	rig_set_process(&rig.ch->rx, other);
	out = rig_bulk_send(&rig, data, 5000, FERRY_BULK_ENGINE);
	rig_bulk_accept(&rig);
	assert_int_equal(ferry_test_entries(getpid(), "fd"), before + 1);
	ferry_bulk_poll(out);
	assert_int_equal(ferry_test_entries(getpid(), "fd"), before + 2);
	ferry_tx_stop(rig.tx);
	ferry_rx_stop(rig.rx);
	rig.tx = NULL;
	rig.rx = NULL;
	assert_int_equal(ferry_test_entries(getpid(), "fd"), before);
	rig_stop(&rig);
	if (input >= 0) {
		dup2(input, STDIN_FILENO);
		close(input);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	munmap(other, sizeof(*other));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_end_without_bulk_messages_has_counted_none),
		cmocka_unit_test(pieces_end_up_in_other_pieces),
		cmocka_unit_test(a_window_is_emptied_into_pieces),
		cmocka_unit_test(who_gets_no_memory_is_told_why),
		cmocka_unit_test(
			a_window_whose_message_ended_early_is_done_with),
		cmocka_unit_test(a_window_that_cannot_be_ends_its_message),
		cmocka_unit_test(a_message_wakes_its_consumer),
		cmocka_unit_test(a_consumer_is_woken_for_what_it_waits_for),
		cmocka_unit_test(the_producer_says_where_the_bytes_are_put),
		cmocka_unit_test(
			a_copy_that_fails_does_not_hold_up_the_next_message),
		cmocka_unit_test(
			a_window_that_cannot_be_emptied_ends_its_message),
		cmocka_unit_test(a_message_of_middle_length_has_64_units),
		cmocka_unit_test(who_copies_alone_claims_many_units_at_once),
		cmocka_unit_test(no_more_is_lent_than_there_are_places),
		cmocka_unit_test(
			a_block_is_used_again_when_both_ends_are_done_with_it),
		cmocka_unit_test(
			a_producer_learns_who_copies_a_lone_message_best),
		cmocka_unit_test(ends_that_are_stopped_leave_no_file_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
