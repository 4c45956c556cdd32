/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPE_ENGINES_H
#define PIPE_ENGINES_H

/* The hub's engines: on EAL's worker lcores as far as there are any, then on
 * threads that float over the process's CPUs. */

#include <pthread.h>
#include <stdbool.h>

#include "ferry_engine.h"

struct pipe_options;

struct engines {
	unsigned int n;
	struct {
		struct ferry_engine *engine;
		/* Not on an lcore. */
		bool floats;
		pthread_t thread;
	} all[FERRY_ENGINES_MAX];
};

/* As many as the options say, with their DMA devices. 0, or negative after a
 * line on stderr; then there are none. */
int engines_start(struct engines *e, struct ferry_hub *hub,
		const struct pipe_options *o);
void engines_stop(struct engines *e);

/* A line for each lane: what it copied. */
void engines_report(const struct engines *e);

#endif /* PIPE_ENGINES_H */
