/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_MEMORY_H
#define FERRY_MEMORY_H

/**
 * @file
 * Memory of an endpoint: pieces of the hub's hugepage memory that belong to
 * this endpoint alone. Every process of the hub has them at the same address.
 * They hold payloads of ferry_tx_post() and ferry_bulk_send(), and bulk
 * messages arrive there.
 *
 * Each endpoint keeps its own books of what is free, so that the death of
 * another process does not harm them; the hub only knows which pieces an
 * endpoint has. After the endpoint's end the hub takes the pieces back when no
 * party copies into or out of them any more.
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
 *   Memory that starts on a page; or NULL. ferry_free() gives the memory back,
 *   or ferry_detach() together with the endpoint. After NULL, -rte_errno says
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
 * Declare memory that DPDK did not allocate, so that other parties may copy
 * into and out of it. The caller declares that the memory is at the same
 * address, with the same content, in all processes that send to or receive from
 * this one, or that all of these are threads of one process. Each of the two
 * ends has to declare it; only bulk messages use it. In the hub's process the
 * call also makes the memory known to EAL (rte_extmem_register()) and to its
 * DMA devices (rte_dev_dma_map()), if these need that. The hub and its engines
 * cannot reach memory that only other processes registered.
 *
 * @param ep
 *   The endpoint.
 * @param mem
 *   The memory, in whole pages.
 * @param size
 *   Its bytes.
 * @return
 *   0; -EINVAL; -EEXIST if some of it is registered or is DPDK's, or if EAL
 *   knows only a part of it; -ENOSPC if too many ranges are registered; or the
 *   error of EAL or of a device; FERRY_E_FORKED.
 */
int ferry_register(struct ferry_endpoint *ep, void *mem, uint64_t size);

/**
 * Undo ferry_register().
 *
 * @param ep
 *   The endpoint.
 * @param mem
 *   As registered.
 * @param size
 *   As registered.
 * @return
 *   0; -ENOENT; -EBUSY if bulk messages with handles of this endpoint use the
 *   memory: end them first; FERRY_E_FORKED.
 */
int ferry_unregister(struct ferry_endpoint *ep, void *mem, uint64_t size);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_MEMORY_H */
