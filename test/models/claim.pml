/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lib/bulk/ferry_claim.h and ferry_bulk_layout.h: messages, one after the
 * other, in the same block of a channel. Producer, consumer and server copy
 * units; the ends may end a message at any moment; the server may have been
 * asleep since an earlier message, as no end waits for it but by its claims.
 *
 *     a party                             who ends a message
 *     K1  unit FREE -> party, RMW         O1  over = gen, RMW
 *     K2  load over; is it gen: K6        O2  look at the units: wait while a
 *     K3  (server) load gen; is it             living party has one
 *         another: K6                     O3  look again: whole, if and only if
 *     K4  copy                                all are DONE
 *     K5  unit = DONE, release            O4  memory is the caller's again
 *     K6  give back: party -> FREE, RMW
 *
 *     producer, next message              consumer
 *     B1  after O4 or all DONE, and       C   after the cell: destination,
 *         released: store gen             D   store dst_gen = gen, release
 *     B2  shape and source                G   all DONE, or it gives up:
 *     B3  units = FREE, release               store released = gen, release.
 *     C1  the cell, release                   O2 for its own memory: after G
 *
 * The server finds a message by loading dst_gen, gen, and what is in between;
 * what it read is good if K3 says so. K3 has to come after K2: a message may be
 * ended, and the next one begun and ended, between the two. A server that
 * cannot copy does O1 while it has the unit: later, over may be another's.
 *
 * Claims are of any unit that is FREE, wherever "next" points to: it is a hint.
 * K1 is done for one or two units before K2.
 *
 * K5 is a compare-and-exchange in the code, from the party's own mark. It
 * differs from the store here only if an end has made the claim VOID, because
 * it does not wait for that party: the unit is not DONE then, as if the party
 * had died at K4, and the block is not used again before the party has been at
 * K6.
 *
 * Proved: a unit is copied by one living party at a time; nothing is read from
 * the source or written to the destination after its O4; DONE only after the
 * copy; the consumer finds the bytes of what is DONE; both ends agree on whole
 * or not; a message that neither end ends early is whole in the end
 * (assertions, and no run ends otherwise); and none is endless (pan -l).
 *
 * -DDEATH=TX, RX or SERVER: that one is killed between any two instructions,
 * which the others learn later and for certain. The server: what it had is FREE
 * again, all goes on. An end: the other one ends the message. Each has a search
 * of its own, because only one dies in a run; together they are as complete.
 *
 * -DFAILURE: the server may find that it cannot copy.
 *
 * -DALONE: the last message is not for the server, which may come late all the
 * same. An end that finds the server's mark there makes the unit FREE, whatever
 * the server does, and does not wait for its K6.
 *
 * What the model also holds without: a look at dst_gen beside that at gen (K3).
 *
 * Assumed: streaming stores are fenced before K5, by who copies.
 */
#define TX	0
#define RX	1
#define SERVER	2
#define N_PROCS	3

#define GEN	1
#define SHAPE	2		/* what belongs to gen, by this number */
#define DST	3		/* as SHAPE, of dst_gen */
#define DST_GEN	4
#define RELEASED 5
#define OVER	6
#define CELL	7		/* gen of the last one announced */
#define U(i)	(8 + (i))	/* a unit's byte */
#define D(i)	(10 + (i))	/* its bytes: gen of what they are */
#define N_WORDS	12

#define FREE	0
#define PARTY(me) (1 + (me))
#define DONE	9

/* Few, for the time it takes. */
#if defined(DEATH) && defined(SMALL)
#define GENS	1
#define UNITS(g) 1
#elif defined(DEATH) || (defined(FAILURE) && defined(SMALL))
#define GENS	1
#define UNITS(g) 2
#elif defined(FAILURE) || defined(SMALL)
#define GENS	2
#define UNITS(g) 1
#else
#define GENS	2
#define UNITS(g) ((g) == 2 -> 1 : 2)
#endif

#define SB_DEPTH 2

byte src, dst;			/* messages whose memory is lent, 0: none */
byte hand[3];			/* units that a living party copies: bits */
byte result[2 * (GENS + 1)];	/* 0: none yet; how it ended for an end: */
#define EARLY	1
#define WHOLE	2
bool ended_early[GENS + 1];	/* somebody did O1 */
byte killed = N_PROCS;		/* who is killed */
bool dead[3];			/* known to be dead */

/* K4 has reached memory: it is still to be written. The consumer's own is
 * before all it does later. */
#define WRITTEN(p, a) \
	assert((a) < D(0) || (p) == RX || mem[a] == dst)

#include "tso.inc"

#define ALIVE(p)	(!dead[p])

/*
 * What a process does until it is killed. Only the one that may be killed has
 * an "unless", because Spin has to try every order of statements inside of one,
 * also where the order cannot matter.
 */
#if defined(DEATH) && DEATH == TX
#define UNLESS_TX_DIES	unless { killed == TX }
#else
#define UNLESS_TX_DIES
#endif
#if defined(DEATH) && DEATH == RX
#define UNLESS_RX_DIES	unless { killed == RX }
#else
#define UNLESS_RX_DIES
#endif
#if defined(DEATH) && DEATH == SERVER
#define UNLESS_SERVER_DIES unless { killed == SERVER }
#else
#define UNLESS_SERVER_DIES
#endif

/* O1: only the first one counts, by compare-and-exchange */
inline end_early(me, g)
{
#ifdef OVER_STORE
	ended_early[g] = true;
	store(me, OVER, g)
#else
	d_step {
		RMW_MAY(me, OVER) -> mem[OVER] = g;
		ended_early[g] = true
	}
#endif
}

/* K1; c gets a bit for each unit claimed */
inline claim(me, i)
{
#ifdef NO_CAS
	load(me, U(i), s);
	if
	:: s == FREE -> store(me, U(i), PARTY(me)); c = c | (1 << i)
	:: else
	fi;
	s = 0
#else
	d_step {
		RMW_MAY(me, U(i)) -> if
		:: mem[U(i)] == FREE ->
			mem[U(i)] = PARTY(me);
			c = c | (1 << i)
		:: else
		fi
	}
#endif
}

/* K6 for unit i, if it is in c */
inline drop(me, i)
{
	if
	:: c & (1 << i) ->
#ifdef DROP_STORE
		store(me, U(i), FREE);
		c = c & ~(1 << i)
#else
		d_step {
			RMW_MAY(me, U(i)) -> c = c & ~(1 << i);
			mem[U(i)] = (mem[U(i)] == PARTY(me) -> FREE : mem[U(i)])
		}
#endif
	:: else
	fi
}

#define IN_USE(from, to) (src == (from) && dst == (to))

/* K4; from, to: what it has read of source and destination */
inline copy(me, i, from, to)
{
	if
	:: c & (1 << i) ->
#ifdef DONE_FIRST
		store(me, U(i), DONE);
#endif
		d_step {
			assert(from == to && IN_USE(from, to));
			assert(!((hand[0] | hand[1] | hand[2]) & (1 << i)));
			hand[me] = hand[me] | (1 << i)
		};
		d_step {
			nfull(sb[me]) -> sb[me]!D(i),to;
			waiting[AT(me, D(i))]++;
			latest[AT(me, D(i))] = to;
			assert(IN_USE(from, to));
			hand[me] = hand[me] & ~(1 << i)
		}
	:: else
	fi
}

/* K5 */
inline done(me, i)
{
	if
	:: c & (1 << i) ->
		c = c & ~(1 << i);
#ifndef DONE_FIRST
		store(me, U(i), DONE)
#endif
	:: else
	fi
}

/* An end's claim of units, and what comes of it */
inline work(me, g)
{
#ifdef OVER_BEFORE_CLAIM
	load(me, OVER, s);
#endif
	if
	:: mem[U(0)] == FREE -> claim(me, 0)
	:: UNITS(g) > 1 && mem[U(1)] == FREE -> claim(me, 1)
	:: else
	fi;
	if
	:: c != 0 ->
#ifdef NO_OVER_CHECK
		s = 0;
#else
#ifndef OVER_BEFORE_CLAIM
		load(me, OVER, s);		/* K2 */
#endif
#endif
		if
		:: s == g -> s = 0; drop(me, 0); drop(me, 1)
		:: else ->
			s = 0;
			copy(me, 0, g, g);
			copy(me, 1, g, g);
			done(me, 0);
			done(me, 1)
		fi
	:: else -> s = 0
	fi
}

inline look(me, i)
{
	d_step {
		load(me, U(i), s);
		r = (s == DONE);
		load(me, D(i), s);
		assert(!r || me != RX || s == g);
		s = 0
	}
}

/* ferry_claim_front(): r is whether all are DONE. The consumer reads these. */
inline is_whole(me, g)
{
	look(me, 0);
	if
	:: r && UNITS(g) > 1 -> look(me, 1)
	:: else
	fi
}

inline has(me, i, p)
{
	d_step {
		load(me, U(i), s);
		r = (s == PARTY(p) && ALIVE(p));
		s = 0
	}
}

inline has_any(me, g, p)
{
	has(me, 0, p);
	if
	:: !r && UNITS(g) > 1 -> has(me, 1, p)
	:: else
	fi
}

/* O2, once: r is whether a living party other than this one has a unit. */
inline is_busy(me, g)
{
	has_any(me, g, 1 - me);
	if
	:: !r -> has_any(me, g, SERVER)
	:: else
	fi
}

/* Whether there is something to find, so that no process polls in vain. */
#define HELD(i, p) (mem[U(i)] == PARTY(p) && ALIVE(p))
#define BUSY(i, me) (HELD(i, 1 - me) || HELD(i, SERVER))
#define ANY(g, what, me) (what(0, me) || (UNITS(g) > 1 && what(1, me)))
#define IS_FREE(i, me)	(mem[U(i)] == FREE)
#define UNDONE(i, me)	(mem[U(i)] != DONE)
#define OF_DEAD(i, me)	(mem[U(i)] == PARTY(SERVER) && dead[SERVER])
#ifdef GUESS
#undef OF_DEAD
#define OF_DEAD(i, me)	(mem[U(i)] == PARTY(SERVER) && killed == SERVER)
#endif

/* The server's mark in a message that is not for it. */
#define LATE(i, me)	(mem[U(i)] == PARTY(SERVER))

inline repair(me, i)
{
	d_step {
		RMW_MAY(me, U(i)) ->
		mem[U(i)] = (mem[U(i)] == PARTY(SERVER) -> FREE : mem[U(i)])
	}
}

/* A message at one of its ends, until r is EARLY or WHOLE. */
inline message(me, g)
{
	do
	:: mem[DST_GEN] == g && mem[OVER] != g && ANY(g, IS_FREE, me) ->
		work(me, g)
	:: mem[CELL] >= g && !ANY(g, UNDONE, me) ->
		is_whole(me, g);
		if
		:: r -> r = WHOLE; break
		:: else
		fi
#ifdef NO_BUSY
	:: mem[OVER] == g -> r = EARLY; break
#else
#ifdef NO_LAST_LOOK
	:: mem[OVER] == g ->
		is_whole(me, g);		/* before the look at claims */
		w = r;
		is_busy(me, g);
#else
	:: mem[OVER] == g && !ANY(g, BUSY, me) ->
		is_busy(me, g);			/* O2 */
#endif
		if
		:: r -> r = false
		:: else ->
#ifdef NO_LAST_LOOK
			r = w;
#else
			is_whole(me, g);	/* O3 */
#endif
			r = 1 + r;
			break
		fi
#endif
#ifdef ALONE
	:: mem[DST_GEN] == g && g == GENS && ANY(g, LATE, me) ->
		repair(me, 0);
		repair(me, 1)
#endif
	:: mem[OVER] != g && cancels > 0 ->	/* it may do so */
		cancels--;
		end_early(me, g)
#ifndef NO_END_FOR_DEAD
	:: mem[OVER] != g && dead[1 - me] ->	/* it has to */
		end_early(me, g)
#endif
#ifndef NO_REPAIR
	:: ANY(g, OF_DEAD, me) ->
		repair(me, 0);
		repair(me, 1)
#endif
	od
}

/* What never comes must not be made good by a cancel that always may. */
inline may_cancel()
{
	if
	:: cancels = 0
	:: cancels = 1
	fi
}

/* How it ended for this end. Unless the other one died, they agree. */
inline note(me, g)
{
	d_step {
		assert(r == WHOLE || ended_early[g]);
		assert(killed != N_PROCS ||
			result[2 * g + 1 - me] == 0 ||
			result[2 * g + 1 - me] == r);
		result[2 * g + me] = r;
		r = 0
	}
}

active proctype tx()
{
	byte g, c, s, r, w, cancels;

	{
		do
		:: g < GENS && (mem[RELEASED] == g || dead[RX]) ->
			if
			:: dead[RX] -> break
			:: else
			fi;
			atomic { g++; src = g; may_cancel() };
#ifndef GEN_LAST
			store(TX, GEN, g);		/* B1 */
#endif
			store(TX, SHAPE, g);		/* B2 */
			store(TX, U(0), FREE);		/* B3 */
			if
			:: UNITS(g) > 1 -> store(TX, U(1), FREE)
			:: else
			fi;
#ifdef GEN_LAST
			store(TX, GEN, g);
#endif
			store(TX, CELL, g);		/* C1 */
			message(TX, g);
			note(TX, g);
			src = 0				/* O4 */
		:: g == GENS -> break
		od
	} UNLESS_TX_DIES;
	fence(TX);
	if
	:: killed == TX -> atomic { hand[TX] = 0; dead[TX] = true }
	:: else
	fi;
	atomic { g = 0; c = 0; s = 0; r = 0; w = 0; cancels = 0 }
}

active proctype rx()
{
	byte g, c, s, r, w, cancels;

	{
		do
		:: g < GENS && mem[CELL] == g + 1 ->
#ifdef SMALL
			g++;			/* the other two ways only */
#else
			atomic { g++; may_cancel() };
#endif
			if
			:: dst = g;
				store(RX, DST, g);
				store(RX, DST_GEN, g);		/* D */
				message(RX, g);
				note(RX, g);
				dst = 0;
				store(RX, RELEASED, g)		/* G */
			:: end_early(RX, g);			/* refused */
				r = EARLY;
				note(RX, g);
				store(RX, RELEASED, g)
			:: dst = g;
				store(RX, DST, g);
				store(RX, DST_GEN, g);
				/* Given up: its own memory, later. */
				end_early(RX, g);
				store(RX, RELEASED, g);
				do
				:: mem[GEN] != g || !ANY(g, BUSY, RX) ->
					load(RX, GEN, s);
					if
					:: s != g -> s = 0; break
					:: else
					fi;
					is_busy(RX, g);
					if
					:: !r -> break
					:: else -> r = 0
					fi
				od;
				dst = 0
			fi
		:: g < GENS && mem[CELL] == g && dead[TX] -> break
		:: g == GENS -> break
		od
	} UNLESS_RX_DIES;
	fence(RX);
	if
	:: killed == RX -> atomic { hand[RX] = 0; dead[RX] = true }
	:: else
	fi;
	atomic { g = 0; c = 0; s = 0; r = 0; w = 0; cancels = 0 }
}

#ifdef ALONE
#define IS_FOR_SERVER(g) ((g) != GENS)
#else
#define IS_FOR_SERVER(g) true
#endif
#define FRESH	(mem[GEN] == mem[DST_GEN] && mem[OVER] != mem[GEN] && \
	IS_FOR_SERVER(mem[GEN]))

active proctype server()
{
	byte g, from, to, c, s, k;

	/* Spin knows the outer label without the "unless", the inner with
	 * it. */
end_waiting:
	{
end_idle:
		do
		:: g == 0 && FRESH && (IS_FREE(0, SERVER) ||
				(UNITS(mem[GEN]) > 1 && IS_FREE(1, SERVER))) ->
			load(SERVER, DST_GEN, g);
			load(SERVER, GEN, s);
			if
			:: s != g || !IS_FOR_SERVER(g) -> g = 0
			:: else ->
				load(SERVER, SHAPE, from);
				load(SERVER, DST, to)
			fi;
			s = 0
		:: g != 0 && from != 0 && ((IS_FREE(0, SERVER)) ||
				(UNITS(from) > 1 && IS_FREE(1, SERVER))) ->
#ifdef OVER_BEFORE_CLAIM
			load(SERVER, OVER, k);
#endif
			if
			:: mem[U(0)] == FREE -> claim(SERVER, 0)
			:: UNITS(from) > 1 && mem[U(1)] == FREE ->
				claim(SERVER, 1)
			:: UNITS(from) > 1 && mem[U(0)] == FREE ->
				claim(SERVER, 0);
				if
				:: c != 0 -> claim(SERVER, 1)
				:: else
				fi
			:: else
			fi;
			if
			:: c != 0 ->
#ifdef GEN_BEFORE_OVER
				load(SERVER, GEN, s);
#endif
#ifndef OVER_BEFORE_CLAIM
				load(SERVER, OVER, k);		/* K2 */
#endif
#ifdef NO_OVER_CHECK
				k = 0;
#endif
#ifndef GEN_BEFORE_OVER
				load(SERVER, GEN, s);		/* K3 */
#endif
#ifdef NO_GEN_CHECK
				s = g;
#endif
				if
				:: k == g || s != g ->
					drop(SERVER, 0);
					drop(SERVER, 1);
					atomic { g = 0; from = 0; to = 0 }
				:: else ->
					k = 0;
					s = 0;
					copy(SERVER, 0, from, to);
					copy(SERVER, 1, from, to);
					if
					:: done(SERVER, 0);
						done(SERVER, 1)
#ifdef FAILURE
					:: skip ->	/* it failed */
#ifdef END_AFTER_DROP
						drop(SERVER, 0);
						drop(SERVER, 1);
						end_early(SERVER, g);
#else
						end_early(SERVER, g);
						drop(SERVER, 0);
						drop(SERVER, 1);
#endif
						atomic { g = 0; from = 0;
							to = 0 }
#endif
					fi
				fi;
				k = 0;
				s = 0
			:: else -> k = 0
			fi
		:: g != 0 && !FRESH -> atomic { g = 0; from = 0; to = 0 }
		od
	} UNLESS_SERVER_DIES;
	fence(SERVER);
	atomic { hand[SERVER] = 0; dead[SERVER] = true };
	atomic { g = 0; from = 0; to = 0; c = 0; s = 0; k = 0 }
}

#ifdef DEATH
active proctype kill()
{
	/* Or not at all, or too late. */
	if
	:: killed = DEATH
	:: skip
	fi
}
#endif
