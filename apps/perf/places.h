/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_PLACES_H
#define PERF_PLACES_H

/*
 * Which CPU each thread gets. With as many CPUs as threads, each thread has its
 * own. With fewer, the engine and then the devices share the receiver's,
 * because the receiver has the least to do:
 *
 *     CPUs   sender   receiver   engine   devices
 *     1      a        a          a        a
 *     2      a        b          b        b
 *     3      a        b          b        c
 *     4      a        b          c        d
 */

#include <stdbool.h>
#include <stddef.h>

/* The lcore of each thread. No code runs on PLACE_DEVICES, which only names the
 * CPU that the devices' threads use. */
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

/* Choose a CPU for each place. Returns 0 or negative errno. */
int places_find(struct places *places);

/* Write the value of EAL's option --lcores for the first n places to out. */
void places_lcores(const struct places *places, unsigned int n, char *out,
		size_t len);

/* Write to out, for people, which thread is on which CPU. EAL must run. */
void places_tell(const struct places *places, bool engine, char *out,
		size_t len);

#endif /* PERF_PLACES_H */
