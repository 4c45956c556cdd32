/* SPDX-License-Identifier: BSD-3-Clause */

/* Bulk messages at their consumer. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bulk_recv.h"

/* How long a closing end waits for other parties that copy: see bulk_send.c. */
#define STOP_NS UINT64_C(2000000000)

/* G: the producer may use the block again. */
static void
block_let_go(const struct ferry_rx *rx, struct ferry_bulk_block *block,
		uint32_t gen)
{
	__atomic_store_n(&block->released, gen, __ATOMIC_RELEASE);
	ferry_end_ring(&rx->end);
}

/* Read what a message announces; false if it is impossible. */
static bool
note_read(const struct ferry_rx *rx, const struct ferry_msg *msg,
		struct ferry_bulk_note *note)
{
	const struct ferry_bulk_block *block;

	memcpy(note, msg->data, sizeof(*note));
	/* Fetch at once all lines of the block that are about to be used. */
	block = &rx->bulk->end.blocks[note->block % FERRY_BULK_BLOCKS];
	rte_prefetch0(block);
	rte_prefetch0(&block->dst_gen);
	rte_prefetch0(&block->over);
	/* Copied first, so that the values checked are the values used. */
	rte_compiler_barrier();
	return note->block < FERRY_BULK_BLOCKS && note->gen != 0 &&
		note->grant <= FERRY_BULK_BLOCKS &&
		__atomic_load_n(&block->gen, __ATOMIC_RELAXED) == note->gen;
}

static void
in_free(struct bulk_rx *b, struct ferry_bulk_in *in)
{
	const struct ferry_channel_memory *memory = b->rx->end.memory;

	if (in->own != NULL)
		memory->free(memory->arg, in->own);
	if (in->again != 0)
		bulk_lent_again(b, in->again - 1);
	TAILQ_INSERT_HEAD(&b->spare, in, next);
}

/* Whether no other party writes to a message's memory any more. */
static bool
is_quiet(struct bulk_rx *b, struct ferry_bulk_in *in)
{
	/* If the block has another message by now, the producer saw this one
	 * quiet. */
	return in->m.ended == 1 || __atomic_load_n(&in->m.v.block->gen,
			__ATOMIC_ACQUIRE) != in->m.v.gen ||
		!bulk_block_busy(&b->end, in->m.v.block, in->m.v.n_units);
}

void
bulk_rx_bury(struct bulk_rx *b)
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

/* Make the message of an announcement, without a destination: 0, or why not. */
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

/* D, A: let the producer and the server begin to copy. */
static void
in_start(struct bulk_rx *b, struct ferry_bulk_in *in, bool begun)
{
	struct bulk_view *v = &in->m.v;

	if (!begun) {
		bulk_side_write(&v->block->dst, &v->dst, v->gen,
				b->end.self.token);
		__atomic_store_n(&v->block->dst_gen, v->gen, __ATOMIC_RELEASE);
		bulk_announce(&b->end, &in->m);
		ferry_end_ring(&in->rx->end);
	}
	bulk_started(&b->end, &in->m);
	bulk_hold(&b->end, in->final.n != 0 ? &in->final : &v->dst, true);
	TAILQ_INSERT_TAIL(&b->ins, in, next);
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
	if ((v->src.flags & FERRY_BULK_SHARED) == 0 &&
			!bulk_is_local(&b->end)) {
		stats->private_msgs++;
		stats->private_bytes += v->len;
	}
	if (in->final.n != 0)
		stats->window_bytes += v->len;
}

/* Whether all of a complete message is in its destination. */
static bool
is_out(const struct ferry_bulk_in *in)
{
	return in->final.n == 0 || in->taken == in->m.v.n_units;
}

/* Empty one place of a window. Returns whether there was one to empty. */
static bool
window_work(struct bulk_rx *b, struct ferry_bulk_in *in, enum ferry_mode mode)
{
	struct bulk_view *v = &in->m.v;
	struct bulk_view out;
	const uint32_t i = (uint32_t)in->taken;

	if (in->final.n == 0 || i >= v->front)
		return false;
	/* Made as a view that copies from the window to the destination. */
	out = *v;
	out.dst = in->final;
	out.src.n = 1;
	out.src.segs[0].addr = v->dst.segs[0].addr - i * v->unit +
		i % v->dst.window * v->unit;
	out.src.segs[0].len = v->len + v->unit;
	if (bulk_copy_units(&out, b->rx->end.copier, mode, i, 1) != 0) {
		/* The message may be whole, but this end has not got it. */
		bulk_over(&b->end, &in->m, -EIO);
		in->m.ended = -EIO;
		return false;
	}
	in->taken++;
	/* T: pairs with the producer's acquire: the producer may fill the
	 * place. */
	__atomic_store_n(&v->block->taken, in->taken, __ATOMIC_RELEASE);
	ferry_end_ring(&in->rx->end);
	return true;
}

/* Advance one message. Returns whether the calling thread has copied
 * something. */
static bool
in_work(struct bulk_rx *b, struct ferry_bulk_in *in, enum ferry_mode mode)
{
	if (in->noted)
		return false;
	bulk_look(&b->end, &in->m);
	if (window_work(b, in, mode))
		return true;
	if (in->m.ended != 0) {
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

/* Advance the messages. Returns whether the calling thread has copied
 * something. */
static bool
rx_work(struct bulk_rx *b)
{
	const enum ferry_mode mode = (enum ferry_mode)b->rx->end.mode;
	struct ferry_bulk_in *in;

	if (unlikely(!TAILQ_EMPTY(&b->zombies)))
		bulk_rx_bury(b);
	if (b->first != NULL && in_work(b, b->first, mode))
		return true;
	TAILQ_FOREACH(in, &b->ins, next)
		if (in != b->first && in_work(b, in, mode))
			return true;
	return false;
}

/* Advance the messages, this one first. */
static bool
rx_work_first(struct ferry_bulk_in *in)
{
	struct bulk_rx *b = in->rx->bulk;
	bool worked;

	b->first = in;
	worked = rx_work(b);
	b->first = NULL;
	return worked;
}

/* Bytes that are in the destination. */
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

	rx_work_first(in);
	bulk_look(&b->end, &in->m);
	if (state != NULL)
		*state = ended(in);
	return ready(in);
}

struct in_wait {
	struct ferry_bulk_in *in;
	uint64_t bytes;
};

/* Whether the wanted bytes are there. The wait calls this before it copies,
 * because a consumer that has what it wants shall not copy more. */
static int
in_look(void *arg)
{
	const struct in_wait *w = arg;
	struct ferry_bulk_in *in = w->in;
	const uint64_t len = in->m.v.len;
	int end;

	bulk_look(&in->rx->bulk->end, &in->m);
	end = ended(in);
	if (end < 0)
		return end;
	if (end == 1)
		note_end(in->rx->bulk, in);
	return end == 1 || (w->bytes < len && ready(in) >= w->bytes) ? 1 : 0;
}

/* Say what to wake this end for: see bulk_ring(). With a window each unit
 * counts, because the window is to be emptied at once. */
static void
in_wish(void *arg)
{
	const struct in_wait *w = arg;
	const struct bulk_view *v = &w->in->m.v;
	const uint64_t unit = (w->bytes + v->unit - 1) / v->unit;

	__atomic_store_n(&v->block->wish, w->in->final.n != 0 ? 0 :
			(uint32_t)unit, __ATOMIC_RELAXED);
	if (w->in->rx->owed)
		ferry_rx_wake_producer(w->in->rx);
}

int
ferry_bulk_await(struct ferry_bulk_in *in, uint64_t bytes, uint64_t timeout_ns)
{
	struct bulk_rx *b = in->rx->bulk;
	struct in_wait w = { in, RTE_MIN(bytes, in->m.v.len) };
	const struct ferry_end_want want = { in_look, in_wish, &w };
	int ret;

	b->first = in;
	ret = ferry_end_wait(&in->rx->end, &want, timeout_ns);
	b->first = NULL;
	return ret;
}

/* Whether no party writes the memory of a message any more. */
static bool
in_is_quiet(void *arg)
{
	struct ferry_bulk_in *in = arg;
	struct bulk_rx *b = in->rx->bulk;

	bulk_look(&b->end, &in->m);
	return !in->lent || in->final.n != 0 || is_quiet(b, in) ||
		(bulk_is_local(&b->end) && bulk_is_impatient(&in->m));
}

int
ferry_bulk_release(struct ferry_bulk_in *in, uint64_t timeout_ns)
{
	struct ferry_rx *rx;
	struct bulk_rx *b;

	if (in == NULL)
		return 0;
	rx = in->rx;
	b = rx->bulk;
	if (!in->noted && ended(in) != 1)
		bulk_over(&b->end, &in->m, FERRY_E_REFUSED);
	if (!ferry_end_quiet(in_is_quiet, in, timeout_ns))
		return -ETIMEDOUT;
	note_end(b, in);
	TAILQ_REMOVE(&b->ins, in, next);
	block_let_go(rx, in->m.v.block, in->m.v.gen);
	if (is_quiet(b, in))
		in_free(b, in);
	else
		TAILQ_INSERT_TAIL(&b->zombies, in, next);
	return 0;
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

static struct bulk_rx *
rx_of(struct ferry_end_part *part)
{
	return container_of(part, struct bulk_rx, part);
}

static enum ferry_end_step
rx_step(struct ferry_end_part *part)
{
	return rx_work(rx_of(part)) ? FERRY_STEP_WORKED : FERRY_STEP_NONE;
}

/* Whether there is something to copy for a message. */
static bool
in_wake(const struct ferry_bulk_in *in)
{
	const struct bulk_view *v = &in->m.v;

	if (ferry_bulk_over(v->block, v->gen) != 0)
		return false;
	return bulk_may_step(&in->m, FERRY_UNIT_RX) || (in->final.n != 0 &&
		ferry_claim_front(v->block, v->n_units, v->front) > in->taken);
}

static bool
rx_wake(const struct ferry_end_part *part)
{
	const struct bulk_rx *b =
		container_of(part, const struct bulk_rx, part);
	const struct ferry_bulk_in *in;

	TAILQ_FOREACH(in, &b->ins, next)
		if (!in->noted && in_wake(in))
			return true;
	return false;
}

/* End the messages under way. Do not wait long for a stopped peer. */
static void
rx_stop(struct ferry_end_part *part)
{
	const uint64_t deadline = ferry_wait_deadline(STOP_NS);
	struct iovec lent[FERRY_BULK_BLOCKS];
	struct bulk_rx *b = rx_of(part);
	struct ferry_bulk_in *in;

	ferry_bulk_unlend(b->rx, lent);
	while ((in = TAILQ_FIRST(&b->ins)) != NULL) {
		if (ferry_bulk_release(in, bulk_left_ns(deadline)) == 0)
			continue;
		/* A producer is stopped while it writes. The memory is the
		 * caller's all the same; the message's state tells the
		 * caller. */
		TAILQ_REMOVE(&b->ins, in, next);
		TAILQ_INSERT_HEAD(&b->spare, in, next);
	}
}

static bool
rx_is_quiet(void *arg)
{
	struct bulk_rx *b = arg;

	bulk_rx_bury(b);
	return TAILQ_EMPTY(&b->zombies) && !bulk_lent_busy(b);
}

/* The end is closed: no party begins to copy to it any more. */
static void
rx_stopped(struct ferry_end_part *part)
{
	struct bulk_rx *b = rx_of(part);
	struct ferry_bulk_in *in;

	/* The end's state is set before this end looks at the claims: see
	 * bulk_may_copy(). */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	ferry_end_quiet(rx_is_quiet, b, STOP_NS);
	/* Memory that is still written is not used again before the hub says
	 * so. The hub says so after the endpoint's end. */
	TAILQ_CONCAT(&b->spare, &b->zombies, next);
	while ((in = TAILQ_FIRST(&b->spare)) != NULL) {
		TAILQ_REMOVE(&b->spare, in, next);
		free(in);
	}
	bulk_end_fini(&b->end);
	b->rx->bulk = NULL;
	free(b);
}

int
bulk_rx_begin(struct ferry_rx *rx)
{
	static const struct ferry_end_ops ops = {
		.step = rx_step,
		.wake = rx_wake,
		.stop = rx_stop,
		.stopped = rx_stopped,
	};
	struct bulk_rx *b;
	int ret;

	if (rx->bulk != NULL)
		return 0;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	ret = bulk_end_init(&b->end, &rx->end, FERRY_UNIT_RX);
	if (ret != 0) {
		free(b);
		return ret;
	}
	b->rx = rx;
	TAILQ_INIT(&b->ins);
	TAILQ_INIT(&b->zombies);
	TAILQ_INIT(&b->spare);
	ferry_end_hang(&rx->end, &b->part, &ops);
	rx->bulk = b;
	return 0;
}

int
ferry_bulk_accept(struct ferry_rx *rx, const struct ferry_msg *msg,
		const struct iovec *iov, unsigned int n_iov,
		struct ferry_bulk_in **result)
{
	struct ferry_bulk_note note;
	struct ferry_msg cell = *msg;
	struct ferry_bulk_in *in;
	int ret = bulk_rx_begin(rx);

	if (ret != 0)
		return ret;
	/* First free buried messages, because their memory may be what is
	 * lacking. */
	bulk_rx_bury(rx->bulk);
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
		bulk_lent_use(rx->bulk, in, note.grant - 1);
	else
		ret = bulk_dst_find(rx->bulk, in, iov, n_iov);
	if (ret != 0) {
		TAILQ_INSERT_HEAD(&rx->bulk->spare, in, next);
		return ret;
	}
	in_start(rx->bulk, in, note.grant != 0);
	/* Gives back only the cell, because the FERRY_MSG_BULK bit is cleared:
	 * the message is not refused. */
	ferry_rx_release(rx, &cell, 1);
	*result = in;
	return 0;
}

static void
refuse(struct ferry_rx *rx, const struct ferry_msg *msg)
{
	struct ferry_bulk_block *block;
	struct ferry_bulk_note note;
	struct ferry_bulk_in *in;

	if (!ferry_msg_is_bulk(msg) || bulk_rx_begin(rx) != 0 ||
			!note_read(rx, msg, &note))
		return;
	block = &rx->bulk->end.blocks[note.block];
	ferry_bulk_end(block, note.gen, FERRY_E_REFUSED);
	ferry_end_ring(&rx->end);
	/* A party may be writing the lent buffer now. The buffer is lent again
	 * once none does. No call waits for that. */
	if (note.grant != 0 && in_make(rx, &note, &in) == 0) {
		bulk_lent_to(rx->bulk, in, note.grant - 1);
		in->again = note.grant;
		in_start(rx->bulk, in, true);
		ferry_bulk_release(in, 0);
		return;
	}
	rx->bulk->end.stats.aborted++;
	block_let_go(rx, block, note.gen);
}

const struct ferry_end_kind ferry_bulk_kind = {
	.refuse = refuse,
};

void
ferry_bulk_rx_stats(const struct ferry_rx *rx, struct ferry_bulk_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (rx->bulk != NULL)
		*stats = rx->bulk->end.stats;
}
