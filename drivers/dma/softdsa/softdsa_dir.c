/* SPDX-License-Identifier: BSD-3-Clause */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "softdsa_dir.h"

#define PORTAL_SIZE 4096
/* How many names are tried for the directory. */
#define TRIES 100

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

/* Write a file with a line of text. */
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

/* Make the files "enabled" and "disabled". link() makes one of them the state
 * of a queue. */
static int
make_states(const struct softdsa_dir *dir)
{
	int error = put(dir, "enabled", "enabled\n");

	return error != 0 ? error : put(dir, "disabled", "disabled\n");
}

int
softdsa_dir_set_state(const struct softdsa_dir *dir, unsigned int wq,
		const char *state)
{
	char name[SOFTDSA_NAME_LEN], path[64], to[SOFTDSA_PATH_LEN];
	char from[SOFTDSA_PATH_LEN], word[SOFTDSA_PATH_LEN];
	int error;

	softdsa_dir_wq_name(wq, name);
	snprintf(path, sizeof(path), "bus/dsa/devices/%s/state", name);
	softdsa_dir_path(dir, path, to);
	/* The new link is not made in the work queue's directory, because
	 * readers of that directory do not expect another file there. */
	softdsa_dir_path(dir, "state.new", from);
	softdsa_dir_path(dir, state, word);
	if (link(word, from) != 0)
		return -errno;
	error = rename(from, to) == 0 ? 0 : -errno;
	/* rename() leaves "state.new" if both names are links to the same
	 * file. */
	unlink(from);
	return error;
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
	/* DPDK takes queues whose names begin with "dpdk_", whatever its file
	 * prefix is. */
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
		/* All queues use the addresses of the program. */
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

/* Make the directory in a place. Returns its file descriptor or -errno. */
static int
make_root_in(struct softdsa_dir *dir, const char *base, int place)
{
	unsigned int i;
	struct stat st;
	uint32_t dice;
	int fd, n;

	for (i = 0; i < TRIES; i++) {
		if (getrandom(&dice, sizeof(dice), 0) != sizeof(dice))
			return -EIO;
		n = snprintf(dir->root, sizeof(dir->root), "%s/%s%ld.%08"
			PRIx32, base, SOFTDSA_DIR_PREFIX, (long)getpid(), dice);
		if (n >= (int)sizeof(dir->root))
			return -ENAMETOOLONG;
		if (mkdirat(place, dir->root + strlen(base) + 1, 0700) == 0)
			break;
		if (errno != EEXIST)
			return -errno;
	}
	if (i == TRIES)
		return -EEXIST;
	fd = openat(place, dir->root + strlen(base) + 1, O_RDONLY |
		O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Set the mode again, because the umask may have taken bits away. */
	if (fchmod(fd, 0700) != 0 || fstat(fd, &st) != 0) {
		n = -errno;
		close(fd);
		return n;
	}
	dir->dev = st.st_dev;
	dir->ino = st.st_ino;
	return fd;
}

/* Make the directory in the first place where that is possible. If there is
 * none, why says what is wrong with each place. */
static int
make_root(struct softdsa_dir *dir, char why[SOFTDSA_WHY_LEN])
{
	char words[SOFTDSA_WHY_LEN];
	int fd = -ENOENT, place;
	unsigned int i;
	size_t at = 0;

	for (i = 0; i < SOFTDSA_HOMES; i++) {
		const char *base = softdsa_home_path(i);

		if (base == NULL)
			continue;
		place = softdsa_home_open(base, words);
		if (place >= 0) {
			fd = make_root_in(dir, base, place);
			close(place);
			if (fd >= 0)
				return fd;
			snprintf(words, sizeof(words), "%.100s: %s", base,
				strerror(-fd));
		} else {
			fd = place;
		}
		at += (size_t)snprintf(why + at, SOFTDSA_WHY_LEN - at, "%s%s",
			at > 0 ? "; " : "", words);
		if (at >= SOFTDSA_WHY_LEN)
			break;
	}
	dir->root[0] = '\0';
	return fd;
}

int
softdsa_dir_make(struct softdsa_dir *dir, const struct softdsa_config *c,
		bool empty_portals, char why[SOFTDSA_WHY_LEN])
{
	static const char *const parts[] = {
		"dev", "bus", "bus/dsa", "bus/dsa/devices", "bus/dsa/drivers",
		"bus/dsa/drivers/user",
	};
	unsigned int i;
	int error, fd;

	why[0] = '\0';
	dir->empty_portals = empty_portals;
	if (getrandom(&dir->cookie, sizeof(dir->cookie), 0) !=
			sizeof(dir->cookie)) {
		snprintf(why, SOFTDSA_WHY_LEN, "no random numbers");
		return -EIO;
	}
	fd = make_root(dir, why);
	if (fd < 0)
		return fd;
	dir->lock = softdsa_lock_take(fd);
	close(fd);
	error = dir->lock < 0 ? dir->lock : 0;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]) && error == 0; i++)
		error = make_dir(dir, parts[i]);
	if (error == 0)
		error = make_fifo(dir, "bus/dsa/drivers/user/bind");
	if (error == 0)
		error = make_fifo(dir, "bus/dsa/drivers/user/unbind");
	if (error == 0)
		error = make_states(dir);
	if (error == 0)
		error = make_device(dir, c);
	for (i = 0; i < c->wqs && error == 0; i++)
		error = make_wq(dir, c, i);
	if (error != 0) {
		snprintf(why, SOFTDSA_WHY_LEN, "%s: %s", dir->root,
			strerror(-error));
		softdsa_dir_remove(dir);
		if (dir->lock >= 0)
			close(dir->lock);
	}
	return error;
}

void
softdsa_dir_remove(const struct softdsa_dir *dir)
{
	struct stat st;
	int fd = open(dir->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
		O_CLOEXEC);

	if (fd < 0)
		return;
	/* Remove only the directory that this device has made. */
	if (fstat(fd, &st) == 0 && st.st_dev == dir->dev &&
			st.st_ino == dir->ino)
		softdsa_home_remove(AT_FDCWD, dir->root, fd);
	else
		close(fd);
}

static void
sweep(int place, DIR *d)
{
	struct dirent *e;
	struct stat st;
	int fd;

	while ((e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, SOFTDSA_DIR_PREFIX,
				strlen(SOFTDSA_DIR_PREFIX)) != 0)
			continue;
		fd = openat(place, e->d_name, O_RDONLY | O_DIRECTORY |
			O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
				softdsa_lock_orphaned(fd))
			softdsa_home_remove(place, e->d_name, fd);
		else
			close(fd);
	}
}

void
softdsa_dir_sweep(void)
{
	char why[SOFTDSA_WHY_LEN];
	unsigned int i;
	int place;
	DIR *d;

	for (i = 0; i < SOFTDSA_HOMES; i++) {
		const char *base = softdsa_home_path(i);

		place = base != NULL ? softdsa_home_open(base, why) : -1;
		if (place < 0)
			continue;
		d = fdopendir(place);
		if (d == NULL) {
			close(place);
			continue;
		}
		sweep(place, d);
		closedir(d);
	}
}
