/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_HOME_H
#define SOFTDSA_HOME_H

/*
 * Where the device's directory may be made, and whose it is.
 *
 * A directory belongs to the process that holds a lock on the file "lock" in
 * it: a record lock (F_SETLK). The kernel drops it when the process ends or
 * executes another program, and a child that it forks does not have it. No
 * number of a process comes into it.
 */

#include <stdbool.h>

#define SOFTDSA_HOMES 3
#define SOFTDSA_WHY_LEN 256
#define SOFTDSA_LOCK_NAME "lock"

/*
 * Path of a place: /run, $XDG_RUNTIME_DIR, /tmp. NULL: there is none of this
 * number now.
 */
const char *softdsa_home_path(unsigned int i);

/*
 * Open a directory whose path no other user can lead elsewhere: each part of it
 * is a directory, no symbolic link, that belongs to root or to this user, and
 * in which others may not write, or not rename what is another's (sticky).
 *
 * Return a file descriptor, or -errno and words in why.
 */
int softdsa_home_open(const char *path, char why[SOFTDSA_WHY_LEN]);

/*
 * Make the lock in a directory and take it. Return its file descriptor, to be
 * kept open, or -errno.
 */
int softdsa_lock_take(int dir);

/* Whether the process that made a directory has certainly ended. */
bool softdsa_lock_orphaned(int dir);

/*
 * Remove the directory of that name, which is open as fd, with all in it. No
 * symbolic link is followed. Closes fd. Uses system calls and the stack only.
 */
void softdsa_home_remove(int place, const char *name, int fd);

#endif /* SOFTDSA_HOME_H */
