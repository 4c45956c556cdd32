/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * With --copy: input is read straight into blocks of the endpoint's memory,
 * which travel as bulk messages.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "app_eal.h"
#include "ferry_bulk.h"
#include "ferry_memory.h"
#include "send.h"

/* A block filled with no more bytes than this goes in a slot, if it fits. */
#define SLOT_UP_TO (256 * 1024)
/* Bytes of a read at most, because pipe_stop is looked at between reads, and a
 * block may have gigabytes. */
#define READ_UP_TO (4 * 1024 * 1024)

struct block {
	uint8_t *mem;
	/* The block's message under way; NULL: none, so it may be filled. */
	struct ferry_bulk_out *out;
};

struct blocks {
	struct sender *s;
	/* A ring. From next on they stand in the order of their sending. */
	struct block all[PIPE_BLOCKS];
	unsigned int n;
	unsigned int next;
};

/* Wait until a block's message has arrived, and help copying it. Stops waiting
 * when the hub has gone: this message could still arrive without the hub, but
 * no later one could. */
static int
finish(const struct sender *s, struct block *b)
{
	int ret;

	if (b->out == NULL)
		return 0;
	do {
		ret = ferry_bulk_wait(b->out, PIPE_TICK_NS);
	} while (ret == -ETIMEDOUT && !pipe_stop &&
			ferry_tx_peer(s->tx) != FERRY_END_HUB_GONE);
	if (ret == -ETIMEDOUT)
		return ret;
	ferry_bulk_close(b->out);
	b->out = NULL;
	return ret;
}

static int
finish_all(struct blocks *blocks)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < blocks->n && ret == 0; i++)
		ret = finish(blocks->s, &blocks->all[(blocks->next + i) %
				blocks->n]);
	return ret;
}

/*
 * Find the block to be filled next, and wait until it may be. Blocks are made
 * as the input needs them and as far as the hub has memory. The second one is
 * made only when the first has arrived, so that the receiver gets memory for
 * one before the sender takes more.
 */
static int
next_block(struct blocks *blocks, struct block **b)
{
	struct sender *s = blocks->s;
	int ret;

	*b = &blocks->all[blocks->next];
	if (blocks->next == blocks->n) {
		ret = blocks->n == 1 ? finish(s, &blocks->all[0]) : 0;
		if (ret != 0)
			return ret;
		/* Try again for the first one while the hub is stopped and
		 * therefore does not answer. */
		do {
			(*b)->mem = ferry_alloc(s->ep, s->o->block);
		} while ((*b)->mem == NULL && rte_errno == ETIMEDOUT &&
				blocks->n == 0 && !pipe_stop);
		if ((*b)->mem != NULL) {
			blocks->n++;
		} else if (blocks->n == 0) {
			return -rte_errno;
		} else {
			blocks->next = 0;
			*b = &blocks->all[0];
		}
	}
	return finish(s, *b);
}

/*
 * Fill a block. Waits for the first bytes, then reads only what is there, so
 * that input that comes in small pieces is passed on at once. Returns what
 * send_read() returns. *len is the number of bytes read in any case.
 */
static ssize_t
fill(struct sender *s, const struct block *b, uint64_t *len)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n;

	*len = 0;
	do {
		n = send_read(s, b->mem + *len,
			RTE_MIN(s->o->block - *len, (uint64_t)READ_UP_TO));
		if (n > 0)
			*len += n;
	} while (n > 0 && *len < s->o->block && poll(&input, 1, 0) > 0);
	return n;
}

static int
send_block(struct blocks *blocks, struct block *b, uint64_t len)
{
	const struct ferry_bulk_options how = { .tag = PIPE_DATA };
	const struct iovec iov = { .iov_base = b->mem, .iov_len = len };
	struct sender *s = blocks->s;
	int ret;

	if (len <= SLOT_UP_TO && len <= ferry_tx_channel(s->tx)->slot_size) {
		ret = send_copied(s, b->mem, len, PIPE_DATA);
		s->progress.copied += len;
		s->progress.by_sender += len;
	} else {
		while ((ret = ferry_bulk_send(s->tx, &iov, 1, &how,
				&b->out)) == 0) {
			ret = send_wait(s, ferry_bulk_tx_wait);
			if (ret != 0)
				break;
		}
		blocks->next = (blocks->next + 1) % PIPE_BLOCKS;
	}
	if (ret < 0)
		return ret;
	progress_add(&s->progress, len, 1);
	return 0;
}

/* Send all of the input, and wait until it has arrived. Returns 0 or negative.
 * Sets *told if the user has been told why. */
static int
send_each(struct blocks *blocks, bool *told)
{
	struct block *b;
	uint64_t len;
	ssize_t n;
	int ret;

	do {
		ret = next_block(blocks, &b);
		if (ret != 0)
			return ret;
		n = fill(blocks->s, b, &len);
		*told = n < 0;
		/* -EIO: the bytes read before the error are sent, too. */
		if (n < 0 && n != -EIO)
			return n;
		ret = len > 0 ? send_block(blocks, b, len) : 0;
		if (ret != 0)
			return ret;
	} while (n > 0);
	ret = finish_all(blocks);
	return ret != 0 ? ret : n;
}

int
send_blocks(struct sender *s)
{
	struct blocks blocks = { .s = s };
	struct ferry_bulk_stats stats;
	bool told = false;
	int ret = send_each(&blocks, &told);

	if (ret == FERRY_E_NO_ROOM)
		app_error("the hub has no memory for a block of %" PRIu64
			" KiB: a smaller --block here, or more --memory there",
			s->o->block >> 10);
	else if (ret != 0 && !told)
		send_explain(s, ret);
	/* After an error, detaching cancels the messages under way. */
	ferry_bulk_tx_stats(s->tx, &stats);
	s->progress.copied += stats.bytes;
	s->progress.by_sender += stats.copied;
	return ret;
}
