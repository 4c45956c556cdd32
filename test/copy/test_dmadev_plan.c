/* SPDX-License-Identifier: BSD-3-Clause */

/* How a copy is cut into operations, for layouts of memory that no real machine
 * has. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dmadev_plan.h"
#include "ferry_test.h"

#define GB (UINT64_C(1) << 30)
#define PAGE UINT64_C(4096)
#define HUGE_PAGE (UINT64_C(2) << 20)
/* Where the fake layouts have their process addresses. */
#define SRC_BASE (UINT64_C(1) << 40)
#define DST_BASE (UINT64_C(1) << 41)
/* Any value no sum below reaches by accident. */
#define PA_STEP (UINT64_C(0x123) << 32)

static bool
page_at(uint64_t va, uint64_t size, uint64_t iova, struct dmadev_page *page)
{
	page->iova = iova + va % size;
	page->len = size - va % size;
	return true;
}

/* 4 KiB pages, no two of them neighbours for the device. */
static bool
scattered(uint64_t va, struct dmadev_page *page)
{
	return page_at(va, PAGE, va / PAGE * 2 * PAGE + PA_STEP, page);
}

/* 4 KiB pages one after the other. */
static bool
straight(uint64_t va, struct dmadev_page *page)
{
	return page_at(va, PAGE, va / PAGE * PAGE + PA_STEP, page);
}

/* 4 KiB pages in reverse order. */
static bool
backwards(uint64_t va, struct dmadev_page *page)
{
	return page_at(va, PAGE, PA_STEP - va / PAGE * PAGE, page);
}

/* 2 MiB pages, of which every third does not follow the one before it. */
static bool
threes(uint64_t va, struct dmadev_page *page)
{
	uint64_t n = va / HUGE_PAGE;

	return page_at(va, HUGE_PAGE, (n + n / 3) * HUGE_PAGE + PA_STEP, page);
}

/* Straight, ending at SRC_BASE + 2 pages and at DST_BASE + 1 page. */
static bool
short_ends(uint64_t va, struct dmadev_page *page)
{
	if (va >= DST_BASE ? va >= DST_BASE + PAGE : va >= SRC_BASE + 2 * PAGE)
		return false;
	return straight(va, page);
}

static bool
empty_page(uint64_t va, struct dmadev_page *page)
{
	page->iova = va;
	page->len = 0;
	return true;
}

/* The device sees both ends of [va, va + len) at iova, without a break. */
static void
assert_maps(dmadev_page_fn fn, uint64_t va, uint64_t iova, uint64_t len)
{
	struct dmadev_page page;
	uint64_t at = 0;

	if (fn == NULL) {
		assert_int_equal(va, iova);
		return;
	}
	while (at < len) {
		assert_true(fn(va + at, &page));
		assert_int_equal(page.iova, iova + at);
		at += page.len;
	}
}

/* Cut it all up, check every operation, say how many there were. */
static unsigned int
cut_all(dmadev_page_fn fn, uint32_t max, uint64_t src, uint64_t dst,
		uint64_t len)
{
	struct dmadev_plan plan;
	struct dmadev_op op, again;
	unsigned int ops = 0;
	uint64_t at = 0;

	dmadev_plan_start(&plan, fn, max, src, dst, len);
	while (dmadev_plan_next(&plan, &op)) {
		assert_in_range(op.len, 1, max);
		assert_true(op.len <= len - at);
		assert_maps(fn, src + at, op.src, op.len);
		assert_maps(fn, dst + at, op.dst, op.len);
		assert_true(dmadev_plan_next(&plan, &again));
		assert_int_equal(op.src, again.src);
		assert_int_equal(op.dst, again.dst);
		assert_int_equal(op.len, again.len);
		dmadev_plan_take(&plan, op.len);
		at += op.len;
		ops++;
	}
	assert_int_equal(at, len);
	assert_int_equal(plan.left, 0);
	return ops;
}

static void
test_nothing(void **state)
{
	(void)state;
	assert_int_equal(cut_all(NULL, 100, SRC_BASE, DST_BASE, 0), 0);
	assert_int_equal(cut_all(scattered, 100, SRC_BASE, DST_BASE, 0), 0);
}

static void
test_max_transfer(void **state)
{
	(void)state;
	assert_int_equal(cut_all(NULL, 100, SRC_BASE, DST_BASE, 99), 1);
	assert_int_equal(cut_all(NULL, 100, SRC_BASE, DST_BASE, 100), 1);
	assert_int_equal(cut_all(NULL, 100, SRC_BASE, DST_BASE, 101), 2);
	assert_int_equal(cut_all(NULL, 1, SRC_BASE, DST_BASE, 77), 77);
	assert_int_equal(cut_all(NULL, UINT32_MAX, SRC_BASE, DST_BASE,
		UINT32_MAX), 1);
}

/* Lengths and addresses on both sides of 4 GiB. */
static void
test_four_gigabytes(void **state)
{
	(void)state;
	assert_int_equal(cut_all(NULL, UINT32_MAX, SRC_BASE, DST_BASE,
		4 * GB - 1), 1);
	assert_int_equal(cut_all(NULL, UINT32_MAX, SRC_BASE, DST_BASE,
		4 * GB), 2);
	assert_int_equal(cut_all(NULL, 1u << 31, SRC_BASE, DST_BASE,
		4 * GB + 1), 3);
	assert_int_equal(cut_all(NULL, 1u << 20, 4 * GB - 10, DST_BASE, 20),
		1);
	assert_int_equal(cut_all(straight, 1u << 20, 4 * GB - 10,
		8 * GB - 7, 20), 1);
	assert_int_equal(cut_all(NULL, 1u << 30, SRC_BASE, DST_BASE,
		100 * GB), 100);
	/* Source and destination break in different places, 700 each. */
	assert_int_equal(cut_all(threes, UINT32_MAX, SRC_BASE, DST_BASE,
		3 * HUGE_PAGE * 700), 2 * 700 + 1);
}

/* Every page its own operation; pages of both sides end at other places. */
static void
test_scattered_pages(void **state)
{
	(void)state;
	assert_int_equal(cut_all(scattered, 1u << 20, SRC_BASE, DST_BASE,
		10 * PAGE), 10);
	assert_int_equal(cut_all(scattered, 1u << 20, SRC_BASE + 1,
		DST_BASE + 1, 10 * PAGE), 11);
	assert_int_equal(cut_all(scattered, 1u << 20, SRC_BASE + 100,
		DST_BASE, 10 * PAGE), 20);
	assert_int_equal(cut_all(scattered, 1000, SRC_BASE, DST_BASE,
		10 * PAGE), 50);
	assert_int_equal(cut_all(backwards, 1u << 20, SRC_BASE, DST_BASE,
		10 * PAGE), 10);
	assert_int_equal(cut_all(backwards, 1u << 20, SRC_BASE + PAGE - 1,
		DST_BASE + PAGE - 1, 2), 2);
}

static void
test_neighbours_merge(void **state)
{
	(void)state;
	assert_int_equal(cut_all(straight, 1u << 20, SRC_BASE + 5,
		DST_BASE + 9, 200 * PAGE), 1);
	assert_int_equal(cut_all(straight, 3 * PAGE, SRC_BASE, DST_BASE,
		10 * PAGE), 4);
}

/* Whatever reaches the end of known memory is not made up. */
static void
test_unknown_memory(void **state)
{
	struct dmadev_plan plan;
	struct dmadev_op op;

	(void)state;
	dmadev_plan_start(&plan, short_ends, 1u << 20, SRC_BASE, DST_BASE,
		2 * PAGE);
	assert_true(dmadev_plan_next(&plan, &op));
	assert_int_equal(op.len, PAGE);
	dmadev_plan_take(&plan, op.len);
	assert_false(dmadev_plan_next(&plan, &op));
	assert_int_equal(plan.left, PAGE);

	dmadev_plan_start(&plan, short_ends, 100, SRC_BASE + 2 * PAGE,
		DST_BASE, 1);
	assert_false(dmadev_plan_next(&plan, &op));
	dmadev_plan_start(&plan, empty_page, 100, SRC_BASE, DST_BASE, 1);
	assert_false(dmadev_plan_next(&plan, &op));
}

static void
test_reaches(void **state)
{
	(void)state;
	assert_true(dmadev_plan_reaches(NULL, 1, UINT64_MAX - 1));
	assert_true(dmadev_plan_reaches(short_ends, SRC_BASE, 0));
	assert_true(dmadev_plan_reaches(short_ends, SRC_BASE, 2 * PAGE - 1));
	assert_true(dmadev_plan_reaches(short_ends, SRC_BASE, 2 * PAGE));
	assert_false(dmadev_plan_reaches(short_ends, SRC_BASE, 2 * PAGE + 1));
	assert_true(dmadev_plan_reaches(short_ends, SRC_BASE + PAGE + 1,
		PAGE - 1));
	assert_false(dmadev_plan_reaches(short_ends, SRC_BASE + PAGE + 1,
		PAGE));
	assert_true(dmadev_plan_reaches(short_ends, SRC_BASE + 2 * PAGE, 0));
	assert_false(dmadev_plan_reaches(empty_page, SRC_BASE, 1));
}

/* A caller may take fewer bytes than it was offered, though none does yet. */
static void
test_random(void **state)
{
	static const dmadev_page_fn layouts[] = {
		NULL, scattered, straight, backwards, threes,
	};
	uint64_t seed = 1;
	unsigned int i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		dmadev_page_fn fn = layouts[i % 5];
		uint32_t max = 1 + ferry_test_random(&seed) % (3 * PAGE);
		struct dmadev_plan plan;
		struct dmadev_op op;
		uint64_t src = SRC_BASE + ferry_test_random(&seed) % GB;
		uint64_t dst = DST_BASE + ferry_test_random(&seed) % GB;
		uint64_t len = ferry_test_random(&seed) % (20 * max);
		uint64_t at = 0;

		cut_all(fn, max, src, dst, len);
		dmadev_plan_start(&plan, fn, max, src, dst, len);
		while (dmadev_plan_next(&plan, &op)) {
			uint32_t take = 1 + ferry_test_random(&seed) % op.len;

			assert_maps(fn, src + at, op.src, op.len);
			assert_maps(fn, dst + at, op.dst, op.len);
			dmadev_plan_take(&plan, take);
			at += take;
		}
		assert_int_equal(at, len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_max_transfer),
		cmocka_unit_test(test_four_gigabytes),
		cmocka_unit_test(test_scattered_pages),
		cmocka_unit_test(test_neighbours_merge),
		cmocka_unit_test(test_unknown_memory),
		cmocka_unit_test(test_reaches),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("dmadev_plan", tests, NULL, NULL);
}
