/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_QUEUE_H
#define SOFTDSA_QUEUE_H

/*
 * The descriptors of a work queue that no engine has taken yet.
 *
 * Any thread may put a descriptor, in a signal handler. Any engine may take
 * one. No thread waits for another one: a producer that is interrupted between
 * claiming a place and filling it delays the descriptors behind it, but not the
 * threads that put them. Each place has a turn number: even turns are for a
 * producer, odd ones for a consumer.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "softdsa_spec.h"

/* A power of two, not less than the largest size of a work queue. */
#define SOFTDSA_QUEUE_PLACES 1024u

struct softdsa_place {
	struct softdsa_desc desc;
	uint64_t turn;
} __attribute__((aligned(128)));

struct softdsa_queue {
	uint64_t tail __attribute__((aligned(64)));
	uint64_t head __attribute__((aligned(64)));
	struct softdsa_place places[SOFTDSA_QUEUE_PLACES];
};

static inline uint64_t
softdsa_turn(uint64_t pos)
{
	return pos / SOFTDSA_QUEUE_PLACES * 2;
}

static inline struct softdsa_place *
softdsa_place(struct softdsa_queue *q, uint64_t pos)
{
	return &q->places[pos % SOFTDSA_QUEUE_PLACES];
}

/* Put a descriptor. False if there is no free place. Safe in signal
 * handlers. */
static inline bool
softdsa_queue_put(struct softdsa_queue *q, const struct softdsa_desc *d)
{
	uint64_t pos = __atomic_load_n(&q->tail, __ATOMIC_RELAXED);

	for (;;) {
		struct softdsa_place *p = softdsa_place(q, pos);
		/* Pairs with Q2: a consumer has emptied the place. */
		uint64_t turn = __atomic_load_n(&p->turn, __ATOMIC_ACQUIRE);

		if (turn < softdsa_turn(pos))
			return false;
		if (turn > softdsa_turn(pos)) {
			pos = __atomic_load_n(&q->tail, __ATOMIC_RELAXED);
			continue;
		}
		if (!__atomic_compare_exchange_n(&q->tail, &pos, pos + 1, true,
				__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		p->desc = *d;
		/* Q1 */
		__atomic_store_n(&p->turn, turn + 1, __ATOMIC_RELEASE);
		return true;
	}
}

/* Take the oldest descriptor. False if there is none, or if a producer is still
 * filling its place. */
static inline bool
softdsa_queue_take(struct softdsa_queue *q, struct softdsa_desc *d)
{
	uint64_t pos = __atomic_load_n(&q->head, __ATOMIC_RELAXED);

	for (;;) {
		struct softdsa_place *p = softdsa_place(q, pos);
		/* Pairs with Q1: the descriptor is complete. */
		uint64_t turn = __atomic_load_n(&p->turn, __ATOMIC_ACQUIRE);

		if (turn < softdsa_turn(pos) + 1)
			return false;
		if (turn > softdsa_turn(pos) + 1) {
			pos = __atomic_load_n(&q->head, __ATOMIC_RELAXED);
			continue;
		}
		if (!__atomic_compare_exchange_n(&q->head, &pos, pos + 1, true,
				__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		*d = p->desc;
		/* Q2 */
		__atomic_store_n(&p->turn, turn + 1, __ATOMIC_RELEASE);
		return true;
	}
}

/* Whether there seems to be a descriptor to take. */
static inline bool
softdsa_queue_ready(const struct softdsa_queue *q)
{
	const uint64_t pos = __atomic_load_n(&q->head, __ATOMIC_RELAXED);
	const struct softdsa_place *p = &q->places[pos % SOFTDSA_QUEUE_PLACES];

	/* Only a hint to look again with softdsa_queue_take(). */
	return __atomic_load_n(&p->turn, __ATOMIC_RELAXED) ==
		softdsa_turn(pos) + 1;
}

#endif /* SOFTDSA_QUEUE_H */
