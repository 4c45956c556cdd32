/* SPDX-License-Identifier: BSD-3-Clause */

/* How much each lane of an engine copies: slow devices, and devices of several
 * kinds. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_common.h>

#include "ferry_copier.h"
#include "ferry_test.h"
#include "fleet.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define PATIENT 20000

static void
start(struct fleet *f, const char *dma, enum ferry_mode mode, uint32_t len)
{
	const struct fleet_config config = {
		.channels = 1,
		.engines = 1,
		.dma = { dma },
		.mode = { mode },
		.len = len,
		.patience_ms = PATIENT,
	};

	fleet_start(f, &config);
}

/* The device takes 5 ms for what the core copies in a fraction of one. */
static void
in_throughput_mode_the_core_helps_a_slow_device(void **state)
{
	static struct fleet f;

	(void)state;
	rig_begin();
	fleet_set("gbps=0.2");
	start(&f, "wq0.0", FERRY_MODE_THROUGHPUT, MIB);
	fleet_until(&f, fleet_lane(&f, 0, "wq").bytes > MIB);
	fleet_until(&f, fleet_lane(&f, 0, "cpu").bytes > 16 * MIB);
	/* Slow, but neither wrong nor hung. */
	assert_int_equal(fleet_lane(&f, 0, "wq").errors, 0);
	assert_int_equal(fleet_copier(&f, 0).drops, 0);
	assert_int_equal(fleet_copier(&f, 0).redone_bytes, 0);
	assert_true(fleet_copier(&f, 0).splits > 0);
	fleet_stop(&f);
}

static void
in_efficiency_mode_the_core_does_not_help(void **state)
{
	uint64_t core, device;
	static struct fleet f;

	(void)state;
	rig_begin();
	fleet_set("gbps=0.5");
	start(&f, "wq0.0", FERRY_MODE_EFFICIENCY, MIB);
	core = fleet_lane(&f, 0, "cpu").bytes;
	device = fleet_lane(&f, 0, "wq").bytes;
	assert_true(fleet_flow(&f, 20));
	assert_int_equal(fleet_lane(&f, 0, "cpu").bytes, core);
	assert_true(fleet_lane(&f, 0, "wq").bytes - device >= 10 * MIB);
	fleet_stop(&f);
}

static void
in_latency_mode_a_slow_device_is_left_alone(void **state)
{
	const uint32_t len = 256 * KIB, n = 400;
	static struct fleet f;
	uint64_t before, by_device = UINT64_MAX;
	unsigned int i;

	(void)state;
	rig_begin();
	fleet_set("gbps=0.2");
	start(&f, "wq0.0", FERRY_MODE_LATENCY, len);
	assert_true(fleet_flow(&f, 400));
	before = fleet_lane(&f, 0, "wq").bytes;
	/*
	 * Time to find out. On a busy machine the core may be slow as well, but
	 * not each time.
	 */
	for (i = 0; i < 20 && by_device >= (uint64_t)n * len / 5; i++) {
		assert_true(fleet_flow(&f, n));
		by_device = fleet_lane(&f, 0, "wq").bytes - before;
		before += by_device;
	}
	/* Now and then it is tried again. */
	assert_true(by_device < (uint64_t)n * len / 5);
	fleet_stop(&f);
}

static void
devices_of_two_kinds_share_what_is_bulk(void **state)
{
	static struct fleet f;

	(void)state;
	rig_begin();
	start(&f, "dma_skeleton0,wq0.0", FERRY_MODE_THROUGHPUT, MIB);
	fleet_until(&f, fleet_lane(&f, 0, "dma_skeleton0").bytes > 8 * MIB);
	fleet_until(&f, fleet_lane(&f, 0, "wq0.0").bytes > 8 * MIB);
	assert_true(rig_grown(0, bytes) > 8 * MIB);
	assert_int_equal(fleet_open(&f, 0), 3);
	fleet_stop(&f);
}

static void
when_one_of_two_kinds_hangs_the_other_goes_on(void **state)
{
	static struct fleet f;
	uint64_t before;

	(void)state;
	rig_begin();
	start(&f, "dma_skeleton0,wq0.0", FERRY_MODE_EFFICIENCY, MIB);
	fleet_until(&f, fleet_lane(&f, 0, "wq0.0").bytes > MIB);
	{
		struct ferry_copier_tune tune =
			ferry_engine_copier(f.engines[0])->tune;

		tune.hang_grace_ns = 100e6;
		assert_int_equal(ferry_engine_tune(f.engines[0], &tune), 0);
	}
	fleet_set("hang=1");
	fleet_until(&f, fleet_copier(&f, 0).drops == 1);
	fleet_until(&f, fleet_copier(&f, 0).redone_bytes > 0);
	before = fleet_lane(&f, 0, "dma_skeleton0").bytes;
	fleet_until(&f, fleet_lane(&f, 0, "dma_skeleton0").bytes >
		before + 16 * MIB);
	assert_int_equal(fleet_lane(&f, 0, "dma_skeleton0").errors, 0);
	assert_int_equal(fleet_open(&f, 0), 2);
	fleet_stop(&f);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, \
	fleet_setup, fleet_teardown)
	const struct CMUnitTest tests[] = {
		TEST(in_throughput_mode_the_core_helps_a_slow_device),
		TEST(in_efficiency_mode_the_core_does_not_help),
		TEST(in_latency_mode_a_slow_device_is_left_alone),
		TEST(devices_of_two_kinds_share_what_is_bulk),
		TEST(when_one_of_two_kinds_hangs_the_other_goes_on),
	};

	return cmocka_run_group_tests_name("engine_share", tests,
		fleet_group_setup, NULL);
}
