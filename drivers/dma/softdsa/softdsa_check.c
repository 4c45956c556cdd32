/* SPDX-License-Identifier: BSD-3-Clause */

#include "softdsa_check.h"

/* Flags that are allowed with every operation. */
#define COMMON (SOFTDSA_F_FENCE | SOFTDSA_F_RECORD_VALID | SOFTDSA_F_RECORD | \
	SOFTDSA_F_TRAFFIC)

/* Flags that are allowed with an operation. A fence is allowed outside a batch,
 * too; there it has nothing to wait for. */
static uint32_t
flags_of(unsigned int op)
{
	switch (op) {
	case SOFTDSA_MOVE:
	case SOFTDSA_FILL:
		return COMMON | SOFTDSA_F_BLOCK_ON_FAULT | SOFTDSA_F_CACHE |
			SOFTDSA_F_STRICT_ORDER | SOFTDSA_F_READBACK;
	case SOFTDSA_BATCH:
		return COMMON | SOFTDSA_F_BLOCK_ON_FAULT;
	case SOFTDSA_DRAIN:
		return COMMON | SOFTDSA_F_READBACK;
	default:
		return COMMON;
	}
}

static bool
reserved_zero(const struct softdsa_desc *d)
{
	uint16_t bits = 0;
	unsigned int i;

	for (i = 0; i < sizeof(d->reserved) / sizeof(d->reserved[0]); i++)
		bits |= d->reserved[i];
	return bits == 0;
}

uint8_t
softdsa_check(const struct softdsa_desc *d, bool in_batch,
		const struct softdsa_limits *limits, uint32_t *bad_flags)
{
	const unsigned int op = softdsa_op(d);
	const uint32_t flags = softdsa_flags(d);

	*bad_flags = 0;
	if (op > SOFTDSA_FILL)
		return SOFTDSA_BAD_OP;
	/* A batch must not hold these two operations. */
	if (in_batch && (op == SOFTDSA_BATCH || op == SOFTDSA_DRAIN))
		return SOFTDSA_BAD_OP;
	*bad_flags = flags & ~flags_of(op);
	/* The descriptor asks for a record, but gives no address for it. */
	if ((flags & SOFTDSA_F_RECORD) && !(flags & SOFTDSA_F_RECORD_VALID))
		*bad_flags |= SOFTDSA_F_RECORD;
	if (*bad_flags != 0)
		return SOFTDSA_BAD_FLAGS;
	if (!reserved_zero(d))
		return SOFTDSA_NOT_ZERO;
	switch (op) {
	case SOFTDSA_MOVE:
	case SOFTDSA_FILL:
		if (d->size == 0 || d->size > limits->max_transfer)
			return SOFTDSA_BAD_SIZE;
		break;
	case SOFTDSA_BATCH:
		if (d->size < SOFTDSA_BATCH_MIN || d->size > limits->max_batch)
			return SOFTDSA_BAD_COUNT;
		if (d->src % sizeof(*d) != 0)
			return SOFTDSA_BAD_LIST;
		break;
	default:
		break;
	}
	return SOFTDSA_OK;
}
