/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COMPAT_H
#define FERRY_COMPAT_H

/*
 * Every difference between the DPDK versions ferry builds with, and nothing
 * else. Internal: not installed. Code elsewhere must not test RTE_VERSION.
 */

#include <rte_version.h>

#if RTE_VERSION < RTE_VERSION_NUM(22, 11, 0, 0)
#error "ferry needs DPDK 22.11 or newer"
#endif

#include <pthread.h>

#include <rte_lcore.h>
#include <rte_thread.h>

/* A control thread: not on an lcore, joinable with pthread_join(). */
static inline int
ferry_ctrl_thread(pthread_t *thread, const char *name,
		void *(*start)(void *arg), void *arg)
{
#if RTE_VERSION < RTE_VERSION_NUM(23, 11, 0, 0)
	return rte_ctrl_thread_create(thread, name, NULL, start, arg);
#else
	/* rte_ctrl_thread_create() is gone; its successor starts functions of
	 * another type. All it adds is the affinity to the non-lcore CPUs. */
	int ret = pthread_create(thread, NULL, start, arg);

	if (ret == 0)
		pthread_setname_np(*thread, name);
	return -ret;
#endif
}

#include <rte_telemetry.h>

/* Renamed in 23.03, the old name removed later. */
static inline int
ferry_tel_dict_u64(struct rte_tel_data *d, const char *name, uint64_t value)
{
#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
	return rte_tel_data_add_dict_u64(d, name, value);
#else
	return rte_tel_data_add_dict_uint(d, name, value);
#endif
}

/* Since DPDK 25.11 no longer pulled in by rte_common.h. */
#include <rte_bitops.h>

#include <rte_dmadev.h>

/* Ask for silent mode, a flag among others since 25.11. */
static inline void
ferry_dma_conf_silent(struct rte_dma_conf *conf)
{
#if RTE_VERSION < RTE_VERSION_NUM(25, 11, 0, 0)
	conf->enable_silent = true;
#else
	conf->flags |= RTE_DMA_CFG_FLAG_SILENT;
#endif
}

#endif /* FERRY_COMPAT_H */
