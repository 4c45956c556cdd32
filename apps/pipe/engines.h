/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPE_ENGINES_H
#define PIPE_ENGINES_H

/* The hub's engines. Each takes one of EAL's worker lcores. When these are used
 * up, the others run on threads that may use any CPU of the process. */

#include <pthread.h>
#include <stdbool.h>

#include "ferry_engine.h"

struct pipe_options;

struct engines {
	unsigned int n;
	struct {
		struct ferry_engine *engine;
		/* Runs on a thread of its own, not on an lcore. */
		bool floats;
		pthread_t thread;
	} all[FERRY_ENGINES_MAX];
};

/* Start as many engines as the options say, with the DMA devices named there.
 * Returns 0, or negative after a line on stderr; no engine runs then. */
int engines_start(struct engines *e, struct ferry_hub *hub,
		const struct pipe_options *o);
void engines_stop(struct engines *e);

/* Print a line for each lane: what it copied. */
void engines_report(const struct engines *e);

#endif /* PIPE_ENGINES_H */
