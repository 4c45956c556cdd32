/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_dmadev.h>
#include <rte_log.h>

#include "ferry_copier.h"
#include "ferry_test.h"
#include "fleet.h"

#define SLOTS 8
/* Payloads of a producer. There are never more posts than slots under way. */
#define BUFS (2 * SLOTS)
/* Payloads begin anywhere in a line. */
#define SLACK 64
#define HUB "fleet"
/* Messages after which a producer of all modes takes the next one. */
#define MODE_MSGS 24
/* What a payload is overwritten with once it is the producer's again. */
#define SCRIBBLE 0xee

static const struct ferry_channel_config channel = {
	.slot_size = FLEET_SLOT, .n_slots = SLOTS,
};

/* A producer at work. */
struct sender {
	struct fleet_channel *ch;
	struct ferry_tx *tx;
	uint8_t *bufs[BUFS];
	uint8_t *data[BUFS];
	uint32_t len[BUFS];
	/* Posts, and those of them whose payload is free again. */
	uint64_t posted, freed;
	uint64_t rng;
	unsigned int mode;
};

static uint64_t
seed_of(const struct fleet_channel *ch, uint64_t i)
{
	return (uint64_t)(ch->index + 1) << 40 | i;
}

/* Lengths of all magnitudes, many of them odd. */
static uint32_t
len_of(const struct fleet_channel *ch, uint64_t i)
{
	uint64_t rng = seed_of(ch, i);
	uint64_t r = ferry_test_random(&rng);
	uint32_t most;

	if (ch->fleet->config.len != 0)
		return ch->fleet->config.len;
	most = UINT32_C(1) << r % 21;
	return most - (uint32_t)(ferry_test_random(&rng) % ((most + 1) / 2));
}

/* Overwrite the payloads of finished posts, which are the sender's again. A
 * reader that still uses them finds other bytes. */
static void
sender_free(struct sender *s, uint64_t pending)
{
	while (s->freed + pending < s->posted) {
		const unsigned int at = s->freed++ % BUFS;

		memset(s->data[at], SCRIBBLE, s->len[at]);
	}
}

static int
sender_mode(struct sender *s)
{
	unsigned int mode = __atomic_load_n(&s->ch->mode, __ATOMIC_RELAXED);

	if (mode >= FERRY_MODES)
		mode = (unsigned int)(s->ch->sent / MODE_MSGS % FERRY_MODES);
	if (mode == s->mode)
		return 0;
	s->mode = mode;
	return ferry_tx_set_mode(s->tx, (enum ferry_mode)mode);
}

/* Post or send the next message: 0 or why not. */
static int
send_next(struct sender *s)
{
	const unsigned int at = s->posted % BUFS;
	const uint64_t i = s->ch->sent;
	const bool wait = ferry_test_random(&s->rng) % 4 == 0;
	struct ferry_buf buf = {
		.len = len_of(s->ch, i), .tag = (uint32_t)i,
	};
	int ret = sender_mode(s);

	if (ret == 0)
		ret = ferry_tx_finish(s->tx, BUFS - 1, FLEET_ANY_TIME);
	if (ret != 0)
		return ret;
	sender_free(s, ferry_tx_pending(s->tx));
	s->data[at] = s->bufs[at] + ferry_test_random(&s->rng) % SLACK;
	s->len[at] = buf.len;
	buf.data = s->data[at];
	ferry_test_fill(s->data[at], buf.len, seed_of(s->ch, i));
	while ((ret = wait ? ferry_tx_send(s->tx, &buf, 1) :
			ferry_tx_post(s->tx, &buf, 1)) == 0) {
		ret = ferry_tx_wait(s->tx, FLEET_ANY_TIME);
		if (ret != 0)
			return ret;
	}
	if (ret != 1)
		return ret < 0 ? ret : -EPROTO;
	if (wait)
		memset(s->data[at], SCRIBBLE, buf.len);
	else
		s->posted++;
	__atomic_store_n(&s->ch->sent, i + 1, __ATOMIC_RELAXED);
	return 0;
}

static void *
producer_main(void *arg)
{
	struct fleet_channel *ch = arg;
	struct sender s = {
		.ch = ch, .rng = ch->index, .mode = FERRY_MODES,
	};
	struct ferry_endpoint *ep = NULL;
	char name[8];
	unsigned int i;
	int ret;

	snprintf(name, sizeof(name), "ch%u", ch->index);
	ret = ferry_attach(&ep, HUB, name);
	if (ret == 0)
		ret = ferry_tx_open(&s.tx, ep, name, &channel);
	for (i = 0; i < BUFS && ret == 0; i++) {
		s.bufs[i] = malloc(FLEET_SLOT + SLACK);
		if (s.bufs[i] == NULL)
			ret = -ENOMEM;
	}
	while (ret == 0 && __atomic_load_n(&ch->fleet->stop,
			__ATOMIC_RELAXED) == 0)
		ret = send_next(&s);
	if (ret == 0)
		ret = ferry_tx_finish(s.tx, 0, FLEET_ANY_TIME);
	if (ret == 0) {
		sender_free(&s, 0);
		ret = ferry_tx_drain(s.tx, FLEET_ANY_TIME);
	}
	__atomic_store_n(&ch->sender_error, ret, __ATOMIC_RELAXED);
	ferry_detach(ep);
	for (i = 0; i < BUFS; i++)
		free(s.bufs[i]);
	return NULL;
}

static void
check(struct fleet_channel *ch, const struct ferry_msg *msg)
{
	struct fleet_found *found = &ch->found;
	const uint64_t i = found->received;

	if (msg->tag != (uint32_t)i)
		found->misordered++;
	else if (msg->len != len_of(ch, i) || ferry_test_check(msg->data,
			msg->len, seed_of(ch, i)) != -1)
		__atomic_store_n(&found->damaged, found->damaged + 1,
			__ATOMIC_RELAXED);
	__atomic_store_n(&found->received, i + 1, __ATOMIC_RELAXED);
}

static void *
consumer_main(void *arg)
{
	struct fleet_channel *ch = arg;
	struct ferry_endpoint *ep = NULL;
	struct ferry_msg msgs[3];
	struct ferry_rx *rx;
	char name[8];
	int ret, i;

	snprintf(name, sizeof(name), "ch%u", ch->index);
	ret = ferry_attach(&ep, HUB, name);
	if (ret == 0)
		ret = ferry_rx_open(&rx, ep, name, &channel);
	while (ret == 0) {
		ret = ferry_rx_recv(rx, msgs, RTE_DIM(msgs));
		if (ret > 0) {
			for (i = 0; i < ret; i++)
				check(ch, &msgs[i]);
			ret = ferry_rx_release(rx, msgs, (uint16_t)ret);
		} else if (ret == 0) {
			ret = ferry_rx_wait(rx, FLEET_ANY_TIME);
			/* What is there before the end is to be received. */
			if (ret == FERRY_E_CLOSED)
				ret = 0;
		}
	}
	ch->found.error = ret == FERRY_E_CLOSED ? 0 : ret;
	ferry_detach(ep);
	return NULL;
}

static void *
engine_main(void *engine)
{
	ferry_engine_run(engine);
	return NULL;
}

void
fleet_engine_start(struct fleet *f, unsigned int i)
{
	const struct ferry_engine_config config = {
		.socket = -1, .close_wait_ms = f->config.close_wait_ms,
	};
	struct ferry_copier_tune tune;
	struct ferry_engine *e = NULL;

	assert_int_equal(ferry_engine_create(&e, f->hub, &config), 0);
	if (f->config.dma[i] != NULL)
		assert_true(ferry_engine_add_devices(e,
		ferry_copy_dmadev(), f->config.dma[i]) > 0);
	ferry_copier_tune(ferry_engine_copier(e), &tune);
	tune.hang_factor = 10;
	tune.hang_grace_ns = f->config.patience_ms * 1e6;
	assert_int_equal(ferry_engine_tune(e, &tune), 0);
	assert_int_equal(pthread_create(&f->runners[i], NULL, engine_main, e),
		0);
	f->engines[i] = e;
}

void
fleet_engine_stop(struct fleet *f, unsigned int i)
{
	if (f->engines[i] == NULL)
		return;
	ferry_engine_stop(f->engines[i]);
	pthread_join(f->runners[i], NULL);
	ferry_engine_destroy(f->engines[i]);
	f->engines[i] = NULL;
}

/* What fleet_teardown() ends. */
static struct fleet *fleet_now;

void
fleet_start(struct fleet *f, const struct fleet_config *config)
{
	const struct ferry_hub_config hub = {
		.name = HUB, .socket = -1,
		.memory = (config->channels + 1) * (SLOTS + 1) *
			(uint64_t)FLEET_SLOT,
	};
	unsigned int i;

	memset(f, 0, sizeof(*f));
	f->config = *config;
	assert_int_equal(ferry_hub_create(&f->hub, &hub), 0);
	fleet_now = f;
	f->running = true;
	for (i = 0; i < config->engines; i++)
		fleet_engine_start(f, i);
	for (i = 0; i < config->channels; i++) {
		struct fleet_channel *ch = &f->channels[i];

		ch->fleet = f;
		ch->index = i;
		ch->mode = config->mode[i];
		assert_int_equal(pthread_create(&ch->producer, NULL,
			producer_main, ch), 0);
		assert_int_equal(pthread_create(&ch->consumer, NULL,
			consumer_main, ch), 0);
	}
	assert_true(fleet_flow(f, 1));
}

bool
fleet_flow(struct fleet *f, uint64_t n)
{
	const uint64_t end = ferry_test_now_ns() + FLEET_ANY_TIME;
	uint64_t goal[FLEET_CHANNELS];
	unsigned int i;

	for (i = 0; i < f->config.channels; i++)
		goal[i] = n + __atomic_load_n(&f->channels[i].found.received,
			__ATOMIC_RELAXED);
	for (i = 0; i < f->config.channels; i++)
		while (__atomic_load_n(&f->channels[i].found.received,
				__ATOMIC_RELAXED) < goal[i]) {
			if (ferry_test_now_ns() > end || __atomic_load_n(
					&f->channels[i].sender_error,
					__ATOMIC_RELAXED) != 0)
				return false;
			usleep(500);
		}
	return true;
}

void
fleet_end(struct fleet *f)
{
	unsigned int i;

	f->running = false;
	__atomic_store_n(&f->stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < f->config.channels; i++) {
		pthread_join(f->channels[i].producer, NULL);
		pthread_join(f->channels[i].consumer, NULL);
	}
	for (i = 0; i < FLEET_ENGINES; i++)
		fleet_engine_stop(f, i);
	assert_int_equal(ferry_hub_destroy(f->hub), 0);
}

void
fleet_stop(struct fleet *f)
{
	unsigned int i;

	fleet_end(f);
	for (i = 0; i < f->config.channels; i++) {
		const struct fleet_channel *ch = &f->channels[i];

		assert_int_equal(ch->sender_error, 0);
		assert_int_equal(ch->found.error, 0);
		assert_int_equal(ch->found.misordered, 0);
		assert_int_equal(ch->found.damaged, 0);
		assert_int_equal(ch->found.received, ch->sent);
	}
}

uint64_t
fleet_id(struct fleet *f, unsigned int channel)
{
	struct ferry_hub_channel list[FLEET_CHANNELS];
	uint32_t i, n = ferry_hub_channels(f->hub, list, RTE_DIM(list));
	char name[8];

	snprintf(name, sizeof(name), "ch%u", channel);
	for (i = 0; i < n && i < RTE_DIM(list); i++)
		if (strcmp(list[i].name, name) == 0)
			return list[i].id;
	return 0;
}

struct ferry_copier_stats
fleet_copier(struct fleet *f, unsigned int engine)
{
	struct ferry_copier_stats stats;

	ferry_copier_stats(ferry_engine_copier(f->engines[engine]), &stats);
	return stats;
}

struct ferry_lane_stats
fleet_lane(struct fleet *f, unsigned int engine, const char *name)
{
	struct ferry_lane_stats sum = { 0 };
	struct ferry_engine_lane lane;
	unsigned int i;

	for (i = 0; ferry_engine_lane(f->engines[engine], i, &lane) == 0; i++) {
		if (strstr(lane.info.name, name) == NULL)
			continue;
		sum.jobs += lane.stats.jobs;
		sum.bytes += lane.stats.bytes;
		sum.errors += lane.stats.errors;
	}
	return sum;
}

unsigned int
fleet_open(struct fleet *f, unsigned int engine)
{
	return ferry_engine_copier(f->engines[engine])->nb_open;
}

void
fleet_set(const char *format, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	assert_int_equal(rig_set(text), 0);
}

int
fleet_group_setup(void **state)
{
	struct rig_plugin plugin;
	int ret;

	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	rig_environment();
	rig_plugin_place(&plugin);
	ret = ferry_test_eal_start(NULL, "-d", plugin.path,
		"--vdev=dma_skeleton0", NULL);
	rig_plugin_open(&plugin);
	assert_int_equal(ret, 0);
	/* It warns of a device that is stopped twice. */
	rte_log_set_level_pattern("lib.dmadev", RTE_LOG_ERR);
	return 0;
}

void
fleet_release(unsigned int wq)
{
	char name[16];
	int dev;

	snprintf(name, sizeof(name), "wq0.%u", wq);
	dev = rte_dma_get_dev_id_by_name(name);
	assert_true(dev >= 0);
	/* Nothing happens if it is not started. */
	rte_dma_stop((int16_t)dev);
}

int
fleet_setup(void **state)
{
	int skeleton = rte_dma_get_dev_id_by_name("dma_skeleton0");
	unsigned int i;

	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	assert_int_equal(rig_take_signals(), 0);
	assert_int_equal(rig_set("faults=off,preset=none"), 0);
	if (skeleton >= 0)
		rte_dma_stop((int16_t)skeleton);
	for (i = 0; i < RIG_WQS; i++) {
		/* Throws away what a test has left. */
		rig_bind(i, false);
		rig_bind(i, true);
		fleet_release(i);
		rig_before[i] = rig_stats_now(i);
	}
	return 0;
}

int
fleet_teardown(void **state)
{
	(void)state;
	if (fleet_now == NULL || !fleet_now->running)
		return 0;
	/* Engines still submit. */
	rig_take_signals();
	rig_set("faults=off");
	fleet_end(fleet_now);
	return 0;
}
