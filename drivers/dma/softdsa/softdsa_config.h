/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_CONFIG_H
#define SOFTDSA_CONFIG_H

/* Translates the text of FERRY_SOFTDSA and ferry_softdsa_set() to numbers.
 * Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOFTDSA_MAX_WQS 8
#define SOFTDSA_MAX_SIZE 1024
#define SOFTDSA_MAX_BATCH 4096
#define SOFTDSA_MAX_THREADS 16
#define SOFTDSA_MAX_CPUS 64
#define SOFTDSA_MAX_REORDER 64
#define SOFTDSA_ERROR_LEN 200

/* Kinds of faults that the device makes on purpose with a descriptor. */
enum softdsa_fault_kind {
	/* The descriptor fails, with a status. */
	SOFTDSA_FAULT_FAIL,
	/* The descriptor has a page fault after some bytes. */
	SOFTDSA_FAULT_PAGE,
	/* The work queue stands still, for some milliseconds or for ever. */
	SOFTDSA_FAULT_HANG,
	/* A byte of the destination is wrong. */
	SOFTDSA_FAULT_CORRUPT,
	SOFTDSA_FAULT_KINDS,
};

/* A fault on purpose. Descriptors are counted from 1, starting when the fault
 * was set. */
struct softdsa_fault {
	/* Number of the descriptor with the fault; 0: no fault. */
	uint64_t n;
	/* Descriptors 2 n, 3 n and so on have the fault, too. */
	bool every;
	/* Argument of the kind: status, bytes or milliseconds. */
	uint64_t arg;
	bool has_arg;
	/* How often the fault was set, so that setting it again is noticed. */
	uint32_t set;
};

/* The faults on purpose of a work queue. */
struct softdsa_wrong {
	struct softdsa_fault fault[SOFTDSA_FAULT_KINDS];
	/* How many descriptors at a time are executed in reverse order; 0: the
	 * order is kept. */
	uint32_t reorder;
	/* How many descriptors the queue holds before others are lost; 0: as
	 * many as its size. */
	uint32_t full;
};

/* When an operation ends: not before t0 plus its share of the bandwidth. */
struct softdsa_timing {
	/* t0 at 64 B and at 1 MiB. In between it grows with the logarithm of
	 * the size. */
	uint64_t t0_ns;
	uint64_t t0_max_ns;
	/* Bandwidth in 10^6 bytes per second; 0: no limit. */
	uint64_t mbps;
	/* Time of a descriptor besides that of its bytes. */
	uint64_t desc_ns;
};

struct softdsa_config {
	uint64_t wqs;
	uint64_t size;
	uint64_t max_batch;
	uint64_t max_transfer;
	uint64_t threads;
	/* Not 0: each thread serves all work queues, not only its own. */
	uint64_t share;
	/* The NUMA node that sysfs shows, plus one; 0: none. */
	uint64_t node;
	uint64_t n_cpus;
	uint16_t cpus[SOFTDSA_MAX_CPUS];
	struct softdsa_timing timing;
	struct softdsa_wrong wrong[SOFTDSA_MAX_WQS];
};

/* The default configuration. */
void softdsa_config_default(struct softdsa_config *config);

/*
 * Change a configuration by a text "key=value,key=value".
 *
 * running: the device exists, so keys that need a new device are refused.
 * Returns 0; or -1 with a line in error, and the configuration unchanged.
 */
int softdsa_config_parse(struct softdsa_config *config, const char *text,
		bool running, char error[SOFTDSA_ERROR_LEN]);

#endif /* SOFTDSA_CONFIG_H */
