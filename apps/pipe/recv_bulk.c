/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Receiving blocks. The sender, the receiver or an engine of the hub copies a
 * block to memory of the receiver's endpoint. The receiver writes the front of
 * a block while the rest of it is being copied.
 */

#include <errno.h>
#include <inttypes.h>

#include <rte_common.h>

#include "app_eal.h"
#include "recv.h"

/* Bytes that the receiver waits for and then writes at once. */
#define STEP (UINT64_C(1) << 20)

static int
accept_one(struct receiver *r, struct waiting *w)
{
	int ret;

	if (w->in != NULL)
		return 0;
	ret = ferry_bulk_accept(r->rx, &w->msg, NULL, 0, &w->in);
	r->accepted += ret == 0;
	return ret;
}

void
recv_blocks_accept(struct receiver *r)
{
	struct waiting *w;
	unsigned int i;

	for (i = r->done; i != r->received && r->accepted < PIPE_BLOCKS; i++) {
		w = &r->waiting[i % WAITING_MAX];
		/* recv_block() tries again and reports the failure. */
		if (ferry_msg_is_bulk(&w->msg) && accept_one(r, w) != 0)
			break;
	}
}

static int
await(const struct receiver *r, struct ferry_bulk_in *in, uint64_t bytes)
{
	int ret;

	do {
		ret = ferry_bulk_await(in, bytes, PIPE_TICK_NS);
	} while (ret == -ETIMEDOUT && !pipe_stop &&
			ferry_rx_peer(r->rx) != FERRY_END_HUB_GONE);
	return ret;
}

/* Write each STEP bytes of a block as soon as they have arrived. */
static int
write_block(struct receiver *r, struct ferry_bulk_in *in)
{
	const uint8_t *data = ferry_bulk_data(in);
	const uint64_t len = ferry_bulk_len(in);
	uint64_t at, step;
	int ret;

	for (at = 0; at < len; at += step) {
		step = RTE_MIN(STEP, len - at);
		/* Accept blocks so that others copy them during the write. */
		recv_look(r);
		ret = await(r, in, at + step);
		if (ret != 0)
			return recv_explain(r, ret);
		ret = recv_write(r, data + at, step);
		if (ret != 0)
			return ret;
		progress_add(&r->progress, step, at + step == len);
	}
	return 0;
}

int
recv_block(struct receiver *r, struct waiting *w)
{
	int ret;

	/* Try again while the hub is stopped and therefore does not answer. */
	do {
		ret = accept_one(r, w);
	} while (ret == -ETIMEDOUT && !pipe_stop);
	if (ret == FERRY_E_NO_ROOM) {
		app_error("the hub has no memory for a block of %" PRIu64
			" KiB: more --memory there, or a smaller --block at "
			"the sender", ferry_bulk_msg_len(&w->msg) >> 10);
		return ret;
	}
	if (ret != 0)
		return recv_explain(r, ret);
	if (!r->begun || r->complete || ferry_bulk_tag(w->in) != PIPE_DATA) {
		app_error("what arrives is not from ferry-pipe send");
		return -EPROTO;
	}
	ret = write_block(r, w->in);
	/* Needs no wait for copies, because the memory is the endpoint's. */
	ferry_bulk_release(w->in, 0);
	r->accepted--;
	return ret;
}
