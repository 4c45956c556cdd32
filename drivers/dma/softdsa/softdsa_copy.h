/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_COPY_H
#define SOFTDSA_COPY_H

/*
 * Copies for the device. They are written in assembly, because a sanitizer
 * would check or replace copies in C, and a device must reach all memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copy between areas that do not overlap. stream: copy around the cache. */
void softdsa_copy(void *dst, const void *src, size_t n, bool stream);

/* Fill an area with a repeated pattern, lowest byte first. */
void softdsa_fill(void *dst, uint64_t pattern, size_t n);

/* Prefetch the beginning of an area. Harmless if there is no such memory. */
void softdsa_prefetch(const void *src, size_t n);

#endif /* SOFTDSA_COPY_H */
