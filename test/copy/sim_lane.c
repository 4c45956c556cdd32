/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "sim_lane.h"

const struct ferry_lane_model sim_seed = { .t0_ns = 7, .bytes_per_ns = 3 };
double sim_now;

uint64_t
sim_clock(void *arg)
{
	(void)arg;
	sim_now += SIM_LOOK;
	return (uint64_t)sim_now;
}

static double
takes(struct sim *sim, const struct ferry_copy_job *job)
{
	const struct ferry_lane_model *model = &sim->model[job->place];
	uint64_t beyond = sim->bend != 0 && job->len > sim->bend ?
		job->len - sim->bend : 0;
	double ns = model->t0_ns +
		(double)(job->len - beyond) / model->bytes_per_ns;

	if (beyond > 0)
		ns += (double)beyond / sim->beyond_bytes_per_ns;
	memcpy(job->dst, job->src, job->len);
	sim->jobs++;
	sim->placed += job->place != FERRY_PLACE_AUTO;
	return sim->bumpy != 0 && sim->jobs % sim->bumpy == 0 ? 100 * ns : ns;
}

static bool
from(unsigned int number, unsigned int first)
{
	return first != 0 && number >= first;
}

static uint16_t
sim_copy(struct ferry_lane *lane, const struct ferry_copy_job *jobs, uint16_t n)
{
	struct sim *sim = lane->priv;
	uint16_t i;

	for (i = 0; i < n && !from(sim->jobs + 1, sim->refuse_from); i++) {
		sim_now += takes(sim, &jobs[i]);
		lane->stats.jobs++;
	}
	return i;
}

static uint16_t
sim_submit(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	struct sim *sim = lane->priv;
	uint16_t i;

	for (i = 0; i < n && sim->nb < sim->depth &&
			!from(sim->jobs + 1, sim->refuse_from); i++) {
		sim_now += sim->submit_ns;
		sim->free_at = RTE_MAX(sim->free_at, sim_now) +
			takes(sim, &jobs[i]);
		sim->q[sim->nb].job = jobs[i];
		sim->q[sim->nb].number = sim->jobs;
		sim->q[sim->nb].ready = sim->free_at;
		if (from(sim->jobs, sim->hang_from))
			sim->q[sim->nb].ready = sim->wakes_ns > 0 ?
				sim->wakes_ns : 1e300;
		sim->nb++;
		ferry_lane_account_in(lane);
	}
	return i;
}

static void
sim_flush(struct ferry_lane *lane)
{
	struct sim *sim = lane->priv;

	sim->flushed = sim->nb;
}

static uint16_t
sim_poll(struct ferry_lane *lane, struct ferry_copy_done *done, uint16_t n)
{
	struct sim *sim = lane->priv;
	uint16_t i;

	sim_now += sim->poll_ns;
	if (sim->nb > 0 && sim->stopped_in != 0 &&
			sim->q[0].number == sim->stopped_in) {
		sim->stopped_in = 0;
		sim_now += 5e9;
		sim->free_at = sim->q[0].ready = sim_now + 100e3;
	}
	for (i = 0; i < n && sim->flushed > 0 && sim->q[0].ready <= sim_now;
			i++) {
		const struct ferry_copy_job *job = &sim->q[0].job;

		done[i] = (struct ferry_copy_done) {
			.cookie = job->cookie,
			.bytes = job->len,
			.status = from(sim->q[0].number, sim->bad_from) ?
				sim->bad : FERRY_COPY_OK,
		};
		ferry_lane_account_out(lane, job->len, done[i].status);
		sim->flushed--;
		memmove(sim->q, sim->q + 1, --sim->nb * sizeof(sim->q[0]));
	}
	return i;
}

static int
sim_lane_open(struct ferry_lane *lane, const void *config, int socket)
{
	/* The test's own struct, not const at all. */
	struct sim *sim = (struct sim *)(uintptr_t)config;

	(void)socket;
	lane->priv = sim;
	lane->model = sim_seed;
	snprintf(lane->info.name, sizeof(lane->info.name), "%s", sim->name);
	lane->info.max_job = sim->max_job;
	lane->info.depth = sim->depth;
	lane->info.flags = sim->flags;
	return 0;
}

static int
sim_lane_close(struct ferry_lane *lane)
{
	(void)lane;
	return 0;
}

static const struct ferry_copy_driver sim_driver = {
	.name = "sim",
	.open = sim_lane_open,
	.close = sim_lane_close,
	.copy = sim_copy,
	.submit = sim_submit,
	.flush = sim_flush,
	.poll = sim_poll,
};

struct sim
sim_good(const char *name, bool sync, double t0_ns, double bytes_per_ns)
{
	struct sim sim = {
		.name = name,
		.flags = sync ? FERRY_LANE_SYNC | FERRY_LANE_PLACES : 0,
		.depth = 64,
		.max_job = UINT64_MAX,
	};
	unsigned int place;

	for (place = 0; place < FERRY_PLACES; place++)
		sim.model[place] = (struct ferry_lane_model) {
			.t0_ns = t0_ns,
			.bytes_per_ns = bytes_per_ns,
		};
	return sim;
}

struct ferry_lane *
sim_open(struct sim *sim)
{
	struct ferry_lane *lane = NULL;

	assert_int_equal(ferry_lane_open(&lane, &sim_driver, sim,
		SOCKET_ID_ANY), 0);
	return lane;
}
