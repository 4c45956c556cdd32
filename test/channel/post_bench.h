/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POST_BENCH_H
#define POST_BENCH_H

/**
 * @file
 * A channel in efficiency mode, an engine that the test polls, and the engine's
 * late lane. Include after cmocka.h.
 */

#include <stdint.h>

#include "ferry_channel.h"
#include "chan_rig.h"
#include "late_lane.h"

/* Bytes of a slot; bytes of a message that is long enough for the engine to
 * copy; and how many messages' payloads are kept. */
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

/** Make the channel with n_slots slots. No engine serves it yet. */
void bench_start(struct bench *b, uint32_t n_slots);
/** Have the bench's engine serve the channel. */
void bench_serve(struct bench *b);
void bench_stop(struct bench *b);

/** The next message. The caller posts or sends it, and then counts it in
 * sent. */
struct ferry_buf bench_buf(struct bench *b, uint32_t len);
/** Post or send the next message. Returns what the library's call returns. */
int bench_post(struct bench *b, uint32_t len);
int bench_send(struct bench *b, uint32_t len);
/** Receive, check and release all messages that have come. Returns the last
 * result of ferry_rx_recv(). */
int bench_receive(struct bench *b);
/** Poll the engine until all posted messages are published. */
void bench_serve_all(struct bench *b);

#endif /* POST_BENCH_H */
