/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <math.h>
#include <string.h>

#include <rte_version.h>

#include "app_eal.h"
#include "perf.h"
#include "scenario.h"

static const char *const met_names[] = {
	[ROW_NO_TARGET] = "-",
	[ROW_MISSED] = "no",
	[ROW_MET] = "yes",
};

void
row_init(struct row *row, const char *scenario, const char *metric,
		const char *unit)
{
	uint32_t i;

	memset(row, 0, sizeof(*row));
	snprintf(row->scenario, sizeof(row->scenario), "%s", scenario);
	snprintf(row->metric, sizeof(row->metric), "%s", metric);
	row->unit = unit;
	row->value = ROW_NONE;
	row->bound_value = ROW_NONE;
	row->ratio = ROW_NONE;
	row->p50 = ROW_NONE;
	row->p99 = ROW_NONE;
	row->p999 = ROW_NONE;
	row->max = ROW_NONE;
	row->p99_bound_p50 = ROW_NONE;
	row->p99_bound_p99 = ROW_NONE;
	for (i = 0; i < CPU_N; i++) {
		row->cpu_ms_gb[i] = ROW_NONE;
		row->cpu_core[i] = ROW_NONE;
	}
	row->dma = ROW_NONE;
	row->target = "";
}

/* Three digits that count, or "-". */
static const char *
number(char *out, size_t len, double x)
{
	if (x == ROW_NONE)
		snprintf(out, len, "-");
	else
		snprintf(out, len, "%.*f", x < 9.995 ? 2 : x < 99.95 ? 1 : 0,
			x);
	return out;
}

static void
put(FILE *f, int width, double x)
{
	char text[32];

	fprintf(f, " %*s", width, number(text, sizeof(text), x));
}

/* Nanoseconds, with their unit. */
static void
put_time(FILE *f, double ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	unsigned int i = 0;
	char text[32];

	if (ns == ROW_NONE) {
		fprintf(f, " %8s", "-");
		return;
	}
	while (ns >= 9999 && i < 3) {
		ns /= 1000;
		i++;
	}
	fprintf(f, " %6s%-2s", number(text, sizeof(text), ns), units[i]);
}

/* Sets of lanes that were asked for and cannot be had; where all run. */
static void
lanes_lines(struct perf *p, FILE *f, const char *mark)
{
	unsigned int set;
	char text[1024];

	places_tell(&p->places, p->lanes.sets != 0, text, sizeof(text));
	fprintf(f, "%s%s\n", mark, text);
	for (set = LANES_CPU; set < LANES_N; set++)
		if (p->lanes.why[set][0] != '\0')
			fprintf(f, "%slanes '%s' left out: %s\n", mark,
				lanes_name(set), p->lanes.why[set]);
	if (scenario_left_out(&p->o, text, sizeof(text)))
		fprintf(f, "%s%s\n", mark, text);
}

static void
machine_lines(struct perf *p, FILE *f, const char *mark)
{
	const struct machine *m = &p->machine;

	fprintf(f, "%sferry-perf on %s, %u CPUs (%s), %s\n", mark, m->cpu,
		m->cpus, m->caches, m->kernel);
	fprintf(f, "%s%s, %lu of %lu hugepages of %lu KiB were free, peers are "
		"%s\n", mark, rte_version(), m->huge_free, m->huge_total,
		m->huge_kib, p->o.processes ? "processes" :
		"threads of one process");
	fprintf(f, "%s%u pairs of slices (bound, ferry) of %u ms; cold pool of "
		"%llu MiB%s\n", mark, p->o.runs, p->o.slice_ms,
		(unsigned long long)(p->o.pool >> 20),
		p->o.check ? "; ALL CONTENT CHECKED WHILE TIMED" : "");
	lanes_lines(p, f, mark);
	if (m->cpus < 2)
		fprintf(f, "%sONE CPU for two peers: the numbers mean "
			"nothing\n", mark);
	if (RTE_MIN(p->o.pool, p->o.ring) / 2 < m->last_cache)
		fprintf(f, "%sthe last level cache (%llu MiB) holds half of "
			"the %s: cold is not cold\n", mark,
			(unsigned long long)(m->last_cache >> 20),
			p->o.pool / 2 < m->last_cache ? "pool" :
			"rings of bulk messages");
}

void
report_begin(struct perf *p)
{
	if (p->csv != NULL) {
		machine_lines(p, p->csv, "# ");
		fprintf(p->csv, "scenario,metric,unit,value,bound,bound_value,"
			"ratio,p50_ns,p99_ns,p999_ns,max_ns,p99_to_bound_p50,"
			"p99_to_bound_p99,target,met,"
			"sender_ms_per_gb,receiver_ms_per_gb,engine_ms_per_gb,"
			"all_ms_per_gb,sender_core_pct,receiver_core_pct,"
			"engine_core_pct,all_core_pct,dma_pct\n");
	}
	if (p->table == NULL)
		return;
	machine_lines(p, p->table, "");
	fprintf(p->table, "\n%-*s %-14s %7s %-5s %7s %-11s %5s %8s %8s %8s "
		"%8s %5s %5s  %s\n", p->name_width, "scenario", "metric",
		"value", "unit", "bound", "of", "ratio", "p50", "p99", "p99.9",
		"max", "99/50", "99/99", "target, met?");
}

void
report_end(struct perf *p)
{
	static const char text[] =
"\n"
"ratio: median of the pairs' ratios to the bound measured beside it; 99/50\n"
"and 99/99: p99 over the bound's p50 and p99. Times are those of a one-way\n"
"trip (latency), a burst of 32 (rate) and one send or copy (stream).\n"
"latency: both cores spin. line: a cache line to and fro; bare: one copy\n"
"behind a flag. rate: one core sends, one receives. stream: one core rewrites\n"
"and sends, one receives and reads a word; in the bound one copies and one is\n"
"idle. Every sender rewrites its buffer before each send, except in\n"
"bound-copy, where nobody receives. All content was verified in a first,\n"
"untimed round.\n";
	static const char lanes[] =
"With engines: the bound is the same channel moved to no engine, so that who\n"
"sends copies; times run from the send or post to the receipt. never-slower:\n"
"round trips, then the sending alone. mode, sender-cpu: one sends with some\n"
"posts pending, one receives and reads a word; or each message is consumed\n"
"before the next. offload: one thread keeps a device full, nobody receives;\n"
"the posts are written and received. The CPU time of the sender, and of all\n"
"threads together, is that without writing the payloads; \"all\" has the\n"
"devices' threads, which on hardware there are not.\n";

	static const char bulk[] =
"Bulk messages: one way from ferry_bulk_send() until the receiver has all of\n"
"it, which waits for it; the sender rewrites untimed and then only waits.\n"
"stream and workloads: rewriting is timed, the p's are of single messages\n"
"from send to receipt. read: until every byte was added up, beside awaiting\n"
"all of it first. 1x, 2x: bare copies between the same places, by the sender\n"
"alone, or half each. Shares are percents of the bytes.\n";

	if (p->csv != NULL)
		fprintf(p->csv, "# steal %.2f %%\n",
			100 * machine_steal(&p->machine));
	if (p->table == NULL)
		return;
	fputs(text, p->table);
	if (p->lanes.sets != 0)
		fputs(lanes, p->table);
	if (scenario_has_bulk(&p->o))
		fputs(bulk, p->table);
	if (p->side.pool.pages != NULL)
		fprintf(p->table, "pool: %s pages. ", p->side.pool.pages);
	fprintf(p->table, "Steal time during the run: %.2f %%. %u of %u "
		"targets met.\n", 100 * machine_steal(&p->machine),
		p->targets - p->missed, p->targets);
}

static void
csv_number(FILE *f, double x)
{
	if (x == ROW_NONE)
		fputc(',', f);
	else
		fprintf(f, ",%.6g", x);
}

static void
write_csv(FILE *f, const struct row *row)
{
	uint32_t i;

	fprintf(f, "%s,%s,%s", row->scenario, row->metric, row->unit);
	csv_number(f, row->value);
	fprintf(f, ",%s", row->bound);
	csv_number(f, row->bound_value);
	csv_number(f, row->ratio);
	csv_number(f, row->p50);
	csv_number(f, row->p99);
	csv_number(f, row->p999);
	csv_number(f, row->max);
	csv_number(f, row->p99_bound_p50);
	csv_number(f, row->p99_bound_p99);
	fprintf(f, ",\"%s\",%s", row->target, met_names[row->met]);
	for (i = 0; i < CPU_N; i++)
		csv_number(f, row->cpu_ms_gb[i]);
	for (i = 0; i < CPU_N; i++)
		csv_number(f, row->cpu_core[i]);
	csv_number(f, row->dma);
	fputc('\n', f);
	fflush(f);
}

/* A line of its own below the row's. */
static void
write_cpu(FILE *f, int width, const struct row *row)
{
	if (row->cpu_core[0] == ROW_NONE)
		return;
	fprintf(f, "%-*s sender", width, "");
	put(f, 1, row->cpu_core[CPU_SENDER]);
	fputs(" %, receiver", f);
	put(f, 1, row->cpu_core[CPU_RECEIVER]);
	fputs(" %, engine", f);
	put(f, 1, row->cpu_core[CPU_ENGINE]);
	fputs(" %, all", f);
	put(f, 1, row->cpu_core[CPU_ALL]);
	fputs(" % of a core; ", f);
	if (row->cpu_ms_gb[0] != ROW_NONE) {
		fputs("ms per GB", f);
		put(f, 1, row->cpu_ms_gb[CPU_SENDER]);
		put(f, 1, row->cpu_ms_gb[CPU_RECEIVER]);
		put(f, 1, row->cpu_ms_gb[CPU_ENGINE]);
		put(f, 1, row->cpu_ms_gb[CPU_ALL]);
		fputs("; ", f);
	}
	fputs("by DMA", f);
	put(f, 1, row->dma);
	fputs(" %\n", f);
}

static void
write_table(FILE *f, int width, const struct row *row)
{
	fprintf(f, "%-*s %-14s", width, row->scenario, row->metric);
	put(f, 7, row->value);
	fprintf(f, " %-5s", row->unit);
	put(f, 7, row->bound_value);
	fprintf(f, " %-11s", row->bound[0] != '\0' ? row->bound : "-");
	put(f, 5, row->ratio);
	put_time(f, row->p50);
	put_time(f, row->p99);
	put_time(f, row->p999);
	put_time(f, row->max);
	put(f, 5, row->p99_bound_p50);
	put(f, 5, row->p99_bound_p99);
	if (row->met == ROW_NO_TARGET)
		fprintf(f, "  -\n");
	else
		fprintf(f, "  %s: %s\n", row->target, met_names[row->met]);
	write_cpu(f, width, row);
	fflush(f);
}

/* A thread that slept all the time has used none. */
static bool
is_possible(const struct row *row, double x)
{
	return isfinite(x) && (strcmp(row->unit, "%") == 0 ? x >= 0 : x > 0);
}

static int
row_check(const struct row *row)
{
	const double numbers[] = {
		row->value, row->bound_value, row->ratio, row->p50, row->p99,
		row->p999, row->max, row->p99_bound_p50, row->p99_bound_p99,
	};
	unsigned int i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i] != ROW_NONE && !is_possible(row, numbers[i])) {
			app_error("%s, %s: a number that cannot be (%g)",
				row->scenario, row->metric, numbers[i]);
			return -ERANGE;
		}
	return 0;
}

int
report_row(struct perf *p, const struct row *row)
{
	if (p->csv != NULL)
		write_csv(p->csv, row);
	if (p->table != NULL)
		write_table(p->table, p->name_width, row);
	if (row->met != ROW_NO_TARGET)
		p->targets++;
	if (row->met == ROW_MISSED)
		p->missed++;
	return row_check(row);
}
