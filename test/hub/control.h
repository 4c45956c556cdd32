/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_H
#define CONTROL_H

/*
 * The test itself as a client of a hub's control socket, for what no endpoint
 * sends; and what the hub and the directory have meanwhile. Include after
 * cmocka.h.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include "hub_ctl.h"
#include "peer.h"

/* What takes longer hangs. A request's own limit is 3 s. */
#define HANGS SECONDS(60)

/* EAL's directory of the test. */
const char *control_dir(void);
/* A socket, and the address of that name in the directory. */
int control_socket(const char *name, struct sockaddr_un *sa);
/* Connect to the hub. */
int control_dial(void);
/* Send a packet with descriptors: what sendmsg() says. */
ssize_t control_say(int conn, const void *data, size_t len, const int *fds,
		unsigned int n);
/* All of it: connect, send, wait for the reply. Its result. */
int control_ask(const void *data, size_t len, const int *fds, unsigned int n,
		struct hub_reply *rep);
/* What the hub says that it is. */
uint64_t control_incarnation(void);
/* A request to attach that is right; a pidfd goes with it. */
struct hub_request control_attach(void);

/* A process's descriptors. */
unsigned int fds_of(pid_t pid);
/* The hub's, after it has done what former requests led to. */
unsigned int hub_fds(const struct peer *hub);
/* Their number comes back to what it was. */
void await_fds(pid_t pid, unsigned int n);

#endif /* CONTROL_H */
