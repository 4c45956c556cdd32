/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_DIR_H
#define SOFTDSA_DIR_H

/*
 * The directory that stands for /dev/dsa and /sys/bus/dsa, below the first of
 * /run, $XDG_RUNTIME_DIR and /tmp that can be written to:
 *
 *   ferry-softdsa.<pid>.<random>/
 *     lock                          whose it is: see softdsa_home.h
 *     enabled, disabled             words that a state is a link to
 *     dev/wq0.0                     portal of a work queue
 *     bus/dsa/devices/dsa0/...      attributes of the device
 *     bus/dsa/devices/wq0.0/...     attributes of a work queue, as its state
 *     bus/dsa/drivers/user/bind     written to to enable a work queue
 *     bus/dsa/drivers/user/unbind   and to disable it, by name
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "softdsa_config.h"
#include "softdsa_home.h"

#define SOFTDSA_DIR_PREFIX "ferry-softdsa."
#define SOFTDSA_ROOT_LEN 160
#define SOFTDSA_PATH_LEN 256
#define SOFTDSA_NAME_LEN 16

/* What a portal's page starts with where it can be read. */
struct softdsa_portal_id {
	uint64_t magic;
	/* Random, another one for each device. */
	uint64_t cookie;
	uint64_t wq;
	uint64_t zero;
};

#define SOFTDSA_PORTAL_MAGIC UINT64_C(0x61736474666f7366)

struct softdsa_dir {
	char root[SOFTDSA_ROOT_LEN];
	uint64_t cookie;
	/* Portals are files without a byte; otherwise they hold an id. */
	bool empty_portals;
	/* The directory itself: the path may come to lead elsewhere. */
	dev_t dev;
	ino_t ino;
	/* File descriptor of its lock. */
	int lock;
};

/* Make it. 0 or -errno, and then nothing is left of it, and why has words. */
int softdsa_dir_make(struct softdsa_dir *dir,
		const struct softdsa_config *config, bool empty_portals,
		char why[SOFTDSA_WHY_LEN]);

/*
 * "enabled" or "disabled", at once for every reader of the file. Takes no
 * descriptor, because a process that has none left must not leave a state in
 * the file that the work queue is not in.
 */
int softdsa_dir_set_state(const struct softdsa_dir *dir, unsigned int wq,
		const char *state);

/* Path of something in it. */
void softdsa_dir_path(const struct softdsa_dir *dir, const char *name,
		char path[SOFTDSA_PATH_LEN]);

/* Name of a work queue, such as wq0.1. */
void softdsa_dir_wq_name(unsigned int wq, char name[SOFTDSA_NAME_LEN]);

/*
 * Remove a directory with all in it. Uses system calls and the stack only, so
 * that it works in a child that another thread's process forked.
 */
void softdsa_dir_remove(const struct softdsa_dir *dir);

/* Remove those of this user's processes that are gone, in all places. */
void softdsa_dir_sweep(void);

/* Fork a process that removes the directory when this one has ended. */
int softdsa_watch_start(const struct softdsa_dir *dir);

#endif /* SOFTDSA_DIR_H */
