/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_TEST_SIM_LANE_H
#define FERRY_TEST_SIM_LANE_H

/**
 * @file
 * For tests of calibration: lanes that take exactly the time that the test
 * sets. Only these lanes and readings of the clock move the clock.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_calib.h"
#include "ferry_copy_driver.h"

/** Nanoseconds by which a reading moves the clock. */
#define SIM_LOOK 20

/** Describes a lane. The test sets the first part. */
struct sim {
	const char *name;
	uint32_t flags;
	uint32_t depth;
	uint64_t max_job;
	/** A model for each placement. An asynchronous lane uses that of AUTO
	 * for all. */
	struct ferry_lane_model model[FERRY_PLACES];
	/** Bytes of a job beyond the first `bend` are copied at this speed, not
	 * at the model's; bend 0: the model holds for all bytes. */
	uint64_t bend;
	double beyond_bytes_per_ns;
	/** Time of the core for submitting a job, and for a poll. */
	double submit_ns, poll_ns;
	/** Every bumpy-th copy takes a hundred times as long; 0: none does. */
	unsigned int bumpy;
	/** From this job on (from 1; 0: never) jobs end with the status bad. */
	unsigned int bad_from;
	enum ferry_copy_status bad;
	/** From job refuse_from on the lane takes none; from job hang_from on
	 * no job ends. */
	unsigned int refuse_from, hang_from;
	/** Hung jobs end at this time; 0: never. */
	double wakes_ns;
	/** In this job (from 1; 0: none) the whole process is stopped for 5 s,
	 * the lane too, which then takes another 100 us. */
	unsigned int stopped_in;

	/** Jobs so far. */
	unsigned int jobs;
	/** Jobs not of placement AUTO. */
	unsigned int placed;

	/** Jobs in the queue, and how many of them were flushed. */
	unsigned int nb, flushed;
	struct {
		struct ferry_copy_job job;
		unsigned int number;
		double ready;
	} q[64];
	double free_at;
};

/** The clock, in nanoseconds. */
extern double sim_now;

/** Reads the clock, for ferry_calib_options.clock. */
uint64_t sim_clock(void *arg);

/** Describe a lane with this model that does every job. sync: a submit copies
 * at once; if not, the copies are asynchronous. */
struct sim sim_good(const char *name, bool sync, double t0_ns,
		double bytes_per_ns);

/** Open the lane that sim describes. */
struct ferry_lane *sim_open(struct sim *sim);

/** The seed of all these lanes. */
extern const struct ferry_lane_model sim_seed;

#endif /* FERRY_TEST_SIM_LANE_H */
