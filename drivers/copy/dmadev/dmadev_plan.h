/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_DMADEV_PLAN_H
#define FERRY_DMADEV_PLAN_H

/**
 * @file
 * Internal: how one copy is cut into operations of a DMA device.
 *
 * Pure arithmetic. What an address means to the device comes from a function
 * the caller gives, so that every layout of memory can be tested without
 * having it.
 */

#include <stdbool.h>
#include <stdint.h>

/** A stretch of memory as the device sees it. */
struct dmadev_page {
	/** Device address of the byte that was asked for. */
	uint64_t iova;
	/** Bytes from there to the end of the page; above 0. */
	uint64_t len;
};

/**
 * Find the page that holds an address of the process.
 *
 * @return
 *   false if the device cannot reach this address.
 */
typedef bool (*dmadev_page_fn)(uint64_t va, struct dmadev_page *page);

/** One operation. */
struct dmadev_op {
	uint64_t src;
	uint64_t dst;
	uint32_t len;
};

/** One side of a copy. Private to the plan. */
struct dmadev_side {
	/** Next address of the process. */
	uint64_t va;
	/** Its device address, good for the next run bytes. */
	uint64_t iova;
	uint64_t run;
};

/** What is left of a copy. */
struct dmadev_plan {
	struct dmadev_side src;
	struct dmadev_side dst;
	/** Bytes not yet taken. */
	uint64_t left;
	/** NULL: device addresses are the process's own. */
	dmadev_page_fn page;
	/** Longest operation; above 0. */
	uint32_t max_transfer;
};

/** Begin to cut up the copy of len bytes from src to dst. */
void dmadev_plan_start(struct dmadev_plan *plan, dmadev_page_fn page,
		uint32_t max_transfer, uint64_t src, uint64_t dst,
		uint64_t len);

/**
 * Say what the next operation is: as long as the device and the layout of both
 * sides allow. Repeats itself until dmadev_plan_take().
 *
 * @return
 *   false if nothing is left, or if the next byte cannot be reached; then
 *   plan->left is above 0.
 */
bool dmadev_plan_next(struct dmadev_plan *plan, struct dmadev_op *op);

/** Take the first len bytes, at most those of the last dmadev_plan_next(). */
void dmadev_plan_take(struct dmadev_plan *plan, uint32_t len);

/** The device can reach every byte from va on for len bytes. */
bool dmadev_plan_reaches(dmadev_page_fn page, uint64_t va, uint64_t len);

#endif /* FERRY_DMADEV_PLAN_H */
