/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The memory functions of an endpoint, with a made-up hub: how much memory the
 * endpoint asks for and when, and the ranges that are registered. The memory
 * that is handed out is never read or written.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "endpoint_memory.h"
#include "ferry_errno.h"
#include "ferry_test.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define SIZE (16 * GIB)
#define PIECES 4096
#define BLOCKS 64

/* An address range that neither the library nor the test reads or writes. */
static uint8_t *const base = (uint8_t *)(uintptr_t)(UINT64_C(1) << 40);

struct ferry_endpoint {
	struct endpoint_memory memory;
	/* The hub. */
	struct ferry_arena arena;
	struct {
		uint64_t addr;
		uint64_t size;
	} pieces[PIECES];
	uint64_t held;
	/* The most there was. */
	uint64_t most;
	unsigned int requests;
	/* Not 0: what it answers. */
	int down;
	/* In a process that is not its own. */
	bool forked;
};

/* Where nothing is mapped. */
static const uintptr_t nowhere = (UINT64_C(1) << 40) + 15 * GIB;

static int
hub_gave(struct ferry_endpoint *ep, const struct hub_request *req,
		struct hub_reply *rep)
{
	uint32_t i = 0;
	void *mem = ferry_arena_alloc_long(&ep->arena, req->size);

	if (mem == NULL)
		return FERRY_E_NO_ROOM;
	while (ep->pieces[i].size != 0)
		assert_true(++i < PIECES);
	ep->pieces[i].addr = rep->addr = (uintptr_t)mem;
	ep->pieces[i].size = req->size;
	ep->held += req->size;
	ep->most = RTE_MAX(ep->most, ep->held);
	return 0;
}

static int
hub_took(struct ferry_endpoint *ep, const struct hub_request *req)
{
	uint32_t i = 0;

	/* Never what it has not given. */
	while (ep->pieces[i].size == 0 || ep->pieces[i].addr != req->addr)
		assert_true(++i < PIECES);
	ferry_arena_free(&ep->arena, (void *)(uintptr_t)req->addr,
		ep->pieces[i].size);
	ep->held -= ep->pieces[i].size;
	ep->pieces[i].size = 0;
	return 0;
}

int
endpoint_ask(struct ferry_endpoint *ep, struct hub_request *req,
		struct hub_reply *rep)
{
	ep->requests++;
	if (ep->down != 0)
		return ep->down;
	switch (req->op) {
	case HUB_OP_ALLOC:
		return hub_gave(ep, req, rep);
	case HUB_OP_FREE:
		return hub_took(ep, req);
	case HUB_OP_REGISTER:
	case HUB_OP_UNREGISTER:
		return 0;
	}
	fail();
	return -ENOSYS;
}

int
endpoint_check(const struct ferry_endpoint *ep)
{
	return ep->forked ? FERRY_E_FORKED : 0;
}

bool
endpoint_mapped(struct ferry_endpoint *ep, uint64_t addr, uint64_t size)
{
	(void)ep;
	return size != 0 && addr != nowhere;
}

struct endpoint_memory *
endpoint_memory_of(struct ferry_endpoint *ep)
{
	return &ep->memory;
}

static struct ferry_endpoint *
start(uint64_t size)
{
	static struct ferry_endpoint ep;

	memset(&ep, 0, sizeof(ep));
	assert_int_equal(ferry_arena_init(&ep.arena, base, size), 0);
	endpoint_memory_init(&ep.memory, &ep);
	return &ep;
}

static void
stop(struct ferry_endpoint *ep)
{
	endpoint_memory_fini(&ep->memory);
	ferry_arena_fini(&ep->arena);
}

static void *
get(struct ferry_endpoint *ep, uint64_t size)
{
	void *mem = ferry_alloc(ep, size);

	assert_non_null(mem);
	assert_int_equal((uintptr_t)mem % 4096, 0);
	return mem;
}

static void
random_blocks_never_overlap_and_lie_in_pieces(void **state)
{
	struct ferry_endpoint *ep = start(SIZE);
	struct {
		uintptr_t at;
		uint64_t size;
	} b[BLOCKS] = { 0 };
	uint64_t random = 3, size, used = 0, most = 0;
	uint32_t i, k, n;

	(void)state;
	for (n = 0; n < 20000; n++) {
		i = (uint32_t)(ferry_test_random(&random) % BLOCKS);
		if (b[i].size != 0) {
			ferry_free(ep, (void *)b[i].at);
			used -= b[i].size;
			b[i].size = 0;
			continue;
		}
		/* From a byte to 100 MiB, as many short as long ones. */
		size = (UINT64_C(100) << 20) >> ferry_test_random(&random) % 27;
		size = ferry_test_random(&random) % size + 1;
		b[i].at = (uintptr_t)get(ep, size);
		b[i].size = size;
		used += size;
		most = RTE_MAX(most, used);
		if (size >= 32 * MIB)
			assert_int_equal(b[i].at % (2 * MIB), 0);
		for (k = 0; k < BLOCKS; k++)
			assert_true(k == i || b[k].size == 0 ||
				b[i].at + size <= b[k].at ||
				b[k].at + b[k].size <= b[i].at);
		for (k = 0; k < PIECES; k++)
			if (b[i].at >= ep->pieces[k].addr && b[i].at + size <=
					ep->pieces[k].addr + ep->pieces[k].size)
				break;
		assert_true(k < PIECES);
	}
	print_message("at most %u MiB in use, %u MiB had; %u requests\n",
		(unsigned int)(most >> 20), (unsigned int)(ep->most >> 20),
		ep->requests);
	for (i = 0; i < BLOCKS; i++)
		if (b[i].size != 0)
			ferry_free(ep, (void *)b[i].at);
	/* A span of nothing, and the peak is forgotten. */
	for (n = 0; n < 70; n++)
		ferry_free(ep, get(ep, 1));
	assert_in_range(ep->held, 0, 10 * MIB);
	stop(ep);
}

static void
a_stream_of_messages_asks_for_nothing(void **state)
{
	static const uint64_t sizes[] = {
		1, 4096, 65536, MIB, 5 * MIB, 31 * MIB, 33 * MIB, 154 * MIB,
		GIB,
	};
	struct ferry_endpoint *ep = start(SIZE);
	unsigned int i, n, requests;
	void *mem[8];
	uint32_t k;

	(void)state;
	for (i = 0; i < RTE_DIM(sizes); i++) {
		requests = 0;
		for (n = 0; n < 100; n++) {
			for (k = 0; k < RTE_DIM(mem); k++)
				mem[k] = get(ep, sizes[i] - 3 * k % sizes[i]);
			for (k = 0; k < RTE_DIM(mem); k++)
				ferry_free(ep, mem[(k * 3 + n) % 8]);
			/* Others between them, not too many. */
			for (k = 0; k < 30 - RTE_DIM(mem); k++)
				ferry_free(ep, get(ep, 1));
			if (n == 0)
				requests = ep->requests;
		}
		assert_int_equal(ep->requests, requests);
		assert_in_range(ep->held, 1, RTE_DIM(mem) *
			(sizes[i] + 4 * MIB) + 16 * MIB);
	}
	stop(ep);
}

static void
a_long_message_costs_its_length_and_little_more(void **state)
{
	struct ferry_endpoint *ep = start(SIZE);
	unsigned int i, requests;
	void *mem, *small;

	(void)state;
	/* After a sweep over shorter ones, as a benchmark makes it. */
	for (i = 12; i < 30; i++)
		ferry_free(ep, get(ep, UINT64_C(1) << i));
	ep->most = 0;
	mem = get(ep, GIB);
	assert_in_range(ep->most, GIB, GIB + 16 * MIB);
	ferry_free(ep, mem);
	assert_in_range(ep->held, GIB, GIB + 16 * MIB);
	/* One that is much shorter does not go there. */
	mem = get(ep, 40 * MIB);
	ferry_free(ep, get(ep, GIB));
	assert_in_range(ep->most, GIB, GIB + 60 * MIB);
	ferry_free(ep, mem);
	/* Nor does a short one go where there is some room behind a long
	 * one. */
	mem = get(ep, GIB - MIB);
	small = get(ep, 65536);
	ferry_free(ep, mem);
	requests = ep->requests;
	ferry_free(ep, get(ep, GIB - MIB));
	assert_int_equal(ep->requests, requests);
	ferry_free(ep, small);
	/* Odd lengths. */
	ep->most = 0;
	ferry_free(ep, get(ep, 5 * GIB + 1));
	assert_in_range(ep->most, 5 * GIB + 1, 5 * GIB + 16 * MIB);
	stop(ep);
}

static void
who_needs_little_has_little(void **state)
{
	struct ferry_endpoint *ep = start(SIZE);
	unsigned int i;

	(void)state;
	assert_int_equal(ep->held, 0);
	get(ep, 1);
	assert_in_range(ep->held, 1, 2 * MIB);
	/* And who needs much, asks seldom. */
	for (i = 0; i < 4096; i++)
		get(ep, 65536);
	assert_in_range(ep->requests, 1, 40);
	assert_in_range(ep->held, 256 * MIB, 266 * MIB);
	stop(ep);
}

static void
a_peak_is_forgotten_though_there_is_room_elsewhere(void **state)
{
	struct ferry_endpoint *ep = start(SIZE);
	void *stays = get(ep, 1), *mem[32];
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(mem); i++)
		mem[i] = get(ep, 2 * MIB);
	for (i = 0; i < RTE_DIM(mem); i++)
		ferry_free(ep, mem[i]);
	assert_in_range(ep->held, 64 * MIB, 80 * MIB);
	/* They go where the first one is: no piece is taken into use, none
	 * falls idle. */
	for (i = 0; i < 70; i++)
		ferry_free(ep, get(ep, 1));
	assert_in_range(ep->held, 1, 10 * MIB);
	ferry_free(ep, stays);
	stop(ep);
}

/* What is refused, and why. */
static void
in_vain(struct ferry_endpoint *ep, uint64_t size, int why)
{
	rte_errno = 0;
	assert_null(ferry_alloc(ep, size));
	assert_int_equal(-rte_errno, why);
}

static void
a_full_hub_gives_what_it_has(void **state)
{
	struct ferry_endpoint *ep = start(64 * MIB + 8192);
	uint64_t n = 0;
	void *mem[4];
	uint32_t i;

	(void)state;
	in_vain(ep, 65 * MIB, FERRY_E_NO_ROOM);
	in_vain(ep, 0, -EINVAL);
	in_vain(ep, UINT64_MAX, FERRY_E_NO_ROOM);
	in_vain(ep, UINT64_MAX - 4094, FERRY_E_NO_ROOM);
	assert_int_equal(ep->held, 0);
	/* Pieces are rounded up only if there is room. */
	mem[0] = get(ep, 32 * MIB);
	mem[1] = get(ep, 31 * MIB);
	in_vain(ep, 2 * MIB, FERRY_E_NO_ROOM);
	mem[2] = get(ep, MIB);
	mem[3] = get(ep, 8192);
	in_vain(ep, 4096, FERRY_E_NO_ROOM);
	for (i = 0; i < RTE_DIM(mem); i++)
		ferry_free(ep, mem[i]);
	/* What it keeps is not in the way of what it needs, */
	ferry_free(ep, get(ep, 64 * MIB));
	/* ... not even what it may always keep. */
	mem[0] = get(ep, 32 * MIB);
	for (i = 0; i < 70; i++)
		ferry_free(ep, get(ep, 8 * MIB));
	ferry_free(ep, get(ep, 32 * MIB + 8192));
	ferry_free(ep, mem[0]);
	/* To the last grain. */
	while (ferry_alloc(ep, 4096) != NULL)
		n++;
	assert_int_equal(n, 64 * MIB / 4096 + 2);
	stop(ep);
}

static void
without_a_hub_there_is_nothing_new_and_giving_back_is_only_books(void **state)
{
	static const int why[] = { FERRY_E_HUB_GONE, -ETIMEDOUT };
	struct ferry_endpoint *ep;
	void *mem[2];
	uint32_t i;

	(void)state;
	for (i = 0; i < RTE_DIM(why); i++) {
		ep = start(SIZE);
		mem[0] = get(ep, 100 * MIB);
		mem[1] = get(ep, 4096);
		ep->down = why[i];
		in_vain(ep, 50 * MIB, why[i]);
		/* What it has can be used. */
		ferry_free(ep, mem[0]);
		assert_ptr_equal(ferry_alloc(ep, 100 * MIB), mem[0]);
		ferry_free(ep, mem[0]);
		ferry_free(ep, mem[1]);
		for (unsigned int n = 0; n < 70; n++)
			ferry_free(ep, get(ep, 4096));
		in_vain(ep, 100 * MIB, why[i]);
		stop(ep);
	}
}

static void
what_is_not_a_block_is_not_freed(void **state)
{
	struct ferry_endpoint *ep = start(SIZE);
	uint8_t *mem = get(ep, 3 * 4096), *other;

	(void)state;
	ferry_free(ep, NULL);
	ferry_free(ep, mem + 4096);
	ferry_free(ep, mem + 1);
	ferry_free(ep, mem - 4096);
	ferry_free(ep, &ep);
	other = get(ep, 4096);
	assert_true(other < mem || other >= mem + 3 * 4096);
	ferry_free(ep, mem);
	ferry_free(ep, mem); /* twice does no harm */
	assert_ptr_equal(ferry_alloc(ep, 3 * 4096), mem);
	assert_true((uint8_t *)get(ep, 4096) > other);
	ferry_free(ep, mem);
	ferry_free(ep, mem);
	assert_ptr_equal(ferry_alloc(ep, 2 * 4096), mem);
	assert_ptr_equal(ferry_alloc(ep, 4096), mem + 2 * 4096);
	assert_true((uint8_t *)get(ep, 4096) > other);
	stop(ep);
}

static void
memory_that_this_process_does_not_have_is_given_back(void **state)
{
	struct ferry_endpoint *ep = start(SIZE);
	uint64_t held;

	(void)state;
	get(ep, 15 * GIB);
	held = ep->held;
	/* The hub says that it is where nothing is mapped. */
	in_vain(ep, 64 * MIB, FERRY_E_CORRUPT);
	assert_int_equal(ep->held, held);
	stop(ep);
}

static void
registered_ranges_are_apart_and_whole_pages(void **state)
{
	struct ferry_endpoint *ep = start(SIZE);
	uint8_t *mem = base + 32 * GIB;
	uint32_t i;

	(void)state;
	assert_int_equal(ferry_register(ep, NULL, 4096), -EINVAL);
	assert_int_equal(ferry_register(ep, mem, 0), -EINVAL);
	assert_int_equal(ferry_register(ep, mem, 4095), -EINVAL);
	assert_int_equal(ferry_register(ep, mem + 8, 4096), -EINVAL);
	assert_int_equal(ferry_register(ep, mem, UINT64_MAX - 4095), -EINVAL);
	assert_int_equal(ferry_register(ep, mem + 8192, 8192), 0);
	assert_int_equal(ferry_register(ep, mem + 8192, 8192), -EEXIST);
	assert_int_equal(ferry_register(ep, mem + 4096, 8192), -EEXIST);
	assert_int_equal(ferry_register(ep, mem + 12288, 8192), -EEXIST);
	assert_int_equal(ferry_register(ep, mem, 32768), -EEXIST);
	assert_int_equal(ferry_register(ep, mem + 4096, 4096), 0);
	assert_int_equal(ferry_register(ep, mem + 16384, 4096), 0);
	assert_int_equal(ferry_unregister(ep, mem + 8192, 4096), -ENOENT);
	assert_int_equal(ferry_unregister(ep, mem, 8192), -ENOENT);
	assert_int_equal(ferry_unregister(ep, mem + 8192, 8192), 0);
	assert_int_equal(ferry_unregister(ep, mem + 8192, 8192), -ENOENT);
	assert_int_equal(ferry_register(ep, mem + 8192, 4096), 0);
	for (i = 0; ferry_register(ep, mem + (8 + i) * 4096, 4096) == 0; i++)
		assert_true(i < 1000);
	assert_int_equal(ferry_register(ep, mem + (8 + i) * 4096, 4096),
		-ENOSPC);
	assert_int_equal(ferry_unregister(ep, mem + 8 * 4096, 4096), 0);
	assert_int_equal(ferry_register(ep, mem + (8 + i) * 4096, 4096), 0);
	stop(ep);
}

static void
registered_memory_is_shared_and_stays_while_messages_use_it(void **state)
{
	struct ferry_endpoint *ep = start(SIZE);
	const struct ferry_channel_memory *ops = &ep->memory.ops;
	uint8_t *mem = base + 32 * GIB;
	uint32_t i;

	(void)state;
	assert_int_equal(ops->reach(ops->arg, mem, 1), FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_register(ep, mem, 8192), 0);
	assert_int_equal(ferry_register(ep, mem + 16384, 8192), 0);
	assert_int_equal(ops->reach(ops->arg, mem, 1), FERRY_REACH_ENDS);
	assert_int_equal(ops->reach(ops->arg, mem, 8192), FERRY_REACH_ENDS);
	assert_int_equal(ops->reach(ops->arg, mem + 24575, 1),
		FERRY_REACH_ENDS);
	assert_int_equal(ops->reach(ops->arg, mem, 8193), FERRY_REACH_PRIVATE);
	assert_int_equal(ops->reach(ops->arg, mem - 1, 2), FERRY_REACH_PRIVATE);
	assert_int_equal(ops->reach(ops->arg, mem + 8192, 1),
		FERRY_REACH_PRIVATE);
	assert_int_equal(ops->reach(ops->arg, mem + 8, UINT64_MAX - 8),
		FERRY_REACH_NONE);

	/* Twice, from private memory, and next to it. */
	ops->hold(ops->arg, mem + 100, 10);
	ops->hold(ops->arg, mem, 8192);
	ops->hold(ops->arg, mem + 8192, 8192);
	assert_int_equal(ferry_unregister(ep, mem, 8192), -EBUSY);
	assert_int_equal(ferry_unregister(ep, mem + 16384, 8192), 0);
	ops->unhold(ops->arg, mem, 8192);
	assert_int_equal(ferry_unregister(ep, mem, 8192), -EBUSY);
	ops->unhold(ops->arg, mem + 8192, 8192);
	assert_int_equal(ferry_unregister(ep, mem, 8192), -EBUSY);
	ops->unhold(ops->arg, mem + 100, 10);
	assert_int_equal(ferry_unregister(ep, mem, 8192), 0);
	assert_int_equal(ops->reach(ops->arg, mem, 1), FERRY_REACH_PRIVATE);

	/* A message that is under way when its memory is registered, and more
	 * of them than there was room for. */
	for (i = 0; i < 1000; i++)
		ops->hold(ops->arg, mem + i, 10);
	assert_int_equal(ferry_register(ep, mem, 8192), 0);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(ferry_unregister(ep, mem, 8192), -EBUSY);
		ops->unhold(ops->arg, mem + (i * 7 + 3) % 1000, 10);
	}
	assert_int_equal(ferry_unregister(ep, mem, 8192), 0);
	stop(ep);
}

static void
a_process_that_was_forked_gets_and_gives_nothing(void **state)
{
	struct ferry_endpoint *ep = start(16 * MIB);
	uint8_t *mem = ferry_alloc(ep, 4096);
	unsigned int before;

	(void)state;
	assert_non_null(mem);
	before = ep->requests;
	ep->forked = true;
	in_vain(ep, 4096, FERRY_E_FORKED);
	ferry_free(ep, mem);
	assert_int_equal(ferry_register(ep, (void *)nowhere, 4096),
		FERRY_E_FORKED);
	assert_int_equal(ferry_unregister(ep, (void *)nowhere, 4096),
		FERRY_E_FORKED);
	assert_int_equal(ep->requests, before);
	ep->forked = false;
	/* It is still there. */
	ferry_free(ep, mem);
	assert_ptr_equal(ferry_alloc(ep, 4096), mem);
	endpoint_memory_fini(&ep->memory);
	ferry_arena_fini(&ep->arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_blocks_never_overlap_and_lie_in_pieces),
		cmocka_unit_test(a_stream_of_messages_asks_for_nothing),
		cmocka_unit_test(
			a_long_message_costs_its_length_and_little_more),
		cmocka_unit_test(who_needs_little_has_little),
		cmocka_unit_test(
			a_peak_is_forgotten_though_there_is_room_elsewhere),
		cmocka_unit_test(a_full_hub_gives_what_it_has),
		cmocka_unit_test(
	without_a_hub_there_is_nothing_new_and_giving_back_is_only_books),
		cmocka_unit_test(what_is_not_a_block_is_not_freed),
		cmocka_unit_test(
			memory_that_this_process_does_not_have_is_given_back),
		cmocka_unit_test(registered_ranges_are_apart_and_whole_pages),
		cmocka_unit_test(
		registered_memory_is_shared_and_stays_while_messages_use_it),
		cmocka_unit_test(
			a_process_that_was_forked_gets_and_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
