/* SPDX-License-Identifier: BSD-3-Clause */

/* Memory of endpoints and memory that they register, in one process. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_malloc.h>
#include <rte_memory.h>

#include "chan_parts.h"
#include "ferry_bulk_layout.h"
#include "ferry_engine.h"
#include "ferry_errno.h"
#include "ferry_memory.h"
#include "ferry_reach.h"
#include "hub_fixture.h"

#define PAGES (16 * UINT64_C(4096))

static struct ferry_hub_info
info_of(struct ferry_hub *hub)
{
	struct ferry_hub_info info;

	ferry_hub_info(hub, &info);
	return info;
}

/* Who reaches memory, to an asker who knows nothing. */
static enum ferry_reach
reach_of(uint64_t addr, uint64_t len)
{
	struct ferry_reach_view view = { 0 };

	return ferry_reach(&view, addr, len);
}

static void
blocks_are_everybodys_memory_and_hold_what_is_written(void **state)
{
	static const uint64_t sizes[] = {
		1, 4096, 4097, 65536, MIB, 3 * MIB, 7 * MIB,
	};
	struct ferry_endpoint *ep[2];
	void *mem[2][RTE_DIM(sizes)];
	struct ferry_hub *hub;
	struct ferry_hub_info info;
	uint32_t i, k;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 48 * MIB, 0, 0);
	for (k = 0; k < 2; k++)
		ep[k] = hub_join(HUB, "e");
	for (i = 0; i < RTE_DIM(sizes); i++) {
		for (k = 0; k < 2; k++) {
			mem[k][i] = ferry_alloc(ep[k], sizes[i]);
			assert_non_null(mem[k][i]);
			assert_int_equal((uintptr_t)mem[k][i] % 4096, 0);
			assert_int_equal(reach_of((uintptr_t)mem[k][i],
				sizes[i]), FERRY_REACH_ALL);
			ferry_test_fill(mem[k][i], sizes[i], 2 * i + k);
		}
	}
	for (i = 0; i < RTE_DIM(sizes); i++)
		for (k = 0; k < 2; k++)
			assert_int_equal(ferry_test_check(mem[k][i], sizes[i],
				2 * i + k), -1);
	info = info_of(hub);
	assert_int_equal(info.memory_free + info.memory_endpoints, info.memory);
	assert_int_equal(info.memory_limbo, 0);
	/* What one has left, the other one may have: nothing of it is lost. */
	ferry_detach(ep[0]);
	for (i = 0; i < RTE_DIM(sizes); i++)
		assert_int_equal(ferry_test_check(mem[1][i], sizes[i],
			2 * i + 1), -1);
	for (i = 0; i < RTE_DIM(sizes); i++)
		ferry_free(ep[1], mem[1][i]);
	ferry_detach(ep[1]);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
exhaustion_is_no_harm(void **state)
{
	struct ferry_endpoint *ep[2];
	struct ferry_hub *hub;
	struct ferry_tx *tx;
	void *mem[64];
	uint32_t i, n = 0;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 32 * MIB, 0, 0);
	for (i = 0; i < 2; i++)
		ep[i] = hub_join(HUB, "e");
	assert_null(ferry_alloc(ep[0], 33 * MIB));
	while (n < RTE_DIM(mem) &&
			(mem[n] = ferry_alloc(ep[n % 2], MIB)) != NULL)
		n++;
	assert_in_range(n, 30, 32);
	assert_int_equal(ferry_tx_open(&tx, ep[0], "c", NULL),
		FERRY_E_NO_ROOM);
	for (i = 0; i < n; i++)
		ferry_free(ep[i % 2], mem[i]);
	/* They keep some of it; what one keeps is in the way of the other. */
	assert_null(ferry_alloc(ep[0], 32 * MIB));
	ferry_detach(ep[1]);
	assert_non_null(ferry_alloc(ep[0], 32 * MIB));
	ferry_detach(ep[0]);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
an_endpoint_that_ends_gives_all_back(void **state)
{
	struct ferry_endpoint *ep;
	struct ferry_hub *hub;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	uint32_t i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 48 * MIB, 4, 4);
	for (i = 0; i < 20; i++) {
		ep = hub_join(HUB, "e");
		assert_int_equal(ferry_tx_open(&tx, ep, "c", NULL), 0);
		assert_non_null(ferry_alloc(ep, (i + 1) * MIB));
		assert_int_equal(ferry_rx_open(&rx, ep, "c", NULL), 0);
		assert_non_null(ferry_alloc(ep, 1));
		assert_true(info_of(hub).memory_endpoints >= (i + 1) * MIB);
		ferry_detach(ep);
		hub_check_empty(hub);
		assert_int_equal(info_of(hub).memory_endpoints, 0);
	}
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
a_hub_that_is_shut_gives_nothing_and_takes_back(void **state)
{
	struct ferry_endpoint *ep;
	struct ferry_hub *hub;
	void *mem;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 48 * MIB, 0, 0);
	ep = hub_join(HUB, "e");
	mem = ferry_alloc(ep, 40 * MIB);
	assert_non_null(mem);
	assert_int_equal(ferry_hub_destroy(hub), -EBUSY);
	assert_null(ferry_alloc(ep, MIB));
	ferry_free(ep, mem);
	ferry_detach(ep);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

/* Wait until the hub has so many bytes in limbo: it looks by itself. */
static void
await_limbo(struct ferry_hub *hub, uint64_t bytes)
{
	const uint64_t end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;

	while (info_of(hub).memory_limbo != bytes) {
		assert_true(ferry_test_now_ns() < end);
		usleep(10000);
	}
}

static void
memory_waits_for_what_the_engine_copies_there(void **state)
{
	struct ferry_endpoint *a, *b;
	struct ferry_bulk_block *block;
	struct ferry_engine *engine;
	struct ferry_hub *hub;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	int round;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 48 * MIB, 4, 4);
	a = hub_join(HUB, "a");
	for (round = 0; round < 2; round++) {
		/* No thread runs the engine, so it does not read what the test
		 * writes. */
		assert_int_equal(ferry_engine_create(&engine, hub, NULL), 0);
		b = hub_join(HUB, "b");
		assert_int_equal(ferry_tx_open(&tx, a, "c", NULL), 0);
		assert_int_equal(ferry_rx_open(&rx, b, "c", NULL), 0);
		assert_non_null(ferry_alloc(b, MIB));
		block = chan_bulk(ferry_tx_channel(tx));
		block->gen = 1;
		block->units[1] = FERRY_UNIT_SERVER;
		ferry_detach(b);
		assert_int_equal(info_of(hub).memory_limbo, 2 * MIB);
		usleep(250000);
		assert_int_equal(info_of(hub).memory_limbo, 2 * MIB);
		/* It lets go of the unit; or does not serve the channel any
		 * more, so that what stands there means nothing. */
		if (round == 0)
			__atomic_store_n(&block->units[1], FERRY_UNIT_FREE,
				__ATOMIC_RELEASE);
		else
			ferry_engine_destroy(engine);
		await_limbo(hub, 0);
		ferry_tx_close(tx);
		if (round == 0)
			ferry_engine_destroy(engine);
	}
	ferry_detach(a);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
memory_waits_for_a_producer_that_took_a_lent_buffer(void **state)
{
	struct ferry_bulk_grant *grant;
	struct ferry_endpoint *a, *b;
	struct ferry_hub *hub;
	struct ferry_tx *tx;
	struct ferry_rx *rx;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 48 * MIB, 4, 4);
	a = hub_join(HUB, "a");
	b = hub_join(HUB, "b");
	assert_int_equal(ferry_tx_open(&tx, a, "c", NULL), 0);
	assert_int_equal(ferry_rx_open(&rx, b, "c", NULL), 0);
	assert_non_null(ferry_alloc(b, MIB));
	grant = &chan_grants(ferry_tx_channel(tx))[1];
	grant->state = FERRY_GRANT_TAKEN;
	ferry_detach(b);
	assert_int_equal(info_of(hub).memory_limbo, 2 * MIB);
	usleep(250000);
	assert_int_equal(info_of(hub).memory_limbo, 2 * MIB);
	__atomic_store_n(&grant->state, FERRY_GRANT_NONE, __ATOMIC_RELEASE);
	await_limbo(hub, 0);
	ferry_detach(a);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
an_end_that_was_not_started_ends_no_messages(void **state)
{
	struct ferry_channel_shared *ch;
	struct ferry_bulk_block *block;
	struct ferry_endpoint *ep;
	struct ferry_hub *hub;
	struct ferry_tx *tx;
	struct ferry_rx *rx;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 16 * MIB, 4, 4);
	ep = hub_join(HUB, "e");
	assert_int_equal(ferry_tx_open(&tx, ep, "c", NULL), 0);
	ch = (struct ferry_channel_shared *)(uintptr_t)ferry_tx_channel(tx);
	block = chan_bulk(ch);
	block->gen = 1;
	/* As if it were of another build. */
	ch->layout ^= 1;
	assert_int_equal(ferry_rx_open(&rx, ep, "c", NULL), FERRY_E_VERSION);
	ch->layout ^= 1;
	assert_int_equal(ferry_bulk_over(block, 1), 0);
	assert_int_equal(ferry_rx_open(&rx, ep, "c", NULL), 0);
	assert_int_equal(ferry_bulk_over(block, 1), 0);
	ferry_rx_close(rx);
	assert_int_equal(ferry_bulk_over(block, 1), FERRY_E_CLOSED);
	ferry_detach(ep);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
registered_memory_is_known_to_eal_as_long_as_anybody_wants_it(void **state)
{
	struct ferry_endpoint *ep[3];
	struct ferry_hub *hub;
	uint8_t *mem, *dpdk;
	uint64_t addr;
	uint32_t i;

	(void)state;
	ferry_test_need_eal();
	mem = mmap(NULL, PAGES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(mem != MAP_FAILED);
	addr = (uintptr_t)mem;
	dpdk = rte_malloc(NULL, 8192, 4096);
	assert_non_null(dpdk);
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	for (i = 0; i < 3; i++)
		ep[i] = hub_join(HUB, "e");
	assert_int_equal(ferry_register(ep[0], dpdk, 4096), -EEXIST);

	assert_int_equal(reach_of(addr, 1), FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_register(ep[0], mem, PAGES), 0);
	assert_int_equal(reach_of(addr, PAGES), FERRY_REACH_HERE);
	assert_int_equal(reach_of(addr + PAGES - 1, 1), FERRY_REACH_HERE);
	assert_int_equal(reach_of(addr, PAGES + 1), FERRY_REACH_PRIVATE);
	assert_int_equal(reach_of(addr + 1, UINT64_MAX), FERRY_REACH_NONE);
	/* The same and a part of it, of other threads. */
	assert_int_equal(ferry_register(ep[1], mem, PAGES), 0);
	assert_int_equal(ferry_register(ep[2], mem + 4096, 4096), 0);
	assert_int_equal(ferry_unregister(ep[0], mem, PAGES), 0);
	assert_int_equal(reach_of(addr, PAGES), FERRY_REACH_HERE);
	assert_int_equal(ferry_unregister(ep[1], mem, PAGES), 0);
	assert_int_equal(reach_of(addr + 4096, 4096), FERRY_REACH_HERE);
	ferry_detach(ep[2]);
	assert_int_equal(reach_of(addr, 1), FERRY_REACH_PRIVATE);

	/* What the application registered with EAL stays its own. */
	assert_int_equal(rte_extmem_register(mem, PAGES, NULL, 0, 4096), 0);
	assert_int_equal(ferry_register(ep[0], mem, PAGES), 0);
	assert_int_equal(ferry_unregister(ep[0], mem, PAGES), 0);
	assert_int_equal(reach_of(addr, PAGES), FERRY_REACH_HERE);
	assert_int_equal(rte_extmem_unregister(mem, PAGES), 0);

	/* Half of it known: the other half cannot be. */
	assert_int_equal(ferry_register(ep[0], mem, PAGES / 2), 0);
	assert_int_equal(ferry_register(ep[1], mem, PAGES), -EEXIST);
	assert_int_equal(ferry_unregister(ep[1], mem, PAGES), -ENOENT);
	assert_int_equal(reach_of(addr, PAGES / 2), FERRY_REACH_HERE);
	ferry_detach(ep[0]);
	assert_int_equal(reach_of(addr, 1), FERRY_REACH_PRIVATE);
	ferry_detach(ep[1]);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
	rte_free(dpdk);
	munmap(mem, PAGES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			blocks_are_everybodys_memory_and_hold_what_is_written),
		cmocka_unit_test(exhaustion_is_no_harm),
		cmocka_unit_test(an_endpoint_that_ends_gives_all_back),
		cmocka_unit_test(
			a_hub_that_is_shut_gives_nothing_and_takes_back),
		cmocka_unit_test(memory_waits_for_what_the_engine_copies_there),
		cmocka_unit_test(
			memory_waits_for_a_producer_that_took_a_lent_buffer),
		cmocka_unit_test(an_end_that_was_not_started_ends_no_messages),
		cmocka_unit_test(
		registered_memory_is_known_to_eal_as_long_as_anybody_wants_it),
	};

	return cmocka_run_group_tests(tests, hub_eal_start, NULL);
}
