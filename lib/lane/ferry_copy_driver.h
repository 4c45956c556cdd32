/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COPY_DRIVER_H
#define FERRY_COPY_DRIVER_H

/**
 * @file
 * What a copy driver implements.
 *
 * A driver is a constant table of functions. ferry_lane_open() makes the
 * struct ferry_lane (ferry_lane_core.h), sets drv and calls open(). open()
 * fills in info, model and priv. Only the thread that the lane belongs to
 * writes to the struct. The driver keeps inflight and stats up to date by
 * calling the two account functions below.
 */

#include "ferry_lane_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Account for a job that submit has accepted. Drivers call this.
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
 * Account for a job that has ended. Drivers call this when they hand out the
 * completion.
 *
 * @param lane
 *   The lane.
 * @param len
 *   Length of the job in bytes.
 * @param status
 *   How the job ended.
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
