/* SPDX-License-Identifier: BSD-3-Clause */

/* What an endpoint accepts as a registry. Any process may have written to
 * it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>

#include "ferry_channel_layout.h"
#include "ferry_channel_parts.h"
#include "ferry_errno.h"
#include "hub_registry.h"

#define BELLS 4
#define CHANNELS 1000

static union {
	struct ferry_registry r;
	uint8_t bytes[sizeof(struct ferry_registry) +
		BELLS * sizeof(struct ferry_bell)];
} mem;

static struct registry_view view;

/* A registry as a hub makes it. */
static struct ferry_registry *
good(void)
{
	memset(&mem, 0, sizeof(mem));
	mem.r.magic = FERRY_REGISTRY_MAGIC;
	mem.r.version = FERRY_CHANNEL_VERSION;
	mem.r.layout = ferry_channel_layout_hash();
	mem.r.n_bells = BELLS;
	mem.r.n_boards = FERRY_ENGINES_MAX;
	mem.r.n_channels = CHANNELS;
	mem.r.board_size = ferry_board_size(CHANNELS);
	mem.r.boards = 16 * RTE_CACHE_LINE_SIZE;
	mem.r.memory = 1 << 21;
	mem.r.memory_size = 1 << 22;
	return &mem.r;
}

static int
look(void)
{
	return registry_read(&view, &mem.r, sizeof(mem.bytes));
}

static void
what_a_hub_has_written_is_read(void **state)
{
	(void)state;
	good();
	assert_int_equal(look(), 0);
	assert_ptr_equal(view.bells, mem.r.bells);
	assert_int_equal(view.n_bells, BELLS);
	assert_int_equal(view.boards.n, FERRY_ENGINES_MAX);
	assert_int_equal(view.boards.n_channels, CHANNELS);
	assert_int_equal(view.boards.size, ferry_board_size(CHANNELS));
	assert_int_equal((uintptr_t)view.boards.base, mem.r.boards);
	assert_int_equal(view.memory, mem.r.memory);
	assert_int_equal(view.memory_size, mem.r.memory_size);
	/* The fewest, and the most. */
	good()->n_boards = 1;
	assert_int_equal(look(), 0);
	good()->n_channels = FERRY_HUB_CHANNELS_MAX;
	mem.r.board_size = ferry_board_size(FERRY_HUB_CHANNELS_MAX);
	assert_int_equal(look(), 0);
	good()->n_bells = 1;
	assert_int_equal(look(), 0);
}

static void
a_registry_of_another_build_is_told(void **state)
{
	(void)state;
	good()->version++;
	assert_int_equal(look(), FERRY_E_VERSION);
	good()->layout ^= 1;
	assert_int_equal(look(), FERRY_E_VERSION);
}

static void
a_damaged_registry_is_told(void **state)
{
	(void)state;
	good()->magic ^= 1;
	assert_int_equal(look(), FERRY_E_CORRUPT);
	good();
	assert_int_equal(registry_read(&view, &mem.r, sizeof(mem.r) - 1),
		FERRY_E_CORRUPT);
	/* Bells: none, more than there is room for, more than a hub has. */
	good()->n_bells = 0;
	assert_int_equal(look(), FERRY_E_CORRUPT);
	good()->n_bells = BELLS + 1;
	assert_int_equal(look(), FERRY_E_CORRUPT);
	good()->n_bells = FERRY_HUB_ENDPOINTS_MAX + 1;
	assert_int_equal(registry_read(&view, &mem.r, UINT64_MAX),
		FERRY_E_CORRUPT);
	good()->n_bells = FERRY_HUB_ENDPOINTS_MAX;
	assert_int_equal(registry_read(&view, &mem.r, UINT64_MAX), 0);
	/* Boards. */
	good()->n_boards = 0;
	assert_int_equal(look(), FERRY_E_CORRUPT);
	good()->n_boards = FERRY_ENGINES_MAX + 1;
	assert_int_equal(look(), FERRY_E_CORRUPT);
	good()->n_channels = 0;
	mem.r.board_size = ferry_board_size(0);
	assert_int_equal(look(), FERRY_E_CORRUPT);
	good()->n_channels = FERRY_HUB_CHANNELS_MAX + 1;
	mem.r.board_size = ferry_board_size(FERRY_HUB_CHANNELS_MAX + 1);
	assert_int_equal(look(), FERRY_E_CORRUPT);
	good()->board_size += RTE_CACHE_LINE_SIZE;
	assert_int_equal(look(), FERRY_E_CORRUPT);
	good()->boards += RTE_CACHE_LINE_SIZE / 2;
	assert_int_equal(look(), FERRY_E_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_hub_has_written_is_read),
		cmocka_unit_test(a_registry_of_another_build_is_told),
		cmocka_unit_test(a_damaged_registry_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
