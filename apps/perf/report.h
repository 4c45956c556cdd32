/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_REPORT_H
#define PERF_REPORT_H

/* What comes out: a table for people, CSV for programs. */

#include <stdint.h>
#include <stdio.h>

#include "cpu_time.h"

struct perf;

/* Not measured, or not a thing this row has. */
#define ROW_NONE (-1.0)

enum row_met {
	ROW_NO_TARGET,
	ROW_MISSED,
	ROW_MET,
};

struct row {
	/* The scenario, and which of its numbers. No commas: see CSV. */
	char scenario[48];
	char metric[24];
	const char *unit;
	double value;
	/* The bound: what it is, and the same number of it. */
	char bound[24];
	double bound_value;
	/* Median of the pairs' ratios, value / bound. */
	double ratio;
	/* Nanoseconds: one-way trip, burst of 32 or send. */
	double p50;
	double p99;
	double p999;
	double max;
	/* p99 against the bound's p50 and p99. */
	double p99_bound_p50;
	double p99_bound_p99;
	/* CPU time: milliseconds per GB, and percents of a core. */
	double cpu_ms_gb[CPU_N];
	double cpu_core[CPU_N];
	/* Percent of the bytes that DMA lanes copied. */
	double dma;
	const char *target;
	enum row_met met;
};

/* A row with nothing measured. */
void row_init(struct row *row, const char *scenario, const char *metric,
		const char *unit);

/* Above and below the rows. */
void report_begin(struct perf *p);
void report_end(struct perf *p);

/*
 * Write a row. 0, or -ERANGE after a line on stderr if a number in it is not
 * finite and above zero.
 */
int report_row(struct perf *p, const struct row *row);

#endif /* PERF_REPORT_H */
