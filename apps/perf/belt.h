/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_BELT_H
#define PERF_BELT_H

/*
 * Where bulk messages lie: one behind the other in a ring of the side's ferry
 * memory. A message has the same place in the sender's ring and in the
 * receiver's. A place is counted in bytes since the start. A message that does
 * not fit into the end of the ring begins at the ring's start, and the bytes
 * that it leaves free count, too. So the place of one message and the lengths
 * give the places of all.
 *
 * As in pool.h, the sender writes a message long before it sends it, if the
 * ring is long enough. The message has left the cache by then.
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
	/* Bytes that the sender writes ahead of the message it sends. */
	uint64_t ahead;
	/* Place of the next message to send. */
	uint64_t at;
	/* Place and number of the next message to write. */
	uint64_t write_at;
	uint64_t write_seq;
};

/* Place a message at *at, and move *at behind it. Returns the message's offset
 * in the ring. */
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

/* Whether the sender has to write the next message before it sends message
 * seq. */
static inline bool
belt_is_due(const struct belt *b, uint64_t seq)
{
	return b->write_seq <= seq || b->write_at < b->at + b->ahead;
}

#endif /* PERF_BELT_H */
