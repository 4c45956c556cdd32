/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include <rte_bitops.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_pause.h>

#include "ferry_copier.h"
#include "ferry_lane.h"
#include "ferry_sched.h"

/* Lane 0, the calling core. */
#define CPU 0
/* Pieces of jobs in flight on all other lanes together. */
#define MAX_PIECES 128
/* Completions taken in one go. */
#define BITE 128
/* A lane's pieces are started at the latest when there are so many. */
#define BATCH 32
/* How much the core copies before it looks after the devices again. */
#define CPU_CHUNK UINT64_C(65536)
/* A lane has this much time beyond TIME_FACTOR times the predicted. */
#define TIME_GRACE_NS 1e9
#define TIME_FACTOR 100
/* Keeps the arithmetic finite whatever the model says: 1000 s. */
#define TIME_MAX_NS 1e12
/* No time stamp counter is faster. */
#define TSC_HZ_MAX UINT64_C(10000000000)

/* A part of a job that was given to a lane. */
struct piece {
	struct ferry_copy_job job;
	unsigned int lane;
};

/* One call of ferry_copier_copy() with devices. */
struct flight {
	struct ferry_copier *c;
	int ret;
	/* Lanes that failed a job since they last did one. */
	uint32_t failing;
	/* Pieces not done, in all and by lane. */
	unsigned int nb_pieces;
	unsigned int lane_pieces[FERRY_COPIER_MAX_LANES];
	/* Pieces a lane was not told to start. */
	unsigned int unflushed[FERRY_COPIER_MAX_LANES];
	/* When to give a silent lane up; 0 unless it is being waited for. */
	uint64_t deadline[FERRY_COPIER_MAX_LANES];
	/* Bit set: the piece is free. */
	uint64_t free[MAX_PIECES / 64];
	struct piece pieces[MAX_PIECES];
};

int
ferry_copier_init(struct ferry_copier *copier, int socket)
{
	int ret;

	if (copier == NULL)
		return -EINVAL;
	memset(copier, 0, sizeof(*copier));
	ret = ferry_lane_open(&copier->lanes[CPU].lane, ferry_copy_cpu(), NULL,
		socket);
	if (ret < 0)
		return ret;
	copier->nb_lanes = 1;
	copier->nb_used = 1;
	copier->tsc_hz = rte_get_tsc_hz();
	/* Unknown before the EAL runs: deadlines may be late, never early. */
	if (copier->tsc_hz == 0)
		copier->tsc_hz = TSC_HZ_MAX;
	return 0;
}

int
ferry_copier_add(struct ferry_copier *copier, struct ferry_lane *lane)
{
	unsigned int i;

	if (copier == NULL || lane == NULL || copier->nb_lanes == 0 ||
			lane->inflight != 0 || lane->info.max_job == 0 ||
			lane->info.depth == 0)
		return -EINVAL;
	for (i = 0; i < copier->nb_lanes; i++)
		if (copier->lanes[i].lane == lane)
			return -EINVAL;
	if (copier->nb_lanes == FERRY_COPIER_MAX_LANES)
		return -ENOSPC;
	copier->lanes[copier->nb_lanes].lane = lane;
	copier->nb_lanes++;
	copier->nb_used++;
	return 0;
}

void
ferry_copier_fini(struct ferry_copier *copier)
{
	unsigned int i;

	if (copier == NULL)
		return;
	for (i = 0; i < copier->nb_lanes; i++)
		ferry_lane_close(copier->lanes[i].lane);
	memset(copier, 0, sizeof(*copier));
}

const struct ferry_lane *
ferry_copier_lane(const struct ferry_copier *copier, unsigned int i)
{
	if (copier == NULL || i >= copier->nb_lanes)
		return NULL;
	if (copier->lanes[i].lane == NULL)
		return &copier->lanes[i].last;
	return copier->lanes[i].lane;
}

/* Copy with the core: no queue, no completions. */
static int
cpu_copy(struct ferry_lane *cpu, const struct ferry_copy_job *jobs, uint16_t n)
{
	return likely(cpu->drv->copy(cpu, jobs, n) == n) ? 0 : -EIO;
}

/* Let the core finish a piece of which the first bytes are done. */
static void
redo(struct flight *f, const struct piece *piece, uint64_t done)
{
	struct ferry_copy_job rest = piece->job;

	if (done >= rest.len)
		return;
	rest.dst = RTE_PTR_ADD(rest.dst, done);
	rest.src = (const char *)rest.src + done;
	rest.len -= done;
	if (cpu_copy(f->c->lanes[CPU].lane, &rest, 1) < 0)
		f->ret = -EIO;
}

static bool
piece_is_free(const struct flight *f, uint64_t k)
{
	return f->free[k / 64] & (UINT64_C(1) << (k % 64));
}

/* There must be a free one. */
static unsigned int
piece_find(const struct flight *f)
{
	unsigned int word = 0;

	while (f->free[word] == 0)
		word++;
	return word * 64 + (unsigned int)__builtin_ctzll(f->free[word]);
}

static void
piece_take(struct flight *f, unsigned int k)
{
	f->free[k / 64] &= ~(UINT64_C(1) << (k % 64));
	f->lane_pieces[f->pieces[k].lane]++;
	f->nb_pieces++;
}

static void
piece_free(struct flight *f, unsigned int k)
{
	f->free[k / 64] |= UINT64_C(1) << (k % 64);
	f->lane_pieces[f->pieces[k].lane]--;
	f->nb_pieces--;
}

static void
count_error(struct flight *f, unsigned int i, enum ferry_copy_status status)
{
	struct ferry_copier_lane *l = &f->c->lanes[i];

	/* One bad job may abort a whole batch: that is one error. */
	if (status == FERRY_COPY_E_ABORTED && (f->failing & RTE_BIT32(i)))
		return;
	f->failing |= RTE_BIT32(i);
	l->errors++;
	if (l->errors >= FERRY_COPIER_MAX_ERRORS &&
			l->state == FERRY_COPIER_USED) {
		l->state = FERRY_COPIER_QUARANTINED;
		f->c->nb_used--;
	}
}

/* Whether a lane that had nothing at time now was silent for too long. */
static bool
is_hung(struct flight *f, unsigned int i, uint64_t now)
{
	const struct ferry_lane *lane = f->c->lanes[i].lane;

	if (f->deadline[i] == 0) {
		double ns = TIME_GRACE_NS + TIME_FACTOR * (lane->model.t0_ns +
			(double)lane->backlog / lane->model.bytes_per_ns);

		if (!(ns < TIME_MAX_NS))
			ns = TIME_MAX_NS;
		f->deadline[i] = now +
			(uint64_t)(ns * 1e-9 * (double)f->c->tsc_hz);
		return false;
	}
	return now > f->deadline[i];
}

/* Give up a lane that does not answer. */
static void
drop(struct flight *f, unsigned int i)
{
	struct ferry_copier_lane *l = &f->c->lanes[i];
	unsigned int k;

	l->last.info = l->lane->info;
	l->last.stats = l->lane->stats;
	l->last.stats.errors += f->lane_pieces[i];
	/* Stops the device. Before this, it may still write. */
	ferry_lane_close(l->lane);
	l->lane = NULL;
	if (l->state == FERRY_COPIER_USED)
		f->c->nb_used--;
	l->state = FERRY_COPIER_DROPPED;
	for (k = 0; k < MAX_PIECES; k++) {
		if (piece_is_free(f, k) || f->pieces[k].lane != i)
			continue;
		redo(f, &f->pieces[k], 0);
		piece_free(f, k);
	}
}

/* Take a lane's completions. Returns how many of its pieces are done. */
static unsigned int
poll_lane(struct flight *f, unsigned int i)
{
	struct ferry_copier_lane *l = &f->c->lanes[i];
	struct ferry_copy_done done[BITE];
	/* Before the poll: this thread may be stopped between the two. */
	uint64_t now = rte_rdtsc();
	unsigned int mine = 0;
	uint16_t got, j;

	got = ferry_lane_poll(l->lane, done, BITE);
	for (j = 0; j < got; j++) {
		uint64_t k = done[j].cookie;

		/* A driver's slip must not complete another lane's piece. */
		if (k >= MAX_PIECES || piece_is_free(f, k) ||
				f->pieces[k].lane != i)
			continue;
		mine++;
		if (done[j].status == FERRY_COPY_OK) {
			l->errors = 0;
			f->failing &= ~RTE_BIT32(i);
		} else {
			count_error(f, i, done[j].status);
			redo(f, &f->pieces[k], done[j].bytes);
		}
		piece_free(f, (unsigned int)k);
	}
	if (mine > 0)
		f->deadline[i] = 0;
	else if (is_hung(f, i, now))
		drop(f, i);
	return mine;
}

static void
flush_all(struct flight *f)
{
	unsigned int i;

	for (i = 0; i < f->c->nb_lanes; i++) {
		if (f->unflushed[i] == 0)
			continue;
		ferry_lane_flush(f->c->lanes[i].lane);
		f->unflushed[i] = 0;
	}
}

static unsigned int
poll_all(struct flight *f)
{
	unsigned int i, mine = 0;

	flush_all(f);
	for (i = 0; i < f->c->nb_lanes; i++)
		if (f->lane_pieces[i] > 0)
			mine += poll_lane(f, i);
	return mine;
}

/* The best lane for a job, not one of those in the mask. Lane 0 always can. */
static unsigned int
pick(const struct flight *f, uint64_t len, uint32_t not_these)
{
	struct ferry_sched_lane views[FERRY_COPIER_MAX_LANES];
	unsigned int i;

	for (i = 0; i < f->c->nb_lanes; i++) {
		const struct ferry_copier_lane *l = &f->c->lanes[i];

		views[i].usable = i == CPU ||
			(l->state == FERRY_COPIER_USED &&
			 f->nb_pieces < MAX_PIECES &&
			 l->lane->inflight < l->lane->info.depth &&
			 !(not_these & RTE_BIT32(i)));
		if (!views[i].usable)
			continue;
		views[i].model = l->lane->model;
		views[i].backlog = l->lane->backlog;
	}
	return (unsigned int)ferry_sched_pick(views, f->c->nb_lanes, len);
}

/* Offer the start of a job to a lane. Returns the bytes it took. */
static uint64_t
offer(struct flight *f, unsigned int i, const struct ferry_copy_job *job)
{
	struct ferry_lane *lane = f->c->lanes[i].lane;
	unsigned int k = piece_find(f);
	struct piece *piece = &f->pieces[k];

	piece->job = *job;
	piece->job.len = RTE_MIN(job->len, lane->info.max_job);
	piece->job.cookie = k;
	piece->lane = i;
	if (ferry_lane_submit(lane, &piece->job, 1) != 1)
		return 0;
	piece_take(f, k);
	f->deadline[i] = 0;
	f->unflushed[i]++;
	if (f->unflushed[i] == BATCH) {
		ferry_lane_flush(lane);
		f->unflushed[i] = 0;
	}
	return piece->job.len;
}

/* Copy the start of a job with the core, and look after the devices. */
static uint64_t
copy_here(struct flight *f, const struct ferry_copy_job *job)
{
	struct ferry_copy_job part = *job;

	flush_all(f);
	if (f->nb_pieces > 0)
		part.len = RTE_MIN(part.len, CPU_CHUNK);
	if (cpu_copy(f->c->lanes[CPU].lane, &part, 1) < 0)
		f->ret = -EIO;
	poll_all(f);
	return part.len;
}

/* Hand out one job; nothing more after an error. */
static void
hand_out(struct flight *f, struct ferry_copy_job job)
{
	/* Lanes that cannot do this job, and those that cannot do it now. */
	uint32_t never = 0, now = 0;

	while (job.len > 0 && f->ret == 0) {
		unsigned int i = pick(f, job.len, never | now);
		uint64_t taken;

		if (i == CPU) {
			taken = copy_here(f, &job);
			now = 0;
		} else {
			taken = offer(f, i, &job);
			/* An empty lane is not full: it cannot. */
			if (taken == 0 && f->lane_pieces[i] == 0)
				never |= RTE_BIT32(i);
			else if (taken == 0)
				now |= RTE_BIT32(i);
		}
		job.dst = RTE_PTR_ADD(job.dst, taken);
		job.src = (const char *)job.src + taken;
		job.len -= taken;
	}
}

static int
lanes_copy(struct ferry_copier *c, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	struct flight f;
	uint16_t i;

	memset(&f, 0, offsetof(struct flight, free));
	memset(f.free, 0xff, sizeof(f.free));
	f.c = c;
	for (i = 0; i < n; i++)
		hand_out(&f, jobs[i]);
	/* Also after an error: nothing may be written once this returns. */
	while (f.nb_pieces > 0)
		if (poll_all(&f) == 0)
			rte_pause();
	return f.ret;
}

int
ferry_copier_copy(struct ferry_copier *c, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	if (c->nb_used == 1)
		return cpu_copy(c->lanes[CPU].lane, jobs, n);
	if (c->nb_used == 0)
		return -EINVAL;
	return lanes_copy(c, jobs, n);
}
