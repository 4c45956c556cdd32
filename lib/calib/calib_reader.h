/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CALIB_READER_H
#define FERRY_CALIB_READER_H

/**
 * @file
 * Internal: measure how long another core takes to read what was just copied.
 */

#include "calib_measure.h"

/**
 * Measure copies of a cpu lane and the reading of them, without and with
 * demoting. The lane does not demote afterwards.
 *
 * @param rig
 *   What with, and until when.
 * @param lane
 *   A lane of ferry_copy_cpu().
 * @param reader
 *   CPU of the reader plus 1; 0: another core than this, of the same package
 *   if there is one.
 * @param[out] read_ns
 *   Time of reading, without and with demoting.
 * @return
 *   1 if demoting pays: the reader gains more than the copy loses. 0 if not.
 *   -ENODEV if there is no core to read; -ETIME if there was not enough time;
 *   or the error of making a thread.
 */
int calib_reader(struct calib_rig *rig, struct ferry_lane *lane,
		unsigned int reader, double read_ns[2]);

#endif /* FERRY_CALIB_READER_H */
