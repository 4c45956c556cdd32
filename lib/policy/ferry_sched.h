/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_SCHED_H
#define FERRY_SCHED_H

/**
 * @file
 * The scheduler: which lane gets which bytes of a copy, and when.
 *
 * Pure policy. It sees jobs and lanes as numbers, times come in as nanoseconds,
 * and it touches neither memory nor devices nor a clock, so every branch can be
 * tested with plain values.
 *
 * Lane 0 is the calling core, the others are devices. ferry_sched_next() says
 * what to do with the front of a job:
 *
 *     the core copies it    tiny, a ragged end, faster, or no device can
 *     a device gets it      64 B-aligned at its destination, at both ends
 *     it waits              FERRY_SCHED_QUEUE: better later than anywhere now
 *
 * and is asked again for the rest. By mode:
 *
 *  - latency: whatever finishes first; shared among several so that all finish
 *    together where that is clearly better. A busy device is waited for only if
 *    even then it is done before the core would be;
 *  - throughput: devices first; the core helps if their queue is longer than
 *    its own time for the job;
 *  - efficiency: devices, however long their queue; the core only for what is
 *    tiny, and where no device is usable.
 *
 * Long jobs (bulk) are handed out in bites, and only so much of them waits in a
 * device that a small job behind them does not wait for long.
 *
 * Thread-safety: no function here keeps state.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_copy.h"
#include "ferry_sched_policy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Devices' destinations begin and end at multiples of this. */
#define FERRY_SCHED_ALIGN UINT64_C(64)
/** The core's place among the lanes. */
#define FERRY_SCHED_CORE 0
/** In place of a lane: not now. */
#define FERRY_SCHED_QUEUE (-1)
/** Most lanes the functions below look at. */
#define FERRY_SCHED_MAX_LANES 8

/** What the scheduler knows of a lane at the moment of choice. */
struct ferry_sched_lane {
	/** How long it takes for jobs of this kind. */
	struct ferry_lane_model model;
	/** How long it will be busy with what waits in it, in nanoseconds. */
	double queue_ns;
	/** Bytes of bulk waiting in it. */
	uint64_t bulk;
	/** Longest job it takes. */
	uint64_t max_job;
	/** Jobs it can take now. */
	uint32_t room;
	/** It can do this job, now or later: reach, health. */
	bool usable;
	/** Nothing is known of it that is not old: see ferry_sched_next(). */
	bool stale;
};

/** What is not yet handed out of a job. */
struct ferry_sched_job {
	/** Address of the first of these bytes. */
	uint64_t dst;
	/** How many there are. */
	uint64_t len;
	/** How many the job had at first. */
	uint64_t whole;
	/** What the job is to be good at. One unknown is taken for latency. */
	enum ferry_mode mode;
};

/** What else waits. */
struct ferry_sched_wait {
	/** Small jobs wait, or do so now and then. */
	bool small;
	/** Time that may be lost by asking a stale lane. */
	double probe_ns;
};

/** Why a part goes where it goes. */
enum ferry_sched_why {
	/** To the core: too short for a device. */
	FERRY_SCHED_TINY = 0,
	/** To the core: the rest then begins aligned. */
	FERRY_SCHED_RAGGED,
	/** To the core: no device can do it. */
	FERRY_SCHED_ALONE,
	/** To the core: the devices' queue is longer than its own time. */
	FERRY_SCHED_HELP,
	/** Finishes first there. */
	FERRY_SCHED_BEST,
	/** One lane's share. */
	FERRY_SCHED_SPLIT,
	/** To a stale lane, to learn whether it is still slow. */
	FERRY_SCHED_PROBE,
	/** Waits: no room now in any lane it is meant for. */
	FERRY_SCHED_FULL,
};

/** The front of a job and where it goes. */
struct ferry_sched_part {
	/** Lane, or #FERRY_SCHED_QUEUE. */
	int lane;
	/** Why. */
	enum ferry_sched_why why;
	/** Bytes. */
	uint64_t len;
	/** Of a probe: what it is predicted to lose, in nanoseconds. */
	double loss_ns;
};

/** Whose turn it is. */
enum ferry_sched_turn {
	/** Nobody waits. */
	FERRY_SCHED_TURN_NONE = 0,
	/** A small job's. */
	FERRY_SCHED_TURN_SMALL,
	/** A bulk job's. */
	FERRY_SCHED_TURN_BULK,
};

/**
 * The policy used unless somebody knows better.
 *
 * 256 KiB are 8 us of a DSA and 20 of a core; batches of 32 and completions in
 * bites are design decision 13.
 *
 * @return
 *   The numbers.
 */
struct ferry_sched_policy ferry_sched_policy_default(void);

/**
 * Predict how long a job takes that is queued now.
 *
 * @param lane
 *   A lane.
 * @param len
 *   Bytes of the job.
 * @return
 *   Nanoseconds until it is done.
 */
static inline double
ferry_sched_predict(const struct ferry_sched_lane *lane, uint64_t len)
{
	return lane->model.t0_ns + lane->queue_ns +
		(double)len / lane->model.bytes_per_ns;
}

/**
 * From how many bytes a device is worth its while.
 *
 * In latency mode, where somebody waits for the copy: where the device's
 * prediction meets the core's. Otherwise where the core's copy costs the core
 * as much as asking the device.
 *
 * @param policy
 *   The policy; an override of its own goes before.
 * @param core
 *   The core's model.
 * @param device
 *   The device's.
 * @param mode
 *   The mode.
 * @return
 *   Bytes, #FERRY_SCHED_ALIGN at least; UINT64_MAX: never.
 */
uint64_t ferry_sched_break_even(const struct ferry_sched_policy *policy,
		const struct ferry_lane_model *core,
		const struct ferry_lane_model *device, enum ferry_mode mode);

/**
 * Whether a job is bulk.
 *
 * @param policy
 *   The policy.
 * @param len
 *   Bytes of the whole job.
 * @return
 *   Whether it is.
 */
static inline bool
ferry_sched_is_bulk(const struct ferry_sched_policy *policy, uint64_t len)
{
	return len >= policy->bulk_min;
}

/**
 * Decide on the front of a job.
 *
 * A lane that is stale, and would get no job for being slow, gets one now and
 * then so that it can come back: if the predicted loss is covered by
 * ferry_sched_wait.probe_ns, which the caller lets grow with time.
 *
 * @param policy
 *   The policy.
 * @param job
 *   What is left of the job.
 * @param lanes
 *   The lanes; the first is the core, and is used whatever its usable says.
 * @param n
 *   How many, 1 at least; those above #FERRY_SCHED_MAX_LANES are not used.
 * @param wait
 *   What else waits.
 * @return
 *   The decision. Its len is above 0 unless the job's is 0 or it waits.
 */
struct ferry_sched_part
ferry_sched_next(const struct ferry_sched_policy *policy,
		const struct ferry_sched_job *job,
		const struct ferry_sched_lane *lanes, unsigned int n,
		const struct ferry_sched_wait *wait);

/**
 * Small jobs go first, but not for ever.
 *
 * @param policy
 *   The policy.
 * @param small
 *   A small job waits.
 * @param bulk
 *   A bulk job waits.
 * @param passed
 *   Bytes of small jobs handed out since bulk last was, or began to wait.
 * @return
 *   Whose turn it is.
 */
enum ferry_sched_turn
ferry_sched_turn(const struct ferry_sched_policy *policy, bool small, bool bulk,
		uint64_t passed);

/**
 * Whether to start what a device was given.
 *
 * @param policy
 *   The policy.
 * @param jobs
 *   Jobs it was not told to start.
 * @param age_ns
 *   How long ago the first of them was given.
 * @param mode
 *   Mode of the last: a doorbell per job in latency mode.
 * @param polled
 *   The lanes are about to be polled.
 * @return
 *   Whether.
 */
bool ferry_sched_flush(const struct ferry_sched_policy *policy, uint32_t jobs,
		uint64_t age_ns, enum ferry_mode mode, bool polled);

/**
 * When to look for the completion of a job.
 *
 * @param policy
 *   The policy.
 * @param predicted_ns
 *   How long it was predicted to take.
 * @param elapsed_ns
 *   How long it has taken.
 * @return
 *   Nanoseconds from now. Of a job that is late: more the later it is.
 */
uint64_t ferry_sched_look(const struct ferry_sched_policy *policy,
		double predicted_ns, uint64_t elapsed_ns);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_SCHED_H */
