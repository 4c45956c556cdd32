/* SPDX-License-Identifier: BSD-3-Clause */

#include <unistd.h>

#include <rte_common.h>

#include "ferry_cache.h"

#define BUDGET_UNKNOWN (UINT64_C(1) << 20)

uint64_t
ferry_cache_budget_of(uint64_t l2, uint64_t l3_share)
{
	if (l2 == 0)
		return l3_share != 0 ? RTE_MIN(l3_share, BUDGET_UNKNOWN) :
			BUDGET_UNKNOWN;
	return l2 + RTE_MIN(l3_share, 4 * l2);
}

uint64_t
ferry_cache_budget(void)
{
	long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
	long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return ferry_cache_budget_of(l2 > 0 ? l2 : 0,
			l3 > 0 && cpus > 0 ? l3 / cpus : 0);
}
