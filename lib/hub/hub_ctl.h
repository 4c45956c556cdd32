/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_CTL_H
#define FERRY_HUB_CTL_H

/*
 * Requests of endpoints to their hub. In the hub's process they are function
 * calls; from another one each travels over a connection of its own to the
 * hub's socket (hub_socket.h, endpoint_line.h): the same structures either way.
 */

#include <stdbool.h>
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
	/* Before ATTACH: a pidfd of the hub's process, so that nothing has to
	 * be undone if the requester has no descriptor for it. */
	HUB_OP_HELLO,
	/* See to it that the channel says who serves it, and how far its jobs
	 * are done: its producer has waited in vain. */
	HUB_OP_SERVER,
	HUB_OP_LAST = HUB_OP_SERVER,
};

struct hub_request {
	uint32_t op;
	/* Of the requester's build; compared at HELLO and ATTACH. */
	uint32_t version;
	uint32_t layout;
	/* The hub that is meant, and no later one of the same name. Not used by
	 * HELLO, nor by ATTACH in the hub's process. */
	uint64_t incarnation;
	/* The requester; not used by ATTACH. */
	uint32_t endpoint;
	uint32_t epoch;
	/* OPEN, CLOSE, CANCEL: enum hub_role. */
	uint32_t role;
	/* OPEN: not 0: a producer with lanes of its own. */
	uint32_t alone;
	/* CLOSE, CANCEL, FINISH, SERVER: the channel. LIST: list the one after
	 * it. */
	uint64_t id;
	/* FREE, REGISTER, UNREGISTER: where. All and ALLOC but FREE: bytes. */
	uint64_t addr;
	uint64_t size;
	struct ferry_channel_config config;
	/* ATTACH: of the endpoint. OPEN: of the channel. */
	char name[FERRY_NAME_MAX];
};

struct hub_reply {
	/* 0, or what the public call returns. */
	int32_t result;
	/* HELLO, ATTACH: the hub. */
	uint64_t incarnation;
	uint32_t endpoint;
	uint32_t epoch;
	/* ATTACH: the registry. OPEN: the channel. ALLOC: the memory. Same
	 * address everywhere. */
	uint64_t addr;
	uint64_t size;
	/* OPEN: the channel's. */
	uint64_t id;
	/* OPEN: the channel's number on the boards. */
	uint32_t number;
	/* LIST. */
	uint32_t total;
	struct ferry_hub_channel entry;
};

/* Who asks. */
struct hub_asker {
	/* In another process than the hub's. */
	bool remote;
	/* Its process, as the kernel says; 0: the hub's pid namespace does not
	 * show it. */
	int32_t pid;
	/* ATTACH: that of a remote process, or -1. The hub takes it over if the
	 * result is 0. */
	int pidfd;
};

/* Whether a request makes something that its asker must learn of to use. */
static inline bool
hub_op_makes(uint32_t op)
{
	return op == HUB_OP_ATTACH || op == HUB_OP_OPEN || op == HUB_OP_ALLOC;
}

/* Whether a request gives something back, that is lost if the hub is not
 * told. */
static inline bool
hub_op_gives(uint32_t op)
{
	return op == HUB_OP_DETACH || op == HUB_OP_CLOSE ||
		op == HUB_OP_CANCEL || op == HUB_OP_FREE;
}

/* Whether a request can be meant as it is, for this hub and in this version: 0,
 * or what the reply says. */
int hub_check(const struct ferry_hub *hub, const struct hub_request *req,
		const struct hub_asker *asker);

/* Check and carry out a request. Nothing in it is believed. */
void hub_serve(struct ferry_hub *hub, const struct hub_request *req,
		const struct hub_asker *asker, struct hub_reply *rep);

/* Undo what a request made, because its asker cannot learn of it. */
void hub_undo(struct ferry_hub *hub, const struct hub_request *req,
		const struct hub_reply *rep);

/*
 * What follows takes a lock, which a thread that is not in a forked process may
 * hold there. So it is called in the process that started EAL only, which
 * ferry_eal_adopt() or hub_line_check() has found out.
 */

/* Make the hub known in this process and to secondaries, and undo that,
 * which waits for calls of this process that use it. */
int hub_publish(struct ferry_hub *hub);
void hub_unpublish(struct ferry_hub *hub);

/* Call fn for every hub of this process, or for the one of that name. The
 * hub does not go away meanwhile, others may. Returns how many calls there
 * were. */
unsigned int hub_each(const char *name,
		void (*fn)(struct ferry_hub *hub, void *arg), void *arg);

/* Have a request carried out by the hub of that name in this process: 0 (look
 * at the reply's result) or -ENOENT. */
int hub_ask_here(const char *hub, const struct hub_request *req,
		struct hub_reply *rep);

#endif /* FERRY_HUB_CTL_H */
