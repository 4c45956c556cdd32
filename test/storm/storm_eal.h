/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORM_EAL_H
#define STORM_EAL_H

/* How processes of a storm start EAL. */

#include "ferry_eal.h"
#include "ferry_procs.h"

/** Megabytes of EAL's memory, and bytes of the hub's. */
#define STORM_EAL_MB "160"
#define STORM_HUB_MEMORY (UINT64_C(96) << 20)

/**
 * Start EAL.
 *
 * @param plugin
 *   The soft DSA's plugin, for a hub.
 * @return
 *   As ferry_eal_init(). Prints the reason of a failure.
 */
int storm_eal_start(struct ferry_eal_args *args, enum ferry_eal_role role,
		const char *plugin);

#endif /* STORM_EAL_H */
