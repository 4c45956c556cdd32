/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_LANES_H
#define PERF_LANES_H

/*
 * Lane sets: what an engine has to copy with. One engine at a time, so that
 * no other disturbs what is measured; it is made when its set is first asked
 * for, and goes when another one is.
 *
 *     cpu        the engine's core
 *     skeleton   DPDK's dma_skeleton: a thread that copies with rte_memcpy()
 *     softdsa    idxd on the soft DSA, ferry's plugin
 *     hybrid     all DMA devices, and the core when they have enough
 *
 * Of each kind of device there are two: the engine's, and one to be driven bare
 * beside it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "ferry_calib.h"
#include "ferry_engine.h"
#include "places.h"

enum lane_set {
	/* No engine. */
	LANES_NONE,
	LANES_CPU,
	LANES_SKELETON,
	LANES_SOFTDSA,
	LANES_HYBRID,
	LANES_N,
};

struct lanes {
	/* Sets that can be had, a bit each; and why the others cannot. */
	uint32_t sets;
	/* Those that have a device to be driven bare. */
	uint32_t bare;
	char why[LANES_N][160];
	/* For the next engine: how long a silent device is waited for before it
	 * is given up, and then while it is; 0: ferry's default. */
	uint32_t patience_ms;
	/* The engine, if set is not LANES_NONE. */
	enum lane_set set;
	struct ferry_hub *hub;
	struct ferry_engine *engine;
	unsigned int lcore;
	/* CPU time of its thread; valid once started is not 0. */
	clockid_t clock;
	uint32_t started;
	/* What each set's lanes were found to take. */
	struct ferry_calib calib[LANES_N];
};

const char *lanes_name(enum lane_set set);

/* "cpu,softdsa": a bit each, or 0 for a name that is none. */
uint32_t lanes_parse(const char *text);

/*
 * Before EAL starts: see which of the sets wanted can be had, and add the EAL
 * arguments that they need to args, with their text in text.
 */
void lanes_prepare(struct lanes *l, uint32_t wanted,
		const struct places *places, int *argc, char **args, char *text,
		size_t len);

/*
 * With EAL and hub running: see which of them there are, and measure their
 * lanes, calib_ns nanoseconds for each set. Before other processes attach, as
 * it takes memory that all of them would have to map. 0 or negative.
 */
int lanes_begin(struct lanes *l, struct ferry_hub *hub, uint64_t calib_ns);
void lanes_end(struct lanes *l);

/* Why a set was left out: a line, or NULL if none was. */
const char *lanes_why(const struct lanes *l);

/* Whoever needs no engine has none. 0 or negative. */
int lanes_use(struct lanes *l, enum lane_set set);

/* Let the engine copy for what is measured, or let nobody. */
int lanes_serve(struct lanes *l, bool served);

/* CPU time of the engine's thread in nanoseconds; 0 without one. */
uint64_t lanes_engine_ns(const struct lanes *l);

/* Bytes that the engine's DMA lanes have copied. */
uint64_t lanes_dma_bytes(const struct lanes *l);

/* What the engine's lane i, its core's being 0, is called and has copied; 1 if
 * it was dropped, else 0, or negative if there is none. */
int lanes_lane(const struct lanes *l, unsigned int i, char *name, size_t len,
		uint64_t *bytes);

/* The device of the set that is no engine's, or negative. */
int lanes_device(enum lane_set set);

#endif /* PERF_LANES_H */
