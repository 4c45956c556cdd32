/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_REPORT_H
#define PERF_REPORT_H

/* The program's output: a table for people, CSV for programs. */

#include <stdint.h>
#include <stdio.h>

#include "cpu_time.h"

struct perf;

/* The value was not measured, or the row has no such value. */
#define ROW_NONE (-1.0)

enum row_met {
	ROW_NO_TARGET,
	ROW_MISSED,
	ROW_MET,
};

struct row {
	/* The scenario, and the name of one of its numbers. They have no
	 * commas, because these separate the columns of CSV. */
	char scenario[48];
	char metric[24];
	const char *unit;
	double value;
	/* The bound's name, and its value of the same metric. */
	char bound[24];
	double bound_value;
	/* Median of the pairs' ratios, value / bound. */
	double ratio;
	/* Quantiles in nanoseconds of a one-way trip, a burst of 32 or a
	 * send. */
	double p50;
	double p99;
	double p999;
	double max;
	/* Ratios of p99 to the bound's p50 and to its p99. */
	double p99_bound_p50;
	double p99_bound_p99;
	/* CPU time: milliseconds per GB, and percent of a core. */
	double cpu_ms_gb[CPU_N];
	double cpu_core[CPU_N];
	/* Percent of the bytes that DMA lanes copied. */
	double dma;
	const char *target;
	enum row_met met;
};

/* Make a row in which nothing is measured yet. */
void row_init(struct row *row, const char *scenario, const char *metric,
		const char *unit);

/* Print what stands above and below the rows. */
void report_begin(struct perf *p);
void report_end(struct perf *p);

/*
 * Write a row. Returns 0, or -ERANGE after a line on stderr if a number in it
 * is not finite and above zero.
 */
int report_row(struct perf *p, const struct row *row);

#endif /* PERF_REPORT_H */
