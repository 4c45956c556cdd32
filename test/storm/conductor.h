/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONDUCTOR_H
#define CONDUCTOR_H

/**
 * @file
 * The conductor makes the storm: it draws a schedule of events from a seed, and
 * lets them happen to the processes. A round is the life of one hub.
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

/** The events that can happen. */
enum event {
	EVENT_KILL,
	EVENT_KILL_TWO,
	/** Kill the processes of both ends of a channel. */
	EVENT_KILL_PAIR,
	/** SIGSTOP, and SIGCONT or SIGKILL some time later. */
	EVENT_STOP,
	EVENT_STOP_LONG,
	EVENT_STOP_HUB,
	/** A worker ends in good order, and another one takes its place. */
	EVENT_EXIT,
	/** A worker is killed inside rte_eal_init() or rte_eal_cleanup(). */
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
	/** The next worker gets another monotonic clock. */
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
	/** The process was killed, or will be. */
	bool doomed;
	/** The process is to be killed inside EAL's start or end. */
	bool in_eal;
	/** The process was told to end. */
	bool ending;
	bool stopped;
	bool dies_stopped;
	/** The process has few file descriptors. */
	bool limited;
	/** The next process of this place has another monotonic clock. */
	bool other_clock;
	/** When the process goes on, is killed for certain, gets its
	 * descriptors back, is started, was told to end. */
	uint64_t resume_ns;
	uint64_t deadline_ns;
	uint64_t relief_ns;
	uint64_t start_ns;
	uint64_t end_ns;
	/** The trap of the next process: its storm_place plus 1, or 0. */
	uint32_t next_trap;
	uint32_t next_trap_ns;
	/** The process's last beat, and when it was seen. */
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
	/** Counts of what follows a kill inside EAL's start or end, because
	 * EAL's locks stay held: new workers that did not come up, processes
	 * that were stuck, hubs that did not end. */
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
	/** How often an event is drawn, relative to the others; 0: never. */
	unsigned int weights[EVENTS];
	/** Longest pause between two events. */
	uint64_t gap_ns;
	/** Events between two rests. */
	unsigned int rest_every;
	/** A process without a new beat for so long hangs. */
	uint64_t hang_ns;
	/** A process that was told to end must end in this time. */
	uint64_t end_limit_ns;
	/** The wrong that the storm is expected to find; STORM_WRONGS: none. */
	enum storm_wrong awaited;
	/** The round ends after so many kills. */
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
	/** The hub is to be ended because of that. */
	bool give_up;
	/** What the hub told before a worker attached. */
	struct hub_told base;
	/** The hub's descriptors at its first rest with all attached. */
	uint32_t fds_rest;
	/** The last beat of the hub's own worker, and when it was seen. */
	uint32_t local_beat;
	uint64_t local_beat_ns;
	/** Until then a process was stopped. */
	uint64_t calm_ns;
	uint64_t n_events;
	uint64_t round_kills;
	struct tally tally;
};

/** Run one round. Returns 0, or negative if it could not begin. */
int conductor_round(struct conductor *c);

/** Let time pass: end, start and continue processes that are due, and check
 * that all of them live and get on. */
void conductor_pump(struct conductor *c);
/** Wait until all workers run, and none is stopped or about to die. False: that
 * takes too long, or the hub is to end or dead. */
bool conductor_settle(struct conductor *c);
/** Give the hub an order. False: the hub does not answer; told is all zeros. */
bool conductor_order(struct conductor *c, const struct hub_order *order,
		struct hub_told *told);
/** Complain that a process hangs, and print what it is doing. */
void conductor_hung(pid_t pid, const char *what);
/** Kill a worker when it enters a place, or at once. */
void conductor_kill(struct conductor *c, unsigned int worker,
		enum storm_place place, uint32_t delay_ns);
/** Whether a worker is inside EAL's start or end. */
bool conductor_in_eal(unsigned int worker);
void conductor_stop(struct conductor *c, unsigned int worker, uint64_t ns,
		bool dies);

/** Draw an event and let it happen. Is in event.c. */
void event_happen(struct conductor *c);

/** Let all workers rest, and check what must hold then. Is in oracle.c. */
void oracle_rest(struct conductor *c);
/** Check what must hold when all workers have ended, but the hub has not. */
void oracle_alone(struct conductor *c);
/** Check what must hold when all processes have ended. killed: the hub was
 * killed. */
void oracle_gone(struct conductor *c, bool killed);

#endif /* CONDUCTOR_H */
