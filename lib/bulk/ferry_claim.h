/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CLAIM_H
#define FERRY_CLAIM_H

/**
 * @file
 * Claiming units of a bulk message, and saying that they are copied: see
 * ferry_bulk_layout.h. Internal to ferry.
 *
 * A party is one thread of one process; it claims, copies and marks:
 *
 *     n = ferry_claim_take(b, n_units, FERRY_UNIT_TX, want, limit,
 *             front, &first);
 *     if (ferry_bulk_over(b, gen) != 0)       never before the claim
 *             ferry_claim_drop(b, FERRY_UNIT_TX, first, n);
 *     else
 *             copy, then ferry_claim_done(b, FERRY_UNIT_TX, first, n);
 *
 * Once over is set, an end that does not wait for another party makes that
 * party's claims VOID (ferry_claim_void()). The other party's
 * ferry_claim_done() then gives the units back.
 *
 * The server is a party that the message's ends wait for only while it has
 * claims. Such a party also looks at gen, after over: it may have been asleep
 * since an earlier message, and over may speak of a later one. If it cannot
 * copy, it sets over before it drops the claim, while the block is still that
 * message's. test/models/claim.pml proves the claims; bulk_wake.pml and
 * engine_bulk.pml prove the wake-ups.
 *
 * n_units is the caller's own copy, because a corrupt peer may change what
 * stands in the block. Every index is checked against it.
 *
 * Preconditions: b is a block of a valid channel; n_units is at most
 * FERRY_BULK_UNITS; one thread at a time makes a party's calls for a block. No
 * call waits for another party, so that a party may be stopped or die at any
 * instruction: then exactly the units with its number are not DONE.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>

#include "ferry_bulk_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Take one unit, if it is free. */
static inline bool
ferry_claim_unit(struct ferry_bulk_block *b, uint32_t i, uint8_t party)
{
	uint8_t unit = __atomic_load_n(&b->units[i], __ATOMIC_RELAXED);

	/* seq_cst: ordered before the load of over. */
	return unit == FERRY_UNIT_FREE && __atomic_compare_exchange_n(
			&b->units[i], &unit, party, false, __ATOMIC_SEQ_CST,
			__ATOMIC_RELAXED);
}

/**
 * Take free units from i on, at most n. Stops at the first that is taken.
 * Returns how many.
 */
static inline uint32_t
ferry_claim_run(struct ferry_bulk_block *b, uint32_t i, uint32_t n,
		uint8_t party)
{
	uint32_t k = 0;

	while (k < n && ferry_claim_unit(b, i + k, party))
		k++;
	return k;
}

/**
 * Claim units that are next to each other, the lowest that are free.
 *
 * @param b
 *   The block.
 * @param n_units
 *   How many units the message has.
 * @param party
 *   FERRY_UNIT_TX and so on.
 * @param want
 *   The most to claim, from 1 up.
 * @param limit
 *   Only units below this one.
 * @param front
 *   All units below this one are known to be DONE.
 * @param[out] first
 *   The first unit claimed.
 * @return
 *   How many; 0 if none is free.
 */
static inline uint32_t
ferry_claim_take(struct ferry_bulk_block *b, uint32_t n_units, uint8_t party,
		uint32_t want, uint32_t limit, uint32_t front, uint32_t *first)
{
	uint32_t i, n, end = RTE_MIN(n_units, limit);
	uint32_t next = __atomic_load_n(&b->next, __ATOMIC_RELAXED);
	uint32_t tries = 0;

	/* Most claims succeed here, where no party has claimed yet. To move
	 * next on is no claim: it only sends the other parties elsewhere. Each
	 * turn moves next on by a unit at least. There are therefore no more
	 * turns than units, unless another process writes there. */
	while (next < end && tries++ < n_units) {
		n = RTE_MIN(want, end - next);
		if (!__atomic_compare_exchange_n(&b->next, &next, next + n,
				false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		*first = next;
		n = ferry_claim_run(b, next, n, party);
		if (likely(n > 0))
			return n;
		next += RTE_MIN(want, end - next);
	}
	/* Units that a party gave back, or that a party was first to reach with
	 * next and has not taken yet. */
	for (i = front; i < end; i++) {
		n = ferry_claim_run(b, i, RTE_MIN(want, end - i), party);
		if (n == 0)
			continue;
		*first = i;
		return n;
	}
	return 0;
}

/**
 * Give claimed units back. The party no longer reads or writes them.
 *
 * @param b
 *   The block.
 * @param party
 *   The party that claimed the units.
 * @param first
 *   The first unit.
 * @param n
 *   How many.
 */
static inline void
ferry_claim_drop(struct ferry_bulk_block *b, uint8_t party, uint32_t first,
		uint32_t n)
{
	uint32_t i;

	/* A compare-and-exchange, not a store: by now the block may belong to
	 * another message, and the unit to another party. */
	for (i = first; i < first + n; i++) {
		uint8_t unit = party;

		if (!__atomic_compare_exchange_n(&b->units[i], &unit,
				FERRY_UNIT_FREE, false, __ATOMIC_RELEASE,
				__ATOMIC_RELAXED) &&
				unit == (party | FERRY_UNIT_VOID))
			__atomic_compare_exchange_n(&b->units[i], &unit,
					FERRY_UNIT_FREE, false,
					__ATOMIC_RELEASE, __ATOMIC_RELAXED);
	}
}

/**
 * Mark claimed units as copied; give back those that became VOID.
 *
 * @param b
 *   The block.
 * @param party
 *   The party that claimed the units.
 * @param first
 *   The first unit.
 * @param n
 *   How many.
 */
static inline void
ferry_claim_done(struct ferry_bulk_block *b, uint8_t party, uint32_t first,
		uint32_t n)
{
	uint32_t i;

	/* U; in ascending order, so that the front moves on early. */
	for (i = first; i < first + n; i++) {
		uint8_t unit = party;

		if (unlikely(!__atomic_compare_exchange_n(&b->units[i], &unit,
				FERRY_UNIT_DONE, false, __ATOMIC_RELEASE,
				__ATOMIC_RELAXED)))
			ferry_claim_drop(b, party, i, 1);
	}
}

/**
 * Make a party's claims void: its units are not going to be DONE. Called after
 * over was set, so that the party makes no further claims.
 *
 * @param b
 *   The block.
 * @param party
 *   The party whose claims become void.
 * @param first
 *   The first unit.
 * @param n
 *   How many units to look at.
 */
static inline void
ferry_claim_void(struct ferry_bulk_block *b, uint8_t party, uint32_t first,
		uint32_t n)
{
	uint32_t i;

	/* Either the party's own exchange is first, and the acquire of
	 * ferry_claim_front() sees its bytes; or that exchange fails. Release:
	 * a thread that finds a VOID unit finds over, too. */
	for (i = first; i < first + n; i++) {
		uint8_t unit = party;

		__atomic_compare_exchange_n(&b->units[i], &unit,
				party | FERRY_UNIT_VOID, false,
				__ATOMIC_RELEASE, __ATOMIC_RELAXED);
	}
}

/**
 * How far a message is copied without a gap.
 *
 * @param b
 *   The block.
 * @param n_units
 *   How many units the message has.
 * @param front
 *   All units below this one are known to be DONE.
 * @return
 *   All units below this one are DONE, and what they hold is visible.
 */
static inline uint32_t
ferry_claim_front(const struct ferry_bulk_block *b, uint32_t n_units,
		uint32_t front)
{
	/* U */
	while (front < n_units && __atomic_load_n(&b->units[front],
			__ATOMIC_ACQUIRE) == FERRY_UNIT_DONE)
		front++;
	return front;
}

/**
 * Whether a party has claims that count: it may still mark units as DONE.
 *
 * @param b
 *   The block.
 * @param n_units
 *   How many units to look at, at most FERRY_BULK_UNITS.
 * @param party
 *   The party.
 * @return
 *   Whether the party has claimed one of the units.
 */
static inline bool
ferry_claim_counts(const struct ferry_bulk_block *b, uint32_t n_units,
		uint8_t party)
{
	uint32_t i;

	/* seq_cst: ordered after over was set. */
	for (i = 0; i < n_units; i++)
		if (__atomic_load_n(&b->units[i], __ATOMIC_SEQ_CST) == party)
			return true;
	return false;
}

/**
 * Whether a party has claims, void ones too: it may still be copying.
 *
 * @param b
 *   The block.
 * @param n_units
 *   How many units to look at, at most FERRY_BULK_UNITS.
 * @param party
 *   The party.
 * @return
 *   Whether the party has claimed one of the units.
 */
static inline bool
ferry_claim_any(const struct ferry_bulk_block *b, uint32_t n_units,
		uint8_t party)
{
	uint32_t i;

	/* seq_cst: ordered after over was set. */
	for (i = 0; i < n_units; i++)
		if ((__atomic_load_n(&b->units[i], __ATOMIC_SEQ_CST) &
				~FERRY_UNIT_VOID) == party)
			return true;
	return false;
}

/**
 * Take back the claims of a dead party, so that other parties copy the units.
 *
 * @param b
 *   The block.
 * @param n_units
 *   How many units the message has.
 * @param party
 *   A party that is known to be dead: no copy that it started is under way.
 * @return
 *   How many units were taken back.
 */
static inline uint32_t
ferry_claim_repair(struct ferry_bulk_block *b, uint32_t n_units, uint8_t party)
{
	uint32_t i, n = 0;

	for (i = 0; i < n_units; i++) {
		uint8_t unit = __atomic_load_n(&b->units[i], __ATOMIC_RELAXED);

		n += (unit & ~FERRY_UNIT_VOID) == party &&
			__atomic_compare_exchange_n(&b->units[i], &unit,
				FERRY_UNIT_FREE, false, __ATOMIC_RELAXED,
				__ATOMIC_RELAXED);
	}
	return n;
}

/** Bytes of a unit of a message. */
static inline uint64_t
ferry_unit_len(uint64_t len, uint64_t unit, uint32_t i)
{
	return RTE_MIN(unit, len - i * unit);
}

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CLAIM_H */
