/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Hostile bytes in what a channel holds of its bulk messages, at any step of a
 * message. Neither ends nor engine crash, touch memory other than what they
 * share, or loop for ever. Ends and engine come to an end by themselves, and
 * return only results that their functions may return.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "chan_parts.h"
#include "chan_rig.h"
#include "ferry_bulk.h"
#include "ferry_claim.h"
#include "ferry_post.h"
#include "ferry_test.h"

#define CASES 4000
#define STEPS 40
#define LONGEST (UINT64_C(300) << 10)
/* Bytes of the memory that ends and engine share: sources, and destinations
 * behind them. A page without access stands before and behind it. */
#define AREA (UINT64_C(2) << 20)
#define PAGE UINT64_C(4096)
/* All cases together; a loop for ever takes longer. */
#define SECONDS 1000

struct bench {
	struct rig rig;
	struct rig_engine engine;
	/* Both ends and the engine are in one process, of which all know. */
	bool local;
	uint8_t *map;
	uint64_t used;
	uint64_t seed;
	uint64_t len;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
};

static uint64_t
pick(struct bench *b, uint64_t n)
{
	return ferry_test_random(&b->seed) % n;
}

static void
area_map(struct bench *b)
{
	b->map = mmap(NULL, PAGE + AREA + PAGE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(b->map != MAP_FAILED);
	assert_int_equal(mprotect(b->map + PAGE, AREA, PROT_READ | PROT_WRITE),
		0);
}

static void
area_unmap(struct bench *b)
{
	munmap(b->map, PAGE + AREA + PAGE);
}

static int
area_alloc(void *arg, uint64_t size, void **mem)
{
	struct bench *b = arg;

	size = RTE_ALIGN_CEIL(size, PAGE);
	if (size > AREA / 2 - b->used)
		return FERRY_E_NO_ROOM;
	*mem = b->map + PAGE + AREA / 2 + b->used;
	b->used += size;
	return 0;
}

static void
area_free(void *arg, void *mem)
{
	(void)arg;
	(void)mem;
}

static enum ferry_reach
area_reach(void *arg, const void *mem, uint64_t len)
{
	const struct bench *b = arg;
	const uint8_t *from = b->map + PAGE;
	const uint64_t at = (uintptr_t)mem - (uintptr_t)from;

	return at < AREA && len <= AREA - at ? FERRY_REACH_ALL :
		FERRY_REACH_PRIVATE;
}

/* Private memory of the consumer's, and of the producer's. */
static uint8_t own[LONGEST];
static uint8_t source[LONGEST];

static void
area_hold(void *arg, const void *mem, uint64_t len)
{
	/* An end holds what it was given, whatever stands in the block. */
	assert_true(area_reach(arg, mem, len) == FERRY_REACH_ALL ||
		(mem == own && len == sizeof(own)) ||
		(mem == source && len <= sizeof(source)));
}

static void
bench_make(struct bench *b)
{
	const struct ferry_channel_memory memory = {
		.alloc = area_alloc, .free = area_free,
		.reach = area_reach, .hold = area_hold,
		.unhold = area_hold, .arg = b,
	};
	struct ferry_serve serve;

	b->used = 0;
	b->out = NULL;
	b->in = NULL;
	rig_start_post(&b->rig, 256, 4, 1);
	b->rig.memory = memory;
	if (!b->local) {
		/* In processes of their own: neither trusts the other's
		 * addresses. */
		rig_be_strangers(&b->rig);
		b->rig.tx->end.local = false;
	}
	rig_engine_make(&b->rig, &b->engine, 0);
	serve = (struct ferry_serve) {
		.shared = b->rig.ch,
		.config = { b->rig.ch->slot_size, b->rig.ch->n_slots },
		.local = b->local,
		.memory = &b->rig.memory,
		.bells = b->rig.bells,
		.n_bells = RIG_BELLS,
	};
	b->rig.ch->service.server = b->engine.word;
	assert_int_equal(ferry_server_add(&b->engine.server, &serve), 0);
}

static void
send(struct bench *b)
{
	const struct ferry_bulk_options options = {
		.by = (uint32_t)(1 + pick(b, 7)) << 1,
	};
	struct iovec iov;

	b->len = 1 + pick(b, LONGEST);
	iov.iov_base = b->map + PAGE;
	iov.iov_len = b->len;
	assert_int_equal(ferry_bulk_send(b->rig.tx, &iov, 1, &options,
		&b->out), 1);
}

/* Whether a message may be said to have ended so; 0: it has not. */
static bool
may_end(int ended)
{
	switch (ended) {
	case 0:
	case 1:
	case FERRY_E_CANCELLED:
	case FERRY_E_REFUSED:
	case FERRY_E_CORRUPT:
	case -EIO:
		return true;
	default:
		return false;
	}
}

static void
take(struct bench *b)
{
	const struct iovec iov = { own, sizeof(own) };
	const bool private = pick(b, 3) == 0;
	struct ferry_msg msg;
	int ret;

	if (ferry_rx_recv(b->rig.rx, &msg, 1) != 1 || !ferry_msg_is_bulk(&msg))
		return;
	if (pick(b, 8) == 0) {
		ferry_rx_release(b->rig.rx, &msg, 1);
		return;
	}
	ret = ferry_bulk_accept(b->rig.rx, &msg, private ? &iov : NULL,
			private, &b->in);
	assert_true(ret == 0 || ret == FERRY_E_CORRUPT ||
		ret == FERRY_E_NO_ROOM || (private &&
		(ret == -EBUSY || ret == -EMSGSIZE)));
	if (ret != 0) {
		b->in = NULL;
		ferry_rx_release(b->rig.rx, &msg, 1);
	}
}

/* What no party says of a message. */
static const int reasons[] = { 0, 1, 2, -1, -ETIMEDOUT, -EINVAL,
	FERRY_E_TOO_LONG, FERRY_E_NO_ROOM, FERRY_E_LCORE, INT32_MIN, INT32_MAX
};

static void
over_write(struct bench *b, int why)
{
	struct ferry_bulk_block *block = chan_bulk(b->rig.ch);

	block->over = (uint64_t)block->gen << 32 | (uint32_t)why;
}

/* Write nonsense: a byte, or a word that looks like something. */
static void
scribble(struct bench *b)
{
	static const uint64_t words[] = { 0, 1, UINT32_MAX, UINT64_MAX,
		UINT64_C(1) << 44, UINT64_C(1) << 63, 4096 };
	uint8_t *from = (uint8_t *)chan_bulk(b->rig.ch);
	uint64_t room = FERRY_BULK_BYTES;

	if (pick(b, 20) == 0) {
		b->rig.ch->service.bulk = (uint32_t)ferry_test_random(&b->seed);
		return;
	}
	if (pick(b, 40) == 0) {
		over_write(b, reasons[pick(b, RTE_DIM(reasons))]);
		return;
	}
	switch (pick(b, 5)) {
	case 0:
		/* The block in use, where most of it stands. */
		room = offsetof(struct ferry_bulk_block, units) + 64;
		break;
	case 3:
		/* What it is said of its units: what a party may have written,
		 * and what none may. */
		from = chan_bulk(b->rig.ch)->units;
		from[pick(b, 64)] = pick(b, 2) == 0 ? (uint8_t)pick(b, 256) :
			(uint8_t)(pick(b, 4) | pick(b, 2) * FERRY_UNIT_VOID);
		return;
	case 1:
		/* What announces it. */
		from = (uint8_t *)b->rig.rx->end.cells;
		room = 2 * sizeof(struct ferry_cell);
		break;
	case 2:
		from = (uint8_t *)chan_grants(b->rig.ch);
		room = FERRY_BULK_BLOCKS * sizeof(struct ferry_bulk_grant);
		break;
	default:
		break;
	}
	if (pick(b, 8) == 0) {
		/* A stretch of anything. */
		uint64_t at = pick(b, room), n = 1 + pick(b, 300);

		for (; n > 0 && at < room; n--)
			from[at++] = (uint8_t)pick(b, 256);
	} else if (pick(b, 2) == 0)
		from[pick(b, room)] = (uint8_t)pick(b, 256);
	else
		memcpy(from + pick(b, room / 8) * 8,
			&words[pick(b, RTE_DIM(words))], 8);
}

static void
step(struct bench *b)
{
	struct iovec back[FERRY_BULK_BLOCKS];
	int ended;

	switch (pick(b, 8)) {
	case 0:
		assert_true(may_end(ferry_bulk_poll(b->out)));
		break;
	case 1:
		if (b->in == NULL) {
			take(b);
			break;
		}
		assert_true(ferry_bulk_ready(b->in, &ended) <= b->len);
		assert_true(may_end(ended));
		break;
	case 6:
		/* Once: what is lent is given back as it was lent. */
		if (pick(b, 4) != 0)
			break;
		for (ended = (int)ferry_bulk_unlend(b->rig.rx, back); ended > 0;
				ended--)
			assert_true(back[ended - 1].iov_len == PAGE);
		break;
	case 2:
		ferry_server_poll(&b->engine.server);
		break;
	case 3:
		if (b->in != NULL)
			ferry_bulk_await(b->in, pick(b, LONGEST), 0);
		break;
	case 4:
		ferry_bulk_lend(b->rig.rx, b->map + PAGE + AREA - PAGE, PAGE);
		break;
	case 5:
		if (pick(b, 10) == 0)
			ferry_bulk_cancel(b->out, 0);
		break;
	default:
		scribble(b);
		break;
	}
}

/* No other thread helps the ends. They still do not wait for long, because the
 * frequency of the TSC is not known here. */
static void
bench_end(struct bench *b)
{
	const bool first = pick(b, 2) == 0;

	if (first)
		ferry_bulk_close(b->out);
	if (b->in != NULL && pick(b, 2) == 0)
		ferry_bulk_release(b->in, 0);
	assert_true(ferry_server_remove(&b->engine.server, 0) != -ENOENT);
	b->rig.ch->service.server = FERRY_SERVER_NONE;
	if (!first)
		ferry_bulk_close(b->out);
	rig_engine_free(&b->engine);
	rig_stop(&b->rig);
}

/* A message whose "over" is scribbled before, or after, it is taken. */
static void
ended_so(struct bench *b, int why, bool taken)
{
	struct ferry_msg msg;
	int state = 0;

	bench_make(b);
	send(b);
	if (!taken)
		over_write(b, why);
	assert_int_equal(ferry_rx_recv(b->rig.rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(b->rig.rx, &msg, NULL, 0, &b->in),
		0);
	if (taken)
		over_write(b, why);
	/* The first one to look, and the one that comes after it. */
	if (pick(b, 2) == 0)
		assert_int_equal(ferry_bulk_poll(b->out), FERRY_E_CORRUPT);
	ferry_server_poll(&b->engine.server);
	ferry_bulk_ready(b->in, &state);
	assert_int_equal(state, FERRY_E_CORRUPT);
	assert_int_equal(ferry_bulk_await(b->in, b->len, 0), FERRY_E_CORRUPT);
	assert_int_equal(ferry_bulk_wait(b->out, 0), FERRY_E_CORRUPT);
	assert_int_equal(ferry_bulk_poll(b->out), FERRY_E_CORRUPT);
	assert_int_equal(ferry_bulk_cancel(b->out, 0), -EALREADY);
	assert_int_equal(ferry_bulk_release(b->in, 0), 0);
	bench_end(b);
}

/* An application is told no result that no party gives, and does not wait for
 * one for ever. */
static void
a_reason_that_none_gives_is_corrupt(void **state)
{
	struct bench b = { .seed = 5 };
	unsigned int i;

	(void)state;
	alarm(SECONDS);
	area_map(&b);
	for (i = 0; i < 2 * RTE_DIM(reasons); i++)
		ended_so(&b, reasons[i / 2], i % 2 != 0);
	area_unmap(&b);
	alarm(0);
}

/* Which side is spoiled, before or after the message is taken. */
enum when {
	SRC_BEFORE,
	SRC_AFTER,
	DST_AFTER,
};

/* How many ways side_spoil() has to make a side wrong, for example by an
 * address whose use kills the process. */
#define SPOILS 9

static void
side_spoil(const struct bench *b, struct ferry_bulk_side *side, unsigned int i)
{
	const uint64_t wild = (uintptr_t)b->map;

	switch (i) {
	case 0: side->segs[0].addr = wild; break;
	case 1: side->segs[0].addr += 64; break;
	case 2:
		/* The right bytes, and others in their middle. */
		side->n_segs = 3;
		side->segs[2].addr = side->segs[0].addr;
		side->segs[2].len = side->segs[0].len - 2;
		side->segs[1] = (struct ferry_bulk_seg) { wild, 1 };
		side->segs[0].len = 1;
		break;
	case 3: side->seal ^= 1; break;
	case 4: side->flags ^= FERRY_BULK_SHARED; break;
	case 5: side->flags ^= 0x80; break;
	case 6: side->window ^= 1; break;
	case 7: memset(side, 0, sizeof(*side)); break;
	default: memset(side, 0xa5, sizeof(*side)); break;
	}
}

/* The message's other side, with the seal that it has there. */
static void
side_confuse(const struct bench *b, struct ferry_bulk_side *side)
{
	const struct ferry_bulk_block *block = chan_bulk(b->rig.ch);

	*side = side == &block->dst ? block->src : block->dst;
}

static void
bench_send_own(struct bench *b, uint32_t by)
{
	const struct ferry_bulk_options options = { .by = by };
	const struct iovec iov = { source, LONGEST };

	b->local = true;
	bench_make(b);
	b->len = LONGEST;
	memset(own, 0, sizeof(own));
	ferry_test_fill(source, LONGEST, 3);
	assert_int_equal(ferry_bulk_send(b->rig.tx, &iov, 1, &options,
		&b->out), 1);
}

static void
bench_end_own(struct bench *b)
{
	ferry_bulk_close(b->out);
	if (b->in != NULL)
		assert_int_equal(ferry_bulk_release(b->in, 0), 0);
	assert_int_equal(ferry_server_remove(&b->engine.server, 0), 0);
	b->rig.ch->service.server = FERRY_SERVER_NONE;
	rig_engine_free(&b->engine);
	rig_stop(&b->rig);
}

/* Private memory to private memory, in one process. */
static void
spoiled(struct bench *b, enum when when, unsigned int spoil)
{
	const struct iovec iov = { own, sizeof(own) };
	struct ferry_bulk_block *block;
	struct ferry_bulk_side *side;
	struct ferry_msg msg;
	int ret;

	bench_send_own(b, FERRY_BULK_TX | FERRY_BULK_RX);
	block = chan_bulk(b->rig.ch);
	side = when == DST_AFTER ? &block->dst : &block->src;
	assert_int_equal(ferry_rx_recv(b->rig.rx, &msg, 1), 1);
	if (when == SRC_BEFORE)
		side_spoil(b, side, spoil);
	ret = ferry_bulk_accept(b->rig.rx, &msg, &iov, 1, &b->in);
	if (when == SRC_BEFORE) {
		assert_int_equal(ret, FERRY_E_CORRUPT);
		ferry_rx_release(b->rig.rx, &msg, 1);
		assert_int_equal(ferry_bulk_wait(b->out, UINT64_MAX),
			FERRY_E_REFUSED);
		bench_end_own(b);
		return;
	}
	assert_int_equal(ret, 0);
	if (spoil == SPOILS)
		side_confuse(b, side);
	else
		side_spoil(b, side, spoil);
	if (when == DST_AFTER) {
		assert_int_equal(ferry_bulk_wait(b->out, UINT64_MAX),
			FERRY_E_CORRUPT);
		assert_int_equal(ferry_bulk_await(b->in, b->len, UINT64_MAX),
			FERRY_E_CORRUPT);
		assert_int_equal(own[0], 0);
	} else {
		/* The participant that copies has read the word already. */
		ferry_server_poll(&b->engine.server);
		assert_int_equal(ferry_bulk_await(b->in, b->len, UINT64_MAX),
			0);
		assert_int_equal(ferry_bulk_wait(b->out, UINT64_MAX), 0);
		assert_memory_equal(own, source, b->len);
	}
	bench_end_own(b);
}

static void
ends_in_one_process_follow_what_they_wrote(void **state)
{
	struct bench b = { .seed = 5 };
	unsigned int i;

	(void)state;
	alarm(SECONDS);
	area_map(&b);
	for (i = 0; i < SPOILS; i++) {
		spoiled(&b, SRC_BEFORE, i);
		spoiled(&b, SRC_AFTER, i);
		spoiled(&b, DST_AFTER, i);
	}
	spoiled(&b, DST_AFTER, SPOILS);
	area_unmap(&b);
	alarm(0);
}

/* The engine reads a producer's private memory, in one process, as it was
 * told. */
static void
an_engine_follows_what_its_own_process_wrote(void **state)
{
	struct bench b = { .seed = 5 };
	struct ferry_bulk_block *block;
	struct ferry_msg msg;
	unsigned int i, k;

	(void)state;
	alarm(SECONDS);
	area_map(&b);
	for (i = 0; i <= SPOILS + 1; i++) {
		bench_send_own(&b, FERRY_BULK_ENGINE);
		block = chan_bulk(b.rig.ch);
		assert_int_equal(ferry_rx_recv(b.rig.rx, &msg, 1), 1);
		/* The destination is everybody's. */
		assert_int_equal(ferry_bulk_accept(b.rig.rx, &msg, NULL, 0,
			&b.in), 0);
		if (i < SPOILS)
			side_spoil(&b, &block->src, i);
		else if (i == SPOILS)
			side_confuse(&b, &block->src);
		for (k = 0; k < 100; k++)
			ferry_server_poll(&b.engine.server);
		assert_int_equal(block->units[0], i <= SPOILS ?
			FERRY_UNIT_FREE : FERRY_UNIT_DONE);
		/* The ends do it, as it does not come. */
		assert_int_equal(ferry_bulk_await(b.in, b.len, UINT64_MAX), 0);
		assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), 0);
		assert_memory_equal(ferry_bulk_data(b.in), source, b.len);
		bench_end_own(&b);
	}
	area_unmap(&b);
	alarm(0);
}

/* A producer writes to no buffer that a consumer of its process has not
 * lent. */
static void
a_lent_buffer_without_its_seal_is_left(void **state)
{
	struct bench b = { .seed = 5 };
	struct ferry_bulk_grant *g;
	struct ferry_msg msg;
	uint8_t *lent, *other;
	unsigned int i;

	(void)state;
	alarm(SECONDS);
	area_map(&b);
	lent = b.map + PAGE;
	other = b.map + PAGE + AREA / 2;
	for (i = 0; i < 4; i++) {
		b.local = true;
		bench_make(&b);
		memset(other, 0, LONGEST);
		ferry_test_fill(source, LONGEST, 3);
		assert_int_equal(ferry_bulk_lend(b.rig.rx, lent, LONGEST), 0);
		g = chan_grants(b.rig.ch);
		switch (i) {
		case 0: g->addr = (uintptr_t)other; break;
		case 1: g->len++; break;
		case 2: g->seal++; break;
		default: break;
		}
		assert_int_equal(ferry_bulk_send(b.rig.tx,
			&(struct iovec){ source, LONGEST }, 1, NULL, &b.out),
			1);
		assert_int_equal(g->state, i < 3 ? FERRY_GRANT_OFFERED :
			FERRY_GRANT_TAKEN);
		assert_int_equal(ferry_rx_recv(b.rig.rx, &msg, 1), 1);
		assert_int_equal(ferry_bulk_accept(b.rig.rx, &msg, NULL, 0,
			&b.in), 0);
		assert_int_equal(ferry_bulk_await(b.in, LONGEST, UINT64_MAX),
			0);
		assert_int_equal(ferry_bulk_wait(b.out, UINT64_MAX), 0);
		/* The consumer knows what it has lent. */
		assert_ptr_equal(ferry_bulk_data(b.in), lent);
		assert_memory_equal(lent, source, LONGEST);
		assert_int_equal(other[0], 0);
		bench_end_own(&b);
	}
	area_unmap(&b);
	alarm(0);
}

static void
nonsense_harms_nobody(void **state)
{
	struct bench b = { .seed = 11 };
	unsigned int i, k;

	(void)state;
	alarm(SECONDS);
	area_map(&b);
	for (i = 0; i < CASES; i++) {
		bench_make(&b);
		send(&b);
		for (k = 0; k < STEPS; k++)
			step(&b);
		bench_end(&b);
	}
	area_unmap(&b);
	alarm(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reason_that_none_gives_is_corrupt),
		cmocka_unit_test(ends_in_one_process_follow_what_they_wrote),
		cmocka_unit_test(an_engine_follows_what_its_own_process_wrote),
		cmocka_unit_test(a_lent_buffer_without_its_seal_is_left),
		cmocka_unit_test(nonsense_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
