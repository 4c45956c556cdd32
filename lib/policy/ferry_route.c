/* SPDX-License-Identifier: BSD-3-Clause */

#include <string.h>

#include <rte_common.h>

#include "ferry_route.h"

/* So many nanoseconds go into the purse for each nanosecond of copying. */
#define SAVED 0.01
/* The most that the purse holds: the time of so many average copies, or so many
 * nanoseconds, whichever is more. */
#define PURSE_COPIES 4
#define PURSE_NS 20e3
/* Weight of a sample in an average. */
#define WEIGHT (1.0 / 8)
/* A sample counts as at most so many times the average. */
#define OUTLIER 4
/* Offload is proven after TRIES tries if it takes less than BETTER times the
 * time of an inline copy. It is no longer proven if it takes more than
 * NOT_BETTER times that time. */
#define BETTER 0.90
#define NOT_BETTER 0.95
#define TRIES 4

void
ferry_route_init(struct ferry_route *route)
{
	memset(route, 0, sizeof(*route));
}

static void
average(double *avg, double x)
{
	if (*avg == 0)
		*avg = x;
	else
		*avg += WEIGHT * (RTE_MIN(x, OUTLIER * *avg) - *avg);
}

static void
purse_put(struct ferry_route_class *c, double ns, double copy_ns,
		double try_ns)
{
	double most = RTE_MAX(PURSE_COPIES * copy_ns, PURSE_NS);

	/* The purse must be able to hold what a try costs. */
	most = RTE_MAX(most, 2 * try_ns);
	c->purse_ns = RTE_MIN(c->purse_ns + ns, RTE_MAX(most, c->purse_ns));
}

/* While copies are inline: whether offload is proven, or the purse can pay for
 * a try. */
static bool
decide_inline(struct ferry_route_class *c, double len)
{
	/* The time of an offload is unknown: assume twice that of an inline
	 * copy. */
	double loss = c->inline_ns;

	if (c->inline_ns == 0 || c->purse_ns < 0)
		return false;
	if (c->offloads >= TRIES && c->offload_ns < BETTER * c->inline_ns) {
		c->proven = true;
		return true;
	}
	if (c->offload_ns > 0)
		loss = RTE_MAX(c->offload_ns - c->inline_ns,
			(1 - BETTER) * c->inline_ns);
	return c->purse_ns >= loss * len;
}

/* While offload is in use: whether to keep it. False: copy inline, because
 * offload is no longer better, or to measure an inline copy. */
static bool
decide_offload(struct ferry_route_class *c, double len)
{
	if (c->offload_ns > NOT_BETTER * c->inline_ns || c->purse_ns < 0) {
		c->proven = false;
		c->offloads = 0;
		return false;
	}
	return c->look_ns < (c->inline_ns - c->offload_ns) * len;
}

void
ferry_route_learn(struct ferry_route *route, uint64_t len, bool offloaded,
		uint64_t ns)
{
	unsigned int k = ferry_route_class(len);
	struct ferry_route_class *c = &route->classes[k];
	/* Avoid division by 0: a copy has one byte and takes 1 ns at least. */
	double bytes = (double)RTE_MAX(len, UINT64_C(1));
	double took = (double)RTE_MAX(ns, UINT64_C(1));
	double base = c->inline_ns * bytes;

	if (!offloaded) {
		average(&c->inline_ns, took / bytes);
		if (c->proven)
			c->look_ns = 0;
		else
			purse_put(c, SAVED * took, c->inline_ns * bytes,
				c->offload_ns * bytes);
	} else {
		average(&c->offload_ns, took / bytes);
		if (c->offloads < TRIES)
			c->offloads++;
		/*
		 * The purse pays the full loss of a try. While offload is
		 * proven, the purse pays for at most OUTLIER times an inline
		 * copy, because one interruption says little about offload.
		 */
		if (c->proven && base > 0)
			took = RTE_MIN(took, OUTLIER * base);
		c->look_ns += SAVED * took;
		if (took > base)
			c->purse_ns -= took - base;
		else if (c->proven)
			purse_put(c, base - took, base, 0);
	}
	route->next[k] = c->proven ? decide_offload(c, bytes) :
		decide_inline(c, bytes);
}
