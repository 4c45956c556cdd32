/* SPDX-License-Identifier: BSD-3-Clause */

#include <math.h>

#include <rte_common.h>

#include "ferry_learn.h"

/* A sample counts as at most CLAMP times the prediction, and as at least one
 * CLAMP-th of it. */
#define CLAMP 2.0
/* Weight of a sample in the average. WEIGHT_STREAK: of a sample after more than
 * STREAK samples in a row that were far off in the same direction. */
#define WEIGHT (1.0 / 16)
#define WEIGHT_STREAK (1.0 / 4)
#define STREAK 3
/* A sample is far off if it is so many times the prediction, or less than one
 * FAR-th of it. */
#define FAR 1.25
/* A sample counts as exact if its slack_ns is at most this part of its ns. */
#define SLACK 0.25
/* The numbers of every real lane lie within these: 1 s, 1 B/us to 10 TB/s. */
#define T0_MAX 1e9
#define PER_BYTE_MIN 1e-4
#define PER_BYTE_MAX 1e3
/* A fixed cost of less counts as so much when it is multiplied by CLAMP, so
 * that a fixed cost of 0 can grow. */
#define T0_FLOOR 10.0

static double
weigh(struct ferry_learn *learn, double ratio)
{
	if (ratio > FAR)
		learn->streak = learn->streak > 0 ? learn->streak + 1 : 1;
	else if (ratio < 1 / FAR)
		learn->streak = learn->streak < 0 ? learn->streak - 1 : -1;
	else
		learn->streak = 0;
	/* STREAK + 1 is enough to compare with, and streak cannot overflow. */
	learn->streak = RTE_MIN(RTE_MAX(learn->streak, -STREAK - 1),
		STREAK + 1);
	return learn->streak > STREAK || learn->streak < -STREAK ?
		WEIGHT_STREAK : WEIGHT;
}

static double
clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

/*
 * The time that the job took, as far as it is known. The job ended between
 * ns - slack_ns and ns. If the slack is large, the sample counts only if the
 * prediction lies outside that span; then the end of the span that is nearer to
 * the prediction counts. 0: unknown.
 */
static double
took(const struct ferry_learn_sample *s, double predicted_ns)
{
	if (s->slack_ns <= SLACK * s->ns || s->ns < predicted_ns)
		return s->ns;
	if (s->ns - s->slack_ns > predicted_ns)
		return s->ns - s->slack_ns;
	return 0;
}

void
ferry_learn(struct ferry_learn *learn, struct ferry_lane_model *model,
		const struct ferry_learn_sample *s)
{
	double per_byte = 1 / model->bytes_per_ns, t0 = model->t0_ns;
	double moving = s->ahead_ns + (double)s->len * per_byte;
	double ns = took(s, t0 + moving), ratio, weight;

	if (!isfinite(ns) || ns <= 0 || !isfinite(s->ahead_ns) ||
			s->ahead_ns < 0)
		return;
	/* A model outside the bounds was set on purpose: leave it. */
	if (t0 > T0_MAX || per_byte < PER_BYTE_MIN || per_byte > PER_BYTE_MAX)
		return;
	/* Divide by 1 ns at least, because the prediction may be 0. */
	ratio = ns / RTE_MAX(t0 + moving, 1.0);
	if (!isfinite(ratio))
		return;
	weight = weigh(learn, ratio);
	if (moving > t0) {
		double now = per_byte * clamp((ns - t0) / moving, 1 / CLAMP,
			CLAMP);

		per_byte += weight * (now - per_byte);
		model->bytes_per_ns = 1 / clamp(per_byte, PER_BYTE_MIN,
			PER_BYTE_MAX);
	} else {
		double now = clamp(ns - moving, t0 / CLAMP,
			CLAMP * RTE_MAX(t0, T0_FLOOR));

		t0 += weight * (now - t0);
		model->t0_ns = RTE_MIN(t0, T0_MAX);
	}
}
