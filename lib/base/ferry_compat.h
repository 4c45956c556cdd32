/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COMPAT_H
#define FERRY_COMPAT_H

/*
 * This file holds every difference between the DPDK versions that ferry builds
 * with, and nothing else. Internal: not installed. No other file may test
 * RTE_VERSION.
 */

#include <rte_version.h>

#if RTE_VERSION < RTE_VERSION_NUM(22, 11, 0, 0)
#error "ferry needs DPDK 22.11 or newer"
#endif

#include <pthread.h>

#include <rte_lcore.h>
#include <rte_thread.h>

/* Start a control thread. The thread is no lcore; pthread_join() joins it. */
static inline int
ferry_ctrl_thread(pthread_t *thread, const char *name,
		void *(*start)(void *arg), void *arg)
{
#if RTE_VERSION < RTE_VERSION_NUM(23, 11, 0, 0)
	return rte_ctrl_thread_create(thread, name, NULL, start, arg);
#else
	/* DPDK has removed rte_ctrl_thread_create(). Its successor starts
	 * functions of another type. The only thing that the successor adds to
	 * pthread_create() is the affinity to the non-lcore CPUs. */
	int ret = pthread_create(thread, NULL, start, arg);

	if (ret == 0)
		pthread_setname_np(*thread, name);
	return -ret;
#endif
}

#include <rte_telemetry.h>

/* DPDK renamed this function in 23.03 and removed the old name later. */
static inline int
ferry_tel_dict_u64(struct rte_tel_data *d, const char *name, uint64_t value)
{
#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
	return rte_tel_data_add_dict_u64(d, name, value);
#else
	return rte_tel_data_add_dict_uint(d, name, value);
#endif
}

/* Included here because rte_common.h no longer includes it since DPDK 25.11. */
#include <rte_bitops.h>

#include <rte_dmadev.h>

/* Ask for silent mode. Since DPDK 25.11 it is one bit of conf->flags. */
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
