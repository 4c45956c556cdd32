/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_MEASURE_H
#define PERF_MEASURE_H

/* What measure.c and lane_measure.c share: slices in turn, and their rows. */

#include "scenario.h"

#define RUNS_MAX 101
/* Of short slices there are so many times more. */
#define RUNS_SHORT 3
/* So much longer are slices whose CPU time is told: a slice begins with
 * everybody being woken, which is no part of what a GB costs. */
#define SLICE_LONG 6

/* What a slice is judged by. */
enum value {
	/* The first and the second number of its kind. */
	VALUE_MAIN,
	VALUE_SECOND,
	/* Nanoseconds of a send: the mean, in which rare ones count. */
	VALUE_SEND,
	/* Milliseconds of CPU time per GB, then percents of a core. */
	VALUE_CPU,
	VALUE_CORE = VALUE_CPU + CPU_N,
	/* Percent of the bytes that DMA lanes copied. */
	VALUE_DMA = VALUE_CORE + CPU_N,
	VALUES,
};

/* One side of the comparison. */
struct contender {
	struct side_job job;
	/* What it is called where it is the bound; NULL: by its wire. */
	const char *name;
	/* With the engine, if there is one. */
	bool served;
	double values[VALUES][RUNS_MAX * RUNS_SHORT];
	/* Of all slices together. */
	struct histogram hist;
};

struct measurement {
	struct perf *p;
	const struct scenario *sc;
	uint32_t runs;
	double slice_ms;
	struct contender bound;
	struct contender ferry;
	/* The last slice; CPU_ENGINE and dma_bytes are filled in. */
	struct side_slice slice;
	uint64_t dma_bytes;
};

double measure_median(const double *values, uint32_t n);

/* One run of a job, with this flag or that. All: 0 or negative. */
int measure_run(struct measurement *m, const struct contender *c,
		uint32_t flags);

/* Close what is open: what knows of the engine there was. */
int measure_close(struct perf *p);

/* Check content, and find the number of messages that fills a slice. */
int measure_calibrate(struct measurement *m, struct contender *c);

/* Choose the copy kernel with the best median for a bound that copies. */
int measure_choose_kernel(struct measurement *m, struct contender *c);

/* The i-th slice. */
int measure_slice(struct measurement *m, struct contender *c, uint32_t i);

/* Calibrate both, then slices of both in turn. */
int measure_both(struct measurement *m);

/* A row: of ferry's values v and the bound's, if it has any. */
void measure_row(struct measurement *m, struct row *row, uint32_t v,
		const char *metric, const char *unit);
/* Add quantiles, and those to the bound's. */
void measure_row_times(struct measurement *m, struct row *row);
/* Judge it by a target, or by none, and write it. */
int measure_report(struct measurement *m, struct row *row,
		const struct target *t);

/* Scenarios with engines (lane_measure.c). */
int lane_measure(struct measurement *m);

/* Scenarios of bulk messages (bulk_measure.c). */
int bulk_measure(struct measurement *m);

#endif /* PERF_MEASURE_H */
