/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ferry_compat.h"
#include "hub_private.h"

/* What epoll returns: the endpoint in the upper half and its epoch, which is
 * never 0, in the lower half; or an enum hub_event in the upper half and 0. */
#define EVENT(e) ((uint64_t)(e) << 32)

/* How often limbo is swept while there is anything in it: 100 ms. */
#define SWEEP_NS 100000000

static void
event_serve(struct ferry_hub *hub, uint32_t event)
{
	uint64_t ticks;

	if (event >= HUB_EVENT_CONN) {
		hub_socket_ready(hub, event - HUB_EVENT_CONN);
	} else if (event == HUB_EVENT_LISTENER) {
		hub_socket_accept(hub);
	/* read() fails if the timer was set anew meanwhile. */
	} else if (read(hub->timer, &ticks, sizeof(ticks)) > 0) {
		hub_sweep(hub);
	}
}

static void *
monitor_loop(void *arg)
{
	struct ferry_hub *hub = arg;
	struct epoll_event ev[16];
	int n, i;

	for (;;) {
		n = epoll_wait(hub->epoll, ev, RTE_DIM(ev),
				hub_socket_patience(hub));
		for (i = 0; i < n; i++) {
			const uint32_t what = (uint32_t)(ev[i].data.u64 >> 32);
			const uint32_t epoch = (uint32_t)ev[i].data.u64;

			if (epoch != 0) {
				hub_reap(hub, what, epoch);
				hub->socket.sweep = true;
			} else if (what == HUB_EVENT_STOP) {
				return NULL;
			} else {
				event_serve(hub, what);
			}
		}
		hub_socket_tick(hub);
	}
}

int
hub_monitor_add(struct ferry_hub *hub, int fd, uint32_t event)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = EVENT(event) };

	return epoll_ctl(hub->epoll, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -errno;
}

void
hub_monitor_set(struct ferry_hub *hub, int fd, uint32_t event, bool on)
{
	struct epoll_event ev = {
		.events = on ? EPOLLIN : 0,
		.data.u64 = EVENT(event),
	};

	epoll_ctl(hub->epoll, EPOLL_CTL_MOD, fd, &ev);
}

int
hub_monitor_open(struct ferry_hub *hub)
{
	int ret;

	hub->epoll = epoll_create1(EPOLL_CLOEXEC);
	hub->stop = eventfd(0, EFD_CLOEXEC);
	hub->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC |
			TFD_NONBLOCK);
	if (hub->epoll < 0 || hub->stop < 0 || hub->timer < 0)
		ret = -errno;
	else
		ret = hub_monitor_add(hub, hub->stop, HUB_EVENT_STOP);
	if (ret == 0)
		ret = hub_monitor_add(hub, hub->timer, HUB_EVENT_SWEEP);
	if (ret != 0)
		hub_monitor_close(hub);
	return ret;
}

int
hub_monitor_start(struct ferry_hub *hub)
{
	return ferry_ctrl_thread(&hub->monitor, "ferry-monitor", monitor_loop,
			hub);
}

void
hub_monitor_stop(struct ferry_hub *hub)
{
	eventfd_write(hub->stop, 1);
	pthread_join(hub->monitor, NULL);
}

void
hub_monitor_close(struct ferry_hub *hub)
{
	int * const fds[] = { &hub->epoll, &hub->stop, &hub->timer };
	unsigned int i;

	for (i = 0; i < RTE_DIM(fds); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
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
	/* close() alone does not suffice: the peer's process may have the same
	 * file open. */
	epoll_ctl(hub->epoll, EPOLL_CTL_DEL, pidfd, NULL);
}
