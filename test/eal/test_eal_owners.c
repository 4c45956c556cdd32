/* SPDX-License-Identifier: BSD-3-Clause */

/* Directories that another user has made or can exchange. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "eal_private.h"
#include "eal_rig.h"

/* The hub's user, and another one. Neither has to be known. */
#define USER 65533
#define OTHER 65532

/* BASE, BASE/dpdk, BASE/dpdk/PREFIX. */
static char base[64], dpdk[80], dir[160];
static struct ferry_eal_args args;

static void
make(const char *path, uid_t owner, mode_t mode)
{
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chown(path, owner, owner), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int
setup(void **state)
{
	(void)state;
	snprintf(base, sizeof(base), "/tmp/ferry-own-%d", (int)getpid());
	snprintf(dpdk, sizeof(dpdk), "%s/dpdk", base);
	snprintf(dir, sizeof(dir), "%s/%s", dpdk, ferry_test_prefix());
	if (geteuid() == 0)
		/* As /tmp is. */
		make(base, 0, 01777);
	return 0;
}

static int
teardown(void **state)
{
	char command[160];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	return system(command);
}

static void
need_root(void)
{
	if (geteuid() != 0) {
		print_message("skipped: not root: there is no second user\n");
		skip();
	}
}

/* Of EAL's start the part that looks at directories: the rest needs hugepages
 * that this user may have. */
static void
as_user(struct eal_outcome *out, void *arg)
{
	const enum ferry_eal_role *role = arg;
	int fd;

	if (setgroups(0, NULL) != 0 || setgid(USER) != 0 || setuid(USER) != 0)
		return;
	setenv("RUNTIME_DIRECTORY", base, 1);
	if (*role == FERRY_EAL_SECONDARY) {
		eal_rig_start(out, &args, *role, NULL, NULL);
		return;
	}
	snprintf(args.prefix, sizeof(args.prefix), "%s", ferry_test_prefix());
	fd = eal_dir_open(&args, FERRY_EAL_HUB);
	out->result = fd < 0 ? fd : 0;
	snprintf(out->words, sizeof(out->words), "%s", args.error);
}

static struct eal_outcome
try_as_user(enum ferry_eal_role role)
{
	return eal_try(as_user, &role);
}

static void
a_parent_that_another_user_made_is_refused(void **state)
{
	(void)state;
	need_root();
	make(dpdk, OTHER, 01777);
	eal_expect(try_as_user(FERRY_EAL_HUB), -EACCES,
		"belongs to another user");
	eal_expect(try_as_user(FERRY_EAL_SECONDARY), -EACCES,
		"belongs to another user");
}

static void
a_link_in_place_of_a_parent_is_refused(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(symlink("/tmp", dpdk), 0);
	assert_int_equal(lchown(dpdk, OTHER, OTHER), 0);
	eal_expect(try_as_user(FERRY_EAL_HUB), -EACCES, "is a link");
}

static void
a_link_in_place_of_the_runtime_directory_is_refused(void **state)
{
	(void)state;
	need_root();
	make(dpdk, 0, 01777);
	assert_int_equal(symlink("/tmp", dir), 0);
	eal_expect(try_as_user(FERRY_EAL_HUB), -EACCES, "is a link");
	eal_expect(try_as_user(FERRY_EAL_SECONDARY), -EACCES, "is a link");
}

static void
a_runtime_directory_of_another_user_is_refused(void **state)
{
	(void)state;
	need_root();
	make(dpdk, 0, 01777);
	make(dir, OTHER, 0777);
	eal_expect(try_as_user(FERRY_EAL_HUB), -EACCES,
		"belongs to another user");
	/* Another user's hub. */
	assert_int_equal(chmod(dir, 0700), 0);
	eal_expect(try_as_user(FERRY_EAL_SECONDARY), -EACCES,
		"run as the user who started the hub");
}

/* On the way there. */
static void
links_of_other_users_on_the_way_are_refused(void **state)
{
	char real[96], way[96];

	(void)state;
	need_root();
	snprintf(real, sizeof(real), "%s/real", base);
	snprintf(way, sizeof(way), "%s/way", base);
	make(real, USER, 0700);
	assert_int_equal(symlink("real", way), 0);
	snprintf(base + strlen(base), sizeof(base) - strlen(base), "/way");
	assert_int_equal(lchown(way, USER, USER), 0);
	eal_expect(try_as_user(FERRY_EAL_HUB), 0, "");
	assert_int_equal(lchown(way, OTHER, OTHER), 0);
	eal_expect(try_as_user(FERRY_EAL_HUB), -EACCES,
		"is a link of another user");
	base[strlen(base) - strlen("/way")] = '\0';
}

static void
directories_that_all_can_write_to_are_refused(void **state)
{
	(void)state;
	need_root();
	make(dpdk, USER, 0777);
	eal_expect(try_as_user(FERRY_EAL_HUB), -EACCES,
		"can be written to by other users");
	assert_int_equal(chmod(dpdk, 0755), 0);
	make(dir, USER, 0770);
	eal_expect(try_as_user(FERRY_EAL_HUB), -EACCES,
		"can be written to by users of its group");
	assert_int_equal(chmod(base, 0777), 0);
	eal_expect(try_as_user(FERRY_EAL_HUB), -EACCES,
		"can be written to by other users");
}

static void
own(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	assert_int_equal(chown(path, uid, gid), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* As where several users of a group have hubs. */
static void
directories_that_a_group_can_write_to_are_refused(void **state)
{
	struct eal_outcome out;

	(void)state;
	need_root();
	make(dpdk, USER, 0755);
	own(base, 0, OTHER, 0775);
	out = try_as_user(FERRY_EAL_HUB);
	eal_expect(out, -EACCES, "can be written to by users of its group");
	/* The cure, and which directory it is. */
	eal_expect(out, -EACCES, "chmod +t it");
	eal_expect(out, -EACCES, base);
	eal_expect(try_as_user(FERRY_EAL_SECONDARY), -EACCES, "chmod +t it");
	/* The user's own group may have other users in it. */
	own(base, 0, USER, 0775);
	eal_expect(try_as_user(FERRY_EAL_HUB), -EACCES, "its group");
	own(dpdk, USER, USER, 0775);
	own(base, 0, 0, 0755);
	eal_expect(try_as_user(FERRY_EAL_HUB), -EACCES, "its group");
	/* Root's group is trusted, and the cure helps. */
	own(dpdk, USER, USER, 01775);
	own(base, 0, 0, 0775);
	eal_expect(try_as_user(FERRY_EAL_HUB), 0, "");
	own(base, 0, OTHER, 01775);
	eal_expect(try_as_user(FERRY_EAL_HUB), 0, "");
	/* A volume of a pod is made so, and the same cure helps. */
	own(base, 0, 0, 0777);
	eal_expect(try_as_user(FERRY_EAL_HUB), -EACCES, "chmod +t it");
	own(base, 0, 0, 01777);
	eal_expect(try_as_user(FERRY_EAL_HUB), 0, "");
}

static void
at(struct eal_outcome *out, void *arg)
{
	setenv("RUNTIME_DIRECTORY", arg, 1);
	/* Where a relative one would be. */
	if (chdir("/tmp") == 0)
		eal_rig_start(out, &args, FERRY_EAL_HUB, NULL, NULL);
}

static void
a_base_that_is_no_path_from_the_root_is_refused(void **state)
{
	static char none[] = "", relative[] = "ferry-relative";

	(void)state;
	ferry_procs_need();
	eal_expect(eal_try(at, none), -EINVAL, "unset RUNTIME_DIRECTORY");
	eal_expect(eal_try(at, relative), -EINVAL,
		"'ferry-relative' is no path");
}

static void
what_is_missing_is_made_for_this_user_only(void **state)
{
	struct stat st;

	(void)state;
	need_root();
	eal_expect(try_as_user(FERRY_EAL_HUB), 0, "");
	assert_int_equal(lstat(dir, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_uid, USER);
	assert_int_equal(st.st_mode & 077, 0);
	/* And found again. */
	eal_expect(try_as_user(FERRY_EAL_HUB), 0, "");
}

static void
touch(const char *at)
{
	int fd = open(at, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* The directory is exchanged for a link while the hub runs. */
static void
cleaning_up_follows_no_link(void **state)
{
	char victim[96], file[128], mine[192];

	(void)state;
	need_root();
	setenv("RUNTIME_DIRECTORY", base, 1);
	snprintf(victim, sizeof(victim), "%s/victim", base);
	snprintf(file, sizeof(file), "%s/precious", victim);
	make(victim, 0, 0700);
	touch(file);
	make(dpdk, 0, 0755);
	assert_int_equal(symlink(victim, dir), 0);
	eal_dir_remove(ferry_test_prefix());
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(unlink(dir), 0);
	/* Another user's is left alone. */
	make(dir, OTHER, 0700);
	snprintf(mine, sizeof(mine), "%s/theirs", dir);
	touch(mine);
	eal_dir_remove(ferry_test_prefix());
	assert_int_equal(access(mine, F_OK), 0);
	/* This user's is removed, links in it are not followed. */
	assert_int_equal(chown(dir, 0, 0), 0);
	assert_int_equal(unlink(mine), 0);
	assert_int_equal(symlink(file, mine), 0);
	eal_dir_remove(ferry_test_prefix());
	assert_int_equal(access(dir, F_OK), -1);
	assert_int_equal(access(file, F_OK), 0);
	unsetenv("RUNTIME_DIRECTORY");
}

/* A page's name, taken before the hub starts. */
static void
hugepage_files_of_others_are_refused(void **state)
{
	char page[96];

	(void)state;
	need_root();
	ferry_procs_need();
	snprintf(args.prefix, sizeof(args.prefix), "%s", ferry_test_prefix());
	snprintf(page, sizeof(page), "/dev/hugepages/%smap_0", args.prefix);
	assert_int_equal(eal_pages_check(&args), 0);
	touch(page);
	assert_int_equal(eal_pages_check(&args), 0);
	assert_int_equal(chown(page, OTHER, OTHER), 0);
	assert_int_equal(eal_pages_check(&args), -EACCES);
	assert_non_null(strstr(args.error, "belongs to another user"));
	assert_int_equal(unlink(page), 0);
	if (symlink("/dev/null", page) == 0) {
		assert_int_equal(eal_pages_check(&args), -EACCES);
		assert_int_equal(unlink(page), 0);
	}
}

static void
at_a_mount(struct eal_outcome *out, void *arg)
{
	out->value = 1;
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC |
			MS_PRIVATE, NULL) != 0 || mount("none",
			"/dev/hugepages", "hugetlbfs", 0, arg) != 0)
		return;
	out->value = 0;
	snprintf(args.prefix, sizeof(args.prefix), "%s", ferry_test_prefix());
	out->result = eal_pages_check(&args);
	snprintf(out->words, sizeof(out->words), "%s", args.error);
}

/* As a volume of a pod, or a mount for a group. */
static void
a_hugetlbfs_in_which_others_can_exchange_files_is_refused(void **state)
{
	static const struct {
		const char *options;
		int result;
		const char *words;
	} mounts[] = {
		{ "mode=0755,gid=65532", 0, "" },
		{ "mode=0777", -EACCES, "every user can exchange files" },
		{ "mode=01777", 0, "" },
		{ "mode=0775,gid=65532", -EACCES, "users of its group can" },
		{ "mode=01775,gid=65532", 0, "" },
		{ "mode=0775,gid=0", 0, "" },
	};
	struct eal_outcome out;
	unsigned int i;

	(void)state;
	need_root();
	ferry_procs_need();
	for (i = 0; i < RTE_DIM(mounts); i++) {
		out = eal_try(at_a_mount,
			(void *)(uintptr_t)mounts[i].options);
		if (out.value != 0) {
			print_message("skipped: cannot mount a hugetlbfs\n");
			skip();
		}
		eal_expect(out, mounts[i].result, mounts[i].words);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_parent_that_another_user_made_is_refused,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_link_in_place_of_a_parent_is_refused,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_link_in_place_of_the_runtime_directory_is_refused,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_runtime_directory_of_another_user_is_refused,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			links_of_other_users_on_the_way_are_refused,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			directories_that_all_can_write_to_are_refused,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			directories_that_a_group_can_write_to_are_refused,
			setup, teardown),
		cmocka_unit_test(
			a_base_that_is_no_path_from_the_root_is_refused),
		cmocka_unit_test_setup_teardown(
			what_is_missing_is_made_for_this_user_only,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			cleaning_up_follows_no_link, setup, teardown),
		cmocka_unit_test(hugepage_files_of_others_are_refused),
		cmocka_unit_test(
		a_hugetlbfs_in_which_others_can_exchange_files_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
