/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_LANES_H
#define PERF_LANES_H

/*
 * Lane sets: the lanes that an engine copies with. There is one engine at a
 * time, so that no other one disturbs the measurement. It is made when its set
 * is first asked for, and is destroyed when another set is asked for.
 *
 *     cpu        the engine's core
 *     skeleton   DPDK's dma_skeleton: a thread that copies with rte_memcpy()
 *     softdsa    idxd on the soft DSA, ferry's plugin
 *     hybrid     all DMA devices, and the core when they have enough
 *
 * Of each kind of device there are two: one is a lane of the engine, the other
 * is driven bare, for comparison.
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
	/* Sets that can be had, a bit each. why says why the others cannot. */
	uint32_t sets;
	/* Sets that have a device to be driven bare. */
	uint32_t bare;
	char why[LANES_N][160];
	/* For the next engine: how long it waits for a silent device before it
	 * gives it up, and how long it then waits to close it; 0: ferry's
	 * default. */
	uint32_t patience_ms;
	/* The engine, if set is not LANES_NONE. */
	enum lane_set set;
	struct ferry_hub *hub;
	struct ferry_engine *engine;
	unsigned int lcore;
	/* CPU clock of the engine's thread; valid once started is not 0. */
	clockid_t clock;
	uint32_t started;
	/* The measured costs of each set's lanes. */
	struct ferry_calib calib[LANES_N];
};

const char *lanes_name(enum lane_set set);

/* Parse names such as "cpu,softdsa". Returns a bit for each set; 0 if a name is
 * unknown. */
uint32_t lanes_parse(const char *text);

/*
 * Before EAL starts: find which of the wanted sets can be had, and add the EAL
 * arguments that these need to args. The arguments' text is written to text.
 */
void lanes_prepare(struct lanes *l, uint32_t wanted,
		const struct places *places, int *argc, char **args, char *text,
		size_t len);

/*
 * When EAL and hub run: find which of the sets there are, and measure their
 * lanes, for calib_ns nanoseconds each set. To be called before other processes
 * attach, because it takes memory that all of them would have to map. Returns 0
 * or negative.
 */
int lanes_begin(struct lanes *l, struct ferry_hub *hub, uint64_t calib_ns);
void lanes_end(struct lanes *l);

/* A line that says why a set was left out; NULL if none was. */
const char *lanes_why(const struct lanes *l);

/* Make and start the engine of this set, and end the one of another set. With
 * LANES_NONE no engine runs. Returns 0 or negative. */
int lanes_use(struct lanes *l, enum lane_set set);

/* Let the engine serve the measured channel (served), or let no engine. */
int lanes_serve(struct lanes *l, bool served);

/* CPU time of the engine's thread in nanoseconds; 0 without one. */
uint64_t lanes_engine_ns(const struct lanes *l);

/* Bytes that the engine's DMA lanes have copied. */
uint64_t lanes_dma_bytes(const struct lanes *l);

/* The name of the engine's lane i, and the bytes it has copied. Lane 0 is the
 * core's. Returns 0, 1 if the lane was dropped, or negative if there is
 * none. */
int lanes_lane(const struct lanes *l, unsigned int i, char *name, size_t len,
		uint64_t *bytes);

/* The device of the set that is driven bare; negative: there is none. */
int lanes_device(enum lane_set set);

#endif /* PERF_LANES_H */
