/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHANCE_H
#define CHANCE_H

/**
 * @file
 * For tests that draw random numbers: one sequence for each program. Its seed
 * is printed; FERRY_TEST_SEED gives a seed, so that a run can be repeated. One
 * thread only.
 */

#include <stddef.h>
#include <stdint.h>

/** Choose and print the seed. To be called before the tests. */
void chance_begin(void);

/** The state of the sequence. Before the first draw it is the seed. */
uint64_t chance_state(void);

/** Any number below n. */
uint32_t chance(uint32_t n);

/** Overwrite n bytes with random ones. */
void chance_scribble(void *at, size_t n);

/**
 * A number that a faulty process may write where one below n belongs. In 2 of
 * `odds` cases it is n, or any number at all. In the others it is below n.
 */
uint32_t chance_lie(uint32_t n, uint32_t odds);

#endif /* CHANCE_H */
