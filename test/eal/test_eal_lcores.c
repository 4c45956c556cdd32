/* SPDX-License-Identifier: BSD-3-Clause */

/* Lcore ids are distinct within a file prefix, and mempools stay whole. */

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include "eal_rig.h"
#include "ferry_errno.h"
#include "peer.h"

#define POOL "pool"
#define OBJECTS 4096
#define CACHE 256
/* What a process gets and puts: more than a cache holds, less than all. */
#define BURST 64
#define ROUNDS 60000

static struct ferry_eal_args args;

static int
tell_lcore(struct peer *peer)
{
	(void)peer;
	return (int)rte_get_main_lcore();
}

static int
lcore_of(struct peer *peer)
{
	const struct peer_order order = {
		.op = PEER_CUSTOM,
		.custom = tell_lcore,
	};

	return peer_do(peer, &order).result;
}

static void
each_process_has_an_lcore_id_of_its_own(void **state)
{
	struct peer hub = { 0 }, ep[3] = { 0 };
	int i;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 4 * MIB);
	assert_int_equal(lcore_of(&hub), 0);
	for (i = 0; i < 3; i++) {
		peer_start_endpoint(&ep[i]);
		assert_int_equal(lcore_of(&ep[i]), i + 1);
	}
	/* However a process ends, another may have its id. */
	ferry_proc_kill(&ep[0].proc);
	peer_exit(&ep[1]);
	for (i = 0; i < 2; i++) {
		peer_start_endpoint(&ep[i]);
		assert_int_equal(lcore_of(&ep[i]), i + 1);
	}
	for (i = 0; i < 3; i++)
		peer_exit(&ep[i]);
	peer_exit_hub(&hub);
}

static void
choose(struct eal_outcome *out, void *arg)
{
	eal_rig_start(out, &args, FERRY_EAL_SECONDARY, arg, NULL);
	if (out->result == 0)
		ferry_eal_cleanup(&args, FERRY_EAL_SECONDARY);
}

static void
an_id_that_another_process_has_is_refused(void **state)
{
	struct peer hub = { 0 };

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 4 * MIB);
	eal_expect(eal_try(choose, (void *)(uintptr_t)"--lcores=0@0"),
		FERRY_E_LCORE, "lcore 0 of this process");
	eal_expect(eal_try(choose, (void *)(uintptr_t)"--lcores=(3,0)@0"),
		FERRY_E_LCORE, "--lcores");
	eal_expect(eal_try(choose, (void *)(uintptr_t)"--main-lcore=0"),
		FERRY_E_LCORE, "lcore 0 is in use by process");
	/* Free ones are had, also those of a try before. */
	eal_expect(eal_try(choose, (void *)(uintptr_t)"--lcores=3@0"), 0, "");
	eal_expect(eal_try(choose, (void *)(uintptr_t)"--main-lcore=5"), 0, "");
	eal_expect(eal_try(choose, (void *)(uintptr_t)"--main-lcore=999"),
		-EINVAL, "--main-lcore");
	peer_exit_hub(&hub);
}

/* Ends EAL while a child lives that has all of its open files. */
static void
end_beside_a_child(struct eal_outcome *out, void *arg)
{
	pid_t *child = arg, pid;

	eal_rig_start(out, &args, FERRY_EAL_SECONDARY, "--main-lcore=5", NULL);
	if (out->result != 0)
		return;
	/* The child shares *child: it must not write there. */
	pid = fork();
	if (pid == 0) {
		/* Ends by itself if the test fails. */
		sleep(300);
		_exit(0);
	}
	*child = pid;
	ferry_eal_cleanup(&args, FERRY_EAL_SECONDARY);
}

static void
an_id_is_free_when_eal_ends_though_a_child_lives(void **state)
{
	pid_t *child = ferry_test_shared(sizeof(*child));
	struct peer hub = { 0 };

	(void)state;
	ferry_procs_need();
	assert_non_null(child);
	peer_start_hub(&hub, 4 * MIB);
	eal_expect(eal_try(end_beside_a_child, child), 0, "");
	assert_true(*child > 0);
	assert_int_equal(kill(*child, 0), 0);
	eal_expect(eal_try(choose, (void *)(uintptr_t)"--main-lcore=5"), 0, "");
	assert_int_equal(kill(*child, SIGKILL), 0);
	peer_exit_hub(&hub);
}

/* An application that starts EAL by itself. */
static void
plain_secondary(struct eal_outcome *out, void *arg)
{
	static char prefix[64];
	char *argv[] = {
		(char *)(uintptr_t)"plain", prefix,
		(char *)(uintptr_t)"--proc-type=secondary",
		(char *)(uintptr_t)"--no-pci",
		(char *)(uintptr_t)"--log-level=critical", arg,
	};
	struct ferry_endpoint *ep;

	snprintf(prefix, sizeof(prefix), "--file-prefix=%s",
		ferry_test_prefix());
	if (rte_eal_init(RTE_DIM(argv), argv) < 0)
		return;
	out->result = ferry_attach(&ep, HUB, "plain");
	if (out->result == 0)
		ferry_detach(ep);
	rte_eal_cleanup();
}

static void
attaching_with_anothers_id_is_refused(void **state)
{
	struct peer hub = { 0 };

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 4 * MIB);
	eal_expect(eal_try(plain_secondary, (void *)(uintptr_t)"--lcores=0@0"),
		FERRY_E_LCORE, "");
	assert_non_null(strstr(ferry_strerror(FERRY_E_LCORE), "--lcores"));
	eal_expect(eal_try(plain_secondary, (void *)(uintptr_t)"--lcores=7@0"),
		0, "");
	peer_check_hub(&hub, 0);
	peer_exit_hub(&hub);
}

static int
make_pool(struct peer *peer)
{
	struct rte_mempool *pool = rte_mempool_create(POOL, OBJECTS,
		sizeof(uint64_t) * 2, CACHE, 0, NULL, NULL, NULL, NULL,
		SOCKET_ID_ANY, 0);

	(void)peer;
	return pool != NULL ? 0 : -rte_errno;
}

/* Gets objects, marks them as its own, and puts them back: how many had
 * another's mark when they came back, because two had got the same object. */
static int
use_pool(struct peer *peer)
{
	struct rte_mempool *pool = rte_mempool_lookup(POOL);
	const uint64_t self = rte_get_main_lcore() * UINT64_C(1000003) +
		(uint64_t)getpid();
	uint64_t *objects[BURST];
	int i, k, wrong = 0;

	(void)peer;
	if (pool == NULL)
		return -ENOENT;
	for (i = 0; i < ROUNDS && wrong == 0; i++) {
		if (rte_mempool_get_bulk(pool, (void **)objects, BURST) != 0)
			/* All are at hand but for what caches hold. */
			return -ENOBUFS;
		for (k = 0; k < BURST; k++)
			__atomic_store_n(objects[k], self, __ATOMIC_RELAXED);
		for (k = 0; k < BURST; k++)
			wrong += __atomic_load_n(objects[k],
				__ATOMIC_RELAXED) != self;
		rte_mempool_put_bulk(pool, (void **)objects, BURST);
	}
	return wrong;
}

static void
a_mempool_of_several_processes_stays_whole(void **state)
{
	struct peer_order make = { .op = PEER_CUSTOM, .custom = make_pool };
	struct peer_order use = { .op = PEER_CUSTOM, .custom = use_pool };
	struct peer peers[3] = { 0 };
	int i;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&peers[0], 4 * MIB);
	peer_start_endpoint(&peers[1]);
	peer_start_endpoint(&peers[2]);
	assert_int_equal(peer_do(&peers[0], &make).result, 0);
	for (i = 0; i < 3; i++)
		peer_order(&peers[i], &use);
	for (i = 0; i < 3; i++)
		assert_int_equal(peer_report(&peers[i]).result, 0);
	peer_exit(&peers[1]);
	peer_exit(&peers[2]);
	peer_exit_hub(&peers[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			each_process_has_an_lcore_id_of_its_own,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			an_id_that_another_process_has_is_refused,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			an_id_is_free_when_eal_ends_though_a_child_lives,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			attaching_with_anothers_id_is_refused, ferry_procs_end),
		cmocka_unit_test_teardown(
			a_mempool_of_several_processes_stays_whole,
			ferry_procs_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
