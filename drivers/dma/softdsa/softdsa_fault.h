/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_FAULT_H
#define SOFTDSA_FAULT_H

/* Faults on purpose: which descriptor of a work queue has which. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "softdsa_config.h"

/* What shall go wrong with one descriptor. */
struct softdsa_verdict {
	/* Complete with this status instead of executing; 0: execute. */
	uint8_t status;
	/* A page fault after so many bytes, or half of them. */
	bool page_fault;
	bool half;
	uint64_t bytes;
	bool corrupt;
};

struct softdsa_faults {
	pthread_mutex_t lock;
	struct softdsa_wrong wrong;
	/* Descriptors seen since a fault was set. */
	uint64_t seen[SOFTDSA_FAULT_KINDS];
	/* So that no lock is taken where nothing goes wrong. */
	bool any;
};

void softdsa_faults_init(struct softdsa_faults *f);

/* Take what has changed; what has not goes on counting. */
void softdsa_faults_set(struct softdsa_faults *f,
		const struct softdsa_wrong *wrong);

/* The next descriptor. */
struct softdsa_verdict softdsa_faults_next(struct softdsa_faults *f);

/*
 * Whether the work queue hangs with the next n descriptors. *ms is for how
 * long, 0: for ever.
 */
bool softdsa_faults_hang(struct softdsa_faults *f, uint32_t n, uint64_t *ms);

/* Descriptors whose order is reversed. */
uint32_t softdsa_faults_reorder(const struct softdsa_faults *f);

#endif /* SOFTDSA_FAULT_H */
