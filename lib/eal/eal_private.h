/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_EAL_PRIVATE_H
#define FERRY_EAL_PRIVATE_H

/*
 * Internal: how the files of this folder start and end EAL.
 *
 *     ferry_eal.c ──> eal_args.c     the options
 *            │──────> eal_dir.c      who owns the directories EAL works in
 *            │──────> eal_check.c    what EAL is going to need
 *            │──────> eal_lcore.c    lcore ids that no other process has
 *            │──────> eal_names.c    names of files that EAL takes for the same
 *            │──────> eal_watch.c    a time limit around rte_eal_init()
 *            │──────> eal_words.c    why rte_eal_init() failed
 *            │──────> eal_fds.c      what a child must not inherit
 *            │──────> eal_code.c     where a thread is in EAL's code
 *            └──────> eal_helper.c   calls that a dead process's lock may hold
 *
 * Each function that fails leaves one line in ferry_eal_args.error.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <rte_log.h>

#include "ferry_eal.h"

extern int ferry_eal_logtype;
#define EAL_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_ ## level, ferry_eal_logtype, \
		"ferry: " fmt "\n", ## __VA_ARGS__)

/* Write one line to args->error. Returns error. */
int eal_refuse(struct ferry_eal_args *args, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* eal_dir.c */

/* A path, or the beginning of one that is too long. */
struct eal_path {
	char text[PATH_MAX];
};

/* The directory in which EAL makes dpdk/PREFIX; see EAL's eal_filesystem.c. */
const char *eal_dir_base(void);
/* The runtime directory of a prefix. */
void eal_dir_path(struct eal_path *out, const char *prefix);
/*
 * Open the runtime directory of args->prefix. First check the directory and its
 * parents: each must be a directory, not a symbolic link, must belong to this
 * user, and no other user may be able to exchange it. In a hub, make the
 * directory if it does not exist.
 *
 * Returns a descriptor of the directory, or a negative errno with args->error
 * set; -ENOENT in a secondary if the directory does not exist.
 */
int eal_dir_open(struct ferry_eal_args *args, enum ferry_eal_role role);
struct stat;
/* The mode bits of a directory by which users that are not trusted can exchange
 * the files in it: S_IWGRP, S_IWOTH, both, or none. root: the group of "/". */
mode_t eal_dir_strangers(const struct stat *st, gid_t root);
/* Open a file close-on-exec. Tries again if a signal interrupts it. With
 * O_CREAT, only this user may access the new file. */
int eal_openat(int dir, const char *name, int flags);
/* Remove the runtime directory with all files in it. Follows no symbolic link,
 * and removes nothing that belongs to another user. */
void eal_dir_remove(const char *prefix);
/* Remove the runtime directory if it holds only files that a failed start has
 * made. */
void eal_dir_remove_unused(const char *prefix);
/* Files in the runtime directory that belong to this process alone. */
struct eal_names {
	char socket[128];
	char arrays[64][64];
	unsigned int n_arrays;
};
/* Remove these files. EAL itself removes them at its end; ended: it has done
 * so. A socket whose name EAL has cut short is removed in any case. */
void eal_dir_remove_names(const char *prefix, const struct eal_names *names,
		bool ended);

/* eal_pages.c */

/* Call fn for each mounted hugetlbfs until fn returns a value other than 0.
 * Returns that value, or 0. *n: for how many mounts fn was called, or a
 * negative errno. */
int eal_pages_each_mount(int (*fn)(const char *dir, void *arg), void *arg,
		int *n);
/* Whether a file name is that of a page file of the prefix:
 * PREFIXmap_NUMBER. */
bool eal_pages_is_name(const char *name, const char *prefix);
/* For the start of a hub: check that other users cannot put files of their own
 * in place of page files. 0, or a negative errno with args->error set. */
int eal_pages_check(struct ferry_eal_args *args);
/* For the start of a secondary: check that all page files that the process hub
 * has mapped still exist and can be seen from this process. 0, or a negative
 * errno with args->error set. *n: how many page files there are; 0 if this
 * process cannot see the process hub. */
int eal_pages_check_hub(struct ferry_eal_args *args, pid_t hub,
		unsigned int *n);
/* Remove the page files of a prefix. */
void eal_pages_remove(const char *prefix);

/* eal_check.c: these functions check what EAL is going to need. They return 0,
 * or a negative errno with args->error set. dir: what eal_dir_open()
 * returned. */

int eal_check(struct ferry_eal_args *args, enum ferry_eal_role role, int dir);
/* For the start of a hub, before its directory exists: check that EAL can get
 * hugepages. */
int eal_check_mounts(struct ferry_eal_args *args);
/* The hugepage mount that the user chose, or NULL. */
const char *eal_huge_dir(const struct ferry_eal_args *args);
/* The start of a secondary has failed with error. If the hub has ended
 * meanwhile, write that to args->error and return the error for it; otherwise
 * return error. */
int eal_check_hub_ended(struct ferry_eal_args *args, int error);

/* eal_limits.c: these functions check the limits of this process. They return
 * the same. */

int eal_limits_files(struct ferry_eal_args *args, unsigned int needed);
int eal_limits_size(struct ferry_eal_args *args, uint64_t largest);
int eal_limits_calls(struct ferry_eal_args *args);
int eal_limits_path(struct ferry_eal_args *args);
int eal_limits_places(struct ferry_eal_args *args, enum ferry_eal_role role);

/* eal_fds.c */

/* A set of file descriptors: one bit for each number. */
struct eal_fds {
	uint64_t bits[64];
};

void eal_fds_get(struct eal_fds *fds);
/* Set all open descriptors that are not in the set to be closed on exec(). EAL
 * has opened them since the set was made. */
void eal_fds_close_on_exec(const struct eal_fds *before);
/* Set EAL's files that are open now, and the page files that EAL will open, to
 * be closed on exec(). Only the first call does it. */
void eal_fds_guard(const char *runtime_dir);
struct eal_names;
void eal_fds_own_names(struct eal_names *names);
/*
 * List the other processes that have this file open, as "PID (COMMAND), ...".
 * Returns how many there are. The calling process does not count.
 */
unsigned int eal_fds_holders(int fd, char *out, size_t len);
/* Get the command name of a process; "?" if it is not known. */
void eal_fds_command(pid_t pid, char *out, size_t len);

/* eal_code.c */

/* The address range of EAL's code. */
struct eal_code {
	uintptr_t first;
	uintptr_t last;
};
void eal_code_find(struct eal_code *code);
/* The program counter of the thread that a signal has interrupted. context: as
 * the signal handler got it. */
uintptr_t eal_code_counter(const void *context);

/* eal_helper.c */

/* How long eal_helper_call() waits for a call of EAL that may wait for the lock
 * of a dead process. PATIENCE: if the call polls for the lock. PATIENCE_MAX: if
 * it does not poll. STARVED_MAX: if it does not get on because other processes
 * have all CPUs. */
#define EAL_PATIENCE_MS 400
#define EAL_PATIENCE_MAX_MS 900
#define EAL_STARVED_MAX_MS 15000

/*
 * Call fn(arg) in a helper thread and wait for its end, but at most
 * EAL_PATIENCE_MAX_MS. Time in which the helper thread got no CPU does not
 * count. If fn takes longer, the helper thread goes on by itself, with the
 * lowest scheduling priority, and eal_helper_call() logs that. arg must live as
 * long as fn needs it. what: names the call in the log. work_ms: additional
 * time that fn needs for its work.
 *
 * last: true if the process calls no function of EAL after this call. Then a
 * helper thread that polls for a lock is stopped, so that it cannot take the
 * lock while the process ends: the lock would stay taken for ever. SIGURG is
 * used to stop it. A helper thread that uses a CPU for something else is waited
 * for.
 *
 * Returns 0; -ETIMEDOUT; -EAGAIN if no thread can be made.
 */
int eal_helper_call(const char *what, void (*fn)(void *arg), void *arg,
		long work_ms, bool last);
/* Whether an earlier eal_helper_call() has left a thread that still runs. */
bool eal_helper_busy(void);

/* eal_lcore.c */

/* A file in the runtime directory. It holds a lock for each lcore id. */
#define EAL_LCORE_FILE "ferry_lcores"

/* Take the lcore id "wanted"; or, if wanted < 0, the lowest free id. Returns
 * the id, or a negative errno with args->error set. */
int eal_lcore_take(struct ferry_eal_args *args, int dir, int wanted);
/* Give up all lcore ids that were taken. Does nothing in a process that was
 * forked from the one that took them, because it shares the locks with its
 * parent. */
void eal_lcore_release(void);

/* eal_names.c */

/* For a secondary that is about to start EAL: the names of EAL's files contain
 * the pid. If a process with the same pid in another pid namespace has files of
 * these names, take the names over. Returns a descriptor, to be given to
 * eal_names_leave() when EAL has started; or -1. */
int eal_names_take(int dir);
void eal_names_leave(int dir, int fd);

/* eal_watch.c */

/*
 * Call fn(arg), which is rte_eal_init(), and end the call if it waits for
 * limit_ms without progress.
 *
 * Returns what fn returned; or -ETIMEDOUT, with words saying what it waited
 * for. After -ETIMEDOUT this process may not call any function of EAL again.
 */
int eal_watch(int (*fn)(void *arg), void *arg, uint32_t limit_ms, char *words,
		size_t len);

/* eal_words.c */

/* Keep EAL's log messages from now on, unless the user has set a log stream. */
void eal_words_begin(void);
/* Stop keeping them. */
void eal_words_end(void);
/* Write to args->error why rte_eal_init() failed with error. Returns error. */
int eal_words_why(struct ferry_eal_args *args, int error);

#endif /* FERRY_EAL_PRIVATE_H */
