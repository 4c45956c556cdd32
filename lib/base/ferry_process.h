/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_PROCESS_H
#define FERRY_PROCESS_H

/**
 * @file
 * Internal: which process this is, and how another one is recognised.
 *
 * A pid number is no identity: two pid namespaces use the same numbers, and the
 * kernel gives a dead process's number to a new one. So each process has a
 * token, a random number that it keeps at a fixed place of its own private
 * memory. Who wants to reach a process is told three things: a number under
 * which to look, the token, and the token's place. The number is only a hint:
 * what is found there is that process if, and only if, it has the token at that
 * place.
 *
 *     reader                        kernel                      the process
 *     process_vm_readv(pid,  ─────> all pieces from the  ─────> token_at: token
 *         { token_at, bytes })      memory of one process       bytes
 *
 * One call reads the token and the bytes, because the kernel looks the number
 * up once per call: bytes that come with the right token are that process's.
 *
 * The token belongs to the process, so it is the one thing here that is not
 * kept in a handle. It is made at its first use. A child made by fork() has
 * another one: the kernel clears the token's page for it (MADV_WIPEONFORK). So
 * a handle that keeps its process's token can tell in whose hands it is:
 *
 *     the process                 a child made by fork()
 *     handle: token A  ──copy──>  handle: token A
 *     page:   token A  ──zero──>  page:   token B, made at its first use
 *
 * The token is no secret, because every process of a hub can read it in the
 * hub's memory. It keeps honest processes apart, it does not stop a forger.
 *
 * Thread-safety: all functions may be called by any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A process. */
struct ferry_process {
	/** Its token; 0: it is not known. */
	uint64_t token;
	/** Where the token is, as an address in that process. */
	uint64_t token_at;
	/**
	 * The number it has in its own pid namespace: where to look, and no
	 * more than that.
	 */
	int32_t pid;
};

/**
 * The calling process.
 *
 * @param[out] self
 *   The process; its token is 0 if the kernel gives neither memory nor random
 *   numbers. Then no other process recognises this one.
 */
void ferry_process_self(struct ferry_process *self);

/**
 * The token of the calling process, to be kept in what belongs to it alone.
 *
 * @return
 *   The token; 0 if the kernel gives neither memory nor random numbers.
 */
uint64_t ferry_process_token(void);

/**
 * Whether what keeps a token belongs to the calling process. It does not in a
 * child made by fork(), which has a copy of it: threads that serve it are not
 * in the child, and what it shares with others is the parent's. No system call,
 * but for the first one in a process. May be called in signal handlers.
 *
 * @param token
 *   From ferry_process_token(); 0 belongs to no process.
 * @return
 *   0 or FERRY_E_FORKED.
 */
int ferry_process_check(uint64_t token);

/**
 * Whether a process is the one that another description means.
 *
 * @param a
 *   A process.
 * @param b
 *   A process.
 * @return
 *   Whether both are known to be the same one.
 */
static inline bool
ferry_process_same(const struct ferry_process *a, const struct ferry_process *b)
{
	return a->token != 0 && a->token == b->token;
}

/**
 * A seal on words that lie in shared memory and that only this process follows,
 * such as an address of its private memory. Another process that writes garbage
 * there does not hit the seal, but with a chance of 2^-32. It is no secret: see
 * above.
 *
 * @param key
 *   The process's token.
 * @param a
 *   What is sealed.
 * @param b
 *   What is sealed.
 * @return
 *   The seal, to be stored beside the words and compared before they are used.
 */
static inline uint32_t
ferry_process_seal(uint64_t key, uint64_t a, uint64_t b)
{
	uint64_t h = (a ^ key) * UINT64_C(0x9e3779b97f4a7c15);

	/* An odd factor and the upper half: each bit of a and b counts. */
	h = (h ^ h >> 29 ^ b) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(h >> 32);
}

/**
 * Read another process's memory, if it is that process's.
 *
 * @param from
 *   The process.
 * @param to
 *   Where to. If the call fails, there may be bytes of another process in it.
 * @param addr
 *   An address in that process.
 * @param len
 *   How many bytes; 0 only looks whether the process can be read.
 * @return
 *   0: these are that process's bytes; -ESRCH: there is no process under its
 *   number; -ESTALE: what is there is another process, or does not show what it
 *   is; -EPERM or -ENOSYS: the kernel does not allow it; -EFAULT: it is that
 *   process, but it does not have all of these bytes.
 */
int ferry_process_read(const struct ferry_process *from, void *to,
		uint64_t addr, size_t len);

/**
 * A pidfd of a process that is known to be the right one and alive.
 *
 * @param process
 *   The process.
 * @return
 *   The caller's file descriptor, or what ferry_process_read() or pidfd_open()
 *   said: then it is not known whether the process lives.
 */
int ferry_process_open(const struct ferry_process *process);

/**
 * Whether a process has ended.
 *
 * @param pidfd
 *   From ferry_process_open().
 * @return
 *   Whether it has.
 */
bool ferry_process_ended(int pidfd);

#endif /* FERRY_PROCESS_H */
