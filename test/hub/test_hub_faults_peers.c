/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * As test_hub_faults, of a hub with a socket, which other processes can find.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "control.h"
#include "ferry_errno.h"
#include "ferry_faults.h"

/* Plays in a row without the fault that end a sweep: what threads do besides
 * is not the same each time. */
#define ENOUGH 3

/* What the test and the processes tell each other. */
static struct {
	uint32_t k;
	enum ferry_fault_kind kind;
	struct ferry_fault hit;
	int64_t blocks;
	unsigned int fds;
} *shared;

static int
stop_all(void **state)
{
	(void)state;
	ferry_procs_kill();
	ferry_test_clean();
	return 0;
}

static int
do_custom(struct peer *peer, int (*custom)(struct peer *peer))
{
	const struct peer_order order = { .op = PEER_CUSTOM, .custom = custom };

	return peer_do(peer, &order).result;
}

/* In the processes. */

static int
arm(struct peer *peer)
{
	(void)peer;
	ferry_faults_arm(shared->k, shared->kind);
	return 0;
}

static int
disarm(struct peer *peer)
{
	(void)peer;
	shared->hit = ferry_faults_disarm();
	return 0;
}

static int
count(struct peer *peer)
{
	(void)peer;
	shared->blocks = ferry_faults_blocks();
	shared->fds = ferry_faults_fds();
	return 0;
}

static int
faulty_hub(struct peer *peer)
{
	const struct ferry_hub_config config = {
		.name = HUB, .memory = 2 * MIB, .socket = -1,
	};
	struct ferry_hub *hub;
	int ret;

	arm(peer);
	ret = ferry_hub_create(&hub, &config);
	if (ret == 0)
		ret = ferry_hub_destroy(hub);
	disarm(peer);
	return ret;
}

/* In the test. */

/* Blocks and descriptors of a process come back to what they were; threads that
 * end may still have some. */
static void
check_left(struct peer *peer, int64_t blocks, unsigned int fds)
{
	const uint64_t end = ferry_test_now_ns() + HANGS;

	do {
		assert_int_equal(do_custom(peer, count), 0);
		if (shared->blocks == blocks && shared->fds == fds)
			return;
		usleep(1000);
	} while (ferry_test_now_ns() < end);
	fail_msg("call %u, %s: %d blocks and %d descriptors are left",
		shared->k, shared->hit.name != NULL ? shared->hit.name : "none",
		(int)(shared->blocks - blocks), (int)(shared->fds - fds));
}

static void
check_result(const char *what, int ret, const int *errors)
{
	const struct ferry_fault *hit = &shared->hit;

	if (getenv("FERRY_TEST_FAULTS") != NULL)
		print_message("%s: call %u, %s: %s\n", what, shared->k,
			hit->name, ferry_strerror(ret));
	while (errors != NULL && *errors != 0 && *errors != ret)
		errors++;
	if (ret != 0 && ret != -hit->error &&
			(errors == NULL || *errors == 0))
		fail_msg("%s: call %u, %s: error %d (%s)", what, shared->k,
			hit->name, ret, ferry_strerror(ret));
}

/* A hub that others can find, with its socket. */
static void
a_hub_with_a_socket_is_made_or_not(void **state)
{
	unsigned int kind, hits = 0, none;
	struct peer hub = { 0 };
	unsigned int fds;
	int64_t blocks;
	int ret;

	(void)state;
	ferry_procs_need();
	peer_start(&hub, FERRY_EAL_HUB, NULL);
	shared->k = 0;
	assert_int_equal(do_custom(&hub, faulty_hub), 0);
	assert_int_equal(do_custom(&hub, count), 0);
	blocks = shared->blocks;
	fds = shared->fds;
	for (kind = 0; kind < FERRY_FAULT_KINDS; kind++) {
		none = 0;
		shared->kind = kind;
		for (shared->k = 1; none < ENOUGH; shared->k++) {
			const uint32_t k = shared->k;

			ret = do_custom(&hub, faulty_hub);
			none = shared->hit.name == NULL ? none + 1 : 0;
			if (none == 0) {
				hits++;
				check_result("hub made", ret, NULL);
			} else {
				assert_int_equal(ret, 0);
			}
			shared->k = 0;
			assert_int_equal(do_custom(&hub, faulty_hub), 0);
			shared->k = k;
			check_left(&hub, blocks, fds);
		}
	}
	print_message("hub with a socket: %u faults\n", hits);
	assert_true(hits > 0);
	peer_exit(&hub);
	assert_int_equal(ferry_test_leftovers(), 0);
}

static int
setup(void **state)
{
	(void)state;
	shared = ferry_test_shared(sizeof(*shared));
	/* The forked processes have it, too. */
	return shared != NULL ? ferry_faults_open() : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_hub_with_a_socket_is_made_or_not,
			stop_all),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
