/* SPDX-License-Identifier: BSD-3-Clause */

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bulk.h"
#include "scenario.h"

#define KIB 1024u
#define MIB (1024u * 1024)

/* Slots of a channel: enough for two to work at once, few enough to be hot. */
#define HOT_BYTES (256 * KIB)
#define LATENCY_SLOTS 8
#define STREAM_SLOTS 64
#define LOAN_SLOTS 256
/* The smallest cold pool, and the smallest rings, worth trying. */
#define POOL_MIN (UINT64_C(16) << 20)
#define RING_MIN (UINT64_C(64) << 20)
/* Beside their rings: what sides have for small ones. */
#define BULK_AIR (16 * MIB)
/* Buffers of small messages: what a sender builds its bursts in. */
#define RATE_POOL (4 * SIDE_BURST * 64)

static const struct target line_target = {
	.text = "<=1.3x, p99 <=2x",
	.ratio_max = 1.3,
	.p99_max = 2,
};
static const struct target copy_target = {
	.text = "<=1.2x",
	.ratio_max = 1.2,
};
static const struct target rate_target = {
	.text = ">=0.6x, >=50 M/s",
	.ratio_min = 0.6,
	.value_min = 50,
};
static const struct target loan_target = {
	.text = ">=0.9x of 64 B",
	.ratio_min = 0.9,
};
static const struct target stream_target = {
	.text = ">=0.95x",
	.ratio_min = 0.95,
};

#define LINE(name_) { .name = name_, .what = SCENARIO_LINE, .len = 8 }
#define COPY(name_, len_, cold_) { .name = name_, .what = SCENARIO_COPY, \
	.len = len_, .cold = cold_ }
#define COPY2(name_, len_, cold_) { .name = name_, \
	.what = SCENARIO_COPY_TWICE, .len = len_, .cold = cold_ }
#define LATENCY(name_, len_, loan_, cold_, quick_, target_) { .name = name_, \
	.what = SCENARIO_LATENCY, .len = len_, .loan = loan_, .cold = cold_, \
	.quick = quick_, .target = target_ }
#define RATE(name_, len_, loan_, quick_, target_) { .name = name_, \
	.what = SCENARIO_RATE, .len = len_, .loan = loan_, .quick = quick_, \
	.target = target_ }
#define STREAM(name_, len_, loan_, cold_, quick_, target_) { .name = name_, \
	.what = SCENARIO_STREAM, .len = len_, .loan = loan_, .cold = cold_, \
	.quick = quick_, .target = target_ }

static const struct scenario scenarios[] = {
	LINE("bound-line"),
	COPY("bound-copy-64K-hot", 64 * KIB, false),
	COPY("bound-copy-64K-cold", 64 * KIB, true),
	COPY("bound-copy-1M-cold", MIB, true),
	COPY("bound-copy-64M-cold", 64 * MIB, true),
	COPY2("bound-copy2-64K-cold", 64 * KIB, true),
	COPY2("bound-copy2-1M-cold", MIB, true),
	COPY2("bound-copy2-64M-cold", 64 * MIB, true),
	LATENCY("latency-8", 8, false, false, false, NULL),
	LATENCY("latency-64", 64, false, false, true, &line_target),
	LATENCY("latency-256", 256, false, false, false, NULL),
	LATENCY("latency-1K", KIB, false, false, false, NULL),
	LATENCY("latency-4K", 4 * KIB, false, false, true, &copy_target),
	LATENCY("latency-16K", 16 * KIB, false, false, false, NULL),
	LATENCY("latency-64K", 64 * KIB, false, false, false, NULL),
	LATENCY("latency-256K", 256 * KIB, false, false, false, NULL),
	LATENCY("latency-1M", MIB, false, false, false, NULL),
	LATENCY("latency-64K-cold", 64 * KIB, false, true, false, NULL),
	LATENCY("latency-1M-cold", MIB, false, true, false, NULL),
	LATENCY("latency-loan-64", 64, true, false, false, NULL),
	LATENCY("latency-loan-4K", 4 * KIB, true, false, false, NULL),
	LATENCY("latency-loan-64K", 64 * KIB, true, false, false, NULL),
	LATENCY("latency-loan-1M", MIB, true, false, false, NULL),
	RATE("rate-64", 64, false, true, &rate_target),
	RATE("rate-loan-64", 64, true, false, NULL),
	RATE("rate-loan-4K", 4 * KIB, true, false, &loan_target),
	RATE("rate-loan-64K", 64 * KIB, true, false, &loan_target),
	STREAM("stream-4K-hot", 4 * KIB, false, false, false, NULL),
	STREAM("stream-64K-hot", 64 * KIB, false, false, true, &stream_target),
	STREAM("stream-256K-hot", 256 * KIB, false, false, false,
		&stream_target),
	STREAM("stream-1M-hot", MIB, false, false, false, &stream_target),
	STREAM("stream-4K-cold", 4 * KIB, false, true, false, NULL),
	STREAM("stream-64K-cold", 64 * KIB, false, true, true, &stream_target),
	STREAM("stream-256K-cold", 256 * KIB, false, true, false,
		&stream_target),
	STREAM("stream-1M-cold", MIB, false, true, false, &stream_target),
	STREAM("stream-loan-64K-hot", 64 * KIB, true, false, false, NULL),
	STREAM("stream-loan-64K-cold", 64 * KIB, true, true, false, NULL),
	STREAM("stream-loan-1M-cold", MIB, true, true, false, NULL),
};

/* Does name match one of the globs between commas? */
static bool
is_wanted(const char *name, const char *globs)
{
	char glob[64];
	size_t len;

	for (; globs != NULL; globs = globs[len] == ',' ?
			globs + len + 1 : NULL) {
		len = strcspn(globs, ",");
		if (len >= sizeof(glob))
			continue;
		memcpy(glob, globs, len);
		glob[len] = '\0';
		if (fnmatch(glob, name, 0) == 0)
			return true;
	}
	return false;
}

/* Hub memory for its channels, and for both sides' bulk messages. */
static uint64_t
memory(const struct scenario *sc, const struct perf_options *o)
{
	struct side_job job;

	scenario_job(sc, o, false, &job);
	return side_case_memory(&job) + 2 * bulk_reserve(&job);
}

/* Whether a scenario lacks hugepages. */
static bool
is_too_large(const struct scenario *sc, const struct perf_options *o)
{
	return scenario_is_bulk(sc) && memory(sc, o) > o->most;
}

/* Whether what a scenario needs is there, but for hugepages. */
static bool
is_possible(const struct scenario *sc, const struct perf_options *o)
{
	const uint32_t bit = 1u << sc->set;

	/* Cold needs several buffers and slots on both sides. */
	if (sc->cold && o->pool / sc->len < 8)
		return false;
	if (sc->what == SCENARIO_OFFLOAD && !(o->bare & bit))
		return false;
	return sc->set == LANES_NONE || (o->sets & bit);
}

/* The i-th of all, NULL behind the last. */
static const struct scenario *
scenario_at(uint32_t i)
{
	if (i < RTE_DIM(scenarios))
		return &scenarios[i];
	i -= RTE_DIM(scenarios);
	if (i < n_lane_scenarios)
		return &lane_scenarios[i];
	i -= n_lane_scenarios;
	return i < n_bulk_scenarios ? &bulk_scenarios[i] : NULL;
}

/* The next one asked for that is possible but for hugepages. */
static const struct scenario *
next_asked(const struct perf_options *o, uint32_t *at)
{
	const struct scenario *sc;

	while ((sc = scenario_at((*at)++)) != NULL) {
		if (!is_possible(sc, o))
			continue;
		if (o->only != NULL ? is_wanted(sc->name, o->only) :
				!o->quick || sc->quick)
			return sc;
	}
	return NULL;
}

const struct scenario *
scenario_next(const struct perf_options *o, uint32_t *at)
{
	const struct scenario *sc;

	while ((sc = next_asked(o, at)) != NULL && is_too_large(sc, o))
		;
	return sc;
}

int
scenario_width(const struct perf_options *o)
{
	const struct scenario *sc;
	uint32_t at = 0;
	size_t most = 22;

	while ((sc = scenario_next(o, &at)) != NULL)
		most = RTE_MAX(most, strlen(sc->name));
	return (int)most;
}

void
scenario_list(const struct perf_options *o, FILE *f)
{
	static const char *const whats[] = {
		[SCENARIO_LINE] = "a cache line to and fro between two cores",
		[SCENARIO_COPY] = "one core copies, every kernel there is",
		[SCENARIO_COPY_TWICE] = "two cores copy at once",
		[SCENARIO_LATENCY] = "half a round trip",
		[SCENARIO_RATE] = "messages a second, in bursts of 32",
		[SCENARIO_STREAM] = "bytes a second, one by one",
		[SCENARIO_NEVER_SLOWER] = "latency mode with an engine, beside "
			"none",
		[SCENARIO_SENDER_CPU] = "CPU time of who sends",
		[SCENARIO_MODE] = "throughput, latency and CPU time",
		[SCENARIO_OFFLOAD] = "a device through ferry, beside its bare "
			"use",
		[SCENARIO_IDLE] = "CPU time of who has nothing to do",
		[SCENARIO_WAKE] = "a message while everybody sleeps",
		[SCENARIO_BULK] = "one way, beside both cores' bare copy",
		[SCENARIO_BULK_STREAM] = "bytes a second, some under way",
		[SCENARIO_BULK_READ] = "one way and read, beside one after the "
			"other",
		[SCENARIO_BULK_SMOOTH] = "one way, beside each way of copying",
		[SCENARIO_BULK_MEMORY] = "memory that a message takes",
		[SCENARIO_BULK_LANES] = "one way with an engine, and who "
			"copied",
		[SCENARIO_BULK_STALL] = "one way while a lane hangs",
		[SCENARIO_BULK_WORK] = "bytes a second of a workload",
	};
	const int width = scenario_width(o);
	const struct scenario *sc;
	uint32_t at = 0;

	while ((sc = scenario_next(o, &at)) != NULL)
		fprintf(f, "%-*s %s%s\n", width, sc->name, whats[sc->what],
			sc->set != LANES_NONE ? "" :
			sc->loan ? ", loaned" : sc->what >= SCENARIO_LATENCY &&
			!scenario_is_bulk(sc) ? ", copied" : "");
}

static uint32_t
slots(const struct scenario *sc, uint64_t bytes, uint32_t most)
{
	return RTE_MAX(RTE_MIN(bytes / sc->len, (uint64_t)most), UINT64_C(2));
}

static void
latency_job(const struct scenario *sc, bool bound, struct side_job *job)
{
	job->kind = SIDE_LATENCY;
	job->flags |= SIDE_BOTH;
	job->n_slots = slots(sc, HOT_BYTES, LATENCY_SLOTS);
	if (!bound)
		job->wire = sc->loan ? WIRE_LOAN : WIRE_COPY;
	else
		job->wire = sc->loan || sc->len <= FERRY_CELL_DATA ?
			WIRE_LINE : WIRE_BARE;
}

static void
rate_job(const struct scenario *sc, bool bound, struct side_job *job)
{
	job->kind = SIDE_RATE;
	job->n_slots = sc->loan ? LOAN_SLOTS : SIDE_RING;
	job->wire = sc->loan ? WIRE_LOAN : bound ? WIRE_BARE : WIRE_COPY;
	/* What loans cost is compared with what small ones cost. */
	if (sc->loan && bound)
		job->len = 64;
}

static void
stream_job(const struct scenario *sc, bool bound, struct side_job *job)
{
	job->kind = SIDE_STREAM;
	job->n_slots = slots(sc, HOT_BYTES, STREAM_SLOTS);
	if (sc->loan)
		job->wire = bound ? WIRE_LINE : WIRE_LOAN;
	else
		job->wire = bound ? WIRE_BARE : WIRE_COPY;
}

void
scenario_job(const struct scenario *sc, const struct perf_options *o,
		bool bound, struct side_job *job)
{
	memset(job, 0, sizeof(*job));
	if (scenario_is_bulk(sc)) {
		bulk_job(sc, o, job);
		return;
	}
	job->len = sc->len;
	job->flags = sc->cold ? SIDE_COLD : 0;
	switch (sc->what) {
	case SCENARIO_LINE:
	case SCENARIO_LATENCY:
		latency_job(sc, bound, job);
		break;
	case SCENARIO_RATE:
		rate_job(sc, bound, job);
		break;
	case SCENARIO_STREAM:
		stream_job(sc, bound, job);
		break;
	case SCENARIO_COPY_TWICE:
		job->flags |= SIDE_BOTH;
		/* fallthrough */
	case SCENARIO_COPY:
		stream_job(sc, true, job);
		job->flags |= SIDE_NO_REWRITE;
		break;
	case SCENARIO_NEVER_SLOWER:
		/* Its other number is a stream's, in a smaller channel. */
		latency_job(sc, false, job);
		break;
	default:
		lane_job(sc, bound, job);
	}
	job->pool = job->kind == SIDE_RATE ? RATE_POOL : RTE_MAX(POOL_HOT,
		2 * (uint64_t)job->depth * job->len);
	if (sc->cold) {
		/* Two senders share what one has. */
		job->pool = o->pool / (job->flags & SIDE_BOTH ? 2 : 1);
		job->n_slots = slots(sc, job->pool / 4, FERRY_SLOTS_MAX);
		/* Half of the pool is written ahead. */
		job->depth = RTE_MIN(job->depth,
				(uint32_t)(job->pool / sc->len / 4));
	}
}

/* The one that needs most hub memory. */
static const struct scenario *
neediest(const struct perf_options *o)
{
	const struct scenario *sc, *found = NULL;
	uint32_t at = 0;

	while ((sc = scenario_next(o, &at)) != NULL)
		if (found == NULL || memory(sc, o) > memory(found, o))
			found = sc;
	return found;
}

uint64_t
scenario_reserve(const struct perf_options *o)
{
	const struct scenario *sc;
	struct side_job job;
	uint64_t most = 0, need;
	uint32_t at = 0;

	while ((sc = scenario_next(o, &at)) != NULL) {
		scenario_job(sc, o, false, &job);
		need = bulk_reserve(&job);
		most = RTE_MAX(most, need);
	}
	return most;
}

uint64_t
scenario_memory(const struct perf_options *o)
{
	const struct scenario *sc;
	struct side_job job;
	uint64_t most = 0, need;
	uint32_t at = 0;

	while ((sc = scenario_next(o, &at)) != NULL) {
		scenario_job(sc, o, false, &job);
		need = side_case_memory(&job);
		most = RTE_MAX(most, need);
	}
	/* What a side has taken for bulk messages it keeps. Pieces are rounded
	 * up to 2 MiB; a little air for that, and for what is small. */
	need = scenario_reserve(o);
	return side_memory() + most + MIB +
		(need > 0 ? 2 * need + BULK_AIR : 0);
}

bool
scenario_shrink(struct perf_options *o)
{
	const struct scenario *sc = neediest(o);
	struct perf_options less = *o;

	if (sc != NULL && scenario_is_bulk(sc)) {
		less.ring = RTE_ALIGN_FLOOR(o->ring / 4 * 3, (uint64_t)MIB);
		if (less.ring < RING_MIN || memory(sc, &less) == memory(sc, o))
			o->most = memory(sc, o) - 1;
		else
			*o = less;
		return true;
	}
	if (o->pool / 2 < POOL_MIN)
		return false;
	o->pool /= 2;
	return true;
}

bool
scenario_has_bulk(const struct perf_options *o)
{
	const struct scenario *sc;
	uint32_t at = 0;

	while ((sc = scenario_next(o, &at)) != NULL)
		if (scenario_is_bulk(sc))
			return true;
	return false;
}

bool
scenario_left_out(const struct perf_options *o, char *out, size_t len)
{
	const struct scenario *sc;
	uint64_t least = UINT64_MAX;
	uint32_t at = 0;
	size_t used = 0;

	while ((sc = next_asked(o, &at)) != NULL && used < len) {
		if (!is_too_large(sc, o))
			continue;
		least = RTE_MIN(least, memory(sc, o));
		used += snprintf(out + used, len - used, "%s%s",
			used > 0 ? ", " : "", sc->name);
	}
	if (used > 0 && used < len)
		snprintf(out + used, len - used, " left out: more hugepages "
			"are needed, free ones of %" PRIu64 " MiB or more",
			(side_memory() + least + BULK_AIR) / MIB + 1);
	return used > 0;
}
