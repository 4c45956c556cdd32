/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ferry_test.h"
#include "post_bench.h"

void
bench_start(struct bench *b, uint32_t n_slots)
{
	memset(b, 0, sizeof(*b));
	b->payloads = calloc(PAYLOADS, SLOT);
	assert_non_null(b->payloads);
	rig_start_post(&b->rig, SLOT, n_slots, 1);
	rig_engine_make(&b->rig, &b->engine, 0);
	b->late.backwards = true;
	late_add(&b->engine.copier, &b->late);
	/* As ferry_tx_set_mode(), without the sleepers' barrier. */
	b->rig.ch->service.mode = FERRY_MODE_EFFICIENCY;
	b->rig.tx->end.mode = FERRY_MODE_EFFICIENCY;
	b->rig.rx->end.mode = FERRY_MODE_EFFICIENCY;
}

void
bench_serve(struct bench *b)
{
	assert_int_equal(rig_serve(&b->rig, &b->engine), 0);
}

void
bench_stop(struct bench *b)
{
	b->late.hold = false;
	if (b->rig.ch->service.server >= FERRY_SERVER_ENGINE)
		rig_leave(&b->rig, &b->engine);
	rig_stop(&b->rig);
	rig_engine_free(&b->engine);
	free(b->payloads);
}

struct ferry_buf
bench_buf(struct bench *b, uint32_t len)
{
	uint8_t *data = b->payloads[b->sent % PAYLOADS];

	b->len[b->sent % PAYLOADS] = len;
	rig_fill(data, len, b->sent);
	return (struct ferry_buf) { data, len, rig_tag(b->sent), 0 };
}

/* The next message, by a post or a send. */
static int
pass_on(struct bench *b, uint32_t len,
		int (*way)(struct ferry_tx *, const struct ferry_buf *,
			uint16_t))
{
	const struct ferry_buf buf = bench_buf(b, len);
	const int ret = way(b->rig.tx, &buf, 1);

	b->sent += ret == 1;
	return ret;
}

int
bench_post(struct bench *b, uint32_t len)
{
	return pass_on(b, len, ferry_tx_post);
}

int
bench_send(struct bench *b, uint32_t len)
{
	return pass_on(b, len, ferry_tx_send);
}

int
bench_receive(struct bench *b)
{
	struct ferry_msg msg;
	int ret;

	while ((ret = ferry_rx_recv(b->rig.rx, &msg, 1)) == 1) {
		rig_assert_msg(&msg, b->len[b->received % PAYLOADS],
			b->received);
		b->received++;
		assert_int_equal(ferry_rx_release(b->rig.rx, &msg, 1), 0);
	}
	return ret;
}

void
bench_serve_all(struct bench *b)
{
	while (ferry_server_pending(&b->engine.server, 0, true))
		ferry_server_poll(&b->engine.server);
}
