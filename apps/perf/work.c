/* SPDX-License-Identifier: BSD-3-Clause */

#include "work.h"

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
