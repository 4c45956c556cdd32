/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_LEARN_H
#define FERRY_LEARN_H

/**
 * @file
 * Keeps a lane's cost model current from what its jobs took.
 *
 * A moving average of the fixed cost and of the time per byte. A sample counts
 * for the one that makes up most of its prediction. How far it can move that is
 * limited, so that a thread which was not running for a while does no harm; but
 * samples that go the same way one after the other move it faster, so that a
 * lane that has changed is known after a dozen.
 *
 * A job is seen to be done some time after it was: what lies between two looks
 * is not known, and teaches nothing unless the prediction lies outside.
 *
 * Pure arithmetic. Thread-safety: one thread at a time.
 */

#include <stdint.h>

#include "ferry_copy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Memory of the average of one model. All zero to begin with. */
struct ferry_learn {
	/** Samples in a row far above (over 0) or far below the prediction. */
	int32_t streak;
};

/** What one job took. */
struct ferry_learn_sample {
	/** Bytes of the job. */
	uint64_t len;
	/** What was predicted for that which was before it in the lane. */
	double ahead_ns;
	/** From submit until its completion was seen. */
	double ns;
	/** By how much that may be too long, because nobody looked before. */
	double slack_ns;
};

/**
 * Learn from one job.
 *
 * @param learn
 *   Memory of the average.
 * @param model
 *   The model to change. It is and stays one that a lane can have; a sample
 *   that cannot be, or is not known well enough, changes nothing.
 * @param sample
 *   What the job took.
 */
void ferry_learn(struct ferry_learn *learn, struct ferry_lane_model *model,
		const struct ferry_learn_sample *sample);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_LEARN_H */
