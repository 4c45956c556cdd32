/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_EAL_H
#define FERRY_EAL_H

/**
 * @file
 * EAL arguments that are safe for ferry.
 *
 * A secondary that probes DMA devices re-initialises hardware the hub is using
 * (DPDK's idxd and ioat drivers do), and by default every DPDK process pins
 * its main thread to the first CPU. ferry_eal_init() adds to what the user
 * gave whatever keeps the process from harm, and refuses what would harm.
 * A program that is its own DPDK primary may call rte_eal_init() itself.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** EAL file prefix of ferry's programs where the user gives none. */
#define FERRY_FILE_PREFIX "ferry"

/** Which part a process plays. */
enum ferry_eal_role {
	/** DPDK primary, with or without devices. */
	FERRY_EAL_HUB,
	/** DPDK secondary: no PCI, no DSA queues, no devices of its own. */
	FERRY_EAL_SECONDARY,
};

/** Most arguments, the user's and ours. */
#define FERRY_EAL_ARGS_MAX 64

/** An argument vector for rte_eal_init(). */
struct ferry_eal_args {
	/** How many arguments there are, the program's name included. */
	int argc;
	/** NULL-terminated; points into text and to the user's arguments. */
	char *argv[FERRY_EAL_ARGS_MAX + 1];
	/** If the arguments were refused: one line saying why. */
	char error[160];
	/** The file prefix in force. */
	char prefix[64];
	/** What was added. */
	char text[512];
};

/**
 * Complete the user's EAL arguments. Pure: nothing is started.
 *
 * Added unless the user said otherwise: the file prefix, --proc-type, and one
 * lcore that floats over all CPUs the process may use. In a secondary also
 * --no-pci.
 *
 * @param[out] args
 *   The result.
 * @param role
 *   Which part the process plays.
 * @param argc
 *   As given to main(), up to but not including "--".
 * @param argv
 *   As given to main(). Not modified, and to be kept.
 * @return
 *   0; -EINVAL if an argument does not go with the role, see args->error;
 *   -E2BIG.
 */
int ferry_eal_args(struct ferry_eal_args *args, enum ferry_eal_role role,
		int argc, char *const argv[]);

/**
 * Start EAL with completed arguments. In a secondary, DSA_DEV_PATH is set empty
 * first, so that idxd's bus finds nothing to probe.
 *
 * @param args
 *   From ferry_eal_args(). EAL may change their order, and refers to them
 *   until it ends.
 * @param role
 *   As given to ferry_eal_args().
 * @return
 *   0; -EBUSY in a hub if processes of the file prefix are running, a hub or
 *   secondaries of an earlier one, see args->error; or a negative errno.
 */
int ferry_eal_init(struct ferry_eal_args *args, enum ferry_eal_role role);

/**
 * End EAL, with rte_eal_cleanup(), after all lanes have been closed. In a hub,
 * first stop all DMA devices; afterwards also remove what EAL leaves behind
 * for secondaries: the files of its prefix in the hugepage mounts, and its
 * runtime directory. After that no secondary can start with the prefix; those
 * that run keep their memory.
 *
 * @param args
 *   As given to ferry_eal_init().
 * @param role
 *   As given to ferry_eal_init().
 */
void ferry_eal_cleanup(const struct ferry_eal_args *args,
		enum ferry_eal_role role);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_EAL_H */
