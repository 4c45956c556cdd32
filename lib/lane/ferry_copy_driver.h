/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COPY_DRIVER_H
#define FERRY_COPY_DRIVER_H

/**
 * @file
 * What a copy driver implements.
 *
 * A driver is a constant table of functions. ferry_lane_open() makes the
 * struct ferry_lane (ferry_lane_core.h), sets drv, calls open(), which fills in
 * info, model and priv. Everything in the struct is written by the lane's one
 * thread; the driver keeps inflight and stats true with the two account
 * functions below.
 */

#include "ferry_lane_core.h"

#ifdef __cplusplus
extern "C" {
#endif

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
