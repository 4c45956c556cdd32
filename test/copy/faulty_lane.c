/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_memory.h>

#include "faulty_lane.h"
#include "ferry_test.h"

#define CLOSE_NS FERRY_TEST_HANG_NS

static const struct ferry_copy_dmadev_config config = {
	.dev_id = DEV, .max_transfer = MAX_TRANSFER, .nb_desc = DEPTH,
};

struct fake_dma fake;
struct ferry_lane *lane;
uint8_t src[JOBS * LEN], dst[JOBS * LEN];

int
faulty_lane_eal(void)
{
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	return ferry_test_eal_start(NULL, "--vdev=dma_skeleton0",
		"--log-level=emergency", NULL);
}

int
faulty_lane_setup(void **state)
{
	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	fake_dma_skeleton_start(DEV, DEPTH);
	fake_dma_install(&fake, DEV);
	lane = NULL;
	ferry_test_fill(src, sizeof(src), 1);
	ferry_test_fill(dst, sizeof(dst), 2);
	return ferry_lane_open(&lane, ferry_copy_dmadev(), &config,
		SOCKET_ID_ANY);
}

int
faulty_lane_teardown(void **state)
{
	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	ferry_lane_close(lane);
	fake_dma_remove(&fake);
	return 0;
}

uint16_t
submit(unsigned int i, size_t len)
{
	const struct ferry_copy_job job = {
		.src = src + i * LEN,
		.dst = dst + i * LEN,
		.len = len,
		.cookie = i,
	};

	return ferry_lane_submit(lane, &job, 1);
}

struct ferry_copy_done
take(unsigned int polls)
{
	struct ferry_copy_done done = { 0 };

	while (ferry_lane_poll(lane, &done, 1) == 0)
		assert_int_not_equal(polls--, 0);
	return done;
}

void
assert_copied(unsigned int i, size_t len)
{
	uint8_t was[sizeof(dst)];

	ferry_test_fill(was, sizeof(was), 2);
	assert_memory_equal(dst + i * LEN, src + i * LEN, len);
	assert_memory_equal(dst + i * LEN + len, was + i * LEN + len,
		LEN - len);
}

void
take_ok(unsigned int i, size_t len, unsigned int polls)
{
	struct ferry_copy_done done = take(polls);

	assert_int_equal(done.cookie, i);
	assert_int_equal(done.bytes, len);
	assert_int_equal(done.status, FERRY_COPY_OK);
	assert_copied(i, len);
}

bool
close_stops(void)
{
	uint64_t start = ferry_test_now_ns();
	bool stopped;

	ferry_lane_close(lane);
	assert_true(ferry_test_now_ns() - start < CLOSE_NS);
	lane = NULL;
	fake.hang = false;
	fake.lie_completed = 0;
	stopped = ferry_lane_open(&lane, ferry_copy_dmadev(), &config,
		SOCKET_ID_ANY) == -EBADFD;
	assert_true(stopped == (lane == NULL));
	return stopped;
}
