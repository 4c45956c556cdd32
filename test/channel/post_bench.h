/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POST_BENCH_H
#define POST_BENCH_H

/**
 * @file
 * A channel in efficiency mode, an engine that is polled by the test, and its
 * late lane. Include after cmocka.h.
 */

#include <stdint.h>

#include "ferry_channel.h"
#include "chan_rig.h"
#include "late_lane.h"

/* Bytes of a slot; of a message that the engine copies; and messages whose
 * payloads are kept. */
#define SLOT 4096
#define LONG 3000
#define PAYLOADS 128

struct bench {
	struct rig rig;
	struct rig_engine engine;
	struct late late;
	uint8_t (*payloads)[SLOT];
	uint64_t sent, received;
	/* Length of each message. */
	uint32_t len[PAYLOADS];
};

/** Make it; nobody serves the channel yet. */
void bench_start(struct bench *b, uint32_t n_slots);
/** Have the engine serve it. */
void bench_serve(struct bench *b);
void bench_stop(struct bench *b);

/** The next message, to be posted or sent, and then counted in sent. */
struct ferry_buf bench_buf(struct bench *b, uint32_t len);
/** Post or send the next message: what the call says. */
int bench_post(struct bench *b, uint32_t len);
int bench_send(struct bench *b, uint32_t len);
/** Receive, check and release all there is: the last call's result. */
int bench_receive(struct bench *b);
/** Turns until all that was posted is published. */
void bench_serve_all(struct bench *b);

#endif /* POST_BENCH_H */
