/* SPDX-License-Identifier: BSD-3-Clause */

/* What ferry_lane.c and the inline calls do around a driver. */

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ferry_copy_driver.h"
#include "ferry_lane.h"

/* A driver that keeps notes, copies at once and holds up to 4 completions. */
#define DEPTH 4

struct fake {
	int open_result;
	int socket;
	unsigned int opened, closed, flushed;
	uint32_t queued;
	struct ferry_copy_done done[DEPTH];
};

static int
fake_open(struct ferry_lane *lane, const void *config, int socket)
{
	struct fake *fake = (struct fake *)(uintptr_t)config;

	/* Whatever the driver does not set is zero. */
	assert_int_equal(lane->info.max_job, 0);
	assert_int_equal(lane->stats.jobs, 0);
	assert_int_equal(lane->inflight, 0);
	assert_int_equal(lane->socket, socket);
	fake->socket = socket;
	fake->opened++;
	lane->priv = fake;
	strcpy(lane->info.name, "fake");
	lane->info.depth = DEPTH;
	lane->info.max_job = 100;
	lane->model = (struct ferry_lane_model) { 1, 2 };
	return fake->open_result;
}

static int
fake_close(struct ferry_lane *lane)
{
	((struct fake *)lane->priv)->closed++;
	return 0;
}

static uint16_t
fake_submit(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	struct fake *fake = lane->priv;
	uint16_t i;

	for (i = 0; i < n && fake->queued < DEPTH; i++) {
		fake->done[fake->queued++] = (struct ferry_copy_done) {
			.cookie = jobs[i].cookie,
			.bytes = jobs[i].len,
			.status = jobs[i].cookie == 13 ?
				FERRY_COPY_E_DEVICE : FERRY_COPY_OK,
		};
		ferry_lane_account_in(lane);
	}
	return i;
}

static void
fake_flush(struct ferry_lane *lane)
{
	((struct fake *)lane->priv)->flushed++;
}

static uint16_t
fake_poll(struct ferry_lane *lane, struct ferry_copy_done *done, uint16_t n)
{
	struct fake *fake = lane->priv;
	uint16_t i;

	for (i = 0; i < n && fake->queued > 0; i++) {
		done[i] = fake->done[--fake->queued];
		ferry_lane_account_out(lane, done[i].bytes, done[i].status);
	}
	return i;
}

static const struct ferry_copy_driver driver = {
	.name = "fake",
	.open = fake_open,
	.close = fake_close,
	.submit = fake_submit,
	.flush = fake_flush,
	.poll = fake_poll,
};

static void
test_open_close(void **state)
{
	struct ferry_lane *lane = NULL;
	struct fake fake = { 0 };

	(void)state;
	assert_int_equal(ferry_lane_open(&lane, &driver, &fake, 3), 0);
	assert_non_null(lane);
	assert_int_equal(fake.opened, 1);
	assert_int_equal(fake.socket, 3);
	assert_ptr_equal(lane->drv, &driver);
	assert_string_equal(ferry_lane_info(lane)->name, "fake");
	assert_int_equal(ferry_lane_info(lane)->max_job, 100);
	ferry_lane_close(lane);
	assert_int_equal(fake.closed, 1);
	ferry_lane_close(NULL);
}

static void
test_open_bad(void **state)
{
	struct ferry_lane *const none = (struct ferry_lane *)&driver;
	struct ferry_lane *lane = none;
	struct fake fake = { .open_result = -EBUSY };

	(void)state;
	assert_int_equal(ferry_lane_open(NULL, &driver, &fake, 0), -EINVAL);
	assert_int_equal(ferry_lane_open(&lane, NULL, &fake, 0), -EINVAL);
	assert_int_equal(fake.opened, 0);
	assert_int_equal(ferry_lane_open(&lane, &driver, &fake, 0), -EBUSY);
	assert_int_equal(fake.opened, 1);
	assert_int_equal(fake.closed, 0);
	/* A failure leaves the caller's pointer alone. */
	assert_ptr_equal(lane, none);
}

static void
test_model(void **state)
{
	static const struct ferry_lane_model bad[] = {
		{ -1, 1 }, { NAN, 1 }, { INFINITY, 1 }, { -INFINITY, 1 },
		{ 1, 0 }, { 1, -1 }, { 1, NAN }, { 1, INFINITY },
	};
	const struct ferry_lane_model good = { 0, 1e-3 };
	struct ferry_lane *lane;
	struct fake fake = { 0 };
	unsigned int i;

	(void)state;
	assert_int_equal(ferry_lane_open(&lane, &driver, &fake, 0), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ferry_lane_set_model(lane, &bad[i]), -EINVAL);
	assert_int_equal(ferry_lane_set_model(lane, NULL), -EINVAL);
	assert_int_equal(ferry_lane_set_model(NULL, &good), -EINVAL);
	assert_true(ferry_lane_model(lane).t0_ns == 1);
	assert_true(ferry_lane_model(lane).bytes_per_ns == 2);
	assert_int_equal(ferry_lane_set_model(lane, &good), 0);
	assert_true(ferry_lane_model(lane).t0_ns == 0);
	assert_true(ferry_lane_model(lane).bytes_per_ns == 1e-3);
	ferry_lane_close(lane);
}

static void
test_each_kind_of_copy_has_its_cost(void **state)
{
	const struct ferry_lane_model all = { 100, 2 }, one = { 7, 3 };
	const struct ferry_lane_model bad = { 7, 0 };
	struct ferry_lane_model model;
	struct fake fake = { 0 };
	struct ferry_lane *lane;
	unsigned int place, heat;

	(void)state;
	assert_int_equal(ferry_lane_open(&lane, &driver, &fake, 0), 0);
	assert_int_equal(ferry_lane_set_model(lane, &all), 0);
	assert_int_equal(ferry_lane_set_cost(lane, FERRY_PLACE_AUTO,
		FERRY_HEAT_COLD, &one), 0);
	assert_int_equal(ferry_lane_set_cost(NULL, FERRY_PLACE_AUTO,
		FERRY_HEAT_COLD, &all), -EINVAL);
	assert_int_equal(ferry_lane_set_cost(lane, FERRY_PLACE_AUTO,
		FERRY_HEAT_COLD, NULL), -EINVAL);
	assert_int_equal(ferry_lane_set_cost(lane, FERRY_PLACE_AUTO,
		FERRY_HEAT_COLD, &bad), -EINVAL);
	assert_int_equal(ferry_lane_set_cost(lane, FERRY_PLACES,
		FERRY_HEAT_COLD, &all), -EINVAL);
	assert_int_equal(ferry_lane_set_cost(lane, FERRY_PLACE_AUTO,
		FERRY_HEATS, &all), -EINVAL);
	for (place = 0; place < FERRY_PLACES; place++)
	for (heat = 0; heat < FERRY_HEATS; heat++) {
		model = ferry_lane_cost(lane, place, heat);
		assert_true(model.t0_ns == (place == FERRY_PLACE_AUTO &&
			heat == FERRY_HEAT_COLD ? one.t0_ns : all.t0_ns));
	}
	/* What is asked for all is so for each. */
	assert_int_equal(ferry_lane_set_model(lane, &all), 0);
	model = ferry_lane_cost(lane, FERRY_PLACE_AUTO, FERRY_HEAT_COLD);
	assert_true(model.bytes_per_ns == all.bytes_per_ns);
	ferry_lane_close(lane);
}

static void
test_accounts(void **state)
{
	const struct ferry_copy_job jobs[] = {
		{ .len = 10, .cookie = 11 }, { .len = 0, .cookie = 12 },
		{ .len = 30, .cookie = 13 }, { .len = 40, .cookie = 14 },
		{ .len = 50, .cookie = 15 }, { .len = 60, .cookie = 16 },
	};
	struct ferry_copy_done done[DEPTH];
	struct ferry_lane_stats stats;
	struct ferry_lane *lane;
	struct fake fake = { 0 };

	(void)state;
	assert_int_equal(ferry_lane_open(&lane, &driver, &fake, 0), 0);
	assert_int_equal(ferry_lane_submit(lane, jobs, 6), 4);
	assert_int_equal(ferry_lane_inflight(lane), 4);
	assert_int_equal(ferry_lane_submit(lane, jobs, 0), 0);
	ferry_lane_flush(lane);
	assert_int_equal(fake.flushed, 1);

	assert_int_equal(ferry_lane_poll(lane, done, 0), 0);
	assert_int_equal(ferry_lane_poll(lane, done, 1), 1);
	assert_int_equal(done[0].cookie, 14);
	assert_int_equal(ferry_lane_inflight(lane), 3);
	assert_int_equal(ferry_lane_poll(lane, done, DEPTH), 3);
	assert_int_equal(ferry_lane_poll(lane, done, DEPTH), 0);
	assert_int_equal(ferry_lane_inflight(lane), 0);

	ferry_lane_stats(lane, &stats);
	assert_int_equal(stats.jobs, 3);
	assert_int_equal(stats.bytes, 50);
	assert_int_equal(stats.errors, 1);
	assert_int_equal(stats.refused, 2);
	assert_int_equal(stats.misplaced, 0);
	ferry_lane_close(lane);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_close),
		cmocka_unit_test(test_open_bad),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_each_kind_of_copy_has_its_cost),
		cmocka_unit_test(test_accounts),
	};

	return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
