/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "copy_demote.h"
#include "ferry_copy_driver.h"
#include "ferry_copy_kernel.h"

/* The most completions that can wait to be polled. A power of two. */
#define DEPTH UINT32_C(256)

/*
 * Seed of the cost model. A short copy takes the time of a call and a few
 * vectors. A long copy has the bandwidth of one core on cold data, 10 GB/s on
 * Sapphire Rapids.
 */
#define SEED_T0_NS 20.0
#define SEED_BYTES_PER_NS 10.0

/*
 * If demoting is on, destinations of so many bytes or more are demoted. With
 * shorter ones, the reader's cache misses overlap anyway.
 */
#define DEMOTE_MIN FERRY_COPY_KERNEL_BULK_MIN

struct cpu_lane {
	void (*temporal)(void *dst, const void *src, size_t len);
	/* Temporal copies of FERRY_COPY_KERNEL_BULK_MIN bytes or more. */
	void (*bulk)(void *dst, const void *src, size_t len);
	void (*nontemporal)(void *dst, const void *src, size_t len);
	/* By placement: from how many bytes on a copy goes around the cache. */
	uint64_t nt_min[FERRY_PLACE_MEMORY + 1];
	/* From how many bytes on a copy to the cache is demoted. */
	uint64_t demote_min;
	/* The kernels above, by name. */
	const char *names[3];
	/* How many completions were put into done, and taken out of it. */
	uint32_t in;
	uint32_t out;
	struct ferry_copy_done done[DEPTH];
};

static int
cpu_open(struct ferry_lane *lane, const void *config, int socket)
{
	const struct ferry_copy_cpu_config *cfg = config;
	const struct ferry_copy_kernel *temporal = NULL, *nontemporal = NULL;
	const struct ferry_copy_kernel *bulk;
	struct cpu_lane *cpu;

	RTE_SET_USED(socket);
	if (cfg != NULL) {
		temporal = cfg->temporal;
		nontemporal = cfg->nontemporal;
	}
	/* If the config names a temporal kernel, that makes all temporal
	 * copies. */
	bulk = temporal != NULL ? temporal : ferry_copy_kernel_bulk();
	if (temporal == NULL)
		temporal = ferry_copy_kernel_best(false);
	if (nontemporal == NULL)
		nontemporal = ferry_copy_kernel_best(true);
	if (ferry_copy_kernel_obstacle(temporal) != NULL ||
			ferry_copy_kernel_obstacle(nontemporal) != NULL)
		return -ENOTSUP;

	/* The struct belongs to one thread. So the first access of that thread
	 * chooses its NUMA node, and socket is not needed. */
	cpu = calloc(1, sizeof(*cpu));
	if (cpu == NULL)
		return -ENOMEM;
	cpu->temporal = temporal->copy;
	cpu->bulk = bulk->copy;
	cpu->nontemporal = nontemporal->copy;
	cpu->demote_min = UINT64_MAX;
	cpu->names[0] = temporal->name;
	cpu->names[1] = bulk->name;
	cpu->names[2] = nontemporal->name;
	cpu->nt_min[FERRY_PLACE_AUTO] = ferry_copy_kernel_auto_min_here();
	cpu->nt_min[FERRY_PLACE_CACHE] = UINT64_MAX;
	cpu->nt_min[FERRY_PLACE_MEMORY] = FERRY_COPY_KERNEL_NT_MIN;

	lane->priv = cpu;
	lane->model.t0_ns = SEED_T0_NS;
	lane->model.bytes_per_ns = SEED_BYTES_PER_NS;
	memcpy(lane->info.name, "cpu", sizeof("cpu"));
	lane->info.max_job = SIZE_MAX;
	lane->info.depth = DEPTH;
	lane->info.flags = FERRY_LANE_PLACES | FERRY_LANE_SYNC;
	return 0;
}

static int
cpu_close(struct ferry_lane *lane)
{
	free(lane->priv);
	lane->priv = NULL;
	return 0;
}

static inline void
carry_out(const struct cpu_lane *cpu, const struct ferry_copy_job *job)
{
	if (job->len >= cpu->nt_min[job->place])
		cpu->nontemporal(job->dst, job->src, job->len);
	else if (job->len >= FERRY_COPY_KERNEL_BULK_MIN)
		cpu->bulk(job->dst, job->src, job->len);
	else
		cpu->temporal(job->dst, job->src, job->len);
	if (job->place == FERRY_PLACE_CACHE && job->len >= cpu->demote_min)
		copy_demote(job->dst, job->len);
}

/* Whether this driver knows the job's placement. A newer or broken peer may ask
 * for another one. */
static inline bool
place_known(const struct ferry_copy_job *job)
{
	return (unsigned int)job->place <= FERRY_PLACE_MEMORY;
}

static uint16_t
cpu_copy(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n && place_known(&jobs[i]); i++) {
		carry_out(lane->priv, &jobs[i]);
		lane->stats.jobs++;
		lane->stats.bytes += jobs[i].len;
	}
	return i;
}

static uint16_t
cpu_submit(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	struct cpu_lane *cpu = lane->priv;
	uint32_t room = DEPTH - (cpu->in - cpu->out);
	uint16_t i, most = RTE_MIN(n, room);

	for (i = 0; i < most && place_known(&jobs[i]); i++) {
		struct ferry_copy_done *done = &cpu->done[cpu->in % DEPTH];

		carry_out(cpu, &jobs[i]);
		done->cookie = jobs[i].cookie;
		done->bytes = jobs[i].len;
		done->status = FERRY_COPY_OK;
		cpu->in++;
		ferry_lane_account_in(lane);
	}
	return i;
}

static void
cpu_flush(struct ferry_lane *lane)
{
	/* There is nothing to start, because submit has copied. */
	RTE_SET_USED(lane);
}

static uint16_t
cpu_poll(struct ferry_lane *lane, struct ferry_copy_done *done, uint16_t n)
{
	struct cpu_lane *cpu = lane->priv;
	uint32_t waiting = cpu->in - cpu->out;
	uint16_t i, taken = RTE_MIN(n, waiting);

	for (i = 0; i < taken; i++) {
		done[i] = cpu->done[cpu->out % DEPTH];
		cpu->out++;
		ferry_lane_account_out(lane, done[i].bytes, done[i].status);
	}
	return taken;
}

static int
cpu_set_demote(struct ferry_lane *lane, bool on)
{
	struct cpu_lane *cpu = lane->priv;

	cpu->demote_min = on ? DEMOTE_MIN : UINT64_MAX;
	return on && !copy_demote_here() ? -ENOTSUP : 0;
}

static int
cpu_describe(const struct ferry_lane *lane, char *text, size_t size)
{
	const struct cpu_lane *cpu = lane->priv;

	return snprintf(text, size, "%s+%s+%s", cpu->names[0], cpu->names[1],
		cpu->names[2]);
}

static const struct ferry_copy_driver cpu_driver = {
	.name = "cpu",
	.open = cpu_open,
	.close = cpu_close,
	.copy = cpu_copy,
	.submit = cpu_submit,
	.flush = cpu_flush,
	.poll = cpu_poll,
	.set_demote = cpu_set_demote,
	.describe = cpu_describe,
};

const struct ferry_copy_driver *
ferry_copy_cpu(void)
{
	return &cpu_driver;
}
