/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Checks, before EAL starts, for what EAL is going to need. Without that, EAL
 * may die of SIGBUS or SIGXFSZ in the middle of its start. The locks in shared
 * memory that it holds then can never be taken again by any process. Or EAL
 * fails with a message that does not name the cause.
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
/* How many descriptors EAL opens that are neither pages nor arrays, and some
 * for ferry. */
#define FILES_OF_EAL 13
/* HUB_FILES: bytes of the files in a hub's runtime directory, without the
 * arrays of pages. HUB_ARRAY: bytes of the largest array. HUB_ARRAYS: how many
 * arrays there are for each page size and socket. */
#define HUB_FILES KIB(256)
#define HUB_ARRAY KIB(400)
#define HUB_ARRAYS 4
/* How many files a hub and a secondary make, without arrays of pages. */
#define HUB_NAMES 8
#define SECONDARY_NAMES 2
#define PAGES_DIR "/sys/kernel/mm/hugepages"
/* Bytes of a secondary's files, without its arrays. */
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

/* A number about the hugepages of a size, from a file in sysfs. -1: it cannot
 * be read. */
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

/* Whether it is certain that no page of a size can be had. Pages that are
 * promised to another process do not count as free. Pages beyond the reserve
 * count, because the kernel makes them when EAL asks for them. */
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
	/* sizes: of how many sizes there are pages. largest: the largest of
	 * these sizes. */
	unsigned int sizes;
	uint64_t largest;
	/* It is certain that no page is free. In a sandbox, which may not show
	 * the number, it is not certain. */
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

/* How many NUMA nodes have memory; at least one. */
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

/* The most page sizes that are told apart. Most machines have one or two. */
#define SIZES 8
#define DIR_LEN 96

struct mounts {
	/* The page sizes of the mounts that have been seen. */
	unsigned int n;
	uint64_t sizes[SIZES];
	/* The first mount of some size can be written to. EAL uses only the
	 * first mount of a size. */
	bool usable;
	/* taken: a mount that EAL uses. writable: a mount that can be written
	 * to. */
	char taken[DIR_LEN];
	char writable[DIR_LEN];
	/* Why the mount "taken" cannot be written to. */
	int error;
	/* A mount that EAL does not find, because its path has spaces: EAL uses
	 * the path as /proc/mounts writes it, with numbers in place of
	 * spaces. */
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

/* Refuse the start because EAL can use no mounted hugetlbfs. */
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

/* Whether a primary of the prefix runs. config: gets the path of the file in
 * the runtime directory by which EAL tells that. */
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
 * Check that no process of this prefix is running. If a primary starts while
 * secondaries of the primary before still run, its start fails. But before that
 * it clears the memory that the secondaries use, which kills them.
 */
static int
check_unused(struct ferry_eal_args *args, int dir)
{
	/* Every process of the prefix holds a shared lock on this file. */
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
	/* If there is a file of a killed hub, go on: EAL's start takes the
	 * pages of that hub back. */
	if (pages.none && access(config, F_OK) != 0)
		return eal_refuse(args, -ENOMEM, "no free hugepages: as root, "
			"echo 512 > /proc/sys/vm/nr_hugepages (1 GiB)");
	arrays = HUB_ARRAYS * nodes() * RTE_MAX(pages.sizes, 1u);
	ret = eal_limits_size(args, RTE_MAX(pages.largest, HUB_ARRAY));
	if (ret == 0)
		ret = eal_limits_files(args, FILES_OF_EAL + arrays);
	/* If there are files of a killed hub, EAL writes them anew and needs no
	 * more space. */
	if (ret == 0 && access(config, F_OK) != 0)
		ret = check_space(args, dir, HUB_FILES + HUB_ARRAY * arrays,
			HUB_NAMES + arrays);
	return ret;
}

/* The pid of the hub; 0 if it cannot be found out from here. */
static pid_t
hub_pid(int dir)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = eal_openat(dir, "config", O_RDWR | O_NOFOLLOW);
	pid_t pid = 0;

	if (fd < 0)
		return 0;
	/* Closing the file gives up only locks of this process, and this
	 * process has none. */
	if (fcntl(fd, F_GETLK, &range) == 0 && range.l_type != F_UNLCK &&
			range.l_pid > 0)
		pid = range.l_pid;
	close(fd);
	return pid;
}

/* Count the hub's arrays of pages. A secondary makes an array of the same size
 * for each of them. */
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
		/* Leave out the arrays of secondaries: their names end with a
		 * pid. */
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
