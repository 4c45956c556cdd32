/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COPY_DRIVER_H
#define FERRY_COPY_DRIVER_H

/**
 * @file
 * What a copy driver implements.
 *
 * A driver is a constant table of functions. ferry_lane_open() makes the
 * struct ferry_lane, sets drv, calls open(), which fills in info, model and
 * priv. Everything in the struct is written by the lane's one thread; the
 * driver keeps inflight and stats true with the two account functions below.
 */

#include "ferry_copy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The operations of a driver. Arguments have been checked by the caller. */
struct ferry_copy_driver {
	/** Short name, such as "cpu". */
	const char *name;
	/** Fill in lane->info, ->model and ->priv. 0 or negative errno. */
	int (*open)(struct ferry_lane *lane, const void *config, int socket);
	/** Undo open(); see ferry_lane_close() for what it returns. */
	int (*close)(struct ferry_lane *lane);
	/**
	 * Carry out jobs at once, without completions; only of drivers whose
	 * lanes are FERRY_LANE_SYNC, otherwise NULL. Returns how many, from the
	 * first, are done: fewer if the next one is not one it can do.
	 */
	uint16_t (*copy)(struct ferry_lane *lane,
			const struct ferry_copy_job *jobs, uint16_t n);
	/** See ferry_lane_submit(). Must accept a prefix of the jobs. */
	uint16_t (*submit)(struct ferry_lane *lane,
			const struct ferry_copy_job *jobs, uint16_t n);
	/** See ferry_lane_flush(). */
	void (*flush)(struct ferry_lane *lane);
	/** See ferry_lane_poll(). */
	uint16_t (*poll)(struct ferry_lane *lane,
			struct ferry_copy_done *done, uint16_t n);
	/** See ferry_lane_set_demote(). NULL: its lanes cannot. */
	int (*set_demote)(struct ferry_lane *lane, bool on);
	/** See ferry_lane_describe(). NULL: there is nothing to say. */
	int (*describe)(const struct ferry_lane *lane, char *text, size_t size);
	/** See ferry_device_next(). NULL: its lanes need no device. */
	int (*device_next)(int after, const char *names, char *name,
			size_t size);
	/** See ferry_device_open(). NULL with device_next. */
	int (*device_open)(struct ferry_lane **lane, int device,
			uint32_t close_wait_ms);
};

/** A lane. Public so that the calls in ferry_lane.h can be inline. */
struct ferry_lane {
	/** The driver it was opened with. */
	const struct ferry_copy_driver *drv;
	/** The driver's own. */
	void *priv;
	/** Jobs accepted and not yet completed; kept by the driver. */
	uint32_t inflight;
	/** NUMA node given to ferry_lane_open(). */
	int socket;
	/** See ferry_lane_model(). */
	struct ferry_lane_model model;
	/** See ferry_lane_cost(). Set to model after open(). */
	struct ferry_lane_model cost[FERRY_PLACES][FERRY_HEATS];
	/** See ferry_lane_stats(). */
	struct ferry_lane_stats stats;
	/** See ferry_lane_info(). */
	struct ferry_lane_info info;
};

/**
 * Account for a job that submit accepted. To be called by drivers.
 *
 * @param lane
 *   The lane.
 */
static inline void
ferry_lane_account_in(struct ferry_lane *lane)
{
	lane->inflight++;
}

/**
 * Account for a job that ended. To be called by drivers when the completion is
 * handed out.
 *
 * @param lane
 *   The lane.
 * @param len
 *   Bytes of the job.
 * @param status
 *   How it ended.
 */
static inline void
ferry_lane_account_out(struct ferry_lane *lane, uint64_t len,
		enum ferry_copy_status status)
{
	lane->inflight--;
	if (status == FERRY_COPY_OK) {
		lane->stats.jobs++;
		lane->stats.bytes += len;
	} else {
		lane->stats.errors++;
	}
}

#ifdef __cplusplus
}
#endif

#endif /* FERRY_COPY_DRIVER_H */
