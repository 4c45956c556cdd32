/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_TEST_SIM_LANE_H
#define FERRY_TEST_SIM_LANE_H

/**
 * @file
 * For tests of calibration: lanes that take exactly the time they are told, by
 * a clock that only they and looking at it move.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_calib.h"
#include "ferry_copy_driver.h"

/** What looking at the clock takes, in its ns. */
#define SIM_LOOK 20

/** A lane to be; the first part is the test's to set. */
struct sim {
	const char *name;
	uint32_t flags;
	uint32_t depth;
	uint64_t max_job;
	/** Models; of an asynchronous lane that of AUTO for all. */
	struct ferry_lane_model model[FERRY_PLACES];
	/** Of a job's bytes behind the first so many (0: all) each takes as
	 * long as this says, whatever the model does. */
	uint64_t bend;
	double beyond_bytes_per_ns;
	/** What submitting one takes the core, and a poll. */
	double submit_ns, poll_ns;
	/** Each so many-th copy takes a hundred times as long; 0: none. */
	unsigned int bumpy;
	/** How jobs end from the n-th on (from 1; 0: never). */
	unsigned int bad_from;
	enum ferry_copy_status bad;
	/** From this job on it takes none; from this one on none ends. */
	unsigned int refuse_from, hang_from;
	/** Hung jobs end at this time; 0: never. */
	double wakes_ns;
	/** In this job (from 1; 0: none) everything is stopped for 5 s: the
	 * lane, too, which then takes another 100 us. */
	unsigned int stopped_in;

	/** Jobs so far. */
	unsigned int jobs;
	/** Jobs not of placement AUTO. */
	unsigned int placed;

	/** Jobs in the queue, and how many of them it has been told of. */
	unsigned int nb, flushed;
	struct {
		struct ferry_copy_job job;
		unsigned int number;
		double ready;
	} q[64];
	double free_at;
};

/** The time. */
extern double sim_now;

/** ferry_calib_options.clock. */
uint64_t sim_clock(void *arg);

/** A lane with this model that does all it is asked; waited for or not. */
struct sim sim_good(const char *name, bool sync, double t0_ns,
		double bytes_per_ns);

/** Open it. */
struct ferry_lane *sim_open(struct sim *sim);

/** The seed of all these lanes. */
extern const struct ferry_lane_model sim_seed;

#endif /* FERRY_TEST_SIM_LANE_H */
