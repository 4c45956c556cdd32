/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "softdsa_dev.h"
#include "softdsa_engine.h"

/* The control thread reads the names that are written to bind and unbind. */
struct control {
	struct softdsa_dev *dev;
	int bind, unbind;
};

static void
set(struct softdsa_dev *dev, unsigned int wq, bool on)
{
	if (on)
		softdsa_wq_enable(dev, wq);
	else
		softdsa_wq_disable(dev, wq);
	/* Ignore an error: this fails if the directory is being removed. */
	softdsa_dir_set_state(&dev->dir, wq, on ? "enabled" : "disabled");
}

/* Read all names that were written, and carry them out. There may be several,
 * because writers do not wait for one another. */
static void
obey(struct softdsa_dev *dev, int fd, bool on)
{
	char text[4096], name[SOFTDSA_NAME_LEN];
	const char *p;
	unsigned int i;
	ssize_t n;

	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	for (p = text; (p = strstr(p, "wq")) != NULL; p += 2)
		for (i = 0; i < dev->config.wqs; i++) {
			size_t len;

			softdsa_dir_wq_name(i, name);
			len = strlen(name);
			if (strncmp(p, name, len) == 0 &&
					(p[len] < '0' || p[len] > '9'))
				set(dev, i, on);
		}
}

static void *
control_main(void *arg)
{
	struct control *c = arg;
	struct pollfd p[] = {
		{ .fd = c->bind, .events = POLLIN },
		{ .fd = c->unbind, .events = POLLIN },
	};

	for (;;) {
		if (poll(p, 2, -1) <= 0)
			continue;
		if (p[1].revents & POLLIN)
			obey(c->dev, c->unbind, false);
		if (p[0].revents & POLLIN)
			obey(c->dev, c->bind, true);
	}
	return NULL;
}

/* Open a FIFO for reading and writing, so that a read never finds its end, and
 * opening does not block. */
static int
open_fifo(const struct softdsa_dev *dev, const char *name)
{
	char path[SOFTDSA_PATH_LEN];

	softdsa_dir_path(&dev->dir, name, path);
	return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

int
softdsa_control_start(struct softdsa_dev *dev)
{
	struct control *c = calloc(1, sizeof(*c));
	int ret;

	if (c == NULL)
		return -ENOMEM;
	c->dev = dev;
	c->bind = open_fifo(dev, "bus/dsa/drivers/user/bind");
	c->unbind = open_fifo(dev, "bus/dsa/drivers/user/unbind");
	if (c->bind < 0 || c->unbind < 0)
		ret = -errno;
	else
		ret = softdsa_thread_start(control_main, c, "softdsa-control",
			NULL);
	if (ret == 0)
		return 0;
	if (c->bind >= 0)
		close(c->bind);
	if (c->unbind >= 0)
		close(c->unbind);
	free(c);
	return ret;
}
