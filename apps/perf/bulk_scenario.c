/* SPDX-License-Identifier: BSD-3-Clause */

/* What is measured of bulk messages. */

#include <string.h>

#include "bulk.h"
#include "ferry_bulk.h"
#include "scenario.h"

#define KIB 1024u
#define MIB (1024u * 1024)

/* 256 images of 224 x 224 pixels, three floats each; a frame of 3840 x 2160. */
#define BATCH_BYTES (256u * 224 * 224 * 3 * 4)
#define FRAME_BYTES (3840u * 2160 * 4)

/* What a reader waits for at a time: two claims. */
#define READ_STEP (512 * KIB)
/* Slots where no message goes by one. */
#define SLOT (4 * KIB)
#define SLOTS 16
/* Small messages of a mix that are under way. */
#define MIXED_SLOTS 64
/* Lengths of a smoke run: a part of the real ones, within limits. */
#define SMOKE_PART 256
#define SMOKE_MIN (64 * KIB)
#define SMOKE_MAX MIB

static const struct target one_way = {
	.text = "<=1.1x",
	.ratio_max = 1.1,
};
static const struct target stream = {
	.text = ">=0.95x",
	.ratio_min = 0.95,
};
static const struct target overlap = {
	.text = "<=0.7x",
	.ratio_max = 0.7,
};
/* Judged by what it takes beyond the message. */
static const struct target memory = {
	.text = "message + 16 MiB",
};

#define BULK(what_, name_, len_, quick_, target_) { .name = name_, \
	.what = SCENARIO_BULK##what_, .len = len_, .quick = quick_, \
	.target = target_ }
#define LANES(what_, name_, set_, set_id) { .name = name_ "-" set_, \
	.what = SCENARIO_BULK_##what_, .len = 64 * MIB, .set = set_id }
#define WORK(name_, len_, sizes_, depth_, quick_) { .name = name_, \
	.what = SCENARIO_BULK_WORK, .len = len_, .sizes = sizes_, \
	.depth = depth_, .quick = quick_ }

const struct scenario bulk_scenarios[] = {
	BULK(, "bulk-1M", MIB, true, &one_way),
	BULK(, "bulk-4M", 4 * MIB, false, &one_way),
	BULK(, "bulk-16M", 16 * MIB, true, &one_way),
	BULK(, "bulk-64M", 64 * MIB, false, &one_way),
	BULK(, "bulk-256M", 256 * MIB, false, &one_way),
	BULK(, "bulk-1G", 1024 * MIB, false, &one_way),
	BULK(_STREAM, "bulk-stream-1M", MIB, true, &stream),
	BULK(_STREAM, "bulk-stream-4M", 4 * MIB, false, &stream),
	BULK(_STREAM, "bulk-stream-16M", 16 * MIB, true, &stream),
	BULK(_STREAM, "bulk-stream-64M", 64 * MIB, false, &stream),
	BULK(_READ, "bulk-read-16M", 16 * MIB, true, &overlap),
	BULK(_READ, "bulk-read-64M", 64 * MIB, false, &overlap),
	BULK(_READ, "bulk-read-154M", BATCH_BYTES, false, &overlap),
	BULK(_SMOOTH, "bulk-smooth-256K", 256 * KIB, false, &one_way),
	BULK(_SMOOTH, "bulk-smooth-384K", 384 * KIB, false, &one_way),
	BULK(_SMOOTH, "bulk-smooth-512K", 512 * KIB, true, &one_way),
	BULK(_SMOOTH, "bulk-smooth-768K", 768 * KIB, false, &one_way),
	BULK(_SMOOTH, "bulk-smooth-1M", MIB, false, &one_way),
	BULK(_SMOOTH, "bulk-smooth-1.5M", 1536 * KIB, false, &one_way),
	BULK(_SMOOTH, "bulk-smooth-2M", 2 * MIB, true, &one_way),
	BULK(_SMOOTH, "bulk-smooth-3M", 3 * MIB, false, &one_way),
	BULK(_SMOOTH, "bulk-smooth-4M", 4 * MIB, false, &one_way),
	BULK(_MEMORY, "bulk-memory-1G", 1024 * MIB, false, &memory),
	LANES(LANES, "bulk-64M", "skeleton", LANES_SKELETON),
	LANES(LANES, "bulk-64M", "softdsa", LANES_SOFTDSA),
	LANES(LANES, "bulk-64M", "hybrid", LANES_HYBRID),
	LANES(STALL, "bulk-stall", "softdsa", LANES_SOFTDSA),
	WORK("image-batch", BATCH_BYTES, BULK_EVEN, 2, false),
	WORK("frame-4k", FRAME_BYTES, BULK_EVEN, 4, true),
	WORK("tabular", 8 * MIB, BULK_TABULAR, 4, false),
	WORK("mixed", 64 * MIB, BULK_MIXED, 4, false),
};

const uint32_t n_bulk_scenarios = RTE_DIM(bulk_scenarios);

static uint32_t
len_of(const struct scenario *sc, const struct perf_options *o)
{
	if (!o->smoke)
		return sc->len;
	return RTE_MAX(RTE_MIN(RTE_ALIGN_FLOOR(sc->len / SMOKE_PART,
		(uint32_t)BELT_ALIGN), SMOKE_MAX), SMOKE_MIN);
}

/* A ring as long as can be: messages of one length leave no gap at its end. */
static uint64_t
ring_of(const struct side_job *job, uint64_t wanted)
{
	const uint64_t size = RTE_MAX(wanted, bulk_ring_min(job));

	return job->sizes != BULK_EVEN ? size :
		size - size % RTE_ALIGN_CEIL((uint64_t)job->len, BELT_ALIGN);
}

void
bulk_job(const struct scenario *sc, const struct perf_options *o,
		struct side_job *job)
{
	uint64_t ring = o->ring;

	job->kind = SIDE_BULK;
	job->wire = WIRE_BULK;
	job->len = len_of(sc, o);
	job->flags = SIDE_COLD;
	job->mode = FERRY_MODE_LATENCY;
	job->slot = SLOT;
	job->n_slots = SLOTS;
	switch (sc->what) {
	case SCENARIO_BULK_STREAM:
		job->kind = SIDE_BULK_STREAM;
		job->depth = BULK_DEPTH_MAX;
		break;
	case SCENARIO_BULK_WORK:
		job->kind = SIDE_BULK_STREAM;
		job->depth = sc->depth;
		job->sizes = sc->sizes;
		if (sc->sizes == BULK_MIXED) {
			job->slot = job->len / 1024;
			job->n_slots = MIXED_SLOTS;
		}
		break;
	case SCENARIO_BULK_READ:
		job->step = READ_STEP;
		break;
	case SCENARIO_BULK_SMOOTH:
		job->slot = job->len;
		job->n_slots = (uint32_t)RTE_MAX(ring / 4 / job->len,
				UINT64_C(2));
		break;
	case SCENARIO_BULK_MEMORY:
		job->flags |= SIDE_OWN;
		ring = 0;
		break;
	default:
		break;
	}
	job->pool = ring_of(job, RTE_ALIGN_FLOOR(ring, BELT_ALIGN));
	job->reserve = RTE_MAX(o->reserve, job->pool);
}
