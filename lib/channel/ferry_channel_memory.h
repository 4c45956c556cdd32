/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CHANNEL_MEMORY_H
#define FERRY_CHANNEL_MEMORY_H

/**
 * @file
 * Internal: what bulk messages ask of the memory of an endpoint, or of the
 * hub's process.
 */

#include <stdint.h>

#include "ferry_reach.h"

/** The memory of an endpoint. A server uses only reach and arg. */
struct ferry_channel_memory {
	/**
	 * Get memory of the hub that starts on a page: 0, or why there is none.
	 */
	int (*alloc)(void *arg, uint64_t size, void **mem);
	/** Give memory from alloc back. */
	void (*free)(void *arg, void *mem);
	/**
	 * Which processes reach memory: ferry_reach() with the view of its
	 * owner.
	 */
	enum ferry_reach (*reach)(void *arg, const void *mem, uint64_t len);
	/**
	 * A message under way has a segment there, so that the memory must not
	 * be unregistered. Never of 0 bytes.
	 */
	void (*hold)(void *arg, const void *mem, uint64_t len);
	/** The message has ended; mem and len as they were held. */
	void (*unhold)(void *arg, const void *mem, uint64_t len);
	/** Passed to each of these functions. */
	void *arg;
};

#endif /* FERRY_CHANNEL_MEMORY_H */
