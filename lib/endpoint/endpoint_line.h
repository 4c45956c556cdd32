/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_LINE_H
#define FERRY_HUB_LINE_H

/*
 * An endpoint's way to its hub: a function call in the hub's process, and a
 * connection for each request from another process. One thread uses a line, so
 * that no request waits for another thread's.
 */

#include "hub_ctl.h"

/* Longest time that a request takes: 3 s of CLOCK_MONOTONIC, in which only the
 * time counts that this process ran. */
#define HUB_LINE_NS UINT64_C(3000000000)

struct hub_line {
	char hub[FERRY_NAME_MAX];
	/* This is the hub's process, and the line has no descriptors. */
	bool local;
	/* The token of the process that made the line: see
	 * ferry_process_check(). */
	uint64_t process;
	/* EAL's runtime directory. */
	int dir;
	/* A socket for a moment in which no descriptor is left, because an
	 * endpoint may have to give something back then. */
	int spare;
	/* A pidfd of the hub's process. */
	int pidfd;
	/* The hub's incarnation, from hub_line_open() on; 0 in its own
	 * process. */
	uint64_t incarnation;
};

/*
 * Find a hub. left: the time for it, in ns; the time taken is subtracted.
 * Returns 0; -ENOENT if there is no hub of that name; FERRY_E_HUB_GONE if there
 * was one; -ETIMEDOUT; -EACCES if the hub is another user's; -EMFILE if this
 * process or the hub has no descriptor left; FERRY_E_NO_PIDFD; FERRY_E_VERSION;
 * or another negative errno. After an error there is nothing to close.
 */
int hub_line_open(struct hub_line *line, const char *hub, uint64_t *left);
void hub_line_close(struct hub_line *line);

/* Whether the calling process made the line, and was not forked from the one
 * that did: 0 or FERRY_E_FORKED. */
int hub_line_check(const struct hub_line *line);

/*
 * Have the hub carry out a request. pidfd: a pidfd of this process, to go with
 * ATTACH; or -1. left: as above; with 0 the request is sent, and the call does
 * not wait for its reply. Returns 0 if there is a reply (look at its result),
 * or why there is none. After -ETIMEDOUT the hub undoes what the request made,
 * or does not begin it. A request that gives something back the hub carries out
 * when it can.
 */
int hub_line_ask(struct hub_line *line, const struct hub_request *req,
		int pidfd, struct hub_reply *rep, uint64_t *left);

#endif /* FERRY_HUB_LINE_H */
