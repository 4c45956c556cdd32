/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdlib.h>
#include <string.h>

#include <rte_memcpy.h>

#include "bulk_private.h"
#include "ferry_cache.h"
#include "ferry_channel.h"
#include "ferry_copier.h"
#include "ferry_post.h"
#include "ferry_process.h"

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

static int
end_open(struct ferry_channel_end *end,
		const struct ferry_channel_attach *attach)
{
	uint32_t absent = FERRY_END_ABSENT;
	struct ferry_process self;

	ferry_process_self(&self);
	/* The other end may be reading it to ring. */
	__atomic_store_n(&end->endpoint, attach->endpoint, __ATOMIC_RELAXED);
	end->epoch = attach->epoch;
	end->pid = self.pid;
	end->process = self.token;
	end->token_at = self.token_at;
	__atomic_store_n(&end->left, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&end->may_sleep, 0, __ATOMIC_RELAXED);
	/* Not a plain store: the hub may have shut down in the meantime. */
	return __atomic_compare_exchange_n(&end->state, &absent,
			FERRY_END_OPEN, false, __ATOMIC_RELEASE,
			__ATOMIC_RELAXED) ? 0 : FERRY_E_HUB_GONE;
}

/* Only an open end becomes a closed one: what the hub wrote stays. */
static void
end_close(struct ferry_channel_end *end)
{
	uint32_t open = FERRY_END_OPEN;

	/* Q in ferry_bulk_layout.h. The look at the claims that follows is
	 * behind the fence in bulk_rx_stopped(). */
	__atomic_store_n(&end->left, 1, __ATOMIC_RELEASE);
	__atomic_compare_exchange_n(&end->state, &open, FERRY_END_CLOSED,
			false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

void
ferry_end_shout(const struct ferry_channel_end *end, struct ferry_bell *bells,
		uint32_t n_bells)
{
	/* Acquire: the state is set after the endpoint. */
	uint32_t state = __atomic_load_n(&end->state, __ATOMIC_ACQUIRE);
	uint32_t bell = __atomic_load_n(&end->endpoint, __ATOMIC_RELAXED);

	if (state != FERRY_END_ABSENT && bell < n_bells)
		ferry_bell_shout(&bells[bell]);
}

static int
attach_valid(const struct ferry_channel_attach *attach)
{
	if (attach == NULL || attach->shared == NULL || attach->bells == NULL ||
			attach->endpoint >= attach->n_bells ||
			attach->epoch == 0 || attach->epoch == UINT32_MAX)
		return -EINVAL;
	return ferry_channel_valid(attach->shared, attach->size);
}

int
ferry_tx_start(struct ferry_tx **out, const struct ferry_channel_attach *attach)
{
	struct ferry_channel_shared *ch;
	struct ferry_tx *tx;
	uint32_t places;
	int ret = attach_valid(attach);

	if (ret != 0 || out == NULL)
		return ret != 0 ? ret : -EINVAL;
	ch = attach->shared;
	places = rte_align32pow2(ch->n_slots);
	tx = calloc(1, sizeof(*tx));
	if (tx == NULL)
		return -ENOMEM;
	tx->free = calloc(places, sizeof(*tx->free));
	if (tx->free == NULL) {
		free(tx);
		return -ENOMEM;
	}
	tx->free_mask = places - 1;
	tx->shared = ch;
	tx->fwd = ferry_channel_fwd(ch);
	tx->back = ferry_channel_back(ch);
	tx->held = ferry_channel_at(ch, ch->off_tx_held);
	tx->cells = ferry_channel_at(ch, ch->off_cells);
	tx->slots = ferry_channel_at(ch, ch->off_slots);
	tx->stride = ch->stride;
	tx->slot_size = ch->slot_size;
	tx->n_slots = ch->n_slots;
	tx->epoch = attach->epoch;
	tx->bells = attach->bells;
	tx->n_bells = attach->n_bells;
	tx->endpoint = attach->endpoint;
	tx->copier = attach->copier;
	tx->memory = attach->memory;
	tx->boards = attach->boards;
	tx->cell_limit = FERRY_N_CELLS;
	ferry_wait_init(&tx->wait, FERRY_WAIT_SPIN);
	ferry_tx_set_placement(tx, FERRY_PLACE_AUTO);
	tx->owner = attach->owner;
	ret = ferry_post_start(tx, attach);
	if (ret == 0)
		ret = end_open(&ch->tx, attach);
	if (ret != 0) {
		ferry_post_stop(tx);
		free(tx->free);
		free(tx);
		return ret;
	}
	*out = tx;
	return 0;
}

void
ferry_tx_stop(struct ferry_tx *tx)
{
	if (tx == NULL)
		return;
	bulk_tx_stop(tx);
	/* What was posted is on its way before the end says that it closed. */
	ferry_post_stop(tx);
	end_close(&tx->shared->tx);
	ferry_end_shout(&tx->shared->rx, tx->bells, tx->n_bells);
	free(tx->free);
	free(tx);
}

int
ferry_rx_start(struct ferry_rx **out, const struct ferry_channel_attach *attach)
{
	struct ferry_channel_shared *ch;
	struct ferry_rx *rx;
	int ret = attach_valid(attach);

	if (ret != 0 || out == NULL)
		return ret != 0 ? ret : -EINVAL;
	ch = attach->shared;
	rx = calloc(1, sizeof(*rx));
	if (rx == NULL)
		return -ENOMEM;
	rx->shared = ch;
	rx->fwd = ferry_channel_fwd(ch);
	rx->back = ferry_channel_back(ch);
	rx->out = ferry_channel_out(ch);
	rx->held = ferry_channel_at(ch, ch->off_rx_held);
	rx->cells = ferry_channel_at(ch, ch->off_cells);
	rx->slots = ferry_channel_at(ch, ch->off_slots);
	rx->stride = ch->stride;
	rx->slot_size = ch->slot_size;
	rx->n_slots = ch->n_slots;
	rx->epoch = attach->epoch;
	rx->bells = attach->bells;
	rx->n_bells = attach->n_bells;
	rx->endpoint = attach->endpoint;
	rx->cell_max = RTE_MIN(ch->slot_size, (uint32_t)FERRY_CELL_DATA);
	ferry_wait_init(&rx->wait, FERRY_WAIT_SPIN);
	rx->copier = attach->copier;
	rx->memory = attach->memory;
	rx->boards = attach->boards;
	rx->owner = attach->owner;
	ret = end_open(&ch->rx, attach);
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
	bulk_rx_stop(rx);
	end_close(&rx->shared->rx);
	ferry_end_shout(&rx->shared->tx, rx->bells, rx->n_bells);
	bulk_rx_stopped(rx);
	free(rx);
}

/* The copy of a payload into a slot. */
static void
copy_job(const struct ferry_tx *tx, void *dst, const struct ferry_buf *buf,
		struct ferry_copy_job *job)
{
	job->dst = dst;
	job->src = buf->data;
	job->len = buf->len;
	/* Nobody asks which one: they are all waited for. */
	job->cookie = 0;
	job->place = ferry_tx_place(tx, buf);
	job->mode = (enum ferry_mode)tx->mode;
}

/*
 * Copy and publish up to a window of payloads: how many, or FERRY_E_*. The
 * descriptors are written where they are published from, so that their cache
 * lines arrive while the payloads are copied.
 */
static int
send_window(struct ferry_tx *tx, const struct ferry_buf *bufs, uint32_t n)
{
	struct ferry_copy_job jobs[WINDOW_MSGS];
	struct rte_ring_zc_data zcd = { 0 };
	uint64_t bytes = 0;
	uint16_t n_jobs = 0;
	uint32_t i;
	int ret = 0;

	/* Also of a full channel: to wait for a slot would be of no use. */
	if (bufs[0].len > tx->slot_size)
		return FERRY_E_TOO_LONG;
	n = ferry_tx_has(tx, RTE_MIN(n, (uint32_t)WINDOW_MSGS));
	if (n == 0)
		return 0;
	if (!ferry_tx_reserve(tx, &zcd, n))
		return FERRY_E_CORRUPT;
	for (i = 0; i < n && bytes < WINDOW_BYTES; i++) {
		const struct ferry_buf *buf = &bufs[i];
		uint32_t slot;
		void *dst;

		if (buf->len > tx->slot_size)
			break;
		slot = tx->free[(tx->free_head + i) & tx->free_mask];
		dst = ferry_tx_slot(tx, slot);
		*ferry_desc_at(&zcd, i) = (struct ferry_desc) {
			.slot = slot,
			.len = buf->len,
			.tag = buf->tag,
			.seq = (uint32_t)(tx->seq + i),
		};
		bytes += buf->len;
		if (buf->len <= INLINE_SMALL) {
			rte_memcpy(dst, buf->data, buf->len);
		} else if (buf->len <= INLINE_COPY) {
			memcpy(dst, buf->data, buf->len);
		} else {
			copy_job(tx, dst, buf, &jobs[n_jobs++]);
		}
	}
	/* Returns when every byte is there: publish only then. */
	if (n_jobs > 0 && ferry_copier_copy(tx->copier, jobs, n_jobs) != 0) {
		ret = -EIO;
		i = 0;
	}
	if (i == 0) {
		rte_ring_enqueue_zc_elem_finish(tx->fwd, 0);
		return ret;
	}
	tx->seq += i;
	tx->stats.bytes += bytes;
	ferry_tx_publish(tx, i);
	for (n = 0; n < i; n++)
		ferry_tx_let_go(tx, tx->free[tx->free_head++ & tx->free_mask]);
	ferry_end_notify(&tx->shared->rx, tx->bells, tx->n_bells);
	return (int)i;
}

/*
 * Before a long copy: have the lines that tell of released slots on their way,
 * so that the refill after it does not wait for them. Both were written by the
 * consumer and come one after the other otherwise.
 */
static void
credits_prefetch(const struct ferry_tx *tx)
{
	const uint32_t *slots = (const uint32_t *)&tx->back[1];

	rte_prefetch0(&tx->back->prod.tail);
	rte_prefetch0(&slots[tx->back->cons.head & tx->back->mask]);
}

/* After it: take the credits while their lines are here. */
static void
credits_take(struct ferry_tx *tx)
{
	if (tx->free_tail - tx->free_head <= tx->n_slots / 2)
		ferry_tx_refill(tx);
}

/* Copy one payload and announce it in a cell, of which there is one. */
static int
send_one(struct ferry_tx *tx, const struct ferry_buf *buf)
{
	struct ferry_copy_job job;
	uint32_t slot;
	void *dst;

	if (buf->len > tx->slot_size)
		return FERRY_E_TOO_LONG;
	if (ferry_tx_has(tx, 1) == 0)
		return 0;
	slot = tx->free[tx->free_head & tx->free_mask];
	dst = ferry_tx_slot(tx, slot);
	if (buf->len <= INLINE_COPY) {
		memcpy(dst, buf->data, buf->len);
	} else {
		credits_prefetch(tx);
		copy_job(tx, dst, buf, &job);
		/* Returns when every byte is there: publish only then. */
		if (ferry_copier_copy(tx->copier, &job, 1) != 0)
			return -EIO;
	}
	tx->free_head++;
	ferry_tx_announce(tx, slot, buf->len, buf->tag);
	ferry_end_notify(&tx->shared->rx, tx->bells, tx->n_bells);
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
	tx->stats.empty += ret == 0;
	return ret;
}

int
ferry_tx_send_slots(struct ferry_tx *tx, const struct ferry_buf *bufs,
		uint16_t n)
{
	const struct ferry_channel_service *service = &tx->shared->service;

	/* One line that seldom changes says that there is nothing to decide: a
	 * few nanoseconds more are 5 % of a message of 1 KiB. */
	if (likely(__atomic_load_n(&service->mode, __ATOMIC_RELAXED) ==
			FERRY_MODE_LATENCY && tx->mode == FERRY_MODE_LATENCY &&
			((n == 1 && bufs[0].len < FERRY_POST_ROUTE) ||
			 __atomic_load_n(&service->server, __ATOMIC_RELAXED) ==
				FERRY_SERVER_NONE)))
		return ferry_tx_send_here(tx, bufs, n);
	return ferry_post_send(tx, bufs, n);
}

void
ferry_tx_set_placement(struct ferry_tx *tx, enum ferry_placement place)
{
	/*
	 * The slots are used in turn, so all of them pass through the cache.
	 * Where they do not fit into it, their bytes would be written back
	 * before they are read.
	 */
	if (place == FERRY_PLACE_AUTO)
		place = (uint64_t)tx->n_slots * tx->stride <=
			ferry_cache_budget() ?
			FERRY_PLACE_CACHE : FERRY_PLACE_MEMORY;
	tx->place = place;
}

enum ferry_end_state
ferry_tx_peer(const struct ferry_tx *tx)
{
	return (enum ferry_end_state)__atomic_load_n(&tx->shared->rx.state,
			__ATOMIC_ACQUIRE);
}

enum ferry_end_state
ferry_rx_peer(const struct ferry_rx *rx)
{
	return (enum ferry_end_state)__atomic_load_n(&rx->shared->tx.state,
			__ATOMIC_ACQUIRE);
}

const struct ferry_channel_shared *
ferry_tx_channel(const struct ferry_tx *tx)
{
	return tx->shared;
}

const struct ferry_channel_shared *
ferry_rx_channel(const struct ferry_rx *rx)
{
	return rx->shared;
}

void
ferry_tx_stats(const struct ferry_tx *tx, struct ferry_end_stats *stats)
{
	*stats = tx->stats;
}

void
ferry_rx_stats(const struct ferry_rx *rx, struct ferry_end_stats *stats)
{
	*stats = rx->stats;
}
