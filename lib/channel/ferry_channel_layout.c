/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ring_elem.h>

#include "ferry_bulk_layout.h"
#include "ferry_channel_parts.h"
#include "ferry_errno.h"

/* Offsets and sizes of a channel, worked out from its config. */
struct plan {
	uint32_t slot_size;
	uint32_t n_slots;
	uint32_t ring_count;
	uint32_t jobs_count;
	uint64_t stride;
	uint64_t off_fwd;
	uint64_t off_back;
	uint64_t off_jobs;
	uint64_t off_out;
	uint64_t off_tx_held;
	uint64_t off_rx_held;
	uint64_t off_cells;
	uint64_t off_bulk;
	uint64_t off_slots;
	uint64_t size;
};

static uint64_t
apart(uint64_t n)
{
	return RTE_ALIGN_CEIL(n, (uint64_t)FERRY_APART);
}

static int
plan_make(struct plan *p, const struct ferry_channel_config *config)
{
	uint64_t held;

	p->slot_size = config->slot_size != 0 ?
		config->slot_size : FERRY_SLOT_SIZE_DEFAULT;
	p->n_slots = config->n_slots != 0 ?
		config->n_slots : FERRY_N_SLOTS_DEFAULT;
	if (p->slot_size > FERRY_SLOT_SIZE_MAX ||
			p->n_slots < FERRY_SLOTS_MIN ||
			p->n_slots > FERRY_SLOTS_MAX)
		return -EINVAL;

	/*
	 * Slots start on a line of their own. A stride that is a multiple of
	 * the page would put the first lines of all slots into the same few
	 * cache sets, so such slots are moved one line on from each other.
	 */
	p->stride = RTE_ALIGN_CEIL((uint64_t)p->slot_size,
			(uint64_t)RTE_CACHE_LINE_SIZE);
	if (p->stride % 4096 == 0)
		p->stride += RTE_CACHE_LINE_SIZE;

	/* An rte_ring holds one element less than its count. */
	p->ring_count = rte_align32pow2(p->n_slots + 1);
	p->jobs_count = ferry_jobs_places(p->n_slots);
	held = apart((uint64_t)p->n_slots * sizeof(uint32_t));

	p->off_fwd = apart(sizeof(struct ferry_channel_shared));
	p->off_back = apart(p->off_fwd + rte_ring_get_memsize_elem(
			sizeof(struct ferry_desc), p->ring_count));
	p->off_jobs = apart(p->off_back + rte_ring_get_memsize_elem(
			sizeof(uint32_t), p->ring_count));
	p->off_out = apart(p->off_jobs + rte_ring_get_memsize_elem(
			sizeof(struct ferry_job), p->jobs_count));
	p->off_tx_held = apart(p->off_out + rte_ring_get_memsize_elem(
			sizeof(struct ferry_desc), p->ring_count));
	p->off_rx_held = p->off_tx_held + held;
	p->off_cells = p->off_rx_held + held;
	p->off_bulk = p->off_cells +
		FERRY_N_CELLS * sizeof(struct ferry_cell);
	p->off_slots = p->off_bulk +
		FERRY_BULK_BYTES;
	p->size = apart(p->off_slots + p->stride * p->n_slots);
	return 0;
}

uint64_t
ferry_channel_memory(const struct ferry_channel_config *config)
{
	struct plan p;

	if (config == NULL || plan_make(&p, config) != 0)
		return 0;
	return p.size;
}

static void
parts_set(struct ferry_channel_parts *parts, struct ferry_channel_shared *ch,
		const struct plan *p)
{
	parts->shared = ch;
	parts->fwd = ferry_channel_at(ch, p->off_fwd);
	parts->back = ferry_channel_at(ch, p->off_back);
	parts->jobs = ferry_channel_at(ch, p->off_jobs);
	parts->out = ferry_channel_at(ch, p->off_out);
	parts->tx_held = ferry_channel_at(ch, p->off_tx_held);
	parts->rx_held = ferry_channel_at(ch, p->off_rx_held);
	parts->cells = ferry_channel_at(ch, p->off_cells);
	parts->blocks = ferry_channel_at(ch, p->off_bulk);
	parts->grants = (struct ferry_bulk_grant *)
		&parts->blocks[FERRY_BULK_BLOCKS];
	parts->slots = ferry_channel_at(ch, p->off_slots);
	parts->stride = p->stride;
	parts->slot_size = p->slot_size;
	parts->n_slots = p->n_slots;
	parts->ring_count = p->ring_count;
	parts->jobs_count = p->jobs_count;
}

uint32_t
ferry_channel_layout_hash(void)
{
	const uint32_t words[] = {
		sizeof(struct ferry_channel_shared),
		offsetof(struct ferry_channel_shared, off_fwd),
		offsetof(struct ferry_channel_shared, name),
		offsetof(struct ferry_channel_shared, tx),
		offsetof(struct ferry_channel_shared, rx),
		offsetof(struct ferry_channel_shared, cells_freed),
		offsetof(struct ferry_channel_shared, cells_taken),
		sizeof(struct ferry_channel_end),
		offsetof(struct ferry_channel_end, epoch),
		sizeof(struct ferry_desc),
		offsetof(struct ferry_desc, seq),
		sizeof(struct ferry_job),
		offsetof(struct ferry_job, src),
		sizeof(struct ferry_channel_service),
		offsetof(struct ferry_channel_shared, service),
		offsetof(struct ferry_channel_service, mode),
		offsetof(struct ferry_channel_service, failed),
		offsetof(struct ferry_channel_shared, wish),
		offsetof(struct ferry_channel_wish, slots),
		sizeof(struct ferry_cell),
		offsetof(struct ferry_cell, data),
		FERRY_N_CELLS,
		offsetof(struct ferry_channel_end, pid),
		offsetof(struct ferry_channel_end, process),
		offsetof(struct ferry_channel_end, token_at),
		offsetof(struct ferry_channel_service, bulk),
		sizeof(struct ferry_bulk_block),
		offsetof(struct ferry_bulk_block, src),
		offsetof(struct ferry_bulk_block, dst),
		offsetof(struct ferry_bulk_block, released),
		offsetof(struct ferry_bulk_block, over),
		offsetof(struct ferry_bulk_block, units),
		FERRY_BULK_BLOCKS,
		sizeof(struct ferry_bulk_side),
		offsetof(struct ferry_bulk_side, seal),
		offsetof(struct ferry_bulk_side, segs),
		sizeof(struct ferry_bulk_grant),
		offsetof(struct ferry_bulk_grant, seal),
		/* The rings are DPDK's; their layout is part of ours. */
		sizeof(struct rte_ring),
		offsetof(struct rte_ring, prod),
		offsetof(struct rte_ring, cons),
	};
	uint32_t hash = 2166136261u; /* FNV-1a, a word at a time */
	unsigned int i;

	for (i = 0; i < RTE_DIM(words); i++)
		hash = (hash ^ words[i]) * 16777619u;
	return hash;
}

int
ferry_channel_format(void *mem, const struct ferry_channel_config *config,
		const char *name, uint64_t id)
{
	struct ferry_channel_shared *ch = mem;
	const unsigned int spsc = RING_F_SP_ENQ | RING_F_SC_DEQ;
	struct ferry_channel_parts parts;
	struct ferry_desc *out;
	struct plan p;
	uint32_t i;

	if (mem == NULL || config == NULL || name == NULL ||
			strnlen(name, FERRY_NAME_MAX) == FERRY_NAME_MAX ||
			plan_make(&p, config) != 0)
		return -EINVAL;

	/* Everything but the slots themselves starts as zeros. */
	memset(mem, 0, p.off_slots);
	ch->version = FERRY_CHANNEL_VERSION;
	ch->layout = ferry_channel_layout_hash();
	ch->size = p.size;
	ch->id = id;
	ch->slot_size = p.slot_size;
	ch->n_slots = p.n_slots;
	ch->stride = p.stride;
	ch->off_fwd = p.off_fwd;
	ch->off_back = p.off_back;
	ch->off_jobs = p.off_jobs;
	ch->off_out = p.off_out;
	ch->off_tx_held = p.off_tx_held;
	ch->off_rx_held = p.off_rx_held;
	ch->off_cells = p.off_cells;
	ch->off_bulk = p.off_bulk;
	ch->off_slots = p.off_slots;
	strcpy(ch->name, name);

	parts_set(&parts, ch, &p);
	if (rte_ring_init(parts.fwd, "fwd", p.ring_count, spsc) ||
			rte_ring_init(parts.back, "back", p.ring_count, spsc) ||
			rte_ring_init(parts.jobs, "jobs", p.jobs_count, spsc) ||
			rte_ring_init(parts.out, "out", p.ring_count, spsc))
		return -EINVAL;
	/* A server that takes over looks at the message before the first. Let
	 * that one name a slot that no job has. */
	out = (struct ferry_desc *)&parts.out[1];
	out[p.ring_count - 1].slot = UINT32_MAX;
	for (i = 0; i < p.n_slots; i++)
		rte_ring_sp_enqueue_elem(parts.back, &i, sizeof(i));

	/* Pairs with the acquire load in ferry_channel_valid(). */
	__atomic_store_n(&ch->magic, FERRY_CHANNEL_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

/* Whether DPDK's own functions find the ring as it was made, too. */
static bool
ring_valid(const struct rte_ring *r, uint32_t count)
{
	return r->size == count && r->mask == count - 1 &&
		r->capacity == count - 1 &&
		r->prod.sync_type == RTE_RING_SYNC_ST &&
		r->cons.sync_type == RTE_RING_SYNC_ST;
}

int
ferry_channel_find(struct ferry_channel_parts *parts,
		struct ferry_channel_shared *ch, uint64_t size,
		const struct ferry_channel_config *config)
{
	struct ferry_channel_config said;
	struct ferry_channel_parts own;
	struct plan p;

	if (parts == NULL)
		parts = &own;
	if (size < sizeof(*ch) || (uintptr_t)ch % __alignof__(*ch) != 0)
		return FERRY_E_CORRUPT;
	if (__atomic_load_n(&ch->magic, __ATOMIC_ACQUIRE) !=
			FERRY_CHANNEL_MAGIC)
		return FERRY_E_CORRUPT;
	if (ch->version != FERRY_CHANNEL_VERSION ||
			ch->layout != ferry_channel_layout_hash())
		return FERRY_E_VERSION;

	/* Read once, so that the values checked are the values used. */
	said.slot_size = __atomic_load_n(&ch->slot_size, __ATOMIC_RELAXED);
	said.n_slots = __atomic_load_n(&ch->n_slots, __ATOMIC_RELAXED);
	if (said.slot_size == 0 || said.n_slots == 0 || (config != NULL &&
			(said.slot_size != config->slot_size ||
			 said.n_slots != config->n_slots)))
		return FERRY_E_CORRUPT;
	if (plan_make(&p, &said) != 0 || p.size != ch->size ||
			p.size > size || p.stride != ch->stride ||
			p.off_fwd != ch->off_fwd ||
			p.off_back != ch->off_back ||
			p.off_jobs != ch->off_jobs ||
			p.off_out != ch->off_out ||
			p.off_tx_held != ch->off_tx_held ||
			p.off_rx_held != ch->off_rx_held ||
			p.off_cells != ch->off_cells ||
			p.off_bulk != ch->off_bulk ||
			p.off_slots != ch->off_slots)
		return FERRY_E_CORRUPT;
	parts_set(parts, ch, &p);
	if (!ring_valid(parts->fwd, p.ring_count) ||
			!ring_valid(parts->back, p.ring_count) ||
			!ring_valid(parts->jobs, p.jobs_count) ||
			!ring_valid(parts->out, p.ring_count))
		return FERRY_E_CORRUPT;
	if (memchr(ch->name, 0, sizeof(ch->name)) == NULL)
		return FERRY_E_CORRUPT;
	return 0;
}

int
ferry_channel_valid(const struct ferry_channel_shared *ch, uint64_t size)
{
	/* The cast is safe because find() only reads the channel. */
	return ferry_channel_find(NULL, (struct ferry_channel_shared *)
			(uintptr_t)ch, size, NULL);
}

/*
 * Mark the slots named between a ring's cons.tail and prod.tail. The census
 * does not read the heads: a side killed between its head and its tail has not
 * finished the step, and the slot is still where it was.
 */
static int
census_ring(const struct rte_ring *r, uint32_t places, unsigned int esize,
		const struct plan *p, uint8_t *seen, uint32_t *count)
{
	uint32_t tail = __atomic_load_n(&r->cons.tail, __ATOMIC_ACQUIRE);
	uint32_t n = __atomic_load_n(&r->prod.tail, __ATOMIC_ACQUIRE) - tail;
	const uint8_t *elems = (const uint8_t *)&r[1];
	uint32_t i, slot;

	if (n >= places)
		return FERRY_E_CORRUPT;
	for (i = 0; i < n; i++) {
		/* The slot is the first word of every kind of element. The load
		 * is atomic, because the producer may write there once the ring
		 * has gone on. */
		slot = __atomic_load_n((const uint32_t *)(const void *)(elems +
				(size_t)((tail + i) % places) * esize),
				__ATOMIC_RELAXED);
		if (slot >= p->n_slots || seen[slot])
			return FERRY_E_CORRUPT;
		seen[slot] = 1;
	}
	*count += n;
	return 0;
}

/*
 * Mark the slots named by cells that are published and not taken. If seen is
 * NULL, only count these slots.
 */
static int
census_cells(const struct ferry_channel_shared *ch, const struct plan *p,
		uint8_t *seen, uint32_t *count)
{
	const struct ferry_cell *cells = ferry_channel_at(ch, p->off_cells);
	const uint64_t taken = __atomic_load_n(&ch->cells_taken,
			__ATOMIC_ACQUIRE);
	uint32_t slot;
	uint64_t i;

	for (i = taken; i < taken + FERRY_N_CELLS; i++) {
		const struct ferry_cell *cell = &cells[i % FERRY_N_CELLS];
		uint64_t stamp = __atomic_load_n(&cell->stamp,
				__ATOMIC_ACQUIRE);

		if (stamp >> 32 != ferry_cell_stamp(i, 0) >> 32)
			break;
		if (!(__atomic_load_n(&cell->len, __ATOMIC_RELAXED) &
				FERRY_CELL_SLOT))
			continue;
		(*count)++;
		if (seen == NULL)
			continue;
		memcpy(&slot, cell->data, sizeof(slot));
		if (slot >= p->n_slots || seen[slot])
			return FERRY_E_CORRUPT;
		seen[slot] = 1;
	}
	return 0;
}

int
ferry_channel_census(const struct ferry_channel_shared *ch,
		const struct ferry_channel_config *config, bool living,
		struct ferry_channel_census *census)
{
	const struct ferry_channel_config own = {
		.slot_size = ch->slot_size,
		.n_slots = ch->n_slots,
	};
	const bool tx_open = __atomic_load_n(&ch->tx.state,
			__ATOMIC_RELAXED) == FERRY_END_OPEN;
	const uint32_t *tx_held, *rx_held;
	struct plan p;
	uint8_t *seen, *job;
	uint32_t i, n_jobs = 0, in_cells = 0;
	int ret;

	memset(census, 0, sizeof(*census));
	if (plan_make(&p, config != NULL ? config : &own) != 0)
		return FERRY_E_CORRUPT;
	tx_held = ferry_channel_at(ch, p.off_tx_held);
	rx_held = ferry_channel_at(ch, p.off_rx_held);
	seen = calloc(p.n_slots, 2);
	if (seen == NULL)
		return -ENOMEM;
	job = seen + p.n_slots;

	ret = census_ring(ferry_channel_at(ch, p.off_jobs), p.jobs_count,
			sizeof(struct ferry_job), &p, job, &n_jobs);
	if (ret == 0)
		ret = census_ring(ferry_channel_at(ch, p.off_out),
				p.ring_count, sizeof(struct ferry_desc), &p,
				seen, &census->in_flight);
	if (ret == 0)
		ret = census_ring(ferry_channel_at(ch, p.off_fwd),
				p.ring_count, sizeof(struct ferry_desc), &p,
				seen, &census->in_flight);
	if (ret == 0)
		ret = census_cells(ch, &p, living ? NULL : seen, &in_cells);
	if (ret == 0)
		ret = census_ring(ferry_channel_at(ch, p.off_back),
				p.ring_count, sizeof(uint32_t), &p, seen,
				&census->free);
	for (i = 0; i < p.n_slots && ret == 0; i++) {
		bool tx = __atomic_load_n(&tx_held[i], __ATOMIC_RELAXED) != 0;
		bool rx = __atomic_load_n(&rx_held[i], __ATOMIC_RELAXED) != 0;

		if (seen[i])
			continue; /* ring wins; the job ring is left last */
		/*
		 * Both marks are set: one end died after it had passed the slot
		 * on and before it cleared its mark. The other end's mark is
		 * the newer one.
		 */
		if (job[i] && !rx)
			census->jobs++;
		else if (tx && (!rx || tx_open))
			census->tx_held++;
		else if (rx)
			census->rx_held++;
		else
			census->lost++;
	}
	/* Slots in cells are not marked in seen, so they were counted as
	 * lost. */
	if (living) {
		in_cells = RTE_MIN(in_cells, census->lost);
		census->lost -= in_cells;
	}
	census->in_flight += in_cells;
	free(seen);
	return ret;
}
