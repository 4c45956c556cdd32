/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_TEST_FAKE_CLOCK_H
#define FERRY_TEST_FAKE_CLOCK_H

/**
 * @file
 * meson.build includes this first into every source of the copier's tests, and
 * into the copier's own sources. All of them then read the tests' clock
 * (fake_lane.h) in place of the time stamp counter.
 */

#include <stdint.h>

#include <rte_cycles.h>

/** Move the tests' clock by the time that reading it takes, then read it. */
uint64_t fake_tsc(void);

#define rte_rdtsc fake_tsc

#endif /* FERRY_TEST_FAKE_CLOCK_H */
