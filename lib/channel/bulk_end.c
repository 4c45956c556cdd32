/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "bulk_end.h"

/*
 * A message that does not get on for so long, though others should copy it, is
 * everybody's; and where whoever copies may be asleep. In the time per byte a
 * core copies it four times: they may have something else to do first.
 */
#define STALL_US 200
#define STALL_SLEEP_US 20000
#define STALL_BYTE_NS 0.4

int
bulk_end_init(struct bulk_end *e, struct ferry_channel_shared *shared,
		uint8_t party, struct ferry_copier *copier,
		const struct ferry_channel_memory *memory,
		struct ferry_bell *bells, uint32_t n_bells,
		const struct ferry_boards *boards)
{
	memset(e, 0, sizeof(*e));
	e->shared = shared;
	e->other = party == FERRY_UNIT_TX ? &shared->rx : &shared->tx;
	e->party = party;
	e->pid = getpid();
	e->copier = copier;
	e->memory = memory;
	e->bells = bells;
	e->n_bells = n_bells;
	e->boards = *boards;
	e->peer_fd = -1;
	return copier != NULL ? 0 : -ENOTSUP;
}

void
bulk_end_fini(struct bulk_end *e)
{
	if (e->peer_fd >= 0)
		close(e->peer_fd);
	e->peer_fd = -1;
}

bool
bulk_is_shared(const struct bulk_end *e, const struct bulk_side *side)
{
	const struct ferry_channel_memory *m = e->memory;
	uint32_t i;

	for (i = 0; i < side->n; i++)
		if (m == NULL || !m->is_shared(m->arg,
				(const void *)(uintptr_t)side->segs[i].addr,
				side->segs[i].len))
			return false;
	return true;
}

bool
bulk_reaches(const struct bulk_end *e, const struct bulk_side *side)
{
	return (side->flags & FERRY_BULK_SHARED) != 0 &&
		bulk_is_shared(e, side);
}

bool
bulk_is_local(const struct bulk_end *e)
{
	return __atomic_load_n(&e->other->pid, __ATOMIC_RELAXED) == e->pid;
}

void
bulk_hold(const struct bulk_end *e, const struct bulk_side *side, bool hold)
{
	const struct ferry_channel_memory *m = e->memory;
	uint32_t i;

	for (i = 0; i < side->n && m != NULL; i++)
		(hold ? m->hold : m->unhold)(m->arg,
			(const void *)(uintptr_t)side->segs[i].addr,
			side->segs[i].len);
}

/* Watch the other end's process, if that is not done yet. */
static void
peer_watch(struct bulk_end *e)
{
	const int32_t pid = __atomic_load_n(&e->other->pid, __ATOMIC_RELAXED);

	if (e->peer_pid == pid)
		return;
	bulk_end_fini(e);
	e->peer_pid = pid;
	if (pid != e->pid)
		e->peer_fd = (int)syscall(SYS_pidfd_open, pid, 0);
}

void
bulk_started(struct bulk_end *e, struct bulk_msg *m)
{
	const bool local = bulk_is_local(e);

	m->v.started = true;
	m->moved = rte_rdtsc();
	if (e->party == FERRY_UNIT_TX)
		m->able = local || bulk_reaches(e, &m->v.dst);
	else if ((m->v.dst.flags & FERRY_BULK_WINDOW) != 0)
		m->able = false;
	else
		m->able = local || bulk_reaches(e, &m->v.src);
	m->vm = !m->able && e->party == FERRY_UNIT_RX && !e->vm_denied &&
		(m->v.dst.flags & FERRY_BULK_WINDOW) == 0;
	m->able |= m->vm;
	peer_watch(e);
}

/* Whether the other end's process is there, when no hub tells. */
static bool
peer_lives(struct bulk_end *e)
{
	struct pollfd fd = { .events = POLLIN };

	/* No message may have begun yet. */
	peer_watch(e);
	if (e->peer_pid == e->pid)
		return true;
	fd.fd = e->peer_fd;
	return e->peer_fd >= 0 && poll(&fd, 1, 0) == 0;
}

/* Why the other end will do nothing more: 0, or FERRY_E_*. */
static int
peer_result(struct bulk_end *e)
{
	const int ret = ferry_end_result(e->other);

	if (likely(ret != FERRY_E_HUB_GONE))
		return ret;
	if (bulk_has_left(e->other))
		return FERRY_E_CLOSED;
	return peer_lives(e) ? 0 : ret;
}

bool
bulk_has_ended(const struct bulk_end *e, const struct bulk_msg *m)
{
	return ferry_end_result(e->other) != 0 &&
		(!m->repaired || bulk_has_left(e->other));
}

bool
bulk_block_busy(struct bulk_end *e, const struct ferry_bulk_block *block,
		uint32_t n_units)
{
	const uint8_t other = e->party == FERRY_UNIT_TX ? FERRY_UNIT_RX :
		FERRY_UNIT_TX;
	const int gone = ferry_end_result(e->other);

	/* An end closes after its last copy. */
	if (peer_result(e) == 0 && ferry_claim_any(block, n_units, other))
		return true;
	return gone != FERRY_E_HUB_GONE &&
		ferry_claim_any(block, n_units, FERRY_UNIT_SERVER);
}

void
bulk_look(struct bulk_end *e, struct bulk_msg *m)
{
	struct bulk_view *v = &m->v;
	int over;

	if (m->ended != 0)
		return;
	v->front = ferry_claim_front(v->block, v->n_units, v->front);
	if (v->front == v->n_units) {
		m->ended = 1;
		return;
	}
	over = ferry_bulk_over(v->block, v->gen);
	if (likely(over == 0)) {
		if (likely(ferry_end_result(e->other) == 0))
			return;
		over = peer_result(e);
		if (over == 0) {
			/* What the hub's engine had claimed. */
			if (!m->repaired)
				ferry_claim_repair(v->block, v->n_units,
						FERRY_UNIT_SERVER);
			m->repaired = true;
			m->by = FERRY_BULK_TX | FERRY_BULK_RX;
			return;
		}
		over = ferry_bulk_end(v->block, v->gen, over);
	}
	if (bulk_block_busy(e, v->block, v->n_units))
		return;
	/* No claim is possible any more: what is found by looking again, from
	 * here on, both ends find. */
	v->front = ferry_claim_front(v->block, v->n_units, v->front);
	m->ended = v->front == v->n_units ? 1 : over;
}

bool
bulk_may_step(const struct bulk_msg *m, uint8_t party)
{
	uint32_t i;

	if (!m->v.started || !m->able || (m->by & 1u << party) == 0)
		return false;
	if (__atomic_load_n(&m->v.block->next, __ATOMIC_RELAXED) < m->v.n_units)
		return true;
	for (i = m->v.front; i < m->v.n_units; i++)
		if (__atomic_load_n(&m->v.block->units[i], __ATOMIC_RELAXED) ==
				FERRY_UNIT_FREE)
			return true;
	return false;
}

/* Whether those who should copy do not come. */
static bool
is_stalled(struct bulk_msg *m, enum ferry_mode mode)
{
	const uint32_t now = m->v.front + __atomic_load_n(&m->v.block->next,
			__ATOMIC_RELAXED);
	const uint64_t tsc = rte_rdtsc();
	double us;

	if (now != m->seen) {
		m->seen = now;
		m->moved = tsc;
		return false;
	}
	us = (double)m->v.len * STALL_BYTE_NS / 1e3 +
		(mode == FERRY_MODE_EFFICIENCY ? STALL_SLEEP_US : STALL_US);
	/* Without an EAL a guess will do. */
	return (double)(tsc - m->moved) > us * (rte_get_tsc_hz() != 0 ?
			(double)rte_get_tsc_hz() / 1e6 : 1e3);
}

static int
copy_units(struct bulk_end *e, struct bulk_msg *m, enum ferry_mode mode,
		uint32_t first, uint32_t n)
{
	int ret;

	if (!m->vm)
		return bulk_copy_units(&m->v, e->copier, mode, first, n);
	ret = bulk_copy_vm(&m->v, e->peer_pid, first, n);
	if (ret == 0) {
		e->stats.vm_bytes += bulk_bytes(&m->v, first, n);
		return 0;
	}
	/* Somebody else does it. */
	m->able = false;
	e->vm_denied |= ret == -EPERM || ret == -ENOSYS;
	return ret;
}

uint32_t
bulk_step(struct bulk_end *e, struct bulk_msg *m, enum ferry_mode mode,
		uint32_t limit)
{
	struct bulk_view *v = &m->v;
	uint32_t first, n;
	int ret;

	if (!v->started || !m->able || m->ended != 0)
		return 0;
	if ((m->by & 1u << e->party) == 0 && !is_stalled(m, mode))
		return 0;
	n = bulk_claim(v, e->party, m->by, limit, &first);
	if (n == 0)
		return 0;
	if (unlikely(!bulk_may_copy(e->shared, v))) {
		ferry_claim_drop(v->block, e->party, first, n);
		return 0;
	}
	ret = copy_units(e, m, mode, first, n);
	if (unlikely(ret != 0)) {
		/* With process_vm_readv() the producer may be able to, if it
		 * reaches the destination. That it died others tell. */
		if (!m->vm || ((v->dst.flags & FERRY_BULK_SHARED) == 0 &&
				ret != -ESRCH))
			ferry_bulk_end(v->block, v->gen, -EIO);
		ferry_claim_drop(v->block, e->party, first, n);
		/* It may have found nothing left to do, and sleep. */
		ferry_end_notify(e->other, e->bells, e->n_bells);
		return 0;
	}
	ferry_claim_done(v->block, first, n);
	e->stats.copied += bulk_bytes(v, first, n);
	e->stats.claims++;
	m->seen = v->front + __atomic_load_n(&v->block->next, __ATOMIC_RELAXED);
	bulk_ring(e->shared, e->bells, e->n_bells, v);
	return n;
}

void
bulk_over(const struct bulk_end *e, const struct bulk_msg *m, int why)
{
	ferry_bulk_end(m->v.block, m->v.gen, why);
	ferry_end_notify(e->other, e->bells, e->n_bells);
}

void
bulk_announce(struct bulk_end *e, const struct bulk_msg *m)
{
	if ((m->by & FERRY_BULK_ENGINE) == 0)
		return;
	/* A */
	__atomic_fetch_or(&e->shared->service.bulk,
			1u << bulk_number(e->shared, &m->v), __ATOMIC_RELEASE);
	ferry_board_announce(e->shared, &e->boards);
}

void
bulk_ring(struct ferry_channel_shared *ch, struct ferry_bell *bells,
		uint32_t n_bells, const struct bulk_view *v)
{
	uint32_t front, wish;

	/* As in ferry_bell_ring_if(). */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (likely(__atomic_load_n(&ch->tx.may_sleep, __ATOMIC_RELAXED) == 0 &&
			__atomic_load_n(&ch->rx.may_sleep,
				__ATOMIC_RELAXED) == 0))
		return;
	/* Fr: what was marked before the look at what the others marked, and
	 * at what is wanted. Who marks last sees all. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	front = ferry_claim_front(v->block, v->n_units, v->front);
	wish = __atomic_load_n(&v->block->wish, __ATOMIC_RELAXED);
	if (front == v->n_units)
		ferry_end_notify(&ch->tx, bells, n_bells);
	if (front == v->n_units || front >= wish)
		ferry_end_notify(&ch->rx, bells, n_bells);
}
