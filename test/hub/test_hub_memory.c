/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Memory of endpoints that die while other processes copy there. The test
 * writes claims in bulk messages by hand. The process that holds a claim is
 * alive or dead, but does not act.
 */

#include <errno.h>
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

#include "chan_parts.h"
#include "ferry_bulk_layout.h"
#include "ferry_memory.h"
#include "peer.h"

#define CHANNEL "bulk"
#define BYTES (40 * MIB)
/* The last unit of the last block, used for the 7th time. */
#define BLOCK (FERRY_BULK_BLOCKS - 1)
#define UNIT (FERRY_BULK_UNITS - 1)
#define GEN 7

static const struct ferry_channel_config small = { 256, 64 };

static struct peer_report
info_of(struct peer *hub)
{
	const struct peer_order order = { .op = PEER_INFO };

	return peer_do(hub, &order);
}

static int
do_custom(struct peer *peer, int (*custom)(struct peer *peer))
{
	const struct peer_order order = { .op = PEER_CUSTOM, .custom = custom };

	return peer_do(peer, &order).result;
}

/* Wait until the hub has so many bytes in limbo and of endpoints. */
static void
await_memory(struct peer *hub, uint64_t limbo, uint64_t endpoints)
{
	const uint64_t end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;
	struct peer_report rep = info_of(hub);

	while (rep.info.memory_limbo != limbo ||
			rep.info.memory_endpoints != endpoints) {
		assert_true(ferry_test_now_ns() < end);
		usleep(10000);
		rep = info_of(hub);
	}
}

/* Whether a hub's process wakes up from time to time. */
static bool
ticks(const struct peer *hub)
{
	char path[64], line[128];
	bool found = false;
	FILE *file;
	int fd;

	for (fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d",
			(int)hub->proc.pid, fd);
		file = fopen(path, "r");
		if (file == NULL)
			continue;
		while (fgets(line, sizeof(line), file) != NULL)
			found |= strcmp(line, "it_interval: (0, 100000000)\n")
				== 0;
		fclose(file);
	}
	return found;
}

/* In the peers. */

static int
alloc(struct peer *peer)
{
	uint8_t *mem = ferry_alloc(peer->ep, BYTES);

	if (mem == NULL)
		return -ENOMEM;
	memset(mem, 0x5a, BYTES);
	return 0;
}

/* Too much while the other one's memory is in limbo. */
static int
alloc_most(struct peer *peer)
{
	uint8_t *mem = ferry_alloc(peer->ep, 2 * BYTES);

	if (mem == NULL)
		return -ENOMEM;
	ferry_free(peer->ep, mem);
	return 0;
}

static const struct ferry_channel_shared *
channel_of(struct peer *peer)
{
	return peer->tx != NULL ? ferry_tx_channel(peer->tx) :
		ferry_rx_channel(peer->rx);
}

static void
unit_set(struct peer *peer, uint8_t party)
{
	struct ferry_bulk_block *b = &chan_bulk(channel_of(peer))[
		BLOCK];

	b->gen = GEN;
	__atomic_store_n(&b->units[UNIT], party, __ATOMIC_SEQ_CST);
}

static int
claim(struct peer *peer)
{
	unit_set(peer, peer->tx != NULL ? FERRY_UNIT_TX : FERRY_UNIT_RX);
	return 0;
}

/* The other one's: it says nothing about who is alive. */
static int
claim_other(struct peer *peer)
{
	unit_set(peer, peer->tx != NULL ? FERRY_UNIT_RX : FERRY_UNIT_TX);
	return 0;
}

static int
drop(struct peer *peer)
{
	unit_set(peer, FERRY_UNIT_FREE);
	return 0;
}

/* Why the message is over, by the hub; others are as they were. */
static int
why(struct peer *peer)
{
	const struct ferry_bulk_block *b = chan_bulk(channel_of(peer));
	uint32_t i;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		if (i != BLOCK && (b[i].gen != 0 || b[i].over != 0))
			return -EPROTO;
	return ferry_bulk_over(&b[BLOCK], GEN);
}

static int
grants_make(struct peer *peer)
{
	struct ferry_bulk_grant *g = chan_grants(channel_of(peer));

	g[0].state = FERRY_GRANT_OFFERED;
	g[FERRY_BULK_BLOCKS - 1].state = FERRY_GRANT_TAKEN;
	return 0;
}

static int
grants_check(struct peer *peer)
{
	const struct ferry_bulk_grant *g =
		chan_grants(channel_of(peer));

	return g[0].state == FERRY_GRANT_NONE &&
		g[FERRY_BULK_BLOCKS - 1].state == FERRY_GRANT_TAKEN ?
		0 : -EPROTO;
}

static int
close_rx(struct peer *peer)
{
	ferry_rx_close(peer->rx);
	peer->rx = NULL;
	return 0;
}

/* A hub, one that has memory, and one with the other end of its channel. */
static void
start(struct peer *hub, struct peer *owner, struct peer *other,
		bool owner_sends)
{
	memset(hub, 0, sizeof(*hub));
	memset(owner, 0, sizeof(*owner));
	memset(other, 0, sizeof(*other));
	peer_start_hub(hub, 100 * MIB);
	peer_start_endpoint(owner);
	peer_start_endpoint(other);
	assert_int_equal(peer_open(owner, owner_sends ? PEER_OPEN_TX :
		PEER_OPEN_RX, CHANNEL, &small), 0);
	assert_int_equal(peer_open(other, owner_sends ? PEER_OPEN_RX :
		PEER_OPEN_TX, CHANNEL, &small), 0);
	assert_int_equal(do_custom(owner, alloc), 0);
	await_memory(hub, 0, BYTES);
}

static void
stop(struct peer *hub, struct peer *other)
{
	assert_int_equal(peer_simple(other, PEER_DETACH), 0);
	peer_check_hub(hub, 0);
	assert_int_equal(info_of(hub).info.memory_limbo, 0);
	peer_exit(other);
	peer_exit_hub(hub);
}

static void
a_killed_endpoint_gives_its_memory_back(void **state)
{
	struct peer hub, owner, other;

	(void)state;
	ferry_procs_need();
	start(&hub, &owner, &other, true);
	/* Its own claims died with it. */
	assert_int_equal(do_custom(&other, claim_other), 0);
	ferry_proc_kill(&owner.proc);
	await_memory(&hub, 0, 0);
	assert_int_equal(info_of(&hub).info.deaths, 1);
	assert_int_equal(do_custom(&other, why), FERRY_E_PEER_GONE);
	assert_int_equal(do_custom(&other, alloc_most), 0);
	stop(&hub, &other);
}

static void
memory_of_the_dead_waits_for_who_copies_there(void **state)
{
	struct peer hub, owner, other;
	int sends;

	(void)state;
	ferry_procs_need();
	for (sends = 0; sends < 2; sends++) {
		start(&hub, &owner, &other, sends != 0);
		assert_int_equal(do_custom(&other, claim), 0);
		ferry_proc_kill(&owner.proc);
		await_memory(&hub, BYTES, 0);
		assert_int_equal(do_custom(&other, why), FERRY_E_PEER_GONE);
		/* For several looks of the hub, and a request. */
		usleep(350000);
		assert_int_equal(do_custom(&other, alloc_most), -ENOMEM);
		await_memory(&hub, BYTES, 0);
		assert_true(ticks(&hub));
		/* The hub finds out by itself. */
		assert_int_equal(do_custom(&other, drop), 0);
		await_memory(&hub, 0, 0);
		assert_false(ticks(&hub));
		assert_int_equal(do_custom(&other, alloc_most), 0);
		stop(&hub, &other);
	}
}

static void
memory_of_the_dead_goes_back_when_who_copied_there_dies(void **state)
{
	struct peer hub, owner, other;
	int sends;

	(void)state;
	ferry_procs_need();
	for (sends = 0; sends < 2; sends++) {
		start(&hub, &owner, &other, sends != 0);
		assert_int_equal(do_custom(&other, claim), 0);
		ferry_proc_kill(&owner.proc);
		await_memory(&hub, BYTES, 0);
		ferry_proc_kill(&other.proc);
		await_memory(&hub, 0, 0);
		peer_check_hub(&hub, 0);
		peer_exit_hub(&hub);
	}
}

static void
a_stopped_process_keeps_what_it_copies(void **state)
{
	struct peer hub, owner, other;

	(void)state;
	ferry_procs_need();
	start(&hub, &owner, &other, false);
	assert_int_equal(do_custom(&other, claim), 0);
	ferry_proc_signal(&other.proc, SIGSTOP);
	/* The hub keeps the memory also when the owner detaches in good order,
	 * because the owner cannot wait for a stopped process. */
	assert_int_equal(peer_simple(&owner, PEER_DETACH), 0);
	await_memory(&hub, BYTES, 0);
	usleep(350000);
	await_memory(&hub, BYTES, 0);
	ferry_proc_signal(&other.proc, SIGCONT);
	assert_int_equal(do_custom(&other, why), FERRY_E_CLOSED);
	assert_int_equal(do_custom(&other, drop), 0);
	await_memory(&hub, 0, 0);
	peer_exit(&owner);
	stop(&hub, &other);
}

static void
what_a_stopped_hub_could_not_give_in_time_is_not_given(void **state)
{
	const struct peer_order order = { .op = PEER_CUSTOM, .custom = alloc };
	struct peer hub = { 0 }, a = { 0 };

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 100 * MIB);
	peer_start_endpoint(&a);
	ferry_proc_signal(&hub.proc, SIGSTOP);
	usleep(100000); /* all its threads */
	assert_int_equal(do_custom(&a, alloc), -ENOMEM);
	/* It goes on while the next request waits, and finds both. */
	peer_order(&a, &order);
	usleep(200000);
	ferry_proc_signal(&hub.proc, SIGCONT);
	assert_int_equal(peer_report(&a).result, 0);
	await_memory(&hub, 0, BYTES);
	stop(&hub, &a);
}

static void
memory_waits_also_if_only_the_channel_is_closed(void **state)
{
	struct peer hub, owner, other;

	(void)state;
	ferry_procs_need();
	start(&hub, &owner, &other, false);
	assert_int_equal(do_custom(&other, claim), 0);
	assert_int_equal(do_custom(&owner, close_rx), 0);
	/* The endpoint goes on, so its memory is still its own. */
	await_memory(&hub, 0, BYTES);
	assert_int_equal(do_custom(&other, why), FERRY_E_CLOSED);
	ferry_proc_kill(&owner.proc);
	await_memory(&hub, BYTES, 0);
	/* Closing is an end of claims as good as any. */
	assert_int_equal(peer_simple(&other, PEER_CLOSE), 0);
	await_memory(&hub, 0, 0);
	stop(&hub, &other);
}

static void
buffers_that_a_dead_consumer_lent_are_not_given_out(void **state)
{
	struct peer hub, owner, other;

	(void)state;
	ferry_procs_need();
	start(&hub, &owner, &other, false);
	assert_int_equal(do_custom(&owner, grants_make), 0);
	ferry_proc_kill(&owner.proc);
	/* A message that no consumer has received has taken one of them. */
	await_memory(&hub, BYTES, 0);
	assert_int_equal(do_custom(&other, grants_check), 0);
	usleep(350000);
	await_memory(&hub, BYTES, 0);
	assert_int_equal(peer_simple(&other, PEER_CLOSE), 0);
	await_memory(&hub, 0, 0);
	stop(&hub, &other);
}

static void
a_hub_in_limbo_is_destroyed_when_all_have_left(void **state)
{
	struct peer hub, owner, other;

	(void)state;
	ferry_procs_need();
	start(&hub, &owner, &other, true);
	assert_int_equal(do_custom(&other, claim), 0);
	ferry_proc_kill(&owner.proc);
	await_memory(&hub, BYTES, 0);
	assert_int_equal(peer_simple(&hub, PEER_DESTROY), -EBUSY);
	assert_int_equal(info_of(&hub).info.memory_limbo, BYTES);
	ferry_proc_kill(&other.proc);
	peer_exit_hub(&hub);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			a_killed_endpoint_gives_its_memory_back,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			memory_of_the_dead_waits_for_who_copies_there,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			memory_of_the_dead_goes_back_when_who_copied_there_dies,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_stopped_process_keeps_what_it_copies,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			what_a_stopped_hub_could_not_give_in_time_is_not_given,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			memory_waits_also_if_only_the_channel_is_closed,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			buffers_that_a_dead_consumer_lent_are_not_given_out,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_hub_in_limbo_is_destroyed_when_all_have_left,
			ferry_procs_end),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
