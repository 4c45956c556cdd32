/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_MODEL_H
#define SOFTDSA_MODEL_H

/*
 * When a real device would have ended an operation. The operations of a device
 * share its bandwidth, one after the other; each ends t0 after its last byte.
 */

#include <stdbool.h>
#include <stdint.h>

#include "softdsa_config.h"

struct softdsa_model {
	struct softdsa_timing timing;
	/* When the bandwidth is free again. */
	uint64_t free_ns;
};

/* May run beside softdsa_model_end(), which sees some of old and new. */
void softdsa_model_set(struct softdsa_model *m,
		const struct softdsa_timing *timing);

/* Whether there is anything to wait for. */
bool softdsa_model_on(const struct softdsa_model *m);

/* An operation begins now; when it ends. Safe in several threads. */
uint64_t softdsa_model_end(struct softdsa_model *m, uint64_t now_ns,
		uint64_t bytes);

#endif /* SOFTDSA_MODEL_H */
