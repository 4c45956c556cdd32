/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_dmadev.h>
#include <rte_lcore.h>

#include "dmadev_log.h"
#include "dmadev_stop.h"
#include "dmadev_wq.h"
#include "ferry_watch.h"

/* The state is looked at so often. */
#define NAP_NS 200000

/* Belongs to the thread once that runs. */
struct unbind {
	char name[32];
	char paths[2][PATH_MAX];
};

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/*
 * On a thread of its own: to disable a queue the kernel waits for the device,
 * which hangs, and the write may return late or never.
 */
static void *
unbind_run(void *arg)
{
	struct unbind *ub = arg;
	unsigned int i;
	sigset_t all;
	int fd = -1;

	/* The file may be a FIFO whose reader goes away: no SIGPIPE. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	/* Nor may a FIFO without a reader make the open wait. */
	for (i = 0; i < RTE_DIM(ub->paths) && fd < 0; i++)
		fd = open(ub->paths[i], O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		DMADEV_LOG(ERR, "%s: cannot open %s: %s", ub->name,
			ub->paths[0], strerror(errno));
	} else {
		if (write(fd, ub->name, strlen(ub->name)) < 0)
			DMADEV_LOG(ERR, "%s: cannot be unbound: %s", ub->name,
				strerror(errno));
		close(fd);
	}
	free(ub);
	return NULL;
}

static void
unbind_start(const char *name)
{
	struct unbind *ub = calloc(1, sizeof(*ub));
	pthread_t thread;
	unsigned int i;
	int ret;

	if (ub == NULL)
		return;
	strncpy(ub->name, name, sizeof(ub->name) - 1);
	for (i = 0; i < RTE_DIM(ub->paths); i++) {
		if (dmadev_wq_unbind_path(i, ub->paths[i],
				sizeof(ub->paths[i])) >= sizeof(ub->paths[i]))
			ub->paths[i][0] = '\0';
	}
	/* Not on the lcore's CPU if EAL knows others. */
	ret = rte_ctrl_thread_create(&thread, "ferry-unbind", NULL, unbind_run,
		ub);
	if (ret != 0) {
		DMADEV_LOG(ERR, "%s: no thread to unbind it: %d", name, ret);
		free(ub);
		return;
	}
	pthread_detach(thread);
}

static int
wq_disable(const char *name, uint32_t wait_ms)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	struct ferry_watch watch;
	uint64_t now;

	if (dmadev_wq_state(name) == DMADEV_WQ_DISABLED)
		return 0;
	unbind_start(name);
	ferry_watch_begin(&watch, now_ns(), (uint64_t)wait_ms * 1000000);
	do {
		nanosleep(&nap, NULL);
		now = now_ns();
		if (dmadev_wq_state(name) == DMADEV_WQ_DISABLED)
			return 0;
	} while (!ferry_watch_over(&watch, now));
	return -EBUSY;
}

int
dmadev_stop(int16_t dev_id, const char *name, uint32_t wait_ms)
{
	int ret;

	if (dmadev_wq_is(name)) {
		ret = wq_disable(name, wait_ms);
		if (ret < 0) {
			DMADEV_LOG(CRIT, "%s: the kernel did not disable it",
				name);
			return ret;
		}
	}
	ret = rte_dma_stop(dev_id);
	if (ret != 0) {
		DMADEV_LOG(CRIT, "%s: cannot be stopped: %d", name, ret);
		return -EBUSY;
	}
	return 0;
}
