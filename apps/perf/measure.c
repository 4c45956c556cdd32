/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How a scenario is measured: the bound and ferry in turn, in slices of a few
 * milliseconds, so that whatever else happens on the machine happens to both.
 * Each pair of slices gives a ratio; what is reported is medians.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app_eal.h"
#include "measure.h"
#include "work.h"

/* Slices of each candidate when the best copy kernel is looked for. */
#define KERNEL_RUNS 3

static int
compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double
measure_median(const double *values, uint32_t n)
{
	double sorted[RUNS_MAX * RUNS_SHORT];

	memcpy(sorted, values, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), compare);
	return n % 2 != 0 ? sorted[n / 2] :
		(sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

int
measure_close(struct perf *p)
{
	if (!p->is_open)
		return 0;
	p->is_open = false;
	return side_close(&p->side);
}

/* See to it that the channels of this job are open, on both sides. */
static int
ensure_open(struct perf *p, const struct side_job *job)
{
	int ret;

	if (p->is_open && p->open.len == job->len &&
			p->open.n_slots == job->n_slots &&
			p->open.flags == job->flags &&
			p->open.mode == job->mode &&
			p->open.pool == job->pool &&
			p->open.slot == job->slot &&
			p->open.sizes == job->sizes &&
			p->open.depth == job->depth)
		return 0;
	ret = measure_close(p);
	if (ret == 0)
		ret = side_open(&p->side, job);
	if (ret != 0)
		return ret;
	p->open = *job;
	p->is_open = true;
	return 0;
}

int
measure_run(struct measurement *m, const struct contender *c, uint32_t flags)
{
	struct lanes *lanes = &m->p->lanes;
	struct side_job now = c->job;
	uint64_t engine, dma;
	int ret;

	if (perf_stop)
		return -ECANCELED;
	ret = ensure_open(m->p, &c->job);
	if (ret == 0)
		ret = lanes_serve(lanes, c->served);
	if (ret != 0)
		return ret;
	now.flags |= flags;
	dma = lanes_dma_bytes(lanes);
	engine = lanes_engine_ns(lanes);
	ret = side_run(&m->p->side, &now, &m->slice);
	m->slice.cpu_ns[CPU_ENGINE] = lanes_engine_ns(lanes) - engine;
	m->dma_bytes = lanes_dma_bytes(lanes) - dma;
	if (ret == 0 && m->slice.bad != 0) {
		app_error("%s: what was received is not what was sent",
			m->sc->name);
		ret = -EILSEQ;
	}
	return ret;
}

/* The numbers of the last slice. */
static void
slice_values(struct measurement *m, const struct side_job *job,
		double values[VALUES])
{
	const struct side_slice *s = &m->slice;
	const double ghz = m->p->tsc_ghz;
	const double bytes = s->bytes != 0 ? (double)s->bytes :
		(double)job->n * job->len;
	uint32_t i;

	work_of(job)->numbers(job, s, bytes, ghz, &values[VALUE_MAIN]);
	values[VALUE_SEND] = (double)s->busy / ghz / (double)job->n;
	for (i = 0; i < CPU_N; i++) {
		/* ns per byte is s per GB. */
		values[VALUE_CPU + i] = 1e3 * (double)s->cpu_ns[i] / bytes;
		values[VALUE_CORE + i] = 100 * (double)s->cpu_ns[i] /
			((double)s->ticks / ghz);
	}
	values[VALUE_DMA] = 100 * (double)m->dma_bytes / bytes;
}

int
measure_calibrate(struct measurement *m, struct contender *c)
{
	const double want = m->slice_ms * 1e6 * m->p->tsc_ghz;
	struct side_job *job = &c->job;
	const uint64_t unit = work_of(job)->least(job);
	double more;
	int ret;

	job->n = unit;
	ret = measure_run(m, c, SIDE_CHECK);
	if (ret != 0 || m->p->o.smoke)
		return ret;
	for (;;) {
		ret = measure_run(m, c, 0);
		if (ret != 0)
			return ret;
		more = want / (double)m->slice.ticks;
		if (more < 4)
			break;
		job->n = RTE_ALIGN_MUL_NEAR((uint64_t)((double)job->n *
				RTE_MIN(more / 2, 100.0)), unit);
	}
	job->n = RTE_MAX(RTE_ALIGN_MUL_NEAR((uint64_t)((double)job->n * more),
			unit), unit);
	return 0;
}

int
measure_choose_kernel(struct measurement *m, struct contender *c)
{
	struct side_job *job = &c->job;
	const uint32_t n_kernels = m->p->side.n_kernels;
	double all[FERRY_COPY_KERNEL_MAX + 1][KERNEL_RUNS];
	double values[VALUES], best = 0, is;
	const uint64_t n = c->job.n;
	uint32_t i, k, found = 0;
	int ret = 0;

	job->n = RTE_ALIGN_MUL_CEIL(n / 4 + 1, work_of(job)->least(job));
	for (i = 0; i < KERNEL_RUNS && ret == 0; i++)
		for (k = 0; k < n_kernels && ret == 0; k++) {
			job->kernel = k;
			ret = measure_run(m, c, 0);
			slice_values(m, job, values);
			all[k][i] = values[0];
		}
	for (k = 0; k < n_kernels && ret == 0; k++) {
		is = measure_median(all[k], KERNEL_RUNS);
		if (k == 0 || (work_of(job)->is_time ? is < best : is > best)) {
			best = is;
			found = k;
		}
	}
	job->kernel = found;
	job->n = n;
	return ret;
}

int
measure_slice(struct measurement *m, struct contender *c, uint32_t i)
{
	double values[VALUES] = { 0 };
	uint32_t v;
	int ret = measure_run(m, c, m->p->o.check ? SIDE_CHECK : 0);

	if (ret != 0)
		return ret;
	slice_values(m, &c->job, values);
	for (v = 0; v < VALUES; v++)
		c->values[v][i] = values[v];
	histogram_merge(&c->hist, &m->slice.hist);
	return 0;
}

static void
bound_name(const struct measurement *m, char *out, size_t len)
{
	const struct side_job *job = &m->bound.job;

	if (m->bound.name != NULL)
		snprintf(out, len, "%s", m->bound.name);
	else if (job->wire == WIRE_LINE)
		snprintf(out, len, m->sc->what == SCENARIO_STREAM ?
			"writing" : "line");
	else if (job->wire == WIRE_LOAN)
		snprintf(out, len, "64 B loans");
	else if (m->sc->what == SCENARIO_RATE)
		snprintf(out, len, "bare ring");
	else
		snprintf(out, len, "%s",
			m->p->side.kernels[job->kernel]->name);
}

/* Quantiles in nanoseconds: of one way where round trips were timed. */
static void
row_times(struct row *row, const struct measurement *m,
		const struct contender *c)
{
	const double ticks = m->p->tsc_ghz * work_of(&c->job)->ways;
	const struct histogram *h = &c->hist;

	row->p50 = (double)histogram_quantile(h, 0.5) / ticks;
	row->p99 = (double)histogram_quantile(h, 0.99) / ticks;
	row->p999 = (double)histogram_quantile(h, 0.999) / ticks;
	row->max = (double)h->max / ticks;
}

void
measure_row_times(struct measurement *m, struct row *row)
{
	const struct histogram *h = &m->ferry.hist, *b = &m->bound.hist;

	row_times(row, m, &m->ferry);
	if (b->count == 0)
		return;
	row->p99_bound_p50 = (double)histogram_quantile(h, 0.99) /
		(double)histogram_quantile(b, 0.5);
	row->p99_bound_p99 = (double)histogram_quantile(h, 0.99) /
		(double)histogram_quantile(b, 0.99);
}

static void
row_judge(struct row *row, const struct target *t)
{
	if (t == NULL)
		return;
	row->target = t->text;
	row->met = ROW_MET;
	if ((t->ratio_max > 0 && row->ratio > t->ratio_max) ||
			(t->ratio_min > 0 && row->ratio < t->ratio_min) ||
			(t->p99_max > 0 && row->p99_bound_p50 > t->p99_max) ||
			(t->value_min > 0 && row->value < t->value_min) ||
			(t->value_max > 0 && row->value > t->value_max))
		row->met = ROW_MISSED;
}

void
measure_row(struct measurement *m, struct row *row, uint32_t v,
		const char *metric, const char *unit)
{
	double ratios[RUNS_MAX * RUNS_SHORT];
	uint32_t i;

	row_init(row, m->sc->name, metric, unit);
	row->value = measure_median(m->ferry.values[v], m->runs);
	if (m->bound.hist.count == 0)
		return;
	for (i = 0; i < m->runs; i++)
		ratios[i] = m->ferry.values[v][i] / m->bound.values[v][i];
	row->bound_value = measure_median(m->bound.values[v], m->runs);
	row->ratio = measure_median(ratios, m->runs);
	bound_name(m, row->bound, sizeof(row->bound));
}

int
measure_report(struct measurement *m, struct row *row, const struct target *t)
{
	row_judge(row, t);
	return report_row(m->p, row);
}

static int
report_pair(struct measurement *m, uint32_t v, const char *metric,
		const char *unit)
{
	struct row row;

	measure_row(m, &row, v, metric, unit);
	if (v == 0)
		measure_row_times(m, &row);
	return measure_report(m, &row, m->sc->target);
}

int
measure_both(struct measurement *m)
{
	uint32_t i;
	int ret = 0;

	for (i = 0; i < m->runs && ret == 0; i++) {
		ret = measure_slice(m, &m->bound, i);
		if (ret == 0)
			ret = measure_slice(m, &m->ferry, i);
	}
	return ret;
}

/* ferry beside its bound. */
static int
measure_pair(struct measurement *m)
{
	const struct perf_options *o = &m->p->o;
	int ret;

	scenario_job(m->sc, o, true, &m->bound.job);
	scenario_job(m->sc, o, false, &m->ferry.job);
	ret = measure_calibrate(m, &m->bound);
	if (ret == 0 && m->bound.job.wire == WIRE_BARE &&
			m->sc->what != SCENARIO_RATE)
		ret = measure_choose_kernel(m, &m->bound);
	if (ret == 0)
		ret = measure_calibrate(m, &m->ferry);
	if (ret == 0)
		ret = measure_both(m);
	if (ret != 0)
		return ret;
	switch (m->sc->what) {
	case SCENARIO_LATENCY:
		return report_pair(m, 0, "one way", "ns");
	case SCENARIO_RATE:
		return report_pair(m, 0, "rate", "M/s");
	default:
		ret = report_pair(m, 0, m->sc->loan ? "write and pass" :
				"send alone", "GB/s");
		return ret != 0 ? ret :
			report_pair(m, 1, "whole loop", "GB/s");
	}
}

/* A bound alone. */
static int
measure_alone(struct measurement *m, const char *metric, const char *unit)
{
	struct row row;
	uint32_t i;
	int ret = 0;

	histogram_reset(&m->bound.hist);
	for (i = 0; i < m->runs && ret == 0; i++)
		ret = measure_slice(m, &m->bound, i);
	if (ret != 0)
		return ret;
	row_init(&row, m->sc->name, metric, unit);
	row.value = measure_median(m->bound.values[0], m->runs);
	row_times(&row, m, &m->bound);
	return report_row(m->p, &row);
}

/* One core's copies: a row for every kernel. */
static int
measure_copy(struct measurement *m)
{
	struct side_job *job = &m->bound.job;
	uint32_t k;
	int ret;

	scenario_job(m->sc, &m->p->o, true, job);
	ret = measure_calibrate(m, &m->bound);
	for (k = 0; k < m->p->side.n_kernels && ret == 0; k++) {
		job->kernel = k;
		ret = measure_alone(m, m->p->side.kernels[k]->name, "GB/s");
	}
	return ret;
}

static int
measure_copy_twice(struct measurement *m)
{
	struct side_job *job = &m->bound.job;
	char metric[24];
	int ret;

	scenario_job(m->sc, &m->p->o, true, job);
	ret = measure_calibrate(m, &m->bound);
	if (ret == 0)
		ret = measure_choose_kernel(m, &m->bound);
	if (ret != 0)
		return ret;
	snprintf(metric, sizeof(metric), "%s on both",
		m->p->side.kernels[job->kernel]->name);
	return measure_alone(m, metric, "GB/s");
}

static int
measure_line(struct measurement *m)
{
	int ret;

	scenario_job(m->sc, &m->p->o, true, &m->bound.job);
	ret = measure_calibrate(m, &m->bound);
	return ret != 0 ? ret : measure_alone(m, "one way", "ns");
}

/* Another engine, or none. */
static int
lanes_need(struct perf *p, enum lane_set set)
{
	int ret;

	if (p->lanes.set == set)
		return 0;
	ret = measure_close(p);
	return ret != 0 ? ret : lanes_use(&p->lanes, set);
}

int
scenario_run(struct perf *p, const struct scenario *sc)
{
	struct measurement *m = calloc(1, sizeof(*m));
	int ret;

	if (m == NULL)
		return -ENOMEM;
	m->p = p;
	m->sc = sc;
	m->runs = p->o.runs;
	m->slice_ms = p->o.slice_ms;
	ret = lanes_need(p, sc->set);
	if (ret != 0) {
		free(m);
		return ret;
	}
	switch (sc->what) {
	case SCENARIO_LINE:
		ret = measure_line(m);
		break;
	case SCENARIO_COPY:
		ret = measure_copy(m);
		break;
	case SCENARIO_COPY_TWICE:
		ret = measure_copy_twice(m);
		break;
	case SCENARIO_LATENCY:
	case SCENARIO_RATE:
	case SCENARIO_STREAM:
		ret = measure_pair(m);
		break;
	default:
		ret = scenario_is_bulk(sc) ? bulk_measure(m) : lane_measure(m);
	}
	free(m);
	return ret;
}
