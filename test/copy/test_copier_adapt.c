/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The copier over time: lanes fail and recover, or become slower and quicker
 * again; and the copier finds out which lane is best for copies of latency
 * mode.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_common.h>

#include "copier_work.h"
#include "fake_lane.h"
#include "ferry_copier.h"
#include "ferry_lane.h"

#define LEN UINT64_C(65536)

static const struct ferry_lane_model core_model = {
	.t0_ns = 20, .bytes_per_ns = 10,
};

/*
 * With everything on that needs a clock, and a core that takes as long as its
 * model says.
 */
static void
start_adaptive(struct ferry_copier *c, struct fake *cpu)
{
	start(c);
	*cpu = fake_good();
	cpu->byte_ns = 1 / core_model.bytes_per_ns;
	replace_cpu(c, cpu);
	assert_int_equal(ferry_lane_set_model(c->lanes[0].lane, &core_model),
		0);
	c->tune.learn = true;
}

static struct ferry_copier_stats
stats_of(const struct ferry_copier *c)
{
	struct ferry_copier_stats stats;

	ferry_copier_stats(c, &stats);
	return stats;
}

/* Copy until a condition holds, for 20 seconds of the tests' clock at most. */
#define copy_until(c, b, cond) do { \
	uint64_t end_ = fake_now_ns + 20 * FAKE_HZ; \
	while (!(cond)) { \
		assert_int_equal(ferry_copier_copy(c, (b)->jobs, (b)->n), 0); \
		assert_true(fake_now_ns < end_); \
	} \
} while (0)

static void
test_quarantine_and_return_are_counted(void **state)
{
	struct burst b = burst_same(1024, 12);
	struct fake dev = fake_good();
	struct ferry_copier c;
	uint32_t accepted;

	RTE_SET_USED(state);
	start(&c);
	/* 100 ms are one. */
	c.tsc_hz /= 100;
	dev.fail_to = UINT32_MAX;
	add_fake(&c, &dev);
	copy_until(&c, &b, c.lanes[1].health.state ==
		FERRY_HEALTH_QUARANTINED);
	assert_int_equal(stats_of(&c).quarantines, 1);
	assert_int_equal(stats_of(&c).redone_bytes, 12 * 1024);
	/* Tried with one job, which fails, and another time, and again. */
	accepted = dev.accepted;
	copy_until(&c, &b, stats_of(&c).quarantines == 4);
	assert_int_equal(stats_of(&c).probations, 3);
	assert_int_equal(dev.accepted, accepted + 3);
	assert_int_equal(dev.longest_queue, 12);
	assert_int_equal(stats_of(&c).returns, 0);
	/* Until it works. */
	dev.fail_to = 0;
	copy_until(&c, &b, c.lanes[1].health.state == FERRY_HEALTH_USED);
	assert_int_equal(stats_of(&c).probations, 4);
	assert_int_equal(stats_of(&c).returns, 1);
	accepted = dev.accepted;
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	assert_int_equal(dev.accepted, accepted + 12);
	burst_check(&b);
	ferry_copier_fini(&c);
	burst_free(&b);
}

/* The copier does not wait for a lane on probation that does not answer. */
static void
test_probation_holds_nobody_up(void **state)
{
	struct burst b = burst_same(4096, 30);
	struct fake dev = fake_good();
	struct ferry_copy_done done[32];
	struct ferry_copier c;
	uint16_t i, got = 0;
	uint64_t end;

	RTE_SET_USED(state);
	start(&c);
	dev.hang_to = UINT32_MAX;
	add_fake(&c, &dev);
	c.lanes[1].health.state = FERRY_HEALTH_PROBATION;
	for (i = 0; i < b.n; i++) {
		b.jobs[i].mode = FERRY_MODE_EFFICIENCY;
		b.jobs[i].cookie = i;
	}
	assert_int_equal(ferry_copier_submit(&c, b.jobs, b.n), b.n);
	end = fake_now_ns + FAKE_HZ / 100;
	while (got < b.n - 1) {
		got += ferry_copier_poll(&c, done, 32);
		assert_true(fake_now_ns < end);
	}
	/* The first is in it, and comes when it was given up. */
	assert_int_equal(dev.accepted, 1);
	assert_int_equal(ferry_copier_poll(&c, done, 32), 0);
	c.tune.hang_grace_ns = 0;
	c.lanes[1].silent.limit = 0;
	while (got < b.n)
		got += ferry_copier_poll(&c, done, 32);
	assert_int_equal(c.lanes[1].health.state, FERRY_HEALTH_DROPPED);
	burst_check(&b);
	ferry_copier_fini(&c);
	burst_free(&b);
}

/* A model that promises too much is corrected, and then the core does it. */
static void
test_a_slow_lane_loses_jobs_and_comes_back(void **state)
{
	struct burst b = burst_same(LEN, 1);
	struct fake dev = fake_good(), cpu;
	struct ferry_copier c;
	uint64_t probes;
	uint32_t accepted;
	unsigned int i;

	RTE_SET_USED(state);
	start_adaptive(&c, &cpu);
	/* Each job whole. */
	c.tune.policy.share_min = UINT64_MAX;
	dev.t0_ns = 1000;
	dev.bytes_per_ns = 30;
	dev.lazy_ns = 1000000;
	add_fake(&c, &dev);
	for (i = 0; i < 100; i++)
		assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	/* A few dozen were enough. */
	assert_true(dev.accepted < 80);
	assert_true(lane_bytes(&c, 0) > 20 * LEN);
	/* It is asked now and then, at no great loss ... */
	accepted = dev.accepted;
	probes = stats_of(&c).probes;
	for (i = 0; i < 2000; i++)
		assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	assert_true(dev.accepted - accepted < 20);
	assert_int_equal(dev.accepted - accepted,
		stats_of(&c).probes - probes);
	/* ... and comes back when it is itself again. */
	dev.lazy_ns = 0;
	copy_until(&c, &b, dev.accepted > accepted + 300);
	assert_true(stats_of(&c).probes > probes);
	burst_check(&b);
	ferry_copier_fini(&c);
	burst_free(&b);
}

static void
test_nothing_is_learned_unless_asked(void **state)
{
	struct ferry_lane_model model;
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	dev.lazy_ns = 100000;
	add_fake(&c, &dev);
	copy_same(&c, LEN, 20);
	model = ferry_lane_cost(c.lanes[1].lane, FERRY_PLACE_AUTO,
		FERRY_HEAT_HOT);
	assert_true(model.t0_ns == 0 && model.bytes_per_ns == FAST);
	c.tune.learn = true;
	copy_same(&c, LEN, 20);
	model = ferry_lane_cost(c.lanes[1].lane, FERRY_PLACE_AUTO,
		FERRY_HEAT_HOT);
	assert_true(model.bytes_per_ns < FAST);
	/* Only of the kind of these jobs. */
	model = ferry_lane_cost(c.lanes[1].lane, FERRY_PLACE_MEMORY,
		FERRY_HEAT_HOT);
	assert_true(model.bytes_per_ns == FAST);
	model = ferry_lane_cost(c.lanes[1].lane, FERRY_PLACE_AUTO,
		FERRY_HEAT_COLD);
	assert_true(model.bytes_per_ns == FAST);
	ferry_copier_fini(&c);
}

/* Latency: a lane is believed when it was seen to be better, not before. */
static void
test_latency_stays_inline_with_a_bad_lane(void **state)
{
	struct burst b = burst_same(LEN, 1);
	struct fake dev = fake_good(), cpu;
	struct ferry_copier c;
	unsigned int i;

	RTE_SET_USED(state);
	start_adaptive(&c, &cpu);
	c.tune.route = true;
	/* Says it is the best, and takes a millisecond. */
	dev.lazy_ns = 1000000;
	add_fake(&c, &dev);
	for (i = 0; i < 5000; i++)
		assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	assert_true(dev.accepted < 10);
	assert_true(lane_bytes(&c, 0) >= 4990 * LEN);
	/* Other modes were not asked. */
	b.jobs[0].mode = FERRY_MODE_EFFICIENCY;
	dev.lazy_ns = 0;
	i = dev.accepted;
	assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	assert_int_equal(dev.accepted, i + 1);
	burst_check(&b);
	ferry_copier_fini(&c);
	burst_free(&b);
}

static void
test_latency_copies_go_to_a_better_lane(void **state)
{
	struct burst b = burst_same(LEN, 1);
	struct fake dev = fake_good(), cpu;
	struct ferry_copier c;
	unsigned int i;

	RTE_SET_USED(state);
	start_adaptive(&c, &cpu);
	c.tune.route = true;
	/* A core that takes a tenth of a millisecond. */
	cpu.lazy_ns = 100000;
	add_fake(&c, &dev);
	assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	assert_int_equal(dev.accepted, 0);
	for (i = 0; i < 5000 && dev.accepted < 1000; i++)
		assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	assert_int_equal(dev.accepted, 1000);
	burst_check(&b);
	/* What no lane could have begun with by then is not thought about. */
	dev.t0_ns = 1000;
	i = dev.accepted;
	burst_free(&b);
	assert_int_equal(ferry_lane_set_model(c.lanes[1].lane,
		&(struct ferry_lane_model) { 1000, 30 }), 0);
	b = burst_same(8000, 1);
	assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	burst_check(&b);
	assert_int_equal(dev.accepted, i);
	ferry_copier_fini(&c);
	burst_free(&b);
}

/* A thread that was away while it tried a lane tries it again. */
static void
test_a_pause_does_not_spoil_a_better_lane(void **state)
{
	struct burst b = burst_same(LEN, 1);
	struct fake dev = fake_good(), cpu;
	struct ferry_copier c;
	unsigned int i;

	RTE_SET_USED(state);
	start_adaptive(&c, &cpu);
	c.tune.route = true;
	cpu.lazy_ns = 100000;
	/* Looked at again after the pause. */
	dev.lazy_polls = 2;
	dev.pause_ns = 300000000;
	dev.pause_from = 1;
	dev.pause_to = 2;
	add_fake(&c, &dev);
	for (i = 0; i < 5000 && dev.accepted < 100; i++)
		assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	assert_int_equal(dev.accepted, 100);
	ferry_copier_fini(&c);
	burst_free(&b);
}

/* Nor does it hide for ever what a worse one takes. */
static void
test_a_pause_does_not_excuse_a_worse_lane(void **state)
{
	struct burst b = burst_same(LEN, 1);
	struct fake dev = fake_good(), cpu;
	struct ferry_copier c;
	unsigned int i;

	RTE_SET_USED(state);
	start_adaptive(&c, &cpu);
	c.tune.route = true;
	dev.lazy_polls = 2;
	dev.lazy_ns = 1000000;
	dev.pause_ns = 300000000;
	dev.pause_from = 1;
	dev.pause_to = 2;
	add_fake(&c, &dev);
	for (i = 0; i < 5000; i++)
		assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	assert_in_range(dev.accepted, 1, 20);
	ferry_copier_fini(&c);
	burst_free(&b);
}

/* A lane thought slow that is new, and a budget. */
static void
start_slow(struct ferry_copier *c, struct fake *dev, double budget_ns)
{
	static struct fake cpu;

	start_adaptive(c, &cpu);
	c->tune.policy.share_min = UINT64_MAX;
	dev->t0_ns = 1;
	dev->bytes_per_ns = 0.1;
	c->tune.policy.offload_min[FERRY_MODE_LATENCY] = 1024;
	add_fake(c, dev);
	c->work->probe_ns = budget_ns;
}

/* And nothing was heard of the lane for long. */
static void
start_probing(struct ferry_copier *c, struct fake *dev, double budget_ns)
{
	start_slow(c, dev, budget_ns);
	c->lanes[1].sampled = 0;
}

/* Predicted of a whole job of LEN: by the device, and by the core. */
#define SLOW_NS (1 + (double)LEN / 0.1)
#define CORE_NS (20 + (double)LEN / 10)

static bool
is_about(double x, double y)
{
	return x > y - 1 && x < y + 1;
}

/* A probe costs what it is predicted to lose, and must be affordable. */
static void
test_a_probe_is_paid_for(void **state)
{
	static const double budgets[] = {
		SLOW_NS - CORE_NS + 1, SLOW_NS - CORE_NS - 1, 5e6, 0, -1,
	};
	unsigned int i;

	RTE_SET_USED(state);
	for (i = 0; i < RTE_DIM(budgets); i++) {
		bool afford = budgets[i] > SLOW_NS - CORE_NS;
		struct burst b = burst_same(LEN, 1);
		struct fake dev = fake_good();
		struct ferry_copier c;

		start_probing(&c, &dev, budgets[i]);
		assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
		assert_int_equal(dev.accepted, afford);
		assert_int_equal(stats_of(&c).probes, afford);
		/* What the core copies earns a hundredth. */
		assert_true(is_about(c.work->probe_ns, afford ?
			budgets[i] - (SLOW_NS - CORE_NS) :
			budgets[i] + 0.01 * (double)LEN / 10));
		burst_check(&b);
		ferry_copier_fini(&c);
		burst_free(&b);
	}
}

/* Its model is as new as the lane, and believed for 100 ms. */
static void
test_a_new_lane_is_not_asked_at_once(void **state)
{
	struct burst b = burst_same(LEN, 1);
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	fake_now_ns += FAKE_HZ;
	start_slow(&c, &dev, 5e6);
	assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	assert_int_equal(stats_of(&c).probes, 0);
	fake_now_ns += FAKE_HZ / 10;
	assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	assert_int_equal(stats_of(&c).probes, 1);
	ferry_copier_fini(&c);
	burst_free(&b);
}

/* There is no saving up for a great many of them. */
static void
test_the_budget_is_bounded(void **state)
{
	struct burst b = burst_same(LEN, 1);
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start_probing(&c, &dev, 1e8 - 1);
	/* Heard of just now: 100 ms are 1000 s. */
	c.tsc_hz *= 10000;
	c.lanes[1].sampled = rte_rdtsc();
	assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	assert_int_equal(dev.accepted, 0);
	assert_true(c.work->probe_ns == 1e8);
	ferry_copier_fini(&c);
	burst_free(&b);
}

/* A lane that needs yet longer than predicted costs that, too. */
static void
test_a_probe_that_takes_longer_costs_more(void **state)
{
	struct burst b = burst_same(LEN, 1);
	unsigned int i, seen = 0;

	RTE_SET_USED(state);
	/* Not seen if this thread does not run meanwhile. */
	for (i = 0; i < 100 && seen == 0; i++) {
		struct fake dev = fake_good();
		struct ferry_copier c;

		start_probing(&c, &dev, 2e6);
		dev.lazy_ns = 4000000;
		assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
		assert_int_equal(dev.accepted, 1);
		seen += c.work->probe_ns < 0;
		ferry_copier_fini(&c);
	}
	assert_int_equal(seen, 1);
	burst_free(&b);
}

/* Nor does a pause use up what asking slow lanes may cost. */
static void
test_a_pause_is_not_lost_by_a_probe(void **state)
{
	struct burst b = burst_same(LEN, 1);
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start_probing(&c, &dev, 2e6);
	dev.lazy_polls = 1;
	dev.pause_ns = 200000000;
	dev.pause_from = 1;
	dev.pause_to = 2;
	assert_int_equal(ferry_copier_copy(&c, b.jobs, 1), 0);
	assert_int_equal(stats_of(&c).probes, 1);
	assert_int_equal(dev.accepted, 1);
	assert_true(c.work->probe_ns > 0 && c.work->probe_ns < 1.5e6);
	ferry_copier_fini(&c);
	burst_free(&b);
}

/* The core's own model is kept current, too. */
static void
test_the_core_learns_about_itself(void **state)
{
	struct ferry_lane_model wrong = { .t0_ns = 20, .bytes_per_ns = 0.5 };
	struct ferry_lane_model learned;
	struct fake dev = fake_good(), cpu;
	struct ferry_copier c;
	unsigned int i;

	RTE_SET_USED(state);
	start_adaptive(&c, &cpu);
	assert_int_equal(ferry_lane_set_model(c.lanes[0].lane, &wrong), 0);
	dev.no_reach_len = SIZE_MAX / 2;
	dev.no_reach = (const void *)(uintptr_t)1;
	add_fake(&c, &dev);
	for (i = 0; i < 100; i++)
		copy_mode(&c, LEN, 1, FERRY_MODE_THROUGHPUT);
	learned = ferry_lane_cost(c.lanes[0].lane, FERRY_PLACE_AUTO,
		FERRY_HEAT_HOT);
	assert_true(learned.bytes_per_ns > 0.9 * core_model.bytes_per_ns);
	assert_true(learned.bytes_per_ns < 1.1 * core_model.bytes_per_ns);
	ferry_copier_fini(&c);
}

static void
test_splits_are_counted(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	assert_int_equal(ferry_lane_set_model(c.lanes[0].lane, &core_model),
		0);
	dev.t0_ns = 1000;
	dev.bytes_per_ns = 30;
	add_fake(&c, &dev);
	/* Ragged ends are no splits. */
	copy_mode(&c, 100001, 3, FERRY_MODE_EFFICIENCY);
	assert_int_equal(stats_of(&c).splits, 0);
	copy_mode(&c, 100001, 1, FERRY_MODE_LATENCY);
	assert_int_equal(stats_of(&c).splits, 1);
	assert_true(lane_bytes(&c, 1) > 3 * 100000 + 60000);
	ferry_copier_fini(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quarantine_and_return_are_counted),
		cmocka_unit_test(test_probation_holds_nobody_up),
		cmocka_unit_test(test_a_slow_lane_loses_jobs_and_comes_back),
		cmocka_unit_test(test_nothing_is_learned_unless_asked),
		cmocka_unit_test(test_latency_stays_inline_with_a_bad_lane),
		cmocka_unit_test(test_latency_copies_go_to_a_better_lane),
		cmocka_unit_test(test_a_pause_does_not_spoil_a_better_lane),
		cmocka_unit_test(test_a_pause_does_not_excuse_a_worse_lane),
		cmocka_unit_test(test_a_probe_is_paid_for),
		cmocka_unit_test(test_a_new_lane_is_not_asked_at_once),
		cmocka_unit_test(test_the_budget_is_bounded),
		cmocka_unit_test(test_a_probe_that_takes_longer_costs_more),
		cmocka_unit_test(test_a_pause_is_not_lost_by_a_probe),
		cmocka_unit_test(test_the_core_learns_about_itself),
		cmocka_unit_test(test_splits_are_counted),
	};

	return cmocka_run_group_tests_name("copier_adapt", tests, NULL, NULL);
}
