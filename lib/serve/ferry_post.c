/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>

#include "ferry_post.h"

/* Jobs put into the ring at a time. */
#define BURST 32
/* The calling thread times one in so many of its copies: 2 x 12 ns. */
#define TIME_EVERY 8
/* Bytes of finished jobs after which the server's speed is worked out. */
#define RATE_BYTES (256 * 1024)
/* After so many waits in a row the producer is taken to wait for each
 * message. */
#define WAITED_MIN 4
/* Part of a new measurement in the moving average. */
#define RATE_NEW 0.25
/* How long a producer waits for an engine that does nothing before it asks the
 * hub: 100 ms. Most copies take less, and callers are ready to wait
 * longer. */
#define ASK_NS 1e8

static void
post_free(struct ferry_post *p)
{
	free(p->numbers);
	free(p->lens);
	free(p);
}

static uint64_t
to_ns(const struct ferry_post *p, uint64_t ticks)
{
	return (uint64_t)((double)ticks * p->ns_per_tick);
}

/* Take a new value into a moving average. A mean of 0 has no value yet. */
static void
average(double *mean, double value)
{
	*mean = *mean == 0 ? value : *mean + RATE_NEW * (value - *mean);
}

/* Whether a server or a device can copy for this end. */
static bool
can_offload(const struct ferry_tx *tx)
{
	const struct ferry_post *p = tx->post;
	const uint32_t server = ferry_post_server(tx);

	return server >= FERRY_SERVER_ENGINE || p->self ||
		(server == FERRY_SERVER_NONE && p->server != NULL &&
		 tx->end.copier->nb_open > 1);
}

/* Make the producer the server of its own channel, if the channel has none. */
static void
self_begin(struct ferry_tx *tx)
{
	struct ferry_post *p = tx->post;
	uint32_t *server = &tx->end.shared->service.server;
	uint32_t was = __atomic_load_n(server, __ATOMIC_RELAXED);
	const struct ferry_serve serve = {
		.shared = tx->end.shared,
		.config = { tx->end.slot_size, tx->end.n_slots },
		.number = tx->end.boards.number,
		.local = true,
		.key = p->key,
		.bells = tx->end.bells,
		.n_bells = tx->end.n_bells,
	};
	int ret;

	/* O. The producer alone writes SELF, and it has not yet. */
	if (p->server == NULL || ferry_post_over(tx) != 0 ||
			was >= FERRY_SERVER_ENGINE ||
			!__atomic_compare_exchange_n(server, &was,
			FERRY_SERVER_SELF, false, __ATOMIC_ACQUIRE,
			__ATOMIC_RELAXED))
		return;
	ret = ferry_server_add(p->server, &serve);
	if (ret == 0) {
		p->self = true;
		return;
	}
	/* If the channel itself is at fault, no other server can serve it
	 * either. Then no server reads its jobs any more. */
	p->lost |= ret != -ENOMEM;
	__atomic_store_n(server, FERRY_SERVER_NONE, __ATOMIC_RELEASE);
}

/* Stop serving the own channel. */
static void
self_end(struct ferry_tx *tx)
{
	struct ferry_post *p = tx->post;

	ferry_server_remove(p->server, tx->end.boards.number);
	p->self = false;
	/* O */
	__atomic_store_n(&tx->end.shared->service.server, FERRY_SERVER_NONE,
			__ATOMIC_RELEASE);
}

/* Count the jobs that the server has done since the last call. */
static void
account(struct ferry_tx *tx)
{
	struct ferry_post *p = tx->post;
	/* J2: pairs with the server's release after it has published. */
	const uint32_t left = ferry_ring_left(&p->jobs);
	uint64_t now;

	/* More jobs than were pending: no server wrote this index. No payload
	 * counts as done by it. The server publishes its index again. */
	if (unlikely(left > p->jobs.at - p->done))
		return;
	while (p->jobs.at - p->done != left) {
		const uint32_t len = p->lens[p->done++ & p->mask];

		p->bytes -= len;
		p->since_bytes += len;
	}
	if (p->since_bytes < RATE_BYTES)
		return;
	now = rte_rdtsc();
	average(&p->rate, (double)p->since_bytes /
		(double)(now - p->since + 1));
	p->since = now;
	p->since_bytes = 0;
}

uint32_t
ferry_post_progress(struct ferry_tx *tx)
{
	struct ferry_post *p = tx->post;

	if (p->jobs.at == p->done)
		return 0;
	if (!p->self && unlikely(ferry_post_server(tx) < FERRY_SERVER_ENGINE))
		self_begin(tx);
	/* A producer without lanes of its own serves only until the next engine
	 * does. It copies all jobs at once, because then the next engine need
	 * not wait for the producer's next call. */
	do {
		if (p->self && ferry_server_poll(p->server) == 0 &&
				!ferry_server_pending(p->server,
					tx->end.boards.number, true)) {
			ferry_ring_retell(&p->jobs);
			ferry_server_retell(p->server, tx->end.boards.number);
		}
		account(tx);
	} while (p->self && p->jobs.at != p->done &&
			tx->end.copier->nb_open <= 1 &&
			ferry_post_over(tx) == 0);
	if (p->self && p->jobs.at == p->done && tx->end.copier->nb_open <= 1)
		self_end(tx);
	return p->jobs.at - p->done;
}

/* The post that a part belongs to. */
static struct ferry_post *
post_of(struct ferry_end_part *part)
{
	return container_of(part, struct ferry_post, part);
}

static enum ferry_end_step
post_step(struct ferry_end_part *part)
{
	struct ferry_post *p = post_of(part);

	return ferry_post_progress(p->tx) != 0 && p->self ?
		FERRY_STEP_TENDED : FERRY_STEP_NONE;
}

/* Whether no engine takes the jobs that there are, so that this end has to. */
static bool
post_wake(const struct ferry_end_part *part)
{
	const struct ferry_post *p = container_of(part,
			const struct ferry_post, part);

	return p->jobs.at != p->done && !p->self && p->server != NULL &&
		ferry_post_server(p->tx) < FERRY_SERVER_ENGINE &&
		ferry_post_over(p->tx) == 0;
}

/* Say how many jobs more than now must be done to wake a waiting producer. */
static void
jobs_wish(struct ferry_post *p, uint32_t jobs)
{
	ferry_ring_retell(&p->jobs);
	__atomic_store_n(&p->tx->end.shared->wish.jobs, p->jobs.at + jobs,
			__ATOMIC_RELAXED);
}

static void
post_wish(struct ferry_end_part *part, bool each)
{
	jobs_wish(post_of(part), each ? 0 : FERRY_WISH_NONE);
}

static bool
post_drained(const struct ferry_end_part *part)
{
	const struct ferry_post *p = container_of(part,
			const struct ferry_post, part);

	/* A job leaves its ring after its message is in the out ring. */
	return ferry_ring_left(&p->jobs) == 0 &&
		__atomic_load_n(&p->out->cons.tail, __ATOMIC_ACQUIRE) ==
		__atomic_load_n(&p->out->prod.tail, __ATOMIC_RELAXED);
}

/* Finish all posts. When the end says that it closed, the messages are on their
 * way and the payloads are the caller's again. */
static void
post_stop(struct ferry_end_part *part)
{
	struct ferry_post *p = post_of(part);

	ferry_tx_finish(p->tx, 0, UINT64_MAX);
	if (p->self)
		self_end(p->tx);
}

static void
post_stopped(struct ferry_end_part *part)
{
	struct ferry_post *p = post_of(part);

	p->tx->post = NULL;
	post_free(p);
}

static const struct ferry_end_ops post_ops = {
	.step = post_step,
	.wake = post_wake,
	.wish = post_wish,
	.drained = post_drained,
	.stop = post_stop,
	.stopped = post_stopped,
};

static int
post_start(struct ferry_tx *tx, const struct ferry_channel_attach *attach,
		const struct ferry_channel_parts *parts)
{
	const uint32_t places = parts->jobs_count;
	struct ferry_post *p = calloc(1, sizeof(*p));
	struct ferry_process self;

	if (p == NULL)
		return -ENOMEM;
	p->numbers = calloc(places, sizeof(*p->numbers));
	p->lens = calloc(places, sizeof(*p->lens));
	if (p->numbers == NULL || p->lens == NULL) {
		post_free(p);
		return -ENOMEM;
	}
	p->mask = places - 1;
	/* The ring has no jobs yet, because a producer's end is opened once. */
	if (!ferry_ring_produce(&p->jobs, parts->jobs, places)) {
		post_free(p);
		return FERRY_E_CORRUPT;
	}
	p->done = p->jobs.at;
	p->out = parts->out;
	p->tx = tx;
	ferry_process_self(&self);
	p->key = self.token;
	p->server = attach->server;
	p->stalled = attach->stalled;
	/* Without an EAL a guess suffices, because rates are only compared. */
	p->ns_per_tick = rte_get_tsc_hz() != 0 ?
		1e9 / (double)rte_get_tsc_hz() : 0.5;
	ferry_route_init(&p->route);
	tx->post = p;
	ferry_end_hang(&tx->end, &p->part, &post_ops);
	return 0;
}

const struct ferry_end_kind ferry_post_kind = {
	.tx_start = post_start,
};

/* Jobs of one burst that are not in the ring yet. */
struct batch {
	uint32_t n;
	struct ferry_job jobs[BURST];
};

/* Write a job to its place in the ring. */
static void
job_put(const struct ferry_ring *ring, uint32_t i, const struct ferry_job *job,
		uint64_t key)
{
	struct ferry_job *to = ferry_ring_place(ring, i, sizeof(*to));

	/* Atomic, because the census may be reading the slot. */
	__atomic_store_n(&to->slot, job->slot, __ATOMIC_RELAXED);
	to->len = job->len;
	to->tag = job->tag;
	to->seq = job->seq;
	to->src = job->src;
	to->place = job->place;
	to->seal = ferry_job_seal(key, job);
}

/* Put a batch into the ring, and let go of its slots. */
static int
batch_put(struct ferry_tx *tx, struct batch *b)
{
	struct ferry_post *p = tx->post;
	uint32_t i;

	if (b->n == 0)
		return 0;
	if (p->jobs.at == p->done) {
		p->begun = rte_rdtsc();
		p->since = p->begun;
		p->since_bytes = 0;
	}
	/* The ring has room for all slots of the channel. It is short of room
	 * only if another process has written there. */
	if (unlikely(!ferry_ring_room(&p->jobs, b->n)))
		return FERRY_E_CORRUPT;
	for (i = 0; i < b->n; i++)
		job_put(&p->jobs, i, &b->jobs[i], p->key);
	/* J1 */
	ferry_ring_publish(&p->jobs, b->n);
	for (i = 0; i < b->n; i++)
		ferry_tx_let_go(tx, b->jobs[i].slot);
	b->n = 0;
	ferry_board_announce(tx->end.shared, &tx->end.boards);
	return 0;
}

/* Add a message to a batch: 1, or 0 if there is no slot. */
static int
batch_add(struct ferry_tx *tx, struct batch *b, const struct ferry_buf *buf)
{
	struct ferry_post *p = tx->post;
	const uint32_t at = (p->jobs.at + b->n) & p->mask;
	uint32_t slot;

	if (ferry_tx_has(tx, 1) == 0)
		return ferry_tx_none(tx);
	/* The place may belong to a job that is done and not counted yet. */
	if (unlikely(p->jobs.at + b->n - p->done > p->mask))
		account(tx);
	slot = tx->free[tx->free_head++ & tx->free_mask];
	b->jobs[b->n++] = (struct ferry_job) {
		.slot = slot,
		.len = buf->len,
		.tag = buf->tag,
		.seq = (uint32_t)tx->end.seq++,
		.src = (uintptr_t)buf->data,
		.place = ferry_tx_place(tx, buf),
	};
	p->numbers[at] = p->posted;
	p->lens[at] = buf->len;
	p->bytes += buf->len;
	tx->end.stats.msgs++;
	tx->end.stats.bytes += buf->len;
	return 1;
}

/* Whether the server, in the hub's process, reaches a payload. */
static bool
is_served(struct ferry_tx *tx, const struct ferry_buf *buf)
{
	return tx->end.local || ferry_reach(&tx->post->view,
			(uintptr_t)buf->data, buf->len) == FERRY_REACH_ALL;
}

/* Throughput mode: whether a message would wait longer than its copy takes. */
static bool
queue_is_long(const struct ferry_post *p, uint32_t len)
{
	if (p->rate == 0 || p->own_rate == 0)
		return p->bytes > len;
	return (double)p->bytes / p->rate > (double)len / p->own_rate;
}

/* Throughput mode: whether the caller has lately waited for each message. */
static bool
one_by_one(const struct ferry_post *p)
{
	return p->jobs.at == p->done && p->waited >= WAITED_MIN;
}

/*
 * Throughput mode: whether a device can copy. A copy by another core would
 * delay this core, which is busy with its next message: another core that reads
 * the payload moves its cache lines away, and this core has to fetch them back
 * before it writes them. Measured, two cores then copy slower than one.
 */
static bool
has_device(const struct ferry_tx *tx)
{
	const struct ferry_board *board = ferry_board_of(tx->end.shared,
			&tx->end.boards);

	return board == NULL ? tx->end.copier->nb_open > 1 :
		__atomic_load_n(&board->devices, __ATOMIC_RELAXED) > 0;
}

/* Efficiency mode: whether a message is not worth waking the engine for. */
static bool
is_lone(struct ferry_tx *tx, uint32_t len)
{
	struct ferry_post *p = tx->post;

	if (len > FERRY_POST_LONE || p->self || __atomic_load_n(
			&tx->end.shared->service.watch, __ATOMIC_RELAXED) == 0)
		return false;
	/* Read the server's cache line last, when its index decides. */
	account(tx);
	return p->jobs.at == p->done;
}

/* Whether the server is to copy a message that the caller does not wait for. */
static bool
wants_server(struct ferry_tx *tx, const struct ferry_buf *buf)
{
	struct ferry_post *p = tx->post;

	if (buf->len <= FERRY_POST_TINY || !can_offload(tx) ||
			!is_served(tx, buf))
		return false;
	switch (tx->end.mode) {
	case FERRY_MODE_EFFICIENCY:
		return !is_lone(tx, buf->len);
	case FERRY_MODE_THROUGHPUT:
		if (buf->len <= FERRY_POST_SHORT || !has_device(tx))
			return false;
		account(tx);
		if (!one_by_one(p))
			return !queue_is_long(p, buf->len);
		return buf->len >= FERRY_POST_ROUTE &&
			ferry_route_offload(&p->route, buf->len);
	default:
		/* Offload only a proven size class: the caller does not wait
		 * for a post, so that no time is measured by which to try. */
		return buf->len >= FERRY_POST_ROUTE && p->route.classes[
			ferry_route_class(buf->len)].proven &&
			ferry_route_offload(&p->route, buf->len);
	}
}

/* Copy one message with the calling thread: 1, 0 or negative. */
static int
copy_here(struct ferry_tx *tx, const struct ferry_buf *buf)
{
	struct ferry_post *p = tx->post;
	uint64_t took;
	int ret;

	if (buf->len <= FERRY_CELL_DATA &&
			ferry_tx_send_cells(tx, buf, 1) == 1)
		return 1;
	if (buf->len < FERRY_POST_ROUTE || tx->end.stats.msgs % TIME_EVERY != 0)
		return ferry_tx_send_here(tx, buf, 1);
	took = rte_rdtsc();
	ret = ferry_tx_send_here(tx, buf, 1);
	took = rte_rdtsc() - took;
	if (ret != 1)
		return ret;
	ferry_route_learn(&p->route, buf->len, false, to_ns(p, took));
	average(&p->own_rate, (double)buf->len / (double)(took + 1));
	return 1;
}

/*
 * Take messages, and pass those on to the server that it is to copy. Returns
 * how many were taken, or why none was.
 */
static int
post(struct ferry_tx *tx, const struct ferry_buf *bufs, uint16_t n)
{
	struct ferry_post *p = tx->post;
	struct batch batch;
	uint32_t i;
	int ret = 0;

	batch.n = 0;
	for (i = 0; i < n; i++) {
		const struct ferry_buf *buf = &bufs[i];

		if (unlikely(buf->len > tx->end.slot_size)) {
			ret = FERRY_E_TOO_LONG;
			break;
		}
		if (wants_server(tx, buf)) {
			ret = batch_add(tx, &batch, buf);
			if (ret > 0 && batch.n == BURST)
				ret = batch_put(tx, &batch) ?: 1;
		} else {
			/* First put the batch into the ring, so that messages
			 * are published in the order of their numbers: the
			 * consumer can then receive every published message
			 * even if this process dies next. */
			ret = batch_put(tx, &batch);
			if (ret == 0)
				ret = copy_here(tx, buf);
		}
		if (ret <= 0)
			break;
		p->posted++;
	}
	if (batch_put(tx, &batch) != 0)
		return FERRY_E_CORRUPT;
	if (i > 0)
		return (int)i;
	tx->end.stats.empty += ret == 0;
	return ret;
}

int
ferry_tx_post(struct ferry_tx *tx, const struct ferry_buf *bufs, uint16_t n)
{
	int ret = ferry_end_result(tx->end.other);

	if (likely(ret == 0))
		ret = ferry_post_failed(tx);
	if (unlikely(ret != 0))
		return ret;
	ferry_end_take_mode(&tx->end);
	/* Several messages at a time are not one by one. */
	if (n > 1 || tx->post->loose)
		tx->post->waited = 0;
	ret = post(tx, bufs, n);
	tx->post->loose = true;
	tx->cell_will_do = ret >= 0 && ret < n &&
		bufs[ret].len <= FERRY_CELL_DATA;
	ferry_post_progress(tx);
	return ret;
}

uint32_t
ferry_tx_pending(struct ferry_tx *tx)
{
	struct ferry_post *p = tx->post;

	if (ferry_post_progress(tx) == 0)
		return 0;
	return (uint32_t)(p->posted - p->numbers[p->done & p->mask]);
}

/* The index of the job ring from which no more than most posts are
 * pending. */
static uint32_t
index_for(const struct ferry_post *p, uint32_t most)
{
	uint32_t at = p->done;

	while (at != p->jobs.at && p->posted - p->numbers[at & p->mask] > most)
		at++;
	return at;
}

/* A wait for jobs. */
struct jobs_wait {
	struct ferry_tx *tx;
	/* The index of the first job that need not be done. */
	uint32_t target;
	/* Whether to ask the hub. The answer may take as long as the hub is
	 * stopped. */
	bool ask;
	/* How many jobs were done, and since when there are so many. */
	uint32_t seen;
	uint64_t since;
};

static int
jobs_look(void *arg)
{
	const struct jobs_wait *w = arg;

	account(w->tx);
	if ((int32_t)(w->tx->post->done - w->target) >= 0)
		return 1;
	/* The state of the consumer's end does not count, because this end
	 * carries out the jobs if no engine does. */
	return ferry_post_over(w->tx);
}

/*
 * If the server has done nothing for a while, tell it again of its jobs, and
 * ask the hub. Another process may have written over what the producer told the
 * server. It may also have written over service.server, and then there is no
 * engine to wait for.
 */
static void
ask_again(struct jobs_wait *w)
{
	struct ferry_post *p = w->tx->post;
	const uint64_t now = rte_rdtsc();

	if (p->done != w->seen) {
		w->seen = p->done;
		w->since = now;
	} else if ((double)(now - w->since) * p->ns_per_tick > ASK_NS) {
		ferry_board_announce(w->tx->end.shared, &w->tx->end.boards);
		if (w->ask && p->stalled != NULL && !p->self)
			p->stalled(w->tx->end.owner);
		w->since = rte_rdtsc();
	}
}

static void
jobs_wait_wish(void *arg)
{
	struct jobs_wait *w = arg;

	ask_again(w);
	ferry_tx_wish(w->tx, FERRY_WISH_NONE);
	jobs_wish(w->tx->post, w->target - w->tx->post->jobs.at);
}

/* Wait until no more than most posts are pending. */
static int
jobs_await(struct ferry_tx *tx, uint32_t most, uint64_t timeout_ns)
{
	struct ferry_post *p = tx->post;
	struct jobs_wait w;
	const struct ferry_end_want done = { jobs_look, jobs_wait_wish, &w };

	if (ferry_tx_pending(tx) <= most)
		return 0;
	w.tx = tx;
	w.target = index_for(p, most);
	w.ask = timeout_ns == UINT64_MAX;
	w.seen = p->done;
	w.since = rte_rdtsc();
	return ferry_end_wait(&tx->end, &done, timeout_ns);
}

int
ferry_tx_finish(struct ferry_tx *tx, uint32_t most, uint64_t timeout_ns)
{
	struct ferry_post *p = tx->post;
	const uint32_t jobs = p->jobs.at - p->done, last = p->jobs.at - 1;
	int ret = jobs_await(tx, most, timeout_ns);

	if (most == 0 && ret == 0)
		p->loose = false;

	/* The time that the only job took, for a caller that waited for it. It
	 * is longer if the caller did something else first. */
	if (jobs == 1 && most == 0 && ret == 0) {
		p->waited++;
		ferry_route_learn(&p->route, p->lens[last & p->mask], true,
				to_ns(p, rte_rdtsc() - p->begun));
	} else if (jobs > 1) {
		p->waited = 0;
	}
	return ret;
}

/* Have the server copy one message, and wait for it. */
static int
send_routed(struct ferry_tx *tx, const struct ferry_buf *buf)
{
	struct ferry_post *p = tx->post;
	struct batch batch = { 0 };
	int ret = batch_add(tx, &batch, buf);

	if (ret <= 0)
		return ret;
	p->posted++;
	ret = batch_put(tx, &batch);
	if (ret == 0)
		ret = ferry_tx_finish(tx, 0, UINT64_MAX);
	if (ret != 0)
		return ret;
	/* The message was a send, not a post: ferry_tx_pending() must not count
	 * it. */
	p->posted--;
	return 1;
}

int
ferry_post_send(struct ferry_tx *tx, const struct ferry_buf *bufs, uint16_t n)
{
	const uint32_t head = tx->post->jobs.at;
	uint64_t posted;
	uint32_t i = 0;
	int ret = ferry_post_failed(tx);

	if (unlikely(ret != 0))
		return ret;

	ferry_end_take_mode(&tx->end);
	/* The caller waits for a single message, in every mode except
	 * efficiency. */
	if (tx->end.mode != FERRY_MODE_EFFICIENCY && (n == 1 ||
			tx->end.mode == FERRY_MODE_LATENCY)) {
		for (; i < n; i++) {
			const struct ferry_buf *buf = &bufs[i];

			if (buf->len > tx->end.slot_size)
				ret = FERRY_E_TOO_LONG;
			else if (buf->len >= FERRY_POST_ROUTE &&
					can_offload(tx) && is_served(tx, buf) &&
					ferry_route_offload(&tx->post->route,
						buf->len))
				ret = send_routed(tx, buf);
			else if (buf->len >= FERRY_POST_ROUTE)
				ret = copy_here(tx, buf);
			else
				/* The rest of the burst shares the ring's
				 * transfers. */
				ret = ferry_tx_send_here(tx, buf,
						(uint16_t)(n - i));
			if (ret <= 0)
				break;
			if (ret > 1)
				i += (uint32_t)ret - 1;
		}
		return i > 0 ? (int)i : ret;
	}
	posted = tx->post->posted;
	ret = post(tx, bufs, n);
	/* If this call made no job, no server reads these payloads any more,
	 * and the call does not wait for the jobs of earlier posts. */
	if (ret > 0 && tx->post->jobs.at != head) {
		int end = ferry_tx_finish(tx, 0, UINT64_MAX);

		if (end != 0)
			return end;
	}
	/* These messages were sends, not posts: ferry_tx_pending() must not
	 * count them. */
	tx->post->posted = posted;
	return ret;
}

int
ferry_tx_send_slots(struct ferry_tx *tx, const struct ferry_buf *bufs,
		uint16_t n)
{
	const struct ferry_channel_service *service = &tx->end.shared->service;

	/* Nothing to decide in these cases. Only one cache line is read, which
	 * seldom changes, because a few nanoseconds more are 5 % of a message
	 * of 1 KiB. */
	if (likely(__atomic_load_n(&service->mode, __ATOMIC_RELAXED) ==
			FERRY_MODE_LATENCY &&
			tx->end.mode == FERRY_MODE_LATENCY &&
			((n == 1 && bufs[0].len < FERRY_POST_ROUTE) ||
			 __atomic_load_n(&service->server, __ATOMIC_RELAXED) ==
				FERRY_SERVER_NONE)))
		return ferry_tx_send_here(tx, bufs, n);
	return ferry_post_send(tx, bufs, n);
}
