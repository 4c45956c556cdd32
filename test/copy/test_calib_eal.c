/* SPDX-License-Identifier: BSD-3-Clause */

/* Calibration with EAL's memory, and of a DMA device. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "fake_dma.h"
#include "ferry_calib.h"
#include "ferry_lane.h"
#include "ferry_test.h"
#include "sim_lane.h"

#define DEV 0
#define BUDGET_NS UINT64_C(1000000000)
/* Far more than a calibration takes on any machine. */
#define BOUND_NS FERRY_TEST_HANG_NS

static struct ferry_calib calib;

/* Pieces of EAL's memory in use. */
static unsigned int
pieces(void)
{
	struct rte_malloc_socket_stats stats;

	assert_int_equal(rte_malloc_get_socket_stats(0, &stats), 0);
	return stats.alloc_count;
}

static void
test_core_and_device(void **state)
{
	const struct ferry_copy_dmadev_config config = { .dev_id = DEV };
	const struct ferry_calib_options options = {
		.socket = SOCKET_ID_ANY,
		/* Others may use the CPUs, too. */
		.budget_ns = BUDGET_NS,
	};
	struct ferry_lane *lanes[2] = { NULL, NULL };
	struct ferry_lane_stats stats;
	uint64_t start;
	unsigned int before;

	(void)state;
	ferry_test_need_eal();
	fake_dma_skeleton_start(DEV, 256);
	assert_int_equal(ferry_lane_open(&lanes[0], ferry_copy_cpu(), NULL,
		SOCKET_ID_ANY), 0);
	assert_int_equal(ferry_lane_open(&lanes[1], ferry_copy_dmadev(),
		&config, SOCKET_ID_ANY), 0);
	before = pieces();
	start = ferry_test_now_ns();
	assert_int_equal(ferry_calibrate(lanes, 2, &options, &calib), 0);
	assert_true(ferry_test_now_ns() - start < BOUND_NS);
	assert_int_equal(pieces(), before);
	assert_string_equal(calib.lanes[1].name, "dmadev:dma_skeleton0/0");
	/* A machine too busy for this may be late, but nothing worse. */
	assert_true(calib.lanes[0].state <= FERRY_CALIB_LATE);
	assert_true(calib.lanes[1].state <= FERRY_CALIB_LATE);
	if (calib.lanes[0].state == FERRY_CALIB_OK &&
			calib.lanes[1].state == FERRY_CALIB_OK) {
		assert_true(calib.lanes[1].job_ns > 0);
		assert_int_equal(calib.lanes[1].even_source[FERRY_HEAT_HOT],
			FERRY_CALIB_MEASURED);
	}
	ferry_lane_stats(lanes[1], &stats);
	assert_int_equal(stats.jobs + stats.errors + stats.misplaced, 0);
	assert_int_equal(ferry_lane_close(lanes[0]), 0);
	assert_int_equal(ferry_lane_close(lanes[1]), 0);
}

static const struct ferry_calib_options simulated = {
	.budget_ns = BUDGET_NS,
	.socket = SOCKET_ID_ANY,
	.clock = sim_clock,
};

/* What a hung lane may write is kept from everybody, and others go on. */
static void
test_memory_of_a_hung_lane_is_kept(void **state)
{
	struct sim hung = sim_good("hung", false, 500, 20);
	struct sim good = sim_good("good", false, 500, 20);
	struct ferry_lane *lanes[2];
	unsigned int before, i;
	const char *held;
	char *dst;

	(void)state;
	ferry_test_need_eal();
	hung.hang_from = 40;
	hung.poll_ns = 1000;
	lanes[0] = sim_open(&hung);
	lanes[1] = sim_open(&good);
	before = pieces();
	assert_int_equal(ferry_calibrate(lanes, 2, &simulated, &calib), 0);
	assert_int_equal(calib.lanes[0].state, FERRY_CALIB_HUNG);
	assert_int_equal(calib.lanes[1].state, FERRY_CALIB_OK);
	assert_null(calib.lanes[1].held);
	held = calib.lanes[0].held;
	assert_non_null(held);
	assert_int_equal(pieces(), before + 1);
	/* It is what the lane has jobs in. */
	assert_true(hung.nb > 0);
	for (i = 0; i < hung.nb; i++) {
		dst = hung.q[i].job.dst;
		assert_true(dst >= held && dst + hung.q[i].job.len <=
			held + FERRY_CALIB_MEM);
	}
	ferry_lane_close(lanes[0]);
	ferry_lane_close(lanes[1]);
	rte_free(calib.lanes[0].held);
	assert_int_equal(pieces(), before);
}

/* Nothing for its whole time, but then all: it need not be closed. */
static void
test_a_slow_lane_is_only_late(void **state)
{
	struct sim slow = sim_good("slow", false, 500, 20);
	struct sim good = sim_good("good", false, 500, 20);
	struct ferry_lane *lanes[2];
	unsigned int before;

	(void)state;
	ferry_test_need_eal();
	sim_now = 0;
	slow.hang_from = 40;
	slow.poll_ns = 1000;
	/* It has the first half of the time. */
	slow.wakes_ns = 0.5001 * (double)BUDGET_NS;
	lanes[0] = sim_open(&slow);
	lanes[1] = sim_open(&good);
	before = pieces();
	assert_int_equal(ferry_calibrate(lanes, 2, &simulated, &calib), 0);
	assert_int_equal(calib.lanes[0].state, FERRY_CALIB_LATE);
	assert_int_equal(calib.lanes[1].state, FERRY_CALIB_OK);
	assert_null(calib.lanes[0].held);
	assert_int_equal(ferry_lane_inflight(lanes[0]), 0);
	assert_int_equal(pieces(), before);
	ferry_lane_close(lanes[0]);
	ferry_lane_close(lanes[1]);
}

/* The last lane hangs: the memory in use is the memory that is kept. */
static void
test_all_lanes_hang(void **state)
{
	struct sim sims[3];
	struct ferry_lane *lanes[RTE_DIM(sims)];
	unsigned int before, i;

	(void)state;
	ferry_test_need_eal();
	for (i = 0; i < RTE_DIM(sims); i++) {
		sims[i] = sim_good("hung", false, 500, 20);
		sims[i].poll_ns = 1000;
		sims[i].hang_from = 1 + 40 * i;
		lanes[i] = sim_open(&sims[i]);
	}
	before = pieces();
	assert_int_equal(ferry_calibrate(lanes, RTE_DIM(lanes), &simulated,
		&calib), 0);
	assert_int_equal(pieces(), before + RTE_DIM(lanes));
	for (i = 0; i < RTE_DIM(lanes); i++) {
		assert_int_equal(calib.lanes[i].state, FERRY_CALIB_HUNG);
		assert_non_null(calib.lanes[i].held);
		ferry_lane_close(lanes[i]);
		rte_free(calib.lanes[i].held);
	}
	assert_int_equal(pieces(), before);
}

static void
test_no_memory(void **state)
{
	struct ferry_calib_options options = simulated;
	struct sim sim = sim_good("core", true, 20, 10);
	struct ferry_lane *lane = sim_open(&sim);

	(void)state;
	ferry_test_need_eal();
	/* There is no such node. */
	options.socket = RTE_MAX_NUMA_NODES - 1;
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), -ENOMEM);
	assert_string_not_equal(calib.why, "");
	assert_int_equal(sim.jobs, 0);
	ferry_lane_close(lane);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_core_and_device),
		cmocka_unit_test(test_memory_of_a_hung_lane_is_kept),
		cmocka_unit_test(test_a_slow_lane_is_only_late),
		cmocka_unit_test(test_all_lanes_hang),
		cmocka_unit_test(test_no_memory),
	};

	if (ferry_test_eal_skip_reason() == NULL &&
			ferry_test_eal_start(NULL, "--vdev=dma_skeleton0",
				"--log-level=critical", NULL) != 0)
		return 1;
	return cmocka_run_group_tests_name("calib_eal", tests, NULL, NULL);
}
