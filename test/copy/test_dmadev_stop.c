/* SPDX-License-Identifier: BSD-3-Clause */

/* Stopping a device, above all one whose work queue the kernel owns. */

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_dmadev.h>
#include <rte_lcore.h>
#include <rte_memory.h>

#include "dmadev_stop.h"
#include "dmadev_wq.h"
#include "fake_dma.h"
#include "fake_wq.h"
#include "ferry_lane.h"
#include "ferry_test.h"

#define DEV 0
#define WQ "wq0.0"
#define SHORT_MS 50
/* That somebody else gets on may take long. */
#define PATIENT_MS 60000
/* No call here may take longer, on whatever machine. */
#define BOUND_NS FERRY_TEST_HANG_NS

/* Of the sources under test, which are compiled in. */
int copy_dmadev_logtype;

static struct fake_dma fake;

/* In front of EAL's: there are no threads left, for so many calls. */
static unsigned int no_threads;

int
rte_ctrl_thread_create(pthread_t *thread, const char *name,
		const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	int (*next)(pthread_t *, const char *, const pthread_attr_t *,
		void *(*)(void *), void *);

	if (no_threads > 0) {
		no_threads--;
		return -EAGAIN;
	}
	*(void **)&next = dlsym(RTLD_NEXT, "rte_ctrl_thread_create");
	assert_non_null(next);
	return next(thread, name, attr, run, arg);
}

static int
setup(void **state)
{
	(void)state;
	if (ferry_test_eal_skip_reason() == NULL)
		fake_dma_skeleton_start(DEV, 64);
	return 0;
}

/* dmadev sets up a stopped device, and no other. */
static bool
started(void)
{
	const struct rte_dma_conf conf = { .nb_vchans = 1 };
	int ret = rte_dma_configure(DEV, &conf);

	assert_true(ret == 0 || ret == -EBUSY);
	return ret == -EBUSY;
}

static void
test_names(void **state)
{
	static const char *const queues[] = { "wq0.0", "wq1.7", "wq12.34" };
	static const char *const others[] = {
		"", "wq", "wq0", "wq0.", "wq.0", "wq0.0 ", "wq0.0/../x",
		"wq00.0", "wq-1.0", "wq 0.0", "xwq0.0", "dma_skeleton",
		"0000:6a:01.0-q0", "wq99999999999.0",
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(queues); i++)
		assert_true(dmadev_wq_is(queues[i]));
	for (i = 0; i < RTE_DIM(others); i++)
		assert_false(dmadev_wq_is(others[i]));
}

static void
test_attributes(void **state)
{
	char path[PATH_MAX];

	(void)state;
	fake_wq_make(FAKE_WQ_NONE);
	assert_int_equal(dmadev_wq_max_transfer(WQ), 0);
	fake_wq_set("max_transfer_size", "2147483648\n");
	assert_int_equal(dmadev_wq_max_transfer(WQ), 2147483648);
	fake_wq_set("max_transfer_size", "99999999999");
	assert_int_equal(dmadev_wq_max_transfer(WQ), UINT32_MAX);
	fake_wq_set("max_transfer_size", "-1");
	assert_int_equal(dmadev_wq_max_transfer(WQ), 0);
	fake_wq_set("max_transfer_size", "12k");
	assert_int_equal(dmadev_wq_max_transfer(WQ), 0);
	/* Longer than any number. */
	fake_wq_set("max_transfer_size",
		"0000000000000000000000000000000" "12");
	assert_int_equal(dmadev_wq_max_transfer(WQ), 0);
	fake_wq_set("max_transfer_size", "99999999999999999999999999");
	assert_int_equal(dmadev_wq_max_transfer(WQ), 0);
	fake_wq_set("max_transfer_size", "");
	assert_int_equal(dmadev_wq_max_transfer(WQ), 0);

	assert_int_equal(dmadev_wq_state(WQ), DMADEV_WQ_ENABLED);
	fake_wq_set("state", "disabled");
	assert_int_equal(dmadev_wq_state(WQ), DMADEV_WQ_DISABLED);
	fake_wq_set("state", "quiescing\n");
	assert_int_equal(dmadev_wq_state(WQ), DMADEV_WQ_UNKNOWN);
	fake_wq_set("state", NULL);
	assert_int_equal(dmadev_wq_state(WQ), DMADEV_WQ_UNKNOWN);
	/* One that can be opened and not be read. */
	snprintf(path, sizeof(path), "%s/" WQ "/state",
		getenv("DSA_SYSFS_PATH"));
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(dmadev_wq_state(WQ), DMADEV_WQ_UNKNOWN);
	assert_int_equal(dmadev_wq_state("wq9.9"), DMADEV_WQ_UNKNOWN);
	fake_wq_remove();
}

/* One attempt; what it returns. */
static int
stop(const char *name, uint32_t wait_ms)
{
	uint64_t start = ferry_test_now_ns();
	int ret = dmadev_stop(DEV, name, wait_ms);

	assert_true(ferry_test_now_ns() - start < BOUND_NS);
	return ret;
}

static void
kernel_stops(enum fake_wq_file file, unsigned int delay_ms)
{
	fake_wq_make(file);
	fake_wq_serve(delay_ms);
	assert_int_equal(stop(WQ, 4000), 0);
	assert_int_equal(dmadev_wq_state(WQ), DMADEV_WQ_DISABLED);
	assert_string_equal(fake_wq_asked(), WQ);
	assert_false(started());
	fake_wq_remove();
}

static void
test_kernel_disables_the_queue(void **state)
{
	(void)state;
	ferry_test_need_eal();
	kernel_stops(FAKE_WQ_USER, 0);
}

static void
test_late_is_not_never(void **state)
{
	(void)state;
	ferry_test_need_eal();
	kernel_stops(FAKE_WQ_USER, 100);
}

static void
test_older_kernel(void **state)
{
	(void)state;
	ferry_test_need_eal();
	kernel_stops(FAKE_WQ_DSA, 0);
}

/* rte_dma_stop() would have returned 0 here. The lane must not set up the rings
 * anew, because the device may still use them. */
static void
test_kernel_does_not_answer(void **state)
{
	static const enum fake_wq_file files[] = {
		FAKE_WQ_USER, FAKE_WQ_UNREAD, FAKE_WQ_NONE,
	};
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	for (i = 0; i < RTE_DIM(files); i++) {
		fake_wq_make(files[i]);
		assert_int_equal(stop(WQ, SHORT_MS), -EBUSY);
		assert_true(started());
		fake_wq_remove();
	}
}

/* Nor is it asked; but it may do so by itself. */
static void
test_nothing_to_ask_the_kernel_with(void **state)
{
	(void)state;
	ferry_test_need_eal();
	fake_wq_make(FAKE_WQ_USER);
	no_threads = UINT_MAX;
	assert_int_equal(stop(WQ, SHORT_MS), -EBUSY);
	assert_true(started());
	/* The time was too short to try again. */
	assert_int_equal(no_threads, UINT_MAX - 1);
	fake_wq_set("state", "disabled\n");
	assert_int_equal(stop(WQ, SHORT_MS), 0);
	no_threads = 0;
	assert_false(started());
	fake_wq_remove();
}

/* A lane whose queue stays enabled is lost: what lacks only now is waited
 * for. */
static void
test_a_lack_of_threads_passes(void **state)
{
	(void)state;
	ferry_test_need_eal();
	fake_wq_make(FAKE_WQ_USER);
	fake_wq_serve(0);
	no_threads = 3;
	assert_int_equal(stop(WQ, PATIENT_MS), 0);
	assert_int_equal(no_threads, 0);
	assert_string_equal(fake_wq_asked(), WQ);
	assert_false(started());
	fake_wq_remove();
}

static void *
let_open(void *limit)
{
	usleep(300000);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, limit), 0);
	return NULL;
}

static void
test_a_lack_of_descriptors_passes(void **state)
{
	struct rlimit limit, none;
	pthread_t later;

	(void)state;
	ferry_test_need_eal();
	fake_wq_make(FAKE_WQ_USER);
	fake_wq_serve(0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	/* All are in use; and poll() takes no more entries than that. */
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(pthread_create(&later, NULL, let_open, &limit), 0);
	assert_int_equal(stop(WQ, PATIENT_MS), 0);
	pthread_join(later, NULL);
	assert_string_equal(fake_wq_asked(), WQ);
	assert_false(started());
	fake_wq_remove();
}

static void
test_state_must_be_said(void **state)
{
	(void)state;
	ferry_test_need_eal();
	fake_wq_make(FAKE_WQ_USER);
	fake_wq_set("state", NULL);
	assert_int_equal(stop(WQ, SHORT_MS), -EBUSY);
	assert_true(started());
	fake_wq_remove();
}

static void
test_already_disabled(void **state)
{
	(void)state;
	ferry_test_need_eal();
	fake_wq_make(FAKE_WQ_USER);
	fake_wq_serve(0);
	fake_wq_set("state", "disabled\n");
	assert_int_equal(stop(WQ, 0), 0);
	assert_false(started());
	/* The kernel is not asked for what it has done. */
	usleep(SHORT_MS * 1000);
	assert_string_equal(fake_wq_asked_so_far(), "");
	fake_wq_remove();
}

/* Devices of other kinds do not concern the kernel. */
static void
test_other_devices(void **state)
{
	(void)state;
	ferry_test_need_eal();
	fake_wq_make(FAKE_WQ_USER);
	assert_int_equal(stop("dma_skeleton0", SHORT_MS), 0);
	assert_false(started());
	assert_int_equal(dmadev_wq_state(WQ), DMADEV_WQ_ENABLED);
	assert_string_equal(fake_wq_asked(), "");
	fake_wq_remove();
}

/* A lane on the queue; the device hangs with a job. */
static int
close_hung(enum fake_wq_file file)
{
	const struct ferry_copy_dmadev_config config = {
		.dev_id = DEV, .nb_desc = 64, .close_wait_ms = SHORT_MS,
	};
	static uint8_t src[300], dst[300];
	const struct ferry_copy_job job = {
		.src = src, .dst = dst, .len = sizeof(src),
	};
	struct ferry_lane *lane = NULL;
	struct ferry_copy_done done;
	uint64_t start;
	int ret;

	fake_dma_install(&fake, DEV);
	fake_dma_name(WQ);
	fake_wq_make(file);
	fake_wq_set("max_transfer_size", "128\n");
	if (file == FAKE_WQ_USER)
		fake_wq_serve(10);
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_dmadev(), &config,
		SOCKET_ID_ANY), 0);
	fake.hang = true;
	assert_int_equal(ferry_lane_submit(lane, &job, 1), 1);
	ferry_lane_flush(lane);
	assert_int_equal(fake.longest, 128);
	start = ferry_test_now_ns();
	ret = ferry_lane_close(lane);
	assert_true(ferry_test_now_ns() - start < BOUND_NS);
	if (ret != 0) {
		/* Its completions would be taken for those of a new lane. */
		assert_int_equal(ferry_lane_open(&lane, ferry_copy_dmadev(),
			&config, SOCKET_ID_ANY), -EBUSY);
		/* Once it has ended they are read, and are not. */
		fake.hang = false;
		assert_int_equal(ferry_lane_open(&lane, ferry_copy_dmadev(),
			&config, SOCKET_ID_ANY), 0);
		assert_int_equal(fake.told, fake.made);
		assert_int_equal(ferry_lane_poll(lane, &done, 1), 0);
		assert_int_equal(ferry_lane_close(lane), 0);
	}
	fake_wq_remove();
	fake_dma_name(NULL);
	fake_dma_remove(&fake);
	return ret;
}

static void
test_closing_stops_a_hung_queue(void **state)
{
	(void)state;
	ferry_test_need_eal();
	assert_int_equal(close_hung(FAKE_WQ_USER), 0);
	assert_false(started());
}

static void
test_closing_tells_of_a_queue_that_runs_on(void **state)
{
	(void)state;
	ferry_test_need_eal();
	assert_int_equal(close_hung(FAKE_WQ_NONE), -EBUSY);
	assert_true(started());
}

/* What the lane says of its copies' place goes by the kind of device. */
static void
test_who_leaves_copies_in_the_cache(void **state)
{
	static const struct {
		const char *name;
		bool caches;
	} kinds[] = {
		{ "dma_skeleton1", true }, { "wq3.1", true },
		{ "0000:6a:01.0-q0", true }, { "0000:00:04.1", false },
		{ "0000:7b:00.0-ch1", false }, { "dpi:0000:05:00.1", false },
	};
	const struct ferry_copy_dmadev_config config = { .dev_id = DEV };
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	for (i = 0; i < RTE_DIM(kinds); i++) {
		struct ferry_copy_job jobs[3] = {
			{ .place = FERRY_PLACE_AUTO },
			{ .place = FERRY_PLACE_CACHE },
			{ .place = FERRY_PLACE_MEMORY },
		};
		struct ferry_lane *lane = NULL;
		struct ferry_lane_stats stats;

		fake_dma_name(kinds[i].name);
		assert_int_equal(ferry_lane_open(&lane, ferry_copy_dmadev(),
			&config, SOCKET_ID_ANY), 0);
		fake_dma_name(NULL);
		assert_true(!!(ferry_lane_info(lane)->flags &
			FERRY_LANE_CACHES) == kinds[i].caches);
		assert_int_equal(ferry_lane_submit(lane, jobs, 3), 3);
		ferry_lane_stats(lane, &stats);
		assert_int_equal(stats.misplaced, kinds[i].caches ? 1 : 2);
		assert_int_equal(ferry_lane_close(lane), 0);
	}
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_attributes),
		TEST(test_kernel_disables_the_queue),
		TEST(test_late_is_not_never),
		TEST(test_older_kernel),
		TEST(test_kernel_does_not_answer),
		TEST(test_nothing_to_ask_the_kernel_with),
		TEST(test_a_lack_of_threads_passes),
		TEST(test_a_lack_of_descriptors_passes),
		TEST(test_state_must_be_said),
		TEST(test_already_disabled),
		TEST(test_other_devices),
		TEST(test_closing_stops_a_hung_queue),
		TEST(test_closing_tells_of_a_queue_that_runs_on),
		TEST(test_who_leaves_copies_in_the_cache),
	};

	if (ferry_test_eal_skip_reason() == NULL &&
			ferry_test_eal_start(NULL, "--vdev=dma_skeleton0",
				"--log-level=emergency", NULL) != 0)
		return 1;
	return cmocka_run_group_tests_name("dmadev_stop", tests, NULL, NULL);
}
