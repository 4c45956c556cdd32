/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ferry_errno.h"
#include "hub_ctl.h"

RTE_LOG_REGISTER(ferry_hub_logtype, ferry.hub, NOTICE);

/* Whether the log takes a line now. A pipe may be full and its reader stopped;
 * a terminal may be held with Ctrl-S. */
static bool
log_is_writable(void)
{
	FILE *stream = rte_log_get_stream();
	struct pollfd p = { .events = POLLOUT };

	p.fd = stream != NULL ? fileno(stream) : -1;
	/* EAL's own stream has no file. It writes to stderr. */
	if (p.fd < 0)
		p.fd = STDERR_FILENO;
	return poll(&p, 1, 0) != 0;
}

void
ferry_hub_log(uint32_t level, const char *format, ...)
{
	va_list ap;

	if (!rte_log_can_log(ferry_hub_logtype, level) || !log_is_writable())
		return;
	va_start(ap, format);
	rte_vlog(level, ferry_hub_logtype, format, ap);
	va_end(ap);
}

/*
 * The only state that ferry keeps for the whole process. A thread that attaches
 * in the hub's process, and telemetry, find a hub by its name.
 */
static TAILQ_HEAD(, ferry_hub) hubs = TAILQ_HEAD_INITIALIZER(hubs);
static pthread_mutex_t hubs_lock = PTHREAD_MUTEX_INITIALIZER;
/* Signalled when no call uses a hub that is leaving any more. */
static pthread_cond_t hubs_unused = PTHREAD_COND_INITIALIZER;

/* hubs_lock is held. */
static struct ferry_hub *
hub_find(const char *name)
{
	struct ferry_hub *hub;

	TAILQ_FOREACH(hub, &hubs, next)
		if (strcmp(hub->name, name) == 0)
			return hub;
	return NULL;
}

static void
serve_attach(struct ferry_hub *hub, const struct hub_request *req,
		const struct hub_asker *asker, struct hub_reply *rep)
{
	/* The hub could not notice that process's death. */
	if (asker->remote && asker->pidfd < 0) {
		rep->result = -EINVAL;
		return;
	}
	rep->result = hub_attach(hub, req->name, asker->pid,
			asker->remote ? asker->pidfd : -1, &rep->endpoint,
			&rep->epoch);
	rep->incarnation = hub->incarnation;
	rep->addr = (uintptr_t)hub->registry;
	rep->size = sizeof(*hub->registry) + (uint64_t)hub->max_endpoints *
		sizeof(hub->registry->bells[0]);
}

int
hub_check(const struct ferry_hub *hub, const struct hub_request *req,
		const struct hub_asker *asker)
{
	const bool hello = req->op == HUB_OP_HELLO;
	const bool attach = req->op == HUB_OP_ATTACH;

	if (req->op < HUB_OP_ATTACH || req->op > HUB_OP_LAST ||
			memchr(req->name, 0, sizeof(req->name)) == NULL ||
			req->role > HUB_RX)
		return -EINVAL;
	if ((hello || attach) && (req->version != FERRY_CHANNEL_VERSION ||
			req->layout != ferry_channel_layout_hash()))
		return FERRY_E_VERSION;
	/* An endpoint in this process has found the hub by name in this very
	 * call. */
	if (hello || (attach && !asker->remote))
		return 0;
	/* Epochs and ids begin anew with each hub, so those of another hub do
	 * not count. */
	return req->incarnation == hub->incarnation ? 0 : FERRY_E_HUB_GONE;
}

void
hub_serve(struct ferry_hub *hub, const struct hub_request *req,
		const struct hub_asker *asker, struct hub_reply *rep)
{
	struct ferry_channel_shared *shared = NULL;

	memset(rep, 0, sizeof(*rep));
	rep->result = hub_check(hub, req, asker);
	if (rep->result == 0 && req->op != HUB_OP_ATTACH &&
			req->op != HUB_OP_HELLO)
		rep->result = hub_allow(hub, req->endpoint, req->epoch,
				asker->remote, asker->pid);
	if (rep->result != 0)
		return;
	switch (req->op) {
	case HUB_OP_ATTACH:
		serve_attach(hub, req, asker, rep);
		break;
	case HUB_OP_DETACH:
		rep->result = hub_detach(hub, req->endpoint, req->epoch);
		break;
	case HUB_OP_OPEN:
		rep->result = hub_open(hub, req->endpoint, req->epoch,
				(enum hub_role)req->role, req->name,
				&req->config, req->alone != 0, &shared,
				&rep->size, &rep->id, &rep->number);
		rep->addr = (uintptr_t)shared;
		break;
	case HUB_OP_CLOSE:
	case HUB_OP_CANCEL:
		rep->result = hub_close(hub, req->endpoint, req->epoch,
				(enum hub_role)req->role, req->id,
				req->op == HUB_OP_CLOSE ? FERRY_END_CLOSED :
				FERRY_END_ABSENT);
		break;
	case HUB_OP_FINISH:
	case HUB_OP_SERVER:
		rep->result = hub_finish(hub, req->endpoint, req->epoch,
				req->id, req->op == HUB_OP_FINISH);
		break;
	case HUB_OP_ALLOC:
		rep->result = hub_alloc(hub, req->endpoint, req->epoch,
				req->size, &rep->addr);
		rep->size = req->size;
		break;
	case HUB_OP_FREE:
		rep->result = hub_free_piece(hub, req->endpoint, req->epoch,
				req->addr);
		break;
	case HUB_OP_REGISTER:
		rep->result = hub_register(hub, req->endpoint, req->epoch,
				req->addr, req->size);
		break;
	case HUB_OP_UNREGISTER:
		rep->result = hub_unregister(hub, req->endpoint, req->epoch,
				req->addr, req->size);
		break;
	case HUB_OP_HELLO:
		rep->incarnation = hub->incarnation;
		break;
	case HUB_OP_LIST:
		rep->result = hub_list(hub, req->id, &rep->entry, &rep->total);
		break;
	}
}

void
hub_undo(struct ferry_hub *hub, const struct hub_request *req,
		const struct hub_reply *rep)
{
	if (req->op == HUB_OP_ATTACH)
		hub_detach(hub, rep->endpoint, rep->epoch);
	else if (req->op == HUB_OP_OPEN)
		hub_close(hub, req->endpoint, req->epoch,
			(enum hub_role)req->role, rep->id, FERRY_END_ABSENT);
	else if (req->op == HUB_OP_ALLOC)
		hub_free_piece(hub, req->endpoint, req->epoch, rep->addr);
}

int
hub_publish(struct ferry_hub *hub)
{
	int ret;

	pthread_mutex_lock(&hubs_lock);
	ret = hub_find(hub->name) != NULL ? -EEXIST : hub_socket_open(hub);
	if (ret == 0)
		TAILQ_INSERT_TAIL(&hubs, hub, next);
	pthread_mutex_unlock(&hubs_lock);
	return ret;
}

void
hub_unpublish(struct ferry_hub *hub)
{
	pthread_mutex_lock(&hubs_lock);
	hub->leaving = true;
	while (hub->users > 0)
		pthread_cond_wait(&hubs_unused, &hubs_lock);
	TAILQ_REMOVE(&hubs, hub, next);
	pthread_mutex_unlock(&hubs_lock);
}

/* Use a hub, and release hubs_lock, which is held. A call may take long, and
 * callers of other hubs shall not wait for it. The hub stays in the list until
 * unuse(). */
static void
use(struct ferry_hub *hub)
{
	hub->users++;
	pthread_mutex_unlock(&hubs_lock);
}

/* End the use of a hub. hubs_lock is held again. */
static void
unuse(struct ferry_hub *hub)
{
	pthread_mutex_lock(&hubs_lock);
	if (--hub->users == 0 && hub->leaving)
		pthread_cond_broadcast(&hubs_unused);
}

unsigned int
hub_each(const char *name, void (*fn)(struct ferry_hub *hub, void *arg),
		void *arg)
{
	struct ferry_hub *hub;
	unsigned int n = 0;

	pthread_mutex_lock(&hubs_lock);
	TAILQ_FOREACH(hub, &hubs, next) {
		if (hub->leaving || (name != NULL &&
				strcmp(hub->name, name) != 0))
			continue;
		use(hub);
		fn(hub, arg);
		unuse(hub);
		n++;
	}
	pthread_mutex_unlock(&hubs_lock);
	return n;
}

int
hub_ask_here(const char *name, const struct hub_request *req,
		struct hub_reply *rep)
{
	const struct hub_asker asker = { .pid = getpid(), .pidfd = -1 };
	struct ferry_hub *hub;

	pthread_mutex_lock(&hubs_lock);
	hub = hub_find(name);
	if (hub != NULL && hub->leaving)
		hub = NULL;
	if (hub != NULL) {
		use(hub);
		hub_serve(hub, req, &asker, rep);
		unuse(hub);
	}
	pthread_mutex_unlock(&hubs_lock);
	return hub != NULL ? 0 : -ENOENT;
}
