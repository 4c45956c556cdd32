/* SPDX-License-Identifier: BSD-3-Clause */

/* Bulk messages at their consumer. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bulk_end.h"
#include "bulk_private.h"
#include "ferry_post.h"

/* As in bulk_send.c. */
#define STOP_NS UINT64_C(2000000000)
/* Bytes and units of a window: one is filled while others are emptied. */
#define WINDOW_BYTES (UINT64_C(2) << 20)
#define WINDOW_MIN 2

struct ferry_bulk_in {
	TAILQ_ENTRY(ferry_bulk_in) next;
	struct ferry_rx *rx;
	uint32_t tag;
	/* Memory of the endpoint: the destination, or the window; or NULL. */
	void *own;
	/* Units taken out of v.dst, if that is a window; then the destination. */
	uint64_t taken;
	struct bulk_side final;
	/* The destination is the caller's. */
	bool lent;
	/* 1 + the grant whose buffer is to be lent again; 0: none. */
	uint32_t again;
	bool noted;
	struct bulk_msg m;
};

struct bulk_rx {
	struct bulk_end end;
	TAILQ_HEAD(bulk_ins, ferry_bulk_in) ins;
	/* Given back, but somebody may still write them. */
	struct bulk_ins zombies;
	/* Handles for the next ones. */
	struct bulk_ins spare;
	/* What was lent, by its place among the grants. */
	struct iovec lent[FERRY_BULK_BLOCKS];
};

static int
rx_begin(struct ferry_rx *rx)
{
	struct bulk_rx *b;
	int ret;

	if (rx->bulk != NULL)
		return 0;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	ret = bulk_end_init(&b->end, rx->shared, rx->cells, FERRY_UNIT_RX,
			rx->copier, rx->memory, rx->bells, rx->n_bells,
			&rx->boards);
	if (ret != 0) {
		free(b);
		return ret;
	}
	TAILQ_INIT(&b->ins);
	TAILQ_INIT(&b->zombies);
	TAILQ_INIT(&b->spare);
	rx->bulk = b;
	return 0;
}

static void
wake_producer(const struct ferry_rx *rx)
{
	ferry_end_notify(&rx->shared->tx, rx->bells, rx->n_bells);
}

/* G: the producer may use the block again. */
static void
block_let_go(const struct ferry_rx *rx, struct ferry_bulk_block *block,
		uint32_t gen)
{
	__atomic_store_n(&block->released, gen, __ATOMIC_RELEASE);
	wake_producer(rx);
}

/* Read what a message announces; false if it is impossible. */
static bool
note_read(const struct ferry_rx *rx, const struct ferry_msg *msg,
		struct ferry_bulk_note *note)
{
	const struct ferry_bulk_block *block;

	memcpy(note, msg->data, sizeof(*note));
	/* All of its lines that are about to be used, at once. */
	block = &rx->bulk->end.blocks[note->block % FERRY_BULK_BLOCKS];
	rte_prefetch0(block);
	rte_prefetch0(&block->dst_gen);
	rte_prefetch0(&block->over);
	/* What is checked is what is used. */
	rte_compiler_barrier();
	return note->block < FERRY_BULK_BLOCKS && note->gen != 0 &&
		note->grant <= FERRY_BULK_BLOCKS &&
		__atomic_load_n(&block->gen, __ATOMIC_RELAXED) == note->gen;
}

static struct ferry_bulk_grant *
grant_at(const struct ferry_rx *rx, uint32_t i)
{
	return &rx->bulk->end.grants[i];
}

/* From OFFERED: false if the producer was first. */
static bool
grant_change(const struct ferry_rx *rx, uint32_t i, uint32_t to)
{
	uint32_t state = FERRY_GRANT_OFFERED;

	return __atomic_compare_exchange_n(&grant_at(rx, i)->state, &state, to,
			false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* The buffer of a grant is a message's. */
static void
grant_to(const struct bulk_rx *b, struct ferry_bulk_in *in, uint32_t i)
{
	struct bulk_side *dst = &in->m.v.dst;

	dst->n = 1;
	dst->flags = FERRY_BULK_SHARED;
	dst->segs[0].addr = (uintptr_t)b->lent[i].iov_base;
	dst->segs[0].len = in->m.v.len;
}

/* It will be the caller's. */
static void
grant_use(struct bulk_rx *b, struct ferry_bulk_in *in, uint32_t i)
{
	grant_to(b, in, i);
	in->lent = true;
	b->lent[i].iov_base = NULL;
	__atomic_store_n(&grant_at(in->rx, i)->state, FERRY_GRANT_NONE,
			__ATOMIC_RELAXED);
}

/* A lent buffer that the message fits into, if there is one. */
static bool
grant_find(struct bulk_rx *b, struct ferry_bulk_in *in)
{
	uint32_t i;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		if (b->lent[i].iov_base != NULL &&
				b->lent[i].iov_len >= in->m.v.len &&
				grant_change(in->rx, i, FERRY_GRANT_TAKEN)) {
			grant_use(b, in, i);
			return true;
		}
	return false;
}

/* Whether this process may read the source where it is. */
static bool
vm_works(struct bulk_rx *b, const struct ferry_bulk_in *in)
{
	uint8_t byte;
	int ret;

	if (b->end.vm_denied)
		return false;
	ret = ferry_process_read(&b->end.peer, &byte, in->m.v.src.segs[0].addr,
			1);
	b->end.vm_denied = ret != 0 && ret != -EFAULT;
	return ret == 0;
}

/* Private to private: through a window of shared memory. */
static int
window_make(struct bulk_rx *b, struct ferry_bulk_in *in)
{
	const struct ferry_channel_memory *memory = b->end.memory;
	struct bulk_view *v = &in->m.v;
	uint64_t n = RTE_MAX(WINDOW_BYTES / v->unit, (uint64_t)WINDOW_MIN);

	n = RTE_MIN(n, v->n_units);
	if (memory != NULL)
		in->own = memory->alloc(memory->arg, n * v->unit);
	if (in->own == NULL)
		return FERRY_E_NO_ROOM;
	in->final = v->dst;
	v->dst.n = 1;
	v->dst.flags = FERRY_BULK_SHARED | FERRY_BULK_WINDOW;
	v->dst.window = n;
	v->dst.segs[0].addr = (uintptr_t)in->own;
	v->dst.segs[0].len = n * v->unit;
	__atomic_store_n(&v->block->taken, 0, __ATOMIC_RELAXED);
	return 0;
}

/* Find a destination: 0 or negative. */
static int
dst_find(struct bulk_rx *b, struct ferry_bulk_in *in, const struct iovec *iov,
		unsigned int n_iov)
{
	const struct ferry_channel_memory *memory = b->end.memory;
	struct bulk_view *v = &in->m.v;
	uint64_t len = 0;
	int ret;

	if (iov == NULL) {
		if (grant_find(b, in))
			return 0;
		if (memory != NULL)
			in->own = memory->alloc(memory->arg, v->len);
		if (in->own == NULL)
			return FERRY_E_NO_ROOM;
		v->dst.n = 1;
		v->dst.flags = FERRY_BULK_SHARED;
		v->dst.segs[0].addr = (uintptr_t)in->own;
		v->dst.segs[0].len = v->len;
		return 0;
	}
	ret = bulk_side_make(&v->dst, iov, n_iov, &len);
	if (ret != 0)
		return ret;
	if (len < v->len)
		return -EMSGSIZE;
	in->lent = true;
	if (bulk_is_shared(&b->end, &v->dst)) {
		v->dst.flags = FERRY_BULK_SHARED;
		return 0;
	}
	/* The others cannot write there: this end copies, if it can read. */
	if (bulk_is_local(&b->end))
		return 0;
	if (bulk_reaches(&b->end, &v->src) || vm_works(b, in)) {
		in->m.by = FERRY_BULK_RX;
		return 0;
	}
	return window_make(b, in);
}

static void
in_free(struct bulk_rx *b, struct ferry_bulk_in *in)
{
	const struct ferry_channel_memory *memory = b->end.memory;

	if (in->own != NULL)
		memory->free(memory->arg, in->own);
	/* L */
	if (in->again != 0)
		__atomic_store_n(&grant_at(in->rx, in->again - 1)->state,
				FERRY_GRANT_OFFERED, __ATOMIC_RELEASE);
	TAILQ_INSERT_HEAD(&b->spare, in, next);
}

/* Whether nobody writes to a message's memory any more. */
static bool
is_quiet(struct bulk_rx *b, struct ferry_bulk_in *in)
{
	/* A block with another message: this one's producer saw it quiet. */
	return in->m.ended == 1 || __atomic_load_n(&in->m.v.block->gen,
			__ATOMIC_ACQUIRE) != in->m.v.gen ||
		!bulk_block_busy(&b->end, in->m.v.block, in->m.v.n_units);
}

static void
zombies_bury(struct bulk_rx *b)
{
	struct ferry_bulk_in *in, *following;

	for (in = TAILQ_FIRST(&b->zombies); in != NULL; in = following) {
		following = TAILQ_NEXT(in, next);
		if (!is_quiet(b, in))
			continue;
		TAILQ_REMOVE(&b->zombies, in, next);
		in_free(b, in);
	}
}

/* The message of an announcement, without a destination: or why none. */
static int
in_make(struct ferry_rx *rx, const struct ferry_bulk_note *note,
		struct ferry_bulk_in **result)
{
	struct ferry_bulk_in *in = TAILQ_FIRST(&rx->bulk->spare);

	if (in != NULL)
		TAILQ_REMOVE(&rx->bulk->spare, in, next);
	else
		in = calloc(1, sizeof(*in));
	if (in == NULL)
		return -ENOMEM;
	if (!bulk_view_read(&in->m.v, &rx->bulk->end.blocks[note->block],
			note->gen, bulk_key(&rx->bulk->end)) ||
			in->m.v.len != note->len || (note->grant != 0 &&
			(rx->bulk->lent[note->grant - 1].iov_base == NULL ||
			 rx->bulk->lent[note->grant - 1].iov_len <
				note->len))) {
		TAILQ_INSERT_HEAD(&rx->bulk->spare, in, next);
		return FERRY_E_CORRUPT;
	}
	bulk_msg_init(&in->m, __atomic_load_n(&in->m.v.block->by,
			__ATOMIC_RELAXED));
	in->rx = rx;
	in->tag = note->tag;
	in->own = NULL;
	in->final.n = 0;
	in->taken = 0;
	in->lent = false;
	in->again = 0;
	in->noted = false;
	*result = in;
	return 0;
}

/* D, A: let everybody begin. */
static void
in_start(struct bulk_rx *b, struct ferry_bulk_in *in, bool begun)
{
	struct bulk_view *v = &in->m.v;

	if (!begun) {
		bulk_side_write(&v->block->dst, &v->dst, v->gen,
				b->end.self.token);
		__atomic_store_n(&v->block->dst_gen, v->gen, __ATOMIC_RELEASE);
		bulk_announce(&b->end, &in->m);
		wake_producer(in->rx);
	}
	bulk_started(&b->end, &in->m);
	bulk_hold(&b->end, in->final.n != 0 ? &in->final : &v->dst, true);
	TAILQ_INSERT_TAIL(&b->ins, in, next);
}

int
ferry_bulk_accept(struct ferry_rx *rx, const struct ferry_msg *msg,
		const struct iovec *iov, unsigned int n_iov,
		struct ferry_bulk_in **result)
{
	struct ferry_bulk_note note;
	struct ferry_msg cell = *msg;
	struct ferry_bulk_in *in;
	int ret = rx_begin(rx);

	if (ret != 0)
		return ret;
	/* Their memory may be what is lacking. */
	zombies_bury(rx->bulk);
	cell.id &= ~FERRY_MSG_BULK;
	if (!ferry_msg_is_bulk(msg) || result == NULL ||
			cell.id >= (FERRY_MSG_CELL | FERRY_N_CELLS) ||
			!(rx->cells_held >> (cell.id % FERRY_N_CELLS) & 1))
		return -EINVAL;
	if (!note_read(rx, msg, &note))
		return FERRY_E_CORRUPT;
	if (note.grant != 0 && iov != NULL)
		return -EBUSY;
	ret = in_make(rx, &note, &in);
	if (ret != 0)
		return ret;
	if (note.grant != 0)
		grant_use(rx->bulk, in, note.grant - 1);
	else
		ret = dst_find(rx->bulk, in, iov, n_iov);
	if (ret != 0) {
		TAILQ_INSERT_HEAD(&rx->bulk->spare, in, next);
		return ret;
	}
	in_start(rx->bulk, in, note.grant != 0);
	/* Only the cell: the message is not refused. */
	ferry_rx_release(rx, &cell, 1);
	*result = in;
	return 0;
}

/* Take note that a message has ended. */
static void
note_end(struct bulk_rx *b, struct ferry_bulk_in *in)
{
	struct ferry_bulk_stats *stats = &b->end.stats;
	const struct bulk_view *v = &in->m.v;

	if (in->noted)
		return;
	in->noted = true;
	bulk_hold(&b->end, in->final.n != 0 ? &in->final : &v->dst, false);
	if (in->m.ended != 1) {
		stats->aborted++;
		return;
	}
	stats->msgs++;
	stats->bytes += v->len;
	if ((v->src.flags & FERRY_BULK_SHARED) == 0 && !bulk_is_local(&b->end)) {
		stats->private_msgs++;
		stats->private_bytes += v->len;
	}
	if (in->final.n != 0)
		stats->window_bytes += v->len;
}

/* Whether all of a message that is complete is where it belongs. */
static bool
is_out(const struct ferry_bulk_in *in)
{
	return in->final.n == 0 || in->taken == in->m.v.n_units;
}

/* Empty one place of a window: whether there was one. */
static bool
window_work(struct bulk_rx *b, struct ferry_bulk_in *in, enum ferry_mode mode)
{
	struct bulk_view *v = &in->m.v;
	struct bulk_view out;
	const uint32_t i = (uint32_t)in->taken;

	if (in->final.n == 0 || i >= v->front)
		return false;
	/* As a copy from the window to the destination. */
	out = *v;
	out.dst = in->final;
	out.src.n = 1;
	out.src.segs[0].addr = v->dst.segs[0].addr - i * v->unit +
		i % v->dst.window * v->unit;
	out.src.segs[0].len = v->len + v->unit;
	if (bulk_copy_units(&out, b->end.copier, mode, i, 1) != 0) {
		bulk_over(&b->end, &in->m, -EIO);
		return false;
	}
	in->taken++;
	/* T: pairs with the producer's acquire: the place may be filled. */
	__atomic_store_n(&v->block->taken, in->taken, __ATOMIC_RELEASE);
	wake_producer(in->rx);
	return true;
}

/* Let one message get on: whether the calling thread has copied something. */
static bool
in_work(struct bulk_rx *b, struct ferry_bulk_in *in, enum ferry_mode mode)
{
	if (in->noted)
		return false;
	bulk_look(&b->end, &in->m);
	if (window_work(b, in, mode))
		return true;
	if (in->m.ended != 0) {
		if (in->m.ended != 1 || is_out(in))
			note_end(b, in);
		return false;
	}
	if (bulk_step(&b->end, &in->m, mode, in->m.v.n_units) == 0)
		return false;
	bulk_look(&b->end, &in->m);
	if (in->m.ended != 0)
		note_end(b, in);
	return true;
}

bool
bulk_rx_work(struct ferry_rx *rx)
{
	struct bulk_rx *b = rx->bulk;
	struct ferry_bulk_in *in;

	if (unlikely(!TAILQ_EMPTY(&b->zombies)))
		zombies_bury(b);
	TAILQ_FOREACH(in, &b->ins, next)
		if (in_work(b, in, (enum ferry_mode)rx->mode))
			return true;
	return false;
}

/* Bytes that are there. */
static uint64_t
ready(const struct ferry_bulk_in *in)
{
	const struct bulk_view *v = &in->m.v;
	const uint64_t units = in->final.n != 0 ? in->taken : v->front;

	return RTE_MIN(units * v->unit, v->len);
}

static int
ended(const struct ferry_bulk_in *in)
{
	return in->m.ended == 1 && !is_out(in) ? 0 : in->m.ended;
}

uint64_t
ferry_bulk_ready(struct ferry_bulk_in *in, int *state)
{
	struct bulk_rx *b = in->rx->bulk;

	/* This one first: it is what is wanted. */
	if (!in_work(b, in, (enum ferry_mode)in->rx->mode))
		bulk_rx_work(in->rx);
	bulk_look(&b->end, &in->m);
	if (state != NULL)
		*state = ended(in);
	return ready(in);
}

struct in_wait {
	struct ferry_bulk_in *in;
	uint64_t bytes;
};

/* The re-check of a consumer that waits. */
static bool
in_wake(void *handle)
{
	const struct in_wait *w = handle;
	const struct ferry_bulk_in *in = w->in;
	const struct bulk_view *v = &in->m.v;
	const struct ferry_rx *rx = in->rx;
	const uint32_t front = ferry_claim_front(v->block, v->n_units,
			v->front);

	return front * v->unit >= w->bytes || front == v->n_units ||
		(in->final.n != 0 && front > in->taken) ||
		bulk_may_step(&in->m, FERRY_UNIT_RX) ||
		ferry_bulk_over(v->block, v->gen) != 0 ||
		bulk_has_ended(&rx->bulk->end, &in->m) ||
		ferry_channel_mode(rx->shared) != rx->mode;
}

int
ferry_bulk_await(struct ferry_bulk_in *in, uint64_t bytes, uint64_t timeout_ns)
{
	const uint64_t deadline = ferry_wait_deadline(timeout_ns);
	struct bulk_view *v = &in->m.v;
	struct ferry_rx *rx = in->rx;
	struct in_wait w = { in, RTE_MIN(bytes, v->len) };
	const uint32_t wish = (uint32_t)((w.bytes + v->unit - 1) / v->unit);
	int ret = 0;

	ferry_wait_reset(&rx->wait);
	for (;;) {
		bool worked;

		bulk_look(&rx->bulk->end, &in->m);
		if (ended(in) < 0)
			return ended(in);
		/* Not before it has copied something: who has what it wants
		 * has something better to do. */
		if (ready(in) >= w.bytes && (w.bytes < v->len ||
				ended(in) == 1)) {
			if (ended(in) == 1)
				note_end(rx->bulk, in);
			return 0;
		}
		if (ret != 0 || timeout_ns == 0)
			return -ETIMEDOUT;
		worked = in_work(rx->bulk, in, (enum ferry_mode)rx->mode) ||
			bulk_rx_work(rx);
		if (worked) {
			ferry_wait_reset(&rx->wait);
			if (rte_get_tsc_cycles() >= deadline)
				ret = -ETIMEDOUT;
			continue;
		}
		ferry_rx_take_mode(rx);
		/* Before the bell is armed: see bulk_ring(). A window is to be
		 * emptied at once. */
		__atomic_store_n(&v->block->wish, in->final.n != 0 ? 0 : wish,
				__ATOMIC_RELAXED);
		ret = ferry_wait_idle(&rx->wait, &rx->bells[rx->endpoint],
				in_wake, &w, deadline);
	}
}

int
ferry_bulk_release(struct ferry_bulk_in *in, uint64_t timeout_ns)
{
	const uint64_t deadline = ferry_wait_deadline(timeout_ns);
	struct ferry_wait wait;
	struct ferry_rx *rx;
	struct bulk_rx *b;

	if (in == NULL)
		return 0;
	rx = in->rx;
	b = rx->bulk;
	if (!in->noted && ended(in) != 1)
		bulk_over(&b->end, &in->m, FERRY_E_REFUSED);
	/* For those that copy now: they ring nobody when they give up. */
	ferry_wait_init(&wait, FERRY_WAIT_YIELD);
	bulk_look(&b->end, &in->m);
	while (in->lent && in->final.n == 0 && !is_quiet(b, in) && !(
			bulk_is_local(&b->end) && bulk_is_impatient(&in->m))) {
		if (timeout_ns == 0 || ferry_wait_idle(&wait, NULL, NULL, NULL,
				deadline) != 0)
			return -ETIMEDOUT;
		bulk_look(&b->end, &in->m);
	}
	note_end(b, in);
	TAILQ_REMOVE(&b->ins, in, next);
	block_let_go(rx, in->m.v.block, in->m.v.gen);
	if (is_quiet(b, in))
		in_free(b, in);
	else
		TAILQ_INSERT_TAIL(&b->zombies, in, next);
	return 0;
}

void
ferry_bulk_refuse(struct ferry_rx *rx, const struct ferry_msg *msg)
{
	struct ferry_bulk_block *block;
	struct ferry_bulk_note note;
	struct ferry_bulk_in *in;

	if (rx_begin(rx) != 0 || !note_read(rx, msg, &note))
		return;
	block = &rx->bulk->end.blocks[note.block];
	ferry_bulk_end(block, note.gen, FERRY_E_REFUSED);
	wake_producer(rx);
	/* A lent buffer may be written now: it is lent again once it is not,
	 * which nobody waits for. */
	if (note.grant != 0 && in_make(rx, &note, &in) == 0) {
		grant_to(rx->bulk, in, note.grant - 1);
		in->again = note.grant;
		in_start(rx->bulk, in, true);
		ferry_bulk_release(in, 0);
		return;
	}
	rx->bulk->end.stats.aborted++;
	block_let_go(rx, block, note.gen);
}

int
ferry_bulk_lend(struct ferry_rx *rx, void *buf, uint64_t len)
{
	const struct ferry_channel_memory *memory = rx->memory;
	struct ferry_bulk_grant *g;
	uint32_t i;
	int ret = rx_begin(rx);

	if (ret != 0)
		return ret;
	if (buf == NULL || len == 0 || memory == NULL ||
			!memory->is_shared(memory->arg, buf, len))
		return -EINVAL;
	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		if (rx->bulk->lent[i].iov_base == NULL)
			break;
	if (i == FERRY_BULK_BLOCKS)
		return -ENOBUFS;
	rx->bulk->lent[i].iov_base = buf;
	rx->bulk->lent[i].iov_len = len;
	g = grant_at(rx, i);
	g->addr = (uintptr_t)buf;
	__atomic_store_n(&g->len, len, __ATOMIC_RELAXED);
	g->seal = bulk_grant_seal(g, (uintptr_t)buf, len,
			rx->bulk->end.self.token);
	/* L */
	__atomic_store_n(&g->state, FERRY_GRANT_OFFERED, __ATOMIC_RELEASE);
	return 0;
}

unsigned int
ferry_bulk_unlend(struct ferry_rx *rx, struct iovec *bufs)
{
	unsigned int i, n = 0;

	if (rx->bulk == NULL)
		return 0;
	/* Some may be theirs. */
	zombies_bury(rx->bulk);
	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		if (rx->bulk->lent[i].iov_base != NULL &&
				grant_change(rx, i, FERRY_GRANT_NONE)) {
			bufs[n++] = rx->bulk->lent[i];
			rx->bulk->lent[i].iov_base = NULL;
		}
	return n;
}

uint64_t
ferry_bulk_len(const struct ferry_bulk_in *in)
{
	return in->m.v.len;
}

uint32_t
ferry_bulk_tag(const struct ferry_bulk_in *in)
{
	return in->tag;
}

void *
ferry_bulk_data(const struct ferry_bulk_in *in)
{
	const struct bulk_side *dst = in->final.n != 0 ? &in->final :
		&in->m.v.dst;

	return dst->n == 1 || dst->segs[0].len >= in->m.v.len ?
		(void *)(uintptr_t)dst->segs[0].addr : NULL;
}

void
bulk_rx_stop(struct ferry_rx *rx)
{
	const uint64_t deadline = ferry_wait_deadline(STOP_NS);
	struct bulk_rx *b = rx->bulk;
	struct ferry_bulk_in *in;
	struct iovec lent[FERRY_BULK_BLOCKS];

	if (b == NULL)
		return;
	ferry_bulk_unlend(rx, lent);
	while ((in = TAILQ_FIRST(&b->ins)) != NULL) {
		if (ferry_bulk_release(in, bulk_left_ns(deadline)) == 0)
			continue;
		/* A producer that is stopped while it writes: the memory is
		 * the caller's all the same, who may see this by its state. */
		TAILQ_REMOVE(&b->ins, in, next);
		TAILQ_INSERT_HEAD(&b->spare, in, next);
	}
}

/* Whether somebody copies to a lent buffer whose message was not taken. */
static bool
lent_busy(const struct ferry_rx *rx)
{
	bool lent = false, busy = false;
	uint32_t i;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		lent |= rx->bulk->lent[i].iov_base != NULL;
	for (i = 0; i < FERRY_BULK_BLOCKS && lent && !busy; i++)
		busy = bulk_block_busy(&rx->bulk->end,
				&rx->bulk->end.blocks[i], FERRY_BULK_UNITS);
	return busy;
}

void
bulk_rx_stopped(struct ferry_rx *rx)
{
	const uint64_t deadline = ferry_wait_deadline(STOP_NS);
	struct bulk_rx *b = rx->bulk;
	struct ferry_bulk_in *in;
	struct ferry_wait wait;

	if (b == NULL)
		return;
	/* The end's state before the look at the claims: see bulk_may_copy(). */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	ferry_wait_init(&wait, FERRY_WAIT_YIELD);
	while (!TAILQ_EMPTY(&b->zombies) || lent_busy(rx)) {
		zombies_bury(b);
		if (ferry_wait_idle(&wait, NULL, NULL, NULL, deadline) != 0)
			break;
	}
	/* What is still written is not used again before the hub says so, which
	 * has to be after the endpoint's end. */
	TAILQ_CONCAT(&b->spare, &b->zombies, next);
	while ((in = TAILQ_FIRST(&b->spare)) != NULL) {
		TAILQ_REMOVE(&b->spare, in, next);
		free(in);
	}
	bulk_end_fini(&b->end);
	free(b);
	rx->bulk = NULL;
}

void
ferry_bulk_rx_stats(const struct ferry_rx *rx, struct ferry_bulk_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (rx->bulk != NULL)
		*stats = rx->bulk->end.stats;
}
