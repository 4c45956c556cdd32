/* SPDX-License-Identifier: BSD-3-Clause */

/* EAL's start and end while real processes of the same file prefix have died or
 * are stopped. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_eal_memconfig.h>
#include <rte_log.h>
#include <rte_malloc.h>

#include "eal_rig.h"
#include "ferry_errno.h"
#include "peer.h"

/* The usual end takes less than a second. */
#define END_MS 60000
#define RUN_DIR "/var/run/dpdk"

static struct ferry_eal_args args;

static int
take_memory_lock(struct peer *peer)
{
	(void)peer;
	rte_mcfg_mem_write_lock();
	return 0;
}

/* Start a secondary and kill it while it has EAL's memory lock. */
static void
leave_lock_held(void)
{
	const struct peer_order order = {
		.op = PEER_CUSTOM,
		.custom = take_memory_lock,
	};
	struct peer dead = { 0 };

	peer_start(&dead, FERRY_EAL_SECONDARY, NULL);
	assert_int_equal(peer_do(&dead, &order).result, 0);
	ferry_proc_kill(&dead.proc);
}

static void
start_soon(struct eal_outcome *out, void *arg)
{
	(void)arg;
	/* Far more than a start takes. */
	args.start_ms = 3000;
	eal_rig_start(out, &args, FERRY_EAL_SECONDARY, NULL, NULL);
}

static void
everyone_ends_though_a_dead_process_holds_eals_lock(void **state)
{
	const struct ferry_channel_config small = { 1000, 4 };
	const struct peer_order end = { .op = PEER_EXIT };
	struct peer hub = { 0 }, tx = { 0 }, rx = { 0 };

	(void)state;
	ferry_procs_need();
	/* More than EAL took at its start: pages are given back. */
	peer_start_hub(&hub, 80 * MIB);
	peer_start_endpoint(&tx);
	peer_start_endpoint(&rx);
	assert_int_equal(peer_open(&tx, PEER_OPEN_TX, "c", &small), 0);
	assert_int_equal(peer_open(&rx, PEER_OPEN_RX, "c", &small), 0);
	leave_lock_held();

	/* A newcomer is told. */
	eal_expect(eal_try(start_soon, NULL), -ETIMEDOUT,
		"a process that was killed held it");
	assert_int_equal(peer_simple(&tx, PEER_DETACH), 0);
	peer_order(&tx, &end);
	assert_int_equal(ferry_proc_wait(&tx.proc, END_MS), 0);
	assert_int_equal(peer_simple(&rx, PEER_DETACH), 0);
	peer_order(&rx, &end);
	assert_int_equal(ferry_proc_wait(&rx.proc, END_MS), 0);
	assert_int_equal(peer_simple(&hub, PEER_DESTROY), 0);
	peer_order(&hub, &end);
	assert_int_equal(ferry_proc_wait(&hub.proc, END_MS), 0);
	/* And nothing is left, so that the next hub starts. */
	assert_int_equal(ferry_test_leftovers(), 0);
	peer_start_hub(&hub, 8 * MIB);
	peer_exit_hub(&hub);
}

static pid_t victim;

/* A log of this test's own: EAL writes to it when its start has begun. */
static ssize_t
kill_the_hub(void *cookie, const char *text, size_t len)
{
	char config[128];

	(void)cookie;
	(void)text;
	if (victim != 0) {
		snprintf(config, sizeof(config), RUN_DIR "/%s/config",
			ferry_test_prefix());
		kill(victim, SIGKILL);
		/* Its lock goes with it. */
		while (rte_eal_primary_proc_alive(config))
			usleep(1000);
	}
	victim = 0;
	return (ssize_t)len;
}

static void
start_and_kill(struct eal_outcome *out, void *arg)
{
	const cookie_io_functions_t functions = { .write = kill_the_hub };
	FILE *log = fopencookie(NULL, "w", functions);

	victim = *(pid_t *)arg;
	setvbuf(log, NULL, _IONBF, 0);
	rte_openlog_stream(log);
	/* Which would fail in any case, for another reason. */
	eal_rig_start(out, &args, FERRY_EAL_SECONDARY, "-dnothing.so",
		"--log-level=info");
}

static void
a_hub_that_ends_while_others_start_is_the_reason(void **state)
{
	struct peer hub = { 0 };
	pid_t nobody = 0;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 4 * MIB);
	eal_expect(eal_try(start_and_kill, &nobody), -EINVAL,
		"EAL does not start: ");
	eal_expect(eal_try(start_and_kill, &hub.proc.pid), -ENOENT,
		"ended while this process was starting");
	ferry_proc_kill(&hub.proc);
	peer_start_hub(&hub, 4 * MIB);
	peer_exit_hub(&hub);
}

/* Pages removed by a cleaner. */
static void
a_newcomer_is_refused_if_the_hubs_pages_are_gone(void **state)
{
	const struct peer_order end = { .op = PEER_EXIT };
	struct peer hub = { 0 }, ep = { 0 };
	char page[96];
	int i;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start_endpoint(&ep);
	for (i = 0; i < 64; i++) {
		snprintf(page, sizeof(page), "/dev/hugepages/%smap_%d",
			ferry_test_prefix(), i);
		unlink(page);
	}
	eal_expect(eal_try(start_soon, NULL), -ESTALE, "is not there any more");
	/* Those that have them go on, and end. */
	assert_int_equal(peer_simple(&ep, PEER_DETACH), 0);
	peer_order(&ep, &end);
	assert_int_equal(ferry_proc_wait(&ep.proc, END_MS), 0);
	peer_exit_hub(&hub);
}

#define PAGES_DIR "/dev/hugepages"

static int
no_pages(void)
{
	return umount2(PAGES_DIR, MNT_DETACH);
}

static int
other_pages(void)
{
	return mount("none", PAGES_DIR, "hugetlbfs", 0, NULL);
}

static int
pages_to_read(void)
{
	return mount(PAGES_DIR, PAGES_DIR, NULL, MS_BIND, NULL) == 0 &&
		mount("none", PAGES_DIR, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY,
			NULL) == 0 ? 0 : -1;
}

struct container {
	/* What is done to its mounts. */
	int (*change)(void);
	/* It does not see the hub's process. */
	bool alone;
};

static void
start_in(struct eal_outcome *out, const struct container *c)
{
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC |
			MS_PRIVATE, NULL) != 0 || c->change() != 0 ||
			(c->alone && mount("none", "/proc", "proc", 0, NULL) !=
			0)) {
		out->value = 1;
		return;
	}
	start_soon(out, NULL);
}

static void
start_contained(struct eal_outcome *out, void *arg)
{
	const struct container *c = arg;
	struct eal_outcome *shared = ferry_test_shared(sizeof(*shared));
	pid_t pid;

	out->value = 1;
	if (c->alone && unshare(CLONE_NEWPID) != 0)
		return;
	pid = fork();
	if (pid == 0) {
		shared->result = -1;
		start_in(shared, c);
		_exit(0);
	}
	if (waitpid(pid, NULL, 0) == pid)
		*out = *shared;
}

/* As without the volume that the hub's container has. */
static void
a_newcomer_is_told_that_its_container_lacks_the_hubs_pages(void **state)
{
	static const struct {
		struct container where;
		int result;
		const char *words;
	} lacks[] = {
		{ { no_pages, false }, -ESTALE, "mount the hub's hugetlbfs" },
		{ { no_pages, true }, -ESTALE, "mount the hub's hugetlbfs" },
		{ { other_pages, false }, -ESTALE,
			"mount the hub's hugetlbfs" },
		{ { other_pages, true }, -ESTALE, "mount the hub's hugetlbfs" },
		{ { pages_to_read, false }, -EROFS,
			"mount that hugetlbfs writ" },
		{ { pages_to_read, true }, -EROFS,
			"mount that hugetlbfs writ" },
	};
	struct eal_outcome out;
	struct peer hub = { 0 };
	unsigned int i;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 4 * MIB);
	for (i = 0; i < RTE_DIM(lacks); i++) {
		out = eal_try(start_contained,
			(void *)(uintptr_t)&lacks[i].where);
		if (out.value != 0) {
			print_message("skipped: no namespaces\n");
			skip();
		}
		eal_expect(out, lacks[i].result, lacks[i].words);
	}
	peer_check_hub(&hub, 0);
	peer_exit_hub(&hub);
}

/* A stopped process has the lock that a start waits for. */
static void
a_start_that_waits_for_a_lock_ends_and_hinders_no_one(void **state)
{
	struct peer hub = { 0 }, ep = { 0 };
	char dir[96];
	int fd;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 4 * MIB);
	snprintf(dir, sizeof(dir), RUN_DIR "/%s", ferry_test_prefix());
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	eal_expect(eal_try(start_soon, NULL), -ETIMEDOUT, "for the lock of");
	close(fd);
	peer_start_endpoint(&ep);
	peer_exit(&ep);
	peer_exit_hub(&hub);
}

static int
take_pages(struct peer *peer)
{
	(void)peer;
	return rte_malloc("more", 8 * MIB, 0) != NULL ? 0 : -ENOMEM;
}

/* How many files of EAL a program that this process starts would have. */
static int
inherited(struct peer *peer)
{
	DIR *dir = opendir("/proc/self/fd");
	char name[64], path[256];
	struct dirent *e;
	int n = 0, fd;
	ssize_t len;

	(void)peer;
	while ((e = readdir(dir)) != NULL) {
		fd = atoi(e->d_name);
		if (!isdigit((unsigned char)e->d_name[0]) ||
				(fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0)
			continue;
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		len = readlink(name, path, sizeof(path) - 1);
		path[len > 0 ? len : 0] = '\0';
		/* Beside its files EAL opens sockets and the like. */
		if (strstr(path, ferry_test_prefix()) == NULL &&
				strncmp(path, "anon_inode", 10) != 0 &&
				strncmp(path, "socket", 6) != 0)
			continue;
		fprintf(stderr, "inherited: %s\n", path);
		n++;
	}
	closedir(dir);
	return n;
}

static void
a_program_that_is_started_inherits_nothing_of_eal(void **state)
{
	const struct peer_order look = {
		.op = PEER_CUSTOM,
		.custom = inherited,
	};
	const struct peer_order more = {
		.op = PEER_CUSTOM,
		.custom = take_pages,
	};
	struct peer hub = { 0 }, ep = { 0 };

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 4 * MIB);
	peer_start_endpoint(&ep);
	assert_int_equal(peer_do(&hub, &look).result, 0);
	assert_int_equal(peer_do(&ep, &look).result, 0);
	/* Also what EAL opens later. */
	assert_int_equal(peer_do(&hub, &more).result, 0);
	assert_int_equal(peer_do(&hub, &look).result, 0);
	assert_int_equal(peer_do(&ep, &look).result, 0);
	peer_exit(&ep);
	peer_exit_hub(&hub);
}

/* As daemon() does: the parent would end. */
static int
attach_in_a_fork(struct peer *peer)
{
	struct ferry_endpoint *ep;
	int status = 0;
	pid_t pid;

	(void)peer;
	pid = fork();
	if (pid == 0)
		_exit(ferry_attach(&ep, HUB, "fork") == FERRY_E_FORKED ? 17 :
			1);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
a_fork_of_a_process_with_eal_is_refused(void **state)
{
	const struct peer_order order = {
		.op = PEER_CUSTOM,
		.custom = attach_in_a_fork,
	};
	struct peer hub = { 0 }, ep = { 0 };

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 4 * MIB);
	peer_start_endpoint(&ep);
	assert_int_equal(peer_do(&ep, &order).result, 17);
	assert_int_equal(peer_do(&hub, &order).result, 17);
	assert_non_null(strstr(ferry_strerror(FERRY_E_FORKED), "daemon()"));
	peer_exit(&ep);
	peer_exit_hub(&hub);
}

static void
start_hub(struct eal_outcome *out, void *arg)
{
	(void)arg;
	eal_rig_start(out, &args, FERRY_EAL_HUB, NULL, NULL);
}

static void
a_hub_that_cannot_start_says_who_is_in_the_way(void **state)
{
	struct peer hub = { 0 }, ep = { 0 };
	char who[32];

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 4 * MIB);
	eal_expect(eal_try(start_hub, NULL), -EBUSY, "runs already");
	peer_start_endpoint(&ep);
	ferry_proc_kill(&hub.proc);
	snprintf(who, sizeof(who), "end %d (", (int)ep.proc.pid);
	eal_expect(eal_try(start_hub, NULL), -EBUSY, who);
	ferry_proc_kill(&ep.proc);
	peer_start_hub(&hub, 4 * MIB);
	peer_exit_hub(&hub);
}

static void
start_in_vain(struct eal_outcome *out, void *arg)
{
	start_hub(out, arg);
	ferry_eal_cleanup(&args, FERRY_EAL_HUB);
}

/* As an application that gives back everything on its way out. */
static void
the_end_of_a_refused_start_leaves_the_running_hub_alone(void **state)
{
	struct peer hub = { 0 }, ep = { 0 };

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 4 * MIB);
	eal_expect(eal_try(start_in_vain, NULL), -EBUSY, "runs already");
	/* All of its files are there: a newcomer starts, and attaches. */
	peer_start_endpoint(&ep);
	peer_exit(&ep);
	peer_exit_hub(&hub);
	assert_int_equal(ferry_test_leftovers(), 0);
}

/* What a hub's child does that thinks it is the hub: 0, or the line. */
static int
end_for_parent(void)
{
	if (ferry_eal_init(&args, FERRY_EAL_HUB) != -EALREADY)
		return __LINE__;
	ferry_eal_cleanup(&args, FERRY_EAL_HUB);
	return 0;
}

static void
hub_and_fork(struct eal_outcome *out, void *arg)
{
	int status;
	pid_t pid;

	(void)arg;
	eal_rig_start(out, &args, FERRY_EAL_HUB, NULL, NULL);
	if (out->result != 0)
		return;
	pid = fork();
	if (pid == 0)
		_exit(end_for_parent());
	if (waitpid(pid, &status, 0) != pid || status != 0)
		out->result = -EPROTO;
	out->value = (int)ferry_test_leftovers();
	/* Again in the hub's own process: refused, and still the hub. */
	if (ferry_eal_init(&args, FERRY_EAL_HUB) != -EALREADY)
		out->result = -EPROTO;
	ferry_eal_cleanup(&args, FERRY_EAL_HUB);
	/* Another hub of the prefix would have made these. */
	if (mkdir(RUN_DIR, 0755) != 0 && errno != EEXIST)
		out->result = -errno;
	snprintf(out->words, sizeof(out->words), RUN_DIR "/%s",
		ferry_test_prefix());
	if (mkdir(out->words, 0700) != 0)
		out->result = -errno;
	ferry_eal_cleanup(&args, FERRY_EAL_HUB);
	if (rmdir(out->words) != 0)
		out->result = -errno;
}

static void
the_end_is_the_business_of_the_process_that_started(void **state)
{
	struct eal_outcome out;

	(void)state;
	ferry_procs_need();
	out = eal_try(hub_and_fork, NULL);
	assert_int_equal(out.result, 0);
	assert_true(out.value > 1);
	assert_int_equal(ferry_test_leftovers(), 0);
}

static int
devices(struct peer *peer)
{
	struct rte_dev_iterator it;
	struct rte_device *dev;
	int n = 0;

	(void)peer;
	RTE_DEV_FOREACH(dev, "bus=vdev", &it)
		n++;
	return n;
}

static void
the_hubs_virtual_devices_are_not_probed_in_a_secondary(void **state)
{
	const struct peer_order look = {
		.op = PEER_CUSTOM,
		.custom = devices,
	};
	struct peer hub = { 0 }, ep = { 0 };
	struct peer_order order = { .op = PEER_CREATE, .n = 4 * MIB };

	(void)state;
	ferry_procs_need();
	strcpy(order.name, HUB);
	peer_start(&hub, FERRY_EAL_HUB, "--vdev=dma_skeleton");
	assert_int_equal(peer_do(&hub, &order).result, 0);
	peer_start_endpoint(&ep);
	assert_int_equal(peer_do(&hub, &look).result, 1);
	assert_int_equal(peer_do(&ep, &look).result, 0);
	peer_exit(&ep);
	peer_exit_hub(&hub);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			everyone_ends_though_a_dead_process_holds_eals_lock,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_hub_that_ends_while_others_start_is_the_reason,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_newcomer_is_refused_if_the_hubs_pages_are_gone,
			ferry_procs_end),
		cmocka_unit_test_teardown(
		a_newcomer_is_told_that_its_container_lacks_the_hubs_pages,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_start_that_waits_for_a_lock_ends_and_hinders_no_one,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_program_that_is_started_inherits_nothing_of_eal,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_fork_of_a_process_with_eal_is_refused,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_hub_that_cannot_start_says_who_is_in_the_way,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			the_end_of_a_refused_start_leaves_the_running_hub_alone,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			the_end_is_the_business_of_the_process_that_started,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			the_hubs_virtual_devices_are_not_probed_in_a_secondary,
			ferry_procs_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
