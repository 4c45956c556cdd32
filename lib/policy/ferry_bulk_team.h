/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_BULK_TEAM_H
#define FERRY_BULK_TEAM_H

/*
 * Chooses the team that copies a bulk message: both ends or one of them, with
 * or without the hub's engine, or the engine alone. No fixed choice is best.
 * Two cores copy twice as fast as one while the producer merely waits (23
 * against 12 GB/s, cold); but they copy slower than one (7 against 9 to 10)
 * while the producer makes its next message. And a software device may have to
 * share a core with one of the ends. So each team is measured, for each class
 * of sizes. There are two kinds of messages, measured apart: messages that the
 * producer sends one by one, waiting for each, and messages that it sends while
 * others are under way.
 *
 *     kind            time that counts for a message
 *     one by one      from its send until its arrival
 *     in a stream     from the arrival of the message before until its own
 *
 * Each team is tried with a few messages. Then the best team is used. The other
 * teams are tried again so seldom that the trials cost a hundredth or two of
 * the time.
 *
 * Pure arithmetic on time stamps. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

/* Classes of sizes. The class of a size is the number of its highest bit. */
#define BULK_TEAM_CLASSES 45
#define BULK_TEAMS 5
/* How many messages of a team are remembered: an odd number. */
#define BULK_TEAM_SAMPLES 9

struct bulk_team_class {
	/* samples: ticks per byte of the last messages of each team. n: how
	 * many messages there were. cost: the median of samples; 0: unknown.
	 * It is the median, so that a message that was late for a reason other
	 * than its team does not count against the team. */
	float samples[BULK_TEAMS][BULK_TEAM_SAMPLES];
	uint32_t n[BULK_TEAMS];
	float cost[BULK_TEAMS];
	/* now: the team in use or on trial. best: the team of the lowest cost.
	 * tries: how many messages are left of the trial. skip: how many of the
	 * next samples are left out, because the team before still had a part
	 * in these messages. */
	uint8_t now;
	uint8_t best;
	uint8_t tries;
	uint8_t skip;
	/* How many messages until each team is tried again. */
	uint32_t until[BULK_TEAMS];
	/* How many teams there are to choose from. */
	uint8_t teams;
};

struct bulk_team {
	/* [0]: messages sent one by one; [1]: messages in a stream. */
	struct bulk_team_class classes[2][BULK_TEAM_CLASSES];
	/* When the last message arrived. */
	uint64_t last;
};

void bulk_team_init(struct bulk_team *t);

/* The team that should copy a message: FERRY_BULK_TX and so on, combined.
 * stream: other messages are under way. engine: an engine can help. */
uint32_t bulk_team_choose(struct bulk_team *t, uint64_t len, bool stream,
		bool engine);

/* Learn that a message of the team "by" has arrived. begun, ended: when it was
 * sent and when it arrived, in ticks of any clock. stream: as it was given to
 * bulk_team_choose(). */
void bulk_team_learn(struct bulk_team *t, uint64_t len, uint32_t by,
		uint64_t begun, uint64_t ended, bool stream);

#endif /* FERRY_BULK_TEAM_H */
