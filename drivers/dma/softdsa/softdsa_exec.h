/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_EXEC_H
#define SOFTDSA_EXEC_H

/* What an operation does to memory. Of the device it knows nothing. */

#include <stdbool.h>
#include <stdint.h>

#include "softdsa_fault.h"
#include "softdsa_spec.h"

/*
 * Execute a descriptor that has been found good: no-op, move or fill. Stops
 * early, at the next 128 KiB, if *state is not go any more.
 *
 * Return false if it was stopped; else the record is filled in but for what
 * softdsa_check() says.
 */
bool softdsa_exec(const struct softdsa_desc *d,
		const struct softdsa_verdict *verdict, const uint32_t *state,
		uint32_t go, struct softdsa_record *record);

/*
 * Read memory of the program.
 *
 * Return bytes read; less than n: *addr is what cannot be read.
 */
uint64_t softdsa_read(void *to, uint64_t from, uint64_t n, uint64_t *addr);

/* Write a completion record, status last. False if there is no such memory. */
bool softdsa_write_record(uint64_t to, const struct softdsa_record *record);

#endif /* SOFTDSA_EXEC_H */
