/* SPDX-License-Identifier: BSD-3-Clause */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_dmadev.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include "ferry_eal.h"

/* An EAL option that matters here. */
struct option {
	const char *name;
	/* EAL takes any beginning of a long name that fits no other: so many
	 * characters at least. */
	size_t shortest;
	/* Takes a value, as the next argument or after "=". */
	bool value;
	/* Chooses the lcores. */
	bool cores;
	/* Roles that refuse it, one bit each, and why. */
	unsigned int refused;
	const char *why;
};

#define HUB (1u << FERRY_EAL_HUB)
#define SECONDARY (1u << FERRY_EAL_SECONDARY)
#define HIDES "other processes could not find this one's memory"
#define DEVICES "devices belong to the hub"

static const struct option options[] = {
	{ "--no-huge", 7, false, false, HUB | SECONDARY,
		"ferry's processes meet in hugepages" },
	{ "--in-memory", 4, false, false, HUB | SECONDARY, HIDES },
	{ "--no-shconf", 6, false, false, HUB | SECONDARY, HIDES },
	{ "-a", 2, true, false, SECONDARY, DEVICES },
	{ "--allow", 3, true, false, SECONDARY, DEVICES },
	{ "-b", 2, true, false, SECONDARY, DEVICES },
	{ "--block", 4, true, false, SECONDARY, DEVICES },
	{ "--vdev", 4, true, false, SECONDARY, DEVICES },
	{ "--proc-type", 3, true, false, HUB | SECONDARY,
		"ferry sets it itself" },
	{ "--file-prefix", 4, true, false, 0, NULL },
	{ "-l", 2, true, true, 0, NULL },
	{ "-c", 2, true, true, 0, NULL },
	{ "--lcores", 4, true, true, 0, NULL },
};

/* The one whose value may be left out, which means "always". */
#define HUGE_UNLINK "--huge-unlink"
#define HUGE_UNLINK_SHORTEST 8

/* How long a process of the same number may take to start: 5 s. */
#define START_NAPS 5000
#define START_NAP_US 1000

static int
refuse(struct ferry_eal_args *args, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(args->error, sizeof(args->error), format, ap);
	va_end(ap);
	return error;
}

/* Whether an argument is a long option, perhaps shortened. */
static bool
is_long(const char *arg, const char *name, size_t shortest)
{
	const size_t len = strcspn(arg, "=");

	return len >= shortest && strncmp(arg, name, len) == 0;
}

/* Which option an argument is; *value points behind its "=" or is NULL. */
static const struct option *
option_find(const char *arg, const char **value)
{
	unsigned int i;

	*value = NULL;
	for (i = 0; i < RTE_DIM(options); i++) {
		const struct option *o = &options[i];

		if (o->name[1] == '-') {
			if (!is_long(arg, o->name, o->shortest))
				continue;
			arg = strchr(arg, '=');
			*value = arg != NULL ? arg + 1 : NULL;
			return o;
		}
		if (strncmp(arg, o->name, 2) != 0)
			continue;
		/* "-l0-1" is as good as "-l 0-1". */
		*value = arg[2] != '\0' ? arg + 2 : NULL;
		return o;
	}
	return NULL;
}

/* Whether pages shall have no names for secondaries to find them by. */
static bool
unlinks(const char *arg)
{
	const char *value = strchr(arg, '=');

	return is_long(arg, HUGE_UNLINK, HUGE_UNLINK_SHORTEST) &&
		(value == NULL || strcmp(value, "=always") == 0);
}

static int
add(struct ferry_eal_args *args, const char *format, ...)
{
	size_t used = 0;
	va_list ap;
	int n, i;

	if (args->argc >= FERRY_EAL_ARGS_MAX)
		return -E2BIG;
	/* Text of the arguments made so far: each ends with a zero. */
	for (i = 0; i < args->argc; i++)
		if (args->argv[i] >= args->text &&
				args->argv[i] < args->text + sizeof(args->text))
			used += strlen(args->argv[i]) + 1;
	va_start(ap, format);
	n = vsnprintf(args->text + used, sizeof(args->text) - used, format, ap);
	va_end(ap);
	if (n < 0 || used + n >= sizeof(args->text))
		return -E2BIG;
	args->argv[args->argc++] = args->text + used;
	return 0;
}

/* One lcore that the scheduler may run on any of the process's CPUs. */
static int
add_floating_lcore(struct ferry_eal_args *args)
{
	char cpus[256] = "";
	size_t used = 0;
	cpu_set_t set;
	int cpu, end;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return -errno;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu = end + 1) {
		end = cpu;
		if (!CPU_ISSET(cpu, &set))
			continue;
		while (end + 1 < CPU_SETSIZE && CPU_ISSET(end + 1, &set))
			end++;
		used += snprintf(cpus + used, sizeof(cpus) - used,
			cpu == end ? "%s%d" : "%s%d-%d", used > 0 ? "," : "",
			cpu, end);
		if (used >= sizeof(cpus))
			return -E2BIG;
	}
	return add(args, "--lcores=0@(%s)", cpus);
}

int
ferry_eal_args(struct ferry_eal_args *args, enum ferry_eal_role role,
		int argc, char *const argv[])
{
	bool cores = false, prefix = false;
	int i, ret = 0;

	memset(args, 0, sizeof(*args));
	if (argc < 1 || argc > FERRY_EAL_ARGS_MAX / 2)
		return refuse(args, -E2BIG, "more than %d EAL options",
				FERRY_EAL_ARGS_MAX / 2 - 1);
	snprintf(args->prefix, sizeof(args->prefix), "%s", FERRY_FILE_PREFIX);
	args->argv[args->argc++] = argv[0];
	for (i = 1; i < argc; i++) {
		const char *value;
		const struct option *o = option_find(argv[i], &value);

		args->argv[args->argc++] = argv[i];
		if (unlinks(argv[i]))
			return refuse(args, -EINVAL, "EAL option %s does not "
					"go here: %s", HUGE_UNLINK, HIDES);
		if (o == NULL)
			continue;
		if (o->refused & (1u << role))
			return refuse(args, -EINVAL, "EAL option %s does not "
					"go here: %s", o->name, o->why);
		if (o->value && value == NULL) {
			if (i + 1 == argc)
				return refuse(args, -EINVAL,
					"EAL option %s lacks its value",
					o->name);
			value = argv[++i];
			args->argv[args->argc++] = argv[i];
		}
		if (strcmp(o->name, "--file-prefix") == 0) {
			prefix = true;
			if (snprintf(args->prefix, sizeof(args->prefix), "%s",
					value) >= (int)sizeof(args->prefix) ||
					value[0] == '\0' ||
					strcmp(value, ".") == 0 ||
					strcmp(value, "..") == 0 ||
					strchr(value, '/') != NULL)
				return refuse(args, -EINVAL, "--file-prefix "
					"must be a short name without slashes");
		}
		cores |= o->cores;
	}

	if (!prefix)
		ret = add(args, "--file-prefix=%s", args->prefix);
	if (ret == 0)
		ret = add(args, "--proc-type=%s", role == FERRY_EAL_HUB ?
				"primary" : "secondary");
	if (ret == 0 && role == FERRY_EAL_SECONDARY)
		ret = add(args, "--no-pci");
	if (ret == 0 && !cores)
		ret = add_floating_lcore(args);
	if (ret != 0)
		return refuse(args, ret, "EAL options are too long");
	return 0;
}

/* A name in EAL's runtime directory, which EAL does not tell before it has
 * started. */
static void
runtime_path(char path[PATH_MAX], const char *prefix, const char *name)
{
	const char *base = getenv("RUNTIME_DIRECTORY");

	if (base == NULL)
		base = getuid() == 0 ? "/var/run" : getenv("XDG_RUNTIME_DIR");
	snprintf(path, PATH_MAX, "%s/dpdk/%s%s", base != NULL ? base : "/tmp",
		prefix, name);
}

/*
 * EAL names files of a secondary after its pid number, and locks them. In another
 * pid namespace a living process may have the same number: EAL would not start.
 * That process has its files open, and no other one looks for them by name: so
 * the names can be taken from it, but not while it starts.
 */
static void
names_free(const char *prefix)
{
	static const char kind[] = "fbarray_memseg-";
	char path[PATH_MAX], end[16];
	struct dirent *e;
	DIR *dir;

	runtime_path(path, prefix, "");
	snprintf(end, sizeof(end), "_%d", (int)getpid());
	dir = opendir(path);
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		const char *last = strrchr(e->d_name, '_');

		if (strncmp(e->d_name, kind, sizeof(kind) - 1) == 0 &&
				strcmp(last, end) == 0)
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	if (dir != NULL)
		closedir(dir);
}

/*
 * One process of a number starts at a time: the file whose lock says so, or -1 if
 * there is no hub, or one that starts does not come to an end: then EAL tells.
 */
static int
names_lock(const char *prefix, char path[PATH_MAX])
{
	struct stat mine, named;
	unsigned int naps = 0;
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "/ferry_start_%d", (int)getpid());
	runtime_path(path, prefix, name);
	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -1;
		while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			if (naps++ == START_NAPS) {
				close(fd);
				return -1;
			}
			usleep(START_NAP_US);
		}
		/* Who had it before has removed the name. */
		if (fstat(fd, &mine) == 0 && stat(path, &named) == 0 &&
				mine.st_ino == named.st_ino)
			return fd;
		close(fd);
	}
}

static void
names_unlock(const char *path, int fd)
{
	if (fd < 0)
		return;
	unlink(path);
	close(fd);
}

/*
 * Whether processes of this prefix are running. A primary that starts beside
 * secondaries of the one before fails, but not before it has cleared the
 * memory that they still use, which kills them.
 */
static bool
in_use(const char *prefix)
{
	char path[PATH_MAX];
	bool used = false;
	int fd;

	runtime_path(path, prefix, "/fbarray_memzone");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		/* Every process of the prefix holds it shared. */
		used = flock(fd, LOCK_EX | LOCK_NB) != 0 &&
			errno == EWOULDBLOCK;
		close(fd);
	}
	return used;
}

int
ferry_eal_init(struct ferry_eal_args *args, enum ferry_eal_role role)
{
	char path[PATH_MAX];
	int lock = -1, ret;

	if (role == FERRY_EAL_HUB && in_use(args->prefix))
		return refuse(args, -EBUSY, "processes of the file prefix %s "
			"are still running", args->prefix);
	/*
	 * The dsa bus takes any work queue file it finds there, and its driver
	 * resets the queue. An empty path names no directory.
	 */
	if (role == FERRY_EAL_SECONDARY && setenv("DSA_DEV_PATH", "", 1) != 0)
		return -errno;
	if (role == FERRY_EAL_SECONDARY) {
		lock = names_lock(args->prefix, path);
		names_free(args->prefix);
	}
	ret = rte_eal_init(args->argc, args->argv);
	names_unlock(path, lock);
	if (ret < 0) {
		/* EAL makes it before it looks for a primary. */
		rmdir(rte_eal_get_runtime_dir());
		return rte_errno != 0 ? -rte_errno : -EIO;
	}
	return 0;
}

/* Remove <prefix>map_<number> from a hugetlbfs. */
static void
remove_pages(const char *path, const char *prefix)
{
	const size_t len = strlen(prefix);
	DIR *dir = opendir(path);
	struct dirent *e;

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL)
		if (strncmp(e->d_name, prefix, len) == 0 &&
				strncmp(e->d_name + len, "map_", 4) == 0 &&
				isdigit((unsigned char)e->d_name[len + 4]))
			unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
}

static void
remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	rmdir(path);
}

void
ferry_eal_cleanup(const struct ferry_eal_args *args, enum ferry_eal_role role)
{
	char runtime[PATH_MAX];
	struct mntent *m;
	FILE *mounts;
	int16_t dev;

	if (role == FERRY_EAL_HUB) {
		/* Drivers free what a device that still runs works with. */
		RTE_DMA_FOREACH_DEV(dev)
			rte_dma_stop(dev);
		/* Before memory is given up, so that it is done whatever comes
		 * of that. */
		mounts = setmntent("/proc/self/mounts", "r");
		while (mounts != NULL && (m = getmntent(mounts)) != NULL)
			if (strcmp(m->mnt_type, "hugetlbfs") == 0)
				remove_pages(m->mnt_dir, args->prefix);
		if (mounts != NULL)
			endmntent(mounts);
	}
	snprintf(runtime, sizeof(runtime), "%s", rte_eal_get_runtime_dir());
	rte_eal_cleanup();
	if (role == FERRY_EAL_HUB)
		remove_dir(runtime);
}
