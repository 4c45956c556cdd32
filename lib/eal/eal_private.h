/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_EAL_PRIVATE_H
#define FERRY_EAL_PRIVATE_H

/*
 * Starting and ending EAL, from inside.
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
 * Everything that fails leaves one line in ferry_eal_args.error.
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

/* Write one line to args->error; returns error. */
int eal_refuse(struct ferry_eal_args *args, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* eal_dir.c */

/* A path, or the beginning of one that is too long. */
struct eal_path {
	char text[PATH_MAX];
};

/* The directory in which EAL makes dpdk/PREFIX; see its eal_filesystem.c. */
const char *eal_dir_base(void);
/* The runtime directory of a prefix. */
void eal_dir_path(struct eal_path *out, const char *prefix);
/*
 * Look at the runtime directory of args->prefix and its parents: whether they
 * are directories, not symbolic links, of this user, that no other user can
 * exchange. A hub's is made if it is not there.
 *
 * Returns a descriptor of it, or a negative errno with args->error set; -ENOENT
 * in a secondary if there is none.
 */
int eal_dir_open(struct ferry_eal_args *args, enum ferry_eal_role role);
struct stat;
/* By which bits of its mode users who are not trusted can exchange what is in a
 * directory: S_IWGRP, S_IWOTH, or neither. root: the group of "/". */
mode_t eal_dir_strangers(const struct stat *st, gid_t root);
/* Open a file close-on-exec, whatever signals come; O_CREAT: for this user. */
int eal_openat(int dir, const char *name, int flags);
/* Remove all files of the runtime directory, and it. Follows no link, and
 * touches nothing that belongs to another user. */
void eal_dir_remove(const char *prefix);
/* Remove it if nothing is in it but what a start that failed has made. */
void eal_dir_remove_unused(const char *prefix);
/* Files of the runtime directory that are this process's alone. */
struct eal_names {
	char socket[128];
	char arrays[64][64];
	unsigned int n_arrays;
};
/* Remove them: what EAL itself removes at its end, if that was not reached;
 * and a socket whose name EAL has cut short. */
void eal_dir_remove_names(const char *prefix, const struct eal_names *names,
		bool ended);

/* eal_pages.c */

/* Call fn for each mounted hugetlbfs until it returns other than 0; returns
 * that. *n: how many there are, or a negative errno. */
int eal_pages_each_mount(int (*fn)(const char *dir, void *arg), void *arg,
		int *n);
/* Whether a file's name is that of a page of the prefix: PREFIXmap_NUMBER. */
bool eal_pages_is_name(const char *name, const char *prefix);
/* A hub's start: whether other users can put files of theirs in place of pages;
 * 0 or a negative errno with args->error set. */
int eal_pages_check(struct ferry_eal_args *args);
/* A secondary's start: whether all page files that process pid has mapped are
 * still there, and are to be seen from here. The same. *n: how many there are;
 * 0 if that process is not to be seen. */
int eal_pages_check_hub(struct ferry_eal_args *args, pid_t hub,
		unsigned int *n);
/* Remove the page files of a prefix. */
void eal_pages_remove(const char *prefix);

/* eal_check.c: 0 or a negative errno with args->error set. dir: what
 * eal_dir_open() returned. */

int eal_check(struct ferry_eal_args *args, enum ferry_eal_role role, int dir);
/* A hub's, before there is a directory: whether it can have hugepages. */
int eal_check_mounts(struct ferry_eal_args *args);
/* The mount that the user chose, or NULL. */
const char *eal_huge_dir(const struct ferry_eal_args *args);
/* A secondary's start has failed with error: unless the hub still runs, say
 * that it has ended. Returns error, or what that makes of it. */
int eal_check_hub_ended(struct ferry_eal_args *args, int error);

/* eal_limits.c: the same, for limits of this process. */

int eal_limits_files(struct ferry_eal_args *args, unsigned int needed);
int eal_limits_size(struct ferry_eal_args *args, uint64_t largest);
int eal_limits_calls(struct ferry_eal_args *args);
int eal_limits_path(struct ferry_eal_args *args);
int eal_limits_places(struct ferry_eal_args *args, enum ferry_eal_role role);

/* eal_fds.c */

/* Descriptors by number, one bit each. */
struct eal_fds {
	uint64_t bits[64];
};

void eal_fds_get(struct eal_fds *fds);
/* All that are not in the set, which EAL has opened since, are closed on
 * exec(). */
void eal_fds_close_on_exec(const struct eal_fds *before);
/* Pages that EAL takes from now on, too; and those of EAL's files that are
 * open. Does it once. */
void eal_fds_guard(const char *runtime_dir);
struct eal_names;
void eal_fds_own_names(struct eal_names *names);
/*
 * Who has this file open, as "PID (COMMAND), ...": how many processes. This
 * one does not count.
 */
unsigned int eal_fds_holders(int fd, char *out, size_t len);
/* Name of a process; "?" if it has none. */
void eal_fds_command(pid_t pid, char *out, size_t len);

/* eal_code.c */

/* Where EAL's code is. */
struct eal_code {
	uintptr_t first;
	uintptr_t last;
};
void eal_code_find(struct eal_code *code);
/* Where a thread was that a signal has interrupted: of a handler's context. */
uintptr_t eal_code_counter(const void *context);

/* eal_helper.c */

/* How long calls of EAL are waited for that a dead process's lock may hold up:
 * if they poll; if they do not; and if they do not because others have all
 * CPUs. */
#define EAL_PATIENCE_MS 400
#define EAL_PATIENCE_MAX_MS 900
#define EAL_STARVED_MAX_MS 15000

/*
 * Call fn(arg) in a thread of its own and wait for it as long as
 * EAL_PATIENCE_MAX_MS, not counting time in which it got no CPU. If it takes
 * longer it goes on by itself, with the scheduler's least favour, and what is
 * logged says so. arg must live as long as fn needs it. work_ms: what it
 * honestly takes beside that.
 *
 * last: nothing of EAL is called after that. A thread that polls is then
 * stopped, so that it cannot get the lock while the process ends, and take it
 * with it. SIGURG is used for that. One that uses a CPU for something else is
 * waited for.
 *
 * Returns 0, -ETIMEDOUT, or -EAGAIN if there is no thread to be had.
 */
int eal_helper_call(const char *what, void (*fn)(void *arg), void *arg,
		long work_ms, bool last);
/* Whether a call from before has not ended yet. */
bool eal_helper_busy(void);

/* eal_lcore.c */

/* In the runtime directory: a lock for each lcore id. */
#define EAL_LCORE_FILE "ferry_lcores"

/* Take the lcore id that is wanted, or the lowest one that is free if
 * wanted < 0: the id, or a negative errno with args->error set. */
int eal_lcore_take(struct ferry_eal_args *args, int dir, int wanted);
/* Give all up. Not in a process that was forked from the one that took them:
 * the locks are the parent's, too. */
void eal_lcore_release(void);

/* eal_names.c */

/* A secondary is about to start EAL: take the names of its files, if a process
 * of the same number in another pid namespace has them. A descriptor that is to
 * be given to eal_names_leave() when EAL has started; or -1. */
int eal_names_take(int dir);
void eal_names_leave(int dir, int fd);

/* eal_watch.c */

/*
 * Call fn(arg), which is rte_eal_init(), for limit_ms at most if it waits for
 * something and gets nowhere.
 *
 * Returns what fn returned, or -ETIMEDOUT with words for what it was waited.
 * Nothing of EAL may then be called in this process any more.
 */
int eal_watch(int (*fn)(void *arg), void *arg, uint32_t limit_ms, char *words,
		size_t len);

/* eal_words.c */

/* Keep what EAL says from now on, unless the user has a stream for that. */
void eal_words_begin(void);
/* Stop that. */
void eal_words_end(void);
/* Say in args->error why rte_eal_init() failed with error: returns it. */
int eal_words_why(struct ferry_eal_args *args, int error);

#endif /* FERRY_EAL_PRIVATE_H */
