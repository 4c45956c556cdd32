/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>

#include <rte_common.h>

#include "calib_file.h"

static const char *const states[] = { "ok", "late", "failed", "hung" };
static const char *const sources[] = { "seed", "measured", "loaded", "given" };

static const char *
name_of(const char *const *names, unsigned int n, unsigned int which)
{
	return which < n ? names[which] : "?";
}

static const char *
source_of(enum ferry_calib_source source)
{
	return name_of(sources, RTE_DIM(sources), source);
}

/* Print a size in ten columns. */
static void
print_bytes(FILE *f, uint64_t bytes)
{
	if (bytes == FERRY_CALIB_NEVER)
		fprintf(f, " %9s", "never");
	else if (bytes < 10 << 10)
		fprintf(f, " %9" PRIu64, bytes);
	else if (bytes < 10 << 20)
		fprintf(f, " %7" PRIu64 " K", bytes >> 10);
	else
		fprintf(f, " %7" PRIu64 " M", bytes >> 20);
}

static void
print_costs(const struct ferry_calib *calib, FILE *f)
{
	unsigned int i, place, heat;

	fprintf(f, "%-28s %-6s %-6s %10s %8s  %10s %8s  %s\n", "lane", "state",
		"to", "hot t0/ns", "GB/s", "cold t0/ns", "GB/s", "from");
	for (i = 0; i < calib->nb_lanes; i++) {
		const struct ferry_calib_lane *lane = &calib->lanes[i];

		for (place = 0; place < FERRY_PLACES; place++) {
			const enum ferry_calib_source *source =
				lane->source[place];

			fprintf(f, "%-28.47s %-6s %-6s ",
				place == 0 ? lane->name : "",
				place == 0 ? name_of(states, RTE_DIM(states),
					lane->state) : "",
				calib_places[place]);
			for (heat = 0; heat < FERRY_HEATS; heat++)
				fprintf(f, "%10.0f %8.1f  ",
					lane->cost[place][heat].t0_ns,
					lane->cost[place][heat].bytes_per_ns);
			fprintf(f, "%s", source_of(source[0]));
			if (source[1] != source[0])
				fprintf(f, ", %s", source_of(source[1]));
			fprintf(f, "\n");
		}
	}
}

static void
print_evens(const struct ferry_calib *calib, FILE *f)
{
	bool headed = false;
	unsigned int i, heat;

	for (i = 0; i < calib->nb_lanes; i++) {
		const struct ferry_calib_lane *lane = &calib->lanes[i];

		for (heat = 0; heat < FERRY_HEATS; heat++) {
			if (lane->even_source[heat] == FERRY_CALIB_SEED)
				continue;
			if (!headed)
				fprintf(f, "\n%-28s %-6s %9s %9s %9s  %7s"
					" %7s  %s\n", "better from bytes", "",
					"waited", "alone", "in batch",
					"job/ns", "in batch", "from");
			headed = true;
			fprintf(f, "%-28.47s %-6s", heat == 0 ? lane->name : "",
				calib_heats[heat]);
			print_bytes(f, lane->even[heat].sync);
			print_bytes(f, lane->even[heat].async);
			print_bytes(f, lane->even[heat].batch);
			fprintf(f, "  %7.0f %8.0f  %s\n", lane->job_ns,
				lane->batch_ns, source_of(
					lane->even_source[heat]));
		}
	}
}

int
ferry_calib_print(const struct ferry_calib *calib, FILE *f)
{
	if (calib == NULL || f == NULL ||
			calib->nb_lanes > FERRY_CALIB_LANES)
		return -EINVAL;
	fprintf(f, "calibration: %.95s, kernels %.63s, %.1f ms\n",
		calib->machine, calib->kernels, (double)calib->took_ns / 1e6);
	if (calib->why[0] != '\0')
		fprintf(f, "error: %.159s\n", calib->why);
	print_costs(calib, f);
	print_evens(calib, f);
	if (calib->demote_source != FERRY_CALIB_SEED)
		fprintf(f, "\ndemote: %s (%s)", calib->demote ? "on" : "off",
			source_of(calib->demote_source));
	if (calib->read_ns[0] > 0)
		fprintf(f, "; another core reads 16 KiB in %.0f ns without, "
			"%.0f ns with", calib->read_ns[0], calib->read_ns[1]);
	if (calib->demote_source != FERRY_CALIB_SEED)
		fprintf(f, "\n");
	return ferror(f) ? -EIO : 0;
}
