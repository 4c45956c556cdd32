/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Large messages one after the other, one way.
 *
 * Copied: the sender rewrites its buffer and sends it, and the sending alone is
 * timed, too. The receiver reads the first word of each message and releases
 * it. Loaned: the sender writes the message where it is going to be read.
 *
 * The bound is the same loop with the same slots in the same order, but without
 * a channel: the other core is idle.
 */

#include <errno.h>
#include <stdlib.h>

#include "work.h"

static int
lead_copy(struct side *s, const struct side_job *job, struct side_slice *slice)
{
	struct ferry_buf buf = { .len = job->len };
	uint32_t rounds = 0;
	uint64_t i, t0, t1;
	int ret;

	for (i = 0; i < job->n; i++, s->seq++) {
		pool_rewrite(&s->pool, s->seq);
		buf.data = pool_buf(&s->pool, s->seq);
		t0 = side_now();
		while ((ret = ferry_tx_send(s->tx, &buf, 1)) == 0) {
			/* Waiting for the receiver is not sending. */
			if (!side_spin(s, &rounds))
				return -ECANCELED;
			t0 = side_now();
		}
		if (ret < 0)
			return ret;
		t1 = side_now();
		slice->busy += t1 - t0;
		histogram_record(&slice->hist, t1 - t0);
	}
	return 0;
}

static int
lead_loan(struct side *s, const struct side_job *job, struct side_slice *slice)
{
	struct ferry_msg msg;
	uint32_t rounds = 0;
	uint64_t i, t0, t1;
	int ret;

	for (i = 0; i < job->n; i++, s->seq++) {
		while ((ret = ferry_tx_loan(s->tx, &msg, 1)) == 0)
			if (!side_spin(s, &rounds))
				return -ECANCELED;
		if (ret < 0)
			return ret;
		t0 = side_now();
		content_write(msg.data, job->len, s->seq);
		msg.len = job->len;
		ret = ferry_tx_commit(s->tx, &msg, 1);
		if (ret < 0)
			return ret;
		t1 = side_now();
		slice->busy += t1 - t0;
		histogram_record(&slice->hist, t1 - t0);
	}
	return 0;
}

static int
lead_bare(struct side *s, const struct side_job *job, struct side_slice *slice)
{
	uint64_t i, t0, t1;
	void *dst;

	for (i = 0; i < job->n; i++, s->seq++) {
		if (!(job->flags & SIDE_NO_REWRITE))
			pool_rewrite(&s->pool, s->seq);
		dst = side_next_slot(s);
		t0 = side_now();
		side_copy(s, job, dst, pool_buf(&s->pool, s->seq));
		t1 = side_now();
		slice->busy += t1 - t0;
		histogram_record(&slice->hist, t1 - t0);
		if (unlikely(job->flags & SIDE_CHECK) &&
				!(job->flags & SIDE_NO_REWRITE))
			slice->bad |= content_check(dst, job->len, s->seq);
	}
	return 0;
}

/* What lead_loan() does, without a channel. */
static int
lead_write(struct side *s, const struct side_job *job, struct side_slice *slice)
{
	uint64_t i, t0, t1;

	for (i = 0; i < job->n; i++, s->seq++) {
		t0 = side_now();
		content_write(side_next_slot(s), job->len, s->seq);
		t1 = side_now();
		slice->busy += t1 - t0;
		histogram_record(&slice->hist, t1 - t0);
	}
	return 0;
}

static int
stream_lead(struct side *s, const struct side_job *job,
		struct side_slice *slice)
{
	switch (job->wire) {
	case WIRE_COPY:
		return lead_copy(s, job, slice);
	case WIRE_LOAN:
		return lead_loan(s, job, slice);
	case WIRE_BARE:
		return lead_bare(s, job, slice);
	default:
		return lead_write(s, job, slice);
	}
}

/* Only ferry's wires, and the bare copy where both sides copy at once. */
static int
stream_follow(struct side *s, const struct side_job *job, struct side_ack *ack)
{
	const uint64_t start = side_now();
	struct side_slice *slice;
	struct ferry_msg msg;
	uint32_t rounds = 0;
	uint64_t i;
	int ret = 0;

	if (job->wire == WIRE_BARE) {
		slice = calloc(1, sizeof(*slice));
		if (slice == NULL)
			return -ENOMEM;
		ret = lead_bare(s, job, slice);
		ack->ticks = slice->busy;
		free(slice);
		return ret;
	}
	for (i = 0; i < job->n; i++, s->seq++) {
		while ((ret = ferry_rx_recv(s->rx, &msg, 1)) == 0)
			if (!side_spin(s, &rounds))
				return -ECANCELED;
		if (ret < 0)
			return ret;
		ack->bad |= msg.len != job->len;
		if (unlikely(job->flags & SIDE_CHECK))
			ack->bad |= content_check(msg.data, job->len, s->seq);
		else
			ack->bad |= content_first(msg.data, s->seq);
		ret = ferry_rx_release(s->rx, &msg, 1);
		if (ret != 0)
			return ret;
	}
	ack->ticks = side_now() - start;
	return 0;
}

static bool
wants_slots(const struct side *s, const struct side_job *job)
{
	return s->tx != NULL &&
		(job->wire == WIRE_BARE || job->wire == WIRE_LINE);
}

/* In bounds of one-way streams the other core is idle. */
static bool
is_alone(const struct side_job *job)
{
	return job->wire != WIRE_COPY && job->wire != WIRE_LOAN &&
		!(job->flags & SIDE_BOTH);
}

static uint64_t
least(const struct side_job *job)
{
	/* Bounds of one core copying do with less. */
	return job->flags & SIDE_NO_REWRITE ? 2 : work_some(job);
}

/* Of sending alone, by both sides if both do; of the whole loop. */
static void
numbers_of(const struct side_job *job, const struct side_slice *slice,
		double bytes, double ghz, double numbers[2])
{
	numbers[0] = work_speed(bytes, slice->busy, ghz);
	numbers[1] = work_speed(bytes, slice->ticks, ghz);
	if (job->flags & SIDE_BOTH)
		numbers[0] += work_speed(bytes, slice->peer_ticks, ghz);
}

const struct work stream_work = {
	.lead = stream_lead,
	.follow = stream_follow,
	.wants_slots = wants_slots,
	.is_alone = is_alone,
	.least = least,
	.numbers = numbers_of,
	.ways = 1,
};
