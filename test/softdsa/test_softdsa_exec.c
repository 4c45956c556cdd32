/* SPDX-License-Identifier: BSD-3-Clause */

/* Operations on memory that is there, is not, or ends in between. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "ferry_test.h"
#include "softdsa_exec.h"
#include "softdsa_guard.h"

#define PAGE UINT64_C(4096)
#define AREA (64 * PAGE)

static const uint32_t go = 1;
static struct softdsa_record r;

static void
on_fault(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	if (!softdsa_guard_caught(context))
		abort();
}

/* cmocka has installed its own by now. */
static void
guard(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_fault;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

/* An area with nothing before and after it. */
static uint8_t *
island(void)
{
	uint8_t *p = mmap(NULL, AREA + 2 * PAGE, PROT_NONE, MAP_PRIVATE |
		MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(mprotect(p + PAGE, AREA, PROT_READ | PROT_WRITE), 0);
	return p + PAGE;
}

static void
drop(uint8_t *p)
{
	munmap(p - PAGE, AREA + 2 * PAGE);
}

static void
op_at(unsigned int op, uint32_t flags, uint64_t src, uint64_t dst, uint32_t n)
{
	const struct softdsa_verdict none = { 0 };
	const struct softdsa_desc d = {
		.flags_op = op << SOFTDSA_OP_SHIFT | flags,
		.src = src, .dst = dst, .size = n,
	};

	memset(&r, 0, sizeof(r));
	assert_true(softdsa_exec(&d, &none, &go, go, &r));
}

static void
move(uint32_t flags, const void *src, void *dst, uint32_t n)
{
	op_at(SOFTDSA_MOVE, flags, (uintptr_t)src, (uintptr_t)dst, n);
}

static void
test_moves_are_as_memmove_says(void **state)
{
	uint8_t *p = island(), *want = malloc(AREA);
	uint64_t rng = 5;
	unsigned int i;

	(void)state;
	guard();
	assert_non_null(want);
	for (i = 0; i < 3000; i++) {
		uint64_t n = ferry_test_random(&rng) % (i % 3 == 0 ? 300 :
			i % 3 == 1 ? 20000 : AREA / 2) + 1;
		uint64_t src = ferry_test_random(&rng) % (AREA - n);
		uint64_t dst = ferry_test_random(&rng) % (AREA - n);

		if (i % 50 == 0) {
			ferry_test_fill(p, AREA, i);
			memcpy(want, p, AREA);
		}
		memmove(want + dst, want + src, n);
		move(i & 1 ? SOFTDSA_F_CACHE : 0, p + src, p + dst,
			(uint32_t)n);
		assert_int_equal(r.status, SOFTDSA_OK);
		assert_int_equal(r.done, n);
		assert_memory_equal(p, want, AREA);
	}
	free(want);
	drop(p);
}

static void
test_bytes_done_end_where_the_source_does(void **state)
{
	uint8_t *p = island(), *q = island();
	unsigned int i;

	(void)state;
	guard();
	ferry_test_fill(p, AREA, 1);
	for (i = 1; i < 400; i += 7) {
		memset(q, 0, PAGE);
		/* i bytes before its end, and more than there are. */
		move(i & 1 ? SOFTDSA_F_CACHE : 0, p + AREA - i, q, i + 5000);
		assert_int_equal(r.status, SOFTDSA_PAGE_FAULT);
		assert_int_equal(r.done, i);
		assert_int_equal(r.fault_addr, (uintptr_t)(p + AREA));
		assert_memory_equal(q, p + AREA - i, i);
		assert_int_equal(q[i], 0);
	}
	drop(p);
	drop(q);
}

static void
test_bytes_done_end_where_the_destination_does(void **state)
{
	uint8_t *p = island(), *q = island();

	(void)state;
	guard();
	ferry_test_fill(p, AREA, 1);
	/* Far enough for several pieces. */
	move(SOFTDSA_F_CACHE, p, q + 100, AREA);
	assert_int_equal(r.status, SOFTDSA_PAGE_FAULT | SOFTDSA_WRITE);
	assert_int_equal(r.done, AREA - 100);
	assert_int_equal(r.fault_addr, (uintptr_t)(q + AREA));
	assert_memory_equal(q + 100, p, AREA - 100);
	drop(p);
	drop(q);
}

/* The nearer end counts. */
static void
test_both_ends_missing_is_told_of_the_first(void **state)
{
	uint8_t *p = island(), *q = island();

	(void)state;
	guard();
	move(0, p + AREA - 3000, q + AREA - 2000, 9000);
	assert_int_equal(r.done, 2000);
	assert_int_equal(r.status, SOFTDSA_PAGE_FAULT | SOFTDSA_WRITE);
	move(0, p + AREA - 2000, q + AREA - 3000, 9000);
	assert_int_equal(r.done, 2000);
	assert_int_equal(r.status, SOFTDSA_PAGE_FAULT);
	drop(p);
	drop(q);
}

/* Upwards by overlap: from the end, and bytes are counted from there. */
static void
test_a_backward_move_counts_from_the_end(void **state)
{
	uint8_t *p = island(), copy[20000];

	(void)state;
	guard();
	ferry_test_fill(p, AREA, 9);
	memcpy(copy, p, sizeof(copy));
	move(0, p, p + 100, 20000);
	assert_int_equal(r.status, SOFTDSA_OK);
	assert_int_equal(r.result, 1);
	assert_memory_equal(p + 100, copy, sizeof(copy));
	/* The beginning of the source is missing. */
	memcpy(copy, p, sizeof(copy));
	move(0, p - 50, p + 10, 20000);
	assert_int_equal(r.status, SOFTDSA_PAGE_FAULT);
	assert_int_equal(r.result, 1);
	assert_int_equal(r.done, 20000 - 50);
	assert_memory_equal(p + 60, copy, 20000 - 50);
	/* The end of the destination. */
	move(0, p + AREA - 20000, p + AREA - 19000, 20000);
	assert_int_equal(r.status, SOFTDSA_PAGE_FAULT | SOFTDSA_WRITE);
	assert_int_equal(r.done, 0);
	drop(p);
}

static void
test_addresses_that_cannot_be_are_faults(void **state)
{
	uint8_t *p = island();
	static const uint64_t nowhere[] = { 0, UINT64_C(1) << 47,
		UINT64_C(0x8000000000000000), UINT64_MAX - 100 };
	unsigned int i;

	(void)state;
	guard();
	for (i = 0; i < 4; i++) {
		op_at(SOFTDSA_MOVE, 0, nowhere[i], (uintptr_t)p, 5000);
		assert_int_equal(r.status, SOFTDSA_PAGE_FAULT);
		assert_int_equal(r.done, 0);
		op_at(SOFTDSA_MOVE, 0, (uintptr_t)p, nowhere[i], 5000);
		assert_int_equal(r.status, SOFTDSA_PAGE_FAULT | SOFTDSA_WRITE);
		op_at(SOFTDSA_FILL, 0, 1, nowhere[i], 5000);
		assert_int_equal(r.status, SOFTDSA_PAGE_FAULT | SOFTDSA_WRITE);
		assert_int_equal(r.done, 0);
	}
	drop(p);
}

/* The processor says no address then: it is one of the area's. */
static void
test_a_fault_without_an_address_gets_one(void **state)
{
	static const uint64_t nowhere = UINT64_C(0x8000000000000000);
	uint64_t src;
	int by;

	(void)state;
	guard();
	/* Backwards, forwards, and apart. */
	for (by = -100; by <= 100; by += 100) {
		src = by == 0 ? (uintptr_t)&src : nowhere + 100;
		op_at(SOFTDSA_MOVE, 0, src, by == 0 ? nowhere :
			src + (uint64_t)by, by == 0 ? 8 : 5000);
		assert_int_equal(r.status, by == 0 ? SOFTDSA_PAGE_FAULT |
			SOFTDSA_WRITE : SOFTDSA_PAGE_FAULT);
		assert_int_equal(r.done, 0);
		assert_int_equal(r.result, by > 0);
		assert_in_range(r.fault_addr, by == 0 ? nowhere : src,
			(by == 0 ? nowhere : src) + 4999);
	}
}

static void
test_a_fill_ends_where_its_destination_does(void **state)
{
	uint8_t *p = island();

	(void)state;
	guard();
	op_at(SOFTDSA_FILL, 0, UINT64_C(0x0807060504030201),
		(uintptr_t)(p + AREA - 13), 100);
	assert_int_equal(r.status, SOFTDSA_PAGE_FAULT | SOFTDSA_WRITE);
	assert_int_equal(r.done, 13);
	assert_memory_equal(p + AREA - 13, "\1\2\3\4\5\6\7\10\1\2\3\4\5", 13);
	/* However long it is. */
	op_at(SOFTDSA_FILL, 0, UINT64_C(0x0101010101010101), (uintptr_t)p,
		AREA);
	assert_int_equal(r.status, SOFTDSA_OK);
	assert_int_equal(r.done, AREA);
	assert_true(p[0] == 1 && memcmp(p, p + 1, AREA - 1) == 0);
	drop(p);
}

/* As if the source ended after 64 bytes; a fill has none. */
static void
test_a_fault_on_purpose_says_where_it_is(void **state)
{
	static const struct softdsa_verdict v = {
		.page_fault = true, .bytes = 64,
	};
	static uint8_t area[2000];
	const uint64_t p = (uintptr_t)area;
	const struct {
		unsigned int op, status;
		uint64_t src, dst, addr;
	} ops[] = {
		/* Apart, forwards, backwards from byte 299, and a fill. */
		{ SOFTDSA_MOVE, SOFTDSA_PAGE_FAULT, p, p + 1000, p + 64 },
		{ SOFTDSA_MOVE, SOFTDSA_PAGE_FAULT, p + 10, p, p + 74 },
		{ SOFTDSA_MOVE, SOFTDSA_PAGE_FAULT, p, p + 10, p + 235 },
		{ SOFTDSA_FILL, SOFTDSA_PAGE_FAULT | SOFTDSA_WRITE, 1, p,
			p + 64 },
	};
	unsigned int i;

	(void)state;
	guard();
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		const struct softdsa_desc d = {
			.flags_op = ops[i].op << SOFTDSA_OP_SHIFT,
			.src = ops[i].src, .dst = ops[i].dst, .size = 300,
		};

		assert_true(softdsa_exec(&d, &v, &go, go, &r));
		assert_int_equal(r.status, ops[i].status);
		assert_int_equal(r.done, 64);
		assert_int_equal(r.fault_addr, ops[i].addr);
	}
}

static void
test_a_record_that_cannot_be_written_is_told(void **state)
{
	struct softdsa_record record[2] = { { .status = 7, .done = 3 } }, to[3];
	uint8_t *p = island();
	uint64_t addr;
	char text[16];

	(void)state;
	guard();
	memset(to, 0xff, sizeof(to));
	assert_true(softdsa_write_record((uintptr_t)&to[1], record));
	assert_memory_equal(&to[1], record, sizeof(to[1]));
	/* And nothing beside it. */
	memset(&to[1], 0xff, sizeof(to[1]));
	assert_memory_equal(&to[0], &to[1], sizeof(to[1]));
	assert_memory_equal(&to[2], &to[1], sizeof(to[1]));
	assert_false(softdsa_write_record((uintptr_t)(p + AREA), record));
	assert_int_equal(softdsa_read(text, (uintptr_t)(p + AREA - 3), 16,
		&addr), 3);
	assert_int_equal(addr, (uintptr_t)(p + AREA));
	drop(p);
}

/* Where the processor goes on after a fault. */
static greg_t stack_at, goes_on;
static bool caught;

static void
touch_nothing(void *arg)
{
	ucontext_t *uc = arg;

	uc->uc_mcontext.gregs[REG_RSP] = stack_at;
	caught = softdsa_guard_caught(uc);
	goes_on = uc->uc_mcontext.gregs[REG_RSP];
}

/* Faults are caught during a touch only; and as if a function was called then,
 * below what the one that faulted may use of its stack. */
static void
test_the_guard_is_up_during_a_touch(void **state)
{
	struct softdsa_access fault;
	ucontext_t uc;
	int i;

	(void)state;
	memset(&uc, 0, sizeof(uc));
	for (i = 0; i < 16; i++) {
		stack_at = 0x7000 + i;
		assert_true(softdsa_try(touch_nothing, &uc, &fault));
		assert_true(caught);
		assert_int_equal(goes_on % 16, 8);
		assert_in_range(stack_at - goes_on, 128, 1024);
		assert_false(softdsa_guard_caught(&uc));
	}
	op_at(SOFTDSA_NOOP, 0, 0, 0, 0);
	assert_false(softdsa_guard_caught(&uc));
	/* A copy without a fault leaves it down, too. */
	move(0, &stack_at, &goes_on, sizeof(goes_on));
	assert_int_equal(r.status, SOFTDSA_OK);
	assert_false(softdsa_guard_caught(&uc));
}

static void
test_a_stopped_queue_stops_its_operation(void **state)
{
	static const struct {
		unsigned int op;
		uint64_t src, dst;
	} ops[] = {
		/* Forwards, backwards, apart, and a fill. */
		{ SOFTDSA_MOVE, 1, 1 }, { SOFTDSA_MOVE, 1, 2 },
		{ SOFTDSA_MOVE, 1, 4096 }, { SOFTDSA_FILL, 1, 1 },
	};
	const struct softdsa_verdict none = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		const struct softdsa_desc d = {
			.flags_op = ops[i].op << SOFTDSA_OP_SHIFT,
			.src = ops[i].src, .dst = ops[i].dst, .size = 8,
		};

		/* Nothing is touched: nothing faults. */
		assert_false(softdsa_exec(&d, &none, &go, go + 1, &r));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moves_are_as_memmove_says),
		cmocka_unit_test(test_bytes_done_end_where_the_source_does),
		cmocka_unit_test(
			test_bytes_done_end_where_the_destination_does),
		cmocka_unit_test(test_both_ends_missing_is_told_of_the_first),
		cmocka_unit_test(test_a_backward_move_counts_from_the_end),
		cmocka_unit_test(test_addresses_that_cannot_be_are_faults),
		cmocka_unit_test(test_a_fault_without_an_address_gets_one),
		cmocka_unit_test(test_a_fill_ends_where_its_destination_does),
		cmocka_unit_test(test_a_fault_on_purpose_says_where_it_is),
		cmocka_unit_test(test_a_record_that_cannot_be_written_is_told),
		cmocka_unit_test(test_the_guard_is_up_during_a_touch),
		cmocka_unit_test(test_a_stopped_queue_stops_its_operation),
	};

	return cmocka_run_group_tests_name("softdsa_exec", tests, NULL, NULL);
}
