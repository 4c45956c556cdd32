/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_ENGINE_H
#define SOFTDSA_ENGINE_H

/* A thread that executes descriptors. */

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "softdsa_dev.h"

/* The most completions of an engine that wait for their time. */
#define SOFTDSA_PENDING 8192u

/* The end of a descriptor. */
struct softdsa_end {
	/* When the record may be written; 0: at once. */
	uint64_t due;
	/* Address of the record. */
	uint64_t to;
	struct softdsa_record record;
	uint32_t wq;
	/* The record is to be written. */
	bool report;
	/* The submission ends: a single descriptor, or a whole batch. */
	bool last;
};

struct softdsa_engine {
	struct softdsa_dev *dev;
	unsigned int index;
	uint64_t idle_since;
	uint64_t last_due;
	uint32_t first_pending, n_pending;
	struct softdsa_end pending[SOFTDSA_PENDING];
	struct softdsa_desc window[SOFTDSA_MAX_REORDER];
	/* Descriptors of the batch being executed. */
	struct softdsa_desc batch[SOFTDSA_MAX_BATCH];
};

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t softdsa_now(void);

/* End a descriptor: write its record now, or when it is due. */
void softdsa_engine_end(struct softdsa_engine *e, struct softdsa_end *end);

/* Start a thread that takes no signals of the program. Returns 0 or -errno. */
int softdsa_thread_start(void *(*main)(void *), void *arg, const char *name,
		const cpu_set_t *cpus);

#endif /* SOFTDSA_ENGINE_H */
