/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>

#include "bulk_serve.h"
#include "ferry_channel.h"
#include "ferry_channel_memory.h"
#include "ferry_end_part.h"
#include "ferry_server.h"

/* Most jobs taken from one channel in one turn; most messages published. */
#define BURST FERRY_SERVER_BURST
/* Channels looked at in one turn. This and BURST bound the turn. */
#define CHANNELS 32
/* Completions taken in one turn. A cap of 32 cost SPDK 43 %, and no cap starved
 * all other work. */
#define BITE 128
/*
 * Turns without a job after which the server no longer polls a channel. At some
 * tens of nanoseconds each, they cost about as much as the producer's way over
 * the board.
 */
#define QUIET_TURNS 64

enum job_state {
	JOB_NONE,
	JOB_COPYING,
	JOB_DONE,
	/* Not to be published: see ferry_server_stats.bad. */
	JOB_BAD,
};

/* A channel that is served. */
struct ferry_served {
	TAILQ_ENTRY(ferry_served) next;
	struct ferry_channel_shared *shared;
	/* The job ring; its index is that of the first job not let go of. */
	struct ferry_ring jobs;
	struct ferry_ring out;
	struct ferry_bulk_block *blocks;
	uint8_t *slots;
	uint64_t stride;
	uint32_t slot_size;
	uint32_t n_slots;
	uint32_t n_bells;
	struct ferry_bell *bells;
	uint32_t number;
	/* Index of the job ring: jobs before it are taken. */
	uint32_t taken;
	uint32_t copying;
	uint32_t quiet;
	/* The token that seals the jobs, and the sources of bulk messages, of a
	 * producer in this process. */
	uint64_t key;
	uint8_t mode;
	bool local;
	bool active;
	bool held;
	bool used;
	/* The ends were told that the channel is stuck: done once the copier
	 * has no job of it. */
	bool told;
	/* The out ring has no room, because a corrupt consumer wrote there. */
	bool clogged;
	/* Why a job was given up. The channel is then stuck: no later message
	 * can be published. 0: no job was given up. */
	int32_t stuck;
	bool unsafe;
	/* Bulk messages; NULL until the first. */
	struct bulk_serve *bulk;
	const struct ferry_channel_memory *memory;
	/* Used if memory was not given. */
	struct ferry_channel_memory dpdk;
	struct ferry_reach_view view;
	/* For each place of the job ring: the descriptor to publish. The server
	 * reads a job once. */
	struct ferry_desc *descs;
	uint8_t *state;
};

int
ferry_server_init(struct ferry_server *server, struct ferry_copier *copier,
		struct ferry_board *board, uint32_t room)
{
	memset(server, 0, sizeof(*server));
	server->table = calloc(room, sizeof(*server->table));
	if (server->table == NULL)
		return -ENOMEM;
	server->room = room;
	server->copier = copier;
	server->board = board;
	TAILQ_INIT(&server->active);
	return 0;
}

void
ferry_server_fini(struct ferry_server *server)
{
	free(server->table);
}

static void
activate(struct ferry_server *server, struct ferry_served *ch)
{
	ch->quiet = 0;
	if (ch->active)
		return;
	ch->active = true;
	TAILQ_INSERT_TAIL(&server->active, ch, next);
	server->n_active++;
}

static void
deactivate(struct ferry_server *server, struct ferry_served *ch)
{
	if (!ch->active)
		return;
	ch->active = false;
	TAILQ_REMOVE(&server->active, ch, next);
	server->n_active--;
}

static struct ferry_served *
served_of(const struct ferry_server *server, uint32_t number)
{
	return number < server->room ? server->table[number] : NULL;
}

/* Read the channel's mode, and count the channel under it. */
static void
count_used(struct ferry_server *server, struct ferry_served *ch)
{
	if (ch->used)
		server->used[ch->mode]--;
	ch->mode = (uint8_t)ferry_channel_mode(ch->shared);
	if (ch->used)
		server->used[ch->mode]++;
}

static void
served_free(struct ferry_served *ch)
{
	free(ch->descs);
	free(ch->state);
	bulk_serve_free(ch->bulk);
	free(ch);
}

static uint32_t
jobs_tail(const struct ferry_served *ch)
{
	/* J1 */
	return ch->jobs.at + ferry_ring_count(&ch->jobs);
}

static const struct ferry_job *
job_at(const struct ferry_served *ch, uint32_t at)
{
	return ferry_ring_place(&ch->jobs, at - ch->jobs.at,
			sizeof(struct ferry_job));
}

/* J2: the first n jobs are done, the producer may reuse their places. */
static void
let_go(struct ferry_served *ch, uint32_t n)
{
	ferry_ring_done(&ch->jobs, n);
}

/*
 * Find out which jobs a dead server has done. It may have died at any
 * instruction. A server publishes messages with the out ring's tail, and then
 * lets go of their jobs with the job ring's. It has not done jobs that it had
 * not published. If it died between the two steps, the jobs up to the last
 * message of the out ring are done. The last of them is one of the first burst
 * in the job ring.
 */
static void
take_over(struct ferry_served *ch)
{
	const struct ferry_desc *last = ferry_desc_at(&ch->out, UINT32_MAX);
	const uint32_t n = RTE_MIN(ferry_ring_count(&ch->jobs),
			(uint32_t)BURST);
	uint32_t i;

	/* Compare for equality, not order: the last message that a server
	 * published may be any number of messages old. */
	for (i = 0; i < n; i++)
		if (job_at(ch, ch->jobs.at + i)->seq == last->seq &&
				job_at(ch, ch->jobs.at + i)->slot == last->slot)
			break;
	if (i == n)
		return;
	let_go(ch, i + 1);
	ch->taken = ch->jobs.at;
}

static bool
is_everybodys(struct ferry_served *ch, uint64_t addr, uint64_t len)
{
	return ferry_reach(&ch->view, addr, len) == FERRY_REACH_ALL;
}

/* Used if the hub says nothing about memory: what EAL alone knows may be other
 * memory in the processes of the ends. */
static enum ferry_reach
dpdk_reach(void *arg, const void *mem, uint64_t len)
{
	return is_everybodys(arg, (uintptr_t)mem, len) ? FERRY_REACH_ALL :
		FERRY_REACH_PRIVATE;
}

int
ferry_server_add(struct ferry_server *server, const struct ferry_serve *serve)
{
	struct ferry_channel_shared *shared = serve->shared;
	struct ferry_channel_parts p;
	struct ferry_process self;
	struct ferry_served *ch;

	if (serve->number >= server->room || ferry_channel_find(&p, shared,
			ferry_channel_memory(&serve->config),
			&serve->config) != 0)
		return -EINVAL;
	if (server->table[serve->number] != NULL)
		return -EEXIST;
	/* Refused, because a device may write into the channel's slots for
	 * ever. */
	if (ferry_channel_failed(shared) != 0)
		return ferry_channel_failed(shared);
	ch = calloc(1, sizeof(*ch));
	if (ch == NULL)
		return -ENOMEM;
	ch->shared = shared;
	ch->blocks = p.blocks;
	ch->slots = p.slots;
	ch->stride = p.stride;
	ch->slot_size = p.slot_size;
	ch->n_slots = p.n_slots;
	ch->bells = serve->bells;
	ch->n_bells = serve->n_bells;
	ch->number = serve->number;
	ch->local = serve->local;
	ferry_process_self(&self);
	ch->key = serve->key != 0 ? serve->key : self.token;
	ch->dpdk.reach = dpdk_reach;
	ch->dpdk.arg = ch;
	ch->memory = serve->memory != NULL ? serve->memory : &ch->dpdk;
	ch->descs = calloc(p.jobs_count, sizeof(*ch->descs));
	ch->state = calloc(p.jobs_count, sizeof(*ch->state));
	if (ch->descs == NULL || ch->state == NULL) {
		served_free(ch);
		return -ENOMEM;
	}
	if (!ferry_ring_consume(&ch->jobs, p.jobs, p.jobs_count) ||
			!ferry_ring_produce(&ch->out, p.out, p.ring_count)) {
		served_free(ch);
		return FERRY_E_CORRUPT;
	}
	ch->taken = ch->jobs.at;
	take_over(ch);
	count_used(server, ch);
	server->table[ch->number] = ch;
	server->n_channels++;
	/* Look at the channel at least once, because a producer may have posted
	 * while no server saw it. */
	__atomic_store_n(&shared->service.watch, 0, __ATOMIC_RELAXED);
	activate(server, ch);
	return 0;
}

/* The channel is stuck: the server carries out no further job of it. */
static void
stick(struct ferry_served *ch, int32_t why)
{
	if (ch->stuck == 0)
		ch->stuck = why;
}

/* The same, because a peer did what no honest peer does. */
static void
stick_corrupt(struct ferry_server *server, struct ferry_served *ch)
{
	stick(ch, FERRY_E_CORRUPT);
	server->stats.bad++;
}

/* Tell the ends of a channel that it is stuck. */
static void
tell_failed(struct ferry_served *ch)
{
	ch->told = true;
	/* F */
	__atomic_store_n(&ch->shared->service.failed, ch->stuck,
			__ATOMIC_RELEASE);
	ferry_end_notify(&ch->shared->tx, ch->bells, ch->n_bells);
	ferry_end_notify(&ch->shared->rx, ch->bells, ch->n_bells);
}

/* Whether the next message is complete. */
static bool
may_publish(const struct ferry_served *ch)
{
	return ch->jobs.at != ch->taken && !ch->clogged &&
		ch->state[ch->jobs.at & ch->jobs.mask] == JOB_DONE;
}

bool
ferry_server_pending(const struct ferry_server *server, uint32_t number,
		bool all)
{
	const struct ferry_served *ch = served_of(server, number);

	if (ch == NULL)
		return false;
	if (bulk_serve_claims(ch->bulk) > 0)
		return true;
	if (ch->stuck != 0)
		return ch->copying > 0 || may_publish(ch);
	return ch->taken != ch->jobs.at ||
		(all && jobs_tail(ch) != ch->jobs.at);
}

void
ferry_server_finish(struct ferry_server *server, uint32_t number)
{
	struct ferry_served *ch = served_of(server, number);
	uint32_t last;

	if (ch == NULL)
		return;
	/* The channel may be at rest, and its producer may have died before it
	 * told. */
	activate(server, ch);
	/* Jobs that a producer adds meanwhile do not count, so that this call
	 * ends. */
	last = jobs_tail(ch);
	while (ferry_server_pending(server, number, true) &&
			(int32_t)(last - ch->jobs.at) > 0)
		if (ferry_server_poll(server) == 0)
			sched_yield();
}

void
ferry_server_retell(struct ferry_server *server, uint32_t number)
{
	struct ferry_served *ch = served_of(server, number);

	if (ch == NULL)
		return;
	let_go(ch, 0);
	/* Another process may have cleared it, and a producer would wait for
	 * ever. */
	if (ch->told)
		tell_failed(ch);
	activate(server, ch);
}

void
ferry_server_quiet(struct ferry_server *server, uint32_t number)
{
	const struct ferry_served *ch = served_of(server, number);

	while (ch != NULL && bulk_serve_claims(ch->bulk) > 0)
		if (ferry_server_poll(server) == 0)
			sched_yield();
}

int
ferry_server_remove(struct ferry_server *server, uint32_t number)
{
	struct ferry_served *ch = served_of(server, number);
	bool unsafe;

	if (ch == NULL)
		return -ENOENT;
	ch->held = true;
	activate(server, ch);
	while (ferry_server_pending(server, number, false))
		if (ferry_server_poll(server) == 0)
			sched_yield();
	if (ch->stuck != 0 && !ch->told)
		tell_failed(ch);
	deactivate(server, ch);
	if (ch->used)
		server->used[ch->mode]--;
	server->table[number] = NULL;
	server->n_channels--;
	unsafe = ch->unsafe;
	served_free(ch);
	return unsafe ? -EFAULT : 0;
}

static uint64_t
cookie_make(const struct ferry_served *ch, uint32_t at)
{
	return (uint64_t)ch->number << 32 | (at & ch->jobs.mask);
}

/* Read a job once. Returns whether it is possible. */
static bool
job_read(struct ferry_served *ch, uint32_t at, struct ferry_copy_job *job)
{
	const struct ferry_job *from = job_at(ch, at);
	const struct ferry_job own = {
		.slot = __atomic_load_n(&from->slot, __ATOMIC_RELAXED),
		.len = __atomic_load_n(&from->len, __ATOMIC_RELAXED),
		.tag = __atomic_load_n(&from->tag, __ATOMIC_RELAXED),
		.seq = __atomic_load_n(&from->seq, __ATOMIC_RELAXED),
		.src = __atomic_load_n(&from->src, __ATOMIC_RELAXED),
		.place = __atomic_load_n(&from->place, __ATOMIC_RELAXED),
		.seal = __atomic_load_n(&from->seal, __ATOMIC_RELAXED),
	};

	if (unlikely(own.slot >= ch->n_slots || own.len > ch->slot_size ||
			own.place >= FERRY_PLACES))
		return false;
	/* An address in this process is followed only if this process wrote
	 * it. */
	if (unlikely(ch->local ? own.seal != ferry_job_seal(ch->key, &own) :
			!is_everybodys(ch, own.src, own.len)))
		return false;
	ch->descs[at & ch->jobs.mask] = (struct ferry_desc) {
		.slot = own.slot,
		.len = own.len,
		.tag = own.tag,
		.seq = own.seq,
	};
	job->dst = ch->slots + own.slot * ch->stride;
	job->src = (const void *)(uintptr_t)own.src;
	job->len = own.len;
	job->cookie = cookie_make(ch, at);
	job->place = (enum ferry_placement)own.place;
	job->mode = (enum ferry_mode)ch->mode;
	return true;
}

/* The channel has had jobs: count it under its mode. */
static void
use(struct ferry_server *server, struct ferry_served *ch)
{
	count_used(server, ch);
	if (!ch->used) {
		ch->used = true;
		server->used[ch->mode]++;
	}
}

/* Help with bulk messages. Returns how many jobs the copier was given. */
static unsigned int
help(struct ferry_server *server, struct ferry_served *ch)
{
	unsigned int n;

	if (likely(bulk_serve_claims(ch->bulk) == 0 && (ch->held ||
			__atomic_load_n(&ch->shared->service.bulk,
				__ATOMIC_RELAXED) == 0)))
		return 0;
	if (ch->bulk == NULL)
		ch->bulk = bulk_serve_make(ch->shared, ch->blocks, ch->bells,
				ch->n_bells, ch->local ? ch->key : 0,
				ch->memory, (uint64_t)ch->number << 32);
	/* Without memory the server does not help in this turn. */
	if (ch->bulk == NULL)
		return 0;
	n = bulk_serve_turn(ch->bulk, server->copier, !ch->held);
	if (n > 0)
		use(server, ch);
	return n;
}

/* Give new jobs to the copier. Returns how many. */
static unsigned int
take(struct ferry_server *server, struct ferry_served *ch)
{
	struct ferry_copy_job jobs[BURST];
	uint32_t i, good, n = jobs_tail(ch) - ch->taken;
	uint16_t taken = 0;

	if (n == 0 || ch->held || unlikely(ch->stuck != 0))
		return 0;
	use(server, ch);
	/* More jobs than there can be: a corrupt peer wrote the index. */
	if (unlikely(n > ch->n_slots - (ch->taken - ch->jobs.at))) {
		stick_corrupt(server, ch);
		return 0;
	}
	n = RTE_MIN(n, (uint32_t)BURST);
	for (good = 0; good < n; good++)
		if (!job_read(ch, ch->taken + good, &jobs[good]))
			break;
	/* Set before the copier has the jobs, because it may end them at
	 * once. */
	for (i = 0; i < good; i++)
		ch->state[(ch->taken + i) & ch->jobs.mask] = JOB_COPYING;
	if (likely(good > 0))
		taken = ferry_copier_submit(server->copier, jobs,
				(uint16_t)good);
	for (i = taken; i < good; i++)
		ch->state[(ch->taken + i) & ch->jobs.mask] = JOB_NONE;
	/* Give up at a bad job only when all jobs before it are taken; until
	 * then it is read again. */
	if (unlikely(good < n && taken == good))
		stick_corrupt(server, ch);
	ch->taken += taken;
	ch->copying += taken;
	return taken;
}

/* Wake the producer if it waits for no more jobs: pairs with
 * ferry_tx_finish(). */
static void
wake_producer(struct ferry_served *ch)
{
	const struct ferry_channel_end *tx = &ch->shared->tx;

	/* As in ferry_bell_ring_if(): cons.tail stays before the flag. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&tx->may_sleep, __ATOMIC_RELAXED) == 0)
		return;
	/* Fr: the store of cons.tail comes before the load of the wish. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	if ((int32_t)(ch->jobs.at - __atomic_load_n(&ch->shared->wish.jobs,
			__ATOMIC_RELAXED)) >= 0)
		ferry_end_notify(tx, ch->bells, ch->n_bells);
}

/* Publish the next messages that are complete. Returns how many. */
static unsigned int
publish(struct ferry_server *server, struct ferry_served *ch)
{
	const uint32_t head = ch->jobs.at, mask = ch->jobs.mask;
	uint32_t i, n;

	for (n = 0; n < BURST && head + n != ch->taken; n++)
		if (ch->state[(head + n) & mask] != JOB_DONE)
			break;
	if (n == 0 || ch->clogged)
		return 0;
	/* The ring is short of room only if a corrupt peer wrote into the
	 * rings. */
	if (unlikely(!ferry_ring_room(&ch->out, n))) {
		stick_corrupt(server, ch);
		ch->clogged = true;
		return 0;
	}
	for (i = 0; i < n; i++) {
		const uint32_t at = (head + i) & mask;

		ferry_desc_put(ferry_desc_at(&ch->out, i), ch->descs[at]);
		ch->state[at] = JOB_NONE;
		server->stats.bytes += ch->descs[at].len;
	}
	/* R3 */
	ferry_ring_publish(&ch->out, n);
	ferry_end_notify(&ch->shared->rx, ch->bells, ch->n_bells);
	/* Let go only after publishing, so that a slot is always recorded. */
	let_go(ch, n);
	server->stats.msgs += n;
	wake_producer(ch);
	return n;
}

/* Whether there is a bulk message to help with. */
static bool
wants_help(const struct ferry_served *ch)
{
	/* A */
	return __atomic_load_n(&ch->shared->service.bulk, __ATOMIC_ACQUIRE) !=
		0 && (ch->bulk == NULL || bulk_serve_wants(ch->bulk));
}

/* E1 to E4: stop polling a channel. */
static void
rest(struct ferry_server *server, struct ferry_served *ch)
{
	uint32_t *watch = &ch->shared->service.watch;

	/* E1, E2 */
	__atomic_store_n(watch, 1, __ATOMIC_RELEASE);
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* E3; jobs that a stuck channel never takes do not keep it polled. */
	if ((jobs_tail(ch) != ch->taken && !ch->told) ||
			wants_help(ch)) {
		/* E4 */
		__atomic_exchange_n(watch, 0, __ATOMIC_RELAXED);
		ch->quiet = 0;
		return;
	}
	deactivate(server, ch);
}

static void
posted(void *arg, uint32_t number)
{
	struct ferry_server *server = arg;
	struct ferry_served *ch = served_of(server, number);

	if (ch == NULL)
		return;
	/* A change of mode is posted, too, and learnt here. */
	count_used(server, ch);
	activate(server, ch);
}

/* Take the jobs that the copier ended. */
static void
reap(struct ferry_server *server)
{
	struct ferry_copy_done done[BITE];
	uint16_t i, n;

	n = ferry_copier_poll(server->copier, done, BITE);
	for (i = 0; i < n; i++) {
		const uint32_t at = (uint32_t)done[i].cookie;
		struct ferry_served *ch = served_of(server,
				(uint32_t)(done[i].cookie >> 32));

		if (ch != NULL && ch->bulk != NULL &&
				(at & BULK_SERVE_COOKIE) != 0) {
			bool unsafe = false;

			server->stats.bulk_bytes += bulk_serve_done(ch->bulk,
					at, done[i].status, &unsafe);
			server->stats.unsafe += unsafe && !ch->unsafe;
			ch->unsafe |= unsafe;
			continue;
		}
		if (ch == NULL || at > ch->jobs.mask ||
				ch->state[at] != JOB_COPYING)
			continue;
		ch->copying--;
		ch->state[at] = JOB_DONE;
		if (likely(done[i].status == FERRY_COPY_OK))
			continue;
		/* The slot must not be used. So neither its message nor any
		 * later one can be sent. */
		ch->state[at] = JOB_BAD;
		stick(ch, -EIO);
		if (done[i].status == FERRY_COPY_E_UNSAFE) {
			server->stats.unsafe += !ch->unsafe;
			ch->unsafe = true;
		}
	}
}

unsigned int
ferry_server_poll(struct ferry_server *server)
{
	struct ferry_served *ch, *following;
	unsigned int i, n, work = 0;

	if (server->board != NULL)
		ferry_board_take(server->board, server->room, posted, server);
	if (ferry_copier_inflight(server->copier) > 0)
		reap(server);
	/* This includes the channels that producers have just posted, so that
	 * the first turn takes the job of a channel that was at rest. */
	n = RTE_MIN(server->n_active, (uint32_t)CHANNELS);
	ch = TAILQ_FIRST(&server->active);
	for (i = 0; i < n && ch != NULL; i++, ch = following) {
		unsigned int did;

		following = TAILQ_NEXT(ch, next);
		did = take(server, ch);
		did += publish(server, ch);
		did += help(server, ch);
		if (unlikely(ch->stuck != 0 && !ch->told && ch->copying == 0 &&
				!may_publish(ch)))
			tell_failed(ch);
		work += did;
		if (did > 0 || (ch->taken != ch->jobs.at && !ch->told) ||
				bulk_serve_claims(ch->bulk) > 0)
			ch->quiet = 0;
		else if (++ch->quiet >= QUIET_TURNS && server->board != NULL)
			rest(server, ch);
	}
	/* Next time begin with the channels that this turn did not reach. */
	while (ch != NULL && (following = TAILQ_FIRST(&server->active)) != ch) {
		TAILQ_REMOVE(&server->active, following, next);
		TAILQ_INSERT_TAIL(&server->active, following, next);
	}
	server->stats.turns++;
	server->stats.busy += work > 0;
	return work;
}
