/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "softdsa_dir.h"

/* Where the watcher keeps the only file it has. */
#define WATCH_FD 0

static void
close_others(void)
{
	long fd;

	if (syscall(SYS_close_range, WATCH_FD + 1, ~0U, 0) == 0)
		return;
	for (fd = WATCH_FD + 1; fd < sysconf(_SC_OPEN_MAX); fd++)
		close((int)fd);
}

/* In a child of the child. Other threads are not here: system calls only. */
static void __attribute__((noreturn))
watch(int pidfd, const struct softdsa_dir *dir)
{
	struct pollfd p = { .fd = WATCH_FD, .events = POLLIN };
	struct sigaction sa;
	sigset_t none;
	int sig;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	for (sig = 1; sig < NSIG; sig++)
		sigaction(sig, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(pidfd, WATCH_FD) < 0)
		_exit(1);
	/* Files of the program, and what reads its output to the end. */
	close_others();
	if (chdir("/") != 0)
		_exit(1);
	prctl(PR_SET_NAME, "softdsa-watch");
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	softdsa_dir_remove(dir);
	_exit(0);
}

int
softdsa_watch_start(const struct softdsa_dir *dir)
{
	int pidfd, status, ret = 0;
	pid_t child;

	pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (pidfd < 0)
		return -errno;
	/*
	 * Not fork(): handlers of the program for it are none of our business.
	 * SIGCHLD is not sent for the child, and only this can wait for it.
	 */
	child = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
	if (child == 0) {
		/* Not to be ended with a terminal, or a job as a whole. */
		setsid();
		/* The grandchild belongs to init. */
		child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL,
			NULL);
		if (child == 0)
			watch(pidfd, dir);
		_exit(child > 0 ? 0 : 1);
	}
	if (child < 0)
		ret = -errno;
	else if (waitpid(child, &status, __WALL) == child &&
			(!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		ret = -EAGAIN;
	close(pidfd);
	return ret;
}
