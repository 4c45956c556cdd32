/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How scenarios with engines are measured: slices of the same channel in turn,
 * moved to the engine, and moved away from it, so that its producer copies.
 */

#include <errno.h>
#include <stdlib.h>

#include "measure.h"

/* What CPU columns are called by themselves. */
static const char *const who_names[CPU_N] = {
	[CPU_SENDER] = "sender",
	[CPU_RECEIVER] = "receiver",
	[CPU_ENGINE] = "engine",
	[CPU_ALL] = "all threads",
};

/* Sleeps of a smoke run, and runs of a second each. */
#define SMOKE_GAP_NS 20000000
#define IDLE_RUNS 3
/* Wake-ups of a slice: that many sleeps of 2 ms. */
#define WAKES 50

/* The job with the engine, and the same without. */
static void
prepare(struct measurement *m)
{
	scenario_job(m->sc, &m->p->o, false, &m->ferry.job);
	m->ferry.served = true;
	m->bound.job = m->ferry.job;
	m->bound.served = false;
	m->bound.name = "no engine";
}

static int
calibrate_and_measure(struct measurement *m)
{
	int ret;

	histogram_reset(&m->bound.hist);
	histogram_reset(&m->ferry.hist);
	ret = measure_calibrate(m, &m->bound);
	if (ret == 0)
		ret = measure_calibrate(m, &m->ferry);
	return ret != 0 ? ret : measure_both(m);
}

/* What it cost; by bytes only where messages follow upon each other. */
static void
row_cpu(struct measurement *m, struct row *row)
{
	const struct contender *c = &m->ferry;
	uint32_t i;

	for (i = 0; i < CPU_N; i++) {
		if (c->job.gap_ns == 0)
			row->cpu_ms_gb[i] = measure_median(
				c->values[VALUE_CPU + i], m->runs);
		row->cpu_core[i] = measure_median(c->values[VALUE_CORE + i],
				m->runs);
	}
	row->dma = measure_median(c->values[VALUE_DMA], m->runs);
}

/* Latency mode: round trips, and then the sending alone. */
static int
measure_never_slower(struct measurement *m)
{
	struct side_job *job = &m->ferry.job;
	struct row row;
	int ret;

	/* More pairs, so that noise of the machine matters less. */
	m->runs *= RUNS_SHORT;
	m->slice_ms /= RUNS_SHORT;
	prepare(m);
	ret = calibrate_and_measure(m);
	if (ret != 0)
		return ret;
	measure_row(m, &row, VALUE_MAIN, "one way", "ns");
	measure_row_times(m, &row);
	row.dma = measure_median(m->ferry.values[VALUE_DMA], m->runs);
	ret = measure_report(m, &row, m->sc->target);
	if (ret != 0)
		return ret;

	job->kind = SIDE_STREAM;
	m->bound.job.kind = SIDE_STREAM;
	ret = calibrate_and_measure(m);
	if (ret != 0)
		return ret;
	measure_row(m, &row, VALUE_SEND, "send alone", "ns");
	measure_row_times(m, &row);
	row.dma = measure_median(m->ferry.values[VALUE_DMA], m->runs);
	return measure_report(m, &row, m->sc->target);
}

static int
measure_sender_cpu(struct measurement *m)
{
	struct row row;
	int ret;

	m->slice_ms *= SLICE_LONG;
	prepare(m);
	m->bound.name = "inline copy";
	ret = calibrate_and_measure(m);
	if (ret != 0)
		return ret;
	measure_row(m, &row, VALUE_CPU + CPU_SENDER, who_names[CPU_SENDER],
		"ms/GB");
	measure_row_times(m, &row);
	row_cpu(m, &row);
	return measure_report(m, &row, m->sc->target);
}

/* Many under way, and then one at a time. */
static int
measure_mode(struct measurement *m)
{
	struct row row;
	int ret;

	m->slice_ms *= SLICE_LONG;
	prepare(m);
	ret = calibrate_and_measure(m);
	if (ret != 0)
		return ret;
	measure_row(m, &row, VALUE_MAIN, "throughput", "GB/s");
	measure_row_times(m, &row);
	row_cpu(m, &row);
	ret = measure_report(m, &row, m->sc->target);
	if (ret != 0)
		return ret;

	m->ferry.job.kind = SIDE_SINGLE;
	m->bound.job.kind = SIDE_SINGLE;
	ret = calibrate_and_measure(m);
	if (ret != 0)
		return ret;
	measure_row(m, &row, VALUE_MAIN, "one at a time", "ns");
	measure_row_times(m, &row);
	row_cpu(m, &row);
	return measure_report(m, &row, m->sc->target);
}

/* In turn: the device bare, through a lane, through engine and channel. */
static int
measure_offload(struct measurement *m)
{
	const int dev = lanes_device(m->sc->set);
	struct contender *path, *lane = &m->ferry;
	struct row row;
	uint32_t i;
	int ret;

	if (dev < 0)
		return dev;
	m->p->side.dev = (int16_t)dev;
	m->runs *= RUNS_SHORT;
	m->slice_ms /= RUNS_SHORT;
	path = calloc(1, sizeof(*path));
	if (path == NULL)
		return -ENOMEM;
	scenario_job(m->sc, &m->p->o, true, &m->bound.job);
	m->bound.name = "bare device";
	lane->job = m->bound.job;
	lane->job.wire = WIRE_LANE;
	scenario_job(m->sc, &m->p->o, false, &path->job);
	path->served = true;
	ret = measure_calibrate(m, &m->bound);
	if (ret == 0)
		ret = measure_calibrate(m, lane);
	if (ret == 0)
		ret = measure_calibrate(m, path);
	for (i = 0; i < m->runs && ret == 0; i++) {
		ret = measure_slice(m, &m->bound, i);
		if (ret == 0)
			ret = measure_slice(m, lane, i);
		if (ret == 0)
			ret = measure_slice(m, path, i);
	}
	if (ret == 0) {
		measure_row(m, &row, VALUE_MAIN, "lane", "GB/s");
		measure_row_times(m, &row);
		ret = measure_report(m, &row, m->sc->target);
	}
	if (ret == 0) {
		m->ferry = *path;
		measure_row(m, &row, VALUE_MAIN, "posts", "GB/s");
		measure_row_times(m, &row);
		row_cpu(m, &row);
		ret = measure_report(m, &row, NULL);
	}
	free(path);
	return ret;
}

/* One message after a second of sleep: what the sleep cost. */
static int
measure_idle(struct measurement *m)
{
	static const enum cpu_who whose[] = {
		CPU_ENGINE, CPU_RECEIVER, CPU_ALL,
	};
	struct side_job *job = &m->ferry.job;
	uint64_t gap;
	struct row row;
	uint32_t i;
	int ret;

	prepare(m);
	gap = m->p->o.smoke ? SMOKE_GAP_NS : job->gap_ns;
	/* First send messages without sleep, so that all threads have been used
	 * and might still be awake. */
	job->gap_ns = 0;
	job->n = 64;
	ret = measure_run(m, &m->ferry, SIDE_CHECK);
	job->gap_ns = gap;
	job->n = 1;
	m->runs = m->p->o.smoke || m->p->o.quick ? 1 : IDLE_RUNS;
	for (i = 0; i < m->runs && ret == 0; i++)
		ret = measure_slice(m, &m->ferry, i);
	for (i = 0; i < RTE_DIM(whose) && ret == 0; i++) {
		measure_row(m, &row, VALUE_CORE + whose[i],
			who_names[whose[i]], "%");
		measure_row_times(m, &row);
		/* The devices' own threads are no part of ferry. */
		ret = measure_report(m, &row, whose[i] == CPU_ALL ? NULL :
				m->sc->target);
	}
	return ret;
}

static int
measure_wake(struct measurement *m)
{
	struct side_job *job = &m->ferry.job;
	uint64_t gap;
	struct row row;
	uint32_t i;
	int ret;

	prepare(m);
	gap = job->gap_ns;
	job->gap_ns = 0;
	job->n = 64;
	ret = measure_run(m, &m->ferry, SIDE_CHECK);
	job->gap_ns = gap;
	job->n = m->p->o.smoke ? 2 : WAKES;
	for (i = 0; i < m->runs && ret == 0; i++)
		ret = measure_slice(m, &m->ferry, i);
	if (ret != 0)
		return ret;
	measure_row(m, &row, VALUE_MAIN, "wake-up", "ns");
	measure_row_times(m, &row);
	row_cpu(m, &row);
	return measure_report(m, &row, m->sc->target);
}

int
lane_measure(struct measurement *m)
{
	switch (m->sc->what) {
	case SCENARIO_NEVER_SLOWER:
		return measure_never_slower(m);
	case SCENARIO_SENDER_CPU:
		return measure_sender_cpu(m);
	case SCENARIO_OFFLOAD:
		return measure_offload(m);
	case SCENARIO_IDLE:
		return measure_idle(m);
	case SCENARIO_WAKE:
		return measure_wake(m);
	default:
		return measure_mode(m);
	}
}
