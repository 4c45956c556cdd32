/* SPDX-License-Identifier: BSD-3-Clause */

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include "ferry_test.h"

#define MAX_ARGS 32
/* How many 2 MiB pages the option -m below needs. */
#define EAL_PAGES 32

/* The EAL keeps pointers into its arguments. */
struct eal_args {
	char text[MAX_ARGS][128];
	char *argv[MAX_ARGS + 1];
	int argc;
};

static int
arg_add(struct eal_args *args, const char *text)
{
	if (args->argc == MAX_ARGS ||
			strlen(text) >= sizeof(args->text[0]))
		return -E2BIG;
	strcpy(args->text[args->argc], text);
	args->argv[args->argc] = args->text[args->argc];
	args->argc++;
	return 0;
}

/* lcore 0 on any of (the first few of) the process's CPUs. */
static void
lcores_floating(char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "0@(");
	const char *comma = "";
	unsigned int cpu;
	cpu_set_t set;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (cpu = 0; cpu < CPU_SETSIZE && used + 8 < size; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%u",
			comma, cpu);
		comma = ",";
	}
	snprintf(text + used, size - used, ")");
}

int
ferry_test_eal_start(const char *lcores, ...)
{
	static const char *const fixed[] = {
		"ferry-test", "--in-memory", "--no-pci", "--no-telemetry",
		"--log-level=warning", "-m", "64", "--lcores",
	};
	static struct eal_args args;
	char floating[64];
	const char *text;
	unsigned int i;
	va_list ap;
	int ret = 0;

	if (args.argc != 0)
		return -EALREADY;
	for (i = 0; i < RTE_DIM(fixed); i++)
		ret |= arg_add(&args, fixed[i]);
	lcores_floating(floating, sizeof(floating));
	ret |= arg_add(&args, lcores != NULL ? lcores : floating);
	va_start(ap, lcores);
	while ((text = va_arg(ap, const char *)) != NULL)
		ret |= arg_add(&args, text);
	va_end(ap);
	if (ret != 0)
		return -E2BIG;
	if (rte_eal_init(args.argc, args.argv) < 0)
		return -rte_errno;
	return 0;
}

int
ferry_test_eal_setup(void **state)
{
	(void)state;
	return ferry_test_eal_skip_reason() == NULL ?
		ferry_test_eal_start(NULL, NULL) : 0;
}

const char *
ferry_test_eal_skip_reason(void)
{
	unsigned long pages = 0;
	int found;
	FILE *f;

	/* A running EAL has its pages. */
	if (rte_eal_get_runtime_dir() != NULL &&
			rte_eal_get_runtime_dir()[0] != '\0')
		return NULL;
	f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
		"r");
	if (f == NULL)
		return "the kernel has no 2 MiB hugepages";
	found = fscanf(f, "%lu", &pages);
	fclose(f);
	if (found != 1 || pages < EAL_PAGES)
		return "no free 2 MiB hugepages";
	return NULL;
}

uint64_t
ferry_test_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t
cpu_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t
ferry_test_others_cpu_ns(uint64_t spin_ns)
{
	const uint64_t all = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
	const uint64_t mine = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	uint64_t spun;

	do {
		spun = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - mine;
	} while (spun < spin_ns);
	return cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - all - spun;
}

double
ferry_test_await_sleep(void)
{
	static const uint64_t window = 50000000;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		const uint64_t used = ferry_test_others_cpu_ns(window);

		if (used < window / 20)
			return (double)used / (double)window;
	}
	return 1;
}

unsigned int
ferry_test_entries(pid_t pid, const char *what)
{
	unsigned int n = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	dir = opendir(path);
	if (dir == NULL) {
		perror(path);
		abort();
	}
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

unsigned int
ferry_test_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	return (unsigned int)CPU_COUNT(&set);
}

/* Mixes all bits of the input into all bits of the result (splitmix64). */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t
ferry_test_random(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return mix(*state);
}

void
ferry_test_fill(void *buf, size_t len, uint64_t seed)
{
	uint8_t *p = buf;
	size_t i;

	for (i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t word = mix(mix(seed) + i);

		memcpy(p + i, &word, RTE_MIN(sizeof(word), len - i));
	}
}

int64_t
ferry_test_check(const void *buf, size_t len, uint64_t seed)
{
	const uint8_t *p = buf;
	size_t i, j;

	for (i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t word = mix(mix(seed) + i);
		const uint8_t *want = (const uint8_t *)&word;
		size_t n = RTE_MIN(sizeof(word), len - i);

		if (memcmp(p + i, want, n) == 0)
			continue;
		for (j = 0; p[i + j] == want[j]; j++)
			;
		return (int64_t)(i + j);
	}
	return -1;
}

/* How often the monitor of a process's hub has waited, and how long it has
 * run. */
struct activity {
	unsigned long waits;
	unsigned long ticks;
};

static void
read_line_of(pid_t pid, const char *tid, const char *file, const char *begin,
		char *line, int len)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", (int)pid, tid,
		file);
	f = fopen(path, "re");
	line[0] = '\0';
	if (f == NULL)
		return;
	while (fgets(line, len, f) != NULL &&
			strncmp(line, begin, strlen(begin)) != 0)
		line[0] = '\0';
	fclose(f);
}

static struct activity
monitor_of(pid_t pid)
{
	struct activity a = { 0 };
	char path[64], line[1024];
	unsigned long user, system;
	bool found = false;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		abort();
	while (!found && (e = readdir(dir)) != NULL) {
		read_line_of(pid, e->d_name, "comm", "", line, sizeof(line));
		if (strncmp(line, "ferry-monitor", 13) != 0)
			continue;
		found = true;
		read_line_of(pid, e->d_name, "status",
			"voluntary_ctxt_switches:", line, sizeof(line));
		if (sscanf(line, "%*s %lu", &a.waits) != 1)
			abort();
		read_line_of(pid, e->d_name, "stat", "", line, sizeof(line));
		if (sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u "
				"%*u %*u %*u %*u %lu %lu", &user, &system) != 2)
			abort();
		a.ticks = user + system;
	}
	closedir(dir);
	if (!found)
		abort();
	return a;
}

bool
ferry_test_await_rest(pid_t pid)
{
	const uint64_t end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;
	struct activity was, is = monitor_of(pid);

	do {
		if (ferry_test_now_ns() > end)
			return false;
		was = is;
		sleep(1);
		is = monitor_of(pid);
	} while (is.waits != was.waits || is.ticks != was.ticks);
	return true;
}
