/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_RING_H
#define FERRY_RING_H

/**
 * @file
 * One side of an rte_ring that has one producer and one consumer.
 *
 * The ring lies in shared memory, and another process may write nonsense into
 * it. DPDK's own functions take a ring's size, mask and own index from there.
 * This side keeps them in private memory. The only word that it reads from the
 * ring's head is the other side's index. That index is read once and checked:
 * an index that cannot be true is told to the caller, and no place outside the
 * ring is ever read or written.
 *
 * The layout is that of struct rte_ring, and both heads are kept as DPDK keeps
 * them, so that rte_ring_dump() and rte_ring_count() work.
 *
 * Synchronisation: the producer's release of prod.tail pairs with the
 * consumer's acquire in ferry_ring_count(); the consumer's release of cons.tail
 * pairs with the producer's acquire in ferry_ring_room(). The letters of these
 * edges are those of the ring: R1, R2, R3, J1, J2.
 *
 * Thread-safety: one thread a side.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* For rte_ring.h, which uses ssize_t. */
#include <sys/types.h>

#include <rte_branch_prediction.h>
#include <rte_ring.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One side of a ring. Lies in private memory. */
struct ferry_ring {
	/** The ring, in shared memory. */
	struct rte_ring *ring;
	/** Places less one: an index becomes a place by this mask. */
	uint32_t mask;
	/** This side's index: the next element that it writes or reads. */
	uint32_t at;
	/** Producer: the consumer's index, as it was last read. */
	uint32_t other;
};

/** @cond internal */
/**
 * Begin to use a ring as its producer, where the one before left off.
 *
 * @param[out] r
 *   The side.
 * @param ring
 *   A ring made by rte_ring_init() with one producer and one consumer.
 * @param count
 *   Its places, a power of two, as the caller knows them.
 * @return
 *   Whether the two indices can be true.
 */
static inline bool
ferry_ring_produce(struct ferry_ring *r, struct rte_ring *ring, uint32_t count)
{
	r->ring = ring;
	r->mask = count - 1;
	r->at = __atomic_load_n(&ring->prod.tail, __ATOMIC_RELAXED);
	r->other = __atomic_load_n(&ring->cons.tail, __ATOMIC_ACQUIRE);
	return r->at - r->other <= r->mask;
}

/**
 * Begin to use a ring as its consumer, where the one before left off.
 *
 * @param[out] r
 *   The side.
 * @param ring
 *   As for ferry_ring_produce().
 * @param count
 *   As for ferry_ring_produce().
 * @return
 *   Whether the two indices can be true.
 */
static inline bool
ferry_ring_consume(struct ferry_ring *r, struct rte_ring *ring, uint32_t count)
{
	r->ring = ring;
	r->mask = count - 1;
	r->at = __atomic_load_n(&ring->cons.tail, __ATOMIC_RELAXED);
	r->other = r->at;
	return __atomic_load_n(&ring->prod.tail, __ATOMIC_ACQUIRE) - r->at <=
		r->mask;
}

/**
 * Where an element is.
 *
 * @param r
 *   Either side.
 * @param i
 *   How many elements after this side's index.
 * @param esize
 *   Bytes of an element, a constant.
 * @return
 *   The element's place.
 */
static inline void *
ferry_ring_place(const struct ferry_ring *r, uint32_t i, size_t esize)
{
	return (uint8_t *)&r->ring[1] + (size_t)((r->at + i) & r->mask) * esize;
}

/**
 * Whether there is room for elements. The consumer's line is looked at only if
 * what was last seen there does not suffice.
 *
 * @param r
 *   The producer's side.
 * @param n
 *   How many.
 * @return
 *   Whether there is; false also if the consumer's index cannot be true.
 */
static inline bool
ferry_ring_room(struct ferry_ring *r, uint32_t n)
{
	uint32_t tail;

	if (likely(r->at + n - r->other <= r->mask))
		return true;
	tail = __atomic_load_n(&r->ring->cons.tail, __ATOMIC_ACQUIRE);
	if (unlikely(r->at - tail > r->mask))
		return false;
	r->other = tail;
	return r->at + n - tail <= r->mask;
}

/**
 * Publish elements that have been written to their places.
 *
 * @param r
 *   The producer's side.
 * @param n
 *   How many; there was room for them.
 */
static inline void
ferry_ring_publish(struct ferry_ring *r, uint32_t n)
{
	r->at += n;
	__atomic_store_n(&r->ring->prod.head, r->at, __ATOMIC_RELAXED);
	__atomic_store_n(&r->ring->prod.tail, r->at, __ATOMIC_RELEASE);
}

/**
 * Publish the producer's elements once more, because another process has
 * written over the ring's indices: otherwise the consumer would not see these
 * elements, and their producer would wait for ever.
 *
 * @param r
 *   The producer's side.
 */
static inline void
ferry_ring_retell(struct ferry_ring *r)
{
	if (unlikely(__atomic_load_n(&r->ring->prod.tail, __ATOMIC_RELAXED) !=
			r->at))
		ferry_ring_publish(r, 0);
}

/**
 * How many elements there are, as the producer says. The caller compares it
 * with what can be true: see ferry_ring_lies().
 *
 * @param r
 *   The consumer's side.
 * @return
 *   The number.
 */
static inline uint32_t
ferry_ring_count(const struct ferry_ring *r)
{
	return __atomic_load_n(&r->ring->prod.tail, __ATOMIC_ACQUIRE) - r->at;
}

/**
 * Whether more elements are said to be in a ring than it has room for.
 *
 * @param r
 *   The side.
 * @param n
 *   From ferry_ring_count().
 * @return
 *   Whether the number is impossible.
 */
static inline bool
ferry_ring_lies(const struct ferry_ring *r, uint32_t n)
{
	return unlikely(n > r->mask);
}

/**
 * Give back the places of elements that have been read.
 *
 * @param r
 *   The consumer's side.
 * @param n
 *   How many.
 */
static inline void
ferry_ring_done(struct ferry_ring *r, uint32_t n)
{
	r->at += n;
	__atomic_store_n(&r->ring->cons.head, r->at, __ATOMIC_RELAXED);
	__atomic_store_n(&r->ring->cons.tail, r->at, __ATOMIC_RELEASE);
}

/**
 * What the consumer has not given back yet.
 *
 * @param r
 *   The producer's side.
 * @return
 *   How many elements; more than the ring has places if the consumer's index
 *   cannot be true.
 */
static inline uint32_t
ferry_ring_left(const struct ferry_ring *r)
{
	return r->at - __atomic_load_n(&r->ring->cons.tail, __ATOMIC_ACQUIRE);
}

/** @endcond */

#ifdef __cplusplus
}
#endif

#endif /* FERRY_RING_H */
