/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Numbers for dpdk-telemetry.py:
 *
 *     /ferry/hubs               names of the process's hubs
 *     /ferry/hub,HUB            memory, endpoints, channels, deaths
 *     /ferry/channels,HUB[,ID]  one entry a channel, those after ID: name, id
 *     /ferry/channel,HUB,ID     config, ends, where its slots are
 */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "ferry_compat.h"
#include "hub_ctl.h"

static void
add_name(struct ferry_hub *hub, void *arg)
{
	rte_tel_data_add_array_string(arg, hub->name);
}

static int
tel_hubs(const char *cmd, const char *params, struct rte_tel_data *d)
{
	RTE_SET_USED(cmd);
	RTE_SET_USED(params);
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	hub_each(NULL, add_name, d);
	return 0;
}

static void
add_hub(struct ferry_hub *hub, void *arg)
{
	struct ferry_hub_info info;

	ferry_hub_info(hub, &info);
	rte_tel_data_start_dict(arg);
	rte_tel_data_add_dict_string(arg, "name", hub->name);
	ferry_tel_dict_u64(arg, "memory", info.memory);
	ferry_tel_dict_u64(arg, "memory_free", info.memory_free);
	ferry_tel_dict_u64(arg, "memory_largest", info.memory_largest);
	ferry_tel_dict_u64(arg, "memory_endpoints", info.memory_endpoints);
	ferry_tel_dict_u64(arg, "memory_limbo", info.memory_limbo);
	ferry_tel_dict_u64(arg, "endpoints", info.endpoints);
	ferry_tel_dict_u64(arg, "channels", info.channels);
	ferry_tel_dict_u64(arg, "deaths", info.deaths);
}

static int
tel_hub(const char *cmd, const char *params, struct rte_tel_data *d)
{
	RTE_SET_USED(cmd);
	return params != NULL && hub_each(params, add_hub, d) > 0 ? 0 : -EINVAL;
}

/*
 * Channels in one answer. An array holds 512. But the whole answer has only 16
 * KiB (MAX_OUTPUT_LEN of lib/telemetry), and telemetry leaves out the rest
 * without a word. An entry is up to FERRY_NAME_MAX + 24 bytes long.
 */
#define CHANNELS_MAX 128

struct channel_query {
	char hub[FERRY_NAME_MAX];
	/* 0 if the parameters give no id. */
	uint64_t id;
	struct rte_tel_data *d;
	bool found;
};

/* Parse "HUB" or "HUB,ID": 0 or -EINVAL. */
static int
query_parse(struct channel_query *q, const char *params)
{
	const size_t len = params != NULL ? strcspn(params, ",") : 0;
	char *end;

	if (len == 0 || len >= sizeof(q->hub) || (params[len] != '\0' &&
			!isdigit((unsigned char)params[len + 1])))
		return -EINVAL;
	memcpy(q->hub, params, len);
	q->hub[len] = '\0';
	if (params[len] == '\0')
		return 0;
	q->id = strtoull(params + len + 1, &end, 10);
	return *end == '\0' ? 0 : -EINVAL;
}

static void
add_channels(struct ferry_hub *hub, void *arg)
{
	struct channel_query *q = arg;
	struct ferry_hub_channel entry;
	char text[FERRY_NAME_MAX + 48];
	uint64_t after = q->id;
	uint32_t total, n;

	rte_tel_data_start_array(q->d, RTE_TEL_STRING_VAL);
	for (n = 0; hub_list(hub, after, &entry, &total) == 0; n++) {
		if (n == CHANNELS_MAX) {
			/* No channel can have such a name, because of the
			 * space. */
			snprintf(text, sizeof(text), "more: /ferry/channels,"
				"%s,%" PRIu64, q->hub, after);
			rte_tel_data_add_array_string(q->d, text);
			break;
		}
		snprintf(text, sizeof(text), "%s %" PRIu64, entry.name,
			entry.id);
		rte_tel_data_add_array_string(q->d, text);
		after = entry.id;
	}
}

static int
tel_channels(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct channel_query q = { .d = d };

	RTE_SET_USED(cmd);
	return query_parse(&q, params) == 0 &&
		hub_each(q.hub, add_channels, &q) > 0 ? 0 : -EINVAL;
}

static const char *
state_name(enum ferry_end_state state)
{
	static const char * const names[] = {
		[FERRY_END_ABSENT] = "absent",
		[FERRY_END_OPEN] = "open",
		[FERRY_END_CLOSED] = "closed",
		[FERRY_END_GONE] = "gone",
		[FERRY_END_HUB_GONE] = "hub gone",
	};

	/* Checked, because the state comes out of shared memory. */
	return (unsigned int)state < RTE_DIM(names) ? names[state] : "corrupt";
}

static void
add_channel(struct ferry_hub *hub, void *arg)
{
	struct channel_query *q = arg;
	struct rte_tel_data *d = q->d;
	struct ferry_hub_channel e;
	uint32_t total;

	if (q->id == 0 || hub_list(hub, q->id - 1, &e, &total) != 0 ||
			e.id != q->id)
		return;
	q->found = true;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "name", e.name);
	ferry_tel_dict_u64(d, "id", e.id);
	ferry_tel_dict_u64(d, "memory", e.memory);
	ferry_tel_dict_u64(d, "slot_size", e.config.slot_size);
	ferry_tel_dict_u64(d, "n_slots", e.config.n_slots);
	rte_tel_data_add_dict_string(d, "tx", state_name(e.tx.state));
	rte_tel_data_add_dict_int(d, "tx_pid", e.tx.pid);
	rte_tel_data_add_dict_string(d, "rx", state_name(e.rx.state));
	rte_tel_data_add_dict_int(d, "rx_pid", e.rx.pid);
	ferry_tel_dict_u64(d, "slots_free", e.slots.free);
	ferry_tel_dict_u64(d, "slots_tx_held", e.slots.tx_held);
	ferry_tel_dict_u64(d, "slots_in_flight", e.slots.in_flight);
	ferry_tel_dict_u64(d, "slots_jobs", e.slots.jobs);
	ferry_tel_dict_u64(d, "slots_rx_held", e.slots.rx_held);
	ferry_tel_dict_u64(d, "slots_lost", e.slots.lost);
}

static int
tel_channel(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct channel_query q = { .d = d };

	RTE_SET_USED(cmd);
	if (query_parse(&q, params) != 0)
		return -EINVAL;
	hub_each(q.hub, add_channel, &q);
	return q.found ? 0 : -ENOENT;
}

RTE_INIT(hub_telemetry)
{
	rte_telemetry_register_cmd("/ferry/hubs", tel_hubs,
		"Returns the names of the hubs. Takes no parameters");
	rte_telemetry_register_cmd("/ferry/hub", tel_hub,
		"Returns the numbers of a hub. Parameters: string hub");
	rte_telemetry_register_cmd("/ferry/channels", tel_channels,
		"Returns name and id of channels. Parameters: string hub, "
		"int id (optional): those after that one");
	rte_telemetry_register_cmd("/ferry/channel", tel_channel,
		"Returns a channel. Parameters: string hub, int id");
}
