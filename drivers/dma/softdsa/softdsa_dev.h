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
 * busy is what stopping a work queue waits for: an engine raises it before it
 * looks whether the queue is enabled, and lowers it after the last store to
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
	/* What is in it is being thrown away. */
	SOFTDSA_STOPPING,
};

/* A descriptor at which the work queue stands still. */
enum softdsa_parked {
	SOFTDSA_PARKED_NONE,
	/* An engine or the control thread is looking at it. */
	SOFTDSA_PARKED_HELD,
	/* A hang: until a time, UINT64_MAX for ever. */
	SOFTDSA_PARKED_HANG,
	/* A drain: until those before have ended. */
	SOFTDSA_PARKED_DRAIN,
};

/* Counters, all relaxed: of each other they say nothing. */
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
	/* Signal handlers between looking at state and having put. */
	uint32_t putting;
	/* Submitted and not completed, and how many there may be. */
	uint32_t queued;
	uint32_t limit;
	/* Engines looking, descriptors taken and not completed. */
	uint32_t busy __attribute__((aligned(64)));
	/* enum softdsa_parked. */
	uint32_t parked;
	struct softdsa_desc parked_desc;
	uint64_t parked_until;
	struct softdsa_faults faults;
	struct softdsa_counts counts __attribute__((aligned(64)));
};

/* What an engine sleeps on. */
struct softdsa_bell {
	/* A futex: changes when it shall look again. */
	uint32_t rung __attribute__((aligned(64)));
	/* It sleeps, or is about to. */
	uint32_t asleep;
};

struct softdsa_dev {
	/* Whose it is, by its token: processes that are forked from it have no
	 * engines. */
	uint64_t process;
	struct softdsa_config config;
	struct softdsa_limits limits;
	struct softdsa_dir dir;
	struct softdsa_model model;
	/* Held by who changes config. */
	pthread_mutex_t config_lock;
	struct softdsa_bell bells[SOFTDSA_MAX_THREADS];
	struct softdsa_wq *wqs;
};

/* A descriptor was stored to a portal. Safe in signal handlers. */
void softdsa_wq_submit(struct softdsa_dev *dev, unsigned int wq,
		const struct softdsa_desc *desc);

/*
 * Throw away what is in a work queue. When this returns nothing of it touches
 * memory any more, and what is submitted is lost.
 */
void softdsa_wq_disable(struct softdsa_dev *dev, unsigned int wq);
void softdsa_wq_enable(struct softdsa_dev *dev, unsigned int wq);

/* Get those that serve a work queue out of their sleep. */
void softdsa_wake(struct softdsa_dev *dev, unsigned int wq);

/* Whether an engine serves a work queue. */
static inline bool
softdsa_serves(const struct softdsa_dev *dev, unsigned int engine,
		unsigned int wq)
{
	return dev->config.share || wq % dev->config.threads == engine;
}

/* Start the threads of config. 0 or -errno. */
int softdsa_engines_start(struct softdsa_dev *dev);

/* Start the thread that reads what is written to bind and unbind. */
int softdsa_control_start(struct softdsa_dev *dev);

static inline void
softdsa_count(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static inline enum softdsa_state
softdsa_wq_state(const struct softdsa_wq *wq)
{
	/* See softdsa_wq.c for why. */
	return __atomic_load_n(&wq->state, __ATOMIC_SEQ_CST);
}

#endif /* SOFTDSA_DEV_H */
