/* SPDX-License-Identifier: BSD-3-Clause */

#include <cpuid.h>
#include <stdint.h>

#include "copy_demote.h"
#include "copy_width.h"

bool
copy_demote_here(void)
{
	unsigned int eax, ebx, ecx, edx;

	/* Intel SDM, volume 2, CPUID: leaf 7, ECX bit 25. */
	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 &&
		(ecx & (1u << 25)) != 0;
}

void
copy_demote(const void *p, size_t len)
{
	uintptr_t line = (uintptr_t)p & ~(uintptr_t)(COPY_LINE - 1);
	uintptr_t end = (uintptr_t)p + len;

	for (; line < end; line += COPY_LINE) {
		/*
		 * cldemote [rdi], written as bytes because some assemblers do
		 * not know it: 0f 1c /0. On other CPUs it is a no-op.
		 */
		__asm__ volatile(".byte 0x0f, 0x1c, 0x07"
				: : "D" (line) : "memory");
	}
}
