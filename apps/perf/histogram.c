/* SPDX-License-Identifier: BSD-3-Clause */

#include <string.h>

#include "histogram.h"

void
histogram_reset(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
}

void
histogram_merge(struct histogram *dst, const struct histogram *src)
{
	uint32_t i;

	dst->count += src->count;
	if (src->max > dst->max)
		dst->max = src->max;
	for (i = 0; i < HISTOGRAM_BUCKETS; i++)
		dst->buckets[i] += src->buckets[i];
}

/* The middle of a bucket, rounded down. */
static uint64_t
bucket_value(uint32_t bucket)
{
	uint32_t shift;
	uint64_t low;

	if (bucket < 2 * HISTOGRAM_SUB)
		return bucket;
	shift = bucket / HISTOGRAM_SUB - 1;
	low = (uint64_t)(bucket % HISTOGRAM_SUB + HISTOGRAM_SUB) << shift;
	return low + ((UINT64_C(1) << shift) - 1) / 2;
}

uint64_t
histogram_quantile(const struct histogram *h, double share)
{
	uint64_t rank, seen = 0, value;
	uint32_t i;

	if (h->count == 0)
		return 0;
	/* The smallest rank that is at least share of all; ranks from 1. */
	rank = (uint64_t)(share * (double)h->count);
	if ((double)rank < share * (double)h->count || rank == 0)
		rank++;
	if (rank >= h->count)
		return h->max;
	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= rank)
			break;
	}
	value = bucket_value(i);
	return value < h->max ? value : h->max;
}
