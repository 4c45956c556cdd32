/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_common.h>

#include "app_eal.h"
#include "engines.h"
#include "pipe.h"

static int
hub_make(struct ferry_hub **hub, const struct pipe_options *o)
{
	const struct ferry_hub_config config = {
		.name = o->hub,
		.memory = o->memory,
		.socket = -1,
		.max_channels = o->max_channels,
		/* Each with two processes. */
		.max_endpoints = RTE_MIN(2 * o->max_channels,
				FERRY_HUB_ENDPOINTS_MAX),
	};
	int ret = ferry_hub_create(hub, &config);

	switch (ret) {
	case 0:
		break;
	case -EINVAL:
	case -ENAMETOOLONG:
		app_error("hub name '%s' is not possible: use up to %d letters,"
			" digits and . _ : -", o->hub, FERRY_NAME_MAX - 1);
		break;
	case -ENOMEM:
		app_error("not enough hugepages for a hub of %" PRIu64 " MiB: "
			"give --memory less, or reserve more; the size= of the "
			"hugetlbfs or the container's limit may be lower", o->
			memory >> 20);
		break;
	case -EMFILE:
		app_error("the limit of open files is too low for a hub of %"
			PRIu64 " MiB, each hugepage of which is one: raise it "
			"(ulimit -n), or give --memory less", o->memory >> 20);
		break;
	default:
		app_error("cannot create the hub: %s", ferry_strerror(ret));
	}
	return ret;
}

int
pipe_hub(const struct pipe_options *o)
{
	struct ferry_hub_info info;
	struct engines engines;
	struct ferry_hub *hub;
	int ret;

	if (hub_make(&hub, o) != 0)
		return 1;
	if (engines_start(&engines, hub, o) != 0) {
		ferry_hub_destroy(hub);
		return 1;
	}
	if (!o->quiet)
		fprintf(stderr, "hub '%s' is ready with %" PRIu64 " MiB; end it"
			" with Ctrl-C\n", ferry_hub_name(hub),
			o->memory >> 20);
	/* A signal between the look and the sleep costs one tick. */
	while (!pipe_stop)
		usleep(PIPE_TICK_NS / 1000);
	ferry_hub_info(hub, &info);
	if (info.channels > 0 && !o->quiet)
		fprintf(stderr, "ending %" PRIu32 " open channels\n",
			info.channels);
	if (!o->quiet)
		engines_report(&engines);
	engines_stop(&engines);
	ret = ferry_hub_destroy(hub);
	if (ret == 0)
		return 0;
	app_error("some processes stay attached to memory that is given up "
		"now; they have been told");
	return 1;
}
