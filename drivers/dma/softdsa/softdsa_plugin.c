/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* RTE_LOG_REGISTER_SUFFIX() puts this before the suffix. */
#define RTE_LOG_DEFAULT_LOGTYPE ferry.dma

#include <rte_bus.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_log.h>
#include <rte_version.h>

#include "ferry_process.h"
#include "ferry_softdsa.h"
#include "softdsa_bus.h"
#include "softdsa_dev.h"
#include "softdsa_portal.h"

#define CONFIG_VARIABLE "FERRY_SOFTDSA"
/* EAL's dsa bus looks for work queues below the paths in these variables. */
#define DEV_VARIABLE "DSA_DEV_PATH"
#define SYSFS_VARIABLE "DSA_SYSFS_PATH"

RTE_LOG_REGISTER_SUFFIX(softdsa_logtype, softdsa, NOTICE)

#define SOFTDSA_LOG(level, ...) \
	rte_log(RTE_LOG_ ## level, softdsa_logtype, \
		RTE_FMT("soft DSA: " RTE_FMT_HEAD(__VA_ARGS__,) "\n", \
		RTE_FMT_TAIL(__VA_ARGS__,)))

/* The device of this process. It is set when the device is complete, and stays
 * set. */
static struct softdsa_dev *device;

static struct softdsa_dev *
the_device(void)
{
	/* Pairs with P1. */
	return __atomic_load_n(&device, __ATOMIC_ACQUIRE);
}

static void
apply(struct softdsa_dev *dev)
{
	unsigned int i;

	softdsa_model_set(&dev->model, &dev->config.timing);
	for (i = 0; i < dev->config.wqs; i++) {
		const struct softdsa_wrong *w = &dev->config.wrong[i];
		uint32_t limit = (uint32_t)dev->config.size;

		if (w->full > 0 && w->full < limit)
			limit = w->full;
		__atomic_store_n(&dev->wqs[i].limit, limit, __ATOMIC_RELAXED);
		softdsa_faults_set(&dev->wqs[i].faults, w);
	}
}

static struct softdsa_dev *
make(const struct softdsa_config *config)
{
	struct softdsa_dev *dev;
	size_t size;
	unsigned int i;

	dev = aligned_alloc(128, RTE_ALIGN(sizeof(*dev), 128));
	if (dev == NULL)
		return NULL;
	memset(dev, 0, sizeof(*dev));
	dev->config = *config;
	dev->limits.max_batch = (uint32_t)config->max_batch;
	dev->limits.max_transfer = config->max_transfer;
	pthread_mutex_init(&dev->config_lock, NULL);
	size = config->wqs * sizeof(dev->wqs[0]);
	dev->wqs = aligned_alloc(128, size);
	if (dev->wqs == NULL) {
		free(dev);
		return NULL;
	}
	memset(dev->wqs, 0, size);
	for (i = 0; i < config->wqs; i++) {
		softdsa_faults_init(&dev->wqs[i].faults);
		dev->wqs[i].state = SOFTDSA_ENABLED;
	}
	apply(dev);
	return dev;
}

static int
start(struct softdsa_dev *dev, char why[SOFTDSA_WHY_LEN])
{
	char path[SOFTDSA_PATH_LEN];
	int ret;

	dev->process = ferry_process_token();
	ret = dev->process != 0 ? softdsa_dir_make(&dev->dir, &dev->config,
			softdsa_has_movdir64b(), why) : -ENOMEM;
	if (ret != 0)
		return ret;
	/* Fork the watcher before the device has threads. */
	ret = softdsa_watch_start(&dev->dir);
	if (ret != 0)
		SOFTDSA_LOG(WARNING, "%s will remain if the process is killed:"
			" %s", dev->dir.root, strerror(-ret));
	ret = softdsa_portal_start(dev);
	if (ret == 0)
		ret = softdsa_control_start(dev);
	if (ret == 0)
		ret = softdsa_engines_start(dev);
	if (ret == 0) {
		softdsa_dir_path(&dev->dir, "dev", path);
		ret = setenv(DEV_VARIABLE, path, 1) == 0 ? 0 : -errno;
	}
	if (ret == 0) {
		softdsa_dir_path(&dev->dir, "bus/dsa/devices", path);
		ret = setenv(SYSFS_VARIABLE, path, 1) == 0 ? 0 : -errno;
	}
	if (ret != 0)
		softdsa_dir_remove(&dev->dir);
	return ret;
}

/* Whether the user has set a variable, and not the soft DSA of a parent
 * process. */
static bool
users(const char *variable)
{
	const char *value = getenv(variable);

	return value != NULL && strstr(value, "/" SOFTDSA_DIR_PREFIX) == NULL;
}

static int
scan(void)
{
	struct softdsa_config config;
	char error[SOFTDSA_ERROR_LEN], why[SOFTDSA_WHY_LEN] = "";
	struct softdsa_dev *dev;
	const char *text;
	int ret;

	/* A secondary must not touch a DMA device, because DPDK's idxd driver
	 * would re-initialise the device while the primary uses it. */
	if (rte_eal_process_type() != RTE_PROC_PRIMARY || the_device() != NULL)
		return 0;
	if (users(DEV_VARIABLE) || users(SYSFS_VARIABLE)) {
		SOFTDSA_LOG(NOTICE, DEV_VARIABLE " or " SYSFS_VARIABLE
			" is set: no soft device is made");
		return 0;
	}
	softdsa_config_default(&config);
	text = getenv(CONFIG_VARIABLE);
	if (softdsa_config_parse(&config, text != NULL ? text : "", false,
			error) != 0) {
		SOFTDSA_LOG(ERR, "no device, " CONFIG_VARIABLE ": %s", error);
		return -EINVAL;
	}
	softdsa_dir_sweep();
	dev = make(&config);
	if (dev == NULL)
		return -ENOMEM;
	ret = start(dev, why);
	if (ret != 0) {
		/* The device is not freed, because threads may use it
		 * already. */
		SOFTDSA_LOG(ERR, "no device: %s%s", why[0] != '\0' ? why :
			strerror(-ret), why[0] != '\0' ? ". Its folder goes "
			"below /run, XDG_RUNTIME_DIR or /tmp" : "");
		return ret;
	}
	/* P1 */
	__atomic_store_n(&device, dev, __ATOMIC_RELEASE);
	SOFTDSA_LOG(INFO, "%u work queues below %s",
		(unsigned int)config.wqs, dev->dir.root);
	return 0;
}

static int
probe(void)
{
	return 0;
}

static struct rte_device *
find_device(const struct rte_device *from, rte_dev_cmp_t cmp, const void *data)
{
	RTE_SET_USED(from);
	RTE_SET_USED(cmp);
	RTE_SET_USED(data);
	return NULL;
}

static struct rte_bus bus = {
	.name = "ferry_softdsa",
	.scan = scan,
	.probe = probe,
	.find_device = find_device,
};

RTE_INIT(softdsa_load)
{
	struct rte_bus *dsa;

	/* Check the version, because DPDK's internal interfaces may change with
	 * each version. */
	if (rte_version_year() != 22 || rte_version_month() != 11) {
		SOFTDSA_LOG(ERR, "no device: made for DPDK 22.11, this is %s",
			rte_version());
		return;
	}
	/* EAL scans buses in the order in which they are registered. The dsa
	 * bus must come after this one. */
	dsa = rte_bus_find_by_name("dsa");
	if (dsa != NULL)
		rte_bus_unregister(dsa);
	rte_bus_register(&bus);
	if (dsa != NULL)
		rte_bus_register(dsa);
}

RTE_FINI(softdsa_unload)
{
	const struct softdsa_dev *dev = the_device();

	/* Threads and signal handlers stay, because the process is about to
	 * end. */
	if (dev != NULL && ferry_process_check(dev->process) == 0)
		softdsa_dir_remove(&dev->dir);
}

int
ferry_softdsa_set(const char *text)
{
	struct softdsa_dev *dev = the_device();
	char error[SOFTDSA_ERROR_LEN];
	int ret = 0;

	if (dev == NULL)
		return -ENODEV;
	pthread_mutex_lock(&dev->config_lock);
	if (softdsa_config_parse(&dev->config, text, true, error) != 0) {
		SOFTDSA_LOG(ERR, "%s", error);
		ret = -EINVAL;
	} else {
		apply(dev);
	}
	pthread_mutex_unlock(&dev->config_lock);
	return ret;
}

int
ferry_softdsa_stats(unsigned int wq, struct ferry_softdsa_stats *stats)
{
	struct softdsa_dev *dev = the_device();
	struct softdsa_counts *c;

	if (dev == NULL || wq >= dev->config.wqs)
		return -ENODEV;
	c = &dev->wqs[wq].counts;
#define GET(name) .name = __atomic_load_n(&c->name, __ATOMIC_RELAXED)
	*stats = (struct ferry_softdsa_stats) {
		GET(submitted), GET(batches), GET(descriptors), GET(bytes),
		GET(failed), GET(faults), GET(dropped), GET(aborted),
		GET(unreported),
	};
#undef GET
	return 0;
}

const char *
ferry_softdsa_root(void)
{
	const struct softdsa_dev *dev = the_device();

	return dev != NULL ? dev->dir.root : NULL;
}

int
ferry_softdsa_take_signals(void)
{
	struct softdsa_dev *dev = the_device();

	return dev != NULL ? softdsa_portal_start(dev) : -ENODEV;
}
