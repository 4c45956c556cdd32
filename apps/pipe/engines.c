/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dmadev.h>
#include <rte_lcore.h>

#include "app_eal.h"
#include "engines.h"
#include "pipe.h"

static void *
run(void *engine)
{
	ferry_engine_run(engine);
	return NULL;
}

/* Every n-th device that is wanted, from the i-th on: engines share them. */
static int
add_devices(struct ferry_engine *engine, const struct pipe_options *o,
		unsigned int i)
{
	const struct ferry_copy_driver *driver = ferry_copy_dmadev();
	unsigned int k = 0;
	int added = 0, device = -1, ret;
	char name[64];

	while ((device = ferry_device_next(driver, device, o->dma, name,
			sizeof(name))) >= 0) {
		if (k++ % o->engines != i)
			continue;
		ret = ferry_engine_add_devices(engine, driver, name);
		if (ret < 0) {
			app_error("DMA device %s cannot be used: %s", name,
				ferry_strerror(ret));
			return ret;
		}
		added += ret;
	}
	return added;
}

/*
 * Measure an engine's lanes, and show what was found. A file holds the lanes of
 * one engine: those after the first have their number behind its name.
 */
static int
measure(struct ferry_engine *engine, const struct pipe_options *o,
		unsigned int i)
{
	struct ferry_calib_options options = { .socket = -1 };
	struct ferry_calib *calib = calloc(1, sizeof(*calib));
	char file[PATH_MAX];
	int ret;

	if (calib == NULL)
		return -ENOMEM;
	if (o->calibration != NULL) {
		snprintf(file, sizeof(file), i == 0 ? "%s" : "%s.%u",
			o->calibration, i);
		options.load = file;
		options.save = file;
	}
	ret = ferry_engine_calibrate(engine, &options, calib);
	if (ret != 0)
		app_error("calibration: %s", calib->why[0] != '\0' ?
			calib->why : ferry_strerror(ret));
	else if (!o->quiet)
		ferry_calib_print(calib, stderr);
	free(calib);
	return ret;
}

static int
engine_start(struct engines *e, struct ferry_hub *hub,
		const struct pipe_options *o, unsigned int *lcore)
{
	const unsigned int i = e->n;
	int ret;

	ret = ferry_engine_create(&e->all[i].engine, hub, NULL);
	if (ret != 0)
		return ret;
	e->n++;
	if (o->dma != NULL) {
		ret = add_devices(e->all[i].engine, o, i);
		if (ret < 0)
			return ret;
	}
	ret = measure(e->all[i].engine, o, i);
	if (ret != 0)
		return ret;
	*lcore = rte_get_next_lcore(*lcore, 1, 0);
	if (*lcore < RTE_MAX_LCORE)
		return ferry_engine_launch(e->all[i].engine, *lcore);
	ret = -pthread_create(&e->all[i].thread, NULL, run, e->all[i].engine);
	e->all[i].floats = ret == 0;
	return ret;
}

int
engines_start(struct engines *e, struct ferry_hub *hub,
		const struct pipe_options *o)
{
	unsigned int lcore = -1;
	int ret = 0;

	memset(e, 0, sizeof(*e));
	if (o->dma != NULL && ferry_device_next(ferry_copy_dmadev(), -1, o->dma,
			NULL, 0) < 0) {
		app_error("no DMA device is called '%s': dpdk-devbind.py -s "
			"lists devices; a machine without one can have a "
			"software DSA, see ferry-pipe's guide", o->dma);
		return -ENODEV;
	}
	while (e->n < o->engines && ret == 0)
		ret = engine_start(e, hub, o, &lcore);
	if (ret != 0) {
		app_error("cannot start an engine: %s", ferry_strerror(ret));
		engines_stop(e);
	}
	return ret;
}

void
engines_stop(struct engines *e)
{
	while (e->n > 0) {
		e->n--;
		if (e->all[e->n].floats) {
			ferry_engine_stop(e->all[e->n].engine);
			pthread_join(e->all[e->n].thread, NULL);
		}
		ferry_engine_destroy(e->all[e->n].engine);
	}
}

void
engines_report(const struct engines *e)
{
	struct ferry_engine_lane lane;
	unsigned int i, k;

	for (i = 0; i < e->n; i++) {
		for (k = 0; ferry_engine_lane(e->all[i].engine, k,
				&lane) == 0; k++)
			fprintf(stderr, "engine %u: %s copied %" PRIu64
				" bytes, %" PRIu64 " errors\n", i,
				lane.info.name, lane.stats.bytes,
				lane.stats.errors);
	}
}
