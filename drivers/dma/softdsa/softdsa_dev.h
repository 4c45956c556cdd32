/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_DEV_H
#define SOFTDSA_DEV_H

/*
 * The device, and the life of a descriptor in it:
 *
 *   idxd driver, any thread                        engine thread
 *   -----------------------                        -------------
 *   MOVDIR64B to the portal
 *      | SIGILL or SIGBUS
 *   softdsa_portal.c: whose portal?
 *      | softdsa_wq_submit()
 *      v
 *   enabled? place?  -- no: lost, as in hardware
 *      | queued++                                 busy++ (before it looks)
 *      '----------> softdsa_queue -------------->  take
 *   past the instruction                            | hang or drain: parked,
 *                                                   | the queue stands still
 *                                                   v
 *                                         softdsa_check(), softdsa_exec()
 *                                                   | with a timing model:
 *                                                   | pending until due
 *                                                   v
 *                                         queued--, completion record,
 *                                         status last, busy--
 *
 * Stopping a work queue waits until busy is 0. An engine raises busy before it
 * looks whether the queue is enabled. It lowers busy after the last store to
 * the program's memory.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "softdsa_check.h"
#include "softdsa_config.h"
#include "softdsa_dir.h"
#include "softdsa_fault.h"
#include "softdsa_model.h"
#include "softdsa_queue.h"

enum softdsa_state {
	SOFTDSA_DISABLED,
	SOFTDSA_ENABLED,
	/* The descriptors in the queue are being thrown away. */
	SOFTDSA_STOPPING,
};

/* Why a work queue stands still at a descriptor. */
enum softdsa_parked {
	/* It does not stand still. */
	SOFTDSA_PARKED_NONE,
	/* An engine or the control thread is looking at the descriptor. */
	SOFTDSA_PARKED_HELD,
	/* A hang, until parked_until; UINT64_MAX: for ever. */
	SOFTDSA_PARKED_HANG,
	/* A drain, until the descriptors before it have ended. */
	SOFTDSA_PARKED_DRAIN,
};

/* Counters. All accesses are relaxed, because no counter orders another. */
struct softdsa_counts {
	uint64_t submitted;
	uint64_t batches;
	uint64_t descriptors;
	uint64_t bytes;
	uint64_t failed;
	uint64_t faults;
	uint64_t dropped;
	uint64_t aborted;
	uint64_t unreported;
};

struct softdsa_wq {
	struct softdsa_queue queue;
	/* enum softdsa_state. */
	uint32_t state __attribute__((aligned(64)));
	/* How many signal handlers are between looking at state and having put
	 * their descriptor. */
	uint32_t putting;
	/* queued: how many descriptors are submitted and not completed. limit:
	 * how many there may be. */
	uint32_t queued;
	uint32_t limit;
	/* How many engines look for a descriptor, plus how many descriptors are
	 * taken and not completed. */
	uint32_t busy __attribute__((aligned(64)));
	/* enum softdsa_parked. */
	uint32_t parked;
	struct softdsa_desc parked_desc;
	uint64_t parked_until;
	struct softdsa_faults faults;
	struct softdsa_counts counts __attribute__((aligned(64)));
};

/* An engine sleeps on this. */
struct softdsa_bell {
	/* A futex. It changes when the engine is to look again. */
	uint32_t rung __attribute__((aligned(64)));
	/* The engine sleeps, or is about to. */
	uint32_t asleep;
};

struct softdsa_dev {
	/* Token of the process that made the device. A process that is forked
	 * from it has no engines and must not use the device. */
	uint64_t process;
	struct softdsa_config config;
	struct softdsa_limits limits;
	struct softdsa_dir dir;
	struct softdsa_model model;
	/* A thread holds it while it changes config. */
	pthread_mutex_t config_lock;
	struct softdsa_bell bells[SOFTDSA_MAX_THREADS];
	struct softdsa_wq *wqs;
};

/* Submit a descriptor that was stored to a portal. Safe in signal handlers. */
void softdsa_wq_submit(struct softdsa_dev *dev, unsigned int wq,
		const struct softdsa_desc *desc);

/*
 * Throw away the descriptors in a work queue. After the return, none of them
 * touches memory any more, and new submissions are lost.
 */
void softdsa_wq_disable(struct softdsa_dev *dev, unsigned int wq);
void softdsa_wq_enable(struct softdsa_dev *dev, unsigned int wq);

/* Wake the engines that serve a work queue. */
void softdsa_wake(struct softdsa_dev *dev, unsigned int wq);

/* Whether an engine serves a work queue. */
static inline bool
softdsa_serves(const struct softdsa_dev *dev, unsigned int engine,
		unsigned int wq)
{
	return dev->config.share || wq % dev->config.threads == engine;
}

/* Start as many engine threads as config says. Returns 0 or -errno. */
int softdsa_engines_start(struct softdsa_dev *dev);

/* Start the thread that reads the files bind and unbind. */
int softdsa_control_start(struct softdsa_dev *dev);

static inline void
softdsa_count(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static inline enum softdsa_state
softdsa_wq_state(const struct softdsa_wq *wq)
{
	/* See softdsa_wq.c for the reason of this order. */
	return __atomic_load_n(&wq->state, __ATOMIC_SEQ_CST);
}

#endif /* SOFTDSA_DEV_H */
