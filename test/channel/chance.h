/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHANCE_H
#define CHANCE_H

/**
 * @file
 * For tests that leave much to chance: one sequence a program, from a seed that
 * they print, and that FERRY_TEST_SEED repeats. One thread only.
 */

#include <stddef.h>
#include <stdint.h>

/** Before the tests. */
void chance_begin(void);

/** What the sequence has come to: the seed, before the first draw. */
uint64_t chance_state(void);

/** Any number below n. */
uint32_t chance(uint32_t n);

/** Garbage for n bytes. */
void chance_scribble(void *at, size_t n);

/**
 * What a process gone mad writes where a number below n belongs: in 2 of `odds`
 * cases one that is out of range, or nearly.
 */
uint32_t chance_lie(uint32_t n, uint32_t odds);

#endif /* CHANCE_H */
