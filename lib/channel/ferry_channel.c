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

/* What the hub wrote stays: GONE and HUB_GONE. */
static void
end_close(struct ferry_channel_end *end)
{
	uint32_t was = __atomic_load_n(&end->state, __ATOMIC_RELAXED);

	/* Q in ferry_bulk_layout.h. The look at the claims that follows is
	 * behind the fence in bulk_rx_stopped(). */
	__atomic_store_n(&end->left, 1, __ATOMIC_RELEASE);
	while (was <= FERRY_END_OPEN && !__atomic_compare_exchange_n(
			&end->state, &was, FERRY_END_CLOSED, false,
			__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
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

/* Check what an end was given, and find the parts of its channel. */
static int
attach_valid(const struct ferry_channel_attach *attach,
		struct ferry_channel_parts *parts)
{
	if (attach == NULL || attach->shared == NULL || attach->bells == NULL ||
			attach->endpoint >= attach->n_bells ||
			attach->epoch == 0 || attach->epoch == UINT32_MAX)
		return -EINVAL;
	return ferry_channel_find(parts, attach->shared, attach->size, NULL);
}

int
ferry_tx_start(struct ferry_tx **out, const struct ferry_channel_attach *attach)
{
	struct ferry_channel_parts p;
	struct ferry_tx *tx;
	uint32_t places;
	int ret = attach_valid(attach, &p);

	if (ret != 0 || out == NULL)
		return ret != 0 ? ret : -EINVAL;
	places = rte_align32pow2(p.n_slots);
	tx = calloc(1, sizeof(*tx));
	if (tx == NULL)
		return -ENOMEM;
	tx->free = calloc(places, sizeof(*tx->free));
	if (tx->free == NULL) {
		free(tx);
		return -ENOMEM;
	}
	tx->free_mask = places - 1;
	tx->shared = p.shared;
	tx->held = p.tx_held;
	tx->cells = p.cells;
	tx->out = p.out;
	tx->slots = p.slots;
	tx->stride = p.stride;
	tx->slot_size = p.slot_size;
	tx->n_slots = p.n_slots;
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
	if (!ferry_ring_produce(&tx->fwd, p.fwd, p.ring_count) ||
			!ferry_ring_consume(&tx->back, p.back, p.ring_count))
		ret = FERRY_E_CORRUPT;
	if (ret == 0)
		ret = ferry_post_start(tx, attach, &p);
	if (ret == 0)
		ret = end_open(&p.shared->tx, attach);
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
	struct ferry_channel_parts p;
	struct ferry_rx *rx;
	int ret = attach_valid(attach, &p);

	if (ret != 0 || out == NULL)
		return ret != 0 ? ret : -EINVAL;
	rx = calloc(1, sizeof(*rx));
	if (rx == NULL)
		return -ENOMEM;
	rx->shared = p.shared;
	rx->held = p.rx_held;
	rx->cells = p.cells;
	rx->jobs = p.jobs;
	rx->slots = p.slots;
	rx->stride = p.stride;
	rx->slot_size = p.slot_size;
	rx->n_slots = p.n_slots;
	rx->epoch = attach->epoch;
	rx->bells = attach->bells;
	rx->n_bells = attach->n_bells;
	rx->endpoint = attach->endpoint;
	rx->cell_max = RTE_MIN(p.slot_size, (uint32_t)FERRY_CELL_DATA);
	ferry_wait_init(&rx->wait, FERRY_WAIT_SPIN);
	rx->copier = attach->copier;
	rx->memory = attach->memory;
	rx->boards = attach->boards;
	rx->owner = attach->owner;
	if (!ferry_ring_consume(&rx->fwd, p.fwd, p.ring_count) ||
			!ferry_ring_consume(&rx->out, p.out, p.ring_count) ||
			!ferry_ring_produce(&rx->back, p.back, p.ring_count))
		ret = FERRY_E_CORRUPT;
	if (ret == 0)
		ret = end_open(&p.shared->rx, attach);
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
	uint64_t bytes = 0;
	uint16_t n_jobs = 0;
	uint32_t i;
	int ret = 0;

	/* Also of a full channel: to wait for a slot would be of no use. */
	if (bufs[0].len > tx->slot_size)
		return FERRY_E_TOO_LONG;
	n = ferry_tx_has(tx, RTE_MIN(n, (uint32_t)WINDOW_MSGS));
	if (n == 0)
		return ferry_tx_none(tx);
	/* Never short but for a corrupt consumer. */
	if (!ferry_ring_room(&tx->fwd, n))
		return FERRY_E_CORRUPT;
	for (i = 0; i < n && bytes < WINDOW_BYTES; i++) {
		const struct ferry_buf *buf = &bufs[i];
		uint32_t slot;
		void *dst;

		if (buf->len > tx->slot_size)
			break;
		slot = tx->free[(tx->free_head + i) & tx->free_mask];
		dst = ferry_tx_slot(tx, slot);
		ferry_desc_put(ferry_desc_at(&tx->fwd, i), (struct ferry_desc) {
			.slot = slot,
			.len = buf->len,
			.tag = buf->tag,
			.seq = (uint32_t)(tx->seq + i),
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
	/* Returns when every byte is there: publish only then. */
	if (n_jobs > 0 && ferry_copier_copy(tx->copier, jobs, n_jobs) != 0) {
		ret = -EIO;
		i = 0;
	}
	if (i == 0)
		return ret;
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
	rte_prefetch0(&tx->back.ring->prod.tail);
	rte_prefetch0(ferry_ring_place(&tx->back, 0, sizeof(uint32_t)));
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
		return ferry_tx_none(tx);
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
