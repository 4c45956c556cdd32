/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COPY_DEMOTE_H
#define COPY_DEMOTE_H

/**
 * @file
 * Internal: hand a destination's lines on to the cache that cores share.
 *
 * After a temporal copy the lines lie, modified, in the caches of the core that
 * copied. Another core's read must fetch them from there. CLDEMOTE pushes them
 * out to the shared level before anybody asks. Whether that pays depends on the
 * processor and on who reads; see ferry_calibrate().
 */

#include <stdbool.h>
#include <stddef.h>

/** This CPU has CLDEMOTE. Without it, the instruction does nothing. */
bool copy_demote_here(void);

/** Demote all lines of the range. A hint; the bytes stay what they are. */
void copy_demote(const void *p, size_t len);

#endif /* COPY_DEMOTE_H */
