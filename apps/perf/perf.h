/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_H
#define PERF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lanes.h"
#include "machine.h"
#include "report.h"
#include "side.h"

struct perf_options {
	/* File to write CSV to, "-" for stdout; NULL: the table. */
	const char *csv;
	/* Globs, with commas between them; NULL: all scenarios. */
	const char *only;
	/* Pairs of slices, and a slice's length. */
	uint32_t runs;
	uint32_t slice_ms;
	/* Bytes of the cold pool. */
	uint64_t pool;
	/* Bytes of each of the two rings that bulk messages are in, where these
	 * do not need more. */
	uint64_t ring;
	/* What the longest ring takes; 0 until there is a hub. */
	uint64_t reserve;
	/* Hub memory that a scenario of bulk messages may need. */
	uint64_t most;
	bool list;
	bool quick;
	bool smoke;
	/* Check all content in timed slices, too. */
	bool check;
	bool processes;
	/* Lane sets, a bit each: asked for, later those to be had; and those
	 * that have a device to be driven bare. */
	uint32_t sets;
	uint32_t bare;
	/* This is the follower's process; the hub's name. */
	const char *follow;
};

struct perf {
	struct perf_options o;
	/* This thread, the leader. */
	struct side side;
	struct places places;
	struct lanes lanes;
	/* The case that is open on both sides. */
	struct side_job open;
	bool is_open;
	double tsc_ghz;
	struct machine machine;
	FILE *table;
	FILE *csv;
	/* Scenarios begun, and in all. */
	uint32_t at;
	uint32_t total;
	/* Of the longest name. */
	int name_width;
	/* Targets missed, and stated. */
	uint32_t missed;
	uint32_t targets;
};

#endif /* PERF_H */
