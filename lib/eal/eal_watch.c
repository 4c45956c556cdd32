/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A time limit around rte_eal_init(). EAL may wait for an event that never
 * comes. It waits in three ways: in a system call (flock(), sendmsg()); in a
 * loop that polls a lock in shared memory, or that polls the magic number of a
 * primary that died while it started; and with a time limit of its own.
 *
 *     watcher                             the thread in rte_eal_init()
 *     -------                             ----------------------------
 *     looks every LOOK_MS where it is
 *     the same wait all the time, as
 *     long as the limit: SIGURG ───────>  the system call ends with EINTR, EAL
 *                                         fails as if by itself
 *     still there: SIGURG ─────────────>  the handler jumps out of EAL
 *
 * The jump leaves EAL in the state in which it was. So no function of EAL may
 * be called afterwards. The handler jumps only out of EAL's own code, or out of
 * a system call that EAL waits in. So no lock of the C library is left held.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "eal_private.h"

#define LOOK_MS 50
/* The kernel ignores this signal in a process that has no handler for it. */
#define SIGNAL SIGURG

struct watch {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	uint32_t limit_ms;
	pid_t tid;
	struct eal_code code;
	/* The watcher sets both. may_jump: the handler may jump out of EAL.
	 * in_call: the thread waits in a system call. */
	int may_jump;
	int in_call;
	sigjmp_buf out;
	char *words;
	size_t len;
};

/* The running start. It is a global variable, because a signal handler gets no
 * argument. A process makes one start at a time. */
static struct watch *watched;

static void
on_signal(int signal, siginfo_t *info, void *context)
{
	struct watch *w = watched;
	uintptr_t at;

	(void)signal;
	(void)info;
	if (w == NULL || (pid_t)syscall(SYS_gettid) != w->tid ||
			!__atomic_load_n(&w->may_jump, __ATOMIC_RELAXED))
		return;
	at = eal_code_counter(context);
	if ((at >= w->code.first && at < w->code.last) ||
			__atomic_load_n(&w->in_call, __ATOMIC_RELAXED))
		siglongjmp(w->out, 1);
}

/* Read a file of /proc about a thread of this process. */
static void
look(pid_t tid, const char *file, char *out, size_t len)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", (int)tid, file);
	fd = eal_openat(AT_FDCWD, path, O_RDONLY);
	n = fd >= 0 ? read(fd, out, len - 1) : -1;
	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
}

/* The number that stands behind a name in a status file; 0 if the name is not
 * there. */
static long
number_of(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at != NULL ? strtol(at + strlen(name), NULL, 10) : 0;
}

/* Describe the progress of a thread: "running", or the system call that it
 * waits in with arguments and stack; how often it has waited; and how much
 * hugepage memory the process has. The memory is part of it because the thread
 * is "running" while the kernel clears hugepages for it. */
static void
where(pid_t tid, char *out, size_t len)
{
	char status[4096];
	size_t used;

	look(tid, "syscall", out, len);
	used = strcspn(out, "\n");
	look(tid, "status", status, sizeof(status));
	snprintf(out + used, len - used, " %ld %ld",
		number_of(status, "\nvoluntary_ctxt_switches:"),
		number_of(status, "\nHugetlbPages:"));
}

/* Name the process that has locked a file with flock(), from /proc/locks. */
static void
locked_by(const struct stat *st, char *out, size_t len)
{
	FILE *f = fopen("/proc/locks", "re");
	unsigned long inode;
	char line[256], command[32];
	int pid;

	snprintf(out, len, "another process");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		/* Lines with an arrow are processes that wait for the lock. */
		if (strstr(line, "->") != NULL || sscanf(line,
				"%*d: FLOCK %*s %*s %d %*x:%*x:%lu", &pid,
				&inode) != 2 || inode != (unsigned long)
				st->st_ino || pid == getpid())
			continue;
		eal_fds_command(pid, command, sizeof(command));
		snprintf(out, len, "process %d (%s)", pid, command);
		break;
	}
	if (f != NULL)
		fclose(f);
}

/* Write to w->words what the thread waits for. at: from where(). */
static void
describe(const struct watch *w, const char *at)
{
	const unsigned int s = (w->limit_ms + 999) / 1000;
	char link[32], path[PATH_MAX] = "a file", who[64];
	unsigned long call, fd;
	struct stat st;
	ssize_t n;

	if (sscanf(at, "%lu 0x%lx", &call, &fd) == 2 && call == SYS_flock &&
			fstat((int)fd, &st) == 0) {
		snprintf(link, sizeof(link), "/proc/self/fd/%lu", fd);
		n = readlink(link, path, sizeof(path) - 1);
		if (n > 0)
			path[n] = '\0';
		locked_by(&st, who, sizeof(who));
		snprintf(w->words, w->len, "EAL's start has waited for %u s "
			"for the lock of %.100s, which %s has: is that "
			"stopped? End it", s, path, who);
	} else if (strncmp(at, "running", 7) == 0) {
		snprintf(w->words, w->len, "EAL's start has waited for %u s "
			"for a lock in memory that it shares, as if a process "
			"that was killed held it: end all processes of the "
			"file prefix and start the hub again", s);
	} else {
		snprintf(w->words, w->len, "EAL's start has waited for %u s "
			"for an answer of the hub: is its process stopped? Let "
			"it go on, or end it", s);
	}
}

/* Wait until the start is over, but at most ms milliseconds. Returns whether
 * the start is over. */
static bool
wait_done(struct watch *w, long ms)
{
	struct timespec end;
	bool done;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += ms % 1000 * 1000000;
	end.tv_sec += ms / 1000 + end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	pthread_mutex_lock(&w->lock);
	while (!w->done && pthread_cond_timedwait(&w->cond, &w->lock, &end) !=
			ETIMEDOUT)
		;
	done = w->done;
	pthread_mutex_unlock(&w->lock);
	return done;
}

static void *
watcher(void *arg)
{
	char last[256] = "", now[256];
	struct watch *w = arg;
	uint32_t same_ms = 0;

	while (!wait_done(w, LOOK_MS)) {
		where(w->tid, now, sizeof(now));
		same_ms = strcmp(now, last) == 0 ? same_ms + LOOK_MS : 0;
		strcpy(last, now);
		if (same_ms < w->limit_ms)
			continue;
		if (w->words[0] == '\0')
			describe(w, now);
		else
			/* The first signal did not end the wait. */
			__atomic_store_n(&w->may_jump, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&w->in_call, now[0] >= '0' && now[0] <= '9',
			__ATOMIC_RELAXED);
		syscall(SYS_tgkill, getpid(), w->tid, SIGNAL);
	}
	return NULL;
}

static void
watch_done(struct watch *w, pthread_t thread)
{
	pthread_mutex_lock(&w->lock);
	w->done = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
	pthread_join(thread, NULL);
}

int
eal_watch(int (*fn)(void *arg), void *arg, uint32_t limit_ms, char *words,
		size_t len)
{
	struct sigaction action = { .sa_sigaction = on_signal };
	/* Static, so that it does not lie on the stack that the jump
	 * unwinds. */
	static struct watch w;
	struct sigaction before;
	pthread_condattr_t attr;
	pthread_t thread;
	sigset_t mask, old;
	volatile int ret;

	memset(&w, 0, sizeof(w));
	w.limit_ms = limit_ms;
	w.tid = (pid_t)syscall(SYS_gettid);
	w.words = words;
	w.len = len;
	words[0] = '\0';
	pthread_mutex_init(&w.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w.cond, &attr);
	eal_code_find(&w.code);
	watched = &w;
	/* Without SA_RESTART, so that the signal ends a system call. */
	action.sa_flags = SA_SIGINFO;
	sigemptyset(&action.sa_mask);
	sigaction(SIGNAL, &action, &before);
	/* Block all signals in the watcher: the application's threads handle
	 * them. */
	sigfillset(&mask);
	pthread_sigmask(SIG_SETMASK, &mask, &old);
	ret = pthread_create(&thread, NULL, watcher, &w);
	sigemptyset(&mask);
	sigaddset(&mask, SIGNAL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret != 0) {
		snprintf(words, len, "cannot start a thread (%s): raise the "
			"limit of processes and threads (ulimit -u, or the "
			"container's)", strerror(ret));
		ret = -ret;
	} else {
		pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
		if (sigsetjmp(w.out, 1) == 0)
			ret = fn(arg);
		else
			ret = -ETIMEDOUT;
		__atomic_store_n(&w.may_jump, 0, __ATOMIC_RELAXED);
		watch_done(&w, thread);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		/* The wait was ended, so fail even if EAL's start succeeded: a
		 * secondary may go on without the lock that it waited for. */
		if (words[0] != '\0')
			ret = -ETIMEDOUT;
	}
	sigaction(SIGNAL, &before, NULL);
	watched = NULL;
	return ret;
}
