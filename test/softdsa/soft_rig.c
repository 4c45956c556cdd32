/* SPDX-License-Identifier: BSD-3-Clause */

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_dmadev.h>

#include "ferry_test.h"
#include "soft_rig.h"

#define WAIT_NS FERRY_TEST_HANG_NS

int16_t rig_dev[RIG_WQS];
struct ferry_softdsa_stats rig_before[RIG_WQS];
int (*rig_set)(const char *text);
int (*rig_stats)(unsigned int wq, struct ferry_softdsa_stats *stats);
const char *(*rig_root)(void);
int (*rig_take_signals)(void);

/* The plugin is copied, because EAL loads none from below a directory that
 * other users may write to. */
void
rig_plugin_place(struct rig_plugin *plugin)
{
	const char *from = getenv("FERRY_TEST_PLUGIN");
	struct stat st;
	int in, out;

	assert_non_null(from);
	strcpy(plugin->dir, "/run/ferry-test-XXXXXX");
	assert_non_null(mkdtemp(plugin->dir));
	assert_int_equal(chmod(plugin->dir, 0755), 0);
	snprintf(plugin->path, sizeof(plugin->path), "%s/libferry_softdsa.so",
		plugin->dir);
	in = open(from, O_RDONLY | O_CLOEXEC);
	assert_true(in >= 0);
	assert_int_equal(fstat(in, &st), 0);
	out = open(plugin->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(out >= 0);
	assert_int_equal(sendfile(out, in, NULL, (size_t)st.st_size),
		st.st_size);
	close(in);
	close(out);
}

static void *
function(void *library, const char *name)
{
	void *f = dlsym(library, name);

	assert_non_null(f);
	return f;
}

void
rig_plugin_open(const struct rig_plugin *plugin)
{
	void *library = dlopen(plugin->path, RTLD_NOW | RTLD_NOLOAD);

	unlink(plugin->path);
	rmdir(plugin->dir);
	assert_non_null(library);
	rig_set = function(library, "ferry_softdsa_set");
	rig_stats = function(library, "ferry_softdsa_stats");
	rig_root = function(library, "ferry_softdsa_root");
	rig_take_signals = function(library, "ferry_softdsa_take_signals");
	dlclose(library);
}

void
rig_devices(void)
{
	const struct rte_dma_conf conf = { .nb_vchans = 1 };
	char name[16];
	int i;

	for (i = 0; i < RIG_WQS; i++) {
		snprintf(name, sizeof(name), "wq0.%d", i);
		rig_dev[i] = (int16_t)rte_dma_get_dev_id_by_name(name);
		assert_true(rig_dev[i] >= 0);
		assert_int_equal(rte_dma_configure(rig_dev[i], &conf), 0);
	}
}

void
rig_environment(void)
{
	const char *extra = getenv("FERRY_TEST_SOFTDSA");
	char config[256];

	unsetenv("DSA_DEV_PATH");
	unsetenv("DSA_SYSFS_PATH");
	snprintf(config, sizeof(config), "wqs=%d,size=%d,max_batch=%d,"
		"max_transfer=%d,%s", RIG_WQS, RIG_SIZE, RIG_MAX_BATCH,
		RIG_MAX_TRANSFER, extra != NULL ? extra : "");
	setenv("FERRY_SOFTDSA", config, 1);
}

int
rig_group_setup(void **state)
{
	const char *first = getenv("FERRY_TEST_FIRST");
	struct rig_plugin plugin;
	int ret;

	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	/* As a program that is linked with DPDK's drivers has them. */
	if (first != NULL)
		assert_non_null(dlopen(first, RTLD_NOW | RTLD_GLOBAL));
	rig_environment();
	rig_plugin_place(&plugin);
	ret = ferry_test_eal_start(NULL, "-d", plugin.path, NULL);
	rig_plugin_open(&plugin);
	assert_int_equal(ret, 0);
	rig_devices();
	return 0;
}

int
rig_setup(void **state)
{
	const struct rte_dma_vchan_conf conf = {
		.direction = RTE_DMA_DIR_MEM_TO_MEM,
		.nb_desc = 512,
	};
	char one = 1, other;
	int i;

	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	assert_int_equal(rig_take_signals(), 0);
	assert_int_equal(rig_set("faults=off,preset=none"), 0);
	for (i = 0; i < RIG_WQS; i++) {
		/* Also throws away what a test has left. */
		rig_bind(i, false);
		rig_bind(i, true);
		rte_dma_stop(rig_dev[i]);
		assert_int_equal(rte_dma_vchan_setup(rig_dev[i], 0, &conf), 0);
		assert_int_equal(rte_dma_start(rig_dev[i]), 0);
		/*
		 * idxd of DPDK 22.11 forgets to forget where its first batch
		 * begins: an error in that would be taken for that of others.
		 */
		assert_true(rte_dma_copy(rig_dev[i], 0, (uintptr_t)&one,
			(uintptr_t)&other, 1, RTE_DMA_OP_FLAG_SUBMIT) >= 0);
		assert_int_equal(rig_wait(i, 1, NULL), 1);
		rig_before[i] = rig_stats_now(i);
	}
	return 0;
}

struct ferry_softdsa_stats
rig_stats_now(unsigned int wq)
{
	struct ferry_softdsa_stats stats;

	assert_int_equal(rig_stats(wq, &stats), 0);
	return stats;
}

unsigned int
rig_wait(unsigned int wq, unsigned int n, enum rte_dma_status_code *status)
{
	const uint64_t end = ferry_test_now_ns() + WAIT_NS;
	unsigned int got = 0;
	uint16_t last;

	while (got < n && ferry_test_now_ns() < end) {
		bool error = false;
		uint16_t i;

		if (status != NULL) {
			i = rte_dma_completed_status(rig_dev[wq], 0,
				(uint16_t)(n - got), &last, status + got);
		} else {
			i = rte_dma_completed(rig_dev[wq], 0,
				(uint16_t)(n - got), &last, &error);
			assert_false(error);
		}
		got += i;
		if (i == 0)
			sched_yield();
	}
	return got;
}

bool
rig_silent(unsigned int wq, unsigned int ms)
{
	const uint64_t end = ferry_test_now_ns() + ms * UINT64_C(1000000);
	enum rte_dma_status_code status;
	uint16_t last;

	while (ferry_test_now_ns() < end) {
		if (rte_dma_completed_status(rig_dev[wq], 0, 1, &last,
				&status) != 0)
			return false;
		usleep(1000);
	}
	return true;
}

void
rig_fault(uint64_t *rng, char *text, size_t size)
{
	static const char *const faults[] = { "fail=%u", "fail=%u+:0x10",
		"fail=%u+:0x03", "fault=%u", "fault=%u+:100", "hang=%u:5",
		"hang=%u:60", "hang=%u", "reorder=%u", "full=%u",
		"t0_ns=%u0000", "gbps=%u" };
	const unsigned int wq = ferry_test_random(rng) % RIG_WQS;
	const char *fault = faults[ferry_test_random(rng) % RTE_DIM(faults)];
	size_t used;

	used = (size_t)snprintf(text, size, "wq=%u,", wq);
	snprintf(text + used, size - used, fault,
		(unsigned int)(1 + ferry_test_random(rng) % 9));
}

const char *
rig_attribute(unsigned int wq, const char *name)
{
	static char text[64];
	char path[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/wq0.%u/%s", getenv("DSA_SYSFS_PATH"),
		wq, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n - 1] = '\0';
	close(fd);
	return text;
}

void
rig_bind(unsigned int wq, bool on)
{
	const uint64_t end = ferry_test_now_ns() + WAIT_NS;
	const char *want = on ? "enabled" : "disabled";
	char path[256], name[16];
	int fd;

	snprintf(path, sizeof(path), "%s/../drivers/user/%s",
		getenv("DSA_SYSFS_PATH"), on ? "bind" : "unbind");
	/* As one would write to sysfs. */
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	snprintf(name, sizeof(name), "wq0.%u", wq);
	assert_int_equal(write(fd, name, strlen(name)), strlen(name));
	close(fd);
	while (strcmp(rig_attribute(wq, "state"), want) != 0) {
		assert_true(ferry_test_now_ns() < end);
		usleep(200);
	}
}
