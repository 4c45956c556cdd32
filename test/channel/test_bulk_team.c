/* SPDX-License-Identifier: BSD-3-Clause */

/* Which participants copy bulk messages: what a channel learns from made-up
 * times. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_common.h>

#include "ferry_bulk_team.h"
#include "ferry_bulk_layout.h"
#include "ferry_test.h"

#define BOTH (FERRY_BULK_TX | FERRY_BULK_RX)
#define ALL (BOTH | FERRY_BULK_ENGINE)
#define LEN (UINT64_C(1) << 20)

/* A made-up world: what a byte takes each team, in ticks. */
struct world {
	struct bulk_team team;
	uint64_t now;
	double both;
	double tx;
	double rx;
	double all;
	double engine;
	/* One in so many messages is late by this factor; 0: none. */
	uint32_t late_every;
	double late;
	uint64_t seed;
	/* Messages of each team; ticks in all. */
	uint32_t by[16];
	double ticks;
};

static double
cost_of(const struct world *w, uint32_t by)
{
	switch (by) {
	case BOTH:
		return w->both;
	case FERRY_BULK_TX:
		return w->tx;
	case FERRY_BULK_RX:
		return w->rx;
	case ALL:
		return w->all;
	default:
		assert_int_equal(by, FERRY_BULK_ENGINE);
		return w->engine;
	}
}

static void
pass(struct world *w, uint32_t n, uint64_t len, bool stream, bool engine)
{
	uint32_t i, by;
	double ticks;

	for (i = 0; i < RTE_DIM(w->by); i++)
		w->by[i] = 0;
	w->ticks = 0;
	for (i = 0; i < n; i++) {
		by = bulk_team_choose(&w->team, len, stream, engine);
		ticks = cost_of(w, by) * (double)len;
		if (w->late_every != 0 && ferry_test_random(&w->seed) %
				w->late_every == 0)
			ticks *= w->late;
		w->by[by]++;
		w->ticks += ticks;
		w->now += (uint64_t)ticks;
		/* In a stream it was sent long before. */
		bulk_team_learn(&w->team, len, by, stream ? 0 : w->now -
			(uint64_t)ticks, w->now, stream);
	}
}

static struct world
world_make(double both, double tx, double rx)
{
	struct world w = {
		.both = both, .tx = tx, .rx = rx, .all = 9, .engine = 9,
		.now = 1000, .seed = 7,
	};

	bulk_team_init(&w.team);
	return w;
}

static void
every_team_is_tried_and_the_cheapest_is_used(void **state)
{
	static const double costs[][3] = {
		{ 1, 2, 2 }, { 2, 1, 2 }, { 2, 2, 1 }, { 2, 1.1, 1 },
	};
	static const uint32_t best[] = {
		BOTH, FERRY_BULK_TX, FERRY_BULK_RX, FERRY_BULK_RX,
	};
	unsigned int i;
	int stream;

	(void)state;
	for (i = 0; i < RTE_DIM(best); i++)
		for (stream = 0; stream < 2; stream++) {
			struct world w = world_make(costs[i][0], costs[i][1],
				costs[i][2]);

			pass(&w, 30, LEN, stream, false);
			assert_true(w.by[BOTH] > 0);
			assert_true(w.by[FERRY_BULK_TX] > 0);
			assert_true(w.by[FERRY_BULK_RX] > 0);
			assert_int_equal(w.by[ALL], 0);
			assert_int_equal(w.by[FERRY_BULK_ENGINE], 0);
			pass(&w, 2000, LEN, stream, false);
			assert_true(w.by[best[i]] > 1800);
		}
}

static void
trying_costs_about_a_hundredth(void **state)
{
	struct world w = world_make(1, 2, 1.3);

	(void)state;
	pass(&w, 100, LEN, false, false);
	pass(&w, 10000, LEN, false, false);
	assert_true(w.ticks < 10000 * 1.02 * (double)LEN);
	/* And it is done. */
	assert_true(w.by[FERRY_BULK_TX] > 0);
	assert_true(w.by[FERRY_BULK_RX] > 0);
}

/* Of 10000 messages: six for each half of a percent that a team is worse. */
static void
tries_are_as_rare_as_they_are_dear(void **state)
{
	struct world w = world_make(1, 2, 1.3);

	(void)state;
	pass(&w, 100, LEN, false, false);
	pass(&w, 12000, LEN, false, false);
	assert_in_range(w.by[FERRY_BULK_TX], 9 * 6, 11 * 6);
	assert_in_range(w.by[FERRY_BULK_RX], 31 * 6, 34 * 6);
	/* One that is as good is taken to be a twentieth worse. */
	w = world_make(1, 1, 1.0001);
	pass(&w, 100, LEN, false, false);
	pass(&w, 12000, LEN, false, false);
	assert_in_range(w.by[FERRY_BULK_RX], 160 * 6, 172 * 6);
}

static void
it_follows_when_costs_change(void **state)
{
	struct world w = world_make(1, 2, 2);

	(void)state;
	pass(&w, 1000, LEN, true, false);
	assert_true(w.by[BOTH] > 900);
	/* The one in use becomes worse: at once. */
	w.both = 3;
	pass(&w, 200, LEN, true, false);
	assert_true(w.by[BOTH] < 100);
	/* Another one becomes better: when it is looked at again. */
	w.rx = 0.5;
	pass(&w, 5000, LEN, true, false);
	pass(&w, 1000, LEN, true, false);
	assert_true(w.by[FERRY_BULK_RX] > 900);
}

static void
messages_that_are_late_do_not_mislead(void **state)
{
	struct world w = world_make(1, 1.7, 1.7);

	(void)state;
	w.late_every = 4;
	w.late = 6;
	pass(&w, 5000, LEN, false, false);
	assert_true(w.by[BOTH] > 4000);
}

static void
sizes_and_ways_of_sending_are_told_apart(void **state)
{
	struct world w = world_make(1, 2, 2);

	(void)state;
	pass(&w, 1000, LEN, false, false);
	w.both = 2;
	w.tx = 1;
	pass(&w, 1000, LEN, true, false);
	assert_true(w.by[FERRY_BULK_TX] > 900);
	pass(&w, 1000, 64 * LEN, false, false);
	assert_true(w.by[FERRY_BULK_TX] > 900);
	w.both = 1;
	w.tx = 2;
	pass(&w, 100, LEN, false, false);
	assert_true(w.by[BOTH] > 80);
}

static void
an_engine_is_used_if_it_is_better(void **state)
{
	struct world w = world_make(1, 2, 2);

	(void)state;
	w.all = 0.5;
	pass(&w, 2000, LEN, false, true);
	assert_true(w.by[ALL] > 1800);
	/* It goes, and comes back as a bad one. */
	pass(&w, 200, LEN, false, false);
	assert_int_equal(w.by[ALL], 0);
	assert_true(w.by[BOTH] > 150);
	w.all = 1.5;
	pass(&w, 2000, LEN, false, true);
	assert_true(w.by[BOTH] > 1700);
	w.engine = 0.2;
	pass(&w, 8000, LEN, false, true);
	pass(&w, 1000, LEN, false, true);
	assert_true(w.by[FERRY_BULK_ENGINE] > 900);
}

static void
messages_of_another_team_do_not_count(void **state)
{
	struct world w = world_make(1, 2, 2);
	uint32_t i, by;

	(void)state;
	pass(&w, 100, LEN, false, false);
	by = bulk_team_choose(&w.team, LEN, false, false);
	assert_int_equal(by, BOTH);
	for (i = 0; i < 50; i++)
		bulk_team_learn(&w.team, LEN, FERRY_BULK_TX, 0, 1, false);
	pass(&w, 10, LEN, false, false);
	assert_int_equal(w.by[BOTH], 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_team_is_tried_and_the_cheapest_is_used),
		cmocka_unit_test(trying_costs_about_a_hundredth),
		cmocka_unit_test(tries_are_as_rare_as_they_are_dear),
		cmocka_unit_test(it_follows_when_costs_change),
		cmocka_unit_test(messages_that_are_late_do_not_mislead),
		cmocka_unit_test(sizes_and_ways_of_sending_are_told_apart),
		cmocka_unit_test(an_engine_is_used_if_it_is_better),
		cmocka_unit_test(messages_of_another_team_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
