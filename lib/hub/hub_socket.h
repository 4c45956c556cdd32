/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_SOCKET_H
#define FERRY_HUB_SOCKET_H

/*
 * The hub's control socket: a SOCK_SEQPACKET socket in EAL's runtime directory,
 * named after the hub. An endpoint of another process connects for each
 * request: the endpoint sends one packet, the hub sends one back, and the
 * connection ends. If an endpoint gives a request up, the hub cannot send its
 * reply. The hub then undoes the request. So a request needs no number and no
 * time.
 *
 * The hub's monitor thread runs all of this except open and close. Nothing in
 * it waits for a client.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ferry_channel_layout.h"

struct ferry_hub;

/* Clients that have connected and not yet sent. More at the same time are not
 * usual, because a client sends at once. */
#define HUB_CONNS 64

struct hub_conn {
	/* -1: a free place. */
	int fd;
	/* When it was accepted: CLOCK_MONOTONIC in ns. */
	uint64_t since;
};

struct hub_socket {
	/* EAL's runtime directory; -1: the hub has no socket, because EAL runs
	 * without shared files, and so without secondaries. */
	int dir;
	int listener;
	/* A descriptor to close when a client is to be accepted and none is
	 * left. */
	int reserve;
	/* A pidfd of this process, for endpoints; -1: the kernel gives none. */
	int self;
	/* Since when the hub can accept no client, or 0; when the log last said
	 * so: CLOCK_MONOTONIC in ns. */
	uint64_t paused;
	uint64_t told;
	/* A process ended or attached: remove sockets of dead processes. swept:
	 * since when that could not be done, CLOCK_MONOTONIC in ns, or 0. */
	bool sweep;
	uint64_t swept;
	struct hub_conn conns[HUB_CONNS];
};

/* File names in the runtime directory. */
#define HUB_SOCKET_NAME "ferry_ctl."
/* Its name until it listens. */
#define HUB_SOCKET_NEW "ferry_new."

/*
 * The address of a socket file in a directory that is open. It leads through
 * the descriptor, because the directory's own path may be too long for it.
 */
static inline void
hub_sockaddr(struct sockaddr_un *sa, int dir, const char *prefix,
		const char *name)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s%s",
		dir, prefix, name);
}

static_assert(sizeof("/proc/self/fd/2147483647/") + sizeof(HUB_SOCKET_NAME) +
	FERRY_NAME_MAX < sizeof(((struct sockaddr_un *)0)->sun_path),
	"socket path");

/* Set all descriptors to none. */
void hub_socket_init(struct hub_socket *s);
/* Make the socket and listen: 0; -EEXIST if another process has a hub of that
 * name here; or another negative errno. */
int hub_socket_open(struct ferry_hub *hub);
void hub_socket_close(struct ferry_hub *hub);

/* A client wants to connect. */
void hub_socket_accept(struct ferry_hub *hub);
/* A packet came on a connection that was accepted before. */
void hub_socket_ready(struct ferry_hub *hub, uint32_t conn);
/* Do what is due. Called after each round of the monitor. */
void hub_socket_tick(struct ferry_hub *hub);
/* How long the monitor may sleep, in ms, or -1. */
int hub_socket_patience(const struct ferry_hub *hub);

#endif /* FERRY_HUB_SOCKET_H */
