/* SPDX-License-Identifier: BSD-3-Clause */

/* Something that EAL needs is missing: EAL is not started, and one line says
 * why. */

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "eal_rig.h"

#define HUB FERRY_EAL_HUB
#define SECONDARY FERRY_EAL_SECONDARY

static struct ferry_eal_args args;

static void
without_a_hub(struct eal_outcome *out, void *arg)
{
	(void)arg;
	eal_rig_start(out, &args, SECONDARY, NULL, NULL);
}

static void
a_secondary_without_a_hub_says_so(void **state)
{
	(void)state;
	ferry_procs_need();
	eal_expect(eal_try(without_a_hub, NULL), -ENOENT, "no hub runs");
	assert_int_equal(ferry_test_leftovers(), 0);
}

static void
at_a_long_path(struct eal_outcome *out, void *arg)
{
	char path[128] = "/tmp/";

	memset(path + 5, 'd', sizeof(path) - 6);
	path[sizeof(path) - 1] = '\0';
	setenv("RUNTIME_DIRECTORY", path, 1);
	eal_rig_start(out, &args, *(enum ferry_eal_role *)arg, NULL, NULL);
}

static void
a_runtime_directory_too_long_for_sockets_is_refused(void **state)
{
	enum ferry_eal_role role;

	(void)state;
	for (role = HUB; role <= SECONDARY; role++)
		eal_expect(eal_try(at_a_long_path, &role), -ENAMETOOLONG,
			"too long");
}

static void
limited(struct eal_outcome *out, void *arg)
{
	const struct rlimit *r = arg;

	setrlimit((int)r->rlim_max, &(struct rlimit){ r->rlim_cur,
		r->rlim_cur });
	eal_rig_start(out, &args, HUB, NULL, NULL);
}

static void
limits_of_files_are_told(void **state)
{
	/* The second number is which limit it is. */
	struct rlimit size = { 100 << 10, RLIMIT_FSIZE };
	struct rlimit files = { 12, RLIMIT_NOFILE };

	(void)state;
	ferry_procs_need();
	eal_expect(eal_try(limited, &size), -EFBIG, "ulimit -f");
	eal_expect(eal_try(limited, &files), -EMFILE, "ulimit -n");
	assert_int_equal(ferry_test_leftovers(), 0);
}

static void
a_limit_of_the_address_space_is_told(void **state)
{
	struct rlimit space = { UINT64_C(4) << 30, RLIMIT_AS };

	(void)state;
	ferry_procs_need();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	print_message("skipped: sanitizers need more address space\n");
	skip();
#endif
	eal_expect(eal_try(limited, &space), -ENOMEM, "ulimit -v");
	/* EAL was started, and has made files. */
	ferry_test_clean();
}

static void
in_a_small_place(struct eal_outcome *out, void *arg)
{
	char dir[] = "/tmp/ferry-eal-XXXXXX";
	const char *options = arg;

	if (mkdtemp(dir) == NULL || unshare(CLONE_NEWNS) != 0 ||
			mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) !=
			0 || mount("tmpfs", dir, "tmpfs", 0, options) != 0) {
		out->value = 1;
		return;
	}
	setenv("RUNTIME_DIRECTORY", dir, 1);
	eal_rig_start(out, &args, HUB, NULL, NULL);
	umount(dir);
	rmdir(dir);
}

static void
a_runtime_directory_without_space_is_told(void **state)
{
	static const char *const sizes[] = {
		"size=200k", "size=1000k", "nr_inodes=5", "nr_inodes=10",
	};
	struct eal_outcome out;
	unsigned int i;

	(void)state;
	ferry_procs_need();
	for (i = 0; i < RTE_DIM(sizes); i++) {
		out = eal_try(in_a_small_place, (void *)(uintptr_t)sizes[i]);
		if (out.value != 0) {
			print_message("skipped: cannot mount a tmpfs\n");
			skip();
		}
		eal_expect(out, -ENOSPC, "no space");
	}
}

/* As a container's profile does. */
static void
with_a_call_refused(struct eal_outcome *out, void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, *(const uint32_t *)arg, 0,
			1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { RTE_DIM(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
			prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) !=
			0) {
		out->value = 1;
		return;
	}
	eal_rig_start(out, &args, HUB, NULL, NULL);
}

static void
system_calls_that_are_refused_are_named(void **state)
{
	static const struct {
		uint32_t number;
		const char *name;
	} calls[] = {
		{ SYS_get_mempolicy, "get_mempolicy" },
		{ SYS_pidfd_open, "pidfd_open" },
		{ SYS_flock, "flock" },
		{ SYS_timerfd_create, "timerfd_create" },
		{ SYS_eventfd2, "eventfd2" },
		{ SYS_epoll_create1, "epoll_create1" },
		{ SYS_getrandom, "getrandom" },
		{ SYS_madvise, "madvise" },
		{ SYS_sched_setaffinity, "sched_setaffinity" },
		{ SYS_ftruncate, "ftruncate" },
		{ SYS_socket, "allow AF_UNIX" },
	};
	struct eal_outcome out;
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(calls); i++) {
		out = eal_try(with_a_call_refused,
			(void *)(uintptr_t)&calls[i].number);
		if (out.value != 0) {
			print_message("skipped: no seccomp\n");
			skip();
		}
		eal_expect(out, -EPERM, calls[i].name);
		assert_non_null(strstr(out.words, "seccomp"));
	}
}

/* A hub where a directory is hidden, as in a sandbox. */
static void
without_a_directory(struct eal_outcome *out, void *arg)
{
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC |
			MS_PRIVATE, NULL) != 0 || mount("none", arg, "tmpfs",
			0, NULL) != 0) {
		out->value = 1;
		return;
	}
	eal_rig_start(out, &args, HUB, NULL, NULL);
}

static void
without_run_to_write(struct eal_outcome *out, void *arg)
{
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC |
			MS_PRIVATE, NULL) != 0 || mount("none", arg, "tmpfs",
			MS_RDONLY, NULL) != 0) {
		out->value = 1;
		return;
	}
	eal_rig_start(out, &args, HUB, NULL, NULL);
}

/* As systemd's ProcSubset=pid does. */
static void
with_pids_alone(struct eal_outcome *out, void *arg)
{
	(void)arg;
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC |
			MS_PRIVATE, NULL) != 0 || mount("proc", "/proc", "proc",
			0, "subset=pid") != 0) {
		out->value = 1;
		return;
	}
	eal_rig_start(out, &args, HUB, NULL, NULL);
}

static void
what_a_sandbox_hides_is_told(void **state)
{
	static char proc[] = "/proc", sys[] = "/sys", run[] = "/run";
	struct eal_outcome out;

	(void)state;
	ferry_procs_need();
	out = eal_try(without_a_directory, proc);
	if (out.value != 0) {
		print_message("skipped: no mount namespace\n");
		skip();
	}
	eal_expect(out, -ENOENT, "mount proc at /proc");
	eal_expect(eal_try(without_a_directory, sys), -ENOENT,
		"mount sysfs at /sys");
	eal_expect(eal_try(without_run_to_write, run), -EROFS,
		"/var/run/dpdk (Read-only file system)");
	out = eal_try(with_pids_alone, NULL);
	if (out.value == 0)
		eal_expect(out, -ENOENT, "ProcSubset=all");
	assert_int_equal(ferry_test_leftovers(), 0);
}

#define PAGES_DIR "/sys/kernel/mm/hugepages"

static int
tell_pages(const char *name, unsigned int n)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), PAGES_DIR "/hugepages-2048kB/%s", name);
	f = fopen(path, "w");
	if (f == NULL)
		return -errno;
	fprintf(f, "%u\n", n);
	return fclose(f);
}

/* The kernel says: all pages of the reserve are used; so many more may be
 * had. */
static void
with_no_page_free(struct eal_outcome *out, void *arg)
{
	const unsigned int *beyond = arg;

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC |
			MS_PRIVATE, NULL) != 0 || mount("none", PAGES_DIR,
			"tmpfs", 0, NULL) != 0 ||
			mkdir(PAGES_DIR "/hugepages-2048kB", 0755) != 0 ||
			tell_pages("nr_hugepages", 512) != 0 ||
			tell_pages("free_hugepages", 8) != 0 ||
			tell_pages("resv_hugepages", 8) != 0 ||
			tell_pages("nr_overcommit_hugepages", *beyond) != 0 ||
			tell_pages("surplus_hugepages", 0) != 0) {
		out->value = 1;
		return;
	}
	eal_rig_start(out, &args, HUB, "-m", "4");
	if (out->result == 0)
		ferry_eal_cleanup(&args, HUB);
}

static void
pages_that_are_promised_are_not_free_and_those_beyond_are(void **state)
{
	unsigned int beyond = 0;
	struct eal_outcome out;

	(void)state;
	ferry_procs_need();
	out = eal_try(with_no_page_free, &beyond);
	if (out.value != 0) {
		print_message("skipped: no mount namespace\n");
		skip();
	}
	eal_expect(out, -ENOMEM, "no free hugepages");
	beyond = 64;
	eal_expect(eal_try(with_no_page_free, &beyond), 0, "");
	assert_int_equal(ferry_test_leftovers(), 0);
}

/* A user who has a hugetlbfs of its own beside root's, which is mounted
 * first. */
#define USER 65533

static void
with_a_second_mount(struct eal_outcome *out, void *arg)
{
	char dir[] = "/tmp/ferry-huge-XXXXXX", run[] = "/tmp/ferry-run-XXXXXX";
	char option[64], options[64];

	out->value = 1;
	snprintf(options, sizeof(options), "uid=%d,mode=0700", USER);
	if (mkdtemp(dir) == NULL || mkdtemp(run) == NULL ||
			chown(run, USER, USER) != 0 ||
			unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL,
			MS_REC | MS_PRIVATE, NULL) != 0 || mount("none", dir,
			"hugetlbfs", 0, options) != 0)
		return;
	snprintf(option, sizeof(option), "--huge-dir=%s", dir);
	setenv("RUNTIME_DIRECTORY", run, 1);
	if (setresuid(-1, USER, -1) != 0)
		return;
	out->value = 0;
	eal_rig_start(out, &args, HUB, arg != NULL ? option : NULL, "-m4");
	if (out->result == 0)
		ferry_eal_cleanup(&args, HUB);
	if (setresuid(-1, 0, -1) != 0 || umount2(dir, MNT_DETACH) != 0 ||
			rmdir(dir) != 0)
		out->result = -errno;
	snprintf(option, sizeof(option), "%s/dpdk", run);
	/* The latter two are left by a hub that ended. */
	rmdir(option);
	rmdir(run);
}

static void
a_mount_that_eal_takes_and_cannot_use_is_told(void **state)
{
	struct eal_outcome out;

	(void)state;
	ferry_procs_need();
	out = eal_try(with_a_second_mount, NULL);
	if (out.value != 0) {
		print_message("skipped: no mount namespace\n");
		skip();
	}
	eal_expect(out, -EACCES, "--huge-dir=/tmp/ferry-huge-");
	/* The cure. */
	eal_expect(eal_try(with_a_second_mount, &out), 0, "");
}

enum mount_case { READ_ONLY, HIDDEN, SPACE, CHOSEN };

static void
with_an_odd_mount(struct eal_outcome *out, void *arg)
{
	const enum mount_case odd = *(enum mount_case *)arg;
	char dir[] = "/tmp/ferry huge XXXXXX";
	char option[64] = "--no-telemetry";
	int ret;

	out->value = 1;
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC |
			MS_PRIVATE, NULL) != 0 || mkdtemp(dir) == NULL)
		return;
	while (odd != HIDDEN && umount2("/dev/hugepages", MNT_DETACH) == 0)
		;
	if (odd == READ_ONLY)
		ret = mount("none", "/dev/hugepages", "hugetlbfs", MS_RDONLY,
				NULL);
	else if (odd == HIDDEN)
		ret = mount("none", "/dev", "tmpfs", 0, NULL);
	else if (odd == SPACE)
		ret = mount("none", dir, "hugetlbfs", 0, NULL);
	else
		ret = mount("none", "/dev/hugepages", "hugetlbfs", 0, NULL);
	if (odd == CHOSEN)
		snprintf(option, sizeof(option), "--huge-dir=%s", dir);
	if (ret == 0) {
		out->value = 0;
		/* Where EAL says why. */
		eal_rig_start(out, &args, HUB, option, "--log-level=error");
	}
	umount2(dir, MNT_DETACH);
	rmdir(dir);
}

static void
a_mount_that_does_not_do_is_told(void **state)
{
	static const struct {
		enum mount_case odd;
		int result;
		const char *words;
	} cases[] = {
		{ READ_ONLY, -EROFS, "is mounted read-only" },
		{ HIDDEN, -ENOENT, "/dev/hugepages is hidden" },
		{ SPACE, -ENODEV, "with a space in its path, /tmp/ferry huge" },
		{ CHOSEN, -ENOMEM, "at --huge-dir /tmp/ferry huge" },
	};
	struct eal_outcome out;
	unsigned int i;

	(void)state;
	ferry_procs_need();
	for (i = 0; i < RTE_DIM(cases); i++) {
		out = eal_try(with_an_odd_mount,
			(void *)(uintptr_t)&cases[i].odd);
		if (out.value != 0) {
			print_message("skipped: no mount namespace\n");
			skip();
		}
		eal_expect(out, cases[i].result, cases[i].words);
	}
	ferry_test_clean();
}

static void
with_an_odd_option(struct eal_outcome *out, void *arg)
{
	/* EAL prints how it is used. */
	if (freopen("/dev/null", "w", stdout) == NULL ||
			freopen("/dev/null", "w", stderr) == NULL)
		return;
	eal_rig_start(out, &args, HUB, arg, NULL);
}

/* Whatever EAL refuses by itself. */
static void
no_failure_is_without_words(void **state)
{
	static const char *const odd[] = {
		"--no-such-option", "--lcores=x", "--socket-mem=x",
		"--iova-mode=xx", "-dnothing.so",
	};
	struct eal_outcome out;
	unsigned int i;

	(void)state;
	ferry_procs_need();
	for (i = 0; i < RTE_DIM(odd); i++) {
		out = eal_try(with_an_odd_option, (void *)(uintptr_t)odd[i]);
		assert_true(out.result < 0);
		eal_expect(out, out.result, "EAL does not start: ");
		assert_true(strlen(out.words) > strlen("EAL does not start: "));
	}
	ferry_test_clean();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secondary_without_a_hub_says_so),
		cmocka_unit_test(
			a_runtime_directory_too_long_for_sockets_is_refused),
		cmocka_unit_test(limits_of_files_are_told),
		cmocka_unit_test(a_limit_of_the_address_space_is_told),
		cmocka_unit_test(a_runtime_directory_without_space_is_told),
		cmocka_unit_test(system_calls_that_are_refused_are_named),
		cmocka_unit_test(what_a_sandbox_hides_is_told),
		cmocka_unit_test(
		pages_that_are_promised_are_not_free_and_those_beyond_are),
		cmocka_unit_test(a_mount_that_eal_takes_and_cannot_use_is_told),
		cmocka_unit_test(a_mount_that_does_not_do_is_told),
		cmocka_unit_test(no_failure_is_without_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
