/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdlib.h>

#include "chance.h"
#include "ferry_test.h"

static uint64_t state;

void
chance_begin(void)
{
	const char *text = getenv("FERRY_TEST_SEED");

	state = text != NULL ? strtoull(text, NULL, 0) : ferry_test_now_ns();
}

uint64_t
chance_state(void)
{
	return state;
}

uint32_t
chance(uint32_t n)
{
	return (uint32_t)(ferry_test_random(&state) % n);
}

void
chance_scribble(void *at, size_t n)
{
	uint8_t *p = at;

	while (n-- > 0)
		*p++ = (uint8_t)ferry_test_random(&state);
}

uint32_t
chance_lie(uint32_t n, uint32_t odds)
{
	switch (chance(odds)) {
	case 0:
		return (uint32_t)ferry_test_random(&state);
	case 1:
		return n;
	default:
		return chance(n);
	}
}
