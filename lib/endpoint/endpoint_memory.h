/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_ENDPOINT_MEMORY_H
#define FERRY_ENDPOINT_MEMORY_H

/*
 * The memory of an endpoint, internal: see ferry_memory.h.
 *
 *     ferry_alloc() ──> a piece that has room ──> the block
 *                 └──> none: HUB_OP_ALLOC, a new piece
 *
 * The books of each piece are a struct ferry_arena in the endpoint's own
 * memory. A block that takes long to copy has a piece of its length to itself,
 * so that no small block keeps this piece from going back. An endpoint keeps
 * pieces without blocks as long as it does not have more than it lately used at
 * the same time. So a stream of messages asks the hub for nothing.
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
	/* Pieces with blocks, the oldest first; pieces without blocks, the one
	 * used last first; and the bytes of each kind. */
	TAILQ_HEAD(memory_pieces, memory_piece) busy;
	struct memory_pieces idle;
	uint64_t busy_bytes;
	uint64_t idle_bytes;
	/* The highest value of busy_bytes in this span of allocations and in
	 * the span before; the number of allocations. */
	uint64_t peak[2];
	uint32_t n;
	/* What the endpoint knows of which processes reach memory, and the
	 * ranges that it registered. */
	struct ferry_reach_view view;
	uint32_t n_ranges;
	/* Segments of messages under way, registered or not, because a segment
	 * may be registered later. n_unknown counts segments for which there
	 * was no memory. */
	struct memory_held *held;
	uint32_t n_held;
	uint32_t room_held;
	uint32_t n_unknown;
	/* The functions that the channels' ends call. */
	struct ferry_channel_memory ops;
};

void endpoint_memory_init(struct endpoint_memory *m, struct ferry_endpoint *ep);
/* The hub's memory is known to be shared by all processes: 0, or
 * FERRY_E_CORRUPT if it is not mapped here. */
int endpoint_memory_know(struct endpoint_memory *m,
		const struct registry_view *v);
/* Called before the endpoint detaches; detaching gives the pieces back. */
void endpoint_memory_fini(struct endpoint_memory *m);

/* endpoint.c */

struct endpoint_memory *endpoint_memory_of(struct ferry_endpoint *ep);
/* Ask the hub in this endpoint's name. Returns the hub's result, or why there
 * is none. */
int endpoint_ask(struct ferry_endpoint *ep, struct hub_request *req,
		struct hub_reply *rep);
/* Whether the calling process is the endpoint's, and was not forked from it: 0
 * or FERRY_E_FORKED. */
int endpoint_check(const struct ferry_endpoint *ep);
/* Whether memory that the hub told of is mapped in all processes, this one
 * included. */
bool endpoint_mapped(struct ferry_endpoint *ep, uint64_t addr, uint64_t size);

#endif /* FERRY_ENDPOINT_MEMORY_H */
