/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_MODEL_H
#define SOFTDSA_MODEL_H

/*
 * Predicts when a real device would end an operation. The operations of a
 * device use its bandwidth one after the other. Each ends t0 after its last
 * byte.
 */

#include <stdbool.h>
#include <stdint.h>

#include "softdsa_config.h"

struct softdsa_model {
	struct softdsa_timing timing;
	/* When the operations so far no longer use the bandwidth. */
	uint64_t free_ns;
};

/* Set the timing. May run at the same time as softdsa_model_end() in another
 * thread, which may then use a mixture of old and new numbers. */
void softdsa_model_set(struct softdsa_model *m,
		const struct softdsa_timing *timing);

/* Whether the timing delays operations at all. */
bool softdsa_model_on(const struct softdsa_model *m);

/* Begin an operation at now_ns. Returns when it ends. Safe in several
 * threads. */
uint64_t softdsa_model_end(struct softdsa_model *m, uint64_t now_ns,
		uint64_t bytes);

#endif /* SOFTDSA_MODEL_H */
