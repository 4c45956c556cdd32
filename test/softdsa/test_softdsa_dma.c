/* SPDX-License-Identifier: BSD-3-Clause */

/* DPDK's idxd driver on a soft DSA without faults. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_dmadev.h>
#include <rte_pause.h>

#include "ferry_test.h"
#include "soft_rig.h"

#define AREA (UINT64_C(8) << 20)
#define PAGE UINT64_C(4096)

static uint8_t *a, *b;

static uint64_t
iova(const void *p)
{
	return (uintptr_t)p;
}

static int
setup(void **state)
{
	if (ferry_test_eal_skip_reason() == NULL && a == NULL) {
		/* Memory that DPDK does not know: the device reaches it. */
		a = malloc(AREA);
		b = malloc(AREA);
		assert_non_null(a);
		assert_non_null(b);
	}
	return rig_setup(state);
}

static void
copy(unsigned int wq, const void *src, void *dst, uint32_t len, uint64_t flags)
{
	assert_true(rte_dma_copy(rig_dev[wq], 0, iova(src), iova(dst), len,
		flags) >= 0);
}

static void
submit(unsigned int wq)
{
	assert_int_equal(rte_dma_submit(rig_dev[wq], 0), 0);
}

/* The device takes any size at any alignment, and writes nothing else. */
static void
test_any_size_and_alignment(void **state)
{
	static const uint32_t sizes[] = { 1, 7, 31, 32, 33, 63, 64, 65, 95, 96,
		97, 127, 129, 255, 1000, 4095, 4096, 4097, 131072, 131073,
		1048577, RIG_MAX_TRANSFER };
	uint64_t rng = 1;
	unsigned int i, j;

	(void)state;
	rig_begin();
	for (i = 0; i < RTE_DIM(sizes); i++)
		for (j = 0; j < 8; j++) {
			const size_t n = sizes[i];
			uint8_t *src = a + ferry_test_random(&rng) % 200;
			uint8_t *dst = b + 1 + ferry_test_random(&rng) % 200;

			ferry_test_fill(src, n, i + j);
			dst[-1] = dst[n] = 0x5a;
			copy(0, src, dst, sizes[i], RTE_DMA_OP_FLAG_SUBMIT);
			assert_int_equal(rig_wait(0, 1, NULL), 1);
			assert_int_equal(ferry_test_check(dst, n, i + j), -1);
			assert_int_equal(dst[-1], 0x5a);
			assert_int_equal(dst[n], 0x5a);
		}
}

/* Areas that overlap are moved as if through a third. */
static void
test_overlaps_are_moved(void **state)
{
	static const int64_t shifts[] = { 1, -1, 8, -64, 100, -100, 4000, -4096,
		70000, -131072, 0 };
	const uint32_t n = 300001;
	unsigned int i;

	(void)state;
	rig_begin();
	for (i = 0; i < RTE_DIM(shifts); i++) {
		uint8_t *src = a + 200000;

		ferry_test_fill(src, n, i);
		copy(0, src, src + shifts[i], n, RTE_DMA_OP_FLAG_SUBMIT);
		assert_int_equal(rig_wait(0, 1, NULL), 1);
		assert_int_equal(ferry_test_check(src + shifts[i], n, i), -1);
	}
}

static void
test_batches_of_every_size(void **state)
{
	const uint32_t len = 100;
	unsigned int n, i;

	(void)state;
	rig_begin();
	for (n = 1; n <= RIG_MAX_BATCH; n++) {
		for (i = 0; i < n; i++) {
			ferry_test_fill(a + i * len, len, n + i);
			copy(0, a + i * len, b + i * len, len, 0);
		}
		memset(b, 0, n * len);
		submit(0);
		assert_int_equal(rig_wait(0, n, NULL), n);
		for (i = 0; i < n; i++)
			assert_int_equal(ferry_test_check(b + i * len, len,
				n + i), -1);
	}
	assert_int_equal(rig_grown(0, submitted), RIG_MAX_BATCH);
	assert_int_equal(rig_grown(0, batches), RIG_MAX_BATCH - 1);
	assert_int_equal(rig_grown(0, descriptors),
		RIG_MAX_BATCH * (RIG_MAX_BATCH + 1) / 2);
	assert_int_equal(rig_grown(0, bytes),
		len * RIG_MAX_BATCH * (RIG_MAX_BATCH + 1) / 2);
	assert_int_equal(rig_grown(0, failed), 0);
	assert_int_equal(rig_grown(0, faults), 0);
}

/* A batch longer than sysfs permits is refused as a whole. */
static void
test_too_long_a_batch_fails(void **state)
{
	enum rte_dma_status_code status[RIG_MAX_BATCH + 1];
	unsigned int i;

	(void)state;
	rig_begin();
	memset(b, 0, RIG_MAX_BATCH + 1);
	memset(a, 1, RIG_MAX_BATCH + 1);
	for (i = 0; i < RIG_MAX_BATCH + 1; i++)
		copy(0, a + i, b + i, 1, 0);
	submit(0);
	assert_int_equal(rig_wait(0, RIG_MAX_BATCH + 1, status),
		RIG_MAX_BATCH + 1);
	for (i = 0; i < RIG_MAX_BATCH + 1; i++) {
		assert_int_equal(status[i], RTE_DMA_STATUS_NOT_ATTEMPTED);
		assert_int_equal(b[i], 0);
	}
}

static void
test_fill_repeats_the_pattern(void **state)
{
	static const uint32_t sizes[] = { 1, 7, 8, 9, 4096, 1000003 };
	const uint64_t pattern = UINT64_C(0x8877665544332211);
	unsigned int i, k;

	(void)state;
	rig_begin();
	for (i = 0; i < RTE_DIM(sizes); i++) {
		b[2 + sizes[i]] = 0x5a;
		assert_true(rte_dma_fill(rig_dev[0], 0, pattern, iova(b + 2),
			sizes[i], RTE_DMA_OP_FLAG_SUBMIT) >= 0);
		assert_int_equal(rig_wait(0, 1, NULL), 1);
		for (k = 0; k < sizes[i]; k++)
			if (b[2 + k] != 0x11 * (k % 8 + 1))
				fail_msg("byte %u of %u", k, sizes[i]);
		assert_int_equal(b[2 + sizes[i]], 0x5a);
	}
}

static void
test_too_long_or_empty_a_copy_fails(void **state)
{
	enum rte_dma_status_code status[2];

	(void)state;
	rig_begin();
	copy(0, a, b, RIG_MAX_TRANSFER + 1, RTE_DMA_OP_FLAG_SUBMIT);
	copy(0, a, b, 0, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(0, 2, status), 2);
	assert_int_equal(status[0], RTE_DMA_STATUS_INVALID_LENGTH);
	assert_int_equal(status[1], RTE_DMA_STATUS_INVALID_LENGTH);
	assert_int_equal(rig_grown(0, failed), 2);
}

/* Two pages, of which only the first is there. */
static uint8_t *
half_there(void)
{
	uint8_t *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(munmap(p + PAGE, PAGE), 0);
	return p;
}

/* What is not there is a page fault, not the end of the process. */
static void
test_an_unmapped_source_is_a_page_fault(void **state)
{
	enum rte_dma_status_code status;
	uint8_t *p = half_there();

	(void)state;
	rig_begin();
	ferry_test_fill(p, PAGE, 3);
	memset(b, 0, PAGE);
	copy(0, p + 96, b, PAGE, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(0, 1, &status), 1);
	assert_int_equal(status, RTE_DMA_STATUS_PAGE_FAULT);
	/* All that could be read has been written. */
	assert_memory_equal(b, p + 96, PAGE - 96);
	assert_int_equal(rig_grown(0, bytes), PAGE - 96);
	/* And the device goes on. */
	copy(0, p, b, PAGE, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(0, 1, NULL), 1);
	assert_int_equal(ferry_test_check(b, PAGE, 3), -1);
	munmap(p, PAGE);
}

/* idxd of DPDK 22.11 does not know a page fault that was a write. */
static void
test_an_unmapped_destination_fails(void **state)
{
	enum rte_dma_status_code status[3];
	uint8_t *p = half_there();

	(void)state;
	rig_begin();
	copy(0, a, p + PAGE, 10, RTE_DMA_OP_FLAG_SUBMIT);
	copy(0, a, (void *)UINTPTR_MAX, 1, RTE_DMA_OP_FLAG_SUBMIT);
	copy(0, a, (void *)(UINTPTR_MAX / 3), 100, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(0, 3, status), 3);
	assert_int_equal(status[0], RTE_DMA_STATUS_ERROR_UNKNOWN);
	assert_int_equal(status[1], RTE_DMA_STATUS_ERROR_UNKNOWN);
	assert_int_equal(status[2], RTE_DMA_STATUS_ERROR_UNKNOWN);
	munmap(p, PAGE);
}

/* The first of four fails: statuses of all. */
static void
fail_first_of_four(uint64_t third, enum rte_dma_status_code *status)
{
	unsigned int i;

	memset(b, 0, 64);
	memset(a, 7, 64);
	copy(0, NULL, b, 8, 0);
	for (i = 1; i < 4; i++)
		copy(0, a, b + 8 * i, 8, i == 2 ? third : 0);
	submit(0);
	assert_int_equal(rig_wait(0, 4, status), 4);
	assert_int_equal(status[0], RTE_DMA_STATUS_PAGE_FAULT);
	assert_int_equal(status[1], RTE_DMA_STATUS_SUCCESSFUL);
	assert_memory_equal(b + 8, a, 8);
}

static void
test_a_failure_does_not_stop_its_batch(void **state)
{
	enum rte_dma_status_code status[4];

	(void)state;
	rig_begin();
	fail_first_of_four(0, status);
	assert_int_equal(status[2], RTE_DMA_STATUS_SUCCESSFUL);
	assert_int_equal(status[3], RTE_DMA_STATUS_SUCCESSFUL);
	assert_memory_equal(b + 16, a, 16);
}

static void
test_a_fence_stops_a_batch_that_has_failed(void **state)
{
	enum rte_dma_status_code status[4];

	(void)state;
	rig_begin();
	fail_first_of_four(RTE_DMA_OP_FLAG_FENCE, status);
	assert_int_equal(status[2], RTE_DMA_STATUS_NOT_ATTEMPTED);
	assert_int_equal(status[3], RTE_DMA_STATUS_NOT_ATTEMPTED);
	assert_int_equal(b[16] | b[24], 0);
	assert_int_equal(rig_grown(0, descriptors), 2);
}

/* Each work queue has its own portal, and its own counters. */
static void
test_work_queues_do_not_mix(void **state)
{
	unsigned int i;

	(void)state;
	rig_begin();
	ferry_test_fill(a, 8192, 1);
	for (i = 0; i < 100; i++) {
		copy(0, a, b, 4096, RTE_DMA_OP_FLAG_SUBMIT);
		copy(1, a + 4096, b + 4096, 4096, 0);
		copy(1, a + 4096, b + 8192, 1, RTE_DMA_OP_FLAG_SUBMIT);
		assert_int_equal(rig_wait(0, 1, NULL), 1);
		assert_int_equal(rig_wait(1, 2, NULL), 2);
	}
	assert_int_equal(ferry_test_check(b, 8192, 1), -1);
	assert_int_equal(rig_grown(0, submitted), 100);
	assert_int_equal(rig_grown(0, descriptors), 100);
	assert_int_equal(rig_grown(1, submitted), 100);
	assert_int_equal(rig_grown(1, descriptors), 200);
}

/* The queue is used up to its last place, over and over. */
static void
test_a_full_queue_loses_nothing(void **state)
{
	unsigned int round, i;

	(void)state;
	rig_begin();
	for (round = 0; round < 200; round++) {
		for (i = 0; i < RIG_SIZE; i++)
			copy(0, a + i, b + i, 1, RTE_DMA_OP_FLAG_SUBMIT);
		assert_int_equal(rte_dma_copy(rig_dev[0], 0, iova(a), iova(b),
			1, 0), -ENOSPC);
		assert_int_equal(rig_wait(0, RIG_SIZE, NULL), RIG_SIZE);
	}
	assert_int_equal(rig_grown(0, submitted), 200 * RIG_SIZE);
	assert_int_equal(rig_grown(0, dropped), 0);
}

static void
test_sysfs_says_what_was_configured(void **state)
{
	(void)state;
	rig_begin();
	assert_string_equal(rig_attribute(1, "type"), "user");
	assert_string_equal(rig_attribute(1, "mode"), "dedicated");
	assert_string_equal(rig_attribute(1, "state"), "enabled");
	assert_int_equal(atoi(rig_attribute(1, "size")), RIG_SIZE);
	assert_int_equal(atoi(rig_attribute(1, "max_batch_size")),
		RIG_MAX_BATCH);
	assert_int_equal(atoi(rig_attribute(1, "max_transfer_size")),
		RIG_MAX_TRANSFER);
	assert_int_equal(strncmp(rig_attribute(1, "name"), "dpdk_", 5), 0);
	assert_non_null(strstr(getenv("DSA_SYSFS_PATH"), rig_root()));
}

/*
 * As the kernel's ABI names them (sysfs-driver-dma-idxd): other drivers than
 * DPDK's, and tools, read more than that does.
 */
static void
test_sysfs_has_what_others_read(void **state)
{
	static const struct {
		const char *name;
		const char *text;
	} device[] = {
		{ "version", "0x100" }, { "state", "enabled" },
		{ "numa_node", "-1" }, { "max_work_queues", "8" },
		{ "max_work_queues_size", NULL }, { "max_engines", NULL },
		{ "max_batch_size", RTE_STR(RIG_MAX_BATCH) },
		{ "max_transfer_size", RTE_STR(RIG_MAX_TRANSFER) },
		{ "pasid_enabled", "1" },
	}, wq[] = {
		{ "driver_name", "user" }, { "group_id", "0" },
		{ "priority", "10" }, { "threshold", "0" },
		{ "block_on_fault", "0" }, { "cdev_minor", "1" },
	};
	unsigned int i;
	char path[64];

	(void)state;
	rig_begin();
	for (i = 0; i < RTE_DIM(device); i++) {
		snprintf(path, sizeof(path), "../dsa0/%s", device[i].name);
		if (device[i].text != NULL)
			assert_string_equal(rig_attribute(0, path),
				device[i].text);
		else
			assert_true(atoi(rig_attribute(0, path)) > 0);
	}
	for (i = 0; i < RTE_DIM(wq); i++)
		assert_string_equal(rig_attribute(1, wq[i].name), wq[i].text);
}

/* Also while a work queue hangs for ever. */
static void
test_an_idle_device_costs_no_processor(void **state)
{

	(void)state;
	rig_begin();
	assert_int_equal(rig_set("wq=1,hang=1"), 0);
	copy(0, a, b, 100, RTE_DMA_OP_FLAG_SUBMIT);
	copy(1, a, b, 100, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(0, 1, NULL), 1);
	assert_true(ferry_test_await_sleep() < 1);
	/* And awake again when it is needed. */
	copy(0, a, b, 100, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(0, 1, NULL), 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(test_any_size_and_alignment),
		TEST(test_overlaps_are_moved),
		TEST(test_batches_of_every_size),
		TEST(test_too_long_a_batch_fails),
		TEST(test_fill_repeats_the_pattern),
		TEST(test_too_long_or_empty_a_copy_fails),
		TEST(test_an_unmapped_source_is_a_page_fault),
		TEST(test_an_unmapped_destination_fails),
		TEST(test_a_failure_does_not_stop_its_batch),
		TEST(test_a_fence_stops_a_batch_that_has_failed),
		TEST(test_work_queues_do_not_mix),
		TEST(test_a_full_queue_loses_nothing),
		TEST(test_sysfs_says_what_was_configured),
		TEST(test_sysfs_has_what_others_read),
		TEST(test_an_idle_device_costs_no_processor),
	};

	return cmocka_run_group_tests_name("softdsa_dma", tests,
		rig_group_setup, NULL);
}
