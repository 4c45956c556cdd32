/* SPDX-License-Identifier: BSD-3-Clause
 *
 * engine_idle.pml and server.pml together: a channel that moves between two
 * engines, which stop to poll it and sleep; its letters are theirs. One
 * producer, who lives on but need not look again after its last job.
 *
 *     producer: P1 P2 P3; server is an engine: load watch; if not 0:
 *               P4; was it 1: load server again; it is engine k: P5 P6 for k
 *     engine:   starts to poll a channel that it is given; believes a ready
 *               bit only for a channel that it has
 *
 * The second look at server is needed: by P4 the producer may have disarmed
 * the next engine, which has to be told then, or the next job is not announced.
 *
 * Left out, as they are proved there: how two servers exclude one another, and
 * places in the ring.
 *
 * Proved: in every run both engines end asleep and all jobs are served; that
 * is, no run ends otherwise, and none is endless (pan -l).
 */
#define TX	0
#define HUB	1		/* engines are 2 and 3 */
#define N_PROCS	4

#define SERVER	1
#define RING	2
#define WATCH	3
#define READY(k) (2 + (k))
#define BELL(k)	(4 + (k))
#define N_WORDS	8

/* Few, for the time it takes. -DSMALL: fewer, for pan -l. */
#ifdef SMALL
#define JOBS	1
#else
#define JOBS	2
#endif
#define ORDERS	2		/* what the hub's user asks for: from 2 to 3 */
#define SPURIOUS 0		/* bell.pml has them ... */
#define NO_MONITOR		/* ... and both ways to sleep */
#define SB_DEPTH 2

mtype = { assign, leave, left };
chan order[4] = [1] of { mtype };
chan reply = [1] of { mtype };

byte served;			/* jobs served by holders of server */
byte busy = 2;			/* the producer, the hub */

#define WRITTEN(p, a)	skip

#include "tso.inc"

inline ready(me, r)
{
	load(me, READY(me), r);
	r = (r != 0 || nempty(order[me]))
}

#define QUIET (busy == 0 && empty(sb[TX]) && mem[RING] == served)

#include "bell.inc"

/* r: whether there was something */
inline serve(me, r)
{
	load(me, RING, n);
	atomic { r = (n > served); served = (r -> n : served); n = 0 }
}

inline take_self()
{
	compare_exchange(TX, SERVER, 0, 1, r);
	if
	:: r ->
		serve(TX, r);
		r = 0;
		store(TX, SERVER, 0)
	:: else
	fi
}

proctype tx()
{
	byte posted, n, r, k, s;

	do
	:: posted < JOBS ->
		posted++;
		store(TX, RING, posted);		/* P1 */
		fence(TX);				/* P2 */
		load(TX, SERVER, k);			/* P3 */
		if
		:: k == 0 -> take_self()
		:: else ->
			load(TX, WATCH, s);
			if
			:: s != 0 -> exchange(TX, WATCH, 0, s)	/* P4 */
			:: else
			fi;
			if
			:: s != 0 ->
				s = 0;
#ifndef NO_SECOND_LOOK
				load(TX, SERVER, k);
#endif
				if
				:: k == 0	/* L4 or who is next */
				:: else ->
					fetch_or(TX, READY(k), 1);	/* P5 */
					bell_ring(TX, BELL(k), s)	/* P6 */
				fi
			:: else
			fi
		fi;
		k = 0
	:: break
	od;
	busy--
}

proctype engine(byte me; bool have)
{
	byte n, r, s;
	bool polled = have;

	do
	:: if
		:: order[me]?assign ->
			have = true;
#ifndef TRUST_WATCH
			polled = true
#endif
		:: order[me]?leave ->
			have = false;
			polled = false;
leaving:
			serve(me, r);			/* L1 */
			r = 0;
			store(me, SERVER, 0);		/* L2 */
			fence(me);			/* L3 */
			load(me, RING, n);		/* L4 */
			if
			:: n > served ->
				n = 0;
				compare_exchange(me, SERVER, 0, me, r);
				if
				:: r -> goto leaving
				:: else
				fi
			:: else -> n = 0
			fi;
			reply!left			/* L5 */
		:: empty(order[me])
		fi;
		load(me, READY(me), n);			/* T */
		if
		:: n != 0 ->
			exchange(me, READY(me), 0, n);
#ifdef TRUST_BIT
			polled = true
#else
			polled = have
#endif
		:: else
		fi;
		n = 0;
		if
		:: polled ->
#ifdef TRUST_BIT
			assert(have);
#endif
			serve(me, r);
			if
			:: !r ->
				store(me, WATCH, 1);	/* E1 */
				fence(me);		/* E2 */
				load(me, RING, n);	/* E3 */
				if
				:: n > served -> store(me, WATCH, 0)	/* E4 */
				:: else -> polled = false
				fi;
				n = 0
			:: else
			fi;
			r = 0
		:: else -> bell_sleep(me, BELL(me), r, s)	/* Z */
		fi
	od;
end_owner:
	skip
}

/* An order and a ring in one step: bell.pml proves the steps. */
inline tell(what)
{
	atomic {
		order[at]!what;
		mem[BELL(at)] = AWAKE;
		queued = queued & ~(1 << BELL(at))
	}
}

active proctype hub()
{
	byte at = 2;			/* at: the engine that has it */
	byte orders = ORDERS;
	bool ok;

	atomic {
		mem[SERVER] = 2;
		run engine(2, true);
		run engine(3, false);
		run tx()
	};
	do
	:: orders > 0 && at == 0 ->
		orders--;
		at = 3;
		compare_exchange(HUB, SERVER, 0, at, ok);
		if
		:: ok ->
			tell(assign)
		:: else -> at = 0	/* the producer is at it */
		fi;
		ok = false
	:: orders > 0 && at != 0 ->
		orders--;
		tell(leave);
		reply?left;
		at = 0
	:: break
	od;
	busy--
}
