/* SPDX-License-Identifier: BSD-3-Clause */

#include <string.h>

#include <rte_bitops.h>
#include <rte_common.h>

#include "ferry_sched.h"

#define CORE FERRY_SCHED_CORE
#define ALIGN FERRY_SCHED_ALIGN

/* So many bites of bulk fill a device up to its limit. */
#define BITES 4

/* What ferry_sched_next() works with while it decides on one part. */
struct choice {
	const struct ferry_sched_policy *policy;
	const struct ferry_sched_job *job;
	const struct ferry_sched_lane *lanes;
	unsigned int n;
	const struct ferry_sched_wait *wait;
	bool bulk;
	/* One bit per lane. able: devices that can do the job. open: those of
	 * them that can take some of it now. */
	uint32_t able, open;
	/* best: the open device that finishes first, or -1. best_ns: when it
	 * finishes. */
	int best;
	double best_ns;
};

struct ferry_sched_policy
ferry_sched_policy_default(void)
{
	return (struct ferry_sched_policy) {
		.bulk_min = UINT64_C(128) << 10,
		.bulk_ns = 50e3,
		.bulk_bytes = UINT64_C(256) << 10,
		.bite_min = UINT64_C(16) << 10,
		.core_chunk = UINT64_C(64) << 10,
		.share_min = UINT64_C(4) << 10,
		.gain = 0.1,
		.submit_ns = 100,
		.small_share = UINT64_C(256) << 10,
		.batch = 32,
		.flush_ns = 5000,
		.look_min_ns = 1000,
		.look_max_ns = 1000000,
	};
}

/* Make a number of bytes of x, rounded up. UINT64_MAX if x is larger than any
 * size. */
static uint64_t
bytes_of(double x)
{
	if (!(x > (double)ALIGN))
		return ALIGN;
	if (x > 1e18)
		return UINT64_MAX;
	return (uint64_t)x + 1;
}

static bool
mode_is(enum ferry_mode mode, enum ferry_mode which)
{
	/* An unknown mode counts as latency. */
	if ((unsigned int)mode >= FERRY_MODES)
		mode = FERRY_MODE_LATENCY;
	return mode == which;
}

uint64_t
ferry_sched_break_even(const struct ferry_sched_policy *policy,
		const struct ferry_lane_model *core,
		const struct ferry_lane_model *device, enum ferry_mode mode)
{
	double per_byte;

	if ((unsigned int)mode < FERRY_MODES && policy->offload_min[mode] != 0)
		return RTE_MAX(policy->offload_min[mode], ALIGN);
	if (!mode_is(mode, FERRY_MODE_LATENCY))
		return bytes_of((policy->submit_ns - core->t0_ns) *
			core->bytes_per_ns);
	if (device->t0_ns <= core->t0_ns &&
			device->bytes_per_ns >= core->bytes_per_ns)
		return ALIGN;
	per_byte = 1 / core->bytes_per_ns - 1 / device->bytes_per_ns;
	if (per_byte <= 0)
		return UINT64_MAX;
	return bytes_of((device->t0_ns - core->t0_ns) / per_byte);
}

/* A device gets no job that is shorter than this. */
static uint64_t
offload_min(const struct choice *c)
{
	enum ferry_mode mode = c->job->mode;

	/* In latency mode the predictions for the job decide, because they also
	 * tell how to divide it. */
	if (mode_is(mode, FERRY_MODE_LATENCY) &&
			c->policy->offload_min[FERRY_MODE_LATENCY] == 0)
		return ALIGN;
	return ferry_sched_break_even(c->policy, &c->lanes[CORE].model,
		&c->lanes[CORE].model, mode);
}

/* How many bytes of bulk may wait in device i. */
static uint64_t
bulk_limit(const struct choice *c, unsigned int i)
{
	double ns_bytes = c->policy->bulk_ns * c->lanes[i].model.bytes_per_ns;
	double limit = (double)c->policy->bulk_bytes;

	if (c->wait->small || mode_is(c->job->mode, FERRY_MODE_LATENCY))
		limit = RTE_MIN(limit, ns_bytes);
	else
		limit = RTE_MAX(limit, ns_bytes);
	return RTE_MAX((uint64_t)RTE_MIN(limit, 1e18),
		BITES * c->policy->bite_min);
}

static uint64_t
bite_of(const struct choice *c, unsigned int i)
{
	return RTE_ALIGN_FLOOR(bulk_limit(c, i) / BITES, ALIGN);
}

/* Whether device i, which can do the job, takes some of it now. reserved: the
 * device that is kept for small jobs, or -1. */
static bool
is_open(const struct choice *c, unsigned int i, int reserved)
{
	const struct ferry_sched_lane *lane = &c->lanes[i];

	if (lane->room == 0)
		return false;
	if (!c->bulk)
		return true;
	if ((int)i == reserved)
		return false;
	return lane->bulk == 0 ||
		lane->bulk + bite_of(c, i) <= bulk_limit(c, i);
}

static void
look_around(struct choice *c)
{
	int reserved = -1;
	unsigned int i, nb_able = 0;

	for (i = CORE + 1; i < c->n; i++) {
		if (!c->lanes[i].usable || c->lanes[i].max_job < ALIGN)
			continue;
		c->able |= RTE_BIT32(i);
		nb_able++;
		reserved = (int)i;
	}
	/* The last able device is kept for small jobs while small jobs wait
	 * and there are two able devices or more. */
	if (nb_able < 2 || !c->wait->small)
		reserved = -1;
	for (i = CORE + 1; i < c->n; i++) {
		double ns;

		if (!(c->able & RTE_BIT32(i)) || !is_open(c, i, reserved))
			continue;
		c->open |= RTE_BIT32(i);
		ns = ferry_sched_predict(&c->lanes[i], c->job->len);
		if (c->best < 0 || ns < c->best_ns) {
			c->best = (int)i;
			c->best_ns = ns;
		}
	}
}

static struct ferry_sched_part
queue(void)
{
	return (struct ferry_sched_part) {
		.lane = FERRY_SCHED_QUEUE, .why = FERRY_SCHED_FULL,
	};
}

/* The core copies a chunk. The chunk ends so that the rest begins aligned. */
static struct ferry_sched_part
core_chunk(const struct choice *c, enum ferry_sched_why why)
{
	uint64_t chunk = c->policy->core_chunk, len = c->job->len;

	/* The core, too, gets bulk in bites: decide on the next bite when the
	 * core has copied the one before. */
	if (c->bulk && c->lanes[CORE].bulk > 0)
		return queue();
	if (len > chunk)
		len = RTE_MAX(chunk, ALIGN) - (c->job->dst + chunk) % ALIGN;
	return (struct ferry_sched_part) {
		.lane = CORE, .why = why, .len = len,
	};
}

static struct ferry_sched_part
core_all(const struct choice *c, enum ferry_sched_why why)
{
	return (struct ferry_sched_part) {
		.lane = CORE, .why = why, .len = c->job->len,
	};
}

/* Give device i at most "most" bytes. The part begins and ends aligned; if the
 * job does not begin aligned, the core gets the bytes up to there first. */
static struct ferry_sched_part
device_part(const struct choice *c, unsigned int i, uint64_t most,
		enum ferry_sched_why why)
{
	uint64_t ragged = -c->job->dst % ALIGN, len = most;

	if (ragged != 0)
		return (struct ferry_sched_part) {
			.lane = CORE, .why = FERRY_SCHED_RAGGED,
			.len = RTE_MIN(ragged, c->job->len),
		};
	if (c->bulk) {
		len = RTE_MIN(len, bite_of(c, i));
		/* If the rest would be too short for a device, take it, too,
		 * so that the core need not copy it. */
		if (most - len < offload_min(c))
			len = most;
	}
	len = RTE_MIN(len, c->lanes[i].max_job);
	return (struct ferry_sched_part) {
		.lane = (int)i, .why = why,
		.len = RTE_ALIGN_FLOOR(len, ALIGN),
	};
}

/* How long it takes until a lane copies the first byte of this job. */
static double
start_of(const struct ferry_sched_lane *lane)
{
	return lane->model.t0_ns + lane->queue_ns;
}

/*
 * When the job is done if the lanes in "who" share it so that all of them
 * finish at the same time.
 */
static double
end_of(const struct choice *c, uint32_t who)
{
	double bytes = (double)c->job->len, rate = 0;
	unsigned int i;

	for (i = 0; i < c->n; i++) {
		const struct ferry_sched_lane *lane = &c->lanes[i];

		if (!(who & RTE_BIT32(i)))
			continue;
		bytes += start_of(lane) * lane->model.bytes_per_ns;
		rate += lane->model.bytes_per_ns;
	}
	return bytes / rate;
}

/* Find the lanes in "who" that would get too small a share by end_ns. Of them,
 * return the lane that begins last; or -1. */
static int
too_little(const struct choice *c, uint32_t who, double end_ns)
{
	double last = 0;
	int worst = -1;
	unsigned int i;

	for (i = 0; i < c->n; i++) {
		const struct ferry_sched_lane *lane = &c->lanes[i];
		double share = (end_ns - start_of(lane)) *
			lane->model.bytes_per_ns;

		/* The core takes any share of one byte or more. */
		if (!(who & RTE_BIT32(i)) || share >= (i == CORE ? 1 :
				(double)c->policy->share_min))
			continue;
		if (worst < 0 || start_of(lane) > last) {
			last = start_of(lane);
			worst = (int)i;
		}
	}
	return worst;
}

/*
 * Divide the job among the core and the open devices. Leave out lanes whose
 * share would be too small. Returns when the job is done; *who: by which lanes.
 */
static double
divide(const struct choice *c, uint32_t *who)
{
	uint32_t set = c->open | RTE_BIT32(CORE);
	double end_ns = end_of(c, set);
	int out;

	while ((set & (set - 1)) != 0 &&
			(out = too_little(c, set, end_ns)) >= 0) {
		set &= ~RTE_BIT32((unsigned int)out);
		end_ns = end_of(c, set);
	}
	*who = set;
	return end_ns;
}

/* The device in "who" that gets the largest share of a job that ends at
 * end_ns, or -1. *share: bytes of that share. */
static int
largest_share(const struct choice *c, uint32_t who, double end_ns,
		uint64_t *share)
{
	double most = 0;
	int best = -1;
	unsigned int i;

	for (i = CORE + 1; i < c->n; i++) {
		double bytes = (end_ns - start_of(&c->lanes[i])) *
			c->lanes[i].model.bytes_per_ns;

		if ((who & RTE_BIT32(i)) && bytes > most) {
			most = bytes;
			best = (int)i;
		}
	}
	*share = most < (double)c->job->len ? (uint64_t)most : c->job->len;
	return best;
}

/*
 * Whether a device that has no room now would still finish the next chunk
 * before the core.
 */
static bool
wait_is_quicker(const struct choice *c)
{
	uint64_t len = RTE_MIN(c->job->len, c->policy->core_chunk);
	double core_ns = ferry_sched_predict(&c->lanes[CORE], len);
	unsigned int i;

	for (i = CORE + 1; i < c->n; i++)
		if ((c->able & ~c->open & RTE_BIT32(i)) &&
				ferry_sched_predict(&c->lanes[i], len) <
				core_ns)
			return true;
	return false;
}

static struct ferry_sched_part
next_latency(const struct choice *c)
{
	double core_ns = ferry_sched_predict(&c->lanes[CORE], c->job->len);
	bool core = c->best < 0 || core_ns <= c->best_ns;
	double one = core ? core_ns : c->best_ns;
	uint64_t share;
	uint32_t who;
	double all;
	int i;

	if (c->open != 0) {
		all = divide(c, &who);
		i = largest_share(c, who, all, &share);
		if ((who & (who - 1)) != 0 && i >= 0 && share >= ALIGN &&
				all < one * (1 - c->policy->gain))
			return device_part(c, (unsigned int)i, share,
				FERRY_SCHED_SPLIT);
	}
	if (core)
		return wait_is_quicker(c) ? queue() :
			core_chunk(c, FERRY_SCHED_BEST);
	return device_part(c, (unsigned int)c->best, c->job->len,
		FERRY_SCHED_BEST);
}

static struct ferry_sched_part
next_throughput(const struct choice *c)
{
	double core_ns = ferry_sched_predict(&c->lanes[CORE], c->job->len);
	double queue_ns = 0;
	bool known = false;
	unsigned int i;

	if (c->best >= 0) {
		queue_ns = c->lanes[c->best].queue_ns;
	} else {
		for (i = CORE + 1; i < c->n; i++) {
			if (!(c->able & RTE_BIT32(i)) || (known &&
					c->lanes[i].queue_ns >= queue_ns))
				continue;
			queue_ns = c->lanes[i].queue_ns;
			known = true;
		}
	}
	if (core_ns < queue_ns)
		return core_chunk(c, FERRY_SCHED_HELP);
	if (c->best < 0)
		return queue();
	return device_part(c, (unsigned int)c->best, c->job->len,
		FERRY_SCHED_BEST);
}

static struct ferry_sched_part
next_efficiency(const struct choice *c)
{
	if (c->best < 0)
		return queue();
	return device_part(c, (unsigned int)c->best, c->job->len,
		FERRY_SCHED_BEST);
}

/* Replace the part by one for a stale device, if there is one and wait.probe_ns
 * covers the loss. True if it was replaced. */
static bool
probe(const struct choice *c, struct ferry_sched_part *part)
{
	struct ferry_sched_part ask;
	double chosen_ns;
	unsigned int i;

	if (part->lane < 0 || !(c->wait->probe_ns > 0))
		return false;
	chosen_ns = ferry_sched_predict(&c->lanes[part->lane], part->len);
	for (i = CORE + 1; i < c->n; i++) {
		double loss;

		if (!(c->open & RTE_BIT32(i)) || !c->lanes[i].stale ||
				(int)i == part->lane)
			continue;
		ask = device_part(c, i, part->len, FERRY_SCHED_PROBE);
		if (ask.lane != (int)i || ask.len == 0)
			continue;
		loss = ferry_sched_predict(&c->lanes[i], ask.len) - chosen_ns;
		if (!(loss <= c->wait->probe_ns))
			continue;
		ask.loss_ns = RTE_MAX(loss, 0.0);
		*part = ask;
		return true;
	}
	return false;
}

struct ferry_sched_part
ferry_sched_next(const struct ferry_sched_policy *policy,
		const struct ferry_sched_job *job,
		const struct ferry_sched_lane *lanes, unsigned int n,
		const struct ferry_sched_wait *wait)
{
	struct choice c = {
		.policy = policy, .job = job, .lanes = lanes,
		.n = RTE_MIN(n, (unsigned int)FERRY_SCHED_MAX_LANES),
		.wait = wait, .best = -1,
		.bulk = ferry_sched_is_bulk(policy, job->whole),
	};
	struct ferry_sched_part part;

	if (job->len < offload_min(&c))
		return core_all(&c, FERRY_SCHED_TINY);
	look_around(&c);
	if (c.able == 0)
		return core_all(&c, FERRY_SCHED_ALONE);
	if (mode_is(job->mode, FERRY_MODE_THROUGHPUT))
		part = next_throughput(&c);
	else if (mode_is(job->mode, FERRY_MODE_EFFICIENCY))
		part = next_efficiency(&c);
	else
		part = next_latency(&c);
	if (part.why != FERRY_SCHED_RAGGED)
		probe(&c, &part);
	return part;
}

enum ferry_sched_turn
ferry_sched_turn(const struct ferry_sched_policy *policy, bool small, bool bulk,
		uint64_t passed)
{
	if (bulk && (!small || passed >= policy->small_share))
		return FERRY_SCHED_TURN_BULK;
	return small ? FERRY_SCHED_TURN_SMALL : FERRY_SCHED_TURN_NONE;
}

bool
ferry_sched_flush(const struct ferry_sched_policy *policy, uint32_t jobs,
		uint64_t age_ns, enum ferry_mode mode, bool polled)
{
	if (jobs == 0)
		return false;
	return polled || jobs >= policy->batch || age_ns >= policy->flush_ns ||
		mode_is(mode, FERRY_MODE_LATENCY);
}

uint64_t
ferry_sched_look(const struct ferry_sched_policy *policy, double predicted_ns,
		uint64_t elapsed_ns)
{
	double left = predicted_ns - (double)elapsed_ns;

	/* The job is late, or predicted_ns is not a number: look again after
	 * an eighth of the time that the job has taken. */
	if (!(left > 0))
		left = (double)elapsed_ns / 8;
	if (!(left > (double)policy->look_min_ns))
		return policy->look_min_ns;
	if (left > (double)policy->look_max_ns)
		return policy->look_max_ns;
	return (uint64_t)left;
}
