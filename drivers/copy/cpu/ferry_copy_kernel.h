/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COPY_KERNEL_H
#define FERRY_COPY_KERNEL_H

/**
 * @file
 * The copy kernels of the "cpu" driver. Not installed: for ferry's own driver,
 * benchmarks and tests.
 *
 * A kernel is one way to copy memory with one core. The CPU, the operating
 * system and EAL's limit on the SIMD width (--force-max-simd-bitwidth,
 * rte_vect_set_max_simd_bitwidth()) decide which kernels may run. Kernels of
 * 128 bits may always run, because SSE2 is part of x86-64 and every compiler
 * uses it anyway.
 *
 * Thread-safety: any thread may call all functions at any time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** All kernels. Kernels with "NT" store around the cache, the others into
 * it. */
enum ferry_copy_kernel_id {
	/** rep movsb: the CPU's microcode decides how it copies. */
	FERRY_COPY_KERNEL_REP,
	FERRY_COPY_KERNEL_SSE2,
	FERRY_COPY_KERNEL_AVX2,
	FERRY_COPY_KERNEL_AVX512,
	/** Non-temporal, front to back. */
	FERRY_COPY_KERNEL_SSE2_NT,
	FERRY_COPY_KERNEL_AVX2_NT,
	FERRY_COPY_KERNEL_AVX512_NT,
	/** Non-temporal, four pages at once, and prefetching the next four. */
	FERRY_COPY_KERNEL_SSE2_NT4,
	FERRY_COPY_KERNEL_AVX2_NT4,
	FERRY_COPY_KERNEL_AVX512_NT4,
	/** Number of kernels. */
	FERRY_COPY_KERNEL_MAX
};

/** One kernel. */
struct ferry_copy_kernel {
	/** Its name, such as "avx2-nt4". */
	const char *name;
	/**
	 * Copy len bytes of any alignment; len may be 0. The ranges must not
	 * overlap. After the return, all stores of the copy are ordered before
	 * later stores of the calling thread, non-temporal ones included.
	 */
	void (*copy)(void *dst, const void *src, size_t len);
	enum ferry_copy_kernel_id id;
	/** Width of the SIMD registers that it uses, in bits; 0 if none. */
	uint16_t bits;
	/** Its stores go around the cache, except those of ragged ends and tiny
	 * copies. */
	bool nontemporal;
};

/**
 * Config of the "cpu" driver for ferry_lane_open(): kernels to use instead of
 * the best ones, for calibration and tests. This machine must be able to run
 * them.
 */
struct ferry_copy_cpu_config {
	/** For jobs that go to the cache; NULL: the best temporal kernel. */
	const struct ferry_copy_kernel *temporal;
	/** For jobs that go to memory; NULL: the best non-temporal kernel. */
	const struct ferry_copy_kernel *nontemporal;
};

/** The kernel with an id, even if it may not run here. NULL for a bad id. */
const struct ferry_copy_kernel *
ferry_copy_kernel_get(enum ferry_copy_kernel_id id);

/**
 * Why a kernel may not run on this machine with EAL's limit as it is now.
 *
 * @return
 *   A constant text, or NULL if the kernel may run.
 */
const char *ferry_copy_kernel_obstacle(const struct ferry_copy_kernel *kernel);

/**
 * List the kernels that may run on this machine with EAL's limit as it is now,
 * in the order of their ids.
 *
 * @param[out] list
 *   Room for n pointers; FERRY_COPY_KERNEL_MAX is always enough.
 * @param n
 *   The most to list.
 * @return
 *   How many were written to list.
 */
unsigned int ferry_copy_kernel_list(const struct ferry_copy_kernel **list,
		unsigned int n);

/** The best kernel that may run here, temporal or not. Never NULL. */
const struct ferry_copy_kernel *ferry_copy_kernel_best(bool nontemporal);

/**
 * From how many bytes on the cpu driver makes a temporal copy with
 * ferry_copy_kernel_bulk(). For shorter copies, the start of rep movsb takes
 * more time than rep movsb saves.
 */
#define FERRY_COPY_KERNEL_BULK_MIN ((size_t)1024)

/**
 * The best temporal kernel for longer copies. Never NULL.
 *
 * If the CPU has fast short rep movsb (FSRM), that is the best: it need not
 * fetch the destination's lines before it overwrites them. This matters if
 * another core has these lines in its cache, as it usually has with messages.
 * Measured between two cores of a Zen 3, with a destination that the other core
 * has read last: 4 KiB in 571 ns against 728 with AVX2, 64 KiB at 39.4 against
 * 33.8 GB/s.
 */
const struct ferry_copy_kernel *ferry_copy_kernel_bulk(void);

/**
 * From how many bytes on a job of placement AUTO goes around the cache.
 *
 * @param l2
 *   Bytes of level 2 cache, 0 if unknown.
 * @param l3_share
 *   Bytes of level 3 cache per thread sharing it, 0 if unknown or none.
 */
size_t ferry_copy_kernel_auto_min(size_t l2, size_t l3_share);

/** ferry_copy_kernel_auto_min() of the calling core's caches. */
size_t ferry_copy_kernel_auto_min_here(void);

/**
 * From how many bytes on a non-temporal kernel pays. Its fence waits for
 * memory. So shorter jobs are copied temporally, whatever their placement is.
 * Measured on AMD Zen 3, cold, AVX2, non-temporal against temporal: 6.1 against
 * 6.7 GB/s at 1 KiB, 9.0 against 7.2 at 2 KiB, 10.9 against 6.1 at 4 KiB. Hot,
 * the fence costs 0.25 us.
 */
#define FERRY_COPY_KERNEL_NT_MIN ((size_t)4096)

#ifdef __cplusplus
}
#endif

#endif /* FERRY_COPY_KERNEL_H */
