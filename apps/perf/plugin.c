/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin.h"

/* From the directory of the program in a build directory. */
#define BUILT "../../drivers/dma/softdsa"

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
