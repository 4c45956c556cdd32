/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_SCENARIO_H
#define PERF_SCENARIO_H

/* The table of what can be measured. */

#include "perf.h"

enum scenario_what {
	/* Bounds alone. */
	SCENARIO_LINE,
	SCENARIO_COPY,
	SCENARIO_COPY_TWICE,
	/* ferry beside its bound. */
	SCENARIO_LATENCY,
	SCENARIO_RATE,
	SCENARIO_STREAM,
	/* With an engine, beside the same without one. */
	SCENARIO_NEVER_SLOWER,
	SCENARIO_SENDER_CPU,
	SCENARIO_MODE,
	/* A device: through a lane and by posts, beside its bare use. */
	SCENARIO_OFFLOAD,
	/* Asleep, and woken. */
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

/* Numbers to reach; zeros: none. */
struct target {
	/* What the table says. */
	const char *text;
	double ratio_max;
	double ratio_min;
	/* p99 to the bound's p50. */
	double p99_max;
	/* In the row's unit. */
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
	/* What the engine has; LANES_NONE: no engine. */
	enum lane_set set;
	/* What the channel is in; of SCENARIO_MODE and so on. */
	enum ferry_mode mode;
	/* enum bulk_sizes, and messages under way; of SCENARIO_BULK_WORK. */
	uint32_t sizes;
	uint32_t depth;
};

/* Those with engines (lane_scenario.c). */
extern const struct scenario lane_scenarios[];
extern const uint32_t n_lane_scenarios;

/* The job of one of these but for never-slower; n and pool are left. */
void lane_job(const struct scenario *sc, bool bound, struct side_job *job);

/* Those of bulk messages (bulk_scenario.c). */
extern const struct scenario bulk_scenarios[];
extern const uint32_t n_bulk_scenarios;

static inline bool
scenario_is_bulk(const struct scenario *sc)
{
	return sc->what >= SCENARIO_BULK;
}

/* The job of one of these as ferry does it; n is left. */
void bulk_job(const struct scenario *sc, const struct perf_options *o,
		struct side_job *job);

/* The i-th scenario that the options ask for, NULL behind the last. */
const struct scenario *scenario_next(const struct perf_options *o,
		uint32_t *at);

/* Length of the longest name among them, or a bit more. */
int scenario_width(const struct perf_options *o);

/* Print them. */
void scenario_list(const struct perf_options *o, FILE *f);

/* The job of a scenario with one of its wires; n is left 0. */
void scenario_job(const struct scenario *sc, const struct perf_options *o,
		bool bound, struct side_job *job);

/* The most that a side takes for bulk messages in one of them, in bytes. */
uint64_t scenario_reserve(const struct perf_options *o);

/* Hub memory that the scenarios asked for need, in bytes. */
uint64_t scenario_memory(const struct perf_options *o);

/*
 * That much cannot be had: cut the rings of bulk messages, leave out the one
 * that needs most, or cut the cold pool. False if nothing is left to cut.
 */
bool scenario_shrink(struct perf_options *o);

/* Whether there are some of bulk messages among them. */
bool scenario_has_bulk(const struct perf_options *o);

/* Whether some were left out: a line that names them. */
bool scenario_left_out(const struct perf_options *o, char *out, size_t len);

/* Measure it and write its rows (measure.c). 0 or negative. */
int scenario_run(struct perf *p, const struct scenario *sc);

#endif /* PERF_SCENARIO_H */
