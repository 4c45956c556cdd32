/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ping-pong: one message to, one fro. A round trip is two one-way trips.
 *
 * Messages up to a cell's size go to and fro without a break: the time stamp
 * is taken once per round, and rewriting, recording and releasing are done
 * while the other side has the ball. With larger messages both sides rewrite
 * between the rounds, untimed, and the leader waits until the follower is
 * ready: rewriting and copying at once would disturb each other. Either is the
 * same for ferry and for the bound.
 *
 * The receiver reads the first and the last word.
 */

#include <errno.h>

#include <rte_cycles.h>

#include "work.h"

/* Make the next message ready to be sent. */
static __rte_always_inline int
prepare(struct side *s, const struct side_job *job, enum side_wire wire)
{
	uint32_t rounds = 0;
	int ret;

	switch (wire) {
	case WIRE_COPY:
	case WIRE_BARE:
		pool_rewrite(&s->pool, s->seq);
		return 0;
	case WIRE_LOAN:
		while ((ret = ferry_tx_loan(s->tx, &s->loan, 1)) == 0)
			if (!side_spin(s, &rounds))
				return -ECANCELED;
		if (ret < 0)
			return ret;
		s->loan.len = job->len;
		content_write(s->loan.data, job->len, s->seq);
		return 0;
	default:
		return 0;
	}
}

static __rte_always_inline int
ping(struct side *s, const struct side_job *job, enum side_wire wire)
{
	struct side_flag *flag = &s->area->flag[s->lead ? 0 : 1];
	struct ferry_buf buf = { 0 };
	uint32_t rounds = 0;
	int ret = 1;

	switch (wire) {
	case WIRE_COPY:
		buf.data = pool_buf(&s->pool, s->seq);
		buf.len = job->len;
		buf.tag = (uint32_t)s->seq;
		while ((ret = ferry_tx_send(s->tx, &buf, 1)) == 0)
			if (!side_spin(s, &rounds))
				return -ECANCELED;
		break;
	case WIRE_LOAN:
		ret = ferry_tx_commit(s->tx, &s->loan, 1);
		break;
	case WIRE_BARE:
		flag->data = side_next_slot(s);
		side_copy(s, job, flag->data, pool_buf(&s->pool, s->seq));
		/* fallthrough */
	case WIRE_LINE:
		__atomic_store_n(&flag->stamp, s->stamp + 1, __ATOMIC_RELEASE);
		break;
	default:
		return -EINVAL;
	}
	return ret > 0 ? 0 : ret;
}

static __rte_always_inline int
pong(struct side *s, enum side_wire wire)
{
	const struct side_flag *flag = &s->area->flag[s->lead ? 1 : 0];
	uint32_t rounds = 0;
	int ret;

	if (wire == WIRE_COPY || wire == WIRE_LOAN) {
		while ((ret = ferry_rx_recv(s->rx, &s->msg, 1)) == 0)
			if (!side_spin(s, &rounds))
				return -ECANCELED;
		return ret > 0 ? 0 : ret;
	}
	while (__atomic_load_n(&flag->stamp, __ATOMIC_ACQUIRE) != s->stamp + 1)
		if (!side_spin(s, &rounds))
			return -ECANCELED;
	s->msg.data = flag->data;
	return 0;
}

static __rte_always_inline uint64_t
look(const struct side *s, const struct side_job *job, enum side_wire wire,
		uint64_t seq)
{
	if (wire == WIRE_LINE)
		return 0;
	if (unlikely(job->flags & SIDE_CHECK))
		return content_check(s->msg.data, job->len, seq) |
			(wire != WIRE_BARE && s->msg.len != job->len);
	return content_ends(s->msg.data, job->len, seq);
}

static __rte_always_inline int
finish(struct side *s, enum side_wire wire)
{
	if (wire != WIRE_COPY && wire != WIRE_LOAN)
		return 0;
	return ferry_rx_release(s->rx, &s->msg, 1);
}

/* Leader: wait until the follower has rewritten its buffer. */
static __rte_always_inline int
await_ready(struct side *s)
{
	uint32_t rounds = 0;

	while (__atomic_load_n(&s->area->ready.stamp, __ATOMIC_ACQUIRE) !=
			s->stamp + 1)
		if (!side_spin(s, &rounds))
			return -ECANCELED;
	return 0;
}

static __rte_always_inline int
lead(struct side *s, const struct side_job *job, struct side_slice *slice,
		enum side_wire wire, bool tight)
{
	uint64_t i, t0, took = 0;
	int ret = prepare(s, job, wire);

	if (ret == 0)
		ret = await_ready(s);
	t0 = rte_rdtsc();
	for (i = 0; i < job->n && ret == 0; i++) {
		ret = ping(s, job, wire);
		if (tight) {
			/* The other side has the ball. */
			if (i > 0) {
				histogram_record(&slice->hist, took);
				if (ret == 0)
					ret = finish(s, wire);
			}
			s->seq++;
			if (ret == 0)
				ret = prepare(s, job, wire);
		} else {
			s->seq++;
		}
		if (ret == 0)
			ret = pong(s, wire);
		if (ret != 0)
			break;
		slice->bad |= look(s, job, wire, s->seq - 1);
		took = rte_rdtsc() - t0;
		t0 += took;
		s->stamp++;
		if (tight)
			continue;
		histogram_record(&slice->hist, took);
		ret = finish(s, wire);
		if (ret == 0)
			ret = prepare(s, job, wire);
		if (ret == 0 && i + 1 < job->n)
			ret = await_ready(s);
		t0 = rte_rdtsc();
	}
	if (tight && ret == 0) {
		ret = finish(s, wire);
		histogram_record(&slice->hist, took);
	}
	if (wire == WIRE_LOAN)
		ferry_tx_cancel(s->tx, &s->loan, 1);
	return ret;
}

static __rte_always_inline int
follow(struct side *s, const struct side_job *job, struct side_ack *ack,
		enum side_wire wire, bool tight)
{
	int ret = prepare(s, job, wire);
	uint64_t i;

	for (i = 0; i < job->n && ret == 0; i++) {
		if (!tight || i == 0)
			__atomic_store_n(&s->area->ready.stamp, s->stamp + 1,
					__ATOMIC_RELEASE);
		ret = pong(s, wire);
		if (ret != 0)
			break;
		ack->bad |= look(s, job, wire, s->seq);
		ret = ping(s, job, wire);
		if (ret == 0)
			ret = finish(s, wire);
		s->stamp++;
		s->seq++;
		if (ret == 0)
			ret = prepare(s, job, wire);
	}
	if (wire == WIRE_LOAN)
		ferry_tx_cancel(s->tx, &s->loan, 1);
	return ret;
}

static int
latency_lead(struct side *s, const struct side_job *job,
		struct side_slice *slice)
{
	const bool tight = job->len <= FERRY_CELL_DATA;

	/* Constants, so that each wire has a loop of its own. */
	switch (job->wire) {
	case WIRE_COPY:
		return tight ? lead(s, job, slice, WIRE_COPY, true) :
			lead(s, job, slice, WIRE_COPY, false);
	case WIRE_LOAN:
		return tight ? lead(s, job, slice, WIRE_LOAN, true) :
			lead(s, job, slice, WIRE_LOAN, false);
	case WIRE_LINE:
		return tight ? lead(s, job, slice, WIRE_LINE, true) :
			lead(s, job, slice, WIRE_LINE, false);
	default:
		return lead(s, job, slice, WIRE_BARE, false);
	}
}

static int
latency_follow(struct side *s, const struct side_job *job,
		struct side_ack *ack)
{
	const bool tight = job->len <= FERRY_CELL_DATA;

	switch (job->wire) {
	case WIRE_COPY:
		return tight ? follow(s, job, ack, WIRE_COPY, true) :
			follow(s, job, ack, WIRE_COPY, false);
	case WIRE_LOAN:
		return tight ? follow(s, job, ack, WIRE_LOAN, true) :
			follow(s, job, ack, WIRE_LOAN, false);
	case WIRE_LINE:
		return tight ? follow(s, job, ack, WIRE_LINE, true) :
			follow(s, job, ack, WIRE_LINE, false);
	default:
		return follow(s, job, ack, WIRE_BARE, false);
	}
}

static bool
wants_slots(const struct side *s, const struct side_job *job)
{
	RTE_SET_USED(s);
	return job->wire == WIRE_BARE;
}

const struct work latency_work = {
	.lead = latency_lead,
	.follow = latency_follow,
	.wants_slots = wants_slots,
	.least = work_some,
	.numbers = work_way,
	.is_time = true,
	.ways = 2,
};
