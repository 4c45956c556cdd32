/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Numbers of engines for dpdk-telemetry.py:
 *
 *     /ferry/engines,HUB            names of the hub's engines
 *     /ferry/engine,HUB,ENGINE      channels, messages, turns, its copier
 *     /ferry/lane,HUB,ENGINE,LANE   one of its lanes, by number: 0 is the core
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "ferry_compat.h"
#include "hub_ctl.h"
#include "engine_private.h"

/* The parameters of a query, split at their commas. */
struct query {
	char text[2 * FERRY_NAME_MAX + 16];
	char *hub;
	char *engine;
	unsigned int lane;
	/* Adds an engine's or a lane's numbers to the answer. */
	void (*add)(struct ferry_engine *e, void *query);
	struct rte_tel_data *d;
	bool found;
};

/* Split parameters, of which there must be n: 0 or -EINVAL. */
static int
query_parse(struct query *q, const char *params, unsigned int n)
{
	char *part[3] = { NULL }, *save = NULL;
	unsigned int i;

	memset(q, 0, sizeof(*q));
	if (params == NULL || strlen(params) >= sizeof(q->text))
		return -EINVAL;
	strcpy(q->text, params);
	for (i = 0; i < n; i++) {
		part[i] = strtok_r(i == 0 ? q->text : NULL, ",", &save);
		if (part[i] == NULL)
			return -EINVAL;
	}
	q->hub = part[0];
	q->engine = part[1];
	q->lane = part[2] != NULL ? (unsigned int)strtoul(part[2], NULL, 10) :
		0;
	return 0;
}

static void
add_name(struct ferry_engine *e, void *arg)
{
	rte_tel_data_add_array_string(arg, e->name);
}

static void
add_names(struct ferry_hub *hub, void *arg)
{
	rte_tel_data_start_array(arg, RTE_TEL_STRING_VAL);
	engines_each(hub, NULL, add_name, arg);
}

static int
tel_engines(const char *cmd, const char *params, struct rte_tel_data *d)
{
	RTE_SET_USED(cmd);
	return params != NULL && hub_each(params, add_names, d) > 0 ?
		0 : -EINVAL;
}

static void
add_engine(struct ferry_engine *e, void *arg)
{
	struct query *q = arg;
	struct rte_tel_data *d = q->d;
	struct ferry_engine_info info;
	struct ferry_copier_stats stats;

	ferry_engine_info(e, &info);
	ferry_copier_stats(ferry_engine_copier(e), &stats);
	q->found = true;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "name", info.name);
	ferry_tel_dict_u64(d, "channels", info.channels);
	ferry_tel_dict_u64(d, "active", info.active);
	ferry_tel_dict_u64(d, "lanes", info.lanes);
	ferry_tel_dict_u64(d, "msgs", info.msgs);
	ferry_tel_dict_u64(d, "bytes", info.bytes);
	ferry_tel_dict_u64(d, "bulk_bytes", info.bulk_bytes);
	ferry_tel_dict_u64(d, "turns", info.turns);
	ferry_tel_dict_u64(d, "busy", info.busy);
	ferry_tel_dict_u64(d, "sleeps", info.sleeps);
	ferry_tel_dict_u64(d, "bad", info.bad);
	ferry_tel_dict_u64(d, "unsafe", info.unsafe);
	ferry_tel_dict_u64(d, "redone_bytes", stats.redone_bytes);
	ferry_tel_dict_u64(d, "queued", stats.queued);
	ferry_tel_dict_u64(d, "splits", stats.splits);
	ferry_tel_dict_u64(d, "probes", stats.probes);
	ferry_tel_dict_u64(d, "quarantines", stats.quarantines);
	ferry_tel_dict_u64(d, "probations", stats.probations);
	ferry_tel_dict_u64(d, "returns", stats.returns);
	ferry_tel_dict_u64(d, "drops", stats.drops);
}

/* Add a lane. Times are in nanoseconds and rates in bytes per millisecond,
 * because telemetry has no fractions. */
static void
add_lane(struct ferry_engine *e, void *arg)
{
	struct query *q = arg;
	struct ferry_engine_lane lane;

	if (ferry_engine_lane(e, q->lane, &lane) != 0)
		return;
	q->found = true;
	rte_tel_data_start_dict(q->d);
	rte_tel_data_add_dict_string(q->d, "name", lane.info.name);
	rte_tel_data_add_dict_string(q->d, "health",
		ferry_health_name(lane.health));
	ferry_tel_dict_u64(q->d, "jobs", lane.stats.jobs);
	ferry_tel_dict_u64(q->d, "bytes", lane.stats.bytes);
	ferry_tel_dict_u64(q->d, "errors", lane.stats.errors);
	ferry_tel_dict_u64(q->d, "refused", lane.stats.refused);
	ferry_tel_dict_u64(q->d, "misplaced", lane.stats.misplaced);
	ferry_tel_dict_u64(q->d, "t0_ns", (uint64_t)lane.model.t0_ns);
	ferry_tel_dict_u64(q->d, "bytes_per_ms",
		(uint64_t)(lane.model.bytes_per_ns * 1e6));
}

static void
find(struct ferry_hub *hub, void *arg)
{
	struct query *q = arg;

	engines_each(hub, q->engine, q->add, q);
}

/* Answer a query with n parameters. */
static int
answer(const char *params, unsigned int n,
		void (*add)(struct ferry_engine *e, void *query),
		struct rte_tel_data *d)
{
	struct query q;

	if (query_parse(&q, params, n) != 0)
		return -EINVAL;
	q.add = add;
	q.d = d;
	hub_each(q.hub, find, &q);
	return q.found ? 0 : -ENOENT;
}

static int
tel_engine(const char *cmd, const char *params, struct rte_tel_data *d)
{
	RTE_SET_USED(cmd);
	return answer(params, 2, add_engine, d);
}

static int
tel_lane(const char *cmd, const char *params, struct rte_tel_data *d)
{
	RTE_SET_USED(cmd);
	return answer(params, 3, add_lane, d);
}

RTE_INIT(hub_tel_engine)
{
	rte_telemetry_register_cmd("/ferry/engines", tel_engines,
		"Returns the names of a hub's engines. Parameters: string hub");
	rte_telemetry_register_cmd("/ferry/engine", tel_engine,
		"Returns an engine. Parameters: string hub, string engine");
	rte_telemetry_register_cmd("/ferry/lane", tel_lane,
		"Returns a lane. Parameters: string hub, string engine, int "
		"lane");
}
