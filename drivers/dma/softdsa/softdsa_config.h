/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_CONFIG_H
#define SOFTDSA_CONFIG_H

/* What FERRY_SOFTDSA and ferry_softdsa_set() say. Pure: text to numbers. */

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

/* Something that goes wrong with a descriptor of a work queue. */
enum softdsa_fault_kind {
	/* It fails, with a status. */
	SOFTDSA_FAULT_FAIL,
	/* A page fault after some bytes. */
	SOFTDSA_FAULT_PAGE,
	/* The work queue stands still, for some milliseconds or for ever. */
	SOFTDSA_FAULT_HANG,
	/* A byte of the destination is wrong. */
	SOFTDSA_FAULT_CORRUPT,
	SOFTDSA_FAULT_KINDS,
};

/* Descriptors are counted from 1, from when the fault was set. */
struct softdsa_fault {
	/* Which one; 0: none. */
	uint64_t n;
	/* And 2 n, 3 n and so on. */
	bool every;
	/* Status, bytes or milliseconds. */
	uint64_t arg;
	bool has_arg;
	/* Counts the times it was set, so that a repetition is noticed. */
	uint32_t set;
};

/* What goes wrong in a work queue. */
struct softdsa_wrong {
	struct softdsa_fault fault[SOFTDSA_FAULT_KINDS];
	/* Descriptors among which the order is reversed; 0: kept. */
	uint32_t reorder;
	/* Descriptors that it holds, others are lost; 0: its size. */
	uint32_t full;
};

/* When an operation ends: not before t0 + its share of the bandwidth. */
struct softdsa_timing {
	/* At 64 B and at 1 MiB; in between with the logarithm of the size. */
	uint64_t t0_ns;
	uint64_t t0_max_ns;
	/* 10^6 bytes per second, 0: no limit. */
	uint64_t mbps;
	/* What a descriptor costs besides its bytes. */
	uint64_t desc_ns;
};

struct softdsa_config {
	uint64_t wqs;
	uint64_t size;
	uint64_t max_batch;
	uint64_t max_transfer;
	uint64_t threads;
	/* Each thread serves all work queues, not only its own. */
	uint64_t share;
	/* NUMA node in sysfs plus one; 0: none. */
	uint64_t node;
	uint64_t n_cpus;
	uint16_t cpus[SOFTDSA_MAX_CPUS];
	struct softdsa_timing timing;
	struct softdsa_wrong wrong[SOFTDSA_MAX_WQS];
};

/* What is in force where nothing is said. */
void softdsa_config_default(struct softdsa_config *config);

/*
 * Add "key=value,key=value" to a configuration.
 *
 * running: the device exists; keys that make it are refused.
 * Return 0, or -1 with a line in error and the configuration as it was.
 */
int softdsa_config_parse(struct softdsa_config *config, const char *text,
		bool running, char error[SOFTDSA_ERROR_LEN]);

#endif /* SOFTDSA_CONFIG_H */
