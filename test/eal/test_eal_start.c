/* SPDX-License-Identifier: BSD-3-Clause */

/* What ferry_eal_init() reports in each of the ways in which EAL fails to
 * start. */

#include <errno.h>
#include <fcntl.h>
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
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "eal_rig.h"

/* How EAL fails: its error, and what it says before. */
static struct how {
	int error;
	const char *lines[5];
} how;

/* A descriptor that EAL opens, as it does: a program that is started has it. */
static int of_eal = -1;

/* In place of EAL's. */
int
rte_eal_init(int argc, char **argv)
{
	unsigned int i;

	(void)argc;
	(void)argv;
	of_eal = open("/dev/null", O_RDONLY);
	for (i = 0; i < RTE_DIM(how.lines) && how.lines[i] != NULL; i++)
		rte_log(RTE_LOG_ERR, RTE_LOGTYPE_EAL, "EAL: %s\n",
			how.lines[i]);
	rte_errno = how.error;
	return -1;
}

static void
start(struct eal_outcome *out, void *arg)
{
	static struct ferry_eal_args args;

	how = *(const struct how *)arg;
	/* What EAL would say goes there, too. */
	if (freopen("/dev/null", "w", stderr) == NULL)
		return;
	eal_rig_start(out, &args, FERRY_EAL_HUB, NULL, NULL);
	/* The application's log is its own again. */
	out->value = rte_log_get_stream() == stderr;
}

static struct eal_outcome
fails(struct how as)
{
	const struct eal_outcome out = eal_try(start, &as);

	assert_int_equal(ferry_test_leftovers(), 0);
	return out;
}

static void
the_error_of_eal_is_the_result(void **state)
{
	static const int errors[] = { EPERM, ENOENT, ENOMEM, EACCES, ENOTSUP };
	unsigned int i;

	(void)state;
	ferry_procs_need();
	for (i = 0; i < RTE_DIM(errors); i++)
		eal_expect(fails((struct how) { .error = errors[i] }),
			-errors[i], strerror(errors[i]));
	/* Not in all cases does it say one. */
	eal_expect(fails((struct how) { .error = 0 }), -EIO,
		"EAL does not start: ");
}

static void
what_eal_said_last_and_what_matters_is_the_reason(void **state)
{
	struct eal_outcome out;

	(void)state;
	ferry_procs_need();
	out = fails((struct how) {
		.error = EIO,
		.lines = {
			"the first of its troubles",
			"the disk is gone",
			"Failed to get current mempolicy: not permitted",
			"No available 1048576 kB hugepages reported",
			"FATAL: Cannot go on",
		},
	});
	eal_expect(out, -EIO, "EAL does not start: the disk is gone (");
	assert_true(out.value);
	/* The last one only names the part that failed, unless it is alone. */
	out = fails((struct how) {
		.error = EINVAL,
		.lines = {
			"lcore 400 is too high",
			"Invalid 'command line' arguments.",
		},
	});
	eal_expect(out, -EINVAL, "EAL does not start: lcore 400 is too high (");
	out = fails((struct how) {
		.error = ENOEXEC, .lines = { "rte_service_init() failed" },
	});
	eal_expect(out, -ENOMEM, "gets no memory for this process");
	out = fails((struct how) {
		.error = EINVAL, .lines = { "Cannot init plugins" },
	});
	eal_expect(out, -EINVAL, "EAL does not start: Cannot init plugins (");
}

/* Descriptors of the application, low and high ones, and EAL's. */
static void
start_with_descriptors(struct eal_outcome *out, void *arg)
{
	static const int numbers[] = { 40, 63, 64, 100, 127, 200 };
	struct how how_it_fails = { .error = EIO };
	int fds[RTE_DIM(numbers)];
	unsigned int i;

	(void)arg;
	for (i = 0; i < RTE_DIM(numbers); i++)
		fds[i] = fcntl(STDOUT_FILENO, F_DUPFD, numbers[i]);
	start(out, &how_it_fails);
	out->value = 0;
	for (i = 0; i < RTE_DIM(numbers); i++)
		out->value += fcntl(fds[i], F_GETFD) != 0;
	out->value += fcntl(of_eal, F_GETFD) != FD_CLOEXEC;
}

static void
only_what_eal_opens_is_closed_on_exec(void **state)
{
	struct eal_outcome out;

	(void)state;
	ferry_procs_need();
	out = eal_try(start_with_descriptors, NULL);
	eal_expect(out, -EIO, "EAL does not start");
	assert_int_equal(out.value, 0);
}

/* Pages of some sizes, as the kernel would list them. */
struct sizes {
	const char *names[3];
	unsigned int n;
};

static void
list_pages(const char *where, const struct sizes *sizes)
{
	static const char *const files[] = {
		"nr_hugepages", "free_hugepages",
	};
	char path[192];
	unsigned int i, k;
	FILE *f;

	for (i = 0; i < sizes->n; i++) {
		snprintf(path, sizeof(path), "%s/hugepages-%s", where,
			sizes->names[i]);
		mkdir(path, 0700);
		/* The last one is of a kernel that does not say. */
		for (k = 0; k < RTE_DIM(files) && i + 1 < sizes->n; k++) {
			snprintf(path, sizeof(path), "%s/hugepages-%s/%s",
				where, sizes->names[i], files[k]);
			f = fopen(path, "w");
			if (f == NULL)
				continue;
			fprintf(f, "10\n");
			fclose(f);
		}
	}
}

/* The value is what has to be free in the runtime directory, in KiB. */
static void
start_with_sizes(struct eal_outcome *out, void *arg)
{
	static struct ferry_eal_args args;
	char dir[] = "/tmp/ferry-sizes-XXXXXX", sizes[64], run[64];
	const char *at;

	out->value = -1;
	if (mkdtemp(dir) == NULL || unshare(CLONE_NEWNS) != 0 ||
			mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) !=
			0 || mount("tmpfs", dir, "tmpfs", 0, NULL) != 0)
		return;
	snprintf(sizes, sizeof(sizes), "%s/sizes", dir);
	snprintf(run, sizeof(run), "%s/run", dir);
	mkdir(sizes, 0700);
	mkdir(run, 0700);
	list_pages(sizes, arg);
	if (mount(sizes, "/sys/kernel/mm/hugepages", NULL, MS_BIND, NULL) !=
			0 || mount("tmpfs", run, "tmpfs", 0, "size=100k") != 0)
		return;
	setenv("RUNTIME_DIRECTORY", run, 1);
	eal_rig_start(out, &args, FERRY_EAL_HUB, NULL, NULL);
	at = strstr(out->words, " KiB are needed");
	while (at != NULL && at > out->words && at[-1] >= '0' && at[-1] <= '9')
		at--;
	out->value = at != NULL ? atoi(at) : 0;
	umount(run);
	umount("/sys/kernel/mm/hugepages");
	umount(dir);
	rmdir(dir);
}

static void
each_size_of_pages_needs_room_of_its_own(void **state)
{
	struct sizes one = { { "2048kB", "64kB" }, 2 };
	struct sizes two = { { "2048kB", "1048576kB", "64kB" }, 3 };
	struct eal_outcome out[2];

	(void)state;
	ferry_procs_need();
	out[0] = eal_try(start_with_sizes, &one);
	out[1] = eal_try(start_with_sizes, &two);
	if (out[0].value < 0 || out[1].value < 0) {
		print_message("skipped: no mount namespace\n");
		skip();
	}
	eal_expect(out[0], -ENOSPC, "no space");
	eal_expect(out[1], -ENOSPC, "no space");
	assert_true(out[0].value > 0);
	/* A size has several arrays, of hundreds of KiB each. */
	assert_true(out[1].value >= out[0].value + 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_error_of_eal_is_the_result),
		cmocka_unit_test(
			what_eal_said_last_and_what_matters_is_the_reason),
		cmocka_unit_test(only_what_eal_opens_is_closed_on_exec),
		cmocka_unit_test(each_size_of_pages_needs_room_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
