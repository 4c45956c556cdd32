/* SPDX-License-Identifier: BSD-3-Clause */

/* Devices that misbehave, as lanes of an engine, and when memory is
 * registered. */

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_dev.h>
#include <rte_dmadev.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "ferry_copier.h"
#include "ferry_copy_driver.h"
#include "ferry_engine.h"
#include "ferry_memory.h"
#include "ferry_reach.h"
#include "hub_fixture.h"

#define PAGES (16 * UINT64_C(4096))

/* A device in place of dma_skeleton: it says of each copy this, and makes it or
 * does not. Of its first copies so many fail. */
static struct {
	bool on;
	bool copies;
	unsigned int fails;
	unsigned int starts;
	void *dst;
	const void *src;
	uint32_t len;
} device;

static int
device_copy(void *priv, uint16_t vchan, rte_iova_t src, rte_iova_t dst,
		uint32_t len, uint64_t flags)
{
	(void)priv;
	(void)vchan;
	(void)flags;
	device.src = (const void *)(uintptr_t)src;
	device.dst = (void *)(uintptr_t)dst;
	device.len = len;
	return 0;
}

static uint16_t
device_completed(void *priv, uint16_t vchan, const uint16_t n, uint16_t *last,
		enum rte_dma_status_code *status)
{
	(void)priv;
	(void)vchan;
	(void)n;
	*last = 0;
	if (device.fails > 0) {
		device.fails--;
		*status = RTE_DMA_STATUS_BUS_READ_ERROR;
		return 1;
	}
	if (device.copies)
		memcpy(device.dst, device.src, device.len);
	*status = RTE_DMA_STATUS_SUCCESSFUL;
	return 1;
}

/* In place of DPDK's: the skeleton is started, and another device works. */
int
rte_dma_start(int16_t id)
{
	int (*real)(int16_t id) = (int (*)(int16_t))(uintptr_t)dlsym(
		RTLD_NEXT, "rte_dma_start");
	int ret = real(id);

	if (ret == 0 && device.on) {
		rte_dma_fp_objs[id].copy = device_copy;
		rte_dma_fp_objs[id].completed_status = device_completed;
		device.starts++;
	}
	return ret;
}

/* How mapping memory for a device ends: 0, or -1 with an error. */
static struct {
	int result;
	int error;
	unsigned int maps;
	unsigned int unmaps;
} iommu;

/* In place of DPDK's. */
int
rte_dev_dma_map(struct rte_device *dev, void *addr, uint64_t iova, size_t len)
{
	assert_string_equal(rte_dev_name(dev), "dma_skeleton");
	assert_int_equal(iova, (uintptr_t)addr);
	assert_int_equal(len, PAGES);
	iommu.maps++;
	rte_errno = iommu.error;
	return iommu.result;
}

int
rte_dev_dma_unmap(struct rte_device *dev, void *addr, uint64_t iova,
		size_t len)
{
	assert_string_equal(rte_dev_name(dev), "dma_skeleton");
	assert_int_equal(iova, (uintptr_t)addr);
	assert_int_equal(len, PAGES);
	iommu.unmaps++;
	return 0;
}

static int
eal_start(void **state)
{
	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	return ferry_test_eal_start(NULL, "--vdev=dma_skeleton",
		"--socket-limit=192", NULL);
}

static void
a_device_is_believed_by_what_it_copies(void **state)
{
	struct ferry_engine *e;
	struct ferry_hub *hub;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 16 * MIB, 0, 0);
	assert_int_equal(ferry_engine_create(&e, hub, NULL), 0);
	device.on = true;
	/* It says that it has copied. */
	device.copies = false;
	device.starts = 0;
	assert_int_equal(ferry_engine_add_devices(e,
		ferry_copy_dmadev(), NULL), -EIO);
	assert_true(device.starts > 1);
	/* It says that it has not. */
	device.copies = true;
	device.fails = 100;
	assert_int_equal(ferry_engine_add_devices(e,
		ferry_copy_dmadev(), NULL), -EIO);
	/* A failure that starting it anew cures. */
	device.fails = 1;
	device.starts = 0;
	assert_int_equal(ferry_engine_add_devices(e,
		ferry_copy_dmadev(), NULL), 1);
	assert_int_equal(device.starts, 2);
	device.on = false;
	ferry_engine_destroy(e);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

/* Who reaches memory, to an asker who knows nothing. */
static enum ferry_reach
reach_of(uint64_t addr, uint64_t len)
{
	struct ferry_reach_view view = { 0 };

	return ferry_reach(&view, addr, len);
}

static void
memory_that_a_device_cannot_have_is_not_registered(void **state)
{
	struct ferry_endpoint *ep;
	struct ferry_hub *hub;
	void *mem;

	(void)state;
	ferry_test_need_eal();
	if (rte_eal_iova_mode() != RTE_IOVA_VA) {
		print_message("skipped: no device's addresses are mapped\n");
		skip();
	}
	mem = mmap(NULL, PAGES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(mem != MAP_FAILED);
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	ep = hub_join(HUB, "e");
	/* It is mapped; what went wrong before does not matter. */
	memset(&iommu, 0, sizeof(iommu));
	iommu.error = EIO;
	assert_int_equal(ferry_register(ep, mem, PAGES), 0);
	assert_int_equal(iommu.maps, 1);
	assert_int_equal(iommu.unmaps, 0);
	assert_int_equal(ferry_unregister(ep, mem, PAGES), 0);
	assert_int_equal(iommu.unmaps, 1);
	/* The device takes addresses as they are. */
	iommu.result = -1;
	iommu.error = ENOTSUP;
	assert_int_equal(ferry_register(ep, mem, PAGES), 0);
	assert_int_equal(reach_of((uintptr_t)mem, PAGES), FERRY_REACH_HERE);
	assert_int_equal(ferry_unregister(ep, mem, PAGES), 0);
	/* It cannot have it. */
	iommu.error = ENOMEM;
	assert_int_equal(ferry_register(ep, mem, PAGES), -ENOMEM);
	assert_int_equal(reach_of((uintptr_t)mem, 1), FERRY_REACH_PRIVATE);
	assert_int_equal(ferry_unregister(ep, mem, PAGES), -ENOENT);
	ferry_detach(ep);
	assert_int_equal(ferry_hub_destroy(hub), 0);
	munmap(mem, PAGES);
}

/* A lane that takes jobs and never ends one; what closing it says. */
static int hung_close_result;

static int
hung_open(struct ferry_lane *lane, const void *config, int socket)
{
	(void)config;
	(void)socket;
	lane->model.bytes_per_ns = 10;
	lane->info.max_job = UINT64_MAX;
	lane->info.depth = 64;
	strcpy(lane->info.name, "hung");
	return 0;
}

static int
hung_close(struct ferry_lane *lane)
{
	(void)lane;
	return hung_close_result;
}

static uint16_t
hung_submit(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	uint16_t i;

	(void)jobs;
	for (i = 0; i < n; i++)
		ferry_lane_account_in(lane);
	return n;
}

static void
hung_flush(struct ferry_lane *lane)
{
	(void)lane;
}

static uint16_t
hung_poll(struct ferry_lane *lane, struct ferry_copy_done *done, uint16_t n)
{
	(void)lane;
	(void)done;
	(void)n;
	return 0;
}

static const struct ferry_copy_driver hung_driver = {
	.name = "hung",
	.open = hung_open,
	.close = hung_close,
	.submit = hung_submit,
	.flush = hung_flush,
	.poll = hung_poll,
};

/* Time goes by at each look. */
static uint64_t
clock_ns(void *arg)
{
	return *(uint64_t *)arg += 100000;
}

/* Bytes that EAL has given and not got back. */
static uint64_t
eal_bytes(void)
{
	struct rte_malloc_socket_stats stats;
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < rte_socket_count(); i++)
		if (rte_malloc_get_socket_stats(rte_socket_id_by_idx(i),
				&stats) == 0)
			sum += stats.heap_allocsz_bytes;
	return sum;
}

/* A lane that takes 20 us by what it says, and ends its jobs when it may. */
static struct {
	bool may;
	unsigned int n;
	struct ferry_copy_job jobs[64];
} slow;

static int
slow_open(struct ferry_lane *lane, const void *config, int socket)
{
	hung_open(lane, config, socket);
	strcpy(lane->info.name, "slow");
	lane->model.t0_ns = 20000;
	lane->model.bytes_per_ns = 1000;
	return 0;
}

static uint16_t
slow_submit(struct ferry_lane *lane, const struct ferry_copy_job *jobs,
		uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n && slow.n < RTE_DIM(slow.jobs); i++) {
		slow.jobs[slow.n++] = jobs[i];
		ferry_lane_account_in(lane);
	}
	return i;
}

static uint16_t
slow_poll(struct ferry_lane *lane, struct ferry_copy_done *done, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n && slow.may && slow.n > 0; i++) {
		const struct ferry_copy_job *job = &slow.jobs[--slow.n];

		memcpy(job->dst, job->src, job->len);
		done[i] = (struct ferry_copy_done) {
			.cookie = job->cookie, .bytes = job->len,
			.status = FERRY_COPY_OK,
		};
		ferry_lane_account_out(lane, job->len, FERRY_COPY_OK);
	}
	return i;
}

static const struct ferry_copy_driver slow_driver = {
	.name = "slow",
	.open = slow_open,
	.close = hung_close,
	.submit = slow_submit,
	.flush = hung_flush,
	.poll = slow_poll,
};

/* How often the CPU was offered to others. */
static unsigned int yields;

/* In place of the C library's. */
int
sched_yield(void)
{
	yields++;
	return (int)syscall(SYS_sched_yield);
}

/* GATHER_JOBS of engine_runner.c, and a slot for each of them. */
#define GATHER 8
#define SLOT 65536

struct idle {
	struct ferry_engine *engine;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
};

/* Post n messages, and let the engine be idle once while they are copied: how
 * often it offered the CPU. */
static unsigned int
idle_with(struct idle *s, unsigned int n)
{
	static uint8_t payload[SLOT];
	struct ferry_buf bufs[GATHER];
	struct ferry_msg msgs[GATHER];
	unsigned int i, seen;

	for (i = 0; i < n; i++)
		bufs[i] = (struct ferry_buf) { .data = payload, .len = SLOT };
	slow.may = false;
	assert_int_equal(ferry_tx_post(s->tx, bufs, n), n);
	while (ferry_engine_poll(s->engine) != 0)
		;
	assert_int_equal(slow.n, n);
	assert_int_equal(ferry_copier_inflight(ferry_engine_copier(
		s->engine)), n);
	yields = 0;
	ferry_engine_idle(s->engine);
	seen = yields;
	slow.may = true;
	while (ferry_tx_pending(s->tx) > 0)
		ferry_engine_poll(s->engine);
	assert_int_equal(ferry_rx_recv(s->rx, msgs, GATHER), n);
	assert_int_equal(ferry_rx_release(s->rx, msgs, n), 0);
	return seen;
}

static void
an_engine_with_many_copies_under_way_lets_them_gather(void **state)
{
	static const struct ferry_channel_config config = { SLOT, 2 * GATHER };
	struct ferry_endpoint *ep;
	struct ferry_lane *lane;
	struct ferry_hub *hub;
	unsigned int i, seen;
	struct idle s;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 16 * MIB, 0, 0);
	assert_int_equal(ferry_engine_create(&s.engine, hub, NULL), 0);
	hung_close_result = 0;
	assert_int_equal(ferry_lane_open(&lane, &slow_driver, NULL, -1), 0);
	assert_int_equal(ferry_engine_add_lane(s.engine, lane), 0);
	ep = hub_join(HUB, "e");
	assert_int_equal(ferry_tx_open(&s.tx, ep, "c", &config), 0);
	assert_int_equal(ferry_rx_open(&s.rx, ep, "c", &config), 0);
	assert_int_equal(ferry_tx_set_mode(s.tx, FERRY_MODE_EFFICIENCY), 0);
	/* Few are waited for, unless they are late already: a sleep would take
	 * longer. */
	for (i = 0, seen = 0; i < 10000 && seen == 0; i++)
		seen = idle_with(&s, 1);
	assert_true(seen > 0);
	/* Of many, some more are done when it wakes up. */
	for (i = 0; i < 20; i++)
		assert_int_equal(idle_with(&s, GATHER), 0);
	ferry_detach(ep);
	ferry_engine_destroy(s.engine);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
what_is_no_tuning_is_refused(void **state)
{
	struct ferry_copier_tune tune;
	struct ferry_engine *e;
	struct ferry_hub *hub;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 4 * MIB, 0, 0);
	assert_int_equal(ferry_engine_create(&e, hub, NULL), 0);
	ferry_copier_tune(ferry_engine_copier(e), &tune);
	assert_int_equal(ferry_engine_tune(NULL, &tune), -EINVAL);
	assert_int_equal(ferry_engine_tune(e, NULL), -EINVAL);
	tune.hang_factor = -1;
	assert_int_equal(ferry_engine_tune(e, &tune), -EINVAL);
	tune.hang_factor = NAN;
	assert_int_equal(ferry_engine_tune(e, &tune), -EINVAL);
	tune.hang_factor = 3;
	tune.hang_grace_ns = -1;
	assert_int_equal(ferry_engine_tune(e, &tune), -EINVAL);
	tune.hang_grace_ns = 0;
	assert_int_equal(ferry_engine_tune(e, &tune), 0);
	assert_true(ferry_engine_copier(e)->tune.hang_factor == 3);
	ferry_engine_destroy(e);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

#define HUB_BYTES (32 * MIB)

/* All that can be known of a lane, so that nothing is measured. */
static void
give(struct ferry_calib_lane *lane, const char *name, double batch_ns)
{
	unsigned int i;

	strcpy(lane->name, name);
	for (i = 0; i < FERRY_PLACES * FERRY_HEATS; i++) {
		lane->cost[i / FERRY_HEATS][i % FERRY_HEATS] =
			(struct ferry_lane_model) { 100, 10 };
		lane->source[i / FERRY_HEATS][i % FERRY_HEATS] =
			FERRY_CALIB_GIVEN;
	}
	lane->job_ns = 2 * batch_ns;
	lane->batch_ns = batch_ns;
	lane->job_source = FERRY_CALIB_GIVEN;
}

static void
a_job_costs_what_the_cheapest_lane_takes_for_it(void **state)
{
	static const double costs[] = { 50, 33, 50 };
	static struct ferry_calib given, calib;
	uint64_t now = 0;
	const struct ferry_calib_options options = {
		.socket = -1, .budget_ns = 1000000000, .clock = clock_ns,
		.clock_arg = &now, .demote = FERRY_CALIB_DEMOTE_NEVER,
		.given = &given,
	};
	struct ferry_lane *lane;
	struct ferry_engine *e;
	struct ferry_hub *hub;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, HUB_BYTES, 0, 0);
	assert_int_equal(ferry_engine_create(&e, hub, NULL), 0);
	hung_close_result = 0;
	assert_int_equal(ferry_lane_open(&lane, &hung_driver, NULL, -1), 0);
	assert_int_equal(ferry_engine_add_lane(e, lane), 0);
	assert_int_equal(ferry_lane_open(&lane, &slow_driver, NULL, -1), 0);
	assert_int_equal(ferry_engine_add_lane(e, lane), 0);
	given.nb_lanes = 2;
	for (i = 0; i + 1 < RTE_DIM(costs); i++) {
		give(&given.lanes[0], "hung", costs[i]);
		give(&given.lanes[1], "slow", costs[i + 1]);
		assert_int_equal(ferry_engine_calibrate(e, &options, &calib),
			0);
		assert_int_equal(calib.nb_lanes, 3);
		assert_true(ferry_engine_copier(e)->tune.policy.submit_ns ==
			33);
	}
	ferry_engine_destroy(e);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

/* Calibrate an engine with such a lane. Returns what of the hub's memory is
 * lost; *eal is what EAL has not got back when the hub has ended. */
static uint64_t
calibrate_hung(void *mem, int close_result, uint64_t *eal)
{
	uint64_t now = 0, before = eal_bytes();
	const struct ferry_calib_options options = {
		.socket = -1, .budget_ns = 1000000000, .clock = clock_ns,
		.clock_arg = &now, .demote = FERRY_CALIB_DEMOTE_NEVER,
		.mem = mem, .mem_len = mem != NULL ? FERRY_CALIB_MEM_MIN : 0,
	};
	static struct ferry_calib calib;
	struct ferry_hub_info info;
	struct ferry_lane *lane;
	struct ferry_engine *e;
	struct ferry_hub *hub;

	hub = hub_make(HUB, HUB_BYTES, 0, 0);
	assert_int_equal(ferry_engine_create(&e, hub, NULL), 0);
	assert_int_equal(ferry_lane_open(&lane, &hung_driver, NULL, -1), 0);
	assert_int_equal(ferry_engine_add_lane(e, lane), 0);
	hung_close_result = close_result;
	assert_int_equal(ferry_engine_calibrate(e, &options, &calib), 0);
	assert_int_equal(calib.nb_lanes, 2);
	assert_string_equal(calib.lanes[1].name, "hung");
	assert_int_equal(calib.lanes[1].state, FERRY_CALIB_HUNG);
	/* The engine does not use it any more. */
	assert_int_equal(ferry_engine_calibrate(e, &options, &calib), 0);
	assert_int_equal(calib.nb_lanes, 1);
	ferry_hub_info(hub, &info);
	ferry_engine_destroy(e);
	assert_int_equal(ferry_hub_destroy(hub), 0);
	*eal = eal_bytes() - before;
	return info.memory - info.memory_free;
}

static void
memory_that_a_lane_may_write_for_ever_is_given_to_nobody(void **state)
{
	uint64_t eal;
	void *mem;

	(void)state;
	ferry_test_need_eal();
	/* Closing it stops it. */
	assert_int_equal(calibrate_hung(NULL, 0, &eal), 0);
	assert_true(eal < MIB);
	/* The caller's own memory is the caller's affair. */
	mem = aligned_alloc(4096, FERRY_CALIB_MEM_MIN);
	assert_non_null(mem);
	assert_int_equal(calibrate_hung(mem, -EBUSY, &eal), 0);
	assert_true(eal < MIB);
	free(mem);
	/* Neither the hub's users nor EAL's get what was measured with. */
	assert_true(calibrate_hung(NULL, -EBUSY, &eal) >= FERRY_CALIB_MEM_MIN);
	assert_true(eal >= HUB_BYTES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_is_believed_by_what_it_copies),
		cmocka_unit_test(
			memory_that_a_device_cannot_have_is_not_registered),
		cmocka_unit_test(
		memory_that_a_lane_may_write_for_ever_is_given_to_nobody),
		cmocka_unit_test(
			a_job_costs_what_the_cheapest_lane_takes_for_it),
		cmocka_unit_test(what_is_no_tuning_is_refused),
		cmocka_unit_test(
			an_engine_with_many_copies_under_way_lets_them_gather),
	};

	return cmocka_run_group_tests(tests, eal_start, NULL);
}
