/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How the ends of a channel wait, for what, and how they are woken; and the
 * modes, which say so.
 */

#include <errno.h>
#include <sched.h>

#include <rte_cycles.h>

#include "bulk_private.h"
#include "ferry_post.h"

/* One in so many looks past a gap asks whether the server has the message. */
#define GAP_LOOKS 1024
/* In efficiency mode a producer without slots is woken for such a part. */
#define WAKE_PART 4
/* Turns of its own jobs after which a waiting producer yields. */
#define TEND_TURNS 64
/* How long a producer waits for an engine that does nothing before it asks the
 * hub: 100 ms, which is longer than most copies and shorter than patience. */
#define ASK_NS 1e8

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
		deadline = ferry_wait_deadline(timeout_ns);
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
	const struct rte_ring *jobs = rx->jobs;

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
rx_is_next(const struct ferry_rx *rx, const struct ferry_ring *ring)
{
	/* R1, R3 */
	const uint32_t n = ferry_ring_count(ring);

	if (n == 0)
		return false;
	return ferry_ring_lies(ring, n) ||
		ferry_desc_at(ring, 0)->seq == (uint32_t)rx->seq ||
		!rx_served(rx);
}

static bool
rx_ready(void *handle)
{
	const struct ferry_rx *rx = handle;
	const struct ferry_cell *cell =
		&rx->cells[rx->cell_tail % FERRY_N_CELLS];
	uint64_t stamp;

	rte_prefetch0(&cell->data[RTE_CACHE_LINE_SIZE -
			offsetof(struct ferry_cell, data)]);
	stamp = __atomic_load_n(&cell->stamp, __ATOMIC_ACQUIRE);
	return stamp == ferry_cell_stamp(rx->cell_tail, rx->seq) ||
		rx_is_next(rx, &rx->fwd) || rx_is_next(rx, &rx->out) ||
		!ferry_rx_stamp_sane(rx, stamp);
}

void
ferry_rx_wake_producer(struct ferry_rx *rx)
{
	/* Fr: what was given back before the look at what is wanted. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* More is about to be received, and will be given back: a wake-up costs
	 * more than a slot. */
	rx->owed = (int32_t)(rx->back.at - __atomic_load_n(
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
	 * is being copied. While it is, that is asked seldom: the job ring's
	 * lines are busy.
	 */
	with_server = rx->gaps++ % GAP_LOOKS != 0 || rx_served(rx);
	ret = ferry_rx_take_cell(rx, msgs);
	if (ret == 0)
		ret = ferry_rx_take_ring(rx, &rx->fwd, msgs, n, &later);
	if (ret == 0)
		ret = ferry_rx_take_ring(rx, &rx->out, msgs, n, &later);
	if (ret != 0 || with_server)
		return ret;
	ret = ferry_channel_failed(rx->shared);
	return ret != 0 ? ret : FERRY_E_CORRUPT;
}

static bool
rx_wake(void *handle)
{
	const struct ferry_rx *rx = handle;

	return rx_ready(handle) || end_over(rx->shared, &rx->shared->tx) != 0 ||
		ferry_channel_mode(rx->shared) != rx->mode;
}

static bool
tx_ready(void *handle)
{
	const struct ferry_tx *tx = handle;

	/* There is something to be told. */
	if (unlikely(tx->broken))
		return true;
	/* To look for cells that a loan cannot use would be to spin. */
	if (tx->cell_will_do && tx->cell_head < FERRY_N_CELLS +
			__atomic_load_n(&tx->shared->cells_freed,
				__ATOMIC_ACQUIRE))
		return true;
	return tx->free_head != tx->free_tail ||
		ferry_ring_count(&tx->back) != 0;
}

static bool
tx_wake(void *handle)
{
	const struct ferry_tx *tx = handle;

	return tx_ready(handle) || end_over(tx->shared, &tx->shared->rx) != 0 ||
		ferry_channel_mode(tx->shared) != tx->mode;
}

/* Look for indices that cannot be true: they would be waited for in vain.
 * What this end has told is told again. */
static void
tx_check(struct ferry_tx *tx)
{
	const uint64_t freed = __atomic_load_n(&tx->shared->cells_freed,
			__ATOMIC_RELAXED);

	if (ferry_ring_lies(&tx->fwd, ferry_ring_left(&tx->fwd)) ||
			ferry_ring_lies(&tx->back,
				ferry_ring_count(&tx->back)) ||
			tx->cell_head - freed > FERRY_N_CELLS)
		tx->broken = true;
	ferry_ring_retell(&tx->fwd);
	ferry_ring_retell(&tx->post->jobs);
}

/*
 * Nothing sent is in flight or in the consumer's hands: the cells are freed,
 * and every slot is either in the back ring or in this end's own hands. Or it
 * will never be found so.
 */
static bool
tx_drained(void *handle)
{
	const struct ferry_tx *tx = handle;
	const struct rte_ring *out = tx->out;

	if (tx->broken)
		return true;
	if (__atomic_load_n(&tx->shared->cells_freed, __ATOMIC_ACQUIRE) !=
			tx->cell_head)
		return false;
	if (ferry_ring_left(&tx->fwd) != 0 || !bulk_tx_drained(tx))
		return false;
	/* A job leaves its ring after its message is in the out ring. */
	if (ferry_ring_left(&tx->post->jobs) != 0 ||
			__atomic_load_n(&out->cons.tail, __ATOMIC_ACQUIRE) !=
			__atomic_load_n(&out->prod.tail, __ATOMIC_RELAXED))
		return false;
	return ferry_ring_count(&tx->back) + tx->in_hand == tx->n_slots;
}

static bool
tx_drained_wake(void *handle)
{
	const struct ferry_tx *tx = handle;

	return tx_drained(handle) ||
		end_over(tx->shared, &tx->shared->rx) != 0 ||
		ferry_channel_mode(tx->shared) != tx->mode;
}

/* Say what a waiting producer is to be woken for, before its bell is armed. */
static void
tx_wish(struct ferry_tx *tx, uint32_t slots, uint32_t jobs)
{
	__atomic_store_n(&tx->shared->wish.slots, tx->back.at + slots,
			__ATOMIC_RELAXED);
	tx->post->wish = tx->post->jobs.at + jobs;
	__atomic_store_n(&tx->shared->wish.jobs, tx->post->wish,
			__ATOMIC_RELAXED);
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
	const enum ferry_mode mode = ferry_channel_mode(tx->shared);

	if (likely(mode == tx->mode))
		return;
	tx->mode = (uint8_t)mode;
	ferry_tx_set_wait(tx, mode_waits[mode]);
}

void
ferry_rx_take_mode(struct ferry_rx *rx)
{
	const enum ferry_mode mode = ferry_channel_mode(rx->shared);

	if (likely(mode == rx->mode))
		return;
	rx->mode = (uint8_t)mode;
	ferry_rx_set_wait(rx, mode_waits[mode]);
}

/* What a waiting producer does beside waiting. */
static void
tx_tend(struct ferry_tx *tx)
{
	ferry_tx_take_mode(tx);
	tx_check(tx);
	if (unlikely(bulk_tx_step(tx)))
		ferry_wait_reset(&tx->wait);
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

static void
rx_tend(void *handle)
{
	struct ferry_rx *rx = handle;

	ferry_rx_take_mode(rx);
	if (unlikely(bulk_rx_step(rx)))
		ferry_wait_reset(&rx->wait);
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

/* The index of the job ring from which at most so many posts are pending. */
static uint32_t
index_for(const struct ferry_post *p, uint32_t most)
{
	uint32_t at = p->done;

	while (at != p->jobs.at && p->posted - p->numbers[at & p->mask] > most)
		at++;
	return at;
}

/* The re-check of a producer that waits for its jobs. */
static bool
tx_jobs_wake(void *handle)
{
	const struct ferry_tx *tx = handle;

	/* J2 */
	return (int32_t)(tx->post->jobs.at - ferry_ring_left(&tx->post->jobs) -
			tx->post->wish) >= 0 ||
		ferry_post_server(tx) == FERRY_SERVER_NONE ||
		ferry_post_over(tx) != 0 ||
		ferry_channel_mode(tx->shared) != tx->mode;
}

/*
 * The server has done nothing since *since: after a while it is told again of
 * its jobs, and the hub is asked. What was told may have become another
 * process's garbage; so may the word that says who serves, and then there is no
 * engine to wait for.
 */
static void
ask_again(struct ferry_tx *tx, bool hub, uint32_t *seen, uint64_t *since)
{
	struct ferry_post *p = tx->post;
	const uint64_t now = rte_rdtsc();

	if (p->done != *seen) {
		*seen = p->done;
		*since = now;
	} else if ((double)(now - *since) * p->ns_per_tick > ASK_NS) {
		ferry_ring_retell(&p->jobs);
		ferry_board_announce(tx->shared, &tx->boards);
		if (hub && p->stalled != NULL && !p->self)
			p->stalled(tx->owner);
		*since = rte_rdtsc();
	}
}

int
ferry_post_wait(struct ferry_tx *tx, uint32_t most, uint64_t timeout_ns)
{
	const uint64_t deadline = ferry_wait_deadline(timeout_ns);
	struct ferry_post *p = tx->post;
	uint64_t since = rte_rdtsc();
	uint32_t seen = p->done;
	struct ferry_wait wait;
	uint32_t target;
	int ret;

	if (ferry_tx_pending(tx) <= most)
		return 0;
	target = index_for(p, most);
	ferry_wait_reset(&tx->wait);
	/* Whoever does the work itself must not sleep on a bell for it. */
	ferry_wait_init(&wait, FERRY_WAIT_YIELD);
	for (;;) {
		/* Whoever ends meanwhile: if nobody else carries them out any
		 * more, this end does. */
		ret = ferry_post_over(tx);
		if (ret != 0)
			return ret;
		if (timeout_ns == 0)
			return -ETIMEDOUT;
		ferry_tx_take_mode(tx);
		/* Before the bell is armed: see wake_producer(). */
		tx_wish(tx, FERRY_WISH_NONE, target - p->jobs.at);
		if (p->self)
			ret = ferry_wait_idle(&wait, NULL, NULL, NULL,
					deadline);
		else
			ret = ferry_wait_idle(&tx->wait,
					&tx->bells[tx->endpoint], tx_jobs_wake,
					tx, deadline);
		ferry_post_progress(tx);
		if ((int32_t)(p->done - target) >= 0)
			return 0;
		/* A stopped hub answers late: not beyond a caller's limit. */
		ask_again(tx, timeout_ns == UINT64_MAX, &seen, &since);
		if (ret != 0)
			return ret;
	}
}

int
ferry_tx_drain(struct ferry_tx *tx, uint64_t timeout_ns)
{
	int ret;

	tx_check(tx);
	ret = end_wait(&tx->wait, &tx->bells[tx->endpoint], tx_drained,
			tx_drained_wake, tx_tend_drain, tx, tx->shared,
			&tx->shared->rx, timeout_ns);
	return ret == 0 ? ferry_tx_none(tx) : ret;
}

int
ferry_rx_wait(struct ferry_rx *rx, uint64_t timeout_ns)
{
	return end_wait(&rx->wait, &rx->bells[rx->endpoint], rx_ready, rx_wake,
			rx_tend, rx, rx->shared, &rx->shared->tx, timeout_ns);
}

static int
set_mode(struct ferry_channel_shared *ch, enum ferry_mode mode,
		const struct ferry_channel_end *other, struct ferry_bell *bells,
		uint32_t n_bells, const struct ferry_boards *boards)
{
	if ((unsigned int)mode >= FERRY_MODES)
		return -EINVAL;
	/* Before the bells: who is woken by them finds it. */
	__atomic_store_n(&ch->service.mode, mode, __ATOMIC_RELEASE);
	ferry_end_shout(other, bells, n_bells);
	ferry_board_tell(ch, boards);
	return 0;
}

int
ferry_tx_set_mode(struct ferry_tx *tx, enum ferry_mode mode)
{
	int ret = set_mode(tx->shared, mode, &tx->shared->rx, tx->bells,
			tx->n_bells, &tx->boards);

	if (ret == 0)
		ferry_tx_take_mode(tx);
	return ret;
}

int
ferry_rx_set_mode(struct ferry_rx *rx, enum ferry_mode mode)
{
	int ret = set_mode(rx->shared, mode, &rx->shared->tx, rx->bells,
			rx->n_bells, &rx->boards);

	if (ret == 0)
		ferry_rx_take_mode(rx);
	return ret;
}

enum ferry_mode
ferry_tx_mode(const struct ferry_tx *tx)
{
	return ferry_channel_mode(tx->shared);
}

enum ferry_mode
ferry_rx_mode(const struct ferry_rx *rx)
{
	return ferry_channel_mode(rx->shared);
}
