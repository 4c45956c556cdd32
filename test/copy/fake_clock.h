/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_TEST_FAKE_CLOCK_H
#define FERRY_TEST_FAKE_CLOCK_H

/**
 * @file
 * Included first into every source of the copier's tests, the copier's own
 * among them (meson.build), so that the time stamp counter they read is the
 * tests' clock (fake_lane.h).
 */

#include <stdint.h>

#include <rte_cycles.h>

/** The tests' clock, after the time that a look at it takes. */
uint64_t fake_tsc(void);

#define rte_rdtsc fake_tsc

#endif /* FERRY_TEST_FAKE_CLOCK_H */
