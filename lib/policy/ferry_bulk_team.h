/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_BULK_TEAM_H
#define FERRY_BULK_TEAM_H

/*
 * Who copies bulk messages best: both ends, or one of them alone, and with the
 * hub's engine or without it, or that alone? Two cores copy twice as fast as
 * one, but not if one of them has its next message to make meanwhile (decision
 * 9), and a software device may have to share a core with one of the ends. What
 * holds is not asked but measured, for each size, and apart for messages that
 * are waited for one by one and those that are sent while others are under way:
 *
 *     one by one      from the send until it has arrived
 *     in a stream     from the arrival of the one before until its own
 *
 * Every team is tried a few times, then the best one is used, and the others
 * are looked at again so seldom that it costs a hundredth or two.
 *
 * Pure arithmetic on time stamps. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

/* Sizes are distinguished by their highest bit. */
#define BULK_TEAM_CLASSES 45
#define BULK_TEAMS 5
/* Messages of a team that are remembered: an odd number. */
#define BULK_TEAM_SAMPLES 9

struct bulk_team_class {
	/* Ticks per byte of the last messages of each team, and how many there
	 * were; the median: a message that was late for another reason does not
	 * speak against its team. 0: unknown. */
	float samples[BULK_TEAMS][BULK_TEAM_SAMPLES];
	uint32_t n[BULK_TEAMS];
	float cost[BULK_TEAMS];
	/* The team in use or on trial; messages it is still to be tried with;
	 * samples to be left out, of messages that another team had a part
	 * in. */
	uint8_t now;
	uint8_t best;
	uint8_t tries;
	uint8_t skip;
	/* Messages until each team is tried again. */
	uint32_t until[BULK_TEAMS];
	/* Teams there are to choose from. */
	uint8_t teams;
};

struct bulk_team {
	/* [1]: in a stream. */
	struct bulk_team_class classes[2][BULK_TEAM_CLASSES];
	/* When the last message ended. */
	uint64_t last;
};

void bulk_team_init(struct bulk_team *t);

/* Who should copy a message: FERRY_BULK_TX and so on, combined. engine: there
 * is one that helps. */
uint32_t bulk_team_choose(struct bulk_team *t, uint64_t len, bool stream,
		bool engine);

/* A message of this team has arrived. Ticks of any clock; stream: as it was
 * chosen with. */
void bulk_team_learn(struct bulk_team *t, uint64_t len, uint32_t by,
		uint64_t begun, uint64_t ended, bool stream);

#endif /* FERRY_BULK_TEAM_H */
