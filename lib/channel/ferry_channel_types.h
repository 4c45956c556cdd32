/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CHANNEL_TYPES_H
#define FERRY_CHANNEL_TYPES_H

/**
 * @file
 * What is sent, what is received, and what an end counts. Included by
 * ferry_channel.h.
 */

#include <stdint.h>

#include "ferry_copy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A message in shared memory, loaned to the producer or the consumer. */
struct ferry_msg {
	/** The payload. */
	void *data;
	/** Bytes of payload. On a loan: the slot's size, to be set before
	 * commit. */
	uint32_t len;
	/** A number that travels with the message, for the application. */
	uint32_t tag;
	/** Which slot or cell it is in. Not for the application. */
	uint32_t id;
};

/** A payload anywhere in the sender's memory, to be copied. */
struct ferry_buf {
	/**
	 * The payload. ferry_tx_send() reads it only during the call. After
	 * ferry_tx_post() it is read until the post is no longer pending.
	 */
	const void *data;
	/** Bytes of payload. */
	uint32_t len;
	/** A number that travels with the message, for the application. */
	uint32_t tag;
	/** Where the copy shall end up; AUTO (0): ferry_tx_set_placement(). */
	enum ferry_placement place;
};

/** What went through one end since it was opened. */
struct ferry_end_stats {
	/** Messages sent or received. */
	uint64_t msgs;
	/** Bytes of payload in them. */
	uint64_t bytes;
	/** Calls that found no slot (tx) or no message (rx). */
	uint64_t empty;
};

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CHANNEL_TYPES_H */
