/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WAIT_PEER_H
#define WAIT_PEER_H

/*
 * What both wait tests do: hand work from a ringer to an owner that sleeps on
 * its bell, often and with random delays, and notice if a wake-up is lost.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_pause.h>

#include "ferry_bell.h"
#include "ferry_test.h"
#include "ferry_wait.h"

/* Far above any scheduling delay: a sleep this long was not woken. */
#define LOST_NS UINT64_C(3000000000)

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
static inline uint64_t
wait_peer_own(struct wait_peer *peer, uint64_t n, wait_sleep_t sleep)
{
	struct wait_owner owner = { .peer = peer, .next = 1 };
	uint64_t seed = 1;
	int ret;

	for (; owner.next <= n; owner.next++) {
		wait_peer_delay(&seed, 40);
		while (!wait_owner_ready(&owner)) {
			if (__atomic_load_n(&peer->failed, __ATOMIC_RELAXED))
				return owner.next;
			/* Room for a ring between the look and arming. */
			wait_peer_delay(&seed, 4);
			ret = sleep(&peer->bell, wait_owner_ready, &owner);
			if (ret == -ETIMEDOUT) {
				__atomic_store_n(&peer->failed, 1,
					__ATOMIC_RELAXED);
				return owner.next;
			}
			if (ret == 0)
				__atomic_store_n(&peer->slept,
					peer->slept + 1, __ATOMIC_RELAXED);
		}
		/* Release: the ringer reuses the item. */
		__atomic_store_n(&peer->taken, owner.next, __ATOMIC_RELEASE);
	}
	return 0;
}

/*
 * Hand over n items, each once the one before is taken, and when time is up
 * all that are left at once. Returns as above.
 */
static inline uint64_t
wait_peer_ring(struct wait_peer *peer, uint64_t n)
{
	uint64_t end = ferry_test_now_ns() + HANDOVER_NS;
	uint64_t seed = 2;
	uint64_t item;
	struct ferry_wait wait;

	ferry_wait_init(&wait, FERRY_WAIT_SPIN);
	for (item = 1; item <= n; item++) {
		wait_peer_delay(&seed, 80);
		if (item % 256 == 0 && ferry_test_now_ns() > end)
			item = n;
		__atomic_store_n(&peer->work, item, __ATOMIC_RELEASE);
		ferry_bell_ring(&peer->bell);
		while (__atomic_load_n(&peer->taken, __ATOMIC_ACQUIRE) < item) {
			if (__atomic_load_n(&peer->failed, __ATOMIC_RELAXED))
				return item;
			ferry_wait_idle(&wait, NULL, NULL, NULL,
				FERRY_WAIT_FOREVER);
		}
	}
	return 0;
}

#endif /* WAIT_PEER_H */
