/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_PORTAL_H
#define SOFTDSA_PORTAL_H

/*
 * Makes MOVDIR64B to a portal trap.
 *
 * If the processor has the instruction, the instruction stores to the page that
 * the driver mapped from an empty file. This raises SIGBUS. A processor without
 * the instruction raises SIGILL. In both cases the signal handler decodes the
 * instruction, finds the addresses of the descriptor and the portal in the
 * registers, submits the descriptor, and lets the thread go on behind the
 * instruction.
 *
 * For each store the handler finds out anew which work queue the portal belongs
 * to, because the driver may have unmapped the portal and another mapping may
 * be at its address. If the page can be read (SIGILL), its contents name the
 * queue. If the file is empty (SIGBUS), /proc/self/map_files names the file.
 */

#include <stdbool.h>
#include <ucontext.h>

struct softdsa_dev;

/* Whether this processor has MOVDIR64B. */
bool softdsa_has_movdir64b(void);

/*
 * Install the signal handlers, or install them again in front of others. They
 * pass signals that are not the device's on to the handlers that were installed
 * before. Returns 0 or -errno.
 */
int softdsa_portal_start(struct softdsa_dev *dev);

/*
 * For a signal handler: if the instruction that faulted is a MOVDIR64B to a
 * portal of the device, submit the descriptor and step over the instruction.
 * Returns whether it was.
 */
bool softdsa_portal_store(struct softdsa_dev *dev, ucontext_t *uc);

#endif /* SOFTDSA_PORTAL_H */
