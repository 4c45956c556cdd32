/* SPDX-License-Identifier: BSD-3-Clause */

#include <cpuid.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_pause.h>

#include "calib_fit.h"
#include "calib_measure.h"
#include "ferry_lane.h"
#include "ferry_watch.h"

#define LINE ((size_t)64)
#define SIZES 3
/* ROUNDS: how often each size is measured. ROUNDS_MIN: how often at least, for
 * a result. */
#define ROUNDS 15
#define ROUNDS_MIN 3
/* After so many polls in a row that found nothing, the thread yields. */
#define POLLS_YIELD 64
/* Hot copies use so many bytes of sources, and as many of destinations. */
#define HOT_LEN ((size_t)128 << 10)

/* Sizes that are measured. Hot: sizes of messages in a channel's slots. Cold:
 * sizes of messages that go through memory. */
static const uint32_t sizes[FERRY_HEATS][SIZES] = {
	[FERRY_HEAT_HOT] = { 256, 8 << 10, 64 << 10 },
	[FERRY_HEAT_COLD] = { 4 << 10, 64 << 10, 1 << 20 },
};

/* How many copies in a row are measured together on a FERRY_LANE_SYNC lane,
 * because the clock is coarse. */
static const uint16_t repeats[FERRY_HEATS][SIZES] = {
	[FERRY_HEAT_HOT] = { 16, 4, 1 },
	[FERRY_HEAT_COLD] = { 4, 1, 1 },
};

static void
touch(char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += LINE)
		p[i]++;
}

/* Flush a range from the cache. clflushopt, if the CPU has it, is faster,
 * because it does not wait for the line before. */
static void
flush(const struct calib_rig *rig, const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += LINE) {
		if (rig->flushopt)
			__asm__ volatile(".byte 0x66; clflush (%0)"
					: : "r" (p + i) : "memory");
		else
			__asm__ volatile("clflush (%0)"
					: : "r" (p + i) : "memory");
	}
	__asm__ volatile("mfence" : : : "memory");
}

/* Size of the level 3 cache. It does not come from sysconf(), because glibc
 * 2.36 returns the size for a whole AMD package. */
static size_t
l3_bytes(void)
{
	unsigned int kib = 0;
	FILE *f;

	f = fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%uK", &kib) != 1)
		kib = 0;
	fclose(f);
	return (size_t)kib << 10;
}

void
calib_rig_warm(struct calib_rig *rig)
{
	unsigned int eax, ebx = 0, ecx, edx, i;
	size_t l3 = l3_bytes();
	double least = 1e9;

	rig->evicts = l3 != 0 && rig->len / 2 >= l3;
	/* Intel SDM, volume 2, CPUID: leaf 7, EBX bit 23. */
	rig->flushopt = __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 &&
		(ebx & (1u << 23)) != 0;
	memset(rig->mem, 0x5a, rig->len);
	for (i = 0; i < 16; i++) {
		uint64_t then = calib_now(rig);

		least = RTE_MIN(least, (double)(calib_now(rig) - then));
	}
	rig->clock_ns = least;
}

/* Make the next n jobs of len bytes, and bring their memory into the cache or
 * out of it, as heat says. */
static void
prepare(struct calib_rig *rig, struct ferry_copy_job *jobs, uint16_t n,
		uint32_t len, enum ferry_placement place, enum ferry_heat heat)
{
	size_t span = (size_t)n * len;
	/* Sources lie in the front half, destinations in the back half. */
	size_t half = heat == FERRY_HEAT_HOT ? HOT_LEN : rig->len / 2;
	size_t *at = &rig->at[heat];
	char *src, *dst;
	uint16_t i;

	if (*at + span > half)
		*at = 0;
	src = rig->mem + *at;
	dst = src + half;
	*at += span;
	for (i = 0; i < n; i++) {
		jobs[i] = (struct ferry_copy_job) {
			.src = src + (size_t)i * len,
			.dst = dst + (size_t)i * len,
			.len = len,
			.cookie = i,
			.place = place,
			.mode = FERRY_MODE_LATENCY,
		};
	}
	if (heat == FERRY_HEAT_HOT) {
		/* Write the sources, as a producer writes a message before it
		 * sends it. */
		touch(src, span);
		touch(dst, span);
	} else if (!rig->evicts) {
		flush(rig, src, span);
		flush(rig, dst, span);
	}
	/*
	 * If the memory is large enough to evict itself, it is not flushed: a
	 * flush leaves free lines in the cache, while in real use modified
	 * lines must first be written back.
	 */
}

static double
since(const struct calib_rig *rig, uint64_t then)
{
	return RTE_MAX((double)(calib_now(rig) - then) - rig->clock_ns, 0.0);
}

bool
calib_drained(struct calib_rig *rig, struct ferry_lane *lane)
{
	struct ferry_copy_done done[FERRY_CALIB_BATCH];
	uint16_t i, n;

	do {
		n = ferry_lane_poll(lane, done, RTE_DIM(done));
		for (i = 0; i < n; i++)
			rig->unsafe |= done[i].status == FERRY_COPY_E_UNSAFE;
	} while (n > 0);
	return !rig->unsafe && ferry_lane_inflight(lane) == 0;
}

/* How long jobs took. all_ns: until the last one was done. core_ns: the core's
 * own time for them. */
struct spent {
	double all_ns;
	double core_ns;
};

/* Take the completions of all jobs of a lane. */
static enum ferry_calib_state
finish(struct calib_rig *rig, struct ferry_lane *lane, uint16_t left,
		struct spent *spent)
{
	enum ferry_calib_state state = FERRY_CALIB_OK;
	struct ferry_copy_done done[FERRY_CALIB_BATCH];
	struct ferry_watch watch;
	unsigned int empty = 0;
	uint16_t i, n;

	ferry_watch_begin(&watch, calib_now(rig), rig->patience);
	while (left > 0) {
		uint64_t then = calib_now(rig);

		n = ferry_lane_poll(lane, done, RTE_DIM(done));
		/* Polls that find nothing do not count as time for the job. */
		if (n > 0)
			spent->core_ns += since(rig, then);
		for (i = 0; i < n; i++) {
			rig->unsafe |= done[i].status == FERRY_COPY_E_UNSAFE;
			if (done[i].status != FERRY_COPY_OK)
				state = FERRY_CALIB_FAILED;
		}
		left -= RTE_MIN(n, left);
		if (n > 0) {
			ferry_watch_begin(&watch, then, rig->patience);
			continue;
		}
		if (ferry_watch_over(&watch, then) && then > rig->deadline)
			return FERRY_CALIB_HUNG;
		/* Yield now and then, because there may be more threads than
		 * CPUs. */
		rte_pause();
		if (++empty % POLLS_YIELD == 0)
			sched_yield();
	}
	return rig->unsafe ? FERRY_CALIB_HUNG : state;
}

/* Carry out n jobs, at most FERRY_CALIB_BATCH, and measure their times. */
static enum ferry_calib_state
carry_out(struct calib_rig *rig, struct ferry_lane *lane,
		const struct ferry_copy_job *jobs, uint16_t n,
		struct spent *spent)
{
	enum ferry_calib_state state;
	uint64_t start = calib_now(rig);
	uint16_t taken;

	if (start > rig->last_start)
		return FERRY_CALIB_LATE;
	if (lane->info.flags & FERRY_LANE_SYNC) {
		taken = lane->drv->copy(lane, jobs, n);
		spent->all_ns = spent->core_ns = since(rig, start);
		return taken == n ? FERRY_CALIB_OK : FERRY_CALIB_FAILED;
	}
	taken = ferry_lane_submit(lane, jobs, n);
	ferry_lane_flush(lane);
	spent->core_ns = since(rig, start);
	state = finish(rig, lane, taken, spent);
	spent->all_ns = since(rig, start);
	if (state == FERRY_CALIB_OK && taken < n)
		return FERRY_CALIB_FAILED;
	return state;
}

static enum ferry_calib_state
measure_kind(struct calib_rig *rig, struct ferry_lane *lane,
		enum ferry_placement place, enum ferry_heat heat,
		struct ferry_lane_model *model)
{
	bool sync = (lane->info.flags & FERRY_LANE_SYNC) != 0;
	enum ferry_calib_state state = FERRY_CALIB_OK;
	struct ferry_copy_job jobs[FERRY_CALIB_BATCH];
	struct calib_point points[SIZES];
	double ns[SIZES][ROUNDS];
	unsigned int round, i;

	/* The first round does not count. It warms up the code, the page tables
	 * and the device. */
	for (round = 0; round <= ROUNDS; round++) {
		for (i = 0; i < SIZES && state == FERRY_CALIB_OK; i++) {
			uint32_t len = RTE_MIN((uint64_t)sizes[heat][i],
				lane->info.max_job);
			uint16_t n = sync ? repeats[heat][i] : 1;
			struct spent spent = { 0 };

			prepare(rig, jobs, n, len, place, heat);
			state = carry_out(rig, lane, jobs, n, &spent);
			points[i].bytes = len;
			if (round > 0)
				ns[i][round - 1] = spent.all_ns / n;
		}
		if (state != FERRY_CALIB_OK)
			break;
	}
	if (state == FERRY_CALIB_LATE && round > ROUNDS_MIN)
		state = FERRY_CALIB_OK;
	if (state != FERRY_CALIB_OK)
		return state;
	for (i = 0; i < SIZES; i++)
		points[i].ns = calib_median(ns[i], round - 1);
	*model = calib_fit(points, SIZES);
	return FERRY_CALIB_OK;
}

/* Measure how much time a job costs a core that does not wait for it. n jobs
 * are submitted at a time. */
static enum ferry_calib_state
measure_job(struct calib_rig *rig, struct ferry_lane *lane, uint16_t n,
		double *job_ns)
{
	enum ferry_calib_state state = FERRY_CALIB_OK;
	struct ferry_copy_job jobs[FERRY_CALIB_BATCH];
	double ns[ROUNDS];
	unsigned int round;

	for (round = 0; round <= ROUNDS; round++) {
		struct spent spent = { 0 };

		prepare(rig, jobs, n, sizes[FERRY_HEAT_HOT][0],
			FERRY_PLACE_AUTO, FERRY_HEAT_HOT);
		state = carry_out(rig, lane, jobs, n, &spent);
		if (state != FERRY_CALIB_OK)
			break;
		if (round > 0)
			ns[round - 1] = spent.core_ns / n;
	}
	if (state == FERRY_CALIB_LATE && round > ROUNDS_MIN)
		state = FERRY_CALIB_OK;
	if (state == FERRY_CALIB_OK) {
		/*
		 * Take the lower quartile and not the median, because some
		 * samples include time in which the core did something else.
		 */
		calib_median(ns, round - 1);
		*job_ns = ns[(round - 1) / 4];
	}
	return state;
}

static enum ferry_calib_state
measure_jobs(struct calib_rig *rig, struct ferry_lane *lane,
		struct ferry_calib_lane *known)
{
	uint16_t batch = RTE_MIN(lane->info.depth,
		(uint32_t)FERRY_CALIB_BATCH);
	enum ferry_calib_state state;
	double one = 0, many = 0;

	if (known->job_source != FERRY_CALIB_SEED)
		return FERRY_CALIB_OK;
	if ((lane->info.flags & FERRY_LANE_SYNC) == 0) {
		state = measure_job(rig, lane, 1, &one);
		if (state == FERRY_CALIB_OK)
			state = measure_job(rig, lane, batch, &many);
		if (state != FERRY_CALIB_OK)
			return state;
	}
	known->job_ns = one;
	known->batch_ns = many;
	known->job_source = FERRY_CALIB_MEASURED;
	return FERRY_CALIB_OK;
}

/* Measure one kind of jobs. If placements make no difference to the lane, the
 * result holds for all placements. */
static enum ferry_calib_state
measure_cost(struct calib_rig *rig, struct ferry_lane *lane,
		enum ferry_placement place, enum ferry_heat heat,
		struct ferry_calib_lane *known)
{
	bool places = (lane->info.flags & FERRY_LANE_PLACES) != 0;
	struct ferry_lane_model model;
	enum ferry_calib_state state;
	unsigned int p;

	if (known->source[place][heat] != FERRY_CALIB_SEED)
		return FERRY_CALIB_OK;
	state = measure_kind(rig, lane, place, heat, &model);
	if (state != FERRY_CALIB_OK)
		return state;
	for (p = 0; p < FERRY_PLACES; p++) {
		if ((places && p != place) ||
				known->source[p][heat] != FERRY_CALIB_SEED)
			continue;
		known->cost[p][heat] = model;
		known->source[p][heat] = FERRY_CALIB_MEASURED;
	}
	return FERRY_CALIB_OK;
}

static void
mend(struct ferry_calib_lane *known)
{
	unsigned int p;

	for (p = 0; p < FERRY_PLACES; p++) {
		if (known->source[p][FERRY_HEAT_HOT] == FERRY_CALIB_MEASURED &&
				known->source[p][FERRY_HEAT_COLD] ==
					FERRY_CALIB_MEASURED)
			calib_borrow(&known->cost[p][FERRY_HEAT_HOT],
				&known->cost[p][FERRY_HEAT_COLD],
				sizes[FERRY_HEAT_HOT][SIZES - 1]);
	}
}

enum ferry_calib_state
calib_measure(struct calib_rig *rig, struct ferry_lane *lane,
		struct ferry_calib_lane *known)
{
	enum ferry_calib_state state = FERRY_CALIB_OK;
	unsigned int i;

	for (i = 0; i < FERRY_PLACES * FERRY_HEATS; i++) {
		state = measure_cost(rig, lane, i % FERRY_PLACES,
			i / FERRY_PLACES, known);
		if (state != FERRY_CALIB_OK)
			break;
	}
	mend(known);
	if (state == FERRY_CALIB_OK)
		state = measure_jobs(rig, lane, known);
	/* After a failure, other jobs of the same batch may be under way: wait
	 * for them. */
	if (state != FERRY_CALIB_OK && state != FERRY_CALIB_HUNG &&
			!(lane->info.flags & FERRY_LANE_SYNC) &&
			!calib_drained(rig, lane))
		state = FERRY_CALIB_HUNG;
	return state;
}
