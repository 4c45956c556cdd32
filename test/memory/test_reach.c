/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which processes and devices reach memory: each answer, and at which address
 * it ends. A stretch of memory is DPDK's, registered with EAL, declared, or
 * none of these.
 */

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "ferry_reach.h"
#include "ferry_test.h"

#define PAGE UINT64_C(4096)
#define HUGE_PAGE (UINT64_C(2) << 20)
/* Whatever of it is unused is none of a test's. */
#define PLACE (16 * HUGE_PAGE)

/* Reserve addresses without memory, so that the kernel places no other mapping
 * there. */
static uint64_t
place_make(void)
{
	void *at = mmap(NULL, PLACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	assert_true(at != MAP_FAILED);
	return (uintptr_t)at;
}

static void
place_free(uint64_t at)
{
	munmap((void *)(uintptr_t)at, PLACE);
}

/*
 * Lists of two pages each, one behind the other, in place of EAL's. The first
 * page of the place is in none of them.
 */
static struct {
	bool on;
	unsigned int lookups;
	struct rte_memseg_list lists[5];
	struct rte_memseg pages[5][2];
} fake;

static void
fake_make(uint64_t at)
{
	unsigned int i, k;

	memset(&fake, 0, sizeof(fake));
	for (i = 0; i < RTE_DIM(fake.lists); i++) {
		struct rte_memseg_list *msl = &fake.lists[i];

		msl->base_va = (void *)(uintptr_t)(at + (1 + 2 * i) * PAGE);
		msl->page_sz = PAGE;
		msl->len = 2 * PAGE;
		for (k = 0; k < 2; k++) {
			fake.pages[i][k].addr_64 =
				(uintptr_t)msl->base_va + k * PAGE;
			fake.pages[i][k].len = PAGE;
		}
	}
	fake.on = true;
}

/* In place of DPDK's. */
struct rte_memseg_list *
rte_mem_virt2memseg_list(const void *addr)
{
	struct rte_memseg_list *(*real)(const void *);
	unsigned int i;

	fake.lookups++;
	if (!fake.on) {
		*(void **)&real = dlsym(RTLD_NEXT, "rte_mem_virt2memseg_list");
		return real(addr);
	}
	for (i = 0; i < RTE_DIM(fake.lists); i++)
		if ((uintptr_t)addr - (uintptr_t)fake.lists[i].base_va <
				fake.lists[i].len)
			return &fake.lists[i];
	return NULL;
}

struct rte_memseg *
rte_mem_virt2memseg(const void *addr, const struct rte_memseg_list *msl)
{
	struct rte_memseg *(*real)(const void *,
		const struct rte_memseg_list *);

	if (fake.on)
		return &fake.pages[msl - fake.lists][((uintptr_t)addr -
			(uintptr_t)msl->base_va) / PAGE];
	*(void **)&real = dlsym(RTLD_NEXT, "rte_mem_virt2memseg");
	return real(addr, msl);
}

/* To an asker who knows nothing. */
static enum ferry_reach
reach_of(uint64_t addr, uint64_t len)
{
	struct ferry_reach_view view = { 0 };

	return ferry_reach(&view, addr, len);
}

static void
nothing_is_known_of_private_memory(void **state)
{
	static uint8_t mem[2 * PAGE];
	uint64_t at = place_make();

	(void)state;
	assert_int_equal(reach_of((uintptr_t)mem, sizeof(mem)),
		FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of((uintptr_t)mem, 0), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of((uintptr_t)&at, sizeof(at)),
		FERRY_REACH_PRIVATE);
	/* Nor whether there is any. */
	assert_int_equal(reach_of(at, 1), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(0, 1), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(1, UINT64_MAX - 1), FERRY_REACH_PRIVATE);
	place_free(at);
}

static void
a_range_does_not_wrap(void **state)
{
	struct ferry_reach_range whole = { .addr = PAGE };
	struct ferry_reach_view view = {
		.known_from = PAGE, .known_to = UINT64_MAX,
	};

	(void)state;
	whole.size = UINT64_MAX - whole.addr;
	SLIST_INSERT_HEAD(&view.ranges, &whole, next);
	assert_int_equal(ferry_reach(&view, UINT64_MAX - 1, 1),
		FERRY_REACH_ALL);
	assert_int_equal(ferry_reach(&view, UINT64_MAX, 0), FERRY_REACH_ALL);
	assert_int_equal(ferry_reach(&view, UINT64_MAX, 1), FERRY_REACH_NONE);
	assert_int_equal(ferry_reach(&view, 2 * PAGE, UINT64_MAX - PAGE),
		FERRY_REACH_NONE);
	assert_int_equal(ferry_reach(&view, PAGE, UINT64_MAX),
		FERRY_REACH_NONE);
	assert_int_equal(ferry_reach(&view, UINT64_MAX, UINT64_MAX),
		FERRY_REACH_NONE);
	assert_int_equal(reach_of(1, UINT64_MAX), FERRY_REACH_NONE);
}

static void
what_an_asker_knows_is_not_looked_up(void **state)
{
	const uint64_t at = place_make();
	struct ferry_reach_view view = {
		.known_from = at + PAGE, .known_to = at + 3 * PAGE,
	};

	(void)state;
	assert_int_equal(ferry_reach(&view, at + PAGE, 2 * PAGE),
		FERRY_REACH_ALL);
	assert_int_equal(ferry_reach(&view, at + 3 * PAGE - 1, 1),
		FERRY_REACH_ALL);
	assert_int_equal(ferry_reach(&view, at + 3 * PAGE, 0),
		FERRY_REACH_ALL);
	/* Half in, half out: at either end, at both, and beside it. */
	assert_int_equal(ferry_reach(&view, at + 3 * PAGE - 1, 2),
		FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_reach(&view, at + PAGE - 1, 2),
		FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_reach(&view, at, 4 * PAGE),
		FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_reach(&view, at + 3 * PAGE, 1),
		FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_reach(&view, at, PAGE), FERRY_REACH_PRIVATE);
	place_free(at);
}

static void
what_is_declared_is_the_ends(void **state)
{
	const uint64_t at = place_make();
	struct ferry_reach_range r[] = {
		{ .addr = at + PAGE, .size = PAGE },
		{ .addr = at + 2 * PAGE, .size = PAGE },
		{ .addr = at + 4 * PAGE, .size = 2 * PAGE },
	};
	struct ferry_reach_view view = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(r); i++)
		SLIST_INSERT_HEAD(&view.ranges, &r[i], next);
	for (i = 0; i < RTE_DIM(r); i++) {
		const uint64_t from = r[i].addr, to = from + r[i].size;

		assert_int_equal(ferry_reach(&view, from, r[i].size),
			FERRY_REACH_ENDS);
		assert_int_equal(ferry_reach(&view, from, 1),
			FERRY_REACH_ENDS);
		assert_int_equal(ferry_reach(&view, to - 1, 1),
			FERRY_REACH_ENDS);
		assert_int_equal(ferry_reach(&view, to, 0), FERRY_REACH_ENDS);
		assert_int_equal(ferry_reach(&view, from - 1, 2),
			FERRY_REACH_PRIVATE);
		assert_int_equal(ferry_reach(&view, to - 1, 2),
			FERRY_REACH_PRIVATE);
	}
	/* Neighbours are unregistered one by one: no range is of both. */
	assert_int_equal(ferry_reach(&view, at + PAGE, 2 * PAGE),
		FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_reach(&view, at + 3 * PAGE, 1),
		FERRY_REACH_PRIVATE);
	SLIST_REMOVE(&view.ranges, &r[1], ferry_reach_range, next);
	assert_int_equal(ferry_reach(&view, at + 2 * PAGE, PAGE),
		FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_reach(&view, at + PAGE, PAGE),
		FERRY_REACH_ENDS);
	place_free(at);
}

static void
what_eal_was_told_of_is_this_process_s(void **state)
{
	const uint64_t at = place_make();
	uint8_t *mem = (uint8_t *)(uintptr_t)at;
	struct ferry_reach_range declared = {
		.addr = at, .size = 3 * PAGE,
	};
	struct ferry_reach_view view = { 0 };

	(void)state;
	ferry_test_need_eal();
	assert_int_equal(rte_extmem_register(mem + PAGE, PAGE, NULL, 0, PAGE),
		0);
	assert_int_equal(rte_extmem_register(mem + 2 * PAGE, 2 * PAGE, NULL, 0,
		PAGE), 0);
	assert_int_equal(reach_of(at + PAGE, PAGE), FERRY_REACH_HERE);
	assert_int_equal(reach_of(at + 2 * PAGE, 2 * PAGE), FERRY_REACH_HERE);
	assert_int_equal(reach_of(at + 4 * PAGE - 1, 1), FERRY_REACH_HERE);
	assert_int_equal(reach_of(at + 2 * PAGE, 0), FERRY_REACH_HERE);
	assert_int_equal(reach_of(at + PAGE - 1, 1), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(at + PAGE - 1, 2), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(at + 4 * PAGE - 1, 2), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(at + 4 * PAGE, 1), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(at + 2 * PAGE, UINT64_MAX),
		FERRY_REACH_NONE);
	/* As one piece: one of two neighbours may be gone tomorrow. */
	assert_int_equal(reach_of(at + 2 * PAGE - 1, 2), FERRY_REACH_PRIVATE);
	/* The more that reach it, the better. */
	SLIST_INSERT_HEAD(&view.ranges, &declared, next);
	assert_int_equal(ferry_reach(&view, at + PAGE, 2 * PAGE),
		FERRY_REACH_ENDS);
	assert_int_equal(ferry_reach(&view, at + 3 * PAGE - 1, 2),
		FERRY_REACH_HERE);
	/* What was found is not remembered: it may be taken back. */
	assert_int_equal(rte_extmem_unregister(mem + 2 * PAGE, 2 * PAGE), 0);
	assert_int_equal(ferry_reach(&view, at + 3 * PAGE - 1, 2),
		FERRY_REACH_PRIVATE);
	assert_int_equal(rte_extmem_unregister(mem + PAGE, PAGE), 0);
	assert_int_equal(reach_of(at + PAGE, PAGE), FERRY_REACH_PRIVATE);
	place_free(at);
}

static void
memory_of_dpdk_is_everybodys_across_pages(void **state)
{
	uint8_t *mem;
	struct ferry_reach_view view = { 0 };
	const struct rte_memseg *ms;
	uint64_t at, border;

	(void)state;
	ferry_test_need_eal();
	mem = rte_malloc(NULL, 2 * HUGE_PAGE, 0);
	assert_non_null(mem);
	at = (uintptr_t)mem;
	assert_int_equal(reach_of(at, 2 * HUGE_PAGE), FERRY_REACH_ALL);
	assert_int_equal(reach_of(at, 0), FERRY_REACH_ALL);
	assert_int_equal(reach_of(at + 2 * HUGE_PAGE - 1, 1), FERRY_REACH_ALL);
	assert_int_equal(reach_of(at, UINT64_MAX), FERRY_REACH_NONE);
	/* Two pages, in segments of their own. */
	ms = rte_mem_virt2memseg(mem, NULL);
	assert_non_null(ms);
	border = ms->addr_64 + ms->len;
	assert_true(border > at && border < at + 2 * HUGE_PAGE);
	assert_int_equal(ferry_reach(&view, at, 1), FERRY_REACH_ALL);
	assert_true(view.from == ms->addr_64 && view.to == border);
	assert_int_equal(ferry_reach(&view, border - 1, 2), FERRY_REACH_ALL);
	assert_true(view.from == ms->addr_64 && view.to > border);
	/* It is remembered: the asker would be told so without a lookup. */
	assert_int_equal(ferry_reach(&view, border, 1), FERRY_REACH_ALL);
	assert_true(view.from == ms->addr_64);
	rte_free(mem);
}

static void
pages_are_followed_from_list_to_list(void **state)
{
	const uint64_t at = place_make();

	(void)state;
	fake_make(at);
	/* Of DPDK: 1, 2; 3, and 4 not in use; 7, 8. Registered: the rest. */
	fake.pages[1][1].len = 0;
	fake.lists[2].external = 1;
	fake.lists[4].external = 1;
	assert_int_equal(reach_of(at + PAGE, 2 * PAGE), FERRY_REACH_ALL);
	assert_int_equal(reach_of(at + PAGE, 3 * PAGE), FERRY_REACH_ALL);
	assert_int_equal(reach_of(at + 3 * PAGE - 1, 2), FERRY_REACH_ALL);
	assert_int_equal(reach_of(at + 7 * PAGE, 2 * PAGE), FERRY_REACH_ALL);
	/* Out of the lists, and into them. */
	assert_int_equal(reach_of(at, PAGE), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(at, 2 * PAGE), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(at + 11 * PAGE, 1), FERRY_REACH_PRIVATE);
	/* Where a page is not in use. */
	assert_int_equal(reach_of(at + 4 * PAGE - 1, 2), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(at + 4 * PAGE, 0), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(at + 4 * PAGE, 1), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(at + PAGE, 7 * PAGE), FERRY_REACH_PRIVATE);
	/* From what one process has to what all have, and back. */
	assert_int_equal(reach_of(at + 5 * PAGE, 2 * PAGE), FERRY_REACH_HERE);
	assert_int_equal(reach_of(at + 7 * PAGE - 1, 2), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(at + 9 * PAGE - 1, 2), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(at + 9 * PAGE, 2 * PAGE), FERRY_REACH_HERE);
	assert_int_equal(reach_of(at + 9 * PAGE, 2 * PAGE + 1),
		FERRY_REACH_PRIVATE);
	fake.on = false;
	place_free(at);
}

static void
what_was_found_last_is_remembered(void **state)
{
	const uint64_t at = place_make();
	struct ferry_reach_view view = { 0 };

	(void)state;
	fake_make(at);
	fake.pages[0][1].len = 0;
	assert_int_equal(ferry_reach(&view, at + PAGE + 5, 1),
		FERRY_REACH_ALL);
	fake.lookups = 0;
	/* To its very ends, and not beyond. */
	assert_int_equal(ferry_reach(&view, at + PAGE, PAGE), FERRY_REACH_ALL);
	assert_int_equal(ferry_reach(&view, at + PAGE, 0), FERRY_REACH_ALL);
	assert_int_equal(ferry_reach(&view, at + 2 * PAGE, 0),
		FERRY_REACH_ALL);
	assert_int_equal(fake.lookups, 0);
	assert_int_equal(ferry_reach(&view, at + PAGE - 1, 1),
		FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_reach(&view, at + PAGE - 1, 2),
		FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_reach(&view, at + 2 * PAGE, 1),
		FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_reach(&view, at + PAGE, PAGE + 1),
		FERRY_REACH_PRIVATE);
	assert_true(fake.lookups > 0);
	/* What has an end that is not of DPDK is still known up to there. */
	fake.lookups = 0;
	assert_int_equal(ferry_reach(&view, at + PAGE, PAGE), FERRY_REACH_ALL);
	assert_int_equal(fake.lookups, 0);
	/* A longer stretch takes its place. */
	assert_int_equal(ferry_reach(&view, at + 3 * PAGE, 4 * PAGE),
		FERRY_REACH_ALL);
	fake.lookups = 0;
	assert_int_equal(ferry_reach(&view, at + 3 * PAGE, 4 * PAGE),
		FERRY_REACH_ALL);
	assert_int_equal(fake.lookups, 0);
	fake.on = false;
	place_free(at);
}

/* The end of a stretch of pages that are in use and have no neighbour. */
static int
stretch_end(const struct rte_memseg_list *msl, const struct rte_memseg *ms,
		size_t len, void *arg)
{
	const uint64_t end = ms->addr_64 + len;
	const void *next = (const void *)(uintptr_t)end;
	const struct rte_memseg_list *there = rte_mem_virt2memseg_list(next);
	uint64_t *found = arg;

	if (msl->external || (there != NULL && there != msl))
		return 0;
	*found = end;
	return 1;
}

static void
pages_that_are_not_in_use_are_nobodys(void **state)
{
	struct ferry_reach_view view = { 0 };
	struct ferry_reach_range over;
	uint64_t end = 0;

	(void)state;
	ferry_test_need_eal();
	assert_int_equal(rte_memseg_contig_walk(stretch_end, &end), 1);
	assert_int_equal(ferry_reach(&view, end - 1, 1), FERRY_REACH_ALL);
	assert_int_equal(ferry_reach(&view, end - 1, 2), FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_reach(&view, end - PAGE, UINT64_MAX - end),
		FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_reach(&view, end, 1), FERRY_REACH_PRIVATE);
	/* That which was in use is remembered, and not more. */
	assert_int_equal(view.to, end);
	assert_int_equal(ferry_reach(&view, end - 1, 1), FERRY_REACH_ALL);
	/* A declaration does not need DPDK to agree. */
	over = (struct ferry_reach_range) { .addr = end - 1, .size = 2 };
	SLIST_INSERT_HEAD(&view.ranges, &over, next);
	assert_int_equal(ferry_reach(&view, end - 1, 2), FERRY_REACH_ENDS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_of_private_memory),
		cmocka_unit_test(a_range_does_not_wrap),
		cmocka_unit_test(what_an_asker_knows_is_not_looked_up),
		cmocka_unit_test(what_is_declared_is_the_ends),
		cmocka_unit_test(what_eal_was_told_of_is_this_process_s),
		cmocka_unit_test(memory_of_dpdk_is_everybodys_across_pages),
		cmocka_unit_test(pages_are_followed_from_list_to_list),
		cmocka_unit_test(what_was_found_last_is_remembered),
		cmocka_unit_test(pages_that_are_not_in_use_are_nobodys),
	};

	return cmocka_run_group_tests(tests, ferry_test_eal_setup, NULL);
}
