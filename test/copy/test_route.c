/* SPDX-License-Identifier: BSD-3-Clause */

/* Whether the route copies inline. Made-up times make the one or the other way
 * better, or change which one is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ferry_route.h"
#include "ferry_test.h"

/* What a copy takes in this world. */
struct world {
	double inline_ns;
	double offload_ns;
	/* Each sample is up to so much of it more. */
	double noise;
	/* One in so many takes a thousand times as long; 0: none. */
	unsigned int bad_days;
};

struct outcome {
	double took, all_inline;
	unsigned int offloads, inlines;
};

static uint64_t seed = 1;

static uint64_t
sample(double ns, const struct world *w)
{
	double x = (double)(ferry_test_random(&seed) % 1000) / 1000;

	ns *= 1 + x * w->noise;
	if (w->bad_days != 0 && ferry_test_random(&seed) % w->bad_days == 0)
		ns *= 1000;
	return (uint64_t)ns;
}

static struct outcome
live(struct ferry_route *r, uint64_t len, const struct world *w,
		unsigned int copies)
{
	struct outcome o = { 0 };

	while (copies-- > 0) {
		uint64_t here = sample(w->inline_ns, w);
		uint64_t there = sample(w->offload_ns, w);
		bool offload = ferry_route_offload(r, len);

		ferry_route_learn(r, len, offload, offload ? there : here);
		o.took += (double)(offload ? there : here);
		o.all_inline += (double)here;
		if (offload)
			o.offloads++;
		else
			o.inlines++;
	}
	return o;
}

static void
test_all_inline_at_first(void **state)
{
	struct ferry_route r;
	unsigned int i;

	(void)state;
	ferry_route_init(&r);
	for (i = 0; i < 64; i++)
		assert_false(ferry_route_offload(&r, UINT64_C(1) << i));
	assert_false(ferry_route_offload(&r, 0));
}

static void
test_classes_are_powers_of_two(void **state)
{
	(void)state;
	assert_int_equal(ferry_route_class(0), 0);
	assert_int_equal(ferry_route_class(1), 0);
	assert_int_equal(ferry_route_class(4095), 11);
	assert_int_equal(ferry_route_class(4096), 12);
	assert_int_equal(ferry_route_class(UINT64_MAX), 63);
}

/* The promise: never slower than inline by more than a hundredth. */
static void
test_a_worse_way_costs_a_hundredth(void **state)
{
	static const double worse[] = { 0.95, 1, 1.05, 1.2, 2, 10, 100, 1e5 };
	unsigned int i, k;

	(void)state;
	for (k = 0; k < 2; k++)
	for (i = 0; i < sizeof(worse) / sizeof(worse[0]); i++) {
		const struct world w = {
			1000, 1000 * worse[i], k ? 0.3 : 0, 0,
		};
		struct ferry_route r;
		struct outcome o;

		ferry_route_init(&r);
		o = live(&r, 4096, &w, 200000);
		/* And at most one try beyond the purse. */
		assert_true(o.took <= 1.011 * o.all_inline +
			1.3 * w.offload_ns);
	}
}

static void
test_a_better_way_is_found(void **state)
{
	static const double better[] = { 0.85, 0.5, 0.1, 0.001 };
	unsigned int i, k;

	(void)state;
	for (k = 0; k < 2; k++)
	for (i = 0; i < sizeof(better) / sizeof(better[0]); i++) {
		const struct world w = {
			10000, 10000 * better[i], k ? 0.05 : 0, 0,
		};
		struct ferry_route r;
		struct outcome o;

		ferry_route_init(&r);
		o = live(&r, 65536, &w, 2000);
		assert_true(o.offloads > 1000);
		/* Looks at the inline copy go on, and cost a hundredth. */
		o = live(&r, 65536, &w, 100000);
		assert_true(o.inlines > 0);
		assert_true(o.took <= 1.02 * better[i] * o.all_inline +
			2 * w.inline_ns);
	}
}

static void
test_a_few_good_tries_prove_nothing(void **state)
{
	const struct ferry_route_class *c;
	struct ferry_route r;
	unsigned int i;

	(void)state;
	ferry_route_init(&r);
	c = &r.classes[ferry_route_class(4096)];
	for (i = 0; i < 1000; i++)
		ferry_route_learn(&r, 4096, false, 1000);
	for (i = 0; i < 3; i++) {
		ferry_route_learn(&r, 4096, true, 100);
		assert_false(c->proven);
	}
	ferry_route_learn(&r, 4096, true, 100);
	assert_true(c->proven);
	/* Once it is not any more, it has to be proven anew. */
	for (i = 0; i < 1000 && c->proven; i++)
		ferry_route_learn(&r, 4096, true, 10000);
	assert_false(c->proven);
	assert_int_equal(c->offloads, 0);
}

/* The tries that proved a way are paid when nothing is owed. */
static void
test_a_proof_wants_no_debts(void **state)
{
	static const double purses[] = { 0, -1 };
	struct ferry_route r;
	struct ferry_route_class *c = &r.classes[ferry_route_class(1000)];
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		ferry_route_init(&r);
		c->inline_ns = 1;
		c->offload_ns = 0.5;
		c->offloads = 3;
		c->purse_ns = purses[i];
		ferry_route_learn(&r, 1000, true, 500);
		assert_int_equal(ferry_route_offload(&r, 1000), i == 0);
	}
}

static void
test_the_purse_pays_what_a_try_took_longer(void **state)
{
	const struct ferry_route_class *c;
	struct ferry_route r;
	unsigned int i;
	double before;

	(void)state;
	ferry_route_init(&r);
	c = &r.classes[ferry_route_class(4096)];
	for (i = 0; i < 200; i++)
		ferry_route_learn(&r, 4096, false, 1000);
	/* A hundredth of each. */
	before = c->purse_ns;
	assert_true(before > 1999 && before < 2001);
	ferry_route_learn(&r, 4096, true, 1500);
	assert_true(c->purse_ns > before - 501 && c->purse_ns < before - 499);
	/* One that was shorter costs nothing, and earns nothing yet. */
	before = c->purse_ns;
	ferry_route_learn(&r, 4096, true, 10);
	assert_true(c->purse_ns == before);
}

static void
test_each_size_has_its_own_answer(void **state)
{
	const struct world small = { 100, 2000, 0, 0 };
	const struct world large = { 100000, 40000, 0, 0 };
	struct ferry_route r;

	(void)state;
	ferry_route_init(&r);
	live(&r, 1000, &small, 5000);
	live(&r, 1 << 20, &large, 5000);
	assert_true(live(&r, 1 << 20, &large, 1000).offloads > 900);
	assert_true(live(&r, 1000, &small, 1000).offloads < 5);
}

static void
test_it_changes_its_mind(void **state)
{
	const struct world good = { 10000, 5000, 0.1, 0 };
	const struct world bad = { 10000, 30000, 0.1, 0 };
	struct ferry_route r;
	struct outcome o;
	unsigned int i;

	(void)state;
	ferry_route_init(&r);
	for (i = 0; i < 5; i++) {
		live(&r, 65536, &good, 5000);
		o = live(&r, 65536, &good, 1000);
		assert_true(o.offloads > 900);
		/* The change itself costs some copies, not more. */
		o = live(&r, 65536, &bad, 20000);
		assert_true(o.offloads < 200);
		assert_true(o.took <= 1.03 * o.all_inline);
	}
	/* Also when it is the inline copy that became better. */
	live(&r, 65536, &good, 20000);
	o = live(&r, 65536, &(struct world) { 2000, 5000, 0.1, 0 }, 20000);
	assert_true(o.took <= 1.1 * o.all_inline);
	assert_true(o.inlines > 18000);
}

/* A thread that does not run now and then: no way is judged by that. */
static void
test_interruptions_do_not_decide(void **state)
{
	const struct world w = { 10000, 5000, 0.1, 2000 };
	struct ferry_route r;
	struct outcome o;

	(void)state;
	ferry_route_init(&r);
	live(&r, 65536, &w, 20000);
	o = live(&r, 65536, &w, 100000);
	assert_true(o.offloads > 80000);
}

/* A way that used up its credit is proven anew, by as many tries. */
static void
test_a_bad_day_is_made_up_for_by_tries(void **state)
{
	const struct world w = { 10000, 1000, 0, 0 };
	const struct ferry_route_class *c;
	unsigned int i, tries = 0;
	struct ferry_route r;

	(void)state;
	ferry_route_init(&r);
	c = &r.classes[ferry_route_class(65536)];
	live(&r, 65536, &w, 20000);
	assert_true(c->proven);
	for (i = 0; i < 3 && c->proven; i++)
		ferry_route_learn(&r, 65536, true, 1000000);
	assert_false(c->proven);
	assert_false(ferry_route_offload(&r, 65536));
	/* It is still thought to be better, which is not enough. */
	assert_true(c->offload_ns < 0.9 * c->inline_ns);
	for (i = 0; i < 10000 && !c->proven; i++) {
		bool offload = ferry_route_offload(&r, 65536);

		tries += offload;
		ferry_route_learn(&r, 65536, offload, offload ? 1000 : 10000);
	}
	assert_true(c->proven);
	assert_int_equal(tries, 4);
}

/* Even a try that takes for ever is paid for in the end. */
static void
test_a_terrible_try_is_made_up_for(void **state)
{
	const struct world w = { 1000, 1e8, 0, 0 };
	struct ferry_route r;
	struct outcome o;

	(void)state;
	ferry_route_init(&r);
	o = live(&r, 4096, &w, 1000);
	assert_int_equal(o.offloads, 1);
	o = live(&r, 4096, &w, 9000000);
	assert_int_equal(o.offloads, 0);
	/* 1e8 ns are a hundredth of 1e10: once for the last, once for this. */
	o = live(&r, 4096, &w, 12000000);
	assert_in_range(o.offloads, 1, 2);
}

static void
test_zero_bytes_in_no_time(void **state)
{
	struct ferry_route r;
	unsigned int i;

	(void)state;
	ferry_route_init(&r);
	for (i = 0; i < 100000; i++)
		ferry_route_learn(&r, 0, ferry_route_offload(&r, 0), 0);
	ferry_route_learn(&r, UINT64_MAX, true, UINT64_MAX);
	ferry_route_learn(&r, UINT64_MAX, false, UINT64_MAX);
	assert_true(r.classes[0].inline_ns == 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_inline_at_first),
		cmocka_unit_test(test_classes_are_powers_of_two),
		cmocka_unit_test(test_a_worse_way_costs_a_hundredth),
		cmocka_unit_test(test_a_better_way_is_found),
		cmocka_unit_test(test_a_few_good_tries_prove_nothing),
		cmocka_unit_test(test_a_proof_wants_no_debts),
		cmocka_unit_test(test_the_purse_pays_what_a_try_took_longer),
		cmocka_unit_test(test_each_size_has_its_own_answer),
		cmocka_unit_test(test_it_changes_its_mind),
		cmocka_unit_test(test_interruptions_do_not_decide),
		cmocka_unit_test(test_a_bad_day_is_made_up_for_by_tries),
		cmocka_unit_test(test_a_terrible_try_is_made_up_for),
		cmocka_unit_test(test_zero_bytes_in_no_time),
	};

	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
