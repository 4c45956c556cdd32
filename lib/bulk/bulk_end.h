/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BULK_END_H
#define BULK_END_H

/*
 * What both ends of a channel do in the same way with their bulk messages: find
 * out how a message stands, copy what the end is to copy, and tell the other
 * parties.
 */

#include <sys/queue.h>

#include <rte_cycles.h>

#include "bulk_copy.h"
#include "ferry_end_part.h"
#include "ferry_process.h"
#include "ferry_watch.h"

/* How often units are examined: every 20 ms at 5 GHz. */
#define BULK_AUDIT_TICKS UINT64_C(100000000)

/* Whether it is time to examine units. *next: when it is time; 0 at first. */
static inline bool
bulk_audit_due(uint64_t *next)
{
	const uint64_t now = rte_rdtsc();

	if (likely(now < *next))
		return false;
	*next = now + BULK_AUDIT_TICKS;
	return true;
}

/* One end's part in all its bulk messages. */
struct bulk_end {
	/* The end's head: the channel, the other end, bells, copier, memory. */
	struct ferry_end *end;
	/* Found once, because other processes may write into the channel's
	 * head. */
	struct ferry_bulk_block *blocks;
	struct ferry_bulk_grant *grants;
	/* FERRY_UNIT_TX or FERRY_UNIT_RX. */
	uint8_t party;
	struct ferry_bulk_stats stats;
	/* This process. Its token seals the sides that this end writes. */
	struct ferry_process self;
	/* The process at the other end, read once, because other processes may
	 * write there later. known: peer has been read. local: peer is this
	 * process. */
	struct ferry_process peer;
	bool known;
	bool local;
	/* The hub's engine is in this process, and may read private memory. */
	bool in_hub;
	/* A pidfd of the peer. It tells that the peer has ended when there is
	 * no hub any more to tell it. Negative: the peer could not be
	 * recognised. watched: this end has tried to open it. */
	int peer_fd;
	bool watched;
	/* This process cannot read the other one's memory. */
	bool vm_denied;
};

/* One message. */
struct bulk_msg {
	/* Which parties should copy: FERRY_BULK_*. */
	uint32_t by;
	/* able: this party reaches source and destination. vm: it does so by
	 * process_vm_readv(). */
	bool able;
	bool vm;
	/* The claims of the dead hub's engine have been taken back. */
	bool repaired;
	/* When the message last advanced, and how far it was then. */
	uint64_t moved;
	uint32_t seen;
	/* When the message's units are examined next. */
	uint64_t audit;
	/* How long this end waits for claims of this process's threads. */
	struct ferry_watch patience;
	/* 1 or negative: the message is over, for good. 0: it is not over. */
	int ended;
	/* The last member, because it is long. */
	struct bulk_view v;
};

/* Begin a message, whose view is set. */
static inline void
bulk_msg_init(struct bulk_msg *m, uint32_t by)
{
	m->by = by;
	m->able = false;
	m->vm = false;
	m->repaired = false;
	m->seen = 0;
	m->audit = 0;
	m->patience.limit = 0;
	m->ended = 0;
}

int bulk_end_init(struct bulk_end *e, struct ferry_end *end, uint8_t party);
void bulk_end_fini(struct bulk_end *e);

/* Whether the other end, too, has all of this end's side at the same
 * address. */
static inline bool
bulk_is_shared(const struct bulk_end *e, const struct bulk_side *side)
{
	return bulk_side_reaches(side, e->end->memory, FERRY_REACH_ENDS);
}

/* Whether this end can copy to or from the other end's side where it is. */
bool bulk_follow(struct bulk_end *e, const struct bulk_side *side);

/* Whether both ends are in this process. */
bool bulk_is_local(struct bulk_end *e);

/* The token with which the other end seals its sides, if that end is in this
 * process; 0 if it is not. */
static inline uint64_t
bulk_key(struct bulk_end *e)
{
	return bulk_is_local(e) ? e->self.token : 0;
}

/* Hold the memory of a side because it is in use; hold false: let go of it. */
void bulk_hold(const struct bulk_end *e, const struct bulk_side *side,
		bool hold);

/* The message has its destination in v.dst: find out whether this end can copy,
 * and begin to watch the other end's process. */
void bulk_started(struct bulk_end *e, struct bulk_msg *m);

/* Whether a wait has to call bulk_look(): the other end has ended. A message
 * that goes on without the hub does not count, unless the other end has
 * left. */
bool bulk_has_ended(const struct bulk_end *e, const struct bulk_msg *m);

/* Whether another party may be at work on the message in a block. A party that
 * is known to be dead is not. */
bool bulk_block_busy(struct bulk_end *e, const struct ferry_bulk_block *block,
		uint32_t n_units);

/* Look how the message stands. Sets ended if the message is over and it is
 * certain whether it is whole. Its memory may still be in use:
 * bulk_block_busy(). */
void bulk_look(struct bulk_end *e, struct bulk_msg *m);

/* End a message that is over, without waiting for the parties that still copy:
 * the units that these have claimed are not going to count. */
void bulk_give_up(struct bulk_end *e, struct bulk_msg *m);

/* Whether this end has waited long enough for claims of this process's threads
 * on a message that is over: so long that no thread can have made the
 * claims. */
bool bulk_is_impatient(struct bulk_msg *m);

/* Claim and copy units below limit. Returns how many, or 0. */
uint32_t bulk_step(struct bulk_end *e, struct bulk_msg *m, enum ferry_mode mode,
		uint32_t limit);

/* Whether bulk_step() would find units to copy. Changes nothing. */
bool bulk_may_step(const struct bulk_msg *m, uint8_t party);

/* End a message early, and wake the other end. */
void bulk_over(const struct bulk_end *e, const struct bulk_msg *m, int why);

/* Tell the server that a message has begun. */
void bulk_announce(struct bulk_end *e, const struct bulk_msg *m);

/* Wake the ends that may sleep, if a message has come as far as they wish.
 * Called by the party that has marked units. */
void bulk_ring(struct ferry_channel_shared *ch, struct ferry_bell *bells,
		uint32_t n_bells, const struct bulk_view *v);

/* Nanoseconds until a deadline of ferry_wait_deadline(). */
uint64_t bulk_left_ns(uint64_t deadline);

/* The number of a block. */
static inline uint32_t
bulk_number(const struct bulk_end *e, const struct bulk_view *v)
{
	return (uint32_t)(v->block - e->blocks);
}

#endif /* BULK_END_H */
