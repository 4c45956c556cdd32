/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lib/wait/ferry_bell.{h,c}: two ringers with work of their own, one owner who
 * sleeps in either way. Each ringer may stop after any round, so that a lost
 * wake-up is not hidden by the next one.
 *
 * Proved: in every run the owner ends asleep, having seen all work; that is,
 * no run ends otherwise, and none is endless (pan -l).
 *
 * -DDEATH: the second ringer may be killed between any two instructions. The
 * hub learns of it for certain, publishes it and shouts.
 */
#define OWNER	0
#define HUB	3
#ifdef DEATH
#define N_PROCS	4
#else
#define N_PROCS	3
#endif

#define BELL	1
#define WORK(i)	(1 + (i))	/* of ringer i, 1 or 2 */
#define GONE	4
#define N_WORDS	5

/* Few, for the time it takes. -DSMALL: fewer, for pan -l. */
#ifdef SMALL
#define SPURIOUS	0
#define ROUNDS_1	1
#define ROUNDS_2	1
#else
#define ROUNDS_1	2
#ifdef DEATH
#define ROUNDS_2	1
#else
#define ROUNDS_2	2
#endif
#endif

byte watched;			/* the bell the owner monitors */
byte seen[3];			/* what the owner knows, by ringer */
bool gone_seen;
byte busy = N_PROCS - 1;	/* ringers, and the hub while it may speak */
bool killed, dead;

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
	fi;
#ifdef DEATH
	if
	:: !r -> load(me, GONE, r); r = (r != gone_seen)
	:: else
	fi
#endif
}

#define QUIET (busy == 0 && empty(sb[1]) && empty(sb[2]) && \
	mem[WORK(1)] == seen[1] && mem[WORK(2)] == seen[2] && \
	mem[GONE] == gone_seen)

#include "bell.inc"

active proctype owner()
{
	byte r, s;

	do
	:: load(OWNER, WORK(1), seen[1]);
		load(OWNER, WORK(2), seen[2]);
#ifdef DEATH
		load(OWNER, GONE, gone_seen);
#endif
		bell_sleep(OWNER, BELL, r, s)
	od;
end_owner:
	skip
}

inline rounds(me, max)
{
	do
	:: n < max ->
		n++;
		store(me, WORK(me), n);		/* W */
		bell_ring(me, BELL, s)
	:: break
	od
}

active proctype ringer_1()
{
	byte n, s;

	rounds(1, ROUNDS_1);
	busy--
}

active proctype ringer_2()
{
	byte n, s;

	{
		rounds(2, ROUNDS_2)
	} unless {
		killed
	};
	atomic { n = 0; s = 0; busy-- };
#ifdef DEATH
	if
	:: killed -> fence(2); dead = true
	:: else -> busy--	/* the hub has nothing to say */
	fi
#endif
}

#ifdef DEATH
active proctype kill()
{
	/* Or not at all, or too late. */
	if
	:: killed = true
	:: skip
	fi
}

active proctype hub()
{
	byte s;

end:	dead;
	store(HUB, GONE, 1);
	bell_shout(HUB, BELL, s);
	busy--
}
#endif
