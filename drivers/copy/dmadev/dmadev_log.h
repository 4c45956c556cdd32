/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_DMADEV_LOG_H
#define FERRY_DMADEV_LOG_H

#include <rte_log.h>

/* The name does not begin with ferry_, because the library exports such
 * names. */
extern int copy_dmadev_logtype;

/* Internal: one line to the log type ferry.copy.dmadev. */
#define DMADEV_LOG(level, ...) \
	rte_log(RTE_LOG_ ## level, copy_dmadev_logtype, \
		RTE_FMT("dmadev lane: " RTE_FMT_HEAD(__VA_ARGS__,) "\n", \
		RTE_FMT_TAIL(__VA_ARGS__,)))

#endif /* FERRY_DMADEV_LOG_H */
