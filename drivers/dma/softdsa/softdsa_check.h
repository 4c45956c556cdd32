/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_CHECK_H
#define SOFTDSA_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "softdsa_spec.h"

/* What a work queue accepts. */
struct softdsa_limits {
	uint32_t max_batch;
	uint64_t max_transfer;
};

/*
 * Whether a descriptor is one that the device would execute. Pure.
 *
 * Return SOFTDSA_OK or the status it completes with; *bad_flags is set with
 * SOFTDSA_BAD_FLAGS.
 */
uint8_t softdsa_check(const struct softdsa_desc *d, bool in_batch,
		const struct softdsa_limits *limits, uint32_t *bad_flags);

#endif /* SOFTDSA_CHECK_H */
