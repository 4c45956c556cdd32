/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COPY_WIDTH_H
#define COPY_WIDTH_H

/*
 * Declares the kernels that copy_body.h makes for each vector width, and holds
 * the code that does not depend on the width.
 */

#include <stddef.h>
#include <string.h>

#define COPY_HIDDEN __attribute__((visibility("hidden")))
#define COPY_INLINE static inline __attribute__((always_inline))

#ifdef __clang__
#define COPY_UNROLL _Pragma("unroll")
#else
#define COPY_UNROLL _Pragma("GCC unroll 4")
#endif

/* Bytes of a cache line. */
#define COPY_LINE ((size_t)64)
/* The hardware prefetchers do not look beyond a page of this size. */
#define COPY_PAGE ((size_t)4096)

#define COPY_DECLARE(width) \
COPY_HIDDEN void copy_##width(void *dst, const void *src, size_t len); \
COPY_HIDDEN void copy_##width##_nt(void *dst, const void *src, size_t len); \
COPY_HIDDEN void copy_##width##_nt4(void *dst, const void *src, size_t len)

COPY_DECLARE(sse2);
COPY_DECLARE(avx2);
COPY_DECLARE(avx512);

/*
 * How far apart the streams of the next block lie: a page. If the rest is
 * shorter than one page for each stream: an equal share of the rest, in whole
 * lines. 0 if the rest is shorter than a line for each stream.
 */
COPY_INLINE size_t
copy_stride(size_t rest, unsigned int streams)
{
	size_t share = rest / streams;

	return share < COPY_PAGE ? share & ~(COPY_LINE - 1) : COPY_PAGE;
}

/* Copy up to 16 bytes. There are two loads, which may overlap, before two
 * stores. */
COPY_INLINE void
copy_upto_16(char *dst, const char *src, size_t len)
{
	if (len >= 8) {
		unsigned long long a, b;

		memcpy(&a, src, 8);
		memcpy(&b, src + len - 8, 8);
		memcpy(dst, &a, 8);
		memcpy(dst + len - 8, &b, 8);
	} else if (len >= 4) {
		unsigned int a, b;

		memcpy(&a, src, 4);
		memcpy(&b, src + len - 4, 4);
		memcpy(dst, &a, 4);
		memcpy(dst + len - 4, &b, 4);
	} else if (len >= 2) {
		unsigned short a, b;

		memcpy(&a, src, 2);
		memcpy(&b, src + len - 2, 2);
		memcpy(dst, &a, 2);
		memcpy(dst + len - 2, &b, 2);
	} else if (len == 1) {
		*dst = *src;
	}
}

#endif /* COPY_WIDTH_H */
