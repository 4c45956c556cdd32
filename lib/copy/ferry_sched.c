/* SPDX-License-Identifier: BSD-3-Clause */

#include "ferry_sched.h"

int
ferry_sched_pick(const struct ferry_sched_lane *lanes, unsigned int n,
		uint64_t len)
{
	double best_ns = 0;
	int best = -1;
	unsigned int i;

	for (i = 0; i < n; i++) {
		double ns;

		if (!lanes[i].usable)
			continue;
		ns = ferry_sched_predict(&lanes[i], len);
		if (best < 0 || ns < best_ns) {
			best = (int)i;
			best_ns = ns;
		}
	}
	return best;
}
