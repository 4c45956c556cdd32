/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "softdsa_dev.h"

/* softdsa_wq_disable() yields DISABLE_SPINS times, and then sleeps for
 * DISABLE_NAP_NS between two looks. */
#define DISABLE_NAP_NS 20000
#define DISABLE_SPINS 100

/*
 * In the pairs below, each side stores its own word and then reads the word of
 * the other side. At least one of the two must see the store of the other. So
 * the accesses of the first two pairs are sequentially consistent, and in the
 * third pair a sequentially consistent fence stands between store and read.
 *  - A submitter stores putting, then reads state; disable stores state, then
 *    reads putting.
 *  - An engine stores busy, then reads state; disable stores state, then reads
 *    busy.
 *  - A submitter stores to the queue, then reads asleep; an engine that goes to
 *    sleep stores asleep, then reads the queue.
 */

void
softdsa_wake(struct softdsa_dev *dev, unsigned int wq)
{
	const int error = errno;
	unsigned int i;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (i = 0; i < dev->config.threads; i++) {
		struct softdsa_bell *bell = &dev->bells[i];

		if (!softdsa_serves(dev, i, wq) || __atomic_load_n(
				&bell->asleep, __ATOMIC_RELAXED) == 0)
			continue;
		__atomic_fetch_add(&bell->rung, 1, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, &bell->rung, FUTEX_WAKE_PRIVATE, 1, NULL,
			NULL, 0);
	}
	errno = error;
}

void
softdsa_wq_submit(struct softdsa_dev *dev, unsigned int index,
		const struct softdsa_desc *desc)
{
	struct softdsa_wq *wq = &dev->wqs[index];
	bool in = false;

	__atomic_fetch_add(&wq->putting, 1, __ATOMIC_SEQ_CST);
	if (softdsa_wq_state(wq) == SOFTDSA_ENABLED) {
		/* Relaxed, because queued only bounds a number. The queue hands
		 * the data over. */
		in = __atomic_fetch_add(&wq->queued, 1, __ATOMIC_RELAXED) <
			__atomic_load_n(&wq->limit, __ATOMIC_RELAXED) &&
			softdsa_queue_put(&wq->queue, desc);
		if (!in)
			__atomic_fetch_sub(&wq->queued, 1, __ATOMIC_RELAXED);
	}
	__atomic_fetch_sub(&wq->putting, 1, __ATOMIC_SEQ_CST);
	softdsa_count(in ? &wq->counts.submitted : &wq->counts.dropped, 1);
	if (in)
		softdsa_wake(dev, index);
}

/* Throw away the descriptor at which the queue stands still, if any. */
static void
drop_parked(struct softdsa_wq *wq)
{
	uint32_t was = __atomic_load_n(&wq->parked, __ATOMIC_ACQUIRE);

	if (was != SOFTDSA_PARKED_HANG && was != SOFTDSA_PARKED_DRAIN)
		return;
	if (!__atomic_compare_exchange_n(&wq->parked, &was,
			SOFTDSA_PARKED_NONE, false, __ATOMIC_ACQ_REL,
			__ATOMIC_RELAXED))
		return;
	softdsa_count(&wq->counts.aborted, 1);
	__atomic_fetch_sub(&wq->busy, 1, __ATOMIC_RELEASE);
}

static void
nap(void)
{
	struct timespec t = { .tv_nsec = DISABLE_NAP_NS };

	nanosleep(&t, NULL);
}

void
softdsa_wq_disable(struct softdsa_dev *dev, unsigned int index)
{
	struct softdsa_wq *wq = &dev->wqs[index];
	struct softdsa_desc desc;
	unsigned int spins = 0;

	if (softdsa_wq_state(wq) != SOFTDSA_ENABLED)
		return;
	__atomic_store_n(&wq->state, SOFTDSA_STOPPING, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&wq->putting, __ATOMIC_SEQ_CST) != 0 ||
			__atomic_load_n(&wq->busy, __ATOMIC_SEQ_CST) != 0) {
		drop_parked(wq);
		/* Wake the engines, because they may sleep until completions
		 * are due. */
		softdsa_wake(dev, index);
		if (spins++ < DISABLE_SPINS)
			sched_yield();
		else
			nap();
	}
	while (softdsa_queue_take(&wq->queue, &desc))
		softdsa_count(&wq->counts.aborted, 1);
	__atomic_store_n(&wq->queued, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&wq->state, SOFTDSA_DISABLED, __ATOMIC_SEQ_CST);
}

void
softdsa_wq_enable(struct softdsa_dev *dev, unsigned int index)
{
	struct softdsa_wq *wq = &dev->wqs[index];

	if (softdsa_wq_state(wq) == SOFTDSA_DISABLED)
		__atomic_store_n(&wq->state, SOFTDSA_ENABLED,
			__ATOMIC_SEQ_CST);
}
