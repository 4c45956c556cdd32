/* SPDX-License-Identifier: BSD-3-Clause */

#include <string.h>

#include "bulk_team.h"
#include "ferry_bulk_layout.h"

/* Messages of a trial, and of those the first, in which the team before still
 * had a part. */
#define TRY 6
#define TRY_SKIP 1
/* Part of the time that may be lost by trying. */
#define TRY_COST 0.01
/* A team is taken to be at least so much worse than the best when it is
 * decided when to try it: what is equally good need not be tried often. */
#define WORSE_MIN 0.05

static const uint32_t teams[BULK_TEAMS] = {
	FERRY_BULK_TX | FERRY_BULK_RX,
	FERRY_BULK_TX,
	FERRY_BULK_RX,
};

static struct bulk_team_class *
class_of(struct bulk_team *t, uint64_t len, bool stream)
{
	const unsigned int i = 63 - (unsigned int)__builtin_clzll(len | 1);

	return &t->classes[stream][RTE_MIN(i, BULK_TEAM_CLASSES - 1u)];
}

void
bulk_team_init(struct bulk_team *t)
{
	unsigned int i;

	memset(t, 0, sizeof(*t));
	for (i = 0; i < BULK_TEAM_CLASSES; i++) {
		t->classes[0][i].tries = TRY;
		t->classes[1][i].tries = TRY;
	}
}

/* Messages until a team may be tried again. */
static uint32_t
pause_before(const struct bulk_team_class *c, uint8_t team)
{
	double worse;

	if (c->cost[team] == 0)
		return 0;
	worse = RTE_MAX(c->cost[team] / c->cost[c->best] - 1, WORSE_MIN);
	return (uint32_t)RTE_MIN(TRY * worse / TRY_COST, 1e6);
}

static void
begin(struct bulk_team_class *c, uint8_t team, uint8_t tries)
{
	c->skip = c->now != team ? TRY_SKIP : 0;
	c->now = team;
	c->tries = tries;
}

/* A trial is over: who is best, and who is tried when? */
static void
judge(struct bulk_team_class *c)
{
	uint8_t i;

	for (i = 0; i < BULK_TEAMS; i++)
		if (c->cost[i] != 0 && (c->cost[c->best] == 0 ||
				c->cost[i] < c->cost[c->best]))
			c->best = i;
	c->next = (uint8_t)((c->next + 1) % BULK_TEAMS);
	if (c->next == c->best)
		c->next = (uint8_t)((c->next + 1) % BULK_TEAMS);
	for (i = 0; i < BULK_TEAMS; i++)
		if (c->cost[i] == 0)
			c->next = i;
	c->until = pause_before(c, c->next);
	begin(c, c->best, 0);
}

uint32_t
bulk_team_choose(struct bulk_team *t, uint64_t len, bool stream)
{
	struct bulk_team_class *c = class_of(t, len, stream);

	if (c->tries == 0) {
		if (c->until == 0)
			begin(c, c->next, TRY);
		else
			c->until--;
	}
	return teams[c->now];
}

/* Take a message of the team in use into account. */
static void
remember(struct bulk_team_class *c, float cost)
{
	const uint32_t n = RTE_MIN(++c->n[c->now],
			(uint32_t)BULK_TEAM_SAMPLES);
	float sorted[BULK_TEAM_SAMPLES];
	uint32_t i, k;

	c->samples[c->now][c->n[c->now] % BULK_TEAM_SAMPLES] = cost;
	/* With fewer than all, the places from 1 up are filled. */
	for (i = 0; i < n; i++) {
		cost = c->samples[c->now][(i + 1) % BULK_TEAM_SAMPLES];
		for (k = i; k > 0 && sorted[k - 1] > cost; k--)
			sorted[k] = sorted[k - 1];
		sorted[k] = cost;
	}
	c->cost[c->now] = sorted[n / 2];
}

void
bulk_team_learn(struct bulk_team *t, uint64_t len, uint32_t by, uint64_t begun,
		uint64_t ended, bool stream)
{
	struct bulk_team_class *c = class_of(t, len, stream);
	const uint64_t since = stream && t->last > begun ? t->last : begun;
	const double cost = (double)(ended - since + 1) / (double)len;

	t->last = ended;
	/* One that was sent before the team changed. */
	if ((by & (FERRY_BULK_TX | FERRY_BULK_RX)) != teams[c->now])
		return;
	if (c->skip > 0)
		c->skip--;
	else
		remember(c, (float)cost);
	if (c->tries > 0 && --c->tries == 0)
		judge(c);
}
