/* SPDX-License-Identifier: BSD-3-Clause */

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_eal.h>

#include "fake_dma.h"
#include "ferry_test.h"

static uint64_t capa_add, capa_without;
static const char *seem_name;
static int seem_max_desc = -1;
static const struct fake_dma *seem_stats;
static bool seem_secondary;

/* All libraries of this process call these functions in place of DPDK's own. */
int
rte_dma_info_get(int16_t dev_id, struct rte_dma_info *info)
{
	int (*real)(int16_t id, struct rte_dma_info *i);
	int ret;

	*(void **)&real = dlsym(RTLD_NEXT, "rte_dma_info_get");
	ret = real(dev_id, info);
	if (ret == 0)
		info->dev_capa = (info->dev_capa | capa_add) & ~capa_without;
	if (ret == 0 && seem_max_desc >= 0)
		info->max_desc = (uint16_t)seem_max_desc;
	if (ret == 0 && seem_name != NULL)
		info->dev_name = seem_name;
	return ret;
}

int
rte_dma_stats_get(int16_t dev_id, uint16_t vchan, struct rte_dma_stats *stats)
{
	int (*real)(int16_t id, uint16_t v, struct rte_dma_stats *s);

	if (seem_stats != NULL) {
		stats->submitted = seem_stats->rung;
		stats->completed = seem_stats->told;
		return 0;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "rte_dma_stats_get");
	return real(dev_id, vchan, stats);
}

enum rte_proc_type_t
rte_eal_process_type(void)
{
	enum rte_proc_type_t (*real)(void);

	*(void **)&real = dlsym(RTLD_NEXT, "rte_eal_process_type");
	return seem_secondary ? RTE_PROC_SECONDARY : real();
}

void
fake_dma_capa(uint64_t add, uint64_t without)
{
	capa_add = add;
	capa_without = without;
}

void
fake_dma_max_desc(int max_desc)
{
	seem_max_desc = max_desc;
}

void
fake_dma_name(const char *name)
{
	seem_name = name;
}

void
fake_dma_secondary(bool on)
{
	seem_secondary = on;
}

static void *
where(const struct fake_dma *fake, rte_iova_t iova)
{
	return fake->where != NULL ? fake->where(iova) :
		(void *)(uintptr_t)iova;
}

static void
run(struct fake_dma *fake)
{
	unsigned int i;

	if (fake->pauses > 0) {
		fake->pauses--;
		rte_delay_us_sleep(fake->pause_us);
		return;
	}
	if (fake->nap_ns != 0) {
		uint64_t now = ferry_test_now_ns();

		if (now - fake->ran_ns < fake->nap_ns)
			return;
		fake->ran_ns = now;
	}
	for (i = 0; i < fake->pace && !fake->hang && !fake->halted; i++) {
		struct fake_dma_op *op = &fake->ring[fake->ran % FAKE_RING];

		if (fake->ran == fake->rung)
			return;
		op->code = fake->verdict != NULL ? fake->verdict(fake->ran) :
			RTE_DMA_STATUS_SUCCESSFUL;
		if (op->code == RTE_DMA_STATUS_SUCCESSFUL) {
			if (op->len > 0)
				memcpy(where(fake, op->dst),
					where(fake, op->src), op->len);
		} else if (fake->ioat) {
			/* Until the driver restarts the channel. */
			fake->halted = true;
			return;
		}
		fake->ran++;
	}
}

/*
 * The driver of ioat meets the operation at which the channel halted: the
 * channel goes on behind it, or it does not.
 */
static bool
recover(struct fake_dma *fake)
{
	if (fake->unrecoverable)
		return false;
	fake->halted = false;
	fake->ran++;
	return true;
}

/* Good completions as the driver of ioat computes them, from ring positions. */
static uint16_t
ioat_count(const struct fake_dma *fake, uint16_t max)
{
	uint64_t count = (fake->ran - fake->told) % FAKE_RING;

	return (uint16_t)RTE_MIN(count, max);
}

/* As ioat_completed() of DPDK 22.11 does it, with its faults. */
static uint16_t
ioat_completed(struct fake_dma *fake, uint16_t max, uint16_t *last_idx,
		bool *has_error)
{
	uint16_t n;

	if (fake->failure != RTE_DMA_STATUS_SUCCESSFUL) {
		*has_error = true;
		*last_idx = fake->told - 2;
		return 0;
	}
	n = ioat_count(fake, max);
	fake->told += n;
	*last_idx = fake->told - 1;
	if (n == max || !fake->halted)
		return n;
	*has_error = true;
	fake->failure = fake->ring[fake->told++ % FAKE_RING].code;
	return recover(fake) ? n : 0;
}

/* As ioat_completed_status() of DPDK 22.11 does it, with its faults. */
static uint16_t
ioat_completed_status(struct fake_dma *fake, uint16_t max, uint16_t *last_idx,
		enum rte_dma_status_code *codes)
{
	uint16_t n = ioat_count(fake, max), i;

	for (i = 0; i < RTE_MIN(n + 1, (int)max); i++)
		codes[i] = RTE_DMA_STATUS_SUCCESSFUL;
	fake->told += n;
	if (n != max && fake->halted) {
		codes[n++] = fake->ring[fake->told++ % FAKE_RING].code;
		if (!recover(fake))
			return 0;
	}
	if (fake->failure != RTE_DMA_STATUS_SUCCESSFUL) {
		codes[0] = fake->failure;
		n = RTE_MIN(n + 1, (int)max);
		fake->failure = RTE_DMA_STATUS_SUCCESSFUL;
	}
	*last_idx = fake->told - 1;
	return n;
}

static int
fake_copy(void *priv, uint16_t vchan, rte_iova_t src, rte_iova_t dst,
		uint32_t len, uint64_t flags)
{
	struct fake_dma *fake = priv;
	int ret = fake->refuse != NULL ? fake->refuse(fake->tries) : 0;

	assert_int_equal(vchan, 0);
	assert_int_not_equal(len, 0);
	fake->tries++;
	if (ret < 0)
		return ret;
	if (fake->made - fake->told >= fake->size)
		return -ENOSPC;
	fake->ring[fake->made % FAKE_RING] = (struct fake_dma_op) {
		.src = src,
		.dst = dst,
		.len = len,
	};
	fake->flags |= flags;
	fake->longest = RTE_MAX(fake->longest, len);
	return fake->made++ & UINT16_MAX;
}

static int
fake_submit(void *priv, uint16_t vchan)
{
	struct fake_dma *fake = priv;

	assert_int_equal(vchan, 0);
	if (fake->bad_doorbells > 0) {
		fake->bad_doorbells--;
		return -EIO;
	}
	/* The lane should not ring for nothing. */
	assert_true(fake->rung < fake->made);
	fake->rung = fake->made;
	fake->doorbells++;
	return 0;
}

static uint16_t
fake_completed(void *priv, uint16_t vchan, const uint16_t max,
		uint16_t *last_idx, bool *has_error)
{
	struct fake_dma *fake = priv;
	uint16_t n = 0;

	assert_int_equal(vchan, 0);
	assert_int_not_equal(max, 0);
	run(fake);
	if (fake->ioat)
		return ioat_completed(fake, max, last_idx, has_error);
	while (n < max && fake->told < fake->ran) {
		if (fake->ring[fake->told % FAKE_RING].code !=
				RTE_DMA_STATUS_SUCCESSFUL) {
			*has_error = true;
			break;
		}
		fake->told++;
		n++;
	}
	*last_idx = fake->told - 1;
	return n;
}

static uint16_t
fake_completed_status(void *priv, uint16_t vchan, const uint16_t max,
		uint16_t *last_idx, enum rte_dma_status_code *codes)
{
	struct fake_dma *fake = priv;
	uint16_t n;

	assert_int_equal(vchan, 0);
	assert_int_not_equal(max, 0);
	run(fake);
	if (fake->ioat)
		return ioat_completed_status(fake, max, last_idx, codes);
	if (fake->lose > 0 && fake->told < fake->ran) {
		fake->lose--;
		fake->told++;
	}
	for (n = 0; n < max && fake->told < fake->ran; n++)
		codes[n] = fake->ring[fake->told++ % FAKE_RING].code;
	*last_idx = fake->told - 1;
	return n + fake->lie_completed;
}

static uint16_t
fake_capacity(const void *priv, uint16_t vchan)
{
	const struct fake_dma *fake = priv;
	uint16_t room = fake->size - (uint16_t)(fake->made - fake->told);
	uint16_t batch = (uint16_t)(fake->made - fake->rung);

	assert_int_equal(vchan, 0);
	if (fake->lie_capacity != 0)
		return fake->lie_capacity;
	if (fake->max_batch != 0)
		room = RTE_MIN(room, fake->max_batch - batch);
	return room;
}

void
fake_dma_skeleton_start(int16_t dev_id, uint16_t nb_desc)
{
	const struct rte_dma_conf conf = { .nb_vchans = 1 };
	const struct rte_dma_vchan_conf vchan = {
		.direction = RTE_DMA_DIR_MEM_TO_MEM,
		.nb_desc = nb_desc,
	};

	assert_int_equal(rte_dma_stop(dev_id), 0);
	assert_int_equal(rte_dma_configure(dev_id, &conf), 0);
	assert_int_equal(rte_dma_vchan_setup(dev_id, 0, &vchan), 0);
	assert_int_equal(rte_dma_start(dev_id), 0);
}

void
fake_dma_install(struct fake_dma *fake, int16_t dev_id)
{
	struct rte_dma_fp_object *fp = &rte_dma_fp_objs[dev_id];

	memset(fake, 0, sizeof(*fake));
	fake->size = 64;
	fake->pace = UINT16_MAX;
	fake->dev_id = dev_id;
	seem_stats = fake;
	fake->saved = *fp;
	fp->dev_private = fake;
	fp->copy = fake_copy;
	fp->submit = fake_submit;
	fp->completed = fake_completed;
	fp->completed_status = fake_completed_status;
	fp->burst_capacity = fake_capacity;
}

void
fake_dma_remove(struct fake_dma *fake)
{
	seem_stats = NULL;
	rte_dma_fp_objs[fake->dev_id] = fake->saved;
}
