/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_BULK_BY_H
#define FERRY_BULK_BY_H

/**
 * @file
 * Flags for the participants that may copy a bulk message. ferry_bulk.h
 * includes this file.
 */

#include <stdint.h>

/** @name Who may claim chunks of the message
 * @{
 */
/** The producer, while it waits. */
#define FERRY_BULK_TX (UINT32_C(1) << 1)
/** The consumer, while it waits. */
#define FERRY_BULK_RX (UINT32_C(1) << 2)
/** The hub's engine: its devices, and its core while the core has nothing else
 * to do. */
#define FERRY_BULK_ENGINE (UINT32_C(1) << 3)
/** @} */

#endif /* FERRY_BULK_BY_H */
