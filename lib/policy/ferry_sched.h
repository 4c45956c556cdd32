/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_SCHED_H
#define FERRY_SCHED_H

/**
 * @file
 * The scheduler decides which lane gets which bytes of a copy, and when.
 *
 * The scheduler is pure policy. It sees jobs and lanes as numbers; the caller
 * passes times in nanoseconds. It touches no memory of a job, no device and no
 * clock. So tests can reach every branch with plain values.
 *
 * Lane 0 is the calling core. The other lanes are devices. ferry_sched_next()
 * says what to do with the front of a job:
 *
 *     the core copies it    it is tiny or a ragged end, or the core is faster,
 *                           or no device can copy it
 *     a device gets it      it begins and ends 64 B-aligned at its destination
 *     it waits              FERRY_SCHED_QUEUE: waiting for a lane is better
 *                           than any lane that has room now
 *
 * The caller then asks again for the rest of the job. The choice by mode:
 *
 *  - latency: the lane that finishes first. Several lanes share the job, so
 *    that all of them finish together, if that is clearly better. The job waits
 *    for a busy device only if that device would still finish before the core;
 *  - throughput: a device. The core helps if the queue of the devices is longer
 *    than the core's own time for the job;
 *  - efficiency: a device, however long its queue is. The core copies only tiny
 *    jobs, and jobs for which no device is usable.
 *
 * Long jobs are called bulk. A device gets them in bites. The amount of bulk
 * that waits in a device is limited, so that a small job behind it does not
 * wait for long.
 *
 * Thread-safety: the functions keep no state.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_copy.h"
#include "ferry_sched_policy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The destination of a device's part begins and ends at a multiple of this. */
#define FERRY_SCHED_ALIGN UINT64_C(64)
/** Index of the core among the lanes. */
#define FERRY_SCHED_CORE 0
/** Stands in place of a lane: the job waits. */
#define FERRY_SCHED_QUEUE (-1)
/** The functions below look at no more lanes than this. */
#define FERRY_SCHED_MAX_LANES 8

/** What the scheduler knows of a lane at the moment of choice. */
struct ferry_sched_lane {
	/** Cost model of the lane for jobs of this kind. */
	struct ferry_lane_model model;
	/** How long the lane will be busy with the jobs in it, in
	 * nanoseconds. */
	double queue_ns;
	/** Bytes of bulk that wait in the lane. */
	uint64_t bulk;
	/** Longest job that the lane takes, in bytes. */
	uint64_t max_job;
	/** How many jobs the lane can take now. */
	uint32_t room;
	/** The lane can do this job, now or later: the lane reaches the memory
	 * and its health allows it. */
	bool usable;
	/** The model is old, because nothing was learned of the lane for a
	 * while: see ferry_sched_next(). */
	bool stale;
};

/** The rest of a job: the bytes that no lane has got yet. */
struct ferry_sched_job {
	/** Destination address of the rest. */
	uint64_t dst;
	/** Bytes of the rest. */
	uint64_t len;
	/** Bytes of the whole job. */
	uint64_t whole;
	/** The aim of the copy. An unknown mode counts as latency. */
	enum ferry_mode mode;
};

/** The situation around the job. */
struct ferry_sched_wait {
	/** Small jobs wait now, or come now and then. */
	bool small;
	/** Nanoseconds that may be lost by giving a part to a stale lane. */
	double probe_ns;
};

/** The reason why a part goes to its lane. */
enum ferry_sched_why {
	/** To the core, because the job is too short for a device. */
	FERRY_SCHED_TINY = 0,
	/** To the core, so that the rest of the job begins aligned. */
	FERRY_SCHED_RAGGED,
	/** To the core, because no device can do the job. */
	FERRY_SCHED_ALONE,
	/** To the core, because the devices' queue is longer than the core's
	 * own time for the job. */
	FERRY_SCHED_HELP,
	/** To the lane that finishes first. */
	FERRY_SCHED_BEST,
	/** To one of several lanes that share the job. */
	FERRY_SCHED_SPLIT,
	/** To a stale lane, to learn whether it is still slow. */
	FERRY_SCHED_PROBE,
	/** To no lane: the lanes that it is meant for have no room now. */
	FERRY_SCHED_FULL,
};

/** The front of a job, and the lane that gets it. */
struct ferry_sched_part {
	/** The lane, or #FERRY_SCHED_QUEUE. */
	int lane;
	/** The reason. */
	enum ferry_sched_why why;
	/** Length of the part in bytes. */
	uint64_t len;
	/** Of a probe: its predicted loss, in nanoseconds. */
	double loss_ns;
};

/** Which kind of waiting job goes next. */
enum ferry_sched_turn {
	/** No job waits. */
	FERRY_SCHED_TURN_NONE = 0,
	/** A small job. */
	FERRY_SCHED_TURN_SMALL,
	/** A bulk job. */
	FERRY_SCHED_TURN_BULK,
};

/**
 * The default policy.
 *
 * A DSA copies 256 KiB in 8 us, a core in 20 us. A device is started with 32
 * jobs, because one doorbell for a batch costs less than one for each job.
 *
 * @return
 *   The numbers.
 */
struct ferry_sched_policy ferry_sched_policy_default(void);

/**
 * Predict how long a job takes that the lane gets now.
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
 * From how many bytes on a device is better than the core.
 *
 * In latency mode, the caller waits for the copy. So the limit is the size for
 * which device and core are predicted to take the same time. In the other modes
 * it is the size whose copy costs the core as much time as submitting a job to
 * the device.
 *
 * @param policy
 *   The policy. If its offload_min for the mode is not 0, that is the limit.
 * @param core
 *   The core's model.
 * @param device
 *   The device's model.
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
 *   True if the job is bulk.
 */
static inline bool
ferry_sched_is_bulk(const struct ferry_sched_policy *policy, uint64_t len)
{
	return len >= policy->bulk_min;
}

/**
 * Decide on the front of a job.
 *
 * A stale lane whose model is slow would never get a job again, so that its
 * model could not recover. Therefore it gets a part now and then: if the
 * predicted loss is at most ferry_sched_wait.probe_ns, which the caller lets
 * grow with time.
 *
 * @param policy
 *   The policy.
 * @param job
 *   The rest of the job.
 * @param lanes
 *   The lanes. The first is the core; its usable is ignored.
 * @param n
 *   How many lanes, 1 at least. Lanes above #FERRY_SCHED_MAX_LANES are not
 *   used.
 * @param wait
 *   The situation around the job.
 * @return
 *   The part and its lane. Its len is above 0, unless the job waits or the
 *   job's len is 0.
 */
struct ferry_sched_part
ferry_sched_next(const struct ferry_sched_policy *policy,
		const struct ferry_sched_job *job,
		const struct ferry_sched_lane *lanes, unsigned int n,
		const struct ferry_sched_wait *wait);

/**
 * Which kind of waiting job goes next. Small jobs go first; but after so many
 * bytes of them a bulk job goes.
 *
 * @param policy
 *   The policy.
 * @param small
 *   A small job waits.
 * @param bulk
 *   A bulk job waits.
 * @param passed
 *   Bytes of other jobs that went first since a bulk job last went or began to
 *   wait.
 * @return
 *   The kind of job that goes next.
 */
enum ferry_sched_turn
ferry_sched_turn(const struct ferry_sched_policy *policy, bool small, bool bulk,
		uint64_t passed);

/**
 * Whether to start the jobs that a device has got.
 *
 * @param policy
 *   The policy.
 * @param jobs
 *   How many jobs the device has got and not started.
 * @param age_ns
 *   How long ago the device got the first of them.
 * @param mode
 *   Mode of the last of them. In latency mode each job is started at once.
 * @param polled
 *   True if the caller is about to poll the lanes.
 * @return
 *   True if the caller should start them.
 */
bool ferry_sched_flush(const struct ferry_sched_policy *policy, uint32_t jobs,
		uint64_t age_ns, enum ferry_mode mode, bool polled);

/**
 * When to look for the completion of a job.
 *
 * @param policy
 *   The policy.
 * @param predicted_ns
 *   How long the job was predicted to take.
 * @param elapsed_ns
 *   How long it has taken so far.
 * @return
 *   Nanoseconds from now. If the job is late: the later it is, the more.
 */
uint64_t ferry_sched_look(const struct ferry_sched_policy *policy,
		double predicted_ns, uint64_t elapsed_ns);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_SCHED_H */
