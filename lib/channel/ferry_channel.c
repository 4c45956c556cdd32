/* SPDX-License-Identifier: BSD-3-Clause */

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_memcpy.h>

#include "ferry_cache.h"
#include "ferry_channel.h"
#include "ferry_copier.h"
#include "ferry_post.h"

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
/* One in so many looks past a gap asks whether the server has the message. */
#define GAP_LOOKS 1024
/* In efficiency mode a producer without slots is woken for such a part. */
#define WAKE_PART 4
/* Turns of its own jobs after which a waiting producer yields. */
#define TEND_TURNS 64

static int
end_open(struct ferry_channel_end *end,
		const struct ferry_channel_attach *attach)
{
	uint32_t absent = FERRY_END_ABSENT;

	/* The other end may be reading it to ring. */
	__atomic_store_n(&end->endpoint, attach->endpoint, __ATOMIC_RELAXED);
	end->epoch = attach->epoch;
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

	__atomic_compare_exchange_n(&end->state, &open, FERRY_END_CLOSED,
			false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

static void
end_shout(const struct ferry_channel_end *end, struct ferry_bell *bells,
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
	/* What was posted is on its way before the end says that it closed. */
	ferry_post_stop(tx);
	end_close(&tx->shared->tx);
	end_shout(&tx->shared->rx, tx->bells, tx->n_bells);
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
	end_close(&rx->shared->rx);
	end_shout(&rx->shared->tx, rx->bells, rx->n_bells);
	free(rx);
}

static enum ferry_placement
place_of(const struct ferry_tx *tx, const struct ferry_buf *buf)
{
	return buf->place != FERRY_PLACE_AUTO ? buf->place : tx->place;
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
			jobs[n_jobs].dst = dst;
			jobs[n_jobs].src = buf->data;
			jobs[n_jobs].len = buf->len;
			jobs[n_jobs].cookie = i;
			jobs[n_jobs].mode = (enum ferry_mode)tx->mode;
			jobs[n_jobs++].place = place_of(tx, buf);
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

	if (buf->len > tx->slot_size)
		return FERRY_E_TOO_LONG;
	if (ferry_tx_has(tx, 1) == 0)
		return 0;
	slot = tx->free[tx->free_head & tx->free_mask];
	job.dst = ferry_tx_slot(tx, slot);
	if (buf->len <= INLINE_COPY) {
		memcpy(job.dst, buf->data, buf->len);
	} else {
		credits_prefetch(tx);
		job.src = buf->data;
		job.len = buf->len;
		job.cookie = 0;
		job.place = place_of(tx, buf);
		job.mode = (enum ferry_mode)tx->mode;
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

	/* One line that seldom changes says that all is as it always was. */
	if (likely(__atomic_load_n(&service->server, __ATOMIC_RELAXED) ==
			FERRY_SERVER_NONE && __atomic_load_n(&service->mode,
				__ATOMIC_RELAXED) == FERRY_MODE_LATENCY &&
			tx->mode == FERRY_MODE_LATENCY))
		return ferry_tx_send_here(tx, bufs, n);
	return ferry_post_send(tx, bufs, n);
}

uint64_t
ferry_deadline_after(uint64_t timeout_ns)
{
	uint64_t cycles;

	/* A century is for ever, and does not overflow below. */
	if (timeout_ns >= UINT64_C(100) * 365 * 86400 * 1000000000)
		return FERRY_WAIT_FOREVER;
	cycles = (uint64_t)((double)timeout_ns * (double)rte_get_tsc_hz() / 1e9);
	return rte_get_tsc_cycles() + cycles;
}

/* Why an end waits in vain: 0, FERRY_E_* or -EIO. */
static int
end_over(const struct ferry_channel_shared *ch,
		const struct ferry_channel_end *other)
{
	int ret = ferry_channel_failed(ch);

	return ret != 0 ? ret : ferry_end_result(other);
}

/*
 * Wait for ready, the end of the other side, or the deadline. tend() is called
 * before each step down the ladder.
 */
static int
end_wait(struct ferry_wait *wait, struct ferry_bell *bell,
		bool (*ready)(void *), bool (*wake)(void *),
		void (*tend)(void *), void *handle,
		const struct ferry_channel_shared *ch,
		const struct ferry_channel_end *other, uint64_t timeout_ns)
{
	uint64_t deadline = FERRY_WAIT_FOREVER;
	int ret;

	if (ready(handle))
		return 0;
	if (timeout_ns != 0)
		deadline = ferry_deadline_after(timeout_ns);
	ferry_wait_reset(wait);
	for (;;) {
		ret = end_over(ch, other);
		if (ret != 0)
			return ready(handle) ? 0 : ret;
		if (timeout_ns == 0)
			return -ETIMEDOUT;
		tend(handle);
		ret = ferry_wait_idle(wait, bell, wake, handle, deadline);
		if (ready(handle))
			return 0;
		if (ret != 0)
			return ret;
	}
}

/* Whether the server has messages that are not published. */
static bool
rx_served(const struct ferry_rx *rx)
{
	const struct rte_ring *jobs = ferry_channel_jobs(rx->shared);

	/* Then they never will be. */
	if (ferry_channel_failed(rx->shared) != 0)
		return false;
	/* J2: if not, what it published is visible from here on. */
	return __atomic_load_n(&jobs->cons.tail, __ATOMIC_ACQUIRE) !=
		__atomic_load_n(&jobs->prod.tail, __ATOMIC_ACQUIRE);
}

/*
 * Whether a ring's first message is the next one; or one that the next will not
 * come before, which whoever waits is to find out.
 */
static bool
rx_is_next(const struct ferry_rx *rx, const struct rte_ring *ring)
{
	const struct ferry_desc *descs = (const struct ferry_desc *)&ring[1];
	const uint32_t tail = ring->cons.tail;

	/* R1, R3 */
	if (__atomic_load_n(&ring->prod.tail, __ATOMIC_ACQUIRE) == tail)
		return false;
	return descs[tail & ring->mask].seq == (uint32_t)rx->seq ||
		!rx_served(rx);
}

static bool
rx_ready(void *handle)
{
	const struct ferry_rx *rx = handle;
	const struct ferry_cell *cell =
		&rx->cells[rx->cell_tail % FERRY_N_CELLS];

	rte_prefetch0(&cell->data[RTE_CACHE_LINE_SIZE -
			offsetof(struct ferry_cell, data)]);
	return __atomic_load_n(&cell->stamp, __ATOMIC_ACQUIRE) ==
		ferry_cell_stamp(rx->cell_tail, rx->seq) ||
		rx_is_next(rx, rx->fwd) || rx_is_next(rx, rx->out);
}

void
ferry_rx_wake_producer(struct ferry_rx *rx)
{
	/* Fr: what was given back before the look at what is wanted. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* More is about to be received, and will be given back: a wake-up costs
	 * more than a slot. */
	rx->owed = (int32_t)(rx->back->prod.tail - __atomic_load_n(
			&rx->shared->wish.slots, __ATOMIC_RELAXED)) < 0 &&
			(rx_ready(rx) || rx_served(rx));
	/* Made good at the latest when nothing more is found. */
	if (rx->owed)
		return;
	ferry_end_notify(&rx->shared->tx, rx->bells, rx->n_bells);
}

int
ferry_rx_take_gap(struct ferry_rx *rx, struct ferry_msg *msgs, uint32_t n)
{
	bool later = false, with_server;
	int ret;

	/*
	 * Where the next message is has changed since it was looked for, or it
	 * is being copied. That is asked seldom: the job ring's lines are busy.
	 */
	with_server = rx->gaps++ % GAP_LOOKS != 0 || rx_served(rx);
	ret = ferry_rx_take_cell(rx, msgs);
	if (ret == 0)
		ret = ferry_rx_take_ring(rx, rx->fwd, msgs, n, &later);
	if (ret == 0)
		ret = ferry_rx_take_ring(rx, rx->out, msgs, n, &later);
	if (ret != 0 || with_server)
		return ret;
	ret = ferry_channel_failed(rx->shared);
	return ret != 0 ? ret : FERRY_E_CORRUPT;
}

static uint32_t
mode_of(const struct ferry_channel_shared *ch)
{
	const uint32_t mode = __atomic_load_n(&ch->service.mode,
			__ATOMIC_RELAXED);

	return mode < FERRY_MODES ? mode : FERRY_MODE_LATENCY;
}

static bool
rx_wake(void *handle)
{
	const struct ferry_rx *rx = handle;

	return rx_ready(handle) || end_over(rx->shared, &rx->shared->tx) != 0 ||
		mode_of(rx->shared) != rx->mode;
}

static bool
tx_ready(void *handle)
{
	const struct ferry_tx *tx = handle;

	/* To look for cells that a loan cannot use would be to spin. */
	if (tx->cell_will_do && tx->cell_head < FERRY_N_CELLS +
			__atomic_load_n(&tx->shared->cells_freed,
				__ATOMIC_ACQUIRE))
		return true;
	return tx->free_head != tx->free_tail ||
		__atomic_load_n(&tx->back->prod.tail, __ATOMIC_ACQUIRE) !=
		tx->back->cons.tail;
}

static bool
tx_wake(void *handle)
{
	const struct ferry_tx *tx = handle;

	return tx_ready(handle) || end_over(tx->shared, &tx->shared->rx) != 0 ||
		mode_of(tx->shared) != tx->mode;
}

/*
 * Nothing sent is in flight or in the consumer's hands: the cells are freed,
 * and every slot is either in the back ring or in this end's own hands.
 */
static bool
tx_drained(void *handle)
{
	const struct ferry_tx *tx = handle;
	const struct rte_ring *out = ferry_channel_out(tx->shared);
	uint32_t mine, i;

	if (__atomic_load_n(&tx->shared->cells_freed, __ATOMIC_ACQUIRE) !=
			tx->cell_head)
		return false;
	if (__atomic_load_n(&tx->fwd->cons.tail, __ATOMIC_ACQUIRE) !=
			tx->fwd->prod.tail)
		return false;
	/* A job leaves its ring after its message is in the out ring. */
	if (__atomic_load_n(&tx->post->jobs->cons.tail, __ATOMIC_ACQUIRE) !=
			tx->post->jobs->prod.tail ||
			__atomic_load_n(&out->cons.tail, __ATOMIC_ACQUIRE) !=
			__atomic_load_n(&out->prod.tail, __ATOMIC_RELAXED))
		return false;
	mine = __atomic_load_n(&tx->back->prod.tail, __ATOMIC_ACQUIRE) -
		tx->back->cons.tail;
	for (i = 0; i < tx->n_slots; i++)
		mine += tx->held[i] != 0;
	return mine == tx->n_slots;
}

static bool
tx_drained_wake(void *handle)
{
	const struct ferry_tx *tx = handle;

	return tx_drained(handle) ||
		end_over(tx->shared, &tx->shared->rx) != 0 ||
		mode_of(tx->shared) != tx->mode;
}

/* Say what a waiting producer is to be woken for, before its bell is armed. */
static void
tx_wish(struct ferry_tx *tx, uint32_t slots, uint32_t jobs)
{
	__atomic_store_n(&tx->shared->wish.slots, tx->back->cons.tail + slots,
			__ATOMIC_RELAXED);
	__atomic_store_n(&tx->shared->wish.jobs, tx->post->head + jobs,
			__ATOMIC_RELAXED);
}

/* What a waiting producer does beside waiting. */
static void
tx_tend(struct ferry_tx *tx)
{
	ferry_tx_take_mode(tx);
	/* Jobs that nobody else carries out would never release a slot: this
	 * thread must not sleep over them. */
	if (ferry_post_progress(tx) == 0 || !tx->post->self)
		return;
	ferry_wait_reset(&tx->wait);
	if (++tx->post->turns % TEND_TURNS == 0)
		sched_yield();
}

/* Of one that waits for slots. */
static void
tx_tend_slots(void *handle)
{
	struct ferry_tx *tx = handle;
	uint32_t some = 1;

	tx_tend(tx);
	/* A freed cell is no slot, so that whatever is given back counts; and
	 * any slot does but where the core's time is what counts. */
	if (tx->cell_will_do)
		some = 0;
	else if (tx->mode == FERRY_MODE_EFFICIENCY)
		some = RTE_MAX(tx->n_slots / WAKE_PART, 1u);
	tx_wish(tx, some, FERRY_WISH_NONE);
}

/* Of one that waits until all is consumed: every step may be the last one. */
static void
tx_tend_drain(void *handle)
{
	struct ferry_tx *tx = handle;

	tx_tend(tx);
	tx_wish(tx, 0, 0);
}

static void rx_take_mode(struct ferry_rx *rx);

static void
rx_tend(void *handle)
{
	struct ferry_rx *rx = handle;

	rx_take_mode(rx);
	if (rx->owed)
		ferry_rx_wake_producer(rx);
}

int
ferry_tx_wait(struct ferry_tx *tx, uint64_t timeout_ns)
{
	int ret = ferry_end_result(&tx->shared->rx);

	/* Free slots are of no use once nobody is there to receive. */
	if (ret != 0)
		return ret;
	return end_wait(&tx->wait, &tx->bells[tx->endpoint], tx_ready, tx_wake,
			tx_tend_slots, tx, tx->shared, &tx->shared->rx, timeout_ns);
}

int
ferry_tx_drain(struct ferry_tx *tx, uint64_t timeout_ns)
{
	return end_wait(&tx->wait, &tx->bells[tx->endpoint], tx_drained,
			tx_drained_wake, tx_tend_drain, tx, tx->shared,
			&tx->shared->rx, timeout_ns);
}

int
ferry_rx_wait(struct ferry_rx *rx, uint64_t timeout_ns)
{
	return end_wait(&rx->wait, &rx->bells[rx->endpoint], rx_ready, rx_wake,
			rx_tend, rx, rx->shared, &rx->shared->tx, timeout_ns);
}

static void
end_set_wait(struct ferry_channel_end *end, struct ferry_wait *wait,
		enum ferry_wait_policy policy)
{
	uint32_t may_sleep;

	if (ferry_wait_set_policy(wait, policy) != 0)
		return;
	may_sleep = ferry_wait_may_sleep(policy);
	if (may_sleep == end->may_sleep)
		return;
	__atomic_store_n(&end->may_sleep, may_sleep, __ATOMIC_RELAXED);
	/*
	 * Without a barrier on every CPU the other end might not see the flag
	 * in time for the first sleep. Where there is none, naps are bounded.
	 */
	if (may_sleep)
		ferry_bell_settle();
}

void
ferry_tx_set_wait(struct ferry_tx *tx, enum ferry_wait_policy policy)
{
	end_set_wait(&tx->shared->tx, &tx->wait, policy);
}

void
ferry_rx_set_wait(struct ferry_rx *rx, enum ferry_wait_policy policy)
{
	end_set_wait(&rx->shared->rx, &rx->wait, policy);
}

static const enum ferry_wait_policy mode_waits[FERRY_MODES] = {
	[FERRY_MODE_LATENCY] = FERRY_WAIT_SPIN,
	[FERRY_MODE_THROUGHPUT] = FERRY_WAIT_YIELD,
	[FERRY_MODE_EFFICIENCY] = FERRY_WAIT_NAP,
};

void
ferry_tx_take_mode(struct ferry_tx *tx)
{
	const uint32_t mode = mode_of(tx->shared);

	if (likely(mode == tx->mode))
		return;
	tx->mode = (uint8_t)mode;
	ferry_tx_set_wait(tx, mode_waits[mode]);
}

static void
rx_take_mode(struct ferry_rx *rx)
{
	const uint32_t mode = mode_of(rx->shared);

	if (likely(mode == rx->mode))
		return;
	rx->mode = (uint8_t)mode;
	ferry_rx_set_wait(rx, mode_waits[mode]);
}

/* Before the bells: who is woken by them finds it. */
static int
set_mode(struct ferry_channel_shared *ch, enum ferry_mode mode)
{
	if ((unsigned int)mode >= FERRY_MODES)
		return -EINVAL;
	__atomic_store_n(&ch->service.mode, mode, __ATOMIC_RELEASE);
	return 0;
}

int
ferry_tx_set_mode(struct ferry_tx *tx, enum ferry_mode mode)
{
	int ret = set_mode(tx->shared, mode);

	if (ret != 0)
		return ret;
	ferry_tx_take_mode(tx);
	end_shout(&tx->shared->rx, tx->bells, tx->n_bells);
	ferry_board_tell(tx->shared, &tx->boards);
	return 0;
}

int
ferry_rx_set_mode(struct ferry_rx *rx, enum ferry_mode mode)
{
	int ret = set_mode(rx->shared, mode);

	if (ret != 0)
		return ret;
	rx_take_mode(rx);
	end_shout(&rx->shared->tx, rx->bells, rx->n_bells);
	ferry_board_tell(rx->shared, &rx->boards);
	return 0;
}

enum ferry_mode
ferry_tx_mode(const struct ferry_tx *tx)
{
	return (enum ferry_mode)mode_of(tx->shared);
}

enum ferry_mode
ferry_rx_mode(const struct ferry_rx *rx)
{
	return (enum ferry_mode)mode_of(rx->shared);
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
