/* SPDX-License-Identifier: BSD-3-Clause */

/* Which copy kernels are chosen on machines other than this one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>

#include "copy_width.h"
#include "ferry_copy_kernel.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* A cache as CPUID says it: type (1: data, 2: code, 3: both) and level; threads
 * that share it; ways, partitions, bytes of a line, sets. */
struct cache {
	unsigned int type, level, threads, ways, partitions, line, sets;
};

static struct {
	const char *vendor;
	/* Its leaf; the last one of them is said of all that follow. */
	unsigned int leaf;
	struct cache caches[5];
	bool fsrm;
	bool osxsave, avx2, avx512;
	uint16_t simd;
} cpu;

static unsigned int asked;

int
fake_cpuid(unsigned int leaf, unsigned int sub, unsigned int *eax,
		unsigned int *ebx, unsigned int *ecx, unsigned int *edx)
{
	const struct cache *c = &cpu.caches[RTE_MIN(sub,
			RTE_DIM(cpu.caches) - 1)];

	*eax = *ebx = *ecx = *edx = 0;
	asked++;
	if (leaf == 0) {
		memcpy(ebx, cpu.vendor, 4);
		memcpy(edx, cpu.vendor + 4, 4);
		memcpy(ecx, cpu.vendor + 8, 4);
	} else if (leaf == 7) {
		*edx = cpu.fsrm ? 1u << 4 : 0;
	} else if (leaf != cpu.leaf) {
		/* Intel has no leaf 0x8000001d, and AMD says nothing in 4. */
		return leaf == 4;
	} else if (c->type != 0) {
		*eax = c->type | c->level << 5 | (c->threads - 1) << 14;
		*ebx = (c->line - 1) | (c->partitions - 1) << 12 |
			(c->ways - 1) << 22;
		*ecx = c->sets - 1;
	}
	return 1;
}

int
fake_flag(enum rte_cpu_flag_t flag)
{
	switch (flag) {
	case RTE_CPUFLAG_OSXSAVE:
		return cpu.osxsave;
	case RTE_CPUFLAG_AVX2:
		return cpu.avx2;
	case RTE_CPUFLAG_AVX512F:
		return cpu.avx512;
	default:
		return 0;
	}
}

uint16_t
fake_simd(void)
{
	return cpu.simd;
}

static int
setup(void **state)
{
	(void)state;
	memset(&cpu, 0, sizeof(cpu));
	cpu.vendor = "AuthenticAMD";
	asked = 0;
	return 0;
}

static void
test_what_a_cache_holds_is_worked_out(void **state)
{
	static const struct {
		unsigned int leaf;
		struct cache caches[5];
		size_t l2, l3_share;
	} machines[] = {
		/* Sapphire Rapids. */
		{ 4, { { 1, 1, 2, 12, 1, 64, 64 }, { 2, 1, 2, 8, 1, 64, 64 },
			{ 3, 2, 2, 16, 1, 64, 2048 },
			{ 3, 3, 128, 15, 1, 64, 114688 } },
			2 * MIB, 105 * MIB / 128 },
		/* Zen 3. */
		{ 0x8000001d, { { 1, 1, 2, 8, 1, 64, 64 },
			{ 2, 1, 2, 8, 1, 64, 64 }, { 3, 2, 2, 8, 1, 64, 1024 },
			{ 3, 3, 16, 16, 1, 64, 32768 } },
			512 * KIB, 2 * MIB },
		/* Two partitions; no third level. */
		{ 4, { { 3, 2, 1, 8, 2, 64, 1024 } }, MIB, 0 },
		/* Not one cache that is known. */
		{ 4, { { 0 } }, 0, 0 },
		{ 5, { { 0 } }, 0, 0 },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(machines); i++) {
		cpu.leaf = machines[i].leaf;
		memcpy(cpu.caches, machines[i].caches, sizeof(cpu.caches));
		assert_int_equal(ferry_copy_kernel_auto_min_here(),
			ferry_copy_kernel_auto_min(machines[i].l2,
				machines[i].l3_share));
	}
	/* Caches without an end. */
	for (i = 0; i < RTE_DIM(cpu.caches); i++)
		cpu.caches[i] = (struct cache) { 1, 1, 1, 8, 1, 64, 64 };
	cpu.leaf = 4;
	asked = 0;
	ferry_copy_kernel_auto_min_here();
	assert_true(asked < 100);
}

/* Streams lie whole lines apart, as far as there are some, up to a page. */
static void
test_streams_are_lines_apart(void **state)
{
	size_t rest, share, stride;
	unsigned int n;

	(void)state;
	for (n = 1; n <= 4; n *= 2)
		for (rest = 0; rest < 5 * COPY_PAGE; rest++) {
			stride = copy_stride(rest, n);
			share = rest / n;
			assert_int_equal(stride % COPY_LINE, 0);
			assert_true(stride <= share && stride <= COPY_PAGE);
			assert_true(stride + COPY_LINE > share ||
				stride == COPY_PAGE);
		}
}

static void
test_each_maker_gets_what_is_quick_there(void **state)
{
	(void)state;
	assert_string_equal(ferry_copy_kernel_best(true)->name, "sse2-nt");
	assert_string_equal(ferry_copy_kernel_best(false)->name, "sse2");
	assert_string_equal(ferry_copy_kernel_bulk()->name, "sse2");
	cpu.vendor = "GenuineIntel";
	assert_string_equal(ferry_copy_kernel_best(true)->name, "sse2-nt4");
	assert_string_equal(ferry_copy_kernel_best(false)->name, "sse2");
	cpu.vendor = "GenuineIotel";
	assert_string_equal(ferry_copy_kernel_best(true)->name, "sse2-nt");
	cpu.fsrm = true;
	assert_string_equal(ferry_copy_kernel_bulk()->name, "rep");
}

static const char *
obstacle(enum ferry_copy_kernel_id id)
{
	return ferry_copy_kernel_obstacle(ferry_copy_kernel_get(id));
}

/* Whatever lacks is told, the CPU's first. */
static void
test_what_lacks_is_told(void **state)
{
	const struct ferry_copy_kernel *list[FERRY_COPY_KERNEL_MAX];

	(void)state;
	assert_null(obstacle(FERRY_COPY_KERNEL_SSE2));
	assert_string_equal(obstacle(FERRY_COPY_KERNEL_AVX2),
		"this CPU has no AVX2");
	assert_string_equal(obstacle(FERRY_COPY_KERNEL_AVX512),
		"this CPU has no AVX-512");
	cpu.avx2 = cpu.avx512 = true;
	assert_string_equal(obstacle(FERRY_COPY_KERNEL_AVX2),
		"the operating system does not save AVX state");
	assert_string_equal(obstacle(FERRY_COPY_KERNEL_AVX512),
		"the operating system does not save AVX-512 state");
	assert_string_equal(ferry_copy_kernel_best(false)->name, "sse2");
	assert_int_equal(ferry_copy_kernel_list(list, RTE_DIM(list)), 4);
	/* Of the machine that this runs on. */
	if (!__builtin_cpu_supports("avx2")) {
		print_message("skipped: this CPU has no AVX2\n");
		skip();
	}
	cpu.avx512 = false;
	cpu.osxsave = true;
	cpu.simd = 128;
	assert_string_equal(obstacle(FERRY_COPY_KERNEL_AVX2),
		"EAL limits the SIMD width to less");
	assert_null(obstacle(FERRY_COPY_KERNEL_SSE2));
	cpu.simd = 256;
	assert_null(obstacle(FERRY_COPY_KERNEL_AVX2));
	assert_string_equal(ferry_copy_kernel_best(false)->name, "avx2");
	/* Before EAL has started. */
	cpu.simd = 0;
	assert_null(obstacle(FERRY_COPY_KERNEL_AVX2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_a_cache_holds_is_worked_out,
			setup),
		cmocka_unit_test(test_streams_are_lines_apart),
		cmocka_unit_test_setup(test_each_maker_gets_what_is_quick_there,
			setup),
		cmocka_unit_test_setup(test_what_lacks_is_told, setup),
	};

	return cmocka_run_group_tests_name("copy_machines", tests, NULL, NULL);
}
