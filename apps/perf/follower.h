/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_FOLLOWER_H
#define PERF_FOLLOWER_H

/*
 * Where the follower runs: a second lcore of this process, or a second process
 * made from the same program, a DPDK secondary.
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
 * args: room for FERRY_EAL_ARGS_MAX; text: where new arguments are put.
 */
int follower_eal_args(struct places *places, int *argc, char **args,
		char **argv, char *text, size_t len);

/* Start it; it attaches to the hub. 0 or negative after a line on stderr. */
int follower_start(struct follower **follower, const char *hub,
		const struct ferry_eal_args *eal, bool process);

/* Wait for its end, after side_quit(). 0 or negative. */
int follower_end(struct follower *follower);

/* main() of the follower's process. */
int follower_main(const char *hub, int argc, char **argv);

#endif /* PERF_FOLLOWER_H */
