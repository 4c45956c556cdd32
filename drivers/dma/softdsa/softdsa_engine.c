/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "softdsa_batch.h"
#include "softdsa_dev.h"
#include "softdsa_engine.h"
#include "softdsa_exec.h"

/*
 * An engine without work spins for so long and then sleeps. This is longer than
 * a submission takes. The engine does not yield while it spins, because other
 * threads that want the processor would then take its time slice.
 */
#define SPIN_NS 20000
/* Time that an engine needs to wake up. If a completion is due sooner, the
 * engine does not sleep. */
#define WAKE_NS 60000
#define SPINS_PER_LOOK 2

uint64_t
softdsa_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Write a record that is due. If it is the last one of a submission, the
 * submission ends. */
static void
publish(struct softdsa_dev *dev, const struct softdsa_end *end)
{
	struct softdsa_wq *wq = &dev->wqs[end->wq];

	/* Count down before the record is written, because the thread that sees
	 * the record may submit the next descriptor at once. */
	if (end->last)
		__atomic_fetch_sub(&wq->queued, 1, __ATOMIC_RELAXED);
	if (end->report && !softdsa_write_record(end->to, &end->record))
		softdsa_count(&wq->counts.unreported, 1);
	if (!end->last)
		return;
	/* Release, because the thread that stops the queue must see the stores
	 * above before it goes on. */
	__atomic_fetch_sub(&wq->busy, 1, __ATOMIC_RELEASE);
	if (__atomic_load_n(&wq->parked, __ATOMIC_RELAXED) ==
			SOFTDSA_PARKED_DRAIN)
		softdsa_wake(dev, end->wq);
}

/* The queue was stopped: end a descriptor without writing its record. */
static void
abandon(struct softdsa_dev *dev, const struct softdsa_end *end)
{
	struct softdsa_wq *wq = &dev->wqs[end->wq];

	if (!end->last)
		return;
	softdsa_count(&wq->counts.aborted, 1);
	__atomic_fetch_sub(&wq->queued, 1, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&wq->busy, 1, __ATOMIC_RELEASE);
}

/* Write the records that are due, and drop those of stopped queues. */
static bool
pending_serve(struct softdsa_engine *e)
{
	uint64_t now = e->n_pending > 0 ? softdsa_now() : 0;
	bool did = false;

	while (e->n_pending > 0) {
		struct softdsa_end *end = &e->pending[e->first_pending];

		if (softdsa_wq_state(&e->dev->wqs[end->wq]) !=
				SOFTDSA_ENABLED)
			abandon(e->dev, end);
		else if (end->due <= now)
			publish(e->dev, end);
		else
			break;
		e->first_pending = (e->first_pending + 1) % SOFTDSA_PENDING;
		e->n_pending--;
		did = true;
	}
	return did;
}

/* Drop all pending records of stopped queues, also those behind a record that
 * is not due. */
static void
pending_drop_stopped(struct softdsa_engine *e)
{
	uint32_t i;

	for (i = 0; i < e->n_pending; i++) {
		struct softdsa_end *end = &e->pending[(e->first_pending + i) %
			SOFTDSA_PENDING];

		if (softdsa_wq_state(&e->dev->wqs[end->wq]) ==
				SOFTDSA_ENABLED)
			continue;
		abandon(e->dev, end);
		end->last = false;
		end->report = false;
	}
}

void
softdsa_engine_end(struct softdsa_engine *e, struct softdsa_end *end)
{
	if (softdsa_wq_state(&e->dev->wqs[end->wq]) != SOFTDSA_ENABLED) {
		abandon(e->dev, end);
		return;
	}
	if (end->due == 0 && e->n_pending == 0) {
		publish(e->dev, end);
		return;
	}
	while (e->n_pending == SOFTDSA_PENDING) {
		pending_drop_stopped(e);
		if (!pending_serve(e))
			sched_yield();
	}
	/* Records are written in the order in which they were made, because a
	 * batch's own record must come last. */
	if (end->due < e->last_due)
		end->due = e->last_due;
	e->last_due = end->due;
	e->pending[(e->first_pending + e->n_pending) % SOFTDSA_PENDING] = *end;
	e->n_pending++;
}

/* Let the queue stand still at a descriptor. The descriptor stays counted in
 * busy. */
static void
park(struct softdsa_wq *wq, enum softdsa_parked why,
		const struct softdsa_desc *desc, uint64_t until)
{
	wq->parked_desc = *desc;
	wq->parked_until = until;
	/* E1 */
	__atomic_store_n(&wq->parked, why, __ATOMIC_RELEASE);
}

/* Whether a queue that stands still may go on. If so, *desc is the descriptor
 * at which it stood still. */
static bool
unpark(struct softdsa_wq *wq, struct softdsa_desc *desc, bool *hung)
{
	/* Pairs with E1. */
	uint32_t why = __atomic_load_n(&wq->parked, __ATOMIC_ACQUIRE);
	bool ready;

	if (why != SOFTDSA_PARKED_HANG && why != SOFTDSA_PARKED_DRAIN)
		return false;
	if (!__atomic_compare_exchange_n(&wq->parked, &why,
			SOFTDSA_PARKED_HELD, false, __ATOMIC_ACQ_REL,
			__ATOMIC_RELAXED))
		return false;
	*hung = why == SOFTDSA_PARKED_HANG;
	/* busy is 1 if only the parked descriptor is left. */
	ready = *hung ? softdsa_now() >= wq->parked_until :
		__atomic_load_n(&wq->busy, __ATOMIC_SEQ_CST) == 1;
	*desc = wq->parked_desc;
	__atomic_store_n(&wq->parked, ready ? SOFTDSA_PARKED_NONE : why,
		__ATOMIC_RELEASE);
	return ready;
}

/* Take a descriptor, and count it in busy. */
static bool
take(struct softdsa_wq *wq, struct softdsa_desc *desc)
{
	uint64_t ms = 0;
	bool hung;

	if (__atomic_load_n(&wq->parked, __ATOMIC_RELAXED) !=
			SOFTDSA_PARKED_NONE) {
		if (!unpark(wq, desc, &hung))
			return false;
		/* A drain whose hang is over may still have to wait for the
		 * descriptors before it. */
		if (!hung || softdsa_op(desc) != SOFTDSA_DRAIN)
			return true;
		park(wq, SOFTDSA_PARKED_DRAIN, desc, 0);
		return false;
	}
	if (!softdsa_queue_ready(&wq->queue))
		return false;
	__atomic_fetch_add(&wq->busy, 1, __ATOMIC_SEQ_CST);
	if (softdsa_wq_state(wq) != SOFTDSA_ENABLED ||
			__atomic_load_n(&wq->parked, __ATOMIC_SEQ_CST) !=
			SOFTDSA_PARKED_NONE ||
			!softdsa_queue_take(&wq->queue, desc)) {
		__atomic_fetch_sub(&wq->busy, 1, __ATOMIC_RELEASE);
		return false;
	}
	if (softdsa_faults_hang(&wq->faults, softdsa_op(desc) == SOFTDSA_BATCH ?
			desc->size : 1, &ms)) {
		softdsa_count(&wq->counts.faults, 1);
		park(wq, SOFTDSA_PARKED_HANG, desc, ms == 0 ? UINT64_MAX :
			softdsa_now() + ms * 1000000);
		return false;
	}
	if (softdsa_op(desc) == SOFTDSA_DRAIN) {
		park(wq, SOFTDSA_PARKED_DRAIN, desc, 0);
		/* Try to go on at once, because often no descriptor is left
		 * to wait for. */
		return unpark(wq, desc, &hung);
	}
	return true;
}

/* Serve a work queue once. */
static bool
serve(struct softdsa_engine *e, unsigned int index)
{
	struct softdsa_wq *wq = &e->dev->wqs[index];
	uint32_t n = 0, window;

	window = softdsa_faults_reorder(&wq->faults);
	/* A drain is taken only when nothing else is busy. So it ends the
	 * window. */
	do {
		if (!take(wq, &e->window[n]))
			break;
		n++;
	} while (n < window && softdsa_op(&e->window[n - 1]) != SOFTDSA_DRAIN);
	if (n == 0)
		return false;
	if (n > 1)
		softdsa_count(&wq->counts.faults, 1);
	while (n > 0)
		softdsa_execute(e, index, &e->window[--n]);
	return true;
}

/* When an engine must look again even if no thread wakes it. */
static uint64_t
next_time(struct softdsa_engine *e)
{
	uint64_t next = UINT64_MAX;
	unsigned int i;

	if (e->n_pending > 0)
		next = e->pending[e->first_pending].due;
	for (i = 0; i < e->dev->config.wqs; i++) {
		struct softdsa_wq *wq = &e->dev->wqs[i];

		if (!softdsa_serves(e->dev, e->index, i))
			continue;
		/* Pairs with E1. */
		if (__atomic_load_n(&wq->parked, __ATOMIC_ACQUIRE) ==
				SOFTDSA_PARKED_HANG &&
				wq->parked_until < next)
			next = wq->parked_until;
	}
	return next;
}

/* Whether there is work that a submitter has left before it saw that this
 * engine is asleep. */
static bool
anything(const struct softdsa_engine *e)
{
	unsigned int i;

	for (i = 0; i < e->dev->config.wqs; i++) {
		const struct softdsa_wq *wq = &e->dev->wqs[i];

		if (!softdsa_serves(e->dev, e->index, i))
			continue;
		switch (__atomic_load_n(&wq->parked, __ATOMIC_SEQ_CST)) {
		case SOFTDSA_PARKED_NONE:
			if (softdsa_wq_state(wq) == SOFTDSA_ENABLED &&
					softdsa_queue_ready(&wq->queue))
				return true;
			break;
		case SOFTDSA_PARKED_HELD:
			return true;
		case SOFTDSA_PARKED_DRAIN:
			if (__atomic_load_n(&wq->busy, __ATOMIC_SEQ_CST) == 1)
				return true;
			break;
		}
	}
	return false;
}

static void
doze(struct softdsa_engine *e, uint64_t until, uint64_t now)
{
	struct softdsa_bell *bell = &e->dev->bells[e->index];
	struct timespec t, *timeout = NULL;
	uint32_t seen;

	if (until != UINT64_MAX) {
		until -= now + WAKE_NS;
		t.tv_sec = (time_t)(until / 1000000000);
		t.tv_nsec = (long)(until % 1000000000);
		timeout = &t;
	}
	seen = __atomic_load_n(&bell->rung, __ATOMIC_SEQ_CST);
	__atomic_store_n(&bell->asleep, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!anything(e))
		syscall(SYS_futex, &bell->rung, FUTEX_WAIT_PRIVATE, seen,
			timeout, NULL, 0);
	__atomic_store_n(&bell->asleep, 0, __ATOMIC_RELAXED);
}

static void
idle(struct softdsa_engine *e)
{
	uint64_t now = softdsa_now(), next;
	unsigned int i;

	if (e->idle_since == 0)
		e->idle_since = now;
	if (now - e->idle_since < SPIN_NS) {
		for (i = 0; i < SPINS_PER_LOOK; i++)
			__builtin_ia32_pause();
		return;
	}
	next = next_time(e);
	if (next != UINT64_MAX && next < now + WAKE_NS) {
		sched_yield();
		return;
	}
	doze(e, next, now);
	/* The engine may have been woken because a queue was stopped: drop the
	 * records of such queues. */
	pending_drop_stopped(e);
}

static void *
engine_main(void *arg)
{
	struct softdsa_engine *e = arg;
	const unsigned int wqs = (unsigned int)e->dev->config.wqs;
	unsigned int i, start = 0;
	bool did;

	/* Without this, each sleep would last 50 us longer than asked for. */
	prctl(PR_SET_TIMERSLACK, 1);
	for (;;) {
		did = false;
		for (i = 0; i < wqs; i++) {
			const unsigned int wq = (start + i) % wqs;

			if (softdsa_serves(e->dev, e->index, wq))
				did |= serve(e, wq);
		}
		start++;
		did |= pending_serve(e);
		if (did)
			e->idle_since = 0;
		else
			idle(e);
	}
	return NULL;
}

/* Signals go to the program's threads. Only signals of the new thread's own
 * faults go to the new thread. */
int
softdsa_thread_start(void *(*main)(void *), void *arg, const char *name,
		const cpu_set_t *cpus)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP,
		SIGABRT, SIGSYS };
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	unsigned int i;
	int ret;

	sigfillset(&all);
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&all, own[i]);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ret = cpus != NULL ? pthread_attr_setaffinity_np(&attr,
		sizeof(*cpus), cpus) : 0;
	if (ret == 0) {
		pthread_sigmask(SIG_BLOCK, &all, &before);
		ret = pthread_create(&thread, &attr, main, arg);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attr);
	if (ret == 0)
		pthread_setname_np(thread, name);
	return -ret;
}

int
softdsa_engines_start(struct softdsa_dev *dev)
{
	const struct softdsa_config *c = &dev->config;
	struct softdsa_engine *e;
	cpu_set_t cpus;
	uint64_t i;
	int ret;

	for (i = 0; i < c->threads; i++) {
		/* The engines live as long as the process. */
		e = aligned_alloc(64, (sizeof(*e) + 63) / 64 * 64);
		if (e == NULL)
			return -ENOMEM;
		e->dev = dev;
		e->index = (unsigned int)i;
		e->idle_since = e->last_due = 0;
		e->first_pending = e->n_pending = 0;
		CPU_ZERO(&cpus);
		if (c->n_cpus > 0)
			CPU_SET(c->cpus[i % c->n_cpus], &cpus);
		ret = softdsa_thread_start(engine_main, e, "softdsa-engine",
			c->n_cpus > 0 ? &cpus : NULL);
		if (ret != 0)
			return ret;
	}
	return 0;
}
