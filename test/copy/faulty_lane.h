/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_TEST_FAULTY_LANE_H
#define FERRY_TEST_FAULTY_LANE_H

/**
 * @file
 * A dmadev lane on the fake device, fresh for every test of a group.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fake_dma.h"
#include "ferry_lane.h"

#define DEV 0
#define DEPTH 64
#define LEN 1000
#define MAX_TRANSFER 100
/** Operations that a job of LEN bytes is cut into. */
#define OPS (LEN / MAX_TRANSFER)
#define JOBS 8

extern struct fake_dma fake;
extern struct ferry_lane *lane;
/** Room for JOBS jobs of LEN, each filled with its own pattern. */
extern uint8_t src[JOBS * LEN], dst[JOBS * LEN];

/** Start the EAL and run the tests; what main() returns. */
#define faulty_lane_run(name, tests) \
	(faulty_lane_eal() != 0 ? 1 : cmocka_run_group_tests_name(name, \
		tests, NULL, NULL))

/** One entry of the table of tests. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, faulty_lane_setup, \
		faulty_lane_teardown)

int faulty_lane_eal(void);
int faulty_lane_setup(void **state);
int faulty_lane_teardown(void **state);

/** Submit job i, with cookie i, from and to the buffers at i * LEN. */
uint16_t submit(unsigned int i, size_t len);

/** Poll until a completion comes. At most so many polls may find none. */
struct ferry_copy_done take(unsigned int polls);

/** take(), and check that job i has succeeded. */
void take_ok(unsigned int i, size_t len, unsigned int polls);

/** Check that the first len bytes of job i were copied, and that the rest of
 * its destination has not changed. */
void assert_copied(unsigned int i, size_t len);

/** Close the lane, which must not take too long. Returns whether the device was
 * stopped for that. */
bool close_stops(void);

#endif /* FERRY_TEST_FAULTY_LANE_H */
