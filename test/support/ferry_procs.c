/* SPDX-License-Identifier: BSD-3-Clause */

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ferry_procs.h"
#include "ferry_test.h"

#define PAGES_DIR "/dev/hugepages"
#define RUN_DIR "/var/run/dpdk"

/* Processes that were not waited for yet. 0: a free place. */
static pid_t alive[FERRY_PROCS_MAX];
/* The process that forked these. Only this one may kill them: a forked process
 * must not kill its siblings. */
static pid_t owner;
static char prefix[32];

/* Only in the build of devtools/coverage.sh: writes the counters. */
void ferry_coverage_dump(void) __attribute__((weak));

static void
at_exit(void)
{
	if (getpid() != owner)
		return;
	ferry_procs_kill();
	ferry_test_clean();
}

static void
own(void)
{
	if (owner != 0)
		return;
	owner = getpid();
	snprintf(prefix, sizeof(prefix), "ferry-test-%d", (int)owner);
	atexit(at_exit);
}

static pid_t *
place_of(pid_t pid)
{
	unsigned int i;

	for (i = 0; i < FERRY_PROCS_MAX; i++)
		if (alive[i] == pid)
			return &alive[i];
	return NULL;
}

int
ferry_proc_start(struct ferry_proc *proc, ferry_proc_main_t main, void *arg)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	unsigned int i;
	int fds[2], status;
	pid_t *place;

	own();
	place = place_of(0);
	if (place == NULL)
		return -EAGAIN;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	/* Else both processes would print what is buffered. */
	fflush(NULL);
	proc->pid = fork();
	if (proc->pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return -errno;
	}
	if (proc->pid == 0) {
		/* Whatever kills the test ends this process, too. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* 0: from a pid namespace of its own it cannot be seen. */
		if (getppid() != owner && getppid() != 0)
			_exit(1);
		/* cmocka's handlers would go on with its tests here. */
		for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
			signal(faults[i], SIG_DFL);
		close(fds[0]);
		status = main(fds[1], arg);
		if (ferry_coverage_dump != NULL)
			ferry_coverage_dump();
		_exit(status);
	}
	close(fds[1]);
	proc->fd = fds[0];
	*place = proc->pid;
	return 0;
}

int
ferry_proc_write(int fd, const void *packet, size_t len)
{
	ssize_t n = send(fd, packet, len, MSG_NOSIGNAL);

	return n < 0 ? -errno : (size_t)n == len ? 0 : -EPROTO;
}

int
ferry_proc_read(int fd, void *packet, size_t len, uint32_t timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	n = poll(&pfd, 1, (int)timeout_ms);
	if (n <= 0)
		return n == 0 ? -ETIMEDOUT : -errno;
	n = recv(fd, packet, len, MSG_TRUNC);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EPIPE;
	return (size_t)n == len ? 0 : -EPROTO;
}

void
ferry_proc_signal(const struct ferry_proc *proc, int signal)
{
	if (proc->pid > 0)
		kill(proc->pid, signal);
}

int
ferry_proc_wait(struct ferry_proc *proc, uint32_t timeout_ms)
{
	const uint64_t end = ferry_test_now_ns() +
		timeout_ms * UINT64_C(1000000);
	int status;
	pid_t ret;

	while ((ret = waitpid(proc->pid, &status, WNOHANG)) == 0) {
		if (ferry_test_now_ns() > end)
			return -ETIMEDOUT;
		usleep(1000);
	}
	if (ret < 0)
		return -errno;
	*place_of(proc->pid) = 0;
	close(proc->fd);
	proc->pid = 0;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
		WEXITSTATUS(status);
}

void
ferry_proc_kill(struct ferry_proc *proc)
{
	if (proc->pid <= 0)
		return;
	kill(proc->pid, SIGKILL);
	ferry_proc_wait(proc, 300000);
}

void
ferry_procs_kill(void)
{
	unsigned int i;

	for (i = 0; i < FERRY_PROCS_MAX; i++) {
		if (alive[i] == 0)
			continue;
		kill(alive[i], SIGKILL);
		waitpid(alive[i], NULL, 0);
		alive[i] = 0;
	}
}

const char *
ferry_test_prefix(void)
{
	own();
	return prefix;
}

/* Whether a file's name is the prefix, then "map_", then anything. */
static bool
is_page(const char *name)
{
	const size_t len = strlen(prefix);

	return strncmp(name, prefix, len) == 0 &&
		strncmp(name + len, "map_", 4) == 0;
}

/* Count or remove files of a directory: all, or those that are pages. */
static unsigned int
sweep(const char *path, bool pages, bool remove)
{
	DIR *dir = opendir(path);
	unsigned int n = 0;
	struct dirent *e;

	if (dir == NULL)
		return 0;
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.' || (pages && !is_page(e->d_name)))
			continue;
		if (remove)
			unlinkat(dirfd(dir), e->d_name, 0);
		else
			fprintf(stderr, "left: %s/%s\n", path, e->d_name);
		n++;
	}
	closedir(dir);
	return n;
}

unsigned int
ferry_test_leftovers(void)
{
	char run[64];
	unsigned int n;

	own();
	snprintf(run, sizeof(run), RUN_DIR "/%s", prefix);
	n = sweep(PAGES_DIR, true, false) + sweep(run, false, false);
	if (access(run, F_OK) == 0) {
		fprintf(stderr, "left: %s\n", run);
		n++;
	}
	return n;
}

void
ferry_test_clean(void)
{
	char run[64];

	own();
	snprintf(run, sizeof(run), RUN_DIR "/%s", prefix);
	sweep(PAGES_DIR, true, true);
	sweep(run, false, true);
	rmdir(run);
}

int
ferry_procs_end(void **state)
{
	(void)state;
	ferry_procs_kill();
	ferry_test_clean();
	return 0;
}

void *
ferry_test_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED ? p : NULL;
}

const char *
ferry_procs_skip_reason(void)
{
	if (geteuid() != 0)
		return "not root: DPDK processes share files in " RUN_DIR;
	if (access(PAGES_DIR, W_OK) != 0)
		return PAGES_DIR " cannot be written to";
	return ferry_test_eal_skip_reason();
}
