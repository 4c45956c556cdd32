/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Pieces of the arena that are endpoints' memory.
 *
 *              hub_alloc()         hub_free_piece(), the endpoint's end
 *     arena ───────────────> piece ───────────────────────────────────> arena
 *       ^                      │ while others may copy there               ^
 *       │                      v                                           │
 *       │                    limbo ────memory_sweep()──────────────────────┘
 *
 * Three parties may copy into or out of an ended endpoint's memory: the other
 * end of one of its channels, as long as it has claims in a bulk message
 * (ferry_claim.h); the engine, likewise; a device that cannot be stopped, for
 * ever. When an end ends, the hub ends its messages first. From then on no new
 * claim leads to a copy. So claims that are once seen to be gone are gone for
 * good.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "ferry_claim.h"
#include "ferry_errno.h"
#include "hub_private.h"

/* Whether a party has claims in any message of a channel. */
static bool
claims_any(const struct hub_channel *c, uint8_t party)
{
	uint32_t i;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++) {
		const struct ferry_bulk_block *b = &c->blocks[i];

		/* Look at all units, because n_units in the block may be
		 * false. */
		if (__atomic_load_n(&b->gen, __ATOMIC_RELAXED) != 0 &&
				ferry_claim_any(b, FERRY_BULK_UNITS, party))
			return true;
	}
	return false;
}

/* Whether the producer has taken a buffer that its dead consumer had lent. It
 * may begin to copy there although no claim of it has been seen yet. */
static bool
grants_taken(const struct hub_channel *c)
{
	uint32_t i;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		if (__atomic_load_n(&c->grants[i].state, __ATOMIC_RELAXED) ==
				FERRY_GRANT_TAKEN)
			return true;
	return false;
}

/* Whether another party may still copy for an end that has ended. The channel
 * exists as long as the other end is open. */
static bool
end_in_use(const struct hub_channel *c, enum hub_role role)
{
	if (c->engine != NULL && claims_any(c, FERRY_UNIT_SERVER))
		return true;
	return role == HUB_TX ? claims_any(c, FERRY_UNIT_RX) :
		claims_any(c, FERRY_UNIT_TX) || grants_taken(c);
}

/* Whether another party may copy into or out of an endpoint's memory. */
static bool
memory_in_use(const struct ferry_hub *hub, uint32_t epoch)
{
	uint32_t i;
	int role;

	for (i = 0; i < hub->max_channels; i++) {
		const struct hub_channel *c = &hub->channels[i];

		for (role = HUB_TX; role <= HUB_RX && c->used; role++)
			if (c->ends[role].epoch == epoch &&
					(c->ends[role].owed || c->unsafe))
				return true;
	}
	return false;
}

static void
piece_free(struct ferry_hub *hub, struct hub_piece *p)
{
	ferry_arena_free(&hub->arena, p->mem, p->size);
	free(p);
}

/* Take a piece that an endpoint has given up. The piece is in no list. */
static void
piece_give(struct ferry_hub *hub, struct hub_piece *p, bool lost)
{
	p->lost = lost;
	if (!lost && !memory_in_use(hub, p->epoch)) {
		piece_free(hub, p);
		return;
	}
	if (lost)
		HUB_LOG(ERR, "%s: %" PRIu64 " KiB of an endpoint are never "
			"used again: a DMA device that cannot be stopped may "
			"write there", hub->name, p->size >> 10);
	SLIST_INSERT_HEAD(&hub->limbo, p, next);
	hub_monitor_sweeps(hub, true);
}

void
memory_bulk_end(struct hub_channel *c, enum hub_role role, int why)
{
	uint32_t i, gen, state;

	/* Withdraw the grants before the messages end. If the producer took a
	 * grant before, either its message has begun by then and is ended
	 * below, or grants_taken() sees the grant. */
	for (i = 0; i < FERRY_BULK_BLOCKS && role == HUB_RX; i++) {
		state = FERRY_GRANT_OFFERED;
		__atomic_compare_exchange_n(&c->grants[i].state, &state,
				FERRY_GRANT_NONE, false, __ATOMIC_ACQUIRE,
				__ATOMIC_RELAXED);
	}
	for (i = 0; i < FERRY_BULK_BLOCKS; i++) {
		gen = __atomic_load_n(&c->blocks[i].gen, __ATOMIC_RELAXED);
		/* This does no harm to a complete message, because its units
		 * alone say that it is complete. A block that was never used
		 * has no message 0 to end. */
		ferry_bulk_end(&c->blocks[i], gen, why);
	}
}

void
memory_owe(struct ferry_hub *hub, struct hub_channel *c, enum hub_role role)
{
	c->ends[role].owed = end_in_use(c, role);
	if (c->ends[role].owed)
		HUB_LOG(DEBUG, "%s: %s is in the middle of copying when an end "
			"ends", hub->name, c->name);
}

void
memory_unsafe(struct ferry_hub *hub, struct hub_channel *c)
{
	struct hub_piece *p;
	int role;

	hub->unsafe = true;
	for (role = HUB_TX; role <= HUB_RX; role++) {
		const struct hub_end *end = &c->ends[role];
		struct hub_endpoint *ep = endpoint_find(hub, end->endpoint,
				end->epoch);

		if (ep != NULL)
			ep->unsafe = true;
		SLIST_FOREACH(p, &hub->limbo, next)
			p->lost |= p->epoch == end->epoch;
	}
}

void
memory_sweep(struct ferry_hub *hub)
{
	struct hub_piece *p, *following;
	struct hub_pieces rest = SLIST_HEAD_INITIALIZER(rest);
	bool more = false;
	uint32_t i;
	int role;

	if (SLIST_EMPTY(&hub->limbo))
		return;
	for (i = 0; i < hub->max_channels; i++) {
		struct hub_channel *c = &hub->channels[i];

		for (role = HUB_TX; role <= HUB_RX && c->used; role++)
			if (c->ends[role].owed)
				c->ends[role].owed = end_in_use(c, role);
	}
	for (p = SLIST_FIRST(&hub->limbo); p != NULL; p = following) {
		following = SLIST_NEXT(p, next);
		if (!p->lost && !memory_in_use(hub, p->epoch)) {
			piece_free(hub, p);
			continue;
		}
		SLIST_INSERT_HEAD(&rest, p, next);
		more |= !p->lost;
	}
	hub->limbo = rest;
	if (!more)
		hub_monitor_sweeps(hub, false);
}

void
hub_sweep(struct ferry_hub *hub)
{
	pthread_mutex_lock(&hub->lock);
	memory_sweep(hub);
	pthread_mutex_unlock(&hub->lock);
}

void
memory_endpoint_ended(struct ferry_hub *hub, struct hub_endpoint *ep)
{
	struct hub_piece *p;

	while ((p = SLIST_FIRST(&ep->pieces)) != NULL) {
		SLIST_REMOVE_HEAD(&ep->pieces, next);
		piece_give(hub, p, ep->unsafe);
	}
}

int
hub_alloc(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t size, uint64_t *addr)
{
	struct hub_piece *p = malloc(sizeof(*p));
	struct hub_endpoint *ep;
	int ret = 0;

	if (p == NULL)
		return -ENOMEM;
	pthread_mutex_lock(&hub->lock);
	ep = endpoint_find(hub, endpoint, epoch);
	memory_sweep(hub);
	if (hub->closing || ep == NULL)
		ret = FERRY_E_HUB_GONE;
	else if (size == 0)
		ret = -EINVAL;
	else if ((p->mem = ferry_arena_alloc_long(&hub->arena, size)) == NULL)
		ret = FERRY_E_NO_ROOM;
	if (ret == 0) {
		p->size = size;
		p->epoch = epoch;
		p->lost = false;
		SLIST_INSERT_HEAD(&ep->pieces, p, next);
		*addr = (uintptr_t)p->mem;
	}
	pthread_mutex_unlock(&hub->lock);
	if (ret != 0)
		free(p);
	return ret;
}

int
hub_free_piece(struct ferry_hub *hub, uint32_t endpoint, uint32_t epoch,
		uint64_t addr)
{
	struct hub_piece *p = NULL;
	struct hub_endpoint *ep;

	pthread_mutex_lock(&hub->lock);
	ep = endpoint_find(hub, endpoint, epoch);
	if (ep != NULL)
		SLIST_FOREACH(p, &ep->pieces, next)
			if ((uintptr_t)p->mem == addr)
				break;
	if (p != NULL) {
		SLIST_REMOVE(&ep->pieces, p, hub_piece, next);
		piece_give(hub, p, ep->unsafe);
		memory_sweep(hub);
	}
	pthread_mutex_unlock(&hub->lock);
	return p != NULL ? 0 : -ENOENT;
}

static uint64_t
pieces_bytes(const struct hub_pieces *pieces)
{
	const struct hub_piece *p;
	uint64_t bytes = 0;

	/* Rounded up as the arena does. */
	SLIST_FOREACH(p, pieces, next)
		bytes += RTE_ALIGN_CEIL(p->size, (uint64_t)FERRY_ARENA_GRAIN);
	return bytes;
}

void
memory_count(struct ferry_hub *hub, uint64_t *held, uint64_t *limbo)
{
	uint32_t i;

	*held = 0;
	for (i = 0; i < hub->max_endpoints; i++)
		*held += pieces_bytes(&hub->endpoints[i].pieces);
	*limbo = pieces_bytes(&hub->limbo);
}

void
memory_forget(struct ferry_hub *hub)
{
	struct hub_piece *p;

	while ((p = SLIST_FIRST(&hub->limbo)) != NULL) {
		SLIST_REMOVE_HEAD(&hub->limbo, next);
		free(p);
	}
}
