/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CHANNEL_PARTS_H
#define FERRY_CHANNEL_PARTS_H

/**
 * @file
 * Making, checking and counting a channel's memory, and finding its parts. Not
 * installed: for the hub, the ends and the server. What the memory looks like
 * is in ferry_channel_layout.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_ring.h>

#include "ferry_channel_layout.h"
#include "ferry_process.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_bulk_block;
struct ferry_bulk_grant;

/**
 * The seal of a job.
 *
 * @param key
 *   The token of the producer's process.
 * @param job
 *   The job, in private memory.
 * @return
 *   What stands in its seal.
 */
static inline uint32_t
ferry_job_seal(uint64_t key, const struct ferry_job *job)
{
	return ferry_process_seal(key ^ (uint64_t)job->seq << 32,
			job->src, (uint64_t)job->len << 32 | job->slot);
}

/** Most messages that a server publishes at a time. */
#define FERRY_SERVER_BURST 32

/**
 * Places of a channel's job ring. It holds the jobs of all slots. Beside them
 * it holds a burst that the server has published and not yet let go of: the
 * consumer may have released these slots, and the producer may have posted them
 * again.
 *
 * @param n_slots
 *   The channel's slots.
 * @return
 *   A power of two.
 */
static inline uint32_t
ferry_jobs_places(uint32_t n_slots)
{
	return rte_align32pow2(n_slots +
			RTE_MIN(n_slots, (uint32_t)FERRY_SERVER_BURST) + 1);
}

/**
 * A number that differs whenever the layout of the channel's structures does.
 *
 * @return
 *   The number, constant in one build.
 */
uint32_t ferry_channel_layout_hash(void);

/**
 * Lay out a channel in fresh memory. Only the hub calls this, while no other
 * process or thread knows the memory yet. The ends are ABSENT and all slots are
 * free.
 *
 * @param mem
 *   ferry_channel_memory(config) bytes, aligned to FERRY_APART.
 * @param config
 *   What the channel shall be like; zeros mean the defaults.
 * @param name
 *   The channel's name, shorter than FERRY_NAME_MAX.
 * @param id
 *   A number no other channel of the hub has.
 * @return
 *   0 or -EINVAL.
 */
int ferry_channel_format(void *mem, const struct ferry_channel_config *config,
		const char *name, uint64_t id);

/**
 * Check that memory holds a channel that this build can use: magic, version,
 * layout hash, and offsets that lie within size bytes.
 *
 * @param ch
 *   Memory that should hold a channel.
 * @param size
 *   Bytes of it that may be read.
 * @return
 *   0, FERRY_E_VERSION, or FERRY_E_CORRUPT.
 */
int ferry_channel_valid(const struct ferry_channel_shared *ch, uint64_t size);

/**
 * Where the parts of a channel are in this process, and how large they are. It
 * lies in private memory: it stays as it is when another process writes into
 * the channel's head later.
 */
struct ferry_channel_parts {
	/** The channel's head. */
	struct ferry_channel_shared *shared;
	/** Forward ring, of struct ferry_desc. */
	struct rte_ring *fwd;
	/** Back ring, of slot numbers. */
	struct rte_ring *back;
	/** Job ring, of struct ferry_job. */
	struct rte_ring *jobs;
	/** Out ring, of struct ferry_desc. */
	struct rte_ring *out;
	/** The producer's held table. */
	uint32_t *tx_held;
	/** The consumer's held table. */
	uint32_t *rx_held;
	/** The cells. */
	struct ferry_cell *cells;
	/** The blocks of bulk messages. */
	struct ferry_bulk_block *blocks;
	/** The buffers lent by the consumer. */
	struct ferry_bulk_grant *grants;
	/** The first slot. */
	uint8_t *slots;
	/** Bytes from one slot to the next. */
	uint64_t stride;
	/** Bytes that fit into a slot. */
	uint32_t slot_size;
	/** How many slots there are. */
	uint32_t n_slots;
	/** Places of the forward, back and out ring. */
	uint32_t ring_count;
	/** Places of the job ring. */
	uint32_t jobs_count;
};

/**
 * Find the parts of a channel. Each field of the channel's head is read once.
 *
 * @param[out] parts
 *   Where the parts are. NULL: the channel is only checked.
 * @param ch
 *   Memory that should hold a channel.
 * @param size
 *   Bytes of it that may be read and written.
 * @param config
 *   What the channel was made with, without zeros, if the caller knows. NULL:
 *   use what the channel's head says.
 * @return
 *   As ferry_channel_valid(); FERRY_E_CORRUPT also if the channel says
 *   something else than config.
 */
int ferry_channel_find(struct ferry_channel_parts *parts,
		struct ferry_channel_shared *ch, uint64_t size,
		const struct ferry_channel_config *config);

/**
 * Count where every slot is. Exact when neither end is running (dead, closed,
 * or the caller's own); otherwise a snapshot. Atomic loads read all that a
 * living end may write at the same time.
 *
 * @param ch
 *   A channel that was valid once.
 * @param config
 *   What the channel was made with, for a caller that does not rely on the
 *   channel's head because others may have written there. NULL: what the head
 *   says.
 * @param living
 *   The producer may be running. The census then does not read the slot numbers
 *   in its cells, because the producer writes cells with plain stores. It
 *   counts slots in cells by the cells' stamps.
 * @param[out] census
 *   The numbers.
 * @return
 *   0, -ENOMEM, or FERRY_E_CORRUPT if a ring names a slot that does not exist
 *   or the same slot twice.
 */
int ferry_channel_census(const struct ferry_channel_shared *ch,
		const struct ferry_channel_config *config, bool living,
		struct ferry_channel_census *census);

/** @name Parts of a channel
 * @{
 */
/**
 * The part at an offset.
 *
 * @param ch
 *   A valid channel.
 * @param offset
 *   One of its off_ fields.
 * @return
 *   Where it is in this process.
 */
static inline void *
ferry_channel_at(const struct ferry_channel_shared *ch, uint64_t offset)
{
	return RTE_PTR_ADD(ch, offset);
}
/** @} */

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CHANNEL_PARTS_H */
