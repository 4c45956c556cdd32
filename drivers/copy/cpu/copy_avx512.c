/* SPDX-License-Identifier: BSD-3-Clause */

/* AVX-512: a whole cache line in one vector. */

#define COPY_TEMPORAL copy_avx512
#define COPY_NT copy_avx512_nt
#define COPY_NT4 copy_avx512_nt4
#define COPY_TARGET __attribute__((target("avx512f")))
#define COPY_VEC __m512i
#define COPY_W 64
#define COPY_LOAD(p) _mm512_loadu_si512((const void *)(p))
#define COPY_STORE(p, v) _mm512_storeu_si512((void *)(p), (v))
#define COPY_STREAM(p, v) _mm512_stream_si512((void *)(p), (v))

#include "copy_body.h"
