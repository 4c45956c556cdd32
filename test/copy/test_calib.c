/* SPDX-License-Identifier: BSD-3-Clause */

/* Calibration of lanes whose costs are known. EAL is not running. */

#include <cpuid.h>
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "ferry_calib.h"
#include "ferry_lane.h"
#include "ferry_test.h"
#include "sim_lane.h"

/* Simulated time does not wait for anybody. */
#define BUDGET_NS UINT64_C(1000000000)
/* Of real time no test here needs more. */
#define BOUND_NS FERRY_TEST_HANG_NS

static struct ferry_calib calib;
static struct ferry_calib_options options;
static void *mem;

static int
setup(void **state)
{
	(void)state;
	sim_now = 1000;
	if (posix_memalign(&mem, 4096, FERRY_CALIB_MEM_MIN) != 0)
		return -1;
	options = (struct ferry_calib_options) {
		.budget_ns = BUDGET_NS,
		.mem = mem,
		.mem_len = FERRY_CALIB_MEM_MIN,
		.clock = sim_clock,
		.demote = FERRY_CALIB_DEMOTE_NEVER,
	};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(mem);
	return 0;
}

static void
assert_near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		fail_msg("%g is not %g +- %g", got, want, tolerance);
}

static void
assert_model(const struct ferry_lane *lane, enum ferry_placement place,
		enum ferry_heat heat, double t0_ns, double bytes_per_ns)
{
	struct ferry_lane_model model = ferry_lane_cost(lane, place, heat);

	/* The clock's own time may be in or out. */
	assert_near(model.t0_ns, t0_ns, 0.05 * t0_ns + 2 * SIM_LOOK);
	assert_near(model.bytes_per_ns, bytes_per_ns, 0.05 * bytes_per_ns);
}

static void
assert_seeds(const struct ferry_lane *lane)
{
	unsigned int i;

	for (i = 0; i < FERRY_PLACES * FERRY_HEATS; i++) {
		struct ferry_lane_model model = ferry_lane_cost(lane,
			i / FERRY_HEATS, i % FERRY_HEATS);

		assert_memory_equal(&model, &sim_seed, sizeof(model));
	}
}

static void
assert_source(const struct ferry_calib_lane *lane,
		enum ferry_calib_source source)
{
	unsigned int i;

	for (i = 0; i < FERRY_PLACES * FERRY_HEATS; i++)
		assert_int_equal(lane->source[i / FERRY_HEATS][i % FERRY_HEATS],
			source);
	assert_int_equal(lane->job_source, source);
}

static void
test_a_core_is_measured_by_placement(void **state)
{
	static const double bw[FERRY_PLACES] = { 20, 40, 10 };
	struct sim sim = sim_good("core", true, 50, 0);
	struct ferry_lane_stats stats;
	struct ferry_lane *lane;
	unsigned int i;

	(void)state;
	for (i = 0; i < FERRY_PLACES; i++)
		sim.model[i].bytes_per_ns = bw[i];
	lane = sim_open(&sim);
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), 0);
	assert_string_equal(calib.why, "");
	assert_int_equal(calib.nb_lanes, 1);
	assert_int_equal(calib.lanes[0].state, FERRY_CALIB_OK);
	assert_string_equal(calib.lanes[0].name, "core");
	assert_source(&calib.lanes[0], FERRY_CALIB_MEASURED);
	for (i = 0; i < FERRY_PLACES * FERRY_HEATS; i++)
		assert_model(lane, i / FERRY_HEATS, i % FERRY_HEATS, 50,
			bw[i / FERRY_HEATS]);
	assert_near(ferry_lane_model(lane).bytes_per_ns, 20, 1);
	/* The copies of the measurement do not count as jobs. */
	ferry_lane_stats(lane, &stats);
	assert_int_equal(stats.jobs, 0);
	assert_true(calib.took_ns < BUDGET_NS);
	ferry_lane_close(lane);
}

static void
test_a_device_is_measured_once_for_all_placements(void **state)
{
	struct sim sim = sim_good("device", false, 900, 30);
	struct ferry_lane *lane = sim_open(&sim);
	unsigned int i;

	(void)state;
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), 0);
	assert_source(&calib.lanes[0], FERRY_CALIB_MEASURED);
	for (i = 0; i < FERRY_PLACES * FERRY_HEATS; i++)
		assert_model(lane, i / FERRY_HEATS, i % FERRY_HEATS, 900, 30);
	/* It would only have counted them as misplaced. */
	assert_int_equal(sim.placed, 0);
	assert_int_equal(ferry_lane_inflight(lane), 0);
	/* There is nothing to compare with. */
	assert_int_equal(calib.lanes[0].even_source[0], FERRY_CALIB_SEED);
	ferry_lane_close(lane);
}

static void
test_outliers_do_not_matter(void **state)
{
	struct sim sim = sim_good("bumpy", true, 50, 20);
	struct ferry_lane *lane;

	(void)state;
	sim.bumpy = 97;
	lane = sim_open(&sim);
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), 0);
	assert_model(lane, FERRY_PLACE_CACHE, FERRY_HEAT_COLD, 50, 20);
	assert_model(lane, FERRY_PLACE_CACHE, FERRY_HEAT_HOT, 50, 20);
	ferry_lane_close(lane);
}

static void
test_a_lane_of_short_jobs_is_measured_with_these(void **state)
{
	struct sim sim = sim_good("short", false, 400, 10);
	struct ferry_lane *lane;

	(void)state;
	sim.max_job = 4096;
	sim.depth = 2;
	lane = sim_open(&sim);
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), 0);
	assert_int_equal(calib.lanes[0].state, FERRY_CALIB_OK);
	assert_model(lane, FERRY_PLACE_AUTO, FERRY_HEAT_HOT, 400, 10);
	ferry_lane_close(lane);
}

/* What short copies show of the bandwidth is not replaced by what long ones do,
 * though it takes as long to begin one. */
static void
test_a_bandwidth_that_shows_is_kept(void **state)
{
	struct sim sim = sim_good("bent", false, 10000, 10);
	struct ferry_lane *lane;

	(void)state;
	sim.bend = 65536;
	sim.beyond_bytes_per_ns = 5;
	lane = sim_open(&sim);
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), 0);
	assert_model(lane, FERRY_PLACE_AUTO, FERRY_HEAT_HOT, 10000, 10);
	assert_true(ferry_lane_cost(lane, FERRY_PLACE_AUTO,
		FERRY_HEAT_COLD).bytes_per_ns < 7);
	ferry_lane_close(lane);
}

/* They follow from the models, and from what a job costs the core. */
static void
test_break_evens_come_with_the_models(void **state)
{
	struct sim core = sim_good("core", true, 20, 10);
	struct sim device = sim_good("device", false, 1000, 30);
	struct ferry_lane *lanes[2];
	const struct ferry_calib_lane *known = &calib.lanes[1];

	(void)state;
	device.submit_ns = 100;
	device.poll_ns = 60;
	lanes[0] = sim_open(&core);
	lanes[1] = sim_open(&device);
	assert_int_equal(ferry_calibrate(lanes, 2, &options, &calib), 0);
	assert_near(known->job_ns, 160, 2 * SIM_LOOK);
	/* A poll may find less than all. */
	assert_in_range(known->batch_ns, 100, 160);
	assert_true(known->batch_ns < known->job_ns);
	assert_int_equal(known->even_source[FERRY_HEAT_COLD],
		FERRY_CALIB_MEASURED);
	/* 1000 and 160 more, at 1/10 - 1/30 ns for each byte. */
	assert_in_range(known->even[FERRY_HEAT_COLD].sync, 15000, 20000);
	assert_in_range(known->even[FERRY_HEAT_COLD].async, 900, 1900);
	assert_true(known->even[FERRY_HEAT_COLD].batch <=
		known->even[FERRY_HEAT_COLD].async);
	assert_int_equal(calib.lanes[0].even_source[FERRY_HEAT_COLD],
		FERRY_CALIB_SEED);
	ferry_lane_close(lanes[0]);
	ferry_lane_close(lanes[1]);
}

/* A lane that goes wrong in some way, with a good one behind it. */
static void
beside_a_bad_one(struct sim bad, enum ferry_calib_state state)
{
	struct sim core = sim_good("core", true, 20, 10);
	struct sim good = sim_good("good", false, 700, 25);
	struct ferry_lane *lanes[3];
	uint64_t start = ferry_test_now_ns();

	bad.name = "bad";
	lanes[0] = sim_open(&bad);
	lanes[1] = sim_open(&good);
	lanes[2] = sim_open(&core);
	assert_int_equal(ferry_calibrate(lanes, 3, &options, &calib), 0);
	assert_int_equal(calib.lanes[0].state, state);
	assert_source(&calib.lanes[0], FERRY_CALIB_SEED);
	assert_seeds(lanes[0]);
	assert_null(calib.lanes[0].held);
	/* The core comes first, wherever it stands. */
	assert_int_equal(calib.lanes[2].state, FERRY_CALIB_OK);
	assert_model(lanes[2], FERRY_PLACE_AUTO, FERRY_HEAT_HOT, 20, 10);
	if (state == FERRY_CALIB_FAILED) {
		assert_int_equal(ferry_lane_inflight(lanes[0]), 0);
		assert_model(lanes[1], FERRY_PLACE_AUTO, FERRY_HEAT_HOT, 700,
			25);
	} else if (state == FERRY_CALIB_HUNG) {
		/* Its memory may yet be written to, and there is no other. */
		assert_int_equal(calib.lanes[1].state, FERRY_CALIB_LATE);
		assert_int_equal(good.jobs, 0);
	}
	assert_true(calib.took_ns < BUDGET_NS + BUDGET_NS / 10);
	assert_true(ferry_test_now_ns() - start < BOUND_NS);
	ferry_lane_close(lanes[0]);
	ferry_lane_close(lanes[1]);
	ferry_lane_close(lanes[2]);
}

static void
test_a_failing_lane_keeps_its_seeds(void **state)
{
	static const unsigned int when[] = { 1, 2, 50, 100 };
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(when); i++) {
		struct sim sim = sim_good("", false, 500, 20);

		sim.bad_from = when[i];
		sim.bad = FERRY_COPY_E_ADDRESS;
		beside_a_bad_one(sim, FERRY_CALIB_FAILED);
		sim.bad_from = 0;
		sim.refuse_from = when[i];
		beside_a_bad_one(sim, FERRY_CALIB_FAILED);
	}
}

static void
test_a_lane_that_has_failed_is_left_alone(void **state)
{
	struct sim sim = sim_good("bad", false, 500, 20);
	struct ferry_lane *lane;

	(void)state;
	sim.bad_from = 1;
	sim.bad = FERRY_COPY_E_DEVICE;
	lane = sim_open(&sim);
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), 0);
	assert_int_equal(calib.lanes[0].state, FERRY_CALIB_FAILED);
	assert_int_equal(sim.jobs, 1);
	ferry_lane_close(lane);
}

static void
test_a_core_that_refuses_keeps_its_seeds(void **state)
{
	struct sim sim = sim_good("core", true, 20, 10);
	struct ferry_lane *lane;

	(void)state;
	sim.refuse_from = 30;
	lane = sim_open(&sim);
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), 0);
	assert_int_equal(calib.lanes[0].state, FERRY_CALIB_FAILED);
	assert_seeds(lane);
	ferry_lane_close(lane);
}

static void
test_a_lane_that_takes_nothing_has_failed(void **state)
{
	struct sim sim = sim_good("", false, 500, 20);

	(void)state;
	sim.max_job = 0;
	beside_a_bad_one(sim, FERRY_CALIB_FAILED);
}

static void
test_a_hanging_lane_does_not_stop_the_rest(void **state)
{
	static const unsigned int when[] = { 1, 20, 100 };
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(when); i++) {
		struct sim sim = sim_good("", false, 500, 20);

		sim.poll_ns = 1000;
		sim.hang_from = when[i];
		beside_a_bad_one(sim, FERRY_CALIB_HUNG);
	}
}

/* A lane that did not answer while the process was stopped does not hang. */
static void
test_a_stop_is_no_hang(void **state)
{
	static const unsigned int when[] = { 1, 20, 100 };
	struct ferry_lane *lanes[2];
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(when); i++) {
		struct sim core = sim_good("core", true, 20, 10);
		struct sim device = sim_good("device", false, 1000, 30);

		device.stopped_in = when[i];
		lanes[0] = sim_open(&core);
		lanes[1] = sim_open(&device);
		assert_int_equal(ferry_calibrate(lanes, 2, &options, &calib),
			0);
		assert_int_equal(device.stopped_in, 0);
		/* The time is over, and the lane is as good as before. */
		assert_int_equal(calib.lanes[1].state, FERRY_CALIB_LATE);
		assert_null(calib.lanes[1].held);
		/* It was waited for, not found ready at the end. */
		assert_int_equal(device.jobs, when[i]);
		assert_int_equal(ferry_lane_inflight(lanes[1]), 0);
		ferry_lane_close(lanes[0]);
		ferry_lane_close(lanes[1]);
	}
}

/* The lane says itself that it may still write, and has no jobs any more. */
static void
test_an_unsafe_lane_counts_as_hung(void **state)
{
	struct sim sim = sim_good("", false, 500, 20);

	(void)state;
	sim.bad_from = 10;
	sim.bad = FERRY_COPY_E_UNSAFE;
	beside_a_bad_one(sim, FERRY_CALIB_HUNG);
}

static void
test_no_time_no_result(void **state)
{
	struct sim core = sim_good("core", true, 20, 10);
	struct sim device = sim_good("device", false, 1000, 30);
	struct ferry_lane *lanes[2];

	(void)state;
	lanes[0] = sim_open(&core);
	lanes[1] = sim_open(&device);
	options.budget_ns = 5000;
	assert_int_equal(ferry_calibrate(lanes, 2, &options, &calib), 0);
	assert_int_equal(calib.lanes[0].state, FERRY_CALIB_LATE);
	assert_int_equal(calib.lanes[1].state, FERRY_CALIB_LATE);
	assert_seeds(lanes[0]);
	assert_seeds(lanes[1]);
	assert_int_equal(ferry_lane_inflight(lanes[1]), 0);
	ferry_lane_close(lanes[0]);
	ferry_lane_close(lanes[1]);
}

/* What was given is taken, and costs no time. */
static void
test_given_values_win(void **state)
{
	static struct ferry_calib given;
	struct sim core = sim_good("core", true, 20, 10);
	struct sim device = sim_good("device", false, 1000, 30);
	struct ferry_lane *lanes[2];
	struct ferry_calib_lane *lane;
	unsigned int i;

	(void)state;
	memset(&given, 0, sizeof(given));
	given.nb_lanes = 2;
	strcpy(given.lanes[0].name, "somebody else");
	lane = &given.lanes[1];
	strcpy(lane->name, "device");
	for (i = 0; i < FERRY_PLACES * FERRY_HEATS; i++) {
		lane->cost[i / FERRY_HEATS][i % FERRY_HEATS] =
			(struct ferry_lane_model) { 10 + i, 5 };
		lane->source[i / FERRY_HEATS][i % FERRY_HEATS] =
			FERRY_CALIB_GIVEN;
	}
	lane->job_ns = 44;
	lane->batch_ns = 33;
	lane->job_source = FERRY_CALIB_GIVEN;
	lane->even[FERRY_HEAT_HOT].sync = 12345;
	lane->even_source[FERRY_HEAT_HOT] = FERRY_CALIB_GIVEN;
	options.given = &given;
	lanes[0] = sim_open(&core);
	lanes[1] = sim_open(&device);
	assert_int_equal(ferry_calibrate(lanes, 2, &options, &calib), 0);
	assert_int_equal(device.jobs, 0);
	lane = &calib.lanes[1];
	assert_source(lane, FERRY_CALIB_GIVEN);
	assert_int_equal(lane->state, FERRY_CALIB_OK);
	assert_int_equal(ferry_lane_cost(lanes[1], FERRY_PLACE_MEMORY,
		FERRY_HEAT_COLD).t0_ns, 15);
	assert_int_equal(lane->even[FERRY_HEAT_HOT].sync, 12345);
	/* The other is computed: (33 - 20) * 10. */
	assert_int_equal(lane->even_source[FERRY_HEAT_COLD],
		FERRY_CALIB_MEASURED);
	assert_in_range(lane->even[FERRY_HEAT_COLD].batch, 0, 400);
	assert_model(lanes[0], FERRY_PLACE_AUTO, FERRY_HEAT_HOT, 20, 10);

	/* One kind only: the others are measured. */
	memset(lane = &given.lanes[1], 0, sizeof(*lane));
	strcpy(lane->name, "device");
	lane->cost[FERRY_PLACE_CACHE][FERRY_HEAT_HOT].t0_ns = 1;
	lane->cost[FERRY_PLACE_CACHE][FERRY_HEAT_HOT].bytes_per_ns = 99;
	lane->source[FERRY_PLACE_CACHE][FERRY_HEAT_HOT] = FERRY_CALIB_GIVEN;
	/* No lane can have this one. */
	lane->source[FERRY_PLACE_AUTO][FERRY_HEAT_HOT] = FERRY_CALIB_GIVEN;
	assert_int_equal(ferry_calibrate(lanes, 2, &options, &calib), 0);
	assert_model(lanes[1], FERRY_PLACE_CACHE, FERRY_HEAT_HOT, 1, 99);
	assert_model(lanes[1], FERRY_PLACE_AUTO, FERRY_HEAT_HOT, 1000, 30);
	assert_int_equal(calib.lanes[1].source[FERRY_PLACE_AUTO]
		[FERRY_HEAT_HOT], FERRY_CALIB_MEASURED);
	assert_model(lanes[1], FERRY_PLACE_MEMORY, FERRY_HEAT_HOT, 1000, 30);
	ferry_lane_close(lanes[0]);
	ferry_lane_close(lanes[1]);
}

static void
test_bad_arguments(void **state)
{
	struct sim sim = sim_good("core", true, 20, 10);
	struct ferry_lane *lanes[2] = { sim_open(&sim), NULL };
	static struct ferry_calib given;
	uint64_t i;

	(void)state;
	assert_int_equal(ferry_calibrate(lanes, 1, &options, NULL), -EINVAL);
	assert_int_equal(ferry_calibrate(NULL, 1, &options, &calib), -EINVAL);
	assert_string_not_equal(calib.why, "");
	assert_int_equal(ferry_calibrate(lanes, 0, &options, &calib), -EINVAL);
	assert_int_equal(ferry_calibrate(lanes, 2, &options, &calib), -EINVAL);
	assert_int_equal(ferry_calibrate(lanes, FERRY_CALIB_LANES + 1,
		&options, &calib), -EINVAL);
	options.mem_len--;
	assert_int_equal(ferry_calibrate(lanes, 1, &options, &calib), -EINVAL);
	options.mem_len++;
	options.mem = (char *)mem + 64;
	assert_int_equal(ferry_calibrate(lanes, 1, &options, &calib), -EINVAL);
	options.mem = mem;
	assert_int_equal(sim.jobs, 0);
	given.nb_lanes = FERRY_CALIB_LANES + 1;
	options.given = &given;
	assert_int_equal(ferry_calibrate(lanes, 1, &options, &calib), -EINVAL);
	given.nb_lanes = FERRY_CALIB_LANES;
	assert_int_equal(ferry_calibrate(lanes, 1, &options, &calib), 0);
	options.given = NULL;
	i = sim.jobs;
	lanes[0]->inflight = 1;
	assert_int_equal(ferry_calibrate(lanes, 1, &options, &calib), -EINVAL);
	lanes[0]->inflight = 0;
	assert_int_equal(sim.jobs, i);
	assert_int_equal(ferry_calibrate(lanes, 1, &options, &calib), 0);
	ferry_lane_close(lanes[0]);
}

/* All words that the CPU says of itself, a space between them. */
static void
check_machine(void)
{
	unsigned int regs[13] = { 0 }, i;
	char want[128] = "", *word, *save;

	for (i = 0; i < 3; i++)
		if (__get_cpuid(0x80000002 + i, &regs[4 * i], &regs[4 * i + 1],
				&regs[4 * i + 2], &regs[4 * i + 3]) == 0)
			regs[0] = 0;
	for (word = strtok_r((char *)regs, " ", &save); word != NULL;
			word = strtok_r(NULL, " ", &save)) {
		strcat(want, word);
		strcat(want, " ");
	}
	if (want[0] == '\0')
		strcpy(want, "x86-64 ");
	strcat(want, "(");
	assert_int_equal(strncmp(calib.machine, want, strlen(want)), 0);
}

/* This machine's own core, by a real clock. */
static void
test_the_real_core_in_time(void **state)
{
	struct ferry_lane *lane = NULL;
	uint64_t start = ferry_test_now_ns();
	struct ferry_lane_model hot;
	char kernels[64];

	(void)state;
	options.clock = NULL;
	options.budget_ns = 0;
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_cpu(), NULL,
		SOCKET_ID_ANY), 0);
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), 0);
	assert_true(ferry_test_now_ns() - start < BOUND_NS);
	assert_true(calib.took_ns > 0);
	check_machine();
	ferry_lane_describe(lane, kernels, sizeof(kernels));
	assert_string_equal(calib.kernels, kernels);
	hot = ferry_lane_cost(lane, FERRY_PLACE_CACHE, FERRY_HEAT_HOT);
	assert_true(calib.lanes[0].state != FERRY_CALIB_OK ||
		(hot.bytes_per_ns > 0.1 && hot.bytes_per_ns < 10000));
	assert_int_equal(calib.demote_source, FERRY_CALIB_SEED);
	ferry_lane_close(lane);
}

/* In front of the C library's: where threads are made to run. */
static cpu_set_t thread_cpus;

int
pthread_attr_setaffinity_np(pthread_attr_t *attr, size_t size,
		const cpu_set_t *cpus)
{
	int (*next)(pthread_attr_t *, size_t, const cpu_set_t *);

	*(void **)&next = dlsym(RTLD_NEXT, "pthread_attr_setaffinity_np");
	assert_non_null(next);
	if (size <= sizeof(thread_cpus))
		memcpy(&thread_cpus, cpus, size);
	return next(attr, size, cpus);
}

/* -1: unknown. */
static int
topology(int cpu, const char *what)
{
	char path[96];
	int value = -1;
	FILE *f;

	snprintf(path, sizeof(path),
		"/sys/devices/system/cpu/cpu%d/topology/%s", cpu, what);
	f = fopen(path, "r");
	if (f == NULL)
		return -1;
	if (fscanf(f, "%d", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

/* Stay on one CPU, and find another one, of another core if there is one:
 * whether it is. */
static bool
find_reader(int *reader)
{
	cpu_set_t all, one;
	bool found = false;
	int cpu, here = -1;

	*reader = -1;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	for (cpu = 0; cpu < CPU_SETSIZE && !found; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		if (here < 0) {
			here = cpu;
			continue;
		}
		*reader = cpu;
		found = topology(cpu, "core_id") >= 0 &&
			topology(cpu, "physical_package_id") >= 0 &&
			(topology(cpu, "core_id") !=
			 topology(here, "core_id") ||
			 topology(cpu, "physical_package_id") !=
			 topology(here, "physical_package_id"));
	}
	CPU_ZERO(&one);
	CPU_SET(here, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	return found;
}

/* Measured also where the CPU cannot; then it is not used. */
static void
test_demoting_is_measured_with_a_reader(void **state)
{
	struct ferry_lane *lane = NULL;
	cpu_set_t before;
	bool able, other;
	int reader, i;

	(void)state;
	if (ferry_test_cpus() < 2) {
		print_message("skipped: one CPU, and so no other reader\n");
		skip();
	}
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_cpu(), NULL,
		SOCKET_ID_ANY), 0);
	able = ferry_lane_set_demote(lane, true) == 0;
	options.clock = NULL;
	/* Under a busy machine the reader may have to wait for its turn. */
	options.budget_ns = UINT64_C(10000000000);
	options.demote = FERRY_CALIB_DEMOTE_MEASURE;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	other = find_reader(&reader);
	/* Any CPU that the caller names, but only another core by itself. */
	for (i = 0; i < 1 + other; i++) {
		options.reader = i == 0 ? (unsigned int)reader + 1 : 0;
		assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib),
			0);
		/* The copier's own CPU is none to read with. */
		assert_int_equal(CPU_COUNT(&thread_cpus), 1);
		assert_false(CPU_ISSET(sched_getcpu(), &thread_cpus));
		assert_int_equal(calib.demote_source, FERRY_CALIB_MEASURED);
		assert_true(calib.read_ns[0] > 0);
		assert_true(calib.read_ns[1] > 0);
		if (!able)
			assert_false(calib.demote);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	/* No time for it. */
	options.reader = (unsigned int)reader + 1;
	options.budget_ns = 1;
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), 0);
	assert_int_equal(calib.demote_source, FERRY_CALIB_SEED);
	options.budget_ns = UINT64_C(10000000000);
	/* A reader that cannot be. */
	options.reader = 1000000;
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), 0);
	assert_int_equal(calib.demote_source, FERRY_CALIB_SEED);
	assert_false(calib.demote);
	ferry_lane_close(lane);
}

static void
test_the_table_says_it_all(void **state)
{
	struct sim core = sim_good("core", true, 20, 10);
	struct sim slow = sim_good("slow device", false, 1000, 5);
	struct sim bad = sim_good("bad device", false, 1000, 5);
	struct ferry_lane *lanes[3];
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	(void)state;
	bad.bad_from = 1;
	bad.bad = FERRY_COPY_E_DEVICE;
	lanes[0] = sim_open(&core);
	lanes[1] = sim_open(&slow);
	lanes[2] = sim_open(&bad);
	assert_int_equal(ferry_calibrate(lanes, 3, &options, &calib), 0);
	calib.took_ns = 12345678;
	calib.demote = true;
	calib.demote_source = FERRY_CALIB_GIVEN;
	calib.lanes[0].cost[0][FERRY_HEAT_HOT] =
		(struct ferry_lane_model) { 20, 10 };
	calib.lanes[0].cost[0][FERRY_HEAT_COLD] =
		(struct ferry_lane_model) { 30, 4.5 };
	calib.lanes[0].source[0][FERRY_HEAT_HOT] = FERRY_CALIB_MEASURED;
	calib.lanes[0].source[0][FERRY_HEAT_COLD] = FERRY_CALIB_GIVEN;
	calib.lanes[0].cost[1][FERRY_HEAT_HOT] =
		calib.lanes[0].cost[1][FERRY_HEAT_COLD] =
		(struct ferry_lane_model) { 7, 1 };
	calib.lanes[0].source[1][FERRY_HEAT_HOT] =
		calib.lanes[0].source[1][FERRY_HEAT_COLD] = FERRY_CALIB_LOADED;
	f = open_memstream(&text, &size);
	assert_non_null(f);
	assert_int_equal(ferry_calib_print(&calib, f), 0);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(text, calib.machine));
	assert_non_null(strstr(text, ", 12.3 ms\n"));
	assert_non_null(strstr(text, "core"));
	assert_non_null(strstr(text, "slow device"));
	assert_non_null(strstr(text, "\ndemote: on (given)\n"));
	assert_non_null(strstr(text, "failed"));
	assert_non_null(strstr(text, "never"));
	assert_non_null(strstr(text, "memory"));
	assert_non_null(strstr(text, "        20     10.0  "
		"        30      4.5  measured, given\n"));
	assert_non_null(strstr(text, "         7      1.0  "
		"         7      1.0  loaded\n"));
	free(text);

	f = fopen("/dev/full", "w");
	if (f != NULL) {
		setbuf(f, NULL);
		assert_int_equal(ferry_calib_print(&calib, f), -EIO);
		fclose(f);
	}
	assert_int_equal(ferry_calib_print(NULL, stdout), -EINVAL);
	assert_int_equal(ferry_calib_print(&calib, NULL), -EINVAL);
	ferry_lane_close(lanes[0]);
	ferry_lane_close(lanes[1]);
	ferry_lane_close(lanes[2]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_core_is_measured_by_placement),
		TEST(test_a_device_is_measured_once_for_all_placements),
		TEST(test_outliers_do_not_matter),
		TEST(test_a_lane_of_short_jobs_is_measured_with_these),
		TEST(test_a_bandwidth_that_shows_is_kept),
		TEST(test_break_evens_come_with_the_models),
		TEST(test_a_failing_lane_keeps_its_seeds),
		TEST(test_a_lane_that_has_failed_is_left_alone),
		TEST(test_a_core_that_refuses_keeps_its_seeds),
		TEST(test_a_lane_that_takes_nothing_has_failed),
		TEST(test_a_hanging_lane_does_not_stop_the_rest),
		TEST(test_a_stop_is_no_hang),
		TEST(test_an_unsafe_lane_counts_as_hung),
		TEST(test_no_time_no_result),
		TEST(test_given_values_win),
		TEST(test_bad_arguments),
		TEST(test_the_real_core_in_time),
		TEST(test_demoting_is_measured_with_a_reader),
		TEST(test_the_table_says_it_all),
	};

	return cmocka_run_group_tests_name("calib", tests, NULL, NULL);
}
