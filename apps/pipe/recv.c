/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "app_eal.h"
#include "pipe.h"

#define BURST 8

struct receiver {
	struct ferry_rx *rx;
	struct progress progress;
	bool begun;
	/* END has come and agrees with what was written. */
	bool complete;
};

static int
explain(int ret)
{
	if (pipe_stop)
		app_error("interrupted: the output is not complete");
	else if (ret == FERRY_E_CLOSED)
		app_error("the sender ended early: the output is not complete");
	else
		app_error("receiving failed, the output is not complete: %s",
			ferry_strerror(ret));
	return ret;
}

/* Signals cut a write short: it may have written something, or nothing. */
static int
write_output(const uint8_t *data, size_t len)
{
	struct pollfd output = { .fd = STDOUT_FILENO, .events = POLLOUT };
	ssize_t n;

	while (len > 0) {
		if (pipe_stop)
			return explain(-EINTR);
		n = write(STDOUT_FILENO, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			/* Whoever gave us the output made it non-blocking. */
			poll(&output, 1, PIPE_TICK_MS);
			continue;
		}
		if (n < 0) {
			app_error("cannot write output: %s", strerror(errno));
			return -EIO;
		}
		data += n;
		len -= n;
	}
	return 0;
}

/* One message: 0, or negative after a line on stderr. */
static int
take(struct receiver *r, const struct ferry_msg *msg)
{
	struct pipe_begin begin;
	struct pipe_end end;

	if (msg->tag == PIPE_DATA && r->begun && !r->complete) {
		progress_add(&r->progress, msg->len);
		return write_output(msg->data, msg->len);
	}
	if (msg->tag == PIPE_BEGIN && msg->len == sizeof(begin) && !r->begun) {
		memcpy(&begin, msg->data, sizeof(begin));
		r->progress.size = begin.size;
		r->begun = true;
		return 0;
	}
	if (msg->tag == PIPE_END && msg->len == sizeof(end) && r->begun) {
		memcpy(&end, msg->data, sizeof(end));
		if (end.bytes != r->progress.bytes ||
				end.msgs != r->progress.msgs) {
			app_error("the sender sent another number of bytes "
				"than arrived");
			return -EPROTO;
		}
		/* Late errors of network file systems and quotas. */
		if (close(STDOUT_FILENO) != 0) {
			app_error("cannot write output: %s", strerror(errno));
			return -EIO;
		}
		r->complete = true;
		return 0;
	}
	app_error("what arrives is not from ferry-pipe send");
	return -EPROTO;
}

static int
receive_all(struct receiver *r)
{
	struct ferry_msg msgs[BURST];
	int n, i, ret;

	while (!r->complete) {
		if (pipe_stop)
			return explain(-EINTR);
		n = ferry_rx_recv(r->rx, msgs, BURST);
		if (n < 0)
			return explain(n);
		for (i = 0; i < n; i++) {
			ret = take(r, &msgs[i]);
			if (ret != 0)
				return ret;
			/* At once, so that the sender can go on reading. */
			ferry_rx_release(r->rx, &msgs[i], 1);
		}
		/* Results other than time-outs show in recv, too. */
		if (n == 0)
			ferry_rx_wait(r->rx, PIPE_TICK_NS);
	}
	return 0;
}

int
pipe_recv(const struct pipe_options *o)
{
	struct receiver r = { 0 };
	struct ferry_endpoint *ep;
	int ret;

	if (pipe_attach(&ep, o) != 0)
		return 1;
	ret = ferry_rx_open(&r.rx, ep, o->channel, &o->config);
	if (ret != 0) {
		pipe_open_error(o, ret);
		ferry_detach(ep);
		return 1;
	}
	ferry_rx_set_wait(r.rx, o->wait);
	progress_init(&r.progress, "received", o->quiet);
	ret = receive_all(&r);
	progress_end(&r.progress, ret == 0, ferry_endpoint_copier(ep));
	ferry_detach(ep);
	return ret == 0 ? 0 : 1;
}
