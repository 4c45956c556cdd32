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

/** The memory of an endpoint; of a server: reach and arg alone. */
struct ferry_channel_memory {
	/** Memory of the hub, on a page: 0 or why there is none. */
	int (*alloc)(void *arg, uint64_t size, void **mem);
	/** Give it back. */
	void (*free)(void *arg, void *mem);
	/** Who reaches memory: ferry_reach() with the view of its owner. */
	enum ferry_reach (*reach)(void *arg, const void *mem, uint64_t len);
	/**
	 * A message under way has a segment there, so that it must not be
	 * unregistered. Never of 0 bytes.
	 */
	void (*hold)(void *arg, const void *mem, uint64_t len);
	/** It has not any more; as held. */
	void (*unhold)(void *arg, const void *mem, uint64_t len);
	/** For all of them. */
	void *arg;
};

#endif /* FERRY_CHANNEL_MEMORY_H */
