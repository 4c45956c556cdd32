/* SPDX-License-Identifier: BSD-3-Clause */

#include <math.h>
#include <stdlib.h>

#include <rte_common.h>

#include "calib_fit.h"

/* A fixed cost that is so many times the time for the bytes hides that time. */
#define HIDES 4.0
/* Lower bound of a measured time, in nanoseconds, because a coarse clock may
 * show 0. */
#define NS_MIN 0.1

bool
calib_model_ok(const struct ferry_lane_model *model)
{
	/* These comparisons are false for a NaN. */
	return model->t0_ns >= 0 && model->t0_ns <= CALIB_T0_MAX &&
		model->bytes_per_ns >= CALIB_BW_MIN &&
		model->bytes_per_ns <= CALIB_BW_MAX;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double
calib_median(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 == 1 ? values[n / 2] :
		(values[n / 2 - 1] + values[n / 2]) / 2;
}

static double
clamp(double x, double least, double most)
{
	return !(x >= least) ? least : RTE_MIN(x, most);
}

struct ferry_lane_model
calib_fit(const struct calib_point *points, unsigned int n)
{
	/* Sums of weighted 1, x, x^2, y, xy; a weight is 1 / y^2. */
	double s1 = 0, sx = 0, sxx = 0, sy = 0, sxy = 0;
	double t0 = 0, slope = 0, det, longest = 0, longest_ns = NS_MIN;
	unsigned int i;

	for (i = 0; i < n; i++) {
		double x = points[i].bytes;
		double y = clamp(points[i].ns, NS_MIN, CALIB_T0_MAX);
		double w = 1 / (y * y);

		s1 += w;
		sx += w * x;
		sxx += w * x * x;
		sy += w * y;
		sxy += w * x * y;
		if (x > longest) {
			longest = x;
			longest_ns = y;
		}
	}
	det = s1 * sxx - sx * sx;
	if (det > 0) {
		slope = (s1 * sxy - sx * sy) / det;
		t0 = (sy - slope * sx) / s1;
	}
	if (t0 < 0 && sxx > 0) {
		/* Fit a line through the origin instead. */
		t0 = 0;
		slope = sxy / sxx;
	}
	if (!(slope > 0) && longest > 0) {
		/* Longer copies do not take longer: take the bandwidth of the
		 * longest copy. */
		slope = longest_ns / longest;
		t0 = clamp(t0, 0, longest_ns);
	}
	return (struct ferry_lane_model) {
		.t0_ns = clamp(t0, 0, CALIB_T0_MAX),
		.bytes_per_ns = clamp(slope > 0 ? 1 / slope : 0, CALIB_BW_MIN,
			CALIB_BW_MAX),
	};
}

void
calib_borrow(struct ferry_lane_model *hot,
		const struct ferry_lane_model *cold, double longest)
{
	if (hot->t0_ns > HIDES * longest / cold->bytes_per_ns)
		hot->bytes_per_ns = cold->bytes_per_ns;
}
