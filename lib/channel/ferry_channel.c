/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdlib.h>
#include <string.h>

#include <rte_memcpy.h>

#include "ferry_cache.h"
#include "ferry_channel.h"
#include "ferry_copier.h"
#include "ferry_end_part.h"

/* Payloads copied before the first of them is published: enough to amortise
 * the ring, not so many bytes that the consumer waits for a long burst. */
#define WINDOW_MSGS 32
#define WINDOW_BYTES (256 * 1024)
/* Up to this length rte_memcpy()'s few inline moves beat a call. */
#define INLINE_SMALL 128
/*
 * Up to this length libc's memcpy beats the detour through lanes: the
 * scheduler's look at its lanes takes about as long as copying 1 KiB.
 */
#define INLINE_COPY 1024

/* Let the kinds of messages hang their parts on a producer's end. */
static int
kinds_start(struct ferry_tx *tx, const struct ferry_channel_attach *attach,
		const struct ferry_channel_parts *parts)
{
	const struct ferry_end_kind *const *kind = attach->kinds;
	int ret = 0;

	for (; kind != NULL && *kind != NULL && ret == 0; kind++)
		if ((*kind)->tx_start != NULL)
			ret = (*kind)->tx_start(tx, attach, parts);
	return ret;
}

/* Start the rings and the queue of slots of a producer's end. */
static int
slots_start(struct ferry_tx *tx, const struct ferry_channel_parts *p)
{
	const uint32_t places = rte_align32pow2(p->n_slots);

	tx->free = calloc(places, sizeof(*tx->free));
	if (tx->free == NULL)
		return -ENOMEM;
	tx->free_mask = places - 1;
	tx->cell_limit = FERRY_N_CELLS;
	ferry_tx_set_placement(tx, FERRY_PLACE_AUTO);
	return ferry_ring_produce(&tx->end.fwd, p->fwd, p->ring_count) &&
		ferry_ring_consume(&tx->end.back, p->back, p->ring_count) ?
		0 : FERRY_E_CORRUPT;
}

int
ferry_tx_start(struct ferry_tx **out, const struct ferry_channel_attach *attach)
{
	struct ferry_tx *tx = out != NULL ? calloc(1, sizeof(*tx)) : NULL;
	struct ferry_channel_parts p;
	int ret;

	if (tx == NULL)
		return out == NULL ? -EINVAL : -ENOMEM;
	ret = ferry_end_init(&tx->end, attach, &p, true);
	if (ret == 0)
		ret = slots_start(tx, &p);
	if (ret == 0)
		ret = kinds_start(tx, attach, &p);
	if (ret == 0)
		ret = ferry_end_open(&tx->end, attach);
	if (ret == 0) {
		*out = tx;
		return 0;
	}
	ferry_end_fini(&tx->end);
	free(tx->free);
	free(tx);
	return ret;
}

void
ferry_tx_stop(struct ferry_tx *tx)
{
	if (tx == NULL)
		return;
	ferry_end_close(&tx->end);
	free(tx->free);
	free(tx);
}

/* Start the rings of a consumer's end. */
static int
rings_start(struct ferry_rx *rx, const struct ferry_channel_parts *p)
{
	rx->jobs = p->jobs;
	rx->cell_max = RTE_MIN(p->slot_size, (uint32_t)FERRY_CELL_DATA);
	return ferry_ring_consume(&rx->end.fwd, p->fwd, p->ring_count) &&
		ferry_ring_consume(&rx->out, p->out, p->ring_count) &&
		ferry_ring_produce(&rx->end.back, p->back, p->ring_count) ?
		0 : FERRY_E_CORRUPT;
}

int
ferry_rx_start(struct ferry_rx **out, const struct ferry_channel_attach *attach)
{
	struct ferry_rx *rx = out != NULL ? calloc(1, sizeof(*rx)) : NULL;
	struct ferry_channel_parts p;
	int ret;

	if (rx == NULL)
		return out == NULL ? -EINVAL : -ENOMEM;
	ret = ferry_end_init(&rx->end, attach, &p, false);
	if (ret == 0)
		ret = rings_start(rx, &p);
	if (ret == 0)
		ret = ferry_end_open(&rx->end, attach);
	if (ret != 0) {
		free(rx);
		return ret;
	}
	*out = rx;
	return 0;
}

void
ferry_rx_stop(struct ferry_rx *rx)
{
	if (rx == NULL)
		return;
	ferry_end_close(&rx->end);
	free(rx);
}

/* Make the job that copies a payload into a slot. */
static void
copy_job(const struct ferry_tx *tx, void *dst, const struct ferry_buf *buf,
		struct ferry_copy_job *job)
{
	job->dst = dst;
	job->src = buf->data;
	job->len = buf->len;
	/* The caller waits for all jobs of the copier, so no job needs a
	 * name. */
	job->cookie = 0;
	job->place = ferry_tx_place(tx, buf);
	job->mode = (enum ferry_mode)tx->end.mode;
}

/*
 * Copy and publish up to a window of payloads: how many, or FERRY_E_*. The
 * descriptors are written to their places in the ring at once, so that the
 * ring's cache lines arrive while the payloads are copied.
 */
static int
send_window(struct ferry_tx *tx, const struct ferry_buf *bufs, uint32_t n)
{
	struct ferry_copy_job jobs[WINDOW_MSGS];
	uint64_t bytes = 0;
	uint16_t n_jobs = 0;
	uint32_t i;
	int ret = 0;

	/* Checked before the slots: a wait for a slot would be of no use. */
	if (bufs[0].len > tx->end.slot_size)
		return FERRY_E_TOO_LONG;
	n = ferry_tx_has(tx, RTE_MIN(n, (uint32_t)WINDOW_MSGS));
	if (n == 0)
		return ferry_tx_none(tx);
	/* The ring is short of room only if the consumer has written a false
	 * index. */
	if (!ferry_ring_room(&tx->end.fwd, n))
		return FERRY_E_CORRUPT;
	for (i = 0; i < n && bytes < WINDOW_BYTES; i++) {
		const struct ferry_buf *buf = &bufs[i];
		uint32_t slot;
		void *dst;

		if (buf->len > tx->end.slot_size)
			break;
		slot = tx->free[(tx->free_head + i) & tx->free_mask];
		dst = ferry_tx_slot(tx, slot);
		ferry_desc_put(ferry_desc_at(&tx->end.fwd, i),
				(struct ferry_desc) {
			.slot = slot,
			.len = buf->len,
			.tag = buf->tag,
			.seq = (uint32_t)(tx->end.seq + i),
		});
		bytes += buf->len;
		if (buf->len <= INLINE_SMALL) {
			rte_memcpy(dst, buf->data, buf->len);
		} else if (buf->len <= INLINE_COPY) {
			memcpy(dst, buf->data, buf->len);
		} else {
			copy_job(tx, dst, buf, &jobs[n_jobs++]);
		}
	}
	/* The copier returns when every byte is there. Publish only then. */
	if (n_jobs > 0 &&
			ferry_copier_copy(tx->end.copier, jobs, n_jobs) != 0) {
		ret = -EIO;
		i = 0;
	}
	if (i == 0)
		return ret;
	tx->end.seq += i;
	tx->end.stats.bytes += bytes;
	ferry_tx_publish(tx, i);
	for (n = 0; n < i; n++)
		ferry_tx_let_go(tx, tx->free[tx->free_head++ & tx->free_mask]);
	ferry_end_ring(&tx->end);
	return (int)i;
}

/*
 * Before a long copy: fetch the two lines that tell of released slots, so that
 * the refill after the copy does not wait for them. The consumer wrote both
 * lines. Without the prefetch they would come one after the other.
 */
static void
credits_prefetch(const struct ferry_tx *tx)
{
	rte_prefetch0(&tx->end.back.ring->prod.tail);
	rte_prefetch0(ferry_ring_place(&tx->end.back, 0, sizeof(uint32_t)));
}

/* After a long copy: take the released slots while their lines are here. */
static void
credits_take(struct ferry_tx *tx)
{
	if (tx->free_tail - tx->free_head <= tx->end.n_slots / 2)
		ferry_tx_refill(tx);
}

/* Copy one payload and announce it in a cell. A cell must be free. */
static int
send_one(struct ferry_tx *tx, const struct ferry_buf *buf)
{
	struct ferry_copy_job job;
	uint32_t slot;
	void *dst;

	if (buf->len > tx->end.slot_size)
		return FERRY_E_TOO_LONG;
	if (ferry_tx_has(tx, 1) == 0)
		return ferry_tx_none(tx);
	slot = tx->free[tx->free_head & tx->free_mask];
	dst = ferry_tx_slot(tx, slot);
	if (buf->len <= INLINE_COPY) {
		memcpy(dst, buf->data, buf->len);
	} else {
		credits_prefetch(tx);
		copy_job(tx, dst, buf, &job);
		/* The copier returns when every byte is there. Publish only
		 * then. */
		if (ferry_copier_copy(tx->end.copier, &job, 1) != 0)
			return -EIO;
	}
	tx->free_head++;
	ferry_tx_announce(tx, slot, buf->len, buf->tag);
	ferry_end_ring(&tx->end);
	if (buf->len > INLINE_COPY)
		credits_take(tx);
	return 1;
}

int
ferry_tx_send_here(struct ferry_tx *tx, const struct ferry_buf *bufs,
		uint16_t n)
{
	uint32_t sent = 0;
	int ret = 0;

	while (sent < n) {
		if (n <= FERRY_CELL_BURST && ferry_tx_has_cells(tx, 1))
			ret = send_one(tx, &bufs[sent]);
		else
			ret = send_window(tx, bufs + sent, n - sent);
		if (ret <= 0)
			break;
		sent += ret;
	}
	if (sent > 0)
		return (int)sent;
	tx->end.stats.empty += ret == 0;
	return ret;
}

void
ferry_tx_set_placement(struct ferry_tx *tx, enum ferry_placement place)
{
	/*
	 * The producer uses the slots in turn, so all of them pass through the
	 * cache. If they do not all fit, their bytes would be written back to
	 * memory before the consumer reads them.
	 */
	if (place == FERRY_PLACE_AUTO)
		place = (uint64_t)tx->end.n_slots * tx->end.stride <=
			ferry_cache_budget() ?
			FERRY_PLACE_CACHE : FERRY_PLACE_MEMORY;
	tx->place = place;
}

enum ferry_end_state
ferry_tx_peer(const struct ferry_tx *tx)
{
	return (enum ferry_end_state)__atomic_load_n(&tx->end.other->state,
			__ATOMIC_ACQUIRE);
}

enum ferry_end_state
ferry_rx_peer(const struct ferry_rx *rx)
{
	return (enum ferry_end_state)__atomic_load_n(&rx->end.other->state,
			__ATOMIC_ACQUIRE);
}

const struct ferry_channel_shared *
ferry_tx_channel(const struct ferry_tx *tx)
{
	return tx->end.shared;
}

const struct ferry_channel_shared *
ferry_rx_channel(const struct ferry_rx *rx)
{
	return rx->end.shared;
}

void
ferry_tx_stats(const struct ferry_tx *tx, struct ferry_end_stats *stats)
{
	*stats = tx->end.stats;
}

void
ferry_rx_stats(const struct ferry_rx *rx, struct ferry_end_stats *stats)
{
	*stats = rx->end.stats;
}
