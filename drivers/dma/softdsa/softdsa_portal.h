/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_PORTAL_H
#define SOFTDSA_PORTAL_H

/*
 * MOVDIR64B to a portal, made to trap.
 *
 * A processor that has the instruction stores to the page that the driver
 * mapped from an empty file: SIGBUS. One that has not does not know it:
 * SIGILL. In both cases the handler reads the instruction, finds the
 * descriptor and the portal in the registers, submits, and goes on after it.
 *
 * Whose portal an address is, is asked anew each time, because the driver may
 * have unmapped it and something else may be there. Where the page can be read
 * (SIGILL) it holds the answer itself; where it is empty (SIGBUS) the kernel
 * tells the file: /proc/self/map_files.
 */

#include <stdbool.h>
#include <ucontext.h>

struct softdsa_dev;

/* Whether this processor has MOVDIR64B. */
bool softdsa_has_movdir64b(void);

/*
 * Install the handlers, or put them in front again. What is not for them goes
 * to those that were there. 0 or -errno.
 */
int softdsa_portal_start(struct softdsa_dev *dev);

/*
 * For a handler: if the instruction at fault is a MOVDIR64B to a portal of the
 * device, submit and step over it. Returns whether it was.
 */
bool softdsa_portal_store(struct softdsa_dev *dev, ucontext_t *uc);

#endif /* SOFTDSA_PORTAL_H */
