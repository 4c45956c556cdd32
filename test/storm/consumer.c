/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "ferry_test.h"
#include "worker.h"

#define BURST 16
/* A bulk message is refused after so many turns without memory for it. */
#define TRIES 200
/* A bulk message that is not whole is given up one time in so many. */
#define GIVE_UP_ONE_IN 16

int
consumer_init(struct consumer *c, struct ferry_endpoint *ep, uint64_t rng)
{
	unsigned int i;

	memset(c, 0, sizeof(*c));
	c->ep = ep;
	c->rng = rng;
	for (i = 0; i < CONSUMER_BULK; i++) {
		c->bulk[i].own = malloc(STORM_BULK);
		if (c->bulk[i].own == NULL)
			return -ENOMEM;
	}
	return 0;
}

void
consumer_fini(struct consumer *c)
{
	unsigned int i;

	for (i = 0; i < CONSUMER_BULK; i++)
		free(c->bulk[i].own);
}

int
consumer_opened(struct consumer *c)
{
	const uint64_t id = ferry_rx_channel(c->rx)->id;

	c->page = ledger_page(&storm->ledger, id);
	c->key = storm_mix(storm->generation, id);
	c->seq = c->n_bulk = 0;
	c->n_kept = 0;
	c->waits = false;
	return c->page != NULL ? 0 : -ENOSPC;
}

/* The message with the number that a tag is the low half of, next to seq. */
static void
check_number(struct consumer *c, uint32_t tag)
{
	const int32_t off = (int32_t)(tag - (uint32_t)c->seq);

	if (off == 0) {
		if (c->seq >= __atomic_load_n(&c->page->begun,
				__ATOMIC_ACQUIRE))
			storm_complain(STORM_INVENTED, "channel %" PRIu64
				": message %" PRIu64 " was never sent",
				c->page->id, c->seq);
	} else {
		storm_complain(off > 0 ? STORM_MISORDERED : STORM_DOUBLED,
			"channel %" PRIu64 ": message %" PRIu32 " instead of %"
			PRIu64, c->page->id, tag, c->seq);
	}
}

static void
check_content(struct consumer *c, uint64_t seq, const void *data, uint64_t len)
{
	const int64_t at = ferry_test_check(data, len,
		content_seed(c->key, seq, len));

	if (at != -1)
		storm_complain(STORM_DAMAGED, "channel %" PRIu64 ": message %"
			PRIu64 " of %" PRIu64 " bytes at %" PRId64,
			c->page->id, seq, len, at);
}

static void
bulk_ended(struct consumer *c, uint64_t n, int result)
{
	uint32_t both;

	if (result == 0) {
		both = ledger_bulk_ended(c->page, n, LEDGER_RX_WHOLE);
		if (both & LEDGER_TX_ENDED)
			storm_complain(STORM_INVENTED, "bulk message %" PRIu64
				" of channel %" PRIu64 ": whole, but ended for "
				"its producer", n, c->page->id);
		return;
	}
	both = ledger_bulk_ended(c->page, n, LEDGER_RX_ENDED);
	if (both & LEDGER_TX_ARRIVED)
		storm_complain(STORM_LOST, "bulk message %" PRIu64 " of channel"
			" %" PRIu64 ": %s, but arrived for its producer", n,
			c->page->id, ferry_strerror(result));
	if (result != FERRY_E_CANCELLED && result != FERRY_E_REFUSED &&
			result != FERRY_E_CLOSED &&
			result != FERRY_E_PEER_GONE &&
			result != FERRY_E_HUB_GONE)
		storm_complain(STORM_UNEXPECTED, "bulk message %" PRIu64
			" of channel %" PRIu64 ", consumer: %s", n, c->page->id,
			ferry_strerror(result));
}

/* 1 if it has ended. */
static int
bulk_step(struct consumer *c, struct consumer_bulk *b, uint64_t wait_ns)
{
	int ret = 0;

	if (!b->whole) {
		storm_at(STORM_BULK_AWAIT);
		ret = ferry_bulk_await(b->in, UINT64_MAX, wait_ns);
		storm_at(STORM_ELSEWHERE);
		if (ret == -ETIMEDOUT && ferry_test_random(&c->rng) %
				GIVE_UP_ONE_IN != 0)
			return 0;
		/* Its producer may find that it has arrived. */
		if (ret == -ETIMEDOUT)
			storm_count(STORM_N_BULK_GIVEN_UP, 1);
		else
			bulk_ended(c, b->n, ret);
	}
	if (ret == 0)
		check_content(c, b->seq, ferry_bulk_data(b->in),
			ferry_bulk_len(b->in));
	if (ret == 0 && !b->whole) {
		storm_count(STORM_N_BULK_RECEIVED, 1);
		storm_count(STORM_N_BULK_BYTES, ferry_bulk_len(b->in));
		/* Who still writes there shows in the next step. */
		b->whole = true;
		if (ferry_test_random(&c->rng) % 2 != 0)
			return 1;
	}
	storm_at(STORM_BULK_RELEASE);
	while (ferry_bulk_release(b->in, 100000000) == -ETIMEDOUT)
		;
	storm_at(STORM_ELSEWHERE);
	b->in = NULL;
	return 1;
}

static struct consumer_bulk *
bulk_free(struct consumer *c)
{
	unsigned int i;

	for (i = 0; i < CONSUMER_BULK; i++)
		if (c->bulk[i].in == NULL)
			return &c->bulk[i];
	return NULL;
}

static void
bulk_refuse(struct consumer *c)
{
	storm_at(STORM_RELEASE);
	ferry_rx_release(c->rx, &c->waiting, 1);
	storm_at(STORM_ELSEWHERE);
	storm_count(STORM_N_BULK_REFUSED, 1);
	c->waits = false;
}

/* Accept what is announced: 1 if it is announced no more. */
static int
bulk_take(struct consumer *c)
{
	struct consumer_bulk *b = bulk_free(c);
	struct iovec iov = { .iov_len = STORM_BULK };
	bool own = ferry_test_random(&c->rng) % 2 != 0;
	int ret;

	if (b == NULL)
		return 0;
	if (ferry_bulk_msg_len(&c->waiting) > STORM_BULK) {
		storm_complain(STORM_DAMAGED, "channel %" PRIu64 ": message %"
			PRIu64 " is too long", c->page->id, c->waiting_seq);
		own = false;
	}
	iov.iov_base = b->own;
	storm_at(STORM_BULK_ACCEPT);
	ret = ferry_bulk_accept(c->rx, &c->waiting, own ? &iov : NULL, own,
		&b->in);
	storm_at(STORM_ELSEWHERE);
	/* Where the hub has none, is gone or stopped, or descriptors lack. */
	if (ret == FERRY_E_NO_ROOM || ret == FERRY_E_HUB_GONE ||
			ret == -ETIMEDOUT || ret == -EMFILE ||
			ret == -ENFILE) {
		b->in = NULL;
		storm_count(STORM_N_NO_ROOM, 1);
		if (++c->tries < TRIES)
			return 0;
		bulk_refuse(c);
		return 1;
	}
	if (ret != 0) {
		b->in = NULL;
		storm_complain(STORM_UNEXPECTED, "channel %" PRIu64
			", consumer: accept: %s", c->page->id,
			ferry_strerror(ret));
		bulk_refuse(c);
		return 1;
	}
	b->seq = c->waiting_seq;
	b->n = c->waiting_n;
	b->whole = false;
	c->waits = false;
	return 1;
}

static void
take(struct consumer *c, const struct ferry_msg *msg)
{
	check_number(c, msg->tag);
	if (ferry_msg_is_bulk(msg)) {
		c->waiting = *msg;
		c->waiting_seq = c->seq;
		c->waiting_n = c->n_bulk++;
		c->waits = true;
		c->tries = 0;
	} else {
		check_content(c, c->seq, msg->data, msg->len);
		storm_count(STORM_N_RECEIVED_BYTES, msg->len);
	}
	/* Written before it is released. */
	ledger_receive(c->page, ++c->seq);
}

static int
release(struct consumer *c, const struct ferry_msg *msgs, unsigned int n)
{
	int ret;

	if (n == 0)
		return 0;
	storm_at(STORM_RELEASE);
	ret = ferry_rx_release(c->rx, msgs, (uint16_t)n);
	storm_at(STORM_ELSEWHERE);
	return ret;
}

/* Those that were kept are as they came, until they are given back. */
static void
release_kept(struct consumer *c)
{
	const bool late = storm_is_spoilt(STORM_SPOIL_LATE);
	unsigned int i;

	if (late && release(c, c->kept, c->n_kept) != 0)
		return;
	for (i = 0; i < c->n_kept; i++)
		check_content(c, c->kept_seq[i], c->kept[i].data,
			c->kept[i].len);
	if (!late && release(c, c->kept, c->n_kept) != 0)
		storm_complain(STORM_UNEXPECTED, "channel %" PRIu64
			": release", c->page->id);
	c->n_kept = 0;
}

/* All that its producer was told is sent must have come by now. */
static int
over(struct consumer *c, int why)
{
	const uint64_t promised = __atomic_load_n(&c->page->promised,
		__ATOMIC_ACQUIRE);

	if (why != FERRY_E_CLOSED && why != FERRY_E_PEER_GONE &&
			why != FERRY_E_HUB_GONE) {
		storm_complain(STORM_UNEXPECTED, "channel %" PRIu64
			", consumer: %s", c->page->id, ferry_strerror(why));
		return FERRY_E_CLOSED;
	}
	/* A producer that has not heard of the hub's end yet may still send. */
	if (why != FERRY_E_HUB_GONE && c->seq < promised)
		storm_complain(STORM_LOST, "channel %" PRIu64 ": %" PRIu64
			" of %" PRIu64 " messages came before %s", c->page->id,
			c->seq, promised, ferry_strerror(why));
	return why;
}

static int
bulk_progress(struct consumer *c, uint64_t wait_ns)
{
	unsigned int i;
	int done = 0;

	for (i = 0; i < CONSUMER_BULK; i++)
		if (c->bulk[i].in != NULL)
			done += bulk_step(c, &c->bulk[i], wait_ns);
	return done;
}

static bool
bulk_under_way(const struct consumer *c)
{
	unsigned int i;

	for (i = 0; i < CONSUMER_BULK; i++)
		if (c->bulk[i].in != NULL)
			return true;
	return c->waits;
}

int
consumer_step(struct consumer *c)
{
	struct ferry_msg msgs[BURST];
	uint64_t seqs[BURST];
	int got, i, done, first = 0;

	done = bulk_progress(c, 20000);
	if (c->waits) {
		if (ferry_test_random(&c->rng) % 32 == 0) {
			bulk_refuse(c);
			return 1;
		}
		return bulk_take(c) + done;
	}
	storm_at(STORM_RECV);
	/* One at a time is what an announcement takes. */
	got = ferry_rx_recv(c->rx, msgs, bulk_free(c) == NULL ? 0 : (uint16_t)
		(1 + ferry_test_random(&c->rng) % BURST));
	storm_at(STORM_ELSEWHERE);
	if (got < 0)
		return bulk_under_way(c) ? done : over(c, got);
	if (got == 0)
		return done;
	for (i = 0; i < got; i++) {
		/* A second announcement of one burst: settle the first. */
		while (c->waits && ferry_msg_is_bulk(&msgs[i]))
			if (bulk_take(c) == 0)
				bulk_refuse(c);
		take(c, &msgs[i]);
		if (ferry_msg_is_bulk(&msgs[i]))
			continue;
		seqs[first] = c->seq - 1;
		msgs[first++] = msgs[i];
	}
	storm_count(STORM_N_RECEIVED, (uint64_t)got);
	/* Some stay, so that they are not given back as they came. */
	release_kept(c);
	c->n_kept = (unsigned int)RTE_MIN((uint64_t)first,
		ferry_test_random(&c->rng) % CONSUMER_KEPT);
	memcpy(c->kept, msgs, c->n_kept * sizeof(msgs[0]));
	memcpy(c->kept_seq, seqs, c->n_kept * sizeof(seqs[0]));
	if (release(c, msgs + c->n_kept, (unsigned int)first - c->n_kept) != 0)
		storm_complain(STORM_UNEXPECTED, "channel %" PRIu64
			": release", c->page->id);
	return got + done;
}

bool
consumer_rested(struct consumer *c)
{
	release_kept(c);
	return !bulk_under_way(c) && ferry_rx_peer(c->rx) == FERRY_END_OPEN;
}

int
consumer_wait(struct consumer *c, uint64_t ns)
{
	int ret;

	if (c->waits || bulk_under_way(c))
		return 0;
	release_kept(c);
	storm_at(STORM_RX_WAIT);
	ret = ferry_rx_wait(c->rx, ns);
	storm_at(STORM_ELSEWHERE);
	/* An end shows in the next step, after all that came before it. */
	(void)ret;
	return 0;
}

void
consumer_close(struct consumer *c)
{
	unsigned int i;

	if (c->rx == NULL)
		return;
	for (i = 0; i < CONSUMER_BULK; i++)
		c->bulk[i].in = NULL; /* void with the end */
	c->waits = false;
	storm_at(STORM_CLOSE);
	ferry_rx_close(c->rx);
	storm_at(STORM_ELSEWHERE);
	storm_count(STORM_N_CLOSES, 1);
	c->rx = NULL;
}
