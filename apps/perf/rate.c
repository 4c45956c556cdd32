/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Small messages in bursts, one way, as many as go. Copied: the sender writes
 * 32 messages, then sends them, the receiver reads the first word of each. The
 * bound is a ring with the payload in its elements that does the same.
 *
 * Loaned: neither sender nor receiver touches the payload, so that only the
 * passing on is measured. The message's number travels in its tag.
 */

#include <errno.h>

#include <rte_cycles.h>

#include "work.h"

static int
lead_copy(struct side *s, const struct side_job *job, struct side_slice *slice)
{
	struct ferry_buf bufs[SIDE_BURST] = { 0 };
	uint64_t sent, t0 = rte_rdtsc(), t1;
	uint32_t rounds = 0, i;
	int n, k;

	for (i = 0; i < SIDE_BURST; i++) {
		bufs[i].len = job->len;
		bufs[i].tag = 0;
	}
	for (sent = 0; sent < job->n; sent += SIDE_BURST) {
		for (i = 0; i < SIDE_BURST; i++, s->seq++) {
			pool_rewrite(&s->pool, s->seq);
			bufs[i].data = pool_buf(&s->pool, s->seq);
		}
		for (n = 0; n < SIDE_BURST; n += k) {
			k = ferry_tx_send(s->tx, bufs + n, SIDE_BURST - n);
			if (k < 0)
				return k;
			if (k == 0 && !side_spin(s, &rounds))
				return -ECANCELED;
		}
		t1 = rte_rdtsc();
		histogram_record(&slice->hist, t1 - t0);
		t0 = t1;
	}
	return 0;
}

static int
lead_loan(struct side *s, const struct side_job *job, struct side_slice *slice)
{
	struct ferry_msg msgs[SIDE_BURST];
	uint64_t sent, t0 = rte_rdtsc(), t1;
	uint32_t rounds = 0;
	int k, i;

	for (sent = 0; sent < job->n; sent += k) {
		k = ferry_tx_loan(s->tx, msgs, RTE_MIN(job->n - sent,
				(uint64_t)SIDE_BURST));
		if (k < 0)
			return k;
		if (k == 0) {
			if (!side_spin(s, &rounds))
				return -ECANCELED;
			continue;
		}
		for (i = 0; i < k; i++, s->seq++) {
			msgs[i].len = job->len;
			msgs[i].tag = (uint32_t)s->seq;
			if (unlikely(job->flags & SIDE_CHECK))
				content_write(msgs[i].data, job->len, s->seq);
		}
		if (ferry_tx_commit(s->tx, msgs, k) != k)
			return -EIO;
		t1 = rte_rdtsc();
		histogram_record(&slice->hist, t1 - t0);
		t0 = t1;
	}
	return 0;
}

static int
lead_bare(struct side *s, const struct side_job *job, struct side_slice *slice)
{
	struct side_area *area = s->area;
	uint64_t sent, t0 = rte_rdtsc(), t1;
	uint64_t head = s->ring_at, tail = head;
	const void *bufs[SIDE_BURST];
	uint32_t rounds = 0, i;

	for (sent = 0; sent < job->n; sent += SIDE_BURST) {
		for (i = 0; i < SIDE_BURST; i++, s->seq++) {
			pool_rewrite(&s->pool, s->seq);
			bufs[i] = pool_buf(&s->pool, s->seq);
		}
		while (head + SIDE_BURST - tail > SIDE_RING) {
			tail = __atomic_load_n(&area->tail.stamp,
					__ATOMIC_ACQUIRE);
			if (head + SIDE_BURST - tail > SIDE_RING &&
					!side_spin(s, &rounds))
				return -ECANCELED;
		}
		for (i = 0; i < SIDE_BURST; i++)
			memcpy(&area->ring[(head + i) % SIDE_RING], bufs[i],
				sizeof(area->ring[0]));
		head += SIDE_BURST;
		__atomic_store_n(&area->head.stamp, head, __ATOMIC_RELEASE);
		t1 = rte_rdtsc();
		histogram_record(&slice->hist, t1 - t0);
		t0 = t1;
	}
	s->ring_at = head;
	return 0;
}

static int
rate_lead(struct side *s, const struct side_job *job, struct side_slice *slice)
{
	switch (job->wire) {
	case WIRE_COPY:
		return lead_copy(s, job, slice);
	case WIRE_LOAN:
		return lead_loan(s, job, slice);
	default:
		return lead_bare(s, job, slice);
	}
}

static __rte_always_inline int
follow_ferry(struct side *s, const struct side_job *job, struct side_ack *ack,
		bool loan)
{
	struct ferry_msg msgs[SIDE_BURST];
	uint32_t rounds = 0;
	uint64_t got = 0;
	int k, i;

	while (got < job->n) {
		k = ferry_rx_recv(s->rx, msgs, SIDE_BURST);
		if (k < 0)
			return k;
		if (k == 0) {
			if (!side_spin(s, &rounds))
				return -ECANCELED;
			continue;
		}
		for (i = 0; i < k; i++, s->seq++) {
			ack->bad |= msgs[i].len != job->len;
			if (unlikely(job->flags & SIDE_CHECK))
				ack->bad |= content_check(msgs[i].data,
						job->len, s->seq);
			else if (loan)
				ack->bad |= msgs[i].tag ^ (uint32_t)s->seq;
			else
				ack->bad |= content_first(msgs[i].data,
						s->seq);
		}
		ack->bad |= ferry_rx_release(s->rx, msgs, k) != 0;
		got += k;
	}
	return 0;
}

static int
follow_bare(struct side *s, const struct side_job *job, struct side_ack *ack)
{
	struct side_area *area = s->area;
	uint64_t tail = s->ring_at, end = tail + job->n, head = tail, k;
	uint32_t rounds = 0;

	while (tail < end) {
		if (head == tail) {
			head = __atomic_load_n(&area->head.stamp,
					__ATOMIC_ACQUIRE);
			if (head == tail && !side_spin(s, &rounds))
				return -ECANCELED;
		}
		for (k = RTE_MIN(head - tail, (uint64_t)SIDE_BURST); k > 0;
				k--, tail++, s->seq++) {
			const void *data = &area->ring[tail % SIDE_RING];

			if (unlikely(job->flags & SIDE_CHECK))
				ack->bad |= content_check(data, job->len,
						s->seq);
			else
				ack->bad |= content_first(data, s->seq);
		}
		__atomic_store_n(&area->tail.stamp, tail, __ATOMIC_RELEASE);
	}
	s->ring_at = tail;
	return 0;
}

static int
rate_follow(struct side *s, const struct side_job *job, struct side_ack *ack)
{
	switch (job->wire) {
	case WIRE_COPY:
		return follow_ferry(s, job, ack, false);
	case WIRE_LOAN:
		return follow_ferry(s, job, ack, true);
	default:
		return follow_bare(s, job, ack);
	}
}

static uint64_t
least(const struct side_job *job)
{
	RTE_SET_USED(job);
	return 32 * SIDE_BURST;
}

/* Millions a second. */
static void
numbers_of(const struct side_job *job, const struct side_slice *slice,
		double bytes, double ghz, double numbers[2])
{
	RTE_SET_USED(bytes);
	numbers[0] = (double)job->n / ((double)slice->ticks / ghz) * 1e3;
}

const struct work rate_work = {
	.lead = rate_lead,
	.follow = rate_follow,
	.least = least,
	.numbers = numbers_of,
	.ways = 1,
};
