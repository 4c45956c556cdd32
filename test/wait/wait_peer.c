/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/resource.h>

#include <cmocka.h>

#include <rte_common.h>

#include "wait_peer.h"

uint64_t
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

uint64_t
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

struct wait_peer *
wait_peer_map(void)
{
	struct wait_peer *peer = mmap(NULL, sizeof(*peer),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(peer, MAP_FAILED);
	assert_int_equal(ferry_bell_init(&peer->bell), 0);
	return peer;
}

void *
wait_ringer_main(void *arg)
{
	struct wait_ringer *ringer = arg;

	wait_peer_ring(ringer->peer, ringer->n);
	return NULL;
}

bool
wait_never(void *arg)
{
	RTE_SET_USED(arg);
	return false;
}

bool
wait_always(void *arg)
{
	RTE_SET_USED(arg);
	return true;
}

bool
wait_ring_in_between(void *arg)
{
	struct ferry_bell *bell = arg;

	assert_int_equal(bell->state, FERRY_BELL_ASLEEP);
	ferry_bell_ring(bell);
	return false;
}

long
wait_times_blocked(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

bool
wait_is_blocked(pid_t tid)
{
	char path[64], text[256], *end;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	end = strrchr(text, ')');
	return end != NULL && end[1] == ' ' && end[2] == 'S';
}
