/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>

#include "bulk_end.h"
#include "bulk_serve.h"

/* Claims at the same time: of a device, which copies one while the next one
 * waits; of a core; and of all lanes together. */
#define CLAIMS_DEVICE 2
#define CLAIMS_CORE 1
#define CLAIMS 32
/* Jobs given to the copier at a time. */
#define JOBS 16

struct claim {
	bool used;
	bool failed;
	uint32_t block;
	uint32_t first;
	uint32_t n;
	/* Bytes that the copier has not been given, and jobs that it has. */
	uint64_t left;
	uint32_t jobs;
	struct bulk_cursor src;
	struct bulk_cursor dst;
};

/* A message, as the server has read it. */
struct served_msg {
	struct bulk_view v;
	/* Claims of the message that are not done: while there are any, v is
	 * not read again. */
	uint32_t claims;
	/* Whether the server can and should help; which parties should copy. */
	bool useful;
	uint32_t by;
};

struct bulk_serve {
	struct ferry_channel_shared *shared;
	struct ferry_bulk_block *blocks;
	struct ferry_bell *bells;
	uint32_t n_bells;
	/* The producer is in this process, and this token seals its sources; 0:
	 * the producer is in another process. */
	uint64_t key;
	const struct ferry_channel_memory *memory;
	/* The upper half of the cookies of this channel. */
	uint64_t cookie;
	uint32_t n_claims;
	/* The block that the server looks at first. */
	uint32_t turn;
	/* When units are examined next. */
	uint64_t audit;
	struct served_msg msgs[FERRY_BULK_BLOCKS];
	struct claim claims[CLAIMS];
};

struct bulk_serve *
bulk_serve_make(struct ferry_channel_shared *shared,
		struct ferry_bulk_block *blocks, struct ferry_bell *bells,
		uint32_t n_bells, uint64_t key,
		const struct ferry_channel_memory *memory, uint64_t cookie)
{
	struct bulk_serve *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->shared = shared;
	s->blocks = blocks;
	s->bells = bells;
	s->n_bells = n_bells;
	s->key = key;
	s->memory = memory;
	s->cookie = cookie | BULK_SERVE_COOKIE;
	return s;
}

void
bulk_serve_free(struct bulk_serve *s)
{
	free(s);
}

uint32_t
bulk_serve_claims(const struct bulk_serve *s)
{
	return s != NULL ? s->n_claims : 0;
}

/* Whether the server should help with the message in a block. Reads the message
 * if it is new. */
static bool
msg_useful(struct bulk_serve *s, uint32_t i)
{
	struct ferry_bulk_block *block = &s->blocks[i];
	const uint32_t gen = __atomic_load_n(&block->gen, __ATOMIC_ACQUIRE);
	struct served_msg *m = &s->msgs[i];

	/* D */
	if (gen == 0 || !ferry_bulk_started(block, gen))
		return false;
	if (m->v.gen == gen || m->claims > 0)
		return m->v.gen == gen && m->useful;
	m->by = __atomic_load_n(&block->by, __ATOMIC_RELAXED);
	m->useful = (m->by & FERRY_BULK_ENGINE) != 0 &&
		bulk_view_read(&m->v, block, gen, s->key) &&
		/* Key 0, because the consumer may be in another process: a
		 * private destination is not followed. */
		bulk_view_dst(&m->v, 0) &&
		(m->v.dst.flags & FERRY_BULK_WINDOW) == 0 &&
		bulk_side_follow(&m->v.src, s->memory, FERRY_REACH_HERE) &&
		bulk_side_follow(&m->v.dst, s->memory, FERRY_REACH_HERE);
	m->v.block = block;
	m->v.gen = gen;
	return m->useful;
}

static struct claim *
claim_find(struct bulk_serve *s)
{
	uint32_t i;

	for (i = 0; i < CLAIMS; i++)
		if (!s->claims[i].used)
			return &s->claims[i];
	return NULL;
}

static void
notify_ends(const struct bulk_serve *s)
{
	ferry_end_notify(&s->shared->tx, s->bells, s->n_bells);
	ferry_end_notify(&s->shared->rx, s->bells, s->n_bells);
}

/* A claim has no work left. Returns the bytes that are copied by it. */
static uint64_t
claim_end(struct bulk_serve *s, struct claim *c)
{
	struct served_msg *m = &s->msgs[c->block];
	uint64_t bytes = 0;

	if (c->failed) {
		/* End the message while the units are the server's, because the
		 * block may be another message's afterwards. */
		ferry_bulk_end(m->v.block, m->v.gen, -EIO);
		ferry_claim_drop(m->v.block, FERRY_UNIT_SERVER, c->first, c->n);
		notify_ends(s);
	} else {
		bytes = bulk_bytes(&m->v, c->first, c->n);
		ferry_claim_done(m->v.block, FERRY_UNIT_SERVER, c->first, c->n);
		bulk_ring(s->shared, s->bells, s->n_bells, &m->v);
	}
	c->used = false;
	m->claims--;
	s->n_claims--;
	return bytes;
}

/* Give the copier what is left of a claim. Returns how many jobs. */
static unsigned int
claim_submit(struct bulk_serve *s, struct claim *c, struct ferry_copier *copier)
{
	const enum ferry_mode mode = copier->nb_open > 1 ?
		/* Devices are to copy, not the core that drives them. */
		FERRY_MODE_EFFICIENCY : FERRY_MODE_THROUGHPUT;
	struct ferry_copy_job jobs[JOBS];
	unsigned int n = 0;
	uint16_t k, taken;

	while (c->left > 0 && !c->failed) {
		struct bulk_cursor dst = c->dst, src = c->src;
		uint64_t left = c->left;

		for (k = 0; k < JOBS && left > 0; k++) {
			left -= bulk_piece(&dst, &src, left,
					s->msgs[c->block].v.place, &jobs[k]);
			jobs[k].mode = mode;
			jobs[k].cookie = s->cookie | (uint32_t)(c - s->claims);
		}
		taken = ferry_copier_submit(copier, jobs, k);
		c->jobs += taken;
		n += taken;
		for (k = 0; k < taken; k++) {
			bulk_cursor_move(&c->dst, jobs[k].len);
			bulk_cursor_move(&c->src, jobs[k].len);
			c->left -= jobs[k].len;
		}
		if (taken == 0)
			break;
	}
	return n;
}

/* Claim units of a message. Returns the jobs given to the copier plus 1; 0 if
 * there was nothing to claim. */
static unsigned int
claim_new(struct bulk_serve *s, uint32_t i, struct ferry_copier *copier)
{
	struct claim *c = claim_find(s);
	struct served_msg *m = &s->msgs[i];
	uint32_t first, n;

	/* The message may be over: its bit may have been set after its producer
	 * cleared it. */
	if (c == NULL || ferry_bulk_over(m->v.block, m->v.gen) != 0)
		return 0;
	m->v.front = ferry_claim_front(m->v.block, m->v.n_units, m->v.front);
	n = bulk_claim(&m->v, FERRY_UNIT_SERVER, m->by, m->v.n_units, &first);
	if (n == 0)
		return 0;
	/* over is read before gen. If over already speaks of the next message,
	 * gen does, too. */
	if (unlikely(!bulk_may_copy(s->shared, &m->v) ||
			__atomic_load_n(&m->v.block->gen, __ATOMIC_ACQUIRE) !=
			m->v.gen)) {
		ferry_claim_drop(m->v.block, FERRY_UNIT_SERVER, first, n);
		return 0;
	}
	*c = (struct claim) {
		.used = true,
		.block = i,
		.first = first,
		.n = n,
		.left = bulk_bytes(&m->v, first, n),
		.src = bulk_cursor_at(&m->v.src, first * m->v.unit),
		.dst = bulk_cursor_at(&m->v.dst, first * m->v.unit),
	};
	m->claims++;
	s->n_claims++;
	return claim_submit(s, c, copier) + 1;
}

/*
 * Now and then: take back claims that are marked as the server's and that the
 * server has not made. Another process has written them, and the ends would
 * wait for these units. VOID claims stay: an earlier server may have had to
 * leave them to a device that cannot be stopped.
 */
static void
audit(struct bulk_serve *s, uint32_t bits)
{
	uint32_t i, u, n;

	if (likely(!bulk_audit_due(&s->audit)))
		return;
	for (i = 0; i < FERRY_BULK_BLOCKS; i++) {
		struct ferry_bulk_block *b = &s->blocks[i];

		if ((bits >> i & 1) == 0 || s->msgs[i].claims > 0)
			continue;
		for (u = n = 0; u < FERRY_BULK_UNITS; u++) {
			uint8_t unit = FERRY_UNIT_SERVER;

			n += __atomic_load_n(&b->units[u], __ATOMIC_RELAXED) ==
				unit && __atomic_compare_exchange_n(
				&b->units[u], &unit, FERRY_UNIT_FREE, false,
				__ATOMIC_RELAXED, __ATOMIC_RELAXED);
		}
		if (unlikely(n > 0))
			notify_ends(s);
	}
}

unsigned int
bulk_serve_turn(struct bulk_serve *s, struct ferry_copier *copier, bool more)
{
	/* A */
	const uint32_t bits = __atomic_load_n(&s->shared->service.bulk,
			__ATOMIC_ACQUIRE);
	const uint32_t most = RTE_MIN(copier->nb_open > 1 ?
			CLAIMS_DEVICE * (copier->nb_open - 1) :
			CLAIMS_CORE, (uint32_t)CLAIMS);
	unsigned int work = 0, got;
	uint32_t i, k;

	for (i = 0; i < CLAIMS && s->n_claims > 0; i++)
		if (s->claims[i].used && s->claims[i].left > 0)
			work += claim_submit(s, &s->claims[i], copier);
	if (bits != 0 && more)
		audit(s, bits);
	/* Every message gets its turn, because each call begins one block
	 * further. */
	for (k = 0; k < FERRY_BULK_BLOCKS && bits != 0 && more; k++) {
		i = (s->turn + k) % FERRY_BULK_BLOCKS;
		if ((bits >> i & 1) == 0)
			continue;
		while (s->n_claims < most && msg_useful(s, i) &&
				(got = claim_new(s, i, copier)) > 0)
			work += got;
	}
	s->turn++;
	return work;
}

uint64_t
bulk_serve_done(struct bulk_serve *s, uint32_t cookie,
		enum ferry_copy_status status, bool *unsafe)
{
	const uint32_t i = cookie & ~BULK_SERVE_COOKIE;
	struct claim *c = &s->claims[i % CLAIMS];

	if (i >= CLAIMS || !c->used || c->jobs == 0)
		return 0;
	c->jobs--;
	if (unlikely(status == FERRY_COPY_E_UNSAFE)) {
		/* The units stay claimed by the server for ever, so that the
		 * consumer does not reuse its memory. They are VOID,
		 * so that both ends are told. */
		ferry_bulk_end(s->msgs[c->block].v.block,
				s->msgs[c->block].v.gen, -EIO);
		ferry_claim_void(s->msgs[c->block].v.block, FERRY_UNIT_SERVER,
				c->first, c->n);
		c->n = 0;
		*unsafe = true;
		/* Notify now, because the claim's other jobs may never come
		 * back. */
		notify_ends(s);
	}
	c->failed |= status != FERRY_COPY_OK;
	if (c->jobs > 0 || (c->left > 0 && !c->failed))
		return 0;
	return claim_end(s, c);
}

bool
bulk_serve_wants(struct bulk_serve *s)
{
	const uint32_t bits = __atomic_load_n(&s->shared->service.bulk,
			__ATOMIC_ACQUIRE);
	uint32_t i, u;

	for (i = 0; i < FERRY_BULK_BLOCKS && bits != 0; i++) {
		const struct bulk_view *v = &s->msgs[i].v;

		if ((bits >> i & 1) == 0 || !msg_useful(s, i) ||
				ferry_bulk_over(v->block, v->gen) != 0)
			continue;
		for (u = v->front; u < v->n_units; u++)
			if (__atomic_load_n(&v->block->units[u],
					__ATOMIC_RELAXED) == FERRY_UNIT_FREE)
				return true;
	}
	return false;
}
