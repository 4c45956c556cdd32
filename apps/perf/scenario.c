/* SPDX-License-Identifier: BSD-3-Clause */

#include <fnmatch.h>
#include <string.h>

#include "scenario.h"

#define KIB 1024u
#define MIB (1024u * 1024)

/* Slots of a channel: enough for two to work at once, few enough to be hot. */
#define HOT_BYTES (256 * KIB)
#define LATENCY_SLOTS 8
#define STREAM_SLOTS 64
#define LOAN_SLOTS 256
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

/* Whether what a scenario needs is there. */
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

const struct scenario *
scenario_next(const struct perf_options *o, uint32_t *at)
{
	while (*at < RTE_DIM(scenarios) + n_lane_scenarios) {
		const uint32_t i = (*at)++;
		const struct scenario *sc = i < RTE_DIM(scenarios) ?
			&scenarios[i] : &lane_scenarios[i - RTE_DIM(scenarios)];

		if (!is_possible(sc, o))
			continue;
		if (o->only != NULL ? is_wanted(sc->name, o->only) :
				!o->quick || sc->quick)
			return sc;
	}
	return NULL;
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
	};
	const int width = scenario_width(o);
	const struct scenario *sc;
	uint32_t at = 0;

	while ((sc = scenario_next(o, &at)) != NULL)
		fprintf(f, "%-*s %s%s\n", width, sc->name, whats[sc->what],
			sc->set != LANES_NONE ? "" :
			sc->loan ? ", loaned" : sc->what >= SCENARIO_LATENCY ?
			", copied" : "");
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

uint64_t
scenario_memory(const struct perf_options *o)
{
	const struct scenario *sc;
	uint64_t most = 0, need;
	struct side_job job;
	uint32_t at = 0;

	while ((sc = scenario_next(o, &at)) != NULL) {
		scenario_job(sc, o, false, &job);
		need = side_case_memory(&job);
		most = RTE_MAX(most, need);
	}
	/* Pieces are rounded up; a little air for that. */
	return side_memory() + most + MIB;
}
