/* SPDX-License-Identifier: BSD-3-Clause */

/* The files and directories that EAL's start needs, on systems whose
 * descriptors, memory or mounts are unusual. */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "eal_private.h"
#include "eal_rig.h"
#include "ferry_test.h"

#define PAGE (UINT64_C(2) << 20)
#define HOLD_MS 300000

static char base[64], dir[192];
static struct ferry_eal_args args;
/* No memory for a directory's stream. */
static bool no_streams;

/* In place of the C library's. */
DIR *
fdopendir(int fd)
{
	DIR *(*real)(int fd) = (DIR *(*)(int))(uintptr_t)dlsym(RTLD_NEXT,
		"fdopendir");

	if (!no_streams)
		return real(fd);
	errno = ENOMEM;
	return NULL;
}

static int
setup(void **state)
{
	(void)state;
	snprintf(args.prefix, sizeof(args.prefix), "%s", ferry_test_prefix());
	snprintf(base, sizeof(base), "/tmp/ferry-dirs-%d", (int)getpid());
	snprintf(dir, sizeof(dir), "%s/dpdk/%s", base, args.prefix);
	setenv("RUNTIME_DIRECTORY", base, 1);
	return mkdir(base, 0700);
}

static int
teardown(void **state)
{
	char command[96];

	(void)state;
	unsetenv("RUNTIME_DIRECTORY");
	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	return system(command);
}

static bool
exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void
touch(const char *where, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", where, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* Make the directory, and remove it in each way there is. Returns the line that
 * went wrong. */
static int
make_and_remove(void)
{
	static const struct eal_names names = { .socket = "mp_socket_1_2" };
	int fd, round;

	for (round = 0; round < 3; round++) {
		fd = eal_dir_open(&args, FERRY_EAL_HUB);
		if (fd < 0 || !exists(dir))
			return __LINE__;
		close(fd);
		touch(dir, round == 0 ? EAL_LCORE_FILE : "mp_socket_1_2");
		if (round == 0)
			eal_dir_remove_unused(args.prefix);
		else if (round == 1)
			eal_dir_remove(args.prefix);
		else
			eal_dir_remove_names(args.prefix, &names, true);
		if (round == 2 ? rmdir(dir) != 0 : exists(dir))
			return __LINE__;
		/* As it was: the lowest number is free. */
		if (fcntl(STDIN_FILENO, F_GETFD) >= 0)
			return __LINE__;
	}
	return 0;
}

/* As a daemon. */
static void
without_standard_input(struct eal_outcome *out, void *arg)
{
	unsigned int fds;

	(void)arg;
	close(STDIN_FILENO);
	fds = ferry_test_entries(getpid(), "fd");
	/* At two depths, because descriptors take turns on the way down. */
	out->result = make_and_remove();
	if (out->result != 0)
		return;
	strcat(base, "/deeper");
	snprintf(dir, sizeof(dir), "%s/dpdk/%s", base, args.prefix);
	setenv("RUNTIME_DIRECTORY", base, 1);
	out->result = mkdir(base, 0700) != 0 ? __LINE__ : make_and_remove();
	out->value = (int)(ferry_test_entries(getpid(), "fd") - fds);
}

static void
descriptor_0_is_as_good_as_any(void **state)
{
	struct eal_outcome out;

	(void)state;
	out = eal_try(without_standard_input, NULL);
	assert_int_equal(out.result, 0);
	assert_int_equal(out.value, 0);
}

/* Its standard input is a directory. */
static void
without_a_base(struct eal_outcome *out, void *arg)
{
	int fd = open(base, O_RDONLY | O_DIRECTORY);

	(void)arg;
	dup2(fd, STDIN_FILENO);
	close(fd);
	setenv("RUNTIME_DIRECTORY", "/tmp/ferry-none", 1);
	eal_dir_remove(args.prefix);
	eal_dir_remove_unused(args.prefix);
	out->result = fcntl(STDIN_FILENO, F_GETFD) < 0;
}

static void
where_there_is_no_directory_nothing_is_removed(void **state)
{
	char file[96];

	(void)state;
	touch(base, "file");
	assert_int_equal(eal_try(without_a_base, NULL).result, 0);
	snprintf(file, sizeof(file), "%s/file", base);
	assert_true(exists(file));
}

static void
a_directory_that_cannot_be_listed_stays_and_costs_no_descriptor(void **state)
{
	unsigned int fds;
	int fd;

	(void)state;
	fd = eal_dir_open(&args, FERRY_EAL_HUB);
	assert_true(fd >= 0);
	close(fd);
	touch(dir, "file");
	fds = ferry_test_entries(getpid(), "fd");
	no_streams = true;
	eal_dir_remove(args.prefix);
	eal_pages_remove(args.prefix);
	no_streams = false;
	assert_int_equal(ferry_test_entries(getpid(), "fd"), fds);
	assert_true(exists(dir));
	eal_dir_remove(args.prefix);
	assert_int_equal(ferry_test_entries(getpid(), "fd"), fds);
	assert_false(exists(dir));
}

static void
a_base_that_no_path_can_hold_is_refused(void **state)
{
	static char path[2 * PATH_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(path) - 1; i += 2)
		memcpy(path + i, "/d", 2);
	setenv("RUNTIME_DIRECTORY", path, 1);
	assert_int_equal(eal_dir_open(&args, FERRY_EAL_HUB), -ENAMETOOLONG);
	assert_non_null(strstr(args.error, "too long a path"));
}

static void
lcore_ids_are_locked_in_a_file_of_this_user(void **state)
{
	const mode_t mask = umask(0);
	char file[256];
	struct stat st;
	int fd;

	(void)state;
	fd = eal_dir_open(&args, FERRY_EAL_HUB);
	assert_true(fd >= 0);
	assert_true(eal_lcore_take(&args, fd, -1) >= 0);
	umask(mask);
	snprintf(file, sizeof(file), "%s/%s", dir, EAL_LCORE_FILE);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | S_IRUSR | S_IWUSR);
	eal_lcore_release();
	close(fd);
}

static void
names_are_taken_for_the_time_of_a_start(void **state)
{
	char name[2][64];
	int fd, taken;

	(void)state;
	fd = eal_dir_open(&args, FERRY_EAL_HUB);
	assert_true(fd >= 0);
	snprintf(name[0], sizeof(name[0]), "fbarray_memseg-2048k-0-0_%d",
		(int)getpid());
	touch(dir, name[0]);
	touch(dir, "fbarray_memseg-2048k-0-0_1");
	touch(dir, "fbarray_memseg-2048k-0-0");
	taken = eal_names_take(fd);
	assert_true(taken >= 0);
	assert_int_equal(faccessat(fd, name[0], F_OK, 0), -1);
	snprintf(name[1], sizeof(name[1]), "ferry_start_%d", (int)getpid());
	assert_int_equal(faccessat(fd, name[1], F_OK, 0), 0);
	eal_names_leave(fd, taken);
	assert_int_equal(faccessat(fd, name[1], F_OK, 0), -1);
	/* Those of others stay. */
	assert_int_equal(faccessat(fd, "fbarray_memseg-2048k-0-0_1", F_OK, 0),
		0);
	assert_int_equal(faccessat(fd, "fbarray_memseg-2048k-0-0", F_OK, 0), 0);
	close(fd);
}

/* Has what the test had open. */
static int
hold(int fd, void *arg)
{
	char go;

	(void)arg;
	return ferry_proc_read(fd, &go, 1, HOLD_MS) != 0;
}

static void
a_few_of_those_who_have_a_file_open_are_named(void **state)
{
	static const char *const more[] = { "", "", "", " and 1 more" };
	struct ferry_proc procs[RTE_DIM(more)];
	char path[96], name[32], words[256];
	unsigned int i, k;
	const char *at;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/held", base);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(eal_fds_holders(fd, words, sizeof(words)), 0);
	assert_string_equal(words, "");
	for (i = 0; i < RTE_DIM(more); i++) {
		assert_int_equal(ferry_proc_start(&procs[i], hold, NULL), 0);
		assert_int_equal(eal_fds_holders(fd, words, sizeof(words)),
			i + 1);
		/* The first three there are, and how many others. */
		for (k = 0; k <= i && more[i][0] == '\0'; k++) {
			snprintf(name, sizeof(name), "%d (",
				(int)procs[k].pid);
			assert_non_null(strstr(words, name));
		}
		at = strrchr(words, ')');
		assert_non_null(at);
		assert_string_equal(at + 1, more[i]);
	}
	for (i = 0; i < RTE_DIM(more); i++) {
		assert_int_equal(ferry_proc_write(procs[i].fd, "g", 1), 0);
		assert_int_equal(ferry_proc_wait(&procs[i], HOLD_MS), 0);
	}
	close(fd);
}

/* Map a page as a hub does; the file's name. */
static void *
page_map(unsigned int number, char path[96])
{
	void *mem;
	int fd;

	snprintf(path, 96, "/dev/hugepages/%smap_%u", args.prefix, number);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return mem;
}

static void
page_files_of_a_hub_are_counted_and_missed(void **state)
{
	char path[2][96];
	unsigned int n;
	void *mem[2];
	int i;

	(void)state;
	ferry_procs_need();
	assert_int_equal(eal_pages_check_hub(&args, getpid(), &n), -ESTALE);
	assert_int_equal(n, 0);
	for (i = 0; i < 2; i++) {
		mem[i] = page_map(i, path[i]);
		if (mem[i] == MAP_FAILED) {
			ferry_test_clean();
			print_message("skipped: no free hugepages\n");
			skip();
		}
		assert_int_equal(eal_pages_check_hub(&args, getpid(), &n), 0);
		assert_int_equal(n, i + 1);
	}
	/* Any one of them. */
	for (i = 1; i >= 0; i--) {
		assert_int_equal(unlink(path[i]), 0);
		assert_int_equal(eal_pages_check_hub(&args, getpid(), &n),
			-ESTALE);
		assert_non_null(strstr(args.error, path[i]));
		assert_non_null(strstr(args.error, "someone removed it"));
		assert_int_equal(munmap(mem[i], PAGE), 0);
		/* A hub has at least one. */
		assert_int_equal(eal_pages_check_hub(&args, getpid(), &n),
			i > 0 ? 0 : -ESTALE);
		assert_int_equal(n, i);
	}
}

/* Two mounts, of which the second can be written to by all. */
static void
among_mounts(struct eal_outcome *out, void *arg)
{
	char names[2][96], second[80];
	int i, where;

	(void)arg;
	snprintf(second, sizeof(second), "%s/huge", base);
	if (mkdir(second, 0700) != 0 || unshare(CLONE_NEWNS) != 0 ||
			mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) !=
			0 || mount("none", second, "hugetlbfs", 0,
				"mode=0777") != 0) {
		out->value = 1;
		return;
	}
	out->result = eal_pages_check(&args);
	snprintf(out->words, sizeof(out->words), "%s", args.error);
	snprintf(names[0], sizeof(names[0]), "%smap_0", args.prefix);
	snprintf(names[1], sizeof(names[1]), "%smap_x", args.prefix);
	for (i = 0; i < 2; i++) {
		touch("/dev/hugepages", names[i]);
		touch(second, names[i]);
	}
	eal_pages_remove(args.prefix);
	for (where = 0; where < 2; where++) {
		if (chdir(where == 0 ? "/dev/hugepages" : second) != 0)
			out->value = 2;
		for (i = 0; i < 2; i++)
			if (exists(names[i]) != (i == 1))
				out->value = 3;
		unlink(names[1]);
	}
	if (chdir("/") != 0 || umount(second) != 0)
		out->value = 4;
}

static void
every_mount_of_hugepages_is_looked_at_and_cleaned(void **state)
{
	struct eal_outcome out;

	(void)state;
	ferry_procs_need();
	out = eal_try(among_mounts, NULL);
	if (out.value == 1) {
		print_message("skipped: cannot mount a hugetlbfs\n");
		skip();
	}
	assert_int_equal(out.value, 0);
	eal_expect(out, -EACCES, "chmod +t");
	eal_expect(out, -EACCES, base);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(descriptor_0_is_as_good_as_any),
		IN_DIR(where_there_is_no_directory_nothing_is_removed),
		IN_DIR(
	a_directory_that_cannot_be_listed_stays_and_costs_no_descriptor),
		IN_DIR(a_base_that_no_path_can_hold_is_refused),
		IN_DIR(lcore_ids_are_locked_in_a_file_of_this_user),
		IN_DIR(names_are_taken_for_the_time_of_a_start),
		IN_DIR(a_few_of_those_who_have_a_file_open_are_named),
		IN_DIR(page_files_of_a_hub_are_counted_and_missed),
		IN_DIR(every_mount_of_hugepages_is_looked_at_and_cleaned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
