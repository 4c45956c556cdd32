/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_COPY_H
#define SOFTDSA_COPY_H

/*
 * Raw copies. In assembly, so that neither a sanitizer's view of what may be
 * touched nor its memcpy() gets between a device and memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Areas that do not overlap. stream: around the cache. */
void softdsa_copy(void *dst, const void *src, size_t n, bool stream);

/* Repeat the pattern, lowest byte first. */
void softdsa_fill(void *dst, uint64_t pattern, size_t n);

/* Bring the beginning of an area near; harmless if it is not there. */
void softdsa_prefetch(const void *src, size_t n);

#endif /* SOFTDSA_COPY_H */
