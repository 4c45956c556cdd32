/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WAIT_PEER_H
#define WAIT_PEER_H

/*
 * What the wait tests share. The main part: a ringer hands work to an owner
 * that sleeps on its bell, often and with random delays. A lost wake-up is
 * noticed.
 */

#include <stdbool.h>
#include <stdint.h>

#include <sys/types.h>

#include <rte_pause.h>

#include "ferry_bell.h"
#include "ferry_test.h"
#include "ferry_wait.h"

/* A sleep that lasts so long was not woken, because no scheduling delay comes
 * near it. */
#define LOST_NS UINT64_C(60000000000)

/* After so long the ringer stops handing over item by item, because on busy
 * CPUs each handover takes a time slice. */
#define HANDOVER_NS UINT64_C(4000000000)

/* Shared by owner and ringer, which may be two processes. */
struct wait_peer {
	struct ferry_bell bell;
	/* Items handed over; written by the ringer. */
	uint64_t work __rte_cache_aligned;
	/* Items taken; written by the owner. */
	uint64_t taken __rte_cache_aligned;
	/* Sleeps that began; written by the owner. */
	uint64_t slept;
	/* Not 0: owner or ringer has given up. */
	uint32_t failed;
} __rte_cache_aligned;

/* The owner's side. Its ready() function gets this. */
struct wait_owner {
	struct wait_peer *peer;
	uint64_t next;
};

static inline bool
wait_owner_ready(void *arg)
{
	const struct wait_owner *owner = arg;

	return __atomic_load_n(&owner->peer->work, __ATOMIC_ACQUIRE) >=
		owner->next;
}

/* A function that sleeps for LOST_NS at most. It returns -ETIMEDOUT if the
 * wake-up was lost. */
typedef int (*wait_sleep_t)(struct ferry_bell *bell, ferry_bell_ready_t ready,
		void *arg);

static inline void
wait_peer_delay(uint64_t *seed, unsigned int most)
{
	uint64_t n = ferry_test_random(seed) % most;

	while (n-- > 0)
		rte_pause();
}

/*
 * Take n items. Sleep for each item without polling first, so that arming and
 * ringing coincide as often as possible. Returns 0, or the number of the item
 * whose wake-up was lost.
 */
uint64_t wait_peer_own(struct wait_peer *peer, uint64_t n, wait_sleep_t sleep);

/*
 * Hand over n items, each one when the owner has taken the one before. After
 * HANDOVER_NS hand over all that are left at once. Returns as above.
 */
uint64_t wait_peer_ring(struct wait_peer *peer, uint64_t n);

/* Map a peer that other threads and forked processes can share. */
struct wait_peer *wait_peer_map(void);

/* The argument of wait_ringer_main(), the function of a ringer's thread. */
struct wait_ringer {
	struct wait_peer *peer;
	uint64_t n;
};

void *wait_ringer_main(void *arg);

/* Functions to pass as ready(): one says no, the other yes. */
bool wait_never(void *arg);
bool wait_always(void *arg);
/* A ready() function that rings the armed bell arg before the owner sleeps. */
bool wait_ring_in_between(void *arg);

/* How often the calling thread has gone to sleep so far. */
long wait_times_blocked(void);

/* Whether /proc says that the thread is blocked in the kernel. False if it is
 * only about to be. */
bool wait_is_blocked(pid_t tid);

#endif /* WAIT_PEER_H */
