/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_CHECK_H
#define SOFTDSA_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "softdsa_spec.h"

/* Limits of what a work queue accepts. */
struct softdsa_limits {
	uint32_t max_batch;
	uint64_t max_transfer;
};

/*
 * Check whether the device would execute a descriptor. Pure.
 *
 * Returns SOFTDSA_OK, or the status with which the descriptor completes. With
 * SOFTDSA_BAD_FLAGS, *bad_flags holds the flags that are not allowed.
 */
uint8_t softdsa_check(const struct softdsa_desc *d, bool in_batch,
		const struct softdsa_limits *limits, uint32_t *bad_flags);

#endif /* SOFTDSA_CHECK_H */
