/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HUB_ORDERS_H
#define HUB_ORDERS_H

/* The conductor's orders to a storm's hub. An order is one packet, and so is
 * the hub's answer. */

#include <stdint.h>

#include "ferry_engine.h"
#include "ferry_hub.h"

#define HUB_ENGINES 2
#define HUB_CHANNELS 32

enum hub_order_op {
	/* Only answer. */
	HUB_LOOK,
	/* Set the faults of the devices that text names. */
	HUB_FAULT,
	/* Unbind a work queue behind its engine's back. */
	HUB_UNBIND,
	/* Give an engine back the device that it lost. */
	HUB_REPAIR,
	/* Destroy an engine and create it anew. */
	HUB_REBUILD,
	/* Move a route's channel to an engine; HUB_ENGINES: to none. */
	HUB_MOVE,
	/* End the hub's own worker, then answer. */
	HUB_ALONE,
};

struct hub_order {
	enum hub_order_op op;
	/* Number of the engine, the work queue or the route. */
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
	/* Sums of all engines: channels given up because a device cannot be
	 * stopped; jobs that no producer should have posted; messages. */
	uint64_t unsafe;
	uint64_t bad;
	uint64_t engine_msgs;
	uint64_t engine_bulk_bytes;
	/* Of all devices: bytes copied, errors, and faults that were made. */
	uint64_t device_bytes;
	uint64_t device_errors;
	uint64_t device_faults;
};

#endif /* HUB_ORDERS_H */
