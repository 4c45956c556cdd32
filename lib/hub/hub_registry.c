/* SPDX-License-Identifier: BSD-3-Clause */

#include "ferry_channel_parts.h"
#include "ferry_errno.h"
#include "hub_registry.h"

int
registry_read(struct registry_view *v, struct ferry_registry *r, uint64_t size)
{
	if (size < sizeof(*r) || (uintptr_t)r % __alignof__(*r) != 0 ||
			__atomic_load_n(&r->magic, __ATOMIC_ACQUIRE) !=
			FERRY_REGISTRY_MAGIC)
		return FERRY_E_CORRUPT;
	if (r->version != FERRY_CHANNEL_VERSION ||
			r->layout != ferry_channel_layout_hash())
		return FERRY_E_VERSION;
	/* Read once, so that the values checked are the values used. */
	v->bells = r->bells;
	v->n_bells = __atomic_load_n(&r->n_bells, __ATOMIC_RELAXED);
	v->boards.n = __atomic_load_n(&r->n_boards, __ATOMIC_RELAXED);
	v->boards.n_channels = __atomic_load_n(&r->n_channels,
			__ATOMIC_RELAXED);
	v->boards.size = __atomic_load_n(&r->board_size, __ATOMIC_RELAXED);
	v->boards.base = (void *)(uintptr_t)__atomic_load_n(&r->boards,
			__ATOMIC_RELAXED);
	v->boards.number = 0;
	v->memory = __atomic_load_n(&r->memory, __ATOMIC_RELAXED);
	v->memory_size = __atomic_load_n(&r->memory_size, __ATOMIC_RELAXED);
	if (v->n_bells == 0 || v->n_bells > FERRY_HUB_ENDPOINTS_MAX ||
			v->n_bells > (size - sizeof(*r)) / sizeof(*r->bells))
		return FERRY_E_CORRUPT;
	if (v->boards.n == 0 || v->boards.n > FERRY_ENGINES_MAX ||
			v->boards.n_channels == 0 ||
			v->boards.n_channels > FERRY_HUB_CHANNELS_MAX ||
			v->boards.size != ferry_board_size(
				v->boards.n_channels) ||
			(uintptr_t)v->boards.base % RTE_CACHE_LINE_SIZE != 0)
		return FERRY_E_CORRUPT;
	return 0;
}
