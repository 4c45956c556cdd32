/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "bulk_end.h"
#include "ferry_clock.h"

/*
 * If a message makes no progress for so long, this end copies it even if only
 * other parties should. STALL_SLEEP_US holds in efficiency mode, in which those
 * parties may be asleep. STALL_BYTE_NS is added for each byte. It is four times
 * what a core takes, because those parties may have something else to do first.
 */
#define STALL_US 200
#define STALL_SLEEP_US 20000
#define STALL_BYTE_NS 0.4
/*
 * How long a thread of this process may be in the middle of copying a message
 * that is over: 5 s, and what its bytes take at 100 MB/s. A claim that stands
 * there longer was not made by a thread of this process but written by another
 * process.
 */
#define PATIENCE_NS UINT64_C(5000000000)
#define PATIENCE_BYTE_NS 10

int
bulk_end_init(struct bulk_end *e, struct ferry_end *end, uint8_t party)
{
	memset(e, 0, sizeof(*e));
	e->end = end;
	e->blocks = ferry_cells_bulk(end->cells);
	e->grants = (struct ferry_bulk_grant *)&e->blocks[FERRY_BULK_BLOCKS];
	e->party = party;
	e->peer_fd = -1;
	ferry_process_self(&e->self);
	return end->copier != NULL ? 0 : -ENOTSUP;
}

void
bulk_end_fini(struct bulk_end *e)
{
	if (e->peer_fd >= 0)
		close(e->peer_fd);
	e->peer_fd = -1;
}

/* Find out once which process is at the other end. Returns whether it is
 * known. */
static bool
peer_know(struct bulk_end *e)
{
	const struct ferry_channel_end *other = e->end->other;

	if (likely(e->known))
		return true;
	/* Acquire: the other end sets its state after its process. An end that
	 * was opened never becomes another process's. */
	if (__atomic_load_n(&other->state, __ATOMIC_ACQUIRE) ==
			FERRY_END_ABSENT)
		return false;
	e->peer.token = __atomic_load_n(&other->process, __ATOMIC_RELAXED);
	e->peer.token_at = __atomic_load_n(&other->token_at, __ATOMIC_RELAXED);
	e->peer.pid = __atomic_load_n(&other->pid, __ATOMIC_RELAXED);
	e->local = ferry_process_same(&e->peer, &e->self);
	e->known = true;
	return true;
}

bool
bulk_is_local(struct bulk_end *e)
{
	return peer_know(e) && e->local;
}

bool
bulk_follow(struct bulk_end *e, const struct bulk_side *side)
{
	/* Each endpoint knows what it has registered itself. EAL knows what
	 * another thread of this process has registered. */
	return bulk_side_follow(side, e->end->memory, bulk_is_local(e) ?
			FERRY_REACH_HERE : FERRY_REACH_ENDS);
}

uint64_t
bulk_left_ns(uint64_t deadline)
{
	const uint64_t now = rte_get_tsc_cycles(), hz = rte_get_tsc_hz();

	if (deadline <= now || hz == 0)
		return 0;
	return (uint64_t)((double)(deadline - now) * 1e9 / (double)hz);
}

void
bulk_hold(const struct bulk_end *e, const struct bulk_side *side, bool hold)
{
	const struct ferry_channel_memory *m = e->end->memory;
	uint32_t i;

	for (i = 0; i < side->n && m != NULL; i++)
		(hold ? m->hold : m->unhold)(m->arg,
			(const void *)(uintptr_t)side->segs[i].addr,
			side->segs[i].len);
}

/* Watch the other end's process, if it can be recognised. */
static void
peer_watch(struct bulk_end *e)
{
	if (e->peer_fd >= 0 || !peer_know(e) || e->local)
		return;
	e->watched = true;
	e->peer_fd = ferry_process_open(&e->peer);
}

void
bulk_started(struct bulk_end *e, struct bulk_msg *m)
{
	m->v.started = true;
	m->moved = rte_rdtsc();
	if (e->party == FERRY_UNIT_TX)
		m->able = bulk_follow(e, &m->v.dst);
	else if ((m->v.dst.flags & FERRY_BULK_WINDOW) != 0)
		m->able = false;
	else
		m->able = bulk_follow(e, &m->v.src);
	m->vm = !m->able && e->party == FERRY_UNIT_RX && !e->vm_denied &&
		(m->v.dst.flags & FERRY_BULK_WINDOW) == 0;
	m->able |= m->vm;
	/* Done while the hub lives, because later the pid may be another
	 * process's. */
	if (!e->watched)
		peer_watch(e);
}

/* What this end knows of the other end's process when no hub tells. */
enum peer_state {
	PEER_LIVES,
	PEER_DEAD,
	PEER_UNKNOWN,
};

static enum peer_state
peer_look(struct bulk_end *e)
{
	/* Here too: no message may have begun yet, or there was no file
	 * descriptor. */
	peer_watch(e);
	if (e->local)
		return PEER_LIVES;
	if (e->peer_fd < 0)
		return PEER_UNKNOWN;
	return ferry_process_ended(e->peer_fd) ? PEER_DEAD : PEER_LIVES;
}

/* Why the other end will do nothing more: 0, or FERRY_E_*. */
static int
peer_result(struct bulk_end *e)
{
	const int ret = ferry_end_result(e->end->other);

	if (likely(ret != FERRY_E_HUB_GONE))
		return ret;
	if (bulk_has_left(e->end->other))
		return FERRY_E_CLOSED;
	/* This end does not wait for a process of which it knows nothing. */
	return peer_look(e) == PEER_LIVES ? 0 : ret;
}

/* Whether the other end may still copy, for all that is known. */
static bool
peer_may_copy(struct bulk_end *e)
{
	const int ret = ferry_end_result(e->end->other);

	if (likely(ret != FERRY_E_HUB_GONE))
		return ret == 0;
	/* An end sets left after its last copy. */
	return !bulk_has_left(e->end->other) && peer_look(e) != PEER_DEAD;
}

bool
bulk_has_ended(const struct bulk_end *e, const struct bulk_msg *m)
{
	return ferry_end_result(e->end->other) != 0 &&
		(!m->repaired || bulk_has_left(e->end->other));
}

static uint8_t
other_party(const struct bulk_end *e)
{
	return e->party == FERRY_UNIT_TX ? FERRY_UNIT_RX : FERRY_UNIT_TX;
}

/* Whether the hub's engine may copy. */
static bool
server_may_copy(const struct bulk_end *e)
{
	return ferry_end_result(e->end->other) != FERRY_E_HUB_GONE;
}

/*
 * Now and then: have the server look at a message, because units are marked as
 * claimed by the server. The server knows which of these claims it has not
 * made, and takes them back.
 */
static void
server_remind(struct bulk_end *e, struct bulk_msg *m)
{
	if (bulk_audit_due(&m->audit))
		bulk_announce(e, m);
}

bool
bulk_block_busy(struct bulk_end *e, const struct ferry_bulk_block *block,
		uint32_t n_units)
{
	return (peer_may_copy(e) &&
			ferry_claim_any(block, n_units, other_party(e))) ||
		(server_may_copy(e) &&
			ferry_claim_any(block, n_units, FERRY_UNIT_SERVER));
}

bool
bulk_is_impatient(struct bulk_msg *m)
{
	const uint64_t now = ferry_clock_ns();

	if (m->patience.limit == 0)
		ferry_watch_begin(&m->patience, now, PATIENCE_NS +
			m->v.len * PATIENCE_BYTE_NS);
	return ferry_watch_over(&m->patience, now);
}

/* Whether no party is going to mark units of a message that is over as DONE. */
static bool
is_settled(struct bulk_end *e, struct bulk_msg *m)
{
	const struct bulk_view *v = &m->v;
	const uint8_t other = other_party(e);
	/* In a corrupt message another process may have written claims that no
	 * party has made. To wait for these would take for ever. A thread of
	 * this process is waited for all the same, because it reads private
	 * memory where it is. */
	const bool corrupt = ferry_bulk_over(v->block, v->gen) ==
		FERRY_E_CORRUPT;

	/* This end is not copying, so another process wrote any claims of this
	 * end. */
	ferry_claim_repair(v->block, v->n_units, e->party);
	if (peer_may_copy(e) &&
			ferry_claim_counts(v->block, v->n_units, other)) {
		if (peer_result(e) == 0 && (bulk_is_local(e) ?
				!bulk_is_impatient(m) : !corrupt))
			return false;
		/* It is not known whether the other end lives, so this end does
		 * not wait for it. */
		ferry_claim_void(v->block, other, 0, v->n_units);
	}
	if (!server_may_copy(e) || !ferry_claim_counts(v->block, v->n_units,
			FERRY_UNIT_SERVER))
		return true;
	server_remind(e, m);
	if (e->in_hub ? !bulk_is_impatient(m) : !corrupt)
		return false;
	ferry_claim_void(v->block, FERRY_UNIT_SERVER, 0, v->n_units);
	return true;
}

/* No party marks units any more. From here on both ends find the same result
 * when they look again. */
static void
settle(struct bulk_msg *m)
{
	struct bulk_view *v = &m->v;

	v->front = ferry_claim_front(v->block, v->n_units, v->front);
	m->ended = v->front == v->n_units ? 1 :
		ferry_bulk_over(v->block, v->gen);
	/* Neither DONE nor over: another process wrote there. */
	if (m->ended == 0)
		m->ended = FERRY_E_CORRUPT;
}

void
bulk_give_up(struct bulk_end *e, struct bulk_msg *m)
{
	const struct bulk_view *v = &m->v;

	ferry_claim_void(v->block, other_party(e), 0, v->n_units);
	ferry_claim_void(v->block, FERRY_UNIT_SERVER, 0, v->n_units);
	settle(m);
}

/* Whether a unit's byte is possible. The message is not over, and this end is
 * not copying. */
static bool
unit_is_possible(const struct bulk_end *e, uint8_t unit)
{
	return unit == FERRY_UNIT_FREE || unit == FERRY_UNIT_DONE ||
		unit == other_party(e) || unit == FERRY_UNIT_SERVER;
}

/* A message has units that are marked as claimed by the server. */
static void
audit_server(struct bulk_end *e, struct bulk_msg *m)
{
	const struct bulk_view *v = &m->v;

	if ((m->by & FERRY_BULK_ENGINE) != 0) {
		bulk_announce(e, m);
		return;
	}
	/* The server is not to help with this message. A server that comes late
	 * has claimed the units for an earlier message, and finds that out
	 * before it copies. It may be stopped meanwhile, so this end does not
	 * wait for it. */
	if (ferry_claim_repair(v->block, v->n_units, FERRY_UNIT_SERVER) > 0)
		ferry_end_ring(e->end);
}

/* Now and then: whether all units are possible. An impossible unit would never
 * be copied, and the ends would wait for it. */
static bool
is_sound(struct bulk_end *e, struct bulk_msg *m)
{
	const bool first = m->audit == 0;
	bool server = false;
	uint32_t i;

	if (likely(!bulk_audit_due(&m->audit)) || first)
		return true;
	for (i = m->v.front; i < m->v.n_units; i++) {
		const uint8_t unit = __atomic_load_n(&m->v.block->units[i],
				__ATOMIC_ACQUIRE);

		/* VOID is written after over. The acquire above pairs with that
		 * release. */
		if (!unit_is_possible(e, unit) &&
				ferry_bulk_over(m->v.block, m->v.gen) == 0)
			return false;
		server |= unit == FERRY_UNIT_SERVER;
	}
	if (unlikely(server))
		audit_server(e, m);
	return true;
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
		/* If gen differs, the units are another message's: another
		 * process wrote there. */
		m->ended = likely(__atomic_load_n(&v->block->gen,
				__ATOMIC_RELAXED) == v->gen) ? 1 :
			FERRY_E_CORRUPT;
		return;
	}
	over = ferry_bulk_over(v->block, v->gen);
	if (likely(over == 0)) {
		over = ferry_end_result(e->end->other);
		if (unlikely(over != 0))
			over = peer_result(e);
		if (over == 0 &&
				unlikely(!m->repaired && !server_may_copy(e))) {
			/* Take back what the dead hub's engine had claimed. */
			ferry_claim_repair(v->block, v->n_units,
					FERRY_UNIT_SERVER);
			m->repaired = true;
			m->by = FERRY_BULK_TX | FERRY_BULK_RX;
		}
		if (over == 0 && unlikely(!is_sound(e, m)))
			over = FERRY_E_CORRUPT;
		if (likely(over == 0))
			return;
		bulk_over(e, m, over);
	}
	if (is_settled(e, m))
		settle(m);
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

/* Whether the parties that should copy do not. */
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
	/* Without an EAL the TSC's frequency is unknown; a guess suffices. */
	return (double)(tsc - m->moved) > us * (rte_get_tsc_hz() != 0 ?
			(double)rte_get_tsc_hz() / 1e6 : 1e3);
}

static int
copy_units(struct bulk_end *e, struct bulk_msg *m, enum ferry_mode mode,
		uint32_t first, uint32_t n)
{
	int ret;

	if (!m->vm)
		return bulk_copy_units(&m->v, e->end->copier, mode, first, n);
	ret = bulk_copy_vm(&m->v, &e->peer, first, n);
	if (ret == 0) {
		e->stats.vm_bytes += bulk_bytes(&m->v, first, n);
		return 0;
	}
	/* This end cannot copy. Another party copies the message. */
	m->able = false;
	e->vm_denied |= ret != -EFAULT;
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
	if (unlikely(!bulk_may_copy(e->end->shared, v))) {
		ferry_claim_drop(v->block, e->party, first, n);
		return 0;
	}
	ret = copy_units(e, m, mode, first, n);
	if (unlikely(ret != 0)) {
		/* If process_vm_readv() failed, the producer may be able to
		 * copy, if it reaches the destination. Others tell if the
		 * producer has died. */
		if (!m->vm || ((v->dst.flags & FERRY_BULK_SHARED) == 0 &&
				ret != -ESRCH && ret != -ESTALE))
			ferry_bulk_end(v->block, v->gen, -EIO);
		ferry_claim_drop(v->block, e->party, first, n);
		/* The other end may have found no work left, and may be
		 * asleep. */
		ferry_end_ring(e->end);
		return 0;
	}
	ferry_claim_done(v->block, e->party, first, n);
	e->stats.copied += bulk_bytes(v, first, n);
	e->stats.claims++;
	m->seen = v->front + __atomic_load_n(&v->block->next, __ATOMIC_RELAXED);
	bulk_ring(e->end->shared, e->end->bells, e->end->n_bells, v);
	return n;
}

void
bulk_over(const struct bulk_end *e, const struct bulk_msg *m, int why)
{
	ferry_bulk_end(m->v.block, m->v.gen, why);
	ferry_end_ring(e->end);
}

void
bulk_announce(struct bulk_end *e, const struct bulk_msg *m)
{
	if ((m->by & FERRY_BULK_ENGINE) == 0)
		return;
	/* A */
	__atomic_fetch_or(&e->end->shared->service.bulk,
			1u << bulk_number(e, &m->v), __ATOMIC_RELEASE);
	ferry_board_announce(e->end->shared, &e->end->boards);
}

void
bulk_ring(struct ferry_channel_shared *ch, struct ferry_bell *bells,
		uint32_t n_bells, const struct bulk_view *v)
{
	uint32_t front, wish;

	/* As in ferry_bell_ring_if(): the marks stay before the flags. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (likely(__atomic_load_n(&ch->tx.may_sleep, __ATOMIC_RELAXED) == 0 &&
			__atomic_load_n(&ch->rx.may_sleep,
				__ATOMIC_RELAXED) == 0))
		return;
	/* Fr: this party's marks come before its loads of the other marks and
	 * of wish. Therefore the party that marks last sees all marks. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	front = ferry_claim_front(v->block, v->n_units, v->front);
	wish = __atomic_load_n(&v->block->wish, __ATOMIC_RELAXED);
	if (front == v->n_units)
		ferry_end_notify(&ch->tx, bells, n_bells);
	if (front == v->n_units || front >= wish)
		ferry_end_notify(&ch->rx, bells, n_bells);
}
