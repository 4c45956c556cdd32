/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_ENDPOINT_MEMORY_H
#define FERRY_ENDPOINT_MEMORY_H

/*
 * The memory of an endpoint, from inside: see ferry_memory.h.
 *
 *     ferry_alloc() ──> a piece that has room ──> the block
 *                 └──> none: HUB_OP_ALLOC, a new piece
 *
 * The books of each piece are a struct ferry_arena in the endpoint's own
 * memory. Blocks that take long to copy have pieces to themselves, of their
 * length, so that nothing small keeps these from going back. Pieces without
 * blocks are kept as long as the endpoint does not have more than it lately
 * used at once: a stream of messages asks the hub for nothing.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ferry_channel_attach.h"
#include "ferry_channel_memory.h"
#include "ferry_memory.h"
#include "hub_ctl.h"

struct memory_piece;
struct memory_held;

struct endpoint_memory {
	struct ferry_endpoint *ep;
	/* Pieces with blocks, the oldest first; and without, the one first that
	 * was used last. Their bytes. */
	TAILQ_HEAD(memory_pieces, memory_piece) busy;
	struct memory_pieces idle;
	uint64_t busy_bytes;
	uint64_t idle_bytes;
	/* The most that busy_bytes was, in this span of allocations and in the
	 * one before; allocations in this span. */
	uint64_t peak[2];
	uint32_t n;
	/* What it knows of who reaches memory, and what is registered. */
	struct ferry_reach_view view;
	uint32_t n_ranges;
	/* Segments of messages under way, wherever they are: what is not
	 * registered now may be so tomorrow. Those that found no room. */
	struct memory_held *held;
	uint32_t n_held;
	uint32_t room_held;
	uint32_t n_unknown;
	/* For the channels' ends. */
	struct ferry_channel_memory ops;
};

void endpoint_memory_init(struct endpoint_memory *m, struct ferry_endpoint *ep);
/* The hub's memory is everybody's: 0, or FERRY_E_CORRUPT if it is not here. */
int endpoint_memory_know(struct endpoint_memory *m,
		const struct registry_view *v);
/* Before the endpoint detaches, which gives the pieces back. */
void endpoint_memory_fini(struct endpoint_memory *m);

/* endpoint.c */

struct endpoint_memory *endpoint_memory_of(struct ferry_endpoint *ep);
/* Ask the hub in this endpoint's name: its result, or why there is none. */
int endpoint_ask(struct ferry_endpoint *ep, struct hub_request *req,
		struct hub_reply *rep);
/* Whether this is the endpoint's process, and not one forked from it: 0 or
 * FERRY_E_FORKED. */
int endpoint_check(const struct ferry_endpoint *ep);
/* Whether memory that the hub told of is memory of all processes, this one
 * included. */
bool endpoint_mapped(struct ferry_endpoint *ep, uint64_t addr, uint64_t size);

#endif /* FERRY_ENDPOINT_MEMORY_H */
