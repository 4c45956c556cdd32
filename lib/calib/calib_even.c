/* SPDX-License-Identifier: BSD-3-Clause */

#include <math.h>

#include "ferry_calib.h"

/* Round a size up to whole bytes. The size may be any number. */
static uint64_t
bytes_of(double size)
{
	if (!(size > 0))
		return 0;
	return size < 1e18 ? (uint64_t)ceil(size) : FERRY_CALIB_NEVER;
}

/* From how many bytes on the model "own" takes longer than "other". */
static uint64_t
crossing(const struct ferry_lane_model *own,
		const struct ferry_lane_model *other)
{
	double head = other->t0_ns - own->t0_ns;
	double gain = 1 / own->bytes_per_ns - 1 / other->bytes_per_ns;

	if (gain <= 0)
		return gain == 0 && head <= 0 ? 0 : FERRY_CALIB_NEVER;
	return bytes_of(head / gain);
}

void
ferry_calib_even(const struct ferry_lane_model *cpu,
		const struct ferry_lane_model *lane, double job_ns,
		double batch_ns, struct ferry_calib_even *even)
{
	even->sync = crossing(cpu, lane);
	/* The core does not wait for the lane, so only the core's own time for
	 * the job counts. */
	even->async = bytes_of((job_ns - cpu->t0_ns) * cpu->bytes_per_ns);
	even->batch = bytes_of((batch_ns - cpu->t0_ns) * cpu->bytes_per_ns);
}
