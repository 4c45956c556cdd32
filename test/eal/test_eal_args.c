/* SPDX-License-Identifier: BSD-3-Clause */

/* ferry_eal_args() is pure: no EAL is started here. */

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "ferry_eal.h"

#define HUB FERRY_EAL_HUB
#define SECONDARY FERRY_EAL_SECONDARY

static struct ferry_eal_args args;
/* If not 0: every second CPU, so many, is what the kernel says. */
static int alternate;
/* Bytes that the kernel's own set has. */
static size_t kernel_size;

/* In place of the C library's. */
int
sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	int i;

	memset(set, 0, size);
	if (alternate == 0)
		return (int)syscall(SYS_sched_getaffinity, pid, size, set) < 0 ?
			-1 : 0;
	if (size < kernel_size) {
		errno = EINVAL;
		return -1;
	}
	CPU_ZERO_S(size, set);
	for (i = 0; i < alternate; i++)
		CPU_SET_S(2 * i, size, set);
	return 0;
}

/* Complete "prog ...", the list ended by NULL. */
static int __attribute__((sentinel))
complete(enum ferry_eal_role role, ...)
{
	static char text[FERRY_EAL_ARGS_MAX][160];
	char *argv[FERRY_EAL_ARGS_MAX + 1];
	char before[FERRY_EAL_ARGS_MAX][160];
	int argc = 1, ret, i;
	const char *arg;
	va_list ap;

	strcpy(text[0], "prog");
	va_start(ap, role);
	while ((arg = va_arg(ap, const char *)) != NULL) {
		assert_true(argc < FERRY_EAL_ARGS_MAX);
		snprintf(text[argc++], sizeof(text[0]), "%s", arg);
	}
	va_end(ap);
	for (i = 0; i < argc; i++) {
		argv[i] = text[i];
		memcpy(before[i], text[i], sizeof(text[i]));
	}
	argv[argc] = NULL;
	ret = ferry_eal_args(&args, role, argc, argv);
	/* Not modified, as promised. */
	for (i = 0; i < argc; i++) {
		assert_ptr_equal(argv[i], text[i]);
		assert_string_equal(text[i], before[i]);
	}
	if (ret != 0) {
		assert_true(args.error[0] != '\0');
		assert_null(strchr(args.error, '\n'));
		return ret;
	}
	assert_int_equal(args.error[0], '\0');
	assert_true(args.argc > 1 && args.argc <= FERRY_EAL_ARGS_MAX);
	assert_null(args.argv[args.argc]);
	assert_string_equal(args.argv[0], "prog");
	/* The user's come first and in their order. */
	for (i = 0; i < argc; i++)
		assert_ptr_equal(args.argv[i], text[i]);
	return 0;
}

static int
count(const char *start)
{
	int i, n = 0;

	for (i = 1; i < args.argc; i++)
		n += strncmp(args.argv[i], start, strlen(start)) == 0;
	return n;
}

static bool
has(const char *whole)
{
	int i;

	for (i = 1; i < args.argc; i++)
		if (strcmp(args.argv[i], whole) == 0)
			return true;
	return false;
}

static void
a_hub_without_options_gets_prefix_role_and_one_floating_lcore(void **state)
{
	(void)state;
	assert_int_equal(complete(HUB, NULL), 0);
	assert_true(has("--file-prefix=" FERRY_FILE_PREFIX));
	assert_true(has("--proc-type=primary"));
	assert_int_equal(count("--lcores=0@("), 1);
	assert_int_equal(count("--no-pci"), 0);
	assert_int_equal(args.argc, 4);
	assert_string_equal(args.prefix, FERRY_FILE_PREFIX);
}

static void
a_secondary_without_options_also_gets_no_pci(void **state)
{
	(void)state;
	assert_int_equal(complete(SECONDARY, NULL), 0);
	assert_true(has("--file-prefix=" FERRY_FILE_PREFIX));
	assert_true(has("--proc-type=secondary"));
	assert_true(has("--no-pci"));
	assert_int_equal(count("--lcores=0@("), 1);
	assert_int_equal(args.argc, 5);
}

static void
the_floating_lcore_covers_exactly_the_cpus_of_the_process(void **state)
{
	cpu_set_t all, set;
	char want[64];
	int cpu;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
		assert_int_equal(complete(HUB, NULL), 0);
		snprintf(want, sizeof(want), "--lcores=0@(%d)", cpu);
		assert_true(has(want));
	}
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	if (CPU_COUNT(&all) == 2 && CPU_ISSET(0, &all) && CPU_ISSET(1, &all)) {
		assert_int_equal(complete(HUB, NULL), 0);
		assert_true(has("--lcores=0@(0-1)"));
	}
}

/* A node of a machine that numbers its CPUs in turn. */
static void
any_set_of_cpus_fits(void **state)
{
	static const int numbers[] = { 1, 2, 64, 96, 112, 128, 256, 512, 2000 };
	const char *at;
	unsigned int i;
	int n;

	(void)state;
	for (i = 0; i < RTE_DIM(numbers); i++) {
		alternate = numbers[i];
		kernel_size = numbers[i] > 512 ? 4096 : sizeof(cpu_set_t);
		assert_int_equal(complete(SECONDARY, NULL), 0);
		at = strchr(args.argv[args.argc - 1], '(') + 1;
		/* EAL knows CPU_SETSIZE of them. */
		for (n = 0; n < RTE_MIN(alternate, CPU_SETSIZE / 2); n++) {
			assert_int_equal(strtol(at, (char **)&at, 10), 2 * n);
			at++;
		}
		assert_int_equal(*at, '\0');
	}
	alternate = 0;
}

static void
every_way_to_choose_lcores_is_respected(void **state)
{
	static const char *const one[] = {
		"-l0", "-l=0", "-c1", "-c0x3", "--lcores=0@1", "--lcores=0",
	};
	static const char *const two[] = { "-l", "-c", "--lcores" };
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(one); i++) {
		assert_int_equal(complete(SECONDARY, one[i], NULL), 0);
		assert_int_equal(count("--lcores=0@("), 0);
		assert_int_equal(args.argc, 5);
	}
	for (i = 0; i < RTE_DIM(two); i++) {
		assert_int_equal(complete(HUB, two[i], "1", NULL), 0);
		assert_int_equal(count("--lcores=0@("), 0);
		assert_int_equal(args.argc, 5);
	}
}

static void
the_main_lcore_that_is_asked_for_is_noted(void **state)
{
	(void)state;
	assert_int_equal(complete(SECONDARY, NULL), 0);
	assert_int_equal(args.main_lcore, -1);
	assert_int_equal(complete(SECONDARY, "--main-lcore=5", NULL), 0);
	assert_int_equal(args.main_lcore, 5);
	assert_int_equal(count("--lcores=5@("), 1);
	assert_int_equal(complete(SECONDARY, "--main-lcore", "7", NULL), 0);
	assert_int_equal(count("--lcores=7@("), 1);
}

static void
devices_of_a_hub_do_not_cost_it_its_floating_lcore(void **state)
{
	static const char *const one[] = {
		"--vdev=dma_skeleton", "-a0000:00:01.0", "-b0000:00:01.0",
		"--allow=0000:00:01.0", "--block=0000:00:01.0",
	};
	static const char *const two[] = {
		"--vdev", "-a", "-b", "--allow", "--block",
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(one); i++) {
		assert_int_equal(complete(HUB, one[i], NULL), 0);
		assert_int_equal(count("--lcores=0@("), 1);
	}
	for (i = 0; i < RTE_DIM(two); i++) {
		assert_int_equal(complete(HUB, two[i], "x", NULL), 0);
		assert_int_equal(count("--lcores=0@("), 1);
	}
}

static void
the_users_file_prefix_is_kept_and_reported(void **state)
{
	char longest[128];

	(void)state;
	assert_int_equal(complete(HUB, "--file-prefix=mine", NULL), 0);
	assert_string_equal(args.prefix, "mine");
	assert_int_equal(count("--file-prefix"), 1);
	assert_int_equal(complete(SECONDARY, "--file-prefix", "his", "-l0",
		NULL), 0);
	assert_string_equal(args.prefix, "his");
	assert_int_equal(count("--file-prefix"), 1);
	/* The last one wins, as in EAL. */
	assert_int_equal(complete(HUB, "--file-prefix=a", "--file-prefix=b",
		NULL), 0);
	assert_string_equal(args.prefix, "b");

	strcpy(longest, "--file-prefix=");
	memset(longest + strlen("--file-prefix="), 'x', 63);
	longest[strlen("--file-prefix=") + 63] = '\0';
	assert_int_equal(complete(HUB, longest, NULL), 0);
	assert_int_equal(strlen(args.prefix), 63);
}

static void
bad_file_prefixes_are_refused(void **state)
{
	char toolong[128];

	(void)state;
	memset(toolong, 'x', 64);
	toolong[64] = '\0';
	assert_int_equal(complete(HUB, "--file-prefix", toolong, NULL),
		-EINVAL);
	assert_int_equal(complete(HUB, "--file-prefix=", NULL), -EINVAL);
	assert_int_equal(complete(HUB, "--file-prefix", "", NULL), -EINVAL);
	assert_int_equal(complete(HUB, "--file-prefix=a/b", NULL), -EINVAL);
	assert_int_equal(complete(HUB, "--file-prefix=..", NULL), -EINVAL);
	assert_int_equal(complete(HUB, "--file-prefix=.", NULL), -EINVAL);
	assert_non_null(strstr(args.error, "--file-prefix"));
	/* EAL makes format strings of it. */
	assert_int_equal(complete(HUB, "--file-prefix=a%s", NULL), -EINVAL);
	assert_non_null(strstr(args.error, "invalid character"));
}

static void
what_keeps_processes_from_meeting_is_refused_by_both_roles(void **state)
{
	static const char *const bad[] = {
		"--no-huge", "--in-memory", "--no-shconf", "--proc-type=auto",
		"--legacy-mem",
		"--proc-type=primary", "--proc-type=secondary",
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(bad); i++) {
		assert_int_equal(complete(HUB, bad[i], NULL), -EINVAL);
		assert_int_equal(complete(SECONDARY, "-n4", bad[i], NULL),
			-EINVAL);
	}
	assert_int_equal(complete(HUB, "--proc-type", "primary", NULL),
		-EINVAL);
	assert_non_null(strstr(args.error, "--proc-type"));
	/* Without a value it means "always". */
	assert_int_equal(complete(HUB, "--huge-unlink=always", NULL), -EINVAL);
	assert_int_equal(complete(HUB, "--huge-unlink", NULL), -EINVAL);
	assert_int_equal(complete(HUB, "--huge-unlink=existing", NULL), 0);
	assert_int_equal(complete(HUB, "--huge-unlink=never", NULL), 0);
}

static void
devices_are_refused_in_a_secondary_in_every_spelling(void **state)
{
	static const char *const bad[] = {
		"-a", "-a0000:00:01.0", "--allow", "--allow=0000:00:01.0",
		"-b", "-b0000:00:01.0", "--block", "--block=0000:00:01.0",
		"--vdev", "--vdev=dma_skeleton",
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(bad); i++) {
		assert_int_equal(complete(SECONDARY, bad[i], "x", NULL),
			-EINVAL);
		assert_non_null(strstr(args.error, "hub"));
	}
}

/* EAL uses getopt_long(), which takes any unambiguous beginning. */
static void
abbreviations_get_no_option_past_the_check(void **state)
{
	(void)state;
	assert_int_equal(complete(HUB, "--no-hug", NULL), -EINVAL);
	assert_int_equal(complete(HUB, "--in-mem", NULL), -EINVAL);
	assert_int_equal(complete(HUB, "--no-shc", NULL), -EINVAL);
	assert_int_equal(complete(HUB, "--proc=auto", NULL), -EINVAL);
	assert_int_equal(complete(SECONDARY, "--vd", "dma_skeleton", NULL),
		-EINVAL);
	assert_int_equal(complete(SECONDARY, "--al=x", NULL), -EINVAL);
	assert_int_equal(complete(HUB, "--file=mine", NULL), 0);
	assert_string_equal(args.prefix, "mine");
	assert_int_equal(complete(HUB, "--lcor", "0", NULL), 0);
	assert_int_equal(count("--lcores=0@("), 0);
}

static void
other_options_pass_through_untouched(void **state)
{
	(void)state;
	/* Names that begin like one of ours, and their own values. */
	assert_int_equal(complete(HUB, "--log-level=debug", "-m", "64",
		"--main-lcore=0", "--no-hpet", "--base-virtaddr=0x100000000",
		"-n4", "--no-pci", "--huge-dir", "/dev/hugepages",
		"--no-telemetry", NULL), 0);
	assert_int_equal(args.argc, 1 + 11 + 3);
	assert_int_equal(complete(SECONDARY, "--no-pci", NULL), 0);
	assert_true(has("--no-pci"));
}

static void
an_option_without_its_value_is_refused(void **state)
{
	static const char *const bad[] = {
		"-l", "-c", "--lcores", "--file-prefix", "--vdev", "-a",
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(bad); i++) {
		assert_int_equal(complete(HUB, bad[i], NULL), -EINVAL);
		assert_non_null(strstr(args.error, bad[i]));
	}
}

static void
too_many_options_are_refused_and_the_most_are_not(void **state)
{
	char *argv[FERRY_EAL_ARGS_MAX + 2];
	char filler[] = "-n4";
	int i;

	(void)state;
	for (i = 0; i <= FERRY_EAL_ARGS_MAX; i++)
		argv[i] = filler;
	argv[i] = NULL;
	assert_int_equal(ferry_eal_args(&args, SECONDARY,
		FERRY_EAL_ARGS_MAX / 2, argv), 0);
	assert_int_equal(args.argc, FERRY_EAL_ARGS_MAX / 2 + 4);
	assert_null(args.argv[args.argc]);
	for (i = FERRY_EAL_ARGS_MAX / 2 + 1; i <= FERRY_EAL_ARGS_MAX + 1; i++) {
		assert_int_equal(ferry_eal_args(&args, HUB, i, argv), -E2BIG);
		assert_true(args.error[0] != '\0');
	}
	assert_int_equal(ferry_eal_args(&args, HUB, 0, argv), -E2BIG);
	assert_int_equal(ferry_eal_args(&args, HUB, -1, argv), -E2BIG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		a_hub_without_options_gets_prefix_role_and_one_floating_lcore),
		cmocka_unit_test(a_secondary_without_options_also_gets_no_pci),
		cmocka_unit_test(
		the_floating_lcore_covers_exactly_the_cpus_of_the_process),
		cmocka_unit_test(any_set_of_cpus_fits),
		cmocka_unit_test(the_main_lcore_that_is_asked_for_is_noted),
		cmocka_unit_test(every_way_to_choose_lcores_is_respected),
		cmocka_unit_test(
			devices_of_a_hub_do_not_cost_it_its_floating_lcore),
		cmocka_unit_test(the_users_file_prefix_is_kept_and_reported),
		cmocka_unit_test(bad_file_prefixes_are_refused),
		cmocka_unit_test(
		what_keeps_processes_from_meeting_is_refused_by_both_roles),
		cmocka_unit_test(
			devices_are_refused_in_a_secondary_in_every_spelling),
		cmocka_unit_test(abbreviations_get_no_option_past_the_check),
		cmocka_unit_test(other_options_pass_through_untouched),
		cmocka_unit_test(an_option_without_its_value_is_refused),
		cmocka_unit_test(
			too_many_options_are_refused_and_the_most_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
