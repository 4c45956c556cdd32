/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The copier with lanes that fail half-way, hang, are slow or report wrong
 * completions, and with a core that does not copy. Every test checks the copied
 * bytes.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_common.h>

#include "fake_lane.h"
#include "ferry_copier.h"
#include "ferry_lane.h"
#include "ferry_test.h"

static void
set_model(struct ferry_copier *c, unsigned int i, double t0_ns,
		double bytes_per_ns)
{
	const struct ferry_lane_model model = { t0_ns, bytes_per_ns };

	assert_int_equal(ferry_lane_set_model(c->lanes[i].lane, &model), 0);
}

/* When the core itself does not copy, no other lane can do its jobs. */
static void
test_cpu_broken(void **state)
{
	unsigned int how, devices;

	RTE_SET_USED(state);
	for (how = 0; how < 2; how++) {
		for (devices = 0; devices < 2; devices++) {
			struct fake cpu = fake_good(), dev = fake_good();
			struct burst b = burst_same(128, 4);
			struct ferry_copier c;

			start(&c);
			cpu.deaf = how == 0;
			cpu.broken = how == 1;
			cpu.t0_ns = 1e9;
			replace_cpu(&c, &cpu);
			/* The second job fails, so that the core is needed. */
			dev.fail_from = 1;
			dev.fail_to = 2;
			dev.lazy_polls = 3;
			if (devices)
				add_fake(&c, &dev);
			assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n),
				-EIO);
			/* Nothing is left in the device. */
			assert_int_equal(dev.nb, 0);
			assert_int_equal(devices ? dev.accepted : 4, 4);
			ferry_copier_fini(&c);
			burst_free(&b);
		}
	}
}

/* With devices: the core fails at a job of its own, theirs are waited for. */
static void
test_cpu_breaks_between(void **state)
{
	struct fake cpu = fake_good(), dev = fake_good();
	struct burst b = burst_same(128, 5);
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	cpu.broken = true;
	cpu.t0_ns = 1e9;
	replace_cpu(&c, &cpu);
	dev.no_reach = b.jobs[2].src;
	dev.no_reach_len = 1;
	dev.lazy_polls = 3;
	add_fake(&c, &dev);
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), -EIO);
	/* The core has its turn when the device has its jobs. */
	assert_int_equal(dev.accepted, 4);
	assert_int_equal(dev.nb, 0);
	ferry_copier_fini(&c);
	burst_free(&b);
}

/* What fails is finished by the core from the bytes known done. */
static void
test_error(void **state)
{
	static const uint64_t partial[] = { 0, 1, 777, 4095, 4096, 9999 };
	unsigned int i;

	RTE_SET_USED(state);
	for (i = 0; i < RTE_DIM(partial); i++) {
		uint64_t done = RTE_MIN(partial[i], UINT64_C(4096));
		struct fake dev = fake_good();
		struct ferry_copier c;

		start(&c);
		dev.fail_from = 3;
		dev.fail_to = 5;
		dev.fail_bytes = partial[i];
		dev.fail_status = i & 1 ? FERRY_COPY_E_ADDRESS :
			FERRY_COPY_E_DEVICE;
		add_fake(&c, &dev);
		copy_same(&c, 4096, 10);
		assert_int_equal(lane_bytes(&c, 0), 2 * (4096 - done));
		assert_int_equal(lane_errors(&c, 1), 2);
		assert_int_equal(c.lanes[1].health.errors, 0);
		assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_USED);
		ferry_copier_fini(&c);
	}
}

/* What was done for a device does not count as what the core has to do. */
static void
test_what_is_redone_is_no_backlog(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	dev.fail_from = 0;
	dev.fail_to = 1;
	dev.fail_bytes = 4096;
	dev.fail_status = FERRY_COPY_E_DEVICE;
	c.tune.policy.bulk_min = 8192;
	add_fake(&c, &dev);
	copy_mode(&c, 16384, 1, FERRY_MODE_EFFICIENCY);
	assert_int_equal(lane_errors(&c, 1), 1);
	assert_int_equal(c.lanes[0].bulk, 0);
	ferry_copier_fini(&c);
}

static void
test_quarantine(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	/* Its time is not over during this test. */
	c.tsc_hz *= 10000;
	dev.fail_from = 1;
	dev.fail_to = UINT32_MAX;
	add_fake(&c, &dev);
	/* One good, then seven bad ones, over several calls. */
	copy_same(&c, 128, 4);
	copy_same(&c, 128, 4);
	assert_int_equal(c.lanes[1].health.errors, 7);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_USED);
	/* A good one makes up for them. */
	dev.fail_from = 9;
	copy_same(&c, 128, 1);
	assert_int_equal(c.lanes[1].health.errors, 0);
	copy_same(&c, 128, 7);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_USED);
	/* The eighth in a row; what is in the lane by then is still taken. */
	copy_same(&c, 128, 5);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_QUARANTINED);
	assert_int_equal(dev.nb, 0);
	assert_int_equal(dev.accepted, 21);
	/* Left alone from now on, and not closed. */
	copy_same(&c, 128, 50);
	assert_int_equal(dev.accepted, 21);
	assert_int_equal(dev.closes, 0);
	assert_int_equal(ferry_copier_lane(&c, 1)->drv == &fake_driver, true);
	ferry_copier_fini(&c);
	assert_int_equal(dev.closes, 1);
}

/* Quarantined in the middle of a burst: the other lanes carry on. */
static void
test_quarantine_midway(void **state)
{
	struct fake bad = fake_good(), good = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	bad.fail_to = UINT32_MAX;
	bad.depth = 4;
	good.depth = 4;
	good.bytes_per_ns = FAST / 2;
	add_fake(&c, &bad);
	add_fake(&c, &good);
	copy_same(&c, 1024, 200);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_QUARANTINED);
	assert_int_equal(c.nb_open, 3);
	assert_int_equal(bad.accepted, 8);
	assert_true(good.accepted > 100);
	ferry_copier_fini(&c);
}

/* A batch aborted for one bad job is one error; a lane that aborts all is not
 * let off for ever.
 */
static void
test_aborted(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;
	unsigned int i;

	RTE_SET_USED(state);
	start(&c);
	c.tune.policy.flush_ns = UINT64_MAX;
	dev.fail_status = FERRY_COPY_E_ABORTED;
	dev.fail_to = UINT32_MAX;
	add_fake(&c, &dev);
	for (i = 1; i < FERRY_HEALTH_MAX_ERRORS; i++) {
		copy_mode(&c, 128, 32, FERRY_MODE_THROUGHPUT);
		assert_int_equal(c.lanes[1].health.errors, i);
		assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_USED);
	}
	copy_mode(&c, 128, 32, FERRY_MODE_THROUGHPUT);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_QUARANTINED);
	assert_int_equal(lane_errors(&c, 1), 32 * FERRY_HEALTH_MAX_ERRORS);
	ferry_copier_fini(&c);

	/* A good job between two aborted ones: not the same batch. */
	dev.accepted = 0;
	dev.fail_odd = true;
	start(&c);
	c.tune.policy.flush_ns = UINT64_MAX;
	add_fake(&c, &dev);
	copy_mode(&c, 128, 32, FERRY_MODE_THROUGHPUT);
	assert_int_equal(c.lanes[1].health.errors, 1);
	ferry_copier_fini(&c);
}

/* A lane that hangs is closed before anybody touches what it may write. */
static void
test_hang(void **state)
{
	struct fake dev = fake_good(), other = fake_good();
	struct ferry_copier c;
	uint32_t accepted;
	uint64_t t0;

	RTE_SET_USED(state);
	start(&c);
	dev.hang_from = 2;
	dev.hang_to = UINT32_MAX;
	dev.max_job = 5000;
	other.bytes_per_ns = FAST / 3;
	add_fake(&c, &dev);
	add_fake(&c, &other);
	t0 = fake_now_ns;
	copy_same(&c, 29952, 5);
	/* A second, as promised. */
	assert_in_range(fake_now_ns - t0, FAKE_HZ, FAKE_HZ + FAKE_HZ / 100);
	assert_int_equal(dev.closes, 1);
	assert_int_equal(other.closes, 0);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_DROPPED);
	assert_int_equal(c.lanes[2].health.state, FERRY_HEALTH_USED);
	/* What it was and did can still be read. */
	assert_string_equal(ferry_lane_info(ferry_copier_lane(&c, 1))->name,
		"fake");
	assert_int_equal(lane_bytes(&c, 1), 9984);
	assert_int_equal(lane_errors(&c, 1), dev.accepted - 2);
	assert_int_equal(lane_bytes(&c, 0) + lane_bytes(&c, 1) +
		lane_bytes(&c, 2), 5 * 29952);

	/* It is not asked again, nor closed twice. */
	t0 = fake_now_ns;
	accepted = dev.accepted;
	copy_same(&c, 1024, 100);
	assert_in_range(fake_now_ns - t0, 0, FAKE_HZ / 100);
	assert_int_equal(dev.accepted, accepted);
	ferry_copier_fini(&c);
	assert_int_equal(dev.closes, 1);
	assert_int_equal(other.closes, 1);
}

/*
 * What passes while the thread sleeps does not count, however long it is; but
 * after sixteen looks in vain it does as far as it goes.
 */
static void
test_pause_is_not_hung(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	c.tune.hang_grace_ns = 10e6;
	dev.lazy_polls = 15;
	dev.pause_ns = 30000000;
	dev.pause_from = 2;
	dev.pause_to = 16;
	add_fake(&c, &dev);
	copy_same(&c, 128, 4);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_USED);
	assert_int_equal(dev.closes, 0);
	/* The same between completions: each begins a wait of its own. */
	dev.one_by_one = true;
	dev.lazy_ns = 1;
	dev.pause_to = dev.polls + 8;
	copy_same(&c, 128, 8);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_USED);

	dev.hang_to = UINT32_MAX;
	dev.pause_to = UINT32_MAX;
	dev.polls = 1;
	copy_same(&c, 128, 4);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_DROPPED);
	/* One look begins the wait, sixteen end it. */
	assert_int_equal(dev.polls, 1 + 1 + FERRY_WATCH_LOOKS);
	ferry_copier_fini(&c);
}

/* The only device: then the core alone is left, on its quick path. */
static void
test_hang_last(void **state)
{
	struct fake cpu = fake_good(), dev = fake_good();
	struct ferry_copier c;
	uint32_t polls;

	RTE_SET_USED(state);
	start(&c);
	cpu.t0_ns = 1e9;
	replace_cpu(&c, &cpu);
	c.tsc_hz /= 100;
	dev.hang_to = UINT32_MAX;
	add_fake(&c, &dev);
	copy_same(&c, 3072, 200);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_DROPPED);
	assert_int_equal(c.nb_open, 1);
	assert_int_equal(lane_bytes(&c, 0), 614400);
	polls = dev.polls;
	assert_int_equal(cpu.longest_queue, 1);
	copy_same(&c, 3072, 200);
	assert_int_equal(dev.polls, polls);
	/* The whole burst at once. */
	assert_int_equal(cpu.longest_queue, 200);
	ferry_copier_fini(&c);
}

/* Hangs while in quarantine. */
static void
test_hang_quarantined(void **state)
{
	struct fake dev = fake_good(), other = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	c.tsc_hz /= 100;
	dev.fail_to = 8;
	dev.hang_from = 8;
	dev.hang_to = UINT32_MAX;
	other.bytes_per_ns = FAST / 1000;
	add_fake(&c, &dev);
	add_fake(&c, &other);
	copy_same(&c, 128, 20);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_DROPPED);
	assert_int_equal(c.nb_open, 2);
	assert_int_equal(dev.closes, 1);
	ferry_copier_fini(&c);
}

/* Time is measured from the last sign of life, and by the lane's own model. */
static void
test_slow_is_not_hung(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;
	uint64_t hz;

	RTE_SET_USED(state);
	start(&c);
	hz = c.tsc_hz;
	/* A second is 10 ms now, and the predicted 0.2 s are 2 ms. */
	c.tsc_hz = hz / 100;
	dev.t0_ns = 2e8;
	dev.lazy_ns = 100000000;
	add_fake(&c, &dev);
	/* 10 ms and 100 times 2 ms allow for 100 ms. */
	copy_same(&c, 1024, 3);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_USED);
	/* As do 100 times 3 predicted bytes. */
	set_model(&c, 1, 0, 3000 / 2e8);
	copy_same(&c, 1024, 3);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_USED);
	/* 10 ms do not. */
	set_model(&c, 1, 0, FAST);
	copy_same(&c, 1024, 3);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_DROPPED);
	ferry_copier_fini(&c);
}

/* A lane that was waited for and then got more to do has time for that, too. */
static void
test_more_time_for_more(void **state)
{
	static const uint64_t lens[] = { 64, 3072 };
	struct fake dev = fake_good();
	struct ferry_copy_done done[2];
	struct ferry_copier c;
	uint16_t got = 0;
	struct burst b;

	RTE_SET_USED(state);
	start(&c);
	/* A second is 10 ms. */
	c.tsc_hz /= 100;
	dev.bytes_per_ns = 3000 / 2e8;
	dev.lazy_ns = 100000000;
	add_fake(&c, &dev);
	b = burst_make(lens, RTE_DIM(lens));
	assert_int_equal(ferry_copier_submit(&c, &b.jobs[0], 1), 1);
	assert_int_equal(ferry_copier_poll(&c, done, 2), 0);
	assert_int_equal(ferry_copier_submit(&c, &b.jobs[1], 1), 1);
	while (got < 2)
		got += ferry_copier_poll(&c, done, 2);
	burst_check(&b);
	assert_int_equal(dev.accepted, 2);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_USED);
	burst_free(&b);
	ferry_copier_fini(&c);
}

/* Each completion starts the clock again. */
static void
test_progress(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	/* A second is 30 ms now; the device needs 20 for each of five jobs. */
	c.tsc_hz = c.tsc_hz * 3 / 100;
	dev.lazy_ns = 20000000;
	dev.one_by_one = true;
	add_fake(&c, &dev);
	copy_same(&c, 1024, 5);
	assert_int_equal(dev.accepted, 5);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_USED);
	ferry_copier_fini(&c);
}

/* A model that makes no sense still ends in a deadline. */
static void
test_absurd_model(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	dev.t0_ns = 1e300;
	dev.bytes_per_ns = 1e-300;
	dev.lazy_polls = 3;
	set_model(&c, 0, 1e308, SLOW);
	add_fake(&c, &dev);
	copy_same(&c, 1024, 3);
	assert_int_equal(dev.accepted, 3);
	ferry_copier_fini(&c);
}

/* A completion of a job that its lane does not have under way completes
 * nothing. */
static void
test_lies(void **state)
{
	static const uint64_t lies[] = {
		/* Out of range; free; already completed; another lane's. */
		256, UINT64_MAX, 255, 0, 1,
	};
	unsigned int i;

	RTE_SET_USED(state);
	for (i = 0; i < RTE_DIM(lies); i++) {
		struct fake liar = fake_good(), honest = fake_good();
		struct ferry_copier c;

		start(&c);
		liar.lies = true;
		liar.lie = lies[i];
		honest.lazy_polls = 10;
		add_fake(&c, &liar);
		add_fake(&c, &honest);
		/* Two: an early end would leave the honest one's undone. */
		copy_same(&c, 1024, 2);
		copy_same(&c, 1024, 18);
		assert_int_equal(liar.accepted, 10);
		assert_int_equal(honest.nb, 0);
		assert_int_equal(lane_bytes(&c, 0), 0);
		ferry_copier_fini(&c);
	}
}

/* Everything at once, at random. */
static void
test_storm(void **state)
{
	uint64_t seed = 42;
	unsigned int round;

	RTE_SET_USED(state);
	for (round = 0; round < 300; round++) {
		struct fake fakes[4];
		struct ferry_copier c;
		uint64_t lens[40], sum = 0;
		struct burst b;
		unsigned int i, call;

		start(&c);
		c.tsc_hz /= 1000;
		set_model(&c, 0, 100, 10);
		for (i = 0; i < RTE_DIM(fakes); i++) {
			struct fake *f = &fakes[i];

			*f = fake_good();
			f->depth = 1 + (uint32_t)(
				ferry_test_random(&seed) % 40);
			f->max_job = 64 + ferry_test_random(&seed) % 9000;
			f->bytes_per_ns = 1 + (double)(
				ferry_test_random(&seed) % 50);
			f->reverse = ferry_test_random(&seed) & 1;
			f->lazy_polls = (uint32_t)(
				ferry_test_random(&seed) % 5);
			f->fail_from = (uint32_t)(
				ferry_test_random(&seed) % 100);
			f->fail_to = f->fail_from + (uint32_t)(
				ferry_test_random(&seed) % 12);
			f->fail_bytes = ferry_test_random(&seed) % 500;
			f->fail_status = FERRY_COPY_E_ADDRESS + (
				enum ferry_copy_status)(
				ferry_test_random(&seed) % 3);
			if (ferry_test_random(&seed) % 8 == 0) {
				f->hang_from = (uint32_t)(
					ferry_test_random(&seed) % 50);
				f->hang_to = f->hang_from + 3;
			}
			add_fake(&c, f);
		}
		for (call = 0; call < 3; call++) {
			uint64_t before = sum;

			for (i = 0; i < RTE_DIM(lens); i++)
				lens[i] = ferry_test_random(&seed) %
					(i % 8 == 0 ? 100000 : 2000);
			b = burst_make(lens, RTE_DIM(lens));
			assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
			burst_check(&b);
			for (sum = 0, i = 0; i < c.nb_lanes; i++)
				sum += lane_bytes(&c, i);
			/* Partly done jobs are counted by the core only. */
			assert_true(sum <= before + b.total);
			assert_true(sum + 500 * lane_errors(&c, 1) +
				500 * lane_errors(&c, 2) +
				500 * lane_errors(&c, 3) +
				500 * lane_errors(&c, 4) >= b.total);
			burst_free(&b);
			for (i = 0; i < RTE_DIM(fakes); i++)
				assert_int_equal(fakes[i].nb, 0);
		}
		ferry_copier_fini(&c);
		for (i = 0; i < RTE_DIM(fakes); i++)
			assert_int_equal(fakes[i].closes, 1);
	}
}

/* Given up by its owner: as if it had been silent for too long. */
static void
test_drop(void **state)
{
	const uint64_t lens[] = { 1000, 4000, 70000 };
	struct ferry_copier_stats stats;
	struct fake dev = fake_good();
	struct ferry_copy_done done[4];
	struct ferry_copier c;
	struct burst b;
	uint16_t n = 0;

	(void)state;
	start(&c);
	dev.hang_to = UINT32_MAX;
	add_fake(&c, &dev);
	assert_int_equal(ferry_copier_drop(&c, 0), -EINVAL);
	assert_int_equal(ferry_copier_drop(&c, 2), -EINVAL);
	assert_int_equal(ferry_copier_drop(NULL, 1), -EINVAL);
	b = burst_make(lens, 3);
	assert_int_equal(ferry_copier_submit(&c, b.jobs, 3), 3);
	assert_int_equal(ferry_copier_poll(&c, done, 4), 0);
	assert_true(dev.nb > 0);
	assert_int_equal(ferry_copier_drop(&c, 1), 0);
	assert_int_equal(dev.closes, 1);
	assert_int_equal(ferry_copier_drop(&c, 1), -EINVAL);
	while (ferry_copier_inflight(&c) > 0)
		n += ferry_copier_poll(&c, done, 4);
	assert_int_equal(n, 3);
	burst_check(&b);
	ferry_copier_stats(&c, &stats);
	assert_int_equal(stats.drops, 1);
	assert_true(stats.redone_bytes > 0);
	burst_free(&b);
	ferry_copier_fini(&c);
	assert_int_equal(dev.closes, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_broken),
		cmocka_unit_test(test_cpu_breaks_between),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_what_is_redone_is_no_backlog),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_quarantine_midway),
		cmocka_unit_test(test_aborted),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_hang),
		cmocka_unit_test(test_pause_is_not_hung),
		cmocka_unit_test(test_hang_last),
		cmocka_unit_test(test_hang_quarantined),
		cmocka_unit_test(test_slow_is_not_hung),
		cmocka_unit_test(test_more_time_for_more),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_absurd_model),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests_name("copier_faults", tests, NULL, NULL);
}
