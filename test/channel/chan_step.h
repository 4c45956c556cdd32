/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHAN_STEP_H
#define CHAN_STEP_H

/**
 * @file
 * Runs an operation on a channel in a child process, one machine instruction at
 * a time, and looks at the shared memory after each.
 *
 * A process that is killed after instruction i leaves the same memory as one
 * that is stopped there. So each stop stands for a crash: the test copies the
 * survivor's handle and the memory, and lets the survivor go on with the copy.
 * Include after chan_rig.h.
 */

#include <stdbool.h>
#include <stdint.h>

#define STEP_MSGS 16

/* Of so many steps or cases a test does one, because a sanitizer's build has
 * many more instructions. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEP_EVERY 4
#else
#define STEP_EVERY 1
#endif

/** A channel, and what is to be done to it. */
struct stage {
	struct rig rig;
	/* The producer's operation is stepped (else the consumer's). The other
	 * end survives. */
	bool victim_tx;
	/* Messages for the operation: loaned or received ones, or room to
	 * receive some. */
	struct ferry_msg msgs[STEP_MSGS];
	uint16_t n;
	/* Messages that stay the consumer's, whatever the operation does. */
	struct {
		const uint8_t *data;
		uint64_t number;
	} kept[STEP_MSGS];
	unsigned int n_kept;
	/* Payloads that the operation sends by copy. */
	struct ferry_buf bufs[STEP_MSGS];
	uint8_t data[STEP_MSGS][4096];
	/* Lengths of messages, by number. */
	uint32_t len[64];

	/* The operation. The child runs it. */
	void (*op)(struct stage *stage);
	/* A consumer's operation gives msgs back (else it takes messages). */
	bool releases;

	/* What the operation reported, set by stage_interleave(). */
	int64_t result;
	/* Set by stage_run(): steps taken, and steps that changed the shared
	 * memory. */
	uint64_t steps;
	uint64_t changes;
	/* Messages that were visible at the last stop, at most. */
	uint64_t visible;
	/* What was wrong (NULL: nothing), and after which step. */
	const char *wrong;
	uint64_t wrong_at;
	/* Private copies: the channel before and now, for the survivor. */
	uint8_t *before;
	uint8_t *last;
	uint8_t *copy;
};

/**
 * Run on one CPU from here on. Tracer and traced process take turns. On one CPU
 * each turn is a switch, on two it would be a slower wake-up.
 */
void stage_one_cpu(void);

/** Skip the cmocka test that calls this if ptrace is not allowed. */
void stage_need_ptrace(void);

/** Make a stage with both ends open, and pass `rounds` messages in slots. */
void stage_start(struct stage *stage, bool victim_tx, uint32_t slot_size,
		uint32_t n_slots, unsigned int rounds);
void stage_stop(struct stage *stage);

/** Length of message i on this stage. */
uint32_t stage_len(const struct stage *stage, uint64_t i);

/** Fill payload number k of the stage with message i of length len. */
struct ferry_buf stage_buf(struct stage *stage, unsigned int k, uint64_t i,
		uint32_t len);

/** Send the next message from this process. Its length decides whether it goes
 * in a cell or in a slot. */
void stage_send(struct stage *stage, uint32_t len);

/** Note all messages that are on their way now. The consumer is to take them,
 * and to keep them whatever the operation does. */
void stage_keep_pending(struct stage *stage);

/**
 * Run stage->op in a child, step by step, until it is done or something is
 * wrong. After kill_at steps kill the child with SIGKILL.
 *
 * @return
 *   0: done; 1: killed; a negative errno: -EPERM if ptrace is not allowed.
 */
int stage_run(struct stage *stage, uint64_t kill_at);

/**
 * Run stage->op in a child. After so many steps of the child, call act() in
 * this process, then let the child go on at full speed.
 *
 * @return
 *   1: act() was called within the operation; stage->result is step_reported();
 *   0: the operation has fewer steps; a negative errno as above.
 */
int stage_interleave(struct stage *stage, uint64_t steps,
		void (*act)(struct stage *stage));

/**
 * After the child's death: write it into the channel as the hub does, and let
 * the survivor take what is left, on the channel itself, not on a copy. Returns
 * what was wrong, or NULL.
 */
const char *stage_bury(struct stage *stage);

#endif /* CHAN_STEP_H */
