/* SPDX-License-Identifier: BSD-3-Clause */

/* Checks limits of this process. Where they are too low, EAL would die, or fail
 * with a message that does not name the limit. */

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "eal_private.h"
#include "ferry_shortage.h"

/* A secondary's socket adds such a name to the path of the runtime directory:
 * the pid, and so many digits of a time stamp that processes with equal pids
 * are told apart. */
#define SOCKET_NAME "/mp_socket_1234567_123456"

/* Count the open descriptors. *limit: how many there may be. */
static void
count_files(uint64_t *is_open, uint64_t *limit)
{
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };
	DIR *dir = opendir("/proc/self/fd");

	*is_open = 0;
	/* Do not count ".", ".." and the descriptor of this directory. */
	while (dir != NULL && readdir(dir) != NULL)
		(*is_open)++;
	*is_open -= *is_open < 3 ? *is_open : 3;
	if (dir != NULL)
		closedir(dir);
	getrlimit(RLIMIT_NOFILE, &r);
	*limit = r.rlim_cur;
}

int
eal_limits_files(struct ferry_eal_args *args, unsigned int needed)
{
	uint64_t is_open, limit;

	count_files(&is_open, &limit);
	if (is_open + needed <= limit)
		return 0;
	return eal_refuse(args, -EMFILE, "about %" PRIu64 " open files are "
		"needed, most of them hugepages, and the limit is %" PRIu64
		": raise it (ulimit -n)", is_open + needed, limit);
}

int
eal_limits_size(struct ferry_eal_args *args, uint64_t largest)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_FSIZE, &r) != 0 || r.rlim_cur >= largest)
		return 0;
	return eal_refuse(args, -EFBIG, "the limit of a file size is %" PRIu64
		" KiB, and files of %" PRIu64 " KiB are needed: raise it "
		"(ulimit -f)", (uint64_t)r.rlim_cur >> 10, largest >> 10);
}

/* System calls that EAL and ferry need. With these arguments the kernel does
 * nothing, or returns an error other than that the call is refused. */
static const struct {
	const char *name;
	long number;
	long a;
	long b;
} calls[] = {
	{ "get_mempolicy", SYS_get_mempolicy, 0, 0 },
	{ "pidfd_open", SYS_pidfd_open, -1, 0 },
	{ "flock", SYS_flock, -1, 0 },
	{ "timerfd_create", SYS_timerfd_create, -1, 0 },
	{ "eventfd2", SYS_eventfd2, 0, -1 },
	{ "epoll_create1", SYS_epoll_create1, -1, 0 },
	{ "getrandom", SYS_getrandom, 0, 0 },
	{ "madvise", SYS_madvise, 0, 0 },
	{ "sched_setaffinity", SYS_sched_setaffinity, -1, 0 },
	{ "ftruncate", SYS_ftruncate, -1, 0 },
};

/* Check that Unix sockets are allowed, because EAL and ferry need them. */
static int
check_sockets(struct ferry_eal_args *args)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (ferry_is_shortage(-errno))
		return 0; /* eal_limits_files() reports it */
	return eal_refuse(args, -errno, "Unix sockets are refused (%s), as by "
		"systemd's RestrictAddressFamilies= or a container's seccomp "
		"profile: allow AF_UNIX", strerror(errno));
}

int
eal_limits_calls(struct ferry_eal_args *args)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(calls); i++) {
		if (syscall(calls[i].number, calls[i].a, calls[i].b, 0, 0, 0) >=
				0)
			continue;
		if (errno == EPERM || errno == EACCES)
			return eal_refuse(args, -EPERM, "the system call %s() "
				"is refused, as by a container's seccomp "
				"profile: allow it there", calls[i].name);
		/* Containers return ENOSYS, too, for calls that their profile
		 * is too old to know. EAL can do without get_mempolicy(). */
		if (errno == ENOSYS && calls[i].number != SYS_get_mempolicy)
			return eal_refuse(args, -ENOSYS, "the kernel has no "
				"system call %s(): use Linux 5.3 or newer, or "
				"a newer seccomp profile for the container",
				calls[i].name);
	}
	return check_sockets(args);
}

/* Check that /proc/meminfo can be read: a primary calls abort() if not. */
static int
check_meminfo(struct ferry_eal_args *args)
{
	FILE *f = fopen("/proc/meminfo", "re");
	const int error = errno;
	bool found = false;
	char line[128];

	if (f == NULL && ferry_is_shortage(-error))
		return 0; /* told by what looks for it */
	if (f == NULL)
		return eal_refuse(args, -error, "/proc/meminfo, which EAL "
			"needs, cannot be read (%s): mount proc at /proc "
			"without subset=pid (systemd: ProcSubset=all)",
			strerror(error));
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = strncmp(line, "Hugepagesize:", 13) == 0;
	fclose(f);
	if (!found)
		return eal_refuse(args, -ENODEV, "/proc/meminfo tells no "
			"Hugepagesize: use a kernel that has hugepages");
	return 0;
}

int
eal_limits_places(struct ferry_eal_args *args, enum ferry_eal_role role)
{
	/* ferry looks for open descriptors in the first directory. EAL looks
	 * for CPUs in the second one. */
	static const char *const places[][2] = {
		{ "/proc/self/fd", "mount proc at /proc" },
		{ "/sys/devices/system/cpu", "mount sysfs at /sys" },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(places); i++)
		if (access(places[i][0], F_OK) != 0 && errno == ENOENT)
			return eal_refuse(args, -ENOENT, "there is no %s here, "
				"which EAL needs: %s", places[i][0],
				places[i][1]);
	return role == FERRY_EAL_HUB ? check_meminfo(args) : 0;
}

int
eal_limits_path(struct ferry_eal_args *args)
{
	const size_t room = sizeof(((struct sockaddr_un *)0)->sun_path) -
		sizeof(SOCKET_NAME);
	struct eal_path path;
	size_t len;

	eal_dir_path(&path, args->prefix);
	len = strlen(path.text);
	if (len <= room)
		return 0;
	return eal_refuse(args, -ENAMETOOLONG, "the runtime directory's path "
		"is too long for EAL's sockets by %zu characters: set "
		"RUNTIME_DIRECTORY to a shorter one, or choose a shorter "
		"--file-prefix", len - room);
}

static int
smallest_page(const struct rte_memseg_list *msl, void *arg)
{
	uint64_t *size = arg;

	if (!msl->external && (*size == 0 || msl->page_sz < *size))
		*size = msl->page_sz;
	return 0;
}

int
ferry_eal_memory_error(uint64_t memory)
{
	uint64_t page = 0, is_open, limit, pages;
	unsigned long left = 0;
	char path[96];
	FILE *f;

	rte_memseg_list_walk_thread_unsafe(smallest_page, &page);
	if (page == 0)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%"
		PRIu64 "kB/free_hugepages", page >> 10);
	f = fopen(path, "re");
	if (f != NULL) {
		if (fscanf(f, "%lu", &left) != 1)
			left = 0;
		fclose(f);
	}
	pages = memory / page + 1;
	count_files(&is_open, &limit);
	return pages <= left && is_open + pages > limit ? -EMFILE : -ENOMEM;
}
