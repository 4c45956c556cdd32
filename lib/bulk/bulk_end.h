/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BULK_END_H
#define BULK_END_H

/*
 * What both ends of a channel do alike with their bulk messages: find out how
 * one stands, copy what is theirs to copy, and tell others.
 */

#include <sys/queue.h>

#include <rte_cycles.h>

#include "bulk_copy.h"
#include "ferry_end_part.h"
#include "ferry_process.h"
#include "ferry_watch.h"

/* Units are examined so often: 20 ms at 5 GHz. */
#define BULK_AUDIT_TICKS UINT64_C(100000000)

/* Whether it is time to examine units. *next: when that is, 0 at first. */
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
	/* Its head: the channel, the other end, bells, copier, memory. */
	struct ferry_end *end;
	/* Not looked for in the channel's head again: others may write
	 * there. */
	struct ferry_bulk_block *blocks;
	struct ferry_bulk_grant *grants;
	/* FERRY_UNIT_TX or FERRY_UNIT_RX. */
	uint8_t party;
	struct ferry_bulk_stats stats;
	/* This process: its sides are sealed with its token. */
	struct ferry_process self;
	/* The process at the other end, read once: what others write there
	 * later is not looked at. known: it has been read; local: it is this
	 * process. */
	struct ferry_process peer;
	bool known;
	bool local;
	/* The hub's engine is in this process, and may read private memory. */
	bool in_hub;
	/* Its pidfd, to see it end when there is no hub any more that would
	 * tell; negative: it could not be recognised. watched: this was
	 * tried. */
	int peer_fd;
	bool watched;
	/* This process cannot read the other one's memory. */
	bool vm_denied;
};

/* One message. */
struct bulk_msg {
	/* Who should copy. */
	uint32_t by;
	/* This party reaches source and destination; by process_vm_readv(). */
	bool able;
	bool vm;
	/* The hub's end has been dealt with. */
	bool repaired;
	/* When it last got on, and how far it was. */
	uint64_t moved;
	uint32_t seen;
	/* When its units are examined next. */
	uint64_t audit;
	/* How long claims of this process's threads are waited for in vain. */
	struct ferry_watch patience;
	/* It is over, for good: 1, or negative. 0: it is not. */
	int ended;
	/* Last: it is long. */
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

/* Whether the other end, too, has all of the own side at the same address. */
static inline bool
bulk_is_shared(const struct bulk_end *e, const struct bulk_side *side)
{
	return bulk_side_reaches(side, e->end->memory, FERRY_REACH_ENDS);
}

/* Whether this end can copy to or from the other one's side where it is. */
bool bulk_follow(struct bulk_end *e, const struct bulk_side *side);

/* Whether both ends are in this process. */
bool bulk_is_local(struct bulk_end *e);

/* What the other end has sealed its sides with, if it is in this process; 0: it
 * is not. */
static inline uint64_t
bulk_key(struct bulk_end *e)
{
	return bulk_is_local(e) ? e->self.token : 0;
}

/* Say that a side is in use, or no more. */
void bulk_hold(const struct bulk_end *e, const struct bulk_side *side,
		bool hold);

/* The message has its destination in v.dst: find out who can copy, and begin to
 * watch the other end's process. */
void bulk_started(struct bulk_end *e, struct bulk_msg *m);

/* Whether a wait has to look: the other end has ended, and bulk_look() has not
 * gone on without the hub already. */
bool bulk_has_ended(const struct bulk_end *e, const struct bulk_msg *m);

/* Whether a party other than this one, that is not known to be dead, may be at
 * work on the message in a block. */
bool bulk_block_busy(struct bulk_end *e, const struct ferry_bulk_block *block,
		uint32_t n_units);

/* Look how the message stands: ended is set if it is over, and it is certain
 * whether it is whole. Its memory may still be in use: bulk_block_busy(). */
void bulk_look(struct bulk_end *e, struct bulk_msg *m);

/* End one that is over already without those who copy: what they have claimed
 * is not going to count. */
void bulk_give_up(struct bulk_end *e, struct bulk_msg *m);

/* Whether claims of this process's threads on a message that is over have been
 * waited for for so long that no thread has made them. */
bool bulk_is_impatient(struct bulk_msg *m);

/* Claim and copy, up to limit: how many units; or 0. */
uint32_t bulk_step(struct bulk_end *e, struct bulk_msg *m, enum ferry_mode mode,
		uint32_t limit);

/* Whether bulk_step() would find something. Does not change anything. */
bool bulk_may_step(const struct bulk_msg *m, uint8_t party);

/* End a message early, and wake the other end. */
void bulk_over(const struct bulk_end *e, const struct bulk_msg *m, int why);

/* Tell the server that a message has begun. */
void bulk_announce(struct bulk_end *e, const struct bulk_msg *m);

/* Wake the ends that may sleep, if a message has come as far as they wish. By
 * whoever has marked units. */
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
