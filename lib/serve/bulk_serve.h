/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BULK_SERVE_H
#define BULK_SERVE_H

/*
 * A server's part in the bulk messages of one channel. The server claims units,
 * gives them to its copier, and marks them when the copier is done with them.
 */

#include "bulk_copy.h"

/* Set in the lower half of a cookie: the rest of it is a claim's number. */
#define BULK_SERVE_COOKIE (UINT32_C(1) << 31)

struct bulk_serve;

/* key: this process's token if the producer is in this process; otherwise 0.
 * memory: says which processes reach memory that is not private. */
struct bulk_serve *bulk_serve_make(struct ferry_channel_shared *shared,
		struct ferry_bulk_block *blocks, struct ferry_bell *bells,
		uint32_t n_bells, uint64_t key,
		const struct ferry_channel_memory *memory, uint64_t cookie);
void bulk_serve_free(struct bulk_serve *s);

/* Give the copier what is left of the claims. If more is set, claim units, too:
 * for devices, or for a core that has nothing else to do. Returns 0 if there
 * was nothing to do. */
unsigned int bulk_serve_turn(struct bulk_serve *s, struct ferry_copier *copier,
		bool more);

/* The copier has ended a job with this lower half of its cookie. Returns the
 * bytes of messages that are copied by that. Sets *unsafe if a device may write
 * to their destination for ever. */
uint64_t bulk_serve_done(struct bulk_serve *s, uint32_t cookie,
		enum ferry_copy_status status, bool *unsafe);

/* Claims that are not done. */
uint32_t bulk_serve_claims(const struct bulk_serve *s);

/* Whether a turn would claim something. */
bool bulk_serve_wants(struct bulk_serve *s);

#endif /* BULK_SERVE_H */
