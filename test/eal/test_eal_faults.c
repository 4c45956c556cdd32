/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Each allocation and system call of libferry in ferry_eal_init() fails once;
 * those of EAL itself do not. Each try has a process of its own. EAL starts in
 * it, or the call says why not. The process ends, and leaves nothing that
 * hinders the next one.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>

#include "eal_rig.h"
#include "ferry_errno.h"
#include "ferry_faults.h"
#include "ferry_process.h"
#include "peer.h"

/* A start takes a second or two. */
#define TRY_MS 300000
/* EAL has many files, and each is looked at in the same way. */
#define EACH 12

struct try {
	enum ferry_eal_role role;
	enum ferry_fault_kind kind;
	/* Which call fails; 0: none. */
	uint32_t k;
};

/* What a try's process has found out. */
struct found {
	struct eal_outcome start;
	char name[32];
	int error;
	/* EAL was reached. */
	bool reached;
	int blocks;
	int fds;
};

static int
try_main(int fd, void *arg)
{
	static struct ferry_eal_args args;
	const struct try *t = arg;
	struct found out;
	struct ferry_fault hit;
	unsigned int fds;
	int64_t blocks;

	memset(&out, 0, sizeof(out));
	if (ferry_faults_open() != 0)
		return 1;
	fds = ferry_faults_fds();
	blocks = ferry_faults_blocks();
	ferry_faults_each(EACH);
	ferry_faults_arm(t->k, t->kind);
	eal_rig_start(&out.start, &args, t->role, NULL, NULL);
	hit = ferry_faults_disarm();
	/* Made once in a process, then or now. */
	ferry_process_token();
	out.reached = rte_eal_get_runtime_dir()[0] != '\0';
	out.blocks = (int)(ferry_faults_blocks() - blocks) - 1;
	out.fds = (int)ferry_faults_fds() - (int)fds;
	if (hit.name != NULL)
		snprintf(out.name, sizeof(out.name), "%s", hit.name);
	out.error = hit.error;
	ferry_eal_cleanup(&args, t->role);
	return ferry_proc_write(fd, &out, sizeof(out)) != 0;
}

static struct found
play(const struct try *t)
{
	struct ferry_proc proc;
	struct found out;
	int ret;

	assert_int_equal(ferry_proc_start(&proc, try_main,
		(void *)(uintptr_t)t), 0);
	ret = ferry_proc_read(proc.fd, &out, sizeof(out), TRY_MS);
	if (ret == 0)
		ret = ferry_proc_wait(&proc, TRY_MS);
	if (ret != 0)
		fail_msg("call %u: the start came to no end: %d", t->k, ret);
	return out;
}

static bool
is_among(const int *errors, int error)
{
	while (*errors != 0 && *errors != error)
		errors++;
	return *errors != 0;
}

static void
judge(const struct try *t, const struct found *f, const int *errors)
{
	const char *words = f->start.words;

	if (getenv("FERRY_TEST_FAULTS") != NULL)
		print_message("call %u, %s: %d: %s\n", t->k, f->name,
			f->start.result, words);
	if (f->start.result == 0)
		return;
	if (words[0] == '\0' || strchr(words, '\n') != NULL)
		fail_msg("call %u, %s: error %d is told as '%s'", t->k,
			f->name, f->start.result, words);
	if (f->start.result != -f->error && !is_among(errors, f->start.result))
		fail_msg("call %u, %s: error %d (%s)", t->k, f->name,
			f->start.result, words);
	/* What EAL has, goes with the process. */
	if (!f->reached && (f->blocks != 0 || f->fds != 0))
		fail_msg("call %u, %s: %d blocks, %d descriptors are left",
			t->k, f->name, f->blocks, f->fds);
}

static void
sweep(enum ferry_eal_role role, enum ferry_fault_kind kind, const int *errors,
		bool (*check)(void))
{
	struct try t = { .role = role, .kind = kind };
	uint32_t failed = 0;
	struct found f;

	for (t.k = 1;; t.k++) {
		f = play(&t);
		if (f.name[0] == '\0')
			break;
		failed += f.start.result != 0;
		judge(&t, &f, errors);
		/* What could not be removed hinders no later start. */
		if (!check()) {
			const struct try again = { .role = role };

			f = play(&again);
			if (f.start.result != 0 || !check())
				fail_msg("call %u: then %d: %s", t.k,
					f.start.result, f.start.words);
		}
	}
	assert_int_equal(f.start.result, 0);
	print_message("%s, %s: %u calls, %u of them with an error\n",
		role == FERRY_EAL_HUB ? "hub" : "secondary",
		kind == FERRY_FAULT_LACK ? "lack" : "signal", t.k - 1, failed);
	assert_true(t.k > 1);
}

static bool
nothing_is_left(void)
{
	return ferry_test_leftovers() == 0;
}

static void
a_hub_starts_or_says_why_not(void **state)
{
	/* The token's page and number. */
	static const int errors[] = { -ENOMEM, 0 };

	(void)state;
	ferry_procs_need();
	sweep(FERRY_EAL_HUB, FERRY_FAULT_LACK, errors, nothing_is_left);
	sweep(FERRY_EAL_HUB, FERRY_FAULT_SIGNAL, errors, nothing_is_left);
}

static struct peer hub;

static bool
the_hub_runs(void)
{
	peer_check_hub(&hub, 0);
	return true;
}

static void
a_secondary_starts_or_says_why_not(void **state)
{
	static const int errors[] = { -ENOMEM, 0 };

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 4 * MIB);
	sweep(FERRY_EAL_SECONDARY, FERRY_FAULT_LACK, errors, the_hub_runs);
	sweep(FERRY_EAL_SECONDARY, FERRY_FAULT_SIGNAL, errors, the_hub_runs);
	peer_exit_hub(&hub);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			a_hub_starts_or_says_why_not, ferry_procs_end),
		cmocka_unit_test_teardown(a_secondary_starts_or_says_why_not,
			ferry_procs_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
