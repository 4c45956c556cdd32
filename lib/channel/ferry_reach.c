/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_memory.h>

#include "ferry_reach.h"

bool
ferry_reach_dpdk(uint64_t addr, uint64_t len, struct ferry_reach_cache *cache)
{
	const uint64_t end = addr + len;
	uint64_t at = addr;

	if (end < addr)
		return false;
	if (likely(addr >= cache->known_from && end <= cache->known_to))
		return true;
	if (addr >= cache->from && end <= cache->to)
		return true;
	do {
		const void *va = (const void *)(uintptr_t)at;
		const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(va);
		const struct rte_memseg *ms;

		/* Memory that one process registered is not everybody's. */
		if (msl == NULL || msl->external)
			return false;
		ms = rte_mem_virt2memseg(va, msl);
		/* A page not in use has length 0. */
		if (ms == NULL || at < ms->addr_64 ||
				at - ms->addr_64 >= ms->len)
			return false;
		if (at == addr) {
			cache->from = ms->addr_64;
			cache->to = ms->addr_64;
		}
		at = ms->addr_64 + ms->len;
		cache->to = at;
	} while (at < end);
	return true;
}

bool
ferry_reach_external(uint64_t addr, uint64_t len)
{
	const void *first = (void *)(uintptr_t)addr;
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(first);

	return msl != NULL && msl->external && len > 0 &&
		addr + len > addr && addr + len <=
		(uintptr_t)msl->base_va + msl->len;
}
