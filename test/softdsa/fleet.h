/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FLEET_H
#define FLEET_H

/**
 * @file
 * Traffic over engines whose lanes are work queues of a soft DSA. Each channel
 * has a thread that posts and a thread that checks what arrives. These threads
 * only count errors. fleet_stop() and the tests assert on the counts.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ferry_endpoint.h"
#include "ferry_engine.h"
#include "ferry_hub.h"
#include "soft_rig.h"

#define FLEET_CHANNELS 4
#define FLEET_ENGINES 2
/** Longest message. */
#define FLEET_SLOT (UINT32_C(1) << 20)
/** Nanoseconds of the longest wait. A wait that takes so long fails. */
#define FLEET_ANY_TIME FERRY_TEST_HANG_NS
/** fleet_config.mode: each producer goes through all modes. */
#define FLEET_MODE_ALL FERRY_MODES

struct fleet_config {
	unsigned int channels;
	unsigned int engines;
	/** Devices of each engine, as for ferry_engine_add_devices(). */
	const char *dma[FLEET_ENGINES];
	/** enum ferry_mode or FLEET_MODE_ALL, of each channel. */
	unsigned int mode[FLEET_CHANNELS];
	/** Length of all messages; 0: random, from 1 byte to FLEET_SLOT. */
	uint32_t len;
	/** About how long an engine waits for a lane before it gives it up. */
	double patience_ms;
	/** ferry_engine_config.close_wait_ms. */
	uint32_t close_wait_ms;
};

/** What a consumer found. */
struct fleet_found {
	uint64_t received;
	/** Messages that were not the next one in order. */
	uint64_t misordered;
	/** Messages that were the next one, but with other bytes than sent. */
	uint64_t damaged;
	/** The wrong result of a call, or 0. */
	int error;
};

struct fleet;

struct fleet_channel {
	struct fleet *fleet;
	unsigned int index;
	/** enum ferry_mode or FLEET_MODE_ALL; the test may change it. */
	uint32_t mode;
	pthread_t producer;
	pthread_t consumer;
	uint64_t sent;
	int sender_error;
	struct fleet_found found;
};

struct fleet {
	struct fleet_config config;
	struct ferry_hub *hub;
	struct ferry_engine *engines[FLEET_ENGINES];
	pthread_t runners[FLEET_ENGINES];
	struct fleet_channel channels[FLEET_CHANNELS];
	/** 1: producers are to end. */
	uint32_t stop;
	bool running;
};

/** For cmocka: set up a group; before each test, make the devices as new. */
int fleet_group_setup(void **state);
int fleet_setup(void **state);
/** For cmocka, after each test: end what a failed test has left running. */
int fleet_teardown(void **state);

/**
 * Start the fleet. All channels have both ends open when this returns. There
 * may be only one fleet. It may not be on the stack, because fleet_teardown()
 * may have to end it.
 */
void fleet_start(struct fleet *f, const struct fleet_config *config);

/** Make and run engine i, or end it. */
void fleet_engine_start(struct fleet *f, unsigned int i);
void fleet_engine_stop(struct fleet *f, unsigned int i);

/** Wait until each channel has carried n more messages. False: that takes too
 * long. */
bool fleet_flow(struct fleet *f, uint64_t n);

/** Let messages flow until the condition holds; the test fails if it never
 * does. */
#define fleet_until(f, condition) do { \
	const uint64_t end_ = ferry_test_now_ns() + FLEET_ANY_TIME; \
	while (!(condition)) { \
		if (ferry_test_now_ns() > end_ || !fleet_flow((f), 1)) { \
			fleet_end(f); \
			fail_msg("never: " #condition); \
		} \
	} \
} while (0)

/** End all threads and engines, and destroy the hub. */
void fleet_end(struct fleet *f);

/** fleet_end(), then check that every message has arrived once, in order and
 * unchanged. */
void fleet_stop(struct fleet *f);

/** Stop a device that an engine has left, so that another may take it. */
void fleet_release(unsigned int wq);

/** The hub's id of a channel. */
uint64_t fleet_id(struct fleet *f, unsigned int channel);

/** Statistics of an engine's copier, and of its lanes whose names contain name.
 * The numbers of several such lanes are added up. Zeros if there is none. */
struct ferry_copier_stats fleet_copier(struct fleet *f, unsigned int engine);
struct ferry_lane_stats fleet_lane(struct fleet *f, unsigned int engine,
		const char *name);

/** How many lanes of an engine are not dropped, its core's included. */
unsigned int fleet_open(struct fleet *f, unsigned int engine);

/** Set faults of the device. Fails the test if the device does not know
 * them. */
void fleet_set(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* FLEET_H */
