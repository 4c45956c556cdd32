/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HUB_ORDERS_H
#define HUB_ORDERS_H

/* What the conductor has a storm's hub do, one packet each way. */

#include <stdint.h>

#include "ferry_engine.h"
#include "ferry_hub.h"

#define HUB_ENGINES 2
#define HUB_CHANNELS 32

enum hub_order_op {
	/* Look. */
	HUB_LOOK,
	/* Set faults of the devices: text. */
	HUB_FAULT,
	/* Unbind a work queue behind its engine's back. */
	HUB_UNBIND,
	/* Give an engine back the device that it lost. */
	HUB_REPAIR,
	/* Unmake an engine and make it anew. */
	HUB_REBUILD,
	/* Move a route's channel to an engine; HUB_ENGINES: to none. */
	HUB_MOVE,
	/* End the hub's own worker, and look. */
	HUB_ALONE,
};

struct hub_order {
	enum hub_order_op op;
	/* Engine, work queue or route. */
	unsigned int which;
	unsigned int to;
	char text[64];
};

struct hub_told {
	int32_t result;
	uint32_t fds;
	struct ferry_hub_info info;
	uint32_t n_channels;
	struct ferry_hub_channel channels[HUB_CHANNELS];
	/* Of all engines: channels given up for a device that cannot be
	 * stopped, jobs that should not have been posted, messages. */
	uint64_t unsafe;
	uint64_t bad;
	uint64_t engine_msgs;
	uint64_t engine_bulk_bytes;
	/* Bytes that devices copied, what they did wrong, faults made. */
	uint64_t device_bytes;
	uint64_t device_errors;
	uint64_t device_faults;
};

#endif /* HUB_ORDERS_H */
