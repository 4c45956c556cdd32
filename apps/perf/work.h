/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_WORK_H
#define PERF_WORK_H

/*
 * What is done with messages: one table for each enum side_kind. Those who run
 * it (side.c) and measure it (measure.c) know it by this table alone.
 */

#include "side.h"

struct work {
	/* Both sides, when the ends of a case are open: what the work needs of
	 * memory. NULL: who sends has a pool. */
	int (*open)(struct side *s, const struct side_job *job);
	/* The two parts. Lead fills in slice, follow ack. 0 or negative. */
	int (*lead)(struct side *s, const struct side_job *job,
			struct side_slice *slice);
	int (*follow)(struct side *s, const struct side_job *job,
			struct side_ack *ack);
	/* Whether a bound wants this side's slots, all on loan. NULL: no. */
	bool (*wants_slots)(const struct side *s, const struct side_job *job);
	/* Whether the other core is idle, and follow not called. NULL: no. */
	bool (*is_alone)(const struct side_job *job);
	/* Whether the follower has the times of all in side_area.times. NULL:
	 * no. */
	bool (*tells_times)(const struct side_job *job);
	/* What a run's number of messages is a multiple of. */
	uint64_t (*least)(const struct side_job *job);
	/* The numbers of a slice, of so many bytes: main, and a second one. */
	void (*numbers)(const struct side_job *job,
			const struct side_slice *slice, double bytes,
			double ghz, double numbers[2]);
	/* The main number is a time, in nanoseconds: less is better. */
	bool is_time;
	/* An entry of the slice's histogram is so many ways of a message. */
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

/* That of a job; an unknown kind is a stream. */
const struct work *work_of(const struct side_job *job);

/* Ticks as GB/s of so many bytes. */
static inline double
work_speed(double bytes, uint64_t ticks, double ghz)
{
	return bytes / ((double)ticks / ghz);
}

/* The same as a .numbers: of sending alone. */
void work_sending(const struct side_job *job, const struct side_slice *slice,
		double bytes, double ghz, double numbers[2]);

/* Another one: nanoseconds of one way, the median. */
void work_way(const struct side_job *job, const struct side_slice *slice,
		double bytes, double ghz, double numbers[2]);

/* Of every job. */
bool work_always(const struct side_job *job);

/* Messages of a run in which each is looked at by itself. */
static inline uint64_t
work_some(const struct side_job *job)
{
	return job->len <= 65536 ? 64 : 8;
}

#endif /* PERF_WORK_H */
