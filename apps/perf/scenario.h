/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_SCENARIO_H
#define PERF_SCENARIO_H

/* The table of the scenarios that can be measured. */

#include "perf.h"

enum scenario_what {
	/* A bound alone, without ferry. */
	SCENARIO_LINE,
	SCENARIO_COPY,
	SCENARIO_COPY_TWICE,
	/* ferry, beside its bound. */
	SCENARIO_LATENCY,
	SCENARIO_RATE,
	SCENARIO_STREAM,
	/* ferry with an engine, beside ferry without one. */
	SCENARIO_NEVER_SLOWER,
	SCENARIO_SENDER_CPU,
	SCENARIO_MODE,
	/* A device, used through a lane and by posts, beside its bare use. */
	SCENARIO_OFFLOAD,
	/* What sleeping costs, and what a wake-up costs. */
	SCENARIO_IDLE,
	SCENARIO_WAKE,
	/* Bulk messages: see bulk_scenario.c. */
	SCENARIO_BULK,
	SCENARIO_BULK_STREAM,
	SCENARIO_BULK_READ,
	SCENARIO_BULK_SMOOTH,
	SCENARIO_BULK_MEMORY,
	SCENARIO_BULK_LANES,
	SCENARIO_BULK_STALL,
	SCENARIO_BULK_WORK,
};

/* Limits that a scenario's numbers are compared with; 0: no such limit. */
struct target {
	/* The text of the target in the table. */
	const char *text;
	double ratio_max;
	double ratio_min;
	/* Ratio of p99 to the bound's p50. */
	double p99_max;
	/* Limits of the value, in the row's unit. */
	double value_min;
	double value_max;
};

struct scenario {
	const char *name;
	enum scenario_what what;
	uint32_t len;
	bool loan;
	bool cold;
	/* Part of --quick. */
	bool quick;
	const struct target *target;
	/* The engine's lanes; LANES_NONE: no engine. */
	enum lane_set set;
	/* The channel's mode, for SCENARIO_MODE and others. */
	enum ferry_mode mode;
	/* For SCENARIO_BULK_WORK: enum bulk_sizes, and messages under way. */
	uint32_t sizes;
	uint32_t depth;
};

/* The scenarios with engines (lane_scenario.c). */
extern const struct scenario lane_scenarios[];
extern const uint32_t n_lane_scenarios;

/* Make the job of one of these, except never-slower. Does not set n and
 * pool. */
void lane_job(const struct scenario *sc, bool bound, struct side_job *job);

/* The scenarios of bulk messages (bulk_scenario.c). */
extern const struct scenario bulk_scenarios[];
extern const uint32_t n_bulk_scenarios;

static inline bool
scenario_is_bulk(const struct scenario *sc)
{
	return sc->what >= SCENARIO_BULK;
}

/* Make the job of one of these for ferry, not for a bound. Does not set n. */
void bulk_job(const struct scenario *sc, const struct perf_options *o,
		struct side_job *job);

/* The next scenario that the options ask for, from *at on, which is moved
 * behind it; NULL behind the last. */
const struct scenario *scenario_next(const struct perf_options *o,
		uint32_t *at);

/* Width of a column for the names of these scenarios. */
int scenario_width(const struct perf_options *o);

/* Print the scenarios that the options ask for. */
void scenario_list(const struct perf_options *o, FILE *f);

/* Make the job of a scenario, of its bound or of ferry. n is set to 0. */
void scenario_job(const struct scenario *sc, const struct perf_options *o,
		bool bound, struct side_job *job);

/* Most bytes that a side takes for bulk messages in one of these scenarios. */
uint64_t scenario_reserve(const struct perf_options *o);

/* Hub memory that the scenarios asked for need, in bytes. */
uint64_t scenario_memory(const struct perf_options *o);

/*
 * Reduce the memory that the scenarios need: cut the rings of bulk messages,
 * leave out the scenario that needs most, or cut the cold pool. False if
 * nothing is left to cut.
 */
bool scenario_shrink(struct perf_options *o);

/* Whether one of these scenarios has bulk messages. */
bool scenario_has_bulk(const struct perf_options *o);

/* Whether scenarios were left out. Writes a line that names them to out. */
bool scenario_left_out(const struct perf_options *o, char *out, size_t len);

/* Measure a scenario and write its rows (measure.c). Returns 0 or negative. */
int scenario_run(struct perf *p, const struct scenario *sc);

#endif /* PERF_SCENARIO_H */
