/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_MACHINE_H
#define PERF_MACHINE_H

/* The machine that the numbers are measured on. */

#include <stdint.h>

struct machine {
	char cpu[96];
	char caches[96];
	char kernel[160];
	unsigned int cpus;
	/* From /proc/meminfo. */
	unsigned long huge_total;
	unsigned long huge_free;
	unsigned long huge_kib;
	/* Bytes of the largest cache; 0 if unknown. */
	uint64_t last_cache;
	/* Ticks of all CPUs since boot, and those that the hypervisor took. */
	uint64_t ticks;
	uint64_t stolen;
};

void machine_look(struct machine *m);

/* Share of CPU time since machine_look() that the hypervisor took: 0..1. */
double machine_steal(const struct machine *m);

#endif /* PERF_MACHINE_H */
