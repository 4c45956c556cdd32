/* SPDX-License-Identifier: BSD-3-Clause */

/* Calibration of an engine's lanes. */

#include <errno.h>
#include <stdlib.h>

#include <rte_malloc.h>

#include "engine_private.h"

/* One number for all devices: the lowest of them. */
static void
offload_min(struct ferry_sched_policy *policy, enum ferry_mode mode,
		uint64_t bytes)
{
	if (policy->offload_min[mode] == 0 || bytes < policy->offload_min[mode])
		policy->offload_min[mode] = RTE_MAX(bytes, UINT64_C(1));
}

/* Set the scheduler's numbers from what was measured. */
static void
calib_use(struct ferry_copier *copier, const struct ferry_calib *calib)
{
	struct ferry_sched_policy *policy = &copier->tune.policy;
	double cheapest = 0;
	unsigned int i;

	for (i = 0; i < FERRY_MODES; i++)
		policy->offload_min[i] = 0;
	for (i = 0; i < calib->nb_lanes; i++) {
		const struct ferry_calib_lane *lane = &calib->lanes[i];
		const struct ferry_calib_even *even =
			&lane->even[FERRY_HEAT_COLD];

		if (lane->batch_ns > 0 && lane->state == FERRY_CALIB_OK &&
				(cheapest == 0 || lane->batch_ns < cheapest))
			cheapest = lane->batch_ns;
		/* Computed break-evens are left out, because the scheduler
		 * computes them itself, from models that it keeps current. */
		if (lane->even_source[FERRY_HEAT_COLD] < FERRY_CALIB_LOADED)
			continue;
		offload_min(policy, FERRY_MODE_LATENCY, even->sync);
		offload_min(policy, FERRY_MODE_THROUGHPUT, even->batch);
		offload_min(policy, FERRY_MODE_EFFICIENCY, even->batch);
	}
	if (cheapest > 0)
		policy->submit_ns = cheapest;
}

/*
 * Get memory to measure with, from the hub. EAL's heap would have to grow, and
 * EAL would ask every secondary for that, even one that is about to attach.
 */
static void *
calib_memory(struct ferry_hub *hub, size_t *len)
{
	void *mem = NULL;

	pthread_mutex_lock(&hub->lock);
	for (*len = FERRY_CALIB_MEM; *len >= FERRY_CALIB_MEM_MIN &&
			mem == NULL; *len /= 2)
		mem = ferry_arena_alloc(&hub->arena, *len);
	*len *= 2;
	pthread_mutex_unlock(&hub->lock);
	return mem;
}

static int
calibrate(struct ferry_engine *e, const struct ferry_calib_options *options,
		struct ferry_calib *calib, void **mem)
{
	struct ferry_lane *lanes[FERRY_COPIER_MAX_LANES];
	unsigned int numbers[FERRY_COPIER_MAX_LANES];
	unsigned int i, n = 0;
	int ret;

	if (ferry_copier_inflight(&e->copier) > 0)
		return -EBUSY;
	for (i = 0; i < e->copier.nb_lanes; i++) {
		if (e->copier.lanes[i].lane == NULL)
			continue;
		numbers[n] = i;
		lanes[n++] = e->copier.lanes[i].lane;
	}
	ret = ferry_calibrate(lanes, n, options, calib);
	/* Done even if no file could be loaded or saved, because the lanes
	 * listed in calib were measured. */
	for (i = 0; i < RTE_MIN(n, calib->nb_lanes); i++) {
		if (calib->lanes[i].state != FERRY_CALIB_HUNG)
			continue;
		/* Memory that the device may write for ever must not be
		 * freed. */
		if (ferry_copier_drop(&e->copier, numbers[i]) == 0)
			rte_free(calib->lanes[i].held);
		else
			*mem = NULL;
		calib->lanes[i].held = NULL;
	}
	calib_use(&e->copier, calib);
	return ret;
}

int
ferry_engine_calibrate(struct ferry_engine *e,
		const struct ferry_calib_options *options,
		struct ferry_calib *calib)
{
	struct ferry_calib *found = calloc(1, sizeof(*found));
	struct ferry_calib_options all = { .socket = SOCKET_ID_ANY };
	void *mem = NULL;
	size_t len = 0;
	int ret;

	if (found == NULL)
		return -ENOMEM;
	if (options != NULL)
		all = *options;
	if (all.mem == NULL) {
		mem = calib_memory(e->hub, &len);
		all.mem = mem;
		all.mem_len = mem != NULL ? len : 0;
		len = (size_t)all.mem_len;
	}
	engine_lock(e);
	ret = calibrate(e, &all, found, &mem);
	engine_unlock(e);
	pthread_mutex_lock(&e->hub->lock);
	if (mem != NULL)
		ferry_arena_free(&e->hub->arena, mem, len);
	else if (len != 0)
		e->hub->unsafe = true;
	pthread_mutex_unlock(&e->hub->lock);
	if (calib != NULL)
		*calib = *found;
	free(found);
	return ret;
}
