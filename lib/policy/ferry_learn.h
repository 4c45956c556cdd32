/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_LEARN_H
#define FERRY_LEARN_H

/**
 * @file
 * Keeps a lane's cost model current: it learns from the time that jobs took.
 *
 * The model has two numbers, the fixed cost and the time per byte. Each is a
 * moving average. A sample changes the number that makes up most of the
 * sample's prediction. One sample moves that number only a little, so that a
 * thread which was not running for a while does no harm. Several samples in a
 * row that are all too high, or all too low, move the number faster, so that
 * the model follows a lane that has changed after about a dozen samples.
 *
 * A thread sees the end of a job only when it looks. The job ended at some time
 * between the last look and the look before. If the prediction lies in that
 * span, the sample teaches nothing.
 *
 * Pure arithmetic. Thread-safety: one thread at a time.
 */

#include <stdint.h>

#include "ferry_copy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** State of the averages of one model. All zero to begin with. */
struct ferry_learn {
	/** Samples in a row far above (over 0) or far below the prediction. */
	int32_t streak;
};

/** The time that one job took. */
struct ferry_learn_sample {
	/** Bytes of the job. */
	uint64_t len;
	/** Predicted time of the jobs that were in the lane before this one. */
	double ahead_ns;
	/** Time from the submit until the thread saw the completion. */
	double ns;
	/** By how much ns may be too long: time since the thread last looked
	 * in vain. */
	double slack_ns;
};

/**
 * Learn from one job.
 *
 * @param learn
 *   State of the averages.
 * @param model
 *   The model to change. It must be one that a lane can have, and it stays so.
 *   A sample that is impossible, or too uncertain, does not change it.
 * @param sample
 *   The time that the job took.
 */
void ferry_learn(struct ferry_learn *learn, struct ferry_lane_model *model,
		const struct ferry_learn_sample *sample);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_LEARN_H */
