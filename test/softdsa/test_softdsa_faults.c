/* SPDX-License-Identifier: BSD-3-Clause */

/* The soft DSA goes wrong on purpose, and is stopped while it does. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_dmadev.h>

#include "ferry_test.h"
#include "soft_rig.h"

#define AREA (UINT64_C(4) << 20)
#define LEN 256

static uint8_t *a, *b;

static int
setup(void **state)
{
	if (ferry_test_eal_skip_reason() == NULL) {
		if (a == NULL) {
			a = malloc(AREA);
			b = malloc(AREA);
			assert_non_null(a);
			assert_non_null(b);
		}
		ferry_test_fill(a, AREA, 1);
		memset(b, 0, AREA);
	}
	return rig_setup(state);
}

/* One after the other, at the same offset. */
static void
copy(unsigned int wq, unsigned int i, uint32_t len, uint64_t flags)
{
	assert_true(rte_dma_copy(rig_dev[wq], 0, (uintptr_t)(a + i * LEN),
		(uintptr_t)(b + i * LEN), len, flags) >= 0);
}

static bool
copied(unsigned int i, size_t len)
{
	return memcmp(a + i * LEN, b + i * LEN, len) == 0;
}

static void
set(const char *text)
{
	assert_int_equal(rig_set(text), 0);
}

/* n single copies and their statuses. */
static void
singles(unsigned int n, enum rte_dma_status_code *status)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		copy(0, i, LEN, RTE_DMA_OP_FLAG_SUBMIT);
		assert_int_equal(rig_wait(0, 1, &status[i]), 1);
	}
}

/* A batch of n copies and their statuses. */
static void
batch(unsigned int n, enum rte_dma_status_code *status)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		copy(0, i, LEN, 0);
	assert_int_equal(rte_dma_submit(rig_dev[0], 0), 0);
	assert_int_equal(rig_wait(0, n, status), n);
}

static void
test_the_nth_descriptor_fails_once(void **state)
{
	enum rte_dma_status_code status[8];
	unsigned int i;

	(void)state;
	rig_begin();
	set("fail=3:0x10");
	singles(8, status);
	for (i = 0; i < 8; i++) {
		assert_int_equal(status[i], i == 2 ?
			RTE_DMA_STATUS_INVALID_OPCODE :
			RTE_DMA_STATUS_SUCCESSFUL);
		/* What has failed was not executed. */
		assert_int_equal(copied(i, LEN), i != 2);
	}
	assert_int_equal(rig_grown(0, failed), 1);
	assert_int_equal(rig_grown(0, faults), 1);
}

static void
test_every_nth_descriptor_fails_in_batches_too(void **state)
{
	enum rte_dma_status_code status[12];
	unsigned int i, round;

	(void)state;
	rig_begin();
	set("fail=5+");
	/* 60 descriptors: 5, 10, 15 and so on. */
	for (round = 0; round < 5; round++) {
		batch(12, status);
		for (i = 0; i < 12; i++)
			assert_int_equal(status[i], (12 * round + i + 1) % 5 ==
				0 ? RTE_DMA_STATUS_ERROR_UNKNOWN :
				RTE_DMA_STATUS_SUCCESSFUL);
	}
	assert_int_equal(rig_grown(0, failed), 12);
	set("faults=off");
	batch(12, status);
	assert_int_equal(rig_grown(0, failed), 12);
}

static void
test_a_fault_is_of_one_queue_if_it_says_so(void **state)
{
	enum rte_dma_status_code status;

	(void)state;
	rig_begin();
	set("wq=1,fail=1");
	copy(0, 0, LEN, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(0, 1, &status), 1);
	assert_int_equal(status, RTE_DMA_STATUS_SUCCESSFUL);
	copy(1, 1, LEN, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(1, 1, &status), 1);
	assert_int_equal(status, RTE_DMA_STATUS_ERROR_UNKNOWN);
}

static void
test_a_page_fault_leaves_a_part_copied(void **state)
{
	enum rte_dma_status_code status[3];

	(void)state;
	rig_begin();
	set("fault=2:100");
	singles(3, status);
	assert_int_equal(status[0], RTE_DMA_STATUS_SUCCESSFUL);
	assert_int_equal(status[1], RTE_DMA_STATUS_PAGE_FAULT);
	assert_int_equal(status[2], RTE_DMA_STATUS_SUCCESSFUL);
	assert_true(copied(1, 100));
	assert_int_equal(b[LEN + 100], 0);
	assert_int_equal(rig_grown(0, bytes), 2 * LEN + 100);
}

static void
test_corruption_is_told_by_nobody(void **state)
{
	enum rte_dma_status_code status[4];
	unsigned int i, wrong = 0;

	(void)state;
	rig_begin();
	set("corrupt=2");
	singles(4, status);
	for (i = 0; i < 4; i++) {
		assert_int_equal(status[i], RTE_DMA_STATUS_SUCCESSFUL);
		assert_int_equal(copied(i, LEN), i != 1);
	}
	for (i = 0; i < LEN; i++)
		wrong += a[LEN + i] != b[LEN + i];
	assert_int_equal(wrong, 1);
	assert_int_equal(rig_grown(0, failed), 0);
	assert_int_equal(rig_grown(0, faults), 1);
}

/* The other queue goes on. */
static void
test_a_hung_queue_completes_nothing(void **state)
{
	enum rte_dma_status_code status[2];
	unsigned int i;

	(void)state;
	rig_begin();
	set("wq=0,hang=3");
	singles(2, status);
	copy(0, 2, LEN, RTE_DMA_OP_FLAG_SUBMIT);
	copy(0, 3, LEN, RTE_DMA_OP_FLAG_SUBMIT);
	for (i = 0; i < 20; i++) {
		copy(1, 10 + i, LEN, RTE_DMA_OP_FLAG_SUBMIT);
		assert_int_equal(rig_wait(1, 1, NULL), 1);
	}
	assert_true(rig_silent(0, 50));
	assert_false(copied(2, LEN) || copied(3, LEN));
}

static void
test_a_hang_may_end(void **state)
{
	const uint64_t start = ferry_test_now_ns();

	(void)state;
	rig_begin();
	set("hang=1:50");
	copy(0, 0, LEN, RTE_DMA_OP_FLAG_SUBMIT);
	copy(0, 1, LEN, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(0, 2, NULL), 2);
	assert_true(ferry_test_now_ns() - start >= 50000000);
	assert_true(copied(0, LEN) && copied(1, LEN));
}

/* Single copies are completed from the last to the first. */
static void
test_order_is_reversed_across_descriptors(void **state)
{
	enum { N = 8 };
	uint8_t *dst = b;
	unsigned int i;

	(void)state;
	rig_begin();
	/* While it hangs they gather, also if this thread gets no CPU. */
	set("reorder=8,hang=1:2000");
	for (i = 0; i < N; i++)
		assert_true(rte_dma_copy(rig_dev[0], 0, (uintptr_t)(a + i),
			(uintptr_t)dst, 1, RTE_DMA_OP_FLAG_SUBMIT) >= 0);
	assert_int_equal(rig_wait(0, N, NULL), N);
	/* All wrote one byte, the first one last. */
	assert_int_equal(dst[0], a[0]);
	assert_true(rig_grown(0, faults) >= 2);
}

/* In a batch a fence is kept. */
static void
test_order_in_a_batch_is_reversed_up_to_a_fence(void **state)
{
	unsigned int i;

	(void)state;
	rig_begin();
	set("reorder=8");
	for (i = 0; i < 6; i++)
		assert_true(rte_dma_copy(rig_dev[0], 0, (uintptr_t)(a + i),
			(uintptr_t)b, 1, i == 3 ? RTE_DMA_OP_FLAG_FENCE :
			0) >= 0);
	assert_int_equal(rte_dma_submit(rig_dev[0], 0), 0);
	assert_int_equal(rig_wait(0, 6, NULL), 6);
	/* 2 1 0, then 5 4 3. */
	assert_int_equal(b[0], a[3]);
	assert_int_equal(rig_grown(0, faults), 1);
}

static void
test_a_short_queue_drops_what_it_cannot_hold(void **state)
{
	unsigned int i;

	(void)state;
	rig_begin();
	set("full=4,hang=1:2000");
	for (i = 0; i < 10; i++)
		copy(0, i, LEN, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(0, 4, NULL), 4);
	/* The driver waits for the others in vain. */
	assert_true(rig_silent(0, 50));
	for (i = 0; i < 10; i++)
		assert_int_equal(copied(i, LEN), i < 4);
	assert_int_equal(rig_grown(0, submitted), 4);
	assert_int_equal(rig_grown(0, dropped), 6);
}

static void
test_timing_delays_completions(void **state)
{
	const uint64_t ms = 1000000;
	uint64_t start, took = UINT64_MAX;
	unsigned int i, tries;

	(void)state;
	rig_begin();
	set("t0_ns=20000000,gbps=0.05");
	/* 20 ms, and 1 MB at 50 MB/s are 20 more. */
	start = ferry_test_now_ns();
	copy(0, 0, 1000000, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(0, 1, NULL), 1);
	assert_true(ferry_test_now_ns() - start >= 40 * ms);
	/*
	 * The bandwidth is shared, t0 is not: that would be 220 ms each time. A
	 * busy machine may take as long, but not each time.
	 */
	for (tries = 0; tries < 50 && took >= 180 * ms; tries++) {
		start = ferry_test_now_ns();
		for (i = 0; i < 10; i++)
			copy(0, i, 100000, RTE_DMA_OP_FLAG_SUBMIT);
		assert_int_equal(rig_wait(0, 10, NULL), 10);
		took = ferry_test_now_ns() - start;
		assert_true(took >= 40 * ms);
	}
	assert_true(took < 180 * ms);
}

/* What was queued, in work or hung leaves no completion and no byte. */
static void
test_a_stopped_queue_touches_nothing_any_more(void **state)
{
	unsigned int i;

	(void)state;
	rig_begin();
	set("wq=0,hang=2:200");
	for (i = 0; i < 6; i++)
		copy(0, i, LEN, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(0, 1, NULL), 1);
	rig_bind(0, false);
	assert_string_equal(rig_attribute(0, "state"), "disabled");
	assert_string_equal(rig_attribute(1, "state"), "enabled");
	/* Longer than it hangs. */
	assert_true(rig_silent(0, 300));
	for (i = 1; i < 6; i++)
		assert_false(copied(i, LEN));
	assert_int_equal(rig_grown(0, aborted), 5);
	/* What is submitted now is lost. */
	copy(0, 6, LEN, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_grown(0, dropped), 1);
	copy(1, 7, LEN, RTE_DMA_OP_FLAG_SUBMIT);
	assert_int_equal(rig_wait(1, 1, NULL), 1);
	/* And stays so when the queue is back. */
	rig_bind(0, true);
	assert_true(rig_silent(0, 50));
	assert_false(copied(6, LEN));
}

/* In the middle of a long copy. */
static void
test_a_copy_under_way_is_stopped(void **state)
{
	const uint32_t len = RIG_MAX_TRANSFER;
	unsigned int round, stopped = 0;
	size_t done;

	(void)state;
	rig_begin();
	/* On a busy machine this thread may come too late each time. */
	for (round = 0; round < 20 || (stopped == 0 && round < 500); round++) {
		unsigned int i;

		rig_setup(NULL);
		memset(b, 0, AREA);
		for (i = 0; i < 8; i++)
			assert_true(rte_dma_copy(rig_dev[0], 0, (uintptr_t)a,
				(uintptr_t)b, len, 0) >= 0);
		rte_dma_submit(rig_dev[0], 0);
		rig_bind(0, false);
		/* The unbound device writes to b no more. */
		memset(b, 0x5a, AREA);
		usleep(2000);
		for (done = 0; done < AREA && b[done] == 0x5a; done++)
			;
		assert_int_equal(done, AREA);
		stopped += rig_grown(0, aborted) > 0;
	}
	assert_true(stopped > 0);
}

/* Also those that have been executed, but are not due yet. */
static void
test_a_completion_that_is_not_due_is_dropped(void **state)
{
	(void)state;
	rig_begin();
	set("t0_ns=2000000000");
	copy(0, 0, LEN, RTE_DMA_OP_FLAG_SUBMIT);
	copy(1, 1, LEN, RTE_DMA_OP_FLAG_SUBMIT);
	usleep(20000);
	rig_bind(0, false);
	assert_true(rig_silent(0, 2200));
	assert_int_equal(rig_wait(1, 1, NULL), 1);
	assert_int_equal(rig_grown(0, aborted), 1);
}

static void
test_a_queue_is_as_new_when_it_is_bound_again(void **state)
{
	enum rte_dma_status_code status[4];
	unsigned int round;

	(void)state;
	rig_begin();
	for (round = 0; round < 20; round++) {
		set("hang=1");
		copy(0, 0, LEN, RTE_DMA_OP_FLAG_SUBMIT);
		/* Stops it, and makes idxd forget. */
		rig_setup(NULL);
		batch(4, status);
		assert_int_equal(status[3], RTE_DMA_STATUS_SUCCESSFUL);
	}
}

static void
test_what_cannot_be_changed_is_refused(void **state)
{
	enum rte_dma_status_code status;

	(void)state;
	rig_begin();
	assert_int_equal(rig_set("fail=1,size=8"), -EINVAL);
	assert_int_equal(rig_set("nonsense"), -EINVAL);
	/* Nothing of it was done. */
	singles(1, &status);
	assert_int_equal(status, RTE_DMA_STATUS_SUCCESSFUL);
	assert_int_equal(rig_stats(RIG_WQS, &rig_before[0]), -ENODEV);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(test_the_nth_descriptor_fails_once),
		TEST(test_every_nth_descriptor_fails_in_batches_too),
		TEST(test_a_fault_is_of_one_queue_if_it_says_so),
		TEST(test_a_page_fault_leaves_a_part_copied),
		TEST(test_corruption_is_told_by_nobody),
		TEST(test_a_hung_queue_completes_nothing),
		TEST(test_a_hang_may_end),
		TEST(test_order_is_reversed_across_descriptors),
		TEST(test_order_in_a_batch_is_reversed_up_to_a_fence),
		TEST(test_a_short_queue_drops_what_it_cannot_hold),
		TEST(test_timing_delays_completions),
		TEST(test_a_stopped_queue_touches_nothing_any_more),
		TEST(test_a_copy_under_way_is_stopped),
		TEST(test_a_completion_that_is_not_due_is_dropped),
		TEST(test_a_queue_is_as_new_when_it_is_bound_again),
		TEST(test_what_cannot_be_changed_is_refused),
	};

	return cmocka_run_group_tests_name("softdsa_faults", tests,
		rig_group_setup, NULL);
}
