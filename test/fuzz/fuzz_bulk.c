/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Bulk messages: the input scribbles over blocks, their sides and units, and
 * lent buffers, while messages are sent, accepted, copied by both ends and an
 * engine, cancelled and released. Ends and engine read and write no memory but
 * the shared area.
 */

#include <errno.h>

#include "live.h"

/* Mostly what bulk messages are made of. */
#define PARTS (LIVE_BIT(LIVE_BLOCKS) | LIVE_BIT(LIVE_GRANTS) | \
	LIVE_BIT(LIVE_CELLS))
#define MORE (PARTS | LIVE_ENDS | LIVE_BIT(LIVE_HEAD) | \
	LIVE_BIT(LIVE_BELLS) | LIVE_BIT(LIVE_BOARDS))
#define OUTS 3
#define INS 3

struct bulk {
	struct live *l;
	struct ferry_bulk_out *outs[OUTS];
	uint32_t n_outs;
	struct ferry_bulk_in *ins[INS];
	uint32_t n_ins;
};

static bool
ended(int ret)
{
	return ret == -EALREADY || ret == -EMSGSIZE || ret == -ENOBUFS ||
		live_documented(ret);
}

static void
send(struct bulk *b, struct fuzz_in *in)
{
	const uint8_t how = fuzz_u8(in);
	/* Each unit is copied in a microsecond or two. */
	const uint64_t len = 1 + (how & 1 ? fuzz_u16(in) :
			fuzz_u8(in));
	const struct ferry_bulk_options options = {
		.tag = how, .by = how & 0xe,
	};
	uint8_t *from = how & 16 ? b->l->own : b->l->area;
	struct iovec iov[2] = {
		{ from, len }, { from + LIVE_AREA / 4, 1 + how },
	};
	int ret;

	if (b->n_outs == OUTS)
		return;
	ret = ferry_bulk_send(b->l->rig.tx, iov, 1 + (how >> 7), &options,
			&b->outs[b->n_outs]);
	live_check_result(ret, 1);
	b->n_outs += ret == 1;
}

/* One look at, or the end of, a message at its producer. */
static void
out(struct bulk *b, struct fuzz_in *in)
{
	const uint8_t what = fuzz_u8(in);
	struct ferry_bulk_out *o;
	uint32_t i;
	int ret;

	if (b->n_outs == 0)
		return;
	i = what % b->n_outs;
	o = b->outs[i];
	if (what < 100)
		ret = ferry_bulk_poll(o);
	else if (what < 180)
		ret = ferry_bulk_wait(o, 0);
	else
		ret = ferry_bulk_cancel(o, 0);
	fuzz_check(ret == 0 || ret == 1 || ended(ret));
}

static void
accept(struct bulk *b, struct fuzz_in *in)
{
	struct live *l = b->l;
	const uint8_t how = fuzz_u8(in);
	struct iovec iov = { l->area + LIVE_AREA / 2 + LIVE_AREA / 4,
		LIVE_AREA / 4 };
	struct ferry_msg *msg;
	int ret;

	if (l->n_held == 0)
		live_receive(l, 1);
	if (l->n_held == 0)
		return;
	msg = &l->held[l->n_held - 1];
	if (!ferry_msg_is_bulk(msg) || b->n_ins == INS) {
		live_release(l, in);
		return;
	}
	if (how & 2)
		iov.iov_base = l->own + LIVE_AREA / 2;
	ret = ferry_bulk_accept(l->rig.rx, msg, how & 1 ? &iov : NULL,
			how & 1, &b->ins[b->n_ins]);
	fuzz_check(ret == 0 || ended(ret));
	if (ret == 0) {
		b->n_ins++;
		l->n_held--;
	} else {
		live_release(l, in);
	}
}

/* One look at, or the end of, a message at its consumer. */
static void
in_one(struct bulk *b, struct fuzz_in *in)
{
	const uint8_t what = fuzz_u8(in);
	struct ferry_bulk_in *i;
	uint32_t at;
	int ret = 0;

	if (b->n_ins == 0)
		return;
	at = what % b->n_ins;
	i = b->ins[at];
	if (what < 80) {
		fuzz_check(ferry_bulk_ready(i, &ret) <= ferry_bulk_len(i));
		fuzz_check(ret == 0 || ret == 1 || ended(ret));
	} else if (what < 160) {
		ret = ferry_bulk_await(i, fuzz_u16(in), 0);
		fuzz_check(ret == 0 || ended(ret));
	} else {
		ret = ferry_bulk_release(i, 0);
		fuzz_check(ret == 0 || ended(ret));
		if (ret != -ETIMEDOUT)
			b->ins[at] = b->ins[--b->n_ins];
	}
}

static void
lend(struct bulk *b, struct fuzz_in *in)
{
	struct iovec bufs[FERRY_BULK_BLOCKS];
	const uint8_t how = fuzz_u8(in);
	unsigned int n, i;

	if (how & 1) {
		uint8_t *at = b->l->area + LIVE_AREA / 2 + (how >> 1) * 64;

		fuzz_check(ended(ferry_bulk_lend(b->l->rig.rx, at,
			1 + fuzz_u16(in))) || true);
		return;
	}
	n = ferry_bulk_unlend(b->l->rig.rx, bufs);
	fuzz_check(n <= FERRY_BULK_BLOCKS);
	/* What was lent comes back, not what stands in the channel. */
	for (i = 0; i < n; i++)
		fuzz_check((uint8_t *)bufs[i].iov_base >= b->l->area &&
			(uint8_t *)bufs[i].iov_base + bufs[i].iov_len <=
			b->l->area + LIVE_AREA);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct bulk b = { .l = live_begin() };
	int i;

	live_serve(b.l);
	for (i = 0; i < LIVE_OPS && in.left > 0; i++) {
		switch (fuzz_below(&in, 10)) {
		case 0:
			live_scribble(b.l, &in, PARTS);
			break;
		case 1:
			live_scribble(b.l, &in, MORE);
			break;
		case 2:
			send(&b, &in);
			break;
		case 3:
			out(&b, &in);
			break;
		case 4:
		case 5:
			accept(&b, &in);
			break;
		case 6:
			in_one(&b, &in);
			break;
		case 7:
			lend(&b, &in);
			break;
		default:
			ferry_server_poll(&b.l->engine.server);
			break;
		}
	}
	live_end(b.l, &in);
	return 0;
}
