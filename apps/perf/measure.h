/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_MEASURE_H
#define PERF_MEASURE_H

/* What measure.c, lane_measure.c and bulk_measure.c share: they run slices in
 * turn, and report rows. */

#include "scenario.h"

#define RUNS_MAX 101
/* Short slices are run so many times more often. */
#define RUNS_SHORT 3
/* Slices whose CPU time is reported are so many times longer, because a slice
 * begins with a wake-up of all threads, which is no part of the cost of a
 * GB. */
#define SLICE_LONG 6

/* The values of a slice. */
enum value {
	/* The first and the second number of its kind. */
	VALUE_MAIN,
	VALUE_SECOND,
	/* Mean nanoseconds of a send, so that rare slow ones count. */
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
	/* Its name where it is the bound; NULL: the name of its wire. */
	const char *name;
	/* The engine serves its channel, if there is an engine. */
	bool served;
	double values[VALUES][RUNS_MAX * RUNS_SHORT];
	/* The times of all slices together. */
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

/* Run the contender's job once, with these flags added. This and the functions
 * below return 0 or negative. */
int measure_run(struct measurement *m, const struct contender *c,
		uint32_t flags);

/* Close the channels that are open, before another engine takes the place of
 * theirs. */
int measure_close(struct perf *p);

/* Check the content of messages, and find how many of them fill a slice. */
int measure_calibrate(struct measurement *m, struct contender *c);

/* Choose the copy kernel with the best median for a bound that copies. */
int measure_choose_kernel(struct measurement *m, struct contender *c);

/* Run the i-th slice. */
int measure_slice(struct measurement *m, struct contender *c, uint32_t i);

/* Calibrate the bound and ferry, then run slices of both in turn. */
int measure_both(struct measurement *m);

/* Make a row of ferry's values v, and of the bound's if it has any. */
void measure_row(struct measurement *m, struct row *row, uint32_t v,
		const char *metric, const char *unit);
/* Add to a row the quantiles of ferry's times, and their ratios to the
 * bound's. */
void measure_row_times(struct measurement *m, struct row *row);
/* Compare a row with a target (NULL: none), and write it. */
int measure_report(struct measurement *m, struct row *row,
		const struct target *t);

/* Scenarios with engines (lane_measure.c). */
int lane_measure(struct measurement *m);

/* Scenarios of bulk messages (bulk_measure.c). */
int bulk_measure(struct measurement *m);

#endif /* PERF_MEASURE_H */
