/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * EAL puts the pid of a secondary into the names of its files, and locks these
 * files. A living process in another pid namespace may have the same pid. Then
 * EAL would not start, because the files are locked. The other process has the
 * files open, and no process looks for them by name later. So a process that
 * starts removes the names. It must not do so while the other process starts.
 * So a lock lets only one process of a pid start at a time.
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

/* How long a process with the same pid may take to start: 5 s. */
#define NAPS 5000
#define NAP_US 1000

/* Name of the file whose lock is held while a process with this pid starts. */
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
			/* The process that had the lock before may have
			 * removed the name. Then open the file anew. */
			if (fstat(fd, &mine) == 0 && fstatat(dir, name, &named,
					AT_SYMLINK_NOFOLLOW) == 0 &&
					mine.st_ino == named.st_ino)
				break;
		} else if (errno != EWOULDBLOCK && errno != EINTR) {
			/* This file system has no locks: do not try again. */
			naps = NAPS;
		}
		close(fd);
		fd = -1;
		if (naps++ >= NAPS)
			break;
		usleep(NAP_US);
	}
	/* Without the lock, leave the names. EAL itself then reports a file
	 * that is locked. */
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
