/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <sys/mman.h>

#include <rte_bitops.h>
#include <rte_common.h>

#include "pool.h"

#define HUGE_PAGE (UINT64_C(2) << 20)

static int
map(struct pool *pool, size_t bytes)
{
	const int prot = PROT_READ | PROT_WRITE;
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *mem;

	bytes = RTE_ALIGN_CEIL(bytes, HUGE_PAGE);
	if (pool->mapped >= bytes)
		return 0;
	pool_free(pool);
	/* All of it or nothing: populating must not run short half-way. */
	mem = mmap(NULL, bytes, prot, flags | MAP_HUGETLB | MAP_POPULATE, -1,
			0);
	pool->pages = "hugetlb";
	if (mem == MAP_FAILED) {
		mem = mmap(NULL, bytes + HUGE_PAGE, prot, flags, -1, 0);
		if (mem == MAP_FAILED)
			return -ENOMEM;
		/* Cut to whole huge pages; the rest is given back. */
		pool->mem = RTE_PTR_ALIGN_CEIL(mem, HUGE_PAGE);
		if (pool->mem != mem)
			munmap(mem, RTE_PTR_DIFF(pool->mem, mem));
		munmap(pool->mem + bytes, HUGE_PAGE -
				RTE_PTR_DIFF(pool->mem, mem));
		mem = pool->mem;
		pool->pages = madvise(mem, bytes, MADV_HUGEPAGE) == 0 ?
			"transparent huge, if to be had" : "4 KiB";
	}
	pool->mem = mem;
	pool->mapped = bytes;
	return 0;
}

int
pool_set(struct pool *pool, size_t bytes, size_t len, bool cold)
{
	uint64_t n = RTE_MAX(rte_align64prevpow2(bytes / len), UINT64_C(1));
	uint64_t i;
	int ret;

	ret = map(pool, n * len);
	if (ret != 0)
		return ret;
	pool->len = len;
	pool->mask = n - 1;
	pool->ahead = cold ? n / 2 : 0;
	for (i = 0; i < n; i++)
		content_write(pool_buf(pool, i), len, i);
	return 0;
}

void
pool_free(struct pool *pool)
{
	if (pool->mapped != 0)
		munmap(pool->mem, pool->mapped);
	pool->mem = NULL;
	pool->mapped = 0;
}
