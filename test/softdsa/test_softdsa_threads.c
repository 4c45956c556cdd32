/* SPDX-License-Identifier: BSD-3-Clause */

/* The threads and processes that the soft DSA adds to a program's own. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ferry_test.h"
#include "softdsa_dev.h"
#include "softdsa_dir.h"
#include "softdsa_engine.h"

/* A user id that no user of this machine and no other test has, because the
 * test counts the processes of this user. */
#define USER 61003

static sem_t started;
static sigset_t mask;

static void *
look(void *arg)
{
	(void)arg;
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	sem_post(&started);
	return NULL;
}

/* Also while the program blocks or waits for them. */
static void
test_signals_stay_with_the_programs_threads(void **state)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP,
		SIGABRT, SIGSYS };
	sigset_t before, after;
	unsigned int i;
	int signal;

	(void)state;
	assert_int_equal(sem_init(&started, 0, 0), 0);
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	assert_int_equal(softdsa_thread_start(look, NULL, "look", NULL), 0);
	while (sem_wait(&started) != 0)
		assert_int_equal(errno, EINTR);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		assert_false(sigismember(&mask, faults[i]));
		sigaddset(&mask, faults[i]);
	}
	for (signal = 1; signal <= SIGRTMAX; signal++)
		if (signal != SIGKILL && signal != SIGSTOP &&
				(signal < 32 || signal >= SIGRTMIN) &&
				!sigismember(&mask, signal))
			fail_msg("signal %d is not blocked", signal);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	for (signal = 1; signal <= SIGRTMAX; signal++)
		assert_int_equal(sigismember(&before, signal),
			sigismember(&after, signal));
	sem_destroy(&started);
}

/* Begin to watch, with room for so many processes of this user: 0, the error,
 * or 100 if a child is left to the program. */
static int
watch(unsigned int processes, const char *place)
{
	const struct rlimit limit = { processes, processes };
	struct softdsa_config config;
	char why[SOFTDSA_WHY_LEN];
	struct softdsa_dir dir;
	int ret;

	if (setgid(USER) != 0 || setuid(USER) != 0 ||
			setenv("XDG_RUNTIME_DIR", place, 1) != 0)
		return 101;
	softdsa_config_default(&config);
	if (softdsa_dir_make(&dir, &config, true, why) != 0)
		return 102;
	setrlimit(RLIMIT_NPROC, &limit);
	/* Of an earlier call. */
	errno = EDOM;
	ret = softdsa_watch_start(&dir);
	if (waitpid(-1, NULL, __WALL) != -1 || errno != ECHILD)
		return 100;
	/* Else it is left, for the watcher. */
	if (ret != 0)
		softdsa_dir_remove(&dir);
	return -ret;
}

static int
watched(unsigned int processes, const char *place)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(watch(processes, place));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* It is a child of init, and removes the directory when its program has ended.
 * A program whose directory will remain is told. */
static void
test_a_watcher_starts_or_that_is_told(void **state)
{
	const uint64_t end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;
	char place[] = "/run/ferry-test-XXXXXX";

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root to be another user\n");
		skip();
	}
	assert_non_null(mkdtemp(place));
	assert_int_equal(chown(place, USER, USER), 0);
	/* There is no room for the child, and none for the child's. */
	assert_int_equal(watched(1, place), EAGAIN);
	assert_int_equal(watched(2, place), EAGAIN);
	assert_int_equal(watched(100, place), 0);
	while (rmdir(place) != 0) {
		assert_int_equal(errno, ENOTEMPTY);
		assert_true(ferry_test_now_ns() < end);
		usleep(1000);
	}
}

/* Without one of the files to bind and unbind by there is no thread for them,
 * and the other one is closed. */
static void
test_binding_wants_both_its_files(void **state)
{
	static const char *const files[] = { "bind", "unbind" };
	char why[SOFTDSA_WHY_LEN], name[64], path[SOFTDSA_PATH_LEN];
	static struct softdsa_dev dev;
	unsigned int i, before;

	(void)state;
	softdsa_config_default(&dev.config);
	for (i = 0; i < 2; i++) {
		assert_int_equal(softdsa_dir_make(&dev.dir, &dev.config, true,
			why), 0);
		snprintf(name, sizeof(name), "bus/dsa/drivers/user/%s",
			files[i]);
		softdsa_dir_path(&dev.dir, name, path);
		assert_int_equal(unlink(path), 0);
		before = ferry_test_entries(getpid(), "fd");
		assert_int_equal(softdsa_control_start(&dev), -ENOENT);
		assert_int_equal(ferry_test_entries(getpid(), "fd"), before);
		softdsa_dir_remove(&dev.dir);
		close(dev.dir.lock);
	}
}

/* Engines that run on this CPU and no other. */
static unsigned int
engines_on(int cpu)
{
	char path[300], name[32];
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	unsigned int n = 0;
	cpu_set_t cpus;
	FILE *f;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			e->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fgets(name, sizeof(name), f) != NULL &&
				strcmp(name, "softdsa-engine\n") == 0 &&
				sched_getaffinity(atoi(e->d_name),
					sizeof(cpus), &cpus) == 0 &&
				CPU_COUNT(&cpus) == 1 && CPU_ISSET(cpu, &cpus))
			n++;
		fclose(f);
	}
	closedir(d);
	return n;
}

static void
test_engines_take_turns_on_their_cpus(void **state)
{
	static struct softdsa_dev dev;
	cpu_set_t cpus;
	int cpu;

	(void)state;
	softdsa_config_default(&dev.config);
	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	for (cpu = 0; cpu < CPU_SETSIZE && dev.config.n_cpus < 2; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			dev.config.cpus[dev.config.n_cpus++] = (uint16_t)cpu;
	if (dev.config.n_cpus < 2) {
		print_message("skipped: one CPU, and no turns\n");
		skip();
	}
	dev.config.wqs = dev.config.threads = 3;
	dev.wqs = aligned_alloc(128, 3 * sizeof(*dev.wqs));
	assert_non_null(dev.wqs);
	memset(dev.wqs, 0, 3 * sizeof(*dev.wqs));
	assert_int_equal(softdsa_engines_start(&dev), 0);
	assert_int_equal(engines_on(dev.config.cpus[0]), 2);
	assert_int_equal(engines_on(dev.config.cpus[1]), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals_stay_with_the_programs_threads),
		cmocka_unit_test(test_a_watcher_starts_or_that_is_told),
		cmocka_unit_test(test_binding_wants_both_its_files),
		cmocka_unit_test(test_engines_take_turns_on_their_cpus),
	};

	return cmocka_run_group_tests_name("softdsa_threads", tests, NULL,
		NULL);
}
