/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include <cmocka.h>

#include <rte_memory.h>

#include "chan_parts.h"
#include "ferry_bulk.h"
#include "ferry_test.h"
#include "chan_rig.h"
#include "ferry_post.h"

#define PAGE 4096

void *
rig_map(struct rig *rig, uint64_t size)
{
	const size_t room = RTE_ALIGN_CEIL(size, (uint64_t)PAGE);

	rig->map_size = PAGE + room + PAGE;
	rig->map = mmap(NULL, rig->map_size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(rig->map != MAP_FAILED);
	assert_int_equal(mprotect(rig->map + PAGE + room, PAGE, PROT_NONE), 0);
	return rig->map + PAGE + room - size;
}

void
rig_unmap(struct rig *rig)
{
	munmap(rig->map, rig->map_size);
}

static int
piece_alloc(void *arg, uint64_t size, void **mem)
{
	struct rig *rig = arg;

	__atomic_fetch_add(&rig->n_pieces, 1, __ATOMIC_RELAXED);
	*mem = aligned_alloc(PAGE, RTE_ALIGN_CEIL(size, (uint64_t)PAGE));
	return *mem != NULL ? 0 : -ENOMEM;
}

static void
piece_free(void *arg, void *mem)
{
	struct rig *rig = arg;

	assert_true(__atomic_fetch_sub(&rig->n_pieces, 1,
		__ATOMIC_RELAXED) > 0);
	free(mem);
}

enum ferry_reach
rig_reach_all(void *arg, const void *mem, uint64_t len)
{
	(void)arg;
	(void)mem;
	(void)len;
	return FERRY_REACH_ALL;
}

static void
piece_hold(void *arg, const void *mem, uint64_t len)
{
	struct rig *rig = arg;

	(void)mem;
	(void)len;
	__atomic_fetch_add(&rig->n_holds, 1, __ATOMIC_RELAXED);
}

static void
piece_unhold(void *arg, const void *mem, uint64_t len)
{
	struct rig *rig = arg;

	(void)mem;
	(void)len;
	assert_true(__atomic_fetch_sub(&rig->n_holds, 1,
		__ATOMIC_RELAXED) > 0);
}

void
rig_make(struct rig *rig, uint32_t slot_size, uint32_t n_slots)
{
	const struct ferry_channel_config config = {
		.slot_size = slot_size, .n_slots = n_slots,
	};
	const uint64_t size = ferry_channel_memory(&config);
	unsigned int i;

	memset(rig, 0, sizeof(*rig));
	assert_true(size > 0);
	rig->ch = rig_map(rig, size);
	rig->bells = (struct ferry_bell *)rig->map;
	for (i = 0; i < RIG_BELLS; i++)
		assert_int_equal(ferry_bell_init(&rig->bells[i]), 0);
	assert_int_equal(ferry_copier_init(&rig->copier, ferry_copy_cpu(),
		SOCKET_ID_ANY), 0);
	assert_int_equal(ferry_channel_format(rig->ch, &config, "rig", 1), 0);
	rig->memory = (struct ferry_channel_memory) {
		.alloc = piece_alloc,
		.free = piece_free,
		.reach = rig_reach_all,
		.hold = piece_hold,
		.unhold = piece_unhold,
		.arg = rig,
	};
}

static const struct ferry_end_kind *const kinds[] = {
	&ferry_post_kind, &ferry_bulk_kind, NULL
};

struct ferry_channel_attach
rig_attach(struct rig *rig, uint32_t endpoint)
{
	return (struct ferry_channel_attach) {
		.shared = rig->ch,
		.size = rig->ch->size,
		.bells = rig->bells,
		.n_bells = RIG_BELLS,
		.endpoint = endpoint,
		.epoch = RIG_EPOCH + endpoint,
		.copier = &rig->copier,
		.server = rig->own.room > 0 ? &rig->own : NULL,
		.boards = rig->boards,
		.memory = &rig->memory,
		.kinds = kinds,
		.local = true,
		.owner = rig,
	};
}

static void
rig_open(struct rig *rig)
{
	struct ferry_channel_attach attach;

	attach = rig_attach(rig, RIG_TX);
	assert_int_equal(ferry_tx_start(&rig->tx, &attach), 0);
	attach = rig_attach(rig, RIG_RX);
	assert_int_equal(ferry_rx_start(&rig->rx, &attach), 0);
}

void
rig_start(struct rig *rig, uint32_t slot_size, uint32_t n_slots)
{
	rig_make(rig, slot_size, n_slots);
	rig_open(rig);
}

void
rig_start_post(struct rig *rig, uint32_t slot_size, uint32_t n_slots,
		uint32_t n_boards)
{
	uint32_t i;

	rig_make(rig, slot_size, n_slots);
	assert_int_equal(ferry_server_init(&rig->own, &rig->copier, NULL, 1),
		0);
	rig->boards.size = ferry_board_size(1);
	rig->boards.n = n_boards;
	rig->boards.n_channels = 1;
	rig->boards.base = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(rig->boards.base != MAP_FAILED);
	assert_true(n_boards * rig->boards.size <= PAGE);
	for (i = 0; i < n_boards; i++)
		ferry_board_init(RTE_PTR_ADD(rig->boards.base,
			i * rig->boards.size));
	rig_open(rig);
}

void
rig_engine_make(struct rig *rig, struct rig_engine *e, uint32_t i)
{
	e->word = FERRY_SERVER_ENGINE + i;
	assert_int_equal(ferry_copier_init(&e->copier, ferry_copy_cpu(),
		SOCKET_ID_ANY), 0);
	assert_int_equal(ferry_server_init(&e->server, &e->copier,
		RTE_PTR_ADD(rig->boards.base, i * rig->boards.size), 1), 0);
}

void
rig_engine_free(struct rig_engine *e)
{
	ferry_server_fini(&e->server);
	ferry_copier_fini(&e->copier);
}

int
rig_serve(struct rig *rig, struct rig_engine *e)
{
	const struct ferry_serve serve = {
		.shared = rig->ch,
		.config = { rig->ch->slot_size, rig->ch->n_slots },
		.local = true,
		.memory = &rig->memory,
		.bells = rig->bells,
		.n_bells = RIG_BELLS,
	};
	int ret;

	assert_int_equal(rig->ch->service.server, FERRY_SERVER_NONE);
	__atomic_store_n(&rig->ch->service.server, e->word, __ATOMIC_RELEASE);
	ret = ferry_server_add(&e->server, &serve);
	if (ret != 0)
		__atomic_store_n(&rig->ch->service.server, FERRY_SERVER_NONE,
				__ATOMIC_RELEASE);
	return ret;
}

void
rig_leave(struct rig *rig, struct rig_engine *e)
{
	assert_int_equal(rig->ch->service.server, e->word);
	assert_true(ferry_server_remove(&e->server, 0) != -ENOENT);
	__atomic_store_n(&rig->ch->service.server, FERRY_SERVER_NONE,
			__ATOMIC_RELEASE);
}

void
rig_stop(struct rig *rig)
{
	ferry_tx_stop(rig->tx);
	ferry_rx_stop(rig->rx);
	ferry_server_fini(&rig->own);
	ferry_copier_fini(&rig->copier);
	if (rig->boards.base != NULL)
		munmap(rig->boards.base, PAGE);
	rig_unmap(rig);
}

/* What a ring of that size is aged by; a multiple of the size, so that what is
 * in it stays in its place. */
static uint32_t
age_of(uint32_t size, bool half)
{
	return half ? (UINT32_C(1) << 31) - size : 0 - 2 * size;
}

static void
side_age(struct ferry_ring *side, bool half)
{
	const uint32_t by = age_of(side->mask + 1, half);

	side->at += by;
	side->other += by;
}

static void
ring_age(struct rte_ring *r, bool half)
{
	const uint32_t by = age_of(r->size, half);

	r->prod.head += by;
	r->prod.tail += by;
	r->cons.head += by;
	r->cons.tail += by;
}

static void
rings_age(struct rig *rig, bool half)
{
	ring_age(rig->tx->end.fwd.ring, half);
	side_age(&rig->tx->end.fwd, half);
	side_age(&rig->rx->end.fwd, half);
	ring_age(rig->tx->end.back.ring, half);
	side_age(&rig->tx->end.back, half);
	side_age(&rig->rx->end.back, half);
	ring_age(chan_out(rig->ch), half);
	side_age(&rig->rx->out, half);
	ring_age(rig->tx->post->jobs.ring, half);
	side_age(&rig->tx->post->jobs, half);
	rig->tx->post->done = rig->tx->post->jobs.at;
}

void
rig_age_half(struct rig *rig)
{
	rings_age(rig, true);
}

void
rig_age(struct rig *rig)
{
	rings_age(rig, false);
	rig->tx->end.seq = UINT32_MAX - 20;
	rig->rx->end.seq = UINT32_MAX - 20;
}

void
rig_set_state(struct ferry_channel_end *end, enum ferry_end_state state)
{
	__atomic_store_n(&end->state, (uint32_t)state, __ATOMIC_RELEASE);
}

void
rig_set_process(struct ferry_channel_end *end,
		const struct ferry_process *process)
{
	end->pid = process->pid;
	end->process = process->token;
	end->token_at = process->token_at;
}

void
rig_be_stranger(struct ferry_channel_end *end)
{
	const struct ferry_process nowhere = { .token = 1, .pid = -1 };

	rig_set_process(end, &nowhere);
}

void
rig_be_strangers(struct rig *rig)
{
	rig_be_stranger(&rig->ch->tx);
	rig_be_stranger(&rig->ch->rx);
}

enum ferry_reach
rig_reach_none(void *arg, const void *mem, uint64_t len)
{
	(void)arg;
	(void)mem;
	(void)len;
	return FERRY_REACH_PRIVATE;
}

void
rig_be_apart(struct rig *rig)
{
	rig->memory.reach = rig_reach_none;
	rig_be_strangers(rig);
}

uint32_t *
rig_sleep(struct rig *rig, struct ferry_channel_end *end, uint32_t endpoint)
{
	end->may_sleep = 1;
	rig->bells[endpoint].state = FERRY_BELL_ASLEEP;
	return &rig->bells[endpoint].state;
}

struct ferry_bulk_out *
rig_bulk_send(struct rig *rig, void *data, uint64_t len, uint32_t by)
{
	const struct ferry_bulk_options options = { .by = by };
	const struct iovec iov = { data, len };
	struct ferry_bulk_out *out = NULL;

	assert_int_equal(ferry_bulk_send(rig->tx, &iov, 1, &options, &out), 1);
	return out;
}

struct ferry_bulk_in *
rig_bulk_accept(struct rig *rig)
{
	struct ferry_bulk_in *in = NULL;
	struct ferry_msg msg;

	assert_int_equal(ferry_rx_recv(rig->rx, &msg, 1), 1);
	assert_int_equal(ferry_bulk_accept(rig->rx, &msg, NULL, 0, &in), 0);
	return in;
}

struct ferry_channel_census
rig_census(const struct ferry_channel_shared *ch)
{
	struct ferry_channel_census c;

	assert_int_equal(ferry_channel_census(ch, NULL, false, &c), 0);
	assert_int_equal(c.free + c.tx_held + c.jobs + c.in_flight +
			c.rx_held + c.lost,
			ch->n_slots);
	assert_int_equal(c.lost, 0);
	return c;
}

uint32_t
rig_tag(uint64_t i)
{
	return (uint32_t)(i * 2654435761u + 12345);
}

void
rig_fill(void *data, uint32_t len, uint64_t i)
{
	ferry_test_fill(data, len, i);
}

void
rig_pass(struct rig *rig, uint32_t len, uint64_t i)
{
	uint8_t data[4096];
	struct ferry_buf buf = { .data = data, .len = len, .tag = rig_tag(i) };
	struct ferry_msg msg;

	assert_true(len <= sizeof(data));
	rig_fill(data, len, i);
	assert_int_equal(ferry_tx_send(rig->tx, &buf, 1), 1);
	assert_int_equal(ferry_rx_recv(rig->rx, &msg, 1), 1);
	rig_assert_msg(&msg, len, i);
	assert_int_equal(ferry_rx_release(rig->rx, &msg, 1), 0);
}
