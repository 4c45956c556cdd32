/* SPDX-License-Identifier: BSD-3-Clause */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "softdsa_dir.h"

#define PORTAL_SIZE 4096
/* Deeper than anything that is made here. */
#define DEPTH_MAX 8

/* Who made a directory. A number of a process may come again: its start. */
struct owner {
	long pid;
	uint64_t start;
	/* Inode of the PID namespace, in which the numbers are valid. */
	uint64_t space;
};

struct linux_dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

void
softdsa_dir_path(const struct softdsa_dir *dir, const char *name,
		char path[SOFTDSA_PATH_LEN])
{
	snprintf(path, SOFTDSA_PATH_LEN, "%s/%s", dir->root, name);
}

void
softdsa_dir_wq_name(unsigned int wq, char name[SOFTDSA_NAME_LEN])
{
	snprintf(name, SOFTDSA_NAME_LEN, "wq0.%u", wq);
}

static int
write_all(int fd, const char *text)
{
	const size_t len = strlen(text);
	ssize_t n = write(fd, text, len);
	int error = n < 0 ? -errno : (size_t)n == len ? 0 : -ENOSPC;

	close(fd);
	return error;
}

/* A file with a line of text. */
static int __attribute__((format(printf, 3, 4)))
put(const struct softdsa_dir *dir, const char *name, const char *format, ...)
{
	char path[SOFTDSA_PATH_LEN], text[128];
	va_list ap;
	int fd;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	softdsa_dir_path(dir, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : write_all(fd, text);
}

static int
make_dir(const struct softdsa_dir *dir, const char *name)
{
	char path[SOFTDSA_PATH_LEN];

	softdsa_dir_path(dir, name, path);
	return mkdir(path, 0700) == 0 ? 0 : -errno;
}

static int
make_fifo(const struct softdsa_dir *dir, const char *name)
{
	char path[SOFTDSA_PATH_LEN];

	softdsa_dir_path(dir, name, path);
	return mkfifo(path, 0600) == 0 ? 0 : -errno;
}

static int
make_portal(const struct softdsa_dir *dir, unsigned int wq)
{
	const struct softdsa_portal_id id = {
		.magic = SOFTDSA_PORTAL_MAGIC,
		.cookie = dir->cookie,
		.wq = wq,
	};
	char path[SOFTDSA_PATH_LEN], name[SOFTDSA_NAME_LEN];
	int fd, error = 0;

	softdsa_dir_wq_name(wq, name);
	snprintf(path, sizeof(path), "%s/dev/%s", dir->root, name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (!dir->empty_portals && (ftruncate(fd, PORTAL_SIZE) != 0 ||
			pwrite(fd, &id, sizeof(id), 0) != sizeof(id)))
		error = errno != 0 ? -errno : -EIO;
	close(fd);
	return error;
}

int
softdsa_dir_set_state(const struct softdsa_dir *dir, unsigned int wq,
		const char *state)
{
	char name[SOFTDSA_NAME_LEN], path[64], to[SOFTDSA_PATH_LEN];
	char from[SOFTDSA_PATH_LEN];
	int error;

	softdsa_dir_wq_name(wq, name);
	/* Not in the work queue's directory, where nobody expects it. */
	error = put(dir, "state.new", "%s\n", state);
	if (error != 0)
		return error;
	snprintf(path, sizeof(path), "bus/dsa/devices/%s/state", name);
	softdsa_dir_path(dir, path, to);
	softdsa_dir_path(dir, "state.new", from);
	return rename(from, to) == 0 ? 0 : -errno;
}

static int
make_wq(const struct softdsa_dir *dir, const struct softdsa_config *c,
		unsigned int wq)
{
	const struct {
		const char *name;
		const char *text;
		uint64_t value;
	} attributes[] = {
		{ "type", "user", 0 },
		{ "mode", "dedicated", 0 },
		{ "driver_name", "user", 0 },
		{ "size", NULL, c->size },
		{ "max_batch_size", NULL, c->max_batch },
		{ "max_transfer_size", NULL, c->max_transfer },
		{ "group_id", NULL, 0 },
		{ "priority", NULL, 10 },
		{ "threshold", NULL, 0 },
		{ "block_on_fault", NULL, 0 },
		{ "cdev_minor", NULL, wq },
	};
	char base[64], path[96], name[SOFTDSA_NAME_LEN];
	int error;
	size_t i;

	softdsa_dir_wq_name(wq, name);
	snprintf(base, sizeof(base), "bus/dsa/devices/%s", name);
	error = make_dir(dir, base);
	for (i = 0; i < sizeof(attributes) / sizeof(attributes[0]) &&
			error == 0; i++) {
		snprintf(path, sizeof(path), "%s/%s", base, attributes[i].name);
		if (attributes[i].text != NULL)
			error = put(dir, path, "%s\n", attributes[i].text);
		else
			error = put(dir, path, "%" PRIu64 "\n",
				attributes[i].value);
	}
	/* Names that begin so are DPDK's, whatever its file prefix. */
	snprintf(path, sizeof(path), "%s/name", base);
	if (error == 0)
		error = put(dir, path, "dpdk_softdsa%u\n", wq);
	if (error == 0)
		error = softdsa_dir_set_state(dir, wq, "enabled");
	return error != 0 ? error : make_portal(dir, wq);
}

static int
make_device(const struct softdsa_dir *dir, const struct softdsa_config *c)
{
	static const char base[] = "bus/dsa/devices/dsa0";
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = {
		{ "numa_node", (int64_t)c->node - 1 },
		{ "max_work_queues", SOFTDSA_MAX_WQS },
		{ "max_work_queues_size", SOFTDSA_MAX_WQS * SOFTDSA_MAX_SIZE },
		{ "max_engines", SOFTDSA_MAX_THREADS },
		{ "max_batch_size", (int64_t)c->max_batch },
		{ "max_transfer_size", (int64_t)c->max_transfer },
		/* They all use the program's addresses. */
		{ "pasid_enabled", 1 },
	};
	char path[96];
	int error;
	size_t i;

	error = make_dir(dir, base);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && error == 0;
			i++) {
		snprintf(path, sizeof(path), "%s/%s", base, numbers[i].name);
		error = put(dir, path, "%" PRId64 "\n", numbers[i].value);
	}
	snprintf(path, sizeof(path), "%s/state", base);
	if (error == 0)
		error = put(dir, path, "enabled\n");
	snprintf(path, sizeof(path), "%s/version", base);
	return error != 0 ? error : put(dir, path, "0x100\n");
}

/* When a process started, in ticks since boot; 0: it is not there. */
static uint64_t
start_of(long pid)
{
	char path[32], text[1024], *p;
	uint64_t start = 0;
	unsigned int i;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* Field 22; the second is a name that may have anything in it. */
	p = strrchr(text, ')');
	for (i = 2; p != NULL && i < 22; i++) {
		p = strchr(p, ' ');
		if (p != NULL)
			p++;
	}
	if (p != NULL)
		start = strtoull(p, NULL, 10);
	return start;
}

static uint64_t
pid_space(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

static int
put_owner(const struct softdsa_dir *dir)
{
	return put(dir, "owner", "%ld %" PRIu64 " %" PRIu64 "\n",
		(long)getpid(), start_of(getpid()), pid_space());
}

static const char *
place(unsigned int i)
{
	switch (i) {
	case 0:
		return "/run";
	case 1:
		return secure_getenv("XDG_RUNTIME_DIR");
	default:
		return "/tmp";
	}
}

#define PLACES 3

static int
make_root(struct softdsa_dir *dir)
{
	unsigned int i;
	int error = -ENOENT;

	for (i = 0; i < PLACES; i++) {
		const char *base = place(i);

		if (base == NULL || base[0] != '/')
			continue;
		if (snprintf(dir->root, sizeof(dir->root), "%s/"
				SOFTDSA_DIR_PREFIX "%ld.XXXXXX", base,
				(long)getpid()) >= (int)sizeof(dir->root)) {
			error = -ENAMETOOLONG;
			continue;
		}
		/* Mode 0700. */
		if (mkdtemp(dir->root) != NULL)
			return 0;
		error = -errno;
	}
	dir->root[0] = '\0';
	return error;
}

int
softdsa_dir_make(struct softdsa_dir *dir, const struct softdsa_config *c,
		bool empty_portals)
{
	static const char *const parts[] = {
		"dev", "bus", "bus/dsa", "bus/dsa/devices", "bus/dsa/drivers",
		"bus/dsa/drivers/user",
	};
	unsigned int i;
	int error;

	dir->empty_portals = empty_portals;
	if (getrandom(&dir->cookie, sizeof(dir->cookie), 0) !=
			sizeof(dir->cookie))
		return -EIO;
	error = make_root(dir);
	if (error != 0)
		return error;
	error = put_owner(dir);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]) && error == 0; i++)
		error = make_dir(dir, parts[i]);
	if (error == 0)
		error = make_fifo(dir, "bus/dsa/drivers/user/bind");
	if (error == 0)
		error = make_fifo(dir, "bus/dsa/drivers/user/unbind");
	if (error == 0)
		error = make_device(dir, c);
	for (i = 0; i < c->wqs && error == 0; i++)
		error = make_wq(dir, c, i);
	if (error != 0)
		softdsa_dir_remove(dir->root);
	return error;
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
softdsa_dir_remove(const char *root)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	empty(fd, DEPTH_MAX);
	rmdir(root);
}

static bool
read_owner(const char *root, struct owner *o)
{
	char path[SOFTDSA_PATH_LEN + 8];
	bool ok;
	FILE *f;

	snprintf(path, sizeof(path), "%s/owner", root);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	ok = fscanf(f, "%ld %" SCNu64 " %" SCNu64, &o->pid, &o->start,
		&o->space) == 3;
	fclose(f);
	return ok;
}

/* Whether the maker of a directory has certainly ended. */
static bool
orphaned(const char *root, const char *name)
{
	struct owner o;
	struct stat st;

	if (lstat(root, &st) != 0 || !S_ISDIR(st.st_mode) ||
			st.st_uid != geteuid())
		return false;
	if (read_owner(root, &o))
		return o.space == pid_space() && (start_of(o.pid) != o.start ||
			o.start == 0);
	/* It died in between, or is about to write it. */
	o.pid = strtol(name + strlen(SOFTDSA_DIR_PREFIX), NULL, 10);
	return o.pid > 0 && kill((pid_t)o.pid, 0) != 0 && errno == ESRCH;
}

void
softdsa_dir_sweep(void)
{
	char root[SOFTDSA_PATH_LEN];
	struct dirent *e;
	unsigned int i;
	DIR *d;

	for (i = 0; i < PLACES; i++) {
		const char *base = place(i);

		d = base != NULL ? opendir(base) : NULL;
		if (d == NULL)
			continue;
		while ((e = readdir(d)) != NULL) {
			if (strncmp(e->d_name, SOFTDSA_DIR_PREFIX,
					strlen(SOFTDSA_DIR_PREFIX)) != 0 ||
					snprintf(root, sizeof(root), "%s/%s",
					base, e->d_name) >= (int)sizeof(root))
				continue;
			if (orphaned(root, e->d_name))
				softdsa_dir_remove(root);
		}
		closedir(d);
	}
}
