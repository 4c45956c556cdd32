/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "endpoint_memory.h"
#include "ferry_errno.h"

/* Sizes of pieces for several blocks: of the first piece, and of the others. */
#define PIECE_FIRST (UINT64_C(2) << 20)
#define PIECE (UINT64_C(8) << 20)
/* A block of this size or more has a piece to itself: copying as much takes
 * more than a millisecond, asking the hub a tenth of one. */
#define OWN_PIECE (UINT64_C(32) << 20)
/* What the endpoint may keep beyond what it uses or lately used. Blocks that
 * are used in turns do not add up in the peak. */
#define SPARE PIECE
/* Allocations after which an earlier peak is forgotten. It may take up to twice
 * as many. */
#define SPAN 32
/* Most registered ranges, because they are searched one by one. */
#define RANGES 64

struct memory_piece {
	TAILQ_ENTRY(memory_piece) next;
	struct ferry_arena arena;
	/* The piece is for one block alone. */
	bool own;
	/* By grain: how many grains the block has that starts there, or 0. */
	uint32_t *blocks;
};

struct memory_held {
	uint64_t addr;
	uint64_t size;
};

static void
piece_forget(struct memory_piece *p)
{
	ferry_arena_fini(&p->arena);
	free(p->blocks);
	free(p);
}

/* Give memory back to the hub. */
static void
hub_return(struct endpoint_memory *m, void *mem)
{
	struct hub_request req = {
		.op = HUB_OP_FREE,
		.addr = (uintptr_t)mem,
	};
	struct hub_reply rep;

	/* The piece is no longer this endpoint's, even if the hub cannot take
	 * it back now or does so later. */
	endpoint_ask(m->ep, &req, &rep);
}

/* Take a piece out of the idle ones. */
static void
idle_leave(struct endpoint_memory *m, struct memory_piece *p)
{
	TAILQ_REMOVE(&m->idle, p, next);
	m->idle_bytes -= p->arena.size;
}

static void
idle_drop(struct endpoint_memory *m)
{
	struct memory_piece *p = TAILQ_LAST(&m->idle, memory_pieces);

	idle_leave(m, p);
	hub_return(m, p->arena.base);
	piece_forget(p);
}

/* Give back idle pieces beyond what was lately in use. busy: bytes in use
 * now. */
static void
idle_trim(struct endpoint_memory *m, uint64_t busy)
{
	const uint64_t peak = RTE_MAX(m->peak[0], m->peak[1]);
	const uint64_t most = RTE_MAX(peak, busy) + SPARE;

	while (m->idle_bytes > 0 && busy + m->idle_bytes > most)
		idle_drop(m);
}

static void
piece_use(struct endpoint_memory *m, struct memory_piece *p)
{
	TAILQ_INSERT_TAIL(&m->busy, p, next);
	m->busy_bytes += p->arena.size;
	m->peak[0] = RTE_MAX(m->peak[0], m->busy_bytes);
}

static void
piece_rest(struct endpoint_memory *m, struct memory_piece *p)
{
	TAILQ_REMOVE(&m->busy, p, next);
	m->busy_bytes -= p->arena.size;
	TAILQ_INSERT_HEAD(&m->idle, p, next);
	m->idle_bytes += p->arena.size;
	idle_trim(m, m->busy_bytes);
}

/* Make the books of a piece; NULL if there is no memory for them. */
static struct memory_piece *
piece_make(void *mem, uint64_t size, bool own)
{
	struct memory_piece *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->own = own;
	/* Zeroed memory that is not touched costs nothing. */
	p->blocks = calloc(size / FERRY_ARENA_GRAIN, sizeof(*p->blocks));
	if (p->blocks == NULL || ferry_arena_init(&p->arena, mem, size) != 0) {
		piece_forget(p);
		return NULL;
	}
	return p;
}

/* Get bytes from the hub: 0 or negative. */
static int
hub_fetch(struct endpoint_memory *m, uint64_t size, void **mem)
{
	struct hub_request req = { .op = HUB_OP_ALLOC, .size = size };
	struct hub_reply rep;
	int ret = endpoint_ask(m->ep, &req, &rep);

	if (ret != 0)
		return ret;
	*mem = (void *)(uintptr_t)rep.addr;
	if (!endpoint_mapped(m->ep, rep.addr, size)) {
		hub_return(m, *mem);
		return FERRY_E_CORRUPT;
	}
	return 0;
}

/* Get a piece with room for a block: 0, or why there is none. */
static int
piece_get(struct endpoint_memory *m, uint64_t size, struct memory_piece **piece)
{
	const bool own = size >= OWN_PIECE;
	uint64_t bytes = RTE_ALIGN_CEIL(size, FERRY_ARENA_LONG);
	void *mem;
	int ret;

	/* The endpoint gets as much again as it has, so that an endpoint that
	 * needs little has little. */
	if (!own)
		bytes = RTE_MAX(bytes, RTE_MIN(PIECE, RTE_MAX(PIECE_FIRST,
				m->busy_bytes + m->idle_bytes)));
	idle_trim(m, m->busy_bytes + bytes);
	ret = hub_fetch(m, bytes, &mem);
	if (ret == FERRY_E_NO_ROOM && m->idle_bytes > 0) {
		while (m->idle_bytes > 0)
			idle_drop(m);
		ret = hub_fetch(m, bytes, &mem);
	}
	if (ret == FERRY_E_NO_ROOM && bytes > size) {
		bytes = size;
		ret = hub_fetch(m, bytes, &mem);
	}
	if (ret != 0)
		return ret;
	*piece = piece_make(mem, bytes, own);
	if (*piece != NULL)
		return 0;
	hub_return(m, mem);
	return -ENOMEM;
}

static void *
block_make(struct memory_piece *p, uint64_t size)
{
	uint8_t *mem = ferry_arena_alloc_long(&p->arena, size);

	if (mem != NULL)
		p->blocks[(mem - p->arena.base) / FERRY_ARENA_GRAIN] =
			(uint32_t)(size / FERRY_ARENA_GRAIN);
	return mem;
}

/* Whether a block may go into an idle piece. */
static bool
piece_suits(const struct memory_piece *p, uint64_t size)
{
	if (p->own != (size >= OWN_PIECE) || p->arena.size < size)
		return false;
	/* A piece much longer than its block is no match: the next long block
	 * would then need one more piece. */
	return !p->own || p->arena.size - size <= size / 8;
}

/* Make a block in the pieces that the endpoint has; NULL: they have no room. */
static void *
block_find(struct endpoint_memory *m, uint64_t size)
{
	struct memory_piece *p;
	void *mem;

	TAILQ_FOREACH(p, &m->busy, next) {
		if (p->own || size >= OWN_PIECE)
			continue;
		mem = block_make(p, size);
		if (mem != NULL)
			return mem;
	}
	TAILQ_FOREACH(p, &m->idle, next) {
		if (!piece_suits(p, size))
			continue;
		mem = block_make(p, size);
		if (mem == NULL)
			continue; /* no memory for the books */
		idle_leave(m, p);
		piece_use(m, p);
		return mem;
	}
	return NULL;
}

static int
memory_alloc(void *arg, uint64_t size, void **mem)
{
	struct endpoint_memory *m = arg;
	struct memory_piece *p;
	int ret;

	*mem = NULL;
	if (size == 0)
		return -EINVAL;
	if (size > FERRY_BULK_MAX / 2)
		return FERRY_E_NO_ROOM;
	size = RTE_ALIGN_CEIL(size, (uint64_t)FERRY_ARENA_GRAIN);
	if (++m->n % SPAN == 0) {
		m->peak[1] = m->peak[0];
		m->peak[0] = m->busy_bytes;
		/* Trim here, too: if all blocks go into pieces in use, no piece
		 * falls idle, and that would be the only other time. */
		idle_trim(m, m->busy_bytes);
	}
	*mem = block_find(m, size);
	if (*mem != NULL)
		return 0;
	ret = piece_get(m, size, &p);
	if (ret != 0)
		return ret;
	piece_use(m, p);
	*mem = block_make(p, size);
	if (*mem != NULL)
		return 0;
	piece_rest(m, p);
	return -ENOMEM;
}

static void
memory_free(void *arg, void *mem)
{
	struct endpoint_memory *m = arg;
	struct memory_piece *p;
	uint64_t at = 0;

	if (mem == NULL)
		return;
	TAILQ_FOREACH(p, &m->busy, next) {
		at = (uint64_t)((uintptr_t)mem - (uintptr_t)p->arena.base);
		if (at < p->arena.size)
			break;
	}
	if (p == NULL || at % FERRY_ARENA_GRAIN != 0 ||
			p->blocks[at / FERRY_ARENA_GRAIN] == 0) {
		HUB_LOG(ERR, "%p was not given by ferry_alloc()", mem);
		return;
	}
	ferry_arena_free(&p->arena, mem, (uint64_t)FERRY_ARENA_GRAIN *
			p->blocks[at / FERRY_ARENA_GRAIN]);
	p->blocks[at / FERRY_ARENA_GRAIN] = 0;
	if (p->arena.n_given == 0)
		piece_rest(m, p);
}

/* Whether a range contains some of a stretch. */
static bool
range_meets(const struct ferry_reach_range *r, uint64_t addr, uint64_t size)
{
	return addr < r->addr + r->size && r->addr < addr + size;
}

static enum ferry_reach
memory_reach(void *arg, const void *mem, uint64_t len)
{
	struct endpoint_memory *m = arg;

	return ferry_reach(&m->view, (uintptr_t)mem, len);
}

static void
memory_hold(void *arg, const void *mem, uint64_t len)
{
	struct endpoint_memory *m = arg;
	struct memory_held *grown;
	uint32_t room;

	if (m->n_held == m->room_held) {
		room = RTE_MAX(2 * m->room_held, (uint32_t)FERRY_BULK_SEGS);
		grown = realloc(m->held, room * sizeof(*grown));
		if (grown == NULL) {
			m->n_unknown++;
			return;
		}
		m->held = grown;
		m->room_held = room;
	}
	m->held[m->n_held].addr = (uintptr_t)mem;
	m->held[m->n_held++].size = len;
}

static void
memory_unhold(void *arg, const void *mem, uint64_t len)
{
	struct endpoint_memory *m = arg;
	uint32_t i;

	for (i = 0; i < m->n_held; i++) {
		if (m->held[i].addr != (uintptr_t)mem ||
				m->held[i].size != len)
			continue;
		m->held[i] = m->held[--m->n_held];
		return;
	}
	m->n_unknown--;
}

/* Whether a message under way uses some of a range. */
static bool
range_held(const struct endpoint_memory *m, const struct ferry_reach_range *r)
{
	uint32_t i;

	for (i = 0; i < m->n_held; i++)
		if (range_meets(r, m->held[i].addr, m->held[i].size))
			return true;
	return m->n_unknown > 0;
}

/* Tell the hub of a range, so that EAL and the devices learn of it. Only in the
 * hub's process; other processes cannot. */
static int
range_tell(struct endpoint_memory *m, enum hub_op op,
		const struct ferry_reach_range *r)
{
	struct hub_request req = {
		.op = op,
		.addr = r->addr,
		.size = r->size,
	};
	struct hub_reply rep;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return 0;
	return endpoint_ask(m->ep, &req, &rep);
}

static int
is_dpdk(const struct rte_memseg_list *msl, void *arg)
{
	const struct ferry_reach_range *r = arg;

	return !msl->external && range_meets(r, (uintptr_t)msl->base_va,
			msl->len);
}

int
ferry_register(struct ferry_endpoint *ep, void *mem, uint64_t size)
{
	struct endpoint_memory *m = endpoint_memory_of(ep);
	const uint64_t addr = (uintptr_t)mem;
	struct ferry_reach_range *r;
	int ret = endpoint_check(ep);

	if (ret != 0)
		return ret;
	if (addr == 0 || size == 0 || addr % FERRY_ARENA_GRAIN != 0 ||
			size % FERRY_ARENA_GRAIN != 0 || addr + size < addr)
		return -EINVAL;
	SLIST_FOREACH(r, &m->view.ranges, next)
		if (range_meets(r, addr, size))
			return -EEXIST;
	if (m->n_ranges == RANGES)
		return -ENOSPC;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->addr = addr;
	r->size = size;
	/* Without EAL's lock, because a killed process may hold it. The lists
	 * of segments do not move. */
	ret = rte_memseg_list_walk_thread_unsafe(is_dpdk, r) != 0 ? -EEXIST :
		range_tell(m, HUB_OP_REGISTER, r);
	if (ret != 0) {
		free(r);
		return ret;
	}
	SLIST_INSERT_HEAD(&m->view.ranges, r, next);
	m->n_ranges++;
	return 0;
}

static void
range_remove(struct endpoint_memory *m, struct ferry_reach_range *r)
{
	SLIST_REMOVE(&m->view.ranges, r, ferry_reach_range, next);
	m->n_ranges--;
	range_tell(m, HUB_OP_UNREGISTER, r);
	free(r);
}

int
ferry_unregister(struct ferry_endpoint *ep, void *mem, uint64_t size)
{
	struct endpoint_memory *m = endpoint_memory_of(ep);
	struct ferry_reach_range *r;
	int ret = endpoint_check(ep);

	if (ret != 0)
		return ret;
	SLIST_FOREACH(r, &m->view.ranges, next)
		if (r->addr == (uintptr_t)mem && r->size == size)
			break;
	if (r == NULL)
		return -ENOENT;
	if (range_held(m, r))
		return -EBUSY;
	range_remove(m, r);
	return 0;
}

void *
ferry_alloc(struct ferry_endpoint *ep, uint64_t size)
{
	/* A forked process has a copy of the books, and would get memory that
	 * the other process gets, too. */
	int ret = endpoint_check(ep);
	void *mem = NULL;

	if (ret == 0)
		ret = memory_alloc(endpoint_memory_of(ep), size, &mem);
	if (ret != 0)
		rte_errno = -ret;
	return mem;
}

void
ferry_free(struct ferry_endpoint *ep, void *mem)
{
	if (endpoint_check(ep) == 0)
		memory_free(endpoint_memory_of(ep), mem);
}

void
endpoint_memory_init(struct endpoint_memory *m, struct ferry_endpoint *ep)
{
	m->ep = ep;
	TAILQ_INIT(&m->busy);
	TAILQ_INIT(&m->idle);
	SLIST_INIT(&m->view.ranges);
	m->ops = (struct ferry_channel_memory) {
		.alloc = memory_alloc,
		.free = memory_free,
		.reach = memory_reach,
		.hold = memory_hold,
		.unhold = memory_unhold,
		.arg = m,
	};
}

int
endpoint_memory_know(struct endpoint_memory *m, const struct registry_view *v)
{
	const uint64_t at = v->memory, size = v->memory_size;

	if (!endpoint_mapped(m->ep, at, size))
		return FERRY_E_CORRUPT;
	m->view.known_from = at;
	m->view.known_to = at + size;
	return 0;
}

void
endpoint_memory_fini(struct endpoint_memory *m)
{
	struct memory_piece *p;

	while (!SLIST_EMPTY(&m->view.ranges))
		range_remove(m, SLIST_FIRST(&m->view.ranges));
	free(m->held);
	m->held = NULL;
	TAILQ_CONCAT(&m->busy, &m->idle, next);
	while ((p = TAILQ_FIRST(&m->busy)) != NULL) {
		TAILQ_REMOVE(&m->busy, p, next);
		piece_forget(p);
	}
}
