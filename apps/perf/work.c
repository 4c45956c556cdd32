/* SPDX-License-Identifier: BSD-3-Clause */

#include "work.h"

void
work_sending(const struct side_job *job, const struct side_slice *slice,
		double bytes, double ghz, double numbers[2])
{
	RTE_SET_USED(job);
	numbers[0] = work_speed(bytes, slice->busy, ghz);
}

void
work_way(const struct side_job *job, const struct side_slice *slice,
		double bytes, double ghz, double numbers[2])
{
	RTE_SET_USED(bytes);
	numbers[0] = (double)histogram_quantile(&slice->hist, 0.5) / ghz /
		work_of(job)->ways;
}

bool
work_always(const struct side_job *job)
{
	RTE_SET_USED(job);
	return true;
}

const struct work *
work_of(const struct side_job *job)
{
	static const struct work *const all[] = {
		[SIDE_LATENCY] = &latency_work,
		[SIDE_RATE] = &rate_work,
		[SIDE_STREAM] = &stream_work,
		[SIDE_FLOW] = &flow_work,
		[SIDE_SINGLE] = &single_work,
		[SIDE_DEVICE] = &device_work,
		[SIDE_BULK] = &bulk_work,
		[SIDE_BULK_STREAM] = &bulk_stream_work,
	};

	return job->kind < RTE_DIM(all) ? all[job->kind] : &stream_work;
}
