/* SPDX-License-Identifier: BSD-3-Clause */

/* The layout of a channel in memory, and which memory is refused as a
 * channel. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chan_parts.h"
#include "ferry_test.h"
#include "chan_rig.h"

static const struct ferry_channel_config configs[] = {
	{ 1, 1 }, { 1, 2 }, { 63, 3 }, { 64, 4 }, { 65, 7 }, { 112, 8 },
	{ 4032, 15 }, { 4096, 16 }, { 4097, 17 }, { 8192, 31 }, { 64, 1000 },
	{ 65536, 64 },
};

static uint64_t
memory_of(uint32_t slot_size, uint32_t n_slots)
{
	const struct ferry_channel_config config = { slot_size, n_slots };

	return ferry_channel_memory(&config);
}

static void
the_memory_of_a_config_has_bounds(void **state)
{
	(void)state;
	assert_int_equal(ferry_channel_memory(NULL), 0);
	assert_int_equal(memory_of(FERRY_SLOT_SIZE_MAX + 1, 1), 0);
	assert_int_equal(memory_of(1, FERRY_SLOTS_MAX + 1), 0);
	assert_int_equal(memory_of(UINT32_MAX, UINT32_MAX), 0);
	assert_int_equal(memory_of(0, 0), memory_of(FERRY_SLOT_SIZE_DEFAULT,
			FERRY_N_SLOTS_DEFAULT));
	assert_int_equal(memory_of(100, 0),
			memory_of(100, FERRY_N_SLOTS_DEFAULT));
	assert_int_equal(memory_of(0, 100),
			memory_of(FERRY_SLOT_SIZE_DEFAULT, 100));
	/* The largest of all needs more than 32 bits to tell. */
	assert_true(memory_of(FERRY_SLOT_SIZE_MAX, FERRY_SLOTS_MAX) >
			(uint64_t)FERRY_SLOT_SIZE_MAX * FERRY_SLOTS_MAX);
}

static void
memory_grows_with_slots_and_their_size(void **state)
{
	uint64_t size, before = 0;
	uint32_t i;

	(void)state;
	for (i = 1; i <= 5000; i++) {
		size = memory_of(i, 16);
		assert_true(size >= before && size >= 16 * i);
		assert_int_equal(size % FERRY_APART, 0);
		before = size;
	}
	before = 0;
	for (i = 1; i <= 5000; i++) {
		size = memory_of(64, i);
		assert_true(size >= before && size >= 64 * i);
		before = size;
	}
}

/*
 * The guard page of the rig stands behind; what stands in front of the channel
 * and what is in it before must not matter.
 */
static void
format_keeps_to_its_memory_and_needs_no_zeros(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(configs); i++) {
		const uint64_t size = ferry_channel_memory(&configs[i]);
		struct rig rig;
		uint8_t *mem = rig_map(&rig, size);

		memset(rig.map, 0xa5, (size_t)(mem + size - rig.map));
		assert_int_equal(ferry_channel_format(mem, &configs[i], "x", 9),
				0);
		assert_int_equal(ferry_channel_valid((void *)mem, size), 0);
		while (mem > rig.map)
			assert_int_equal(*--mem, 0xa5);
		rig_unmap(&rig);
	}
}

static void
every_byte_of_a_channel_is_usable(void **state)
{
	unsigned int i;
	uint32_t k;

	(void)state;
	for (i = 0; i < RTE_DIM(configs); i++) {
		const uint32_t n = configs[i].n_slots;
		struct ferry_msg msgs[1000];
		struct rig rig;

		rig_start(&rig, configs[i].slot_size, n);
		assert_int_equal(ferry_tx_loan(rig.tx, msgs, 1000), n);
		for (k = 0; k < n; k++) {
			assert_int_equal(msgs[k].len, configs[i].slot_size);
			assert_int_equal((uintptr_t)msgs[k].data % 64, 0);
			rig_fill(msgs[k].data, msgs[k].len, k);
			msgs[k].tag = rig_tag(k);
		}
		assert_int_equal(ferry_tx_commit(rig.tx, msgs, n), n);
		assert_int_equal(ferry_rx_recv(rig.rx, msgs, 1000), n);
		for (k = 0; k < n; k++)
			rig_assert_msg(&msgs[k], configs[i].slot_size, k);
		assert_int_equal(ferry_rx_release(rig.rx, msgs, n), 0);
		assert_int_equal(ferry_channel_valid(rig.ch, rig.ch->size), 0);
		assert_int_equal(rig_census(rig.ch).free, n);
		rig_stop(&rig);
	}
}

static void
format_refuses_bad_arguments(void **state)
{
	struct ferry_channel_config config = { 64, 4 };
	char name[FERRY_NAME_MAX + 1];
	struct rig rig;
	void *mem = rig_map(&rig, ferry_channel_memory(&config));

	(void)state;
	memset(name, 'n', sizeof(name));
	name[FERRY_NAME_MAX] = 0;
	assert_int_equal(ferry_channel_format(NULL, &config, "x", 1), -EINVAL);
	assert_int_equal(ferry_channel_format(mem, NULL, "x", 1), -EINVAL);
	assert_int_equal(ferry_channel_format(mem, &config, NULL, 1), -EINVAL);
	assert_int_equal(ferry_channel_format(mem, &config, name, 1), -EINVAL);
	config.n_slots = FERRY_SLOTS_MAX + 1;
	assert_int_equal(ferry_channel_format(mem, &config, "x", 1), -EINVAL);
	config.n_slots = 4;

	name[FERRY_NAME_MAX - 1] = 0;
	assert_int_equal(ferry_channel_format(mem, &config, name, 1), 0);
	assert_string_equal(((struct ferry_channel_shared *)mem)->name, name);
	assert_int_equal(((struct ferry_channel_shared *)mem)->id, 1);
	rig_unmap(&rig);
}

static void
a_fresh_channel_has_absent_ends_and_free_slots(void **state)
{
	struct ferry_channel_census c;
	struct rig rig;

	(void)state;
	rig_make(&rig, 100, 5);
	assert_int_equal(rig.ch->tx.state, FERRY_END_ABSENT);
	assert_int_equal(rig.ch->rx.state, FERRY_END_ABSENT);
	c = rig_census(rig.ch);
	assert_int_equal(c.free, 5);
	assert_int_equal(c.tx_held + c.in_flight + c.rx_held, 0);
	rig_stop(&rig);
}

static void
the_magic_is_what_makes_a_channel(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, 64, 4);
	rig.ch->magic = 0;
	/* Without it nothing else is looked at. */
	rig.ch->version++;
	assert_int_equal(ferry_channel_valid(rig.ch, rig.ch->size),
			FERRY_E_CORRUPT);
	rig.ch->magic = FERRY_CHANNEL_MAGIC;
	assert_int_equal(ferry_channel_valid(rig.ch, rig.ch->size),
			FERRY_E_VERSION);
	rig.ch->version--;
	assert_int_equal(ferry_channel_valid(rig.ch, rig.ch->size), 0);
	rig.ch->layout++;
	assert_int_equal(ferry_channel_valid(rig.ch, rig.ch->size),
			FERRY_E_VERSION);
	rig_stop(&rig);
}

static void
memory_too_small_is_no_channel(void **state)
{
	struct ferry_channel_attach attach;
	struct ferry_tx *tx = NULL;
	struct rig rig;
	uint64_t size;

	(void)state;
	rig_make(&rig, 64, 4);
	/* Any smaller claim, down to none. */
	for (size = 0; size < rig.ch->size; size += 8)
		assert_int_equal(ferry_channel_valid(rig.ch, size),
				FERRY_E_CORRUPT);
	assert_int_equal(ferry_channel_valid(rig.ch, rig.ch->size - 1),
			FERRY_E_CORRUPT);
	assert_int_equal(ferry_channel_valid(rig.ch, rig.ch->size + 1), 0);
	attach = rig_attach(&rig, RIG_TX);
	attach.size--;
	assert_int_equal(ferry_tx_start(&tx, &attach), FERRY_E_CORRUPT);
	assert_null(tx);

	/* A page that only starts like a channel: nothing behind is read. */
	rig.ch->size = UINT64_MAX;
	assert_int_equal(ferry_channel_valid(rig.ch, UINT64_MAX),
			FERRY_E_CORRUPT);
	rig_stop(&rig);
}

/* Words of the head, other than magic, version and layout. */
#define WORD(f) { #f, offsetof(struct ferry_channel_shared, f), \
	sizeof(((struct ferry_channel_shared *)0)->f) }
static const struct {
	const char *name;
	size_t at;
	size_t size;
} words[] = {
	WORD(size), WORD(slot_size), WORD(n_slots), WORD(stride),
	WORD(off_fwd), WORD(off_back), WORD(off_tx_held), WORD(off_rx_held),
	WORD(off_cells), WORD(off_slots),
};

static void
every_word_of_the_head_is_checked(void **state)
{
	static const uint64_t bad[] = {
		0, 1, 127, 4096, UINT32_MAX, UINT64_C(1) << 40, UINT64_MAX,
		UINT64_MAX - 127,
	};
	struct ferry_channel_attach attach;
	struct ferry_rx *rx = NULL;
	struct rig rig;
	unsigned int i, k;

	(void)state;
	rig_make(&rig, 300, 4);
	attach = rig_attach(&rig, RIG_RX);
	for (i = 0; i < RTE_DIM(words); i++) {
		uint8_t *word = (uint8_t *)rig.ch + words[i].at;
		uint64_t good = 0;

		memcpy(&good, word, words[i].size);
		for (k = 0; k < RTE_DIM(bad) + 2 * 8 * words[i].size; k++) {
			uint64_t value = k < RTE_DIM(bad) ? bad[k] : good ^
				UINT64_C(1) << (k - RTE_DIM(bad)) %
				(8 * words[i].size);

			/* 300 bytes and 257 to 320 bytes differ in nothing
			 * but this one word, which is then as good. */
			if (memcmp(&value, &good, words[i].size) == 0 ||
					(words[i].at == offsetof(struct
					ferry_channel_shared, slot_size) &&
					value > 256 && value <= 320))
				continue;
			memcpy(word, &value, words[i].size);
			if (ferry_channel_valid(rig.ch, attach.size) !=
					FERRY_E_CORRUPT)
				fail_msg("%s = %#llx passes", words[i].name,
						(unsigned long long)value);
			assert_int_equal(ferry_rx_start(&rx, &attach),
					FERRY_E_CORRUPT);
		}
		memcpy(word, &good, words[i].size);
		assert_int_equal(ferry_channel_valid(rig.ch, attach.size), 0);
	}
	memset(rig.ch->name, 'n', sizeof(rig.ch->name));
	assert_int_equal(ferry_channel_valid(rig.ch, attach.size),
			FERRY_E_CORRUPT);
	rig_stop(&rig);
}

static void
the_rings_heads_are_checked(void **state)
{
	struct rig rig;
	unsigned int which, k;

	(void)state;
	rig_make(&rig, 300, 4);
	for (which = 0; which < 2; which++) {
		struct rte_ring *r = which ? chan_back(rig.ch) :
			chan_fwd(rig.ch);
		uint32_t *const fields[] = {
			&r->size, &r->mask, &r->capacity,
			(uint32_t *)&r->prod.sync_type,
			(uint32_t *)&r->cons.sync_type,
		};

		for (k = 0; k < RTE_DIM(fields) * 32; k++) {
			*fields[k / 32] ^= UINT32_C(1) << k % 32;
			if (ferry_channel_valid(rig.ch, rig.ch->size) !=
					FERRY_E_CORRUPT)
				fail_msg("ring %u field %u bit %u passes",
						which, k / 32, k % 32);
			*fields[k / 32] ^= UINT32_C(1) << k % 32;
		}
	}
	assert_int_equal(ferry_channel_valid(rig.ch, rig.ch->size), 0);
	rig_stop(&rig);
}

static void
random_bytes_are_no_channel_and_do_no_harm(void **state)
{
	uint64_t random = ferry_test_now_ns();
	struct ferry_channel_attach attach;
	struct ferry_channel_shared good;
	struct rig rig;
	unsigned int i;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)random);
	rig_make(&rig, 128, 8);
	good = *rig.ch;
	attach = rig_attach(&rig, RIG_TX);
	for (i = 0; i < 200000; i++) {
		/* Any bytes but the three words that tell a channel. */
		size_t at = 16 + ferry_test_random(&random) %
			(offsetof(struct ferry_channel_shared, tx) - 16);
		size_t n = 1 + ferry_test_random(&random) % 8;
		size_t k;
		int ret;

		for (k = 0; k < n && at + k < sizeof(good); k++)
			((uint8_t *)rig.ch)[at + k] =
				(uint8_t)ferry_test_random(&random);
		ret = ferry_channel_valid(rig.ch, attach.size);
		if (ret == 0) {
			/* The words that say where everything is are right. */
			assert_int_equal(rig.ch->n_slots, good.n_slots);
			assert_int_equal(rig.ch->stride, good.stride);
			assert_int_equal(rig.ch->off_slots, good.off_slots);
		} else {
			assert_int_equal(ret, FERRY_E_CORRUPT);
		}
		memcpy(rig.ch, &good, offsetof(struct ferry_channel_shared,
				tx));
	}
	rig_stop(&rig);
}

static void
the_census_finds_a_slot_that_does_not_exist(void **state)
{
	struct ferry_channel_census c;
	struct ferry_desc desc = { .slot = 4 };
	struct rig rig;
	uint32_t *back;

	(void)state;
	rig_make(&rig, 64, 4);
	back = (uint32_t *)(chan_back(rig.ch) + 1);
	back[2] = 4;
	assert_int_equal(ferry_channel_census(rig.ch, NULL, false, &c),
			FERRY_E_CORRUPT);
	back[2] = UINT32_MAX;
	assert_int_equal(ferry_channel_census(rig.ch, NULL, false, &c),
			FERRY_E_CORRUPT);
	back[2] = 2;
	assert_int_equal(ferry_channel_census(rig.ch, NULL, false, &c), 0);
	rte_ring_sp_enqueue_elem(chan_fwd(rig.ch), &desc,
			sizeof(desc));
	assert_int_equal(ferry_channel_census(rig.ch, NULL, false, &c),
			FERRY_E_CORRUPT);
	rig_stop(&rig);
}

static void
the_census_finds_a_slot_in_two_places(void **state)
{
	struct ferry_channel_census c;
	struct ferry_desc desc = { .slot = 1 };
	struct rig rig;
	uint32_t *back;

	(void)state;
	rig_make(&rig, 64, 4);
	back = (uint32_t *)(chan_back(rig.ch) + 1);
	back[2] = 1;
	assert_int_equal(ferry_channel_census(rig.ch, NULL, false, &c),
			FERRY_E_CORRUPT);
	back[2] = 2;
	/* In one ring each. */
	rte_ring_sp_enqueue_elem(chan_fwd(rig.ch), &desc,
			sizeof(desc));
	assert_int_equal(ferry_channel_census(rig.ch, NULL, false, &c),
			FERRY_E_CORRUPT);
	rig_stop(&rig);
}

static void
the_census_looks_into_cells_that_name_slots(void **state)
{
	struct ferry_channel_census c;
	struct ferry_msg msgs[2];
	struct ferry_cell *cell;
	struct rig rig;
	uint32_t slot;

	(void)state;
	rig_start(&rig, 64, 4);
	assert_int_equal(ferry_tx_loan(rig.tx, msgs, 2), 2);
	assert_int_equal(ferry_tx_commit(rig.tx, msgs, 2), 2);
	cell = rig.tx->end.cells;
	assert_true(cell->len & FERRY_CELL_SLOT);
	assert_int_equal(rig_census(rig.ch).in_flight, 2);
	for (slot = 4; slot != 0; slot <<= 1) {
		memcpy(cell->data, &slot, sizeof(slot));
		assert_int_equal(ferry_channel_census(rig.ch, NULL, false, &c),
				FERRY_E_CORRUPT);
	}
	/* The other cell's. */
	memcpy(cell->data, &msgs[1].id, sizeof(slot));
	assert_int_equal(ferry_channel_census(rig.ch, NULL, false, &c),
			FERRY_E_CORRUPT);
	/* No slot at all: this one is nowhere. */
	cell->len = 0;
	assert_int_equal(ferry_channel_census(rig.ch, NULL, false, &c), 0);
	assert_int_equal(c.lost, 1);
	/* A receiver that says it has taken nonsense is not followed. */
	rig.ch->cells_taken = UINT64_MAX - 3;
	assert_int_equal(ferry_channel_census(rig.ch, NULL, false, &c), 0);
	assert_int_equal(c.lost, 2);
	rig_stop(&rig);
}

static void
the_census_finds_garbage_in_the_tails(void **state)
{
	static const uint32_t bad[] = { 8, 9, 100, 1u << 31, UINT32_MAX };
	struct ferry_channel_census c;
	struct rig rig;
	unsigned int i, which;

	(void)state;
	rig_make(&rig, 64, 4);
	for (which = 0; which < 2; which++) {
		struct rte_ring *r = which ? chan_back(rig.ch) :
			chan_fwd(rig.ch);
		const uint32_t prod = r->prod.tail, cons = r->cons.tail;

		for (i = 0; i < RTE_DIM(bad); i++) {
			r->prod.tail = cons + bad[i];
			assert_int_equal(ferry_channel_census(rig.ch, NULL,
					false, &c), FERRY_E_CORRUPT);
			r->prod.tail = prod;
			r->cons.tail = prod - bad[i];
			assert_int_equal(ferry_channel_census(rig.ch, NULL,
					false, &c), FERRY_E_CORRUPT);
			r->cons.tail = cons;
		}
	}
	assert_int_equal(ferry_channel_census(rig.ch, NULL, false, &c), 0);
	rig_stop(&rig);
}

static void
the_census_finds_what_is_lost_and_lets_the_ring_win(void **state)
{
	struct ferry_channel_census c;
	struct rig rig;
	uint32_t *tx_held, *rx_held, slot;

	(void)state;
	rig_start(&rig, 64, 4);
	tx_held = ferry_channel_at(rig.ch, rig.ch->off_tx_held);
	rx_held = ferry_channel_at(rig.ch, rig.ch->off_rx_held);
	/* Marked by both and still in the ring: free. */
	tx_held[0] = RIG_EPOCH;
	rx_held[0] = RIG_EPOCH;
	c = rig_census(rig.ch);
	assert_int_equal(c.free, 4);
	/* Out of the ring: the other end of a dead producer holds it. */
	rte_ring_sc_dequeue_elem(chan_back(rig.ch), &slot,
			sizeof(slot));
	assert_int_equal(slot, 0);
	assert_int_equal(rig_census(rig.ch).tx_held, 1);
	rig_set_state(&rig.ch->tx, FERRY_END_GONE);
	assert_int_equal(rig_census(rig.ch).rx_held, 1);
	rx_held[0] = 0;
	assert_int_equal(rig_census(rig.ch).tx_held, 1);
	tx_held[0] = 0;
	assert_int_equal(ferry_channel_census(rig.ch, NULL, false, &c), 0);
	assert_int_equal(c.lost, 1);
	assert_int_equal(c.free, 3);
	rig_stop(&rig);
}

/* Else their first lines would be in the same few sets of a cache. */
static void
slots_are_not_a_whole_number_of_pages_apart(void **state)
{
	static const uint32_t sizes[][2] = {
		{ 64, 64 }, { 4031, 4032 }, { 4032, 4032 }, { 4033, 4160 },
		{ 4096, 4160 }, { 8192, 8256 }, { 8193, 8256 },
	};
	struct rig rig;
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(sizes); i++) {
		rig_start(&rig, sizes[i][0], 4);
		assert_int_equal(rig.tx->end.stride, sizes[i][1]);
		rig_stop(&rig);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_not_a_whole_number_of_pages_apart),
		cmocka_unit_test(the_memory_of_a_config_has_bounds),
		cmocka_unit_test(memory_grows_with_slots_and_their_size),
		cmocka_unit_test(format_keeps_to_its_memory_and_needs_no_zeros),
		cmocka_unit_test(every_byte_of_a_channel_is_usable),
		cmocka_unit_test(format_refuses_bad_arguments),
		cmocka_unit_test(
			a_fresh_channel_has_absent_ends_and_free_slots),
		cmocka_unit_test(the_magic_is_what_makes_a_channel),
		cmocka_unit_test(memory_too_small_is_no_channel),
		cmocka_unit_test(every_word_of_the_head_is_checked),
		cmocka_unit_test(the_rings_heads_are_checked),
		cmocka_unit_test(random_bytes_are_no_channel_and_do_no_harm),
		cmocka_unit_test(the_census_finds_a_slot_that_does_not_exist),
		cmocka_unit_test(the_census_finds_a_slot_in_two_places),
		cmocka_unit_test(the_census_looks_into_cells_that_name_slots),
		cmocka_unit_test(the_census_finds_garbage_in_the_tails),
		cmocka_unit_test(
			the_census_finds_what_is_lost_and_lets_the_ring_win),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
