/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How bulk messages are measured: all that are compared in turn, in slices of
 * the same channel and rings.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bulk.h"
#include "ferry_bulk.h"
#include "measure.h"
#include "plugin.h"
#include "work.h"

/* Patience with a device that hangs: a thousand times what a claim takes. */
#define STALL_PATIENCE_MS 20

#define MIB (UINT64_C(1) << 20)
/* Most that are compared in a scenario. */
#define ENTRANTS 9
/* Messages before the first slice where ferry chooses who copies: it tries each
 * of three ways with a few. */
#define WARM_UP UINT64_C(24)
/* Most lanes of an engine whose shares are told. */
#define LANES_TOLD 8
/* Channels of the hub: a few more than are needed. */
#define CHANNELS 16
/* What a message may take beside its destination. */
#define MEMORY_EXTRA_MIB 16

/* Who takes part. */
struct entrant {
	/* NULL: by its kernel. */
	const char *name;
	enum side_wire wire;
	uint32_t by;
	enum ferry_placement place;
	/* memcpy(), not the best kernel; of the bare ones. */
	bool libc;
	/* With the engine. */
	bool served;
	/* The receiver reads nothing before all is there. */
	bool whole;
};

struct race {
	struct measurement *m;
	const struct entrant *entrants;
	uint32_t n;
	struct contender *c;
	char names[ENTRANTS][24];
};

static int
race_init(struct race *r, struct measurement *m,
		const struct entrant *entrants, uint32_t n)
{
	struct contender *c;
	uint32_t i;

	*r = (struct race){ .m = m, .entrants = entrants, .n = n };
	r->c = calloc(n, sizeof(*r->c));
	if (r->c == NULL)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		c = &r->c[i];
		scenario_job(m->sc, &m->p->o, false, &c->job);
		c->job.wire = entrants[i].wire;
		c->job.by = entrants[i].by;
		c->job.place = entrants[i].place;
		if (entrants[i].whole)
			c->job.step = c->job.len;
		c->served = entrants[i].served;
		snprintf(r->names[i], sizeof(r->names[i]), "%s",
			entrants[i].name != NULL ? entrants[i].name : "");
		c->name = r->names[i];
	}
	return 0;
}

static void
race_fini(struct race *r)
{
	free(r->c);
}

static bool
is_bare(const struct contender *c)
{
	return c->job.wire == WIRE_BARE || c->job.wire == WIRE_BARE_TWO;
}

/* Send so many messages that the channel has learned who copies best. */
static int
warm_up(struct race *r, struct contender *c)
{
	const uint64_t n = c->job.n;
	int ret;

	c->job.n = RTE_ALIGN_MUL_CEIL(WARM_UP, bulk_period(&c->job));
	ret = measure_run(r->m, c, 0);
	c->job.n = n;
	return ret;
}

/* How many messages a slice has, and which kernel copies. */
static int
race_calibrate(struct race *r, uint32_t i)
{
	struct contender *c = &r->c[i];
	int ret = measure_calibrate(r->m, c);

	if (ret == 0 && c->job.wire == WIRE_BULK && c->job.by == 0 &&
			!r->m->p->o.smoke)
		ret = warm_up(r, c);
	if (ret != 0 || !is_bare(c))
		return ret;
	if (!r->entrants[i].libc)
		ret = measure_choose_kernel(r->m, c);
	if (r->entrants[i].name == NULL)
		snprintf(r->names[i], sizeof(r->names[i]), "%dx %s",
			c->job.wire == WIRE_BARE ? 1 : 2,
			r->m->p->side.kernels[c->job.kernel]->name);
	return ret;
}

/* Whether one of their values is better than another. */
static bool
is_better(const struct race *r, double a, double b)
{
	return work_of(&r->c[0].job)->is_time ? a < b : a > b;
}

/* Slices of all in turn; to be given to race_fini(), whatever it returns. */
static int
race_hold(struct race *r, struct measurement *m,
		const struct entrant *entrants, uint32_t n)
{
	int ret = race_init(r, m, entrants, n);
	uint32_t i, k;

	for (k = 0; k < n && ret == 0; k++)
		ret = race_calibrate(r, k);
	for (i = 0; i < m->runs && ret == 0; i++)
		for (k = 0; k < n && ret == 0; k++)
			ret = measure_slice(m, &r->c[k], i);
	return ret;
}

/* Which of those from first to last has the best median. */
static uint32_t
race_best(const struct race *r, uint32_t first, uint32_t last)
{
	double best = 0, is;
	uint32_t k, found = first;

	for (k = first; k <= last; k++) {
		is = measure_median(r->c[k].values[VALUE_MAIN], r->m->runs);
		if (k > first && !is_better(r, is, best))
			continue;
		best = is;
		found = k;
	}
	return found;
}

/* A row: entrant k beside entrant bound. */
static int
race_row(struct race *r, uint32_t k, uint32_t bound, uint32_t v,
		const char *metric, const struct target *t)
{
	struct measurement *m = r->m;
	struct row row;

	m->ferry = r->c[k];
	m->bound = r->c[bound];
	measure_row(m, &row, v, metric, "GB/s");
	if (work_of(&m->ferry.job)->is_time) {
		row.unit = "us";
		row.value /= 1e3;
		row.bound_value /= 1e3;
	}
	if (v == VALUE_MAIN)
		measure_row_times(m, &row);
	if (m->ferry.served)
		row.dma = measure_median(m->ferry.values[VALUE_DMA], m->runs);
	return measure_report(m, &row, t);
}

/* Rows of all from first to last, by their names. */
static int
race_rows(struct race *r, uint32_t first, uint32_t last, uint32_t bound)
{
	int ret = 0;

	for (; first <= last && ret == 0; first++)
		ret = race_row(r, first, bound, VALUE_MAIN, r->names[first],
			NULL);
	return ret;
}

static int
measure_one_way(struct measurement *m)
{
	static const struct entrant entrants[] = {
		{ .name = "bulk", .wire = WIRE_BULK },
		{ .wire = WIRE_BARE_TWO },
		{ .wire = WIRE_BARE },
		{ .name = "1x memcpy", .wire = WIRE_BARE, .libc = true },
	};
	struct race r;
	int ret = race_hold(&r, m, entrants, RTE_DIM(entrants));

	if (ret == 0)
		ret = race_row(&r, 0, 1, VALUE_MAIN, "one way", m->sc->target);
	if (ret == 0)
		ret = race_rows(&r, 2, 3, 1);
	race_fini(&r);
	return ret;
}

static int
measure_stream(struct measurement *m)
{
	static const struct entrant entrants[] = {
		{ .name = "automatic", .wire = WIRE_BULK },
		{ .name = "by tx", .wire = WIRE_BULK, .by = FERRY_BULK_TX },
		{ .name = "by rx", .wire = WIRE_BULK, .by = FERRY_BULK_RX },
		{ .name = "by both", .wire = WIRE_BULK,
			.by = FERRY_BULK_TX | FERRY_BULK_RX },
		{ .wire = WIRE_BARE },
		{ .wire = WIRE_BARE_TWO },
	};
	struct race r;
	uint32_t bound;
	int ret = race_hold(&r, m, entrants, RTE_DIM(entrants));

	if (ret == 0) {
		bound = race_best(&r, 4, 5);
		ret = race_row(&r, 0, bound, VALUE_MAIN, "throughput",
			m->sc->target);
		if (ret == 0)
			ret = race_row(&r, 0, race_best(&r, 1, 3), VALUE_MAIN,
				"automatic", m->sc->target);
		if (ret == 0)
			ret = race_rows(&r, 1, 3, bound);
		/* The other one of the two. */
		if (ret == 0)
			ret = race_rows(&r, 9 - bound, 9 - bound, bound);
	}
	race_fini(&r);
	return ret;
}

static int
measure_read(struct measurement *m)
{
	static const struct entrant entrants[] = {
		{ .name = "at once", .wire = WIRE_BULK },
		{ .name = "await all", .wire = WIRE_BULK, .whole = true },
		{ .name = "to memory", .wire = WIRE_BULK,
			.place = FERRY_PLACE_MEMORY },
		{ .name = "to cache", .wire = WIRE_BULK,
			.place = FERRY_PLACE_CACHE },
	};
	struct race r;
	int ret = race_hold(&r, m, entrants, RTE_DIM(entrants));

	if (ret == 0)
		ret = race_row(&r, 0, 1, VALUE_MAIN, "all read", m->sc->target);
	if (ret == 0)
		ret = race_row(&r, 0, 1, VALUE_SECOND, "first byte", NULL);
	if (ret == 0)
		ret = race_rows(&r, 2, 3, 1);
	race_fini(&r);
	return ret;
}

static int
measure_smooth(struct measurement *m)
{
	static const struct entrant entrants[] = {
		{ .name = "bulk", .wire = WIRE_BULK },
		{ .name = "eager", .wire = WIRE_COPY },
		{ .name = "by tx", .wire = WIRE_BULK, .by = FERRY_BULK_TX },
		{ .name = "by rx", .wire = WIRE_BULK, .by = FERRY_BULK_RX },
		{ .name = "by both", .wire = WIRE_BULK,
			.by = FERRY_BULK_TX | FERRY_BULK_RX },
		{ .name = "to memory", .wire = WIRE_BULK,
			.place = FERRY_PLACE_MEMORY },
		{ .name = "to cache", .wire = WIRE_BULK,
			.place = FERRY_PLACE_CACHE },
		{ .wire = WIRE_BARE },
		{ .wire = WIRE_BARE_TWO },
	};
	struct race r;
	uint32_t best;
	int ret = race_hold(&r, m, entrants, RTE_DIM(entrants));

	if (ret == 0) {
		/* The bound is the best of those that differ in who copies.
		 * "to memory" and "to cache" do not count, because placement
		 * matters only to a receiver that reads what arrives. */
		best = race_best(&r, 1, 4);
		ret = race_row(&r, 0, best, VALUE_MAIN, "bulk", m->sc->target);
		if (ret == 0)
			ret = race_rows(&r, 1, r.n - 1, best);
	}
	race_fini(&r);
	return ret;
}

static int
measure_work(struct measurement *m)
{
	static const struct entrant entrants[] = {
		{ .name = "bulk", .wire = WIRE_BULK },
		{ .wire = WIRE_BARE },
	};
	struct race r;
	int ret = race_hold(&r, m, entrants, RTE_DIM(entrants));

	if (ret == 0)
		ret = race_row(&r, 0, 1, VALUE_MAIN, "throughput", NULL);
	race_fini(&r);
	return ret;
}

/* What memory messages take. */
struct memory {
	struct perf *p;
	/* The follower's process, if it is another one; else 0. */
	int32_t pid;
	/* What is no message's: the sender's ring, all private memory. */
	uint64_t others;
	uint64_t peak;
};

/* Resident bytes of a process, without hugepages: these are the hub's. */
static uint64_t
resident(int32_t pid)
{
	char path[48], line[128];
	uint64_t kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %" SCNu64, &kib) == 1)
			break;
	fclose(f);
	return kib << 10;
}

/* All but the channels' own. */
static uint64_t
memory_used(struct memory *mem)
{
	struct ferry_hub_channel all[CHANNELS];
	struct ferry_hub_info info;
	uint64_t used = resident(getpid());
	uint32_t i, n;

	n = ferry_hub_channels(mem->p->lanes.hub, all, CHANNELS);
	ferry_hub_info(mem->p->lanes.hub, &info);
	used += info.memory - info.memory_free;
	for (i = 0; i < RTE_MIN(n, (uint32_t)CHANNELS); i++) {
		used -= all[i].memory;
		if (all[i].rx.pid != 0 && all[i].rx.pid != getpid())
			mem->pid = all[i].rx.pid;
	}
	return mem->pid != 0 ? used + resident(mem->pid) : used;
}

static void
memory_sample(void *arg)
{
	struct memory *mem = arg;
	const uint64_t used = memory_used(mem);

	mem->peak = RTE_MAX(mem->peak, used);
}

static int
measure_memory(struct measurement *m)
{
	struct memory mem = { .p = m->p };
	struct contender *c = &m->ferry;
	struct target target;
	double mib, payload;
	struct row row;
	int ret;

	scenario_job(m->sc, &m->p->o, false, &c->job);
	c->job.n = 1;
	memory_used(&mem);
	mem.others = resident(getpid()) + c->job.reserve;
	if (mem.pid != 0)
		mem.others += resident(mem.pid);
	m->p->side.sample = memory_sample;
	m->p->side.sample_arg = &mem;
	/* What only a first message makes counts, too. */
	ret = measure_run(m, c, SIDE_CHECK);
	if (ret == 0)
		ret = measure_run(m, c, 0);
	m->p->side.sample = NULL;
	if (ret != 0)
		return ret;
	payload = (double)c->job.len / MIB;
	mib = (double)(mem.peak - RTE_MIN(mem.others, mem.peak)) / MIB;
	row_init(&row, m->sc->name, "peak", "MiB");
	row.value = mib;
	row.bound_value = payload;
	row.ratio = mib / payload;
	snprintf(row.bound, sizeof(row.bound), "message");
	target = *m->sc->target;
	target.value_max = payload + MEMORY_EXTRA_MIB;
	return measure_report(m, &row, &target);
}

/* Bytes that each lane of the engine has copied. */
struct lane_bytes {
	uint32_t n;
	uint64_t bytes[LANES_TOLD];
	char name[LANES_TOLD][48];
};

static void
lanes_look(const struct measurement *m, struct lane_bytes *l)
{
	for (l->n = 0; l->n < LANES_TOLD; l->n++)
		if (lanes_lane(&m->p->lanes, l->n, l->name[l->n],
				sizeof(l->name[0]), &l->bytes[l->n]) < 0)
			break;
}

/* What was copied by whom, in served slices. */
struct shares {
	double total;
	double by[2];
	struct lane_bytes before;
	struct lane_bytes after;
};

static void
shares_add(struct shares *s, const struct side_slice *slice)
{
	s->total += (double)slice->bytes;
	s->by[0] += (double)slice->copied[0];
	s->by[1] += (double)slice->copied[1];
}

static int
share_row(struct measurement *m, const char *who, double bytes, double total)
{
	struct row row;

	row_init(&row, m->sc->name, who, "%");
	row.value = 100 * bytes / total;
	return measure_report(m, &row, NULL);
}

static int
shares_rows(struct measurement *m, const struct shares *s)
{
	char name[sizeof(((struct row *)0)->metric)];
	const char *colon;
	uint32_t i;
	int ret = share_row(m, "by sender", s->by[0], s->total);

	if (ret == 0)
		ret = share_row(m, "by receiver", s->by[1], s->total);
	for (i = 0; i < s->after.n && ret == 0; i++) {
		/* Not of what kind, nor which channel, where it is a device. */
		colon = strchr(s->after.name[i], ':');
		snprintf(name, sizeof(name), "by %.*s", (int)sizeof(name) - 4,
			colon != NULL ? colon + 1 : s->after.name[i]);
		name[strcspn(name, "/")] = '\0';
		ret = share_row(m, name, (double)(s->after.bytes[i] -
			s->before.bytes[i]), s->total);
	}
	return ret;
}

/* The same channel, moved to the engine and away from it. In one entrant all
 * participants are asked to copy, so that each copies a share even if the
 * channel has not found that it helps. */
static const struct entrant lane_entrants[] = {
	{ .name = "engine", .wire = WIRE_BULK, .served = true },
	{ .name = "no engine", .wire = WIRE_BULK },
	{ .name = "by all", .wire = WIRE_BULK, .served = true,
		.by = FERRY_BULK_TX | FERRY_BULK_RX | FERRY_BULK_ENGINE },
};

static int
measure_lanes(struct measurement *m)
{
	struct shares shares = { 0 };
	struct race r;
	uint32_t i;
	int ret = race_init(&r, m, lane_entrants, RTE_DIM(lane_entrants));

	for (i = 0; i < r.n && ret == 0; i++)
		ret = race_calibrate(&r, i);
	for (i = 0; i < m->runs && ret == 0; i++) {
		ret = measure_slice(m, &r.c[0], i);
		if (ret == 0)
			ret = measure_slice(m, &r.c[1], i);
	}
	lanes_look(m, &shares.before);
	for (i = 0; i < m->runs && ret == 0; i++) {
		ret = measure_slice(m, &r.c[2], i);
		shares_add(&shares, &m->slice);
	}
	lanes_look(m, &shares.after);
	if (ret == 0)
		ret = race_row(&r, 0, 1, VALUE_MAIN, "one way", NULL);
	if (ret == 0)
		ret = race_row(&r, 2, 1, VALUE_MAIN, "all copy", NULL);
	if (ret == 0)
		ret = shares_rows(m, &shares);
	race_fini(&r);
	return ret;
}

/* No engine, and a device that works. */
static int
engine_end(struct measurement *m)
{
	int ret = measure_close(m->p);

	lanes_end(&m->p->lanes);
	return ret != 0 ? ret : plugin_softdsa_repair();
}

/*
 * A message while the device hangs at its first descriptor, and one after it
 * was given up, if it was; 1 if so.
 */
static int
stall(struct measurement *m, struct race *r, uint32_t i)
{
	uint64_t bytes;
	int ret = engine_end(m), left;

	m->p->lanes.patience_ms = STALL_PATIENCE_MS;
	if (ret == 0)
		ret = lanes_use(&m->p->lanes, m->sc->set);
	m->p->lanes.patience_ms = 0;
	/* One message while the device works, so that everything that a first
	 * message makes is there. */
	if (ret == 0)
		ret = measure_run(m, &r->c[0], 0);
	if (ret == 0)
		ret = plugin_softdsa_set("wq=0,hang=1");
	if (ret == 0)
		ret = measure_slice(m, &r->c[0], i);
	left = lanes_lane(&m->p->lanes, 1, NULL, 0, &bytes);
	if (ret == 0)
		ret = measure_slice(m, &r->c[1], i);
	return ret != 0 ? ret : left;
}

/* Sender, receiver and engine all copy. If the engine did not, the hang of its
 * device would have no effect. */
static const struct entrant stall_entrants[] = {
	{ .name = "engine", .wire = WIRE_BULK, .served = true,
		.by = FERRY_BULK_TX | FERRY_BULK_RX | FERRY_BULK_ENGINE },
	{ .name = "no engine", .wire = WIRE_BULK, .served = true },
};

static int
measure_stall(struct measurement *m)
{
	struct race r;
	uint32_t i, dropped = 0;
	struct row row;
	int ret = race_init(&r, m, stall_entrants, RTE_DIM(stall_entrants));

	for (i = 0; i < r.n && ret == 0; i++) {
		r.c[i].job.n = 1;
		/* The engine goes on, with one lane less. */
		r.c[i].served = true;
		r.c[i].job.flags |= SIDE_CHECK;
	}
	snprintf(r.names[1], sizeof(r.names[1]), "without it");
	for (i = 0; i < m->runs && ret >= 0; i++) {
		ret = stall(m, &r, i);
		dropped += ret > 0;
	}
	if (ret >= 0)
		ret = engine_end(m);
	if (ret == 0)
		ret = race_row(&r, 0, 1, VALUE_MAIN, "one way", NULL);
	if (ret == 0) {
		row_init(&row, m->sc->name, "lane given up", "%");
		row.value = 100.0 * dropped / m->runs;
		ret = measure_report(m, &row, NULL);
	}
	race_fini(&r);
	return ret;
}

int
bulk_measure(struct measurement *m)
{
	switch (m->sc->what) {
	case SCENARIO_BULK:
		return measure_one_way(m);
	case SCENARIO_BULK_STREAM:
		return measure_stream(m);
	case SCENARIO_BULK_READ:
		return measure_read(m);
	case SCENARIO_BULK_SMOOTH:
		return measure_smooth(m);
	case SCENARIO_BULK_MEMORY:
		return measure_memory(m);
	case SCENARIO_BULK_LANES:
		return measure_lanes(m);
	case SCENARIO_BULK_STALL:
		return measure_stall(m);
	default:
		return measure_work(m);
	}
}
