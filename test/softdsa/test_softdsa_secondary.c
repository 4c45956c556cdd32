/* SPDX-License-Identifier: BSD-3-Clause */

/* A secondary leaves the soft DSA of its primary alone, and has none itself. */

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_dmadev.h>
#include <rte_eal.h>

#include "ferry_eal.h"
#include "ferry_procs.h"
#include "ferry_test.h"
#include "soft_rig.h"

#define TIMEOUT_MS 300000
#define COPIES 200

/* From the primary, when it is ready and after each order. */
struct told {
	char dev_path[128];
	char sysfs_path[128];
	struct ferry_softdsa_stats stats;
	/* Copies that came out right since the last one. */
	uint32_t good;
	uint32_t enabled;
};

/* From the secondary. */
struct seen {
	int32_t init;
	uint32_t secondary;
	uint32_t devices;
	uint32_t device_root;
	uint32_t threads;
	uint32_t handlers;
	uint32_t directory;
};

/* Arguments as a program of ours makes them. */
static int
start_eal(enum ferry_eal_role role, const char *plugin)
{
	char prefix[64];
	char *argv[] = { (char *)(uintptr_t)"test", prefix,
		(char *)(uintptr_t)"-d", (char *)(uintptr_t)plugin,
		(char *)(uintptr_t)"-m", (char *)(uintptr_t)"32",
		(char *)(uintptr_t)"--no-telemetry",
		(char *)(uintptr_t)"--no-pci",
		(char *)(uintptr_t)"--log-level=warning" };
	/* EAL refers to them as long as it lives. */
	static struct ferry_eal_args args;
	static char kept[64];

	snprintf(kept, sizeof(kept), "--file-prefix=%s", ferry_test_prefix());
	argv[1] = kept;
	if (ferry_eal_args(&args, role, RTE_DIM(argv), argv) != 0)
		return -1;
	return ferry_eal_init(&args, role);
}

static uint32_t
copies(void)
{
	uint8_t from[64], to[64];
	uint32_t i, good = 0;

	for (i = 0; i < COPIES; i++) {
		memset(from, (int)i, sizeof(from));
		if (rte_dma_copy(rig_dev[0], 0, (uintptr_t)from,
				(uintptr_t)to, sizeof(to),
				RTE_DMA_OP_FLAG_SUBMIT) < 0 ||
				rig_wait(0, 1, NULL) != 1)
			break;
		good += memcmp(from, to, sizeof(to)) == 0;
	}
	return good;
}

static int
primary(int fd, void *arg)
{
	struct rig_plugin plugin;
	struct told told = { .good = 0 };
	char order;
	int ret;

	(void)arg;
	rig_environment();
	rig_plugin_place(&plugin);
	ret = start_eal(FERRY_EAL_HUB, plugin.path);
	rig_plugin_open(&plugin);
	if (ret != 0)
		return 1;
	rig_devices();
	rig_setup(NULL);
	snprintf(told.dev_path, sizeof(told.dev_path), "%s",
		getenv("DSA_DEV_PATH"));
	snprintf(told.sysfs_path, sizeof(told.sysfs_path), "%s",
		getenv("DSA_SYSFS_PATH"));
	do {
		told.stats = rig_stats_now(0);
		told.enabled = strcmp(rig_attribute(0, "state"), "enabled") ==
			0;
		if (ferry_proc_write(fd, &told, sizeof(told)) != 0)
			return 1;
		if (ferry_proc_read(fd, &order, 1, TIMEOUT_MS) != 0)
			return 1;
		told.good = order == 'c' ? copies() : 0;
	} while (order != 'q');
	return 0;
}

/* Threads of the process whose names begin so. */
static uint32_t
threads_named(const char *name)
{
	char path[300], text[32];
	struct dirent *e;
	uint32_t n = 0;
	FILE *f;
	DIR *d = opendir("/proc/self/task");

	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			e->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		n += fgets(text, sizeof(text), f) != NULL &&
			strncmp(text, name, strlen(name)) == 0;
		fclose(f);
	}
	if (d != NULL)
		closedir(d);
	return n;
}

/* Whether there is a soft device's directory of this process. */
static uint32_t
own_directory(void)
{
	struct dirent *e;
	char prefix[64];
	uint32_t n = 0;
	DIR *d = opendir("/run");

	snprintf(prefix, sizeof(prefix), "ferry-softdsa.%d.", (int)getpid());
	while (d != NULL && (e = readdir(d)) != NULL)
		n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	if (d != NULL)
		closedir(d);
	return n;
}

static uint32_t
handlers(const struct sigaction *before)
{
	static const int signals[] = { SIGILL, SIGBUS, SIGSEGV };
	struct sigaction sa;
	uint32_t n = 0;
	unsigned int i;

	for (i = 0; i < RTE_DIM(signals); i++) {
		sigaction(signals[i], NULL, &sa);
		n += sa.sa_sigaction != before[i].sa_sigaction;
	}
	return n;
}

/* arg: started by DPDK itself, which finds out that it is a secondary. */
static int
secondary(int fd, void *arg)
{
	struct sigaction before[3];
	struct rig_plugin plugin;
	struct seen seen;

	sigaction(SIGILL, NULL, &before[0]);
	sigaction(SIGBUS, NULL, &before[1]);
	sigaction(SIGSEGV, NULL, &before[2]);
	rig_plugin_place(&plugin);
	if (arg == NULL) {
		seen.init = start_eal(FERRY_EAL_SECONDARY, plugin.path);
	} else {
		char prefix[64];
		char *argv[] = { (char *)(uintptr_t)"test", prefix,
			(char *)(uintptr_t)"-d", plugin.path,
			(char *)(uintptr_t)"--proc-type=auto",
			(char *)(uintptr_t)"--no-pci" };

		snprintf(prefix, sizeof(prefix), "--file-prefix=%s",
			ferry_test_prefix());
		/* idxd would take what is there. */
		setenv("DSA_DEV_PATH", "", 1);
		seen.init = rte_eal_init(RTE_DIM(argv), argv) < 0;
		unsetenv("DSA_DEV_PATH");
	}
	rig_plugin_open(&plugin);
	seen.secondary = rte_eal_process_type() == RTE_PROC_SECONDARY;
	seen.devices = rte_dma_count_avail();
	seen.device_root = rig_root() != NULL;
	seen.threads = threads_named("softdsa");
	seen.handlers = handlers(before);
	seen.directory = own_directory();
	if (ferry_proc_write(fd, &seen, sizeof(seen)) != 0)
		return 1;
	rte_eal_cleanup();
	return 0;
}

static int
stop_all(void **state)
{
	(void)state;
	unsetenv("DSA_DEV_PATH");
	unsetenv("DSA_SYSFS_PATH");
	ferry_procs_kill();
	ferry_test_clean();
	return 0;
}

static void
order(struct ferry_proc *proc, char what, struct told *told)
{
	assert_int_equal(ferry_proc_write(proc->fd, &what, 1), 0);
	assert_int_equal(ferry_proc_read(proc->fd, told, sizeof(*told),
		TIMEOUT_MS), 0);
}

static void
beside_a_secondary(void *how)
{
	struct ferry_proc first, second;
	struct told before, after;
	struct seen seen;

	assert_int_equal(ferry_proc_start(&first, primary, NULL), 0);
	assert_int_equal(ferry_proc_read(first.fd, &before, sizeof(before),
		TIMEOUT_MS), 0);
	order(&first, 'c', &before);
	assert_int_equal(before.good, COPIES);
	/* As a child of the primary would have it. */
	setenv("DSA_DEV_PATH", before.dev_path, 1);
	setenv("DSA_SYSFS_PATH", before.sysfs_path, 1);

	assert_int_equal(ferry_proc_start(&second, secondary, how), 0);
	assert_int_equal(ferry_proc_read(second.fd, &seen, sizeof(seen),
		TIMEOUT_MS), 0);
	assert_int_equal(seen.init, 0);
	assert_true(seen.secondary);
	assert_int_equal(seen.devices, 0);
	assert_int_equal(seen.device_root, 0);
	assert_int_equal(seen.threads, 0);
	assert_int_equal(seen.handlers, 0);
	assert_int_equal(seen.directory, 0);
	assert_int_equal(ferry_proc_wait(&second, TIMEOUT_MS), 0);

	/* Nothing was submitted, and all is as it was. */
	order(&first, 's', &after);
	assert_memory_equal(&after.stats, &before.stats, sizeof(after.stats));
	assert_true(after.enabled);
	assert_int_equal(access(before.dev_path, F_OK), 0);
	order(&first, 'c', &after);
	assert_int_equal(after.good, COPIES);
	assert_int_equal(after.stats.submitted, before.stats.submitted +
		COPIES);
	assert_int_equal(ferry_proc_write(first.fd, "q", 1), 0);
	assert_int_equal(ferry_proc_wait(&first, TIMEOUT_MS), 0);
}

static void
a_secondary_of_ours_leaves_visible_queues_alone(void **state)
{
	(void)state;
	ferry_procs_need();
	beside_a_secondary(NULL);
}

static void
the_plugin_does_nothing_in_an_automatic_secondary(void **state)
{
	int automatic;

	(void)state;
	ferry_procs_need();
	beside_a_secondary(&automatic);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			a_secondary_of_ours_leaves_visible_queues_alone,
			stop_all),
		cmocka_unit_test_teardown(
			the_plugin_does_nothing_in_an_automatic_secondary,
			stop_all),
	};

	return cmocka_run_group_tests_name("softdsa_secondary", tests, NULL,
		NULL);
}
