/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHAN_STEP_H
#define CHAN_STEP_H

/**
 * @file
 * Runs an operation on a channel in a process of its own, one machine
 * instruction at a time, and looks at the shared memory after each.
 *
 * A process killed after instruction i leaves exactly what is there when it is
 * stopped after instruction i. So each stop is a crash: the survivor's handle
 * and the memory are copied, and the survivor plays its part on the copy.
 * Include after chan_rig.h.
 */

#include <stdbool.h>
#include <stdint.h>

#define STEP_MSGS 16

/* One step or case in so many, where instructions are many more. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEP_EVERY 4
#else
#define STEP_EVERY 1
#endif

/** A channel, and what is to be done to it. */
struct stage {
	struct rig rig;
	/* Whose operation is stepped; the other end survives. */
	bool victim_tx;
	/* Messages for the operation: loaned, or received, or room. */
	struct ferry_msg msgs[STEP_MSGS];
	uint16_t n;
	/* Messages that stay the consumer's, whatever the operation does. */
	struct {
		const uint8_t *data;
		uint64_t number;
	} kept[STEP_MSGS];
	unsigned int n_kept;
	/* Payloads to copy, and their lengths. */
	struct ferry_buf bufs[STEP_MSGS];
	uint8_t data[STEP_MSGS][4096];
	/* Lengths of messages, by number. */
	uint32_t len[64];

	/* The operation; to run in the child. */
	void (*op)(struct stage *stage);
	/* A consumer's: whether it takes messages, or gives msgs back. */
	bool releases;

	/* Of stage_interleave(). */
	int64_t result;
	/* Of stage_run(). */
	uint64_t steps;
	uint64_t changes;
	/* Messages that were visible at the last stop, at most. */
	uint64_t visible;
	/* What was wrong, NULL if nothing; and after which step. */
	const char *wrong;
	uint64_t wrong_at;
	/* Private copies: the channel before and now, for the survivor. */
	uint8_t *before;
	uint8_t *last;
	uint8_t *copy;
};

/**
 * Run on one CPU from here on: tracer and traced take turns, which is a switch
 * on one, and a wake-up for each instruction on two.
 */
void stage_one_cpu(void);

/** Skip the cmocka test that calls this if ptrace is not allowed. */
void stage_need_ptrace(void);

/** Make a stage with both ends open, after rounds messages in slots. */
void stage_start(struct stage *stage, bool victim_tx, uint32_t slot_size,
		uint32_t n_slots, unsigned int rounds);
void stage_stop(struct stage *stage);

/** Length of message i on this stage. */
uint32_t stage_len(const struct stage *stage, uint64_t i);

/** Payload number k of the stage, made message i of this length. */
struct ferry_buf stage_buf(struct stage *stage, unsigned int k, uint64_t i,
		uint32_t len);

/** Send the next message from here: in cell or slot, as its length says. */
void stage_send(struct stage *stage, uint32_t len);

/** All that is on its way now is to be taken, and stays the consumer's. */
void stage_keep_pending(struct stage *stage);

/**
 * Run stage->op in a child, step by step, until it is done, something is
 * wrong, or kill_at steps are taken, where the child is killed with SIGKILL.
 *
 * @return
 *   0: done; 1: killed; a negative errno: -EPERM if ptrace is not allowed.
 */
int stage_run(struct stage *stage, uint64_t kill_at);

/**
 * Run stage->op in a child; after so many steps of it act() is called here;
 * then the child goes on at full speed.
 *
 * @return
 *   1: act() was called within the operation; stage->result is step_reported();
 *   0: the operation has fewer steps; a negative errno as above.
 */
int stage_interleave(struct stage *stage, uint64_t steps,
		void (*act)(struct stage *stage));

/**
 * The child is dead: the hub says so, and the survivor, here for real, takes
 * what is left. What was wrong then, or NULL.
 */
const char *stage_bury(struct stage *stage);

#endif /* CHAN_STEP_H */
