/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Devices that wake up after the engine has given them up. Either a device can
 * no longer write the destinations of its jobs, or no thread uses these any
 * more.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "ferry_copier.h"
#include "ferry_memory.h"
#include "ferry_test.h"
#include "fleet.h"

#define HUB "stop"
#define SLOT UINT32_C(65536)
#define SLOTS 8
#define HUB_BYTES (UINT64_C(8) << 20)
#define MS UINT64_C(1000000)
/* The device sleeps so long; all is decided well before that, in half a second
 * on an idle machine. */
#define SLEEP_MS 8000
/* And a lane is given up after so long, and then as long again twice. */
#define PATIENCE_MS 100

/* One channel, both ends and the engine in this thread. */
struct stage {
	struct ferry_hub *hub;
	struct ferry_engine *engine;
	struct ferry_endpoint *a, *b;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	uint8_t *payload[SLOTS];
	/* When the device wakes up. */
	uint64_t late_ns;
};

static const struct ferry_channel_config channel = {
	.slot_size = SLOT, .n_slots = SLOTS,
};

static void
stage_open(struct stage *s, const char *name)
{
	assert_int_equal(ferry_tx_open(&s->tx, s->a, name, &channel), 0);
	assert_int_equal(ferry_rx_open(&s->rx, s->b, name, &channel), 0);
	assert_int_equal(ferry_tx_set_mode(s->tx, FERRY_MODE_EFFICIENCY), 0);
}

static void
stage_start(struct stage *s)
{
	const struct ferry_hub_config hub = {
		.name = HUB, .socket = -1, .memory = HUB_BYTES,
	};
	const struct ferry_engine_config engine = {
		.socket = -1, .close_wait_ms = PATIENCE_MS,
	};
	struct ferry_copier_tune tune;
	unsigned int i;

	memset(s, 0, sizeof(*s));
	assert_int_equal(ferry_hub_create(&s->hub, &hub), 0);
	assert_int_equal(ferry_engine_create(&s->engine, s->hub, &engine), 0);
	assert_int_equal(ferry_engine_add_devices(s->engine,
		ferry_copy_dmadev(), "wq0.0"), 1);
	ferry_copier_tune(ferry_engine_copier(s->engine), &tune);
	tune.hang_grace_ns = PATIENCE_MS * 1e6;
	tune.hang_factor = 1;
	assert_int_equal(ferry_engine_tune(s->engine, &tune), 0);
	assert_int_equal(ferry_attach(&s->a, HUB, "a"), 0);
	assert_int_equal(ferry_attach(&s->b, HUB, "b"), 0);
	stage_open(s, "ch");
	for (i = 0; i < SLOTS; i++) {
		s->payload[i] = malloc(SLOT);
		assert_non_null(s->payload[i]);
	}
}

static void
stage_stop(struct stage *s)
{
	unsigned int i;

	ferry_detach(s->a);
	ferry_detach(s->b);
	ferry_engine_destroy(s->engine);
	assert_int_equal(ferry_hub_destroy(s->hub), 0);
	for (i = 0; i < SLOTS; i++)
		free(s->payload[i]);
}

static void
post(struct stage *s, unsigned int n, uint64_t seed)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		const struct ferry_buf buf = {
			.data = s->payload[i], .len = SLOT, .tag = i,
		};

		ferry_test_fill(s->payload[i], SLOT, seed + i);
		assert_int_equal(ferry_tx_post(s->tx, &buf, 1), 1);
	}
}

/* The producer's result once the engine can do no more for it. */
static int
turn(struct stage *s)
{
	const uint64_t end = ferry_test_now_ns() + FLEET_ANY_TIME;
	int ret;

	while ((ret = ferry_tx_finish(s->tx, 0, 0)) == -ETIMEDOUT) {
		assert_true(ferry_test_now_ns() < end);
		ferry_engine_poll(s->engine);
	}
	return ret;
}

static void
receive(struct stage *s, struct ferry_msg *msgs, unsigned int n, uint64_t seed)
{
	unsigned int i;

	assert_int_equal(ferry_rx_recv(s->rx, msgs, (uint16_t)n), n);
	for (i = 0; i < n; i++) {
		assert_int_equal(msgs[i].tag, i);
		assert_int_equal(ferry_test_check(msgs[i].data, msgs[i].len,
			seed + i), -1);
	}
}

/* The next descriptor waits, and then is carried out. */
static void
fall_asleep(struct stage *s)
{
	fleet_set("wq=0,hang=1:%u", SLEEP_MS);
	s->late_ns = ferry_test_now_ns() + SLEEP_MS * MS;
}

/* Payloads change: a late copy brings something else. */
static void
scribble(struct stage *s)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		memset(s->payload[i], 0xee, SLOT);
}

static void
sleep_until_late(struct stage *s)
{
	/* All that is to be seen must have been decided in time. */
	assert_true(ferry_test_now_ns() < s->late_ns);
	while (ferry_test_now_ns() < s->late_ns + 300 * MS)
		usleep(10000);
}

static void
a_device_that_was_stopped_writes_nothing_late(void **state)
{
	struct ferry_msg msgs[SLOTS];
	struct ferry_copier_stats stats;
	struct stage s;
	uint64_t bytes;
	unsigned int i;

	(void)state;
	rig_begin();
	stage_start(&s);
	post(&s, SLOTS, 100);
	assert_int_equal(turn(&s), 0);
	receive(&s, msgs, SLOTS, 100);
	assert_int_equal(ferry_rx_release(s.rx, msgs, SLOTS), 0);
	bytes = rig_grown(0, bytes);
	assert_true(bytes >= SLOTS * SLOT);
	fall_asleep(&s);
	post(&s, SLOTS, 200);
	assert_int_equal(turn(&s), 0);
	receive(&s, msgs, SLOTS, 200);
	ferry_copier_stats(ferry_engine_copier(s.engine), &stats);
	assert_int_equal(stats.drops, 1);
	assert_int_equal(stats.redone_bytes, SLOTS * SLOT);
	assert_string_equal(rig_attribute(0, "state"), "disabled");
	assert_true(rig_grown(0, aborted) > 0);
	scribble(&s);
	sleep_until_late(&s);
	/* Still as they were sent. */
	for (i = 0; i < SLOTS; i++)
		assert_int_equal(ferry_test_check(msgs[i].data, msgs[i].len,
			200 + i), -1);
	assert_int_equal(rig_grown(0, bytes), bytes);
	assert_int_equal(ferry_rx_release(s.rx, msgs, SLOTS), 0);
	stage_stop(&s);
}

/* A place like sysfs with everything but the files to unbind by. */
static void
sysfs_without_unbind(char *dir)
{
	char path[128], to[256];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/devices", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/devices/wq0.0", dir);
	snprintf(to, sizeof(to), "%s/wq0.0", getenv("DSA_SYSFS_PATH"));
	assert_int_equal(symlink(to, path), 0);
	snprintf(path, sizeof(path), "%s/devices", dir);
	setenv("DSA_SYSFS_PATH", path, 1);
}

static void
sysfs_back(const char *dir, const char *sysfs)
{
	char path[128];

	setenv("DSA_SYSFS_PATH", sysfs, 1);
	snprintf(path, sizeof(path), "%s/devices/wq0.0", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/devices", dir);
	rmdir(path);
	rmdir(dir);
}

/* What is in a channel's slots, as one number. */
static uint64_t
slots_sum(const struct ferry_channel_shared *ch)
{
	const uint8_t *p = (const uint8_t *)ch + ch->off_slots;
	uint64_t sum = 0, i;

	for (i = 0; i < SLOTS * ch->stride; i++)
		sum = sum * 31 + p[i];
	return sum;
}

static void
a_device_that_cannot_be_stopped_costs_its_channel(void **state)
{
	char dir[] = "/run/ferry-test-XXXXXX", sysfs[256];
	const struct ferry_channel_shared *given_up;
	struct ferry_engine_info engine;
	struct ferry_hub_info before, info;
	struct ferry_msg msgs[SLOTS];
	struct ferry_buf buf = { .len = SLOT };
	uint64_t bytes, sum;
	struct stage s;
	unsigned int i;
	int ret;

	(void)state;
	rig_begin();
	snprintf(sysfs, sizeof(sysfs), "%s", getenv("DSA_SYSFS_PATH"));
	stage_start(&s);
	ferry_hub_info(s.hub, &before);
	/* What was published before, the consumer gets. */
	post(&s, 2, 300);
	assert_int_equal(turn(&s), 0);
	bytes = rig_grown(0, bytes);
	sysfs_without_unbind(dir);
	fall_asleep(&s);
	post(&s, 4, 400);
	assert_int_equal(turn(&s), -EIO);
	sysfs_back(dir, sysfs);
	ferry_engine_info(s.engine, &engine);
	assert_int_equal(engine.unsafe, 1);
	assert_int_equal(engine.msgs, 2);
	assert_int_equal(ferry_engine_copier(s.engine)->stats.unsafe, 4);
	assert_int_equal(ferry_engine_copier(s.engine)->stats.drops, 1);
	assert_int_equal(ferry_engine_copier(s.engine)->stats.redone_bytes, 0);
	/* Both ends learn of it, in every call. */
	buf.data = s.payload[0];
	assert_int_equal(ferry_tx_post(s.tx, &buf, 1), -EIO);
	assert_int_equal(ferry_tx_send(s.tx, &buf, 1), -EIO);
	assert_int_equal(ferry_tx_drain(s.tx, 0), -EIO);
	/* But what is tiny only when there is no room for it in cells. */
	buf.len = 1;
	for (i = 0; (ret = ferry_tx_send(s.tx, &buf, 1)) == 1; i++)
		assert_true(i < FERRY_N_CELLS);
	assert_int_equal(ret, -EIO);
	receive(&s, msgs, 2, 300);
	assert_int_equal(ferry_rx_recv(s.rx, msgs, 1), -EIO);
	assert_int_equal(ferry_rx_wait(s.rx, FLEET_ANY_TIME), -EIO);
	given_up = ferry_tx_channel(s.tx);
	sum = slots_sum(given_up);
	ferry_tx_close(s.tx);
	ferry_rx_close(s.rx);
	/* Its memory stays away; the next channel of that name has another. */
	stage_open(&s, "ch");
	assert_ptr_not_equal(ferry_tx_channel(s.tx), given_up);
	scribble(&s);
	post(&s, SLOTS, 500);
	assert_int_equal(turn(&s), 0);
	receive(&s, msgs, SLOTS, 500);
	sleep_until_late(&s);
	/* The device did write, but to memory that no channel uses. */
	assert_true(rig_grown(0, bytes) > bytes);
	assert_int_not_equal(slots_sum(given_up), sum);
	for (i = 0; i < SLOTS; i++)
		assert_int_equal(ferry_test_check(msgs[i].data, msgs[i].len,
			500 + i), -1);
	assert_int_equal(ferry_rx_release(s.rx, msgs, SLOTS), 0);
	ferry_tx_close(s.tx);
	ferry_rx_close(s.rx);
	ferry_hub_info(s.hub, &info);
	assert_int_equal(info.channels, 0);
	assert_int_equal(before.memory_free, info.memory_free);
	stage_stop(&s);
}

/*
 * Neither another engine, nor the hub when the engine or the producer goes,
 * carries out what was given up: it would go to the same slots.
 */
static void
what_was_given_up_is_not_taken_up_by_others(void **state)
{
	char dir[] = "/run/ferry-test-XXXXXX", sysfs[256];
	struct rte_malloc_socket_stats before, after;
	struct ferry_hub_channel entry;
	struct ferry_engine *other;
	struct ferry_msg msg;
	struct stage s;
	unsigned int i;

	(void)state;
	rig_begin();
	snprintf(sysfs, sizeof(sysfs), "%s", getenv("DSA_SYSFS_PATH"));
	rte_malloc_get_socket_stats(0, &before);
	stage_start(&s);
	assert_int_equal(ferry_hub_channels(s.hub, &entry, 1), 1);
	sysfs_without_unbind(dir);
	fleet_set("wq=0,hang=1");
	post(&s, 4, 600);
	assert_int_equal(turn(&s), -EIO);
	sysfs_back(dir, sysfs);
	assert_int_equal(ferry_engine_create(&other, s.hub, NULL), 0);
	assert_int_equal(ferry_hub_move(s.hub, entry.id, other), -EIO);
	for (i = 0; i < 100; i++)
		ferry_engine_poll(other);
	assert_int_equal(ferry_rx_recv(s.rx, &msg, 1), -EIO);
	ferry_engine_destroy(other);
	assert_int_equal(ferry_rx_recv(s.rx, &msg, 1), -EIO);
	assert_int_equal(ferry_hub_move(s.hub, entry.id, NULL), 0);
	assert_int_equal(ferry_tx_finish(s.tx, 0, 0), -EIO);
	assert_int_equal(ferry_rx_recv(s.rx, &msg, 1), -EIO);
	ferry_tx_close(s.tx);
	assert_true(ferry_rx_recv(s.rx, &msg, 1) < 0);
	stage_stop(&s);
	/* Nor does the hub's memory go to others. */
	rte_malloc_get_socket_stats(0, &after);
	assert_true(after.heap_allocsz_bytes >= before.heap_allocsz_bytes +
		HUB_BYTES);
}

/* The endpoints' own memory, which messages may have been copied into. */
static void
memory_of_endpoints_beside_such_a_device_is_not_given_out(void **state)
{
	char dir[] = "/run/ferry-test-XXXXXX", sysfs[256];
	struct ferry_hub_info info;
	struct stage s;
	uint64_t a, b;

	(void)state;
	rig_begin();
	snprintf(sysfs, sizeof(sysfs), "%s", getenv("DSA_SYSFS_PATH"));
	stage_start(&s);
	assert_non_null(ferry_alloc(s.a, 1));
	ferry_hub_info(s.hub, &info);
	a = info.memory_endpoints;
	assert_true(a > 0);
	assert_non_null(ferry_alloc(s.b, 1));
	ferry_hub_info(s.hub, &info);
	b = info.memory_endpoints - a;
	assert_true(b > 0);
	sysfs_without_unbind(dir);
	fleet_set("wq=0,hang=1");
	post(&s, 4, 700);
	assert_int_equal(turn(&s), -EIO);
	sysfs_back(dir, sysfs);
	/* As long as the channel is there, and then for ever. */
	ferry_detach(s.a);
	s.a = NULL;
	ferry_hub_info(s.hub, &info);
	assert_int_equal(info.memory_limbo, a);
	ferry_detach(s.b);
	s.b = NULL;
	usleep(300000); /* several looks of the hub */
	ferry_hub_info(s.hub, &info);
	assert_int_equal(info.memory_limbo, a + b);
	assert_int_equal(info.memory_endpoints, 0);
	assert_true(info.memory_free < info.memory - a - b);
	/* It does not look for ever. */
	assert_true(ferry_test_await_rest(getpid()));
	stage_stop(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			a_device_that_was_stopped_writes_nothing_late,
			fleet_setup),
		cmocka_unit_test_setup(
			a_device_that_cannot_be_stopped_costs_its_channel,
			fleet_setup),
		cmocka_unit_test_setup(
			what_was_given_up_is_not_taken_up_by_others,
			fleet_setup),
		cmocka_unit_test_setup(
		memory_of_endpoints_beside_such_a_device_is_not_given_out,
			fleet_setup),
	};

	return cmocka_run_group_tests_name("engine_stop", tests,
		fleet_group_setup, NULL);
}
