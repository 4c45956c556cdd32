/* SPDX-License-Identifier: BSD-3-Clause */

#include <stddef.h>

#include "dmadev_plan.h"

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void
dmadev_plan_start(struct dmadev_plan *plan, dmadev_page_fn page,
		uint32_t max_transfer, uint64_t src, uint64_t dst, uint64_t len)
{
	*plan = (struct dmadev_plan) {
		.src.va = src,
		.dst.va = dst,
		.left = len,
		.page = page,
		.max_transfer = max_transfer,
	};
	if (page == NULL) {
		plan->src.iova = src;
		plan->src.run = len;
		plan->dst.iova = dst;
		plan->dst.run = len;
	}
}

/*
 * Make the side's run at least "want" bytes long: merge pages whose device
 * addresses follow each other, too. The run stays shorter if they do not.
 */
static bool
side_extend(struct dmadev_side *side, dmadev_page_fn page, uint64_t want)
{
	struct dmadev_page next;

	while (side->run < want) {
		if (!page(side->va + side->run, &next) || next.len == 0)
			break;
		if (side->run == 0)
			side->iova = next.iova;
		else if (side->iova + side->run != next.iova)
			break;
		side->run += next.len;
	}
	return side->run > 0;
}

static void
side_advance(struct dmadev_side *side, uint64_t len)
{
	side->va += len;
	side->iova += len;
	side->run -= len;
}

bool
dmadev_plan_next(struct dmadev_plan *plan, struct dmadev_op *op)
{
	uint64_t len = min_u64(plan->left, plan->max_transfer);

	if (len == 0)
		return false;
	if (plan->page != NULL &&
			(!side_extend(&plan->src, plan->page, len) ||
			!side_extend(&plan->dst, plan->page, len)))
		return false;
	len = min_u64(len, min_u64(plan->src.run, plan->dst.run));
	op->src = plan->src.iova;
	op->dst = plan->dst.iova;
	op->len = (uint32_t)len;
	return true;
}

void
dmadev_plan_take(struct dmadev_plan *plan, uint32_t len)
{
	side_advance(&plan->src, len);
	side_advance(&plan->dst, len);
	plan->left -= len;
}

bool
dmadev_plan_reaches(dmadev_page_fn page, uint64_t va, uint64_t len)
{
	struct dmadev_page next;

	while (page != NULL && len > 0) {
		if (!page(va, &next) || next.len == 0)
			return false;
		if (next.len >= len)
			return true;
		va += next.len;
		len -= next.len;
	}
	return true;
}
