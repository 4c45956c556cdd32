/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "eal_rig.h"

#define TRY_MS 60000

struct try {
	void (*fn)(struct eal_outcome *out, void *arg);
	void *arg;
};

static int
try_main(int fd, void *arg)
{
	static struct eal_outcome out;
	struct try *t = arg;

	out.result = -1;
	t->fn(&out, t->arg);
	return ferry_proc_write(fd, &out, sizeof(out)) != 0;
}

struct eal_outcome
eal_try(void (*fn)(struct eal_outcome *out, void *arg), void *arg)
{
	struct try t = { fn, arg };
	struct eal_outcome out;
	struct ferry_proc proc;

	assert_int_equal(ferry_proc_start(&proc, try_main, &t), 0);
	assert_int_equal(ferry_proc_read(proc.fd, &out, sizeof(out), TRY_MS),
		0);
	assert_int_equal(ferry_proc_wait(&proc, TRY_MS), 0);
	return out;
}

void
eal_rig_start(struct eal_outcome *out, struct ferry_eal_args *args,
		enum ferry_eal_role role, const char *option,
		const char *another)
{
	static char prefix[64];
	const uint32_t start_ms = args->start_ms;
	char *argv[] = {
		(char *)(uintptr_t)"eal", prefix,
		(char *)(uintptr_t)"--no-telemetry",
		(char *)(uintptr_t)"--log-level=critical",
		(char *)(uintptr_t)option, (char *)(uintptr_t)another,
	};
	int argc = option == NULL ? 4 : another == NULL ? 5 : 6;

	snprintf(prefix, sizeof(prefix), "--file-prefix=%s",
		ferry_test_prefix());
	out->result = ferry_eal_args(args, role, argc, argv);
	if (start_ms != 0)
		args->start_ms = start_ms;
	if (out->result == 0)
		out->result = ferry_eal_init(args, role);
	snprintf(out->words, sizeof(out->words), "%s", args->error);
}

void
eal_expect(struct eal_outcome out, int result, const char *words)
{
	if (out.result != result || strstr(out.words, words) == NULL)
		fail_msg("%d: '%s', expected %d with '%s'", out.result,
			out.words, result, words);
	assert_null(strchr(out.words, '\n'));
}
