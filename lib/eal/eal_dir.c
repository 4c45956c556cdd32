/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The runtime directory: BASE/dpdk/PREFIX. EAL makes it, and follows each link
 * that it finds there. So ferry checks all directories of the path from / down
 * to PREFIX, and refuses one that another user can exchange. Then the owner of
 * each directory is known and cannot change.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eal_private.h"

#define CURE "set RUNTIME_DIRECTORY (or, unless root, XDG_RUNTIME_DIR) to a " \
	"directory of your own"
/* Flags to open a directory. A symbolic link is not followed. */
#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW)

const char *
eal_dir_base(void)
{
	const char *base = getenv("RUNTIME_DIRECTORY");

	if (base == NULL)
		base = getuid() == 0 ? "/var/run" : getenv("XDG_RUNTIME_DIR");
	return base != NULL ? base : "/tmp";
}

void
eal_dir_path(struct eal_path *out, const char *prefix)
{
	snprintf(out->text, sizeof(out->text), "%s/dpdk/%s", eal_dir_base(),
		prefix);
}

int
eal_openat(int dir, const char *name, int flags)
{
	int fd;

	do {
		fd = openat(dir, name, flags | O_CLOEXEC, 0600);
	} while (fd < 0 && errno == EINTR);
	return fd;
}

/* Who must own a directory. */
enum owner {
	/* This user, or a user who is trusted anyway. For parents. */
	OWNER_TRUSTED,
	/* This user. */
	OWNER_SELF,
};

mode_t
eal_dir_strangers(const struct stat *st, gid_t root)
{
	mode_t others = S_IWGRP | S_IWOTH;

	/* Users in root's group are trusted as root is. Users in this user's
	 * group are not trusted, because all users may be in that group. */
	if (st->st_gid == 0 || st->st_gid == root)
		others = S_IWOTH;
	/* In a sticky directory, no user can rename the files of another
	 * user. */
	if ((st->st_mode & S_ISVTX) != 0)
		others = 0;
	return st->st_mode & others;
}

/* Refuse a directory that cannot be used or made, for a reason other than its
 * safety. */
static int
cannot(struct ferry_eal_args *args, const char *path, int error)
{
	const char *cure = "set RUNTIME_DIRECTORY to another one";

	if (error == -EMFILE || error == -ENFILE)
		cure = "raise the limit of open files (ulimit -n)";
	else if (error == -ENOMEM)
		cure = "end other programs";
	else if (error == -ENOENT)
		cure = "make it, or " CURE;
	else if (error == -EACCES || error == -EPERM)
		cure = "run as the user who started the hub, or " CURE;
	return eal_refuse(args, error,
		"%s the runtime directory %.100s (%s): %s",
		error == -EACCES || error == -EPERM ? "no permission to use" :
		"cannot use", path, strerror(-error), cure);
}

static int
check_one(struct ferry_eal_args *args, int fd, const char *path,
		enum owner owner, const struct stat *root)
{
	const char *who;
	struct stat st;
	mode_t others;

	if (fstat(fd, &st) != 0)
		return cannot(args, path, -errno);
	if (st.st_uid != geteuid() && (owner == OWNER_SELF ||
			(st.st_uid != 0 && st.st_uid != root->st_uid)))
		return eal_refuse(args, -EACCES, "the runtime directory is not "
			"safe: %.120s belongs to another user (user %u): " CURE,
			path, (unsigned int)st.st_uid);
	others = owner == OWNER_SELF ? st.st_mode & (S_IWGRP | S_IWOTH) :
		eal_dir_strangers(&st, root->st_gid);
	if (others == 0)
		return 0;
	who = (others & S_IWOTH) != 0 ? "other users" : "users of its group";
	/* For a parent, first name a cure that leaves the directory to the
	 * users who share it. */
	return eal_refuse(args, -EACCES, "the runtime directory is not safe: "
		"%.120s can be written to by %s: %s" CURE, path, who,
		owner == OWNER_TRUSTED ? "chmod +t it, or " : "");
}

/* Open an entry of a directory that has been checked, and check it. */
static int
step(struct ferry_eal_args *args, int at, const char *name, const char *path,
		enum owner owner, const struct stat *root)
{
	int fd = eal_openat(at, name, OPEN_DIR), ret;

	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return eal_refuse(args, -EACCES, "the runtime directory is not "
			"safe: %s is a link or a file, not a directory: " CURE,
			path);
	if (fd < 0)
		return cannot(args, path, -errno);
	ret = check_one(args, fd, path, owner, root);
	if (ret != 0) {
		close(fd);
		return ret;
	}
	return fd;
}

/* A walk along a path. */
struct walk {
	/* The directory that the walk has reached; -1: the walk failed. */
	int fd;
	/* How many links the walk has followed. */
	int links;
	/* Status of "/". Its owner is root, whatever number root has here. */
	const struct stat *root;
	/* done: the path of fd, for messages. rest: the rest of the path. */
	char done[PATH_MAX];
	char rest[PATH_MAX];
};

static void
walk_to(struct walk *w, int fd)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = fd;
}

/* Follow a symbolic link, if its owner is this user or a trusted one. */
static int
walk_link(struct ferry_eal_args *args, struct walk *w, const char *name,
		const struct stat *st)
{
	char target[PATH_MAX], whole[PATH_MAX];
	ssize_t n = readlinkat(w->fd, name, target, sizeof(target) - 1);

	if (st->st_uid != 0 && st->st_uid != w->root->st_uid &&
			st->st_uid != geteuid())
		return eal_refuse(args, -EACCES, "the runtime directory is not "
			"safe: %s in its path is a link of another user (%u): "
			CURE, name, (unsigned int)st->st_uid);
	if (n < 0)
		return cannot(args, eal_dir_base(), -errno);
	target[n] = '\0';
	if (++w->links > 40 || snprintf(whole, sizeof(whole),
			"%.2040s/%.2040s", target, w->rest) >=
			(int)sizeof(whole))
		return eal_refuse(args, -ELOOP, "the directory for EAL's "
			"runtime files %s cannot be used: too many links: "
			CURE, eal_dir_base());
	strcpy(w->rest, whole);
	if (target[0] == '/') {
		walk_to(w, eal_openat(AT_FDCWD, "/", OPEN_DIR));
		w->done[0] = '\0';
	}
	return w->fd >= 0 ? 0 : cannot(args, "/", -errno);
}

/* Walk one more part of the path. */
static int
walk_on(struct ferry_eal_args *args, struct walk *w, const char *name)
{
	const size_t len = strlen(w->done);
	struct stat st;
	int fd;

	if (fstatat(w->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return cannot(args, eal_dir_base(), -errno);
	if (S_ISLNK(st.st_mode))
		return walk_link(args, w, name, &st);
	snprintf(w->done + len, sizeof(w->done) - len, "/%s", name);
	fd = step(args, w->fd, name, w->done, OWNER_TRUSTED, w->root);
	if (fd < 0)
		return fd;
	walk_to(w, fd);
	return 0;
}

/* Open the base, and check each directory and link on the way. Returns a
 * descriptor. */
static int
open_base(struct ferry_eal_args *args, struct stat *root)
{
	const char *base = eal_dir_base();
	struct walk w = { .fd = -1, .root = root };
	char name[NAME_MAX + 1];
	size_t len;
	int ret = 0;

	/* The base must be an absolute path: EAL appends "/dpdk" even to an
	 * empty one, and a relative path leads elsewhere after the next
	 * chdir(). */
	if (base[0] != '/')
		return eal_refuse(args, -EINVAL, "the directory for EAL's "
			"runtime files '%.100s' is no path from /: unset "
			"RUNTIME_DIRECTORY, or " CURE, base);
	if (stat("/", root) != 0)
		return cannot(args, "/", -errno);
	if (snprintf(w.rest, sizeof(w.rest), "%s", base) >=
			(int)sizeof(w.rest))
		return eal_refuse(args, -ENAMETOOLONG, "the directory for "
			"EAL's runtime files has too long a path: " CURE);
	walk_to(&w, eal_openat(AT_FDCWD, "/", OPEN_DIR));
	while (ret == 0 && w.fd >= 0) {
		len = strspn(w.rest, "/");
		memmove(w.rest, w.rest + len, strlen(w.rest + len) + 1);
		len = strcspn(w.rest, "/");
		if (len == 0)
			break;
		if (len > NAME_MAX) {
			ret = eal_refuse(args, -ENAMETOOLONG, "the directory "
				"for EAL's runtime files has too long a name: "
				CURE);
			break;
		}
		memcpy(name, w.rest, len);
		name[len] = '\0';
		memmove(w.rest, w.rest + len, strlen(w.rest + len) + 1);
		ret = walk_on(args, &w, name);
	}
	if (ret != 0) {
		walk_to(&w, -1);
		return ret;
	}
	return w.fd >= 0 ? w.fd : cannot(args, base, -errno);
}

int
eal_dir_open(struct ferry_eal_args *args, enum ferry_eal_role role)
{
	struct eal_path path, above;
	int base, dpdk, fd = -1;
	struct stat root;

	eal_dir_path(&path, args->prefix);
	snprintf(above.text, sizeof(above.text), "%s/dpdk", eal_dir_base());
	base = open_base(args, &root);
	if (base < 0)
		return base;
	/* Make the directory here, so that no other user can make it between
	 * this check and EAL's start. */
	if (role == FERRY_EAL_HUB && mkdirat(base, "dpdk", 0700) != 0 &&
			errno != EEXIST) {
		fd = cannot(args, above.text, -errno);
		close(base);
		return fd;
	}
	if (role != FERRY_EAL_HUB && faccessat(base, "dpdk", F_OK,
			AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
		close(base);
		return -ENOENT;
	}
	dpdk = step(args, base, "dpdk", above.text, OWNER_TRUSTED, &root);
	close(base);
	if (dpdk < 0)
		return dpdk;
	if (role == FERRY_EAL_HUB && mkdirat(dpdk, args->prefix, 0700) != 0 &&
			errno != EEXIST)
		fd = cannot(args, path.text, -errno);
	else if (role != FERRY_EAL_HUB && faccessat(dpdk, args->prefix, F_OK,
			AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
		fd = -ENOENT;
	else
		fd = step(args, dpdk, args->prefix, path.text, OWNER_SELF,
			&root);
	close(dpdk);
	return fd;
}

/* Open the directory BASE/dpdk, for cleaning up. *dir: PREFIX in it. */
static int
open_dpdk(const char *prefix, int *dir)
{
	struct ferry_eal_args args;
	struct stat root;
	int base, dpdk;

	memset(&args, 0, sizeof(args));
	base = open_base(&args, &root);
	if (base < 0)
		return base;
	dpdk = step(&args, base, "dpdk", "dpdk", OWNER_TRUSTED, &root);
	close(base);
	if (dpdk < 0)
		return dpdk;
	*dir = step(&args, dpdk, prefix, prefix, OWNER_SELF, &root);
	return dpdk;
}

/* Call fn for each file in a directory, except hidden ones. */
static void
each_file(int fd, void (*fn)(int fd, const char *name, void *arg), void *arg)
{
	/* The stream has a descriptor of its own. */
	int copy = eal_openat(fd, ".", OPEN_DIR);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *e;

	if (dir == NULL) {
		if (copy >= 0)
			close(copy);
		return;
	}
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			fn(fd, e->d_name, arg);
	closedir(dir);
}

static void
remove_file(int fd, const char *name, void *arg)
{
	(void)arg;
	unlinkat(fd, name, 0);
}

void
eal_dir_remove_names(const char *prefix, const struct eal_names *names,
		bool ended)
{
	int dir = -1, dpdk = open_dpdk(prefix, &dir);
	unsigned int i;

	if (dir >= 0) {
		if (names->socket[0] != '\0')
			unlinkat(dir, names->socket, 0);
		for (i = 0; i < names->n_arrays && !ended; i++)
			unlinkat(dir, names->arrays[i], 0);
		close(dir);
	}
	if (dpdk >= 0)
		close(dpdk);
}

static void
look_for_others(int fd, const char *name, void *arg)
{
	bool *others = arg;

	(void)fd;
	*others |= strcmp(name, EAL_LCORE_FILE) != 0;
}

void
eal_dir_remove_unused(const char *prefix)
{
	int dir = -1, dpdk = open_dpdk(prefix, &dir);
	bool others = false;

	if (dir >= 0) {
		each_file(dir, look_for_others, &others);
		if (!others) {
			unlinkat(dir, EAL_LCORE_FILE, 0);
			unlinkat(dpdk, prefix, AT_REMOVEDIR);
		}
		close(dir);
	}
	if (dpdk >= 0)
		close(dpdk);
}

void
eal_dir_remove(const char *prefix)
{
	int dir = -1, dpdk = open_dpdk(prefix, &dir);

	if (dir >= 0) {
		each_file(dir, remove_file, NULL);
		unlinkat(dpdk, prefix, AT_REMOVEDIR);
		close(dir);
	}
	if (dpdk >= 0)
		close(dpdk);
}
