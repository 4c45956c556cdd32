/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "cpu_time.h"

#define MS UINT64_C(1000000)

/* Use CPU time, and return how much it was. */
static uint64_t
burn(uint64_t ns)
{
	const uint64_t since = cpu_thread_ns();
	uint64_t now;

	do {
		now = cpu_thread_ns();
	} while (now - since < ns);
	return now - since;
}

static void
test_sleep_takes_no_cpu_time(void **state)
{
	const uint64_t thread = cpu_thread_ns(), process = cpu_process_ns();

	(void)state;
	usleep(50000);
	assert_true(cpu_thread_ns() - thread < 25 * MS);
	assert_true(cpu_process_ns() - process < 25 * MS);
}

static void
test_process_has_the_time_of_its_threads(void **state)
{
	const uint64_t process = cpu_process_ns();
	uint64_t burnt;

	(void)state;
	burnt = burn(5 * MS);
	assert_true(cpu_process_ns() - process >= burnt);
}

static void
test_parts_and_rest_are_told_apart(void **state)
{
	uint64_t in = 0, out = 0, parts, rest;
	struct cpu_part p;
	int i;

	(void)state;
	cpu_part_start(&p, false);
	for (i = 0; i < 10; i++) {
		cpu_part_begin(&p);
		in += burn(2 * MS);
		cpu_part_end(&p);
		out += burn(MS);
		/* Asleep: of neither. */
		usleep(1000);
	}
	cpu_part_stop(&p, &parts, &rest);
	assert_int_equal(p.n, 10);
	assert_true(parts > in - in / 8 && parts < in + in / 8);
	assert_true(rest > out - out / 8 && rest < out + out / 2);
}

static void
test_without_parts_all_is_rest(void **state)
{
	uint64_t parts, rest, burnt;
	struct cpu_part p;

	(void)state;
	cpu_part_start(&p, false);
	burnt = burn(2 * MS);
	cpu_part_stop(&p, &parts, &rest);
	assert_int_equal(parts, 0);
	assert_true(rest >= burnt);
}

static void
test_parts_are_never_more_than_all(void **state)
{
	uint64_t parts, rest, i;
	struct cpu_part p;

	(void)state;
	cpu_part_start(&p, false);
	for (i = 0; i < 1000; i++) {
		cpu_part_begin(&p);
		cpu_part_end(&p);
	}
	/* As if a reading took longer than it does. */
	p.reading *= 1000;
	cpu_part_stop(&p, &parts, &rest);
	assert_int_equal(rest, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sleep_takes_no_cpu_time),
		cmocka_unit_test(test_process_has_the_time_of_its_threads),
		cmocka_unit_test(test_parts_and_rest_are_told_apart),
		cmocka_unit_test(test_without_parts_all_is_rest),
		cmocka_unit_test(test_parts_are_never_more_than_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
