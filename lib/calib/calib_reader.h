/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CALIB_READER_H
#define FERRY_CALIB_READER_H

/**
 * @file
 * Internal: measures how long another core takes to read bytes that were just
 * copied.
 */

#include "calib_measure.h"

/**
 * Measure copies of a cpu lane, and another core's reads of the copied bytes,
 * without and with demoting. The lane does not demote afterwards.
 *
 * @param rig
 *   The rig, with its time limits.
 * @param lane
 *   A lane of ferry_copy_cpu().
 * @param reader
 *   CPU of the reader, plus 1. 0: choose another core than the calling one, in
 *   the same package if there is one.
 * @param[out] read_ns
 *   Time of reading: [0] without demoting, [1] with it.
 * @return
 *   1 if demoting pays: the reader gains more time than the copy loses. 0 if
 *   not. -ENODEV if there is no other core; -ETIME if there was not enough
 *   time; or the error of starting a thread.
 */
int calib_reader(struct calib_rig *rig, struct ferry_lane *lane,
		unsigned int reader, double read_ns[2]);

#endif /* FERRY_CALIB_READER_H */
