/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A DMA device kept as full as may be by one thread, in batches of 32, without
 * a channel: by rte_dma's calls alone, or through a lane of ferry's. The same
 * device, sources and destinations (the channel's slots) in both.
 *
 * No thread rewrites the sources, and none reads the copies.
 */

#include <errno.h>

#include <rte_cycles.h>
#include <rte_dmadev.h>
#include <rte_memory.h>

#include "work.h"
#include "ferry_lane.h"

/* What hub_dma.c gives an engine's devices. */
#define DESCRIPTORS 2048
/* Completions taken at once. */
#define BITE 128

static int
device_start(int16_t dev, struct rte_dma_info *info, uint16_t *nb_desc)
{
	struct rte_dma_conf conf = { .nb_vchans = 1 };
	struct rte_dma_vchan_conf vchan = {
		.direction = RTE_DMA_DIR_MEM_TO_MEM,
	};
	int ret = rte_dma_info_get(dev, info);

	if (ret != 0)
		return ret;
	*nb_desc = RTE_MAX(info->min_desc,
			RTE_MIN(info->max_desc, (uint16_t)DESCRIPTORS));
	vchan.nb_desc = *nb_desc;
	ret = rte_dma_configure(dev, &conf);
	if (ret == 0)
		ret = rte_dma_vchan_setup(dev, 0, &vchan);
	return ret != 0 ? ret : rte_dma_start(dev);
}

/* How many batches' worth may be under way. */
static uint64_t
most(const struct side *s, uint16_t nb_desc)
{
	/* A descriptor may be the device's own, or the batch's. */
	return RTE_MIN(s->n_slots, (uint32_t)nb_desc / 2);
}

static int
bare(struct side *s, const struct side_job *job, bool sva, uint16_t nb_desc)
{
	const uint64_t depth = most(s, nb_desc);
	uint64_t sent = 0, done = 0, i;
	uint32_t rounds = 0;
	bool failed = false;
	rte_iova_t src, dst;
	uint16_t k;

	while (done < job->n) {
		while (sent < job->n && sent - done + SIDE_BURST <= depth) {
			for (i = 0; i < SIDE_BURST && sent < job->n;
					i++, sent++, s->seq++) {
				const void *from = pool_buf(&s->pool, s->seq);
				void *to = side_next_slot(s);

				src = sva ? (rte_iova_t)(uintptr_t)from :
					rte_mem_virt2iova(from);
				dst = sva ? (rte_iova_t)(uintptr_t)to :
					rte_mem_virt2iova(to);
				if (src == RTE_BAD_IOVA || dst == RTE_BAD_IOVA)
					return -ENOTSUP;
				if (rte_dma_copy(s->dev, 0, src, dst, job->len,
						0) < 0)
					return -EIO;
			}
			if (rte_dma_submit(s->dev, 0) != 0)
				return -EIO;
		}
		k = rte_dma_completed(s->dev, 0, BITE, NULL, &failed);
		if (failed)
			return -EIO;
		done += k;
		if (k == 0 && !side_spin(s, &rounds))
			return -ECANCELED;
	}
	return 0;
}

static int
through_lane(struct side *s, const struct side_job *job,
		struct ferry_lane *lane, uint16_t nb_desc)
{
	const uint64_t depth = most(s, nb_desc);
	struct ferry_copy_job jobs[SIDE_BURST] = { 0 };
	struct ferry_copy_done dones[BITE];
	uint64_t sent = 0, done = 0;
	uint32_t rounds = 0;
	uint16_t k, i, n;

	while (done < job->n) {
		while (sent < job->n && sent - done + SIDE_BURST <= depth) {
			n = (uint16_t)RTE_MIN(job->n - sent,
					(uint64_t)SIDE_BURST);
			for (i = 0; i < n; i++, s->seq++) {
				jobs[i].src = pool_buf(&s->pool, s->seq);
				jobs[i].dst = side_next_slot(s);
				jobs[i].len = job->len;
			}
			if (ferry_lane_submit(lane, jobs, n) != n)
				return -EIO;
			ferry_lane_flush(lane);
			sent += n;
		}
		k = ferry_lane_poll(lane, dones, BITE);
		for (i = 0; i < k; i++)
			if (dones[i].status != FERRY_COPY_OK)
				return -EIO;
		done += k;
		if (k == 0 && !side_spin(s, &rounds))
			return -ECANCELED;
	}
	return 0;
}

/* A checked run has no more copies than there are slots and buffers. */
static void
check_begin(struct side *s, const struct side_job *job)
{
	uint64_t i;

	for (i = 0; i < job->n; i++)
		content_write(pool_buf(&s->pool, s->seq + i), job->len,
				s->seq + i);
}

static uint64_t
check_end(struct side *s, const struct side_job *job, uint32_t slot,
		uint64_t seq)
{
	uint64_t i, bad = 0;

	s->slot_at = slot;
	for (i = 0; i < job->n; i++)
		bad |= content_check(side_next_slot(s), job->len, seq + i);
	return bad;
}

/* The leader alone. s->dev is started, and stopped afterwards. */
static int
device_lead(struct side *s, const struct side_job *job,
		struct side_slice *slice)
{
	const bool checked = (job->flags & SIDE_CHECK) &&
		job->n <= s->n_slots && job->n <= s->pool.mask + 1;
	const uint32_t slot = s->slot_at;
	const uint64_t seq = s->seq;
	struct ferry_lane *lane = NULL;
	struct rte_dma_info info;
	uint16_t nb_desc;
	uint64_t t0;
	int ret;

	ret = device_start(s->dev, &info, &nb_desc);
	if (ret != 0)
		return ret;
	if (job->wire == WIRE_LANE) {
		const struct ferry_copy_dmadev_config config = {
			.dev_id = s->dev,
			.nb_desc = nb_desc,
		};

		ret = ferry_lane_open(&lane, ferry_copy_dmadev(), &config,
				info.numa_node);
	}
	if (checked)
		check_begin(s, job);
	t0 = rte_rdtsc();
	if (ret == 0)
		ret = lane != NULL ? through_lane(s, job, lane, nb_desc) :
			bare(s, job, info.dev_capa & RTE_DMA_CAPA_SVA,
				nb_desc);
	slice->busy = rte_rdtsc() - t0;
	histogram_record(&slice->hist, slice->busy / RTE_MAX(job->n,
			UINT64_C(1)));
	if (checked && ret == 0)
		slice->bad |= check_end(s, job, slot, seq);
	/* No message was sent: what is in the buffers is as good as before. */
	s->seq = seq;
	ferry_lane_close(lane);
	rte_dma_stop(s->dev);
	return ret;
}

static int
device_follow(struct side *s, const struct side_job *job, struct side_ack *ack)
{
	RTE_SET_USED(s);
	RTE_SET_USED(job);
	RTE_SET_USED(ack);
	return -ENOTSUP;
}

static bool
wants_slots(const struct side *s, const struct side_job *job)
{
	RTE_SET_USED(s);
	RTE_SET_USED(job);
	return true;
}

static uint64_t
least(const struct side_job *job)
{
	RTE_SET_USED(job);
	return 64;
}

const struct work device_work = {
	.lead = device_lead,
	.follow = device_follow,
	.wants_slots = wants_slots,
	.is_alone = work_always,
	.least = least,
	.numbers = work_sending,
	.ways = 1,
};
