/* SPDX-License-Identifier: BSD-3-Clause */

#include <immintrin.h>

#include "softdsa_copy.h"

#define STEP 128
/* With fewer bytes, going around the cache costs more than it saves. */
#define STREAM_MIN 2048
/* With fewer bytes, a string instruction costs more than it saves. */
#define STRING_MIN 2048
#define PREFETCH_MAX 1024

static inline void
move_bytes(void *dst, const void *src, size_t n)
{
	__asm__ volatile("rep movsb" : "+D" (dst), "+S" (src), "+c" (n) : :
		"memory");
}

static inline void
move32(uint8_t *dst, const uint8_t *src)
{
	__asm__ volatile("vmovdqu (%1), %%ymm0\n\t"
		"vmovdqu %%ymm0, (%0)" : : "r" (dst), "r" (src) :
		"xmm0", "memory");
}

#define LOAD128 \
	"vmovdqu (%1), %%ymm0\n\t" \
	"vmovdqu 32(%1), %%ymm1\n\t" \
	"vmovdqu 64(%1), %%ymm2\n\t" \
	"vmovdqu 96(%1), %%ymm3\n\t"

static inline void
move128(uint8_t *dst, const uint8_t *src)
{
	__asm__ volatile(LOAD128
		"vmovdqa %%ymm0, (%0)\n\t"
		"vmovdqa %%ymm1, 32(%0)\n\t"
		"vmovdqa %%ymm2, 64(%0)\n\t"
		"vmovdqa %%ymm3, 96(%0)" : : "r" (dst), "r" (src) :
		"xmm0", "xmm1", "xmm2", "xmm3", "memory");
}

static inline void
stream128(uint8_t *dst, const uint8_t *src)
{
	__asm__ volatile(LOAD128
		"vmovntdq %%ymm0, (%0)\n\t"
		"vmovntdq %%ymm1, 32(%0)\n\t"
		"vmovntdq %%ymm2, 64(%0)\n\t"
		"vmovntdq %%ymm3, 96(%0)" : : "r" (dst), "r" (src) :
		"xmm0", "xmm1", "xmm2", "xmm3", "memory");
}

static void
copy_avx(uint8_t *dst, const uint8_t *src, size_t n, bool stream)
{
	size_t head;

	/* Copy the beginning unaligned, so that the stores after it are
	 * aligned. They may overlap with the first ones. */
	move32(dst, src);
	if (n >= 96)
		move32(dst + 32, src + 32);
	head = 64 - ((uintptr_t)dst & 63);
	if (n < 96)
		head = 32;
	dst += head;
	src += head;
	n -= head;
	if (stream)
		for (; n >= STEP; n -= STEP, dst += STEP, src += STEP)
			stream128(dst, src);
	else
		for (; n >= STEP; n -= STEP, dst += STEP, src += STEP)
			move128(dst, src);
	for (; n > 32; n -= 32, dst += 32, src += 32)
		move32(dst, src);
	/* Copy the last 32 bytes, some of them for a second time. */
	move32(dst - (32 - n), src - (32 - n));
	__asm__ volatile("vzeroupper" : : : "xmm0", "xmm1", "xmm2", "xmm3");
}

/*
 * Whether "rep movsb" is faster. It need not read the lines that it overwrites:
 * on Zen 4, cold, it copies 11 GB/s instead of 7. But on Zen 4 it is slow if
 * the destination is just behind the source in a page (glibc bug 30994).
 */
static bool
string_pays(const void *dst, const void *src, size_t n)
{
	const uintptr_t behind = ((uintptr_t)dst - (uintptr_t)src) & 4095;

	return n >= STRING_MIN && (behind == 0 || behind >= 64);
}

void
softdsa_copy(void *dst, const void *src, size_t n, bool stream)
{
	static const size_t avx_min = 32;

	if (n < avx_min || !__builtin_cpu_supports("avx2")) {
		move_bytes(dst, src, n);
		return;
	}
	stream = stream && n >= STREAM_MIN;
	if (!stream && string_pays(dst, src, n)) {
		move_bytes(dst, src, n);
		return;
	}
	copy_avx(dst, src, n, stream);
	if (stream)
		/* The store of the completion must not overtake these
		 * stores. */
		_mm_sfence();
}

void
softdsa_fill(void *dst, uint64_t pattern, size_t n)
{
	size_t words = n / sizeof(pattern);

	__asm__ volatile("rep stosq" : "+D" (dst), "+c" (words) :
		"a" (pattern) : "memory");
	move_bytes(dst, &pattern, n % sizeof(pattern));
}

void
softdsa_prefetch(const void *src, size_t n)
{
	const char *p = src;
	size_t i;

	if (n > PREFETCH_MAX)
		n = PREFETCH_MAX;
	for (i = 0; i < n; i += 64)
		_mm_prefetch(p + i, _MM_HINT_T0);
}
