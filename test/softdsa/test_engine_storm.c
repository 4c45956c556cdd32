/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * All faults of the soft DSA at random, over several channels that move between
 * two engines while these lose and get back their devices. The seed is printed;
 * FERRY_TEST_SEED sets it, FERRY_TEST_SECONDS how long it takes.
 */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "ferry_copier.h"
#include "ferry_test.h"
#include "fleet.h"

#define SECONDS 4
#define SEED 3
/* Queue i is engine i's. */
static const char *const device[FLEET_ENGINES] = { "wq0.0", "wq0.1" };

/* What happened, of engines that are no more as well. */
struct tally {
	uint64_t errors, redone, quarantines, probations, returns, drops;
	uint64_t unsafe, moves, restarts, again;
};

static uint64_t
from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static void
tally_engine(struct tally *t, struct fleet *f, unsigned int i)
{
	const struct ferry_copier_stats stats = fleet_copier(f, i);

	t->errors += fleet_lane(f, i, "wq").errors;
	t->redone += stats.redone_bytes;
	t->quarantines += stats.quarantines;
	t->probations += stats.probations;
	t->returns += stats.returns;
	t->drops += stats.drops;
	t->unsafe += stats.unsafe;
}

static void
fault_one(uint64_t *rng)
{
	char text[40];

	rig_fault(rng, text, sizeof(text));
	fleet_set("%s", text);
}

/* Give an engine back the device it lost; it cannot have many. */
static void
repair(struct fleet *f, unsigned int i, struct tally *t)
{
	if (fleet_open(f, i) > 1)
		return;
	fleet_set("wq=%u,faults=off", i);
	rig_bind(i, true);
	if (ferry_engine_copier(f->engines[i])->nb_lanes <
			FERRY_COPIER_MAX_LANES) {
		/* One of the queues' threads may be busy with another. */
		t->again += ferry_engine_add_devices(f->engines[i],
		ferry_copy_dmadev(), device[i]) == 1;
		return;
	}
	tally_engine(t, f, i);
	fleet_engine_stop(f, i);
	rig_bind(i, false);
	rig_bind(i, true);
	fleet_engine_start(f, i);
	t->restarts++;
}

static void
happen(struct fleet *f, uint64_t *rng, struct tally *t)
{
	const unsigned int which = ferry_test_random(rng) % FLEET_ENGINES;
	const unsigned int ch = ferry_test_random(rng) % FLEET_CHANNELS;
	unsigned int to;

	switch (ferry_test_random(rng) % 8) {
	case 0:
	case 1:
		fault_one(rng);
		break;
	case 2:
		fleet_set("faults=off,preset=none");
		break;
	case 3:
	case 4:
		to = ferry_test_random(rng) % 5;
		assert_int_equal(ferry_hub_move(f->hub, fleet_id(f, ch),
			to < 4 ? f->engines[to % 2] : NULL), 0);
		t->moves++;
		break;
	case 5:
		__atomic_store_n(&f->channels[ch].mode, (uint32_t)
			(ferry_test_random(rng) % (FERRY_MODES + 1)),
			__ATOMIC_RELAXED);
		break;
	case 6:
		repair(f, which, t);
		break;
	default:
		/*
		 * Bound again by repair() only: who binds a queue at the moment
		 * when a closing lane has it unbound lets that lane believe
		 * that it cannot be.
		 */
		if (ferry_test_random(rng) % 4 == 0)
			rig_bind(which, false);
	}
	usleep(ferry_test_random(rng) % 20000);
}

static void
everything_that_can_go_wrong_loses_nothing(void **state)
{
	const struct fleet_config config = {
		.channels = FLEET_CHANNELS,
		.engines = FLEET_ENGINES,
		.dma = { device[0], device[1] },
		.mode = { FERRY_MODE_EFFICIENCY, FERRY_MODE_EFFICIENCY,
			FERRY_MODE_THROUGHPUT, FLEET_MODE_ALL },
		.patience_ms = 20,
		.close_wait_ms = 200,
	};
	uint64_t rng = from_environment("FERRY_TEST_SEED", SEED);
	const uint64_t seed = rng;
	struct tally t = { 0 };
	uint64_t end, msgs = 0;
	static struct fleet f;
	unsigned int i;

	(void)state;
	rig_begin();
	fleet_start(&f, &config);
	end = ferry_test_now_ns() + UINT64_C(1000000000) *
		from_environment("FERRY_TEST_SECONDS", SECONDS);
	while (ferry_test_now_ns() < end)
		happen(&f, &rng, &t);
	fleet_set("faults=off,preset=none");
	for (i = 0; i < FLEET_CHANNELS; i++)
		if (ferry_hub_move(f.hub, fleet_id(&f, i),
				f.engines[i % 2]) != 0)
			break;
	assert_int_equal(i, FLEET_CHANNELS);
	assert_true(fleet_flow(&f, 20));
	for (i = 0; i < FLEET_ENGINES; i++)
		tally_engine(&t, &f, i);
	fleet_stop(&f);
	for (i = 0; i < FLEET_CHANNELS; i++)
		msgs += f.channels[i].sent;
	print_message("seed %" PRIu64 ": %" PRIu64 " messages, %" PRIu64
		" moves; faults %" PRIu64 ", lost %" PRIu64 ", thrown away %"
		PRIu64 "; errors %" PRIu64 ", bytes redone %" PRIu64
		", quarantines %" PRIu64 ", probations %" PRIu64
		", returns %" PRIu64 ", lanes dropped %" PRIu64
		", added again %" PRIu64 ", engines made anew %" PRIu64 "\n",
		seed, msgs, t.moves, rig_grown(0, faults) +
		rig_grown(1, faults), rig_grown(0, dropped) +
		rig_grown(1, dropped), rig_grown(0, aborted) +
		rig_grown(1, aborted), t.errors, t.redone, t.quarantines,
		t.probations, t.returns, t.drops, t.again, t.restarts);
	assert_int_equal(t.unsafe, 0);
	assert_true(rig_grown(0, faults) + rig_grown(1, faults) > 0);
	assert_true(t.errors > 0);
	assert_true(t.redone > 0);
	assert_true(t.drops > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			everything_that_can_go_wrong_loses_nothing,
			fleet_setup, fleet_teardown),
	};

	return cmocka_run_group_tests_name("engine_storm", tests,
		fleet_group_setup, NULL);
}
