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
	/* Version and layout as in a channel's head: endpoint and hub must
	 * agree. */
	uint32_t version;
	uint32_t layout;
	uint32_t n_bells;
	/* Boards of engines: n_boards of them, board_size bytes apart. Each has
	 * a bit for each of n_channels channels. */
	uint32_t n_boards;
	uint32_t n_channels;
	uint64_t board_size;
	uint64_t boards;
	/* The hub's memory, which every process has mapped since it attached.
	 * Most copies are from and to it. The endpoint knows it from here,
	 * because to ask EAL for each copy would take microseconds. */
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
 * Read a registry, of which size bytes may be read: 0, FERRY_E_VERSION or
 * FERRY_E_CORRUPT. The caller has to check whether the boards and the memory
 * are mapped in this process: see endpoint_mapped().
 */
int registry_read(struct registry_view *v, struct ferry_registry *r,
		uint64_t size);

#endif /* FERRY_HUB_REGISTRY_H */
