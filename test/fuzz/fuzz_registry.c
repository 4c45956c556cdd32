/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The registry that an endpoint reads when it attaches: the input scribbles
 * over a hub's registry, and may cut it short. A registry that passes fits into
 * the bytes that are there.
 */

#include <sanitizer/asan_interface.h>

#include "ferry_channel_parts.h"
#include "ferry_errno.h"
#include "fuzz.h"
#include "hub_registry.h"

#define BELLS 4
#define CHANNELS 100
#define MOST 8
#define SIZE (sizeof(struct ferry_registry) + BELLS * sizeof(struct ferry_bell))

static void
make(struct ferry_registry *r)
{
	memset(r, 0, SIZE);
	r->version = FERRY_CHANNEL_VERSION;
	r->layout = ferry_channel_layout_hash();
	r->n_bells = BELLS;
	r->n_boards = FERRY_ENGINES_MAX;
	r->n_channels = CHANNELS;
	r->board_size = ferry_board_size(CHANNELS);
	r->boards = UINT64_C(0x100000000);
	r->memory = UINT64_C(0x200000000);
	r->memory_size = UINT64_C(1) << 21;
	r->magic = FERRY_REGISTRY_MAGIC;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	static union {
		struct ferry_registry r;
		uint8_t bytes[SIZE];
	} whole;
	struct ferry_registry *r = &whole.r;
	struct registry_view v;
	uint64_t room;
	int i, ret;

	make(&whole.r);
	for (i = 0; i < MOST && in.left > 0; i++) {
		const uint8_t how = fuzz_u8(&in);
		const uint32_t width = 1u << (how & 3);
		uint32_t off = fuzz_u8(&in) % (uint32_t)SIZE & ~(width - 1);

		if (how & 4)
			off %= offsetof(struct ferry_registry, bells);
		fuzz_bytes(&in, whole.bytes + off, width);
	}
	room = fuzz_u8(&in) & 1 ? fuzz_u16(&in) % (SIZE + 1) : SIZE;
	/* A read behind it is seen. */
	ASAN_POISON_MEMORY_REGION(whole.bytes + room, SIZE - room);
	ret = registry_read(&v, r, room);
	ASAN_UNPOISON_MEMORY_REGION(whole.bytes, SIZE);
	fuzz_check(ret == 0 || ret == FERRY_E_VERSION ||
		ret == FERRY_E_CORRUPT);
	if (ret == 0) {
		fuzz_check((uint8_t *)&v.bells[v.n_bells] <=
			(uint8_t *)r + room);
		fuzz_check(v.n_bells > 0);
		fuzz_check(v.boards.n > 0 && v.boards.n <= FERRY_ENGINES_MAX);
		fuzz_check(v.boards.n_channels > 0 &&
			v.boards.n_channels <= FERRY_HUB_CHANNELS_MAX);
		fuzz_check(v.boards.size == ferry_board_size(
			v.boards.n_channels));
	}
	return 0;
}
