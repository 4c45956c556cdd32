/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_MEMORY_H
#define FERRY_MEMORY_H

/**
 * @file
 * Memory of an endpoint: pieces of the hub's hugepage memory that belong to it
 * alone, which every process of the hub has at the same address. For payloads
 * of ferry_tx_post() and ferry_bulk_send(), and where bulk messages arrive.
 *
 * The books of what is free are the endpoint's own, so that nobody's death
 * harms them; the hub only knows which pieces an endpoint has. After its end
 * the hub takes them back when nobody copies into or out of them any more.
 *
 * Thread-safety: as of the endpoint, one thread.
 */

#include <stdint.h>

#include "ferry_endpoint.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Get memory.
 *
 * @param ep
 *   The endpoint.
 * @param size
 *   Bytes, above 0.
 * @return
 *   Memory that starts on a page, to be given to ferry_free() or, by
 *   ferry_detach(), back with the endpoint; or NULL. -rte_errno then says
 *   why, as other calls return it: FERRY_E_NO_ROOM if the hub has no such
 *   piece, FERRY_E_HUB_GONE, -ETIMEDOUT if the hub does not answer,
 *   FERRY_E_FORKED, -EACCES, -EINVAL, -ENOMEM, -EMFILE or another one.
 */
void *ferry_alloc(struct ferry_endpoint *ep, uint64_t size);

/**
 * Give memory back.
 *
 * @param ep
 *   The endpoint.
 * @param mem
 *   From ferry_alloc(); NULL is accepted. No message that was sent from there
 *   may be under way.
 */
void ferry_free(struct ferry_endpoint *ep, void *mem);

/**
 * Declare that memory which is not of DPDK is at the same address, with the
 * same content, in all processes that send to or receive from this one, or that
 * these are threads of one process: so that others may copy into and out of it.
 * Each of the two ends has to declare it; only bulk messages look at it. In the
 * hub's process it is also made known to EAL (rte_extmem_register()) and to its
 * DMA devices (rte_dev_dma_map()), where these need that; memory that only
 * other processes registered is out of the hub's and its engines' reach.
 *
 * @param ep
 *   The endpoint.
 * @param mem
 *   The memory, in whole pages.
 * @param size
 *   Its bytes.
 * @return
 *   0; -EINVAL; -EEXIST if some of it is registered or is DPDK's, or if only
 *   a part of it is known to EAL; -ENOSPC if there are too many; or the error
 *   of EAL or of a device; FERRY_E_FORKED.
 */
int ferry_register(struct ferry_endpoint *ep, void *mem, uint64_t size);

/**
 * Take that back.
 *
 * @param ep
 *   The endpoint.
 * @param mem
 *   As registered.
 * @param size
 *   As registered.
 * @return
 *   0; -ENOENT; -EBUSY if bulk messages with handles of this endpoint use it:
 *   end them first; FERRY_E_FORKED.
 */
int ferry_unregister(struct ferry_endpoint *ep, void *mem, uint64_t size);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_MEMORY_H */
