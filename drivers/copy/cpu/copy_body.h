/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The copy kernels, written once for all vector widths. The including file
 * defines
 *
 * COPY_TEMPORAL, COPY_NT, COPY_NT4	the names of the three kernels
 * COPY_TARGET		function attribute that permits the instructions
 * COPY_VEC		vector type, COPY_W bytes long (16, 32 or 64)
 * COPY_LOAD(p), COPY_STORE(p, v)	unaligned load and store
 * COPY_STREAM(p, v)	aligned non-temporal store
 *
 * and includes this file once.
 */

#include <stdint.h>
#include <immintrin.h>

#include "copy_width.h"

#define COPY_FN COPY_INLINE COPY_TARGET

COPY_FN void
copy_1_vec(char *dst, const char *src)
{
	COPY_STORE(dst, COPY_LOAD(src));
}

COPY_FN void
copy_2_vecs(char *dst, const char *src)
{
	COPY_VEC a = COPY_LOAD(src);
	COPY_VEC b = COPY_LOAD(src + COPY_W);

	COPY_STORE(dst, a);
	COPY_STORE(dst + COPY_W, b);
}

COPY_FN void
copy_4_vecs(char *dst, const char *src)
{
	COPY_VEC a = COPY_LOAD(src);
	COPY_VEC b = COPY_LOAD(src + COPY_W);
	COPY_VEC c = COPY_LOAD(src + 2 * COPY_W);
	COPY_VEC d = COPY_LOAD(src + 3 * COPY_W);

	COPY_STORE(dst, a);
	COPY_STORE(dst + COPY_W, b);
	COPY_STORE(dst + 2 * COPY_W, c);
	COPY_STORE(dst + 3 * COPY_W, d);
}

/* Copy less than a vector, and less than a cache line. */
COPY_FN void
copy_below_vec(char *dst, const char *src, size_t len)
{
#if COPY_W > 32
	if (len >= 32) {
		__m256i a = _mm256_loadu_si256((const void *)src);
		__m256i b = _mm256_loadu_si256((const void *)(src + len - 32));

		_mm256_storeu_si256((void *)dst, a);
		_mm256_storeu_si256((void *)(dst + len - 32), b);
		return;
	}
#endif
#if COPY_W > 16
	if (len >= 16) {
		__m128i a = _mm_loadu_si128((const void *)src);
		__m128i b = _mm_loadu_si128((const void *)(src + len - 16));

		_mm_storeu_si128((void *)dst, a);
		_mm_storeu_si128((void *)(dst + len - 16), b);
		return;
	}
#endif
	copy_upto_16(dst, src, len);
}

/* Copy up to eight vectors without a loop: two runs of equal length, which may
 * overlap. */
COPY_FN void
copy_upto_8_vecs(char *dst, const char *src, size_t len)
{
	if (len < COPY_W) {
		copy_below_vec(dst, src, len);
	} else if (len <= 2 * COPY_W) {
		copy_1_vec(dst, src);
		copy_1_vec(dst + len - COPY_W, src + len - COPY_W);
	} else if (len <= 4 * COPY_W) {
		copy_2_vecs(dst, src);
		copy_2_vecs(dst + len - 2 * COPY_W, src + len - 2 * COPY_W);
	} else {
		copy_4_vecs(dst, src);
		copy_4_vecs(dst + len - 4 * COPY_W, src + len - 4 * COPY_W);
	}
}

/* Copy into the cache. */
COPY_HIDDEN COPY_TARGET void
COPY_TEMPORAL(void *dst, const void *src, size_t len)
{
	char *d = dst;
	const char *s = src;
	size_t head;

	if (len <= 8 * COPY_W) {
		copy_upto_8_vecs(d, s, len);
		return;
	}
	/*
	 * A store that crosses cache lines costs as much as two. So the loop's
	 * stores are aligned. One unaligned vector covers the bytes before.
	 */
	copy_1_vec(d, s);
	head = COPY_W - ((uintptr_t)d & (COPY_W - 1));
	d += head;
	s += head;
	len -= head;
	for (; len > 4 * COPY_W; len -= 4 * COPY_W) {
		copy_4_vecs(d, s);
		d += 4 * COPY_W;
		s += 4 * COPY_W;
	}
	/*
	 * 1 byte to four vectors are left, and at least four vectors before
	 * them are copied. So copy the last four vectors, some bytes for a
	 * second time, rather than the exact rest.
	 */
	d -= 4 * COPY_W - len;
	s -= 4 * COPY_W - len;
	copy_4_vecs(d, s);
}

/* Stream one cache line to an aligned destination. The stores of a whole line
 * follow each other, so that the core combines them at once. */
COPY_FN void
copy_line(char *dst, const char *src)
{
	size_t i;

	COPY_UNROLL
	for (i = 0; i < COPY_LINE / COPY_W; i++)
		COPY_STREAM(dst + i * COPY_W, COPY_LOAD(src + i * COPY_W));
}

/*
 * Copy around the cache: whole lines are streamed, ragged ends are ordinary
 * stores.
 *
 * With several streams, the copy advances at several places that lie a page
 * apart, one line at each place in turn. It prefetches the lines of the next
 * block. One core then has more lines in flight than with its hardware
 * prefetchers alone, because these start anew in every page.
 */
COPY_FN void
copy_around(char *d, const char *s, size_t len, const unsigned int streams)
{
	size_t head = -(uintptr_t)d & (COPY_LINE - 1);
	size_t stride, next, off;
	unsigned int i;

	if (len < 2 * COPY_LINE) {
		COPY_TEMPORAL(d, s, len);
		return;
	}
	COPY_TEMPORAL(d, s, head);
	d += head;
	s += head;
	len -= head;

	for (stride = copy_stride(len, streams); streams > 1 && stride != 0;
			stride = next) {
		const char *ahead = s + streams * stride;

		len -= streams * stride;
		next = copy_stride(len, streams);
		for (off = 0; off < stride; off += COPY_LINE) {
			COPY_UNROLL
			for (i = 0; i < streams; i++) {
				/*
				 * Do not prefetch past the end, because
				 * another core may be writing there.
				 */
				if (off < next)
					__builtin_prefetch(ahead + i * next +
						off, 0, 3);
				copy_line(d + i * stride + off,
					s + i * stride + off);
			}
		}
		d += streams * stride;
		s += streams * stride;
	}
	for (; len >= 2 * COPY_LINE; len -= 2 * COPY_LINE) {
		copy_line(d, s);
		copy_line(d + COPY_LINE, s + COPY_LINE);
		d += 2 * COPY_LINE;
		s += 2 * COPY_LINE;
	}
	if (len >= COPY_LINE) {
		copy_line(d, s);
		d += COPY_LINE;
		s += COPY_LINE;
		len -= COPY_LINE;
	}
	COPY_TEMPORAL(d, s, len);
	/*
	 * Streamed stores are not ordered with later stores. Without the fence,
	 * a thread that learns that the copy is done could still read old
	 * bytes.
	 */
	_mm_sfence();
}

COPY_HIDDEN COPY_TARGET void
COPY_NT(void *dst, const void *src, size_t len)
{
	copy_around(dst, src, len, 1);
}

COPY_HIDDEN COPY_TARGET void
COPY_NT4(void *dst, const void *src, size_t len)
{
	copy_around(dst, src, len, 4);
}
