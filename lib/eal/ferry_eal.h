/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_EAL_H
#define FERRY_EAL_H

/**
 * @file
 * EAL arguments that are safe for ferry, and EAL's start and end.
 *
 * EAL's defaults do harm in two ways. A secondary that probes DMA devices
 * re-initialises hardware that the hub is using (DPDK's idxd and ioat drivers
 * do so). And every DPDK process pins its main thread to the first CPU and
 * calls it lcore 0. So ferry_eal_args() adds safe arguments to those of the
 * user, and refuses harmful ones. ferry_eal_init() checks what EAL is going to
 * need before it starts EAL. A program that is its own DPDK primary may call
 * rte_eal_init() itself.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** EAL file prefix of ferry's programs if the user gives none. */
#define FERRY_FILE_PREFIX "ferry"

/** How long EAL's start may wait without progress, in milliseconds: 30 s. */
#define FERRY_EAL_START_MS 30000

/** The role of a process. */
enum ferry_eal_role {
	/** DPDK primary, with or without devices. */
	FERRY_EAL_HUB,
	/** DPDK secondary: no PCI, no DSA queues, no virtual devices. */
	FERRY_EAL_SECONDARY,
};

/** The most arguments, those of the user and those that ferry adds. */
#define FERRY_EAL_ARGS_MAX 64

/** An argument vector for rte_eal_init(). */
struct ferry_eal_args {
	/** How many arguments there are, the program's name included. */
	int argc;
	/** The arguments, ended by NULL. They point into text and to the user's
	 * arguments. */
	char *argv[FERRY_EAL_ARGS_MAX + 1];
	/** If a call of this header failed: one line that says why. */
	char error[320];
	/** The file prefix that EAL uses. */
	char prefix[64];
	/**
	 * How long EAL's start may wait without progress, in milliseconds. The
	 * caller may change it before ferry_eal_init().
	 */
	uint32_t start_ms;
	/** The user's --main-lcore, or -1. */
	int main_lcore;
	/** The argument in text that chooses the lcore, or NULL. */
	char *lcore;
	/**
	 * While EAL runs that was started with these arguments: token of the
	 * process that started it. Otherwise 0.
	 */
	uint64_t process;
	/** How many bytes of text are used. */
	uint32_t text_used;
	/** The arguments that ferry added. */
	char text[4096];
};

/**
 * Complete the user's EAL arguments. This call starts nothing.
 *
 * It adds arguments that the user has not given: the file prefix, --proc-type,
 * and one lcore that floats over all CPUs that the process may use.
 * ferry_eal_init() chooses the number of this lcore. In a secondary, it also
 * adds --no-pci.
 *
 * @param[out] args
 *   The result.
 * @param role
 *   The role of the process.
 * @param argc
 *   As given to main(), up to but not including "--".
 * @param argv
 *   As given to main(). The call does not modify it. The caller keeps it as
 *   long as args is used.
 * @return
 *   0; -EINVAL if an argument does not go with the role; -E2BIG; another
 *   negative errno. In case of an error, args->error has a line that says why.
 */
int ferry_eal_args(struct ferry_eal_args *args, enum ferry_eal_role role,
		int argc, char *const argv[]);

/**
 * Start EAL with completed arguments. A process may call this once, in its main
 * thread.
 *
 * Before it starts EAL, the call checks what EAL is going to need: limits of
 * the process, space, owners and modes of directories, the hub and its
 * hugepages. The call takes lcore ids that no other process with the same file
 * prefix has. If the user has chosen none, it takes the lowest free id. In a
 * secondary, the call sets DSA_DEV_PATH to an empty string and leaves out EAL's
 * bus of virtual devices, so that EAL probes no device. While EAL starts, the
 * call uses the signal SIGURG to end waits that take longer than
 * args->start_ms.
 *
 * The call sets all file descriptors that EAL has opened to be closed on
 * exec(). EAL does not tell which descriptors are its own. So the call sets all
 * descriptors that were opened meanwhile, also those that another thread
 * opened. If a program that is started later shall inherit such a descriptor,
 * open it before or after the call, or clear its FD_CLOEXEC again.
 *
 * @param args
 *   From ferry_eal_args(). EAL may change their order, and uses them until it
 *   ends.
 * @param role
 *   As given to ferry_eal_args().
 * @return
 *   0; or a negative number, with a line in args->error that names cause and
 *   cure:
 *   -EALREADY if EAL has been started before, in this process or in the process
 *   that it was forked from; -EBUSY in a hub if other processes with the file
 *   prefix are running: a hub, or secondaries of an earlier hub; -ENOENT in a
 *   secondary if no hub runs; FERRY_E_LCORE if another process has one of the
 *   lcore ids that the user chose; -EUSERS if no lcore id is free; -EMFILE,
 *   -EFBIG, -ENOSPC, -ENAMETOOLONG, -EACCES, -EPERM if a limit, space or a
 *   permission is missing; -ETIMEDOUT if EAL's start waited for too long: the
 *   process should then end; or another negative errno.
 */
int ferry_eal_init(struct ferry_eal_args *args, enum ferry_eal_role role);

/**
 * Make a running EAL safe. The call does two things. It locks the lcore ids of
 * this process, so that no other process with the same file prefix uses one of
 * them. This is necessary because EAL keeps data per lcore id, without locks,
 * in memory that all processes share. And the call sets the files that EAL has
 * opened, and will open, to be closed on exec(). ferry_eal_init(),
 * ferry_hub_create() and ferry_attach() make this call; a process that calls
 * rte_eal_init() itself may make it earlier. Thread-safe.
 *
 * @param[out] words
 *   If the call fails: one line that says why. May be NULL.
 * @param len
 *   Size of words.
 * @return
 *   0, also if EAL shares no files; FERRY_E_LCORE if another process has one of
 *   the lcore ids; FERRY_E_FORKED if this process is a fork of the process that
 *   started EAL; -EMFILE or another negative errno.
 */
int ferry_eal_adopt(char *words, uint32_t len);

/**
 * Whether other processes can find the EAL of this process. With --in-memory or
 * --no-shconf they cannot. Thread-safe.
 *
 * @return
 *   1: they can; 0: they cannot; -ENOMEM if EAL has no memory for the answer.
 */
int ferry_eal_shared(void);

/**
 * Why EAL did not provide memory that it was asked for. Thread-safe.
 *
 * @param memory
 *   How much memory EAL was asked for, in bytes.
 * @return
 *   -EMFILE if there are enough pages, but not enough file descriptors for
 *   them; otherwise -ENOMEM.
 */
int ferry_eal_memory_error(uint64_t memory);

/**
 * Call rte_free(), but do not wait for ever. rte_free() may wait for a lock in
 * shared memory that a dead process holds for ever. This call returns within a
 * second, or later if other processes have all CPUs. If the memory is not given
 * back by then, the call logs that, and a thread goes on trying.
 *
 * @param pointers
 *   Pointers that rte_malloc() returned; some may be NULL.
 * @param n
 *   How many pointers, up to 4.
 * @return
 *   0 if all memory is given back; -EAGAIN if there was no memory or no thread
 *   for that: the next call gives this memory back, too; -ETIMEDOUT if it may
 *   never be given back.
 */
int ferry_eal_free(void *const pointers[], uint32_t n);

/**
 * End EAL with rte_eal_cleanup(). The caller has closed all lanes before. In a
 * hub, the call first stops all DMA devices. At the end, a hub also removes
 * what EAL leaves behind for secondaries: the files of its prefix in the
 * hugepage mounts, and its runtime directory. After that no secondary can start
 * with the prefix. Secondaries that run keep their memory.
 *
 * The call returns within about a second, even if a process that died holds
 * EAL's locks; later if other processes have all CPUs. If EAL could not be
 * ended, the call logs that, and EAL's memory is given back when the process
 * ends. The call uses the signal SIGURG to end the wait.
 *
 * The call does nothing in three cases: if ferry_eal_init() did not succeed
 * with these arguments; if the call was made before; in a process that was
 * forked from the one that called ferry_eal_init(), because the files belong to
 * that process.
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
