/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_FOLLOWER_H
#define PERF_FOLLOWER_H

/*
 * Runs the follower: on a second lcore of this process, or in a second process,
 * which is a DPDK secondary and runs the same program.
 */

#include <stdbool.h>
#include <stddef.h>

#include "ferry_eal.h"
#include "places.h"

struct follower;

/*
 * Complete the user's EAL options with those that this program wants where the
 * user gave none: lcores on CPUs of their own, a file prefix of its own.
 *
 * args has room for FERRY_EAL_ARGS_MAX. New arguments are written to text.
 */
int follower_eal_args(struct places *places, int *argc, char **args,
		char **argv, char *text, size_t len);

/* Start the follower, which attaches to the hub. Returns 0, or negative after a
 * line on stderr. */
int follower_start(struct follower **follower, const char *hub,
		const struct ferry_eal_args *eal, bool process);

/* Wait for the follower's end, after side_quit(). Returns 0 or negative. */
int follower_end(struct follower *follower);

/* main() of the follower's process. */
int follower_main(const char *hub, int argc, char **argv);

#endif /* PERF_FOLLOWER_H */
