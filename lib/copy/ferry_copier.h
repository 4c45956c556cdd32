/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COPIER_H
#define FERRY_COPIER_H

/**
 * @file
 * A copier: the lanes one thread may copy with, and the scheduler, as one
 * handle.
 *
 * Lane 0 is always the calling core. The others are devices, each of which may
 * refuse, fail or hang; whatever happens to them, ferry_copier_copy() returns
 * with every byte where it belongs:
 *
 *  - a job a lane refuses goes to the next best lane, at last to the core;
 *  - a job that fails is finished by the core, from the bytes known done;
 *  - a lane failing #FERRY_COPIER_MAX_ERRORS times in a row gets no more jobs;
 *  - a lane that stops answering is closed, which stops its device; only then
 *    does the core redo what was in it.
 *
 * Thread-safety: a copier and its lanes belong to one thread at a time.
 */

#include <stdint.h>

#include "ferry_copy_driver.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Most lanes of a copier, the core's own included. */
#define FERRY_COPIER_MAX_LANES 8
/** Failed jobs in a row after which a lane is not used any more. */
#define FERRY_COPIER_MAX_ERRORS 8

/** Whether a lane still gets jobs. */
enum ferry_copier_state {
	/** It does. */
	FERRY_COPIER_USED = 0,
	/** It does not: too many errors in a row. Still open. */
	FERRY_COPIER_QUARANTINED,
	/** It does not: it did not answer in time, and was closed. */
	FERRY_COPIER_DROPPED,
};

/** One lane of a copier. */
struct ferry_copier_lane {
	/** The open lane; NULL once dropped. */
	struct ferry_lane *lane;
	/** Whether it gets jobs. */
	enum ferry_copier_state state;
	/** Failed jobs since the last good one. */
	uint32_t errors;
	/** What a dropped lane was and did: its info and stats. */
	struct ferry_lane last;
};

/**
 * A copier. Visible so that it can be embedded; to be changed by the functions
 * below only. It holds no pointers to itself and may be moved.
 */
struct ferry_copier {
	/** Lanes present, dropped ones included. */
	unsigned int nb_lanes;
	/** Lanes that get jobs. */
	unsigned int nb_used;
	/** Ticks of the time stamp counter in a second. */
	uint64_t tsc_hz;
	/** The lanes; the first is the core's own. */
	struct ferry_copier_lane lanes[FERRY_COPIER_MAX_LANES];
};

/**
 * Set up a copier with the calling core as its only lane.
 *
 * @param[out] copier
 *   Memory for the copier, to be given to ferry_copier_fini().
 * @param socket
 *   NUMA node for the lane's own memory, or SOCKET_ID_ANY.
 * @return
 *   0, -EINVAL, or the error of opening the lane.
 */
int ferry_copier_init(struct ferry_copier *copier, int socket);

/**
 * Add a lane. The copier takes ownership if the call succeeds, and closes the
 * lane in ferry_copier_fini() or when the lane hangs.
 *
 * @param copier
 *   A copier.
 * @param lane
 *   An open lane without jobs.
 * @return
 *   0; -ENOSPC if the copier has FERRY_COPIER_MAX_LANES lanes; -EINVAL for
 *   NULL, a lane the copier has already, a lane with jobs in it, or one that
 *   can take no job at all.
 */
int ferry_copier_add(struct ferry_copier *copier, struct ferry_lane *lane);

/**
 * Close all lanes.
 *
 * @param copier
 *   A copier; NULL and one already given up are accepted.
 */
void ferry_copier_fini(struct ferry_copier *copier);

/**
 * Copy a burst, and return when all of it is at its destinations.
 *
 * The jobs may be of any length and go to different lanes, in pieces, in any
 * order: no destination of the burst may overlap another or a source. The call
 * does not allocate. With a lane that hangs it takes as long as that lane is
 * given: 100 times the time predicted, and a second.
 *
 * @param copier
 *   A copier.
 * @param jobs
 *   The jobs. Cookies are ignored.
 * @param n
 *   Number of jobs.
 * @return
 *   0; -EINVAL for a copier not set up; -EIO if the core's own lane refused a
 *   job (of a placement unknown to it) or failed, which no known one does: some
 *   bytes are then not copied, but nothing writes any of them after the return.
 */
int ferry_copier_copy(struct ferry_copier *copier,
		const struct ferry_copy_job *jobs, uint16_t n);

/**
 * One of the lanes, to read its info and stats (jobs and bytes by lane).
 *
 * @param copier
 *   A copier, or NULL.
 * @param i
 *   Which one, from 0 up; 0 is the core's own.
 * @return
 *   The lane; of a dropped lane, a record that answers ferry_lane_info() and
 *   ferry_lane_stats(); NULL if there is no lane i. Valid until the next call
 *   that changes the copier.
 */
const struct ferry_lane *ferry_copier_lane(const struct ferry_copier *copier,
		unsigned int i);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_COPIER_H */
