/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_BULK_H
#define PERF_BULK_H

/* The work of SIDE_BULK and SIDE_BULK_STREAM: see bulk.c. */

#include "side.h"

/* Most bulk messages under way, side_job.depth. */
#define BULK_DEPTH_MAX 4

/* How long the messages of a run are, side_job.sizes; len is the longest. */
enum bulk_sizes {
	/* All messages have len bytes. */
	BULK_EVEN,
	/* Messages have from an eighth of len to len bytes. */
	BULK_TABULAR,
	/* Most have len / 8192 to len / 1024 bytes, and go by ferry_tx_send().
	 * One in eight has len / 64 to len / 16 bytes. One in 128 has len. */
	BULK_MIXED,
};

/* How many messages there are until the lengths repeat. A run's number of
 * messages is a multiple of this. */
uint32_t bulk_period(const struct side_job *job);

/* Length of message number seq. */
uint32_t bulk_len(const struct side_job *job, uint64_t seq);

/* Bytes of the shortest ring that is long enough. Does not read job->pool. */
uint64_t bulk_ring_min(const struct side_job *job);

/* Bytes of hub memory that one side takes for the case; 0 if the case has no
 * bulk messages. */
uint64_t bulk_reserve(const struct side_job *job);

#endif /* PERF_BULK_H */
