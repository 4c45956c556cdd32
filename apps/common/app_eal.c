/* SPDX-License-Identifier: BSD-3-Clause */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_log.h>

#include "app_eal.h"

void
app_error(const char *format, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, line);
}

/* Where EAL keeps a prefix's sockets and maps; see its eal_filesystem.c. */
static void
runtime_dir(char *out, size_t len, const char *prefix)
{
	const char *base = getenv("RUNTIME_DIRECTORY");

	if (base == NULL)
		base = getuid() == 0 ? "/var/run" : getenv("XDG_RUNTIME_DIR");
	snprintf(out, len, "%s/dpdk/%s", base != NULL ? base : "/tmp", prefix);
}

/* Call fn for every mounted hugetlbfs; returns how many there are. */
static int
for_each_hugetlbfs(void (*fn)(const char *dir, void *arg), void *arg)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *m;
	int n = 0;

	while (mounts != NULL && (m = getmntent(mounts)) != NULL) {
		if (strcmp(m->mnt_type, "hugetlbfs") != 0)
			continue;
		fn(m->mnt_dir, arg);
		n++;
	}
	if (mounts != NULL)
		endmntent(mounts);
	return n;
}

static void
count_writable(const char *dir, void *arg)
{
	int *writable = arg;

	*writable += access(dir, W_OK) == 0;
}

/* Hugepages of any size that are free now. */
static unsigned long
free_hugepages(void)
{
	const char *base = "/sys/kernel/mm/hugepages";
	char path[PATH_MAX];
	unsigned long sum = 0, n;
	struct dirent *e;
	DIR *dir = opendir(base);
	FILE *f;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", base,
			e->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fscanf(f, "%lu", &n) == 1)
			sum += n;
		fclose(f);
	}
	if (dir != NULL)
		closedir(dir);
	return sum;
}

static int
check_hub(const char *prefix)
{
	char path[PATH_MAX];
	int writable = 0;

	runtime_dir(path, sizeof(path) - 8, prefix);
	strcat(path, "/config");
	if (rte_eal_primary_proc_alive(path)) {
		app_error("a DPDK process with file prefix '%s' runs already: "
			"end it, or give this one another --file-prefix",
			prefix);
		return -EEXIST;
	}
	if (for_each_hugetlbfs(count_writable, &writable) == 0) {
		app_error("no hugetlbfs is mounted: as root, mkdir -p "
			"/dev/hugepages && mount -t hugetlbfs nodev "
			"/dev/hugepages");
		return -ENODEV;
	}
	if (writable == 0) {
		app_error("no permission to use hugepages (hugetlbfs is not "
			"writable): run as root");
		return -EACCES;
	}
	/* Pages of a hub that was killed are taken back by EAL's start. */
	if (free_hugepages() == 0 && access(path, F_OK) != 0) {
		app_error("no free hugepages: as root, echo 512 > "
			"/proc/sys/vm/nr_hugepages (1 GiB)");
		return -ENOMEM;
	}
	return 0;
}

static int
check_secondary(const char *prefix)
{
	char path[PATH_MAX];

	runtime_dir(path, sizeof(path) - 8, prefix);
	if (access(path, F_OK) == 0 && access(path, R_OK | X_OK) != 0) {
		app_error("no permission to use the hub in %s: run as the user "
			"who started it", path);
		return -EACCES;
	}
	strcat(path, "/config");
	if (!rte_eal_primary_proc_alive(path)) {
		app_error("no hub runs with file prefix '%s': start one with "
			"'ferry-pipe hub%s%s'", prefix,
			strcmp(prefix, FERRY_FILE_PREFIX) == 0 ? "" :
			" --file-prefix=",
			strcmp(prefix, FERRY_FILE_PREFIX) == 0 ? "" : prefix);
		return -ENOENT;
	}
	return 0;
}

/* The line of EAL's output that says best why it failed. */
static const char *
telling_line(char *text)
{
	static const char * const telling[] = {
		"unrecognized", "invalid", "Invalid", "requires an argument",
		"Cannot", "cannot", "ailed", "ERROR", "error", "No ", "Could",
	};
	char *line, *save = NULL, *first = NULL;
	unsigned int i;

	for (line = strtok_r(text, "\n", &save); line != NULL;
			line = strtok_r(NULL, "\n", &save)) {
		for (i = 0; i < sizeof(telling) / sizeof(telling[0]); i++)
			if (first == NULL && strstr(line, telling[i]) != NULL)
				first = line;
	}
	return first;
}

/* Start EAL with stdout and stderr going to a file in memory. */
static int
init_quietly(struct ferry_eal_args *args, enum ferry_eal_role role, int memory)
{
	int out, err, ret;

	fflush(stdout);
	out = dup(STDOUT_FILENO);
	err = dup(STDERR_FILENO);
	dup2(memory, STDOUT_FILENO);
	dup2(memory, STDERR_FILENO);
	ret = ferry_eal_init(args, role);
	fflush(stdout);
	fflush(stderr);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	return ret;
}

static bool
talkative(const struct ferry_eal_args *args)
{
	int i;

	for (i = 1; i < args->argc; i++)
		if (strncmp(args->argv[i], "--log-level", 11) == 0 ||
				strcmp(args->argv[i], "-v") == 0 ||
				strcmp(args->argv[i], "-h") == 0 ||
				strcmp(args->argv[i], "--help") == 0)
			return true;
	return false;
}

int
app_eal_start(struct ferry_eal_args *args, enum ferry_eal_role role,
		int argc, char **argv)
{
	char text[8192];
	const char *line;
	int memory, ret;
	ssize_t n;

	ret = ferry_eal_args(args, role, argc, argv);
	if (ret != 0) {
		app_error("%s", args->error);
		return ret;
	}
	ret = role == FERRY_EAL_HUB ? check_hub(args->prefix) :
		check_secondary(args->prefix);
	if (ret != 0)
		return ret;
	/* So that EAL names an option it does not know. */
	opterr = 1;
	memory = talkative(args) ? -1 : memfd_create("eal", MFD_CLOEXEC);
	if (memory < 0) {
		ret = ferry_eal_init(args, role);
		if (ret != 0)
			app_error("EAL does not start: see above");
		return ret;
	}
	ret = init_quietly(args, role, memory);
	if (ret != 0) {
		n = pread(memory, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		line = telling_line(text);
		if (args->error[0] != '\0')
			app_error("%s", args->error);
		else if (line != NULL && strstr(line, "unrecognized") != NULL)
			app_error("%s among EAL's options, which stand before "
				"--; those of the program stand after it",
				strchr(line, ':') != NULL ?
				strchr(line, ':') + 2 : line);
		else
			app_error("EAL does not start: %s (more with "
				"--log-level=lib.eal:debug)",
				line != NULL ? line : strerror(-ret));
	}
	close(memory);
	/* What the libraries log as an error, the program says in its own words. */
	rte_log_set_level_pattern("lib.eal", RTE_LOG_CRIT);
	rte_log_set_level_pattern("ferry.*", RTE_LOG_CRIT);
	return ret;
}
