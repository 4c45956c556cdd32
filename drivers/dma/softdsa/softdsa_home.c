/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "softdsa_home.h"

/* Directories are removed down to this depth. The device makes none as deep. */
#define DEPTH_MAX 8
/*
 * A directory without a lock is either being made, which takes a moment, or the
 * process that made it was killed in that moment. After this time it counts as
 * left behind.
 */
#define UNMADE_SECONDS 3600

struct linux_dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

const char *
softdsa_home_path(unsigned int i)
{
	switch (i) {
	case 0:
		return "/run";
	case 1:
		return secure_getenv("XDG_RUNTIME_DIR");
	case 2:
		return "/tmp";
	default:
		return NULL;
	}
}

/* Check that no other user can exchange the files in the directory fd. path and
 * len: the path of fd. */
static int
check(int fd, const char *path, size_t len, char why[SOFTDSA_WHY_LEN])
{
	const char *name = len > 0 ? path : "/";
	const int n = len > 0 ? (int)len : 1;
	struct stat st;

	if (fstat(fd, &st) != 0) {
		snprintf(why, SOFTDSA_WHY_LEN, "%.*s: %s", n, name,
			strerror(errno));
		return -errno;
	}
	if (S_ISLNK(st.st_mode)) {
		snprintf(why, SOFTDSA_WHY_LEN, "%.*s is a symbolic link", n,
			name);
		return -ELOOP;
	}
	if (!S_ISDIR(st.st_mode)) {
		snprintf(why, SOFTDSA_WHY_LEN, "%.*s is no directory", n, name);
		return -ENOTDIR;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		snprintf(why, SOFTDSA_WHY_LEN, "%.*s belongs to user %u", n,
			name, (unsigned int)st.st_uid);
		return -EPERM;
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
			!(st.st_mode & S_ISVTX)) {
		snprintf(why, SOFTDSA_WHY_LEN, "others may write to %.*s and "
			"rename what is in it (chmod +t)", n, name);
		return -EPERM;
	}
	return 0;
}

int
softdsa_home_open(const char *path, char why[SOFTDSA_WHY_LEN])
{
	const char *p = path;
	int fd, ret;

	if (path[0] != '/') {
		snprintf(why, SOFTDSA_WHY_LEN, "%.100s is no absolute path",
			path);
		return -EINVAL;
	}
	fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ret = fd < 0 ? -errno : check(fd, path, 0, why);
	while (ret == 0) {
		char name[256];
		size_t len;
		int next;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len == 0)
			break;
		if (snprintf(name, sizeof(name), "%.*s", (int)len, p) >=
				(int)sizeof(name) || strcmp(name, "..") == 0) {
			snprintf(why, SOFTDSA_WHY_LEN, "%.100s: such a path is "
				"not taken", path);
			ret = -EINVAL;
			break;
		}
		p += len;
		next = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0) {
			ret = -errno;
			snprintf(why, SOFTDSA_WHY_LEN, "%.*s: %s",
				(int)(p - path), path, strerror(errno));
			break;
		}
		close(fd);
		fd = next;
		ret = check(fd, path, (size_t)(p - path), why);
	}
	if (ret == 0) {
		ret = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (ret < 0) {
			ret = -errno;
			snprintf(why, SOFTDSA_WHY_LEN, "%.100s: %s", path,
				strerror(-ret));
		}
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

int
softdsa_lock_take(int dir)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd, error;

	/* The file gets its name only when it is locked, so that a process that
	 * finds the file by its name finds it locked. */
	fd = openat(dir, SOFTDSA_LOCK_NAME ".new", O_RDWR | O_CREAT | O_EXCL |
		O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_SETLK, &lock) == 0 &&
			renameat(dir, SOFTDSA_LOCK_NAME ".new", dir,
				SOFTDSA_LOCK_NAME) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

bool
softdsa_lock_orphaned(int dir)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	bool orphaned = false;
	struct stat st;
	int fd;

	/* O_NONBLOCK, so that a FIFO does not make open() wait. */
	fd = openat(dir, SOFTDSA_LOCK_NAME, O_RDWR | O_NOFOLLOW | O_NONBLOCK |
		O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT && fstat(dir, &st) == 0 &&
			time(NULL) - st.st_mtime > UNMADE_SECONDS;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
			fcntl(fd, F_GETLK, &lock) == 0)
		orphaned = lock.l_type == F_UNLCK;
	close(fd);
	return orphaned;
}

/* Empty the directory fd, and close it. */
static void
empty(int fd, unsigned int depth)
{
	char names[2048] __attribute__((aligned(8)));
	long n, at;

	while ((n = syscall(SYS_getdents64, fd, names, sizeof(names))) > 0) {
		for (at = 0; at < n;) {
			const struct linux_dirent64 *e = (void *)(names + at);
			int sub;

			at += e->len;
			if (strcmp(e->name, ".") == 0 ||
					strcmp(e->name, "..") == 0)
				continue;
			if (unlinkat(fd, e->name, 0) == 0 || depth == 0)
				continue;
			sub = openat(fd, e->name, O_RDONLY | O_DIRECTORY |
				O_NOFOLLOW | O_CLOEXEC);
			if (sub < 0)
				continue;
			empty(sub, depth - 1);
			unlinkat(fd, e->name, AT_REMOVEDIR);
		}
	}
	close(fd);
}

void
softdsa_home_remove(int place, const char *name, int fd)
{
	empty(fd, DEPTH_MAX);
	unlinkat(place, name, AT_REMOVEDIR);
}
