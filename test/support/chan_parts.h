/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHAN_PARTS_H
#define CHAN_PARTS_H

/*
 * Find the parts of a channel by the offsets in its head, for tests that read
 * or spoil them. The library itself finds them by ferry_channel_find().
 */

#include "ferry_bulk_layout.h"
#include "ferry_channel_parts.h"

static inline struct rte_ring *
chan_fwd(const struct ferry_channel_shared *ch)
{
	return (struct rte_ring *)ferry_channel_at(ch, ch->off_fwd);
}

static inline struct rte_ring *
chan_back(const struct ferry_channel_shared *ch)
{
	return (struct rte_ring *)ferry_channel_at(ch, ch->off_back);
}

static inline struct rte_ring *
chan_jobs(const struct ferry_channel_shared *ch)
{
	return (struct rte_ring *)ferry_channel_at(ch, ch->off_jobs);
}

static inline struct rte_ring *
chan_out(const struct ferry_channel_shared *ch)
{
	return (struct rte_ring *)ferry_channel_at(ch, ch->off_out);
}

static inline struct ferry_bulk_block *
chan_bulk(const struct ferry_channel_shared *ch)
{
	return (struct ferry_bulk_block *)ferry_channel_at(ch, ch->off_bulk);
}

static inline struct ferry_bulk_grant *
chan_grants(const struct ferry_channel_shared *ch)
{
	return (struct ferry_bulk_grant *)&chan_bulk(ch)[FERRY_BULK_BLOCKS];
}

#endif /* CHAN_PARTS_H */
