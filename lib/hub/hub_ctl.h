/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_CTL_H
#define FERRY_HUB_CTL_H

/*
 * Requests of endpoints to their hub. In the hub's process they are function
 * calls, from a secondary they travel over EAL's multi-process channel
 * (rte_mp, a unix socket): the same structures either way.
 */

#include <stdint.h>

#include "hub_private.h"

enum hub_op {
	HUB_OP_ATTACH = 1,
	HUB_OP_DETACH,
	HUB_OP_OPEN,
	HUB_OP_CLOSE,
	HUB_OP_LIST,
	/* Undo an OPEN: the end was not started. */
	HUB_OP_CANCEL,
	/* Carry out the jobs of a producer's end that is about to close. */
	HUB_OP_FINISH,
	/* Memory for the endpoint, and back. */
	HUB_OP_ALLOC,
	HUB_OP_FREE,
	/* Memory of the hub's process that is not of DPDK, of an endpoint in
	 * it, and back. */
	HUB_OP_REGISTER,
	HUB_OP_UNREGISTER,
};

struct hub_request {
	uint32_t op;
	/* Of the requester's build; compared at ATTACH. */
	uint32_t version;
	uint32_t layout;
	/* The hub attached to, so that no later one of the same name is meant.
	 * Not used by ATTACH. */
	uint64_t incarnation;
	/* The requester; not used by ATTACH. */
	uint32_t endpoint;
	uint32_t epoch;
	/* OPEN, CLOSE, CANCEL: enum hub_role. */
	uint32_t role;
	/* OPEN: not 0: a producer with lanes of its own. */
	uint32_t alone;
	/* CLOSE, CANCEL, FINISH: the channel. LIST: list the one after it. */
	uint64_t id;
	/* FREE, REGISTER, UNREGISTER: where. All and ALLOC but FREE: bytes. */
	uint64_t addr;
	uint64_t size;
	/* Nobody waits for the reply any more: CLOCK_MONOTONIC in ns. Set by
	 * hub_ask(), as is the number. */
	uint64_t expires;
	uint32_t nonce;
	/* ATTACH. */
	int32_t pid;
	struct ferry_channel_config config;
	/* ATTACH: of the endpoint. OPEN: of the channel. */
	char name[FERRY_NAME_MAX];
};

struct hub_reply {
	/* 0, or what the public call returns. */
	int32_t result;
	/* That of the request: EAL pairs the two by name only. */
	uint32_t nonce;
	/* ATTACH: the hub. */
	uint64_t incarnation;
	uint32_t endpoint;
	uint32_t epoch;
	/* ATTACH: the registry. OPEN: the channel. ALLOC: the memory. Same
	 * address everywhere. */
	uint64_t addr;
	uint64_t size;
	uint64_t id;
	/* OPEN: the channel's number on the boards. */
	uint32_t number;
	/* LIST. */
	uint32_t total;
	struct ferry_hub_channel entry;
};

/* Carry out a request. pidfd: that of a remote requester's process, or -1;
 * it is taken over if the result is 0. */
void hub_serve(struct ferry_hub *hub, const struct hub_request *req, int pidfd,
		struct hub_reply *rep);

/* Make the hub known in this process and to secondaries, and undo that. */
int hub_publish(struct ferry_hub *hub);
void hub_unpublish(struct ferry_hub *hub);

/* Call fn for every hub of this process, or for the one of that name. No hub
 * goes away meanwhile. Returns how many calls there were. */
unsigned int hub_each(const char *name,
		void (*fn)(struct ferry_hub *hub, void *arg), void *arg);

/*
 * Send a request to the hub of that name and wait for the reply. fd_out: a fd
 * to go with it, or -1. fd_in: takes the fd that came with the reply; NULL or
 * -1 if none. Returns 0 if there is a reply (look at its result), -ENOENT,
 * -ETIMEDOUT or another negative errno if not.
 */
int hub_ask(const char *hub, const struct hub_request *req, int fd_out,
		struct hub_reply *rep, int *fd_in);

#endif /* FERRY_HUB_CTL_H */
