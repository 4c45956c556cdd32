/* SPDX-License-Identifier: BSD-3-Clause */

/* Bulk messages between two ends of one thread: what each call returns at each
 * stage of a message. */

#include <errno.h>
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

#include "chan_rig.h"
#include "ferry_bulk.h"
#include "ferry_claim.h"
#include "ferry_test.h"

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1) << 20)

static struct ferry_bulk_out *
send_one(struct rig *rig, void *data, uint64_t len, uint32_t tag)
{
	const struct ferry_bulk_options options = { .tag = tag };
	const struct iovec iov = { data, len };
	struct ferry_bulk_out *out = NULL;

	assert_int_equal(ferry_bulk_send(rig->tx, &iov, 1, &options, &out), 1);
	assert_non_null(out);
	return out;
}

static struct ferry_bulk_in *
accept_one(struct rig *rig, uint64_t len, uint32_t tag)
{
	struct ferry_bulk_in *in = NULL;
	struct ferry_msg msg;

	assert_int_equal(ferry_rx_recv(rig->rx, &msg, 1), 1);
	assert_true(ferry_msg_is_bulk(&msg));
	assert_int_equal(msg.tag, tag);
	assert_int_equal(ferry_bulk_msg_len(&msg), len);
	assert_int_equal(ferry_bulk_accept(rig->rx, &msg, NULL, 0, &in), 0);
	assert_int_equal(ferry_bulk_len(in), len);
	assert_int_equal(ferry_bulk_tag(in), tag);
	return in;
}

static void
a_message_arrives_whole(void **state)
{
	static const uint64_t lens[] = { 1, 4095, 64 * KIB, 64 * KIB + 1,
		MIB - 1, MIB, 5 * MIB + 123, 40 * MIB };
	struct rig rig;
	unsigned int i;

	(void)state;
	rig_start(&rig, 256, 4);
	for (i = 0; i < RTE_DIM(lens); i++) {
		uint8_t *data = malloc(lens[i]);
		struct ferry_bulk_out *out;
		struct ferry_bulk_in *in;
		int ended;

		ferry_test_fill(data, lens[i], i);
		out = send_one(&rig, data, lens[i], rig_tag(i));
		assert_int_equal(ferry_bulk_poll(out), 0);
		in = accept_one(&rig, lens[i], rig_tag(i));
		assert_int_equal(ferry_bulk_await(in, UINT64_MAX, UINT64_MAX),
			0);
		assert_int_equal(ferry_bulk_ready(in, &ended), lens[i]);
		assert_int_equal(ended, 1);
		assert_int_equal(ferry_test_check(ferry_bulk_data(in), lens[i],
			i), -1);
		assert_int_equal(ferry_bulk_poll(out), 1);
		/* No engine was told of it: there is none. */
		assert_int_equal(rig.ch->service.bulk, 0);
		assert_int_equal(ferry_bulk_wait(out, 0), 0);
		assert_int_equal(rig.n_holds, 0);
		assert_int_equal(ferry_tx_drain(rig.tx, 0), -ETIMEDOUT);
		assert_int_equal(ferry_bulk_release(in, 0), 0);
		assert_int_equal(rig.n_pieces, 0);
		/* Consumed, whatever the producer still has of it. */
		assert_int_equal(ferry_tx_drain(rig.tx, 0), 0);
		ferry_bulk_close(out);
		free(data);
	}
	rig_stop(&rig);
}

static void
scattered_pieces_end_up_in_other_pieces(void **state)
{
	const uint64_t len = 3 * MIB + 17;
	uint8_t *data = malloc(len), *to = calloc(1, len + 64);
	struct iovec src[5], dst[3];
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	struct rig rig;

	(void)state;
	rig_start(&rig, 256, 4);
	ferry_test_fill(data, len, 3);
	src[0] = (struct iovec) { data, 1 };
	src[1] = (struct iovec) { NULL, 0 };
	src[2] = (struct iovec) { data + 1, 70000 };
	src[3] = (struct iovec) { data + 70001, MIB };
	src[4] = (struct iovec) { data + 70001 + MIB, len - 70001 - MIB };
	dst[0] = (struct iovec) { to, 2 * MIB + 1 };
	dst[1] = (struct iovec) { to + 2 * MIB + 1, 3 };
	dst[2] = (struct iovec) { to + 2 * MIB + 4, len - 2 * MIB - 4 + 9 };
	assert_int_equal(ferry_bulk_send(rig.tx, src, 5, NULL, &out), 1);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, dst, 2, &in),
		-EMSGSIZE);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, dst, 3, &in), 0);
	assert_null(ferry_bulk_data(in));
	assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
	assert_int_equal(ferry_bulk_await(in, len, 0), 0);
	assert_int_equal(ferry_test_check(to, len, 3), -1);
	assert_int_equal(to[len], 0);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	rig_stop(&rig);
	free(data);
	free(to);
}

static void
an_engine_copies_when_both_ends_only_look(void **state)
{
	const uint64_t len = 20 * MIB;
	const struct ferry_bulk_options options = { .by = FERRY_BULK_ENGINE };
	uint8_t *data = malloc(len);
	const struct iovec iov = { data, len };
	struct ferry_bulk_stats stats;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct rig_engine e;
	struct rig rig;

	(void)state;
	rig_start_post(&rig, 256, 4, 1);
	rig_engine_make(&rig, &e, 0);
	assert_int_equal(rig_serve(&rig, &e), 0);
	ferry_test_fill(data, len, 1);
	assert_int_equal(ferry_bulk_send(rig.tx, &iov, 1, &options, &out), 1);
	in = accept_one(&rig, len, 0);
	while (ferry_bulk_await(in, len, 0) == -ETIMEDOUT)
		ferry_server_poll(&e.server);
	assert_int_equal(ferry_test_check(ferry_bulk_data(in), len, 1), -1);
	assert_int_equal(ferry_bulk_wait(out, 0), 0);
	ferry_bulk_tx_stats(rig.tx, &stats);
	assert_int_equal(stats.copied, 0);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	rig_leave(&rig, &e);
	rig_engine_free(&e);
	rig_stop(&rig);
	free(data);
}

static void
a_lent_buffer_is_filled_before_the_message_is_seen(void **state)
{
	uint8_t *data = malloc(MIB), *to = malloc(MIB);
	struct iovec back[FERRY_BULK_BLOCKS];
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	const struct iovec elsewhere = { data, MIB };
	struct ferry_msg msg;
	struct rig rig;

	(void)state;
	rig_start(&rig, 256, 4);
	ferry_test_fill(data, MIB, 2);
	assert_int_equal(ferry_bulk_lend(rig.rx, to, 0), -EINVAL);
	assert_int_equal(ferry_bulk_lend(rig.rx, to, MIB), 0);
	/* One that does not fit goes elsewhere. */
	{
		uint8_t *more = malloc(MIB + 1);

		ferry_test_fill(more, MIB + 1, 3);
		out = send_one(&rig, more, MIB + 1, 7);
		in = accept_one(&rig, MIB + 1, 7);
		assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
		assert_ptr_not_equal(ferry_bulk_data(in), to);
		ferry_bulk_close(out);
		assert_int_equal(ferry_bulk_release(in, 0), 0);
		free(more);
	}
	out = send_one(&rig, data, MIB, 8);
	/* The consumer has not received the message. */
	assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
	assert_int_equal(ferry_test_check(to, MIB, 2), -1);
	assert_int_equal(ferry_bulk_unlend(rig.rx, back), 0);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, &elsewhere, 1, &in),
		-EBUSY);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, NULL, 0, &in), 0);
	assert_ptr_equal(ferry_bulk_data(in), to);
	assert_int_equal(ferry_bulk_await(in, MIB, 0), 0);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	/* It is the caller's, and is not used again. */
	out = send_one(&rig, data, MIB, 9);
	in = accept_one(&rig, MIB, 9);
	assert_ptr_not_equal(ferry_bulk_data(in), to);
	assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	rig_stop(&rig);
	assert_int_equal(rig.n_pieces, 0);
	free(data);
	free(to);
}

static void
lent_buffers_are_given_back(void **state)
{
	struct iovec back[FERRY_BULK_BLOCKS];
	uint8_t bufs[FERRY_BULK_BLOCKS + 1][64];
	struct ferry_bulk_out *out;
	struct ferry_msg msg;
	struct rig rig;
	unsigned int i;

	(void)state;
	rig_start(&rig, 256, 4);
	assert_int_equal(ferry_bulk_unlend(rig.rx, back), 0);
	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		assert_int_equal(ferry_bulk_lend(rig.rx, bufs[i], 64), 0);
	assert_int_equal(ferry_bulk_lend(rig.rx, bufs[i], 64), -ENOBUFS);
	assert_int_equal(ferry_bulk_unlend(rig.rx, back), FERRY_BULK_BLOCKS);
	for (i = 0; i < FERRY_BULK_BLOCKS; i++) {
		assert_ptr_equal(back[i].iov_base, bufs[i]);
		assert_int_equal(back[i].iov_len, 64);
	}
	/* A refused message's buffer stays lent. */
	assert_int_equal(ferry_bulk_lend(rig.rx, bufs[0], 64), 0);
	out = send_one(&rig, bufs[1], 64, 1);
	assert_int_equal(ferry_bulk_unlend(rig.rx, back), 0);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_rx_release(rig.rx, &msg, 1), 0);
	assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), FERRY_E_REFUSED);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_unlend(rig.rx, back), 1);
	assert_ptr_equal(back[0].iov_base, bufs[0]);
	rig_stop(&rig);
}

/* Private memory of one of the ends. */
static struct iovec own[2];

static enum ferry_reach
reach_but_own(void *arg, const void *mem, uint64_t len)
{
	unsigned int i;

	(void)arg;
	(void)len;
	for (i = 0; i < RTE_DIM(own); i++)
		if ((uintptr_t)mem - (uintptr_t)own[i].iov_base <
				own[i].iov_len)
			return FERRY_REACH_PRIVATE;
	return FERRY_REACH_ALL;
}

/* As if the ends were in two processes, and all memory but the endpoint's
 * private. process_vm_readv() fails, because no process has the pid. */
static void
private_to_private_goes_through_a_window(void **state)
{
	static const uint64_t lens[] = { 100, 16 * KIB, 3 * MIB + 1,
		17 * MIB + 5 };
	struct ferry_bulk_stats stats;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	struct rig rig;
	unsigned int i;

	(void)state;
	rig_start(&rig, 256, 4);
	rig.memory.reach = reach_but_own;
	rig_be_stranger(&rig.ch->tx);
	for (i = 0; i < RTE_DIM(lens); i++) {
		uint8_t *data = malloc(lens[i]), *to = malloc(lens[i] + 64);
		const struct iovec iov = { to, lens[i] + 64 };

		own[0] = (struct iovec) { data, lens[i] };
		own[1] = iov;
		ferry_test_fill(data, lens[i], i);
		memset(to, 0x55, lens[i] + 64);
		out = send_one(&rig, data, lens[i], i);
		assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
		assert_int_equal(ferry_bulk_accept(rig.rx, &msg, &iov, 1, &in),
			0);
		assert_ptr_equal(ferry_bulk_data(in), to);
		assert_int_equal(rig.n_pieces, 1);
		while (ferry_bulk_poll(out) == 0)
			ferry_bulk_ready(in, NULL);
		assert_int_equal(ferry_bulk_await(in, lens[i], UINT64_MAX), 0);
		assert_int_equal(ferry_test_check(to, lens[i], i), -1);
		assert_int_equal(to[lens[i]], 0x55);
		ferry_bulk_close(out);
		assert_int_equal(ferry_bulk_release(in, 0), 0);
		assert_int_equal(rig.n_pieces, 0);
		free(data);
		free(to);
	}
	ferry_bulk_rx_stats(rig.rx, &stats);
	assert_int_equal(stats.msgs, RTE_DIM(lens));
	assert_int_equal(stats.private_msgs, RTE_DIM(lens));
	assert_int_equal(stats.window_bytes, stats.bytes);
	assert_int_equal(stats.vm_bytes, 0);
	rig_stop(&rig);
}

/*
 * A process that stands still. Its memory is a copy of this one's, at the same
 * addresses, but for a hole, and for its token.
 */
static struct ferry_process
stranger_start(void *hole, size_t hole_len)
{
	struct ferry_process *shared = mmap(NULL, sizeof(*shared), PROT_READ |
			PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct ferry_process self;
	int status;
	pid_t pid;

	assert_true(shared != MAP_FAILED);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ferry_process_self(shared);
		if (hole_len > 0)
			munmap(hole, hole_len);
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	self = *shared;
	assert_int_equal(self.pid, pid);
	munmap(shared, sizeof(*shared));
	return self;
}

static void
stranger_end(const struct ferry_process *stranger)
{
	int status;

	kill(stranger->pid, SIGKILL);
	assert_int_equal(waitpid(stranger->pid, &status, 0), stranger->pid);
}

/* The same, but this process may read its own memory as another's. */
static void
private_memory_is_read_by_the_consumer(void **state)
{
	const uint64_t len = 5 * MIB + 3;
	uint8_t *data = malloc(len), *to = malloc(len);
	const struct iovec iov = { to, len };
	struct ferry_bulk_stats stats;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	struct rig rig;
	struct ferry_process stranger;

	(void)state;
	ferry_test_fill(data, len, 6);
	stranger = stranger_start(NULL, 0);
	rig_start(&rig, 256, 4);
	rig.memory.reach = rig_reach_none;
	rig_set_process(&rig.ch->tx, &stranger);
	out = send_one(&rig, data, len, 0);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, &iov, 1, &in), 0);
	assert_int_equal(rig.n_pieces, 0);
	assert_int_equal(ferry_bulk_await(in, len, UINT64_MAX), 0);
	assert_int_equal(ferry_test_check(to, len, 6), -1);
	ferry_bulk_rx_stats(rig.rx, &stats);
	assert_int_equal(stats.vm_bytes, len);
	assert_int_equal(stats.window_bytes, 0);
	assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), 0);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	rig_stop(&rig);
	stranger_end(&stranger);
	free(data);
	free(to);
}

/* Half of the source is no memory at all in its process. */
static void
private_memory_that_cannot_be_read_ends_the_message(void **state)
{
	const uint64_t len = 4 * MIB;
	uint8_t *data, *to = malloc(len);
	const struct iovec iov = { to, len };
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	struct rig rig;
	struct ferry_process stranger;

	(void)state;
	data = mmap(NULL, len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(data != MAP_FAILED);
	stranger = stranger_start(data + len / 2, len / 2);
	alarm(600);
	rig_start(&rig, 256, 4);
	rig.memory.reach = rig_reach_none;
	rig_set_process(&rig.ch->tx, &stranger);
	rig_set_process(&rig.ch->rx, &stranger);
	out = send_one(&rig, data, len, 0);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, &iov, 1, &in), 0);
	assert_int_equal(ferry_bulk_await(in, len, UINT64_MAX), -EIO);
	assert_int_equal(ferry_bulk_wait(out, UINT64_MAX), -EIO);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	rig_stop(&rig);
	alarm(0);
	stranger_end(&stranger);
	munmap(data, len);
	free(to);
}

/* More than 4 GiB: pieces that all lie in the same memory. */
static void
more_than_four_gib_arrive(void **state)
{
	const uint64_t piece = 160 * MIB, len = 27 * piece;
	uint8_t *data = malloc(piece), *to = malloc(piece);
	struct iovec src[27], dst[27];
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	struct rig rig;
	unsigned int i;

	(void)state;
	assert_true(len > UINT64_C(1) << 32);
	ferry_test_fill(data, piece, 5);
	for (i = 0; i < RTE_DIM(src); i++) {
		src[i] = (struct iovec) { data, piece };
		dst[i] = (struct iovec) { to, piece };
	}
	rig_start(&rig, 256, 4);
	assert_int_equal(ferry_bulk_send(rig.tx, src, RTE_DIM(src), NULL,
		&out), 1);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_msg_len(&msg), len);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, dst, RTE_DIM(dst),
		&in), 0);
	assert_int_equal(ferry_bulk_await(in, UINT64_C(1) << 32, UINT64_MAX),
		0);
	assert_true(ferry_bulk_ready(in, NULL) >= UINT64_C(1) << 32);
	assert_int_equal(ferry_bulk_await(in, len, UINT64_MAX), 0);
	assert_int_equal(ferry_test_check(to, piece, 5), -1);
	assert_int_equal(ferry_bulk_poll(out), 1);
	ferry_bulk_close(out);
	assert_int_equal(ferry_bulk_release(in, 0), 0);
	rig_stop(&rig);
	free(data);
	free(to);
}

static void
who_copies_the_last_of_it_wakes_a_producer_that_may_sleep(void **state)
{
	static uint8_t data[300000];
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_bell *bell;
	struct rig rig;
	unsigned int may;

	(void)state;
	for (may = 0; may < 2; may++) {
		rig_start(&rig, 256, 4);
		bell = &rig.bells[rig.ch->tx.endpoint];
		out = send_one(&rig, data, sizeof(data), 1);
		in = accept_one(&rig, sizeof(data), 1);
		rig.ch->tx.may_sleep = may;
		bell->state = FERRY_BELL_WATCHED;
		assert_int_equal(ferry_bulk_await(in, UINT64_MAX, UINT64_MAX),
			0);
		assert_int_equal(bell->state,
			may ? FERRY_BELL_AWAKE : FERRY_BELL_WATCHED);
		assert_int_equal(ferry_bulk_poll(out), 1);
		ferry_bulk_close(out);
		assert_int_equal(ferry_bulk_release(in, 0), 0);
		rig_stop(&rig);
	}
}

static void
eight_may_be_under_way(void **state)
{
	struct ferry_bulk_out *out[FERRY_BULK_BLOCKS], *more;
	struct ferry_bulk_in *in[FERRY_BULK_BLOCKS];
	static uint8_t data[40000];
	const struct iovec iov = { data, sizeof(data) };
	struct ferry_buf buf = { .data = data, .len = 20, .tag = 99 };
	struct ferry_msg msg;
	struct rig rig;
	unsigned int i;

	(void)state;
	rig_start(&rig, 256, 4);
	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		out[i] = send_one(&rig, data, sizeof(data), i);
	assert_int_equal(ferry_bulk_send(rig.tx, &iov, 1, NULL, &more), 0);
	assert_int_equal(ferry_bulk_tx_wait(rig.tx, 0), -ETIMEDOUT);
	/* What is small does not wait for them, and comes behind them. */
	assert_int_equal(ferry_tx_send(rig.tx, &buf, 1), 1);
	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		in[i] = accept_one(&rig, sizeof(data), i);
	assert_int_equal(ferry_rx_recv(rig.rx, &msg, 1), 1);
	assert_int_equal(msg.tag, 99);
	assert_int_equal(ferry_rx_release(rig.rx, &msg, 1), 0);
	assert_int_equal(ferry_tx_drain(rig.tx, 0), -ETIMEDOUT);
	/* From the last one on: each is there when it is waited for. */
	for (i = FERRY_BULK_BLOCKS; i-- > 0;)
		assert_int_equal(ferry_bulk_await(in[i], 1, UINT64_MAX), 0);
	for (i = 0; i < FERRY_BULK_BLOCKS; i++) {
		assert_int_equal(ferry_bulk_wait(out[i], UINT64_MAX), 0);
		ferry_bulk_close(out[i]);
	}
	assert_int_equal(ferry_bulk_send(rig.tx, &iov, 1, NULL, &more), 0);
	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		assert_int_equal(ferry_bulk_release(in[i], 0), 0);
	assert_int_equal(ferry_bulk_tx_wait(rig.tx, 0), 0);
	assert_int_equal(ferry_tx_drain(rig.tx, 0), 0);
	rig_stop(&rig);
}

static void
impossible_calls_are_refused(void **state)
{
	uint8_t data[64];
	struct iovec iov[FERRY_BULK_SEGS + 1];
	struct ferry_bulk_options options = { .place = FERRY_PLACES };
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_msg msg = { .id = 3 };
	struct rig rig;
	unsigned int i;

	(void)state;
	rig_start(&rig, 256, 4);
	for (i = 0; i < RTE_DIM(iov); i++)
		iov[i] = (struct iovec) { data, 1 };
	assert_int_equal(ferry_bulk_send(rig.tx, iov, RTE_DIM(iov), NULL,
		&out), -EINVAL);
	assert_int_equal(ferry_bulk_send(rig.tx, iov, 0, NULL, &out), -EINVAL);
	assert_int_equal(ferry_bulk_send(rig.tx, NULL, 1, NULL, &out),
		-EINVAL);
	assert_int_equal(ferry_bulk_send(rig.tx, iov, 1, &options, &out),
		-EINVAL);
	assert_int_equal(ferry_bulk_send(rig.tx, iov, 1, NULL, NULL), -EINVAL);
	iov[0].iov_len = 0;
	assert_int_equal(ferry_bulk_send(rig.tx, iov, 1, NULL, &out), -EINVAL);
	iov[0].iov_len = FERRY_BULK_MAX + 1;
	assert_int_equal(ferry_bulk_send(rig.tx, iov, 1, NULL, &out), -EINVAL);
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, NULL, 0, &in),
		-EINVAL);
	msg.id = FERRY_MSG_CELL | FERRY_MSG_BULK | 5;
	assert_int_equal(ferry_bulk_accept(rig.rx, &msg, NULL, 0, &in),
		-EINVAL);
	ferry_bulk_close(NULL);
	assert_int_equal(ferry_bulk_release(NULL, 0), 0);
	rig_stop(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_arrives_whole),
		cmocka_unit_test(scattered_pieces_end_up_in_other_pieces),
		cmocka_unit_test(an_engine_copies_when_both_ends_only_look),
		cmocka_unit_test(
			a_lent_buffer_is_filled_before_the_message_is_seen),
		cmocka_unit_test(lent_buffers_are_given_back),
		cmocka_unit_test(private_to_private_goes_through_a_window),
		cmocka_unit_test(private_memory_is_read_by_the_consumer),
		cmocka_unit_test(
			private_memory_that_cannot_be_read_ends_the_message),
		cmocka_unit_test(more_than_four_gib_arrive),
		cmocka_unit_test(
		who_copies_the_last_of_it_wakes_a_producer_that_may_sleep),
		cmocka_unit_test(eight_may_be_under_way),
		cmocka_unit_test(impossible_calls_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
