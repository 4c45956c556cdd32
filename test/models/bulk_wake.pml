/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How the end that waits for a bulk message is woken: bulk_ring() and the
 * re-checks of ferry_bulk_wait() and ferry_bulk_await().
 *
 *     who copies                          the end that waits
 *     U   unit = DONE, release            Wi  store its wish
 *     Fr  fence, seq_cst                  So  arm the bell
 *     V   front: load the units           Fo  fence, seq_cst
 *     Wl  load wish; is the front there:  Ro  front: load the units: are they
 *     Lr  look at the bell, ring it           there; or is it over; or is a
 *                                             unit free that it may copy
 *     who ends it early, or gives a
 *     unit back, rings in any case
 *
 * Two who copy, a unit each, and an end that wishes for the first unit, or for
 * both, and then for both; wishes may also shrink. Who marks last sees all that
 * is marked: that is why V is after Fr, and looks at all units.
 *
 * The flag may_sleep, which is read without a fence, is bell_if.pml's; the
 * bell's own steps are bell.pml's. Without the bell's Fr it holds as well: the
 * Fr here is before V.
 *
 * Proved: in every run the end sees what it wished for, or that the message is
 * over, or copies what was given back (no run ends otherwise); and none is
 * endless (pan -l).
 *
 * -DGIVES_UP: who copies may find that it cannot, and gives its unit back, for
 * the end to copy; or it ends the message.
 *
 * How the server learns of a message, edge A, with the word service.bulk beside
 * the job ring, is engine_bulk.pml's.
 */
#define OWNER	0
#define N_PROCS	3

#define BELL	1
#define U(i)	(1 + (i))	/* unit of who copies, 1 or 2 */
#define WISH	4
#define OVER	5
#define N_WORDS	6

#define FREE	0		/* and not claimed by who copies: it is first */
#define DONE	9
#define BACK	5		/* FREE again */

#ifdef SMALL
#define SPURIOUS 0
#define SB_DEPTH 2
#endif

byte watched;
byte busy = 2;
byte wish;
bool content;			/* with the first unit */

#define WRITTEN(p, a) \
	watched = (watched == a && p != OWNER -> 0 : watched)

#include "tso.inc"

/* front: of two units, by loads in order */
inline front_of(me, f)
{
	load(me, U(1), f);
	f = (f == DONE);
	if
	:: f -> load(me, U(2), f); f = 1 + (f == DONE)
	:: else
	fi
}

inline ready(me, r)
{
	front_of(me, r);
	r = (r >= wish);
#ifdef GIVES_UP
#ifndef NO_OVER_IN_RO
	if
	:: !r -> load(me, OVER, r)
	:: else
	fi;
#endif
	if
	:: !r -> load(me, U(1), r); r = (r == BACK)
	:: else
	fi;
	if
	:: !r -> load(me, U(2), r); r = (r == BACK)
	:: else
	fi
#endif
}

/* To sleep for ever is never right: the end has wishes until it has ended. */
#define QUIET	false

#include "bell.inc"

active proctype owner()
{
	byte r, s;

	if
	:: wish = 1
	:: atomic { wish = 2; content = true }
	:: wish = 1;		/* it waited for both before, until a timeout */
		store(OWNER, WISH, 2)
	fi;
	do
	:: front_of(OWNER, r);
		if
		:: r >= wish && wish == 2 -> break
		:: r >= wish && wish == 1 ->
			atomic { wish = 2; content = true }
		:: else ->
#ifdef GIVES_UP
			load(OWNER, OVER, r);
			if
			:: r -> break
			:: else
			fi;
			load(OWNER, U(1), r);
			if
			:: r == BACK -> store(OWNER, U(1), DONE)
			:: else
			fi;
			load(OWNER, U(2), r);
			if
			:: r == BACK -> store(OWNER, U(2), DONE)
			:: else
			fi;
#endif
#ifdef WISH_LATE
			skip;
#else
			store(OWNER, WISH, wish);	/* Wi */
#endif
			bell_sleep(OWNER, BELL, r, s);
#ifdef WISH_LATE
			store(OWNER, WISH, wish)
#endif
		fi;
		r = 0
	od;
	content = true;
end_owner:
	skip
}

/* bulk_ring() */
inline ring(me)
{
#ifdef FRONT_FIRST
	front_of(me, f);
	fence(me);
#else
#ifdef OWN_UNIT
	f = me;
	fence(me);
#else
#ifndef NO_FENCE
	fence(me);				/* Fr */
#endif
	front_of(me, f);			/* V */
#endif
#endif
	load(me, WISH, s);			/* Wl */
	if
	:: f >= s -> s = 0; bell_ring(me, BELL, s)
	:: else -> s = 0
	fi;
	f = 0
}

inline copy(me)
{
	if
	:: store(me, U(me), DONE);		/* U */
		ring(me)
#ifdef GIVES_UP
	:: store(me, U(me), BACK);
#ifndef NO_RING_BACK
		bell_ring(me, BELL, s)
#endif
	:: store(me, OVER, 1);
#ifndef NO_RING_OVER
		bell_ring(me, BELL, s)
#endif
#endif
	fi;
	busy--
}

active proctype copier_1()
{
	byte f, s;

	copy(1)
}

active proctype copier_2()
{
	byte f, s;
	bool late;

	/* It may come so late that the first unit has to be seen without it. */
	if
	:: late = true
	:: skip
	fi;
	!late || content;
	copy(2)
}
