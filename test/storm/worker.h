/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WORKER_H
#define WORKER_H

/**
 * @file
 * The ends of a worker. Each step does a little and never waits for long, since
 * a worker has several ends in one thread.
 *
 * Steps return a number above 0 if something was done, 0 if nothing could be,
 * or why the end is over: FERRY_E_CLOSED, FERRY_E_PEER_GONE, FERRY_E_HUB_GONE.
 * Everything else is complained of.
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
	/** It is the n-th bulk message of the channel. */
	uint64_t n;
	/** Two places for the payload: private, and the endpoint's or NULL. */
	uint8_t *mem[2];
};

struct producer {
	struct ferry_endpoint *ep;
	struct ferry_tx *tx;
	struct ledger_page *page;
	/** What the contents depend on besides number and length. */
	uint64_t key;
	uint64_t rng;
	/** Messages begun with, and bulk messages among them. */
	uint64_t seq;
	uint64_t n_bulk;
	/** Posts, and those known to be done. */
	uint64_t posted;
	uint64_t freed;
	struct loan posts[PRODUCER_POSTS];
	struct producer_bulk bulk[PRODUCER_BULK];
	uint8_t *scratch;
	/** For posts: private, and the endpoint's or NULL. */
	uint8_t *mem[2];
	unsigned int mode;
};

struct consumer_bulk {
	struct ferry_bulk_in *in;
	/** It is whole, and looked at once more before it is given back. */
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
	/** Announced, and not accepted yet for want of memory. */
	struct ferry_msg waiting;
	uint64_t waiting_seq;
	uint64_t waiting_n;
	unsigned int tries;
	bool waits;
};

/** Contents of a message. */
uint64_t content_seed(uint64_t key, uint64_t seq, uint64_t len);
/** A length of any magnitude, from 4 up. */
uint64_t content_len(uint64_t *rng, uint64_t most);

/** Get memory for a producer: 0 or -ENOMEM. Its endpoint's is a wish. */
int producer_init(struct producer *p, struct ferry_endpoint *ep, uint64_t rng);
void producer_fini(struct producer *p);
/** Its end was opened. */
int producer_opened(struct producer *p);
int producer_step(struct producer *p);
/** For the rest: true when nothing of it is under way any more. */
bool producer_rested(struct producer *p);
/** Wait for room, at most that long. */
int producer_wait(struct producer *p, uint64_t ns);
/** End what is under way and close. */
void producer_close(struct producer *p);

int consumer_init(struct consumer *c, struct ferry_endpoint *ep, uint64_t rng);
void consumer_fini(struct consumer *c);
int consumer_opened(struct consumer *c);
int consumer_step(struct consumer *c);
/** Give back all that is kept. */
bool consumer_rested(struct consumer *c);
int consumer_wait(struct consumer *c, uint64_t ns);
void consumer_close(struct consumer *c);

#endif /* WORKER_H */
