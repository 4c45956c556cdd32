/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_wq.h"

/* How long the thread waits for a write to the FIFO. */
#define ASK_MS 300000

static char root[64], fifo[128];
static char asked[64];
static pthread_t thread;
static bool serving;
static unsigned int delay;
static int fifo_fd = -1;
/* Readable: the thread is not to wait any more. */
static int enough_fd = -1;

static void
folder(const char *path)
{
	char full[128];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	assert_int_equal(mkdir(full, 0700), 0);
}

void
fake_wq_set(const char *attribute, const char *text)
{
	char path[192], fresh[192];
	FILE *f;

	snprintf(path, sizeof(path), "%s/devices/wq0.0/%s", root, attribute);
	if (text == NULL) {
		unlink(path);
		return;
	}
	snprintf(fresh, sizeof(fresh), "%s/devices/fresh", root);
	f = fopen(fresh, "w");
	if (f == NULL)
		return;
	fputs(text, f);
	fclose(f);
	/* As in sysfs, a reader never sees half of the text. */
	rename(fresh, path);
}

void
fake_wq_make(enum fake_wq_file file)
{
	char path[128];

	strcpy(root, "/tmp/ferry-wq-XXXXXX");
	assert_non_null(mkdtemp(root));
	folder("devices");
	folder("devices/wq0.0");
	folder("drivers");
	folder("drivers/user");
	folder("drivers/dsa");
	fake_wq_set("state", "enabled\n");
	asked[0] = '\0';
	snprintf(path, sizeof(path), "%s/devices", root);
	assert_int_equal(setenv("DSA_SYSFS_PATH", path, 1), 0);
	if (file == FAKE_WQ_NONE)
		return;
	snprintf(fifo, sizeof(fifo), "%s/drivers/%s/unbind", root,
		file == FAKE_WQ_DSA ? "dsa" : "user");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	if (file == FAKE_WQ_UNREAD)
		return;
	fifo_fd = open(fifo, O_RDONLY | O_NONBLOCK);
	assert_true(fifo_fd >= 0);
}

static void *
serve(void *arg)
{
	struct pollfd p[] = {
		{ .fd = fifo_fd, .events = POLLIN },
		{ .fd = enough_fd, .events = POLLIN },
	};
	ssize_t n = 0;

	/* In sysfs, to open and to close the file means nothing. */
	while (n == 0) {
		if (poll(p, 2, ASK_MS) < 1 || p[1].revents != 0)
			return arg;
		n = read(fifo_fd, asked, sizeof(asked) - 1);
		if (n == 0)
			usleep(1000);
	}
	if (n < 0)
		return arg;
	asked[n] = '\0';
	usleep(delay * 1000);
	if (strcmp(asked, "wq0.0") == 0)
		fake_wq_set("state", "disabled\n");
	return arg;
}

void
fake_wq_serve(unsigned int delay_ms)
{
	delay = delay_ms;
	enough_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(enough_fd >= 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
	serving = true;
}

const char *
fake_wq_asked(void)
{
	if (serving) {
		pthread_join(thread, NULL);
		close(enough_fd);
	}
	serving = false;
	return asked;
}

const char *
fake_wq_asked_so_far(void)
{
	assert_int_equal(eventfd_write(enough_fd, 1), 0);
	return fake_wq_asked();
}

void
fake_wq_remove(void)
{
	char command[128];

	fake_wq_asked();
	if (fifo_fd >= 0)
		close(fifo_fd);
	fifo_fd = -1;
	unsetenv("DSA_SYSFS_PATH");
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}
