/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_ERRNO_H
#define FERRY_ERRNO_H

/**
 * @file
 * Results of ferry's calls.
 *
 * Control calls return 0 or a negative number: a negative errno, or one of the
 * codes below where errno has no word of its own. Burst calls return how many
 * items they dealt with; 0 means "nothing now, try later", a negative code
 * means that trying again is of no use.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** Results that errno has no word for. All lie below -4095, the last errno. */
enum ferry_result {
	FERRY_OK = 0,
	/** The other end closed the channel, and all it sent is received. */
	FERRY_E_CLOSED = -5002,
	/** The process at the other end died. */
	FERRY_E_PEER_GONE = -5003,
	/** The message is longer than a slot of this channel. */
	FERRY_E_TOO_LONG = -5004,
	/** Shared memory written by another version or build of ferry. */
	FERRY_E_VERSION = -5005,
	/** The hub process died or was shut down. */
	FERRY_E_HUB_GONE = -5006,
	/** Shared memory holds what no correct peer writes. */
	FERRY_E_CORRUPT = -5007,
	/** The channel's memory does not fit into what the hub has left. */
	FERRY_E_NO_ROOM = -5008,
	/** The producer ended a bulk message early. */
	FERRY_E_CANCELLED = -5009,
	/** The consumer did not want a bulk message, or no more of it. */
	FERRY_E_REFUSED = -5010,
	/** The process was forked (or became a daemon) after the other one,
	 * whose endpoint or hub this is, had started. */
	FERRY_E_FORKED = -5011,
	/** The kernel or a seccomp profile refuses pidfd_open(), without which
	 * nobody learns of a death. */
	FERRY_E_NO_PIDFD = -5012,
	/** Another process of the file prefix has one of this one's lcore
	 * ids. */
	FERRY_E_LCORE = -5013,
	/** The lowest of them; moves with each new one. */
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
