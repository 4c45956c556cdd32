/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <rte_lcore.h>

#include "places.h"

int
places_find(struct places *places)
{
	/* Which of the CPUs found, by how many there are. */
	static const int which[PLACE_N][PLACE_N] = {
		{ 0, 0, 0, 0 },
		{ 0, 1, 1, 1 },
		{ 0, 1, 1, 2 },
		{ 0, 1, 2, 3 },
	};
	int cpus[PLACE_N], cpu, n = 0, i;
	cpu_set_t set;

	memset(places, 0, sizeof(*places));
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return -errno;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		places->cpus++;
		if (n < PLACE_N)
			cpus[n++] = cpu;
	}
	if (n == 0)
		return -ENODEV;
	for (i = 0; i < PLACE_N; i++)
		places->cpu[i] = cpus[which[n - 1][i]];
	return 0;
}

void
places_lcores(const struct places *places, unsigned int n, char *out,
		size_t len)
{
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < n && used < len; i++)
		used += snprintf(out + used, len - used, "%s%u@%d",
			i > 0 ? "," : "", i, places->cpu[i]);
}

/* The first CPU of an lcore. */
static int
cpu_of(unsigned int lcore)
{
	rte_cpuset_t set = rte_lcore_cpuset(lcore);
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &set); cpu++)
		;
	return cpu;
}

void
places_tell(const struct places *places, bool engine, char *out, size_t len)
{
	static const char *const names[PLACE_N] = {
		"sender", "receiver", "engine", "devices' threads",
	};
	unsigned int i, n = engine ? PLACE_DEVICES : PLACE_ENGINE, lcore;
	size_t used = 0;

	lcore = rte_get_main_lcore();
	for (i = 0; i < n && used < len && lcore < RTE_MAX_LCORE; i++) {
		used += snprintf(out + used, len - used, "%s%s on CPU %d",
			i > 0 ? ", " : "", names[i], cpu_of(lcore));
		lcore = rte_get_next_lcore(i == 0 ? -1 : (int)lcore, 1, 0);
	}
	if (engine && used < len && !places->chosen)
		snprintf(out + used, len - used, ", %s on CPU %d",
			names[PLACE_DEVICES], places->cpu[PLACE_DEVICES]);
	else if (engine && used < len)
		snprintf(out + used, len - used, ", %s anywhere",
			names[PLACE_DEVICES]);
}
