/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ferry_compat.h"
#include "hub_private.h"

/* What epoll hands back: an endpoint and its epoch, or these. No epoch is 0. */
#define STOP UINT64_C(0)
#define SWEEP (UINT64_C(1) << 32)

/* How often limbo is swept while there is anything in it: 100 ms. */
#define SWEEP_NS 100000000

static void *
monitor_loop(void *arg)
{
	struct ferry_hub *hub = arg;
	struct epoll_event ev[16];
	uint64_t ticks;
	int n, i;

	for (;;) {
		n = epoll_wait(hub->epoll, ev, RTE_DIM(ev), -1);
		for (i = 0; i < n; i++) {
			const uint64_t who = ev[i].data.u64;

			if (who == STOP)
				return NULL;
			if (who != SWEEP)
				hub_reap(hub, (uint32_t)(who >> 32), (uint32_t)who);
			/* Fails if it was set anew meanwhile. */
			else if (read(hub->timer, &ticks, sizeof(ticks)) > 0)
				hub_sweep(hub);
		}
	}
}

int
hub_monitor_start(struct ferry_hub *hub)
{
	struct epoll_event stop = { .events = EPOLLIN, .data.u64 = STOP };
	struct epoll_event sweep = { .events = EPOLLIN, .data.u64 = SWEEP };
	int ret;

	hub->epoll = epoll_create1(EPOLL_CLOEXEC);
	hub->stop = eventfd(0, EFD_CLOEXEC);
	hub->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC |
			TFD_NONBLOCK);
	if (hub->epoll < 0 || hub->stop < 0 || hub->timer < 0 ||
			epoll_ctl(hub->epoll, EPOLL_CTL_ADD, hub->stop,
				&stop) != 0 ||
			epoll_ctl(hub->epoll, EPOLL_CTL_ADD, hub->timer,
				&sweep) != 0)
		ret = -errno;
	else
		ret = ferry_ctrl_thread(&hub->monitor, "ferry-monitor",
				monitor_loop, hub);
	if (ret != 0) {
		close(hub->epoll);
		close(hub->stop);
		close(hub->timer);
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
	close(hub->timer);
}

void
hub_monitor_sweeps(struct ferry_hub *hub, bool on)
{
	const struct itimerspec when = {
		.it_interval.tv_nsec = on ? SWEEP_NS : 0,
		.it_value.tv_nsec = on ? SWEEP_NS : 0,
	};

	timerfd_settime(hub->timer, 0, &when, NULL);
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
