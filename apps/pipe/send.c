/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app_eal.h"
#include "send.h"

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

int
send_explain(const struct sender *s, int ret)
{
	/* Otherwise ret may be FERRY_E_REFUSED: a receiver that ends because
	 * the hub has gone refuses the messages under way. */
	if (ferry_tx_peer(s->tx) == FERRY_END_HUB_GONE)
		ret = FERRY_E_HUB_GONE;
	if (pipe_stop)
		app_error("interrupted: not everything was sent");
	else if (ret == FERRY_E_CLOSED || ret == FERRY_E_REFUSED)
		app_error("the receiver ended before everything had arrived");
	else
		app_error("sending failed: %s", ferry_strerror(ret));
	return ret;
}

int
send_wait(struct sender *s, int (*wait)(struct ferry_tx *tx, uint64_t ns))
{
	int ret;

	do {
		ret = wait(s->tx, PIPE_TICK_NS);
	} while (ret == -ETIMEDOUT && !pipe_stop);
	return ret;
}

int
send_copied(struct sender *s, const void *data, uint32_t len, uint32_t tag)
{
	const struct ferry_buf buf = { .data = data, .len = len, .tag = tag };
	int ret;

	while ((ret = ferry_tx_send(s->tx, &buf, 1)) == 0) {
		ret = send_wait(s, ferry_tx_wait);
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
		ret = send_wait(s, ferry_tx_wait);
		if (ret != 0)
			break;
	}
	return ret < 0 ? ret : 0;
}

ssize_t
send_read(struct sender *s, void *buf, size_t len)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n;
	int ret;

	while (!pipe_stop) {
		if (poll(&input, 1, PIPE_TICK_MS) <= 0) {
			ret = ferry_tx_wait(s->tx, 0);
			if (ret != 0 && ret != -ETIMEDOUT)
				return send_explain(s, ret);
			continue;
		}
		n = read(STDIN_FILENO, buf, len);
		/* Ctrl-C may have ended the program that writes our input,
		 * too. Its pipe then ends, but the input is not complete. */
		if (pipe_stop)
			break;
		if (n >= 0)
			return n;
		/* EAGAIN: the parent process made the input non-blocking. */
		if (errno != EINTR && errno != EAGAIN) {
			app_error("cannot read input: %s", strerror(errno));
			return -EIO;
		}
	}
	return send_explain(s, -EINTR);
}

/* Send all of the input in slots. Returns 0, or negative after a message. */
static int
send_slots(struct sender *s)
{
	const uint32_t room = ferry_tx_channel(s->tx)->slot_size;
	struct ferry_msg msg = { 0 };
	ssize_t n;
	int ret;

	for (;;) {
		ret = loan_one(s, &msg);
		if (ret != 0)
			return send_explain(s, ret);
		n = send_read(s, msg.data, room);
		if (n <= 0)
			break;
		msg.len = n;
		msg.tag = PIPE_DATA;
		ret = ferry_tx_commit(s->tx, &msg, 1);
		if (ret < 0)
			return send_explain(s, ret);
		progress_add(&s->progress, n, 1);
	}
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
		return send_explain(s, ret);
	ret = s->o->copy ? send_blocks(s) : send_slots(s);
	if (ret != 0)
		return ret;
	end.bytes = s->progress.bytes;
	end.msgs = s->progress.msgs;
	end.copied = s->progress.copied;
	end.by_sender = s->progress.by_sender;
	ret = send_copied(s, &end, sizeof(end), PIPE_END);
	/* When the receiver has given END back, it has written out all bytes:
	 * see pipe.h. */
	while (ret == 0) {
		ret = ferry_tx_drain(s->tx, PIPE_TICK_NS);
		if (ret == 0)
			return 0;
		if (ret == -ETIMEDOUT && !pipe_stop)
			ret = 0;
	}
	return send_explain(s, ret);
}

int
pipe_send(const struct pipe_options *o)
{
	struct sender s = { .o = o };
	int ret;

	if (pipe_attach(&s.ep, o) != 0)
		return 1;
	ret = ferry_tx_open(&s.tx, s.ep, o->channel, &o->config);
	if (ret != 0) {
		pipe_open_error(o, ret);
		ferry_detach(s.ep);
		return 1;
	}
	ferry_tx_set_wait(s.tx, o->wait);
	progress_init(&s.progress, "sent", "others", o->quiet);
	ret = send_all(&s);
	progress_end(&s.progress, ret == 0);
	ferry_detach(s.ep);
	return ret == 0 ? 0 : 1;
}
