/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WORKER_H
#define WORKER_H

/**
 * @file
 * The ends of a worker. A step does a little and never waits for long, because
 * a worker has several ends in one thread.
 *
 * A step returns a number above 0 if it did something, 0 if it could do
 * nothing, or the reason why the end is over: FERRY_E_CLOSED,
 * FERRY_E_PEER_GONE or FERRY_E_HUB_GONE. It complains of every other result.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_bulk.h"
#include "ferry_endpoint.h"
#include "ferry_memory.h"
#include "storm.h"

/** Posts and bulk messages under way. */
#define PRODUCER_POSTS 8
#define PRODUCER_BULK 2
#define CONSUMER_BULK 3
#define CONSUMER_KEPT 4

/** A payload that is lent until its message is done. */
struct loan {
	uint64_t seq;
	uint8_t *data;
	uint64_t len;
};

struct producer_bulk {
	struct ferry_bulk_out *out;
	struct loan loan;
	/** The message is the n-th bulk message of the channel. */
	uint64_t n;
	/** Two places for the payload: private memory, and memory of the
	 * endpoint or NULL. */
	uint8_t *mem[2];
};

struct producer {
	struct ferry_endpoint *ep;
	struct ferry_tx *tx;
	struct ledger_page *page;
	/** Contents of messages depend on this, their number and length. */
	uint64_t key;
	uint64_t rng;
	/** Messages that were begun, and bulk messages among them. */
	uint64_t seq;
	uint64_t n_bulk;
	/** Posts, and how many of them are known to be done. */
	uint64_t posted;
	uint64_t freed;
	struct loan posts[PRODUCER_POSTS];
	struct producer_bulk bulk[PRODUCER_BULK];
	uint8_t *scratch;
	/** For posts: private memory, and memory of the endpoint or NULL. */
	uint8_t *mem[2];
	unsigned int mode;
};

struct consumer_bulk {
	struct ferry_bulk_in *in;
	/** The message is whole. It is checked once more before it is given
	 * back. */
	bool whole;
	uint64_t seq;
	uint64_t n;
	uint8_t *own;
};

struct consumer {
	struct ferry_endpoint *ep;
	struct ferry_rx *rx;
	struct ledger_page *page;
	uint64_t key;
	uint64_t rng;
	uint64_t seq;
	uint64_t n_bulk;
	struct ferry_msg kept[CONSUMER_KEPT];
	uint64_t kept_seq[CONSUMER_KEPT];
	unsigned int n_kept;
	struct consumer_bulk bulk[CONSUMER_BULK];
	/** A bulk message that was announced, but not accepted yet because
	 * memory was lacking. */
	struct ferry_msg waiting;
	uint64_t waiting_seq;
	uint64_t waiting_n;
	unsigned int tries;
	bool waits;
};

/** The seed of a message's contents. */
uint64_t content_seed(uint64_t key, uint64_t seq, uint64_t len);
/** A random length of any magnitude, from 4 to most. */
uint64_t content_len(uint64_t *rng, uint64_t most);

/** Get memory for a producer. Returns 0 or -ENOMEM. It can do without memory of
 * its endpoint. */
int producer_init(struct producer *p, struct ferry_endpoint *ep, uint64_t rng);
void producer_fini(struct producer *p);
/** To be called when the producer's end was opened. */
int producer_opened(struct producer *p);
int producer_step(struct producer *p);
/** For the rest: whether no message of the producer is under way any more. */
bool producer_rested(struct producer *p);
/** Wait for room, for ns nanoseconds at most. */
int producer_wait(struct producer *p, uint64_t ns);
/** End all messages under way, and close the end. */
void producer_close(struct producer *p);

int consumer_init(struct consumer *c, struct ferry_endpoint *ep, uint64_t rng);
void consumer_fini(struct consumer *c);
int consumer_opened(struct consumer *c);
int consumer_step(struct consumer *c);
/** For the rest: give back all messages that are kept. */
bool consumer_rested(struct consumer *c);
int consumer_wait(struct consumer *c, uint64_t ns);
void consumer_close(struct consumer *c);

#endif /* WORKER_H */
