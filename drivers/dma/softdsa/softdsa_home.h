/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_HOME_H
#define SOFTDSA_HOME_H

/*
 * Places where the device's directory may be made, and the lock that says which
 * process it belongs to.
 *
 * A directory belongs to the process that holds a record lock (F_SETLK) on the
 * file "lock" in it. The kernel drops this lock when the process ends or
 * executes another program. A child that the process forks does not hold the
 * lock. So no pid is needed to tell whether the process still lives.
 */

#include <stdbool.h>

#define SOFTDSA_HOMES 3
#define SOFTDSA_WHY_LEN 256
#define SOFTDSA_LOCK_NAME "lock"

/*
 * Path of place i: /run, $XDG_RUNTIME_DIR, /tmp. NULL: there is no such place
 * now.
 */
const char *softdsa_home_path(unsigned int i);

/*
 * Open a directory, if no other user can make its path lead elsewhere. For that
 * each part of the path must be a directory and not a symbolic link, and must
 * belong to root or to this user. Other users must not be able to write in it;
 * or it must be sticky, so that they cannot rename files of another user.
 *
 * Returns a file descriptor, or -errno with the reason in why.
 */
int softdsa_home_open(const char *path, char why[SOFTDSA_WHY_LEN]);

/*
 * Make the file "lock" in a directory and lock it. Returns its file descriptor,
 * which the caller keeps open, or -errno.
 */
int softdsa_lock_take(int dir);

/* Whether it is certain that the process that made a directory has ended. */
bool softdsa_lock_orphaned(int dir);

/*
 * Remove the directory with this name, which is open as fd, with all files in
 * it. Follows no symbolic link. Closes fd. Uses only system calls and the
 * stack.
 */
void softdsa_home_remove(int place, const char *name, int fd);

#endif /* SOFTDSA_HOME_H */
