/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "ferry_errno.h"
#include "hub_ctl.h"

/* How long a secondary waits for the hub's answer. */
#define ASK_SECONDS 3
/* So long before, the hub takes it that the answer will be late: 20 ms. */
#define ASK_MARGIN_NS UINT64_C(20000000)

RTE_LOG_REGISTER(ferry_hub_logtype, ferry.hub, NOTICE);

static_assert(sizeof(struct hub_request) <= RTE_MP_MAX_PARAM_LEN, "mp message");
static_assert(sizeof(struct hub_reply) <= RTE_MP_MAX_PARAM_LEN, "mp message");

/*
 * The one thing ferry keeps per process: rte_mp gives its callback no context,
 * so the hub a message is for has to be found by name.
 */
static TAILQ_HEAD(, ferry_hub) hubs = TAILQ_HEAD_INITIALIZER(hubs);
static pthread_mutex_t hubs_lock = PTHREAD_MUTEX_INITIALIZER;
/* rte_mp takes one request of a name at a time from a process. */
static pthread_mutex_t ask_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int
mp_name(char *out, size_t len, const char *hub)
{
	return snprintf(out, len, "ferry:%s", hub) < (int)len ? 0 :
		-ENAMETOOLONG;
}

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
serve_attach(struct ferry_hub *hub, const struct hub_request *req, int pidfd,
		struct hub_reply *rep)
{
	if (req->version != FERRY_CHANNEL_VERSION ||
			req->layout != ferry_channel_layout_hash()) {
		rep->result = FERRY_E_VERSION;
		return;
	}
	rep->result = hub_attach(hub, req->name, req->pid, pidfd,
			&rep->endpoint, &rep->epoch);
	rep->incarnation = hub->incarnation;
	rep->addr = (uintptr_t)hub->registry;
	rep->size = sizeof(*hub->registry) + (uint64_t)hub->max_endpoints *
		sizeof(hub->registry->bells[0]);
}

void
hub_serve(struct ferry_hub *hub, const struct hub_request *req, int pidfd,
		struct hub_reply *rep)
{
	struct ferry_channel_shared *shared = NULL;

	memset(rep, 0, sizeof(*rep));
	if (req->op < HUB_OP_ATTACH || req->op > HUB_OP_UNREGISTER ||
			memchr(req->name, 0, sizeof(req->name)) == NULL ||
			req->role > HUB_RX) {
		rep->result = -EINVAL;
		return;
	}
	/* Epochs and ids begin anew with each hub. */
	if (req->op != HUB_OP_ATTACH && req->incarnation != hub->incarnation) {
		rep->result = FERRY_E_HUB_GONE;
		return;
	}
	switch (req->op) {
	case HUB_OP_ATTACH:
		serve_attach(hub, req, pidfd, rep);
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
		rep->result = hub_finish(hub, req->endpoint, req->epoch,
				req->id);
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
	case HUB_OP_LIST:
		rep->result = hub_list(hub, req->id, &rep->entry, &rep->total);
		break;
	}
}

/*
 * A hub that was stopped for long finds requests that were given up. A late
 * reply would be taken for the one to the requester's next request, and an end,
 * endpoint or piece made now would never be used nor given up.
 */
static bool
makes(const struct hub_request *req)
{
	return req->op == HUB_OP_ATTACH || req->op == HUB_OP_OPEN ||
		req->op == HUB_OP_ALLOC;
}

static int
open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* Runs on EAL's rte_mp_handle thread. */
static int
mp_serve(const struct rte_mp_msg *msg, const void *peer)
{
	const char *name = strchr(msg->name, ':') + 1;
	int pidfd = msg->num_fds == 1 ? msg->fds[0] : -1, self = -1;
	bool taken = false, late = false;
	struct hub_request req;
	struct rte_mp_msg out;
	struct hub_reply rep;
	struct ferry_hub *hub;
	int ret, i;

	memset(&out, 0, sizeof(out));
	memset(&rep, 0, sizeof(rep));
	/* Unless it has the size of this build's requests. */
	rep.result = FERRY_E_VERSION;
	pthread_mutex_lock(&hubs_lock);
	hub = hub_find(name);
	if (hub == NULL) {
		rep.result = FERRY_E_HUB_GONE;
	} else if (msg->len_param == sizeof(req)) {
		memcpy(&req, msg->param, sizeof(req));
		late = now_ns() > req.expires;
		/* A remote endpoint whose death would go unnoticed is none. */
		if (req.op == HUB_OP_ATTACH && pidfd < 0)
			rep.result = -EINVAL;
		else if (!late || !makes(&req))
			hub_serve(hub, &req, pidfd, &rep);
		rep.nonce = req.nonce;
		if (req.op == HUB_OP_ATTACH && rep.result == 0) {
			taken = true;
			/* The hub's own, so that it is missed when it dies. */
			self = open_pidfd(getpid());
		}
	}
	pthread_mutex_unlock(&hubs_lock);
	/* All that came are this process's now, however many. */
	for (i = 0; i < msg->num_fds && !taken; i++)
		close(msg->fds[i]);
	if (late)
		return 0;

	strcpy(out.name, msg->name);
	memcpy(out.param, &rep, sizeof(rep));
	out.len_param = sizeof(rep);
	if (self >= 0) {
		out.fds[0] = self;
		out.num_fds = 1;
	}
	ret = rte_mp_reply(&out, peer);
	if (self >= 0)
		close(self);
	return ret;
}

int
hub_publish(struct ferry_hub *hub)
{
	char name[RTE_MP_MAX_NAME_LEN];
	int ret = mp_name(name, sizeof(name), hub->name);

	if (ret != 0)
		return ret;
	pthread_mutex_lock(&hubs_lock);
	if (hub_find(hub->name) != NULL)
		ret = -EEXIST;
	/* ENOTSUP: EAL runs without shared files, so without secondaries. */
	else if (rte_mp_action_register(name, mp_serve) != 0 &&
			rte_errno != ENOTSUP)
		ret = -rte_errno;
	else
		TAILQ_INSERT_TAIL(&hubs, hub, next);
	pthread_mutex_unlock(&hubs_lock);
	return ret;
}

void
hub_unpublish(struct ferry_hub *hub)
{
	char name[RTE_MP_MAX_NAME_LEN];

	mp_name(name, sizeof(name), hub->name);
	rte_mp_action_unregister(name);
	pthread_mutex_lock(&hubs_lock);
	TAILQ_REMOVE(&hubs, hub, next);
	pthread_mutex_unlock(&hubs_lock);
}

unsigned int
hub_each(const char *name, void (*fn)(struct ferry_hub *hub, void *arg),
		void *arg)
{
	struct ferry_hub *hub;
	unsigned int n = 0;

	pthread_mutex_lock(&hubs_lock);
	TAILQ_FOREACH(hub, &hubs, next) {
		if (name != NULL && strcmp(hub->name, name) != 0)
			continue;
		fn(hub, arg);
		n++;
	}
	pthread_mutex_unlock(&hubs_lock);
	return n;
}

static int
ask_local(const char *name, const struct hub_request *req,
		struct hub_reply *rep)
{
	struct ferry_hub *hub;

	pthread_mutex_lock(&hubs_lock);
	hub = hub_find(name);
	if (hub != NULL)
		hub_serve(hub, req, -1, rep);
	pthread_mutex_unlock(&hubs_lock);
	return hub != NULL ? 0 : -ENOENT;
}

/* What a reply is worth: 0 or negative. The fd that came with it is kept only
 * if somebody wants it. */
static int
take_reply(const struct rte_mp_msg *answer, uint32_t nonce,
		struct hub_reply *rep, int *fd_in)
{
	int ret = 0, i = 0;

	if (answer->len_param != sizeof(*rep)) {
		ret = FERRY_E_VERSION;
	} else {
		memcpy(rep, answer->param, sizeof(*rep));
		/* Without a number: to a request that could not be read, or
		 * that no hub was there for. Else to one given up before. */
		if (rep->nonce != nonce && (rep->nonce != 0 ||
				rep->result == 0))
			ret = -ETIMEDOUT;
	}
	if (ret == 0 && fd_in != NULL && answer->num_fds > 0)
		*fd_in = answer->fds[i++];
	for (; i < answer->num_fds; i++)
		close(answer->fds[i]);
	return ret;
}

static int
ask_remote(const char *hub, const struct hub_request *req, int fd_out,
		struct hub_reply *rep, int *fd_in)
{
	/* Guarded by ask_lock. Never 0. */
	static uint32_t last_nonce;
	const struct timespec wait = { .tv_sec = ASK_SECONDS };
	struct rte_mp_reply replies = { 0 };
	struct hub_request sent;
	struct rte_mp_msg msg;
	int ret;

	memset(&msg, 0, sizeof(msg));
	ret = mp_name(msg.name, sizeof(msg.name), hub);
	if (ret != 0)
		return ret;
	if (fd_out >= 0) {
		msg.fds[0] = fd_out;
		msg.num_fds = 1;
	}
	pthread_mutex_lock(&ask_lock);
	memcpy(&sent, req, sizeof(sent));
	sent.expires = now_ns() + ASK_SECONDS * UINT64_C(1000000000) -
		ASK_MARGIN_NS;
	sent.nonce = last_nonce = last_nonce % UINT32_MAX + 1;
	memcpy(msg.param, &sent, sizeof(sent));
	msg.len_param = sizeof(sent);
	ret = rte_mp_request_sync(&msg, &replies, &wait);
	pthread_mutex_unlock(&ask_lock);
	if (ret != 0)
		return rte_errno == ECONNREFUSED || rte_errno == ENOENT ?
			FERRY_E_HUB_GONE : -rte_errno;
	/* Nobody to send it to: the primary's socket is gone. */
	if (replies.nb_received != 1)
		return FERRY_E_HUB_GONE;
	ret = take_reply(&replies.msgs[0], sent.nonce, rep, fd_in);
	free(replies.msgs);
	return ret;
}

int
hub_ask(const char *hub, const struct hub_request *req, int fd_out,
		struct hub_reply *rep, int *fd_in)
{
	if (fd_in != NULL)
		*fd_in = -1;
	if (rte_eal_process_type() == RTE_PROC_PRIMARY)
		return ask_local(hub, req, rep);
	return ask_remote(hub, req, fd_out, rep, fd_in);
}
