/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_INLINE_H
#define FERRY_INLINE_H

/**
 * @file
 * How the inline calls of the headers are declared.
 *
 * C and C++ programs compile these calls into themselves. Programs in other
 * languages cannot, so libferry exports each of them as a function of the same
 * name: lib/ffi.c defines FERRY_INLINE as nothing before it includes the
 * headers, and thereby compiles the same text as ordinary functions.
 */

/** Stands before each inline call that an application may use. */
#ifndef FERRY_INLINE
#define FERRY_INLINE static inline
#endif

#endif /* FERRY_INLINE_H */
