/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_TEST_FAKE_CPU_H
#define FERRY_TEST_FAKE_CPU_H

/**
 * @file
 * Included first into the sources of a test of the copy kernels, so that the
 * test decides what the CPU seems to be.
 */

#include <cpuid.h>
#include <stdint.h>

#include <rte_cpuflags.h>
#include <rte_vect.h>

/** Stand for the functions of the compiler and of EAL that the macros below
 * replace. */
int fake_cpuid(unsigned int leaf, unsigned int sub, unsigned int *eax,
		unsigned int *ebx, unsigned int *ecx, unsigned int *edx);
int fake_flag(enum rte_cpu_flag_t flag);
uint16_t fake_simd(void);

#define __get_cpuid_count fake_cpuid
#define __get_cpuid(leaf, a, b, c, d) fake_cpuid(leaf, 0, a, b, c, d)
#define rte_cpu_get_flag_enabled fake_flag
#define rte_vect_get_max_simd_bitwidth fake_simd

#endif /* FERRY_TEST_FAKE_CPU_H */
