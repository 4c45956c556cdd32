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

/* File descriptor of the only file that the watcher keeps open. */
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

/* Runs in the child of the child. It makes only system calls, because the other
 * threads of the program, which may have held locks, do not exist here. */
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
	/* Close the program's files: a process that reads the program's output
	 * would otherwise never find its end. */
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
	 * clone() and not fork(), so that the program's fork handlers do not
	 * run. The kernel sends no SIGCHLD for this child, and only the wait
	 * below can wait for it.
	 */
	child = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
	if (child == 0) {
		/* A new session, so that the end of a terminal or of a shell's
		 * job does not end the watcher. */
		setsid();
		/* init becomes the parent of the grandchild. */
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
