/* SPDX-License-Identifier: BSD-3-Clause */

/* Finds the address range of EAL's code, and a thread's program counter. */

#include <link.h>
#include <ucontext.h>

#include <rte_common.h>
#include <rte_eal.h>

#include "eal_private.h"

uintptr_t
eal_code_counter(const void *context)
{
	const ucontext_t *uc = context;

#if defined(__x86_64__)
	return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)uc->uc_mcontext.pc;
#else
	(void)uc;
	return 0;
#endif
}

static int
find_eal(struct dl_phdr_info *info, size_t size, void *arg)
{
	const uintptr_t inside = (uintptr_t)rte_eal_process_type;
	struct eal_code *code = arg;
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const uintptr_t at = info->dlpi_addr +
			info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type != PT_LOAD || inside < at ||
				inside >= at + info->dlpi_phdr[i].p_memsz)
			continue;
		code->first = at;
		code->last = at + info->dlpi_phdr[i].p_memsz;
		return 1;
	}
	return 0;
}

void
eal_code_find(struct eal_code *code)
{
	code->first = code->last = 0;
	dl_iterate_phdr(find_eal, code);
}
