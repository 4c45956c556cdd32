/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "app_eal.h"
#include "recv.h"

int
recv_explain(const struct receiver *r, int ret)
{
	/* Otherwise ret may be FERRY_E_CANCELLED: a sender that ends because
	 * the hub has gone cancels the messages under way. */
	if (ferry_rx_peer(r->rx) == FERRY_END_HUB_GONE)
		ret = FERRY_E_HUB_GONE;
	if (pipe_stop)
		app_error("interrupted: the output is not complete");
	else if (ret == FERRY_E_CLOSED || ret == FERRY_E_CANCELLED)
		app_error("the sender ended early: the output is not complete");
	else
		app_error("receiving failed, the output is not complete: %s",
			ferry_strerror(ret));
	return ret;
}

/* A signal may cut a write() short. It has then written a part, or nothing. */
int
recv_write(const struct receiver *r, const uint8_t *data, size_t len)
{
	struct pollfd output = { .fd = STDOUT_FILENO, .events = POLLOUT };
	ssize_t n;

	while (len > 0) {
		if (pipe_stop)
			return recv_explain(r, -EINTR);
		n = write(STDOUT_FILENO, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			/* The parent process made the output non-blocking. */
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

/* Process a message in a slot. Returns 0, or negative after a line on
 * stderr. */
static int
take(struct receiver *r, const struct ferry_msg *msg)
{
	struct pipe_begin begin;
	struct pipe_end end;

	if (msg->tag == PIPE_DATA && r->begun && !r->complete) {
		progress_add(&r->progress, msg->len, 1);
		return recv_write(r, msg->data, msg->len);
	}
	if (msg->tag == PIPE_BEGIN && msg->len == sizeof(begin) && !r->begun) {
		memcpy(&begin, msg->data, sizeof(begin));
		r->progress.size = begin.size;
		r->begun = true;
		return 0;
	}
	if (msg->tag == PIPE_END && msg->len == sizeof(end) && r->begun) {
		memcpy(&end, msg->data, sizeof(end));
		r->progress.copied = end.copied;
		r->progress.by_sender = end.by_sender;
		if (end.bytes != r->progress.bytes ||
				end.msgs != r->progress.msgs) {
			app_error("the sender sent another number of bytes "
				"than arrived");
			return -EPROTO;
		}
		/* Network file systems and quotas may report an error of an
		 * earlier write() only now. */
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

int
recv_look(struct receiver *r)
{
	struct ferry_msg msgs[WAITING_MAX];
	const unsigned int room = WAITING_MAX - (r->received - r->done);
	int n = 0, i;

	if (room > 0)
		n = ferry_rx_recv(r->rx, msgs, room);
	for (i = 0; i < n; i++)
		r->waiting[r->received++ % WAITING_MAX] =
			(struct waiting){ .msg = msgs[i] };
	recv_blocks_accept(r);
	return n;
}

/* Process the message that is first in the ring. */
static int
take_next(struct receiver *r)
{
	struct waiting *w = &r->waiting[r->done % WAITING_MAX];
	int ret;

	if (ferry_msg_is_bulk(&w->msg)) {
		ret = recv_block(r, w);
	} else {
		ret = take(r, &w->msg);
		/* Give the slot back at once, so that the sender can use it. */
		if (ret == 0)
			ferry_rx_release(r->rx, &w->msg, 1);
	}
	r->done++;
	return ret;
}

static int
receive_all(struct receiver *r)
{
	int n, ret;

	while (!r->complete) {
		if (pipe_stop)
			return recv_explain(r, -EINTR);
		n = recv_look(r);
		if (r->done != r->received) {
			ret = take_next(r);
			if (ret != 0)
				return ret;
		} else if (n < 0) {
			return recv_explain(r, n);
		} else {
			/* Its result is not needed: recv_look() returns any
			 * error again. */
			ferry_rx_wait(r->rx, PIPE_TICK_NS);
		}
	}
	return 0;
}

int
pipe_recv(const struct pipe_options *o)
{
	struct receiver r = { 0 };
	struct ferry_bulk_stats stats;
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
	progress_init(&r.progress, "received", "engine", o->quiet);
	ret = receive_all(&r);
	ferry_bulk_rx_stats(r.rx, &stats);
	r.progress.by_receiver = stats.copied;
	progress_end(&r.progress, ret == 0);
	ferry_detach(ep);
	return ret == 0 ? 0 : 1;
}
