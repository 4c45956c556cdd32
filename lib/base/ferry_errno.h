/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_ERRNO_H
#define FERRY_ERRNO_H

/**
 * @file
 * Results of ferry's calls.
 *
 * Control calls return 0 or a negative number: a negative errno, or one of the
 * codes below if errno has no code for the error. Burst calls return how many
 * items they dealt with; 0 means "nothing now, try later", a negative code
 * means that trying again is of no use.
 */

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Results for which errno has no code. All lie below -4095, because errno codes
 * end at 4095.
 */
enum ferry_result {
	FERRY_OK = 0,
	/**
	 * The other end closed the channel, and the caller has received all
	 * that the other end sent.
	 */
	FERRY_E_CLOSED = -5002,
	/** The process at the other end died. */
	FERRY_E_PEER_GONE = -5003,
	/** The message is longer than a slot of this channel. */
	FERRY_E_TOO_LONG = -5004,
	/** Another version or build of ferry wrote the shared memory. */
	FERRY_E_VERSION = -5005,
	/** The hub process died or was shut down. */
	FERRY_E_HUB_GONE = -5006,
	/** Shared memory holds a value that no correct peer writes. */
	FERRY_E_CORRUPT = -5007,
	/** The channel needs more memory than the hub has left. */
	FERRY_E_NO_ROOM = -5008,
	/** The producer cancelled a bulk message before its end. */
	FERRY_E_CANCELLED = -5009,
	/** The consumer refused a bulk message, or the rest of it. */
	FERRY_E_REFUSED = -5010,
	/**
	 * The calling process is a child made by fork(), for example by
	 * daemon(), after EAL had started. The endpoint or hub belongs to its
	 * parent.
	 */
	FERRY_E_FORKED = -5011,
	/**
	 * The kernel or a seccomp profile refuses pidfd_open(). Without it, one
	 * process cannot learn of the death of another.
	 */
	FERRY_E_NO_PIDFD = -5012,
	/**
	 * Another process with the same file prefix uses an lcore id that the
	 * calling process uses, too.
	 */
	FERRY_E_LCORE = -5013,
	/** The lowest code of this enum. Each new code changes it. */
	FERRY_E_LAST = FERRY_E_LCORE,
};

/**
 * Describe a result in a few words.
 *
 * @param result
 *   What a ferry call returned: 0, a code of ferry_result, or -errno.
 * @return
 *   A constant string, never NULL. Thread-safe.
 */
const char *ferry_strerror(int result);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_ERRNO_H */
