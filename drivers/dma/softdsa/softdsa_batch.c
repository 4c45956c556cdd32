/* SPDX-License-Identifier: BSD-3-Clause */

#include "softdsa_batch.h"
#include "softdsa_copy.h"
#include "softdsa_exec.h"

/* A batch that is being executed. */
struct batch {
	unsigned int wq;
	/* done: how many descriptors were executed so far. failed: how many of
	 * them have failed. */
	uint32_t done, failed;
	uint64_t due;
	/* The batch's work queue was stopped. */
	bool stopped;
};

static bool
succeeded(uint8_t status)
{
	return status == SOFTDSA_OK;
}

/* Set the address of the record, and whether to write it. */
static void
address(struct softdsa_wq *wq, const struct softdsa_desc *d,
		struct softdsa_end *end)
{
	const uint32_t flags = softdsa_flags(d);

	end->to = d->record;
	end->report = flags & SOFTDSA_F_RECORD_VALID &&
		d->record % sizeof(struct softdsa_record) == 0;
	if (end->report)
		/* A failure is always reported. */
		end->report = flags & SOFTDSA_F_RECORD ||
			!succeeded(end->record.status);
	else if (!succeeded(end->record.status))
		softdsa_count(&wq->counts.unreported, 1);
}

/* Execute a descriptor that is no batch. The caller has set end->wq and zeroed
 * the rest of end. False if the queue was stopped meanwhile. */
static bool
execute_one(struct softdsa_engine *e, struct softdsa_wq *wq,
		const struct softdsa_desc *d, bool in_batch,
		struct softdsa_end *end)
{
	struct softdsa_verdict v = softdsa_faults_next(&wq->faults);
	struct softdsa_record *r = &end->record;
	uint64_t start = 0;
	bool timed;

	timed = softdsa_model_on(&e->dev->model);
	if (timed)
		start = softdsa_now();
	if (v.status != 0 || v.page_fault || v.corrupt)
		softdsa_count(&wq->counts.faults, 1);
	r->status = softdsa_check(d, in_batch, &e->dev->limits,
		&r->invalid_flags);
	if (v.status != 0)
		r->status = v.status;
	if (r->status == SOFTDSA_OK && softdsa_op(d) != SOFTDSA_DRAIN &&
			!softdsa_exec(d, &v, &wq->state, SOFTDSA_ENABLED, r))
		return false;
	softdsa_count(&wq->counts.descriptors, 1);
	softdsa_count(&wq->counts.bytes, r->done);
	if (!succeeded(r->status))
		softdsa_count(&wq->counts.failed, 1);
	if (timed)
		end->due = softdsa_model_end(&e->dev->model, start, r->done);
	address(wq, d, end);
	return true;
}

/* Execute some descriptors of a batch. There is no fence between them. */
static void
execute_some(struct softdsa_engine *e, struct batch *b, uint32_t from,
		uint32_t n, bool reversed)
{
	struct softdsa_wq *wq = &e->dev->wqs[b->wq];
	uint32_t i;

	for (i = 0; i < n; i++) {
		const uint32_t at = reversed ? n - 1 - i : i;
		const struct softdsa_desc *d = &e->batch[from + at];
		struct softdsa_end end = { .wq = b->wq };

		if (i + 1 < n && !reversed && softdsa_op(d) == SOFTDSA_MOVE)
			softdsa_prefetch((void *)(uintptr_t)d[1].src,
				d[1].size);
		if (!execute_one(e, wq, d, true, &end)) {
			b->stopped = true;
			return;
		}
		b->done++;
		if (!succeeded(end.record.status))
			b->failed++;
		if (end.due > b->due)
			b->due = end.due;
		if (end.report)
			softdsa_engine_end(e, &end);
	}
}

/* Execute the descriptors in e->batch. */
static void
execute_list(struct softdsa_engine *e, struct batch *b, uint32_t n)
{
	struct softdsa_wq *wq = &e->dev->wqs[b->wq];
	const bool reversed = softdsa_faults_reorder(&wq->faults) > 1;
	uint32_t from, to;

	if (reversed)
		softdsa_count(&wq->counts.faults, 1);
	for (from = 0; from < n && !b->stopped; from = to) {
		/* Descriptors behind a fence may rely on those before it. So
		 * they are not executed if one of those has failed. */
		if (softdsa_flags(&e->batch[from]) & SOFTDSA_F_FENCE &&
				b->failed > 0)
			break;
		for (to = from + 1; to < n && !(softdsa_flags(&e->batch[to]) &
				SOFTDSA_F_FENCE); to++)
			;
		execute_some(e, b, from, to - from, reversed);
	}
}

static void
execute_batch(struct softdsa_engine *e, unsigned int index,
		const struct softdsa_desc *d)
{
	struct softdsa_wq *wq = &e->dev->wqs[index];
	struct softdsa_end end = { .wq = index, .last = true };
	struct softdsa_record *r = &end.record;
	struct batch b = { .wq = index };
	uint64_t addr, n = 0;

	r->status = softdsa_check(d, false, &e->dev->limits,
		&r->invalid_flags);
	softdsa_count(&wq->counts.batches, 1);
	if (r->status == SOFTDSA_OK) {
		n = softdsa_read(e->batch, d->src,
			(uint64_t)d->size * sizeof(*d), &addr) / sizeof(*d);
		execute_list(e, &b, (uint32_t)n);
		r->done = b.done;
		if (n < d->size) {
			r->status = SOFTDSA_BATCH_FAULT;
			r->fault_addr = addr;
		} else if (b.failed > 0) {
			r->status = SOFTDSA_BATCH_FAILED;
		}
	}
	end.due = b.due;
	address(wq, d, &end);
	/* softdsa_engine_end() drops the record if the queue was stopped. */
	softdsa_engine_end(e, &end);
}

void
softdsa_execute(struct softdsa_engine *e, unsigned int index,
		const struct softdsa_desc *d)
{
	struct softdsa_end end = { .wq = index, .last = true };

	if (softdsa_op(d) == SOFTDSA_BATCH) {
		execute_batch(e, index, d);
		return;
	}
	/* False: the queue was stopped, so no record is to be written. */
	if (!execute_one(e, &e->dev->wqs[index], d, false, &end))
		end.report = false;
	softdsa_engine_end(e, &end);
}
