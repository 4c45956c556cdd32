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

/** What a worker is doing: the last one before its death is where it died. */
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

/** What is counted by workers and hub. */
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

/** What must not be. */
enum storm_wrong {
	/** Promised, but not received by a consumer that lived. */
	STORM_LOST,
	STORM_DOUBLED,
	STORM_MISORDERED,
	STORM_DAMAGED,
	/** Received, but never sent. */
	STORM_INVENTED,
	/** A call returned what it should not have. */
	STORM_UNEXPECTED,
	STORM_CRASHED,
	STORM_HUNG,
	STORM_LEAKED,
	STORM_WRONGS,
};
extern const char *const storm_wrong_names[STORM_WRONGS];

/** What a worker does wrong on purpose, to see that it is noticed. */
enum storm_spoil {
	STORM_SPOIL_NOTHING,
	/** A message is sent twice. */
	STORM_SPOIL_DOUBLE,
	/** A message is left out. */
	STORM_SPOIL_SKIP,
	/** A byte is another one. */
	STORM_SPOIL_DAMAGE,
	/** More is promised than was sent. */
	STORM_SPOIL_PROMISE,
	/** A message is sent that was not begun. */
	STORM_SPOIL_INVENT,
	/** A process ends by itself. */
	STORM_SPOIL_CRASH,
	/** A call does not return. */
	STORM_SPOIL_HANG,
	/** The hub has a descriptor more than at first. */
	STORM_SPOIL_LEAK,
	/** Messages are sent before their bytes are there. */
	STORM_SPOIL_EARLY,
	/** They are read after they were given back. */
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

/** What the conductor tells a worker, and learns of it. */
struct storm_worker {
	/** The conductor's: end in good order. */
	uint32_t end;
	/** Arm a timer that kills, when this place is entered next;
	 * STORM_PLACES: none. And so many nanoseconds later. */
	uint32_t trap;
	uint32_t trap_ns;
	/** Take all memory of the hub for a moment. */
	uint32_t hog;

	/** The worker's: enum storm_place. */
	uint32_t place;
	/** Grows while it gets on. */
	uint32_t beat;
	/** One of its ends has got a message across since it started. */
	uint32_t settled;
	/** storm.rest that it has heeded. */
	uint32_t drained;
	uint32_t frozen;
} __attribute__((aligned(64)));

/** What all processes share. */
struct storm {
	uint64_t seed;
	/** Which hub it is, from 1. */
	uint32_t generation;
	/** enum ferry_mode or STORM_MODE_ALL. */
	uint32_t mode;
	/** Ends are closed, endpoints detached, one time in so many turns. */
	uint32_t churn;
	/** enum storm_spoil. */
	uint32_t spoil;
	/** Not 0: producers drain and send no more. */
	uint32_t rest;
	/** Equal to rest: everybody keeps still. */
	uint32_t freeze;
	struct storm_worker workers[STORM_WORKERS];
	uint64_t counts[STORM_COUNTS];
	uint64_t wrongs[STORM_WRONGS];
	struct ledger ledger;
};

/** The one there is, in every process. */
extern struct storm *storm;

/** Count. */
void storm_count(enum storm_count what, uint64_t n);

/** Something is wrong: count it and say it. */
void storm_complain(enum storm_wrong what, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Whether the caller is to do this wrong, now and once. */
bool storm_spoils(enum storm_spoil what);

/** Whether this is to be done wrong, until it is noticed. */
bool storm_is_spoilt(enum storm_spoil what);

/** How much is wrong. */
uint64_t storm_wrong(void);

/** The worker enters a place: its number is in the calling thread. */
void storm_at(enum storm_place place);

/** This thread is that worker from now on; what it draws depends on the
 * seed. */
void storm_is(unsigned int worker, uint64_t seed);

/**
 * SIGINT and SIGTERM. The conductor holds them back and looks; its processes
 * inherit that, so that none is lost before they have a handler.
 */
void storm_hold_end(void);
bool storm_is_asked_to_end(void);
void storm_on_end(void (*handler)(int signal));

/** A decision that depends on the seed and the numbers only. */
uint64_t storm_mix(uint64_t a, uint64_t b);

/** Run a worker until it is told to end: enum storm_exit. */
int storm_work(unsigned int worker, uint64_t seed);

/** Main functions of processes, as for ferry_proc_start(). */
int storm_worker_main(int fd, void *arg);
int storm_hub_main(int fd, void *arg);

#endif /* STORM_H */
