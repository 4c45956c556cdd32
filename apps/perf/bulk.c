/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Bulk messages one way: one at a time, or several under way.
 *
 * One at a time (SIDE_BULK): the sender rewrites, untimed, while the receiver
 * is idle. Then it begins to send, and waits in ferry_bulk_wait(); the
 * receiver, which has waited for the announcement, waits in ferry_bulk_await().
 * The time stamp counter is the same on all CPUs: the receiver's time of having
 * all, or of having used the first byte, less the sender's of beginning is the
 * message's. It comes back in a cache line, once the receiver has looked at the
 * message and released it.
 *
 * Several under way (SIDE_BULK_STREAM): the sender rewrites, timed, waits for
 * the oldest if there are as many as there may be, and sends. The receiver
 * takes them one by one.
 *
 * The bounds do the same without a channel: the sender copies (WIRE_BARE), or
 * lets the receiver copy the second half meanwhile (WIRE_BARE_TWO). They copy
 * between the same places, which both sides map.
 */

#include <errno.h>
#include <stdlib.h>

#include <rte_errno.h>

#include "bulk.h"
#include "ferry_bulk.h"
#include "ferry_memory.h"
#include "work.h"

/* Between two calls of side.sample. */
#define SAMPLE_NS 1000000

/* A message, and where it is to go from and to. */
struct load {
	uint64_t seq;
	uint64_t len;
	const uint8_t *src;
	/* NULL: where ferry chooses. */
	uint8_t *dst;
};

/* When its first byte was used, and when its last one was there. */
struct told {
	uint64_t first;
	uint64_t last;
};

/* Whether the follower has each message's time in side_area.times. */
static bool
tells_times(const struct side_job *job)
{
	return job->kind == SIDE_BULK_STREAM &&
		(job->wire == WIRE_BULK || job->wire == WIRE_COPY);
}

/* The rewriting due before the next message is sent. */
static void
rewrite(struct side *s, const struct side_job *job)
{
	struct belt *b = &s->belt;
	uint64_t len, start;

	while (belt_is_due(b, s->seq)) {
		len = bulk_len(job, b->write_seq);
		start = belt_put(b, &b->write_at, len);
		content_write(b->mem + start, len, b->write_seq++);
	}
}

/* Memory for rings. What a message needs may be there only without it. */
static int
ring_have(struct side *s, uint64_t bytes)
{
	if (s->ring_size >= bytes && bytes > 0)
		return 0;
	side_ring_free(s);
	if (bytes == 0)
		return 0;
	s->ring = ferry_alloc(s->ep, bytes);
	if (s->ring == NULL)
		return -rte_errno;
	s->ring_size = bytes;
	return 0;
}

/* This side's ring, filled by the leader. Its memory stays for the cases to
 * come. */
static int
bulk_open(struct side *s, const struct side_job *job)
{
	struct belt *b = &s->belt;
	int ret = ring_have(s, s->lead || !(job->flags & SIDE_OWN) ?
			job->reserve : 0);

	if (ret != 0)
		return ret;
	*b = (struct belt){ .mem = s->ring, .size = job->pool };
	b->ahead = RTE_MIN(b->size / 2, b->size - bulk_ring_min(job));
	/* The other side reads it after the answer to SIDE_OPEN. */
	s->area->belt[s->lead ? 0 : 1].data = b->mem;
	if (s->lead)
		rewrite(s, job);
	return 0;
}

/* The next message. */
static void
next(struct side *s, const struct side_job *job, struct load *m)
{
	const uint8_t *from = s->area->belt[0].data;
	uint8_t *to = s->area->belt[1].data;
	uint64_t start;

	m->seq = s->seq++;
	m->len = bulk_len(job, m->seq);
	start = belt_put(&s->belt, &s->belt.at, m->len);
	m->src = from + start;
	m->dst = to != NULL ? to + start : NULL;
}

/* Whether a message goes by ferry_tx_send(). */
static bool
is_eager(const struct side_job *job, const struct load *m)
{
	return job->wire == WIRE_COPY ||
		(job->sizes == BULK_MIXED && m->len <= job->slot);
}

static uint64_t
look(const struct side_job *job, const void *data, const struct load *m)
{
	if (unlikely(job->flags & SIDE_CHECK))
		return content_check(data, m->len, m->seq);
	return content_ends(data, m->len, m->seq);
}

/* After a wait of ferry's: 0 to go on waiting, or negative. */
static int
waited(struct side *s, int ret)
{
	if (ret != -ETIMEDOUT)
		return ret;
	return side_spin_slow(s) ? 0 : -ECANCELED;
}

static int
flag_wait(struct side *s, const struct side_flag *flag)
{
	uint32_t rounds = 0;

	/* Pairs with flag_set() of the other side. */
	while (__atomic_load_n(&flag->stamp, __ATOMIC_ACQUIRE) != s->stamp + 1)
		if (!side_spin(s, &rounds))
			return -ECANCELED;
	return 0;
}

static void
flag_set(struct side *s, struct side_flag *flag)
{
	__atomic_store_n(&flag->stamp, s->stamp + 1, __ATOMIC_RELEASE);
}

/* Leader: wait for what the follower tells of this round. */
static int
hear(struct side *s, struct told *told)
{
	const int ret = flag_wait(s, &s->area->flag[1]);

	told->first = s->area->told.first;
	told->last = s->area->told.last;
	return ret;
}

static void
tell(struct side *s, const struct told *told)
{
	s->area->told.first = told->first;
	s->area->told.last = told->last;
	flag_set(s, &s->area->flag[1]);
}

static void
copy(const struct side *s, const struct side_job *job, const struct load *m,
		uint64_t from, uint64_t to)
{
	s->kernels[job->kernel]->copy(m->dst + from, m->src + from, to - from);
}

/* Where the second core's half begins. */
static uint64_t
middle(const struct load *m)
{
	return RTE_ALIGN_FLOOR(m->len / 2, BELT_ALIGN);
}

/* The leader's part of both cores' copy. */
static int
copy_both(struct side *s, const struct side_job *job, const struct load *m,
		struct told *told)
{
	struct told other;
	uint64_t mine;
	int ret;

	flag_set(s, &s->area->flag[0]);
	copy(s, job, m, 0, middle(m));
	mine = side_now();
	ret = hear(s, &other);
	told->last = RTE_MAX(mine, other.last);
	s->stamp++;
	return ret;
}

static int
send_eager(struct side *s, const struct load *m)
{
	struct ferry_buf buf = { .data = m->src, .len = (uint32_t)m->len };
	int ret;

	for (;;) {
		buf.tag = side_stamp();
		ret = ferry_tx_send(s->tx, &buf, 1);
		if (ret != 0)
			return ret == 1 ? 0 : ret;
		ret = waited(s, ferry_tx_wait(s->tx, SIDE_LOOK_NS));
		if (ret != 0)
			return ret;
	}
}

static int
begin(struct side *s, const struct side_job *job, const struct load *m,
		struct ferry_bulk_out **out)
{
	struct ferry_bulk_options options = {
		.by = job->by,
		.place = (enum ferry_placement)job->place,
	};
	const struct iovec iov = {
		.iov_base = (void *)(uintptr_t)m->src,
		.iov_len = m->len,
	};
	int ret;

	for (;;) {
		options.tag = side_stamp();
		ret = ferry_bulk_send(s->tx, &iov, 1, &options, out);
		if (ret != 0)
			return ret == 1 ? 0 : ret;
		ret = waited(s, ferry_bulk_tx_wait(s->tx, SIDE_LOOK_NS));
		if (ret != 0)
			return ret;
	}
}

/* Wait for a message, and give up its handle. */
static int
end(struct side *s, struct ferry_bulk_out *out)
{
	const uint64_t ns = s->sample != NULL ? SAMPLE_NS : SIDE_LOOK_NS;
	int ret;

	while ((ret = ferry_bulk_wait(out, ns)) == -ETIMEDOUT) {
		if (s->sample != NULL)
			s->sample(s->sample_arg);
		ret = waited(s, ret);
		if (ret != 0)
			break;
	}
	ferry_bulk_close(out);
	return ret;
}

/* Send a message, and wait until it is there. */
static int
send_one(struct side *s, const struct side_job *job, const struct load *m,
		struct told *told)
{
	struct ferry_bulk_out *out;
	int ret;

	switch (job->wire) {
	case WIRE_BARE:
		copy(s, job, m, 0, m->len);
		told->last = side_now();
		return 0;
	case WIRE_BARE_TWO:
		return copy_both(s, job, m, told);
	default:
		if (is_eager(job, m)) {
			ret = send_eager(s, m);
		} else {
			ret = begin(s, job, m, &out);
			if (ret == 0)
				ret = end(s, out);
		}
	}
	if (ret == 0)
		ret = hear(s, told);
	if (ret == 0 && (job->flags & SIDE_OWN)) {
		/* The receiver still has it. */
		if (s->sample != NULL)
			s->sample(s->sample_arg);
		flag_set(s, &s->area->flag[0]);
	}
	s->stamp++;
	return ret;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t
median(uint64_t *values, uint64_t n)
{
	qsort(values, n, sizeof(values[0]), compare);
	return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

static int
lead_singles(struct side *s, const struct side_job *job,
		struct side_slice *slice)
{
	uint64_t *first = calloc(job->n, 2 * sizeof(*first));
	uint64_t *last = first + job->n;
	struct told told;
	struct load m;
	uint64_t i, t0;
	int ret = 0;

	if (first == NULL)
		return -ENOMEM;
	for (i = 0; i < job->n && ret == 0; i++) {
		rewrite(s, job);
		next(s, job, &m);
		told.first = 0;
		t0 = side_now();
		ret = send_one(s, job, &m, &told);
		if (ret != 0)
			break;
		first[i] = told.first > t0 ? told.first - t0 : 0;
		last[i] = told.last - t0;
		histogram_record(&slice->hist, last[i]);
		slice->busy += last[i];
		slice->bytes += m.len;
		if (job->wire == WIRE_BARE || job->wire == WIRE_BARE_TWO)
			slice->bad |= look(job, m.dst, &m);
	}
	if (ret == 0) {
		slice->first = median(first, job->n);
		slice->last = median(last, job->n);
	}
	free(first);
	return ret;
}

/* Messages under way, the oldest at head. */
struct window {
	struct ferry_bulk_out *out[BULK_DEPTH_MAX];
	uint32_t head;
	uint32_t n;
};

static int
end_oldest(struct side *s, struct window *w)
{
	struct ferry_bulk_out *out = w->out[w->head];

	w->head = (w->head + 1) % BULK_DEPTH_MAX;
	w->n--;
	return end(s, out);
}

/* Send a message of several. */
static int
send_next(struct side *s, const struct side_job *job, const struct load *m,
		struct window *w)
{
	struct ferry_bulk_out *out;
	int ret = 0;

	if (is_eager(job, m))
		return send_eager(s, m);
	if (w->n == job->depth)
		ret = end_oldest(s, w);
	if (ret == 0)
		ret = begin(s, job, m, &out);
	if (ret == 0)
		w->out[(w->head + w->n++) % BULK_DEPTH_MAX] = out;
	return ret;
}

/* The bounds: what each copy takes, and look at it. */
static int
stream_bare(struct side *s, const struct side_job *job, const struct load *m,
		struct side_slice *slice)
{
	const uint64_t t0 = side_now();
	struct told told;
	int ret = send_one(s, job, m, &told);

	if (ret != 0)
		return ret;
	histogram_record(&slice->hist, told.last - t0);
	slice->bad |= look(job, m->dst, m);
	return 0;
}

static int
lead_stream(struct side *s, const struct side_job *job,
		struct side_slice *slice)
{
	const bool bare = !tells_times(job);
	struct window w = { .n = 0 };
	struct told told;
	struct load m;
	uint64_t i, t0;
	int ret = 0;

	t0 = side_now();
	for (i = 0; i < job->n && ret == 0; i++) {
		rewrite(s, job);
		next(s, job, &m);
		slice->bytes += m.len;
		ret = bare ? stream_bare(s, job, &m, slice) :
			send_next(s, job, &m, &w);
	}
	while (ret == 0 && w.n > 0)
		ret = end_oldest(s, &w);
	for (; w.n > 0; w.head = (w.head + 1) % BULK_DEPTH_MAX, w.n--)
		ferry_bulk_close(w.out[w.head]);
	told.last = side_now();
	if (ret == 0 && !bare) {
		ret = hear(s, &told);
		s->stamp++;
	}
	slice->busy = told.last - t0;
	return ret;
}

static int
bulk_lead(struct side *s, const struct side_job *job, struct side_slice *slice)
{
	struct ferry_bulk_stats before, after;
	int ret;

	ferry_bulk_tx_stats(s->tx, &before);
	ret = job->kind == SIDE_BULK ? lead_singles(s, job, slice) :
		lead_stream(s, job, slice);
	ferry_bulk_tx_stats(s->tx, &after);
	slice->copied[0] = after.copied - before.copied;
	return ret;
}

static int
await(struct side *s, struct ferry_bulk_in *in, uint64_t bytes)
{
	int ret;

	while ((ret = ferry_bulk_await(in, bytes, SIDE_LOOK_NS)) ==
			-ETIMEDOUT) {
		ret = waited(s, ret);
		if (ret != 0)
			return ret;
	}
	return ret;
}

/* Read all of a message, each step as soon as it is there. */
static int
read_steps(struct side *s, const struct side_job *job,
		struct ferry_bulk_in *in, const struct load *m,
		struct told *told, uint64_t *bad)
{
	const uint8_t *data = ferry_bulk_data(in);
	uint64_t at, n, sum = 0;
	int ret;

	for (at = 0; at < m->len; at += n) {
		n = RTE_MIN(m->len - at, (uint64_t)job->step);
		ret = await(s, in, at + n);
		if (ret != 0)
			return ret;
		if (at == 0)
			told->first = side_now();
		sum += content_sum(data + at, n);
	}
	*bad |= sum ^ content_sum_of(m->len, m->seq);
	return 0;
}

static int
release(struct side *s, struct ferry_bulk_in *in)
{
	int ret;

	while ((ret = ferry_bulk_release(in, SIDE_LOOK_NS)) == -ETIMEDOUT) {
		ret = waited(s, ret);
		if (ret != 0)
			return ret;
	}
	return ret;
}

/* Leave a message where it is until the leader has seen what it takes. */
static int
hold(struct side *s, const struct told *told)
{
	tell(s, told);
	return flag_wait(s, &s->area->flag[0]);
}

/* Receive an announced message. */
static int
take(struct side *s, const struct side_job *job, const struct ferry_msg *msg,
		const struct load *m, struct told *told, uint64_t *bad)
{
	const struct iovec iov = { .iov_base = m->dst, .iov_len = m->len };
	const bool own = m->dst == NULL;
	struct ferry_bulk_in *in;
	int ret, left;

	*bad |= ferry_bulk_msg_len(msg) != m->len;
	ret = ferry_bulk_accept(s->rx, msg, own ? NULL : &iov, own ? 0 : 1,
			&in);
	if (ret != 0)
		return ret;
	ret = job->step != 0 ? read_steps(s, job, in, m, told, bad) :
		await(s, in, m->len);
	told->last = side_now();
	if (tells_times(job))
		histogram_record(&s->area->times,
			side_ticks_since(ferry_bulk_tag(in)));
	*bad |= ferry_bulk_len(in) != m->len;
	if (ret == 0 && *bad == 0)
		*bad |= look(job, ferry_bulk_data(in), m);
	if (ret == 0 && own)
		ret = hold(s, told);
	left = release(s, in);
	return ret != 0 ? ret : left;
}

/* Receive the next message, whatever it is. */
static int
receive(struct side *s, const struct side_job *job, const struct load *m,
		struct told *told, uint64_t *bad)
{
	struct ferry_msg msg;
	int ret;

	while ((ret = ferry_rx_recv(s->rx, &msg, 1)) == 0) {
		ret = waited(s, ferry_rx_wait(s->rx, SIDE_LOOK_NS));
		if (ret != 0)
			return ret;
	}
	if (ret < 0)
		return ret;
	if (ferry_msg_is_bulk(&msg))
		return take(s, job, &msg, m, told, bad);
	told->last = side_now();
	if (tells_times(job))
		histogram_record(&s->area->times, side_ticks_since(msg.tag));
	*bad |= msg.len != m->len;
	if (*bad == 0)
		*bad |= look(job, msg.data, m);
	return ferry_rx_release(s->rx, &msg, 1);
}

/* The follower's part of a message. */
static int
follow_one(struct side *s, const struct side_job *job, const struct load *m,
		struct told *told, uint64_t *bad)
{
	int ret;

	if (job->wire != WIRE_BARE_TWO)
		return receive(s, job, m, told, bad);
	ret = flag_wait(s, &s->area->flag[0]);
	if (ret != 0)
		return ret;
	copy(s, job, m, middle(m), m->len);
	told->last = side_now();
	return 0;
}

static int
bulk_follow(struct side *s, const struct side_job *job, struct side_ack *ack)
{
	const bool each = !tells_times(job);
	struct ferry_bulk_stats before, after;
	struct told told = { 0 };
	struct load m;
	uint64_t i;
	int ret = 0;

	histogram_reset(&s->area->times);
	ferry_bulk_rx_stats(s->rx, &before);
	for (i = 0; i < job->n && ret == 0; i++) {
		next(s, job, &m);
		ret = follow_one(s, job, &m, &told, &ack->bad);
		if (ret != 0 || (!each && i + 1 < job->n))
			continue;
		if (!(job->flags & SIDE_OWN))
			tell(s, &told);
		s->stamp++;
	}
	ferry_bulk_rx_stats(s->rx, &after);
	ack->copied = after.copied - before.copied;
	return ret;
}

static bool
is_alone(const struct side_job *job)
{
	return job->wire == WIRE_BARE;
}

static uint64_t
singles_least(const struct side_job *job)
{
	return bulk_period(job);
}

static void
singles_numbers(const struct side_job *job, const struct side_slice *slice,
		double bytes, double ghz, double numbers[2])
{
	RTE_SET_USED(job);
	RTE_SET_USED(bytes);
	numbers[0] = (double)slice->last / ghz;
	numbers[1] = (double)slice->first / ghz;
}

const struct work bulk_work = {
	.open = bulk_open,
	.lead = bulk_lead,
	.follow = bulk_follow,
	.is_alone = is_alone,
	.least = singles_least,
	.numbers = singles_numbers,
	.is_time = true,
	.ways = 1,
};

/* Most of the time as many are under way as may be. */
static uint64_t
stream_least(const struct side_job *job)
{
	return RTE_ALIGN_MUL_CEIL(3 * job->depth, bulk_period(job));
}

const struct work bulk_stream_work = {
	.open = bulk_open,
	.lead = bulk_lead,
	.follow = bulk_follow,
	.is_alone = is_alone,
	.tells_times = tells_times,
	.least = stream_least,
	.numbers = work_sending,
	.ways = 1,
};
