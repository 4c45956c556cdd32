/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include "ferry_test.h"
#include "worker.h"

#define BURST 32
#define BURST_LEN 2048
/* So many messages of any length. */
#define BURST_LONG 4
#define LOANS 8
/* A bulk message that is looked at is cancelled one time in so many. */
#define CANCEL_ONE_IN 200
/* Messages before something is done wrong on purpose. */
#define SPOIL_FROM 100
/* What is the producer's again is overwritten: who still reads it shows. */
#define SCRIBBLE 0xee
/* Messages after which a producer of all modes takes the next one. */
#define MODE_MSGS 200

uint64_t
content_seed(uint64_t key, uint64_t seq, uint64_t len)
{
	return storm_mix(storm_mix(key, seq), len);
}

uint64_t
content_len(uint64_t *rng, uint64_t most)
{
	const uint64_t top = UINT64_C(8) << ferry_test_random(rng) %
		(uint64_t)(61 - __builtin_clzll(most));
	const uint64_t len = 4 + ferry_test_random(rng) % top;

	return RTE_MIN(len, most);
}

int
producer_init(struct producer *p, struct ferry_endpoint *ep, uint64_t rng)
{
	unsigned int i;

	memset(p, 0, sizeof(*p));
	p->ep = ep;
	p->rng = rng;
	p->scratch = malloc(BURST_LONG * STORM_SLOT);
	p->mem[0] = malloc(PRODUCER_POSTS * STORM_SLOT);
	storm_at(STORM_ALLOC);
	p->mem[1] = ferry_alloc(ep, PRODUCER_POSTS * STORM_SLOT);
	storm_at(STORM_ELSEWHERE);
	if (p->scratch == NULL || p->mem[0] == NULL)
		return -ENOMEM;
	for (i = 0; i < PRODUCER_BULK; i++) {
		p->bulk[i].mem[0] = malloc(STORM_BULK);
		storm_at(STORM_ALLOC);
		p->bulk[i].mem[1] = ferry_alloc(ep, STORM_BULK);
		storm_at(STORM_ELSEWHERE);
		if (p->bulk[i].mem[0] == NULL)
			return -ENOMEM;
	}
	return 0;
}

void
producer_fini(struct producer *p)
{
	unsigned int i;

	/* The endpoint's memory goes with it. */
	for (i = 0; i < PRODUCER_BULK; i++)
		free(p->bulk[i].mem[0]);
	free(p->mem[0]);
	free(p->scratch);
}

int
producer_opened(struct producer *p)
{
	const uint64_t id = ferry_tx_channel(p->tx)->id;

	p->page = ledger_page(&storm->ledger, id);
	p->key = storm_mix(storm->generation, id);
	p->seq = p->n_bulk = p->posted = p->freed = 0;
	p->mode = FERRY_MODES;
	storm_count(STORM_N_PAIRINGS, 1);
	return p->page != NULL ? 0 : -ENOSPC;
}

/* All messages before the oldest post that is pending. */
static void
promise(struct producer *p)
{
	uint64_t pending, seq = p->seq;

	storm_at(STORM_FINISH);
	pending = ferry_tx_pending(p->tx);
	storm_at(STORM_ELSEWHERE);
	while (p->freed + pending < p->posted) {
		struct loan *l = &p->posts[p->freed++ % PRODUCER_POSTS];

		memset(l->data, SCRIBBLE, l->len);
	}
	if (p->freed < p->posted)
		seq = p->posts[p->freed % PRODUCER_POSTS].seq;
	ledger_promise(p->page, seq);
}

/* A call took n of the messages it was given. */
static int
took(struct producer *p, int n, enum storm_count kind)
{
	storm_at(STORM_ELSEWHERE);
	if (n == 0)
		ledger_begin(p->page, p->seq);
	if (n <= 0)
		return n;
	p->seq += (unsigned int)n;
	ledger_begin(p->page, p->seq);
	promise(p);
	storm_count(kind, (uint64_t)n);
	return n;
}

static void
make(struct producer *p, struct ferry_buf *buf, uint8_t *data, uint64_t seq,
		uint64_t len)
{
	ferry_test_fill(data, len, content_seed(p->key, seq, len));
	buf->data = data;
	buf->len = (uint32_t)len;
	buf->tag = (uint32_t)seq;
}

/* Do wrong what is to be done wrong: what has to be sent to be noticed. */
static enum storm_spoil
spoil(struct producer *p, struct ferry_buf *bufs, uint16_t n)
{
	enum storm_spoil what = STORM_SPOIL_NOTHING;

	if (p->seq < SPOIL_FROM || n < 2 || ferry_tx_peer(p->tx) !=
			FERRY_END_OPEN)
		return what;
	if (storm_spoils(STORM_SPOIL_DOUBLE)) {
		what = STORM_SPOIL_DOUBLE;
		bufs[1].tag = bufs[0].tag;
	}
	if (storm_spoils(STORM_SPOIL_SKIP)) {
		what = STORM_SPOIL_SKIP;
		bufs[0].tag = bufs[1].tag;
	}
	if (storm_spoils(STORM_SPOIL_DAMAGE)) {
		what = STORM_SPOIL_DAMAGE;
		*(uint8_t *)(uintptr_t)bufs[1].data ^= 1;
	}
	if (storm_spoils(STORM_SPOIL_INVENT)) {
		ledger_begin(p->page, p->seq);
		ferry_tx_send(p->tx, bufs, n);
		/* Until its consumer has got it. */
		sleep(1);
	}
	if (storm_spoils(STORM_SPOIL_PROMISE)) {
		ledger_begin(p->page, p->seq + 1000);
		ledger_promise(p->page, p->seq + 1000);
		raise(SIGKILL);
	}
	if (storm_spoils(STORM_SPOIL_CRASH))
		raise(SIGSEGV);
	if (storm_spoils(STORM_SPOIL_HANG))
		pause();
	return what;
}

static int
send(struct producer *p, uint16_t n, uint64_t most)
{
	struct ferry_buf bufs[BURST] = { 0 };
	enum storm_spoil spoilt;
	unsigned int i;
	int ret;

	for (i = 0; i < n; i++)
		make(p, &bufs[i], p->scratch + i * most, p->seq + i,
			content_len(&p->rng, most));
	ledger_begin(p->page, p->seq + n);
	spoilt = spoil(p, bufs, n);
	storm_at(STORM_SEND);
	ret = ferry_tx_send(p->tx, bufs, n);
	/* It was not sent, or not all that is to be noticed. */
	if (spoilt != STORM_SPOIL_NOTHING && ret < 2)
		__atomic_store_n(&storm->spoil, spoilt, __ATOMIC_RELAXED);
	ret = took(p, ret, n <= 4 ? STORM_N_CELLS : STORM_N_BURSTS);
	memset(p->scratch, SCRIBBLE, n * most);
	return ret;
}

static void
loan_fill(const struct producer *p, const struct ferry_msg *msgs, int n)
{
	int i;

	for (i = 0; i < n; i++)
		ferry_test_fill(msgs[i].data, msgs[i].len,
			content_seed(p->key, p->seq + i, msgs[i].len));
}

static int
loan(struct producer *p, uint16_t n)
{
	const bool early = storm_is_spoilt(STORM_SPOIL_EARLY);
	struct ferry_msg msgs[LOANS];
	int ret, i;

	storm_at(STORM_LOAN);
	ret = ferry_tx_loan(p->tx, msgs, n);
	storm_at(STORM_ELSEWHERE);
	if (ret <= 0)
		return ret;
	for (i = 0; i < ret; i++) {
		msgs[i].len = (uint32_t)content_len(&p->rng, STORM_SLOT);
		msgs[i].tag = (uint32_t)(p->seq + i);
	}
	if (!early)
		loan_fill(p, msgs, ret);
	ledger_begin(p->page, p->seq + ret);
	storm_at(STORM_LOAN);
	i = ferry_tx_commit(p->tx, msgs, (uint16_t)ret);
	if (early)
		loan_fill(p, msgs, i);
	if (i >= 0 && i < ret)
		ferry_tx_cancel(p->tx, msgs + i, (uint16_t)(ret - i));
	return took(p, i, STORM_N_LOANS);
}

static int
post(struct producer *p)
{
	const unsigned int at = p->posted % PRODUCER_POSTS;
	uint8_t *mem = p->mem[ferry_test_random(&p->rng) % 4 != 0];
	/* Long enough for an engine, mostly. */
	const uint64_t len = ferry_test_random(&p->rng) % 4 == 0 ?
		content_len(&p->rng, STORM_SLOT) :
		1 + ferry_test_random(&p->rng) % STORM_SLOT;
	struct ferry_buf buf = { 0 };
	int ret;

	promise(p);
	if (p->posted - p->freed == PRODUCER_POSTS)
		return 0;
	if (mem == NULL)
		mem = p->mem[0];
	mem += at * STORM_SLOT;
	make(p, &buf, mem, p->seq, len);
	ledger_begin(p->page, p->seq + 1);
	p->posts[at] = (struct loan){ p->seq, mem, len };
	storm_at(STORM_POST);
	ret = ferry_tx_post(p->tx, &buf, 1);
	if (ret == 1 && storm_is_spoilt(STORM_SPOIL_REUSE))
		memset(mem, SCRIBBLE, len);
	p->posted += ret == 1;
	return took(p, ret, STORM_N_POSTS);
}

/* What both ends know of a bulk message's end must agree. */
static void
bulk_ended(struct producer *p, struct producer_bulk *b, int result)
{
	uint32_t both;

	if (result == 0) {
		both = ledger_bulk_ended(p->page, b->n, LEDGER_TX_ARRIVED);
		if (both & LEDGER_RX_ENDED)
			storm_complain(STORM_LOST, "bulk message %" PRIu64
				" of channel %" PRIu64 ": arrived, but not for "
				"its consumer", b->n, p->page->id);
	} else if (result == FERRY_E_CANCELLED || result == FERRY_E_REFUSED) {
		both = ledger_bulk_ended(p->page, b->n, LEDGER_TX_ENDED);
		if (both & LEDGER_RX_WHOLE)
			storm_complain(STORM_INVENTED, "bulk message %" PRIu64
				" of channel %" PRIu64 ": ended, but whole for "
				"its consumer", b->n, p->page->id);
		storm_count(STORM_N_BULK_ENDED, 1);
	} else if (result == FERRY_E_CLOSED || result == FERRY_E_PEER_GONE ||
			result == FERRY_E_HUB_GONE) {
		storm_count(STORM_N_BULK_ENDED, 1);
	} else {
		storm_complain(STORM_UNEXPECTED, "bulk message: %s",
			ferry_strerror(result));
	}
	memset(b->loan.data, SCRIBBLE, b->loan.len);
	storm_at(STORM_BULK_WAIT);
	ferry_bulk_close(b->out);
	storm_at(STORM_ELSEWHERE);
	b->out = NULL;
}

/* Let those under way get on: how many ended. */
static int
bulk_progress(struct producer *p, uint64_t wait_ns)
{
	int ret, n = 0;
	unsigned int i;

	for (i = 0; i < PRODUCER_BULK; i++) {
		struct producer_bulk *b = &p->bulk[i];

		if (b->out == NULL)
			continue;
		storm_at(STORM_BULK_WAIT);
		ret = ferry_bulk_wait(b->out, wait_ns);
		storm_at(STORM_ELSEWHERE);
		if (ret == -ETIMEDOUT &&
				ferry_test_random(&p->rng) %
					CANCEL_ONE_IN == 0) {
			storm_at(STORM_BULK_CANCEL);
			ret = ferry_bulk_cancel(b->out, 1000000);
			storm_at(STORM_ELSEWHERE);
			storm_count(STORM_N_BULK_CANCELLED, ret == 0);
			ret = ret == 0 ? FERRY_E_CANCELLED : -ETIMEDOUT;
		}
		if (ret == -ETIMEDOUT)
			continue;
		bulk_ended(p, b, ret);
		n++;
	}
	return n;
}

static int
bulk_send(struct producer *p)
{
	const struct ferry_bulk_options options = { .tag = (uint32_t)p->seq };
	struct producer_bulk *b = p->bulk;
	bool shared = ferry_test_random(&p->rng) % 2 != 0;
	struct iovec iov[2];
	uint64_t len;
	int ret;

	while (b->out != NULL)
		if (++b == p->bulk + PRODUCER_BULK)
			return 0;
	shared &= b->mem[1] != NULL;
	len = content_len(&p->rng, STORM_BULK);
	b->n = p->n_bulk;
	b->loan = (struct loan){ p->seq, b->mem[shared], len };
	ferry_test_fill(b->loan.data, len, content_seed(p->key, p->seq, len));
	/* In two pieces. */
	iov[0].iov_base = b->loan.data;
	iov[0].iov_len = ferry_test_random(&p->rng) % (len + 1);
	iov[1].iov_base = b->loan.data + iov[0].iov_len;
	iov[1].iov_len = len - iov[0].iov_len;
	ledger_begin(p->page, p->seq + 1);
	storm_at(STORM_BULK_SEND);
	ret = ferry_bulk_send(p->tx, iov, 2, &options, &b->out);
	if (ret != 1)
		b->out = NULL;
	else
		p->n_bulk++;
	return took(p, ret, shared ? STORM_N_BULK_SHARED :
		STORM_N_BULK_PRIVATE);
}

/* All that was sent has been received: 1 or 0 if that takes too long. */
static int
drain(struct producer *p, uint64_t ns)
{
	uint64_t received;
	int ret;

	storm_at(STORM_DRAIN);
	ret = ferry_tx_drain(p->tx, ns);
	storm_at(STORM_ELSEWHERE);
	if (ret == -ETIMEDOUT)
		return 0;
	if (ret != 0)
		return ret;
	/* Written before the release that the drain has seen. */
	received = __atomic_load_n(&p->page->received, __ATOMIC_ACQUIRE);
	if (received < p->seq)
		storm_complain(STORM_LOST, "channel %" PRIu64 " is drained of %"
			PRIu64 " messages, of which %" PRIu64 " were received",
			p->page->id, p->seq, received);
	storm_count(STORM_N_DRAINS, 1);
	promise(p);
	return 1;
}

static int
take_mode(struct producer *p)
{
	unsigned int mode = __atomic_load_n(&storm->mode, __ATOMIC_RELAXED);
	int ret;

	if (mode >= FERRY_MODES)
		mode = (unsigned int)(p->seq / MODE_MSGS % FERRY_MODES);
	if (mode == p->mode)
		return 0;
	storm_at(STORM_MODE);
	ret = ferry_tx_set_mode(p->tx, (enum ferry_mode)mode);
	storm_at(STORM_ELSEWHERE);
	p->mode = mode;
	storm_count(STORM_N_MODES, 1);
	return ret;
}

/* Results that end a channel are part of the storm; others are not. */
static int
judge(struct producer *p, int ret, const char *what)
{
	if (ret >= 0 || ret == FERRY_E_CLOSED || ret == FERRY_E_PEER_GONE ||
			ret == FERRY_E_HUB_GONE)
		return ret;
	storm_complain(STORM_UNEXPECTED,
		"channel %" PRIu64 ", producer: %s: %s", p->page->id,
		what, ferry_strerror(ret));
	return FERRY_E_CLOSED;
}

int
producer_step(struct producer *p)
{
	const uint64_t what = ferry_test_random(&p->rng) % 32;
	const uint16_t n = (uint16_t)(1 + ferry_test_random(&p->rng) % BURST);
	int done, ret = take_mode(p);

	if (ret != 0)
		return judge(p, ret, "mode");
	done = bulk_progress(p, what == 0 ? 200000 : 0);
	if (what < 12)
		return judge(p, send(p, 1 + n % 4, 112), "cells") + done;
	if (what < 16)
		return judge(p, send(p, n, BURST_LEN), "burst") + done;
	if (what < 19)
		return judge(p, send(p, 1 + n % BURST_LONG, STORM_SLOT),
			"long") + done;
	if (what < 22)
		return judge(p, loan(p, 1 + n % LOANS), "loan") + done;
	if (what < 29)
		return judge(p, post(p), "post") + done;
	if (what < 31)
		return judge(p, bulk_send(p), "bulk") + done;
	return judge(p, drain(p, 1000000), "drain") + done;
}

bool
producer_rested(struct producer *p)
{
	unsigned int i;

	bulk_progress(p, 1000000);
	for (i = 0; i < PRODUCER_BULK; i++)
		if (p->bulk[i].out != NULL)
			return false;
	promise(p);
	if (p->freed < p->posted)
		return false;
	return ferry_tx_peer(p->tx) == FERRY_END_OPEN &&
		judge(p, drain(p, 5000000), "drain") == 1;
}

int
producer_wait(struct producer *p, uint64_t ns)
{
	int ret;

	storm_at(STORM_TX_WAIT);
	ret = ferry_tx_wait(p->tx, ns);
	storm_at(STORM_ELSEWHERE);
	return ret == -ETIMEDOUT ? 0 : judge(p, ret, "wait");
}

void
producer_close(struct producer *p)
{
	unsigned int i;

	if (p->tx == NULL)
		return;
	for (i = 0; i < PRODUCER_BULK; i++)
		p->bulk[i].out = NULL; /* void with the end */
	storm_at(STORM_CLOSE);
	ferry_tx_close(p->tx);
	storm_at(STORM_ELSEWHERE);
	storm_count(STORM_N_CLOSES, 1);
	p->tx = NULL;
}
