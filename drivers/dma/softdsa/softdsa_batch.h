/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_BATCH_H
#define SOFTDSA_BATCH_H

/* From a descriptor to its completion records: single ones and batches. */

#include "softdsa_engine.h"

/* Execute what an engine took from a work queue. */
void softdsa_execute(struct softdsa_engine *e, unsigned int wq,
		const struct softdsa_desc *desc);

#endif /* SOFTDSA_BATCH_H */
