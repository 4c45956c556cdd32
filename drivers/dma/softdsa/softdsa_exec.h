/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_EXEC_H
#define SOFTDSA_EXEC_H

/* Carries out the memory accesses of an operation. This module does not know
 * the device. */

#include <stdbool.h>
#include <stdint.h>

#include "softdsa_fault.h"
#include "softdsa_spec.h"

/*
 * Execute a descriptor that softdsa_check() has accepted: no-op, move or fill.
 * Stops at the next 128 KiB if *state is no longer equal to go.
 *
 * Returns false if it was stopped. Otherwise the record is filled in, except
 * for the fields that softdsa_check() sets.
 */
bool softdsa_exec(const struct softdsa_desc *d,
		const struct softdsa_verdict *verdict, const uint32_t *state,
		uint32_t go, struct softdsa_record *record);

/*
 * Read memory of the program.
 *
 * Returns how many bytes were read. If fewer than n, *addr is the first address
 * that cannot be read.
 */
uint64_t softdsa_read(void *to, uint64_t from, uint64_t n, uint64_t *addr);

/* Write a completion record, status last. False if there is no such memory. */
bool softdsa_write_record(uint64_t to, const struct softdsa_record *record);

#endif /* SOFTDSA_EXEC_H */
