/* SPDX-License-Identifier: BSD-3-Clause */

/* What is measured with engines, for each set of lanes. */

#include <string.h>

#include "scenario.h"

#define KIB 1024u
#define MIB (1024u * 1024)

/* Posts pending at most, by bytes: enough for a batch of a DMA device at 4 KiB,
 * and for a sender to sleep while several long ones are copied. */
#define DEPTH_BYTES (4 * MIB)
#define DEPTH_MIN 16
#define DEPTH_MAX 64
/* Beside the posts: what the receiver has, and what is on its way back. */
#define SLOTS_PER_POST 2
/* Four batches of 32 in a device: it need not wait for who feeds it. */
#define DEVICE_SLOTS 128

/* How long everybody sleeps: until a wake-up, and to see what that costs. */
#define WAKE_GAP_NS 2000000
#define IDLE_GAP_NS UINT64_C(1000000000)

static const struct target never_slower = {
	.text = "<=1.05x",
	.ratio_max = 1.05,
};
static const struct target sender_cpu = {
	.text = "<=0.10x",
	.ratio_max = 0.10,
};
static const struct target offload = {
	.text = ">=0.90x",
	.ratio_min = 0.90,
};
static const struct target idle = {
	.text = "<=1 % of a core",
	.value_max = 1,
};
static const struct target wake = {
	.text = "p50 <=100 us",
	.value_max = 100000,
};

#define SLOWER(size, len_, cold_, name_, set_, quick_) { \
	.name = "never-slower-" size "-" name_, \
	.what = SCENARIO_NEVER_SLOWER, .len = len_, .cold = cold_, \
	.quick = quick_, .set = set_, .target = &never_slower }
#define SLOWER_ALL(name, set) \
	SLOWER("64", 64, false, name, set, true), \
	SLOWER("1K", KIB, false, name, set, false), \
	SLOWER("4K", 4 * KIB, false, name, set, true), \
	SLOWER("16K", 16 * KIB, false, name, set, false), \
	SLOWER("64K", 64 * KIB, false, name, set, true), \
	SLOWER("256K", 256 * KIB, false, name, set, false), \
	SLOWER("1M", MIB, false, name, set, true), \
	SLOWER("4M", 4 * MIB, false, name, set, false), \
	SLOWER("64K-cold", 64 * KIB, true, name, set, false), \
	SLOWER("1M-cold", MIB, true, name, set, false), \
	SLOWER("4M-cold", 4 * MIB, true, name, set, false)

#define SENDER(size, cold_, name_, set_, quick_, target_) { \
	.name = "sender-cpu-" size "-" name_, .what = SCENARIO_SENDER_CPU, \
	.len = MIB, .cold = cold_, .quick = quick_, .set = set_, \
	.mode = FERRY_MODE_EFFICIENCY, .target = target_ }
/* A target only where there is a DMA lane to copy. */
#define SENDER_ALL(name, set, quick, target) \
	SENDER("1M", false, name, set, quick, target), \
	SENDER("1M-cold", true, name, set, false, target)

#define MODE(text, mode_, size, len_, cold_, name_, set_, quick_) { \
	.name = "mode-" text "-" size "-" name_, .what = SCENARIO_MODE, \
	.len = len_, .cold = cold_, .quick = quick_, .set = set_, \
	.mode = mode_ }
#define MODE_SIZES(text, mode, name, set, quick) \
	MODE(text, mode, "4K", 4 * KIB, false, name, set, quick), \
	MODE(text, mode, "64K", 64 * KIB, false, name, set, quick), \
	MODE(text, mode, "1M", MIB, false, name, set, quick), \
	MODE(text, mode, "64K-cold", 64 * KIB, true, name, set, false), \
	MODE(text, mode, "1M-cold", MIB, true, name, set, false)
#define MODE_ALL(name, set, quick) \
	MODE_SIZES("latency", FERRY_MODE_LATENCY, name, set, quick), \
	MODE_SIZES("throughput", FERRY_MODE_THROUGHPUT, name, set, quick), \
	MODE_SIZES("efficiency", FERRY_MODE_EFFICIENCY, name, set, quick)

#define OFFLOAD(size, cold_, name_, set_, quick_) { \
	.name = "offload-" size "-" name_, .what = SCENARIO_OFFLOAD, \
	.len = 64 * KIB, .cold = cold_, .quick = quick_, .set = set_, \
	.mode = FERRY_MODE_EFFICIENCY, .target = &offload }
#define OFFLOAD_ALL(name, set) \
	OFFLOAD("64K", false, name, set, true), \
	OFFLOAD("64K-cold", true, name, set, false)

#define IDLE(name_, set_, quick_) { .name = "idle-" name_, \
	.what = SCENARIO_IDLE, .len = 4 * KIB, .quick = quick_, .set = set_, \
	.mode = FERRY_MODE_EFFICIENCY, .target = &idle }
/* 64 B go past the engine, 4 KiB through it. */
#define WAKE(size, len_, name_, set_, quick_) { \
	.name = "wake-" size "-" name_, .what = SCENARIO_WAKE, .len = len_, \
	.quick = quick_, .set = set_, .mode = FERRY_MODE_EFFICIENCY, \
	.target = &wake }
#define WAKE_ALL(name, set, quick) \
	WAKE("64", 64, name, set, quick), \
	WAKE("16K", 16 * KIB, name, set, quick)

const struct scenario lane_scenarios[] = {
	OFFLOAD_ALL("skeleton", LANES_SKELETON),
	OFFLOAD_ALL("softdsa", LANES_SOFTDSA),
	SENDER_ALL("cpu", LANES_CPU, false, NULL),
	SENDER_ALL("skeleton", LANES_SKELETON, true, &sender_cpu),
	SENDER_ALL("softdsa", LANES_SOFTDSA, true, &sender_cpu),
	SENDER_ALL("hybrid", LANES_HYBRID, true, &sender_cpu),
	SLOWER_ALL("cpu", LANES_CPU),
	SLOWER_ALL("skeleton", LANES_SKELETON),
	SLOWER_ALL("softdsa", LANES_SOFTDSA),
	SLOWER_ALL("hybrid", LANES_HYBRID),
	MODE_ALL("cpu", LANES_CPU, true),
	MODE_ALL("skeleton", LANES_SKELETON, false),
	MODE_ALL("softdsa", LANES_SOFTDSA, true),
	MODE_ALL("hybrid", LANES_HYBRID, false),
	IDLE("cpu", LANES_CPU, true),
	IDLE("skeleton", LANES_SKELETON, false),
	IDLE("softdsa", LANES_SOFTDSA, true),
	IDLE("hybrid", LANES_HYBRID, false),
	WAKE_ALL("cpu", LANES_CPU, true),
	WAKE_ALL("skeleton", LANES_SKELETON, false),
	WAKE_ALL("softdsa", LANES_SOFTDSA, true),
	WAKE_ALL("hybrid", LANES_HYBRID, false),
};

const uint32_t n_lane_scenarios = RTE_DIM(lane_scenarios);

static uint32_t
depth_of(const struct scenario *sc)
{
	return RTE_MAX(RTE_MIN(DEPTH_BYTES / sc->len, (uint32_t)DEPTH_MAX),
			(uint32_t)DEPTH_MIN);
}

void
lane_job(const struct scenario *sc, bool bound, struct side_job *job)
{
	job->mode = sc->mode;
	job->depth = depth_of(sc);
	job->n_slots = SLOTS_PER_POST * job->depth;
	/* Latency mode has a call that is meant for it. */
	job->wire = sc->mode == FERRY_MODE_LATENCY ? WIRE_COPY : WIRE_POST;
	switch (sc->what) {
	case SCENARIO_OFFLOAD:
		/* The bound; the others differ in kind and wire. */
		job->kind = bound ? SIDE_DEVICE : SIDE_FLOW;
		if (bound)
			job->wire = WIRE_BARE;
		job->n_slots = DEVICE_SLOTS;
		break;
	case SCENARIO_IDLE:
		job->kind = SIDE_SINGLE;
		job->gap_ns = IDLE_GAP_NS;
		break;
	case SCENARIO_WAKE:
		job->kind = SIDE_SINGLE;
		job->gap_ns = WAKE_GAP_NS;
		break;
	default:
		job->kind = SIDE_FLOW;
	}
}
