/* SPDX-License-Identifier: BSD-3-Clause */

#include <math.h>

#include <rte_common.h>

#include "ferry_learn.h"

/* A sample says at most that it takes so many times as long, or as short. */
#define CLAMP 2.0
/* Weight of a sample; of one in a row of others that say the same. */
#define WEIGHT (1.0 / 16)
#define WEIGHT_STREAK (1.0 / 4)
#define STREAK 3
/* What counts as saying it. */
#define FAR 1.25
/* Of a sample that was seen late, so much may be unknown. */
#define SLACK 0.25
/* No lane is outside these: 1 s, 1 B/us to 10 TB/s. */
#define T0_MAX 1e9
#define PER_BYTE_MIN 1e-4
#define PER_BYTE_MAX 1e3
/* A fixed cost can grow from nothing. */
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
	/* Enough to tell; and it does not overflow. */
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
 * What the job took as far as that is known: between two looks it is not, and
 * then only counts if the prediction lies outside. 0: unknown.
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
	/* A model beyond all bounds was somebody's wish. */
	if (t0 > T0_MAX || per_byte < PER_BYTE_MIN || per_byte > PER_BYTE_MAX)
		return;
	/* A nanosecond at least: a model may say nothing at all. */
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
