/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How an engine stops to poll an idle channel, and sleeps when all are idle.
 *
 *     producer                            engine
 *     P1  publish a job, release          E1  store watch = 1
 *     P2  fence, seq_cst                  E2  fence, seq_cst
 *     P3  load watch; if not 0:           E3  look at the ring again:
 *     P4  exchange(watch, 0); was it 1:   E4  a job: store watch = 0, poll on;
 *     P5  fetch_or(ready, the channel)        none: poll it no more
 *     P6  ring the engine's bell          T   each turn: if ready is not 0,
 *                                             exchange(ready, 0), poll these
 *                                         Z   nothing to poll: sleep on the
 *                                             bell, ready() = ready is not 0
 *
 * Two producers, a channel each, who may stop after any job.
 *
 * Proved: in every run the engine ends asleep, having served all jobs; that
 * is, no run ends otherwise, and none is endless (pan -l).
 *
 * -DDEATH: the second producer may be killed between any two instructions. The
 * hub, who knows for certain, then does P5 for its channel and shouts: it died
 * between P4 and P5, or P5 and P6, or X and K of P6.
 *
 * What the model also holds without (run_model.py has these as variants): E4
 * saves announcements, no wake-up hangs on it; nor need it be an exchange. P4
 * may be a plain store, as long as it comes before P5. P6 does not need the
 * bell's Fr on x86, where P5 is a locked instruction.
 */
#define ENGINE	0
#define HUB	3
#ifdef DEATH
#define N_PROCS	4
#else
#define N_PROCS	3
#endif

#define BELL	1
#define READY	2		/* a bit for each channel */
#define RING(c)	(2 + (c))	/* jobs posted to channel c, 1 or 2 */
#define WATCH(c) (4 + (c))
#define N_WORDS	7

/* Few, for the time it takes. -DSMALL: fewer, for pan -l. */
#if defined(DEATH) && defined(SMALL)
#define JOBS_1	0
#elif defined(DEATH) || defined(SMALL)
#define JOBS_1	1
#else
#define JOBS_1	2
#endif
#define JOBS_2	1
#define SPURIOUS 0		/* bell.pml has them */
#ifdef DEATH
#define PATIENCE 0
#else
#define PATIENCE 1		/* turns that an idle channel is polled on */
#endif

byte watched;			/* the bell the engine monitors */
byte served[3];			/* jobs, by channel */
byte busy = N_PROCS - 1;	/* producers, and the hub while it may speak */
bool killed, dead;

#define WRITTEN(p, a) \
	watched = (watched == a && p != ENGINE -> 0 : watched)

#include "tso.inc"

inline ready(me, r)
{
	load(me, READY, r);
	r = (r != 0)
}

#define QUIET (busy == 0 && empty(sb[1]) && empty(sb[2]) && \
	mem[RING(1)] == served[1] && mem[RING(2)] == served[2])

#include "bell.inc"

#define BIT(c)	(1 << (c))

/* Serve what is in the ring: r is whether there was something. */
inline serve(c, r)
{
	load(ENGINE, RING(c), n);
	r = (n != served[c]);
	served[c] = n;
	n = 0
}

/* A channel's part of a turn: serve it, and if it is idle, stop to poll it. */
inline poll(c)
{
	if
	:: polled & BIT(c) ->
		serve(c, r);
		if
		:: r
		:: !r && patience > 0 -> patience--	/* not idle for long */
		:: !r ->
			store(ENGINE, WATCH(c), 1);	/* E1 */
#ifndef NO_E2
			fence(ENGINE);			/* E2 */
#endif
#ifndef NO_E3
			load(ENGINE, RING(c), n);	/* E3 */
			r = (n != served[c]);
			n = 0;
#endif
			if
			:: r ->
#ifdef NO_E4
				skip
#else
				store(ENGINE, WATCH(c), 0)	/* E4 */
#endif
			:: !r -> polled = polled & ~BIT(c)
			fi
		fi;
		r = 0
	:: else
	fi
}

active proctype engine()
{
	byte r, s, n;
	byte polled = BIT(1) | BIT(2);
	byte patience = PATIENCE;

	do
	:: load(ENGINE, READY, n);
		if
		:: n != 0 ->
#ifdef NO_TAKE_EXCHANGE
			store(ENGINE, READY, 0);
#else
			exchange(ENGINE, READY, 0, n);
#endif
			polled = polled | n
		:: else
		fi;
		n = 0;
		poll(1);
		poll(2);
		if
		:: polled == 0 -> bell_sleep(ENGINE, BELL, r, s)
		:: else
		fi
	od;
end_owner:
	skip
}

inline announce(me)
{
	fetch_or(me, READY, BIT(me));			/* P5 */
#ifndef NO_P6
	bell_ring(me, BELL, s)				/* P6 */
#endif
}

inline post(me, max)
{
	do
	:: n < max ->
		n++;
		store(me, RING(me), n);			/* P1 */
#ifndef NO_P2
		fence(me);				/* P2 */
#endif
		load(me, WATCH(me), s);			/* P3 */
		if
		:: s != 0 ->
#ifdef P5_BEFORE_P4
			announce(me);
			exchange(me, WATCH(me), 0, s);
			s = 0
#else
#ifdef P4_STORE
			store(me, WATCH(me), 0);
#else
			exchange(me, WATCH(me), 0, s);	/* P4 */
#endif
			if
			:: s != 0 -> s = 0; announce(me)
			:: else
			fi
#endif
		:: else
		fi
	:: break
	od
}

active proctype tx_1()
{
	byte n, s;

	post(1, JOBS_1);
	busy--
}

active proctype tx_2()
{
	byte n, s;

	{
		post(2, JOBS_2)
	} unless {
		killed
	};
	atomic { n = 0; s = 0; busy-- };
#ifdef DEATH
	if
	:: killed -> fence(2); dead = true
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
	fetch_or(HUB, READY, BIT(2));
#endif
	bell_shout(HUB, BELL, s);
	busy--
}
#endif
