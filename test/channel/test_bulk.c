/* SPDX-License-Identifier: BSD-3-Clause */

/* Bulk messages between two ends of one thread: what each call says when. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
		assert_int_equal(ferry_bulk_wait(out, 0), 0);
		assert_int_equal(rig.n_holds, 0);
		ferry_bulk_close(out);
		assert_int_equal(ferry_bulk_release(in, 0), 0);
		assert_int_equal(rig.n_pieces, 0);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_arrives_whole),
		cmocka_unit_test(scattered_pieces_end_up_in_other_pieces),
		cmocka_unit_test(an_engine_copies_when_both_ends_only_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
