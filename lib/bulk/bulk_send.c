/* SPDX-License-Identifier: BSD-3-Clause */

/* Bulk messages at their producer. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bulk_end.h"
#include "ferry_bulk_team.h"

/* How long a closing end waits for other parties that copy. A copy takes less
 * than a millisecond, unless the party is stopped. */
#define STOP_NS UINT64_C(2000000000)

/*
 * Longest message that goes into the cache unless the application asks for
 * something else. A longer one is copied nearly twice as fast around the cache
 * if its bytes are in memory. If two cores copied it, only one half would be in
 * the cache of the core that reads it.
 */
#define PLACE_CACHE_MAX (UINT64_C(64) << 10)

struct ferry_bulk_out {
	TAILQ_ENTRY(ferry_bulk_out) next;
	struct ferry_tx *tx;
	/* When the message was sent, whether other messages were under way
	 * then, and whether this end chose which parties copy. */
	uint64_t begun;
	bool stream;
	bool chosen;
	/* note_end() has been called for the message. */
	bool noted;
	struct bulk_msg m;
};

struct bulk_tx {
	struct ferry_end_part part;
	struct ferry_tx *tx;
	struct bulk_end end;
	TAILQ_HEAD(bulk_outs, ferry_bulk_out) outs;
	/* Handles for the next messages, because a new handle costs some lines
	 * from memory. */
	struct bulk_outs spare;
	/* Blocks whose message has a handle, a bit each. */
	uint32_t used;
	/* Blocks whose last message ended early, a bit each: another party may
	 * still copy that message. */
	uint32_t early;
	/* gen of the last message of each block, kept here because other
	 * processes may write into the block. 0: none yet, because an end is
	 * opened once. */
	uint32_t gens[FERRY_BULK_BLOCKS];
	uint32_t n_outs;
	struct bulk_team team;
};

/* Whether the consumer has let go of the last message in a block. */
static bool
block_is_released(const struct bulk_tx *b, uint32_t i)
{
	/* G */
	return b->gens[i] == 0 || __atomic_load_n(&b->end.blocks[i].released,
			__ATOMIC_ACQUIRE) == b->gens[i];
}

/* Whether no other party copies the last message in a block. The units must
 * stay as they are while a party copies. */
static bool
block_is_quiet(struct bulk_tx *b, uint32_t i)
{
	if (likely((b->early & 1u << i) == 0))
		return true;
	if (bulk_block_busy(&b->end, &b->end.blocks[i], FERRY_BULK_UNITS))
		return false;
	b->early &= ~(1u << i);
	return true;
}

/* A block for a new message; or NULL. */
static struct ferry_bulk_block *
block_find(const struct ferry_tx *tx)
{
	struct bulk_tx *b = tx->bulk;
	uint32_t i;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		if ((b->used & 1u << i) == 0 && block_is_released(b, i) &&
				block_is_quiet(b, i))
			return &b->end.blocks[i];
	return NULL;
}

/* Fill in a block. No party copies from it now. But a server may come late, for
 * the message before. */
static void
block_fill(struct ferry_bulk_block *block, const struct bulk_msg *m,
		uint64_t key)
{
	const struct bulk_view *v = &m->v;
	uint32_t i;

	/* First gen: a server that comes late claims, and then finds by gen
	 * that this is another message. Pairs with the acquire of a claim. */
	__atomic_store_n(&block->gen, v->gen, __ATOMIC_RELAXED);
	rte_atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&block->len, v->len, __ATOMIC_RELAXED);
	__atomic_store_n(&block->by, m->by, __ATOMIC_RELAXED);
	__atomic_store_n(&block->place, v->place, __ATOMIC_RELAXED);
	bulk_side_write(&block->src, &v->src, v->gen, key);
	__atomic_store_n(&block->next, 0, __ATOMIC_RELAXED);
	for (i = 0; i < v->n_units; i++)
		__atomic_store_n(&block->units[i], FERRY_UNIT_FREE,
				__ATOMIC_RELEASE);
}

/* A lent buffer that the message fits into: its number from 1 up, or 0. */
static uint32_t
grant_take(struct ferry_tx *tx, struct bulk_msg *m)
{
	struct ferry_bulk_grant *grants = tx->bulk->end.grants;
	uint64_t addr, len, key;
	uint32_t i;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++) {
		struct ferry_bulk_grant *g = &grants[i];
		uint32_t state = FERRY_GRANT_OFFERED;

		/* L */
		if (__atomic_load_n(&g->state, __ATOMIC_ACQUIRE) != state ||
				__atomic_load_n(&g->len, __ATOMIC_RELAXED) <
				m->v.len ||
				!__atomic_compare_exchange_n(&g->state, &state,
				FERRY_GRANT_TAKEN, false, __ATOMIC_ACQUIRE,
				__ATOMIC_RELAXED))
			continue;
		key = bulk_key(&tx->bulk->end);
		addr = __atomic_load_n(&g->addr, __ATOMIC_RELAXED);
		len = __atomic_load_n(&g->len, __ATOMIC_RELAXED);
		/* Between the load and the exchange the consumer may have taken
		 * the buffer back, and lent a shorter one in its place. Or the
		 * seal shows that no consumer of this process has lent it. */
		if (unlikely(len < m->v.len || (key != 0 && g->seal !=
				bulk_grant_seal(g, addr, len, key)))) {
			__atomic_store_n(&g->state, FERRY_GRANT_OFFERED,
					__ATOMIC_RELEASE);
			continue;
		}
		m->v.dst.n = 1;
		m->v.dst.flags = FERRY_BULK_SHARED;
		m->v.dst.segs[0].addr = addr;
		m->v.dst.segs[0].len = m->v.len;
		return i + 1;
	}
	return 0;
}

/* Announce a message at its place in the order. A cell must be free. */
static void
announce(struct ferry_tx *tx, const struct bulk_msg *m, uint32_t tag,
		uint32_t grant)
{
	struct ferry_cell *cell = &tx->end.cells[tx->cell_head % FERRY_N_CELLS];
	const struct ferry_bulk_note note = {
		.block = bulk_number(&tx->bulk->end, &m->v),
		.gen = m->v.gen,
		.len = m->v.len,
		.tag = tag,
		.grant = grant,
	};

	/* The census may be looking at the cell's last message. */
	__atomic_store_n(&cell->len, FERRY_CELL_BULK, __ATOMIC_RELAXED);
	cell->tag = tag;
	memcpy(cell->data, &note, sizeof(note));
	ferry_tx_stamp(tx, cell, 0);
	tx->end.stats.bytes += m->v.len;
	ferry_end_ring(&tx->end);
}

/* Choose which parties should copy, if the application does not say. */
static uint32_t
choose(struct ferry_tx *tx, struct ferry_bulk_out *out)
{
	const struct ferry_board *board = ferry_board_of(tx->end.shared,
			&tx->end.boards);
	const bool devices = board != NULL && __atomic_load_n(&board->devices,
			__ATOMIC_RELAXED) > 0;
	const bool worker = board != NULL && __atomic_load_n(&board->worker,
			__ATOMIC_RELAXED) != 0;

	if (tx->end.mode == FERRY_MODE_EFFICIENCY)
		return devices ? FERRY_BULK_ENGINE :
			FERRY_BULK_TX | FERRY_BULK_RX;
	out->chosen = true;
	return bulk_team_choose(&tx->bulk->team, out->m.v.len, out->stream,
			devices || worker);
}

/* Take a spare handle, or make one. */
static struct ferry_bulk_out *
out_make(struct ferry_tx *tx)
{
	struct ferry_bulk_out *out = TAILQ_FIRST(&tx->bulk->spare);

	if (out != NULL)
		TAILQ_REMOVE(&tx->bulk->spare, out, next);
	else
		out = calloc(1, sizeof(*out));
	return out;
}

/* Fill in a handle: 0 or -EINVAL. */
static int
out_fill(struct ferry_bulk_out *out, struct ferry_bulk_block *block,
		const struct iovec *iov, unsigned int n_iov,
		const struct ferry_bulk_options *options, struct ferry_tx *tx)
{
	struct bulk_view *v = &out->m.v;
	int ret = bulk_side_make(&v->src, iov, n_iov, &v->len);

	if (ret != 0)
		return ret;
	out->tx = tx;
	out->begun = rte_rdtsc();
	out->stream = tx->bulk->n_outs > 0;
	out->chosen = false;
	out->noted = false;
	/* Never 0, because 0 is the gen of a new block that has no message. */
	bulk_view_init(v, block, tx->bulk->gens[
			block - tx->bulk->end.blocks] % UINT32_MAX + 1);
	bulk_view_shape(v);
	v->place = options->place != FERRY_PLACE_AUTO ? options->place :
		v->len <= PLACE_CACHE_MAX ? FERRY_PLACE_CACHE :
		FERRY_PLACE_MEMORY;
	if (bulk_is_shared(&tx->bulk->end, &v->src))
		v->src.flags = FERRY_BULK_SHARED;
	bulk_msg_init(&out->m, options->by != 0 ? options->by :
			choose(tx, out));
	return 0;
}

/* Take note that a message has ended. */
static void
note_end(struct bulk_tx *b, struct ferry_bulk_out *out)
{
	struct ferry_bulk_stats *stats = &b->end.stats;
	const struct bulk_view *v = &out->m.v;

	if (out->noted)
		return;
	out->noted = true;
	/* Cleared before the block may become another message's. */
	__atomic_fetch_and(&b->tx->end.shared->service.bulk,
			~(1u << bulk_number(&b->end, v)),
			__ATOMIC_RELAXED);
	bulk_hold(&b->end, &v->src, false);
	b->n_outs--;
	if (out->m.ended != 1) {
		b->early |= 1u << bulk_number(&b->end, v);
		stats->aborted++;
		return;
	}
	stats->msgs++;
	stats->bytes += v->len;
	if ((v->src.flags & FERRY_BULK_SHARED) == 0 &&
			!bulk_is_local(&b->end)) {
		stats->private_msgs++;
		stats->private_bytes += v->len;
	}
	if ((v->dst.flags & FERRY_BULK_WINDOW) != 0)
		stats->window_bytes += v->len;
	if (out->chosen)
		bulk_team_learn(&b->team, v->len, out->m.by, out->begun,
				rte_rdtsc(), out->stream);
}

/* The units below this one may be copied now. */
static uint32_t
limit_of(const struct bulk_view *v)
{
	uint64_t taken;

	if (!v->started || (v->dst.flags & FERRY_BULK_WINDOW) == 0)
		return v->n_units;
	taken = __atomic_load_n(&v->block->taken, __ATOMIC_ACQUIRE);
	return (uint32_t)RTE_MIN(taken + v->dst.window, v->n_units);
}

/* Advance one message. Returns whether the calling thread has copied
 * something. */
static bool
out_work(struct bulk_tx *b, struct ferry_bulk_out *out, enum ferry_mode mode)
{
	struct bulk_msg *m = &out->m;

	if (m->ended != 0)
		return false;
	if (!m->v.started && ferry_bulk_started(m->v.block, m->v.gen)) {
		if (bulk_view_dst(&m->v, bulk_key(&b->end)))
			bulk_started(&b->end, m);
		else
			bulk_over(&b->end, m, FERRY_E_CORRUPT);
	}
	bulk_look(&b->end, m);
	if (m->ended != 0) {
		note_end(b, out);
		return false;
	}
	if (bulk_step(&b->end, m, mode, limit_of(&m->v)) == 0)
		return false;
	bulk_look(&b->end, m);
	if (m->ended != 0)
		note_end(b, out);
	return true;
}

/* Advance the messages, the oldest first, because a waiting producer waits for
 * the oldest. Returns whether the calling thread has copied something. */
static bool
tx_work(struct bulk_tx *b)
{
	struct ferry_bulk_out *out;

	TAILQ_FOREACH(out, &b->outs, next)
		if (out_work(b, out, (enum ferry_mode)b->tx->end.mode))
			return true;
	return false;
}

/* Look how a message stands: 1: it is whole; 0: it is under way; or
 * negative. */
static int
out_look(void *arg)
{
	struct ferry_bulk_out *out = arg;

	if (out->m.ended == 0) {
		bulk_look(&out->tx->bulk->end, &out->m);
		if (out->m.ended != 0)
			note_end(out->tx->bulk, out);
	}
	return out->m.ended;
}

int
ferry_bulk_poll(struct ferry_bulk_out *out)
{
	tx_work(out->tx->bulk);
	/* tx_work() may have stopped at another message. */
	return out_look(out);
}

/* This wait is for no slot and no job. */
static void
out_wish(void *arg)
{
	struct ferry_bulk_out *out = arg;

	ferry_tx_wish(out->tx, FERRY_WISH_NONE);
	ferry_end_wish(&out->tx->end, false);
}

int
ferry_bulk_wait(struct ferry_bulk_out *out, uint64_t timeout_ns)
{
	const struct ferry_end_want ended = { out_look, out_wish, out };

	/* Called even if timeout_ns is 0, because a producer that only polls
	 * has to copy, too. */
	tx_work(out->tx->bulk);
	return ferry_end_wait(&out->tx->end, &ended, timeout_ns);
}

static bool
out_is_over(void *arg)
{
	struct ferry_bulk_out *out = arg;

	bulk_look(&out->tx->bulk->end, &out->m);
	return out->m.ended != 0;
}

int
ferry_bulk_cancel(struct ferry_bulk_out *out, uint64_t timeout_ns)
{
	struct bulk_view *v = &out->m.v;
	int why;

	/* Another call may have found out that no party copies any more. */
	if (out->noted)
		return out->m.ended == FERRY_E_CANCELLED ? 0 : -EALREADY;
	why = ferry_bulk_end(v->block, v->gen, FERRY_E_CANCELLED);
	ferry_end_ring(&out->tx->end);
	if (!ferry_end_quiet(out_is_over, out, timeout_ns))
		return -ETIMEDOUT;
	note_end(out->tx->bulk, out);
	return out->m.ended == 1 || why != FERRY_E_CANCELLED ? -EALREADY : 0;
}

static void
out_free(struct ferry_bulk_out *out)
{
	struct bulk_tx *b = out->tx->bulk;

	TAILQ_REMOVE(&b->outs, out, next);
	TAILQ_INSERT_HEAD(&b->spare, out, next);
	b->used &= ~(1u << bulk_number(&b->end, &out->m.v));
}

/*
 * End a message. After timeout_ns this end does not wait any longer for the
 * parties that still copy. They are other processes: what they read of the
 * payload from now on is lost.
 */
static void
out_end(struct ferry_bulk_out *out, uint64_t timeout_ns)
{
	struct bulk_tx *b = out->tx->bulk;

	if (ferry_bulk_cancel(out, timeout_ns) != -ETIMEDOUT)
		return;
	bulk_give_up(&b->end, &out->m);
	note_end(b, out);
}

void
ferry_bulk_close(struct ferry_bulk_out *out)
{
	const struct ferry_tx *tx;

	if (out == NULL)
		return;
	tx = out->tx;
	/* A thread of this process reads the payload where it is, so this call
	 * has to wait for it. Such a thread stops soon while this one runs: see
	 * bulk_is_impatient(). */
	out_end(out, tx->bulk->end.in_hub || bulk_is_local(&tx->bulk->end) ?
			UINT64_MAX : STOP_NS);
	out_free(out);
}

static struct bulk_tx *
tx_of(struct ferry_end_part *part)
{
	return container_of(part, struct bulk_tx, part);
}

static enum ferry_end_step
tx_step(struct ferry_end_part *part)
{
	return tx_work(tx_of(part)) ? FERRY_STEP_WORKED : FERRY_STEP_NONE;
}

/* Whether there is something to copy for a message, or it can begin. */
static bool
out_wake(const struct ferry_bulk_out *out)
{
	const struct bulk_view *v = &out->m.v;

	if (ferry_bulk_over(v->block, v->gen) != 0)
		return false;
	if (!v->started)
		return ferry_bulk_started(v->block, v->gen);
	/* If the window is full, there is nothing to copy. */
	return bulk_may_step(&out->m, FERRY_UNIT_TX) &&
		(limit_of(v) == v->n_units || __atomic_load_n(&v->block->next,
			__ATOMIC_RELAXED) < limit_of(v));
}

static bool
tx_wake(const struct ferry_end_part *part)
{
	const struct bulk_tx *b =
		container_of(part, const struct bulk_tx, part);
	const struct ferry_bulk_out *out;

	TAILQ_FOREACH(out, &b->outs, next)
		if (out->m.ended == 0 && out_wake(out))
			return true;
	return false;
}

static bool
tx_drained(const struct ferry_end_part *part)
{
	const struct bulk_tx *b =
		container_of(part, const struct bulk_tx, part);
	uint32_t i;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		if (!block_is_released(b, i))
			return false;
	return true;
}

/* End the messages under way. Do not wait long for a stopped peer. */
static void
tx_stop(struct ferry_end_part *part)
{
	const uint64_t deadline = ferry_wait_deadline(STOP_NS);
	struct bulk_tx *b = tx_of(part);
	struct ferry_bulk_out *out;

	/* The hub keeps memory that a stopped consumer still reads. */
	while ((out = TAILQ_FIRST(&b->outs)) != NULL) {
		out_end(out, bulk_left_ns(deadline));
		out_free(out);
	}
}

static void
tx_stopped(struct ferry_end_part *part)
{
	struct bulk_tx *b = tx_of(part);
	struct ferry_bulk_out *out;

	while ((out = TAILQ_FIRST(&b->spare)) != NULL) {
		TAILQ_REMOVE(&b->spare, out, next);
		free(out);
	}
	bulk_end_fini(&b->end);
	b->tx->bulk = NULL;
	free(b);
}

/* Hang bulk messages on an end, when it sends the first one. */
static int
tx_begin(struct ferry_tx *tx)
{
	static const struct ferry_end_ops ops = {
		.step = tx_step,
		.wake = tx_wake,
		.drained = tx_drained,
		.stop = tx_stop,
		.stopped = tx_stopped,
	};
	struct bulk_tx *b;
	int ret;

	if (tx->bulk != NULL)
		return 0;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	ret = bulk_end_init(&b->end, &tx->end, FERRY_UNIT_TX);
	if (ret != 0) {
		free(b);
		return ret;
	}
	b->tx = tx;
	b->end.in_hub = tx->end.local;
	TAILQ_INIT(&b->outs);
	TAILQ_INIT(&b->spare);
	bulk_team_init(&b->team);
	ferry_end_hang(&tx->end, &b->part, &ops);
	tx->bulk = b;
	return 0;
}

/* Whether ferry_bulk_send() would find room. */
static int
room_look(void *arg)
{
	struct ferry_tx *tx = arg;
	const int ret = ferry_end_result(tx->end.other);

	if (ret != 0)
		return ret;
	if (block_find(tx) != NULL && ferry_tx_has_cells(tx, 1))
		return 1;
	return ferry_tx_none(tx);
}

/* A cell is no slot, so the producer asks for everything that is given back. */
static void
room_wish(void *arg)
{
	struct ferry_tx *tx = arg;

	ferry_tx_wish(tx, 0);
	ferry_end_wish(&tx->end, false);
}

int
ferry_bulk_tx_wait(struct ferry_tx *tx, uint64_t timeout_ns)
{
	const struct ferry_end_want room = { room_look, room_wish, tx };
	int ret = tx_begin(tx);

	return ret != 0 ? ret : ferry_end_wait(&tx->end, &room, timeout_ns);
}

int
ferry_bulk_send(struct ferry_tx *tx, const struct iovec *iov,
		unsigned int n_iov, const struct ferry_bulk_options *options,
		struct ferry_bulk_out **result)
{
	static const struct ferry_bulk_options defaults;
	struct ferry_bulk_block *block;
	struct ferry_bulk_out *out;
	uint32_t grant, i;
	int ret = ferry_end_result(tx->end.other);

	if (options == NULL)
		options = &defaults;
	if (ret == 0 && ((unsigned int)options->place >= FERRY_PLACES ||
			result == NULL))
		ret = -EINVAL;
	if (ret == 0)
		ret = tx_begin(tx);
	if (ret != 0)
		return ret;
	ferry_end_take_mode(&tx->end);
	block = block_find(tx);
	if (block == NULL || !ferry_tx_has_cells(tx, 1)) {
		tx->end.stats.empty++;
		tx->cell_will_do = true;
		return ferry_tx_none(tx);
	}
	out = out_make(tx);
	if (out == NULL)
		return -ENOMEM;
	ret = out_fill(out, block, iov, n_iov, options, tx);
	if (ret != 0) {
		TAILQ_INSERT_HEAD(&tx->bulk->spare, out, next);
		return ret;
	}
	grant = grant_take(tx, &out->m);
	block_fill(block, &out->m, tx->bulk->end.self.token);
	if (grant != 0) {
		bulk_side_write(&block->dst, &out->m.v.dst, out->m.v.gen,
				tx->bulk->end.self.token);
		__atomic_store_n(&block->dst_gen, out->m.v.gen,
				__ATOMIC_RELEASE);
	}
	announce(tx, &out->m, options->tag, grant);
	if (grant != 0)
		bulk_announce(&tx->bulk->end, &out->m);
	bulk_hold(&tx->bulk->end, &out->m.v.src, true);
	i = bulk_number(&tx->bulk->end, &out->m.v);
	tx->bulk->gens[i] = out->m.v.gen;
	tx->bulk->used |= 1u << i;
	tx->bulk->n_outs++;
	TAILQ_INSERT_TAIL(&tx->bulk->outs, out, next);
	*result = out;
	return 1;
}

void
ferry_bulk_tx_stats(const struct ferry_tx *tx, struct ferry_bulk_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (tx->bulk != NULL)
		*stats = tx->bulk->end.stats;
}
