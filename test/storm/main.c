/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Kills processes while checked messages flow.
 *
 *     storm kills N [SEED]       N kills in each mode, faults and moves
 *     storm minutes M [SEED]     everything that can happen
 *     storm spoil 1 [SEED]       no kills; a worker makes each error once on
 *                                purpose: does the storm find it?
 *
 * FERRY_STORM_WITHOUT names events that shall not happen, with commas between
 * them. Exit code 77: the storm cannot work on this machine.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>

#include "conductor.h"
#include "ferry_test.h"

#define SKIPPED 77
/* Longest life of a hub in a long storm. */
#define ROUND_NS (60 * SECOND)

/* What happens while kills are counted. */
static const unsigned int few_events[EVENTS] = {
	[EVENT_KILL] = 30, [EVENT_KILL_TWO] = 5, [EVENT_KILL_PAIR] = 5,
	[EVENT_STOP] = 3, [EVENT_FAULT] = 6, [EVENT_FAULTS_OFF] = 2,
	[EVENT_UNBIND] = 1, [EVENT_REPAIR] = 4, [EVENT_MOVE] = 4,
};

static const unsigned int all_events[EVENTS] = {
	[EVENT_KILL] = 60, [EVENT_KILL_TWO] = 15, [EVENT_KILL_PAIR] = 15,
	[EVENT_STOP] = 10, [EVENT_STOP_LONG] = 4, [EVENT_STOP_HUB] = 1,
	[EVENT_EXIT] = 10, [EVENT_KILL_INIT] = 1, [EVENT_KILL_EXIT] = 1,
	[EVENT_FAULT] = 20, [EVENT_FAULTS_OFF] = 5, [EVENT_UNBIND] = 3,
	[EVENT_REPAIR] = 12, [EVENT_REBUILD] = 4, [EVENT_MOVE] = 15,
	[EVENT_MODE] = 10, [EVENT_HOG] = 4, [EVENT_FDS_WORKER] = 3,
	[EVENT_FDS_HUB] = 2, [EVENT_CLOCK] = 3, [EVENT_KILL_HUB] = 1,
};

static struct conductor conductor = {
	.hang_ns = 240 * SECOND,
	.end_limit_ns = 240 * SECOND,
	.awaited = STORM_WRONGS,
};

static void
row(const char *name, uint64_t n)
{
	if (n != 0)
		printf("  %-32s %12" PRIu64 "\n", name, n);
}

static uint64_t
kills(const struct tally *t)
{
	uint64_t n = t->hub_kills;
	unsigned int i;

	for (i = 0; i < STORM_PLACES; i++)
		n += t->kills[i];
	return n;
}

static int
report(uint64_t seconds)
{
	const struct tally *t = &conductor.tally;
	const uint64_t eal = t->eal_refused + t->eal_stuck + t->eal_hub_stuck;
	const uint64_t wrong = storm_wrong();
	char name[64];
	unsigned int i;

	printf("events\n");
	for (i = 0; i < EVENTS; i++)
		row(event_names[i], t->events[i]);
	printf("kills by place\n");
	for (i = 0; i < STORM_PLACES; i++)
		row(storm_place_names[i], t->kills[i]);
	row("of these, while stopped", t->kills_stopped);
	row("hub", t->hub_kills);
	printf("traffic\n");
	for (i = 0; i < STORM_COUNTS; i++)
		row(storm_count_names[i], storm->counts[i]);
	row("messages by engines", t->engine_msgs);
	row("bulk bytes by engines", t->engine_bulk_bytes);
	row("bytes by devices", t->device_bytes);
	row("device errors", t->device_errors);
	row("device faults made", t->device_faults);
	printf("processes\n");
	row("hubs", t->rounds);
	row("workers started", t->starts);
	row("of these, with other clocks", t->clocks);
	row("rests", t->rests);
	row("refused", t->refused);
	row("slowest end of a worker, ms", t->slowest_end_ns / MS);
	row("slowest end of a hub, ms", t->slowest_hub_end_ns / MS);
	if (eal > 0) {
		printf("after a kill inside EAL's start or end, whose locks "
			"then stay held\n");
		row("newcomers refused", t->eal_refused);
		row("processes stuck", t->eal_stuck);
		row("hubs stuck", t->eal_hub_stuck);
	}
	printf("wrong\n");
	for (i = 0; i < STORM_WRONGS; i++) {
		snprintf(name, sizeof(name), "%s", storm_wrong_names[i]);
		printf("  %-32s %12" PRIu64 "\n", name, storm->wrongs[i]);
	}
	printf("%s%s%s: %" PRIu64 " kills, %" PRIu64 " messages, %" PRIu64
		" bulk messages, %" PRIu64 " device faults in %" PRIu64
		" s; seed %" PRIu64 "\n", wrong == 0 ? "clean" : "NOT CLEAN",
		eal == 0 ? "" : ", but for EAL's locks",
		storm_is_asked_to_end() ? ", ended early" : "",
		kills(t), storm->counts[STORM_N_RECEIVED],
		storm->counts[STORM_N_BULK_RECEIVED], t->device_faults, seconds,
		storm->seed);
	return wrong != 0;
}

/* What must have happened, or nothing was tried. */
static void
check_effect(uint64_t goal)
{
	const struct tally *t = &conductor.tally;

	if (kills(t) < goal)
		storm_complain(STORM_UNEXPECTED, "only %" PRIu64 " kills",
			kills(t));
	if (storm->counts[STORM_N_RECEIVED] == 0 ||
			storm->counts[STORM_N_BULK_RECEIVED] == 0 ||
			t->engine_msgs == 0 || t->device_bytes == 0 ||
			t->rests == 0)
		storm_complain(STORM_UNEXPECTED, "some kind of traffic did not "
			"take place");
}

static void
each_mode(uint64_t n)
{
	unsigned int mode;

	memcpy(conductor.weights, few_events, sizeof(few_events));
	conductor.gap_ns = 60 * MS;
	conductor.rest_every = 60;
	conductor.kills_goal = n;
	conductor.until_ns = UINT64_MAX;
	storm->churn = 3000;
	for (mode = 0; mode < FERRY_MODES && storm_wrong() == 0 &&
			!storm_is_asked_to_end(); mode++) {
		storm->mode = mode;
		if (conductor_round(&conductor) != 0)
			break;
	}
	if (storm_wrong() == 0 && !storm_is_asked_to_end())
		check_effect(n * FERRY_MODES);
}

/* What is to be noticed, and nothing else of what is not a consequence. */
static const enum storm_wrong noticed[STORM_SPOILS] = {
	[STORM_SPOIL_DOUBLE] = STORM_DOUBLED,
	[STORM_SPOIL_SKIP] = STORM_MISORDERED,
	[STORM_SPOIL_DAMAGE] = STORM_DAMAGED,
	[STORM_SPOIL_PROMISE] = STORM_LOST,
	[STORM_SPOIL_INVENT] = STORM_INVENTED,
	[STORM_SPOIL_CRASH] = STORM_CRASHED,
	[STORM_SPOIL_HANG] = STORM_HUNG,
	[STORM_SPOIL_LEAK] = STORM_LEAKED,
	[STORM_SPOIL_EARLY] = STORM_DAMAGED,
	[STORM_SPOIL_LATE] = STORM_DAMAGED,
	[STORM_SPOIL_REUSE] = STORM_DAMAGED,
};

static int
spoil_each(void)
{
	unsigned int spoil, missed = 0;

	conductor.weights[EVENT_MOVE] = 1;
	conductor.gap_ns = 100 * MS;
	conductor.rest_every = UINT32_MAX;
	conductor.kills_goal = UINT64_MAX;
	storm->mode = FERRY_MODE_THROUGHPUT;
	for (spoil = 1; spoil < STORM_SPOILS; spoil++) {
		memset(storm->wrongs, 0, sizeof(storm->wrongs));
		storm->spoil = spoil;
		conductor.awaited = noticed[spoil];
		conductor.hang_ns = (spoil == STORM_SPOIL_HANG ? 5 : 240) *
			SECOND;
		conductor.until_ns = ferry_test_now_ns() +
			(spoil == STORM_SPOIL_LEAK ? 1 : 120) * SECOND;
		conductor_round(&conductor);
		printf("%s was %s\n", storm_wrong_names[noticed[spoil]],
			storm->wrongs[noticed[spoil]] != 0 ? "noticed" :
			"NOT NOTICED");
		fflush(stdout);
		missed += storm->wrongs[noticed[spoil]] == 0;
	}
	return missed != 0;
}

static void
forget(const char *names)
{
	char text[256], *name, *rest = text;
	unsigned int i;

	snprintf(text, sizeof(text), "%s", names);
	while ((name = strsep(&rest, ",")) != NULL) {
		for (i = 0; i < EVENTS; i++)
			if (strcmp(name, event_names[i]) == 0)
				break;
		if (i == EVENTS)
			fprintf(stderr, "storm: there is no event %s\n", name);
		else
			conductor.weights[i] = 0;
	}
}

static void
everything(uint64_t minutes)
{
	const uint64_t end = ferry_test_now_ns() + minutes * 60 * SECOND;
	const char *without = getenv("FERRY_STORM_WITHOUT");
	uint64_t now;

	memcpy(conductor.weights, all_events, sizeof(all_events));
	if (without != NULL)
		forget(without);
	conductor.gap_ns = 150 * MS;
	conductor.rest_every = 60;
	conductor.kills_goal = UINT64_MAX;
	storm->churn = 3000;
	storm->mode = STORM_MODE_ALL;
	while ((now = ferry_test_now_ns()) < end && storm_wrong() == 0 &&
			!storm_is_asked_to_end()) {
		conductor.until_ns = RTE_MIN(end, now + ROUND_NS);
		/* The last hub ends in good order, so that what is left
		 * shows. */
		if (end - now < 2 * ROUND_NS) {
			conductor.until_ns = end;
			conductor.weights[EVENT_KILL_HUB] = 0;
		}
		if (conductor_round(&conductor) != 0)
			break;
		printf("storm: %" PRIu64 " s left, %" PRIu64 " kills\n",
			end > ferry_test_now_ns() ?
			(end - ferry_test_now_ns()) / SECOND : 0,
			kills(&conductor.tally));
		fflush(stdout);
	}
	if (storm_wrong() == 0 && !storm_is_asked_to_end())
		check_effect(0);
}

int
main(int argc, char **argv)
{
	const char *reason = ferry_procs_skip_reason();
	const uint64_t begin = ferry_test_now_ns();
	uint64_t n;

	if (argc < 3 || (strcmp(argv[1], "kills") != 0 &&
			strcmp(argv[1], "minutes") != 0 &&
			strcmp(argv[1], "spoil") != 0) ||
			(n = strtoull(argv[2], NULL, 0)) == 0) {
		fprintf(stderr,
			"usage: storm {kills|minutes|spoil} N [SEED]\n");
		return 2;
	}
	if (getenv("FERRY_TEST_PLUGIN") == NULL) {
		fprintf(stderr, "storm: FERRY_TEST_PLUGIN must name "
			"libferry_softdsa.so\n");
		return 2;
	}
	if (reason != NULL) {
		printf("skipped: %s\n", reason);
		return SKIPPED;
	}
	storm = ferry_test_shared(sizeof(*storm));
	if (storm == NULL) {
		fprintf(stderr, "storm: no memory\n");
		return 1;
	}
	storm->seed = argc > 3 ? strtoull(argv[3], NULL, 0) :
		(uint64_t)time(NULL);
	printf("storm: seed %" PRIu64 "\n", storm->seed);
	fflush(stdout);
	storm_hold_end();
	/* What fails an assertion of cmocka's says which, and leaves a core. */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	/* A process whose parent has ended becomes a child of this process. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (strcmp(argv[1], "spoil") == 0)
		return spoil_each();
	if (strcmp(argv[1], "kills") == 0)
		each_mode(n);
	else
		everything(n);
	return report((ferry_test_now_ns() - begin) / SECOND);
}
