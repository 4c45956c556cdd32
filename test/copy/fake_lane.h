/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_TEST_FAKE_LANE_H
#define FERRY_TEST_FAKE_LANE_H

/**
 * @file
 * For tests of the copier: lanes that do everything a device may do (complete
 * late and out of order, take little, refuse, fail half-way, hang), and bursts
 * that tell whether exactly they were copied. A fake device copies (or damages)
 * only when it is polled or closed.
 *
 * The copier is compiled into these tests, with a clock of their own in place
 * of the time stamp counter (fake_clock.h): how long the machine takes for a
 * test changes nothing in it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry_copier.h"
#include "ferry_lane.h"

#define FAKE_JOBS 256
/** Bytes per nanosecond of lane 0 after start(), and of fake_good(). */
#define SLOW 0.001
#define FAST 1000.0

/** Ticks in a second of the tests' clock: a tick is a nanosecond. */
#define FAKE_HZ UINT64_C(1000000000)
/** What a look at the clock takes, and a poll that finds nothing. */
#define FAKE_LOOK_NS 20
#define FAKE_POLL_NS 1000

/** The tests' clock, in nanoseconds. */
extern uint64_t fake_now_ns;

/** A scripted device: what it shall do, and what was done to it. */
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
	/* As lane 0: what it takes for a byte, beside lazy_ns for a call. */
	double byte_ns;
	/* Closing does not stop it; what it holds stays in the queue. */
	bool unstoppable;
	/* The thread sleeps so long in polls of these numbers, from 1 up. */
	uint64_t pause_ns;
	uint32_t pause_from, pause_to;
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

extern const struct ferry_copy_driver fake_driver;

/** A device that does all it is asked, and is preferred to anything else. */
struct fake fake_good(void);

/** Open a lane on it; it is the lane's until that is closed. */
struct ferry_lane *fake_lane(struct fake *fake);

/** The same, for the copier. */
void add_fake(struct ferry_copier *c, struct fake *fake);

/** Lane 0 slower than any fake, and the clock FAKE_HZ. */
void start(struct ferry_copier *c);

/** Make lane 0 a fake. */
void replace_cpu(struct ferry_copier *c, struct fake *fake);

/** Statistics of lane i. */
uint64_t lane_bytes(const struct ferry_copier *c, unsigned int i);
uint64_t lane_errors(const struct ferry_copier *c, unsigned int i);

/** A burst with buffers that tell whether exactly it was copied. */
struct burst {
	uint16_t n;
	uint64_t total;
	size_t size;
	uint8_t *src;
	uint8_t *dst;
	struct ferry_copy_job *jobs;
};

/** n jobs of these lengths, with destinations aligned to 64 bytes. */
struct burst burst_make(const uint64_t *lens, uint16_t n);

/** The same, but sources and destinations anywhere. */
struct burst burst_ragged(const uint64_t *lens, uint16_t n, uint64_t *seed);

/** n jobs of len bytes each. */
struct burst burst_same(uint64_t len, uint16_t n);

/** Every job's bytes arrived, and none between them was touched. */
void burst_check(const struct burst *b);

void burst_free(struct burst *b);

/** Copy a burst of n jobs of len bytes, and check it. Latency mode. */
void copy_same(struct ferry_copier *c, uint64_t len, uint16_t n);

/** The same in any mode. */
void copy_mode(struct ferry_copier *c, uint64_t len, uint16_t n,
		enum ferry_mode mode);

#endif /* FERRY_TEST_FAKE_LANE_H */
