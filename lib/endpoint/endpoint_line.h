/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_LINE_H
#define FERRY_HUB_LINE_H

/*
 * An endpoint's way to its hub: a function call in the hub's process, and from
 * another one a connection for each request. Used by one thread, so that no
 * request waits for another thread's.
 */

#include "hub_ctl.h"

/* Longest that a request takes: 3 s of CLOCK_MONOTONIC in which this process
 * ran. */
#define HUB_LINE_NS UINT64_C(3000000000)

struct hub_line {
	char hub[FERRY_NAME_MAX];
	/* In the hub's process: no descriptors. */
	bool local;
	/* That it was made in, by its token: see ferry_process_check(). */
	uint64_t process;
	/* EAL's runtime directory. */
	int dir;
	/* A socket for a moment without descriptors, in which an endpoint may
	 * have to give something back. */
	int spare;
	/* The hub's process. */
	int pidfd;
	/* The hub, from hub_line_open() on; 0 in its own process. */
	uint64_t incarnation;
};

/*
 * Find a hub. left: the time there is for it, in ns; what it took is taken off.
 * Returns 0; -ENOENT if there is no hub of that name; FERRY_E_HUB_GONE if there
 * was; -ETIMEDOUT; -EACCES if it is another user's; -EMFILE if this process or
 * the hub has no descriptor left; FERRY_E_NO_PIDFD; FERRY_E_VERSION; or another
 * negative errno. Then there is nothing to close.
 */
int hub_line_open(struct hub_line *line, const char *hub, uint64_t *left);
void hub_line_close(struct hub_line *line);

/* Whether this is the process that made the line, and not one forked from it:
 * 0 or FERRY_E_FORKED. */
int hub_line_check(const struct hub_line *line);

/*
 * Have the hub carry out a request. pidfd: of this process, to go with ATTACH;
 * or -1. left: as above; with 0 the request is sent and its reply not waited
 * for. Returns 0 if there is a reply (look at its result), or why there is
 * none. After -ETIMEDOUT the hub undoes what the request made, or does not
 * begin it; what gives something back it carries out when it can.
 */
int hub_line_ask(struct hub_line *line, const struct hub_request *req,
		int pidfd, struct hub_reply *rep, uint64_t *left);

#endif /* FERRY_HUB_LINE_H */
