/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * EAL opens its files so that a program started with exec() inherits them. The
 * program would thereby hold the locks by which EAL tells that a process with
 * the file prefix runs; and it would hold hugepages.
 */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_memory.h>

#include "eal_private.h"

#define FDS_MAX (64 * 64)

static void
each_fd(void (*fn)(int fd, void *arg), void *arg)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL)
		if (isdigit((unsigned char)e->d_name[0]) &&
				atoi(e->d_name) != dirfd(dir))
			fn(atoi(e->d_name), arg);
	closedir(dir);
}

static void
close_on_exec(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags >= 0 && (flags & FD_CLOEXEC) == 0)
		fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

static void
note(int fd, void *arg)
{
	struct eal_fds *fds = arg;

	if (fd < FDS_MAX)
		fds->bits[fd / 64] |= UINT64_C(1) << fd % 64;
}

void
eal_fds_get(struct eal_fds *fds)
{
	memset(fds, 0, sizeof(*fds));
	each_fd(note, fds);
}

static void
close_new(int fd, void *arg)
{
	const struct eal_fds *before = arg;

	/* eal_fds_guard() deals with descriptors of higher numbers: it knows
	 * EAL's files by their paths. */
	if (fd < FDS_MAX && (before->bits[fd / 64] >> fd % 64 & 1) == 0)
		close_on_exec(fd);
}

void
eal_fds_close_on_exec(const struct eal_fds *before)
{
	each_fd(close_new, (void *)(uintptr_t)before);
}

/* Get the path of the file of a descriptor. Returns its length, or 0. */
static size_t
path_of(int fd, struct eal_path *path)
{
	char name[32];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, path->text, sizeof(path->text) - 1);
	path->text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Whether a file is in EAL's runtime directory. The path of that directory may
 * contain a symbolic link, such as /var/run. */
static bool
is_in(const char *path, const char *runtime_dir)
{
	char real[PATH_MAX];
	size_t n;

	if (realpath(runtime_dir, real) == NULL)
		return false;
	n = strlen(real);
	return strncmp(path, real, n) == 0 && path[n] == '/';
}

/* Set a descriptor to be closed on exec() if its path is that of a file of
 * EAL. */
static void
close_known(int fd, void *arg)
{
	const char *runtime_dir = arg, *prefix, *base;
	struct eal_path path;

	prefix = strrchr(runtime_dir, '/');
	if (prefix == NULL || path_of(fd, &path) == 0)
		return;
	base = strrchr(path.text, '/');
	if (base != NULL && (eal_pages_is_name(base + 1, prefix + 1) ||
			is_in(path.text, runtime_dir)))
		close_on_exec(fd);
}

static void
own_name(int fd, void *arg)
{
	struct sockaddr_un un = { .sun_family = AF_UNSPEC };
	struct eal_names *names = arg;
	char text[sizeof(un.sun_path) + 1] = "", end[16];
	socklen_t len = sizeof(un);
	struct eal_path path;
	const char *base;
	size_t n;

	if (getsockname(fd, (struct sockaddr *)&un, &len) == 0) {
		if (un.sun_family == AF_UNIX)
			memcpy(text, un.sun_path, sizeof(un.sun_path));
		base = strrchr(text, '/');
		if (base != NULL && strncmp(base, "/mp_socket_", 11) == 0)
			snprintf(names->socket, sizeof(names->socket), "%s",
				base + 1);
		return;
	}
	n = path_of(fd, &path);
	base = strrchr(path.text, '/');
	snprintf(end, sizeof(end), "_%d", (int)getpid());
	if (base != NULL && n > strlen(end) && strncmp(base, "/fbarray_", 9) ==
			0 && strcmp(path.text + n - strlen(end), end) == 0 &&
			names->n_arrays < RTE_DIM(names->arrays))
		snprintf(names->arrays[names->n_arrays++],
			sizeof(names->arrays[0]), "%s", base + 1);
}

void
eal_fds_own_names(struct eal_names *names)
{
	memset(names, 0, sizeof(*names));
	each_fd(own_name, names);
}

/* EAL calls this when it has mapped pages or is about to unmap them. Set the
 * files of new pages to be closed on exec(). */
static void
pages_changed(enum rte_mem_event event, const void *addr, size_t len, void *arg)
{
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(addr);
	const uint8_t *at = addr;
	struct rte_memseg *ms;
	int fd;

	(void)arg;
	if (event != RTE_MEM_EVENT_ALLOC || msl == NULL || msl->external)
		return;
	for (; at < (const uint8_t *)addr + len; at += msl->page_sz) {
		ms = rte_mem_virt2memseg(at, msl);
		/* EAL calls this function with the lock held that the call
		 * below needs. */
		fd = ms != NULL ? rte_memseg_get_fd_thread_unsafe(ms) : -1;
		if (fd >= 0)
			close_on_exec(fd);
	}
}

void
eal_fds_guard(const char *runtime_dir)
{
	/* Static, because a process has only one EAL. */
	static bool done;

	/* Relaxed: it does no harm if a second thread returns before the first
	 * one is done. */
	if (__atomic_exchange_n(&done, true, __ATOMIC_RELAXED))
		return;
	/* This call fails if EAL's memory cannot grow: then there is nothing to
	 * watch. */
	rte_mem_event_callback_register("ferry-exec", pages_changed, NULL);
	each_fd(close_known, (void *)(uintptr_t)runtime_dir);
}

void
eal_fds_command(pid_t pid, char *out, size_t len)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	snprintf(out, len, "?");
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fgets(out, (int)len, f) != NULL)
		out[strcspn(out, "\n")] = '\0';
	fclose(f);
}

/* Whether a process has a file open. */
static bool
has_open(pid_t pid, const struct stat *file)
{
	char path[64];
	struct dirent *e;
	bool found = false;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	while (!found && (e = readdir(dir)) != NULL)
		found = e->d_name[0] != '.' && fstatat(dirfd(dir), e->d_name,
			&st, 0) == 0 && st.st_dev == file->st_dev &&
			st.st_ino == file->st_ino;
	closedir(dir);
	return found;
}

unsigned int
eal_fds_holders(int fd, char *out, size_t len)
{
	DIR *dir = opendir("/proc");
	char command[32];
	unsigned int n = 0;
	struct dirent *e;
	size_t used = 0;
	struct stat st;
	pid_t pid;

	out[0] = '\0';
	if (dir == NULL || fstat(fd, &st) != 0) {
		if (dir != NULL)
			closedir(dir);
		return 0;
	}
	while ((e = readdir(dir)) != NULL) {
		pid = isdigit((unsigned char)e->d_name[0]) ?
			atoi(e->d_name) : 0;
		if (pid == 0 || pid == getpid() || !has_open(pid, &st))
			continue;
		/* Name the first three processes only. */
		if (n++ >= 3)
			continue;
		eal_fds_command(pid, command, sizeof(command));
		used += (size_t)snprintf(out + used, len - used, "%s%d (%s)",
			used > 0 ? ", " : "", (int)pid, command);
		if (used >= len)
			used = len - 1;
	}
	closedir(dir);
	if (n > 3)
		snprintf(out + used, len - used, " and %u more", n - 3);
	return n;
}
