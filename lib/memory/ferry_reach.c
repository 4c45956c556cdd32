/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdbool.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_memory.h>

#include "ferry_reach.h"

/*
 * Whether all bytes from addr to end lie in DPDK's memory, in pages that are in
 * use. msl: the memseg list that holds addr, or NULL. The view remembers the
 * pages found.
 */
static bool
is_dpdk(struct ferry_reach_view *view, const struct rte_memseg_list *msl,
		uint64_t addr, uint64_t end)
{
	const struct rte_memseg *ms;
	uint64_t at = addr;

	do {
		/* External memory belongs to the process that registered it.
		 * Other processes need not have it. */
		if (msl == NULL || msl->external)
			return false;
		ms = rte_mem_virt2memseg((void *)(uintptr_t)at, msl);
		/* A page not in use has length 0. */
		if (ms == NULL || at < ms->addr_64 ||
				at - ms->addr_64 >= ms->len)
			return false;
		if (at == addr)
			view->from = ms->addr_64;
		at = ms->addr_64 + ms->len;
		view->to = at;
		/* The next page may be in another list. */
		if (at - (uintptr_t)msl->base_va >= msl->len)
			msl = rte_mem_virt2memseg_list((void *)(uintptr_t)at);
	} while (at < end);
	return true;
}

static bool
is_declared(const struct ferry_reach_view *view, uint64_t addr, uint64_t end)
{
	const struct ferry_reach_range *r;

	SLIST_FOREACH(r, &view->ranges, next)
		if (addr >= r->addr && end <= r->addr + r->size)
			return true;
	return false;
}

/* The slow part of ferry_reach(). It is a function of its own, so that a range
 * that the view knows already costs a few comparisons only. */
static __rte_noinline enum ferry_reach
look_up(struct ferry_reach_view *view, uint64_t addr, uint64_t end)
{
	const struct rte_memseg_list *msl =
		rte_mem_virt2memseg_list((void *)(uintptr_t)addr);

	if (is_dpdk(view, msl, addr, end))
		return FERRY_REACH_ALL;
	if (is_declared(view, addr, end))
		return FERRY_REACH_ENDS;
	if (msl != NULL && msl->external &&
			end <= (uintptr_t)msl->base_va + msl->len)
		return FERRY_REACH_HERE;
	return FERRY_REACH_PRIVATE;
}

enum ferry_reach
ferry_reach(struct ferry_reach_view *view, uint64_t addr, uint64_t len)
{
	const uint64_t end = addr + len;

	if (unlikely(end < addr))
		return FERRY_REACH_NONE;
	if (likely(addr >= view->known_from && end <= view->known_to))
		return FERRY_REACH_ALL;
	if (addr >= view->from && end <= view->to)
		return FERRY_REACH_ALL;
	return look_up(view, addr, end);
}
