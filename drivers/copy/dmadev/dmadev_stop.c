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

#include "dmadev_log.h"
#include "dmadev_stop.h"
#include "dmadev_wq.h"
#include "ferry_clock.h"
#include "ferry_compat.h"
#include "ferry_shortage.h"
#include "ferry_watch.h"

/* Time between two looks at the queue's state. */
#define NAP_NS 200000
/* If asking the kernel failed because a descriptor, a thread or memory was
 * short, it is tried again after so many looks: 100 ms. */
#define AGAIN_NAPS 500

/* Argument of unbind_run(), which frees it. */
struct unbind {
	char name[32];
	int fd;
};

/*
 * Ask the kernel to disable a queue. A thread of its own does this, because the
 * kernel waits for the device before it disables the queue: if the device
 * hangs, the write may return late or never.
 */
static void *
unbind_run(void *arg)
{
	struct unbind *ub = arg;
	sigset_t all;

	/* Block SIGPIPE, too: the file may be a FIFO whose reader goes away. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (write(ub->fd, ub->name, strlen(ub->name)) < 0)
		DMADEV_LOG(ERR, "%s: cannot be unbound: %s", ub->name,
			strerror(errno));
	close(ub->fd);
	free(ub);
	return NULL;
}

/* Open the file that makes a kernel driver release a queue. Returns the file
 * descriptor, or a negative errno. */
static int
unbind_open(const char *name)
{
	char path[PATH_MAX];
	int fd = -1, error = ENOENT;
	unsigned int i;
	size_t len;

	for (i = 0; fd < 0; i++) {
		len = dmadev_wq_unbind_path(i, path, sizeof(path));
		if (len == 0)
			break;
		if (len >= sizeof(path))
			continue;
		/* O_NONBLOCK, so that a FIFO without a reader does not make
		 * open() wait. */
		fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 && (i == 0 || errno != ENOENT))
			error = errno;
	}
	if (fd < 0)
		DMADEV_LOG(ERR, "%s: cannot open drivers/*/unbind: %s", name,
			strerror(error));
	return fd < 0 ? -error : fd;
}

/* Start a thread that asks the kernel to disable the queue. Returns 0 or a
 * negative errno; -EAGAIN if no thread can be made. */
static int
unbind_start(const char *name)
{
	struct unbind *ub = calloc(1, sizeof(*ub));
	pthread_t thread;
	int ret;

	if (ub == NULL)
		return -ENOMEM;
	strncpy(ub->name, name, sizeof(ub->name) - 1);
	ret = ub->fd = unbind_open(name);
	if (ret >= 0) {
		/* A control thread does not run on an lcore's CPU if EAL knows
		 * others. */
		ret = ferry_ctrl_thread(&thread, "ferry-unbind", unbind_run,
			ub);
		if (ret == 0) {
			pthread_detach(thread);
			return 0;
		}
		DMADEV_LOG(ERR, "%s: no thread to unbind it: %d", name, ret);
		close(ub->fd);
	}
	free(ub);
	return ret;
}

static int
wq_disable(const char *name, uint32_t wait_ms)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	struct ferry_watch watch;
	unsigned int naps;
	uint64_t now;
	int ret;

	if (dmadev_wq_state(name) == DMADEV_WQ_DISABLED)
		return 0;
	ret = unbind_start(name);
	ferry_watch_begin(&watch, ferry_clock_ns(),
		(uint64_t)wait_ms * 1000000);
	for (naps = 1;; naps++) {
		nanosleep(&nap, NULL);
		now = ferry_clock_ns();
		if (dmadev_wq_state(name) == DMADEV_WQ_DISABLED)
			return 0;
		if (ferry_watch_over(&watch, now))
			return -EBUSY;
		/* Try again, because a queue that stays enabled cannot be used
		 * by a lane any more. */
		if ((ferry_is_shortage(ret) || ret == -EAGAIN) &&
				naps % AGAIN_NAPS == 0)
			ret = unbind_start(name);
	}
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
