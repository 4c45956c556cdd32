/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_LANE_CORE_H
#define FERRY_LANE_CORE_H

/**
 * @file
 * The struct of a lane and the table of a driver. ferry_lane.h includes this
 * file because its inline calls need both; ferry_copy_driver.h includes it,
 * too. Applications do not use this file.
 */

#include "ferry_copy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The operations of a driver. The caller has checked the arguments. */
struct ferry_copy_driver {
	/** Short name, such as "cpu". */
	const char *name;
	/** Fill in lane->info, ->model and ->priv. 0 or negative errno. */
	int (*open)(struct ferry_lane *lane, const void *config, int socket);
	/** Undo open(); see ferry_lane_close() for what it returns. */
	int (*close)(struct ferry_lane *lane);
	/**
	 * Carry out jobs at once, without completions. NULL, unless the
	 * driver's lanes are FERRY_LANE_SYNC. Returns how many jobs, from the
	 * first, are done: fewer than n if the lane cannot do the next one.
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
	/** See ferry_lane_set_demote(). NULL: the driver cannot demote. */
	int (*set_demote)(struct ferry_lane *lane, bool on);
	/** See ferry_lane_describe(). NULL: there is no description. */
	int (*describe)(const struct ferry_lane *lane, char *text, size_t size);
	/** See ferry_device_next(). NULL: the driver's lanes need no device. */
	int (*device_next)(int after, const char *names, char *name,
			size_t size);
	/** See ferry_device_open(). NULL if device_next is NULL. */
	int (*device_open)(struct ferry_lane **lane, int device,
			uint32_t close_wait_ms);
};

/** A lane. Visible so that the calls in ferry_lane.h can be inline. */
struct ferry_lane {
	/** The driver that the lane was opened with. */
	const struct ferry_copy_driver *drv;
	/** The driver's private data. */
	void *priv;
	/** Jobs accepted and not yet completed; kept by the driver. */
	uint32_t inflight;
	/** NUMA node given to ferry_lane_open(). */
	int socket;
	/** See ferry_lane_model(). */
	struct ferry_lane_model model;
	/** See ferry_lane_cost(). ferry_lane_open() sets all of them to model
	 * after open(). */
	struct ferry_lane_model cost[FERRY_PLACES][FERRY_HEATS];
	/** See ferry_lane_stats(). */
	struct ferry_lane_stats stats;
	/** See ferry_lane_info(). */
	struct ferry_lane_info info;
};

#ifdef __cplusplus
}
#endif

#endif /* FERRY_LANE_CORE_H */
