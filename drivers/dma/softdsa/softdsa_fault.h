/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_FAULT_H
#define SOFTDSA_FAULT_H

/* Decides which descriptor of a work queue has which fault on purpose. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "softdsa_config.h"

/* The faults of one descriptor. */
struct softdsa_verdict {
	/* Complete with this status instead of executing; 0: execute. */
	uint8_t status;
	/* page_fault: there is a page fault. half: after half of the bytes;
	 * otherwise after "bytes" bytes. */
	bool page_fault;
	bool half;
	uint64_t bytes;
	bool corrupt;
};

struct softdsa_faults {
	pthread_mutex_t lock;
	struct softdsa_wrong wrong;
	/* By kind: how many descriptors were seen since the fault was set. */
	uint64_t seen[SOFTDSA_FAULT_KINDS];
	/* A fault is set. If not, the lock need not be taken. */
	bool any;
};

void softdsa_faults_init(struct softdsa_faults *f);

/* Take over the faults that have changed. A fault that has not changed goes on
 * counting descriptors. */
void softdsa_faults_set(struct softdsa_faults *f,
		const struct softdsa_wrong *wrong);

/* Count the next descriptor, and return its faults. */
struct softdsa_verdict softdsa_faults_next(struct softdsa_faults *f);

/*
 * Whether the work queue hangs at one of the next n descriptors. *ms: for how
 * long; 0: for ever.
 */
bool softdsa_faults_hang(struct softdsa_faults *f, uint32_t n, uint64_t *ms);

/* How many descriptors at a time are executed in reverse order. */
uint32_t softdsa_faults_reorder(const struct softdsa_faults *f);

#endif /* SOFTDSA_FAULT_H */
