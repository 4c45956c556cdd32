/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_DIR_H
#define SOFTDSA_DIR_H

/*
 * The directory that stands for /dev/dsa and /sys/bus/dsa, below the first of
 * /run, $XDG_RUNTIME_DIR and /tmp that can be written to:
 *
 *   ferry-softdsa.<pid>.<random>/
 *     lock                          locked by its process: see softdsa_home.h
 *     enabled, disabled             files with a state; "state" links to one
 *     dev/wq0.0                     portal of a work queue
 *     bus/dsa/devices/dsa0/...      attributes of the device
 *     bus/dsa/devices/wq0.0/...     attributes of a work queue, and its state
 *     bus/dsa/drivers/user/bind     writing a work queue's name enables it
 *     bus/dsa/drivers/user/unbind   writing a work queue's name disables it
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

/* The first bytes of a portal's page, if the page can be read. */
struct softdsa_portal_id {
	uint64_t magic;
	/* A random number that differs from device to device. */
	uint64_t cookie;
	uint64_t wq;
	uint64_t zero;
};

#define SOFTDSA_PORTAL_MAGIC UINT64_C(0x61736474666f7366)

struct softdsa_dir {
	char root[SOFTDSA_ROOT_LEN];
	uint64_t cookie;
	/* Portals are empty files; otherwise they hold an id. */
	bool empty_portals;
	/* Identity of the directory, because the path may later lead to another
	 * one. */
	dev_t dev;
	ino_t ino;
	/* File descriptor of its lock. */
	int lock;
};

/* Make the directory. Returns 0 or -errno. After an error, no part of it is
 * left, and why says the reason. */
int softdsa_dir_make(struct softdsa_dir *dir,
		const struct softdsa_config *config, bool empty_portals,
		char why[SOFTDSA_WHY_LEN]);

/*
 * Set the state file of a work queue to "enabled" or "disabled". Each reader
 * sees either the old or the new state. The function needs no file descriptor,
 * so that the file also shows the right state if the process has no descriptor
 * left.
 */
int softdsa_dir_set_state(const struct softdsa_dir *dir, unsigned int wq,
		const char *state);

/* Path of a file in the directory. */
void softdsa_dir_path(const struct softdsa_dir *dir, const char *name,
		char path[SOFTDSA_PATH_LEN]);

/* Name of a work queue, such as wq0.1. */
void softdsa_dir_wq_name(unsigned int wq, char name[SOFTDSA_NAME_LEN]);

/*
 * Remove the directory with all files in it. Uses only system calls and the
 * stack, so that it works in a child of a process with several threads.
 */
void softdsa_dir_remove(const struct softdsa_dir *dir);

/* Remove the directories that ended processes of this user have left, in all
 * places. */
void softdsa_dir_sweep(void);

/* Fork a process that removes the directory when this one has ended. */
int softdsa_watch_start(const struct softdsa_dir *dir);

#endif /* SOFTDSA_DIR_H */
