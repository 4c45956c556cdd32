/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_TEST_FAKE_LANE_H
#define FERRY_TEST_FAKE_LANE_H

/**
 * @file
 * For tests of the copier: lanes that do everything a device may do (complete
 * late and out of order, take little, refuse, fail half-way, hang), and bursts
 * that can be checked: that their bytes were copied, and no others written. A
 * fake device copies (or damages) only when it is polled or closed.
 *
 * The copier is compiled into these tests, with a clock of their own in place
 * of the time stamp counter (fake_clock.h). Therefore the machine's speed
 * changes nothing in a test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry_copier.h"
#include "ferry_lane.h"

#define FAKE_JOBS 256
/** Bytes per nanosecond: SLOW of lane 0 after start(), FAST of fake_good(). */
#define SLOW 0.001
#define FAST 1000.0

/** Ticks in a second of the tests' clock: a tick is a nanosecond. */
#define FAKE_HZ UINT64_C(1000000000)
/** Nanoseconds that reading the clock takes, and that a poll takes which finds
 * nothing. */
#define FAKE_LOOK_NS 20
#define FAKE_POLL_NS 1000

/** The tests' clock, in nanoseconds. */
extern uint64_t fake_now_ns;

/** A scripted device: how it behaves, and a record of what was done to it. */
struct fake {
	/* Script. Job numbers count accepted jobs from 0. */
	uint32_t depth;
	uint64_t max_job;
	uint32_t flags;
	double t0_ns;
	double bytes_per_ns;
	/* Completes the newest job first. */
	bool reverse;
	/* Takes no job whose source lies in this memory. */
	const void *no_reach;
	size_t no_reach_len;
	/* Takes so many jobs and is full then, even if depth is greater; 0: no
	 * limit. */
	uint32_t room;
	/* Jobs of these numbers fail. */
	uint32_t fail_from, fail_to;
	enum ferry_copy_status fail_status;
	uint64_t fail_bytes;
	/* Only those with an odd number fail. */
	bool fail_odd;
	/* Jobs of these numbers never complete. */
	uint32_t hang_from, hang_to;
	/* A job completes only after so many polls, or after so long. */
	uint32_t lazy_polls;
	uint64_t lazy_ns;
	/* As lane 0: nanoseconds for a byte, in addition to lazy_ns for a
	 * call. */
	double byte_ns;
	/* Closing does not stop the device. Its jobs stay in the queue. */
	bool unstoppable;
	/* The thread sleeps so long in polls of these numbers, from 1 up. */
	uint64_t pause_ns;
	uint32_t pause_from, pause_to;
	/* Completes one job at a time. lazy_polls and lazy_ns then count anew
	 * for the next one. */
	bool one_by_one;
	/* Every poll that returns completions also returns one with the cookie
	 * lie. */
	bool lies;
	uint64_t lie;
	/* As lane 0: deaf does nothing, broken stops in the middle of a job. */
	bool deaf, broken;
	/* When this device gets a job, it notes how many flushes that one has
	 * had. */
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

/** A device that does every job, and that the copier prefers to any other. */
struct fake fake_good(void);

/** Open a lane on the device, which must stay valid until the lane is
 * closed. */
struct ferry_lane *fake_lane(struct fake *fake);

/** Open a lane on the device and add it to the copier. */
void add_fake(struct ferry_copier *c, struct fake *fake);

/** Start the copier with a lane 0 that is slower than any fake, and with a
 * clock of FAKE_HZ. */
void start(struct ferry_copier *c);

/** Make lane 0 a fake. */
void replace_cpu(struct ferry_copier *c, struct fake *fake);

/** Statistics of lane i. */
uint64_t lane_bytes(const struct ferry_copier *c, unsigned int i);
uint64_t lane_errors(const struct ferry_copier *c, unsigned int i);

/** Jobs whose buffers burst_check() can check. */
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

/** Check that every job's bytes have arrived, and that no byte between the
 * destinations has changed. */
void burst_check(const struct burst *b);

void burst_free(struct burst *b);

/** Copy a burst of n jobs of len bytes, and check it. Latency mode. */
void copy_same(struct ferry_copier *c, uint64_t len, uint16_t n);

/** The same in any mode. */
void copy_mode(struct ferry_copier *c, uint64_t len, uint16_t n,
		enum ferry_mode mode);

#endif /* FERRY_TEST_FAKE_LANE_H */
