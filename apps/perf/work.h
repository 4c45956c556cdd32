/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_WORK_H
#define PERF_WORK_H

/*
 * The work of each enum side_kind: one table for each. side.c, which runs the
 * work, and measure.c, which measures it, know the work by this table alone.
 */

#include "side.h"

struct work {
	/* Both sides call this when the ends of a case are open, to get the
	 * memory that the work needs. NULL: a side that sends gets a pool. */
	int (*open)(struct side *s, const struct side_job *job);
	/* The two sides' parts. lead fills in slice, follow fills in ack. They
	 * return 0 or negative. */
	int (*lead)(struct side *s, const struct side_job *job,
			struct side_slice *slice);
	int (*follow)(struct side *s, const struct side_job *job,
			struct side_ack *ack);
	/* Whether a bound needs all slots of this side on loan. NULL: no. */
	bool (*wants_slots)(const struct side *s, const struct side_job *job);
	/* Whether the follower is idle, so that follow is not called. NULL:
	 * no. */
	bool (*is_alone)(const struct side_job *job);
	/* Whether the follower writes the times of all messages to
	 * side_area.times. NULL: no. */
	bool (*tells_times)(const struct side_job *job);
	/* A run's number of messages is a multiple of this. */
	uint64_t (*least)(const struct side_job *job);
	/* Compute the main and the second number of a slice of so many
	 * bytes. */
	void (*numbers)(const struct side_job *job,
			const struct side_slice *slice, double bytes,
			double ghz, double numbers[2]);
	/* The main number is a time, in nanoseconds: less is better. */
	bool is_time;
	/* An entry of the slice's histogram is the time of so many one-way
	 * trips. */
	uint32_t ways;
};

extern const struct work latency_work;
extern const struct work rate_work;
extern const struct work stream_work;
extern const struct work flow_work;
extern const struct work single_work;
extern const struct work device_work;
extern const struct work bulk_work;
extern const struct work bulk_stream_work;

/* The work of a job. An unknown kind is treated as a stream. */
const struct work *work_of(const struct side_job *job);

/* The speed in GB/s of so many bytes in so many ticks. */
static inline double
work_speed(double bytes, uint64_t ticks, double ghz)
{
	return bytes / ((double)ticks / ghz);
}

/* For work.numbers: the speed of sending alone. */
void work_sending(const struct side_job *job, const struct side_slice *slice,
		double bytes, double ghz, double numbers[2]);

/* For work.numbers: the median of a one-way trip, in nanoseconds. */
void work_way(const struct side_job *job, const struct side_slice *slice,
		double bytes, double ghz, double numbers[2]);

/* For the functions above that return bool: yes for every job. */
bool work_always(const struct side_job *job);

/* For work.least, where a run measures each message by itself. */
static inline uint64_t
work_some(const struct side_job *job)
{
	return job->len <= 65536 ? 64 : 8;
}

#endif /* PERF_WORK_H */
