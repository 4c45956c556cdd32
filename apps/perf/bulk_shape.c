/* SPDX-License-Identifier: BSD-3-Clause */

/* How long bulk messages are, and what room they need. */

#include "bulk.h"

uint32_t
bulk_period(const struct side_job *job)
{
	switch (job->sizes) {
	case BULK_TABULAR:
		return 64;
	case BULK_MIXED:
		return 256;
	default:
		return 1;
	}
}

/* The same number for the same k in every run: splitmix64. */
static uint64_t
mix(uint64_t k)
{
	k = (k + 1) * UINT64_C(0x9e3779b97f4a7c15);
	k = (k ^ k >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	k = (k ^ k >> 27) * UINT64_C(0x94d049bb133111eb);
	return k ^ k >> 31;
}

/* From least up to most, a multiple of 64. */
static uint32_t
between(uint32_t least, uint32_t most, uint64_t random)
{
	return RTE_ALIGN_CEIL(least + (uint32_t)(random % (most - least)), 64);
}

uint32_t
bulk_len(const struct side_job *job, uint64_t seq)
{
	const uint32_t len = job->len;
	const uint32_t k = (uint32_t)(seq % bulk_period(job));
	const uint64_t random = mix(k) >> 8;

	switch (job->sizes) {
	case BULK_TABULAR:
		return between(len / 8, len, random);
	case BULK_MIXED:
		if (k % 128 == 100)
			return len;
		if (mix(k) % 8 == 0)
			return between(len / 64, len / 16, random);
		return between(len / 8192, len / 1024, random);
	default:
		return len;
	}
}

uint64_t
bulk_ring_min(const struct side_job *job)
{
	const uint64_t len = RTE_ALIGN_CEIL((uint64_t)job->len, BELT_ALIGN);

	/* Those under way, one that is being written, and what may be left
	 * free at the ring's end. */
	return (job->depth + (job->sizes == BULK_EVEN ? 1 : 2)) * len;
}

uint64_t
bulk_reserve(const struct side_job *job)
{
	if (job->kind != SIDE_BULK && job->kind != SIDE_BULK_STREAM)
		return 0;
	/* Where there is no ring, there is the message. */
	return RTE_MAX(job->pool, job->flags & SIDE_OWN ?
		RTE_ALIGN_CEIL((uint64_t)job->len, BELT_ALIGN) : 0);
}
