/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include <rte_common.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "calib_file.h"
#include "calib_fit.h"
#include "calib_measure.h"
#include "calib_reader.h"
#include "ferry_calib.h"
#include "ferry_clock.h"
#include "ferry_copy_driver.h"

/* Memory from EAL is aligned to this, so that no page of it holds other
 * data. */
#define MEM_ALIGN 4096

/* A lane counts as hung only after it was waited for so long, for one job. */
#define PATIENCE_NS UINT64_C(2000000)

/* One calibration. */
struct work {
	struct ferry_lane *const *lanes;
	unsigned int n;
	const struct ferry_calib_options *options;
	struct ferry_calib *calib;
	struct calib_rig rig;
	/* When the calibration must be over. */
	uint64_t end;
	/* The rig's memory was taken from EAL for this calibration. No other
	 * code uses it. */
	bool own;
	/* A hung lane may still write to the rig's memory. */
	bool spoilt;
	/* Lanes that reported themselves that they may still write to it. */
	bool unsafe[FERRY_CALIB_LANES];
};

static uint64_t
monotonic(void *arg)
{
	RTE_SET_USED(arg);
	return ferry_clock_ns();
}

static bool
is_sync(const struct ferry_lane *lane)
{
	return (lane->info.flags & FERRY_LANE_SYNC) != 0;
}

static bool
arguments_ok(struct ferry_lane *const *lanes, unsigned int n,
		const struct ferry_calib_options *options)
{
	unsigned int i;

	if (lanes == NULL || n == 0 || n > FERRY_CALIB_LANES)
		return false;
	for (i = 0; i < n; i++)
		if (lanes[i] == NULL || lanes[i]->inflight != 0)
			return false;
	if (options->given != NULL &&
			options->given->nb_lanes > FERRY_CALIB_LANES)
		return false;
	return options->mem == NULL ||
		(options->mem_len >= FERRY_CALIB_MEM_MIN &&
		 (uintptr_t)options->mem % MEM_ALIGN == 0);
}

static struct ferry_lane *
first_cpu(const struct work *work, char *kernels, size_t size)
{
	unsigned int i;

	for (i = 0; i < work->n; i++)
		if (ferry_lane_describe(work->lanes[i], kernels, size) >= 0)
			return work->lanes[i];
	return NULL;
}

/* Set the result to the lanes' seeds. */
static void
seed(struct work *work)
{
	struct ferry_calib *calib = work->calib;
	unsigned int i;

	calib_clear(calib);
	calib_machine(calib->machine, sizeof(calib->machine));
	first_cpu(work, calib->kernels, sizeof(calib->kernels));
	calib->nb_lanes = work->n;
	for (i = 0; i < work->n; i++) {
		struct ferry_calib_lane *known = &calib->lanes[i];

		memcpy(known->name, work->lanes[i]->info.name,
			sizeof(known->name));
		known->name[sizeof(known->name) - 1] = '\0';
		memcpy(known->cost, work->lanes[i]->cost, sizeof(known->cost));
	}
}

/* Take values that "to" does not know from "from". */
static void
merge_lane(struct ferry_calib_lane *to, const struct ferry_calib_lane *from)
{
	unsigned int place, heat;

	for (heat = 0; heat < FERRY_HEATS; heat++) {
		for (place = 0; place < FERRY_PLACES; place++) {
			if (to->source[place][heat] != FERRY_CALIB_SEED ||
					from->source[place][heat] ==
						FERRY_CALIB_SEED ||
					!calib_model_ok(
						&from->cost[place][heat]))
				continue;
			to->cost[place][heat] = from->cost[place][heat];
			to->source[place][heat] = from->source[place][heat];
		}
		if (to->even_source[heat] == FERRY_CALIB_SEED) {
			to->even[heat] = from->even[heat];
			to->even_source[heat] = from->even_source[heat];
		}
	}
	if (to->job_source == FERRY_CALIB_SEED) {
		to->job_ns = from->job_ns;
		to->batch_ns = from->batch_ns;
		to->job_source = from->job_source;
	}
}

static void
merge(struct ferry_calib *to, const struct ferry_calib *from)
{
	unsigned int i, j;

	for (i = 0; i < to->nb_lanes; i++)
		for (j = 0; j < from->nb_lanes; j++)
			if (strncmp(to->lanes[i].name, from->lanes[j].name,
					sizeof(to->lanes[i].name)) == 0)
				merge_lane(&to->lanes[i], &from->lanes[j]);
	if (to->demote_source == FERRY_CALIB_SEED) {
		to->demote = from->demote;
		to->demote_source = from->demote_source;
	}
}

static bool
differ(const char *a, const char *b)
{
	/* "-" means unknown. */
	return strcmp(a, b) != 0 && strcmp(a, "-") != 0 && strcmp(b, "-") != 0;
}

static int
load(struct work *work)
{
	struct ferry_calib *calib = work->calib;
	const char *path = work->options->load;
	struct ferry_calib file;
	int ret;

	if (path == NULL)
		return 0;
	ret = ferry_calib_load(path, &file);
	if (ret == -ENOENT)
		return 0;
	if (ret < 0) {
		memcpy(calib->why, file.why, sizeof(calib->why));
		return ret;
	}
	if (!work->options->force &&
			strcmp(file.machine, calib->machine) != 0) {
		calib_why(calib, "%.60s is of another machine: '%.80s'", path,
			file.machine);
		return -ESTALE;
	}
	if (!work->options->force && differ(file.kernels, calib->kernels)) {
		calib_why(calib, "%.60s is of other kernels: '%.64s'", path,
			file.kernels);
		return -ESTALE;
	}
	merge(calib, &file);
	return 0;
}

static bool
complete(const struct ferry_calib_lane *known)
{
	unsigned int i;

	for (i = 0; i < FERRY_PLACES * FERRY_HEATS; i++)
		if ((&known->source[0][0])[i] == FERRY_CALIB_SEED)
			return false;
	return known->job_source != FERRY_CALIB_SEED;
}

/* Get memory to measure with: the caller's, or as much as EAL has. */
static int
rig_memory(struct work *work)
{
	const struct ferry_calib_options *options = work->options;
	struct calib_rig *rig = &work->rig;
	size_t len;

	if (rig->mem != NULL && !work->spoilt)
		return 0;
	if (options->mem != NULL) {
		/* The caller gave only one piece of memory, and a hung lane may
		 * write to it. */
		if (work->spoilt)
			return -ENOMEM;
		rig->mem = options->mem;
		rig->len = RTE_MIN(options->mem_len, FERRY_CALIB_MEM);
	} else {
		rig->mem = NULL;
		for (len = FERRY_CALIB_MEM; rig->mem == NULL &&
				len >= FERRY_CALIB_MEM_MIN; len /= 2) {
			rig->mem = rte_malloc_socket("ferry_calib", len,
				MEM_ALIGN, options->socket);
			rig->len = len;
		}
		if (rig->mem == NULL)
			return -ENOMEM;
		work->own = true;
	}
	work->spoilt = false;
	calib_rig_warm(rig);
	return 0;
}

/* Set the deadline of the next lane. The time left is shared among "left"
 * lanes. */
static void
rig_deadline(struct work *work, unsigned int left)
{
	uint64_t now = calib_now(&work->rig);
	uint64_t share = now >= work->end ? 0 : (work->end - now) / left;
	uint64_t patience = RTE_MAX(share / 4, PATIENCE_NS);

	work->rig.deadline = now + share;
	work->rig.patience = patience;
	work->rig.last_start = share > patience ? now + share - patience : 0;
}

/* Measure lane i. left: how many lanes are left to measure, this one
 * included. */
static int
measure_lane(struct work *work, unsigned int i, unsigned int left)
{
	struct ferry_calib_lane *known = &work->calib->lanes[i];
	const struct ferry_calib_lane before = *known;
	struct ferry_lane *lane = work->lanes[i];
	const struct ferry_lane_stats stats = lane->stats;
	int ret = rig_memory(work);

	/* After a lane that hung, there may be no memory for other lanes. */
	if (ret < 0) {
		known->state = FERRY_CALIB_LATE;
		return ret;
	}
	rig_deadline(work, left);
	work->rig.unsafe = false;
	known->state = lane->info.max_job == 0 ? FERRY_CALIB_FAILED :
		calib_measure(&work->rig, lane, known);
	work->unsafe[i] = work->rig.unsafe;
	/* Restore the statistics, because the lane's user did not submit these
	 * jobs. */
	lane->stats = stats;
	if (known->state == FERRY_CALIB_FAILED ||
			known->state == FERRY_CALIB_HUNG) {
		enum ferry_calib_state state = known->state;

		*known = before;
		known->state = state;
	}
	if (known->state == FERRY_CALIB_HUNG) {
		known->held = work->own ? work->rig.mem : NULL;
		work->spoilt = true;
	}
	return 0;
}

/* Measure the values that are not known. Lanes that cannot hang come first. */
static int
measure(struct work *work)
{
	struct ferry_calib *calib = work->calib;
	unsigned int i, pass, left = 0;
	bool tried = false;

	for (i = 0; i < work->n; i++)
		left += !complete(&calib->lanes[i]);
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < work->n; i++) {
			int ret;

			if (is_sync(work->lanes[i]) != (pass == 0) ||
					complete(&calib->lanes[i]))
				continue;
			ret = measure_lane(work, i, left--);
			if (ret < 0 && !tried) {
				calib_why(calib,
					"no memory to measure with");
				return ret;
			}
			tried = true;
		}
	}
	return 0;
}

/* Poll the hung lanes once more. A lane that was only slow has answered by
 * now. */
static void
ask_again(struct work *work)
{
	unsigned int i;

	for (i = 0; i < work->n; i++) {
		struct ferry_calib_lane *known = &work->calib->lanes[i];
		void *held = known->held;

		if (known->state != FERRY_CALIB_HUNG || work->unsafe[i] ||
				!calib_drained(&work->rig, work->lanes[i]))
			continue;
		known->state = FERRY_CALIB_LATE;
		known->held = NULL;
		if (held != NULL && held == work->rig.mem)
			work->spoilt = false;
		else
			rte_free(held);
	}
}

static void
demote(struct work *work)
{
	enum ferry_calib_demote how = work->options->demote;
	struct ferry_calib *calib = work->calib;
	struct ferry_lane *lane;
	char kernels[64];
	bool able;
	unsigned int i;
	int ret;

	lane = first_cpu(work, kernels, sizeof(kernels));
	if (lane == NULL || how == FERRY_CALIB_DEMOTE_NEVER)
		return;
	able = ferry_lane_set_demote(lane, true) == 0;
	ferry_lane_set_demote(lane, false);
	if (calib->demote_source == FERRY_CALIB_SEED &&
			(able || how == FERRY_CALIB_DEMOTE_MEASURE) &&
			rig_memory(work) == 0) {
		rig_deadline(work, 1);
		ret = calib_reader(&work->rig, lane, work->options->reader,
			calib->read_ns);
		calib->demote = able && ret == 1;
		if (ret >= 0)
			calib->demote_source = FERRY_CALIB_MEASURED;
	}
	calib->demote = calib->demote && able;
	for (i = 0; i < work->n; i++)
		ferry_lane_set_demote(work->lanes[i], calib->demote);
}

/* Compute the break-evens with the first lane that is FERRY_LANE_SYNC. */
static void
evens(struct work *work)
{
	const struct ferry_calib_lane *cpu = NULL;
	unsigned int i, heat;

	for (i = 0; i < work->n && cpu == NULL; i++)
		if (is_sync(work->lanes[i]))
			cpu = &work->calib->lanes[i];
	if (cpu == NULL)
		return;
	for (i = 0; i < work->n; i++) {
		struct ferry_calib_lane *known = &work->calib->lanes[i];

		if (known == cpu || is_sync(work->lanes[i]) ||
				known->job_source == FERRY_CALIB_SEED)
			continue;
		for (heat = 0; heat < FERRY_HEATS; heat++) {
			const struct ferry_lane_model *own, *other;

			own = &cpu->cost[FERRY_PLACE_AUTO][heat];
			other = &known->cost[FERRY_PLACE_AUTO][heat];
			if (known->even_source[heat] != FERRY_CALIB_SEED ||
					known->source[FERRY_PLACE_AUTO][heat] ==
						FERRY_CALIB_SEED ||
					cpu->source[FERRY_PLACE_AUTO][heat] ==
						FERRY_CALIB_SEED)
				continue;
			ferry_calib_even(own, other, known->job_ns,
				known->batch_ns, &known->even[heat]);
			known->even_source[heat] = FERRY_CALIB_MEASURED;
		}
	}
}

/* Set the models of the lanes. */
static void
apply(struct work *work)
{
	unsigned int i, place, heat;

	for (i = 0; i < work->n; i++) {
		const struct ferry_calib_lane *known = &work->calib->lanes[i];
		struct ferry_lane *lane = work->lanes[i];

		/* ferry_lane_set_model() sets the models of all kinds. So set
		 * the model of each kind afterwards. */
		if (known->source[FERRY_PLACE_AUTO][FERRY_HEAT_COLD] !=
				FERRY_CALIB_SEED)
			ferry_lane_set_model(lane, &known->cost
				[FERRY_PLACE_AUTO][FERRY_HEAT_COLD]);
		for (place = 0; place < FERRY_PLACES; place++)
			for (heat = 0; heat < FERRY_HEATS; heat++)
				ferry_lane_set_cost(lane, place, heat,
					&known->cost[place][heat]);
	}
}

int
ferry_calibrate(struct ferry_lane *const *lanes, unsigned int n,
		const struct ferry_calib_options *options,
		struct ferry_calib *calib)
{
	static const struct ferry_calib_options none;
	struct work work = { .lanes = lanes, .n = n, .calib = calib };
	uint64_t start;
	int ret;

	if (calib == NULL)
		return -EINVAL;
	calib_clear(calib);
	work.options = options != NULL ? options : &none;
	if (!arguments_ok(lanes, n, work.options)) {
		calib_why(calib, "bad arguments");
		return -EINVAL;
	}
	work.rig.clock = work.options->clock != NULL ? work.options->clock :
		monotonic;
	work.rig.clock_arg = work.options->clock_arg;
	start = calib_now(&work.rig);
	work.end = start + (work.options->budget_ns != 0 ?
		work.options->budget_ns : FERRY_CALIB_BUDGET_NS);
	seed(&work);
	if (work.options->given != NULL)
		merge(calib, work.options->given);
	ret = load(&work);
	if (ret < 0)
		return ret;
	ret = measure(&work);
	if (ret == 0) {
		demote(&work);
		ask_again(&work);
		evens(&work);
		apply(&work);
	}
	if (work.own && !work.spoilt)
		rte_free(work.rig.mem);
	calib->took_ns = calib_now(&work.rig) - start;
	if (ret == 0 && work.options->save != NULL) {
		ret = ferry_calib_save(calib, work.options->save);
		if (ret < 0)
			calib_why(calib, "%.100s: %s", work.options->save,
				strerror(-ret));
	}
	return ret;
}
