/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CALIB_FIT_H
#define FERRY_CALIB_FIT_H

/**
 * @file
 * Internal: computes a cost model from measured times. Pure arithmetic.
 */

#include <stdbool.h>

#include "ferry_copy.h"

/** @name Bounds of a model, so that a file can hold it.
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

/** Whether a model is within the bounds above. */
bool calib_model_ok(const struct ferry_lane_model *model);

/** Sort values, and return the median. n is above 0. */
double calib_median(double *values, unsigned int n);

/**
 * Fit t0 + bytes / bytes_per_ns to some points. The fit makes the sum of the
 * squared relative errors least, so that a short copy counts as much as a long
 * one.
 *
 * @return
 *   A model within the bounds above, whatever the points are. If the fitted t0
 *   would be negative, it is 0. If longer copies took less time, the bandwidth
 *   is that of the longest copy.
 */
struct ferry_lane_model calib_fit(const struct calib_point *points,
		unsigned int n);

/**
 * Replace a hot bandwidth that noise hides. The fixed cost may be many times
 * the time for the bytes of the longest hot copy, for example of a software
 * device that shares its CPU. Then the bandwidth of hot copies cannot be told
 * from noise. In that case take the bandwidth of cold copies, which were
 * longer.
 *
 * @param hot
 *   The model of hot copies, which may change.
 * @param cold
 *   The model of cold copies.
 * @param longest
 *   Bytes of the longest hot copy.
 */
void calib_borrow(struct ferry_lane_model *hot,
		const struct ferry_lane_model *cold, double longest);

#endif /* FERRY_CALIB_FIT_H */
