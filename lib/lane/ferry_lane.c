/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "ferry_copy_driver.h"

static bool
model_valid(const struct ferry_lane_model *model)
{
	return isfinite(model->t0_ns) && model->t0_ns >= 0 &&
		isfinite(model->bytes_per_ns) && model->bytes_per_ns > 0;
}

static void
cost_fill(struct ferry_lane *lane)
{
	unsigned int i;

	for (i = 0; i < FERRY_PLACES * FERRY_HEATS; i++)
		lane->cost[i / FERRY_HEATS][i % FERRY_HEATS] = lane->model;
}

int
ferry_lane_open(struct ferry_lane **lane,
		const struct ferry_copy_driver *driver, const void *config,
		int socket)
{
	struct ferry_lane *l;
	int ret;

	if (lane == NULL || driver == NULL)
		return -EINVAL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	l->drv = driver;
	l->socket = socket;
	ret = driver->open(l, config, socket);
	if (ret != 0) {
		free(l);
		return ret;
	}
	cost_fill(l);
	*lane = l;
	return 0;
}

int
ferry_lane_close(struct ferry_lane *lane)
{
	int ret;

	if (lane == NULL)
		return 0;
	ret = lane->drv->close(lane);
	free(lane);
	return ret;
}

int
ferry_lane_set_demote(struct ferry_lane *lane, bool on)
{
	return lane == NULL || lane->drv->set_demote == NULL ? -EINVAL :
		lane->drv->set_demote(lane, on);
}

int
ferry_lane_describe(const struct ferry_lane *lane, char *text, size_t size)
{
	return lane == NULL || lane->drv->describe == NULL ? -EINVAL :
		lane->drv->describe(lane, text, size);
}

int
ferry_device_next(const struct ferry_copy_driver *driver, int after,
		const char *names, char *name, size_t size)
{
	return driver == NULL || driver->device_next == NULL ? -ENODEV :
		driver->device_next(after, names, name, size);
}

int
ferry_device_open(struct ferry_lane **lane,
		const struct ferry_copy_driver *driver, int device,
		uint32_t close_wait_ms)
{
	if (lane == NULL || driver == NULL || device < 0)
		return -EINVAL;
	return driver->device_open == NULL ? -ENODEV :
		driver->device_open(lane, device, close_wait_ms);
}

const struct ferry_lane_info *
ferry_lane_info(const struct ferry_lane *lane)
{
	return &lane->info;
}

void
ferry_lane_stats(const struct ferry_lane *lane, struct ferry_lane_stats *stats)
{
	*stats = lane->stats;
}

struct ferry_lane_model
ferry_lane_model(const struct ferry_lane *lane)
{
	return lane->model;
}

int
ferry_lane_set_model(struct ferry_lane *lane,
		const struct ferry_lane_model *model)
{
	if (lane == NULL || model == NULL || !model_valid(model))
		return -EINVAL;
	lane->model = *model;
	cost_fill(lane);
	return 0;
}

struct ferry_lane_model
ferry_lane_cost(const struct ferry_lane *lane, enum ferry_placement place,
		enum ferry_heat heat)
{
	return lane->cost[place][heat];
}

int
ferry_lane_set_cost(struct ferry_lane *lane, enum ferry_placement place,
		enum ferry_heat heat, const struct ferry_lane_model *model)
{
	if (lane == NULL || model == NULL || !model_valid(model) ||
			(unsigned int)place >= FERRY_PLACES ||
			(unsigned int)heat >= FERRY_HEATS)
		return -EINVAL;
	lane->cost[place][heat] = *model;
	return 0;
}
