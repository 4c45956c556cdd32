/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WAIT_PEER_H
#define WAIT_PEER_H

/*
 * What the wait tests share, above all: hand work from a ringer to an owner
 * that sleeps on its bell, often and with random delays, and notice if a
 * wake-up is lost.
 */

#include <stdbool.h>
#include <stdint.h>

#include <sys/types.h>

#include <rte_pause.h>

#include "ferry_bell.h"
#include "ferry_test.h"
#include "ferry_wait.h"

/* Far above any scheduling delay: a sleep this long was not woken. */
#define LOST_NS UINT64_C(60000000000)

/* Enough of it: on busy CPUs a handover takes a time slice. */
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
	/* Either side gave up. */
	uint32_t failed;
} __rte_cache_aligned;

/* The owner's side: what ready() looks at. */
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

/* Sleep at most LOST_NS: -ETIMEDOUT means that the wake-up was lost. */
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
 * Take n items, sleeping for each without polling first, so that arming and
 * ringing meet as often as possible. Returns 0 or the number of the item whose
 * wake-up was lost.
 */
uint64_t wait_peer_own(struct wait_peer *peer, uint64_t n, wait_sleep_t sleep);

/*
 * Hand over n items, each once the one before is taken, and when time is up
 * all that are left at once. Returns as above.
 */
uint64_t wait_peer_ring(struct wait_peer *peer, uint64_t n);

/* A peer to be shared with other threads and forked processes. */
struct wait_peer *wait_peer_map(void);

/* A thread that rings: wait_ringer_main() of a struct wait_ringer. */
struct wait_ringer {
	struct wait_peer *peer;
	uint64_t n;
};

void *wait_ringer_main(void *arg);

/* What to tell as ready(). */
bool wait_never(void *arg);
bool wait_always(void *arg);
/* arg is the bell, which is armed: ring it before the owner sleeps. */
bool wait_ring_in_between(void *arg);

/* How often this thread went to sleep so far. */
long wait_times_blocked(void);

/* Blocked in the kernel, as /proc tells, and not just about to be. */
bool wait_is_blocked(pid_t tid);

#endif /* WAIT_PEER_H */
