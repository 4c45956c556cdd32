/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What EAL is going to need. Where it is missing EAL dies of SIGBUS or SIGXFSZ
 * in the middle of its start, with locks in shared memory that then nobody can
 * take again; or it says something else.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>

#include "eal_private.h"

#define KIB(n) (UINT64_C(1024) * (n))
/* Descriptors of EAL that are not pages nor arrays, and some of ferry. */
#define FILES_OF_EAL 13
/* Files of a hub in its runtime directory, the arrays of pages left out; the
 * largest array; how many of them a size of page has on a socket. */
#define HUB_FILES KIB(256)
#define HUB_ARRAY KIB(400)
#define HUB_ARRAYS 4
/* How many they are, arrays of pages left out. */
#define HUB_NAMES 8
#define SECONDARY_NAMES 2
#define PAGES_DIR "/sys/kernel/mm/hugepages"
/* Beside a secondary's arrays. */
#define SECONDARY_FILES KIB(32)

static int
check_space(struct ferry_eal_args *args, int dir, uint64_t needed,
		uint64_t files)
{
	struct eal_path path;
	struct statvfs fs;
	uint64_t left;

	eal_dir_path(&path, args->prefix);
	if (fstatvfs(dir, &fs) != 0)
		return 0;
	left = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (left < needed)
		return eal_refuse(args, -ENOSPC, "no space in the runtime "
			"directory %s: %" PRIu64 " KiB are needed, %" PRIu64
			" KiB are left: make room, or set RUNTIME_DIRECTORY",
			path.text, needed >> 10, left >> 10);
	if (fs.f_files != 0 && fs.f_favail < files)
		return eal_refuse(args, -ENOSPC, "no space in the runtime "
			"directory %s: %" PRIu64 " files are to be made, and "
			"its file system takes %" PRIu64 " more: remove some, "
			"or set RUNTIME_DIRECTORY", path.text, files,
			(uint64_t)fs.f_favail);
	return 0;
}

/* Hugepages of a size: how many there are, or are free; -1: cannot be told. */
static long
pages_of(const char *size, const char *file)
{
	char path[PATH_MAX];
	FILE *f;
	long n;

	snprintf(path, sizeof(path), PAGES_DIR "/%s/%s", size,
		file);
	f = fopen(path, "re");
	if (f == NULL)
		return -1;
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

/* Whether there is no page of a size, for sure. Those that are promised to
 * another process are not free; those beyond the reserve are there when they
 * are asked for. */
static bool
is_used_up(const char *size)
{
	const long free = pages_of(size, "free_hugepages");
	const long promised = pages_of(size, "resv_hugepages");
	const long beyond = pages_of(size, "nr_overcommit_hugepages");
	const long taken = pages_of(size, "surplus_hugepages");

	return free >= 0 && free <= RTE_MAX(promised, 0) && beyond <=
		RTE_MAX(taken, 0);
}

struct pages {
	/* Sizes there are pages of, and the largest. */
	unsigned int sizes;
	uint64_t largest;
	/* None is free, for sure: a sandbox may not show it. */
	bool none;
};

static int
look_at_pages(struct ferry_eal_args *args, struct pages *pages)
{
	DIR *dir = opendir(PAGES_DIR);
	struct dirent *e;
	uint64_t size;
	int error;

	memset(pages, 0, sizeof(*pages));
	pages->none = true;
	while (dir != NULL && (errno = 0, e = readdir(dir)) != NULL) {
		if (sscanf(e->d_name, "hugepages-%" SCNu64 "kB", &size) != 1)
			continue;
		pages->none &= is_used_up(e->d_name);
		if (pages_of(e->d_name, "nr_hugepages") == 0 &&
				is_used_up(e->d_name))
			continue;
		pages->sizes++;
		pages->largest = RTE_MAX(pages->largest, KIB(size));
	}
	error = errno;
	if (dir != NULL)
		closedir(dir);
	if (error == 0)
		return 0;
	return eal_refuse(args, -error, "cannot tell which hugepages there "
		"are: " PAGES_DIR ": %s%s", strerror(error), error == ENOENT ?
		": mount sysfs at /sys, or use a kernel that has hugepages" :
		"");
}

/* NUMA nodes with memory; at least one. */
static unsigned int
nodes(void)
{
	DIR *dir = opendir("/sys/devices/system/node");
	unsigned int n = 0, number;
	struct dirent *e;

	while (dir != NULL && (e = readdir(dir)) != NULL)
		n += sscanf(e->d_name, "node%u", &number) == 1;
	if (dir != NULL)
		closedir(dir);
	return RTE_MAX(n, 1u);
}

/* Sizes of pages that mounts are told apart by; most machines have one or
 * two. */
#define SIZES 8
#define DIR_LEN 96

struct mounts {
	/* Sizes of which a mount has been seen. */
	unsigned int n;
	uint64_t sizes[SIZES];
	/* The first mount of a size can be written to: EAL takes the first. */
	bool usable;
	/* One that EAL takes, and one that can be written to. */
	char taken[DIR_LEN];
	char writable[DIR_LEN];
	/* Why the first one cannot. */
	int error;
	/* One that EAL does not find: it takes the path as /proc/mounts writes
	 * it, with numbers in place of spaces. */
	char odd[DIR_LEN];
};

static int
look_at_mount(const char *dir, void *arg)
{
	const bool writable = faccessat(AT_FDCWD, dir, W_OK, AT_EACCESS) == 0;
	const int error = errno;
	struct mounts *m = arg;
	struct statvfs fs;
	unsigned int i;

	if (strpbrk(dir, " \t\n\\") != NULL) {
		snprintf(m->odd, sizeof(m->odd), "%s", dir);
		return 0;
	}
	if (!writable && m->error == 0)
		m->error = -error;
	if (writable && m->writable[0] == '\0')
		snprintf(m->writable, sizeof(m->writable), "%s", dir);
	if (statvfs(dir, &fs) != 0)
		fs.f_bsize = 0;
	for (i = 0; i < m->n; i++)
		if (m->sizes[i] == fs.f_bsize)
			return 0;
	if (m->n < SIZES)
		m->sizes[m->n++] = fs.f_bsize;
	if (m->taken[0] == '\0')
		snprintf(m->taken, sizeof(m->taken), "%s", dir);
	m->usable |= writable;
	return 0;
}

const char *
eal_huge_dir(const struct ferry_eal_args *args)
{
	const char *value;
	int i;

	for (i = 1; i < args->argc; i++) {
		if (strncmp(args->argv[i], "--huge-d", 8) != 0)
			continue;
		value = strchr(args->argv[i], '=');
		if (value != NULL)
			return value + 1;
		return i + 1 < args->argc ? args->argv[i + 1] : "";
	}
	return NULL;
}

/* No mounted hugetlbfs can be written to. */
static int
no_mount(struct ferry_eal_args *args, const struct mounts *m)
{
	if (m->taken[0] == '\0')
		return eal_refuse(args, -ENODEV, "EAL cannot use a hugetlbfs "
			"with a space in its path, %s: mount one at "
			"/dev/hugepages, too", m->odd);
	if (m->error == -EROFS)
		return eal_refuse(args, m->error, "the hugetlbfs %s is mounted "
			"read-only: as root, mount -o remount,rw %s, or mount "
			"it writable in the container", m->taken, m->taken);
	if (m->error == -ENOENT || m->error == -ENOTDIR)
		return eal_refuse(args, m->error, "the hugetlbfs %s is hidden "
			"by what is mounted over it: as root, mkdir -p %s && "
			"mount -t hugetlbfs nodev %s", m->taken, m->taken,
			m->taken);
	return eal_refuse(args, -EACCES, "no permission to use hugepages "
		"(hugetlbfs is not writable): run as root");
}

/* The runtime directory's file that says who is there. */
static bool
primary_alive(const struct ferry_eal_args *args, char *config, size_t len)
{
	struct eal_path path;

	eal_dir_path(&path, args->prefix);
	if (snprintf(config, len, "%s/config", path.text) >= (int)len)
		return false;
	return rte_eal_primary_proc_alive(config) != 0;
}

/*
 * Whether processes of this prefix are running. A primary that starts beside
 * secondaries of the one before fails, but not before it has cleared the
 * memory that they still use, which kills them.
 */
static int
check_unused(struct ferry_eal_args *args, int dir)
{
	/* Every process of the prefix holds it shared. */
	int fd = eal_openat(dir, "fbarray_memzone", O_RDWR | O_NOFOLLOW);
	char who[128];
	int ret = 0;

	if (fd < 0)
		return 0;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		eal_fds_holders(fd, who, sizeof(who));
		ret = eal_refuse(args, -EBUSY, "processes of the file prefix "
			"%s are still running: end %s, or choose another "
			"--file-prefix", args->prefix, who[0] != '\0' ? who :
			"them (not to be seen from here)");
	}
	close(fd);
	return ret;
}

int
eal_check_mounts(struct ferry_eal_args *args)
{
	struct mounts m = { 0 };
	int mounts;

	eal_pages_each_mount(look_at_mount, &m, &mounts);
	if (mounts < 0)
		return eal_refuse(args, mounts, "cannot tell where a hugetlbfs "
			"is mounted: /proc/self/mounts: %s%s",
			strerror(-mounts),
			mounts == -ENOENT ? ": mount proc at /proc" : "");
	if (mounts == 0)
		return eal_refuse(args, -ENODEV, "no hugetlbfs is mounted: as "
			"root, mkdir -p /dev/hugepages && mount -t hugetlbfs "
			"nodev /dev/hugepages");
	if (m.writable[0] == '\0')
		return no_mount(args, &m);
	if (!m.usable && eal_huge_dir(args) == NULL)
		return eal_refuse(args, -EACCES, "EAL takes the first "
			"hugetlbfs, %s, which is not writable: choose the "
			"other one, --huge-dir=%s", m.taken, m.writable);
	return 0;
}

static int
check_hub(struct ferry_eal_args *args, int dir)
{
	unsigned int arrays;
	struct pages pages;
	char config[PATH_MAX + 8];
	int ret;

	if (primary_alive(args, config, sizeof(config)))
		return eal_refuse(args, -EBUSY, "a DPDK process with file "
			"prefix '%s' runs already: end it, or give this one "
			"another --file-prefix", args->prefix);
	ret = check_unused(args, dir);
	if (ret != 0)
		return ret;
	ret = eal_pages_check(args);
	if (ret != 0)
		return ret;
	ret = look_at_pages(args, &pages);
	if (ret != 0)
		return ret;
	/* Pages of a hub that was killed are taken back by EAL's start. */
	if (pages.none && access(config, F_OK) != 0)
		return eal_refuse(args, -ENOMEM, "no free hugepages: as root, "
			"echo 512 > /proc/sys/vm/nr_hugepages (1 GiB)");
	arrays = HUB_ARRAYS * nodes() * RTE_MAX(pages.sizes, 1u);
	ret = eal_limits_size(args, RTE_MAX(pages.largest, HUB_ARRAY));
	if (ret == 0)
		ret = eal_limits_files(args, FILES_OF_EAL + arrays);
	/* Files of a hub that was killed are written anew. */
	if (ret == 0 && access(config, F_OK) != 0)
		ret = check_space(args, dir, HUB_FILES + HUB_ARRAY * arrays,
			HUB_NAMES + arrays);
	return ret;
}

/* The hub's process; 0 if that cannot be told from here. */
static pid_t
hub_pid(int dir)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = eal_openat(dir, "config", O_RDWR | O_NOFOLLOW);
	pid_t pid = 0;

	if (fd < 0)
		return 0;
	/* Closing it gives up locks of this process only: it has none. */
	if (fcntl(fd, F_GETLK, &range) == 0 && range.l_type != F_UNLCK &&
			range.l_pid > 0)
		pid = range.l_pid;
	close(fd);
	return pid;
}

/* The hub's arrays of pages, each of which a secondary makes one like. */
static void
look_at_arrays(int dir, unsigned int *n, uint64_t *sum, uint64_t *largest)
{
	int copy = eal_openat(dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *e;
	struct stat st;

	*n = 0;
	*sum = *largest = 0;
	while (list != NULL && (e = readdir(list)) != NULL) {
		/* Those of secondaries end with a pid. */
		if (strncmp(e->d_name, "fbarray_memseg-", 15) != 0 ||
				strchr(e->d_name + 15, '_') != NULL ||
				fstatat(dir, e->d_name, &st,
					AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		(*n)++;
		*sum += RTE_ALIGN_CEIL((uint64_t)st.st_size, KIB(4));
		*largest = RTE_MAX(*largest, (uint64_t)st.st_size);
	}
	if (list != NULL)
		closedir(list);
	else if (copy >= 0)
		close(copy);
}

static int
no_hub(struct ferry_eal_args *args)
{
	const bool usual = strcmp(args->prefix, FERRY_FILE_PREFIX) == 0;

	return eal_refuse(args, -ENOENT, "no hub runs with file prefix '%s': "
		"start one with 'ferry-pipe hub%s%s'", args->prefix,
		usual ? "" : " --file-prefix=", usual ? "" : args->prefix);
}

int
eal_check_hub_ended(struct ferry_eal_args *args, int error)
{
	char config[PATH_MAX + 8];

	if (primary_alive(args, config, sizeof(config)))
		return error;
	return eal_refuse(args, -ENOENT, "the hub of file prefix '%s' ended "
		"while this process was starting: start the hub, then this "
		"again", args->prefix);
}

static int
check_secondary(struct ferry_eal_args *args, int dir)
{
	static const char *const files[] = {
		"fbarray_memzone", "hugepage_info", "mp_socket",
	};
	unsigned int arrays, pages, i;
	char config[PATH_MAX + 8];
	uint64_t sum, largest;
	int ret;

	if (!primary_alive(args, config, sizeof(config)))
		return no_hub(args);
	for (i = 0; i < RTE_DIM(files); i++)
		if (faccessat(dir, files[i], F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
				errno == ENOENT)
			return eal_refuse(args, -ESTALE, "the hub's file %s is "
				"not in its runtime directory: the hub is "
				"starting, or a cleaner removed the file: try "
				"again, or start the hub again", files[i]);
	ret = eal_pages_check_hub(args, hub_pid(dir), &pages);
	if (ret != 0)
		return ret;
	look_at_arrays(dir, &arrays, &sum, &largest);
	ret = eal_limits_files(args, FILES_OF_EAL + 2 * arrays + pages);
	if (ret == 0)
		ret = eal_limits_size(args, largest);
	if (ret == 0)
		ret = check_space(args, dir, sum + SECONDARY_FILES,
			SECONDARY_NAMES + arrays);
	return ret;
}

int
eal_check(struct ferry_eal_args *args, enum ferry_eal_role role, int dir)
{
	if (role == FERRY_EAL_HUB)
		return dir < 0 ? dir : check_hub(args, dir);
	return dir == -ENOENT ? no_hub(args) : dir < 0 ? dir :
		check_secondary(args, dir);
}
