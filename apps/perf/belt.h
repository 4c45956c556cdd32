/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_BELT_H
#define PERF_BELT_H

/*
 * Where bulk messages are: one behind the other in a ring of the side's ferry
 * memory, those of the sender and those of the receiver at the same places of
 * their rings. A place is counted in bytes since the start, the end of the ring
 * that a message did not fit into included, so that who knows the place of one
 * message and the lengths knows all.
 *
 * As in pool.h, the sender writes a message long before it sends it, as far as
 * the ring is long enough: it has left the cache by then.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

/* Messages begin on pages. */
#define BELT_ALIGN UINT64_C(4096)

struct belt {
	uint8_t *mem;
	/* Bytes of the ring, a multiple of BELT_ALIGN. */
	uint64_t size;
	/* Bytes written ahead of what is sent. */
	uint64_t ahead;
	/* Place of the next message to send. */
	uint64_t at;
	/* Place and number of the next message to write. */
	uint64_t write_at;
	uint64_t write_seq;
};

/* Put a message behind *at, and move that behind it: where in the ring. */
static inline uint64_t
belt_put(const struct belt *b, uint64_t *at, uint64_t len)
{
	uint64_t start = *at % b->size;

	if (start + len > b->size) {
		*at += b->size - start;
		start = 0;
	}
	*at += RTE_ALIGN_CEIL(len, BELT_ALIGN);
	return start;
}

/* Whether the next message has to be written before message seq is sent. */
static inline bool
belt_is_due(const struct belt *b, uint64_t seq)
{
	return b->write_seq <= seq || b->write_at < b->at + b->ahead;
}

#endif /* PERF_BELT_H */
