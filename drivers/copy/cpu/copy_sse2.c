/* SPDX-License-Identifier: BSD-3-Clause */

/* SSE2, which every x86-64 CPU has. */

#define COPY_TEMPORAL copy_sse2
#define COPY_NT copy_sse2_nt
#define COPY_NT4 copy_sse2_nt4
#define COPY_TARGET __attribute__((target("sse2")))
#define COPY_VEC __m128i
#define COPY_W 16
#define COPY_LOAD(p) _mm_loadu_si128((const void *)(p))
#define COPY_STORE(p, v) _mm_storeu_si128((void *)(p), (v))
#define COPY_STREAM(p, v) _mm_stream_si128((void *)(p), (v))

#include "copy_body.h"
