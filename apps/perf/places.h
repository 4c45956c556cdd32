/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_PLACES_H
#define PERF_PLACES_H

/*
 * Which CPU each of the threads gets. With as many CPUs as threads each has
 * its own; with fewer, whoever shares shares with the receiver, which has the
 * least to do:
 *
 *     CPUs   sender   receiver   engine   devices
 *     1      a        a          a        a
 *     2      a        b          b        b
 *     3      a        b          b        c
 *     4      a        b          c        d
 */

#include <stdbool.h>
#include <stddef.h>

/* The lcores that they are; that of the devices only names its CPU. */
enum place {
	PLACE_SENDER,
	PLACE_RECEIVER,
	PLACE_ENGINE,
	PLACE_DEVICES,
	PLACE_N,
};

struct places {
	/* CPUs that the process may use. */
	unsigned int cpus;
	/* The user chose the lcores; cpu is not known before EAL runs. */
	bool chosen;
	int cpu[PLACE_N];
};

/* 0 or negative errno. */
int places_find(struct places *places);

/* The value of --lcores, for the first n places. */
void places_lcores(const struct places *places, unsigned int n, char *out,
		size_t len);

/* With EAL running: who is on which CPU, for people. */
void places_tell(const struct places *places, bool engine, char *out,
		size_t len);

#endif /* PERF_PLACES_H */
