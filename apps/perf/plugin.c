/* SPDX-License-Identifier: BSD-3-Clause */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin.h"

/* From the directory of the program in a build directory. */
#define BUILT "../../drivers/dma/softdsa"

/* The queue of the engines; how often, and how long, its state is looked at. */
#define QUEUE "wq0.0"
#define NAP_US 1000
#define NAPS 1000

/* EAL refuses a plugin below a directory that everybody may write to. */
static int
is_safe(const char *path, char *why, size_t why_len)
{
	char dir[PLUGIN_PATH_MAX];
	struct stat st;
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	while ((slash = strrchr(dir, '/')) != NULL && slash != dir) {
		*slash = '\0';
		if (stat(dir, &st) == 0 && !(st.st_mode & S_IWOTH))
			continue;
		snprintf(why, why_len, "EAL loads no plugin below %s, which "
			"everybody may write to", dir);
		return -EPERM;
	}
	return 0;
}

int
plugin_find(const char *file, char *out, char *why, size_t why_len)
{
	char self[PATH_MAX], path[2 * PATH_MAX + 64], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL) {
		*slash = '\0';
		snprintf(path, sizeof(path), "%s/" BUILT "/%s", self, file);
		if (realpath(path, out) != NULL)
			return is_safe(out, why, why_len);
	}
	snprintf(path, sizeof(path), "%s/%s", FERRY_PLUGIN_DIR, file);
	if (realpath(path, out) != NULL)
		return is_safe(out, why, why_len);
	snprintf(why, why_len, "no %s: neither in %s nor beside this program",
		file, FERRY_PLUGIN_DIR);
	return -ENOENT;
}

int
plugin_softdsa_set(const char *text)
{
	int (*set)(const char *text) = NULL;
	char path[PLUGIN_PATH_MAX], why[PLUGIN_PATH_MAX + 128];
	void *library;
	int ret = -ENODEV;

	if (plugin_find(PLUGIN_SOFTDSA, path, why, sizeof(why)) != 0)
		return ret;
	library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	if (library == NULL)
		return ret;
	*(void **)&set = dlsym(library, "ferry_softdsa_set");
	if (set != NULL)
		ret = set(text);
	dlclose(library);
	return ret;
}

/* Whether the queue takes descriptors, as sysfs tells. */
static bool
is_enabled(const char *sysfs)
{
	char path[PATH_MAX], state[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/" QUEUE "/state", sysfs);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	if (fgets(state, sizeof(state), f) == NULL)
		state[0] = '\0';
	fclose(f);
	return strncmp(state, "enabled", 7) == 0;
}

int
plugin_softdsa_repair(void)
{
	const char *sysfs = getenv("DSA_SYSFS_PATH");
	char path[PATH_MAX];
	ssize_t n;
	int fd, i, ret = plugin_softdsa_set("faults=off");

	if (ret != 0 || sysfs == NULL)
		return ret != 0 ? ret : -ENODEV;
	if (is_enabled(sysfs))
		return 0;
	/* bind is a FIFO that the soft DSA reads (see softdsa.rst). O_NONBLOCK
	 * makes open() fail at once if there is no reader. */
	snprintf(path, sizeof(path), "%s/../drivers/user/bind", sysfs);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, QUEUE, strlen(QUEUE));
	close(fd);
	for (i = 0; n > 0 && i < NAPS && !is_enabled(sysfs); i++)
		usleep(NAP_US);
	return is_enabled(sysfs) ? 0 : -EIO;
}
