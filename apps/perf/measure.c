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
#include "scenario.h"

/* What a slice is judged by; a stream has two such numbers. */
#define VALUES 2
#define RUNS_MAX 101
/* Slices of each candidate when the best copy kernel is looked for. */
#define KERNEL_RUNS 3

/* One side of the comparison. */
struct contender {
	struct side_job job;
	double values[VALUES][RUNS_MAX];
	/* Of all slices together. */
	struct histogram hist;
};

struct measurement {
	struct perf *p;
	const struct scenario *sc;
	uint32_t n_values;
	struct contender bound;
	struct contender ferry;
	struct side_slice slice;
};

static int
compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
median(const double *values, uint32_t n)
{
	double sorted[RUNS_MAX];

	memcpy(sorted, values, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), compare);
	return n % 2 != 0 ? sorted[n / 2] :
		(sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* See to it that the channels of this job are open, on both sides. */
static int
ensure_open(struct perf *p, const struct side_job *job)
{
	int ret;

	if (p->is_open && p->open.len == job->len &&
			p->open.n_slots == job->n_slots &&
			p->open.flags == job->flags &&
			p->open.pool == job->pool)
		return 0;
	if (p->is_open) {
		p->is_open = false;
		ret = side_close(&p->side);
		if (ret != 0)
			return ret;
	}
	ret = side_open(&p->side, job);
	if (ret != 0)
		return ret;
	p->open = *job;
	p->is_open = true;
	return 0;
}

static int
run(struct measurement *m, const struct side_job *job, uint32_t flags)
{
	struct side_job now = *job;
	int ret;

	if (perf_stop)
		return -ECANCELED;
	ret = ensure_open(m->p, job);
	if (ret != 0)
		return ret;
	now.flags |= flags;
	ret = side_run(&m->p->side, &now, &m->slice);
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
	const double bytes = (double)job->n * job->len;

	switch (m->sc->what) {
	case SCENARIO_LINE:
	case SCENARIO_LATENCY:
		values[0] = (double)histogram_quantile(&s->hist, 0.5) / ghz / 2;
		break;
	case SCENARIO_RATE:
		values[0] = (double)job->n / ((double)s->ticks / ghz) * 1e3;
		break;
	default:
		values[0] = bytes / ((double)s->busy / ghz);
		values[1] = bytes / ((double)s->ticks / ghz);
		if (m->sc->what == SCENARIO_COPY_TWICE)
			values[0] += bytes / ((double)s->peer_ticks / ghz);
	}
}

/* The fewest messages a run may have. */
static uint64_t
least(const struct measurement *m, const struct side_job *job)
{
	if (m->sc->what == SCENARIO_RATE)
		return 32 * SIDE_BURST;
	if (m->sc->what >= SCENARIO_LATENCY || m->sc->what == SCENARIO_LINE)
		return job->len <= 65536 ? 64 : 8;
	return 2;
}

/* Find the number of messages that fills a slice. */
static int
calibrate(struct measurement *m, struct side_job *job)
{
	const double want = m->p->o.slice_ms * 1e6 * m->p->tsc_ghz;
	const uint64_t unit = least(m, job);
	double more;
	int ret;

	job->n = unit;
	ret = run(m, job, SIDE_CHECK);
	if (ret != 0 || m->p->o.smoke)
		return ret;
	for (;;) {
		ret = run(m, job, 0);
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

/* Choose the copy kernel with the best median for a bound that copies. */
static int
choose_kernel(struct measurement *m, struct side_job *job)
{
	const uint32_t n_kernels = m->p->side.n_kernels;
	double all[FERRY_COPY_KERNEL_MAX + 1][KERNEL_RUNS];
	double values[VALUES], best = 0, is;
	const uint64_t n = job->n;
	uint32_t i, k, found = 0;
	int ret = 0;

	job->n = RTE_MAX(n / 4, least(m, job));
	for (i = 0; i < KERNEL_RUNS && ret == 0; i++)
		for (k = 0; k < n_kernels && ret == 0; k++) {
			job->kernel = k;
			ret = run(m, job, 0);
			slice_values(m, job, values);
			all[k][i] = values[0];
		}
	for (k = 0; k < n_kernels && ret == 0; k++) {
		is = median(all[k], KERNEL_RUNS);
		if (k == 0 || (m->sc->what == SCENARIO_LATENCY ?
				is < best : is > best)) {
			best = is;
			found = k;
		}
	}
	job->kernel = found;
	job->n = n;
	return ret;
}

static int
take_slice(struct measurement *m, struct contender *c, uint32_t i)
{
	double values[VALUES];
	uint32_t v;
	int ret = run(m, &c->job, m->p->o.check ? SIDE_CHECK : 0);

	if (ret != 0)
		return ret;
	slice_values(m, &c->job, values);
	for (v = 0; v < m->n_values; v++)
		c->values[v][i] = values[v];
	histogram_merge(&c->hist, &m->slice.hist);
	return 0;
}

static void
bound_name(const struct measurement *m, char *out, size_t len)
{
	const struct side_job *job = &m->bound.job;

	if (job->wire == WIRE_LINE)
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
		const struct histogram *h)
{
	const double ticks = m->p->tsc_ghz *
		(m->sc->what == SCENARIO_LATENCY ||
		 m->sc->what == SCENARIO_LINE ? 2 : 1);

	row->p50 = (double)histogram_quantile(h, 0.5) / ticks;
	row->p99 = (double)histogram_quantile(h, 0.99) / ticks;
	row->p999 = (double)histogram_quantile(h, 0.999) / ticks;
	row->max = (double)h->max / ticks;
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
			(t->value_min > 0 && row->value < t->value_min))
		row->met = ROW_MISSED;
}

static int
report_pair(struct measurement *m, uint32_t v, const char *metric,
		const char *unit)
{
	const uint32_t runs = m->p->o.runs;
	const struct histogram *h = &m->bound.hist;
	double ratios[RUNS_MAX];
	struct row row;
	uint32_t i;

	row_init(&row, m->sc->name, metric, unit);
	for (i = 0; i < runs; i++)
		ratios[i] = m->ferry.values[v][i] / m->bound.values[v][i];
	row.value = median(m->ferry.values[v], runs);
	row.bound_value = median(m->bound.values[v], runs);
	row.ratio = median(ratios, runs);
	bound_name(m, row.bound, sizeof(row.bound));
	if (v == 0) {
		row_times(&row, m, &m->ferry.hist);
		row.p99_bound_p50 =
			(double)histogram_quantile(&m->ferry.hist, 0.99) /
			(double)histogram_quantile(h, 0.5);
		row.p99_bound_p99 =
			(double)histogram_quantile(&m->ferry.hist, 0.99) /
			(double)histogram_quantile(h, 0.99);
	}
	row_judge(&row, m->sc->target);
	return report_row(m->p, &row);
}

/* ferry beside its bound. */
static int
measure_pair(struct measurement *m)
{
	const struct perf_options *o = &m->p->o;
	uint32_t i;
	int ret;

	scenario_job(m->sc, o, true, &m->bound.job);
	scenario_job(m->sc, o, false, &m->ferry.job);
	ret = calibrate(m, &m->bound.job);
	if (ret == 0 && m->bound.job.wire == WIRE_BARE &&
			m->sc->what != SCENARIO_RATE)
		ret = choose_kernel(m, &m->bound.job);
	if (ret == 0)
		ret = calibrate(m, &m->ferry.job);
	for (i = 0; i < o->runs && ret == 0; i++) {
		ret = take_slice(m, &m->bound, i);
		if (ret == 0)
			ret = take_slice(m, &m->ferry, i);
	}
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
	const uint32_t runs = m->p->o.runs;
	struct row row;
	uint32_t i;
	int ret = 0;

	histogram_reset(&m->bound.hist);
	for (i = 0; i < runs && ret == 0; i++)
		ret = take_slice(m, &m->bound, i);
	if (ret != 0)
		return ret;
	row_init(&row, m->sc->name, metric, unit);
	row.value = median(m->bound.values[0], runs);
	row_times(&row, m, &m->bound.hist);
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
	ret = calibrate(m, job);
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
	ret = calibrate(m, job);
	if (ret == 0)
		ret = choose_kernel(m, job);
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
	ret = calibrate(m, &m->bound.job);
	return ret != 0 ? ret : measure_alone(m, "one way", "ns");
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
	m->n_values = sc->what == SCENARIO_STREAM ? 2 : 1;
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
	default:
		ret = measure_pair(m);
	}
	free(m);
	return ret;
}
