/* SPDX-License-Identifier: BSD-3-Clause */

#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "ferry_bulk_team.h"
#include "ferry_bulk_by.h"

/* TRY: messages of a trial. TRY_SKIP: how many of the first of them are left
 * out, because the team before still had a part in them. */
#define TRY 6
#define TRY_SKIP 1
/* The part of the time that may be lost by trying a team. */
#define TRY_COST 0.005
/* pause_before() counts a team as at least so much worse than the best one,
 * because a team that is equally good need not be tried often. */
#define WORSE_MIN 0.05

/* LEAVE: if the team in use costs so many times what another team cost, the
 * other team replaces it, before the next trial is due. LEAVE_FOR: the team
 * that is left is tried again after so many messages, because the cause may
 * have been a disturbance that passes. */
#define LEAVE 1.25
#define LEAVE_FOR (4 * TRY)

static const uint32_t teams[BULK_TEAMS] = {
	FERRY_BULK_TX | FERRY_BULK_RX,
	FERRY_BULK_TX,
	FERRY_BULK_RX,
	/* The teams from here on need an engine. */
	FERRY_BULK_TX | FERRY_BULK_RX | FERRY_BULK_ENGINE,
	FERRY_BULK_ENGINE,
};
#define TEAMS_ALONE 3

static struct bulk_team_class *
class_of(struct bulk_team *t, uint64_t len, bool stream)
{
	const unsigned int i = 63 - (unsigned int)__builtin_clzll(len | 1);

	return &t->classes[stream][RTE_MIN(i, BULK_TEAM_CLASSES - 1u)];
}

void
bulk_team_init(struct bulk_team *t)
{
	memset(t, 0, sizeof(*t));
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

/* End a trial: find the best team, and when to try each of the others. */
static void
judge(struct bulk_team_class *c)
{
	uint8_t i;

	c->until[c->now] = UINT32_MAX;
	for (i = 0; i < c->teams; i++)
		if (c->cost[i] != 0 && (c->cost[c->best] == 0 ||
				c->cost[i] < c->cost[c->best]))
			c->best = i;
	/* A team is not tried later than was decided before. */
	for (i = 0; i < c->teams; i++)
		c->until[i] = RTE_MIN(c->until[i], pause_before(c, i));
	begin(c, c->best, 0);
}

/* The engine has come or gone: try the teams again. The costs that are known
 * stay. */
static void
regroup(struct bulk_team_class *c, uint8_t teams)
{
	c->teams = teams;
	if (c->best >= teams)
		c->best = 0;
	memset(c->until, 0, sizeof(c->until));
	begin(c, c->best, TRY);
}

uint32_t
bulk_team_choose(struct bulk_team *t, uint64_t len, bool stream, bool engine)
{
	const uint8_t n = engine ? BULK_TEAMS : TEAMS_ALONE;
	struct bulk_team_class *c = class_of(t, len, stream);
	uint8_t i;

	if (unlikely(c->teams != n))
		regroup(c, n);
	for (i = 0; i < n && c->tries == 0; i++) {
		if (i == c->best)
			continue;
		if (c->until[i] == 0)
			begin(c, i, TRY);
		else
			c->until[i]--;
	}
	return teams[c->now];
}

/* Whether the team in use has become much worse than another team was. */
static bool
is_worse(const struct bulk_team_class *c)
{
	uint8_t i;

	for (i = 0; i < c->teams; i++)
		if (c->cost[i] != 0 && c->cost[i] * LEAVE < c->cost[c->now])
			return true;
	return false;
}

/* Take the cost of a message of the team in use into account. */
static void
remember(struct bulk_team_class *c, float cost)
{
	const uint32_t n = RTE_MIN(++c->n[c->now],
			(uint32_t)BULK_TEAM_SAMPLES);
	float sorted[BULK_TEAM_SAMPLES];
	uint32_t i, k;

	c->samples[c->now][c->n[c->now] % BULK_TEAM_SAMPLES] = cost;
	/* While there are fewer than BULK_TEAM_SAMPLES messages, samples[] is
	 * filled from index 1 up. */
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
	/* The message was sent before the team changed. */
	if (by != teams[c->now])
		return;
	if (c->skip > 0)
		c->skip--;
	else
		remember(c, (float)cost);
	if (c->tries > 0) {
		if (--c->tries == 0)
			judge(c);
	} else if (is_worse(c)) {
		const uint8_t left = c->now;

		judge(c);
		c->until[left] = RTE_MIN(c->until[left], (uint32_t)LEAVE_FOR);
	}
}
