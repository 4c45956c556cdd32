/* SPDX-License-Identifier: BSD-3-Clause */

/* AVX2: 32-byte vectors. */

#define COPY_TEMPORAL copy_avx2
#define COPY_NT copy_avx2_nt
#define COPY_NT4 copy_avx2_nt4
#define COPY_TARGET __attribute__((target("avx2")))
#define COPY_VEC __m256i
#define COPY_W 32
#define COPY_LOAD(p) _mm256_loadu_si256((const void *)(p))
#define COPY_STORE(p, v) _mm256_storeu_si256((void *)(p), (v))
#define COPY_STREAM(p, v) _mm256_stream_si256((void *)(p), (v))

#include "copy_body.h"
