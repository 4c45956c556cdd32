/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Messages one way in one of the channel's modes: as many as go, with some
 * posted ahead (flow), or one at a time, each consumed before the next, perhaps
 * with everybody asleep in between (single).
 *
 * The sender rewrites a buffer once its last post is done, and then sends it;
 * the receiver reads the first word of each message. Each message's tag is its
 * time stamp, taken right before the call that sends it: the receiver's clock
 * less the tag is what it took from there to ferry_rx_recv().
 *
 * Both ends wait by ferry's own calls, so that the mode decides how.
 */

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "cpu_time.h"
#include "work.h"

/* Messages of one post: as many as are 32 KiB, at most 8. */
#define BURST_BYTES 32768
#define BURST_MAX 8
/* Where writing a buffer takes less than a few looks at the CPU clock. */
#define FINE_BELOW 65536

static bool
goes_on(struct side *s)
{
	return side_spin_slow(s);
}

static int
finish(struct side *s, uint32_t most)
{
	int ret;

	while ((ret = ferry_tx_finish(s->tx, most, SIDE_LOOK_NS)) == -ETIMEDOUT)
		if (!goes_on(s))
			return -ECANCELED;
	return ret;
}

static int
drain(struct side *s)
{
	int ret;

	while ((ret = ferry_tx_drain(s->tx, SIDE_LOOK_NS)) == -ETIMEDOUT)
		if (!goes_on(s))
			return -ECANCELED;
	return ret;
}

/* Send all of a burst. */
static int
send_all(struct side *s, enum side_wire wire, struct ferry_buf *bufs, int n)
{
	int k, ret, i;
	uint32_t tag;

	for (; n > 0; bufs += k, n -= k) {
		tag = side_stamp();
		for (i = 0; i < n; i++)
			bufs[i].tag = tag;
		k = wire == WIRE_POST ? ferry_tx_post(s->tx, bufs, n) :
			ferry_tx_send(s->tx, bufs, n);
		if (k < 0)
			return k;
		if (k > 0)
			continue;
		ret = ferry_tx_wait(s->tx, SIDE_LOOK_NS);
		if (ret == -ETIMEDOUT && !goes_on(s))
			return -ECANCELED;
		if (ret != 0 && ret != -ETIMEDOUT)
			return ret;
	}
	return 0;
}

/* Before a burst is written: see to it that its buffers are not in use. */
static int
make_room(struct side *s, const struct side_job *job, uint32_t *pending,
		uint32_t burst)
{
	int ret;

	/* Ask for the pending posts only when the last known number is too
	 * high, because asking costs a cache line. */
	if (*pending + burst <= job->depth)
		return 0;
	*pending = ferry_tx_pending(s->tx);
	if (*pending + burst <= job->depth)
		return 0;
	/* A sender that sleeps wakes up only when half of the posts are done,
	 * so that one sleep frees many buffers. */
	ret = finish(s, job->depth / 2);
	*pending = ferry_tx_pending(s->tx);
	return ret;
}

static int
flow(struct side *s, const struct side_job *job, struct cpu_part *rewriting)
{
	const enum side_wire wire = (enum side_wire)job->wire;
	struct ferry_buf bufs[BURST_MAX] = { 0 };
	uint32_t burst = 1, pending = 0, i, k;
	uint64_t sent;
	int ret = 0;

	if (wire == WIRE_POST)
		burst = RTE_MAX(RTE_MIN(RTE_MIN(BURST_BYTES / job->len,
			(uint32_t)BURST_MAX), job->depth / 2), 1u);
	for (sent = 0; sent < job->n && ret == 0; sent += k) {
		k = (uint32_t)RTE_MIN(job->n - sent, (uint64_t)burst);
		if (wire == WIRE_POST)
			ret = make_room(s, job, &pending, k);
		if (ret != 0)
			return ret;
		cpu_part_begin(rewriting);
		for (i = 0; i < k; i++, s->seq++) {
			pool_rewrite(&s->pool, s->seq);
			bufs[i].data = pool_buf(&s->pool, s->seq);
			bufs[i].len = job->len;
		}
		cpu_part_end(rewriting);
		ret = send_all(s, wire, bufs, (int)k);
		pending += k;
	}
	return ret != 0 ? ret : finish(s, 0);
}

static int
single(struct side *s, const struct side_job *job, struct cpu_part *rewriting)
{
	const struct timespec gap = {
		.tv_sec = (time_t)(job->gap_ns / 1000000000),
		.tv_nsec = (long)(job->gap_ns % 1000000000),
	};
	struct ferry_buf buf = { .len = job->len };
	uint64_t i;
	int ret = 0;

	for (i = 0; i < job->n && ret == 0; i++, s->seq++) {
		cpu_part_begin(rewriting);
		pool_rewrite(&s->pool, s->seq);
		cpu_part_end(rewriting);
		buf.data = pool_buf(&s->pool, s->seq);
		if (job->gap_ns != 0)
			nanosleep(&gap, NULL);
		if (perf_stop)
			return -ECANCELED;
		ret = send_all(s, (enum side_wire)job->wire, &buf, 1);
		if (ret == 0)
			ret = finish(s, 0);
		if (ret == 0)
			ret = drain(s);
	}
	return ret;
}

static int
flow_lead(struct side *s, const struct side_job *job, struct side_slice *slice)
{
	struct cpu_part rewriting;
	int ret = 0;

	if (ferry_tx_mode(s->tx) != (enum ferry_mode)job->mode)
		ret = ferry_tx_set_mode(s->tx, (enum ferry_mode)job->mode);
	if (ret != 0)
		return ret;
	cpu_part_start(&rewriting, job->len < FINE_BELOW);
	ret = job->kind == SIDE_FLOW ? flow(s, job, &rewriting) :
		single(s, job, &rewriting);
	cpu_part_stop(&rewriting, &slice->rewriting_ns,
			&slice->cpu_ns[CPU_SENDER]);
	return ret;
}

static int
flow_follow(struct side *s, const struct side_job *job, struct side_ack *ack)
{
	struct histogram *times = &s->area->times;
	struct ferry_msg msgs[SIDE_BURST];
	uint64_t got = 0;
	int k, i, ret;

	histogram_reset(times);
	while (got < job->n) {
		k = ferry_rx_recv(s->rx, msgs, SIDE_BURST);
		if (k < 0)
			return k;
		if (k == 0) {
			ret = ferry_rx_wait(s->rx, SIDE_LOOK_NS);
			if (ret == -ETIMEDOUT && !goes_on(s))
				return -ECANCELED;
			if (ret != 0 && ret != -ETIMEDOUT)
				return ret;
			continue;
		}
		for (i = 0; i < k; i++)
			histogram_record(times, side_ticks_since(msgs[i].tag));
		for (i = 0; i < k; i++, s->seq++) {
			ack->bad |= msgs[i].len != job->len;
			if (unlikely(job->flags & SIDE_CHECK))
				ack->bad |= content_check(msgs[i].data,
						job->len, s->seq);
			else
				ack->bad |= content_first(msgs[i].data,
						s->seq);
		}
		ret = ferry_rx_release(s->rx, msgs, k);
		if (ret != 0)
			return ret;
		got += k;
	}
	return 0;
}

static void
flow_numbers(const struct side_job *job, const struct side_slice *slice,
		double bytes, double ghz, double numbers[2])
{
	RTE_SET_USED(job);
	numbers[0] = work_speed(bytes, slice->ticks, ghz);
}

const struct work flow_work = {
	.lead = flow_lead,
	.follow = flow_follow,
	.tells_times = work_always,
	.least = work_some,
	.numbers = flow_numbers,
	.ways = 1,
};

const struct work single_work = {
	.lead = flow_lead,
	.follow = flow_follow,
	.tells_times = work_always,
	.least = work_some,
	.numbers = work_way,
	.ways = 1,
};
