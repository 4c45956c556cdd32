/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_TINY_H
#define FERRY_TINY_H

/**
 * @file
 * Part of the fast path of a channel: the payload of a cell.
 */

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @cond internal */
/** Copy by two moves of a type, which may overlap. */
#define FERRY_TINY(type) do { \
	type head_, tail_; \
	memcpy(&head_, s, sizeof(type)); \
	memcpy(&tail_, s + len - sizeof(type), sizeof(type)); \
	memcpy(d, &head_, sizeof(type)); \
	memcpy(d + len - sizeof(type), &tail_, sizeof(type)); \
} while (0)

/**
 * Copy a few bytes, up to about a hundred. A call of memcpy() takes as long as
 * this takes for a cache line, and rte_memcpy() is a kilobyte of code in every
 * place it is used.
 */
static inline void
ferry_tiny_copy(void *dst, const void *src, uint32_t len)
{
	const uint8_t *s = (const uint8_t *)src;
	uint8_t *d = (uint8_t *)dst;
	uint32_t i;

	if (len >= 16) {
		for (i = 0; i + 16 <= len; i += 16)
			memcpy(d + i, s + i, 16);
		/* The rest, together with bytes that are copied already. */
		if (i < len)
			memcpy(d + len - 16, s + len - 16, 16);
	} else if (len >= 8) {
		FERRY_TINY(uint64_t);
	} else if (len >= 4) {
		FERRY_TINY(uint32_t);
	} else if (len >= 2) {
		FERRY_TINY(uint16_t);
	} else if (len == 1) {
		*d = *s;
	}
}
/** @endcond */

#ifdef __cplusplus
}
#endif

#endif /* FERRY_TINY_H */
