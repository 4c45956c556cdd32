/* SPDX-License-Identifier: BSD-3-Clause */

/* Page files: MOUNT/PREFIXmap_NUMBER in each mounted hugetlbfs. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eal_private.h"

bool
eal_pages_is_name(const char *name, const char *prefix)
{
	const size_t len = strlen(prefix);

	return strncmp(name, prefix, len) == 0 &&
		strncmp(name + len, "map_", 4) == 0 &&
		isdigit((unsigned char)name[len + 4]);
}

int
eal_pages_each_mount(int (*fn)(const char *dir, void *arg), void *arg, int *n)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int ret = 0;

	*n = mounts != NULL ? 0 : -errno;
	while (ret == 0 && mounts != NULL && (m = getmntent(mounts)) != NULL) {
		if (strcmp(m->mnt_type, "hugetlbfs") != 0)
			continue;
		(*n)++;
		ret = fn(m->mnt_dir, arg);
	}
	if (mounts != NULL)
		endmntent(mounts);
	return ret;
}

static DIR *
dir_open(const char *path)
{
	int fd = eal_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY |
			O_NOFOLLOW);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL && fd >= 0)
		close(fd);
	return dir;
}

/* Refuse a hugepage mount in which other users can put files in place of
 * pages. This is necessary because EAL opens a file that exists without a check
 * of its type or owner. */
static int
check_mount(const char *path, void *arg)
{
	struct ferry_eal_args *args = arg;
	mode_t strangers = 0;
	struct dirent *e;
	struct stat st;
	int ret = 0;
	DIR *dir;

	if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
		return 0; /* not used */
	dir = dir_open(path);
	if (dir == NULL)
		return 0;
	if (fstat(dirfd(dir), &st) == 0)
		strangers = eal_dir_strangers(&st, 0);
	if (strangers != 0)
		ret = eal_refuse(args, -EACCES, "hugepages in %.100s are not "
			"safe: %s can exchange files there: chmod +t %.100s",
			path, (strangers & S_IWOTH) != 0 ? "every user" :
			"users of its group", path);
	while (ret == 0 && (e = readdir(dir)) != NULL) {
		if (!eal_pages_is_name(e->d_name, args->prefix) ||
				fstatat(dirfd(dir), e->d_name, &st,
					AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
				st.st_nlink != 1)
			ret = eal_refuse(args, -EACCES, "hugepage file %s/%s "
				"belongs to another user (%u), or is a link: "
				"remove it, or choose another --file-prefix",
				path, e->d_name, (unsigned int)st.st_uid);
	}
	closedir(dir);
	return ret;
}

int
eal_pages_check(struct ferry_eal_args *args)
{
	int n;

	return eal_pages_each_mount(check_mount, args, &n);
}

/* The path in a line of /proc/PID/maps, if it is that of a page file; otherwise
 * NULL. *inode: the inode in that line. */
static char *
page_of(char *line, const char *prefix, unsigned long long *inode)
{
	char *path = strchr(line, '/'), *base;

	if (path == NULL || sscanf(line, "%*s %*s %*s %*s %llu", inode) != 1)
		return NULL;
	path[strcspn(path, "\n")] = '\0';
	base = strrchr(path, '/') + 1;
	return eal_pages_is_name(base, prefix) ? path : NULL;
}

/* Check that the page files that the process hub has mapped still exist. */
static int
check_mapped(struct ferry_eal_args *args, pid_t hub, unsigned int *n)
{
	char name[64], line[PATH_MAX + 128];
	unsigned long long inode;
	struct stat st;
	int ret = 0;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/maps", (int)hub);
	f = fopen(name, "re");
	/* The hub is in another pid namespace, or this process may not read its
	 * maps. */
	if (f == NULL)
		return 0;
	while (ret == 0 && fgets(line, sizeof(line), f) != NULL) {
		char *path = page_of(line, args->prefix, &inode);
		char *gone = path != NULL ? strstr(path, " (deleted)") : NULL;

		if (path == NULL)
			continue;
		if (gone != NULL) {
			*gone = '\0';
			ret = eal_refuse(args, -ESTALE, "the hub's hugepage "
				"file %.100s is not there any more, someone "
				"removed it: keep cleaners off it, end all "
				"processes of the file prefix and start the "
				"hub again",
				path);
		/* Compare the inode of the first page file only: it shows
		 * whether the hub's hugetlbfs is mounted here. */
		} else if ((*n)++ == 0 && (stat(path, &st) != 0 ?
				errno == ENOENT :
				st.st_ino != (ino_t)inode)) {
			ret = eal_refuse(args, -ESTALE, "the hub's hugepage "
				"file %.100s is not to be seen here: mount the "
				"hub's hugetlbfs at the same place in this "
				"container",
				path);
		}
	}
	fclose(f);
	return ret;
}

/* Argument of look_for_page(). */
struct seen {
	struct ferry_eal_args *args;
	/* There is a page file of the prefix, or that cannot be found out. */
	bool any;
};

static int
look_for_page(const char *path, void *arg)
{
	struct seen *seen = arg;
	DIR *dir = dir_open(path);
	struct dirent *e;
	int ret = 0;

	if (dir == NULL) {
		seen->any |= errno != ENOENT;
		return 0;
	}
	while ((errno = 0, e = readdir(dir)) != NULL) {
		if (!eal_pages_is_name(e->d_name, seen->args->prefix))
			continue;
		seen->any = true;
		if (faccessat(dirfd(dir), e->d_name, R_OK | W_OK, AT_EACCESS) !=
				0 && (errno == EACCES || errno == EROFS))
			ret = eal_refuse(seen->args, -errno, "the hub's "
				"hugepage file %.100s/%.60s cannot be written "
				"to (%s): mount that hugetlbfs writable, and "
				"run as the user who started the hub", path,
				e->d_name,
				strerror(errno));
		break;
	}
	seen->any |= e == NULL && errno != 0;
	closedir(dir);
	return ret;
}

int
eal_pages_check_hub(struct ferry_eal_args *args, pid_t hub, unsigned int *n)
{
	struct seen seen = { .args = args };
	int ret, mounts;

	*n = 0;
	ret = check_mapped(args, hub, n);
	if (ret != 0)
		return ret;
	ret = eal_pages_each_mount(look_for_page, &seen, &mounts);
	/* Without this check, EAL of the secondary would make new page files,
	 * which are not the hub's. */
	if (ret == 0 && !seen.any && mounts >= 0)
		ret = eal_refuse(args, -ESTALE, "no hugepage file of the hub "
			"(%smap_0 and others) is to be seen here: mount the "
			"hub's hugetlbfs at the same place in this container; "
			"if a cleaner removed the files, start the hub again",
			args->prefix);
	return ret;
}

static int
remove_mount(const char *path, void *arg)
{
	const char *prefix = arg;
	DIR *dir = dir_open(path);
	struct dirent *e;

	if (dir == NULL)
		return 0;
	while ((e = readdir(dir)) != NULL)
		if (eal_pages_is_name(e->d_name, prefix))
			unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	return 0;
}

void
eal_pages_remove(const char *prefix)
{
	int n;

	eal_pages_each_mount(remove_mount, (void *)(uintptr_t)prefix, &n);
}
