/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* RTE_LOG_REGISTER_SUFFIX() puts this before the suffix. */
#define RTE_LOG_DEFAULT_LOGTYPE ferry.copy

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_dmadev.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "dmadev_device.h"
#include "dmadev_log.h"
#include "dmadev_plan.h"
#include "dmadev_probe.h"
#include "dmadev_stop.h"
#include "ferry_copy_driver.h"
#include "ferry_watch.h"

/* A lane rings the device's doorbell once for so many operations, because each
 * doorbell costs the core time. */
#define DOORBELL_OPS 32
/* Longest job. The device does not limit it, because jobs are cut up. The limit
 * keeps sums of lengths far below 2^64. */
#define MAX_JOB (UINT64_C(1) << 40)
/* Default of ferry_copy_dmadev_config.close_wait_ms. */
#define CLOSE_WAIT_MS 1000
#define CLOSE_NAP_US 20
/* The closing lane waits this much longer for each byte in the device. Every
 * device copies faster than that. */
#define CLOSE_NS_PER_BYTE 1

/* Seeds of the cost model, used until the lane is calibrated: published figures
 * of a DSA. */
#define SEED_T0_NS 1000
#define SEED_BYTES_PER_NS 30

RTE_LOG_REGISTER_SUFFIX(copy_dmadev_logtype, dmadev, NOTICE)

/* A job from submit until its completion is polled. */
struct dmadev_job {
	uint64_t src;
	uint64_t dst;
	uint64_t len;
	uint64_t cookie;
	/* How many bytes, from the start of the job, are copied without a
	 * gap. */
	uint64_t good;
	/* How many operations of the job are in the device. */
	uint32_t ops;
	/* Status of the job's first failure. After a failure, no more
	 * operations are made. */
	enum ferry_copy_status status;
	/* An operation has failed. So operations that succeed after it do not
	 * count in good. */
	bool hole;
	bool cached;
};

/* An operation in the device. */
struct dmadev_flight {
	uint32_t job;
	uint32_t len;
	/* The number that rte_dma_copy() returned for it. */
	uint16_t idx;
};

/*
 * A lane has two rings, one of jobs and one of operations. Free-running
 * counters index both. Jobs leave their ring in the order in which they came.
 * Operations complete in the order in which they were made; dmadev promises
 * that. So a job is done when it is fully cut up and has no operation left in
 * the device.
 *
 * jobs:  head (oldest not polled) <= cut (being cut up) <= tail
 * ops:   op_head (oldest in the device) <= op_tail
 *
 * A completion is believed if the device counts as the lane does: see reap().
 */
struct dmadev_lane {
	int16_t dev_id;
	uint16_t vchan;
	/* Room that the device reported last, less the operations made
	 * since. */
	uint16_t room;
	/* Operations made since the last doorbell. */
	uint16_t unrung;
	uint32_t max_transfer;
	uint32_t close_wait_ms;
	char name[64];
	/* Translates addresses. NULL: the device uses the addresses of the
	 * process. */
	dmadev_page_fn page;
	uint32_t mask;
	uint32_t head, cut, tail;
	uint32_t op_head, op_tail;
	/* The plan below belongs to jobs[cut]. */
	bool cutting;
	/* The device has reported completions that are impossible. The lane
	 * does not use it any more. */
	bool broken;
	/* Closing the lane stops the device. */
	bool stop;
	struct dmadev_plan plan;
	struct dmadev_job *jobs;
	struct dmadev_flight *ops;
	enum rte_dma_status_code *codes;
};

/* Find the page of DPDK's memory that holds va. */
static bool
memseg_page(uint64_t va, struct dmadev_page *page)
{
	const struct rte_memseg *ms;
	uint64_t offset;

	ms = rte_mem_virt2memseg((const void *)(uintptr_t)va, NULL);
	if (ms == NULL || ms->iova == RTE_BAD_IOVA)
		return false;
	offset = va - ms->addr_64;
	/* A page not in use has length 0. */
	if (offset >= ms->len)
		return false;
	page->iova = ms->iova + offset;
	page->len = ms->len - offset;
	return true;
}

static enum ferry_copy_status
status_of(enum rte_dma_status_code code)
{
	switch (code) {
	case RTE_DMA_STATUS_SUCCESSFUL:
		return FERRY_COPY_OK;
	case RTE_DMA_STATUS_USER_ABORT:
	case RTE_DMA_STATUS_NOT_ATTEMPTED:
		return FERRY_COPY_E_ABORTED;
	case RTE_DMA_STATUS_INVALID_SRC_ADDR:
	case RTE_DMA_STATUS_INVALID_DST_ADDR:
	case RTE_DMA_STATUS_INVALID_ADDR:
	case RTE_DMA_STATUS_PAGE_FAULT:
		return FERRY_COPY_E_ADDRESS;
	default:
		return FERRY_COPY_E_DEVICE;
	}
}

/* Record that the oldest operation in the device has ended. */
static void
op_retire(struct dmadev_lane *dl, enum ferry_copy_status status)
{
	const struct dmadev_flight *op = &dl->ops[dl->op_head & dl->mask];
	struct dmadev_job *job = &dl->jobs[op->job & dl->mask];

	dl->op_head++;
	job->ops--;
	if (status == FERRY_COPY_OK) {
		if (!job->hole)
			job->good += op->len;
		return;
	}
	job->hole = true;
	/* Another status replaces ABORTED, because an aborted operation is a
	 * consequence of an error, not the cause. */
	if (job->status == FERRY_COPY_OK ||
			job->status == FERRY_COPY_E_ABORTED)
		job->status = status;
}

/*
 * Whether the completions that the device reports are possible. If not, the
 * operations in the device may be done or not, and the device may still write.
 * So the lane retires no operation any more. The user of the lane sees the lane
 * hang and closes it, which stops the device.
 */
static bool
believable(struct dmadev_lane *dl, uint16_t n, uint32_t flying,
		uint16_t last_idx)
{
	uint16_t last;

	if (n > flying) {
		DMADEV_LOG(ERR, "%s reports %u completions of %u operations: "
			"the lane is given up", dl->name, n, flying);
		return false;
	}
	last = dl->ops[(dl->op_head + n - 1) & dl->mask].idx;
	if (last_idx != last) {
		DMADEV_LOG(ERR, "%s reports operation %u as the last one done, "
			"where it is %u: the lane is given up", dl->name,
			last_idx, last);
		return false;
	}
	return true;
}

/*
 * Take all completions that the device has.
 *
 * The lane never calls rte_dma_completed(), not even before
 * rte_dma_completed_status(), because of two faults of DPDK 22.11. In
 * rte_dma_completed(), ioat restarts the channel. If a second copy fails before
 * the lane asks for the statuses, the statuses are shifted by one: a copy that
 * never took place is reported as done. And if a batch ends early and no
 * descriptor says that it failed, idxd reports the copies that were not made as
 * done.
 *
 * Always with room for all that is in the device, because idxd loses track of a
 * failed batch that is taken in pieces. The depth of the lane bounds it.
 *
 * The number of the last operation is checked, because ioat takes completions
 * without reporting them if it cannot restart the channel, and reports all that
 * is left as done the next time.
 */
static void
reap(struct dmadev_lane *dl)
{
	uint32_t flying = dl->op_tail - dl->op_head;
	uint16_t last_idx = 0, i, n;

	if (flying == 0 || dl->broken)
		return;
	n = rte_dma_completed_status(dl->dev_id, dl->vchan, (uint16_t)flying,
		&last_idx, dl->codes);
	if (n == 0)
		return;
	if (!believable(dl, n, flying, last_idx)) {
		dl->broken = true;
		return;
	}
	for (i = 0; i < n; i++)
		op_retire(dl, status_of(dl->codes[i]));
}

/* Ring the doorbell for all operations made. If that fails, a later call rings
 * it. */
static void
doorbell(struct dmadev_lane *dl)
{
	if (dl->unrung > 0 && rte_dma_submit(dl->dev_id, dl->vchan) == 0)
		dl->unrung = 0;
}

static bool
has_room(struct dmadev_lane *dl)
{
	if (dl->op_tail - dl->op_head > dl->mask)
		return false;
	if (dl->room == 0)
		dl->room = rte_dma_burst_capacity(dl->dev_id, dl->vchan);
	if (dl->room == 0 && dl->unrung > 0) {
		/* The limit may be that of one batch: start this batch and
		 * begin another. */
		doorbell(dl);
		dl->room = rte_dma_burst_capacity(dl->dev_id, dl->vchan);
	}
	return dl->room > 0;
}

/* Make operations of the job jobs[cut]. False if the device has no room for all
 * of them. */
static bool
job_cut(struct dmadev_lane *dl, struct dmadev_job *job)
{
	uint64_t flags = job->cached ? RTE_DMA_OP_FLAG_LLC : 0;
	struct dmadev_op op;
	int ret;

	while (job->status == FERRY_COPY_OK && dl->plan.left > 0) {
		if (!has_room(dl))
			return false;
		if (!dmadev_plan_next(&dl->plan, &op)) {
			/* The memory was mapped at submit, and is not any
			 * more. */
			job->status = FERRY_COPY_E_ADDRESS;
			break;
		}
		ret = rte_dma_copy(dl->dev_id, dl->vchan, op.src, op.dst,
			op.len, flags);
		if (ret == -ENOSPC) {
			dl->room = 0;
			doorbell(dl);
			return false;
		}
		if (ret < 0) {
			job->status = FERRY_COPY_E_DEVICE;
			break;
		}
		dl->ops[dl->op_tail & dl->mask] = (struct dmadev_flight) {
			.job = dl->cut,
			.len = op.len,
			.idx = (uint16_t)ret,
		};
		dl->op_tail++;
		job->ops++;
		dl->room--;
		dmadev_plan_take(&dl->plan, op.len);
		if (++dl->unrung >= DOORBELL_OPS)
			doorbell(dl);
	}
	return true;
}

/* Make operations as long as there are jobs and the device has room. */
static void
pump(struct dmadev_lane *dl)
{
	while (dl->cut != dl->tail && !dl->broken) {
		struct dmadev_job *job = &dl->jobs[dl->cut & dl->mask];

		if (!dl->cutting) {
			dmadev_plan_start(&dl->plan, dl->page,
				dl->max_transfer, job->src, job->dst,
				job->len);
			dl->cutting = true;
		}
		if (!job_cut(dl, job))
			return;
		dl->cutting = false;
		dl->cut++;
	}
}

static bool
job_possible(const struct dmadev_lane *dl, const struct ferry_copy_job *job)
{
	uint64_t src = (uintptr_t)job->src;
	uint64_t dst = (uintptr_t)job->dst;

	if (job->len > MAX_JOB || src + job->len < src || dst + job->len < dst)
		return false;
	return dmadev_plan_reaches(dl->page, src, job->len) &&
		dmadev_plan_reaches(dl->page, dst, job->len);
}

/*
 * Whether the lane does not carry out a placement. RTE_DMA_OP_FLAG_LLC is a
 * hint that no driver of DPDK 22.11 looks at. So only the device's own
 * behaviour counts.
 */
static bool
misplaces(const struct ferry_lane *lane, enum ferry_placement place)
{
	if (place == FERRY_PLACE_CACHE)
		return (lane->info.flags & FERRY_LANE_CACHES) == 0;
	return place != FERRY_PLACE_AUTO;
}

static uint16_t
dmadev_submit(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	struct dmadev_lane *dl = lane->priv;
	uint16_t i;

	for (i = 0; i < n; i++) {
		const struct ferry_copy_job *job = &jobs[i];

		if (dl->broken || dl->tail - dl->head > dl->mask ||
				!job_possible(dl, job))
			break;
		dl->jobs[dl->tail & dl->mask] = (struct dmadev_job) {
			.src = (uintptr_t)job->src,
			.dst = (uintptr_t)job->dst,
			.len = job->len,
			.cookie = job->cookie,
			.status = FERRY_COPY_OK,
			.cached = job->place == FERRY_PLACE_CACHE,
		};
		dl->tail++;
		if (misplaces(lane, job->place))
			lane->stats.misplaced++;
		ferry_lane_account_in(lane);
	}
	pump(dl);
	return i;
}

static void
dmadev_flush(struct ferry_lane *lane)
{
	struct dmadev_lane *dl = lane->priv;

	pump(dl);
	if (!dl->broken)
		doorbell(dl);
}

static uint16_t
dmadev_poll(struct ferry_lane *lane, struct ferry_copy_done *done, uint16_t n)
{
	struct dmadev_lane *dl = lane->priv;
	uint16_t i;

	reap(dl);
	dmadev_flush(lane);
	for (i = 0; i < n && dl->head != dl->cut; i++) {
		const struct dmadev_job *job = &dl->jobs[dl->head & dl->mask];

		if (job->ops > 0)
			break;
		done[i] = (struct ferry_copy_done) {
			.cookie = job->cookie,
			.bytes = job->good,
			.status = job->status,
		};
		dl->head++;
		ferry_lane_account_out(lane, job->len, job->status);
	}
	return i;
}

/* How long the device may take for its next completion, in timer ticks. */
static uint64_t
patience(const struct dmadev_lane *dl)
{
	uint64_t ns = (uint64_t)dl->close_wait_ms * 1000000;
	uint32_t op;

	/* Count the bytes of all operations, because a driver may report
	 * operations only when a whole batch is done. */
	for (op = dl->op_head; op != dl->op_tail; op++)
		ns += (uint64_t)dl->ops[op & dl->mask].len * CLOSE_NS_PER_BYTE;
	return (uint64_t)((double)ns * 1e-9 * (double)rte_get_timer_hz());
}

/* Wait until the device has finished. False if it makes no progress. */
static bool
drain(struct ferry_lane *lane)
{
	struct dmadev_lane *dl = lane->priv;
	struct ferry_watch watch;

	ferry_watch_begin(&watch, rte_get_timer_cycles(), patience(dl));
	while (!dl->broken &&
			(dl->cut != dl->tail || dl->op_head != dl->op_tail)) {
		uint32_t head = dl->op_head, cut = dl->cut;
		uint64_t now = rte_get_timer_cycles();

		reap(dl);
		dmadev_flush(lane);
		if (dl->op_head != head || dl->cut != cut) {
			ferry_watch_begin(&watch, now, patience(dl));
			continue;
		}
		if (ferry_watch_over(&watch, now))
			break;
		rte_delay_us_sleep(CLOSE_NAP_US);
	}
	/*
	 * Only operations in the device count: jobs that the device never got
	 * may be dropped. In a broken lane some operations are left.
	 */
	return dl->op_head == dl->op_tail;
}

static void
dmadev_free(struct dmadev_lane *dl)
{
	if (dl == NULL)
		return;
	rte_free(dl->jobs);
	rte_free(dl->ops);
	rte_free(dl->codes);
	rte_free(dl);
}

static int
dmadev_close(struct ferry_lane *lane)
{
	struct dmadev_lane *dl = lane->priv;
	int ret = 0;

	if (!drain(lane)) {
		DMADEV_LOG(ERR, "%s: %u operations do not end, stopping device",
			lane->info.name, dl->op_tail - dl->op_head);
		ret = dmadev_stop(dl->dev_id, dl->name, dl->close_wait_ms);
	} else if (dl->stop) {
		rte_dma_stop(dl->dev_id);
	}
	/*
	 * Free the lane even if the device still runs. The device knows only
	 * destinations and the rings of its driver; it does not write to the
	 * lane's memory.
	 */
	dmadev_free(dl);
	return ret;
}

static struct dmadev_lane *
dmadev_alloc(uint32_t depth, int socket)
{
	struct dmadev_lane *dl;

	dl = rte_zmalloc_socket("ferry_dmadev", sizeof(*dl),
		RTE_CACHE_LINE_SIZE, socket);
	if (dl == NULL)
		return NULL;
	dl->mask = depth - 1;
	dl->jobs = rte_zmalloc_socket("ferry_dmadev", depth * sizeof(*dl->jobs),
		RTE_CACHE_LINE_SIZE, socket);
	dl->ops = rte_zmalloc_socket("ferry_dmadev", depth * sizeof(*dl->ops),
		RTE_CACHE_LINE_SIZE, socket);
	dl->codes = rte_zmalloc_socket("ferry_dmadev",
		depth * sizeof(*dl->codes), RTE_CACHE_LINE_SIZE, socket);
	if (dl->jobs == NULL || dl->ops == NULL || dl->codes == NULL) {
		dmadev_free(dl);
		return NULL;
	}
	return dl;
}

static int
dmadev_open(struct ferry_lane *lane, const void *config, int socket)
{
	const struct ferry_copy_dmadev_config *cfg = config;
	struct rte_dma_info info;
	struct dmadev_lane *dl;
	uint32_t depth;
	int ret;

	ret = dmadev_probe(cfg, &info);
	if (ret < 0)
		return ret;
	depth = dmadev_probe_depth(cfg, &info);
	dl = dmadev_alloc(depth, socket);
	if (dl == NULL)
		return -ENOMEM;
	dl->dev_id = cfg->dev_id;
	dl->vchan = cfg->vchan;
	dl->stop = cfg->stop;
	snprintf(dl->name, sizeof(dl->name), "%s", info.dev_name);
	dl->max_transfer = dmadev_probe_max_transfer(cfg, &info);
	dl->close_wait_ms = cfg->close_wait_ms != 0 ? cfg->close_wait_ms :
		CLOSE_WAIT_MS;
	dl->page = info.dev_capa & RTE_DMA_CAPA_SVA ? NULL : memseg_page;

	ret = dmadev_probe_idle(dl->dev_id, dl->vchan, dl->codes, depth,
		dl->close_wait_ms);
	if (ret < 0) {
		dmadev_free(dl);
		return ret;
	}

	snprintf(lane->info.name, sizeof(lane->info.name), "dmadev:%s/%u",
		info.dev_name, cfg->vchan);
	lane->info.max_job = MAX_JOB;
	lane->info.depth = depth;
	if (dmadev_probe_caches(&info))
		lane->info.flags |= FERRY_LANE_CACHES;
	lane->model.t0_ns = SEED_T0_NS;
	lane->model.bytes_per_ns = SEED_BYTES_PER_NS;
	lane->priv = dl;
	return 0;
}

const struct ferry_copy_driver *
ferry_copy_dmadev(void)
{
	static const struct ferry_copy_driver driver = {
		.name = "dmadev",
		.open = dmadev_open,
		.close = dmadev_close,
		.submit = dmadev_submit,
		.flush = dmadev_flush,
		.poll = dmadev_poll,
		.device_next = dmadev_device_next,
		.device_open = dmadev_device_open,
	};

	return &driver;
}
