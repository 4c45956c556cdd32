/* SPDX-License-Identifier: BSD-3-Clause */

#include <cpuid.h>

#include <rte_common.h>
#include <rte_cpuflags.h>
#include <rte_vect.h>

#include "copy_width.h"
#include "ferry_copy_kernel.h"

static void
copy_rep(void *dst, const void *src, size_t len)
{
	__asm__ volatile("rep movsb"
			: "+D" (dst), "+S" (src), "+c" (len)
			:
			: "memory");
}

#define KERNEL(id_, name_, copy_, bits_, nt_) \
	[FERRY_COPY_KERNEL_##id_] = { \
		.name = name_, \
		.copy = copy_, \
		.id = FERRY_COPY_KERNEL_##id_, \
		.bits = bits_, \
		.nontemporal = nt_, \
	}

static const struct ferry_copy_kernel kernels[FERRY_COPY_KERNEL_MAX] = {
	KERNEL(REP, "rep", copy_rep, 0, false),
	KERNEL(SSE2, "sse2", copy_sse2, 128, false),
	KERNEL(AVX2, "avx2", copy_avx2, 256, false),
	KERNEL(AVX512, "avx512", copy_avx512, 512, false),
	KERNEL(SSE2_NT, "sse2-nt", copy_sse2_nt, 128, true),
	KERNEL(AVX2_NT, "avx2-nt", copy_avx2_nt, 256, true),
	KERNEL(AVX512_NT, "avx512-nt", copy_avx512_nt, 512, true),
	KERNEL(SSE2_NT4, "sse2-nt4", copy_sse2_nt4, 128, true),
	KERNEL(AVX2_NT4, "avx2-nt4", copy_avx2_nt4, 256, true),
	KERNEL(AVX512_NT4, "avx512-nt4", copy_avx512_nt4, 512, true),
};

/*
 * Bits of XCR0: the register state that the operating system saves. See the
 * Intel SDM, volume 1, chapter 13. EAL's CPU flags do not tell it.
 */
#define XCR0_AVX UINT32_C(0x06)
#define XCR0_AVX512 UINT32_C(0xe6)

static bool
os_saves(uint32_t state)
{
	uint32_t eax, edx;

	if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_OSXSAVE) <= 0)
		return false;
	__asm__ volatile("xgetbv" : "=a" (eax), "=d" (edx) : "c" (0));
	return (eax & state) == state;
}

/* EAL's limit on the SIMD width. Before rte_eal_init() EAL reports 0: then
 * return the limit that EAL is going to set. */
static uint16_t
simd_limit(void)
{
	uint16_t bits = rte_vect_get_max_simd_bitwidth();

	return bits != 0 ? bits : RTE_VECT_DEFAULT_SIMD_BITWIDTH;
}

/* Why vectors of this width cannot be used, or NULL if they can. */
static const char *
width_obstacle(uint16_t bits)
{
	if (bits <= RTE_VECT_SIMD_128)
		return NULL;
	if (bits == RTE_VECT_SIMD_256) {
		if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) <= 0)
			return "this CPU has no AVX2";
		if (!os_saves(XCR0_AVX))
			return "the operating system does not save AVX state";
	} else {
		if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512F) <= 0)
			return "this CPU has no AVX-512";
		if (!os_saves(XCR0_AVX512))
			return "the operating system does not save AVX-512 "
				"state";
	}
	if (bits > simd_limit())
		return "EAL limits the SIMD width to less";
	return NULL;
}

const struct ferry_copy_kernel *
ferry_copy_kernel_get(enum ferry_copy_kernel_id id)
{
	return (unsigned int)id < RTE_DIM(kernels) ? &kernels[id] : NULL;
}

const char *
ferry_copy_kernel_obstacle(const struct ferry_copy_kernel *kernel)
{
	return width_obstacle(kernel->bits);
}

unsigned int
ferry_copy_kernel_list(const struct ferry_copy_kernel **list, unsigned int n)
{
	unsigned int found = 0;
	size_t i;

	for (i = 0; i < RTE_DIM(kernels) && found < n; i++)
		if (width_obstacle(kernels[i].bits) == NULL)
			list[found++] = &kernels[i];
	return found;
}

/*
 * Whether to copy four pages at once. That is faster than front to back on
 * Intel cores (Sapphire Rapids, cold: 11.6-12.8 against 9.0 GB/s) and much
 * slower on AMD cores (Zen 3: 4 against 12, Zen 4: 15 against 21). So only
 * Intel cores do it.
 */
static bool
four_pages_pay(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid(0, &eax, &ebx, &ecx, &edx) != 0 &&
		ebx == signature_INTEL_ebx && ecx == signature_INTEL_ecx &&
		edx == signature_INTEL_edx;
}

const struct ferry_copy_kernel *
ferry_copy_kernel_best(bool nontemporal)
{
	enum ferry_copy_kernel_id id = FERRY_COPY_KERNEL_SSE2;

	if (width_obstacle(RTE_VECT_SIMD_512) == NULL)
		id = FERRY_COPY_KERNEL_AVX512;
	else if (width_obstacle(RTE_VECT_SIMD_256) == NULL)
		id = FERRY_COPY_KERNEL_AVX2;
	if (nontemporal && four_pages_pay())
		id += FERRY_COPY_KERNEL_SSE2_NT4 - FERRY_COPY_KERNEL_SSE2;
	else if (nontemporal)
		id += FERRY_COPY_KERNEL_SSE2_NT - FERRY_COPY_KERNEL_SSE2;
	return &kernels[id];
}

/* Fast short rep movsb: CPUID leaf 7, EDX bit 4. EAL has no flag for it. */
static bool
has_fsrm(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 &&
		(edx & (1u << 4)) != 0;
}

const struct ferry_copy_kernel *
ferry_copy_kernel_bulk(void)
{
	return has_fsrm() ? &kernels[FERRY_COPY_KERNEL_REP] :
		ferry_copy_kernel_best(false);
}

size_t
ferry_copy_kernel_auto_min(size_t l2, size_t l3_share)
{
	/* A source and a destination of half the L2 fill all of it. */
	size_t from_l2 = (l2 != 0 ? l2 : (size_t)512 << 10) / 2;
	/*
	 * Several messages are under way at a time. Another core reads them
	 * from L3. Eight of them may fill this thread's share of L3.
	 */
	size_t from_l3 = l3_share != 0 ? l3_share / 8 : from_l2;
	size_t from = RTE_MIN(from_l2, from_l3);

	return RTE_MAX(from, FERRY_COPY_KERNEL_NT_MIN);
}

/*
 * The sizes of the caches come from CPUID's deterministic cache parameters
 * (leaf 4 on Intel, 0x8000001d on AMD; same layout). They do not come from
 * sysconf(), for two reasons: glibc 2.36 returns the L3 of a whole AMD package
 * (256 MiB) although a core has 32 MiB, and sysconf() does not tell how many
 * threads share a cache.
 */
size_t
ferry_copy_kernel_auto_min_here(void)
{
	static const unsigned int leaves[] = { 4, 0x8000001d };
	size_t l2 = 0, l3_share = 0;
	unsigned int eax, ebx, ecx, edx, i, sub;

	for (i = 0; i < RTE_DIM(leaves) && l2 == 0; i++) {
		/* Bounded, because a hypervisor might never report the end. */
		for (sub = 0; sub < 16; sub++) {
			unsigned int type, level, threads;
			size_t size;

			if (__get_cpuid_count(leaves[i], sub, &eax, &ebx,
					&ecx, &edx) == 0)
				break;
			type = eax & 0x1f;
			level = (eax >> 5) & 0x7;
			threads = ((eax >> 14) & 0xfff) + 1;
			/* The size is ways x partitions x line size x sets. */
			size = ((size_t)(ebx >> 22) + 1) *
				(((ebx >> 12) & 0x3ff) + 1) *
				((ebx & 0xfff) + 1) * ((size_t)ecx + 1);
			if (type == 0)
				break;
			if (type != 3) /* not a unified cache */
				continue;
			if (level == 2)
				l2 = size;
			else if (level == 3)
				l3_share = size / threads;
		}
	}
	return ferry_copy_kernel_auto_min(l2, l3_share);
}
