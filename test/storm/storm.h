/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORM_H
#define STORM_H

/**
 * @file
 * A storm: a hub with engines and soft devices, and workers that send each
 * other messages of all kinds, while a conductor kills them, stops them, makes
 * devices fail and changes whatever can be changed.
 *
 *     main.c       options, the report
 *     conductor.c  what happens when; starts, kills and stops processes
 *     event.c      what can happen
 *     oracle.c     what must hold when all rest, and when all are gone
 *     hub.c        the hub's process
 *     worker.c     a worker's process, or a thread of the hub
 *     producer.c   a worker's producing ends
 *     consumer.c   a worker's consuming ends
 *     step.c       a thread sleeps, or dies, at some instruction of a call
 *     ledger.c     what was promised and what was received, outside of ferry
 *
 * The conductor starts no EAL. It shares one piece of memory with all others,
 * which has nothing to do with ferry: struct storm.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_copy.h"
#include "ledger.h"

/** Workers. The last one is a thread of the hub. */
#define STORM_WORKERS 6
#define STORM_LOCAL (STORM_WORKERS - 1)
/** Channels between them. */
#define STORM_ROUTES 6

#define STORM_HUB "storm"
#define STORM_SLOT (UINT32_C(64) << 10)
#define STORM_N_SLOTS 16
/** Longest bulk message. */
#define STORM_BULK (UINT64_C(1) << 20)
/** storm.mode: each producer goes through all modes. */
#define STORM_MODE_ALL FERRY_MODES

/** A channel's name is "r" and its number. */
struct storm_route {
	unsigned int from;
	unsigned int to;
};
extern const struct storm_route storm_routes[STORM_ROUTES];

/** The call that a worker is in. A dead worker's last place is where it
 * died. */
enum storm_place {
	STORM_INIT,
	STORM_ATTACH,
	STORM_OPEN,
	STORM_SEND,
	STORM_LOAN,
	STORM_POST,
	STORM_FINISH,
	STORM_BULK_SEND,
	STORM_BULK_WAIT,
	STORM_BULK_CANCEL,
	STORM_TX_WAIT,
	STORM_DRAIN,
	STORM_MODE,
	STORM_RECV,
	STORM_RX_WAIT,
	STORM_RELEASE,
	STORM_BULK_ACCEPT,
	STORM_BULK_AWAIT,
	STORM_BULK_RELEASE,
	STORM_ALLOC,
	STORM_CLOSE,
	STORM_DETACH,
	STORM_EXIT,
	/** In its own code. */
	STORM_ELSEWHERE,
	STORM_PLACES,
};
extern const char *const storm_place_names[STORM_PLACES];

/** The counts of workers and hub. */
enum storm_count {
	STORM_N_CELLS,
	STORM_N_BURSTS,
	STORM_N_LOANS,
	STORM_N_POSTS,
	STORM_N_BULK_PRIVATE,
	STORM_N_BULK_SHARED,
	STORM_N_BULK_CANCELLED,
	STORM_N_BULK_REFUSED,
	STORM_N_BULK_GIVEN_UP,
	STORM_N_BULK_ENDED,
	STORM_N_RECEIVED,
	STORM_N_RECEIVED_BYTES,
	STORM_N_BULK_RECEIVED,
	STORM_N_BULK_BYTES,
	STORM_N_PAIRINGS,
	STORM_N_DRAINS,
	STORM_N_MODES,
	STORM_N_ATTACHES,
	STORM_N_CLOSES,
	STORM_N_TIMEOUTS,
	STORM_N_NO_ROOM,
	STORM_N_NO_FDS,
	STORM_N_HOGS,
	STORM_N_FAULTS,
	STORM_N_REPAIRS,
	STORM_N_REBUILDS,
	STORM_N_MOVES,
	STORM_COUNTS,
};
extern const char *const storm_count_names[STORM_COUNTS];

/** The errors that a storm finds. */
enum storm_wrong {
	/** A message was promised, but a living consumer did not receive it. */
	STORM_LOST,
	STORM_DOUBLED,
	STORM_MISORDERED,
	STORM_DAMAGED,
	/** A message was received, but never sent. */
	STORM_INVENTED,
	/** A call returned a wrong result. */
	STORM_UNEXPECTED,
	STORM_CRASHED,
	STORM_HUNG,
	STORM_LEAKED,
	STORM_WRONGS,
};
extern const char *const storm_wrong_names[STORM_WRONGS];

/** Errors that a worker makes on purpose, to test that the storm finds them. */
enum storm_spoil {
	STORM_SPOIL_NOTHING,
	/** A message is sent twice. */
	STORM_SPOIL_DOUBLE,
	/** A message is left out. */
	STORM_SPOIL_SKIP,
	/** A byte of a message is changed. */
	STORM_SPOIL_DAMAGE,
	/** More is promised than was sent. */
	STORM_SPOIL_PROMISE,
	/** A message is sent that the ledger does not have. */
	STORM_SPOIL_INVENT,
	/** A process ends by itself. */
	STORM_SPOIL_CRASH,
	/** A call does not return. */
	STORM_SPOIL_HANG,
	/** The hub has a descriptor more than at first. */
	STORM_SPOIL_LEAK,
	/** Messages are sent before their bytes are there. */
	STORM_SPOIL_EARLY,
	/** Messages are read after they were given back. */
	STORM_SPOIL_LATE,
	/** A payload that was posted is overwritten before it is copied. */
	STORM_SPOIL_REUSE,
	STORM_SPOILS,
};

/** How a worker's process ends. */
enum storm_exit {
	STORM_EXIT_DONE = 0,
	STORM_EXIT_HUB_GONE = 3,
	STORM_EXIT_NO_EAL = 4,
	STORM_EXIT_NO_HUB = 5,
};

/** What the conductor tells a worker, and what the worker tells it. */
struct storm_worker {
	/** The conductor writes the first part. Not 0: end in good order. */
	uint32_t end;
	/** When the worker enters this place next, it arms a timer that kills
	 * it after so many nanoseconds; STORM_PLACES: none. */
	uint32_t trap;
	uint32_t trap_ns;
	/** Not 0: take all memory of the hub for a moment. */
	uint32_t hog;

	/** The worker writes the second part. This is an enum storm_place. */
	uint32_t place;
	/** Grows while the worker gets on. */
	uint32_t beat;
	/** One of its ends has carried a message since the worker started. */
	uint32_t settled;
	/** The storm.rest and the storm.freeze that it has obeyed. */
	uint32_t drained;
	uint32_t frozen;
} __attribute__((aligned(64)));

/** What all processes share. */
struct storm {
	uint64_t seed;
	/** The hub's number, from 1. */
	uint32_t generation;
	/** enum ferry_mode or STORM_MODE_ALL. */
	uint32_t mode;
	/** In one of so many turns a worker closes an end or detaches. */
	uint32_t churn;
	/** enum storm_spoil. */
	uint32_t spoil;
	/** Not 0: producers drain and send no more. */
	uint32_t rest;
	/** Equal to rest: all workers keep still. */
	uint32_t freeze;
	struct storm_worker workers[STORM_WORKERS];
	uint64_t counts[STORM_COUNTS];
	uint64_t wrongs[STORM_WRONGS];
	struct ledger ledger;
};

/** The storm, mapped in every process. */
extern struct storm *storm;

/** Add n to a count. */
void storm_count(enum storm_count what, uint64_t n);

/** Count an error and print it. */
void storm_complain(enum storm_wrong what, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Whether the caller is to make this error, now and only once. */
bool storm_spoils(enum storm_spoil what);

/** Whether this error is to be made until the storm finds it. */
bool storm_is_spoilt(enum storm_spoil what);

/** How many errors were counted. */
uint64_t storm_wrong(void);

/** The calling thread's worker (see storm_is()) enters a place. */
void storm_at(enum storm_place place);

/** Make the calling thread this worker. Its random numbers depend on the
 * seed. */
void storm_is(unsigned int worker, uint64_t seed);

/**
 * SIGINT and SIGTERM. The conductor blocks them and looks whether one is
 * pending. Its processes inherit the blocking, so that no signal is lost before
 * they have a handler: storm_on_end() installs it and unblocks the signals.
 */
void storm_hold_end(void);
bool storm_is_asked_to_end(void);
void storm_on_end(void (*handler)(int signal));

/** A random number that depends only on the seed, a and b. */
uint64_t storm_mix(uint64_t a, uint64_t b);

/** Run a worker until it is told to end. Returns an enum storm_exit. */
int storm_work(unsigned int worker, uint64_t seed);

/** Main functions of processes, as for ferry_proc_start(). */
int storm_worker_main(int fd, void *arg);
int storm_hub_main(int fd, void *arg);

#endif /* STORM_H */
