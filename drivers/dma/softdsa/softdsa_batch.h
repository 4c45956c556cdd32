/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_BATCH_H
#define SOFTDSA_BATCH_H

/* Executes descriptors, single ones and batches, up to their completion
 * records. */

#include "softdsa_engine.h"

/* Execute a descriptor that an engine took from a work queue. */
void softdsa_execute(struct softdsa_engine *e, unsigned int wq,
		const struct softdsa_desc *desc);

#endif /* SOFTDSA_BATCH_H */
