/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_REGISTRY_H
#define FERRY_HUB_REGISTRY_H

/*
 * The registry: what a hub's endpoints share beside channels. The hub writes it
 * before any endpoint attaches. It lies in memory that every process can write,
 * so an endpoint reads it once, checks it, and then uses its private copy.
 */

#include <stdint.h>

#include "ferry_bell.h"
#include "ferry_board.h"
#include "ferry_hub.h"

#define FERRY_REGISTRY_MAGIC UINT64_C(0x0042554859525246) /* "FRRYHUB" */

/* Written by the hub, except the bells. */
struct ferry_registry {
	/* FERRY_REGISTRY_MAGIC, stored last. */
	uint64_t magic;
	/* As of channels: one number says whether both sides fit. */
	uint32_t version;
	uint32_t layout;
	uint32_t n_bells;
	/* Boards of engines: FERRY_ENGINES_MAX of them, board_size apart, each
	 * with a bit for each of n_channels channels. */
	uint32_t n_boards;
	uint32_t n_channels;
	uint64_t board_size;
	uint64_t boards;
	/* The hub's memory, which every process has from its attaching on: most
	 * of what messages are copied from and to lies there, and to ask EAL
	 * each time would take microseconds. */
	uint64_t memory;
	uint64_t memory_size;
	struct ferry_bell bells[];
};

/* An endpoint's private copy. */
struct registry_view {
	struct ferry_bell *bells;
	uint32_t n_bells;
	struct ferry_boards boards;
	uint64_t memory;
	uint64_t memory_size;
};

/*
 * Read a registry of which size bytes may be read: 0, FERRY_E_VERSION or
 * FERRY_E_CORRUPT. Whether the boards and the memory are mapped here is the
 * caller's to check: see endpoint_mapped().
 */
int registry_read(struct registry_view *v, struct ferry_registry *r,
		uint64_t size);

#endif /* FERRY_HUB_REGISTRY_H */
