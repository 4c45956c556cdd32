/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CALIB_FIT_H
#define FERRY_CALIB_FIT_H

/**
 * @file
 * Internal: from measured times to a cost model. Pure arithmetic.
 */

#include <stdbool.h>

#include "ferry_copy.h"

/** @name What a model may hold, so that a file can hold it.
 * @{
 */
#define CALIB_T0_MAX 1e12
#define CALIB_BW_MIN 1e-6
#define CALIB_BW_MAX 1e6
/** @} */

/** How long a copy took. */
struct calib_point {
	double bytes;
	double ns;
};

/** The model is within the bounds above. */
bool calib_model_ok(const struct ferry_lane_model *model);

/** Sort values, and return the one in the middle; n is above 0. */
double calib_median(double *values, unsigned int n);

/**
 * Fit t0 + bytes / bytes_per_ns to some points so that the relative errors,
 * squared, are least: a short copy counts as much as a long one.
 *
 * @return
 *   A model within the bounds above, whatever the points. Where they slope the
 *   wrong way, t0 is 0 or the bandwidth that of the longest copy.
 */
struct ferry_lane_model calib_fit(const struct calib_point *points,
		unsigned int n);

/**
 * Where the fixed cost is many times what the longest hot copy's bytes take, as
 * of a device that shares its CPU, their bandwidth cannot be told from noise:
 * then take over that of cold copies, which were longer.
 *
 * @param hot
 *   The model to mend.
 * @param cold
 *   The other.
 * @param longest
 *   Bytes of the longest hot copy.
 */
void calib_borrow(struct ferry_lane_model *hot,
		const struct ferry_lane_model *cold, double longest);

#endif /* FERRY_CALIB_FIT_H */
