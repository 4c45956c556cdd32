/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_ENGINE_H
#define SOFTDSA_ENGINE_H

/* A thread that executes descriptors. */

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "softdsa_dev.h"

/* Completions that wait for their time. */
#define SOFTDSA_PENDING 8192u

/* The end of a descriptor. */
struct softdsa_end {
	/* When it may be told; 0: at once. */
	uint64_t due;
	uint64_t to;
	struct softdsa_record record;
	uint32_t wq;
	/* There is a record to write. */
	bool report;
	/* It ends what was submitted: a single one, or a whole batch. */
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

/* A descriptor has ended; its record is written now or when it is due. */
void softdsa_engine_end(struct softdsa_engine *e, struct softdsa_end *end);

/* A thread that takes no signals of the program. 0 or -errno. */
int softdsa_thread_start(void *(*main)(void *), void *arg, const char *name,
		const cpu_set_t *cpus);

#endif /* SOFTDSA_ENGINE_H */
