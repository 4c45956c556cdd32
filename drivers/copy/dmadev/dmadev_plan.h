/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_DMADEV_PLAN_H
#define FERRY_DMADEV_PLAN_H

/**
 * @file
 * Internal: cuts one copy into operations of a DMA device.
 *
 * Pure arithmetic. The caller gives a function that translates addresses to
 * device addresses. So tests can use any layout of memory.
 */

#include <stdbool.h>
#include <stdint.h>

/** A stretch of memory as the device sees it. */
struct dmadev_page {
	/** Device address of the byte that was asked for. */
	uint64_t iova;
	/** Bytes from that byte to the end of the page; above 0. */
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
	/** Device address of va. The next run bytes follow it without a
	 * gap. */
	uint64_t iova;
	uint64_t run;
};

/** The rest of a copy. */
struct dmadev_plan {
	struct dmadev_side src;
	struct dmadev_side dst;
	/** Bytes of the rest. */
	uint64_t left;
	/** Translates addresses. NULL: the device uses the addresses of the
	 * process. */
	dmadev_page_fn page;
	/** Longest operation; above 0. */
	uint32_t max_transfer;
};

/** Begin to cut up the copy of len bytes from src to dst. */
void dmadev_plan_start(struct dmadev_plan *plan, dmadev_page_fn page,
		uint32_t max_transfer, uint64_t src, uint64_t dst,
		uint64_t len);

/**
 * Make the next operation. It is as long as the device and the layout of both
 * sides allow. Until dmadev_plan_take(), each call makes the same operation.
 *
 * @return
 *   false if nothing is left; also false, with plan->left above 0, if the
 *   device cannot reach the next byte.
 */
bool dmadev_plan_next(struct dmadev_plan *plan, struct dmadev_op *op);

/** Take len bytes off the front of the rest. len is at most the length of the
 * operation of the last dmadev_plan_next(). */
void dmadev_plan_take(struct dmadev_plan *plan, uint32_t len);

/** Whether the device can reach all len bytes from va on. */
bool dmadev_plan_reaches(dmadev_page_fn page, uint64_t va, uint64_t len);

#endif /* FERRY_DMADEV_PLAN_H */
