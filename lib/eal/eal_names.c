/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * EAL names files of a secondary after its pid number, and locks them. In
 * another pid namespace a living process may have the same number: then EAL
 * would not start. That process has its files open, and no other one looks for
 * them by name. So a newcomer takes the names away from it, but not while it
 * starts: one process of a number starts at a time.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/file.h>
#include <sys/stat.h>

#include "eal_private.h"

/* How long a process of the same number may take to start: 5 s. */
#define NAPS 5000
#define NAP_US 1000

/* The file whose lock says that a process of this number starts. */
static void
lock_name(char name[32])
{
	snprintf(name, 32, "ferry_start_%d", (int)getpid());
}

/* Remove the names that EAL is about to use. */
static void
names_free(int dir)
{
	static const char kind[] = "fbarray_memseg-";
	int copy = eal_openat(dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *e;
	char end[16];

	snprintf(end, sizeof(end), "_%d", (int)getpid());
	while (d != NULL && (e = readdir(d)) != NULL) {
		const char *last = strrchr(e->d_name, '_');

		if (strncmp(e->d_name, kind, sizeof(kind) - 1) == 0 &&
				last != NULL && strcmp(last, end) == 0)
			unlinkat(dir, e->d_name, 0);
	}
	if (d != NULL)
		closedir(d);
	else if (copy >= 0)
		close(copy);
}

int
eal_names_take(int dir)
{
	struct stat mine, named;
	unsigned int naps = 0;
	char name[32];
	int fd;

	lock_name(name);
	for (;;) {
		fd = eal_openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW);
		if (fd < 0)
			break;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			/* The process that had it before may have removed the
			 * name. */
			if (fstat(fd, &mine) == 0 && fstatat(dir, name, &named,
					AT_SYMLINK_NOFOLLOW) == 0 &&
					mine.st_ino == named.st_ino)
				break;
		} else if (errno != EWOULDBLOCK && errno != EINTR) {
			/* There are no locks here. */
			naps = NAPS;
		}
		close(fd);
		fd = -1;
		if (naps++ >= NAPS)
			break;
		usleep(NAP_US);
	}
	/* Without the lock EAL itself tells what is in its way. */
	if (fd >= 0)
		names_free(dir);
	return fd;
}

void
eal_names_leave(int dir, int fd)
{
	char name[32];

	if (fd < 0)
		return;
	lock_name(name);
	unlinkat(dir, name, 0);
	close(fd);
}
