/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_EAL_H
#define FERRY_EAL_H

/**
 * @file
 * EAL arguments that are safe for ferry, and EAL's start and end.
 *
 * A secondary that probes DMA devices re-initialises hardware the hub is using
 * (DPDK's idxd and ioat drivers do), and by default every DPDK process pins
 * its main thread to the first CPU and calls it lcore 0. ferry_eal_init() adds
 * to what the user gave whatever keeps the process from harm, refuses what
 * would harm, and looks at what EAL is going to need before it starts EAL.
 * A program that is its own DPDK primary may call rte_eal_init() itself.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** EAL file prefix of ferry's programs where the user gives none. */
#define FERRY_FILE_PREFIX "ferry"

/** How long EAL's start may wait without getting anywhere: 30 s. */
#define FERRY_EAL_START_MS 30000

/** Which part a process plays. */
enum ferry_eal_role {
	/** DPDK primary, with or without devices. */
	FERRY_EAL_HUB,
	/** DPDK secondary: no PCI, no DSA queues, no virtual devices. */
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
	/** If arguments or start were refused: one line saying why. */
	char error[320];
	/** The file prefix in force. */
	char prefix[64];
	/**
	 * How long EAL's start may wait without getting anywhere, in
	 * milliseconds. May be changed before ferry_eal_init().
	 */
	uint32_t start_ms;
	/** The user's --main-lcore, or -1. */
	int main_lcore;
	/** The argument of text that chooses the lcore, or NULL. */
	char *lcore;
	/**
	 * While EAL runs that was started with them: token of the process that
	 * started it. Else 0.
	 */
	uint64_t process;
	/** Bytes of text that are used. */
	uint32_t text_used;
	/** What was added. */
	char text[4096];
};

/**
 * Complete the user's EAL arguments. Pure: nothing is started.
 *
 * Added unless the user said otherwise: the file prefix, --proc-type, and one
 * lcore that floats over all CPUs the process may use. Its number is chosen by
 * ferry_eal_init(). In a secondary also --no-pci.
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
 *   0; -EINVAL if an argument does not go with the role; -E2BIG; another
 *   negative errno. args->error then has a line that says why.
 */
int ferry_eal_args(struct ferry_eal_args *args, enum ferry_eal_role role,
		int argc, char *const argv[]);

/**
 * Start EAL with completed arguments, once a process, in its main thread.
 *
 * First it looks at what EAL is going to need: limits of the process, space,
 * owners and modes of directories, the hub and its hugepages. It takes lcore
 * ids that no other process of the file prefix has: the lowest one that is
 * free, unless the user chose. In a secondary, DSA_DEV_PATH is set empty and
 * EAL's bus of virtual devices is left out, so that no device is probed. While
 * EAL starts, the signal SIGURG is used to end waits that take longer than
 * args->start_ms.
 *
 * All descriptors that are new when EAL has started are set to be closed on
 * exec(), because EAL does not tell which ones are its own. So is one that
 * another thread opens during the call: if a program that is started later
 * shall inherit it, open it before or afterwards, or clear its FD_CLOEXEC
 * again.
 *
 * @param args
 *   From ferry_eal_args(). EAL may change their order, and refers to them
 *   until it ends.
 * @param role
 *   As given to ferry_eal_args().
 * @return
 *   0, or negative with a line in args->error that names cause and cure:
 *   -EALREADY if EAL has been started in this process before, or in the one
 *   that it was forked from; -EBUSY in a hub if processes of the file prefix
 *   are running, a hub or secondaries of an earlier one; -ENOENT in a secondary
 *   if no hub runs;
 *   FERRY_E_LCORE if another process has one of the lcore ids that the user
 *   chose; -EUSERS if no lcore id is left; -EMFILE, -EFBIG, -ENOSPC,
 *   -ENAMETOOLONG, -EACCES, -EPERM for what is missing; -ETIMEDOUT if EAL's
 *   start waited for something for too long: the process should then end; or
 *   another negative errno.
 */
int ferry_eal_init(struct ferry_eal_args *args, enum ferry_eal_role role);

/**
 * Make a running EAL safe. It takes the lcore ids of this process, so that no
 * other process of the file prefix has one of them: EAL keeps data per id in
 * memory that all processes share, without locks. And it lets the files that
 * EAL has opened, and will open, be closed on exec(). ferry_eal_init(),
 * ferry_hub_create() and ferry_attach() do it; a process that calls
 * rte_eal_init() itself may do it earlier. Thread-safe.
 *
 * @param[out] words
 *   If it fails: one line that says why. May be NULL.
 * @param len
 *   Size of words.
 * @return
 *   0, also where EAL shares no files; FERRY_E_LCORE if another process has
 *   one of them; FERRY_E_FORKED if the process is a fork of the one that
 *   started EAL; -EMFILE or another negative errno.
 */
int ferry_eal_adopt(char *words, uint32_t len);

/**
 * Whether other processes can find this one's EAL, as they cannot with
 * --in-memory or --no-shconf. Thread-safe.
 *
 * @return
 *   1 or 0; -ENOMEM if EAL has no memory for the answer.
 */
int ferry_eal_shared(void);

/**
 * Why EAL did not provide memory that it was asked for. Thread-safe.
 *
 * @param memory
 *   How much, in bytes.
 * @return
 *   -EMFILE if there are pages, but not enough descriptors for them; else
 *   -ENOMEM.
 */
int ferry_eal_memory_error(uint64_t memory);

/**
 * Call rte_free() for what may take a lock in shared memory that a dead
 * process holds for ever. Returns within a second, or later where other
 * processes have all CPUs; if the memory is not given back by then, a thread
 * goes on trying, and it is logged.
 *
 * @param pointers
 *   What rte_malloc() returned, or NULL.
 * @param n
 *   How many, up to 4.
 * @return
 *   0 if all is given back; -EAGAIN if there was no memory or no thread for
 *   that: the next call gives it back, too; -ETIMEDOUT if it may never be.
 */
int ferry_eal_free(void *const pointers[], uint32_t n);

/**
 * End EAL, with rte_eal_cleanup(), after all lanes have been closed. In a hub,
 * first stop all DMA devices; also remove what EAL leaves behind for
 * secondaries: the files of its prefix in the hugepage mounts, and its
 * runtime directory. After that no secondary can start with the prefix; those
 * that run keep their memory.
 *
 * Returns within about a second, even if a process that died holds EAL's
 * locks; later where others have all CPUs. It is then logged, and EAL's memory
 * is left to the end of the process. The signal SIGURG is used to end the wait.
 *
 * Does nothing if ferry_eal_init() did not succeed with these arguments, if it
 * is called again, or in a process that was forked from the one that called
 * ferry_eal_init(): the files are then another process's.
 *
 * @param args
 *   As given to ferry_eal_init().
 * @param role
 *   As given to ferry_eal_init().
 */
void ferry_eal_cleanup(struct ferry_eal_args *args, enum ferry_eal_role role);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_EAL_H */
