/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_eal.h>

#include "endpoint_memory.h"
#include "ferry_bulk.h"
#include "ferry_compat.h"
#include "ferry_copier.h"
#include "ferry_eal.h"
#include "ferry_endpoint.h"
#include "ferry_errno.h"
#include "ferry_post.h"
#include "ferry_server.h"
#include "endpoint_line.h"
#include "thread_mark.h"

/* How long a closing producer waits for its engine before it asks the hub. */
#define CLOSE_PATIENCE_NS UINT64_C(10000000)

/* An open end. The channel's handle is in tx or rx, by role. */
struct end_handle {
	TAILQ_ENTRY(end_handle) next;
	struct ferry_endpoint *ep;
	uint64_t id;
	enum hub_role role;
	struct ferry_channel_shared *shared;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
};

struct ferry_endpoint {
	struct hub_line line;
	struct registry_view registry;
	/* The values that the hub gave. */
	uint64_t incarnation;
	uint32_t endpoint;
	uint32_t epoch;
	struct ferry_copier copier;
	/* The server of channels that no engine serves. It uses the same
	 * copier. */
	struct ferry_server server;
	struct endpoint_memory memory;
	TAILQ_HEAD(, end_handle) ends;
	/* Guards ends and hub_gone against the watcher. */
	pthread_mutex_t lock;
	bool hub_gone;
	/* detaching: the endpoint is detaching. hub_late: the hub did not
	 * answer meanwhile, and the endpoint does not wait for it again. */
	bool detaching;
	bool hub_late;
	/* In a secondary: the thread that waits for the hub's death, and the
	 * eventfd that ends the thread. Otherwise stop is -1. */
	int stop;
	bool watched;
	pthread_t watcher;
	/* The mark of the thread that attached the endpoint. */
	struct thread_mark *mark;
};

static struct ferry_channel_end *
other_end(const struct end_handle *h)
{
	return h->role == HUB_TX ? &h->shared->rx : &h->shared->tx;
}

/* No engine carries out a producer's jobs any more: from now on the producer
 * does. */
static void
end_take_over(struct end_handle *h)
{
	uint32_t *word = &h->shared->service.server;
	uint32_t was = __atomic_load_n(word, __ATOMIC_RELAXED);

	/* O: a process's devices end before its pidfd tells that it has
	 * ended. */
	while (was >= FERRY_SERVER_ENGINE && !__atomic_compare_exchange_n(word,
			&was, FERRY_SERVER_NONE, false, __ATOMIC_RELEASE,
			__ATOMIC_RELAXED))
		;
}

/* The hub is dead and cannot set the states: each endpoint sets its peers'. */
static void
end_orphan(struct end_handle *h)
{
	struct ferry_channel_end *end = other_end(h);
	uint32_t was = __atomic_load_n(&end->state, __ATOMIC_RELAXED);

	/* Pairs with the acquire in ferry_end_result(). */
	while (was <= FERRY_END_OPEN && !__atomic_compare_exchange_n(
			&end->state, &was, FERRY_END_HUB_GONE, false,
			__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	if (h->role == HUB_TX)
		end_take_over(h);
}

static void
hub_died(struct ferry_endpoint *ep)
{
	struct end_handle *h;

	pthread_mutex_lock(&ep->lock);
	ep->hub_gone = true;
	TAILQ_FOREACH(h, &ep->ends, next)
		end_orphan(h);
	pthread_mutex_unlock(&ep->lock);
	ferry_bell_shout(&ep->registry.bells[ep->endpoint]);
}

static void *
watch_hub(void *arg)
{
	struct ferry_endpoint *ep = arg;
	struct pollfd fds[] = {
		{ .fd = ep->line.pidfd, .events = POLLIN },
		{ .fd = ep->stop, .events = POLLIN },
	};

	while (poll(fds, RTE_DIM(fds), -1) < 0)
		;
	if (fds[1].revents == 0)
		hub_died(ep);
	return NULL;
}

static int
watch_start(struct ferry_endpoint *ep)
{
	int ret;

	if (ep->line.local)
		return 0;
	ret = ferry_ctrl_thread(&ep->watcher, "ferry-watch", watch_hub, ep);
	ep->watched = ret == 0;
	return ret;
}

static void
watch_stop(struct ferry_endpoint *ep)
{
	/* A forked process has no such thread, and must not end the other
	 * process's. */
	if (ep->watched && hub_line_check(&ep->line) == 0) {
		eventfd_write(ep->stop, 1);
		pthread_join(ep->watcher, NULL);
	}
	if (ep->stop >= 0)
		close(ep->stop);
}

struct endpoint_memory *
endpoint_memory_of(struct ferry_endpoint *ep)
{
	return &ep->memory;
}

/* Whether the hub's death has been noticed. Its devices have ended by then. */
static bool
hub_is_gone(struct ferry_endpoint *ep)
{
	bool gone;

	pthread_mutex_lock(&ep->lock);
	gone = ep->hub_gone;
	pthread_mutex_unlock(&ep->lock);
	return gone;
}

int
endpoint_ask(struct ferry_endpoint *ep, struct hub_request *req,
		struct hub_reply *rep)
{
	uint64_t left = ep->hub_late ? 0 : HUB_LINE_NS;
	int ret = hub_line_check(&ep->line);

	if (ret != 0)
		return ret;
	if (hub_is_gone(ep))
		return FERRY_E_HUB_GONE;
	req->incarnation = ep->incarnation;
	req->endpoint = ep->endpoint;
	req->epoch = ep->epoch;
	ret = hub_line_ask(&ep->line, req, -1, rep, &left);
	ep->hub_late |= ep->detaching && ret == -ETIMEDOUT;
	return ret != 0 ? ret : rep->result;
}

int
endpoint_check(const struct ferry_endpoint *ep)
{
	return hub_line_check(&ep->line);
}

bool
endpoint_mapped(struct ferry_endpoint *ep, uint64_t addr, uint64_t size)
{
	return addr != 0 && size != 0 && ferry_reach(&ep->memory.view, addr,
			size) == FERRY_REACH_ALL;
}

/* Read the hub's registry, once, and store what it says. */
static int
registry_know(struct ferry_endpoint *ep, uint64_t addr, uint64_t size)
{
	struct registry_view *v = &ep->registry;
	int ret = FERRY_E_CORRUPT;

	if (endpoint_mapped(ep, addr, size))
		ret = registry_read(v, (struct ferry_registry *)(uintptr_t)addr,
				size);
	if (ret != 0)
		return ret;
	if (ep->endpoint >= v->n_bells || !endpoint_mapped(ep,
			(uintptr_t)v->boards.base, v->boards.n *
			v->boards.size))
		return FERRY_E_CORRUPT;
	ret = endpoint_memory_know(&ep->memory, v);
	/* As many places as the hub has for channels, because the hub numbers
	 * them. */
	return ret != 0 ? ret : ferry_server_init(&ep->server, &ep->copier,
			NULL, v->boards.n_channels);
}

/* Attach. All descriptors are opened before the hub is asked, so that nothing
 * has to be undone because one is lacking. */
static int
attach_request(struct ferry_endpoint *ep, const char *name, uint64_t *left,
		struct hub_reply *rep)
{
	struct hub_request req = {
		.op = HUB_OP_ATTACH,
		.version = FERRY_CHANNEL_VERSION,
		.layout = ferry_channel_layout_hash(),
		.incarnation = ep->line.incarnation,
	};
	int self = -1, ret;

	strcpy(req.name, name);
	if (!ep->line.local) {
		ep->stop = eventfd(0, EFD_CLOEXEC);
		if (ep->stop < 0)
			return -errno;
		/* The hub gets a pidfd that this process made, not a number to
		 * look up. The pidfd cannot mean another process, even if pids
		 * are reused. */
		self = (int)syscall(SYS_pidfd_open, getpid(), 0);
		if (self < 0)
			return errno == EMFILE || errno == ENFILE ? -EMFILE :
				FERRY_E_NO_PIDFD;
	}
	ret = hub_line_ask(&ep->line, &req, self, rep, left);
	if (self >= 0)
		close(self);
	return ret != 0 ? ret : rep->result;
}

static int
attach_hub(struct ferry_endpoint *ep, const char *hub, const char *name)
{
	struct hub_request req = { .op = HUB_OP_DETACH };
	uint64_t left = HUB_LINE_NS;
	struct hub_reply rep;
	int ret;

	ret = hub_line_open(&ep->line, hub, &left);
	if (ret == 0)
		ret = attach_request(ep, name, &left, &rep);
	if (ret != 0)
		return ret;
	ep->incarnation = rep.incarnation;
	ep->endpoint = rep.endpoint;
	ep->epoch = rep.epoch;
	ret = registry_know(ep, rep.addr, rep.size);
	if (ret == 0)
		ret = watch_start(ep);
	if (ret != 0)
		endpoint_ask(ep, &req, &rep);
	return ret;
}

static void
endpoint_free(struct ferry_endpoint *ep)
{
	watch_stop(ep);
	hub_line_close(&ep->line);
	thread_unmark(ep->mark);
	ferry_server_fini(&ep->server);
	ferry_copier_fini(&ep->copier);
	pthread_mutex_destroy(&ep->lock);
	free(ep);
}

int
ferry_attach(struct ferry_endpoint **out, const char *hub, const char *name)
{
	struct ferry_endpoint *ep;
	int ret;

	if (hub == NULL)
		hub = FERRY_HUB_NAME;
	ret = ferry_name_check(hub);
	if (ret == 0)
		ret = ferry_name_check(name);
	if (ret != 0 || out == NULL)
		return ret != 0 ? ret : -EINVAL;
	ret = ferry_eal_adopt(NULL, 0);
	if (ret != 0)
		return ret;
	ep = calloc(1, sizeof(*ep));
	if (ep == NULL)
		return -ENOMEM;
	ep->line.dir = ep->line.spare = ep->line.pidfd = -1;
	ep->stop = -1;
	TAILQ_INIT(&ep->ends);
	endpoint_memory_init(&ep->memory, ep);
	pthread_mutex_init(&ep->lock, NULL);
	ret = ferry_copier_init(&ep->copier, ferry_copy_cpu(),
			(int)rte_socket_id());
	if (ret == 0)
		ret = attach_hub(ep, hub, name);
	if (ret == 0)
		ep->mark = thread_mark(name);
	if (ret != 0) {
		endpoint_free(ep);
		return ret;
	}
	*out = ep;
	return 0;
}

/*
 * In a process that was forked from the endpoint's: give back what is this
 * process's own, and touch nothing that is shared. Threads and locks of the
 * other process do not exist here.
 */
static void
endpoint_forget(struct ferry_endpoint *ep)
{
	struct end_handle *h;

	while ((h = TAILQ_FIRST(&ep->ends)) != NULL) {
		TAILQ_REMOVE(&ep->ends, h, next);
		free(h);
	}
	watch_stop(ep);
	hub_line_close(&ep->line);
	free(ep);
}

void
ferry_detach(struct ferry_endpoint *ep)
{
	struct hub_request req = { .op = HUB_OP_DETACH };
	struct end_handle *h;
	struct hub_reply rep;

	if (ep == NULL)
		return;
	if (endpoint_check(ep) != 0) {
		endpoint_forget(ep);
		return;
	}
	ep->detaching = true;
	while ((h = TAILQ_FIRST(&ep->ends)) != NULL) {
		if (h->role == HUB_TX)
			ferry_tx_close(h->tx);
		else
			ferry_rx_close(h->rx);
	}
	endpoint_memory_fini(&ep->memory);
	endpoint_ask(ep, &req, &rep);
	endpoint_free(ep);
}

int
ferry_endpoint_add_lane(struct ferry_endpoint *ep, struct ferry_lane *lane)
{
	return ferry_copier_add(&ep->copier, lane);
}

const struct ferry_lane *
ferry_endpoint_lane(const struct ferry_endpoint *ep, unsigned int i)
{
	return ferry_copier_lane(&ep->copier, i);
}

/* Tell the hub that an end is closed, or was never started. The hub may free
 * the channel. Returns why the hub could not be told, or the hub's result. */
static int
end_tell(struct ferry_endpoint *ep, enum hub_op op, enum hub_role role,
		uint64_t id)
{
	struct hub_request req = {
		.op = op,
		.role = role,
		.id = id,
	};
	struct hub_reply rep;

	return endpoint_ask(ep, &req, &rep);
}

/* What channels can carry beside slots and cells. */
static const struct ferry_end_kind *const kinds[] = {
	&ferry_post_kind, &ferry_bulk_kind, NULL
};

/* See ferry_channel_attach.stalled. */
static void
end_stalled(void *owner)
{
	struct end_handle *h = owner;

	/* No hub corrects the server word any more, so another process's
	 * garbage may name an engine there. */
	if (end_tell(h->ep, HUB_OP_SERVER, h->role, h->id) ==
			FERRY_E_HUB_GONE && hub_is_gone(h->ep))
		end_take_over(h);
}

static int
end_open(struct ferry_endpoint *ep, enum hub_role role, const char *name,
		const struct ferry_channel_config *config,
		struct end_handle **out)
{
	struct hub_request req = { .op = HUB_OP_OPEN, .role = role };
	struct ferry_channel_attach attach;
	struct hub_reply rep;
	struct end_handle *h;
	int ret = ferry_name_check(name);

	if (ret != 0 || ep == NULL)
		return ret != 0 ? ret : -EINVAL;
	if (config != NULL && ferry_channel_memory(config) == 0)
		return -EINVAL;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return -ENOMEM;
	strcpy(req.name, name);
	if (config != NULL)
		req.config = *config;
	req.alone = ep->copier.nb_open > 1;
	ret = endpoint_ask(ep, &req, &rep);
	if (ret != 0) {
		free(h);
		return ret;
	}

	h->ep = ep;
	h->id = rep.id;
	h->role = role;
	h->shared = (struct ferry_channel_shared *)(uintptr_t)rep.addr;
	attach = (struct ferry_channel_attach) {
		.shared = h->shared,
		.size = rep.size,
		.bells = ep->registry.bells,
		.n_bells = ep->registry.n_bells,
		.endpoint = ep->endpoint,
		.epoch = ep->epoch,
		.copier = &ep->copier,
		.server = &ep->server,
		.memory = &ep->memory.ops,
		.kinds = kinds,
		.boards = ep->registry.boards,
		.local = rte_eal_process_type() == RTE_PROC_PRIMARY,
		.owner = h,
		.stalled = end_stalled,
	};
	attach.boards.number = rep.number;
	if (!endpoint_mapped(ep, rep.addr, rep.size))
		ret = FERRY_E_CORRUPT;
	else if (role == HUB_TX)
		ret = ferry_tx_start(&h->tx, &attach);
	else
		ret = ferry_rx_start(&h->rx, &attach);
	if (ret != 0) {
		end_tell(ep, HUB_OP_CANCEL, role, h->id);
		free(h);
		return ret;
	}
	pthread_mutex_lock(&ep->lock);
	TAILQ_INSERT_TAIL(&ep->ends, h, next);
	/* The hub answered before it died, and hub_died() has not seen this
	 * end. */
	if (ep->hub_gone)
		end_orphan(h);
	pthread_mutex_unlock(&ep->lock);
	*out = h;
	return 0;
}

/* The handle is stopped. Forget the end and tell the hub. */
static void
end_close(struct end_handle *h)
{
	pthread_mutex_lock(&h->ep->lock);
	TAILQ_REMOVE(&h->ep->ends, h, next);
	pthread_mutex_unlock(&h->ep->lock);
	end_tell(h->ep, HUB_OP_CLOSE, h->role, h->id);
	free(h);
}

int
ferry_tx_open(struct ferry_tx **tx, struct ferry_endpoint *ep,
		const char *name, const struct ferry_channel_config *config)
{
	struct end_handle *h;
	int ret = tx == NULL ? -EINVAL :
		end_open(ep, HUB_TX, name, config, &h);

	if (ret == 0)
		*tx = h->tx;
	return ret;
}

int
ferry_rx_open(struct ferry_rx **rx, struct ferry_endpoint *ep,
		const char *name, const struct ferry_channel_config *config)
{
	struct end_handle *h;
	int ret = rx == NULL ? -EINVAL :
		end_open(ep, HUB_RX, name, config, &h);

	if (ret == 0)
		*rx = h->rx;
	return ret;
}

void
ferry_tx_close(struct ferry_tx *tx)
{
	struct end_handle *h;

	if (tx == NULL)
		return;
	h = tx->end.owner;
	if (endpoint_check(h->ep) != 0)
		return; /* see endpoint_forget() */
	/* If no thread runs the engine, or this very thread does, the hub makes
	 * the engine's turns. ferry_tx_stop() waits for a hub that is
	 * stopped. */
	if (ferry_tx_finish(tx, 0, CLOSE_PATIENCE_NS) == -ETIMEDOUT)
		end_tell(h->ep, HUB_OP_FINISH, HUB_TX, h->id);
	ferry_tx_stop(tx);
	end_close(h);
}

void
ferry_rx_close(struct ferry_rx *rx)
{
	struct end_handle *h;

	if (rx == NULL)
		return;
	h = rx->end.owner;
	if (endpoint_check(h->ep) != 0)
		return; /* see endpoint_forget() */
	ferry_rx_stop(rx);
	end_close(h);
}

int
ferry_endpoint_channels(struct ferry_endpoint *ep,
		struct ferry_hub_channel *list, uint32_t n)
{
	struct hub_request req = { .op = HUB_OP_LIST };
	struct hub_reply rep = { 0 };
	uint32_t i = 0;
	int ret;

	while ((ret = endpoint_ask(ep, &req, &rep)) == 0 && i < n) {
		list[i++] = rep.entry;
		req.id = rep.entry.id;
	}
	/* -ENOENT ends the list. The total comes with this reply, too. */
	return ret == 0 || ret == -ENOENT ? (int)rep.total : ret;
}
