/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Wrappers that remember answers which do not change. Each input would ask for
 * them again, and a system call takes long; CPUID in a virtual machine takes
 * even longer.
 */

#include <unistd.h>

#include "ferry_cache.h"
#include "ferry_copy_kernel.h"

pid_t __real_getpid(void);
pid_t __wrap_getpid(void);
pid_t
__wrap_getpid(void)
{
	static pid_t pid;

	if (pid == 0)
		pid = __real_getpid();
	return pid;
}

const struct ferry_copy_kernel *__real_ferry_copy_kernel_best(bool nontemporal);
const struct ferry_copy_kernel *__wrap_ferry_copy_kernel_best(bool nontemporal);
const struct ferry_copy_kernel *
__wrap_ferry_copy_kernel_best(bool nontemporal)
{
	static const struct ferry_copy_kernel *best[2];

	if (best[nontemporal] == NULL)
		best[nontemporal] = __real_ferry_copy_kernel_best(nontemporal);
	return best[nontemporal];
}

const struct ferry_copy_kernel *__real_ferry_copy_kernel_bulk(void);
const struct ferry_copy_kernel *__wrap_ferry_copy_kernel_bulk(void);
const struct ferry_copy_kernel *
__wrap_ferry_copy_kernel_bulk(void)
{
	static const struct ferry_copy_kernel *bulk;

	if (bulk == NULL)
		bulk = __real_ferry_copy_kernel_bulk();
	return bulk;
}

/* The best one can run. */
const char *__wrap_ferry_copy_kernel_obstacle(
		const struct ferry_copy_kernel *kernel);
const char *
__wrap_ferry_copy_kernel_obstacle(const struct ferry_copy_kernel *kernel)
{
	(void)kernel;
	return NULL;
}

size_t __real_ferry_copy_kernel_auto_min_here(void);
size_t __wrap_ferry_copy_kernel_auto_min_here(void);
size_t
__wrap_ferry_copy_kernel_auto_min_here(void)
{
	static size_t min;

	if (min == 0)
		min = __real_ferry_copy_kernel_auto_min_here();
	return min;
}

uint64_t __real_ferry_cache_budget(void);
uint64_t __wrap_ferry_cache_budget(void);
uint64_t
__wrap_ferry_cache_budget(void)
{
	static uint64_t budget;

	if (budget == 0)
		budget = __real_ferry_cache_budget();
	return budget;
}
