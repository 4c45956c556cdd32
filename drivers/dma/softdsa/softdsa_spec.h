/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_SPEC_H
#define SOFTDSA_SPEC_H

/*
 * Descriptors and records of a DSA, as far as the soft DSA knows them. The
 * numbers are from Intel's public "Data Streaming Accelerator Architecture
 * Specification". Linux has the same numbers in include/uapi/linux/idxd.h.
 */

#include <stddef.h>
#include <stdint.h>

/* A descriptor, as stored to a portal or listed in a batch. */
struct softdsa_desc {
	uint32_t pasid;
	/* Flags in bits 23:0, the operation in bits 31:24. */
	uint32_t flags_op;
	/* Address of the completion record. */
	uint64_t record;
	/* Address of the source. Batch: address of its list. Fill: the
	 * pattern. */
	uint64_t src;
	uint64_t dst;
	/* Number of bytes. Batch: number of its descriptors. */
	uint32_t size;
	uint16_t interrupt;
	/* The operations that the soft DSA knows do not use these. */
	uint16_t reserved[13];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct softdsa_desc) == 64, "descriptor");

/* A completion record. The device writes status last. */
struct softdsa_record {
	uint8_t status;
	/* 1: a move went from the end to the start, and done counts from the
	 * end. */
	uint8_t result;
	uint16_t reserved;
	/* Number of bytes that are done. Batch: of descriptors. */
	uint32_t done;
	uint64_t fault_addr;
	uint32_t invalid_flags;
	uint32_t more[3];
} __attribute__((aligned(32)));

_Static_assert(sizeof(struct softdsa_record) == 32, "record");

#define SOFTDSA_OP_SHIFT 24
#define SOFTDSA_FLAGS_MASK UINT32_C(0xffffff)

enum softdsa_op {
	SOFTDSA_NOOP = 0,
	SOFTDSA_BATCH = 1,
	SOFTDSA_DRAIN = 2,
	SOFTDSA_MOVE = 3,
	SOFTDSA_FILL = 4,
};

/* Flags of a descriptor. */
enum {
	/* In a batch: wait for the descriptors before this one. If one of them
	 * has failed, end the batch. */
	SOFTDSA_F_FENCE = 0x1,
	SOFTDSA_F_BLOCK_ON_FAULT = 0x2,
	SOFTDSA_F_RECORD_VALID = 0x4,
	/* Write the record also on success. */
	SOFTDSA_F_RECORD = 0x8,
	SOFTDSA_F_INTERRUPT = 0x10,
	/* The destination goes into the cache. */
	SOFTDSA_F_CACHE = 0x100,
	/* Traffic classes of the three addresses and of the record. */
	SOFTDSA_F_TRAFFIC = 0x1e00,
	SOFTDSA_F_STRICT_ORDER = 0x2000,
	SOFTDSA_F_READBACK = 0x4000,
};

/* Status of a completion record, bits 6:0. */
enum {
	SOFTDSA_OK = 0x01,
	SOFTDSA_PAGE_FAULT = 0x03,
	/* Descriptors of the batch have failed. */
	SOFTDSA_BATCH_FAILED = 0x05,
	/* The list of the batch cannot be read. */
	SOFTDSA_BATCH_FAULT = 0x06,
	SOFTDSA_BAD_OP = 0x10,
	SOFTDSA_BAD_FLAGS = 0x11,
	SOFTDSA_NOT_ZERO = 0x12,
	SOFTDSA_BAD_SIZE = 0x13,
	SOFTDSA_BAD_COUNT = 0x14,
	SOFTDSA_BAD_LIST = 0x18,
	/* Bit 7 of a page fault: it was a write. */
	SOFTDSA_WRITE = 0x80,
};

/* A batch has two descriptors at least. */
#define SOFTDSA_BATCH_MIN 2

static inline unsigned int
softdsa_op(const struct softdsa_desc *d)
{
	return d->flags_op >> SOFTDSA_OP_SHIFT;
}

static inline uint32_t
softdsa_flags(const struct softdsa_desc *d)
{
	return d->flags_op & SOFTDSA_FLAGS_MASK;
}

#endif /* SOFTDSA_SPEC_H */
