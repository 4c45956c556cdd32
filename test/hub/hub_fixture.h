/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HUB_FIXTURE_H
#define HUB_FIXTURE_H

/* For the hub's tests in one process. Include after cmocka.h. */

#include <string.h>

#include "ferry_endpoint.h"
#include "ferry_hub.h"
#include "ferry_test.h"

#define HUB "test"
#define MIB (UINT64_C(1) << 20)

/* Start one EAL for all tests of the file, if the machine has hugepages. EAL
 * may take no more than 128 MiB, so that asking for more fails. */
static inline int
hub_eal_start(void **state)
{
	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	return ferry_test_eal_start(NULL, "--socket-limit=128", NULL);
}

static inline struct ferry_hub *
hub_make(const char *name, uint64_t memory, uint32_t max_endpoints,
		uint32_t max_channels)
{
	const struct ferry_hub_config config = {
		.name = name,
		.memory = memory,
		.socket = -1,
		.max_endpoints = max_endpoints,
		.max_channels = max_channels,
	};
	struct ferry_hub *hub = NULL;

	assert_int_equal(ferry_hub_create(&hub, &config), 0);
	assert_non_null(hub);
	return hub;
}

static inline struct ferry_endpoint *
hub_join(const char *hub, const char *name)
{
	struct ferry_endpoint *ep = NULL;

	assert_int_equal(ferry_attach(&ep, hub, name), 0);
	assert_non_null(ep);
	return ep;
}

/* Check that no endpoint is attached, that there are no channels, and that all
 * memory is free in one piece. */
static inline void
hub_check_empty(struct ferry_hub *hub)
{
	struct ferry_hub_info info;

	ferry_hub_info(hub, &info);
	assert_int_equal(info.endpoints, 0);
	assert_int_equal(info.channels, 0);
	assert_int_equal(info.memory_free, info.memory);
	assert_int_equal(info.memory_largest, info.memory);
	assert_int_equal(ferry_hub_channels(hub, NULL, 0), 0);
}

#endif /* HUB_FIXTURE_H */
