/* SPDX-License-Identifier: BSD-3-Clause */

/* Descriptors that idxd never makes. The test itself stores them to a
 * portal. */

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_dmadev.h>

#include "ferry_test.h"
#include "soft_rig.h"
#include "softdsa_spec.h"

#define N 64
#define PAGE 4096
#define WAIT_NS FERRY_TEST_HANG_NS
#define RECORD (SOFTDSA_F_RECORD_VALID | SOFTDSA_F_RECORD)

static void *portal;
static struct softdsa_record records[N];
static struct softdsa_desc list[N];
static uint8_t from[N][PAGE], to[N][PAGE];

static int
setup(void **state)
{
	unsigned int i;

	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	memset(records, 0, sizeof(records));
	memset(to, 0, sizeof(to));
	for (i = 0; i < N; i++)
		ferry_test_fill(from[i], PAGE, i);
	return rig_setup(state);
}

static struct softdsa_desc
desc(unsigned int i, unsigned int op, uint32_t flags, uint32_t size)
{
	return (struct softdsa_desc) {
		.flags_op = op << SOFTDSA_OP_SHIFT | flags,
		.record = (uintptr_t)&records[i],
		.src = (uintptr_t)from[i],
		.dst = (uintptr_t)to[i],
		.size = size,
	};
}

static void
store(const struct softdsa_desc *d)
{
	__asm__ volatile("sfence\n\t.byte 0x66, 0x0f, 0x38, 0xf8, 0x02" : :
		"a" (portal), "d" (d) : "memory");
}

static uint8_t
status(unsigned int i)
{
	return __atomic_load_n(&records[i].status, __ATOMIC_ACQUIRE);
}

static uint8_t
wait_for(unsigned int i)
{
	const uint64_t end = ferry_test_now_ns() + WAIT_NS;

	while (status(i) == 0 && ferry_test_now_ns() < end)
		sched_yield();
	return status(i);
}

static uint8_t
one(struct softdsa_desc d)
{
	const unsigned int i = (unsigned int)((d.record - (uintptr_t)records) /
		sizeof(records[0]));

	memset(&records[i], 0, sizeof(records[i]));
	store(&d);
	return wait_for(i);
}

static bool
copied(unsigned int i)
{
	return memcmp(from[i], to[i], PAGE) == 0;
}

/* The device works when EAL has started: no call is needed. */
static int
group_setup(void **state)
{
	char path[128];
	int fd, ret;

	ret = rig_group_setup(state);
	if (ret != 0 || ferry_test_eal_skip_reason() != NULL)
		return ret;
	snprintf(path, sizeof(path), "%s/wq0.0", getenv("DSA_DEV_PATH"));
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	portal = mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(portal != MAP_FAILED);
	close(fd);
	assert_int_equal(one(desc(0, SOFTDSA_NOOP, RECORD, 0)), SOFTDSA_OK);
	return 0;
}

static void
test_no_op_and_drain_succeed(void **state)
{
	(void)state;
	rig_begin();
	assert_int_equal(one(desc(0, SOFTDSA_NOOP, RECORD, 0)), SOFTDSA_OK);
	assert_int_equal(one(desc(1, SOFTDSA_DRAIN, RECORD, 0)), SOFTDSA_OK);
	assert_int_equal(rig_grown(0, descriptors), 2);
}

static void
test_unknown_operations_have_the_specified_status(void **state)
{
	unsigned int op;

	(void)state;
	rig_begin();
	for (op = SOFTDSA_FILL + 1; op < 256; op++)
		assert_int_equal(one(desc(0, op, RECORD, 64)),
			SOFTDSA_BAD_OP);
	assert_int_equal(rig_grown(0, failed), 251);
}

static void
test_bad_flags_are_told(void **state)
{
	(void)state;
	rig_begin();
	assert_int_equal(one(desc(0, SOFTDSA_MOVE, RECORD | 0x10 | 0x800000,
		64)), SOFTDSA_BAD_FLAGS);
	assert_int_equal(records[0].invalid_flags, 0x800010);
	assert_int_equal(records[0].done, 0);
	assert_int_equal(to[0][0], 0);
}

/* Only then: that is what batches rely on. */
static void
test_without_request_only_failures_have_a_record(void **state)
{
	struct softdsa_desc d = desc(0, SOFTDSA_MOVE, SOFTDSA_F_RECORD_VALID,
		PAGE);

	(void)state;
	rig_begin();
	store(&d);
	/* A drain is behind it. */
	assert_int_equal(one(desc(1, SOFTDSA_DRAIN, RECORD, 0)), SOFTDSA_OK);
	assert_true(copied(0));
	assert_int_equal(status(0), 0);
	d.src = 0;
	assert_int_equal(one(d), SOFTDSA_PAGE_FAULT);
}

static void
test_a_failure_without_a_record_is_counted(void **state)
{
	struct softdsa_desc d = desc(0, SOFTDSA_MOVE, 0, PAGE);

	(void)state;
	rig_begin();
	d.src = 0;
	store(&d);
	d = desc(0, SOFTDSA_MOVE, RECORD, PAGE);
	/* A record that is nowhere, and one that is not aligned. */
	d.record = 64;
	store(&d);
	d.record = (uintptr_t)&records[2] + 8;
	d.src = 0;
	store(&d);
	assert_int_equal(one(desc(1, SOFTDSA_DRAIN, RECORD, 0)), SOFTDSA_OK);
	assert_int_equal(rig_grown(0, unreported), 3);
	assert_int_equal(status(0) | status(2), 0);
}

static struct softdsa_desc
batch_of(uint32_t n)
{
	struct softdsa_desc d = desc(N - 1, SOFTDSA_BATCH, RECORD, n);

	d.src = (uintptr_t)list;
	d.dst = 0;
	return d;
}

static void
test_a_batch_tells_how_many_it_executed(void **state)
{
	unsigned int i;

	(void)state;
	rig_begin();
	for (i = 0; i < 8; i++)
		list[i] = desc(i, SOFTDSA_MOVE, RECORD, PAGE);
	assert_int_equal(one(batch_of(8)), SOFTDSA_OK);
	assert_int_equal(records[N - 1].done, 8);
	for (i = 0; i < 8; i++) {
		assert_int_equal(status(i), SOFTDSA_OK);
		assert_true(copied(i));
	}
	/* One fails, and the fence is behind it. */
	list[2].src = 0;
	list[5].flags_op |= SOFTDSA_F_FENCE;
	memset(records, 0, sizeof(records));
	assert_int_equal(one(batch_of(8)), SOFTDSA_BATCH_FAILED);
	assert_int_equal(records[N - 1].done, 5);
	assert_int_equal(status(2), SOFTDSA_PAGE_FAULT);
	assert_int_equal(status(4), SOFTDSA_OK);
	assert_int_equal(status(5), 0);
}

static void
test_no_batch_or_drain_inside_a_batch(void **state)
{
	(void)state;
	rig_begin();
	list[0] = desc(0, SOFTDSA_DRAIN, RECORD, 0);
	list[1] = desc(1, SOFTDSA_BATCH, RECORD, 2);
	assert_int_equal(one(batch_of(2)), SOFTDSA_BATCH_FAILED);
	assert_int_equal(status(0), SOFTDSA_BAD_OP);
	assert_int_equal(status(1), SOFTDSA_BAD_OP);
}

static void
test_bad_batches_are_not_executed(void **state)
{
	struct softdsa_desc d;

	(void)state;
	rig_begin();
	list[0] = desc(0, SOFTDSA_MOVE, RECORD, PAGE);
	assert_int_equal(one(batch_of(1)), SOFTDSA_BAD_COUNT);
	assert_int_equal(one(batch_of(RIG_MAX_BATCH + 1)), SOFTDSA_BAD_COUNT);
	d = batch_of(2);
	d.src += 32;
	assert_int_equal(one(d), SOFTDSA_BAD_LIST);
	assert_int_equal(status(0), 0);
}

static void
test_a_list_that_ends_is_executed_so_far(void **state)
{
	struct softdsa_desc d = batch_of(4), *end;
	uint8_t *p;

	(void)state;
	rig_begin();
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		MAP_ANONYMOUS, -1, 0);
	assert_true(p != MAP_FAILED);
	munmap(p + PAGE, PAGE);
	end = (struct softdsa_desc *)(p + PAGE);
	end[-2] = desc(0, SOFTDSA_MOVE, RECORD, PAGE);
	end[-1] = desc(1, SOFTDSA_MOVE, RECORD, PAGE);
	d.src = (uintptr_t)(end - 2);
	assert_int_equal(one(d), SOFTDSA_BATCH_FAULT);
	assert_int_equal(records[N - 1].done, 2);
	assert_int_equal(records[N - 1].fault_addr, (uintptr_t)end);
	assert_true(copied(0) && copied(1));
	munmap(p, PAGE);
}

/* Around the cache as well. */
static void
test_the_cache_flag_changes_no_byte(void **state)
{
	unsigned int i;

	(void)state;
	rig_begin();
	for (i = 0; i < 16; i++)
		assert_int_equal(one(desc(i, SOFTDSA_MOVE, RECORD | (i & 1 ?
			SOFTDSA_F_CACHE : 0), PAGE)), SOFTDSA_OK);
	for (i = 0; i < 16; i++)
		assert_true(copied(i));
}

/* Whatever threads there are, a drain ends after all before it. */
static void
test_a_drain_ends_last(void **state)
{
	unsigned int round, i;

	(void)state;
	rig_begin();
	for (round = 0; round < 300; round++) {
		struct softdsa_desc d;

		memset(records, 0, sizeof(records));
		if (round == 100)
			assert_int_equal(rig_set("t0_ns=50000"), 0);
		if (round == 200)
			assert_int_equal(rig_set("t0_ns=0,reorder=4"), 0);
		for (i = 0; i < RIG_SIZE - 1; i++) {
			d = desc(i, SOFTDSA_MOVE, RECORD, i % 3 ? 64 : PAGE);
			store(&d);
		}
		d = desc(i, SOFTDSA_DRAIN, RECORD, 0);
		store(&d);
		assert_int_equal(wait_for(i), SOFTDSA_OK);
		while (i-- > 0)
			assert_int_equal(status(i), SOFTDSA_OK);
	}
	assert_int_equal(rig_grown(0, dropped), 0);
}

/* Stops in the middle of everything, over and over. */
static void
test_unbinding_ends_whatever_is_going_on(void **state)
{
	unsigned int round, i;

	(void)state;
	rig_begin();
	for (round = 0; round < 100; round++) {
		struct softdsa_desc d;

		assert_int_equal(rig_set(round % 4 == 0 ? "hang=3" :
			round % 4 == 1 ? "faults=off,t0_ns=200000" :
			round % 4 == 2 ? "t0_ns=0,reorder=8" : "faults=off"),
			0);
		for (i = 0; i < RIG_SIZE; i++) {
			d = desc(i, i % 5 == 4 ? SOFTDSA_DRAIN : SOFTDSA_MOVE,
				RECORD, PAGE);
			store(&d);
		}
		rig_bind(0, false);
		memset(to, 0, sizeof(to));
		memset(records, 0, sizeof(records));
		usleep(500);
		for (i = 0; i < RIG_SIZE; i++) {
			assert_int_equal(to[i][0] | to[i][PAGE - 1], 0);
			assert_int_equal(status(i), 0);
		}
		rig_bind(0, true);
		assert_int_equal(rig_set("faults=off,t0_ns=0"), 0);
		assert_int_equal(one(desc(0, SOFTDSA_MOVE, RECORD, PAGE)),
			SOFTDSA_OK);
	}
}

/* A FIFO of the driver, as one that writes to it opens it. */
static int
open_driver(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/../drivers/user/%s",
		getenv("DSA_SYSFS_PATH"), name);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Whether the state of wq0.0 becomes a word: told by its length alone. */
static bool
comes_to(const char *word)
{
	const uint64_t end = ferry_test_now_ns() + WAIT_NS;
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/wq0.0/state",
		getenv("DSA_SYSFS_PATH"));
	while (stat(path, &st) != 0 || (size_t)st.st_size != strlen(word) + 1) {
		if (ferry_test_now_ns() > end)
			return false;
		usleep(200);
	}
	return true;
}

static void
test_a_state_is_told_when_no_descriptor_is_left(void **state)
{
	struct rlimit limit, none;
	bool off = true, on = true;
	int bind, unbind, i;

	(void)state;
	rig_begin();
	bind = open_driver("bind");
	unbind = open_driver("unbind");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	/* Standard input and output and errors are open. Below that, poll() of
	 * two descriptors would fail, too. */
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	/* Twice the same one, too. */
	for (i = 0; i < 4; i++) {
		off = off && write(unbind, "wq0.0", 5) == 5 &&
			comes_to("disabled");
		if (i == 2)
			continue;
		on = on && off && write(bind, "wq0.0", 5) == 5 &&
			comes_to("enabled");
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close(bind);
	close(unbind);
	assert_true(off);
	assert_true(on);
	assert_string_equal(rig_attribute(0, "state"), "enabled");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(test_no_op_and_drain_succeed),
		TEST(test_unknown_operations_have_the_specified_status),
		TEST(test_bad_flags_are_told),
		TEST(test_without_request_only_failures_have_a_record),
		TEST(test_a_failure_without_a_record_is_counted),
		TEST(test_a_batch_tells_how_many_it_executed),
		TEST(test_no_batch_or_drain_inside_a_batch),
		TEST(test_bad_batches_are_not_executed),
		TEST(test_a_list_that_ends_is_executed_so_far),
		TEST(test_the_cache_flag_changes_no_byte),
		TEST(test_a_drain_ends_last),
		TEST(test_unbinding_ends_whatever_is_going_on),
		TEST(test_a_state_is_told_when_no_descriptor_is_left),
	};

	return cmocka_run_group_tests_name("softdsa_raw", tests,
		group_setup, NULL);
}
