/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COPY_DEMOTE_H
#define COPY_DEMOTE_H

/**
 * @file
 * Internal: pushes the lines of a destination to the cache that cores share.
 *
 * After a temporal copy, the modified lines lie in the caches of the core that
 * copied. Another core that reads them must fetch them from there. CLDEMOTE
 * pushes them to the shared cache before another core reads them. Whether that
 * pays depends on the processor and on the reader; see ferry_calibrate().
 */

#include <stdbool.h>
#include <stddef.h>

/** Whether this CPU has CLDEMOTE. On other CPUs the instruction does
 * nothing. */
bool copy_demote_here(void);

/** Demote all lines of the range. This is a hint to the CPU; it does not change
 * the bytes. */
void copy_demote(const void *p, size_t len);

#endif /* COPY_DEMOTE_H */
