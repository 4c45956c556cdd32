/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The copier against lanes that do everything a device may do: complete late
 * and out of order, take little, refuse, fail half-way, hang. Every test checks
 * content; a fake device copies (or damages) only when it is polled or closed.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_memory.h>

#include "ferry_copier.h"
#include "ferry_lane.h"
#include "ferry_test.h"

#define FAKE_JOBS 256
#define SLOW 0.001
#define FAST 1000.0

/* A scripted device: what it shall do, and what was done to it. */
struct fake {
	/* Script. Job numbers count accepted jobs from 0. */
	uint32_t depth;
	uint64_t max_job;
	uint32_t flags;
	double t0_ns;
	double bytes_per_ns;
	/* Completes the newest job first. */
	bool reverse;
	/* Takes no job with a source in here. */
	const void *no_reach;
	size_t no_reach_len;
	/* Takes so many jobs, then is full whatever depth says; 0: no limit. */
	uint32_t room;
	/* Jobs of these numbers fail. */
	uint32_t fail_from, fail_to;
	enum ferry_copy_status fail_status;
	uint64_t fail_bytes;
	/* Of these, only those with an odd number. */
	bool fail_odd;
	/* Jobs of these numbers never complete. */
	uint32_t hang_from, hang_to;
	/* Nothing completes before it was polled so often, or so long after. */
	uint32_t lazy_polls;
	uint64_t lazy_ns;
	/* Completes one job at a time, and then is lazy again. */
	bool one_by_one;
	/* Also returns this cookie with every poll that returns something. */
	bool lies;
	uint64_t lie;
	/* As lane 0: does nothing, or stops in the middle of a job. */
	bool deaf, broken;
	/* Whose flushes to count when a job is submitted to this one. */
	const struct fake *watched;

	/* Record. */
	uint32_t accepted, polls, flushes, closes, longest_queue;
	uint64_t longest_job, poll_max, taken_at;
	uint32_t out_of_order, watched_flushes;
	uint64_t last_cookie;

	/* The queue. */
	uint32_t nb;
	struct {
		struct ferry_copy_job job;
		uint32_t number;
		bool started;
	} q[FAKE_JOBS];
};

static bool
in_range(uint32_t x, uint32_t from, uint32_t to)
{
	return x >= from && x < to;
}

static int
fake_open(struct ferry_lane *lane, const void *config, int socket)
{
	/* The test's own struct, not const at all. */
	struct fake *fake = (struct fake *)(uintptr_t)config;

	RTE_SET_USED(socket);
	lane->priv = fake;
	lane->model.t0_ns = fake->t0_ns;
	lane->model.bytes_per_ns = fake->bytes_per_ns;
	lane->info.max_job = fake->max_job;
	lane->info.depth = fake->depth;
	lane->info.flags = fake->flags;
	lane->info.reach = FERRY_REACH_DPDK;
	strcpy(lane->info.name, "fake");
	return 0;
}

static void
fake_close(struct ferry_lane *lane)
{
	struct fake *fake = lane->priv;
	uint32_t i;

	fake->closes++;
	/* A device writes until it is stopped: whoever was first loses. */
	for (i = 0; i < fake->nb; i++)
		memset(fake->q[i].job.dst, 0xee, fake->q[i].job.len);
	fake->nb = 0;
}

static uint16_t
fake_submit(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	struct fake *fake = lane->priv;
	uint16_t i;

	for (i = 0; i < n; i++) {
		const char *src = jobs[i].src, *wall = fake->no_reach;

		if (fake->deaf || fake->nb == FAKE_JOBS ||
				fake->nb == fake->depth ||
				(fake->room != 0 && fake->nb >= fake->room) ||
				jobs[i].len > fake->max_job ||
				(wall != NULL && src >= wall &&
				 src < wall + fake->no_reach_len))
			break;
		fake->q[fake->nb].job = jobs[i];
		fake->q[fake->nb].number = fake->accepted++;
		fake->q[fake->nb].started = false;
		fake->nb++;
		if (fake->watched != NULL)
			fake->watched_flushes = fake->watched->flushes;
		fake->taken_at = ferry_test_now_ns();
		fake->longest_job = RTE_MAX(fake->longest_job, jobs[i].len);
		fake->longest_queue = RTE_MAX(fake->longest_queue, fake->nb);
		ferry_lane_account_in(lane, jobs[i].len);
	}
	return i;
}

/* As lane 0. */
static uint16_t
fake_copy(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	struct fake *fake = lane->priv;
	uint16_t i;

	fake->longest_queue = RTE_MAX(fake->longest_queue, (uint32_t)n);
	for (i = 0; i < n && !fake->deaf; i++) {
		/* Not queued; kept to be looked at. */
		fake->q[0].job = jobs[i];
		fake->accepted++;
		fake->longest_job = RTE_MAX(fake->longest_job, jobs[i].len);
		if (fake->watched != NULL)
			fake->watched_flushes = fake->watched->flushes;
		memcpy(jobs[i].dst, jobs[i].src, fake->broken ?
			jobs[i].len / 2 : jobs[i].len);
		if (fake->broken)
			break;
		lane->stats.jobs++;
		lane->stats.bytes += jobs[i].len;
	}
	return i;
}

static void
fake_flush(struct ferry_lane *lane)
{
	struct fake *fake = lane->priv;
	uint32_t i;

	fake->flushes++;
	for (i = 0; i < fake->nb; i++)
		fake->q[i].started = true;
}

/* Next job of the queue that completes, or -1. */
static int
fake_next(const struct fake *fake)
{
	uint32_t i;

	for (i = 0; i < fake->nb; i++) {
		uint32_t k = fake->reverse ? fake->nb - 1 - i : i;

		if ((fake->q[k].started || (fake->flags & FERRY_LANE_SYNC)) &&
				!in_range(fake->q[k].number, fake->hang_from,
					fake->hang_to))
			return (int)k;
	}
	return -1;
}

static uint16_t
fake_poll(struct ferry_lane *lane, struct ferry_copy_done *done, uint16_t n)
{
	struct fake *fake = lane->priv;
	uint16_t got = 0;
	int k;

	fake->polls++;
	fake->poll_max = RTE_MAX(fake->poll_max, (uint64_t)n);
	if (fake->polls <= fake->lazy_polls ||
			ferry_test_now_ns() < fake->taken_at + fake->lazy_ns)
		return 0;
	while (got + 1 < n && !(fake->one_by_one && got == 1) &&
			(k = fake_next(fake)) >= 0) {
		struct ferry_copy_job job = fake->q[k].job;
		uint64_t good;
		bool fail = in_range(fake->q[k].number, fake->fail_from,
			fake->fail_to);

		if (fake->fail_odd && fake->q[k].number % 2 == 0)
			fail = false;
		good = fail ? fake->fail_bytes : job.len;
		memcpy(job.dst, job.src, RTE_MIN(good, job.len));
		if (good < job.len)
			memset(RTE_PTR_ADD(job.dst, good), 0xdd,
				job.len - good);
		done[got].cookie = job.cookie;
		done[got].bytes = good;
		done[got].status = fail ? fake->fail_status : FERRY_COPY_OK;
		ferry_lane_account_out(lane, job.len, done[got].status);
		if (job.cookie < fake->last_cookie)
			fake->out_of_order++;
		fake->last_cookie = job.cookie;
		got++;
		fake->nb--;
		if (fake->one_by_one)
			fake->taken_at = ferry_test_now_ns();
		memmove(&fake->q[k], &fake->q[k + 1],
			(fake->nb - (uint32_t)k) * sizeof(fake->q[0]));
	}
	if (fake->lies && got > 0) {
		done[got].cookie = fake->lie;
		done[got].bytes = 0;
		done[got].status = FERRY_COPY_OK;
		got++;
	}
	return got;
}

static const struct ferry_copy_driver fake_driver = {
	.name = "fake",
	.open = fake_open,
	.close = fake_close,
	.copy = fake_copy,
	.submit = fake_submit,
	.flush = fake_flush,
	.poll = fake_poll,
};

/* A device that does all it is asked, and is preferred to anything else. */
static struct fake
fake_good(void)
{
	struct fake fake;

	memset(&fake, 0, sizeof(fake));
	fake.depth = FAKE_JOBS;
	fake.max_job = UINT64_MAX;
	fake.bytes_per_ns = FAST;
	fake.fail_status = FERRY_COPY_E_DEVICE;
	return fake;
}

static struct ferry_lane *
fake_lane(struct fake *fake)
{
	struct ferry_lane *lane = NULL;

	assert_int_equal(ferry_lane_open(&lane, &fake_driver, fake,
		SOCKET_ID_ANY), 0);
	return lane;
}

static void
add_fake(struct ferry_copier *c, struct fake *fake)
{
	assert_int_equal(ferry_copier_add(c, fake_lane(fake)), 0);
}

/* Lane 0 slower than any fake, and the clock known without an EAL. */
static void
start(struct ferry_copier *c)
{
	static const struct ferry_lane_model slow = {
		.t0_ns = 1e9, .bytes_per_ns = SLOW,
	};
	static uint64_t hz;

	if (hz == 0) {
		uint64_t t0 = ferry_test_now_ns(), c0 = rte_rdtsc(), t1;

		do {
			t1 = ferry_test_now_ns();
		} while (t1 < t0 + 20000000);
		hz = (rte_rdtsc() - c0) * 1000000000 / (t1 - t0);
	}
	assert_int_equal(ferry_copier_init(c, SOCKET_ID_ANY), 0);
	assert_int_equal(ferry_lane_set_model(c->lanes[0].lane, &slow), 0);
	c->tsc_hz = hz;
}

/* Make lane 0 a fake. */
static void
replace_cpu(struct ferry_copier *c, struct fake *fake)
{
	ferry_lane_close(c->lanes[0].lane);
	fake->flags |= FERRY_LANE_SYNC;
	c->lanes[0].lane = fake_lane(fake);
}

static uint64_t
lane_bytes(const struct ferry_copier *c, unsigned int i)
{
	struct ferry_lane_stats stats;

	ferry_lane_stats(ferry_copier_lane(c, i), &stats);
	return stats.bytes;
}

static uint64_t
lane_errors(const struct ferry_copier *c, unsigned int i)
{
	struct ferry_lane_stats stats;

	ferry_lane_stats(ferry_copier_lane(c, i), &stats);
	return stats.errors;
}

/* A burst with buffers that tell whether exactly it was copied. */
struct burst {
	uint16_t n;
	uint64_t total;
	size_t size;
	uint8_t *src;
	uint8_t *dst;
	struct ferry_copy_job *jobs;
};

#define GAP 64

static struct burst
burst_make(const uint64_t *lens, uint16_t n)
{
	struct burst b = { .n = n };
	size_t at = GAP;
	uint16_t i;

	for (i = 0; i < n; i++)
		b.total += lens[i];
	b.size = b.total + (size_t)(n + 1) * GAP;
	b.src = malloc(b.size);
	b.dst = malloc(b.size);
	b.jobs = calloc(RTE_MAX(n, 1), sizeof(*b.jobs));
	assert_non_null(b.src);
	assert_non_null(b.dst);
	assert_non_null(b.jobs);
	ferry_test_fill(b.src, b.size, 7);
	memset(b.dst, 0x55, b.size);
	for (i = 0; i < n; i++) {
		b.jobs[i].src = b.src + at;
		b.jobs[i].dst = b.dst + at;
		b.jobs[i].len = lens[i];
		/* Not to be relied on. */
		b.jobs[i].cookie = UINT64_MAX - i % 3;
		at += lens[i] + GAP;
	}
	return b;
}

static struct burst
burst_same(uint64_t len, uint16_t n)
{
	uint64_t *lens = calloc(n, sizeof(*lens));
	struct burst b;
	uint16_t i;

	assert_non_null(lens);
	for (i = 0; i < n; i++)
		lens[i] = len;
	b = burst_make(lens, n);
	free(lens);
	return b;
}

static void
check_gap(const uint8_t *p)
{
	unsigned int i;

	for (i = 0; i < GAP; i++)
		assert_int_equal(p[i], 0x55);
}

/* Every job's bytes arrived, and none between them was touched. */
static void
burst_check(const struct burst *b)
{
	uint16_t i;

	check_gap(b->dst);
	for (i = 0; i < b->n; i++) {
		const uint8_t *dst = b->jobs[i].dst;

		assert_memory_equal(dst, b->jobs[i].src, b->jobs[i].len);
		check_gap(dst + b->jobs[i].len);
	}
}

static void
burst_free(struct burst *b)
{
	free(b->src);
	free(b->dst);
	free(b->jobs);
}

/* Copy a burst of n jobs of len bytes, and check it. */
static void
copy_same(struct ferry_copier *c, uint64_t len, uint16_t n)
{
	struct burst b = burst_same(len, n);

	assert_int_equal(ferry_copier_copy(c, b.jobs, b.n), 0);
	burst_check(&b);
	burst_free(&b);
}

static void
test_setup(void **state)
{
	struct ferry_lane *lane, *more[FERRY_COPIER_MAX_LANES];
	struct fake fakes[FERRY_COPIER_MAX_LANES];
	struct fake fake = fake_good(), bad;
	struct ferry_copier c;
	unsigned int i;

	RTE_SET_USED(state);
	assert_int_equal(ferry_copier_init(NULL, 0), -EINVAL);
	assert_int_equal(ferry_copier_init(&c, SOCKET_ID_ANY), 0);
	assert_int_equal(c.nb_lanes, 1);
	/* There is no EAL here: a deadline may then only be late. */
	assert_true(c.tsc_hz >= UINT64_C(10000000000));
	assert_string_equal(ferry_lane_info(ferry_copier_lane(&c, 0))->name,
		"cpu");
	assert_null(ferry_copier_lane(&c, 1));
	assert_null(ferry_copier_lane(NULL, 0));

	lane = fake_lane(&fake);
	assert_int_equal(ferry_copier_add(NULL, lane), -EINVAL);
	assert_int_equal(ferry_copier_add(&c, NULL), -EINVAL);
	lane->inflight = 1;
	assert_int_equal(ferry_copier_add(&c, lane), -EINVAL);
	lane->inflight = 0;
	assert_int_equal(ferry_copier_add(&c, lane), 0);
	assert_ptr_equal(ferry_copier_lane(&c, 1), lane);
	assert_int_equal(ferry_copier_add(&c, lane), -EINVAL);
	assert_int_equal(ferry_copier_add(&c, c.lanes[0].lane), -EINVAL);

	bad = fake_good();
	bad.max_job = 0;
	lane = fake_lane(&bad);
	assert_int_equal(ferry_copier_add(&c, lane), -EINVAL);
	ferry_lane_close(lane);
	bad = fake_good();
	bad.depth = 0;
	lane = fake_lane(&bad);
	assert_int_equal(ferry_copier_add(&c, lane), -EINVAL);
	ferry_lane_close(lane);

	for (i = 2; i < FERRY_COPIER_MAX_LANES; i++) {
		fakes[i] = fake_good();
		more[i] = fake_lane(&fakes[i]);
		assert_int_equal(ferry_copier_add(&c, more[i]), 0);
	}
	bad = fake_good();
	lane = fake_lane(&bad);
	assert_int_equal(ferry_copier_add(&c, lane), -ENOSPC);
	assert_int_equal(bad.closes, 0);
	ferry_lane_close(lane);

	ferry_copier_fini(&c);
	assert_int_equal(fake.closes, 1);
	for (i = 2; i < FERRY_COPIER_MAX_LANES; i++)
		assert_int_equal(fakes[i].closes, 1);
	/* Once more, and on nothing. */
	ferry_copier_fini(&c);
	ferry_copier_fini(NULL);
	assert_int_equal(fake.closes, 1);
	lane = fake_lane(&fake);
	assert_int_equal(ferry_copier_add(&c, lane), -EINVAL);
	ferry_lane_close(lane);
	assert_int_equal(ferry_copier_copy(&c, NULL, 0), -EINVAL);
}

/* Only the core: any burst, and no thinking. */
static void
test_cpu_only(void **state)
{
	static const uint64_t lens[] = { 0, 1, 63, 64, 4097, 0, 300000, 5 };
	struct fake cpu = fake_good();
	struct ferry_lane_stats stats;
	struct ferry_copier c;
	struct burst b;

	RTE_SET_USED(state);
	start(&c);
	assert_int_equal(ferry_copier_copy(&c, NULL, 0), 0);
	b = burst_make(lens, RTE_DIM(lens));
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	assert_int_equal(lane_bytes(&c, 0), b.total);
	burst_free(&b);
	/* More than any lane's depth. */
	copy_same(&c, 17, 5000);
	ferry_lane_stats(ferry_copier_lane(&c, 0), &stats);
	assert_int_equal(stats.refused, 0);

	/* No queue is gone through, nothing flushed or polled. */
	replace_cpu(&c, &cpu);
	b = burst_make(lens, RTE_DIM(lens));
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	burst_free(&b);
	assert_int_equal(cpu.accepted, RTE_DIM(lens));
	assert_int_equal(cpu.longest_job, 300000);
	assert_int_equal(cpu.longest_queue, RTE_DIM(lens));
	assert_int_equal(cpu.flushes + cpu.polls, 0);
	ferry_copier_fini(&c);
}

/* A core that does not copy is the one thing nobody can mend. */
static void
test_cpu_broken(void **state)
{
	unsigned int how, devices;

	RTE_SET_USED(state);
	for (how = 0; how < 2; how++) {
		for (devices = 0; devices < 2; devices++) {
			struct fake cpu = fake_good(), dev = fake_good();
			struct burst b = burst_same(100, 4);
			struct ferry_copier c;

			start(&c);
			cpu.deaf = how == 0;
			cpu.broken = how == 1;
			cpu.t0_ns = 1e9;
			replace_cpu(&c, &cpu);
			/* The second job fails, so that the core is needed. */
			dev.fail_from = 1;
			dev.fail_to = 2;
			dev.lazy_polls = 3;
			if (devices)
				add_fake(&c, &dev);
			assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n),
				-EIO);
			/* Nothing is left in the device. */
			assert_int_equal(dev.nb, 0);
			assert_int_equal(devices ? dev.accepted : 4, 4);
			ferry_copier_fini(&c);
			burst_free(&b);
		}
	}
}

/* With devices: the core fails at a job of its own, nothing more starts. */
static void
test_cpu_breaks_between(void **state)
{
	struct fake cpu = fake_good(), dev = fake_good();
	struct burst b = burst_same(100, 5);
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	cpu.broken = true;
	cpu.t0_ns = 1e9;
	replace_cpu(&c, &cpu);
	dev.no_reach = b.jobs[2].src;
	dev.no_reach_len = 1;
	dev.lazy_polls = 3;
	add_fake(&c, &dev);
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), -EIO);
	assert_int_equal(dev.accepted, 2);
	assert_int_equal(dev.nb, 0);
	ferry_copier_fini(&c);
	burst_free(&b);
}

/* Lanes are chosen by the smallest predicted time, per job. */
static void
test_choice(void **state)
{
	static const uint64_t lens[] = { 100, 50000, 0, 100, 50000 };
	struct ferry_lane_model model = { .t0_ns = 10, .bytes_per_ns = 1 };
	struct fake dev = fake_good();
	struct ferry_copier c;
	struct burst b;

	RTE_SET_USED(state);
	start(&c);
	assert_int_equal(ferry_lane_set_model(c.lanes[0].lane, &model), 0);
	dev.t0_ns = 1000;
	dev.bytes_per_ns = 100;
	add_fake(&c, &dev);
	b = burst_make(lens, RTE_DIM(lens));
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	burst_free(&b);
	assert_int_equal(lane_bytes(&c, 0), 200);
	assert_int_equal(lane_bytes(&c, 1), 100000);
	assert_int_equal(dev.accepted, 2);
	assert_int_equal(dev.poll_max, 128);
	ferry_copier_fini(&c);
}

/* Equal devices share, because what waits in a lane counts. */
static void
test_sharing(void **state)
{
	struct fake a = fake_good(), b = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	a.lazy_polls = b.lazy_polls = 5;
	add_fake(&c, &a);
	add_fake(&c, &b);
	copy_same(&c, 4096, 32);
	assert_int_equal(a.accepted, 16);
	assert_int_equal(b.accepted, 16);
	ferry_copier_fini(&c);
}

/* The core takes its share when the queue is longer than its own time. */
static void
test_cpu_helps(void **state)
{
	struct ferry_lane_model model = { .t0_ns = 0, .bytes_per_ns = 1 };
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	assert_int_equal(ferry_lane_set_model(c.lanes[0].lane, &model), 0);
	dev.bytes_per_ns = 4.5;
	add_fake(&c, &dev);
	copy_same(&c, 1000, 10);
	/* Four queue up, the core takes one, twice; then the queue is empty. */
	assert_int_equal(dev.accepted, 8);
	assert_int_equal(lane_bytes(&c, 0), 2000);
	assert_int_equal(lane_bytes(&c, 1), 8000);
	ferry_copier_fini(&c);
}

/* Long jobs in pieces of the lane's longest, completed in any order. */
static void
test_split_reorder(void **state)
{
	static const uint64_t lens[] = { 12345, 1, 1000, 999, 1001, 7777 };
	struct fake dev = fake_good();
	struct ferry_copier c;
	struct burst b;

	RTE_SET_USED(state);
	start(&c);
	dev.max_job = 1000;
	dev.reverse = true;
	dev.lazy_polls = 3;
	add_fake(&c, &dev);
	b = burst_make(lens, RTE_DIM(lens));
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	assert_int_equal(lane_bytes(&c, 1), b.total);
	assert_int_equal(dev.accepted, 13 + 1 + 1 + 1 + 2 + 8);
	assert_int_equal(dev.longest_job, 1000);
	assert_true(dev.out_of_order > 0);
	burst_free(&b);
	ferry_copier_fini(&c);
}

/* More pieces than the copier keeps track of: the core helps out. */
static void
test_many_pieces(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;
	unsigned int i;

	RTE_SET_USED(state);
	start(&c);
	dev.max_job = 64;
	add_fake(&c, &dev);
	copy_same(&c, 64 * 1000 + 1, 3);
	assert_int_equal(dev.longest_queue, 128);
	assert_true(lane_bytes(&c, 0) > 0);
	/* Every place in the table was given back. */
	for (i = 0; i < 3; i++)
		copy_same(&c, 100, 1000);
	assert_int_equal(dev.longest_queue, 128);
	ferry_copier_fini(&c);
}

/* A batch is started when it is full, or there is nothing more to add. */
static void
test_flush(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	add_fake(&c, &dev);
	copy_same(&c, 100, 31);
	assert_int_equal(dev.flushes, 1);
	copy_same(&c, 100, 64);
	assert_int_equal(dev.flushes, 3);
	copy_same(&c, 100, 65);
	assert_int_equal(dev.flushes, 6);
	ferry_copier_fini(&c);
}

/* Devices get to work before the core does. */
static void
test_flush_before_cpu(void **state)
{
	static const uint64_t lens[] = { 100000, 10 };
	struct ferry_lane_model model = { .t0_ns = 10, .bytes_per_ns = 1 };
	struct fake cpu = fake_good(), dev = fake_good();
	struct ferry_copier c;
	struct burst b;

	RTE_SET_USED(state);
	start(&c);
	cpu.t0_ns = model.t0_ns;
	cpu.bytes_per_ns = model.bytes_per_ns;
	cpu.watched = &dev;
	replace_cpu(&c, &cpu);
	dev.t0_ns = 1000;
	add_fake(&c, &dev);
	b = burst_make(lens, RTE_DIM(lens));
	/* One poll, after the core's turn, is enough for all. */
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	burst_free(&b);
	assert_int_equal(cpu.accepted, 1);
	assert_int_equal(cpu.watched_flushes, 1);
	assert_int_equal(dev.flushes, 1);
	assert_int_equal(dev.polls, 1);
	ferry_copier_fini(&c);
}

/* A lane at its depth is not asked; the core goes on, a chunk at a time. */
static void
test_full(void **state)
{
	struct fake dev = fake_good(), cpu = fake_good();
	struct ferry_lane_stats stats;
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	cpu.t0_ns = 1e9;
	cpu.bytes_per_ns = SLOW;
	replace_cpu(&c, &cpu);
	dev.depth = 4;
	dev.max_job = 65536;
	dev.lazy_polls = 2;
	add_fake(&c, &dev);
	copy_same(&c, 4000000, 1);
	ferry_lane_stats(ferry_copier_lane(&c, 1), &stats);
	assert_int_equal(stats.refused, 0);
	assert_int_equal(dev.longest_queue, 4);
	assert_int_equal(cpu.longest_job, 65536);
	/* Once it works, it gets its four for every one of the core's. */
	assert_true(stats.bytes > 2 * lane_bytes(&c, 0));
	ferry_copier_fini(&c);
}

/* Full without a warning: another lane, then the core, then that lane again. */
static void
test_refuse_full(void **state)
{
	struct fake a = fake_good(), b = fake_good();
	struct ferry_lane_stats stats;
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	a.room = 2;
	b.room = 3;
	b.bytes_per_ns = FAST / 100;
	a.max_job = b.max_job = 100;
	add_fake(&c, &a);
	add_fake(&c, &b);
	copy_same(&c, 100, 12);
	/* 2 to a, 3 to b, 1 to the core; and again. */
	assert_int_equal(a.accepted, 4);
	assert_int_equal(b.accepted, 6);
	assert_int_equal(lane_bytes(&c, 0), 200);
	/* Each was asked once when full, by the job that went to the core. */
	ferry_lane_stats(ferry_copier_lane(&c, 2), &stats);
	assert_int_equal(stats.refused, 2);

	/* Also within one job: 5 pieces, then 64 KiB, three times and a bit. */
	c.lanes[1].lane->info.max_job = a.max_job = 10000;
	c.lanes[2].lane->info.max_job = b.max_job = 10000;
	copy_same(&c, 400000, 1);
	assert_int_equal(a.accepted, 4 + 4 * 2);
	assert_int_equal(b.accepted, 6 + 4 * 3);
	assert_int_equal(lane_bytes(&c, 0), 200 + 400000 - 200000);
	ferry_copier_fini(&c);
}

/* A job outside a lane's reach goes to the next best lane, whole. */
static void
test_refuse_reach(void **state)
{
	struct fake a = fake_good(), b = fake_good();
	struct burst burst = burst_same(200000, 3);
	struct ferry_lane_stats stats;
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	a.no_reach = burst.jobs[0].src;
	a.no_reach_len = burst.jobs[0].len;
	b.bytes_per_ns = FAST / 100;
	add_fake(&c, &a);
	add_fake(&c, &b);
	assert_int_equal(ferry_copier_copy(&c, burst.jobs, burst.n), 0);
	burst_check(&burst);
	assert_int_equal(lane_bytes(&c, 0), 0);
	assert_int_equal(lane_bytes(&c, 1), 400000);
	assert_int_equal(lane_bytes(&c, 2), 200000);

	/* No lane reaches it: the core does it in one piece, asking once. */
	b.no_reach = a.no_reach;
	b.no_reach_len = a.no_reach_len;
	memset(burst.dst, 0x55, burst.size);
	assert_int_equal(ferry_copier_copy(&c, burst.jobs, burst.n), 0);
	burst_check(&burst);
	assert_int_equal(lane_bytes(&c, 0), 200000);
	ferry_lane_stats(ferry_copier_lane(&c, 1), &stats);
	assert_int_equal(stats.refused, 2);
	ferry_lane_stats(ferry_copier_lane(&c, 0), &stats);
	assert_int_equal(stats.jobs, 1);
	burst_free(&burst);
	ferry_copier_fini(&c);
}

/* Nor is it asked again for each chunk when the core takes turns. */
static void
test_refuse_reach_busy(void **state)
{
	struct fake a = fake_good(), b = fake_good();
	struct burst burst = burst_same(400000, 2);
	struct ferry_lane_stats stats;
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	a.no_reach = burst.src;
	a.no_reach_len = burst.size;
	b.bytes_per_ns = FAST / 100;
	b.depth = 1;
	b.lazy_polls = 20;
	add_fake(&c, &a);
	add_fake(&c, &b);
	assert_int_equal(ferry_copier_copy(&c, burst.jobs, burst.n), 0);
	burst_check(&burst);
	assert_int_equal(lane_bytes(&c, 0), 400000);
	assert_int_equal(lane_bytes(&c, 2), 400000);
	ferry_lane_stats(ferry_copier_lane(&c, 1), &stats);
	assert_int_equal(stats.refused, 2);
	burst_free(&burst);
	ferry_copier_fini(&c);
}

/* What fails is finished by the core from the bytes known done. */
static void
test_error(void **state)
{
	static const uint64_t partial[] = { 0, 1, 777, 4095, 4096, 9999 };
	unsigned int i;

	RTE_SET_USED(state);
	for (i = 0; i < RTE_DIM(partial); i++) {
		uint64_t done = RTE_MIN(partial[i], UINT64_C(4096));
		struct fake dev = fake_good();
		struct ferry_copier c;

		start(&c);
		dev.fail_from = 3;
		dev.fail_to = 5;
		dev.fail_bytes = partial[i];
		dev.fail_status = i & 1 ? FERRY_COPY_E_ADDRESS :
			FERRY_COPY_E_DEVICE;
		add_fake(&c, &dev);
		copy_same(&c, 4096, 10);
		assert_int_equal(lane_bytes(&c, 0), 2 * (4096 - done));
		assert_int_equal(lane_errors(&c, 1), 2);
		assert_int_equal(c.lanes[1].errors, 0);
		assert_int_equal(c.lanes[1].state, FERRY_COPIER_USED);
		ferry_copier_fini(&c);
	}
}

static void
test_quarantine(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	dev.fail_from = 1;
	dev.fail_to = UINT32_MAX;
	add_fake(&c, &dev);
	/* One good, then seven bad ones, over several calls. */
	copy_same(&c, 100, 4);
	copy_same(&c, 100, 4);
	assert_int_equal(c.lanes[1].errors, 7);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_USED);
	/* A good one makes up for them. */
	dev.fail_from = 9;
	copy_same(&c, 100, 1);
	assert_int_equal(c.lanes[1].errors, 0);
	copy_same(&c, 100, 7);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_USED);
	/* The eighth in a row; what is in the lane by then is still taken. */
	copy_same(&c, 100, 5);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_QUARANTINED);
	assert_int_equal(dev.nb, 0);
	assert_int_equal(dev.accepted, 21);
	/* Left alone from now on, and not closed. */
	copy_same(&c, 100, 50);
	assert_int_equal(dev.accepted, 21);
	assert_int_equal(dev.closes, 0);
	assert_int_equal(ferry_copier_lane(&c, 1)->drv == &fake_driver, true);
	ferry_copier_fini(&c);
	assert_int_equal(dev.closes, 1);
}

/* Quarantined in the middle of a burst: the other lanes carry on. */
static void
test_quarantine_midway(void **state)
{
	struct fake bad = fake_good(), good = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	bad.fail_to = UINT32_MAX;
	bad.depth = 4;
	good.depth = 4;
	good.bytes_per_ns = FAST / 2;
	add_fake(&c, &bad);
	add_fake(&c, &good);
	copy_same(&c, 1000, 200);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_QUARANTINED);
	assert_int_equal(c.nb_used, 2);
	assert_int_equal(bad.accepted, 8);
	assert_true(good.accepted > 100);
	ferry_copier_fini(&c);
}

/* A batch aborted for one bad job is one error; a lane that aborts all is not
 * let off for ever.
 */
static void
test_aborted(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;
	unsigned int i;

	RTE_SET_USED(state);
	start(&c);
	dev.fail_status = FERRY_COPY_E_ABORTED;
	dev.fail_to = UINT32_MAX;
	add_fake(&c, &dev);
	for (i = 1; i < FERRY_COPIER_MAX_ERRORS; i++) {
		copy_same(&c, 100, 32);
		assert_int_equal(c.lanes[1].errors, i);
		assert_int_equal(c.lanes[1].state, FERRY_COPIER_USED);
	}
	copy_same(&c, 100, 32);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_QUARANTINED);
	assert_int_equal(lane_errors(&c, 1), 32 * FERRY_COPIER_MAX_ERRORS);
	ferry_copier_fini(&c);

	/* A good job between two aborted ones: not the same batch. */
	dev.accepted = 0;
	dev.fail_odd = true;
	start(&c);
	add_fake(&c, &dev);
	copy_same(&c, 100, 32);
	assert_int_equal(c.lanes[1].errors, 1);
	ferry_copier_fini(&c);
}

/* A lane that hangs is closed before anybody touches what it may write. */
static void
test_hang(void **state)
{
	struct fake dev = fake_good(), other = fake_good();
	struct ferry_copier c;
	uint64_t t0, ns;

	RTE_SET_USED(state);
	start(&c);
	dev.hang_from = 2;
	dev.hang_to = UINT32_MAX;
	dev.max_job = 5000;
	other.bytes_per_ns = FAST / 3;
	add_fake(&c, &dev);
	add_fake(&c, &other);
	t0 = ferry_test_now_ns();
	copy_same(&c, 30000, 5);
	ns = ferry_test_now_ns() - t0;
	/* A second, as promised. The upper bound is for a busy machine. */
	assert_in_range(ns, 980000000, UINT64_C(20000000000));
	assert_int_equal(dev.closes, 1);
	assert_int_equal(other.closes, 0);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_DROPPED);
	assert_int_equal(c.lanes[2].state, FERRY_COPIER_USED);
	/* What it was and did can still be read. */
	assert_string_equal(ferry_lane_info(ferry_copier_lane(&c, 1))->name,
		"fake");
	assert_int_equal(lane_bytes(&c, 1), 10000);
	assert_int_equal(lane_errors(&c, 1), dev.accepted - 2);
	assert_int_equal(lane_bytes(&c, 0) + lane_bytes(&c, 1) +
		lane_bytes(&c, 2), 150000);

	/* It is not asked again, nor closed twice. */
	t0 = ferry_test_now_ns();
	ns = dev.accepted;
	copy_same(&c, 1000, 100);
	assert_in_range(ferry_test_now_ns() - t0, 0, 900000000);
	assert_int_equal(dev.accepted, ns);
	ferry_copier_fini(&c);
	assert_int_equal(dev.closes, 1);
	assert_int_equal(other.closes, 1);
}

/* The only device: then the core alone is left, on its quick path. */
static void
test_hang_last(void **state)
{
	struct fake cpu = fake_good(), dev = fake_good();
	struct ferry_copier c;
	uint32_t polls;

	RTE_SET_USED(state);
	start(&c);
	cpu.t0_ns = 1e9;
	replace_cpu(&c, &cpu);
	c.tsc_hz /= 100;
	dev.hang_to = UINT32_MAX;
	add_fake(&c, &dev);
	copy_same(&c, 3000, 200);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_DROPPED);
	assert_int_equal(c.nb_used, 1);
	assert_int_equal(lane_bytes(&c, 0), 600000);
	polls = dev.polls;
	assert_int_equal(cpu.longest_queue, 1);
	copy_same(&c, 3000, 200);
	assert_int_equal(dev.polls, polls);
	/* The whole burst at once. */
	assert_int_equal(cpu.longest_queue, 200);
	ferry_copier_fini(&c);
}

/* Hangs while in quarantine. */
static void
test_hang_quarantined(void **state)
{
	struct fake dev = fake_good(), other = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	c.tsc_hz /= 100;
	dev.fail_to = 8;
	dev.hang_from = 8;
	dev.hang_to = UINT32_MAX;
	other.bytes_per_ns = FAST / 1000;
	add_fake(&c, &dev);
	add_fake(&c, &other);
	copy_same(&c, 100, 20);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_DROPPED);
	assert_int_equal(c.nb_used, 2);
	assert_int_equal(dev.closes, 1);
	ferry_copier_fini(&c);
}

/* Time is measured from the last sign of life, and by the lane's own model. */
static void
test_slow_is_not_hung(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;
	uint64_t hz;

	RTE_SET_USED(state);
	start(&c);
	hz = c.tsc_hz;
	/* A second is 10 ms now, and the predicted 0.2 s are 2 ms. */
	c.tsc_hz = hz / 100;
	dev.t0_ns = 2e8;
	dev.lazy_ns = 100000000;
	add_fake(&c, &dev);
	/* 10 ms and 100 times 2 ms allow for 100 ms. */
	copy_same(&c, 1000, 3);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_USED);
	/* As do 100 times 3 predicted bytes. */
	c.lanes[1].lane->model.t0_ns = 0;
	c.lanes[1].lane->model.bytes_per_ns = 3000 / 2e8;
	copy_same(&c, 1000, 3);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_USED);
	/* 10 ms do not. */
	c.lanes[1].lane->model.bytes_per_ns = FAST;
	copy_same(&c, 1000, 3);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_DROPPED);
	ferry_copier_fini(&c);
}

/* A lane that was waited for and then got more to do has time for that, too. */
static void
test_more_time_for_more(void **state)
{
	static const uint64_t lens[] = { 1, 1, 3000 };
	struct fake dev = fake_good();
	struct ferry_copier c;
	struct burst b;

	RTE_SET_USED(state);
	start(&c);
	/* A second is 10 ms. */
	c.tsc_hz /= 100;
	dev.bytes_per_ns = 3000 / 2e8;
	dev.lazy_ns = 100000000;
	b = burst_make(lens, RTE_DIM(lens));
	/* The core does the second, and looks for the first. */
	dev.no_reach = b.jobs[1].src;
	dev.no_reach_len = 1;
	add_fake(&c, &dev);
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	assert_int_equal(dev.accepted, 2);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_USED);
	burst_free(&b);
	ferry_copier_fini(&c);
}

/* Each completion starts the clock again. */
static void
test_progress(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	/* A second is 30 ms now; the device needs 20 for each of five jobs. */
	c.tsc_hz = c.tsc_hz * 3 / 100;
	dev.lazy_ns = 20000000;
	dev.one_by_one = true;
	add_fake(&c, &dev);
	copy_same(&c, 1000, 5);
	assert_int_equal(dev.accepted, 5);
	assert_int_equal(c.lanes[1].state, FERRY_COPIER_USED);
	ferry_copier_fini(&c);
}

/* A model that makes no sense still ends in a deadline. */
static void
test_absurd_model(void **state)
{
	struct fake dev = fake_good();
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	dev.t0_ns = 1e300;
	dev.bytes_per_ns = 1e-300;
	dev.lazy_polls = 3;
	c.lanes[0].lane->model.t0_ns = 1e308;
	add_fake(&c, &dev);
	copy_same(&c, 1000, 3);
	assert_int_equal(dev.accepted, 3);
	ferry_copier_fini(&c);
}

/* Completions nobody waits for complete nothing. */
static void
test_lies(void **state)
{
	static const uint64_t lies[] = {
		/* Out of range; free; already completed; another lane's. */
		128, UINT64_MAX, 127, 0, 1,
	};
	unsigned int i;

	RTE_SET_USED(state);
	for (i = 0; i < RTE_DIM(lies); i++) {
		struct fake liar = fake_good(), honest = fake_good();
		struct ferry_copier c;

		start(&c);
		liar.lies = true;
		liar.lie = lies[i];
		honest.lazy_polls = 10;
		add_fake(&c, &liar);
		add_fake(&c, &honest);
		/* Two: an early end would leave the honest one's undone. */
		copy_same(&c, 1000, 2);
		copy_same(&c, 1000, 18);
		assert_int_equal(liar.accepted, 10);
		assert_int_equal(honest.nb, 0);
		assert_int_equal(lane_bytes(&c, 0), 0);
		ferry_copier_fini(&c);
	}
}

/* The placement asked for reaches the lane, also in pieces and by redo. */
static void
test_placement(void **state)
{
	struct fake cpu = fake_good(), dev = fake_good();
	struct burst b = burst_same(100, 1);
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	/* Keeps its jobs, to be looked at. */
	cpu.t0_ns = 1e9;
	replace_cpu(&c, &cpu);
	dev.max_job = 60;
	dev.fail_from = 1;
	dev.fail_to = 2;
	dev.fail_bytes = 10;
	add_fake(&c, &dev);
	b.jobs[0].place = FERRY_PLACE_MEMORY;
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
	burst_check(&b);
	assert_int_equal(dev.accepted, 2);
	/* Left in the queues' unused places. */
	assert_int_equal(dev.q[0].job.place, FERRY_PLACE_MEMORY);
	assert_int_equal(dev.q[1].job.place, FERRY_PLACE_MEMORY);
	assert_int_equal(cpu.q[0].job.place, FERRY_PLACE_MEMORY);
	assert_int_equal(cpu.q[0].job.len, 30);
	burst_free(&b);
	ferry_copier_fini(&c);
}

/* Everything at once, at random. */
static void
test_storm(void **state)
{
	uint64_t seed = 42;
	unsigned int round;

	RTE_SET_USED(state);
	for (round = 0; round < 300; round++) {
		struct fake fakes[4];
		struct ferry_copier c;
		uint64_t lens[40], sum = 0;
		struct burst b;
		unsigned int i, call;

		start(&c);
		c.tsc_hz /= 1000;
		c.lanes[0].lane->model.t0_ns = 100;
		c.lanes[0].lane->model.bytes_per_ns = 10;
		for (i = 0; i < RTE_DIM(fakes); i++) {
			struct fake *f = &fakes[i];

			*f = fake_good();
			f->depth = 1 + (uint32_t)(ferry_test_random(&seed) % 40);
			f->max_job = 1 + ferry_test_random(&seed) % 9000;
			f->bytes_per_ns = 1 + (double)(
				ferry_test_random(&seed) % 50);
			f->reverse = ferry_test_random(&seed) & 1;
			f->lazy_polls = (uint32_t)(
				ferry_test_random(&seed) % 5);
			f->fail_from = (uint32_t)(
				ferry_test_random(&seed) % 100);
			f->fail_to = f->fail_from + (uint32_t)(
				ferry_test_random(&seed) % 12);
			f->fail_bytes = ferry_test_random(&seed) % 500;
			f->fail_status = FERRY_COPY_E_ADDRESS + (
				enum ferry_copy_status)(
				ferry_test_random(&seed) % 3);
			if (ferry_test_random(&seed) % 8 == 0) {
				f->hang_from = (uint32_t)(
					ferry_test_random(&seed) % 50);
				f->hang_to = f->hang_from + 3;
			}
			add_fake(&c, f);
		}
		for (call = 0; call < 3; call++) {
			uint64_t before = sum;

			for (i = 0; i < RTE_DIM(lens); i++)
				lens[i] = ferry_test_random(&seed) %
					(i % 8 == 0 ? 100000 : 2000);
			b = burst_make(lens, RTE_DIM(lens));
			assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), 0);
			burst_check(&b);
			for (sum = 0, i = 0; i < c.nb_lanes; i++)
				sum += lane_bytes(&c, i);
			/* Partly done jobs are counted by the core only. */
			assert_true(sum <= before + b.total);
			assert_true(sum + 500 * lane_errors(&c, 1) +
				500 * lane_errors(&c, 2) +
				500 * lane_errors(&c, 3) +
				500 * lane_errors(&c, 4) >= b.total);
			burst_free(&b);
			for (i = 0; i < RTE_DIM(fakes); i++)
				assert_int_equal(fakes[i].nb, 0);
		}
		ferry_copier_fini(&c);
		for (i = 0; i < RTE_DIM(fakes); i++)
			assert_int_equal(fakes[i].closes, 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setup),
		cmocka_unit_test(test_cpu_only),
		cmocka_unit_test(test_cpu_broken),
		cmocka_unit_test(test_cpu_breaks_between),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_cpu_helps),
		cmocka_unit_test(test_split_reorder),
		cmocka_unit_test(test_many_pieces),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_flush_before_cpu),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_refuse_full),
		cmocka_unit_test(test_refuse_reach),
		cmocka_unit_test(test_refuse_reach_busy),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_quarantine_midway),
		cmocka_unit_test(test_aborted),
		cmocka_unit_test(test_hang),
		cmocka_unit_test(test_hang_last),
		cmocka_unit_test(test_hang_quarantined),
		cmocka_unit_test(test_slow_is_not_hung),
		cmocka_unit_test(test_more_time_for_more),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_absurd_model),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_placement),
		cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests_name("copier", tests, NULL, NULL);
}
