/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who takes the jobs of a channel. Word server: 0 no server, 1 the producer
 * itself, k engine k. Only the holder of the word takes jobs and publishes
 * results.
 *
 *     producer, posting                   engine k, leaving
 *     P1  publish the job, release        L1  serve until the ring is empty
 *     P2  fence, seq_cst                  L2  store server = 0, release
 *     P3  load server; if 0: CAS 0 -> 1,  L3  fence, seq_cst
 *         serve until the ring is empty,  L4  look at the ring; a job: CAS
 *         store server = 0, release           0 -> k, and again from L1
 *
 *     hub                                 L5  tell the hub
 *     A   CAS 0 -> k, then tell engine k
 *     D   once the producer is known to be dead: server 1: store k, tell k;
 *         server 0 and a job in the ring: A
 *
 *     serve, with the word in hand
 *     S1  cursor = the ring's cons; if more results are published: cursor =
 *         cons = their number
 *     S2  load the ring's tail; take the job at the cursor
 *     S3  publish its result, release
 *     S4  store cons, release
 *
 * The producer may die between any two instructions, also while it serves. S3
 * and S4 are two stores, so that the next holder may find a job done whose
 * place in the ring is not free yet: hence S1.
 *
 * A producer that lives on need not look again after its last post.
 *
 * Proved: never two serve at once; results are published in order, each once
 * (assertions); in every run all jobs that were posted are served in the end,
 * and none is endless (pan -l).
 */
#define TX	0
#define HUB	1
#define ENGINE(k) (k)		/* 2 and 3 */
#define N_PROCS	4

#define SERVER	1
#define RING	2		/* prod.tail of the job ring */
#define CONS	3		/* cons.tail of the job ring */
#define DONE	4		/* prod.tail of the ring of results */
#define N_WORDS	5

#define JOBS	3
#ifdef SMALL
#define ORDERS	3
#else
#define ORDERS	4		/* what the hub's user asks for */
#endif

mtype = { assign, leave, left };
chan order[4] = [1] of { mtype };
chan reply = [1] of { mtype };

byte holders;			/* who serves now */
byte published;			/* results */
bool tx_ended, killed, dead;
bool tx_serves;
bool freed;			/* the channel's memory */

#define WRITTEN(p, a)	skip

#include "tso.inc"

inline begin()
{
	atomic { assert(holders == 0); holders++ }
}

/* S1; cur is the cursor, n scratch */
inline take_over(me)
{
	load(me, CONS, cur);
#ifndef NO_S1
	load(me, DONE, n);
	if
	:: n > cur ->
		cur = n;
#ifndef NO_S1_STORE
		store(me, CONS, cur)
#endif
	:: else
	fi;
	n = 0
#endif
}

/* S3, S4 */
inline serve_one(me)
{
#ifdef S4_BEFORE_S3
	store(me, CONS, cur + 1);
#endif
	d_step {
		nfull(sb[me]) ->
		assert(published == cur);
		published++;
		cur++;
		sb[me]!DONE,cur;
		waiting[AT(me, DONE)]++;
		latest[AT(me, DONE)] = cur
	}
#ifndef S4_BEFORE_S3
	;
	store(me, CONS, cur)
#endif
}

/* Serve until the ring is empty. */
inline serve(me)
{
	do
	:: load(me, RING, n);				/* S2 */
		if
		:: n != cur -> n = 0; serve_one(me)
		:: else -> n = 0; break
		fi
	od
}

active proctype tx()
{
	byte posted, cur, n;
	bool ok;

	{
		do
		:: posted < JOBS ->
			posted++;
			store(TX, RING, posted);	/* P1 */
#ifndef NO_P2
			fence(TX);			/* P2 */
#endif
			load(TX, SERVER, n);		/* P3 */
			if
			:: n == 0 ->
#ifdef NO_CAS
				store(TX, SERVER, 1);
				ok = true;
#else
				compare_exchange(TX, SERVER, 0, 1, ok);
#endif
				if
				:: ok ->
					d_step {
						assert(holders == 0);
						holders++;
						tx_serves = true
					};
					take_over(TX);
					serve(TX);
					atomic {
						holders--;
						tx_serves = false;
						cur = 0;
						ok = false
					};
					store(TX, SERVER, 0)
				:: else
				fi
			:: else -> n = 0
			fi
		:: break
		od
	} unless {
		killed
	};
	atomic { posted = 0; cur = 0; n = 0; ok = false };
	fence(TX);
	if
	:: killed ->
		atomic {
			holders = (tx_serves -> holders - 1 : holders);
			tx_serves = false;
			dead = true
		}
	:: else
	fi;
	tx_ended = true
}

active proctype kill()
{
	/* Or not at all, or too late. */
	if
	:: killed = true
	:: skip
	fi
}

proctype engine(byte me)
{
	byte cur, n;
	bool ok;

end:	do
	:: order[me]?assign ->
		begin();
		take_over(me);
end_idle:
		do
		:: mem[RING] != cur -> serve_one(me)
		:: order[me]?leave -> break
		od;
leaving:
		serve(me);			/* L1 */
		atomic { holders--; cur = 0 };
		store(me, SERVER, 0);		/* L2 */
#ifndef NO_L3
		fence(me);			/* L3 */
#endif
#ifndef NO_L4
		assert(!freed);
		load(me, RING, n);		/* L4 */
		load(me, CONS, cur);
		if
		:: n != cur ->
			n = 0; cur = 0;
			compare_exchange(me, SERVER, 0, me, ok);
			if
			:: ok ->
				ok = false;
				begin();
				take_over(me);
				goto leaving
			:: else
			fi
		:: else -> n = 0; cur = 0
		fi;
#endif
		reply!left			/* L5 */
	od
}

/* A */
inline give(k)
{
	compare_exchange(HUB, SERVER, 0, k, ok);
	if
	:: ok -> ok = false; at = k; order[k]!assign
	:: else
	fi
}

active proctype hub()
{
	byte at;			/* at: the engine that serves */
	byte orders = ORDERS;
	bool ok;

	run engine(2);
	run engine(3);
	do
	:: orders > 0 && at == 0 -> orders--; give(2)
	:: orders > 0 && at == 0 -> orders--; give(3)
	:: orders > 0 && at != 0 ->
		orders--;
		order[at]!leave;
		reply?left;
		at = 0
#ifdef GUESS
	/* Not known to be dead, only silent. */
	:: at == 0 && mem[SERVER] == 1 ->
#else
	:: at == 0 && dead && mem[SERVER] == 1 ->	/* D */
#endif
		store(HUB, SERVER, 2);
		fence(HUB);
		at = 2;
		order[2]!assign
	:: at == 0 && dead && mem[SERVER] == 0 && mem[RING] > mem[DONE] ->
		give(2)
	:: tx_ended && published == mem[RING] && empty(sb[TX]) &&
		empty(order[2]) && empty(order[3]) -> break
	od;
	/* The channel goes: when no engine will look at it (L4) any more. */
	if
	:: at != 0 ->
		order[at]!leave;
#ifdef FREE_BEFORE_L5
		mem[SERVER] == 0
#else
		reply?left
#endif
	:: else
	fi;
	freed = true
}
