/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Where bulk messages go at their consumer: a buffer that the consumer lent
 * before, memory of its endpoint, the caller's own memory, or a window in front
 * of that.
 */

#include <errno.h>

#include "bulk_recv.h"

/* Bytes of a window, and fewest units: one is filled while another is
 * emptied. */
#define WINDOW_BYTES (UINT64_C(2) << 20)
#define WINDOW_MIN 2

static struct ferry_bulk_grant *
grant_at(const struct ferry_rx *rx, uint32_t i)
{
	return &rx->bulk->end.grants[i];
}

/* Change a grant from OFFERED. False if the producer has taken it first. */
static bool
grant_change(const struct ferry_rx *rx, uint32_t i, uint32_t to)
{
	uint32_t state = FERRY_GRANT_OFFERED;

	return __atomic_compare_exchange_n(&grant_at(rx, i)->state, &state, to,
			false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void
bulk_lent_to(const struct bulk_rx *b, struct ferry_bulk_in *in, uint32_t i)
{
	struct bulk_side *dst = &in->m.v.dst;

	dst->n = 1;
	dst->flags = FERRY_BULK_SHARED;
	dst->segs[0].addr = (uintptr_t)b->lent[i].iov_base;
	dst->segs[0].len = in->m.v.len;
}

void
bulk_lent_use(struct bulk_rx *b, struct ferry_bulk_in *in, uint32_t i)
{
	bulk_lent_to(b, in, i);
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
			bulk_lent_use(b, in, i);
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

/* Get memory of the endpoint for a message: 0, or why there is none. */
static int
own_get(struct ferry_bulk_in *in, const struct ferry_channel_memory *memory,
		uint64_t size)
{
	if (memory == NULL)
		return FERRY_E_NO_ROOM;
	return memory->alloc(memory->arg, size, &in->own);
}

/* Private source and destination: copy through a window of shared memory. */
static int
window_make(struct bulk_rx *b, struct ferry_bulk_in *in)
{
	const struct ferry_channel_memory *memory = b->rx->end.memory;
	struct bulk_view *v = &in->m.v;
	uint64_t n = RTE_MAX(WINDOW_BYTES / v->unit, (uint64_t)WINDOW_MIN);
	int ret;

	n = RTE_MIN(n, v->n_units);
	ret = own_get(in, memory, n * v->unit);
	if (ret != 0)
		return ret;
	in->final = v->dst;
	v->dst.n = 1;
	v->dst.flags = FERRY_BULK_SHARED | FERRY_BULK_WINDOW;
	v->dst.window = n;
	v->dst.segs[0].addr = (uintptr_t)in->own;
	v->dst.segs[0].len = n * v->unit;
	__atomic_store_n(&v->block->taken, 0, __ATOMIC_RELAXED);
	return 0;
}

int
bulk_dst_find(struct bulk_rx *b, struct ferry_bulk_in *in,
		const struct iovec *iov, unsigned int n_iov)
{
	const struct ferry_channel_memory *memory = b->rx->end.memory;
	struct bulk_view *v = &in->m.v;
	uint64_t len = 0;
	int ret;

	if (iov == NULL) {
		if (grant_find(b, in))
			return 0;
		ret = own_get(in, memory, v->len);
		if (ret != 0)
			return ret;
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
	/* The other parties cannot write there: this end copies, if it can read
	 * the source. */
	if (bulk_is_local(&b->end))
		return 0;
	if (bulk_follow(&b->end, &v->src) || vm_works(b, in)) {
		in->m.by = FERRY_BULK_RX;
		return 0;
	}
	return window_make(b, in);
}

void
bulk_lent_again(const struct bulk_rx *b, uint32_t i)
{
	/* L */
	__atomic_store_n(&grant_at(b->rx, i)->state, FERRY_GRANT_OFFERED,
			__ATOMIC_RELEASE);
}

bool
bulk_lent_busy(struct bulk_rx *b)
{
	bool lent = false, busy = false;
	uint32_t i;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		lent |= b->lent[i].iov_base != NULL;
	for (i = 0; i < FERRY_BULK_BLOCKS && lent && !busy; i++)
		busy = bulk_block_busy(&b->end,
				&b->end.blocks[i], FERRY_BULK_UNITS);
	return busy;
}

int
ferry_bulk_lend(struct ferry_rx *rx, void *buf, uint64_t len)
{
	const struct ferry_channel_memory *memory = rx->end.memory;
	struct ferry_bulk_grant *g;
	uint32_t i;
	int ret = bulk_rx_begin(rx);

	if (ret != 0)
		return ret;
	if (buf == NULL || len == 0 || memory == NULL ||
			memory->reach(memory->arg, buf, len) <
			FERRY_REACH_ENDS)
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
	/* First bury messages, because some lent buffers may be theirs. */
	bulk_rx_bury(rx->bulk);
	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		if (rx->bulk->lent[i].iov_base != NULL &&
				grant_change(rx, i, FERRY_GRANT_NONE)) {
			bufs[n++] = rx->bulk->lent[i];
			rx->bulk->lent[i].iov_base = NULL;
		}
	return n;
}
