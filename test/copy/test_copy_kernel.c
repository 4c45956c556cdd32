/* SPDX-License-Identifier: BSD-3-Clause */

/* Every copy kernel this CPU may run, against a byte-wise reference. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_vect.h>

#include "ferry_copy_kernel.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* What the destination and its surroundings hold before a copy. */
#define UNTOUCHED 0xa5
#define GUARD ((size_t)128)

/* The kernel under test, or the test is skipped with the reason. */
static const struct ferry_copy_kernel *
kernel_or_skip(void **state)
{
	const struct ferry_copy_kernel *kernel = *state;
	const char *why = ferry_copy_kernel_obstacle(kernel);

	if (why != NULL) {
		print_message("%s: not run: %s\n", kernel->name, why);
		skip();
	}
	return kernel;
}

static uint8_t *
map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* len usable bytes, a whole number of pages, between two that fault. */
static uint8_t *
map_fenced(size_t len)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *p = map(len + 2 * page);

	assert_int_equal(mprotect(p, page, PROT_NONE), 0);
	assert_int_equal(mprotect(p + page + len, page, PROT_NONE), 0);
	return p + page;
}

static void
unmap_fenced(uint8_t *p, size_t len)
{
	size_t page = sysconf(_SC_PAGESIZE);

	assert_int_equal(munmap(p - page, len + 2 * page), 0);
}

/* Bytes without a short period, so that no displaced copy looks right. */
static void
scramble(uint8_t *p, size_t len)
{
	uint32_t x = 2463534242u;
	size_t i;

	for (i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		p[i] = (uint8_t)(x >> 11);
	}
}

static void
reference(volatile uint8_t *dst, const uint8_t *src, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		dst[i] = src[i];
}

/* dst and expect have GUARD bytes before and after len; src is len long. */
static void
check_copy(const struct ferry_copy_kernel *k, uint8_t *dst, uint8_t *expect,
		const uint8_t *src, size_t len)
{
	memset(dst, UNTOUCHED, len + 2 * GUARD);
	k->copy(dst + GUARD, src, len);
	if (memcmp(dst, expect, len + 2 * GUARD) != 0)
		fail_msg("%s: len %zu, dst %% 64 = %zu, src %% 64 = %zu",
			k->name, len, (size_t)((uintptr_t)dst + GUARD) % 64,
			(size_t)(uintptr_t)src % 64);
}

static void
test_small(void **state)
{
	const struct ferry_copy_kernel *k = kernel_or_skip(state);
	size_t page = sysconf(_SC_PAGESIZE), len, d, s;
	uint8_t *src = map(page), *dst = map(page), *expect = map(page);

	scramble(src, page);
	for (len = 0; len <= 300; len++) {
		for (s = 0; s < 64; s++) {
			memset(expect, UNTOUCHED, len + 2 * GUARD);
			reference(expect + GUARD, src + s, len);
			for (d = 0; d < 64; d++)
				check_copy(k, dst + d, expect, src + s, len);
		}
	}
	munmap(src, page);
	munmap(dst, page);
	munmap(expect, page);
}

static void
test_large(void **state)
{
	const struct ferry_copy_kernel *k = kernel_or_skip(state);
	static const size_t around[] = {
		512, 1 * KIB, 2 * KIB, 4 * KIB, 8 * KIB, 12 * KIB, 16 * KIB,
		20 * KIB, 32 * KIB, 64 * KIB, 100 * KIB, 1 * MIB,
		1 * MIB + 28 * KIB, 3 * MIB,
	};
	static const int off[] = {
		-257, -256, -129, -128, -65, -64, -63, -33, -32, -31, -17,
		-16, -15, -1, 0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128,
		129, 255, 256, 257,
	};
	static const size_t align[] = { 0, 1, 4, 15, 16, 31, 32, 33, 63 };
	const size_t room = 4 * MIB;
	uint8_t *src = map(room), *dst = map(room), *expect = map(room);
	size_t i, j, a, b;

	scramble(src, room);
	for (i = 0; i < RTE_DIM(around); i++) {
		/* All pairs of alignments where it is cheap, else a sample. */
		bool cheap = around[i] <= 100 * KIB;
		size_t step = cheap ? 1 : RTE_DIM(align);
		size_t jump = cheap ? 1 : 4;

		for (j = 0; j < RTE_DIM(off); j += jump) {
			size_t len = around[i] + off[j];

			for (a = 0; a < RTE_DIM(align); a++) {
				const uint8_t *from = src + align[a];

				memset(expect, UNTOUCHED, len + 2 * GUARD);
				memcpy(expect + GUARD, from, len);
				for (b = (a + j) % step; b < RTE_DIM(align);
						b += step)
					check_copy(k, dst + align[b], expect,
						from, len);
			}
		}
	}
	munmap(src, room);
	munmap(dst, room);
	munmap(expect, room);
}

/* Source and destination flush against pages that fault, at either end. */
static void
test_no_overrun(void **state)
{
	const struct ferry_copy_kernel *k = kernel_or_skip(state);
	static const size_t large[] = {
		511, 512, 1000, 4095, 4096, 8192, 16384, 16385, 20000, 32767,
		65535, 65536,
	};
	const size_t room = 64 * KIB;
	uint8_t *src = map_fenced(room), *dst = map_fenced(room);
	size_t i, shift;

	scramble(src, room);
	for (i = 0; i <= 300 + RTE_DIM(large); i++) {
		size_t len = i <= 300 ? i : large[i - 301];
		size_t end = room - len;

		/* Both at the start, both at the end, and crosswise. */
		for (shift = 0; shift < 4; shift++) {
			uint8_t *d = dst + (shift & 1 ? end : 0);
			uint8_t *s = src + (shift & 2 ? end : 0);

			memset(d, UNTOUCHED, len);
			k->copy(d, s, len);
			assert_memory_equal(d, s, len);
		}
	}
	unmap_fenced(src, room);
	unmap_fenced(dst, room);
}

/*
 * More than 4 GiB of address space over little memory: a small file, mapped
 * again and again. Windows of the destination that tell whether the copy
 * reached them have memory of their own.
 */
#define HUGE_UNIT (32 * MIB)
#define HUGE_LEN (4 * GIB + 3 * MIB + 77)
#define WINDOW (64 * KIB)

static uint8_t *
map_repeated(size_t len)
{
	int fd = memfd_create("ferry-test", MFD_CLOEXEC);
	size_t at;
	uint8_t *p;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, HUGE_UNIT), 0);
	p = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
			MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	for (at = 0; at < len; at += HUGE_UNIT)
		assert_ptr_equal(mmap(p + at, RTE_MIN(HUGE_UNIT, len - at),
				PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED, fd, 0), p + at);
	close(fd);
	return p;
}

static void
test_beyond_4_gib(void **state)
{
	static const size_t windows[] = {
		0, 2 * GIB - WINDOW, 2 * GIB, 4 * GIB - WINDOW, 4 * GIB,
		HUGE_LEN / WINDOW * WINDOW,
	};
	const size_t room = RTE_ALIGN_CEIL(HUGE_LEN + WINDOW, WINDOW);
	uint8_t *src = map_repeated(room), *dst = map_repeated(room);
	unsigned int id;
	size_t i;

	(void)state;
	scramble(src, HUGE_UNIT);
	for (i = 0; i < RTE_DIM(windows); i++)
		assert_ptr_equal(mmap(dst + windows[i], WINDOW,
				PROT_READ | PROT_WRITE, MAP_PRIVATE |
				MAP_ANONYMOUS | MAP_FIXED, -1, 0),
				dst + windows[i]);
	for (id = 0; id < FERRY_COPY_KERNEL_MAX; id++) {
		const struct ferry_copy_kernel *k = ferry_copy_kernel_get(id);

		if (ferry_copy_kernel_obstacle(k) != NULL)
			continue;
		/* One width will do: the arithmetic is the same. */
		if (k->bits != 0 && k->bits != ferry_copy_kernel_best(0)->bits)
			continue;
		for (i = 0; i < RTE_DIM(windows); i++)
			memset(dst + windows[i], UNTOUCHED, WINDOW);
		k->copy(dst, src, HUGE_LEN);
		for (i = 0; i < RTE_DIM(windows); i++) {
			size_t len = RTE_MIN(WINDOW, HUGE_LEN - windows[i]);

			assert_memory_equal(dst + windows[i],
				src + windows[i], len);
			for (; len < WINDOW; len++)
				assert_int_equal(dst[windows[i] + len],
					UNTOUCHED);
		}
	}
	munmap(src, room);
	munmap(dst, room);
}

static void
test_kernel_list(void **state)
{
	const struct ferry_copy_kernel *list[FERRY_COPY_KERNEL_MAX];
	unsigned int n, i;

	(void)state;
	n = ferry_copy_kernel_list(list, RTE_DIM(list));
	assert_in_range(n, 4, FERRY_COPY_KERNEL_MAX);
	for (i = 0; i < n; i++) {
		assert_null(ferry_copy_kernel_obstacle(list[i]));
		assert_ptr_equal(ferry_copy_kernel_get(list[i]->id), list[i]);
		if (i > 0)
			assert_true(list[i]->id > list[i - 1]->id);
	}
	assert_int_equal(ferry_copy_kernel_list(list, 2), 2);
	assert_int_equal(ferry_copy_kernel_list(list, 0), 0);
	assert_null(ferry_copy_kernel_get(FERRY_COPY_KERNEL_MAX));

	assert_false(ferry_copy_kernel_best(false)->nontemporal);
	assert_true(ferry_copy_kernel_best(true)->nontemporal);
	assert_null(ferry_copy_kernel_obstacle(ferry_copy_kernel_best(false)));
	assert_null(ferry_copy_kernel_obstacle(ferry_copy_kernel_best(true)));
	assert_false(ferry_copy_kernel_bulk()->nontemporal);
	assert_null(ferry_copy_kernel_obstacle(ferry_copy_kernel_bulk()));
}

static int
restore_simd(void **state)
{
	(void)state;
	return rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_512);
}

static void
test_simd_limit(void **state)
{
	static const uint16_t limits[] = { 64, 128, 256, 512 };
	const struct ferry_copy_kernel *list[FERRY_COPY_KERNEL_MAX];
	unsigned int i, j, n, before = 0;

	(void)state;
	for (i = 0; i < RTE_DIM(limits); i++) {
		/* SSE2 is the floor. */
		uint16_t most = RTE_MAX(limits[i], RTE_VECT_SIMD_128);

		assert_int_equal(rte_vect_set_max_simd_bitwidth(limits[i]), 0);
		n = ferry_copy_kernel_list(list, RTE_DIM(list));
		for (j = 0; j < n; j++)
			assert_true(list[j]->bits <= most);
		assert_true(n >= before);
		before = n;
		assert_true(ferry_copy_kernel_best(false)->bits <= most);
		assert_true(ferry_copy_kernel_best(true)->bits <= most);
	}
}

static void
test_auto_min(void **state)
{
	(void)state;
	/* Half of L2 where L3 is ample, an eighth of the L3 share where not. */
	assert_int_equal(ferry_copy_kernel_auto_min(512 * KIB, 16 * MIB),
		256 * KIB);
	assert_int_equal(ferry_copy_kernel_auto_min(2 * MIB, 240 * MIB),
		1 * MIB);
	assert_int_equal(ferry_copy_kernel_auto_min(2 * MIB, 1 * MIB),
		128 * KIB);
	/* Unknown sizes still give something sensible, never 0. */
	assert_int_equal(ferry_copy_kernel_auto_min(0, 0), 256 * KIB);
	assert_int_equal(ferry_copy_kernel_auto_min(1, 1),
		FERRY_COPY_KERNEL_NT_MIN);
	assert_in_range(ferry_copy_kernel_auto_min_here(),
		FERRY_COPY_KERNEL_NT_MIN, 16 * MIB);
}

#define PER_KERNEL 3

int
main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(test_beyond_4_gib),
		cmocka_unit_test(test_kernel_list),
		cmocka_unit_test_teardown(test_simd_limit, restore_simd),
		cmocka_unit_test(test_auto_min),
	};
	static const struct {
		const char *name;
		CMUnitTestFunction func;
	} grid[PER_KERNEL] = {
		{ "small", test_small },
		{ "large", test_large },
		{ "no overrun", test_no_overrun },
	};
	struct CMUnitTest tests[FERRY_COPY_KERNEL_MAX * PER_KERNEL];
	char names[FERRY_COPY_KERNEL_MAX * PER_KERNEL][48];
	unsigned int i;
	int failed;

	/* EAL is not running: allow what --force-max-simd-bitwidth=512
	 * would. */
	rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_512);
	for (i = 0; i < RTE_DIM(tests); i++) {
		const struct ferry_copy_kernel *k =
			ferry_copy_kernel_get(i / PER_KERNEL);

		snprintf(names[i], sizeof(names[i]), "%s: %s", k->name,
			grid[i % PER_KERNEL].name);
		tests[i] = (struct CMUnitTest) {
			.name = names[i],
			.test_func = grid[i % PER_KERNEL].func,
			.initial_state = (void *)(uintptr_t)k,
		};
	}
	failed = cmocka_run_group_tests_name("copies", tests, NULL, NULL);
	failed += cmocka_run_group_tests_name("choice", others, NULL, NULL);
	return failed != 0;
}
