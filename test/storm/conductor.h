/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONDUCTOR_H
#define CONDUCTOR_H

/**
 * @file
 * What makes a storm: a schedule of events, drawn from a seed, and processes
 * that they happen to. A round is the life of one hub.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ferry_errno.h"
#include "ferry_procs.h"
#include "hub_orders.h"
#include "storm.h"

#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)

/** What can happen. */
enum event {
	EVENT_KILL,
	EVENT_KILL_TWO,
	/** Both ends of a channel. */
	EVENT_KILL_PAIR,
	/** SIGSTOP, and SIGCONT or SIGKILL some time later. */
	EVENT_STOP,
	EVENT_STOP_LONG,
	EVENT_STOP_HUB,
	/** A worker ends in good order, and another one takes its place. */
	EVENT_EXIT,
	/** A kill inside rte_eal_init() or rte_eal_cleanup(). */
	EVENT_KILL_INIT,
	EVENT_KILL_EXIT,
	EVENT_FAULT,
	EVENT_FAULTS_OFF,
	EVENT_UNBIND,
	EVENT_REPAIR,
	EVENT_REBUILD,
	EVENT_MOVE,
	EVENT_MODE,
	EVENT_HOG,
	EVENT_FDS_WORKER,
	EVENT_FDS_HUB,
	/** The next worker's monotonic clock is another one. */
	EVENT_CLOCK,
	/** The hub is killed: the round ends. */
	EVENT_KILL_HUB,
	EVENTS,
};
extern const char *const event_names[EVENTS];

/** A worker's process. */
struct place {
	struct ferry_proc proc;
	bool alive;
	/** It was killed, or will be. */
	bool doomed;
	/** Inside EAL's start or end, on purpose. */
	bool in_eal;
	/** Was told to end. */
	bool ending;
	bool stopped;
	bool dies_stopped;
	/** Has few descriptors. */
	bool limited;
	/** Its next process has a monotonic clock of its own. */
	bool other_clock;
	/** When: it goes on, is killed for certain, gets its descriptors
	 * back, is started, was told to end. */
	uint64_t resume_ns;
	uint64_t deadline_ns;
	uint64_t relief_ns;
	uint64_t start_ns;
	uint64_t end_ns;
	/** The trap of its next process: a place and 1, or 0. */
	uint32_t next_trap;
	uint32_t next_trap_ns;
	/** When it last got on. */
	uint32_t beat;
	uint64_t beat_ns;
};

/** What the conductor counts. */
struct tally {
	uint64_t events[EVENTS];
	uint64_t kills[STORM_PLACES];
	uint64_t kills_stopped;
	uint64_t hub_kills;
	uint64_t rounds;
	uint64_t rests;
	uint64_t starts;
	/** Newcomers that did not come up, or hubs that did not end, after a
	 * kill inside EAL's init or cleanup: its locks stay held. */
	uint64_t eal_refused;
	uint64_t eal_stuck;
	uint64_t eal_hub_stuck;
	/** Refused for want of descriptors or a hub. */
	uint64_t refused;
	/** Workers started with a monotonic clock of their own. */
	uint64_t clocks;
	uint64_t slowest_end_ns;
	uint64_t slowest_hub_end_ns;
	uint64_t engine_msgs;
	uint64_t engine_bulk_bytes;
	uint64_t device_bytes;
	uint64_t device_errors;
	uint64_t device_faults;
};

struct conductor {
	/** Draws of each event; 0: it does not happen. */
	unsigned int weights[EVENTS];
	/** Longest pause between two events. */
	uint64_t gap_ns;
	/** Events between two rests. */
	unsigned int rest_every;
	/** A process that does not get on for so long hangs. */
	uint64_t hang_ns;
	/** A process that was told to end does so in that time. */
	uint64_t end_limit_ns;
	/** What is to be noticed, or STORM_WRONGS. */
	enum storm_wrong awaited;
	/** Ends the round when reached. */
	uint64_t kills_goal;
	uint64_t until_ns;

	struct place places[STORM_LOCAL];
	struct ferry_proc hub;
	pid_t hub_pid;
	bool hub_alive;
	bool hub_stopped;
	bool hub_limited;
	uint64_t hub_relief_ns;
	uint64_t hub_resume_ns;
	/** A process was killed inside EAL: its locks may be held. */
	bool tainted;
	/** The hub is to be ended for that. */
	bool give_up;
	/** Of the hub before anybody attached. */
	struct hub_told base;
	/** Its descriptors when it first rested with all attached. */
	uint32_t fds_rest;
	/** The hub's worker last got on. */
	uint32_t local_beat;
	uint64_t local_beat_ns;
	/** Something was stopped until then. */
	uint64_t calm_ns;
	uint64_t n_events;
	uint64_t round_kills;
	struct tally tally;
};

/** One round: 0, or negative if it could not begin. */
int conductor_round(struct conductor *c);

/** Let time pass: processes end, begin, go on, and are looked at. */
void conductor_pump(struct conductor *c);
/** All workers are there and none is stopped or about to die. */
bool conductor_settle(struct conductor *c);
/** Give the hub an order. False: it does not answer; told is all zeros. */
bool conductor_order(struct conductor *c, const struct hub_order *order,
		struct hub_told *told);
/** Tell what a process is doing, and complain. */
void conductor_hung(pid_t pid, const char *what);
/** Kill a worker when it enters a place, or now. */
void conductor_kill(struct conductor *c, unsigned int worker,
		enum storm_place place, uint32_t delay_ns);
/** Whether a worker is inside EAL's start or end. */
bool conductor_in_eal(unsigned int worker);
void conductor_stop(struct conductor *c, unsigned int worker, uint64_t ns,
		bool dies);

/** event.c: draw an event and let it happen. */
void event_happen(struct conductor *c);

/** oracle.c: all rest; what must hold then. */
void oracle_rest(struct conductor *c);
/** All workers have ended, the hub has not. */
void oracle_alone(struct conductor *c);
/** All have ended; killed: the hub did not end in good order. */
void oracle_gone(struct conductor *c, bool killed);

#endif /* CONDUCTOR_H */
