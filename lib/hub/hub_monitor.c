/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ferry_compat.h"
#include "hub_private.h"

/* What epoll hands back: an endpoint and its epoch, or this. No epoch is 0. */
#define STOP UINT64_C(0)

static void *
monitor_loop(void *arg)
{
	struct ferry_hub *hub = arg;
	struct epoll_event ev[16];
	int n, i;

	for (;;) {
		n = epoll_wait(hub->epoll, ev, RTE_DIM(ev), -1);
		for (i = 0; i < n; i++) {
			const uint64_t who = ev[i].data.u64;

			if (who == STOP)
				return NULL;
			hub_reap(hub, (uint32_t)(who >> 32), (uint32_t)who);
		}
	}
}

int
hub_monitor_start(struct ferry_hub *hub)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = STOP };
	int ret;

	hub->epoll = epoll_create1(EPOLL_CLOEXEC);
	hub->stop = eventfd(0, EFD_CLOEXEC);
	if (hub->epoll < 0 || hub->stop < 0 || epoll_ctl(hub->epoll,
			EPOLL_CTL_ADD, hub->stop, &ev) != 0)
		ret = -errno;
	else
		ret = ferry_ctrl_thread(&hub->monitor, "ferry-monitor",
				monitor_loop, hub);
	if (ret != 0) {
		close(hub->epoll);
		close(hub->stop);
	}
	return ret;
}

void
hub_monitor_stop(struct ferry_hub *hub)
{
	eventfd_write(hub->stop, 1);
	pthread_join(hub->monitor, NULL);
	close(hub->epoll);
	close(hub->stop);
}

int
hub_monitor_watch(struct ferry_hub *hub, int pidfd, uint32_t endpoint,
		uint32_t epoch)
{
	/* A pidfd becomes readable when its process has ended. */
	struct epoll_event ev = {
		.events = EPOLLIN,
		.data.u64 = (uint64_t)endpoint << 32 | epoch,
	};

	return epoll_ctl(hub->epoll, EPOLL_CTL_ADD, pidfd, &ev) == 0 ?
		0 : -errno;
}

void
hub_monitor_forget(struct ferry_hub *hub, int pidfd)
{
	/* Not left to close(): the peer's process may hold the same file. */
	epoll_ctl(hub->epoll, EPOLL_CTL_DEL, pidfd, NULL);
}
