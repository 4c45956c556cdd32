/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_dmadev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include "ferry_endpoint.h"
#include "lanes.h"
#include "plugin.h"
#include "side.h"

#define SKELETON "dma_skeleton"
#define SOFTDSA_ENV "FERRY_SOFTDSA"
/* Channels of the hub: a few more than are needed. */
#define CHANNELS 16

static const char *const names[LANES_N] = {
	[LANES_NONE] = "none",
	[LANES_CPU] = "cpu",
	[LANES_SKELETON] = "skeleton",
	[LANES_SOFTDSA] = "softdsa",
	[LANES_HYBRID] = "hybrid",
};

const char *
lanes_name(enum lane_set set)
{
	return names[set];
}

uint32_t
lanes_parse(const char *text)
{
	uint32_t sets = 0;
	unsigned int i;
	size_t len;

	for (; text != NULL; text = text[len] == ',' ? text + len + 1 : NULL) {
		len = strcspn(text, ",");
		for (i = LANES_CPU; i < LANES_N; i++)
			if (strlen(names[i]) == len &&
					memcmp(names[i], text, len) == 0)
				break;
		if (i == LANES_N)
			return 0;
		sets |= 1u << i;
	}
	return sets;
}

static void
leave_out(struct lanes *l, enum lane_set set, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void
leave_out(struct lanes *l, enum lane_set set, const char *format, ...)
{
	va_list ap;

	if (!(l->sets & (1u << set)))
		return;
	l->sets &= ~(1u << set);
	va_start(ap, format);
	vsnprintf(l->why[set], sizeof(l->why[set]), format, ap);
	va_end(ap);
}

/* EAL arguments with text of their own. */
struct adder {
	int *argc;
	char **args;
	char *text;
	size_t len;
};

static void
add(struct adder *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void
add(struct adder *a, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(a->text, a->len, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= a->len)
		return;
	a->args[(*a->argc)++] = a->text;
	a->text += n + 1;
	a->len -= (size_t)n + 1;
}

/* Whether the user's arguments speak of it. */
static bool
mentions(const struct adder *a, const char *what)
{
	int i;

	for (i = 1; i < *a->argc; i++)
		if (strstr(a->args[i], what) != NULL)
			return true;
	return false;
}

static void
add_skeleton(struct adder *a, const struct places *places)
{
	char lcore[24] = "";

	if (mentions(a, SKELETON))
		return;
	if (!places->chosen)
		snprintf(lcore, sizeof(lcore), ",lcore=%d", PLACE_DEVICES);
	add(a, "--vdev=" SKELETON "0%s", lcore);
	add(a, "--vdev=" SKELETON "1%s", lcore);
}

/* 0 or negative, with the reason in why. */
static int
add_softdsa(struct adder *a, const struct places *places, char *why,
		size_t why_len)
{
	char path[PLUGIN_PATH_MAX], text[64];
	size_t used;
	int ret;

	if (!mentions(a, PLUGIN_SOFTDSA)) {
		ret = plugin_find(PLUGIN_SOFTDSA, path, why, why_len);
		if (ret != 0)
			return ret;
		add(a, "-d");
		add(a, "%s", path);
	}
	if (getenv(SOFTDSA_ENV) != NULL)
		return 0;
	used = snprintf(text, sizeof(text), "wqs=2");
	if (!places->chosen)
		snprintf(text + used, sizeof(text) - used, ",cpus=%d",
			places->cpu[PLACE_DEVICES]);
	return setenv(SOFTDSA_ENV, text, 1) == 0 ? 0 : -errno;
}

void
lanes_prepare(struct lanes *l, uint32_t wanted, const struct places *places,
		int *argc, char **args, char *text, size_t len)
{
	struct adder a = { argc, args, text, len };
	const uint32_t hybrid = 1u << LANES_HYBRID;
	char why[sizeof(l->why[0])] = "";

	memset(l, 0, sizeof(*l));
	l->sets = wanted;
	l->bare = wanted & (1u << LANES_SKELETON | 1u << LANES_SOFTDSA);
	if (wanted & (1u << LANES_SKELETON | hybrid))
		add_skeleton(&a, places);
	if (wanted & (1u << LANES_SOFTDSA | hybrid) &&
			add_softdsa(&a, places, why, sizeof(why)) != 0)
		leave_out(l, LANES_SOFTDSA, "%s", why);
}

/* The n-th device of a kind, or negative. */
static int
device_find(enum lane_set set, unsigned int n, char *name, size_t len)
{
	const char *glob = set == LANES_SKELETON ? SKELETON "*" : "wq*";
	int dev = -1;

	do {
		dev = ferry_device_next(ferry_copy_dmadev(), dev, glob, name,
				len);
	} while (dev >= 0 && n-- > 0);
	return dev;
}

int
lanes_device(enum lane_set set)
{
	return device_find(set, 1, NULL, 0);
}

const char *
lanes_why(const struct lanes *l)
{
	unsigned int i;

	for (i = LANES_CPU; i < LANES_N; i++)
		if (l->why[i][0] != '\0')
			return l->why[i];
	return NULL;
}

static int
engine_main(void *arg)
{
	struct lanes *l = arg;

	pthread_getcpuclockid(pthread_self(), &l->clock);
	/* Pairs with the acquire in lanes_use(). */
	__atomic_store_n(&l->started, 1, __ATOMIC_RELEASE);
	return ferry_engine_run(l->engine);
}

void
lanes_end(struct lanes *l)
{
	int16_t dev;

	if (l->engine != NULL) {
		if (l->started) {
			ferry_engine_stop(l->engine);
			rte_eal_wait_lcore(l->lcore);
		}
		ferry_engine_destroy(l->engine);
		/* Stopped, the devices' threads no longer use a CPU. */
		RTE_DMA_FOREACH_DEV(dev)
			rte_dma_stop(dev);
	}
	l->engine = NULL;
	l->started = 0;
	l->set = LANES_NONE;
}

/* The first device of a kind; hybrid does without those that there are not. */
static int
add_device(struct lanes *l, enum lane_set kind)
{
	char name[RTE_DEV_NAME_MAX_LEN];
	int ret = device_find(kind, 0, name, sizeof(name));

	if (ret < 0)
		return l->set == LANES_HYBRID ? 0 : ret;
	ret = ferry_engine_add_devices(l->engine, ferry_copy_dmadev(), name);
	return ret < 0 ? ret : 0;
}

static int
engine_create(struct lanes *l, enum lane_set set)
{
	const struct ferry_engine_config config = {
		.socket = SOCKET_ID_ANY,
		.close_wait_ms = l->patience_ms,
	};
	struct ferry_copier_tune tune;
	int ret;

	l->set = set;
	ret = ferry_engine_create(&l->engine, l->hub, &config);
	if (ret == 0 && l->patience_ms != 0) {
		ferry_copier_tune(ferry_engine_copier(l->engine), &tune);
		tune.hang_grace_ns = l->patience_ms * 1e6;
		ret = ferry_engine_tune(l->engine, &tune);
	}
	if (ret == 0 && (set == LANES_SKELETON || set == LANES_HYBRID))
		ret = add_device(l, LANES_SKELETON);
	if (ret == 0 && (set == LANES_SOFTDSA || set == LANES_HYBRID))
		ret = add_device(l, LANES_SOFTDSA);
	return ret;
}

/* As a hub that means to use its lanes does. */
static int
calibrate(struct lanes *l, enum lane_set set, uint64_t ns)
{
	const struct ferry_calib_options options = {
		.budget_ns = ns,
		.demote = FERRY_CALIB_DEMOTE_NEVER,
	};
	int ret = engine_create(l, set);

	if (ret == 0)
		ret = ferry_engine_calibrate(l->engine, &options,
				&l->calib[set]);
	lanes_end(l);
	return ret;
}

int
lanes_begin(struct lanes *l, struct ferry_hub *hub, uint64_t calib_ns)
{
	unsigned int i;
	int ret = 0;

	l->hub = hub;
	/* dmadev logs each device that is stopped, also one that was. */
	rte_log_set_level_pattern("lib.dmadev", RTE_LOG_CRIT);
	rte_log_set_level_pattern("pmd.dma.*", RTE_LOG_CRIT);
	/* Behind the receiver's. */
	l->lcore = rte_get_next_lcore(rte_get_next_lcore(-1, 1, 0), 1, 0);
	for (i = LANES_CPU; i < LANES_N && l->lcore >= RTE_MAX_LCORE; i++)
		leave_out(l, i, "its engine needs a third lcore, such as "
			"--lcores=0@0,1@1,2@1");
	if (device_find(LANES_SKELETON, 0, NULL, 0) < 0)
		leave_out(l, LANES_SKELETON, "EAL has made no %s device",
			SKELETON);
	if (device_find(LANES_SOFTDSA, 0, NULL, 0) < 0)
		leave_out(l, LANES_SOFTDSA, "idxd has found no work queue");
	if (device_find(LANES_SKELETON, 0, NULL, 0) < 0 &&
			device_find(LANES_SOFTDSA, 0, NULL, 0) < 0)
		leave_out(l, LANES_HYBRID, "there is no DMA device");
	for (i = LANES_SKELETON; i <= LANES_SOFTDSA; i++)
		if (lanes_device(i) < 0)
			l->bare &= ~(1u << i);
	for (i = LANES_CPU; i < LANES_N && ret == 0; i++)
		if (l->sets & (1u << i))
			ret = calibrate(l, i, calib_ns);
	return ret;
}

/* Give the new engine's lanes the costs that were measured for its set. A lane
 * that was not measured keeps its default costs. */
static int
calibrated(struct lanes *l)
{
	const struct ferry_calib_options options = {
		.budget_ns = 1,
		.given = &l->calib[l->set],
		.demote = FERRY_CALIB_DEMOTE_NEVER,
	};
	struct ferry_calib *calib = calloc(1, sizeof(*calib));
	int ret;

	if (calib == NULL)
		return -ENOMEM;
	ret = ferry_engine_calibrate(l->engine, &options, calib);
	free(calib);
	return ret;
}

int
lanes_use(struct lanes *l, enum lane_set set)
{
	int ret;

	if (l->set == set)
		return 0;
	lanes_end(l);
	if (set == LANES_NONE)
		return 0;
	ret = engine_create(l, set);
	if (ret == 0)
		ret = calibrated(l);
	if (ret == 0)
		ret = rte_eal_remote_launch(engine_main, l, l->lcore);
	if (ret != 0) {
		lanes_end(l);
		return ret;
	}
	/* Pairs with the release in engine_main(). */
	while (__atomic_load_n(&l->started, __ATOMIC_ACQUIRE) == 0)
		sched_yield();
	return 0;
}

int
lanes_serve(struct lanes *l, bool served)
{
	struct ferry_hub_channel all[CHANNELS];
	uint32_t n, i;
	int ret = 0;

	if (l->engine == NULL)
		return 0;
	n = ferry_hub_channels(l->hub, all, CHANNELS);
	for (i = 0; i < RTE_MIN(n, (uint32_t)CHANNELS) && ret == 0; i++) {
		const bool ours = strcmp(all[i].name, SIDE_FORWARD) == 0 ||
			strcmp(all[i].name, SIDE_BACK) == 0;

		if (all[i].tx.state == FERRY_END_OPEN)
			ret = ferry_hub_move(l->hub, all[i].id,
				ours && served ? l->engine : NULL);
	}
	return ret;
}

uint64_t
lanes_engine_ns(const struct lanes *l)
{
	return l->started ? cpu_clock_ns(l->clock) : 0;
}

int
lanes_lane(const struct lanes *l, unsigned int i, char *name, size_t len,
		uint64_t *bytes)
{
	struct ferry_engine_lane lane;
	int ret = l->engine != NULL ? ferry_engine_lane(l->engine, i, &lane) :
		-ENOENT;

	if (ret != 0)
		return ret;
	if (name != NULL)
		snprintf(name, len, "%s", lane.info.name);
	*bytes = lane.stats.bytes;
	return lane.health == FERRY_HEALTH_DROPPED;
}

uint64_t
lanes_dma_bytes(const struct lanes *l)
{
	uint64_t bytes = 0, more = 0;
	unsigned int i;

	/* 0 is the core's own. */
	for (i = 1; lanes_lane(l, i, NULL, 0, &more) >= 0; i++)
		bytes += more;
	return bytes;
}
