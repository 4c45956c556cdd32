/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_H
#define CONTROL_H

/*
 * Makes the test itself a client of a hub's control socket, so that it can send
 * packets that no endpoint sends. Also counts the hub's descriptors. Include
 * after cmocka.h.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include "hub_ctl.h"
#include "peer.h"

/* A step that takes longer than this hangs. A request ends after 3 s. */
#define HANGS SECONDS(60)

/* EAL's directory of the test. */
const char *control_dir(void);
/* A socket, and the address of that name in the directory. */
int control_socket(const char *name, struct sockaddr_un *sa);
/* Connect to the hub. */
int control_dial(void);
/* Send a packet with descriptors. Returns what sendmsg() returns. */
ssize_t control_say(int conn, const void *data, size_t len, const int *fds,
		unsigned int n);
/* Connect, send a packet and wait for the reply. Returns the reply's result. */
int control_ask(const void *data, size_t len, const int *fds, unsigned int n,
		struct hub_reply *rep);
/* Ask the hub for its incarnation number. */
uint64_t control_incarnation(void);
/* Make a correct request to attach. It must be sent with a pidfd. */
struct hub_request control_attach(void);

/* How many descriptors a process has open. */
unsigned int fds_of(pid_t pid);
/* How many the hub has open, once it has completed earlier requests. */
unsigned int hub_fds(const struct peer *hub);
/* Wait until a process has n descriptors open. Fails the test if it never
 * has. */
void await_fds(pid_t pid, unsigned int n);

#endif /* CONTROL_H */
