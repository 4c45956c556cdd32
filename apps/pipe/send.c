/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app_eal.h"
#include "pipe.h"

struct sender {
	const struct pipe_options *o;
	struct ferry_tx *tx;
	struct progress progress;
	/* With --copy: where input is read to. */
	uint8_t *private;
};

static uint64_t
input_size(void)
{
	struct stat st;
	off_t at;

	if (fstat(STDIN_FILENO, &st) != 0 || !S_ISREG(st.st_mode))
		return PIPE_SIZE_UNKNOWN;
	at = lseek(STDIN_FILENO, 0, SEEK_CUR);
	return at < 0 || at > st.st_size ? PIPE_SIZE_UNKNOWN :
		(uint64_t)(st.st_size - at);
}

static int
explain(int ret)
{
	if (pipe_stop)
		app_error("interrupted: not everything was sent");
	else if (ret == FERRY_E_CLOSED)
		app_error("the receiver ended before everything had arrived");
	else
		app_error("sending failed: %s", ferry_strerror(ret));
	return ret;
}

/* Wait for a slot: 0, or negative if there will be none. */
static int
wait_slot(struct sender *s)
{
	int ret;

	do {
		ret = ferry_tx_wait(s->tx, PIPE_TICK_NS);
	} while (ret == -ETIMEDOUT && !pipe_stop);
	return ret;
}

/* Send a few bytes with a tag; also what stands before and after the data. */
static int
send_copied(struct sender *s, const void *data, uint32_t len, uint32_t tag)
{
	const struct ferry_buf buf = { .data = data, .len = len, .tag = tag };
	int ret;

	while ((ret = ferry_tx_send(s->tx, &buf, 1)) == 0) {
		ret = wait_slot(s);
		if (ret != 0)
			break;
	}
	return ret < 0 ? ret : 0;
}

static int
loan_one(struct sender *s, struct ferry_msg *msg)
{
	int ret;

	while ((ret = ferry_tx_loan(s->tx, msg, 1)) == 0) {
		ret = wait_slot(s);
		if (ret != 0)
			break;
	}
	return ret < 0 ? ret : 0;
}

/*
 * Read input, whenever it comes: 0 at its end, negative after a message. An
 * input that keeps quiet must not hide that nobody is left to send to.
 */
static ssize_t
read_input(struct sender *s, void *buf, size_t len)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n;
	int ret;

	while (!pipe_stop) {
		if (poll(&input, 1, PIPE_TICK_MS) <= 0) {
			ret = ferry_tx_wait(s->tx, 0);
			if (ret != 0 && ret != -ETIMEDOUT)
				return explain(ret);
			continue;
		}
		n = read(STDIN_FILENO, buf, len);
		/* Ctrl-C at the writer, too, looks like the end of its pipe. */
		if (pipe_stop)
			break;
		if (n >= 0)
			return n;
		/* Whoever gave us the input may have made it non-blocking. */
		if (errno != EINTR && errno != EAGAIN) {
			app_error("cannot read input: %s", strerror(errno));
			return -EIO;
		}
	}
	return explain(-EINTR);
}

/* All of the input: 0, or negative after a message. */
static int
send_input(struct sender *s)
{
	const uint32_t room = ferry_tx_channel(s->tx)->slot_size;
	struct ferry_msg msg = { 0 };
	ssize_t n;
	int ret;

	for (;;) {
		if (!s->o->copy) {
			ret = loan_one(s, &msg);
			if (ret != 0)
				return explain(ret);
		}
		n = read_input(s, s->o->copy ? s->private : msg.data, room);
		if (n <= 0)
			break;
		if (s->o->copy) {
			ret = send_copied(s, s->private, n, PIPE_DATA);
		} else {
			msg.len = n;
			msg.tag = PIPE_DATA;
			ret = ferry_tx_commit(s->tx, &msg, 1);
		}
		if (ret < 0)
			return explain(ret);
		progress_add(&s->progress, n);
	}
	if (!s->o->copy)
		ferry_tx_cancel(s->tx, &msg, 1);
	return n;
}

static int
send_all(struct sender *s)
{
	const struct pipe_begin begin = { .size = input_size() };
	struct pipe_end end;
	int ret;

	s->progress.size = begin.size;
	ret = send_copied(s, &begin, sizeof(begin), PIPE_BEGIN);
	if (ret != 0)
		return explain(ret);
	ret = send_input(s);
	if (ret != 0)
		return ret;
	end.bytes = s->progress.bytes;
	end.msgs = s->progress.msgs;
	ret = send_copied(s, &end, sizeof(end), PIPE_END);
	/* All given back means all written out: see pipe.h. */
	while (ret == 0) {
		ret = ferry_tx_drain(s->tx, PIPE_TICK_NS);
		if (ret == 0)
			return 0;
		if (ret == -ETIMEDOUT && !pipe_stop)
			ret = 0;
	}
	return explain(ret);
}

int
pipe_send(const struct pipe_options *o)
{
	struct sender s = { .o = o };
	struct ferry_endpoint *ep;
	int ret;

	if (pipe_attach(&ep, o) != 0)
		return 1;
	ret = ferry_tx_open(&s.tx, ep, o->channel, &o->config);
	if (ret != 0) {
		pipe_open_error(o, ret);
		ferry_detach(ep);
		return 1;
	}
	s.private = malloc(ferry_tx_channel(s.tx)->slot_size);
	ferry_tx_set_wait(s.tx, o->wait);
	progress_init(&s.progress, "sent", o->quiet);
	if (s.private == NULL) {
		app_error("out of memory");
		ret = -ENOMEM;
	} else {
		ret = send_all(&s);
	}
	progress_end(&s.progress, ret == 0, ferry_endpoint_copier(ep));
	free(s.private);
	ferry_detach(ep);
	return ret == 0 ? 0 : 1;
}
