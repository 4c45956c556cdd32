/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The copier with lanes that misbehave in all ways at random. All bytes are
 * right, no byte outside of a job is written, and every cookie comes back
 * exactly once.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_log.h>

#include "fake_lane.h"
#include "ferry_copier.h"
#include "ferry_lane.h"
#include "ferry_test.h"

#define NB_FAKES 4
#define NB_JOBS 400
/* Bytes copied beside the jobs, in a round, before there are no more: a lane
 * may take polls by the million, and without this a round takes minutes.
 */
#define MAX_EXTRA 12000000

static uint64_t seed;

static uint64_t
roll(uint64_t n)
{
	return ferry_test_random(&seed) % n;
}

static bool
one_in(uint64_t n)
{
	return roll(n) == 0;
}

/* A device with some habits, all of which it may have. */
static struct fake
any_fake(void)
{
	struct fake f = fake_good();

	f.depth = 1 + (uint32_t)roll(one_in(2) ? 5 : 200);
	f.max_job = 64 + roll(one_in(2) ? 9000 : 2000000);
	f.t0_ns = (double)roll(3000);
	f.bytes_per_ns = 0.1 + (double)roll(500) / 10;
	f.reverse = one_in(2);
	f.one_by_one = one_in(3);
	f.lazy_polls = (uint32_t)roll(20);
	if (one_in(2))
		f.room = 1 + (uint32_t)roll(10);
	if (one_in(2)) {
		f.fail_from = (uint32_t)roll(100);
		f.fail_to = f.fail_from + (uint32_t)roll(30);
		f.fail_bytes = roll(70000);
		f.fail_status = FERRY_COPY_E_ADDRESS +
			(enum ferry_copy_status)roll(3);
		f.fail_odd = one_in(2);
	}
	if (one_in(6)) {
		f.hang_from = (uint32_t)roll(50);
		f.hang_to = f.hang_from + 1 + (uint32_t)roll(5);
	}
	if (one_in(4)) {
		f.lies = true;
		/* One of a part it has would be believed. */
		f.lie = 256 + roll(300);
	}
	return f;
}

static void
any_copier(struct ferry_copier *c, struct fake *fakes, unsigned int n)
{
	const struct ferry_lane_model model = {
		.t0_ns = 20, .bytes_per_ns = 1 + (double)roll(20),
	};
	unsigned int i;

	start(c);
	/* A second is 1 ms, and so are quarantines short. */
	c->tsc_hz /= 1000;
	c->tune.learn = one_in(2);
	c->tune.route = one_in(2);
	assert_int_equal(ferry_lane_set_model(c->lanes[0].lane, &model), 0);
	for (i = 0; i < n; i++) {
		fakes[i] = any_fake();
		add_fake(c, &fakes[i]);
	}
}

static void
any_lens(uint64_t *lens, unsigned int n)
{
	static const uint64_t sizes[] = {
		70, 300, 5000, 5000, 70000, 70000, 140000, 600000,
	};
	unsigned int i;

	for (i = 0; i < n; i++)
		lens[i] = roll(sizes[roll(RTE_DIM(sizes))]);
}

static void
any_jobs(struct burst *b, uint64_t cookie)
{
	uint16_t i;

	for (i = 0; i < b->n; i++) {
		b->jobs[i].cookie = cookie + i;
		b->jobs[i].mode = (enum ferry_mode)roll(FERRY_MODES);
		b->jobs[i].place = (enum ferry_placement)roll(FERRY_PLACES);
	}
}

/* Bytes done by all lanes, and what failed jobs may have done. */
static void
check_sums(const struct ferry_copier *c, uint64_t total)
{
	uint64_t sum = 0, errors = 0;
	unsigned int i;

	for (i = 0; i < c->nb_lanes; i++) {
		sum += lane_bytes(c, i);
		errors += lane_errors(c, i);
	}
	assert_true(sum <= total);
	assert_true(sum + 70000 * errors >= total);
}

static void
test_every_job_is_done_once_and_right(void **state)
{
	static uint64_t lens[NB_JOBS];
	static bool seen[NB_JOBS];
	unsigned int round, i;

	RTE_SET_USED(state);
	seed = 7;
	for (round = 0; round < 25; round++) {
		struct fake fakes[NB_FAKES];
		unsigned int n = (unsigned int)roll(NB_FAKES + 1);
		struct ferry_copy_done done[40];
		uint64_t extra = 0, next;
		uint16_t in = 0, out = 0;
		struct ferry_copier c;
		struct burst b;

		any_copier(&c, fakes, n);
		any_lens(lens, NB_JOBS);
		b = burst_ragged(lens, NB_JOBS, &seed);
		any_jobs(&b, 1000);
		memset(seen, 0, sizeof(seen));
		while (out < NB_JOBS) {
			uint16_t got, k;

			in += ferry_copier_submit(&c, &b.jobs[in],
				RTE_MIN(NB_JOBS - in, (int)roll(50)));
			if (extra < MAX_EXTRA && one_in(20)) {
				uint64_t len = roll(300000);

				copy_mode(&c, len, 2,
					(enum ferry_mode)roll(FERRY_MODES));
				extra += 2 * len;
			}
			got = ferry_copier_poll(&c, done,
				(uint16_t)roll(RTE_DIM(done) + 1));
			for (k = 0; k < got; k++) {
				uint64_t j = done[k].cookie - 1000;

				assert_in_range(j, 0, in - 1);
				assert_false(seen[j]);
				seen[j] = true;
				assert_int_equal(done[k].status,
					FERRY_COPY_OK);
				assert_int_equal(done[k].bytes, lens[j]);
				/* By now, not later. */
				assert_memory_equal(b.jobs[j].dst,
					b.jobs[j].src, lens[j]);
			}
			out += got;
			assert_int_equal(ferry_copier_inflight(&c), in - out);
			next = ferry_copier_next_ns(&c);
			assert_true((next == UINT64_MAX) == (in == out));
			assert_true(in == out || next <= 1000000);
		}
		burst_check(&b);
		check_sums(&c, b.total + extra);
		for (i = 0; i < n; i++) {
			assert_int_equal(fakes[i].nb, 0);
			assert_true(fakes[i].poll_max <= 128);
		}
		assert_int_equal(ferry_copier_fini(&c), 0);
		for (i = 0; i < n; i++)
			assert_int_equal(fakes[i].closes, 1);
		burst_free(&b);
	}
}

/* A device cannot be stopped: the copier does not touch memory that the device
 * may still write. */
static void
test_unsafe_memory_is_left_alone(void **state)
{
	static uint64_t lens[NB_JOBS];
	unsigned int round, unsafe_seen = 0;

	RTE_SET_USED(state);
	seed = 3;
	for (round = 0; round < 40; round++) {
		struct fake bad = fake_good(), good = fake_good();
		unsigned int unsafe = 0, held, mine = 0;
		struct ferry_copier_stats stats;
		struct ferry_copy_done done[40];
		uint16_t in = 0, out = 0, k;
		struct ferry_copier c;
		struct burst b;

		start(&c);
		c.tune.hang_grace_ns = 1e6;
		bad.unstoppable = true;
		bad.hang_from = (uint32_t)roll(40);
		bad.hang_to = UINT32_MAX;
		bad.depth = good.depth = 1 + (uint32_t)roll(100);
		add_fake(&c, &bad);
		if (one_in(2))
			add_fake(&c, &good);
		any_lens(lens, NB_JOBS);
		b = burst_ragged(lens, NB_JOBS, &seed);
		any_jobs(&b, 0);
		while (out < NB_JOBS) {
			uint16_t got;

			in += ferry_copier_submit(&c, &b.jobs[in],
				RTE_MIN(NB_JOBS - in, (int)roll(50)));
			got = ferry_copier_poll(&c, done, RTE_DIM(done));
			for (k = 0; k < got; k++) {
				const struct ferry_copy_job *job =
					&b.jobs[done[k].cookie];

				if (done[k].status == FERRY_COPY_OK) {
					assert_memory_equal(job->dst, job->src,
						job->len);
					continue;
				}
				assert_int_equal(done[k].status,
					FERRY_COPY_E_UNSAFE);
				assert_int_equal(done[k].bytes, 0);
				unsafe++;
			}
			out += got;
		}
		ferry_copier_stats(&c, &stats);
		assert_int_equal(stats.unsafe, unsafe);
		assert_int_equal(stats.drops, 1);
		assert_int_equal(bad.closes, 1);
		/* The copier made no copy of the jobs that the device holds:
		 * their destinations are as they were. */
		held = bad.nb;
		assert_true(held > 0 && unsafe > 0 && unsafe <= held);
		for (k = 0; k < held; k++) {
			const struct ferry_copy_job *job = &bad.q[k].job;
			const uint8_t *dst = job->dst;
			uint64_t i;

			for (i = 0; i < job->len; i++)
				mine += dst[i] != 0x55;
		}
		assert_int_equal(mine, 0);
		unsafe_seen += unsafe;
		ferry_copier_fini(&c);
		burst_free(&b);
	}
	assert_true(unsafe_seen > 100);
}

/* Nor does the core go on with its own share of such a job. */
static void
test_unsafe_job_is_left_by_the_core(void **state)
{
	static const uint64_t lens[] = { 600000, 100032 };
	const struct ferry_lane_model model = { 20, 10 };
	struct burst b = burst_make(lens, RTE_DIM(lens));
	struct ferry_copy_done done[2];
	struct fake dev = fake_good();
	struct ferry_copier c;
	uint16_t got = 0;
	uint64_t i;

	RTE_SET_USED(state);
	start(&c);
	assert_int_equal(ferry_lane_set_model(c.lanes[0].lane, &model), 0);
	c.tune.hang_grace_ns = 0;
	c.tune.hang_factor = 0;
	c.tune.policy.gain = 0;
	dev.unstoppable = true;
	dev.hang_to = UINT32_MAX;
	/* Begins late enough for the core to have a share. */
	dev.t0_ns = 60000;
	dev.bytes_per_ns = 30;
	dev.no_reach = b.jobs[0].src;
	dev.no_reach_len = 1;
	add_fake(&c, &dev);
	b.jobs[0].cookie = 0;
	b.jobs[0].mode = FERRY_MODE_EFFICIENCY;
	b.jobs[1].cookie = 1;
	/* Nine chunks for the core, then its share of the second. */
	assert_int_equal(ferry_copier_submit(&c, b.jobs, 2), 2);
	assert_int_equal(dev.accepted, 1);
	assert_true(c.lanes[0].parts == 2);
	while (got < 2)
		got += ferry_copier_poll(&c, &done[got], 2 - got);
	assert_int_equal(done[0].cookie, 0);
	assert_int_equal(done[0].status, FERRY_COPY_OK);
	assert_int_equal(done[1].status, FERRY_COPY_E_UNSAFE);
	assert_memory_equal(b.jobs[0].dst, b.jobs[0].src, lens[0]);
	for (i = 0; i < lens[1]; i++)
		assert_int_equal(((uint8_t *)b.jobs[1].dst)[i], 0x55);
	ferry_copier_fini(&c);
	burst_free(&b);
}

/* The same for one who waits: he is told. */
static void
test_unsafe_copy_fails(void **state)
{
	struct fake dev = fake_good();
	struct burst b = burst_same(65536, 4);
	struct ferry_copier_stats stats;
	struct ferry_copier c;

	RTE_SET_USED(state);
	start(&c);
	c.tune.hang_grace_ns = 1e6;
	dev.unstoppable = true;
	dev.hang_from = 1;
	dev.hang_to = UINT32_MAX;
	add_fake(&c, &dev);
	assert_int_equal(ferry_copier_copy(&c, b.jobs, b.n), -EIO);
	ferry_copier_stats(&c, &stats);
	assert_true(stats.unsafe > 0);
	assert_int_equal(lane_bytes(&c, 0), 0);
	/* The next one is the core's, and good. */
	copy_same(&c, 65536, 4);
	ferry_copier_fini(&c);
	burst_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_job_is_done_once_and_right),
		cmocka_unit_test(test_unsafe_memory_is_left_alone),
		cmocka_unit_test(test_unsafe_job_is_left_by_the_core),
		cmocka_unit_test(test_unsafe_copy_fails),
	};

	/* Faults by the hundred are no news here. */
	rte_log_set_level_pattern("ferry.copy", RTE_LOG_ERR);
	return cmocka_run_group_tests_name("copier_storm", tests, NULL, NULL);
}
