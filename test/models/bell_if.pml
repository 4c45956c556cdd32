/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ferry_bell_ring_if(): two ringers who ring only if the owner's flag says
 * that it may sleep, and look at the flag without a fence; an owner that goes
 * from polling to sleeping and back (end_set_wait() in ferry_channel.c), with
 * ferry_bell_settle() before the first sleep.
 *
 * The two may be any two that one endpoint waits for. They find its bell as
 * ferry_end_notify() does, by the number of the end's endpoint, and once in a
 * run another endpoint, with another bell, may take the end over (end_open()).
 *
 * Assumed of membarrier(): it begins with a full barrier of the caller, and
 * during it each other thread passes one, not all at the same time.
 *
 * Proved: as in bell.pml.
 */
#define OWNER	0
#define N_PROCS	3

#define BELL(e)	(1 + (e))	/* of endpoint e, 0 or 1 */
#define MAY_SLEEP 3
#define ENDPOINT 4
#define WORK(i)	(4 + (i))	/* of ringer i, 1 or 2 */
#define N_WORDS	7

/* Few, for the time it takes. -DSMALL: fewer, for pan -l. */
#ifdef SMALL
#define ROUNDS_1 1
#else
#define ROUNDS_1 2
#endif
#define ROUNDS_2 1
#define SPURIOUS 0	/* bell.pml has them */

byte watched;			/* the bell the owner monitors */
byte seen[3];			/* what the owner knows, by ringer */
byte busy = 2;			/* ringers */

#define WRITTEN(p, a) \
	watched = (watched == a && p != OWNER -> 0 : watched)

#include "tso.inc"

inline ready(me, r)
{
	load(me, WORK(1), r);
	r = (r != seen[1]);
	if
	:: !r -> load(me, WORK(2), r); r = (r != seen[2])
	:: else
	fi
}

#define QUIET (busy == 0 && empty(sb[1]) && empty(sb[2]) && \
	mem[WORK(1)] == seen[1] && mem[WORK(2)] == seen[2])

#include "bell.inc"

/* ferry_bell_settle() */
inline settle(me)
{
	fence(me);
	fence(1);
	fence(2)
}

/* end_set_wait(), to a policy that sleeps */
inline set_wait_sleep()
{
#ifdef SETTLE_FIRST
	settle(OWNER);
#endif
	store(OWNER, MAY_SLEEP, 1);
#ifdef FENCE_FOR_SETTLE
	fence(OWNER)
#else
#if !defined(NO_SETTLE) && !defined(SETTLE_FIRST)
	settle(OWNER)
#endif
#endif
}

active proctype owner()
{
	byte r, s, me;			/* me: the endpoint */
	bool sleeps;
	bool switched;

	do
	:: load(OWNER, WORK(1), seen[1]);
		load(OWNER, WORK(2), seen[2]);
		if
		:: sleeps ->
			bell_sleep(OWNER, BELL(me), r, s)
		:: !sleeps ->
			set_wait_sleep();
			sleeps = true
		:: sleeps && !switched ->
			switched = true;
			store(OWNER, MAY_SLEEP, 0);
			sleeps = false
		:: me == 0 ->		/* end_open() of the next one */
			me = 1;
			store(OWNER, ENDPOINT, 1);
			store(OWNER, MAY_SLEEP, 0);
			sleeps = false
		fi
	od;
end_owner:
	skip
}

inline rounds(me, max)
{
	do
	:: n < max ->
		n++;
#ifdef EARLY_ENDPOINT
		load(me, ENDPOINT, e);
#endif
		store(me, WORK(me), n);		/* W */
		/* ferry_end_notify() */
#ifndef EARLY_ENDPOINT
		load(me, ENDPOINT, e);
#endif
		load(me, MAY_SLEEP, s);
		if
		:: s -> bell_ring(me, BELL(e), s)
		:: else
		fi;
		e = 0
	:: break
	od
}

active proctype ringer_1()
{
	byte n, s, e;

	rounds(1, ROUNDS_1);
	busy--
}

active proctype ringer_2()
{
	byte n, s, e;

	rounds(2, ROUNDS_2);
	busy--
}
