/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The hub's arena alone, against the test's map of which owner has which grain.
 * The memory that is handed out is never read or written, because the arena
 * works only with addresses.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>

#include "ferry_test.h"
#include "ferry_arena.h"

#define GRAIN ((uint64_t)FERRY_ARENA_GRAIN)
#define GRAINS 512
#define SIZE (GRAINS * GRAIN)
#define PIECES 128

/* An address range that neither the arena nor the test reads or writes. */
static uint8_t *const base = (uint8_t *)(uintptr_t)(UINT64_C(1) << 40);

/* What the arena should know. */
struct model {
	/* 0: free; else the number of the piece plus 1. */
	uint8_t grain[GRAINS];
	struct {
		void *at;
		uint64_t size;
	} piece[PIECES];
	uint32_t n;
};

static uint32_t
grains_of(uint64_t size)
{
	return (uint32_t)((size + GRAIN - 1) / GRAIN);
}

static void
model_space(const struct model *m, uint64_t *total, uint64_t *largest)
{
	uint64_t run = 0;
	uint32_t i;

	*total = 0;
	*largest = 0;
	for (i = 0; i < GRAINS; i++) {
		run = m->grain[i] == 0 ? run + GRAIN : 0;
		*total += m->grain[i] == 0 ? GRAIN : 0;
		*largest = RTE_MAX(*largest, run);
	}
}

/* Whether so many grains are free from a multiple of align on. */
static bool
model_fits(const struct model *m, uint32_t grains, uint64_t align)
{
	const uint32_t step = (uint32_t)(align / GRAIN);
	uint32_t i, k;

	for (i = 0; i + grains <= GRAINS; i += step) {
		for (k = 0; k < grains && m->grain[i + k] == 0; k++)
			;
		if (k == grains)
			return true;
	}
	return false;
}

/* The arena's books are as their description says, and as the model says. */
static void
check(const struct ferry_arena *a, const struct model *m)
{
	uint64_t total, largest, model_total, model_largest;
	uint32_t i;

	ferry_arena_space(a, &total, &largest);
	model_space(m, &model_total, &model_largest);
	assert_int_equal(total, model_total);
	assert_int_equal(largest, model_largest);
	assert_int_equal(a->n_given, m->n);
	assert_true(a->n_free <= a->room);
	for (i = 0; i < a->n_free; i++) {
		assert_true(a->free[i].size > 0);
		assert_int_equal(a->free[i].at % GRAIN, 0);
		assert_int_equal(a->free[i].size % GRAIN, 0);
		if (i > 0)
			assert_true(a->free[i - 1].at + a->free[i - 1].size <
				a->free[i].at);
	}
}

static void
take(struct ferry_arena *a, struct model *m, uint32_t slot, uint64_t size,
		uint64_t align)
{
	uint32_t first, i;
	void *p;

	p = align == GRAIN ? ferry_arena_alloc(a, size) :
		ferry_arena_alloc_at(a, size, align);
	if (!model_fits(m, grains_of(size), align)) {
		assert_null(p);
		return;
	}
	assert_non_null(p);
	assert_true((uint8_t *)p >= base);
	assert_int_equal((uintptr_t)p % align, 0);
	assert_true((uint64_t)((uint8_t *)p - base) + size <= SIZE);
	first = (uint32_t)((uint64_t)((uint8_t *)p - base) / GRAIN);
	for (i = 0; i < grains_of(size); i++) {
		assert_int_equal(m->grain[first + i], 0); /* no overlap */
		m->grain[first + i] = (uint8_t)(slot + 1);
	}
	m->piece[slot].at = p;
	m->piece[slot].size = size;
	m->n++;
}

static void
give(struct ferry_arena *a, struct model *m, uint32_t slot)
{
	uint32_t i;

	ferry_arena_free(a, m->piece[slot].at, m->piece[slot].size);
	for (i = 0; i < GRAINS; i++)
		if (m->grain[i] == slot + 1)
			m->grain[i] = 0;
	m->piece[slot].at = NULL;
	m->n--;
}

static void
start(struct ferry_arena *a, struct model *m)
{
	memset(m, 0, sizeof(*m));
	assert_int_equal(ferry_arena_init(a, base, SIZE), 0);
	check(a, m);
}

/* All is free again, in one piece from the first byte to the last. */
static void
check_whole(const struct ferry_arena *a)
{
	assert_int_equal(a->n_free, 1);
	assert_int_equal(a->n_given, 0);
	assert_int_equal(a->free[0].at, 0);
	assert_int_equal(a->free[0].size, SIZE);
}

static void
random_use_never_overlaps_and_coalesces_back_to_one_piece(void **state)
{
	struct ferry_arena a;
	struct model m;
	uint64_t random = 7, seed, size;
	uint32_t i, slot;

	(void)state;
	for (seed = 1; seed <= 8; seed++) {
		/* From tiny pieces, very many, to large ones, few. */
		const uint64_t most = GRAIN << seed;

		random = seed;
		start(&a, &m);
		for (i = 0; i < 20000; i++) {
			slot = (uint32_t)(ferry_test_random(&random) % PIECES);
			size = ferry_test_random(&random) % most + 1;
			if (m.piece[slot].at != NULL)
				give(&a, &m, slot);
			else
				take(&a, &m, slot, size, GRAIN <<
					ferry_test_random(&random) % 4);
			if (i % 16 == 0)
				check(&a, &m);
		}
		for (slot = 0; slot < PIECES; slot++)
			if (m.piece[slot].at != NULL)
				give(&a, &m, slot);
		check(&a, &m);
		check_whole(&a);
		ferry_arena_fini(&a);
	}
}

static void
it_can_be_exhausted_to_the_last_grain(void **state)
{
	struct ferry_arena a;
	uint32_t i;
	void *p;

	(void)state;
	assert_int_equal(ferry_arena_init(&a, base, SIZE), 0);
	for (i = 0; i < GRAINS; i++)
		assert_ptr_equal(ferry_arena_alloc(&a, i % 2 ? 1 : GRAIN),
			base + i * GRAIN);
	assert_int_equal(a.n_free, 0);
	assert_null(ferry_arena_alloc(&a, 1));
	/* Every second one, then the others: the books have room for both. */
	for (i = 0; i < GRAINS; i += 2)
		ferry_arena_free(&a, base + i * GRAIN, GRAIN);
	assert_int_equal(a.n_free, GRAINS / 2);
	assert_null(ferry_arena_alloc(&a, GRAIN + 1));
	for (i = 1; i < GRAINS; i += 2)
		ferry_arena_free(&a, base + i * GRAIN, 1);
	check_whole(&a);

	p = ferry_arena_alloc(&a, SIZE);
	assert_ptr_equal(p, base);
	assert_null(ferry_arena_alloc(&a, 1));
	ferry_arena_free(&a, p, SIZE);
	check_whole(&a);
	ferry_arena_fini(&a);
}

static void
free_pieces_apart_do_not_add_up(void **state)
{
	struct ferry_arena a;
	uint64_t total, largest;
	uint8_t *p[4];
	uint32_t i;

	(void)state;
	assert_int_equal(ferry_arena_init(&a, base, SIZE), 0);
	for (i = 0; i < 4; i++) {
		p[i] = ferry_arena_alloc(&a, SIZE / 4);
		assert_non_null(p[i]);
	}
	ferry_arena_free(&a, p[0], SIZE / 4);
	ferry_arena_free(&a, p[2], SIZE / 4);
	ferry_arena_space(&a, &total, &largest);
	assert_int_equal(total, SIZE / 2);
	assert_int_equal(largest, SIZE / 4);
	assert_null(ferry_arena_alloc(&a, SIZE / 4 + 1));
	/* The neighbour comes back and joins both. */
	ferry_arena_free(&a, p[1], SIZE / 4);
	assert_int_equal(a.n_free, 1);
	assert_ptr_equal(ferry_arena_alloc(&a, 3 * SIZE / 4), base);
	ferry_arena_fini(&a);
}

static void
neighbours_join_from_either_side(void **state)
{
	static const uint8_t orders[][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
		{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	struct ferry_arena a;
	uint32_t i, k;
	void *p[4];

	(void)state;
	for (i = 0; i < RTE_DIM(orders); i++) {
		assert_int_equal(ferry_arena_init(&a, base, SIZE), 0);
		for (k = 0; k < 4; k++)
			p[k] = ferry_arena_alloc(&a, (k + 1) * GRAIN);
		/* The fourth stays, so that the rest is no neighbour. */
		for (k = 0; k < 3; k++)
			ferry_arena_free(&a, p[orders[i][k]],
				(orders[i][k] + 1) * GRAIN);
		assert_int_equal(a.n_free, 2);
		assert_int_equal(a.free[0].at, 0);
		assert_int_equal(a.free[0].size, 6 * GRAIN);
		ferry_arena_free(&a, p[3], 4 * GRAIN);
		check_whole(&a);
		ferry_arena_fini(&a);
	}
}

static void
what_is_long_starts_on_a_hugepage_if_there_is_such_a_piece(void **state)
{
	uint8_t *const odd = base + FERRY_ARENA_LONG - GRAIN;
	struct ferry_arena a;
	void *p[3];

	(void)state;
	assert_int_equal(ferry_arena_init(&a, odd, 3 * FERRY_ARENA_LONG), 0);
	p[0] = ferry_arena_alloc_long(&a, FERRY_ARENA_LONG);
	assert_ptr_equal(p[0], odd + GRAIN);
	p[1] = ferry_arena_alloc_long(&a, GRAIN);
	assert_ptr_equal(p[1], odd);
	/* What is left begins on a hugepage, and is too short behind one. */
	p[2] = ferry_arena_alloc(&a, GRAIN);
	assert_ptr_equal(p[2], odd + GRAIN + FERRY_ARENA_LONG);
	ferry_arena_free(&a, p[0], FERRY_ARENA_LONG);
	ferry_arena_free(&a, p[1], GRAIN);
	ferry_arena_free(&a, p[2], GRAIN);
	assert_int_equal(a.n_free, 1);
	p[0] = ferry_arena_alloc_long(&a, 3 * FERRY_ARENA_LONG);
	assert_ptr_equal(p[0], odd);
	assert_null(ferry_arena_alloc_long(&a, FERRY_ARENA_LONG));
	ferry_arena_fini(&a);
}

/* The most holes there can be: one before each piece and one behind. */
static void
the_books_have_room_for_a_hole_beside_every_piece(void **state)
{
	struct ferry_arena a;
	uint32_t i;
	void *hole;

	(void)state;
	assert_int_equal(ferry_arena_init(&a, base, 65536 * GRAIN), 0);
	for (i = 1; i <= 200; i++) {
		/* Larger than all holes before, and what stays larger still. */
		hole = ferry_arena_alloc(&a, i * GRAIN);
		assert_non_null(hole);
		assert_non_null(ferry_arena_alloc(&a, 201 * GRAIN));
		ferry_arena_free(&a, hole, i * GRAIN);
		assert_int_equal(a.n_given, i);
		assert_int_equal(a.n_free, i + 1);
		assert_true(a.n_free <= a.room);
	}
	ferry_arena_fini(&a);
}

static void
sizes_out_of_range_get_nothing(void **state)
{
	static const uint64_t bad[] = {
		0, SIZE + 1, UINT64_MAX, UINT64_MAX - GRAIN + 2,
	};
	struct ferry_arena a;
	uint32_t i;

	(void)state;
	assert_int_equal(ferry_arena_init(&a, base, SIZE), 0);
	for (i = 0; i < RTE_DIM(bad); i++)
		assert_null(ferry_arena_alloc(&a, bad[i]));
	check_whole(&a);
	ferry_arena_fini(&a);
	ferry_arena_fini(&a); /* twice does no harm */
}

static void
a_ragged_size_is_rounded_down_to_the_grain(void **state)
{
	struct ferry_arena a;

	(void)state;
	assert_int_equal(ferry_arena_init(&a, base, 2 * GRAIN - 1), 0);
	assert_null(ferry_arena_alloc(&a, GRAIN + 1));
	assert_non_null(ferry_arena_alloc(&a, GRAIN));
	assert_null(ferry_arena_alloc(&a, 1));
	ferry_arena_fini(&a);
	assert_int_equal(ferry_arena_init(&a, base, GRAIN - 1), 0);
	assert_null(ferry_arena_alloc(&a, 1));
	ferry_arena_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		random_use_never_overlaps_and_coalesces_back_to_one_piece),
		cmocka_unit_test(it_can_be_exhausted_to_the_last_grain),
		cmocka_unit_test(free_pieces_apart_do_not_add_up),
		cmocka_unit_test(neighbours_join_from_either_side),
		cmocka_unit_test(
		what_is_long_starts_on_a_hugepage_if_there_is_such_a_piece),
		cmocka_unit_test(
			the_books_have_room_for_a_hole_beside_every_piece),
		cmocka_unit_test(sizes_out_of_range_get_nothing),
		cmocka_unit_test(a_ragged_size_is_rounded_down_to_the_grain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
