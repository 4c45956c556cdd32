/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_PROCESS_H
#define FERRY_PROCESS_H

/**
 * @file
 * Internal: how a process names itself, and how another process recognises it.
 *
 * A pid does not identify a process, because two pid namespaces use the same
 * numbers, and because the kernel gives a dead process's number to a new one.
 * So each process has a token, a random number that it keeps at a fixed address
 * of its own private memory. A process that wants to reach another one is given
 * three things: a pid, the token, and the token's address. The pid is only a
 * hint. The process with that pid is the right one if, and only if, it has the
 * token at that address.
 *
 *     reader                        kernel                      the process
 *     process_vm_readv(pid,  ─────> all pieces from the  ─────> token_at: token
 *         { token_at, bytes })      memory of one process       bytes
 *
 * The reader reads the token and the bytes with one call. The kernel looks the
 * pid up once per call. So bytes that come with the right token are bytes of
 * that process.
 *
 * The token is not kept in a handle, because it belongs to the process. It is
 * made at its first use. A child made by fork() has another token, because the
 * kernel clears the token's page for the child (MADV_WIPEONFORK). So code that
 * gets a handle with a token in it can tell whether the calling process is the
 * one that made the handle:
 *
 *     the process                 a child made by fork()
 *     handle: token A  ──copy──>  handle: token A
 *     page:   token A  ──zero──>  page:   token B, made at its first use
 *
 * The token is no secret, because every process of a hub can read it in the
 * hub's memory. It tells honest processes apart. It does not stop a process
 * that forges a token.
 *
 * Thread-safety: any thread may call all functions.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A process. */
struct ferry_process {
	/** Its token; 0: the process is not known. */
	uint64_t token;
	/** Address of the token in that process. */
	uint64_t token_at;
	/**
	 * Its pid in its own pid namespace. Only a hint: the token decides
	 * which process it is.
	 */
	int32_t pid;
};

/**
 * Describe the calling process.
 *
 * @param[out] self
 *   The process; its token is 0 if the kernel gives neither memory nor random
 *   numbers. Then no other process recognises this one.
 */
void ferry_process_self(struct ferry_process *self);

/**
 * The token of the calling process. Handles that belong to this process alone
 * keep it, for ferry_process_check().
 *
 * @return
 *   The token; 0 if the kernel gives neither memory nor random numbers.
 */
uint64_t ferry_process_token(void);

/**
 * Whether a handle that keeps a token belongs to the calling process. In a
 * child made by fork() it does not: the child has a copy of the handle, but the
 * threads that serve the handle are not in the child, and the shared memory
 * behind the handle belongs to the parent. Only the first call in a process
 * makes a system call. May be called in signal handlers.
 *
 * @param token
 *   From ferry_process_token(); 0 belongs to no process.
 * @return
 *   0 or FERRY_E_FORKED.
 */
int ferry_process_check(uint64_t token);

/**
 * Whether two descriptions mean the same process.
 *
 * @param a
 *   A process.
 * @param b
 *   A process.
 * @return
 *   True if both are known and are the same process.
 */
static inline bool
ferry_process_same(const struct ferry_process *a, const struct ferry_process *b)
{
	return a->token != 0 && a->token == b->token;
}

/**
 * A seal on two words that lie in shared memory and that only this process
 * uses, such as an address of its private memory. If another process overwrites
 * the words with garbage, the seal fits only with a chance of 2^-32. The seal
 * does not stop a forger, because the key is no secret: see above.
 *
 * @param key
 *   The process's token.
 * @param a
 *   The first word to seal.
 * @param b
 *   The second word to seal.
 * @return
 *   The seal, to be stored beside the words and compared before they are used.
 */
static inline uint32_t
ferry_process_seal(uint64_t key, uint64_t a, uint64_t b)
{
	uint64_t h = (a ^ key) * UINT64_C(0x9e3779b97f4a7c15);

	/* The odd factors and the use of the upper half let each bit of a and
	 * b change the seal. */
	h = (h ^ h >> 29 ^ b) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(h >> 32);
}

/**
 * Read another process's memory, after checking that it is the right process.
 *
 * @param from
 *   The process.
 * @param to
 *   Room for len bytes. If the call fails, it may hold bytes of another
 *   process.
 * @param addr
 *   An address in that process.
 * @param len
 *   How many bytes; 0: only check that the process can be read.
 * @return
 *   0: the bytes are that process's; -ESRCH: no process has that pid; -ESTALE:
 *   another process has that pid, or the token is not known; -EPERM or
 *   -ENOSYS: the kernel does not allow the read; -EFAULT: it is the right
 *   process, but not all of these addresses are mapped in it.
 */
int ferry_process_read(const struct ferry_process *from, void *to,
		uint64_t addr, size_t len);

/**
 * Open a pidfd of a process, after checking that it is the right process and
 * alive.
 *
 * @param process
 *   The process.
 * @return
 *   A file descriptor, which the caller closes; or the negative errno of
 *   ferry_process_read() or pidfd_open(). In case of an error it is not known
 *   whether the process lives.
 */
int ferry_process_open(const struct ferry_process *process);

/**
 * Whether a process has ended.
 *
 * @param pidfd
 *   From ferry_process_open().
 * @return
 *   True if the process has ended.
 */
bool ferry_process_ended(int pidfd);

#endif /* FERRY_PROCESS_H */
