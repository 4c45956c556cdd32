/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_HISTOGRAM_H
#define PERF_HISTOGRAM_H

/*
 * A log-linear histogram: every power of two is cut into 64 equal buckets, so
 * a value read back is off by at most 1/64 of itself, whatever its size.
 *
 *     value    0 .. 127            128 .. 255   256 .. 511   ...
 *     bucket   one for each value  2 wide       4 wide
 *
 * Recording is a shift, an add and a store. The maximum is kept exactly.
 */

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_SUB (1u << HISTOGRAM_SUB_BITS)
/* Larger values count as this one, but the maximum is kept exactly. */
#define HISTOGRAM_TOP ((UINT64_C(1) << 48) - 1)
#define HISTOGRAM_BUCKETS ((48 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
	uint64_t count;
	uint64_t max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Which bucket a value up to HISTOGRAM_TOP falls into. */
static inline uint32_t
histogram_bucket(uint64_t value)
{
	uint32_t shift;

	if (value < 2 * HISTOGRAM_SUB)
		return (uint32_t)value;
	shift = 63 - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return shift * HISTOGRAM_SUB + (uint32_t)(value >> shift);
}

static inline void
histogram_record(struct histogram *h, uint64_t value)
{
	if (value > h->max)
		h->max = value;
	if (value > HISTOGRAM_TOP)
		value = HISTOGRAM_TOP;
	h->count++;
	h->buckets[histogram_bucket(value)]++;
}

void histogram_reset(struct histogram *h);

/* Add the values of src to dst. */
void histogram_merge(struct histogram *dst, const struct histogram *src);

/*
 * The value that the given share (0..1) of the recorded values does not exceed.
 * Returns the middle of its bucket, at most the maximum; 0 if no value was
 * recorded.
 */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif /* PERF_HISTOGRAM_H */
