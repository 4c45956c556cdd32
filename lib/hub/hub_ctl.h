/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_CTL_H
#define FERRY_HUB_CTL_H

/*
 * Requests of endpoints to their hub. In the hub's process they are function
 * calls. From another process each request travels over a connection of its own
 * to the hub's socket (hub_socket.h, endpoint_line.h). The structures are the
 * same in both cases.
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
	/* Get memory for the endpoint, and give it back. */
	HUB_OP_ALLOC,
	HUB_OP_FREE,
	/* Register memory that DPDK did not allocate, for an endpoint in the
	 * hub's process, and undo that. */
	HUB_OP_REGISTER,
	HUB_OP_UNREGISTER,
	/* Sent before ATTACH: get a pidfd of the hub's process. If the
	 * requester has no descriptor left for it, nothing has to be undone. */
	HUB_OP_HELLO,
	/* Have the channel say which server it has, and how far its jobs are
	 * done, because its producer has waited in vain. */
	HUB_OP_SERVER,
	HUB_OP_LAST = HUB_OP_SERVER,
};

struct hub_request {
	uint32_t op;
	/* Version and layout of the requester's build; compared at HELLO and
	 * ATTACH. */
	uint32_t version;
	uint32_t layout;
	/* The hub that is meant, because a later hub may have the same name.
	 * Not used by HELLO, nor by ATTACH in the hub's process. */
	uint64_t incarnation;
	/* The requester; not used by ATTACH. */
	uint32_t endpoint;
	uint32_t epoch;
	/* OPEN, CLOSE, CANCEL: enum hub_role. */
	uint32_t role;
	/* OPEN: not 0 for a producer with lanes of its own. */
	uint32_t alone;
	/* CLOSE, CANCEL, FINISH, SERVER: the channel. LIST: list the channel
	 * after this one. */
	uint64_t id;
	/* addr: FREE, REGISTER, UNREGISTER. size: ALLOC, REGISTER, UNREGISTER,
	 * in bytes. */
	uint64_t addr;
	uint64_t size;
	struct ferry_channel_config config;
	/* ATTACH: name of the endpoint. OPEN: name of the channel. */
	char name[FERRY_NAME_MAX];
};

struct hub_reply {
	/* 0, or what the public call returns. */
	int32_t result;
	/* HELLO, ATTACH: which hub it is. */
	uint64_t incarnation;
	uint32_t endpoint;
	uint32_t epoch;
	/* ATTACH: the registry. OPEN: the channel. ALLOC: the memory. Every
	 * process has it at the same address. */
	uint64_t addr;
	uint64_t size;
	/* OPEN: the channel's id. */
	uint64_t id;
	/* OPEN: the channel's number on the boards. */
	uint32_t number;
	/* LIST: the number of all channels, and one of them. */
	uint32_t total;
	struct ferry_hub_channel entry;
};

/* The process that asks. */
struct hub_asker {
	/* The asking process is not the hub's process. */
	bool remote;
	/* The pid of the asking process, as the kernel says; 0: the hub's pid
	 * namespace does not show it. */
	int32_t pid;
	/* ATTACH: a pidfd of a remote process, or -1. The hub takes it over if
	 * the result is 0. */
	int pidfd;
};

/* Whether a request makes something that its asker must learn of to use it. */
static inline bool
hub_op_makes(uint32_t op)
{
	return op == HUB_OP_ATTACH || op == HUB_OP_OPEN || op == HUB_OP_ALLOC;
}

/* Whether a request gives something back. If the hub is not told, that is
 * lost. */
static inline bool
hub_op_gives(uint32_t op)
{
	return op == HUB_OP_DETACH || op == HUB_OP_CLOSE ||
		op == HUB_OP_CANCEL || op == HUB_OP_FREE;
}

/* Whether a request is possible, for this hub and in this version: 0, or the
 * result for the reply. */
int hub_check(const struct ferry_hub *hub, const struct hub_request *req,
		const struct hub_asker *asker);

/* Check and carry out a request. Everything in it is checked. */
void hub_serve(struct ferry_hub *hub, const struct hub_request *req,
		const struct hub_asker *asker, struct hub_reply *rep);

/* Undo what a request made, because its asker cannot learn of it. */
void hub_undo(struct ferry_hub *hub, const struct hub_request *req,
		const struct hub_reply *rep);

/*
 * The functions below take a lock. In a forked process a thread that does not
 * exist there may hold it. Therefore only the process that started EAL calls
 * them. ferry_eal_adopt() or hub_line_check() has checked that it is this
 * process.
 */

/* Make the hub known in this process and to secondaries. hub_unpublish() undoes
 * that, and waits for calls of this process that use the hub. */
int hub_publish(struct ferry_hub *hub);
void hub_unpublish(struct ferry_hub *hub);

/* Call fn for every hub of this process, or for the hub of that name. The hub
 * does not go away during the call, other hubs may. Returns how many calls
 * there were. */
unsigned int hub_each(const char *name,
		void (*fn)(struct ferry_hub *hub, void *arg), void *arg);

/* Have a request carried out by the hub of that name in this process: 0 (look
 * at the reply's result) or -ENOENT. */
int hub_ask_here(const char *hub, const struct hub_request *req,
		struct hub_reply *rep);

#endif /* FERRY_HUB_CTL_H */
