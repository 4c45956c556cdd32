/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_BULK_H
#define PERF_BULK_H

/* SIDE_BULK and SIDE_BULK_STREAM: see bulk.c. */

#include "side.h"

/* Most bulk messages under way, side_job.depth. */
#define BULK_DEPTH_MAX 4

/* How long the messages of a run are, side_job.sizes; len is the longest. */
enum bulk_sizes {
	/* All of len. */
	BULK_EVEN,
	/* From an eighth of len up. */
	BULK_TABULAR,
	/* Most of len / 8192 to len / 1024, which go as they always did; one in
	 * eight of len / 64 to len / 16; one in 128 of len. */
	BULK_MIXED,
};

/* Messages after which the lengths repeat: what runs are multiples of. */
uint32_t bulk_period(const struct side_job *job);

/* Length of message number seq. */
uint32_t bulk_len(const struct side_job *job, uint64_t seq);

/* The shortest ring that will do; job->pool is not looked at. */
uint64_t bulk_ring_min(const struct side_job *job);

/* Hub memory that one side takes for a case, in bytes; 0 if it is no such. */
uint64_t bulk_reserve(const struct side_job *job);

#endif /* PERF_BULK_H */
