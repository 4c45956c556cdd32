/* SPDX-License-Identifier: BSD-3-Clause
 *
 * engine_idle.pml with bulk messages, in its letters: how an engine that does
 * not poll a channel learns of a message that is to be copied (edge A). New is
 * that both ends of a channel announce by the same word watch: the producer
 * jobs, the consumer messages; and that a message's bit may come late:
 *
 *     producer                            consumer
 *     X1  all units DONE: clear the bit   P1  dst_gen = gen
 *         in service.bulk                 A   set the bit in service.bulk
 *     X2  the next message                P2 to P6
 *
 * Others may have copied all between P1 and A. So a bit tells where to look, no
 * more: E3 is whether there is a job, or a bit whose message has a unit to
 * copy; a bit alone would keep the engine from its sleep for ever.
 *
 * The message is one word here. 2 gen - 1: it has begun; 2 gen: it is copied.
 * Who copies does so in one step; claim.pml has the others.
 *
 * Proved: in every run the engine ends asleep, having served all jobs, and all
 * messages are copied, though the producer need not help (no run ends
 * otherwise); none is endless (pan -l).
 *
 * -DDEATH: the consumer may be killed between any two instructions. What it
 * hides if that is between P4 and P5 may be a job of the producer, who lives:
 * the hub does P5 for the channels of consumers, too (engine_quiesce()), and
 * shouts.
 */
#define ENGINE	0
#define TX	1
#define RX	2
#define HUB	3
#ifdef DEATH
#define N_PROCS	4
#else
#define N_PROCS	3
#endif

#define BELL	1
#define READY	2
#define RING	3		/* jobs posted */
#define WATCH	4
#define BULK	5		/* the block's bit */
#define MSG	6
#define CELL	7		/* messages announced */
#define N_WORDS	8

#if defined(DEATH) && defined(SMALL)
#define JOBS	1
#define MSGS	1
#elif defined(DEATH) || defined(SMALL)
#define JOBS	1
#define MSGS	2
#else
#define JOBS	2
#define MSGS	2
#endif
#define SPURIOUS 0		/* bell.pml has them ... */
#define NO_MONITOR		/* ... and both ways to sleep */
#define SB_DEPTH 2

byte served;
byte busy = N_PROCS - 1;
bool killed, dead;

#define WRITTEN(p, a)	skip

#include "tso.inc"

inline ready(me, r)
{
	load(me, READY, r);
	r = (r != 0)
}

/* No process waits for the copy of a dead consumer's message. */
#define QUIET (busy == 0 && empty(sb[TX]) && empty(sb[RX]) && \
	mem[RING] == served && (dead || mem[MSG] == 2 * MSGS))

#include "bell.inc"

/* Copy the message that has begun, if no other process has copied it. Which
 * process copies, and when, does not matter. */
inline copy(me)
{
	d_step {
		RMW_MAY(me, MSG) -> mem[MSG] = mem[MSG] + mem[MSG] % 2
	}
}

/* r: whether there is something to do. */
inline look()
{
	load(ENGINE, RING, n);
	r = (n != served);
#ifndef NO_BULK_IN_E3
	if
	:: !r ->
		load(ENGINE, BULK, r);
#ifndef WANTS_BIT
		if
		:: r -> load(ENGINE, MSG, r); r = r % 2
		:: else
		fi
#endif
	:: else
	fi;
#endif
	n = 0
}

inline serve()
{
	load(ENGINE, RING, n);
	served = n;
	load(ENGINE, BULK, n);
	if
	:: n -> copy(ENGINE)
	:: else
	fi;
	n = 0
}

active proctype engine()
{
	byte r, s, n;
	bool polled = true;

	do
	:: load(ENGINE, READY, n);
		if
		:: n != 0 ->
			exchange(ENGINE, READY, 0, n);
			polled = true
		:: else
		fi;
		n = 0;
		if
		:: polled ->
			serve();
			store(ENGINE, WATCH, 1);	/* E1 */
#ifndef NO_E2
			fence(ENGINE);			/* E2 */
#endif
			look();				/* E3 */
			if
			:: r -> store(ENGINE, WATCH, 0)	/* E4 */
			:: else -> polled = false
			fi;
			r = 0
		:: else -> bell_sleep(ENGINE, BELL, r, s)
		fi
	od;
end_owner:
	skip
}

/* ferry_board_announce() */
inline announce(me)
{
#ifndef NO_P2
	fence(me);				/* P2 */
#endif
	load(me, WATCH, s);			/* P3 */
	if
	:: s != 0 ->
		exchange(me, WATCH, 0, s);	/* P4 */
		if
		:: s != 0 ->
			s = 0;
			fetch_or(me, READY, 1);	/* P5 */
			bell_ring(me, BELL, s)	/* P6 */
		:: else
		fi
	:: else
	fi
}

inline clear(me)
{
	d_step {
		RMW_MAY(me, BULK) -> mem[BULK] = 0
	}
}

active proctype tx()
{
	byte n, m, s;

	do
	:: n < JOBS ->
		n++;
		store(TX, RING, n);			/* P1 */
		announce(TX)
	:: m < MSGS && mem[MSG] == 2 * m ->
		m++;
#ifdef CLEAR_LATE
		store(TX, CELL, m);
		clear(TX)
#else
		if
		:: m > 1 -> clear(TX)			/* X1 */
		:: else
		fi;
		store(TX, CELL, m)			/* X2 */
#endif
	:: mem[MSG] % 2 -> copy(TX)		/* it may help ... */
	:: n == JOBS && m == MSGS -> break	/* ... or not */
	:: n == JOBS && dead -> break
	od;
	busy--
}

active proctype rx()
{
	byte m, s;

	{
		do
		:: m < MSGS && mem[CELL] == m + 1 ->
			m++;
#ifdef A_FIRST
			fetch_or(RX, BULK, 1);
			announce(RX);
			store(RX, MSG, 2 * m - 1)
#else
			store(RX, MSG, 2 * m - 1);	/* P1 */
#ifdef NO_A
			skip;
#else
			fetch_or(RX, BULK, 1);		/* A */
#endif
			announce(RX)
#endif
		:: m == MSGS -> break
		od
	} unless {
		killed
	};
	atomic { m = 0; s = 0; busy-- };
#ifdef DEATH
	if
	:: killed -> fence(RX); dead = true
	:: else -> busy--	/* the hub has nothing to do */
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
#ifndef NO_HUB_P5
	fetch_or(HUB, READY, 1);
#endif
	bell_shout(HUB, BELL, s);
	busy--
}
#endif
