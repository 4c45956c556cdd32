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
	/* File to write CSV to, "-" for stdout; NULL: only the table. */
	const char *csv;
	/* Globs, with commas between them; NULL: all scenarios. */
	const char *only;
	/* How many pairs of slices, and a slice's length. */
	uint32_t runs;
	uint32_t slice_ms;
	/* Bytes of the cold pool. */
	uint64_t pool;
	/* Bytes of each side's ring of bulk messages, unless they need more. */
	uint64_t ring;
	/* Bytes that the longest ring takes; 0 before there is a hub. */
	uint64_t reserve;
	/* Most hub memory that a scenario of bulk messages may need. */
	uint64_t most;
	bool list;
	bool quick;
	bool smoke;
	/* Check all content in timed slices, too. */
	bool check;
	bool processes;
	/* Lane sets, a bit each. At first those that the user asked for, later
	 * those of them that can be had. bare: those with a device to be driven
	 * bare. */
	uint32_t sets;
	uint32_t bare;
	/* The hub's name, if this is the follower's process; else NULL. */
	const char *follow;
};

struct perf {
	struct perf_options o;
	/* The leader's side, which is the main thread. */
	struct side side;
	struct places places;
	struct lanes lanes;
	/* The job whose channels are open on both sides, if is_open. */
	struct side_job open;
	bool is_open;
	double tsc_ghz;
	struct machine machine;
	FILE *table;
	FILE *csv;
	/* How many scenarios were begun, and how many there are in all. */
	uint32_t at;
	uint32_t total;
	/* Width of the longest name of a scenario. */
	int name_width;
	/* How many targets were missed, and how many there were. */
	uint32_t missed;
	uint32_t targets;
};

#endif /* PERF_H */
