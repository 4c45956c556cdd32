/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include "dmadev_wq.h"

static const char *
sysfs(void)
{
	const char *path = getenv("DSA_SYSFS_PATH");

	return path != NULL ? path : "/sys/bus/dsa/devices";
}

bool
dmadev_wq_is(const char *name)
{
	unsigned int dev, wq;
	char again[32];

	if (sscanf(name, "wq%u.%u", &dev, &wq) != 2)
		return false;
	/* The name must be exactly this, because it becomes a part of paths. */
	snprintf(again, sizeof(again), "wq%u.%u", dev, wq);
	return strcmp(name, again) == 0;
}

/* Read the first line of an attribute, without the newline. False if there is
 * no such attribute. */
static bool
attribute(const char *name, const char *file, char *text, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s/%s", sysfs(), name, file) >=
			(int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	do {
		n = read(fd, text, size - 1);
	} while (n < 0 && errno == EINTR);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

uint32_t
dmadev_wq_max_transfer(const char *name)
{
	char text[32], *end;
	unsigned long long bytes;

	/* The first character must be a digit or a later character. Signs,
	 * spaces and the end of the text come before the digits in ASCII. */
	if (!attribute(name, "max_transfer_size", text, sizeof(text)) ||
			text[0] < '0')
		return 0;
	errno = 0;
	bytes = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return 0;
	/* dmadev's lengths have 32 bits. */
	return (uint32_t)RTE_MIN(bytes, (unsigned long long)UINT32_MAX);
}

enum dmadev_wq_state
dmadev_wq_state(const char *name)
{
	char text[32];

	if (!attribute(name, "state", text, sizeof(text)))
		return DMADEV_WQ_UNKNOWN;
	if (strcmp(text, "disabled") == 0)
		return DMADEV_WQ_DISABLED;
	/* Another word does not say that the queue is disabled. */
	return strcmp(text, "enabled") == 0 ? DMADEV_WQ_ENABLED :
		DMADEV_WQ_UNKNOWN;
}

size_t
dmadev_wq_unbind_path(unsigned int which, char *path, size_t size)
{
	static const char *const drivers[] = { "user", "dsa" };

	if (which >= RTE_DIM(drivers))
		return 0;
	return (size_t)snprintf(path, size, "%s/../drivers/%s/unbind", sysfs(),
		drivers[which]);
}
